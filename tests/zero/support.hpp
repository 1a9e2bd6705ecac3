#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <shardplan/layout/flat.hpp>

/// What the tests of this room share.
namespace shardplan {

using Ids = std::vector<std::string>;
using Numbers = std::vector<Index>;

inline Ids ids(const Diagnostics& all) {
  Ids out;
  for (const Diagnostic& one : all) out.emplace_back(one.id);
  return out;
}

/// Ids that `make` throws; empty when it throws nothing.
template <class Make>
Ids thrown_ids(Make make) {
  try {
    make();
  } catch (const Error& error) {
    return ids(error.diagnostics());
  }
  return {};
}

/// What the places of ranks 0 to `ranks` - 1 hold of a flat buffer, rank by rank.
inline std::vector<std::vector<FlatSlice>> slices(const FlatLayout& flat, Index ranks) {
  std::vector<std::vector<FlatSlice>> out;
  for (Index rank = 0; rank < ranks; ++rank) {
    out.emplace_back();
    flat.for_each_slice(flat.buffer().view().place(rank), [&](const FlatSlice& slice) { out.back().push_back(slice); });
  }
  return out;
}

/// Every element of every tensor is in one slice of one rank, where its entry says and inside the rank's part.
inline void check_tiles(const FlatLayout& flat, const Numbers& elements, Index ranks) {
  std::vector<Numbers> held;
  for (const Index count : elements) held.emplace_back(static_cast<std::size_t>(count), 0);
  const auto all = slices(flat, ranks);
  for (Index rank = 0; rank < ranks; ++rank) {
    const Index part = flat.buffer().local_size(0, flat.buffer().view().place(rank));
    Index end = 0;
    for (const FlatSlice& slice : all[static_cast<std::size_t>(rank)]) {
      const auto entry = std::find_if(flat.entries().begin(), flat.entries().end(),
                                      [&](const FlatEntry& e) { return e.tensor == slice.tensor; });
      REQUIRE(entry != flat.entries().end());
      CHECK(slice.buffer == entry->offset + slice.range.begin);
      CHECK(slice.local >= end);
      end = slice.local + slice.range.size();
      CHECK(end <= part);
      for (Index i = slice.range.begin; i < slice.range.end; ++i)
        ++held[static_cast<std::size_t>(slice.tensor)][static_cast<std::size_t>(i)];
    }
  }
  for (const Numbers& tensor : held) CHECK(tensor == Numbers(tensor.size(), 1));
}

}  // namespace shardplan
