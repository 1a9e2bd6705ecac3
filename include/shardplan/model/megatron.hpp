#pragma once
#include <shardplan/model/detail/assembly.hpp>

namespace shardplan {

/// A Megatron GPT, Llama or Mixtral, as NxDT builds it (NxD mesh sheet, 4.3).
///
/// Where heads and KV heads are equal, the rows of `query_key_value` go head by head (q, k, v of head 0, then of head
/// 1), else those of `key_value` do (k, v): such rows are cut as plain features, and `heads` names their order. Gate
/// and up of a gated MLP are parts of `dense_h_to_4h`. Errors: all findings of `diagnose`.
inline Model megatron(Architecture architecture) {
  architecture.family = Family::megatron;
  detail::Assembly build{architecture};
  const Architecture& a = build.architecture();
  const Index qkv_rows = checked_mul(3, build.query().size);
  const Index kv_rows = checked_mul(2, build.key_value().size);

  build.embedding("language_model.embedding.word_embeddings.weight", "language_model.output_layer.weight");
  if (a.learned_positions) {
    build.enter({Owner::Kind::first, {}}, "language_model.embedding.");
    build.add("position_embeddings.weight", {a.positions, a.hidden}, replicated());
  }
  for (LayerId layer = 0; layer < LayerId{a.layers}; ++layer) {
    build.enter({Owner::Kind::layer, layer}, concat("language_model.encoder.layers.", layer, '.'));
    build.norm("input_layernorm");
    if (a.heads == a.key_value_heads()) {
      build.column("self_attention.query_key_value", {{{}, qkv_rows, Role::feature}}, build.heads());
    } else {
      build.column("self_attention.query", {build.query()}, build.heads());
      build.column("self_attention.key_value", {{{}, kv_rows, Role::feature}}, build.heads());
    }
    build.row("self_attention.dense", build.query(), build.heads());
    if (a.block == Block::normformer) {
      // NxDT has no layernorm1p here and takes an rmsnorm for it
      build.norm("post_attention_normformer_norm",
                 a.normalization == Normalization::layernorm ? Normalization::layernorm : Normalization::rmsnorm);
    }
    build.norm("post_attention_layernorm");
    if (a.is_moe(layer)) {
      build.experts("mlp.moe");
      continue;
    }
    if (a.gated)
      build.column("mlp.dense_h_to_4h", {build.feature("gate"), build.feature("up")});
    else
      build.column("mlp.dense_h_to_4h", {build.feature()});
    build.row("mlp.dense_4h_to_h", build.feature());
    if (a.block == Block::normformer) {
      // it normalises the features of one tensor rank, so its weight is cut with them
      build.add("mlp.normalization.weight", {a.ffn}, cut(0, a.ffn));
      if (a.normalization != Normalization::rmsnorm) build.add("mlp.normalization.bias", {a.ffn}, cut(0, a.ffn));
    }
  }
  if (a.block != Block::post_ln) {
    build.enter({Owner::Kind::last, {}}, "language_model.encoder.");
    build.norm("final_layernorm");
  }
  build.head("language_model.output_layer.weight");
  return std::move(build).finish();
}

/// A vocabulary of `size` ids as Megatron pads it: the smallest multiple of `divisible_by` x `tensor` that holds it.
/// Errors SP-MODEL-002 (all at once) a value below 1, SP-CORE-001.
inline Index megatron_vocabulary(Index size, Index divisible_by, Index tensor) {
  Diagnostics out;
  const auto positive = [&](const char* key, Index value) {
    if (value < 1) out.push_back(finding("SP-MODEL-002", concat(key, " is ", value), "at least 1", {key}));
  };
  positive("vocab", size);
  positive("vocabulary_multiple", divisible_by);
  positive("tensor", tensor);
  if (!out.empty()) throw Error(std::move(out));
  return padded_vocabulary(size, divisible_by, tensor);
}

}  // namespace shardplan
