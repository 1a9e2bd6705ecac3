#pragma once
#include <shardplan/data/batches.hpp>
#include <shardplan/data/samples.hpp>
#include <shardplan/data/shuffle.hpp>

/// torch's DistributedSampler behind a DataLoader, which NxDT uses for Hugging Face and alignment data (configuration
/// sheet, 9.1 and 9.5). It knows nothing of consumed samples: a resumed run starts at the first one again.
namespace shardplan::data {

/// A data set handed out by torch.
struct DistributedBatches {
  Index samples = 0;
  Index data_ranks = 1;
  Index global_batch = 1;  ///< a rank's batch is this over the data ranks, cut off
  bool shuffle = false;    ///< NxDT: alignment data only
  Index seed = 0;
  Index epoch = 0;
  bool drop_last = true;  ///< samples that do not fill all ranks, else the first ones are read again in their place
};

/// One epoch. O(samples) to make where it is shuffled, else O(1).
class DistributedSampler {
 public:
  /// Errors   SP-DATA-001 counts below 1, or a global batch below one sample a rank; SP-DATA-005
  explicit DistributedSampler(const DistributedBatches& batches) : batches_(batches) {
    const Index ranks = batches.data_ranks;
    check_sizes({.samples = batches.samples, .global_batch = batches.global_batch, .data_ranks = ranks});
    batch_ = batches.global_batch / ranks;
    if (batch_ == 0)
      fail("SP-DATA-001", concat("a global batch of ", batches.global_batch, " on ", ranks, " data ranks"),
           concat("at least ", ranks), {"global_batch", "data_ranks"});
    share_ = batches.drop_last ? batches.samples / ranks : ceil_div(batches.samples, ranks);
    if (batches.shuffle)
      order_ = torch_randperm(static_cast<std::size_t>(batches.samples),
                              static_cast<std::uint64_t>(batches.seed) + static_cast<std::uint64_t>(batches.epoch));
  }

  const DistributedBatches& batches() const { return batches_; }
  /// The loader drops what does not fill a batch.
  Index steps() const { return share_ / batch_; }
  /// What a data rank reads in a step. O(1). Refers to this sampler.
  /// Errors   SP-DATA-001 no such rank; SP-DATA-003 no such step
  Samples samples(Index rank, Index step) const& {
    check_data_rank(rank, batches_.data_ranks);
    if (step < 0 || step >= steps())
      fail("SP-DATA-003", concat("step ", step, " of ", steps()), "a step of this pass", {"step"});
    const Index first = rank + step * batch_ * batches_.data_ranks;
    return {first, batches_.data_ranks, batch_, batches_.samples, Padding::repeated, order_};
  }
  Samples samples(Index, Index) const&& = delete;  // the samples refer to the sampler: keep it

 private:
  DistributedBatches batches_;
  Index batch_ = 1;
  Index share_ = 0;
  Permutation order_;
};

}  // namespace shardplan::data
