#pragma once
#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/layout/cute.hpp>
#include <shardplan/layout/shardy.hpp>
#include <shardplan/layout/xla.hpp>
#include <shardplan/mesh/notation.hpp>

/// Rank orders in the notations of tensor compilers (rank-orders sheet, sections 9 and 11).
namespace shardplan {

namespace detail {

/// The text without its last words that are names: `8:1 tp` is `8:1` and tp. Brackets end the names.
inline std::pair<std::string_view, InlineVector<Axis, 4>> with_names(std::string_view text) {
  text = trimmed(text);
  std::size_t end = text.find_last_of("}):] \t");
  const std::size_t bracket = text.find_last_of("}])");
  if (bracket != text.npos) end = text.find(' ', bracket);
  std::pair<std::string_view, InlineVector<Axis, 4>> out{text, {}};
  if (end == text.npos) return out;
  out.first = trimmed(text.substr(0, end));
  for_each_part(text.substr(end + 1), [&](std::string_view name) { out.second.push_back(axis_named(name)); });
  return out;
}

inline std::string joined_names(const InlineVector<Axis, 4>& names) {
  std::string out;
  for (const Axis name : names) out += concat(out.empty() ? "" : ",", name.name());
  return out;
}

inline void require_names(std::string_view system, const InlineVector<Axis, 4>& names, std::size_t count) {
  if (names.size() != count)
    fail("SP-MESH-014", concat(system, " order has ", count, " dims and ", names.size(), " names behind it"),
         "a name a dim, such as 'dp,tp'", {"order"});
}

/// `{devices=[2,4]<=[4,2]T(1,0)} dp,tp`: the tiles are the mesh, one name a dimension. Errors SP-LAYOUT-012,
/// SP-MESH-014.
inline View parse_xla_order(std::string_view given) {
  const auto [text, names] = with_names(given);
  const xla::Sharding sharding = xla::parse(text);
  if (sharding.form != xla::Sharding::Form::tiled)
    fail("SP-MESH-014", concat("an XLA sharding '", text.substr(0, 80), "' orders no ranks"), "devices=[...]",
         {"order"});
  require_names("XLA", names, sharding.tiles.dims().size());
  return sharding.tiles.view(names);
}

/// Errors SP-MESH-014 an offset, a list of over 65,536 ranks.
inline std::string print_xla_order(const View& view) {
  require_no_offset("XLA", view);
  Shape dims;
  InlineVector<Axis, 4> names;
  for (const View::Extent& one : view.axes()) {
    dims.push_back(one.size);
    names.push_back(one.axis);
  }
  xla::Sharding out{xla::Sharding::Form::tiled, 0, xla::TileAssignment(dims), {}};
  if (moves_ranks(view.wires())) {
    if (view.size() > max_listed_ranks)
      fail("SP-MESH-014", concat("XLA lists the ranks of this order, here ", view.size()),
           concat("at most ", max_listed_ranks, " ranks"));
    InlineVector<Index, 4> devices;
    Place place(dims.size(), 0);
    for (Index i = 0; i < view.size(); ++i) {
      devices.push_back(view.rank(place).value);
      for (std::size_t d = dims.size(); d-- > 0 && ++place[d] == dims[d];) place[d] = 0;
    }
    out.tiles = xla::TileAssignment::listed(dims, devices);
  } else {
    const DigitChain chain = digit_chain(view);  // fastest first
    Shape reshape;
    for (std::size_t i = chain.size(); i-- > 0;) reshape.push_back(chain[i].extent);
    xla::TileAssignment::Permutation permutation;
    for (std::size_t axis = 0; axis < dims.size(); ++axis)
      for (Index above = dims[axis]; above > 1;)  // the digits of an axis by falling weight
        for (std::size_t i = 0; i < chain.size(); ++i)
          if (chain[i].axis == axis && chain[i].weight * chain[i].extent == above) {
            permutation.push_back(static_cast<Index>(chain.size() - 1 - i));
            above = chain[i].weight;
          }
    if (!reshape.empty()) out.tiles = xla::TileAssignment(dims, reshape, permutation);
  }
  return concat(out, ' ', joined_names(names));
}

/// `(8,2,4):(1,8,16) tp,dp,pp`: a mode an axis. Errors SP-LAYOUT-012, SP-MESH-014.
inline View parse_cute_order(std::string_view given) {
  const auto [text, names] = with_names(given);
  const cute::Layout layout = cute::parse(text);
  require_names("CuTe", names, layout.rank());
  return cute::view_of(layout, names);
}

/// Errors SP-LAYOUT-012 a wire or an offset.
inline std::string print_cute_order(const View& view) {
  InlineVector<Axis, 4> names;
  for (std::size_t i = view.axes().size(); i-- > 0;) names.push_back(view.axes()[i].axis);
  return concat(cute::layout_of(view), ' ', joined_names(names));
}

/// Errors SP-LAYOUT-012 an offset, SP-MESH-014 a list of over 65,536 ranks.
inline std::string print_shardy_order(const View& view) {
  bool in_order = view.offset() == 0 && !moves_ranks(view.wires());
  std::size_t last = view.axes().size();
  for (const View::Slot& digit : digit_chain(view)) {
    in_order = in_order && digit.axis < last;
    last = digit.axis;
  }
  if (!in_order && view.size() > max_listed_ranks)
    fail("SP-MESH-014", concat("Shardy lists the ranks of this order, here ", view.size()),
         concat("at most ", max_listed_ranks, " ranks; xla and cute say some such orders without a list"));
  if (!in_order) return shardy::text(view);
  Names axes;  // the same text without a look at the ranks
  for (const View::Extent& one : view.axes()) axes.push_back(concat('"', one.axis.name(), "\"=", one.size));
  return concat("<[", join(axes, ", "), "]>");
}

inline constexpr OrderNotation compiler_notations[] = {
    {"xla", "XLA tile assignment", "", "{devices=[4,2,8]<=[4,2,8]T(0,1,2)} pp,dp,tp",
     [](const OrderNotation&, std::string_view text) { return parse_xla_order(text); },
     [](const OrderNotation&, const View& view) { return print_xla_order(view); }},
    {"shardy", "Shardy mesh", "", "<[\"pp\"=4, \"dp\"=2, \"tp\"=8]>",
     [](const OrderNotation&, std::string_view text) { return shardy::parse_mesh(text); },
     [](const OrderNotation&, const View& view) { return print_shardy_order(view); }},
    {"cute", "CuTe layout", "", "(8,2,4):(1,8,16) tp,dp,pp",
     [](const OrderNotation&, std::string_view text) { return parse_cute_order(text); },
     [](const OrderNotation&, const View& view) { return print_cute_order(view); }},
};

}  // namespace detail

/// Every notation there is.
inline constexpr auto order_notations = [] {
  constexpr std::size_t meshes = std::size(mesh_notations), compilers = std::size(detail::compiler_notations);
  std::array<OrderNotation, meshes + compilers> out{};
  for (std::size_t i = 0; i < meshes; ++i) out[i] = mesh_notations[i];
  for (std::size_t i = 0; i < compilers; ++i) out[meshes + i] = detail::compiler_notations[i];
  return out;
}();

/// The notation of that name. Errors SP-MESH-014.
inline const OrderNotation& order_notation(std::string_view name) {
  InlineVector<std::string_view, 16> names;
  for (const OrderNotation& one : order_notations) {
    if (one.name == name) return one;
    names.push_back(one.name);
  }
  const std::string_view close = closest(name, names);
  fail("SP-MESH-014", concat("'", name, "' is no notation of rank orders"),
       close.empty() ? join(names, ", ") : concat(close, "; there are ", join(names, ", ")), {"notation"});
}

}  // namespace shardplan
