#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/mesh/group.hpp>
#include <shardplan/report/svg.hpp>
#include <shardplan/report/units.hpp>

/// Where every rank stands in a mesh, as a picture: a grid of its axes.
namespace shardplan {

struct RankGridOptions {
  std::string_view title = {};
  GroupList::Axes rows = {};     ///< outer first; axes in neither list go before these
  GroupList::Axes columns = {};  ///< outer first; empty: the innermost axes that fit
  Axis colours = {};             ///< which axis colours tell; none: the innermost of the rows
  Index node = 0;                ///< ranks of a node, for its borders; 0: none are drawn
};

namespace detail {

class RankGrid {
 public:
  RankGrid(const View& view, const RankGridOptions& options) : view_(view), options_(options) {
    if (options.node < 0)
      fail("SP-MESH-001", concat("nodes of ", options.node, " ranks"), "at least 1, 0 for no borders");
    choose_axes();
    shade_ = view.at(options.colours == Axis() ? default_colour() : options.colours);
    const Index last = view.offset() + view.size() - 1;
    const std::size_t letters = concat(last).size();
    block(letters);
  }

  std::string draw() {
    left_ = 24;
    for (const Level& level : rows_.levels) left_ += level.extent > rows_.inside(level) ? level_width(level) : 0;
    top_ = 78;
    for (const Level& level : columns_.levels) top_ += level.extent > columns_.inside(level) ? 16 : 0;
    right_ = left_ + wide_ * static_cast<double>(columns_.cells());
    bottom_ = top_ + high_ * static_cast<double>(rows_.cells());
    column_heads();
    row_heads();
    for (Index row = 0; row < rows_.cells(); ++row)
      for (Index column = 0; column < columns_.cells(); ++column) cell(row, column);
    borders();
    double end = legend();
    const std::string title = concat(options_.title, options_.title.empty() ? "" : ": ", degrees());
    svg_.text(16, 28, title, {.size = 16, .bold = true});
    svg_.text(16, 46, formula(), {.size = 12, .colour = faint_ink});
    double width = std::max({right_ + 16, 32 + text_width(title, 17), 32 + text_width(formula(), 12), widest_ + 16});
    for (const std::string& note : notes()) {
      svg_.text(left_, end += 18, note, {.colour = faint_ink});
      width = std::max(width, left_ + text_width(note, 11) + 16);
    }
    return svg_.finish(width, end + 14, title, concat("Grid of the ranks. ", formula()));
  }

 private:
  /// An axis along a side of the grid.
  struct Level {
    std::size_t axis = 0;
    Index extent = 1;
    Index stride = 1;  ///< lines of the grid that one step is apart
    Index weight = 1;  ///< what one step adds to the coordinate
  };
  /// Rows or columns: their axes, and how many neighbours one cell stands for.
  struct Side {
    std::vector<Level> levels;  ///< outer first
    Index lines = 1, block = 1;

    Index cells() const { return lines / block; }
    /// Coordinates of a level that one cell has in it.
    Index inside(const Level& level) const { return std::clamp<Index>(block / level.stride, 1, level.extent); }
    void push_front(std::size_t axis, Index extent, Index weight) {
      levels.insert(levels.begin(), Level{axis, extent, lines, weight});
      lines *= extent;
    }
    /// The smallest block that makes at most `most` cells and ends where coordinates do.
    void fold(Index most) {
      block = lines;
      for (const Level& level : levels)
        for (Index part = 1; part <= level.extent; ++part)
          if (level.extent % part == 0 && lines / (level.stride * part) <= most)
            block = std::min(block, level.stride * part);
    }
    Index coordinate(const Level& level, Index line) const { return line / level.stride % level.extent * level.weight; }
  };

  void choose_axes() {
    const auto& axes = view_.axes();
    InlineVector<Index, 6> used(axes.size(), 0);
    const auto take = [&](const GroupList::Axes& list, Side& side) {
      for (std::size_t i = list.size(); i-- > 0;) {
        const std::size_t at = view_.at(list[i]);
        if (++used[at] > 1)
          fail("SP-MESH-007", concat("axis ", list[i].name(), " occurs twice in a rank grid"), "once");
        side.push_front(at, axes[at].size, 1);
      }
    };
    take(options_.columns, columns_);
    take(options_.rows, rows_);
    const bool free = options_.columns.empty() && options_.rows.empty(), many = view_.size() > 1024;
    Index left = 0;  // axes that are still to be placed and tell ranks apart
    for (std::size_t at = 0; at < axes.size(); ++at) left += used[at] == 0 && axes[at].size > 1;
    for (std::size_t at = axes.size(); at-- > 0;) {
      if (used[at] > 0) continue;
      const Index size = axes[at].size, rest = view_.size() / columns_.lines;
      Index part = 1;  // of the axis, in the columns
      if (free && rows_.lines == 1 && size > 1) {
        if (many)
          part = least_part(size, rest);
        else if (columns_.lines == 1)
          part = greatest_part(size);
        else if (left > 1 && columns_.lines < rest && columns_.lines * size <= 32)
          part = size;
      }
      left -= size > 1;
      if (part > 1) columns_.push_front(at, part, 1);
      if (part < size || size == 1) rows_.push_front(at, size / part, part);
    }
  }
  /// What an axis gives the columns, so that at most 64 rows are left, and all that a cell holds are neighbours.
  static Index least_part(Index size, Index rest) {
    for (Index part = 1; part < size; ++part)
      if (size % part == 0 && rest / part <= 64) return part;
    return size;
  }
  static Index greatest_part(Index size) {
    for (Index part = 32; part > 1; --part)
      if (size % part == 0) return part;
    return size;
  }

  Axis default_colour() const {
    for (const Side* side : {&rows_, &columns_})
      for (std::size_t i = side->levels.size(); i-- > 0;)
        if (side->levels[i].extent > 1) return view_.axes()[side->levels[i].axis].axis;
    if (view_.axes().empty()) fail("SP-MESH-007", "a rank grid of a mesh without axes", "at least one");
    return view_.axes()[0].axis;
  }

  /// Up to 1,024 ranks have a cell each; else as few as make cells with room for what they say.
  void block(std::size_t letters) {
    const auto width = [](std::size_t wide, double size) {
      return std::max(24.0, std::ceil(static_cast<double>(wide) * letter_width * size + 8));
    };
    const auto fold = [&](double wide) {
      wide_ = wide;
      const Index most = static_cast<Index>(1120 / wide);
      columns_.fold(most);
      rows_.fold(64);
    };
    size_ = 10;
    fold(width(letters, size_));
    if (rows_.block * columns_.block > 1) fold(width(label_letters(letters), size_ = 9));
    const Index most = std::max(rows_.cells(), columns_.cells());
    if (most <= 16 && rows_.block * columns_.block == 1) size_ = 12, wide_ = std::max(44.0, width(letters, size_));
    high_ = most <= 16 ? 28 : rows_.cells() <= 32 ? 20 : 16;
  }
  std::size_t label_letters(std::size_t letters) const { return 2 * letters + 1; }

  Rank rank(Index row, Index column) const {
    Place place(view_.axes().size(), 0);
    for (const Level& level : rows_.levels) place[level.axis] += rows_.coordinate(level, row);
    for (const Level& level : columns_.levels) place[level.axis] += columns_.coordinate(level, column);
    return view_.rank(place);
  }

  /// The ranks of a cell: least, greatest, and whether there are others between them that are not its own.
  struct Cell {
    Index least, most;
    bool whole;
  };
  Cell ranks_of(Index row, Index column) const {
    Cell out{rank(row * rows_.block, column * columns_.block).value, 0, true};
    out.most = out.least;
    for (Index r = row * rows_.block; r < (row + 1) * rows_.block; ++r)
      for (Index c = column * columns_.block; c < (column + 1) * columns_.block; ++c) {
        const Index number = rank(r, c).value;
        out.least = std::min(out.least, number);
        out.most = std::max(out.most, number);
      }
    out.whole = out.most - out.least + 1 == rows_.block * columns_.block;
    return out;
  }

  Index shade_at(Index row, Index column) const { return view_.place(rank(row, column))[shade_]; }

  void cell(Index row, Index column) {
    const double x = left_ + wide_ * static_cast<double>(column), y = top_ + high_ * static_cast<double>(row);
    const Index r = row * rows_.block, c = column * columns_.block;
    const Index first = shade_at(r, c), last = shade_at(r + rows_.block - 1, c + columns_.block - 1);
    const Index count = view_.axes()[shade_].size;
    Colour colour = mix(colour_of(first, count), white, count <= 8 ? 0.45 : 0.15);
    if (first != last) several_ = true, colour = {232, 235, 239};
    svg_.box(x, y, wide_ - 1, high_ - 1, colour);
    const Cell ranks = ranks_of(row, column);
    gaps_ = gaps_ || !ranks.whole;
    const std::string text =
        ranks.least == ranks.most ? concat(ranks.least) : concat(ranks.least, ranks.whole ? "–" : "…", ranks.most);
    svg_.text(x + (wide_ - 1) / 2, y + high_ / 2 + size_ * 0.34, text,
              {.size = size_, .anchor = Svg::Anchor::middle, .colour = ink_on(colour)});
  }

  std::string coordinates(const Side& side, const Level& level, Index line) const {
    const Index from = side.coordinate(level, line), count = side.inside(level) * level.weight;
    return count == 1 ? concat(from) : concat(from, "–", from + count - 1);
  }
  double level_width(const Level& level) const {
    const std::string last = coordinates(rows_, level, rows_.lines - rows_.block);
    return text_width(concat(view_.axes()[level.axis].axis.name(), ' ', last), 10) + 12;
  }

  void column_heads() {
    double y = 74;
    bool inner = false;
    for (const Level& level : columns_.levels) {
      const Index count = columns_.inside(level);
      if (level.extent <= count) continue;
      y += 16;
      const double each = wide_ * static_cast<double>(std::max<Index>(level.stride / columns_.block, 1));
      const std::string name(view_.axes()[level.axis].axis.name());
      const std::string longest = concat(name, ' ', coordinates(columns_, level, columns_.lines - columns_.block));
      const bool named = text_width(longest, 10) + 6 <= each;
      const double room = text_width(named ? longest : longest.substr(name.size()), 10) + 4;
      const auto every = std::max<Index>(1, static_cast<Index>(std::ceil(room / each)));
      const Index step = std::max<Index>(level.stride, columns_.block);
      if (!named) svg_.text(left_ - 6, y - 4, name, {.size = 10, .anchor = Svg::Anchor::end, .colour = faint_ink});
      for (Index line = 0, n = 0; line < columns_.lines; line += step, ++n) {
        const double x = left_ + wide_ * static_cast<double>(line / columns_.block);
        if (n > 0 && !inner) svg_.line(x - 0.5, y - 14, x - 0.5, top_ - 2);
        if (n % every == 0)
          svg_.text(x + (each - 1) / 2, y - 4,
                    concat(named ? name + " " : std::string(), coordinates(columns_, level, line)),
                    {.size = 10, .anchor = Svg::Anchor::middle, .colour = faint_ink});
      }
      inner = each <= wide_;
    }
  }

  void row_heads() {
    double x = 16;
    for (const Level& level : rows_.levels) {
      const Index count = rows_.inside(level);
      if (level.extent <= count) continue;
      const double each = high_ * static_cast<double>(std::max<Index>(level.stride / rows_.block, 1));
      const Index step = std::max<Index>(level.stride, rows_.block);
      for (Index line = 0, n = 0; line < rows_.lines; line += step, ++n) {
        const double y = top_ + high_ * static_cast<double>(line / rows_.block);
        if (n > 0 && each > high_) svg_.line(x, y - 0.5, left_ - 2, y - 0.5);
        svg_.text(x, y + (each > 3 * high_ ? high_ : each) / 2 + 3.5,
                  concat(view_.axes()[level.axis].axis.name(), ' ', coordinates(rows_, level, line)),
                  {.size = 10, .colour = faint_ink});
      }
      x += level_width(level);
    }
  }

  bool blocks_in_nodes() const {
    const Index ranks = rows_.block * columns_.block;
    return options_.node > 1 && options_.node < view_.size() && options_.node % ranks == 0 && !gaps_;
  }

  void borders() {
    if (!blocks_in_nodes()) return;
    const auto node = [&](Index row, Index column) {
      return rank(row * rows_.block, column * columns_.block).value / options_.node;
    };
    Outline lines;
    const auto x = [&](Index column) { return left_ + wide_ * static_cast<double>(column) - 0.5; };
    const auto y = [&](Index row) { return top_ + high_ * static_cast<double>(row) - 0.5; };
    // Stretches of one border are one line.
    for (Index column = 1; column < columns_.cells(); ++column)
      for (Index row = 0; row < rows_.cells(); ++row) {
        const Index first = row;
        while (row < rows_.cells() && node(row, column - 1) != node(row, column)) ++row;
        if (row > first) lines.move(x(column), y(first)).down(y(row));
      }
    for (Index row = 1; row < rows_.cells(); ++row)
      for (Index column = 0; column < columns_.cells(); ++column) {
        const Index first = column;
        while (column < columns_.cells() && node(row - 1, column) != node(row, column)) ++column;
        if (column > first) lines.move(x(first), y(row)).across(x(column));
      }
    svg_.stroke(lines, ink, 2, "node");
    svg_.frame(left_ - 0.5, top_ - 0.5, right_ - left_, bottom_ - top_, ink, 2);
  }

  /// Returns its last line.
  double legend() {
    const Index count = view_.axes()[shade_].size;
    const std::string name(view_.axes()[shade_].axis.name());
    double x = left_, y = bottom_ + 24;
    widest_ = left_;
    if (count <= 8) {
      for (Index at = 0; at < count; ++at) {
        svg_.box(x, y - 9, 14, 11, mix(colour_of(at, count), white, 0.45));
        const std::string text = concat(name, ' ', at);
        svg_.text(x + 19, y, text);
        x += 19 + text_width(text, 11) + 12;
      }
      widest_ = x;
    } else {
      const double each = 160.0 / static_cast<double>(std::min<Index>(count, 32));
      svg_.text(x, y, concat(name, " 0"));
      x += text_width(concat(name, " 0"), 11) + 6;
      for (Index at = 0, parts = std::min<Index>(count, 32); at < parts; ++at, x += each)
        svg_.box(x, y - 9, each + 0.2, 11, mix(colour_of(at, parts), white, 0.15));
      svg_.text(x + 6, y, concat(count - 1));
      widest_ = x + 6 + text_width(concat(count - 1), 11);
    }
    return y;
  }

  /// `64 ranks = pp 2 x dp 4 x tp 8`
  std::string degrees() const {
    std::string out;
    for (const auto& [axis, size] : view_.axes()) out += concat(out.empty() ? " = " : " × ", axis.name(), ' ', size);
    return concat(counted(view_.size(), "rank"), out);
  }

  /// `rank = 32 pp + 8 dp + tp`
  std::string formula() const {
    std::string out;
    for (const View::Slot& slot : view_.slots()) {
      if (slot.extent == 1) continue;
      const View::Extent& axis = view_.axes()[slot.axis];
      std::string digit(axis.axis.name());
      if (slot.weight > 1) digit = concat('(', digit, " / ", slot.weight, ')');
      if (slot.extent * slot.weight < axis.size) digit = concat(digit, " mod ", slot.extent);
      if (slot.extent < axis.size) digit = concat('(', digit, ')');
      out += concat(out.empty() ? "" : " + ", slot.stride == 1 ? std::string() : concat(with_commas(slot.stride), ' '),
                    digit);
    }
    out =
        concat("rank = ", view_.offset() == 0 ? std::string() : concat(view_.offset(), " + "), out.empty() ? "0" : out);
    const Wire& wire = view_.wires();
    if (wire.node != 0)
      out += concat("; then blocks of ", wire.block, " change places in every ", with_commas(wire.node), " ranks");
    return out;
  }

  std::vector<std::string> notes() const {
    std::vector<std::string> out;
    const Index ranks = rows_.block * columns_.block;
    if (ranks > 1) {
      std::string what;
      for (const Side* side : {&rows_, &columns_})
        for (const Level& level : side->levels)
          if (side->inside(level) > 1)
            what += concat(what.empty() ? "" : " × ", view_.axes()[level.axis].axis.name(), ' ', side->inside(level));
      out.push_back(concat(
          "A cell stands for ", with_commas(ranks), " ranks (", what,
          "): ", gaps_ ? "… has ranks of other cells between its first and last." : "from its first to its last."));
    }
    if (several_)
      out.push_back(concat("Grey cells hold several coordinates of ", view_.axes()[shade_].axis.name(), '.'));
    if (blocks_in_nodes())
      out.push_back(concat("Thick lines: nodes of ", options_.node, " ranks."));
    else if (options_.node > 1 && !gaps_ && ranks % options_.node == 0)
      out.push_back(concat("A cell is ", counted(ranks / options_.node, "node"), " of ", options_.node, " ranks."));
    else if (options_.node > 1 && options_.node < view_.size())
      out.push_back(
          concat("Nodes of ", options_.node, " ranks are smaller than a cell or begin inside one: not drawn."));
    return out;
  }

  const View& view_;
  const RankGridOptions& options_;
  Side rows_, columns_;
  std::size_t shade_ = 0;
  double left_ = 0, top_ = 0, right_ = 0, bottom_ = 0, wide_ = 0, high_ = 0, size_ = 10, widest_ = 0;
  bool gaps_ = false, several_ = false;
  Svg svg_;
};

}  // namespace detail

/// The ranks of a mesh as a grid: a cell for each with its number, coordinates along the sides, colours by one axis,
/// thick lines around nodes. A mesh that has no room for all has cells of many ranks, and says so.
///
/// Errors   SP-MESH-001 a negative node size; SP-MESH-007 an axis that the view does not have, or one named twice
/// Example  rank_grid(plan.mesh().view(), {.columns = {tp}, .colours = pp, .node = 32})
inline std::string rank_grid(const View& view, const RankGridOptions& options = {}) {
  return detail::RankGrid(view, options).draw();
}

}  // namespace shardplan
