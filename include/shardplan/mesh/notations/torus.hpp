#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/mesh/notations/order_text.hpp>
#include <shardplan/mesh/torus.hpp>

/// Orders on a torus as text (rank-orders sheet, section 10).
namespace shardplan {

/// `torus=4x4x4 data=4,model=16 split`: axes by increasing intensity; split: physical axes may be divided.
/// Errors SP-MESH-014.
inline View parse_torus(std::string_view given) {
  detail::OrderText text("torus", given);
  const auto physical = text.take("torus");
  const auto world = text.take_number("world");
  const auto split = text.take_bare();
  InlineVector<View::Extent, 6> sizes = text.take_sizes();
  text.finish();
  if (split && *split != "split") text.refuse(concat('\'', *split, "' has no meaning here"), "split, or nothing");
  if (!physical) text.refuse("the sizes of the torus are missing", "such as torus=4x4x4");
  Shape torus;
  for (std::size_t at = 0; at <= physical->size();) {
    const std::size_t end = physical->find('x', at) == physical->npos ? physical->size() : physical->find('x', at);
    torus.push_back(text.number("torus", physical->substr(at, end - at)));
    at = end + 1;
  }
  const View out = torus_view(torus, sizes, split.has_value());
  if (world && *world != out.size())
    text.refuse(concat("a world of ", *world, " ranks on a torus of ", out.size()), "as many");
  return out;
}

/// A torus on which JAX finds an order. Tori are tried whose axes begin and end at digits of the order.
/// Errors SP-MESH-014 where there is none.
inline std::string print_torus(const View& view) {
  detail::require_no_offset("torus", view);
  if (detail::moves_ranks(view.wires()))
    fail("SP-MESH-014", "an order on a torus has no wire", "devicemesh, xla or shardy: they list the ranks");
  const detail::DigitChain digits = detail::digit_chain(view);
  const InlineVector<View::Extent, 6>& axes = view.axes();
  if (digits.size() > max_torus_axes)
    fail("SP-MESH-014", concat("an order of ", digits.size(), " digits on a torus"),
         concat("at most ", max_torus_axes, "; xla: any order of digits"));
  // Bit i of `cuts`: a new physical axis begins behind digit i. All cuts first: most tori have several axes.
  const std::size_t places = digits.empty() ? 0 : digits.size() - 1;
  for (std::size_t cuts = std::size_t{1} << places; cuts-- > 0;)
    for (const bool split : {false, true}) {
      Shape torus;  // innermost first, then turned round
      for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i == 0 || (cuts >> (i - 1) & 1) != 0) torus.push_back(1);
        torus.back() *= digits[i].extent;
      }
      for (std::size_t i = 0; i < torus.size() / 2; ++i) std::swap(torus[i], torus[torus.size() - 1 - i]);
      if (torus.empty()) torus.push_back(1);
      if (torus.size() > max_torus_axes) continue;
      std::optional<View> found;
      try {
        found = torus_view(torus, axes, split);
      } catch (const Error&) {
        continue;  // JAX finds nothing there
      }
      if (same_order(view, *found)) continue;
      Names sizes;
      for (const View::Extent& one : axes) sizes.push_back(concat(one.axis.name(), '=', one.size));
      return concat("torus=", join(torus, "x"), ' ', join(sizes, ","), split ? " split" : "");
    }
  fail("SP-MESH-014", "JAX lays no axes this way along a torus whose axes begin at digits of the order",
       "xla: any order of digits");
}

}  // namespace shardplan
