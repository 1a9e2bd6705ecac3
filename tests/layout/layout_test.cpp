#include "support.hpp"

using namespace shardplan;

namespace {

constexpr Axis x{"x"};
const View grid({{pp, 2}, {dp, 3}, {tp, 4}});

}  // namespace

TEST_CASE("layout: without cuts every place holds everything") {
  const Layout whole(grid, {3, 2});
  for_each_place(grid, [&](const Place& place) {
    CHECK(whole.local_shape(place) == Shape{3, 2});
    CHECK(whole.exists_at(place));
    CHECK(pulled(whole, 0, place) == count_up(3));
  });
  CHECK(multiplicity(whole, {1, 1}) == grid.size());
  CHECK(holding_ranks(whole, {0, 0}).size() == 24);
  CHECK(whole == whole.then(0, Chain{}));
  CHECK(multiplicity(Layout(grid, {}), {}) == grid.size());  // a scalar
}

TEST_CASE("layout: pins leave the tensor to some coordinates") {
  const Layout stage = Layout(grid, {8}).then(0, split(tp)).pinned(pp, {1});
  for_each_place(grid, [&](const Place& place) { CHECK(stage.exists_at(place) == (place[0] == 1)); });
  CHECK(multiplicity(stage, {0}) == 3);
  CHECK(multiplicity(Layout(grid, {8}).pinned(pp, {0, 1}), {0}) == 24);
  CHECK(multiplicity(Layout(grid, {8}).pinned(dp, {0, 2}), {0}) == 16);
  CHECK(multiplicity(Layout(grid, {8}).pinned(dp, {2}).pinned(pp, {1}), {0}) == 4);
  std::vector<Rank> ranks;
  for (const Index data : {0, 1, 2}) ranks.push_back(grid.rank({1, data, 3}));
  CHECK(holding_ranks(stage, {7}) == ranks);
}

TEST_CASE("layout: an element is held as often as ranks hold it, and counted so, wherever the tensor is pinned") {
  for (const Chain& chain : {Chain{}, Chain(split(tp)), Chain(split(inner(tp, 2))), Chain(split(tp).ceil()),
                             packed({{4, split(tp)}, {3, {}}})})
    for (const InlineVector<Index, 2>& stages : {InlineVector<Index, 2>{0}, {1, 0}, {1, 1, 1}})
      for (const InlineVector<Index, 2>& data : {InlineVector<Index, 2>{2}, {0, 2, 0}, {0, 1, 2}}) {
        const bool exact = chain == Chain(split(tp)) || chain == Chain(split(inner(tp, 2)));
        const Layout cut = Layout(grid, {exact ? 8 : 7}).then(0, chain);
        for (const Layout& layout :
             {cut, cut.pinned(pp, stages), cut.pinned(pp, stages).pinned(pp, {0}).pinned(dp, data)}) {
          bool held = true;
          for (Index i = 0; i < layout.shape()[0]; ++i) {
            const auto holders = static_cast<Index>(holding_ranks(layout, {i}).size());
            CHECK(multiplicity(layout, {i}) == holders);
            held = held && holders > 0;
          }
          CHECK(prove_coverage(layout).complete() == held);
          CHECK(prove_coverage(layout).consistent());
        }
      }
}

TEST_CASE("layout: an axis has one role, in whatever order roles are given") {
  const Layout whole(grid, {8});
  for (const Chain& chain : {Chain(split(tp)), Chain(split(inner(tp, 2))), zigzag(outer(tp, 2))}) {
    const Ids twice{"SP-LAYOUT-007"};
    CHECK(thrown([&] { whole.then(0, chain).pinned(tp, {0}); }) == twice);
    CHECK(thrown([&] { whole.pinned(tp, {0}).then(0, chain); }) == twice);
    CHECK(thrown([&] { whole.then(0, chain).partial(tp); }) == twice);
    CHECK(thrown([&] { whole.partial(tp).then(0, chain); }) == twice);
    CHECK(thrown([&] { whole.pinned(tp, {0}).partial(tp); }) == twice);
    CHECK(thrown([&] { whole.partial(tp).pinned(tp, {0}); }) == twice);
    CHECK(thrown([&] { whole.partial(tp).partial(tp, ReduceOp::max); }) == twice);
    CHECK(thrown([&] { whole.then(0, chain).partial(dp).pinned(pp, {1}).pinned(pp, {0}); }).empty());
  }
}

TEST_CASE("layout: partial values are a role of an axis, told apart by equivalent") {
  const Layout whole(grid, {8});
  const Layout partial = whole.partial(tp);
  REQUIRE(partial.partials().size() == 1);
  CHECK(partial.partials()[0].op == ReduceOp::sum);
  CHECK(grid.axes()[partial.partials()[0].axis].axis == tp);
  CHECK(!equivalent(whole, partial));
  CHECK(equivalent(partial, whole.partial(tp)));
  CHECK(!equivalent(partial, whole.partial(tp, ReduceOp::max)));
}

TEST_CASE("layout: bound digits are those a cut reads") {
  const Layout layout = Layout(View({{dp, 3}, {tp, 8}}), {16}).then(0, split(inner(tp, 2)));
  std::vector<Index> bound, free;
  for (std::size_t atom = 0; atom < layout.atoms().size(); ++atom)
    (layout.is_bound(atom) ? bound : free).push_back(layout.atoms()[atom].extent);
  CHECK(bound == std::vector<Index>{2});
  CHECK(free == std::vector<Index>{3, 4});
}

TEST_CASE("layout: uneven cuts are checked at every place they lead to") {
  // 7 over 3 by ceil: 3, 3, 1 elements; a second cut must fit all of them
  const View view({{dp, 3}, {tp, 2}});
  const Layout base = Layout(view, {7}).then(0, split(dp).ceil());
  CHECK(thrown([&] { base.then(0, split(tp)); }) == Ids{"SP-LAYOUT-001"});
  CHECK(thrown([&] { base.then(0, slice(0, 2)); }) == Ids{"SP-LAYOUT-003"});
  CHECK(base.then(0, pad_to_multiple(2) | split(tp)).local_size(0, {2, 1}) == 1);
  CHECK(base.then(0, slice(0, 1)).local_size(0, {2, 1}) == 1);
}

TEST_CASE("layout: siblings that read overlapping digits are checked at the places that exist, and at all of those") {
  const View view({{dp, 3}, {tp, 2}, {cp, 6}});
  const auto ruled = [](Split cut, int rule) {
    if (rule % 2 == 0) cut.ceil();
    if (rule % 2 == 1) cut.balanced();
    if (rule / 2 == 1) cut.mirrored();
    return cut;
  };
  const Split firsts[] = {split(dp, tp), split(cp), split(outer(cp, 3))};
  const Split seconds[] = {split(tp), split(tp, dp), split(inner(cp, 2)), split(cp), split(inner(cp, 2), outer(cp, 3))};
  for (const Split& first : firsts)
    for (const Split& second : seconds)
      for (int rules = 0; rules < 16; ++rules)
        for (Index n = 1; n <= 5; ++n)
          for (Index m = 1; m <= 5; m += 2) {
            const Layout layout =
                Layout(view, {n + m}).then(0, packed({{n, ruled(first, rules / 4)}, {m, ruled(second, rules % 4)}}));
            Index least = n + m, most = 0;
            for_each_place(view, [&](const Place& place) {
              least = std::min(least, layout.local_size(0, place));
              most = std::max(most, layout.local_size(0, place));
            });
            const auto fits = [&](const Chain& chain) { return thrown([&] { layout.then(0, chain); }).empty(); };
            if (!fits(slice(0, least)) || fits(slice(0, least + 1)) || !fits(pad(PadTo::length, most)) ||
                (most > 0 && fits(pad(PadTo::length, most - 1))))
              FAIL_CHECK("rules " << rules << ", " << n << " and " << m << " elements");
          }
}

TEST_CASE("layout: what it refuses") {
  const auto then = [](Index n, const Chain& chain) { return thrown([&] { Layout(grid, {n}).then(0, chain); }); };
  CHECK(then(10, split(tp)) == Ids{"SP-LAYOUT-001"});
  CHECK(then(10, blocks(3, split(tp).ceil())) == Ids{"SP-LAYOUT-001"});
  CHECK(then(10, reorder(3, {0, 1, 2})) == Ids{"SP-LAYOUT-001"});
  CHECK(then(10, reorder(0, {})) == Ids{"SP-LAYOUT-001"});
  CHECK(then(10, split(tp).chunk(2)) == Ids{"SP-LAYOUT-002"});
  CHECK(then(9, split(dp).units({1, 1, 2})) == Ids{"SP-LAYOUT-002"});
  CHECK(then(9, split(dp).units({1, 2})) == Ids{"SP-LAYOUT-002"});
  CHECK(then(9, slice(0, 10)) == Ids{"SP-LAYOUT-003"});
  CHECK(then(9, pad(PadTo::length, 8)) == Ids{"SP-LAYOUT-003"});
  CHECK(then(9, packed({4, 4}, Chain{})) == Ids{"SP-LAYOUT-005"});
  CHECK(then(9, packed({{4, split(tp)}, {4, {}}})) == Ids{"SP-LAYOUT-005"});
  CHECK(then(12, split(inner(tp, 3))) == Ids{"SP-LAYOUT-006"});
  CHECK(then(12, split(outer(tp, 8))) == Ids{"SP-LAYOUT-006"});
  CHECK(then(12, split(Digit(tp, 2, 4))) == Ids{"SP-LAYOUT-006"});
  CHECK(then(12, split(Digit(tp, -1, 2))) == Ids{"SP-LAYOUT-006"});
  CHECK(then(12, split(tp) | split(tp)) == Ids{"SP-LAYOUT-007"});
  CHECK(then(12, split(tp, tp)) == Ids{"SP-LAYOUT-007"});
  CHECK(then(12, split(outer(tp, 2)) | split(tp)) == Ids{"SP-LAYOUT-007"});
  CHECK(then(12, split(tp) | blocks(1, split(tp))) == Ids{"SP-LAYOUT-007"});
  CHECK(then(16, equal_blocks({split(tp), split(tp).mirrored()})).empty());  // alternatives may share a digit
  CHECK(then(12, split(x)) == Ids{"SP-LAYOUT-008"});
  CHECK(thrown([] { Layout(grid, {4}).then(1, split(tp)); }) == Ids{"SP-LAYOUT-008"});
  CHECK(thrown([] { Layout(grid, {4}).pinned(pp, {2}); }) == Ids{"SP-LAYOUT-008"});
  CHECK(thrown([] { Layout(grid, {4}).pinned(pp, {0, -1}); }) == Ids{"SP-LAYOUT-008"});
  CHECK(thrown([] { Layout(grid, {4}).pinned(pp, {}); }) == Ids{"SP-LAYOUT-008"});
  CHECK(thrown([] { Layout(grid, {4}).pinned(x, {0}); }) == Ids{"SP-LAYOUT-008"});
  CHECK(thrown([] { Layout(grid, {4}).partial(x); }) == Ids{"SP-LAYOUT-008"});
  CHECK(thrown([] { Layout(grid, {4, -1}); }) == Ids{"SP-LAYOUT-009"});
  // one digit may not cut two dimensions, nor a pinned axis
  CHECK(thrown([] { Layout(grid, {4, 4}).then(0, split(tp)).then(1, split(tp)); }) == Ids{"SP-LAYOUT-007"});
  CHECK(thrown([] { Layout(grid, {4}).pinned(tp, {0}).then(0, split(tp)); }) == Ids{"SP-LAYOUT-007"});
  // digits of one axis in no chain of divisors
  CHECK(thrown([] {
          Layout(View({{tp, 12}}), {12, 12}).then(0, split(inner(tp, 4))).then(1, split(outer(tp, 2)));
        }) == Ids{"SP-LAYOUT-006"});
}

TEST_CASE("layout: sizes beyond 64 bits are refused, those just below are not") {
  const Index huge = Index{1} << 62;
  const View one({{tp, 2}});
  CHECK(thrown([&] { Layout(one, {huge, 4}); }) == Ids{"SP-CORE-001"});
  CHECK(thrown([&] { Layout(one, {huge}).then(0, repeat(2)); }) == Ids{"SP-CORE-001"});
  CHECK(thrown([&] { Layout(one, {INT64_MAX}).then(0, pad_to_multiple(2)); }) == Ids{"SP-CORE-001"});
  CHECK(thrown([&] { Layout(one, {INT64_MAX}).then(0, pad(PadTo::amount, 1)); }) == Ids{"SP-CORE-001"});
  CHECK(thrown([&] { Layout(one, {huge}).then(0, reorder(1, {0, 0, 0})); }) == Ids{"SP-CORE-001"});
  CHECK(thrown([&] { Layout(one, {huge}).then(0, blocks(2, repeat(4))); }) == Ids{"SP-CORE-001"});
  const Layout large = Layout(one, {INT64_MAX}).then(0, split(tp).ceil());
  CHECK(large.local_size(0, {0}) == huge);
  CHECK(large.local_size(0, {1}) == huge - 1);
  CHECK(multiplicity(large, {INT64_MAX - 1}) == 1);
  CHECK(shard(Layout(one, {huge}).then(0, split(tp).chunk(huge)), {1}).elements() == 0);
  CHECK(prove_coverage(Layout(one, {INT64_MAX}).then(0, split(tp).balanced())).complete());
}

TEST_CASE("layout: shards too large to count are refused when the layout is made, so queries are not") {
  const View view({{dp, 2}, {tp, 2}});
  const Index half = Index{1} << 31;
  for (const Index columns : {half / 2, half}) {
    const Layout rows(view, {half, columns});
    // 2^32 rows after padding: with 2^31 columns one bit too many
    const auto padded = [&] { return rows.then(0, pad(PadTo::length, 2 * half)); };
    if (columns == half) {
      CHECK(thrown(padded) == Ids{"SP-CORE-001"});
      CHECK(thrown([&] { rows.then(1, repeat(2)); }) == Ids{"SP-CORE-001"});
      CHECK(thrown([&] { rows.then(1, split(tp)).then(0, pad(PadTo::length, 2 * half)); }).empty());
      // only the last place is padded: 2^31 + 2^31 rows there, none at the other
      CHECK(thrown([&] { rows.then(0, packed({{half, split(tp).units({0, 1}) | repeat(2)}})); }) == Ids{"SP-CORE-001"});
    } else {
      CHECK(shard(padded(), {0, 0}).padding() == half * columns);
      CHECK(shard(padded(), {0, 0}).footprint() == 2 * half * columns);
    }
  }
  // no elements, but strides that would not fit
  for (const Shape& shape : {Shape{0, 2 * half, 2 * half}, Shape{2 * half, 2 * half, 0}})
    CHECK(thrown([&] { Layout(view, shape); }) == Ids{"SP-CORE-001"});
  CHECK(thrown([&] { Layout(view, {0, 2 * half, half / 2}); }).empty());
}

TEST_CASE("layout: making one costs by its cuts, not by ranks or primes") {
  // each of these would take seconds, were every place or every candidate divisor tried
  const Index ranks = Index{1} << 28;
  const View view({{dp, ranks}});
  for (const Chain& chain :
       {Chain(split(dp).ceil()), Chain(split(outer(dp, 1 << 10)).balanced() | split(inner(dp, 1 << 18)).ceil()),
        blocks(3, split(dp).ceil(), PartRule::ceil), equal_blocks({split(dp).ceil(), split(dp).balanced().mirrored()}),
        equal_blocks(
            {split(outer(dp, 1 << 10)).ceil() | split(inner(dp, 1 << 18)).ceil(), split(dp).ceil().mirrored()})})
    CHECK(Layout(view, {8}).then(0, chain).local_size(0, {ranks - 1}) <= 8);
  CHECK(thrown([] { Layout(View({{tp, 2}}), {(Index{1} << 61) - 1}).then(0, split(tp)); }) == Ids{"SP-LAYOUT-001"});
}

TEST_CASE("layout: hints of exact cuts stay inside 64 bits") {
  const auto hint = [](Index n) {
    try {
      Layout(View({{tp, 2}}), {n}).then(0, split(tp));
    } catch (const Error& error) {
      return error.diagnostics()[0].hint;
    }
    return std::string();
  };
  CHECK(hint(7) == "6 or 8 elements, or 1 parts");
  CHECK(hint(INT64_MAX) == concat(INT64_MAX - 1, " elements, or 1 parts"));
}

TEST_CASE("layout: constants of the compiler (10.11)") {
  constexpr View view({{dp, 3}, {tp, 2}});
  constexpr Layout two = Layout(view, {16}).then(0, strided(tp, 2) | pad_to_multiple(3) | split(dp));
  static_assert(two.local_shape({2, 1}) == Shape{3});
  static_assert(shard(two, {1, 0}).segments(0).size() == 2);
  static_assert(multiplicity(two, {5}) == 1);
  static_assert(zigzag(tp) == zigzag(tp));
  static_assert(equivalent(two, Layout(view, {16}).then(0, blocks(2, split(tp)) | pad_to_multiple(3) | split(dp))));
  CHECK(two == two.then(0, Chain{}));
}
