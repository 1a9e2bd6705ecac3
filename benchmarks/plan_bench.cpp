// Llama 3.1 405B on tensor 8, pipeline 16, data 128 with ZeRO-1: 16,384 ranks, planned and read on one core.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <shardplan/model/hub.hpp>
#include <shardplan/plan/plan.hpp>

namespace {

using namespace shardplan;

const Model& llama_405b() {
  static const Model out = model("llama3.1-405b");
  return out;
}

Plan plan_of(Index data) {
  return Plan(llama_405b(), {.tensor = 8, .pipeline = 16, .zero1 = true}, {.ranks = 8 * 16 * data});
}
const Plan& large_plan() {
  static const Plan out = plan_of(128);
  return out;
}

/// Visits ranks all over the world, each once before any comes again.
Rank scattered(Index i, Index world) { return i * 9973 % world; }

std::size_t heap_in_use() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void make_model(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(model("llama3.1-405b"));
}
BENCHMARK(make_model)->Unit(benchmark::kMicrosecond);

/// `bytes` is what the plan occupies; its parameters are the model's, so they are counted beside it.
void make_plan(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(plan_of(state.range(0)));
  const std::size_t before = heap_in_use();
  const Plan plan = plan_of(state.range(0));
  state.counters["bytes"] = static_cast<double>(heap_in_use() - before + sizeof plan);
  state.counters["parameters"] = static_cast<double>(plan.parameters().size());
  state.counters["ranks"] = static_cast<double>(plan.mesh().size());
}
BENCHMARK(make_plan)->ArgName("data")->Arg(1)->Arg(128)->Arg(8192)->Unit(benchmark::kMicrosecond);

/// Findings alone: what a search over strategies asks of each candidate.
void diagnose_strategy(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(diagnose(llama_405b(), {.tensor = 8, .pipeline = 16, .zero1 = true}, {.ranks = 16384}));
}
BENCHMARK(diagnose_strategy)->Unit(benchmark::kMicrosecond);

void where_a_rank_stands(benchmark::State& state) {
  const Plan& plan = large_plan();
  Index i = 0;
  for (auto _ : state) {
    const auto here = plan.at(scattered(i++, plan.mesh().size()));
    benchmark::DoNotOptimize(here.coordinate(tp) + here.coordinate(dp) + here.stage().value + here.next().value);
  }
}
BENCHMARK(where_a_rank_stands);

void group_of_a_rank(benchmark::State& state) {
  const Plan& plan = large_plan();
  Index i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(plan.at(scattered(i++, plan.mesh().size())).group(dp));
}
BENCHMARK(group_of_a_rank);

/// Name, type and local shape of everything that a rank allocates.
void parameters_of_a_rank(benchmark::State& state) {
  const Plan& plan = large_plan();
  Index i = 0;
  for (auto _ : state) {
    const auto here = plan.at(scattered(i++, plan.mesh().size()));
    for (const auto& p : here.parameters()) {
      benchmark::DoNotOptimize(p.name());
      benchmark::DoNotOptimize(bytes(p.dtype()) * elements(p.local_shape()));
    }
  }
}
BENCHMARK(parameters_of_a_rank)->Unit(benchmark::kMicrosecond);

/// Every piece of every parameter, and of every slice of optimizer state, of every rank.
void everything_of_all_ranks(benchmark::State& state) {
  const Plan& plan = large_plan();
  Index pieces = 0;
  for (auto _ : state) {
    pieces = 0;
    Index sum = 0;
    const auto visit = [&](const auto& tensors) {
      for (const auto& tensor : tensors)
        for (const Piece& piece : tensor.pieces()) {
          sum += piece.global[0] + piece.local[0] + piece.extent[0];
          ++pieces;
        }
    };
    for (Index rank = 0; rank < plan.mesh().size(); ++rank) {
      const auto here = plan.at(rank);
      visit(here.parameters());
      visit(here.optimizer_shards());
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * plan.mesh().size());
  state.counters["ranks"] = static_cast<double>(plan.mesh().size());
  state.counters["pieces"] = static_cast<double>(pieces);
}
BENCHMARK(everything_of_all_ranks)->Unit(benchmark::kMillisecond);

}  // namespace
