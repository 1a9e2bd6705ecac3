// What one rank pays for its own moves between two layouts, and what a sweep over all ranks costs.
#include <benchmark/benchmark.h>

#include <shardplan/layout/transfer.hpp>
#include <vector>

namespace {

using namespace shardplan;

struct Pair {
  Layout from;
  Layout to;
};

// Weights of Llama 3.1 405B on other meshes than they were trained on.
Pair column() {
  const Shape shape{53248, 16384};
  return {Layout(View({{pp, 16}, {dp, 128}, {tp, 8}}), shape).then(0, split(tp)).pinned(pp, {7}),
          Layout(View({{pp, 8}, {dp, 64}, {tp, 32}}), shape).then(0, split(tp)).pinned(pp, {3})};
}
Pair gate_up_rows() {
  const Shape shape{2 * 53248, 16384};
  return {Layout(View({{dp, 128}, {tp, 8}}), shape).then(0, strided(tp, 2) | pad_to_multiple(128) | split(dp)),
          Layout(View({{dp, 96}, {tp, 16}}), shape).then(0, strided(tp, 2) | pad_to_multiple(96) | split(dp))};
}
Pair key_value() {
  const Shape shape{1024, 16384};
  return {Layout(View({{dp, 64}, {tp, 32}}), shape).then(0, split(inner(tp, 8))),
          Layout(View({{dp, 512}, {tp, 8}}), shape).then(0, split(tp))};
}
Pair tiles() {
  const Shape shape{2 * 53248, 16384};
  return {Layout(View({{dp, 24}, {tp, 8}}), shape).then(0, strided(tp, 2)).then(1, split(dp).balanced()),
          Layout(View({{dp, 18}, {tp, 16}}), shape).then(0, strided(tp, 2)).then(1, split(dp).balanced())};
}

using Make = Pair (*)();

void moves_of_a_rank(benchmark::State& state, Make make, ReplicaChoice choice) {
  const Pair pair = make();
  const Transfer plan = transfer(pair.from, pair.to, choice);
  Index i = 0, moves = 0;
  for (auto _ : state)
    plan.for_each_move(i++ * 9973 % pair.to.view().size(), [&](const Move& move) {
      benchmark::DoNotOptimize(move);
      ++moves;
    });
  state.counters["moves"] = benchmark::Counter(static_cast<double>(moves), benchmark::Counter::kAvgIterations);
}

void sweep(benchmark::State& state, Make make) {
  const Pair pair = make();
  const Transfer plan = transfer(pair.from, pair.to);
  for (auto _ : state) benchmark::DoNotOptimize(plan.traffic());
  state.SetItemsProcessed(state.iterations() * pair.to.view().size());
}

const int registered = [] {
  struct Named {
    const char* name;
    Make make;
  };
  for (const Named& one : {Named{"column", column}, Named{"gate_up_zero1", gate_up_rows}, Named{"key_value", key_value},
                           Named{"tiles", tiles}}) {
    const auto named = [&](const char* question) { return question + std::string("/") + one.name; };
    benchmark::RegisterBenchmark(named("moves_of_a_rank").c_str(), moves_of_a_rank, one.make, ReplicaChoice::nearest);
    benchmark::RegisterBenchmark(named("moves_balanced").c_str(), moves_of_a_rank, one.make, ReplicaChoice::balanced);
    benchmark::RegisterBenchmark(named("sweep").c_str(), sweep, one.make)->Unit(benchmark::kMicrosecond);
  }
  return 0;
}();

/// The tensor-parallel reshard of Megatron over all ranks: 2 * (Ns + Nd - 1) moves.
void megatron_reshard(benchmark::State& state) {
  const Index from = state.range(0), to = from - 1;
  const Shape shape{2 * from * to, 1024};
  const Transfer plan = transfer(Layout(View({{tp, from}}), shape).then(0, strided(tp, 2)),
                                 Layout(View({{tp, to}}), shape).then(0, strided(tp, 2)));
  Index moves = 0;
  for (auto _ : state) plan.for_each_move([&](const Move&) { ++moves; });
  state.counters["moves"] = benchmark::Counter(static_cast<double>(moves), benchmark::Counter::kAvgIterations);
}
BENCHMARK(megatron_reshard)->ArgName("ranks")->Arg(64)->Arg(512)->Arg(4096)->Unit(benchmark::kMicrosecond);

/// Values of one shard out of the shards of others, on a host.
void receive_values(benchmark::State& state) {
  const Shape shape{3072, 1024};
  const Transfer plan = transfer(Layout(View({{tp, 8}}), shape).then(0, strided(tp, 2)),
                                 Layout(View({{tp, 6}}), shape).then(0, strided(tp, 2)));
  const std::vector<float> source(3072 * 1024 / 8, 1.0F);
  std::vector<float> local(3072 * 1024 / 6);
  Index i = 0;
  for (auto _ : state) {
    receive<float>(
        plan, i++ % 6, [&source](Rank) { return std::span<const float>(source); }, local);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<Index>(local.size() * sizeof(float)));
}
BENCHMARK(receive_values)->Unit(benchmark::kMicrosecond);

/// The weights of a model of 1,024 tensors, 1,024 shards of each: columns, packed gate/up pairs, rows, uneven ones.
std::vector<Pair> model() {
  std::vector<Pair> out;
  const View from({{tp, 1024}}), to({{tp, 768}});
  for (Index t = 0; t < 1024; ++t) {
    const Shape shape{6144 * (t % 7 + 1), 6144 * (t % 3 + 1)};
    const std::size_t dim = t % 4 == 2;
    const Chain chain = t % 4 == 1 ? strided(tp, 2) : t % 4 == 3 ? Chain(split(tp).balanced()) : Chain(split(tp));
    out.push_back({Layout(from, shape).then(dim, chain), Layout(to, shape).then(dim, chain)});
  }
  return out;
}

/// All moves of all ranks of all these tensors, and the proof that they cover every shard: from the moves themselves.
void plan_and_proof_of_a_model(benchmark::State& state) {
  const std::vector<Pair> tensors = model();
  Index moves = 0;
  for (auto _ : state)
    for (const Pair& tensor : tensors) {
      const Transfer plan = transfer(tensor.from, tensor.to);
      if (!for_each_proven_move(plan, [&moves](const Move&) { ++moves; })) return state.SkipWithError("not covered");
    }
  state.counters["moves"] = benchmark::Counter(static_cast<double>(moves), benchmark::Counter::kAvgIterations);
}
BENCHMARK(plan_and_proof_of_a_model)->Unit(benchmark::kMillisecond);

void plan_of_a_model(benchmark::State& state) {
  const std::vector<Pair> tensors = model();
  for (auto _ : state)
    for (const Pair& tensor : tensors)
      transfer(tensor.from, tensor.to).for_each_move([](const Move& move) { benchmark::DoNotOptimize(move); });
}
BENCHMARK(plan_of_a_model)->Unit(benchmark::kMillisecond);

}  // namespace
