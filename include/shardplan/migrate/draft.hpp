#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <shardplan/config/interpolation.hpp>
#include <shardplan/config/overrides.hpp>
#include <shardplan/migrate/assemble.hpp>
#include <shardplan/migrate/propose.hpp>
#include <shardplan/migrate/routes.hpp>
#include <shardplan/migrate/transforms.hpp>

/// A migration under way: the keys of the source, each on its way, and the keys of the result.
namespace shardplan::migrate {

/// How to migrate.
struct Options {
  System from = System::nemo;
  System to = System::nxdt;
  DegreeChoice degrees = DegreeChoice::automatic;
  std::string source_name{};                 ///< of the source's file, for places
  std::string result_name{};                 ///< of the result's file, for places
  std::optional<std::string> environment{};  ///< text of a shell file that sets variables
  std::string environment_name{};
};

/// Said of a key that goes its way without a row.
inline constexpr std::string_view unlisted = "named by no table";

/// What is known of a result so far. Every step of a migration adds to it.
class Draft {
 public:
  /// A key of the source on its way: where it goes, and why.
  struct Way {
    std::string target{};         ///< empty: it goes
    std::optional<Node> value{};  ///< none: as it was
    Entry entry{};
  };

  /// Sends every key of the source on its way by the tables and transforms.
  ///
  /// Errors   SP-MIGRATE-001 no configuration of that system, 002 no way between the systems
  Draft(const Node& of_source, const Node& of_values, const Options& asked)
      : options(asked), direction(asked.from, asked.to), root(of_source), resolved(of_values) {
    check_source();
    report.from = asked.from;
    report.to = asked.to;
    add_leaves(root, resolved, {});
    for (std::size_t i = 0; i < leaves.size(); ++i) decide(i);
    settle_conflicts();
  }

  const Options& options;
  Direction direction;
  const Node& root;      ///< of the source, with interpolations
  const Node& resolved;  ///< of the source, without
  std::vector<Leaf> leaves{};
  std::vector<Way> ways{};  ///< of each leaf
  std::vector<Key> keys{};  ///< of the result
  std::vector<Entry> added{};
  Report report{};

  /// Resolved values of the source.
  Lookup lookup() const {
    return [this](std::string_view path) { return find_path(resolved, path); };
  }

  /// The key of the result at that path; null: there is none.
  Key* key(std::string_view path) {
    for (Key& one : keys)
      if (one.path == path) return &one;
    return nullptr;
  }
  /// Is there such a key, or a section of that name, or a key around it?
  bool has(std::string_view path) const {
    for (const Key& one : keys)
      if (detail::within(one.path, path) || detail::within(path, one.path)) return true;
    return false;
  }

  /// Gives the result a key, unless it has it.
  void add(std::string path, Node value, std::string why) {
    if (has(path)) return;
    std::string comment = value.is<Node::Missing>() ? concat("to fill: ", why) : why;
    added.push_back({.kind = Entry::Kind::added, .new_path = path, .why = std::move(why)});
    keys.push_back({std::move(path), std::move(value), std::nullopt, true, std::move(comment)});
  }

  /// Gives a key of the result a value, for a reason.
  void set(const std::string& path, const Node& value, const std::string& why) {
    Key* known = key(path);
    if (known == nullptr) return add(path, value, why);
    if (known->value == value) return;
    known->value = value;
    known->rewritten = true;
    if (!known->leaf) {
      for (Entry& one : added)
        if (one.new_path == path) one.why = why;
      known->comment = why;
      return;
    }
    Entry& entry = ways[*known->leaf].entry;
    entry.kind = Entry::Kind::changed;
    entry.why = why;
  }

  /// The result as it stands.
  Node tree() const {
    Node out{Mapping{}};
    for (const Key& one : keys) set_path(out, one.path, one.value);
    return out;
  }

 private:
  void check_source() const {
    if (!root.is<Mapping>())
      fail("SP-MIGRATE-001", concat('\'', options.source_name, "' holds ", describe(root), ", no configuration"),
           "a mapping of sections");
    const bool is_nxdt = system_of(root) == System::nxdt;
    if (options.from == System::nxdt && !is_nxdt)
      fail("SP-MIGRATE-001", concat('\'', options.source_name, "' is no configuration of NxDT"),
           "--from nemo or --from nnm");
    if (options.to == System::nnm)
      fail("SP-MIGRATE-002", concat("no way leads from ", name(options.from), " to nnm"),
           "nemo to nxdt, nnm to nxdt, nxdt to nemo");
    if (options.from != System::nxdt && options.to != System::nxdt)
      fail("SP-MIGRATE-002", concat("no way leads from ", name(options.from), " to ", name(options.to)),
           "nemo to nxdt, nnm to nxdt, nxdt to nemo");
  }

  void add_leaves(const Node& node, const Node& values, const std::string& path) {
    const Mapping* entries = node.as<Mapping>();
    for (const Mapping::Entry& entry : *entries) {
      const Node* value = nullptr;
      if (const Mapping* known = values.as<Mapping>())
        if (const Mapping::Entry* same = known->find(entry.key)) value = &same->value;
      const std::string full = join_path(path, entry.key);
      if (detail::is_section(entry.value) && value != nullptr)
        add_leaves(entry.value, *value, full);
      else
        leaves.push_back({full, entry.mark, &entry.value, value != nullptr ? value : &entry.value});
    }
  }

  static void drop(Way& way, std::string reason, bool harmless, std::string why, LeftInPlace left) {
    way.target.clear();
    way.value.reset();
    way.entry.kind = Entry::Kind::dropped;
    way.entry.reason = std::move(reason);
    way.entry.harmless = harmless;
    way.entry.why = std::move(why);
    way.entry.left = left;
  }

  void decide(std::size_t at) {
    const Leaf& leaf = leaves[at];
    Way way;
    way.entry.old_path = leaf.path;
    way.entry.old_value = yaml_text(*leaf.value);
    way.entry.line = leaf.mark.line;
    way.entry.column = leaf.mark.column;
    const Route route = direction.route(leaf.path);
    const KeyRow* row = route.row;
    if (route.refused) {
      drop(way, "not_supported", leaf.resolved->is_null(), "no table names the key, and NxDT refuses it here",
           LeftInPlace::refused);
    } else if (route.target.empty()) {
      drop(way, std::string(name(row->action)), is_harmless(row->harmless, *leaf.resolved), std::string(row->why),
           row->left);
    } else {
      way.target = route.target;
      way.entry.kind = way.target == leaf.path ? Entry::Kind::kept : Entry::Kind::moved;
      if (row == nullptr && options.from != options.to) way.entry.why = unlisted;
      if (row != nullptr && route.exact && row->transform != Transform::none) transform(way, leaf, *row);
    }
    ways.push_back(std::move(way));
  }

  void transform(Way& way, const Leaf& leaf, const KeyRow& row) {
    const Changed changed = direction.forwards() ? to_nxdt(row.transform, *leaf.value, *leaf.resolved, lookup())
                                                 : from_nxdt(row.transform, *leaf.resolved, lookup());
    const std::string why = !changed.why.empty() ? changed.why : std::string(row.why);
    if (changed.goes) return drop(way, changed.reason, changed.harmless, why, row.left);
    if (!changed.value) return;
    way.value = changed.value;
    way.entry.kind = Entry::Kind::changed;
    way.entry.why = why;
  }

  /// Two keys for one place: the one that stands there wins, else the first.
  void settle_conflicts() {
    std::map<std::string, std::size_t> taken;
    for (const bool in_place : {true, false})
      for (std::size_t i = 0; i < ways.size(); ++i) {
        const std::string target = ways[i].target;
        if (target.empty() || (target == leaves[i].path) != in_place) continue;
        const auto [first, free] = taken.emplace(target, i);
        if (free) continue;
        const bool same = *leaves[first->second].resolved == *leaves[i].resolved;
        drop(ways[i], concat("see ", leaves[first->second].path), same,
             concat(target, " is given by ", leaves[first->second].path), LeftInPlace::unread);
      }
    for (std::size_t i = 0; i < ways.size(); ++i) {
      leaves[i].goes = ways[i].target.empty();
      if (leaves[i].goes) continue;
      const Way& way = ways[i];
      keys.push_back({way.target, way.value ? *way.value : *leaves[i].value, i, way.value.has_value()});
    }
  }
};

}  // namespace shardplan::migrate
