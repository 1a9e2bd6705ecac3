#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/pipeline/detail/turns.hpp>

/// Proofs about a schedule that is written out: nothing is missing, every message arrives, and it comes to its end.
///
///     const PipelineTasks tasks = pipeline::make_schedule("1f1b", {.microbatches = 8, .pipeline = 4});
///     for (const Diagnostic& fault : pipeline::prove(tasks, pipeline::Sends::rendezvous)) std::puts(...);
///
/// Each gives its findings, at most 16 of them; none: proven. They follow the lists to their end, so they hold for
/// these numbers of ranks, chunks and microbatches, and take time and memory in proportion to the tasks.
namespace shardplan::pipeline {

/// What a send waits for.
enum class Sends : std::uint8_t {
  rendezvous,  ///< until its receive has begun, as where a message has no room of its own: the stronger proof
  buffered,    ///< for nothing: it is posted, and the rank goes on
};

constexpr std::string_view name(Sends sends) { return sends == Sends::rendezvous ? "rendezvous" : "buffered"; }

namespace detail {

constexpr std::size_t most_findings = 16;

/// Adds a finding while there is room; whether there is still some.
inline bool add(Diagnostics& out, std::string_view id, std::string_view message, std::string_view hint) {
  if (out.size() < most_findings) out.push_back(finding(id, message, hint, {"tasks"}));
  return out.size() < most_findings;
}

/// Every rank through its list. What is known of a result, or of the message that carries it, is a byte of flags.
class ProgressRun {
 public:
  ProgressRun(const PipelineTasks& tasks, Sends sends)
      : tasks_(tasks), sends_(sends), results_(tasks.placement, tasks.run), turns_(tasks.ranks) {
    check_inside(results_, tasks.ranks);
    known_.assign(results_.count(), 0);
    for (std::size_t r = 0; r < tasks.ranks.size(); ++r)
      for (const Task& task : tasks.ranks[r]) {
        if (is_receive(task.kind) && exchanges(r, task)) at(r, task) |= receive_listed;
        if (task.kind == TaskKind::load) at(r, task) |= load_listed;
      }
  }

  /// Empty, or who waits for whom.
  std::string operator()() {
    const bool ended = turns_.run(
        [&](std::size_t rank, Block block) {
          const bool news = begin_exchanges(rank, block);
          if (wait(rank, block).rank >= 0) return news ? Turn::reached : Turn::waits;
          for (const Task& task : block) finish(rank, task);
          return Turn::done;
        },
        true);
    if (ended) return {};
    return circle(turns_, tasks_.ranks.size(), [&](std::size_t rank) { return wait(rank, turns_.block(rank)); });
  }

 private:
  enum Known : unsigned char {
    made = 1,
    sent = 2,      ///< its send has begun
    awaited = 4,   ///< its receive has begun
    received = 8,  ///< its receive is over
    receive_listed = 16,
    loaded = 32,  ///< of activations: their microbatch
    load_listed = 64,
  };

  /// Whether a send or a receive exchanges anything. (One without a partner is a fault of its own: prove_exchanges.)
  bool exchanges(std::size_t rank, const Task& task) const {
    return (is_send(task.kind) || is_receive(task.kind)) && task.peer >= 0 && task.peer < tasks_.run.pipeline &&
           results_.exchanged_by(static_cast<Index>(rank), task) != PassResults::none;
  }
  unsigned char& at(std::size_t rank, const Task& task) {
    const auto here = static_cast<Index>(rank);
    return known_[is_receive(task.kind) ? results_.received_by(here, task) : results_.made_by(here, task)];
  }
  static bool set(unsigned char& known, unsigned char flag) {
    const bool news = (known & flag) == 0;
    known = static_cast<unsigned char>(known | flag);
    return news;
  }

  /// All exchanges of a block are posted together; what is not made cannot be sent.
  bool begin_exchanges(std::size_t rank, Block block) {
    bool news = false;
    for (const Task& task : block) {
      if (!exchanges(rank, task)) continue;
      unsigned char& known = at(rank, task);
      if (is_receive(task.kind))
        news = set(known, awaited) || news;
      else if (known & made)
        news = set(known, sent) || news;
    }
    return news;
  }

  /// The first thing that a block waits for; rank -1: nothing.
  Wait wait(std::size_t rank, Block block) {
    const auto here = static_cast<Index>(rank);
    for (const Task& task : block) {
      if (task.kind == TaskKind::forward && (at(rank, task) & (load_listed | loaded)) == load_listed)
        return {task, here, concat(make_task(TaskKind::load, task.microbatch, task.chunk))};
      if (!exchanges(rank, task)) continue;
      const unsigned char known = at(rank, task);
      if (is_receive(task.kind)) {
        if (!(known & sent)) return {task, task.peer, {}};
      } else if (!(known & made)) {
        return {task, here, concat(results_.maker(results_.made_by(here, task)).pass)};
      } else if (sends_ == Sends::rendezvous && !(known & awaited)) {
        return {task, task.peer, {}};
      }
    }
    const MissingInput missing = missing_input(results_, rank, block, [&](const Need& need) {
      const unsigned char known = known_[need.result];
      // A pass list without exchanges has its inputs as soon as they are made.
      return need.rank == here || !(known & receive_listed) ? (known & made) != 0 : (known & received) != 0;
    });
    if (!missing.pass) return {};
    const Task& pass = *missing.pass;
    if (missing.need.rank == here || !(known_[missing.need.result] & receive_listed))
      return {pass, missing.need.rank, concat(results_.maker(missing.need.result).pass)};
    const TaskKind kind = pass.kind == TaskKind::forward ? TaskKind::receive_forward : TaskKind::receive_backward;
    return {pass, here, concat(make_task(kind, pass.microbatch, pass.chunk, missing.need.rank))};
  }

  void finish(std::size_t rank, const Task& task) {
    if (task.kind == TaskKind::load) set(at(rank, task), loaded);
    if (is_compute(task.kind)) set(at(rank, task), made);
    if (is_receive(task.kind) && exchanges(rank, task)) set(at(rank, task), received);
  }

  const PipelineTasks& tasks_;
  Sends sends_;
  PassResults results_;
  Turns turns_;
  std::vector<unsigned char> known_;
};

}  // namespace detail

/// Every microbatch passes every stage forward once and backward once: whole, or in two halves. `forward_only`: forward
/// once, and nothing backward. Holds for every schedule of the catalogue.
///
/// Findings  SP-PIPELINE-015 a pass that is missing, or listed twice, or of no such microbatch or chunk
/// Errors    those of check_run
inline Diagnostics prove_complete(const PipelineTasks& tasks, bool forward_only = false) {
  const detail::PassResults results(tasks.placement, tasks.run);
  Diagnostics out;
  if (const std::string what = detail::stray(results, tasks.ranks); !what.empty()) {
    detail::add(out, "SP-PIPELINE-015", what, "a list for every rank; microbatches and chunks count from 0");
    return out;
  }
  std::size_t listed = 0;
  for (const auto& list : tasks.ranks) listed += list.size();
  const std::size_t each = results.count() / 3;
  if (listed < each) {  // also keeps the table below in proportion to the lists
    detail::add(out, "SP-PIPELINE-015", concat(listed, " tasks cannot be ", each, " forward passes"),
                concat(each, " forward passes: one of every microbatch on every stage"));
    return out;
  }
  std::vector<unsigned char> times(results.count());
  for (std::size_t r = 0; r < tasks.ranks.size(); ++r) {
    for (const Task& task : tasks.ranks[r]) {
      if (!is_compute(task.kind)) continue;
      const std::size_t result = results.made_by(static_cast<Index>(r), task);
      if (forward_only && task.kind != TaskKind::forward) {
        if (!detail::add(out, "SP-PIPELINE-015", concat("rank ", r, " runs '", task, "' in a forward-only schedule"),
                         "forward passes alone"))
          return out;
        continue;
      }
      const std::size_t weight = result + each;  // a whole backward also stands for the weight half
      const auto count = [&](std::size_t at) {
        if (times[at] < 2) ++times[at];
        return times[at] == 2;
      };
      bool twice = count(result);
      if (task.kind == TaskKind::backward) twice = count(weight) || twice;
      if (twice && !detail::add(out, "SP-PIPELINE-015", concat("rank ", r, " runs '", task, "' twice, or a part of it"),
                                "every pass once"))
        return out;
    }
  }
  for (std::size_t i = 0; i < (forward_only ? each : times.size()); ++i) {
    if (times[i] > 0) continue;
    auto [rank, pass] = results.maker(i);
    if (i >= 2 * each && times[i - each] == 0) continue;  // the whole backward is missing, which has been said
    if (!detail::add(
            out, "SP-PIPELINE-015", concat("rank ", rank, " never runs '", pass, "'"),
            concat("'", pass, "' once on rank ", rank, i < each || i >= 2 * each ? "" : ", whole or in halves")))
      break;
  }
  return out;
}

/// Every result that another rank needs is sent there once, from the chunk that makes it, and received once by the
/// chunk that needs it; and nothing else is exchanged. Messages are told apart by what they carry, as tags do. Holds
/// for every schedule that lists its exchanges (Listing::tasks); for PyTorch's after with_communication too.
///
/// Findings  SP-PIPELINE-014 a send without its receive, a receive without its send, a wrong or missing peer, an
///           exchange listed twice or not at all
/// Errors    SP-PIPELINE-015 no such microbatch or chunk; those of check_run
inline Diagnostics prove_exchanges(const PipelineTasks& tasks) {
  const detail::PassResults results(tasks.placement, tasks.run);
  detail::check_inside(results, tasks.ranks);
  enum : unsigned char { made = 1, sent = 2, received = 4 };
  std::vector<unsigned char> known(results.count());
  Diagnostics out;
  for (std::size_t r = 0; r < tasks.ranks.size(); ++r) {
    const auto rank = static_cast<Index>(r);
    for (const Task& task : tasks.ranks[r]) {
      if (is_compute(task.kind)) known[results.made_by(rank, task)] |= made;
      if (task.peer < 0) continue;
      const Place partner = results.partner(rank, task);
      const bool exchange = is_send(task.kind) || is_receive(task.kind);
      const char* direction = is_receive(task.kind) ? "from" : "to";
      if (!exchange || partner.rank != task.peer || partner.rank == rank) {
        Task right = task;
        right.peer = static_cast<std::int32_t>(partner.rank);
        if (!detail::add(out, "SP-PIPELINE-014", concat("rank ", r, " lists '", task, "', which has no such peer"),
                         !exchange || partner.rank < 0 || partner.rank == rank
                             ? concat("nothing ", direction, " another rank here")
                             : concat("'", right, "'")))
          return out;
        if (!exchange || partner.rank < 0 || partner.rank == rank) continue;
      }
      unsigned char& flags = known[results.exchanged_by(rank, task)];
      const unsigned char flag = is_receive(task.kind) ? received : sent;
      if ((flags & flag) &&
          !detail::add(out, "SP-PIPELINE-014", concat("rank ", r, " lists '", task, "' twice"), "once"))
        return out;
      flags = static_cast<unsigned char>(flags | flag);
    }
  }
  const std::size_t messages = results.count() / 3 * 2;  // weight gradients stay where they are
  for (std::size_t i = 0; i < messages; ++i) {
    if ((known[i] & (sent | received)) == (sent | received) || known[i] == 0) continue;
    const auto [rank, pass] = results.maker(i);
    const bool forward = pass.kind == TaskKind::forward;
    const Task send =
        make_task(forward ? TaskKind::send_forward : TaskKind::send_backward, pass.microbatch, pass.chunk);
    const Place to = results.partner(rank, send);
    if (to.rank < 0 || to.rank == rank) continue;
    Task sends = send;
    sends.peer = static_cast<std::int32_t>(to.rank);
    const Task receives =
        make_task(forward ? TaskKind::receive_forward : TaskKind::receive_backward, pass.microbatch, to.chunk, rank);
    const std::string message =
        known[i] & sent ? concat("rank ", rank, " lists '", sends, "', which rank ", to.rank, " never receives")
        : known[i] & received
            ? concat("rank ", to.rank, " lists '", receives, "', which rank ", rank, " never sends")
            : concat("rank ", rank, " never sends the result of '", pass, "', which rank ", to.rank, " needs");
    const std::string hint = known[i] & sent       ? concat("'", receives, "' on rank ", to.rank)
                             : known[i] & received ? concat("'", sends, "' on rank ", rank)
                                                   : concat("'", sends, "' and '", receives, "' on rank ", to.rank,
                                                            "; Listing::tasks and with_communication list exchanges");
    if (!detail::add(out, "SP-PIPELINE-014", message, hint)) break;
  }
  return out;
}

/// All ranks come to the end of their lists: each task when the one before it is done, a pass with the inputs that its
/// rank has made, loaded or received by then, a receive when its send has begun, a send of what is made, as `sends`
/// says. Joined exchanges begin together. Lists of passes alone (Listing::compute, slots) are followed too, each input
/// being there as soon as it is made.
///
/// Rendezvous holds for what `ScheduleEntry::sends` of catalogue.hpp says so of. Where an original posts its sends and
/// waits for them later, as PyTorch does with what with_communication lists, the buffered kind is the one that applies.
///
/// Findings  SP-PIPELINE-013 ranks that wait for one another, with the circle; at most one
/// Errors    SP-PIPELINE-015 no such microbatch or chunk; those of check_run
/// Example   "rank 0 waits in 'send-forward 0.0 to 1' for rank 1, which waits in 'send-backward 0.0 to 0' for rank 0"
inline Diagnostics prove_progress(const PipelineTasks& tasks, Sends sends) {
  Diagnostics out;
  if (const std::string who = detail::ProgressRun(tasks, sends)(); !who.empty())
    detail::add(out, "SP-PIPELINE-013", who,
                sends == Sends::rendezvous ? "another order, or sends that do not wait for their receives"
                                           : "each task after those that it needs");
  return out;
}

/// The three proofs one after the other, up to the first that finds something: what is missing would hold up the ranks.
///
/// Errors   those of check_run
inline Diagnostics prove(const PipelineTasks& tasks, Sends sends, bool forward_only = false) {
  Diagnostics out = prove_complete(tasks, forward_only);
  if (out.empty()) out = prove_exchanges(tasks);
  if (out.empty()) out = prove_progress(tasks, sends);
  return out;
}

}  // namespace shardplan::pipeline
