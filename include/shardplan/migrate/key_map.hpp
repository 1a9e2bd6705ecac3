#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <shardplan/config/node.hpp>

/// What a key of one system becomes in another, as rows of a table.
namespace shardplan::migrate {

/// The systems whose configurations are known: NVIDIA NeMo (megatron models), neuronx-nemo-megatron, NxD Training.
enum class System : std::uint8_t { nemo, nnm, nxdt };

constexpr std::string_view name(System system) {
  constexpr std::string_view names[] = {"nemo", "nnm", "nxdt"};
  return names[static_cast<int>(system)];
}
/// As a title has it.
constexpr std::string_view title(System system) {
  constexpr std::string_view titles[] = {"NeMo", "NNM", "NxDT"};
  return titles[static_cast<int>(system)];
}

/// What happens to a key.
enum class Action : std::uint8_t {
  keep,           ///< the same path
  move,           ///< another path, the same meaning
  replace,        ///< another key or another way to say it
  remove,         ///< the other system computes it
  not_required,   ///< the other system has no need of it
  not_supported,  ///< the other system has nothing like it
};

constexpr std::string_view name(Action action) {
  constexpr std::string_view names[] = {"keep", "move", "replace", "remove", "not_required", "not_supported"};
  return names[static_cast<int>(action)];
}

/// What NxDT would do with the key if it stayed where it was.
enum class LeftInPlace : std::uint8_t {
  same_place,  ///< that is its place
  unread,      ///< nothing
  accepted,    ///< take it and make nothing of it
  effective,   ///< act on it
  refused,     ///< stop, at least for some values
};

constexpr std::string_view words(LeftInPlace left) {
  constexpr std::string_view all[] = {"in its place", "not read", "accepted, without meaning", "takes effect",
                                      "may stop the run"};
  return all[static_cast<int>(left)];
}

/// How a value changes on the way; see transforms.hpp.
enum class Transform : std::uint8_t {
  none,
  int_choice,              ///< kept, but one of R1
  precision,               ///< of the trainer, to a type
  precision_nnm,           ///< of NNM's launch script, to a type
  zero_precision,          ///< switches of NNM's optimizer, said by the type
  null_to_1,               ///< off is 1
  null_means_mha,          ///< null: the key is left out
  activation_name,         ///< without "fast-"
  optimizer_name,          ///< one that runs on Neuron
  val_loss_to_step,        ///< what checkpoints watch
  min_to_max_with_step,    ///< goes with it
  filename_drop_val_loss,  ///< goes with it
  interpolation_paths,     ///< holds paths, rewritten as everywhere
  drop_self_reference,     ///< an interpolation of the key that comes here
  add_recompute_list,      ///< selective names its modules
  recommend_true,
  zero1_on,  ///< true, which megatron models need
};

/// One key. No target: the key goes. harmless: values that may go without loss, `a|b` (any: `*`, false: everything
/// that is off); of keys that go.
struct KeyRow {
  std::string_view key;
  Action action;
  std::string_view target;
  LeftInPlace left;
  Transform transform = Transform::none;
  std::string_view harmless{};
  std::string_view why{};

  constexpr std::string_view place() const { return target == "=" ? key : target; }
};

/// Rows of a system, behind them those that it has from another one.
struct KeyTable {
  std::span<const KeyRow> own;
  std::span<const KeyRow> inherited{};

  /// The row of exactly that key; null: none.
  constexpr const KeyRow* find(std::string_view key) const {
    for (const auto rows : {own, inherited})
      for (const KeyRow& row : rows)
        if (row.key == key) return &row;
    return nullptr;
  }
  /// The row of the key, else that of the nearest section around it; null: none.
  constexpr const KeyRow* nearest(std::string_view key) const {
    for (;;) {
      if (const KeyRow* row = find(key)) return row;
      const std::size_t dot = key.rfind('.');
      if (dot == key.npos) return nullptr;
      key = key.substr(0, dot);
    }
  }
  /// The row whose key comes to `target`: one that moves it there before one that leaves it; null: none.
  constexpr const KeyRow* source_of(std::string_view target) const {
    const KeyRow* kept = nullptr;
    for (const auto rows : {own, inherited})
      for (const KeyRow& row : rows) {
        if (row.place() != target) continue;
        if (row.action != Action::keep) return &row;
        if (kept == nullptr) kept = &row;
      }
    return kept;
  }
};

namespace detail {

// What the tables write.
using A = Action;
using L = LeftInPlace;
using T = Transform;
inline constexpr std::string_view same_key = "=";
inline constexpr std::string_view none{};

/// Is `path` the section, or within it?
constexpr bool within(std::string_view path, std::string_view section) {
  return path.starts_with(section) && (path.size() == section.size() || path[section.size()] == '.');
}

/// One word of `a|b|c`.
constexpr bool lists(std::string_view words, std::string_view word) {
  while (true) {
    const std::size_t bar = words.find('|');
    if (words.substr(0, bar) == word) return true;
    if (bar == words.npos) return false;
    words.remove_prefix(bar + 1);
  }
}

}  // namespace detail

/// May a value go without loss, by the words of a row?
inline bool is_harmless(std::string_view harmless, const Node& value) {
  if (harmless == "*" || value.is<Node::Missing>() || value.is_null()) return true;
  if (harmless.empty()) return false;
  std::string text;
  if (const bool* flag = value.as<bool>()) {
    text = *flag ? "true" : "false";
  } else if (const Index* number = value.as<Index>()) {
    text = concat(*number);
    if (*number == 0 && detail::lists(harmless, "false")) return true;
  } else if (const double* real = value.as<double>()) {
    text = shardplan::detail::shortest(*real);
  } else if (const std::string* word = value.as<std::string>()) {
    text = *word;
  } else if (const auto* items = value.as<Node::Sequence>(); items != nullptr && items->empty()) {
    text = "[]";
  } else if (const Mapping* entries = value.as<Mapping>(); entries != nullptr && entries->empty()) {
    text = "null";
  }
  return detail::lists(harmless, text);
}

}  // namespace shardplan::migrate
