#include <doctest/doctest.h>

#include <shardplan/mesh/grid.hpp>

#include "../thrown.hpp"

using namespace shardplan;

namespace {

/// Post-condition of the header: a grid agrees with its view in every query.
template <class G>
constexpr bool agrees(const G& grid) {
  const View view = grid.view();
  if (grid.size() != view.size()) return false;
  for (Index r = 0; r < grid.size(); ++r) {
    const auto place = grid.place(r);
    if (grid.rank(place) != Rank(r)) return false;
    for (std::size_t a = 0; a < place.size(); ++a)
      if (place[a] != view.place(r)[a]) return false;
  }
  return true;
}

using Static = Grid<StaticExtent{pp, 2}, StaticExtent{dp, 3}, StaticExtent{tp, 4}>;
using Mixed =
    Grid<StaticExtent{pp, 2}, StaticExtent{dp, dynamic_extent}, StaticExtent{cp, dynamic_extent}, StaticExtent{tp, 8}>;

}  // namespace

static_assert(agrees(Static{}));
static_assert(Static{}.size() == 24 && Static{}.extent<dp>() == 3);
static_assert(Static{}.coordinate<dp>(17) == 1 && Static{}.rank({1, 1, 1}) == Rank(17));
static_assert(sizeof(Static) == 1, "a static grid holds nothing");
static_assert(agrees(Mixed(3, 2)));

TEST_CASE("grid: equals its view for all small dynamic extents") {
  for (Index a = 1; a <= 5; ++a)
    for (Index b = 1; b <= 5; ++b) {
      const Mixed grid(a, b);
      CHECK(agrees(grid));
      CHECK(grid.size() == 16 * a * b);
      CHECK(grid.extent<dp>() == a);
      CHECK(grid.extent<cp>() == b);
      for (Index r = 0; r < grid.size(); ++r) {
        if (grid.coordinate<tp>(r) != r % 8) FAIL("tp of rank " << r);
        if (grid.coordinate<cp>(r) != r / 8 % b) FAIL("cp of rank " << r);
      }
    }
}

TEST_CASE("grid: the same in a world of a million ranks") {
  const Grid<StaticExtent{pp, 16}, StaticExtent{dp, dynamic_extent}, StaticExtent{tp, 8}> grid(8192);
  const View view = grid.view();
  REQUIRE(grid.size() == Index{1} << 20);
  for (const Index r : {0, 1, 77, 65'535, 65'536, 999'999, (1 << 20) - 1}) {
    CHECK(grid.rank(grid.place(r)) == Rank(r));
    CHECK(grid.coordinate<dp>(r) == view.coordinate(r, dp));
  }
}

TEST_CASE("grid: what it refuses") {
  CHECK(thrown([] { Mixed(0, 1); }) == Ids{"SP-MESH-001"});
  CHECK(thrown([] { Mixed(1, -1); }) == Ids{"SP-MESH-001"});
  CHECK(thrown([] { Mixed(Index{1} << 27, 2); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([] { Mixed(Index{1} << 62, Index{1} << 62); }) == Ids{"SP-MESH-009"});
  CHECK(Mixed(Index{1} << 27, 1).size() == Index{1} << 31);
}
