#pragma once
#include <algorithm>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <shardplan/checkpoint/detail/little.hpp>
#include <shardplan/checkpoint/stored_tensor.hpp>

/// What a torch file holds: plain values and tensors, as a tree (checkpoint sheet, 9).
namespace shardplan::checkpoint {

class Value;

using shardplan::append_to;  // the one for values would hide them, and take numbers and texts as values

struct None {
  friend bool operator==(None, None) = default;
};

/// An integer beyond 64 bits: its two's complement, lowest byte first, as short as it can be.
struct BigInteger {
  std::string bytes;

  std::string decimal() const;
};

struct Bytes {
  std::string data;
  bool mutable_array = false;  ///< a bytearray
};

struct List {
  std::vector<Value> items;
};
struct Tuple {
  std::vector<Value> items;
};
struct Set {
  std::vector<Value> items;
};

/// torch.Size
struct Size {
  Shape shape;
};

/// torch.device, by its name: `cpu`, `xla:0`.
struct Device {
  std::string name;
};

/// What a rank file says instead of a tensor that lies in a file of its own (xser, sheet section 2).
struct TensorReference {
  std::string module;  ///< of the class that wrote it
  std::string name;    ///< of that class
  Index tid = 0;       ///< >= 0
  // Only some writers say these.
  std::optional<Element> element{};
  std::optional<Shape> shape{};
  std::optional<bool> expert_model_parallel{};
};

/// A key of a dict as callers name it; also a position in a list or tuple.
using Key = std::variant<Index, std::string_view>;

/// One value; copies share what it is made of, which nobody changes. Two places that hold one tensor, list or dict in
/// the file hold the same one here.
class Value {
 public:
  Value() = default;
  Value(None) {}
  Value(bool flag) : data_(flag) {}
  Value(double number) : data_(number) {}
  Value(Element dtype) : data_(dtype) {}
  template <std::integral I>
  requires(!std::same_as<I, bool>) Value(I number) : data_(static_cast<Index>(number)) {}
  Value(std::string text) : data_(std::make_shared<const std::string>(std::move(text))) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  /// Anything that is shared: BigInteger, Bytes, List, Tuple, Set, Dict, Size, Device, TensorReference, Object, Tensor.
  template <class T>
  requires(std::is_class_v<T> && !std::same_as<T, Value> && !std::same_as<T, None>) Value(T made)
      : data_(std::make_shared<const T>(std::move(made))) {}
  template <class T>
  Value(std::shared_ptr<const T> shared) : data_(std::move(shared)) {}

  /// The value as what it is, `as<Dict>()`, `as<Index>()`, `as<std::string>()`; null where it is something else.
  template <class T>
  const T* as() const {
    if constexpr (std::is_same_v<T, None> || std::is_scalar_v<T>) {
      return std::get_if<T>(&data_);
    } else {
      const auto* shared = std::get_if<std::shared_ptr<const T>>(&data_);
      return shared ? shared->get() : nullptr;
    }
  }
  /// The shared form of the same: equal pointers are one and the same object in the file.
  template <class T>
  std::shared_ptr<const T> shared() const {
    const auto* shared = std::get_if<std::shared_ptr<const T>>(&data_);
    return shared ? *shared : nullptr;
  }
  bool is_none() const { return as<None>() != nullptr; }

  /// What a dict holds under a key, or a list or tuple at a position; null where there is no such thing.
  const Value* find(Key key) const;
  /// The same, key by key from here: `root.find_path({"state", 0, "exp_avg"})`.
  const Value* find_path(std::initializer_list<Key> path) const;
  /// The elements of a list or tuple; null where it is neither.
  const std::vector<Value>* items() const;

 private:
  std::variant<None, bool, Index, double, Element, std::shared_ptr<const BigInteger>,
               std::shared_ptr<const std::string>, std::shared_ptr<const Bytes>, std::shared_ptr<const List>,
               std::shared_ptr<const Tuple>, std::shared_ptr<const Set>, std::shared_ptr<const class Dict>,
               std::shared_ptr<const Size>, std::shared_ptr<const Device>, std::shared_ptr<const TensorReference>,
               std::shared_ptr<const struct Object>, std::shared_ptr<const struct Tensor>>
      data_;
};

/// A tensor and what Python knows of it beyond its elements.
struct Tensor {
  StoredTensor stored;      ///< for writing, only its element type and shape count
  std::string storage_key;  ///< equal keys in one file: views of one storage
  bool parameter = false;   ///< torch.nn.Parameter
  bool requires_grad = false;
  Value attributes{};  ///< Python state of the tensor, mostly None
};

/// An object of a class that is not evaluated: what would be needed to make it, and to write it again.
struct Object {
  enum class Made : std::uint8_t { is_class, by_call, by_new };

  std::string module;
  std::string name;
  Made made = Made::by_new;
  Value arguments = Tuple{};
  Value entries{};         ///< a dict: what was put in by key, as into a defaultdict; None: nothing
  Value state{};           ///< None: there is none
  bool has_state = false;  ///< tells "none" from None

  /// An attribute, where the state is a dict of attributes; null where there is none.
  const Value* find(std::string_view attribute) const { return state.find(attribute); }
};

/// Keys and values in the order in which they were put in. Keys are texts, integers, tuples of keys, or objects.
class Dict {
 public:
  struct Entry {
    Value key, value;
  };

  Dict() = default;
  /// Errors SP-CHECKPOINT-004 two equal keys, or a key that is neither text, integer, tuple nor object.
  explicit Dict(std::vector<Entry> entries, bool is_ordered_dict = false, Value with_attributes = {})
      : ordered(is_ordered_dict), attributes(std::move(with_attributes)), entries_(std::move(entries)) {
    by_key_.resize(entries_.size());
    for (std::size_t i = 0; i < by_key_.size(); ++i) {
      by_key_[i] = static_cast<std::uint32_t>(i);
      if (!is_key(entries_[i].key))
        fail("SP-CHECKPOINT-004", concat("a dict has the key ", entries_[i].key),
             "a text, an integer, a tuple of those");
    }
    std::sort(by_key_.begin(), by_key_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return compare(entries_[a].key, entries_[b].key) < 0; });
    for (std::size_t i = 1; i < by_key_.size(); ++i)
      if (compare(entries_[by_key_[i - 1]].key, entries_[by_key_[i]].key) == 0)
        fail("SP-CHECKPOINT-004", concat("a dict has the key ", entries_[by_key_[i]].key, " twice"));
  }

  const std::vector<Entry>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }
  const Value* find(std::string_view key) const {
    return find_by([&](const Value& at) { return compare(at, key); });
  }
  const Value* find(Index key) const {
    return find_by([&](const Value& at) { return compare(at, key); });
  }
  const Value* find(const Value& key) const {
    return find_by([&](const Value& at) { return compare(at, key); });
  }

  bool ordered = false;  ///< an OrderedDict
  Value attributes;      ///< a dict of its Python attributes, as a module's `_metadata`; or None

 private:
  template <class Compare>
  const Value* find_by(Compare&& to_key) const {
    const auto at = std::partition_point(by_key_.begin(), by_key_.end(),
                                         [&](std::uint32_t i) { return to_key(entries_[i].key) < 0; });
    return at != by_key_.end() && to_key(entries_[*at].key) == 0 ? &entries_[*at].value : nullptr;
  }
  /// Whether a value can be a key, or part of one within an object.
  static bool is_key(const Value& value, bool in_object = false) {
    const auto all = [&](const std::vector<Value>& items) {
      return std::all_of(items.begin(), items.end(), [&](const Value& item) { return is_key(item, in_object); });
    };
    if (value.as<Index>() || value.as<std::string>() || value.as<BigInteger>()) return true;
    if (const Tuple* tuple = value.as<Tuple>()) return all(tuple->items);
    if (const Object* object = value.as<Object>())
      return is_key(object->arguments, true) && is_key(object->state, true);
    if (!in_object) return false;
    if (const Dict* dict = value.as<Dict>())
      return std::all_of(dict->entries_.begin(), dict->entries_.end(),
                         [](const Entry& entry) { return is_key(entry.key, true) && is_key(entry.value, true); });
    return value.is_none() || value.as<bool>() || value.as<Size>();
  }
  /// An order of kinds; within each, compare() has one of its own.
  static int kind(const Value& key) {
    const bool is[] = {key.as<Index>() != nullptr, key.as<std::string>() != nullptr, key.as<BigInteger>() != nullptr,
                       key.as<Tuple>() != nullptr, key.as<Object>() != nullptr,      key.as<Dict>() != nullptr,
                       key.as<Size>() != nullptr,  key.as<bool>() != nullptr,        key.is_none()};
    return static_cast<int>(std::find(std::begin(is), std::end(is), true) - std::begin(is));
  }
  static std::strong_ordering compare(const Value& a, std::string_view b) {
    const std::string* text = a.as<std::string>();
    return text ? std::string_view(*text) <=> b : kind(a) <=> 1;
  }
  static std::strong_ordering compare(const Value& a, Index b) {
    const Index* number = a.as<Index>();
    return number ? *number <=> b : kind(a) <=> 0;
  }
  template <class Items>
  static std::strong_ordering compare_all(const Items& a, const Items& b) {
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
      if constexpr (std::is_same_v<Items, Shape>) {
        if (a[i] != b[i]) return a[i] <=> b[i];
      } else if constexpr (std::is_same_v<Items, std::vector<Entry>>) {
        if (const auto order = compare(a[i].key, b[i].key); order != 0) return order;
        if (const auto order = compare(a[i].value, b[i].value); order != 0) return order;
      } else {
        if (const auto order = compare(a[i], b[i]); order != 0) return order;
      }
    }
    return a.size() <=> b.size();
  }
  static std::strong_ordering compare(const Value& a, const Value& b) {
    if (const auto order = kind(a) <=> kind(b); order != 0) return order;
    if (const Index* number = b.as<Index>()) return compare(a, *number);
    if (const std::string* text = b.as<std::string>()) return compare(a, std::string_view(*text));
    if (const BigInteger* big = b.as<BigInteger>()) return a.as<BigInteger>()->bytes <=> big->bytes;
    if (const Tuple* tuple = b.as<Tuple>()) return compare_all(a.as<Tuple>()->items, tuple->items);
    if (const Dict* dict = b.as<Dict>()) return compare_all(a.as<Dict>()->entries_, dict->entries_);
    if (const Size* size = b.as<Size>()) return compare_all(a.as<Size>()->shape, size->shape);
    if (const bool* flag = b.as<bool>()) return *a.as<bool>() <=> *flag;
    if (b.is_none()) return std::strong_ordering::equal;
    const Object &left = *a.as<Object>(), &right = *b.as<Object>();
    if (const auto order = left.module <=> right.module; order != 0) return order;
    if (const auto order = left.name <=> right.name; order != 0) return order;
    if (const auto order = compare(left.arguments, right.arguments); order != 0) return order;
    return compare(left.state, right.state);
  }

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> by_key_;
};

inline const std::vector<Value>* Value::items() const {
  if (const List* list = as<List>()) return &list->items;
  const Tuple* tuple = as<Tuple>();
  return tuple ? &tuple->items : nullptr;
}

inline const Value* Value::find(Key key) const {
  const Index* number = std::get_if<Index>(&key);
  if (const Dict* dict = as<Dict>()) return number ? dict->find(*number) : dict->find(std::get<std::string_view>(key));
  const std::vector<Value>* list = items();
  if (!list || !number || *number < 0 || *number >= static_cast<Index>(list->size())) return nullptr;
  return &(*list)[static_cast<std::size_t>(*number)];
}

inline const Value* Value::find_path(std::initializer_list<Key> path) const {
  const Value* at = this;
  for (const Key& key : path)
    if (at) at = at->find(key);
  return at;
}

/// Every tensor below a value with the keys that lead to it, joined by '/', in the order of the file; one that several
/// places hold comes at each of them.
///
/// visit   (const std::string& path, const std::shared_ptr<const Tensor>& tensor)
template <class Visit>
void for_each_tensor(const Value& from, Visit&& visit, const std::string& path = {});

/// The same for references to tensors in files of their own: visit(path, const TensorReference&).
template <class Visit>
void for_each_reference(const Value& from, Visit&& visit, const std::string& path = {});

/// As Python shows it, in short for tensors: `{'step': 3, 'w': tensor(float32, [2, 3])}`.
void append_to(std::string& out, const Value& value);

namespace detail {

template <class T, class Visit>
void for_each_shared(const Value& from, Visit& visit, const std::string& path) {
  const auto below = [&](const auto& key) { return path.empty() ? concat(key) : concat(path, '/', key); };
  if (const auto found = from.shared<T>()) return visit(path, found);
  if (const Dict* dict = from.as<Dict>()) {
    for (const Dict::Entry& entry : dict->entries()) {
      const std::string* text = entry.key.as<std::string>();
      for_each_shared<T>(entry.value, visit, text ? below(*text) : below(entry.key));
    }
  } else if (const std::vector<Value>* items = from.items()) {
    for (std::size_t i = 0; i < items->size(); ++i) for_each_shared<T>((*items)[i], visit, below(i));
  }
}

}  // namespace detail

template <class Visit>
void for_each_tensor(const Value& from, Visit&& visit, const std::string& path) {
  detail::for_each_shared<Tensor>(from, visit, path);
}

template <class Visit>
void for_each_reference(const Value& from, Visit&& visit, const std::string& path) {
  const auto unshared = [&](const std::string& at, const std::shared_ptr<const TensorReference>& found) {
    visit(at, *found);
  };
  detail::for_each_shared<TensorReference>(from, unshared, path);
}

}  // namespace shardplan::checkpoint

#include <shardplan/checkpoint/detail/value_text.hpp>
