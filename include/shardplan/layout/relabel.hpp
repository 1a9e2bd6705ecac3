#pragma once
#include <span>
#include <vector>

#include <shardplan/core/arithmetic.hpp>

/// Which process plays which rank of a new layout, so that least has to be sent (rank order sheet, 12).
namespace shardplan {

namespace detail {

/// A square assignment problem of greatest gain, solved by shortest augmenting paths after Jonker and Volgenant: prices
/// that make most rows' choices plain, then one shortest path for every row that is left. Costs are negative gains; of
/// the cells without gain, which are most where layouts overlap little, a path looks at one row's at a time.
class Assignment {
 public:
  /// gains: row-major, n x n, not negative. Pre: twice their sum fits 64 bits.
  Assignment(std::span<const Index> gains, std::size_t n) : n_(n), row_of_(n, none), column_of_(n, none), price_(n, 0) {
    std::size_t count = 0;
    for (const Index gain : gains) count += gain > 0;
    cells_.reserve(count);
    for (std::size_t i = 0; i < n_; ++i) {
      for (std::size_t j = 0; j < n_; ++j)
        if (const Index gain = gains[i * n_ + j]; gain > 0) cells_.push_back({j, -gain});
      ends_.push_back(cells_.size());
    }
    price_columns();
    for (std::size_t row = 0; row < n_; ++row)
      if (column_of_[row] == none) augment(row);
  }

  /// The row of every column.
  const std::vector<std::size_t>& rows() const noexcept { return row_of_; }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  struct Cell {
    std::size_t column;
    Index cost;
  };

  std::span<const Cell> row(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::span(cells_).subspan(begin, ends_[i] - begin);
  }
  Index cost(std::size_t i, std::size_t column) const {
    const std::span<const Cell> cells = row(i);
    std::size_t begin = 0, end = cells.size();
    while (begin < end) {
      const std::size_t middle = begin + (end - begin) / 2;
      if (cells[middle].column < column)
        begin = middle + 1;
      else
        end = middle;
    }
    return begin < cells.size() && cells[begin].column == column ? cells[begin].cost : 0;
  }

  void match(std::size_t row, std::size_t column) {
    row_of_[column] = row;
    column_of_[row] = column;
  }

  /// Every column's price is its least cost, and its row one that has it there. A row takes the first of its columns.
  void price_columns() {
    std::vector<std::size_t> cheapest(n_, 0);
    for (std::size_t i = 0; i < n_; ++i)
      for (const Cell& cell : row(i))
        if (cell.cost < price_[cell.column]) {
          price_[cell.column] = cell.cost;
          cheapest[cell.column] = i;
        }
    for (std::size_t j = 0; j < n_; ++j)
      if (column_of_[cheapest[j]] == none) match(cheapest[j], j);
  }

  /// Dijkstra over reduced costs from a free row to the nearest free column, then the prices and the path.
  void augment(std::size_t start) {
    distance_.resize(n_);
    order_.resize(n_);
    place_.resize(n_);
    from_.assign(n_, start);
    for (std::size_t j = 0; j < n_; ++j) {
      distance_[j] = -price_[j];
      order_[j] = place_[j] = j;
    }
    for (const Cell& cell : row(start)) distance_[cell.column] += cell.cost;
    // order_: columns done, then those at the least distance, then the rest. base: what a row's reduced costs start
    // from; one with a lower base than some row before has nothing to offer where it gains nothing.
    std::size_t done = 0, ready = 0, settled = 0, end = none;
    Index least = 0, highest_base = 0;
    const auto make_ready = [&](std::size_t k) {
      const std::size_t j = order_[k], other = order_[ready];
      order_[ready] = j;
      order_[k] = other;
      place_[j] = ready++;
      place_[other] = k;
      if (row_of_[j] == none) end = j;
    };
    const auto approach = [&](std::size_t i, std::size_t j, Index there) {
      distance_[j] = there;
      from_[j] = i;
      if (there == least) make_ready(place_[j]);
    };
    while (end == none) {
      if (done == ready) {
        settled = done;
        least = distance_[order_[ready]];
        for (std::size_t k = ready; k < n_; ++k) least = smaller(least, distance_[order_[k]]);
        for (std::size_t k = ready; k < n_ && end == none; ++k)
          if (distance_[order_[k]] == least) make_ready(k);
        if (end != none) break;
      }
      const std::size_t through = order_[done++], i = row_of_[through];
      const Index base = cost(i, through) - price_[through] - least;
      const std::span<const Cell> cells = row(i);
      for (const auto& [j, own] : cells)
        if (const Index there = own - price_[j] - base; there < distance_[j]) approach(i, j, there);
      if (base <= highest_base || cells.size() == n_) continue;
      highest_base = base;
      for (std::size_t k = ready; k < n_; ++k)
        if (const Index there = -price_[order_[k]] - base; there < distance_[order_[k]]) approach(i, order_[k], there);
    }
    for (std::size_t k = 0; k < settled; ++k) price_[order_[k]] += distance_[order_[k]] - least;
    for (std::size_t i = none; i != start;) {
      i = from_[end];
      const std::size_t before = column_of_[i];
      match(i, end);
      end = before;
    }
  }

  std::size_t n_;
  std::vector<Cell> cells_;                      // with a gain, row after row
  std::vector<std::size_t> ends_;                // of each row in cells_
  std::vector<std::size_t> row_of_, column_of_;  // none: free
  std::vector<Index> price_;                     // of each column
  std::vector<Index> distance_;
  std::vector<std::size_t> from_, order_, place_;
};

}  // namespace detail

/// Who plays which rank of the destination, and what is sent before and after.
struct Relabelling {
  std::vector<Index> process;  ///< of each destination label
  Index before = 0;            ///< sent when label j stays with process j, in the unit of the volumes
  Index after = 0;             ///< sent by this relabelling
};

/// The relabelling of `ranks` destination labels that sends least; of those, one that moves fewest labels, so the
/// identity whenever nothing is better. Deterministic.
///
/// held     row-major [process][label]: how much of what a label will hold the process holds already; not negative
/// Errors   SP-LAYOUT-010 another size than ranks x ranks, or a negative volume; SP-CORE-001 a sum of volumes that does
///          not fit 64 bits by a factor of 2 * (ranks + 1)
/// Post     `process` is a permutation; after <= before
/// Source   rank order sheet, 12
inline Relabelling relabel(std::span<const Index> held, Index ranks) {
  if (ranks < 1 || static_cast<Index>(held.size()) != checked_mul(ranks, ranks))
    fail("SP-LAYOUT-010", concat(held.size(), " volumes for ", ranks, " processes and labels"),
         "one for each process and label", {"held"});
  const auto n = static_cast<std::size_t>(ranks);
  Index total = 0;
  for (const Index volume : held) {
    if (volume < 0) fail("SP-LAYOUT-010", concat("a volume of ", volume), "at least 0", {"held"});
    total = checked_add(total, volume);
  }
  checked_mul(total, 2 * (ranks + 1));
  // A kept element counts ranks + 1, a kept label 1: labels decide only among equal volumes.
  std::vector<Index> gains(held.size());
  for (std::size_t i = 0; i < held.size(); ++i) gains[i] = held[i] * (ranks + 1) + (i % (n + 1) == 0);
  Relabelling out{{}, total, total};
  const detail::Assignment assignment(gains, n);
  for (std::size_t label = 0; label < n; ++label) {
    const std::size_t process = assignment.rows()[label];
    out.process.push_back(static_cast<Index>(process));
    out.before -= held[label * n + label];
    out.after -= held[process * n + label];
  }
  return out;
}

}  // namespace shardplan
