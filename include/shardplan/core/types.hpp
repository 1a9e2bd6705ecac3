#pragma once
#include <compare>
#include <concepts>
#include <cstdint>

/// Integers with a meaning.
namespace shardplan {

/// Elements, bytes, extents, offsets: signed, 64 bits wide, never mixed with ranks or layers.
using Index = std::int64_t;

/// An integer that means one thing. A bare number converts in, nothing converts out but `value`,
/// so `plan.at(3)` reads well and a layer can never be passed where a rank is wanted.
template <class Tag>
struct Ordinal {
  Index value = 0;

  constexpr Ordinal() = default;
  constexpr Ordinal(std::integral auto number) : value(static_cast<Index>(number)) {}

  constexpr Ordinal& operator++() {
    ++value;
    return *this;
  }
  friend constexpr bool operator==(Ordinal, Ordinal) = default;
  friend constexpr auto operator<=>(Ordinal, Ordinal) = default;
};

using Rank = Ordinal<struct RankTag>;        ///< A process of the job, 0-based over the whole world.
using LayerId = Ordinal<struct LayerIdTag>;  ///< Global, 0-based number of a transformer layer.
using StageId = Ordinal<struct StageIdTag>;  ///< Global pipeline stage, 0-based: chunk * pipeline + pipeline rank.

}  // namespace shardplan
