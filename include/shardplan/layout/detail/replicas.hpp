#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include <shardplan/layout/holders.hpp>

/// Which of many ranks that hold the same piece: answered by digits, without a look at each of them.
namespace shardplan {

/// Where ranks stand, as far as the way between two of them goes. Nodes hold neighbouring rank numbers.
struct Topology {
  Index ranks_per_node = 0;  ///< 0: not known
  Shape torus = {};          ///< of nodes (of ranks where nodes are not known), numbered row-major; empty: none

  /// Links between two ranks: steps on the torus between their nodes; without a torus 1 between any two nodes.
  constexpr Index hops(Rank a, Rank b) const {
    Index x = node(a), y = node(b), out = 0;
    if (torus.empty()) return ranks_per_node > 0 && x != y;
    for (std::size_t d = torus.size(); d-- > 0;) {
      const Index apart = x % torus[d] < y % torus[d] ? y % torus[d] - x % torus[d] : x % torus[d] - y % torus[d];
      out += smaller(apart, torus[d] - apart);
      x /= torus[d];
      y /= torus[d];
    }
    return out;
  }

  /// Whether `a` is a better source for `to` than `b`: fewer links, then the nearer rank number, then the lower one.
  constexpr bool nearer(Rank to, Rank a, Rank b) const {
    if (const Index x = hops(to, a), y = hops(to, b); x != y) return x < y;
    const Index x = a < to ? to.value - a.value : a.value - to.value;
    const Index y = b < to ? to.value - b.value : b.value - to.value;
    return x != y ? x < y : a < b;
  }

  /// Errors SP-MESH-001 a negative node size or an extent below 1; SP-MESH-009 a torus too small for `ranks` ranks.
  constexpr void check(Index ranks) const {
    if (ranks_per_node < 0) fail("SP-MESH-001", concat("nodes of ", ranks_per_node, " ranks"), "0 or more");
    Index nodes = 1;
    for (const Index extent : torus) {
      if (extent < 1) fail("SP-MESH-001", concat("a torus ", torus), "extents of at least 1");
      nodes = checked_mul(nodes, extent);
    }
    if (!torus.empty() && node(ranks - 1) >= nodes)
      fail("SP-MESH-009", concat("a torus ", torus, " of ", nodes, " nodes for rank ", ranks - 1),
           concat("at least ", node(ranks - 1) + 1, " nodes"));
  }
  friend constexpr bool operator==(const Topology&, const Topology&) = default;

 private:
  constexpr Index node(Rank rank) const { return ranks_per_node > 0 ? rank.value / ranks_per_node : rank.value; }
};

}  // namespace shardplan

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

  /// Calls sink(rank) for every rank whose atoms have these values.
  template <class Sink>
  static constexpr void for_each(const Layout& layout, const AtomValues& values, Sink&& sink) {
    InlineVector<bool, 8> free(values.size(), false);
    for (std::size_t a = 0; a < values.size(); ++a) free[a] = values[a] < 0;
    Place place = first_place(layout, values);
    do sink(layout.view().rank(place));
    while (advance(layout, free, place));
  }

  /// The nearest of the ranks whose atoms have these values, the lower one of two.
  /// O(digits) without a wire, else O(blocks of the wire), and never more than one step a replica; on a torus always
  /// that.
  constexpr Rank nearest(const Layout& layout, const AtomValues& values, Rank to, const Topology& topology = {}) const {
    const View& view = layout.view();
    const Wire& wire = view.wires();
    Nearest best{to, topology};
    const Index blocks = wire.node == 0 ? 1 : static_cast<Index>(wire.physical.size());
    // Nodes are intervals of ranks, so the nearest rank number on one side of `to` is also in the nearer node; what is
    // near on a torus can be anywhere.
    if (!aligned_ || !topology.torus.empty() || combinations(layout, values) <= blocks) {
      for_each(layout, values, [&best](Rank rank) { best.consider(rank); });
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
    const Topology& topology;
    Rank rank = -1;

    constexpr void consider(Rank other) {
      if (rank.value < 0 || topology.nearer(to, other, rank)) rank = other;
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
