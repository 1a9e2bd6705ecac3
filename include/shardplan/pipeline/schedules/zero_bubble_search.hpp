#pragma once
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/pipeline/task_lists.hpp>

/// Zero-bubble schedules of one chunk a rank that sail-sg finds by search: a list scheduler places passes by their
/// times and by the memory they hold, in eight variants, and the one whose longest span of a rank is shortest wins
/// (pipeline sheet, 2.8).
namespace shardplan::pipeline {

/// How long a pass of a chunk takes, the same on every rank, in any unit.
struct SearchCosts {
  Index forward = 1;
  Index input = 1;   ///< input half of the backward pass
  Index weight = 1;  ///< its weight half
  Index link = 0;    ///< from the end of a pass until another rank has its result
};

/// What a microbatch holds on a chunk, in any unit, and how much a rank may hold.
struct SearchMemory {
  Index forward = 1;      ///< held from the forward pass on
  Index input_frees = 0;  ///< given back by the input half; the weight half gives back the rest
  Index limit = 0;        ///< of a rank
};

namespace detail {

/// Errors   SP-PIPELINE-016 a negative cost; SP-PIPELINE-012 memory that passes do not hold, a limit below `least`
///          forwards, more passes than a search writes out; SP-CORE-001 times or memory beyond 64 bits
constexpr void check_search(const Workload& run, const SearchCosts& costs, const SearchMemory& memory, Index least) {
  for (const Index cost : {costs.forward, costs.input, costs.weight, costs.link})
    if (cost < 0) fail("SP-PIPELINE-016", concat("a pass or a link takes ", cost), "0 or more", {"costs"});
  if (memory.forward < 1 || memory.input_frees < 0 || memory.input_frees > memory.forward)
    fail("SP-PIPELINE-012",
         concat("a forward holds ", memory.forward, ", of which the input half frees ", memory.input_frees),
         "a forward holds at least 1, and is freed of 0 to all of it", {"memory"});
  constexpr Index most = Index{1} << 24;
  const Index chunks = checked_mul(run.pipeline, run.chunks);
  if (run.microbatches > most / chunks)
    fail("SP-PIPELINE-012", concat("a search over ", run.microbatches, " microbatches on each of ", chunks, " stages"),
         concat("at most ", most / chunks, " microbatches: an order found by search is written out"),
         {"microbatches", "pipeline"});
  const Index needed = checked_mul(least, memory.forward);
  if (memory.limit < needed)
    fail("SP-PIPELINE-012", concat("a limit of ", memory.limit, " for activations of ", memory.forward, " each"),
         concat("at least ", needed), {"memory"});
  checked_mul(checked_add(run.microbatches * run.chunks, 2), memory.forward);
  const Index once = checked_add(checked_add(costs.forward, costs.input), checked_add(costs.weight, costs.link));
  checked_mul(once, 6 * chunks * run.microbatches);
}

/// Adds a pass to a rank's list, with what it needs exchanged. A search knows no idle slots: these list passes alone.
inline void append_pass(std::vector<Task>& out, StagePlacement placement, const Workload& run, Listing listing,
                        const Task& pass) {
  Step step;
  Lister{placement, run, listing, step}(pass.kind, pass.microbatch, pass.chunk);
  out.insert(out.end(), step.begin(), step.end());
}

/// The passes of all ranks with their exchanges, and the reduction at the end.
inline PipelineTasks listed(StagePlacement placement, Workload run, Listing listing, const TaskLists& passes) {
  run.rank = 0;
  PipelineTasks out{placement, run, TaskLists(passes.size())};
  for (std::size_t r = 0; r < passes.size(); ++r) {
    run.rank = static_cast<Index>(r);
    for (const Task& pass : passes[r]) append_pass(out.ranks[r], placement, run, listing, pass);
    if (listing == Listing::tasks) out.ranks[r].push_back({TaskKind::reduce_gradients});
  }
  return out;
}

/// One variant of the search for one chunk a rank: all passes placed, the times they would run at, and the idle time.
class ZeroBubbleSearch {
 public:
  struct Variant {
    bool bubble_first;  ///< a rank rather waits for its first gradient than begins a forward that would delay it
    bool input_first;   ///< a forward that would delay the next rank's backward may be left for the next round
    bool fill_always;   ///< a weight half fills any gap, not only one that makes the rank the most idle one
  };

  ZeroBubbleSearch(const Workload& run, const SearchCosts& costs, const SearchMemory& memory, Variant variant)
      : costs_(costs),
        memory_(memory),
        variant_(variant),
        microbatches_(run.microbatches),
        ranks_(static_cast<std::size_t>(run.pipeline)) {
    warm_up();
    for (Index round = 1; round < microbatches_; ++round) {
      place_forwards();
      place_inputs();
    }
    for (Rank& rank : ranks_)
      while (rank.weights < microbatches_) weight(rank);
  }

  /// The longest time from a rank's first pass to its last.
  Index span() const {
    Index out = 0;
    for (const Rank& rank : ranks_) out = larger(out, rank.clock - (rank.forward_end.front() - costs_.forward));
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
    std::vector<Index> forward_end;
    std::vector<Index> input_end;
    Index weights = 0;  ///< weight halves placed
    Index clock = 0;    ///< end of the last pass
    Index held = 0;     ///< memory
    Index idle = 0;     ///< since the first forward

    Index forwards() const { return static_cast<Index>(forward_end.size()); }
    Index inputs() const { return static_cast<Index>(input_end.size()); }
    bool has_weight() const { return weights < inputs(); }
  };

  /// When the next forward, or the next input half, of a rank has what another rank makes for it.
  Index forward_arrival(std::size_t r) const {
    return r == 0 ? 0 : ranks_[r - 1].forward_end[ranks_[r].forward_end.size()] + costs_.link;
  }
  Index gradient_arrival(std::size_t r) const {
    return r + 1 == ranks_.size() ? 0 : ranks_[r + 1].input_end[ranks_[r].input_end.size()] + costs_.link;
  }

  void place(Rank& rank, TaskKind kind, Index microbatch, Index arrival, Index cost) {
    const Index wait = larger(arrival - rank.clock, 0);
    if (!rank.forward_end.empty()) rank.idle += wait;
    worst_idle_ = larger(worst_idle_, rank.idle);
    rank.clock += wait + cost;
    rank.passes.push_back(make_task(kind, microbatch, 0));
  }
  void forward(std::size_t r) {
    Rank& rank = ranks_[r];
    place(rank, TaskKind::forward, rank.forwards(), forward_arrival(r), costs_.forward);
    rank.forward_end.push_back(rank.clock);
    rank.held += memory_.forward;
  }
  void input(std::size_t r) {
    Rank& rank = ranks_[r];
    place(rank, TaskKind::backward_input, rank.inputs(), gradient_arrival(r), costs_.input);
    rank.input_end.push_back(rank.clock);
    rank.held -= memory_.input_frees;
  }
  void weight(Rank& rank) {
    place(rank, TaskKind::backward_weight, rank.weights, 0, costs_.weight);
    ++rank.weights;
    rank.held -= memory_.forward - memory_.input_frees;
  }

  /// Weight halves that are over when the next pass can begin; then one that delays it, rather than waiting.
  void fill(Rank& rank, Index arrival) {
    while (rank.has_weight() && rank.clock + costs_.weight <= arrival) weight(rank);
    if (!rank.has_weight() || rank.clock >= arrival) return;
    if (variant_.fill_always || arrival - rank.clock > worst_idle_ - rank.idle) weight(rank);
  }

  /// Up to the first input half of every rank: as many forwards as the time until its gradient has room for, but fewer
  /// on every rank than on the one before.
  void warm_up() {
    const std::size_t ranks = ranks_.size();
    for (std::size_t r = 0; r < ranks; ++r) forward(r);
    std::vector<Index> more(ranks, 0);
    Index gradient = ranks_.back().clock + costs_.input;
    for (std::size_t r = ranks - 1; r-- > 0;) {
      Index clock = ranks_[r].clock, held = ranks_[r].held;
      const Index arrival = gradient + costs_.link;
      while (1 + more[r] < microbatches_ && held + memory_.forward <= memory_.limit &&
             (variant_.bubble_first ? clock + costs_.forward <= arrival : clock < arrival)) {
        held += memory_.forward;
        clock += costs_.forward;
        ++more[r];
      }
      gradient = larger(clock, arrival) + costs_.input;
    }
    for (std::size_t r = 1; r < ranks; ++r)
      if (1 + more[r] < microbatches_) more[r] = smaller(more[r], larger(more[r - 1] - 1, 0));
    for (std::size_t r = 0; r < ranks; ++r)
      for (Index i = 0; i < more[r]; ++i) forward(r);
    for (std::size_t r = ranks; r-- > 0;) input(r);
  }

  /// Whether a rank's next forward can wait a round: the next rank has forwards enough not to run dry, and what the
  /// rank would do before its input half lasts longer than the next rank takes to make the gradient.
  bool can_wait(std::size_t r) const {
    if (!variant_.input_first || r + 1 == ranks_.size()) return false;
    const Rank &rank = ranks_[r], &next = ranks_[r + 1];
    if (rank.forwards() < next.forwards() + 2) return false;
    const Index ready = next.clock + costs_.forward + costs_.input + costs_.link;
    if (rank.clock >= ready) return true;
    const Index freed = memory_.forward - memory_.input_frees;
    const Index over = rank.held + memory_.forward - memory_.limit, open = rank.inputs() - rank.weights;
    const Index weights = over <= 0 ? 0 : freed == 0 ? open : smaller(open, ceil_div(over, freed));
    if (rank.clock + costs_.forward + weights * costs_.weight <= ready) return false;
    return ready - rank.clock <= worst_idle_ - rank.idle;
  }

  void place_forwards() {
    const std::size_t ranks = ranks_.size();
    std::vector<char> wanted(ranks, 0);
    for (std::size_t r = 0; r < ranks; ++r) wanted[r] = ranks_[r].forwards() < microbatches_ && !can_wait(r);
    for (std::size_t r = ranks - 1; r-- > 0;) wanted[r] = wanted[r] && wanted[r + 1];
    for (std::size_t r = 0; r < ranks; ++r) {
      if (!wanted[r]) continue;
      Rank& rank = ranks_[r];
      while (rank.has_weight() && rank.held + memory_.forward > memory_.limit) weight(rank);
      if (r > 0) fill(rank, forward_arrival(r));
      forward(r);
    }
  }

  void place_inputs() {
    for (std::size_t r = ranks_.size(); r-- > 0;) {
      Rank& rank = ranks_[r];
      if (r + 1 < ranks_.size()) fill(rank, gradient_arrival(r));
      // Nobody waits for rank 0: once its forwards are over its weight halves need not be kept.
      if (r == 0 && rank.forwards() == microbatches_)
        while (rank.has_weight()) weight(rank);
      input(r);
    }
  }

  SearchCosts costs_;
  SearchMemory memory_;
  Variant variant_;
  Index microbatches_;
  std::vector<Rank> ranks_;
  Index worst_idle_ = 0;  ///< of all ranks
};

}  // namespace detail

/// The best of eight variants of a list schedule within a memory limit, one chunk a rank. `run.rank` is not read.
///
/// Post     every rank holds at most `memory.limit`, activations whose weight half is not done included
/// Errors   SP-PIPELINE-012 more than one chunk, no microbatch, a limit below one forward, memory that passes do not
///          hold, more than 2^24 microbatches of stages; SP-PIPELINE-016 a negative cost; SP-PIPELINE-008; SP-CORE-001
/// Source   pipeline sheet, 2.8
inline PipelineTasks zero_bubble_search(const Workload& run, const SearchCosts& costs, const SearchMemory& memory,
                                        Listing listing = Listing::tasks) {
  check_one_chunk(run, "a zero-bubble schedule of type H");
  detail::check_search(run, costs, memory, 1);
  TaskLists best;
  Index best_span = 0;
  for (const bool bubble_first : {true, false})
    for (const bool input_first : {true, false})
      for (const bool fill_always : {true, false}) {
        detail::ZeroBubbleSearch search(run, costs, memory, {bubble_first, input_first, fill_always});
        if (!best.empty() && search.span() >= best_span) continue;
        best_span = search.span();
        best = search.take_passes();
      }
  return detail::listed(StagePlacement::looped, run, listing, best);
}

/// ZB-H1 (ZB1P): the memory of 1F1B, P activations a rank. Where all passes take equally long and there are more than P
/// microbatches, `zb1p` computes the same without a search; with fewer, this one begins more forwards early.
///
/// Errors   those of zero_bubble_search
/// Source   pipeline sheet, 2.8
inline PipelineTasks zb_h1(const Workload& run, const SearchCosts& costs = {}, Listing listing = Listing::tasks) {
  return zero_bubble_search(run, costs, {.limit = run.pipeline}, listing);
}

/// ZB-H2 (ZB2P): twice the memory of 1F1B, for which a rank that has begun need not wait any more, if passes take
/// equally long and there are at least 2 P - 1 microbatches. Ranks end one after the other, so that only an optimizer
/// step that waits for no other rank gains.
///
/// Errors   those of zero_bubble_search
/// Source   pipeline sheet, 2.8
inline PipelineTasks zb_h2(const Workload& run, const SearchCosts& costs = {}, Listing listing = Listing::tasks) {
  return zero_bubble_search(run, costs, {.limit = 2 * run.pipeline}, listing);
}

}  // namespace shardplan::pipeline
