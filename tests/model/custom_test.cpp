#include <shardplan/model/custom.hpp>

#include <shardplan/plan/plan.hpp>

#include "support.hpp"

using namespace shardplan;

namespace {

/// What stands at the members of a parameter, so that one of a built-in model can be described.
CustomParameter described(const Parameter& p, std::string name) {
  return {
      .name = std::move(name), .shape = p.shape, .sharding = p.sharding, .tied_name = p.tied_name, .dtype = p.dtype};
}

/// The description of a model by reading its registry: layer 0 of each kind stands for all layers of that kind.
CustomModel description_of(const Model& model) {
  const Architecture& a = model.architecture;
  CustomModel out{.name = model.name, .layers = a.layers, .dtype = a.dtype, .architecture = a};
  const Index begin = a.family == Family::megatron ? a.moe_frequency - 1 : 0;
  const bool moe = a.experts > 1;
  const auto first_of = [&](bool experts) {
    for (LayerId layer = 0; layer < LayerId{a.layers}; ++layer)
      if (a.is_moe(layer) == experts) return layer;
    return LayerId{-1};
  };
  for (const Parameter& p : model.parameters) {
    if (p.owner.kind == Owner::Kind::last) {
      out.back.push_back(described(p, p.name));
    } else if (p.owner.kind != Owner::Kind::layer) {
      out.front.push_back(described(p, p.name));
    } else if (p.owner.layer == first_of(true) || p.owner.layer == first_of(false)) {
      const std::string number = concat('.', p.owner.layer, '.');
      std::string name = p.name;
      name.replace(name.find(number), number.size(), ".{layer}.");
      out.layer.push_back(described(p, name));
      if (moe) out.layer.back().layers = {begin, most_layers, a.moe_frequency, !a.is_moe(p.owner.layer)};
    }
  }
  return out;
}

CustomModel small() {
  return {.name = "small",
          .layers = 4,
          .front = {{"embedding", {512, 64}, cut(0, 512, Role::vocabulary)}},
          .layer = {{"layers.{layer}.up", {256, 64}, cut(0, 256)},
                    {"layers.{layer}.q", {64, 64}, {.dim = 0, .parts = {{{}, 64, Role::query}}, .heads = {8, 2, 8}}}},
          .back = {{"norm", {64}, replicated(true)}}};
}

/// `id key` of every finding about `small()` after a change.
template <class Change>
std::string faults(Change change) {
  CustomModel model = small();
  change(model);
  std::string out;
  for (const Diagnostic& one : diagnose_custom_model(model))
    out += concat(out.empty() ? "" : "; ", one.id, ' ', one.origins[0].key);
  const std::vector<std::string> thrown = thrown_ids([&] { custom_model(model); });
  CHECK(thrown.empty() == out.empty());
  return out;
}

}  // namespace

TEST_CASE("a set of layers contains as many as it counts") {
  for (const Index layers : {1, 2, 5, 9})
    for (const Index begin : {0, 1, 4, 7})
      for (const Index end : {begin + 1, begin + 3, most_layers})
        for (const Index every : {1, 2, 3, 10})
          for (const bool others : {false, true}) {
            const LayerSet set{begin, end, every, others};
            Index count = 0;
            for (LayerId layer = 0; layer < LayerId{layers}; ++layer) count += set.contains(layer);
            CHECK(set.count(layers) == count);
            const LayerSet rest{begin, end, every, !others};
            CHECK(rest.count(layers) + count == layers);
          }
}

TEST_CASE("the number goes wherever the pattern has it") {
  CHECK(layer_name("model.layers.{layer}.w", 12) == "model.layers.12.w");
  CHECK(layer_name("{layer}{layer}", 7) == "77");
  CHECK(layer_name("none", 7) == "none");
  CHECK(layer_name("{Layer}.{layer", 7) == "{Layer}.{layer");
}

TEST_CASE("built-in models, described by their own parameters, come back") {
  const Architecture small_llama{.layers = 3, .hidden = 64, .ffn = 96, .heads = 8, .kv_heads = 2, .vocab = 100};
  int compared = 0;
  for (const bool linear : {false, true})
    for (const bool fuse : {false, true})
      for (const bool tied : {false, true}) {
        Architecture a = small_llama;
        a.qkv_linear = linear;
        a.fuse_qkv = fuse;
        a.tied_embeddings = tied;
        const Model built_in = llama(a);
        CHECK(custom_model(description_of(built_in)) == built_in);
        ++compared;
      }
  for (const Index frequency : {1, 2, 3})
    for (const Family family : {Family::hf_mixtral, Family::megatron}) {
      Architecture a = small_llama;
      a.experts = 4;
      a.moe_frequency = frequency;
      a.family = family;
      const Model built_in = model(a);
      CHECK(custom_model(description_of(built_in)) == built_in);
      ++compared;
    }
  for (const Block block : {Block::pre_ln, Block::post_ln, Block::normformer, Block::gpt_j})
    for (const Index kv_heads : {2, 8}) {
      Architecture a = small_llama;
      a.kv_heads = kv_heads;
      a.family = Family::megatron;
      a.block = block;
      a.bias = true;
      a.learned_positions = true;
      a.positions = 32;
      a.vocabulary_multiple = 8;
      a.normalization = Normalization::layernorm;
      const Model built_in = model(a);
      CHECK(custom_model(description_of(built_in)) == built_in);
      ++compared;
    }
  CHECK(compared == 22);
}

TEST_CASE("a described model has what every model has") {
  const Model mine = custom_model(small());
  check_parameters(mine);
  CHECK(mine.parameters.size() == 10);
  CHECK(mine.parameters[1].name == "layers.0.up");
  CHECK(mine.parameters[1].owner == Owner{Owner::Kind::layer, 0});
  CHECK(mine.parameters[9].owner.kind == Owner::Kind::last);
  CHECK(mine.parameter_count() == 512 * 64 + 4 * (256 * 64 + 64 * 64) + 64);
  CustomModel changed = small();
  changed.dtype = Dtype::float32;
  changed.layer[0].dtype = Dtype::float16;
  changed.front[0].tied_name = "head";
  const Model other = custom_model(changed);
  CHECK(other.parameters[0].owner.kind == Owner::Kind::first_and_last);
  CHECK(other.parameters[0].dtype == Dtype::float32);
  CHECK(other.parameters[1].dtype == Dtype::float16);
}

TEST_CASE("every rank of a plan holds what the description gives it") {
  const Model mine = custom_model(small());
  for (const Index tensor : {1, 2})
    for (const Index pipeline : {1, 2, 4}) {
      const BasicPlan<Parameters> plan(mine.parameters, {.tensor = tensor, .pipeline = pipeline},
                                       {.ranks = 2 * tensor * pipeline});
      Index all = 0;
      for (Rank rank = 0; rank < plan.world().ranks; ++rank) {
        const auto local = plan.at(rank).parameters();
        for (const auto& p : local) {
          const bool cut_up = !p.source().sharding.parts.empty();
          CHECK(p.shard().elements() * (cut_up ? tensor : 1) == elements(p.full_shape()));
          all += p.shard().elements();
        }
      }
      CHECK(all == 2 * (mine.parameter_count() + 64 * (tensor - 1)));  // data ranks; copies of the norm
    }
}

TEST_CASE("faults of a description, each once, by the path of the member") {
  CHECK(faults([](CustomModel&) {}) == "");
  CHECK(faults([](CustomModel& m) { m.layers = 0; }) == "SP-MODEL-002 layers");
  CHECK(faults([](CustomModel& m) { m.layers = most_layers + 1; }) == "SP-MODEL-005 layers");
  CHECK(faults([](CustomModel& m) { m.layer = {}; }) == "SP-MODEL-010 layer");
  CHECK(faults([](CustomModel& m) { m.layer[0].layers = m.layer[1].layers = {.begin = 1}; }) == "SP-MODEL-010 layer");
  CHECK(faults([](CustomModel& m) { m.layer[0].layers = {.begin = 4}; }) == "SP-MODEL-010 layer[0].layers");
  CHECK(faults([](CustomModel& m) { m.layer[0].layers = {.begin = -1}; }) == "SP-MODEL-010 layer[0].layers");
  CHECK(faults([](CustomModel& m) { m.layer[0].layers = {.every = 0}; }) == "SP-MODEL-010 layer[0].layers");
  CHECK(faults([](CustomModel& m) { m.layer[0].layers = {.begin = 2, .end = 2}; }) == "SP-MODEL-010 layer[0].layers");
  CHECK(faults([](CustomModel& m) { m.layer[0].layers.others = true; }) == "");
  CHECK(faults([](CustomModel& m) { m.back[0].layers = {.begin = 1}; }) == "SP-MODEL-010 back[0].layers");
  CHECK(faults([](CustomModel& m) { m.layer[0].name = "up"; }) == "SP-MODEL-009 layer[0].name");
  CHECK(faults([](CustomModel& m) { m.layer[0].name += std::string(600, 'x'); }) == "SP-MODEL-009 layer[0].name");
  CHECK(faults([](CustomModel& m) { m.front[0].tied_name = std::string(600, 'x'); }) ==
        "SP-MODEL-009 front[0].tied_name");
  CHECK(faults([](CustomModel& m) { m.layer[0].name = ""; }) == "SP-MODEL-009 layer[0].name");
  CHECK(faults([](CustomModel& m) { m.back[0].name = "{layer}"; }) == "SP-MODEL-009 back[0].name");
  CHECK(faults([](CustomModel& m) { m.back[0].name = "layers.2.up"; }) == "SP-MODEL-009 back[0].name");
  CHECK(faults([](CustomModel& m) { m.front[0].tied_name = "norm"; }) == "SP-MODEL-009 back[0].name");
  CHECK(faults([](CustomModel& m) { m.layer[1].name = m.layer[0].name; }) == "SP-MODEL-009 layer[1].name");
  CHECK(faults([](CustomModel& m) {
          m.layer[1].name = m.layer[0].name;
          m.layer[0].layers = {.every = 2};
          m.layer[1].layers = {.every = 2, .others = true};
        }) == "");
  CHECK(faults([](CustomModel& m) { m.back[0].tied_name = "x"; }) == "SP-MODEL-004 back[0].tied_name");
  CHECK(faults([](CustomModel& m) { m.layer[0].tied_name = "x"; }) == "SP-MODEL-004 layer[0].tied_name");
  CHECK(faults([](CustomModel& m) { m.layer[0].shape = {256, 0}; }) == "SP-MODEL-002 layer[0].shape");
  CHECK(faults([](CustomModel& m) { m.layer[0].shape = {256, 1, Index{1} << 60}; }) == "SP-CORE-001 layer[0].shape");
  CHECK(faults([](CustomModel& m) { m.layer[0].shape = {255, 64}; }) == "SP-MODEL-007 layer[0].parts");
  CHECK(faults([](CustomModel& m) { m.back[0].shape = Shape(17, 1); }) == "SP-MODEL-007 back[0].shape");
  CHECK(faults([](CustomModel& m) { m.layer[0].sharding.dim = 2; }) == "SP-MODEL-007 layer[0].shape");
  CHECK(faults([](CustomModel& m) { m.layer[0].sharding.dim = -1; }) == "SP-MODEL-007 layer[0].shape");
  CHECK(faults([](CustomModel& m) { m.layer[0].sharding.expert = true; }) == "SP-MODEL-007 layer[0].shape");
  CHECK(faults([](CustomModel& m) { m.back[0] = {"scalar", {}, {.expert = true}}; }) == "SP-MODEL-007 back[0].shape");
  CHECK(faults([](CustomModel& m) { m.back[0].shape = {}; }) == "");
  CHECK(faults([](CustomModel& m) { m.layer[0].sharding.parts.push_back({{}, 0}); }) == "SP-MODEL-002 layer[0].parts");
  CHECK(faults([](CustomModel& m) { m.front[0].sharding.vocabulary_multiple = -1; }) ==
        "SP-MODEL-002 front[0].vocabulary_multiple");
  CHECK(faults([](CustomModel& m) { m.layer[1].sharding.heads = {}; }) == "SP-MODEL-008 layer[1].heads");
  CHECK(faults([](CustomModel& m) { m.layer[1].sharding.heads.key_value = 3; }) == "SP-MODEL-008 layer[1].heads");
  CHECK(faults([](CustomModel& m) { m.layer[1].sharding.heads.size = -8; }) == "SP-MODEL-008 layer[1].heads");
  CHECK(faults([](CustomModel& m) { m.layer[1].sharding.heads.query = 4; }) == "SP-MODEL-008 layer[1].shape");
  CHECK(faults([](CustomModel& m) {
          m.layers = most_layers;
          m.layer.resize(65, CustomParameter(m.layer[0]));
        }) == "SP-MODEL-005 layer");
  CHECK(faults([](CustomModel& m) {
          m.architecture = Architecture{.hidden = 64, .ffn = 256, .heads = 8, .vocab = 512};
        }) == "");
  CHECK(faults([](CustomModel& m) { m.architecture = Architecture{.hidden = 64, .ffn = 256, .heads = 8}; }) ==
        "SP-MODEL-002 architecture.vocab");
  CHECK(faults([](CustomModel& m) {
          m.architecture = Architecture{
              .hidden = 64, .ffn = 256, .heads = 8, .vocab = 512, .experts = 4, .family = Family::hf_mixtral};
        }) == "SP-MODEL-004 architecture.moe_frequency");
}
