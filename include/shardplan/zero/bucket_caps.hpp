#pragma once
#include <optional>

#include <shardplan/zero/detail/no_ranks.hpp>

/// How large the collectives of a step may be.
namespace shardplan::zero {

/// The unit of bucket caps.
inline constexpr Index mebibyte = Index{1} << 20;

/// Caps in units of 2^20 bytes.
struct BucketCaps {
  Index all_gather = 0;
  Index reduce_scatter = 0;

  friend constexpr bool operator==(const BucketCaps&, const BucketCaps&) = default;
};

/// The caps that NxD hands to the ZeRO-1 optimizer from torch 2.2 on (ZeRO sheet, 3.3).
///
/// data             data-parallel ranks, context ranks not counted
/// full_precision   master weights, and XLA_DOWNCAST_BF16 is 0: what is reduced is twice as wide
/// given            ALL_GATHER_REDUCE_SCATTER_BUCKET_CAP_MB
/// Errors           SP-ZERO-002
constexpr BucketCaps bucket_caps(Index data, bool full_precision, std::optional<Index> given = {}) {
  if (data < 1) throw Error(detail::no_ranks(data));
  const Index cap = given.value_or(full_precision ? 65 : 130);
  return {cap / data > 0 ? cap / data : 1, cap};
}

}  // namespace shardplan::zero
