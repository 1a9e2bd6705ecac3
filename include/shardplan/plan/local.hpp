#pragma once
#include <optional>
#include <vector>

#include <shardplan/layout/shard.hpp>
#include <shardplan/model/parameter.hpp>

/// The tensors of one rank, as a plan hands them out.
namespace shardplan {

namespace detail {

/// Calls the free function from inside classes whose own `name` would hide it.
template <class P>
decltype(auto) name_of(const P& p) {
  return name(p);
}

}  // namespace detail

/// A parameter on one rank, or the rank's slice of its optimizer state. Refers to its plan and to the range it came from.
template <class Item>
class LocalTensor {
 public:
  LocalTensor(const Item& item, const Layout& layout, const Shard& shard, StageId stage, Dtype type)
      : item_(&item), layout_(&layout), shard_(&shard), stage_(stage), dtype_(type) {}

  /// As its record answers: a view, or a host's own string.
  decltype(auto) name() const noexcept { return detail::name_of(*item_); }
  Dtype dtype() const noexcept { return dtype_; }
  /// Whole and unpadded.
  const Shape& full_shape() const noexcept { return layout_->shape(); }
  /// What to allocate, padding included.
  const Shape& local_shape() const noexcept { return shard_->local_shape(); }
  /// Which elements of the whole tensor these are.
  const Shard& shard() const noexcept { return *shard_; }
  Shard::Pieces pieces() const noexcept { return shard_->pieces(); }
  const Layout& layout() const noexcept { return *layout_; }
  /// The pipeline stage, of those this rank holds, that the tensor belongs to.
  StageId stage() const noexcept { return stage_; }
  /// The record the plan was made from: the host's own, if it brought a registry.
  const Item& source() const noexcept { return *item_; }

 private:
  const Item* item_;
  const Layout* layout_;
  const Shard* shard_;
  StageId stage_;
  Dtype dtype_;
};

/// Which stages hold a parameter: one, or two for a tied embedding.
struct Stages {
  StageId first;
  StageId last;
  friend constexpr bool operator==(Stages, Stages) = default;
};

/// All tensors of one rank, in model order: random access, each made when asked for. Layouts are evaluated once for all
/// parameters that share them.
template <class Registry>
class LocalTensors {
 public:
  using Item = std::remove_cvref_t<decltype(std::declval<const Registry&>()[0])>;

  /// held: positions in the registry. of, stages: by position. place, expert_place: the rank in the two views.
  LocalTensors(const Registry& registry, std::span<const std::uint32_t> held, const std::vector<Layout>& layouts, std::span<const std::uint32_t> of,
               std::span<const Stages> stages, Index pipeline, const View& dense, const Place& dense_place, const Place& expert_place, std::optional<Dtype> type)
      : registry_(&registry), held_(held), layouts_(&layouts), of_(of), stages_(stages), pipeline_(pipeline), rank_(dense_place[*dense.find(pp)]), dtype_(type) {
    shards_.reserve(layouts.size());
    for (const Layout& layout : layouts) shards_.emplace_back(layout, layout.view() == dense ? dense_place : expert_place);
  }

  std::size_t size() const noexcept { return held_.size(); }
  bool empty() const noexcept { return held_.empty(); }

  /// The k-th tensor of the rank. Pre: k < size().
  LocalTensor<Item> operator[](std::size_t k) const noexcept {
    const std::uint32_t i = held_[k];
    const Item& item = (*registry_)[i];
    const StageId stage = stages_[i].first.value % pipeline_ == rank_ ? stages_[i].first : stages_[i].last;
    return {item, (*layouts_)[of_[i]], shards_[of_[i]], stage, dtype_ ? *dtype_ : dtype(item)};
  }
  auto begin() const noexcept { return IndexIterator<LocalTensors, LocalTensor<Item>>(*this, 0); }
  auto end() const noexcept { return IndexIterator<LocalTensors, LocalTensor<Item>>(*this, size()); }

  /// Elements to allocate for all of them, padding included.
  Index elements() const noexcept {
    Index out = 0;
    for (const std::uint32_t i : held_) out += shards_[of_[i]].elements();
    return out;
  }

 private:
  const Registry* registry_;
  std::span<const std::uint32_t> held_;
  const std::vector<Layout>* layouts_;
  std::span<const std::uint32_t> of_;
  std::span<const Stages> stages_;
  Index pipeline_;
  Index rank_;
  std::optional<Dtype> dtype_;
  std::vector<Shard> shards_;
};

}  // namespace shardplan
