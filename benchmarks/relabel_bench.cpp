#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <vector>

#include <shardplan/layout/relabel.hpp>

/// Relabelling of the ranks of a destination: which process plays which.
namespace {

using shardplan::Index;

enum Volumes { dense, ties, overlap };

std::vector<Index> volumes(Volumes kind, Index ranks) {
  std::mt19937_64 random(1);
  const auto below = [&random](Index limit) {
    return static_cast<Index>(random() % static_cast<std::uint64_t>(limit));
  };
  std::vector<Index> out(static_cast<std::size_t>(ranks * ranks));
  if (kind != overlap) {
    for (Index& one : out) one = below(kind == ties ? 32 : 1'000'000);
    return out;
  }
  const Index length = 1 << 24;
  const auto bounds = [&] {
    std::vector<Index> cuts{0, length};
    for (Index i = 1; i < ranks; ++i) cuts.push_back(below(length));
    std::sort(cuts.begin(), cuts.end());
    return cuts;
  };
  const std::vector<Index> from = bounds(), to = bounds();
  for (std::size_t i = 0, at = 0; i + 1 < from.size(); ++i)
    for (std::size_t j = 0; j + 1 < to.size(); ++j)
      out[at++] = std::max<Index>(0, std::min(from[i + 1], to[j + 1]) - std::max(from[i], to[j]));
  return out;
}

void relabel(benchmark::State& state, Volumes kind) {
  const Index ranks = state.range(0);
  const std::vector<Index> held = volumes(kind, ranks);
  shardplan::Relabelling got;
  for (auto _ : state) benchmark::DoNotOptimize(got = shardplan::relabel(held, ranks));
  state.counters["saved"] = 1 - static_cast<double>(got.after) / static_cast<double>(std::max<Index>(1, got.before));
}
BENCHMARK_CAPTURE(relabel, dense, dense)->Arg(128)->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(relabel, ties, ties)->Arg(128)->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(relabel, overlap, overlap)->Arg(128)->Arg(1024)->Unit(benchmark::kMillisecond);

}  // namespace
