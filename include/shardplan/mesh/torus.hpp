#pragma once
#include <cstddef>
#include <string_view>

#include <shardplan/core/shape.hpp>
#include <shardplan/mesh/view.hpp>

/// Ranks on a torus: which logical axis runs along which physical ones (rank-orders sheet, section 10: JAX).
namespace shardplan {

/// Steps that every logical axis takes along every physical one: `[physical][logical]`. Rows multiply to the physical
/// sizes, columns to the logical ones.
using TorusAssignment = InlineVector<Shape, 4>;

/// Physical axes of a torus at most: subsets of them are tried.
inline constexpr std::size_t max_torus_axes = 10;

namespace detail {

/// The first k-subset, in lexicographic order, of the axes from `first` on whose sizes multiply to `size`; axes of size
/// 0 are taken. The chosen positions stand in `chosen`.
constexpr bool first_subset(const Shape& sizes, std::size_t first, std::size_t k, Index size, Shape& chosen) {
  if (k == 0) return size == 1;
  for (std::size_t i = first; i + k <= sizes.size(); ++i) {
    if (sizes[i] == 0 || size % sizes[i] != 0) continue;
    chosen.push_back(static_cast<Index>(i));
    if (first_subset(sizes, i + 1, k - 1, size / sizes[i], chosen)) return true;
    chosen.pop_back();
  }
  return false;
}

/// The whole physical axes of every logical one, most intense first, as many as possible each. Returns the logical axis
/// that found none, or -1.
constexpr Index assign_whole_axes(const Shape& physical, const Shape& logical, TorusAssignment& out) {
  Shape free = physical;
  for (std::size_t l = logical.size(); l-- > 0;) {
    Shape chosen;
    for (std::size_t k = physical.size(); k > 0 && chosen.empty(); --k) first_subset(free, 0, k, logical[l], chosen);
    if (chosen.empty() && logical[l] > 1) return static_cast<Index>(l);
    for (const Index axis : chosen) {
      const auto p = static_cast<std::size_t>(axis);
      out[p][l] = physical[p];
      free[p] = 0;
    }
  }
  return -1;
}

/// Chooses the best way to write a size as a product of one factor of what is left of each physical axis.
class TorusFactors {
 public:
  constexpr TorusFactors(const Shape& physical, const Shape& left) : physical_(physical), left_(left) {}

  /// Empty where there is no such product.
  constexpr Shape best(Index size) {
    best_.clear();
    Shape made;
    visit(size, made);
    return best_;
  }

 private:
  constexpr void visit(Index size, Shape& made) {
    const std::size_t p = made.size();
    if (p == physical_.size()) {
      if (size == 1 && (best_.empty() || is_better(made))) best_ = made;
      return;
    }
    const Index common = gcd(left_[p], size);
    for (Index factor = 1; factor <= common / factor; ++factor) {
      if (common % factor != 0) continue;
      step(size, factor, made);
      if (factor != common / factor) step(size, common / factor, made);
    }
  }
  constexpr void step(Index size, Index factor, Shape& made) {
    made.push_back(factor);
    visit(size / factor, made);
    made.pop_back();
  }

  /// Whole physical axes before parts, many of them before few, axes in use before fresh ones, then the larger list.
  constexpr bool is_better(const Shape& made) const {
    Index whole[2]{1, 1}, axes[2]{0, 0}, used[2]{1, 1};
    for (std::size_t p = 0; p < physical_.size(); ++p) {
      for (const int which : {0, 1}) {
        const Index factor = which == 0 ? made[p] : best_[p];
        if (factor == physical_[p]) {
          whole[which] *= factor;
          axes[which] += factor > 1;
        }
        if (left_[p] != physical_[p]) used[which] *= factor;
      }
    }
    if (whole[0] != whole[1]) return whole[0] > whole[1];
    if (axes[0] != axes[1]) return axes[0] > axes[1];
    if (used[0] != used[1]) return used[0] > used[1];
    for (std::size_t p = 0; p < made.size(); ++p)
      if (made[p] != best_[p]) return made[p] > best_[p];
    return false;
  }

  const Shape& physical_;
  const Shape& left_;
  Shape best_;
};

/// Product of the sizes of a mesh. Errors SP-MESH-014 a size < 1, more than View::max_ranks.
constexpr Index torus_devices(const Shape& sizes, std::string_view what) {
  Index out = 1;
  for (const Index size : sizes) {
    if (size < 1 || size > View::max_ranks / out)
      fail("SP-MESH-014", concat("a ", what, " mesh of ", sizes), "sizes of at least 1, at most 2^31 devices");
    out *= size;
  }
  return out;
}

}  // namespace detail

/// Lays logical axes, given by increasing intensity, along the axes of a torus: the last chooses first, and takes as
/// many whole physical axes as it can. Where an axis finds none that fit, physical axes are split if that is allowed.
/// Errors SP-MESH-014 sizes < 1, different numbers of devices, an axis that fits no whole physical ones.
constexpr TorusAssignment torus_assignment(const Shape& physical, const Shape& logical, bool allow_split = false) {
  const Index devices = detail::torus_devices(physical, "physical"), wanted = detail::torus_devices(logical, "logical");
  if (devices != wanted)
    fail("SP-MESH-014",
         concat("a logical mesh of ", logical, " has ", wanted, " devices, the torus ", physical, " has ", devices),
         "equal products");
  if (physical.size() > max_torus_axes)
    fail("SP-MESH-014", concat("a torus of ", physical.size(), " axes"), concat("at most ", max_torus_axes));
  const TorusAssignment none(physical.size(), Shape(logical.size(), 1));
  TorusAssignment out = none;
  const Index unmatched = detail::assign_whole_axes(physical, logical, out);
  if (unmatched < 0) return out;
  if (!allow_split)
    fail("SP-MESH-014",
         concat("logical axis ", unmatched, " of ", logical, " is no product of whole free axes of the torus ",
                physical),
         "other sizes, or allow physical axes to be split");
  out = none;
  Shape left = physical;
  for (std::size_t l = logical.size(); l-- > 0;) {
    // Both meshes have the same prime factors, so those of an axis are always left.
    const Shape factors = detail::TorusFactors(physical, left).best(logical[l]);
    for (std::size_t p = 0; p < physical.size(); ++p) {
      out[p][l] = factors[p];
      left[p] /= factors[p];
    }
  }
  return out;
}

/// The devices of a torus, numbered row-major over its axes, as a view with the logical axes in the given order: what
/// JAX's create_device_mesh makes of them. Within a physical axis the more intense logical axis is the inner one.
/// Post: rank() at the coordinates of the mesh is the device there. Errors SP-MESH-014 as torus_assignment(), or an
/// axis named twice.
constexpr View torus_view(const Shape& physical, const InlineVector<View::Extent, 6>& logical,
                          bool allow_split = false) {
  Shape sizes;
  InlineVector<ViewDigit, 8> digits;
  for (std::size_t l = 0; l < logical.size(); ++l) {
    for (std::size_t other = 0; other < l; ++other)
      if (logical[other].axis == logical[l].axis)
        fail("SP-MESH-014", concat("axis ", logical[l].axis.name(), " occurs twice in a mesh"), "one name each");
    sizes.push_back(logical[l].size);
    digits.push_back({logical[l].axis, 1, 1});  // a view lists its axes as they first occur
  }
  const TorusAssignment steps = torus_assignment(physical, sizes, allow_split);
  for (std::size_t p = 0; p < physical.size(); ++p)
    for (std::size_t l = 0; l < logical.size(); ++l) {
      if (steps[p][l] == 1) continue;
      Index weight = 1;
      for (std::size_t inner = p + 1; inner < physical.size(); ++inner) weight *= steps[inner][l];
      digits.push_back({logical[l].axis, steps[p][l], weight});
    }
  return View(digits);
}

}  // namespace shardplan
