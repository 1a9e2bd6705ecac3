#include "support.hpp"

using namespace shardplan;

namespace {
constexpr Architecture gpt{.layers = 1,
                           .hidden = 16,
                           .ffn = 24,
                           .heads = 4,
                           .vocab = 40,
                           .positions = 8,
                           .bias = true,
                           .gated = false,
                           .normalization = Normalization::layernorm,
                           .learned_positions = true,
                           .tied_embeddings = true};
constexpr Architecture megatron_llama{.layers = 2, .hidden = 16, .ffn = 24, .heads = 4, .kv_heads = 2, .vocab = 40};
const std::string layer0 = "language_model.encoder.layers.0.";

std::vector<std::string> layer_listing(const Model& model, Index layer) {
  const std::string prefix = concat("language_model.encoder.layers.", layer, '.');
  std::vector<std::string> out;
  for (const std::string& line : listing(model))
    if (line.starts_with(prefix)) out.push_back(line.substr(prefix.size()));
  return out;
}
}  // namespace

TEST_CASE("GPT: learned positions, biases, tied embeddings") {
  const Model model = megatron(gpt);
  const std::vector<std::string> expected{"language_model.embedding.word_embeddings.weight [40, 16]",
                                          "language_model.embedding.position_embeddings.weight [8, 16]",
                                          layer0 + "input_layernorm.weight [16]",
                                          layer0 + "input_layernorm.bias [16]",
                                          layer0 + "self_attention.query_key_value.weight [48, 16]",
                                          layer0 + "self_attention.query_key_value.bias [48]",
                                          layer0 + "self_attention.dense.weight [16, 16]",
                                          layer0 + "self_attention.dense.bias [16]",
                                          layer0 + "post_attention_layernorm.weight [16]",
                                          layer0 + "post_attention_layernorm.bias [16]",
                                          layer0 + "mlp.dense_h_to_4h.weight [24, 16]",
                                          layer0 + "mlp.dense_h_to_4h.bias [24]",
                                          layer0 + "mlp.dense_4h_to_h.weight [16, 24]",
                                          layer0 + "mlp.dense_4h_to_h.bias [16]",
                                          "language_model.encoder.final_layernorm.weight [16]",
                                          "language_model.encoder.final_layernorm.bias [16]"};
  CHECK(listing(model) == expected);
  CHECK(tied_names(model) == std::vector<std::string>{"language_model.embedding.word_embeddings.weight",
                                                      "language_model.output_layer.weight"});
  CHECK(model.parameters[0].owner.kind == Owner::Kind::first_and_last);
  CHECK(model.parameters[1].owner.kind == Owner::Kind::first);
  CHECK(model.parameters[1].sharding == replicated(false));
  CHECK(model.architecture.family == Family::megatron);
  check_parameters(model);
}

TEST_CASE("Llama with grouped heads: gate and up in one weight, untied head") {
  const Model model = megatron(megatron_llama);
  const std::vector<std::string> layer{"input_layernorm.weight [16]",
                                       "self_attention.query.weight [16, 16]",
                                       "self_attention.key_value.weight [16, 16]",
                                       "self_attention.dense.weight [16, 16]",
                                       "post_attention_layernorm.weight [16]",
                                       "mlp.dense_h_to_4h.weight [48, 16]",
                                       "mlp.dense_4h_to_h.weight [16, 24]"};
  CHECK(model.parameters.size() == 3 + 2 * layer.size());
  CHECK(layer_listing(model, 0) == layer);
  CHECK(layer_listing(model, 1) == layer);
  CHECK(model.parameters.front().owner.kind == Owner::Kind::first);
  CHECK(model.parameters.back().name == "language_model.output_layer.weight");
  CHECK(model.parameters.back().owner.kind == Owner::Kind::last);
  CHECK(tied_names(model).empty());
  check_parameters(model);
}

TEST_CASE("how each parameter is cut") {
  const Model grouped = megatron(megatron_llama);
  const auto rule = [](const Model& model, const std::string& name) {
    return parameter(model, layer0 + name).sharding;
  };
  const Heads heads{4, 2, 4};
  CHECK(rule(grouped, "self_attention.query.weight") ==
        Sharding{.dim = 0, .parts = {{{}, 16, Role::query}}, .heads = heads});
  CHECK(rule(grouped, "self_attention.key_value.weight") ==
        Sharding{.dim = 0, .parts = {{{}, 16, Role::feature}}, .heads = heads});
  CHECK(rule(grouped, "self_attention.dense.weight") ==
        Sharding{.dim = 1, .parts = {{{}, 16, Role::query}}, .heads = heads});
  CHECK(rule(grouped, "mlp.dense_h_to_4h.weight") == Sharding{.dim = 0, .parts = {{"gate", 24}, {"up", 24}}});
  CHECK(rule(grouped, "mlp.dense_4h_to_h.weight") == cut(1, 24));

  const Model plain = megatron(gpt);
  const Sharding qkv{.dim = 0, .parts = {{{}, 48, Role::feature}}, .heads = {4, 4, 4}};
  CHECK(rule(plain, "self_attention.query_key_value.weight") == qkv);
  CHECK(rule(plain, "self_attention.query_key_value.bias") == qkv);
  CHECK(rule(plain, "self_attention.dense.bias") == replicated(true));
  CHECK(rule(plain, "mlp.dense_h_to_4h.weight") == cut(0, 24));
  CHECK(rule(plain, "mlp.dense_h_to_4h.bias") == cut(0, 24));
  CHECK(rule(plain, "mlp.dense_4h_to_h.bias") == replicated(true));
  CHECK(rule(plain, "input_layernorm.bias") == replicated(true));
}

TEST_CASE("experts in every so-manieth layer counted from 1") {
  Architecture a = megatron_llama;
  a.layers = 3, a.experts = 4, a.top_k = 2, a.moe_frequency = 2;
  const Model model = megatron(a);
  const auto mlp = [&](Index layer) {
    std::vector<std::string> out;
    for (const std::string& line : layer_listing(model, layer))
      if (line.starts_with("mlp.")) out.push_back(line);
    return out;
  };
  const std::vector<std::string> dense{"mlp.dense_h_to_4h.weight [48, 16]", "mlp.dense_4h_to_h.weight [16, 24]"};
  CHECK(mlp(0) == dense);
  CHECK(mlp(1) == std::vector<std::string>{"mlp.moe.router.linear_router.weight [4, 16]",
                                           "mlp.moe.expert_mlps.mlp_op.gate_up_proj.weight [4, 16, 48]",
                                           "mlp.moe.expert_mlps.mlp_op.down_proj.weight [4, 24, 16]"});
  CHECK(mlp(2) == dense);
  check_parameters(model);
}

TEST_CASE("the kind of block decides the norms") {
  const auto norms = [](Block block, Normalization normalization) {
    Architecture a = gpt;
    a.block = block, a.normalization = normalization;
    const Model model = megatron(a);
    check_parameters(model);
    std::vector<std::string> out;
    for (const Parameter& p : model.parameters)
      if (p.name.find("norm") != std::string::npos) out.push_back(p.name.substr(p.name.find("encoder.") + 8));
    return out;
  };
  const std::vector<std::string> pre_ln{"layers.0.input_layernorm.weight", "layers.0.post_attention_layernorm.weight",
                                        "final_layernorm.weight"};
  CHECK(norms(Block::pre_ln, Normalization::rmsnorm) == pre_ln);
  CHECK(norms(Block::gpt_j, Normalization::rmsnorm) == pre_ln);
  CHECK(norms(Block::post_ln, Normalization::rmsnorm) == std::vector<std::string>{pre_ln[0], pre_ln[1]});
  CHECK(norms(Block::normformer, Normalization::rmsnorm) ==
        std::vector<std::string>{pre_ln[0], "layers.0.post_attention_normformer_norm.weight", pre_ln[1],
                                 "layers.0.mlp.normalization.weight", pre_ln[2]});
  for (const Block block : {Block::pre_ln, Block::post_ln, Block::gpt_j}) {
    const std::size_t weights = norms(block, Normalization::rmsnorm).size();
    CHECK(norms(block, Normalization::layernorm).size() == 2 * weights);
    CHECK(norms(block, Normalization::layernorm1p).size() == 2 * weights);
  }
  CHECK(norms(Block::normformer, Normalization::layernorm).size() == 10);
  CHECK(norms(Block::normformer, Normalization::layernorm1p).size() == 9);
}

TEST_CASE("totals follow the formula for every combination of switches") {
  for (const bool gated : {false, true})
    for (const bool bias : {false, true})
      for (const bool learned : {false, true})
        for (const bool tied : {false, true})
          for (const Index kv : {1, 2, 4})
            for (const Normalization normalization : {Normalization::rmsnorm, Normalization::layernorm}) {
              const Index h = 8, f = 10, v = 6, s = 5, layers = 3, k = h * kv / 4;
              const Index a = gated ? 3 : 2, nu = normalization == Normalization::rmsnorm ? 1 : 2;
              const Model model = megatron({.layers = layers,
                                            .hidden = h,
                                            .ffn = f,
                                            .heads = 4,
                                            .kv_heads = kv,
                                            .vocab = v,
                                            .positions = s,
                                            .bias = bias,
                                            .gated = gated,
                                            .normalization = normalization,
                                            .learned_positions = learned,
                                            .tied_embeddings = tied});
              Index layer = 2 * h * h + 2 * h * k + a * h * f + 2 * nu * h;
              if (bias) layer += h + 2 * k + h + (a - 1) * f + h;
              CHECK(model.parameter_count() ==
                    (tied ? 1 : 2) * v * h + (learned ? s * h : 0) + layers * layer + nu * h);
            }
}

TEST_CASE("a vocabulary as Megatron pads it") {
  CHECK(megatron_vocabulary(50257, 128, 8) == 51200);
  CHECK(megatron_vocabulary(128, 128, 1) == 128);
  for (Index size = 1; size <= 40; ++size)
    for (Index multiple = 1; multiple <= 6; ++multiple)
      for (Index tensor = 1; tensor <= 4; ++tensor) {
        const Index padded = megatron_vocabulary(size, multiple, tensor);
        CHECK(padded % (multiple * tensor) == 0);
        CHECK((size <= padded && padded < size + multiple * tensor));
      }
  CHECK(thrown_ids([] { megatron_vocabulary(0, 0, 0); }) == std::vector<std::string>(3, "SP-MODEL-002"));
  CHECK(thrown_ids([] { megatron_vocabulary(10, 128, 0); }) == std::vector<std::string>{"SP-MODEL-002"});
}
