// shardplan explain: who holds an element of a tensor and by which cuts, or what a rule says.
#include <charconv>
#include <fstream>
#include <memory>
#include <shardplan/report/explain_text.hpp>
#include <shardplan/report/rule.hpp>
#include <shardplan/report/shard_map.hpp>
#include "cli11.hpp"

#include "console.hpp"
#include "job_arguments.hpp"
#include "verbs.hpp"

namespace sp = shardplan;

namespace {

struct Arguments {
  cli::JobArguments job;
  std::string tensor;
  std::string index;
  std::optional<sp::Index> rank;
  std::string format = "text";

  /// Whether CONFIG is the id of a rule, or nothing but that: a file of that name goes first.
  bool asks_for_rule() const {
    if (!tensor.empty() || !index.empty() || rank || std::ifstream(job.config).good()) return false;
    return sp::looks_like_rule(job.config) || job.config.find_first_of("./\\") == std::string::npos;
  }
};

/// `12,7`, with or without brackets and blanks.
std::optional<sp::Shape> parse_index(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  sp::Shape out;
  while (true) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view word = text.substr(0, comma);
    while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
    while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
    sp::Index number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc() || end != word.data() + word.size() || number < 0) return std::nullopt;
    out.push_back(number);
    if (comma == text.size()) return out;
    text.remove_prefix(comma + 1);
  }
}

int explain_rule(const Arguments& arguments) {
  const std::optional<sp::Rule> rule = sp::find_rule(arguments.job.config);
  if (!rule) {
    const auto meant = sp::closest_rules(arguments.job.config);
    const std::string file = "a configuration has a name such as job.yaml";
    cli::print_error(sp::concat("no rule has the id '", arguments.job.config, "'"),
                     meant.empty() ? sp::concat("ids are R and a number, or SP-ROOM-nnn; ", file)
                                   : sp::concat("the closest are ", sp::join(meant, ", "), "; ", file));
    return cli::bad_input;
  }
  cli::Output out;
  if (arguments.format == "json") {
    sp::JsonWriter json(out.text, 2);
    sp::write(json, *rule);
    out.text += '\n';
  } else {
    out.text = sp::text(*rule);
  }
  out.flush();
  return cli::done;
}

/// A picture of who holds what of a tensor, on the ranks of its first stage.
std::string picture(const sp::Explanation& explanation) {
  const sp::Parameter& parameter = explanation.parameter();
  std::vector<sp::MapPart> parts;
  if (parameter.sharding.dim == 0 && parameter.sharding.parts.size() > 1)
    for (const sp::Part& part : parameter.sharding.parts) parts.push_back({part.name, part.size});
  return sp::shard_map(explanation.weight, {.title = parameter.name, .parts = std::move(parts)});
}

int run(const Arguments& arguments) {
  if (arguments.asks_for_rule()) return explain_rule(arguments);
  const bool draws = arguments.format == "svg";
  if (arguments.tensor.empty() || (arguments.index.empty() && !arguments.rank && !draws)) {
    cli::print_error("a configuration is explained by --tensor NAME with --index I,J or --rank N",
                     "see 'shardplan explain --help'");
    return cli::bad_input;
  }
  const auto [config, job, hf_config] = arguments.job.read();
  const sp::Plan plan{job.model, job.strategy, job.world, job.options};
  std::optional<sp::Shape> index;
  if (!arguments.index.empty()) index = parse_index(arguments.index);
  std::optional<sp::Rank> rank;
  if (arguments.rank) rank = sp::Rank(*arguments.rank);
  const sp::Explanation explanation = sp::explain(plan, arguments.tensor, index, rank);

  const sp::Diagnostics findings = sp::located(job.notes, config, hf_config);
  cli::print(findings);
  cli::Output out;
  if (draws) {
    out.text = picture(explanation);
  } else if (arguments.format == "json") {
    sp::JsonWriter json(out.text, 2);
    sp::write(json, explanation);
    out.text += '\n';
  } else {
    out.text = sp::text(explanation);
  }
  out.flush();
  bool warned = false;
  for (const sp::Diagnostic& one : findings) warned = warned || one.severity == sp::Severity::warning;
  return arguments.job.warnings_as_errors && warned ? cli::differs : cli::done;
}

}  // namespace

cli::Verb cli::add_explain(CLI::App& app) {
  CLI::App* verb =
      app.add_subcommand("explain", "Who holds an element of a tensor, by which cuts; or what a rule says");
  const auto arguments = std::make_shared<Arguments>();
  arguments->job.add_to(*verb, "or RULE-ID");
  verb->add_option("--tensor", arguments->tensor, "a tensor of the model")->option_text("NAME");
  verb->add_option("--index", arguments->index, "an element of the whole, unpadded tensor, an index a dimension")
      ->option_text("I,J,...")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return parse_index(text) ? std::string()
                                     : sp::concat("'", text, "' is no index: one number a dimension, such as 12,7");
          },
          ""));
  verb->add_option("--rank", arguments->rank, "what that rank's shard of the tensor covers")
      ->option_text("N")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--format", arguments->format,
                   "text (default); svg: a picture of who holds what of --tensor;\n"
                   "json: schema shardplan-explain-1, described in\n"
                   "shardplan/report/explain_text.hpp, of a rule in rule.hpp")
      ->option_text("text|svg|json")
      ->check(CLI::IsMember({"text", "svg", "json"}));
  add_to_help(*verb,
              "Examples:\n"
              "  shardplan explain job.yaml --tensor lm_head.weight --index 1000,17\n"
              "  shardplan explain job.yaml --tensor lm_head.weight --rank 300\n"
              "  shardplan explain job.yaml --tensor lm_head.weight --format svg > lm_head.svg\n"
              "  shardplan explain R5\n"
              "  shardplan explain SP-MESH-005");
  return {verb, [arguments] { return run(*arguments); }};
}
