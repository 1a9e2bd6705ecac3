#pragma once
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <shardplan/migrate/additions.hpp>
#include <shardplan/migrate/degrees.hpp>
#include <shardplan/migrate/relocate.hpp>

/// A configuration of one system made into one of another.
namespace shardplan::migrate {

/// The reader of YAML text: `read_yaml_text`.
using ReadYaml = Node (*)(std::string_view text, std::string name);

/// A migrated configuration.
struct Migrated {
  std::string text;
  Node tree;  ///< what the text reads as
  Report report;
};

namespace detail {

/// Entries get the values in the end, once all steps have had their say.
inline void write_report(Draft& draft) {
  for (std::size_t i = 0; i < draft.ways.size(); ++i) {
    Entry& entry = draft.ways[i].entry;
    if (!draft.ways[i].target.empty()) {
      const Key& now = *draft.key(draft.ways[i].target);
      entry.new_path = now.path;
      entry.new_value = yaml_text(now.value);
      const bool changed = now.value != *draft.leaves[i].value;
      if (entry.kind == Entry::Kind::changed && !changed)
        entry.kind = now.path == draft.leaves[i].path ? Entry::Kind::kept : Entry::Kind::moved;
    }
    draft.report.entries.push_back(entry);
  }
  for (Entry& one : draft.added) {
    one.new_value = yaml_text(draft.key(one.new_path)->value);
    draft.report.entries.push_back(one);
  }
  for (const std::string& path : open_keys(draft.tree())) {
    const auto at = std::find_if(draft.report.entries.begin(), draft.report.entries.end(),
                                 [&](const Entry& one) { return one.new_path == path; });
    Entry open{.kind = Entry::Kind::to_fill, .new_path = path, .new_value = "???"};
    if (at != draft.report.entries.end()) {
      open.old_path = at->old_path;
      open.old_value = at->old_value;
      open.line = at->line;
      open.column = at->column;
      open.why = at->kind == Entry::Kind::added || at->kind == Entry::Kind::changed ? at->why : std::string();
      if (at->kind == Entry::Kind::added) draft.report.entries.erase(at);
    }
    if (open.why.empty()) open.why = "open in the source, too";
    draft.report.entries.push_back(std::move(open));
  }
}

/// The section of the source whose keys come to a section of the result: the one of that name, else the first that
/// leads there.
inline std::string source_section(const Draft& draft, const std::string& path) {
  if (const Node* same = find_path(draft.root, path); same != nullptr && same->is<Mapping>()) return path;
  for (const Leaf& leaf : draft.leaves)
    for (std::string at = parent_of(leaf.path); !at.empty(); at = parent_of(at))
      if (draft.direction.route(at).target == path) return at;
  return {};
}

inline bool unchanged(const Draft& draft) {
  for (const Entry& one : draft.report.entries)
    if (one.kind != Entry::Kind::kept && one.kind != Entry::Kind::to_fill) return false;
  for (const Key& one : draft.keys)
    if (!one.leaf || one.rewritten) return false;
  return true;
}

inline Migrated finish(Draft& draft, std::string_view text, ReadYaml read) {
  const Node wanted = draft.tree();
  std::string out;
  Node reads;
  if (unchanged(draft)) {
    out = std::string(text);
    reads = read(out, draft.options.result_name);
  } else {
    std::vector<std::string> top_level;
    for (const Mapping::Entry& entry : *draft.root.as<Mapping>()) top_level.push_back(entry.key);
    const SourceText source(text, draft.root);
    const auto section_source = [&draft](const std::string& path) { return source_section(draft, path); };
    for (const Lift lift : {Lift::lines, Lift::comments, Lift::nothing}) {
      out = assemble(draft.keys, draft.leaves, source, lift, top_level, section_source);
      try {
        reads = read(out, draft.options.result_name);
      } catch (const Error&) {
        if (lift == Lift::nothing) throw;
        continue;
      }
      if (reads == wanted) {
        if (lift != Lift::lines)
          draft.report.notes.push_back(lift == Lift::comments ? "values are written anew: anchors are expanded"
                                                              : "the file is written anew: comments are not kept");
        break;
      }
    }
  }
  if (draft.options.to == System::nxdt) draft.report.findings = judge(reads);
  return {std::move(out), std::move(reads), std::move(draft.report)};
}

}  // namespace detail

/// Makes a configuration of one system into one of another.
///
/// text     YAML; read: gives its tree
/// Rule     every key goes its way by the tables (routes.hpp) and its value by its transform; interpolations follow the
///          keys that they name; lines and comments of keys that stay are kept
/// Errors   those of `read`; SP-MIGRATE-001 no configuration of that system, 002 no way between the systems
/// Post     the text reads as the keys of the report; migrating it again changes nothing
/// Source   configuration sheet 6
inline Migrated migrate(std::string_view text, const Options& options, ReadYaml read) {
  const Node root = read(text, options.source_name);
  const Node resolved = resolve(root).tree;
  Draft draft(root, resolved, options);
  if (options.to == System::nxdt) {
    set_precision(draft);
    add_missing(draft, nxdt_additions);
    add_dependent(draft);
    take_environment(draft);
  } else {
    add_missing(draft, nemo_additions);
  }
  rewrite_paths(draft);
  if (options.to == System::nxdt) set_degrees(draft);
  detail::write_report(draft);
  return detail::finish(draft, text, read);
}

}  // namespace shardplan::migrate
