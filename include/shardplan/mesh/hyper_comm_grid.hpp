#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/mesh/device_mesh.hpp>

/// Grids of ranks with dims of any name, as Megatron-Core sets them up beside its six axes (rank-orders sheet, 1.7).
namespace shardplan::mcore {

/// Named dims over the ranks from an offset on; the **first varies fastest**, as in an order string. The same ranks may
/// be factored in further ways, each a view of a name: experts beside dense layers.
///
/// Post: groups of the dims of an order equal those of RankGrid::groups.
class HyperCommGrid {
 public:
  /// What the factorisation of the constructor is called.
  static constexpr std::string_view base = "base";

  /// ranks: those of the job; none: not known. Errors SP-MESH-001 a size below 1; SP-MESH-009 a negative offset, over
  /// 2^31 ranks, a grid that ends behind the job; SP-MESH-014 not one name a dim, a name that is none or stands twice.
  HyperCommGrid(const Shape& shape, const DimNames& dim_names, Index rank_offset = 0,
                std::optional<Index> ranks = std::nullopt) {
    if (rank_offset < 0) fail("SP-MESH-009", concat("ranks start at ", rank_offset), "0 or more", {"rank_offset"});
    views_.push_back({std::string(base), view_of(shape, dim_names, rank_offset)});
    if (ranks && checked_add(rank_offset, size()) > *ranks)
      fail("SP-MESH-009", concat("a grid of ", size(), " ranks from rank ", rank_offset, " on in a job of ", *ranks),
           concat("at most ", larger(*ranks - rank_offset, 0), " ranks from there"), {"shape", "rank_offset"});
  }

  constexpr Index size() const { return views_[0].view.size(); }
  constexpr Index rank_offset() const { return views_[0].view.offset(); }

  /// Factors the same ranks in another way. Shared dims have the same groups here and in the base view; the groups of
  /// all of them together are the same then. Errors SP-MESH-001, SP-MESH-009; SP-MESH-014 as above, a name in use,
  /// another number of ranks, a shared dim that one of the two does not have, that stands twice, or that has other
  /// groups.
  void register_view(std::string_view name, const Shape& shape, const DimNames& dim_names,
                     const DimNames& shared_dims = {}) {
    for (const Named& known : views_)
      if (known.name == name) fail("SP-MESH-014", concat("view '", name, "' is registered"), "another name", {"view"});
    View view = view_of(shape, dim_names, rank_offset());
    if (view.size() != size())
      fail("SP-MESH-014", concat("view '", name, "' of ", view.size(), " ranks in a grid of ", size()),
           concat("sizes whose product is ", size()), {"shape"});
    for (std::size_t i = 0; i < shared_dims.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j)
        if (shared_dims[i] == shared_dims[j])
          fail("SP-MESH-014", concat("dim '", shared_dims[i], "' is shared twice"), "every dim once", {"shared_dims"});
      check_shared(view, name, shardplan::detail::axis_named(shared_dims[i]));
    }
    views_.push_back({std::string(name), std::move(view)});
  }

  /// One factorisation. Errors SP-MESH-007 a name that is not registered.
  const View& view(std::string_view name = base) const {
    std::string known;
    for (const Named& one : views_) {
      if (one.name == name) return one.view;
      known += concat(known.empty() ? "" : ", ", one.name);
    }
    fail("SP-MESH-007", concat("the grid has no view '", name, '\''), known, {"view"});
  }

  /// The groups of ranks that differ in these dims only; the sequence of the names does not matter. Post: the ranks of
  /// a group ascend, and so do the first ranks of the groups. Errors SP-MESH-007 a view or a dim there is not,
  /// SP-MESH-014 a dim named twice.
  GroupList groups(const DimNames& dims, std::string_view view_name = base) const {
    const View& of = view(view_name);
    InlineVector<bool, 6> named(of.axes().size(), false);
    for (const std::string_view dim : dims)
      if (std::exchange(named[of.at(shardplan::detail::axis_named(dim))], true))
        fail("SP-MESH-014", concat("dim '", dim, "' is named twice"), "every dim once", {"dims"});
    GroupList::Axes members, others;
    for (std::size_t i = 0; i < named.size(); ++i) (named[i] ? members : others).push_back(of.axes()[i].axis);
    return GroupList(of, members, others);
  }

 private:
  struct Named {
    std::string name;
    View view;
  };

  static constexpr View view_of(const Shape& shape, const DimNames& names, Index offset) {
    const InlineVector<ViewDigit, 8> first_fastest = shardplan::detail::row_major_digits(shape, names);
    InlineVector<ViewDigit, 8> digits;
    for (std::size_t i = first_fastest.size(); i-- > 0;) digits.push_back(first_fastest[i]);
    return View(digits, {}, offset);
  }

  void check_shared(const View& view, std::string_view name, Axis dim) const {
    const View& own = views_[0].view;
    const auto here = own.find(dim), there = view.find(dim);
    if (!here || !there)
      fail("SP-MESH-014",
           concat("shared dim '", dim.name(), "' is no dim of ", here ? concat("view '", name, '\'') : "the base view"),
           "a dim of both", {"shared_dims"});
    // A dim is one digit, so size and distance of its members tell all its groups.
    const auto stride = [dim](const View& of) {
      for (const View::Slot& slot : of.slots())
        if (of.axes()[slot.axis].axis == dim && slot.extent > 1) return slot.stride;
      return Index{1};
    };
    if (own.extent(dim) != view.extent(dim) || stride(own) != stride(view))
      fail("SP-MESH-014",
           concat("shared dim '", dim.name(), "' has groups of ", own.extent(dim), " ranks at distance ", stride(own),
                  ", and in view '", name, "' of ", view.extent(dim), " at distance ", stride(view)),
           "the same size, and the same product of the sizes before it", {"shared_dims"});
  }

  InlineVector<Named, 2> views_;
};

}  // namespace shardplan::mcore
