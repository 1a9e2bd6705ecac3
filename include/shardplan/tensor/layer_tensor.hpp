#pragma once
#include <vector>

#include <shardplan/layout/layout.hpp>
#include <shardplan/model/attributes.hpp>
#include <shardplan/tensor/detail/check.hpp>
#include <shardplan/tensor/options.hpp>

/// What every parallel layer of NxD is made of: tensors with a layout and marks (NxD mesh and tensor sheet, 2.1, 2.3).
namespace shardplan::tensor {

/// How far a layer is taken. NxD finds some faults only late; each phase includes those before it.
enum class Phase : std::uint8_t {
  declare,  ///< sizes and marks alone, no values: the meta device
  build,    ///< weights are cut
  forward,  ///< inference
  train,
};

/// A tensor of a layer. The shape of the layout is the full, unpadded one.
struct LayerTensor {
  std::string_view name;
  Layout layout;
  ParallelAttributes marks;  ///< as NxD sets them; a default value means none
};

/// The tensor of that name, or none.
inline const LayerTensor* find(const std::vector<LayerTensor>& tensors, std::string_view name) {
  for (const LayerTensor& tensor : tensors)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

/// Marks of a tensor that is cut along `dim` in `stride` packed parts.
constexpr ParallelAttributes cut_marks(int dim, Index stride, Index tensor) {
  return {.tensor_model_parallel = true, .partition_dim = dim, .partition_stride = stride, .num_partitions = tensor};
}

/// Puts marks on a tensor. Errors SP-TENSOR-003: NxD marks a tensor once only; otherwise a tensor that two layers share
/// must be cut alike by both.
inline void mark(ParallelAttributes& tensor, const ParallelAttributes& marks, const Dialect& dialect) {
  if (tensor.tensor_model_parallel && (dialect.nxd_limits || tensor != marks))
    fail("SP-TENSOR-003",
         concat("a tensor cut along dimension ", tensor.partition_dim, " over ", tensor.num_partitions,
                " ranks is marked again, along ", marks.partition_dim, " over ", marks.num_partitions),
         "one layer for each tensor");
  tensor = marks;
}

/// Whether a tensor of a full checkpoint can be cut for its layer.
/// Ids SP-TENSOR-010 another shape than the unpadded full one; -003 a dimension that NxD's loader does not cut.
inline Diagnostics diagnose_load(const LayerTensor& tensor, const Shape& found, const Dialect& dialect) {
  detail::Check check(tensor.name);
  check.refuse_if(found != tensor.layout.shape(), "SP-TENSOR-010",
                  concat("the checkpoint holds ", found, ", the layer has ", tensor.layout.shape()),
                  "the unpadded shape");
  check.refuse_if(dialect.nxd_limits && tensor.marks.tensor_model_parallel && tensor.marks.partition_dim > 1,
                  "SP-TENSOR-003",
                  concat("NxD cannot cut a full checkpoint along dimension ", tensor.marks.partition_dim),
                  "dimension 0 or 1, or the strict dialect");
  return check.take();
}

/// Elements that bring `size` up to a multiple of `unit`.
constexpr Index padding_length(Index size, Index unit) { return round_up(size, unit) - size; }

/// Tensor rank r takes the shard `rank_ordering[r]`; empty: its own.
using RankOrdering = InlineVector<Index, 16>;

namespace detail {

/// How a dimension of a layer is padded and cut.
struct Cutting {
  Index size = 0;
  Index stride = 1;     ///< packed parts, each cut on its own
  Index alignment = 0;  ///< > 0: padded at the end to a multiple of this for each tensor rank
  RankOrdering ordering{};

  constexpr Chain padding(Index tensor, Fill fill = {}) const {
    return alignment > 0 ? pad_to_multiple(checked_mul(alignment, tensor), fill) : Chain{};
  }
  constexpr Chain chain(Index tensor, Fill fill = {}) const {
    if (ordering.empty()) return padding(tensor, fill) | strided(tp, stride);
    return padding(tensor, fill) | blocks(stride, reorder(tensor, ordering) | split(tp));
  }
  constexpr Index pad_size(Index tensor) const {
    return alignment > 0 ? padding_length(size, checked_mul(alignment, tensor)) : 0;
  }
};

/// Finds what keeps a dimension from being cut: SP-TENSOR-001, -005, -011.
inline void check_cutting(Check& check, std::string_view what, const Cutting& cutting, Index tensor, Phase until) {
  check.positive(what, cutting.size);
  check.positive("stride", cutting.stride);
  check.positive("tensor size", tensor);
  if (!check.clean()) return;
  // A flag for each rank of the ordering, not of the world: its length is what the caller has paid for.
  const std::size_t count = cutting.ordering.size();
  InlineVector<bool, 16> named(count, false);
  for (const Index rank : cutting.ordering)
    if (0 <= rank && static_cast<std::size_t>(rank) < count) named[static_cast<std::size_t>(rank)] = true;
  bool permutes = count == 0 || static_cast<Index>(count) == tensor;
  for (const bool one : named) permutes = permutes && one;
  check.refuse_if(
      !permutes, "SP-TENSOR-005",
      concat("rank_ordering [", join(cutting.ordering, ", "), "] does not name each of ", tensor, " ranks once"),
      concat("a permutation of 0 to ", tensor - 1), {"rank_ordering"});
  if (!check.clean()) return;
  if (cutting.alignment == 0) check.multiple("SP-TENSOR-001", what, cutting.size, tensor, {"tensor"});
  if (!check.clean() || until < Phase::build) return;
  check.multiple("SP-TENSOR-001", concat(what, " on each rank"), (cutting.size + cutting.pad_size(tensor)) / tensor,
                 cutting.stride, {"stride", "tensor"});
}

}  // namespace detail
}  // namespace shardplan::tensor
