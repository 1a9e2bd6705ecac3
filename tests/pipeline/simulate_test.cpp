#include <shardplan/pipeline/simulate.hpp>

#include <algorithm>
#include <shardplan/pipeline/catalogue.hpp>
#include <shardplan/pipeline/in_flight.hpp>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::pipeline;

namespace {

Timeline run(std::string_view name, Index microbatches, Index pipeline, Index chunks, StageCosts costs = {},
             Index link = 0) {
  return simulate(make_schedule(name, {.microbatches = microbatches, .pipeline = pipeline, .chunks = chunks}),
                  {.stages = {costs}, .link = link});
}

/// Times in which no two parts are alike.
constexpr StageCosts odd_costs[] = {{1, 1, 1}, {2, 3, 1}, {5, 4, 3}, {10, 12, 8}};

std::string refusal(const PipelineTasks& tasks, const Costs& costs = {}) {
  try {
    simulate(tasks, costs);
  } catch (const Error& error) {
    return concat(error.diagnostics()[0].id, ": ", error.diagnostics()[0].message);
  }
  return "simulated";
}

}  // namespace

TEST_CASE("bubbles in closed form: makespan = M V (F + I + W) + bubble") {
  for (const StageCosts& cost : odd_costs)
    for (Index ranks = 1; ranks <= 6; ++ranks)
      for (Index rounds = 1; rounds <= 4; ++rounds) {
        const Index count = rounds * ranks, pass = cost.forward + cost.backward_input + cost.backward_weight;
        CAPTURE(ranks);
        CAPTURE(count);
        const Index whole = (ranks - 1) * pass;
        for (const std::string_view name : {"1f1b", "megatron-1f1b", "deepspeed", "gpipe", "pytorch-1f1b"}) {
          CAPTURE(name);
          const Timeline timeline = run(name, count, ranks, 1, cost);
          CHECK(timeline.makespan() == count * pass + whole);
          CHECK(timeline.ideal() == count * pass);
          CHECK(timeline.bubble() ==
                doctest::Approx(static_cast<double>(whole) / static_cast<double>(count * pass + whole)));
        }
        for (Index chunks = 2; chunks <= 3 && ranks > 1; ++chunks)
          for (const std::string_view name : {"interleaved", "megatron-interleaved", "pytorch-interleaved"}) {
            CAPTURE(name);
            CAPTURE(chunks);
            CHECK(run(name, count, ranks, chunks, cost).makespan() == count * chunks * pass + whole);
          }
      }
}

TEST_CASE("bubbles of zero-bubble schedules in closed form, for passes of equal length") {
  for (const Index unit : {1, 7}) {
    const StageCosts cost{unit, unit, unit};
    for (Index ranks = 1; ranks <= 6; ++ranks) {
      const Index count = 4 * ranks, one = (ranks - 1) * unit;  // (P - 1) (F + I - W)
      CAPTURE(ranks);
      CHECK(run("zb1p", count, ranks, 1, cost).makespan() == 3 * unit * count + one);
      CHECK(run("pytorch-zero-bubble", count, ranks, 2, cost).makespan() == 6 * unit * count + one);
      for (const std::string_view name : {"zb-h2", "zbv"}) {
        CAPTURE(name);
        const Timeline timeline = run(name, count, ranks, find_schedule(name).wanted_chunks(), cost);
        CHECK(timeline.makespan() == timeline.ideal() + one);  // skew between ranks alone
        for (const RankTimeline& rank : timeline.ranks) CHECK(rank.idle_inside() == 0);
      }
      // (P - 1) (F‖B + B - 3 W), of which F‖B takes 3 and B 2.
      CHECK(run("dualpipev", count, ranks, 2, cost).makespan() == 6 * unit * count + 2 * one);
      if (ranks % 2 == 0)
        CHECK(run("dualpipe", count, ranks, 2, cost).makespan() == 3 * unit * count + 2 * (ranks / 2 - 1) * unit);
    }
  }
}

TEST_CASE("the peak that in_flight() computes is the one simulated") {
  for (Index ranks = 1; ranks <= 7; ++ranks)
    for (Index count = 1; count <= 20; ++count) {
      CAPTURE(ranks);
      CAPTURE(count);
      const auto compare = [&](std::string_view name, ScheduleKind kind, Index chunks) {
        CAPTURE(name);
        const Timeline timeline = run(name, count, ranks, chunks);
        for (Index rank = 0; rank < ranks; ++rank)
          CHECK(timeline.ranks[static_cast<std::size_t>(rank)].peak_in_flight ==
                in_flight(kind, count, ranks, chunks, rank));
      };
      for (const std::string_view name : {"nxd-1f1b", "megatron-1f1b", "deepspeed"})
        compare(name, ScheduleKind::one_f_one_b, 1);
      for (Index chunks = 2; chunks <= 3 && ranks > 1; ++chunks) {
        if (count % ranks == 0) compare("nxd-interleaved", ScheduleKind::interleaved, chunks);
        if (count % ranks == 0) compare("megatron-interleaved", ScheduleKind::megatron_interleaved, chunks);
      }
    }
}

TEST_CASE("every schedule: passes in order, after their inputs, none overlapping, as early as they can be") {
  for (const ScheduleEntry& entry : schedule_catalogue) {
    CAPTURE(entry.name);
    const PipelineTasks tasks = entry.make({.microbatches = 8, .pipeline = 4, .chunks = entry.wanted_chunks()});
    for (const Index link : {0, 3}) {
      Costs costs{.stages = {}, .link = link};
      for (Index s = 0; s < tasks.stages(); ++s) costs.stages.push_back({2 + s % 3, 1 + s % 2, 3});
      const Timeline timeline = simulate(tasks, costs);
      // The end of a pass that a place runs; by search, for small cases.
      const auto end_of = [&](Place at, Index microbatch, bool forward) {
        for (const TimedTask& pass : timeline.ranks[static_cast<std::size_t>(at.rank)].passes)
          if (pass.task.chunk == at.chunk && pass.task.microbatch == microbatch &&
              (forward ? pass.task.kind == TaskKind::forward : is_backward(pass.task.kind)))
            return pass.end;
        return Index{-1};
      };
      for (std::size_t r = 0; r < tasks.ranks.size(); ++r) {
        std::vector<Task> passes = tasks.ranks[r];
        std::erase_if(passes, [](const Task& task) { return !is_compute(task.kind); });
        const std::vector<TimedTask>& timed = timeline.ranks[r].passes;
        REQUIRE(timed.size() == passes.size());
        Index busy = 0;
        for (std::size_t begin = 0, end = 0; begin < timed.size(); begin = end) {
          Index earliest = begin == 0 ? 0 : timed[begin - 1].end, cost = 0;
          for (end = begin; end == begin || timed[end - 1].task.joined; ++end) {
            const Task& task = timed[end].task;
            CHECK(task == passes[end]);
            cost += costs.stages[static_cast<std::size_t>(tasks.stage(static_cast<Index>(r), task))].of(task.kind);
            const Place here{static_cast<Index>(r), task.chunk};
            const bool forward = task.kind == TaskKind::forward;
            if (task.kind != TaskKind::backward_weight) {
              const Place from = neighbour(tasks.placement, tasks.run, here, forward ? -1 : 1);
              if (from.rank >= 0)
                earliest =
                    std::max(earliest, end_of(from, task.microbatch, forward) + (from.rank == here.rank ? 0 : link));
            }
            if (!forward) earliest = std::max(earliest, end_of(here, task.microbatch, is_backward(task.kind)));
          }
          CHECK(timed[begin].start == earliest);
          for (std::size_t i = begin; i < end; ++i) {
            CHECK(timed[i].end == timed[i].start + cost);
            CHECK(timed[i].start == timed[begin].start);
          }
          busy += cost;
        }
        CHECK(timeline.ranks[r].busy == busy);
      }
    }
  }
}

TEST_CASE("a link delays what another rank makes, and only that") {
  // One microbatch: there and back again over P - 1 links each.
  for (Index ranks = 1; ranks <= 5; ++ranks) {
    CHECK(run("1f1b", 1, ranks, 1, {}, 10).makespan() == 3 * ranks + 20 * (ranks - 1));
    // In a V the turn is on one rank: of 2 P - 1 steps one each way costs no link.
    CHECK(run("zbv", 1, ranks, 2, {}, 10).makespan() == run("zbv", 1, ranks, 2).makespan() + 40 * (ranks - 1));
  }
  CHECK(run("1f1b", 1, 4, 1, {0, 0, 0}, 10).makespan() == 60);
}

TEST_CASE("joined passes: one block, or in turn") {
  const auto fused = [](bool together) {
    return all_ranks(StagePlacement::looped, {.microbatches = 8, .pipeline = 4, .chunks = 2},
                     [&](const Workload& at) { return nxd_interleaved(at, {.fused_fwd_bwd = together}); });
  };
  const auto times = [](const Timeline& timeline) {
    Numbers out;
    for (const RankTimeline& rank : timeline.ranks)
      for (const TimedTask& pass : rank.passes) {
        out.push_back(pass.start);
        out.push_back(pass.end);
      }
    return out;
  };
  const Timeline apart = simulate(fused(false), {}), in_turn = simulate(fused(true), {.joined = Joined::in_turn}),
                 together = simulate(fused(true), {});
  CHECK(apart.makespan() == 57);
  CHECK(times(in_turn) == times(apart));
  // In one block both passes have the block's times, so that a forward is handed on later.
  for (std::size_t rank = 0; rank < 4; ++rank) {
    const std::vector<TimedTask>& passes = together.ranks[rank].passes;
    Index joined = 0;
    for (std::size_t i = 0; i < passes.size(); ++i) {
      joined += passes[i].task.joined;
      if (!passes[i].task.joined) continue;
      CHECK(passes[i].start == passes[i + 1].start);
      CHECK(passes[i].end == passes[i + 1].end);
      CHECK(passes[i].end - passes[i].start == 3);
      CHECK(in_turn.ranks[rank].passes[i].end <= in_turn.ranks[rank].passes[i + 1].start);
    }
    CHECK(joined > 0);
  }
}

TEST_CASE("the worked example: 4 ranks, 8 microbatches") {
  const Timeline timeline = run("1f1b", 8, 4, 1);
  CHECK(timeline.makespan() == 33);
  CHECK(timeline.ideal() == 24);
  CHECK(timeline.idle(0) == 9);
  for (std::size_t rank = 0; rank < 4; ++rank) {
    CHECK(timeline.ranks[rank].peak_in_flight == 4 - static_cast<Index>(rank));
    CHECK(timeline.ranks[rank].idle_inside() == 3 * (3 - static_cast<Index>(rank)));
    CHECK(timeline.ranks[rank].begin() == static_cast<Index>(rank));
  }
  CHECK(run("zb1p", 8, 4, 1).makespan() == 27);
  CHECK(run("interleaved", 8, 4, 2).makespan() == 57);
  CHECK(run("pytorch-interleaved", 3, 4, 2).makespan() == 18 + 12);
}

TEST_CASE("a slow stage sets the pace") {
  const PipelineTasks tasks = make_schedule("1f1b", {.microbatches = 20, .pipeline = 3});
  const Timeline timeline = simulate(tasks, {.stages = {{1, 1, 1}, {5, 5, 5}, {1, 1, 1}}});
  CHECK(timeline.ideal() == 300);
  CHECK(timeline.makespan() == 300 + 3);  // and the way through the others once
}

TEST_CASE("many passes in little time") {
  const Timeline timeline = run("interleaved", 2048, 32, 2);
  CHECK(timeline.makespan() == 3 * (2 * 2048 + 31));
}

TEST_CASE("refusals") {
  const PipelineTasks good = make_schedule("1f1b", {.microbatches = 4, .pipeline = 3});
  CHECK(refusal(good, {.stages = {{}, {}}}) == "SP-PIPELINE-016: costs of 2 stages for 3");
  CHECK(refusal(good, {.stages = {}}) == "SP-PIPELINE-016: costs of 0 stages for 3");
  CHECK(refusal(good, {.stages = {{1, -1, 1}}}) == "SP-PIPELINE-016: the input half of stage 0 takes -1");
  CHECK(refusal(good, {.link = -2}) == "SP-PIPELINE-016: a message takes -2");
  CHECK(refusal(good, {.stages = {{INT64_MAX / 4, 0, 0}}}).starts_with("SP-CORE-001"));

  PipelineTasks bad = good;
  bad.ranks[1].push_back(make_task(TaskKind::forward, 4, 0));
  CHECK(refusal(bad).starts_with("SP-PIPELINE-015: rank 1 lists 'forward 4.0'"));
  bad = good;
  bad.ranks.pop_back();
  CHECK(refusal(bad).starts_with("SP-PIPELINE-015"));

  // Rank 1 has nothing to do with the first microbatch, which rank 2 begins with.
  bad = good;
  std::erase_if(bad.ranks[1], [](const Task& task) { return task.microbatch == 0; });
  CHECK(refusal(bad) ==
        "SP-PIPELINE-013: rank 1 waits in 'backward 1.0' for rank 2, which waits in 'forward 0.0' for "
        "rank 1");
  bad = good;
  std::reverse(bad.ranks[1].begin(), bad.ranks[1].end());
  CHECK(refusal(bad).starts_with("SP-PIPELINE-013: rank 1 waits in 'backward 3.0' for itself: 'forward 3.0' comes"));
}
