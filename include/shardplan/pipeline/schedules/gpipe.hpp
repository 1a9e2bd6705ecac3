#pragma once
#include <shardplan/pipeline/schedule.hpp>

/// GPipe: all forwards, then all backwards. Simple, and it holds every microbatch at once.
namespace shardplan::pipeline {

/// One microbatch forward a step, then one backward a step, then the reduction of gradients.
struct GpipeRule {
  Workload run;
  Listing listing;

  constexpr Index steps() const { return 2 * run.microbatches + 1; }
  constexpr Step step(Index k) const {
    Step out;
    const Lister list{StagePlacement::looped, run, listing, out};
    const Index count = run.microbatches;
    if (listing == Listing::slots && (k == 0 || k == count)) {
      // The first forward arrives after `rank` slots; a backward of two slots trickles up as the forward went down.
      const Index idle = k == 0 ? run.rank : 3 * (run.pipeline - 1 - run.rank);
      for (Index i = 0; i < idle; ++i) out.push_back({});
    }
    if (k == 2 * count)
      list.reduce();
    else
      list(k < count ? TaskKind::forward : TaskKind::backward, k % count, 0);
    return out;
  }
};

/// Example  of 2 microbatches on rank 0 of 2: load 0, forward 0, send 0, load 1, forward 1, send 1, receive-backward 0,
///          backward 0, receive-backward 1, backward 1, reduce
/// Post     M forwards alive at most, on every rank
/// Errors   SP-PIPELINE-012 more than one chunk, no microbatch, no such rank; SP-PIPELINE-008
/// Source   pipeline sheet, 2.7; PyTorch ScheduleGPipe
constexpr Schedule<GpipeRule> gpipe(const Workload& run, Listing listing = Listing::tasks) {
  check_one_chunk(run, "GPipe");
  return Schedule(GpipeRule{run, listing});
}

}  // namespace shardplan::pipeline
