#pragma once
#include <span>
#include <vector>

#include <shardplan/layout/shard.hpp>

/// Several tensors behind one another in one buffer, and the buffer cut over the ranks (layout-algebra sheet, section
/// 5).
namespace shardplan {

/// Elements that a place holds of each tensor: what the planners of flat buffers start from.
inline std::vector<Index> local_elements(std::span<const Layout> tensors, const Place& place) {
  std::vector<Index> out;
  for (const Layout& tensor : tensors) out.push_back(elements(tensor.local_shape(place)));
  return out;
}

/// Where one (local) tensor lies in a flat buffer.
struct FlatEntry {
  Index tensor = 0;  ///< the caller's number of the tensor
  Index offset = 0;  ///< first element in the buffer
  Index elements = 0;

  friend bool operator==(const FlatEntry&, const FlatEntry&) = default;
};

/// A contiguous range of one tensor, in one place's part of the buffer.
struct FlatSlice {
  Index tensor = 0;
  Interval range;    ///< elements of the tensor, row-major
  Index buffer = 0;  ///< position of its first element in the whole buffer
  Index local = 0;   ///< position of its first element in the place's part

  friend bool operator==(const FlatSlice&, const FlatSlice&) = default;
};

/// Entries in ascending, disjoint order, and a one-dimensional layout of the buffer. What no entry covers is padding.
class FlatLayout {
 public:
  FlatLayout() = default;
  /// Errors SP-LAYOUT-011 entries out of order, overlapping, or beyond the buffer; a buffer of another rank than 1.
  FlatLayout(std::vector<FlatEntry> entries, Layout buffer) : entries_(std::move(entries)), buffer_(std::move(buffer)) {
    if (buffer_.rank() != 1) fail("SP-LAYOUT-011", concat("a flat buffer of rank ", buffer_.rank()), "rank 1");
    Index end = 0;
    for (const FlatEntry& entry : entries_) {
      if (entry.offset < end || entry.elements < 0)
        fail("SP-LAYOUT-011", concat("tensor ", entry.tensor, " at ", entry.offset, " overlaps what ends at ", end));
      end = checked_add(entry.offset, entry.elements);
    }
    if (end > buffer_.shape()[0])
      fail("SP-LAYOUT-011", concat("entries end at ", end, " in a buffer of ", buffer_.shape()[0]));
  }

  const std::vector<FlatEntry>& entries() const { return entries_; }
  const Layout& buffer() const { return buffer_; }

  /// Calls sink(FlatSlice) for what a place holds, in buffer order. O(slices + log entries a run).
  template <class Sink>
  void for_each_slice(const Place& place, Sink&& sink) const {
    const Shard part(buffer_, place);
    for (const Shard::Segment& run : part.segments(0)) {
      if (run.is_padding()) continue;
      const Interval held{run.start, run.start + run.length};
      for (std::size_t i = first_ending_after(held.begin); i < entries_.size() && entries_[i].offset < held.end; ++i) {
        const FlatEntry& entry = entries_[i];
        const Interval both = intersect(held, {entry.offset, entry.offset + entry.elements});
        if (!both.empty())
          sink(FlatSlice{entry.tensor,
                         {both.begin - entry.offset, both.end - entry.offset},
                         both.begin,
                         run.local + (both.begin - run.start)});
      }
    }
  }

 private:
  std::size_t first_ending_after(Index position) const {
    std::size_t low = 0;
    for (std::size_t high = entries_.size(); low < high;) {
      const std::size_t middle = low + (high - low) / 2;
      if (entries_[middle].offset + entries_[middle].elements <= position)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  std::vector<FlatEntry> entries_;
  Layout buffer_;
};

/// Calls sink(origin, extent) for the boxes that make up a row-major range of a tensor: head rows, full middle, tail
/// rows, at most 2 * rank - 1 of them, in order. What lies outside the tensor is in none. Errors SP-CORE-001.
template <class Sink>
constexpr void boxes_of_range(const Shape& shape, Interval range, Sink&& sink) {
  const Shape strides = row_major_strides(shape);
  range = intersect(range, {0, elements(shape)});
  while (!range.empty()) {
    // The largest step that starts here: whole slices of the outermost dimension that is aligned.
    std::size_t dim = 0;
    while (dim + 1 < shape.size() && (range.begin % strides[dim] != 0 || range.size() < strides[dim])) ++dim;
    const Index stride = shape.empty() ? 1 : strides[dim];
    Shape origin, extent;
    Index rest = range.begin;
    for (std::size_t d = 0; d < shape.size(); ++d) {
      origin.push_back(rest / strides[d]);
      rest %= strides[d];
      extent.push_back(d < dim ? 1 : shape[d]);
    }
    Index steps = range.size() / stride;
    if (!shape.empty()) {
      if (steps > shape[dim] - origin[dim]) steps = shape[dim] - origin[dim];
      extent[dim] = steps;
    }
    sink(origin, extent);
    range.begin += steps * stride;
  }
}

}  // namespace shardplan
