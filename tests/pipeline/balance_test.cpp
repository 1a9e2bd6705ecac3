#include <shardplan/pipeline/balance.hpp>
#include <shardplan/pipeline/in_flight.hpp>

#include "support.hpp"

using namespace shardplan;
using pipeline::min_max;

namespace {

/// Small whole numbers, the same in every run.
struct Random {
  std::uint32_t state = 7;
  Index below(Index limit) {
    state = state * 1664525 + 1013904223;
    return static_cast<Index>(state >> 16) % limit;
  }
};

/// What makes one partition better than another.
struct Worth {
  Index dearest = 0;
  Index squares = 0;
  Numbers bounds{};
  friend auto operator<=>(const Worth&, const Worth&) = default;
};

/// The best of all partitions without empty stages that `fits` lets pass, by trying each of them; empty bounds: none.
template <class Fits>
Worth by_trial(const Numbers& costs, Index stages, const Fits& fits, const Worth& head = {0, 0, {0}}) {
  const Index begin = head.bounds.back();
  const auto items = static_cast<Index>(costs.size());
  if (stages == 0) return begin == items ? head : Worth{};
  Worth best;
  Index cost = 0;
  for (Index end = begin + 1; end <= items; ++end) {
    cost += costs[static_cast<std::size_t>(end - 1)];
    if (!fits(StageId(head.bounds.size() - 1), Interval{begin, end})) continue;
    Worth next = head;
    if (cost > next.dearest) next.dearest = cost;
    next.squares += cost * cost;
    next.bounds.push_back(end);
    const Worth whole = by_trial(costs, stages - 1, fits, next);
    if (!whole.bounds.empty() && (best.bounds.empty() || whole < best)) best = whole;
  }
  return best;
}

}  // namespace

TEST_CASE("min_max: known optima") {
  CHECK(bounds(min_max(Numbers{10, 1, 1, 1, 1, 1, 1, 1, 1, 12}, 4)) == Numbers{0, 1, 5, 9, 10});
  CHECK(bounds(min_max(Numbers{3, 1, 2, 7, 1}, 3)) == Numbers{0, 3, 4, 5});
  CHECK(bounds(min_max(Numbers{525, 218, 218, 218, 218, 218, 218, 218, 218, 218, 218, 218, 218, 525}, 4)) ==
        Numbers{0, 3, 7, 11, 14});
  CHECK(min_max(Numbers(8, 5), 2, 2) == Partition({0, 2, 4, 6, 8}, 2));
  CHECK(bounds(min_max(Numbers{0, 0, 0}, 3)) == Numbers{0, 1, 2, 3});
}

TEST_CASE("min_max: equals the best of all partitions") {
  Random random;
  for (int round = 0; round < 600; ++round) {
    Numbers costs;
    for (Index i = 1 + random.below(9); i > 0; --i) costs.push_back(random.below(10));
    const auto items = static_cast<Index>(costs.size());
    const Index stages = 1 + random.below(items < 5 ? items : 5);
    const Partition found = min_max(costs, stages);
    check_partition(found, items, stages, 1);
    CHECK(bounds(found) == by_trial(costs, stages, [](StageId, Interval) { return true; }).bounds);
  }
}

TEST_CASE("min_max: the same under a cap on memory that depends on the stage") {
  Random random;
  int fitting = 0, refused = 0;
  for (int round = 0; round < 600; ++round) {
    Numbers costs, weights;
    for (Index i = 2 + random.below(8); i > 0; --i) {
      costs.push_back(random.below(10));
      weights.push_back(1 + random.below(9));
    }
    const auto items = static_cast<Index>(costs.size());
    const Index stages = 1 + random.below(items < 4 ? items : 4);
    const Index cap = 10 + random.below(60);
    const auto memory = [&](StageId stage, Interval some) {
      Index need = 0;
      for (Index i = some.begin; i < some.end; ++i) need += weights[static_cast<std::size_t>(i)];
      return need * pipeline::in_flight(pipeline::ScheduleKind::one_f_one_b, 8, stages, 1, stage.value);
    };
    const Worth best =
        by_trial(costs, stages, [&](StageId stage, Interval some) { return memory(stage, some) <= cap; });
    if (best.bounds.empty()) {
      ++refused;
      CHECK(thrown_ids([&] { min_max(costs, stages, 1, memory, cap); }) == Ids{"SP-PIPELINE-007"});
    } else {
      ++fitting;
      CHECK(bounds(min_max(costs, stages, 1, memory, cap)) == best.bounds);
    }
  }
  CHECK(fitting > 100);
  CHECK(refused > 100);
}

TEST_CASE("min_max: the refusal names the stage that breaks the cap, and what it needs at least") {
  const Numbers costs(6, 1);
  const auto message = [&](StageId hungry, Index need) {
    try {
      min_max(
          costs, 3, 1, [=](StageId stage, Interval) { return stage == hungry ? need : Index{1}; }, 10);
    } catch (const Error& error) {
      return error.diagnostics()[0].message;
    }
    return std::string();
  };
  CHECK(message(0, 10).empty());
  CHECK(message(0, 11) == "stage 0 of 3 needs at least 11, the cap is 10");
  CHECK(message(1, 12) == "stage 1 of 3 needs at least 12, the cap is 10");
  CHECK(message(2, 13) == "stage 2 of 3 needs at least 13, the cap is 10");
}

TEST_CASE("min_max: squares of large costs stay exact") {
  // The sums of squares of all candidates lie beyond 64 bits, and are equal as doubles.
  CHECK(bounds(min_max(Numbers{Index{1} << 60, 3, 2, 2, 3}, 3)) == Numbers{0, 1, 3, 5});
}

TEST_CASE("min_max: embedding and head are items, the layers of the result are what is left") {
  const Numbers costs{1, 4, 4, 4, 4, 6};
  const Partition stages = pipeline::restrict_to(min_max(costs, 3), {1, 5});
  CHECK(sizes(stages) == Numbers{2, 2, 0});
}

TEST_CASE("min_max: refusals") {
  CHECK(thrown_ids([] { min_max(Numbers{1, 2}, 3); }) == Ids{"SP-PIPELINE-001"});
  CHECK(thrown_ids([] { min_max(Numbers{}, 1); }) == Ids{"SP-PIPELINE-001"});
  CHECK(thrown_ids([] { min_max(Numbers{1, 2}, 0); }) == Ids{"SP-PIPELINE-008"});
  CHECK(thrown_ids([] { min_max(Numbers{1, -2}, 1); }) == Ids{"SP-PIPELINE-010"});
  CHECK(thrown_ids([] { min_max(Numbers{INT64_MAX, 1}, 1); }) == Ids{"SP-CORE-001"});
}
