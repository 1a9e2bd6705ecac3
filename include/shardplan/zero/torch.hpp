#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/zero/detail/no_ranks.hpp>

/// PyTorch's ZeroRedundancyOptimizer: whole parameters, given away one after the other (ZeRO sheet, 4.3).
namespace shardplan::zero {

/// Who keeps the optimizer state of a parameter. As a layout: the weight's, `pinned(dp, {rank})`.
struct Keeper {
  Index parameter = 0;  ///< number in list order across groups
  Index group = 0;
  Index rank = 0;

  friend constexpr bool operator==(const Keeper&, const Keeper&) = default;
};

struct Keepers {
  std::vector<Keeper> order;    ///< in the order of assignment
  std::vector<Index> elements;  ///< of each rank in total
};

/// Group by group, the largest parameter first (of equals the first), each to the rank with the fewest elements so far
/// (of equals the lowest).
///
/// groups   elements of the parameters of every group
/// Errors   SP-ZERO-002, SP-CORE-001
/// Post     every parameter has one keeper
inline Keepers greedy(std::span<const std::vector<Index>> groups, Index ranks) {
  if (ranks < 1) throw Error(detail::no_ranks(ranks));
  Keepers out{{}, std::vector<Index>(static_cast<std::size_t>(ranks), 0)};
  Index first = 0;
  for (Index number = 0; const std::vector<Index>& group : groups) {
    std::vector<std::size_t> sorted;
    for (std::size_t i = 0; i < group.size(); ++i) sorted.push_back(i);
    std::stable_sort(sorted.begin(), sorted.end(), [&](std::size_t a, std::size_t b) { return group[a] > group[b]; });
    for (const std::size_t i : sorted) {
      const auto least = std::min_element(out.elements.begin(), out.elements.end());
      *least = checked_add(*least, group[i]);
      out.order.push_back({first + static_cast<Index>(i), number, least - out.elements.begin()});
    }
    first += static_cast<Index>(group.size());
    ++number;
  }
  return out;
}

}  // namespace shardplan::zero
