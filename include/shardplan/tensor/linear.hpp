#pragma once
#include <vector>

#include <shardplan/tensor/layer_tensor.hpp>

/// Linear layers cut along their output or their input (NxD mesh and tensor sheet, 2.3 and 2.4).
/// Members and defaults are those of NxD's constructors.
namespace shardplan::tensor {

/// y = x A^T + b with the rows of A, the output features, over the tensor ranks.
struct ColumnParallelLinear {
  Index input_size = 0;
  Index output_size = 0;
  bool bias = true;
  bool gather_output = true;  ///< every rank gets the whole output; the bias is added behind that, hence whole
  Index stride = 1;           ///< packed parts: 2 for [gate; up], 3 for [q; k; v]
  bool sequence_parallel = false;
  Index sequence_dimension = 0;
  bool pad = false;  ///< pad the output at its end; the bias with the lowest finite value
  Index pad_alignment_size_per_rank = 1;
  bool keep_padded_output = false;
  bool skip_bias_add = false;  ///< hand the bias out instead of adding it
  RankOrdering rank_ordering{};
};

/// y = x A^T + b with the columns of A, the input features, over the tensor ranks; the bias is added after the sum.
struct RowParallelLinear {
  Index input_size = 0;
  Index output_size = 0;
  bool bias = true;
  bool input_is_parallel = false;  ///< the input is cut already
  Index stride = 1;
  bool sequence_parallel = false;
  Index sequence_dimension = 0;
  bool pad = false;  ///< pad the input at its end
  bool reduce_output = true;
  bool skip_bias_add = false;
  RankOrdering rank_ordering{};
};

namespace detail {

constexpr Cutting cutting(const ColumnParallelLinear& layer) {
  return {layer.output_size, layer.stride, layer.pad ? layer.pad_alignment_size_per_rank : 0, layer.rank_ordering};
}
constexpr Cutting cutting(const RowParallelLinear& layer) {
  return {layer.input_size, layer.stride, layer.pad ? Index{1} : Index{0}, layer.rank_ordering};
}
inline void refuse_padded_training(Check& check, bool pad, const Dialect& dialect, Phase until) {
  check.refuse_if(pad && until == Phase::train && dialect.nxd_limits, "SP-TENSOR-003", "NxD pads for inference only",
                  "a size that divides over the tensor ranks, or the strict dialect", {"pad"});
}

}  // namespace detail

/// Output features (column) or input features (row) that padding adds.
constexpr Index pad_size(const ColumnParallelLinear& layer, Index tensor) {
  return detail::cutting(layer).pad_size(tensor);
}
constexpr Index pad_size(const RowParallelLinear& layer, Index tensor) {
  return detail::cutting(layer).pad_size(tensor);
}

/// Everything wrong with a layer on `tensor` ranks. Ids SP-TENSOR-001, -003, -005, -011.
inline Diagnostics diagnose(const ColumnParallelLinear& layer, Index tensor, const Options& options = {},
                            Phase until = Phase::train) {
  detail::Check check("column layer");
  check.positive("input size", layer.input_size);
  check.positive("pad_alignment_size_per_rank", layer.pad_alignment_size_per_rank);
  detail::check_cutting(check, "output size", detail::cutting(layer), tensor, until);
  check.refuse_if(
      layer.gather_output && layer.sequence_parallel && until >= Phase::forward && options.dialect.nxd_limits,
      "SP-TENSOR-003", "NxD does not gather the output of a sequence-parallel layer",
      "gather_output false, or the strict dialect", {"gather_output", "sequence_parallel"});
  detail::refuse_padded_training(check, layer.pad, options.dialect, until);
  return check.take();
}
inline Diagnostics diagnose(const RowParallelLinear& layer, Index tensor, const Options& options = {},
                            Phase until = Phase::train) {
  detail::Check check("row layer");
  check.positive("output size", layer.output_size);
  detail::check_cutting(check, "input size", detail::cutting(layer), tensor, until);
  check.refuse_if(layer.sequence_parallel && !layer.input_is_parallel && options.dialect.nxd_limits, "SP-TENSOR-003",
                  "NxD cuts the output along the sequence only when the input is cut already",
                  "input_is_parallel true, or the strict dialect", {"input_is_parallel", "sequence_parallel"});
  detail::refuse_padded_training(check, layer.pad, options.dialect, until);
  return check.take();
}

/// "weight" [out, in] and, if there is one, "bias" [out] of a layer over a view.
/// Errors: what diagnose() finds up to Phase::build, SP-LAYOUT-*.
/// Post: local extents are equal on all tensor ranks; only the last ranks hold padding.
inline std::vector<LayerTensor> tensors(const ColumnParallelLinear& layer, const View& view,
                                        const Options& options = {}) {
  const Index tensor = view.extent(tp);
  detail::throw_errors(diagnose(layer, tensor, options, Phase::build));
  const detail::Cutting cutting = detail::cutting(layer);
  const ParallelAttributes marks = cut_marks(0, layer.stride, tensor);
  std::vector<LayerTensor> out{
      {"weight", Layout(view, {layer.output_size, layer.input_size}).then(0, cutting.chain(tensor)), marks}};
  if (!layer.bias) return out;
  const Layout whole(view, {layer.output_size});
  if (layer.gather_output)
    out.push_back({"bias", whole.then(0, cutting.padding(tensor, lowest_finite)), {}});
  else
    out.push_back({"bias", whole.then(0, cutting.chain(tensor, lowest_finite)), marks});
  return out;
}
inline std::vector<LayerTensor> tensors(const RowParallelLinear& layer, const View& view, const Options& options = {}) {
  const Index tensor = view.extent(tp);
  detail::throw_errors(diagnose(layer, tensor, options, Phase::build));
  std::vector<LayerTensor> out{
      {"weight", Layout(view, {layer.output_size, layer.input_size}).then(1, detail::cutting(layer).chain(tensor)),
       cut_marks(1, layer.stride, tensor)}};
  if (layer.bias)
    out.push_back({"bias", Layout(view, {layer.output_size}), {.sequence_parallel_enabled = layer.sequence_parallel}});
  return out;
}

}  // namespace shardplan::tensor
