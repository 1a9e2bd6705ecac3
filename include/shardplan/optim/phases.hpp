#pragma once
#include <algorithm>
#include <cmath>

#include <shardplan/optim/kinds.hpp>

/// The stretches of a schedule in steps (configuration sheet, 11.1 and 11.2).
namespace shardplan::optim {

/// Steps are counted exactly in double precision up to this many.
inline constexpr Index most_steps = Index{1} << 53;

/// What a schedule's formulas read. Steps that no argument gives are 0.
struct Phases {
  Index warmup = 0;
  Index constant = 0;           ///< at the lowest rate, at the end (cosine), or at the first one (T5)
  Index hold = 0;               ///< at the base rate, behind the warm-up
  Index hold_end = 0;           ///< first step behind `hold`; 0 where no hold is given
  std::optional<Index> last{};  ///< max_steps; empty: no end

  /// First step that the warm-up does not cover: one without steps does not cover step 0, any other one also the step
  /// of its own number.
  constexpr Index warm() const { return warmup > 0 ? warmup + 1 : 0; }
  /// First step of the decay.
  constexpr Index decay_begin() const { return std::max(warm(), hold_end); }
  /// Steps of a cosine with constant steps; may be negative.
  constexpr Index cosine_steps() const { return last.value_or(0) - (constant + warmup); }

  friend constexpr bool operator==(const Phases&, const Phases&) = default;
};

/// `ratio` of `whole` steps, cut off as Python's int() does: 0.29 of 100 are 28. What is no number, or too large,
/// comes out as a number of steps that `phases` refuses.
inline Index share_of(double ratio, Index whole) {
  const double steps = std::trunc(ratio * static_cast<double>(whole));
  if (std::fabs(steps) < 0x1p62) return static_cast<Index>(steps);
  return steps > 0 ? most_steps + 1 : -1;
}

/// The phases of a schedule, with what is wrong about them: SP-OPTIM-003 a phase given twice, negative, as a share of
/// nothing, or beyond `most_steps`.
inline Phases phases(const ScheduleSettings& s, Diagnostics& findings) {
  Phases out{.last = s.max_steps};
  const ScheduleClass* of = schedule_class(s.name);
  if (out.last && (*out.last > most_steps || *out.last < -most_steps)) {
    findings.push_back(
        finding("SP-OPTIM-003", concat("max_steps is ", *out.last), concat("at most ", most_steps), {"max_steps"}));
    out.last = std::clamp(*out.last, -most_steps, most_steps);
  }
  if (of == nullptr) return out;
  const auto steps = [&](std::string_view phase, std::optional<Index> given, std::optional<double> ratio) {
    const std::string in_steps = concat(phase, "_steps"), as_share = concat(phase, "_ratio");
    if (!takes(*of, in_steps)) return Index{0};  // reported as an argument that is not taken
    if (given && ratio)
      findings.push_back(finding("SP-OPTIM-003", concat(in_steps, " and ", as_share, " are both given"), "one of them",
                                 {in_steps, as_share}));
    else if (ratio && !s.max_steps)
      findings.push_back(finding("SP-OPTIM-003", concat(as_share, " without max_steps"),
                                 concat(in_steps, ", or max_steps"), {as_share, "max_steps"}));
    const Index number = given ? *given : ratio && s.max_steps ? share_of(*ratio, *s.max_steps) : 0;
    if (number < 0 || number > most_steps)
      findings.push_back(finding("SP-OPTIM-003", concat("the ", phase, " has ", number, " steps"),
                                 concat("0 to ", most_steps), {given ? in_steps : as_share}));
    return std::clamp(number, Index{0}, most_steps);
  };
  out.warmup = steps("warmup", s.warmup_steps, s.warmup_ratio);
  out.constant = steps("constant", s.constant_steps, s.constant_ratio);
  out.hold = steps("hold", s.hold_steps, s.hold_ratio);
  if (s.hold_steps || s.hold_ratio) out.hold_end = out.warmup + out.hold;
  return out;
}

}  // namespace shardplan::optim
