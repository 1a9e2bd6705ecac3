#pragma once
#include <limits>

#include <shardplan/optim/schedule.hpp>

/// ReduceLROnPlateau: the one schedule that follows a metric, so a value that the host keeps and saves (configuration
/// sheet, 11.2: torch rules).
namespace shardplan::optim {

struct PlateauState {
  Rates rates{};  ///< of every group, as they are now
  double best = 0;
  Index bad_epochs = 0;  ///< since the best metric
  Index cooldown = 0;    ///< epochs in which nothing counts as bad

  friend bool operator==(const PlateauState&, const PlateauState&) = default;
};

namespace detail {

inline void check_plateau(const ScheduleSettings& s) {
  if (Diagnostics all = diagnose(s); !all.empty()) throw Error(std::move(all));
  if (schedule_class(s.name)->kind != ScheduleKind::plateau)
    fail("SP-OPTIM-008", concat(s.name, " follows the step, not a metric"), "learning_rate(settings, step)",
         {"sched.name"});
}

/// Whether a metric is better than the best by more than the threshold. One that is no number never is.
inline bool improves(const ScheduleSettings& s, double metric, double best) {
  const double by = s.threshold.value_or(1e-4), up = s.mode == "max" ? 1 : -1;
  const double bar = s.threshold_mode == "abs" ? best + up * by : best * (1 + up * by);
  return up > 0 ? metric > bar : metric < bar;
}

}  // namespace detail

/// The state before the first metric. Errors SP-OPTIM-001 to -007; -008 the schedule follows no metric.
inline PlateauState plateau(const ScheduleSettings& settings) {
  detail::check_plateau(settings);
  const double none = std::numeric_limits<double>::infinity();
  return {.rates = settings.base_rates, .best = settings.mode == "max" ? -none : none};
}

/// The state after one more metric. Errors as of `plateau`.
inline PlateauState after(const ScheduleSettings& settings, PlateauState state, double metric) {
  detail::check_plateau(settings);
  const bool better = detail::improves(settings, metric, state.best);
  if (better) state.best = metric;
  state.bad_epochs = better ? 0 : state.bad_epochs + 1;
  if (state.cooldown > 0) {
    --state.cooldown;
    state.bad_epochs = 0;
  }
  if (state.bad_epochs <= settings.patience.value_or(10)) return state;
  for (double& rate : state.rates) {
    const double lower = std::max(rate * settings.factor.value_or(0.1), settings.min_lr.value_or(0));
    if (rate - lower > settings.eps.value_or(1e-8)) rate = lower;
  }
  state.cooldown = settings.cooldown.value_or(0);
  state.bad_epochs = 0;
  return state;
}

}  // namespace shardplan::optim
