#include <doctest/doctest.h>

#include <cstdint>
#include <shardplan/core/arithmetic.hpp>

using namespace shardplan;

namespace {

/// `a or b`, by a search in both directions; one number when there is one.
template <class Valid>
std::string near(Index wanted, Index least, Index most, const Valid& valid) {
  Index below = wanted < most ? wanted : most, above = wanted > least ? wanted : least;
  while (below >= least && !valid(below)) --below;
  while (above <= most && !valid(above)) ++above;
  if (below < least) below = above;
  if (above > most) above = below;
  return below == above ? concat(below) : concat(below, " or ", above);
}

}  // namespace

TEST_CASE("hints: divisors next to a number, whatever the number") {
  for (Index n = 1; n <= 72; ++n)
    for (Index wanted = -3; wanted <= n + 3; ++wanted) {
      CAPTURE(n);
      CAPTURE(wanted);
      CHECK(divisors_near(n, wanted) == near(wanted, 1, n, [&](Index d) { return n % d == 0; }));
    }
  for (const Index n : {Index{0}, Index{-6}, INT64_MIN}) CHECK(divisors_near(n, 4) == "1");
  CHECK(divisors_near(Index{1} << 62, 3) == "2 or 4");
  CHECK(divisors_near(INT64_MAX, 2) == "1 or 7");
  CHECK(divisors_near(INT64_MAX, INT64_MAX) == concat(INT64_MAX));
  CHECK(divisors_near((Index{1} << 61) - 1, 2) == concat("1 or ", (Index{1} << 61) - 1));  // a prime, found soon
}

TEST_CASE("hints: positive multiples next to a number, none beyond 64 bits") {
  for (Index unit = 1; unit <= 9; ++unit)
    for (Index size = -5; size <= 40; ++size) {
      CAPTURE(unit);
      CAPTURE(size);
      CHECK(multiples_near(size, unit) == near(size, unit, 100, [&](Index m) { return m % unit == 0; }));
    }
  CHECK(multiples_near(5, 0) == "5");
  CHECK(multiples_near(5, -3) == "5");
  CHECK(multiples_near(INT64_MIN, 4) == "4");
  CHECK(multiples_near(INT64_MAX, 2) == concat(INT64_MAX - 1));
  CHECK(multiples_near(INT64_MAX - 1, 4) == concat(INT64_MAX - 3));
  CHECK(multiples_near(INT64_MAX - 1, INT64_MAX) == concat(INT64_MAX));
  CHECK(multiples_near(INT64_MAX, INT64_MAX) == concat(INT64_MAX));
}
