#pragma once
#include <cstddef>
#include <vector>

#include <shardplan/pipeline/schedule.hpp>

/// A schedule of all pipeline ranks, written out: what proofs and simulation read, and what some originals change.
namespace shardplan::pipeline {

/// The tasks of all pipeline ranks, rank 0 first.
using TaskLists = std::vector<std::vector<Task>>;

/// The tasks of all ranks, and where the stages are that they speak of.
struct PipelineTasks {
  StagePlacement placement = StagePlacement::looped;
  Workload run;  ///< of rank 0; bidirectional: `microbatches` go each way
  TaskLists ranks;

  /// Stages of one model.
  constexpr Index stages() const {
    return placement == StagePlacement::bidirectional ? run.pipeline : run.pipeline * run.chunks;
  }
  constexpr Index stage(Index rank, const Task& task) const {
    return stage_at(placement, run.pipeline, {rank, task.chunk});
  }
};

/// `make(Workload)` for every rank.
///
/// Errors   those of `make`
/// Example  all_ranks(StagePlacement::looped, {.microbatches = 8, .pipeline = 4}, [](auto& run) { return nxd_1f1b(run); })
template <class Make>
PipelineTasks all_ranks(StagePlacement placement, Workload run, const Make& make) {
  PipelineTasks out{placement, run, TaskLists(static_cast<std::size_t>(run.pipeline))};
  out.run.rank = 0;
  for (run.rank = 0; run.rank < run.pipeline; ++run.rank)
    for (const Task& task : make(static_cast<const Workload&>(run)))
      out.ranks[static_cast<std::size_t>(run.rank)].push_back(task);
  return out;
}

}  // namespace shardplan::pipeline
