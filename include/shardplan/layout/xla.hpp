#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/layout/layout.hpp>

/// Tile assignments of XLA, both ways: text, devices, views and layouts (rank-orders sheet, section 9). Partition specs
/// of JAX, which make them, stand with the other named axes in layout/shardy.hpp.
namespace shardplan::xla {

namespace detail {

/// Reads a text from the left; what does not fit is refused with its column.
class Scanner {
 public:
  constexpr Scanner(std::string_view text, std::string_view what) : text_(text), what_(what) {}

  /// Whether `word` comes next, blanks aside; then it is passed.
  constexpr bool take(std::string_view word) {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  constexpr void expect(std::string_view word) {
    if (!take(word)) refuse(concat('\'', word, '\''));
  }
  constexpr bool at_number() {
    take("");
    return at_ < text_.size() && is_digit(text_[at_]);
  }
  constexpr Index number() {
    if (!at_number()) refuse("a number");
    Index out = 0;
    for (; at_ < text_.size() && is_digit(text_[at_]); ++at_) out = checked_add(checked_mul(out, 10), text_[at_] - '0');
    return out;
  }
  constexpr Shape numbers(std::string_view close) {
    Shape out{number()};
    while (take(",")) out.push_back(number());
    if (!close.empty()) expect(close);
    return out;
  }
  /// Everything up to `close`, which is passed.
  constexpr std::string_view until(char close) {
    const std::size_t first = at_;
    while (at_ < text_.size() && text_[at_] != close) ++at_;
    if (at_ == text_.size()) refuse(concat('\'', close, '\''));
    return text_.substr(first, at_++ - first);
  }
  constexpr void end() {
    take("");
    if (at_ != text_.size()) refuse("the end");
  }
  [[noreturn]] void refuse(std::string_view wanted) const {
    fail("SP-LAYOUT-012", concat(what_, " '", text_.substr(0, 80), "': no ", wanted, " at column ", at_ + 1));
  }

 private:
  static constexpr bool is_digit(char letter) { return '0' <= letter && letter <= '9'; }

  std::string_view text_;
  std::string_view what_;
  std::size_t at_ = 0;
};

template <class Numbers>
constexpr bool is_permutation(const Numbers& numbers) {
  InlineVector<bool, 16> seen(numbers.size(), false);
  for (const Index number : numbers) {
    if (number < 0 || number >= static_cast<Index>(numbers.size()) || seen[static_cast<std::size_t>(number)])
      return false;
    seen[static_cast<std::size_t>(number)] = true;
  }
  return true;
}

/// Product of the extents of a grid of devices. Errors SP-LAYOUT-012 an extent < 1, more than View::max_ranks.
constexpr Index devices_of(const Shape& extents) {
  Index out = 1;
  for (const Index extent : extents) {
    if (extent < 1 || extent > View::max_ranks / out)
      fail("SP-LAYOUT-012", concat("a grid of ", extents, " devices"), "extents of at least 1, at most 2^31 devices");
    out *= extent;
  }
  return out;
}

}  // namespace detail

/// Which device stands at which tile. Iota form: the device at a tile is
/// arange(n).reshape(reshape_dims).transpose(permutation).reshape(dims); listed form: any order of 0..n-1.
///
/// Post: device(tile(d)) == d for every device; in iota form both are O(dims), whatever the number of devices.
class TileAssignment {
 public:
  using Permutation = InlineVector<Index, 4>;

  /// One device, no dimension.
  constexpr TileAssignment() = default;
  /// Devices in row-major order of the tiles. Errors SP-LAYOUT-012 an extent < 1, more than 2^31 devices.
  constexpr explicit TileAssignment(const Shape& dims) : TileAssignment(dims, {detail::devices_of(dims)}, {0}) {}
  /// Iota form. Errors SP-LAYOUT-012 an extent < 1, products that differ, no permutation of the reshape dims.
  constexpr TileAssignment(const Shape& dims, const Shape& reshape_dims, const Permutation& permutation)
      : dims_(dims), reshape_(reshape_dims), permutation_(permutation) {
    const Index tiles = detail::devices_of(dims), devices = detail::devices_of(reshape_dims);
    if (tiles != devices)
      fail("SP-LAYOUT-012", concat("tiles ", dims, " number ", tiles, ", devices ", reshape_dims, " number ", devices),
           "equal products");
    if (permutation.size() != reshape_dims.size() || !detail::is_permutation(permutation))
      fail("SP-LAYOUT-012", concat("T(", join(permutation, ","), ") does not permute ", reshape_dims),
           concat("0 to ", static_cast<Index>(reshape_dims.size()) - 1, ", each once"));
  }
  /// Listed form: device at each tile, row-major. Errors SP-LAYOUT-012 no permutation of 0..n-1.
  static constexpr TileAssignment listed(const Shape& dims, const InlineVector<Index, 4>& devices) {
    TileAssignment out(dims);
    if (out.size() != static_cast<Index>(devices.size()) || !detail::is_permutation(devices))
      fail("SP-LAYOUT-012", concat("a list of ", devices.size(), " devices for the ", out.size(), " tiles of ", dims),
           "every device from 0 on, each once");
    out.wire_ = wire(out.size(), devices);
    return out;
  }

  constexpr const Shape& dims() const { return dims_; }
  constexpr const Shape& reshape_dims() const { return reshape_; }
  constexpr const Permutation& permutation() const { return permutation_; }
  constexpr bool is_listed() const { return wire_.node != 0; }
  constexpr Index size() const { return elements(dims_); }

  /// The device at a tile. Pre: one index inside every dimension.
  constexpr Rank device(const Shape& tile) const {
    Index rest = 0, out = 0;
    for (std::size_t d = 0; d < dims_.size(); ++d) rest = rest * dims_[d] + tile[d];
    const Shape strides = row_major_strides(reshape_);
    for (std::size_t i = permutation_.size(); i-- > 0;) {
      const auto at = static_cast<std::size_t>(permutation_[i]);
      out += rest % reshape_[at] * strides[at];
      rest /= reshape_[at];
    }
    return wire_.to_physical(out);
  }
  /// The tile of a device. Pre: 0 <= device < size().
  constexpr Shape tile(Rank device) const {
    const Shape strides = row_major_strides(reshape_);
    const Index number = wire_.to_logical(device.value);
    Index rest = 0;
    for (const Index at : permutation_) {
      const auto i = static_cast<std::size_t>(at);
      rest = rest * reshape_[i] + number / strides[i] % reshape_[i];
    }
    Shape out(dims_.size(), 0);
    for (std::size_t d = dims_.size(); d-- > 0; rest /= dims_[d]) out[d] = rest % dims_[d];
    return out;
  }

  /// The device at every tile, row-major: a list, made when asked for.
  constexpr InlineVector<Index, 4> devices() const {
    InlineVector<Index, 4> out;
    Shape tile(dims_.size(), 0);
    for (Index i = size(); i-- > 0;) {
      out.push_back(device(tile).value);
      for (std::size_t d = tile.size(); d-- > 0 && ++tile[d] == dims_[d];) tile[d] = 0;
    }
    return out;
  }

  /// The same tiles in the fewest reshape dims: none of size 1, none that keeps following its neighbour.
  constexpr TileAssignment canonical() const {
    TileAssignment out = *this;
    out.reshape_.clear();
    out.permutation_.clear();
    InlineVector<Index, 4> firsts;  // reshape dim where each run begins, in permuted order
    Shape runs;
    Index last = -1;
    for (const Index at : permutation_) {
      const Index extent = reshape_[static_cast<std::size_t>(at)];
      if (extent == 1) continue;
      Index next = last + 1;
      while (next < at && reshape_[static_cast<std::size_t>(next)] == 1) ++next;
      if (last >= 0 && next == at) {
        runs.back() *= extent;
      } else {
        firsts.push_back(at);
        runs.push_back(extent);
      }
      last = at;
    }
    out.reshape_.resize(runs.empty() ? 1 : runs.size(), 1);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      Index position = 0;
      for (const Index other : firsts) position += other < firsts[i];
      out.permutation_.push_back(position);
      out.reshape_[static_cast<std::size_t>(position)] = runs[i];
    }
    if (runs.empty()) out.permutation_.push_back(0);
    return out;
  }

  /// The same devices with the tile dimensions in another order, and then in other extents of the same product. Stays
  /// iota where every dimension is made of whole digits of the device number. Errors SP-LAYOUT-012.
  constexpr TileAssignment transposed(const Permutation& order, const Shape& dims) const {
    if (order.size() != dims_.size() || !detail::is_permutation(order))
      fail("SP-LAYOUT-012", concat('(', join(order, ","), ") does not permute ", dims_));
    if (const auto found = digits()) {
      Shape reshape;
      Permutation permutation;
      for (const TileDigit& digit : by_stride(*found)) reshape.push_back(digit.extent);
      for (const Index dim : order)
        for (const TileDigit& digit : *found) {
          if (digit.dim != static_cast<std::size_t>(dim)) continue;
          Index position = 0;
          for (const TileDigit& other : *found) position += other.stride > digit.stride;
          permutation.push_back(position);
        }
      return TileAssignment(dims, reshape, permutation).canonical();
    }
    check_listable();
    Shape tile(dims_.size(), 0);
    InlineVector<Index, 4> list;
    for (Index i = 0; i < size(); ++i) {
      Index rest = i;
      for (std::size_t k = order.size(); k-- > 0;) {
        const auto dim = static_cast<std::size_t>(order[k]);
        tile[dim] = rest % dims_[dim];
        rest /= dims_[dim];
      }
      list.push_back(device(tile).value);
    }
    return listed(dims, list);
  }

  /// The devices as a view with one axis a dimension, in their order. Post: view.place(d) == tile(d).
  /// Errors SP-LAYOUT-012 unless there is one name a dimension, all different.
  constexpr View view(const InlineVector<Axis, 4>& names) const {
    bool valid = names.size() == dims_.size();
    for (std::size_t i = 0; i < names.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) valid = valid && names[i] != names[j];
    if (!valid) fail("SP-LAYOUT-012", concat(names.size(), " axes for tiles ", dims_), "one name each");
    InlineVector<ViewDigit, 8> out;
    if (const auto found = digits()) {
      for (const Axis name : names) out.push_back({name, 1, 1});  // a view lists its axes as they first occur
      for (const TileDigit& digit : by_stride(*found)) out.push_back({names[digit.dim], digit.extent, digit.weight});
      return View(out);
    }
    check_listable();
    for (std::size_t d = 0; d < names.size(); ++d) out.push_back({names[d], dims_[d]});
    return View(out, wire(size(), devices()));
  }

  /// The same form, not merely the same order of devices.
  friend constexpr bool operator==(const TileAssignment&, const TileAssignment&) = default;

 private:
  /// A text of a few letters must not ask for gigabytes.
  constexpr void check_listable() const {
    if (size() > Index{1} << 24)
      fail("SP-LAYOUT-012", concat(size(), " devices whose tiles ", dims_, " are no whole digits of ", reshape_),
           "at most 2^24 devices, or tiles that divide the reshape dims");
  }
  /// Part of a tile index that is also part of the device number.
  struct TileDigit {
    std::size_t dim;
    Index extent;
    Index weight;  ///< in the tile index
    Index stride;  ///< in the device number
  };
  using TileDigits = InlineVector<TileDigit, 8>;

  /// The tile dimensions, major first, taken apart at the bounds of the permuted reshape dims, sizes of 1 left out;
  /// nothing where the bounds do not divide one another.
  constexpr std::optional<TileDigits> digits() const {
    if (is_listed()) return std::nullopt;
    TileDigits out;
    const Shape strides = row_major_strides(reshape_);
    std::size_t p = permutation_.size();
    Index left = 1, stride = 1;
    for (std::size_t d = dims_.size(); d-- > 0;) {
      for (Index weight = 1, wanted = dims_[d]; wanted > 1;) {
        while (left == 1) {
          const auto at = static_cast<std::size_t>(permutation_[--p]);
          left = reshape_[at];
          stride = strides[at];
        }
        const Index extent = smaller(left, wanted);
        if (left % extent != 0 || wanted % extent != 0) return std::nullopt;
        out.push_back({d, extent, weight, stride});
        left /= extent;
        wanted /= extent;
        stride *= extent;
        weight *= extent;
      }
    }
    for (std::size_t i = 0; i < out.size() / 2; ++i) std::swap(out[i], out[out.size() - 1 - i]);
    return out;
  }
  static constexpr TileDigits by_stride(TileDigits digits) {
    for (std::size_t i = 1; i < digits.size(); ++i)
      for (std::size_t j = i; j > 0 && digits[j].stride > digits[j - 1].stride; --j)
        std::swap(digits[j], digits[j - 1]);
    return digits;
  }

  Shape dims_;
  Shape reshape_{1};
  Permutation permutation_{0};
  Wire wire_;  ///< listed form only
};

/// The part of a dimension of length n that tile i of `tiles` holds; empty at n for tiles behind the data.
constexpr Interval tile_bounds(Index n, Index tiles, Index i) {
  const Index step = larger(1, ceil_div(n, tiles));
  const auto bound = [=](Index k) { return k > n / step ? n : k * step; };
  return {bound(i), bound(i + 1)};
}

/// What the devices along a trailing tile dimension have in common.
enum class Subgroup : std::uint8_t { replicated, manual, unreduced };
constexpr std::string_view name(Subgroup type) {
  constexpr std::string_view names[] = {"replicated", "manual", "unreduced"};
  return names[static_cast<std::size_t>(type)];
}

/// How one tensor lies on the devices: tiles with trailing subgroups, or the same form everywhere.
struct Sharding {
  enum class Form : std::uint8_t { replicated, manual, unreduced, maximal, tiled };
  Form form = Form::replicated;
  Index device = 0;                     ///< maximal: the only one
  TileAssignment tiles;                 ///< tiled
  InlineVector<Subgroup, 4> subgroups;  ///< tiled: types of the last dimensions

  /// Tiled: dimensions of the tensor.
  constexpr std::size_t rank() const { return tiles.dims().size() - subgroups.size(); }
  friend constexpr bool operator==(const Sharding&, const Sharding&) = default;
};

/// As XLA keeps it: fewest reshape dims; subgroups of size 1 dropped, equal types merged, manual before unreduced
/// before replicated; a single subgroup without tiles becomes the form of that name. Errors SP-LAYOUT-012 more
/// subgroups than dimensions.
constexpr Sharding canonical(const Sharding& given) {
  if (given.form != Sharding::Form::tiled) return given;
  const Shape& dims = given.tiles.dims();
  if (given.subgroups.size() > dims.size())
    fail("SP-LAYOUT-012", concat(given.subgroups.size(), " subgroups of tiles ", dims), "at most one a dimension");
  Sharding out{Sharding::Form::tiled, 0, {}, {}};
  Shape kept;
  TileAssignment::Permutation order;
  Index tiles = 1;
  for (std::size_t d = 0; d < given.rank(); ++d) {
    tiles *= dims[d];
    kept.push_back(dims[d]);
    order.push_back(static_cast<Index>(d));
  }
  for (const Subgroup type : {Subgroup::manual, Subgroup::unreduced, Subgroup::replicated}) {
    Index size = 1;
    for (std::size_t i = 0; i < given.subgroups.size(); ++i) {
      if (given.subgroups[i] != type) continue;
      size *= dims[given.rank() + i];
      order.push_back(static_cast<Index>(given.rank() + i));
    }
    if (size == 1) continue;
    kept.push_back(size);
    out.subgroups.push_back(type);
  }
  if (tiles == 1 && (out.subgroups.empty() ? given.subgroups.size() > 0 : out.subgroups.size() == 1)) {
    const Subgroup type = out.subgroups.empty() ? given.subgroups[0] : out.subgroups[0];
    constexpr Sharding::Form forms[] = {Sharding::Form::replicated, Sharding::Form::manual, Sharding::Form::unreduced};
    return {forms[static_cast<std::size_t>(type)], 0, {}, {}};
  }
  bool moved = kept != dims;
  for (std::size_t d = 0; d < order.size(); ++d) moved = moved || order[d] != static_cast<Index>(d);
  out.tiles = moved ? given.tiles.transposed(order, kept) : given.tiles.canonical();
  return out;
}

/// `{devices=[4,1,2]<=[2,4]T(1,0) last_tile_dim_replicate}`, in canonical form. Post: parse(text) == canonical(given).
inline void append_to(std::string& out, const Sharding& given) {
  const Sharding s = canonical(given);
  constexpr std::string_view words[] = {"{replicated}", "{manual}", "{unreduced}"};
  if (s.form == Sharding::Form::maximal) return shardplan::append_to(out, concat("{maximal device=", s.device, '}'));
  if (s.form != Sharding::Form::tiled) return shardplan::append_to(out, words[static_cast<std::size_t>(s.form)]);
  out += concat("{devices=[", join(s.tiles.dims(), ","), ']');
  if (s.tiles.is_listed()) {
    out += join(s.tiles.devices(), ",");
  } else {
    out += concat("<=[", join(s.tiles.reshape_dims(), ","), ']');
    if (s.tiles.reshape_dims().size() > 1) out += concat("T(", join(s.tiles.permutation(), ","), ')');
  }
  if (s.subgroups.size() == 1 && s.subgroups[0] == Subgroup::replicated) {
    out += " last_tile_dim_replicate";
  } else if (!s.subgroups.empty()) {
    Names names;
    for (const Subgroup type : s.subgroups) names.push_back(std::string(name(type)));
    out += concat(" last_tile_dims={", join(names, ", "), '}');
  }
  out += '}';
}

/// Reads any form of one sharding, with or without the outer braces, into canonical form. Errors SP-LAYOUT-012,
/// SP-CORE-001 a number beyond 64 bits.
constexpr Sharding parse(std::string_view text) {
  detail::Scanner in(text, "XLA sharding");
  Sharding out;
  const bool braced = in.take("{");
  const auto tail = [&] {
    if (braced) in.expect("}");
    in.end();
  };
  constexpr std::pair<std::string_view, Sharding::Form> words[] = {{"replicated", Sharding::Form::replicated},
                                                                   {"manual", Sharding::Form::manual},
                                                                   {"unreduced", Sharding::Form::unreduced},
                                                                   {"maximal", Sharding::Form::maximal}};
  for (const auto& [word, form] : words) {
    if (!in.take(word)) continue;
    out.form = form;
    if (form == Sharding::Form::maximal) {
      in.expect("device=");
      out.device = in.number();
    }
    tail();
    return out;
  }
  out.form = Sharding::Form::tiled;
  in.expect("devices=");
  in.expect("[");
  const Shape dims = in.numbers("]");
  if (in.take("<=")) {
    in.expect("[");
    const Shape reshape = in.numbers("]");
    TileAssignment::Permutation permutation;
    if (in.take("T")) {
      in.expect("(");
      permutation = in.numbers(")");
    } else {
      for (std::size_t i = 0; i < reshape.size(); ++i) permutation.push_back(static_cast<Index>(i));
    }
    out.tiles = TileAssignment(dims, reshape, permutation);
  } else {
    out.tiles = TileAssignment::listed(dims, in.numbers(""));
  }
  if (in.take("last_tile_dim_replicate")) {
    out.subgroups.push_back(Subgroup::replicated);
  } else if (in.take("last_tile_dims={")) {
    do {
      const std::size_t before = out.subgroups.size();
      for (const Subgroup type : {Subgroup::replicated, Subgroup::manual, Subgroup::unreduced})
        if (out.subgroups.size() == before && in.take(name(type))) out.subgroups.push_back(type);
      if (out.subgroups.size() == before) in.refuse("replicated, manual or unreduced");
    } while (in.take(","));
    in.expect("}");
  }
  tail();
  return canonical(out);
}

/// What a sharding puts on each of `devices` devices, over a view with the axes dim0, dim1, ... and the subgroups by
/// name. Post: the part at dimension d is tile_bounds(shape[d], tiles, tile index). Errors SP-LAYOUT-012 another rank
/// or number of devices than the sharding has.
constexpr Layout layout(const Sharding& given, const Shape& shape, Index devices) {
  const Sharding s = canonical(given);
  const Axis all{"device"};
  if (s.form == Sharding::Form::maximal) return Layout(View({{all, devices}}), shape).pinned(all, {s.device});
  if (s.form == Sharding::Form::unreduced) return Layout(View({{all, devices}}), shape).partial(all);
  if (s.form != Sharding::Form::tiled) return Layout(View({{all, devices}}), shape);
  if (s.rank() != shape.size() || s.tiles.size() != devices)
    fail("SP-LAYOUT-012", concat("a sharding of rank ", s.rank(), " on ", s.tiles.size(), " devices for rank ",
                                 shape.size(), " on ", devices));
  InlineVector<Axis, 4> axes;
  for (std::size_t d = 0; d < shape.size(); ++d) axes.push_back(Axis(concat("dim", d)));
  for (const Subgroup type : s.subgroups) axes.push_back(Axis(name(type)));
  Layout out(s.tiles.view(axes), shape);
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (s.tiles.dims()[d] > 1) out = out.then(d, split(axes[d]).ceil());
  for (std::size_t i = 0; i < s.subgroups.size(); ++i)
    if (s.subgroups[i] == Subgroup::unreduced) out = out.partial(axes[shape.size() + i]);
  return out;
}

}  // namespace shardplan::xla
