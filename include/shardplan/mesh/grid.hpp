#pragma once
#include <array>
#include <utility>

#include <shardplan/mesh/view.hpp>

namespace shardplan {

/// Extent of a grid axis that is only known when the program runs.
inline constexpr Index dynamic_extent = -1;

/// An axis and its extent as a compile-time tag: `StaticExtent{tp, 8}`, `StaticExtent{dp, dynamic_extent}`.
struct StaticExtent {
  Axis axis;
  Index extent;
};

/// A row-major mesh whose axes are part of its type, as `std::extents` does it for arrays: outermost axis first, every
/// extent static or dynamic. Divisions by static extents become multiplications, and a fully static grid is a constant.
///
/// Post: agrees with view() in every query.
template <StaticExtent... Axes>
class Grid {
  static constexpr std::size_t count = sizeof...(Axes);
  static constexpr std::array<StaticExtent, count> declared{Axes...};
  static constexpr std::size_t dynamic_count = ((Axes.extent == dynamic_extent) + ... + 0);
  static consteval bool distinct() {
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (declared[i].axis == declared[j].axis) return false;
    return true;
  }
  static consteval bool countable() {
    Index ranks = 1;
    for (const StaticExtent axis : declared) {
      if (axis.extent == dynamic_extent) continue;
      if (axis.extent < 1 || ranks > View::max_ranks / axis.extent) return false;
      ranks *= axis.extent;
    }
    return true;
  }
  static_assert(distinct(), "name every axis of a grid once");
  static_assert(countable(), "extents of a grid are positive and make at most 2^31 ranks");

 public:
  using Coordinates = std::array<Index, count>;

  constexpr Grid() requires(dynamic_count == 0) = default;
  /// The dynamic extents, outermost first. Errors SP-MESH-001 an extent below 1, SP-MESH-009 over 2^31 ranks.
  template <std::integral... I>
  constexpr explicit Grid(I... extents) requires(sizeof...(I) == dynamic_count && dynamic_count > 0)
      : dynamic_{static_cast<Index>(extents)...} {
    for (const Index extent : dynamic_)
      if (extent < 1) fail("SP-MESH-001", concat("a grid axis has extent ", extent), "at least 1");
    Index ranks = 1;
    for (std::size_t i = 0, next = 0; i < count; ++i) {
      const Index extent = declared[i].extent == dynamic_extent ? dynamic_[next++] : declared[i].extent;
      if (extent > View::max_ranks / ranks) fail("SP-MESH-009", "a grid of over 2^31 ranks", "at most 2^31 ranks");
      ranks *= extent;
    }
  }

  template <Axis axis>
  constexpr Index extent() const {
    return extent_at<find(axis)>();
  }
  constexpr Index size() const { return stride_from<0>(); }

  /// The coordinates of a rank, in the order of the axes. Pre: 0 <= rank < size().
  constexpr Coordinates place(Rank rank) const {
    return [&]<std::size_t... i>(std::index_sequence<i...>) { return Coordinates{value<i>(rank)...}; }
    (std::make_index_sequence<count>{});
  }
  /// One coordinate; also the position of the rank in its group along that axis.
  template <Axis axis>
  constexpr Index coordinate(Rank rank) const {
    return value<find(axis)>(rank);
  }
  constexpr Rank rank(const Coordinates& place) const {
    return [&]<std::size_t... i>(std::index_sequence<i...>) {
      return Rank{((place[i] * stride_from<i + 1>()) + ... + 0)};
    }
    (std::make_index_sequence<count>{});
  }

  /// The same mesh as a value; groups, layouts and plans take it from here.
  constexpr View view() const {
    InlineVector<ViewDigit, 8> digits;
    [&]<std::size_t... i>(std::index_sequence<i...>) { (digits.push_back({declared[i].axis, extent_at<i>()}), ...); }
    (std::make_index_sequence<count>{});
    return View(digits);
  }

 private:
  static consteval std::size_t find(Axis axis) {
    for (std::size_t i = 0; i < count; ++i)
      if (declared[i].axis == axis) return i;
    throw "the grid has no such axis";
  }
  template <std::size_t i>
  constexpr Index extent_at() const {
    if constexpr (declared[i].extent != dynamic_extent) {
      return declared[i].extent;
    } else {
      std::size_t before = 0;
      for (std::size_t j = 0; j < i; ++j) before += declared[j].extent == dynamic_extent;
      return dynamic_[before];
    }
  }
  /// Ranks between two neighbours of axis i - 1: the product of the extents from axis i inwards.
  template <std::size_t i>
  constexpr Index stride_from() const {
    if constexpr (i == count) {
      return 1;
    } else {
      return extent_at<i>() * stride_from<i + 1>();
    }
  }
  template <std::size_t i>
  constexpr Index value(Rank rank) const {
    // Unsigned 32-bit division: world sizes fit, and it is the cheap one.
    return static_cast<std::uint32_t>(rank.value) / static_cast<std::uint32_t>(stride_from<i + 1>()) %
           static_cast<std::uint32_t>(extent_at<i>());
  }

  std::array<Index, dynamic_count> dynamic_{};
};

}  // namespace shardplan
