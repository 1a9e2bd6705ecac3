#pragma once
#include <span>
#include <vector>

#include <shardplan/layout/flat.hpp>
#include <shardplan/zero/data_ranks.hpp>

/// DeepSpeed's ZeRO stages 1 and 2: a parameter group as one flat tensor (ZeRO sheet, 4.2).
namespace shardplan::zero {

/// Numbers 0, 1, ... in the order in which they stand in the flat tensor under `round_robin_gradients`: every
/// `ranks`-th from the first on, then from the second on, ...
inline std::vector<Index> round_robin(Index count, Index ranks) {
  std::vector<Index> out;
  for (Index first = 0; first < ranks && first < count; ++first)
    for (Index i = first; i < count; i += ranks) out.push_back(i);
  return out;
}

/// A parameter group: its trainable parameters without gaps, zeros up to a multiple of twice the ranks, equal parts.
///
/// elements      of each local tensor
/// Errors        SP-CORE-001; SP-LAYOUT-009, -011 a negative number of elements
/// Post          the parts of all ranks are equally long, and their slices tile every parameter
/// Example       5 and 3 elements on 8 ranks: parts of 2, the last four ranks hold padding
inline FlatLayout deepspeed_flat(std::span<const Index> elements, const DataRanks& ranks,
                                 bool round_robin_gradients = false) {
  std::vector<FlatEntry> entries;
  Index end = 0;
  const auto count = static_cast<Index>(elements.size());
  for (const Index tensor : round_robin(count, round_robin_gradients ? ranks.size() : 1)) {
    entries.push_back({tensor, end, elements[static_cast<std::size_t>(tensor)]});
    end = checked_add(end, entries.back().elements);
  }
  Layout buffer = Layout(ranks.view(), {end}).then(0, pad_to_multiple(2 * ranks.size()) | ranks.split());
  return {std::move(entries), std::move(buffer)};
}

}  // namespace shardplan::zero
