#include <shardplan/pipeline/deepspeed.hpp>

#include "support.hpp"

using namespace shardplan;
using pipeline::balanced;
using pipeline::uniform;

TEST_CASE("uniform: sizes differ by one, the longer parts come first, too few items leave the last parts empty") {
  for (Index parts = 1; parts <= 7; ++parts) {
    for (Index items = 0; items <= 24; ++items) {
      CAPTURE(parts);
      CAPTURE(items);
      const Partition partition = uniform(items, parts);
      check_partition(partition, items, parts, 1);
      for (Index k = 0; k < parts; ++k)
        CHECK(partition.layers_of(k).size() == items / parts + (k < items % parts ? 1 : 0));
    }
  }
  CHECK(bounds(uniform(26, 4)) == Numbers{0, 7, 14, 20, 26});
  CHECK(bounds(uniform(3, 5)) == Numbers{0, 1, 2, 3, 3, 3});
}

TEST_CASE("balanced: recorded partitions of DeepSpeed") {
  CHECK(bounds(balanced(Numbers(12, 1), 4)) == Numbers{0, 3, 6, 9, 12});
  CHECK(bounds(balanced(Numbers{10, 1, 1, 1, 1, 1, 1, 1, 1, 12}, 4)) == Numbers{0, 1, 5, 9, 10});
  CHECK(bounds(balanced(Numbers{3, 1, 2, 7, 1}, 3)) == Numbers{0, 1, 3, 5});
  CHECK(bounds(balanced(Numbers{0, 1, 1, 1, 1, 1, 1, 0, 0}, 3)) == Numbers{0, 3, 5, 9});
}

TEST_CASE("balanced: two parts have the smallest gap, with the last split that reaches it") {
  // With two parts nothing is lost by keeping one pair for each state, so the rule can be seen from outside.
  std::uint32_t random = 5;
  for (int round = 0; round < 300; ++round) {
    Numbers weights;
    for (int i = 0; i < 3 + round % 6; ++i) weights.push_back((random = random * 1664525 + 1013904223) >> 30);
    Index total = 0;
    for (const Index weight : weights) total += weight;
    Index best_split = 0, best_gap = total + 1, left = 0;
    for (std::size_t split = 1; split < weights.size(); ++split) {
      left += weights[split - 1];
      const Index gap = left > total - left ? 2 * left - total : total - 2 * left;
      if (gap > best_gap) continue;
      best_gap = gap;
      best_split = static_cast<Index>(split);
    }
    CHECK(bounds(balanced(weights, 2)) == Numbers{0, best_split, static_cast<Index>(weights.size())});
  }
}

TEST_CASE("deepspeed: refusals") {
  CHECK(thrown_ids([] { balanced(Numbers{1, 2}, 0); }) == Ids{"SP-PIPELINE-008"});
  CHECK(thrown_ids([] { balanced(Numbers{1, -2, 3}, 2); }) == Ids{"SP-PIPELINE-010"});
  CHECK(thrown_ids([] { balanced(Numbers{1, INT64_MAX, 3}, 2); }) == Ids{"SP-CORE-001"});
  CHECK(thrown_ids([] { uniform(-1, 2); }) == Ids{"SP-PIPELINE-009"});
}
