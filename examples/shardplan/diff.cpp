// shardplan diff A.yaml B.yaml: where two configurations differ in effect.
#include <memory>
#include <shardplan/config/effects.hpp>
#include <shardplan/config/yaml.hpp>
#include <shardplan/report/json.hpp>
#include <shardplan/report/table.hpp>
#include <shardplan/report/units.hpp>
#include "cli11.hpp"

#include "console.hpp"
#include "verbs.hpp"

namespace sp = shardplan;

namespace {

struct Side {
  std::string config;
  std::vector<std::string> overrides;
};

struct Arguments {
  Side a, b;
  std::string format = "text";
};

/// What follows from a configuration besides its keys; empty where it is no job.
struct Derived {
  std::string name;
  std::string value;
};
std::vector<Derived> derived(const sp::Config& config) {
  try {
    const sp::Plan plan = sp::plan(config);
    sp::InlineVector<sp::Index, 16> layers;
    const sp::Partition& stages = plan.partition();
    for (sp::Index stage = 0; stage < stages.stages(); ++stage) layers.push_back(stages.layers_of(stage).size());
    sp::Index parameters = 0;
    for (const auto& one : plan.parameters()) parameters += sp::elements(one.shape);
    return {{"ranks", sp::concat(plan.world().ranks)},
            {"data-parallel ranks", sp::concat(plan.mesh().data())},
            {"micro-batches a step", sp::concat(plan.microbatches())},
            {"layers of the stages", sp::run_lengths(layers)},
            {"parameters", sp::with_commas(parameters)}};
  } catch (const sp::Error&) {
    return {};
  }
}

/// How a value is shown: as it is, and whether it is the default.
std::string shown(const std::optional<sp::Effect>& effect) {
  if (!effect) return "(no such key)";
  return effect->is_default() ? sp::concat(effect->value, " (default)") : effect->value;
}

void write_side(sp::JsonWriter& json, std::string_view name, const std::optional<sp::Effect>& effect) {
  json.key(name);
  if (!effect) {
    json.value(nullptr);
    return;
  }
  json.flat().begin_object().member("value", effect->value).member("default", effect->is_default());
  if (!effect->is_default()) json.member("file", effect->origin.file);
  if (effect->origin.line > 0) json.member("line", effect->origin.line).member("column", effect->origin.column);
  json.end_object();
}

/// shardplan-diff-1
///
///     a, b         the files
///     keys         those that differ: key; a and b: null where one has no such key, else value (as YAML in flow
///                  style), default (whether nobody gives it), file (or `--set KEY=VALUE`), line, column
///     derived      what differs of what follows from them: name, a, b; null where either is no job
std::string json_text(const Arguments& arguments, const std::vector<sp::EffectDifference>& keys,
                      const std::vector<std::pair<Derived, Derived>>& follows, bool both_plan) {
  std::string out;
  sp::JsonWriter json(out, 2);
  json.begin_object().member("schema", "shardplan-diff-1");
  json.member("a", arguments.a.config).member("b", arguments.b.config);
  json.key("keys").begin_array();
  for (const sp::EffectDifference& one : keys) {
    json.begin_object().member("key", one.path());
    write_side(json, "a", one.a);
    write_side(json, "b", one.b);
    json.end_object();
  }
  json.end_array().key("derived");
  if (both_plan) {
    json.begin_array();
    for (const auto& [a, b] : follows)
      json.flat().begin_object().member("name", a.name).member("a", a.value).member("b", b.value).end_object();
    json.end_array();
  } else {
    json.value(nullptr);
  }
  json.end_object();
  return out += '\n';
}

std::string text(const Arguments& arguments, const std::vector<sp::EffectDifference>& keys,
                 const std::vector<std::pair<Derived, Derived>>& follows, bool both_plan) {
  if (keys.empty() && follows.empty()) return "no difference in effect\n";
  std::string out =
      sp::concat(sp::counted(static_cast<sp::Index>(keys.size()), "key"), keys.size() == 1 ? " differs" : " differ",
                 "\n\n  a  ", arguments.a.config, "\n  b  ", arguments.b.config, "\n\n");
  sp::Table table({{"key"}, {"a"}, {"b"}});
  for (const sp::EffectDifference& one : keys) table.row({one.path(), shown(one.a), shown(one.b)});
  table.write(out, 2, cli::page_width());
  if (!follows.empty()) {
    out += "\n  what follows\n";
    sp::Table more({{""}, {"a"}, {"b"}});
    for (const auto& [a, b] : follows) more.row({a.name, a.value, b.value});
    more.write(out, 2, cli::page_width());
  } else if (!both_plan) {
    out += "\n  what follows from them is not compared, since one of them cannot be planned: see 'shardplan plan'\n";
  }
  return out;
}

int run(const Arguments& arguments) {
  const sp::Config a = sp::load_config(arguments.a.config, arguments.a.overrides);
  const sp::Config b = sp::load_config(arguments.b.config, arguments.b.overrides);
  cli::print(a.diagnostics);
  cli::print(b.diagnostics);
  if (sp::has_errors(a.diagnostics) || sp::has_errors(b.diagnostics)) return cli::bad_input;
  const std::vector<sp::EffectDifference> keys = sp::differences(a, b);
  const std::vector<Derived> of_a = derived(a), of_b = derived(b);
  const bool both_plan = !of_a.empty() && !of_b.empty();
  std::vector<std::pair<Derived, Derived>> follows;
  for (std::size_t i = 0; both_plan && i < of_a.size(); ++i)
    if (of_a[i].value != of_b[i].value) follows.emplace_back(of_a[i], of_b[i]);
  cli::Output out{arguments.format == "json" ? json_text(arguments, keys, follows, both_plan)
                                             : text(arguments, keys, follows, both_plan)};
  out.flush();
  return keys.empty() && follows.empty() ? cli::done : cli::differs;
}

}  // namespace

cli::Verb cli::add_diff(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("diff", "Where two configurations differ in effect");
  const auto arguments = std::make_shared<Arguments>();
  const auto add = [&](Side& side, const std::string& label, const std::string& option) {
    verb->add_option(label, side.config, "NxDT configuration, YAML")->required()->option_text(" ");
    verb->add_option(option, side.overrides,
                     sp::concat("set a key of ", label, " before it is interpreted; may be repeated"))
        ->option_text("KEY.PATH=VALUE")
        ->expected(1)
        ->allow_extra_args(false)
        ->take_all();
  };
  add(arguments->a, "A", "--set-a");
  add(arguments->b, "B", "--set-b");
  verb->add_option("--format", arguments->format, "text (default), or json: schema shardplan-diff-1")
      ->option_text("text|json")
      ->check(CLI::IsMember({"text", "json"}));
  add_to_help(*verb,
              "Defaults and interpolations count, places and spelling do not. Exit code 1 where they differ.\n\n"
              "Examples:\n"
              "  shardplan diff a.yaml b.yaml\n"
              "  shardplan diff a.yaml a.yaml --set-b distributed_strategy.zero1=false");
  return {verb, [arguments] { return run(*arguments); }};
}
