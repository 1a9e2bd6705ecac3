#pragma once
#include <optional>

#include <shardplan/zero/buckets.hpp>

/// What NxD's trainer makes of an optimizer's configuration (ZeRO sheet, 3.6). Field names are those of NxD.
namespace shardplan::zero {

/// `optimizer_config`. A key that is not given keeps its default.
struct OptimizerConfig {
  bool zero_one_enabled = false;
  bool grad_clipping = true;
  std::optional<double> max_grad_norm{};

  friend constexpr bool operator==(const OptimizerConfig&, const OptimizerConfig&) = default;
};

/// `mixed_precision_config`. Keys that are not given follow `zero_one_enabled`.
struct MixedPrecisionConfig {
  std::optional<bool> use_master_weights{};
  std::optional<bool> use_fp32_grad_acc{};
  bool use_master_weights_in_ckpt = false;

  friend constexpr bool operator==(const MixedPrecisionConfig&, const MixedPrecisionConfig&) = default;
};

/// The configuration with the norm that clipping starts from.
constexpr OptimizerConfig filled(OptimizerConfig config) {
  if (config.grad_clipping) config.max_grad_norm = config.max_grad_norm.value_or(1.0);
  return config;
}
/// The configuration with both switches set.
constexpr MixedPrecisionConfig filled(MixedPrecisionConfig config, const OptimizerConfig& optimizer) {
  config.use_master_weights = config.use_master_weights.value_or(optimizer.zero_one_enabled);
  config.use_fp32_grad_acc = config.use_fp32_grad_acc.value_or(optimizer.zero_one_enabled);
  return config;
}

struct TorchVersion {
  int first = 2;
  int second = 8;

  friend constexpr auto operator<=>(const TorchVersion&, const TorchVersion&) = default;
};

/// Everything that the trainer looks at.
struct TrainerInput {
  OptimizerConfig optimizer{};
  MixedPrecisionConfig mixed_precision{};
  std::optional<bool> downcast_bf16{};  ///< XLA_DOWNCAST_BF16, if set
  std::optional<Index> bucket_cap{};    ///< ALL_GATHER_REDUCE_SCATTER_BUCKET_CAP_MB, if set
  Index data = 1;                       ///< data-parallel ranks, context ranks not counted
  Index context = 1;
  Index expert = 1;
  TorchVersion torch{};
  std::string_view optimizer_class = "AdamW";
};

/// The keywords that the optimizer gets; an empty one is not handed over. The caller's own (such as lr) follow as they
/// are.
struct TrainerOptions {
  std::string_view cls;  ///< class that is made: the caller's own without ZeRO-1
  std::optional<bool> grad_clipping{};
  std::optional<bool> pin_layout{};
  std::optional<std::string_view> sharding_groups{};
  std::optional<std::string_view> grad_norm_groups{};
  std::optional<Index> bucket_cap_mb_all_gather{};
  std::optional<Index> bucket_cap_mb_reduce_scatter{};
  std::optional<bool> coalesce_cc{};
  std::optional<bool> use_grad_acc_hook{};
  std::optional<bool> higher_cc_precision{};
  std::optional<bool> save_master_weights{};
  std::optional<Dtype> optimizer_dtype{};

  friend constexpr bool operator==(const TrainerOptions&, const TrainerOptions&) = default;
};

/// All that is wrong or odd. Ids SP-ZERO-002, -004 and, as warnings, -005, -006.
inline Diagnostics diagnose(const TrainerInput& input) {
  Diagnostics out;
  if (input.data < 1) out.push_back(detail::no_ranks(input.data));
  if (!input.optimizer.zero_one_enabled) {
    const MixedPrecisionConfig given = filled(input.mixed_precision, input.optimizer);
    const auto needs_zero1 = [&](bool asked, const char* key) {
      if (asked) out.push_back(finding("SP-ZERO-004", concat(key, " without ZeRO-1"), "zero_one_enabled: True", {key}));
    };
    needs_zero1(*given.use_master_weights, "use_master_weights");
    needs_zero1(*given.use_fp32_grad_acc, "use_fp32_grad_acc");
    needs_zero1(given.use_master_weights_in_ckpt, "use_master_weights_in_ckpt");
    return out;
  }
  // The trainer does not hand the norm over, so the optimizer's own default holds.
  if (const OptimizerConfig config = filled(input.optimizer); config.grad_clipping && *config.max_grad_norm != 1.0)
    out.push_back(finding("SP-ZERO-005", "max_grad_norm does not reach NxD's ZeRO-1 optimizer, which clips at 1.0",
                          "max_grad_norm: 1.0", {"max_grad_norm"}));
  if (input.bucket_cap && *input.bucket_cap > 140)
    out.push_back(finding("SP-ZERO-006",
                          concat("a bucket cap of ", *input.bucket_cap, " MB; NxD has seen NaN above 140 MB"),
                          "at most 140", {"ALL_GATHER_REDUCE_SCATTER_BUCKET_CAP_MB"}));
  return out;
}

/// What the trainer hands to the optimizer. Errors SP-ZERO-002, -004.
inline TrainerOptions trainer_options(const TrainerInput& input) {
  if (Diagnostics all = diagnose(input); has_errors(all)) throw Error(std::move(all));
  if (!input.optimizer.zero_one_enabled) return {.cls = input.optimizer_class};

  const MixedPrecisionConfig precision = filled(input.mixed_precision, input.optimizer);
  TrainerOptions out{.cls = input.expert > 1 ? "NeuronEPZero1Optimizer" : "NeuronZero1Optimizer",
                     .grad_clipping = input.optimizer.grad_clipping,
                     .pin_layout = false,
                     .sharding_groups = input.context > 1 ? "zero1_groups_with_cp" : "data_parallel_groups",
                     .grad_norm_groups = "tensor_parallel_groups",
                     .save_master_weights = precision.use_master_weights_in_ckpt};
  if (input.torch >= TorchVersion{2, 2}) {
    const bool full_precision = *precision.use_master_weights && input.downcast_bf16 == false;
    const BucketCaps caps = bucket_caps(input.data, full_precision, input.bucket_cap);
    out.bucket_cap_mb_all_gather = caps.all_gather;
    out.bucket_cap_mb_reduce_scatter = caps.reduce_scatter;
  } else if (input.torch >= TorchVersion{2, 1}) {
    out.coalesce_cc = true;
  }
  if (*precision.use_fp32_grad_acc) out.use_grad_acc_hook = out.higher_cc_precision = true;
  // The device turns 64-bit floats into 32-bit ones while it turns 32-bit ones into bfloat16.
  if (*precision.use_master_weights && input.downcast_bf16 == true) out.optimizer_dtype = Dtype::float64;
  return out;
}

}  // namespace shardplan::zero
