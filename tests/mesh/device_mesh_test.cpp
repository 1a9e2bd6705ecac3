#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <shardplan/mesh/device_mesh.hpp>
#include <vector>

#include "../thrown.hpp"
#include "members.hpp"

using namespace shardplan;

namespace {

std::vector<List> lists(const DeviceMesh::Groups& groups) {
  std::vector<List> out;
  for (const Group& group : groups) out.push_back(members(group));
  return out;
}

/// The coordinates of a shape, the last fastest.
std::vector<Place> coordinates(const Shape& shape) {
  std::vector<Place> out{Place{}};
  for (const Index size : shape) {
    std::vector<Place> longer;
    for (const Place& place : out)
      for (Index i = 0; i < size; ++i) {
        longer.push_back(place);
        longer.back().push_back(i);
      }
    out = longer;
  }
  return out;
}

/// Meshes and the ranks that stand in them, row-major.
struct Listed {
  DeviceMesh mesh;
  List ranks;
};
std::vector<Listed> listed_meshes() {
  const DimNames names{"a", "b", "c"};
  std::vector<Listed> out;
  for (const Shape& shape : {Shape{2, 3, 4}, Shape{1, 6, 2}, Shape{3, 1, 1}}) {
    const auto count = static_cast<Index>(coordinates(shape).size());
    List ascending, turned, gaps;
    for (Index i = 0; i < count; ++i) {
      ascending.push_back(i);
      turned.push_back(7 + (i * 5 + 3) % count);  // 5 divides no count
      gaps.push_back(100 - 3 * i);
    }
    out.push_back({DeviceMesh(shape, names), ascending});
    for (const List& ranks : {ascending, turned, gaps})
      out.push_back({DeviceMesh(shape, names, InlineVector<Index, 4>(ranks)), ranks});
  }
  return out;
}

}  // namespace

TEST_CASE("device mesh: ranks stand row-major as they are listed, and no other rank has a coordinate") {
  for (const auto& [mesh, ranks] : listed_meshes()) {
    const auto places = coordinates(mesh.shape());
    REQUIRE(mesh.size() == static_cast<Index>(ranks.size()));
    for (std::size_t i = 0; i < places.size(); ++i) {
      CHECK(mesh.rank(places[i]) == Rank{ranks[i]});
      CHECK(mesh.coordinate(ranks[i]) == places[i]);
    }
    for (Index rank = 0; rank < 120; ++rank)
      CHECK(mesh.contains(rank) == (std::count(ranks.begin(), ranks.end(), rank) > 0));
    CHECK(!mesh.contains(-1));
  }
}

TEST_CASE("device mesh: groups of a dim agree elsewhere, ascend, and partition the mesh in either order") {
  for (const auto& [mesh, ranks] : listed_meshes())
    for (const char* name : {"a", "b", "c"}) {
      const std::size_t dim = mesh.find(name);
      for (const GroupOrder order : {GroupOrder::row_major, GroupOrder::swapdims}) {
        const auto groups = mesh.groups(name, order);
        List seen;
        for (std::size_t i = 0; i < groups.size(); ++i)
          for (std::size_t k = 0; k < groups[i].size(); ++k) {
            const Rank rank = groups[i][k];
            seen.push_back(rank.value);
            Place place = *mesh.coordinate(rank);
            CHECK(place[dim] == static_cast<Index>(k));
            place[dim] = 0;
            CHECK(mesh.rank(place) == groups[i][0]);
            CHECK(groups.of(rank) == groups[i]);
            CHECK(groups.index_of(rank) == i);
          }
        CHECK(std::set<Index>(seen.begin(), seen.end()) == std::set<Index>(ranks.begin(), ranks.end()));
        CHECK(seen.size() == ranks.size());
      }
    }
}

TEST_CASE("device mesh: releases list the groups in two orders") {
  const DeviceMesh mesh({2, 2, 2}, {"pp", "dp", "tp"});
  CHECK(lists(mesh.groups("pp", GroupOrder::swapdims)) == std::vector<List>{{0, 4}, {2, 6}, {1, 5}, {3, 7}});
  CHECK(lists(mesh.groups("pp")) == std::vector<List>{{0, 4}, {1, 5}, {2, 6}, {3, 7}});
  // the last dim has nothing to swap with
  CHECK(lists(mesh.groups("tp", GroupOrder::swapdims)) == lists(mesh.groups("tp")));
}

TEST_CASE("device mesh: several dims enumerate the first as major, and all of them the whole mesh") {
  for (const auto& [mesh, ranks] : listed_meshes()) {
    for (const auto& [major, minor] : {std::pair{"a", "c"}, std::pair{"c", "a"}, std::pair{"b", "c"}})
      for (const Group& group : mesh.groups_over({major, minor})) {
        List wanted;
        Place place = *mesh.coordinate(group[0]);
        const std::size_t x = mesh.find(major), y = mesh.find(minor);
        for (place[x] = 0; place[x] < mesh.shape()[x]; ++place[x])
          for (place[y] = 0; place[y] < mesh.shape()[y]; ++place[y]) wanted.push_back(mesh.rank(place).value);
        CHECK(members(group) == wanted);
      }
    CHECK(lists(mesh.groups_over({"a", "b", "c"})) == std::vector<List>{ranks});
    CHECK(lists(mesh.groups_over({})).size() == ranks.size());
  }
}

TEST_CASE("device mesh: a slice is the sub-mesh of a rank, and its groups are groups of the mesh") {
  for (const auto& [mesh, ranks] : listed_meshes())
    for (const Index rank : ranks) {
      for (const DimNames& names : {DimNames{"a", "c"}, DimNames{"c", "a"}, DimNames{"b"}, DimNames{}}) {
        const DeviceMesh sub = mesh.slice(names, rank);
        CHECK(sub.contains(rank));
        const Group whole = mesh.groups_over(names).of(rank);
        CHECK(sub.size() == static_cast<Index>(whole.size()));
        const auto places = coordinates(sub.shape());
        for (std::size_t i = 0; i < places.size(); ++i) {
          CHECK(sub.rank(places[i]) == whole[i]);
          CHECK(sub.coordinate(whole[i]) == places[i]);
        }
        for (const Index other : ranks) CHECK(sub.contains(other) == whole.contains(other));
        for (const std::string_view name : names) {
          std::size_t held = 0;
          for (const Group& group : sub.groups(name)) {
            CHECK(group == mesh.groups(name).of(group[0]));
            CHECK(sub.contains(group[0]));
            held += group.size();
          }
          CHECK(held == places.size());
        }
        // what is sliced first makes no difference
        CHECK(mesh.slice({"a", "c"}, rank).slice({"c"}, rank) == mesh.slice({"c"}, rank));
      }
    }
}

TEST_CASE("device mesh: a flattened mesh has the same ranks in the same order") {
  for (const auto& [mesh, ranks] : listed_meshes()) {
    const DeviceMesh flat = mesh.flatten("all");
    CHECK(flat.shape() == Shape{mesh.size()});
    for (Index i = 0; i < mesh.size(); ++i) {
      CHECK(flat.rank({i}) == Rank{ranks[static_cast<std::size_t>(i)]});
      CHECK(flat.coordinate(ranks[static_cast<std::size_t>(i)]) == Place{i});
    }
    CHECK(lists(flat.groups("all")) == std::vector<List>{ranks});
    const DeviceMesh some = mesh.slice({"c", "a"}, ranks[0]).flatten("ca");
    CHECK(lists(some.groups("ca")) == std::vector<List>{members(mesh.groups_over({"c", "a"}).of(ranks[0]))});
  }
}

TEST_CASE("device mesh: a list in blocks keeps a table of blocks, an ascending one none") {
  CHECK(DeviceMesh({2, 3}, {"a", "b"}, {4, 5, 6, 7, 8, 9}).view().wires() == Wire{});
  const DeviceMesh swapped({2, 4}, {"a", "b"}, {4, 5, 6, 7, 0, 1, 2, 3});
  CHECK(swapped.view().wires().physical.size() == 2);
  CHECK(swapped.rank({0, 1}) == Rank{5});
  CHECK(DeviceMesh({2, 3}, {"a", "b"}, {0, 1, 2, 3, 4, 5}) == DeviceMesh({2, 3}, {"a", "b"}));
}

TEST_CASE("device mesh: without names dims are numbered; a view is a mesh; no dims are one rank") {
  const DeviceMesh mesh(Shape{2, 3});
  CHECK(mesh.find("dim_1") == 1);
  CHECK(mesh.shape() == Shape{2, 3});
  CHECK(DeviceMesh(View({{dp, 2}, {tp, 4}}, {}, 8)).rank({1, 2}) == Rank{14});
  CHECK(DeviceMesh(Shape{}, DimNames{}).coordinate(0) == Place{});
}

TEST_CASE("device mesh: faults") {
  CHECK(thrown([] { DeviceMesh({2, 2}, {"a"}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { DeviceMesh({2, 2}, {"a", "a"}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { DeviceMesh({2}, {""}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { DeviceMesh({2}, {"a_name_of_sixteen"}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { DeviceMesh({2, 0}, {"a", "b"}); }) == Ids{"SP-MESH-001"});
  CHECK(thrown([] { DeviceMesh({1 << 20, 1 << 20}, {"a", "b"}); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([] { DeviceMesh(Shape(9, 1)); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { DeviceMesh({2}, {"a"}, {0, 1, 2}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { DeviceMesh({2}, {"a"}, {}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { DeviceMesh({2}, {"a"}, {1, 1}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { DeviceMesh({2}, {"a"}, {-1, 0}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { DeviceMesh({2}, {"a"}, {0, 2000000000}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([] { DeviceMesh({2}, {"a"}, {0, Index{1} << 40}); }) == Ids{"SP-MESH-014"});
  const DeviceMesh mesh({2, 2}, {"a", "b"}, {0, 2, 4, 6});
  CHECK(thrown([&] { mesh.groups("c"); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([&] { mesh.groups("outside"); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([&] { mesh.groups_over({"a", "a"}); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([&] { mesh.slice({"a", "a"}, 0); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([&] { mesh.slice({"c"}, 0); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([&] { mesh.slice({"a"}, 1); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([&] { mesh.slice({"a"}, 99); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([&] { mesh.flatten(""); }) == Ids{"SP-MESH-014"});
}

namespace {
constexpr Index constant_query() {
  const DeviceMesh mesh({2, 3}, {"a", "b"}, {5, 3, 1, 4, 2, 0});
  return mesh.groups("a")[1][0].value * 10 + (*mesh.coordinate(4))[0];
}
static_assert(constant_query() == 31);
}  // namespace
