#pragma once
#include <cstdint>
#include <string_view>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/diagnostic.hpp>
#include <shardplan/core/text.hpp>

/// What samplers cut into steps, and what they refuse.
namespace shardplan::data {

/// Whose samplers. They differ where an epoch ends, and where one is taken up again.
enum class Variant : std::uint8_t { nemo_1_14, nemo_2_1, nnm };

/// A data set and how it is handed out. `data_ranks` read different samples; ranks that differ in a tensor, pipeline or
/// context coordinate only read the same.
struct Batches {
  Index samples = 0;       ///< of an epoch
  Index consumed = 0;      ///< before the first step: where a resumed run goes on
  Index micro_batch = 1;   ///< samples of a forward pass
  Index global_batch = 1;  ///< samples of a step, all data ranks together
  Index data_ranks = 1;
  bool drop_last = true;  ///< an incomplete step at the end is left out
  bool pad = false;       ///< and is filled where it is not: pad_samples_to_global_batch_size
  Variant variant = Variant::nemo_2_1;

  constexpr Index pass() const { return micro_batch * data_ranks; }  ///< samples of a forward pass on all data ranks
};

/// Errors   SP-DATA-001 counts below 1, or more than 2^31 in a batch; SP-DATA-003 fewer than 0 samples consumed
constexpr void check_sizes(const Batches& b) {
  const auto positive = [](Index value, Index limit, std::string_view what) {
    if (value < 1 || value > limit)
      fail("SP-DATA-001", concat(value, ' ', what), limit < INT64_MAX ? "1 to 2^31" : "at least 1", {what});
  };
  constexpr Index batch_limit = Index{1} << 31;
  positive(b.samples, INT64_MAX, "samples");
  positive(b.micro_batch, batch_limit, "micro_batch");
  positive(b.global_batch, batch_limit, "global_batch");
  positive(b.data_ranks, batch_limit, "data_ranks");
  if (b.consumed < 0) fail("SP-DATA-003", concat(b.consumed, " consumed samples"), "at least 0", {"consumed"});
  checked_add(b.samples, b.consumed);
}

/// Errors   SP-DATA-002
constexpr void check_global_batch(const Batches& b) {
  if (b.global_batch % b.pass() != 0)
    fail("SP-DATA-002",
         concat("a global batch of ", b.global_batch, " is no multiple of ", b.pass(), " = micro batch ", b.micro_batch,
                " x ", b.data_ranks, " data ranks"),
         multiples_near(b.global_batch, b.pass()), {"global_batch", "micro_batch", "data_ranks"});
}

/// Errors   SP-DATA-001
constexpr void check_data_rank(Index rank, Index data_ranks) {
  if (rank < 0 || rank >= data_ranks)
    fail("SP-DATA-001", concat("data rank ", rank, " of ", data_ranks), concat("0 to ", data_ranks - 1), {"rank"});
}

}  // namespace shardplan::data
