// shardplan check CONFIG.yaml: everything that is wrong with a configuration, or not what it seems.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <shardplan/config/pitfalls.hpp>
#include <shardplan/config/yaml.hpp>
#include <shardplan/report/json.hpp>
#include <shardplan/report/units.hpp>
#include "cli11.hpp"

#include "console.hpp"
#include "job_arguments.hpp"
#include "verbs.hpp"

namespace sp = shardplan;

namespace {

struct Arguments {
  cli::JobArguments job;
  std::string format = "text";
};

/// Every finding: of loading, of the planners, of the plan itself, and the pitfalls.
sp::Diagnostics all_findings(const cli::JobArguments& asked) {
  sp::Diagnostics out;
  const auto attempt = [&](auto&& run) {
    try {
      run();
    } catch (const sp::Error& error) {
      out = error.diagnostics();
    }
  };
  attempt([&] {
    const sp::Config config = sp::load_config(asked.config, asked.overrides);
    attempt([&] {
      const sp::Job job = sp::job(config, asked.options());
      out = job.notes;
      try {
        sp::Plan{job.model, job.strategy, job.world, job.options};
      } catch (const sp::Error& error) {  // the notes stay
        for (const sp::Diagnostic& one : error.diagnostics())
          if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(one);
      }
    });
    out = sp::located(std::move(out), config, sp::find_huggingface(config, asked.model_config));
    out.append(sp::pitfalls(config));
    out.append(sp::overriding_variables(config, [](const char* name) { return std::getenv(name); }));
  });
  return out;
}

/// shardplan-check-1
///
///     config     the file
///     errors, warnings, notes   how many
///     findings   id, severity, rule (what should hold), message, hint (null: none), and keys: for each key of the rule
///                its name, file, line and column (null: of no file, or unknown)
std::string json_text(const Arguments& arguments, const sp::Diagnostics& findings, const sp::Index (&counts)[3]) {
  std::string out;
  sp::JsonWriter json(out, 2);
  json.begin_object().member("schema", "shardplan-check-1").member("config", arguments.job.config);
  json.member("errors", counts[2]).member("warnings", counts[1]).member("notes", counts[0]);
  json.key("findings").begin_array();
  for (const sp::Diagnostic& one : findings) {
    json.begin_object().member("id", one.id).member("severity", name(one.severity));
    json.member("rule", sp::rule(one.id).summary).member("message", one.message);
    json.member("hint", one.hint.empty() ? std::nullopt : std::optional(one.hint));
    json.key("keys").begin_array();
    for (const sp::Origin& at : one.origins) {
      json.flat().begin_object().member("key", at.key);
      json.member("file", at.file.empty() ? std::nullopt : std::optional(at.file));
      json.member("line", at.line > 0 ? std::optional(at.line) : std::nullopt);
      json.member("column", at.column > 0 ? std::optional(at.column) : std::nullopt).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return out += '\n';
}

std::string text(const sp::Diagnostics& findings, const sp::Index (&counts)[3]) {
  std::string out;
  for (const sp::Diagnostic& one : findings) out += sp::concat(one, '\n');
  std::vector<std::string> parts;
  for (const int severity : {2, 1, 0})
    if (counts[severity] > 0) parts.push_back(sp::counted(counts[severity], name(static_cast<sp::Severity>(severity))));
  out += parts.empty() ? "no findings\n" : sp::concat(out.empty() ? "" : "\n", sp::join(parts, ", "), '\n');
  return out;
}

int run(const Arguments& arguments) {
  sp::Diagnostics findings = all_findings(arguments.job);
  sp::Index counts[3] = {};
  for (const sp::Diagnostic& one : findings) ++counts[static_cast<int>(one.severity)];
  cli::Output out{arguments.format == "json" ? json_text(arguments, findings, counts) : text(findings, counts)};
  out.flush();
  for (const sp::Diagnostic& one : findings)
    if (one.id == "SP-CONFIG-001") return cli::failed;
  if (counts[2] > 0) return cli::bad_input;
  return arguments.job.warnings_as_errors && counts[1] > 0 ? cli::differs : cli::done;
}

}  // namespace

cli::Verb cli::add_check(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("check", "Everything that is wrong with a configuration, or not what it seems");
  const auto arguments = std::make_shared<Arguments>();
  arguments->job.add_to(*verb);
  verb->add_option("--format", arguments->format,
                   "text (default), or json: schema shardplan-check-1,\nwhose ids never change")
      ->option_text("text|json")
      ->check(CLI::IsMember({"text", "json"}));
  add_to_help(*verb,
              "Exit code 2 where there is an error, so that a launcher can stop.\n\n"
              "Examples:\n"
              "  shardplan check job.yaml\n"
              "  shardplan check job.yaml --model llama3-70b --warnings-as-errors\n"
              "  shardplan check job.yaml --format json | jq '.findings[].id'");
  return {verb, [arguments] { return run(*arguments); }};
}
