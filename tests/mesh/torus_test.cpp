#include <doctest/doctest.h>

#include <set>
#include <shardplan/mesh/torus.hpp>
#include <vector>

#include "../thrown.hpp"

using namespace shardplan;

namespace {

InlineVector<View::Extent, 6> named(const Shape& logical) {
  InlineVector<View::Extent, 6> out;
  for (std::size_t l = 0; l < logical.size(); ++l) out.push_back({Axis(concat("axis", l)), logical[l]});
  return out;
}

/// All ways to write n as an ordered product of `count` factors.
std::vector<Shape> products(Index n, std::size_t count) {
  if (count == 0) return n == 1 ? std::vector<Shape>{{}} : std::vector<Shape>{};
  std::vector<Shape> out;
  for (Index f = 1; f <= n; ++f)
    if (n % f == 0)
      for (const Shape& rest : products(n / f, count - 1)) {
        Shape whole{f};
        whole.append(rest);
        out.push_back(whole);
      }
  return out;
}

/// Rows multiply to the torus, columns to the mesh.
bool fits(const TorusAssignment& steps, const Shape& physical, const Shape& logical) {
  if (steps.size() != physical.size()) return false;
  Shape columns(logical.size(), 1);
  for (std::size_t p = 0; p < physical.size(); ++p) {
    if (steps[p].size() != logical.size() || elements(steps[p]) != physical[p]) return false;
    for (std::size_t l = 0; l < logical.size(); ++l) columns[l] *= steps[p][l];
  }
  return columns == logical;
}

}  // namespace

TEST_CASE("torus: the most intense axis takes the most whole physical axes") {
  CHECK(torus_assignment({4, 4, 4}, {4, 16}) == TorusAssignment{{1, 4}, {1, 4}, {4, 1}});
  CHECK(torus_assignment({4, 4, 16}, {16, 16}) == TorusAssignment{{1, 4}, {1, 4}, {16, 1}});
  CHECK(torus_assignment({2, 2, 1}, {4}) == TorusAssignment{{2}, {2}, {1}});
  CHECK(torus_assignment({2, 3, 6}, {6, 6}) == TorusAssignment{{1, 2}, {1, 3}, {6, 1}});
  CHECK(torus_assignment({}, {}).empty());
  CHECK(torus_assignment({}, {1, 1}).empty());
}

TEST_CASE("torus: splitting prefers whole axes, then those in use") {
  CHECK(torus_assignment({4, 4}, {2, 2, 4}, true) == TorusAssignment{{1, 1, 4}, {2, 2, 1}});
  CHECK(torus_assignment({8, 8}, {2, 2, 16}, true) == TorusAssignment{{1, 1, 8}, {2, 2, 2}});
  // 4 of the last axis: none whole, none in use: the larger list. Then 2 goes where the 4 has been.
  CHECK(torus_assignment({8, 8}, {8, 2, 4}, true) == TorusAssignment{{1, 2, 4}, {8, 1, 1}});
  // Factors that are no power of 2.
  CHECK(torus_assignment({10, 6}, {6, 10}, true) == TorusAssignment{{1, 10}, {6, 1}});
  CHECK(fits(torus_assignment({10, 6}, {4, 15}, true), {10, 6}, {4, 15}));
}

TEST_CASE("torus: every mesh of as many devices has a place for each") {
  std::size_t split_only = 0;
  for (const Shape& physical : {Shape{4, 4}, Shape{2, 2, 4}, Shape{2, 3, 2}, Shape{12}, Shape{1, 6, 2}, Shape{10, 3}})
    for (std::size_t count = 1; count <= 3; ++count)
      for (const Shape& logical : products(elements(physical), count)) {
        CAPTURE(concat(physical, " to ", logical));
        const TorusAssignment steps = torus_assignment(physical, logical, true);
        CHECK(fits(steps, physical, logical));
        const Ids refused = thrown([&] {
          // Where no axis need be split, permission changes nothing.
          const TorusAssignment whole = torus_assignment(physical, logical);
          CHECK(whole == steps);
          for (std::size_t p = 0; p < physical.size(); ++p)
            for (const Index factor : whole[p]) CHECK((factor == 1 || factor == physical[p]));
        });
        if (!refused.empty()) CHECK(refused == Ids{"SP-MESH-014"});
        split_only += !refused.empty();

        const View view = torus_view(physical, named(logical), true);
        REQUIRE(view.axes() == InlineVector<View::Extent, 6>(named(logical)));
        std::set<std::vector<Index>> places;
        for (Index device = 0; device < view.size(); ++device) {
          const Place place = view.place(device);
          CHECK(view.rank(place) == Rank(device));
          places.insert(std::vector<Index>(place.begin(), place.end()));
          // Neighbours along a physical axis that one logical axis has alone differ in nothing else.
          Index stride = 1;
          for (std::size_t p = physical.size(); p-- > 0; stride *= physical[p]) {
            if (device / stride % physical[p] + 1 == physical[p]) continue;
            const Place next = view.place(device + stride);
            for (std::size_t l = 0; l < logical.size(); ++l)
              if (steps[p][l] == 1) CHECK(next[l] == place[l]);
          }
        }
        CHECK(static_cast<Index>(places.size()) == view.size());
      }
  CHECK(split_only > 0);
}

TEST_CASE("torus: within a physical axis the more intense logical axis is the inner part") {
  const View view = torus_view({8}, {{dp, 2}, {tp, 4}}, true);
  for (Index device = 0; device < 8; ++device) CHECK(view.place(device) == Place{device / 4, device % 4});
  const View whole = torus_view({4, 4}, {{dp, 4}, {tp, 4}});
  for (Index device = 0; device < 16; ++device) CHECK(whole.place(device) == Place{device % 4, device / 4});
  static_assert(torus_view({4, 4, 4}, {{dp, 4}, {tp, 16}}).rank({0, 1}) == Rank(4));
}

TEST_CASE("torus: what does not fit is refused") {
  const auto refused = [](auto&& run) { return thrown(run) == Ids{"SP-MESH-014"}; };
  CHECK(refused([] { torus_assignment({4, 4}, {2, 2, 4}); }));
  CHECK(refused([] { torus_assignment({4, 4, 16}, {4, 4, 16}); }));
  CHECK(refused([] { torus_assignment({4, 4}, {4, 8}, true); }));
  CHECK(refused([] { torus_assignment({4, 4, 4}, {4, 4}); }));
  CHECK(refused([] { torus_assignment({4, 0}, {0}); }));
  CHECK(refused([] { torus_assignment({65536, 65536}, {65536, 65536}); }));
  CHECK(refused([] { torus_assignment(Shape(max_torus_axes + 1, 1), {1}); }));
  CHECK(refused([] { torus_view({4, 4}, {{tp, 4}, {tp, 4}}); }));
}
