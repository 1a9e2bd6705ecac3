#pragma once
#include <optional>

#include <shardplan/pipeline/layout_string.hpp>

/// How Megatron-Core partitions layers (pipeline sheet, 1.6).
namespace shardplan::pipeline {

/// Megatron's options by their own names. A field that is not set is Megatron's None.
struct MegatronSplit {
  Index num_layers = 0;
  Index mtp_num_layers = 0;
  Index pipeline_model_parallel_size = 1;
  std::optional<Index> virtual_pipeline_model_parallel_size{};
  bool account_for_embedding_in_pipeline_split = false;       ///< the embedding takes the place of a layer
  bool account_for_loss_in_pipeline_split = false;            ///< so does the loss
  std::optional<Index> num_layers_in_first_pipeline_stage{};  ///< on rank 0, all chunks together
  std::optional<Index> num_layers_in_last_pipeline_stage{};   ///< on the last rank, all chunks together
  std::optional<StageLayout> pipeline_model_parallel_layout{};
};

namespace detail {

/// Options that say the same thing twice.
inline Diagnostics exclusive_options(const MegatronSplit& split) {
  Diagnostics out;
  const bool accounts = split.account_for_embedding_in_pipeline_split || split.account_for_loss_in_pipeline_split;
  const bool counts = split.num_layers_in_first_pipeline_stage || split.num_layers_in_last_pipeline_stage;
  if (accounts && counts)
    out.push_back(finding("SP-PIPELINE-004",
                          "the first or last rank has a fixed number of layers, so embedding and loss "
                          "cannot take the place of one",
                          "leave out one of the two",
                          {"num_layers_in_first_pipeline_stage", "num_layers_in_last_pipeline_stage",
                           "account_for_embedding_in_pipeline_split", "account_for_loss_in_pipeline_split"}));
  if (!split.pipeline_model_parallel_layout) return out;
  const Partition& stages = split.pipeline_model_parallel_layout->stages;
  if (accounts || counts)
    out.push_back(finding("SP-PIPELINE-004", "a layout says where every layer stands, so no other option may",
                          "leave out one of the two", {"pipeline_model_parallel_layout"}));
  if (stages.pipeline() != split.pipeline_model_parallel_size)
    out.push_back(finding("SP-PIPELINE-004",
                          concat("the layout was made for ", stages.pipeline(), " pipeline ranks, there are ",
                                 split.pipeline_model_parallel_size),
                          {}, {"pipeline_model_parallel_layout", "pipeline_model_parallel_size"}));
  if (split.virtual_pipeline_model_parallel_size.value_or(stages.chunks()) != stages.chunks())
    out.push_back(finding(
        "SP-PIPELINE-004",
        concat("the layout has ", stages.chunks(), " chunks a rank, not ", *split.virtual_pipeline_model_parallel_size),
        {}, {"pipeline_model_parallel_layout", "virtual_pipeline_model_parallel_size"}));
  return out;
}

/// Refuses `layers` that do not divide over `parts`.
inline void require_divisible(Index layers, Index parts, std::string_view what, std::string_view over) {
  if (layers % parts == 0) return;
  fail("SP-PIPELINE-003", concat(layers, ' ', what, " do not divide over ", parts, ' ', over),
       concat("a multiple of ", parts, ", such as ", multiples_near(layers, parts)),
       {"num_layers", "pipeline_model_parallel_size", "virtual_pipeline_model_parallel_size"});
}

}  // namespace detail

/// Megatron's partition. Every rank gets the same number of layers, and every chunk of a rank too, except that
/// - the first and the last rank may be given numbers of their own;
/// - embedding and loss may count as a layer of the first and of the last stage, which then holds one less;
/// - a layout says all of it instead.
///
/// Errors   SP-PIPELINE-001 a count below 1; SP-PIPELINE-003 layers that do not divide, or that are left over;
///          SP-PIPELINE-004 options that exclude each other; SP-PIPELINE-006 (all at once) a layout of another model;
///          SP-PIPELINE-008
/// Example  14 layers, 4 ranks, 2 chunks, both accounts: 1, 2, 2, 2, 2, 2, 2, 1
inline Partition megatron(const MegatronSplit& split) {
  const Index pipeline = split.pipeline_model_parallel_size;
  const Index chunks = split.virtual_pipeline_model_parallel_size.value_or(1);
  const Index stages = stage_count(pipeline, chunks);
  if (auto found = detail::exclusive_options(split); !found.empty()) throw Error(std::move(found));
  if (const auto& layout = split.pipeline_model_parallel_layout) {
    auto found = diagnose(*layout, split.num_layers, split.mtp_num_layers);
    if (!found.empty()) throw Error(std::move(found));
    return decoders(*layout);
  }

  const auto& first = split.num_layers_in_first_pipeline_stage;
  const auto& last = split.num_layers_in_last_pipeline_stage;
  const auto positive = [](Index layers, const char* key) {
    if (layers < 1) fail("SP-PIPELINE-001", concat(key, " is ", layers), "at least 1", {key});
  };
  positive(split.num_layers, "num_layers");
  if (first) positive(*first, "num_layers_in_first_pipeline_stage");
  if (last) positive(*last, "num_layers_in_last_pipeline_stage");

  const Index embedding = split.account_for_embedding_in_pipeline_split;
  const Index loss = split.account_for_loss_in_pipeline_split;
  const Index middle =
      checked_add(split.num_layers, embedding + loss) - checked_add(first.value_or(0), last.value_or(0));
  const Index middle_ranks = pipeline - first.has_value() - last.has_value();
  if (middle < 0 || middle_ranks < 0 || (middle == 0) != (middle_ranks == 0))
    fail("SP-PIPELINE-003",
         concat("the first and last rank leave ", middle, " layers for ", middle_ranks, " ranks between them"),
         "none of both, or some of both",
         {"num_layers_in_first_pipeline_stage", "num_layers_in_last_pipeline_stage", "num_layers"});
  if (middle_ranks > 0) {
    detail::require_divisible(middle, middle_ranks, "layers", "pipeline ranks");
    detail::require_divisible(middle / middle_ranks, chunks, "layers a rank", "chunks");
  }
  if (first) detail::require_divisible(*first, chunks, "layers of the first rank", "chunks");
  if (last) detail::require_divisible(*last, chunks, "layers of the last rank", "chunks");

  Partition::Bounds bounds{0};
  for (Index s = 0; s < stages; ++s) {
    const Index rank = s % pipeline;
    const Index layers = rank == 0 && first ? *first : rank == pipeline - 1 && last ? *last : middle / middle_ranks;
    bounds.push_back(bounds.back() + layers / chunks - (s == 0 ? embedding : 0) - (s == stages - 1 ? loss : 0));
  }
  return {std::move(bounds), pipeline};
}

}  // namespace shardplan::pipeline
