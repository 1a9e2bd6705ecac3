#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <shardplan/pipeline/detail/turns.hpp>
#include <shardplan/pipeline/schedules/gpipe.hpp>

/// The schedules of torch.distributed.pipelining (pipeline sheet, 2.7). Its GPipe is in gpipe.hpp, its schedules with
/// the stages in a V in zero_bubble.hpp.
namespace shardplan::pipeline {

/// Chunk after chunk forward, then all of it backward in reverse.
struct LoopedBfsRule {
  Workload run;
  Listing listing;

  constexpr Index passes() const { return run.microbatches * run.chunks; }
  constexpr Index steps() const { return 2 * passes() + 1; }
  constexpr Step step(Index k) const {
    Step out;
    const Lister list{StagePlacement::looped, run, listing, out};
    const Index all = passes();
    if (listing == Listing::slots && (k == 0 || k == all)) {
      const Index idle = k == 0 ? run.rank : 2 * (run.pipeline - 1 - run.rank);
      for (Index i = 0; i < idle; ++i) out.push_back({});
    }
    if (k == 2 * all)
      list.reduce();
    else if (const Index at = k < all ? k : 2 * all - 1 - k; true)
      list(k < all ? TaskKind::forward : TaskKind::backward, at % run.microbatches, at / run.microbatches);
    return out;
  }
};

/// Warm-up forwards, then a forward and a backward in turn, then backwards, over (microbatch, chunk) pairs in groups.
struct PytorchInterleavedRule {
  enum class Kind : std::uint8_t {
    one_f_one_b,  ///< the shortest warm-up that keeps the ranks busy
    interleaved,  ///< twice as long, so that a backward comes as soon as the last stage has one
    zero_bubble,  ///< backwards in two halves; from the rank-th on each is followed by the oldest weight half
  };
  Workload run;
  Index group;  ///< microbatches that a chunk takes in turn
  Kind kind;
  Listing listing;

  constexpr Index passes() const { return run.microbatches * run.chunks; }
  constexpr Index warm_up() const {
    const Index behind = run.pipeline - 1 - run.rank;
    return smaller((run.chunks - 1) * group + (kind == Kind::interleaved ? 2 : 1) * behind, passes());
  }
  /// Weight halves that are left after the last backward.
  constexpr Index left_over() const { return kind == Kind::zero_bubble ? smaller(run.rank, passes()) : 0; }
  constexpr Index steps() const { return passes() + warm_up() + left_over() + 1; }

  constexpr ChunkPass forward(Index k) const { return grouped_pass(run.microbatches, run.chunks, group, k); }
  constexpr ChunkPass backward(Index k) const {
    const auto [m, chunk] = forward(k);
    return {m, run.chunks - 1 - chunk};
  }

  constexpr Step step(Index k) const {
    Step out;
    const Lister list{StagePlacement::looped, run, listing, out};
    const Index all = passes(), w = warm_up(), b = k - w;
    const bool split = kind == Kind::zero_bubble;
    const auto idle = [&](Index count) {
      for (Index i = 0; listing == Listing::slots && i < count; ++i) out.push_back({});
    };
    if (k == 0) idle(run.rank);
    if (k < all) list(TaskKind::forward, forward(k).microbatch, forward(k).chunk);
    if (k == w - 1) idle(idle_after_warm_up());
    if (b >= 0 && b < all) {
      if (k >= all && !split) idle(1);
      const auto [m, chunk] = backward(b);
      list(split ? TaskKind::backward_input : TaskKind::backward, m, chunk);
    }
    // With fewer passes than ranks before it, a rank starts on the weights only after the last backward.
    const Index weight = b < all ? b - run.rank : b - left_over();
    if (split && weight >= 0 && weight < all)
      list(TaskKind::backward_weight, backward(weight).microbatch, backward(weight).chunk);
    if (k + 1 == steps()) list.reduce();
    return out;
  }

 private:
  constexpr Index idle_after_warm_up() const {
    const Index behind = run.pipeline - 1 - run.rank;
    if (kind == Kind::zero_bubble) return behind;
    if (kind == Kind::one_f_one_b) return 2 * behind;
    return run.chunks * run.pipeline + 2 * behind - warm_up() - run.rank;
  }
};

/// PyTorch's ScheduleLoopedBFS.
///
/// Post     M V forwards alive at most, on every rank
/// Errors   SP-PIPELINE-012 no microbatch, no such rank; SP-PIPELINE-008
constexpr Schedule<LoopedBfsRule> looped_bfs(const Workload& run, Listing listing = Listing::tasks) {
  check_run(run);
  return Schedule(LoopedBfsRule{run, listing});
}

/// PyTorch's Schedule1F1B, as it runs. (The order that PyTorch reports for the last rank counts its forwards from 1.)
///
/// Post     min(M, P - rank) forwards alive at most
/// Errors   SP-PIPELINE-012 fewer microbatches than ranks, more than one chunk, no such rank; SP-PIPELINE-008
constexpr Schedule<PytorchInterleavedRule> pytorch_1f1b(const Workload& run, Listing listing = Listing::tasks) {
  check_one_chunk(run, "1F1B");
  if (run.microbatches < run.pipeline)
    fail("SP-PIPELINE-012",
         concat("PyTorch's 1F1B needs a microbatch a rank: ", run.microbatches, " for ", run.pipeline, " ranks"),
         concat("at least ", run.pipeline, ", or nxd_1f1b"), {"microbatches", "pipeline"});
  return Schedule(PytorchInterleavedRule{run, run.microbatches, PytorchInterleavedRule::Kind::one_f_one_b, listing});
}

/// Microbatches that a chunk takes in turn: M over max(1, M / P) rounds.
///
/// Errors   SP-PIPELINE-012 rounds of unequal size
constexpr Index pytorch_group(const Workload& run) {
  check_run(run);
  const Index rounds = larger(1, run.microbatches / run.pipeline);
  if (run.microbatches % rounds != 0)
    fail("SP-PIPELINE-012",
         concat(run.microbatches, " microbatches on ", run.pipeline, " ranks make ", rounds, " rounds of unequal size"),
         concat(multiples_near(run.microbatches, rounds), " microbatches"), {"microbatches", "pipeline"});
  return run.microbatches / rounds;
}

/// PyTorch's ScheduleInterleaved1F1B.
///
/// Post     min(M V, warm-up + 1) forwards alive at most
/// Errors   SP-PIPELINE-012 rounds of unequal size, no microbatch, no such rank; SP-PIPELINE-008
constexpr Schedule<PytorchInterleavedRule> pytorch_interleaved(const Workload& run, Listing listing = Listing::tasks) {
  return Schedule(PytorchInterleavedRule{run, pytorch_group(run), PytorchInterleavedRule::Kind::interleaved, listing});
}

/// PyTorch's ScheduleInterleavedZeroBubble. `with_bubbles` adds the slots that it inserts afterwards.
///
/// Post     min(M V, warm-up + 1) forwards alive at most, and rank + 1 weight halves
/// Errors   as pytorch_interleaved
constexpr Schedule<PytorchInterleavedRule> pytorch_zero_bubble(const Workload& run, Listing listing = Listing::tasks) {
  return Schedule(PytorchInterleavedRule{run, pytorch_group(run), PytorchInterleavedRule::Kind::zero_bubble, listing});
}

/// Idle slots wherever, all ranks going slot by slot, a forward or a whole backward has no input yet. As in PyTorch an
/// input half is never waited for.
///
/// Pre      slots as Listing::slots gives them
/// Errors   SP-PIPELINE-013 ranks that wait for one another; SP-PIPELINE-015 no such microbatch or chunk
/// Source   pipeline sheet, 2.7
inline TaskLists with_bubbles(const TaskLists& slots, StagePlacement placement, const Workload& run) {
  const detail::PassResults results(placement, run);
  detail::check_inside(results, slots);
  std::vector<Index> made(results.count(), std::numeric_limits<Index>::max());  // the round, which others see after it
  detail::Turns turns(slots, false);
  const auto there = [&](const detail::Need& need) { return made[need.result] < turns.round(); };
  TaskLists out(slots.size());
  const bool ended = turns.run([&](std::size_t rank, detail::Block slot) {
    const Task& task = slot.front();
    const bool may_wait = task.kind == TaskKind::forward || task.kind == TaskKind::backward;
    if (may_wait && detail::missing_input(results, rank, slot, there).pass) {
      out[rank].push_back({});
      return detail::Turn::waits;
    }
    out[rank].push_back(task);
    if (is_compute(task.kind)) made[results.made_by(static_cast<Index>(rank), task)] = turns.round();
    return detail::Turn::done;
  });
  if (!ended)
    fail("SP-PIPELINE-013", detail::circle(turns, slots.size(), [&](std::size_t rank) {
           return detail::wait_for_input(results, turns, rank, there);
         }));
  return out;
}

/// PyTorch's way to add sends and receives: rank after rank, each takes its next slot when its input is there; what it
/// makes for another rank is sent at once, and the receive is put into that rank's list at that moment.
///
/// Pre      slots as Listing::slots gives them
/// Post     no idle slots; a send is posted and not waited for (Sends::buffered of progress.hpp)
/// Errors   SP-PIPELINE-013 ranks that wait for one another; SP-PIPELINE-015 no such microbatch or chunk
/// Source   pipeline sheet, 2.7
inline TaskLists with_communication(const TaskLists& slots, StagePlacement placement, const Workload& run) {
  const detail::PassResults results(placement, run);
  detail::check_inside(results, slots);
  std::vector<bool> made(results.count());
  detail::Turns turns(slots);
  const auto there = [&](const detail::Need& need) { return made[need.result]; };
  TaskLists out(slots.size());
  const bool ended = turns.run([&](std::size_t r, detail::Block block) {
    if (detail::missing_input(results, r, block, there).pass) return detail::Turn::waits;
    const auto rank = static_cast<Index>(r);
    for (const Task& task : block)
      if (task.kind != TaskKind::idle) out[r].push_back(task);
    for (const Task& task : block) {
      if (!is_compute(task.kind)) continue;
      made[results.made_by(rank, task)] = true;
      const bool forward = task.kind == TaskKind::forward;
      if (!forward && !is_backward(task.kind)) continue;
      const Place to = neighbour(placement, results.run(), {rank, task.chunk}, forward ? 1 : -1);
      if (to.rank < 0 || to.rank == rank) continue;
      out[r].push_back(
          make_task(forward ? TaskKind::send_forward : TaskKind::send_backward, task.microbatch, task.chunk, to.rank));
      out[static_cast<std::size_t>(to.rank)].push_back(
          make_task(forward ? TaskKind::receive_forward : TaskKind::receive_backward, task.microbatch, to.chunk, rank));
    }
    return detail::Turn::done;
  });
  if (!ended)
    fail("SP-PIPELINE-013", detail::circle(turns, slots.size(), [&](std::size_t rank) {
           return detail::wait_for_input(results, turns, rank, there);
         }));
  return out;
}

}  // namespace shardplan::pipeline
