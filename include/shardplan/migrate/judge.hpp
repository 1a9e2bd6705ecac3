#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <shardplan/config/interpolation.hpp>
#include <shardplan/config/job.hpp>
#include <shardplan/config/located.hpp>
#include <shardplan/config/overrides.hpp>
#include <shardplan/config/pitfalls.hpp>

/// What `check` would say about a configuration whose keys to fill have been given.
namespace shardplan::migrate {

/// Paths of the values that are still `???`.
inline std::vector<std::string> open_keys(const Node& tree, const std::string& path = {}) {
  std::vector<std::string> out;
  if (tree.is<Node::Missing>()) out.push_back(path);
  const auto append = [&](const Node& node, const std::string& at) {
    for (std::string& one : open_keys(node, at)) out.push_back(std::move(one));
  };
  if (const Mapping* entries = tree.as<Mapping>())
    for (const Mapping::Entry& entry : *entries) append(entry.value, join_path(path, entry.key));
  if (const auto* items = tree.as<Node::Sequence>())
    for (std::size_t i = 0; i < items->size(); ++i) append((*items)[i], concat(path, '[', i, ']'));
  return out;
}

/// The tree with a text in place of every `???` that may be one; those of other types stay.
inline Node filled(const Node& tree) {
  Node out = tree;
  for (const std::string& path : open_keys(tree)) {
    Node trial = out;
    set_path(trial, path, Node{std::string("to-fill")});
    const Bound bound = bind(resolve(trial).tree);
    const bool fits = std::none_of(bound.diagnostics.begin(), bound.diagnostics.end(), [&](const Diagnostic& one) {
      return one.id == "SP-CONFIG-011" && !one.origins.empty() && one.origins[0].key == path;
    });
    if (fits) out = std::move(trial);
  }
  return out;
}

/// Every finding of `check` about an NxDT tree, whose `???` are taken for filled; an hf model's config.json is not
/// read.
inline Diagnostics judge(const Node& tree) {
  const Resolved resolved = resolve(filled(tree));
  auto [config, found] = bind(resolved.tree);
  config.diagnostics = resolved.diagnostics;
  config.diagnostics.append(found);
  Diagnostics out;
  try {
    const Job asked = job(config, std::nullopt, {}, {}, {});
    out = asked.notes;
    try {
      Plan{asked.model, asked.strategy, asked.world, asked.options};
    } catch (const Error& error) {
      out = error.diagnostics();
    }
  } catch (const Error& error) {
    out = error.diagnostics();
  }
  out = located(std::move(out), config, {});
  out.append(pitfalls(config));
  return out;
}

/// Is it about how ranks or batches are cut?
inline bool is_about_degrees(const Diagnostic& one) {
  constexpr std::string_view rules[] = {"R1",          "R2",          "R3",          "R4",         "R5",  "R7",
                                        "R9",          "R10",         "R12",         "R13",        "R14", "R15",
                                        "R19",         "R20",         "R29",         "R30",        "R35", "SP-MESH-001",
                                        "SP-MESH-005", "SP-MESH-006", "SP-MESH-010", "SP-MESH-011"};
  return one.severity != Severity::note && std::find(std::begin(rules), std::end(rules), one.id) != std::end(rules);
}

}  // namespace shardplan::migrate
