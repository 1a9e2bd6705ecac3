#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include <shardplan/mesh/view.hpp>

/// Whether two rank orders put every rank at the same place (rank-orders sheet, section 15: the orders of ten systems).
namespace shardplan {

/// An axis that two views name differently: "data" of DeepSpeed is "dp" of Megatron-Core.
struct SameAxis {
  Axis a;
  Axis b;
  friend constexpr bool operator==(const SameAxis&, const SameAxis&) = default;
};
using Renaming = InlineVector<SameAxis, 4>;

/// Where two orders part: the rank, and where each of them puts it, in the order of its own axes().
struct OrderDifference {
  Rank rank;
  Place a;
  Place b;
  friend constexpr bool operator==(const OrderDifference&, const OrderDifference&) = default;
};

namespace detail {

/// The digits of a view from the fastest out, none of extent 1, neighbours that count on in one axis as one digit.
/// Two views of the same axes without wires have the same places exactly when these are equal: the smallest step names
/// axis and weight, and the first number at which that step no longer goes on is the extent.
using DigitChain = InlineVector<View::Slot, 8>;
constexpr DigitChain digit_chain(const View& view) {
  DigitChain out;
  for (std::size_t i = view.slots().size(); i-- > 0;) {
    const View::Slot& slot = view.slots()[i];
    if (slot.extent == 1) continue;
    if (!out.empty() && out.back().axis == slot.axis && out.back().weight * out.back().extent == slot.weight)
      out.back().extent *= slot.extent;
    else
      out.push_back(slot);
  }
  return out;
}

/// A wire that moves no rank is none.
constexpr bool moves_ranks(const Wire& wire) {
  if (wire.node == 0) return false;
  for (std::size_t i = 0; i < wire.physical.size(); ++i)
    if (wire.physical[i] != static_cast<Index>(i)) return true;
  return false;
}

/// For every axis of `a` its position in `b`; nothing for one of extent 1 that `b` does not have.
using AxisMatch = InlineVector<std::optional<std::size_t>, 6>;
constexpr AxisMatch match_axes(const View& a, const View& b, const Renaming& names) {
  const auto list = [](const View& view) {
    std::string out;
    for (const View::Extent& one : view.axes()) out += concat(out.empty() ? "" : ", ", one.axis.name(), ' ', one.size);
    return out;
  };
  if (a.size() != b.size() || a.offset() != b.offset())
    fail("SP-MESH-015",
         concat("one order has ranks ", a.offset(), " to ", a.offset() + a.size() - 1, ", the other ", b.offset(),
                " to ", b.offset() + b.size() - 1),
         "orders of the same ranks", {"world"});
  for (const SameAxis& name : names)
    if (!a.find(name.a) || !b.find(name.b))
      fail("SP-MESH-015",
           concat("axis ", name.a.name(), " is to be ", name.b.name(), ", but ",
                  a.find(name.a) ? "the second" : "the first", " order has no such axis"),
           concat("axes of the first: ", list(a), "; of the second: ", list(b)), {"renaming"});
  AxisMatch out;
  InlineVector<bool, 6> taken(b.axes().size(), false);
  for (const View::Extent& one : a.axes()) {
    Axis wanted = one.axis;
    for (const SameAxis& name : names)
      if (name.a == one.axis) wanted = name.b;
    const auto at = b.find(wanted);
    out.push_back(at);
    if (at && std::exchange(taken[*at], true))
      fail("SP-MESH-015", concat("two axes of the first order are ", wanted.name(), " of the second"),
           "one axis for one axis", {"renaming"});
    if (b.extent(wanted) != one.size)
      fail("SP-MESH-015",
           concat("axis ", one.axis.name(), " of size ", one.size, " is ", wanted.name(), " of size ", b.extent(wanted),
                  " in the other order"),
           concat("axes of the first: ", list(a), "; of the second: ", list(b)), {"sizes"});
  }
  for (std::size_t i = 0; i < taken.size(); ++i)
    if (!taken[i] && b.axes()[i].size > 1)
      fail("SP-MESH-015",
           concat("the first order has no axis ", b.axes()[i].axis.name(), " of size ", b.axes()[i].size),
           concat("axes of the first: ", list(a), "; of the second: ", list(b)), {"sizes"});
  return out;
}

/// The first number at which two digit chains over as many ranks differ, if they do.
constexpr std::optional<Index> first_difference(const DigitChain& a, const DigitChain& b, const AxisMatch& match) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (match[a[i].axis] != b[i].axis || a[i].weight != b[i].weight) return a[i].stride;
    // Up to the end of the shorter digit both count alike; there one of them carries into another axis.
    if (a[i].extent != b[i].extent) return a[i].stride * smaller(a[i].extent, b[i].extent);
  }
  return std::nullopt;
}

}  // namespace detail

/// Nothing where both views put every rank at the same coordinates of the same axes; else the first rank that they put
/// at different ones. Axes of extent 1 do not matter. `names` lists the axes of `a` that are called otherwise in `b`.
///
/// Proven on the digits, whatever the number of ranks, unless the views have different wires: then the ranks are
/// walked. Post: same_order(b, a) with the names turned round says the same. Errors SP-MESH-015 unless both have the
/// same ranks, and axes of the same names and sizes.
constexpr std::optional<OrderDifference> same_order(const View& a, const View& b, const Renaming& names = {}) {
  const detail::AxisMatch match = detail::match_axes(a, b, names);
  const auto at = [&](Index number) {
    const Rank rank = a.offset() + number;
    return OrderDifference{rank, a.place(rank), b.place(rank)};
  };
  const bool wired = detail::moves_ranks(a.wires()) || detail::moves_ranks(b.wires());
  const auto found = detail::first_difference(detail::digit_chain(a), detail::digit_chain(b), match);
  if (!wired) return found ? std::optional(at(*found)) : std::nullopt;
  if (!found && a.wires() == b.wires()) return std::nullopt;  // the same number at every rank
  for (Index number = 0; number < a.size(); ++number) {
    OrderDifference here = at(number);
    for (std::size_t axis = 0; axis < match.size(); ++axis)
      if (match[axis] && here.a[axis] != here.b[*match[axis]]) return here;
  }
  return std::nullopt;
}

}  // namespace shardplan
