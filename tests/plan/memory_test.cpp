#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <shardplan/model/hub.hpp>
#include <shardplan/pipeline/in_flight.hpp>
#include <shardplan/plan/memory.hpp>
#include <string>
#include <vector>

using namespace shardplan;

namespace {

constexpr double gib(Index bytes) { return static_cast<double>(bytes) / (1 << 30); }
constexpr double mib(Index bytes) { return static_cast<double>(bytes) / (1 << 20); }

/// Worked example of cost-model sheet G: Llama-3 70B, 32 tensor x 8 pipeline x 4 data ranks.
struct Example {
  Architecture architecture = shardplan::architecture("llama3-70b");
  Strategy strategy{.tensor = 32, .pipeline = 8, .kv_replicator = 4, .sequence_parallel = true, .zero1 = true};
  Training training{.global_batch = 1024,
                    .sequence = 8192,
                    .optimizer = "adamw_fp32OptState",
                    .recompute = {.core_attention = true, .mlp = true},
                    .flash_attention = true};

  RankLoad load(Index stage) const {
    const Index parameters[] = {316112896, 283279360, 316121088};
    const Index kind = stage == 0 ? 0 : stage == 7 ? 2 : 1;
    const Index in_flight =
        pipeline::in_flight(pipeline::ScheduleKind::one_f_one_b, training.microbatches(4), 8, 1, stage);
    return {.parameters = parameters[kind],
            .optimizer_elements = parameters[kind] / 4,
            .largest_update = 32833536 / 4,
            .data = 4,
            .chunks = {{10, 0}},
            .in_flight = in_flight,
            .embedding = stage == 0,
            .head = stage == 7};
  }
  Memory memory(Index stage) const { return rank_memory(architecture, strategy, training, load(stage)); }
  LayerActivations layer() const { return layer_activations(architecture, strategy, training, false); }
};

Index states(const Memory& m) { return m.weights + m.gradients + m.master_weights + m.optimizer_state; }

}  // namespace

TEST_CASE("worked example: states of the stages") {
  const Example x;
  CHECK(states(x.memory(0)) == 9 * Index{316112896});
  CHECK(gib(states(x.memory(0))) == doctest::Approx(2.650).epsilon(2e-4));
  CHECK(gib(states(x.memory(3))) == doctest::Approx(2.374).epsilon(2e-4));
  CHECK(gib(states(x.memory(7))) == doctest::Approx(2.650).epsilon(2e-4));
  CHECK(gib(x.memory(0).master_weights) == doctest::Approx(0.294).epsilon(2e-3));  // as large as the shard gradient
  CHECK(x.memory(0).optimizer_state == 2 * x.memory(0).master_weights);
}

TEST_CASE("worked example: activations") {
  Example x;
  CHECK(x.training.microbatches(4) == 256);
  CHECK(mib(x.layer().kept()) == doctest::Approx(28.0));
  CHECK(mib(x.layer().recomputed()) == doctest::Approx(42.0).epsilon(2e-3));
  const Index ends = embedding_activations(x.architecture, activation_extents(x.architecture, x.strategy, x.training));
  CHECK(x.memory(0).activations == 8 * (10 * x.layer().kept() + ends));
  CHECK(gib(8 * 10 * x.layer().kept()) == doctest::Approx(2.19).epsilon(2e-3));
  for (Index stage = 1; stage < 7; ++stage) CHECK(x.memory(stage).activations == (8 - stage) * 10 * x.layer().kept());
  const Index logits = x.memory(7).activations - 10 * x.layer().kept() - 2 * 2 * 8192 * 8192 / 32;
  CHECK(gib(logits) == doctest::Approx(0.18).epsilon(2e-2));
  // States, shard gradient and activations of stage 0, "about 5.1".
  CHECK(gib(states(x.memory(0)) + x.memory(0).master_weights + x.memory(0).activations) ==
        doctest::Approx(5.1).epsilon(2e-2));

  x.training.recompute = {};
  CHECK(mib(x.layer().kept()) == doctest::Approx(70.06).epsilon(1e-4));
  x.training.recompute = {.layer = true};
  CHECK(mib(x.layer().kept()) == doctest::Approx(4.0));
  CHECK(gib(8 * 10 * x.layer().kept()) == doctest::Approx(0.31).epsilon(1e-2));
}

TEST_CASE("worked example: buffers") {
  const Example x;
  const Index h = 8192, tokens = 8192, t = 32, whole = 2 * h * tokens;
  const Index first_mlp = 2 * 2 * h * 28672 / t, table = 2 * 128256 * h / t, pipeline = 2 * 2 * whole / t;
  CHECK(mib(whole) == 128);
  for (const Index stage : {0, 3, 7})
    CHECK(pass_transient(x.architecture, x.strategy, x.training, x.load(stage)) ==
          x.layer().recomputed() + first_mlp + (stage == 3 ? 0 : table) + whole + pipeline);
  const RankLoad load = x.load(0);
  CHECK(step_transient(x.strategy, x.training, load) ==
        load.parameters / 4 * 4 + 2 * (130 + 32) * zero::mebibyte + 4 * load.largest_update);
}

TEST_CASE("buckets are no larger than what goes through them") {
  Example x;
  RankLoad load{.parameters = 1000, .optimizer_elements = 250, .data = 4};
  CHECK(step_transient(x.strategy, x.training, load) == 250 * 4 + 2 * 4 * 1000 + 2 * 2 * 1000);
  load.largest_update = 100;
  x.strategy.zero1 = false;
  CHECK(step_transient(x.strategy, x.training, load) == 4 * 100);
  load.parameters = load.optimizer_elements = 1 << 30;
  load.largest_update = 0;
  x.strategy.zero1 = true;
  // Float32 master weights without downcast halve the cap.
  x.training.precision = *precision_from_type("autocast");
  CHECK(step_transient(x.strategy, x.training, load) == (Index{4} << 30) + 2 * (65 + 16) * zero::mebibyte);
  load.data = 0;
  CHECK_THROWS_AS(step_transient(x.strategy, x.training, load), Error);
}

TEST_CASE("states of a parameter in every mode: N local, N / 8 sharded") {
  struct Row {
    std::string_view type;
    bool zero1;
    std::string_view optimizer;
    Index whole, sliced;  // bytes per N and per N / d
  };
  const Row rows[] = {{"mixed_precision", true, "adamw", 6, 12},
                      {"mixed_precisionSR", true, "adamw", 6, 12},
                      {"autocast", true, "adamw", 6, 12},
                      {"bf16SR", true, "adamw", 4, 6},
                      {"fp32", true, "adamw", 8, 12},
                      {"mixed_precision", false, "adamw_fp32OptState", 12, 0},
                      {"mixed_precision", false, "adamw", 8, 0},
                      {"bf16SR", false, "adamw", 8, 0},
                      {"fp32", false, "adamw", 16, 0}};
  const Example x;
  for (const Row& row : rows)
    for (const Index shards : {1, 8}) {
      const Index n = 1 << 20;
      Strategy strategy;
      strategy.zero1 = row.zero1;
      const Training training{.precision = *precision_from_type(row.type), .optimizer = std::string(row.optimizer)};
      const Index updated = row.zero1 ? n / shards : n;
      const Memory m =
          rank_memory(x.architecture, strategy, training, {.parameters = n, .optimizer_elements = updated});
      CAPTURE(std::string(row.type));
      CHECK(states(m) == row.whole * n + row.sliced * n / shards);
      CHECK(m.activations == 0);
      CHECK(m.total() == states(m) + m.transient);
    }
}

TEST_CASE("activations in flight, chunk by chunk") {
  for (Index p = 1; p <= 6; ++p)
    for (Index v = 1; v <= 4; ++v)
      for (Index in_flight = 0; in_flight <= 4 * p * v; ++in_flight) {
        // The forward passes of NxD's schedule, one by one.
        std::vector<Index> counted(static_cast<std::size_t>(v), 0);
        for (Index k = 0; k < in_flight; ++k) ++counted[static_cast<std::size_t>(k % (p * v) / p)];
        for (Index chunk = 0; chunk < v; ++chunk)
          CHECK(in_flight_of_chunk(in_flight, p, v, chunk) == counted[static_cast<std::size_t>(chunk)]);
      }
  static_assert(in_flight_of_chunk(11, 4, 2, 0) == 7 && in_flight_of_chunk(11, 4, 2, 1) == 4);
}

TEST_CASE("chunks count with their own layers, ends with their own chunk") {
  Example x;
  x.architecture.family = Family::hf_mixtral;
  x.architecture.experts = 8;
  x.strategy.pipeline = 4;
  x.strategy.virtual_pipeline = 2;
  const RankLoad load{.chunks = {{2, 1}, {3, 0}}, .in_flight = 11, .embedding = true, .head = true};
  const auto layer = [&](bool moe) { return layer_activations(x.architecture, x.strategy, x.training, moe); };
  const ActivationExtents extents = activation_extents(x.architecture, x.strategy, x.training);
  const Index first = 2 * layer(false).kept() + layer(true).kept() + embedding_activations(x.architecture, extents);
  const Index second = 3 * layer(false).kept() + head_activations(x.architecture, extents);
  CHECK(kept_activations(x.architecture, x.strategy, x.training, load) == 7 * first + 4 * second);

  // On the last rank one microbatch at a time is in its loss, unless all forward passes go first (NxD, M = P).
  for (const Index microbatches : {4, 8, 16}) {
    const Index alive = pipeline::in_flight(pipeline::ScheduleKind::interleaved, microbatches, 4, 2, 3);
    CHECK(in_flight_of_chunk(alive, 4, 2, 1) == (microbatches == 4 ? 4 : 1));
  }
}

TEST_CASE("what is recomputed counts once: the larger kind of layer") {
  Example x;
  x.architecture.family = Family::hf_mixtral;
  x.architecture.experts = 8;
  x.strategy = {};
  const auto transient = [&](ChunkLayers layers) {
    return pass_transient(x.architecture, x.strategy, x.training, {.chunks = {layers}});
  };
  const auto layer = [&](bool moe) { return layer_activations(x.architecture, x.strategy, x.training, moe); };
  const Index first_mlp = 2 * 2 * 8192 * Index{28672};
  CHECK(transient({}) == 0);
  CHECK(transient({.dense = 3}) == layer(false).recomputed() + first_mlp);
  CHECK(transient({.moe = 1}) == layer(true).recomputed() + 8 * first_mlp);
  CHECK(transient({5, 5}) == layer(false).recomputed() + 8 * first_mlp);
  x.strategy.expert = 4;
  CHECK(transient({.moe = 1}) == layer(true).recomputed() + 2 * first_mlp);
  x.training.recompute = {.layer = true};
  CHECK(transient({.moe = 2}) == layer(true).kept() + layer(true).recomputed() + 2 * first_mlp);
  x.architecture.gated = false;
  CHECK(transient({.dense = 1}) == layer(false).kept() + layer(false).recomputed() + first_mlp / 2);
}

TEST_CASE("context parallelism: K and V of the whole sequence, or two blocks of a ring") {
  Example x;
  x.strategy = {.tensor = 8};
  x.training.recompute = {};
  const auto transient = [&] { return pass_transient(x.architecture, x.strategy, x.training, {}); };
  CHECK(transient() == 0);
  x.strategy.context = 4;
  const Index key_value = 8 * 128 / 8;
  CHECK(transient() == 2 * 2 * 2 * 8192 * key_value);
  x.training.ring_attention = true;
  CHECK(transient() == 2 * 2 * 2 * 8192 / 4 * key_value);
}

TEST_CASE("sequence parallelism over one tensor rank changes nothing") {
  Example x;
  x.strategy.tensor = x.strategy.kv_replicator = 1;
  const Memory with = x.memory(0);
  x.strategy.sequence_parallel = false;
  CHECK(x.memory(0) == with);
}

TEST_CASE("more of anything never needs less, more tensor ranks never more") {
  Example x;
  for (Index stage = 0; stage < 8; ++stage) {
    const Index before = x.memory(stage).total();
    for (Index RankLoad::*member :
         {&RankLoad::parameters, &RankLoad::optimizer_elements, &RankLoad::largest_update, &RankLoad::in_flight}) {
      RankLoad more = x.load(stage);
      more.*member += 1000;
      CHECK(rank_memory(x.architecture, x.strategy, x.training, more).total() > before);
    }
    Example longer = x;
    longer.training.sequence *= 2;
    CHECK(longer.memory(stage).total() > before);
    Example wider = x;
    wider.strategy.tensor = 64;
    wider.strategy.kv_replicator = 8;
    CHECK(wider.memory(stage).total() < before);
    Example narrow = x;
    narrow.training.precision = *precision_from_type("bf16SR");
    CHECK(narrow.memory(stage).total() < before);
  }
}

TEST_CASE("the total is checked") {
  const Index half = Index{1} << 62;
  CHECK_THROWS_AS(static_cast<void>(Memory{.weights = half, .transient = half}.total()), Error);
  CHECK(Memory{1, 2, 3, 4, 5, 6}.total() == 21);
  CHECK_THROWS_AS(rank_memory(Example{}.architecture, {}, {}, {.parameters = half}), Error);
}

TEST_CASE("measured: GPU memory of Llama models of few layers") {
  // SimuMax, docs/b200, maximum allocated on the fullest rank: Megatron with bfloat16 weights, float32 gradients, the
  // distributed optimizer, flash attention, sequence parallelism, no recomputation. It updates in the gradients' place,
  // so nothing is added at the step. Bounds: cost-model sheet, F.
  struct Row {
    std::string_view model;
    Index layers, tensor, context, pipeline, data, sequence;
    double measured;
  };
  const Row rows[] = {{"llama3-70b", 12, 1, 1, 2, 4, 4096, 66.55},     {"llama3-70b", 12, 2, 1, 1, 4, 4096, 60.68},
                      {"llama3-70b", 12, 4, 1, 1, 2, 4096, 39.07},     {"llama3-70b", 12, 8, 1, 1, 1, 4096, 28.29},
                      {"llama3.1-405b", 4, 1, 1, 2, 4, 4096, 87.08},   {"llama3.1-405b", 4, 2, 1, 1, 4, 4096, 81.59},
                      {"llama3.1-405b", 4, 4, 1, 1, 2, 4096, 52.89},   {"llama3.1-405b", 4, 8, 1, 1, 1, 4096, 38.57},
                      {"llama3-70b", 12, 2, 4, 1, 1, 32768, 68.43},    {"llama3-70b", 12, 1, 8, 1, 1, 32768, 104.51},
                      {"llama3.1-405b", 4, 2, 4, 1, 1, 32768, 87.03},  {"llama3.1-405b", 4, 1, 8, 1, 1, 32768, 139.22},
                      {"llama3-70b", 12, 2, 4, 1, 1, 131072, 112.67},  {"llama3-70b", 12, 1, 8, 1, 1, 131072, 147.99},
                      {"llama3.1-405b", 4, 2, 4, 1, 1, 131072, 118.13}};
  double errors = 0;
  for (const Row& row : rows) {
    Architecture a = architecture(row.model);
    a.layers = row.layers;
    const Strategy strategy{.tensor = row.tensor,
                            .pipeline = row.pipeline,
                            .context = row.context,
                            .sequence_parallel = true,
                            .zero1 = true};
    const Training training{.sequence = row.sequence, .flash_attention = true};
    Index most = 0;
    for (Index stage = 0; stage < row.pipeline; ++stage) {
      const bool first = stage == 0, last = stage == row.pipeline - 1;
      Index parameters = 0;
      for (const Parameter& p : llama(a).parameters) {
        const bool here = p.owner.kind == Owner::Kind::first  ? first
                          : p.owner.kind == Owner::Kind::last ? last
                                                              : p.owner.layer.value % row.pipeline == stage;
        if (here) parameters += elements(p.shape) / (p.sharding.parts.empty() ? 1 : row.tensor);
      }
      const RankLoad load{.parameters = parameters,
                          .optimizer_elements = parameters / (row.data * row.context),
                          .data = row.data,
                          .chunks = {{row.layers / row.pipeline, 0}},
                          .in_flight = row.pipeline - stage,
                          .embedding = first,
                          .head = last};
      const Memory memory = rank_memory(a, strategy, training, load);
      most = std::max(most, memory.total() - step_transient(strategy, training, load));
    }
    const double error = gib(most) / row.measured - 1;
    CAPTURE(std::string(row.model));
    CAPTURE(row.tensor);
    CAPTURE(row.context);
    CAPTURE(row.sequence);
    CAPTURE(error);
    CHECK(std::abs(error) < 0.04);
    errors += std::abs(error);
  }
  CHECK(errors / static_cast<double>(std::size(rows)) < 0.015);
}
