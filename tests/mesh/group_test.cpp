#include <doctest/doctest.h>

#include <algorithm>
#include <shardplan/mesh/accessors.hpp>
#include <shardplan/mesh/group.hpp>

#include "../thrown.hpp"

using namespace shardplan;

namespace {

constexpr Axis x{"x"}, y{"y"}, z{"z"};

std::vector<Index> members(const Group& group) {
  std::vector<Index> out;
  for (const Rank rank : group) out.push_back(rank.value);
  return out;
}

/// What one group of a list looks like when it is written down: the ranks at a base place, member axes major first.
std::vector<Index> by_places(const View& view, const GroupList::Axes& axes, Place base) {
  std::vector<Index> out;
  Index count = 1;
  for (const Axis axis : axes) count *= view.extent(axis);
  for (Index k = 0; k < count; ++k) {
    Index rest = k;
    for (std::size_t a = axes.size(); a-- > 0;) {
      base[view.at(axes[a])] = rest % view.extent(axes[a]);
      rest /= view.extent(axes[a]);
    }
    out.push_back(view.rank(base).value);
  }
  return out;
}

}  // namespace

TEST_CASE("group list: groups partition the ranks, differ in the member axes alone, and stand in order") {
  const View views[] = {View({{x, 2}, {y, 3}, {z, 4}}), View({{x, 3}, {y, 2}, {x, 2}, {z, 2}}, {}, 10),
                        View({{x, 2}, {y, 4}, {z, 4}}, wire(16, {0, 3, 1, 2}), 3)};
  const GroupList::Axes choices[][2] = {{{x}, {y, z}}, {{y}, {z, x}}, {{x, z}, {y}}, {{z, x}, {y}}, {{z, y, x}, {}}};
  for (const View& view : views)
    for (const auto& [axes, order] : choices) {
      const GroupList list(view, axes, order);
      std::vector<Index> seen;
      for (std::size_t i = 0; i < list.size(); ++i) {
        const Group group = list[i];
        // the order of the list counts through `order`, outer first
        Place base(3, 0);
        auto rest = static_cast<Index>(i);
        for (std::size_t o = order.size(); o-- > 0;) {
          base[view.at(order[o])] = rest % view.extent(order[o]);
          rest /= view.extent(order[o]);
        }
        CHECK(members(group) == by_places(view, axes, base));
        for (std::size_t k = 0; k < group.size(); ++k) {
          CHECK(group.position(group[k]) == static_cast<Index>(k));
          CHECK(list.of(group[k]) == group);
          CHECK(list.index_of(group[k]) == i);
          CHECK(containing(list, group[k]) == group);
          seen.push_back(group[k].value);
        }
        std::size_t inside = 0;
        for (Index r = 0; r < view.size(); ++r) inside += group.contains(view.offset() + r);
        CHECK(inside == group.size());
        if (view.offset() > 0) CHECK(!group.contains(0));
      }
      std::sort(seen.begin(), seen.end());
      std::vector<Index> all;
      for (Index r = 0; r < view.size(); ++r) all.push_back(view.offset() + r);
      CHECK(seen == all);
    }
}

TEST_CASE("group: picks keep their order, and picks of picks too") {
  constexpr View view = View({{pp, 4}, {tp, 2}});
  const Group stages = GroupList(view, {pp}, {tp})[1];
  CHECK(members(stages) == std::vector<Index>{1, 3, 5, 7});
  const Group ends = stages.pick({3, 0});
  CHECK(members(ends) == std::vector<Index>{7, 1});
  CHECK(ends.position(7) == 0);
  CHECK(!ends.contains(3));
  CHECK(members(ends.pick({1})) == std::vector<Index>{1});
  CHECK(ends != stages.pick({0, 3}));
  CHECK(stages.pick({0, 1}) == GroupList(View({{x, 2}, {pp, 2}, {tp, 2}}), {pp}, {x, tp})[1]);
}

TEST_CASE("group list: each pick is an entry of the list") {
  const GroupList pairs(View({{pp, 3}, {tp, 2}}), {pp}, {tp}, {{0, 1}, {2, 0}});
  REQUIRE(pairs.size() == 4);
  CHECK(members(pairs[0]) == std::vector<Index>{0, 2});
  CHECK(members(pairs[1]) == std::vector<Index>{4, 0});
  CHECK(members(pairs[2]) == std::vector<Index>{1, 3});
  CHECK(members(pairs[3]) == std::vector<Index>{5, 1});
  CHECK(containing(pairs, 4) == pairs[1]);
  CHECK(containing(pairs, 0) == pairs[0]);
  CHECK(!containing(GroupList(View({{pp, 3}, {tp, 2}}), {pp}, {tp}, {{1, 2}}), 0));
}

TEST_CASE("group: iterators walk in both directions, and by strides") {
  const Group group = GroupList(View({{x, 2}, {y, 5}}), {y}, {x})[1];
  CHECK(std::vector<Rank>(group.begin(), group.end()) == std::vector<Rank>{5, 6, 7, 8, 9});
  CHECK(group.end() - group.begin() == 5);
  CHECK(*(group.begin() + 3) == Rank(8));
  CHECK(*(2 + group.begin()) == Rank(7));
  CHECK(*(group.end() - 1) == Rank(9));
  CHECK(group.begin()[4] == Rank(9));
  CHECK(group.begin() < group.end());
  auto it = group.begin();
  CHECK(*it++ == Rank(5));
  CHECK(*it-- == Rank(6));
  CHECK(*it == Rank(5));
  CHECK(std::binary_search(group.begin(), group.end(), Rank(7)));
}

TEST_CASE("group: queries are constants where the view is one") {
  static_assert([] {
    const GroupList list(View({{x, 2}, {y, 4}}), {y}, {x});
    return list.size() == 2 && list[1][2] == Rank(6) && list.of(6).position(6) == Index{2} && list.index_of(3) == 0;
  }());
}

TEST_CASE("group list: what it refuses") {
  const View view({{x, 2}, {y, 3}});
  CHECK(thrown([&] { GroupList(view, {z}, {x, y}); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([&] { GroupList(view, {x}, {}); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([&] { GroupList(view, {x}, {y, x}); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([&] { GroupList(view, {x, x}, {y}); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([&] { GroupList(view, {y}, {x}, {{0, 3}}); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([&] { GroupList(view, {y}, {x}, {{-1}}); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([&] { GroupList(view, {y}, {x}, {{0, 1}, {2}}); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([&] { GroupList(view, {y}, {x}, {{}}); }) == Ids{"SP-MESH-009"});
}
