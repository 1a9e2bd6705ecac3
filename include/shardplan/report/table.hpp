#pragma once
#include <algorithm>
#include <vector>

#include <shardplan/core/inline_vector.hpp>
#include <shardplan/core/text.hpp>

namespace shardplan {

/// Rows of text in aligned columns, two blanks apart; columns without any text are left out.
///
/// A table that is wider than the page is folded: the first column stands on a line of its own, and below it the
/// others, on as many lines as they need. One cell is never broken.
class Table {
 public:
  enum class Align : std::uint8_t { left, right };
  struct Column {
    std::string_view heading;
    Align align = Align::left;
  };
  using Row = InlineVector<std::string, 6>;

  explicit Table(const InlineVector<Column, 6>& columns) : columns_(columns), widths_(columns.size()) {}

  /// Pre: as many cells as columns.
  void row(Row cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], cells[i].size());
    rows_.push_back(std::move(cells));
  }

  /// Appends headings and rows, every line indented; nothing where there is no row. width: columns of the page, 0 for
  /// any.
  void write(std::string& out, std::size_t indent, std::size_t width) const {
    if (rows_.empty()) return;
    Row headings;
    Widths widths = widths_;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      headings.push_back(std::string(columns_[i].heading));
      if (widths[i] > 0) widths[i] = std::max(widths[i], headings[i].size());
    }
    const auto write_row = [&](const Row& cells, std::size_t page) {
      for (std::size_t from = 0; from < cells.size();) {
        const std::size_t blanks = from == 0 ? indent : indent + 4;
        const std::size_t to = from == 0 && page > 0 ? 1 : end_of_line(widths, from, page == 0 ? page : page - blanks);
        write_cells(out.append(blanks, ' '), cells, widths, from, to);
        from = to;
      }
    };
    const bool fits = width == 0 || end_of_line(widths, 0, width > indent ? width - indent : 1) == columns_.size();
    const std::size_t page = fits ? 0 : std::max(width, indent + 5);
    write_row(headings, page);
    for (const Row& cells : rows_) write_row(cells, page);
  }

 private:
  using Widths = InlineVector<std::size_t, 6>;
  static constexpr std::size_t gap = 2;

  /// The first column that a line which begins with column `from` has no room for; a line takes one at least.
  static std::size_t end_of_line(const Widths& widths, std::size_t from, std::size_t room) {
    std::size_t used = 0, at = from;
    for (; at < widths.size(); ++at) {
      const std::size_t needed = widths[at] > 0 ? widths[at] + (used > 0 ? gap : 0) : 0;
      if (room > 0 && at > from && used + needed > room) break;
      used += needed;
    }
    return at;
  }

  void write_cells(std::string& out, const Row& cells, const Widths& widths, std::size_t from, std::size_t to) const {
    std::size_t blanks = 0;  // owed before the next cell, so that no line ends in blanks
    for (std::size_t i = from; i < to; ++i) {
      if (widths[i] == 0) continue;
      const std::size_t fill = widths[i] - cells[i].size();
      const bool right = columns_[i].align == Align::right;
      if (!cells[i].empty()) out.append(blanks + (right ? fill : 0), ' ') += cells[i];
      blanks = (cells[i].empty() ? blanks + fill : right ? 0 : fill) + gap;
    }
    out += '\n';
  }

  InlineVector<Column, 6> columns_;
  Widths widths_;  ///< 0: no text in any row
  std::vector<Row> rows_;
};

}  // namespace shardplan
