// All process groups of a Megatron-Core job of 65,536 ranks: as strides, and written out into a buffer that is reused.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <shardplan/mesh/megatron_groups.hpp>
#include <vector>

namespace {

using namespace shardplan;

/// Both grids at work: tensor 8, context 4, pipeline 16, experts 16; gtp 1 and one optimizer instance.
mcore::ProcessGroups job(Index ranks) {
  return mcore::ProcessGroups(
      {.ranks = ranks, .tensor = 8, .pipeline = 16, .context = 4, .expert = 16, .expert_tensor = 1});
}

/// Every kind as a few numbers each.
void groups_as_strides(benchmark::State& state) {
  const mcore::ProcessGroups groups = job(state.range(0));
  const auto kinds = groups.kinds();
  for (auto _ : state)
    for (const mcore::Kind kind : kinds) benchmark::DoNotOptimize(groups.strides(kind));
  state.counters["kinds"] = static_cast<double>(kinds.size());
}
BENCHMARK(groups_as_strides)->ArgName("ranks")->Arg(1 << 16);

/// Every kind written out, one after the other, into one buffer.
template <class Number>
void groups_flat(benchmark::State& state) {
  const mcore::ProcessGroups groups = job(state.range(0));
  const auto kinds = groups.kinds();
  Index room = 0;
  for (const mcore::Kind kind : kinds) {
    const auto strides = groups.strides(kind);
    if (!strides) return state.SkipWithError("a kind that is no loop");
    room += strides->groups() * strides->group_size();
  }
  std::vector<Number> buffer(static_cast<std::size_t>(room));
  for (auto _ : state) {
    Number* out = buffer.data();
    for (const mcore::Kind kind : kinds) {
      const GroupStrides strides = *groups.strides(kind);
      strides.write(out);
      out += strides.groups() * strides.group_size();
    }
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * room);
}
BENCHMARK(groups_flat<std::int32_t>)->ArgName("ranks")->Arg(1 << 16)->Unit(benchmark::kMicrosecond);
BENCHMARK(groups_flat<Index>)->ArgName("ranks")->Arg(1 << 16)->Unit(benchmark::kMicrosecond);

/// The same one group after the other, for comparison: each of them answers for itself.
void groups_one_by_one(benchmark::State& state) {
  const mcore::ProcessGroups groups = job(state.range(0));
  for (auto _ : state)
    for (const mcore::Kind kind : groups.kinds())
      for (const Group& group : groups.groups(kind)) benchmark::DoNotOptimize(group);
}
BENCHMARK(groups_one_by_one)->ArgName("ranks")->Arg(1 << 16)->Unit(benchmark::kMicrosecond);

}  // namespace
