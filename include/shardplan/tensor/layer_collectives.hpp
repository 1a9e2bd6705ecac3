#pragma once
#include <vector>

#include <shardplan/tensor/collectives.hpp>
#include <shardplan/tensor/convolution.hpp>
#include <shardplan/tensor/embedding.hpp>
#include <shardplan/tensor/experts.hpp>
#include <shardplan/tensor/qkv.hpp>

/// What each layer sends in forward and backward, and what comes out of it (NxD mesh and tensor sheet, 3.3).
///
/// communication(layer, input, tensor) takes the local shape of the input. Errors SP-TENSOR-007 a dimension that does
/// not divide, -010 an input of another shape than the layer reads. Pre: diagnose() finds no error.
namespace shardplan::tensor {

namespace detail {

/// The input with its features (the last dimension) replaced. Errors SP-TENSOR-010 unless it has `expected` of them.
inline Shape with_features(const Shape& input, Index expected, Index features) {
  if (input.empty() || input.back() != expected)
    fail("SP-TENSOR-010", concat("an input of shape ", input), concat(expected, " features"));
  return resized(input, input.size() - 1, features);
}

/// Refuses images without `expected` channels: SP-TENSOR-010.
inline void check_channels(const Shape& input, Index expected) {
  if (input.size() != 4 || input[1] != expected)
    fail("SP-TENSOR-010", concat("an input of shape ", input), concat("images [N, ", expected, ", H, W]"));
}

/// The whole sequence in front of a product that is cut by output features. It is gathered once more in backward, for
/// the weight gradient, rather than kept.
inline Communication enter_sequence_parallel(const Shape& input, std::size_t dim, Index tensor) {
  Communication out = gather_from_sequence_region(input, tensor, dim);
  out.backward.insert(out.backward.begin(), out.forward.begin(), out.forward.end());
  return out;
}

inline Communication product(const Shape& output) { return {{output}}; }

}  // namespace detail

inline Communication communication(const ColumnParallelLinear& layer, const Shape& input, Index tensor) {
  const auto sequence = static_cast<std::size_t>(layer.sequence_dimension);
  Communication out = layer.sequence_parallel ? detail::enter_sequence_parallel(input, sequence, tensor)
                                              : copy_to_tensor_region(input, tensor, true);
  const Index padded = layer.output_size + pad_size(layer, tensor);
  const Shape local = detail::with_features(out.outputs[0], layer.input_size, padded / tensor);
  out = then(out, detail::product(local));
  if (!layer.gather_output) return out;
  out = then(out, gather_from_tensor_region(local, tensor));
  out.outputs[0].back() = layer.keep_padded_output ? padded : layer.output_size;
  return out;
}

inline Communication communication(const RowParallelLinear& layer, const Shape& input, Index tensor) {
  const Index padded = layer.input_size + pad_size(layer, tensor);
  Communication out{{input}};
  if (!layer.input_is_parallel)
    out = scatter_to_tensor_region(detail::with_features(input, layer.input_size, padded), tensor);
  const Shape partial = detail::with_features(out.outputs[0], padded / tensor, layer.output_size);
  out = then(out, detail::product(partial));
  if (!layer.reduce_output) return out;
  return then(out, layer.sequence_parallel ? reduce_scatter_to_sequence_region(
                                                 partial, tensor, static_cast<std::size_t>(layer.sequence_dimension))
                                           : reduce_from_tensor_region(partial, tensor));
}

/// `input`: token ids [batch, sequence]. Along sequence dimension 0 the output leaves transposed, [sequence, batch,
/// hidden]; along another one NxD (layer_faults) leaves every rank with its unreduced part.
inline Communication communication(const ParallelEmbedding& layer, const Shape& input, Index tensor,
                                   const Options& options = {}) {
  Shape vectors = input;
  const Index width = layer.embedding_dim + (layer.shard_across_embedding ? pad_size(layer, tensor) : 0);
  vectors.push_back(layer.shard_across_embedding ? width / tensor : width);
  const Communication looked_up = detail::product(vectors);
  if (!layer.collect_output) return looked_up;
  if (layer.shard_across_embedding) {
    Communication out = gather_from_tensor_region(vectors, tensor);
    out.outputs[0].back() = layer.embedding_dim;
    return out;
  }
  if (!layer.sequence_parallel) return reduce_from_tensor_region(vectors, tensor);
  if (layer.sequence_dimension == 0) return reduce_scatter_to_sequence_region(detail::swapped(vectors, 1), tensor);
  if (options.dialect.layer_faults) return looked_up;
  return reduce_scatter_to_sequence_region(vectors, tensor, static_cast<std::size_t>(layer.sequence_dimension));
}

/// Outputs q, k and v. Backward adds the gradients of the copies of a KV head first.
inline Communication communication(const GQAQKVColumnParallelLinear& layer, const Shape& input, Index tensor) {
  Communication out = layer.sequence_parallel ? detail::enter_sequence_parallel(input, 0, tensor)
                                              : copy_to_tensor_region(input, tensor);
  const FusedRows rows = fused_rows(layer, tensor);
  const Shape whole = out.outputs[0];
  out.outputs = {detail::with_features(whole, layer.input_size, rows.query),
                 detail::with_features(whole, layer.input_size, rows.key),
                 detail::with_features(whole, layer.input_size, rows.value)};
  if (layer.kv_size_multiplier > 1) {
    std::vector<Collective> copies;
    for (const std::size_t part : {std::size_t{1}, std::size_t{2}})
      copies.push_back({.op = CollectiveOp::all_reduce, .shape = out.outputs[part], .group = GroupKind::kv_shared});
    // Behind the gather of the input, if there is one; before the input gradient is reduced.
    out.backward.insert(out.backward.end() - (out.backward.empty() ? 0 : 1), copies.begin(), copies.end());
  }
  if (!layer.gather_output) return out;
  for (Shape& part : out.outputs) {
    const Communication gather = gather_from_tensor_region(part, tensor);
    out.forward.insert(out.forward.end(), gather.forward.begin(), gather.forward.end());
    part = gather.outputs[0];
  }
  return out;
}

/// `input`: images [N, C, H, W].
inline Communication communication(const OutputChannelParallelConv2d& layer, const Shape& input, Index tensor) {
  detail::check_channels(input, layer.in_channels);
  const Index padded = layer.out_channels + pad_size(layer, tensor);
  const Shape local = detail::resized(convolved(layer, input), 1, padded / tensor);
  Communication out = then(copy_to_tensor_region(input, tensor, true), detail::product(local));
  if (!layer.gather_output) return out;
  out = then(out, gather_from_region(local, 1, tensor, Gathered::replica));
  out.outputs[0][1] = layer.out_channels;
  return out;
}
inline Communication communication(const InputChannelParallelConv2d& layer, const Shape& input, Index tensor) {
  const Index padded = layer.in_channels + pad_size(layer, tensor);
  detail::check_channels(input, layer.input_is_parallel ? padded / tensor : layer.in_channels);
  Communication out{{input}};
  if (!layer.input_is_parallel) out = scatter_to_region(detail::resized(input, 1, padded), 1, tensor);
  const Shape partial = convolved(layer, input);
  return then(then(out, detail::product(partial)), reduce_from_tensor_region(partial, tensor));
}

/// `input`: [experts, ..., features].
inline Communication communication(const ExpertFusedColumnParallelLinear& layer, const Shape& input, Index tensor) {
  return then(copy_to_tensor_region(input, tensor),
              detail::product(detail::with_features(input, layer.input_size, layer.output_size / tensor)));
}
inline Communication communication(const ExpertFusedRowParallelLinear& layer, const Shape& input, Index tensor) {
  const Shape partial = detail::with_features(input, layer.input_size / tensor, layer.output_size);
  return layer.reduce_output ? reduce_from_tensor_region(partial, tensor) : detail::product(partial);
}

}  // namespace shardplan::tensor
