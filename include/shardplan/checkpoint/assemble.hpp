#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include <shardplan/checkpoint/element_cast.hpp>
#include <shardplan/checkpoint/source.hpp>
#include <shardplan/checkpoint/stored_tensor.hpp>
#include <shardplan/layout/cut.hpp>
#include <shardplan/layout/transfer.hpp>

/// One tensor put together from the places where its parts lie.
namespace shardplan::checkpoint {

/// A box of a tensor to be made, and where its elements lie: anywhere in a file, at any distance from each other.
struct BoxCopy {
  Box box;  ///< of the tensor to be made
  const StoredTensor* from = nullptr;
  Index offset = 0;  ///< of its first element in the storage
  Shape strides;     ///< there, for each dimension of the tensor to be made
};

/// Where the elements of a placed box lie in a source: appends to `out`.
///
/// whole   the source's number of the whole tensor that the box is of
inline void find_copies(const Source& source, std::size_t whole, const Placed& placed, std::vector<BoxCopy>& out) {
  source.locate(whole, placed.box, [&](const Found& found) {
    BoxCopy copy{
        {placed.at, Shape(placed.at.size(), 1)}, found.tensor, found.tensor->offset, Shape(placed.at.size(), 0)};
    for (std::size_t d = 0; d < found.at.size(); ++d) copy.offset += found.at[d] * found.tensor->strides[d];
    for (std::size_t w = 0; w < placed.dimensions.size(); ++w) {
      const std::size_t to = placed.dimensions[w];
      copy.box.origin[to] += found.box.origin[w] - placed.box.origin[w];
      copy.box.extent[to] = found.box.extent[w];
      copy.strides[to] = found.tensor->strides[found.dimensions[w]];
    }
    out.push_back(std::move(copy));
  });
}

/// The longest part of a tensor that is one run of bytes in it, and at most `limit` elements, from an element on.
/// Calls f(Box) for such parts, in order, that make up the whole tensor.
template <class F>
void for_each_run(const Shape& shape, Index limit, F&& f) {
  if (elements(shape) == 0) return;
  std::size_t dim = shape.size();
  Index inner = 1;  // elements behind one step of `dim`
  while (dim > 0 && inner * shape[dim - 1] <= limit) inner *= shape[--dim];
  if (dim == 0) return f(Box{Shape(shape.size(), 0), shape});
  const std::size_t cut = dim - 1;
  const Index step = larger(1, limit / inner);
  Shape at(shape.size(), 0), extent = shape;
  for (std::size_t d = 0; d < cut; ++d) extent[d] = 1;
  for (bool more = true; more;) {
    for (at[cut] = 0; at[cut] < shape[cut]; at[cut] += step) {
      extent[cut] = smaller(step, shape[cut] - at[cut]);
      f(Box{at, extent});
    }
    at[cut] = 0;
    more = false;
    for (std::size_t d = cut; d-- > 0 && !more;) {
      more = ++at[d] < shape[d];
      if (!more) at[d] = 0;
    }
  }
}

namespace detail {

/// The part of a copy inside a box; false: none.
inline bool clip(const BoxCopy& copy, const Box& box, BoxCopy& out) {
  out = copy;
  for (std::size_t d = 0; d < box.origin.size(); ++d) {
    const Interval both = intersect({copy.box.origin[d], copy.box.origin[d] + copy.box.extent[d]},
                                    {box.origin[d], box.origin[d] + box.extent[d]});
    if (both.empty()) return false;
    out.offset += (both.begin - copy.box.origin[d]) * copy.strides[d];
    out.box.origin[d] = both.begin;
    out.box.extent[d] = both.size();
  }
  return true;
}

/// A dimension of a copy in elements of both sides.
struct CopyDimension {
  Index extent, from, to;
};

template <std::size_t Width>
void copy_elements(const std::byte* from, std::byte* to, Index count, Index from_step, Index to_step) {
  for (Index i = 0; i < count; ++i)
    std::memcpy(to + i * to_step * static_cast<Index>(Width), from + i * from_step * static_cast<Index>(Width), Width);
}

/// Dimensions with the smallest step of the destination last, neighbours that continue each other joined.
inline InlineVector<CopyDimension, 4> joined(const BoxCopy& copy, const Shape& to_strides) {
  InlineVector<CopyDimension, 4> out;
  for (std::size_t d = 0; d < copy.strides.size(); ++d) {
    if (copy.box.extent[d] == 1) continue;
    const CopyDimension next{copy.box.extent[d], copy.strides[d], to_strides[d]};
    if (!out.empty() && out.back().from == next.from * next.extent && out.back().to == next.to * next.extent)
      out.back() = {out.back().extent * next.extent, next.from, next.to};
    else
      out.push_back(next);
  }
  if (out.empty()) out.push_back({1, 1, 1});
  return out;
}

}  // namespace detail

/// Copies what lies in a box of the tensor into `out`, which is that box, row-major; elements become `element`.
///
/// Pre   out.size() is that of the box; every copy has float elements where `element` is another type
inline void assemble(std::span<const BoxCopy> copies, const Box& box, Element element, std::span<std::byte> out) {
  const Shape to_strides = row_major_strides(box.extent);
  const auto width = static_cast<Index>(bytes(element));
  BoxCopy part;
  for (const BoxCopy& copy : copies) {
    if (!detail::clip(copy, box, part)) continue;
    Index to = 0;
    for (std::size_t d = 0; d < box.origin.size(); ++d) to += (part.box.origin[d] - box.origin[d]) * to_strides[d];
    auto dims = detail::joined(part, to_strides);
    const Index from_width = bytes(part.from->element);
    const std::byte* const from_begin = part.from->storage.bytes().data() + part.offset * from_width;
    std::byte* const to_begin = out.data() + to * width;
    const bool as_is = part.from->element == element && (!part.from->storage.swapped || info(element).word == 1);
    // A transposed matrix is read along its rows in strips, so that both sides stay in the cache.
    constexpr Index strip = 64;
    const detail::CopyDimension last = dims.back();
    dims.pop_back();
    const auto line = [&](const std::byte* from, std::byte* at, Index count) {
      if (!as_is) return cast_elements(*part.from, from, last.from, element, at, last.to, count);
      if (last.from == 1 && last.to == 1) {
        std::memcpy(at, from, static_cast<std::size_t>(count * width));
        return;
      }
      switch (width) {
        case 1:
          return detail::copy_elements<1>(from, at, count, last.from, last.to);
        case 2:
          return detail::copy_elements<2>(from, at, count, last.from, last.to);
        case 4:
          return detail::copy_elements<4>(from, at, count, last.from, last.to);
        case 8:
          return detail::copy_elements<8>(from, at, count, last.from, last.to);
        default:
          return detail::copy_elements<16>(from, at, count, last.from, last.to);
      }
    };
    const Index at_once = last.from == 1 ? last.extent : strip;
    for (Index begin = 0; begin < last.extent; begin += at_once) {
      const Index count = smaller(at_once, last.extent - begin);
      Shape at(dims.size(), 0);
      for (bool more = true; more;) {
        Index source = begin * last.from, target = begin * last.to;
        for (std::size_t d = 0; d < dims.size(); ++d) {
          source += at[d] * dims[d].from;
          target += at[d] * dims[d].to;
        }
        line(from_begin + source * from_width, to_begin + target * width, count);
        more = false;
        for (std::size_t d = dims.size(); d-- > 0 && !more;) {
          more = ++at[d] < dims[d].extent;
          if (!more) at[d] = 0;
        }
      }
    }
  }
}

/// The bytes of a box where one copy has them all, as they are to be and behind one another; empty: they are not.
inline std::span<const std::byte> as_it_lies(std::span<const BoxCopy> copies, const Box& box, Element element) {
  BoxCopy part;
  for (const BoxCopy& copy : copies) {
    if (!detail::clip(copy, box, part)) continue;
    if (part.box != box || part.from->element != element) return {};
    if (part.from->storage.swapped && info(element).word > 1) return {};
    const auto dims = detail::joined(part, row_major_strides(box.extent));
    if (dims.size() != 1 || (dims[0].extent > 1 && (dims[0].from != 1 || dims[0].to != 1))) return {};
    const auto width = static_cast<std::size_t>(bytes(element));
    return part.from->storage.bytes().subspan(static_cast<std::size_t>(part.offset) * width,
                                              static_cast<std::size_t>(elements(box.extent)) * width);
  }
  return {};
}

/// Whether some element of a box is in no copy. Pre: copies overlap nowhere.
inline bool has_padding(std::span<const BoxCopy> copies, const Box& box) {
  Index covered = 0;
  BoxCopy part;
  for (const BoxCopy& copy : copies)
    if (detail::clip(copy, box, part)) covered += elements(part.box.extent);
  return covered < elements(box.extent);
}

/// Fills a buffer with what padding holds.
inline void fill(std::span<std::byte> out, Element element, Fill with) {
  if (with.kind == Fill::Kind::zero || (with.kind == Fill::Kind::constant && with.value == 0) || !is_float(element)) {
    std::fill(out.begin(), out.end(), std::byte{0});
    return;
  }
  const double value = with.kind == Fill::Kind::constant ? static_cast<double>(with.value) : lowest_of(element);
  std::byte one[sizeof(double)];
  store_number(element, value, one);
  const auto width = static_cast<std::size_t>(bytes(element));
  for (std::size_t at = 0; at < out.size(); at += width) std::memcpy(out.data() + at, one, width);
}

}  // namespace shardplan::checkpoint
