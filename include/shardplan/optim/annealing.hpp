#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include <shardplan/core/types.hpp>

/// The curves that learning rates follow, as functions of plain numbers (configuration sheet, 11.2). Nothing here is
/// checked: `Schedule` refuses arguments for which a curve has no value.
namespace shardplan::optim {

namespace detail {

constexpr double real(Index number) { return static_cast<double>(number); }

}  // namespace detail

/// Of `warmup` steps after which the base rate is reached: the share at step t <= warmup, never 0.
constexpr double shifted_warmup(Index t, Index warmup) { return detail::real(t + 1) / detail::real(warmup + 1); }

/// The same from 0 on.
constexpr double warmup_from_zero(Index t, Index warmup) { return detail::real(t) / detail::real(warmup); }

/// Half a cosine from `base` at u = 0 to `lowest` at u = length.
inline double cosine(double base, double lowest, Index u, Index length) {
  const double share = 0.5 * (1 + std::cos(std::numbers::pi * detail::real(u) / detail::real(length)));
  return (base - lowest) * share + lowest;
}

/// `base` times a power of what is left of `length` steps after u, not below `lowest`.
inline double power_of_rest(double base, double lowest, Index u, Index length, double power) {
  return std::max(base * std::pow(detail::real(length - u) / detail::real(length), power), lowest);
}

/// A straight line from `base` at u = 0 to `lowest` at u = length.
constexpr double line(double base, double lowest, Index u, Index length) {
  return lowest + (1 - detail::real(u) / detail::real(length)) * (base - lowest);
}

/// A power of the rest of `length` steps between `base` and `lowest`. Past its end it stays there or, with `cycle`, is
/// stretched to the next multiple of `length`.
inline double polynomial(double base, double lowest, Index u, Index length, double power, bool cycle) {
  double steps = detail::real(u), whole = detail::real(length);
  if (cycle)
    whole *= u == 0 ? 1.0 : std::ceil(steps / whole);
  else
    steps = std::min(steps, whole);
  return (base - lowest) * std::pow(1 - steps / whole, power) + lowest;
}

/// The schedule of the Transformer paper at step t for a width `d_model`: a rise over `warmup` steps, then the inverse
/// square root of the step; only after the rise not below `lowest`.
inline double noam(double base, double lowest, Index t, Index warmup, double d_model) {
  const double step = detail::real(std::max<Index>(t, 1)), fall = 1 / std::sqrt(step);
  const double rise = warmup > 0 ? step * std::pow(detail::real(warmup), -1.5) : fall;
  const double rate = base * (1 / std::sqrt(d_model) * std::min(fall, rise));
  return step > detail::real(warmup) ? std::max(rate, lowest) : rate;
}

/// After a warm-up and `hold` steps at the base rate: a fall with the power `decay` of the step.
inline double noam_hold(double base, double lowest, Index t, Index warmup, Index hold, double decay) {
  const double peak = std::max(1.0, std::pow(detail::real(warmup), decay));
  return std::max(base * peak / std::max(1.0, std::pow(detail::real(t - hold), decay)), lowest);
}

/// The inverse square root of the step, shifted so that the warm-up ends at the base rate.
inline double inverse_square_root(double base, Index t, Index warmup) {
  return base / std::sqrt(detail::real(t + 1) / detail::real(warmup + 1));
}

/// Up over `warmup` steps and down to 0 at `max_steps`, both straight (NxDT's LinearAnnealingWithWarmUp).
constexpr double linear_warmup(double base, Index t, Index warmup, Index max_steps) {
  if (t < warmup) return base * (detail::real(t) / detail::real(std::max<Index>(warmup, 1)));
  return base * std::max(0.0, detail::real(max_steps - t) / detail::real(std::max<Index>(max_steps - warmup, 1)));
}

/// A rate multiplied by `gamma` every `step_size` steps. torch multiplies one step after another; this is the product.
inline double step_decay(double base, Index t, Index step_size, double gamma) {
  return base * std::pow(gamma, detail::real(t / step_size));
}

/// How the heights of the triangles of a cyclic schedule shrink.
enum class CycleScale : std::uint8_t {
  triangular,   ///< not at all
  triangular2,  ///< by half from cycle to cycle
  exp_range,    ///< by `gamma` from step to step
};

/// Triangles between `low` and `high`: `up` steps up and `down` steps down.
inline double cyclic(double low, double high, Index t, double up, double down, CycleScale scale, double gamma) {
  const double length = up + down, peak = up / length;
  const double cycle = std::floor(1 + detail::real(t) / length);
  const double place = 1 + detail::real(t) / length - cycle;
  const double height = place <= peak ? place / peak : (place - 1) / (peak - 1);
  const double share = scale == CycleScale::triangular    ? 1
                       : scale == CycleScale::triangular2 ? std::exp2(1 - cycle)
                                                          : std::pow(gamma, detail::real(t));
  return low + (high - low) * height * share;
}

}  // namespace shardplan::optim
