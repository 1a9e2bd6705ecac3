#pragma once
#include <shardplan/pipeline/schedule.hpp>

/// The schedules of Megatron-Core (pipeline sheet, 2.5). Two exchanges that Megatron launches as one are `joined`.
namespace shardplan::pipeline {

struct Megatron1f1bOptions {
  bool forward_only = false;
};

/// A warm-up forward, a steady forward and backward, or a backward a step; then the reduction.
struct Megatron1f1bRule {
  Workload run;
  Megatron1f1bOptions options;

  constexpr Index warm_up() const {
    return options.forward_only ? run.microbatches : smaller(run.pipeline - run.rank - 1, run.microbatches);
  }
  constexpr bool all_in_warm_up() const { return warm_up() >= run.microbatches; }
  constexpr Index steps() const { return options.forward_only ? run.microbatches : run.microbatches + warm_up() + 1; }

  constexpr Step step(Index k) const {
    if (k == run.microbatches + warm_up()) return {Task{TaskKind::reduce_gradients}};
    constexpr StagePlacement looped = StagePlacement::looped;
    const bool first = run.rank == 0, last = run.rank == run.pipeline - 1;
    const Index w = warm_up(), count = run.microbatches, b = k - w;
    Step out;
    if (k < count) {
      if (first || k <= w) out.push_back(receive_forward(looped, run, k, 0));
      out.push_back(make_task(TaskKind::forward, k, 0));
      if (!last) out.push_back(send_forward(looped, run, k, 0));
      if (!last) out.back().joined = b >= 0;
    }
    if (b < 0 || options.forward_only) return out;
    if (!last) out.push_back(receive_backward(looped, run, b, 0));
    out.push_back(make_task(TaskKind::backward, b, 0));
    if (first) return out;
    out.push_back(send_backward(looped, run, b, 0));
    if (k + 1 >= count) return out;
    out.back().joined = true;
    out.push_back(receive_forward(looped, run, k + 1, 0));
    return out;
  }
};

struct MegatronInterleavedOptions {
  Index group = 0;  ///< microbatch_group_size_per_vp_stage; 0: as many as pipeline ranks
  bool forward_only = false;
  bool overlap_moe_expert_parallel_comm = false;  ///< one more warm-up forward
  bool overlap_p2p_comm = true;                   ///< without it two ranks cannot tell the exchanges of a step apart
};

/// As Megatron1f1bRule over (microbatch, chunk) pairs; the exchange after a step sends its results and receives what
/// the neighbours made in the same step.
struct MegatronInterleavedRule {
  Workload run;
  MegatronInterleavedOptions options;  ///< with the group in force

  constexpr Index passes() const { return run.microbatches * run.chunks; }
  constexpr Index warm_up() const {
    const Index all = passes();
    if (options.forward_only) return all;
    return smaller(all, 2 * (run.pipeline - run.rank - 1) + (run.chunks - 1) * options.group +
                            (options.overlap_moe_expert_parallel_comm ? 1 : 0));
  }
  constexpr bool all_in_warm_up() const { return warm_up() >= passes(); }
  constexpr Index steps() const { return options.forward_only ? passes() : passes() + warm_up() + 1; }

  /// Megatron's schedule table: what the k-th forward is.
  constexpr ChunkPass forward(Index k) const { return grouped_pass(run.microbatches, run.chunks, options.group, k); }
  constexpr ChunkPass backward(Index k) const {
    const auto [m, chunk] = forward(k);
    return {m, run.chunks - 1 - chunk};
  }

  constexpr Step step(Index k) const {
    if (k == passes() + warm_up()) return {Task{TaskKind::reduce_gradients}};
    constexpr StagePlacement looped = StagePlacement::looped;
    const Index w = warm_up(), all = passes(), b = k - w;
    const bool runs_forward = k < all, runs_backward = b >= 0 && !options.forward_only;
    Step out;
    if (k == 0 && run.rank > 0) out.push_back(receive_forward(looped, run, forward(0).microbatch, forward(0).chunk));
    if (runs_forward) {
      const auto [m, chunk] = forward(k);
      if (run.rank == 0 && chunk == 0) out.push_back(make_task(TaskKind::load, m, chunk));
      out.push_back(make_task(TaskKind::forward, m, chunk));
    }
    if (runs_backward) out.push_back(make_task(TaskKind::backward, backward(b).microbatch, backward(b).chunk));
    const auto put = [&](const Task& task) {
      if (task.peer >= 0) out.push_back(task);
    };
    if (runs_forward) put(send_forward(looped, run, forward(k).microbatch, forward(k).chunk));
    if (runs_backward) put(send_backward(looped, run, backward(b).microbatch, backward(b).chunk));
    if (runs_forward) exchange_forward(out, k);
    if (!options.forward_only && b >= -1) exchange_backward(out, b);
    return out;
  }

 private:
  /// Receives after forward k. The first rank gets what the last one makes in the same step, P - 1 passes behind.
  constexpr void exchange_forward(Step& out, Index k) const {
    if (k + 1 >= passes()) return;
    const Index behind = run.pipeline - 1;
    if (run.rank > 0) {
      out.push_back(receive_forward(StagePlacement::looped, run, forward(k + 1).microbatch, forward(k + 1).chunk));
    } else if (k >= behind && forward(k - behind).chunk != run.chunks - 1) {
      const auto [m, chunk] = forward(k - behind);
      out.push_back(receive_forward(StagePlacement::looped, run, m, chunk + 1));
    }
  }
  /// The same after backward b (-1: before the first) with the ends changed over.
  constexpr void exchange_backward(Step& out, Index b) const {
    if (b + 1 >= passes()) return;
    const Index behind = run.pipeline - 1;
    if (run.rank < behind) {
      out.push_back(receive_backward(StagePlacement::looped, run, backward(b + 1).microbatch, backward(b + 1).chunk));
    } else if (b >= behind && backward(b - behind).chunk != 0) {
      const auto [m, chunk] = backward(b - behind);
      out.push_back(receive_backward(StagePlacement::looped, run, m, chunk - 1));
    }
  }
};

/// Megatron's schedule without interleaving: passes in the order of nxd_1f1b, any number of microbatches.
///
/// Post     min(M, P - rank) forwards alive at most
/// Errors   SP-PIPELINE-012 more than one chunk, no microbatch, no such rank; SP-PIPELINE-008
constexpr Schedule<Megatron1f1bRule> megatron_1f1b(const Workload& run, Megatron1f1bOptions options = {}) {
  check_one_chunk(run, "1F1B");
  return Schedule(Megatron1f1bRule{run, options});
}

/// Megatron's interleaved schedule. M need not be a multiple of P, but the last group must fill the pipeline.
///
/// Post     min(M V, 2 (P - rank - 1) + (V - 1) group + 1) forwards alive at most, one more with the expert overlap
/// Errors   SP-PIPELINE-012 a group below P or above M; a last group below P; two ranks without overlap; one rank with
///          several chunks; SP-PIPELINE-008
constexpr Schedule<MegatronInterleavedRule> megatron_interleaved(const Workload& run,
                                                                 MegatronInterleavedOptions options = {}) {
  check_run(run);
  if (options.group == 0) options.group = run.pipeline;
  if (options.group < run.pipeline || options.group > run.microbatches)
    fail("SP-PIPELINE-012",
         concat("groups of ", options.group, " microbatches, with ", run.pipeline, " ranks and ", run.microbatches,
                " microbatches"),
         run.microbatches < run.pipeline ? concat("at least ", run.pipeline, " microbatches")
                                         : concat("groups of ", run.pipeline, " to ", run.microbatches),
         {"group", "microbatches"});
  const Index rest = run.microbatches % options.group;
  if (rest > 0 && rest < run.pipeline)
    fail("SP-PIPELINE-012",
         concat("the last group has ", rest, " of ", run.microbatches, " microbatches: too few for ", run.pipeline,
                " ranks"),
         concat(Neighbours{run.microbatches - rest, run.microbatches - rest + run.pipeline}, " microbatches"),
         {"microbatches", "group"});
  if (run.pipeline == 2 && run.chunks > 1 && !options.overlap_p2p_comm)
    fail("SP-PIPELINE-012", "two ranks interleaved: both exchanges of a step have the same peer",
         "overlap_p2p_comm, 1 chunk, or 3 ranks", {"overlap_p2p_comm"});
  if (run.pipeline == 1 && run.chunks > 1)
    fail("SP-PIPELINE-012", "interleaved on one rank: it would send to itself", "1 chunk, or at least 2 ranks",
         {"pipeline"});
  return Schedule(MegatronInterleavedRule{run, options});
}

}  // namespace shardplan::pipeline
