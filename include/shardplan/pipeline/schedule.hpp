#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <shardplan/pipeline/partition.hpp>

/// The vocabulary of pipeline schedules: what a pipeline rank does, in order, as data that nothing stores.
///
/// A schedule is a rule that computes its k-th step; a step is a few tasks; iterating a schedule gives the tasks one
/// after the other. So a million microbatches need no memory, and any step of any rank can be asked for.
///
///     for (const Task& task : pipeline::nxd_1f1b({.microbatches = 8, .pipeline = 4, .rank = 1})) trainer.run(task);
namespace shardplan::pipeline {

enum class TaskKind : std::uint8_t {
  idle,                   ///< a slot in which the schedule has the rank wait
  load,                   ///< read the microbatch: tokens on the first stage, labels where a system says so
  receive_forward,        ///< activations, from the rank of the stage before
  forward,                ///< the chunk's forward pass
  send_forward,           ///< activations, to the rank of the stage after
  receive_backward,       ///< gradient of the chunk's output, from the rank of the stage after
  backward,               ///< the whole backward pass
  backward_input,         ///< its half that the stage before waits for
  backward_weight,        ///< its other half, which nobody waits for
  send_backward,          ///< gradient of the chunk's input, to the rank of the stage before
  reduce_tied_gradients,  ///< over the stages that share a weight
  reduce_gradients,       ///< over the data ranks
  optimizer_step,
};

constexpr std::string_view name(TaskKind kind) {
  constexpr std::string_view names[] = {"idle",
                                        "load",
                                        "receive-forward",
                                        "forward",
                                        "send-forward",
                                        "receive-backward",
                                        "backward",
                                        "backward-input",
                                        "backward-weight",
                                        "send-backward",
                                        "reduce-tied-gradients",
                                        "reduce-gradients",
                                        "optimizer-step"};
  return names[static_cast<std::size_t>(kind)];
}

constexpr bool is_backward(TaskKind kind) { return kind == TaskKind::backward || kind == TaskKind::backward_input; }
constexpr bool is_compute(TaskKind kind) {
  return kind == TaskKind::forward || is_backward(kind) || kind == TaskKind::backward_weight;
}
constexpr bool is_send(TaskKind kind) { return kind == TaskKind::send_forward || kind == TaskKind::send_backward; }
constexpr bool is_receive(TaskKind kind) {
  return kind == TaskKind::receive_forward || kind == TaskKind::receive_backward;
}

/// One thing that a pipeline rank does.
struct Task {
  TaskKind kind = TaskKind::idle;
  bool joined = false;     ///< runs together with the task after it: one graph, one exchange, one overlapped block
  std::int32_t chunk = 0;  ///< the rank's model chunk
  std::int32_t peer = -1;  ///< pipeline rank to exchange with; -1: nothing is exchanged
  Index microbatch = -1;   ///< -1: of the whole batch

  friend constexpr bool operator==(const Task&, const Task&) = default;
};

/// `forward 3.1` (microbatch.chunk), `send-forward 3.1 to 2`, `reduce-gradients`; `+` behind a joined one.
inline void append_to(std::string& out, const Task& task) {
  out += name(task.kind);
  if (task.microbatch >= 0) out += concat(' ', task.microbatch, '.', task.chunk);
  if (task.peer >= 0) out += concat(is_send(task.kind) ? " to " : " from ", task.peer);
  if (task.joined) out += " +";
}

/// What one step holds: at most eight tasks, so not on the heap. (A run of idle slots may be longer.)
using Step = InlineVector<Task, 8>;

/// Whose schedule of what.
struct Workload {
  Index microbatches = 1;
  Index pipeline = 1;  ///< pipeline ranks
  Index rank = 0;      ///< pipeline rank
  Index chunks = 1;    ///< model chunks a rank
};

/// Errors   SP-PIPELINE-008 no stages or too many; SP-PIPELINE-012 no microbatch, no such rank; SP-CORE-001 more tasks
///          than 64 bits count
constexpr void check_run(const Workload& run) {
  stage_count(run.pipeline, run.chunks);
  if (run.microbatches < 1)
    fail("SP-PIPELINE-012", concat("a schedule of ", run.microbatches, " microbatches"), "at least 1",
         {"microbatches"});
  if (run.rank < 0 || run.rank >= run.pipeline)
    fail("SP-PIPELINE-012", concat("pipeline rank ", run.rank, " of ", run.pipeline), concat("0 to ", run.pipeline - 1),
         {"rank"});
  checked_mul(checked_add(checked_mul(run.microbatches, run.chunks), run.pipeline), 8);
}

/// The same for a schedule that cannot interleave. Errors also SP-PIPELINE-012 more than one chunk.
constexpr void check_one_chunk(const Workload& run, std::string_view schedule) {
  check_run(run);
  if (run.chunks != 1)
    fail("SP-PIPELINE-012", concat(schedule, " runs one chunk a rank, not ", run.chunks),
         "1, or an interleaved schedule", {"chunks"});
}

/// Where the stages are.
enum class StagePlacement : std::uint8_t {
  looped,         ///< stage = chunk * P + rank
  vee,            ///< chunk 0: stage = rank; chunk 1: stage = 2 P - 1 - rank
  bidirectional,  ///< the model twice, P stages each; a rank's chunk 0 is the nearer to its model's first stage
};

/// A chunk on a pipeline rank; rank -1: none.
struct Place {
  Index rank = -1;
  Index chunk = 0;

  friend constexpr bool operator==(Place, Place) = default;
};

/// Whether the bidirectional chunk belongs to the model whose first stage is on rank 0.
constexpr bool goes_down(Index pipeline, Place at) { return (at.chunk == 0) == (at.rank < pipeline / 2); }

/// The stage of its model that a place holds.
constexpr Index stage_at(StagePlacement placement, Index pipeline, Place at) {
  if (placement == StagePlacement::looped) return at.chunk * pipeline + at.rank;
  if (placement == StagePlacement::vee) return at.chunk == 0 ? at.rank : 2 * pipeline - 1 - at.rank;
  return goes_down(pipeline, at) ? at.rank : pipeline - 1 - at.rank;
}

/// Where the activations of a place go, and (`step` -1) where they come from; rank -1: nowhere.
constexpr Place neighbour(StagePlacement placement, const Workload& run, Place at, Index step) {
  const Index ranks = run.pipeline;
  if (placement == StagePlacement::bidirectional) {
    const bool down = goes_down(ranks, at);
    const Index to = at.rank + (down ? step : -step);
    if (to < 0 || to >= ranks) return {};
    return {to, down == (to < ranks / 2) ? 0 : 1};
  }
  if (placement == StagePlacement::looped) {
    // One step around the ring, without a division: this is asked for every exchange.
    Place out{at.rank + step, at.chunk};
    if (out.rank == ranks) out = {0, at.chunk + 1};
    if (out.rank < 0) out = {ranks - 1, at.chunk - 1};
    return 0 <= out.chunk && out.chunk < run.chunks ? out : Place{};
  }
  const Index stage = stage_at(placement, ranks, at) + step;
  if (stage < 0 || stage >= ranks * run.chunks) return {};
  return stage < ranks ? Place{stage, 0} : Place{2 * ranks - 1 - stage, 1};
}

constexpr Task make_task(TaskKind kind, Index microbatch, Index chunk, Index peer = -1, bool joined = false) {
  return {kind, joined, static_cast<std::int32_t>(chunk), static_cast<std::int32_t>(peer), microbatch};
}

/// The two exchanges of activations, and of gradients, of a chunk. Where there is nothing to exchange the peer is -1.
constexpr Task receive_forward(StagePlacement placement, const Workload& run, Index microbatch, Index chunk) {
  const Index peer = neighbour(placement, run, {run.rank, chunk}, -1).rank;
  return make_task(peer < 0 ? TaskKind::load : TaskKind::receive_forward, microbatch, chunk, peer);
}
constexpr Task send_forward(StagePlacement placement, const Workload& run, Index microbatch, Index chunk) {
  return make_task(TaskKind::send_forward, microbatch, chunk, neighbour(placement, run, {run.rank, chunk}, 1).rank);
}
constexpr Task receive_backward(StagePlacement placement, const Workload& run, Index microbatch, Index chunk) {
  return make_task(TaskKind::receive_backward, microbatch, chunk, neighbour(placement, run, {run.rank, chunk}, 1).rank);
}
constexpr Task send_backward(StagePlacement placement, const Workload& run, Index microbatch, Index chunk) {
  return make_task(TaskKind::send_backward, microbatch, chunk, neighbour(placement, run, {run.rank, chunk}, -1).rank);
}

/// How much of a schedule is listed.
enum class Listing : std::uint8_t {
  tasks,    ///< all that a rank does: each result is received right before its use and sent right after it is made
  compute,  ///< forward and backward passes alone
  slots,    ///< these, and the idle slots that the original writes between them
};

/// Adds passes to a step, with what they need exchanged where the listing asks for it.
struct Lister {
  StagePlacement placement;
  const Workload& run;
  Listing listing;
  Step& step;

  constexpr void before(const Task& pass) const {
    if (listing != Listing::tasks) return;
    const bool forward = pass.kind == TaskKind::forward;
    if (!forward && !is_backward(pass.kind)) return;
    const Task need = forward ? receive_forward(placement, run, pass.microbatch, pass.chunk)
                              : receive_backward(placement, run, pass.microbatch, pass.chunk);
    if (need.kind == TaskKind::load || (need.peer >= 0 && need.peer != run.rank)) step.push_back(need);
  }
  constexpr void after(const Task& pass) const {
    if (listing != Listing::tasks) return;
    const bool forward = pass.kind == TaskKind::forward;
    if (!forward && !is_backward(pass.kind)) return;
    const Task made = forward ? send_forward(placement, run, pass.microbatch, pass.chunk)
                              : send_backward(placement, run, pass.microbatch, pass.chunk);
    if (made.peer >= 0 && made.peer != run.rank) step.push_back(made);
  }
  constexpr void operator()(TaskKind kind, Index microbatch, Index chunk) const {
    const Task pass = make_task(kind, microbatch, chunk);
    before(pass);
    step.push_back(pass);
    after(pass);
  }
  /// A forward and a backward pass as one overlapped block.
  constexpr void overlapped(Task forward, const Task& backward) const {
    before(forward);
    before(backward);
    forward.joined = true;
    step.push_back(forward);
    step.push_back(backward);
    after(forward);
    after(backward);
  }
  constexpr void reduce() const {
    if (listing == Listing::tasks) step.push_back({TaskKind::reduce_gradients});
  }
};

/// The k-th pass of warm-up, then one forward and one backward in turn, then the backwards that are left.
struct PassSlot {
  bool forward;
  Index number;  ///< of the forward, or of the backward
};

/// Pre      0 <= warm_up <= total, 0 <= k < 2 * total
/// Post     forwards and backwards each run through 0..total-1 in order, and forward n is before backward n
constexpr PassSlot pass_slot(Index warm_up, Index total, Index k) {
  if (k < warm_up) return {true, k};
  if (k < 2 * total - warm_up)
    return {(k - warm_up) % 2 == 0, (k - warm_up) % 2 == 0 ? (k + warm_up) / 2 : (k - warm_up) / 2};
  return {false, k - total};
}

/// A microbatch on a chunk.
struct ChunkPass {
  Index microbatch;
  Index chunk;
};

namespace detail {

/// a / b. Numbers of 32 bits, as nearly all are, divide several times as fast. Pre: 0 <= a, 0 < b.
constexpr Index quotient(Index a, Index b) {
  if ((a | b) >> 32 != 0) return a / b;
  return static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b);
}

}  // namespace detail

/// The k-th forward of an interleaved schedule: groups of `group` microbatches, of which each chunk in turn takes all;
/// the last group may be smaller. Backwards go the same way with the chunks reversed.
///
/// Source   pipeline sheet, 2.4 (group = P), 2.5 and 2.7
constexpr ChunkPass grouped_pass(Index microbatches, Index chunks, Index group, Index k) {
  const Index before = detail::quotient(k, group * chunks) * group;
  const Index size = smaller(group, microbatches - before), in_group = k - before * chunks;
  const Index chunk = detail::quotient(in_group, size);
  return {before + in_group - chunk * size, chunk};
}

/// The schedule of one rank by a rule, which is a small value with `Index steps() const` and `Step step(Index) const`.
/// Iterating gives the tasks of all steps in order.
template <class Rule>
class Schedule {
 public:
  constexpr explicit Schedule(Rule rule) : rule_(rule) {}

  constexpr const Rule& rule() const { return rule_; }
  constexpr Index steps() const { return rule_.steps(); }
  /// Pre      0 <= k < steps()
  constexpr Step step(Index k) const { return rule_.step(k); }

  struct End {};
  /// Holds the rule and one step, so it outlives its schedule.
  class Iterator {
   public:
    using value_type = Task;
    using difference_type = std::ptrdiff_t;

    constexpr explicit Iterator(const Rule& rule) : rule_(rule), steps_(rule.steps()) { find(); }
    constexpr const Task& operator*() const { return step_[at_]; }
    constexpr const Task* operator->() const { return &step_[at_]; }
    constexpr Iterator& operator++() {
      if (++at_ == step_.size()) {
        ++number_;
        find();
      }
      return *this;
    }
    constexpr void operator++(int) { ++*this; }
    /// The step that the task belongs to.
    constexpr Index step_number() const { return number_; }
    friend constexpr bool operator==(const Iterator& at, End) { return at.number_ == at.steps_; }

   private:
    /// The first task of step `number_`, or of the next that has one. Flattened: a task that is handed on through
    /// memory costs more than making it.
    [[gnu::flatten]] constexpr void find() {
      at_ = 0;
      for (; number_ < steps_; ++number_) {
        step_ = rule_.step(number_);
        if (!step_.empty()) return;
      }
    }

    Rule rule_;
    Index steps_;
    Index number_ = 0;
    std::size_t at_ = 0;
    Step step_;
  };
  constexpr Iterator begin() const { return Iterator(rule_); }
  constexpr End end() const { return {}; }

 private:
  Rule rule_;
};

}  // namespace shardplan::pipeline
