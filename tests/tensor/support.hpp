#pragma once
#include <doctest/doctest.h>

#include <shardplan/layout/copy.hpp>
#include <shardplan/layout/coverage.hpp>
#include <string>
#include <vector>

/// What the tests of this room share.
namespace support {

using shardplan::Index;

/// The ids of all findings, in order.
inline std::vector<std::string> ids(const shardplan::Diagnostics& all) {
  std::vector<std::string> out;
  for (const auto& one : all) out.emplace_back(one.id);
  return out;
}
using Ids = std::vector<std::string>;

/// The ids that a call throws; empty if it does not.
template <class F>
Ids thrown(F&& f) {
  try {
    f();
  } catch (const shardplan::Error& error) {
    return ids(error.diagnostics());
  }
  return {};
}

/// Runs along a dimension as {start, length}, start -1: padding.
using Runs = std::vector<std::vector<Index>>;
inline Runs runs(const shardplan::Layout& layout, Index rank, std::size_t dim) {
  Runs out;
  const shardplan::Shard here(layout, layout.view().place(rank));
  for (const auto& run : here.segments(dim)) out.push_back({run.start, run.length});
  return out;
}

/// Every element is held `copies` times, as often as the layout declares, by ranks with equally much each; and shards
/// that are taken out and put back give the tensor.
inline void check_layout(const shardplan::Layout& layout, Index copies) {
  using namespace shardplan;
  const Coverage coverage = prove_coverage(layout);
  CHECK(coverage.complete());
  CHECK(coverage.consistent());
  const auto size = static_cast<std::size_t>(elements(layout.shape()));
  std::vector<Index> full(size), merged(size, -1), held(size, 0), local;
  for (std::size_t i = 0; i < size; ++i) full[i] = static_cast<Index>(i);
  const Shape first = layout.local_shape(layout.view().place(0));
  for (Index r = 0; r < layout.view().size(); ++r) {
    const Shard here(layout, layout.view().place(r));
    CHECK(here.local_shape() == first);
    local.assign(static_cast<std::size_t>(here.elements()), -1);
    extract<Index>(here, layout.shape(), full, local);
    assemble<Index>(here, layout.shape(), local, merged);
    for (const Piece& piece : here.pieces())
      for (Index n = 0; n < elements(piece.extent); ++n) {
        Index rest = n, at = 0, stride = 1;
        for (std::size_t d = layout.rank(); d-- > 0;) {
          at += (piece.global[d] + rest % piece.extent[d]) * stride;
          rest /= piece.extent[d];
          stride *= layout.shape()[d];
        }
        ++held[static_cast<std::size_t>(at)];
      }
  }
  CHECK(merged == full);
  for (const Index count : held) CHECK(count == copies);
}

}  // namespace support
