#include <shardplan/layout/coverage.hpp>
#include <shardplan/tensor/weight.hpp>
#include <shardplan/zero/groups.hpp>
#include <shardplan/zero/rows.hpp>

#include "support.hpp"

using namespace shardplan;

namespace {

constexpr Index clamped_rows(Index rows, Index most) { return rows < 0 ? 0 : rows < most ? rows : most; }

/// Real rows of each rank, after checking that they stand in front of the padding and where the rule puts them.
Numbers real_rows(const Layout& state, Index ranks) {
  Numbers out;
  for (Index k = 0; k < ranks; ++k) {
    const Shard mine = shard(state, state.view().place(k));
    Index real = 0;
    for (const auto& segment : mine.segments(0)) {
      if (segment.is_padding()) continue;
      CHECK(segment.start == k * mine.local_shape()[0]);
      CHECK(segment.local == 0);
      real += segment.length;
    }
    out.push_back(real);
  }
  return out;
}

constexpr bool known_at_compile_time() {
  const zero::DataRanks ranks(4);
  const Layout state = zero::rows(Layout(ranks.view(), {10, 4}));
  const Shard last = shard(state, ranks.view().place(3));
  return last.local_shape() == Shape{3, 4} && last.real_elements() == 4 && last.padding() == 8;
}
static_assert(known_at_compile_time());

}  // namespace

TEST_CASE("rows: the rule, for all small sizes") {
  for (Index d = 1; d <= 9; ++d) {
    const zero::DataRanks ranks(d);
    for (Index n0 = 0; n0 <= 40; ++n0) {
      CAPTURE(d);
      CAPTURE(n0);
      const Layout state = zero::rows(Layout(ranks.view(), {n0, 3}));
      const Index each = ceil_div(n0, d);
      const Numbers real = real_rows(state, d);
      Index padding = 0;
      for (Index k = 0; k < d; ++k) {
        const Shard mine = shard(state, ranks.view().place(k));
        CHECK(mine.local_shape() == Shape{each, 3});
        CHECK(real[static_cast<std::size_t>(k)] == clamped_rows(n0 - k * each, each));
        padding += mine.padding();
      }
      CHECK(padding == (each * d - n0) * 3);
      const Coverage coverage = prove_coverage(state);
      CHECK(coverage.consistent());
      CHECK(std::all_of(coverage.ranges.begin(), coverage.ranges.end(), [](const Copies& c) { return c.held == 1; }));
    }
  }
}

TEST_CASE("rows: recorded shards") {
  const auto recorded = [](Index d, const Shape& shape, Index each, const Numbers& real, Index padding) {
    CAPTURE(d);
    const zero::DataRanks ranks(d);
    const Layout state = zero::rows(Layout(ranks.view(), shape));
    CHECK(state.local_size(0, ranks.view().place(0)) == each);
    CHECK(real_rows(state, d) == real);
    Index all = 0;
    for (Index k = 0; k < d; ++k) all += shard(state, ranks.view().place(k)).padding();
    CHECK(all == padding);
  };
  recorded(2, {7}, 4, {4, 3}, 1);
  recorded(4, {10, 4}, 3, {3, 3, 3, 1}, 8);
  recorded(4, {2, 2, 2}, 1, {1, 1, 0, 0}, 8);
  recorded(8, {3, 5}, 1, {1, 1, 1, 0, 0, 0, 0, 0}, 25);
  recorded(8, {9, 8}, 2, {2, 2, 2, 2, 1, 0, 0, 0}, 56);
  recorded(8, {17, 8}, 3, {3, 3, 3, 3, 3, 2, 0, 0}, 56);
  recorded(4, {0, 4}, 0, {0, 0, 0, 0}, 0);
  recorded(8, {16032, 4096}, 2004, Numbers(8, 2004), 0);
}

TEST_CASE("rows: the part of a rank is its position in the group") {
  for (const Degrees degrees : {Degrees{2, 1, 1, 1}, Degrees{2, 2, 2, 1}, Degrees{1, 1, 4, 1}, Degrees{2, 1, 1, 4},
                                Degrees{1, 2, 2, 2}, Degrees{2, 1, 2, 4}, Degrees{1, 1, 4, 2}}) {
    const Mesh mesh({.ranks = 16}, degrees);
    for (const bool expert : {false, true}) {
      CAPTURE(degrees.context);
      CAPTURE(degrees.expert);
      CAPTURE(expert);
      const View& view = expert ? mesh.expert() : mesh.dense();
      const GroupList groups = zero::groups(mesh, expert);
      const zero::DataRanks ranks(view);
      REQUIRE(static_cast<std::size_t>(ranks.size()) == groups[0].size());
      const Layout state = zero::rows(Layout(view, {ranks.size()}));
      for (Index r = 0; r < mesh.size(); ++r)
        CHECK(shard(state, view.place(r)).segments(0)[0].start == *groups.of(r).position(r));
    }
  }
}

TEST_CASE("rows: behind the cuts of the weight") {
  const Mesh mesh({.ranks = 16}, {.tensor = 2, .context = 2});
  Parameter up{"up", {20, 6}, Dtype::bfloat16, cut(0, 20), {}};
  const Layout weight = tensor::weight_layout(up, mesh.dense(), {});
  const Layout state = zero::rows(weight);
  for (Index r = 0; r < mesh.size(); ++r) {
    const Place place = mesh.dense().place(r);
    const Shard mine = shard(state, place);
    const Index k = *zero::groups(mesh, false).of(r).position(r);
    const Index first = 10 * mesh.dense().coordinate(r, tp);
    CHECK(mine.local_shape() == Shape{2, 6});
    CHECK(mine.real_elements() == 6 * clamped_rows(10 - 2 * k, 2));
    if (mine.real_elements() > 0) CHECK(mine.segments(0)[0].start == first + 2 * k);
  }
  // Cut along dimension 1, the rows are those of the whole weight.
  Parameter down{"down", {20, 6}, Dtype::bfloat16, cut(1, 6), {}};
  const Layout across = zero::rows(tensor::weight_layout(down, mesh.dense(), {}));
  CHECK(across.local_shape(mesh.dense().place(0)) == Shape{3, 3});
  for (const Layout& layout : {state, across}) {
    const Coverage coverage = prove_coverage(layout);
    CHECK(coverage.complete());
    CHECK(coverage.consistent());
    CHECK(multiplicity(layout, {7, 4}) == 1);
  }
}

TEST_CASE("rows: over some of the data ranks, the others hold replicas") {
  const zero::DataRanks all(8);
  const Layout state = zero::rows(Layout(all.view(), {12}), {inner(dp, 4)});
  CHECK(zero::DataRanks(all.view(), {inner(dp, 4)}).size() == 4);
  CHECK(shard(state, all.view().place(1)) == shard(state, all.view().place(5)));
  CHECK(multiplicity(state, {3}) == 2);
  CHECK(thrown_ids([&] { zero::rows(Layout(all.view(), {12}), {inner(dp, 3)}); }) == Ids{"SP-LAYOUT-006"});
  CHECK(thrown_ids([&] { zero::rows(Layout(all.view(), {12}), {cp}); }) == Ids{"SP-LAYOUT-008"});
}

TEST_CASE("rows: without data ranks a shard is the weight") {
  const View view({{pp, 2}, {tp, 4}});
  const Layout weight = Layout(view, {8, 3}).then(0, split(tp));
  CHECK(equivalent(zero::rows(weight), weight));
}

TEST_CASE("rows: refusals") {
  const zero::DataRanks ranks(4);
  CHECK(thrown_ids([&] { zero::rows(Layout(ranks.view(), {})); }) == Ids{"SP-ZERO-001"});
  CHECK(thrown_ids([] { zero::DataRanks(0); }) == Ids{"SP-ZERO-002"});
  CHECK(thrown_ids([] { zero::DataRanks(-3); }) == Ids{"SP-ZERO-002"});
  // A weight that has used up the data axis cannot be divided by it again.
  CHECK(thrown_ids([&] { zero::rows(Layout(ranks.view(), {8}).then(0, split(dp))); }) == Ids{"SP-LAYOUT-007"});
}

TEST_CASE("local_elements: of each tensor at a place") {
  const View view({{dp, 2}, {tp, 2}});
  const Layout whole(view, {5, 2});
  const std::vector<Layout> tensors{whole, whole.then(1, split(tp)), Layout(view, {})};
  CHECK(local_elements(tensors, view.place(1)) == Numbers{10, 5, 1});
}
