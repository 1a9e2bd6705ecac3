#pragma once
#include <shardplan/migrate/key_map.hpp>

/// Keys of NxDT 1.6 that other systems have not, what an NxDT file needs besides the keys that come from elsewhere, and
/// what a NeMo file needs.
///
/// Source   configuration sheet 2 and 6.1
namespace shardplan::migrate {

namespace detail {

inline constexpr KeyRow nxdt_rows[] = {
    // clang-format off
    {"model_source", A::remove, none, L::unread, T::none, "megatron", "NeMo builds megatron models only"},
    {"seed", A::move, "model.seed", L::unread},
    {"trainer.lnc", A::not_supported, none, L::refused, T::none, "*", "cores of a Neuron device"},
    {"trainer.sequential_move_factor", A::not_supported, none, L::refused, T::none, "*", "how weights come to a Neuron device"},
    {"distributed_strategy.zero1", A::replace, none, L::unread, T::none, "*", "optim.name distributed_fused_adam says it"},
    {"distributed_strategy.kv_replicator", A::not_supported, none, L::unread, T::none, "1", "KV heads are not copied"},
    {"distributed_strategy.token_shuffle_group_size", A::not_supported, none, L::unread, T::none, "1", "tokens are not shuffled"},
    {"distributed_strategy.context_parallel_size", A::move, "model.context_parallel_size", L::unread},
    {"distributed_strategy.pipeline_model_parallel_split_rank", A::not_supported, none, L::unread, T::none, "0", "for encoder and decoder"},
    {"distributed_strategy", A::move, "model", L::unread},
    {"precision.type", A::replace, "trainer.precision", L::unread, T::precision, {}, "NeMo names the precision of the trainer"},
    {"precision", A::not_supported, none, L::unread, T::none, "*", "trainer.precision says it"},
    {"exp_manager.save_xser", A::not_supported, none, L::refused, T::none, "*", "a format of NxD"},
    {"exp_manager.load_xser", A::not_supported, none, L::refused, T::none, "*", "a format of NxD"},
    {"exp_manager.save_bf16", A::not_supported, none, L::refused, T::none, "*", "read by nothing"},
    {"exp_manager.log_parameter_norm", A::not_supported, none, L::refused, T::none, "*", "NeMo logs no norms of parameters"},
    {"exp_manager.log_gradient_norm", A::not_supported, none, L::refused, T::none, "*", "NeMo logs the norm of gradients by itself"},
    {"exp_manager.enable_recovery_time_instrumentation", A::not_supported, none, L::refused, T::none, "*", "timers of NxDT"},
    {"exp_manager.ckpt_ptl_version", A::not_supported, none, L::refused, T::none, "*", "a format of NxDT"},
    {"exp_manager.checkpoint_callback_params.use_master_weights_in_ckpt", A::not_supported, none, L::refused, T::none, "*", "a format of NxDT"},
    {"model.activations_checkpoint_recompute", A::not_supported, none, L::unread, T::none, "*", "selective recomputes the core of attention"},
    {"model.fusions.ring_attention", A::not_supported, none, L::unread, T::none, "false", "context parallelism has its own attention"},
    {"model.model_config", A::not_supported, none, L::unread, T::none, "", "the sizes stand in the file itself"},
    {"model.qkv_linear", A::not_supported, none, L::unread, T::none, "*", "how hf models cut Q, K and V"},
    {"model.fuse_qkv", A::not_supported, none, L::unread, T::none, "*", "how hf models cut Q, K and V"},
    {"model.transpose_nki_inputs", A::not_supported, none, L::unread, T::none, "*", "about a kernel of Neuron"},
    {"model.weight_init_only", A::not_supported, none, L::unread, T::none, "false", "about checkpoints of NxDT"},
    {"model.pipeline_cuts", A::not_supported, none, L::unread, T::none, "null", "stages are even"},
    {"model.position_freq_base", A::move, "model.rotary_base", L::unread},
    {"model.moe.num_experts", A::move, "model.num_moe_experts", L::unread},
    {"model.moe.top_k", A::move, "model.moe_router_topk", L::unread},
    {"model.moe.frequency", A::move, "model.moe_layer_freq", L::unread},
    {"model.moe.router_aux_loss_coef", A::move, "model.moe_aux_loss_coeff", L::unread},
    {"model.moe", A::not_supported, none, L::unread, T::none, "", "NeMo has other options for experts"},
    {"model_alignment_strategy", A::not_supported, none, L::unread, T::none, "", "NeMo aligns models with other programs"},
    {"compiler_flags", A::not_supported, none, L::unread, T::none, "*", "a setting of Neuron"},
    {"compiler_cache_url", A::not_supported, none, L::unread, T::none, "*", "a setting of Neuron"},
    {"aync_exec_max_inflight_requests", A::not_supported, none, L::unread, T::none, "*", "a setting of Neuron"},
    {"bucket_size_collectives", A::not_supported, none, L::unread, T::none, "*", "a setting of Neuron"},
    {"neuron_rt_exec_timeout", A::not_supported, none, L::unread, T::none, "*", "a setting of Neuron"},
    {"neuron_experimental_compress_rg", A::not_supported, none, L::unread, T::none, "*", "a setting of Neuron"},
    // clang-format on
};

}  // namespace detail

/// What NxDT has beyond the other systems, on the way back.
inline constexpr KeyTable nxdt_keys{detail::nxdt_rows};

/// A key that a file needs and its source has not. unless: a key that stands for it, if given and not null.
struct Addition {
  std::string_view key;
  std::string_view value;  ///< YAML; ???: nobody can know it
  std::string_view why;
  std::string_view unless{};
};

inline constexpr Addition nxdt_additions[] = {
    // clang-format off
    {"model_source", "megatron", "whose modules the model is built of"},
    {"seed", "1234", "required by the megatron data module"},
    {"trainer.check_val_every_n_epoch", "null", "val_check_interval counts steps"},
    {"trainer.num_sanity_val_steps", "0", "no validation before training"},
    {"exp_manager.checkpoint_callback_params.every_n_train_steps", "1000", "no checkpoint would be saved by steps", "exp_manager.checkpoint_callback_params.train_time_interval"},
    {"exp_manager.checkpoint_callback_params.use_master_weights_in_ckpt", "false", "the weights of the device are saved"},
    {"exp_manager.resume_from_checkpoint", "null", "must be there"},
    {"exp_manager.save_xser", "true", "saves tensor by tensor; off by default"},
    {"exp_manager.load_xser", "true", "goes with save_xser"},
    {"exp_manager.async_checkpointing", "false", "checkpoints are saved before training goes on"},
    {"exp_manager.log_parameter_norm", "true", "off by default"},
    {"exp_manager.log_gradient_norm", "true", "off by default"},
    {"exp_manager.enable_recovery_time_instrumentation", "false", "no timers of recovery"},
    {"distributed_strategy.tensor_model_parallel_size", "1", "must be there"},
    {"distributed_strategy.pipeline_model_parallel_size", "1", "must be there"},
    {"distributed_strategy.zero1", "true", "megatron models need it"},
    {"data.data_prefix", "???", "the data of the run"},
    {"model.fusions.softmax", "true", "the fused softmax of Neuron"},
    {"model.fusions.flash_attention", "false", "megatron models have none"},
    {"precision.type", "mixed_precision", "must be there"},
    {"compiler_flags", "--model-type transformer", "must be there"},
    {"compiler_cache_url", "neuron_cache", "must be there"},
    {"aync_exec_max_inflight_requests", "5", "must be there, so spelt"},
    {"bucket_size_collectives", "1024", "must be there, in MB"},
    {"neuron_rt_exec_timeout", "100", "must be there, in seconds"},
    {"neuron_experimental_compress_rg", "false", "must be there"},
    // clang-format on
};

inline constexpr Addition nemo_additions[] = {
    {"trainer.accelerator", "gpu", "the trainer of NeMo must be told"},
    {"trainer.logger", "false", "exp_manager attaches the loggers"},
    {"trainer.enable_checkpointing", "false", "exp_manager adds the checkpoint callback"},
    {"trainer.precision", "???", "must be there"},
};

/// The sections of a file in the order that people expect.
inline constexpr std::string_view section_order[] = {"name",
                                                     "model_source",
                                                     "restore_from_path",
                                                     "seed",
                                                     "trainer",
                                                     "exp_manager",
                                                     "distributed_strategy",
                                                     "data",
                                                     "model",
                                                     "model_alignment_strategy",
                                                     "precision",
                                                     "compiler_flags",
                                                     "compiler_cache_url",
                                                     "aync_exec_max_inflight_requests",
                                                     "bucket_size_collectives",
                                                     "neuron_rt_exec_timeout",
                                                     "neuron_experimental_compress_rg"};

}  // namespace shardplan::migrate
