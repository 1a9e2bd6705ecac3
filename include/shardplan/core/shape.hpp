#pragma once
#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/inline_vector.hpp>
#include <shardplan/core/interval.hpp>

namespace shardplan {

/// Extents of a tensor, outermost dimension first.
using Shape = InlineVector<Index, 4>;

/// Number of elements; 1 for a scalar. Errors SP-CORE-001 when it does not fit 64 bits.
constexpr Index elements(const Shape& shape) {
  Index out = 1;
  for (const Index extent : shape) out = checked_mul(out, extent);
  return out;
}

/// Strides of the row-major order: the last dimension is contiguous.
constexpr Shape row_major_strides(const Shape& shape) {
  Shape out(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) out[d - 1] = checked_mul(out[d], shape[d]);
  return out;
}

/// `[8192, 3584]`
inline void append_to(std::string& out, const Shape& shape) { out += concat('[', join(shape, ", "), ']'); }

}  // namespace shardplan
