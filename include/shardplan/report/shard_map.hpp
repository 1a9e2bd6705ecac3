#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/report/detail/bands.hpp>
#include <shardplan/report/svg.hpp>
#include <shardplan/report/units.hpp>

/// Which ranks hold which part of a tensor, as a picture of the tensor.
namespace shardplan {

/// A named stretch of dimension 0: `q`, `gate`, `up`.
struct MapPart {
  std::string_view name;
  Index size = 0;
};

struct ShardMapOptions {
  std::string_view title = {};  ///< name of the tensor
  Axis colours = {};            ///< which axis colours tell; none: the innermost one that cuts
  std::vector<MapPart> parts = {};
};

namespace detail {

class ShardMap {
 public:
  ShardMap(const Layout& layout, const ShardMapOptions& options) : layout_(layout), options_(options) {
    const View& view = layout.view();
    for (const auto& extent : view.axes())
      if (cuts(extent.axis) && extent.size > 1) shade_ = view.at(extent.axis);
    if (options.colours != Axis()) shade_ = view.at(options.colours);
    Index named = 0;
    for (const MapPart& part : options.parts) named = checked_add(named, part.size);
    if (!options.parts.empty() && (layout.rank() == 0 || named != layout.shape()[0]))
      fail("SP-LAYOUT-005",
           concat("named parts of ", named, " rows for a tensor of ", layout.rank() == 0 ? 0 : layout.shape()[0]),
           "as many rows as dimension 0", {"parts"});
    // One dimension lies down; of more than two, all but the last are folded into the rows.
    const std::size_t dims = layout.rank();
    for (std::size_t dim = 0; dim + 1 < dims; ++dim) fold(down_, bands(layout, dim));
    if (down_.empty())
      down_.push_back(dims < 2 ? Band{{0, 1}, 1, false, {first_place(layout_)}} : Band{{0, 0}, 1, false, {}});
    across_ = dims == 0 ? std::vector<Band>{{{0, 1}, 1, false, {first_place(layout_)}}} : bands(layout, dims - 1);
    if (across_.empty()) across_.push_back({{0, 0}, 1, false, {}});
    copies_ = free_places(layout);
  }

  std::string draw() {
    const bool flat = layout_.rank() < 2;
    const double label = 9 + text_width(index_text(), 10);
    left_ = flat ? 24 : std::max(40.0, 16 + label);
    // The shortest band gets room for a line of text where the page has it.
    high_ = flat ? 64 : extent_of(down_, 13, 260, 900);
    wide_ = flat ? extent_of(across_, 44, 640, 1120) : extent_of(across_, 96, 560, 1120);
    thin(down_, high_);
    thin(across_, wide_);
    const double right = left_ + wide_, bottom = top + high_;
    double y = top;
    for (const Band& row : down_) {
      const double h = row.size / total(down_) * high_;
      double x = left_;
      for (const Band& column : across_) {
        const double w = column.size / total(across_) * wide_;
        cell(row, column, x, y, w, h);
        x += w;
      }
      y += h;
    }
    svg_.frame(left_, top, wide_, high_, ink);
    if (!flat) side_numbers(down_, true);
    side_numbers(across_, false);
    const double beside = flat || across_.size() > 1 ? 0 : outside_ranks(true), below = flat ? outside_ranks(false) : 0;
    const double names = beside + part_names(beside);
    const std::string heading = title(), caption = words();
    svg_.text(16, 28, heading, {.size = 16, .bold = true});
    svg_.text(16, 46, caption, {.size = 12, .colour = faint_ink});
    const auto [end, reach] = legend(bottom + 30 + below);
    const double width =
        std::max({right + 24 + names, 32 + text_width(heading, 17), 32 + text_width(caption, 12), reach + 16});
    return svg_.finish(width, end + 16, heading, caption);
  }

 private:
  static constexpr double top = 84;

  bool cuts(Axis axis) const {
    const auto at = layout_.view().find(axis);
    for (const BoundDigit& digit : layout_.program().digits)
      if (at && digit.axis == *at) return true;
    return false;
  }

  static double total(const std::vector<Band>& bands) {
    double out = 0;
    for (const Band& band : bands) out += band.size;
    return std::max(out, 1.0);
  }
  static double extent_of(const std::vector<Band>& bands, double each, double least, double most) {
    double shortest = total(bands);
    for (const Band& band : bands)
      if (band.size > 0) shortest = std::min(shortest, band.size);
    return std::clamp(std::round(total(bands) / shortest * each), least, most);
  }
  /// Bands thinner than a line are drawn as one with their neighbours.
  void thin(std::vector<Band>& bands, double length) {
    const double least = total(bands) / length * (down_.size() * across_.size() > 8192 ? 8 : 0.5);
    std::vector<Band> out;
    bool growing = false;
    for (Band& band : bands) {
      if (growing && band.padding == out.back().padding) {
        out.back().range.end = band.range.end;
        out.back().size += band.size;
        merged_ = true;
        out.back().holders.insert(out.back().holders.end(), band.holders.begin(), band.holders.end());
      } else {
        out.push_back(std::move(band));
      }
      growing = out.back().size < least;
    }
    bands = std::move(out);
  }

  void cell(const Band& row, const Band& column, double x, double y, double w, double h) {
    if (row.holders.empty() || column.holders.empty()) return;
    const bool padding = row.padding || column.padding;
    if (padding) padded_ = true, svg_.hatched(x, y, w, h);
    std::vector<Index> shades;
    for (const Place& a : row.holders)
      for (const Place& b : column.holders) shades.push_back(a[shade_] + b[shade_]);
    std::sort(shades.begin(), shades.end());
    shades.erase(std::unique(shades.begin(), shades.end()), shades.end());
    const bool free = cuts_nothing(shade_);
    const Index count = layout_.view().axes()[shade_].size;
    const double gap = w > 6 && h > 6 ? 1 : w > 4 && h > 4 ? 0.5 : 0;
    Colour ground{232, 235, 239};
    if (!free && !padding) {
      // Holders of several colours: a stripe for each.
      const std::size_t stripes = std::min<std::size_t>(shades.size(), 8);
      for (std::size_t i = 0; i < stripes; ++i) {
        ground = tint(shades[i * shades.size() / stripes], count);
        const double each = (stripes > 1 && w > 90 ? w / 4 : w - gap) / static_cast<double>(stripes);
        if (stripes > 1 && i == 0) svg_.box(x, y, w - gap, h - gap, {232, 235, 239});
        svg_.box(x + each * static_cast<double>(i), y, each, h - gap, ground);
      }
      if (stripes > 1) striped_ = true, ground = {232, 235, 239};
    } else if (!padding) {
      svg_.box(x, y, w - gap, h - gap, ground);
    }
    const double size = std::clamp(h - 2, 0.0, 11.0);
    if (size < 8.5 || w < 24) return;
    const std::vector<Index> ranks = ranks_of(row, column);
    for (const std::string& text : labels(ranks, padding)) {
      const double width = text_width(text, size);
      if (width + 6 > w) continue;
      if (padding) svg_.box(x + (w - width) / 2 - 3, y + (h - size) / 2 - 0.5, width + 6, size + 1, white);
      svg_.text(x + (w - gap) / 2, y + h / 2 + size * 0.35, text,
                {.size = size, .anchor = Svg::Anchor::middle, .colour = padding ? ink : ink_on(ground)});
      break;
    }
  }

  std::vector<Index> ranks_of(const Band& row, const Band& column) const {
    std::vector<Index> out;
    for (const Place& a : row.holders)
      for (const Place& b : column.holders)
        for (const Place& copy : copies_) out.push_back(layout_.view().rank(sum(sum(a, b), copy)).value);
    std::sort(out.begin(), out.end());
    return out;
  }

  /// Below a strip, or beside rows, whose cells are too thin for text: the ranks of some. Returns the room it took.
  double outside_ranks(bool vertical) {
    const std::vector<Band>& bands = vertical ? down_ : across_;
    const double length = vertical ? high_ : wide_, all = total(bands);
    const TextStyle style{.size = 10, .anchor = vertical ? Svg::Anchor::start : Svg::Anchor::middle};
    double before = 0, free = -1e9, room = 0;
    for (const Band& band : bands) {
      const double thick = band.size / all * length, middle = (before / all * length) + thick / 2;
      before += band.size;
      if (band.holders.empty() || thick >= (vertical ? 10.5 : 16)) continue;
      const auto ranks = ranks_of(vertical ? band : down_.front(), vertical ? across_.front() : band);
      const std::string text = labels(ranks, band.padding)[ranks.size() == 1 ? 1 : vertical ? 2 : 4];
      const double width = text_width(text, 10), needs = vertical ? 12 : width + 12;
      if (middle < free || (!vertical && middle + width / 2 > length + 20) || (vertical && middle + 4 > length + 8))
        continue;
      free = middle + needs;
      if (vertical)
        svg_.line(left_ + wide_, top + middle, left_ + wide_ + 4, top + middle, faint_ink)
            .text(left_ + wide_ + 7, top + middle + 3.5, text, style);
      else
        svg_.line(left_ + middle, top + high_, left_ + middle, top + high_ + 4, faint_ink)
            .text(left_ + middle, top + high_ + 15, text, style);
      room = std::max(room, vertical ? width + 12 : 18);
    }
    if (room > 0) outside_ = true;
    return room;
  }

  /// What to write on a cell, the longest first.
  static std::vector<std::string> labels(const std::vector<Index>& ranks, bool padding) {
    const std::string pad = padding ? "padding of " : "";
    std::string few;
    for (std::size_t i = 0; i < ranks.size() && (i < 3 || ranks.size() == 4); ++i)
      few += concat(i == 0 ? "" : ", ", ranks[i]);
    if (ranks.size() == 1) return {concat(pad, "rank ", few), few};
    const bool run = ranks.back() - ranks.front() + 1 == static_cast<Index>(ranks.size());
    const std::string all = run                 ? concat(ranks.front(), "–", ranks.back())
                            : ranks.size() <= 4 ? few
                                                : concat(few, ", …, ", ranks.back());
    const std::string copies = concat(" (", ranks.size(), " copies)");
    return {concat(pad, "ranks ", all, copies), concat(all, copies), all, concat(ranks.front(), ", …"),
            concat(ranks.front(), "…")};
  }

  bool cuts_nothing(std::size_t axis) const { return !cuts(layout_.view().axes()[axis].axis); }
  static Colour tint(Index at, Index count) { return mix(colour_of(at, count), white, count <= 8 ? 0.35 : 0.1); }

  std::string index_text() const {
    std::string out = layout_.rank() == 0 ? "0" : with_commas(layout_.shape()[0]);
    for (const Band& band : down_)
      if (band.text.size() > out.size()) out = band.text;
    return out;
  }

  /// Where bands begin, as far apart as numbers need, and where the dimension ends.
  void side_numbers(const std::vector<Band>& bands, bool vertical) {
    const double length = vertical ? high_ : wide_, all = total(bands);
    const TextStyle style{.size = 10, .anchor = vertical ? Svg::Anchor::end : Svg::Anchor::middle, .colour = faint_ink};
    const auto put = [&](double at, const std::string& text, double shift) {
      if (vertical) {
        svg_.line(left_ - 4, top + at, left_, top + at, faint_ink).text(left_ - 7, top + at + 3.5 + shift, text, style);
      } else {
        svg_.line(left_ + at, top - 4, left_ + at, top, faint_ink).text(left_ + at, top - 8, text, style);
      }
    };
    Index end = 0;
    double before = 0, real = 0;
    for (const Band& band : bands)
      if (!band.padding) end = std::max(end, band.range.end), real += band.size;
    const double last = real / all * length;
    const bool folded = !bands.empty() && !bands.front().text.empty();
    double free = -1e9;
    for (const Band& band : bands) {
      const double at = before / all * length;
      before += band.size;
      const std::string text = folded ? band.text : with_commas(band.range.begin);
      const double room = vertical ? 12 : text_width(with_commas(end), 10) + 8;
      const double until =
          folded ? length + 12 : last - (vertical ? 12 : (text_width(with_commas(end), 10) + room) / 2);
      if (band.padding || at < free || (at > until && at > 0)) continue;
      put(at, text, folded ? 5 : 0);
      free = at + room;
    }
    if (!folded) put(last, with_commas(end), 0);
  }

  /// Names of the parts along the right side; returns their width.
  double part_names(double shift) {
    double before = 0, width = 0;
    if (layout_.rank() != 2) return 0;
    for (const MapPart& part : options_.parts) {
      const double y = top + before / total(down_) * high_, h = static_cast<double>(part.size) / total(down_) * high_;
      svg_.line(left_ + wide_ + shift + 8, y + 1.5, left_ + wide_ + shift + 8, y + h - 1.5, faint_ink, 2);
      if (h > 10) svg_.text(left_ + wide_ + shift + 14, y + h / 2 + 4, part.name);
      width = std::max(width, 6 + text_width(part.name, 11));
      before += static_cast<double>(part.size);
    }
    return width;
  }

  std::string title() const {
    std::string shape;
    for (const Index extent : layout_.shape()) shape += concat(shape.empty() ? "" : " × ", with_commas(extent));
    return concat(options_.title, options_.title.empty() ? "[" : ": [", shape, ']');
  }
  std::string words() const {
    std::string mesh;
    for (const auto& [axis, size] : layout_.view().axes())
      if (size > 1) mesh += concat(mesh.empty() ? " = " : " × ", axis.name(), ' ', size);
    Index shards = 1;
    for (std::size_t a = 0; a < layout_.atoms().size(); ++a)
      shards *= layout_.is_bound(a) ? layout_.atoms()[a].extent : 1;
    Place first = copies_.empty() ? first_place(layout_) : copies_.front();
    return concat(counted(layout_.view().size(), "rank"), mesh, "; ", counted(shards, "shard"), " with ",
                  counted(static_cast<Index>(copies_.size()), "cop", copies_.size() == 1 ? "" : "ies"),
                  copies_.size() == 1 ? "y" : "", " each; rank ", layout_.view().rank(first), " holds ",
                  with_commas(elements(layout_.local_shape(first))), " elements");
  }

  std::pair<double, double> legend(double y) {
    const View::Extent& axis = layout_.view().axes()[shade_];
    double x = left_, reach = left_;
    if (cuts_nothing(shade_)) {
      svg_.box(x, y - 9, 14, 11, {232, 235, 239}).text(x + 19, y, concat("the same for every ", axis.axis.name()));
      reach = x + 19 + text_width(concat("the same for every ", axis.axis.name()), 11);
    } else if (axis.size <= 8) {
      for (Index at = 0; at < axis.size; ++at) {
        const std::string text = concat(axis.axis.name(), ' ', at);
        svg_.box(x, y - 9, 14, 11, tint(at, axis.size)).text(x + 19, y, text);
        x += 31 + text_width(text, 11);
      }
      reach = x;
    } else {
      const std::string name = concat(axis.axis.name(), " 0"), last = concat(axis.size - 1);
      svg_.text(x, y, name);
      x += text_width(name, 11) + 6;
      const Index parts = std::min<Index>(axis.size, 32);
      for (Index at = 0; at < parts; ++at)
        svg_.box(x + 160.0 / static_cast<double>(parts) * static_cast<double>(at), y - 9,
                 160.0 / static_cast<double>(parts) + 0.2, 11, tint(at, parts));
      svg_.text(x + 166, y, last);
      reach = x + 166 + text_width(last, 11);
    }
    std::vector<std::string> notes;
    if (outside_) notes.push_back("Numbers at marks are ranks, of some shards only.");
    if (striped_) notes.push_back("Stripes: the colours of all that hold a copy, at most eight.");
    if (elements(layout_.shape()) == 0) notes.push_back("The tensor has no element.");
    if (padded_) notes.push_back("Hatched: padding, which stands for no element; drawn behind the end.");
    if (merged_) notes.push_back("Stretches thinner than a line are drawn as one.");
    if (layout_.rank() > 2)
      notes.push_back("Leading dimensions are folded into the rows, which are labelled with their ranges.");
    for (const std::string& note : notes) {
      svg_.text(left_, y += 18, note, {.colour = faint_ink});
      reach = std::max(reach, left_ + text_width(note, 11));
    }
    return {y, reach};
  }

  const Layout& layout_;
  const ShardMapOptions& options_;
  std::size_t shade_ = 0;
  std::vector<Band> down_, across_;
  std::vector<Place> copies_;
  double left_ = 0, wide_ = 0, high_ = 0;
  bool striped_ = false, outside_ = false, padded_ = false, merged_ = false;
  Svg svg_;
};

}  // namespace detail

/// A tensor as a rectangle, with what each rank holds of it: colours by one axis, ranks on the rectangles, indices
/// along the sides, padding hatched behind the end. One dimension lies down as a strip, more than two are folded into
/// rows.
///
/// Errors   SP-MESH-007 an axis that the view does not have; SP-LAYOUT-005 named parts that do not fill dimension 0
/// Example  shard_map(plan.layout(i), {.title = "qkv", .parts = {{"q", 8192}, {"k", 1024}, {"v", 1024}}})
inline std::string shard_map(const Layout& layout, const ShardMapOptions& options = {}) {
  return detail::ShardMap(layout, options).draw();
}

}  // namespace shardplan
