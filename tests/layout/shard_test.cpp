#include "support.hpp"

using namespace shardplan;

namespace {

std::vector<Piece> pieces_of(const Shard& shard) {
  std::vector<Piece> out;
  for (const Piece& piece : shard.pieces()) out.push_back(piece);
  return out;
}

}  // namespace

TEST_CASE("shard: pieces are the product of the runs, the last dimension fastest") {
  const View view({{tp, 2}});
  const Layout layout =
      Layout(view, {8, 3, 4}).then(0, strided(tp, 2)).then(2, pad_to_multiple(3) | reorder(2, {1, 0}));
  const Shard here = shard(layout, {1});
  CHECK(here.local_shape() == Shape{4, 3, 6});
  CHECK(here.elements() == 72);
  CHECK(here.real_elements() == 48);
  CHECK(here.padding() == 24);
  CHECK(here.strides() == Shape{18, 6, 1});
  const std::vector<Piece> wanted{{{2, 3, 1}, {2, 0, 3}, {0, 0, 0}},
                                  {{2, 3, 3}, {2, 0, 0}, {0, 0, 3}},
                                  {{2, 3, 1}, {6, 0, 3}, {2, 0, 0}},
                                  {{2, 3, 3}, {6, 0, 0}, {2, 0, 3}}};
  CHECK(pieces_of(here) == wanted);
}

TEST_CASE("shard: a scalar has one piece, a shard of padding or nothing has none") {
  const View view({{tp, 4}});
  const Shard scalar = shard(Layout(view, {}), {0});
  CHECK(scalar.elements() == 1);
  CHECK(pieces_of(scalar).size() == 1);
  const Layout padded = Layout(view, {2, 3}).then(0, pad_to_multiple(4) | split(tp));
  CHECK(pieces_of(shard(padded, {1})).size() == 1);
  CHECK(pieces_of(shard(padded, {3})).empty());
  CHECK(shard(padded, {3}).padding() == 3);
  const Layout empty = Layout(view, {2, 3}).then(0, split(tp).ceil());
  CHECK(shard(empty, {3}).local_shape() == Shape{0, 3});
  CHECK(pieces_of(shard(empty, {3})).empty());
  CHECK(shard(empty, {3}).elements() == 0);
}

TEST_CASE("shard: equal where layouts put the same things in the same order, however they are written") {
  const View view({{dp, 2}, {tp, 3}});
  const auto layout = [&](Index n, const Chain& chain) { return Layout(view, {n}).then(0, chain); };
  CHECK(equivalent(layout(12, strided(tp, 1)), layout(12, split(tp))));
  CHECK(equivalent(layout(12, blocks(2, split(tp))), layout(12, packed({6, 6}, split(tp)))));
  CHECK(equivalent(layout(12, blocks(1, split(tp))), layout(12, split(tp))));
  CHECK(equivalent(layout(12, reorder(4, {0, 1, 2, 3})), layout(12, Chain{})));
  CHECK(equivalent(layout(12, slice(0, 12)), layout(12, repeat(1))));
  CHECK(equivalent(layout(12, split(tp).ceil()), layout(12, split(tp).units({1, 1, 1}))));
  CHECK(equivalent(layout(10, pad_to_multiple(12) | slice(0, 10)), layout(10, Chain{})));
  CHECK(equivalent(layout(12, slice(2, 10) | slice(1, 5)), layout(12, slice(3, 7))));
  CHECK(equivalent(layout(6, repeat(2) | repeat(2)), layout(6, repeat(4))));
  CHECK(!equivalent(layout(12, split(tp)), layout(12, split(tp).mirrored())));
  CHECK(!equivalent(layout(12, split(tp)), layout(12, split(dp))));
  CHECK(!equivalent(layout(12, split(tp)), layout(12, strided(tp, 2))));
  CHECK(!equivalent(layout(12, split(tp)), layout(12, split(tp)).pinned(dp, {0})));
  CHECK(!equivalent(layout(12, Chain{}), layout(6, repeat(2))));
  CHECK(!equivalent(layout(6, Chain{}), layout(6, pad(PadTo::amount, 1))));
  CHECK(!equivalent(layout(12, Chain{}), Layout(View({{dp, 3}, {tp, 2}}), {12})));
}

TEST_CASE("shard: storage strides tell transposed and stacked buffers from row-major ones") {
  const Shard here = shard(Layout(View({{tp, 2}}), {4, 3}).then(0, split(tp)), {1});
  const Shard transposed = here.stored({1, 2});
  CHECK(transposed.strides() == Shape{1, 2});
  CHECK(transposed.local_shape() == here.local_shape());
  CHECK(transposed != here);
  CHECK(transposed.stored({3, 1}) == here);
  CHECK(here.footprint() == here.elements());
  CHECK(here.stored({10, 2}).footprint() == 15);
  CHECK(shard(Layout(View({{tp, 2}}), {0, 3}), {1}).stored({10, 2}).footprint() == 0);
  CHECK(shard(Layout(View({{tp, 2}}), {}), {1}).stored({}).footprint() == 1);
  for (const Shape& strides : {Shape{}, Shape{1}, Shape{1, 2, 3}, Shape{-1, 2}, Shape{3, -1}})
    CHECK(thrown([&] { here.stored(strides); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { here.stored({INT64_MAX, INT64_MAX}); }) == Ids{"SP-CORE-001"});
}

template <class S>
concept HandsOutPieces = requires(S&& shard) {
  static_cast<S&&>(shard).pieces();
};

TEST_CASE("shard: what reads a shard does not outlive it") {
  static_assert(HandsOutPieces<Shard&> && HandsOutPieces<const Shard&>);
  static_assert(!HandsOutPieces<Shard> && !HandsOutPieces<const Shard>);
  const Layout layout = Layout(View({{tp, 2}}), {40}).then(0, blocks(10, split(tp)));
  const Shard here = shard(layout, {1});
  std::vector<Shard::Segment> kept(here.segments(0).begin(), here.segments(0).end()), passing;
  for (const Shard::Segment& segment : shard(layout, {1}).segments(0)) passing.push_back(segment);
  CHECK(kept.size() == 10);
  CHECK(passing == kept);
}

TEST_CASE("shard: every padding keeps the fill of its cut, and equivalent compares it") {
  const View view({{dp, 2}, {tp, 2}});
  const Fill minus{Fill::Kind::constant, -1};
  const auto padded = [&](Fill first, Fill second) {
    return Layout(view, {5}).then(0, pad(PadTo::amount, 1, first) | pad(PadTo::amount, 2, second) | split(tp));
  };
  const Fill fills[] = {{}, lowest_finite, minus};
  for (const Fill first : fills)
    for (const Fill second : fills) {
      const Shard here = shard(padded(first, second), {0, 1});
      std::vector<Fill> seen;
      for (const Shard::Segment& segment : here.segments(0))
        for (Index i = 0; segment.is_padding() && i < segment.length; ++i) seen.push_back(here.fill(segment));
      CHECK(seen == std::vector<Fill>{first, second, second});
      CHECK(here.fill() == first);
      CHECK(here.segments(0).size() == (first == second ? 2U : 3U));  // neighbours merge where they agree
      for (const Fill third : fills)
        for (const Fill fourth : fills)
          CHECK(equivalent(padded(first, second), padded(third, fourth)) == (first == third && second == fourth));
    }
  // the same fill from cuts that stand elsewhere in their programs
  CHECK(
      equivalent(Layout(view, {5}).then(0, pad(PadTo::amount, 3, minus)),
                 Layout(view, {5}).then(0, slice(0, 5) | pad(PadTo::amount, 1, minus) | pad(PadTo::amount, 2, minus))));
  // padding blocks of a reorder are zero
  CHECK(shard(Layout(view, {2}).then(0, pad_to_multiple(4, minus) | reorder(4, {-1, 3, 0, 1})), {0, 0}).fill() ==
        Fill{});
}
