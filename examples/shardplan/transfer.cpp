// shardplan transfer --from CONFIG --to CONFIG: what has to be sent so that a model changes its ranks.
#include <algorithm>
#include <memory>
#include <shardplan/config/yaml.hpp>
#include <shardplan/report/transfer_text.hpp>
#include "cli11.hpp"

#include "console.hpp"
#include "job_arguments.hpp"
#include "verbs.hpp"

namespace sp = shardplan;

namespace {

struct Arguments {
  cli::TwoJobArguments jobs;
  std::string tensor;
  std::string replicas = "nearest";
  bool optimizer = false;
  bool relabel = false;
  bool all = false;
  std::string format = "text";
};

/// Moves that are listed unasked.
constexpr std::size_t shown = 40;

sp::Plan plan_of(const cli::JobArguments::Asked& asked) {
  return {asked.job.model, asked.job.strategy, asked.job.world, asked.job.options};
}

void write_moves(cli::Output& out, const sp::TransferReport& report) {
  const bool states = !report.rows.empty() && report.rows.back().state;
  for (const sp::TensorPair& pair : report.pairs)
    for (const bool state : {false, true}) {
      if (state && !states) continue;
      const sp::Index bytes = sp::detail::move_element_bytes(report, state);
      sp::for_each_move(report, pair, state, [&](const sp::Move& move) {
        sp::JsonWriter line(out.text);
        sp::write(line, move, report.to->parameters()[pair.to].name, state, bytes);
        out.text += '\n';
        out.flush_if_large();
      });
    }
}

int run(const Arguments& arguments) {
  const auto from = arguments.jobs.read_from(), to = arguments.jobs.read_to();
  const sp::Plan source = plan_of(from), destination = plan_of(to);
  const auto choice = std::find(std::begin(sp::replica_choice_names), std::end(sp::replica_choice_names),
                                std::string_view(arguments.replicas)) -
                      std::begin(sp::replica_choice_names);
  const sp::TransferReport report = sp::transfer_report(source, destination,
                                                        {.replicas = static_cast<sp::ReplicaChoice>(choice),
                                                         .optimizer = arguments.optimizer,
                                                         .relabel = arguments.relabel,
                                                         .tensor = arguments.tensor});

  sp::Diagnostics findings = sp::located(from.job.notes, from.config, from.hf_config);
  for (const sp::Diagnostic& one : sp::located(to.job.notes, to.config, to.hf_config))
    if (std::find(findings.begin(), findings.end(), one) == findings.end()) findings.push_back(one);
  cli::print(findings);

  cli::Output out;
  if (arguments.format == "json") {
    sp::JsonWriter json(out.text, arguments.all ? 0 : 2);
    sp::write(json, report);
    out.text += '\n';
    if (arguments.all) write_moves(out, report);
  } else {
    out.text = sp::text(report, cli::page_width());
    if (!arguments.tensor.empty()) out.text += sp::moves_text(report, arguments.all ? 0 : shown, cli::page_width());
  }
  out.flush();
  const bool warned = std::any_of(findings.begin(), findings.end(),
                                  [](const sp::Diagnostic& one) { return one.severity == sp::Severity::warning; });
  return !report.complete() || (arguments.jobs.common.warnings_as_errors && warned) ? cli::differs : cli::done;
}

}  // namespace

cli::Verb cli::add_transfer(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("transfer", "What has to be sent so that a model changes its ranks");
  const auto arguments = std::make_shared<Arguments>();
  arguments->jobs.add_to(*verb);
  verb->add_option("--tensor", arguments->tensor, "only that tensor, and its moves one by one")->option_text("NAME");
  verb->add_flag("--optimizer", arguments->optimizer, "also master weights and optimizer states");
  std::vector<std::string> choices(std::begin(sp::replica_choice_names), std::end(sp::replica_choice_names));
  verb->add_option("--replicas", arguments->replicas,
                   "which of several holders sends: nearest by rank number (default),\nall in turn, or the lowest")
      ->option_text(sp::join(choices, "|"))
      ->check(CLI::IsMember(choices));
  verb->add_flag("--relabel", arguments->relabel,
                 "look for the numbering of the destination's ranks that sends least;\nup to 8,192 ranks");
  verb->add_flag("--all", arguments->all,
                 sp::concat("all moves: of --tensor beyond the first ", shown,
                            ", or with --format json of\nall tensors as JSON Lines, a header, then a move a line"));
  verb->add_option("--format", arguments->format,
                   "text (default), or json: schema shardplan-transfer-1, described in\n"
                   "shardplan/report/transfer_text.hpp")
      ->option_text("text|json")
      ->check(CLI::IsMember({"text", "json"}));
  verb->callback([arguments] {
    if (arguments->all && arguments->tensor.empty() && arguments->format == "text")
      throw CLI::ValidationError("--all", "needs --tensor, or --format json");
  });
  add_to_help(*verb,
              "Tensors are matched by name. Exit code 1 also where a tensor of --to has no source.\n\n"
              "Examples:\n"
              "  shardplan transfer --from a.yaml --to a.yaml \\\n"
              "    --set-to distributed_strategy.tensor_model_parallel_size=8\n"
              "  shardplan transfer --from a.yaml --to b.yaml --optimizer --relabel\n"
              "  shardplan transfer --from a.yaml --to b.yaml --tensor lm_head.weight --all\n"
              "  shardplan transfer --from a.yaml --to b.yaml --format json --all");
  return {verb, [arguments] { return run(*arguments); }};
}
