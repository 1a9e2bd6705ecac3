#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/mesh/group.hpp>

/// What a data rank reads in a step: numbers of samples, computed when asked for.
namespace shardplan::data {

/// What stands in a sample's place where there is none.
enum class Padding : std::uint8_t {
  last_sample,  ///< -1 always: the last sample, with a loss that counts nothing
  numbered,     ///< -1, -2, ... over all ranks
  repeated,     ///< the samples from the first one on again
};

/// Positions `first`, `first + stride`, ... of an epoch, and the samples there. Refers to the order of its sampler.
class Samples {
 public:
  constexpr Samples() = default;
  /// end: position from which on there is nothing but padding. order, base: what is read at a position is sample
  /// base + order[position]; without an order, the sample of that number.
  constexpr Samples(Index first, Index stride, Index size, Index end, Padding padding = Padding::last_sample,
                    std::span<const std::uint32_t> order = {}, Index base = 0)
      : order_(order), base_(base), first_(first), stride_(stride), size_(size), end_(end), padding_(padding) {}

  constexpr std::size_t size() const { return static_cast<std::size_t>(size_); }
  constexpr bool empty() const { return size_ == 0; }
  /// The k-th sample, below 0 where it is padding. Pre: k < size().
  constexpr Index operator[](std::size_t k) const {
    Index position = first_ + stride_ * static_cast<Index>(k);
    if (position >= end_) {
      if (padding_ != Padding::repeated) return padding_ == Padding::numbered ? end_ - 1 - position : -1;
      position %= end_;
    }
    return order_.empty() ? position : base_ + Index{order_[static_cast<std::size_t>(position)]};
  }
  constexpr auto begin() const { return IndexIterator<Samples, Index>(*this, 0); }
  constexpr auto end() const { return IndexIterator<Samples, Index>(*this, size()); }

  /// Those of one micro-batch. Pre: micro_batch > 0.
  constexpr Samples micro_batch(Index number, Index micro_batch) const {
    Samples out = *this;
    const Index from = smaller(number * micro_batch, size_);
    out.first_ += stride_ * from;
    out.size_ = smaller(micro_batch, size_ - from);
    return out;
  }

 private:
  std::span<const std::uint32_t> order_{};
  Index base_ = 0;
  Index first_ = 0, stride_ = 1, size_ = 0, end_ = 0;
  Padding padding_ = Padding::last_sample;
};

}  // namespace shardplan::data
