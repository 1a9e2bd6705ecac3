#pragma once
#include <string_view>

#include <shardplan/pipeline/schedules/pytorch.hpp>

/// Schedules that split the backward pass: the input half, which the stage before waits for, and the weight half, which
/// fills what would be a bubble (pipeline sheet, 2.7 and 2.8).
namespace shardplan::pipeline {

namespace detail {

/// The step that a phase begins with, from the lengths of all phases.
constexpr Index sum_of_first(Index phase, const Index (&lengths)[8]) {
  Index out = 0;
  for (Index p = 0; p < phase; ++p) out += lengths[p];
  return out;
}

}  // namespace detail

/// Two chunks in a V: the rank's first stages fill the pipeline, its second ones drain it. Made for at least 2 P - 1
/// microbatches; with fewer, the passes of those that do not exist are left out.
struct ZbvRule {
  Workload run;
  Listing listing;

  constexpr Index steps() const { return offset(phases) + 1; }

  constexpr Step step(Index k) const {
    Step out;
    const Lister list{StagePlacement::vee, run, listing, out};
    const auto pass = [&](TaskKind kind, Index m, Index chunk) {
      if (m < run.microbatches)
        list(kind, m, chunk);
      else if (listing == Listing::slots)
        out.push_back({});
    };
    constexpr TaskKind f = TaskKind::forward, input = TaskKind::backward_input, weight = TaskKind::backward_weight;
    for (Index i = 0; k == 0 && listing == Listing::slots && i < run.rank; ++i) out.push_back({});
    Index phase = 0;
    while (phase < phases && k >= offset(phase + 1)) ++phase;
    const Index i = k - offset(phase), ranks = run.pipeline, r = run.rank, n = virtual_microbatches();
    switch (phase) {
      case 0:
        pass(f, i, 0);
        break;
      case 1:
        pass(f, i, 1);
        pass(f, 2 * (ranks - r) - 1 + i, 0);
        break;
      case 2:
        pass(f, r + i, 1);
        pass(input, i, 1);
        pass(weight, i, 1);
        break;
      case 3:  // two steps a round: the first chunk, then the second
        if (i % 2 == 0) {
          if (2 * ranks - 1 - r + i / 2 < n) pass(f, 2 * ranks - 1 - r + i / 2, 0);
          pass(input, i / 2, 0);
          pass(weight, i / 2, 0);
        } else {
          pass(f, ranks + i / 2, 1);
          pass(input, ranks - r + i / 2, 1);
          pass(weight, ranks - r + i / 2, 1);
        }
        break;
      case 4:
        pass(input, n - ranks + i, 0);
        pass(input, n - r + i, 1);
        break;
      case 5:
        pass(input, n - ranks + r + i, 0);
        pass(weight, n - ranks + i, 0);
        break;
      case 6:
        pass(weight, n - r + i, 1);
        break;
      case 7:
        pass(weight, n - r + i, 0);
        break;
      default:
        list.reduce();
    }
    return out;
  }

 private:
  static constexpr Index phases = 8;
  constexpr Index virtual_microbatches() const { return larger(2 * run.pipeline - 1, run.microbatches); }
  /// The step that a phase begins with.
  constexpr Index offset(Index phase) const {
    const Index ranks = run.pipeline, r = run.rank;
    const Index lengths[phases] = {2 * (ranks - r) - 1, r, ranks - r, 2 * (virtual_microbatches() - ranks), r,
                                   ranks - r,           r, r};
    return detail::sum_of_first(phase, lengths);
  }
};

/// DualPipe and DualPipeV: forwards of one chunk overlap with backwards of the other. DualPipeV is the half of DualPipe
/// from a rank's point of view: `depth` ranks, of which it is number `position` from the outside, and `count`
/// microbatches through each of its chunks.
struct DualPipeRule {
  Workload run;
  StagePlacement placement;
  Index depth;
  Index position;
  Index count;
  Listing listing;

  constexpr Index steps() const { return offset(phases) + 1; }

  constexpr Step step(Index k) const {
    Step out;
    const Lister list{placement, run, listing, out};
    constexpr TaskKind f = TaskKind::forward, full = TaskKind::backward, input = TaskKind::backward_input,
                       weight = TaskKind::backward_weight;
    Index phase = 0;
    while (phase < phases && k >= offset(phase + 1)) ++phase;
    const Index i = k - offset(phase), inner = depth - position - 1, outer = position + 1;
    const Index pairs = count - 2 * depth + position + 1;
    const auto block = [&](Index forward, Index forward_chunk, Index backward) {
      list.overlapped(make_task(f, forward, forward_chunk), make_task(full, backward, 1 - forward_chunk));
    };
    switch (phase) {
      case 0:
        list(f, i, 0);
        break;
      case 1:
        list(f, 2 * inner + i, 0);
        list(f, i, 1);
        break;
      case 2:
        list(input, i, 1);
        list(weight, i, 1);
        list(f, outer + i, 1);
        break;
      case 3:  // two steps a round
        if (i == 0 && inner == 0) {
          list(f, 2 * inner + outer, 0);
          list(full, inner, 1);
        } else if (i % 2 == 0) {
          block(2 * inner + outer + i / 2, 0, inner + i / 2);
        } else {
          block(depth + i / 2, 1, i / 2);
        }
        break;
      case 4:  // two steps a round
        if (i % 2 == 0)
          list(full, inner + pairs + i / 2, 1);
        else
          block(depth + pairs + i / 2, 1, pairs + i / 2);
        break;
      case 5:
        list(splits(2 * i) ? input : full, 2 * inner + pairs + i, 1);
        list(splits(2 * i + 1) ? input : full, inner + pairs + i, 0);
        break;
      case 6:
        list_weight(list, i);
        list(input, inner + pairs + outer + i, 0);
        break;
      case 7:
        list_weight(list, inner + i);
        break;
      default:
        list.reduce();
    }
    return out;
  }

 private:
  static constexpr Index phases = 8;
  constexpr Index offset(Index phase) const {
    const Index inner = depth - position - 1, outer = position + 1;
    const Index lengths[phases] = {2 * inner, outer, inner, 2 * (count - 2 * depth + outer),
                                   2 * inner, outer, inner, outer};
    return detail::sum_of_first(phase, lengths);
  }

  /// The first backward of phase 5 that leaves its weight half for later, of 2 (position + 1).
  constexpr Index first_split() const { return position + 1; }
  constexpr bool splits(Index backward) const { return backward >= first_split(); }

  /// The `number`-th weight half that was left: in the order of the input halves.
  constexpr void list_weight(const Lister& list, Index number) const {
    const Index inner = depth - position - 1, outer = position + 1, pairs = count - 2 * depth + position + 1;
    const Index at = first_split() + number;
    if (at >= 2 * outer)
      list(TaskKind::backward_weight, inner + pairs + outer + at - 2 * outer, 0);
    else if (at % 2 == 0)
      list(TaskKind::backward_weight, 2 * inner + pairs + at / 2, 1);
    else
      list(TaskKind::backward_weight, inner + pairs + at / 2, 0);
  }
};

/// ZB1P (ZB-H1): 1F1B with split backwards, in the order that is best where forward, input half and weight half take
/// equally long. One chunk a rank, any number of microbatches.
///
/// Post     min(M, P - rank) forwards alive at most, and min(M, rank + 1) weight halves
/// Errors   SP-PIPELINE-012 more than one chunk, no microbatch, no such rank; SP-PIPELINE-008
/// Source   pipeline sheet, 2.8
constexpr Schedule<PytorchInterleavedRule> zb1p(const Workload& run, Listing listing = Listing::tasks) {
  check_one_chunk(run, "ZB1P");
  return Schedule(PytorchInterleavedRule{run, run.microbatches, PytorchInterleavedRule::Kind::zero_bubble, listing});
}

/// Errors   SP-PIPELINE-012 other than two chunks a rank
constexpr void check_two_chunks(const Workload& run, std::string_view schedule) {
  check_run(run);
  if (run.chunks != 2)
    fail("SP-PIPELINE-012", concat(schedule, " runs two chunks a rank, not ", run.chunks), "2", {"chunks"});
}

/// PyTorch's ScheduleZBVZeroBubble: stages rank and 2 P - 1 - rank.
///
/// Post     2 P forwards of a chunk alive at most
/// Errors   SP-PIPELINE-012 other than two chunks, no microbatch, no such rank; SP-PIPELINE-008
/// Source   pipeline sheet, 2.7
constexpr Schedule<ZbvRule> pytorch_zbv(const Workload& run, Listing listing = Listing::tasks) {
  check_two_chunks(run, "ZBV");
  return Schedule(ZbvRule{run, listing});
}

/// DualPipeV, of DeepSeek and of PyTorch: stages rank and 2 P - 1 - rank.
///
/// Post     2 P + 1 forwards of a chunk alive at most
/// Errors   SP-PIPELINE-012 other than two chunks, fewer than 2 P microbatches, no such rank; SP-PIPELINE-008
/// Source   pipeline sheet, 2.8
constexpr Schedule<DualPipeRule> dualpipe_v(const Workload& run, Listing listing = Listing::tasks) {
  check_two_chunks(run, "DualPipeV");
  if (run.microbatches < 2 * run.pipeline)
    fail("SP-PIPELINE-012",
         concat("DualPipeV needs two microbatches a rank: ", run.microbatches, " for ", run.pipeline, " ranks"),
         concat("at least ", 2 * run.pipeline), {"microbatches", "pipeline"});
  return Schedule(DualPipeRule{run, StagePlacement::vee, run.pipeline, run.rank, run.microbatches, listing});
}

/// DualPipe: the model twice, once down the ranks and once up, half of the microbatches each. Microbatches are numbered
/// within their half; chunk 0 is the model that starts nearer to the rank.
///
/// Post     P + 1 forwards of a stage alive at most
/// Errors   SP-PIPELINE-012 other than two chunks, odd ranks or microbatches, fewer than 2 P microbatches, no such
/// rank;
///          SP-PIPELINE-008
/// Source   pipeline sheet, 2.8
constexpr Schedule<DualPipeRule> dualpipe(const Workload& run, Listing listing = Listing::tasks) {
  check_two_chunks(run, "DualPipe");
  if (run.pipeline % 2 != 0)
    fail("SP-PIPELINE-012", concat("DualPipe pairs the ranks, of which there are ", run.pipeline),
         concat(multiples_near(run.pipeline, 2), " ranks"), {"pipeline"});
  if (run.microbatches % 2 != 0 || run.microbatches < 2 * run.pipeline)
    fail("SP-PIPELINE-012",
         concat("DualPipe needs two microbatches a rank, and as many down as up: ", run.microbatches, " for ",
                run.pipeline, " ranks"),
         concat(multiples_near(larger(run.microbatches, 2 * run.pipeline), 2), " microbatches"),
         {"microbatches", "pipeline"});
  return Schedule(DualPipeRule{run, StagePlacement::bidirectional, run.pipeline / 2,
                               smaller(run.rank, run.pipeline - 1 - run.rank), run.microbatches / 2, listing});
}

}  // namespace shardplan::pipeline
