#include "support.hpp"

using namespace shardplan;

TEST_CASE("experts in every so-manieth layer from 0 on, in constructor order") {
  const Model model = mixtral({.layers = 3,
                               .hidden = 16,
                               .ffn = 24,
                               .heads = 4,
                               .kv_heads = 2,
                               .vocab = 40,
                               .experts = 4,
                               .top_k = 2,
                               .moe_frequency = 2});
  std::vector<std::string> expected{"model.embed_tokens.weight [40, 16]"};
  for (Index n = 0; n < 3; ++n) {
    std::vector<std::string> own{"self_attn.q_proj.weight [16, 16]", "self_attn.k_proj.weight [8, 16]",
                                 "self_attn.v_proj.weight [8, 16]", "self_attn.o_proj.weight [16, 16]"};
    if (n != 1) {
      own.insert(own.end(),
                 {"mlp.router.linear_router.weight [4, 16]", "mlp.expert_mlps.mlp_op.gate_up_proj.weight [4, 16, 48]",
                  "mlp.expert_mlps.mlp_op.down_proj.weight [4, 24, 16]"});
    } else {
      own.insert(own.end(), {"mlp.gate_up_proj.weight [48, 16]", "mlp.down_proj.weight [16, 24]"});
    }
    own.insert(own.end(), {"input_layernorm.weight [16]", "post_attention_layernorm.weight [16]"});
    for (const std::string& weight : own) expected.push_back(concat("model.layers.", n, '.', weight));
  }
  expected.insert(expected.end(), {"model.norm.weight [16]", "lm_head.weight [40, 16]"});
  CHECK(listing(model) == expected);
  CHECK(model.architecture.family == Family::hf_mixtral);
  check_parameters(model);
}

TEST_CASE("experts are cut over experts and over features, the router over nothing") {
  const Model model = mixtral({.layers = 1, .hidden = 16, .ffn = 24, .heads = 4, .vocab = 40, .experts = 4});
  CHECK(parameter(model, "model.layers.0.mlp.router.linear_router.weight").sharding == replicated(false));
  CHECK(parameter(model, "model.layers.0.mlp.expert_mlps.mlp_op.gate_up_proj.weight").sharding ==
        Sharding{.dim = 2, .parts = {{"gate", 24}, {"up", 24}}, .expert = true});
  CHECK(parameter(model, "model.layers.0.mlp.expert_mlps.mlp_op.down_proj.weight").sharding ==
        Sharding{.dim = 1, .parts = {{{}, 24}}, .expert = true});
}

TEST_CASE("packing is not a choice") {
  const auto attention = [](Index kv_heads, bool qkv_linear, bool fuse_qkv) {
    const Model model = mixtral({.layers = 1,
                                 .hidden = 16,
                                 .ffn = 24,
                                 .heads = 4,
                                 .kv_heads = kv_heads,
                                 .vocab = 40,
                                 .qkv_linear = qkv_linear,
                                 .fuse_qkv = fuse_qkv,
                                 .experts = 2});
    return model.parameters[1].name;
  };
  for (const bool fuse_qkv : {false, true}) {
    for (const bool qkv_linear : {false, true})
      CHECK(attention(4, qkv_linear, fuse_qkv) == "model.layers.0.self_attn.qkv_proj.weight");
    CHECK(attention(2, true, fuse_qkv) == "model.layers.0.self_attn.qkv_proj.weight_qkv");
    CHECK(attention(2, false, fuse_qkv) == "model.layers.0.self_attn.q_proj.weight");
  }
}

TEST_CASE("all and active parameters follow the formula") {
  for (const Index experts : {1, 2, 4})
    for (Index top_k = 1; top_k <= experts; ++top_k)
      for (const Index frequency : {1, 2, 5}) {
        const Index h = 8, f = 10, v = 6, layers = 4;
        const Model model = mixtral({.layers = layers,
                                     .hidden = h,
                                     .ffn = f,
                                     .heads = 4,
                                     .kv_heads = 2,
                                     .vocab = v,
                                     .experts = experts,
                                     .top_k = top_k,
                                     .moe_frequency = frequency});
        const Index moe = (layers + frequency - 1) / frequency;
        const Index common = 2 * v * h + layers * (2 * h * h + 2 * h * h / 2 + 2 * h) + h + (layers - moe) * 3 * h * f;
        CHECK(model.parameter_count() == common + moe * (experts * h + experts * 3 * h * f));
        CHECK(model.active_parameter_count() == common + moe * (experts * h + top_k * 3 * h * f));
      }
}
