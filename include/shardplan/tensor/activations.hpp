#pragma once
#include <shardplan/layout/layout.hpp>
#include <shardplan/mesh/view.hpp>

/// How activations and batches are cut along the sequence (NxD mesh and tensor sheet, 3.1 and 3.2).
namespace shardplan::tensor {

/// What to do with a sequence that does not divide.
enum class Uneven : std::uint8_t {
  refuse,  ///< as NxD does
  chunk,   ///< parts of ceil(n / ranks), the last ones shorter or empty: torch.chunk
  pad,     ///< padded to the next size that divides
};

/// The label that a loss is to skip.
inline constexpr Index ignored_label = -100;

namespace detail {

inline Chain sequence_chain(const Shape& shape, std::size_t dim, const View& view, Axis axis, Uneven uneven) {
  const Index ranks = view.extent(axis);
  if (uneven == Uneven::refuse && dim < shape.size() && shape[dim] % ranks != 0)
    fail("SP-TENSOR-007",
         concat("a sequence of ", shape[dim], " does not divide over ", ranks, ' ', axis.name(), " ranks"),
         multiples_near(shape[dim], ranks), {"sequence"});
  if (uneven == Uneven::pad) return pad_to_multiple(ranks) | split(axis);
  return uneven == Uneven::chunk ? split(axis).ceil() : split(axis);
}

}  // namespace detail

/// Sequence parallel: dimension `dim` over the tensor ranks. Errors SP-TENSOR-007, SP-LAYOUT-008.
inline Layout sequence_layout(const Shape& shape, std::size_t dim, const View& view, Uneven uneven = Uneven::refuse) {
  return Layout(view, shape).then(dim, detail::sequence_chain(shape, dim, view, tp, uneven));
}

/// Context parallel: dimension `dim` of a batch over the context ranks, contiguous; a batch whose sequence is one
/// element stays whole. Errors SP-TENSOR-007, SP-LAYOUT-008.
inline Layout context_layout(const Shape& shape, std::size_t dim, const View& view, Uneven uneven = Uneven::refuse) {
  const Layout whole(view, shape);
  if (dim < shape.size() && shape[dim] <= 1) return whole;
  return whole.then(dim, detail::sequence_chain(shape, dim, view, cp, uneven));
}

/// The labels of a context-parallel batch: shifted by one first, so that the last one of a rank is the first token of
/// the next, with ignored_label behind the last. One context rank gets them unshifted; its loss shifts.
/// Errors as context_layout().
inline Layout label_layout(const Shape& shape, std::size_t dim, const View& view, Uneven uneven = Uneven::refuse) {
  if (view.extent(cp) == 1 || (dim < shape.size() && shape[dim] <= 1)) return context_layout(shape, dim, view, uneven);
  const Chain cut = detail::sequence_chain(shape, dim, view, cp, uneven);
  const Fill ignored{Fill::Kind::constant, ignored_label};
  return Layout(view, shape).then(dim, slice(1, shape[dim]) | pad(PadTo::amount, 1, ignored) | cut);
}

/// Activations under both: the sequence over the context ranks, each part over the tensor ranks.
/// Errors SP-TENSOR-007, SP-LAYOUT-*.
inline Layout activation_layout(const Shape& shape, std::size_t dim, const View& view) {
  const Layout context = context_layout(shape, dim, view);
  Shape part = shape;
  part[dim] = context.local_size(dim, Place(view.axes().size(), 0));
  return context.then(dim, detail::sequence_chain(part, dim, view, tp, Uneven::refuse));
}

/// Position id of the first token of a context rank. Pre: the sequence divides.
constexpr Index first_position(Index sequence, Index context, Index context_rank) {
  return sequence / context * context_rank;
}

}  // namespace shardplan::tensor
