#include "support.hpp"

using namespace shardplan;

namespace {
/// The parameters of a recorded model of one layer, with its attention weights given.
std::vector<std::string> llama_listing(const std::vector<std::string>& attention, Index layers = 1) {
  std::vector<std::string> out{"model.embed_tokens.weight [40, 16]"};
  for (Index n = 0; n < layers; ++n) {
    const std::string layer = concat("model.layers.", n, '.');
    for (const std::string& weight : attention) out.push_back(concat(layer, "self_attn.", weight));
    out.push_back(concat(layer, "self_attn.o_proj.weight [16, 16]"));
    out.push_back(concat(layer, "mlp.gate_up_proj.weight [48, 16]"));
    out.push_back(concat(layer, "mlp.down_proj.weight [16, 24]"));
    out.push_back(concat(layer, "input_layernorm.weight [16]"));
    out.push_back(concat(layer, "post_attention_layernorm.weight [16]"));
  }
  out.push_back("model.norm.weight [16]");
  out.push_back("lm_head.weight [40, 16]");
  return out;
}
}  // namespace

TEST_CASE("the attention weights follow from heads, qkv_linear and fuse_qkv") {
  const std::vector<std::string> separate{"q_proj.weight [16, 16]", "k_proj.weight [8, 16]", "v_proj.weight [8, 16]"};
  const std::vector<std::string> separate_equal{"q_proj.weight [16, 16]", "k_proj.weight [16, 16]",
                                                "v_proj.weight [16, 16]"};
  const std::vector<std::string> packed{"qkv_proj.weight [48, 16]"};
  const std::vector<std::string> gqa{"qkv_proj.weight_qkv [32, 16]"};
  const std::vector<std::string> gqa_equal{"qkv_proj.weight_qkv [48, 16]"};
  const std::vector<std::string> gqa_separate{"qkv_proj.weight_q [16, 16]", "qkv_proj.weight_k [8, 16]",
                                              "qkv_proj.weight_v [8, 16]"};
  struct Case {
    Index kv_heads;
    bool qkv_linear, fuse_qkv;
    const std::vector<std::string>& attention;
  };
  const Case cases[] = {{2, false, true, separate},        {2, false, false, separate}, {2, true, true, gqa},
                        {2, true, false, gqa_separate},    {4, false, true, packed},    {0, false, true, packed},
                        {4, false, false, separate_equal}, {4, true, true, gqa_equal}};
  for (const Case& c : cases)
    for (Index layers = 1; layers <= 3; ++layers) {
      const Model model = llama({.layers = layers,
                                 .hidden = 16,
                                 .ffn = 24,
                                 .heads = 4,
                                 .kv_heads = c.kv_heads,
                                 .vocab = 40,
                                 .qkv_linear = c.qkv_linear,
                                 .fuse_qkv = c.fuse_qkv});
      CHECK(listing(model) == llama_listing(c.attention, layers));
      CHECK(model.architecture.family == Family::hf_llama);
      CHECK(tied_names(model).empty());
      check_parameters(model);
    }
}

TEST_CASE("how each parameter is cut, and who holds it") {
  const Model model = llama({.layers = 2,
                             .hidden = 16,
                             .ffn = 24,
                             .heads = 4,
                             .kv_heads = 2,
                             .vocab = 40,
                             .qkv_linear = true,
                             .vocabulary_multiple = 3,
                             .dtype = Dtype::float32});
  const Heads heads{4, 2, 4};
  CHECK(parameter(model, "model.layers.1.self_attn.qkv_proj.weight_qkv") ==
        Parameter{"model.layers.1.self_attn.qkv_proj.weight_qkv",
                  {32, 16},
                  Dtype::float32,
                  {.dim = 0,
                   .parts = {{"q", 16, Role::query}, {"k", 8, Role::key_value}, {"v", 8, Role::key_value}},
                   .heads = heads},
                  {Owner::Kind::layer, 1}});
  CHECK(parameter(model, "model.layers.0.self_attn.o_proj.weight").sharding ==
        Sharding{.dim = 1, .parts = {{{}, 16, Role::query}}, .heads = heads});
  CHECK(parameter(model, "model.layers.0.mlp.gate_up_proj.weight").sharding ==
        Sharding{.dim = 0, .parts = {{"gate", 24}, {"up", 24}}});
  CHECK(parameter(model, "model.layers.0.mlp.down_proj.weight").sharding == cut(1, 24));
  CHECK(parameter(model, "model.layers.0.input_layernorm.weight").sharding == replicated(true));
  CHECK(parameter(model, "model.norm.weight").sharding == replicated(true));
  const Sharding vocabulary{.dim = 0, .parts = {{{}, 40, Role::vocabulary}}, .vocabulary_multiple = 3};
  CHECK(parameter(model, "model.embed_tokens.weight").sharding == vocabulary);
  CHECK(parameter(model, "lm_head.weight").sharding == vocabulary);
  CHECK(parameter(model, "model.embed_tokens.weight").owner == Owner{Owner::Kind::first, {}});
  CHECK(parameter(model, "model.norm.weight").owner == Owner{Owner::Kind::last, {}});
  CHECK(parameter(model, "lm_head.weight").owner == Owner{Owner::Kind::last, {}});
}

TEST_CASE("separate weights name one role each") {
  for (const bool qkv_linear : {false, true}) {
    const Model model = llama({.layers = 1,
                               .hidden = 16,
                               .ffn = 24,
                               .heads = 4,
                               .kv_heads = 2,
                               .vocab = 40,
                               .qkv_linear = qkv_linear,
                               .fuse_qkv = false});
    const Heads heads{4, 2, 4};
    const Sharding query{.dim = 0, .parts = {{{}, 16, Role::query}}, .heads = heads};
    const Sharding key_value{.dim = 0, .parts = {{{}, 8, Role::key_value}}, .heads = heads};
    CHECK(model.parameters[1].sharding == query);
    CHECK(model.parameters[2].sharding == key_value);
    CHECK(model.parameters[3].sharding == key_value);
  }
}

TEST_CASE("tied embeddings are one tensor on both ends") {
  const Model model =
      llama({.layers = 1, .hidden = 16, .ffn = 24, .heads = 4, .kv_heads = 2, .vocab = 40, .tied_embeddings = true});
  CHECK(model.parameters.front().owner.kind == Owner::Kind::first_and_last);
  CHECK(model.parameters.back().name == "model.norm.weight");
  CHECK(tied_names(model) == std::vector<std::string>{"model.embed_tokens.weight", "lm_head.weight"});
}

TEST_CASE("head_dim of its own widens attention") {
  const Model model =
      llama({.layers = 1, .hidden = 18, .ffn = 24, .heads = 4, .kv_heads = 2, .vocab = 40, .head_dim = 6});
  CHECK(parameter(model, "model.layers.0.self_attn.q_proj.weight").shape == Shape{24, 18});
  CHECK(parameter(model, "model.layers.0.self_attn.k_proj.weight").shape == Shape{12, 18});
  CHECK(parameter(model, "model.layers.0.self_attn.o_proj.weight").shape == Shape{18, 24});
  check_parameters(model);
}

TEST_CASE("totals follow the formula whatever the packing") {
  for (Index layers = 1; layers <= 3; ++layers)
    for (const Index heads : {1, 2, 4})
      for (const Index kv : {1, 2, 4})
        for (const bool qkv_linear : {false, true})
          for (const bool fuse_qkv : {false, true}) {
            if (heads % kv != 0) continue;
            const Index h = 8, f = 10, v = 6, d = h / heads;
            const Model model = llama({.layers = layers,
                                       .hidden = h,
                                       .ffn = f,
                                       .heads = heads,
                                       .kv_heads = kv,
                                       .vocab = v,
                                       .qkv_linear = qkv_linear,
                                       .fuse_qkv = fuse_qkv});
            const Index total = 2 * v * h + layers * (2 * h * heads * d + 2 * h * kv * d + 3 * h * f + 2 * h) + h;
            CHECK(model.parameter_count() == total);
            CHECK(model.active_parameter_count() == total);
          }
}

TEST_CASE("a model reads as its sizes") {
  const Model model = llama({.layers = 80, .hidden = 8192, .ffn = 28672, .heads = 64, .kv_heads = 8, .vocab = 128256});
  CHECK(model.parameter_count() == 70'553'706'496);
}
