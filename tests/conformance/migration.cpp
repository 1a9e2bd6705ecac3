#include <fstream>
#include <iterator>
#include <shardplan/config/yaml.hpp>
#include <shardplan/migrate.hpp>
#include <shardplan/report/migration.hpp>

#include "kinds.hpp"

/// Configurations by themselves: migrated, refused, or without fault.
namespace conformance {
namespace {

using namespace shardplan;

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

migrate::Migrated migrated(const std::string& text, const std::string& name) {
  migrate::Options options;
  options.from = migrate::system_of(read_yaml_text(text, name));
  options.source_name = name;
  options.result_name = "result";
  return migrate::migrate(text, options, read_yaml_text);
}

/// Keys and values, one a line, keys that hold a mapping not among them.
void add_values(const Node& node, const std::string& path, Json& out) {
  const Mapping* entries = node.as<Mapping>();
  if (entries == nullptr || entries->empty()) {
    out[path] = migrate::yaml_text(node);
    return;
  }
  for (const Mapping::Entry& entry : *entries) add_values(entry.value, join_path(path, entry.key), out);
}
Json values_of(const Node& root) {
  Json out = Json::object();
  add_values(resolve(root).tree, {}, out);
  return out;
}

void expect_unchanged(const Field& at, const std::string& text, std::string_view what) {
  if (migrated(text, "result").text != text) at.differ("another migration changes " + std::string(what));
}

/// A migration: resolved values of the result, keys that go and the rows that say so, and that it changes nothing
/// twice.
void check_migration(const Field& object) {
  const migrate::Migrated got = migrated(text_of(object["source"].text()), object["source"].text());
  const Json wanted = values_of(read_yaml(object["result"].text())), is = values_of(got.tree);
  for (const auto& [key, value] : wanted.items())
    if (!is.contains(key))
      object["result"].differ(key + " is missing");
    else if (is.at(key) != value)
      object["result"].differ(key + " is " + is.at(key).dump() + ", not " + value.dump());
  for (const auto& [key, value] : is.items())
    if (!wanted.contains(key)) object["result"].differ(key + " is there, " + value.dump());
  Json dropped = Json::object();
  for (const migrate::Entry& one : got.report.entries)
    if (one.kind == migrate::Entry::Kind::dropped) dropped[one.old_path] = one.reason;
  object.expect("dropped", dropped);
  expect_unchanged(object["result"], got.text, "the result");
}

Diagnostics all_findings(const std::string& path) {
  Diagnostics out;
  try {
    const Config config = load_config(path);
    try {
      const Job asked = job(config);
      out = asked.notes;
      Plan{asked.model, asked.strategy, asked.world, asked.options};
    } catch (const Error& error) {
      out = error.diagnostics();
    }
    out = located(std::move(out), config, find_huggingface(config, {}));
    out.append(pitfalls(config));
  } catch (const Error& error) {
    out = error.diagnostics();
  }
  return out;
}

/// A configuration with one fault: found, with the number of its rule where it has one, at one of its keys.
void check_refusal(const Field& object) {
  const std::string rule = object["rule"].text();
  const std::string id = rule.substr(0, rule.find(' '));
  const bool numbered = id.size() > 1 && id[0] == 'R' && id.find_first_not_of("0123456789", 1) == id.npos;
  object.skip({"severity", "what", "nxdt_behaviour"});
  const auto keys = object["keys"].as<std::vector<std::string>>();
  std::string found;
  for (const Diagnostic& one : all_findings(object["file"].text())) {
    if (one.severity == Severity::note) continue;
    found += concat(found.empty() ? "" : ", ", one.id);
    if (numbered && one.id != id) continue;
    for (const Origin& at : one.origins)
      for (const std::string& key : keys)
        if (at.key == key || key.starts_with(at.key + '.')) return;
  }
  object["rule"].differ("findings " + found);
}

/// A configuration by itself. Of NxDT: without an error, but that its architecture may stand in a file that is not
/// here. Of another system: migrates, twice the same as once.
void check_configuration(const Field& object) {
  const std::string path = object["configuration"].text();
  if (migrate::system_of(read_yaml(path)) != migrate::System::nxdt) {
    const migrate::Migrated once = migrated(text_of(path), path);
    expect_unchanged(object["configuration"], once.text, "the result");
    return;
  }
  for (const Diagnostic& one : all_findings(path))
    if (one.severity == Severity::error && one.id != "SP-CONFIG-012") object["configuration"].differ(concat(one));
  expect_unchanged(object["configuration"], migrated(text_of(path), path).text, "the completed file");
}

}  // namespace

Kinds migration_kinds() {
  return {{"migration", Kind::Scope::file,
           [](const Json& object, const Json&) {
             return has(object, {"source", "result", "dropped"});
           },
           check_migration},
          {"configuration", Kind::Scope::file,
           [](const Json& object, const Json&) { return has(object, {"configuration"}); }, check_configuration},
          {"refused configuration", Kind::Scope::element,
           [](const Json& object, const Json&) {
             return has(object, {"file", "keys", "rule", "what"});
           },
           check_refusal}};
}

}  // namespace conformance
