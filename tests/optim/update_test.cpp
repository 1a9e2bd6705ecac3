#include <doctest/doctest.h>

#include <cmath>
#include <shardplan/optim/update.hpp>
#include <vector>

#include "../thrown.hpp"

using namespace shardplan;
using optim::AdamSettings;
using optim::AdamState;
using optim::SgdSettings;

namespace {

constexpr std::size_t size = 7;

template <class Real>
std::vector<Real> numbers(Index seed) {
  std::vector<Real> out(size);
  for (std::size_t i = 0; i < size; ++i)
    out[i] = static_cast<Real>(std::sin(static_cast<double>(seed) * 3.7 + static_cast<double>(i) * 1.3));
  return out;
}

/// Means over all gradients so far, from their definition instead of from one step to the next.
double mean(const std::vector<double>& history, double beta, bool squares) {
  double out = 0;
  for (std::size_t k = 0; k < history.size(); ++k) {
    const double g = squares ? history[k] * history[k] : history[k];
    out += (1 - beta) * std::pow(beta, static_cast<double>(history.size() - 1 - k)) * g;
  }
  return out;
}

enum class Which { adam, adamw, fp32 };

template <class Real>
void check_adam(Which which, const AdamSettings& s, double tolerance) {
  std::vector<Real> p = numbers<Real>(0), m(size), v(size), top(size);
  std::vector<double> expected(p.begin(), p.end()), highest(size);
  std::vector<std::vector<double>> history(size);
  for (Index step = 1; step <= 12; ++step) {
    const double lr = 0.01 / static_cast<double>(step);
    const std::vector<Real> g = numbers<Real>(step);
    const AdamState<Real> state{m, v, top};
    if (which == Which::adam) optim::adam(std::span(p), g, state, s, lr, step);
    if (which == Which::adamw) optim::adamw(std::span(p), g, state, s, lr, step);
    if (which == Which::fp32) optim::adamw_fp32OptState(std::span(p), g, state, s, lr, step);
    const double t = static_cast<double>(step), bias1 = 1 - std::pow(s.beta1, t), bias2 = 1 - std::pow(s.beta2, t);
    for (std::size_t i = 0; i < size; ++i) {
      double own = s.maximize && which != Which::fp32 ? -static_cast<double>(g[i]) : static_cast<double>(g[i]);
      if (which == Which::adam) own += s.weight_decay * expected[i];
      history[i].push_back(own);
      const double mean1 = mean(history[i], s.beta1, false), mean2 = mean(history[i], s.beta2, true);
      highest[i] = std::max(highest[i], mean2);
      const double square = s.amsgrad && which != Which::fp32 ? highest[i] : mean2;
      if (which == Which::fp32) {
        expected[i] -= lr * std::sqrt(bias2) / bias1 * mean1 / (std::sqrt(square) + s.eps);
        expected[i] *= 1 - lr * s.weight_decay;
      } else {
        if (which == Which::adamw) expected[i] *= 1 - lr * s.weight_decay;
        expected[i] -= lr * (mean1 / bias1) / (std::sqrt(square / bias2) + s.eps);
      }
      CHECK(static_cast<double>(p[i]) == doctest::Approx(expected[i]).epsilon(tolerance));
      CHECK(static_cast<double>(m[i]) == doctest::Approx(mean1).epsilon(tolerance));
    }
  }
}

}  // namespace

TEST_CASE("adam, adamw, adamw_fp32OptState: the means and updates of their definition") {
  for (const Which which : {Which::adam, Which::adamw, Which::fp32})
    for (const double weight_decay : {0.0, 0.1})
      for (const double eps : {1e-8, 1e-2})
        for (const bool amsgrad : {false, true})
          for (const bool maximize : {false, true}) {
            const AdamSettings settings{.beta1 = 0.9,
                                        .beta2 = 0.95,
                                        .eps = eps,
                                        .weight_decay = weight_decay,
                                        .amsgrad = amsgrad,
                                        .maximize = maximize};
            check_adam<double>(which, settings, 1e-11);
            check_adam<float>(which, settings, 1e-4);
          }
}

TEST_CASE("adamw_fp32OptState: state wider than the weights; without correction of the bias") {
  std::vector<float> p = numbers<float>(0);
  const std::vector<float> before = p, g = numbers<float>(1);
  std::vector<double> m(size), v(size);
  AdamSettings settings = optim::adamw_fp32OptState_defaults;
  settings.correct_bias = false;
  optim::adamw_fp32OptState(std::span(p), g, AdamState<double>{m, v}, settings, 0.1, 1);
  for (std::size_t i = 0; i < size; ++i) {
    const double own = static_cast<double>(g[i]);
    CHECK(m[i] == doctest::Approx(0.1 * own).epsilon(1e-15));
    const double expected = static_cast<double>(before[i]) - 0.1 * m[i] / (std::sqrt(0.001) * std::fabs(own) + 1e-6);
    CHECK(static_cast<double>(p[i]) == doctest::Approx(expected).epsilon(1e-6));
  }
}

TEST_CASE("a rate of 0 changes state only; no gradient and no decay change nothing") {
  const std::vector<double> start = numbers<double>(0), zero(size);
  std::vector<double> p = start, m(size), v(size);
  optim::adamw(std::span(p), numbers<double>(1), AdamState<double>{m, v}, optim::adamw_defaults, 0, 1);
  CHECK(p == start);
  CHECK(m != zero);
  m = v = zero;
  optim::adam(std::span(p), zero, AdamState<double>{m, v}, optim::adam_defaults, 0.1, 1);
  CHECK(p == start);
  optim::sgd(std::span(p), zero, {}, {}, 0.1, 1);
  CHECK(p == start);
}

TEST_CASE("sgd: plain, with momentum, Nesterov") {
  for (const double momentum : {0.0, 0.9})
    for (const double dampening : {0.0, 0.3})
      for (const bool nesterov : {false, true})
        for (const bool maximize : {false, true}) {
          if (nesterov && (momentum == 0 || dampening != 0)) continue;
          const SgdSettings s{momentum, dampening, 0.01, nesterov, maximize};
          std::vector<double> p = numbers<double>(0), buffer(size, 77.0), expected = p, velocity(size);
          for (Index step = 1; step <= 8; ++step) {
            const std::vector<double> g = numbers<double>(step);
            optim::sgd(std::span(p), g, buffer, s, 0.1, step);
            for (std::size_t i = 0; i < size; ++i) {
              const double own = (maximize ? -g[i] : g[i]) + 0.01 * expected[i];
              velocity[i] = momentum * velocity[i] + (step == 1 ? 1 : 1 - dampening) * own;
              expected[i] -= 0.1 * (momentum == 0 ? own : nesterov ? own + momentum * velocity[i] : velocity[i]);
              CHECK(p[i] == doctest::Approx(expected[i]).epsilon(1e-13));
              if (momentum != 0) CHECK(buffer[i] == doctest::Approx(velocity[i]).epsilon(1e-13));
            }
          }
        }
}

TEST_CASE("refused: sizes, steps, bounds") {
  std::vector<double> p(3), g(3), m(3), v(3), two(2);
  const auto run = [&](std::span<const double> gradients, AdamState<double> state, const AdamSettings& s, double lr,
                       Index step) {
    const Ids out = thrown([&] { optim::adam(std::span(p), gradients, state, s, lr, step); });
    CHECK(thrown([&] { optim::adamw(std::span(p), gradients, state, s, lr, step); }) == out);
    if (!s.amsgrad)
      CHECK(thrown([&] { optim::adamw_fp32OptState(std::span(p), gradients, state, s, lr, step); }) == out);
    return out;
  };
  CHECK(run(g, {m, v}, {}, 0.1, 1).empty());
  CHECK(run(two, {m, v}, {}, 0.1, 1) == Ids{"SP-OPTIM-011"});
  CHECK(run(g, {two, v}, {}, 0.1, 1) == Ids{"SP-OPTIM-011"});
  CHECK(run(g, {m, two}, {}, 0.1, 1) == Ids{"SP-OPTIM-011"});
  CHECK(run(g, {m, v}, {.amsgrad = true}, 0.1, 1) == Ids{"SP-OPTIM-011"});
  CHECK(run(g, {m, v}, {}, 0.1, 0) == Ids{"SP-OPTIM-011"});
  CHECK(run(g, {m, v}, {}, -0.1, 1) == Ids{"SP-OPTIM-010"});
  CHECK(run(g, {m, v}, {.beta1 = 1}, 0.1, 1) == Ids{"SP-OPTIM-010"});
  CHECK(run(g, {m, v}, {.beta2 = -0.1}, 0.1, 1) == Ids{"SP-OPTIM-010"});
  CHECK(run(g, {m, v}, {.eps = -1}, 0.1, 1) == Ids{"SP-OPTIM-010"});
  CHECK(run(g, {m, v}, {.weight_decay = -1}, 0.1, 1) == Ids{"SP-OPTIM-010"});
  CHECK(thrown([&] { optim::sgd(std::span(p), two, {}, {}, 0.1, 1); }) == Ids{"SP-OPTIM-011"});
  CHECK(thrown([&] { optim::sgd(std::span(p), g, two, {.momentum = 0.9}, 0.1, 1); }) == Ids{"SP-OPTIM-011"});
  CHECK(thrown([&] { optim::sgd(std::span(p), g, m, {.momentum = -1}, 0.1, 1); }) == Ids{"SP-OPTIM-010"});
  CHECK(thrown([&] { optim::sgd(std::span(p), g, m, {.nesterov = true}, 0.1, 1); }) == Ids{"SP-OPTIM-010"});
}
