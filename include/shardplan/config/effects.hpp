#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <shardplan/config/config.hpp>

/// What a configuration amounts to, key by key, and how two of them differ: by effect, not by text.
namespace shardplan {

/// A value on one line, as YAML has it in flow style; texts in single quotes.
inline std::string flow_text(const Node& node) {
  if (const bool* flag = node.as<bool>()) return *flag ? "true" : "false";
  if (const Index* number = node.as<Index>()) return concat(*number);
  if (const double* number = node.as<double>()) return detail::shortest(*number);
  if (const auto* huge = node.as<Node::Huge>()) return std::string(huge->digits);
  if (const std::string* text = node.as<std::string>()) {
    std::string out = "'";
    for (const char c : *text) out += c == '\'' ? std::string("''") : std::string(1, c);
    return out += '\'';
  }
  std::vector<std::string> items;
  if (const auto* list = node.as<Node::Sequence>()) {
    for (const Node& one : *list) items.push_back(flow_text(one));
    return concat('[', join(items, ", "), ']');
  }
  if (const Mapping* entries = node.as<Mapping>()) {
    for (const Mapping::Entry& entry : *entries) items.push_back(concat(entry.key, ": ", flow_text(entry.value)));
    return concat('{', join(items, ", "), '}');
  }
  return node.is<Node::Missing>() ? "???" : node.is<Node::Broken>() ? "(unresolved)" : "null";
}

/// A key and the value in effect: that of the file, or the default of NxDT where the file has none.
struct Effect {
  std::string path;
  std::string value;  ///< as flow_text has it
  Origin origin;      ///< without a line in a file where it is the default, or set on the command line

  /// Whether nobody gives the key.
  bool is_default() const { return origin.file.empty() && origin.line == 0; }
};

namespace detail {

/// Collects the effects of a section: the keys that a struct declares, then those of the file that it does not.
struct EffectList {
  const Config& config;
  std::string path;
  std::vector<std::string_view>& declared;
  std::vector<Effect>& out;

  /// Known, and of no interest to a plan: it counts where the file has it.
  void operator()(std::string_view key, Unadvised = {}) const {
    declared.push_back(key);
    const std::string full = join_path(path, key);
    if (const Node* given = config.given(full)) leaves(full, *given);
  }
  template <class M>
  void operator()(std::string_view key, const M& member, Need = Need::optional, std::string_view = {}) const {
    declared.push_back(key);
    add(join_path(path, key), member);
  }

  template <Section T>
  void section(const T& self) const {
    T::keys(self, *this);
    const Node* given = path.empty() ? &config.tree : config.given(path);
    const Mapping* entries = given != nullptr ? given->as<Mapping>() : nullptr;
    if (entries == nullptr) return;
    for (const Mapping::Entry& entry : *entries) {
      const bool known = std::find(declared.begin(), declared.end(), entry.key) != declared.end();
      if (!known && !is_searched(entry.key)) leaves(join_path(path, entry.key), entry.value);
    }
  }

  template <class M>
  void add(const std::string& full, const M& member) const {
    if constexpr (Section<M>) {
      std::vector<std::string_view> within;
      EffectList{config, full, within, out}.section(member);
    } else if constexpr (std::same_as<M, Node>) {
      if (!member.is_null() || config.given(full) != nullptr) leaves(full, member);
    } else if constexpr (std::same_as<M, std::optional<typename ValueOf<M>::type>>) {
      if (member)
        add(full, *member);
      else
        put(full, "null");
    } else if constexpr (requires { member.value; } || std::same_as<M, Index>) {
      put(full, concat(static_cast<Index>(member)));
    } else if constexpr (std::same_as<M, std::vector<std::string>>) {
      Node::Sequence items;
      for (const std::string& one : member) items.push_back(Node{one});
      put(full, flow_text(Node{items}));
    } else {
      put(full, flow_text(Node{member}));
    }
  }

  void leaves(const std::string& full, const Node& node) const {
    const Mapping* entries = node.as<Mapping>();
    if (entries == nullptr) return put(full, flow_text(node));
    for (const Mapping::Entry& entry : *entries) leaves(join_path(full, entry.key), entry.value);
  }

  void put(const std::string& full, std::string value) const {
    const std::string_view key = std::string_view(full).substr(full.rfind('.') + 1);
    const bool stands =
        config.given(full) != nullptr || (is_searched(key) && find_anywhere(config.tree, key) != nullptr);
    out.push_back({full, std::move(value), stands ? config.origin(full) : Origin{full, {}, 0, 0}});
  }

  /// Does a key count wherever it stands? Then it belongs to the section that declares it.
  static bool is_searched(std::string_view key) {
    return std::find(std::begin(searched_keys), std::end(searched_keys), key) != std::end(searched_keys);
  }
};

}  // namespace detail

/// The effects of a configuration, in the order of its sections. Its findings are not looked at.
inline std::vector<Effect> effects(const Config& config) {
  std::vector<Effect> out;
  std::vector<std::string_view> declared;
  detail::EffectList{config, {}, declared, out}.section(config);
  return out;
}

/// A key that two configurations give different values; nothing where one has no such key.
struct EffectDifference {
  std::optional<Effect> a;
  std::optional<Effect> b;

  const std::string& path() const { return a ? a->path : b->path; }
};

/// All differences, in the order of `a`, what only `b` has behind. Places and defaults do not count, values do.
inline std::vector<EffectDifference> differences(const Config& a, const Config& b) {
  const std::vector<Effect> of_a = effects(a);
  std::vector<Effect> of_b = effects(b);
  std::vector<EffectDifference> out;
  for (const Effect& one : of_a) {
    const auto same =
        std::find_if(of_b.begin(), of_b.end(), [&](const Effect& other) { return other.path == one.path; });
    if (same == of_b.end()) {
      out.push_back({one, {}});
      continue;
    }
    if (same->value != one.value) out.push_back({one, *same});
    of_b.erase(same);
  }
  for (Effect& one : of_b) out.push_back({{}, std::move(one)});
  return out;
}

}  // namespace shardplan
