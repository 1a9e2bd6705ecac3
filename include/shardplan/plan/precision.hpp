#pragma once
#include <optional>

#include <shardplan/core/diagnostic.hpp>
#include <shardplan/core/dtype.hpp>

/// Which element types a training job stores on the device: NxDT's precision modes as switches, and one formula over
/// them (configuration sheet, 5; ZeRO sheet, 3.6 and 5).
namespace shardplan {

/// What a `precision.type` stands for. All off is full precision.
struct Precision {
  bool use_bf16 = false;             ///< XLA_USE_BF16: every float is a bfloat16 on the device
  bool downcast_bf16 = false;        ///< XLA_DOWNCAST_BF16: float32 is bfloat16 on the device, float64 is float32
  bool stochastic_rounding = false;  ///< NEURON_RT_STOCHASTIC_ROUNDING_EN
  bool autocast = false;             ///< the framework itself holds its weights as bfloat16
  bool master_weights = false;       ///< of no effect without ZeRO-1
  bool fp32_grad_acc = false;        ///< of no effect without ZeRO-1

  friend constexpr bool operator==(const Precision&, const Precision&) = default;
};

inline constexpr Precision mixed_precision{.downcast_bf16 = true, .master_weights = true, .fp32_grad_acc = true};

struct PrecisionType {
  const char* name;
  Precision switches;
};

/// The values of `precision.type`. NxDT spells the third mode in two ways and starts with neither as documented; both
/// mean here what the documentation says.
inline constexpr PrecisionType precision_table[] = {
    {"mixed_precision", mixed_precision},
    {"mixed_precisionSR",
     {.downcast_bf16 = true, .stochastic_rounding = true, .master_weights = true, .fp32_grad_acc = true}},
    {"mixed_precision_SR",
     {.downcast_bf16 = true, .stochastic_rounding = true, .master_weights = true, .fp32_grad_acc = true}},
    {"autocast", {.autocast = true, .master_weights = true, .fp32_grad_acc = true}},
    {"bf16SR", {.use_bf16 = true, .stochastic_rounding = true}},
    {"fp32", {}},
    {"manual", {}}};

/// The switches of a `precision.type`; those given where the type is "manual"; none for an unknown type.
constexpr std::optional<Precision> precision_from_type(std::string_view type, const Precision& manual = {}) {
  for (const PrecisionType& known : precision_table)
    if (known.name == type) return type == "manual" ? manual : known.switches;
  return std::nullopt;
}

/// The first type with these switches; "manual" where no other has them.
constexpr std::string_view name(const Precision& precision) {
  for (const PrecisionType& known : precision_table)
    if (known.switches == precision) return known.name;
  return "manual";
}

/// What to say of a type that `precision_from_type` does not know: R25.
inline Diagnostic unknown_precision(std::string_view type) {
  InlineVector<std::string_view, 8> names;
  for (const PrecisionType& known : precision_table) names.push_back(known.name);
  const std::string_view near = closest(type, names);
  return finding("R25", concat("unknown precision.type '", type, "'"),
                 concat(near.empty() ? std::string() : concat(near, "? There are "), join(names, ", ")),
                 {"precision.type"});
}

/// An optimizer by the name that NxDT gives it, and its state tensors of the shape of the weight, with its default
/// arguments (configuration sheet, 10).
struct OptimizerStates {
  const char* name;
  Index states;
};

inline constexpr OptimizerStates optimizer_table[] = {
    {"adam", 2},    {"adamw", 2},   {"adamw_fp32OptState", 2}, {"adamax", 2}, {"adadelta", 2}, {"rprop", 2},
    {"adagrad", 1}, {"rmsprop", 1}, {"novograd", 1},           {"sgd", 0},    {"adafactor", 0}};

/// State tensors of an optimizer; as many as Adam has where the name is unknown.
constexpr Index optimizer_states(std::string_view optimizer) {
  for (const OptimizerStates& known : optimizer_table)
    if (known.name == optimizer) return known.states;
  return optimizer_states("adam");
}

/// What an optimizer keeps of every element that it updates. A name stands for one with default arguments.
struct Optimizer {
  Index states = 2;           ///< tensors of the shape of the weight
  bool double_state = false;  ///< asks for float64 states under downcast by itself

  constexpr Optimizer() = default;
  constexpr Optimizer(std::string_view name)
      : states(optimizer_states(name)), double_state(name == "adamw_fp32OptState") {}
  constexpr Optimizer(const char* name) : Optimizer(std::string_view(name)) {}
  constexpr Optimizer(const std::string& name) : Optimizer(std::string_view(name)) {}

  friend constexpr bool operator==(const Optimizer&, const Optimizer&) = default;
};

/// The type on the device of what the framework takes for `framework`.
constexpr Dtype device_dtype(Dtype framework, const Precision& precision) {
  const bool wide = framework == Dtype::float64;
  if (!wide && framework != Dtype::float32) return framework;
  if (precision.use_bf16) return Dtype::bfloat16;
  if (precision.downcast_bf16) return wide ? Dtype::float32 : Dtype::bfloat16;
  return framework;
}

/// Element types on the device. Weights and gradients have the elements of the whole local parameter; master weights
/// and states those of its ZeRO-1 slice, or of the whole local parameter without ZeRO-1.
struct Storage {
  Dtype weight_dtype = Dtype::float32;
  Dtype gradient_dtype = Dtype::float32;  ///< of the gradient that is kept over the microbatches
  /// Of the slice's copy of the weights, and of its gradient during the step. ZeRO-1 keeps such a copy in every mode.
  std::optional<Dtype> master_dtype{};
  Dtype state_dtype = Dtype::float32;  ///< of each of `states` tensors
  Index states = 0;

  constexpr Index master_bytes() const noexcept { return master_dtype ? bytes(*master_dtype) : 0; }
  constexpr Index state_bytes() const noexcept { return states * bytes(state_dtype); }  ///< all states of one element

  friend constexpr bool operator==(const Storage&, const Storage&) = default;
};

/// What a mode stores.
///
/// Rule     the optimizer updates the weights or, with ZeRO-1, a float32 copy of the slice, which under downcast must
///          be float64 to be more than bfloat16 on the device. Gradients that accumulate in high precision have the
///          type of that copy, states follow it, and adamw_fp32OptState asks for float64 under downcast by itself.
/// Post     without ZeRO-1 master weights and fp32 accumulation change nothing
/// Source   ZeRO sheet 3.1, 3.3, 3.6 and the table of 5; cost-model sheet B3
constexpr Storage storage_of(const Precision& precision, bool zero1, const Optimizer& optimizer) {
  const bool downcast = precision.downcast_bf16;
  const Dtype weight = precision.autocast ? Dtype::bfloat16 : Dtype::float32;
  const Dtype copy = precision.master_weights && downcast ? Dtype::float64 : Dtype::float32;
  const Dtype updated = zero1 ? copy : weight;
  const Dtype gradient = precision.fp32_grad_acc ? updated : weight;
  const Dtype state = optimizer.double_state && downcast ? Dtype::float64 : updated;
  return {device_dtype(weight, precision), device_dtype(gradient, precision),
          zero1 ? std::optional(device_dtype(copy, precision)) : std::nullopt, device_dtype(state, precision),
          optimizer.states};
}

}  // namespace shardplan
