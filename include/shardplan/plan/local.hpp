#pragma once
#include <optional>

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

/// Which stages hold a parameter: one, or two for a tied embedding.
struct Stages {
  StageId first;
  StageId last;
  friend constexpr bool operator==(Stages, Stages) = default;
};

/// How parameters of one shape and one rule are cut, on whatever stages they are: the weight, and its optimizer state.
struct Placement {
  Sharding rule;
  Layout weight;
  Layout state;
};

using Placements = InlineVector<Placement, 1>;

/// A layout that only the pipeline ranks of these stages hold. Pre: the view has the axis pp, of size `pipeline`.
constexpr Layout on_stages(const Layout& layout, Stages stages, Index pipeline) {
  return layout.pinned(pp, {stages.first.value % pipeline, stages.last.value % pipeline});
}

/// A parameter on one rank, or the rank's slice of its optimizer state. Refers to its plan and to the range it came
/// from.
template <class Item>
class LocalTensor {
 public:
  LocalTensor(const Item& item, const Layout& cut, const Shard& shard, Stages stages, StageId stage, Dtype type)
      : item_(&item), cut_(&cut), shard_(&shard), stages_(stages), stage_(stage), dtype_(type) {}

  /// As its record answers: a view, or a host's own string.
  decltype(auto) name() const noexcept { return detail::name_of(*item_); }
  Dtype dtype() const noexcept { return dtype_; }
  /// Whole and unpadded.
  const Shape& full_shape() const noexcept { return cut_->shape(); }
  /// What to allocate, padding included.
  const Shape& local_shape() const noexcept { return shard_->local_shape(); }
  /// Which elements of the whole tensor these are.
  const Shard& shard() const noexcept { return *shard_; }
  Shard::Pieces pieces() const noexcept { return shard_->pieces(); }
  /// Where all of the tensor sits, on this rank and the others.
  Layout layout() const { return on_stages(*cut_, stages_, cut_->view().extent(pp)); }
  /// The pipeline stage, of those this rank holds, that the tensor belongs to.
  StageId stage() const noexcept { return stage_; }
  /// The record the plan was made from: the host's own, if it brought a registry.
  const Item& source() const noexcept { return *item_; }

 private:
  const Item* item_;
  const Layout* cut_;
  const Shard* shard_;
  Stages stages_;
  StageId stage_;
  Dtype dtype_;
};

/// A parameter in a plan: its placement, by number, and its stages.
struct Entry {
  std::uint32_t placement;
  Stages stages;
};
using Entries = InlineVector<Entry, 1>;
/// Positions in a registry.
using Positions = InlineVector<std::uint32_t, 4>;

/// All tensors of one rank, in model order: random access, each made when asked for. Layouts are evaluated once for all
/// parameters that share them. Its tensors refer to it, so it is kept while they are read.
template <class Registry>
class LocalTensors {
 public:
  using Item = std::remove_cvref_t<decltype(std::declval<const Registry&>()[0])>;

  /// held: of these positions in the registry, and in `entries`, the slots that the rank holds. cut: which layout of a
  /// placement. place, expert_place: the rank in the two views. type: of all tensors; none: their own.
  LocalTensors(const Registry& registry, const Positions& held, Interval slots, const Entries& entries,
               const Placements& placements, Layout Placement::*cut, const View& dense, const Place& dense_place,
               const Place& expert_place, std::optional<Dtype> type)
      : registry_(&registry),
        held_(&held),
        slots_(slots),
        entries_(&entries),
        placements_(&placements),
        cut_(cut),
        pipeline_(dense.extent(pp)),
        rank_(dense_place[dense.at(pp)]),
        dtype_(type) {
    shards_.reserve(placements.size());
    for (const Placement& one : placements) shards_.push_back({one.*cut, one.rule.expert ? expert_place : dense_place});
  }

  std::size_t size() const noexcept { return static_cast<std::size_t>(slots_.size()); }
  bool empty() const noexcept { return slots_.empty(); }

  /// The k-th tensor of the rank. Pre: k < size().
  LocalTensor<Item> operator[](std::size_t k) const& noexcept {
    const std::uint32_t i = position(k);
    const Item& item = (*registry_)[i];
    const auto [placement, stages] = (*entries_)[i];
    const StageId stage = stages.first.value % pipeline_ == rank_ ? stages.first : stages.last;
    return {item, (*placements_)[placement].*cut_, shards_[placement], stages, stage, dtype_ ? *dtype_ : dtype(item)};
  }
  LocalTensor<Item> operator[](std::size_t) const&& =
      delete;  // keep the tensors: `const auto all = here.parameters();`
  auto begin() const& noexcept { return IndexIterator<LocalTensors, LocalTensor<Item>>(*this, 0); }
  auto end() const& noexcept { return IndexIterator<LocalTensors, LocalTensor<Item>>(*this, size()); }
  void begin() const&& = delete;
  void end() const&& = delete;

  /// Elements to allocate for all of them, padding included.
  Index elements() const noexcept {
    Index out = 0;
    for (std::size_t k = 0; k < size(); ++k) out += shards_[(*entries_)[position(k)].placement].elements();
    return out;
  }

 private:
  std::uint32_t position(std::size_t k) const noexcept { return (*held_)[static_cast<std::size_t>(slots_.begin) + k]; }

  const Registry* registry_;
  const Positions* held_;
  Interval slots_;
  const Entries* entries_;
  const Placements* placements_;
  Layout Placement::*cut_;
  Index pipeline_;
  Index rank_;
  std::optional<Dtype> dtype_;
  InlineVector<Shard, 1> shards_;
};

}  // namespace shardplan
