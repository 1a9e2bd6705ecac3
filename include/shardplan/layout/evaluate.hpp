#pragma once
#include <shardplan/layout/parts.hpp>
#include <shardplan/mesh/view.hpp>

/// Evaluation of chains: sizes forwards, runs backwards. Readers use the functions of layout.hpp and shard.hpp.
namespace shardplan {

/// `length` local elements that are source elements `start`, `start` + 1, ...; or padding.
struct Run {
  static constexpr Index padding = -1;  ///< and below: padding starts at -1 - (the cut that put it there)

  Index start = 0;
  Index length = 0;

  constexpr bool is_padding() const { return start < 0; }
  /// Position in its program of the cut that put padding there. Pre: is_padding().
  constexpr std::size_t cut() const { return static_cast<std::size_t>(padding - start); }
  friend constexpr bool operator==(Run, Run) = default;
};

namespace detail {

/// A digit with its axis found in a view. `atoms` are the finest digits of that axis it consists of, major first.
struct BoundDigit {
  std::uint32_t axis = 0;
  Slot atoms{};
  Index divisor = 1;
  Index extent = 1;
  friend constexpr bool operator==(const BoundDigit&, const BoundDigit&) = default;
};
using BoundProgram = Program<BoundDigit>;

/// Digit values read off a place.
struct AtPlace {
  const Place& place;
  constexpr Index operator()(const BoundDigit& digit) const {
    return static_cast<std::uint32_t>(place[digit.axis]) / static_cast<std::uint32_t>(digit.divisor) %
           static_cast<std::uint32_t>(digit.extent);
  }
};

/// Number of parts a split tells apart.
constexpr Index split_count(const BoundProgram& program, const Cut& cut) {
  Index out = 1;
  for (std::uint32_t i = 0; i < cut.digits.count; ++i) out *= program.digits[cut.digits.first + i].extent;
  return out;
}

/// The part of a split at given digit values.
template <class Values>
constexpr Interval split_part(const BoundProgram& program, const Cut& cut, Index n, const Values& values) {
  Index count = 1, k = 0;
  for (std::uint32_t i = 0; i < cut.digits.count; ++i) {
    const BoundDigit& digit = program.digits[cut.digits.first + i];
    count *= digit.extent;
    k = k * digit.extent + values(digit);
  }
  return parts_of(program, cut, n, count)[cut.mirrored ? count - 1 - k : k];
}

constexpr ChainRef block_chain(const BoundProgram& program, const Cut& cut, Index part) {
  return program.chains[cut.chains.first + (cut.chains.count == 1 ? 0 : static_cast<std::uint32_t>(part))];
}

template <class Values>
constexpr Index chain_size(const BoundProgram& program, ChainRef chain, Index n, const Values& values);

/// Output size of the sub-blocks before `part` of a blocks cut; of all with part = block_count.
template <class Values>
constexpr Index blocks_size(const BoundProgram& program, const Cut& cut, Index n, Index part, const Values& values) {
  Index out = 0;
  parts_of(program, cut, n, block_count(cut, n)).for_each_size([&](Index first, Index many, Index size) {
    const Index counted = first + many < part ? many : part - first;
    if (cut.chains.count == 1)
      out += counted * chain_size(program, block_chain(program, cut, 0), size, values);
    else
      for (Index j = 0; j < counted; ++j)
        out += chain_size(program, block_chain(program, cut, first + j), size, values);
    return first + many < part;
  });
  return out;
}

/// Length of the output of one cut for an input of length n.
template <class Values>
constexpr Index output_size(const BoundProgram& program, const Cut& cut, Index n, const Values& values) {
  switch (cut.kind) {
    case CutKind::split:
      return split_part(program, cut, n, values).size();
    case CutKind::slice:
      return cut.limit - cut.value;
    case CutKind::pad:
      return cut.pad_to == PadTo::amount   ? n + cut.value
             : cut.pad_to == PadTo::length ? cut.value
                                           : ceil_div(n, cut.value) * cut.value;
    case CutKind::repeat:
      return n * cut.value;
    case CutKind::reorder:
      return cut.value == 0 ? 0 : n / cut.value * (static_cast<Index>(cut.numbers.count) / 2);
    case CutKind::blocks:
      break;
  }
  return blocks_size(program, cut, n, block_count(cut, n), values);
}

template <class Values>
constexpr Index chain_size(const BoundProgram& program, ChainRef chain, Index n, const Values& values) {
  if (chain.count == 0) return n;
  const Cut& cut = program.cuts[chain.last];
  return output_size(program, cut, chain_size(program, {cut.previous, chain.count - 1}, n, values), values);
}

/// A chain unfolded for one input: its cuts in order and the length before and after each. Nested chains point to the
/// frame they continue in, so that recursion needs no new types.
struct Frame {
  const Frame* parent = nullptr;
  std::size_t level = 0;  ///< cuts of the parent that are still to be undone
  Index origin = 0;       ///< where this chain's input begins in the parent's
  InlineVector<const Cut*, 6> cuts;
  InlineVector<Index, 7> sizes;

  template <class Values>
  constexpr Frame(const BoundProgram& program, ChainRef chain, Index n, const Values& values,
                  const Frame* outside = nullptr, std::size_t at = 0)
      : parent(outside), level(at), cuts(chain.count, nullptr), sizes(chain.count + 1, n) {
    for (std::uint32_t i = chain.count, cut = chain.last; i-- > 0; cut = program.cuts[cut].previous)
      cuts[i] = &program.cuts[cut];
    for (std::size_t i = 0; i < cuts.size(); ++i) sizes[i + 1] = output_size(program, *cuts[i], sizes[i], values);
  }
};

/// Undoes the cuts of a chain one by one, last first, and tells the sink the source of every output element in order.
template <class Values, class Sink>
struct Puller {
  const BoundProgram& program;
  const Values& values;
  Sink& sink;

  constexpr void pull(const Frame& frame, std::size_t level, Interval out) {
    if (out.empty()) return;
    if (level == 0) {
      if (frame.parent)
        pull(*frame.parent, frame.level, {frame.origin + out.begin, frame.origin + out.end});
      else
        sink(Run{out.begin, out.size()});
      return;
    }
    const Cut& cut = *frame.cuts[level - 1];
    const Index n = frame.sizes[level - 1];
    switch (cut.kind) {
      case CutKind::split: {
        const Index begin = split_part(program, cut, n, values).begin;
        return pull(frame, level - 1, {begin + out.begin, begin + out.end});
      }
      case CutKind::slice:
        return pull(frame, level - 1, {cut.value + out.begin, cut.value + out.end});
      case CutKind::pad: {
        const Interval behind = intersect(out, {n, frame.sizes[level]});
        pull(frame, level - 1, intersect(out, {0, n}));
        if (!behind.empty()) sink(padding(cut, behind.size()));
        return;
      }
      case CutKind::repeat:
        for (Index at = out.begin / n * n; at < out.end; at += n) {
          const Interval copy = intersect(out, {at, at + n});
          pull(frame, level - 1, {copy.begin - at, copy.end - at});
        }
        return;
      case CutKind::reorder: {
        const Index size = n / cut.value;
        for (Index block = out.begin / size; block * size < out.end; ++block) {
          const Interval wanted = intersect(out, {block * size, (block + 1) * size});
          const Index shift = program.numbers[cut.numbers.first + static_cast<std::size_t>(block)] - block;
          if (shift + block < 0)
            sink(padding(cut, wanted.size()));
          else
            pull(frame, level - 1, {wanted.begin + shift * size, wanted.end + shift * size});
        }
        return;
      }
      case CutKind::blocks:
        return pull_blocks(frame, level, cut, n, out);
    }
  }

 private:
  constexpr Run padding(const Cut& cut, Index length) const {
    return {Run::padding - (&cut - program.cuts.data()), length};
  }

  constexpr void pull_blocks(const Frame& frame, std::size_t level, const Cut& cut, Index n, Interval out) {
    const Parts parts = parts_of(program, cut, n, block_count(cut, n));
    Index at = 0;  // output position of the next sub-block
    parts.for_each_size([&](Index first, Index many, Index size) {
      const Index alike = cut.chains.count == 1 ? many : 1;  // neighbours with the same chain and size
      for (Index run = 0; run < many && at < out.end; run += alike) {
        Frame child(program, block_chain(program, cut, first + run), size, values, &frame, level - 1);
        const Index length = child.sizes.back();
        if (length == 0) continue;
        const Index begin = out.begin > at ? (out.begin - at) / length : 0;
        for (Index j = begin; j < alike && at + j * length < out.end; ++j) {
          const Interval wanted = intersect(out, {at + j * length, at + (j + 1) * length});
          child.origin = parts[first + run + j].begin;
          pull(child, child.cuts.size(), {wanted.begin - at - j * length, wanted.end - at - j * length});
        }
        at += alike * length;
      }
      return at < out.end;
    });
  }
};

/// Refuses a cut that does not fit an input of this length, whatever the place. Errors SP-LAYOUT-001 to -005,
/// SP-CORE-001.
constexpr void check_cut(const BoundProgram& program, const Cut& cut, Index length) {
  const auto parts_fit = [&](Index count) {
    const Index total = cut.rule == PartRule::units || cut.rule == PartRule::sizes
                            ? program.numbers[cut.numbers.first + cut.numbers.count - 1]
                            : 0;
    if (cut.rule == PartRule::exact && length % count != 0)
      fail("SP-LAYOUT-001", concat(length, " elements do not divide into ", count, " equal parts"),
           concat(multiples_near(length, count), " elements, or ", nearest_divisors(length, count).below, " parts"));
    if (cut.rule == PartRule::chunk && cut.kind == CutKind::split && ceil_div(length, cut.value) > count)
      fail("SP-LAYOUT-002", concat(count, " chunks of ", cut.value, " do not cover ", length, " elements"),
           concat("chunks of at least ", ceil_div(length, count)));
    if (cut.rule == PartRule::units && (length % total != 0 || static_cast<Index>(cut.numbers.count) - 1 != count))
      fail("SP-LAYOUT-002", concat(length, " elements do not divide into ", count, " parts in proportion of ",
                                   cut.numbers.count - 1, " numbers that add up to ", total));
    if (cut.rule == PartRule::sizes && total != length)
      fail("SP-LAYOUT-005", concat("blocks that add up to ", total, " do not fill ", length, " elements"),
           concat("sizes that add up to ", length));
  };
  switch (cut.kind) {
    case CutKind::split:
      return parts_fit(split_count(program, cut));
    case CutKind::slice:
      if (cut.limit > length)
        fail("SP-LAYOUT-003", concat("slice [", cut.value, ", ", cut.limit, ") of ", length, " elements"),
             concat("an end of at most ", length));
      return;
    case CutKind::pad:
      if (cut.pad_to == PadTo::length && cut.value < length)
        fail("SP-LAYOUT-003", concat("padding ", length, " elements to ", cut.value), concat("at least ", length));
      if (cut.pad_to == PadTo::multiple) round_up(length, cut.value);
      if (cut.pad_to == PadTo::amount) checked_add(length, cut.value);
      return;
    case CutKind::repeat:
      checked_mul(length, cut.value);
      return;
    case CutKind::reorder:
      if (cut.value < 1 || length % cut.value != 0)
        fail("SP-LAYOUT-001", concat(length, " elements do not divide into ", cut.value, " blocks to reorder"),
             concat("a divisor of ", length));
      checked_mul(length, static_cast<Index>(cut.numbers.count));
      return;
    case CutKind::blocks: {
      const Index count = block_count(cut, length);
      parts_fit(count);
      if (cut.chains.count != 1 && static_cast<Index>(cut.chains.count) != count)
        fail("SP-LAYOUT-005", concat(cut.chains.count, " chains for ", count, " blocks"), "one chain, or one each");
    }
  }
}

/// Distinct lengths.
using Lengths = InlineVector<Index, 4>;

/// A value of a split's digits from which on its part has another size than before.
struct Turn {
  const Cut* split = nullptr;
  Index value = 0;
  friend constexpr bool operator==(Turn, Turn) = default;
};
using Turns = InlineVector<Turn, 8>;

/// The lengths of a chain's output at all places, every cut refused that does not fit one of its inputs.
///
/// Digits occur once on a path, so the parts of one split combine with all lengths that reach it, and a split has few
/// distinct ones: no place is tried. Only siblings of a blocks cut may read the same digits; where two of them vary,
/// `each_place(turns, f)` calls f(values) for a place of every combination of parts.
template <class EachPlace>
struct Reach {
  const BoundProgram& program;
  EachPlace each_place;

  /// Where `turns` are asked for, those of every split on the way are added. Errors SP-LAYOUT-001 to -005, SP-CORE-001.
  constexpr Lengths operator()(ChainRef chain, Index n, Turns* turns = nullptr) const {
    if (chain.count == 0) return {n};
    const Cut& cut = program.cuts[chain.last];
    Lengths out;
    for (const Index length : (*this)({cut.previous, chain.count - 1}, n, turns)) {
      check_cut(program, cut, length);
      if (cut.kind == CutKind::split) {
        const Index count = split_count(program, cut);
        parts_of(program, cut, length, count).for_each_size([&](Index first, Index many, Index size) {
          add(out, size);
          if (turns && many < count) add(*turns, Turn{&cut, cut.mirrored ? count - first - many : first});
          return true;
        });
      } else if (cut.kind == CutKind::blocks)
        add_blocks(out, cut, length, turns);
      else
        add(out, output_size(program, cut, length, [](const BoundDigit&) { return Index{0}; }));
    }
    return out;
  }

 private:
  template <class Set, class Item>
  static constexpr void add(Set& set, const Item& item) {
    for (const Item& known : set)
      if (known == item) return;
    set.push_back(item);
  }

  constexpr void add_blocks(Lengths& out, const Cut& cut, Index length, Turns* outside) const {
    Turns turns;
    const Index count = block_count(cut, length);
    Index least = 0, most = 0, many_of_varying = 0;
    int varying = 0;
    Lengths lengths;  // of the sub-blocks that vary, if all others have one length
    parts_of(program, cut, length, count).for_each_size([&](Index first, Index many, Index size) {
      const Index alike = cut.chains.count == 1 ? many : 1;
      for (Index run = 0; run < many; run += alike) {
        const Lengths here = (*this)(block_chain(program, cut, first + run), size, &turns);
        Index longest = here[0];
        for (const Index one : here) longest = larger(longest, one);
        most = checked_add(most, checked_mul(alike, longest));
        if (here.size() == 1) {
          least += alike * longest;
        } else {
          ++varying;
          many_of_varying = alike;
          lengths = here;
        }
      }
      return true;
    });
    if (varying == 0) add(out, least);
    if (varying == 1)
      for (const Index one : lengths) add(out, least + many_of_varying * one);
    if (varying > 1)
      each_place(turns, [&](const auto& values) { add(out, blocks_size(program, cut, length, count, values)); });
    if (outside)
      for (const Turn& turn : turns) add(*outside, turn);
  }
};

}  // namespace detail
}  // namespace shardplan
