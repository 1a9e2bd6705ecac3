#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <shardplan/layout/xla.hpp>

/// Shardings by named axes: partition specs of JAX, meshes and shardings of Shardy as text (rank-orders sheet, section
/// 9).
namespace shardplan::xla {

/// How JAX shards a tensor over a mesh: for every dimension the axes that cut it, major first; none, or no entry:
/// whole.
struct PartitionSpec {
  using Axes = InlineVector<Axis, 2>;
  InlineVector<Axes, 4> dims{};
  Axes unreduced{};                         ///< axes along which values are summands
  Axes reduced{};                           ///< axes along which gradients are; they hold replicas
  ReduceOp unreduced_kind = ReduceOp::sum;  ///< sum, max or min
};

namespace detail {

/// What every axis of the mesh does; nothing: it cuts a dimension. Errors SP-LAYOUT-012, SP-MESH-007.
constexpr InlineVector<std::optional<Subgroup>, 6> roles(const View& mesh, const PartitionSpec& spec, std::size_t rank,
                                                         const PartitionSpec::Axes& manual) {
  if (spec.dims.size() > rank)
    fail("SP-LAYOUT-012", concat("a partition spec of ", spec.dims.size(), " entries for a tensor of rank ", rank));
  if (spec.unreduced_kind == ReduceOp::average || spec.unreduced_kind == ReduceOp::product)
    fail("SP-LAYOUT-012", "unreduced values are joined by an operation that JAX does not have", "sum, max or min");
  InlineVector<std::optional<Subgroup>, 6> out(mesh.axes().size(), Subgroup::replicated);
  InlineVector<bool, 6> taken(out.size(), false);
  const auto take = [&](const PartitionSpec::Axes& axes, std::optional<Subgroup> role) {
    for (const Axis axis : axes) {
      const std::size_t at = mesh.at(axis);
      if (taken[at]) fail("SP-LAYOUT-012", concat("axis ", axis.name(), " occurs twice in a partition spec"), "once");
      taken[at] = true;
      out[at] = role;
    }
  };
  for (const PartitionSpec::Axes& axes : spec.dims) take(axes, std::nullopt);
  take(spec.unreduced, Subgroup::unreduced);
  take(spec.reduced, Subgroup::replicated);
  take(manual, Subgroup::manual);
  return out;
}

}  // namespace detail

/// The sharding as JAX hands it over, before XLA makes it canonical(): axes of size 1 left out, one trailing dimension
/// a type of axis that cuts nothing. Any view serves as the mesh; one with a wire gives the listed form. Errors
/// SP-LAYOUT-012 an axis used twice, more entries than dimensions, a mesh that does not begin at rank 0; SP-MESH-007 an
/// axis that the mesh does not have.
constexpr Sharding sharding(const View& mesh, const PartitionSpec& spec, std::size_t rank,
                            const PartitionSpec::Axes& manual = {}) {
  const auto roles = detail::roles(mesh, spec, rank, manual);
  if (mesh.offset() != 0)
    fail("SP-LAYOUT-012", concat("a mesh that begins at rank ", mesh.offset()), "XLA counts its devices from 0");
  Shape dims(rank, 1), reshape;
  TileAssignment::Permutation permutation;
  InlineVector<View::Slot, 8> slots;
  for (const View::Slot& slot : mesh.slots()) {
    if (slot.extent == 1) continue;
    slots.push_back(slot);
    reshape.push_back(slot.extent);
  }
  for (std::size_t d = 0; d < spec.dims.size(); ++d)
    for (const Axis axis : spec.dims[d]) {
      const std::size_t at = mesh.at(axis);
      dims[d] *= mesh.axes()[at].size;
      // The digits of an axis, from the largest weight down to 1.
      for (Index above = mesh.axes()[at].size; above > 1;)
        for (std::size_t i = 0; i < slots.size(); ++i) {
          if (slots[i].axis != at || slots[i].weight * slots[i].extent != above) continue;
          permutation.push_back(static_cast<Index>(i));
          above = slots[i].weight;
        }
    }
  Sharding out{Sharding::Form::tiled, 0, {}, {}};
  bool plain = permutation.empty();
  for (const Subgroup type : {Subgroup::replicated, Subgroup::manual, Subgroup::unreduced}) {
    Index size = 1;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (roles[slots[i].axis] != type) continue;
      size *= slots[i].extent;
      permutation.push_back(static_cast<Index>(i));
    }
    if (size == 1) continue;
    dims.push_back(size);
    out.subgroups.push_back(type);
    plain = plain && type == Subgroup::replicated;
  }
  if (plain) return {};
  out.tiles = TileAssignment(dims, reshape, permutation);
  if (mesh.wires().node == 0) return out;
  InlineVector<Index, 4> devices = out.tiles.devices();
  for (Index& device : devices) device = mesh.wires().to_physical(device);
  out.tiles = TileAssignment::listed(dims, devices);
  return out;
}

/// What a partition spec puts at every place of a mesh. Errors SP-LAYOUT-012, SP-MESH-007.
constexpr Layout layout(const View& mesh, const PartitionSpec& spec, const Shape& shape,
                        const PartitionSpec::Axes& manual = {}) {
  detail::roles(mesh, spec, shape.size(), manual);
  Layout out(mesh, shape);
  for (std::size_t d = 0; d < spec.dims.size(); ++d)
    if (!spec.dims[d].empty()) out = out.then(d, Split(InlineVector<Digit, 4>(spec.dims[d])).ceil());
  for (const Axis axis : spec.unreduced) out = out.partial(axis, spec.unreduced_kind);
  return out;
}

}  // namespace shardplan::xla

namespace shardplan::shardy {

/// How one dimension is cut.
struct Dimension {
  InlineVector<Digit, 2> axes{};  ///< axes and sub-axes, major first; extents given
  bool open = false;              ///< may be cut further
  Index priority = 0;
  friend constexpr bool operator==(const Dimension&, const Dimension&) = default;
};

/// A sharding over the axes of a named mesh.
struct Sharding {
  std::string mesh = "mesh";
  InlineVector<Dimension, 4> dims{};
  InlineVector<Digit, 2> replicated{};  ///< must stay so; in mesh order, sub-axes from the major end
  friend bool operator==(const Sharding&, const Sharding&) = default;
};

namespace detail {

using xla::detail::Scanner;

constexpr Axis parse_axis(Scanner& in) {
  in.expect("\"");
  const std::string_view name = in.until('"');
  if (name.empty() || name.size() >= sizeof Axis{}.letters) in.refuse("axis name of 1 to 15 letters");
  return Axis(name);
}

/// `"x"` or `"x":(m)k`: of x as [m, k, rest], the middle.
constexpr Digit parse_digit(Scanner& in, const View& mesh) {
  const Axis axis = parse_axis(in);
  const Index size = mesh.axes()[mesh.at(axis)].size;
  if (!in.take(":(")) return {axis, 1, size};
  const Index before = in.number();
  in.expect(")");
  const Index extent = in.number();
  if (before < 1 || extent < 2 || size % before != 0 || size / before % extent != 0)
    fail("SP-LAYOUT-012", concat("sub-axis (", before, ')', extent, " of axis ", axis.name(), " of size ", size),
         "two factors of the size, the second at least 2");
  return {axis, size / before / extent, extent};
}

inline std::string text_of(const Digit& digit, const View& mesh) {
  const Index size = mesh.axes()[mesh.at(digit.axis)].size;
  const std::string name = concat('"', digit.axis.name(), '"');
  return digit.extent == size ? name : concat(name, ":(", size / digit.divisor / digit.extent, ')', digit.extent);
}

inline std::string text_of(const InlineVector<Digit, 2>& digits, const View& mesh) {
  Names out;
  for (const Digit& digit : digits) out.push_back(text_of(digit, mesh));
  return join(out, ", ");
}

}  // namespace detail

/// Refuses what Shardy's verifier refuses. Errors SP-LAYOUT-012 axes or sub-axes used twice or overlapping, neighbours
/// that are one sub-axis, replicated axes out of order, a priority of an empty closed dimension, a sub-axis that the
/// mesh does not have; SP-MESH-007.
inline void check(const View& mesh, const Sharding& given) {
  InlineVector<Digit, 8> used;
  const auto take = [&](const Digit& digit) {
    const Index size = mesh.axes()[mesh.at(digit.axis)].size;
    if (digit.divisor < 1 || digit.extent < 1 || size % digit.divisor != 0 || size / digit.divisor % digit.extent != 0)
      fail("SP-LAYOUT-012", concat("axis ", digit.axis.name(), " of size ", size, " has no sub-axis of ", digit.extent,
                                   " above ", digit.divisor));
    for (const Digit& other : used) {
      if (other.axis != digit.axis) continue;
      const Digit &high = other.divisor > digit.divisor ? other : digit, &low = &high == &other ? digit : other;
      if (high.divisor % (low.divisor * low.extent) != 0)
        fail("SP-LAYOUT-012",
             concat(detail::text_of(other, mesh), " and ", detail::text_of(digit, mesh), " overlap in one sharding"),
             "each part of an axis once");
    }
    used.push_back(digit);
  };
  for (const Dimension& dim : given.dims) {
    if (dim.priority < 0 || (dim.priority > 0 && dim.axes.empty() && !dim.open))
      fail("SP-LAYOUT-012", concat("priority ", dim.priority, " of a dimension"), "none for an empty closed dimension");
    for (std::size_t i = 0; i < dim.axes.size(); ++i) {
      take(dim.axes[i]);
      if (i > 0 && dim.axes[i - 1].axis == dim.axes[i].axis &&
          dim.axes[i - 1].divisor == dim.axes[i].divisor * dim.axes[i].extent)
        fail("SP-LAYOUT-012", concat(detail::text_of(dim.axes, mesh), " are neighbours of one axis"), "one sub-axis");
    }
  }
  for (std::size_t i = 0; i < given.replicated.size(); ++i) {
    const Digit& digit = given.replicated[i];
    take(digit);
    if (i == 0) continue;
    const Digit& before = given.replicated[i - 1];
    const std::size_t at = mesh.at(digit.axis), last = mesh.at(before.axis);
    if (last > at || (last == at && before.divisor < digit.divisor))
      fail("SP-LAYOUT-012", concat("replicated axes ", detail::text_of(given.replicated, mesh)), "in the mesh's order");
  }
}

/// `<@mesh, [{"x"}, {"z", "y", ?}p1], replicated={"c"}>`. Errors as check(). Post: parse_sharding(text) == given.
inline std::string text(const View& mesh, const Sharding& given) {
  check(mesh, given);
  Names dims;
  for (const Dimension& dim : given.dims)
    dims.push_back(concat('{', detail::text_of(dim.axes, mesh), dim.open && !dim.axes.empty() ? ", " : "",
                          dim.open ? "?" : "", '}', dim.priority > 0 ? concat('p', dim.priority) : std::string()));
  const std::string kept = detail::text_of(given.replicated, mesh);
  return concat("<@", given.mesh, ", [", join(dims, ", "), ']',
                kept.empty() ? std::string() : concat(", replicated={", kept, '}'), '>');
}

/// Reads that text. Errors as check(), SP-CORE-001 a number beyond 64 bits.
inline Sharding parse_sharding(const View& mesh, std::string_view text) {
  detail::Scanner in(text, "Shardy sharding");
  Sharding out;
  in.expect("<");
  in.expect("@");
  out.mesh = std::string(in.until(','));
  in.expect("[");
  if (!in.take("]")) {
    do {
      Dimension dim;
      in.expect("{");
      for (bool more = !in.take("}"); more;) {
        if (in.take("?"))
          dim.open = true;
        else
          dim.axes.push_back(detail::parse_digit(in, mesh));
        more = !dim.open && in.take(",");
        if (!more) in.expect("}");
      }
      if (in.take("p")) dim.priority = in.number();
      out.dims.push_back(dim);
    } while (in.take(","));
    in.expect("]");
  }
  if (in.take(",")) {
    in.expect("replicated=");
    in.expect("{");
    do out.replicated.push_back(detail::parse_digit(in, mesh));
    while (in.take(","));
    in.expect("}");
  }
  in.expect(">");
  in.end();
  check(mesh, out);
  return out;
}

/// What a sharding puts at every place; dimensions that do not divide are cut as XLA cuts them. Errors as check(),
/// SP-LAYOUT-012 a tensor of another rank.
inline Layout layout(const View& mesh, const Sharding& given, const Shape& shape) {
  check(mesh, given);
  if (given.dims.size() != shape.size())
    fail("SP-LAYOUT-012", concat("a sharding of rank ", given.dims.size(), " for a tensor of rank ", shape.size()));
  Layout out(mesh, shape);
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (!given.dims[d].axes.empty()) out = out.then(d, Split(InlineVector<Digit, 4>(given.dims[d].axes)).ceil());
  return out;
}

/// `<["x"=2, "y"=4]>`, with `device_ids=[...]` where the devices of the mesh are not in row-major order.
/// Errors SP-LAYOUT-012 a mesh that does not begin at rank 0. Post: parse_mesh(text) has the same places.
inline std::string text(const View& mesh) {
  if (mesh.offset() != 0)
    fail("SP-LAYOUT-012", concat("a mesh that begins at rank ", mesh.offset()), "Shardy counts devices from 0");
  Names axes;
  Place place(mesh.axes().size(), 0);
  for (const View::Extent& extent : mesh.axes()) axes.push_back(concat('"', extent.axis.name(), "\"=", extent.size));
  InlineVector<Index, 4> ids;
  bool plain = true;
  for (Index i = 0; i < mesh.size(); ++i) {
    ids.push_back(mesh.rank(place).value);
    plain = plain && ids.back() == i;
    for (std::size_t a = place.size(); a-- > 0 && ++place[a] == mesh.axes()[a].size;) place[a] = 0;
  }
  return concat("<[", join(axes, ", "), ']', plain ? std::string() : concat(", device_ids=[", join(ids, ", "), ']'),
                '>');
}

/// Reads that text. Errors SP-LAYOUT-012, SP-MESH-001 a size of 0, SP-MESH-004 device ids that are no permutation,
/// SP-MESH-009, SP-CORE-001.
inline View parse_mesh(std::string_view text) {
  detail::Scanner in(text, "Shardy mesh");
  InlineVector<ViewDigit, 8> digits;
  in.expect("<");
  in.expect("[");
  if (!in.take("]")) {
    do {
      const Axis axis = detail::parse_axis(in);
      in.expect("=");
      for (const ViewDigit& other : digits)
        if (other.axis == axis) fail("SP-LAYOUT-012", concat("axis ", axis.name(), " occurs twice in a mesh"));
      digits.push_back({axis, in.number()});
    } while (in.take(","));
    in.expect("]");
  }
  Wire wires;
  if (in.take(",")) {
    in.expect("device_ids=");
    in.expect("[");
    const Shape ids = in.numbers("]");
    wires = wire(static_cast<Index>(ids.size()), ids);
  }
  in.expect(">");
  in.end();
  const View out(digits, wires);
  if (wires.node != 0 && wires.node != out.size())
    fail("SP-LAYOUT-012", concat(wires.node, " device ids for a mesh of ", out.size()), "one a device");
  return out;
}

}  // namespace shardplan::shardy
