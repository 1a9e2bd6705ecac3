#pragma once
#include <doctest/doctest.h>

#include <functional>
#include <random>
#include <shardplan/layout.hpp>
#include <vector>

#include "../thrown.hpp"

/// An independent reading of cuts: lists of elements, taken apart and put together by the definitions.
namespace shardplan {

/// Source numbers in local order; -1 is padding.
using Elements = std::vector<Index>;

inline Elements count_up(Index n) {
  Elements out;
  for (Index i = 0; i < n; ++i) out.push_back(i);
  return out;
}

/// Sizes of the parts of n under a rule (layout-algebra sheet, 2). `numbers`: the chunk size, the units, or the sizes.
inline std::vector<Index> part_sizes(PartRule rule, Index n, Index count, const std::vector<Index>& numbers = {}) {
  std::vector<Index> out;
  Index left = n;
  Index total = 0;
  for (const Index number : numbers) total += number;
  const Index chunk = rule == PartRule::chunk ? numbers[0] : count > 0 ? (n + count - 1) / count : 0;
  for (Index k = 0; k < count; ++k) {
    Index size = 0;
    if (rule == PartRule::exact) size = n / count;
    if (rule == PartRule::chunk || rule == PartRule::ceil) size = std::min(chunk, left);
    if (rule == PartRule::balanced) size = n / count + (k < n % count);
    if (rule == PartRule::units) size = total == 0 ? 0 : n / total * numbers[static_cast<std::size_t>(k)];
    if (rule == PartRule::sizes) size = numbers[static_cast<std::size_t>(k)];
    out.push_back(size);
    left -= size;
  }
  return out;
}

inline Elements slice_of(const Elements& all, Index begin, Index size) {
  return Elements(all.begin() + begin, all.begin() + begin + size);
}

/// A chain, and what it does to a list of elements at a place.
struct Cutter {
  Chain chain;
  std::function<Elements(const Elements&, const Place&)> naive = [](const Elements& in, const Place&) { return in; };
};

inline Cutter operator|(const Cutter& a, const Cutter& b) {
  return {a.chain | b.chain,
          [a, b](const Elements& in, const Place& place) { return b.naive(a.naive(in, place), place); }};
}

/// A digit with what it means in a view, written down rather than asked for.
struct NamedDigit {
  Digit digit;
  std::size_t axis;
  Index divisor;
  Index extent;

  Index value(const Place& place) const { return place[axis] / divisor % extent; }
};

inline Cutter split_cutter(const std::vector<NamedDigit>& over, PartRule rule, bool mirrored,
                           const std::vector<Index>& numbers = {}) {
  InlineVector<Digit, 4> digits;
  Index count = 1;
  for (const NamedDigit& one : over) {
    digits.push_back(one.digit);
    count *= one.extent;
  }
  Split chain(digits);
  if (rule == PartRule::ceil) chain.ceil();
  if (rule == PartRule::balanced) chain.balanced();
  if (rule == PartRule::chunk) chain.chunk(numbers[0]);
  if (rule == PartRule::units) {
    InlineVector<Index, 16> units;
    units.append(numbers);
    chain.units(units);
  }
  if (mirrored) chain.mirrored();
  return {chain, [=](const Elements& in, const Place& place) {
            Index k = 0;
            for (const NamedDigit& one : over) k = k * one.extent + one.value(place);
            if (mirrored) k = count - 1 - k;
            const auto sizes = part_sizes(rule, static_cast<Index>(in.size()), count, numbers);
            Index begin = 0;
            for (Index i = 0; i < k; ++i) begin += sizes[static_cast<std::size_t>(i)];
            return slice_of(in, begin, sizes[static_cast<std::size_t>(k)]);
          }};
}

inline Cutter slice_cutter(Index begin, Index end) {
  return {slice(begin, end), [=](const Elements& in, const Place&) { return slice_of(in, begin, end - begin); }};
}

inline Cutter pad_cutter(PadTo to, Index how_much) {
  return {pad(to, how_much), [=](Elements in, const Place&) {
            const auto n = static_cast<Index>(in.size());
            const Index length = to == PadTo::amount   ? n + how_much
                                 : to == PadTo::length ? how_much
                                                       : (n + how_much - 1) / how_much * how_much;
            in.resize(static_cast<std::size_t>(length), -1);
            return in;
          }};
}

inline Cutter repeat_cutter(Index times) {
  return {repeat(times), [=](const Elements& in, const Place&) {
            Elements out;
            for (Index i = 0; i < times; ++i) out.insert(out.end(), in.begin(), in.end());
            return out;
          }};
}

inline Cutter reorder_cutter(Index count, const std::vector<Index>& table) {
  InlineVector<Index, 16> entries;
  entries.append(table);
  return {reorder(count, entries), [=](const Elements& in, const Place&) {
            const Index size = static_cast<Index>(in.size()) / count;
            Elements out;
            for (const Index entry : table) {
              const Elements block =
                  entry < 0 ? Elements(static_cast<std::size_t>(size), -1) : slice_of(in, entry * size, size);
              out.insert(out.end(), block.begin(), block.end());
            }
            return out;
          }};
}

/// Sub-blocks of the given rule, the k-th through `inside[k]`, or all through the only one.
inline Cutter blocks_cutter(const Chain& chain, PartRule rule, Index count, const std::vector<Index>& numbers,
                            const std::vector<Cutter>& inside) {
  return {chain, [=](const Elements& in, const Place& place) {
            const auto n = static_cast<Index>(in.size());
            const Index blocks = rule == PartRule::chunk ? (n + numbers[0] - 1) / numbers[0] : count;
            Elements out;
            Index begin = 0, k = 0;
            for (const Index size : part_sizes(rule, n, blocks, numbers)) {
              const Cutter& one = inside[inside.size() == 1 ? 0 : static_cast<std::size_t>(k)];
              const Elements part = one.naive(slice_of(in, begin, size), place);
              out.insert(out.end(), part.begin(), part.end());
              begin += size;
              ++k;
            }
            return out;
          }};
}
inline Cutter blocks_cutter(PartRule rule, Index count, const Cutter& inside) {
  return blocks_cutter(blocks(count, inside.chain, rule), rule, count, {}, {inside});
}
inline Cutter blocks_of_cutter(Index size, const Cutter& inside) {
  return blocks_cutter(blocks_of(size, inside.chain), PartRule::chunk, 0, {size}, {inside});
}
inline Cutter equal_blocks_cutter(const std::vector<Cutter>& inside) {
  InlineVector<Chain, 3> chains;
  for (const Cutter& one : inside) chains.push_back(one.chain);
  return blocks_cutter(equal_blocks(chains), PartRule::exact, static_cast<Index>(inside.size()), {}, inside);
}
inline Cutter packed_cutter(const std::vector<Index>& sizes, const std::vector<Cutter>& inside) {
  InlineVector<SubBlock, 3> parts;
  for (std::size_t i = 0; i < sizes.size(); ++i) parts.push_back({sizes[i], inside[inside.size() == 1 ? 0 : i].chain});
  return blocks_cutter(packed(parts), PartRule::sizes, static_cast<Index>(sizes.size()), sizes, inside);
}

/// What the library says a place holds of a dimension, element by element.
inline Elements pulled(const Layout& layout, std::size_t dim, const Place& place, Interval local) {
  Elements out;
  for_each_run(layout, dim, place, local, [&](Run run) {
    for (Index i = 0; i < run.length; ++i) out.push_back(run.is_padding() ? -1 : run.start + i);
  });
  return out;
}
inline Elements pulled(const Layout& layout, std::size_t dim, const Place& place) {
  return pulled(layout, dim, place, {0, layout.local_size(dim, place)});
}
inline Elements elements_of(const Shard& shard, std::size_t dim) {
  Elements out;
  for (const Shard::Segment& run : shard.segments(dim))
    for (Index i = 0; i < run.length; ++i) out.push_back(run.is_padding() ? -1 : run.start + i);
  return out;
}

/// Calls f(place) for every place of a view.
template <class F>
void for_each_place(const View& view, F&& f) {
  for (Index r = 0; r < view.size(); ++r) f(view.place(view.offset() + r));
}

/// Random chains over a view, each digit of the pool at most once on a path.
class RandomChains {
 public:
  RandomChains(unsigned seed, const View& view) : random_(seed) {
    for (std::size_t axis = 0; axis < view.axes().size(); ++axis) {
      const auto [name, size] = view.axes()[axis];
      const Index cut = size % 2 == 0 && any(0, 1) == 1 ? 2 : 1;  // some axes as two digits
      if (cut == 1) {
        pool_.push_back({name, axis, 1, size});
      } else {
        pool_.push_back({inner(name, 2), axis, 1, 2});
        pool_.push_back({outer(name, size / 2), axis, 2, size / 2});
      }
    }
    std::shuffle(pool_.begin(), pool_.end(), random_);
  }

  Index any(Index least, Index most) { return std::uniform_int_distribution<Index>(least, most)(random_); }

  /// A chain for a dimension of n elements; n < 0: not known, since it depends on the place.
  Cutter chain(Index n, int depth = 0) {
    Cutter out;
    for (Index steps = any(1, 3); steps > 0; --steps) {
      const Cutter next = step(n, depth);
      out = out | next;
      n = -1;
    }
    return out;
  }

 private:
  Cutter step(Index n, int depth) {
    switch (any(0, 11)) {
      case 0:
      case 1:
      case 2:
        return split(n);
      case 3:
        return n > 0 ? cut_out(n) : Cutter{};
      case 4:
        return pad_cutter(PadTo::multiple, any(1, 6));
      case 5:
        return pad_cutter(PadTo::amount, any(0, 4));
      case 6:
        return repeat_cutter(any(1, 3));
      case 7:
        return shuffled();
      case 8:
        return depth < 2 ? blocks_of_cutter(any(1, 6), chain(-1, depth + 1)) : Cutter{};
      case 9: {
        const PartRule rules[] = {PartRule::ceil, PartRule::balanced};
        return depth < 2 ? blocks_cutter(rules[any(0, 1)], any(1, 4), chain(-1, depth + 1)) : Cutter{};
      }
      case 10:
        return depth < 2 ? alternatives(depth) : Cutter{};
      default:
        return n >= 0 && depth < 2 ? parts(n, depth) : Cutter{};
    }
  }

  Cutter split(Index n) {
    if (pool_.empty()) return {};
    std::vector<NamedDigit> over{pool_.back()};
    pool_.pop_back();
    if (!pool_.empty() && any(0, 3) == 0) {
      over.push_back(pool_.back());
      pool_.pop_back();
    }
    Index count = 1;
    for (const NamedDigit& one : over) count *= one.extent;
    const bool mirrored = any(0, 2) == 0;
    switch (any(0, 3)) {
      case 0:
        return split_cutter(over, PartRule::ceil, mirrored);
      case 1:
        return split_cutter(over, PartRule::balanced, mirrored);
      case 2:
        if (n > 0) return split_cutter(over, PartRule::chunk, mirrored, {(n + count - 1) / count + any(0, 2)});
        [[fallthrough]];
      default: {
        std::vector<Index> units;
        for (Index k = 0; k < count; ++k) units.push_back(any(0, 2));
        units[0] += 1;
        Index total = 0;
        for (const Index unit : units) total += unit;
        return pad_cutter(PadTo::multiple, total) | split_cutter(over, PartRule::units, mirrored, units);
      }
    }
  }

  Cutter cut_out(Index n) {
    const Index a = any(0, n), b = any(0, n);
    return slice_cutter(std::min(a, b), std::max(a, b));
  }

  Cutter shuffled() {
    const Index count = any(1, 5);
    std::vector<Index> table;
    for (Index i = any(0, 6); i > 0; --i) table.push_back(any(-1, count - 1));
    return pad_cutter(PadTo::multiple, count) | reorder_cutter(count, table);
  }

  /// Alternatives of one blocks cut may use the same digits.
  Cutter alternatives(int depth) {
    const std::vector<NamedDigit> before = pool_;
    const Cutter first = chain(-1, depth + 1);
    const std::vector<NamedDigit> after = pool_;
    pool_ = before;
    const Cutter second = chain(-1, depth + 1);
    // What either used is used.
    std::vector<NamedDigit> left;
    for (const NamedDigit& one : after)
      for (const NamedDigit& other : pool_)
        if (one.digit == other.digit) left.push_back(one);
    pool_ = left;
    return pad_cutter(PadTo::multiple, 2) | equal_blocks_cutter({first, second});
  }

  Cutter parts(Index n, int depth) {
    const Index first = any(0, n), second = any(0, n - first);
    return packed_cutter({first, second, n - first - second}, {chain(first, depth + 1), Cutter{}, Cutter{}});
  }

  std::mt19937 random_;
  std::vector<NamedDigit> pool_;
};

}  // namespace shardplan
