#pragma once
#include <string>
#include <vector>

#include <shardplan/core/diagnostic.hpp>

namespace shardplan {

/// Ids of findings, in order.
inline std::vector<std::string> ids_of(const Diagnostics& all) {
  std::vector<std::string> out;
  for (const Diagnostic& one : all) out.emplace_back(one.id);
  return out;
}

/// Ids that `run` throws; empty where it throws nothing.
template <class F>
std::vector<std::string> thrown(F&& run) {
  try {
    run();
  } catch (const Error& error) {
    return ids_of(error.diagnostics());
  }
  return {};
}

using Ids = std::vector<std::string>;

}  // namespace shardplan
