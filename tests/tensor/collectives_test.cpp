#include <shardplan/tensor/layer_collectives.hpp>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::tensor;
using support::Ids;

namespace {

const Options as_nxd{.dialect = compat};

Collective reduce(Shape shape, bool async = false) {
  return {.op = CollectiveOp::all_reduce, .shape = shape, .async = async};
}
Collective gather(Shape shape) { return {.op = CollectiveOp::all_gather, .shape = shape}; }
Collective scatter(Shape shape) { return {.op = CollectiveOp::reduce_scatter, .shape = shape}; }
Collective copies(Shape shape) {
  return {.op = CollectiveOp::all_reduce, .shape = shape, .group = GroupKind::kv_shared};
}
Collective exchange(Shape shape, std::size_t from, std::size_t to, GroupKind group = GroupKind::expert) {
  return {.op = CollectiveOp::all_to_all, .shape = shape, .group = group, .split_dim = from, .concat_dim = to};
}

const ColumnParallelLinear column{.input_size = 16, .output_size = 32, .gather_output = false};
const RowParallelLinear row{.input_size = 32, .output_size = 16, .input_is_parallel = true};
const ParallelEmbedding table{.num_embeddings = 64, .embedding_dim = 16};
const GQAQKVColumnParallelLinear gqa{
    .input_size = 16, .query_size = 32, .key_value_size = 8, .bias = false, .gather_output = false};

template <class Layer, class Change>
Layer with(Layer layer, Change change) {
  change(layer);
  return layer;
}

}  // namespace

TEST_CASE("column: recorded figures") {
  CHECK(communication(column, {2, 8, 16}, 4) == Communication{{{2, 8, 8}}, {}, {reduce({2, 8, 16}, true)}});
  CHECK(communication(with(column, [](auto& c) { c.gather_output = true; }), {2, 8, 16}, 4) ==
        Communication{{{2, 8, 32}}, {gather({8, 8, 2})}, {reduce({2, 8, 16}, true)}});
  const auto along = [](Index dim) {
    return with(column, [dim](auto& c) { c.sequence_parallel = true, c.sequence_dimension = dim; });
  };
  CHECK(communication(along(0), {2, 3, 16}, 4) ==
        Communication{{{8, 3, 8}}, {gather({2, 3, 16})}, {gather({2, 3, 16}), scatter({8, 3, 16})}});
  CHECK(communication(along(1), {3, 2, 16}, 4) ==
        Communication{{{3, 8, 8}}, {gather({2, 3, 16})}, {gather({2, 3, 16}), scatter({8, 3, 16})}});
  const auto padded = with(column, [](auto& c) { c.output_size = 30, c.gather_output = c.pad = true; });
  CHECK(communication(padded, {2, 8, 16}, 4).outputs[0] == Shape{2, 8, 30});
  CHECK(communication(with(padded, [](auto& c) { c.keep_padded_output = true; }), {2, 8, 16}, 4).outputs[0] ==
        Shape{2, 8, 32});
}

TEST_CASE("row: recorded figures") {
  CHECK(communication(row, {2, 8, 8}, 4) == Communication{{{2, 8, 16}}, {reduce({2, 8, 16})}, {}});
  CHECK(communication(with(row, [](auto& r) { r.input_is_parallel = false; }), {2, 8, 32}, 4) ==
        Communication{{{2, 8, 16}}, {reduce({2, 8, 16})}, {gather({8, 8, 2})}});
  CHECK(communication(with(row, [](auto& r) { r.reduce_output = false; }), {2, 8, 8}, 4) ==
        Communication{{{2, 8, 16}}});
  CHECK(communication(with(row, [](auto& r) { r.sequence_parallel = true, r.sequence_dimension = 1; }), {2, 8, 8}, 4) ==
        Communication{{{2, 2, 16}}, {scatter({8, 2, 16})}, {gather({2, 2, 16})}});
}

TEST_CASE("embedding: recorded figures, and the sum that NxD forgets") {
  CHECK(communication(table, {2, 8}, 4) == Communication{{{2, 8, 16}}, {reduce({2, 8, 16})}, {}});
  const auto along = [](Index dim) {
    return with(table, [dim](auto& e) { e.sequence_parallel = true, e.sequence_dimension = dim; });
  };
  CHECK(communication(along(0), {2, 8}, 4) == Communication{{{2, 2, 16}}, {scatter({8, 2, 16})}, {gather({2, 2, 16})}});
  CHECK(communication(along(1), {2, 8}, 4, as_nxd) == Communication{{{2, 8, 16}}});
  CHECK(communication(along(1), {2, 8}, 4) == Communication{{{2, 2, 16}}, {scatter({8, 2, 16})}, {gather({2, 2, 16})}});
  CHECK(communication(with(table, [](auto& e) { e.shard_across_embedding = true; }), {2, 8}, 4) ==
        Communication{{{2, 8, 16}}, {gather({4, 8, 2})}, {}});
  CHECK(communication(with(table, [](auto& e) { e.collect_output = false; }), {2, 8}, 4) ==
        Communication{{{2, 8, 16}}});
}

TEST_CASE("GQA: copies of a KV head add their gradients first") {
  CHECK(communication(gqa, {2, 8, 16}, 4) ==
        Communication{{{2, 8, 8}, {2, 8, 2}, {2, 8, 2}}, {}, {reduce({2, 8, 16})}});
  const auto twice = with(gqa, [](auto& g) { g.kv_size_multiplier = 2; });
  CHECK(
      communication(twice, {2, 8, 16}, 4) ==
      Communication{{{2, 8, 8}, {2, 8, 4}, {2, 8, 4}}, {}, {copies({2, 8, 4}), copies({2, 8, 4}), reduce({2, 8, 16})}});
  CHECK(communication(with(twice, [](auto& g) { g.sequence_parallel = true; }), {2, 2, 16}, 4) ==
        Communication{{{8, 2, 8}, {8, 2, 4}, {8, 2, 4}},
                      {gather({2, 2, 16})},
                      {gather({2, 2, 16}), copies({8, 2, 4}), copies({8, 2, 4}), scatter({8, 2, 16})}});
  const Communication whole = communication(with(gqa, [](auto& g) { g.gather_output = true; }), {2, 8, 16}, 4);
  CHECK(whole.outputs == InlineVector<Shape, 3>{{2, 8, 32}, {2, 8, 8}, {2, 8, 8}});
  CHECK(whole.forward == std::vector<Collective>{gather({8, 8, 2}), gather({2, 8, 2}), gather({2, 8, 2})});
}

TEST_CASE("convolutions: recorded figures") {
  OutputChannelParallelConv2d out;
  out.in_channels = 3, out.out_channels = 8, out.kernel_size = {3, 3};
  CHECK(communication(out, {2, 3, 6, 6}, 4) ==
        Communication{{{2, 8, 4, 4}}, {gather({2, 2, 4, 4})}, {reduce({2, 3, 6, 6}, true)}});
  out.gather_output = false;
  CHECK(communication(out, {2, 3, 6, 6}, 4) == Communication{{{2, 2, 4, 4}}, {}, {reduce({2, 3, 6, 6}, true)}});
  InputChannelParallelConv2d in;
  in.in_channels = 8, in.out_channels = 3, in.kernel_size = {3, 3};
  CHECK(communication(in, {2, 8, 6, 6}, 4) ==
        Communication{{{2, 3, 4, 4}}, {reduce({2, 3, 4, 4})}, {gather({2, 2, 6, 6})}});
  in.input_is_parallel = true;
  CHECK(communication(in, {2, 2, 6, 6}, 4) == Communication{{{2, 3, 4, 4}}, {reduce({2, 3, 4, 4})}, {}});
  CHECK(support::thrown([&] { communication(in, {2, 8, 6, 6}, 4); }) == Ids{"SP-TENSOR-010"});
}

TEST_CASE("experts: recorded figures") {
  ExpertFusedColumnParallelLinear up;
  up.num_experts = 4, up.input_size = 16, up.output_size = 32;
  CHECK(communication(up, {4, 1, 6, 16}, 4) == Communication{{{4, 1, 6, 8}}, {}, {reduce({4, 1, 6, 16})}});
  ExpertFusedRowParallelLinear down;
  down.num_experts = 4, down.input_size = 32, down.output_size = 16;
  CHECK(communication(down, {4, 1, 6, 8}, 4) == Communication{{{4, 1, 6, 16}}, {reduce({4, 1, 6, 16})}, {}});
  down.reduce_output = false;
  CHECK(communication(down, {4, 1, 6, 8}, 4) == Communication{{{4, 1, 6, 16}}});
  CHECK(enter_expert_region({8, 6, 16}, 2, 4, false) ==
        Communication{{{2, 4, 6, 16}}, {exchange({8, 1, 6, 16}, 0, 1)}, {exchange({2, 4, 6, 16}, 1, 0)}});
  CHECK(enter_expert_region({8, 6, 16}, 2, 4, true) ==
        Communication{{{2, 4, 6, 16}},
                      {exchange({8, 1, 3, 16}, 0, 1), gather({3, 4, 2, 16})},
                      {exchange({2, 4, 3, 16}, 1, 0), gather({3, 1, 8, 16})}});
}

TEST_CASE("entering and leaving the expert region are inverse") {
  for (const bool scatter_gather : {false, true})
    for (const Index tensor : {1, 2, 4})
      for (const Index expert : {1, 2, 4}) {
        const Shape tokens{8, 12, 5};
        const Communication in = enter_expert_region(tokens, tensor, expert, scatter_gather);
        const Communication out = exit_expert_region(in.outputs[0], tensor, expert, scatter_gather);
        CHECK(out.outputs[0] == tokens);
        // What goes back on the way out is what went in on the way in.
        CHECK(out.backward == in.forward);
        CHECK(out.forward == in.backward);
      }
}

TEST_CASE("operators: what forward gathers, backward scatters") {
  for (const Index tensor : {1, 2, 4})
    for (std::size_t dim = 0; dim < 3; ++dim) {
      Shape whole{3, 3, 3};
      whole[dim] = 8;
      const Communication scattered = scatter_to_region(whole, dim, tensor);
      const Communication joined = gather_from_region(scattered.outputs[0], dim, tensor, Gathered::replica);
      CHECK(joined.outputs[0] == whole);
      CHECK(joined.forward == scattered.backward);
      const Communication summed = gather_from_sequence_region(scattered.outputs[0], tensor, dim);
      const Communication reduced = reduce_scatter_to_sequence_region(whole, tensor, dim);
      CHECK(summed.forward == reduced.backward);
      CHECK(summed.backward == reduced.forward);
      CHECK(copy_to_tensor_region(whole, tensor).backward == reduce_from_tensor_region(whole, tensor).forward);
    }
  CHECK(scatter_to_tensor_region({2, 8, 16}, 4) == Communication{{{2, 8, 4}}, {}, {gather({4, 8, 2})}});
  CHECK(gather_from_tensor_region({2, 8, 16}, 4) == Communication{{{2, 8, 64}}, {gather({16, 8, 2})}, {}});
  CHECK(scatter_to_sequence_region({8, 2, 16}, 4).outputs[0] == Shape{2, 2, 16});
  CHECK(gather_from_sequence_region({2, 2, 16}, 4, 0, false).backward.empty());
}

TEST_CASE("loss and shuffle: recorded figures") {
  Communication loss{{{2, 8}}, {reduce({2, 8}), reduce({2, 8}), reduce({2, 8})}, {}};
  loss.forward[0].reduce = ReduceOp::max;
  CHECK(parallel_cross_entropy({2, 8, 16}, 4) == loss);
  const std::vector<Collective> shuffled{exchange({16, 16}, 0, 0, GroupKind::token_shuffle)};
  CHECK(token_shuffle({8, 2, 16}, 2) == Communication{{{8, 2, 16}}, shuffled, shuffled});
}

TEST_CASE("one rank says nothing") {
  const auto silent = [](const Communication& c) { return c.forward.empty() && c.backward.empty(); };
  CHECK(silent(
      communication(with(column, [](auto& c) { c.sequence_parallel = c.gather_output = true; }), {2, 8, 16}, 1)));
  CHECK(silent(communication(with(row, [](auto& r) { r.input_is_parallel = false; }), {2, 8, 32}, 1)));
  CHECK(silent(communication(table, {2, 8}, 1)));
  CHECK(silent(communication(with(gqa, [](auto& g) { g.sequence_parallel = true; }), {2, 8, 16}, 1)));
  CHECK(silent(enter_expert_region({8, 6, 16}, 1, 1, true)));
  CHECK(silent(parallel_cross_entropy({2, 8, 16}, 1)));
  CHECK(silent(token_shuffle({8, 2, 16}, 1)));
}

TEST_CASE("names are those of the recorded figures") {
  CHECK(name(CollectiveOp::reduce_scatter) == "reduce_scatter");
  CHECK(name(CollectiveOp::all_to_all) == "all_to_all");
  CHECK(name(GroupKind::tensor) == "tp");
  CHECK(name(GroupKind::token_shuffle) == "token_shuffle");
}

TEST_CASE("shapes that cannot be") {
  using support::thrown;
  CHECK(thrown([] { reduce_scatter_to_sequence_region({10, 2, 3}, 4); }) == Ids{"SP-TENSOR-007"});
  CHECK(thrown([] { scatter_to_region({10, 2, 3}, 0, 4); }) == Ids{"SP-TENSOR-007"});
  CHECK(thrown([] { scatter_to_region({8, 2, 3}, 3, 4); }) == Ids{"SP-TENSOR-010"});
  CHECK(thrown([] { gather_from_region({8, 2, 3}, 3, 4, Gathered::replica); }) == Ids{"SP-TENSOR-010"});
  CHECK(thrown([] { scatter_to_tensor_region({}, 4); }) == Ids{"SP-TENSOR-010"});
  CHECK(thrown([] { communication(column, {2, 8, 15}, 4); }) == Ids{"SP-TENSOR-010"});
  CHECK(thrown([] { communication(row, {2, 8, 16}, 4); }) == Ids{"SP-TENSOR-010"});
  CHECK(thrown([] { enter_expert_region({8, 6, 16}, 2, 3, false); }) == Ids{"SP-TENSOR-007"});
  CHECK(thrown([] { enter_expert_region({8, 16}, 2, 2, false); }) == Ids{"SP-TENSOR-010"});
  CHECK(thrown([] { exit_expert_region({2, 3, 6, 16}, 2, 4, false); }) == Ids{"SP-TENSOR-010"});
  CHECK(thrown([] { parallel_cross_entropy({}, 2); }) == Ids{"SP-TENSOR-010"});
  CHECK(thrown([] { token_shuffle({}, 2); }) == Ids{"SP-TENSOR-010"});
  CHECK(thrown([] { token_shuffle({3, 3, 2}, 2); }) == Ids{"SP-TENSOR-007"});
}
