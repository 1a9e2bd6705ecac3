#pragma once
#include <span>

#include <shardplan/tensor/activations.hpp>

/// Context-parallel cuts that give every rank as much causal attention as any other: chunk r from the front and chunk r
/// from the back of 2 * cp chunks. (Rank order sheet, 4: Megatron-Core.) The contiguous cut is context_layout().
namespace shardplan::tensor {

/// Lengths of the documents of a packed batch.
using DocumentLengths = InlineVector<Index, 16>;

/// The lengths between cumulative starts [0, ..., total], as `cu_seqlens` has them. Errors SP-TENSOR-012 they do not
/// start at 0, or decrease.
inline DocumentLengths document_lengths(std::span<const Index> starts) {
  if (starts.empty() || starts.front() != 0)
    fail("SP-TENSOR-012",
         starts.empty() ? "no document starts" : concat("the first document starts at ", starts.front()),
         "0, then the end of every document", {"cu_seqlens"});
  DocumentLengths out;
  for (std::size_t i = 1; i < starts.size(); ++i) {
    if (starts[i] < starts[i - 1])
      fail("SP-TENSOR-012", concat("document ", i - 1, " starts at ", starts[i - 1], " and ends at ", starts[i]),
           "ends that do not decrease", {"cu_seqlens"});
    out.push_back(starts[i] - starts[i - 1]);
  }
  return out;
}

/// The lengths that the documents of a batch have once each is padded for the zigzag cut over `context` ranks: the
/// differences of `cu_seqlens_padded`. Errors SP-CORE-001.
inline DocumentLengths padded_lengths(const DocumentLengths& lengths, Index context) {
  if (context == 1) return lengths;
  DocumentLengths out;
  for (const Index length : lengths) out.push_back(round_up(length, checked_mul(2, context)));
  return out;
}

/// A batch of documents, one behind the other along dimension `dim`, each cut zigzag: a rank holds its chunks of
/// document 0, then those of document 1. One context rank holds the batch as it is.
///
/// lengths   of the documents; they add up to shape[dim]
/// uneven    pad: every document is padded by itself; chunk as refuse, for a mirror image needs equal chunks
/// Errors    SP-TENSOR-007 a length is no multiple of 2 * cp (all at once); SP-LAYOUT-005 lengths that do not add up;
///           SP-LAYOUT-008
/// Post      every rank holds 1 / cp of every document
inline Layout document_layout(const Shape& shape, std::size_t dim, const View& view, const DocumentLengths& lengths,
                              Uneven uneven = Uneven::refuse) {
  const Index ranks = view.extent(cp);
  if (ranks == 1) return Layout(view, shape);
  const Index unit = checked_mul(2, ranks);
  if (uneven == Uneven::pad) return Layout(view, shape).then(dim, packed(lengths, pad_to_multiple(unit) | zigzag(cp)));
  Diagnostics found;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    if (lengths[i] % unit != 0)
      found.push_back(finding(
          "SP-TENSOR-007",
          concat("document ", i, " of ", lengths[i], " tokens has no ", unit, " equal chunks for ", ranks, " cp ranks"),
          multiples_near(lengths[i], unit), {"sequence"}));
  if (!found.empty()) throw Error(std::move(found));
  return Layout(view, shape).then(dim, packed(lengths, zigzag(cp)));
}

/// A sequence along dimension `dim`, cut zigzag: the document_layout() of one document.
inline Layout zigzag_layout(const Shape& shape, std::size_t dim, const View& view, Uneven uneven = Uneven::refuse) {
  return document_layout(shape, dim, view, dim < shape.size() ? DocumentLengths{shape[dim]} : DocumentLengths{},
                         uneven);
}

}  // namespace shardplan::tensor
