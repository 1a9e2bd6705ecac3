#pragma once
#include <algorithm>
#include <charconv>

#include <shardplan/core/diagnostic.hpp>
#include <shardplan/optim/settings.hpp>

/// The schedules that NeMo, NxDT and NNM know, and the arguments of each (configuration sheet, 11.2).
namespace shardplan::optim {

enum class ScheduleKind : std::uint8_t {
  constant,
  hold,
  cosine,
  square,
  square_root,
  noam,
  noam_hold,
  linear,
  inverse_square_root,
  t5,
  polynomial,
  polynomial_hold,
  linear_warmup,
  step,
  exponential,
  cyclic,
  plateau,
};

/// A schedule's class. Arguments are words between blanks.
struct ScheduleClass {
  std::string_view name;
  ScheduleKind kind;
  std::string_view known;       ///< besides those of `phases`
  std::string_view phases;      ///< stretches of steps, each given as PHASE_steps or PHASE_ratio
  std::string_view required{};  ///< without a default
  double min_lr = 0;            ///< its default
};

namespace detail {

inline constexpr std::string_view policy = "max_steps min_lr last_epoch";

}  // namespace detail

inline constexpr ScheduleClass schedule_classes[] = {
    {"WarmupPolicy", ScheduleKind::constant, detail::policy, "warmup"},
    {"WarmupHoldPolicy", ScheduleKind::hold, detail::policy, "warmup hold"},
    {"CosineAnnealing", ScheduleKind::cosine, detail::policy, "warmup constant", "max_steps"},
    {"SquareAnnealing", ScheduleKind::square, detail::policy, "warmup", "max_steps", 1e-5},
    {"SquareRootAnnealing", ScheduleKind::square_root, detail::policy, "warmup", "max_steps"},
    {"NoamAnnealing", ScheduleKind::noam, "d_model max_steps min_lr last_epoch", "warmup", "d_model"},
    {"NoamHoldAnnealing", ScheduleKind::noam_hold, "decay_rate max_steps min_lr last_epoch", "warmup hold",
     "max_steps"},
    {"WarmupAnnealing", ScheduleKind::linear, detail::policy, "warmup", "max_steps"},
    {"InverseSquareRootAnnealing", ScheduleKind::inverse_square_root, detail::policy, "warmup", "max_steps"},
    {"T5InverseSquareRootAnnealing", ScheduleKind::t5, detail::policy, "constant", "max_steps constant_steps"},
    {"PolynomialDecayAnnealing", ScheduleKind::polynomial, "power cycle max_steps min_lr last_epoch", "warmup",
     "max_steps"},
    {"PolynomialHoldDecayAnnealing", ScheduleKind::polynomial_hold, "power cycle max_steps min_lr last_epoch",
     "warmup hold", "max_steps"},
    {"LinearAnnealingWithWarmUp", ScheduleKind::linear_warmup, "warmup_steps max_steps last_epoch", "",
     "warmup_steps max_steps"},
    {"StepLR", ScheduleKind::step, "step_size gamma last_epoch verbose", "", "step_size"},
    {"ExponentialLR", ScheduleKind::exponential, "gamma last_epoch verbose", "", "gamma"},
    {"CyclicLR", ScheduleKind::cyclic,
     "base_lr max_lr step_size_up step_size_down mode gamma scale_mode cycle_momentum base_momentum max_momentum "
     "last_epoch verbose",
     "", "base_lr max_lr"},
    {"ReduceLROnPlateau", ScheduleKind::plateau,
     "mode factor patience threshold threshold_mode cooldown min_lr eps verbose", ""},
};

namespace detail {

/// Calls `use` for every word between single blanks.
template <class Use>
constexpr void for_each_word(std::string_view text, Use use) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

constexpr bool has_word(std::string_view text, std::string_view word) {
  bool out = false;
  for_each_word(text, [&](std::string_view one) { out = out || one == word; });
  return out;
}

/// A number in the fewest digits that say it.
inline std::string shown(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

/// The names of a table, and the one that a word most likely means in front.
template <class Table>
std::string names_near(const Table& table, std::string_view word) {
  InlineVector<std::string_view, 20> names;
  for (const auto& one : table) names.push_back(one.name);
  const std::string_view near = closest(word, names);
  return concat(near.empty() ? std::string() : concat(near, "? There are "), join(names, ", "));
}

}  // namespace detail

/// The class of that name; null if there is none.
constexpr const ScheduleClass* schedule_class(std::string_view name) {
  for (const ScheduleClass& one : schedule_classes)
    if (one.name == name) return &one;
  return nullptr;
}

/// Whether the class takes an argument. `max_steps` is handed to a class only if it takes it, so it is never wrong.
constexpr bool takes(const ScheduleClass& of, std::string_view argument) {
  if (argument == "max_steps" || detail::has_word(of.known, argument)) return true;
  const std::size_t end = argument.rfind('_');
  if (end == argument.npos) return false;
  const std::string_view unit = argument.substr(end + 1);
  return (unit == "steps" || unit == "ratio") && detail::has_word(of.phases, argument.substr(0, end));
}

/// How often a schedule goes one step on.
enum class Pace : std::uint8_t { step, epoch };

/// NeMo steps a schedule with the optimizer, but these by the epoch (configuration sheet, 11.1).
constexpr Pace pace(const ScheduleSettings& settings) {
  const ScheduleClass* of = schedule_class(settings.name);
  const bool new_nemo = settings.variant == Variant::nemo_2_1 || settings.variant == Variant::nxdt;
  return of != nullptr && (of->kind == ScheduleKind::plateau || (of->kind == ScheduleKind::exponential && new_nemo))
             ? Pace::epoch
             : Pace::step;
}

}  // namespace shardplan::optim
