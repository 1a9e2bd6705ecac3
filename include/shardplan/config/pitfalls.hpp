#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <shardplan/config/rules.hpp>

/// What a configuration says and NxDT does not do: keys without an effect, values that stop a run or mean something
/// else than they seem to, variables of the environment that win (configuration sheet, 2, 5, 10 and 12).
namespace shardplan {

/// Whom a pitfall concerns; a bit set.
enum class Concerns : std::uint8_t { hf_llama = 1, hf_mixtral = 2, hf = 3, megatron = 4, all = 7 };

/// A value of a key that is not what it seems.
struct Pitfall {
  std::string_view id;
  std::string_view key;
  Concerns family;
  bool (*holds)(const Config&, const Node&);
  std::string_view what;
  std::string_view instead;
};

namespace detail {

inline bool is_text(const Node& node, std::string_view text) {
  const std::string* is = node.as<std::string>();
  return is != nullptr && *is == text;
}
inline bool any_value(const Config&, const Node&) { return true; }
inline bool is_on(const Config&, const Node& node) { return truthy(node); }
inline bool is_given(const Config&, const Node& node) { return !node.is_null(); }
inline bool resumes(const Config& config, const Node&) {
  return config.exp_manager.resume_if_exists || config.exp_manager.resume_from_checkpoint;
}

}  // namespace detail

inline constexpr Pitfall pitfall_table[] = {
    // read by nothing
    {"SP-CONFIG-021", "exp_manager.save_bf16", Concerns::all, detail::any_value, "is read by nothing", {}},
    {"SP-CONFIG-021", "exp_manager.create_dllogger_logger", Concerns::all, detail::is_on, "makes no logger", {}},
    {"SP-CONFIG-021", "exp_manager.create_clearml_logger", Concerns::all, detail::is_on, "makes no logger", {}},
    {"SP-CONFIG-021", "exp_manager.create_neptune_logger", Concerns::all, detail::is_on, "makes no logger", {}},
    {"SP-CONFIG-021", "precision.fp32_grads_cc", Concerns::all, detail::any_value, "is read by nothing", {}},
    {"SP-CONFIG-021",
     "distributed_strategy.pipeline_model_parallel_split_rank",
     Concerns::all,
     detail::is_on,
     "is handed on and used by nothing",
     {}},
    {"SP-CONFIG-021", "data.tokenizer.use_fast", Concerns::all, detail::any_value, "is read by nothing", {}},
    {"SP-CONFIG-021", "data.use_sft_style_data_module", Concerns::all, detail::any_value, "is read by nothing", {}},
    {"SP-CONFIG-021", "data.packing", Concerns::all, detail::any_value, "is not read here",
     "model_alignment_strategy.sft.packing"},
    {"SP-CONFIG-021",
     "model_alignment_strategy.dpo.loss_type",
     Concerns::all,
     detail::any_value,
     "is read by nothing",
     {}},
    {"SP-CONFIG-021",
     "model_alignment_strategy.dpo.precompute_ref_log_probs",
     Concerns::all,
     detail::any_value,
     "is not read: they are always computed before",
     {}},
    {"SP-CONFIG-021", "model.use_cpu_initialization", Concerns::hf, detail::any_value, "is not read by hf models", {}},
    {"SP-CONFIG-021",
     "model.moe.routing_algorithm",
     Concerns::hf_mixtral,
     [](const Config&, const Node& node) { return !detail::is_text(node, "top_k"); },
     "is not read by hf models, which always route to the top k",
     {}},
    {"SP-CONFIG-021", "model.megatron_amp_O2", Concerns::megatron, detail::is_on,
     "is not read: NxDT looks for megatron_amp_o2, which it refuses", "zero1 and master weights instead"},
    // means something else
    {"SP-CONFIG-022", "model.optim.weight_decay", Concerns::hf,
     [](const Config&, const Node& node) {
       return node != Node{0.01} && node.as<Node::Missing>() == nullptr && !node.is_null();
     },
     "has no effect on hf models, whose weights decay by 0.01", "0.01, to say what happens"},
    {"SP-CONFIG-022", "model.do_layer_norm_weight_decay", Concerns::hf, detail::is_on,
     "works the other way round in hf models: true takes the weights of norms out of the decay", "false"},
    {"SP-CONFIG-022", "model.optim.sched.max_steps", Concerns::all,
     [](const Config& config, const Node& node) { return !node.is_null() && node != Node{config.trainer.max_steps}; },
     "is replaced by trainer.max_steps", "the same number, or without the key"},
    {"SP-CONFIG-022",
     "exp_manager.checkpoint_callback_params.model_parallel_size",
     Concerns::all,
     [](const Config& config, const Node& node) {
       return !node.is_null() && config.distributed_strategy.context_parallel_size > 1;
     },
     "leaves out the context-parallel size",
     {}},
    {"SP-CONFIG-022", "exp_manager.checkpoint_callback_params.filename", Concerns::all,
     [](const Config&, const Node& node) {
       const std::string* name = node.as<std::string>();
       return name != nullptr && name->find("consumed_samples") == name->npos;
     },
     "has no {consumed_samples}: a resumed run takes the number from the name, and would begin at sample 0",
     "a name with {consumed_samples}"},
    {"SP-CONFIG-022", "precision.type", Concerns::all,
     [](const Config&, const Node& node) { return detail::is_text(node, "mixed_precision_SR"); },
     "mixed_precision_SR runs without master weights and without float32 accumulation",
     "manual, with master_weights and fp32_grad_acc true"},
    {"SP-CONFIG-022",
     "exp_manager.resume_if_exists",
     Concerns::hf,
     detail::resumes,
     "resumes the model, but hf loaders begin at the first sample again",
     {}},
    // stops the run
    {"SP-CONFIG-023", "precision.type", Concerns::all,
     [](const Config&, const Node& node) { return detail::is_text(node, "mixed_precisionSR"); },
     "mixed_precisionSR is the documented name, but NxDT's start-up refuses it",
     "manual, with the switches of mixed_precision and stochastic rounding"},
    {"SP-CONFIG-023", "trainer.gradient_clip_algorithm", Concerns::all, detail::is_given, "must be null", "null"},
    {"SP-CONFIG-023", "trainer.accumulate_grad_batches", Concerns::all,
     [](const Config& config, const Node&) { return config.trainer.accumulate_grad_batches > 1; },
     "above 1 is refused: micro-batches follow from the batch sizes", "1"},
    {"SP-CONFIG-023", "trainer.enable_model_summary", Concerns::all, detail::is_on, "true is refused", "false"},
    {"SP-CONFIG-023", "data.reset_attention_mask", Concerns::megatron, detail::is_on, "true is refused", "false"},
    {"SP-CONFIG-023", "data.fine_tuning", Concerns::megatron, detail::is_on, "true is refused", "false"},
    {"SP-CONFIG-023", "data.num_workers", Concerns::megatron,
     [](const Config& config, const Node&) { return config.data.num_workers && *config.data.num_workers < 1; },
     "below 1 is refused by the loader", "at least 1"},
    {"SP-CONFIG-023", "data.dataloader_type", Concerns::megatron,
     [](const Config&, const Node& node) {
       return !detail::is_text(node, "single") && !detail::is_text(node, "cyclic");
     },
     "is none that NxDT has", "single or cyclic"},
    {"SP-CONFIG-023", "data.pad_samples_to_global_batch_size", Concerns::megatron,
     [](const Config& config, const Node& node) {
       return detail::truthy(node) && config.data.dataloader_type == "cyclic";
     },
     "does not go with the cyclic loader", "false, or dataloader_type single"},
    {"SP-CONFIG-023", "trainer.limit_val_batches", Concerns::megatron,
     [](const Config&, const Node& node) { return node.as<double>() != nullptr && *node.as<double>() > 1; },
     "as a share is above 1", "an integer, or a share up to 1.0"},
    {"SP-CONFIG-023", "exp_manager.log_global_rank_0_only", Concerns::all,
     [](const Config& config, const Node&) {
       return config.exp_manager.log_global_rank_0_only && config.exp_manager.log_local_rank_0_only;
     },
     "excludes log_local_rank_0_only", "one of them"},
};

/// A variable that NxDT sets from a key unless the environment has it already.
struct OverridingVariable {
  std::string_view name;
  std::string_view key;
  bool appends = false;  ///< the key is added to what the environment has
};

inline constexpr OverridingVariable variable_table[] = {
    {"NEURON_CC_FLAGS", "compiler_flags", true},
    {"NEURON_COMPILE_CACHE_URL", "compiler_cache_url"},
    {"NEURON_RT_ASYNC_EXEC_MAX_INFLIGHT_REQUESTS", "aync_exec_max_inflight_requests"},
    {"BUCKET_CAP_MB", "bucket_size_collectives"},
    {"NEURON_RT_EXEC_TIMEOUT", "neuron_rt_exec_timeout"},
    {"NEURON_EXPERIMENTAL_COMPRESS_RG", "neuron_experimental_compress_rg"},
    {"XLA_USE_BF16", "precision.type"},
    {"XLA_DOWNCAST_BF16", "precision.type"},
    {"NEURON_RT_STOCHASTIC_ROUNDING_EN", "precision.type"},
    {"ALL_GATHER_REDUCE_SCATTER_BUCKET_CAP_MB", "distributed_strategy.zero1"},
};

/// The pitfalls that a configuration falls into: SP-CONFIG-021 to -023, each with the place of its key.
inline Diagnostics pitfalls(const Config& config) {
  Diagnostics out;
  const Family family = family_of(config);
  const Concerns concerned = family == Family::megatron     ? Concerns::megatron
                             : family == Family::hf_mixtral ? Concerns::hf_mixtral
                                                            : Concerns::hf_llama;
  for (const Pitfall& one : pitfall_table) {
    const Node* given = config.given(one.key);
    const bool concerns = (static_cast<unsigned>(one.family) & static_cast<unsigned>(concerned)) != 0;
    if (given == nullptr || !concerns || !one.holds(config, *given)) continue;
    const bool names_value = one.key == "precision.type";
    out.push_back(finding(one.id, names_value ? std::string(one.what) : concat('\'', one.key, "' ", one.what),
                          std::string(one.instead)));
    out.back().origins = {config.origin(one.key)};
  }
  return out;
}

/// SP-CONFIG-020 for every variable of the environment that wins over a key. variable: gives the value of a name, null
/// where it is not set, as std::getenv does. COMPILE and TRAIN_ITERS, which NxDT's launcher looks at, are among them.
template <class Variable>
Diagnostics overriding_variables(const Config& config, const Variable& variable) {
  Diagnostics out;
  const auto note = [&](std::string message, std::string_view key) {
    out.push_back(finding("SP-CONFIG-020", std::move(message)));
    out.back().origins = {config.origin(key)};
  };
  for (const OverridingVariable& one : variable_table)
    if (const char* value = variable(one.name.data()))
      note(concat(one.name, "='", value,
                  one.appends ? "' of the environment is put in front of '" : "' of the environment wins over '",
                  one.key, '\''),
           one.key);
  const char* compile = variable("COMPILE");
  const char* iterations = variable("TRAIN_ITERS");
  if (compile != nullptr && compile == std::string_view("1"))
    note("COMPILE=1 sets trainer.max_steps to 10 and writes no checkpoints", "trainer.max_steps");
  if (compile != nullptr && compile == std::string_view("0") && iterations != nullptr)
    note(concat("TRAIN_ITERS=", iterations, " sets trainer.max_steps"), "trainer.max_steps");
  return out;
}

}  // namespace shardplan
