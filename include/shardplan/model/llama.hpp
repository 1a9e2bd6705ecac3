#pragma once
#include <shardplan/model/detail/assembly.hpp>

namespace shardplan {

namespace detail {

/// The decoder of the Hugging Face families (NxD mesh sheet, 4.1): three forms of the attention weights, and experts
/// instead of the MLP where the architecture has them.
inline Model hf_decoder(const Architecture& architecture) {
  Assembly build{architecture};
  const Architecture& a = build.architecture();
  const bool equal_heads = a.heads == a.key_value_heads();
  const PartList qkv{build.query("q"), build.key_value("k"), build.key_value("v")};

  build.embedding("model.embed_tokens.weight", "lm_head.weight");
  for (LayerId layer = 0; layer < LayerId{a.layers}; ++layer) {
    build.enter({Owner::Kind::layer, layer}, concat("model.layers.", layer, '.'));
    if (a.qkv_linear && a.fuse_qkv) {
      build.column_weight("self_attn.qkv_proj.weight_qkv", qkv, build.heads());
    } else if (a.qkv_linear) {
      build.column_weight("self_attn.qkv_proj.weight_q", {build.query()}, build.heads());
      build.column_weight("self_attn.qkv_proj.weight_k", {build.key_value()}, build.heads());
      build.column_weight("self_attn.qkv_proj.weight_v", {build.key_value()}, build.heads());
    } else if (a.fuse_qkv && equal_heads) {
      build.column("self_attn.qkv_proj", qkv, build.heads());
    } else {
      build.column("self_attn.q_proj", {build.query()}, build.heads());
      build.column("self_attn.k_proj", {build.key_value()}, build.heads());
      build.column("self_attn.v_proj", {build.key_value()}, build.heads());
    }
    build.row("self_attn.o_proj", build.query(), build.heads());
    if (a.is_moe(layer)) {
      build.experts("mlp");
    } else {
      build.column("mlp.gate_up_proj", {build.feature("gate"), build.feature("up")});
      build.row("mlp.down_proj", build.feature());
    }
    build.norm("input_layernorm");
    build.norm("post_attention_layernorm");
  }
  build.enter({Owner::Kind::last, {}}, "model.");
  build.norm("norm");
  build.head("lm_head.weight");
  return std::move(build).finish();
}

}  // namespace detail

/// A Hugging Face Llama, as NxDT builds it. `qkv_linear` comes before `fuse_qkv`: see the NxD mesh sheet, 4.1.
/// Errors: all findings of `diagnose`.
inline Model llama(Architecture architecture) {
  architecture.family = Family::hf_llama;
  return detail::hf_decoder(architecture);
}

}  // namespace shardplan
