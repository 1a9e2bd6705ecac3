#pragma once
#include <span>

#include <Eigen/Core>
#include <concepts>
#include <type_traits>

#include <shardplan/layout/copy.hpp>

// xtensor moved its headers in 0.26.
#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xarray.hpp>
#else
#include <xtensor/xarray.hpp>
#endif

/// Eigen matrices and xtensor arrays in and out of shards.
///
///     const Eigen::MatrixXf mine = extract(shard, whole);      // a place's part of a whole tensor
///     assemble(shard, mine, whole);                            // and back
///     extract(shard, whole, Eigen::Map<...>(buffer, r, c));    // into memory that is already there
///
/// Whole tensors are row-major, as every file has them; what is not is copied first when it is only read, and refused
/// by the compiler when it is to be written. Shards may be stored in either order.
namespace shardplan {

namespace detail {

enum class Order : std::uint8_t { row_major, column_major, none };

/// What the functions below ask of an array type M: its Value, the order in which it stores its elements without gaps
/// (none: it does not), shape(m), data(m), and RowMajor, an array of its own to make and to copy into.
template <class M>
struct Host;

template <class M>
concept EigenArray = std::derived_from<M, Eigen::DenseBase<M>>;

/// Matrices that own their elements, and maps without strides.
template <class M>
inline constexpr bool is_gapless = std::derived_from<M, Eigen::PlainObjectBase<M>>;
template <class Plain, int alignment>
inline constexpr bool is_gapless<Eigen::Map<Plain, alignment, Eigen::Stride<0, 0>>> = true;

template <EigenArray M>
struct Host<M> {
  using Value = typename M::Scalar;
  static constexpr bool vector = M::IsVectorAtCompileTime;
  static constexpr Order order = !is_gapless<M>            ? Order::none
                                 : M::IsRowMajor || vector ? Order::row_major
                                                           : Order::column_major;
  static constexpr bool column = vector && M::ColsAtCompileTime == 1;
  using RowMajor = Eigen::Matrix<Value, vector && !column ? 1 : Eigen::Dynamic, column ? 1 : Eigen::Dynamic,
                                 column ? Eigen::ColMajor : Eigen::RowMajor>;

  static Shape shape(const M& m) {
    if constexpr (vector)
      return {m.size()};
    else
      return {m.rows(), m.cols()};
  }
  static auto* data(auto& m) { return m.data(); }
  static RowMajor make(const Shape& extents) {
    if constexpr (vector)
      return RowMajor(extents[0]);
    else
      return RowMajor(extents[0], extents[1]);
  }
};

template <class M>
concept XtensorArray = xt::is_xexpression<M>::value;

template <XtensorArray M>
struct Host<M> {
  using Value = std::remove_const_t<typename M::value_type>;
  static constexpr Order order = !xt::has_data_interface<M>::value || !M::contiguous_layout ? Order::none
                                 : M::static_layout == xt::layout_type::row_major           ? Order::row_major
                                 : M::static_layout == xt::layout_type::column_major        ? Order::column_major
                                                                                            : Order::none;
  using RowMajor = xt::xarray<Value, xt::layout_type::row_major>;

  static Shape shape(const M& m) {
    Shape out;
    for (const auto extent : m.shape()) out.push_back(static_cast<Index>(extent));
    return out;
  }
  static auto* data(auto& m) { return m.data() + m.data_offset(); }
  static RowMajor make(const Shape& extents) {
    return RowMajor(typename RowMajor::shape_type(extents.begin(), extents.end()));
  }
};

template <class M>
concept HostArray = requires {
  Host<std::remove_cvref_t<M>>::order;
};

/// The array itself if it stores its elements, in row-major order where that is asked for; else a row-major copy.
template <bool row_major_only, class M>
decltype(auto) stored(const M& m) {
  constexpr Order order = Host<M>::order;
  if constexpr (order == Order::row_major || (order == Order::column_major && !row_major_only))
    return (m);
  else
    return typename Host<M>::RowMajor(m);
}

template <class M>
auto elements_of(M& m) {
  using Element = std::remove_pointer_t<decltype(Host<std::remove_const_t<M>>::data(m))>;
  return std::span<Element>(Host<std::remove_const_t<M>>::data(m), static_cast<std::size_t>(m.size()));
}

/// The shard as an array of type M stores it.
template <class M>
Shard as_stored(const Shard& shard) {
  if constexpr (Host<M>::order != Order::column_major) return shard.stored(row_major_strides(shard.local_shape()));
  Shape strides(shard.rank(), 1);
  for (std::size_t d = 1; d < strides.size(); ++d) strides[d] = strides[d - 1] * shard.local_shape()[d - 1];
  return shard.stored(strides);
}

template <class M>
void check_local(const Shard& shard, const M& local) {
  if (const Shape shape = Host<M>::shape(local); shape != shard.local_shape())
    fail("SP-LAYOUT-010", concat("an array ", shape, " for a shard ", shard.local_shape()));
}

}  // namespace detail

/// Copies a place's part of a whole tensor into an array that is there, padding filled.
/// Shapes   full: that of the tensor; local: shard.local_shape(). Vectors have rank 1, matrices rank 2
/// Errors   SP-LAYOUT-010
template <detail::HostArray Full, detail::HostArray Local>
void extract(const Shard& shard, const Full& full, Local&& local) {
  using Target = std::remove_cvref_t<Local>;
  static_assert(detail::Host<Target>::order != detail::Order::none,
                "extract into an array that owns its elements, or a map of some without strides");
  detail::check_local(shard, local);
  const auto& source = detail::stored<true>(full);
  using Value = typename detail::Host<Full>::Value;
  extract<Value>(detail::as_stored<Target>(shard), detail::Host<Full>::shape(full), detail::elements_of(source),
                 detail::elements_of(local));
}

/// The same as an array of its own, row-major. Errors SP-LAYOUT-010.
template <detail::HostArray Full>
auto extract(const Shard& shard, const Full& full) {
  if (detail::Host<Full>::shape(full).size() != shard.rank())
    fail("SP-LAYOUT-010", concat("an array ", detail::Host<Full>::shape(full), " for a shard ", shard.local_shape()));
  auto local = detail::Host<Full>::make(shard.local_shape());
  extract(shard, full, local);
  return local;
}

/// Copies a place's part to its elements of the whole tensor, padding dropped. Errors SP-LAYOUT-010.
/// Post: assembling the extracted shards of all places gives every covered element back.
template <detail::HostArray Local, detail::HostArray Full>
void assemble(const Shard& shard, const Local& local, Full&& full) {
  using Target = std::remove_cvref_t<Full>;
  static_assert(detail::Host<Target>::order == detail::Order::row_major,
                "assemble into a row-major array or map without strides: whole tensors are row-major");
  detail::check_local(shard, local);
  const auto& source = detail::stored<false>(local);
  using Value = typename detail::Host<Target>::Value;
  assemble<Value>(detail::as_stored<std::remove_cvref_t<decltype(source)>>(shard), detail::Host<Target>::shape(full),
                  detail::elements_of(source), detail::elements_of(full));
}

}  // namespace shardplan
