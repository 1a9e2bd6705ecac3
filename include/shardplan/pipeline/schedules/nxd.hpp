#pragma once
#include <initializer_list>

#include <shardplan/core/dialect.hpp>
#include <shardplan/pipeline/in_flight.hpp>
#include <shardplan/pipeline/schedule.hpp>

/// The schedules of neuronx-distributed, task by task and step by step (pipeline sheet, 2.1 to 2.4).
///
/// NxD's preprocess tasks are `load` or a receive, its postprocess tasks a send; `joined` is graph_break = False.
namespace shardplan::pipeline {

/// Every microbatch forward, one a step. The last rank's send goes nowhere: NxD lists it, its peer is -1.
struct NxdInferenceRule {
  Workload run;

  constexpr Index steps() const { return run.microbatches; }
  constexpr Step step(Index k) const {
    return {receive_forward(StagePlacement::looped, run, k, 0), make_task(TaskKind::forward, k, 0),
            send_forward(StagePlacement::looped, run, k, 0)};
  }
};

/// One forward or backward a step, then the reduction. In the steady state an activation is sent only in the backward
/// step that follows, after the gradient was received: so two neighbours never both wait to send.
struct Nxd1f1bRule {
  Workload run;

  constexpr Index warm_up() const { return smaller(run.pipeline - run.rank - 1, run.microbatches); }
  constexpr Index steps() const { return 2 * run.microbatches + 1; }

  constexpr Step step(Index k) const {
    if (k + 1 == steps()) return {Task{TaskKind::reduce_gradients}};
    constexpr StagePlacement looped = StagePlacement::looped;
    const bool first = run.rank == 0, last = run.rank == run.pipeline - 1;
    const Index w = warm_up();
    const auto [forward, m] = pass_slot(w, run.microbatches, k);
    Step out;
    if (forward) {
      out.push_back(receive_forward(looped, run, m, 0));
      out.push_back(make_task(TaskKind::forward, m, 0));
      if (m < w && !last) out.push_back(send_forward(looped, run, m, 0));
    } else {
      if (!last) out.push_back(receive_backward(looped, run, m, 0));
      if (!last && w + m < run.microbatches) out.push_back(send_forward(looped, run, w + m, 0));
      out.push_back(make_task(TaskKind::backward, m, 0));
      if (!first) out.push_back(send_backward(looped, run, m, 0));
    }
    return out;
  }
};

/// Options of NxD's TrainInterleavedSchedule.
struct NxdInterleavedOptions {
  bool fused_send_recv = false;  ///< a receive and the send after it in one graph; default exchange order only
  bool fused_fwd_bwd = false;    ///< the forward and the backward of a steady step in one graph
  bool odd_even = false;         ///< even and odd ranks in opposite order, instead of the last rank against all others

  friend constexpr bool operator==(const NxdInterleavedOptions&, const NxdInterleavedOptions&) = default;
};

/// Warm-up forwards, steady steps of a forward and a backward, backwards that are left; after each its exchange, which
/// sends what the step made and receives what the next one needs.
struct NxdInterleavedRule {
  Workload run;
  NxdInterleavedOptions options;  ///< those in force: few microbatches switch both fusions off

  constexpr Index passes() const { return run.microbatches * run.chunks; }
  constexpr Index warm_up() const {
    if (run.microbatches == run.pipeline) return passes();
    return smaller(2 * (run.pipeline - run.rank - 1) + (run.chunks - 1) * run.pipeline, passes());
  }
  constexpr Index steps() const { return passes() + warm_up() + 1; }

  constexpr ChunkPass forward(Index k) const { return grouped_pass(run.microbatches, run.chunks, run.pipeline, k); }
  constexpr ChunkPass backward(Index k) const {
    const auto [m, chunk] = forward(k - warm_up());
    return {m, run.chunks - 1 - chunk};
  }

  constexpr Step step(Index k) const {
    if (k + 1 == steps()) return {Task{TaskKind::reduce_gradients}};
    constexpr StagePlacement looped = StagePlacement::looped;
    const Index w = warm_up(), total = passes();
    const bool runs_forward = k < total, runs_backward = k >= w;
    Step out;
    if (k == 0 && w > 0) out.push_back(receive_forward(looped, run, forward(0).microbatch, forward(0).chunk));
    if (runs_forward) {
      out.push_back(make_task(TaskKind::forward, forward(k).microbatch, forward(k).chunk));
      out.back().joined = options.fused_fwd_bwd && runs_backward;
    }
    if (runs_backward) out.push_back(make_task(TaskKind::backward, backward(k).microbatch, backward(k).chunk));

    // What the exchange holds; a slot without a kind of exchange stays idle.
    Task receive_f, send_f, receive_b, send_b;
    if (k + 1 < total) receive_f = receive_forward(looped, run, forward(k + 1).microbatch, forward(k + 1).chunk);
    if (runs_forward) send_f = send_forward(looped, run, forward(k).microbatch, forward(k).chunk);
    if (k + 1 >= w && k + 1 < total + w)
      receive_b = receive_backward(looped, run, backward(k + 1).microbatch, backward(k + 1).chunk);
    if (runs_backward) send_b = send_backward(looped, run, backward(k).microbatch, backward(k).chunk);
    const auto lists = [](const Task& one) { return one.kind == TaskKind::load || one.peer >= 0; };
    const auto put = [&](std::initializer_list<const Task*> in_order) {
      for (const Task* one : in_order)
        if (lists(*one)) out.push_back(*one);
    };
    if (options.odd_even) {
      if (run.rank % 2 == 0)
        put({&receive_f, &send_f, &send_b, &receive_b});
      else
        put({&send_f, &receive_f, &receive_b, &send_b});
      return out;
    }
    receive_f.joined = options.fused_send_recv && lists(send_b);
    send_f.joined = options.fused_send_recv && lists(receive_b);
    if (run.rank < run.pipeline - 1)
      put({&receive_f, &send_b, &send_f, &receive_b});
    else
      put({&send_f, &receive_b, &receive_f, &send_b});
    return out;
  }
};

/// NxD's InferenceSchedule.
///
/// Errors   SP-PIPELINE-012 more than one chunk (NxD would run the first alone), no microbatch, no such rank;
///          SP-PIPELINE-008
/// Source   pipeline sheet, 2.2
constexpr Schedule<NxdInferenceRule> nxd_inference(const Workload& run) {
  check_one_chunk(run, "NxD's inference schedule");
  return Schedule(NxdInferenceRule{run});
}

/// NxD's Train1F1BSchedule: any number of microbatches.
///
/// Post     min(M, P - rank) forwards alive at most
/// Errors   SP-PIPELINE-012 more than one chunk, no microbatch, no such rank; SP-PIPELINE-008
/// Source   pipeline sheet, 2.3
constexpr Schedule<Nxd1f1bRule> nxd_1f1b(const Workload& run) {
  check_one_chunk(run, "1F1B");
  return Schedule(Nxd1f1bRule{run});
}

/// NxD's TrainInterleavedSchedule. NxD itself asks for `odd_even` exactly when M = P: see odd_even_exchange.
///
/// Post     in_flight(ScheduleKind::interleaved, ...) forwards alive at most
/// Errors   SP-PIPELINE-012 microbatches no multiple of the ranks; one chunk with more microbatches than ranks, or one
///          rank, where NxD's list cannot run (given nevertheless by a dialect with `layer_faults`); SP-PIPELINE-008
/// Source   pipeline sheet, 2.4
constexpr Schedule<NxdInterleavedRule> nxd_interleaved(const Workload& run, NxdInterleavedOptions options = {},
                                                       const Dialect& dialect = strict) {
  check_run(run);
  if (run.microbatches % run.pipeline != 0)
    fail("SP-PIPELINE-012",
         concat("interleaved: ", run.microbatches, " microbatches are no multiple of ", run.pipeline, " ranks"),
         concat(multiples_near(run.microbatches, run.pipeline), " microbatches"), {"microbatches", "pipeline"});
  if (!dialect.layer_faults && run.chunks == 1 && run.microbatches > run.pipeline)
    fail("SP-PIPELINE-012", "interleaved with one chunk: the last rank would never receive its first activation",
         "at least 2 chunks, or nxd_1f1b", {"chunks"});
  if (!dialect.layer_faults && run.pipeline == 1)
    fail("SP-PIPELINE-012", "interleaved on one rank: it would send to itself", "at least 2 ranks, or nxd_1f1b",
         {"pipeline"});
  if (run.microbatches <= run.pipeline) options.fused_send_recv = options.fused_fwd_bwd = false;
  return Schedule(NxdInterleavedRule{run, options});
}

/// Of these two the one that NxD's trainer runs: interleaved where a rank has several chunks.
struct NxdTrainRule {
  Workload run;
  NxdInterleavedOptions options;

  constexpr Index steps() const {
    return run.chunks == 1 ? Nxd1f1bRule{run}.steps() : NxdInterleavedRule{run, options}.steps();
  }
  constexpr Step step(Index k) const {
    return run.chunks == 1 ? Nxd1f1bRule{run}.step(k) : NxdInterleavedRule{run, options}.step(k);
  }
};

/// What NxD runs to train: 1F1B, or with several chunks its interleaved schedule in the exchange order that it picks.
///
/// Post     in_flight(...) forwards alive at most
/// Errors   those of nxd_1f1b and nxd_interleaved
/// Source   pipeline sheet, 2.3 and 2.4
constexpr Schedule<NxdTrainRule> nxd_train(const Workload& run, const Dialect& dialect = strict) {
  if (run.chunks == 1) return Schedule(NxdTrainRule{nxd_1f1b(run).rule().run, {}});
  const auto interleaved =
      nxd_interleaved(run, {.odd_even = odd_even_exchange(run.microbatches, run.pipeline)}, dialect);
  return Schedule(NxdTrainRule{run, interleaved.rule().options});
}

}  // namespace shardplan::pipeline
