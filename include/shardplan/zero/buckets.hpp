#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/dtype.hpp>
#include <shardplan/zero/bucket_caps.hpp>
#include <shardplan/zero/detail/by_key.hpp>

/// Which tensors go into one collective call. Buckets join calls only: no bucket changes where an element sits.
namespace shardplan::zero {

/// Tensors of each call by their numbers, calls in the order in which they are made.
using Buckets = std::vector<std::vector<Index>>;

/// How torch_xla joins the reduce-scatters or all-gathers of a step: in order, up to `cap` bytes. A tensor over the cap
/// still joins a bucket less than half full, if both stay within twice the cap.
///
/// Pre      0 <= bytes, 0 < cap
/// Errors   SP-CORE-001
/// Post     buckets read one after the other give 0, 1, ...; none is empty
/// Source   ZeRO sheet, 3.3
inline Buckets coalesced(std::span<const Index> bytes, Index cap) {
  Buckets out;
  bool open = false;
  Index filled = 0;
  for (Index number = 0; const Index size : bytes) {
    const Index together = checked_add(filled, size);
    const bool oversized = size > cap && filled < cap - filled && together - cap <= cap;
    if (!open || (together > cap && !oversized)) {
      out.emplace_back();
      filled = 0;
    }
    out.back().push_back(number++);
    filled += size;
    open = !oversized;
    if (oversized) filled = 0;
  }
  return out;
}

/// A gradient as far as buckets depend on it.
struct Gradient {
  Index bytes = 0;
  Dtype dtype = Dtype::float32;
};

/// How NxD joins the all-reduces of a step without ZeRO-1: one type after the other, last gradient first (the first
/// that a backward pass has ready), up to `cap` bytes; a gradient over the cap goes alone.
///
/// cap      in bytes; ALLREDUCE_BUCKET_CAP_MB where that is set
/// Pre      0 <= bytes, 0 < cap
/// Errors   SP-CORE-001
/// Post     every gradient is in one bucket; a bucket holds one type, and at most `cap` bytes or one gradient
/// Source   ZeRO sheet, 3.7
inline Buckets all_reduced(std::span<const Gradient> gradients, Index cap = 512 * mebibyte) {
  Buckets out;
  for (auto& alike : detail::by_key(gradients, [](const Gradient& one) { return one.dtype; })) {
    bool open = false;
    Index filled = 0;
    for (std::size_t i = alike.members.size(); i-- > 0;) {
      const Index number = alike.members[i], size = gradients[static_cast<std::size_t>(number)].bytes;
      const Index together = checked_add(filled, size);
      if (!open || together > cap) out.emplace_back();
      filled = open && together <= cap ? together : size;
      out.back().push_back(number);
      open = size <= cap;
      if (!open) filled = 0;
    }
  }
  return out;
}

}  // namespace shardplan::zero
