#include <shardplan/pipeline.hpp>

#include "support.hpp"

using namespace shardplan;

TEST_CASE("partition: nothing, and empty stages anywhere") {
  check_partition({}, 0, 1, 1);
  check_partition({{0, 0, 2, 2, 2, 5, 5}, 2}, 5, 2, 3);
  check_partition({{0, 0, 0, 0}, 3}, 0, 3, 1);
}

TEST_CASE("partition: is usable in constant expressions") {
  constexpr Partition stages = pipeline::even(19, 4);
  static_assert(stages.layers_of(1) == Interval{4, 9});
  static_assert(stages.stage_of(9) == StageId(2));
  static_assert(pipeline::restrict_to(stages, {1, 10}).layers_of(2) == Interval{8, 9});
  static_assert(pipeline::manual_even(10, 4).layers_of(3).size() == 4);
  static_assert(pipeline::uniform(26, 4).layers_of(3).size() == 6);
  CHECK(stages == Partition({0, 4, 9, 14, 19}, 4));
}

TEST_CASE("partition: restriction keeps the stage of every item that stays") {
  for (Index items = 4; items <= 9; ++items) {
    const Partition whole = pipeline::even(items, 2, 2);
    for (Index begin = 0; begin <= items; ++begin) {
      for (Index end = begin; end <= items; ++end) {
        const Partition part = pipeline::restrict_to(whole, {begin, end});
        check_partition(part, end - begin, 2, 2);
        for (Index item = begin; item < end; ++item) CHECK(part.stage_of(item - begin) == whole.stage_of(item));
      }
    }
  }
}

TEST_CASE("partition: refusals") {
  CHECK(thrown_ids([] { Partition({0, 1}, 0); }) == Ids{"SP-PIPELINE-008"});
  CHECK(thrown_ids([] { Partition({0}, 1); }) == Ids{"SP-PIPELINE-008"});
  CHECK(thrown_ids([] { Partition(Partition::Bounds(stage_limit + 2, 0), 1); }) == Ids{"SP-PIPELINE-008"});
  CHECK(thrown_ids([] { Partition({0, 1, 2, 3}, 2); }) == Ids{"SP-PIPELINE-003"});
  CHECK(thrown_ids([] { Partition({1, 2}, 1); }) == Ids{"SP-PIPELINE-009"});
  CHECK(thrown_ids([] { Partition({0, 3, 2}, 2); }) == Ids{"SP-PIPELINE-009"});
  for (const Index bad : {Index{0}, Index{-1}, stage_limit + 1, Index{1} << 62}) {
    CHECK(thrown_ids([&] { pipeline::stage_count(bad, 2); }) == Ids{"SP-PIPELINE-008"});
    CHECK(thrown_ids([&] { pipeline::stage_count(2, bad); }) == Ids{"SP-PIPELINE-008"});
    CHECK(thrown_ids([&] { pipeline::even(bad, bad); }) == Ids{"SP-PIPELINE-008"});
    CHECK(thrown_ids([&] { pipeline::manual_even(8, bad); }) == Ids{"SP-PIPELINE-008"});
    CHECK(thrown_ids([&] { pipeline::uniform(8, bad); }) == Ids{"SP-PIPELINE-008"});
  }
}
