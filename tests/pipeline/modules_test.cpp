#include <shardplan/pipeline/modules.hpp>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::pipeline;

namespace {

/// An embedding, `layers` transformer layers of one linear module, a norm, a head and a loss.
TracedModel toy(Index layers, bool tied = false) {
  TracedModel out{.inputs = {"input_ids", "labels"}};
  out.modules.push_back({.name = "embed", .parameters = {"weight"}, .reads = {"input_ids"}});
  for (const std::string& layer : numbered("layers", layers))
    out.modules.push_back({.name = layer, .parameters = {"fc.weight", "fc.bias"}, .layer = true});
  out.modules.push_back({.name = "norm", .parameters = {"weight", "bias"}});
  out.modules.push_back({.name = "lm_head", .parameters = {"weight"}});
  out.modules.push_back({.name = "loss", .reads = {"lm_head", "labels"}});
  if (tied) out.ties.push_back({"lm_head.weight", "embed.weight"});
  return out;
}

Names names_on(const StagedModel& model, StageId stage) {
  Names out;
  for (const HeldParameter& held : model.parameters(stage)) out.push_back(held.name);
  return out;
}

Names local_names_on(const StagedModel& model, StageId stage) {
  Names out;
  for (const HeldParameter& held : model.parameters(stage)) out.push_back(held.local_name);
  return out;
}

StagedModel automatic(const TracedModel& model, Index ranks, Index chunks = 1) {
  return {model, chosen_cuts(layer_names(model), {}, true, ranks, chunks), ranks, chunks};
}

using Inputs = std::vector<StageInput>;
using FromModel = std::vector<ModelInput>;

}  // namespace

TEST_CASE("staged model: stages hold every parameter once and read only from the stage before") {
  for (Index layers = 1; layers <= 9; ++layers) {
    for (Index ranks = 1; ranks <= 3; ++ranks) {
      for (Index chunks = 1; chunks <= 2; ++chunks) {
        if (layers < ranks * chunks) continue;
        const StagedModel model = automatic(toy(layers), ranks, chunks);
        check_partition(model.partition(), layers + 4, ranks, chunks);
        Names found;
        for (Index s = 0; s < ranks * chunks; ++s) {
          for (const std::string& name : names_on(model, s)) found.push_back(name);
          if (s == 0) {
            CHECK(model.received(s).empty());
          } else {
            const Interval before = model.partition().layers_of(s - 1);
            const std::string last = model.model().modules[static_cast<std::size_t>(before.end - 1)].name;
            CHECK(model.received(s) == Inputs{{local_name(last), 0, 0}});
          }
        }
        CHECK(static_cast<Index>(found.size()) == 2 * layers + 4);
        CHECK(found.front() == "embed.weight");
        CHECK(found.back() == "lm_head.weight");
        CHECK(model.tied_groups().empty());
      }
    }
  }
}

TEST_CASE("staged model: a recorded NxD model, 8 layers on 2 ranks with 2 chunks") {
  const StagedModel model = automatic(toy(8), 2, 2);
  CHECK(names_on(model, 0) ==
        Names{"embed.weight", "layers.0.fc.weight", "layers.0.fc.bias", "layers.1.fc.weight", "layers.1.fc.bias"});
  CHECK(local_names_on(model, 2) ==
        Names{"layers_4.fc.weight", "layers_4.fc.bias", "layers_5.fc.weight", "layers_5.fc.bias"});
  CHECK(names_on(model, 3) == Names{"layers.6.fc.weight", "layers.6.fc.bias", "layers.7.fc.weight", "layers.7.fc.bias",
                                    "norm.weight", "norm.bias", "lm_head.weight"});
  CHECK(model.received(3) == Inputs{{"layers_5", 0, 0}});
  CHECK(model.model_inputs(0) == FromModel{{"input_ids", 0}});
  CHECK(model.model_inputs(1).empty());
  CHECK(model.model_inputs(3) == FromModel{{"labels", 1}});
}

TEST_CASE("staged model: any module may be a cut") {
  const StagedModel at_norm(toy(4), Names{"norm"}, 2);
  CHECK(names_on(at_norm, 1) == Names{"lm_head.weight"});
  CHECK(at_norm.received(1) == Inputs{{"norm", 0, 0}});
  CHECK(at_norm.model_inputs(1) == FromModel{{"labels", 1}});

  const StagedModel at_last_layer(toy(4), Names{"layers.3", "layers.1"}, 3);
  CHECK(names_on(at_last_layer, 2) == Names{"norm.weight", "norm.bias", "lm_head.weight"});
  CHECK(sizes(restrict_to(at_last_layer.partition(), {1, 5})) == Numbers{2, 2, 0});
}

TEST_CASE("staged model: values that skip stages are handed on by those between") {
  // a -> b -> c -> d, and a -> d; one module a stage. Worked out by hand from the rules of the sheet.
  const TracedModel skipping{.inputs = {"x", "y"},
                             .modules = {{.name = "a", .reads = {"x"}},
                                         {.name = "b"},
                                         {.name = "c", .reads = {"b", "y"}},
                                         {.name = "d.e", .reads = {"c", "a"}}}};
  const StagedModel model(skipping, Names{"a", "b", "c"}, 2, 2);
  CHECK(model.received(1) == Inputs{{"a", 0, 0}});
  CHECK(model.received(2) == Inputs{{"b", 0, 0}, {"a", {}, {}}});
  CHECK(model.received(3) == Inputs{{"c", 0, 0}, {"a", 1, {}}});
  CHECK(model.model_inputs(2) == FromModel{{"y", 1}});

  // Two results of one stage: their order is that of first use behind it, not that of making.
  const TracedModel crossing{
      .inputs = {"x"},
      .modules = {{.name = "a", .reads = {"x"}}, {.name = "b"}, {.name = "c", .reads = {"b", "x", "b", "a"}}}};
  const StagedModel two(crossing, Names{"b"}, 2);
  CHECK(two.received(1) == Inputs{{"b", 0, 0}, {"a", 2, 1}});
  CHECK(two.model_inputs(1) == FromModel{{"x", 1}});
}

TEST_CASE("staged model: tied weights form one group with a member a rank, the first one owns") {
  const StagedModel model = automatic(toy(5, true), 2);
  REQUIRE(model.tied_groups().size() == 1);
  CHECK(model.tied_groups()[0] ==
        TiedGroup{{{{"embed.weight", "embed.weight"}, 0}, {{"lm_head.weight", "lm_head.weight"}, 1}}});
  CHECK(names_on(model, 1).back() == "lm_head.weight");

  // On one rank there is nothing to reduce, and in one stage only one parameter.
  const StagedModel alone(toy(2, true), {}, 1);
  CHECK(alone.tied_groups().empty());
  CHECK(names_on(alone, 0).back() == "norm.bias");

  // Layers 0, 1, 2 and 3 share a weight; ranks 0 and 1 each hold two of them.
  TracedModel chain = toy(4);
  chain.ties = {{"layers.2.fc.weight", "layers.3.fc.weight"},
                {"layers.0.fc.weight", "layers.1.fc.weight"},
                {"layers.1.fc.weight", "layers.3.fc.weight"}};
  const StagedModel looped = automatic(chain, 2, 2);
  REQUIRE(looped.tied_groups().size() == 1);
  CHECK(looped.tied_groups()[0] == TiedGroup{{{{"layers.0.fc.weight", "layers_0.fc.weight"}, 0},
                                              {{"layers.1.fc.weight", "layers_1.fc.weight"}, 1}}});
  const StagedModel halves = automatic(chain, 2);
  CHECK(names_on(halves, 0) == Names{"embed.weight", "layers.0.fc.weight", "layers.0.fc.bias", "layers.1.fc.bias"});
}

TEST_CASE("staged model: refusals") {
  const auto refused = [](const TracedModel& model, const Names& cuts, Index ranks) {
    return thrown_ids([&] { StagedModel(model, cuts, ranks); });
  };
  CHECK(refused(toy(4), {"layers.1"}, 2).empty());
  CHECK(refused(toy(4), {"layers.1"}, 3) == Ids{"SP-PIPELINE-002"});
  CHECK(refused(toy(4), {"layers.9"}, 2) == Ids{"SP-PIPELINE-002"});
  CHECK(refused(toy(4), {"loss"}, 2) == Ids{"SP-PIPELINE-002"});
  CHECK(refused({}, {}, 1) == Ids{"SP-PIPELINE-002"});
  CHECK(refused(toy(4), {"layers.1"}, 0) == Ids{"SP-PIPELINE-008"});

  TracedModel model = toy(2);
  model.ties = {{"embed.weight", "head.weight"}};
  CHECK(refused(model, {"layers.0"}, 2) == Ids{"SP-PIPELINE-011"});
  model = toy(2);
  model.modules[1].reads = {"norm"};
  CHECK(refused(model, {"layers.0"}, 2) == Ids{"SP-PIPELINE-011"});
  model = toy(2);
  model.modules[3].name = "embed";
  CHECK(refused(model, {"layers.0"}, 2) == Ids{"SP-PIPELINE-011"});
}
