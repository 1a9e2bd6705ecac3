#pragma once
#include <vector>

#include <shardplan/config/config.hpp>

/// What the planners call an input, and where a configuration has it: findings brought to their keys, and left out
/// where an input could not be read.
namespace shardplan {

namespace detail {

/// The key of a configuration that stands behind an argument of the planners.
struct ArgumentKey {
  std::string_view argument;
  std::string_view path;
  std::string_view hf_key{};  ///< where an hf model has it in its config.json
  bool overrides = false;     ///< an hf model takes it from the file where that gives it
};
inline constexpr ArgumentKey argument_keys[] = {
    {"ranks", "trainer.devices"},
    {"ranks", "trainer.num_nodes"},
    {"ranks_per_node", "trainer.devices"},
    {"lnc", "trainer.lnc"},
    {"tensor", "distributed_strategy.tensor_model_parallel_size"},
    {"pipeline", "distributed_strategy.pipeline_model_parallel_size"},
    {"virtual_pipeline", "distributed_strategy.virtual_pipeline_model_parallel_size"},
    {"context", "distributed_strategy.context_parallel_size"},
    {"expert", "distributed_strategy.expert_model_parallel_size"},
    {"kv_replicator", "distributed_strategy.kv_replicator"},
    {"token_shuffle", "distributed_strategy.token_shuffle_group_size"},
    {"zero1", "distributed_strategy.zero1"},
    {"sequence_parallel", "distributed_strategy.sequence_parallel"},
    {"global_batch", "data.global_batch_size"},
    {"micro_batch", "data.micro_batch_size"},
    {"sequence", "model.encoder_seq_length"},
    {"family", "model_source"},
    {"layers", "model.num_layers", "num_hidden_layers", true},
    {"hidden", "model.hidden_size", "hidden_size", true},
    {"ffn", "model.ffn_hidden_size", "intermediate_size"},
    {"heads", "model.num_attention_heads", "num_attention_heads"},
    {"kv_heads", "model.num_kv_heads", "num_key_value_heads"},
    {"head_dim", "model.kv_channels", "head_dim"},
    {"vocab", "data.tokenizer", "vocab_size"},
    {"vocabulary_multiple", "model.make_vocab_size_divisible_by"},
    {"positions", "model.max_position_embeddings", "max_position_embeddings", true},
    {"tied_embeddings", "model.share_embeddings_and_output_weights", "tie_word_embeddings"},
    {"qkv_linear", "model.qkv_linear"},
    {"fuse_qkv", "model.fuse_qkv"},
    {"pipeline_cuts", "model.pipeline_cuts"},
    {"experts", "model.moe.num_experts"},
    {"top_k", "model.moe.top_k"},
    {"moe_frequency", "model.moe.frequency"},
    {"activation", "model.activation"},
    {"gated", "model.activation"},
    {"bias", "model.has_bias"},
    {"block", "model.transformer_block_type"},
    {"normalization", "model.normalization"},
    {"position_embedding_type", "model.position_embedding_type"},
};

/// Does the file leave a number to the config.json? It says so with -1 too.
inline bool left_open(const Config& config, std::string_view path) {
  const Node* given = config.given(path);
  return given == nullptr || given->is_null() || *given == Node{Index{-1}};
}

}  // namespace detail

namespace detail {

/// The inputs of a job that could not be read, about which findings have been given: keys of the file, and arguments
/// of the planners. What depends on one is not known to be wrong.
class Unread {
 public:
  explicit Unread(const Config& config) : config_(config) {}

  void add(std::string_view argument) { arguments_.emplace_back(argument); }

  /// Is a key, or a section around it, wrong or missing?
  bool path(std::string_view key) const {
    for (const Diagnostic& one : config_.diagnostics) {
      const std::string_view wrong = one.origins.empty() ? std::string_view() : std::string_view(one.origins[0].key);
      const bool around = key.starts_with(wrong) && (key.size() == wrong.size() || wrong.empty() ||
                                                     key[wrong.size()] == '.' || key[wrong.size()] == '[');
      if (around && one.severity == Severity::error && one.id != "SP-CONFIG-015") return true;
      // An override may be malformed from its key on.
      if (around && one.id == "SP-CONFIG-015" && !wrong.empty()) return true;
    }
    const Node* at = &config_.tree;
    for (; at != nullptr && !key.empty() && !at->is<Node::Broken>();) at = at->find(take_step(key));
    return at != nullptr && at->is<Node::Broken>();
  }
  bool argument(std::string_view name) const {
    for (const std::string& one : arguments_)
      if (one == name) return true;
    for (const ArgumentKey& one : argument_keys)
      if (one.argument == name && path(one.path)) return true;
    return false;
  }
  bool any(std::initializer_list<std::string_view> names) const {
    for (const std::string_view one : names)
      if (argument(one)) return true;
    return false;
  }
  /// Is one of the numbers among it by which the world is cut?
  bool mesh() const { return any({"ranks", "tensor", "pipeline", "context", "expert"}); }

  /// The findings that are not about any of it.
  Diagnostics without(const Diagnostics& all) const {
    // Findings whose keys are not all that they follow from.
    const bool no_mesh = mesh(), no_heads = any({"heads", "kv_heads", "head_dim"});
    const auto follows = [&](std::string_view id) {
      for (const std::string_view attention : {"R7", "SP-TENSOR-004", "SP-TENSOR-008", "SP-TENSOR-011"})
        if (id == attention) return no_heads;
      const bool of_one_size = id == "SP-MESH-001" || id == "SP-MESH-009";
      return no_mesh && !of_one_size && (id.starts_with("SP-MESH-") || id.starts_with("SP-ZERO-"));
    };
    Diagnostics out;
    for (const Diagnostic& one : all) {
      bool known = !follows(one.id);
      for (const Origin& at : one.origins) known = known && !argument(at.key) && !path(at.key);
      if (known) out.push_back(one);
    }
    return out;
  }

 private:
  const Config& config_;
  std::vector<std::string> arguments_;
};

}  // namespace detail

/// Puts the keys of the file, with their places, for the arguments that findings of the planners name. What an hf model
/// has from its config.json is named as there: in `hf_file`, or where the configuration should name one.
inline Diagnostics located(Diagnostics all, const Config& config, const std::string& hf_file = {}) {
  for (Diagnostic& one : all) {
    Origins found;
    for (const Origin& origin : one.origins) {
      const std::size_t before = found.size();
      for (const detail::ArgumentKey& key : detail::argument_keys) {
        if (!origin.file.empty() || key.argument != origin.key) continue;
        const bool from_json = config.model_source == "hf" && !key.hf_key.empty() &&
                               (!key.overrides || detail::left_open(config, key.path));
        found.push_back(!from_json        ? config.origin(key.path)
                        : hf_file.empty() ? config.origin("model.model_config")
                                          : Origin{{}, hf_file, 0, 0});
        if (from_json) found.back().key = key.hf_key;
      }
      if (found.size() == before) found.push_back(origin);
    }
    one.origins = std::move(found);
  }
  return all;
}

}  // namespace shardplan
