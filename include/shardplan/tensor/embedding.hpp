#pragma once
#include <optional>
#include <vector>

#include <shardplan/tensor/linear.hpp>

namespace shardplan::tensor {

/// A table of token vectors, cut over the tensor ranks along the vocabulary or along the vectors (NxD mesh and tensor
/// sheet, 2.3 and 2.4). Members and defaults are those of NxD's constructor.
struct ParallelEmbedding {
  Index num_embeddings = 0;
  Index embedding_dim = 0;
  std::optional<Index> padding_idx{};   ///< the id whose vector takes no gradient; NxD takes id 0 for none
  bool shard_across_embedding = false;  ///< cut the vectors, not the vocabulary
  bool pad = false;                     ///< pad the cut dimension at its end
  bool sequence_parallel = false;
  Index sequence_dimension = 0;
  bool collect_output = true;  ///< sum or gather the output
  RankOrdering rank_ordering{};
};

namespace detail {
constexpr Cutting cutting(const ParallelEmbedding& layer) {
  return {layer.shard_across_embedding ? layer.embedding_dim : layer.num_embeddings, 1, layer.pad ? Index{1} : Index{0},
          layer.rank_ordering};
}
}  // namespace detail

/// Ids, or elements of a vector, that padding adds.
constexpr Index pad_size(const ParallelEmbedding& layer, Index tensor) {
  return detail::cutting(layer).pad_size(tensor);
}

/// Everything wrong with a layer on `tensor` ranks. Ids SP-TENSOR-001, -003, -005, -011; the warning -006 where NxD
/// forgets to add the parts up.
inline Diagnostics diagnose(const ParallelEmbedding& layer, Index tensor, const Options& options = {},
                            Phase until = Phase::train) {
  detail::Check check("embedding");
  const bool vectors = layer.shard_across_embedding;
  check.positive(vectors ? "vocabulary" : "embedding size", vectors ? layer.num_embeddings : layer.embedding_dim);
  detail::check_cutting(check, vectors ? "embedding size" : "vocabulary", detail::cutting(layer), tensor, until);
  check.refuse_if(layer.padding_idx && (*layer.padding_idx < 0 || *layer.padding_idx >= layer.num_embeddings),
                  "SP-TENSOR-003",
                  concat("padding_idx ", layer.padding_idx.value_or(0), " is no id of ", layer.num_embeddings),
                  concat("0 to ", layer.num_embeddings - 1), {"padding_idx"});
  check.refuse_if(!vectors && layer.sequence_parallel && layer.sequence_dimension != 0 && layer.collect_output,
                  "SP-TENSOR-006",
                  concat("NxD returns unreduced parts for sequence_dimension ", layer.sequence_dimension),
                  "sequence_dimension 0", {"sequence_dimension"});
  detail::refuse_padded_training(check, layer.pad, options.dialect, until);
  return check.take();
}

/// "weight" [vocabulary, embedding size]. Errors: what diagnose() finds up to Phase::build, SP-LAYOUT-*.
inline std::vector<LayerTensor> tensors(const ParallelEmbedding& layer, const View& view, const Options& options = {}) {
  const Index tensor = view.extent(tp);
  detail::throw_errors(diagnose(layer, tensor, options, Phase::build));
  const int dim = layer.shard_across_embedding ? 1 : 0;
  return {{"weight",
           Layout(view, {layer.num_embeddings, layer.embedding_dim})
               .then(static_cast<std::size_t>(dim), detail::cutting(layer).chain(tensor)),
           cut_marks(dim, 1, tensor)}};
}

/// The ids whose vectors a tensor rank looks up, padding included. NxD (layer_faults) looks in its own range even
/// where rank_ordering gave it another shard. Post: ranges are equally long, and consecutive in the order of the
/// shards.
constexpr Interval vocab_range(const ParallelEmbedding& layer, Index tensor, Index tensor_rank,
                               const Options& options = {}) {
  if (layer.shard_across_embedding) return {0, layer.num_embeddings};
  const bool own = layer.rank_ordering.empty() || options.dialect.layer_faults;
  const Index part = own ? tensor_rank : layer.rank_ordering[static_cast<std::size_t>(tensor_rank)];
  const Index local = (layer.num_embeddings + pad_size(layer, tensor)) / tensor;
  return {part * local, (part + 1) * local};
}

/// The row of the padding id in a rank's table, if it is there.
constexpr std::optional<Index> local_padding_idx(const ParallelEmbedding& layer, Index tensor, Index tensor_rank,
                                                 const Options& options = {}) {
  if (!layer.padding_idx || (*layer.padding_idx == 0 && options.dialect.layer_faults)) return std::nullopt;
  const Interval range = vocab_range(layer, tensor, tensor_rank, options);
  if (!range.contains(*layer.padding_idx)) return std::nullopt;
  return *layer.padding_idx - range.begin;
}

}  // namespace shardplan::tensor
