#include <shardplan/config/yaml_custom_model.hpp>

#include <shardplan/model/hub.hpp>
#include <shardplan/plan/plan.hpp>

#include "support.hpp"

using namespace shardplan;

namespace {

const std::string folder = std::string(SHARDPLAN_SOURCE_DIR) + "/tests/model/custom/";

/// A model file and the built-in model of the same sizes.
struct Pair {
  std::string file;
  std::vector<std::string> overrides;
  Architecture architecture;
};

Architecture llama_of(Index layers, Index hidden, Index ffn, Index heads, Index kv_heads, Index vocab) {
  return {.layers = layers,
          .hidden = hidden,
          .ffn = ffn,
          .heads = heads,
          .kv_heads = kv_heads,
          .vocab = vocab,
          .head_dim = hidden / heads};
}

std::vector<std::string> sizes(const Architecture& a) {
  std::vector<std::string> out{concat("layers=", a.layers), concat("sizes.hidden=", a.hidden),
                               concat("sizes.ffn=", a.ffn), concat("sizes.heads=", a.heads),
                               concat("sizes.vocab=", a.vocab)};
  if (a.kv_heads > 0) out.push_back(concat("sizes.kv_heads=", a.kv_heads));
  return out;
}

std::vector<Pair> pairs() {
  std::vector<Pair> out;
  for (const Architecture& llama : {llama_of(4, 256, 512, 8, 4, 1024), llama_of(8, 512, 1408, 16, 8, 32000),
                                    llama_of(80, 8192, 28672, 64, 8, 128256)})
    out.push_back({"llama.yaml", sizes(llama), llama});
  for (const Index frequency : {1, 2, 3}) {
    Architecture mixtral = llama_of(6, 256, 512, 8, 2 * frequency > 4 ? 4 : 2 * frequency, 1024);
    mixtral.experts = 4 * frequency;
    mixtral.top_k = 2;
    mixtral.moe_frequency = frequency;
    mixtral.qkv_linear = true;
    mixtral.family = Family::hf_mixtral;
    out.push_back({"mixtral.yaml", sizes(mixtral), mixtral});
    for (const std::string& one : {concat("sizes.experts=", mixtral.experts), concat("sizes.frequency=", frequency)})
      out.back().overrides.push_back(one);
  }
  for (const Index heads : {8, 16}) {
    Architecture gpt = architecture("megatron-gpt");
    gpt.layers = heads / 2;
    gpt.hidden = 32 * heads;
    gpt.ffn = 128 * heads;
    gpt.heads = heads;
    gpt.kv_heads = 0;
    gpt.head_dim = 32;
    gpt.vocab = 1000 + heads;
    gpt.positions = 64 * heads;
    out.push_back({"megatron_gpt.yaml", sizes(gpt), gpt});
    out.back().overrides.push_back(concat("sizes.positions=", gpt.positions));
  }
  return out;
}

Model loaded(const Pair& pair) {
  const BoundCustomModel bound = load_custom_model(folder + pair.file, pair.overrides);
  CHECK(ids_of(bound.diagnostics) == Ids{});
  return custom_model(bound.description);
}

/// `3:7 SP-MODEL-007 layer[2].shape` of every finding about a file: its place, id and key.
std::string faults(std::string_view text) {
  return join(places(bind_custom_model(read_yaml_text(text)).diagnostics), "; ");
}

/// A file with a parameter of layers whose line, the last, is given.
std::string with_layer(std::string_view line) {
  return concat("name: mine\nlayers: 4\nsizes: {hidden: 64, heads: 8}\nheads: {query: heads, key_value: 2, size: 8}\n",
                "front:\n- {name: embedding, shape: [512, hidden], role: vocabulary}\nlayer:\n",
                "- {name: \"l.{layer}.norm\", shape: [hidden], role: norm}\n- ", line);
}
const int line_of_layer = 9;

std::string layer_faults(std::string_view line) { return faults(with_layer(line)); }
std::string one(int column, std::string_view id, std::string_view key) {
  return concat(line_of_layer, ':', column, ' ', id, ' ', key);
}

template <class F>
std::string message_of(F&& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("the built-in models, described in files, have the same parameters") {
  for (const Pair& pair : pairs()) {
    CAPTURE(pair.file);
    CAPTURE(join(pair.overrides, " "));
    const Model mine = loaded(pair), built_in = model(pair.architecture);
    REQUIRE(mine.parameters.size() == built_in.parameters.size());
    for (std::size_t i = 0; i < mine.parameters.size(); ++i) {
      CAPTURE(mine.parameters[i].name);
      CHECK(mine.parameters[i] == built_in.parameters[i]);
    }
    CHECK(mine.name == built_in.name);
    CHECK(mine.parameter_count(2) == built_in.parameter_count(2));
    CHECK(mine.active_parameter_count() == built_in.active_parameter_count());
  }
}

TEST_CASE("plans of both agree on every rank, and so does their memory") {
  struct Job {
    Strategy strategy;
    World world;
  };
  const Job jobs[] = {{{.tensor = 2, .zero1 = true}, {.ranks = 4}},
                      {{.tensor = 2, .pipeline = 2, .sequence_parallel = true, .zero1 = true}, {.ranks = 8}},
                      {{.tensor = 4, .pipeline = 2, .virtual_pipeline = 2, .kv_replicator = 2},
                       {.ranks = 16, .hardware = Hardware::trn2}},
                      {{.tensor = 2, .expert = 2, .zero1 = true}, {.ranks = 8}}};
  int planned = 0;
  for (const Pair& pair : pairs()) {
    if (pair.architecture.layers > 10) continue;  // a test is not optimised
    const Model mine = loaded(pair), built_in = model(pair.architecture);
    for (const Job& job : jobs) {
      CAPTURE(pair.file);
      CAPTURE(join(pair.overrides, " "));
      CAPTURE(job.strategy.tensor);
      CAPTURE(job.strategy.pipeline);
      const PlanOptions options{.training = {.global_batch = 32, .sequence = 128}};
      const auto ids_without = [&](const Model& one) {
        return thrown([&] { Plan(one, job.strategy, job.world, options); });
      };
      CHECK(ids_without(mine) == ids_without(built_in));
      const auto refused = thrown([&] {
        const BasicPlan<Parameters> a(mine.parameters, job.strategy, job.world, options),
            b(built_in.parameters, job.strategy, job.world, options);
        CHECK(a.partition() == b.partition());
        for (Rank rank = 0; rank < job.world.ranks; ++rank) {
          const auto left = a.at(rank).parameters(), right = b.at(rank).parameters();
          const auto left_state = a.at(rank).optimizer_shards(), right_state = b.at(rank).optimizer_shards();
          REQUIRE(left.size() == right.size());
          for (std::size_t k = 0; k < left.size(); ++k) {
            CHECK(left[k].name() == right[k].name());
            CHECK(left[k].shard() == right[k].shard());
            CHECK(left[k].stage() == right[k].stage());
            CHECK(left_state[k].shard() == right_state[k].shard());
          }
        }
      });
      if (!refused.empty()) continue;
      if (!ids_without(mine).empty()) continue;
      ++planned;
      const Plan a(mine, job.strategy, job.world, options), b(built_in, job.strategy, job.world, options);
      for (Index stage = 0; stage < job.strategy.pipeline; ++stage) {
        CHECK(a.memory(stage) == b.memory(stage));
        CHECK(a.memory(stage).activations > 0);
      }
    }
  }
  CHECK(planned > 10);
}

TEST_CASE("a file without an architecture is planned, all but its activations") {
  const Model mine = custom_model(
      bind_custom_model(
          read_yaml_text(with_layer("{name: \"l.{layer}.up\", shape: [4 * hidden, hidden], role: column}\n")))
          .description);
  CHECK(mine.parameters.size() == 9);
  CHECK(mine.parameter_count() == 512 * 64 + 4 * (64 + 256 * 64));
  const BasicPlan<Parameters> plan(mine.parameters, {.tensor = 2, .pipeline = 2}, {.ranks = 4});
  Index sum = 0;
  for (const auto& p : plan.at(3).parameters()) sum += p.shard().elements();
  CHECK(sum == 2 * (64 + 128 * 64));
  const auto all = plan.at(0).parameters();
  const auto first = all[0];
  CHECK(first.local_shape() == Shape{256, 64});
  const Ids refused = thrown([&] { Plan(mine, {.tensor = 2}, {.ranks = 4}); });
  REQUIRE_FALSE(refused.empty());
  for (const std::string& id : refused) CHECK(id == "SP-MODEL-002");
}

TEST_CASE("the layers of a parameter: all, dense, moe, a range, every so many") {
  const auto where = [](std::string_view layers) {
    const std::string text = concat(
        "name: m\nlayers: 6\nmoe: {every: 3, begin: 2}\nlayer:\n- {name: \"{layer}.a\", shape: [2], role: norm}\n",
        "- {name: \"{layer}.b\", shape: [2], role: norm, layers: ", layers, "}\n");
    const auto [description, diagnostics] = bind_custom_model(read_yaml_text(text));
    REQUIRE(ids_of(diagnostics) == Ids{});
    std::string out;
    for (const Parameter& p : custom_model(description).parameters)
      if (p.name.ends_with(".b")) out += concat(p.owner.layer);
    return out;
  };
  CHECK(where("all") == "012345");
  CHECK(where("moe") == "25");
  CHECK(where("dense") == "0134");
  CHECK(where("[0, 2]") == "01");
  CHECK(where("[layers - 1, layers]") == "5");
  CHECK(where("{begin: 1, every: 2}") == "135");
  CHECK(where("{begin: 1, end: 4, others: true}") == "045");
}

TEST_CASE("roles cut as their names say") {
  const auto sharding_of = [](std::string_view rest) {
    const auto [description, diagnostics] =
        bind_custom_model(read_yaml_text(with_layer(concat("{name: \"l.{layer}.w\", ", rest, "}\n"))));
    REQUIRE(ids_of(diagnostics) == Ids{});
    return description.layer[1].sharding;
  };
  const Heads heads{8, 2, 8};
  CHECK(sharding_of("shape: [3, 5], role: replicated") == replicated());
  CHECK(sharding_of("shape: [3, 5], role: norm") == replicated(true));
  CHECK(sharding_of("shape: [3, 5], role: feature") == cut(0, 3));
  CHECK(sharding_of("shape: [3, 5], role: column") == cut(0, 3));
  CHECK(sharding_of("shape: [3, 5], role: row") == cut(1, 5));
  CHECK(sharding_of("shape: [3, 5, 7], role: feature, dim: 2") == cut(2, 7));
  CHECK(sharding_of("shape: [3, 5], role: vocabulary") == cut(0, 3, Role::vocabulary));
  CHECK(sharding_of("shape: [64, 5], role: query") == Sharding{.parts = {{{}, 64, Role::query}}, .heads = heads});
  CHECK(sharding_of("shape: [16], role: key_value") == Sharding{.parts = {{{}, 16, Role::key_value}}, .heads = heads});
  CHECK(sharding_of("shape: [5, 32], role: query, dim: 1, heads: {query: 4, size: 8}") ==
        Sharding{.dim = 1, .parts = {{{}, 32, Role::query}}, .heads = {4, 4, 8}});
  CHECK(sharding_of("shape: [96, 5], role: qkv") ==
        Sharding{.parts = {{"q", 64, Role::query}, {"k", 16, Role::key_value}, {"v", 16, Role::key_value}},
                 .heads = heads});
  CHECK(sharding_of("shape: [4, 3, 5], role: column, expert: true") ==
        Sharding{.dim = 2, .parts = {{{}, 5, Role::feature}}, .expert = true});
  CHECK(sharding_of("shape: [4, 3, 5], role: row, expert: true") ==
        Sharding{.dim = 1, .parts = {{{}, 3, Role::feature}}, .expert = true});
  CHECK(sharding_of("shape: [4, 5], role: feature, expert: true") ==
        Sharding{.dim = 1, .parts = {{{}, 5, Role::feature}}, .expert = true});
  CHECK(sharding_of("shape: [4, 5], role: replicated, expert: true") == Sharding{.expert = true});
  CHECK(sharding_of("shape: [72], role: feature, parts: [{size: 64, role: query}, {name: gate, size: 8}]") ==
        Sharding{.parts = {{{}, 64, Role::query}, {"gate", 8, Role::feature}}, .heads = heads});
}

TEST_CASE("every fault is told once, at its place") {
  const auto w = [](std::string_view rest) { return layer_faults(concat("{name: \"l.{layer}.w\", ", rest, "}\n")); };
  const int shape = 26;  // where the value of the first key after the name begins, behind "shape: "
  REQUIRE(w("shape: [8, hidden], role: column") == "");
  // roles, dtypes, parts, words of layers
  CHECK(w("role: colum, shape: [8]") == one(shape + 5, "SP-MODEL-003", "layer[1].role"));
  CHECK(w("dtype: bf16, shape: [8], role: norm") == one(shape + 6, "SP-MODEL-003", "layer[1].dtype"));
  CHECK(w("layers: some, shape: [8], role: norm") == one(shape + 7, "SP-MODEL-003", "layer[1].layers"));
  CHECK(w("shape: [8], role: column, parts: [{name: bananas, size: 8}]").find("SP-MODEL-003") != std::string::npos);
  CHECK(w("shape: [8], role: column, parts: [{role: qkv, size: 8}]").find("SP-MODEL-003") != std::string::npos);
  // expressions
  for (const std::string_view bad :
       {"hidden *", "hiden", "(hidden", "hidden / 7", "hidden / 0", "2.5 * hidden", "hidden ^ 2",
        "9999999999 * 9999999999", "99999999999999999999 * 1", "*", "a b", "hidden)"})
    CHECK_MESSAGE(
        w(concat("shape: [8, '", bad, "'], role: column")) == one(shape + 10, "SP-MODEL-006", "layer[1].shape[1]"),
        bad);
  CHECK(w("shape: [8, 2.5], role: column").find("SP-CONFIG-011 layer[1].shape[1]") != std::string::npos);
  CHECK(w("shape: [8, 99999999999999999999], role: column").find("SP-CONFIG-017") != std::string::npos);
  CHECK(w("shape: 8, role: column") == one(shape + 6, "SP-CONFIG-011", "layer[1].shape"));
  CHECK(w("shape: [8], rle: column") ==
        concat(one(3, "SP-CONFIG-012", "layer[1].role"), "; ", one(37, "SP-CONFIG-013", "layer[1].rle")));
  CHECK(w("role: column").find("SP-CONFIG-012 layer[1].shape") != std::string::npos);
  // dimensions
  CHECK(w("shape: [hidden], role: row") == one(shape + 6, "SP-MODEL-007", "layer[1].shape"));
  CHECK(w("shape: [8, 8], role: column, dim: 2") == one(shape + 6, "SP-MODEL-007", "layer[1].shape"));
  CHECK(w("shape: [8, 8], role: column, dim: -1") == one(shape + 6, "SP-MODEL-007", "layer[1].shape"));
  CHECK(w("shape: [8, 8], role: column, expert: true") == one(shape + 6, "SP-MODEL-007", "layer[1].shape"));
  CHECK(w("shape: [8, 8], role: column, dim: 0, expert: true") == one(shape + 6, "SP-MODEL-007", "layer[1].shape"));
  CHECK(w("shape: [], role: replicated, expert: true") == one(shape + 6, "SP-MODEL-007", "layer[1].shape"));
  CHECK(w("shape: [95, 8], role: qkv") == one(shape + 6, "SP-MODEL-007", "layer[1].shape"));
  CHECK(w("shape: [8], role: column, parts: [{size: 3}, {size: 4}]").find("SP-MODEL-007 layer[1].parts") !=
        std::string::npos);
  CHECK(w("shape: [0, 8], role: column") == one(shape + 6, "SP-MODEL-002", "layer[1].shape"));
  CHECK(w("shape: [4294967296, 4294967296], role: column") == one(shape + 6, "SP-CORE-001", "layer[1].shape"));
  CHECK(w("shape: [8], role: norm, dim: 0").find("SP-MODEL-004 layer[1].dim") != std::string::npos);
  // heads
  CHECK(w("shape: [63, 8], role: query") == one(shape + 6, "SP-MODEL-008", "layer[1].shape"));
  CHECK(w("heads: {query: 8, key_value: 3, size: 8}, shape: [64], role: query") ==
        one(shape + 6, "SP-MODEL-008", "layer[1].heads"));
  CHECK(w("heads: {query: 8, size: 0}, shape: [64], role: query") == one(shape + 6, "SP-MODEL-008", "layer[1].heads"));
  // layers
  CHECK(w("layers: moe, shape: [8], role: norm") == one(shape + 7, "SP-MODEL-010", "layer[1].layers"));
  CHECK(w("layers: [2, 9], shape: [8], role: norm") == one(shape + 7, "SP-MODEL-010", "layer[1].layers"));
  CHECK(w("layers: [2, 2], shape: [8], role: norm") == one(shape + 7, "SP-MODEL-010", "layer[1].layers"));
  CHECK(w("layers: {begin: 4}, shape: [8], role: norm") == one(shape + 7, "SP-MODEL-010", "layer[1].layers"));
  CHECK(w("layers: {every: 0}, shape: [8], role: norm") == one(shape + 7, "SP-MODEL-010", "layer[1].layers"));
  CHECK(w("layers: 3, shape: [8], role: norm") == one(shape + 7, "SP-CONFIG-011", "layer[1].layers"));
  // names
  CHECK(layer_faults("{name: l.w, shape: [8], role: norm}\n") == one(10, "SP-MODEL-009", "layer[1].name"));
  CHECK(layer_faults("{name: \"l.{layer}.norm\", shape: [8], role: norm}\n") ==
        one(10, "SP-MODEL-009", "layer[1].name"));
  CHECK(layer_faults("{name: \"{layer}\", tied_name: x, shape: [8], role: norm}\n") ==
        one(32, "SP-MODEL-004", "layer[1].tied_name"));
  CHECK(
      layer_faults("{name: \"{layer}\", shape: [8], role: norm}\nback:\n- {name: embedding, shape: [8], role: norm}") ==
      "11:10 SP-MODEL-009 back[0].name");
  CHECK(layer_faults(
            "{name: \"{layer}\", shape: [8], role: norm}\nback:\n- {name: \"x{layer}\", shape: [8], role: norm}") ==
        "11:10 SP-MODEL-009 back[0].name");
  CHECK(
      layer_faults("{name: \"{layer}\", shape: [8], role: norm}\nback:\n- {name: l.3.norm, shape: [8], role: norm}") ==
      "11:10 SP-MODEL-009 back[0].name");
}

TEST_CASE("faults of the whole are told once, however many parameters they touch") {
  const std::string rest =
      "layer:\n- {name: \"{layer}.q\", shape: [64, hidden], role: query}\n- {name: \"{layer}.k\", shape: [16, hidden], "
      "role: key_value}\n- {name: \"{layer}.qkv\", shape: [96, hidden], role: qkv}\n";
  const auto with = [&](std::string_view head) { return faults(concat(head, '\n', rest)); };
  const std::string sized = "name: m\nlayers: 2\nsizes: {hidden: 64}\n";
  REQUIRE(with(sized + "heads: {query: 8, key_value: 2, size: 8}") == "");
  CHECK(with(sized) == "6:50 SP-MODEL-008 layer[0].role");
  CHECK(with(sized + "heads: {query: 8, key_value: 3, size: 8}") == "4:8 SP-MODEL-008 heads");
  CHECK(with(sized + "heads: {query: 0, key_value: 0, size: 0}") == "4:8 SP-MODEL-008 heads");
  CHECK(with(sized + "heads: {query: 8, key_value: 2}") == "4:8 SP-CONFIG-012 heads.size");
  CHECK(with(sized + "heads: {query: 8, key_value: kv, size: 8}") == "4:30 SP-MODEL-006 heads.key_value");
  CHECK(with("name: m\nlayers: 2\nheads: {query: 8, key_value: 2, size: 8}") == "5:35 SP-MODEL-006 layer[0].shape[1]");
  CHECK(with("name: m\nlayers: 2\nsizes: {hidden: 64 / 7}\nheads: {query: 8, key_value: 2, size: 8}") ==
        "3:17 SP-MODEL-006 sizes.hidden");
  CHECK(with("name: m\nlayers: 2\nsizes: [hidden]\nheads: {query: 8, key_value: 2, size: 8}") ==
        "3:8 SP-CONFIG-011 sizes");
  CHECK(with("name: m\nlayers: 0\nsizes: {hidden: 64}\nheads: {query: 8, key_value: 2, size: 8}") ==
        "2:9 SP-MODEL-002 layers");
  CHECK(with("name: m\nlayers: 65537\nsizes: {hidden: 64}\nheads: {query: 8, key_value: 2, size: 8}") ==
        "2:9 SP-MODEL-005 layers");
  CHECK(with("name: m\nsizes: {hidden: 64}\nheads: {query: 8, key_value: 2, size: 8}") == "1:1 SP-CONFIG-012 layers");
  CHECK(with(sized + "dtype: half\nheads: {query: 8, key_value: 2, size: 8}") == "4:8 SP-MODEL-003 dtype");
  CHECK(with(sized + "moe: {every: 0}\nheads: {query: 8, key_value: 2, size: 8}") == "4:6 SP-MODEL-010 moe");
  // each of several faults, and nothing that follows from one of them
  CHECK(faults(
            "name: m\nlayers: 2\nsizes: {head: 64 / 7}\nheads: {query: 8, key_value: 3, size: 8}\nlayer:\n"
            "- {name: up, shape: [8, hiden], role: column}\n- {name: \"{layer}.q\", shape: [8 * head], role: query}") ==
        "3:15 SP-MODEL-006 sizes.head; 4:8 SP-MODEL-008 heads; 6:10 SP-MODEL-009 layer[0].name; "
        "6:25 SP-MODEL-006 layer[0].shape[1]");
  CHECK(faults("name: m\nlayers: 2\nlayer: []") == "3:8 SP-MODEL-010 layer");
  CHECK(faults("name: m\nlayers: 2\nlayer: [{name: \"{layer}\", shape: [1], role: norm, layers: [0, 1]}]") ==
        "3:8 SP-MODEL-010 layer");
  CHECK(faults("[]") == "1:1 SP-CONFIG-011 ");
  CHECK(faults("") == "1:1 SP-CONFIG-012 name; 1:1 SP-CONFIG-012 layers; 1:1 SP-CONFIG-012 layer");
}

TEST_CASE("a damaged file is refused or read, whatever is missing in it") {
  std::ifstream in(folder + "mixtral.yaml");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  int refused = 0, read = 0;
  for (std::size_t at = 0; at < text.size(); at += 3) {
    std::string damaged = text;
    damaged.erase(at, 1 + at % 5);
    CAPTURE(damaged);
    try {
      const BoundCustomModel bound = bind_custom_model(read_yaml_text(damaged));
      for (const Diagnostic& one : bound.diagnostics) CHECK(one.origins[0].line > 0);
      if (has_errors(bound.diagnostics)) {
        ++refused;
      } else {
        ++read;
        CHECK(custom_model(bound.description).parameters.size() > 0);
      }
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 100);
  CHECK(read > 100);
}

TEST_CASE("an architecture that the parameters contradict is refused") {
  const auto found = [](const std::vector<std::string>& overrides) {
    try {
      load_custom_model(folder + "mixtral.yaml", overrides);
    } catch (const Error& error) {
      Ids out;
      for (const Diagnostic& one : error.diagnostics()) out.push_back(concat(one.id, ' ', one.origins[0].key));
      return out;
    }
    return Ids{};
  };
  CHECK(found({"sizes.experts=4"}) == Ids{});
  CHECK(found({"architecture.moe_frequency=1"}) == Ids{"SP-MODEL-004 architecture.moe_frequency"});
  CHECK(found({"architecture.family=gpt"}) == Ids{"SP-MODEL-003 architecture.family"});
  CHECK(found({"architecture.top_k=9"}) == Ids{"SP-MODEL-004 architecture.top_k"});
  CHECK(found({"architecture.hidden=0"}) == Ids{"SP-MODEL-002 architecture.hidden"});
  CHECK(found({"oops"}) == Ids{"SP-CONFIG-015 oops"});
}

TEST_CASE("a message has the place, the numbers and what would be right") {
  const TemporaryFolder temporary;
  const std::string path =
      temporary.write("m.yaml", with_layer("{name: \"l.{layer}.w\", shape: [hiden], role: norm}\n"));
  const std::string said = message_of([&] { load_custom_model(path); });
  CHECK(said.find("m.yaml:9:33: error SP-MODEL-006: 'hiden': there is no size 'hiden'") != said.npos);
  CHECK(said.find("did you mean 'hidden'? there are hidden, heads, layers") != said.npos);
}

TEST_CASE("the example's file describes what the example prints") {
  const std::string example = std::string(SHARDPLAN_SOURCE_DIR) + "/examples/custom_model/";
  const Model mine = custom_model(load_custom_model(example + "model.yaml").description);
  std::ifstream in(example + "expected.txt");
  const std::string expected{std::istreambuf_iterator<char>(in), {}};
  REQUIRE_FALSE(mine.parameters.empty());
  CHECK(expected.find(concat(mine.parameters.size(), " parameters, ", mine.parameter_count(), " elements")) !=
        expected.npos);
  const BasicPlan<Parameters> plan(mine.parameters, {.tensor = 2, .pipeline = 2, .expert = 4, .zero1 = true},
                                   {.ranks = 32});
  for (const auto& p : plan.at(31).parameters()) {
    CAPTURE(p.name());
    const std::size_t line = expected.find(concat("\n", p.name(), ' '));
    REQUIRE(line != expected.npos);
    CHECK(expected.substr(line, expected.find('\n', line + 1) - line)
              .find(concat(p.local_shape(), " of ", p.full_shape())) != std::string::npos);
  }
}
