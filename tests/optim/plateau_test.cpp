#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <shardplan/optim/plateau.hpp>

#include "../thrown.hpp"

using namespace shardplan;
using optim::PlateauState;
using optim::ScheduleSettings;

namespace {

ScheduleSettings plateau_of(Index patience, Index cooldown = 0) {
  return {
      .name = "ReduceLROnPlateau", .base_rates = {1.0, 0.5}, .factor = 0.5, .patience = patience, .cooldown = cooldown};
}

}  // namespace

TEST_CASE("a metric that stays reduces the rates every patience + 1 epochs, and cooldown epochs do not count") {
  for (Index patience = 0; patience < 4; ++patience)
    for (Index cooldown = 0; cooldown < 3; ++cooldown) {
      const ScheduleSettings settings = plateau_of(patience, cooldown);
      PlateauState state = optim::after(settings, optim::plateau(settings), 1.0);
      CHECK(state.best == 1.0);
      Index reduced = 0;
      for (Index epoch = 1; epoch <= 40; ++epoch) {
        state = optim::after(settings, state, 1.0);
        // The first time after patience + 1 epochs; later cooldown epochs more.
        const Index first = patience + 1, every = first + cooldown;
        reduced = epoch < first ? 0 : 1 + (epoch - first) / every;
        const double share = std::exp2(-static_cast<double>(reduced));
        if (0.5 * share > 4e-8) CHECK(state.rates == optim::Rates{share, 0.5 * share});
      }
      CHECK(reduced > 3);
    }
}

TEST_CASE("better by more than the threshold, in both modes and of both kinds") {
  const auto improves = [](const char* mode, const char* kind, double metric) {
    ScheduleSettings settings = plateau_of(5);
    settings.mode = mode, settings.threshold_mode = kind, settings.threshold = 0.1;
    PlateauState state = optim::plateau(settings);
    state.best = 10;
    state = optim::after(settings, state, metric);
    CHECK(state.bad_epochs == (state.best == metric ? 0 : 1));
    return state.best == metric;
  };
  CHECK(improves("min", "rel", 8.9));
  CHECK_FALSE(improves("min", "rel", 9.5));
  CHECK(improves("min", "abs", 9.8));
  CHECK_FALSE(improves("min", "abs", 9.95));
  CHECK(improves("max", "rel", 11.5));
  CHECK_FALSE(improves("max", "rel", 10.5));
  CHECK(improves("max", "abs", 10.2));
  CHECK_FALSE(improves("max", "abs", 10.05));
}

TEST_CASE("what never improves, and what is too little a change") {
  const ScheduleSettings settings = plateau_of(0);
  PlateauState state = optim::plateau(settings);
  CHECK(std::isinf(state.best));
  state = optim::after(settings, state, std::numeric_limits<double>::quiet_NaN());
  CHECK(state.rates == optim::Rates{0.5, 0.25});
  ScheduleSettings bounded = settings;
  bounded.min_lr = 0.25;
  state.best = 0;
  CHECK(optim::after(bounded, state, 1.0).rates == optim::Rates{0.25, 0.25});
  bounded.eps = 0.3;
  CHECK(optim::after(bounded, state, 1.0).rates == optim::Rates{0.5, 0.25});
}

TEST_CASE("faults") {
  ScheduleSettings settings = plateau_of(1);
  settings.factor = 1.0;
  CHECK(thrown([&] { optim::plateau(settings); }) == Ids{"SP-OPTIM-006"});
  settings = plateau_of(1);
  settings.mode = "up";
  CHECK(thrown([&] { optim::plateau(settings); }) == Ids{"SP-OPTIM-002"});
  settings = plateau_of(1);
  settings.threshold_mode = "percent";
  CHECK(thrown([&] { optim::after(settings, {}, 1.0); }) == Ids{"SP-OPTIM-002"});
  CHECK(thrown([] { optim::plateau({.name = "ExponentialLR", .base_rates = {1.0}, .gamma = 0.5}); }) ==
        Ids{"SP-OPTIM-008"});
}
