#pragma once
#include <concepts>
#include <utility>

#include <shardplan/optim/annealing.hpp>
#include <shardplan/optim/refusals.hpp>

/// The learning rate at a step, as a plain function of (settings, step): nothing is stepped, nothing is replayed when a
/// run resumes (configuration sheet, 11).
namespace shardplan::optim {

/// Whatever has a rate for a step and a parameter group, by a function beside the type: the library's schedules, and a
/// host's own.
template <class S>
concept LearningRateSchedule = requires(const S& schedule, Index step, std::size_t group) {
  { learning_rate(schedule, step, group) } -> std::convertible_to<double>;
};

/// A schedule that has been found right for every step. A value.
class Schedule {
 public:
  /// Errors SP-OPTIM-001 to -007, all at once, also those that the original finds only in the run.
  explicit Schedule(ScheduleSettings settings) : Schedule(std::move(settings), {}) {
    if (Diagnostics all = diagnose(settings_); !all.empty()) throw Error(std::move(all));
  }

  const ScheduleSettings& settings() const { return settings_; }
  const Phases& phases() const { return phases_; }
  std::size_t groups() const { return settings_.base_rates.size(); }

  friend double learning_rate(const Schedule& schedule, Index step, std::size_t group);
  friend double learning_rate(const ScheduleSettings& settings, Index step, std::size_t group);
  friend bool operator==(const Schedule& a, const Schedule& b) { return a.settings_ == b.settings_; }

 private:
  struct Unchecked {};
  Schedule(ScheduleSettings settings, Unchecked) : settings_(std::move(settings)), of_(schedule_class(settings_.name)) {
    Diagnostics said_by_diagnose;
    phases_ = optim::phases(settings_, said_by_diagnose);
  }

  double value(Index t, std::size_t group) const;
  double with_warmup(Index t, double base) const;
  double constant_cosine(Index t) const;
  double lowest() const { return settings_.min_lr.value_or(of_->min_lr); }

  ScheduleSettings settings_;
  const ScheduleClass* of_;
  Phases phases_;
};

namespace detail {

inline void check_place(const ScheduleSettings& s, Index step, std::size_t group) {
  if (step < 0 || step > most_steps)
    fail("SP-OPTIM-007", concat("the rate of step ", step), concat("a step from 0 to ", most_steps), {"step"});
  if (group >= s.base_rates.size())
    fail("SP-OPTIM-007", concat("the rate of group ", group, " of ", s.base_rates.size()),
         concat("a group below ", s.base_rates.size()), {"group"});
}

/// A list of rates for all groups or for each.
inline double of_group(const Rates& rates, std::size_t group) { return rates[rates.size() == 1 ? 0 : group]; }

}  // namespace detail

/// Cosine with constant steps at the end, after Megatron: one curve for all groups.
inline double Schedule::constant_cosine(Index t) const {
  const Phases& p = phases_;
  const double base = settings_.base_rates.front();
  if (t < p.warm())
    return base * (settings_.variant == Variant::nnm ? shifted_warmup(t, p.warmup) : warmup_from_zero(t, p.warmup));
  if (t > p.warmup + p.cosine_steps()) return lowest();
  return cosine(base, lowest(), t - p.warmup, p.cosine_steps());
}

/// The schedules that share a warm-up and an end.
inline double Schedule::with_warmup(Index t, double base) const {
  const ScheduleSettings& s = settings_;
  const Phases& p = phases_;
  if (t < p.warm()) return base * shifted_warmup(t, p.warmup);
  if (t < p.hold_end) return base;
  if (p.last && t > *p.last) return lowest();
  const Index u = t - p.warmup, length = p.last.value_or(0) - p.warmup;
  switch (of_->kind) {
    case ScheduleKind::cosine:
      return cosine(base, lowest(), u, length);
    case ScheduleKind::square:
      return power_of_rest(base, lowest(), u, length, 2);
    // Of all steps, not of those after the warm-up, so the rate jumps down behind it.
    case ScheduleKind::square_root:
      return power_of_rest(base, lowest(), t, *p.last, 0.5);
    case ScheduleKind::noam_hold:
      return noam_hold(base, lowest(), t, p.warmup, p.hold_end > 0 ? p.hold : 0, s.decay_rate.value_or(0.5));
    case ScheduleKind::linear:
      return line(s.base_rates.front(), lowest(), u, length);
    case ScheduleKind::inverse_square_root:
      return inverse_square_root(base, t, p.warmup);
    case ScheduleKind::polynomial:
      return polynomial(base, lowest(), u, length, s.power.value_or(1), s.cycle.value_or(false));
    // Without a hold counted from step 0, yet over the steps after the warm-up.
    case ScheduleKind::polynomial_hold:
      return polynomial(base, lowest(), t - p.hold_end, *p.last - std::max(p.warmup, p.hold_end), s.power.value_or(1),
                        s.cycle.value_or(false));
    default:
      return base;
  }
}

inline double Schedule::value(Index t, std::size_t group) const {
  const ScheduleSettings& s = settings_;
  const Phases& p = phases_;
  const double base = s.base_rates[group];
  switch (of_->kind) {
    case ScheduleKind::cosine:
      return p.constant > 0 ? constant_cosine(t) : with_warmup(t, base);
    case ScheduleKind::noam:
      return noam(base, lowest(), t, p.warmup, *s.d_model);
    case ScheduleKind::t5:
      return p.last && t > std::max(p.constant, *p.last) ? lowest()
                                                         : 1 / std::sqrt(static_cast<double>(std::max(t, p.constant)));
    case ScheduleKind::linear_warmup:
      return linear_warmup(base, t, *s.warmup_steps, p.last.value_or(0));
    case ScheduleKind::step:
      return step_decay(base, t, std::max<Index>(*s.step_size, 1), s.gamma.value_or(0.1));
    case ScheduleKind::exponential:
      return step_decay(base, t, 1, *s.gamma);
    case ScheduleKind::cyclic: {
      const std::string mode = s.mode.value_or("triangular");
      const double up = s.step_size_up.value_or(2000);
      return cyclic(detail::of_group(*s.base_lr, group), detail::of_group(*s.max_lr, group), t, up,
                    s.step_size_down.value_or(up),
                    mode == "triangular2" ? CycleScale::triangular2
                    : mode == "exp_range" ? CycleScale::exp_range
                                          : CycleScale::triangular,
                    s.gamma.value_or(1));
    }
    case ScheduleKind::plateau:
      fail("SP-OPTIM-008", "ReduceLROnPlateau follows a metric: no step number has its rate",
           "plateau(settings), and after(settings, state, metric)", {"sched.name"});
    default:
      return with_warmup(t, base);
  }
}

/// The rate of a group for the optimizer step that `step` others came before, to the bit whenever and in whatever order
/// it is asked. Errors SP-OPTIM-007 no such step or group, -008 the schedule needs metrics.
inline double learning_rate(const Schedule& schedule, Index step, std::size_t group = 0) {
  detail::check_place(schedule.settings_, step, group);
  return schedule.value(step, group);
}

/// The same for settings that nobody has checked. Errors SP-OPTIM-001 to -008 of what stops the original at this step
/// or before it; faults that only a later step meets pass.
inline double learning_rate(const ScheduleSettings& settings, Index step, std::size_t group = 0) {
  Diagnostics met;
  for (Refusal& one : refusals(settings))
    if (one.step <= step) met.push_back(std::move(one.why));
  if (!met.empty()) throw Error(std::move(met));
  detail::check_place(settings, step, group);
  return Schedule(settings, Schedule::Unchecked{}).value(step, group);
}

static_assert(LearningRateSchedule<Schedule> && LearningRateSchedule<ScheduleSettings>);

/// The rates of the first `groups` parameter groups at a step.
template <LearningRateSchedule S>
Rates learning_rates(const S& schedule, Index step, std::size_t groups) {
  Rates out;
  for (std::size_t group = 0; group < groups; ++group) out.push_back(learning_rate(schedule, step, group));
  return out;
}

/// What NeMo makes of `optim.sched` before a schedule sees it: `trainer.max_steps`, where given, replaces the one of
/// the schedule. Empty: no schedule, so that the base rates hold. Errors SP-OPTIM-004 a negative number of steps, from
/// NeMo 2.1 on; there -1 means no schedule.
inline std::optional<ScheduleSettings> prepared(ScheduleSettings settings,
                                                std::optional<Index> trainer_max_steps = {}) {
  if (trainer_max_steps) settings.max_steps = trainer_max_steps;
  if (settings.name.empty() || !settings.max_steps) return std::nullopt;
  settings.endless = false;
  if (settings.variant == Variant::nemo_2_1 || settings.variant == Variant::nxdt) {
    if (*settings.max_steps == -1) return std::nullopt;
    if (*settings.max_steps < 0)
      fail("SP-OPTIM-004", concat("max_steps is ", *settings.max_steps), "at least 0, or -1 for no schedule",
           {"max_steps"});
  }
  return settings;
}

}  // namespace shardplan::optim
