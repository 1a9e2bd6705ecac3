#pragma once
#include <optional>

#include <shardplan/data/batches.hpp>
#include <shardplan/data/samples.hpp>
#include <shardplan/data/shuffle.hpp>

/// Samples in shuffled order (configuration sheet, 9.3 and 9.4): every data rank has a part of the data set to itself,
/// and all go through theirs in the same order.
namespace shardplan::data {

/// A pass over the data: the rest of the epoch in which a run is taken up. O(samples of a rank) to make, then any step
/// of any rank at the cost of its batch.
class RandomSampler {
 public:
  const Batches& batches() const { return batches_; }
  Index epoch() const { return epoch_; }

  Index steps() const {
    const Index left = static_cast<Index>(order_.size()) - offset_;
    return batches_.drop_last ? left / share_ : ceil_div(left, share_);
  }
  /// What a data rank reads in a step. O(1). Refers to this sampler.
  /// Errors   SP-DATA-001 no such rank; SP-DATA-003 no such step
  Samples samples(Index rank, Index step) const& {
    check_data_rank(rank, batches_.data_ranks);
    if (step < 0 || step >= steps())
      fail("SP-DATA-003", concat("step ", step, " of ", steps()), "a step of this pass", {"step"});
    const Index bucket = static_cast<Index>(order_.size()), first = offset_ + step * share_;
    return {first, 1, smaller(share_, bucket - first), bucket, Padding::last_sample, order_, rank * bucket};
  }
  Samples samples(Index, Index) const&& = delete;  // the samples refer to the sampler: keep it

  /// Consumed samples after this pass, with which the next one begins.
  Index consumed() const { return batches_.consumed + (static_cast<Index>(order_.size()) - offset_) / share_ * block_; }
  /// The pass after this one. Errors those of construction.
  RandomSampler next() const {
    Batches batches = batches_;
    batches.consumed = consumed();
    return {batches, seed_, block_, counts_global_batches_};
  }

  /// What the original says of its length.
  Index reported_length() const {
    if (block_ != batches_.global_batch && batches_.variant != Variant::nemo_2_1) return batches_.samples;
    const Index active = batches_.drop_last ? active_ : batches_.samples;
    const Index left = active - batches_.consumed % active;
    const Index unit = counts_global_batches_ ? batches_.global_batch : block_;
    return (batches_.drop_last ? left / unit : ceil_div(left, unit)) * (unit / block_);
  }

  friend RandomSampler random_batches(const Batches& batches, Index seed, std::optional<bool> pad_argument);
  friend RandomSampler random_micro_batches(const Batches& batches, Index seed, bool knows_global_batch);

 private:
  RandomSampler(const Batches& batches, Index seed, Index block, bool counts_global_batches)
      : batches_(batches),
        seed_(seed),
        block_(block),
        share_(block / batches.data_ranks),
        active_(batches.samples - batches.samples % block),
        counts_global_batches_(counts_global_batches) {
    if (active_ == 0)
      fail("SP-DATA-003", concat(batches_.samples, " samples are less than one block of ", block_),
           concat("at least ", block_), {"samples"});
    const Index in_epoch = batches_.consumed % active_;
    epoch_ = batches_.consumed / active_;
    if (in_epoch % batches_.pass() != 0)
      fail("SP-DATA-003",
           concat(batches_.consumed, " consumed samples are ", in_epoch, " of an epoch, no multiple of ",
                  batches_.pass(), " = micro batch x data ranks"),
           concat(multiples_near(batches_.consumed, batches_.pass())), {"consumed"});
    offset_ = in_epoch / batches_.data_ranks;
    const Index bucket = batches_.samples / batches_.pass() * batches_.micro_batch;
    const std::uint64_t seed_of_epoch = static_cast<std::uint64_t>(seed_) + static_cast<std::uint64_t>(epoch_);
    order_ = torch_randperm(static_cast<std::size_t>(bucket), seed_of_epoch);
  }

  Batches batches_;
  Index seed_;
  Index block_;   ///< samples of a batch, all data ranks together
  Index share_;   ///< a rank's of these
  Index active_;  ///< samples that make up whole blocks
  bool counts_global_batches_;
  Index epoch_ = 0;
  Index offset_ = 0;  ///< samples of a rank that the epoch has behind it
  Permutation order_;
};

namespace detail {

/// What neither random sampler takes. Errors SP-DATA-004.
inline void check_shuffled(const Batches& batches, Index seed) {
  const bool nemo_2_1 = batches.variant == Variant::nemo_2_1;
  if (nemo_2_1 && !batches.drop_last && batches.pass() > 1)
    fail("SP-DATA-004",
         concat("a shuffled epoch keeps its last batch only with one sample a forward pass, not ", batches.pass()),
         "drop_last true", {"drop_last"});
  if (!nemo_2_1 && seed != 0)
    fail("SP-DATA-004", concat("seed ", seed, ": this random sampler takes none"), "0, or NeMo 2.1", {"seed"});
}

}  // namespace detail

/// MegatronPretrainingRandomBatchSampler, which NxDT's `dataloader_type: cyclic` uses: a batch is a rank's share of a
/// step. `seed` is an argument of NeMo 2.1 that NxDT never gives. `pad_argument`: whether the constructor is handed
/// pad_samples_to_global_batch_size, and what; NxDT does so, and NeMo 1.14 has no such argument.
///
/// Errors   SP-DATA-001, -002, -005; SP-DATA-003 less than a block of samples, or consumed ones that end inside a
///          forward pass; SP-DATA-004 an option that the variant does not take
/// Source   configuration sheet, 9.3
inline RandomSampler random_batches(const Batches& batches, Index seed = 0, std::optional<bool> pad_argument = {}) {
  check_sizes(batches);
  check_global_batch(batches);
  const bool nemo_2_1 = batches.variant == Variant::nemo_2_1;
  if (!nemo_2_1 && pad_argument)
    fail("SP-DATA-004", "this random sampler takes no pad_samples_to_global_batch_size", "NeMo 2.1, or leave it out",
         {"pad", "variant"});
  if (nemo_2_1 && pad_argument.value_or(batches.pad))
    fail("SP-DATA-004", "a shuffled epoch cannot be padded", "pad_samples_to_global_batch_size false", {"pad"});
  detail::check_shuffled(batches, seed);
  return {batches, seed, batches.global_batch, true};
}

/// MegatronPretrainingRandomSampler, NeMo's own: a batch is a micro-batch. `knows_global_batch` only changes the length
/// that it reports.
///
/// Errors   as random_batches; a global batch counts only where it is known
/// Source   configuration sheet, 9.4
inline RandomSampler random_micro_batches(const Batches& batches, Index seed = 0, bool knows_global_batch = false) {
  check_sizes(batches);
  if (knows_global_batch) check_global_batch(batches);
  detail::check_shuffled(batches, seed);
  return {batches, seed, batches.pass(), knows_global_batch};
}

}  // namespace shardplan::data
