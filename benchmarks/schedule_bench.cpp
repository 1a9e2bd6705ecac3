// How fast the schedules of a pipeline rank are listed: tasks a second, by iterating.
#include <benchmark/benchmark.h>

#include <shardplan/pipeline.hpp>
#include <string>

namespace {

using namespace shardplan;
using namespace shardplan::pipeline;

/// Rank 3 of 8, neither the first nor the last, with enough microbatches for warm-up and end not to count.
constexpr Workload one_chunk{.microbatches = 4096, .pipeline = 8, .rank = 3, .chunks = 1};
constexpr Workload two_chunks{.microbatches = 4096, .pipeline = 8, .rank = 3, .chunks = 2};
constexpr Workload four_chunks{.microbatches = 4096, .pipeline = 8, .rank = 3, .chunks = 4};

/// Times one walk through all tasks of make().
template <class Make>
void add(const char* name, Make make) {
  benchmark::RegisterBenchmark((std::string("tasks_of/") + name).c_str(), [make](benchmark::State& state) {
    const auto schedule = make();
    Index tasks = 0;
    for (auto _ : state)
      for (const Task& task : schedule) {
        benchmark::DoNotOptimize(task);
        ++tasks;
      }
    state.SetItemsProcessed(tasks);
  })->Unit(benchmark::kMicrosecond);
}

/// Times the making of all ranks' lists, for schedules that are searched for all ranks at once.
template <class Make>
void add_searched(const char* name, Make make) {
  benchmark::RegisterBenchmark((std::string("searched/") + name).c_str(), [make](benchmark::State& state) {
    Index tasks = 0;
    for (auto _ : state) {
      const PipelineTasks all = make();
      for (const auto& list : all.ranks) tasks += static_cast<Index>(list.size());
    }
    state.SetItemsProcessed(tasks);
  })->Unit(benchmark::kMillisecond);
}

const int registered = [] {
  constexpr Workload many{.microbatches = 512, .pipeline = 8};
  constexpr Workload many_in_a_vee{.microbatches = 512, .pipeline = 8, .chunks = 2};
  add_searched("zb_h1", [=] { return zb_h1(many); });
  add_searched("zb_h2", [=] { return zb_h2(many); });
  add_searched("zbv", [=] { return zbv(many_in_a_vee); });
  add_searched("v_half", [=] { return v_half(many_in_a_vee); });
  add_searched("v_min", [=] { return v_min(many_in_a_vee); });
  add("nxd_1f1b", [] { return nxd_1f1b(one_chunk); });
  add("megatron_1f1b", [] { return megatron_1f1b(one_chunk); });
  add("pytorch_1f1b", [] { return pytorch_1f1b(one_chunk); });
  add("nxd_interleaved", [] { return nxd_interleaved(four_chunks); });
  add("nxd_interleaved_odd_even", [] { return nxd_interleaved(four_chunks, {.odd_even = true}); });
  add("megatron_interleaved", [] { return megatron_interleaved(four_chunks); });
  add("pytorch_interleaved", [] { return pytorch_interleaved(four_chunks); });
  add("gpipe", [] { return gpipe(one_chunk); });
  add("nxd_train", [] { return nxd_train(four_chunks); });
  add("nxd_inference", [] { return nxd_inference(one_chunk); });
  add("nxd_legacy_1f1b", [] { return nxd_legacy_1f1b(one_chunk); });
  add("deepspeed_train", [] { return deepspeed_train(one_chunk); });
  add("deepspeed_inference", [] { return deepspeed_inference(one_chunk); });
  add("looped_bfs", [] { return looped_bfs(four_chunks); });
  add("pytorch_zero_bubble", [] { return pytorch_zero_bubble(four_chunks); });
  add("zb1p", [] { return zb1p(one_chunk); });
  add("pytorch_zbv", [] { return pytorch_zbv(two_chunks); });
  add("dualpipe_v", [] { return dualpipe_v(two_chunks); });
  add("dualpipe", [] { return dualpipe(two_chunks); });
  return 0;
}();

}  // namespace
