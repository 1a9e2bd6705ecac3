#pragma once
#include <shardplan/migrate/nemo_keys.hpp>

/// The keys of neuronx-nemo-megatron and what NxDT 1.6 has for them, where they are not those of NeMo.
///
/// Source   configuration sheet 6.1 and 6.4; aws-neuron/neuronx-nemo-megatron
namespace shardplan::migrate {

namespace detail {

inline constexpr KeyRow nnm_rows[] = {
    // clang-format off
    {"trainer.precision", A::replace, "precision.type", L::accepted, T::precision_nnm, {}, "NxDT names a mode of precision"},
    {"trainer.check_val_every_n_epoch", A::keep, same_key, L::same_place},
    {"trainer.num_sanity_val_steps", A::keep, same_key, L::same_place},
    {"exp_manager.checkpoint_callback_params.save_last", A::keep, same_key, L::same_place},
    {"exp_manager.checkpoint_callback_params.train_time_interval", A::keep, same_key, L::same_place},
    {"model.wrap_with_zero", A::move, "distributed_strategy.zero1", L::unread, T::zero1_on, {}, "megatron models need it"},
    {"model.log_parameter_norm", A::move, "exp_manager.log_parameter_norm", L::unread},
    {"model.log_gradient_norm", A::move, "exp_manager.log_gradient_norm", L::unread},
    {"model.flexible_pipeline_parallel_stages", A::not_supported, none, L::unread, T::none, "null", "megatron stages are even; hf models have pipeline_cuts"},
    {"model.zero_use_master_weight", A::replace, "precision.master_weights", L::unread, T::zero_precision, {}, "precision.type says it"},
    {"model.zero_use_fp32_grad_accum", A::replace, "precision.fp32_grad_acc", L::unread, T::zero_precision, {}, "precision.type says it"},
    {"model.convert_to_hf", A::replace, none, L::unread, T::none, "*", "a script of its own converts checkpoints"},
    {"model.enable_recovery_time_instrumentation", A::move, "exp_manager.enable_recovery_time_instrumentation", L::same_place},
    {"model.async_checkpointing", A::move, "exp_manager.async_checkpointing", L::same_place},
    {"model.save_logits", A::keep, same_key, L::same_place},
    {"model.save_logits_interval", A::not_supported, none, L::unread, T::none, "*", "logits are saved at every step or not at all"},
    {"model.output_dir", A::not_supported, none, L::unread, T::none, "*", "belongs to convert_to_hf"},
    {"model.config_path", A::not_supported, none, L::unread, T::none, "*", "belongs to convert_to_hf"},
    {"model.data.fine_tuning", A::not_supported, none, L::refused, T::none, "false", "model_alignment_strategy.sft does this; refused when true"},
    {"model.data.chat", A::not_supported, none, L::unread, T::none, "false", "model_alignment_strategy does this"},
    {"model.data.train_ds", A::not_supported, none, L::unread, T::none, "*", "data.train_dir with model_alignment_strategy.sft does this"},
    {"model.data.validation_ds", A::not_supported, none, L::unread, T::none, "*", "data.val_dir with model_alignment_strategy.sft does this"},
    {"model.data.test_ds", A::not_supported, none, L::unread, T::none, "*", "data.test_dir with model_alignment_strategy.sft does this"},
    {"model.optim.capturable", A::keep, same_key, L::same_place},
    {"model.tokenizer.use_fast", A::move, "data.tokenizer.use_fast", L::same_place},
    {"model.num_kv_heads", A::keep, same_key, L::same_place},
    {"model.sliding_window_size", A::keep, same_key, L::same_place},
    {"model.data.fim_rate", A::not_supported, none, L::unread, T::none, "0|null", "no fill-in-the-middle data"},
    {"model.data.fim_spm_rate", A::not_supported, none, L::unread, T::none, "*", "no fill-in-the-middle data"},
    {"model.save_xser", A::move, "exp_manager.save_xser", L::unread},
    {"model.load_xser", A::move, "exp_manager.load_xser", L::unread},
    {"enable_recovery_time_instrumentation", A::move, "exp_manager.enable_recovery_time_instrumentation", L::unread},
    {"async_checkpointing", A::move, "exp_manager.async_checkpointing", L::unread},
    {"enable_checkpoint_removal_protection", A::not_supported, none, L::unread, T::none, "*", "checkpoints are removed once the next one is whole"},
    // clang-format on
};

}  // namespace detail

/// NNM to NxDT: its own keys, behind them those that it has from NeMo.
inline constexpr KeyTable nnm_keys{detail::nnm_rows, detail::nemo_rows};

}  // namespace shardplan::migrate
