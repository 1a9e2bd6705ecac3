#pragma once
#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/pipeline/balance.hpp>
#include <shardplan/pipeline/catalogue.hpp>
#include <shardplan/pipeline/simulate.hpp>

/// The cut of the model and the schedule, chosen together: how many activations a stage holds follows from the
/// schedule, that bounds what the stage can take, and only then is it known how long the schedule lasts.
///
///     const auto choices = pipeline::choose(pipeline::candidates(2), items, {.pipeline = 4, .microbatches = 32});
///     choices.front().candidate.schedule;  // the fastest that fits
namespace shardplan::pipeline {

/// What one item of the model costs: an embedding, a layer, the head.
struct ItemCosts {
  StageCosts times;
  Index weights = 0;           ///< bytes of its weights, with whatever is held for each: gradients, optimizer state
  Index activations = 0;       ///< bytes a microbatch holds from its forward to its (input) backward
  Index kept_for_weights = 0;  ///< of these, bytes that are held on until the weight half is done
};

/// A schedule of the catalogue to try, with its model chunks a rank.
struct Candidate {
  std::string schedule;
  Index chunks = 1;

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

/// What is to be run.
struct PipelineJob {
  Index pipeline = 1;
  Index microbatches = 1;
  Index link = 0;                                    ///< time of a message between two ranks
  Index memory = std::numeric_limits<Index>::max();  ///< bytes a rank may hold
};

/// What comes of a candidate.
struct Choice {
  Candidate candidate;
  Diagnostics impossible;  ///< why it cannot be run; empty: it can, and the rest holds

  /// Items of every stage of the model, in the model's order; the rank of a stage is that of the schedule's placement.
  std::vector<Interval> stages;
  std::vector<StageCosts> costs;  ///< of every stage
  std::vector<Index> in_flight;   ///< most chunk activations alive, of every rank
  std::vector<Index> memory;      ///< most bytes held, of every rank
  Index makespan = 0;
  Index ideal = 0;
  double bubble = 0;

  bool possible() const { return impossible.empty(); }
};

/// Every training schedule of the catalogue, with all chunk counts from 1 to `most_chunks` that it accepts.
inline std::vector<Candidate> candidates(Index most_chunks) {
  std::vector<Candidate> out;
  for (const ScheduleEntry& entry : schedule_catalogue)
    for (Index chunks = 1; chunks <= most_chunks && !entry.forward_only; ++chunks)
      if (entry.accepts_chunks(chunks)) out.push_back({std::string(entry.name), chunks});
  return out;
}

namespace detail {

/// Sums of a stage's items.
struct ItemSums {
  explicit ItemSums(std::span<const ItemCosts> items)
      : forward(part(items, [](const ItemCosts& one) { return one.times.forward; })),
        input(part(items, [](const ItemCosts& one) { return one.times.backward_input; })),
        weight(part(items, [](const ItemCosts& one) { return one.times.backward_weight; })),
        weights(part(items, [](const ItemCosts& one) { return one.weights; })),
        activations(part(items, [](const ItemCosts& one) { return one.activations; })),
        kept(part(items, [](const ItemCosts& one) { return one.kept_for_weights; })) {}

  template <class Part>
  static PrefixSums part(std::span<const ItemCosts> items, const Part& of) {
    std::vector<Index> out;
    for (const ItemCosts& one : items) out.push_back(of(one));
    return PrefixSums(out);
  }
  StageCosts times(Interval some) const { return {forward(some), input(some), weight(some)}; }

  PrefixSums forward, input, weight, weights, activations, kept;
};

/// What a chunk holds: activations alive, and weight halves that are still to be done.
struct Held {
  Index activations = 0;
  Index halves = 0;
};

/// visit(rank, held of each of its chunks) wherever what a rank holds may have grown.
template <class Visit>
void each_peak(const PipelineTasks& tasks, const Visit& visit) {
  std::vector<Held> held;
  for (std::size_t rank = 0; rank < tasks.ranks.size(); ++rank) {
    held.assign(static_cast<std::size_t>(tasks.run.chunks), {});
    std::vector<const Task*> ended;  // passes of the block, whose activations go when all of it is over
    for (const Task& task : tasks.ranks[rank]) {
      Held& mine = held[static_cast<std::size_t>(task.chunk)];
      if (task.kind == TaskKind::forward) {
        ++mine.activations;
        visit(rank, held);
      }
      if (is_backward(task.kind)) ended.push_back(&task);
      if (task.kind == TaskKind::backward_weight) --mine.halves;
      if (task.joined) continue;
      for (const Task* pass : ended) {
        Held& at = held[static_cast<std::size_t>(pass->chunk)];
        --at.activations;
        at.halves += pass->kind == TaskKind::backward_input;
      }
      if (!ended.empty()) visit(rank, held);
      ended.clear();
    }
  }
}

/// The cut of one candidate, its figures, and the schedule's.
class Chooser {
 public:
  Chooser(const Candidate& candidate, const ItemSums& sums, std::span<const Index> times, const PipelineJob& job)
      : sums_(sums), times_(times), job_(job) {
    const ScheduleEntry& entry = find_schedule(candidate.schedule);
    tasks_ = entry.make({.microbatches = job.microbatches, .pipeline = job.pipeline, .chunks = candidate.chunks});
    out_.candidate = candidate;
    peaks_.assign(static_cast<std::size_t>(tasks_.stages()), {});
    each_peak(tasks_, [&](std::size_t rank, const std::vector<Held>& held) {
      for (std::size_t chunk = 0; chunk < held.size(); ++chunk) remember(stage(rank, chunk), held[chunk]);
    });
  }

  Choice operator()() {
    cut();
    for (const Interval items : out_.stages) out_.costs.push_back(sums_.times(items));
    const Timeline timeline = simulate(tasks_, {.stages = out_.costs, .link = job_.link});
    for (const RankTimeline& rank : timeline.ranks) out_.in_flight.push_back(rank.peak_in_flight);
    out_.makespan = timeline.makespan();
    out_.ideal = timeline.ideal();
    out_.bubble = timeline.bubble();
    return std::move(out_);
  }

 private:
  std::size_t stage(std::size_t rank, std::size_t chunk) const {
    return static_cast<std::size_t>(
        stage_at(tasks_.placement, tasks_.run.pipeline, {static_cast<Index>(rank), static_cast<Index>(chunk)}));
  }
  /// Keeps the pairs that no other exceeds.
  void remember(std::size_t stage, const Held& now) {
    std::vector<Held>& all = peaks_[stage];
    const auto within = [](const Held& a, const Held& b) {
      return a.activations <= b.activations && a.halves <= b.halves;
    };
    for (const Held& one : all)
      if (within(now, one)) return;
    std::erase_if(all, [&](const Held& one) { return within(one, now); });
    all.push_back(now);
  }
  Index bytes(Interval items, const Held& held) const {
    return checked_add(checked_mul(held.activations, sums_.activations(items)),
                       checked_mul(held.halves, sums_.kept(items)));
  }
  /// Of a stage alone.
  Index stage_memory(Index stage, Interval items) const {
    Index most = 0;
    for (const Held& held : peaks_[static_cast<std::size_t>(stage)]) most = larger(most, bytes(items, held));
    return checked_add(sums_.weights(items), most);
  }
  /// Of all ranks, their chunks together.
  std::vector<Index> rank_memory() const {
    std::vector<Index> out(tasks_.ranks.size());
    each_peak(tasks_, [&](std::size_t rank, const std::vector<Held>& held) {
      Index sum = 0;
      for (std::size_t chunk = 0; chunk < held.size(); ++chunk) {
        const Interval items = out_.stages[stage(rank, chunk)];
        sum = checked_add(sum, checked_add(sums_.weights(items), bytes(items, held[chunk])));
      }
      out[rank] = larger(out[rank], sum);
    });
    return out;
  }

  /// The balanced cut that fits. Of several chunks a rank each may take at first what the rank has, and less and less
  /// until all of them fit; with the rank's memory shared out evenly they do for certain.
  void cut() {
    const Index chunks = tasks_.run.chunks, cap = job_.memory;
    const Index steps = chunks == 1 ? 0 : 8;
    std::optional<Diagnostic> reason;
    for (Index step = 0; step <= steps; ++step) {
      const Index limit = step == 0 ? cap : step == steps ? cap / chunks : cap - (cap - cap / chunks) / steps * step;
      try {
        cut_under(limit);
      } catch (const Error& error) {
        if (!reason) reason = error.diagnostics()[0];  // of less than the cap it would say nothing about the cap
        break;
      }
      const auto worst = std::max_element(out_.memory.begin(), out_.memory.end());
      if (*worst <= cap) return;
      reason = finding("SP-PIPELINE-007",
                       concat("rank ", worst - out_.memory.begin(), " of ", tasks_.run.pipeline, " needs ", *worst,
                              " for its ", chunks, " chunks, the cap is ", cap),
                       "more stages, less in flight, or a larger cap", {"memory"});
    }
    throw Error(*reason);
  }
  void cut_under(Index limit) {
    const auto memory = [&](StageId stage, Interval items) { return stage_memory(stage.value, items); };
    const Partition partition = min_max(times_, tasks_.stages(), 1, memory, limit);
    out_.stages.clear();
    for (Index s = 0; s < partition.stages(); ++s) out_.stages.push_back(partition.layers_of(s));
    out_.memory = rank_memory();
  }

  const ItemSums& sums_;
  std::span<const Index> times_;
  const PipelineJob& job_;
  PipelineTasks tasks_;
  std::vector<std::vector<Held>> peaks_;  ///< of every stage
  Choice out_;
};

}  // namespace detail

/// Tries every candidate: its peaks of what stages hold from the tasks themselves, the balanced cut of the items under
/// the memory cap (min_max), and a simulation with the times of the stages that come out.
///
/// items    in the model's order, [embed, layers..., norm + head + loss]
/// Returns  possible ones first, by makespan, then by the memory of the fullest rank, then as given; the others
///          behind them as given, each with its reason: SP-PIPELINE-001, -007, -012, -017
/// Post     every possible choice keeps each rank within the cap. With one chunk a rank its cut is the most balanced
///          that does; with several, whose memory adds up, the search may miss one, and call a candidate impossible
///          that only an uneven sharing of the memory between the chunks of a rank could save
/// Errors   SP-PIPELINE-010 a negative cost of an item; SP-PIPELINE-016 a negative link; SP-CORE-001
/// Source   pipeline sheet, 1.8 and 2.9
inline std::vector<Choice> choose(std::span<const Candidate> candidates, std::span<const ItemCosts> items,
                                  const PipelineJob& job) {
  const detail::ItemSums sums(items);
  std::vector<Index> times;
  for (Index i = 0; i < sums.forward.items(); ++i) {
    const StageCosts one = sums.times({i, i + 1});
    times.push_back(checked_add(one.forward, checked_add(one.backward_input, one.backward_weight)));
  }
  if (job.link < 0) fail("SP-PIPELINE-016", concat("a message takes ", job.link), "0 or more", {"link"});

  std::vector<Choice> out;
  for (const Candidate& candidate : candidates) {
    try {
      out.push_back(detail::Chooser(candidate, sums, times, job)());
    } catch (const Error& error) {
      if (error.diagnostics()[0].id == "SP-CORE-001") throw;
      Choice refused;
      refused.candidate = candidate;
      refused.impossible = error.diagnostics();
      out.push_back(std::move(refused));
    }
  }
  const auto fullest = [](const Choice& one) {
    return one.memory.empty() ? Index{0} : *std::max_element(one.memory.begin(), one.memory.end());
  };
  std::stable_sort(out.begin(), out.end(), [&](const Choice& a, const Choice& b) {
    if (a.possible() != b.possible()) return a.possible();
    if (a.makespan != b.makespan) return a.makespan < b.makespan;
    return a.possible() && fullest(a) < fullest(b);
  });
  return out;
}

}  // namespace shardplan::pipeline
