#pragma once
#include <shardplan/model/hub.hpp>
#include <shardplan/report.hpp>

#include <string>

namespace shardplan {

/// A small job with everything a report can tell: stages, copies of KV heads, several data ranks, a batch.
inline Plan small_plan(const Strategy& strategy =
                           {.tensor = 4, .pipeline = 2, .kv_replicator = 2, .sequence_parallel = true, .zero1 = true},
                       const World& world = {.ranks = 16, .hardware = Hardware::trn3, .ranks_per_node = 8}) {
  const Model model =
      llama({.layers = 5, .hidden = 64, .ffn = 96, .heads = 8, .kv_heads = 2, .vocab = 128, .qkv_linear = true});
  PlanOptions options;
  options.training.global_batch = 32;
  options.training.sequence = 16;
  return {model, strategy, world, options};
}

/// A megatron model with a padded vocabulary, tied embeddings and experts.
inline Plan megatron_plan() {
  const Model model = megatron({.layers = 4,
                                .hidden = 32,
                                .ffn = 48,
                                .heads = 4,
                                .vocab = 50,
                                .positions = 16,
                                .learned_positions = true,
                                .tied_embeddings = true,
                                .experts = 4,
                                .top_k = 2,
                                .moe_frequency = 2,
                                .vocabulary_multiple = 8});
  return {model, {.tensor = 2, .expert = 2, .zero1 = true}, {.ranks = 8, .hardware = Hardware::trn3}};
}

}  // namespace shardplan
