#pragma once
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include <shardplan/pipeline/task_lists.hpp>

namespace shardplan::pipeline::detail {

/// A pass's input: the number of the result, and the rank that makes it.
struct Need {
  std::size_t result;
  Index rank;
};

/// Numbers for what passes make, so that what is known of each stands in a flat array: activations, gradients and
/// weight gradients of every model, stage and microbatch. A whole backward makes the gradient alone.
///
/// Pre      tasks asked for are inside(): no such microbatch or chunk has no number
class PassResults {
 public:
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  /// Errors   those of check_run; SP-CORE-001
  PassResults(StagePlacement placement, const Workload& run) : placement_(placement), run_(run) {
    run_.rank = 0;
    check_run(run_);
    two_models_ = placement == StagePlacement::bidirectional;
    stages_ = two_models_ ? run.pipeline : run.pipeline * run.chunks;
    row_ = checked_mul(stages_, run.microbatches);
    checked_mul(row_, 6);
  }

  std::size_t count() const { return static_cast<std::size_t>(row_ * models() * 3); }
  Index models() const { return two_models_ ? 2 : 1; }
  Index stages() const { return stages_; }
  const Workload& run() const { return run_; }

  /// Whether the schedule has such a microbatch and chunk.
  bool inside(const Task& task) const {
    return 0 <= task.microbatch && task.microbatch < run_.microbatches && 0 <= task.chunk && task.chunk < run_.chunks;
  }

  /// What a pass makes, or what a send sends.
  std::size_t made_by(Index rank, const Task& task) const {
    const Index result =
        task.kind == TaskKind::forward || task.kind == TaskKind::send_forward || task.kind == TaskKind::load ? 0
        : task.kind == TaskKind::backward_weight                                                             ? 2
                                                                                                             : 1;
    return number(result, model(rank, task), stage(rank, task), task.microbatch);
  }
  /// What a receive waits for; none: the first stage's activations and the last one's gradients come from nowhere.
  std::size_t received_by(Index rank, const Task& task) const {
    const bool forward = task.kind == TaskKind::receive_forward;
    const Index from = stage(rank, task) + (forward ? -1 : 1);
    if (from < 0 || from >= stages_) return none;
    return number(forward ? 0 : 1, model(rank, task), from, task.microbatch);
  }
  std::size_t exchanged_by(Index rank, const Task& task) const {
    return is_send(task.kind) ? made_by(rank, task) : received_by(rank, task);
  }
  /// The place that a send or a receive has to exchange with; rank -1: none.
  Place partner(Index rank, const Task& task) const {
    const bool up = task.kind == TaskKind::send_forward || task.kind == TaskKind::receive_backward;
    return neighbour(placement_, run_, {rank, task.chunk}, up ? 1 : -1);
  }

  /// visit(Need) of every input of a pass, until it says false; whether it never did.
  template <class Visit>
  bool all_needs(Index rank, const Task& pass, const Visit& visit) const {
    const Index m = model(rank, pass), s = stage(rank, pass);
    const auto beside = [&](Index result, Index step) {
      return visit(Need{number(result, m, s + step, pass.microbatch),
                        neighbour(placement_, run_, {rank, pass.chunk}, step).rank});
    };
    if (pass.kind == TaskKind::forward) return s == 0 || beside(0, -1);
    if (pass.kind == TaskKind::backward_weight) return visit(Need{number(1, m, s, pass.microbatch), rank});
    return visit(Need{number(0, m, s, pass.microbatch), rank}) && (s + 1 == stages_ || beside(1, 1));
  }

  /// The pass that makes a result, and its rank. A gradient: the whole backward.
  struct Maker {
    Index rank;
    Task pass;
  };
  Maker maker(std::size_t result) const {
    auto rest = static_cast<Index>(result);
    const Index microbatch = rest % run_.microbatches;
    rest /= run_.microbatches;
    const Index s = rest % stages_;
    rest /= stages_;
    const Index kind = rest / models();
    const Place at = holder(rest % models(), s);
    constexpr TaskKind kinds[] = {TaskKind::forward, TaskKind::backward, TaskKind::backward_weight};
    return {at.rank, make_task(kinds[kind], microbatch, at.chunk)};
  }

  Index stage(Index rank, const Task& task) const { return stage_at(placement_, run_.pipeline, {rank, task.chunk}); }

 private:
  Index model(Index rank, const Task& task) const {
    return two_models_ && !goes_down(run_.pipeline, {rank, task.chunk}) ? 1 : 0;
  }
  Place holder(Index model, Index stage) const {
    const Index ranks = run_.pipeline;
    if (placement_ == StagePlacement::looped) return {stage % ranks, stage / ranks};
    if (placement_ == StagePlacement::vee) return stage < ranks ? Place{stage, 0} : Place{2 * ranks - 1 - stage, 1};
    const Index rank = model == 0 ? stage : ranks - 1 - stage;
    return {rank, (model == 0) == (rank < ranks / 2) ? 0 : 1};
  }
  std::size_t number(Index result, Index model, Index stage, Index microbatch) const {
    return static_cast<std::size_t>((result * models() + model) * row_ + stage * run_.microbatches + microbatch);
  }

  StagePlacement placement_;
  Workload run_;
  bool two_models_ = false;
  Index stages_ = 0;
  Index row_ = 0;
};

/// Empty, or what does not belong into these lists: a list too few or too many, a microbatch or chunk that is none.
inline std::string stray(const PassResults& results, std::span<const std::vector<Task>> ranks) {
  if (static_cast<Index>(ranks.size()) != results.run().pipeline)
    return concat(ranks.size(), " lists of tasks for ", results.run().pipeline, " ranks");
  for (std::size_t r = 0; r < ranks.size(); ++r)
    for (const Task& task : ranks[r])
      if ((is_compute(task.kind) || task.peer >= 0 || task.kind == TaskKind::load) && !results.inside(task))
        return concat("rank ", r, " lists '", task, "' in a schedule of ", results.run().microbatches,
                      " microbatches and ", results.run().chunks, " chunks a rank");
  return {};
}

/// Errors   SP-PIPELINE-015 a stray task
inline void check_inside(const PassResults& results, std::span<const std::vector<Task>> ranks) {
  if (const std::string what = stray(results, ranks); !what.empty())
    fail("SP-PIPELINE-015", what, "microbatches and chunks count from 0", {"tasks"});
}

}  // namespace shardplan::pipeline::detail
