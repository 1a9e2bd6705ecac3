#pragma once
#include <optional>
#include <vector>

#include <shardplan/config/bind.hpp>

/// The sections of an NxDT file but `model` as structs: the members have the spelling and the defaults of the keys
/// (configuration sheet, section 2). An optional is empty where the file has null or nothing; a `Node` holds what the
/// file has.
namespace shardplan {

/// trainer.devices: processes of one node. "auto" and null are 2, a list of one device is 1, digits in quotes count.
struct DeviceCount {
  Index value = 2;

  constexpr operator Index() const { return value; }
  static constexpr std::string_view expected = "an integer, 'auto', null or a list with one device";
  static std::optional<DeviceCount> from_node(const Node& node) {
    if (node.is_null()) return DeviceCount{};
    if (const Index* number = node.as<Index>()) return DeviceCount{*number};
    if (const auto* items = node.as<Node::Sequence>())
      return items->size() == 1 && items->front().is<Index>() ? std::optional(DeviceCount{1}) : std::nullopt;
    const std::string* text = node.as<std::string>();
    if (text == nullptr) return std::nullopt;
    if (*text == "auto") return DeviceCount{};
    const Node::Value value = plain_scalar(*text);
    const Index* number = std::get_if<Index>(&value);
    return number != nullptr ? std::optional(DeviceCount{*number}) : std::nullopt;
  }
  friend bool operator==(const DeviceCount&, const DeviceCount&) = default;
};

/// An integer for which null means 1.
struct OneIfNull {
  Index value = 1;

  constexpr operator Index() const { return value; }
  static constexpr std::string_view expected = "an integer or null";
  static std::optional<OneIfNull> from_node(const Node& node) {
    if (node.is_null()) return OneIfNull{};
    const Index* number = node.as<Index>();
    return number != nullptr ? std::optional(OneIfNull{*number}) : std::nullopt;
  }
  friend bool operator==(const OneIfNull&, const OneIfNull&) = default;
};

/// 2.2
struct Trainer {
  DeviceCount devices;  ///< per node: world = devices * num_nodes
  Index num_nodes = 1;
  Index max_steps = -1;
  std::optional<Index> max_epochs;
  Index log_every_n_steps = 50;
  std::optional<double> val_check_interval;
  std::optional<Index> check_val_every_n_epoch = 1;
  std::optional<double> limit_train_batches, limit_val_batches, limit_test_batches;
  std::optional<double> gradient_clip_val;
  Node gradient_clip_algorithm;
  Index accumulate_grad_batches = 1;
  bool enable_model_summary = false;
  Node precision;
  std::optional<Index> lnc;
  std::optional<Index> sequential_move_factor;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("devices", self.devices);
    field("num_nodes", self.num_nodes);
    field("max_steps", self.max_steps);
    field("max_epochs", self.max_epochs);
    field("log_every_n_steps", self.log_every_n_steps);
    field("val_check_interval", self.val_check_interval);
    field("check_val_every_n_epoch", self.check_val_every_n_epoch);
    field("limit_train_batches", self.limit_train_batches);
    field("limit_val_batches", self.limit_val_batches);
    field("limit_test_batches", self.limit_test_batches);
    field("gradient_clip_val", self.gradient_clip_val);
    field("gradient_clip_algorithm", self.gradient_clip_algorithm);
    field("accumulate_grad_batches", self.accumulate_grad_batches);
    field("enable_model_summary", self.enable_model_summary);
    field("precision", self.precision);
    field("lnc", self.lnc);
    field("sequential_move_factor", self.sequential_move_factor);
    for (const std::string_view key : {"min_epochs",
                                       "min_steps",
                                       "max_time",
                                       "num_sanity_val_steps",
                                       "limit_predict_batches",
                                       "overfit_batches",
                                       "fast_dev_run",
                                       "track_grad_norm",
                                       "accelerator",
                                       "logger",
                                       "enable_checkpointing",
                                       "callbacks",
                                       "default_root_dir",
                                       "num_processes",
                                       "enable_progress_bar",
                                       "profiler",
                                       "benchmark",
                                       "deterministic",
                                       "detect_anomaly",
                                       "sync_batchnorm",
                                       "reload_dataloaders_every_n_epochs",
                                       "auto_lr_find",
                                       "auto_scale_batch_size",
                                       "move_metrics_to_cpu",
                                       "multiple_trainloader_mode",
                                       "inference_mode",
                                       "barebones",
                                       "use_distributed_sampler"})
      field(key);
  }
  friend bool operator==(const Trainer&, const Trainer&) = default;
};

/// 2.3
struct CheckpointCallbackParams {
  std::optional<std::string> dirpath, filename;
  std::string monitor = "val_loss";
  std::string mode = "min";
  Index save_top_k = 3;
  bool save_last = true;
  std::optional<Index> every_n_train_steps;
  std::optional<Index> model_parallel_size;
  bool use_master_weights_in_ckpt = false;

  static constexpr bool open = true;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("dirpath", self.dirpath);
    field("filename", self.filename);
    field("monitor", self.monitor);
    field("mode", self.mode);
    field("save_top_k", self.save_top_k);
    field("save_last", self.save_last);
    field("every_n_train_steps", self.every_n_train_steps);
    field("model_parallel_size", self.model_parallel_size);
    field("use_master_weights_in_ckpt", self.use_master_weights_in_ckpt);
  }
  friend bool operator==(const CheckpointCallbackParams&, const CheckpointCallbackParams&) = default;
};

/// 2.3, with the defaults in effect, which are those of the raw reads.
struct ExpManager {
  std::optional<std::string> explicit_log_dir, exp_dir, name;
  bool resume_if_exists = false;
  bool resume_ignore_no_checkpoint = false;
  std::optional<std::string> resume_from_checkpoint;
  bool create_checkpoint_callback = true;
  CheckpointCallbackParams checkpoint_callback_params;
  bool log_local_rank_0_only = false;
  bool log_global_rank_0_only = false;
  bool log_parameter_norm = false;
  bool log_gradient_norm = false;
  bool save_xser = false;
  bool load_xser = false;
  bool async_checkpointing = false;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("explicit_log_dir", self.explicit_log_dir);
    field("exp_dir", self.exp_dir);
    field("name", self.name);
    field("resume_if_exists", self.resume_if_exists);
    field("resume_ignore_no_checkpoint", self.resume_ignore_no_checkpoint);
    field("resume_from_checkpoint", self.resume_from_checkpoint, Need::expected);
    field("create_checkpoint_callback", self.create_checkpoint_callback);
    field("checkpoint_callback_params", self.checkpoint_callback_params, Need::expected);
    field("log_local_rank_0_only", self.log_local_rank_0_only);
    field("log_global_rank_0_only", self.log_global_rank_0_only);
    field("log_parameter_norm", self.log_parameter_norm);
    field("log_gradient_norm", self.log_gradient_norm);
    field("save_xser", self.save_xser);
    field("load_xser", self.load_xser);
    field("async_checkpointing", self.async_checkpointing);
    for (const std::string_view key : {"version",
                                       "use_datetime_version",
                                       "resume_past_end",
                                       "create_tensorboard_logger",
                                       "summary_writer_kwargs",
                                       "create_wandb_logger",
                                       "wandb_logger_kwargs",
                                       "create_mlflow_logger",
                                       "mlflow_logger_kwargs",
                                       "create_dllogger_logger",
                                       "dllogger_logger_kwargs",
                                       "create_clearml_logger",
                                       "clearml_logger_kwargs",
                                       "create_neptune_logger",
                                       "neptune_logger_kwargs",
                                       "create_early_stopping_callback",
                                       "early_stopping_callback_params",
                                       "create_preemption_callback",
                                       "files_to_copy",
                                       "log_step_timing",
                                       "step_timing_kwargs",
                                       "disable_validation_on_resume",
                                       "ema",
                                       "max_time_per_run",
                                       "seconds_to_sleep",
                                       "enable_recovery_time_instrumentation",
                                       "save_bf16",
                                       "ckpt_ptl_version",
                                       "create_straggler_detection_callback",
                                       "straggler_detection_params",
                                       "create_fault_tolerance_callback",
                                       "fault_tolerance"})
      field(key);
  }
  friend bool operator==(const ExpManager&, const ExpManager&) = default;
};

/// 2.4
struct DistributedStrategy {
  Index tensor_model_parallel_size = 1;
  Index pipeline_model_parallel_size = 1;
  OneIfNull virtual_pipeline_model_parallel_size;
  Index context_parallel_size = 1;
  Index expert_model_parallel_size = 1;
  Index token_shuffle_group_size = 1;
  bool sequence_parallel = false;
  bool zero1 = true;
  Index kv_replicator = 1;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("tensor_model_parallel_size", self.tensor_model_parallel_size, Need::required);
    field("pipeline_model_parallel_size", self.pipeline_model_parallel_size, Need::required);
    field("virtual_pipeline_model_parallel_size", self.virtual_pipeline_model_parallel_size);
    field("context_parallel_size", self.context_parallel_size);
    field("expert_model_parallel_size", self.expert_model_parallel_size);
    field("token_shuffle_group_size", self.token_shuffle_group_size);
    field("sequence_parallel", self.sequence_parallel);
    field("zero1", self.zero1);
    field("kv_replicator", self.kv_replicator);
    field("pipeline_model_parallel_split_rank");
  }
  friend bool operator==(const DistributedStrategy&, const DistributedStrategy&) = default;
};

/// data.tokenizer of 2.5
struct Tokenizer {
  std::optional<std::string> library, type, model, vocab_file, merge_file;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("library", self.library);
    field("type", self.type);
    field("model", self.model);
    field("vocab_file", self.vocab_file);
    field("merge_file", self.merge_file);
    field("delimiter");
    field("sentencepiece_legacy");
    field("use_fast");
  }
  friend bool operator==(const Tokenizer&, const Tokenizer&) = default;
};

/// 2.5
struct Data {
  Index micro_batch_size = 1;
  Index global_batch_size = 1;
  std::optional<Index> seq_length;
  std::optional<std::string> train_dir, val_dir, test_dir;
  std::optional<Tokenizer> tokenizer;
  Node data_prefix;
  std::optional<std::string> splits_string;
  std::optional<std::string> dataloader_type;  ///< single or cyclic
  std::optional<Index> num_workers;
  bool drop_last = true;
  bool validation_drop_last = true;
  bool pad_samples_to_global_batch_size = false;
  bool reset_attention_mask = false;
  bool no_seqlen_plus_one_input_tokens = false;
  bool fine_tuning = false;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("micro_batch_size", self.micro_batch_size, Need::required);
    field("global_batch_size", self.global_batch_size, Need::required);
    field("seq_length", self.seq_length);
    field("train_dir", self.train_dir);
    field("val_dir", self.val_dir);
    field("test_dir", self.test_dir);
    field("tokenizer", self.tokenizer);
    field("data_prefix", self.data_prefix);
    field("splits_string", self.splits_string);
    field("dataloader_type", self.dataloader_type);
    field("num_workers", self.num_workers);
    field("drop_last", self.drop_last);
    field("validation_drop_last", self.validation_drop_last);
    field("pad_samples_to_global_batch_size", self.pad_samples_to_global_batch_size);
    field("reset_attention_mask", self.reset_attention_mask);
    field("no_seqlen_plus_one_input_tokens", self.no_seqlen_plus_one_input_tokens);
    field("fine_tuning", self.fine_tuning);
    for (const std::string_view key :
         {"dev_choose_samples", "dataset_name", "prompt_name", "subset_name", "packing", "use_sft_style_data_module",
          "data_impl", "skip_warmup", "index_mapping_dir", "reset_position_ids", "eod_mask_loss"})
      field(key);
  }
  friend bool operator==(const Data&, const Data&) = default;
};

/// model_alignment_strategy.dpo and .orpo of 2.10
struct PreferenceStrategy {
  std::optional<double> kl_beta, beta;
  std::optional<Index> max_prompt_length;
  std::string truncation_mode = "keep_start";

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("kl_beta", self.kl_beta);
    field("beta", self.beta);
    field("max_prompt_length", self.max_prompt_length);
    field("truncation_mode", self.truncation_mode);
    field("loss_type");
    field("precompute_ref_log_probs");
  }
  friend bool operator==(const PreferenceStrategy&, const PreferenceStrategy&) = default;
};

/// model_alignment_strategy.sft of 2.10
struct SftStrategy {
  bool packing = false;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("packing", self.packing);
  }
  friend bool operator==(const SftStrategy&, const SftStrategy&) = default;
};

/// model_alignment_strategy.peft of 2.10
struct PeftStrategy {
  Index lora_rank = 16;
  double lora_alpha = 32;
  std::vector<std::string> target_modules{"qkv_proj"};

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("lora_rank", self.lora_rank);
    field("lora_alpha", self.lora_alpha);
    field("target_modules", self.target_modules);
    for (const std::string_view key :
         {"lora_dropout", "lora_bias", "lora_verbose", "load_lora_from_ckpt", "save_lora_base", "merge_lora",
          "save_lora_config_adapter", "merge_sharded_lora"})
      field(key);
  }
  friend bool operator==(const PeftStrategy&, const PeftStrategy&) = default;
};

/// 2.10
struct ModelAlignmentStrategy {
  std::optional<PreferenceStrategy> dpo, orpo;
  std::optional<SftStrategy> sft;
  std::optional<PeftStrategy> peft;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("dpo", self.dpo);
    field("orpo", self.orpo);
    field("sft", self.sft);
    field("peft", self.peft);
  }
  friend bool operator==(const ModelAlignmentStrategy&, const ModelAlignmentStrategy&) = default;
};

/// 2.11. The three switches of `manual` must be texts, which R26 checks.
struct PrecisionSection {
  std::string type;
  bool master_weights = false;
  bool fp32_grad_acc = false;
  Node xla_use_bf16, xla_downcast_bf16, neuron_rt_stochastic_rounding_en;
  std::optional<std::string> parallel_layers_reduce_dtype;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("type", self.type, Need::required, "mixed_precision, mixed_precisionSR, autocast, bf16SR, fp32, manual");
    field("master_weights", self.master_weights);
    field("fp32_grad_acc", self.fp32_grad_acc);
    field("xla_use_bf16", self.xla_use_bf16);
    field("xla_downcast_bf16", self.xla_downcast_bf16);
    field("neuron_rt_stochastic_rounding_en", self.neuron_rt_stochastic_rounding_en);
    field("parallel_layers_reduce_dtype", self.parallel_layers_reduce_dtype);
    field("fp32_grads_cc");
  }
  friend bool operator==(const PrecisionSection&, const PrecisionSection&) = default;
};

}  // namespace shardplan
