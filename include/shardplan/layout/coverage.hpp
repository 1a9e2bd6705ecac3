#pragma once
#include <algorithm>
#include <vector>

#include <shardplan/layout/holders.hpp>

/// The proof that a layout holds every element exactly as often as it says.
namespace shardplan {

/// Elements [range.begin, range.end) of a dimension, and in how many combinations of the digits that cut it they are
/// held.
struct Copies {
  std::size_t dim = 0;
  Interval range;
  Index held = 0;      ///< counted: the runs of every place
  Index declared = 0;  ///< derived: free digits of the holders of the first element

  friend bool operator==(const Copies&, const Copies&) = default;
};

/// Every dimension in order, cut where the number of copies changes.
struct Coverage {
  std::vector<Copies> ranges;

  /// Nothing is held by nobody. A slice or reorder that drops elements on purpose makes this false.
  bool complete() const {
    return std::none_of(ranges.begin(), ranges.end(), [](const Copies& c) { return c.held == 0; });
  }
  /// Counting and deriving agree everywhere.
  bool consistent() const {
    return std::all_of(ranges.begin(), ranges.end(), [](const Copies& c) { return c.held == c.declared; });
  }
};

/// Counts the copies of every element, dimension by dimension: O(runs over the digits that cut it), not over the world.
inline Coverage prove_coverage(const Layout& layout) {
  struct Edge {
    Index at;
    Index step;
  };
  Coverage out;
  for (std::size_t dim = 0; dim < layout.rank(); ++dim) {
    const InlineVector<bool, 8> read = detail::atoms_of(layout, dim);
    std::vector<Edge> edges;
    Place place(layout.view().axes().size(), 0);
    do
      for_each_run(layout, dim, place, {0, layout.local_size(dim, place)}, [&](Run run) {
        if (run.is_padding()) return;
        edges.push_back({run.start, 1});
        edges.push_back({run.start + run.length, -1});
      });
    while (detail::advance(layout, read, place));
    std::sort(edges.begin(), edges.end(), [](Edge a, Edge b) { return a.at < b.at; });

    const auto add = [&](Interval range, Index held) {
      if (range.empty()) return;
      Index declared = 0;
      for_each_holder(layout, dim, {range.begin, range.begin + 1},
                      [&](const Holder& holder) { declared += detail::copies(layout, read, holder); });
      Copies* last = out.ranges.empty() || out.ranges.back().dim != dim ? nullptr : &out.ranges.back();
      if (last && last->held == held && last->declared == declared)
        last->range.end = range.end;
      else
        out.ranges.push_back({dim, range, held, declared});
    };
    Index at = 0, held = 0;
    for (const Edge& edge : edges) {
      add({at, edge.at}, held);
      at = edge.at;
      held += edge.step;
    }
    add({at, layout.shape()[dim]}, held);
  }
  return out;
}

}  // namespace shardplan
