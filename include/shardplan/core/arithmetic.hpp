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

/// The divisors of `n` next to `wanted`, below and above: what to write in a hint. Post: both divide n.
struct Neighbours {
  Index below;
  Index above;
};
constexpr Neighbours nearest_divisors(Index n, Index wanted) {
  Neighbours out{1, n};
  for (Index d = 1; d <= n / d; ++d) {
    if (n % d != 0) continue;
    for (const Index divisor : {d, n / d}) {
      if (divisor <= wanted && divisor > out.below) out.below = divisor;
      if (divisor >= wanted && divisor < out.above) out.above = divisor;
    }
  }
  return out;
}

}  // namespace shardplan
