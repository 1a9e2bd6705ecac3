#include <shardplan/pipeline/nxd.hpp>

#include "support.hpp"

using namespace shardplan;
using pipeline::cut_after;
using pipeline::cut_names;
using pipeline::even;
using pipeline::manual_even;
using pipeline::numbered;

TEST_CASE("even: sizes differ by one, the longer stages come last, cuts say the same") {
  for (Index ranks = 1; ranks <= 5; ++ranks) {
    for (Index chunks = 1; chunks <= 3; ++chunks) {
      const Index stages = ranks * chunks;
      for (Index layers = 1; layers <= 3 * stages + 1; ++layers) {
        CAPTURE(ranks);
        CAPTURE(chunks);
        CAPTURE(layers);
        if (layers < stages) {
          CHECK(thrown_ids([&] { even(layers, ranks, chunks); }) == Ids{"SP-PIPELINE-001"});
          continue;
        }
        const Partition partition = even(layers, ranks, chunks);
        check_partition(partition, layers, ranks, chunks);
        for (Index s = 0; s < stages; ++s)
          CHECK(partition.layers_of(s).size() == layers / stages + (s >= stages - layers % stages ? 1 : 0));

        const Names names = numbered("model.layers", layers);
        const Names cuts = cut_names(partition, names);
        CHECK(static_cast<Index>(cuts.size()) == stages - 1);
        CHECK(cut_after(names, cuts, ranks, chunks) == partition);
        Names reversed;
        for (std::size_t i = cuts.size(); i-- > 0;) reversed.push_back(cuts[i]);
        CHECK(cut_after(names, reversed, ranks, chunks) == partition);
      }
    }
  }
}

TEST_CASE("even: recorded partitions of NxD") {
  CHECK(sizes(even(32, 4)) == Numbers{8, 8, 8, 8});
  CHECK(sizes(even(19, 4)) == Numbers{4, 5, 5, 5});
  CHECK(sizes(even(80, 16)) == Numbers(16, 5));
  CHECK(sizes(even(61, 16)) == Numbers{3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4});
  CHECK(sizes(even(30, 4, 2)) == Numbers{3, 3, 4, 4, 4, 4, 4, 4});
  CHECK(sizes(even(8, 8)) == Numbers(8, 1));
  CHECK(cut_names(even(19, 4), numbered("model.layers", 19)) ==
        Names{"model.layers.3", "model.layers.8", "model.layers.13"});
}

TEST_CASE("manual_even: equal stages, the last one takes the remainder") {
  for (Index ranks = 1; ranks <= 6; ++ranks) {
    for (Index layers = 0; layers <= 20; ++layers) {
      CAPTURE(ranks);
      CAPTURE(layers);
      if (layers < ranks) {
        CHECK(thrown_ids([&] { manual_even(layers, ranks); }) == Ids{"SP-PIPELINE-001"});
        continue;
      }
      const Partition partition = manual_even(layers, ranks);
      check_partition(partition, layers, ranks, 1);
      for (Index s = 0; s + 1 < ranks; ++s) CHECK(partition.layers_of(s).size() == layers / ranks);
    }
  }
  CHECK(sizes(manual_even(8, 4)) == Numbers{2, 2, 2, 2});
  CHECK(sizes(manual_even(10, 4)) == Numbers{2, 2, 2, 4});
  CHECK(sizes(manual_even(7, 4)) == Numbers{1, 1, 1, 4});
  CHECK(sizes(manual_even(11, 3)) == Numbers{3, 3, 5});
}

TEST_CASE("cut_after: a published configuration of Llama-3 70B, and a last stage without layers") {
  const Names cuts{"model.layers.60", "model.layers.18", "model.layers.39"};
  CHECK(sizes(cut_after(numbered("model.layers", 80), cuts, 4)) == Numbers{19, 21, 21, 19});
  CHECK(sizes(cut_after(numbered("layers", 4), Names{"layers.1", "layers.3"}, 3)) == Numbers{2, 2, 0});
}

TEST_CASE("cut_after: refusals, all at once") {
  const Names names = numbered("layers", 6);
  const auto refused = [&](const Names& cuts, Index ranks, Index chunks = 1) {
    return thrown_ids([&] { cut_after(names, cuts, ranks, chunks); });
  };
  CHECK(refused({"layers.1"}, 2).empty());
  CHECK(refused({"layers.1"}, 3) == Ids{"SP-PIPELINE-002"});
  CHECK(refused({}, 1, 2) == Ids{"SP-PIPELINE-002"});
  CHECK(refused({"layers.9"}, 2) == Ids{"SP-PIPELINE-002"});
  CHECK(refused({"layers.1", "layers.1"}, 3) == Ids{"SP-PIPELINE-002"});
  CHECK(refused({"layers.1", "layers.1", "layers"}, 3) == Ids(3, "SP-PIPELINE-002"));
  CHECK(refused({"layers.1"}, 0) == Ids{"SP-PIPELINE-008"});
  CHECK(thrown_ids([] { cut_after({}, Names{"layers.0"}, 2); }) == Ids{"SP-PIPELINE-002"});
}

TEST_CASE("cut_names: an empty stage has no last module") {
  CHECK(thrown_ids([] { cut_names({{0, 0, 2}, 2}, numbered("layers", 2)); }) == Ids{"SP-PIPELINE-001"});
  CHECK(cut_names({{0, 2, 2}, 2}, numbered("layers", 2)) == Names{"layers.1"});
}

TEST_CASE("chosen_cuts: automatic or given, not both") {
  const Names layers = numbered("layers", 4);
  CHECK(pipeline::chosen_cuts(layers, {}, true, 2) == Names{"layers.1"});
  CHECK(pipeline::chosen_cuts(layers, Names{"layers.0"}, false, 2) == Names{"layers.0"});
  CHECK(thrown_ids([&] { pipeline::chosen_cuts(layers, Names{"layers.0"}, true, 2); }) == Ids{"SP-PIPELINE-004"});
  CHECK(thrown_ids([&] { pipeline::chosen_cuts({}, {}, true, 2); }) == Ids{"SP-PIPELINE-001"});
}
