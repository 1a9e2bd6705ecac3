#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include <shardplan/layout/layout.hpp>
#include <shardplan/mesh/device_mesh.hpp>

/// Placements of PyTorch's DTensor as layouts (rank-orders sheet, section 8).
namespace shardplan::dtensor {

/// What one dim of a mesh does to a tensor.
struct Placement {
  enum class Kind : std::uint8_t { replicate, shard, strided_shard, partial };
  Kind kind = Kind::replicate;
  Index dim = 0;           ///< shards: of the tensor; -1 is the last
  Index split_factor = 1;  ///< strided shard: into how many chunks the dimension goes before each is cut
  ReduceOp op = ReduceOp::sum;

  friend constexpr bool operator==(const Placement&, const Placement&) = default;
};

/// One a mesh dim, applied in that order.
using Placements = InlineVector<Placement, 4>;

/// Every rank holds all.
constexpr Placement replicate() { return {}; }
/// Chunks of ceil(n / N), the last short, the rest empty.
constexpr Placement shard_on(Index dim) { return {Placement::Kind::shard, dim, 1, ReduceOp::sum}; }
/// The dimension in `split_factor` chunks, and of every chunk one of N: a mesh dim further right was applied before.
constexpr Placement strided_shard_on(Index dim, Index split_factor) {
  return {Placement::Kind::strided_shard, dim, split_factor, ReduceOp::sum};
}
/// Every rank holds a summand of all.
constexpr Placement partial_over(ReduceOp op = ReduceOp::sum) { return {Placement::Kind::partial, 0, 1, op}; }

namespace detail {

inline constexpr std::string_view reduce_names[] = {"sum", "avg", "max", "min", "product"};

struct PlacementName {
  std::string_view text;
  Placement::Kind kind;
};
/// Long names first, as `repr` prints them; then those of `str`.
inline constexpr PlacementName placement_names[] = {
    {"Replicate", Placement::Kind::replicate},
    {"Shard", Placement::Kind::shard},
    {"_StridedShard", Placement::Kind::strided_shard},
    {"Partial", Placement::Kind::partial},
    {"R", Placement::Kind::replicate},
    {"S", Placement::Kind::shard},
    {"_S", Placement::Kind::strided_shard},
    {"P", Placement::Kind::partial},
};

/// `Shard(0)` or `S(0)`.
inline std::string text_of(const Placement& placement, bool brief) {
  using Kind = Placement::Kind;
  std::string out(placement_names[static_cast<std::size_t>(placement.kind) + (brief ? 4 : 0)].text);
  if (placement.kind == Kind::replicate) return brief ? out : out + "()";
  if (placement.kind == Kind::partial)
    return concat(out, '(', reduce_names[static_cast<std::size_t>(placement.op)], ')');
  out += concat('(', placement.dim);
  if (placement.kind == Kind::strided_shard) out += concat(", ", placement.split_factor);
  return out + ')';
}

/// Reads placements letter by letter; every fault names the place where it stands.
class PlacementReader {
 public:
  explicit PlacementReader(std::string_view text) : text_(text) {}

  /// A list in brackets, round ones too, or without any.
  Placements all() {
    Placements out;
    const char close = take('[') ? ']' : take('(') ? ')' : '\0';
    while (close == '\0' ? !done() : !take(close)) {
      out.push_back(one());
      if (take(',')) continue;
      if (close != '\0') expect(close);
      break;
    }
    end();
    return out;
  }
  Placement one() {
    const std::string_view word = letters();
    for (const PlacementName& known : placement_names)
      if (known.text == word) return arguments(known.kind);
    at_ -= word.size();
    wrong("Shard(dim), _StridedShard(dim, split_factor), Replicate() or Partial(op)");
  }
  void end() {
    if (!done()) wrong("nothing more");
  }

 private:
  Placement arguments(Placement::Kind kind) {
    using Kind = Placement::Kind;
    Placement out{kind, 0, 1, ReduceOp::sum};
    if (kind == Kind::replicate || kind == Kind::partial) {
      if (!take('(') || take(')')) return out;
      if (kind == Kind::partial) out.op = op();
    } else {
      expect('(');
      key("dim");
      out.dim = number();
      if (kind == Kind::strided_shard) {
        expect(',');
        key("split_factor") || key("sf");
        out.split_factor = number();
      }
    }
    expect(')');
    return out;
  }
  ReduceOp op() {
    key("reduce_op");
    const std::string_view word = letters();
    for (std::size_t i = 0; i < std::size(reduce_names); ++i)
      if (reduce_names[i] == word) return static_cast<ReduceOp>(i);
    at_ -= word.size();
    wrong(join(reduce_names, ", "));
  }
  /// Takes `name=`, if it stands here.
  bool key(std::string_view name) {
    const std::size_t before = at_;
    if (letters() == name && take('=')) return true;
    at_ = before;
    return false;
  }
  Index number() {
    skip_blanks();
    const std::size_t before = at_;
    const bool negative = take('-');
    Index out = 0;
    const std::size_t digits = at_;
    while (at_ < text_.size() && '0' <= text_[at_] && text_[at_] <= '9') {
      // Built up on its own side of 0, so that the lowest number fits.
      const Index digit = text_[at_++] - '0';
      if (__builtin_mul_overflow(out, Index{10}, &out) ||
          __builtin_add_overflow(out, negative ? -digit : digit, &out)) {
        at_ = before;
        wrong("a number of 64 bits");
      }
    }
    if (at_ == digits) {
      at_ = before;
      wrong("a number");
    }
    return out;
  }

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool done() {
    skip_blanks();
    return at_ == text_.size();
  }
  bool take(char letter) {
    if (done() || text_[at_] != letter) return false;
    ++at_;
    return true;
  }
  void expect(char letter) {
    if (!take(letter)) wrong(concat('\'', letter, '\''));
  }
  std::string_view letters() {
    skip_blanks();
    const std::size_t first = at_;
    const auto is_letter = [](char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '_'; };
    while (at_ < text_.size() && is_letter(text_[at_])) ++at_;
    return text_.substr(first, at_ - first);
  }
  [[noreturn]] void wrong(std::string_view wanted) {
    const bool over = done();
    const char letter = over ? '\0' : text_[at_];
    const bool printable = ' ' < letter && letter <= '~';
    fail("SP-LAYOUT-012",
         over        ? std::string("the placements end too early")
         : printable ? concat("the placements hold '", letter, "' at letter ", at_ + 1)
                     : concat("the placements hold byte ", static_cast<unsigned char>(letter), " at letter ", at_ + 1),
         wanted, {"placements"});
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// Refuses placements that do not fit a mesh of `dims` dims and a tensor of `rank` dimensions. Errors SP-LAYOUT-012.
constexpr void check_placements(const Placements& placements, std::size_t dims, std::size_t rank) {
  if (placements.size() != dims)
    fail("SP-LAYOUT-012", concat(placements.size(), " placements on a mesh of ", dims, " dims"), "one a mesh dim",
         {"placements"});
  const auto end = static_cast<Index>(rank);
  for (const Placement& one : placements) {
    if (one.kind == Placement::Kind::replicate || one.kind == Placement::Kind::partial) continue;
    if (one.dim < -end || one.dim >= end)
      fail("SP-LAYOUT-012", concat(text_of(one, false), " of a tensor of rank ", end),
           rank == 0 ? std::string("Replicate() or Partial(op)") : concat(-end, " to ", end - 1), {"placements"});
    if (one.split_factor < 1)
      fail("SP-LAYOUT-012", concat(text_of(one, false), " has a split factor of ", one.split_factor), "at least 1",
           {"placements"});
  }
}

/// The dimension that a shard cuts, counted from the first.
constexpr std::size_t dim_of(const Placement& placement, std::size_t rank) {
  return static_cast<std::size_t>(placement.dim < 0 ? placement.dim + static_cast<Index>(rank) : placement.dim);
}

/// Appends what a placement of one mesh dim, made of these axes, does. Pre: check_placements passes.
constexpr Layout placed(const Layout& layout, const Placement& placement, const InlineVector<Axis, 2>& axes) {
  if (placement.kind == Placement::Kind::replicate) return layout;
  if (placement.kind == Placement::Kind::partial) {
    Layout out = layout;
    for (const Axis axis : axes) out = out.partial(axis, placement.op);
    return out;
  }
  InlineVector<Digit, 4> digits;
  for (const Axis axis : axes) digits.push_back(axis);
  const Chain cut = Split(digits).ceil();
  return layout.then(dim_of(placement, layout.rank()), placement.kind == Placement::Kind::shard
                                                           ? cut
                                                           : blocks(placement.split_factor, cut, PartRule::ceil));
}

}  // namespace detail

/// `Shard(0)`, `_StridedShard(0, 2)`, `Replicate()`, `Partial(sum)`.
inline void append_to(std::string& out, const Placement& placement) { out += detail::text_of(placement, false); }
/// `[Shard(0), Replicate()]`.
inline void append_to(std::string& out, const Placements& placements) {
  out += concat('[', join(placements, ", "), ']');
}
/// `[S(0), R]`: `S(0)`, `_S(0, 2)`, `R`, `P(sum)`.
inline std::string brief(const Placements& placements) {
  std::string out;
  for (const Placement& one : placements) out += concat(out.empty() ? "" : ", ", detail::text_of(one, true));
  return concat('[', out, ']');
}

/// Reads one placement, in the long notation or the brief one; numbers may be named as in `Shard(dim=0)`.
/// Errors SP-LAYOUT-012. Post: gives back what was printed.
inline Placement parse_placement(std::string_view text) {
  detail::PlacementReader reader(text);
  const Placement out = reader.one();
  reader.end();
  return out;
}
/// Reads a list of them: `[Shard(0), Replicate()]`, brackets round or left out. Errors SP-LAYOUT-012.
inline Placements parse_placements(std::string_view text) { return detail::PlacementReader(text).all(); }

/// A tensor on a mesh; it exists on no other rank. Errors SP-LAYOUT-012 not one placement a mesh dim, a dimension the
/// tensor does not have, a split factor below 1; SP-LAYOUT-009, SP-CORE-001 a wrong shape.
constexpr Layout layout_of(const DeviceMesh& mesh, const Shape& shape, const Placements& placements) {
  detail::check_placements(placements, mesh.dims().size(), shape.size());
  Layout out(mesh.view(), shape);
  for (std::size_t dim = 0; dim < placements.size(); ++dim)
    out = detail::placed(out, placements[dim], mesh.dims()[dim].axes);
  mesh.for_each_fixed([&out](Axis axis, Index coordinate) { out = out.pinned(axis, {coordinate}); });
  return out;
}
/// The same on all of a view: one placement an axis, in the order of `axes()`. Errors as above.
constexpr Layout layout_of(const View& view, const Shape& shape, const Placements& placements) {
  return layout_of(DeviceMesh(view), shape, placements);
}

/// The shape of the whole tensor that PyTorch assumes of a local one: every dimension that is cut times the mesh dim,
/// as if all shards were even. Errors SP-LAYOUT-012 as above, SP-CORE-001.
constexpr Shape global_shape(const DeviceMesh& mesh, const Shape& local, const Placements& placements) {
  detail::check_placements(placements, mesh.dims().size(), local.size());
  Shape out = local;
  for (std::size_t m = 0; m < placements.size(); ++m) {
    const Placement& one = placements[m];
    if (one.kind != Placement::Kind::shard && one.kind != Placement::Kind::strided_shard) continue;
    Index& extent = out[detail::dim_of(one, local.size())];
    extent = checked_mul(extent, mesh.dims()[m].size);
  }
  return out;
}

/// What DTensor says of the shard of a rank.
struct LocalTensor {
  Shape shape;
  Shape offset;  ///< first global index; of an empty dimension its full size

  friend constexpr bool operator==(const LocalTensor&, const LocalTensor&) = default;
};

/// Local shape and global offset of a rank as PyTorch reports them: shape [0] and no offset where the tensor does not
/// exist. (The offset of a shard with nothing in it is a way of telling, and no property of the layout.)
constexpr LocalTensor local_tensor(const Layout& layout, Rank rank) {
  if (!layout.view().contains(rank)) return {{0}, {}};
  const Place place = layout.view().place(rank);
  if (!layout.exists_at(place)) return {{0}, {}};
  LocalTensor out{layout.local_shape(place), layout.shape()};
  for (std::size_t dim = 0; dim < layout.rank(); ++dim)
    if (out.shape[dim] > 0)
      for_each_run(layout, dim, place, {0, 1}, [&](Run run) {
        if (!run.is_padding()) out.offset[dim] = run.start;
      });
  return out;
}

}  // namespace shardplan::dtensor
