#pragma once
#include <vector>

#include <shardplan/mesh/group.hpp>

namespace shardplan {

using List = std::vector<Index>;

/// The ranks of a group, written out.
inline List members(const Group& group) {
  List out;
  for (const Rank rank : group) out.push_back(rank.value);
  return out;
}

}  // namespace shardplan
