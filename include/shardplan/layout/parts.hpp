#pragma once
#include <shardplan/layout/cut.hpp>

/// Division of a length into parts: the arithmetic that split and blocks share, both directions.
namespace shardplan::detail {

/// A length n divided into N parts under one of the six rules.
struct Parts {
  PartRule rule;
  Index length;
  Index count;
  Index step = 1;                 ///< exact, chunk, ceil: size of a part; units: length of one unit
  const Index* totals = nullptr;  ///< units, sizes

  /// Part k. Pre: 0 <= k < count. Post: parts are consecutive and cover [0, length).
  constexpr Interval operator[](Index k) const {
    switch (rule) {
      case PartRule::exact:
        return {k * step, (k + 1) * step};
      case PartRule::chunk:
      case PartRule::ceil:
        return {clamp(k), clamp(k + 1)};
      case PartRule::balanced:
        return {balanced_start(k), balanced_start(k + 1)};
      default:
        return {totals[k] * step, totals[k + 1] * step};
    }
  }

  /// The part that contains index x. Pre: 0 <= x < length.
  constexpr Index containing(Index x) const {
    switch (rule) {
      case PartRule::exact:
      case PartRule::chunk:
      case PartRule::ceil:
        return x / step;
      case PartRule::balanced: {
        const Index small = length / count, larger = length % count;
        return x < larger * (small + 1) ? x / (small + 1) : larger + (x - larger * (small + 1)) / small;
      }
      default: {
        Index low = 0, high = count;
        while (high - low > 1) {
          const Index middle = low + (high - low) / 2;
          (totals[middle] * step <= x ? low : high) = middle;
        }
        while (totals[low + 1] * step <= x) ++low;  // empty parts before it
        return low;
      }
    }
  }

  /// Whether all parts have one size, whatever k is.
  constexpr bool even() const { return rule == PartRule::exact || count == 1; }

  /// Runs of neighbouring parts of equal size: calls f(first part, how many, size) until it returns false.
  /// At most three runs, except under units and sizes, where every part is its own.
  template <class F>
  constexpr void for_each_size(F&& f) const {
    switch (rule) {
      case PartRule::exact:
        f(Index{0}, count, step);
        return;
      case PartRule::chunk:
      case PartRule::ceil: {
        const Index full = step == 0 ? 0 : length / step, rest = length - full * step;
        if (full > 0 && !f(Index{0}, full, step)) return;
        if (rest > 0 && !f(full, Index{1}, rest)) return;
        const Index used = full + (rest > 0);
        if (used < count) f(used, count - used, Index{0});
        return;
      }
      case PartRule::balanced: {
        const Index small = length / count, larger = length % count;
        if (larger > 0 && !f(Index{0}, larger, small + 1)) return;
        f(larger, count - larger, small);
        return;
      }
      default:
        for (Index k = 0; k < count; ++k)
          if (!f(k, Index{1}, (*this)[k].size())) return;
    }
  }

 private:
  constexpr Index clamp(Index k) const {
    // k * step may pass the length only in the last parts; comparing by division cannot overflow.
    return step != 0 && k > length / step ? length : k * step;
  }
  constexpr Index balanced_start(Index k) const {
    const Index larger = length % count;
    return k * (length / count) + (k < larger ? k : larger);
  }
};

/// The parts that a split into `count`, or blocks, make of length n. Pre: the cut has passed check_parts for n.
template <class DigitType>
constexpr Parts parts_of(const Program<DigitType>& program, const Cut& cut, Index n, Index count) {
  switch (cut.rule) {
    case PartRule::exact:
      return {cut.rule, n, count, n / count};
    case PartRule::chunk:
      return {cut.rule, n, count, cut.value};
    case PartRule::ceil:
      return {cut.rule, n, count, ceil_div(n, count)};
    case PartRule::balanced:
      return {cut.rule, n, count};
    default: {
      const Index* totals = program.numbers.data() + cut.numbers.first;
      const Index sum = totals[cut.numbers.count - 1];
      return {cut.rule, n, count, cut.rule == PartRule::units && sum > 0 ? n / sum : 1, totals};
    }
  }
}

/// How many sub-blocks a blocks cut makes of length n.
constexpr Index block_count(const Cut& cut, Index n) {
  switch (cut.rule) {
    case PartRule::chunk:
      return ceil_div(n, cut.value);
    case PartRule::units:
    case PartRule::sizes:
      return static_cast<Index>(cut.numbers.count) - 1;
    default:
      return cut.value;
  }
}

}  // namespace shardplan::detail
