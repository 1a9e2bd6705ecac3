#pragma once
#include <algorithm>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include <shardplan/config/arguments.hpp>
#include <shardplan/config/config.hpp>
#include <shardplan/config/huggingface.hpp>
#include <shardplan/plan/training.hpp>

/// The rules that only a configuration can break (configuration sheet, section 4), each a small function or the row of
/// a table. Those of mesh, model and batch (R2 to R16, R19, R20, R29, R30, R35) are `diagnose`'s.
namespace shardplan {

/// Whose modules a configuration builds its model of (sheet, 2.1).
inline Family family_of(const Config& config) {
  if (config.model_source == "megatron") return Family::megatron;
  const bool mixtral = config.name && config.name->find("mixtral") != std::string::npos;
  return mixtral ? Family::hf_mixtral : Family::hf_llama;
}

/// What the backward pass of a configuration computes again. `findings` gets R21.
inline Recompute recomputation(const Config& config, Diagnostics& findings) {
  const ModelSection& m = config.model;
  Names modules;
  if (const auto* names = m.activations_checkpoint_recompute.as<Node::Sequence>())
    for (const Node& one : *names)
      if (const std::string* text = one.as<std::string>()) modules.push_back(*text);
  Diagnostics found;
  const Recompute out =
      recompute_from_keys(family_of(config), m.activations_checkpoint_granularity.value_or(std::string()), modules,
                          m.fusions.flash_attention, found);
  for (Diagnostic& one : found) {
    one.origins = {config.origin("model.activations_checkpoint_recompute"),
                   config.origin("model.activations_checkpoint_granularity")};
    findings.push_back(std::move(one));
  }
  return out;
}

/// Processes that NxDT starts on a node: R1.
inline constexpr Index allowed_devices[] = {1, 2, 8, 32, 64, 128};

/// A value that NxDT refuses in a megatron model.
struct Forbidden {
  std::string_view id;
  std::string_view key;
  bool (*holds)(const Node&);
  std::string_view instead;
};

inline constexpr Forbidden forbidden_table[] = {
    {"R23", "model.megatron_amp_o2", detail::truthy, "false, with zero1 and master weights"},
    {"R23", "model.gradient_accumulation_fusion", detail::truthy, "false"},
    {"R23", "model.use_emha", detail::truthy, "false"},
    {"R23", "model.num_micro_batches_with_partial_activation_checkpoints", detail::truthy, "null"},
    {"R23", "model.activations_checkpoint_layers_per_pipeline", detail::truthy, "null"},
    {"R23", "model.bias_dropout_add_fusion", detail::truthy, "false"},
    {"R23", "model.bias_activation_fusion", detail::truthy, "false"},
    {"R23", "model.activations_checkpoint_num_layers",
     [](const Node& node) { return node.as<Index>() != nullptr && *node.as<Index>() > 1; }, "1, or without the key"},
    {"R24", "model.activations_checkpoint_num_layers", [](const Node& node) { return node.is_null(); },
     "1, or without the key"},
    {"R23", "model.activations_checkpoint_method", [](const Node& node) { return node == Node{std::string("block")}; },
     "uniform or null"},
    {"R23", "model.disable_layer_norm_checkpointing", [](const Node& node) { return !detail::truthy(node); },
     "true, or without the key"},
    {"R23", "model.optim.name", [](const Node& node) { return node == Node{std::string("distributed_fused_adam")}; },
     "adamw, with zero1"},
};

namespace detail::rules {

/// A configuration under examination. Every rule reads it and reports to it.
struct Examination {
  const Config& config;
  const HfConfig* json;  ///< null: not read
  Family family = family_of(config);
  Diagnostics findings{};

  /// The keys are paths of the file, the most telling first; empty ones do not count.
  void report(std::string_view id, std::string message, std::string hint,
              std::initializer_list<std::string_view> paths) {
    findings.push_back(finding(id, std::move(message), std::move(hint)));
    for (const std::string_view path : paths)
      if (!path.empty()) findings.back().origins.push_back(config.origin(path));
  }

  bool megatron() const { return family == Family::megatron; }
  /// What NxDT's search through the whole file finds, and takes for yes.
  bool found(std::string_view key) const {
    const Mapping::Entry* entry = find_anywhere(config.tree, key);
    return entry != nullptr && truthy(entry->value);
  }
};

inline void devices(Examination& e) {
  constexpr std::string_view key = "trainer.devices";
  const Node* given = e.config.given(key);
  if (const auto* list = given != nullptr ? given->as<Node::Sequence>() : nullptr) {
    const Index* core = list->size() == 1 ? list->front().as<Index>() : nullptr;
    if (core != nullptr && (*core < 1 || *core > 128))
      e.report("R1", concat("trainer.devices names core ", *core), "one core of 1 to 128", {key});
    return;
  }
  const Index count = e.config.trainer.devices;
  Index below = 0, above = 0;
  for (const Index allowed : allowed_devices) {
    if (allowed == count) return;
    if (allowed < count) below = allowed;
    if (allowed > count && above == 0) above = allowed;
  }
  e.report("R1", concat("trainer.devices (", count, ") is not one of ", join(allowed_devices, ", ")),
           below == 0 || above == 0 ? concat(below + above) : concat(below, " or ", above), {key});
}

/// `diagnose` takes a 0 for a size that is not known.
inline void sizes(Examination& e) {
  const auto positive = [&](std::string_view path, const std::optional<Index>& given, std::string_view hint) {
    if (given == Index{0}) e.report("SP-MESH-001", concat(path, " is 0"), std::string(hint), {path});
  };
  positive("data.global_batch_size", e.config.data.global_batch_size,
           "a multiple of data.micro_batch_size x data-parallel size");
  positive("model.encoder_seq_length", e.config.model.encoder_seq_length, "at least 1");
  if (!e.config.model.encoder_seq_length) positive("data.seq_length", e.config.data.seq_length, "at least 1");
}

inline void context_parallel(Examination& e) {
  const Index context = e.config.distributed_strategy.context_parallel_size;
  if (context <= 1) return;
  if (e.family != Family::hf_llama)
    e.report("R17", concat("context size ", context, ", but NxDT has no context parallelism for ", name(e.family)),
             "context size 1", {"distributed_strategy.context_parallel_size"});
  else if (!e.config.model.fusions.ring_attention)
    e.report("R17", concat("context size (", context, ") above 1 needs fusions.ring_attention, which is false"),
             "ring_attention true with flash_attention false, or context size 1",
             {"distributed_strategy.context_parallel_size", "model.fusions.ring_attention"});
}

inline void one_attention(Examination& e) {
  if (e.config.model.fusions.ring_attention && e.config.model.fusions.flash_attention)
    e.report("R18", "fusions.ring_attention and fusions.flash_attention are both true",
             e.config.distributed_strategy.context_parallel_size > 1 ? "flash_attention false" : "ring_attention false",
             {"model.fusions.ring_attention", "model.fusions.flash_attention"});
}

inline void recompute(Examination& e) {
  recomputation(e.config, e.findings);
  const std::string granularity = e.config.model.activations_checkpoint_granularity.value_or(std::string());
  if (!granularity.empty() && granularity != "full" && granularity != "selective")
    e.report("R21", concat("activations_checkpoint_granularity '", granularity, "' is unknown and counts as null"),
             "selective, full or null", {"model.activations_checkpoint_granularity"});
}

inline void forbidden(Examination& e) {
  if (!e.megatron()) return;
  const Node* zero1 = e.config.given("distributed_strategy.zero1");
  if (zero1 == nullptr || !truthy(*zero1))
    e.report("R22", concat("distributed_strategy.zero1 is ", zero1 == nullptr ? "missing" : "off"), "true",
             {"distributed_strategy.zero1"});
  for (const Forbidden& one : forbidden_table) {
    const Node* given = e.config.given(one.key);
    if (given != nullptr && one.holds(*given))
      e.report(one.id, concat('\'', one.key, "' is ", describe(*given)), std::string(one.instead), {one.key});
  }
}

inline void precision(Examination& e) {
  const PrecisionSection& p = e.config.precision;
  if (!precision_from_type(p.type)) {
    Diagnostic unknown = unknown_precision(p.type);
    e.report(unknown.id, std::move(unknown.message), std::move(unknown.hint), {"precision.type"});
  }
  if (p.type != "manual") return;
  std::vector<std::string> wrong;
  Origins origins;
  for (const std::string_view key : {"xla_use_bf16", "xla_downcast_bf16", "neuron_rt_stochastic_rounding_en"}) {
    const std::string path = join_path("precision", key);
    const Node* given = e.config.given(path);
    const std::string* text = given != nullptr ? given->as<std::string>() : nullptr;
    if (text != nullptr && (*text == "0" || *text == "1")) continue;
    wrong.push_back(concat(key, " is ", given != nullptr ? describe(*given) : "missing"));
    origins.push_back(e.config.origin(path));
  }
  if (wrong.empty()) return;
  e.report("R26", concat("precision.type manual, but ", join(wrong, ", ")), "'0' or '1', in quotes", {});
  e.findings.back().origins = std::move(origins);
}

inline void dropless_experts(Examination& e, const Moe& moe) {
  const bool silu =
      e.megatron() ? e.config.model.activation == "swiglu" : e.json == nullptr || e.json->hidden_act == "silu";
  if (!silu && e.megatron())
    e.report("R27", concat("dropless experts with activation '", e.config.model.activation, '\''), "swiglu",
             {"model.activation", "model.moe.dropless"});
  else if (!silu)
    e.report("R27", concat("dropless experts with hidden_act '", e.json->hidden_act.value_or("(missing)"), '\''),
             "silu", {"model.model_config", "model.moe.dropless"});
  if (!moe.glu_mlp)
    e.report("R27", "dropless experts with moe.glu_mlp false", "true", {"model.moe.glu_mlp", "model.moe.dropless"});
  if (moe.capacity_factor.value_or(1) > 0)
    e.report("R27",
             moe.capacity_factor
                 ? concat("capacity_factor ", shortest(*moe.capacity_factor), " counts as 0 with dropless experts")
                 : std::string("capacity_factor is not given, although dropless experts do not use it"),
             "0.0", {"model.moe.capacity_factor", "model.moe.dropless"});
}

inline void experts(Examination& e) {
  const Moe& moe = e.config.model.moe;
  if (e.config.given("model.moe") == nullptr) return;
  if (moe.dropless) return dropless_experts(e, moe);
  if (!moe.capacity_factor || !(*moe.capacity_factor > 0))
    e.report("R28",
             concat("experts that may drop tokens need capacity_factor above 0, which is ",
                    moe.capacity_factor ? shortest(*moe.capacity_factor) : "not given"),
             "1.0, or the number of experts over top_k, or dropless true",
             {"model.moe.capacity_factor", "model.moe.dropless"});
}

/// Preference batches have keys of their own and escape the check of the length.
inline void batch_length(Examination& e) {
  if (e.megatron() || e.found("dpo") || e.found("orpo")) return;
  const std::optional<Index> model = e.config.model.encoder_seq_length, data = e.config.data.seq_length;
  if (!model)
    e.report("R31", "model.encoder_seq_length is not given, but must be the length of a batch", "its length",
             {"model.encoder_seq_length"});
  else if (e.found("sft") && data && *data != *model)
    e.report("R31", concat("batches are made of ", *data, " tokens, model.encoder_seq_length is ", *model),
             concat("both ", *data, " or both ", *model), {"model.encoder_seq_length", "data.seq_length"});
}

inline const Arguments* arguments_of(std::span<const Arguments> table, std::string_view name) {
  for (const Arguments& one : table)
    if (one.name == name) return &one;
  return nullptr;
}

inline std::string names_near(std::span<const Arguments> table, std::string_view name) {
  std::vector<std::string_view> names;
  for (const Arguments& one : table) names.push_back(one.name);
  const std::string_view near = closest(name, names);
  return concat(near.empty() ? std::string() : concat(near, "? There are "), join(names, ", "));
}

/// R32 for one call: what the section at `path` hands over besides `own`.
inline void arguments(Examination& e, std::string_view path, std::string_view own, const Arguments& call) {
  const Mapping* given = e.config.given(path)->as<Mapping>();
  // With these the arguments stand elsewhere, in a form of NeMo's own.
  if (given == nullptr || given->find("args") != nullptr || given->find("_target_") != nullptr) return;
  std::vector<std::string_view> known;
  for (const std::string_view group : call.known)
    for (const std::string_view word : words(group)) known.push_back(word);
  const std::vector<std::string_view> taken = words(own);
  const auto holds = [](const std::vector<std::string_view>& all, std::string_view word) {
    return std::find(all.begin(), all.end(), word) != all.end();
  };
  const std::string name_path = join_path(path, "name");
  for (const Mapping::Entry& entry : *given) {
    if (holds(known, entry.key) || holds(taken, entry.key)) continue;
    std::vector<std::string_view> all = taken;
    all.insert(all.end(), known.begin(), known.end());
    const std::string_view near = closest(entry.key, all);
    e.report("R32", concat(call.name, " takes no argument '", entry.key, '\''),
             concat(near.empty() ? std::string() : concat(near, "? It takes "), join(known, ", ")),
             {join_path(path, entry.key), name_path});
  }
  for (const std::string_view word : words(call.required))
    if (given->find(word) == nullptr)
      e.report("R32", concat(call.name, " needs the argument '", word, '\''), {}, {join_path(path, word), name_path});
}

inline void optimizer(Examination& e) {
  const std::string& name = e.config.model.optim.name;
  if (e.config.given("model.optim") == nullptr) return;
  if (const Arguments* call = arguments_of(optimizer_arguments, name)) {
    arguments(e, "model.optim", optim_keys, *call);
    return;
  }
  if (e.megatron() && name == "distributed_fused_adam") return;  // R23 has said so
  const optim::OptimizerClass* known = optim::optimizer_class(name);
  const bool cuda = known != nullptr && known->needs_cuda;
  e.report("SP-CONFIG-018", concat("optim.name '", name, cuda ? "' needs CUDA" : "' is unknown"),
           cuda ? std::string("adamw, or adamw_fp32OptState") : names_near(optimizer_arguments, name),
           {"model.optim.name"});
}

inline void schedule(Examination& e) {
  const auto& sched = e.config.model.optim.sched;
  if (!sched || !sched->name) return;
  if (const Arguments* call = arguments_of(schedule_arguments, *sched->name))
    arguments(e, "model.optim.sched", sched_keys, *call);
  else
    e.report("SP-CONFIG-019", concat("sched.name '", *sched->name, "' is unknown"),
             names_near(schedule_arguments, *sched->name), {"model.optim.sched.name"});
}

inline void seed(Examination& e) {
  if (e.config.seed && *e.config.seed < 1) e.report("R33", concat("seed is ", *e.config.seed), "at least 1", {"seed"});
}

/// A phase of a schedule and the key that gives its length; no key: there is no such phase.
struct Phase {
  Index steps = 0;
  std::string_view key{};
};

/// The steps given, or a share of `all`, which NeMo cuts off.
inline Phase phase(const Config& config, std::string_view steps_key, std::string_view ratio_key, Index all) {
  if (const Node* steps = config.given(steps_key); steps != nullptr && steps->is<Index>())
    return {std::max(*steps->as<Index>(), Index{0}), steps_key};
  const Node* ratio = config.given(ratio_key);
  if (ratio == nullptr) return {};
  const Index* whole = ratio->as<Index>();
  const double* part = ratio->as<double>();
  const double share = (whole != nullptr  ? static_cast<double>(*whole)
                        : part != nullptr ? *part
                                          : 0) *
                       static_cast<double>(all);
  return {share > 0 ? static_cast<Index>(std::min(share, 1e18)) : 0, ratio_key};
}

/// trainer.max_steps is what every schedule gets; without it NeMo makes none.
inline void schedule_fits(Examination& e) {
  const auto& sched = e.config.model.optim.sched;
  const Index all = e.config.trainer.max_steps;
  if (!sched || sched->name != "CosineAnnealing" || all < 1) return;
  const Phase warmup = phase(e.config, "model.optim.sched.warmup_steps", "model.optim.sched.warmup_ratio", all);
  const Phase constant = phase(e.config, "model.optim.sched.constant_steps", "model.optim.sched.constant_ratio", all);
  const bool warm_only = warmup.steps >= all;
  if (!warm_only && constant.steps < all - warmup.steps) return;
  const std::string message = concat("warm-up (", warmup.steps, ") and constant (", constant.steps,
                                     ") steps are not below max_steps (", all, "): the rate ");
  if (warm_only)
    e.report("R34", message + "never leaves its warm-up", concat("a warm-up below ", all, ", or more max_steps"),
             {warmup.key, constant.key, "trainer.max_steps"});
  else
    e.report("R34", message + "falls to min_lr right after the warm-up",
             concat("constant steps below ", all - warmup.steps, ", or more max_steps"),
             {constant.key, warmup.key, "trainer.max_steps"});
}

inline void alignment(Examination& e) {
  const DistributedStrategy& d = e.config.distributed_strategy;
  if (e.found("dpo") && d.pipeline_model_parallel_size > 1)
    e.report("R36", concat("DPO on ", d.pipeline_model_parallel_size, " pipeline stages"), "pipeline size 1",
             {"distributed_strategy.pipeline_model_parallel_size", "model_alignment_strategy.dpo"});
  if (e.family == Family::hf_llama && e.found("peft") && d.zero1)
    e.report("R37", "LoRA with zero1", "zero1 false", {"distributed_strategy.zero1", "model_alignment_strategy.peft"});
}

}  // namespace detail::rules

/// Everything in a configuration that NxDT refuses, drops without a word or gets wrong, and that does not depend on
/// layouts: R1, R17, R18, R21 to R28, R31 to R34, R36, R37, SP-CONFIG-018 and -019, and SP-MESH-001 of a batch or
/// sequence of 0; with the places of all keys. `hf` is the architecture of its config.json, where that has been read.
/// Where model_source is neither hf nor megatron, rules of a kind of model are left out.
inline Diagnostics check(const Config& config, const std::optional<HfConfig>& hf) {
  namespace rules = detail::rules;
  rules::Examination e{config, hf ? &*hf : nullptr};
  const bool known = is_model_source(config.model_source);
  const struct {
    void (*check)(rules::Examination&);
    bool of_a_kind;
  } all[] = {{rules::devices, false},       {rules::sizes, false},    {rules::context_parallel, true},
             {rules::one_attention, false}, {rules::recompute, true}, {rules::forbidden, true},
             {rules::precision, false},     {rules::experts, true},   {rules::batch_length, true},
             {rules::optimizer, true},      {rules::schedule, false}, {rules::seed, false},
             {rules::schedule_fits, false}, {rules::alignment, true}};
  for (const auto& rule : all)
    if (known || !rule.of_a_kind) rule.check(e);
  return std::move(e.findings);
}

}  // namespace shardplan
