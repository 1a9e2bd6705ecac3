#include <set>

#include "support.hpp"

using namespace shardplan;

namespace {

constexpr Axis x{"x"};

/// What place k of a single axis of `extent` holds of n elements.
Elements part(const Chain& chain, Index n, Index extent, Index k) {
  return pulled(Layout(View({{x, extent}}), {n}).then(0, chain), 0, Place{k});
}

/// The rows of the parts behind one another.
Elements all_parts(const Chain& chain, Index n, Index extent) {
  Elements out;
  for (Index k = 0; k < extent; ++k)
    for (const Index element : part(chain, n, extent, k)) out.push_back(element);
  return out;
}

std::vector<Index> sizes(const Chain& chain, Index n, Index extent) {
  std::vector<Index> out;
  for (Index k = 0; k < extent; ++k) out.push_back(static_cast<Index>(part(chain, n, extent, k).size()));
  return out;
}

}  // namespace

TEST_CASE("split: parts of every rule are consecutive, cover all, and have the sizes of the definition") {
  for (Index n = 0; n <= 20; ++n)
    for (Index count = 1; count <= 7; ++count) {
      CAPTURE(n);
      CAPTURE(count);
      if (n % count == 0) CHECK(sizes(split(x), n, count) == part_sizes(PartRule::exact, n, count));
      CHECK(sizes(split(x).ceil(), n, count) == part_sizes(PartRule::ceil, n, count));
      CHECK(sizes(split(x).balanced(), n, count) == part_sizes(PartRule::balanced, n, count));
      for (Index chunk = std::max<Index>((n + count - 1) / count, 1); chunk <= n + 1; ++chunk)
        CHECK(sizes(split(x).chunk(chunk), n, count) == part_sizes(PartRule::chunk, n, count, {chunk}));
      for (const Chain& chain : {Chain(split(x).ceil()), Chain(split(x).balanced())})
        CHECK(all_parts(chain, n, count) == count_up(n));
      // mirrored: the parts from the last to the first
      for (Index k = 0; k < count; ++k) {
        CHECK(part(split(x).ceil().mirrored(), n, count, k) == part(split(x).ceil(), n, count, count - 1 - k));
        CHECK(part(split(x).balanced().mirrored(), n, count, k) == part(split(x).balanced(), n, count, count - 1 - k));
      }
    }
}

TEST_CASE("split: units give shares in proportion, zero among them") {
  CHECK(sizes(split(x).units({1, 0, 3}), 12, 3) == std::vector<Index>{3, 0, 9});
  CHECK(all_parts(split(x).units({1, 0, 3}), 12, 3) == count_up(12));
  CHECK(sizes(split(x).units({0, 0, 1}), 5, 3) == std::vector<Index>{0, 0, 5});
  CHECK(sizes(split(x).units({2, 1}), 0, 2) == std::vector<Index>{0, 0});
}

TEST_CASE("split: several digits count major first") {
  const View view({{dp, 2}, {tp, 3}});
  const Layout both = Layout(view, {12}).then(0, split(dp, tp));
  const Layout turned = Layout(view, {12}).then(0, split(tp, dp));
  for_each_place(view, [&](const Place& place) {
    CHECK(pulled(both, 0, place) == slice_of(count_up(12), (place[0] * 3 + place[1]) * 2, 2));
    CHECK(pulled(turned, 0, place) == slice_of(count_up(12), (place[1] * 2 + place[0]) * 2, 2));
  });
  // one after the other is the same as both at once, where parts are even
  CHECK(equivalent(both, Layout(view, {12}).then(0, split(dp) | split(tp))));
  CHECK(!equivalent(both, turned));
}

TEST_CASE("digits: inner and outer parts of an axis") {
  const View view({{tp, 8}});
  const auto held = [&](const Chain& chain, Index t) { return pulled(Layout(view, {8}).then(0, chain), 0, {t}); };
  for (Index t = 0; t < 8; ++t) {
    CHECK(held(split(inner(tp, 2)), t) == slice_of(count_up(8), t % 2 * 4, 4));
    CHECK(held(split(outer(tp, 2)), t) == slice_of(count_up(8), t / 4 * 4, 4));
    CHECK(held(split(Digit(tp, 2, 2)), t) == slice_of(count_up(8), t / 2 % 2 * 4, 4));
    CHECK(held(split(outer(tp, 4)) | split(inner(tp, 2)), t) == held(split(tp), t));
    CHECK(held(split(inner(tp, 8)), t) == held(split(tp), t));
  }
}

TEST_CASE("slice, pad, repeat, reorder: by their definitions") {
  CHECK(part(slice(2, 5), 7, 1, 0) == Elements{2, 3, 4});
  CHECK(part(slice(3, 3), 7, 1, 0).empty());
  CHECK(part(pad_to_multiple(4), 6, 1, 0) == Elements{0, 1, 2, 3, 4, 5, -1, -1});
  CHECK(part(pad_to_multiple(4), 8, 1, 0) == count_up(8));
  CHECK(part(pad_to_multiple(4), 0, 1, 0).empty());
  CHECK(part(pad(PadTo::length, 4), 2, 1, 0) == Elements{0, 1, -1, -1});
  CHECK(part(pad(PadTo::amount, 2), 2, 1, 0) == Elements{0, 1, -1, -1});
  CHECK(part(repeat(3), 2, 1, 0) == Elements{0, 1, 0, 1, 0, 1});
  CHECK(part(repeat(1), 2, 1, 0) == Elements{0, 1});
  CHECK(part(reorder(3, {2, -1, 0, 0}), 6, 1, 0) == Elements{4, 5, -1, -1, 0, 1, 0, 1});
  CHECK(part(reorder(3, {}), 6, 1, 0).empty());
  // padding stays padding through everything that follows
  CHECK(part(pad_to_multiple(4) | reorder(2, {1, 0}) | slice(0, 6), 5, 1, 0) == Elements{4, -1, -1, -1, 0, 1});
}

TEST_CASE("pad: where it stands decides what it means") {
  // before the split the last places hold it, after the split every place does
  CHECK(part(pad_to_multiple(4) | split(x), 6, 2, 0) == Elements{0, 1, 2, 3});
  CHECK(part(pad_to_multiple(4) | split(x), 6, 2, 1) == Elements{4, 5, -1, -1});
  CHECK(part(split(x) | pad_to_multiple(4), 6, 2, 0) == Elements{0, 1, 2, -1});
  CHECK(part(split(x) | pad_to_multiple(4), 6, 2, 1) == Elements{3, 4, 5, -1});
  CHECK(part(blocks(2, pad_to_multiple(4)) | split(x), 6, 2, 1) == Elements{3, 4, 5, -1});
  // an exact split of a pad to a multiple never fails (10.5)
  for (Index n = 0; n <= 30; ++n)
    for (Index count = 1; count <= 7; ++count) {
      const auto all = sizes(pad_to_multiple(count) | split(x), n, count);
      for (const Index size : all) CHECK(size == (n + count - 1) / count);
    }
}

TEST_CASE("blocks: counts, sizes, lists; empty ones too") {
  CHECK(part(blocks(2, split(x)), 8, 2, 1) == Elements{2, 3, 6, 7});
  CHECK(part(blocks(3, split(x).ceil(), PartRule::ceil), 7, 2, 0) == Elements{0, 1, 3, 4, 6});
  CHECK(part(blocks(3, split(x).ceil(), PartRule::balanced), 7, 2, 1) == Elements{2, 4, 6});
  CHECK(part(blocks_of(4, split(x)), 10, 2, 1) == Elements{2, 3, 6, 7, 9});
  CHECK(part(blocks_of(4, split(x)), 0, 2, 1).empty());
  CHECK(part(packed({4, 0, 2}, split(x)), 6, 2, 0) == Elements{0, 1, 4});
  CHECK(part(packed({{4, split(x)}, {3, {}}, {2, slice(1, 2)}}), 9, 2, 1) == Elements{2, 3, 4, 5, 6, 8});
  CHECK(part(equal_blocks({split(x), {}, repeat(2)}), 6, 2, 1) == Elements{1, 2, 3, 4, 5, 4, 5});
  // blocks in blocks
  CHECK(part(blocks(2, blocks(2, split(x))), 8, 2, 1) == Elements{1, 3, 5, 7});
  CHECK(part(blocks(2, equal_blocks({split(x), split(x).mirrored()}) | pad_to_multiple(3)), 8, 2, 0) ==
        Elements{0, 3, -1, 4, 7, -1});
}

TEST_CASE("sugar: strided, zigzag") {
  for (Index n = 0; n <= 48; n += 12)
    for (const Index count : {1, 2, 3})
      for (const Index stride : {1, 2, 4}) {
        if (n % (count * stride) != 0) continue;
        // NxD's rule: chunks r, r + n, r + 2n, ... (NxD sheet, 2.1)
        const Index chunk = n / (count * stride);
        for (Index r = 0; r < count; ++r) {
          Elements wanted;
          for (Index s = 0; s < stride; ++s)
            for (Index i = 0; i < chunk; ++i) wanted.push_back((s * count + r) * chunk + i);
          CHECK(part(strided(x, stride), n, count, r) == wanted);
        }
      }
  CHECK(part(zigzag(x), 16, 4, 1) == Elements{2, 3, 12, 13});
  CHECK(part(zigzag(x), 16, 4, 3) == Elements{6, 7, 8, 9});
}

TEST_CASE("sugar: block-cyclic and repeated rows, by the rules they stand for") {
  for (Index n = 0; n < 40; ++n)
    for (const Index block : {1, 2, 3})
      for (const Index count : {1, 2, 3}) {
        for (Index k = 0; k < count; ++k) {
          Elements wanted;
          for (Index i = 0; i < n; ++i)
            if (i / block % count == k) wanted.push_back(i);
          CHECK(part(blocks_of(block * count, split(x).chunk(block)), n, count, k) == wanted);
        }
        Elements repeated;
        for (Index i = 0; i < n; i += block)
          for (Index copy = 0; copy < count; ++copy)
            for (Index j = i; j < std::min(i + block, n); ++j) repeated.push_back(j);
        CHECK(part(blocks_of(block, repeat(count)), n, 1, 0) == repeated);
      }
}

TEST_CASE("sugar: the strided shard of DTensor over uneven sizes (example 6)") {
  const View view({{dp, 2}, {tp, 3}});
  const Layout layout = Layout(view, {10}).then(0, blocks(3, split(dp).ceil(), PartRule::ceil) | split(tp).ceil());
  CHECK(pulled(layout, 0, {0, 0}) == Elements{0, 1});
  CHECK(pulled(layout, 0, {0, 1}) == Elements{4, 5});
  CHECK(pulled(layout, 0, {0, 2}) == Elements{8});
  const Layout sheet = Layout(view, {10}).then(0, blocks(2, split(dp).ceil(), PartRule::ceil) | split(tp).ceil());
  CHECK(pulled(sheet, 0, {0, 0}) == Elements{0, 1});
  CHECK(pulled(sheet, 0, {0, 1}) == Elements{2, 5});
  CHECK(pulled(sheet, 0, {0, 2}) == Elements{6, 7});
  CHECK(shard(sheet, {0, 1}).segments(0).size() == 2);
}

TEST_CASE("cuts: every kind that is refused when it is written down") {
  CHECK(thrown([] { slice(3, 2); }) == Ids{"SP-LAYOUT-003"});
  CHECK(thrown([] { slice(-1, 2); }) == Ids{"SP-LAYOUT-003"});
  CHECK(thrown([] { pad_to_multiple(0); }) == Ids{"SP-LAYOUT-009"});
  CHECK(thrown([] { pad(PadTo::amount, -1); }) == Ids{"SP-LAYOUT-009"});
  CHECK(thrown([] { pad(PadTo::length, -1); }) == Ids{"SP-LAYOUT-009"});
  CHECK(thrown([] { repeat(0); }) == Ids{"SP-LAYOUT-009"});
  CHECK(thrown([] { reorder(2, {2}); }) == Ids{"SP-LAYOUT-004"});
  CHECK(thrown([] { reorder(2, {-2}); }) == Ids{"SP-LAYOUT-004"});
  CHECK(thrown([] { blocks(0, {}); }) == Ids{"SP-LAYOUT-002"});
  for (const PartRule rule : {PartRule::chunk, PartRule::units, PartRule::sizes})
    CHECK(thrown([&] { blocks(4, split(x), rule); }) == Ids{"SP-LAYOUT-002"});
  CHECK(thrown([] { blocks_of(0, {}); }) == Ids{"SP-LAYOUT-002"});
  CHECK(thrown([] { equal_blocks({}); }) == Ids{"SP-LAYOUT-002"});
  CHECK(thrown([] { split(x).chunk(0); }) == Ids{"SP-LAYOUT-002"});
  CHECK(thrown([] { split(x).units({0, 0}); }) == Ids{"SP-LAYOUT-002"});
  CHECK(thrown([] { split(x).units({1, -1}); }) == Ids{"SP-LAYOUT-009"});
  CHECK(thrown([] { packed({2, -1}, Chain{}); }) == Ids{"SP-LAYOUT-009"});
  CHECK(thrown([] { packed({INT64_MAX, 1}, Chain{}); }) == Ids{"SP-CORE-001"});
}

TEST_CASE("chains: values, compared by what they are written as") {
  CHECK((split(x) | repeat(2)) == (split(x) | repeat(2)));
  CHECK((split(x) | repeat(2)) != (repeat(2) | split(x)));
  CHECK(Chain{}.empty());
  CHECK(!Chain(split(x)).empty());
  CHECK((Chain{} | Chain{}).empty());
}
