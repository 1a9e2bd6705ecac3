#include <shardplan/pipeline/schedule.hpp>

#include <algorithm>
#include <shardplan/pipeline/in_flight.hpp>
#include <shardplan/pipeline/progress.hpp>
#include <shardplan/pipeline/schedules/deepspeed.hpp>
#include <shardplan/pipeline/schedules/gpipe.hpp>
#include <shardplan/pipeline/schedules/megatron.hpp>
#include <shardplan/pipeline/schedules/nxd.hpp>
#include <shardplan/pipeline/schedules/pytorch.hpp>
#include <shardplan/pipeline/schedules/zero_bubble.hpp>
#include <shardplan/pipeline/simulate.hpp>
#include <tuple>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::pipeline;

namespace {

template <class Make>
TaskLists lists(const Workload& run, const Make& make) {
  return all_ranks(StagePlacement::looped, run, make).ranks;
}

/// What the proofs find, as text.
std::string faults(const PipelineTasks& tasks, Sends sends = Sends::buffered, bool forward_only = false) {
  return join(prove(tasks, sends, forward_only), "\n");
}

/// NxD keeps one received input, one output and one received gradient a rank. Whether its lists hold to that.
bool fits_single_buffers(const PipelineTasks& tasks) {
  for (std::size_t rank = 0; rank < tasks.ranks.size(); ++rank) {
    Index inputs = 0, outputs = 0, gradients = 0;
    for (const Task& task : tasks.ranks[rank]) {
      const bool last = tasks.stage(static_cast<Index>(rank), task) == tasks.stages() - 1;
      if (task.kind == TaskKind::load || task.kind == TaskKind::receive_forward) ++inputs;
      if (task.kind == TaskKind::receive_backward) ++gradients;
      if (task.kind == TaskKind::forward) --inputs;
      if (task.kind == TaskKind::forward && !last) ++outputs;
      if (task.kind == TaskKind::send_forward && task.peer >= 0) --outputs;
      if (task.kind == TaskKind::backward && !last) --gradients;
      for (const Index held : {inputs, outputs, gradients})
        if (held < 0 || held > 1) return false;
    }
  }
  return true;
}

/// P 1..9, V 1..3, M 1..33, of the larger every third.
template <class Visit>
void for_each_run(const Visit& visit) {
  for (Index ranks = 1; ranks <= 9; ++ranks)
    for (Index chunks = 1; chunks <= 3; ++chunks)
      for (Index microbatches = 1; microbatches <= 33; microbatches += microbatches < 21 ? 1 : 3)
        visit(Workload{.microbatches = microbatches, .pipeline = ranks, .chunks = chunks});
}

/// Over all small runs: the schedule is refused exactly where `exists` says so; else it runs to its end, and holds on
/// each rank as many forwards as `alive` says.
template <class Make, class Exists, class Alive>
void check_schedule(StagePlacement placement, const Make& make, const Exists& exists, const Alive& alive,
                    bool training = true) {
  Index made = 0;
  for_each_run([&](const Workload& run) {
    CAPTURE(run.pipeline);
    CAPTURE(run.chunks);
    CAPTURE(run.microbatches);
    if (!exists(run)) {
      CHECK(thrown_ids([&] { make(run); }) == Ids{"SP-PIPELINE-012"});
      return;
    }
    ++made;
    const PipelineTasks tasks = all_ranks(placement, run, make);
    CHECK(faults(tasks, Sends::buffered, !training) == "");
    Index loads = 0;
    for (const Task& task : tasks.ranks[0]) loads += task.kind == TaskKind::load && task.chunk == 0;
    CHECK(loads == run.microbatches);
    if (!training) return;
    const Timeline timeline = simulate(tasks, {.joined = Joined::in_turn});
    for (Workload at = run; at.rank < at.pipeline; ++at.rank)
      CHECK_MESSAGE(timeline.ranks[static_cast<std::size_t>(at.rank)].peak_in_flight == alive(at), "rank ", at.rank);
  });
  CHECK(made > 50);
}

bool one_chunk(const Workload& run) { return run.chunks == 1; }
Index plain_alive(const Workload& run) { return std::min(run.microbatches, run.pipeline - run.rank); }
Index with_warm_up(const Workload& run, Index warm_up) { return std::min(run.microbatches * run.chunks, warm_up + 1); }
Index behind(const Workload& run) { return run.pipeline - 1 - run.rank; }

std::string text(const TaskLists& tasks, std::size_t rank) { return join(tasks[rank], ", "); }

}  // namespace

TEST_CASE("NxD: every microbatch forward once") {
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return nxd_inference(run); }, one_chunk, plain_alive, false);
}

TEST_CASE("NxD 1F1B: complete, in step with the neighbours, min(M, P - rank) alive") {
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return nxd_1f1b(run); }, one_chunk, plain_alive);
}

TEST_CASE("NxD's older schedule: the tasks of 1F1B in the same order") {
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return nxd_legacy_1f1b(run); }, one_chunk, plain_alive);
  for_each_run([](const Workload& run) {
    if (!one_chunk(run)) return;
    CHECK(lists(run, [](const Workload& at) { return nxd_legacy_1f1b(at); }) ==
          lists(run, [](const Workload& at) { return nxd_1f1b(at); }));
  });
}

TEST_CASE("NxD interleaved: complete in both exchange orders, fused or not") {
  for (const bool odd_even : {false, true}) {
    for (const bool fused : {false, true}) {
      check_schedule(
          StagePlacement::looped,
          [&](const Workload& run) {
            return nxd_interleaved(run, {.fused_send_recv = fused, .fused_fwd_bwd = fused, .odd_even = odd_even});
          },
          [](const Workload& run) {
            return run.pipeline > 1 && run.microbatches % run.pipeline == 0 &&
                   (run.chunks > 1 || run.microbatches == run.pipeline);
          },
          [](const Workload& run) {
            return in_flight(ScheduleKind::interleaved, run.microbatches, run.pipeline, run.chunks, run.rank);
          });
    }
  }
}

TEST_CASE("NxD: no deadlock where every send waits for its receive, in single buffers") {
  for_each_run([](const Workload& run) {
    if (run.pipeline < 2) return;
    CAPTURE(run.pipeline);
    CAPTURE(run.chunks);
    CAPTURE(run.microbatches);
    if (run.chunks == 1) {
      const PipelineTasks tasks =
          all_ranks(StagePlacement::looped, run, [](const Workload& at) { return nxd_1f1b(at); });
      CHECK(faults(tasks, Sends::rendezvous) == "");
      CHECK(fits_single_buffers(tasks));
    } else if (run.microbatches % run.pipeline == 0) {
      for (const bool odd_even : {false, true}) {
        const PipelineTasks tasks = all_ranks(StagePlacement::looped, run, [&](const Workload& at) {
          return nxd_interleaved(at, {.odd_even = odd_even});
        });
        CHECK(faults(tasks, Sends::rendezvous) == "");
        CHECK(fits_single_buffers(tasks));
      }
    }
  });
}

TEST_CASE("NxD interleaved with one chunk: refused because the list that NxD makes cannot run") {
  const PipelineTasks tasks = all_ranks(StagePlacement::looped, {.microbatches = 4, .pipeline = 2},
                                        [](const Workload& at) { return nxd_interleaved(at, {}, compat); });
  const Diagnostics found = prove(tasks, Sends::buffered);
  REQUIRE(!found.empty());
  CHECK(found[0].id == "SP-PIPELINE-014");
  CHECK(found[0].message == "rank 0 lists 'send-forward 0.0 to 1', which rank 1 never receives");
}

TEST_CASE("NxD interleaved: what is joined") {
  const Workload run{.microbatches = 8, .pipeline = 4, .rank = 1, .chunks = 2};
  const auto plain = nxd_interleaved(run);
  const auto fused = nxd_interleaved(run, {.fused_send_recv = true, .fused_fwd_bwd = true});
  Index joined = 0;
  REQUIRE(plain.steps() == fused.steps());
  for (Index k = 0; k < plain.steps(); ++k) {
    Step without = fused.step(k);
    for (std::size_t i = 0; i < without.size(); ++i) {
      if (!without[i].joined) continue;
      ++joined;
      const TaskKind kind = without[i].kind, next = without[i + 1].kind;
      CHECK(((kind == TaskKind::forward && next == TaskKind::backward) ||
             (kind == TaskKind::receive_forward && next == TaskKind::send_backward) ||
             (kind == TaskKind::send_forward && next == TaskKind::receive_backward)));
      without[i].joined = false;
    }
    CHECK(without == plain.step(k));
  }
  CHECK(joined > 8);
  // As many microbatches as ranks switch fusing off.
  CHECK(
      nxd_interleaved({.microbatches = 4, .pipeline = 4, .chunks = 2}, {.fused_send_recv = true, .fused_fwd_bwd = true})
          .rule()
          .options == NxdInterleavedOptions{});
}

TEST_CASE("Megatron 1F1B: complete, and the passes of NxD") {
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return megatron_1f1b(run); }, one_chunk, plain_alive);
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return megatron_1f1b(run, {.forward_only = true}); }, one_chunk,
      plain_alive, false);
  for_each_run([](const Workload& run) {
    if (!one_chunk(run)) return;
    const auto passes = [](TaskLists tasks) {
      for (auto& list : tasks) std::erase_if(list, [](const Task& task) { return !is_compute(task.kind); });
      return tasks;
    };
    CHECK(passes(lists(run, [](const Workload& at) { return megatron_1f1b(at); })) ==
          passes(lists(run, [](const Workload& at) { return nxd_1f1b(at); })));
  });
}

TEST_CASE("Megatron interleaved: complete for every size of group, with more warm-up, and forward only") {
  for (const Index wider : {0, 1, 3}) {
    for (const bool experts : {false, true}) {
      const auto options = [&](const Workload& run) {
        return MegatronInterleavedOptions{.group = run.pipeline + wider, .overlap_moe_expert_parallel_comm = experts};
      };
      const auto exists = [&](const Workload& run) {
        const Index group = run.pipeline + wider, rest = run.microbatches % group;
        return group <= run.microbatches && (rest == 0 || rest >= run.pipeline) &&
               (run.pipeline > 1 || run.chunks == 1);
      };
      check_schedule(
          StagePlacement::looped, [&](const Workload& run) { return megatron_interleaved(run, options(run)); }, exists,
          [&](const Workload& run) {
            return with_warm_up(run, 2 * behind(run) + (run.chunks - 1) * (run.pipeline + wider) + (experts ? 1 : 0));
          });
      check_schedule(
          StagePlacement::looped,
          [&](const Workload& run) {
            auto forward_only = options(run);
            forward_only.forward_only = true;
            return megatron_interleaved(run, forward_only);
          },
          exists, plain_alive, false);
    }
  }
}

TEST_CASE("GPipe and looped BFS: complete, everything alive") {
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return gpipe(run); }, one_chunk,
      [](const Workload& run) { return run.microbatches; });
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return looped_bfs(run); }, [](const Workload&) { return true; },
      [](const Workload& run) { return run.microbatches * run.chunks; });
}

TEST_CASE("DeepSpeed: complete, in buffers enough for what is alive") {
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return deepspeed_inference(run); }, one_chunk, plain_alive,
      false);
  check_schedule(
      StagePlacement::looped,
      [](const Workload& run) {
        const auto out = deepspeed_train(run);
        CHECK(out.rule().buffers() >= plain_alive(run));
        return out;
      },
      one_chunk, plain_alive);
  // Sends and receives of a step belong together: a receive in step t has its send in step t of the neighbour.
  for (Index rank = 0; rank + 1 < 4; ++rank) {
    const auto mine = deepspeed_train({.microbatches = 7, .pipeline = 4, .rank = rank});
    const auto next = deepspeed_train({.microbatches = 7, .pipeline = 4, .rank = rank + 1});
    for (Index k = 0; k < mine.steps(); ++k) {
      Numbers sent, received;
      for (const Task& task : mine.step(k))
        if (task.kind == TaskKind::send_forward) sent.push_back(task.microbatch);
      for (const Task& task : next.step(k))
        if (task.kind == TaskKind::receive_forward) received.push_back(task.microbatch);
      CHECK(sent == received);
    }
  }
}

TEST_CASE("PyTorch 1F1B and interleaved: complete") {
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return pytorch_1f1b(run); },
      [](const Workload& run) { return one_chunk(run) && run.microbatches >= run.pipeline; }, plain_alive);
  const auto rounds = [](const Workload& run) { return std::max(Index{1}, run.microbatches / run.pipeline); };
  const auto exists = [&](const Workload& run) { return run.microbatches % rounds(run) == 0; };
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return pytorch_interleaved(run); }, exists,
      [&](const Workload& run) {
        return with_warm_up(run, 2 * behind(run) + (run.chunks - 1) * (run.microbatches / rounds(run)));
      });
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return pytorch_zero_bubble(run); }, exists,
      [&](const Workload& run) {
        return with_warm_up(run, behind(run) + (run.chunks - 1) * (run.microbatches / rounds(run)));
      });
}

TEST_CASE("zero bubble: complete, and no more alive than declared") {
  check_schedule(
      StagePlacement::looped, [](const Workload& run) { return zb1p(run); }, one_chunk, plain_alive);
  for_each_run([](const Workload& run) {
    if (!one_chunk(run)) return;
    const Timeline timeline =
        simulate(all_ranks(StagePlacement::looped, run, [](const Workload& at) { return zb1p(at); }), {});
    for (Index rank = 0; rank < run.pipeline; ++rank)
      CHECK(timeline.ranks[static_cast<std::size_t>(rank)].peak_weight_halves == std::min(run.microbatches, rank + 1));
  });
}

TEST_CASE("stages in a V: complete") {
  for_each_run([](const Workload& run) {
    CAPTURE(run.pipeline);
    CAPTURE(run.microbatches);
    if (run.chunks != 2) {
      CHECK(thrown_ids([&] { pytorch_zbv(run); }) == Ids{"SP-PIPELINE-012"});
      CHECK(thrown_ids([&] { dualpipe_v(run); }) == Ids{"SP-PIPELINE-012"});
      CHECK(thrown_ids([&] { dualpipe(run); }) == Ids{"SP-PIPELINE-012"});
      return;
    }
    // Proven, and the most that each rank holds.
    const auto peaks = [](StagePlacement placement, const Workload& some, const auto& make, Index each_way) {
      PipelineTasks tasks = all_ranks(placement, some, make);
      tasks.run.microbatches = each_way;
      CHECK(faults(tasks) == "");
      Numbers out;
      for (const RankTimeline& rank : simulate(tasks, {}).ranks) out.push_back(rank.peak_in_flight);
      return out;
    };
    const auto zbv = [](const Workload& at) { return pytorch_zbv(at); };
    for (const Index alive : peaks(StagePlacement::vee, run, zbv, run.microbatches)) {
      CHECK(alive <= 2 * run.pipeline);
      if (run.microbatches >= 2 * run.pipeline) CHECK(alive == 2 * run.pipeline);
    }
    const auto dual_v = [](const Workload& at) { return dualpipe_v(at); };
    if (run.microbatches < 2 * run.pipeline)
      CHECK(thrown_ids([&] { dual_v(run); }) == Ids{"SP-PIPELINE-012"});
    else
      for (const Index alive : peaks(StagePlacement::vee, run, dual_v, run.microbatches))
        CHECK(alive == 2 * run.pipeline + 1);
    const auto dual = [](const Workload& at) { return dualpipe(at); };
    if (run.microbatches < 2 * run.pipeline || run.microbatches % 2 != 0 || run.pipeline % 2 != 0)
      CHECK(thrown_ids([&] { dual(run); }) == Ids{"SP-PIPELINE-012"});
    else
      for (const Index alive : peaks(StagePlacement::bidirectional, run, dual, run.microbatches / 2))
        CHECK(alive == run.pipeline + 1);
  });
}

TEST_CASE("PyTorch's sends and receives: those of the lazy listing, placed by its own rule") {
  const auto sorted = [](TaskLists tasks) {
    for (auto& list : tasks) {
      std::erase_if(list, [](const Task& task) { return !is_send(task.kind) && !is_receive(task.kind); });
      std::sort(list.begin(), list.end(), [](const Task& a, const Task& b) {
        return std::tuple(a.kind, a.chunk, a.microbatch) < std::tuple(b.kind, b.chunk, b.microbatch);
      });
    }
    return tasks;
  };
  const auto compare = [&](StagePlacement placement, const Workload& run, const auto& make) {
    const TaskLists slots = lists(run, [&](const Workload& at) { return make(at, Listing::slots); });
    const TaskLists lazy = lists(run, [&](const Workload& at) { return make(at, Listing::tasks); });
    CHECK(sorted(with_communication(slots, placement, run)) == sorted(lazy));
  };
  for (Index ranks = 2; ranks <= 5; ++ranks) {
    const Workload run{.microbatches = 2 * ranks, .pipeline = ranks, .chunks = 2};
    compare(StagePlacement::looped, run, [](const Workload& at, Listing all) { return pytorch_interleaved(at, all); });
    compare(StagePlacement::looped, run, [](const Workload& at, Listing all) { return pytorch_zero_bubble(at, all); });
    compare(StagePlacement::vee, run, [](const Workload& at, Listing all) { return pytorch_zbv(at, all); });
    compare(StagePlacement::vee, run, [](const Workload& at, Listing all) { return dualpipe_v(at, all); });
  }
  const TaskLists backwards_first{{make_task(TaskKind::backward, 0, 0)}, {make_task(TaskKind::forward, 0, 0)}};
  CHECK(thrown_ids([&] { with_communication(backwards_first, StagePlacement::looped, {.pipeline = 2}); }) ==
        Ids{"SP-PIPELINE-013"});
  CHECK(thrown_ids([&] { with_bubbles(backwards_first, StagePlacement::looped, {.pipeline = 2}); }) ==
        Ids{"SP-PIPELINE-013"});
}

TEST_CASE("PyTorch's sends and receives: every message of one rank to another arrives in the order it is sent") {
  for (Index ranks = 2; ranks <= 5; ++ranks) {
    const Workload run{.microbatches = 2 * ranks, .pipeline = ranks, .chunks = 2};
    const auto check = [&](StagePlacement placement, const auto& make) {
      const TaskLists slots = lists(run, [&](const Workload& at) { return make(at, Listing::slots); });
      const PipelineTasks tasks{placement, run, with_communication(slots, placement, run)};
      CHECK(faults(tasks) == "");
      for (Index from = 0; from < ranks; ++from)
        for (Index to = 0; to < ranks; ++to) {
          std::vector<std::pair<bool, Index>> sent, received;
          for (const Task& task : tasks.ranks[static_cast<std::size_t>(from)])
            if (is_send(task.kind) && task.peer == to)
              sent.emplace_back(task.kind == TaskKind::send_forward, task.microbatch);
          for (const Task& task : tasks.ranks[static_cast<std::size_t>(to)])
            if (is_receive(task.kind) && task.peer == from)
              received.emplace_back(task.kind == TaskKind::receive_forward, task.microbatch);
          CHECK(sent == received);
        }
    };
    check(StagePlacement::looped, [](const Workload& at, Listing all) { return pytorch_interleaved(at, all); });
    check(StagePlacement::looped, [](const Workload& at, Listing all) { return looped_bfs(at, all); });
    check(StagePlacement::vee, [](const Workload& at, Listing all) { return pytorch_zbv(at, all); });
    check(StagePlacement::vee, [](const Workload& at, Listing all) { return dualpipe_v(at, all); });
  }
}

TEST_CASE("bubbles: no forward in a slot before its input") {
  const Workload run{.microbatches = 8, .pipeline = 4, .chunks = 2};
  // Made without the idle slots that ranks begin with, all of them must be put in.
  const TaskLists passes = lists(run, [](const Workload& at) { return looped_bfs(at, Listing::compute); });
  const TaskLists slots = with_bubbles(passes, StagePlacement::looped, run);
  CHECK(slots == lists(run, [](const Workload& at) { return looped_bfs(at, Listing::slots); }));
}

TEST_CASE("a schedule is a value that stores no tasks") {
  const auto far = nxd_interleaved({.microbatches = 8'000'000'000, .pipeline = 8, .rank = 2, .chunks = 3});
  CHECK(join(far.step(far.steps() - 2), ", ") == "backward 7999999999.0, send-backward 7999999999.0 to 1");
  CHECK(sizeof(far) <= 8 * sizeof(Index));
  CHECK(sizeof(Task) <= 3 * sizeof(Index));
  Index forwards = 0, last = -1;
  for (const Task& task : megatron_interleaved({.microbatches = 40'000, .pipeline = 4, .rank = 1, .chunks = 2})) {
    forwards += task.kind == TaskKind::forward;
    if (task.kind == TaskKind::backward) last = task.microbatch;
  }
  CHECK(forwards == 80'000);
  CHECK(last == 39'999);
}

TEST_CASE("any step can be asked for, and steps in order are the tasks") {
  const Workload run{.microbatches = 8, .pipeline = 4, .rank = 1, .chunks = 2};
  const auto schedule = dualpipe_v(run);
  std::vector<Task> from_steps, from_tasks;
  for (Index k = 0; k < schedule.steps(); ++k)
    for (const Task& task : schedule.step(k)) from_steps.push_back(task);
  for (auto at = schedule.begin(); !(at == schedule.end()); ++at) {
    const Step step = schedule.step(at.step_number());
    CHECK(std::count(step.begin(), step.end(), *at) == 1);
    from_tasks.push_back(*at);
  }
  CHECK(from_steps == from_tasks);
}

TEST_CASE("tasks as text") {
  const TaskLists tasks = lists({.microbatches = 2, .pipeline = 2}, [](const Workload& run) { return nxd_1f1b(run); });
  CHECK(text(tasks, 0) ==
        "load 0.0, forward 0.0, send-forward 0.0 to 1, load 1.0, forward 1.0, receive-backward 0.0 from 1, "
        "send-forward 1.0 to 1, backward 0.0, receive-backward 1.0 from 1, backward 1.0, reduce-gradients");
  CHECK(text(tasks, 1) ==
        "receive-forward 0.0 from 0, forward 0.0, backward 0.0, send-backward 0.0 to 0, receive-forward 1.0 from 0, "
        "forward 1.0, backward 1.0, send-backward 1.0 to 0, reduce-gradients");
  CHECK(concat(make_task(TaskKind::forward, 3, 1, -1, true)) == "forward 3.1 +");
}

TEST_CASE("refusals say what would be valid") {
  const auto hint = [](const auto& make) -> std::string {
    try {
      make();
    } catch (const Error& error) {
      return error.diagnostics()[0].hint;
    }
    return "nothing thrown";
  };
  CHECK(thrown_ids([] { nxd_1f1b({.microbatches = 0}); }) == Ids{"SP-PIPELINE-012"});
  CHECK(thrown_ids([] { nxd_1f1b({.pipeline = 4, .rank = 4}); }) == Ids{"SP-PIPELINE-012"});
  CHECK(thrown_ids([] { nxd_1f1b({.pipeline = 4, .rank = -1}); }) == Ids{"SP-PIPELINE-012"});
  CHECK(thrown_ids([] { nxd_1f1b({.pipeline = 0}); }) == Ids{"SP-PIPELINE-008"});
  CHECK(thrown_ids([] { nxd_1f1b({.microbatches = INT64_MAX}); }) == Ids{"SP-CORE-001"});
  CHECK(hint([] { nxd_interleaved({.microbatches = 6, .pipeline = 4, .chunks = 2}); }) == "4 or 8 microbatches");
  CHECK(hint([] { megatron_interleaved({.microbatches = 9, .pipeline = 4, .chunks = 2}); }) == "8 or 12 microbatches");
  CHECK(hint([] { megatron_interleaved({.microbatches = 9, .pipeline = 4, .chunks = 2}, {.group = 3}); }) ==
        "groups of 4 to 9");
  CHECK(hint([] { megatron_interleaved({.microbatches = 3, .pipeline = 4, .chunks = 2}); }) ==
        "at least 4 microbatches");
  CHECK(thrown_ids([] {
          megatron_interleaved({.microbatches = 4, .pipeline = 2, .chunks = 2}, {.overlap_p2p_comm = false});
        }) == Ids{"SP-PIPELINE-012"});
  CHECK(hint([] { pytorch_interleaved({.microbatches = 9, .pipeline = 4, .chunks = 2}); }) == "8 or 10 microbatches");
  CHECK(hint([] { dualpipe_v({.microbatches = 7, .pipeline = 4, .chunks = 2}); }) == "at least 8");
  CHECK(hint([] { dualpipe({.microbatches = 9, .pipeline = 4, .chunks = 2}); }) == "8 or 10 microbatches");
  CHECK(hint([] { dualpipe({.microbatches = 12, .pipeline = 5, .chunks = 2}); }) == "4 or 6 ranks");
}

TEST_CASE("schedules are constant expressions") {
  static_assert(nxd_1f1b({.microbatches = 8, .pipeline = 4, .rank = 3}).steps() == 17);
  static_assert(nxd_interleaved({.microbatches = 8, .pipeline = 4, .chunks = 2}).rule().warm_up() == 10);
  static_assert(nxd_1f1b({.microbatches = 8, .pipeline = 4, .rank = 1}).step(3).size() == 4);
  CHECK(true);
}
