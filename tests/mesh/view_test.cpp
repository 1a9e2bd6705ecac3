#include <doctest/doctest.h>

#include <set>
#include <shardplan/mesh/view.hpp>

#include "../thrown.hpp"

using namespace shardplan;

namespace {

/// Every rank has a place of its own, and the way back leads to it.
bool is_inverse(const View& view) {
  std::set<std::vector<Index>> seen;
  for (Index r = 0; r < view.size(); ++r) {
    const Rank rank = view.offset() + r;
    const Place place = view.place(rank);
    if (!view.contains(rank) || view.rank(place) != rank) return false;
    for (std::size_t a = 0; a < place.size(); ++a)
      if (place[a] < 0 || place[a] >= view.axes()[a].size) return false;
    seen.insert(std::vector<Index>(place.begin(), place.end()));
  }
  return static_cast<Index>(seen.size()) == view.size() && !view.contains(view.offset() - 1) &&
         !view.contains(view.offset() + view.size());
}

constexpr Axis x{"x"}, y{"y"}, z{"z"};

}  // namespace

TEST_CASE("view: row-major, the last axis varies fastest") {
  constexpr View view = View({{x, 2}, {y, 3}, {z, 4}});
  static_assert(view.size() == 24);
  static_assert(view.place(17) == Place{1, 1, 1});
  static_assert(view.rank({1, 1, 1}) == Rank(17));
  static_assert(view.coordinate(23, y) == 2);
  static_assert(view.extent(y) == 3 && view.extent(tp) == 1);
  static_assert(view.at(z) == 2 && !view.find(tp));
  for (Index r = 0; r < 24; ++r) CHECK(view.rank({r / 12, r / 4 % 3, r % 4}) == Rank(r));
}

TEST_CASE("view: rank(place(r)) = r for digits in any order, offsets and wires") {
  for (Index a = 1; a <= 4; ++a)
    for (Index b = 1; b <= 4; ++b)
      for (Index c = 1; c <= 4; ++c)
        for (const Index offset : {0, 5}) {
          CAPTURE(a);
          CAPTURE(b);
          CAPTURE(c);
          CHECK(is_inverse(View({{x, a}, {y, b}, {z, c}}, {}, offset)));
          // one axis of two digits around another, minor digit inside or outside
          CHECK(is_inverse(View({{x, a}, {y, b}, {x, c}}, {}, offset)));
          CHECK(is_inverse(View({{x, a, 1}, {y, b}, {x, c, a}}, {}, offset)));
          CHECK(is_inverse(View({{x, a}, {y, 4 * b}}, wire(4 * b, {0, 3, 1, 2}), offset)));
          CHECK(is_inverse(View({{x, a}, {y, 3 * b}}, wire(3, {2, 0, 1}), offset)));
        }
  // an arbitrary rank list: one node as large as the world, blocks of one rank
  const View listed({{x, 2}, {y, 3}}, wire(6, {5, 0, 3, 1, 4, 2}));
  CHECK(is_inverse(listed));
  CHECK(listed.rank({0, 0}) == Rank(5));
  CHECK(listed.rank({1, 2}) == Rank(2));
}

TEST_CASE("view: the digits of an axis add up to its coordinate") {
  // tensor size 4 spread over nodes of 8: data = high * 2 + low
  const View spread({{dp, 2}, {tp, 4}, {dp, 2}});
  for (Index r = 0; r < 16; ++r) CHECK(spread.place(r) == Place{r / 8 * 2 + r % 2, r / 2 % 4});
}

TEST_CASE("wire: blocks of every node, both ways") {
  constexpr Wire rows = wire(64, {0, 3, 1, 2});
  static_assert(rows.block == 16);
  // algebra sheet, example 3: logical 40 is rank 24, rank 48 is logical 16
  static_assert(rows.to_physical(40) == 24 && rows.to_logical(48) == 16);
  for (Index r = 0; r < 192; ++r) {
    CHECK(rows.to_logical(rows.to_physical(r)) == r);
    CHECK(rows.to_physical(r) / 64 == r / 64);
  }
  CHECK(wire(4, {1, 0}) == wire(4, {1, 0}));
}

TEST_CASE("view: refine tells an axis apart and moves no rank") {
  for (Index size = 1; size <= 24; ++size)
    for (Index inner_extent = 1; inner_extent <= size; ++inner_extent) {
      const View view({{pp, 2}, {dp, size}, {tp, 3}}, {}, 7);
      CAPTURE(size);
      CAPTURE(inner_extent);
      if (size % inner_extent != 0) {
        CHECK(thrown([&] { view.refine(dp, x, y, inner_extent); }) == Ids{"SP-MESH-008"});
        continue;
      }
      const View fine = view.refine(dp, x, y, inner_extent);
      CHECK(is_inverse(fine));
      bool same = true;
      for (Index r = 7; r < 7 + view.size(); ++r)
        same = same && view.coordinate(r, dp) == fine.coordinate(r, x) * inner_extent + fine.coordinate(r, y) &&
               view.coordinate(r, tp) == fine.coordinate(r, tp) && view.coordinate(r, pp) == fine.coordinate(r, pp);
      CHECK(same);
    }
  // an axis of two digits, 3 inside: only a divisor chain can be cut out
  const View split({{dp, 4}, {tp, 2}, {dp, 3}});
  for (const Index good : {1, 3, 6, 12}) CHECK(is_inverse(split.refine(dp, x, y, good)));
  for (const Index bad : {0, -1, 2, 4, 5}) CHECK(thrown([&] { split.refine(dp, x, y, bad); }) == Ids{"SP-MESH-008"});
  CHECK(thrown([&] { split.refine(ep, x, y, 1); }) == Ids{"SP-MESH-007"});
}

TEST_CASE("view: what it refuses") {
  CHECK(thrown([] { View({{x, 0}}); }) == Ids{"SP-MESH-001"});
  CHECK(thrown([] { View({{x, 2}, {y, -3}}); }) == Ids{"SP-MESH-001"});
  CHECK(thrown([] { View({{x, 2, 3}, {x, 2, 1}}); }) == Ids{"SP-MESH-004"});     // coordinates 0, 1, 3, 4
  CHECK(thrown([] { View({{x, 2, 1}, {x, 2, 1}}); }) == Ids{"SP-MESH-004"});     // coordinate 1 twice
  CHECK(thrown([] { View({{x, 6}}, wire(4, {1, 0})); }) == Ids{"SP-MESH-004"});  // a node and a half
  CHECK(thrown([] { View({{x, Index{1} << 16}, {y, (Index{1} << 15) + 1}}); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([] { View({{x, Index{1} << 40}, {y, Index{1} << 40}}); }) == Ids{"SP-CORE-001"});
  CHECK(View({{x, Index{1} << 31}}).size() == Index{1} << 31);
  CHECK(thrown([] { View({{x, 2}}).at(y); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([] { View({{x, 2}}).coordinate(0, y); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([] { wire(4, {0, 0}); }) == Ids{"SP-MESH-004"});
  CHECK(thrown([] { wire(4, {0, 2}); }) == Ids{"SP-MESH-004"});
  CHECK(thrown([] { wire(5, {1, 0}); }) == Ids{"SP-MESH-004"});
  CHECK(thrown([] { wire(0, {1, 0}); }) == Ids{"SP-MESH-004"});
  CHECK(thrown([] { wire(4, {}); }) == Ids{"SP-MESH-004"});
}

TEST_CASE("axis: names and digits are values") {
  static_assert(tp.name() == "tp" && Axis("tp") == tp && tp != cp);
  static_assert(Axis("a-very-long-axis-name").name() == "a-very-long-axi");
  static_assert(Digit(tp).extent == 0 && inner(tp, 8) == Digit(tp, 1, 8) && outer(tp, 4) == Digit(tp, 0, 4));
}
