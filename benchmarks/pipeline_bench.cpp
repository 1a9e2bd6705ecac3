// Partitions: which layers each stage holds.
#include <benchmark/benchmark.h>

#include <shardplan/pipeline.hpp>

namespace {

using namespace shardplan;

/// Layers of one cost between an embedding and a dearer head, as exact partitions want them.
std::vector<Index> costs(Index layers) {
  std::vector<Index> out(static_cast<std::size_t>(layers) + 2, 1000);
  out.front() = 3;
  out.back() = 1700;
  for (std::size_t i = 1; i + 1 < out.size(); ++i) out[i] += static_cast<Index>(i * 7 % 5);
  return out;
}

void even_partition(benchmark::State& state) {
  Index stages = 1;
  for (auto _ : state) benchmark::DoNotOptimize(pipeline::even(126, stages = stages % 32 + 1));
}
BENCHMARK(even_partition);

void stage_of_a_layer(benchmark::State& state) {
  const Partition partition = pipeline::even(126, 16);
  Index layer = 0;
  for (auto _ : state) {
    layer = (layer + 47) % 126;
    benchmark::DoNotOptimize(partition.stage_of(layer));
  }
}
BENCHMARK(stage_of_a_layer);

void min_max_partition(benchmark::State& state) {
  const std::vector<Index> items = costs(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(pipeline::min_max(items, state.range(1)));
}
BENCHMARK(min_max_partition)
    ->ArgNames({"layers", "stages"})
    ->Args({32, 8})
    ->Args({126, 16})
    ->Args({126, 64})
    ->Unit(benchmark::kMicrosecond);

/// The same under a cap that keeps the first stages, which hold the most micro-batches, short.
void min_max_partition_in_memory(benchmark::State& state) {
  const std::vector<Index> items = costs(126);
  const auto memory = [](StageId stage, Interval held) { return held.size() * (16 - stage.value); };
  for (auto _ : state) benchmark::DoNotOptimize(pipeline::min_max(items, 16, 1, memory, 120));
}
BENCHMARK(min_max_partition_in_memory)->Unit(benchmark::kMicrosecond);

void deepspeed_balanced_partition(benchmark::State& state) {
  const std::vector<Index> items = costs(126);
  for (auto _ : state) benchmark::DoNotOptimize(pipeline::balanced(items, 16));
}
BENCHMARK(deepspeed_balanced_partition)->Unit(benchmark::kMicrosecond);

void parse_layout_string(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(pipeline::parse_layout("Et*3|(tt|)*29,m|L", 16));
}
BENCHMARK(parse_layout_string)->Unit(benchmark::kMicrosecond);

}  // namespace
