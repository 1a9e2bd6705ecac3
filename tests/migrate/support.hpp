#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <shardplan/config/yaml.hpp>
#include <shardplan/migrate.hpp>
#include <string>
#include <vector>

#include "../thrown.hpp"

/// What the tests of this room share.
namespace shardplan::migrate {

inline Migrated migrated(std::string_view text, System from = System::nemo, System to = System::nxdt,
                         DegreeChoice degrees = DegreeChoice::automatic) {
  Options options{.from = from, .to = to, .degrees = degrees};
  options.source_name = "in.yaml";
  options.result_name = "out.yaml";
  return migrate(text, options, read_yaml_text);
}

/// The value at a path of a result as YAML; "-" where it has none.
inline std::string value(const Migrated& out, std::string_view path) {
  const Node* node = find_path(out.tree, path);
  return node == nullptr ? "-" : yaml_text(*node);
}

/// The entry of a key of the source; of the result where `path` starts with '>'.
inline const Entry* entry(const Migrated& out, std::string_view path) {
  for (const Entry& one : out.report.entries)
    if (path.starts_with('>') ? one.new_path == path.substr(1) : one.old_path == path) return &one;
  return nullptr;
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

/// A NeMo file of a small model without fault.
inline constexpr std::string_view nemo_text = R"(# a run
name: small   # of the run

trainer:
  devices: 32
  num_nodes: 1
  accelerator: gpu   # not here
  precision: bf16
  max_steps: 1000
exp_manager:
  checkpoint_callback_params:
    monitor: val_loss
    mode: min
    filename: 'small--{val_loss:.2f}-{step}-{consumed_samples}'
    model_parallel_size: ${multiply:${model.tensor_model_parallel_size}, ${model.pipeline_model_parallel_size}}
model:
  # batches
  micro_batch_size: 1   # of a rank
  global_batch_size: 64
  tensor_model_parallel_size: 8
  pipeline_model_parallel_size: 1
  virtual_pipeline_model_parallel_size: null

  # sizes
  encoder_seq_length: 512
  max_position_embeddings: ${.encoder_seq_length}
  num_layers: 8
  hidden_size: 512
  ffn_hidden_size: 2048
  num_attention_heads: 16
  attention_dropout: 0.0
  activation: 'fast-swiglu'
  num_query_groups: 8
  masked_softmax_fusion: True

  # of kernels
  bias_activation_fusion: True
  seed: 7
  data:
    data_prefix: [1.0, my_text]
    seq_length: ${model.encoder_seq_length}
    num_workers: 2
    dataloader_type: single
  optim:
    name: fused_adam
    lr: 2e-4
    betas:
    - 0.9
    - 0.95
)";

}  // namespace shardplan::migrate
