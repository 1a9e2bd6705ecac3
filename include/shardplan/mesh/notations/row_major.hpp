#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <shardplan/mesh/deepspeed.hpp>
#include <shardplan/mesh/hyper_comm_grid.hpp>
#include <shardplan/mesh/notations/order_text.hpp>

/// Row-major meshes as text: order strings of any axes, DeepSpeed, PyTorch (rank-orders sheet, 1.7, 6, 7, 15).
namespace shardplan::detail {

/// `tp-cp-pp` as axes without sizes, in the order of the text. Errors SP-MESH-014.
inline InlineVector<View::Extent, 6> axes_of_order(const OrderText& text, std::string_view order) {
  InlineVector<View::Extent, 6> out;
  for (std::size_t at = 0; at <= order.size();) {
    const std::size_t end = order.find('-', at) == order.npos ? order.size() : order.find('-', at);
    const Axis axis = axis_named(order.substr(at, end - at));
    for (const View::Extent& other : out)
      if (other.axis == axis) text.refuse(concat("the order names ", axis.name(), " twice"), "every axis once");
    out.push_back({axis, 0});
    at = end + 1;
  }
  return out;
}

/// Sizes by name, put where the order has the axes. Errors SP-MESH-001 a size of 0, SP-MESH-014 a name that the order
/// does not have.
inline void put_sizes(const OrderText& text, const InlineVector<View::Extent, 6>& sizes,
                      InlineVector<View::Extent, 6>& order) {
  for (const View::Extent& size : sizes) {
    if (size.size < 1)
      fail("SP-MESH-001", concat("axis ", size.axis.name(), " has size ", size.size), "at least 1", {size.axis.name()});
    bool found = false;
    InlineVector<std::string_view, 6> known;
    for (View::Extent& one : order) {
      known.push_back(one.axis.name());
      if (one.axis != size.axis) continue;
      one.size = size.size;
      found = true;
    }
    if (!found) text.refuse(concat(size.axis.name(), " is no axis of it"), join(known, ", "));
  }
}

/// An order string of any axes, first fastest: `tp-cp-dp_shard-pp tp=8,pp=2 world=64 offset=0`, or
/// `HyperCommGrid(shape=[8, 4], dim_names=['tp', 'dp'], rank_offset=0)`. A world is that of the grid, behind a call
/// that of the job. default_order: where the text has none.
inline View parse_order_string(std::string_view system, std::string_view default_order, std::string_view given) {
  OrderText text(system, given);
  const Index offset = text.take_number("rank_offset").value_or(text.take_number("offset").value_or(0));
  const auto world = text.take_number("world");
  const auto shape = text.take("shape"), names = text.take("dim_names");
  if (shape || names) {
    text.finish();
    if (!shape || !names) text.refuse("a shape goes with dim_names", "both");
    return mcore::HyperCommGrid(text.numbers("shape", *shape), text.names("dim_names", *names), offset, world).view();
  }
  const auto order = text.take_bare();
  InlineVector<View::Extent, 6> sizes = text.take_sizes(), fastest_first;
  text.finish();
  if (order || !default_order.empty())
    fastest_first = axes_of_order(text, order.value_or(default_order));
  else
    for (const View::Extent& one : sizes) fastest_first.push_back({one.axis, 0});  // as they stand
  put_sizes(text, sizes, fastest_first);
  fill_sizes(text, fastest_first, world);
  InlineVector<View::Extent, 6> outermost_first;
  for (std::size_t i = fastest_first.size(); i-- > 0;) outermost_first.push_back(fastest_first[i]);
  return row_major_view(outermost_first, offset);
}

/// Names or sizes in quotes and brackets.
inline std::string quoted_names(const InlineVector<View::Extent, 6>& axes) {
  Names out;
  for (const View::Extent& one : axes) out.push_back(concat('\'', one.axis.name(), '\''));
  return join(out, ", ");
}
inline std::string listed_sizes(const InlineVector<View::Extent, 6>& axes) {
  Shape out;
  for (const View::Extent& one : axes) out.push_back(one.size);
  return join(out, ", ");
}

/// Fastest first. Errors SP-MESH-014.
inline std::string print_hyper(std::string_view system, const View& view) {
  InlineVector<View::Extent, 6> axes;
  const auto outermost_first = row_major_axes(system, view);
  for (std::size_t i = outermost_first.size(); i-- > 0;) axes.push_back(outermost_first[i]);
  return concat("HyperCommGrid(shape=[", listed_sizes(axes), "], dim_names=[", quoted_names(axes),
                "], rank_offset=", view.offset(), ')');
}

/// The sizes of a system with a fixed order. Errors SP-MESH-014 another order, or an axis that the system lacks.
inline std::string print_fixed_order(std::string_view system, std::string_view order, const View& view) {
  require_no_offset(system, view);
  Names sizes;
  std::size_t next = 0;
  const auto outermost_first = row_major_axes(system, view);
  const InlineVector<View::Extent, 6> wanted = axes_of_order(OrderText(system, order), order);
  for (std::size_t i = outermost_first.size(); i-- > 0;) {
    const View::Extent& one = outermost_first[i];
    if (one.size == 1) continue;
    while (next < wanted.size() && wanted[next].axis != one.axis) ++next;
    if (next == wanted.size())
      fail("SP-MESH-014",
           concat(system, " orders ranks ", order, ", and has no place for ", one.axis.name(), " of size ", one.size,
                  " behind the axes that vary faster here"),
           "hyper: any order of any axes");
    sizes.push_back(concat(one.axis.name(), '=', one.size));
  }
  if (sizes.empty()) sizes.push_back(concat(wanted[0].axis.name(), "=1"));
  return join(sizes, ",");
}

/// What DeepSpeed calls the axes of everybody else.
inline constexpr SameAxis deepspeed_names[] = {{tp, Axis("model")}, {dp, Axis("data")}, {pp, Axis("pipe")}};

/// `pipe=2,data=4,model=8`, `ProcessTopology(axes=['pipe', 'data'], dims=[2, 4])`; the axes come out as pp, dp, tp.
/// With world=N and sizes of pipe and model alone, data is what is left.
inline View parse_deepspeed(std::string_view given) {
  OrderText text("DeepSpeed", given);
  const auto world = text.take_number("world");
  const auto axes = text.take("axes"), dims = text.take("dims");
  InlineVector<View::Extent, 6> sizes;
  bool standard = false;  // data is what a world leaves
  if (axes || dims) {
    if (!axes || !dims) text.refuse("axes go with dims", "both");
    const DimNames names = text.names("axes", *axes);
    const Shape extents = text.numbers("dims", *dims);
    const ProcessTopology topology(names, extents);
    for (const View::Extent& one : topology.view().axes()) sizes.push_back(one);
  } else {
    sizes = text.take_sizes();
    standard = world.has_value();
    for (const View::Extent& one : sizes)
      standard = standard && (one.axis == Axis("pipe") || one.axis == Axis("model"));
    if (standard) {
      const InlineVector<View::Extent, 6> named = sizes;
      sizes = {{Axis("pipe"), 0}, {Axis("data"), 0}, {Axis("model"), 0}};
      put_sizes(text, named, sizes);
    }
  }
  text.finish();
  for (const View::Extent& one : sizes)
    if (one.size < 1 && !standard)
      fail("SP-MESH-001", concat("axis ", one.axis.name(), " has size ", one.size), "at least 1", {one.axis.name()});
  for (View::Extent& one : sizes)
    for (const SameAxis& name : deepspeed_names)
      if (one.axis == name.b) one.axis = name.a;
  if (world) fill_sizes(text, sizes, world);
  return row_major_view(sizes);
}

/// Errors SP-MESH-014.
inline std::string print_deepspeed(const View& view) {
  require_no_offset("DeepSpeed", view);
  InlineVector<View::Extent, 6> axes = row_major_axes("DeepSpeed", view);
  for (View::Extent& one : axes)
    for (const SameAxis& name : deepspeed_names) {
      if (one.axis == name.b)
        fail("SP-MESH-014", concat("an axis ", one.axis.name(), " would be read as ", name.a.name()), "another name");
      if (one.axis == name.a) one.axis = name.b;
    }
  return concat("ProcessTopology(axes=[", quoted_names(axes), "], dims=[", listed_sizes(axes), "])");
}

/// Numbers in nested brackets: all of them, and how many stand at each depth. Errors SP-MESH-014 ragged lists.
inline Shape nested_numbers(const OrderText& text, std::string_view list, InlineVector<Index, 4>& all,
                            std::size_t depth = 0) {
  if (depth > 8) text.refuse("lists nested over 8 deep", "at most 8 dims");
  const auto parts = text.parts("the mesh", list);
  std::optional<Shape> inner;
  for (const std::string_view part : parts) {
    Shape here;
    if (part.front() == '[' || part.front() == '(')
      here = nested_numbers(text, part, all, depth + 1);
    else
      all.push_back(text.number("a rank", part));
    if (inner && *inner != here) text.refuse("rows of different lengths", "equal rows");
    inner = here;
  }
  Shape out{static_cast<Index>(parts.size())};
  out.append(inner.value_or(Shape{}));
  return out;
}

/// `pp=2,tp=4 ranks=[0, 1, ...]`, `init_device_mesh('cuda', (2, 4), mesh_dim_names=('pp', 'tp'))`,
/// `DeviceMesh('cuda', [[0, 2], [1, 3]], mesh_dim_names=('pp', 'tp'))`. The ranks of a list follow one another in some
/// order: no gaps.
inline View parse_device_mesh(std::string_view given) {
  OrderText text("DeviceMesh", given);
  const auto world = text.take_number("world");
  auto names = text.take("mesh_dim_names"), mesh = text.take("mesh"), shape = text.take("mesh_shape");
  auto list = text.take("ranks");
  text.take("device_type");
  while (const auto bare = text.take_bare()) {
    if (bare->front() == '\'' || bare->front() == '"') continue;  // the kind of device moves no rank
    auto& place = text.call() == "DeviceMesh" ? mesh : shape;
    if (place) text.refuse(concat('\'', *bare, "' is one list too many"), "one");
    place = bare;
  }
  Shape extents;
  DimNames dims;
  InlineVector<Index, 4> ranks;
  InlineVector<View::Extent, 6> sizes = text.take_sizes();
  text.finish();
  if (mesh || shape) {
    if ((mesh && shape) || !sizes.empty()) text.refuse("sizes are given twice", "a shape or a list of ranks");
    extents = mesh ? nested_numbers(text, *mesh, ranks) : text.numbers("the shape", *shape);
    if (names) dims = text.names("mesh_dim_names", *names);
    static constexpr std::string_view unnamed[] = {"dim_0", "dim_1", "dim_2", "dim_3",
                                                   "dim_4", "dim_5", "dim_6", "dim_7"};
    for (std::size_t i = 0; !names && i < extents.size() && i < 8; ++i) dims.push_back(unnamed[i]);
  } else {
    if (sizes.empty()) text.refuse("no dims", "a size for every dim, such as dp=2,tp=4");
    for (const View::Extent& one : sizes) extents.push_back(one.size);
    for (const View::Extent& one : sizes) dims.push_back(one.axis.name());
  }
  if (list) ranks = text.numbers("ranks", *list);
  const View out = ranks.empty() ? DeviceMesh(extents, dims).view() : DeviceMesh(extents, dims, ranks).view();
  if (out.axes().size() != dims.size()) text.refuse("ranks that do not follow one another", "a list without gaps");
  if (world && *world != out.size())
    text.refuse(concat("a world of ", *world, " ranks, and dims of ", out.size()), "as many");
  return out;
}

/// One row of a list with its brackets, dims from `dim` on.
inline void append_nested(std::string& out, const View& view, Place& place, std::size_t dim) {
  if (dim == place.size()) return shardplan::append_to(out, view.rank(place));
  out += '[';
  for (place[dim] = 0; place[dim] < view.axes()[dim].size; ++place[dim]) {
    if (place[dim] > 0) out += ", ";
    append_nested(out, view, place, dim + 1);
  }
  place[dim] = 0;
  out += ']';
}

/// Ranks that a text lists at most.
inline constexpr Index max_listed_ranks = Index{1} << 16;

/// A shape where the view is row-major, else its ranks. Errors SP-MESH-014 over 65,536 ranks to list.
inline std::string print_device_mesh(const View& view) {
  bool row_major = view.offset() == 0 && !moves_ranks(view.wires());
  InlineVector<bool, 6> seen(view.axes().size(), false);
  for (const View::Slot& digit : digit_chain(view)) {
    row_major = row_major && !seen[digit.axis];
    seen[digit.axis] = true;
  }
  const auto tuple = [](std::string_view inside, std::size_t count) {
    return concat('(', inside, count == 1 ? ",)" : ")");
  };
  if (row_major) {
    const auto axes = row_major_axes("DeviceMesh", view);
    return concat("init_device_mesh('cuda', ", tuple(listed_sizes(axes), axes.size()),
                  ", mesh_dim_names=", tuple(quoted_names(axes), axes.size()), ')');
  }
  if (view.size() > max_listed_ranks)
    fail("SP-MESH-014", concat("a DeviceMesh that is not row-major lists its ranks, here ", view.size()),
         concat("at most ", max_listed_ranks, " ranks; xla and cute say some such orders without a list"));
  std::string list;
  Place place(view.axes().size(), 0);
  append_nested(list, view, place, 0);
  return concat("DeviceMesh('cuda', ", list, ", mesh_dim_names=", tuple(quoted_names(view.axes()), view.axes().size()),
                ')');
}

}  // namespace shardplan::detail
