#pragma once
#include <optional>
#include <vector>

#include <shardplan/config/bind.hpp>

/// The section `model` of an NxDT file, as the other ones in `sections.hpp`.
namespace shardplan {

/// model.moe of 2.7 and 2.8. An empty optional stands where the default depends on the kind of model.
struct Moe {
  Index num_experts = 1;
  Index top_k = 1;
  Index frequency = 1;
  double dropout = 0;
  std::optional<double> capacity_factor;
  bool dropless = false;
  bool glu_mlp = true;
  std::string routing_algorithm = "top_k";
  std::optional<bool> output_router_logits;
  std::optional<double> router_aux_loss_coef;
  std::optional<bool> normalize_top_k_affinities;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("num_experts", self.num_experts);
    field("top_k", self.top_k);
    field("frequency", self.frequency);
    field("dropout", self.dropout);
    field("capacity_factor", self.capacity_factor);
    field("dropless", self.dropless);
    field("glu_mlp", self.glu_mlp);
    field("routing_algorithm", self.routing_algorithm);
    field("output_router_logits", self.output_router_logits);
    field("router_aux_loss_coef", self.router_aux_loss_coef);
    field("normalize_top_k_affinities", self.normalize_top_k_affinities);
    field("router_activation");
    field("sinkhorn_iterations");
    field("sinkhorn_tol");
  }
  friend bool operator==(const Moe&, const Moe&) = default;
};

/// model.fusions of 2.6
struct Fusions {
  bool softmax = false;
  bool flash_attention = false;
  bool ring_attention = false;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("softmax", self.softmax);
    field("flash_attention", self.flash_attention);
    field("ring_attention", self.ring_attention);
  }
  friend bool operator==(const Fusions&, const Fusions&) = default;
};

/// model.optim.sched of 2.9. The arguments of the schedule that are not named here pass.
struct Sched {
  std::optional<std::string> name;
  std::optional<Index> warmup_steps, constant_steps, max_steps;
  std::optional<double> min_lr;

  static constexpr bool open = true;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("name", self.name);
    field("warmup_steps", self.warmup_steps);
    field("constant_steps", self.constant_steps);
    field("max_steps", self.max_steps);
    field("min_lr", self.min_lr);
  }
  friend bool operator==(const Sched&, const Sched&) = default;
};

/// 2.9. The arguments of the optimizer that are not named here pass.
struct Optim {
  std::string name = "adam";
  std::optional<double> lr;
  std::optional<double> weight_decay;
  std::optional<Sched> sched;

  static constexpr bool open = true;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("name", self.name);
    field("lr", self.lr);
    field("weight_decay", self.weight_decay);
    field("sched", self.sched);
  }
  friend bool operator==(const Optim&, const Optim&) = default;
};

/// 2.6 to 2.8: what hf and megatron models read, in one struct. Sizes are empty where the file leaves them to a
/// config.json; -1 for num_layers and hidden_size says the same.
struct ModelSection {
  std::optional<std::string> model_config;  ///< path of a config.json or of its folder
  std::optional<Index> num_layers, hidden_size, ffn_hidden_size, num_attention_heads, num_kv_heads, kv_channels;
  std::optional<Index> encoder_seq_length, max_position_embeddings;
  std::optional<double> rope_theta;
  std::optional<double> hidden_dropout, attention_dropout;  ///< megatron; absent: 0.1 and 0
  bool qkv_linear = false;
  bool fuse_qkv = true;
  bool transpose_nki_inputs = true;
  std::optional<std::vector<std::string>> pipeline_cuts;
  std::optional<std::string> activations_checkpoint_granularity;  ///< selective or full
  Node activations_checkpoint_recompute;                          ///< names of classes
  Fusions fusions;
  Moe moe;
  Optim optim;
  bool do_layer_norm_weight_decay = false;
  std::string normalization = "layernorm";
  Index make_vocab_size_divisible_by = 128;
  bool share_embeddings_and_output_weights = true;
  std::string position_embedding_type = "learned_absolute";
  std::string activation = "gelu";
  bool has_bias = true;
  std::string transformer_block_type = "pre_ln";
  std::optional<Index> sliding_window_size;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("model_config", self.model_config);
    field("num_layers", self.num_layers);
    field("hidden_size", self.hidden_size);
    field("ffn_hidden_size", self.ffn_hidden_size);
    field("num_attention_heads", self.num_attention_heads);
    field("num_kv_heads", self.num_kv_heads);
    field("kv_channels", self.kv_channels);
    field("encoder_seq_length", self.encoder_seq_length);
    field("max_position_embeddings", self.max_position_embeddings);
    field("rope_theta", self.rope_theta);
    field("hidden_dropout", self.hidden_dropout);
    field("attention_dropout", self.attention_dropout);
    field("qkv_linear", self.qkv_linear);
    field("fuse_qkv", self.fuse_qkv);
    field("transpose_nki_inputs", self.transpose_nki_inputs);
    field("pipeline_cuts", self.pipeline_cuts);
    field("activations_checkpoint_granularity", self.activations_checkpoint_granularity);
    field("activations_checkpoint_recompute", self.activations_checkpoint_recompute);
    field("fusions", self.fusions, Need::expected);
    field("moe", self.moe);
    field("optim", self.optim, Need::expected);
    field("do_layer_norm_weight_decay", self.do_layer_norm_weight_decay);
    field("normalization", self.normalization);
    field("make_vocab_size_divisible_by", self.make_vocab_size_divisible_by);
    field("share_embeddings_and_output_weights", self.share_embeddings_and_output_weights);
    field("position_embedding_type", self.position_embedding_type);
    field("activation", self.activation);
    field("has_bias", self.has_bias);
    field("transformer_block_type", self.transformer_block_type);
    field("sliding_window_size", self.sliding_window_size);
    for (const std::string_view key :
         {"weight_init_only", "save_logits", "use_cpu_initialization", "init_method_std", "use_scaled_init_method",
          "ffn_dropout", "apply_query_key_layer_scaling", "layernorm_epsilon", "persist_layer_norm",
          "rotary_percentage", "position_freq_base", "position_abf_factor", "positition_interpolation_factor",
          "fp32_residual_connection", "fp16_lm_cross_entropy", "precision", "masked_softmax_fusion"})
      field(key);
    // Forbidden or restricted by R23 and R24, which look at the tree.
    for (const std::string_view key :
         {"megatron_amp_o2", "gradient_accumulation_fusion", "use_emha",
          "num_micro_batches_with_partial_activation_checkpoints", "activations_checkpoint_layers_per_pipeline",
          "bias_dropout_add_fusion", "bias_activation_fusion", "activations_checkpoint_num_layers",
          "activations_checkpoint_method", "disable_layer_norm_checkpointing"})
      field(key, unadvised);
  }
  friend bool operator==(const ModelSection&, const ModelSection&) = default;
};

}  // namespace shardplan
