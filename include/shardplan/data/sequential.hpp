#pragma once
#include <shardplan/data/batches.hpp>
#include <shardplan/data/samples.hpp>

/// Samples in the order of the data set (configuration sheet, 9.2 and 9.4): any step of any rank by arithmetic.
namespace shardplan::data {

/// Blocks of consecutive samples, each dealt out to the data ranks; one block is one batch of every rank.
class SequentialSampler {
 public:
  const Batches& batches() const { return batches_; }

  /// Batches that a rank gets in a pass over the sampler; the first is number 0. Later passes begin where the first
  /// did, NNM's at the beginning of the data.
  constexpr Index steps(Index pass = 0) const {
    const Index left = remaining(pass);
    return batches_.drop_last ? left / block_ : ceil_div(padded(left), block_);
  }

  /// What a data rank reads in a step. O(1). Empty where the last, incomplete block has nothing for the rank.
  /// Errors   SP-DATA-001 no such rank; SP-DATA-003 no such step
  constexpr Samples samples(Index rank, Index step, Index pass = 0) const {
    check_data_rank(rank, batches_.data_ranks);
    if (step < 0 || step >= steps(pass))
      fail("SP-DATA-003", concat("step ", step, " of ", steps(pass)), "a step of this pass", {"step"});
    const Index begin = start(pass) + step * block_, first = begin + rank * next_rank_;
    const Index whole = block_ / batches_.data_ranks;
    if (batches_.pad && !batches_.drop_last) return {first, stride_, whole, batches_.samples, padding_};
    const Index left = larger(0, batches_.samples - first);
    return {first, stride_, smaller(whole, ceil_div(left, stride_)), batches_.samples};
  }

  /// What the original says of its length. Below 0 it fails there.
  constexpr Index reported_length() const {
    const Index left = batches_.variant == Variant::nnm ? batches_.samples : batches_.samples - batches_.consumed;
    if (block_ == batches_.global_batch) return floor_div(batches_.drop_last ? left : left + block_ - 1, block_);
    if (!counts_global_batches_) return floor_div(left - 1, block_) + 1;
    const Index steps = floor_div(batches_.drop_last ? left : left + batches_.global_batch - 1, batches_.global_batch);
    return steps * (batches_.global_batch / block_);
  }

  friend SequentialSampler sequential_batches(const Batches& batches);
  friend SequentialSampler sequential_micro_batches(const Batches& batches, bool knows_global_batch);

 private:
  constexpr SequentialSampler(const Batches& batches, Index block, Index stride, Index next_rank, Padding padding)
      : batches_(batches), block_(block), stride_(stride), next_rank_(next_rank), padding_(padding) {
    check_sizes(batches_);
    if (batches_.variant == Variant::nemo_1_14 && batches_.consumed >= batches_.samples)
      fail("SP-DATA-003",
           concat(batches_.consumed, " samples are consumed of ", batches_.samples, ", which NeMo 1.14 refuses"),
           concat("below ", batches_.samples), {"consumed", "samples"});
  }

  static constexpr Index floor_div(Index a, Index b) { return a / b - (a % b < 0 ? 1 : 0); }

  constexpr Index start(Index pass) const {
    if (batches_.variant != Variant::nnm) return batches_.consumed;
    return pass == 0 ? batches_.consumed % batches_.samples : 0;
  }
  constexpr Index remaining(Index pass) const { return larger(0, batches_.samples - start(pass)); }
  constexpr Index padded(Index samples) const {
    return batches_.pad ? ceil_div(samples, batches_.global_batch) * batches_.global_batch : samples;
  }

  Batches batches_;
  Index block_;      ///< samples of a batch, all data ranks together
  Index stride_;     ///< between samples of a rank
  Index next_rank_;  ///< between the first samples of neighbours
  Padding padding_;
  bool counts_global_batches_ = false;
};

/// MegatronPretrainingBatchSampler, which NxDT's `dataloader_type: single` uses: a batch is a rank's share of a step,
/// every data_ranks-th sample of it.
///
/// Errors   SP-DATA-001, -002; SP-DATA-003 consumed is below 0, or at the end with NeMo 1.14
/// Source   configuration sheet, 9.2
/// Example  40 samples, 16 consumed, micro batch 2, global batch 8, 2 data ranks: rank 0 reads 16 18 20 22 first
inline SequentialSampler sequential_batches(const Batches& batches) {
  check_sizes(batches);
  check_global_batch(batches);
  return {batches, batches.global_batch, batches.data_ranks, 1, Padding::last_sample};
}

/// MegatronPretrainingSampler, NeMo's own: a batch is a micro-batch of consecutive samples. `knows_global_batch` only
/// changes the length that it reports; padding needs it.
///
/// Errors   SP-DATA-001, -003; SP-DATA-002 a global batch that is used and no multiple
/// Source   configuration sheet, 9.4
inline SequentialSampler sequential_micro_batches(const Batches& batches, bool knows_global_batch = false) {
  check_sizes(batches);
  if (knows_global_batch || batches.pad) check_global_batch(batches);
  SequentialSampler out{batches, batches.pass(), 1, batches.micro_batch, Padding::numbered};
  out.counts_global_batches_ = knows_global_batch;
  return out;
}

}  // namespace shardplan::data
