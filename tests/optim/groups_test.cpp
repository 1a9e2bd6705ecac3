#include <doctest/doctest.h>

#include <shardplan/model.hpp>
#include <shardplan/optim/groups.hpp>

#include "../thrown.hpp"

using namespace shardplan;
using optim::GroupSettings;
using optim::Variant;

namespace {

constexpr const char* hf_norm = "model.layers.3.input_layernorm.weight";
constexpr const char* hf_weight = "model.layers.3.mlp.down_proj.weight";
constexpr const char* megatron_norm = "language_model.encoder.layers.3.input_layernorm.weight";
constexpr const char* megatron_bias = "language_model.encoder.layers.3.mlp.dense_4h_to_h.bias";
constexpr const char* megatron_weight = "language_model.encoder.layers.3.mlp.dense_4h_to_h.weight";

}  // namespace

TEST_CASE("hf, strict: what the configuration says; NxDT: 0.01, and the flag the other way round") {
  for (const Family family : {Family::hf_llama, Family::hf_mixtral})
    for (const bool flag : {false, true})
      for (const double decay : {0.0, 0.01, 0.3}) {
        GroupSettings settings{.family = family, .do_layer_norm_weight_decay = flag, .weight_decay = decay};
        CHECK(optim::parameter_groups(settings) == optim::ParameterGroups{{decay}, {0.0}});
        CHECK(optim::weight_decay(settings, hf_weight) == decay);
        CHECK(optim::weight_decay(settings, "model.layers.3.self_attn.q_proj.bias") == 0);
        CHECK(optim::weight_decay(settings, hf_norm) == (flag ? decay : 0));
        settings.dialect = compat;
        CHECK(optim::parameter_groups(settings) == optim::ParameterGroups{{0.01}, {0.0}});
        CHECK(optim::weight_decay(settings, hf_weight) == 0.01);
        CHECK(optim::weight_decay(settings, "model.layers.3.self_attn.q_proj.bias") == 0);
        CHECK(optim::weight_decay(settings, hf_norm) == (flag ? 0 : 0.01));
        CHECK(optim::weight_decay(settings, "x.LayerNorm.weight") == (flag ? 0 : 0.01));
        CHECK(ids_of(optim::diagnose(settings)) ==
              (decay == 0.01 ? Ids{"SP-OPTIM-013"} : Ids{"SP-OPTIM-013", "SP-OPTIM-013"}));
      }
}

TEST_CASE("megatron: one group with the flag; without it biases and norms do not decay") {
  for (const Variant variant : {Variant::nxdt, Variant::nemo_2_1, Variant::nemo_1_14, Variant::nnm})
    for (const Dialect& dialect : {strict, compat})
      for (const Normalization norm : {Normalization::rmsnorm, Normalization::layernorm, Normalization::layernorm1p}) {
        GroupSettings settings{.family = Family::megatron,
                               .normalization = norm,
                               .do_layer_norm_weight_decay = true,
                               .weight_decay = 0.1,
                               .variant = variant,
                               .dialect = dialect};
        CHECK(optim::parameter_groups(settings) == optim::ParameterGroups{{0.1}});
        for (const char* name : {megatron_norm, megatron_bias, megatron_weight})
          CHECK(optim::weight_decay(settings, name) == 0.1);
        CHECK(optim::diagnose(settings).empty());

        settings.do_layer_norm_weight_decay = false;
        const bool seen = dialect == strict || norm != Normalization::rmsnorm;
        CHECK(optim::weight_decay(settings, megatron_weight) == 0.1);
        CHECK(optim::weight_decay(settings, megatron_bias) == 0);
        CHECK(optim::weight_decay(settings, megatron_norm) == (seen ? 0 : 0.1));
        CHECK(optim::diagnose(settings).empty() == (norm != Normalization::rmsnorm));

        const bool splits = variant == Variant::nxdt || variant == Variant::nemo_2_1;
        const std::size_t expert = optim::parameter_group(settings, megatron_weight, true);
        CHECK(optim::parameter_groups(settings).size() == (splits ? 3 : 2));
        CHECK(optim::parameter_groups(settings)[expert] == optim::ParameterGroup{0.1, splits});
        // NeMo 1.14 takes parameters that are named exactly bias, 2.1 those that end so.
        CHECK(optim::weight_decay(settings, "layers.0.mlp.gate_bias") == (splits ? 0 : 0.1));
      }
}

TEST_CASE("every parameter of a model is in one of the groups, norms in that of the norms") {
  const Model models[] = {
      llama({.layers = 2, .hidden = 64, .ffn = 128, .heads = 4, .kv_heads = 4, .vocab = 128}),
      mixtral(
          {.layers = 2, .hidden = 64, .ffn = 128, .heads = 4, .kv_heads = 4, .vocab = 128, .experts = 4, .top_k = 2}),
  };
  for (const Model& model : models)
    for (const Dialect& dialect : {strict, compat}) {
      const GroupSettings settings{.weight_decay = 0.1, .dialect = dialect};
      const auto groups = optim::parameter_groups(settings);
      std::size_t norms = 0;
      for (const auto& p : model.parameters) {
        const std::size_t group = optim::parameter_group(settings, p);
        CHECK(group < groups.size());
        const bool norm = name(p).find("norm") != std::string::npos;
        norms += norm;
        if (dialect == strict) CHECK((groups[group].weight_decay == 0) == norm);
        if (dialect == compat) CHECK(groups[group].weight_decay == 0.01);
      }
      CHECK(norms == 5);
    }
}
