#pragma once
#include <span>
#include <string>
#include <vector>

#include <shardplan/migrate/draft.hpp>
#include <shardplan/migrate/environment.hpp>

/// Keys of a result that no key of the source comes to: what its system needs, and what shell settings say.
namespace shardplan::migrate {

/// The keys that every file of the system needs.
inline void add_missing(Draft& draft, std::span<const Addition> all) {
  for (const Addition& one : all) {
    const Key* instead = one.unless.empty() ? nullptr : draft.key(one.unless);
    if (instead != nullptr && !instead->value.is_null()) continue;
    const bool megatron_only = one.key == "distributed_strategy.zero1" || one.key == "data.data_prefix" ||
                               one.key == "model_source" || one.key == "seed";
    const Node* source = find_path(draft.resolved, "model_source");
    if (megatron_only && source != nullptr && *source == Node{std::string("hf")}) continue;
    draft.add(std::string(one.key), Node{plain_scalar(one.value)}, std::string(one.why));
  }
}

/// Keys that follow from others.
inline void add_dependent(Draft& draft) {
  if (system_of(draft.root) == System::nxdt) return;  // they follow there already
  if (draft.options.from == System::nemo)
    draft.add("model.attention_dropout", Node{0.1}, "what NeMo uses without the key; NxDT would use 0.0");
  const Key* granularity = draft.key("model.activations_checkpoint_granularity");
  if (granularity == nullptr) return;
  const Node& value = granularity->leaf ? *draft.leaves[*granularity->leaf].resolved : granularity->value;
  if (value == Node{std::string("selective")})
    draft.add("model.activations_checkpoint_recompute", Node{Node::Sequence{Node{std::string("CoreAttention")}}},
              "selective names its modules");
  else
    draft.add("model.activations_checkpoint_recompute", Node{}, "only selective names modules");
}

/// The launch mode of NNM decides about the precision, not its trainer, which always says 32.
inline void set_precision(Draft& draft) {
  Key* type = draft.key("precision.type");
  const bool from_trainer = type == nullptr || (type->leaf && draft.leaves[*type->leaf].path == "trainer.precision");
  if (draft.options.from != System::nnm || !from_trainer) return;
  const ShellVariables variables = read_variables(draft.options.environment.value_or(std::string()));
  const auto variable = [&](std::initializer_list<std::string_view> names) -> std::string_view {
    for (const std::string_view one : names)
      if (const Variable* found = variables.find(one)) return found->value;
    return {};
  };
  const auto flag = [&](std::string_view path) {
    const Node* node = find_path(draft.resolved, path);
    return node != nullptr ? node->as<bool>() : nullptr;
  };
  const bool* master = flag("model.zero_use_master_weight");
  const bool* accumulates = flag("model.zero_use_fp32_grad_accum");
  const std::string_view mode = variable({"training_precision", "TRAINING_PRECISION"});
  const std::string_view rounding = variable({"NEURON_RT_STOCHASTIC_ROUNDING_EN"});
  const bool all_bf16 = variable({"XLA_USE_BF16"}) == "1", downcast = variable({"XLA_DOWNCAST_BF16"}) == "1";
  const bool master_only = master != nullptr && *master && accumulates != nullptr && !*accumulates;
  const bool known_mode = mode == "bf16SR" || mode == "fp32" || mode == "fp32_ZeroOptMaster" ||
                          mode == "fp32_ZeroOptMasterGradAcc" || mode == "megatron_amp_O2" || mode == "fp32_OptStates";
  if (!mode.empty() && !known_mode) draft.report.notes.push_back(concat("training_precision '", mode, "' is unknown"));
  std::string is = "mixed_precision", why = "the mode of NNM's launch script is not in this file: --env gives it";
  if (known_mode) {
    why = concat("training_precision is ", mode);
    if (mode == "bf16SR" || mode == "fp32") is = mode;
    if (mode == "fp32_ZeroOptMaster") is = "manual";
  } else if (all_bf16) {
    why = "XLA_USE_BF16 is 1";
    is = rounding == "1" ? "bf16SR" : "manual";
  } else if (master_only) {
    why = "master weights without fp32 accumulation have no name of their own";
    is = "manual";
  } else if (downcast) {
    why = "XLA_DOWNCAST_BF16 is 1";
  } else if (master != nullptr && *master) {
    why = "master weights in fp32";
  }
  draft.set("precision.type", Node{is}, why);
  if (is != "manual") return;
  const std::string rounds = rounding == "0" || (rounding.empty() && all_bf16) ? "0" : "1";
  draft.add("precision.master_weights", Node{!all_bf16}, "as in NNM");
  draft.add("precision.fp32_grad_acc", Node{false}, "as in NNM");
  draft.add("precision.xla_use_bf16", Node{std::string(all_bf16 ? "1" : "0")}, "manual needs it, in quotes");
  draft.add("precision.xla_downcast_bf16", Node{std::string(all_bf16 ? "0" : "1")}, "manual needs it, in quotes");
  draft.add("precision.neuron_rt_stochastic_rounding_en", Node{rounds}, "manual needs it, in quotes");
}

/// The values of a shell file, which won over those of the configuration.
inline void take_environment(Draft& draft) {
  if (!draft.options.environment) return;
  const ShellVariables variables = read_variables(*draft.options.environment);
  for (const Variable& one : variables.all)
    for (const VariableKey& known : variable_keys) {
      if (known.variable != one.name) continue;
      Node value = value_of(one, known);
      if (known.key == "model.optim.name")
        if (Changed better = to_nxdt(Transform::optimizer_name, value, value, draft.lookup()); better.value)
          value = std::move(*better.value);
      draft.set(std::string(known.key), value, concat(one.name, " of ", draft.options.environment_name, ':', one.line));
    }
  if (!variables.skipped.empty())
    draft.report.notes.push_back(concat(draft.options.environment_name, ": not read, since only a shell can: line",
                                        variables.skipped.size() > 1 ? "s " : " ", join(variables.skipped, ", ")));
  Key* granularity = draft.key("model.activations_checkpoint_granularity");
  Key* list = draft.key("model.activations_checkpoint_recompute");
  if (granularity == nullptr || list == nullptr || list->leaf) return;
  const bool selective = granularity->value == Node{std::string("selective")};
  list->value = selective ? Node{Node::Sequence{Node{std::string("CoreAttention")}}} : Node{};
}

}  // namespace shardplan::migrate
