#include <algorithm>
#include <cmath>
#include <type_traits>

#include <shardplan/optim.hpp>

#include "kinds.hpp"

/// Learning rates and optimizer steps.
namespace conformance {
namespace {

using namespace shardplan;

/// A computed number, or the recorded one where both agree to that part of their size.
Json settled(const Json& recorded, double got, double part) {
  if (recorded.is_number()) {
    const double expected = recorded.get<double>();
    if (std::fabs(expected - got) <= part * std::max(std::fabs(expected), std::fabs(got))) return recorded;
  }
  return got;
}

template <class T>
void read(std::optional<T>& out, const Field& field) {
  if constexpr (std::is_same_v<T, optim::Rates>)
    out = field.json().is_array() ? T(field.as<std::vector<double>>()) : T{field.as<double>()};
  else
    out = field.as<T>();
}

optim::ScheduleSettings settings_of(const Field& object) {
  optim::ScheduleSettings out{.name = object["scheduler"].text(),
                              .base_rates = optim::Rates(object["base_lrs"].as<std::vector<double>>())};
  const auto variant = optim::variant_from_name(object["variant"].text());
  if (!variant) throw std::runtime_error("unknown variant");
  out.variant = *variant;
  const Field arguments = object["kwargs"];
  for (const std::string& key : arguments.keys()) {
    const Field value = arguments[key];
    bool known = false;
    optim::ScheduleSettings::keys(out, [&](std::string_view name, auto& member) {
      if (name != key) return;
      known = true;
      if (!value.is_null()) read(member, value);
    });
    if (value.is_null() && key == "max_steps") out.endless = true;
    if (!known) {
      value.mark_all();
      out.others.push_back(key);
    }
  }
  return out;
}

/// torch multiplies these step by step.
bool is_chained(const optim::ScheduleSettings& s) {
  return s.name == "StepLR" || s.name == "ExponentialLR" || s.name == "CyclicLR";
}

void check_schedule(const Field& object) {
  const optim::ScheduleSettings settings = settings_of(object);
  const Field steps = object["steps"];
  if (object.has("error")) {
    const Field error = object["error"];
    const std::optional<Index> first = optim::first_refused_step(settings);
    error.expect("first_failing_step", first ? Json(*first) : Json());
    error.mark_all();
    if (!refusal([&] { optim::Schedule{settings}; })) error.differ("no refusal");
    for (const Index step : steps.numbers())
      if (refusal([&] { learning_rate(settings, step); }).has_value() != (first && step >= *first))
        error.differ("a refusal that depends on something else at step " + std::to_string(step));
    return;
  }
  const Field recorded = object["lr"];
  const double part = is_chained(settings) ? 1e-9 : 1e-12;
  const bool sound = optim::diagnose(settings).empty();
  const std::size_t groups = settings.base_rates.size();
  Json got = Json::array();
  std::size_t i = 0;
  for (const Index step : steps.numbers()) {
    const Json& expected = i < recorded.size() ? recorded.json()[i] : Json();
    Json rates = Json::array();
    for (std::size_t group = 0; group < groups; ++group) {
      const double rate = learning_rate(settings, step, group);
      if (sound && learning_rate(optim::Schedule(settings), step, group) != rate)
        object["lr"].differ("another rate of the checked schedule");
      const Json& one = expected.is_array() && group < expected.size() ? expected[group] : expected;
      rates.push_back(settled(one, rate, part));
    }
    got.push_back(groups == 1 && !expected.is_array() ? rates[0] : rates);
    ++i;
  }
  recorded.expect_exactly(got);
}

struct Run {
  std::vector<double> weights, exp_avg{}, exp_avg_sq{}, max_exp_avg_sq{}, momentum_buffer{};
};

void check_steps(const Field& object) {
  const std::string name = object["optimizer"].text();
  if (object.get<std::string>("dtype", "float64") != "float64") throw std::runtime_error("a dtype other than float64");
  const Field arguments = object["kwargs"];
  arguments.skip({"lr"});  // the one of every step is in lrs
  const optim::OptimizerClass* of = optim::optimizer_class(name);
  if (of == nullptr) throw std::runtime_error("unknown optimizer " + name);
  const auto number = [&](const char* key) { return arguments.get<double>(key, optim::default_of(*of, key)); };
  const auto flag = [&](const char* key) { return arguments.get(key, optim::default_of(*of, key) != 0); };
  const auto betas = arguments.get<std::vector<double>>(
      "betas", {optim::default_of(*of, "betas", 0), optim::default_of(*of, "betas", 1)});

  Run run{.weights = object["p0"].as<std::vector<double>>()};
  const std::size_t size = run.weights.size();
  for (auto* state : {&run.exp_avg, &run.exp_avg_sq, &run.max_exp_avg_sq, &run.momentum_buffer})
    state->assign(size, 0.0);
  const bool sgd = name == "sgd";
  optim::AdamSettings adam;
  optim::SgdSettings plain;
  Names on;
  if (sgd) {
    plain = {number("momentum"), number("dampening"), number("weight_decay"), flag("nesterov"), flag("maximize")};
    if (plain.momentum != 0) on.push_back("momentum");
  } else {
    adam = {betas.at(0),     betas.at(1),      number("eps"),       number("weight_decay"),
            flag("amsgrad"), flag("maximize"), flag("correct_bias")};
    if (adam.amsgrad) on.push_back("amsgrad");
  }

  const Field gradients = object["grads"], after = object["after"];
  const auto rates = object["lrs"].as<std::vector<double>>();
  if (after.size() != gradients.size() || rates.size() != gradients.size()) after.differ("as many as gradients");
  for (std::size_t i = 0; i < std::min(after.size(), rates.size()); ++i) {
    const Index step = static_cast<Index>(i) + 1;
    const auto g = gradients[i].as<std::vector<double>>();
    const std::span weights(run.weights);
    const optim::AdamState<double> state{run.exp_avg, run.exp_avg_sq, run.max_exp_avg_sq};
    if (sgd)
      optim::sgd(weights, g, run.momentum_buffer, plain, rates[i], step);
    else if (name == "adam")
      optim::adam(weights, g, state, adam, rates[i], step);
    else if (name == "adamw")
      optim::adamw(weights, g, state, adam, rates[i], step);
    else if (name == "adamw_fp32OptState")
      optim::adamw_fp32OptState(weights, g, state, adam, rates[i], step);
    else
      throw std::runtime_error("no update for " + name);

    const Field recorded = after[i];
    Json got = Json::object();
    const auto add = [&](const std::string& key, const std::vector<double>& values) {
      const Json& expected = recorded.peek(key);
      got[key] = Json::array();
      for (std::size_t k = 0; k < values.size(); ++k)
        got[key].push_back(
            settled(expected.is_array() && k < expected.size() ? expected[k] : Json(), values[k], 1e-12));
    };
    add("p", run.weights);
    for (const optim::State& entry : optim::states(name, {static_cast<Index>(size)}, on)) {
      if (entry.type == optim::StateType::counter)
        got[std::string(entry.name)] = settled(recorded.peek("step"), static_cast<double>(step), 0);
      else
        add(std::string(entry.name), entry.name == "exp_avg"          ? run.exp_avg
                                     : entry.name == "exp_avg_sq"     ? run.exp_avg_sq
                                     : entry.name == "max_exp_avg_sq" ? run.max_exp_avg_sq
                                                                      : run.momentum_buffer);
    }
    recorded.expect_exactly(got);
  }
}

}  // namespace

Kinds optim_kinds() {
  constexpr auto element = Kind::Scope::element;
  return {{"learning-rate schedule", element,
           [](const Json& o, const Json&) {
             return has(o, {"scheduler", "base_lrs", "kwargs"});
           },
           check_schedule},
          {"optimizer step", element,
           [](const Json& o, const Json&) {
             return has(o, {"optimizer", "p0", "grads"});
           },
           check_steps}};
}

}  // namespace conformance
