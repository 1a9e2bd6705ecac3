// shardplan plan CONFIG.yaml: what a configuration means for every rank.
#include <charconv>
#include <memory>
#include <shardplan/report/json_plan.hpp>
#include <shardplan/report/rank_text.hpp>
#include <shardplan/report/text.hpp>
#include "cli11.hpp"

#include "console.hpp"
#include "job_arguments.hpp"
#include "verbs.hpp"

namespace sp = shardplan;

namespace {

struct Arguments {
  cli::JobArguments job;
  std::string rank;  ///< empty: none, "all", or a number
  std::string format = "text";
};

std::optional<sp::Rank> number(std::string_view text) {
  sp::Index out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out < 0) return std::nullopt;
  return sp::Rank(out);
}

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// `llama3_70b` of `configs/llama3_70b_config.yaml`.
std::string_view config_name(std::string_view path) {
  std::string_view name = file_name(path);
  for (const std::string_view end : {".yaml", ".yml", "_config"})
    if (name.size() > end.size() && name.ends_with(end)) name.remove_suffix(end.size());
  return name;
}

int run(const Arguments& arguments) {
  const auto [config, job, hf_config] = arguments.job.read();
  const sp::Plan plan{job.model, job.strategy, job.world, job.options};
  sp::PlanReport report = sp::report(plan,
                                     {.config = std::string(config_name(arguments.job.config)),
                                      .hf_config = std::string(file_name(hf_config)),
                                      .precision = config.precision.type},
                                     job.notes);
  report.findings = sp::located(std::move(report.findings), config, hf_config);
  const std::optional<sp::Rank> rank = number(arguments.rank);
  if (rank) plan.at(*rank);  // refuses a rank that is none before anything is printed

  cli::print(report.findings);
  cli::Output out;
  if (arguments.rank == "all") {
    sp::JsonWriter header(out.text);
    sp::write(header, report);
    out.text += '\n';
    sp::RankJson ranks(plan);
    for (sp::Rank each = 0; each < plan.world().ranks; ++each) {
      sp::JsonWriter line(out.text);
      ranks.write(line, each);
      out.text += '\n';
      out.flush_if_large();
    }
  } else if (arguments.format == "json") {
    sp::JsonWriter json(out.text, 2);
    sp::write(json, report, rank);
    out.text += '\n';
  } else {
    out.text = sp::text(report);
    if (rank) out.text += sp::concat('\n', sp::rank_text(plan, *rank, cli::page_width()));
  }
  out.flush();
  return arguments.job.warnings_as_errors && report.count(sp::Severity::warning) > 0 ? cli::differs : cli::done;
}

}  // namespace

cli::Verb cli::add_plan(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("plan", "What a configuration means for every rank");
  const auto arguments = std::make_shared<Arguments>();
  arguments->job.add_to(*verb);
  verb->add_option("--rank", arguments->rank,
                   "add that rank: coordinates, neighbours, groups, parameters,\nZeRO-1 slices; all: JSON Lines, a "
                   "header, then a rank a line")
      ->option_text("N|all")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return text == "all" || number(text) ? std::string()
                                                 : sp::concat("'", text, "' is neither a rank nor 'all'");
          },
          ""));
  const CLI::Option* format =
      verb->add_option("--format", arguments->format,
                       "text (default), or json: schema shardplan-plan-1, described in\nshardplan/report/json_plan.hpp")
          ->option_text("text|json")
          ->check(CLI::IsMember({"text", "json"}));
  add_to_help(*verb,
              "Examples:\n"
              "  shardplan plan job.yaml\n"
              "  shardplan plan job.yaml --rank 300\n"
              "  shardplan plan job.yaml --model llama3-70b --set trainer.num_nodes=32 --dialect compat\n"
              "  shardplan plan job.yaml --rank all | tail -n +2 | jq .rank");
  verb->callback([format, arguments] {
    if (arguments->rank == "all" && arguments->format == "text" && format->count() > 0)
      throw CLI::ValidationError("--rank all", "gives JSON Lines, not text");
  });
  return {verb, [arguments] { return run(*arguments); }};
}
