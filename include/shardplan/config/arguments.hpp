#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include <shardplan/optim/optimizer.hpp>

/// What the optimizers and schedules of NeMo and NxDT take, by the names that a configuration gives them
/// (configuration sheet, 10 and 11).
namespace shardplan {

/// What a constructor takes, as words between blanks.
struct Arguments {
  std::string_view name;
  std::string_view known[4]{};
  std::string_view required{};
};

namespace detail::groups {

inline constexpr std::string_view policy = "max_steps min_lr last_epoch";
inline constexpr std::string_view warmup = "warmup_steps warmup_ratio";
inline constexpr std::string_view constant = "constant_steps constant_ratio";
inline constexpr std::string_view hold = "hold_steps hold_ratio";

}  // namespace detail::groups

/// Optimizers that run without CUDA, by `model.optim.name` (sheet, 10), and what they take besides lr.
inline constexpr auto optimizer_arguments = [] {
  constexpr std::size_t count = [] {
    std::size_t out = 0;
    for (const optim::OptimizerClass& one : optim::optimizer_classes) out += one.needs_cuda ? 0 : 1;
    return out;
  }();
  std::array<Arguments, count> out{};
  for (std::size_t at = 0; const optim::OptimizerClass& one : optim::optimizer_classes)
    if (!one.needs_cuda) out[at++] = {one.name, {one.arguments}};
  return out;
}();

/// An argument with which an optimizer keeps one more state tensor of the shape of the weight (sheet, 10).
struct StateArgument {
  std::string_view optimizer;
  std::string_view argument;
  bool zero_counts = false;  ///< any value but null switches it on
};
inline constexpr StateArgument state_arguments[] = {{"adam", "amsgrad"},     {"adamw", "amsgrad"},
                                                    {"sgd", "momentum"},     {"rmsprop", "momentum"},
                                                    {"rmsprop", "centered"}, {"adafactor", "beta1", true}};

/// Keys of `model.optim` that are not the optimizer's.
inline constexpr std::string_view optim_keys = "name cls lr args sched";

/// Schedules, by `model.optim.sched.name`, and what they take (sheet, 11.2).
inline constexpr Arguments schedule_arguments[] = {
    {"WarmupPolicy", {detail::groups::policy, detail::groups::warmup}},
    {"WarmupHoldPolicy", {detail::groups::policy, detail::groups::warmup, detail::groups::hold}},
    {"CosineAnnealing", {detail::groups::policy, detail::groups::warmup, detail::groups::constant}},
    {"SquareAnnealing", {detail::groups::policy, detail::groups::warmup}},
    {"SquareRootAnnealing", {detail::groups::policy, detail::groups::warmup}},
    {"NoamAnnealing", {detail::groups::policy, detail::groups::warmup, "d_model"}, "d_model"},
    {"NoamHoldAnnealing", {detail::groups::policy, detail::groups::warmup, detail::groups::hold, "decay_rate"}},
    {"WarmupAnnealing", {detail::groups::policy, detail::groups::warmup}},
    {"InverseSquareRootAnnealing", {detail::groups::policy, detail::groups::warmup}},
    {"T5InverseSquareRootAnnealing", {detail::groups::policy, detail::groups::constant}, "constant_steps"},
    {"PolynomialDecayAnnealing", {detail::groups::policy, detail::groups::warmup, "power cycle"}},
    {"PolynomialHoldDecayAnnealing",
     {detail::groups::policy, detail::groups::warmup, detail::groups::hold, "power cycle"}},
    {"LinearAnnealingWithWarmUp", {"warmup_steps max_steps last_epoch"}, "warmup_steps"},
    {"StepLR", {"step_size gamma last_epoch verbose"}, "step_size"},
    {"ExponentialLR", {"gamma last_epoch verbose"}, "gamma"},
    {"CyclicLR",
     {"base_lr max_lr step_size_up step_size_down mode gamma scale_fn scale_mode", "cycle_momentum base_momentum",
      "max_momentum last_epoch verbose"},
     "base_lr max_lr"},
    {"ReduceLROnPlateau", {"mode factor patience threshold threshold_mode cooldown min_lr eps verbose"}},
};

/// Keys of `model.optim.sched` that NeMo takes out before it calls the schedule (sheet, 11.1).
inline constexpr std::string_view sched_keys =
    "name args max_steps monitor reduce_on_plateau t_max_epochs t_accumulate_grad_batches t_limit_train_batches "
    "t_num_workers";

/// The words of a text between single blanks.
inline std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace shardplan
