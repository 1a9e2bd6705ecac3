#include <shardplan/pipeline/progress.hpp>

#include <algorithm>
#include <shardplan/pipeline/catalogue.hpp>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::pipeline;

namespace {

constexpr Sends both_kinds[] = {Sends::rendezvous, Sends::buffered};

PipelineTasks plain(Index ranks, Index microbatches, std::string_view name = "nxd-1f1b") {
  return make_schedule(name, {.microbatches = microbatches, .pipeline = ranks});
}

/// The message of the only finding, which has this id; else what was found.
std::string only(std::string_view id, const Diagnostics& found) {
  if (found.size() == 1 && found[0].id == id) return found[0].message;
  return concat(found.size(), " findings: ", join(found, "\n"));
}
Ids ids(const Diagnostics& found) {
  Ids out;
  for (const Diagnostic& one : found) out.emplace_back(one.id);
  return out;
}

std::size_t find(const std::vector<Task>& list, std::string_view text) {
  std::size_t at = 0;
  while (at < list.size() && concat(list[at]) != text) ++at;
  REQUIRE(at < list.size());
  return at;
}
void remove(std::vector<Task>& list, std::string_view text) {
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(find(list, text)));
}

/// Whether a rank lists a task before what it needs of its own: exchanges around passes, forward before backward.
bool in_own_order(const std::vector<Task>& list) {
  using enum TaskKind;
  struct {
    TaskKind task, needs;
  } constexpr rules[] = {{forward, load},
                         {forward, receive_forward},
                         {send_forward, forward},
                         {backward, forward},
                         {backward, receive_backward},
                         {send_backward, backward},
                         {backward_input, forward},
                         {backward_input, receive_backward},
                         {send_backward, backward_input},
                         {backward_weight, backward_input}};
  for (std::size_t i = 0; i < list.size(); ++i)
    for (std::size_t later = i + 1; later < list.size(); ++later)
      for (const auto& [task, needs] : rules)
        if (list[i].kind == task && list[later].kind == needs && list[i].microbatch == list[later].microbatch &&
            list[i].chunk == list[later].chunk)
          return false;
  return true;
}

/// An oracle with nothing in common with the library's: whether all ranks list tasks in an order that they can do, and
/// order and messages together make no circle. Earliest times are put right again and again, which must settle.
bool comes_to_its_end(const PipelineTasks& tasks, Sends sends) {
  for (const auto& list : tasks.ranks)
    if (!in_own_order(list)) return false;
  struct Node {
    Index before = -1;  // on the same rank
    Index other = -1;   // the one that it exchanges with
  };
  std::vector<Node> nodes;
  std::vector<std::pair<Index, Task>> all;
  for (std::size_t r = 0; r < tasks.ranks.size(); ++r)
    for (std::size_t i = 0; i < tasks.ranks[r].size(); ++i) {
      nodes.push_back({i == 0 ? -1 : static_cast<Index>(nodes.size()) - 1, -1});
      all.emplace_back(static_cast<Index>(r), tasks.ranks[r][i]);
    }
  for (std::size_t a = 0; a < all.size(); ++a) {
    const auto& [rank, task] = all[a];
    if (!is_send(task.kind) || task.peer < 0) continue;
    const bool forward = task.kind == TaskKind::send_forward;
    const Place to = neighbour(tasks.placement, tasks.run, {rank, task.chunk}, forward ? 1 : -1);
    for (std::size_t b = 0; b < all.size(); ++b)
      if (all[b].first == to.rank &&
          all[b].second == make_task(forward ? TaskKind::receive_forward : TaskKind::receive_backward, task.microbatch,
                                     to.chunk, rank)) {
        nodes[b].other = static_cast<Index>(a);
        if (sends == Sends::rendezvous) nodes[a].other = static_cast<Index>(b);
      }
  }
  // begin(task) >= begin(before) + 1; an exchange ends only when the other one has begun.
  const auto size = static_cast<Index>(nodes.size());
  std::vector<Index> begins(nodes.size(), 0), ends(nodes.size(), 1);
  for (Index round = 0; round <= 2 * size + 2; ++round) {
    bool changed = false;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const Index begin = nodes[i].before < 0 ? 0 : ends[static_cast<std::size_t>(nodes[i].before)];
      const Index end = std::max(begin, nodes[i].other < 0 ? 0 : begins[static_cast<std::size_t>(nodes[i].other)]) + 1;
      changed = changed || begin != begins[i] || end != ends[i];
      begins[i] = begin;
      ends[i] = end;
    }
    if (!changed) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("all schedules over P 1..9, V 1..3, M 1..33: proven with the sends declared, or refused with a reason") {
  for (const ScheduleEntry& entry : schedule_catalogue) {
    CAPTURE(entry.name);
    Index made = 0, deadlocks = 0;
    for (Index ranks = 1; ranks <= 9; ++ranks)
      for (Index chunks = 1; chunks <= 3; ++chunks)
        for (Index microbatches = 1; microbatches <= 33; microbatches += microbatches < 9 ? 1 : 3) {
          CAPTURE(ranks);
          CAPTURE(chunks);
          CAPTURE(microbatches);
          const Workload run{.microbatches = microbatches, .pipeline = ranks, .chunks = chunks};
          Diagnostics refused;
          PipelineTasks tasks;
          try {
            tasks = entry.make(run);
          } catch (const Error& error) {
            refused = error.diagnostics();
          }
          if (!refused.empty()) {
            CHECK(ids(refused) == Ids{"SP-PIPELINE-012"});
            CHECK(!refused[0].hint.empty());
            continue;
          }
          ++made;
          CHECK(entry.accepts_chunks(chunks));
          CHECK(join(prove(tasks, entry.sends, entry.forward_only), "\n") == "");
          if (entry.sends == Sends::buffered)
            deadlocks += !prove_progress(tasks, Sends::rendezvous).empty();
          else
            CHECK(prove_progress(tasks, Sends::buffered).empty());
        }
    CHECK(made > 10);
    // "Buffered" is not said of a schedule that would do without.
    CHECK((deadlocks > 0) == (entry.sends == Sends::buffered));
  }
}

TEST_CASE("progress is what an independent search for circles says, of whole and of shuffled schedules") {
  unsigned state = 1;
  const auto random = [&](std::size_t below) {
    state = state * 1664525u + 1013904223u;
    return static_cast<std::size_t>(state >> 8) % below;
  };
  Index stuck[2] = {0, 0}, free[2] = {0, 0};
  for (const std::string_view name : {"1f1b", "interleaved", "gpipe", "looped-bfs", "deepspeed", "zb1p"}) {
    const ScheduleEntry& entry = find_schedule(name);
    for (std::size_t change = 0; change < 60; ++change) {
      PipelineTasks tasks = entry.make({.microbatches = 3, .pipeline = 3, .chunks = entry.wanted_chunks()});
      for (std::size_t swaps = 0; swaps < change / 10; ++swaps) {
        auto& list = tasks.ranks[random(3)];
        const std::size_t at = random(list.size() - 1);
        std::swap(list[at], list[at + 1]);
      }
      for (const Sends sends : both_kinds) {
        const bool ends = comes_to_its_end(tasks, sends);
        CHECK(prove_progress(tasks, sends).empty() == ends);
        ++(ends ? free : stuck)[sends == Sends::buffered ? 1 : 0];
      }
    }
  }
  for (const Index count : {stuck[0], stuck[1], free[0], free[1]}) CHECK(count > 20);
  CHECK(stuck[0] > stuck[1]);
}

TEST_CASE("a pass too few or too many") {
  PipelineTasks tasks = plain(2, 3);
  remove(tasks.ranks[1], "backward 2.0");
  CHECK(only("SP-PIPELINE-015", prove(tasks, Sends::rendezvous)) == "rank 1 never runs 'backward 2.0'");

  tasks = plain(2, 3);
  tasks.ranks[0].push_back(make_task(TaskKind::forward, 1, 0));
  CHECK(only("SP-PIPELINE-015", prove(tasks, Sends::rendezvous)) == "rank 0 runs 'forward 1.0' twice, or a part of it");

  tasks = plain(2, 3, "zb1p");
  remove(tasks.ranks[0], "backward-weight 0.0");
  CHECK(only("SP-PIPELINE-015", prove_complete(tasks)) == "rank 0 never runs 'backward-weight 0.0'");
  tasks.ranks[0].push_back(make_task(TaskKind::backward, 0, 0));  // its input half twice, its weight half once
  CHECK(only("SP-PIPELINE-015", prove_complete(tasks)) == "rank 0 runs 'backward 0.0' twice, or a part of it");

  tasks = plain(2, 3);
  tasks.ranks[0].push_back(make_task(TaskKind::forward, 3, 0));
  CHECK(only("SP-PIPELINE-015", prove_complete(tasks)) ==
        "rank 0 lists 'forward 3.0' in a schedule of 3 microbatches and 1 chunks a rank");
  CHECK(thrown_ids([&] { prove_exchanges(tasks); }) == Ids{"SP-PIPELINE-015"});
  CHECK(thrown_ids([&] { prove_progress(tasks, Sends::buffered); }) == Ids{"SP-PIPELINE-015"});

  tasks = plain(2, 3);
  tasks.ranks.pop_back();
  CHECK(ids(prove_complete(tasks)) == Ids{"SP-PIPELINE-015"});
  // A workload that its lists cannot hold takes no room.
  tasks = plain(2, 3);
  tasks.run.microbatches = Index{1} << 40;
  CHECK(ids(prove_complete(tasks)) == Ids{"SP-PIPELINE-015"});
}

TEST_CASE("forward only") {
  const PipelineTasks inference = plain(3, 4, "nxd-inference"), training = plain(3, 4);
  CHECK(prove_complete(inference, true).empty());
  CHECK(prove_complete(inference).size() == 12);
  CHECK(prove_complete(training, true).size() == 12);
  CHECK(prove_complete(plain(3, 9), true).size() == 16);  // as many as are named
}

TEST_CASE("an exchange that is missing, of the wrong peer or listed twice") {
  PipelineTasks tasks = plain(3, 4);
  remove(tasks.ranks[1], "send-forward 2.0 to 2");
  CHECK(only("SP-PIPELINE-014", prove(tasks, Sends::rendezvous)) ==
        "rank 2 lists 'receive-forward 2.0 from 1', which rank 1 never sends");
  CHECK(prove_exchanges(tasks)[0].hint == "'send-forward 2.0 to 2' on rank 1");
  // Alone, the proof of progress sees who waits in the end.
  for (const Sends sends : both_kinds)
    CHECK(only("SP-PIPELINE-013", prove_progress(tasks, sends)) ==
          "rank 1 waits in 'receive-backward 2.0 from 2' for rank 2, which waits in 'receive-forward 2.0 from 1' for "
          "rank 1");

  tasks = plain(3, 4);
  remove(tasks.ranks[0], "receive-backward 1.0 from 1");
  CHECK(only("SP-PIPELINE-014", prove(tasks, Sends::rendezvous)) ==
        "rank 1 lists 'send-backward 1.0 to 0', which rank 0 never receives");

  tasks = plain(3, 4);
  remove(tasks.ranks[0], "send-forward 3.0 to 1");
  remove(tasks.ranks[1], "receive-forward 3.0 from 0");
  CHECK(only("SP-PIPELINE-014", prove(tasks, Sends::rendezvous)) ==
        "rank 0 never sends the result of 'forward 3.0', which rank 1 needs");

  tasks = plain(3, 4);
  Task& send = tasks.ranks[0][find(tasks.ranks[0], "send-forward 1.0 to 1")];
  send.peer = 2;
  CHECK(only("SP-PIPELINE-014", prove(tasks, Sends::rendezvous)) ==
        "rank 0 lists 'send-forward 1.0 to 2', which has no such peer");
  CHECK(prove_exchanges(tasks)[0].hint == "'send-forward 1.0 to 1'");

  tasks = plain(3, 4);
  tasks.ranks[2].push_back(make_task(TaskKind::receive_backward, 0, 0, 0));
  CHECK(only("SP-PIPELINE-014", prove(tasks, Sends::rendezvous)) ==
        "rank 2 lists 'receive-backward 0.0 from 0', which has no such peer");
  CHECK(prove_progress(tasks, Sends::rendezvous).empty());

  tasks = plain(3, 4);
  tasks.ranks[0].push_back(make_task(TaskKind::send_forward, 3, 0, 1));
  CHECK(only("SP-PIPELINE-014", prove_exchanges(tasks)) == "rank 0 lists 'send-forward 3.0 to 1' twice");

  // Passes alone exchange nothing; they can be followed nevertheless.
  const PipelineTasks passes = all_ranks(StagePlacement::looped, {.microbatches = 2, .pipeline = 2},
                                         [](const Workload& run) { return gpipe(run, Listing::compute); });
  CHECK(prove_exchanges(passes).size() == 4);
  CHECK(prove_progress(passes, Sends::rendezvous).empty());
}

TEST_CASE("two ranks that both send first: they wait for one another unless sends are buffered") {
  const PipelineTasks looped = make_schedule("looped-bfs", {.microbatches = 2, .pipeline = 2, .chunks = 2});
  CHECK(prove(looped, Sends::buffered).empty());
  CHECK(only("SP-PIPELINE-013", prove(looped, Sends::rendezvous)) ==
        "rank 0 waits in 'send-forward 1.0 to 1' for rank 1, which waits in 'send-forward 0.0 to 0' for rank 0");
}

TEST_CASE("tasks in the wrong order: the circle that is made, the rank itself where it waits for itself") {
  PipelineTasks tasks = plain(2, 3);
  auto& list = tasks.ranks[0];
  std::swap(list[find(list, "forward 0.0")], list[find(list, "send-forward 0.0 to 1")]);
  for (const Sends sends : both_kinds)
    CHECK(only("SP-PIPELINE-013", prove(tasks, sends)) ==
          "rank 0 waits in 'send-forward 0.0 to 1' for itself: 'forward 0.0' comes later, or never");

  tasks = plain(2, 3);
  auto& other = tasks.ranks[1];
  std::swap(other[find(other, "receive-forward 1.0 from 0")], other[find(other, "forward 1.0")]);
  CHECK(only("SP-PIPELINE-013", prove(tasks, Sends::buffered)) ==
        "rank 1 waits in 'forward 1.0' for itself: 'receive-forward 1.0 from 0' comes later, or never");

  tasks = plain(2, 3);
  std::swap(tasks.ranks[0][0], tasks.ranks[0][1]);
  CHECK(only("SP-PIPELINE-013", prove(tasks, Sends::buffered)) ==
        "rank 0 waits in 'forward 0.0' for itself: 'load 0.0' comes later, or never");

  // The gradient asked for before the activations that it is made of are sent.
  tasks = plain(2, 3);
  auto& early = tasks.ranks[0];
  std::swap(early[find(early, "send-forward 0.0 to 1")], early[find(early, "receive-backward 0.0 from 1")]);
  CHECK(only("SP-PIPELINE-013", prove(tasks, Sends::buffered)) ==
        "rank 0 waits in 'receive-backward 0.0 from 1' for rank 1, which waits in 'receive-forward 0.0 from 0' for "
        "rank 0");
}

TEST_CASE("a circle of many ranks is named from its lowest one, as far as a message should go") {
  const auto ring = [](Index ranks) {
    PipelineTasks tasks{StagePlacement::looped,
                        {.microbatches = 1, .pipeline = ranks, .chunks = 2},
                        TaskLists(static_cast<std::size_t>(ranks))};
    for (Index r = 0; r < ranks; ++r) {
      auto& list = tasks.ranks[static_cast<std::size_t>(r)];
      const Workload run{.microbatches = 1, .pipeline = ranks, .rank = r, .chunks = 2};
      for (Index chunk = 0; chunk < 2; ++chunk) {
        list.push_back(make_task(TaskKind::forward, 0, chunk));
        list.push_back(send_forward(StagePlacement::looped, run, 0, chunk));
      }
    }
    return tasks;
  };
  // Nobody lists a receive, so that passes follow their data, and a send that waits for one waits for ever.
  CHECK(prove_progress(ring(3), Sends::buffered).empty());
  CHECK(only("SP-PIPELINE-013", prove_progress(ring(3), Sends::rendezvous)) ==
        "rank 0 waits in 'send-forward 0.0 to 1' for rank 1, which waits in 'send-forward 0.0 to 2' for rank 2, which "
        "waits in 'send-forward 0.0 to 0' for rank 0");
  const std::string of_many = only("SP-PIPELINE-013", prove_progress(ring(40), Sends::rendezvous));
  CHECK(of_many.ends_with("which waits in 'send-forward 0.0 to 12' for rank 12, and so on"));
}

TEST_CASE("the waiting rank is named where the other one's list has ended") {
  PipelineTasks tasks = plain(2, 1);
  tasks.ranks[0].clear();
  CHECK(only("SP-PIPELINE-013", prove_progress(tasks, Sends::buffered)) ==
        "rank 1 waits in 'receive-forward 0.0 from 0' for rank 0, whose list has ended");
}
