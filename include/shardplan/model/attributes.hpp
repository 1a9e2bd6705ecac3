#pragma once
#include <optional>

#include <shardplan/model/parameter.hpp>

namespace shardplan {

/// The marks that NxD puts on a tensor (NxD mesh sheet, 2.1 and 2.3).
struct ParallelAttributes {
  bool tensor_model_parallel = false;  ///< false: none of the tensor-parallel marks is set
  int partition_dim = 0;
  Index partition_stride = 0;
  Index num_partitions = 0;
  std::optional<bool> sequence_parallel_enabled{};  ///< empty: not set
  bool expert_model_parallel = false;               ///< set, and then true, only with several expert ranks

  friend constexpr bool operator==(const ParallelAttributes&, const ParallelAttributes&) = default;
};

namespace detail {

/// Whose marks do not follow from the way they are cut.
struct MarkException {
  std::string_view name_end;
  bool marked;  ///< false: no marks at all; true: marked as one block, stride 1
};
inline constexpr MarkException mark_exceptions[] = {
    {"qkv_proj.weight_qkv", false},                   // NxD forgets the fused GQA weight
    {"embedding.position_embeddings.weight", false},  // a plain torch module
    {"mlp.normalization.weight", false},              // built with the width of one rank, unknown to NxD as a slice
    {"mlp.normalization.bias", false},
    {"mlp.dense_h_to_4h.weight", true},  // gate and up as one block
    {"mlp.dense_h_to_4h.bias", true},
};

}  // namespace detail

/// The marks of a parameter over `tensor` and `expert` ranks; `sequence_parallel`: activations are cut over the
/// sequence.
template <ParameterLike P>
ParallelAttributes parallel_attributes(const P& p, Index tensor, Index expert = 1, bool sequence_parallel = true) {
  const auto& own_name = name(p);  // kept: a host may answer with a string of its own
  const std::string_view full_name = own_name;
  const Sharding& rule = sharding(p);
  Index stride = static_cast<Index>(rule.parts.size());
  for (const auto& [name_end, marked] : detail::mark_exceptions) {
    if (!full_name.ends_with(name_end)) continue;
    if (!marked) return {};
    stride = 1;
  }
  ParallelAttributes out;
  if (rule.parts.empty()) {
    out.sequence_parallel_enabled = sequence_parallel && rule.sequence_parallel;
  } else {
    out.tensor_model_parallel = true;
    out.partition_dim = rule.dim;
    out.partition_stride = stride;
    out.num_partitions = tensor;
  }
  out.expert_model_parallel = rule.expert && expert > 1;
  return out;
}

}  // namespace shardplan
