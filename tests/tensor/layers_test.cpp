#include <shardplan/tensor/convolution.hpp>
#include <shardplan/tensor/embedding.hpp>
#include <shardplan/tensor/experts.hpp>
#include <shardplan/tensor/linear.hpp>
#include <shardplan/tensor/qkv.hpp>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::tensor;
using support::Ids;
using support::ids;
using support::Runs;
using support::runs;

namespace {

const Options as_nxd{.dialect = compat};

View ranks(Index tensor) { return View({{tp, tensor}}); }

const Layout& layout_of(const std::vector<LayerTensor>& all, std::string_view name) { return find(all, name)->layout; }

}  // namespace

TEST_CASE("column and row: stride, padding and order, for all small sizes") {
  for (Index tensor = 1; tensor <= 4; ++tensor)
    for (Index size = 1; size <= 16; ++size)
      for (const Index stride : {1, 2, 3})
        for (const Index alignment : {0, 1, 2}) {
          ColumnParallelLinear column{.input_size = 2, .output_size = size, .gather_output = false, .stride = stride};
          column.pad = alignment > 0;
          column.pad_alignment_size_per_rank = alignment > 0 ? alignment : 1;
          const Index padded = size + pad_size(column, tensor);
          CHECK(padded == (alignment > 0 ? round_up(size, alignment * tensor) : size));
          const bool valid = padded % (tensor * stride) == 0;
          CHECK(ids(diagnose(column, tensor)) == (valid ? Ids{} : Ids{"SP-TENSOR-001"}));
          if (valid) {
            const auto made = tensors(column, ranks(tensor));
            support::check_layout(layout_of(made, "weight"), 1);
            support::check_layout(layout_of(made, "bias"), 1);
            CHECK(layout_of(made, "weight").local_shape(Place{0}) == Shape{padded / tensor, 2});
            CHECK(layout_of(made, "bias").local_shape(Place{0}) == Shape{padded / tensor});
            CHECK((alignment == 0 || layout_of(made, "bias").fill() == lowest_finite));
            CHECK(layout_of(made, "weight").fill() == Fill{});
            // Rank r holds chunks r, r + n, ... of the padded rows (2.1).
            const Index chunk = padded / tensor / stride;
            for (Index rank = 0; rank < tensor; ++rank) {
              const Shard here(layout_of(made, "weight"), Place{rank});
              for (const auto& run : here.segments(0))
                for (Index j = 0; j < run.length && !run.is_padding(); ++j) {
                  const Index local = run.local + j;
                  CHECK(run.start + j == (local / chunk * tensor + rank) * chunk + local % chunk);
                }
            }
          }
          if (alignment == 2) continue;
          const RowParallelLinear row{.input_size = size, .output_size = 2, .stride = stride, .pad = alignment > 0};
          CHECK(ids(diagnose(row, tensor)) == (valid ? Ids{} : Ids{"SP-TENSOR-001"}));
          if (!valid) continue;
          const auto made = tensors(row, ranks(tensor));
          support::check_layout(layout_of(made, "weight"), 1);
          support::check_layout(layout_of(made, "bias"), tensor);
          for (Index rank = 0; rank < tensor; ++rank)
            CHECK(runs(layout_of(made, "weight"), rank, 1) ==
                  runs(layout_of(tensors(column, ranks(tensor)), "weight"), rank, 0));
        }
}

TEST_CASE("column: recorded pieces") {
  const auto padded =
      tensors(ColumnParallelLinear{.input_size = 2, .output_size = 10, .gather_output = false, .pad = true}, ranks(4));
  CHECK(runs(layout_of(padded, "weight"), 3, 0) == Runs{{9, 1}, {-1, 2}});
  const auto ordered = tensors(
      ColumnParallelLinear{
          .input_size = 2, .output_size = 16, .bias = false, .rank_ordering = {0, 4, 1, 5, 2, 6, 3, 7}},
      ranks(8));
  for (Index rank = 0; rank < 8; ++rank)
    CHECK(runs(layout_of(ordered, "weight"), rank, 0) == Runs{{rank % 2 * 8 + rank / 2 * 2, 2}});
  support::check_layout(layout_of(ordered, "weight"), 1);
  const auto both = tensors(
      ColumnParallelLinear{.input_size = 1, .output_size = 8, .bias = false, .stride = 2, .rank_ordering = {1, 0}},
      ranks(2));
  CHECK(runs(layout_of(both, "weight"), 0, 0) == Runs{{2, 2}, {6, 2}});
}

TEST_CASE("biases and marks are what NxD makes them") {
  const auto whole = tensors(ColumnParallelLinear{.input_size = 2, .output_size = 7, .pad = true}, ranks(4));
  CHECK(layout_of(whole, "bias").local_shape(Place{3}) == Shape{8});
  CHECK(find(whole, "bias")->marks == ParallelAttributes{});
  const auto part =
      tensors(ColumnParallelLinear{.input_size = 2, .output_size = 16, .gather_output = false, .stride = 2}, ranks(4));
  CHECK(find(part, "weight")->marks == cut_marks(0, 2, 4));
  CHECK(find(part, "bias")->marks == cut_marks(0, 2, 4));
  const auto row = tensors(
      RowParallelLinear{.input_size = 8, .output_size = 2, .input_is_parallel = true, .sequence_parallel = true},
      ranks(4));
  CHECK(find(row, "weight")->marks == cut_marks(1, 1, 4));
  CHECK(find(row, "bias")->marks == ParallelAttributes{.sequence_parallel_enabled = true});
  CHECK(find(tensors(RowParallelLinear{.input_size = 8, .output_size = 2, .bias = false}, ranks(4)), "bias") ==
        nullptr);
  CHECK(support::thrown([] { tensors(ColumnParallelLinear{.input_size = 1, .output_size = 10}, ranks(4)); }) ==
        Ids{"SP-TENSOR-001"});
}

TEST_CASE("faults of linear layers, by phase and dialect") {
  ColumnParallelLinear column{.input_size = 4, .output_size = 20, .stride = 2};
  CHECK(ids(diagnose(column, 4, {}, Phase::build)) == Ids{"SP-TENSOR-001"});
  CHECK(diagnose(column, 4, {}, Phase::declare).empty());
  column = {.input_size = 4, .output_size = 16, .sequence_parallel = true};
  CHECK(diagnose(column, 4, as_nxd, Phase::build).empty());
  CHECK(ids(diagnose(column, 4, as_nxd, Phase::forward)) == Ids{"SP-TENSOR-003"});
  CHECK(diagnose(column, 4).empty());
  column = {.input_size = 4, .output_size = 10, .pad = true};
  CHECK(diagnose(column, 4, as_nxd, Phase::forward).empty());
  CHECK(ids(diagnose(column, 4, as_nxd)) == Ids{"SP-TENSOR-003"});
  CHECK(diagnose(column, 4).empty());
  for (const RankOrdering& wrong : {RankOrdering{0, 1, 2, 2}, RankOrdering{0, 1, 2}, RankOrdering{0, 1, 2, 3, 0},
                                    RankOrdering{0, 1, 2, -1}, RankOrdering{0, 1, 2, 4}})
    CHECK(ids(diagnose(ColumnParallelLinear{.input_size = 4, .output_size = 16, .rank_ordering = wrong}, 4)) ==
          Ids{"SP-TENSOR-005"});
  CHECK(ids(diagnose(ColumnParallelLinear{.input_size = 0, .output_size = -4, .stride = 0}, 4)) ==
        Ids{"SP-TENSOR-011", "SP-TENSOR-011", "SP-TENSOR-011"});
  CHECK(ids(diagnose(
            ColumnParallelLinear{.input_size = 4, .output_size = 4, .pad = true, .pad_alignment_size_per_rank = 0},
            0)) == Ids{"SP-TENSOR-011", "SP-TENSOR-011"});
  const RowParallelLinear row{.input_size = 16, .output_size = 4, .sequence_parallel = true};
  CHECK(ids(diagnose(row, 4, as_nxd)) == Ids{"SP-TENSOR-003"});
  CHECK(diagnose(row, 4).empty());
}

TEST_CASE("a tensor is loaded and marked once, in its full shape") {
  const auto made =
      tensors(ColumnParallelLinear{.input_size = 4, .output_size = 10, .bias = false, .pad = true}, ranks(4));
  CHECK(diagnose_load(made[0], {10, 4}, compat).empty());
  CHECK(ids(diagnose_load(made[0], {12, 4}, strict)) == Ids{"SP-TENSOR-010"});
  ParallelAttributes marks;
  mark(marks, cut_marks(0, 1, 4), compat);
  CHECK(marks == cut_marks(0, 1, 4));
  CHECK(support::thrown([&] { mark(marks, cut_marks(0, 1, 4), compat); }) == Ids{"SP-TENSOR-003"});
  CHECK(support::thrown([&] { mark(marks, cut_marks(1, 1, 4), strict); }) == Ids{"SP-TENSOR-003"});
  mark(marks, cut_marks(0, 1, 4), strict);
}

TEST_CASE("embedding: ids, their ranges and the padding id") {
  for (Index tensor = 1; tensor <= 5; ++tensor)
    for (Index size = 1; size <= 12; ++size) {
      const ParallelEmbedding layer{.num_embeddings = size, .embedding_dim = 3, .padding_idx = size - 1, .pad = true};
      const Layout layout = tensors(layer, ranks(tensor))[0].layout;
      support::check_layout(layout, 1);
      Index at = 0, found = 0;
      for (Index rank = 0; rank < tensor; ++rank) {
        const Interval range = vocab_range(layer, tensor, rank);
        CHECK(range.begin == at);
        at = range.end;
        CHECK(range.size() == layout.local_size(0, Place{rank}));
        const auto idx = local_padding_idx(layer, tensor, rank);
        found += idx.has_value();
        if (idx) CHECK(range.begin + *idx == size - 1);
      }
      CHECK(at == size + pad_size(layer, tensor));
      CHECK(found == 1);
    }
  const ParallelEmbedding zero{.num_embeddings = 8, .embedding_dim = 4, .padding_idx = 0};
  CHECK(local_padding_idx(zero, 2, 0) == 0);
  CHECK(local_padding_idx(zero, 2, 0, as_nxd) == std::nullopt);
  const ParallelEmbedding vectors{
      .num_embeddings = 6, .embedding_dim = 16, .padding_idx = 2, .shard_across_embedding = true};
  CHECK(local_padding_idx(vectors, 4, 3, as_nxd) == 2);
  CHECK(runs(tensors(vectors, ranks(4))[0].layout, 3, 1) == Runs{{12, 4}});
  CHECK(find(tensors(vectors, ranks(4)), "weight")->marks == cut_marks(1, 1, 4));
  // The ids of a rank are those whose vectors it holds, also in another order of ranks.
  const ParallelEmbedding turned{.num_embeddings = 8, .embedding_dim = 1, .rank_ordering = {1, 0}};
  CHECK(vocab_range(turned, 2, 0) == Interval{4, 8});
  CHECK(runs(tensors(turned, ranks(2))[0].layout, 0, 0) == Runs{{4, 4}});
  CHECK(vocab_range(turned, 2, 0, as_nxd) == Interval{0, 4});
}

TEST_CASE("faults of embeddings") {
  CHECK(ids(diagnose(ParallelEmbedding{.num_embeddings = 50257, .embedding_dim = 16}, 8)) == Ids{"SP-TENSOR-001"});
  CHECK(ids(diagnose(ParallelEmbedding{.num_embeddings = 8, .embedding_dim = 10, .shard_across_embedding = true}, 4)) ==
        Ids{"SP-TENSOR-001"});
  CHECK(ids(diagnose(ParallelEmbedding{.num_embeddings = 8, .embedding_dim = 10, .padding_idx = 8}, 4)) ==
        Ids{"SP-TENSOR-003"});
  const ParallelEmbedding unreduced{
      .num_embeddings = 8, .embedding_dim = 4, .sequence_parallel = true, .sequence_dimension = 1};
  CHECK(ids(diagnose(unreduced, 4)) == Ids{"SP-TENSOR-006"});
  CHECK_FALSE(has_errors(diagnose(unreduced, 4, as_nxd)));
}

TEST_CASE("convolutions") {
  for (Index tensor = 1; tensor <= 4; ++tensor)
    for (Index channels = 1; channels <= 8; ++channels)
      for (const bool pads : {false, true}) {
        OutputChannelParallelConv2d out;
        out.in_channels = 3, out.out_channels = channels, out.kernel_size = {2, 1}, out.partition_pad = pads;
        InputChannelParallelConv2d in;
        in.in_channels = channels, in.out_channels = 3, in.kernel_size = {2, 1}, in.partition_pad = pads;
        const bool valid = pads || channels % tensor == 0;
        CHECK(ids(diagnose(out, tensor, as_nxd)) == (valid ? Ids{} : Ids{"SP-TENSOR-001"}));
        CHECK(ids(diagnose(in, tensor, as_nxd)) == (valid ? Ids{} : Ids{"SP-TENSOR-001"}));
        if (!valid) continue;
        const auto outs = tensors(out, ranks(tensor)), ins = tensors(in, ranks(tensor));
        support::check_layout(layout_of(outs, "weight"), 1);
        support::check_layout(layout_of(outs, "bias"), 1);
        support::check_layout(layout_of(ins, "weight"), 1);
        support::check_layout(layout_of(ins, "bias"), tensor);
        CHECK(layout_of(outs, "weight").shape() == Shape{channels, 3, 2, 1});
        CHECK(layout_of(ins, "weight").local_size(1, Place{0}) * tensor == channels + pad_size(in, tensor));
        CHECK(find(outs, "bias")->marks == cut_marks(0, 1, tensor));
        CHECK(find(ins, "bias")->marks == ParallelAttributes{});
      }
}

TEST_CASE("faults of convolutions") {
  OutputChannelParallelConv2d out;
  out.in_channels = 4, out.out_channels = 8;
  InputChannelParallelConv2d in;
  in.in_channels = 8, in.out_channels = 4;
  const auto both = [&](auto&& change, const Ids& compat_ids, const Ids& strict_out, const Ids& strict_in) {
    auto changed_out = out;
    auto changed_in = in;
    change(changed_out), change(changed_in);
    CHECK(ids(diagnose(changed_out, 4, as_nxd)) == compat_ids);
    CHECK(ids(diagnose(changed_in, 4, as_nxd)) == compat_ids);
    CHECK(ids(diagnose(changed_out, 4)) == strict_out);
    CHECK(ids(diagnose(changed_in, 4)) == strict_in);
  };
  const Ids wrong{"SP-TENSOR-003"};
  both([](auto& c) { c.dilation = {2, 2}; }, wrong, {}, {});
  both([](auto& c) { c.padding_mode = PaddingMode::reflect; }, wrong, {}, {});
  both([](auto& c) { c.groups = 2; }, wrong, {}, wrong);
  both([](auto& c) { c.kernel_size = {0, 1}; }, {"SP-TENSOR-011"}, {"SP-TENSOR-011"}, {"SP-TENSOR-011"});
  out.groups = 3;
  CHECK(ids(diagnose(out, 4)) == Ids{"SP-TENSOR-003", "SP-TENSOR-003"});
  out.groups = 2;
  CHECK(layout_of(tensors(out, ranks(4)), "weight").shape() == Shape{8, 2, 1, 1});
  CHECK(convolved(out, {2, 4, 6, 7}) == Shape{2, 8, 6, 7});
  out.kernel_size = {3, 3}, out.stride = {2, 1}, out.padding = {1, 0}, out.dilation = {1, 2};
  CHECK(convolved(out, {2, 4, 6, 7}) == Shape{2, 8, 3, 3});
  CHECK(support::thrown([&] { convolved(out, {2, 4, 6, 4}); }) == Ids{"SP-TENSOR-010"});
}

TEST_CASE("experts: their share over expert ranks, features over tensor ranks") {
  for (Index expert = 1; expert <= 4; ++expert)
    for (Index tensor = 1; tensor <= 2; ++tensor)
      for (Index count = 1; count <= 8; ++count) {
        ExpertFusedColumnParallelLinear column;
        column.num_experts = count, column.input_size = 3, column.output_size = 8, column.stride = 2,
        column.bias = true;
        ExpertFusedRowParallelLinear row;
        row.num_experts = count, row.input_size = 8, row.output_size = 3, row.bias = true;
        const bool valid = count % expert == 0;
        CHECK(ids(diagnose(column, tensor, expert, as_nxd)) == (valid ? Ids{} : Ids{"SP-TENSOR-002"}));
        CHECK(ids(diagnose(row, tensor, expert, as_nxd)) == (valid ? Ids{} : Ids{"SP-TENSOR-002"}));
        if (!valid) continue;
        const View view({{edp, 2}, {ep, expert}, {tp, tensor}});
        const auto columns = tensors(column, view), rows = tensors(row, view);
        support::check_layout(layout_of(columns, "weight"), 2);
        support::check_layout(layout_of(columns, "bias"), 2);
        support::check_layout(layout_of(rows, "weight"), 2);
        support::check_layout(layout_of(rows, "bias"), 2 * tensor);
        CHECK(layout_of(rows, "weight").local_shape(view.place(0)) == Shape{count / expert, 8 / tensor, 3});
        CHECK(find(columns, "weight")->marks.expert_model_parallel == (expert > 1));
        CHECK(find(rows, "bias")->marks ==
              ParallelAttributes{.sequence_parallel_enabled = false, .expert_model_parallel = expert > 1});
        CHECK(find(columns, "bias")->marks.partition_dim == 1);
        CHECK(ids(diagnose_load(columns[0], columns[0].layout.shape(), compat)) == Ids{"SP-TENSOR-003"});
        CHECK(diagnose_load(columns[0], columns[0].layout.shape(), strict).empty());
        CHECK(diagnose_load(rows[0], rows[0].layout.shape(), compat).empty());
      }
}

TEST_CASE("experts dealt out by hand") {
  ExpertFusedRowParallelLinear row;
  row.num_experts = 4, row.input_size = 2, row.output_size = 1;
  const View view({{ep, 2}, {tp, 2}});
  row.expert_distribution = {{3, 0}, {1, 2}};
  const Layout layout = layout_of(tensors(row, view), "weight");
  support::check_layout(layout, 1);
  CHECK(runs(layout, 0, 0) == Runs{{3, 1}, {0, 1}});
  row.expert_distribution = {{0, 1, 3}, {1, 2, 3}};  // two experts on both ranks
  CHECK(multiplicity(layout_of(tensors(row, view), "weight"), {3, 0, 0}) == 2);
  const auto found = [&](ExpertDistribution rows) {
    row.expert_distribution = std::move(rows);
    return ids(diagnose(row, 2, 2));
  };
  CHECK(found({{0, 1, 2, 3}}) == Ids{"SP-MESH-013"});
  CHECK(found({{0, 1, 2}, {3}}) == Ids{"SP-TENSOR-002"});
  CHECK(found({{0, 1}, {2, 2}}) == Ids{"SP-MESH-013"});
  CHECK(found({{0, 1}, {2, 4}}) == Ids{"SP-MESH-013", "SP-MESH-013"});
  row.num_experts = 3;  // a placement need not be an even share
  CHECK(found({{0, 1}, {2, 1}}).empty());
  CHECK(multiplicity(layout_of(tensors(row, view), "weight"), {1, 0, 0}) == 2);
}

TEST_CASE("faults of experts in forward") {
  ExpertFusedColumnParallelLinear column;
  column.num_experts = 4, column.input_size = 4, column.output_size = 4, column.bias_inside_matmul = true;
  ExpertFusedRowParallelLinear row;
  row.num_experts = 4, row.input_size = 4, row.output_size = 4, row.bias_inside_matmul = true;
  CHECK(diagnose(column, 2, 1, as_nxd, Phase::build).empty());
  CHECK(ids(diagnose(column, 2, 1, as_nxd)) == Ids{"SP-TENSOR-003"});
  CHECK(diagnose(column, 2, 1).empty());
  CHECK(ids(diagnose(row, 2, 1)) == Ids{"SP-TENSOR-003"});
  column.bias_inside_matmul = false, column.sequence_parallel = true;
  CHECK(ids(diagnose(column, 2, 1)) == Ids{"SP-TENSOR-003"});
}

TEST_CASE("GQA: fused or apart, strict or as NxD") {
  const GQAQKVColumnParallelLinear layer{.input_size = 3,
                                         .query_size = 32,
                                         .key_value_size = 8,
                                         .head_size = 4,
                                         .bias = false,
                                         .gather_output = false,
                                         .kv_size_multiplier = 4};
  auto apart = layer;
  apart.fuse_qkv = false;
  for (const Options& options : {Options{}, Options{.hardware = Hardware::trn2}}) {
    const auto parts = tensors(apart, ranks(8), options);
    support::check_layout(layout_of(parts, "weight_q"), 1);
    support::check_layout(layout_of(parts, "weight_k"), 4);
    CHECK(layout_of(parts, "weight_v") == layout_of(parts, "weight_k"));
    CHECK(find(parts, "weight_v")->marks == cut_marks(0, 1, 8));
    const auto fused = tensors(layer, ranks(8), options);
    CHECK(fused.size() == 1);
    CHECK(fused[0].marks == ParallelAttributes{});
    CHECK(fused[0].layout.local_shape(Place{0}) == Shape{4 + 4 + 4, 3});
    CHECK(prove_coverage(fused[0].layout).consistent());
    const AttentionLayouts both{layout_of(parts, "weight_q"), layout_of(parts, "weight_k"), {}};
    CHECK(heads_match(both, Heads{8, 2, 4}));
  }
  // trn2 as NxD: each row again and again.
  const auto repeated = tensors(apart, ranks(8), {.hardware = Hardware::trn2, .dialect = compat});
  CHECK(runs(layout_of(repeated, "weight_k"), 7, 0) == Runs{{7, 1}, {7, 1}, {7, 1}, {7, 1}});
  CHECK(runs(layout_of(repeated, "weight_q"), 7, 0) == Runs{{28, 4}});
  CHECK(fused_rows(layer, 8) == FusedRows{4, 4, 4});
  auto biased = layer;
  biased.bias = true;
  CHECK(layout_of(tensors(biased, ranks(8)), "bias_qkv").local_shape(Place{0}) == Shape{12});
  biased.gather_output = true, biased.fuse_qkv = false;
  CHECK(layout_of(tensors(biased, ranks(8)), "bias_k").local_shape(Place{0}) == Shape{8});
}

TEST_CASE("faults of the GQA layer") {
  const auto layer = [](Index query, Index key_value, Index copies, Index head_size = 0) {
    return GQAQKVColumnParallelLinear{.input_size = 4,
                                      .query_size = query,
                                      .key_value_size = key_value,
                                      .head_size = head_size,
                                      .bias = false,
                                      .gather_output = false,
                                      .kv_size_multiplier = copies};
  };
  CHECK(ids(diagnose(layer(16, 4, 3), 8, as_nxd)) == Ids{"R7"});
  CHECK(ids(diagnose(layer(16, 6, 2), 8, as_nxd)) == Ids{"R7"});
  CHECK(ids(diagnose(layer(20, 8, 1), 8, as_nxd)) == Ids{"SP-TENSOR-001"});
  CHECK(diagnose(layer(16, 4, 2, 4), 8, as_nxd).empty());  // NxD cuts through a head without a word
  CHECK(ids(diagnose(layer(16, 4, 2, 4), 8)) == Ids{"R7"});
  CHECK(ids(diagnose(layer(16, 4, 2), 8)) == Ids{"SP-TENSOR-003"});
  CHECK(ids(diagnose(layer(18, 4, 2, 4), 2)) == Ids{"SP-TENSOR-003"});
  CHECK(ids(diagnose(layer(16, 8, 1), 4, {.hardware = Hardware::trn3, .dialect = compat})) == Ids{"SP-TENSOR-004"});
  CHECK(ids(diagnose(layer(16, 8, 2), 4, {.hardware = Hardware::trn3, .dialect = compat})) == Ids{"SP-TENSOR-004"});
  CHECK(diagnose(layer(16, 8, 1), 4, {.hardware = Hardware::trn3}).empty());
  auto biased = layer(16, 8, 1);
  biased.bias = true;
  CHECK(ids(diagnose(biased, 4, as_nxd)) == Ids{"SP-TENSOR-003"});
  CHECK(diagnose(biased, 4).empty());
  biased = layer(16, 8, 1);
  biased.gather_output = biased.sequence_parallel = true;
  CHECK(ids(diagnose(biased, 4, as_nxd)) == Ids{"SP-TENSOR-003"});
  CHECK(diagnose(biased, 4, as_nxd, Phase::build).empty());
  CHECK(ids(diagnose(layer(0, 8, 1), 4)) == Ids{"SP-TENSOR-011"});
  const std::vector<GQAQKVColumnParallelLinear> two{layer(16, 4, 2), layer(16, 4, 4)};
  CHECK(ids(diagnose(two, as_nxd)) == Ids{"R8"});
  CHECK(diagnose(two).empty());
}

TEST_CASE("a tensor size is judged by arithmetic, however large") {
  ColumnParallelLinear column;
  column.input_size = 4, column.output_size = 12;
  for (int power = 0; power <= 62; ++power) {
    const Index tensor = Index{1} << power;
    column.rank_ordering = {};
    CHECK(ids(diagnose(column, tensor)) == (tensor <= 4 ? Ids{} : Ids{"SP-TENSOR-001"}));
    for (const RankOrdering& ordering :
         {RankOrdering{1, 0}, RankOrdering{1, 1}, RankOrdering{0, 2}, RankOrdering{-1, 0}}) {
      column.rank_ordering = ordering;
      const bool permutes = tensor == 2 && ordering == RankOrdering{1, 0};
      CHECK(ids(diagnose(column, tensor)) == (permutes ? Ids{} : Ids{"SP-TENSOR-005"}));
    }
  }
}

TEST_CASE("taking fused rows apart") {
  CHECK(ids(diagnose(FusedRows{256, 128, 128}, compat)) == Ids{"SP-TENSOR-001"});
  CHECK(ids(diagnose(FusedRows{4, 1, 1}, compat)) == Ids{"SP-TENSOR-006"});
  CHECK(ids(diagnose(FusedRows{256, 128, 128}, strict)) == Ids{"SP-TENSOR-006"});
  CHECK(diagnose(FusedRows{2, 2, 2}, compat).empty());
  CHECK(unfuse({4, 1, 1}, compat).key == Interval{2, 4});
  CHECK(unfuse({4, 1, 1}, strict).key == Interval{4, 5});
  CHECK(unfuse({256, 128, 128}, strict).value == Interval{384, 512});
  CHECK(support::thrown([] { unfuse({256, 128, 128}, compat); }) == Ids{"SP-TENSOR-001"});
  // limits refuse, faults change the answer
  Dialect limits = strict, faults = strict;
  limits.nxd_limits = faults.layer_faults = true;
  CHECK(unfuse({4, 1, 1}, limits).key == Interval{4, 5});
  CHECK(unfuse({4, 1, 1}, faults).key == Interval{2, 4});
  CHECK(support::thrown([&] { unfuse({256, 128, 128}, limits); }) == Ids{"SP-TENSOR-001"});
  CHECK(unfuse({256, 128, 128}, faults).value == Interval{384, 512});
}
