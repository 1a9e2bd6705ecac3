#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

/// Names found quickly, however they were chosen.
namespace shardplan::checkpoint {

/// Where each of many names is in a list. Sorted by a hash and then by name, so that names that collide on purpose cost
/// comparisons and no more: building takes O(n log n) of them. Holds no text.
class NameIndex {
 public:
  NameIndex() = default;
  /// name_at(i)   text of name i, for i < count
  template <class NameAt>
  NameIndex(std::size_t count, NameAt&& name_at) {
    slots_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) slots_.push_back({std::hash<std::string_view>{}(name_at(i)), i});
    std::sort(slots_.begin(), slots_.end(), [&](const Slot& a, const Slot& b) {
      if (a.hash != b.hash) return a.hash < b.hash;
      const int order = std::string_view(name_at(a.item)).compare(name_at(b.item));
      return order != 0 ? order < 0 : a.item < b.item;
    });
  }

  /// The later of two items of one name; empty: all names differ.
  template <class NameAt>
  std::optional<std::size_t> repeated(NameAt&& name_at) const {
    for (std::size_t i = 1; i < slots_.size(); ++i)
      if (slots_[i - 1].hash == slots_[i].hash &&
          std::string_view(name_at(slots_[i - 1].item)) == name_at(slots_[i].item))
        return slots_[i].item;
    return std::nullopt;
  }

  template <class NameAt>
  std::optional<std::size_t> find(std::string_view name, NameAt&& name_at) const {
    const std::size_t hash = std::hash<std::string_view>{}(name);
    const auto found = std::lower_bound(slots_.begin(), slots_.end(), hash, [&](const Slot& slot, std::size_t wanted) {
      return slot.hash != wanted ? slot.hash < wanted : std::string_view(name_at(slot.item)) < name;
    });
    if (found == slots_.end() || found->hash != hash || name_at(found->item) != name) return std::nullopt;
    return found->item;
  }

 private:
  struct Slot {
    std::size_t hash;
    std::size_t item;
  };
  std::vector<Slot> slots_;
};

}  // namespace shardplan::checkpoint
