#pragma once
#include <vector>

#include <shardplan/optim/phases.hpp>

/// What NeMo, NxDT and torch refuse of a schedule, and at which step (configuration sheet, 11).
namespace shardplan::optim {

/// A fault, and the first step at which the original stops: 0 when it is made, later where it finds out in the run.
struct Refusal {
  Index step = 0;
  Diagnostic why;
};

namespace detail {

/// Collects the refusals of one schedule.
class Refusals {
 public:
  Refusals(const ScheduleSettings& settings, const ScheduleClass& of) : s_(settings), of_(of) {
    Diagnostics found;
    p_ = phases(s_, found);
    for (Diagnostic& one : found) out_.push_back({0, std::move(one)});
  }

  std::vector<Refusal> run() {
    arguments();
    if (!out_.empty()) return std::move(out_);  // the formulas below take well-formed arguments
    if (!s_.max_steps) return endless(), std::move(out_);
    const Index begin = p_.decay_begin(), last = *p_.last;
    const double lowest = s_.min_lr.value_or(of_.min_lr);
    switch (of_.kind) {
      case ScheduleKind::cosine:
        cosine(lowest);
        break;
      case ScheduleKind::square:
      case ScheduleKind::linear:
        no_steps(begin, last - p_.warmup);
        break;
      case ScheduleKind::square_root:
        no_steps(begin, last);
        break;
      case ScheduleKind::polynomial:
        polynomial(p_.warmup, last - p_.warmup);
        break;
      case ScheduleKind::polynomial_hold:
        polynomial(p_.hold_end, last - std::max(p_.warmup, p_.hold_end));
        break;
      case ScheduleKind::noam:
        noam(lowest);
        break;
      case ScheduleKind::noam_hold:
        if (p_.warmup == 0 && begin <= last)
          add(begin, "SP-OPTIM-006", "NoamHoldAnnealing has no warm-up to fall from", "warmup_steps of at least 1",
              {"warmup_steps"});
        break;
      case ScheduleKind::t5:
        t5();
        break;
      default:
        torch();
    }
    return std::move(out_);
  }

 private:
  void add(Index step, std::string_view id, std::string_view message, std::string_view hint, Keys keys) {
    out_.push_back({step, finding(id, message, hint, keys)});
  }

  void arguments() {
    if (s_.base_rates.empty()) add(0, "SP-OPTIM-007", "the schedule has no parameter group", "lr", {"lr"});
    Names given = s_.others;
    ScheduleSettings::keys(s_, [&](std::string_view key, const auto& member) {
      if (member && !takes(of_, key)) given.push_back(std::string(key));
    });
    for (const std::string& key : given) {
      InlineVector<std::string_view, 16> known;
      for_each_word(of_.known, [&](std::string_view word) { known.push_back(word); });
      Names all(known);
      for_each_word(of_.phases, [&](std::string_view phase) {
        for (const char* unit : {"_steps", "_ratio"}) all.push_back(concat(phase, unit));
      });
      const std::string_view near = closest(key, all);
      add(0, "SP-OPTIM-002", concat(of_.name, " takes no argument '", key, '\''),
          concat(near.empty() ? std::string() : concat(near, "? It takes "), join(all, ", ")), {key});
    }
    const auto lacks = [&](std::string_view key) {
      bool out = false;
      ScheduleSettings::keys(s_,
                             [&](std::string_view one, const auto& member) { out = out || (one == key && !member); });
      return out && !(key == "max_steps" && s_.endless);
    };
    for_each_word(of_.required, [&](std::string_view key) {
      if (lacks(key)) add(0, "SP-OPTIM-002", concat(of_.name, " needs the argument '", key, '\''), {}, {key});
    });
  }

  /// Without max_steps: the original compares a step with null, or computes with it.
  void endless() {
    const bool new_nemo = s_.variant == Variant::nemo_2_1 || s_.variant == Variant::nxdt;
    Index step = p_.decay_begin();
    switch (of_.kind) {
      case ScheduleKind::constant:
      case ScheduleKind::inverse_square_root:
        if (new_nemo) return;
        break;
      case ScheduleKind::noam:
        return noam(s_.min_lr.value_or(of_.min_lr));
      case ScheduleKind::cosine:
        step = 0;
        break;
      case ScheduleKind::t5:
        if (t5()) return;
        step = p_.constant + 1;
        break;
      case ScheduleKind::linear_warmup:
        step = *s_.warmup_steps;
        break;
      case ScheduleKind::step:
      case ScheduleKind::exponential:
      case ScheduleKind::cyclic:
      case ScheduleKind::plateau:
        return torch();
      default:
        break;
    }
    add(step, "SP-OPTIM-004", concat(of_.name, " without max_steps has no rate from step ", step, " on"),
        "trainer.max_steps", {"max_steps"});
  }

  /// A decay over no steps divides by zero where it is reached.
  void no_steps(Index begin, Index length) {
    if (length == 0 && begin <= *p_.last)
      add(begin, "SP-OPTIM-006", concat(of_.name, " decays over no steps: step ", begin, " has no rate"),
          "more max_steps", {"max_steps"});
  }

  void below(Index step, double lowest, bool equal_too, std::size_t groups) {
    for (std::size_t g = 0; g < groups; ++g) {
      const double base = s_.base_rates[g];
      if (base > lowest || (base == lowest && !equal_too)) continue;
      add(step, "SP-OPTIM-005",
          concat("the base rate ", shown(base), " of group ", g, " is not above min_lr ", shown(lowest)),
          "a min_lr below lr", {"lr", "min_lr"});
      return;
    }
  }

  void cosine(double lowest) {
    const Index begin = p_.warm();
    if (p_.constant == 0) {
      no_steps(begin, *p_.last - p_.warmup);
      if (begin <= *p_.last) below(begin, lowest, false, s_.base_rates.size());
      return;
    }
    below(0, lowest, true, 1);
    const Index steps = p_.cosine_steps(), end = p_.warmup + steps;
    if (begin > end || begin > *p_.last) return;
    no_steps(begin, steps);
    below(begin, lowest, false, s_.base_rates.size());
  }

  void polynomial(Index offset, Index length) {
    const Index begin = p_.decay_begin();
    no_steps(begin, length);
    if (s_.power.value_or(1) >= 0 || length <= 0) return;
    // A negative power of nothing left: at the end of the decay, or of each cycle.
    const Index passed = std::max<Index>(begin - offset, 1);
    const Index end = offset + (s_.cycle.value_or(false) ? (passed + length - 1) / length * length
                                                         : std::max(begin - offset, length));
    if (end <= *p_.last)
      add(end, "SP-OPTIM-006", concat(of_.name, " with a negative power has no rate at step ", end),
          "a power of at least 0", {"power"});
  }

  void noam(double lowest) {
    if (!(*s_.d_model > 0)) add(0, "SP-OPTIM-006", "d_model is not positive", "the width of the model", {"d_model"});
    below(0, lowest, false, s_.base_rates.size());
  }

  bool t5() {
    if (p_.constant > 0) return false;
    add(0, "SP-OPTIM-006", concat("T5InverseSquareRootAnnealing starts from the inverse square root of ", p_.constant),
        "constant_steps of at least 1", {"constant_steps"});
    return true;
  }

  void one_of(std::string_view key, const std::optional<std::string>& value, std::string_view known) {
    if (value && !has_word(known, *value))
      add(0, "SP-OPTIM-002", concat(key, " '", *value, "' is unknown"), concat("one of: ", known), {key});
  }

  /// StepLR, CyclicLR and ReduceLROnPlateau.
  void torch() {
    if (of_.kind == ScheduleKind::step && *s_.step_size < 1)
      add(1, "SP-OPTIM-006", concat("step_size is ", *s_.step_size), "at least 1", {"step_size"});
    if (of_.kind == ScheduleKind::cyclic) {
      const double up = s_.step_size_up.value_or(2000), down = s_.step_size_down.value_or(up);
      if (!(up > 0) || !(down >= 0))
        add(0, "SP-OPTIM-006", "a cycle needs steps up, and not fewer than 0 down", {},
            {"step_size_up", "step_size_down"});
      one_of("mode", s_.mode, "triangular triangular2 exp_range");
      for (const auto* rates : {&s_.base_lr, &s_.max_lr})
        if (const std::size_t count = (*rates)->size(); count != 1 && count != s_.base_rates.size())
          add(0, "SP-OPTIM-007", concat(count, " rates for ", s_.base_rates.size(), " parameter groups"),
              "one for all, or one for each", {rates == &s_.base_lr ? "base_lr" : "max_lr"});
    }
    if (of_.kind == ScheduleKind::plateau) {
      one_of("mode", s_.mode, "min max");
      one_of("threshold_mode", s_.threshold_mode, "rel abs");
      if (s_.factor.value_or(0.1) >= 1)
        add(0, "SP-OPTIM-006", "a factor of 1 or more does not reduce a rate", "below 1", {"factor"});
    }
  }

  const ScheduleSettings& s_;
  const ScheduleClass& of_;
  Phases p_;
  std::vector<Refusal> out_;
};

}  // namespace detail

/// All that is wrong with a schedule, found without running it. Ids SP-OPTIM-001 to -007.
inline std::vector<Refusal> refusals(const ScheduleSettings& settings) {
  const ScheduleClass* of = schedule_class(settings.name);
  if (of == nullptr)
    return {{0, finding("SP-OPTIM-001", concat("there is no schedule '", settings.name, '\''),
                        detail::names_near(schedule_classes, settings.name), {"sched.name"})}};
  return detail::Refusals(settings, *of).run();
}

/// The step at which the original stops; empty: it runs for ever.
inline std::optional<Index> first_refused_step(const ScheduleSettings& settings) {
  std::optional<Index> out;
  for (const Refusal& one : refusals(settings)) out = std::min(out.value_or(one.step), one.step);
  return out;
}

/// All that is wrong with a schedule, as findings.
inline Diagnostics diagnose(const ScheduleSettings& settings) {
  Diagnostics out;
  for (Refusal& one : refusals(settings)) out.push_back(std::move(one.why));
  return out;
}

}  // namespace shardplan::optim
