#pragma once
#include <shardplan/core/shape.hpp>
#include <shardplan/mesh/axis.hpp>

/// The six cuts and chains of them (layout-algebra sheet, sections 1 and 2).
namespace shardplan {

enum class CutKind : std::uint8_t {
  split,    ///< keep part k of N, k told by digits of the place: the only cut that reads the place
  slice,    ///< keep [begin, end)
  pad,      ///< append padding
  repeat,   ///< the input several times in a row
  reorder,  ///< equal blocks in another order; a block may be left out, repeated, or padding
  blocks,   ///< consecutive sub-blocks, each through a chain of its own, joined again
};

/// How a length n is divided into N parts; shared by split, which keeps one part, and blocks, which keeps all.
enum class PartRule : std::uint8_t {
  exact,     ///< n / N each; N must divide n
  chunk,     ///< a fixed size, the last part short, later ones empty
  ceil,      ///< chunk of ceil(n / N): torch.chunk
  balanced,  ///< the first n mod N parts get one more
  units,     ///< in the given proportions, whose sum must divide n
  sizes,     ///< the given sizes, which must add up to n
};

enum class PadTo : std::uint8_t { multiple, length, amount };

/// What stands in padding. Layouts carry it; only copies of values use it.
struct Fill {
  enum class Kind : std::uint8_t { zero, lowest, constant };
  Kind kind = Kind::zero;
  Index value = 0;  ///< of a constant

  friend constexpr bool operator==(Fill, Fill) = default;
};
inline constexpr Fill lowest_finite{Fill::Kind::lowest, 0};

/// A range inside one of a program's arrays.
struct Slot {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  friend constexpr bool operator==(Slot, Slot) = default;
};

/// A chain inside a program: its last cut and how many precede it, linked backwards, since evaluation runs backwards.
struct ChainRef {
  std::uint32_t last = 0;
  std::uint32_t count = 0;
  friend constexpr bool operator==(ChainRef, ChainRef) = default;
};

/// One cut, as data: whatever varies in length stands in the arrays of its program.
struct Cut {
  CutKind kind = CutKind::split;
  PartRule rule = PartRule::exact;
  bool mirrored = false;  ///< split: part N - 1 - k instead of k
  PadTo pad_to = PadTo::multiple;
  Fill fill{};                 ///< pad, reorder: what the padding holds
  std::uint32_t previous = 0;  ///< the cut before it in its chain, where there is one
  Slot digits{};               ///< split: major first
  Slot numbers{};              ///< units, sizes: running totals from 0; reorder: the table, then its positions by entry
  Slot chains{};               ///< blocks: one chain for all sub-blocks, or one each
  Index value =
      0;  ///< chunk: size; blocks of equal count: how many; slice: begin; pad, repeat: how much; reorder: blocks
  Index limit = 0;  ///< slice: end

  friend constexpr bool operator==(const Cut&, const Cut&) = default;
};

/// Cuts with their variable parts, a plain value. Positions are relative, so appending a program is a shift.
template <class DigitType>
struct Program {
  InlineVector<Cut, 8> cuts;
  InlineVector<DigitType, 8> digits;
  InlineVector<ChainRef, 4> chains;
  InlineVector<Index, 16> numbers;

  /// Takes over everything of `other`, its digits through `convert`. Returns by how much its cuts moved.
  template <class OtherDigit, class Convert>
  constexpr std::uint32_t append(const Program<OtherDigit>& other, Convert convert) {
    const auto cut_shift = static_cast<std::uint32_t>(cuts.size());
    const auto digit_shift = static_cast<std::uint32_t>(digits.size());
    const auto chain_shift = static_cast<std::uint32_t>(chains.size());
    const auto number_shift = static_cast<std::uint32_t>(numbers.size());
    for (Cut cut : other.cuts) {
      cut.previous += cut_shift;
      cut.digits.first += digit_shift;
      cut.chains.first += chain_shift;
      cut.numbers.first += number_shift;
      cuts.push_back(cut);
    }
    for (const OtherDigit& digit : other.digits) digits.push_back(convert(digit));
    for (ChainRef chain : other.chains) {
      chain.last += cut_shift;
      chains.push_back(chain);
    }
    numbers.append(other.numbers);
    return cut_shift;
  }

  /// Makes `later` follow `earlier` (both already inside); returns the joined chain.
  constexpr ChainRef join(ChainRef earlier, ChainRef later) {
    if (later.count == 0) return earlier;
    std::uint32_t first = later.last;
    for (std::uint32_t step = 1; step < later.count; ++step) first = cuts[first].previous;
    cuts[first].previous = earlier.last;
    return {later.last, earlier.count + later.count};
  }

  friend constexpr bool operator==(const Program&, const Program&) = default;
};

namespace detail {

/// 0, a, a + b, ...: bounds of consecutive parts. Errors SP-LAYOUT-009 for a negative part.
constexpr InlineVector<Index, 16> running_totals(const InlineVector<Index, 16>& parts) {
  InlineVector<Index, 16> out{0};
  for (const Index part : parts) {
    if (part < 0) fail("SP-LAYOUT-009", concat("a part of size ", part), "0 or more");
    out.push_back(checked_add(out.back(), part));
  }
  return out;
}

/// Positions of a table in the order of their entries (heapsort: no recursion, no further memory).
constexpr InlineVector<Index, 16> positions_by_entry(const InlineVector<Index, 16>& table) {
  InlineVector<Index, 16> out;
  for (std::size_t i = 0; i < table.size(); ++i) out.push_back(static_cast<Index>(i));
  const auto less = [&](Index a, Index b) {
    const Index x = table[static_cast<std::size_t>(a)], y = table[static_cast<std::size_t>(b)];
    return x != y ? x < y : a < b;
  };
  const auto sift = [&](std::size_t root, std::size_t end) {
    for (std::size_t child = 2 * root + 1; child < end; root = child, child = 2 * root + 1) {
      if (child + 1 < end && less(out[child], out[child + 1])) ++child;
      if (!less(out[root], out[child])) return;
      std::swap(out[root], out[child]);
    }
  };
  for (std::size_t i = out.size() / 2; i-- > 0;) sift(i, out.size());
  for (std::size_t end = out.size(); end-- > 1;) {
    std::swap(out[0], out[end]);
    sift(0, end);
  }
  return out;
}

}  // namespace detail

/// An ordered list of cuts on one dimension: each acts on the local result of the one before. The empty chain keeps
/// all. Post: (a | b) | c and a | (b | c) have the same effect; so have a | Chain{} and a.
class Chain {
 public:
  constexpr Chain() = default;

  constexpr const Program<Digit>& program() const { return program_; }
  constexpr ChainRef root() const { return root_; }
  constexpr bool empty() const { return root_.count == 0; }

  friend constexpr Chain operator|(Chain a, const Chain& b) {
    const std::uint32_t shift = a.program_.append(b.program_, [](const Digit& digit) { return digit; });
    a.root_ = a.program_.join(a.root_, {b.root_.last + shift, b.root_.count});
    return a;
  }
  friend constexpr bool operator==(const Chain&, const Chain&) = default;

 protected:
  using Numbers = InlineVector<Index, 16>;

  /// A chain of one cut. `children` become its sub-chains, `numbers` and `digits` its variable parts.
  constexpr Chain(Cut cut, const InlineVector<Digit, 4>& digits, const Numbers& numbers,
                  const InlineVector<Chain, 3>& children) {
    const auto same = [](const Digit& digit) { return digit; };
    InlineVector<ChainRef, 4> refs;
    for (const Chain& child : children) {
      const std::uint32_t shift = program_.append(child.program_, same);
      refs.push_back({child.root_.last + shift, child.root_.count});
    }
    const auto put = [](auto& array, const auto& items) {
      const Slot slot{static_cast<std::uint32_t>(array.size()), static_cast<std::uint32_t>(items.size())};
      array.append(items);
      return slot;
    };
    cut.digits = put(program_.digits, digits);
    cut.numbers = put(program_.numbers, numbers);
    cut.chains = put(program_.chains, refs);
    program_.cuts.push_back(cut);
    root_ = {static_cast<std::uint32_t>(program_.cuts.size() - 1), 1};
  }

  constexpr Cut& only() { return program_.cuts[root_.last]; }

  friend class Split;
  friend constexpr Chain make_chain(Cut, const Numbers&, const InlineVector<Chain, 3>&);

  Program<Digit> program_;
  ChainRef root_;
};

/// Part k of N, where k reads `digits` major first and N is the product of their extents; even unless ruled otherwise.
/// `split(tp)`, `split(dp, cp)`, `split(inner(tp, 8)).ceil()`, `split(cp).mirrored()`.
class Split : public Chain {
 public:
  constexpr explicit Split(const InlineVector<Digit, 4>& digits) : Chain(Cut{}, digits, {}, {}) {}

  constexpr Split& ceil() { return ruled(PartRule::ceil); }
  constexpr Split& balanced() { return ruled(PartRule::balanced); }
  constexpr Split& chunk(Index size) {
    if (size < 1) fail("SP-LAYOUT-002", concat("chunks of ", size), "at least 1");
    only().value = size;
    return ruled(PartRule::chunk);
  }
  /// In proportion to `parts`, zero allowed: as many as the digits tell apart.
  constexpr Split& units(const InlineVector<Index, 16>& parts) {
    const Numbers totals = detail::running_totals(parts);
    if (totals.back() < 1) fail("SP-LAYOUT-002", "proportions that add up to 0", "at least one positive");
    only().numbers = {static_cast<std::uint32_t>(program_.numbers.size()), static_cast<std::uint32_t>(totals.size())};
    program_.numbers.append(totals);
    return ruled(PartRule::units);
  }
  constexpr Split& mirrored() {
    only().mirrored = true;
    return *this;
  }

 private:
  constexpr Split& ruled(PartRule rule) {
    only().rule = rule;
    return *this;
  }
};
template <class... Digits>
constexpr Split split(Digits... digits) {
  return Split({Digit(digits)...});
}

constexpr Chain make_chain(Cut cut, const InlineVector<Index, 16>& numbers = {},
                           const InlineVector<Chain, 3>& children = {}) {
  return Chain(cut, {}, numbers, children);
}

/// Elements [begin, end) of the input.
constexpr Chain slice(Index begin, Index end) {
  if (begin < 0 || end < begin) fail("SP-LAYOUT-003", concat("slice [", begin, ", ", end, ')'), "0 <= begin <= end");
  return make_chain({.kind = CutKind::slice, .value = begin, .limit = end});
}

/// The input, then padding up to a multiple, to a length, or of a given amount.
constexpr Chain pad(PadTo to, Index how_much, Fill fill = {}) {
  if (how_much < (to == PadTo::multiple ? 1 : 0)) fail("SP-LAYOUT-009", concat("padding of ", how_much));
  return make_chain({.kind = CutKind::pad, .pad_to = to, .fill = fill, .value = how_much});
}
constexpr Chain pad_to_multiple(Index unit, Fill fill = {}) { return pad(PadTo::multiple, unit, fill); }

/// The input `times` times in a row, on the same rank. (A copy on another rank is no cut: it is a digit that none
/// uses.)
constexpr Chain repeat(Index times) {
  if (times < 1) fail("SP-LAYOUT-009", concat("repeated ", times, " times"), "at least 1");
  return make_chain({.kind = CutKind::repeat, .value = times});
}

/// The input in `blocks` equal blocks; block i of the output is block table[i] of the input, -1 a block of padding.
constexpr Chain reorder(Index blocks, const InlineVector<Index, 16>& table) {
  for (const Index entry : table)
    if (entry < -1 || entry >= blocks)
      fail("SP-LAYOUT-004", concat("block ", entry, " of ", blocks),
           concat("0 to ", blocks - 1, ", or -1 for padding"));
  InlineVector<Index, 16> numbers = table;
  numbers.append(detail::positions_by_entry(table));
  return make_chain({.kind = CutKind::reorder, .value = blocks}, numbers);
}

/// `count` sub-blocks of one size, or as ruled by ceil or balanced, each through `inside`. Errors SP-LAYOUT-002.
constexpr Chain blocks(Index count, const Chain& inside, PartRule rule = PartRule::exact) {
  if (rule != PartRule::exact && rule != PartRule::ceil && rule != PartRule::balanced)
    fail("SP-LAYOUT-002", concat(count, " blocks do not tell their sizes"),
         "exact, ceil or balanced; blocks_of and packed take sizes");
  if (count < 1) fail("SP-LAYOUT-002", concat(count, " blocks"), "at least 1");
  return make_chain({.kind = CutKind::blocks, .rule = rule, .value = count}, {}, {inside});
}
/// Sub-blocks of `size`, the last one short, each through `inside`.
constexpr Chain blocks_of(Index size, const Chain& inside) {
  if (size < 1) fail("SP-LAYOUT-002", concat("blocks of ", size), "at least 1");
  return make_chain({.kind = CutKind::blocks, .rule = PartRule::chunk, .value = size}, {}, {inside});
}
/// Sub-blocks of the given sizes, all through `inside`: packed parts, documents of a batch.
constexpr Chain packed(const InlineVector<Index, 16>& sizes, const Chain& inside) {
  return make_chain({.kind = CutKind::blocks, .rule = PartRule::sizes}, detail::running_totals(sizes), {inside});
}
/// Sub-blocks of the given sizes, each through its own chain: [q; k; v] of a fused weight.
struct SubBlock {
  Index size = 0;
  Chain inside;
};
constexpr Chain packed(const InlineVector<SubBlock, 3>& parts) {
  InlineVector<Index, 16> sizes;
  InlineVector<Chain, 3> chains;
  for (const SubBlock& part : parts) {
    sizes.push_back(part.size);
    chains.push_back(part.inside);
  }
  return make_chain({.kind = CutKind::blocks, .rule = PartRule::sizes}, detail::running_totals(sizes), chains);
}
/// Equal sub-blocks, one for each chain.
constexpr Chain equal_blocks(const InlineVector<Chain, 3>& chains) {
  if (chains.empty()) fail("SP-LAYOUT-002", "no blocks", "at least 1");
  return make_chain({.kind = CutKind::blocks, .rule = PartRule::exact, .value = static_cast<Index>(chains.size())}, {},
                    chains);
}

/// `parts` equal blocks packed in one dimension, each cut on its own: NxD and Megatron "stride", gate and up.
constexpr Chain strided(Digit over, Index parts) {
  return parts == 1 ? Chain(split(over)) : blocks(parts, split(over));
}

/// Each rank takes one block from the front and its mirror image from the back: balanced causal attention.
constexpr Chain zigzag(Digit over) { return equal_blocks({split(over), split(over).mirrored()}); }

}  // namespace shardplan
