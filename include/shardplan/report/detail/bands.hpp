#pragma once
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <shardplan/layout/shard.hpp>

/// The rows and columns that a layout cuts a tensor into, and who holds them.
namespace shardplan::detail {

/// Neighbouring elements of the rows or columns that the same places hold.
struct Band {
  Interval range;
  double size = 0;  ///< elements, for dimensions that are folded of all of them
  bool padding = false;
  std::vector<Place> holders;  ///< digits of the cuts; empty: nobody
  std::string text = {};       ///< of folded dimensions
};

inline Place first_place(const Layout& layout) { return Place(layout.view().axes().size(), 0); }

inline Place sum(Place a, const Place& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

/// The bands of one dimension: what its holders' runs have in common, then padding.
inline std::vector<Band> bands(const Layout& layout, std::size_t dim) {
  struct Piece {
    Index begin, end;
    std::size_t holder;
  };
  const InlineVector<bool, 8> atoms = atoms_of(layout, dim);
  std::vector<Place> places;
  std::vector<Piece> pieces;
  std::vector<Band> padding;
  std::vector<Index> bounds{0, layout.shape()[dim]};
  Place place = first_place(layout);
  do {
    for (const Shard::Segment& run : Shard(layout, place).segments(dim)) {
      if (run.length == 0) continue;
      if (run.is_padding()) {
        padding.push_back({{0, run.length}, static_cast<double>(run.length), true, {place}});
        continue;
      }
      pieces.push_back({run.start, run.start + run.length, places.size()});
      bounds.push_back(run.start);
      bounds.push_back(run.start + run.length);
    }
    places.push_back(place);
  } while (advance(layout, atoms, place));
  std::sort(bounds.begin(), bounds.end());
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  std::vector<Band> out;
  for (std::size_t i = 0; i + 1 < bounds.size(); ++i)
    out.push_back({{bounds[i], bounds[i + 1]}, static_cast<double>(bounds[i + 1] - bounds[i]), false, {}});
  for (const Piece& piece : pieces)
    for (auto at =
             static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), piece.begin) - bounds.begin());
         at < out.size() && out[at].range.begin < piece.end; ++at)
      out[at].holders.push_back(places[piece.holder]);
  out.insert(out.end(), padding.begin(), padding.end());
  return out;
}

inline void fold(std::vector<Band>& rows, const std::vector<Band>& inner) {
  if (rows.empty()) {
    rows = inner;
    return;
  }
  std::vector<Band> out;
  const auto text = [](const Band& band) {
    return !band.text.empty() ? band.text
           : band.padding     ? std::string("pad")
                              : concat(band.range.begin, ':', band.range.end);
  };
  for (const Band& one : rows)
    for (const Band& two : inner) {
      Band both{{}, one.size * two.size, one.padding || two.padding, {}, concat(text(one), ", ", text(two))};
      for (const Place& a : one.holders)
        for (const Place& b : two.holders) both.holders.push_back(sum(a, b));
      out.push_back(std::move(both));
    }
  rows = std::move(out);
}

/// What the digits that no cut reads may be, and the pins: the copies of every shard.
inline std::vector<Place> free_places(const Layout& layout) {
  InlineVector<bool, 8> atoms(layout.atoms().size(), false);
  for (std::size_t a = 0; a < atoms.size(); ++a) atoms[a] = !layout.is_bound(a);
  std::vector<Place> out;
  Place place = first_place(layout);
  do {
    if (layout.exists_at(place)) out.push_back(place);
  } while (advance(layout, atoms, place));
  return out;
}

}  // namespace shardplan::detail
