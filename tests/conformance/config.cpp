#include <cctype>

#include <shardplan/config/yaml.hpp>
#include <shardplan/report/summary.hpp>

#include "kinds.hpp"

/// Configurations of other people: resolved, and planned.
namespace conformance {
namespace {

using namespace shardplan;

Json json_of(const Node& node);

struct NodeToJson {
  Json operator()(std::monostate) const { return nullptr; }
  Json operator()(Node::Missing) const { return "???"; }
  Json operator()(Node::Broken) const { throw std::runtime_error("a value could not be resolved"); }
  Json operator()(const Node::Huge& huge) const { return Json::parse(huge.digits); }
  Json operator()(const Node::Sequence& items) const {
    Json out = Json::array();
    for (const Node& item : items) out.push_back(json_of(item));
    return out;
  }
  Json operator()(const Mapping& entries) const {
    Json out = Json::object();
    for (const Mapping::Entry& entry : entries) out[entry.key] = json_of(entry.value);
    return out;
  }
  template <class Plain>
  Json operator()(const Plain& plain) const {
    return plain;
  }
};
Json json_of(const Node& node) { return std::visit(NodeToJson{}, node.value); }

/// Every entry of `files` is a path among the configurations and what interpolation makes of the file.
bool holds_resolved_files(const Json& file) {
  if (!has(file, {"files"}) || !file.at("files").is_object()) return false;
  for (const auto& [path, tree] : file.at("files").items())
    if (!path.ends_with(".yaml")) return false;
  return true;
}

void check_resolved(const Field& object) {
  const std::string prefix = "files.";
  const Resolved resolved = resolve(read_yaml(object.conf() + '/' + object.path().substr(prefix.size())));
  if (has_errors(resolved.diagnostics)) throw Error(resolved.diagnostics);
  object.expect_exactly(json_of(resolved.tree));
}

/// The model of the hub whose name, letters and digits only, is part of a configuration's name.
std::string hub_name(std::string_view config) {
  const auto plain = [](std::string_view text) {
    std::string out;
    for (const char letter : text)
      if (std::isalnum(static_cast<unsigned char>(letter)))
        out += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    return out;
  };
  for (const std::string_view name : model_names())
    if (plain(config).find(plain(name)) != std::string::npos) return std::string(name);
  return {};
}

Json json_of(const Summary& summary) {
  Json out;
  const auto value = [](const auto& figure) -> Json {
    if constexpr (requires { figure.has_value(); })
      return figure ? Json(*figure) : Json();
    else
      return figure;
  };
  summary.for_each([&](std::string_view name, const auto& figure) { out[std::string(name)] = value(figure); });
  return out;
}

/// The figures of one plan, the same in both dialects.
void check_derived(const Field& object) {
  const std::string name = object["config"].text();
  const Config config = load_config(object.conf() + "/nxdt/" + name + "_config.yaml");
  JobOptions options;
  // A config.json by its name, or words that say why there is none: then the hub knows the architecture.
  const std::string hf_config = object.get<std::string>("hf_config", "");
  if (hf_config.ends_with(".json"))
    options.model_config = object.conf() + "/hf/" + hf_config;
  else if (!hf_config.empty())
    options.model = hub_name(name);
  for (const Dialect& dialect : {strict, compat}) {
    options.dialect = dialect;
    object.expect_value(json_of(summary(plan(config, options), {name, hf_config, config.precision.type})));
  }
}

}  // namespace

Kinds config_kinds() {
  return {{"resolved configuration", Kind::Scope::element,
           [](const Json&, const Json& file) { return holds_resolved_files(file); }, check_resolved},
          {"figures of a plan", Kind::Scope::element,
           [](const Json& object, const Json&) {
             return has(object, {"config", "model_source", "world_size", "layers_per_stage", "params_total"});
           },
           check_derived}};
}

}  // namespace conformance
