#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <shardplan/layout/cute.hpp>
#include <vector>

#include "../thrown.hpp"

using namespace shardplan;
using cute::parse;

namespace {

/// All layouts of two leaf modes, and some nested ones, small enough to list.
std::vector<cute::Layout> small_layouts() {
  std::vector<cute::Layout> out{
      {}, {5, 3}, parse("((2,2),3):((24,2),8)"), parse("(2,(1,6)):(1,(6,2))"), parse("(4):(2)")};
  for (const Index s : {1, 2, 3, 4})
    for (const Index t : {1, 2, 6})
      for (const Index d : {0, 1, 2, 3, 8})
        for (const Index e : {1, 4, 6, 12}) out.push_back(cute::make_layout({{s, d}, {t, e}}));
  return out;
}

std::vector<Index> values(const cute::Layout& layout) {
  std::vector<Index> out;
  for (Index i = 0; i < layout.size(); ++i) out.push_back(layout(i));
  return out;
}

bool refuses(const std::string& id, auto&& run) { return thrown(run) == Ids{id}; }

/// The result, or nothing where the algebra refuses.
std::optional<cute::Layout> attempt(auto&& run) {
  try {
    return run();
  } catch (const Error& error) {
    if (ids_of(error.diagnostics()) != Ids{"SP-LAYOUT-012"}) throw;
    return std::nullopt;
  }
}

}  // namespace

TEST_CASE("cute: the first mode is the fastest; the text leads back") {
  constexpr auto nested = [] { return parse("((2,2),3):((24,2),8)"); };
  static_assert(nested().size() == 12 && nested().cosize() == 24 + 2 + 16 + 1 && nested().rank() == 2);
  static_assert(nested()(1) == 24 && nested()(2) == 2 && nested()(4) == 8 && nested()(12) == 24);
  static_assert(nested()[0] == parse("(2,2):(24,2)") && nested()[1] == cute::Layout(3, 8) && parse("6:4")[0](5) == 20);
  CHECK(parse("(2,(3,4))") == parse("(2,(3,4)):(1,(2,6))"));
  CHECK(parse(" ( 2 , 3 ) : ( 1 , 2 ) ") == parse("(2,3):(1,2)"));
  CHECK(parse("(4):(1)") != parse("4:1"));
  for (const auto& layout : small_layouts()) {
    CHECK(parse(concat(layout)) == layout);
    Index largest = 0;
    for (const Index value : values(layout)) largest = std::max(largest, value);
    CHECK(layout.cosize() == largest + 1);
  }
}

TEST_CASE("cute: coalesce keeps the function, and nothing is left to merge") {
  CHECK(cute::coalesce(parse("(2,(1,6)):(1,(6,2))")) == parse("12:1"));
  CHECK(cute::coalesce(parse("(1,1):(3,5)")) == parse("1:0"));
  for (const auto& layout : small_layouts()) {
    const cute::Layout merged = cute::coalesce(layout);
    CHECK(values(merged) == values(layout));
    CHECK(cute::coalesce(merged) == merged);
    const cute::Modes modes = merged.flat();
    for (std::size_t i = 0; i < modes.size(); ++i) {
      CHECK((modes.size() == 1 || modes[i].shape > 1));
      if (i > 0) CHECK(modes[i - 1].shape * modes[i - 1].stride != modes[i].stride);
    }
  }
}

TEST_CASE("cute: compose is a after b, nested as b is") {
  CHECK(cute::compose(parse("(6,2):(8,2)"), parse("(4,3):(3,1)")) == parse("((2,2),3):((24,2),8)"));
  CHECK(cute::compose(parse("4:2"), parse("(2,1):(1,9)")) == parse("(2,1):(2,0)"));
  std::size_t made = 0;
  for (const auto& a : small_layouts())
    for (const auto& b : small_layouts()) {
      const auto both = attempt([&] { return cute::compose(a, b); });
      if (!both) continue;
      ++made;
      CHECK(both->rank() == b.rank());
      std::vector<Index> wanted;
      for (Index i = 0; i < b.size(); ++i) wanted.push_back(cute::coalesce(a)(b(i)));
      // Not CHECK each: tens of thousands of pairs.
      if (values(*both) != wanted) FAIL_CHECK(concat(a, " after ", b, " gives ", *both));
    }
  CHECK(made > 1000);
  CHECK(refuses("SP-LAYOUT-012", [] { cute::compose(parse("(6,2):(1,100)"), parse("4:4")); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::compose(parse("(4,2):(1,100)"), parse("6:1")); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::compose(parse("(2,2):(1,100)"), parse("(2,2):(1,1)")); }));
}

TEST_CASE("cute: complement reaches the rest, once") {
  CHECK(cute::complement(parse("4:2"), 24) == parse("(2,3):(1,8)"));
  CHECK(cute::complement(parse("(2,4):(1,6)"), 24) == parse("3:2"));
  CHECK(cute::complement(parse("4:1"), 3) == parse("1:0"));
  CHECK(cute::complement(parse("(4,6):(1,6)"), 72) == parse("2:36"));  // leaves 4 and 5 of every six
  for (const auto& layout : small_layouts())
    for (const Index n : {1, 7, 24, 96}) {
      const auto rest = attempt([&] { return cute::complement(layout, n); });
      if (!rest) continue;
      const std::vector<Index> bases = values(*rest);
      const std::vector<Index> mine = values(layout);
      for (std::size_t i = 1; i < bases.size(); ++i) {
        CHECK(bases[i - 1] < bases[i]);
        CHECK(std::count(mine.begin(), mine.end(), bases[i]) == 0);
      }
      // Evenly spaced modes fill [0, n) without overlap.
      Index reached = 1;
      bool even = true;
      std::set<std::pair<Index, Index>> modes;
      for (const cute::Mode mode : layout.flat())
        if (mode.shape > 1) even = even && mode.stride > 0, modes.insert({mode.stride, mode.shape});
      for (const auto& [stride, shape] : modes) even = even && stride % reached == 0, reached = stride * shape;
      if (!even) continue;
      std::multiset<Index> all;
      for (const Index base : bases)
        for (const Index offset : mine) all.insert(base + offset);
      for (Index x = 0; x < n; ++x) CHECK(all.count(x) == 1);
      CHECK(static_cast<Index>(all.size()) == layout.size() * rest->size());
    }
  CHECK(refuses("SP-LAYOUT-012", [] { cute::complement(parse("(4,4):(1,2)"), 24); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::complement(parse("4:1"), -1); }));
}

TEST_CASE("cute: inverses undo") {
  CHECK(cute::right_inverse(parse("(2,4):(4,1)")) == parse("(4,2):(2,1)"));
  CHECK(cute::right_inverse(parse("(2,4):(2,8)")) == parse("1:0"));
  for (const auto& layout : small_layouts()) {
    const cute::Layout right = cute::right_inverse(layout);
    for (Index i = 0; i < right.size(); ++i) CHECK(layout(right(i)) == i);
    const std::vector<Index> mine = values(layout);
    const bool injective = std::set<Index>(mine.begin(), mine.end()).size() == mine.size();
    const auto left = attempt([&] { return cute::left_inverse(layout); });
    if (!left || !injective) continue;
    bool even = true;
    Index reached = 1;
    std::set<std::pair<Index, Index>> modes;
    for (const cute::Mode mode : layout.flat())
      if (mode.shape > 1) modes.insert({mode.stride, mode.shape});
    for (const auto& [stride, shape] : modes) even = even && stride % reached == 0, reached = stride * shape;
    if (!even) continue;
    for (Index i = 0; i < layout.size(); ++i) CHECK((*left)(layout(i)) == i);
  }
}

TEST_CASE("cute: divide keeps all offsets in tiles, product repeats") {
  CHECK(cute::logical_divide(parse("(4,2,3):(2,1,8)"), parse("4:2")) == parse("((2,2),(2,3)):((4,1),(2,8))"));
  CHECK(cute::logical_product(parse("(2,2):(4,1)"), parse("6:1")) == parse("((2,2),(2,3)):((4,1),(2,8))"));
  for (const Index tile : {1, 2, 3, 4, 6, 12})
    for (const Index stride : {1, 2, 3}) {
      if (24 % (tile * stride) != 0) continue;
      const cute::Layout a = parse("(24):(5)"), b(tile, stride);
      const cute::Layout divided = cute::logical_divide(a, b);
      CHECK(divided.rank() == 2);
      CHECK(divided[0].size() == tile);
      std::vector<Index> got = values(divided), wanted = values(a);
      std::sort(got.begin(), got.end());
      CHECK(got == wanted);
      for (Index i = 0; i < tile; ++i) CHECK(divided(i) == a(b(i)));

      const cute::Layout product = cute::logical_product(cute::Layout(4, 1), b);
      CHECK(product.size() == 4 * tile);
      for (Index i = 0; i < product.size(); ++i) CHECK(product(i) == i % 4 + b(i / 4) * 4);
    }
}

TEST_CASE("cute: a rank order is a layout, its group bases a complement") {
  // Megatron's tp-cp-dp-pp of 2, 3, 4, 5: rows outer first, modes fastest first.
  const View view({{pp, 5}, {dp, 4}, {cp, 3}, {tp, 2}});
  const cute::Layout ranks = cute::layout_of(view);
  CHECK(concat(ranks) == "(2,3,4,5):(1,2,6,24)");
  const cute::Layout bases = cute::complement(ranks[2], view.size());
  std::set<Index> firsts;
  for (Index r = 0; r < view.size(); ++r)
    if (view.coordinate(r, dp) == 0) firsts.insert(r);
  const std::vector<Index> got = values(bases);
  CHECK(std::set<Index>(got.begin(), got.end()) == firsts);
  CHECK(got.size() == firsts.size());

  const View folded({{dp, 2, 2}, {tp, 4}, {dp, 2, 1}, {pp, 1}});
  for (const View& one : {view, folded}) {
    InlineVector<Axis, 4> names;
    for (std::size_t a = one.axes().size(); a-- > 0;) names.push_back(one.axes()[a].axis);
    const View back = cute::view_of(cute::layout_of(one), names);
    REQUIRE(back.axes() == one.axes());
    for (Index r = 0; r < one.size(); ++r) CHECK(back.place(r) == one.place(r));
  }
  CHECK(refuses("SP-LAYOUT-012", [] { cute::layout_of(View({{tp, 4}}, wire(4, {1, 0}))); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::layout_of(View({{tp, 4}}, {}, 8)); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::view_of(parse("4:2"), {tp}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::view_of(parse("(2,2):(1,1)"), {tp, dp}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::view_of(parse("(2,2):(1,2)"), {tp, tp}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::view_of(parse("(2,2):(1,2)"), {tp}); }));
}

TEST_CASE("cute: what is no layout is refused") {
  for (const char* text : {"", "(", ")", "()", "4:", ":4", "4:1x", "(2,3):6", "(2,3):(1,2,3)", "(2,(3)):(1,2)",
                           "(2,3:(1,2)", "2,3", "0:1", "-1:1", "(2,,3)", "4:-1"}) {
    CAPTURE(text);
    CHECK(refuses("SP-LAYOUT-012", [&] { parse(text); }));
  }
  CHECK(refuses("SP-CORE-001", [] { parse("99999999999999999999"); }));
  CHECK(refuses("SP-CORE-001", [] { parse("(4294967296,4294967296):(0,0)"); }));
  CHECK(refuses("SP-CORE-001", [] { parse("(3,3):(4611686018427387904,1)"); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::Layout(0, 1); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::Layout(InlineVector<cute::Layout, 2>{}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::Layout(cute::Layout::Nodes{{2, {}}, {0, {2, 1}}}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { cute::Layout(cute::Layout::Nodes{}); }));
  // Depth is no recursion.
  const std::string deep(100000, '(');
  CHECK(refuses("SP-LAYOUT-012", [&] { parse(deep); }));
  const std::string nested = deep + "2" + std::string(deep.size(), ')');
  CHECK(parse(nested).size() == 2);
}
