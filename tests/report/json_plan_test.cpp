#include <shardplan/report/json_plan.hpp>

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support.hpp"

using namespace shardplan;
using Json = nlohmann::ordered_json;

namespace {

Json document(const Plan& plan, std::optional<Rank> rank = std::nullopt, int indent = 2, Diagnostics findings = {}) {
  std::string text;
  JsonWriter json(text, indent);
  write(json, report(plan, {.config = "small"}, std::move(findings)), rank);
  return Json::parse(text);
}

std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> out;
  for (const auto& [key, value] : object.items()) out.push_back(key);
  return out;
}

/// What the JSON says a rank holds must be what the plan says.
void check_shard(const Json& said, const Shard& shard) {
  REQUIRE(said["shape"].size() == shard.rank());
  REQUIRE(said["ranges"].size() == shard.rank());
  CHECK(said["padding"] == shard.padding());
  for (std::size_t dim = 0; dim < shard.rank(); ++dim) {
    CHECK(said["shape"][dim] == shard.local_shape()[dim]);
    const auto runs = shard.segments(dim);
    REQUIRE(said["ranges"][dim].size() == runs.size());
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const Json& run = said["ranges"][dim][i];
      if (runs[i].is_padding())
        CHECK(run == Json{{"padding", runs[i].length}});
      else
        CHECK(run == Json::array({runs[i].start, runs[i].start + runs[i].length}));
    }
  }
}

void check_rank(const Json& said, const Plan& plan, Rank rank) {
  const auto here = plan.at(rank);
  CHECK(said["rank"] == rank.value);
  for (const Axis axis : {pp, dp, cp, tp, edp, ep})
    CHECK(said["coordinates"][std::string(axis.name())] == here.coordinate(axis));
  for (const auto& [name, groups] : group_kinds(plan)) {
    const Json& group = said["groups"][std::string(name)];
    std::vector<Index> members;
    for (const Json& run : group["ranks"])
      for (Index k = 0; k < run["count"].get<Index>(); ++k)
        members.push_back(run["first"].get<Index>() + k * run["stride"].get<Index>());
    CHECK(members.size() == group["size"].get<std::size_t>());
    CHECK(members.at(group["position"].get<std::size_t>()) == rank.value);
    std::vector<Index> expected;
    for (const Rank member : groups.of(rank)) expected.push_back(member.value);
    CHECK(members == expected);
  }
  const auto parameters = here.parameters(), states = here.optimizer_shards();
  CHECK(said["elements"] == parameters.elements());
  CHECK(said["optimizer_elements"] == states.elements());
  REQUIRE(said["parameters"].size() == parameters.size());
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    CHECK(said["parameters"][k]["name"] == parameters[k].name());
    CHECK(said["parameters"][k]["stage"] == parameters[k].stage().value);
    check_shard(said["parameters"][k], parameters[k].shard());
    check_shard(said["parameters"][k]["optimizer"], states[k].shard());
  }
}

}  // namespace

TEST_CASE("the document has the keys of its schema, in order, and no others") {
  const Plan plan = small_plan();
  const Json all = document(plan, Rank(5), 2, {finding("SP-PLAN-005", "assumed", "say it", {"hardware"})});
  CHECK(keys(all) == std::vector<std::string>{"schema", "version", "summary", "mesh", "storage", "memory", "findings",
                                              "parameters", "rank"});
  CHECK(all["schema"] == "shardplan-plan-1");
  CHECK(keys(all["mesh"]) == std::vector<std::string>{"hardware", "lnc", "ranks_per_node", "rank_order", "dialect"});
  CHECK(keys(all["storage"]) ==
        std::vector<std::string>{"weights", "gradients", "master_weights", "optimizer_state", "states"});
  CHECK(keys(all["memory"]) == std::vector<std::string>{"device", "fits", "smallest", "largest", "stages"});
  CHECK(keys(all["memory"]["stages"][0]) == std::vector<std::string>{"pipeline_rank", "ranks", "parameters",
                                                                     "optimizer_elements", "in_flight", "weights",
                                                                     "gradients", "master_weights", "optimizer_state",
                                                                     "activations", "transient", "total", "left"});
  CHECK(all["findings"] ==
        Json::parse(R"([{"severity": "note", "id": "SP-PLAN-005", "message": "assumed", "hint": "say it",
                                           "origins": [{"key": "hardware", "file": "", "line": 0, "column": 0}]}])"));
  CHECK(keys(all["rank"]) == std::vector<std::string>{"rank", "coordinates", "previous", "next", "stages", "groups",
                                                      "elements", "optimizer_elements", "parameters"});
  CHECK(keys(all["rank"]["parameters"][0]) ==
        std::vector<std::string>{"name", "stage", "shape", "ranges", "padding", "optimizer"});
  CHECK_FALSE(document(plan).contains("rank"));
}

TEST_CASE("one line says the same as many") {
  const Plan plan = small_plan();
  CHECK(document(plan, Rank(3), 0) == document(plan, Rank(3), 2));
}

TEST_CASE("memory: the sums are right, every rank counts, the extremes are the extremes") {
  for (const Plan& plan : {small_plan(), small_plan({.tensor = 2, .pipeline = 4, .zero1 = true})}) {
    const Json memory = document(plan)["memory"];
    Index ranks = 0;
    for (const Json& stage : memory["stages"]) {
      Index sum = 0;
      for (const MemoryCategory& category : memory_categories) sum += stage[std::string(category.name)].get<Index>();
      CHECK(stage["total"] == sum);
      CHECK(stage["left"] == memory["device"].get<Index>() - sum);
      CHECK(stage["total"] >= memory["stages"][memory["smallest"].get<std::size_t>()]["total"]);
      CHECK(stage["total"] <= memory["stages"][memory["largest"].get<std::size_t>()]["total"]);
      ranks += stage["ranks"].get<Index>();
    }
    CHECK(ranks == plan.world().ranks);
    CHECK(memory["fits"] == true);
  }
}

TEST_CASE("memory: a plan that does not fit is a finding with the figures") {
  PlanOptions options;
  for (const Index sequence : {0, 8192}) {
    options.training.sequence = sequence;
    const Json all = document(Plan(model("llama3-8b"), {}, {.ranks = 1}, options));
    CHECK(all["memory"]["fits"] == false);
    CHECK(all["memory"]["stages"][0]["left"].is_null() == (sequence == 0));
    if (sequence > 0) CHECK(all["memory"]["stages"][0]["left"] < 0);
    REQUIRE(all["findings"].size() == 1);
    CHECK(all["findings"][0]["id"] == "SP-PLAN-004");
    const std::string message = all["findings"][0]["message"];
    CHECK((message.find(" and activations of ") != message.npos) == (sequence == 0));
  }
}

TEST_CASE("memory: null without a sequence length, for whatever depends on it") {
  const Plan plan = megatron_plan();
  const Json all = document(plan);
  CHECK(all["memory"]["fits"].is_null());
  CHECK(all["findings"].empty());
  for (const Json& stage : all["memory"]["stages"]) {
    for (const char* key : {"activations", "transient", "total", "left"}) CHECK_MESSAGE(stage[key].is_null(), key);
    for (const char* key : {"weights", "gradients", "master_weights", "optimizer_state"})
      CHECK_MESSAGE(stage[key] > 0, key);
  }
}

TEST_CASE("parameters: shape, stages, parts") {
  const Json parameters = document(megatron_plan())["parameters"];
  CHECK(
      parameters[0] ==
      Json::parse(
          R"({"name": "language_model.embedding.word_embeddings.weight", "tied_name": "language_model.output_layer.weight",
      "shape": [50, 32], "stages": [0], "cut": "dim 0: vocabulary padded to 64 / tp 2", "dim": 0,
      "parts": [{"name": "", "role": "vocabulary", "begin": 0, "end": 50}]})"));
  std::size_t experts = 0;
  for (const Json& p : parameters) {
    if (!p.contains("expert")) continue;
    ++experts;
    if (p["parts"].size() == 2)
      CHECK(p["parts"][1] == Json::parse(R"({"name": "up", "role": "feature", "begin": 48, "end": 96})"));
  }
  CHECK(experts == 4);
}

TEST_CASE("ranks: what the JSON says is what the plan says, for every rank of several plans") {
  const World ring{.ranks = 128, .hardware = Hardware::trn2, .ranks_per_node = 64, .lnc = 2};
  const Model wide =
      llama({.layers = 2, .hidden = 256, .ffn = 512, .heads = 32, .kv_heads = 8, .vocab = 256, .qkv_linear = true});
  for (const Plan& plan : {small_plan(), megatron_plan(),
                           small_plan({.tensor = 2, .pipeline = 2, .virtual_pipeline = 2, .context = 2}, {.ranks = 8}),
                           Plan(wide, {.tensor = 32, .pipeline = 2, .kv_replicator = 4, .zero1 = true}, ring)}) {
    RankJson ranks(plan);
    for (Rank rank = 0; rank < plan.world().ranks; ++rank) {
      std::string line;
      JsonWriter json(line);
      ranks.write(json, rank);
      CHECK(line.find('\n') == line.npos);
      check_rank(Json::parse(line), plan, rank);
    }
    CHECK(document(plan, Rank(1))["rank"]["rank"] == 1);
  }
}

TEST_CASE("ranks: neighbours end at both ends, and go round where ranks hold several chunks") {
  const Json first = document(small_plan(), Rank(0))["rank"], last = document(small_plan(), Rank(15))["rank"];
  CHECK(first["previous"].is_null());
  CHECK(first["next"] == 8);
  CHECK(last["previous"] == 7);
  CHECK(last["next"].is_null());
  CHECK(last["stages"] == Json::parse(R"([{"stage": 1, "layers": [2, 5]}])"));
  const Json ring =
      document(small_plan({.tensor = 2, .pipeline = 2, .virtual_pipeline = 2}, {.ranks = 4}), Rank(0))["rank"];
  CHECK(ring["previous"] == 2);
  CHECK(ring["next"] == 2);
  CHECK(ring["stages"].size() == 2);
}

TEST_CASE("a rank outside the world is refused") {
  CHECK_THROWS_WITH_AS(document(small_plan(), Rank(16)), doctest::Contains("SP-PLAN-001"), Error);
}
