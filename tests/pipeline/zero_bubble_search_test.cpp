#include <shardplan/pipeline/schedules/zero_bubble_search.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <shardplan/pipeline/schedules/v_schedules.hpp>
#include <shardplan/pipeline/schedules/zbv_search.hpp>
#include <shardplan/pipeline/schedules/zero_bubble.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::pipeline;

namespace {

constexpr SearchCosts all_costs[] = {{},           {10, 12, 8, 3}, {1, 3, 1, 1}, {3, 1, 2, 0},
                                     {1, 1, 5, 2}, {1, 1, 1, 10},  {2, 7, 0, 1}, {0, 1, 1, 0}};

/// What running a schedule shows.
struct Outcome {
  std::string fault;      ///< empty: every pass once, and every rank comes to the end
  Index makespan = 0;     ///< end of the last pass
  Numbers idle_inside{};  ///< of each rank's span
  Index peak = 0;         ///< most memory held by a rank
  Index alive = 0;        ///< most forwards of a rank whose input half is not done
  bool in_order = true;   ///< of every rank, chunk and kind: microbatches ascend
};

/// Runs the passes of all ranks, each as soon as its rank is free and its inputs are there.
Outcome run_passes(const PipelineTasks& tasks, const SearchCosts& costs, const SearchMemory& memory = {}) {
  Outcome out;
  const Index microbatches = tasks.run.microbatches, stages = tasks.stages();
  const auto at = [&](Index stage, Index m) { return static_cast<std::size_t>(stage * microbatches + m); };
  const auto cells = static_cast<std::size_t>(stages * microbatches);
  std::vector<Index> forward(cells, -1), input(cells, -1), weight(cells, -1);
  struct State {
    std::size_t next = 0;
    Index clock = 0, begin = -1, busy = 0, held = 0, alive = 0;
    std::array<Index, 6> last{-1, -1, -1, -1, -1, -1};
  };
  std::vector<State> ranks(tasks.ranks.size());
  for (bool progress = true; progress;) {
    progress = false;
    for (std::size_t r = 0; r < ranks.size(); ++r) {
      State& rank = ranks[r];
      for (; rank.next < tasks.ranks[r].size(); ++rank.next, progress = true) {
        const Task& task = tasks.ranks[r][rank.next];
        const Index stage = tasks.stage(static_cast<Index>(r), task), m = task.microbatch;
        if (m < 0 || m >= microbatches || stage < 0 || stage >= stages) return {concat("no such pass: ", task)};
        const bool ahead = task.kind == TaskKind::forward, half = task.kind == TaskKind::backward_input;
        if (!ahead && !half && task.kind != TaskKind::backward_weight) return {concat("not a pass: ", task)};
        Index start = rank.clock;
        bool ready = true;
        const auto need = [&](const std::vector<Index>& end, Index of, Index link) {
          ready = ready && end[at(of, m)] >= 0;
          start = std::max(start, end[at(of, m)] + link);
        };
        const auto link = [&](Index other) {
          const auto place = [&](Index s) {
            return tasks.placement == StagePlacement::vee && s >= tasks.run.pipeline ? stages - 1 - s : s;
          };
          return place(other) == static_cast<Index>(r) ? 0 : costs.link;
        };
        if (ahead && stage > 0) need(forward, stage - 1, link(stage - 1));
        if (half) need(forward, stage, 0);
        if (half && stage + 1 < stages) need(input, stage + 1, link(stage + 1));
        if (!ahead && !half) need(input, stage, 0);
        if (!ready) break;
        Index& end = (ahead ? forward : half ? input : weight)[at(stage, m)];
        if (end >= 0) return {concat("twice: ", task)};
        const Index cost = ahead ? costs.forward : half ? costs.input : costs.weight;
        end = start + cost;
        if (rank.begin < 0) rank.begin = start;
        rank.busy += cost;
        rank.clock = end;
        rank.alive += ahead ? 1 : half ? -1 : 0;
        rank.held += ahead ? memory.forward : half ? -memory.input_frees : memory.input_frees - memory.forward;
        out.peak = std::max(out.peak, rank.held);
        out.alive = std::max(out.alive, rank.alive);
        Index& before = rank.last[static_cast<std::size_t>(task.chunk) * 3 + (ahead ? 0U : half ? 1U : 2U)];
        out.in_order = out.in_order && before < m;
        before = m;
      }
    }
  }
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    if (ranks[r].next < tasks.ranks[r].size()) return {concat("rank ", r, " waits for ever")};
    if (ranks[r].held != 0) return {concat("rank ", r, " keeps ", ranks[r].held)};
    out.makespan = std::max(out.makespan, ranks[r].clock);
    out.idle_inside.push_back(ranks[r].clock - ranks[r].begin - ranks[r].busy);
  }
  for (const auto* end : {&forward, &input, &weight})
    if (std::count(end->begin(), end->end(), -1) > 0) out.fault = "a pass is missing";
  return out;
}

Index most_idle(const Outcome& outcome) {
  return *std::max_element(outcome.idle_inside.begin(), outcome.idle_inside.end());
}

/// Empty, or why a schedule with exchanges is not its passes, every result received between its making and its use.
std::string exchange_fault(const PipelineTasks& tasks, const PipelineTasks& passes) {
  using Message = std::tuple<Index, bool, Index, Index>;  // receiving rank, forward, stage that reads it, microbatch
  std::set<Message> sent, got;
  std::size_t sends = 0;
  for (std::size_t r = 0; r < tasks.ranks.size(); ++r) {
    std::vector<Task> rest;
    for (const Task& task : tasks.ranks[r]) {
      const Index stage = task.microbatch < 0 ? 0 : tasks.stage(static_cast<Index>(r), task);
      const bool ahead = task.kind == TaskKind::send_forward || task.kind == TaskKind::receive_forward;
      if (is_compute(task.kind)) rest.push_back(task);
      if (is_send(task.kind)) {
        sends += sent.insert({task.peer, ahead, stage + (ahead ? 1 : -1), task.microbatch}).second ? 1U : 0U;
        if (rest.empty() || rest.back().microbatch != task.microbatch || rest.back().chunk != task.chunk)
          return concat("not right after its pass: ", task);
      }
      if (is_receive(task.kind)) got.insert({static_cast<Index>(r), ahead, stage, task.microbatch});
    }
    if (rest != passes.ranks[r]) return "other passes";
    if (tasks.ranks[r].back() != Task{TaskKind::reduce_gradients}) return "no reduction at the end";
  }
  if (sent != got) return "sends are not receives";
  const Index crossings = tasks.stages() - tasks.run.chunks;  // the turn of a V is within a rank
  return static_cast<Index>(sends) == 2 * crossings * tasks.run.microbatches ? "" : "too few sends";
}

/// `0F0 0I0 0W0`: stage, pass, microbatch.
std::vector<std::string> words(const PipelineTasks& tasks) {
  std::vector<std::string> out;
  for (std::size_t r = 0; r < tasks.ranks.size(); ++r) {
    std::string line;
    for (const Task& task : tasks.ranks[r]) {
      const char letter = task.kind == TaskKind::forward ? 'F' : task.kind == TaskKind::backward_input ? 'I' : 'W';
      line += concat(line.empty() ? "" : " ", tasks.stage(static_cast<Index>(r), task), letter, task.microbatch);
    }
    out.push_back(line);
  }
  return out;
}

constexpr Listing passes_only = Listing::compute;

Workload one_chunk(Index microbatches, Index pipeline) { return {.microbatches = microbatches, .pipeline = pipeline}; }
Workload two_chunks(Index microbatches, Index pipeline) {
  return {.microbatches = microbatches, .pipeline = pipeline, .chunks = 2};
}

/// `check(microbatches, pipeline)` for all small sizes and some larger ones.
template <class Check>
void for_sizes(const Check& check) {
  for (Index pipeline = 1; pipeline <= 8; ++pipeline)
    for (Index microbatches = 1; microbatches <= 24; ++microbatches) check(microbatches, pipeline);
  for (const Index pipeline : {11, 16})
    for (const Index microbatches : {1, 5, 16, 31, 40}) check(microbatches, pipeline);
}

}  // namespace

TEST_CASE("searches find the recorded orders") {
  std::ifstream file(std::string(SHARDPLAN_GOLDEN_DIR) + "/pipeline_schedule_zerobubble.json");
  REQUIRE(file);
  Index compared = 0;
  const nlohmann::json recorded = nlohmann::json::parse(file);
  for (const nlohmann::json& one : recorded["cases"]) {
    if (one["source"] != "sail-sg zero-bubble") continue;
    const nlohmann::json& given = one["options"];
    const SearchCosts costs{given["cost_F"], given["cost_I"], given["cost_W"], given["cost_comm"]};
    const Workload run{.microbatches = one["microbatches"], .pipeline = one["stages"], .chunks = one["virtual"]};
    const std::string schedule = one["schedule"];
    const PipelineTasks tasks = schedule == "ZB1P"   ? zb_h1(run, costs, passes_only)
                                : schedule == "ZB2P" ? zb_h2(run, costs, passes_only)
                                                     : zbv(run, costs, passes_only);
    CAPTURE(one["id"].get<std::string>());
    CHECK(words(tasks) == one["ops_per_rank"].get<std::vector<std::string>>());
    CHECK(run_passes(tasks, costs).makespan == one["derived"]["makespan"].get<Index>());
    CHECK(run_passes(tasks, costs).idle_inside == one["derived"]["idle_inside_span_per_rank"].get<Numbers>());
    ++compared;
  }
  CHECK(compared == 6);
}

/// Orders recorded by running the schedulers of sail-sg (zero-bubble 39f2c186): slow links, unequal costs, and the
/// V schedules that the recorded figures have none of.
TEST_CASE("searches find what the originals find") {
  using Lines = std::vector<std::string>;
  CHECK(words(zbv(two_chunks(2, 1), {3, 2, 8, 1000}, passes_only)) ==
        Lines{"0F0 1F0 1I0 1W0 0F1 0I0 0W0 1F1 1I1 1W1 0I1 0W1"});
  CHECK(words(zb_h1(one_chunk(4, 2), {1, 2, 6, 1}, passes_only)) ==
        Lines{"0F0 0F1 0I0 0W0 0F2 0I1 0W1 0F3 0I2 0W2 0I3 0W3", "1F0 1I0 1F1 1I1 1W0 1F2 1I2 1W1 1F3 1I3 1W2 1W3"});
  CHECK(words(zb_h2(one_chunk(6, 4), {3, 1, 2, 0}, passes_only)) ==
        Lines{"0F0 0F1 0F2 0F3 0F4 0I0 0F5 0W0 0I1 0W1 0I2 0W2 0I3 0W3 0I4 0W4 0I5 0W5",
              "1F0 1F1 1F2 1I0 1F3 1I1 1F4 1I2 1F5 1I3 1W0 1W1 1I4 1W2 1I5 1W3 1W4 1W5",
              "2F0 2F1 2I0 2F2 2I1 2F3 2I2 2F4 2I3 2F5 2I4 2W0 2I5 2W1 2W2 2W3 2W4 2W5",
              "3F0 3I0 3F1 3I1 3F2 3I2 3F3 3I3 3F4 3I4 3F5 3I5 3W0 3W1 3W2 3W3 3W4 3W5"});
  CHECK(words(zb_h1(one_chunk(7, 4), {2, 5, 4, 1}, passes_only)) ==
        Lines{"0F0 0F1 0F2 0F3 0I0 0W0 0F4 0I1 0W1 0F5 0I2 0W2 0F6 0I3 0W3 0I4 0W4 0I5 0W5 0I6 0W6",
              "1F0 1F1 1F2 1I0 1F3 1I1 1W0 1F4 1I2 1W1 1F5 1I3 1W2 1F6 1I4 1W3 1I5 1W4 1I6 1W5 1W6",
              "2F0 2F1 2I0 2F2 2I1 2F3 2I2 2W0 2F4 2I3 2W1 2F5 2I4 2W2 2F6 2I5 2W3 2I6 2W4 2W5 2W6",
              "3F0 3I0 3F1 3I1 3F2 3I2 3F3 3I3 3W0 3F4 3I4 3W1 3F5 3I5 3W2 3F6 3I6 3W3 3W4 3W5 3W6"});
  CHECK(words(zbv(two_chunks(4, 3), {2, 3, 2, 9}, passes_only)) ==
        Lines{"0F0 0F1 0F2 0F3 5F0 5I0 5F1 5I1 5W0 5W1 5F2 5I2 5W2 0I0 5F3 5I3 0W0 0I1 5W3 0W1 0I2 0W2 0I3 0W3",
              "1F0 1F1 1F2 4F0 1F3 4F1 4I0 4W0 4F2 4I1 4W1 1I0 4F3 4I2 1I1 1W0 4W2 1W1 4I3 1I2 4W3 1W2 1I3 1W3",
              "2F0 3F0 2F1 3F1 2F2 3F2 3I0 3W0 2F3 2I0 2W0 3F3 3I1 2I1 3W1 2W1 3I2 2I2 3W2 2W2 3I3 2I3 3W3 2W3"});
  CHECK(words(v_half(two_chunks(6, 4), passes_only)) ==
        Lines{"0F0 0F1 0F2 0F3 0F4 7F0 7I0 7W0 7F1 7I1 7W1 7F2 0I0 7I2 7W2 7F3 0W0 0F5 0I1 7I3 7W3 7F4 7I4 7W4 0I2 0W1 "
              "0W2 7F5 7I5 0I3 7W5 0I4 0W3 0W4 0I5 0W5",
              "1F0 1F1 1F2 1F3 6F0 6F1 6I0 6W0 6F2 6I1 6W1 1I0 1W0 1F4 6F3 6I2 6W2 1I1 1F5 1W1 6F4 6I3 6W3 1I2 6I4 6W4 "
              "6F5 1W2 1I3 6I5 1I4 6W5 1W3 1W4 1I5 1W5",
              "2F0 2F1 2F2 5F0 5F1 5F2 5I0 5W0 2F3 5I1 2I0 5W1 2W0 5F3 2F4 2I1 5I2 5W2 5F4 2W1 2F5 2I2 5I3 5W3 5F5 5I4 "
              "2I3 5W4 2I4 5I5 5W5 2W2 2I5 2W3 2W4 2W5",
              "3F0 4F0 3F1 4F1 3F2 4F2 4I0 4W0 3I0 3W0 3F3 4F3 4I1 4W1 3I1 3F4 3W1 4F4 4I2 3I2 4W2 3F5 3W2 4F5 4I3 3I3 "
              "4I4 3I4 4W3 4W4 4I5 3I5 4W5 3W3 3W4 3W5"});
  CHECK(words(v_min(two_chunks(5, 3), passes_only)) ==
        Lines{"0F0 0F1 0F2 5F0 5I0 5W0 5F1 0I0 5I1 5W1 0W0 5F2 0F3 0I1 5I2 5W2 0W1 5F3 0F4 0I2 5I3 5W3 0W2 5F4 5I4 0I3 "
              "5W4 0W3 0I4 0W4",
              "1F0 1F1 4F0 4F1 4I0 4W0 1I0 1F2 1W0 4I1 4F2 4W1 1I1 1F3 1W1 4I2 4F3 4W2 1I2 1F4 1W2 4I3 4F4 4W3 1I3 4I4 "
              "4W4 1W3 1I4 1W4",
              "2F0 3F0 2F1 3F1 3I0 2I0 3W0 2W0 2F2 3F2 3I1 2I1 3W1 2W1 2F3 3F3 3I2 2I2 3W2 2W2 2F4 3F4 3I3 2I3 3W3 2W3 "
              "3I4 2I4 3W4 2W4"});
}

TEST_CASE("ZB-H1 and ZB-H2 run every pass once, within their memory, for all costs") {
  for_sizes([](Index microbatches, Index pipeline) {
    const Workload run = one_chunk(microbatches, pipeline);
    for (const SearchCosts& costs : all_costs)
      for (const Index share : {1, 2}) {
        CAPTURE(microbatches);
        CAPTURE(pipeline);
        CAPTURE(share);
        const PipelineTasks tasks = share == 1 ? zb_h1(run, costs, passes_only) : zb_h2(run, costs, passes_only);
        REQUIRE(tasks.placement == StagePlacement::looped);
        const Outcome outcome = run_passes(tasks, costs);
        REQUIRE(outcome.fault == "");
        REQUIRE(outcome.in_order);
        REQUIRE(outcome.peak <= share * pipeline);
      }
  });
}

TEST_CASE("any limit of one forward or more is kept, whatever the input half frees") {
  for (Index pipeline = 1; pipeline <= 6; ++pipeline)
    for (const Index microbatches : {1, 2, 3, 6, 13})
      for (const SearchCosts& costs : all_costs)
        for (const Index frees : {0, 1, 4, 7})
          for (const Index limit : {7, 9, 20, 50}) {
            CAPTURE(pipeline);
            CAPTURE(microbatches);
            CAPTURE(frees);
            CAPTURE(limit);
            const SearchMemory memory{7, frees, limit};
            const Outcome outcome = run_passes(
                zero_bubble_search(one_chunk(microbatches, pipeline), costs, memory, passes_only), costs, memory);
            REQUIRE(outcome.fault == "");
            REQUIRE(outcome.peak <= limit);
          }
}

TEST_CASE("ZB-H1 with equal costs is the closed form, from P + 1 microbatches on") {
  for_sizes([](Index microbatches, Index pipeline) {
    CAPTURE(microbatches);
    CAPTURE(pipeline);
    if (microbatches <= pipeline) return;
    const Workload run = one_chunk(microbatches, pipeline);
    for (const Listing listing : {Listing::compute, Listing::tasks}) {
      const PipelineTasks closed =
          all_ranks(StagePlacement::looped, run, [&](const Workload& of) { return zb1p(of, listing); });
      REQUIRE(zb_h1(run, {}, listing).ranks == closed.ranks);
      REQUIRE(zb_h1(run, {5, 5, 5, 0}, listing).ranks == closed.ranks);
    }
    const Outcome outcome = run_passes(zb_h1(run, {}, passes_only), {});
    REQUIRE(outcome.makespan == 3 * microbatches + pipeline - 1);
    REQUIRE(outcome.alive == pipeline);
  });
}

TEST_CASE("ZB-H2 and ZBV with equal costs have no idle time inside a span") {
  for_sizes([](Index microbatches, Index pipeline) {
    CAPTURE(microbatches);
    CAPTURE(pipeline);
    if (microbatches < 2 * pipeline - 1) return;
    const PipelineTasks h2 = zb_h2(one_chunk(microbatches, pipeline), {}, passes_only);
    const Outcome outcome = run_passes(h2, {});
    REQUIRE(most_idle(outcome) == 0);
    REQUIRE(outcome.makespan == 3 * microbatches + pipeline - 1);
    REQUIRE(outcome.alive == 2 * pipeline - 1);
    const Outcome v = run_passes(zbv(two_chunks(microbatches, pipeline), {}, passes_only), {});
    REQUIRE(most_idle(v) == 0);
    REQUIRE(v.makespan == 6 * microbatches + pipeline - 1);
    REQUIRE(v.peak <= 2 * pipeline);
  });
}

TEST_CASE("ZBV runs every pass once, within the memory of 1F1B, for all costs") {
  for_sizes([](Index microbatches, Index pipeline) {
    for (const SearchCosts& costs : all_costs) {
      CAPTURE(microbatches);
      CAPTURE(pipeline);
      const PipelineTasks tasks = zbv(two_chunks(microbatches, pipeline), costs, passes_only);
      REQUIRE(tasks.placement == StagePlacement::vee);
      const Outcome outcome = run_passes(tasks, costs);
      REQUIRE(outcome.fault == "");
      REQUIRE(outcome.in_order);
      REQUIRE(outcome.peak <= 2 * pipeline);
    }
    const SearchMemory memory{7, 2, 14 * pipeline + 5};
    const Outcome outcome = run_passes(
        zbv_search(two_chunks(microbatches, pipeline), {10, 12, 8, 3}, memory, passes_only), {10, 12, 8, 3}, memory);
    REQUIRE(outcome.fault == "");
    REQUIRE(outcome.peak <= memory.limit);
  });
}

TEST_CASE("V-Half and V-Min run every pass once, with about a half and a third of the memory of 1F1B") {
  for_sizes([](Index microbatches, Index pipeline) {
    CAPTURE(microbatches);
    CAPTURE(pipeline);
    const Workload run = two_chunks(microbatches, pipeline);
    const Outcome half = run_passes(v_half(run, passes_only), {}), least = run_passes(v_min(run, passes_only), {});
    for (const Outcome& outcome : {half, least}) {
      REQUIRE(outcome.fault == "");
      REQUIRE(outcome.in_order);
      REQUIRE(outcome.peak <= 2 * microbatches);
    }
    REQUIRE(half.peak <= 2 * (pipeline / 2) + 2);
    REQUIRE(least.peak <= 2 * ((pipeline + 1) / 3) + 2);
    if (microbatches < 2 * pipeline) return;
    REQUIRE(half.peak == 2 * (pipeline / 2) + 2);
    REQUIRE(least.peak == 2 * ((pipeline + 1) / 3) + 2);
    // 1F1B of the same model idles 6 (P - 1) slots: these a half and two thirds of that.
    REQUIRE(half.makespan - 6 * microbatches <= 3 * (pipeline - 1));
    REQUIRE(least.makespan - 6 * microbatches <= 4 * (pipeline - 1));
  });
  // Once the ramps are over, the pattern repeats without idle slots: more microbatches cost their own passes alone.
  for (Index pipeline = 1; pipeline <= 9; ++pipeline) {
    CAPTURE(pipeline);
    const auto bubble = [&](const auto& make, Index microbatches) {
      return run_passes(make(two_chunks(microbatches, pipeline), passes_only), {}).makespan - 6 * microbatches;
    };
    CHECK(bubble(v_half, 4 * pipeline) == bubble(v_half, 100));
    CHECK(bubble(v_min, 4 * pipeline) == bubble(v_min, 100));
  }
}

TEST_CASE("searched schedules exchange every result that another rank reads") {
  for (Index pipeline = 1; pipeline <= 5; ++pipeline)
    for (const Index microbatches : {1, 3, 8}) {
      CAPTURE(pipeline);
      CAPTURE(microbatches);
      const Workload one = one_chunk(microbatches, pipeline), two = two_chunks(microbatches, pipeline);
      CHECK(exchange_fault(zb_h1(one), zb_h1(one, {}, passes_only)) == "");
      CHECK(exchange_fault(zb_h2(one), zb_h2(one, {}, passes_only)) == "");
      CHECK(exchange_fault(zbv(two), zbv(two, {}, passes_only)) == "");
      CHECK(exchange_fault(v_half(two), v_half(two, passes_only)) == "");
      CHECK(exchange_fault(v_min(two), v_min(two, passes_only)) == "");
    }
}

TEST_CASE("a schedule is of all ranks, whichever rank the workload names") {
  Workload run = one_chunk(6, 3);
  run.rank = 2;
  CHECK(zb_h2(run).ranks == zb_h2(one_chunk(6, 3)).ranks);
  CHECK(zb_h2(run).run.rank == 0);
}

TEST_CASE("what a search cannot plan is refused") {
  const auto h = [](Index m, Index p, Index chunks, SearchCosts costs = {}) {
    return thrown_ids([=] { zb_h1({.microbatches = m, .pipeline = p, .chunks = chunks}, costs); });
  };
  CHECK(h(4, 2, 1) == Ids{});
  CHECK(h(4, 2, 2) == Ids{"SP-PIPELINE-012"});
  CHECK(h(0, 2, 1) == Ids{"SP-PIPELINE-012"});
  CHECK(h(4, 0, 1) == Ids{"SP-PIPELINE-008"});
  CHECK(h(4, 2, 1, {.forward = -1}) == Ids{"SP-PIPELINE-016"});
  CHECK(h(4, 2, 1, {.link = -1}) == Ids{"SP-PIPELINE-016"});
  CHECK(h(4, 2, 1, {.input = Index{1} << 61}) == Ids{"SP-CORE-001"});
  CHECK(h(Index{1} << 24, 2, 1) == Ids{"SP-PIPELINE-012"});

  const auto two = [](const auto& make, Index m, Index chunks) {
    return thrown_ids([&] { make(Workload{.microbatches = m, .pipeline = 2, .chunks = chunks}, passes_only); });
  };
  const auto v = [](const Workload& run, Listing listing) { return zbv(run, {}, listing); };
  for (const Index chunks : {1, 3}) {
    CHECK(two(v, 4, chunks) == Ids{"SP-PIPELINE-012"});
    CHECK(two(v_half, 4, chunks) == Ids{"SP-PIPELINE-012"});
    CHECK(two(v_min, 4, chunks) == Ids{"SP-PIPELINE-012"});
  }
  CHECK(two(v, 4, 2) == Ids{});
  CHECK(two(v_half, 0, 2) == Ids{"SP-PIPELINE-012"});
  CHECK(two(v_min, Index{1} << 23, 2) == Ids{"SP-PIPELINE-012"});

  constexpr Index whatever = std::numeric_limits<Index>::max();
  const auto limited = [](bool vee, SearchMemory memory) {
    return thrown_ids([=] {
      if (vee)
        zbv_search(two_chunks(4, 3), {}, memory);
      else
        zero_bubble_search(one_chunk(4, 3), {}, memory);
    });
  };
  CHECK(limited(false, {5, 0, 5}) == Ids{});
  CHECK(limited(false, {5, 0, 4}) == Ids{"SP-PIPELINE-012"});
  CHECK(limited(true, {5, 0, 30}) == Ids{});
  CHECK(limited(true, {5, 0, 29}) == Ids{"SP-PIPELINE-012"});
  for (const bool vee : {false, true}) {
    CHECK(limited(vee, {0, 0, 30}) == Ids{"SP-PIPELINE-012"});
    CHECK(limited(vee, {5, 6, 30}) == Ids{"SP-PIPELINE-012"});
    CHECK(limited(vee, {5, -1, 30}) == Ids{"SP-PIPELINE-012"});
    CHECK(limited(vee, {Index{1} << 61, 0, whatever}) == Ids{"SP-CORE-001"});
  }
}
