#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <shardplan/layout/detail/replicas.hpp>
#include <shardplan/layout/shard.hpp>
#include <shardplan/plan/plan.hpp>

/// Why an element of a tensor is where it is: its holders, and the cuts that led there, one by one.
namespace shardplan {

/// One cut on the way of one element of a dimension: where it stands before it, and where behind it.
struct CutStep {
  Cut cut;
  std::size_t depth = 0;  ///< blocks cuts that it stands inside of
  bool leaves = false;    ///< the other end of a blocks cut: the sub-block is put behind those before it
  /// Split and blocks: which part of how many; repeat: which copy; reorder: which block of the output.
  Index part = 0;
  Index parts = 1;
  Interval range;    ///< split, blocks: the part in the input; of a sub-block that leaves, in the output
  Index before = 0;  ///< position in the input
  Index length = 0;  ///< of the input
  Index after = 0;   ///< position in the output
  Index new_length = 0;
};

/// The way of an element through the chain of one dimension.
struct DimensionPath {
  Index index = 0;   ///< in the tensor
  Index extent = 0;  ///< of the tensor
  std::vector<CutStep> steps;
  Index local = 0;
  Index local_extent = 0;
};

namespace detail {

/// Undoes the cuts of a chain for one local position, and notes each: every output element has one source.
class PathFinder {
 public:
  PathFinder(const Layout& layout, const Place& place) : program_(layout.program()), values_{place} {}

  DimensionPath find(const Layout& layout, std::size_t dim, Index local) {
    DimensionPath out;
    out.extent = layout.shape()[dim];
    out.local = local;
    out.local_extent = chain_size(program_, layout.chain(dim), out.extent, values_);
    out.index = pull(layout.chain(dim), out.extent, local, 0);
    std::reverse(steps_.begin(), steps_.end());
    out.steps = std::move(steps_);
    return out;
  }

 private:
  /// The source position; -1: padding.
  Index pull(ChainRef chain, Index n, Index at, std::size_t depth) {
    const Frame frame(program_, chain, n, values_);
    for (std::size_t level = frame.cuts.size(); level > 0 && at >= 0; --level) {
      const Cut& cut = *frame.cuts[level - 1];
      CutStep step{cut, depth, false, 0, 1, {}, 0, frame.sizes[level - 1], at, frame.sizes[level]};
      step.before = source(cut, step);
      at = step.before;
      steps_.push_back(step);
    }
    return at;
  }

  Index source(const Cut& cut, CutStep& step) {
    const Index n = step.length, at = step.after;
    switch (cut.kind) {
      case CutKind::split:
        step.parts = split_count(program_, cut);
        step.range = split_part(program_, cut, n, values_);
        for (std::uint32_t i = 0; i < cut.digits.count; ++i) {
          const BoundDigit& digit = program_.digits[cut.digits.first + i];
          step.part = step.part * digit.extent + values_(digit);
        }
        if (cut.mirrored) step.part = step.parts - 1 - step.part;
        return step.range.begin + at;
      case CutKind::slice:
        return cut.value + at;
      case CutKind::pad:
        return at < n ? at : -1;
      case CutKind::repeat:
        step.part = at / n;
        step.parts = cut.value;
        return at % n;
      case CutKind::reorder: {
        const Index size = n / cut.value;
        step.part = at / size;
        step.parts = static_cast<Index>(cut.numbers.count) / 2;
        const Index block = program_.numbers[cut.numbers.first + static_cast<std::size_t>(step.part)];
        return block < 0 ? -1 : block * size + at % size;
      }
      case CutKind::blocks:
        break;
    }
    return source_in_blocks(cut, step);
  }

  Index source_in_blocks(const Cut& cut, CutStep& step) {
    const Index n = step.length, at = step.after;
    step.parts = block_count(cut, n);
    // The last sub-block that begins at or before the position: offsets never decrease.
    Index low = 0;
    for (Index high = step.parts; high - low > 1;) {
      const Index middle = low + (high - low) / 2;
      (blocks_size(program_, cut, n, middle, values_) <= at ? low : high) = middle;
    }
    step.part = low;
    const Index offset = blocks_size(program_, cut, n, low, values_);
    const Interval part = parts_of(program_, cut, n, step.parts)[low];
    CutStep leaving = step;
    leaving.leaves = true;
    leaving.before = at - offset;
    leaving.range = {offset, blocks_size(program_, cut, n, low + 1, values_)};
    leaving.length = leaving.range.size();
    steps_.push_back(leaving);
    const Index inside = pull(block_chain(program_, cut, low), part.size(), at - offset, step.depth + 1);
    step.range = part;
    step.after = inside;
    step.new_length = part.size();
    return inside < 0 ? -1 : part.begin + inside;
  }

  const BoundProgram& program_;
  AtPlace values_;
  std::vector<CutStep> steps_;
};

}  // namespace detail

/// The way of the element at local index `local` of a dimension, from the tensor to the shard of a place; index -1 for
/// padding. Pre: 0 <= local < layout.local_size(dim, place). Post: for_each_run gives the same source.
inline DimensionPath dimension_path(const Layout& layout, std::size_t dim, const Place& place, Index local) {
  return detail::PathFinder(layout, place).find(layout, dim, local);
}

/// The ranks of a layout that agree in some atoms, made one by one when asked for: size() and [].
class HoldingRanks {
 public:
  HoldingRanks() = default;
  /// values: of the atoms, -1 free.
  HoldingRanks(const Layout& layout, const AtomValues& values) : layout_(layout) {
    const detail::Replicas replicas(layout);
    for (AtomValues pinned : replicas.pins()) {
      for (std::size_t a = 0; a < values.size(); ++a)
        if (values[a] >= 0) pinned[a] = values[a];
      fixed_.push_back(pinned);
    }
    for (std::size_t a = 0; a < fixed_[0].size(); ++a)
      if (fixed_[0][a] < 0) each_ *= layout.atoms()[a].extent;
  }

  std::size_t size() const { return fixed_.size() * static_cast<std::size_t>(each_); }
  /// Ascending, unless the ranks of the world are wired otherwise.
  Rank operator[](std::size_t k) const {
    const auto at = static_cast<Index>(k);
    return detail::Replicas::nth(layout_, fixed_[static_cast<std::size_t>(at / each_)], at % each_);
  }

 private:
  Layout layout_;
  InlineVector<AtomValues, 1> fixed_;  ///< one for each combination of pins
  Index each_ = 1;
};

/// One place in shards where an element is: the ranks that have it there, and how it came there.
struct Occurrence {
  HoldingRanks ranks;
  std::vector<DimensionPath> dimensions;  ///< at the first of the ranks
  Shape local;
  Shape local_shape;

  /// Position in a row-major shard.
  Index offset() const {
    Index out = 0;
    for (std::size_t dim = 0; dim < local.size(); ++dim) out = out * local_shape[dim] + local[dim];
    return out;
  }
};

/// Every occurrence of an element; several where some ranks hold it elsewhere than others, or one rank several times.
/// Pre: the index lies inside the tensor. Post: their ranks are those of holding_ranks().
inline std::vector<Occurrence> occurrences(const Layout& layout, const Shape& index) {
  struct Partial {
    AtomValues atoms;
    Shape local;
  };
  std::vector<Partial> all{{AtomValues(layout.atoms().size(), -1), {}}};
  for (std::size_t dim = 0; dim < layout.rank(); ++dim) {
    std::vector<Partial> longer;
    for (const Partial& one : all)
      for_each_holder(layout, dim, {index[dim], index[dim] + 1}, [&](const Holder& holder) {
        Partial& next = longer.emplace_back(one);
        for (std::size_t a = 0; a < next.atoms.size(); ++a)
          if (holder.atoms[a] >= 0) next.atoms[a] = holder.atoms[a];
        next.local.push_back(holder.local);
      });
    all = std::move(longer);
  }
  std::vector<Occurrence> out;
  for (const Partial& one : all) {
    Occurrence& found = out.emplace_back();
    found.ranks = HoldingRanks(layout, one.atoms);
    found.local = one.local;
    const Place place = layout.view().place(found.ranks[0]);
    for (std::size_t dim = 0; dim < layout.rank(); ++dim) {
      found.dimensions.push_back(dimension_path(layout, dim, place, one.local[dim]));
      found.local_shape.push_back(found.dimensions.back().local_extent);
    }
  }
  return out;
}

/// An element or a rank's shard of one tensor of a plan.
struct Explanation {
  const Plan* plan = nullptr;  ///< outlives this
  std::size_t position = 0;    ///< of the tensor in the registry
  Layout weight;
  Layout state;  ///< of the optimizer
  std::optional<Shape> index;
  std::optional<Rank> rank;
  std::vector<Occurrence> held;        ///< of the element, where one was asked for
  std::vector<Occurrence> state_held;  ///< the same of its optimizer state

  const Parameter& parameter() const { return plan->parameters()[position]; }
  /// Whether the rank has a shard of the tensor. Pre: a rank was asked for.
  bool exists() const { return weight.exists_at(weight.view().place(*rank)); }
};

/// Errors SP-PLAN-001 a tensor, an element or a rank that the plan does not have.
inline Explanation explain(const Plan& plan, std::string_view tensor, const std::optional<Shape>& index,
                           const std::optional<Rank>& rank = {}) {
  Explanation out;
  out.plan = &plan;
  std::vector<std::string_view> names;
  while (out.position < plan.parameters().size()) {
    const Parameter& p = plan.parameters()[out.position];
    if (p.name == tensor || (!p.tied_name.empty() && p.tied_name == tensor)) break;
    names.push_back(p.name);
    ++out.position;
  }
  if (out.position == plan.parameters().size()) {
    const std::string_view meant = closest(tensor, names);
    fail("SP-PLAN-001", concat("the plan has no tensor '", tensor, "'"),
         meant.empty() ? concat("one of ", names.size(), ", such as '", names[0], "'")
                       : concat("did you mean '", meant, "'?"),
         {"tensor"});
  }
  const Shape& shape = out.parameter().shape;
  if (index) {
    bool inside = index->size() == shape.size();
    for (std::size_t dim = 0; inside && dim < shape.size(); ++dim)
      inside = 0 <= (*index)[dim] && (*index)[dim] < shape[dim];
    if (!inside) {
      Shape last;
      for (const Index extent : shape) last.push_back(extent - 1);
      fail("SP-PLAN-001", concat("no element ", *index, " in a tensor of shape ", shape),
           concat(Shape(shape.size(), 0), " to ", last), {"index"});
    }
  }
  if (rank) plan.at(*rank);
  out.weight = plan.layout(out.position);
  out.state = plan.optimizer_layout(out.position);
  out.index = index;
  out.rank = rank;
  if (index) {
    out.held = occurrences(out.weight, *index);
    if (plan.storage().states > 0) out.state_held = occurrences(out.state, *index);
  }
  return out;
}

}  // namespace shardplan
