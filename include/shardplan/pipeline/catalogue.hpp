#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/pipeline/in_flight.hpp>
#include <shardplan/pipeline/progress.hpp>
#include <shardplan/pipeline/schedules/deepspeed.hpp>
#include <shardplan/pipeline/schedules/gpipe.hpp>
#include <shardplan/pipeline/schedules/megatron.hpp>
#include <shardplan/pipeline/schedules/nxd.hpp>
#include <shardplan/pipeline/schedules/pytorch.hpp>
#include <shardplan/pipeline/schedules/v_schedules.hpp>
#include <shardplan/pipeline/schedules/zbv_search.hpp>
#include <shardplan/pipeline/schedules/zero_bubble.hpp>
#include <shardplan/pipeline/schedules/zero_bubble_search.hpp>

/// Every schedule of this library by its name on a command line.
///
///     const PipelineTasks tasks = pipeline::make_schedule("1f1b", {.microbatches = 8, .pipeline = 4});
namespace shardplan::pipeline {

/// A schedule that can be asked for by name.
struct ScheduleEntry {
  std::string_view name;
  std::string_view alias;  ///< a shorter name; empty: none
  std::string_view summary;
  StagePlacement placement = StagePlacement::looped;
  Index chunks = 1;               ///< model chunks a rank: exactly so many; 0: any number
  bool forward_only = false;      ///< evaluation: nothing goes backward
  Sends sends = Sends::buffered;  ///< the strongest kind of sends with which its lists come to their end
  /// The tasks of all ranks. `Workload::microbatches` counts those of the whole batch, `rank` is not read.
  PipelineTasks (*make)(const Workload&) = nullptr;

  /// Whether a rank may hold more than one chunk.
  constexpr bool interleaves() const { return chunks != 1; }
  /// The chunk count to take where nobody names one: the only one, or the least that interleaves.
  constexpr Index wanted_chunks() const { return chunks == 0 ? 2 : chunks; }
  constexpr bool accepts_chunks(Index count) const { return chunks == 0 ? count > 0 : count == chunks; }
};

namespace detail {

/// A schedule that is computed rank by rank, written out.
template <StagePlacement placement, auto make>
PipelineTasks written_out(const Workload& run) {
  Workload first = run;
  first.rank = 0;
  return all_ranks(placement, first, [](const Workload& at) { return make(at); });
}

constexpr StagePlacement looped = StagePlacement::looped, vee = StagePlacement::vee,
                         bidirectional = StagePlacement::bidirectional;

/// In the exchange order that NxD's trainer picks.
constexpr auto as_nxd_interleaves = [](const Workload& run) {
  return nxd_interleaved(run, {.odd_even = odd_even_exchange(run.microbatches, run.pipeline)});
};

/// Half of the microbatches go each way.
inline PipelineTasks all_dualpipe(const Workload& run) {
  PipelineTasks out = written_out<bidirectional, [](const Workload& at) { return dualpipe(at); }>(run);
  out.run.microbatches /= 2;
  return out;
}

}  // namespace detail

/// All schedules, grouped by the system that they come from.
inline constexpr ScheduleEntry schedule_catalogue[] = {
    {"nxd-1f1b", "1f1b", "neuronx-distributed 1F1B: one forward and one backward in turn, any number of microbatches",
     detail::looped, 1, false, Sends::rendezvous,
     detail::written_out<detail::looped, [](const Workload& run) { return nxd_1f1b(run); }>},
    {"nxd-interleaved", "interleaved",
     "neuronx-distributed interleaved 1F1B: several chunks a rank, microbatches a multiple of the ranks",
     detail::looped, 0, false, Sends::rendezvous, detail::written_out<detail::looped, detail::as_nxd_interleaves>},
    {"nxd-inference", "", "neuronx-distributed evaluation: every microbatch forward", detail::looped, 1, true,
     Sends::rendezvous, detail::written_out<detail::looped, [](const Workload& run) { return nxd_inference(run); }>},
    {"megatron-1f1b", "", "Megatron-Core 1F1B: sends and receives of a step launched as one", detail::looped, 1, false,
     Sends::rendezvous, detail::written_out<detail::looped, [](const Workload& run) { return megatron_1f1b(run); }>},
    {"megatron-interleaved", "", "Megatron-Core interleaved 1F1B in groups of as many microbatches as ranks",
     detail::looped, 0, false, Sends::buffered,
     detail::written_out<detail::looped, [](const Workload& run) { return megatron_interleaved(run); }>},
    {"deepspeed", "", "DeepSpeed training: 1F1B in steps that all ranks take together", detail::looped, 1, false,
     Sends::rendezvous, detail::written_out<detail::looped, [](const Workload& run) { return deepspeed_train(run); }>},
    {"deepspeed-inference", "", "DeepSpeed evaluation: every microbatch forward", detail::looped, 1, true,
     Sends::rendezvous,
     detail::written_out<detail::looped, [](const Workload& run) { return deepspeed_inference(run); }>},
    {"gpipe", "", "GPipe: all forwards, then all backwards; holds every microbatch at once", detail::looped, 1, false,
     Sends::rendezvous, detail::written_out<detail::looped, [](const Workload& run) { return gpipe(run); }>},
    {"looped-bfs", "", "PyTorch LoopedBFS: chunk after chunk forward, then all of it backward", detail::looped, 0,
     false, Sends::buffered, detail::written_out<detail::looped, [](const Workload& run) { return looped_bfs(run); }>},
    {"pytorch-1f1b", "", "PyTorch 1F1B: at least as many microbatches as ranks", detail::looped, 1, false,
     Sends::buffered, detail::written_out<detail::looped, [](const Workload& run) { return pytorch_1f1b(run); }>},
    {"pytorch-interleaved", "", "PyTorch interleaved 1F1B: rounds of equal size", detail::looped, 0, false,
     Sends::buffered,
     detail::written_out<detail::looped, [](const Workload& run) { return pytorch_interleaved(run); }>},
    {"pytorch-zero-bubble", "", "PyTorch interleaved zero bubble: backwards in two halves", detail::looped, 0, false,
     Sends::buffered,
     detail::written_out<detail::looped, [](const Workload& run) { return pytorch_zero_bubble(run); }>},
    {"zb1p", "", "ZB1P (ZB-H1) by rule: 1F1B with backwards in two halves, the memory of 1F1B", detail::looped, 1,
     false, Sends::buffered, detail::written_out<detail::looped, [](const Workload& run) { return zb1p(run); }>},
    {"zb-h1", "", "ZB-H1 by sail-sg's search for passes of equal length: the memory of 1F1B", detail::looped, 1, false,
     Sends::buffered, [](const Workload& run) { return zb_h1(run); }},
    {"zb-h2", "zb2p", "ZB-H2 by sail-sg's search: no idle time inside a rank's span, twice the memory of 1F1B",
     detail::looped, 1, false, Sends::buffered, [](const Workload& run) { return zb_h2(run); }},
    {"zbv", "pytorch-zbv", "PyTorch ZBV: two chunks a rank in a V, backwards in two halves", detail::vee, 2, false,
     Sends::buffered, detail::written_out<detail::vee, [](const Workload& run) { return pytorch_zbv(run); }>},
    {"zbv-search", "", "ZBV by sail-sg's search for passes of equal length: the memory of 1F1B", detail::vee, 2, false,
     Sends::buffered, [](const Workload& run) { return zbv(run); }},
    {"v-half", "", "V-Half: two chunks a rank in a V, about half of the memory of 1F1B", detail::vee, 2, false,
     Sends::buffered, [](const Workload& run) { return v_half(run); }},
    {"v-min", "", "V-Min: two chunks a rank in a V, about a third of the memory of 1F1B", detail::vee, 2, false,
     Sends::buffered, [](const Workload& run) { return v_min(run); }},
    {"dualpipe", "", "DeepSeek DualPipe: the model twice, half of the microbatches from each end",
     detail::bidirectional, 2, false, Sends::buffered, &detail::all_dualpipe},
    {"dualpipev", "", "DeepSeek DualPipeV: two chunks a rank in a V, forwards overlapped with backwards", detail::vee,
     2, false, Sends::buffered, detail::written_out<detail::vee, [](const Workload& run) { return dualpipe_v(run); }>},
};

/// The schedule of that name or alias.
///
/// Errors   SP-PIPELINE-017 no such name; the hint is the closest one
/// Example  find_schedule("interleaved").name == "nxd-interleaved"
constexpr const ScheduleEntry& find_schedule(std::string_view name) {
  for (const ScheduleEntry& entry : schedule_catalogue)
    if (!name.empty() && (entry.name == name || entry.alias == name)) return entry;
  std::vector<std::string_view> names;
  for (const ScheduleEntry& entry : schedule_catalogue) {
    names.push_back(entry.name);
    if (!entry.alias.empty()) names.push_back(entry.alias);
  }
  const std::string_view meant = closest(name, names);
  fail("SP-PIPELINE-017", concat("no schedule is called '", name, "'"),
       meant.empty() ? concat("one of ", join(names, ", ")) : concat("'", meant, "'?"), {"schedule"});
}

/// The three proofs of progress.hpp for a schedule of the catalogue, with the sends that it is made for.
///
/// Errors   those of the schedule itself
inline Diagnostics prove(const ScheduleEntry& entry, const Workload& run) {
  return prove(entry.make(run), entry.sends, entry.forward_only);
}

/// The tasks of all ranks of a schedule by its name. `run.rank` is not read.
///
/// Errors   SP-PIPELINE-017 no such name; those of the schedule itself, above all SP-PIPELINE-012 chunks or
///          microbatches that it cannot run. `run.chunks` counts: it is never changed to what the schedule wants
/// Example  make_schedule("dualpipev", {.microbatches = 8, .pipeline = 4, .chunks = 2})
inline PipelineTasks make_schedule(std::string_view name, const Workload& run) { return find_schedule(name).make(run); }

}  // namespace shardplan::pipeline
