#pragma once
#include <utility>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/inline_vector.hpp>
#include <shardplan/core/interval.hpp>

namespace shardplan {

/// The most stages a partition may have: one for every rank of the largest world that is planned for.
inline constexpr Index stage_limit = Index{1} << 20;

/// Which layers each pipeline stage holds.
///
/// A partition cuts an ordered list of layers (or of any other items, such as the modules of a model) into intervals,
/// one a stage and possibly empty. The stages go round the pipeline ranks as often as a rank has chunks:
///
///     stage = chunk * pipeline + pipeline_rank      4 ranks, 2 chunks:  rank 0 holds stages 0 and 4, rank 3 holds 3
///     and 7
///
/// The embedding stands in the first stage, the final norm and the head in the last; neither counts as a layer.
///
/// Errors   SP-PIPELINE-008 no pipeline rank, no stage, or more than `stage_limit`; SP-PIPELINE-003 stages that do not
///          divide over the ranks; SP-PIPELINE-009 bounds that do not start at 0 or that decrease
/// Post     every layer lies in exactly one stage, and stages follow each other in layer order:
///          layers_of(stage_of(layer)).contains(layer);  stage(pipeline_rank(s), chunk(s)) == s
/// Source   pipeline sheet, 1.3
class Partition {
 public:
  /// `bounds()[s]` is the first layer of stage s; the last entry is the number of layers.
  using Bounds = InlineVector<Index, 17>;

  /// One rank with one stage and no layer.
  constexpr Partition() : bounds_{0, 0} {}
  constexpr Partition(Bounds bounds, Index pipeline) : bounds_(std::move(bounds)), pipeline_(pipeline) { check(); }

  constexpr const Bounds& bounds() const noexcept { return bounds_; }
  constexpr Index layers() const noexcept { return bounds_.back(); }
  constexpr Index stages() const noexcept { return static_cast<Index>(bounds_.size()) - 1; }
  constexpr Index pipeline() const noexcept { return pipeline_; }
  constexpr Index chunks() const noexcept { return stages() / pipeline_; }

  constexpr StageId embedding_stage() const noexcept { return 0; }
  constexpr StageId head_stage() const noexcept { return stages() - 1; }

  constexpr Index pipeline_rank(StageId stage) const noexcept { return stage.value % pipeline_; }
  constexpr Index chunk(StageId stage) const noexcept { return stage.value / pipeline_; }
  constexpr StageId stage(Index pipeline_rank, Index chunk) const noexcept { return chunk * pipeline_ + pipeline_rank; }

  /// The layers of a stage. Pre: 0 <= stage < stages().
  constexpr Interval layers_of(StageId stage) const noexcept {
    const auto at = static_cast<std::size_t>(stage.value);
    return {bounds_[at], bounds_[at + 1]};
  }
  /// The stage of a layer, in O(log stages). Pre: 0 <= layer < layers().
  constexpr StageId stage_of(LayerId layer) const noexcept {
    std::size_t low = 0;
    std::size_t high = bounds_.size() - 1;
    while (high - low > 1) {
      const std::size_t middle = low + (high - low) / 2;
      (bounds_[middle] <= layer.value ? low : high) = middle;
    }
    return low;
  }

  friend constexpr bool operator==(const Partition&, const Partition&) = default;

 private:
  constexpr void check() const {
    if (pipeline_ < 1 || bounds_.size() < 2 || stages() > stage_limit)
      fail("SP-PIPELINE-008",
           concat(static_cast<Index>(bounds_.size()) - 1, " stages on ", pipeline_, " pipeline ranks"),
           concat("at least one stage and one rank, at most ", stage_limit, " stages"));
    if (stages() % pipeline_ != 0)
      fail("SP-PIPELINE-003", concat(stages(), " stages do not divide over ", pipeline_, " pipeline ranks"),
           concat("a multiple of ", pipeline_, " stages"));
    if (bounds_[0] != 0) fail("SP-PIPELINE-009", concat("the first stage starts at layer ", bounds_[0]), "layer 0");
    for (Index s = 0; s < stages(); ++s)
      if (layers_of(s).size() < 0)
        fail("SP-PIPELINE-009",
             concat("stage ", s, " runs from layer ", layers_of(s).begin, " back to layer ", layers_of(s).end));
  }

  Bounds bounds_;
  Index pipeline_ = 1;
};

namespace pipeline {

/// The number of stages: pipeline * chunks. Errors SP-PIPELINE-008 a factor below 1, or more than `stage_limit`.
constexpr Index stage_count(Index pipeline, Index chunks) {
  if (pipeline < 1 || chunks < 1)
    fail("SP-PIPELINE-008", concat(pipeline, " pipeline ranks with ", chunks, " chunks each"), "at least 1 of both");
  if (pipeline > stage_limit / chunks)
    fail("SP-PIPELINE-008", concat(pipeline, " pipeline ranks with ", chunks, " chunks each"),
         concat("at most ", stage_limit, " stages"));
  return pipeline * chunks;
}

/// The same stages over some of the items only, numbered from 0: from a list of modules to the layers in it.
///
/// Pre      items lies inside [0, whole.layers()]
/// Example  [embed, 6 layers, norm, head] cut into modules 0..3 | 4..8, restricted to [1, 7): layers 0..2 | 3..5
constexpr Partition restrict_to(const Partition& whole, Interval items) {
  Partition::Bounds bounds;
  for (const Index bound : whole.bounds()) {
    const Index inside = bound < items.begin ? items.begin : bound > items.end ? items.end : bound;
    bounds.push_back(inside - items.begin);
  }
  return {std::move(bounds), whole.pipeline()};
}

}  // namespace pipeline
}  // namespace shardplan
