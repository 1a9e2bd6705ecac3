#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <shardplan/optim/clipping.hpp>
#include <vector>

#include "../thrown.hpp"

using namespace shardplan;
using optim::ClippingSettings;
using optim::NormSum;

namespace {

std::vector<double> numbers(int count, int seed) {
  std::vector<double> out;
  for (int i = 0; i < count; ++i) out.push_back(std::sin(seed * 7.1 + i * 1.7));
  return out;
}

double norm_of(const std::vector<double>& all, double order) {
  double out = 0;
  for (const double g : all)
    out = std::isinf(order) ? std::max(out, std::fabs(g)) : out + std::pow(std::fabs(g), order);
  return std::isinf(order) ? out : std::pow(out, 1 / order);
}

}  // namespace

TEST_CASE("a norm over ranks counts every element once: slices, copies, second copies of tied weights") {
  for (const double order : {1.0, 2.0, 3.0, optim::infinite_order})
    for (const int tensor : {1, 2, 4})
      for (const int zero : {1, 3}) {
        const std::vector<double> cut = numbers(24, 1), copied = numbers(12, 2), tied = numbers(5, 3);
        std::vector<double> whole = cut;
        whole.insert(whole.end(), copied.begin(), copied.end());
        NormSum sum(order);
        for (int t = 0; t < tensor; ++t)
          for (int z = 0; z < zero; ++z) {
            NormSum own(order);
            const std::size_t n = cut.size() / static_cast<std::size_t>(tensor * zero);
            const std::size_t m = copied.size() / static_cast<std::size_t>(zero);
            own.add(std::span(cut).subspan(static_cast<std::size_t>(t * zero + z) * n, n), optim::norm_weight(1));
            own.add(std::span(copied).subspan(static_cast<std::size_t>(z) * m, m), optim::norm_weight(tensor));
            own.add(std::span<const double>(tied), optim::norm_weight(1, true));
            sum.add(own);
          }
        CHECK(sum.norm() == doctest::Approx(norm_of(whole, order)).epsilon(1e-13));
      }
  CHECK(optim::norm_weight(0) == 0);
}

TEST_CASE("two optimizers, of dense and of expert parameters, have one norm") {
  const std::vector<float> dense{3.0F}, experts{4.0F};
  for (const double order : {2.0, optim::infinite_order}) {
    NormSum a(order), b(order);
    a.add(std::span(dense)), b.add(std::span(experts));
    const NormSum both = optim::combined(a, b);
    CHECK(both.norm() == doctest::Approx(std::isinf(order) ? 4 : 5));
    CHECK(both.norm() == optim::combined(b, a).norm());
    CHECK(both.order() == order);
  }
}

TEST_CASE("no gradient has the norm 0; one that is no number stays one") {
  for (const double order : {2.0, optim::infinite_order}) {
    NormSum sum(order);
    CHECK(sum.norm() == 0);
    CHECK(optim::clip_factor(sum.norm(), 1) == 1);
    const std::vector<double> bad{1.0, std::numeric_limits<double>::quiet_NaN(), 2.0};
    sum.add(std::span(bad));
    std::vector<double> more = numbers(3, 1);
    sum.add(std::span(more));
    CHECK(std::isnan(sum.norm()));
    CHECK(std::isnan(optim::clip_factor(sum.norm(), 1)));
  }
}

TEST_CASE("clipping brings a norm that is larger down to the bound, a little below it, and leaves the others") {
  for (const double max_norm : {0.5, 1.0, 4.0})
    for (int count = 1; count < 40; count += 3) {
      std::vector<double> g = numbers(count, 5);
      const std::vector<double> before = g;
      const double norm = norm_of(g, 2), factor = optim::clip_factor(norm, max_norm);
      optim::scale(std::span(g), factor);
      const double after = norm_of(g, 2);
      CHECK(after <= max_norm);
      if (norm > max_norm) CHECK(after == doctest::Approx(max_norm * norm / (norm + 1e-6)).epsilon(1e-13));
      if (norm < max_norm - 1e-6) CHECK(g == before);
    }
  CHECK(optim::clip_factor(1, 1) == doctest::Approx(1 / (1 + 1e-6)).epsilon(1e-15));
  CHECK(optim::clip_factor(1e9, std::numeric_limits<double>::infinity()) == 1);
}

TEST_CASE("NxDT clips at 1.0 with ZeRO-1") {
  for (const double configured : {0.5, 1.0, 3.0})
    for (const bool zero1 : {false, true}) {
      ClippingSettings settings{.max_grad_norm = configured, .zero1 = zero1};
      CHECK(optim::clipping_norm(settings) == configured);
      CHECK(ids_of(optim::diagnose(settings)) == (zero1 && configured != 1 ? Ids{"SP-OPTIM-013"} : Ids{}));
      settings.dialect = compat;
      CHECK(optim::clipping_norm(settings) == (zero1 ? 1.0 : configured));
      settings.grad_clipping = false;
      CHECK(std::isinf(optim::clipping_norm(settings)));
      CHECK(optim::diagnose(settings).empty());
    }
}

TEST_CASE("refused: orders and bounds that are not positive; by NxD the infinite order") {
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK(thrown([&] { NormSum{bad}; }) == Ids{"SP-OPTIM-012"});
    CHECK(thrown([&] { optim::clip_factor(1, bad); }) == Ids{"SP-OPTIM-012"});
    CHECK(ids_of(optim::diagnose(ClippingSettings{.order = bad})) == Ids{"SP-OPTIM-012"});
    CHECK(ids_of(optim::diagnose(ClippingSettings{.max_grad_norm = bad})) == Ids{"SP-OPTIM-012"});
  }
  CHECK(thrown([] { optim::combined(NormSum(2), NormSum(1)); }) == Ids{"SP-OPTIM-012"});
  CHECK(optim::diagnose(ClippingSettings{.order = optim::infinite_order}).empty());
  CHECK(ids_of(optim::diagnose(ClippingSettings{.order = optim::infinite_order, .dialect = compat})) ==
        Ids{"SP-OPTIM-012"});
}
