#pragma once
#include <span>
#include <string>

#include <shardplan/config/custom_model.hpp>
#include <shardplan/config/yaml.hpp>

namespace shardplan {

/// The description of a model in a YAML file, see config/custom_sections.hpp, with `KEY.PATH=VALUE` applied first, such
/// as `sizes.hidden=8192`:
///
///     const sp::Model mine = sp::custom_model(sp::load_custom_model("model.yaml").description);
///
/// Errors   those of read_yaml; of apply_override and bind_custom_model all in one `Error`
/// Post     `diagnostics` are warnings
inline BoundCustomModel load_custom_model(const std::string& path, std::span<const std::string> overrides = {}) {
  Node root = read_yaml(path);
  Diagnostics errors;
  for (const std::string& one : overrides) {
    try {
      apply_override(root, one);
    } catch (const Error& error) {
      errors.append(error.diagnostics());
    }
  }
  BoundCustomModel out = bind_custom_model(root);
  errors.append(out.diagnostics);
  if (has_errors(errors)) throw Error(std::move(errors));
  return out;
}

}  // namespace shardplan
