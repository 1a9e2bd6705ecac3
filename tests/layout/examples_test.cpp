#include "support.hpp"

using namespace shardplan;

/// The worked examples of the layout-algebra sheet, section 7, and the chains of its section 2.

namespace {

std::vector<Interval> runs(const Shard& shard) {
  std::vector<Interval> out;
  for (const Shard::Segment& run : shard.segments(0))
    out.push_back(run.is_padding() ? Interval{-1, run.length} : Interval{run.start, run.start + run.length});
  return out;
}
using Runs = std::vector<Interval>;
Interval padding(Index length) { return {-1, length}; }

}  // namespace

TEST_CASE("example 1: queries and keys on trn1, 16 query heads, 2 KV heads, 4 copies, tensor size 8") {
  const View view({{tp, 8}});
  const Chain query = split(inner(tp, 2)) | split(outer(tp, 4)), key = split(inner(tp, 2));
  const Layout q = Layout(view, {32}).then(0, query), k = Layout(view, {4}).then(0, key);
  const Index first_rows[] = {0, 16, 4, 20, 8, 24, 12, 28};
  for (Index t = 0; t < 8; ++t) CHECK(runs(shard(q, {t})) == Runs{{first_rows[t], first_rows[t] + 4}});
  CHECK(runs(shard(k, {5})) == Runs{{2, 4}});
  // fused [q; k; v]: key row 3 is row 35
  const Layout fused = Layout(view, {40}).then(0, packed({{32, query}, {4, key}, {4, key}}));
  CHECK(holding_ranks(fused, {35}) == std::vector<Rank>{1, 3, 5, 7});
  CHECK(multiplicity(fused, {35}) == 4);
  CHECK(holding_ranks(fused, {24}) == std::vector<Rank>{5});
  CHECK(multiplicity(fused, {24}) == 1);
  std::vector<Index> locals;
  for_each_holder(fused, 0, {35, 36}, [&](const Holder& holder) { locals.push_back(holder.local); });
  CHECK(locals == std::vector<Index>{5});
  const Coverage coverage = prove_coverage(fused);
  REQUIRE(coverage.ranges.size() == 2);
  CHECK(coverage.ranges[0] == Copies{0, {0, 32}, 1, 1});
  CHECK(coverage.ranges[1] == Copies{0, {32, 40}, 4, 4});
}

TEST_CASE("example 2: gate and up over two tensor ranks, ZeRO-1 over three data ranks") {
  const Layout layout =
      Layout(View({{dp, 3}, {tp, 2}}), {16}).then(0, blocks(2, split(tp)) | pad_to_multiple(3) | split(dp));
  CHECK(runs(shard(layout, {0, 0})) == Runs{{0, 3}});
  CHECK(runs(shard(layout, {1, 0})) == Runs{{3, 4}, {8, 10}});
  CHECK(runs(shard(layout, {2, 0})) == Runs{{10, 12}, padding(1)});
  CHECK(runs(shard(layout, {0, 1})) == Runs{{4, 7}});
  CHECK(runs(shard(layout, {1, 1})) == Runs{{7, 8}, {12, 14}});
  CHECK(runs(shard(layout, {2, 1})) == Runs{{14, 16}, padding(1)});
  std::vector<Index> locals, lengths;
  for_each_holder(layout, 0, {6, 14}, [&](const Holder& holder) {
    locals.push_back(holder.local);
    lengths.push_back(holder.global.size());
  });
  REQUIRE(locals.size() == 5);
  CHECK(locals[0] == 2);
  CHECK(lengths[0] == 1);
}

TEST_CASE("example 3: the trn2 ring is a wire") {
  const View ring({{pp, 1}, {dp, 2}, {tp, 32}}, wire(64, {0, 3, 1, 2}));
  CHECK(ring.rank({0, 1, 8}) == Rank(24));
  CHECK(ring.place(48) == Place{0, 0, 16});
}

TEST_CASE("example 4: zigzag of 16 over 4") {
  const Layout layout = Layout(View({{cp, 4}}), {16}).then(0, zigzag(cp));
  CHECK(runs(shard(layout, {1})) == Runs{{2, 4}, {12, 14}});
  CHECK(runs(shard(layout, {3})) == Runs{{6, 10}});
  // per document, of which one is shorter than twice the ranks would like
  const Layout documents = Layout(View({{cp, 2}}), {12}).then(0, packed({8, 4}, zigzag(cp)));
  CHECK(runs(shard(documents, {0})) == Runs{{0, 2}, {6, 9}, {11, 12}});
  CHECK(runs(shard(documents, {1})) == Runs{{2, 6}, {9, 11}});
}

TEST_CASE("chains of the sheet: vocabulary, copies on one rank, experts, labels, placements") {
  const View view({{cp, 2}, {ep, 2}, {tp, 2}});
  // vocabulary of 10 padded to a multiple of 8
  const Layout vocabulary = Layout(view, {10}).then(0, pad_to_multiple(8) | split(tp));
  CHECK(runs(shard(vocabulary, {0, 0, 1})) == Runs{{8, 10}, padding(6)});
  CHECK(multiplicity(vocabulary, {9}) == 4);
  // NxD's trn2 keys: every row four times, then cut
  const Layout rows = Layout(View({{tp, 8}}), {8}).then(0, blocks_of(1, repeat(4)) | split(tp));
  CHECK(pulled(rows, 0, {3}) == Elements{3, 3, 3, 3});
  CHECK(multiplicity(rows, {3}) == 4);
  // experts over two axes, a distribution of its own
  const Layout experts = Layout(view, {4, 6}).then(0, reorder(4, {3, 0, 2, 1}) | split(ep)).then(1, split(tp));
  CHECK(pulled(experts, 0, {0, 1, 0}) == Elements{2, 1});
  CHECK(pulled(experts, 1, {0, 1, 1}) == Elements{3, 4, 5});
  // labels: shifted by one, the last one ignored
  const Layout labels =
      Layout(view, {8}).then(0, slice(1, 8) | pad(PadTo::amount, 1, {Fill::Kind::constant, -100}) | split(cp));
  CHECK(pulled(labels, 0, {0, 0, 0}) == Elements{1, 2, 3, 4});
  CHECK(pulled(labels, 0, {1, 0, 0}) == Elements{5, 6, 7, -1});
  CHECK(labels.fill() == Fill{Fill::Kind::constant, -100});
  CHECK(!prove_coverage(labels).complete());  // the first token labels nothing
  CHECK(multiplicity(labels, {0}) == 0);
  // placements [S(0), S(0)] cut one after the other
  const Layout placements = Layout(view, {7}).then(0, split(cp).ceil() | split(tp).ceil());
  CHECK(pulled(placements, 0, {1, 0, 0}) == Elements{4, 5});
  CHECK(pulled(placements, 0, {1, 0, 1}) == Elements{6});
}

TEST_CASE("padding heads in every KV group, then queries with their KV head") {
  // 6 query heads, 2 KV heads, padded to 8: groups of 3 become groups of 4
  const View view({{tp, 4}});
  const Layout heads =
      Layout(view, {6}).then(0, blocks(2, pad(PadTo::length, 4)) | split(inner(tp, 2)) | split(outer(tp, 2)));
  CHECK(pulled(heads, 0, {0}) == Elements{0, 1});
  CHECK(pulled(heads, 0, {2}) == Elements{2, -1});
  CHECK(pulled(heads, 0, {1}) == Elements{3, 4});
  CHECK(pulled(heads, 0, {3}) == Elements{5, -1});
}
