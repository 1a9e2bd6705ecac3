#pragma once
#include <string>

#include <shardplan/model/architecture.hpp>
#include <shardplan/plan/precision.hpp>

/// How a model is trained, as far as memory and microbatches depend on it.
namespace shardplan {

/// What the backward pass computes again instead of finding it kept. Each switch stands for everything strictly inside
/// a module; the module's input stays.
struct Recompute {
  bool layer = false;                ///< whole decoder layers: granularity `full`
  bool core_attention = false;       ///< scores, softmax and dropout
  bool mlp = false;                  ///< of layers without experts
  bool activation_multiply = false;  ///< the product of gate and up, of layers without experts
  bool norms = false;
  bool experts = false;  ///< router and experts

  friend constexpr bool operator==(const Recompute&, const Recompute&) = default;
};

/// A class that `activations_checkpoint_recompute` may name. Those without a switch keep nothing that is counted.
struct RecomputeModule {
  Family family;
  const char* name;
  bool Recompute::*inside;
};

/// Configuration sheet, 4, R21.
inline constexpr RecomputeModule recompute_table[] = {
    {Family::hf_llama, "CoreAttention", &Recompute::core_attention},
    {Family::hf_llama, "LlamaMLP", &Recompute::mlp},
    {Family::hf_llama, "LlamaRMSNorm", &Recompute::norms},
    {Family::hf_llama, "ActivationMultiplyMLP", &Recompute::activation_multiply},
    {Family::hf_llama, "LlamaDecoderLayer", &Recompute::layer},
    {Family::hf_llama, "LlamaRotaryEmbedding", nullptr},
    {Family::hf_llama, "LlamaForCausalLM", nullptr},
    {Family::hf_mixtral, "CoreAttention", &Recompute::core_attention},
    {Family::hf_mixtral, "LlamaMLP", &Recompute::mlp},
    {Family::hf_mixtral, "MoE", &Recompute::experts},
    {Family::hf_mixtral, "MixtralRMSNorm", &Recompute::norms},
    {Family::hf_mixtral, "MixtralDecoderLayer", &Recompute::layer},
    {Family::hf_mixtral, "MixtralRotaryEmbedding", nullptr},
    {Family::hf_mixtral, "MixtralForCausalLM", nullptr},
    {Family::hf_mixtral, "GQAQKVColumnParallelLinear", nullptr},
    {Family::hf_mixtral, "ColumnParallelLinear", nullptr},
    {Family::hf_mixtral, "RowParallelLinear", nullptr},
    {Family::hf_mixtral, "ParallelEmbedding", nullptr},
    {Family::megatron, "CoreAttention", &Recompute::core_attention},
    {Family::megatron, "NeuronSwitchMLP", &Recompute::experts}};

/// What `activations_checkpoint_granularity` and `activations_checkpoint_recompute` ask for.
///
/// granularity      "selective", "full"; anything else recomputes nothing, but hf Llama without flash attention then
///                  recomputes its core attention
/// modules          read where it is selective; names that NxDT does not know it drops
/// findings         gets R21 for such names, and where no known one is left
/// Source           configuration sheet, R21; cost-model sheet, B3
inline Recompute recompute_from_keys(Family family, std::string_view granularity, const Names& modules,
                                     bool flash_attention, Diagnostics& findings) {
  Recompute out;
  out.layer = granularity == "full";
  if (granularity != "selective") {
    out.core_attention = !out.layer && family == Family::hf_llama && !flash_attention;
    return out;
  }
  InlineVector<std::string_view, 8> known, unknown;
  for (const RecomputeModule& one : recompute_table)
    if (one.family == family) known.push_back(one.name);
  for (const std::string& asked : modules) {
    bool found = false;
    for (const RecomputeModule& one : recompute_table) {
      if (one.family != family || one.name != asked) continue;
      found = true;
      if (one.inside != nullptr) out.*one.inside = true;
    }
    if (!found) unknown.push_back(asked);
  }
  if (modules.empty() || !unknown.empty())
    findings.push_back(finding(
        "R21",
        unknown.empty() ? std::string("selective recomputation names no module")
                        : concat("selective recomputation names ", join(unknown, ", "), ", unknown to ", name(family)),
        concat("any of ", join(known, ", ")), {"activations_checkpoint_recompute"}));
  return out;
}

/// A training job besides its model, strategy and world. What is not known is 0.
struct Training {
  Index global_batch = 0;  ///< sequences a step
  Index micro_batch = 1;   ///< sequences a forward pass on one data-parallel rank
  Index sequence = 0;      ///< tokens of a sequence
  Precision precision = mixed_precision;
  Optimizer optimizer{};  ///< `.optimizer = "adamw"`
  Recompute recompute{};
  bool flash_attention = false;
  bool ring_attention = false;
  double hidden_dropout = 0;     ///< probability, on the two residual branches
  double attention_dropout = 0;  ///< probability, after the softmax
  double capacity_factor = 1;    ///< room of an expert, as a multiple of its even share of the tokens; 0: not known
  bool dropless = false;         ///< experts take every token, and `capacity_factor` does not count

  /// Forward passes of a step on each data-parallel rank, rounded down as NxDT does; 0 where the batch is not known.
  /// Pre: micro_batch > 0, data > 0
  constexpr Index microbatches(Index data) const noexcept { return global_batch / micro_batch / data; }

  friend bool operator==(const Training&, const Training&) = default;
};

inline Storage storage_of(const Training& training, bool zero1) {
  return storage_of(training.precision, zero1, training.optimizer);
}

}  // namespace shardplan
