#pragma once
#include <shardplan/layout/layout.hpp>
#include <shardplan/mesh/group.hpp>

/// What one place holds of a tensor.
namespace shardplan {

/// A box that is contiguous in every dimension, both globally and locally.
struct Piece {
  Shape extent;
  Shape global;  ///< origin in the whole tensor
  Shape local;   ///< origin in the shard

  friend constexpr bool operator==(const Piece&, const Piece&) = default;
};

/// Merged runs of every dimension, in local order, and how the local elements are stored. Dimensions are independent,
/// so storage is their sum while the pieces are their product, enumerated when asked for.
///
/// This is the normal form: two layouts agree at a place exactly when their shards there are equal.
class Shard {
 public:
  /// A run and the local index where it begins. Padding starts below 0, the same number for the same fill.
  struct Segment {
    Index start = 0;
    Index length = 0;
    Index local = 0;

    constexpr bool is_padding() const { return start < 0; }
    friend constexpr bool operator==(Segment, Segment) = default;
  };
  /// The runs of one dimension, in the shard. (Not std::span, whose checks cost every includer 2% of this library.)
  class Runs {
   public:
    constexpr Runs(const Segment* first, std::size_t count) : first_(first), count_(count) {}
    constexpr const Segment* begin() const { return first_; }
    constexpr const Segment* end() const { return first_ + count_; }
    constexpr std::size_t size() const { return count_; }
    constexpr bool empty() const { return count_ == 0; }
    constexpr const Segment& operator[](std::size_t i) const { return first_[i]; }

   private:
    const Segment* first_;
    std::size_t count_;
  };
  class Pieces;

  constexpr Shard() = default;
  constexpr Shard(const Layout& layout, const Place& place) {
    for (std::size_t dim = 0; dim < layout.rank(); ++dim) {
      const auto first = static_cast<std::uint32_t>(segments_.size());
      Index local = 0;
      const detail::AtPlace values{place};
      const detail::Frame frame(layout.program(), layout.chain(dim), layout.shape()[dim], values);
      auto merge = [&](Run run) {
        Segment* last = segments_.size() > first ? &segments_.back() : nullptr;
        if (run.is_padding()) run.start = Run::padding - number_of(layout.program().cuts[run.cut()].fill);
        if (last && (last->is_padding() ? last->start : last->start + last->length) == run.start)
          last->length += run.length;
        else
          segments_.push_back({run.start, run.length, local});
        local += run.length;
      };
      detail::Puller<detail::AtPlace, decltype(merge)>{layout.program(), values, merge}.pull(frame, frame.cuts.size(),
                                                                                             {0, frame.sizes.back()});
      dims_.push_back({first, static_cast<std::uint32_t>(segments_.size()) - first});
      shape_.push_back(local);
    }
    strides_ = row_major_strides(shape_);
  }

  constexpr const Shape& local_shape() const { return shape_; }
  constexpr std::size_t rank() const { return dims_.size(); }
  /// Runs of one dimension, in local order, neighbours merged.
  constexpr Runs segments(std::size_t dim) const& { return {segments_.data() + dims_[dim].first, dims_[dim].count}; }
  /// The same, kept alive when the shard is not: `for (const auto& run : shard(layout, place).segments(0))`.
  constexpr InlineVector<Segment, 6> segments(std::size_t dim) const&& {
    InlineVector<Segment, 6> out;
    out.append(segments(dim));
    return out;
  }
  /// Elements the place holds: local extents multiplied, padding included.
  constexpr Index elements() const { return shardplan::elements(shape_); }
  /// Elements that stand for elements of the tensor.
  constexpr Index real_elements() const {
    Index out = 1;
    for (std::size_t dim = 0; dim < rank(); ++dim) out *= real_size(dim);
    return out;
  }
  constexpr Index padding() const { return elements() - real_elements(); }
  /// What stands in a segment of padding; by default, in the first.
  constexpr Fill fill(const Segment& of = {Run::padding, 0, 0}) const {
    const auto number = static_cast<std::size_t>(Run::padding - of.start);
    return number < fills_.size() ? fills_[number] : Fill{};
  }

  /// Distance in the buffer between neighbours along each dimension; row-major unless stored otherwise.
  constexpr const Shape& strides() const { return strides_; }
  /// Elements of the buffer, from the first held to the last: elements() unless stored with gaps.
  constexpr Index footprint() const {
    Index out = 1;
    for (std::size_t dim = 0; dim < rank(); ++dim) {
      if (shape_[dim] == 0) return 0;
      out = checked_add(out, checked_mul(shape_[dim] - 1, strides_[dim]));
    }
    return out;
  }
  /// The same shard in a buffer with these strides: transposed and stacked files. Errors SP-LAYOUT-010 not one stride a
  /// dimension, or a negative one; SP-CORE-001.
  constexpr Shard stored(const Shape& strides) const {
    if (strides.size() != rank())
      fail("SP-LAYOUT-010", concat(strides.size(), " strides for a shard of rank ", rank()));
    for (const Index stride : strides)
      if (stride < 0) fail("SP-LAYOUT-010", concat("a stride of ", stride), "0 or more");
    Shard out = *this;
    out.strides_ = strides;
    out.footprint();
    return out;
  }

  /// All boxes, padding left out, last dimension fastest: a forward range over the product of the runs, which reads the
  /// shard.
  constexpr Pieces pieces() const&;
  void pieces() const&& = delete;

  friend constexpr bool operator==(const Shard&, const Shard&) = default;

 private:
  /// Position of a fill in the order of first use.
  constexpr Index number_of(Fill fill) {
    std::size_t at = 0;
    while (at < fills_.size() && fills_[at] != fill) ++at;
    if (at == fills_.size()) fills_.push_back(fill);
    return static_cast<Index>(at);
  }

  constexpr Index real_size(std::size_t dim) const {
    Index out = 0;
    for (const Segment& segment : segments(dim)) out += segment.is_padding() ? 0 : segment.length;
    return out;
  }

  Shape shape_;
  Shape strides_;
  InlineVector<Segment, 6> segments_;
  InlineVector<Slot, 4> dims_;
  InlineVector<Fill, 1> fills_;  ///< different ones, in the order of their segments
};

class Shard::Pieces {
 public:
  class iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Piece;
    using difference_type = std::ptrdiff_t;
    using pointer = const Piece*;
    using reference = const Piece&;

    constexpr iterator() = default;
    constexpr explicit iterator(const Shard& shard)
        : shard_(&shard),
          at_(shard.rank(), 0),
          piece_{Shape(shard.rank(), 0), Shape(shard.rank(), 0), Shape(shard.rank(), 0)} {
      done_ = false;
      for (std::size_t dim = 0; dim < at_.size(); ++dim) done_ = !find_run(dim) || done_;
    }

    /// Valid until the iterator moves.
    constexpr const Piece& operator*() const { return piece_; }
    constexpr const Piece* operator->() const { return &piece_; }
    constexpr iterator& operator++() {
      for (std::size_t dim = at_.size(); dim-- > 0;) {
        ++at_[dim];
        if (find_run(dim)) return *this;
        at_[dim] = 0;
        find_run(dim);
      }
      done_ = true;
      return *this;
    }
    constexpr iterator operator++(int) {
      iterator before = *this;
      ++*this;
      return before;
    }
    friend constexpr bool operator==(const iterator& a, const iterator& b) {
      return a.done_ == b.done_ && (a.done_ || a.at_ == b.at_);
    }
    friend constexpr bool operator==(const iterator& it, std::default_sentinel_t) { return it.done_; }

   private:
    /// Moves a dimension past padding and brings the piece up to date; false behind its last run.
    constexpr bool find_run(std::size_t dim) {
      const auto segments = shard_->segments(dim);
      std::uint32_t& at = at_[dim];
      while (at < segments.size() && segments[at].is_padding()) ++at;
      if (at == segments.size()) return false;
      piece_.extent[dim] = segments[at].length;
      piece_.global[dim] = segments[at].start;
      piece_.local[dim] = segments[at].local;
      return true;
    }

    const Shard* shard_ = nullptr;
    InlineVector<std::uint32_t, 4> at_;
    Piece piece_;
    bool done_ = true;
  };

  constexpr explicit Pieces(const Shard& shard) : shard_(&shard) {}
  constexpr iterator begin() const { return iterator(*shard_); }
  constexpr std::default_sentinel_t end() const { return {}; }

 private:
  const Shard* shard_;
};

constexpr Shard::Pieces Shard::pieces() const& { return Pieces(*this); }

/// What a place holds. Pre: layout.exists_at(place).
constexpr Shard shard(const Layout& layout, const Place& place) { return Shard(layout, place); }

/// Whether two layouts of the same view and tensor put the same elements and fills in the same local order at every
/// place.
constexpr bool equivalent(const Layout& a, const Layout& b) {
  if (a.view() != b.view() || a.shape() != b.shape() || a.partials() != b.partials()) return false;
  for (Index r = 0; r < a.view().size(); ++r) {
    const Place place = a.view().place(a.view().offset() + r);
    if (a.exists_at(place) != b.exists_at(place)) return false;
    if (!a.exists_at(place)) continue;
    if (Shard(a, place) != Shard(b, place)) return false;
  }
  return true;
}

}  // namespace shardplan
