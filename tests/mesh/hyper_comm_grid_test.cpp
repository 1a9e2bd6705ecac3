#include <doctest/doctest.h>

#include <algorithm>
#include <shardplan/mesh/hyper_comm_grid.hpp>
#include <shardplan/mesh/megatron.hpp>

#include "../thrown.hpp"
#include "members.hpp"

using namespace shardplan;
using mcore::HyperCommGrid;

TEST_CASE("groups of every set of dims are those of the order string, lists in the same order") {
  std::vector<std::string_view> order{"tp", "cp", "dp", "pp"};
  const Index sizes[] = {2, 3, 2, 4};  // tp, cp, dp, pp
  const auto size_of = [&](std::string_view name) {
    return sizes[name == "tp" ? 0 : name == "cp" ? 1 : name == "dp" ? 2 : 3];
  };
  std::sort(order.begin(), order.end());
  std::size_t compared = 0;
  do {
    Shape shape;
    for (const std::string_view name : order) shape.push_back(size_of(name));
    const HyperCommGrid grid(shape, DimNames(order), 5);
    const mcore::RankGrid ranks(mcore::Order(join(order, "-")), {.tensor = 2, .data = 2, .pipeline = 4, .context = 3},
                                5);
    for (unsigned set = 1; set < 16; ++set) {
      DimNames dims;
      for (std::size_t i = 4; i-- > 0;)
        if ((set >> i & 1) != 0) dims.push_back(order[i]);
      const GroupList here = grid.groups(dims), there = ranks.groups(join(dims, "-"));
      REQUIRE(here.size() == there.size());
      for (std::size_t i = 0; i < here.size(); ++i) CHECK(members(here[i]) == members(there[i]));
      ++compared;
    }
  } while (std::next_permutation(order.begin(), order.end()));
  CHECK(compared == 360);
}

TEST_CASE("a group ascends, and so do the first ranks of a list, whatever the names and their sequence") {
  const HyperCommGrid grid({2, 3, 4}, {"a", "b", "c"}, 10);
  for (const DimNames& dims : {DimNames{"a", "c"}, DimNames{"c", "a"}, DimNames{"b"}, DimNames{}}) {
    Index last = -1;
    for (const Group group : grid.groups(dims)) {
      const List ranks = members(group);
      CHECK(std::is_sorted(ranks.begin(), ranks.end()));
      CHECK(ranks.front() > last);
      last = ranks.front();
    }
  }
  CHECK(members(grid.groups({"c"})[1]) == List{11, 17, 23, 29});
  CHECK(grid.view().rank({1, 2, 1}) == Rank(10 + 1 * 6 + 2 * 2 + 1));  // c, b, a
}

TEST_CASE("further views of the same ranks, with shared dims that have the same groups") {
  HyperCommGrid grid({2, 2, 4, 2}, {"tp", "cp", "dp", "pp"});
  grid.register_view("expert", {1, 8, 2, 2}, {"etp", "ep", "edp", "pp"}, {"pp"});
  grid.register_view("other", {2, 16}, {"tp", "rest"}, {"tp"});
  CHECK(grid.size() == 32);
  const GroupList here = grid.groups({"pp"}), there = grid.groups({"pp"}, "expert");
  REQUIRE(here.size() == there.size());
  for (std::size_t i = 0; i < here.size(); ++i) CHECK(here[i] == there[i]);
  CHECK(members(grid.groups({"ep"}, "expert")[0]) == List{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(grid.view("base") == grid.view());

  const Ids wrong{"SP-MESH-014"};
  const auto add = [&](const Shape& shape, const DimNames& names, const DimNames& shared = {},
                       std::string_view name = "new") {
    return thrown([&] { grid.register_view(name, shape, names, shared); });
  };
  CHECK(add({32}, {"x"}, {}, "base") == wrong);
  CHECK(add({32}, {"x"}, {}, "expert") == wrong);
  CHECK(add({16}, {"x"}) == wrong);
  CHECK(add({2, 16}, {"x"}) == wrong);
  CHECK(add({2, 16}, {"x", "x"}) == wrong);
  CHECK(add({0, 16}, {"x", "y"}) == Ids{"SP-MESH-001"});
  CHECK(add({2, 16}, {"tp", "y"}, {"tp", "tp"}) == wrong);
  CHECK(add({2, 16}, {"tp", "y"}, {"y"}) == wrong);
  CHECK(add({2, 16}, {"tp", "y"}, {"pp"}) == wrong);
  CHECK(add({4, 8}, {"tp", "y"}, {"tp"}) == wrong);   // another size
  CHECK(add({16, 2}, {"y", "tp"}, {"tp"}) == wrong);  // another distance
  CHECK(add({2, 16}, {"x", "y"}).empty());            // what failed has left no name behind
}

TEST_CASE("a grid covers part of a job at most") {
  CHECK(HyperCommGrid({4}, {"x"}, 4, 8).view().contains(7));
  CHECK_FALSE(HyperCommGrid({4}, {"x"}, 4, 8).view().contains(3));
  const Ids outside{"SP-MESH-009"};
  CHECK(thrown([] { HyperCommGrid({4}, {"x"}, 5, 8); }) == outside);
  CHECK(thrown([] { HyperCommGrid({4}, {"x"}, -1); }) == outside);
  CHECK(thrown([] { HyperCommGrid({Index{1} << 20, Index{1} << 20}, {"x", "y"}); }) == outside);
  CHECK(thrown([] { HyperCommGrid({4, 2}, {"x"}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { HyperCommGrid({4, 2}, {"x", "x"}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { HyperCommGrid({-4}, {"x"}); }) == Ids{"SP-MESH-001"});
  const HyperCommGrid grid({4, 2}, {"x", "y"});
  CHECK(thrown([&] { grid.groups({"z"}); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([&] { grid.groups({"x", "x"}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([&] { grid.groups({"x"}, "expert"); }) == Ids{"SP-MESH-007"});
}
