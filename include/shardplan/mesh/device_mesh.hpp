#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/core/shape.hpp>
#include <shardplan/mesh/group.hpp>

/// Device meshes of PyTorch (rank-orders sheet, section 7): named dims over ranks, row-major or in any order at all.
namespace shardplan {

/// Names of mesh dims as a caller writes them.
using DimNames = InlineVector<std::string_view, 4>;

namespace detail {

/// The axis of that name. Errors SP-MESH-014 an empty name, or one over 15 letters.
constexpr Axis axis_named(std::string_view name) {
  const Axis out(name);
  if (name.empty() || out.name() != name)
    fail("SP-MESH-014", concat('\'', name, "' is no name of an axis"), "1 to 15 letters");
  return out;
}

/// Digits of a row-major mesh, outermost first. Errors SP-MESH-014 not one name a size, or a name that is none or
/// stands twice.
constexpr InlineVector<ViewDigit, 8> row_major_digits(const Shape& sizes, const DimNames& names) {
  if (names.size() != sizes.size())
    fail("SP-MESH-014", concat(names.size(), " names for a mesh of ", sizes.size(), " dims"), "one name a dim");
  InlineVector<ViewDigit, 8> out;
  for (std::size_t dim = 0; dim < names.size(); ++dim) {
    const Axis axis = axis_named(names[dim]);
    for (const ViewDigit& digit : out)
      if (digit.axis == axis) fail("SP-MESH-014", concat("two dims are named '", names[dim], '\''), "distinct names");
    out.push_back({axis, sizes[dim], 0});
  }
  return out;
}

/// The wire that puts number i at `table[i]`, in blocks as large as the table allows; none for the identity.
/// Errors SP-MESH-004 unless it is a permutation.
constexpr Wire wire_of_table(const InlineVector<Index, 4>& table) {
  const auto size = static_cast<Index>(table.size());
  Index block = size;
  for (Index i = 0; i < size; ++i) {
    const Index here = table[static_cast<std::size_t>(i)];
    if (i == 0 || here != table[static_cast<std::size_t>(i - 1)] + 1) block = gcd(gcd(block, i), here);
  }
  if (block == size) return {};
  InlineVector<Index, 4> physical;
  for (Index i = 0; i < size; i += block) physical.push_back(table[static_cast<std::size_t>(i)] / block);
  return wire(size, physical);
}

}  // namespace detail

/// In which order a list of groups counts through the dims that number them. Members are the same.
enum class GroupOrder : std::uint8_t {
  row_major,  ///< newer releases: the other dims as they stand
  swapdims,   ///< older releases: the last dim stands in the place of the one that the groups run along
};

/// Named dims over the ranks of a view, row-major: the last varies fastest. A slice of a mesh is a mesh over the same
/// view that stays at one coordinate of all other axes; a flattened dim is a dim of several axes, major first.
///
/// Post: rank(*coordinate(r)) == r for every rank r that the mesh contains.
class DeviceMesh {
 public:
  struct Dim {
    Axis name;
    InlineVector<Axis, 2> axes;  ///< of the view, major first
    Index size = 1;
    friend constexpr bool operator==(const Dim&, const Dim&) = default;
  };
  using Dims = InlineVector<Dim, 4>;
  class Groups;

  /// Ranks are listed, and the places between them kept, for at most this many neighbouring numbers.
  static constexpr Index max_listed = Index{1} << 24;

  /// Ranks 0, 1, ... Errors SP-MESH-001, SP-MESH-009, SP-MESH-014.
  constexpr DeviceMesh(const Shape& shape, const DimNames& names)
      : DeviceMesh(View(detail::row_major_digits(shape, names)), names) {}
  /// Dims without names of their own: dim_0, dim_1, ...
  explicit DeviceMesh(const Shape& shape) : DeviceMesh(View(detail::row_major_digits(shape, unnamed(shape)))) {}
  /// `ranks` in row-major order, whatever they are: those between them lie outside the mesh. Errors SP-MESH-001,
  /// SP-MESH-009, SP-MESH-014 not one rank a position, a rank that is negative or stands twice, or ranks too far apart.
  constexpr DeviceMesh(const Shape& shape, const DimNames& names, const InlineVector<Index, 4>& ranks)
      : DeviceMesh(view_of_list(shape, names, ranks), names) {}
  /// Every axis of a view as a dim, outermost first.
  constexpr explicit DeviceMesh(const View& view) : view_(view), base_(view.axes().size(), 0) {
    for (const View::Extent& axis : view.axes()) dims_.push_back({axis.axis, {axis.axis}, axis.size});
  }

  constexpr const View& view() const { return view_; }
  constexpr const Dims& dims() const { return dims_; }
  constexpr Index size() const {
    Index out = 1;
    for (const Dim& dim : dims_) out *= dim.size;
    return out;
  }
  constexpr Shape shape() const {
    Shape out;
    for (const Dim& dim : dims_) out.push_back(dim.size);
    return out;
  }

  /// Position of a dim. Errors SP-MESH-007.
  constexpr std::size_t find(std::string_view name) const {
    for (std::size_t i = 0; i < dims_.size(); ++i)
      if (dims_[i].name.name() == name) return i;
    std::string known;
    for (const Dim& dim : dims_) known += concat(known.empty() ? "" : ", ", dim.name.name());
    fail("SP-MESH-007", concat("the mesh has no dim '", name, '\''), known);
  }

  constexpr bool contains(Rank rank) const { return coordinate(rank).has_value(); }
  /// One number a dim; nothing for a rank outside the mesh.
  constexpr std::optional<Place> coordinate(Rank rank) const {
    if (!view_.contains(rank)) return std::nullopt;
    const Place place = view_.place(rank);
    Place rest = place, out;
    for (const Dim& dim : dims_) {
      Index value = 0;
      for (const Axis axis : dim.axes) {
        const std::size_t at = view_.at(axis);
        value = value * view_.axes()[at].size + place[at];
        rest[at] = 0;
      }
      out.push_back(value);
    }
    if (rest != base_) return std::nullopt;
    return out;
  }
  /// The rank at a coordinate. Pre: one number inside the size of every dim.
  constexpr Rank rank(const Place& coordinate) const {
    Place place = base_;
    for (std::size_t dim = 0; dim < dims_.size(); ++dim) {
      Index rest = coordinate[dim];
      for (std::size_t i = dims_[dim].axes.size(); i-- > 0;) {
        const std::size_t at = view_.at(dims_[dim].axes[i]);
        place[at] = rest % view_.axes()[at].size;
        rest /= view_.axes()[at].size;
      }
    }
    return view_.rank(place);
  }

  /// Groups along one dim, members by ascending coordinate. Errors SP-MESH-007.
  constexpr Groups groups(std::string_view along, GroupOrder order = GroupOrder::row_major) const;
  /// Groups over several dims, the first of them major; the other dims number the list, row-major.
  /// Errors SP-MESH-007, SP-MESH-014 a dim named twice.
  constexpr Groups groups_over(const DimNames& dims) const;

  /// The mesh of these dims, in this order, that holds the rank. Errors SP-MESH-007; SP-MESH-009 a rank outside this
  /// mesh; SP-MESH-014 a dim named twice.
  constexpr DeviceMesh slice(const DimNames& names, Rank holding) const {
    if (!contains(holding))
      fail("SP-MESH-009", concat("rank ", holding, " lies outside a mesh of ", size()), "a rank of the mesh");
    DeviceMesh out = *this;
    out.dims_.clear();
    out.base_ = view_.place(holding);
    for (const std::size_t dim : positions(names)) {
      out.dims_.push_back(dims_[dim]);
      for (const Axis axis : dims_[dim].axes) out.base_[view_.at(axis)] = 0;
    }
    return out;
  }
  /// The same ranks in the same order as one dim. Errors SP-MESH-014 no name.
  constexpr DeviceMesh flatten(std::string_view name) const {
    Dim all{detail::axis_named(name), {}, size()};
    for (const Dim& dim : dims_) all.axes.append(dim.axes);
    DeviceMesh out = *this;
    out.dims_ = {all};
    return out;
  }

  /// Where the mesh stays along the axes that are no part of a dim: calls f(axis, coordinate) for each.
  template <class F>
  constexpr void for_each_fixed(F&& f) const {
    for (std::size_t at = 0; at < base_.size(); ++at) {
      const Axis axis = view_.axes()[at].axis;
      bool free = false;
      for (const Dim& dim : dims_)
        for (const Axis other : dim.axes) free = free || other == axis;
      if (!free) f(axis, base_[at]);
    }
  }

  friend constexpr bool operator==(const DeviceMesh&, const DeviceMesh&) = default;

 private:
  /// The named axes as dims, in the order of the view.
  constexpr DeviceMesh(const View& view, const DimNames& names) : view_(view), base_(view.axes().size(), 0) {
    for (const View::Extent& axis : view.axes())
      for (const std::string_view name : names)
        if (axis.axis.name() == name) dims_.push_back({axis.axis, {axis.axis}, axis.size});
  }

  static DimNames unnamed(const Shape& shape) {
    static constexpr std::string_view names[] = {"dim_0", "dim_1", "dim_2", "dim_3",
                                                 "dim_4", "dim_5", "dim_6", "dim_7"};
    if (shape.size() > std::size(names))
      fail("SP-MESH-014", concat("a mesh of ", shape.size(), " dims without names"), "names, or at most 8 dims");
    DimNames out;
    for (std::size_t i = 0; i < shape.size(); ++i) out.push_back(names[i]);
    return out;
  }

  /// The listed ranks come first, then the ones between them, so that members are one block of a larger view.
  static constexpr View view_of_list(const Shape& shape, const DimNames& names, const InlineVector<Index, 4>& ranks) {
    const InlineVector<ViewDigit, 8> digits = detail::row_major_digits(shape, names);
    const Index count = View(digits).size();
    if (static_cast<Index>(ranks.size()) != count)
      fail("SP-MESH-014", concat(ranks.size(), " ranks for a mesh of ", count), concat(count, " ranks"));
    Index first = ranks[0], last = ranks[0];
    for (const Index rank : ranks) {
      if (rank < 0 || rank >= View::max_ranks) fail("SP-MESH-014", concat("rank ", rank), "0 to 2^31 - 1");
      first = smaller(first, rank);
      last = larger(last, rank);
    }
    const Index blocks = ceil_div(last - first + 1, count), all = blocks * count;
    if (all > max_listed)
      fail("SP-MESH-014", concat("a list of ", count, " ranks from ", first, " to ", last),
           concat("ranks within ", max_listed, " of each other"));
    InlineVector<bool, 8> taken(static_cast<std::size_t>(all), false);
    InlineVector<Index, 4> table;
    for (const Index rank : ranks) {
      bool& here = taken[static_cast<std::size_t>(rank - first)];
      if (here) fail("SP-MESH-014", concat("rank ", rank, " stands twice in a mesh"), "every rank once");
      here = true;
      table.push_back(rank - first);
    }
    for (Index at = 0; at < all; ++at)
      if (!taken[static_cast<std::size_t>(at)]) table.push_back(at);
    if (blocks == 1) return View(digits, detail::wire_of_table(table), first);
    // The mesh stays at coordinate 0 of an axis that tells its ranks from those between them.
    DimNames axes{"outside"};
    Shape sizes{blocks};
    axes.append(names);
    sizes.append(shape);
    return View(detail::row_major_digits(sizes, axes), detail::wire_of_table(table), first);
  }

  constexpr InlineVector<std::size_t, 4> positions(const DimNames& names) const {
    InlineVector<std::size_t, 4> out;
    for (const std::string_view name : names) {
      const std::size_t dim = find(name);
      for (const std::size_t other : out)
        if (other == dim) fail("SP-MESH-014", concat("dim '", name, "' is named twice"), "every dim once");
      out.push_back(dim);
    }
    return out;
  }

  constexpr Groups groups(const InlineVector<std::size_t, 4>& members, const InlineVector<std::size_t, 4>& order) const;

  View view_;
  Dims dims_;
  Place base_;  ///< coordinates of the axes that are no part of a dim, 0 elsewhere
};

/// The groups of a mesh along some of its dims, lazily, in the order of a release.
class DeviceMesh::Groups {
 public:
  /// Pre: first + count <= list.size().
  constexpr Groups(GroupList list, std::size_t first, std::size_t count)
      : list_(std::move(list)), first_(first), count_(count) {}

  constexpr std::size_t size() const { return count_; }
  /// Pre: i < size().
  constexpr Group operator[](std::size_t i) const { return list_[first_ + i]; }
  /// The group of a rank, and its position here. Pre: the mesh contains the rank.
  constexpr Group of(Rank rank) const { return list_.of(rank); }
  constexpr std::size_t index_of(Rank rank) const { return list_.index_of(rank) - first_; }

  constexpr IndexIterator<Groups, Group> begin() const { return {*this, 0}; }
  constexpr IndexIterator<Groups, Group> end() const { return {*this, count_}; }

 private:
  GroupList list_;  ///< of the whole view; those of the mesh stand together in it
  std::size_t first_;
  std::size_t count_;
};

constexpr DeviceMesh::Groups DeviceMesh::groups(const InlineVector<std::size_t, 4>& members,
                                                const InlineVector<std::size_t, 4>& order) const {
  GroupList::Axes member_axes, order_axes;
  for_each_fixed([&](Axis axis, Index) { order_axes.push_back(axis); });
  for (const std::size_t dim : members) member_axes.append(dims_[dim].axes);
  std::size_t count = 1;
  for (const std::size_t dim : order) {
    order_axes.append(dims_[dim].axes);
    count *= static_cast<std::size_t>(dims_[dim].size);
  }
  GroupList list(view_, member_axes, order_axes);
  const std::size_t first = list.index_of(view_.rank(base_));
  return {std::move(list), first, count};
}

constexpr DeviceMesh::Groups DeviceMesh::groups_over(const DimNames& dims) const {
  const InlineVector<std::size_t, 4> members = positions(dims);
  InlineVector<std::size_t, 4> order;
  for (std::size_t dim = 0; dim < dims_.size(); ++dim) {
    bool member = false;
    for (const std::size_t other : members) member = member || other == dim;
    if (!member) order.push_back(dim);
  }
  return groups(members, order);
}

constexpr DeviceMesh::Groups DeviceMesh::groups(std::string_view along, GroupOrder order) const {
  if (order == GroupOrder::row_major) return groups_over({along});
  const std::size_t member = find(along), last = dims_.size() - 1;
  InlineVector<std::size_t, 4> others;
  for (std::size_t dim = 0; dim < last; ++dim) others.push_back(dim == member ? last : dim);
  return groups(InlineVector<std::size_t, 4>{member}, others);
}

}  // namespace shardplan
