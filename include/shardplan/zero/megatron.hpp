#pragma once
#include <algorithm>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include <shardplan/layout/flat.hpp>
#include <shardplan/model/parameter.hpp>
#include <shardplan/zero/data_ranks.hpp>
#include <shardplan/zero/detail/by_key.hpp>

/// Megatron's distributed optimizer: parameters behind one another in a buffer, the buffer in buckets, every bucket
/// divided over the data ranks (ZeRO sheet, 4.1).
namespace shardplan::zero {

/// What parameters have in common that share a buffer.
struct BufferKey {
  Dtype weights = Dtype::bfloat16;
  Dtype gradients = Dtype::float32;
  bool expert = false;  ///< divided over the expert-data ranks

  friend constexpr bool operator==(const BufferKey&, const BufferKey&) = default;
};
using BufferMembers = detail::Alike<BufferKey>;

/// Which parameters (trainable ones; by their numbers, in order) share a buffer. Buffers in the order of their first
/// parameter.
template <class Parameters>
std::vector<BufferMembers> megatron_buffers(const Parameters& parameters, bool gradients_in_float32) {
  return detail::by_key(parameters, [&](const ParameterLike auto& p) {
    return BufferKey{dtype(p), gradients_in_float32 ? Dtype::float32 : Dtype{dtype(p)}, Sharding(sharding(p)).expert};
  });
}

/// Elements a bucket should reach before the next begins; none: the whole buffer is one bucket.
///
/// data      data ranks of the buffer, context ranks counted
/// overlap   gradients are reduced while the backward pass runs
constexpr std::optional<Index> megatron_bucket_size(Index data, bool overlap, Index pipeline_rank = 0,
                                                    Index chunk = 0) {
  if (!overlap || pipeline_rank > 0 || chunk > 0) return std::nullopt;
  const Index by_ranks = checked_mul(1'000'000, data);
  return by_ranks > 40'000'000 ? by_ranks : 40'000'000;
}

struct MegatronOptions {
  std::optional<Index> bucket_size{};  ///< elements; none: one bucket
  bool pad_for_bus_bandwidth = false;  ///< pad_buckets_for_high_nccl_busbw: buckets in multiples of 2^16 elements
};

/// A parameter as far as its place in a buffer depends on it.
struct MegatronParameter {
  Index elements = 0;             ///< of the local tensor
  bool shared_embedding = false;  ///< has a bucket to itself, since another stage reduces it too
};

/// One buffer: a flat layout whose entries are the parameters, last one first.
///
/// Post     entries begin at multiples of 64 and lie in one bucket each; buckets follow each other without gaps and
///          divide by the ranks; the slices of all ranks tile every parameter
class MegatronBuffer {
 public:
  struct Bucket {
    Interval range;      ///< elements of the buffer
    Index unpadded = 0;  ///< elements before the padding at its end; gaps between parameters counted

    friend constexpr bool operator==(const Bucket&, const Bucket&) = default;
  };

  /// Errors SP-CORE-001; SP-LAYOUT-009, -011 a negative number of elements.
  MegatronBuffer(std::span<const MegatronParameter> parameters, const DataRanks& ranks,
                 const MegatronOptions& options = {})
      : ranks_(ranks.size()) {
    const Index unit = std::lcm(std::lcm(ranks_, Index{128}), options.pad_for_bus_bandwidth ? Index{1} << 16 : 1);
    std::vector<FlatEntry> entries;
    InlineVector<Index, 16> sizes;
    Index begin = 0, end = 0;
    bool open = false;
    const auto close = [&] {
      const Index padded = round_up(end, unit);
      buckets_.push_back({{begin, padded}, end - begin});
      sizes.push_back(padded - begin);
      begin = end = padded;
      open = false;
    };
    for (std::size_t i = parameters.size(); i-- > 0;) {
      const auto& [count, shared] = parameters[i];
      end = round_up(end, 64);
      if (shared && open) close();
      entries.push_back({static_cast<Index>(i), end, count});
      end = checked_add(end, count);
      open = true;
      if (shared || (options.bucket_size && end - begin >= *options.bucket_size)) close();
    }
    if (open) close();
    flat_ = {std::move(entries), Layout(ranks.view(), {end}).then(0, packed(sizes, ranks.split()))};
  }

  const FlatLayout& flat() const { return flat_; }
  const std::vector<Bucket>& buckets() const { return buckets_; }

  /// The bucket of an element of the buffer, in O(log buckets). Pre: the element exists.
  std::size_t bucket_of(Index element) const {
    const auto after = std::upper_bound(buckets_.begin(), buckets_.end(), element,
                                        [](Index at, const Bucket& bucket) { return at < bucket.range.begin; });
    return static_cast<std::size_t>(after - buckets_.begin()) - 1;
  }

  /// Where a slice begins in its rank's part of its bucket; `slice.local` counts through the parts of all buckets.
  Index local_in_bucket(const FlatSlice& slice) const {
    return slice.local - buckets_[bucket_of(slice.buffer)].range.begin / ranks_;
  }

 private:
  Index ranks_;
  std::vector<Bucket> buckets_;
  FlatLayout flat_;
};

}  // namespace shardplan::zero
