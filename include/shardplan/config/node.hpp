#pragma once
#include <charconv>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <shardplan/core/diagnostic.hpp>

/// A configuration as a tree of values that remember where they stand.
namespace shardplan {

/// Where a key or value stands.
struct Mark {
  std::shared_ptr<const std::string> file{};  ///< shared by all nodes of a file; null: from no file
  int line = 0;                               ///< 1-based, 0: unknown
  int column = 0;                             ///< 1-based, counted in bytes, 0: unknown
};

/// The place of `key`, ready for a finding.
inline Origin origin(std::string key, const Mark& mark) {
  return {std::move(key), mark.file ? *mark.file : std::string{}, mark.line, mark.column};
}

struct Node;

/// Keys and values in file order; a look-up costs the same at any size.
class Mapping {
 public:
  struct Entry;

  // Defined below, where Entry is complete: an Entry holds a Node, and a Node may be a Mapping.
  Mapping();
  Mapping(const Mapping&);
  Mapping(Mapping&&) noexcept;
  Mapping& operator=(const Mapping&);
  Mapping& operator=(Mapping&&) noexcept;
  ~Mapping();

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  const Entry* begin() const;
  const Entry* end() const;

  const Entry* find(std::string_view key) const;
  Entry* find(std::string_view key);

  /// Gives `key` this value: in its old position where it exists, at the end otherwise.
  Entry& assign(std::string key, Mark mark, Node value);

  friend bool operator==(const Mapping& a, const Mapping& b);

 private:
  std::size_t slot_of(std::string_view key) const;

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // open addressing: 1 + index into entries_, 0 where free
};

/// One value. Two nodes are equal when their values are; marks and the order of keys do not count.
struct Node {
  /// The mandatory marker `???`: a value still to be filled in.
  struct Missing {
    friend bool operator==(Missing, Missing) = default;
  };
  /// A value that could not be made, about which a finding has been given.
  struct Broken {
    friend bool operator==(Broken, Broken) = default;
  };
  /// An integer beyond 64 bits, kept as it was written.
  struct Huge {
    std::string digits;
    friend bool operator==(const Huge&, const Huge&) = default;
  };
  using Sequence = std::vector<Node>;
  using Value =
      std::variant<std::monostate, Missing, Broken, bool, Index, Huge, double, std::string, Sequence, Mapping>;

  Value value{};
  Mark mark{};

  /// The value if it is a T, else null.
  template <class T>
  const T* as() const {
    return std::get_if<T>(&value);
  }
  template <class T>
  T* as() {
    return std::get_if<T>(&value);
  }
  template <class T>
  bool is() const {
    return std::holds_alternative<T>(value);
  }
  bool is_null() const { return is<std::monostate>(); }
  bool is_container() const { return is<Sequence>() || is<Mapping>(); }

  /// The value under a key of a mapping, or at a decimal position of a sequence; null if there is none.
  const Node* find(std::string_view step) const;

  friend bool operator==(const Node& a, const Node& b) { return a.value == b.value; }
};

struct Mapping::Entry {
  std::string key;
  Mark mark;  ///< of the key
  Node value;
};

namespace detail {

/// The fewest digits that read back as the same number.
inline std::string shortest(double number) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, number).ptr};
}

}  // namespace detail

/// What kind of value this is, for messages: "the integer 3", "the text 'abc'".
inline std::string describe(const Node& node) {
  struct Words {
    std::string operator()(std::monostate) const { return "null"; }
    std::string operator()(Node::Missing) const { return "the mandatory marker ???"; }
    std::string operator()(Node::Broken) const { return "an unresolved value"; }
    std::string operator()(bool flag) const { return concat("the boolean ", flag); }
    std::string operator()(Index number) const { return concat("the integer ", number); }
    std::string operator()(const Node::Huge&) const { return "an integer beyond 64 bits"; }
    std::string operator()(double number) const {
      return concat("the floating-point number ", detail::shortest(number));
    }
    std::string operator()(const std::string& text) const {
      constexpr std::size_t longest = 60;
      if (text.size() <= longest) return concat("the text '", text, '\'');
      std::size_t end = longest;
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // keep UTF-8 letters whole
      return concat("the text '", std::string_view(text).substr(0, end), "...'");
    }
    std::string operator()(const Node::Sequence&) const { return "a list"; }
    std::string operator()(const Mapping&) const { return "a mapping"; }
  };
  return std::visit(Words{}, node.value);
}

/// Takes the first step off a path: `a.b[0]` gives `a`, leaving `b[0]`. A leading dot is not taken for a step.
inline std::string_view take_step(std::string_view& path) {
  const bool bracket = path.starts_with('[');
  if (bracket) path.remove_prefix(1);
  const std::size_t end = bracket ? path.find(']') : path.find_first_of(".[");
  const std::string_view step = path.substr(0, end);
  path.remove_prefix(end == path.npos ? path.size() : end);
  if (bracket && !path.empty()) path.remove_prefix(1);
  if (path.starts_with('.')) path.remove_prefix(1);
  return step;
}

/// The node at a path such as `model.optim.betas[0]` or `model.optim.betas.0`; null if there is none.
inline const Node* find_path(const Node& root, std::string_view path) {
  const Node* at = &root;
  while (at != nullptr && !path.empty()) at = at->find(take_step(path));
  return at;
}

/// `a.b` of `a` and `b`; the root has the empty path.
inline std::string join_path(std::string_view parent, std::string_view key) {
  return parent.empty() ? std::string(key) : concat(parent, '.', key);
}

/// Bounds on what a file may cost, far beyond any real configuration: they turn hostile input into a finding.
namespace limits {
inline constexpr std::size_t file_bytes = std::size_t{16} << 20;  ///< size of a file
inline constexpr std::size_t nodes = 1'000'000;                   ///< nodes after expansion, keys counted
inline constexpr std::size_t text_bytes = std::size_t{32} << 20;  ///< text after expansion: twice the largest file
inline constexpr std::size_t key_bytes = 1024;                    ///< length of a key: YAML's own limit for simple keys
inline constexpr int depth = 100;                                 ///< nesting of containers and of interpolations
inline constexpr std::size_t findings = 1000;                     ///< findings of one kind of check that are kept
}  // namespace limits

/// Counts what an expansion produces.
class Budget {
 public:
  /// False as soon as more was produced than the limits allow.
  bool spend(std::size_t nodes, std::size_t bytes) {
    nodes_ += nodes;
    bytes_ += bytes;
    return nodes_ <= limits::nodes && bytes_ <= limits::text_bytes;
  }

 private:
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
};

inline const Node* Node::find(std::string_view step) const {
  if (const Mapping* mapping = as<Mapping>()) {
    const Mapping::Entry* entry = mapping->find(step);
    return entry == nullptr ? nullptr : &entry->value;
  }
  const Sequence* items = as<Sequence>();
  std::size_t at = 0;
  const char* const end = step.data() + step.size();
  if (items == nullptr || step.empty()) return nullptr;
  const auto [last, error] = std::from_chars(step.data(), end, at);
  if (last != end || error != std::errc{}) return nullptr;
  return at < items->size() ? &(*items)[at] : nullptr;
}

inline Mapping::Mapping() = default;
inline Mapping::Mapping(const Mapping&) = default;
inline Mapping::Mapping(Mapping&&) noexcept = default;
inline Mapping& Mapping::operator=(const Mapping&) = default;
inline Mapping& Mapping::operator=(Mapping&&) noexcept = default;
inline Mapping::~Mapping() = default;

inline std::size_t Mapping::size() const { return entries_.size(); }
inline const Mapping::Entry* Mapping::begin() const { return entries_.data(); }
inline const Mapping::Entry* Mapping::end() const { return entries_.data() + entries_.size(); }

inline std::size_t Mapping::slot_of(std::string_view key) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = std::hash<std::string_view>{}(key)&mask;
  while (slots_[slot] != 0 && entries_[slots_[slot] - 1].key != key) slot = (slot + 1) & mask;
  return slot;
}

inline const Mapping::Entry* Mapping::find(std::string_view key) const {
  if (slots_.empty()) return nullptr;
  const std::uint32_t found = slots_[slot_of(key)];
  return found == 0 ? nullptr : &entries_[found - 1];
}

inline Mapping::Entry* Mapping::find(std::string_view key) {
  return const_cast<Entry*>(static_cast<const Mapping&>(*this).find(key));
}

inline Mapping::Entry& Mapping::assign(std::string key, Mark mark, Node value) {
  if (Entry* old = find(key)) {
    old->mark = std::move(mark);
    old->value = std::move(value);
    return *old;
  }
  entries_.push_back({std::move(key), std::move(mark), std::move(value)});
  std::size_t unplaced = entries_.size() - 1;
  if (entries_.size() * 2 > slots_.size()) {
    slots_.assign(slots_.empty() ? 4 : slots_.size() * 2, 0);
    unplaced = 0;
  }
  for (; unplaced < entries_.size(); ++unplaced)
    slots_[slot_of(entries_[unplaced].key)] = static_cast<std::uint32_t>(unplaced + 1);
  return entries_.back();
}

inline bool operator==(const Mapping& a, const Mapping& b) {
  if (a.size() != b.size()) return false;
  for (const Mapping::Entry& entry : a) {
    const Mapping::Entry* other = b.find(entry.key);
    if (other == nullptr || !(other->value == entry.value)) return false;
  }
  return true;
}

}  // namespace shardplan
