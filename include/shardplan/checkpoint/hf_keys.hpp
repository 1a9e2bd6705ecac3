#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/core/text.hpp>

/// How the model families of NxDT name and pack what Hugging Face keeps apart: one table a family, read in both
/// directions (checkpoint sheet, 5.1, 5.3, 5.6 and 5.7).
namespace shardplan::checkpoint {

/// How the tensors of Hugging Face lie in a parameter.
enum class Packing : std::uint8_t {
  whole,    ///< one, as it is
  parts,    ///< one behind the other along the dimension that is cut, as the parts of the parameter say
  heads,    ///< along rows, in turns of one head
  experts,  ///< one for each expert, transposed; several such along the last dimension
};

/// A name of a parameter, and those of the tensors it is made of. `#` stands for a number, `@` for the number of an
/// expert, `*` at the end for weight or bias.
struct KeyRule {
  std::string_view parameter;
  Packing packing;
  std::array<std::string_view, 3> names;
};

/// NxDT's `hf_models`: Llama and Mixtral.
inline constexpr KeyRule hugging_face_keys[] = {
    {"model.embed_tokens.weight", Packing::whole, {"model.embed_tokens.weight"}},
    {"model.layers.#.self_attn.qkv_proj.weight_qkv",
     Packing::parts,
     {"model.layers.#.self_attn.q_proj.weight", "model.layers.#.self_attn.k_proj.weight",
      "model.layers.#.self_attn.v_proj.weight"}},
    {"model.layers.#.self_attn.qkv_proj.weight_q", Packing::whole, {"model.layers.#.self_attn.q_proj.weight"}},
    {"model.layers.#.self_attn.qkv_proj.weight_k", Packing::whole, {"model.layers.#.self_attn.k_proj.weight"}},
    {"model.layers.#.self_attn.qkv_proj.weight_v", Packing::whole, {"model.layers.#.self_attn.v_proj.weight"}},
    {"model.layers.#.self_attn.qkv_proj.*",
     Packing::parts,
     {"model.layers.#.self_attn.q_proj.*", "model.layers.#.self_attn.k_proj.*", "model.layers.#.self_attn.v_proj.*"}},
    {"model.layers.#.self_attn.q_proj.*", Packing::whole, {"model.layers.#.self_attn.q_proj.*"}},
    {"model.layers.#.self_attn.k_proj.*", Packing::whole, {"model.layers.#.self_attn.k_proj.*"}},
    {"model.layers.#.self_attn.v_proj.*", Packing::whole, {"model.layers.#.self_attn.v_proj.*"}},
    {"model.layers.#.self_attn.o_proj.*", Packing::whole, {"model.layers.#.self_attn.o_proj.*"}},
    {"model.layers.#.mlp.gate_up_proj.*",
     Packing::parts,
     {"model.layers.#.mlp.gate_proj.*", "model.layers.#.mlp.up_proj.*"}},
    {"model.layers.#.mlp.down_proj.*", Packing::whole, {"model.layers.#.mlp.down_proj.*"}},
    {"model.layers.#.mlp.router.linear_router.weight", Packing::whole, {"model.layers.#.block_sparse_moe.gate.weight"}},
    {"model.layers.#.mlp.expert_mlps.mlp_op.gate_up_proj.weight",
     Packing::experts,
     {"model.layers.#.block_sparse_moe.experts.@.w1.weight", "model.layers.#.block_sparse_moe.experts.@.w3.weight"}},
    {"model.layers.#.mlp.expert_mlps.mlp_op.down_proj.weight",
     Packing::experts,
     {"model.layers.#.block_sparse_moe.experts.@.w2.weight"}},
    {"model.layers.#.input_layernorm.*", Packing::whole, {"model.layers.#.input_layernorm.*"}},
    {"model.layers.#.post_attention_layernorm.*", Packing::whole, {"model.layers.#.post_attention_layernorm.*"}},
    {"model.norm.*", Packing::whole, {"model.norm.*"}},
    {"lm_head.weight", Packing::whole, {"lm_head.weight"}},
};

/// NxDT's `models/megatron`, as far as Hugging Face has a Llama or Mixtral of the same parts.
inline constexpr KeyRule megatron_keys[] = {
    {"language_model.embedding.word_embeddings.weight", Packing::whole, {"model.embed_tokens.weight"}},
    {"language_model.encoder.layers.#.self_attention.query_key_value.*",
     Packing::heads,
     {"model.layers.#.self_attn.q_proj.*", "model.layers.#.self_attn.k_proj.*", "model.layers.#.self_attn.v_proj.*"}},
    {"language_model.encoder.layers.#.self_attention.query.*", Packing::whole, {"model.layers.#.self_attn.q_proj.*"}},
    {"language_model.encoder.layers.#.self_attention.key_value.*",
     Packing::heads,
     {"model.layers.#.self_attn.k_proj.*", "model.layers.#.self_attn.v_proj.*"}},
    {"language_model.encoder.layers.#.self_attention.dense.*", Packing::whole, {"model.layers.#.self_attn.o_proj.*"}},
    {"language_model.encoder.layers.#.mlp.dense_h_to_4h.*",
     Packing::parts,
     {"model.layers.#.mlp.gate_proj.*", "model.layers.#.mlp.up_proj.*"}},
    {"language_model.encoder.layers.#.mlp.dense_4h_to_h.*", Packing::whole, {"model.layers.#.mlp.down_proj.*"}},
    {"language_model.encoder.layers.#.mlp.moe.router.linear_router.weight",
     Packing::whole,
     {"model.layers.#.block_sparse_moe.gate.weight"}},
    {"language_model.encoder.layers.#.mlp.moe.expert_mlps.mlp_op.gate_up_proj.weight",
     Packing::experts,
     {"model.layers.#.block_sparse_moe.experts.@.w1.weight", "model.layers.#.block_sparse_moe.experts.@.w3.weight"}},
    {"language_model.encoder.layers.#.mlp.moe.expert_mlps.mlp_op.down_proj.weight",
     Packing::experts,
     {"model.layers.#.block_sparse_moe.experts.@.w2.weight"}},
    {"language_model.encoder.layers.#.input_layernorm.*", Packing::whole, {"model.layers.#.input_layernorm.*"}},
    {"language_model.encoder.layers.#.post_attention_layernorm.*",
     Packing::whole,
     {"model.layers.#.post_attention_layernorm.*"}},
    {"language_model.encoder.final_layernorm.*", Packing::whole, {"model.norm.*"}},
    {"language_model.output_layer.weight", Packing::whole, {"lm_head.weight"}},
};

/// The second name of the embedding where it is the head, too: whole tensors have the first.
inline constexpr std::string_view embedding_name = "model.embed_tokens.weight", head_name = "lm_head.weight";

/// Tensors that are no weights: recomputed by every reader.
constexpr bool is_derived(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".core_attention.rotary_emb.inv_freq");
}

/// A rule that fits a name, and what its signs stand for there.
struct KeyMatch {
  const KeyRule* rule = nullptr;  ///< null: no rule fits
  std::string number{}, tail{};

  /// Name k of the rule's. Pre: rule is not null.
  std::string name(std::size_t k, Index expert = 0) const {
    std::string out;
    for (const char letter : rule->names[k])
      out += letter == '#' ? number : letter == '@' ? concat(expert) : letter == '*' ? tail : std::string(1, letter);
    return out;
  }
};

/// The rule for a parameter's name, whichever family it is of.
inline KeyMatch match_key(std::string_view name) {
  const auto fits = [&](const KeyRule& rule, KeyMatch& out) {
    std::string_view left = name;
    for (const char letter : rule.parameter) {
      if (letter == '*') {
        out.tail = left;
        return left == "weight" || left == "bias";
      }
      if (letter == '#') {
        std::size_t digits = 0;
        while (digits < left.size() && left[digits] >= '0' && left[digits] <= '9') ++digits;
        if (digits == 0) return false;
        out.number = left.substr(0, digits);
        left.remove_prefix(digits);
        continue;
      }
      if (left.empty() || left[0] != letter) return false;
      left.remove_prefix(1);
    }
    return left.empty();
  };
  const auto search = [&](const auto& table) -> std::optional<KeyMatch> {
    for (const KeyRule& rule : table)
      if (KeyMatch out{&rule}; fits(rule, out)) return out;
    return std::nullopt;
  };
  if (auto found = search(hugging_face_keys)) return *found;
  if (auto found = search(megatron_keys)) return *found;
  return {};
}

}  // namespace shardplan::checkpoint
