#include <doctest/doctest.h>

#include <algorithm>
#include <shardplan/mesh/hyper_comm_grid.hpp>
#include <shardplan/mesh/megatron.hpp>
#include <shardplan/mesh/nxd.hpp>
#include <shardplan/mesh/same_order.hpp>
#include <vector>

#include "../thrown.hpp"

using namespace shardplan;

namespace {

/// By a look at every rank, and nothing of same_order.
std::optional<OrderDifference> walked(const View& a, const View& b, const Renaming& names = {}) {
  for (Index r = a.offset(); r < a.offset() + a.size(); ++r) {
    const Place here = a.place(r), there = b.place(r);
    for (std::size_t i = 0; i < a.axes().size(); ++i) {
      Axis other = a.axes()[i].axis;
      for (const SameAxis& name : names)
        if (name.a == other) other = name.b;
      if (const auto at = b.find(other); at && here[i] != there[*at]) return OrderDifference{r, here, there};
    }
  }
  return std::nullopt;
}

/// Views of axes x and y of the given sizes: every way to cut both into at most two digits, in every sequence, as it is
/// and with wires.
std::vector<View> views(Index x, Index y) {
  const Axis ax{"x"}, ay{"y"};
  std::vector<View> out;
  for (Index cut_x = 1; cut_x <= x; ++cut_x)
    for (Index cut_y = 1; cut_y <= y; ++cut_y) {
      if (x % cut_x != 0 || y % cut_y != 0) continue;
      std::vector<ViewDigit> digits{{ax, cut_x, 1}, {ax, x / cut_x, cut_x}, {ay, cut_y, 1}, {ay, y / cut_y, cut_y}};
      std::vector<int> order{0, 1, 2, 3};
      do {
        InlineVector<ViewDigit, 8> chosen;
        for (const int i : order) chosen.push_back(digits[static_cast<std::size_t>(i)]);
        out.emplace_back(chosen);
        if (x * y % 4 == 0 && order[0] < 2) {
          out.emplace_back(chosen, wire(4, {0, 1, 2, 3}));
          out.emplace_back(chosen, wire(4, {0, 3, 1, 2}));
          out.emplace_back(chosen, wire(x * y, {0, 1, 3, 2}));
        }
      } while (std::next_permutation(order.begin(), order.end()));
    }
  return out;
}

}  // namespace

TEST_CASE("same_order finds what a look at every rank finds, first rank and both places") {
  std::size_t same = 0, different = 0;
  for (const auto& [x, y] : {std::pair<Index, Index>{4, 2}, {2, 6}, {4, 4}, {3, 1}, {8, 3}, {1, 1}}) {
    const std::vector<View> all = views(x, y);
    for (const View& a : all)
      for (const View& b : all) {
        const auto found = same_order(a, b);
        if (found != walked(a, b)) {
          FAIL_CHECK("x " << x << ", y " << y << ", found " << found.has_value());
          return;
        }
        ++(found ? different : same);
      }
  }
  CHECK(same > 1000);
  CHECK(different > 1000);
}

TEST_CASE("digits of one axis count on only where their weights do") {
  const ViewDigit digits[] = {{Axis("x"), 2, 1}, {Axis("x"), 2, 2}, {Axis("x"), 2, 4}, {Axis("y"), 3, 1}};
  std::vector<View> all;
  std::vector<int> order{0, 1, 2, 3};
  do {
    InlineVector<ViewDigit, 8> chosen;
    for (const int i : order) chosen.push_back(digits[i]);
    all.emplace_back(chosen);
  } while (std::next_permutation(order.begin(), order.end()));
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < all.size(); ++j) {
      CHECK(same_order(all[i], all[j]) == walked(all[i], all[j]));
      CHECK(same_order(all[i], all[j]).has_value() == (i != j));
    }
}

TEST_CASE("same_order is symmetric, and so are the renamings") {
  const View a({{pp, 2}, {dp, 3}, {tp, 4}}), b({{Axis("pipe"), 2}, {Axis("model"), 4}, {Axis("data"), 3}});
  const Renaming there{{tp, Axis("model")}, {dp, Axis("data")}, {pp, Axis("pipe")}};
  const Renaming back{{Axis("model"), tp}, {Axis("data"), dp}, {Axis("pipe"), pp}};
  const auto found = same_order(a, b, there), turned = same_order(b, a, back);
  REQUIRE(found);
  CHECK(found->rank == Rank(1));
  CHECK(found->a == Place{0, 0, 1});
  CHECK(found->b == Place{0, 0, 1});  // pipe 0, model 0, data 1
  REQUIRE(turned);
  CHECK(turned->rank == found->rank);
  CHECK(turned->a == found->b);
  CHECK(turned->b == found->a);
  CHECK_FALSE(same_order(a, View({{Axis("pipe"), 2}, {Axis("data"), 3}, {Axis("model"), 4}}), there));
}

TEST_CASE("axes of extent 1 do not matter, offsets do") {
  const View a({{pp, 2}, {tp, 4}});
  CHECK_FALSE(same_order(a, View({{cp, 1}, {pp, 2}, {ep, 1}, {tp, 4}, {dp, 1}})));
  CHECK_FALSE(same_order(View({{tp, 2}, {tp, 2}, {pp, 1}}), View({{tp, 4}})));
  CHECK_FALSE(same_order(View({{pp, 2}, {tp, 4}}, {}, 8), View({{pp, 2}, {tp, 4}}, {}, 8)));
  const auto moved = same_order(View({{pp, 2}, {tp, 4}}, {}, 8), View({{tp, 4}, {pp, 2}}, {}, 8));
  REQUIRE(moved);
  CHECK(moved->rank == Rank(9));
}

TEST_CASE("digits prove 2^30 ranks, and find the first rank that differs, without a walk") {
  const Index many = Index{1} << 13;
  const View a({{pp, 16}, {dp, many}, {cp, many}});
  static_assert(!same_order(View({{pp, 16}, {dp, Index{1} << 20}}), View({{pp, 4}, {pp, 4}, {dp, Index{1} << 20}})));
  CHECK_FALSE(same_order(a, View({{pp, 4}, {pp, 4}, {dp, 2}, {dp, many / 2}, {cp, many}})));
  const auto found = same_order(a, View({{dp, many}, {pp, 16}, {cp, many}}));
  REQUIRE(found);
  CHECK(found->rank == Rank(many));
  const auto late = same_order(a, View({{pp, 8}, {dp, 2, many / 2}, {pp, 2, 1}, {dp, many / 2, 1}, {cp, many}}));
  REQUIRE(late);
  CHECK(late->rank == Rank(many * (many / 2)));
}

TEST_CASE("real meshes: NxD equals Megatron where tensor ranks are neighbours, and nowhere else") {
  const mcore::RankGrid megatron(mcore::Order("tp-cp-dp-pp"), {.tensor = 32, .data = 2, .pipeline = 2});
  const Degrees degrees{.tensor = 32, .pipeline = 2};
  CHECK_FALSE(same_order(megatron.view(), Mesh({.ranks = 128, .hardware = Hardware::trn1}, degrees).dense()));
  const View ring = Mesh({.ranks = 128, .hardware = Hardware::trn2, .lnc = 2}, degrees).dense();
  const auto found = same_order(megatron.view(), ring);
  REQUIRE(found);
  CHECK(found->rank == Rank(16));
  CHECK_FALSE(same_order(ring, ring));
}

TEST_CASE("SP-MESH-015: other ranks, other axes, other sizes, renamings of nothing or twice") {
  const View a({{pp, 2}, {tp, 4}});
  const Ids wrong{"SP-MESH-015"};
  CHECK(thrown([&] { same_order(a, View({{pp, 2}, {tp, 8}})); }) == wrong);
  CHECK(thrown([&] { same_order(a, View({{pp, 2}, {tp, 4}}, {}, 8)); }) == wrong);
  CHECK(thrown([&] { same_order(a, View({{pp, 4}, {tp, 2}})); }) == wrong);
  CHECK(thrown([&] { same_order(a, View({{dp, 2}, {tp, 4}})); }) == wrong);
  CHECK(thrown([&] { same_order(a, View({{dp, 2}, {tp, 4}}), {{cp, dp}}); }) == wrong);
  CHECK(thrown([&] { same_order(a, View({{dp, 2}, {tp, 4}}), {{pp, cp}}); }) == wrong);
  CHECK(thrown([&] { same_order(View({{pp, 4}, {tp, 4}}), View({{tp, 4}, {dp, 4}}), {{pp, tp}}); }) == wrong);
  CHECK(thrown([&] { same_order(View({{tp, 4}}), View({{tp, 2}, {cp, 2}})); }) == wrong);
  CHECK(thrown([&] { same_order(View({{tp, 4}, {pp, 1}}), View({{tp, 4}, {dp, 1}}), {{pp, dp}}); }).empty());
}
