#pragma once
#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <span>
#include <type_traits>

#include <shardplan/core/diagnostic.hpp>
#include <shardplan/core/dialect.hpp>
#include <shardplan/core/types.hpp>

/// Gradient norm and clipping over partial sums, which a host adds up over its groups (ZeRO sheet, 3.4).
///
///     rank     NormSum sum(2); for its shards: sum.add(gradient, norm_weight(...));
///     groups   sum = combined(sum, other)     over expert, tensor, pipeline and ZeRO-1 ranks
///     rank     const double factor = clip_factor(sum.norm(), max_norm); gradient *= factor;
namespace shardplan::optim {

inline constexpr double infinite_order = std::numeric_limits<double>::infinity();

/// How much of a gradient on one rank counts: one part of as many as ranks of its tensor group hold the same elements,
/// so that every element counts once; nothing of a `shared` one, the second copy of a tied weight. NxD takes 1 copy of
/// what it marks as tensor parallel and the tensor size for the rest; `Gradient::norm_divisor` of plan/gradients.hpp is
/// the number for every part of a weight, in either dialect.
constexpr double norm_weight(Index copies, bool shared = false) {
  return shared || copies < 1 ? 0 : 1 / static_cast<double>(copies);
}

/// A sum of absolute values to the power `order`, or for the infinite order their largest.
class NormSum {
 public:
  /// Errors SP-OPTIM-012 for an order that is not positive.
  explicit NormSum(double order = 2) : order_(order) {
    if (!(order > 0)) fail("SP-OPTIM-012", "the order of a norm is not positive", "2, or infinite", {"order"});
  }

  double order() const noexcept { return order_; }
  double total() const noexcept { return total_; }
  bool infinite() const noexcept { return order_ == infinite_order; }

  /// Counts elements in. Of the infinite order every copy gives the same, so any weight but 0 counts in full.
  template <class Real>
  requires std::floating_point<std::remove_const_t<Real>>
  void add(std::span<Real> gradient, double weight = 1) {
    if (weight == 0) return;
    double own = 0;
    for (const Real g : gradient) {
      const double size = std::fabs(static_cast<double>(g));
      if (infinite())
        own = size > own || std::isnan(size) ? size : own;
      else
        own += order_ == 2 ? size * size : std::pow(size, order_);
    }
    join(infinite() ? own : own * weight);
  }

  /// Counts in what another rank, or an optimizer of other parameters, has summed up. Errors SP-OPTIM-012 for a sum of
  /// another order.
  void add(const NormSum& other) {
    if (other.order_ != order_) fail("SP-OPTIM-012", "sums of two orders of norm", "one order", {"order"});
    join(other.total_);
  }

  double norm() const { return infinite() ? total_ : order_ == 2 ? std::sqrt(total_) : std::pow(total_, 1 / order_); }

 private:
  void join(double own) {
    if (!infinite())
      total_ += own;
    else if (own > total_ || std::isnan(own))
      total_ = own;
  }

  double order_;
  double total_ = 0;
};

/// Two sums as one: of ranks whose elements are not the same, or of dense and expert parameters.
inline NormSum combined(NormSum a, const NormSum& b) {
  a.add(b);
  return a;
}

/// What clipping multiplies gradients with: at most 1, and a little less than max_norm / norm. Not a number where the
/// norm is none. Errors SP-OPTIM-012 for a norm to clip at that is not positive.
inline double clip_factor(double norm, double max_norm) {
  if (!(max_norm > 0))
    fail("SP-OPTIM-012", "gradients clipped at a norm that is not positive", "1.0", {"max_grad_norm"});
  const double factor = max_norm / (norm + 1e-6);
  return factor > 1 ? 1 : factor;
}

/// Multiplies a gradient in place.
template <std::floating_point Real>
void scale(std::span<Real> gradient, double factor) {
  for (Real& g : gradient) g = static_cast<Real>(g * static_cast<Real>(factor));
}

/// What a configuration says of clipping.
struct ClippingSettings {
  bool grad_clipping = true;
  double max_grad_norm = 1;
  double order = 2;
  bool zero1 = false;
  Dialect dialect = strict;

  friend constexpr bool operator==(const ClippingSettings&, const ClippingSettings&) = default;
};

/// The norm at which gradients are clipped; infinite: not at all. NxDT (layer_faults) never hands the configured one to
/// its ZeRO-1 optimizer, which clips at 1.
constexpr double clipping_norm(const ClippingSettings& s) {
  if (!s.grad_clipping) return std::numeric_limits<double>::infinity();
  return s.zero1 && s.dialect.layer_faults ? 1.0 : s.max_grad_norm;
}

/// What is wrong with a clipping, or done otherwise by NxDT. Ids SP-OPTIM-012; -013, a warning. With nxd_limits also
/// SP-OPTIM-012 for the infinite order, at which NxD's clipping stops.
inline Diagnostics diagnose(const ClippingSettings& s) {
  Diagnostics out;
  if (!s.grad_clipping) return out;
  if (!(s.order > 0)) out.push_back(finding("SP-OPTIM-012", "the order of a norm is not positive", "2", {"order"}));
  if (!(s.max_grad_norm > 0))
    out.push_back(
        finding("SP-OPTIM-012", "gradients clipped at a norm that is not positive", "1.0", {"max_grad_norm"}));
  if (s.order == infinite_order && s.dialect.nxd_limits)
    out.push_back(finding("SP-OPTIM-012", "NxD cannot clip at the largest element", "order 2", {"order"}));
  if (s.zero1 && s.max_grad_norm != 1)
    out.push_back(finding("SP-OPTIM-013", "with ZeRO-1 NxDT clips at 1.0, whatever max_grad_norm says",
                          "max_grad_norm: 1.0, to get the same from both", {"max_grad_norm"}));
  return out;
}

}  // namespace shardplan::optim
