#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <shardplan/optim/schedule.hpp>
#include <string>
#include <vector>

#include "../thrown.hpp"

using namespace shardplan;
using optim::Rates;
using optim::Schedule;
using optim::ScheduleSettings;
using optim::Variant;

namespace {

/// Every schedule with settings under which it has a rate at every step.
std::vector<ScheduleSettings> all_schedules(Index warmup, Index max_steps) {
  std::vector<ScheduleSettings> out;
  const Rates rates{1e-3, 5e-4};
  for (const char* name : {"WarmupPolicy", "SquareAnnealing", "SquareRootAnnealing", "WarmupAnnealing",
                           "InverseSquareRootAnnealing", "PolynomialDecayAnnealing", "CosineAnnealing"})
    out.push_back({.name = name, .base_rates = rates, .warmup_steps = warmup, .max_steps = max_steps, .min_lr = 1e-5});
  for (const char* name : {"WarmupHoldPolicy", "NoamHoldAnnealing", "PolynomialHoldDecayAnnealing"})
    if (warmup > 0 || std::string(name) != "NoamHoldAnnealing")
      out.push_back({.name = name,
                     .base_rates = rates,
                     .warmup_steps = warmup,
                     .hold_steps = 3,
                     .max_steps = max_steps,
                     .min_lr = 1e-5});
  out.push_back({.name = "CosineAnnealing",
                 .base_rates = rates,
                 .warmup_steps = warmup,
                 .constant_steps = 4,
                 .max_steps = max_steps,
                 .min_lr = 1e-5});
  out.push_back(
      {.name = "NoamAnnealing", .base_rates = rates, .warmup_steps = warmup, .max_steps = max_steps, .d_model = 64});
  out.push_back({.name = "T5InverseSquareRootAnnealing",
                 .base_rates = rates,
                 .constant_steps = 4,
                 .max_steps = max_steps,
                 .min_lr = 1e-5});
  out.push_back(
      {.name = "LinearAnnealingWithWarmUp", .base_rates = rates, .warmup_steps = warmup, .max_steps = max_steps});
  out.push_back({.name = "StepLR", .base_rates = rates, .step_size = 3, .gamma = 0.5});
  out.push_back({.name = "ExponentialLR", .base_rates = rates, .gamma = 0.9});
  out.push_back({.name = "CyclicLR", .base_rates = rates, .base_lr = Rates{1e-5}, .max_lr = rates, .step_size_up = 4});
  return out;
}

std::string digits(double number) {
  char out[32];
  std::snprintf(out, sizeof out, "%.6e", number);
  return out;
}

/// Ids of all that is wrong, which is also what making the schedule throws.
Ids wrong(const ScheduleSettings& settings) {
  const Ids out = ids_of(optim::diagnose(settings));
  CHECK(thrown([&] { Schedule{settings}; }) == out);
  return out;
}

/// The settings are refused for one reason, by the original at `step`, and at no step before it.
void check_refused(const ScheduleSettings& settings, Index step, const char* id) {
  CAPTURE(settings.name);
  CAPTURE(id);
  CHECK(wrong(settings) == Ids{id});
  CHECK(optim::first_refused_step(settings) == step);
  if (step > 0) CHECK(thrown([&] { learning_rate(settings, step - 1); }).empty());
  CHECK(thrown([&] { learning_rate(settings, step); }) == Ids{id});
  CHECK(thrown([&] { learning_rate(settings, step + 7); }) == Ids{id});
}

void check_sound(const ScheduleSettings& settings) {
  CAPTURE(settings.name);
  CHECK(wrong(settings).empty());
  CHECK_FALSE(optim::first_refused_step(settings));
}

ScheduleSettings one(const char* name, std::optional<Index> warmup, std::optional<Index> max_steps,
                     std::optional<double> min_lr = {}) {
  return {.name = name, .base_rates = {1e-3}, .warmup_steps = warmup, .max_steps = max_steps, .min_lr = min_lr};
}

}  // namespace

TEST_CASE("the short table of the sheet, to 7 digits") {
  const ScheduleSettings cosine{
      .name = "CosineAnnealing", .base_rates = {3e-4}, .warmup_steps = 10, .max_steps = 100, .min_lr = 3e-5};
  ScheduleSettings constant = cosine, nnm, gpt = cosine;
  constant.constant_steps = 20;
  nnm = constant;
  nnm.variant = Variant::nnm;
  gpt.base_rates = {1.5e-4}, gpt.warmup_steps = 750, gpt.constant_steps = 80000, gpt.max_steps = 20000,
  gpt.min_lr = 1e-5;
  const auto linear = [] {
    ScheduleSettings out = one("LinearAnnealingWithWarmUp", 10, 50);
    out.base_rates = {3e-4};
    return out;
  }();
  ScheduleSettings hold = one("WarmupHoldPolicy", 5, 20, 1e-5), noam = one("NoamAnnealing", 8, 30),
                   noam_hold = one("NoamHoldAnnealing", 6, 30, 1e-5),
                   t5 = one("T5InverseSquareRootAnnealing", {}, 25, 1e-5),
                   polynomial_hold = one("PolynomialHoldDecayAnnealing", 4, 30, 1e-5);
  hold.hold_steps = 4, noam.d_model = 512, noam_hold.hold_steps = 5, t5.constant_steps = 10,
  polynomial_hold.hold_steps = 6;
  struct Row {
    ScheduleSettings settings;
    std::vector<std::pair<Index, const char*>> rates;
  };
  const std::vector<Row> table{
      {cosine,
       {{0, "2.727273e-05"},
        {10, "3.000000e-04"},
        {13, "2.992605e-04"},
        {26, "2.794865e-04"},
        {52, "1.791113e-04"},
        {78, "6.788913e-05"},
        {100, "3.000000e-05"},
        {104, "3.000000e-05"}}},
      {constant,
       {{0, "0.000000e+00"},
        {10, "3.000000e-04"},
        {13, "2.987782e-04"},
        {26, "2.666646e-04"},
        {52, "1.232827e-04"},
        {78, "3.054347e-05"},
        {91, "3.000000e-05"}}},
      {nnm, {{0, "2.727273e-05"}, {10, "3.000000e-04"}, {13, "2.987782e-04"}, {91, "3.000000e-05"}}},
      {gpt,
       {{0, "0.000000e+00"},
        {10, "2.000000e-06"},
        {499, "9.980000e-05"},
        {750, "1.500000e-04"},
        {751, "1.000000e-05"},
        {20000, "1.000000e-05"}}},
      {linear,
       {{0, "0.000000e+00"},
        {7, "2.100000e-04"},
        {14, "2.700000e-04"},
        {28, "1.650000e-04"},
        {49, "7.500000e-06"},
        {56, "0.000000e+00"}}},
      {hold, {{0, "1.666667e-04"}, {6, "1.000000e-03"}, {18, "1.000000e-03"}, {21, "1.000000e-05"}}},
      {one("SquareAnnealing", 5, 25, 1e-5),
       {{6, "9.025000e-04"}, {15, "2.500000e-04"}, {21, "4.000000e-05"}, {24, "1.000000e-05"}}},
      {one("SquareRootAnnealing", 5, 25, 1e-5),
       {{5, "1.000000e-03"}, {6, "8.717798e-04"}, {24, "2.000000e-04"}, {26, "1.000000e-05"}}},
      {noam, {{0, "1.953125e-06"}, {8, "1.562500e-05"}, {32, "7.812500e-06"}}},
      {noam_hold, {{8, "1.000000e-03"}, {12, "9.258201e-04"}, {28, "5.107539e-04"}, {32, "1.000000e-05"}}},
      {one("InverseSquareRootAnnealing", 5, 25, 1e-5),
       {{6, "9.258201e-04"}, {24, "4.898979e-04"}, {27, "1.000000e-05"}}},
      {t5, {{0, "3.162278e-01"}, {12, "2.886751e-01"}, {24, "2.041241e-01"}, {27, "1.000000e-05"}}},
      {one("PolynomialDecayAnnealing", 5, 25, 1e-5), {{6, "9.505000e-04"}, {15, "5.050000e-04"}, {24, "5.950000e-05"}}},
      {polynomial_hold, {{8, "1.000000e-03"}, {12, "9.010000e-04"}, {28, "1.090000e-04"}, {32, "1.000000e-05"}}}};
  for (const Row& row : table) {
    CAPTURE(row.settings.name);
    check_sound(row.settings);
    const Schedule schedule(row.settings);
    for (const auto& [at, rate] : row.rates) {
      const Index step = at;  // clang 14 cannot capture a structured binding
      CAPTURE(step);
      CHECK(digits(learning_rate(schedule, step)) == rate);
    }
  }
}

TEST_CASE("a rate depends on nothing but settings, step and group") {
  for (const Index warmup : {Index{0}, Index{1}, Index{6}})
    for (const ScheduleSettings& settings : all_schedules(warmup, 30)) {
      CAPTURE(settings.name);
      CAPTURE(warmup);
      check_sound(settings);
      const Schedule schedule(settings);
      ScheduleSettings resumed = settings;
      resumed.last_epoch = 17;
      if (optim::takes(*optim::schedule_class(settings.name), "last_epoch")) check_sound(resumed);
      std::vector<Rates> forward;
      for (Index step = 0; step <= 40; ++step) forward.push_back(learning_rates(schedule, step, 2));
      for (Index step = 40; step >= 0; --step) {
        CAPTURE(step);
        CHECK(learning_rates(schedule, step, 2) == forward[static_cast<std::size_t>(step)]);
        CHECK(learning_rates(settings, step, 2) == forward[static_cast<std::size_t>(step)]);
        CHECK(learning_rate(resumed, step, 1) == forward[static_cast<std::size_t>(step)][1]);
      }
    }
}

TEST_CASE("warm-up: straight up to the base rate, which its last step has") {
  for (const Index warmup : {Index{1}, Index{2}, Index{7}})
    for (const ScheduleSettings& settings : all_schedules(warmup, 30)) {
      const optim::ScheduleClass& of = *optim::schedule_class(settings.name);
      // These have a rule of their own.
      if (of.kind == optim::ScheduleKind::noam || !optim::takes(of, "warmup_steps")) continue;
      CAPTURE(settings.name);
      CAPTURE(warmup);
      const bool from_zero = of.kind == optim::ScheduleKind::linear_warmup || settings.constant_steps;
      const bool one_for_all = settings.constant_steps.has_value();
      for (std::size_t group = 0; group < 2; ++group) {
        const double base = settings.base_rates[one_for_all ? 0 : group];
        CHECK(learning_rate(settings, warmup, group) == doctest::Approx(base).epsilon(1e-14));
        for (Index t = 0; t <= warmup; ++t) {
          const double share = from_zero ? static_cast<double>(t) / static_cast<double>(warmup)
                                         : static_cast<double>(t + 1) / static_cast<double>(warmup + 1);
          CHECK(learning_rate(settings, t, group) == doctest::Approx(base * share).epsilon(1e-14));
        }
      }
    }
}

TEST_CASE("after warm-up and hold no rate rises, and none is under the lowest") {
  for (const Index warmup : {Index{0}, Index{1}, Index{6}})
    for (const ScheduleSettings& settings : all_schedules(warmup, 30)) {
      if (settings.name == "CyclicLR") continue;
      CAPTURE(settings.name);
      CAPTURE(warmup);
      const Schedule schedule(settings);
      for (std::size_t group = 0; group < 2; ++group)
        for (Index t = warmup; t < 40; ++t) {
          const double rate = learning_rate(schedule, t, group);
          // The linear decay of group 1 starts above its base rate, at that of group 0.
          if (t > warmup || group == 0) CHECK(learning_rate(schedule, t + 1, group) <= rate * (1 + 1e-14));
          CHECK(rate >= settings.min_lr.value_or(0));
          const optim::ScheduleClass& of = *optim::schedule_class(settings.name);
          if (t > 30 && settings.max_steps && of.kind != optim::ScheduleKind::noam)
            CHECK(rate == settings.min_lr.value_or(0));
        }
    }
}

TEST_CASE("decays that start at the base rate do so without a jump") {
  // Over many steps the first one of the decay is close to the last one of the warm-up.
  for (const char* name : {"CosineAnnealing", "SquareAnnealing", "WarmupAnnealing", "InverseSquareRootAnnealing",
                           "PolynomialDecayAnnealing"}) {
    CAPTURE(name);
    const ScheduleSettings settings = one(name, 100, 1'000'000);
    CHECK(learning_rate(settings, 101) == doctest::Approx(learning_rate(settings, 100)).epsilon(0.02));
  }
  const ScheduleSettings jump = one("SquareRootAnnealing", 600, 1000);
  CHECK(learning_rate(jump, 601) < 0.7 * learning_rate(jump, 600));
}

TEST_CASE("phases: steps, shares cut off, nothing") {
  Diagnostics none;
  ScheduleSettings settings{.name = "WarmupHoldPolicy", .base_rates = {1.0}, .max_steps = 100};
  CHECK(optim::phases(settings, none) == optim::Phases{.last = 100});
  settings.warmup_ratio = 0.29, settings.hold_ratio = 0.57;
  CHECK(optim::phases(settings, none) == optim::Phases{.warmup = 28, .hold = 56, .hold_end = 84, .last = 100});
  settings = {.name = "WarmupHoldPolicy", .base_rates = {1.0}, .warmup_steps = 5, .hold_steps = 0, .max_steps = 100};
  CHECK(optim::phases(settings, none) == optim::Phases{.warmup = 5, .hold = 0, .hold_end = 5, .last = 100});
  CHECK(none.empty());
  for (Index whole = 0; whole <= 200; ++whole)
    for (Index part = 0; part <= 4; ++part)
      CHECK(optim::share_of(static_cast<double>(part) * 0.25, whole) == part * whole / 4);
  for (const double bad : {1e300, -1e300, std::nan("")}) {
    settings = {.name = "WarmupPolicy", .base_rates = {1.0}, .max_steps = 100, .warmup_ratio = bad};
    check_refused(settings, 0, "SP-OPTIM-003");
  }
}

TEST_CASE("cosine with constant steps: one curve for all groups, then the lowest rate") {
  for (const Variant variant : {Variant::nxdt, Variant::nemo_1_14, Variant::nemo_2_1, Variant::nnm})
    for (Index constant = 1; constant <= 40; ++constant)
      for (const Index warmup : {Index{1}, Index{4}}) {
        const ScheduleSettings settings{.name = "CosineAnnealing",
                                        .base_rates = {3e-4, 1e-4},
                                        .variant = variant,
                                        .warmup_steps = warmup,
                                        .constant_steps = constant,
                                        .max_steps = 30,
                                        .min_lr = 1e-5};
        check_sound(settings);
        for (Index t = 0; t < 40; ++t) {
          const double rate = learning_rate(settings, t);
          CHECK(learning_rate(settings, t, 1) == rate);
          if (t > warmup && t > 30 - constant) CHECK(rate == 1e-5);
          if (t > warmup && t < 30 - constant) CHECK(rate > 1e-5);
        }
        CHECK((learning_rate(settings, 0) == 0) == (variant != Variant::nnm));
      }
}

TEST_CASE("NoamAnnealing: rises to the warm-up, falls without end") {
  ScheduleSettings settings = one("NoamAnnealing", 16, 30);
  settings.d_model = 256;
  for (Index t = 1; t < 16; ++t) CHECK(learning_rate(settings, t + 1) > learning_rate(settings, t));
  for (Index t = 16; t < 300; ++t) {
    CHECK(learning_rate(settings, t + 1) < learning_rate(settings, t));
    CHECK(learning_rate(settings, t) == doctest::Approx(1e-3 / 16 / std::sqrt(static_cast<double>(t))));
  }
  CHECK(learning_rate(settings, 0) == learning_rate(settings, 1));
  settings.min_lr = 1e-5;
  CHECK(learning_rate(settings, 1) < 1e-5);  // the bound does not hold in the rise
  CHECK(learning_rate(settings, 100'000) == 1e-5);
  settings.max_steps = {};
  check_sound(settings);
}

TEST_CASE("StepLR and ExponentialLR: what multiplying step by step gives") {
  for (const double gamma : {0.1, 0.5, 0.97, 1.0, 1.01})
    for (const Index step_size : {Index{1}, Index{3}, Index{10}}) {
      const ScheduleSettings settings{
          .name = "StepLR", .base_rates = {2e-3, 7e-4}, .step_size = step_size, .gamma = gamma};
      const ScheduleSettings exponential{.name = "ExponentialLR", .base_rates = {2e-3, 7e-4}, .gamma = gamma};
      for (std::size_t group = 0; group < 2; ++group) {
        double chained = settings.base_rates[group], every = chained;
        for (Index t = 0; t < 100; ++t) {
          if (t > 0 && t % step_size == 0) chained *= gamma;
          if (t > 0) every *= gamma;
          CHECK(learning_rate(settings, t, group) == doctest::Approx(chained).epsilon(1e-12));
          CHECK(learning_rate(exponential, t, group) == doctest::Approx(every).epsilon(1e-12));
        }
      }
    }
  const ScheduleSettings defaults{.name = "StepLR", .base_rates = {1.0}, .step_size = 2};
  CHECK(learning_rate(defaults, 2) == doctest::Approx(0.1));
}

TEST_CASE("CyclicLR: triangles, walked by hand") {
  for (const int up : {1, 3, 4})
    for (const int down : {1, 2, 5})
      for (const char* mode : {"triangular", "triangular2", "exp_range"}) {
        const double low = 1e-4, high = 1e-3, gamma = 0.95;
        ScheduleSettings settings{.name = "CyclicLR",
                                  .base_rates = {5.0},
                                  .base_lr = Rates{low},
                                  .max_lr = Rates{high},
                                  .step_size_up = up,
                                  .step_size_down = down,
                                  .mode = mode};
        if (mode[0] == 'e') settings.gamma = gamma;
        int place = 0, cycle = 0;
        for (Index t = 0; t < 60; ++t) {
          double height = place <= up ? static_cast<double>(place) / up : 1 - static_cast<double>(place - up) / down;
          if (*settings.mode == "triangular2") height /= std::pow(2, cycle);
          if (mode[0] == 'e') height *= std::pow(gamma, static_cast<double>(t));
          CHECK(learning_rate(settings, t) == doctest::Approx(low + (high - low) * height).epsilon(1e-9));
          if (++place == up + down) place = 0, ++cycle;
        }
      }
  // Without steps down as many as up; without any 2000.
  ScheduleSettings settings{.name = "CyclicLR", .base_rates = {1.0}, .base_lr = Rates{0.0}, .max_lr = Rates{1.0}};
  CHECK(learning_rate(settings, 1000) == doctest::Approx(0.5));
  CHECK(learning_rate(settings, 3000) == doctest::Approx(0.5));
  settings.step_size_up = 2;
  CHECK(learning_rate(settings, 4) == doctest::Approx(0));
}

TEST_CASE("polynomial: powers, and cycles past the end of a decay without hold") {
  ScheduleSettings settings = one("PolynomialDecayAnnealing", 2, 12, 1e-5);
  for (const double power : {0.5, 1.0, 2.0, 3.0}) {
    settings.power = power;
    for (Index t = 3; t <= 12; ++t) {
      const double rest = 1 - static_cast<double>(t - 2) / 10;
      CHECK(learning_rate(settings, t) == doctest::Approx(1e-5 + (1e-3 - 1e-5) * std::pow(rest, power)));
    }
  }
  settings.power = 0;
  CHECK(learning_rate(settings, 12) == doctest::Approx(1e-3));
  // Counted from 0 over 10 steps: 11 and 12 are in the second cycle, of 20.
  ScheduleSettings hold = one("PolynomialHoldDecayAnnealing", 2, 12, 0.0);
  CHECK(learning_rate(hold, 12) == 0);
  hold.cycle = true;
  CHECK(learning_rate(hold, 10) == 0);
  CHECK(learning_rate(hold, 12) == doctest::Approx(1e-3 * 0.4));
}

TEST_CASE("refused when it is made: names and arguments") {
  check_refused(one("CosineAnealing", 1, 10), 0, "SP-OPTIM-001");
  CHECK(optim::diagnose(one("CosineAnealing", 1, 10))[0].hint.starts_with("CosineAnnealing?"));
  check_refused(one("rprop", 1, 10), 0, "SP-OPTIM-001");
  ScheduleSettings settings = one("CosineAnnealing", 3, 20);
  settings.others = {"decay_steps"};
  check_refused(settings, 0, "SP-OPTIM-002");
  check_refused(one("LinearAnnealingWithWarmUp", 4, 12, 1e-5), 0, "SP-OPTIM-002");
  check_refused(one("LinearAnnealingWithWarmUp", {}, 12), 0, "SP-OPTIM-002");
  check_refused(one("LinearAnnealingWithWarmUp", 4, {}), 0, "SP-OPTIM-002");
  check_refused(one("NoamAnnealing", 4, 12), 0, "SP-OPTIM-002");
  check_refused(one("T5InverseSquareRootAnnealing", {}, 12), 0, "SP-OPTIM-002");
  settings = one("T5InverseSquareRootAnnealing", {}, 12);
  settings.constant_ratio = 0.2;
  check_refused(settings, 0, "SP-OPTIM-002");
  for (const char* name : {"StepLR", "ExponentialLR"}) check_refused(one(name, {}, 12), 0, "SP-OPTIM-002");
  CHECK(wrong(one("CyclicLR", {}, 12)) == Ids{"SP-OPTIM-002", "SP-OPTIM-002"});
  settings = {.name = "CyclicLR", .base_rates = {1.0}, .base_lr = Rates{0.0}, .max_lr = Rates{1.0}, .mode = "square"};
  check_refused(settings, 0, "SP-OPTIM-002");
  settings = one("CosineAnnealing", 3, 20);
  settings.base_rates.clear();
  check_refused(settings, 0, "SP-OPTIM-007");
  // max_steps is dropped where a class does not take it.
  settings = {.name = "ExponentialLR", .base_rates = {1.0}, .max_steps = 12, .gamma = 0.5};
  check_sound(settings);
}

TEST_CASE("every class takes what it must have, and is found by its name") {
  for (const optim::ScheduleClass& one : optim::schedule_classes) {
    CAPTURE(one.name);
    CHECK(optim::schedule_class(one.name) == &one);
    std::size_t required = 0;
    optim::detail::for_each_word(one.required, [&](std::string_view word) {
      CHECK(optim::takes(one, word));
      ++required;
    });
    const ScheduleSettings bare{.name = std::string(one.name), .base_rates = {1e-3}, .endless = true};
    std::size_t missed = 0;
    for (const Diagnostic& d : optim::diagnose(bare)) missed += d.id == "SP-OPTIM-002";
    CHECK(missed == required - (one.required.find("max_steps") != one.required.npos));
    CHECK(optim::takes(one, "warmup_ratio") == (one.phases.find("warmup") != one.phases.npos));
    CHECK_FALSE(optim::takes(one, "decay_steps"));
    CHECK_FALSE(optim::takes(one, "steps"));
  }
}

TEST_CASE("refused when it is made: phases") {
  ScheduleSettings settings = one("CosineAnnealing", 3, 20);
  settings.warmup_ratio = 0.1;
  check_refused(settings, 0, "SP-OPTIM-003");
  settings = one("CosineAnnealing", {}, 20);
  settings.constant_steps = 3, settings.constant_ratio = 0.1;
  check_refused(settings, 0, "SP-OPTIM-003");
  settings = one("WarmupHoldPolicy", 2, 20);
  settings.hold_steps = 3, settings.hold_ratio = 0.1;
  check_refused(settings, 0, "SP-OPTIM-003");
  settings = one("WarmupPolicy", {}, {});
  settings.warmup_ratio = 0.1;
  check_refused(settings, 0, "SP-OPTIM-003");
  check_refused(one("WarmupPolicy", -1, 20), 0, "SP-OPTIM-003");
  settings.warmup_ratio = -0.5, settings.max_steps = 20;
  check_refused(settings, 0, "SP-OPTIM-003");
  const Index huge = std::numeric_limits<Index>::max();
  check_refused(one("WarmupPolicy", huge, 20), 0, "SP-OPTIM-003");
  check_refused(one("WarmupPolicy", 2, huge), 0, "SP-OPTIM-003");
  check_refused(one("WarmupPolicy", 2, -huge), 0, "SP-OPTIM-003");
  check_sound(one("CosineAnnealing", optim::most_steps, optim::most_steps));
}

TEST_CASE("refused later: no max_steps") {
  for (const Index warmup : {Index{0}, Index{3}}) {
    const Index begin = warmup > 0 ? warmup + 1 : 0;
    for (const optim::ScheduleClass& of : optim::schedule_classes) {
      if (of.kind >= optim::ScheduleKind::step || of.kind == optim::ScheduleKind::noam) continue;
      for (const Variant variant : {Variant::nxdt, Variant::nemo_2_1, Variant::nemo_1_14, Variant::nnm}) {
        const bool new_nemo = variant == Variant::nxdt || variant == Variant::nemo_2_1;
        ScheduleSettings settings{
            .name = std::string(of.name), .base_rates = {1e-3}, .variant = variant, .endless = true};
        CAPTURE(settings.name);
        CAPTURE(warmup);
        if (of.kind == optim::ScheduleKind::t5) {
          settings.constant_steps = 4;
          check_refused(settings, 5, "SP-OPTIM-004");
          continue;
        }
        settings.warmup_steps = warmup;
        if (of.kind == optim::ScheduleKind::cosine)
          check_refused(settings, 0, "SP-OPTIM-004");
        else if (of.kind == optim::ScheduleKind::linear_warmup)
          check_refused(settings, warmup, "SP-OPTIM-004");
        else if (new_nemo &&
                 (of.kind == optim::ScheduleKind::constant || of.kind == optim::ScheduleKind::inverse_square_root))
          check_sound(settings);
        else
          check_refused(settings, begin, "SP-OPTIM-004");
      }
    }
  }
  ScheduleSettings hold = one("WarmupHoldPolicy", 3, {});
  hold.hold_steps = 6;
  check_refused(hold, 9, "SP-OPTIM-004");
}

TEST_CASE("refused: a base rate below the lowest") {
  for (const Index warmup : {Index{0}, Index{3}}) {
    ScheduleSettings settings = one("CosineAnnealing", warmup, 20, 2e-3);
    check_refused(settings, warmup > 0 ? warmup + 1 : 0, "SP-OPTIM-005");
    settings.max_steps = warmup;
    if (warmup > 0) check_sound(settings);  // the decay is never reached
    settings = one("NoamAnnealing", warmup, 20, 2e-3);
    settings.d_model = 64;
    check_refused(settings, 0, "SP-OPTIM-005");
  }
  ScheduleSettings settings = one("CosineAnnealing", 3, 20, 1e-3);
  check_sound(settings);
  settings.constant_steps = 5;  // here the rates may not even be equal
  check_refused(settings, 0, "SP-OPTIM-005");
  settings.base_rates = {2e-3, 5e-4};  // and the other groups are looked at after the warm-up
  check_refused(settings, 4, "SP-OPTIM-005");
  settings.constant_steps = 17;
  check_sound(settings);
  for (const char* name : {"WarmupPolicy", "SquareAnnealing", "WarmupAnnealing", "PolynomialDecayAnnealing"})
    check_sound(one(name, 3, 20, 2e-3));
}

TEST_CASE("refused: steps without a rate") {
  for (const char* name : {"CosineAnnealing", "SquareAnnealing", "SquareRootAnnealing", "WarmupAnnealing",
                           "PolynomialDecayAnnealing", "PolynomialHoldDecayAnnealing"}) {
    check_refused(one(name, 0, 0), 0, "SP-OPTIM-006");
    for (Index warmup = 1; warmup < 4; ++warmup) check_sound(one(name, warmup, warmup));
  }
  ScheduleSettings settings = one("CosineAnnealing", 0, 20);
  settings.constant_steps = 20;
  check_refused(settings, 0, "SP-OPTIM-006");
  settings.constant_steps = 21;
  check_sound(settings);

  settings = one("PolynomialHoldDecayAnnealing", 4, 20);
  settings.hold_steps = 16;
  check_refused(settings, 20, "SP-OPTIM-006");
  settings.hold_steps = 17;
  check_sound(settings);
  for (const bool cycle : {false, true}) {
    settings = one("PolynomialDecayAnnealing", 4, 20);
    settings.power = -1, settings.cycle = cycle;
    check_refused(settings, 20, "SP-OPTIM-006");
    settings.name = "PolynomialHoldDecayAnnealing";
    check_refused(settings, 16, "SP-OPTIM-006");
    settings.hold_steps = 3;
    check_refused(settings, 20, "SP-OPTIM-006");
  }

  settings = one("NoamHoldAnnealing", {}, 20);
  check_refused(settings, 0, "SP-OPTIM-006");
  settings.hold_steps = 2;
  check_refused(settings, 2, "SP-OPTIM-006");
  settings = one("NoamAnnealing", 4, 20);
  settings.d_model = 0;
  check_refused(settings, 0, "SP-OPTIM-006");
  settings = one("T5InverseSquareRootAnnealing", {}, 20);
  settings.constant_steps = 0;
  check_refused(settings, 0, "SP-OPTIM-006");
  settings = {.name = "StepLR", .base_rates = {1.0}, .step_size = 0};
  check_refused(settings, 1, "SP-OPTIM-006");
  settings = {.name = "CyclicLR", .base_rates = {1.0}, .base_lr = Rates{0.0}, .max_lr = Rates{1.0}, .step_size_up = 0};
  check_refused(settings, 0, "SP-OPTIM-006");
  settings.step_size_up = 3, settings.max_lr = Rates{1.0, 2.0};
  check_refused(settings, 0, "SP-OPTIM-007");
}

TEST_CASE("no rate of a step or group that there is not, nor of a metric") {
  const Schedule schedule(one("CosineAnnealing", 3, 20));
  CHECK(thrown([&] { learning_rate(schedule, -1); }) == Ids{"SP-OPTIM-007"});
  CHECK(thrown([&] { learning_rate(schedule, optim::most_steps + 1); }) == Ids{"SP-OPTIM-007"});
  CHECK(learning_rate(schedule, optim::most_steps) == 0);
  CHECK(thrown([&] { learning_rate(schedule, 0, 1); }) == Ids{"SP-OPTIM-007"});
  CHECK(thrown([] { learning_rate(one("WarmupPolicy", 3, 20), 0, 9); }) == Ids{"SP-OPTIM-007"});
  const ScheduleSettings plateau{.name = "ReduceLROnPlateau", .base_rates = {1e-3}};
  check_sound(plateau);
  CHECK(thrown([&] { learning_rate(plateau, 0); }) == Ids{"SP-OPTIM-008"});
}

TEST_CASE("prepared: what NeMo does before a schedule is made") {
  const ScheduleSettings settings = one("CosineAnnealing", 3, 20);
  CHECK(optim::prepared(settings) == settings);
  CHECK(optim::prepared(settings, 50)->max_steps == 50);
  CHECK_FALSE(optim::prepared({}, 50));
  CHECK_FALSE(optim::prepared(one("CosineAnnealing", 3, {})));
  for (const Variant variant : {Variant::nxdt, Variant::nemo_2_1, Variant::nemo_1_14, Variant::nnm}) {
    const bool new_nemo = variant == Variant::nxdt || variant == Variant::nemo_2_1;
    ScheduleSettings own = settings;
    own.variant = variant;
    CHECK(optim::prepared(own, -1).has_value() != new_nemo);
    CHECK(thrown([&] { optim::prepared(own, -2); }) == (new_nemo ? Ids{"SP-OPTIM-004"} : Ids{}));
    // Where -1 is taken for a number of steps, the rate is at its lowest right after the warm-up.
    if (const auto made = optim::prepared(own, -1)) CHECK(learning_rate(*made, 4) == 0);
    const ScheduleSettings exponential{.name = "ExponentialLR", .variant = variant};
    CHECK(optim::pace(exponential) == (new_nemo ? optim::Pace::epoch : optim::Pace::step));
    CHECK(optim::pace({.name = "ReduceLROnPlateau", .variant = variant}) == optim::Pace::epoch);
    CHECK(optim::pace(own) == optim::Pace::step);
    CHECK(optim::variant_from_name(optim::name(variant)) == variant);
  }
  CHECK_FALSE(optim::variant_from_name("v3"));
}

namespace host {

/// A schedule that is not the library's.
struct Sawtooth {
  double top;
};
double learning_rate(const Sawtooth& own, Index step, std::size_t) { return own.top * static_cast<double>(step % 4); }

}  // namespace host

TEST_CASE("a host's own schedule stands where the library's do") {
  static_assert(optim::LearningRateSchedule<host::Sawtooth> && !optim::LearningRateSchedule<int>);
  CHECK(optim::learning_rates(host::Sawtooth{2.0}, 7, 3) == Rates{6.0, 6.0, 6.0});
}
