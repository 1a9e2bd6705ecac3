#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include <shardplan/pipeline/schedules/zbv_search.hpp>

/// V-Half and V-Min: two chunks a rank in a V, about a half and a third of the memory of 1F1B. A pattern that repeats
/// every 6 slots, its ramps moved together where the memory of the pattern allows it (pipeline sheet, 2.8). Legs are
/// those of zbv_search.hpp.
namespace shardplan::pipeline {

namespace detail {

/// A V schedule as a timetable: for each rank the slots of its legs, by microbatch. Passes and slots are one unit long.
class VTimetable {
 public:
  using Legs = std::array<std::vector<Index>, 4>;

  /// Pre      legs of a rank never meet in a slot modulo 6
  VTimetable(Index microbatches, const std::vector<std::array<Index, 4>>& pattern)
      : microbatches_(microbatches), ranks_(pattern.size()) {
    for (std::size_t r = 0; r < pattern.size(); ++r)
      for (std::size_t leg = 0; leg < 4; ++leg)
        for (Index m = 0; m < microbatches; ++m) ranks_[r][leg].push_back(pattern[r][leg] + 6 * m);
  }

  /// Moves passes of the ramps at both ends into idle slots before them, where the peak memory of all ranks allows it;
  /// then all passes as early as their inputs allow, in their order. `weights_move`: weight halves have slots of their
  /// own that move as well; else they are in whatever slots are idle, and only the ramp at the end is moved.
  void pull_forward(bool weights_move) {
    std::vector<Slots> slots;
    std::vector<std::vector<Index>> weights(ranks_.size());
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      slots.push_back(slots_of(ranks_[r]));
      if (weights_move) weights[r] = add_weights(slots[r]);
    }
    Index most = 0;
    for (const Slots& rank : slots) most = larger(most, peak(rank, weights_move));

    bool before = true, after = false;  // the first microbatch is back on rank 0; the last one has begun
    for (const Visit& visit : visits(slots)) {
      const auto& [time, r, leg, m] = visit;
      if (before && leg == 3 && r == 0) before = false;
      if (!before && !after) {
        after = leg == 0 && m + 1 == microbatches_;
        continue;
      }
      if (before && !weights_move) continue;
      std::vector<Index>& own = leg < 4 ? ranks_[r][leg] : weights[r];
      const std::size_t at = static_cast<std::size_t>(m);
      const Index from = 1 + (leg < 4 ? need(r, leg, at) : need_of_weight(r, weights[r], at));
      for (Index to = from; to < time; ++to) {
        if (slots[r][index(to)] != idle) continue;
        std::swap(slots[r][index(to)], slots[r][index(time)]);
        if (peak(slots[r], weights_move) <= most) {
          own[at] = to;
          break;
        }
        std::swap(slots[r][index(to)], slots[r][index(time)]);
      }
    }
    if (!weights_move)
      for (Slots& rank : slots) add_weights(rank);
    squeeze(slots);
  }

  /// All passes in order, weight halves in the idle slots: those of chunk 1 before those of chunk 0.
  TaskLists passes() const {
    TaskLists out;
    for (const Legs& rank : ranks_) {
      std::array<Index, 4> next{};
      std::array<Index, 2> weights{};  // by chunk
      std::vector<Task> list;
      const auto weight = [&] {
        for (const Index chunk : {1, 0}) {
          const std::size_t c = index(chunk);
          if (weights[c] == next[3 - c]) continue;
          list.push_back(make_task(TaskKind::backward_weight, weights[c]++, chunk));
          return true;
        }
        return false;
      };
      for (const std::uint8_t slot : slots_of(rank))
        if (slot == idle)
          weight();
        else
          list.push_back(leg_pass(slot, next[slot]++));
      while (weight()) continue;
      out.push_back(std::move(list));
    }
    return out;
  }

 private:
  /// What a rank does in each slot: a leg, a weight half, or nothing.
  using Slots = std::vector<std::uint8_t>;
  static constexpr std::uint8_t weight_half = 4, idle = 5;
  /// Slot, rank, leg (4: weight half), microbatch or number of the weight half.
  using Visit = std::tuple<Index, std::size_t, std::size_t, Index>;

  static constexpr std::size_t index(Index number) { return static_cast<std::size_t>(number); }

  static Slots slots_of(const Legs& rank) {
    Index size = 0;
    for (const std::vector<Index>& leg : rank) size = larger(size, leg.back() + 1);
    Slots out(index(size), idle);
    for (std::size_t leg = 0; leg < 4; ++leg)
      for (const Index slot : rank[leg]) out[index(slot)] = static_cast<std::uint8_t>(leg);
    return out;
  }

  /// Puts weight halves into the idle slots, each as soon as there is one to do, and behind. Gives their slots.
  static std::vector<Index> add_weights(Slots& slots) {
    std::vector<Index> out;
    Index open = 0;
    for (std::size_t at = 0; at < slots.size() || open > 0; ++at) {
      if (at == slots.size()) slots.push_back(idle);
      if (slots[at] == 2 || slots[at] == 3) ++open;
      if (slots[at] != idle || open == 0) continue;
      slots[at] = weight_half;
      out.push_back(static_cast<Index>(at));
      --open;
    }
    return out;
  }

  /// Most activations held. `explicit_weights`: weight halves are where the slots say; else in idle slots.
  static Index peak(const Slots& slots, bool explicit_weights) {
    Index held = 0, most = 0, open = 0;
    for (const std::uint8_t slot : slots) {
      if (slot < 2) {
        most = larger(most, ++held);
      } else if (slot < weight_half) {
        ++open;
      } else if (slot == weight_half || (!explicit_weights && open > 0)) {
        --held;
        --open;
      }
    }
    return most;
  }

  /// All passes by slot, then by rank.
  static std::vector<Visit> visits(const std::vector<Slots>& slots) {
    std::vector<Visit> out;
    std::size_t longest = 0;
    for (const Slots& rank : slots) longest = std::max(longest, rank.size());
    std::vector<std::array<Index, 5>> next(slots.size());
    for (std::size_t at = 0; at < longest; ++at)
      for (std::size_t r = 0; r < slots.size(); ++r)
        if (at < slots[r].size() && slots[r][at] != idle)
          out.emplace_back(static_cast<Index>(at), r, slots[r][at], next[r][slots[r][at]]++);
    return out;
  }

  bool crosses(std::size_t r, std::size_t leg) const { return leg_goes_down(leg) ? r > 0 : r + 1 < ranks_.size(); }

  /// The last slot of what a pass comes after; -1: nothing.
  Index need(std::size_t r, std::size_t leg, std::size_t m) const {
    Index out = -1;
    if (crosses(r, leg)) out = larger(out, ranks_[leg_goes_down(leg) ? r - 1 : r + 1][leg][m]);
    if (leg > 0) out = larger(out, ranks_[r][leg - 1][m]);
    if (m > 0) out = larger(out, ranks_[r][leg][m - 1]);
    return out;
  }
  Index need_of_weight(std::size_t r, const std::vector<Index>& weights, std::size_t number) const {
    const std::vector<Index>&first = ranks_[r][2], &second = ranks_[r][3];
    Index out = -1;
    for (std::size_t a = 0, b = 0; a + b <= number;)
      out = b == second.size() || (a < first.size() && first[a] < second[b]) ? first[a++] : second[b++];
    return number > 0 ? larger(out, weights[number - 1]) : out;
  }

  void squeeze(const std::vector<Slots>& slots) {
    std::vector<Legs> start(ranks_.size());
    std::vector<Index> clock(ranks_.size(), 0);
    for (const auto& [time, r, leg, m] : visits(slots)) {
      Index at = clock[r];
      if (leg < 4 && crosses(r, leg)) at = larger(at, start[leg_goes_down(leg) ? r - 1 : r + 1][leg][index(m)] + 1);
      if (leg < 4) start[r][leg].push_back(at);
      clock[r] = at + 1;
    }
    ranks_ = std::move(start);
  }

  Index microbatches_;
  std::vector<Legs> ranks_;
};

/// A V schedule from the slots of microbatch 0 on every rank; every further microbatch is 6 slots later.
template <class Pattern>
PipelineTasks from_v_pattern(const Workload& run, Listing listing, const Pattern& slots_of_rank) {
  check_search(run, {}, {.limit = 1}, 1);
  std::vector<std::array<Index, 4>> pattern;
  for (Index r = 0; r < run.pipeline; ++r) pattern.push_back(slots_of_rank(r));
  VTimetable table(run.microbatches, pattern);
  table.pull_forward(true);
  table.pull_forward(false);
  return listed(StagePlacement::vee, run, listing, table.passes());
}

}  // namespace detail

/// V-Half: about half of the memory of 1F1B. The order is made for passes that take equally long.
///
/// Post     a rank holds at most 2 (P / 2) + 2, P / 2 rounded down, activations of chunks,
///          those whose weight half is not done included
/// Errors   SP-PIPELINE-012 other than two chunks, no microbatch, more than 2^24 microbatches of stages;
///          SP-PIPELINE-008
/// Source   pipeline sheet, 2.8
inline PipelineTasks v_half(const Workload& run, Listing listing = Listing::tasks) {
  check_two_chunks(run, "V-Half");
  const Index ranks = run.pipeline, gap = ranks % 2 == 0 ? 3 : 0;
  return detail::from_v_pattern(run, listing, [=](Index r) {
    return std::array{2 * r, 3 * ranks - 2 - r, 3 * ranks + gap - 1 + 2 * r, 6 * ranks + gap - 2 - r};
  });
}

/// V-Min: about a third of the memory of 1F1B. The order is made for passes that take equally long.
///
/// Post     a rank holds at most 2 ((P + 1) / 3) + 2, (P + 1) / 3 rounded down, activations of chunks,
///          those whose weight half is not done included
/// Errors   SP-PIPELINE-012 other than two chunks, no microbatch, more than 2^24 microbatches of stages;
///          SP-PIPELINE-008
/// Source   pipeline sheet, 2.8
inline PipelineTasks v_min(const Workload& run, Listing listing = Listing::tasks) {
  check_two_chunks(run, "V-Min");
  const Index ranks = run.pipeline, gap = ranks % 3 == 0 ? 2 : 0;
  return detail::from_v_pattern(run, listing, [=](Index r) {
    return std::array{r, 2 * ranks - 1 - r, 2 * ranks + gap + r, 4 * ranks + gap - 1 - r};
  });
}

}  // namespace shardplan::pipeline
