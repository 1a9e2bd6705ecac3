#include <doctest/doctest.h>

#include <shardplan/train/adapt.hpp>
#if __has_include(<xtensor/views/xview.hpp>)
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xview.hpp>
#endif

#include "../thrown.hpp"

using namespace shardplan;

namespace {

using RowMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ColumnMatrix = Eigen::MatrixXf;

const View view({{dp, 2}, {tp, 4}});

/// Cuts of a matrix that differ in what a copy has to get right: runs, strides, padding, order, empty shards.
std::vector<Layout> matrix_layouts() {
  return {Layout(view, {8, 6}),
          Layout(view, {8, 6}).then(0, strided(tp, 2)),
          Layout(view, {8, 12}).then(1, split(tp)).then(0, split(dp)),
          Layout(view, {10, 6}).then(0, pad_to_multiple(8) | split(tp)).then(1, split(dp)),
          Layout(view, {16, 3}).then(0, zigzag(tp)),
          Layout(view, {5, 4}).then(0, split(tp).ceil()).then(1, reorder(2, {1, 0})),
          Layout(view, {3, 8}).then(1, pad_to_multiple(16, {Fill::Kind::constant, -7}) | split(tp))};
}

/// The number of an element, from 1 on, so that nothing looks like zeroed memory.
float number(const Shape& shape, Index row, Index column) { return static_cast<float>(row * shape[1] + column + 1); }

template <class Matrix>
Matrix numbered(const Shape& shape) {
  Matrix out(shape[0], shape[1]);
  for (Index row = 0; row < shape[0]; ++row)
    for (Index column = 0; column < shape[1]; ++column) out(row, column) = number(shape, row, column);
  return out;
}

/// What a place holds, read off its pieces one element at a time.
template <class Local>
void check_held(const Shard& here, const Shape& shape, const Local& local) {
  Index real = 0;
  for (const Piece& piece : here.pieces())
    for (Index row = 0; row < piece.extent[0]; ++row)
      for (Index column = 0; column < piece.extent[1]; ++column, ++real)
        CHECK(local(piece.local[0] + row, piece.local[1] + column) ==
              number(shape, piece.global[0] + row, piece.global[1] + column));
  Index padding = 0;
  for (Index row = 0; row < here.local_shape()[0]; ++row)
    for (Index column = 0; column < here.local_shape()[1]; ++column)
      padding += local(row, column) == static_cast<float>(here.fill().value);
  CHECK(real + padding == here.elements());
}

template <class F>
void for_each_shard(const Layout& layout, F&& f) {
  for (Index rank = 0; rank < layout.view().size(); ++rank) f(shard(layout, layout.view().place(rank)));
}

}  // namespace

TEST_CASE_TEMPLATE("matrices of either order give every place its part", Matrix, RowMatrix, ColumnMatrix) {
  for (const Layout& layout : matrix_layouts()) {
    const Matrix full = numbered<Matrix>(layout.shape());
    for_each_shard(layout, [&](const Shard& here) {
      const RowMatrix made = extract(here, full);
      check_held(here, layout.shape(), made);
      const Index rows = here.local_shape()[0], columns = here.local_shape()[1];
      Matrix filled(rows, columns);
      extract(here, full, filled);
      CHECK(filled == made);
      std::vector<float> memory(static_cast<std::size_t>(here.elements()));
      extract(here, full, Eigen::Map<Matrix>(memory.data(), rows, columns));
      CHECK(Eigen::Map<const Matrix>(memory.data(), rows, columns) == made);
    });
  }
}

TEST_CASE_TEMPLATE("all parts assembled give the whole back, however they are stored", Matrix, RowMatrix,
                   ColumnMatrix) {
  for (const Layout& layout : matrix_layouts()) {
    const RowMatrix full = numbered<RowMatrix>(layout.shape());
    RowMatrix back = RowMatrix::Zero(full.rows(), full.cols());
    std::vector<float> memory(static_cast<std::size_t>(full.size()), 0.F);
    Eigen::Map<RowMatrix> mapped(memory.data(), full.rows(), full.cols());
    for_each_shard(layout, [&](const Shard& here) {
      const Matrix local = extract(here, full);
      assemble(here, local, back);
      assemble(here, local * 2, mapped);  // an expression, and memory of the host
    });
    CHECK(back == full);
    CHECK(mapped == full * 2);
  }
}

TEST_CASE("blocks and expressions are whole tensors as well") {
  const Layout layout = Layout(view, {8, 6}).then(0, split(tp));
  RowMatrix around = RowMatrix::Constant(10, 9, -1.F);
  around.block(1, 2, 8, 6) = numbered<RowMatrix>(layout.shape());
  for_each_shard(layout, [&](const Shard& here) {
    check_held(here, layout.shape(), extract(here, around.block(1, 2, 8, 6)));
    check_held(here, layout.shape(), extract(here, around.block(1, 2, 8, 6) + RowMatrix::Zero(8, 6)));
  });
}

TEST_CASE("vectors are tensors of rank 1") {
  const Layout layout = Layout(view, {10}).then(0, pad_to_multiple(4) | split(tp));
  const Eigen::VectorXi column = Eigen::VectorXi::LinSpaced(10, 1, 10);
  const Eigen::RowVectorXi row = column.transpose();
  Eigen::VectorXi back = Eigen::VectorXi::Zero(10);
  for_each_shard(layout, [&](const Shard& here) {
    const Eigen::VectorXi part = extract(here, column);
    CHECK(part.size() == 3);
    CHECK(part.transpose() == extract(here, row));
    assemble(here, part, back);
  });
  CHECK(back == column);
  CHECK(extract(shard(layout, {0, 3}), column) == Eigen::Vector3i(10, 0, 0));
}

TEST_CASE("arrays of any rank, in either order, as containers, views and expressions") {
  for (const Layout& layout :
       {Layout(view, {}), Layout(view, {8}).then(0, zigzag(tp)), Layout(view, {4, 6}).then(1, strided(dp, 3)),
        Layout(view, {3, 8, 2}).then(1, split(tp)).then(2, split(dp)),
        Layout(view, {5, 2, 8, 3}).then(0, pad_to_multiple(4) | split(tp)).then(2, split(dp))}) {
    std::vector<std::size_t> extents(layout.shape().begin(), layout.shape().end());
    xt::xarray<double> full(extents);
    for (std::size_t i = 0; i < full.size(); ++i) full.storage()[i] = static_cast<double>(i + 1);
    const xt::xarray<double, xt::layout_type::column_major> columns = full;
    xt::xarray<double> back = xt::zeros_like(full);
    for_each_shard(layout, [&](const Shard& here) {
      const auto local = extract(here, full);
      REQUIRE(static_cast<Index>(local.size()) == here.elements());
      std::vector<double> expected(local.size());
      extract<double>(here, layout.shape(), std::span(full.data(), full.size()), std::span(expected));
      CHECK(std::equal(expected.begin(), expected.end(), local.data()));

      CHECK(extract(here, columns) == local);
      CHECK(extract(here, full + 0.0) == local);
      xt::xarray<double, xt::layout_type::column_major> filled(local.shape());
      extract(here, full, filled);
      CHECK(filled == local);
      assemble(here, filled, back);
    });
    CHECK(back == full);
  }
}

TEST_CASE("a strided view is read, and two libraries meet in one shard") {
  const Layout layout = Layout(view, {4, 6}).then(0, split(tp)).then(1, split(dp));
  const RowMatrix full = numbered<RowMatrix>(layout.shape());
  xt::xarray<float> around = xt::zeros<float>({8, 6});
  auto every_other = xt::view(around, xt::range(0, 8, 2), xt::all());
  for (std::size_t row = 0; row < 4; ++row)
    for (std::size_t column = 0; column < 6; ++column)
      every_other(row, column) = full(static_cast<Index>(row), static_cast<Index>(column));
  RowMatrix back = RowMatrix::Zero(4, 6);
  for_each_shard(layout, [&](const Shard& here) { assemble(here, extract(here, every_other), back); });
  CHECK(back == full);
}

TEST_CASE("arrays of another shape are refused, even with as many elements") {
  const Layout layout = Layout(view, {8, 6}).then(0, split(tp));
  const Shard here = shard(layout, {0, 3});
  RowMatrix full = RowMatrix::Zero(8, 6), turned = RowMatrix::Zero(6, 8), local = RowMatrix::Zero(2, 6);
  RowMatrix other = RowMatrix::Zero(6, 2);
  const xt::xarray<float> flat = xt::zeros<float>({48});
  CHECK(thrown([&] { extract(here, full, local); }).empty());
  CHECK(thrown([&] { assemble(here, local, full); }).empty());
  CHECK(thrown([&] { extract(here, turned); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { extract(here, turned, local); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { extract(here, full, other); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { extract(here, flat); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { assemble(here, other, full); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { assemble(here, local, turned); }) == Ids{"SP-LAYOUT-010"});
}
