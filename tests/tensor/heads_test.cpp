#include <shardplan/mesh/nxd.hpp>
#include <shardplan/tensor/converter.hpp>
#include <shardplan/tensor/padding.hpp>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::tensor;
using support::Ids;
using support::ids;

namespace {

constexpr Hardware machines[] = {Hardware::trn1, Hardware::trn2, Hardware::trn3};

/// Calls f(heads, tensor, options) for all small blocks, valid or not.
template <class F>
void for_each_block(const Dialect& dialect, F&& f) {
  for (const Hardware hardware : machines)
    for (Index tensor = 1; tensor <= 8; ++tensor)
      for (Index copies = 1; copies <= tensor; ++copies)
        for (Index kv = 1; kv <= 8; ++kv)
          for (Index query = 1; query <= 16; ++query)
            f(Heads{query, kv, 2}, tensor, Options{copies, hardware, dialect});
}

HeadList heads(std::initializer_list<Index> list) { return HeadList(list); }

}  // namespace

TEST_CASE("strict heads: laid out exactly where whole heads can meet, and then they meet") {
  int valid = 0;
  for_each_block(strict, [&](const Heads& block, Index tensor, const Options& options) {
    const Index copies = options.kv_replicator;
    const bool possible = tensor % copies == 0 && block.key_value * copies % tensor == 0 &&
                          block.query % block.key_value == 0 && block.query / block.key_value % copies == 0;
    CAPTURE(block.query);
    CAPTURE(block.key_value);
    CAPTURE(tensor);
    CAPTURE(copies);
    CHECK(diagnose("block", block, tensor, options).empty() == possible);
    if (!possible) return;
    ++valid;
    const AttentionLayouts layouts = attention_layouts(block, 1, View({{tp, tensor}}), options);
    CHECK(heads_match(layouts, block));
    for (Index rank = 0; rank < tensor; ++rank) {
      const Place place{rank};
      CHECK(layouts.query.local_size(0, place) == block.query * block.size / tensor);
      CHECK(layouts.key_value.local_size(0, place) == block.key_value * copies * block.size / tensor);
      CHECK(heads_at(layouts.query, 0, place, 2) == heads_at(layouts.output, 1, place, 2));
    }
    for (Index row = 0; row < block.key_value * block.size; ++row)
      CHECK(multiplicity(layouts.key_value, {row, 0}) == copies);
    for (Index row = 0; row < block.query * block.size; ++row) CHECK(multiplicity(layouts.query, {row, 0}) == 1);
  });
  CHECK(valid > 300);
}

TEST_CASE("strict heads: padding stands behind the queries of each KV head") {
  int padded_blocks = 0;
  for_each_block(strict, [&](const Heads& block, Index tensor, const Options& options) {
    if (block.query % block.key_value != 0) return;
    const Index padded = padded_query_heads(block, tensor, options);
    if (!diagnose("block", block, tensor, options, padded).empty()) {
      CHECK(block.key_value * options.kv_replicator % tensor + tensor % options.kv_replicator > 0);
      return;
    }
    padded_blocks += padded > block.query;
    const AttentionLayouts layouts = attention_layouts(block, 1, View({{tp, tensor}}), options, padded);
    CHECK(heads_match(layouts, block));
    Index real = 0, places = 0;
    for (Index rank = 0; rank < tensor; ++rank) {
      const InlineVector<bool, 16> mask = head_padding_mask(block, padded, tensor, rank, options);
      CHECK(static_cast<Index>(mask.size()) * block.size == layouts.query.local_size(0, Place{rank}));
      for (const bool one : mask) real += one, ++places;
    }
    CHECK(real == block.query);
    CHECK(places == padded);
  });
  CHECK(padded_blocks > 100);
}

TEST_CASE("the copies of a KV head are the ranks of a KV shared group") {
  for (const Hardware hardware : machines)
    for (const Index tensor : {2, 4, 8})
      for (Index copies = 1; copies <= tensor; copies *= 2) {
        const Mesh mesh(World{.ranks = 2 * tensor, .hardware = hardware}, {.tensor = tensor});
        const Options options{copies, hardware, strict};
        const Heads block{tensor, tensor / copies, 1};
        const Layout keys = attention_layouts(block, 1, mesh.dense(), options).key_value;
        const GroupList groups = mesh.kv_shared_groups(copies);
        for (Index head = 0; head < block.key_value; ++head)
          for (const Rank rank : holding_ranks(keys, {head, 0})) {
            const Group group = groups.of(rank);
            CHECK(static_cast<Index>(group.size()) == copies);
            for (const Rank member : group) CHECK(heads_at(keys, 0, mesh.dense().place(member), 1) == heads({head}));
          }
      }
}

TEST_CASE("kv_digits: neighbours on trn2, strides elsewhere") {
  const Heads block{16, 2, 1};
  const View view({{tp, 8}});
  const auto keys = [&](Hardware hardware, Index rank) {
    return heads_at(attention_layouts(block, 1, view, {4, hardware, strict}).key_value, 0, Place{rank}, 1);
  };
  for (Index rank = 0; rank < 8; ++rank) {
    CHECK(keys(Hardware::trn1, rank) == heads({rank % 2}));
    CHECK(keys(Hardware::trn3, rank) == heads({rank % 2}));
    CHECK(keys(Hardware::trn2, rank) == heads({rank / 4}));
  }
  // 32 query rows of 2, trn1: the first rows of tensor ranks 0 to 7 (layout-algebra sheet, example 1).
  const Layout query = attention_layouts({16, 2, 2}, 1, view, {4, Hardware::trn1, strict}).query;
  const Index first[] = {0, 16, 4, 20, 8, 24, 12, 28};
  for (Index rank = 0; rank < 8; ++rank) CHECK(support::runs(query, rank, 0) == support::Runs{{first[rank], 4}});
}

TEST_CASE("several KV heads a rank: a share of the queries of each") {
  const AttentionLayouts layouts = attention_layouts({16, 4, 1}, 1, View({{tp, 4}}), {2, Hardware::trn1, strict});
  CHECK(heads_at(layouts.query, 0, Place{0}, 1) == heads({0, 1, 4, 5}));
  CHECK(heads_at(layouts.query, 0, Place{3}, 1) == heads({10, 11, 14, 15}));
  CHECK(heads_at(layouts.key_value, 0, Place{3}, 1) == heads({2, 3}));
}

TEST_CASE("compat heads: as NxD draws them") {
  const View view({{tp, 8}});
  const Heads block{16, 2, 4};
  const AttentionLayouts trn1 = attention_layouts(block, 1, view, {4, Hardware::trn1, compat});
  CHECK(heads_at(trn1.query, 0, Place{1}, 4) == heads({2, 3}));
  CHECK(heads_at(trn1.key_value, 0, Place{1}, 4) == heads({1}));
  CHECK_FALSE(heads_match(trn1, block, Place{1}));
  const AttentionLayouts trn2 = attention_layouts(block, 1, view, {4, Hardware::trn2, compat});
  CHECK(support::runs(trn2.key_value, 7, 0) == support::Runs{{7, 1}, {7, 1}, {7, 1}, {7, 1}});
  CHECK(heads_at(trn2.key_value, 0, Place{7}, 4) == heads({1}));
  // Without copies both dialects agree.
  CHECK(equivalent(attention_layouts({8, 4, 2}, 1, View({{tp, 4}}), {1, Hardware::trn1, compat}).query,
                   attention_layouts({8, 4, 2}, 1, View({{tp, 4}}), {1, Hardware::trn1, strict}).query));
}

TEST_CASE("heads that cannot be laid out") {
  const auto found = [](Heads block, Index tensor, Options options, Index padded = 0) {
    return ids(diagnose("block", block, tensor, options, padded));
  };
  CHECK(found({0, 0, 0}, 0, {1, Hardware::trn1, strict}) == Ids(4, "SP-TENSOR-011"));
  CHECK(found({8, 2, 1}, 8, {3, Hardware::trn1, strict}) == Ids{"R7"});
  CHECK(found({8, 2, 1}, 8, {0, Hardware::trn1, strict}) == Ids{"R7"});
  CHECK(found({8, 2, 1}, 8, {2, Hardware::trn1, strict}) == Ids{"R7"});
  CHECK(found({8, 2, 1}, 8, {4, Hardware::trn3, compat}) == Ids{"SP-TENSOR-004"});
  CHECK(found({8, 2, 1}, 8, {4, Hardware::trn3, strict}).empty());
  CHECK(found({9, 2, 1}, 2, {1, Hardware::trn1, strict}) == Ids{"SP-TENSOR-008"});
  CHECK(found({9, 2, 1}, 2, {1, Hardware::trn1, compat}).empty());
  // One query a KV head cannot be shared by two copies, though 8 queries divide over 8 ranks.
  CHECK(found({8, 8, 1}, 8, {2, Hardware::trn1, strict}) == Ids{"SP-TENSOR-008"});
  CHECK(found({8, 8, 1}, 8, {2, Hardware::trn1, strict}, 16).empty());
  CHECK(found({8, 2, 1}, 2, {1, Hardware::trn1, strict}, 6) == Ids{"SP-TENSOR-008"});
  CHECK(found({8, 2, 1}, 4, {2, Hardware::trn1, compat}, 10) == Ids{"SP-TENSOR-008"});
  CHECK(support::thrown([] {
          attention_layouts({8, 2, 1}, 1, View({{tp, 8}}), {3, Hardware::trn1, strict});
        }) == Ids{"R7"});
  CHECK(support::thrown([] {
          attention_layouts({6, 6, 1}, 1, View({{tp, 4}}), {2, Hardware::trn1, compat});
        }) == Ids{"SP-LAYOUT-001"});
}

TEST_CASE("converter: trn1 writes the strict order, trn2 mispairs copies") {
  const View view({{tp, 8}});
  for (const Index kv : {1, 2, 4, 8}) {
    const Heads block{16, kv, 2};
    const Index copies = 8 / kv;
    CHECK(equivalent(converter_layouts(block, 1, view, {copies, Hardware::trn1, compat}).query,
                     attention_layouts(block, 1, view, {copies, Hardware::trn1, strict}).query));
    CHECK(heads_match(converter_layouts(block, 1, view, {copies, Hardware::trn1, compat}), block));
    CHECK(heads_match(converter_layouts(block, 1, view, {copies, Hardware::trn2, strict}), block));
    CHECK(heads_match(converter_layouts(block, 1, view, {copies, Hardware::trn2, compat}), block) ==
          (kv == 8 || kv == 1));
  }
  const Heads block{16, 2, 2};
  const AttentionLayouts trn2 = converter_layouts(block, 1, view, {4, Hardware::trn2, compat});
  CHECK(heads_at(trn2.query, 0, Place{1}, 2) == heads({2, 3}));
  CHECK(heads_at(trn2.key_value, 0, Place{1}, 2) == heads({1}));
  CHECK_FALSE(heads_match(trn2, block, Place{1}));
}

TEST_CASE("converter: recorded order of 12 heads padded to 16") {
  const Heads block{12, 2, 2};
  const Options options{4, Hardware::trn1, compat};
  const Index padded = padded_query_heads(block, 8, options);
  CHECK(padded == 16);
  const AttentionLayouts layouts = converter_layouts(block, 24, View({{tp, 8}}), options, padded);
  const HeadList recorded[] = {heads({0, 1}), heads({6, 7}),   heads({2, 3}),   heads({8, 9}),
                               heads({4, 5}), heads({10, 11}), heads({-1, -1}), heads({-1, -1})};
  for (Index rank = 0; rank < 8; ++rank) {
    CHECK(heads_at(layouts.query, 0, Place{rank}, 2) == recorded[rank]);
    CHECK(heads_at(layouts.output, 1, Place{rank}, 2) == recorded[rank]);
  }
}

TEST_CASE("converter: whatever it writes comes back, and what it cannot write is said") {
  int converted = 0;
  for_each_block(compat, [&](const Heads& block, Index tensor, const Options& options) {
    if (options.hardware == Hardware::trn3 || block.query > 12) return;
    for (const Index padded : {Index{0}, padded_query_heads(block, tensor, options)}) {
      if (has_errors(diagnose_conversion(block, tensor, options, padded))) continue;
      ++converted;
      const AttentionLayouts layouts =
          converter_layouts({block.query, block.key_value, 1}, 1, View({{tp, tensor}}), options, padded);
      for (const Layout& layout : {layouts.query, layouts.key_value, layouts.output}) {
        const std::vector<Index> order = round_trip(layout);
        for (std::size_t i = 0; i < order.size(); ++i) CHECK(order[i] == static_cast<Index>(i));
      }
    }
  });
  CHECK(converted > 300);
  const auto found = [](Heads block, Index tensor, Options options, Index padded = 0) {
    return ids(diagnose_conversion(block, tensor, options, padded));
  };
  CHECK(found({32, 8, 1}, 4, {1, Hardware::trn1, compat}) == Ids{"SP-TENSOR-009"});
  CHECK(found({32, 8, 1}, 4, {1, Hardware::trn1, strict}).empty());
  CHECK(found({10, 2, 1}, 8, {4, Hardware::trn1, compat}, 16) == Ids{"SP-TENSOR-009"});
  CHECK(found({10, 2, 1}, 8, {4, Hardware::trn1, strict}, 16).empty());
  CHECK(found({12, 4, 1}, 8, {2, Hardware::trn2, compat}, 16) == Ids{"SP-TENSOR-009"});
  CHECK(found({12, 4, 1}, 8, {2, Hardware::trn2, compat}) == Ids{"SP-TENSOR-009"});
  CHECK(found({12, 4, 1}, 8, {3, Hardware::trn1, compat}) == Ids{"R7"});
}

TEST_CASE("pad_model: exact, or as floating point counts") {
  CHECK(padding_rows(440, 11, 2, strict) == 40);
  CHECK(padding_rows(440, 11, 2, compat) == 39);
  CHECK(padding_rows(6, 6, 4, strict) == 2);
  CHECK(support::thrown([] { padding_rows(5, 6, 4, strict); }) == Ids{"SP-TENSOR-001"});
  CHECK(support::thrown([] { padding_rows(5, 0, 4, compat); }) == Ids{"SP-TENSOR-011"});
  for (Index tensor = 1; tensor <= 8; ++tensor)
    for (Index count = 1; count <= 16; ++count) {
      const Index size = tensor, padded = round_up(count, tensor);
      const Layout plain = Layout(View({{tp, tensor}}), {count * size, 3}).then(0, split(tp));
      const Layout exact = pad_model(plain, 0, count, strict), counted = pad_model(plain, 0, count, compat);
      for (Index rank = 0; rank < tensor; ++rank) {
        CHECK(exact.local_size(0, Place{rank}) * tensor == padded * size);
        const Index missing = exact.local_size(0, Place{rank}) - counted.local_size(0, Place{rank});
        CHECK((missing == 0 || missing == 1));
      }
      support::check_layout(exact, 1);
    }
}

TEST_CASE("head_padding_mask: NxD's arithmetic is the layout where each KV head has whole ranks") {
  for (const Hardware hardware : {Hardware::trn1, Hardware::trn2})
    for (const Index kv : {1, 2, 4})
      for (const Index copies : {1, 2, 4})
        for (Index group = 1; group <= 8; ++group) {
          const Heads block{kv * group, kv, 1};
          const Index tensor = kv * copies, padded = kv * round_up(group, copies);
          for (Index rank = 0; rank < tensor; ++rank)
            CHECK(head_padding_mask(block, padded, tensor, rank, {copies, hardware, compat}) ==
                  head_padding_mask(block, padded, tensor, rank, {copies, hardware, strict}));
        }
  // Fewer ranks than KV heads: NxD on trn1 masks heads that exist.
  CHECK(head_padding_mask({16, 8, 1}, 16, 4, 0, {1, Hardware::trn1, compat}) ==
        InlineVector<bool, 16>{true, true, false, false});
  CHECK(head_padding_mask({16, 8, 1}, 16, 4, 0, {1, Hardware::trn1, strict}) ==
        InlineVector<bool, 16>{true, true, true, true});
  CHECK(head_padding_mask({48, 8, 1}, 64, 32, 3, {4, Hardware::trn2, compat}) == InlineVector<bool, 16>{false, false});
  CHECK(support::thrown([] {
          head_padding_mask({8, 2, 1}, 8, 4, 0, {2, Hardware::trn3, compat});
        }) == Ids{"SP-TENSOR-004"});
  CHECK(support::thrown([] {
          head_padding_mask({8, 0, 1}, 8, 4, 0, {2, Hardware::trn1, compat});
        }) == Ids{"SP-TENSOR-011"});
  CHECK(head_padding_mask({8, 2, 1}, 8, 4, 0, {2, Hardware::trn3, strict}) == InlineVector<bool, 16>{true, true});
}
