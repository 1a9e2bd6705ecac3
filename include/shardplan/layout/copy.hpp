#pragma once
#include <limits>
#include <span>

#include <shardplan/layout/shard.hpp>

/// Values in and out of a shard. The only header of the room that touches elements.
namespace shardplan {

namespace detail {

/// Calls f(local offset) for every element behind `at`, over dimensions `dim` and later.
template <class F>
constexpr void for_each_element(const Shard& shard, std::size_t dim, Index at, F&& f) {
  if (dim == shard.rank()) return f(at);
  for (Index i = 0; i < shard.local_shape()[dim]; ++i)
    for_each_element(shard, dim + 1, at + i * shard.strides()[dim], f);
}

/// Calls f(global offset, local offset, length) for every stretch that is contiguous in the row-major tensor; local
/// neighbours lie `shard.strides()` of the last dimension apart.
template <class F>
constexpr void for_each_stretch(const Shard& shard, const Shape& global_shape, F&& f) {
  const Shape global_strides = row_major_strides(global_shape);
  const std::size_t rank = shard.rank();
  if (rank == 0) return f(Index{0}, Index{0}, Index{1});
  for (const Piece& piece : shard.pieces()) {
    Shape at(rank, 0);
    for (bool more = true; more;) {
      Index global = 0, local = 0;
      for (std::size_t d = 0; d < rank; ++d) {
        global += (piece.global[d] + at[d]) * global_strides[d];
        local += (piece.local[d] + at[d]) * shard.strides()[d];
      }
      f(global, local, piece.extent[rank - 1]);
      more = false;
      for (std::size_t d = rank - 1; d-- > 0 && !more;) {
        more = ++at[d] < piece.extent[d];
        if (!more) at[d] = 0;
      }
    }
  }
}

/// Calls f(local offset, fill) for every element of padding behind `at`, where dimensions before `dim` are at real
/// elements. Where several dimensions pad, the first of them says with what.
template <class F>
constexpr void for_each_padding(const Shard& shard, std::size_t dim, Index at, F&& f) {
  bool padded = false;
  for (std::size_t d = dim; d < shard.rank() && !padded; ++d)
    for (const Shard::Segment& segment : shard.segments(d)) padded = padded || segment.is_padding();
  if (!padded) return;
  const Index step = shard.strides()[dim];
  for (const Shard::Segment& segment : shard.segments(dim))
    for (Index i = segment.local; i < segment.local + segment.length; ++i)
      if (segment.is_padding())
        for_each_element(shard, dim + 1, at + i * step, [&](Index offset) { f(offset, shard.fill(segment)); });
      else
        for_each_padding(shard, dim + 1, at + i * step, f);
}

template <class T>
constexpr T fill_value(Fill fill) {
  return fill.kind == Fill::Kind::lowest     ? std::numeric_limits<T>::lowest()
         : fill.kind == Fill::Kind::constant ? static_cast<T>(fill.value)
                                             : T{};
}

constexpr void check_sizes(const Shard& shard, const Shape& global_shape, std::size_t full, std::size_t local) {
  if (shard.rank() != global_shape.size())
    fail("SP-LAYOUT-010", concat("a shard of rank ", shard.rank(), " of a tensor ", global_shape));
  for (std::size_t dim = 0; dim < shard.rank(); ++dim)
    for (const Shard::Segment& segment : shard.segments(dim))
      if (!segment.is_padding() && segment.start + segment.length > global_shape[dim])
        fail("SP-LAYOUT-010", concat("a shard reaches ", segment.start + segment.length, " in dimension ", dim,
                                     " of a tensor ", global_shape));
  if (static_cast<Index>(full) != elements(global_shape))
    fail("SP-LAYOUT-010", concat("a buffer of ", full, " elements for a tensor of ", elements(global_shape)));
  if (static_cast<Index>(local) != shard.footprint())
    fail("SP-LAYOUT-010", concat("a buffer of ", local, " elements for a shard of ", shard.footprint()));
}

}  // namespace detail

/// Copies a place's part of a whole row-major tensor into its local buffer, padding filled. Errors SP-LAYOUT-010.
template <class T>
constexpr void extract(const Shard& shard, const Shape& global_shape, std::span<const T> full, std::span<T> local) {
  detail::check_sizes(shard, global_shape, full.size(), local.size());
  detail::for_each_padding(
      shard, 0, 0, [&](Index at, Fill fill) { local[static_cast<std::size_t>(at)] = detail::fill_value<T>(fill); });
  const Index step = shard.rank() == 0 ? 1 : shard.strides().back();
  detail::for_each_stretch(shard, global_shape, [&](Index global, Index at, Index length) {
    for (Index i = 0; i < length; ++i)
      local[static_cast<std::size_t>(at + i * step)] = full[static_cast<std::size_t>(global + i)];
  });
}

/// Copies a local buffer to its elements of the whole row-major tensor, padding dropped. Errors SP-LAYOUT-010.
/// Post: assembling the extracted shards of all places gives every covered element back.
template <class T>
constexpr void assemble(const Shard& shard, const Shape& global_shape, std::span<const T> local, std::span<T> full) {
  detail::check_sizes(shard, global_shape, full.size(), local.size());
  const Index step = shard.rank() == 0 ? 1 : shard.strides().back();
  detail::for_each_stretch(shard, global_shape, [&](Index global, Index at, Index length) {
    for (Index i = 0; i < length; ++i)
      full[static_cast<std::size_t>(global + i)] = local[static_cast<std::size_t>(at + i * step)];
  });
}

}  // namespace shardplan
