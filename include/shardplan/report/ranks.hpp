#pragma once
#include <shardplan/mesh/group.hpp>

/// Lists of ranks told by how they begin and go on.
namespace shardplan {

/// `count` ranks from `first` on, `stride` apart; stride 1 where there is only one.
struct RankRun {
  Rank first;
  Index count = 1;
  Index stride = 1;

  constexpr Rank last() const { return first.value + (count - 1) * stride; }
  friend constexpr bool operator==(const RankRun&, const RankRun&) = default;
};

/// Calls f(RankRun) for the runs of a list of ranks, as long as each can be; no list of them is made.
/// ranks: size() and [], as a Group. Post: the runs in turn are the list. Example: 0 1 2 3 16 17 18 19 is two runs.
template <class Ranks, class F>
constexpr void for_each_rank_run(const Ranks& ranks, F&& f) {
  const std::size_t size = ranks.size();
  for (std::size_t at = 0; at < size;) {
    RankRun run{ranks[at++]};
    Rank last = run.first;
    for (; at < size; ++at, ++run.count) {
      const Rank next = ranks[at];
      if (run.count == 1)
        run.stride = next.value - last.value;
      else if (next.value - last.value != run.stride)
        break;
      last = next;
    }
    f(run);
  }
}

/// `7`, `0-31`, `3, 7`, `0-224 by 32`
inline void append_to(std::string& out, const RankRun& run) {
  append_to(out, run.first);
  if (run.count == 1) return;
  if (run.count == 2 && run.stride != 1)
    out += concat(", ", run.last());
  else
    out += concat('-', run.last(), run.stride == 1 ? std::string() : concat(" by ", run.stride));
}

/// A list of ranks in few words: its first runs, and how many follow. Example: `0-15, 48-63`
template <class Ranks>
std::string rank_list(const Ranks& ranks, std::size_t most = 4) {
  std::string out;
  std::size_t runs = 0;
  for_each_rank_run(ranks, [&](const RankRun& run) {
    if (runs++ < most) out += concat(out.empty() ? "" : ", ", run);
  });
  if (runs > most) out += concat(", and ", runs - most, " more");
  return out;
}

}  // namespace shardplan
