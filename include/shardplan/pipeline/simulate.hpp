#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <shardplan/pipeline/detail/turns.hpp>
#include <shardplan/pipeline/timeline.hpp>

/// When every pass of a schedule runs, if each begins as early as its inputs allow.
///
///     const Timeline timeline = pipeline::simulate(make_schedule("zb1p", {.microbatches = 8, .pipeline = 4}), {});
///     timeline.makespan();  // 27, of which 24 are passes
namespace shardplan::pipeline {

/// How long the passes of a stage take, in whole units of any kind.
struct StageCosts {
  Index forward = 1;
  Index backward_input = 1;
  Index backward_weight = 1;  ///< a whole backward takes both

  constexpr Index of(TaskKind kind) const {
    if (kind == TaskKind::forward) return forward;
    if (kind == TaskKind::backward) return backward_input + backward_weight;
    if (kind == TaskKind::backward_input) return backward_input;
    return kind == TaskKind::backward_weight ? backward_weight : 0;
  }
  friend constexpr bool operator==(const StageCosts&, const StageCosts&) = default;
};

/// What joined passes are.
enum class Joined : std::uint8_t {
  one_block,  ///< run at once: all begin when the inputs of all are there, and end together after the sum of their
              ///< times
  in_turn,    ///< one graph that runs them one after the other, each result handed on when it is made
};

/// What a simulation is told.
struct Costs {
  std::vector<StageCosts> stages{StageCosts{}};  ///< one for every stage of a model, or one for all
  Index link = 0;                                ///< from the end of a pass until another rank has its result
  Joined joined = Joined::one_block;

  constexpr const StageCosts& of_stage(Index stage) const {
    return stages[stages.size() == 1 ? 0 : static_cast<std::size_t>(stage)];
  }
};

namespace detail {

/// Errors   SP-PIPELINE-016; SP-CORE-001 times beyond 64 bits, if everything ran after everything else
inline void check_costs(const PassResults& results, const TaskLists& ranks, const Costs& costs) {
  if (costs.stages.size() != 1 && static_cast<Index>(costs.stages.size()) != results.stages())
    fail("SP-PIPELINE-016", concat("costs of ", costs.stages.size(), " stages for ", results.stages()),
         results.stages() == 1 ? concat("one") : concat("1 for all, or ", results.stages()), {"stages"});
  Index dearest = 0;
  for (std::size_t s = 0; s < costs.stages.size(); ++s) {
    const StageCosts& one = costs.stages[s];
    const std::pair<const char*, Index> parts[] = {
        {"forward", one.forward}, {"input half", one.backward_input}, {"weight half", one.backward_weight}};
    for (const auto& [part, cost] : parts)
      if (cost < 0)
        fail("SP-PIPELINE-016", concat("the ", part, " of stage ", s, " takes ", cost), "0 or more", {"stages"});
    dearest = larger(dearest, checked_add(one.forward, checked_add(one.backward_input, one.backward_weight)));
  }
  if (costs.link < 0) fail("SP-PIPELINE-016", concat("a message takes ", costs.link), "0 or more", {"link"});
  Index tasks = 0;
  for (const auto& list : ranks) tasks += static_cast<Index>(list.size());
  checked_mul(checked_add(dearest, costs.link), tasks);
}

}  // namespace detail

/// Every pass as early as the rank is free and its inputs are there; a link takes any number of messages at once. The
/// sends and receives that a schedule lists take no time and delay nothing: what they add is what `prove_progress`
/// (progress.hpp) looks at. A list may leave passes out, as long as nobody needs what they make.
///
/// Post     passes of a rank in its order, none overlapping another but in a block; O(tasks) for schedules that keep
///          the ranks busy
/// Errors   SP-PIPELINE-013 ranks wait for one another, with the circle; SP-PIPELINE-015 no such microbatch or chunk;
///          SP-PIPELINE-016 a negative cost, a number of stages that is not the schedule's; SP-CORE-001
/// Example  simulate(make_schedule("1f1b", {.microbatches = 8, .pipeline = 4}), {}).makespan() == 33
/// Source   pipeline sheet, 2.9
inline Timeline simulate(const PipelineTasks& tasks, const Costs& costs) {
  const detail::PassResults results(tasks.placement, tasks.run);
  detail::check_inside(results, tasks.ranks);
  detail::check_costs(results, tasks.ranks, costs);

  Timeline out{tasks.placement, tasks.run, std::vector<RankTimeline>(tasks.ranks.size())};
  for (std::size_t r = 0; r < tasks.ranks.size(); ++r) {
    std::size_t passes = 0;
    for (const Task& task : tasks.ranks[r]) passes += is_compute(task.kind);
    out.ranks[r].passes.reserve(passes);
  }
  constexpr Index never = -1;
  std::vector<Index> ends(results.count(), never);
  std::vector<Index> alive(tasks.ranks.size()), halves(tasks.ranks.size());
  detail::Turns turns(tasks.ranks, costs.joined == Joined::one_block);
  const auto there = [&](const detail::Need& need) { return ends[need.result] != never; };

  const auto run_passes = [&](std::size_t r, detail::Block block) {
    const auto rank = static_cast<Index>(r);
    RankTimeline& mine = out.ranks[r];
    Index start = mine.end(), cost = 0;
    for (const Task& task : block) {
      if (!is_compute(task.kind)) continue;
      cost += costs.of_stage(results.stage(rank, task)).of(task.kind);
      results.all_needs(rank, task, [&](const detail::Need& need) {
        start = larger(start, ends[need.result] + (need.rank == rank ? 0 : costs.link));
        return true;
      });
    }
    mine.busy += cost;
    for (const Task& task : block) {
      if (!is_compute(task.kind)) continue;
      ends[results.made_by(rank, task)] = start + cost;
      mine.passes.push_back({task, start, start + cost});
      if (task.kind == TaskKind::forward) mine.peak_in_flight = larger(mine.peak_in_flight, ++alive[r]);
      if (task.kind == TaskKind::backward_input) mine.peak_weight_halves = larger(mine.peak_weight_halves, ++halves[r]);
      if (task.kind == TaskKind::backward_weight) --halves[r];
    }
    for (const Task& task : block) alive[r] -= is_backward(task.kind) ? 1 : 0;
  };

  const bool ended = turns.run(
      [&](std::size_t rank, detail::Block block) {
        if (detail::missing_input(results, rank, block, there).pass) return detail::Turn::waits;
        run_passes(rank, block);
        return detail::Turn::done;
      },
      true);
  if (!ended)
    fail("SP-PIPELINE-013", detail::circle(turns, tasks.ranks.size(), [&](std::size_t rank) {
           return detail::wait_for_input(results, turns, rank, there);
         }));
  return out;
}

}  // namespace shardplan::pipeline
