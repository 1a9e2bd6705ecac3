// Shuffles of an index as large as a training run's, and samples of a step.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <numeric>

#include <shardplan/data.hpp>

namespace {

using namespace shardplan;

data::Permutation numbers(benchmark::State& state) {
  data::Permutation out(static_cast<std::size_t>(state.range(0)));
  std::iota(out.begin(), out.end(), 0U);
  return out;
}

/// The yardstick: the standard library's shuffle, which draws one number an item too.
void std_shuffle(benchmark::State& state) {
  data::Permutation items = numbers(state);
  std::mt19937 draw(1234);
  for (auto _ : state) {
    std::shuffle(items.begin(), items.end(), draw);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(std_shuffle)->Arg(1'000'000)->Arg(100'000'000)->Unit(benchmark::kMillisecond);

void numpy_shuffle(benchmark::State& state) {
  data::Permutation items = numbers(state);
  data::NumpyShuffle shuffle(1234);
  for (auto _ : state) {
    shuffle(std::span(items));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(numpy_shuffle)->Arg(1'000'000)->Arg(100'000'000)->Unit(benchmark::kMillisecond);

void torch_randperm(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(data::torch_randperm(static_cast<std::size_t>(state.range(0)), 1234));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(torch_randperm)->Arg(1'000'000)->Arg(100'000'000)->Unit(benchmark::kMillisecond);

/// One step of one rank, somewhere in 2^40 samples.
void sequential_step(benchmark::State& state) {
  const auto sampler =
      data::sequential_batches({.samples = Index{1} << 40, .global_batch = state.range(0) * 64, .data_ranks = 64});
  Index step = 0;
  for (auto _ : state) {
    Index sum = 0;
    for (const Index sample : sampler.samples(3, step)) sum += sample;
    benchmark::DoNotOptimize(sum);
    step = (step + 12345) % sampler.steps();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(sequential_step)->Arg(8)->Arg(1024);

}  // namespace
