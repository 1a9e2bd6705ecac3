#pragma once
#include <algorithm>

#include <shardplan/tensor.hpp>

#include "case.hpp"

/// Layers as recorded inputs describe them. A size that an input leaves out plays no part in its case; it stands here
/// as one that divides.
namespace conformance {

namespace tensor = shardplan::tensor;

inline tensor::Options options_of(const Field& input, const std::string& hardware_key = "hardware") {
  tensor::Options out{.dialect = shardplan::compat};
  if (input.has(hardware_key)) out.hardware = shardplan::hardware_from_name(input[hardware_key].text());
  if (input.peek("kv_size_multiplier").is_number()) out.kv_replicator = input["kv_size_multiplier"].number();
  return out;
}

inline tensor::RankOrdering rank_ordering_of(const Field& input) {
  tensor::RankOrdering out;
  if (input.has("rank_ordering")) out.append(input["rank_ordering"].numbers());
  return out;
}

inline tensor::ColumnParallelLinear column_of(const Field& input) {
  return {.input_size = input.get<Index>("input_size", 4),
          .output_size = input.get<Index>("output_size", 16),
          .bias = input.get("bias", false),
          .gather_output = input.get("gather_output", false),
          .stride = input.get<Index>("stride", 1),
          .sequence_parallel = input.get("sequence_parallel", false),
          .sequence_dimension = input.get<Index>("sequence_dimension", 0),
          .pad = input.get("pad", false),
          .pad_alignment_size_per_rank = input.get<Index>("pad_alignment_size_per_rank", 1),
          .keep_padded_output = input.get("keep_padded_output", false),
          .rank_ordering = rank_ordering_of(input)};
}

inline tensor::RowParallelLinear row_of(const Field& input) {
  return {.input_size = input.get<Index>("input_size", 16),
          .output_size = input.get<Index>("output_size", 4),
          .bias = input.get("bias", false),
          .input_is_parallel = input.get("input_is_parallel", true),
          .stride = input.get<Index>("stride", 1),
          .sequence_parallel = input.get("sequence_parallel", false),
          .sequence_dimension = input.get<Index>("sequence_dimension", 0),
          .pad = input.get("pad", false),
          .reduce_output = input.get("reduce_output", true),
          .rank_ordering = rank_ordering_of(input)};
}

inline tensor::ParallelEmbedding embedding_of(const Field& input, bool vectors) {
  tensor::ParallelEmbedding out{.num_embeddings = input.get<Index>("num_embeddings", 32),
                                .embedding_dim = input.get<Index>("embedding_dim", 16),
                                .shard_across_embedding = vectors,
                                .pad = input.get("pad", false),
                                .sequence_parallel = input.get("sequence_parallel", false),
                                .sequence_dimension = input.get<Index>("sequence_dimension", 0),
                                .collect_output = input.get("collect_output", true),
                                .rank_ordering = rank_ordering_of(input)};
  if (input.has("padding_idx") && !input["padding_idx"].is_null()) out.padding_idx = input["padding_idx"].number();
  return out;
}

template <class Convolution>
Convolution convolution_of(const Field& input) {
  Convolution out;
  // A pair, or one number for both directions.
  const auto pair = [&input](const char* key, std::array<Index, 2> otherwise) {
    if (!input.has(key)) return otherwise;
    if (input.peek(key).is_array()) return input[key].as<std::array<Index, 2>>();
    return std::array<Index, 2>{input[key].number(), input[key].number()};
  };
  out.in_channels = input.get<Index>("in_channels", 4);
  out.out_channels = input.get<Index>("out_channels", 8);
  out.kernel_size = pair("kernel_size", {1, 1});
  out.stride = pair("stride", {1, 1});
  out.padding = pair("padding", {0, 0});
  out.dilation = pair("dilation", {1, 1});
  out.groups = input.get<Index>("groups", 1);
  out.bias = input.get("bias", true);
  out.partition_pad = input.get("partition_pad", false);
  const std::string mode = input.get<std::string>("padding_mode", "zeros");
  const std::string_view modes[] = {"zeros", "reflect", "replicate", "circular"};
  const auto known = std::find(std::begin(modes), std::end(modes), mode);
  if (known == std::end(modes)) throw std::runtime_error("unknown padding mode '" + mode + "'");
  out.padding_mode = static_cast<tensor::PaddingMode>(known - std::begin(modes));
  return out;
}

template <class Experts>
Experts experts_layer_of(const Field& input) {
  Experts out;
  out.num_experts = input.get<Index>("num_experts", 4);
  out.input_size = input.get<Index>("input_size", 4);
  out.output_size = input.get<Index>("output_size", 4);
  out.bias = input.get("bias", false);
  out.stride = input.get<Index>("stride", 1);
  out.expert_distribution = input.get<tensor::ExpertDistribution>("expert_distribution", {});
  out.bias_inside_matmul = input.get("bias_inside_matmul", false);
  out.sequence_parallel = input.get("sequence_parallel", false);
  return out;
}

/// `multiplier`: where the input lists several, the one of this layer.
inline tensor::GQAQKVColumnParallelLinear gqa_of(const Field& input, Index multiplier) {
  tensor::GQAQKVColumnParallelLinear out{.input_size = input.get<Index>("input_size", 8),
                                         .query_size = 16,
                                         .key_value_size = 8,
                                         .head_size = input.get<Index>("head_dim", 0),
                                         .bias = input.get("bias", false),
                                         .gather_output = input.get("gather_output", false),
                                         .sequence_parallel = input.get("sequence_parallel", false),
                                         .kv_size_multiplier = multiplier,
                                         .fuse_qkv = input.get("fuse_qkv", true)};
  if (input.has("output_sizes")) {
    out.query_size = input["output_sizes"][0].number();
    out.key_value_size = input["output_sizes"][1].number();
  }
  return out;
}
inline tensor::GQAQKVColumnParallelLinear gqa_of(const Field& input) {
  return gqa_of(input, input.get<Index>("kv_size_multiplier", 1));
}

}  // namespace conformance
