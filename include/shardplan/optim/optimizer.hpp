#pragma once
#include <vector>

#include <shardplan/core/shape.hpp>
#include <shardplan/optim/kinds.hpp>

/// The optimizers that NeMo and NxDT know: what each keeps of a parameter, its defaults and its arguments
/// (configuration sheet, 10).
namespace shardplan::optim {

/// Shape of a state entry, from that of the (sharded) parameter.
enum class StateShape : std::uint8_t {
  scalar,  ///< one number for the whole parameter
  same,    ///< that of the parameter
  row,     ///< without the last dimension
  column,  ///< without the last but one
};

/// Type of a state entry.
enum class StateType : std::uint8_t {
  counter,  ///< the number of the step, whatever the precision
  state,    ///< that of the optimizer's state: `Storage::state_dtype` of `storage_of`
};

/// Which parameters have an entry.
enum class StateOf : std::uint8_t {
  all,
  factored,  ///< those with two dimensions or more
  vectors,   ///< the others
};

struct StateEntry {
  std::string_view name;
  StateShape shape = StateShape::same;
  StateType type = StateType::state;
  std::string_view argument{};  ///< that switches the entry on; empty: always there
  StateOf of = StateOf::all;
};

/// A default of an argument, with as many values as the argument has; true is 1.
struct Default {
  std::string_view argument;
  double values[3]{};
};

struct OptimizerClass {
  std::string_view name;
  std::string_view arguments;  ///< besides lr, as words between blanks
  StateEntry state[6]{};       ///< those with a name
  Default defaults[7]{};       ///< those with a name; what is not listed is off or 0
  bool needs_cuda = false;
};

namespace detail {

inline constexpr StateEntry counter{"step", StateShape::scalar, StateType::counter};
inline constexpr StateEntry first_moment{"exp_avg"}, second_moment{"exp_avg_sq"};

}  // namespace detail

inline constexpr OptimizerClass optimizer_classes[] = {
    {"adam",
     "betas eps weight_decay amsgrad capturable fused foreach maximize differentiable",
     {detail::counter,
      detail::first_moment,
      detail::second_moment,
      {"max_exp_avg_sq", StateShape::same, StateType::state, "amsgrad"}},
     {{"betas", {0.9, 0.999}}, {"eps", {1e-8}}}},
    {"adamw",
     "betas eps weight_decay amsgrad capturable fused foreach maximize differentiable",
     {detail::counter,
      detail::first_moment,
      detail::second_moment,
      {"max_exp_avg_sq", StateShape::same, StateType::state, "amsgrad"}},
     {{"betas", {0.9, 0.999}}, {"eps", {1e-8}}, {"weight_decay", {0.01}}}},
    {"adamw_fp32OptState",
     "betas eps weight_decay correct_bias no_deprecation_warning capturable differentiable",
     {detail::counter, detail::first_moment, detail::second_moment},
     {{"lr", {1e-3}}, {"betas", {0.9, 0.999}}, {"eps", {1e-6}}, {"correct_bias", {1}}}},
    {"sgd",
     "momentum dampening weight_decay nesterov fused foreach maximize differentiable",
     {{"momentum_buffer", StateShape::same, StateType::state, "momentum"}}},
    {"adadelta",
     "rho eps weight_decay capturable foreach maximize differentiable",
     {detail::counter, {"square_avg"}, {"acc_delta"}},
     {{"rho", {0.9}}, {"eps", {1e-6}}}},
    {"adamax",
     "betas eps weight_decay capturable foreach maximize differentiable",
     {detail::counter, detail::first_moment, {"exp_inf"}},
     {{"betas", {0.9, 0.999}}, {"eps", {1e-8}}}},
    {"adagrad",
     "lr_decay weight_decay initial_accumulator_value eps fused foreach maximize differentiable",
     {detail::counter, {"sum"}},
     {{"eps", {1e-10}}}},
    {"rmsprop",
     "alpha eps weight_decay momentum centered capturable foreach maximize differentiable",
     {detail::counter,
      {"square_avg"},
      {"momentum_buffer", StateShape::same, StateType::state, "momentum"},
      {"grad_avg", StateShape::same, StateType::state, "centered"}},
     {{"alpha", {0.99}}, {"eps", {1e-8}}}},
    {"rprop",
     "etas step_sizes capturable foreach maximize differentiable",
     {detail::counter, {"prev"}, {"step_size"}},
     {{"etas", {0.5, 1.2}}, {"step_sizes", {1e-6, 50}}}},
    {"novograd",
     "betas eps weight_decay grad_averaging amsgrad luc luc_trust luc_eps",
     {detail::counter,
      detail::first_moment,
      {"exp_avg_sq", StateShape::scalar},
      {"max_exp_avg_sq", StateShape::scalar, StateType::state, "amsgrad"}},
     {{"betas", {0.95, 0.98}}, {"eps", {1e-8}}, {"luc_trust", {1e-3}}, {"luc_eps", {1e-8}}}},
    {"adafactor",
     "eps clip_threshold decay_rate beta1 weight_decay scale_parameter relative_step warmup_init min_step_size",
     {detail::counter,
      {"RMS", StateShape::scalar},
      {"exp_avg", StateShape::same, StateType::state, "beta1"},
      {"exp_avg_sq_row", StateShape::row, StateType::state, {}, StateOf::factored},
      {"exp_avg_sq_col", StateShape::column, StateType::state, {}, StateOf::factored},
      {"exp_avg_sq", StateShape::same, StateType::state, {}, StateOf::vectors}},
     {{"eps", {1e-30, 1e-3}},
      {"clip_threshold", {1}},
      {"decay_rate", {-0.8}},
      {"scale_parameter", {1}},
      {"relative_step", {1}},
      {"min_step_size", {1e-2}}}},
    {"adan",
     "betas eps weight_decay no_prox foreach",
     {detail::first_moment, detail::second_moment, {"exp_avg_diff"}, {"neg_pre_grad"}},
     {{"betas", {0.98, 0.92, 0.99}}, {"eps", {1e-8}}, {"foreach", {1}}}},
    {.name = "lamb", .arguments = "", .needs_cuda = true},
    {.name = "fused_adam", .arguments = "", .needs_cuda = true},
    {.name = "distributed_fused_adam", .arguments = "", .needs_cuda = true},
    {.name = "megatron_fused_adam", .arguments = "", .needs_cuda = true},
    {.name = "mcore_distributed_optim", .arguments = "", .needs_cuda = true},
};

/// The optimizer of that name; null if there is none.
constexpr const OptimizerClass* optimizer_class(std::string_view name) {
  for (const OptimizerClass& one : optimizer_classes)
    if (one.name == name) return &one;
  return nullptr;
}

/// The default of an argument, 0 where none is listed; `which`: of one with several values, such as betas.
constexpr double default_of(const OptimizerClass& of, std::string_view argument, std::size_t which = 0) {
  for (const Default& one : of.defaults)
    if (one.argument == argument) return one.values[which];
  return 0;
}

/// An optimizer as a configuration writes it: the names of the arguments that are given, and those that are on.
struct OptimizerSettings {
  std::string name = "adam";
  std::optional<double> lr{};
  Names arguments{};  ///< given, besides lr
  Names on{};         ///< of those: not null, and not 0 or false where that means off

  friend bool operator==(const OptimizerSettings&, const OptimizerSettings&) = default;
};

namespace detail {

inline bool holds(const Names& all, std::string_view word) {
  for (const std::string& one : all)
    if (one == word) return true;
  return false;
}

}  // namespace detail

/// All that keeps an optimizer from being made. Ids SP-OPTIM-009 an unknown name, or one that needs CUDA; -010 an
/// unknown argument, or a rate that is missing, negative, or given where the optimizer finds its own.
inline Diagnostics diagnose(const OptimizerSettings& settings) {
  const OptimizerClass* of = optimizer_class(settings.name);
  if (of == nullptr || of->needs_cuda)
    return {
        finding("SP-OPTIM-009", concat("optimizer '", settings.name, of ? "' needs CUDA" : "' is unknown"),
                of ? std::string("adamw, or adamw_fp32OptState") : detail::names_near(optimizer_classes, settings.name),
                {"optim.name"})};
  Diagnostics out;
  for (const std::string& argument : settings.arguments) {
    if (detail::has_word(of->arguments, argument)) continue;
    InlineVector<std::string_view, 16> known;
    detail::for_each_word(of->arguments, [&](std::string_view word) { known.push_back(word); });
    const std::string_view near = closest(argument, known);
    out.push_back(finding("SP-OPTIM-010", concat(of->name, " takes no argument '", argument, '\''),
                          concat(near.empty() ? std::string() : concat(near, "? It takes "), join(known, ", ")),
                          {argument}));
  }
  const auto rate = [&](std::string_view message, std::string_view hint) {
    out.push_back(finding("SP-OPTIM-010", message, hint, {"optim.lr"}));
  };
  if (settings.lr && *settings.lr < 0) rate(concat("lr is ", detail::shown(*settings.lr)), "at least 0");
  const bool own_rate = of->name == "adafactor";
  if (!settings.lr && !own_rate) rate(concat(of->name, " without lr"), "lr");
  if (settings.lr && own_rate &&
      (!detail::holds(settings.arguments, "relative_step") || detail::holds(settings.on, "relative_step")))
    rate("adafactor finds its own rate, so it takes no lr", "relative_step: false");
  return out;
}

/// A state entry of one parameter.
struct State {
  std::string_view name;
  Shape shape;
  StateType type = StateType::state;

  friend bool operator==(const State&, const State&) = default;
};

/// What the optimizer keeps of a parameter of this (sharded) shape, in the order of its state dictionary; `on` names
/// the arguments that are switched on. Errors SP-OPTIM-009.
///
/// Post     of a matrix, the entries of its own shape are as many as `Optimizer(name).states` of `storage_of` counts
inline std::vector<State> states(std::string_view optimizer, const Shape& shape, const Names& on = {}) {
  const OptimizerClass* of = optimizer_class(optimizer);
  if (of == nullptr || of->needs_cuda) throw Error(diagnose(OptimizerSettings{.name = std::string(optimizer)}));
  std::vector<State> out;
  const bool factored = shape.size() >= 2;
  for (const StateEntry& entry : of->state) {
    if (entry.name.empty() || (!entry.argument.empty() && !detail::holds(on, entry.argument))) continue;
    if (entry.of != StateOf::all && (entry.of == StateOf::factored) != factored) continue;
    Shape own;
    for (std::size_t d = 0; d < shape.size(); ++d) {
      const bool gone = entry.shape == StateShape::scalar ||
                        (entry.shape == StateShape::row && d + 1 == shape.size()) ||
                        (entry.shape == StateShape::column && d + 2 == shape.size());
      if (!gone) own.push_back(shape[d]);
    }
    out.push_back({entry.name, own, entry.type});
  }
  return out;
}

}  // namespace shardplan::optim
