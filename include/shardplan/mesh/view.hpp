#pragma once
#include <optional>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/inline_vector.hpp>
#include <shardplan/mesh/axis.hpp>

/// One factorisation of the world into axes (layout-algebra sheet, 1 and 6).
namespace shardplan {

/// One coordinate per axis of a view, in the order of `View::axes()`. Layouts read places, never ranks.
using Place = InlineVector<Index, 6>;

/// A permutation of equal blocks inside every node of `node` ranks: the logical block b stands at `physical[b]`.
/// node 0 leaves every rank where it is; one node as large as the world with blocks of one rank is any rank list at
/// all.
struct Wire {
  Index node = 0;
  Index block = 1;                  ///< ranks of a block
  InlineVector<Index, 4> physical;  ///< position of each logical block
  InlineVector<Index, 4> logical;   ///< the inverse

  constexpr Index to_physical(Index number) const { return node == 0 ? number : move(number, physical); }
  constexpr Index to_logical(Index number) const { return node == 0 ? number : move(number, logical); }
  friend constexpr bool operator==(const Wire&, const Wire&) = default;

 private:
  constexpr Index move(Index number, const InlineVector<Index, 4>& table) const {
    const Index inside = number % node;
    return number - inside + table[static_cast<std::size_t>(inside / block)] * block + inside % block;
  }
};

/// The wire that puts logical block b of every node at `physical[b]`. Errors SP-MESH-004 unless `physical` is a
/// permutation.
constexpr Wire wire(Index node, const InlineVector<Index, 4>& physical) {
  const auto blocks = static_cast<Index>(physical.size());
  Wire out{node, 1, physical, InlineVector<Index, 4>(physical.size(), -1)};
  bool valid = blocks > 0 && node > 0 && node % blocks == 0;
  for (Index b = 0; valid && b < blocks; ++b) {
    const Index at = physical[static_cast<std::size_t>(b)];
    valid = 0 <= at && at < blocks && out.logical[static_cast<std::size_t>(at)] < 0;
    if (valid) out.logical[static_cast<std::size_t>(at)] = b;
  }
  if (!valid)
    fail("SP-MESH-004", concat("the wire of a node of ", node, " is not a permutation of ", blocks, " blocks"));
  out.block = node / blocks;
  return out;
}

/// One digit of a view's rank number. An axis with several digits lists them anywhere; `weight` is what one step of
/// the digit adds to the axis' coordinate (0: the product of the axis' digits that stand further inside).
struct ViewDigit {
  Axis axis;
  Index extent = 1;
  Index weight = 0;
};

/// Ranks as mixed-radix numbers: digits outer to inner, an offset, a wire.
///
/// rank = offset + wire(sum of digit * stride); both directions are O(digits), whatever the number of ranks.
/// Post: rank(place(r)) = r for every rank r of the view.
class View {
 public:
  struct Extent {
    Axis axis;
    Index size = 1;
    friend constexpr bool operator==(const Extent&, const Extent&) = default;
  };
  /// A digit as the view evaluates it.
  struct Slot {
    std::size_t axis = 0;  ///< position in axes()
    Index extent = 1;
    Index weight = 1;  ///< in the coordinate of the axis
    Index stride = 1;  ///< in the rank number
    friend constexpr bool operator==(const Slot&, const Slot&) = default;
  };

  /// World sizes fit 32 bits: that is what makes their divisions a matter of nanoseconds.
  static constexpr Index max_ranks = Index{1} << 31;

  constexpr View() = default;

  /// Row-major over the digits: the last varies fastest. Errors SP-MESH-001 extent < 1, SP-MESH-004 digits that do not
  /// build up their axis, or a wire whose nodes do not fill the view.
  constexpr explicit View(const InlineVector<ViewDigit, 8>& digits, Wire wires = {}, Index offset = 0)
      : offset_(offset), wire_(std::move(wires)) {
    for (const ViewDigit& digit : digits) {
      if (digit.extent < 1)
        fail("SP-MESH-001", concat("axis ", digit.axis.name(), " has extent ", digit.extent), "at least 1");
      std::size_t at = 0;
      while (at < axes_.size() && axes_[at].axis != digit.axis) ++at;
      if (at == axes_.size()) axes_.push_back({digit.axis, 1});
      axes_[at].size = checked_mul(axes_[at].size, digit.extent);
      slots_.push_back({at, digit.extent, digit.weight, 1});
    }
    for (std::size_t i = slots_.size(); i-- > 0;) {
      slots_[i].stride = size_;
      size_ = checked_mul(size_, slots_[i].extent);
      if (slots_[i].weight == 0) {
        slots_[i].weight = 1;
        for (std::size_t inner = i + 1; inner < slots_.size(); ++inner)
          if (slots_[inner].axis == slots_[i].axis) slots_[i].weight *= slots_[inner].extent;
      }
    }
    check();
  }

  constexpr Index size() const { return size_; }
  constexpr Index offset() const { return offset_; }
  constexpr const Wire& wires() const { return wire_; }
  constexpr const InlineVector<Extent, 6>& axes() const { return axes_; }
  constexpr const InlineVector<Slot, 8>& slots() const { return slots_; }

  constexpr bool contains(Rank rank) const { return offset_ <= rank.value && rank.value < offset_ + size_; }

  /// Position of an axis in axes() and in a place, if the view has it.
  constexpr std::optional<std::size_t> find(Axis axis) const {
    for (std::size_t i = 0; i < axes_.size(); ++i)
      if (axes_[i].axis == axis) return i;
    return std::nullopt;
  }
  /// The same for an axis that must be there. Errors SP-MESH-007.
  constexpr std::size_t at(Axis axis) const {
    if (const auto found = find(axis)) return *found;
    std::string known;
    for (const Extent& extent : axes_) known += concat(known.empty() ? "" : ", ", extent.axis.name());
    fail("SP-MESH-007", concat("the mesh has no axis '", axis.name(), "'"), known);
  }
  /// Number of coordinates along an axis; 1 for an axis the view does not have.
  constexpr Index extent(Axis axis) const {
    const auto found = find(axis);
    return found ? axes_[*found].size : 1;
  }

  /// The coordinates of a rank. Pre: contains(rank).
  constexpr Place place(Rank rank) const {
    Place out(axes_.size(), 0);
    auto number = static_cast<std::uint32_t>(wire_.to_logical(rank.value - offset_));
    for (const Slot& slot : slots_) {
      const auto stride = static_cast<std::uint32_t>(slot.stride);
      const std::uint32_t value = number / stride;
      number -= value * stride;
      out[slot.axis] += slot.weight * value;
    }
    return out;
  }

  /// The rank at a place. Pre: one coordinate inside the extent of every axis.
  constexpr Rank rank(const Place& place) const { return offset_ + wire_.to_physical(number(place)); }

  /// One coordinate of a rank. Pre: contains(rank). Errors SP-MESH-007.
  constexpr Index coordinate(Rank rank, Axis axis) const { return place(rank)[at(axis)]; }

  /// The rank number before wire and offset; groups add their members to it.
  constexpr Index number(const Place& place) const {
    Index out = 0;
    for (const Slot& slot : slots_) {
      auto value = static_cast<std::uint32_t>(place[slot.axis]);
      // The only digit of an axis is its coordinate: the usual case, without a division.
      if (slot.extent != axes_[slot.axis].size)
        value = value / static_cast<std::uint32_t>(slot.weight) % static_cast<std::uint32_t>(slot.extent);
      out += static_cast<Index>(value) * slot.stride;
    }
    return out;
  }

  /// Whether refine() can cut an axis into blocks of `inner_extent`: no digit of it straddles the cut.
  /// Errors SP-MESH-007.
  constexpr bool can_refine(Axis whole, Index inner_extent) const {
    const std::size_t axis = at(whole);
    if (inner_extent < 1 || axes_[axis].size % inner_extent != 0) return false;
    for (const Slot& slot : slots_) {
      const Index low = slot.weight, high = slot.weight * slot.extent;
      if (slot.axis != axis) continue;
      if (low >= inner_extent ? low % inner_extent != 0
                              : inner_extent % low != 0 || (inner_extent % high != 0 && high % inner_extent != 0))
        return false;
    }
    return true;
  }

  /// The same ranks with axis `whole` told apart into two: coordinate = outer * inner_extent + inner.
  /// Errors SP-MESH-007, SP-MESH-008 unless can_refine().
  constexpr View refine(Axis whole, Axis outer, Axis inner, Index inner_extent) const {
    const std::size_t axis = at(whole);
    if (!can_refine(whole, inner_extent))
      fail("SP-MESH-008",
           concat("axis ", whole.name(), " of size ", axes_[axis].size, " cannot be cut into blocks of ", inner_extent),
           concat("a divisor of ", axes_[axis].size));
    InlineVector<ViewDigit, 8> digits;
    for (const Slot& slot : slots_) {
      if (slot.axis != axis) {
        digits.push_back({axes_[slot.axis].axis, slot.extent, slot.weight});
        continue;
      }
      const Index low = slot.weight, high = slot.weight * slot.extent;
      const Index below = low >= inner_extent ? 1 : high <= inner_extent ? slot.extent : inner_extent / low;
      digits.push_back({outer, slot.extent / below, low >= inner_extent ? low / inner_extent : 1});
      digits.push_back({inner, below, low >= inner_extent ? 1 : low});
    }
    return View(digits, wire_, offset_);
  }

  friend constexpr bool operator==(const View&, const View&) = default;

 private:
  constexpr void check() const {
    if (size_ > max_ranks) fail("SP-MESH-009", concat("a view of ", size_, " ranks"), "at most 2^31 ranks");
    if (wire_.node != 0 && size_ % wire_.node != 0)
      fail("SP-MESH-004", concat("nodes of ", wire_.node, " ranks do not fill a view of ", size_));
    for (std::size_t axis = 0; axis < axes_.size(); ++axis) {
      // The weights of an axis' digits, ascending, must be 1, e1, e1*e2, ...: then every coordinate occurs once.
      Index reached = 1;
      for (bool grown = true; grown && reached < axes_[axis].size;) {
        grown = false;
        for (const Slot& slot : slots_) {
          if (slot.axis != axis || slot.weight != reached || slot.extent == 1) continue;
          reached *= slot.extent;
          grown = true;
          break;
        }
      }
      if (reached != axes_[axis].size)
        fail("SP-MESH-004",
             concat("the digits of axis ", axes_[axis].axis.name(), " do not count from 0 to ", axes_[axis].size - 1));
    }
  }

  InlineVector<Extent, 6> axes_;
  InlineVector<Slot, 8> slots_;
  Index size_ = 1;
  Index offset_ = 0;
  Wire wire_;
};

}  // namespace shardplan
