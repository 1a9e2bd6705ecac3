#include "support.hpp"

using namespace shardplan;

namespace {
ParallelAttributes marked(int dim, Index stride, Index partitions) {
  return {true, dim, stride, partitions, {}, false};
}
ParallelAttributes sequence(bool enabled) { return {.sequence_parallel_enabled = enabled}; }

ParallelAttributes of(const Model& model, std::string_view name, Index tensor = 2, Index expert = 1) {
  return parallel_attributes(parameter(model, name), tensor, expert);
}
}  // namespace

TEST_CASE("Llama: strides count the parts, the fused GQA weight has no marks") {
  Architecture a{.layers = 1, .hidden = 16, .ffn = 24, .heads = 4, .vocab = 40};
  const Model packed = llama(a);
  CHECK(of(packed, "model.embed_tokens.weight") == marked(0, 1, 2));
  CHECK(of(packed, "model.layers.0.self_attn.qkv_proj.weight") == marked(0, 3, 2));
  CHECK(of(packed, "model.layers.0.self_attn.o_proj.weight") == marked(1, 1, 2));
  CHECK(of(packed, "model.layers.0.mlp.gate_up_proj.weight", 4) == marked(0, 2, 4));
  CHECK(of(packed, "model.layers.0.input_layernorm.weight") == sequence(true));
  CHECK(of(packed, "lm_head.weight", 1) == marked(0, 1, 1));
  CHECK(parallel_attributes(parameter(packed, "model.norm.weight"), 2, 1, false) == sequence(false));

  a.kv_heads = 2, a.qkv_linear = true;
  CHECK(of(llama(a), "model.layers.0.self_attn.qkv_proj.weight_qkv") == ParallelAttributes{});
  a.fuse_qkv = false;
  for (const char* weight : {"weight_q", "weight_k", "weight_v"})
    CHECK(of(llama(a), concat("model.layers.0.self_attn.qkv_proj.", weight), 4) == marked(0, 1, 4));
}

TEST_CASE("experts know their rank, the router is not in the sequence-parallel region") {
  const Model model = mixtral({.layers = 1, .hidden = 16, .ffn = 24, .heads = 4, .vocab = 40, .experts = 4});
  ParallelAttributes gate_up = marked(2, 2, 2), down = marked(1, 1, 2);
  for (const Index expert : {1, 2}) {
    gate_up.expert_model_parallel = down.expert_model_parallel = expert > 1;
    CHECK(of(model, "model.layers.0.mlp.expert_mlps.mlp_op.gate_up_proj.weight", 2, expert) == gate_up);
    CHECK(of(model, "model.layers.0.mlp.expert_mlps.mlp_op.down_proj.weight", 2, expert) == down);
    CHECK(of(model, "model.layers.0.mlp.router.linear_router.weight", 2, expert) == sequence(false));
    CHECK(of(model, "model.layers.0.self_attn.o_proj.weight", 2, expert) == marked(1, 1, 2));
  }
}

TEST_CASE("Megatron: gate and up as one block, positions without marks") {
  const std::string layer = "language_model.encoder.layers.0.";
  for (const bool gated : {false, true}) {
    const Model model = megatron({.layers = 1,
                                  .hidden = 16,
                                  .ffn = 24,
                                  .heads = 4,
                                  .vocab = 40,
                                  .positions = 8,
                                  .bias = true,
                                  .gated = gated,
                                  .normalization = Normalization::layernorm,
                                  .learned_positions = true,
                                  .block = Block::normformer});
    CHECK(of(model, "language_model.embedding.position_embeddings.weight") == ParallelAttributes{});
    CHECK(of(model, layer + "mlp.dense_h_to_4h.weight") == marked(0, 1, 2));
    CHECK(of(model, layer + "mlp.dense_h_to_4h.bias") == marked(0, 1, 2));
    CHECK(of(model, layer + "mlp.dense_4h_to_h.weight") == marked(1, 1, 2));
    CHECK(of(model, layer + "mlp.dense_4h_to_h.bias") == sequence(true));
    CHECK(of(model, layer + "self_attention.query_key_value.weight") == marked(0, 1, 2));
    CHECK(of(model, layer + "self_attention.query_key_value.bias") == marked(0, 1, 2));
    CHECK(of(model, layer + "self_attention.dense.bias") == sequence(true));
    CHECK(of(model, layer + "input_layernorm.bias") == sequence(true));
    CHECK(of(model, layer + "mlp.normalization.weight") == ParallelAttributes{});
  }
}
