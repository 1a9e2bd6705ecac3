#pragma once
#include <shardplan/pipeline/partition.hpp>

/// How many forward passes a pipeline rank holds at once: what its activation memory is a multiple of.
namespace shardplan::pipeline {

enum class ScheduleKind : std::uint8_t {
  one_f_one_b,           ///< one chunk a rank; NxD, Megatron and DeepSpeed alike
  interleaved,           ///< several chunks a rank, as NxD orders them
  megatron_interleaved,  ///< several chunks a rank, as Megatron orders them with its default group of `pipeline`
                         ///< microbatches
};

/// Most (microbatch, chunk) activations alive on a pipeline rank, each of them those of ONE chunk.
///
///     1F1B                    min(M, P - rank)
///     interleaved             min(M V, 2 (P - rank - 1) + (V - 1) P + 1)
///     NxD interleaved, M = P  M V: all forwards run before the first backward
///
/// Pre      0 <= rank < pipeline
/// Errors   SP-PIPELINE-008 microbatches, pipeline or chunks below 1; SP-PIPELINE-004 1F1B with more than one chunk
/// Post     1 <= result <= microbatches * chunks
/// Source   pipeline sheet, 2.9; cost-model sheet, B3
constexpr Index in_flight(ScheduleKind kind, Index microbatches, Index pipeline, Index chunks, Index rank) {
  stage_count(pipeline, chunks);
  if (microbatches < 1) fail("SP-PIPELINE-008", concat(microbatches, " microbatches"), "at least 1");
  if (kind == ScheduleKind::one_f_one_b && chunks > 1)
    fail("SP-PIPELINE-004", concat("1F1B runs one chunk a rank, not ", chunks), "an interleaved schedule");
  const Index all = checked_mul(microbatches, chunks);
  if (kind == ScheduleKind::interleaved && microbatches == pipeline) return all;
  const Index ranks_after = pipeline - rank - 1;
  const Index warm_up = kind == ScheduleKind::one_f_one_b ? ranks_after : 2 * ranks_after + (chunks - 1) * pipeline;
  return warm_up + 1 < all ? warm_up + 1 : all;
}

/// Whether NxD's interleaved schedule lets even and odd ranks alternate their sends and receives: it does so exactly
/// when there are as many microbatches as pipeline ranks (pipeline sheet, 2.4). Its 1F1B schedule never looks at this.
constexpr bool odd_even_exchange(Index microbatches, Index pipeline) { return microbatches == pipeline; }

}  // namespace shardplan::pipeline
