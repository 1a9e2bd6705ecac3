#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <shardplan/migrate/key_map.hpp>

/// What a migration did, key by key.
namespace shardplan::migrate {

/// One key and what became of it.
struct Entry {
  enum class Kind : std::uint8_t { kept, moved, changed, dropped, added, to_fill };
  Kind kind{};
  std::string old_path{};                  ///< empty: there was none
  std::optional<std::string> old_value{};  ///< on one line, as YAML
  std::string new_path{};                  ///< empty: there is none
  std::optional<std::string> new_value{};
  std::string why{};
  std::string reason{};                        ///< of a dropped key: the action of its row, or the key that says it
  bool harmless = true;                        ///< nothing is lost
  LeftInPlace left = LeftInPlace::same_place;  ///< of a dropped key: what would happen if it stayed
  int line = 0;                                ///< of the source, 0: none
  int column = 0;
};

constexpr std::string_view name(Entry::Kind kind) {
  constexpr std::string_view names[] = {"kept", "moved", "changed", "dropped", "added", "to_fill"};
  return names[static_cast<int>(kind)];
}

/// The sizes that cut the ranks, in words of the configuration.
struct Degrees {
  Index devices = 1, nodes = 1, tensor = 1, pipeline = 1, virtual_pipeline = 1, context = 1, expert = 1;
  Index micro_batch = 1, global_batch = 0;

  Index world() const { return devices * nodes; }
  /// 0: the world is no multiple of the other degrees.
  Index data() const {
    const Index model = tensor * pipeline * context;
    return model > 0 && world() % model == 0 ? world() / model : 0;
  }
  friend bool operator==(const Degrees&, const Degrees&) = default;
};

/// Degrees for nodes of 32 ranks.
struct DegreeReport {
  Degrees source;
  std::optional<Degrees> proposed{};  ///< none: no degrees were found
  bool applied = false;               ///< else the degrees of the source stand
  std::string why{};
};

struct Report {
  System from{}, to{};
  std::vector<Entry> entries;             ///< in the order of the source, added keys behind it
  std::optional<DegreeReport> degrees{};  ///< towards NxDT, where the sizes are known
  std::vector<std::string> notes;         ///< what else there is to say
  /// What `check` finds in the result once its keys to fill are given: errors stop a plan.
  Diagnostics findings;

  Index count(Entry::Kind kind) const {
    return std::count_if(entries.begin(), entries.end(), [&](const Entry& one) { return one.kind == kind; });
  }
  Index losses() const {
    return std::count_if(entries.begin(), entries.end(),
                         [](const Entry& one) { return one.kind == Entry::Kind::dropped && !one.harmless; });
  }
};

namespace detail {

/// The section that a key is in.
inline std::string parent_of(const std::string& path) {
  const std::size_t dot = path.rfind('.');
  return dot == path.npos ? std::string() : path.substr(0, dot);
}

}  // namespace detail

}  // namespace shardplan::migrate
