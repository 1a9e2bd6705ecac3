#include <shardplan/pipeline/choose.hpp>

#include <algorithm>
#include <utility>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::pipeline;

namespace {

constexpr ItemCosts embedding{{1, 0, 1}, 400, 10, 0}, layer{{10, 10, 10}, 100, 50, 20}, head{{15, 15, 15}, 400, 30, 10};

std::vector<ItemCosts> model(Index layers) {
  std::vector<ItemCosts> out(static_cast<std::size_t>(layers) + 2, layer);
  out.front() = embedding;
  out.back() = head;
  return out;
}

const Choice& of(const std::vector<Choice>& all, std::string_view name, Index chunks) {
  for (const Choice& one : all)
    if (one.candidate == Candidate{std::string(name), chunks}) return one;
  REQUIRE(false);
  return all.front();
}

/// Most bytes of every rank, over a replay of its tasks in which every microbatch is named.
Numbers replayed_memory(const PipelineTasks& tasks, const std::vector<ItemCosts>& items,
                        const std::vector<Interval>& stages) {
  Numbers out;
  for (std::size_t r = 0; r < tasks.ranks.size(); ++r) {
    Index held = 0, most = 0, after_block = 0;
    const auto sum = [&](const Task& task, Index ItemCosts::*part) {
      Index total = 0;
      const Interval some = stages[static_cast<std::size_t>(tasks.stage(static_cast<Index>(r), task))];
      for (Index i = some.begin; i < some.end; ++i) total += items[static_cast<std::size_t>(i)].*part;
      return total;
    };
    for (Index chunk = 0; chunk < tasks.run.chunks; ++chunk)
      held += sum(make_task(TaskKind::forward, 0, chunk), &ItemCosts::weights);
    for (const Task& task : tasks.ranks[r]) {
      if (task.kind == TaskKind::forward) held += sum(task, &ItemCosts::activations);
      most = std::max(most, held);
      if (is_backward(task.kind)) after_block -= sum(task, &ItemCosts::activations);
      if (task.kind == TaskKind::backward_input) after_block += sum(task, &ItemCosts::kept_for_weights);
      if (task.kind == TaskKind::backward_weight) after_block -= sum(task, &ItemCosts::kept_for_weights);
      if (task.joined) continue;
      held += std::exchange(after_block, 0);
      most = std::max(most, held);
    }
    out.push_back(most);
  }
  return out;
}

}  // namespace

TEST_CASE("candidates: every training schedule with the chunks that it accepts") {
  for (const Candidate& one : candidates(3)) {
    const ScheduleEntry& entry = find_schedule(one.schedule);
    CHECK(entry.accepts_chunks(one.chunks));
    CHECK_FALSE(entry.forward_only);
  }
  Index interleaved = 0;
  for (const Candidate& one : candidates(3)) interleaved += one.schedule == "nxd-interleaved";
  CHECK(interleaved == 3);
}

TEST_CASE("choices: sorted, complete cuts, figures of a simulation, memory of a replay") {
  const auto items = model(16);
  const PipelineJob job{.pipeline = 4, .microbatches = 8, .link = 2};
  const auto tried = candidates(2);
  const auto choices = choose(tried, items, job);
  REQUIRE(choices.size() == tried.size());
  bool possible = true;
  Index before = 0, impossible = 0;
  for (const Choice& choice : choices) {
    CAPTURE(choice.candidate.schedule);
    CAPTURE(choice.candidate.chunks);
    CHECK((possible || !choice.possible()));
    possible = choice.possible();
    impossible += !possible;
    if (!possible) continue;
    CHECK(choice.makespan >= before);
    before = choice.makespan;
    Index next = 0;
    for (const Interval some : choice.stages) {
      CHECK(some.begin == next);
      CHECK(some.size() > 0);
      next = some.end;
    }
    CHECK(next == 18);
    const PipelineTasks tasks =
        make_schedule(choice.candidate.schedule, {.microbatches = 8, .pipeline = 4, .chunks = choice.candidate.chunks});
    const Timeline timeline = simulate(tasks, {.stages = choice.costs, .link = 2});
    CHECK(choice.makespan == timeline.makespan());
    CHECK(choice.ideal == timeline.ideal());
    CHECK(choice.bubble == timeline.bubble());
    CHECK(choice.memory == replayed_memory(tasks, items, choice.stages));
    for (std::size_t r = 0; r < 4; ++r) CHECK(choice.in_flight[r] == timeline.ranks[r].peak_in_flight);
  }
  // NxD's and Megatron's interleaved schedules with one chunk: the first refuses more microbatches than ranks.
  CHECK(impossible == 1);
  CHECK(choices.back().candidate == Candidate{"nxd-interleaved", 1});
  CHECK(choices.back().impossible[0].id == "SP-PIPELINE-012");
  CHECK(of(choices, "nxd-1f1b", 1).memory[3] < of(choices, "gpipe", 1).memory[3]);
  CHECK(of(choices, "zb1p", 1).makespan < of(choices, "nxd-1f1b", 1).makespan);
}

TEST_CASE("a cap moves the cut, then leaves schedules out, and says why") {
  const auto items = model(16);
  const std::vector<Candidate> tried{{"gpipe", 1}, {"1f1b", 1}, {"interleaved", 2}, {"dualpipe", 2}, {"v-min", 2}};
  const auto fits = [&](Index cap) {
    Index count = 0;
    for (const Choice& choice : choose(tried, items, {.pipeline = 4, .microbatches = 16, .memory = cap})) {
      if (!choice.possible()) {
        CHECK(choice.impossible[0].id == "SP-PIPELINE-007");
        continue;
      }
      ++count;
      for (const Index bytes : choice.memory) CHECK(bytes <= cap);
    }
    return count;
  };
  Index before = 0;
  for (Index cap = 500; cap <= 8000; cap += 250) {
    const Index now = fits(cap);
    CHECK(now >= before);
    before = now;
  }
  CHECK(fits(500) == 0);
  CHECK(before == 5);

  // 1F1B's first rank holds four microbatches: with less memory it takes fewer layers.
  const std::vector<Candidate> one{{"1f1b", 1}};
  const auto free = choose(one, items, {.pipeline = 4, .microbatches = 16});
  const Index enough = free[0].memory[0];
  const auto tight = choose(one, items, {.pipeline = 4, .microbatches = 16, .memory = enough - 1});
  REQUIRE(tight[0].possible());
  CHECK(tight[0].stages[0].size() < free[0].stages[0].size());
  CHECK(tight[0].makespan >= free[0].makespan);
}

TEST_CASE("what cannot be tried, and what is an error") {
  const auto items = model(4);
  const std::vector<Candidate> tried{{"1f1b", 1}, {"interleaved", 2}, {"zb9p", 1}};
  const auto choices = choose(tried, items, {.pipeline = 4, .microbatches = 4});
  REQUIRE(choices.size() == 3);
  CHECK(choices[0].possible());
  CHECK(choices[1].impossible[0].id == "SP-PIPELINE-001");  // 8 stages of 6 items
  CHECK(choices[2].impossible[0].id == "SP-PIPELINE-017");
  CHECK(thrown_ids([&] { choose(tried, items, {.pipeline = 4, .link = -1}); }) == Ids{"SP-PIPELINE-016"});
  auto negative = items;
  negative[1].weights = -1;
  CHECK(thrown_ids([&] { choose(tried, negative, {.pipeline = 4}); }) == Ids{"SP-PIPELINE-010"});
  auto huge = items;
  for (ItemCosts& one : huge) one.times.forward = INT64_MAX / 8;
  CHECK(thrown_ids([&] { choose(tried, huge, {.pipeline = 4, .microbatches = 64}); }) == Ids{"SP-CORE-001"});
}

TEST_CASE("choose: chunks that fit with the rank's memory shared out evenly are found, whatever the cap's remainder") {
  // Balanced by time, rank 0 would hold 27 + 27 items; 25 in every stage are the only cut that it has room for.
  std::vector<ItemCosts> items;
  for (const Index time : {23, 27, 23, 27})
    for (Index i = 0; i < 621 / time; ++i) items.push_back({.times = {time, 0, 0}, .weights = 1});
  REQUIRE(items.size() == 100);
  const std::vector<Candidate> one{{"looped-bfs", 2}};
  for (const Index cap : {50, 51, 53}) {
    CAPTURE(cap);
    const Choice choice = choose(one, items, {.pipeline = 2, .microbatches = 2, .memory = cap}).front();
    REQUIRE(choice.possible());
    for (const Index bytes : choice.memory) CHECK(bytes <= cap);
  }
}
