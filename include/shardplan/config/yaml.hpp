#pragma once
#include <fstream>
#include <optional>
#include <span>
#include <vector>

#include <shardplan/config/config.hpp>
#include <shardplan/config/huggingface.hpp>
#include <shardplan/config/interpolation.hpp>
#include <shardplan/config/job.hpp>
#include <shardplan/config/overrides.hpp>
#include <shardplan/config/yaml_reader.hpp>

/// Configuration files: a `Config` out of YAML, the architecture out of a config.json.
namespace shardplan {

/// Applies `KEY.PATH=VALUE` to a tree that is not yet resolved: the value is YAML, so `[1, 2]`, `{a: 1}`, `3e-4`,
/// `null` and `${trainer.devices}` have their types.
///
/// Errors   SP-CONFIG-015 malformed, or a path that cannot be set
inline void apply_override(Node& root, const std::string& text) {
  const std::size_t equals = text.find('=');
  const Mark mark{std::make_shared<const std::string>(concat("--set ", text))};
  try {
    if (equals == text.npos) fail("SP-CONFIG-015", concat("'", text, "' has no '='"), "write --set trainer.devices=32");
    Node value = read_yaml_text(std::string_view(text).substr(equals + 1), *mark.file);
    value.mark = mark;
    set_path(root, std::string_view(text).substr(0, equals), std::move(value), &mark);
  } catch (const Error& error) {
    Diagnostic what = error.diagnostics()[0];
    if (what.id != "SP-CONFIG-015")
      what = finding("SP-CONFIG-015", concat("the value cannot be read: ", what.message), what.hint);
    what.origins = {origin(text.substr(0, equals), mark)};
    throw Error(std::move(what));
  }
}

namespace detail {

/// Leaves out what is said of a value that an interpolation makes of another value found wrong.
inline void drop_derived(Diagnostics& found, const Node& unresolved) {
  const auto derived = [&](const Diagnostic& one) {
    const Node* value = find_path(unresolved, one.origins[0].key);
    const std::string* text = value != nullptr ? value->as<std::string>() : nullptr;
    if (text == nullptr || one.id != "SP-CONFIG-011") return false;
    for (const Diagnostic& other : found) {
      const std::string& key = other.origins[0].key;
      if (other.id == "SP-CONFIG-011" && text->find('$') != text->npos &&
          text->find(key.substr(key.rfind('.') + 1)) != text->npos)
        return true;
    }
    return false;
  };
  Diagnostics kept;
  for (const Diagnostic& one : found)
    if (!derived(one)) kept.push_back(one);
  found = std::move(kept);
}

}  // namespace detail

/// The configuration of an NxDT file.
///
/// Rule     read, override, resolve, bind
/// Errors   those of `read_yaml`: there is no tree
/// Post     every other finding of every step is in `diagnostics` of the result, so that job() and plan() can throw
///          them together with their own; where one is an error, its key has its default
inline Config load_config(const std::string& path, std::span<const std::string> overrides = {}) {
  Node root = read_yaml(path);
  Diagnostics all;
  for (const std::string& one : overrides) {
    try {
      apply_override(root, one);
    } catch (const Error& error) {
      all.append(error.diagnostics());
    }
  }
  const Resolved resolved = resolve(root);
  auto [config, found] = bind(resolved.tree);
  detail::drop_derived(found, root);
  all.append(resolved.diagnostics);
  all.append(found);
  config.diagnostics = std::move(all);
  return std::move(config);
}

/// The architecture in a Hugging Face `config.json`, given its path or that of its folder.
///
/// Errors   those of `read_yaml` and `bind_huggingface`, all in one `Error`
inline HfConfig load_huggingface(const std::string& path) {
  const std::string inside = path + "/config.json";
  auto [config, found] = bind_huggingface(read_yaml(std::ifstream(inside) ? inside : path));
  if (has_errors(found)) throw Error(std::move(found));
  return config;
}

/// Where the config.json of a configuration is: the path asked for, else model.model_config, a relative one sought from
/// the configuration's folder first; the file itself or its folder. Empty where there is none to read.
inline std::string find_huggingface(const Config& config, const std::string& asked) {
  const std::string wanted = !asked.empty() ? asked : config.model.model_config.value_or(std::string());
  if (wanted.empty() || (asked.empty() && config.model_source != "hf")) return {};
  std::vector<std::string> places{wanted};
  const std::string& file = config.tree.mark.file ? *config.tree.mark.file : std::string();
  if (const std::size_t slash = file.rfind('/'); asked.empty() && wanted[0] != '/' && slash != file.npos)
    places.insert(places.begin(), file.substr(0, slash + 1) + wanted);
  for (const std::string& place : places)
    for (const std::string& path : {place + "/config.json", place})
      if (std::ifstream in(path); in && in.peek() != std::ifstream::traits_type::eof()) return path;
  return {};
}

/// What a configuration asks of the planners, its config.json read. Errors of load_config, load_huggingface and job(),
/// all in one `Error`.
inline Job job(const Config& config, const JobOptions& options = {}) {
  const std::string hf_file = find_huggingface(config, options.model_config);
  std::optional<HfConfig> hf;
  Diagnostics found;
  try {
    if (!options.model_config.empty() && hf_file.empty())
      detail::fail_at("SP-CONFIG-001", {std::make_shared<const std::string>(options.model_config)},
                      "the file cannot be read");
    if (!hf_file.empty()) hf = load_huggingface(hf_file);
  } catch (const Error& error) {
    found = error.diagnostics();
  }
  return job(config, hf, hf_file, options, std::move(found));
}

/// The plan of a configuration. Errors of job().
inline Plan plan(const Config& config, const JobOptions& options = {}) {
  const Job asked = job(config, options);
  return {asked.model, asked.strategy, asked.world, asked.options};
}

}  // namespace shardplan
