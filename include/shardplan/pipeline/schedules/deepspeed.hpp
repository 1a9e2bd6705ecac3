#pragma once
#include <shardplan/pipeline/schedule.hpp>

/// DeepSpeed's schedules: every rank alternates forward and backward slots in step with its neighbours, so that a step
/// pairs each send with the receive of the same step. NxD's first schedule is the same and lives here too.
namespace shardplan::pipeline {

/// A rank works forward in steps of its own parity and backward in the others, outside of its microbatches not at all.
struct AlternatingRule {
  Workload run;
  bool deepspeed;  ///< or NxD's list, which loads no labels and reduces gradients alone

  constexpr Index steps() const { return 2 * (run.microbatches + run.pipeline - 1); }

  /// Activation buffers that the rank needs; microbatch m uses buffer m % buffers().
  constexpr Index buffers() const { return larger(2, smaller(run.pipeline - run.rank, run.microbatches)); }

  constexpr bool forward(Index k) const { return (k - run.rank) % 2 == 0; }
  /// The microbatch of a step; outside of 0..M-1: none.
  constexpr Index microbatch(Index k) const {
    const Index first = forward(k) ? run.rank : 2 * run.pipeline - 1 - run.rank;
    return k < first ? -1 : (k - first) / 2;
  }

  constexpr Step step(Index k) const {
    Step out;
    constexpr StagePlacement looped = StagePlacement::looped;
    const auto valid = [&](Index m) { return m >= 0 && m < run.microbatches; };
    const bool is_forward = forward(k), first = run.rank == 0, last = run.rank == run.pipeline - 1;
    const Index now = microbatch(k), before = k == 0 ? -1 : microbatch(k - 1);
    if (is_forward) {
      if (valid(before) && !first) out.push_back(send_backward(looped, run, before, 0));
      if (valid(now) && (!first || !deepspeed)) out.push_back(receive_forward(looped, run, now, 0));
      if (valid(now) && deepspeed && (first || last)) out.push_back(make_task(TaskKind::load, now, 0));
    } else {
      if (valid(now) && !last) out.push_back(receive_backward(looped, run, now, 0));
      if (valid(before) && !last) out.push_back(send_forward(looped, run, before, 0));
    }
    if (valid(now)) out.push_back(make_task(is_forward ? TaskKind::forward : TaskKind::backward, now, 0));
    if (k + 1 == steps()) {
      if (deepspeed) out.push_back({TaskKind::reduce_tied_gradients});
      out.push_back({TaskKind::reduce_gradients});
      if (deepspeed) out.push_back({TaskKind::optimizer_step});
    }
    return out;
  }
};

/// Step t of rank r is for microbatch t - r. Even ranks send before they receive, odd ranks receive first; the first
/// rank has nothing to receive.
struct DeepspeedInferenceRule {
  Workload run;

  constexpr Index steps() const { return run.microbatches + run.pipeline - 1; }
  constexpr Index buffers() const { return 2; }

  constexpr Step step(Index k) const {
    Step out;
    const bool first = run.rank == 0, last = run.rank == run.pipeline - 1;
    const Index now = k - run.rank, before = now - 1;
    const auto valid = [&](Index m) { return m >= 0 && m < run.microbatches; };
    if (valid(now) && (first || last)) out.push_back(make_task(TaskKind::load, now, 0));
    const auto send = [&] {
      if (valid(before) && !last) out.push_back(send_forward(StagePlacement::looped, run, before, 0));
    };
    if (run.rank % 2 == 0) send();
    if (valid(now) && !first) out.push_back(receive_forward(StagePlacement::looped, run, now, 0));
    if (run.rank % 2 != 0) send();
    if (valid(now)) out.push_back(make_task(TaskKind::forward, now, 0));
    return out;
  }
};

/// DeepSpeed's TrainSchedule: 2 (M + P - 1) steps, the last of which also reduces and steps the optimizer.
///
/// Post     as many forwards alive as in 1F1B, min(M, P - rank)
/// Errors   SP-PIPELINE-012 more than one chunk, no microbatch, no such rank; SP-PIPELINE-008
/// Source   pipeline sheet, 2.6
constexpr Schedule<AlternatingRule> deepspeed_train(const Workload& run) {
  check_one_chunk(run, "DeepSpeed's training schedule");
  return Schedule(AlternatingRule{run, true});
}

/// DeepSpeed's InferenceSchedule. Errors as deepspeed_train.
constexpr Schedule<DeepspeedInferenceRule> deepspeed_inference(const Workload& run) {
  check_one_chunk(run, "DeepSpeed's inference schedule");
  return Schedule(DeepspeedInferenceRule{run});
}

/// NxD's older TrainSchedule: DeepSpeed's steps with NxD's tasks. Read in order it equals nxd_1f1b. Errors as
/// deepspeed_train.
constexpr Schedule<AlternatingRule> nxd_legacy_1f1b(const Workload& run) {
  check_one_chunk(run, "NxD's older training schedule");
  return Schedule(AlternatingRule{run, false});
}

}  // namespace shardplan::pipeline
