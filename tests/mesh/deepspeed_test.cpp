#include <doctest/doctest.h>

#include <set>
#include <shardplan/mesh/deepspeed.hpp>
#include <string>
#include <vector>

#include "../thrown.hpp"
#include "members.hpp"

using namespace shardplan;

namespace {

List members(const std::optional<Group>& group) { return group ? members(*group) : List{}; }

const ProcessTopology topologies[] = {ProcessTopology({"pipe", "data", "model"}, {3, 2, 4}),
                                      ProcessTopology({"data", "pipe"}, {4, 2}),
                                      ProcessTopology({"model", "data", "expert", "pipe"}, {2, 3, 2, 2}),
                                      pipe_model_data_topology(1, 1, 5), pipe_data_topology(5, 1)};

}  // namespace

TEST_CASE("DeepSpeed: ranks are row-major, the last axis fastest") {
  for (const ProcessTopology& topology : topologies) {
    const auto& axes = topology.view().axes();
    for (Index rank = 0; rank < topology.world_size(); ++rank) {
      const Place place = topology.coord(rank);
      Index number = 0;
      for (std::size_t at = 0; at < axes.size(); ++at) number = number * topology.dim(axes[at].axis.name()) + place[at];
      CHECK(number == rank);
    }
  }
}

TEST_CASE("DeepSpeed: groups along an axis ascend by its coordinate, and the other axes number them") {
  for (const ProcessTopology& topology : topologies)
    for (const View::Extent& axis : topology.view().axes()) {
      const std::size_t at = topology.require(axis.axis.name());
      const auto groups = topology.axis_comm_lists(axis.axis.name());
      REQUIRE(groups);
      Index first = -1;
      std::set<Index> seen;
      for (std::size_t i = 0; i < groups->size(); ++i) {
        const List ranks = members((*groups)[i]);
        CHECK(static_cast<Index>(ranks.size()) == axis.size);
        CHECK(ranks[0] > first);  // row-major over the others
        first = ranks[0];
        for (std::size_t k = 0; k < ranks.size(); ++k) {
          Place place = topology.coord(ranks[k]);
          CHECK(place[at] == static_cast<Index>(k));
          place[at] = 0;
          CHECK(topology.view().rank(place) == Rank{ranks[0]});
          seen.insert(ranks[k]);
        }
      }
      CHECK(static_cast<Index>(seen.size()) == topology.world_size());
    }
}

TEST_CASE("DeepSpeed: a filter gives exactly the ranks that pass it, ascending") {
  for (const ProcessTopology& topology : topologies)
    for (Index data = -1; data <= topology.dim("data"); ++data)
      for (Index pipe = -1; pipe <= topology.dim("pipe"); ++pipe) {
        const std::size_t d = topology.require("data"), p = topology.require("pipe");
        List both, one, all;
        for (Index rank = 0; rank < topology.world_size(); ++rank) {
          const Place place = topology.coord(rank);
          if (place[d] == data && place[p] == pipe) both.push_back(rank);
          if (place[d] == data) one.push_back(rank);
          all.push_back(rank);
        }
        CHECK(members(topology.filter_match({{"data", data}, {"pipe", pipe}})) == both);
        CHECK(members(topology.filter_match({{"data", data}})) == one);
        CHECK(members(topology.axis_list("data", data)) == one);
        CHECK(members(topology.filter_match({})) == all);
        CHECK(members(topology.filter_match({{"data", data}, {"data", data}})) == one);
        CHECK(!topology.filter_match({{"data", data}, {"data", data + 1}}));
      }
}

TEST_CASE("DeepSpeed: an axis that is not there has size 0 and no groups") {
  CHECK(topologies[1].dim("model") == 0);
  CHECK(!topologies[1].axis_comm_lists("model"));
  // a long name that begins like an axis is another name
  const ProcessTopology topology({"fifteen_letters"}, {2});
  CHECK(topology.dim("fifteen_letters") == 2);
  CHECK(topology.dim("fifteen_letters_and_more") == 0);
}

TEST_CASE("DeepSpeed: the name of a rank") {
  const ProcessTopology topology({"pipe", "data", "model"}, {2, 2, 120});
  CHECK(topology.rank_repr(0) == "model_00");
  CHECK(topology.rank_repr(119) == "model_119");
  CHECK(topology.rank_repr(129, {}) == "pipe_00-data_01-model_09");
  CHECK(topology.rank_repr(129, {"data"}, "-", ".") == "pipe-00.model-09");
  CHECK(topology.rank_repr(129, {"pipe", "data", "model", "other"}) == "");
}

TEST_CASE("DeepSpeed grid: groups partition the ranks; pairs walk round a pipe group") {
  for (const ProcessTopology& topology : topologies) {
    const PipelineParallelGrid grid(topology, topology.world_size());
    for (const GroupList& list : grid.creation_order()) {
      std::set<Index> seen;
      for (std::size_t i = 0; i < list.size(); ++i)
        for (const Index rank : members(list[i])) seen.insert(rank);
      CHECK(static_cast<Index>(seen.size()) == topology.world_size());
    }
    CHECK(static_cast<Index>(grid.model_groups().size()) == grid.data_parallel_size());
    CHECK(static_cast<Index>(grid.slice_groups()[0].size()) == grid.model_parallel_size());
    for (Index rank = 0; rank < topology.world_size(); ++rank) {
      CHECK(members(grid.model_groups().of(rank)) == members(topology.axis_list("data", grid.data_parallel_id(rank))));
      const List pair = members(grid.p2p_group(rank));
      REQUIRE(pair.size() == 2);
      CHECK(pair[0] == rank);
      CHECK(pair[1] == grid.stage_to_global(rank, (grid.stage_id(rank) + 1) % grid.pipe_parallel_size()).value);
      // as many steps as there are stages lead back
      Rank at = rank;
      for (Index step = 0; step < grid.pipe_parallel_size(); ++step) at = grid.p2p_group(at)[1];
      CHECK(at == Rank{rank});
      CHECK(grid.slice_groups().of(rank).position(rank) == grid.slice_parallel_rank(rank));
      CHECK(grid.dp_groups().of(rank).position(rank) == grid.data_parallel_id(rank));
      CHECK(grid.pipe_groups().of(rank).position(rank) == grid.stage_id(rank));
    }
  }
}

TEST_CASE("DeepSpeed grid: without a topology prime factors go to pipe and data in turn") {
  for (Index ranks = 1; ranks <= 2000; ++ranks) {
    Index pipe = 1, data = 1, rest = ranks;
    bool to_pipe = true;
    for (Index factor = 2; rest > 1;) {
      if (rest % factor != 0) {
        ++factor;
        continue;
      }
      (to_pipe ? pipe : data) *= factor;
      to_pipe = !to_pipe;
      rest /= factor;
    }
    CHECK(default_topology(ranks) == pipe_data_topology(pipe, data));
  }
  CHECK(default_topology((Index{1} << 31) - 1).dim("pipe") == (Index{1} << 31) - 1);  // a prime
}

TEST_CASE("DeepSpeed: faults") {
  CHECK(thrown([] { ProcessTopology({"pipe"}, {2, 2}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { ProcessTopology({"pipe", "pipe"}, {2, 2}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { pipe_data_topology(0, 2); }) == Ids{"SP-MESH-001"});
  CHECK(thrown([] { pipe_data_topology(1 << 20, 1 << 20); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([] { default_topology(0); }) == Ids{"SP-MESH-001"});
  CHECK(thrown([] { default_topology(Index{1} << 40); }) == Ids{"SP-MESH-009"});
  const ProcessTopology& topology = topologies[0];
  CHECK(thrown([&] { topology.coord(24); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([&] { topology.coord(-1); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([&] { topology.rank_repr(24); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([&] { topology.filter_match({{"expert", 0}}); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([&] { topology.axis_list("expert", 0); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([&] { PipelineParallelGrid(topology, 23); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { PipelineParallelGrid(ProcessTopology({"pipe", "model"}, {2, 2})); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([] { PipelineParallelGrid(ProcessTopology({"data", "model"}, {2, 2})); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([&] { PipelineParallelGrid(topology).stage_to_global(0, 3); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([&] { PipelineParallelGrid(topology).p2p_group(24); }) == Ids{"SP-MESH-009"});
}

static_assert(pipe_model_data_topology(2, 2, 2).view().rank({1, 0, 1}) == Rank{5});
