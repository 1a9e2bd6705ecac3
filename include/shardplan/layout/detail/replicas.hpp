#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include <shardplan/layout/holders.hpp>

/// Which of many ranks that hold the same piece: answered by digits, without a look at each of them.
namespace shardplan::detail {

/// The ranks of a layout as numbers whose digits are atoms: those that agree in some atoms are a mixed-radix pattern.
class Replicas {
 public:
  constexpr Replicas() = default;
  constexpr explicit Replicas(const Layout& layout) : size_(layout.view().size()) {
    for (std::uint32_t axis = 0; axis < layout.view().axes().size(); ++axis) add_digits(layout, axis);
    for (std::size_t i = 1; i < digits_.size(); ++i)
      for (std::size_t j = i; j > 0 && digits_[j].stride > digits_[j - 1].stride; --j)
        std::swap(digits_[j], digits_[j - 1]);
    add_pins(layout);
  }

  /// The atom values at which the tensor exists, one entry for every combination of pins.
  constexpr const InlineVector<AtomValues, 1>& pins() const { return pins_; }

  /// The nearest of the ranks whose atoms have these values, the lower one of two.
  /// O(digits) without a wire, else O(blocks of the wire), and never more than one step a replica.
  constexpr Rank nearest(const Layout& layout, const AtomValues& values, Rank to) const {
    const View& view = layout.view();
    const Wire& wire = view.wires();
    Nearest best{to};
    const Index blocks = wire.node == 0 ? 1 : static_cast<Index>(wire.physical.size());
    if (!aligned_ || combinations(layout, values) <= blocks) {
      InlineVector<bool, 8> free(values.size(), false);
      for (std::size_t a = 0; a < values.size(); ++a) free[a] = values[a] < 0;
      Place place = first_place(layout, values);
      do best.consider(view.rank(place));
      while (advance(layout, free, place));
      return best.rank;
    }
    const Index target = clamp(to.value - view.offset(), {0, size_});
    if (wire.node == 0) {
      for (const bool up : {false, true})
        if (const Index found = next(values, target, up); found >= 0) best.consider(view.offset() + found);
      return best.rank;
    }
    // A wire permutes blocks inside a node: the own node, and the next one with a replica on either side, may have it.
    const auto search = [&](Index node) {
      for (Index at = 0; at < blocks; ++at) {
        const Index logical = node * wire.node + wire.logical[static_cast<std::size_t>(at)] * wire.block;
        const Index shift = node * wire.node + at * wire.block - logical;
        const Interval block{logical, logical + wire.block};
        for (const bool up : {false, true})
          if (const Index found = next(values, clamp(target - shift, block), up); block.contains(found))
            best.consider(view.offset() + shift + found);
      }
    };
    const Index node = target / wire.node;
    search(node);
    if (const Index found = next(values, node * wire.node - 1, false); found >= 0) search(found / wire.node);
    if (const Index found = next(values, (node + 1) * wire.node, true); found >= 0) search(found / wire.node);
    return best.rank;
  }

  /// One of the ranks whose atoms have these values; `turn` counts through them and starts again.
  static constexpr Rank nth(const Layout& layout, const AtomValues& values, Index turn) {
    Place place = first_place(layout, values);
    for (std::size_t a = values.size(); a-- > 0;) {
      const Layout::Atom& atom = layout.atoms()[a];
      if (values[a] >= 0) continue;
      place[atom.axis] += turn % atom.extent * atom.divisor;
      turn /= atom.extent;
    }
    return layout.view().rank(place);
  }

 private:
  /// Part of an atom that is one digit of the rank number: number = sum of value * stride.
  struct NumberDigit {
    Index stride = 1;
    Index extent = 1;
    std::size_t atom = 0;
    Index divisor = 1;  ///< of the value of the atom

    constexpr Index value(const AtomValues& values) const {
      return values[atom] < 0 ? -1 : values[atom] / divisor % extent;
    }
  };
  struct Nearest {
    Rank to;
    Rank rank = -1;

    constexpr void consider(Rank other) {
      const auto distance = [this](Rank r) { return r < to ? to.value - r.value : r.value - to.value; };
      if (rank.value < 0 || distance(other) < distance(rank) || (distance(other) == distance(rank) && other < rank))
        rank = other;
    }
  };

  static constexpr Index clamp(Index x, Interval to) { return smaller(larger(x, to.begin), to.end - 1); }

  static constexpr Index combinations(const Layout& layout, const AtomValues& values) {
    Index out = 1;
    for (std::size_t a = 0; a < values.size(); ++a)
      if (values[a] < 0) out *= layout.atoms()[a].extent;
    return out;
  }

  static constexpr Place first_place(const Layout& layout, const AtomValues& values) {
    Place out(layout.view().axes().size(), 0);
    for (std::size_t a = 0; a < values.size(); ++a)
      if (values[a] > 0) out[layout.atoms()[a].axis] += values[a] * layout.atoms()[a].divisor;
    return out;
  }

  /// The least number >= x of the pattern if `up`, else the greatest <= x; -1 where there is none.
  constexpr Index next(const AtomValues& values, Index x, bool up) const {
    if (x < 0 || x >= size_) return -1;
    Index prefix = 0, rest = x, out = -1;
    std::size_t turned = 0;  // digits from here on are free to be the smallest, or the largest
    bool member = true;
    for (std::size_t i = 0; i < digits_.size() && member; ++i) {
      const NumberDigit& digit = digits_[i];
      const Index mine = rest / digit.stride, fixed = digit.value(values);
      const Index other = fixed >= 0 ? fixed : up ? mine + 1 : mine - 1;
      if (up ? mine < other && other < digit.extent : 0 <= other && other < mine) {
        out = prefix + other * digit.stride;
        turned = i + 1;
      }
      member = fixed < 0 || fixed == mine;
      prefix += mine * digit.stride;
      rest -= mine * digit.stride;
    }
    if (member) return x;
    for (std::size_t i = turned; out >= 0 && i < digits_.size(); ++i) {
      const Index fixed = digits_[i].value(values);
      out += (fixed >= 0 ? fixed : up ? 0 : digits_[i].extent - 1) * digits_[i].stride;
    }
    return out;
  }

  /// Cuts an axis where the rank number or the layout does. What does not nest stays without digits.
  constexpr void add_digits(const Layout& layout, std::uint32_t axis) {
    InlineVector<Index, 8> bounds{1};
    const auto add = [&bounds](Index bound) {
      for (const Index known : bounds)
        if (known == bound) return;
      bounds.push_back(bound);
      for (std::size_t i = bounds.size() - 1; i > 0 && bounds[i] < bounds[i - 1]; --i)
        std::swap(bounds[i], bounds[i - 1]);
    };
    for (const View::Slot& slot : layout.view().slots())
      if (slot.axis == axis && slot.extent > 1) add(slot.weight), add(slot.weight * slot.extent);
    for (const Layout::Atom& atom : layout.atoms())
      if (atom.axis == axis) add(atom.divisor), add(atom.divisor * atom.extent);
    for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
      const Index low = bounds[i], high = bounds[i + 1];
      aligned_ = aligned_ && high % low == 0;
      NumberDigit digit{1, high / low, 0, 1};
      for (const View::Slot& slot : layout.view().slots())
        if (slot.axis == axis && slot.weight <= low && low < slot.weight * slot.extent)
          digit.stride = low / slot.weight * slot.stride;
      for (std::size_t a = 0; a < layout.atoms().size(); ++a)
        if (const Layout::Atom& atom = layout.atoms()[a];
            atom.axis == axis && atom.divisor <= low && low < atom.divisor * atom.extent) {
          digit.atom = a;
          digit.divisor = low / atom.divisor;
        }
      digits_.push_back(digit);
    }
  }

  constexpr void add_pins(const Layout& layout) {
    pins_.push_back(AtomValues(layout.atoms().size(), -1));
    for (std::size_t a = 0; a < layout.atoms().size(); ++a) {
      // A pinned axis is cut by nothing, so it is one atom.
      InlineVector<AtomValues, 1> all;
      for (const Layout::Pin pin : layout.pins()) {
        if (pin.axis != layout.atoms()[a].axis) continue;
        for (AtomValues values : pins_) {
          values[a] = pin.value;
          all.push_back(values);
        }
      }
      if (!all.empty()) pins_ = all;
    }
  }

  Index size_ = 1;
  bool aligned_ = true;
  InlineVector<NumberDigit, 8> digits_;  ///< largest stride first
  InlineVector<AtomValues, 1> pins_;
};

}  // namespace shardplan::detail
