#pragma once
#include <shardplan/core/types.hpp>

namespace shardplan {

/// Half-open interval [begin, end) of indices.
struct Interval {
  Index begin = 0;
  Index end = 0;

  constexpr Index size() const { return end - begin; }
  constexpr bool empty() const { return end <= begin; }
  constexpr bool contains(Index i) const { return begin <= i && i < end; }
  friend constexpr bool operator==(Interval, Interval) = default;
};

/// The common part; empty where the two do not meet.
constexpr Interval intersect(Interval a, Interval b) {
  const Index begin = a.begin > b.begin ? a.begin : b.begin;
  const Index end = a.end < b.end ? a.end : b.end;
  return {begin, end < begin ? begin : end};
}

}  // namespace shardplan
