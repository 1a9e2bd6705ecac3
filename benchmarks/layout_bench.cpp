// What layouts cost to make, to read in both directions and to prove; places come in striding order.
#include <benchmark/benchmark.h>

#include <shardplan/layout.hpp>
#include <shardplan/mesh/nxd.hpp>
#include <shardplan/zero/megatron.hpp>
#include <shardplan/zero/rows.hpp>

namespace {

using namespace shardplan;

const Mesh& mesh() {
  static const Mesh out({.ranks = 16384}, {.tensor = 8, .pipeline = 16});
  return out;
}

// Weights of Llama 3.1 405B, from the simplest chain to the longest.
Layout whole() { return Layout(mesh().dense(), {53248, 16384}); }
Layout column() { return whole().then(0, split(tp)); }
Layout gate_up() { return Layout(mesh().dense(), {2 * 53248, 16384}).then(0, strided(tp, 2)); }
Layout gate_up_zero1() { return zero::rows(gate_up()); }
Layout fused_qkv() {
  return Layout(mesh().dense(), {18432, 16384})
      .then(0, packed({{16384, split(tp)}, {1024, split(tp)}, {1024, split(tp)}}));
}
Layout vocabulary() { return Layout(mesh().dense(), {128256, 16384}).then(0, pad_to_multiple(1024) | split(tp)); }
Layout zigzag_sequence() { return Layout(mesh().dense(), {131072}).then(0, zigzag(dp)); }

using Make = Layout (*)();

void make_layout(benchmark::State& state, Make make) {
  for (auto _ : state) benchmark::DoNotOptimize(make());
}

/// Every piece of one place after the other.
void pieces_of_a_place(benchmark::State& state, Make make) {
  const Layout layout = make();
  Index i = 0, pieces = 0;
  for (auto _ : state) {
    const Place place = layout.view().place(i++ * 9973 % layout.view().size());
    const Shard held(layout, place);
    for (const Piece& piece : held.pieces()) {
      benchmark::DoNotOptimize(piece);
      ++pieces;
    }
  }
  state.counters["pieces"] = benchmark::Counter(static_cast<double>(pieces), benchmark::Counter::kAvgIterations);
}

/// Who holds row i?
void holders_of_a_row(benchmark::State& state, Make make) {
  const Layout layout = make();
  Index i = 0;
  for (auto _ : state) {
    const Index row = i++ * 9973 % layout.shape()[0];
    for_each_holder(layout, 0, {row, row + 1}, [](const Holder& holder) { benchmark::DoNotOptimize(holder); });
  }
}

void coverage_proof(benchmark::State& state, Make make) {
  const Layout layout = make();
  for (auto _ : state) benchmark::DoNotOptimize(prove_coverage(layout).consistent());
}

const int registered = [] {
  struct Named {
    const char* name;
    Make make;
  };
  for (const Named& one : {Named{"whole", whole}, Named{"column", column}, Named{"gate_up", gate_up},
                           Named{"gate_up_zero1", gate_up_zero1}, Named{"fused_qkv", fused_qkv},
                           Named{"vocabulary", vocabulary}, Named{"zigzag", zigzag_sequence}}) {
    const auto add = [&](const char* question, void (*run)(benchmark::State&, Make)) {
      return benchmark::RegisterBenchmark((question + std::string("/") + one.name).c_str(), run, one.make);
    };
    add("make_layout", make_layout);
    add("pieces_of_a_place", pieces_of_a_place);
    add("holders_of_a_row", holders_of_a_row);
    add("coverage_proof", coverage_proof)->Unit(benchmark::kMicrosecond);
  }
  return 0;
}();

/// Two spellings of one layout, compared at every one of 128 places.
void equivalent_layouts(benchmark::State& state) {
  const View view({{dp, 16}, {tp, 8}});
  const Layout strided_cut = Layout(view, {2 * 53248, 16384}).then(0, strided(tp, 2));
  const Layout packed_cut = Layout(view, {2 * 53248, 16384}).then(0, packed({{53248, split(tp)}, {53248, split(tp)}}));
  for (auto _ : state) benchmark::DoNotOptimize(equivalent(strided_cut, packed_cut));
  state.SetItemsProcessed(state.iterations() * view.size());
}
BENCHMARK(equivalent_layouts)->Unit(benchmark::kMicrosecond);

/// A Megatron buffer of as many parameters as a pipeline stage has: what one data rank holds of each.
void slices_of_a_flat_buffer(benchmark::State& state) {
  const std::vector<zero::MegatronParameter> parameters(static_cast<std::size_t>(state.range(0)),
                                                        {.elements = 1'000'003});
  const zero::MegatronBuffer buffer(parameters, zero::DataRanks(128), {.bucket_size = 40'000'000});
  const Layout& layout = buffer.flat().buffer();
  Index i = 0, slices = 0;
  for (auto _ : state)
    buffer.flat().for_each_slice(layout.view().place(i++ * 9973 % layout.view().size()), [&](const FlatSlice& slice) {
      benchmark::DoNotOptimize(slice);
      ++slices;
    });
  state.counters["slices"] = benchmark::Counter(static_cast<double>(slices), benchmark::Counter::kAvgIterations);
}
BENCHMARK(slices_of_a_flat_buffer)->ArgName("parameters")->Arg(64)->Arg(1024);

/// Values of a gate/up shard out of a whole weight, against the copy of as many bytes.
void extract_values(benchmark::State& state) {
  const Layout layout = Layout(View({{tp, 8}}), {2048, 1024}).then(0, strided(tp, 2));
  const std::vector<float> full(2048 * 1024, 1.0F);
  std::vector<float> local(full.size() / 8);
  Index i = 0;
  for (auto _ : state) {
    extract<float>(shard(layout, {i++ % 8}), layout.shape(), full, local);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<Index>(local.size() * sizeof(float)));
}
BENCHMARK(extract_values)->Unit(benchmark::kMicrosecond);

void copy_of_as_many_bytes(benchmark::State& state) {
  const std::vector<float> full(2048 * 1024, 1.0F);
  std::vector<float> local(full.size() / 8);
  std::size_t i = 0;
  for (auto _ : state) {
    std::copy_n(full.begin() + static_cast<std::ptrdiff_t>(i++ % 8 * local.size()), local.size(), local.begin());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<Index>(local.size() * sizeof(float)));
}
BENCHMARK(copy_of_as_many_bytes)->Unit(benchmark::kMicrosecond);

}  // namespace
