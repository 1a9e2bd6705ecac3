#pragma once
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/interval.hpp>
#include <shardplan/core/text.hpp>

/// What a context-parallel rank gets of a batch (configuration sheet, 9.7): an equal part of every sequence, in order.
namespace shardplan::data {

/// The label that no loss counts.
inline constexpr Index ignored_label = -100;

/// The positions of a sequence that a context rank works on.
///
/// Errors   SP-DATA-009 no such rank, or a sequence that the ranks do not divide
constexpr Interval context_part(Index sequence, Index context, Index rank) {
  if (context < 1 || rank < 0 || rank >= context)
    fail("SP-DATA-009", concat("context rank ", rank, " of ", context), "a rank of a positive size", {"rank"});
  if (sequence % context != 0)
    fail("SP-DATA-009", concat("a sequence of ", sequence, " on ", context, " context ranks"),
         concat("a sequence of ", multiples_near(sequence, context)), {"sequence", "context"});
  return {sequence / context * rank, sequence / context * (rank + 1)};
}

/// A context rank's part of a field of the batch, rows of `sequence` tokens behind one another. NxD moves labels to the
/// token that they follow, over the borders of the parts; the last has none. One rank: labels stay where they are.
/// A field with one column is not cut.
///
/// Errors   SP-DATA-009; SP-LAYOUT-010 values that are no whole rows
inline std::vector<Index> context_slice(std::span<const Index> values, Index sequence, Index context, Index rank,
                                        bool labels = false) {
  if (sequence < 1 || static_cast<Index>(values.size()) % sequence != 0)
    fail("SP-LAYOUT-010", concat(values.size(), " values are no rows of ", sequence), {}, {"sequence"});
  const Interval part = sequence == 1 ? Interval{0, 1} : context_part(sequence, context, rank);
  const Index shift = labels && context > 1 ? 1 : 0;
  std::vector<Index> out;
  for (Index row = 0; row < static_cast<Index>(values.size()) / sequence; ++row)
    for (Index at = part.begin + shift; at < part.end + shift; ++at)
      out.push_back(at < sequence ? values[static_cast<std::size_t>(row * sequence + at)] : ignored_label);
  return out;
}

}  // namespace shardplan::data
