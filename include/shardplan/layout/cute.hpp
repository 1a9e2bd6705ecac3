#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/core/shape.hpp>
#include <shardplan/mesh/view.hpp>

/// The layout algebra of CuTe: functions from an index to an offset, as nested shapes and strides. The first mode is
/// the fastest (rank-orders sheet, section 11).
namespace shardplan::cute {

/// A mode without modes of its own: `shape` steps of `stride`.
struct Mode {
  Index shape = 1;
  Index stride = 0;
  friend constexpr bool operator==(Mode, Mode) = default;
};
using Modes = InlineVector<Mode, 8>;

/// A mode, or a tuple of layouts. One list in pre-order, whatever the nesting.
class Layout {
 public:
  struct Node {
    std::uint32_t modes = 0;  ///< of a tuple; 0: no tuple
    Mode mode;
    friend constexpr bool operator==(const Node&, const Node&) = default;
  };
  using Nodes = InlineVector<Node, 8>;

  /// 1:0
  constexpr Layout() : nodes_{Node{}} {}
  /// shape:stride. Errors SP-LAYOUT-012 a shape < 1, a stride < 0; SP-CORE-001 offsets beyond 64 bits.
  constexpr Layout(Index shape, Index stride) : nodes_{Node{0, {shape, stride}}} { check(); }
  /// (a, b, ...). Errors SP-LAYOUT-012 no layout; SP-CORE-001 a size or offset beyond 64 bits.
  constexpr explicit Layout(const InlineVector<Layout, 2>& modes) {
    if (modes.empty()) fail("SP-LAYOUT-012", "a CuTe layout of no modes", "at least one");
    nodes_.push_back({static_cast<std::uint32_t>(modes.size()), {}});
    for (const Layout& mode : modes) nodes_.append(mode.nodes_);
    check();
  }
  /// The same from its nodes in pre-order. Errors SP-LAYOUT-012 nodes that are no one tree; as above.
  constexpr explicit Layout(const Nodes& nodes) : nodes_(nodes) { check(); }

  constexpr const Nodes& nodes() const { return nodes_; }
  constexpr bool is_tuple() const { return nodes_[0].modes > 0; }
  /// Number of modes; 1 for one that is no tuple.
  constexpr std::size_t rank() const { return is_tuple() ? nodes_[0].modes : 1; }
  /// One of them. Pre: i < rank().
  constexpr Layout operator[](std::size_t i) const {
    if (!is_tuple()) return *this;
    std::size_t at = 1;
    while (i-- > 0) at = end_of(at);
    Layout out;
    out.nodes_.clear();
    for (const std::size_t end = end_of(at); at < end; ++at) out.nodes_.push_back(nodes_[at]);
    return out;
  }
  /// The modes that are no tuples, fastest first.
  constexpr Modes flat() const {
    Modes out;
    for (const Node& node : nodes_)
      if (node.modes == 0) out.push_back(node.mode);
    return out;
  }

  /// Indices the layout takes.
  constexpr Index size() const {
    Index out = 1;
    for (const Mode mode : flat()) out *= mode.shape;
    return out;
  }
  /// One more than the largest offset.
  constexpr Index cosize() const {
    Index out = 1;
    for (const Mode mode : flat()) out += (mode.shape - 1) * mode.stride;
    return out;
  }
  /// The offset of an index; indices from size() on go on along the last mode.
  constexpr Index operator()(Index index) const {
    const Modes modes = flat();
    Index out = 0;
    for (std::size_t i = 0; i + 1 < modes.size(); ++i) {
      out += index % modes[i].shape * modes[i].stride;
      index /= modes[i].shape;
    }
    return out + index * modes.back().stride;
  }

  /// The same nesting, not merely the same function.
  friend constexpr bool operator==(const Layout&, const Layout&) = default;

 private:
  constexpr std::size_t end_of(std::size_t at) const {
    for (std::size_t open = 1; open > 0 && at < nodes_.size(); ++at) open += nodes_[at].modes - std::size_t{1};
    return at;
  }
  constexpr void check() const {
    std::size_t open = 1;
    for (const Node& node : nodes_) open = open == 0 ? nodes_.size() + 1 : open + node.modes - 1;
    if (nodes_.empty() || open != 0 || (nodes_.size() == 1 && nodes_[0].modes > 0))
      fail("SP-LAYOUT-012", "the modes of a CuTe layout are not one tree", "at least one mode a tuple");
    Index size = 1, cosize = 1;
    for (const Mode mode : flat()) {
      if (mode.shape < 1 || mode.stride < 0)
        fail("SP-LAYOUT-012", concat("mode ", mode.shape, ':', mode.stride, " of a CuTe layout"),
             "a shape of at least 1, a stride of at least 0");
      size = checked_mul(size, mode.shape);
      cosize = checked_add(cosize, checked_mul(mode.shape - 1, mode.stride));
    }
  }

  Nodes nodes_;
};

/// Modes as a layout: a tuple, or one mode alone, or 1:0 for none.
constexpr Layout make_layout(const Modes& modes) {
  if (modes.empty()) return {};
  if (modes.size() == 1) return {modes[0].shape, modes[0].stride};
  Layout::Nodes nodes{{static_cast<std::uint32_t>(modes.size()), {}}};
  for (const Mode mode : modes) nodes.push_back({0, mode});
  return Layout(nodes);
}

/// The same function in the fewest modes, flat: sizes of 1 dropped, neighbours that continue each other merged.
constexpr Layout coalesce(const Layout& layout) {
  Modes out;
  for (const Mode mode : layout.flat()) {
    if (mode.shape == 1) continue;
    if (!out.empty() && out.back().shape * out.back().stride == mode.stride)
      out.back().shape *= mode.shape;
    else
      out.push_back(mode);
  }
  return make_layout(out);
}

/// a after b, nested as b is; where b leaves a, a goes on along its last mode.
/// Post: compose(a, b)(i) == coalesce(a)(b(i)) for i < b.size(). Errors SP-LAYOUT-012 a mode of b that runs askew
/// through those of a, or modes of b that together carry from one mode of a into the next.
constexpr Layout compose(const Layout& a, const Layout& b) {
  const Modes through = coalesce(a).flat();
  Shape reached(through.size(), 0);  // largest coordinate along each mode of a
  Layout::Nodes out;
  for (const Layout::Node& node : b.nodes()) {
    if (node.modes > 0) {
      out.push_back(node);
      continue;
    }
    Modes made;
    Mode rest = node.mode;
    const auto refuse = [&](Mode inside) {
      fail("SP-LAYOUT-012",
           concat("mode ", node.mode.shape, ':', node.mode.stride, " does not run evenly through mode ", inside.shape,
                  ':', inside.stride),
           "shapes and strides that divide one another");
    };
    for (std::size_t i = 0; rest.shape > 1 && rest.stride > 0 && i + 1 < through.size(); ++i) {
      const Mode inside = through[i];
      if (inside.shape % rest.stride != 0 && rest.stride % inside.shape != 0) refuse(inside);
      const Index steps = smaller(larger(1, inside.shape / rest.stride), rest.shape);
      if (rest.shape % steps != 0) refuse(inside);
      if (steps > 1) reached[i] += (steps - 1) * rest.stride;
      if (reached[i] >= inside.shape)
        fail("SP-LAYOUT-012",
             concat("the modes up to ", node.mode.shape, ':', node.mode.stride, " add up to ", reached[i],
                    " along mode ", inside.shape, ':', inside.stride),
             "modes that do not overlap");
      if (steps > 1) made.push_back({steps, checked_mul(rest.stride, inside.stride)});
      rest = {rest.shape / steps, ceil_div(rest.stride, inside.shape)};
    }
    if (rest.shape > 1) made.push_back({rest.shape, checked_mul(rest.stride, through.back().stride)});
    out.append(make_layout(made).nodes());
  }
  return Layout(out);
}

namespace detail {

/// Modes of more than one step, by stride and then shape, each with what one of its steps counts in the index.
struct Step {
  Mode mode;
  Index weight = 1;
};
constexpr InlineVector<Step, 8> by_stride(const Layout& layout) {
  InlineVector<Step, 8> out;
  Index weight = 1;
  for (const Mode mode : layout.flat()) {
    if (mode.shape > 1) out.push_back({mode, weight});
    weight *= mode.shape;
  }
  const auto before = [](Mode a, Mode b) { return a.stride != b.stride ? a.stride < b.stride : a.shape < b.shape; };
  for (std::size_t i = 1; i < out.size(); ++i)
    for (std::size_t j = i; j > 0 && before(out[j].mode, out[j - 1].mode); --j) std::swap(out[j], out[j - 1]);
  return out;
}

}  // namespace detail

/// The smallest layout that together with `layout` reaches all of [0, n), as far as the strides of `layout` are
/// multiples of what its smaller ones reach: of one group, the first ranks of all groups. Post: ascending offsets, none
/// of them one of `layout` but 0. Errors SP-LAYOUT-012 modes that overlap, n < 0.
constexpr Layout complement(const Layout& layout, Index n = 1) {
  if (n < 0) fail("SP-LAYOUT-012", concat("a complement in [0, ", n, ')'), "0 or more");
  Modes out;
  Index reached = 1;
  for (const auto& [mode, weight] : detail::by_stride(layout)) {
    if (mode.stride == 0) continue;
    if (mode.stride < reached)
      fail("SP-LAYOUT-012",
           concat("mode ", mode.shape, ':', mode.stride, " does not stand clear of the offsets below ", reached),
           concat("a stride of at least ", reached));
    out.push_back({mode.stride / reached, reached});
    reached = checked_mul(mode.shape, mode.stride);
  }
  out.push_back({larger(1, ceil_div(n, reached)), reached});
  return coalesce(make_layout(out));
}

/// The index of every offset from 0 on, as far as the modes by ascending stride follow one another.
/// Post: layout(right_inverse(layout)(i)) == i for i < right_inverse(layout).size().
constexpr Layout right_inverse(const Layout& layout) {
  Modes out;
  Index reached = 1;
  for (const auto& [mode, weight] : detail::by_stride(layout)) {
    if (mode.stride != reached) break;
    out.push_back({mode.shape, weight});
    reached = mode.shape * mode.stride;
  }
  return coalesce(make_layout(out));
}

/// The index of every offset that a layout reaches. Post: left_inverse(layout)(layout(i)) == i for a layout whose
/// offsets are all different. Errors SP-LAYOUT-012 as complement().
constexpr Layout left_inverse(const Layout& layout) {
  return right_inverse(Layout(InlineVector<Layout, 2>{layout, complement(layout)}));
}

/// a in tiles: first mode inside a tile of b, second mode over the tiles. Errors SP-LAYOUT-012 as compose, complement.
constexpr Layout logical_divide(const Layout& a, const Layout& b) {
  return compose(a, Layout(InlineVector<Layout, 2>{b, complement(b, a.size())}));
}

/// a at every offset of b, in units of a. Errors SP-LAYOUT-012 as compose, complement; SP-CORE-001.
constexpr Layout logical_product(const Layout& a, const Layout& b) {
  const Layout over = compose(complement(a, checked_mul(a.size(), b.cosize())), b);
  return Layout(InlineVector<Layout, 2>{a, over});
}

/// The ranks of a view as a layout: one mode an axis, the last axis first, a tuple where an axis has several digits.
/// Errors SP-LAYOUT-012 a view with a wire or an offset.
constexpr Layout layout_of(const View& view) {
  if (view.wires().node != 0 || view.offset() != 0)
    fail("SP-LAYOUT-012", "a view with a wire or an offset is no sum of strides");
  InlineVector<Layout, 2> modes;
  for (std::size_t axis = view.axes().size(); axis-- > 0;) {
    Modes digits;
    for (Index weight = 1; weight < view.axes()[axis].size;)
      for (const View::Slot& slot : view.slots()) {
        if (slot.axis != axis || slot.weight != weight || slot.extent == 1) continue;
        digits.push_back({slot.extent, slot.stride});
        weight *= slot.extent;
      }
    modes.push_back(make_layout(digits));
  }
  return Layout(modes);
}

/// A layout that numbers [0, size) as a view with one axis a mode, the last mode outermost.
/// Post: the rank at a place is the layout's offset at those coordinates. Errors SP-LAYOUT-012 gaps, offsets that occur
/// twice, or not one name a mode, all different.
constexpr View view_of(const Layout& layout, const InlineVector<Axis, 4>& names) {
  bool valid = names.size() == layout.rank();
  for (std::size_t i = 0; i < names.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) valid = valid && names[i] != names[j];
  if (!valid)
    fail("SP-LAYOUT-012", concat(names.size(), " axes for a CuTe layout of rank ", layout.rank()), "one each");
  InlineVector<ViewDigit, 8> digits;
  InlineVector<Index, 8> strides;
  for (std::size_t i = layout.rank(); i-- > 0;) {  // a view lists its axes as they first occur
    digits.push_back({names[i], 1, 1});
    strides.push_back(layout.size());
  }
  for (std::size_t i = 0; i < layout.rank(); ++i) {
    Index weight = 1;
    for (const Mode mode : layout[i].flat()) {
      if (mode.shape == 1) continue;
      digits.push_back({names[i], mode.shape, weight});
      strides.push_back(mode.stride);
      weight *= mode.shape;
      for (std::size_t j = digits.size() - 1; j > layout.rank() && strides[j] > strides[j - 1]; --j) {
        std::swap(digits[j], digits[j - 1]);
        std::swap(strides[j], strides[j - 1]);
      }
    }
  }
  Index reached = 1;
  for (std::size_t i = digits.size(); i-- > layout.rank(); reached *= digits[i].extent)
    if (strides[i] != reached)
      fail("SP-LAYOUT-012",
           concat("a CuTe layout with stride ", strides[i], " where the offsets below reach ", reached),
           "every offset below the size, once");
  return View(digits);
}

/// `((2,2),3):((24,2),8)`
inline void append_to(std::string& out, const Layout& layout) {
  for (const bool strides : {false, true}) {
    if (strides) out += ':';
    InlineVector<std::uint32_t, 8> open;  // modes still to come, by depth
    for (const Layout::Node& node : layout.nodes()) {
      if (node.modes > 0) {
        out += '(';
        open.push_back(node.modes);
        continue;
      }
      out += concat(strides ? node.mode.stride : node.mode.shape);
      while (!open.empty() && --open.back() == 0) {
        out += ')';
        open.pop_back();
      }
      if (!open.empty()) out += ',';
    }
  }
}

/// Reads `shape:stride`, or a shape alone, whose strides are then those of a compact layout. Post: parse(text of a) ==
/// a. Errors SP-LAYOUT-012; SP-CORE-001 numbers beyond 64 bits.
constexpr Layout parse(std::string_view text) {
  std::size_t at = 0;
  const auto refuse = [&](std::string_view wanted) {
    fail("SP-LAYOUT-012", concat("CuTe layout '", text.substr(0, 80), "': no ", wanted, " at column ", at + 1));
  };
  const auto take = [&](char letter) {
    while (at < text.size() && text[at] == ' ') ++at;
    const bool found = at < text.size() && text[at] == letter;
    at += found;
    return found;
  };
  const auto tree = [&] {
    Layout::Nodes out;
    InlineVector<std::size_t, 8> open;
    do {
      while (take('(')) {
        open.push_back(out.size());
        out.push_back({1, {}});
      }
      const std::size_t first = at;
      Index number = 0;
      for (; at < text.size() && '0' <= text[at] && text[at] <= '9'; ++at)
        number = checked_add(checked_mul(number, 10), text[at] - '0');
      if (at == first) refuse("number");
      out.push_back({0, {number, number}});
      while (!open.empty() && !take(',')) {
        if (!take(')')) refuse("',' or ')'");
        open.pop_back();
      }
      if (!open.empty()) ++out[open.back()].modes;
    } while (!open.empty());
    return out;
  };
  Layout::Nodes out = tree();
  const bool given = take(':');
  const Layout::Nodes strides = given ? tree() : out;
  take(' ');
  if (at != text.size()) refuse("end");
  Index compact = 1;
  bool same = out.size() == strides.size();
  for (std::size_t i = 0; same && i < out.size(); ++i) {
    same = out[i].modes == strides[i].modes;
    if (out[i].modes > 0) continue;
    out[i].mode.stride = given ? strides[i].mode.stride : compact;
    if (!given) compact = checked_mul(compact, out[i].mode.shape);
  }
  if (!same) fail("SP-LAYOUT-012", concat("CuTe layout '", text.substr(0, 80), "'"), "strides nested as the shape is");
  return Layout(out);
}

}  // namespace shardplan::cute
