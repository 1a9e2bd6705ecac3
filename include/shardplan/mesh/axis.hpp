#pragma once
#include <cstddef>
#include <string_view>

#include <shardplan/core/types.hpp>

namespace shardplan {

/// A named direction of a mesh: "tp", "dp_shard", "x". A value, so it serves as a compile-time tag as well.
struct Axis {
  char letters[16]{};  ///< at most 15 letters

  constexpr Axis() = default;
  constexpr explicit Axis(std::string_view text) {
    for (std::size_t i = 0; i < text.size() && i + 1 < sizeof letters; ++i) letters[i] = text[i];
  }
  constexpr std::string_view name() const {
    std::size_t length = 0;
    while (letters[length] != '\0') ++length;
    return {letters, length};
  }
  friend constexpr bool operator==(const Axis&, const Axis&) = default;
};

inline constexpr Axis tp{"tp"};    ///< tensor parallel
inline constexpr Axis cp{"cp"};    ///< context parallel
inline constexpr Axis dp{"dp"};    ///< data parallel
inline constexpr Axis pp{"pp"};    ///< pipeline parallel
inline constexpr Axis ep{"ep"};    ///< expert parallel
inline constexpr Axis edp{"edp"};  ///< data parallel among holders of the same experts

/// Part of an axis: value = coordinate / divisor mod extent. Both are resolved against a view when 0: extent 0 is the
/// whole axis, divisor 0 the outermost part.
struct Digit {
  Axis axis;
  Index divisor = 1;
  Index extent = 0;

  constexpr Digit() = default;
  constexpr Digit(Axis whole) : axis(whole) {}
  constexpr Digit(Axis of, Index divided_by, Index of_extent) : axis(of), divisor(divided_by), extent(of_extent) {}
  friend constexpr bool operator==(const Digit&, const Digit&) = default;
};

/// The `extent` neighbours that vary fastest: inner(tp, 8) of tp 32 is coordinate mod 8.
constexpr Digit inner(Axis axis, Index extent) { return {axis, 1, extent}; }
/// The `extent` equal blocks of neighbours: outer(tp, 4) of tp 32 is coordinate / 8.
constexpr Digit outer(Axis axis, Index extent) { return {axis, 0, extent}; }

}  // namespace shardplan
