#include <doctest/doctest.h>

#include <set>
#include <shardplan/optim/optimizer.hpp>
#include <shardplan/plan/precision.hpp>

#include "../thrown.hpp"

using namespace shardplan;
using optim::OptimizerSettings;
using optim::State;
using optim::StateType;

namespace {

std::vector<std::string> names_of(const std::vector<State>& all) {
  std::vector<std::string> out;
  for (const State& one : all) out.emplace_back(one.name);
  return out;
}

}  // namespace

TEST_CASE("states of the size of a weight are those that memory is counted by") {
  const Shape weight{6, 4};
  for (const OptimizerStates& known : optimizer_table) {
    CAPTURE(known.name);
    Index same = 0;
    for (const State& state : optim::states(known.name, weight)) same += state.shape == weight;
    CHECK(same == Optimizer(known.name).states);
  }
}

TEST_CASE("shapes and names of states") {
  const Shape weight{5, 6, 7}, vector{5};
  CHECK(names_of(optim::states("adamw", weight)) == std::vector<std::string>{"step", "exp_avg", "exp_avg_sq"});
  CHECK(names_of(optim::states("adamw", weight, {"amsgrad"})).back() == "max_exp_avg_sq");
  CHECK(optim::states("sgd", weight).empty());
  CHECK(optim::states("sgd", weight, {"momentum"}) == std::vector<State>{{"momentum_buffer", weight}});
  CHECK(names_of(optim::states("rmsprop", vector, {"centered", "momentum"})) ==
        std::vector<std::string>{"step", "square_avg", "momentum_buffer", "grad_avg"});
  CHECK(optim::states("novograd", weight) ==
        std::vector<State>{{"step", {}, StateType::counter}, {"exp_avg", weight}, {"exp_avg_sq", {}}});
  CHECK(optim::states("adafactor", weight, {"beta1"}) == std::vector<State>{{"step", {}, StateType::counter},
                                                                            {"RMS", {}},
                                                                            {"exp_avg", weight},
                                                                            {"exp_avg_sq_row", {5, 6}},
                                                                            {"exp_avg_sq_col", {5, 7}}});
  CHECK(optim::states("adafactor", vector) ==
        std::vector<State>{{"step", {}, StateType::counter}, {"RMS", {}}, {"exp_avg_sq", vector}});
  for (const optim::OptimizerClass& one : optim::optimizer_classes) {
    if (one.needs_cuda) continue;
    for (const State& state : optim::states(one.name, weight)) {
      CHECK((state.type == StateType::counter) == (state.name == "step"));
      if (state.type == StateType::counter) CHECK(state.shape.empty());
    }
  }
}

TEST_CASE("the table: names once, switches and defaults of arguments that there are") {
  std::set<std::string_view> names;
  for (const optim::OptimizerClass& one : optim::optimizer_classes) {
    CAPTURE(one.name);
    CHECK(names.insert(one.name).second);
    CHECK(optim::optimizer_class(one.name) == &one);
    for (const optim::StateEntry& entry : one.state)
      if (!entry.argument.empty()) CHECK(optim::detail::has_word(one.arguments, entry.argument));
    for (const optim::Default& value : one.defaults)
      if (!value.argument.empty() && value.argument != "lr")
        CHECK(optim::detail::has_word(one.arguments, value.argument));
  }
  const auto of = [](const char* name, const char* argument, std::size_t which = 0) {
    return optim::default_of(*optim::optimizer_class(name), argument, which);
  };
  CHECK(of("adamw", "weight_decay") == 0.01);
  CHECK(of("adam", "weight_decay") == 0);
  CHECK(of("adamw", "eps") == 1e-8);
  CHECK(of("adamw_fp32OptState", "eps") == 1e-6);
  CHECK(of("adamw_fp32OptState", "betas", 1) == 0.999);
  CHECK(of("novograd", "betas", 1) == 0.98);
}

TEST_CASE("refused: names, arguments, rates") {
  const auto wrong = [](const OptimizerSettings& settings) { return ids_of(optim::diagnose(settings)); };
  CHECK(wrong({.name = "adamw", .lr = 1e-4, .arguments = {"betas", "weight_decay"}}).empty());
  CHECK(wrong({.name = "adamv", .lr = 1e-4}) == Ids{"SP-OPTIM-009"});
  CHECK(optim::diagnose(OptimizerSettings{.name = "adamv"})[0].hint.starts_with("adam"));
  for (const optim::OptimizerClass& one : optim::optimizer_classes)
    CHECK(wrong({.name = std::string(one.name), .lr = 1e-4, .arguments = {"relative_step"}}) ==
          (one.needs_cuda            ? Ids{"SP-OPTIM-009"}
           : one.name == "adafactor" ? Ids{}
                                     : Ids{"SP-OPTIM-010"}));
  CHECK(wrong({.name = "sgd"}) == Ids{"SP-OPTIM-010"});
  CHECK(wrong({.name = "sgd", .lr = -1.0}) == Ids{"SP-OPTIM-010"});
  CHECK(wrong({.name = "adafactor"}).empty());
  CHECK(wrong({.name = "adafactor", .lr = 1e-4}) == Ids{"SP-OPTIM-010"});
  CHECK(wrong({.name = "adafactor", .lr = 1e-4, .arguments = {"relative_step"}, .on = {"relative_step"}}) ==
        Ids{"SP-OPTIM-010"});
  CHECK(thrown([] { optim::states("fused_adam", {2}); }) == Ids{"SP-OPTIM-009"});
  CHECK(thrown([] { optim::states("none", {2}); }) == Ids{"SP-OPTIM-009"});
}
