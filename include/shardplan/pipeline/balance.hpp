#pragma once
#include <optional>
#include <span>
#include <vector>

#include <shardplan/pipeline/detail/prefix_sums.hpp>
#include <shardplan/pipeline/partition.hpp>

/// The best contiguous partition by cost, exactly (pipeline sheet, 1.8).
namespace shardplan::pipeline {

/// What a stage needs where memory is no concern.
struct NoMemory {
  constexpr Index operator()(StageId, Interval) const { return 0; }
};

namespace detail {

/// The best values of giving the items from `first` on to the stages from `stage` on, no stage empty; none where that
/// cannot be done.
///
/// take(stage, items) -> optional<Value>   what one stage adds, none if it may not take these items
/// join(Value one, Value rest) -> Value    non-decreasing in `rest`
template <class Value>
class BestOfRest {
 public:
  template <class Take, class Join>
  BestOfRest(Index items, Index stages, const Take& take, const Join& join)
      : row_(static_cast<std::size_t>(items) + 1), table_((static_cast<std::size_t>(stages) + 1) * row_) {
    at(stages, items) = Value{};
    for (Index stage = stages; stage-- > 0;) {
      const Index last = stage == 0 ? 0 : items - (stages - stage);
      for (Index first = stage; first <= last; ++first) {
        std::optional<Value>& best = at(stage, first);
        for (Index end = first + 1; end <= items; ++end) {
          const std::optional<Value>& rest = at(stage + 1, end);
          if (!rest) continue;
          const std::optional<Value> own = take(StageId(stage), Interval{first, end});
          if (!own) continue;
          const Value value = join(*own, *rest);
          if (!best || value < *best) best = value;
        }
      }
    }
  }

  const std::optional<Value>& operator()(Index stage, Index first) const { return table_[place(stage, first)]; }

 private:
  std::size_t place(Index stage, Index first) const {
    return static_cast<std::size_t>(stage) * row_ + static_cast<std::size_t>(first);
  }
  std::optional<Value>& at(Index stage, Index first) { return table_[place(stage, first)]; }

  std::size_t row_;
  std::vector<std::optional<Value>> table_;
};

/// Says which stage no choice of items can help: the last one without a way to go on, whatever the later ones take.
template <class Memory>
[[noreturn]] void fail_for_memory(const BestOfRest<Index>& rest, Index items, Index stages, const Memory& memory,
                                  Index cap) {
  std::optional<Index> least;
  Index stage = stages;
  for (bool served = true; served;) {
    --stage;
    served = false;
    for (Index first = 0; first < items; ++first) served = served || rest(stage, first).has_value();
  }
  for (Index end = stage + 1; end <= items; ++end) {
    if (!rest(stage + 1, end)) continue;
    for (Index begin = stage; begin < (stage == 0 ? 1 : end); ++begin) {
      const Index need = memory(StageId(stage), Interval{begin, end});
      if (!least || need < *least) least = need;
    }
  }
  fail("SP-PIPELINE-007", concat("stage ", stage, " of ", stages, " needs at least ", *least, ", the cap is ", cap),
       "more stages, less in flight, or a larger cap");
}

}  // namespace detail

/// The contiguous partition whose dearest stage is cheapest; among those the one with the smallest sum of squares of
/// the stage costs, then the lexicographically first bounds. No stage is empty. O(stages * items^2).
///
/// costs    of the items, in order: whole numbers (operations, nanoseconds, parameters), so that equal is equal. Give
///          embedding and head items of their own, [embed, layers..., norm + head + loss], and let `restrict_to` leave
///          the layers of the result.
/// memory   (StageId, Interval of items) -> Index: what the stage needs if it takes these items. It depends on the
/// stage
///          too, since rank 0 keeps the most microbatches (`in_flight`).
/// cap      a stage takes only items with memory(stage, items) <= cap
/// Errors   SP-PIPELINE-001 fewer items than stages; SP-PIPELINE-007 no partition fits the cap, with the stage that
///          breaks it; SP-PIPELINE-008; SP-PIPELINE-010 a negative cost; SP-CORE-001
/// Example  min_max([3, 1, 2, 7, 1], 3): sums 6, 7, 1
template <class Memory = NoMemory>
Partition min_max(std::span<const Index> costs, Index pipeline, Index chunks = 1, const Memory& memory = {},
                  Index cap = 0) {
  const Index stages = stage_count(pipeline, chunks);
  const detail::PrefixSums cost(costs);
  const Index items = cost.items();
  if (items < stages)
    fail("SP-PIPELINE-001", concat(items, " items for ", stages, " stages"), concat("at least ", stages, " items"));

  const auto take = [&](StageId stage, Interval some) -> std::optional<Index> {
    if (memory(stage, some) > cap) return std::nullopt;
    return cost(some);
  };
  const detail::BestOfRest<Index> dearest(items, stages, take,
                                          [](Index one, Index rest) { return one > rest ? one : rest; });
  if (!dearest(0, 0)) detail::fail_for_memory(dearest, items, stages, memory, cap);

  // The second goal needs a pass of its own, under the limit that the first one found: the best whole may contain a
  // rest that is dearer than it had to be.
  const Index limit = *dearest(0, 0);
  __extension__ typedef __int128 Square;  // of a 63-bit number
  const auto take_square = [&](StageId stage, Interval some) -> std::optional<Square> {
    const std::optional<Index> own = cost(some) > limit ? std::nullopt : take(stage, some);
    if (!own) return std::nullopt;
    return Square{*own} * *own;
  };
  const detail::BestOfRest<Square> squares(items, stages, take_square,
                                           [](Square one, Square rest) { return one + rest; });
  Partition::Bounds bounds{0};
  for (Index stage = 0; stage < stages; ++stage) {
    const Index first = bounds.back();
    Index end = first + 1;
    const auto is_best = [&] {
      const std::optional<Square>& rest = squares(stage + 1, end);
      const std::optional<Square> own = rest ? take_square(stage, {first, end}) : std::nullopt;
      return own && *own + *rest == *squares(stage, first);
    };
    while (!is_best()) ++end;
    bounds.push_back(end);
  }
  return {std::move(bounds), pipeline};
}

}  // namespace shardplan::pipeline
