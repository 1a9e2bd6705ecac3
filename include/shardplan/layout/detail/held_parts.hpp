#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <shardplan/layout/holders.hpp>
#include <shardplan/layout/shard.hpp>

/// One dimension of a transfer: what a place wants, cut where the answer to "who holds it" changes; and the check of
/// it.
namespace shardplan::detail {

/// The wanted elements of a dimension in local order, neighbours merged that all sources hold alike.
class HeldParts {
 public:
  /// A way to find a part: at every place with these atom values, from local index `local` on.
  struct Holding {
    AtomValues atoms;
    Index local = 0;
  };
  struct Part {
    Index length = 0;
    Index local = 0;  ///< where it is wanted
    Index own = -1;   ///< where the wanting rank has it already, as far as this dimension is concerned; or -1
    Slot holdings{};
  };

  constexpr HeldParts() = default;
  /// `own`: the place of the wanting rank in the source, where it has one. Errors SP-LAYOUT-013 an element nobody
  /// holds.
  constexpr HeldParts(const Layout& from, std::size_t dim, Shard::Runs wanted, const Place* own) {
    find(from, dim, wanted, own);
  }
  /// The same in place of what was found before.
  constexpr void find(const Layout& from, std::size_t dim, Shard::Runs wanted, const Place* own) {
    parts_.clear();
    holdings_.clear();
    for (const Shard::Segment& run : wanted)
      if (!run.is_padding()) add_run(from, dim, run, own);
  }

  constexpr const InlineVector<Part, 4>& parts() const { return parts_; }
  constexpr const Holding& holding(const Part& part, std::size_t i) const { return holdings_[part.holdings.first + i]; }

 private:
  using Holders = InlineVector<Holder, 4>;

  constexpr void add_run(const Layout& from, std::size_t dim, const Shard::Segment& run, const Place* own) {
    const Interval wanted{run.start, run.start + run.length};
    Holders holders;
    for_each_holder(from, dim, wanted, [&holders](const Holder& holder) { holders.push_back(holder); });
    const auto earlier = [](const Holder& a, const Holder& b) {
      if (a.global.begin != b.global.begin) return a.global.begin < b.global.begin;
      if (a.local != b.local) return a.local < b.local;
      for (std::size_t i = 0; i < a.atoms.size(); ++i)
        if (a.atoms[i] != b.atoms[i]) return a.atoms[i] < b.atoms[i];
      return false;
    };
    if (!std::is_sorted(holders.begin(), holders.end(), earlier)) std::sort(holders.begin(), holders.end(), earlier);

    InlineVector<std::size_t, 4> active;  // holders of the element at `at`
    std::size_t next = 0;
    for (Index at = wanted.begin; at < wanted.end;) {
      std::size_t kept = 0;
      for (const std::size_t i : active)
        if (holders[i].global.end > at) active[kept++] = i;
      active.resize(kept);
      for (; next < holders.size() && holders[next].global.begin == at; ++next) active.push_back(next);
      Index end = next < holders.size() ? holders[next].global.begin : wanted.end;
      if (active.empty())
        fail("SP-LAYOUT-013",
             concat("nobody holds elements [", at, ", ", end, ") of dimension ", dim, " of a tensor ", from.shape()),
             "a source that holds all that the destination wants");
      for (const std::size_t i : active) end = smaller(end, holders[i].global.end);
      add_part(from, holders, active, {at, end}, run.local + (at - run.start), own);
      at = end;
    }
  }

  constexpr void add_part(const Layout& from, const Holders& holders, const InlineVector<std::size_t, 4>& active,
                          Interval global, Index local, const Place* own) {
    Part part{global.size(), local, -1, {static_cast<std::uint32_t>(holdings_.size()), 0}};
    for (const std::size_t i : active) {
      const Index there = holders[i].local + (global.begin - holders[i].global.begin);
      if (own && (part.own < 0 || there == local) && matches(from, holders[i].atoms, *own)) part.own = there;
      // Another copy at the same places is no choice.
      bool known = false;
      for (std::uint32_t h = part.holdings.first; h < holdings_.size() && active.size() > 1; ++h)
        known = known || holdings_[h].atoms == holders[i].atoms;
      if (!known) holdings_.push_back({holders[i].atoms, there});
    }
    part.holdings.count = static_cast<std::uint32_t>(holdings_.size()) - part.holdings.first;
    if (!parts_.empty() && continues(parts_.back(), part)) {
      parts_.back().length += part.length;
      holdings_.resize(part.holdings.first);
    } else {
      parts_.push_back(part);
    }
  }

  constexpr bool continues(const Part& before, const Part& part) const {
    if (before.local + before.length != part.local || before.holdings.count != part.holdings.count ||
        (before.own < 0 ? part.own >= 0 : part.own != before.own + before.length))
      return false;
    for (std::uint32_t i = 0; i < part.holdings.count; ++i) {
      const Holding &a = holding(before, i), &b = holding(part, i);
      if (a.local + before.length != b.local || a.atoms != b.atoms) return false;
    }
    return true;
  }

  InlineVector<Part, 4> parts_;
  InlineVector<Holding, 4> holdings_;
};

/// Walks the elements of one dimension of a shard, run by run.
struct RunCursor {
  Shard::Runs runs;
  std::size_t at = 0;

  /// The run with local index `local`, from which the index is `local - run.local` on; none: past the end.
  constexpr const Shard::Segment* find(Index local) {
    if (at < runs.size() && local < runs[at].local) at = 0;
    while (at < runs.size() && runs[at].local + runs[at].length <= local) ++at;
    return at < runs.size() ? &runs[at] : nullptr;
  }
};

/// Whether `length` elements of a dimension are the same real ones on both sides.
constexpr bool same_elements(Shard::Runs source, Index from, Shard::Runs destination, Index to, Index length) {
  RunCursor a{source}, b{destination};
  while (length > 0) {
    const Shard::Segment *x = a.find(from), *y = b.find(to);
    if (!x || !y || x->is_padding() || y->is_padding() || x->start + from - x->local != y->start + to - y->local)
      return false;
    const Index step = smaller(length, smaller(x->local + x->length - from, y->local + y->length - to));
    from += step;
    to += step;
    length -= step;
  }
  return true;
}

/// Whether moves [first, last), which agree in the dimensions before `dim`, write every real element of the others
/// once: in order, so that one look at each is enough.
template <class Moves>
constexpr bool tiles(const Shard& wanted, const Moves& all, std::size_t first, std::size_t last, std::size_t dim) {
  if (dim == wanted.rank()) return last - first == 1;
  RunCursor runs{wanted.segments(dim)};
  Index at = 0;
  const auto skip_padding = [&] {
    const Shard::Segment* run = runs.find(at);
    for (; run && run->is_padding(); run = runs.find(at)) at = run->local + run->length;
    return run != nullptr;
  };
  while (first < last) {
    std::size_t next = first + 1;
    const Index begin = all[first].destination[dim], length = all[first].extent[dim];
    while (next < last && all[next].destination[dim] == begin && all[next].extent[dim] == length) ++next;
    if (!skip_padding() || begin != at || length < 1 || !tiles(wanted, all, first, next, dim + 1)) return false;
    at += length;
    first = next;
  }
  return !skip_padding();
}

}  // namespace shardplan::detail
