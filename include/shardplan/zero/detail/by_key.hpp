#pragma once
#include <algorithm>
#include <vector>

#include <shardplan/core/types.hpp>

namespace shardplan::zero::detail {

/// Items with one key, by their numbers, ascending.
template <class Key>
struct Alike {
  Key key{};
  std::vector<Index> members{};
};

/// All items by key, keys in the order of their first item.
template <class Items, class KeyOf>
auto by_key(const Items& items, const KeyOf& key_of) {
  std::vector<Alike<decltype(key_of(*std::begin(items)))>> out;
  Index number = 0;
  for (const auto& item : items) {
    const auto key = key_of(item);
    auto found = std::find_if(out.begin(), out.end(), [&](const auto& alike) { return alike.key == key; });
    if (found == out.end()) found = out.insert(out.end(), {key, {}});
    found->members.push_back(number++);
  }
  return out;
}

}  // namespace shardplan::zero::detail
