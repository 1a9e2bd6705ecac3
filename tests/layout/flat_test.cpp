#include <algorithm>

#include "support.hpp"

using namespace shardplan;

namespace {

std::vector<FlatSlice> slices(const FlatLayout& flat, const Place& place) {
  std::vector<FlatSlice> out;
  flat.for_each_slice(place, [&](const FlatSlice& slice) { out.push_back(slice); });
  return out;
}

}  // namespace

TEST_CASE("flat: slices of all places tile every tensor, and say where they are") {
  const View view({{dp, 3}});
  const std::vector<FlatEntry> entries{{7, 0, 10}, {3, 12, 1}, {5, 13, 0}, {4, 13, 20}, {9, 40, 5}};
  const std::vector<Layout> buffers{Layout(view, {45}).then(0, split(dp)), Layout(view, {50}).then(0, split(dp).ceil()),
                                    Layout(view, {48}).then(0, packed({24, 24}, split(dp))),
                                    Layout(view, {45}).then(0, pad_to_multiple(6) | split(dp)),
                                    Layout(view, {45}).then(0, split(dp).units({1, 0, 4}))};
  for (const Layout& buffer : buffers) {
    const FlatLayout flat(entries, buffer);
    std::vector<std::vector<int>> seen;
    for (const FlatEntry& entry : entries) seen.emplace_back(static_cast<std::size_t>(entry.elements), 0);
    for_each_place(view, [&](const Place& place) {
      const Elements held = pulled(buffer, 0, place);
      Index before = -1;
      for (const FlatSlice& slice : slices(flat, place)) {
        CHECK(slice.local > before);  // in buffer order
        before = slice.local;
        const auto entry = std::find_if(entries.begin(), entries.end(),
                                        [&](const FlatEntry& one) { return one.tensor == slice.tensor; });
        REQUIRE(entry != entries.end());
        CHECK(slice.buffer == entry->offset + slice.range.begin);
        for (Index i = 0; i < slice.range.size(); ++i) {
          CHECK(held[static_cast<std::size_t>(slice.local + i)] == slice.buffer + i);
          ++seen[static_cast<std::size_t>(entry - entries.begin())][static_cast<std::size_t>(slice.range.begin + i)];
        }
      }
    });
    for (const auto& tensor : seen)
      CHECK(std::all_of(tensor.begin(), tensor.end(), [](int count) { return count == 1; }));
  }
}

TEST_CASE("flat: a Megatron bucket over three tensors (example 5)") {
  // rank 3 of 6 holds 1088 elements from 3264 on: the end of p2, all of p1, the beginning of p0
  const FlatLayout flat({{2, 0, 4096}, {1, 4096, 64}, {0, 4160, 2048}},
                        Layout(View({{dp, 6}}), {6528}).then(0, split(dp)));
  CHECK(slices(flat, {3}) ==
        std::vector<FlatSlice>{{2, {3264, 4096}, 3264, 0}, {1, {0, 64}, 4096, 832}, {0, {0, 192}, 4160, 896}});
  CHECK(slices(flat, {5}) == std::vector<FlatSlice>{{0, {1280, 2048}, 5440, 0}});
}

TEST_CASE("flat: entries that are out of order, overlap or leave the buffer are refused") {
  const auto made = [](std::vector<FlatEntry> entries, Index size) {
    return thrown([&] { FlatLayout(std::move(entries), Layout(View({{dp, 1}}), {size})); });
  };
  CHECK(made({{0, 0, 4}, {1, 4, 4}}, 8).empty());
  CHECK(made({}, 0).empty());
  CHECK(made({{0, 0, 4}, {1, 3, 4}}, 8) == Ids{"SP-LAYOUT-011"});
  CHECK(made({{0, 4, 4}, {1, 0, 4}}, 8) == Ids{"SP-LAYOUT-011"});
  CHECK(made({{0, 0, 4}, {1, 4, 5}}, 8) == Ids{"SP-LAYOUT-011"});
  CHECK(made({{0, 0, -1}}, 8) == Ids{"SP-LAYOUT-011"});
  CHECK(made({{0, INT64_MAX, 1}}, 8) == Ids{"SP-CORE-001"});
  for (const Shape& shape : {Shape{}, Shape{8, 1}})
    CHECK(thrown([&] { FlatLayout({}, Layout(View({{dp, 1}}), shape)); }) == Ids{"SP-LAYOUT-011"});
}

TEST_CASE("boxes: a range of a row-major tensor is at most 2R - 1 boxes, and they tile it in order") {
  for (const Shape& shape :
       {Shape{7}, Shape{3, 4}, Shape{2, 3, 4}, Shape{2, 2, 3, 2}, Shape{1, 5, 1}, Shape{3, 1, 2}}) {
    const Index size = elements(shape);
    const Shape strides = row_major_strides(shape);
    for (Index begin = 0; begin <= size; ++begin)
      for (Index end = begin; end <= size; ++end) {
        std::size_t boxes = 0;
        Index next = begin;
        bool tiles = true;
        boxes_of_range(shape, {begin, end}, [&](const Shape& origin, const Shape& extent) {
          ++boxes;
          // the elements of the box in row-major order are the next ones of the range
          for (Index i = 0; i < elements(extent); ++i) {
            Index rest = i, flat = 0;
            for (std::size_t d = shape.size(); d-- > 0;) {
              const Index at = origin[d] + rest % extent[d];
              tiles = tiles && at < shape[d];
              flat += at * strides[d];
              rest /= extent[d];
            }
            tiles = tiles && flat == next++;
          }
        });
        if (!tiles || next != end || boxes > 2 * shape.size() - 1)
          FAIL_CHECK("[" << begin << ", " << end << ") of " << std::string(concat(shape)));
      }
  }
  // what lies outside the tensor is in no box
  for (const Shape& shape : {Shape{}, Shape{7}, Shape{2, 3}, Shape{2, 0, 3}})
    for (const Index begin : {INT64_MIN, Index{-2}, Index{0}, Index{1}, Index{50}})
      for (const Index end : {INT64_MIN, Index{0}, Index{5}, Index{9}, INT64_MAX}) {
        Index inside = 0, found = 0;
        for (Index i = 0; i < elements(shape); ++i) inside += begin <= i && i < end;
        boxes_of_range(shape, {begin, end}, [&](const Shape&, const Shape& extent) { found += elements(extent); });
        CHECK(found == inside);
      }
  std::size_t scalar = 0;
  boxes_of_range(Shape{}, {0, 1}, [&](const Shape& origin, const Shape&) { scalar += 1 + origin.size(); });
  CHECK(scalar == 1);
}
