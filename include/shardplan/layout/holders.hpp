#pragma once
#include <vector>

#include <shardplan/layout/layout.hpp>

/// The inverse question: who holds element i, and where (layout-algebra sheet, section 3)?
namespace shardplan {

/// One value per atom of a layout; -1: free, so every value holds.
using AtomValues = InlineVector<Index, 8>;

/// Source elements [global.begin, global.end) stand, in order, from local index `local` on, at every place whose atoms
/// have these values.
struct Holder {
  AtomValues atoms;
  Interval global;
  Index local = 0;
};

namespace detail {

/// Pushes an interval of a dimension forwards through its chain; the mirror image of Puller.
template <class Sink>
struct Pusher {
  const BoundProgram& program;
  const InlineVector<Layout::Atom, 8>& atoms;
  Sink& sink;
  AtomValues fixed;

  /// A chain on the way in. A nested one knows the blocks cut it stands in, and which part of what length.
  struct Track {
    const Track* parent = nullptr;
    std::size_t level = 0;
    Index part = 0;
    Index parent_length = 0;
    InlineVector<const Cut*, 6> cuts;

    constexpr Track(const BoundProgram& program, ChainRef chain) : cuts(chain.count, nullptr) {
      for (std::uint32_t i = chain.count, cut = chain.last; i-- > 0; cut = program.cuts[cut].previous)
        cuts[i] = &program.cuts[cut];
    }
  };

  /// Digit values fixed so far; a free digit reads as 0, which is right wherever the answer does not depend on it.
  struct Fixed {
    const Pusher& pusher;
    constexpr Index operator()(const BoundDigit& digit) const {
      Index out = 0;
      for (std::uint32_t a = 0; a < digit.atoms.count; ++a) {
        const std::size_t atom = digit.atoms.first + a;
        out = out * pusher.atoms[atom].extent + (pusher.fixed[atom] > 0 ? pusher.fixed[atom] : 0);
      }
      return out;
    }
  };

  constexpr bool is_free(const BoundDigit& digit) const {
    for (std::uint32_t a = 0; a < digit.atoms.count; ++a)
      if (fixed[digit.atoms.first + a] < 0) return true;
    return false;
  }

  /// Gives a digit a value; false if another part of the path has fixed it differently.
  constexpr bool fix(const BoundDigit& digit, Index value) {
    for (std::uint32_t a = digit.atoms.count; a-- > 0;) {
      const std::size_t atom = digit.atoms.first + a;
      const Index mine = value % atoms[atom].extent;
      if (fixed[atom] >= 0 && fixed[atom] != mine) return false;
      fixed[atom] = mine;
      value /= atoms[atom].extent;
    }
    return true;
  }

  /// [in.begin, in.end) of the input of cut `level`, a length-n dimension, are source elements from `global` on.
  constexpr void push(const Track& track, std::size_t level, Index n, Interval in, Index global) {
    if (in.empty()) return;
    if (level == track.cuts.size()) {
      if (track.parent)
        leave(track, in, global);
      else
        sink(Holder{fixed, {global, global + in.size()}, in.begin});
      return;
    }
    const Cut& cut = *track.cuts[level];
    const auto on = [&](Index length, Interval out, Index source) { push(track, level + 1, length, out, source); };
    switch (cut.kind) {
      case CutKind::split: {
        const Index count = split_count(program, cut);
        const Parts parts = parts_of(program, cut, n, count);
        const AtomValues before = fixed;
        for (Index k = parts.containing(in.begin); k < count && parts[k].begin < in.end; ++k) {
          const Interval part = parts[k], mine = intersect(in, part);
          if (mine.empty()) continue;
          if (fix_part(cut, cut.mirrored ? count - 1 - k : k))
            on(part.size(), {mine.begin - part.begin, mine.end - part.begin}, global + (mine.begin - in.begin));
          fixed = before;
        }
        return;
      }
      case CutKind::slice: {
        const Interval kept = intersect(in, {cut.value, cut.limit});
        return on(cut.limit - cut.value, {kept.begin - cut.value, kept.end - cut.value},
                  global + (kept.begin - in.begin));
      }
      case CutKind::pad:
        return on(output_size(program, cut, n, Fixed{*this}), in, global);
      case CutKind::repeat:
        for (Index copy = 0; copy < cut.value; ++copy)
          on(n * cut.value, {in.begin + copy * n, in.end + copy * n}, global);
        return;
      case CutKind::reorder:
        return push_reorder(track, level, cut, n, in, global);
      case CutKind::blocks: {
        const Index count = block_count(cut, n);
        const Parts parts = parts_of(program, cut, n, count);
        for (Index part = parts.containing(in.begin); part < count && parts[part].begin < in.end; ++part) {
          const Interval whole = parts[part], mine = intersect(in, whole);
          Track child(program, block_chain(program, cut, part));
          child.parent = &track;
          child.level = level;
          child.part = part;
          child.parent_length = n;
          push(child, 0, whole.size(), {mine.begin - whole.begin, mine.end - whole.begin},
               global + (mine.begin - in.begin));
        }
        return;
      }
    }
  }

 private:
  constexpr bool fix_part(const Cut& cut, Index k) {
    for (std::uint32_t i = cut.digits.count; i-- > 0;) {
      const BoundDigit& digit = program.digits[cut.digits.first + i];
      if (!fix(digit, k % digit.extent)) return false;
      k /= digit.extent;
    }
    return true;
  }

  constexpr void push_reorder(const Track& track, std::size_t level, const Cut& cut, Index n, Interval in,
                              Index global) {
    const Index size = n / cut.value, entries = static_cast<Index>(cut.numbers.count) / 2;
    const Index* table = program.numbers.data() + cut.numbers.first;
    const Index* by_entry = table + entries;
    for (Index block = in.begin / size; block * size < in.end; ++block) {
      const Interval mine = intersect(in, {block * size, (block + 1) * size});
      Index low = 0;
      for (Index high = entries; low < high;) {
        const Index middle = low + (high - low) / 2;
        (table[by_entry[middle]] < block ? low : high) = table[by_entry[middle]] < block ? middle + 1 : middle;
      }
      for (; low < entries && table[by_entry[low]] == block; ++low) {
        const Index shift = (by_entry[low] - block) * size;
        push(track, level + 1, size * entries, {mine.begin + shift, mine.end + shift},
             global + (mine.begin - in.begin));
      }
    }
  }

  /// Goes on behind a blocks cut. Where earlier siblings are as long as a free digit says, every value is tried.
  constexpr void leave(const Track& child, Interval in, Index global) {
    const Cut& cut = *child.parent->cuts[child.level];
    if (const BoundDigit* open = free_uneven_digit(cut)) {
      const AtomValues before = fixed;
      for (Index value = 0; value < open->extent; ++value) {
        if (fix(*open, value)) leave(child, in, global);
        fixed = before;
      }
      return;
    }
    const Index n = child.parent_length;
    const Index offset = blocks_size(program, cut, n, child.part, Fixed{*this});
    push(*child.parent, child.level + 1, output_size(program, cut, n, Fixed{*this}),
         {in.begin + offset, in.end + offset}, global);
  }

  /// A digit of an uneven split inside a blocks cut that the path has not fixed yet.
  constexpr const BoundDigit* free_uneven_digit(const Cut& blocks) const {
    for (std::uint32_t c = 0; c < blocks.chains.count; ++c) {
      const ChainRef chain = program.chains[blocks.chains.first + c];
      for (std::uint32_t i = 0, at = chain.last; i < chain.count; ++i, at = program.cuts[at].previous) {
        const Cut& cut = program.cuts[at];
        if (cut.kind == CutKind::split && cut.rule != PartRule::exact)
          for (std::uint32_t d = 0; d < cut.digits.count; ++d)
            if (const BoundDigit& digit = program.digits[cut.digits.first + d]; is_free(digit)) return &digit;
        if (cut.kind == CutKind::blocks)
          if (const BoundDigit* nested = free_uneven_digit(cut)) return nested;
      }
    }
    return nullptr;
  }
};

}  // namespace detail

/// Calls sink(Holder) for every occurrence of source elements [global.begin, global.end) of a dimension.
/// Post: pulling any reported local index at a matching place gives the reported source element back.
template <class Sink>
constexpr void for_each_holder(const Layout& layout, std::size_t dim, Interval global, Sink&& sink) {
  detail::Pusher<Sink> pusher{layout.program(), layout.atoms(), sink, AtomValues(layout.atoms().size(), -1)};
  const typename detail::Pusher<Sink>::Track track(layout.program(), layout.chain(dim));
  pusher.push(track, 0, layout.shape()[dim], intersect(global, {0, layout.shape()[dim]}),
              global.begin < 0 ? 0 : global.begin);
}

/// Whether a place has the given atom values.
constexpr bool matches(const Layout& layout, const AtomValues& atoms, const Place& place) {
  for (std::size_t a = 0; a < atoms.size(); ++a) {
    const Layout::Atom& atom = layout.atoms()[a];
    if (atoms[a] >= 0 && place[atom.axis] / atom.divisor % atom.extent != atoms[a]) return false;
  }
  return true;
}

namespace detail {

/// In how many combinations of the atoms that its dimension reads a holder holds: those the path left free.
constexpr Index copies(const Layout& layout, const InlineVector<bool, 8>& of_dim, const Holder& holder) {
  Index out = 1;
  for (std::size_t a = 0; a < of_dim.size(); ++a)
    if (of_dim[a] && holder.atoms[a] < 0) out *= layout.atoms()[a].extent;
  return out;
}

}  // namespace detail

/// How many times the whole job holds one element: at all places, and repeatedly inside one where a cut repeats.
constexpr Index multiplicity(const Layout& layout, const Shape& point) {
  // Different digits cut different dimensions, so their holders multiply; atoms no dimension reads are replicas.
  Index out = 1;
  InlineVector<bool, 8> read(layout.atoms().size(), false);
  for (std::size_t dim = 0; dim < layout.rank(); ++dim) {
    const InlineVector<bool, 8> of_dim = detail::atoms_of(layout, dim);
    Index held = 0;
    for_each_holder(layout, dim, {point[dim], point[dim] + 1},
                    [&](const Holder& holder) { held += detail::copies(layout, of_dim, holder); });
    for (std::size_t a = 0; a < read.size(); ++a) read[a] = read[a] || of_dim[a];
    out *= held;
  }
  for (std::uint32_t axis = 0; axis < layout.view().axes().size(); ++axis) {
    Index pinned = 0;
    for (const Layout::Pin pin : layout.pins()) pinned += pin.axis == axis;
    for (std::size_t a = 0; pinned == 0 && a < read.size(); ++a)
      if (layout.atoms()[a].axis == axis && !read[a]) out *= layout.atoms()[a].extent;
    if (pinned > 0) out *= pinned;
  }
  return out;
}

/// The ranks that hold one element, ascending: the one query whose answer is a list, made because the caller asks for
/// it.
inline std::vector<Rank> holding_ranks(const Layout& layout, const Shape& point) {
  std::vector<std::vector<AtomValues>> of_dim(layout.rank());
  for (std::size_t dim = 0; dim < layout.rank(); ++dim)
    for_each_holder(layout, dim, {point[dim], point[dim] + 1},
                    [&](const Holder& holder) { of_dim[dim].push_back(holder.atoms); });
  std::vector<Rank> out;
  for (Index r = 0; r < layout.view().size(); ++r) {
    const Rank rank = layout.view().offset() + r;
    const Place place = layout.view().place(rank);
    bool holds = layout.exists_at(place);
    for (const auto& holders : of_dim) {
      bool found = false;
      for (const AtomValues& atoms : holders) found = found || matches(layout, atoms, place);
      holds = holds && found;
    }
    if (holds) out.push_back(rank);
  }
  return out;
}

}  // namespace shardplan
