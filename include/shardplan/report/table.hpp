#pragma once
#include <shardplan/core/inline_vector.hpp>
#include <shardplan/core/text.hpp>

namespace shardplan {

/// Rows of text in aligned columns, two blanks apart.
///
/// A table that is wider than asked for puts the first column on a line of its own and the others below it, so that it
/// stays readable; columns that are empty throughout are left out.
class Table {
 public:
  enum class Align : std::uint8_t { left, right };
  struct Column {
    std::string_view heading;
    Align align = Align::left;
  };
  using Row = InlineVector<std::string, 6>;

  explicit Table(const InlineVector<Column, 6>& columns) : columns_(columns), widths_(columns.size(), 0) {}

  /// Pre: as many cells as columns.
  void row(Row cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], cells[i].size());
    rows_.push_back(std::move(cells));
  }

  /// Appends headings and rows, every line indented; width: columns of the page, 0 for any.
  void write(std::string& out, std::size_t indent, std::size_t width) const {
    Row headings;
    std::size_t whole = indent;
    InlineVector<std::size_t, 6> widths = widths_;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      headings.push_back(std::string(columns_[i].heading));
      if (widths_[i] == 0) continue;
      widths[i] = std::max(widths[i], headings[i].size());
      whole += widths[i] + gap;
    }
    const bool stacked = width > 0 && whole - gap > width;
    const auto line = [&](const Row& cells) {
      std::size_t from = 0;
      if (stacked) {
        write_cells(out, cells, widths, 0, 1, indent);
        from = 1;
      }
      write_cells(out, cells, widths, from, cells.size(), indent + (stacked ? 4 : 0));
    };
    line(headings);
    for (const Row& cells : rows_) line(cells);
  }

 private:
  static constexpr std::size_t gap = 2;

  void write_cells(std::string& out, const Row& cells, const InlineVector<std::size_t, 6>& widths, std::size_t from,
                   std::size_t to, std::size_t indent) const {
    out.append(indent, ' ');
    std::size_t blanks = 0;  // owed before the next cell, so that no line ends in blanks
    for (std::size_t i = from; i < to; ++i) {
      if (widths_[i] == 0) continue;
      const std::size_t fill = widths[i] - cells[i].size();
      const bool right = columns_[i].align == Align::right;
      if (!cells[i].empty()) out.append(blanks + (right ? fill : 0), ' ') += cells[i];
      blanks = (cells[i].empty() ? blanks + fill : right ? 0 : fill) + gap;
    }
    out += '\n';
  }

  InlineVector<Column, 6> columns_;
  InlineVector<std::size_t, 6> widths_;
  std::vector<Row> rows_;
};

}  // namespace shardplan
