#pragma once
#include <algorithm>
#include <cmath>
#include <concepts>
#include <initializer_list>
#include <span>
#include <type_traits>

#include <shardplan/core/diagnostic.hpp>
#include <shardplan/optim/kinds.hpp>

/// One step of an optimizer on the host, in place, as plain loops: a reference for a trainer's own kernels
/// (configuration sheet, 10). The number of the step counts from 1 and is an argument.
namespace shardplan::optim {

/// Adam's arguments, by torch's names. Defaults are those of adam.
struct AdamSettings {
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool amsgrad = false;      ///< not of adamw_fp32OptState
  bool maximize = false;     ///< not of adamw_fp32OptState
  bool correct_bias = true;  ///< of adamw_fp32OptState alone

  friend constexpr bool operator==(const AdamSettings&, const AdamSettings&) = default;
};

inline constexpr AdamSettings adam_defaults{};
inline constexpr AdamSettings adamw_defaults{.weight_decay = 0.01};
inline constexpr AdamSettings adamw_fp32OptState_defaults{.eps = 1e-6};

/// The state tensors of Adam, starting from 0; `max_exp_avg_sq` only with amsgrad.
template <std::floating_point Real>
struct AdamState {
  std::span<Real> exp_avg;
  std::span<Real> exp_avg_sq;
  std::span<Real> max_exp_avg_sq{};
};

struct SgdSettings {
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;

  friend constexpr bool operator==(const SgdSettings&, const SgdSettings&) = default;
};

namespace detail {

/// The type that an argument has without taking part in the choice of the template.
template <class T>
using as_given = std::type_identity_t<T>;

inline void check_sizes(std::size_t weights, std::initializer_list<std::size_t> others, Index step) {
  for (const std::size_t other : others)
    if (other != weights)
      fail("SP-OPTIM-011", concat("an update of ", weights, " weights with ", other, " gradients or state elements"),
           concat(weights, " of each"), {"weights"});
  if (step < 1) fail("SP-OPTIM-011", concat("an update at step ", step), "steps count from 1", {"step"});
}

inline void check_bound(std::string_view key, double value, double end = 0) {
  if (value >= 0 && (end <= 0 || value < end)) return;
  fail("SP-OPTIM-010", concat(key, " is ", shown(value)),
       end > 0 ? concat("at least 0 and below ", shown(end)) : std::string("at least 0"), {key});
}

inline void check_bounds(const AdamSettings& s, double lr) {
  check_bound("lr", lr);
  check_bound("eps", s.eps);
  check_bound("weight_decay", s.weight_decay);
  check_bound("beta1", s.beta1, 1);
  check_bound("beta2", s.beta2, 1);
}

/// 1 - beta^step: how much of a mean of `step` terms that began at 0 is there.
inline double filled(double beta, Index step) { return 1 - std::pow(beta, static_cast<double>(step)); }

/// The running means of a gradient and of its square.
template <std::floating_point Real>
void mix(Real& mean, Real& square, Real g, const AdamSettings& s) {
  const Real b1 = static_cast<Real>(s.beta1), b2 = static_cast<Real>(s.beta2);
  mean = b1 * mean + static_cast<Real>(1 - s.beta1) * g;
  square = b2 * square + static_cast<Real>(1 - s.beta2) * g * g;
}

/// adam and adamw, whose decay goes another way.
template <std::floating_point Real>
void torch_adam(std::span<Real> weights, std::span<const Real> gradients, AdamState<Real> state, const AdamSettings& s,
                double lr, Index step, bool decoupled) {
  check_sizes(weights.size(), {gradients.size(), state.exp_avg.size(), state.exp_avg_sq.size()}, step);
  if (s.amsgrad) check_sizes(weights.size(), {state.max_exp_avg_sq.size()}, step);
  check_bounds(s, lr);
  const Real rate = static_cast<Real>(lr / filled(s.beta1, step));
  const Real root = static_cast<Real>(std::sqrt(filled(s.beta2, step)));
  const Real eps = static_cast<Real>(s.eps), decay = static_cast<Real>(s.weight_decay);
  const Real kept = static_cast<Real>(1 - lr * s.weight_decay), sign = s.maximize ? Real{-1} : Real{1};
  for (std::size_t i = 0; i < weights.size(); ++i) {
    Real& p = weights[i];
    Real g = sign * gradients[i];
    if (decoupled)
      p *= kept;
    else
      g += decay * p;
    mix(state.exp_avg[i], state.exp_avg_sq[i], g, s);
    Real square = state.exp_avg_sq[i];
    if (s.amsgrad) square = state.max_exp_avg_sq[i] = std::max(state.max_exp_avg_sq[i], square);
    p -= rate * state.exp_avg[i] / (std::sqrt(square) / root + eps);
  }
}

}  // namespace detail

/// torch Adam: the decay is part of the gradient. Errors SP-OPTIM-010 an argument out of its bounds, -011 sizes or
/// step.
template <std::floating_point Real>
void adam(std::span<Real> weights, detail::as_given<std::span<const Real>> gradients,
          detail::as_given<AdamState<Real>> state, const AdamSettings& settings, double lr, Index step) {
  detail::torch_adam(weights, gradients, state, settings, lr, step, false);
}

/// torch AdamW: the weight shrinks first. Errors as of `adam`.
template <std::floating_point Real>
void adamw(std::span<Real> weights, detail::as_given<std::span<const Real>> gradients,
           detail::as_given<AdamState<Real>> state, const AdamSettings& settings, double lr, Index step) {
  detail::torch_adam(weights, gradients, state, settings, lr, step, true);
}

/// NxD's AdamW with float32 state: eps is added before the bias is taken out, and the weight shrinks last, so it is not
/// the same as `adamw`. The state has `State`, which may be wider than the weights: the update is computed in it.
/// Errors as of `adam`.
template <std::floating_point Real, std::floating_point State>
void adamw_fp32OptState(std::span<Real> weights, detail::as_given<std::span<const Real>> gradients,
                        AdamState<State> state, const AdamSettings& s, double lr, Index step) {
  detail::check_sizes(weights.size(), {gradients.size(), state.exp_avg.size(), state.exp_avg_sq.size()}, step);
  detail::check_bounds(s, lr);
  const double bias = s.correct_bias ? std::sqrt(detail::filled(s.beta2, step)) / detail::filled(s.beta1, step) : 1;
  const State rate = static_cast<State>(lr * bias), eps = static_cast<State>(s.eps);
  const Real shrink = static_cast<Real>(lr * s.weight_decay);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    detail::mix(state.exp_avg[i], state.exp_avg_sq[i], static_cast<State>(gradients[i]), s);
    weights[i] -= static_cast<Real>(rate * state.exp_avg[i] / (std::sqrt(state.exp_avg_sq[i]) + eps));
    weights[i] -= shrink * weights[i];
  }
}

/// torch SGD. `momentum_buffer` is empty without momentum; its content before step 1 does not matter. Errors as of
/// `adam`; SP-OPTIM-010 also for nesterov without momentum or with dampening.
template <std::floating_point Real>
void sgd(std::span<Real> weights, detail::as_given<std::span<const Real>> gradients,
         detail::as_given<std::span<Real>> momentum_buffer, const SgdSettings& s, double lr, Index step) {
  detail::check_sizes(weights.size(), {gradients.size()}, step);
  if (s.momentum != 0) detail::check_sizes(weights.size(), {momentum_buffer.size()}, step);
  detail::check_bound("lr", lr);
  detail::check_bound("momentum", s.momentum);
  detail::check_bound("weight_decay", s.weight_decay);
  if (s.nesterov && (s.momentum == 0 || s.dampening != 0))
    fail("SP-OPTIM-010", "nesterov without momentum, or with dampening", "momentum above 0, dampening 0",
         {"nesterov", "momentum", "dampening"});
  const Real momentum = static_cast<Real>(s.momentum), fresh = static_cast<Real>(1 - s.dampening);
  const Real decay = static_cast<Real>(s.weight_decay), sign = s.maximize ? Real{-1} : Real{1};
  for (std::size_t i = 0; i < weights.size(); ++i) {
    Real g = sign * gradients[i] + decay * weights[i];
    if (s.momentum != 0) {
      Real& buffer = momentum_buffer[i];
      buffer = step == 1 ? g : momentum * buffer + fresh * g;
      g = s.nesterov ? g + momentum * buffer : buffer;
    }
    weights[i] -= static_cast<Real>(lr) * g;
  }
}

}  // namespace shardplan::optim
