#pragma once
#include <vector>

#include <shardplan/mesh/experts.hpp>
#include <shardplan/tensor/linear.hpp>

/// Linear layers of many experts in one tensor: experts over the expert axis, features over the tensor axis (NxD mesh
/// and tensor sheet, 2.3). Members and defaults are those of NxD's constructors.
namespace shardplan::tensor {

/// Experts that each expert rank holds, one row a rank, all of one length; empty: an even share in order. An expert may
/// occur again.
using ExpertDistribution = ExpertRows;

/// What both layers have: per expert, y = x A + b.
struct ExpertFusedLinear {
  Index num_experts = 0;
  Index input_size = 0;
  Index output_size = 0;
  bool bias = false;
  Index stride = 1;
  ExpertDistribution expert_distribution{};
  bool bias_inside_matmul = false;  ///< add the bias in the product, before any reduction
  bool sequence_parallel = false;   ///< feed it activations that are cut along the sequence
};

struct ExpertFusedColumnParallelLinear : ExpertFusedLinear {};

struct ExpertFusedRowParallelLinear : ExpertFusedLinear {
  bool reduce_output = true;  ///< otherwise the block reduces later, and the bias must come divided by the tensor size
};

namespace detail {

constexpr Cutting cutting(const ExpertFusedColumnParallelLinear& layer) { return {layer.output_size, layer.stride}; }
constexpr Cutting cutting(const ExpertFusedRowParallelLinear& layer) { return {layer.input_size, layer.stride}; }

/// Finds what keeps experts from being dealt out over `expert` ranks in shards of equal size.
inline void check_distribution(Check& check, const ExpertFusedLinear& layer, Index expert) {
  const ExpertDistribution& rows = layer.expert_distribution;
  const Diagnostics found = diagnose_placement(layer.num_experts, expert, rows);
  check.append(found);
  if (!found.empty()) return;
  for (const auto& row : rows)
    if (row.size() != rows[0].size())
      return check.refuse_if(
          true, "SP-TENSOR-002",
          concat("expert_distribution has rows of ", rows[0].size(), " and of ", row.size(), " experts"),
          "rows of equal length", {"expert_distribution"});
}

inline Chain experts_chain(const ExpertFusedLinear& layer) {
  RankOrdering order;
  for (const auto& row : layer.expert_distribution) order.append(row);
  return order.empty() ? Chain(split(ep)) : reorder(layer.num_experts, order) | split(ep);
}

inline void check_experts(Check& check, const ExpertFusedLinear& layer, Index expert, bool summed,
                          const Dialect& dialect, Phase until) {
  check_distribution(check, layer, expert);
  if (until < Phase::forward) return;
  check.refuse_if(layer.bias_inside_matmul && (summed || dialect.nxd_limits), "SP-TENSOR-003",
                  summed ? "a bias inside the product is added once for every tensor rank"
                         : "NxD adds no bias inside the product of experts",
                  "bias_inside_matmul false", {"bias_inside_matmul"});
  check.refuse_if(layer.sequence_parallel, "SP-TENSOR-003",
                  "tokens reach an expert from the whole sequence, not from a part of it",
                  "gather the sequence before the experts", {"sequence_parallel"});
}

}  // namespace detail

/// Everything wrong with a layer on tensor x expert ranks. Ids SP-TENSOR-001, -002, -003, -005, -011, SP-MESH-001,
/// -013.
inline Diagnostics diagnose(const ExpertFusedColumnParallelLinear& layer, Index tensor, Index expert,
                            const Options& options = {}, Phase until = Phase::train) {
  detail::Check check("expert column layer");
  check.positive("input size", layer.input_size);
  detail::check_cutting(check, "output size", detail::cutting(layer), tensor, until);
  detail::check_experts(check, layer, expert, false, options.dialect, until);
  return check.take();
}
inline Diagnostics diagnose(const ExpertFusedRowParallelLinear& layer, Index tensor, Index expert,
                            const Options& options = {}, Phase until = Phase::train) {
  detail::Check check("expert row layer");
  check.positive("output size", layer.output_size);
  detail::check_cutting(check, "input size", detail::cutting(layer), tensor, until);
  detail::check_experts(check, layer, expert, true, options.dialect, until);
  return check.take();
}

/// "weight" [experts, in, out] and, if there is one, "bias" [experts, out] over an expert view.
/// Errors: what diagnose() finds up to Phase::build, SP-LAYOUT-*.
inline std::vector<LayerTensor> tensors(const ExpertFusedColumnParallelLinear& layer, const View& view,
                                        const Options& options = {}) {
  const Index tensor = view.extent(tp), expert = view.extent(ep);
  detail::throw_errors(diagnose(layer, tensor, expert, options, Phase::build));
  const Chain experts = detail::experts_chain(layer), features = detail::cutting(layer).chain(tensor);
  ParallelAttributes marks = cut_marks(2, layer.stride, tensor);
  marks.expert_model_parallel = expert > 1;
  std::vector<LayerTensor> out{
      {"weight",
       Layout(view, {layer.num_experts, layer.input_size, layer.output_size}).then(0, experts).then(2, features),
       marks}};
  marks.partition_dim = 1;
  if (layer.bias)
    out.push_back(
        {"bias", Layout(view, {layer.num_experts, layer.output_size}).then(0, experts).then(1, features), marks});
  return out;
}
inline std::vector<LayerTensor> tensors(const ExpertFusedRowParallelLinear& layer, const View& view,
                                        const Options& options = {}) {
  const Index tensor = view.extent(tp), expert = view.extent(ep);
  detail::throw_errors(diagnose(layer, tensor, expert, options, Phase::build));
  const Chain experts = detail::experts_chain(layer), features = detail::cutting(layer).chain(tensor);
  ParallelAttributes marks = cut_marks(1, layer.stride, tensor);
  marks.expert_model_parallel = expert > 1;
  std::vector<LayerTensor> out{
      {"weight",
       Layout(view, {layer.num_experts, layer.input_size, layer.output_size}).then(0, experts).then(1, features),
       marks}};
  if (layer.bias)
    out.push_back({"bias",
                   Layout(view, {layer.num_experts, layer.output_size}).then(0, experts),
                   {.sequence_parallel_enabled = false, .expert_model_parallel = expert > 1}});
  return out;
}

}  // namespace shardplan::tensor
