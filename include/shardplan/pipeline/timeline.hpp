#pragma once
#include <cstddef>
#include <vector>

#include <shardplan/pipeline/task_lists.hpp>

/// When every pass of a pipeline runs: what a simulation gives and pictures show.
namespace shardplan::pipeline {

/// A task and its time, in the unit of the costs.
struct TimedTask {
  Task task;
  Index start = 0;
  Index end = 0;

  friend constexpr bool operator==(const TimedTask&, const TimedTask&) = default;
};

/// The computing of one pipeline rank.
struct RankTimeline {
  std::vector<TimedTask> passes;  ///< by start; those of an overlapped block share it, and its end
  Index busy = 0;                 ///< time in passes
  Index peak_in_flight = 0;       ///< most chunk activations alive: forwards begun whose (input) backward has not ended
  Index peak_weight_halves = 0;   ///< most input halves done whose weight half is not

  Index begin() const { return passes.empty() ? 0 : passes.front().start; }
  Index end() const { return passes.empty() ? 0 : passes.back().end; }
  /// Idle between its first and its last pass: what a step that waits for nobody else would feel.
  Index idle_inside() const { return end() - begin() - busy; }
};

/// All pipeline ranks, rank 0 first.
struct Timeline {
  StagePlacement placement = StagePlacement::looped;
  Workload run;  ///< as of PipelineTasks
  std::vector<RankTimeline> ranks;

  Index makespan() const {
    Index out = 0;
    for (const RankTimeline& rank : ranks) out = larger(out, rank.end());
    return out;
  }
  /// Idle time of a rank until the last one is done.
  Index idle(std::size_t rank) const { return makespan() - ranks[rank].busy; }
  /// What no schedule could go below: the time of the busiest rank.
  Index ideal() const {
    Index out = 0;
    for (const RankTimeline& rank : ranks) out = larger(out, rank.busy);
    return out;
  }
  /// Share of all ranks' time that is idle, 0 to 1.
  double bubble() const {
    double idle_time = 0;
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) idle_time += static_cast<double>(idle(rank));
    const double all = static_cast<double>(makespan()) * static_cast<double>(ranks.size());
    return all > 0 ? idle_time / all : 0;
  }
};

}  // namespace shardplan::pipeline
