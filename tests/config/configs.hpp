#pragma once
#include <shardplan/config/config.hpp>
#include <shardplan/config/overrides.hpp>

#include "support.hpp"

/// Small configurations without fault, and what tests change in them.
namespace shardplan {

inline constexpr std::string_view hf_text = R"(
name: llama
model_source: hf
seed: 1
trainer: {devices: 32, num_nodes: 1, max_steps: 100}
exp_manager: {resume_from_checkpoint: null, checkpoint_callback_params: {monitor: step}}
distributed_strategy: {tensor_model_parallel_size: 8, pipeline_model_parallel_size: 1, zero1: true}
data: {micro_batch_size: 1, global_batch_size: 64}
model:
  encoder_seq_length: 4096
  fusions: {flash_attention: true}
  optim: {name: adamw, lr: 1e-4, betas: [0.9, 0.95], sched: {name: CosineAnnealing, warmup_steps: 10, constant_steps: 0}}
precision: {type: mixed_precision}
bucket_size_collectives: 512
)";

inline constexpr std::string_view mixtral_text = R"(
name: my_mixtral
model_source: hf
trainer: {devices: 32, num_nodes: 1, max_steps: 100}
exp_manager: {resume_from_checkpoint: null, checkpoint_callback_params: {monitor: step}}
distributed_strategy: {tensor_model_parallel_size: 8, pipeline_model_parallel_size: 1, zero1: true}
data: {micro_batch_size: 1, global_batch_size: 64}
model:
  encoder_seq_length: 4096
  max_position_embeddings: 4096
  fusions: {flash_attention: true}
  moe: {num_experts: 8, top_k: 2, capacity_factor: 2.0}
  optim: {name: adamw, lr: 1e-4}
precision: {type: bf16SR}
bucket_size_collectives: 512
)";

inline constexpr std::string_view megatron_text = R"(
name: megatron_llama
model_source: megatron
seed: 1
trainer: {devices: 32, num_nodes: 1, max_steps: 100}
exp_manager: {resume_from_checkpoint: null, checkpoint_callback_params: {monitor: step}}
distributed_strategy: {tensor_model_parallel_size: 8, pipeline_model_parallel_size: 1, zero1: true}
data: {micro_batch_size: 1, global_batch_size: 64, seq_length: 4096}
model:
  encoder_seq_length: 4096
  max_position_embeddings: 4096
  num_layers: 4
  hidden_size: 512
  ffn_hidden_size: 1024
  num_attention_heads: 16
  num_kv_heads: 8
  normalization: rmsnorm
  position_embedding_type: rope
  activation: swiglu
  has_bias: false
  share_embeddings_and_output_weights: false
  fusions: {flash_attention: false}
  optim: {name: adamw, lr: 1e-4}
precision: {type: mixed_precision}
bucket_size_collectives: 512
)";

/// The configuration of a text, with `KEY.PATH=VALUE; KEY.PATH=VALUE` set. Throws its errors.
inline Config config_of(std::string_view text, std::string_view set = {}) {
  Node root = read_yaml_text(text, "job.yaml");
  while (!set.empty()) {
    const std::string_view one = set.substr(0, set.find("; "));
    const std::size_t equals = one.find('=');
    set_path(root, one.substr(0, equals), read_yaml_text(one.substr(equals + 1), "job.yaml"));
    set.remove_prefix(std::min(one.size() + 2, set.size()));
  }
  auto [config, found] = bind(resolve(root).tree);
  if (has_errors(found)) throw Error(std::move(found));
  config.diagnostics = std::move(found);
  return std::move(config);
}

}  // namespace shardplan
