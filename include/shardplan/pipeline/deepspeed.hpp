#pragma once
#include <span>
#include <vector>

#include <shardplan/pipeline/detail/prefix_sums.hpp>
#include <shardplan/pipeline/partition.hpp>

/// How DeepSpeed partitions the layers of a PipelineModule (pipeline sheet, 1.7).
namespace shardplan::pipeline {

/// DeepSpeed's `uniform`: the FIRST `items % parts` parts hold one more; with too few items the last parts are empty.
///
/// Errors   SP-PIPELINE-008; SP-PIPELINE-009 a negative number of items
/// Example  uniform(26, 4): 7, 7, 6, 6
constexpr Partition uniform(Index items, Index parts) {
  stage_count(parts, 1);
  const Index size = items / parts;
  const Index longer = items % parts;
  Partition::Bounds bounds;
  for (Index k = 0; k <= parts; ++k) bounds.push_back(k * size + (k < longer ? k : longer));
  return {std::move(bounds), parts};
}

/// DeepSpeed's `balanced`, which its methods `parameters` and `type:` use: a small gap between the largest and the
/// smallest part, not a small largest part. `min_max` is the better choice where nothing has to match DeepSpeed.
///
/// weights  of the items, in order: trainable parameters, or 1 and 0 for layers that match a type or not
/// Errors   SP-PIPELINE-008; SP-PIPELINE-010 a negative weight; SP-CORE-001
/// Example  balanced([3, 1, 2, 7, 1], 3): sums 3, 3, 8, although 6, 7, 1 is possible
inline Partition balanced(std::span<const Index> weights, Index parts) {
  stage_count(parts, 1);
  const detail::PrefixSums weight(weights);
  const Index items = weight.items();
  if (items <= parts) return uniform(items, parts);

  // The best way to make `part` parts of the first i items, as DeepSpeed sees it: one (largest, smallest) pair is kept
  // for each state and, among equal gaps, the last split. Keeping one pair is why it may miss its own goal.
  struct Best {
    Index largest, smallest, split;
  };
  const auto row = static_cast<std::size_t>(items) + 1;
  std::vector<Best> best(row * (static_cast<std::size_t>(parts) + 1));
  const auto at = [&](Index part, Index i) -> Best& {
    return best[static_cast<std::size_t>(part) * row + static_cast<std::size_t>(i)];
  };
  for (Index i = 1; i <= items; ++i) at(1, i) = {weight({0, i}), weight({0, i}), 0};
  for (Index part = 2; part <= parts; ++part) {
    for (Index i = part; i <= items; ++i) {
      Best& kept = at(part, i);
      for (Index split = part - 1; split < i; ++split) {
        const Index own = weight({split, i});
        const Best& rest = at(part - 1, split);
        const Index largest = rest.largest > own ? rest.largest : own;
        const Index smallest = rest.smallest < own ? rest.smallest : own;
        if (split == part - 1 || largest - smallest <= kept.largest - kept.smallest) kept = {largest, smallest, split};
      }
    }
  }

  Partition::Bounds bounds(static_cast<std::size_t>(parts) + 1, items);
  for (auto part = static_cast<std::size_t>(parts); part > 0; --part)
    bounds[part - 1] = at(static_cast<Index>(part), bounds[part]).split;
  return {std::move(bounds), parts};
}

}  // namespace shardplan::pipeline
