#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include <shardplan/pipeline/schedules/zero_bubble.hpp>
#include <shardplan/pipeline/schedules/zero_bubble_search.hpp>

/// ZBV, as sail-sg finds it by search: two chunks a rank in a V, the memory of 1F1B, and no bubble in a rank's span
/// where all passes take equally long (pipeline sheet, 2.8).
///
/// A microbatch goes through the ranks in four legs: 0, forward of chunk 0, down from rank 0; 1, forward of chunk 1, up
/// again; 2, input half of chunk 1, down; 3, input half of chunk 0, up.
namespace shardplan::pipeline {

namespace detail {

constexpr Index leg_chunk(std::size_t leg) { return leg == 1 || leg == 2 ? 1 : 0; }
constexpr bool leg_goes_down(std::size_t leg) { return leg % 2 == 0; }
constexpr Task leg_pass(std::size_t leg, Index microbatch) {
  return make_task(leg < 2 ? TaskKind::forward : TaskKind::backward_input, microbatch, leg_chunk(leg));
}

/// One variant of the search for ZBV.
class ZbvSearch {
 public:
  struct Variant {
    bool fill_inputs;    ///< a weight half may delay an input half of chunk 1, where the gap is not tolerable
    bool fill_forwards;  ///< the same of a forward
  };

  /// `allowed`: idle time of the ranks in a schedule to improve on; empty: none is known.
  ZbvSearch(const Workload& run, const SearchCosts& costs, const SearchMemory& memory, Variant variant,
            const std::vector<Index>& allowed)
      : costs_(costs),
        memory_(memory),
        variant_(variant),
        microbatches_(run.microbatches),
        ranks_(static_cast<std::size_t>(run.pipeline)) {
    if (!allowed.empty()) {
      const Index most = *std::max_element(allowed.begin(), allowed.end());
      for (std::size_t r = 0; r < ranks_.size(); ++r) ranks_[r].spare = most - allowed[r];
    }
    warm_up();
    for (Index round = 0; round < 2 * microbatches_; ++round) {
      place_inputs();
      place_forwards();
    }
    for (std::size_t r = 0; r < ranks_.size(); ++r)
      while (has_weight(r)) weight(r);
  }

  Index worst_idle() const { return worst_idle_; }
  std::vector<Index> idle() const {
    std::vector<Index> out;
    for (const Rank& rank : ranks_) out.push_back(rank.idle);
    return out;
  }
  TaskLists take_passes() {
    TaskLists out;
    for (Rank& rank : ranks_) out.push_back(std::move(rank.passes));
    return out;
  }

 private:
  struct Rank {
    std::vector<Task> passes;
    std::array<std::vector<Index>, 4> end;  ///< of the passes of each leg
    std::vector<Task> weights;              ///< of the input halves placed, in their order
    std::size_t weights_done = 0;
    Index clock = 0;
    Index held = 0;
    Index idle = 0;   ///< since the first forward
    Index spare = 0;  ///< idle time below that of the worst rank, in the schedule to improve on

    Index done(std::size_t leg) const { return static_cast<Index>(end[leg].size()); }
    Index forwards() const { return done(0) + done(1); }
  };

  std::size_t last() const { return ranks_.size() - 1; }
  bool has_weight(std::size_t r) const { return ranks_[r].weights_done < ranks_[r].weights.size(); }

  /// Whether the leg comes from another rank.
  bool crosses(std::size_t r, std::size_t leg) const { return leg_goes_down(leg) ? r > 0 : r < last(); }
  const std::vector<Index>& source(std::size_t r, std::size_t leg) const {
    return ranks_[leg_goes_down(leg) ? r - 1 : r + 1].end[leg];
  }
  /// Whether the rank's next pass of a leg that crosses has its input, or will have: the sender's pass is placed.
  bool is_coming(std::size_t r, std::size_t leg) const { return ranks_[r].end[leg].size() < source(r, leg).size(); }
  Index arrival(std::size_t r, std::size_t leg) const {
    return source(r, leg)[ranks_[r].end[leg].size()] + costs_.link;
  }

  void place(Rank& rank, const Task& pass, Index wait, Index cost) {
    if (!rank.end[0].empty()) rank.idle += wait;
    worst_idle_ = larger(worst_idle_, rank.idle);
    rank.clock += wait + cost;
    rank.passes.push_back(pass);
  }
  void put(std::size_t leg, std::size_t r) {
    Rank& rank = ranks_[r];
    const Index wait = crosses(r, leg) ? larger(arrival(r, leg) - rank.clock, 0) : 0;
    const Task pass = leg_pass(leg, rank.done(leg));
    place(rank, pass, wait, leg < 2 ? costs_.forward : costs_.input);
    rank.end[leg].push_back(rank.clock);
    rank.held += leg < 2 ? memory_.forward : -memory_.input_frees;
    if (leg >= 2) rank.weights.push_back(make_task(TaskKind::backward_weight, pass.microbatch, pass.chunk));
  }
  void weight(std::size_t r) {
    Rank& rank = ranks_[r];
    const Task pass = rank.weights[rank.weights_done++];
    place(rank, pass, 0, costs_.weight);
    rank.held -= memory_.forward - memory_.input_frees;
    if (r == last() && pass.chunk == 0 && pass.microbatch + 1 == microbatches_) last_weight_end_ = rank.clock;
  }

  /// Weight halves that are over when the next pass of the leg can begin, then perhaps one that delays it.
  void fill(std::size_t r, std::size_t leg, bool may_delay) {
    const Rank& rank = ranks_[r];
    const bool waits = crosses(r, leg);
    while (waits && has_weight(r) && arrival(r, leg) >= rank.clock + costs_.weight) weight(r);
    // A pass that waits for no other rank is held against the end of the last rank's last weight half, or -1 before
    // that one is placed. The original does so by an index out of range; its orders depend on it where links are slow.
    const Index begins = waits ? arrival(r, leg) : last_weight_end_ + costs_.link;
    if (may_delay && has_weight(r) && begins - rank.clock > larger(worst_idle_, rank.spare) - rank.idle) weight(r);
  }

  /// The first microbatch down and up, forwards of chunk 0 while there is time; then forwards of both chunks in turn
  /// until every rank has as many as the one before.
  void warm_up() {
    for (std::size_t r = 0; r <= last(); ++r) put(0, r);
    for (std::size_t r = last() + 1; r-- > 0;) {
      const Index more = memory_.forward * (2 + 2 * static_cast<Index>(r));
      while (crosses(r, 1) && ranks_[r].held + more <= memory_.limit &&
             ranks_[r].clock + costs_.forward <= arrival(r, 1) && ranks_[r].done(0) < microbatches_)
        for (std::size_t to = 0; to <= r; ++to) put(0, to);
      put(1, r);
    }
    std::size_t leg = 0;
    for (std::size_t r = 1; r <= last(); ++r) {
      const Rank &rank = ranks_[r], &before = ranks_[r - 1];
      while (rank.forwards() < before.forwards() ||
             (rank.done(1) <= before.done(1) && before.done(1) < microbatches_)) {
        for (std::size_t to = last() + 1; to-- > r;)
          if (ranks_[to].done(leg) < microbatches_) put(leg, to);
        leg = 1 - leg;
      }
    }
  }

  /// One input half on every rank: of chunk 0 where its gradient is known, else of chunk 1.
  void place_inputs() {
    std::vector<std::size_t> down, up;
    for (std::size_t r = 0; r <= last(); ++r) {
      const Rank& rank = ranks_[r];
      const bool can_go_up =
          rank.done(3) < rank.done(2) && (r == last() || is_coming(r, 3) || rank.done(2) >= microbatches_);
      (can_go_up ? up : down).push_back(r);
    }
    std::reverse(up.begin(), up.end());
    for (const std::size_t r : up) {
      fill(r, 3, true);
      put(3, r);
    }
    for (const std::size_t r : down) {
      fill(r, 2, variant_.fill_inputs);
      put(2, r);
    }
  }

  /// A forward on every rank that has the input of one: of chunk 1, else of chunk 0.
  void place_forwards() {
    for (std::size_t r = 0; r <= last(); ++r) {
      const Rank& rank = ranks_[r];
      if (rank.done(1) >= microbatches_) continue;
      std::size_t leg = 1;
      if (rank.done(1) >= rank.done(0)) {
        leg = 0;
      } else if (r < last() && !is_coming(r, 1)) {
        if (rank.done(0) >= microbatches_ || (r > 0 && !is_coming(r, 0))) continue;
        leg = 0;
      }
      while (has_weight(r) && rank.held + memory_.forward > memory_.limit) weight(r);
      fill(r, leg, variant_.fill_forwards);
      put(leg, r);
    }
  }

  SearchCosts costs_;
  SearchMemory memory_;
  Variant variant_;
  Index microbatches_;
  std::vector<Rank> ranks_;
  Index worst_idle_ = 0;
  Index last_weight_end_ = -1;
};

}  // namespace detail

/// The best of four variants of a list schedule for two chunks in a V within a memory limit; each is repeated with the
/// idle times that it came to, as long as that helps. `run.rank` is not read.
///
/// Post     every rank holds at most `memory.limit`, activations whose weight half is not done included
/// Errors   SP-PIPELINE-012 other than two chunks, no microbatch, a limit below 2 P forwards, memory that passes do not
///          hold, more than 2^24 microbatches of stages; SP-PIPELINE-016 a negative cost; SP-PIPELINE-008; SP-CORE-001
/// Source   pipeline sheet, 2.8
inline PipelineTasks zbv_search(const Workload& run, const SearchCosts& costs, const SearchMemory& memory,
                                Listing listing = Listing::tasks) {
  check_two_chunks(run, "ZBV");
  detail::check_search(run, costs, memory, 2 * run.pipeline);
  TaskLists best;
  Index best_idle = 0;
  for (const bool fill_inputs : {true, false})
    for (const bool fill_forwards : {true, false}) {
      const detail::ZbvSearch::Variant variant{fill_inputs, fill_forwards};
      detail::ZbvSearch search(run, costs, memory, variant, {});
      for (bool better = true; better;) {
        detail::ZbvSearch next(run, costs, memory, variant, search.idle());
        better = next.worst_idle() < search.worst_idle();
        if (better) search = std::move(next);
      }
      if (!best.empty() && search.worst_idle() >= best_idle) continue;
      best_idle = search.worst_idle();
      best = search.take_passes();
    }
  return detail::listed(StagePlacement::vee, run, listing, best);
}

/// ZBV: the memory of 1F1B, 2 P activations of chunks. A rank that has begun does not wait if passes take equally long
/// and there are at least 2 P - 1 microbatches.
///
/// Errors   those of zbv_search
/// Source   pipeline sheet, 2.8
inline PipelineTasks zbv(const Workload& run, const SearchCosts& costs = {}, Listing listing = Listing::tasks) {
  return zbv_search(run, costs, {.limit = 2 * run.pipeline}, listing);
}

}  // namespace shardplan::pipeline
