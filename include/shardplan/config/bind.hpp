#pragma once
#include <optional>
#include <span>
#include <vector>

#include <shardplan/config/scalar.hpp>

/// From a resolved tree to plain structs. A struct declares its keys once:
///
///     struct Trainer {
///       Index num_nodes = 1;
///       template <class Self, class Field>
///       static void keys(Self& self, Field field) {
///         field("num_nodes", self.num_nodes);
///         field("barebones");  // known, of no interest
///         field("use_emha", unadvised);  // known, never proposed for a misspelt key
///       }
///     };
///
/// and gets type checks, defaults, required keys and unknown keys from `Binder`. The C++ type of a member is the type
/// of its key: `std::optional` where null is allowed, `Node` where anything is, a type with `from_node` for its own
/// rule. `static constexpr bool open = true` in a struct lets keys pass that it does not name.
namespace shardplan {

/// What it means that a key is absent.
enum class Need : std::uint8_t {
  optional,  ///< the default of the struct holds
  expected,  ///< NxDT stops, a plan can be made: a warning
  required,  ///< no plan without it: an error
};

/// Marks a key that no spelling hint is to name.
struct Unadvised {};
inline constexpr Unadvised unadvised{};

/// The value that a key gets although it stands elsewhere in the tree: the first hit of a depth-first walk in file
/// order. A hit of null ends the walk of its mapping only.
///
/// Source   configuration sheet 1.3, get_attribute_from_cfg
inline const Mapping::Entry* find_anywhere(const Node& node, std::string_view key) {
  if (const auto* items = node.as<Node::Sequence>())
    for (const Node& item : *items)
      if (const Mapping::Entry* found = find_anywhere(item, key)) return found;
  if (const Mapping* entries = node.as<Mapping>()) {
    for (const Mapping::Entry& entry : *entries) {
      if (entry.key == key) return entry.value.is_null() || entry.value.is<Node::Missing>() ? nullptr : &entry;
      if (const Mapping::Entry* found = find_anywhere(entry.value, key)) return found;
    }
  }
  return nullptr;
}

namespace detail {

struct AnyField {
  void operator()(auto&&...) const {}
};
template <class T>
concept Section = requires(T& self) {
  T::keys(self, AnyField{});
};
template <class T>
concept OpenSection = Section<T> && T::open;
/// A type with a reading rule of its own: nothing where the value does not fit, which `T::expected` then words.
template <class T>
concept FromNode = requires(const Node& node) {
  { T::from_node(node) } -> std::same_as<std::optional<T>>;
};

template <class T>
struct ValueOf {
  using type = T;
};
template <class T>
struct ValueOf<std::optional<T>> {
  using type = T;
};

/// Appends the path of every key that a struct declares, sections within it included.
struct PathList {
  std::string path;
  std::vector<std::string>& out;

  void operator()(std::string_view key) const { out.push_back(join_path(path, key)); }
  void operator()(std::string_view, Unadvised) const {}
  template <class M>
  void operator()(std::string_view key, M&, Need = Need::optional, std::string_view = {}) const {
    (*this)(key);
    if constexpr (Section<typename ValueOf<M>::type>) {
      typename ValueOf<M>::type section;
      ValueOf<M>::type::keys(section, PathList{out.back(), out});
    }
  }
};
template <Section T>
std::vector<std::string> paths_of() {
  std::vector<std::string> out;
  T root;
  T::keys(root, PathList{{}, out});
  return out;
}

/// Are the letters of `word` in `text`, in this order?
constexpr bool abbreviates(std::string_view word, std::string_view text) {
  for (const char c : text)
    if (!word.empty() && word[0] == c) word.remove_prefix(1);
  return word.empty();
}

/// The key of `known` that `key` was most likely meant to be; empty where none is likely. Slips leave the ends of a
/// word alone; leaving out words or letters is no slip of `closest`.
inline std::string_view meant(std::string_view key, std::span<const std::string_view> known) {
  const std::string_view near = closest(key, known);
  std::size_t begin = 0, end = 0;
  while (begin < near.size() && begin < key.size() && near[begin] == key[begin]) ++begin;
  while (end < near.size() && end < key.size() && near[near.size() - 1 - end] == key[key.size() - 1 - end]) ++end;
  if (!near.empty() && 2 * (begin + end) >= key.size()) return near;
  std::string_view shortest_one;
  for (const std::string_view one : known)
    if (key.size() > 3 && abbreviates(key, one) && (shortest_one.empty() || one.size() < shortest_one.size()))
      shortest_one = one;
  return shortest_one;
}

/// True where Python would say so: not null, false, zero or empty.
inline bool truthy(const Node& node) {
  if (const bool* flag = node.as<bool>()) return *flag;
  if (const Index* number = node.as<Index>()) return *number != 0;
  if (const double* number = node.as<double>()) return *number != 0;
  if (const std::string* text = node.as<std::string>()) return !text->empty();
  if (const auto* items = node.as<Node::Sequence>()) return !items->empty();
  if (const Mapping* entries = node.as<Mapping>()) return !entries->empty();
  return node.is<Node::Huge>();
}

/// Fills structs from a tree and keeps what is wrong.
class Binder {
 public:
  /// `searched` names the keys that count wherever they stand.
  Binder(const Node& root, std::span<const std::string_view> searched) : root_(root), searched_(searched) {}

  Diagnostics diagnostics;

  /// Fills `out` from a mapping, null being an empty one.
  template <Section T>
  void section(const Node& node, std::string_view path, T& out) {
    if (node.is<Node::Broken>()) return;
    const Mapping* entries = node.as<Mapping>();
    if (entries == nullptr && !node.is_null()) return mismatch(node, path, "a mapping");
    if (all_paths_ == nullptr) all_paths_ = &paths_of<T>;  // of the root, which comes first
    std::vector<std::string_view> known, silent;
    T::keys(out, Field{*this, node, path, known, silent});
    if (entries == nullptr || OpenSection<T>) return;
    for (const Mapping::Entry& entry : *entries) {
      if (diagnostics.size() >= limits::findings) return;
      if (contains(known, entry.key) || contains(silent, entry.key) || contains(searched_, entry.key)) continue;
      std::string near = elsewhere(entry.key);
      if (near.empty()) near = meant(entry.key, known);
      report("SP-CONFIG-013", join_path(path, entry.key), entry.mark, concat("unknown key '", entry.key, '\''),
             near.empty() ? std::string{} : concat("did you mean '", near, "'?"));
    }
  }

  void report(std::string_view id, std::string key, const Mark& at, std::string message, std::string hint = {}) {
    add(finding(id, std::move(message), std::move(hint)), std::move(key), at);
  }

 private:
  /// What a struct declares its keys to.
  struct Field {
    Binder& binder;
    const Node& node;
    std::string_view path;
    std::vector<std::string_view>& known;
    std::vector<std::string_view>& silent;

    void operator()(std::string_view key) const { known.push_back(key); }
    void operator()(std::string_view key, Unadvised) const { silent.push_back(key); }
    /// `values` lists what an enumeration takes.
    template <class M>
    void operator()(std::string_view key, M& member, Need need = Need::optional, std::string_view values = {}) const {
      known.push_back(key);
      binder.field(node, path, key, member, need, values);
    }
  };

  void add(Diagnostic what, std::string key, const Mark& at) {
    if (diagnostics.size() >= limits::findings) return;
    what.origins.push_back(origin(std::move(key), at));
    diagnostics.push_back(std::move(what));
  }

  static bool contains(std::span<const std::string_view> words, std::string_view word) {
    for (const std::string_view one : words)
      if (one == word) return true;
    return false;
  }

  /// The one other section that has such a key, as a path; empty where none or several have.
  std::string elsewhere(std::string_view key) const {
    std::string found;
    for (std::string& one : all_paths_()) {
      if (std::string_view(one).substr(one.rfind('.') + 1) != key) continue;
      if (!found.empty()) return {};
      found = std::move(one);
    }
    return found;
  }

  /// What a value of that type is called.
  template <class M>
  static constexpr std::string_view expected() {
    using T = typename ValueOf<M>::type;
    if constexpr (std::same_as<T, Index>)
      return "an integer";
    else if constexpr (std::same_as<T, double>)
      return "a number";
    else if constexpr (std::same_as<T, bool>)
      return "true or false";
    else if constexpr (std::same_as<T, std::string>)
      return "a text";
    else if constexpr (Section<T>)
      return "a mapping";
    else if constexpr (FromNode<T>)
      return T::expected;
    else if constexpr (std::same_as<T, Node>)
      return "a value";
    else
      return "a list";
  }

  template <class M>
  void field(const Node& section, std::string_view path, std::string_view key, M& member, Need need,
             std::string_view values) {
    values_ = values;
    const Node* value = section.find(key);
    if (contains(searched_, key) && (value == nullptr || !truthy(*value))) {
      if (const Mapping::Entry* found = find_anywhere(root_, key)) value = &found->value;
    }
    const bool marker = value != nullptr && value->is<Node::Missing>();
    std::string full = join_path(path, key);
    if (value != nullptr && !marker) return read(*value, full, member);
    if (need == Need::optional) return;
    if constexpr (Section<M>) {
      // What is required of an absent section is missing key by key.
      if (need == Need::required && !marker) return this->section(Node{{}, section.mark}, full, member);
    }
    Diagnostic what = marker ? finding("SP-CONFIG-010", concat('\'', full, "' is still ???"), "fill in a value")
                             : finding("SP-CONFIG-012", concat('\'', full, "' is missing"),
                                       values.empty() ? concat("give it ", expected<M>()) : concat("one of ", values));
    if (need == Need::expected) what.severity = Severity::warning;
    add(std::move(what), std::move(full), marker ? value->mark : section.mark);
  }

  void mismatch(const Node& node, std::string_view path, std::string_view expected, std::string hint = {}) {
    report("SP-CONFIG-011", std::string(path), node.mark,
           concat(path.empty() ? "the file" : concat('\'', path, '\''), " must be ", expected, ", but is ",
                  describe(node)),
           std::move(hint));
  }

  /// The hint for text that has the right type once its quotes are gone.
  template <class T>
  static std::string unquoted(const Node& node) {
    const std::string* text = node.as<std::string>();
    const bool helps = text != nullptr && std::holds_alternative<T>(plain_scalar(*text));
    return helps ? concat("write ", *text, " without quotes") : std::string{};
  }

  bool broken_or_huge(const Node& node, std::string_view path) {
    if (node.is<Node::Huge>()) {
      report("SP-CONFIG-017", std::string(path), node.mark,
             concat("'", path, "' does not fit 64 bits: ", node.as<Node::Huge>()->digits));
      return true;
    }
    return node.is<Node::Broken>();
  }

  void read(const Node& node, const std::string&, Node& out) { out = node; }
  void read(const Node& node, const std::string& path, Index& out) {
    if (broken_or_huge(node, path)) return;
    const Index* number = node.as<Index>();
    if (number == nullptr) return mismatch(node, path, expected<Index>(), unquoted<Index>(node));
    out = *number;
  }
  void read(const Node& node, const std::string& path, double& out) {
    if (broken_or_huge(node, path)) return;
    if (const Index* number = node.as<Index>()) {
      out = static_cast<double>(*number);
    } else if (const double* real = node.as<double>()) {
      out = *real;
    } else {
      mismatch(node, path, expected<double>(), unquoted<double>(node));
    }
  }
  /// Null is false, as Python has it.
  void read(const Node& node, const std::string& path, bool& out) {
    if (node.is<Node::Broken>()) return;
    const bool* flag = node.as<bool>();
    if (flag == nullptr && !node.is_null()) return mismatch(node, path, expected<bool>(), unquoted<bool>(node));
    out = flag != nullptr && *flag;
  }
  void read(const Node& node, const std::string& path, std::string& out) {
    if (node.is<Node::Broken>()) return;
    const std::string* text = node.as<std::string>();
    if (text == nullptr)
      return mismatch(node, path, expected<std::string>(),
                      !values_.empty()                        ? concat("one of ", values_)
                      : node.is_container() || node.is_null() ? std::string()
                                                              : std::string("put it in quotes"));
    out = *text;
  }
  template <FromNode T>
  void read(const Node& node, const std::string& path, T& out) {
    if (broken_or_huge(node, path)) return;
    if (const auto value = T::from_node(node))
      out = *value;
    else
      mismatch(node, path, T::expected);
  }
  template <class T>
  void read(const Node& node, const std::string& path, std::optional<T>& out) {
    out.reset();
    if (node.is_null() || node.is<Node::Broken>()) return;
    const std::size_t before = diagnostics.size();
    read(node, path, out.emplace());
    // What could not be read is not given; of a section the rest counts.
    if (!Section<T> && diagnostics.size() > before) out.reset();
  }
  template <class T>
  void read(const Node& node, const std::string& path, std::vector<T>& out) {
    if (node.is<Node::Broken>()) return;
    const auto* items = node.as<Node::Sequence>();
    if (items == nullptr) return mismatch(node, path, "a list");
    out.resize(items->size());
    for (std::size_t i = 0; i < items->size(); ++i) read((*items)[i], concat(path, '[', i, ']'), out[i]);
  }
  template <Section T>
  void read(const Node& node, const std::string& path, T& out) {
    if (node.is_null()) return mismatch(node, path, "a mapping");
    section(node, path, out);
  }

  const Node& root_;
  std::span<const std::string_view> searched_;
  std::vector<std::string> (*all_paths_)() = nullptr;
  std::string_view values_;  ///< of the key that is being read
};

}  // namespace detail
}  // namespace shardplan
