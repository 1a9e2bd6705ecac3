#pragma once
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <shardplan/layout/layout.hpp>

/// What two layouts of a tensor have in common, for all pairs of their ranks.
namespace shardplan::detail {

/// What every rank of a source holds of what every rank of a destination wants, in elements of one tensor. Dimensions
/// are independent, so a few tables over the digits that cut them answer for all pairs of ranks.
class Overlaps {
 public:
  Overlaps(const Layout& from, const Layout& to) : to_(&to) {
    for (std::size_t dim = 0; dim < to.rank(); ++dim) {
      const std::vector<Runs> held = runs(from, dim, true), wanted = runs(to, dim, false);
      Table& table = tables_.emplace_back();
      table.row_size = wanted.size();
      for (const Runs& have : held)
        for (const Runs& want : wanted) table.common.push_back(common(have, want));
      table.from_rows = positions(from, dim);
      table.to_columns = positions(to, dim);
    }
    for (Index r = 0; r < from.view().size(); ++r)
      if (from.exists_at(from.view().place(r))) sources_.push_back(static_cast<std::size_t>(r));
  }

  /// Adds `each` an element to a row-major [source rank][destination rank] matrix of n x n.
  void add_to(std::vector<Index>& matrix, std::size_t n, Index each) const {
    for (std::size_t to = 0; to < static_cast<std::size_t>(to_->view().size()); ++to) {
      if (!to_->exists_at(to_->view().place(static_cast<Index>(to)))) continue;
      for (const std::size_t from : sources_) {
        Index held = each;
        for (const Table& table : tables_)
          held *= table.common[table.from_rows[from] * table.row_size + table.to_columns[to]];
        matrix[from * n + to] += held;
      }
    }
  }

 private:
  using Runs = std::vector<Interval>;
  struct Table {
    std::size_t row_size = 0;
    std::vector<Index> common;
    std::vector<std::size_t> from_rows, to_columns;  ///< by rank
  };

  /// The source elements of a dimension at every combination of the digits that cut it; as a set, or as often as held.
  static std::vector<Runs> runs(const Layout& layout, std::size_t dim, bool as_set) {
    const auto read = atoms_of(layout, dim);
    std::vector<Runs> out;
    Place place(layout.view().axes().size(), 0);
    do {
      Runs& here = out.emplace_back();
      for_each_run(layout, dim, place, {0, layout.local_size(dim, place)}, [&here](Run run) {
        if (!run.is_padding()) here.push_back({run.start, run.start + run.length});
      });
      std::sort(here.begin(), here.end(), [](Interval a, Interval b) { return a.begin < b.begin; });
      if (!as_set) continue;
      Runs merged;
      for (const Interval run : here) {
        if (merged.empty() || merged.back().end < run.begin)
          merged.push_back(run);
        else
          merged.back().end = larger(merged.back().end, run.end);
      }
      here = std::move(merged);
    } while (advance(layout, read, place));
    return out;
  }

  /// Which of these combinations every rank is at.
  static std::vector<std::size_t> positions(const Layout& layout, std::size_t dim) {
    const auto read = atoms_of(layout, dim);
    std::vector<std::size_t> out;
    for (Index r = 0; r < layout.view().size(); ++r) {
      const Place place = layout.view().place(r);
      Index at = 0;
      for (std::size_t a = 0; a < read.size(); ++a)
        if (const Layout::Atom& atom = layout.atoms()[a]; read[a])
          at = at * atom.extent + place[atom.axis] / atom.divisor % atom.extent;
      out.push_back(static_cast<std::size_t>(at));
    }
    return out;
  }

  static Index common(const Runs& held, const Runs& wanted) {
    Index out = 0;
    auto first = held.begin();
    for (const Interval run : wanted) {
      while (first != held.end() && first->end <= run.begin) ++first;
      for (auto at = first; at != held.end() && at->begin < run.end; ++at) out += intersect(*at, run).size();
    }
    return out;
  }

  const Layout* to_;
  std::vector<Table> tables_;
  std::vector<std::size_t> sources_;
};

}  // namespace shardplan::detail
