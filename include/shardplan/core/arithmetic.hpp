#pragma once
#include <shardplan/core/diagnostic.hpp>

/// Integer arithmetic that says so when it leaves 64 bits, instead of wrapping.
namespace shardplan {

/// a * b. Errors SP-CORE-001 when the product does not fit.
constexpr Index checked_mul(Index a, Index b) {
  Index out = 0;
  if (__builtin_mul_overflow(a, b, &out)) fail("SP-CORE-001", concat(a, " * ", b, " does not fit 64 bits"));
  return out;
}

/// a + b. Errors SP-CORE-001 when the sum does not fit.
constexpr Index checked_add(Index a, Index b) {
  Index out = 0;
  if (__builtin_add_overflow(a, b, &out)) fail("SP-CORE-001", concat(a, " + ", b, " does not fit 64 bits"));
  return out;
}

/// std::max and std::min of two numbers, without <algorithm>.
constexpr Index larger(Index a, Index b) { return a < b ? b : a; }
constexpr Index smaller(Index a, Index b) { return b < a ? b : a; }

/// Greatest common divisor of two positive numbers. (<numeric> has one, and costs more to include than this room.)
constexpr Index gcd(Index a, Index b) {
  while (b != 0) {
    const Index rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/// Smallest q with q * b >= a, for a >= 0 and b > 0; cannot overflow.
constexpr Index ceil_div(Index a, Index b) { return a / b + (a % b != 0); }

/// Smallest multiple of `unit` that is >= a, for a >= 0 and unit > 0. Errors SP-CORE-001.
constexpr Index round_up(Index a, Index unit) { return checked_mul(ceil_div(a, unit), unit); }

/// The numbers next to a wrong one that would be right.
struct Neighbours {
  Index below;
  Index above;
};

/// The divisors of `n` next to `wanted`, below and above; n < 1 is read as 1. Beyond 2^40 divisors without a factor of
/// at most 2^20 are not looked for. Post: both divide n; equal when `wanted` does, or when all divisors lie on one
/// side.
constexpr Neighbours nearest_divisors(Index n, Index wanted) {
  if (n < 1) n = 1;
  Neighbours out{1, n};
  for (Index d = 1; d <= n / d && d <= Index{1} << 20; ++d) {
    if (n % d != 0) continue;
    for (const Index divisor : {d, n / d}) {
      if (divisor <= wanted && divisor > out.below) out.below = divisor;
      if (divisor >= wanted && divisor < out.above) out.above = divisor;
    }
  }
  return out;
}

/// `2 or 4`: both neighbours for a hint, or the one where they are equal.
inline void append_to(std::string& out, Neighbours near) {
  append_to(out, near.below);
  if (near.above != near.below) out += concat(" or ", near.above);
}

/// For hints: the divisors of `n` next to `wanted`, `2 or 4`; one number when there is one.
inline std::string divisors_near(Index n, Index wanted) { return concat(nearest_divisors(n, wanted)); }

/// For hints: the positive multiples of `unit` next to `size`, `4 or 8`; one number when `size` is one, when the other
/// is 0, or when it does not fit 64 bits. unit < 1 is read as 1.
inline std::string multiples_near(Index size, Index unit) {
  if (unit < 1) unit = 1;
  if (size < unit) return concat(unit);
  const Index below = size / unit * unit;
  Index above = below;
  if (below != size && __builtin_add_overflow(below, unit, &above)) above = below;
  return concat(Neighbours{below, above});
}

}  // namespace shardplan
