#pragma once
#include <doctest/doctest.h>

#include <algorithm>

#include <shardplan/model.hpp>
#include <string>
#include <vector>

/// What the tests of this room share.
namespace shardplan {

/// `name [extents]` of every parameter, in order.
inline std::vector<std::string> listing(const Model& model) {
  std::vector<std::string> out;
  for (const Parameter& p : model.parameters) out.push_back(concat(p.name, ' ', p.shape));
  return out;
}

inline const Parameter& parameter(const Model& model, std::string_view name) {
  for (const Parameter& p : model.parameters)
    if (p.name == name) return p;
  FAIL("no parameter " << std::string(name));
  return model.parameters.front();
}

/// Both names of every tied tensor, one after the other.
inline std::vector<std::string> tied_names(const Model& model) {
  std::vector<std::string> out;
  for (const Parameter& p : model.parameters)
    if (!p.tied_name.empty()) out.insert(out.end(), {p.name, p.tied_name});
  return out;
}

/// Ids of all findings, in order.
inline std::vector<std::string> ids(const Diagnostics& all) {
  std::vector<std::string> out;
  for (const Diagnostic& one : all) out.emplace_back(one.id);
  return out;
}

/// Ids that `make` throws; empty when it throws nothing.
template <class Make>
std::vector<std::string> thrown_ids(Make make) {
  try {
    make();
  } catch (const Error& error) {
    return ids(error.diagnostics());
  }
  return {};
}

/// What holds for every parameter of every model: parts fill the cut dimension, names differ, stages come in order.
inline void check_parameters(const Model& model) {
  std::vector<std::string> names;
  Index stage = -1;
  for (const Parameter& p : model.parameters) {
    INFO(p.name);
    for (const Index extent : p.shape) CHECK(extent > 0);
    const Sharding& rule = p.sharding;
    if (!rule.parts.empty()) {
      Index sum = 0;
      for (const Part& part : rule.parts) sum += part.size;
      CHECK(sum == p.shape[static_cast<std::size_t>(rule.dim)]);
      CHECK_FALSE(rule.sequence_parallel);
    }
    for (const Part& part : rule.parts)
      if (part.role == Role::query || part.role == Role::key_value) {
        CHECK(part.size == rule.heads.size * (part.role == Role::query ? rule.heads.query : rule.heads.key_value));
      }
    const Index here = p.owner.kind == Owner::Kind::layer  ? p.owner.layer.value
                       : p.owner.kind == Owner::Kind::last ? model.architecture.layers
                                                           : -1;
    CHECK(here >= stage);
    stage = here;
    names.push_back(p.name);
  }
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

}  // namespace shardplan
