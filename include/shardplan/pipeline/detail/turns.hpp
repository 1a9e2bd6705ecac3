#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <shardplan/pipeline/detail/pass_results.hpp>

namespace shardplan::pipeline::detail {

/// A task and those joined to it.
using Block = std::span<const Task>;

enum class Turn : std::uint8_t {
  waits,    ///< nothing changed
  reached,  ///< not done, but what the rank has begun may let another one go on
  done,     ///< on to the next block
};

/// All ranks going through their lists: in each round every rank gets a turn at its next block, rank 0 first.
class Turns {
 public:
  /// `joined`: what is joined makes one block; else every task is one.
  explicit Turns(const TaskLists& lists, bool joined = true) : lists_(lists), next_(lists.size()), joined_(joined) {}

  /// The number of the round that is going on.
  Index round() const { return round_; }

  /// The block that a rank is at; empty: its list has ended.
  Block block(std::size_t rank) const {
    const std::vector<Task>& list = lists_[rank];
    const std::size_t begin = next_[rank];
    if (begin == list.size()) return {};
    std::size_t end = begin + 1;
    while (joined_ && end < list.size() && list[end - 1].joined) ++end;
    return Block(list).subspan(begin, end - begin);
  }

  /// take(rank, block) -> Turn. `ahead`: a rank takes blocks until it waits, not one a round; and every second round
  /// begins with the last rank, so that gradients too go all the way in one.
  ///
  /// Returns  whether all lists came to their end
  template <class Take>
  bool run(const Take& take, bool ahead = false) {
    for (;; ++round_) {
      bool more = false, progress = false;
      for (std::size_t i = 0; i < lists_.size(); ++i) {
        const std::size_t rank = ahead && round_ % 2 != 0 ? lists_.size() - 1 - i : i;
        Turn turn = Turn::done;
        do {
          const Block now = block(rank);
          if (now.empty()) break;
          more = true;
          turn = take(rank, now);
          progress = progress || turn != Turn::waits;
          if (turn == Turn::done) next_[rank] += now.size();
        } while (ahead && turn == Turn::done);
      }
      if (!more) return true;
      if (!progress) return false;
    }
  }

 private:
  const TaskLists& lists_;
  std::vector<std::size_t> next_;
  bool joined_;
  Index round_ = 0;
};

/// Why a rank does not go on.
struct Wait {
  Task task;           ///< that it is at
  Index rank = -1;     ///< whom it waits for; -1: nobody
  std::string result;  ///< what it waits for on its own list; read where it waits for itself
};

/// `rank 0 waits in 'send-forward 3.0 to 1' for rank 1, which waits in ... for rank 0`: the circle that the first
/// waiting rank is in or waits for, from its lowest rank on; where none closes, up to the rank whose list has ended.
///
/// waits(rank) -> Wait
template <class Waits>
std::string circle(const Turns& turns, std::size_t ranks, const Waits& waits) {
  constexpr std::size_t most = 12;  // ranks that a message names
  std::size_t at = 0;
  while (turns.block(at).empty()) ++at;
  std::vector<bool> seen(ranks);
  while (!seen[at] && !turns.block(at).empty()) {
    seen[at] = true;
    at = static_cast<std::size_t>(waits(at).rank);
  }
  const bool closed = !turns.block(at).empty();
  std::size_t start = at;
  if (closed) {
    for (auto next = static_cast<std::size_t>(waits(at).rank); next != at;
         next = static_cast<std::size_t>(waits(next).rank))
      start = next < start ? next : start;
  } else {
    // Nobody is in a circle: from the first waiting rank.
    start = 0;
    while (turns.block(start).empty()) ++start;
  }
  std::string out = concat("rank ", start);
  at = start;
  for (std::size_t named = 1;; ++named) {
    const Wait wait = waits(at);
    out += concat(named > 1 ? ", which" : "", " waits in '", wait.task, "' for ");
    const auto next = static_cast<std::size_t>(wait.rank);
    if (next == at) return out + concat("itself: '", wait.result, "' comes later, or never");
    out += concat("rank ", next);
    if (next == start) return out;
    if (turns.block(next).empty()) return out + ", whose list has ended";
    if (named == most) return out + ", and so on";
    at = next;
  }
}

/// An input that a pass of a block waits for.
struct MissingInput {
  const Task* pass = nullptr;  ///< null: every input is there
  Need need{};
};

/// The first input of a block's passes that is neither there nor made by an earlier pass of the block.
///
/// there(Need) -> bool
template <class There>
MissingInput missing_input(const PassResults& results, std::size_t rank, Block block, const There& there) {
  const auto here = static_cast<Index>(rank);
  MissingInput out;
  for (std::size_t i = 0; i < block.size(); ++i) {
    if (!is_compute(block[i].kind)) continue;
    const auto in_block = [&](std::size_t result) {
      for (const Task& before : block.first(i))
        if (is_compute(before.kind) && results.made_by(here, before) == result) return true;
      return false;
    };
    const bool all = results.all_needs(here, block[i], [&](const Need& need) {
      if (there(need) || in_block(need.result)) return true;
      out = {&block[i], need};
      return false;
    });
    if (!all) break;
  }
  return out;
}

/// The wait of a rank for the input of a pass that another one, or its own later pass, makes.
template <class There>
Wait wait_for_input(const PassResults& results, const Turns& turns, std::size_t rank, const There& there) {
  const MissingInput missing = missing_input(results, rank, turns.block(rank), there);
  return {*missing.pass, missing.need.rank, concat(results.maker(missing.need.result).pass)};
}

}  // namespace shardplan::pipeline::detail
