#pragma once
#include <optional>

#include <shardplan/config/bind.hpp>

namespace shardplan {

/// The architecture of a Hugging Face `config.json`, as far as a plan depends on it.
struct HfConfig {
  std::string model_type;
  Index hidden_size = 0;
  Index intermediate_size = 0;  ///< of one expert where there are experts
  Index num_hidden_layers = 0;
  Index num_attention_heads = 0;
  std::optional<Index> num_key_value_heads;  ///< after binding never empty: the attention heads where the file has none
  std::optional<Index> head_dim;             ///< absent: hidden_size / num_attention_heads
  Index vocab_size = 0;
  Index max_position_embeddings = 0;
  bool tie_word_embeddings = false;
  bool attention_bias = false;
  Index num_local_experts = 1;
  Index num_experts_per_tok = 1;
  std::optional<std::string> hidden_act;  ///< activation of the MLP

  static constexpr bool open = true;  // such a file holds much that is of no concern here

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("model_type", self.model_type, Need::required);
    field("hidden_size", self.hidden_size, Need::required);
    field("intermediate_size", self.intermediate_size, Need::required);
    field("num_hidden_layers", self.num_hidden_layers, Need::required);
    field("num_attention_heads", self.num_attention_heads, Need::required);
    field("num_key_value_heads", self.num_key_value_heads);
    field("head_dim", self.head_dim);
    field("vocab_size", self.vocab_size, Need::required);
    field("max_position_embeddings", self.max_position_embeddings, Need::required);
    field("tie_word_embeddings", self.tie_word_embeddings);
    field("attention_bias", self.attention_bias);
    field("num_local_experts", self.num_local_experts);
    field("num_experts_per_tok", self.num_experts_per_tok);
    field("hidden_act", self.hidden_act);
  }

  friend bool operator==(const HfConfig&, const HfConfig&) = default;
};

/// The architectures that a config.json may name.
inline constexpr std::string_view hf_model_types[] = {"llama", "mistral", "mixtral"};

struct BoundHfConfig {
  HfConfig config;
  Diagnostics diagnostics;
};

/// The architecture in a tree read from a config.json.
///
/// Errors   SP-CONFIG-016 a model_type that is not known, and then nothing else, since its keys are others;
///          SP-CONFIG-011 wrong types, 012 missing keys, 017 numbers beyond 64 bits
/// Source   configuration sheet 2.6, 2.7 and 7
inline BoundHfConfig bind_huggingface(const Node& root) {
  BoundHfConfig out;
  detail::Binder binder(root, {});
  const Node* type = root.find("model_type");
  const std::string* type_name = type != nullptr ? type->as<std::string>() : nullptr;
  bool known = type_name == nullptr;
  for (const std::string_view one : hf_model_types) known = known || one == *type_name;
  if (known) {
    binder.section(root, {}, out.config);
    if (!out.config.num_key_value_heads) out.config.num_key_value_heads = out.config.num_attention_heads;
  } else {
    binder.report("SP-CONFIG-016", "model_type", type->mark, concat("'", *type_name, "' is not a known architecture"),
                  concat("known are ", join(hf_model_types, ", ")));
  }
  out.diagnostics = std::move(binder.diagnostics);
  return out;
}

}  // namespace shardplan
