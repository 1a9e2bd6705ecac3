#pragma once
#include <shardplan/tensor/heads.hpp>

/// Models whose heads do not divide over the tensor ranks, and the mask of the heads that were added (NxD mesh and
/// tensor sheet, 2.4).
namespace shardplan::tensor {

/// Rows that `pad_model` adds to a rank's `rows` so that `heads` become a multiple of the tensor size: each rank's
/// share grows in proportion. NxD counts in floating point and truncates, so it may add one row too few.
/// Errors SP-TENSOR-001 when the share does not grow by whole rows, -011.
constexpr Index padding_rows(Index rows, Index heads, Index tensor, const Dialect& dialect) {
  if (heads < 1) fail("SP-TENSOR-011", concat(heads, " heads"), "at least 1", {"heads"});
  const Index padded = round_up(heads, tensor);
  if (dialect.float_head_padding) {
    const double ratio = static_cast<double>(padded) / static_cast<double>(heads);
    return static_cast<Index>(static_cast<double>(rows) * ratio - static_cast<double>(rows));
  }
  const Index grown = checked_mul(rows, padded);
  if (grown % heads != 0)
    fail("SP-TENSOR-001", concat(rows, " rows of ", heads, " heads do not grow to ", padded, " heads by whole rows"),
         concat("rows in multiples of ", heads / gcd(heads, padded)), {"heads", "tensor"});
  return grown / heads - rows;
}

/// A column layer (dim 0) or row layer (dim 1) after `pad_model`: padding behind the rows of every rank. Where heads do
/// not divide over the ranks this cuts through heads, as NxD does; query_chain() with padded heads keeps them whole.
/// Errors SP-TENSOR-001, -011. Pre: every tensor rank holds equally much.
/// Post: without float_head_padding the ranks together hold rows x padded heads / heads.
inline Layout pad_model(const Layout& layout, std::size_t dim, Index heads, const Dialect& dialect) {
  const View& view = layout.view();
  const Index rows = layout.local_size(dim, Place(view.axes().size(), 0));
  return layout.then(dim, pad(PadTo::amount, padding_rows(rows, heads, view.extent(tp), dialect)));
}

/// Which of a rank's query heads are heads of the model; false: padding. `tensor_rank`: coordinate on the tensor axis.
/// With layer_faults this is NxD's own arithmetic, which assumes at least one tensor rank for every KV head on trn1,
/// and padding behind all heads of a rank on trn2; otherwise the padding of query_chain().
/// Errors SP-TENSOR-004 for hardware NxD has no rule for, those of diagnose().
/// Post: both agree where tensor is a multiple of the KV heads and kv_replicator is their quotient.
inline InlineVector<bool, 16> head_padding_mask(const Heads& heads, Index padded, Index tensor, Index tensor_rank,
                                                const Options& options) {
  InlineVector<bool, 16> out;
  if (!options.dialect.layer_faults) {
    const Heads units{heads.query, heads.key_value, 1};
    const AttentionLayouts layouts = attention_layouts(units, 1, View({{tp, tensor}}), options, padded);
    for (const Index head : heads_at(layouts.query, 0, Place{tensor_rank}, 1)) out.push_back(head != padding_head);
    return out;
  }
  detail::Check check("head padding mask");
  detail::check_counts(check, heads, tensor);
  detail::throw_errors(check.take());
  const bool trn2 = options.hardware == Hardware::trn2;
  if (!trn2 && !is_trn1_class(options.hardware))
    fail("SP-TENSOR-004", concat("NxD has no head padding mask for ", shardplan::name(options.hardware)),
         "trn1, trn2, or the strict dialect", {"hardware"});
  const Index local = padded / tensor, group = heads.query / heads.key_value;
  const Index copies = tensor / heads.key_value > 1 ? tensor / heads.key_value : 1;
  const Index copy = trn2 ? tensor_rank % copies : tensor_rank / heads.key_value;
  const Index real = trn2 ? group * (heads.key_value * copies / tensor) : group;
  for (Index head = copy * local; head < (copy + 1) * local; ++head) out.push_back(head < real);
  return out;
}

}  // namespace shardplan::tensor
