#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <shardplan/mesh/differences.hpp>
#include <shardplan/model/attributes.hpp>
#include <shardplan/plan/strategy.hpp>
#include <shardplan/tensor/weight.hpp>
#include <shardplan/zero/data_ranks.hpp>

/// What becomes of a gradient between the backward pass and the optimizer, and whether that is right: a proof by
/// arithmetic on the digits of a mesh, without a rank (NxD mesh sheet, 2.5, 3.2, 3.5 and 7.1; ZeRO sheet, 1.4, 3.3,
/// 3.4 and 3.7).
namespace shardplan {

/// numerator / denominator, both positive, in lowest terms.
struct Ratio {
  Index numerator = 1;
  Index denominator = 1;

  friend constexpr bool operator==(Ratio, Ratio) = default;
};
/// Pre: both are positive.
constexpr Ratio ratio(Index numerator, Index denominator) {
  const Index common = gcd(numerator, denominator);
  return {numerator / common, denominator / common};
}
/// `4`, or `1/32`.
inline void append_to(std::string& out, Ratio r) {
  out += concat(r.numerator);
  if (r.denominator != 1) out += concat('/', r.denominator);
}

/// One sum of gradients over groups of ranks; what comes out is divided.
struct GradientSum {
  enum class Of : std::uint8_t {
    kv_copies,  ///< ranks that hold one KV head
    stages,     ///< pipeline ranks that hold a tied weight
    context,    ///< context ranks, ahead of everything else
    sequence,   ///< tensor ranks, each with a part of the sequence
    data,       ///< data ranks, and whoever shares optimizer state with them
  };
  Of of = Of::data;
  InlineVector<Digit, 2> digits{};  ///< the ranks of a group differ in these digits of the layout's view
  Index divisor = 1;
  bool astray = false;  ///< the groups that are really used are not those of the digits, see group_differences()

  friend constexpr bool operator==(const GradientSum&, const GradientSum&) = default;
};

/// The way of one gradient: whose elements cuts treat alike, so a fused weight has one for each of its parts.
struct Gradient {
  Layout layout;                        ///< where the elements are
  InlineVector<Digit, 4> summands{};    ///< after the backward pass ranks that differ in these have a summand each,
                                        ///< ranks that differ in others of the view the same value or other elements
  InlineVector<GradientSum, 4> sums{};  ///< in order
  Index shares = 1;                     ///< data x context ranks: the loss is the mean over theirs
  InlineVector<Axis, 4> norm_axes{};    ///< squares are summed over these axes; ZeRO slices of other ranks are disjoint
  Index norm_divisor = 1;               ///< of the squares of one rank
};

/// What audit() finds. Right is: scale 1, norm 1, nothing else.
struct GradientAudit {
  Ratio scale{};                        ///< the gradient that the optimizer sees, over the mean of all data
  Ratio norm{};                         ///< how often the gradient norm counts every element
  std::optional<std::size_t> mixing{};  ///< the first sum that adds up gradients of different elements
  std::optional<Axis> missing{};        ///< an axis whose ranks keep a summand each
  Index repeats = 1;                    ///< times that one rank holds an element, each with a gradient of its own

  /// Whether all copies of an element end with the same gradient.
  constexpr bool copies_agree() const { return !mixing && !missing && repeats == 1; }
  friend constexpr bool operator==(const GradientAudit&, const GradientAudit&) = default;
};

namespace detail {

/// The finest digits that a layout and the sums tell apart, and what the gradients of ranks are that differ in one.
struct GradientCell {
  std::size_t axis = 0;
  Index divisor = 1;
  Index extent = 1;
  bool cut = false;      ///< of other elements
  bool summand = false;  ///< summands; neither: equal
  bool pinned = false;   ///< not digits, but the coordinates that a layout is pinned to
};
using GradientCells = InlineVector<GradientCell, 8>;

/// A digit with both its numbers. Errors SP-MESH-007; SP-LAYOUT-006 a digit that the axis does not have.
constexpr GradientCell resolved(const View& view, const Digit& digit) {
  GradientCell out{.axis = view.at(digit.axis), .divisor = digit.divisor, .extent = digit.extent};
  const Index size = view.axes()[out.axis].size;
  if (out.extent == 0 && out.divisor > 0) out.extent = size / out.divisor;
  if (out.divisor == 0 && out.extent > 0) out.divisor = size / out.extent;
  if (out.divisor < 1 || out.extent < 1 || size % out.divisor != 0 || size / out.divisor % out.extent != 0)
    fail("SP-LAYOUT-006",
         concat("axis ", digit.axis.name(), " of size ", size, " has no digit of extent ", digit.extent));
  return out;
}

constexpr bool covers(const GradientCell& digit, const GradientCell& cell) {
  return digit.axis == cell.axis &&
         (cell.pinned || (digit.divisor <= cell.divisor && cell.divisor < digit.divisor * digit.extent));
}

/// Errors SP-LAYOUT-006 digits of which none divides the other.
constexpr GradientCells gradient_cells(const Gradient& g) {
  const View& view = g.layout.view();
  GradientCells named;  // all that are named anywhere
  for (const BoundDigit& digit : g.layout.program().digits)
    named.push_back({.axis = digit.axis, .divisor = digit.divisor, .extent = digit.extent, .cut = true});
  for (const Digit& digit : g.summands) {
    named.push_back(resolved(view, digit));
    named.back().summand = true;
  }
  for (const GradientSum& sum : g.sums)
    for (const Digit& digit : sum.digits) named.push_back(resolved(view, digit));

  GradientCells out;
  for (std::size_t axis = 0; axis < view.axes().size(); ++axis) {
    Index pins = 0;
    for (const Layout::Pin pin : g.layout.pins()) pins += pin.axis == axis;
    InlineVector<Index, 8> bounds{1, pins > 0 ? 1 : view.axes()[axis].size};
    for (const GradientCell& digit : named) {
      if (digit.axis != axis || pins > 0) continue;
      bounds.push_back(digit.divisor);
      bounds.push_back(digit.divisor * digit.extent);
    }
    for (std::size_t i = 1; i < bounds.size(); ++i)
      for (std::size_t j = i; j > 0 && bounds[j] < bounds[j - 1]; --j) std::swap(bounds[j], bounds[j - 1]);
    for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
      if (bounds[i] == bounds[i + 1]) continue;
      if (bounds[i + 1] % bounds[i] != 0)
        fail("SP-LAYOUT-006",
             concat("axis ", view.axes()[axis].axis.name(), " is told apart at ", bounds[i], " and at ", bounds[i + 1]),
             "one divides the other");
      out.push_back({.axis = axis, .divisor = bounds[i], .extent = bounds[i + 1] / bounds[i]});
    }
    if (pins > 0) out.push_back({.axis = axis, .extent = pins, .pinned = true});
  }
  for (GradientCell& cell : out) {
    for (const GradientCell& digit : named) {
      cell.cut = cell.cut || (digit.cut && covers(digit, cell));
      cell.summand = cell.summand || (digit.summand && covers(digit, cell));
    }
    cell.summand = cell.summand && !cell.cut;
  }
  return out;
}

/// Whether a rank's place in lists by plain rank numbers is not its place in the mesh.
constexpr bool out_of_order(const Mesh& mesh) {
  return mesh.order() == RankOrder::ring ||
         (mesh.order() == RankOrder::spread && node_size(mesh.world(), mesh.order()) > 4);
}

/// Whether NxD's groups of `copies` ranks with one KV head are of other ranks than the layout's copies: those of
/// crosses_kv_groups(), and some that stay inside a tensor group but join different heads.
constexpr bool misses_kv_copies(const Mesh& mesh, Index copies) {
  const Index tensor = mesh.degrees().tensor, node = node_size(mesh.world(), mesh.order());
  if (mesh.order() != RankOrder::ring) return out_of_order(mesh);
  return node / 4 % copies != 0 && (node != tensor || copies != tensor);
}

/// Whether NxD's expert and expert-data groups are of other ranks than data groups, in what matters to a weight: those
/// with mixed tensor positions still are of one rank of every tensor group, as long as they keep to their stage, and a
/// replicated weight has equal gradients there (7.1.4).
constexpr bool scatters_data_ranks(const Mesh& mesh, bool replicated) {
  if (!mixes_expert_data_groups(mesh) && !mixes_expert_groups(mesh)) return false;
  return !replicated || mesh.size() / mesh.degrees().pipeline % node_size(mesh.world(), mesh.order()) != 0;
}

}  // namespace detail

/// Whether sums and divisors of a gradient make the mean over all data, on every rank that holds a copy, and whether
/// the norm counts it once.
///
/// A sum over summands makes them equal; a sum over equal gradients multiplies them; one over other elements is a
/// fault. O(digits), whatever the number of ranks.
///
/// Pre      divisors, shares and norm_divisor are positive
/// Errors   SP-MESH-007 a digit of an axis there is not; SP-LAYOUT-006 digits that do not fit one another
/// Post     where copies_agree(), every rank has `scale` times the mean of what all ranks computed; otherwise
///          `scale` is what the sums that are in order make of it
/// Example  context 2, data 4: summed over cp / 2, then over dp x cp / 4: scale 2 (7.1.5)
constexpr GradientAudit audit(const Gradient& g) {
  GradientAudit out;
  const View& view = g.layout.view();
  detail::GradientCells cells = detail::gradient_cells(g);
  Index times = g.shares, divisor = 1;
  for (std::size_t i = 0; i < g.sums.size(); ++i) {
    const GradientSum& sum = g.sums[i];
    bool mixes = sum.astray;
    for (const Digit& digit : sum.digits)
      for (detail::GradientCell& cell : cells) {
        if (cell.extent == 1 || !detail::covers(detail::resolved(view, digit), cell)) continue;
        if (cell.cut)
          mixes = true;
        else if (!cell.summand)
          times = checked_mul(times, cell.extent);
        cell.summand = false;
      }
    divisor = checked_mul(divisor, sum.divisor);
    if (mixes && !out.mixing) out.mixing = i;
  }
  out.scale = ratio(times, divisor);

  for (const Cut& cut : g.layout.program().cuts)
    if (cut.kind == CutKind::repeat) out.repeats = checked_mul(out.repeats, cut.value);
  Index counted = out.repeats;
  for (const detail::GradientCell& cell : cells) {
    if (cell.summand && cell.extent > 1) out.missing = view.axes()[cell.axis].axis;
    bool added = false;
    for (const Axis axis : g.norm_axes) added = added || view.axes()[cell.axis].axis == axis;
    if (added && !cell.cut) counted = checked_mul(counted, cell.extent);
  }
  out.norm = ratio(counted, g.norm_divisor);
  return out;
}

/// What the gradient of a part of a parameter goes through: in the strict dialect what is right, with layer_faults what
/// NxD does. `part`: a position in rule.parts; 0 where there are none. `marks`: those that NxD sets; `tied`: the first
/// and the last pipeline rank hold it.
///
/// Pre      the weight can be laid out, see tensor::diagnose
/// Post     audit() finds nothing in the strict dialect
/// Source   NxD mesh sheet, 2.5, 3.1, 3.2, 3.5; ZeRO sheet, 1.4, 3.3, 3.4, 3.7. NxD takes the second of its two
///          all-reduces without ZeRO-1, over expert ranks, only where a rank has experts; here every stage is taken to
///          have some.
constexpr Gradient gradient(const Sharding& rule, std::size_t part, const ParallelAttributes& marks, bool tied,
                            const Mesh& mesh, const Strategy& s, const tensor::Options& options) {
  const Degrees& degrees = mesh.degrees();
  const Index tensor = degrees.tensor, context = degrees.context, copies = options.kv_replicator;
  const View& view = rule.expert ? mesh.expert() : mesh.dense();
  const bool nxd = mesh.dialect().layer_faults, plain_groups = mesh.dialect().plain_side_groups;
  Part own = rule.parts.empty() ? Part{{}, 1, Role::replicated} : rule.parts[part];
  const bool copied = own.role == Role::key_value && copies > 1;
  // How many features there are changes nothing, and neither does their padding.
  if (own.role == Role::feature || own.role == Role::vocabulary) own = {own.name, tensor, Role::feature};
  tied = tied && degrees.pipeline > 1;

  Gradient out{.layout = Layout(view, {view.extent(ep), own.size}).then(1, part_chain(rule, own, tensor, options))};
  if (rule.expert) out.layout = out.layout.then(0, split(ep));
  out.layout =
      out.layout.pinned(pp, tied ? InlineVector<Index, 2>{0, degrees.pipeline - 1} : InlineVector<Index, 2>{0});
  out.shares = checked_mul(mesh.data(), context);

  const auto add = [&out](const GradientSum& sum, bool summands) {
    if (summands)
      for (const Digit& digit : sum.digits) out.summands.push_back(digit);
    out.sums.push_back(sum);
  };
  if (copied)
    add({.of = GradientSum::Of::kv_copies,
         .digits = {tensor::kv_digits(tensor, options).copy},
         .astray = plain_groups && detail::misses_kv_copies(mesh, copies)},
        true);
  // Which of NxD's groups a rank joins follows from its place in a list (7.1.6).
  if (tied)
    add({.of = GradientSum::Of::stages, .digits = {pp}, .astray = plain_groups && detail::out_of_order(mesh)}, true);
  if (nxd && context > 1) {
    // Neighbouring data ranks are context ranks; those with several expert ranks hold different experts.
    GradientSum sum{.of = GradientSum::Of::context, .digits = {cp}, .divisor = context};
    if (rule.expert) sum.digits = {inner(edp, context)};
    if (rule.expert && degrees.expert > 1) sum.digits = {}, sum.astray = true;
    add(sum, false);
  }
  if (rule.parts.empty() && s.sequence_parallel && rule.sequence_parallel)
    add({.of = GradientSum::Of::sequence, .digits = {tp}}, true);
  GradientSum last{.digits = InlineVector<Digit, 2>(zero::data_digits(view)), .divisor = out.shares};
  if (nxd && !s.zero1) last.divisor = mesh.data();
  // Dense gradients go by way of expert-data and expert ranks where there are experts, and always without ZeRO-1.
  last.astray = !rule.expert && (!s.zero1 || degrees.expert > 1) && mesh.dialect().plain_expert_view &&
                detail::scatters_data_ranks(mesh, own.role == Role::replicated);
  add(last, true);

  // NxD leaves the later copies of a tied weight out of the norm, hence no sum over stages.
  out.norm_axes = {tp};
  if (rule.expert) out.norm_axes.push_back(ep);
  const Index right = own.role == Role::replicated ? tensor : copied ? copies : 1;
  out.norm_divisor = !nxd ? right : marks.tensor_model_parallel ? 1 : tensor;
  return out;
}

}  // namespace shardplan
