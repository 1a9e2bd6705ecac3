#include <numeric>

#include "support.hpp"

using namespace shardplan;

namespace {

std::vector<Index> numbered(const Shape& shape) {
  std::vector<Index> out(static_cast<std::size_t>(elements(shape)));
  std::iota(out.begin(), out.end(), Index{1});
  return out;
}

}  // namespace

TEST_CASE("copy: extracting and assembling all places gives the tensor back") {
  const View view({{dp, 2}, {tp, 4}});
  struct Row {
    Shape shape;
    std::vector<Chain> chains;
  };
  for (const Row& row :
       {Row{{8}, {split(tp)}}, Row{{16, 3}, {strided(tp, 2) | split(dp)}}, Row{{3, 8}, {{}, split(tp)}},
        Row{{10, 6}, {pad_to_multiple(8) | split(tp), split(dp)}}, Row{{5, 4, 3}, {split(tp).ceil()}},
        Row{{2, 3, 4}, {reorder(2, {1, 0}), split(dp).balanced(), zigzag(inner(tp, 2))}}, Row{{0, 4}, {split(tp)}},
        Row{{}, {}}}) {
    Layout layout(view, row.shape);
    for (std::size_t d = 0; d < row.chains.size(); ++d) layout = layout.then(d, row.chains[d]);
    const std::vector<Index> full = numbered(row.shape);
    std::vector<Index> back(full.size(), 0);
    for_each_place(view, [&](const Place& place) {
      const Shard here = shard(layout, place);
      std::vector<Index> local(static_cast<std::size_t>(here.elements()), -1);
      extract<Index>(here, row.shape, full, local);
      assemble<Index>(here, row.shape, local, back);
    });
    CHECK(back == full);
  }
}

TEST_CASE("copy: from one layout to another and back through the whole tensor is the identity (10.6)") {
  const View view({{dp, 2}, {tp, 4}});
  const Shape shape{24, 6};
  const std::vector<Layout> layouts{Layout(view, shape), Layout(view, shape).then(0, split(tp)),
                                    Layout(view, shape).then(0, strided(tp, 3)),
                                    Layout(view, shape).then(0, zigzag(dp)).then(1, pad_to_multiple(4) | split(tp)),
                                    Layout(view, shape).then(0, split(tp) | pad_to_multiple(4) | split(dp))};
  const std::vector<Index> full = numbered(shape);
  for (const Layout& from : layouts)
    for (const Layout& to : layouts) {
      std::vector<Index> first(full.size()), second(full.size());
      const auto move = [&](const Layout& layout, const std::vector<Index>& source, std::vector<Index>& target) {
        for_each_place(view, [&](const Place& place) {
          const Shard here = shard(layout, place);
          std::vector<Index> local(static_cast<std::size_t>(here.elements()));
          extract<Index>(here, shape, source, local);
          assemble<Index>(here, shape, local, target);
        });
      };
      move(from, full, first);
      move(to, first, second);
      CHECK(second == full);
    }
}

TEST_CASE("copy: padding takes the fill of its cut") {
  const View view({{tp, 2}});
  const auto last = [&](Fill fill, auto zero) {
    using T = decltype(zero);
    const Layout layout = Layout(view, {3}).then(0, pad_to_multiple(2, fill) | split(tp));
    const std::vector<T> full{T(1), T(2), T(3)};
    std::vector<T> local(2, T(9));
    extract<T>(shard(layout, {1}), {3}, full, local);
    CHECK(local[0] == T(3));
    return local[1];
  };
  CHECK(last({}, 0.5F) == 0.F);
  CHECK(last(lowest_finite, 0.5F) == std::numeric_limits<float>::lowest());
  CHECK(last(lowest_finite, 0) == std::numeric_limits<int>::lowest());
  CHECK(last({Fill::Kind::constant, -100}, Index{0}) == -100);
}

TEST_CASE("copy: padding behind padding takes its own fill, whichever dimension it is in") {
  const Fill minus{Fill::Kind::constant, -1}, two{Fill::Kind::constant, -2};
  const View view({{dp, 2}, {tp, 2}});
  // rows 0..2 and one of lowest over tp; then to a multiple of 2 with zeros over dp, as ZeRO-1 does
  const Layout bias = Layout(view, {5}).then(0, pad_to_multiple(6, minus) | split(tp) | pad_to_multiple(2) | split(dp));
  const std::vector<Index> full{1, 2, 3, 4, 5};
  const std::vector<std::vector<Index>> wanted{{1, 2}, {4, 5}, {3, 0}, {-1, 0}};  // dp, tp
  for_each_place(view, [&](const Place& place) {
    std::vector<Index> local(2, 9);
    extract<Index>(shard(bias, place), {5}, full, local);
    CHECK(local == wanted[static_cast<std::size_t>(place[0] * 2 + place[1])]);
  });
  // where both dimensions pad, the first says with what, however the layout was put together
  const Layout rows = Layout(view, {1, 2}).then(0, pad(PadTo::amount, 1, minus)).then(1, pad(PadTo::amount, 1, two));
  const Layout columns = Layout(view, {1, 2}).then(1, pad(PadTo::amount, 1, two)).then(0, pad(PadTo::amount, 1, minus));
  CHECK(equivalent(rows, columns));
  const std::vector<Index> pair{7, 8};
  for (const Layout& layout : {rows, columns}) {
    std::vector<Index> local(6, 9);
    extract<Index>(shard(layout, {0, 0}), {1, 2}, pair, local);
    CHECK(local == std::vector<Index>{7, 8, -2, -1, -1, -1});
  }
}

TEST_CASE("copy: a shard stored with gaps needs its whole footprint, and leaves the gaps alone") {
  const View view({{tp, 2}});
  for (const Chain& chain : {Chain(split(tp)), pad_to_multiple(6) | split(tp)})
    for (const Shape& strides : {Shape{7, 2}, Shape{2, 9}, Shape{3, 1}, Shape{1000, 1}}) {
      const Shape shape{4, 3};
      const std::vector<Index> full = numbered(shape);
      const Shard here = shard(Layout(view, shape).then(0, chain), {1}).stored(strides);
      const auto size = static_cast<std::size_t>(here.footprint());
      std::vector<Index> local(size, -5), back(full);
      extract<Index>(here, shape, full, local);
      std::vector<Index> wanted(size, -5);
      const Elements rows = elements_of(here, 0);
      for (std::size_t row = 0; row < rows.size(); ++row)
        for (std::size_t column = 0; column < 3; ++column)
          wanted[row * static_cast<std::size_t>(strides[0]) + column * static_cast<std::size_t>(strides[1])] =
              rows[row] < 0 ? 0 : full[static_cast<std::size_t>(rows[row]) * 3 + column];
      CHECK(local == wanted);
      assemble<Index>(here, shape, local, back);
      CHECK(back == full);
      if (here.footprint() == here.elements()) continue;
      std::vector<Index> compact(static_cast<std::size_t>(here.elements()));
      CHECK(thrown([&] { extract<Index>(here, shape, full, compact); }) == Ids{"SP-LAYOUT-010"});
      CHECK(thrown([&] { assemble<Index>(here, shape, compact, back); }) == Ids{"SP-LAYOUT-010"});
    }
}

TEST_CASE("copy: a stored shard writes and reads its own strides") {
  const Shape shape{4, 3};
  const Layout layout = Layout(View({{tp, 2}}), shape).then(0, split(tp));
  const std::vector<Index> full = numbered(shape);
  const Shard transposed = shard(layout, {1}).stored({1, 2});
  std::vector<Index> local(6), back(12);
  extract<Index>(transposed, shape, full, local);
  CHECK(local == std::vector<Index>{7, 10, 8, 11, 9, 12});
  assemble<Index>(transposed, shape, local, back);
  CHECK(std::vector<Index>(back.begin() + 6, back.end()) == std::vector<Index>{7, 8, 9, 10, 11, 12});
}

TEST_CASE("copy: a buffer of another size is refused") {
  const Shape shape{4};
  const Shard here = shard(Layout(View({{tp, 2}}), shape).then(0, split(tp)), {0});
  std::vector<int> four(4), three(3), two(2);
  CHECK(thrown([&] { extract<int>(here, shape, three, two); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { extract<int>(here, shape, four, three); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { assemble<int>(here, shape, three, four); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { assemble<int>(here, shape, two, two); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { assemble<int>(here, shape, two, four); }).empty());
}
