#pragma once
#include <optional>

#include <shardplan/pipeline/schedules/nxd.hpp>
#include <shardplan/plan/diagnose.hpp>
#include <shardplan/plan/local.hpp>
#include <shardplan/plan/memory.hpp>
#include <shardplan/zero/rows.hpp>

/// The facade: a model, a strategy and a world become what every rank holds and whom it talks to.
namespace shardplan {

template <class Registry>
class RankPlan;

/// How a host plans its own registry: the job, and what the tensor planner is to take into account.
struct PlanOptions {
  Training training{};
  Dialect dialect = strict;
};

/// A plan over any random-access range of parameter records: a vector, which it then owns, or a span of a host's own
/// records, which it refers to and never copies. `Plan` is the usual one.
///
/// Memory is O(parameters), whatever the number of ranks. A plan that exists is valid; reading it cannot fail and is
/// thread-safe.
template <class Registry>
class BasicPlan {
 public:
  using Item = typename LocalTensors<Registry>::Item;
  static_assert(ParameterLike<Item>, "a parameter record needs name(p), shape(p), dtype(p), sharding(p) and owner(p)");

  /// Errors: those of diagnose_registry(), all at once; then those of the partition (R14, R16, SP-PLAN-002).
  BasicPlan(Registry parameters, const Strategy& strategy, const World& world, const PlanOptions& options = {})
      : BasicPlan{diagnose_registry(parameters, strategy, world, options.training, options.dialect),
                  std::move(parameters),
                  strategy,
                  world,
                  options,
                  tensor::Options{strategy.kv_replicator, world.hardware, options.dialect}} {}

  const Registry& parameters() const noexcept { return parameters_; }
  /// With the degrees that the mesh has ended up with, see `arranged`.
  const Strategy& strategy() const noexcept { return strategy_; }
  const Training& training() const noexcept { return training_; }
  const World& world() const noexcept { return mesh_.world(); }
  const Dialect& dialect() const noexcept { return mesh_.dialect(); }
  const Mesh& mesh() const noexcept { return mesh_; }
  const Partition& partition() const noexcept { return partition_; }
  const Storage& storage() const noexcept { return storage_; }
  /// Micro-batches of a step; 0 where the batch is not known.
  Index microbatches() const noexcept { return training_.microbatches(mesh_.data()); }

  /// Findings that do not stop a plan.
  const Diagnostics& warnings() const noexcept { return warnings_; }

  /// Where parameter i of the registry sits, over its view: on the ranks of its stages.
  Layout layout(std::size_t i) const { return on_stages(placement(i).weight, stages(i), partition_.pipeline()); }
  /// Where its optimizer state sits: the same, cut further by ZeRO-1.
  Layout optimizer_layout(std::size_t i) const {
    return on_stages(placement(i).state, stages(i), partition_.pipeline());
  }
  Stages stages(std::size_t i) const noexcept { return entries_[i].stages; }
  /// One rank's view of the plan. O(axes). Errors SP-PLAN-001.
  RankPlan<Registry> at(Rank rank) const&;
  RankPlan<Registry> at(Rank rank) const&& = delete;  // a rank's view refers to the plan: keep the plan

 protected:
  friend class RankPlan<Registry>;

  /// findings: what is known to be wrong with the job. Errors as above.
  BasicPlan(Diagnostics findings, Registry parameters, const Strategy& strategy, const World& world,
            const PlanOptions& options, const tensor::Options& cuts)
      : parameters_((throw_errors(findings), std::move(parameters))),
        strategy_(arranged(strategy, world, options.dialect)),
        training_(options.training),
        mesh_(world, degrees(strategy_), options.dialect),
        storage_(storage_of(training_, strategy_.zero1)),
        warnings_(std::move(findings)) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) entries_.push_back({lay_out(parameters_[i], cuts), {}});
    partition_ = partition_layers(parameters_, strategy_);
    assign_stages();
    check_sizes();
  }

 private:
  static void throw_errors(const Diagnostics& findings) {
    Diagnostics errors;
    for (const Diagnostic& one : findings)
      if (one.severity == Severity::error) errors.push_back(one);
    if (!errors.empty()) throw Error(std::move(errors));
  }

  /// Where a pipeline rank's parameters are in held_.
  Interval slots(Index pipeline_rank) const noexcept {
    const auto at = static_cast<std::size_t>(pipeline_rank);
    return {first_held_[at], first_held_[at + 1]};
  }
  const Placement& placement(std::size_t i) const noexcept { return placements_[entries_[i].placement]; }

  /// Equal parameters, such as those of different layers, share a placement: a plan has about ten.
  std::uint32_t lay_out(const Item& item, const tensor::Options& cuts) {
    const Sharding& rule = sharding(item);
    const Shape& extents = shape(item);
    std::uint32_t known = 0;
    for (const Placement& one : placements_) {
      if (one.weight.shape() == extents && one.rule == rule) return known;
      ++known;
    }
    const Layout weight = tensor::weight_layout(item, rule.expert ? mesh_.expert() : mesh_.dense(), cuts);
    placements_.push_back({rule, weight, strategy_.zero1 ? zero::rows(weight) : weight});
    return known;
  }

  /// So that no sum over a rank's parameters can overflow. Errors SP-CORE-001.
  void check_sizes() const {
    for (Layout Placement::*cut : {&Placement::weight, &Placement::state}) {
      Shape sizes;  // by placement
      for (const Placement& one : placements_) {
        const Place origin((one.*cut).view().axes().size(), 0);  // no place holds more
        sizes.push_back(shardplan::elements((one.*cut).local_shape(origin)));
      }
      Index sum = 0;
      for (const Entry& entry : entries_) sum = checked_add(sum, sizes[entry.placement]);
    }
  }

  void assign_stages() {
    const StageId first = partition_.embedding_stage(), last = partition_.head_stage();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Owner held = owner(parameters_[i]);
      Stages& stages = entries_[i].stages;
      switch (held.kind) {
        case Owner::Kind::first:
          stages = {first, first};
          break;
        case Owner::Kind::last:
          stages = {last, last};
          break;
        case Owner::Kind::first_and_last:
          stages = {first, last};
          break;
        case Owner::Kind::layer:
          stages.first = stages.last = partition_.stage_of(held.layer);
          break;
      }
    }
    // Positions grouped by pipeline rank: count, sum up, fill in.
    const auto for_each_holder = [&](auto&& f) {
      for (std::uint32_t i = 0; i < entries_.size(); ++i) {
        const Index first_rank = partition_.pipeline_rank(stages(i).first),
                    last_rank = partition_.pipeline_rank(stages(i).last);
        f(static_cast<std::size_t>(first_rank), i);
        if (last_rank != first_rank) f(static_cast<std::size_t>(last_rank), i);
      }
    };
    first_held_.resize(static_cast<std::size_t>(partition_.pipeline()) + 1);
    for_each_holder([&](std::size_t rank, std::uint32_t) { ++first_held_[rank + 1]; });
    for (std::size_t rank = 1; rank < first_held_.size(); ++rank) first_held_[rank] += first_held_[rank - 1];
    held_.resize(first_held_.back());
    Positions next = first_held_;
    for_each_holder([&](std::size_t rank, std::uint32_t i) { held_[next[rank]++] = i; });
  }

  Registry parameters_;
  Strategy strategy_;
  Training training_;
  Mesh mesh_;
  Storage storage_;
  Partition partition_;
  Diagnostics warnings_;
  Placements placements_;
  Entries entries_;       ///< by position in the registry
  Positions held_;        ///< registry positions, pipeline rank by pipeline rank
  Positions first_held_;  ///< where each pipeline rank's begin, and the end
};

/// What one rank holds, and where it stands. A few numbers and a reference to the plan.
template <class Registry>
class RankPlan {
 public:
  RankPlan(const BasicPlan<Registry>& plan, Rank rank)
      : plan_(&plan),
        rank_(rank),
        place_(plan.mesh().dense().place(rank)),
        expert_place_(plan.mesh().expert().place(rank)) {}

  Rank rank() const noexcept { return rank_; }
  const BasicPlan<Registry>& plan() const noexcept { return *plan_; }

  /// Coordinate along tp, cp, dp, pp, ep or edp. Errors SP-MESH-007.
  Index coordinate(Axis axis) const {
    const Mesh& mesh = plan_->mesh();
    return mesh.dense().find(axis) ? place_[mesh.dense().at(axis)] : expert_place_[mesh.expert().at(axis)];
  }
  Index pipeline_rank() const noexcept { return coordinate(pp); }
  /// The stage of one of the rank's chunks. Pre: chunk < virtual pipeline size.
  StageId stage(Index chunk = 0) const noexcept { return plan_->partition().stage(pipeline_rank(), chunk); }
  /// The ranks one stage further on and back, at the same place otherwise; the pipeline is a ring.
  Rank next() const noexcept { return neighbour(1); }
  Rank previous() const noexcept { return neighbour(plan_->mesh().degrees().pipeline - 1); }

  /// The ranks that differ from this one along an axis only. Errors SP-MESH-007.
  Group group(Axis axis) const { return plan_->mesh().group(axis, rank_); }
  /// The ranks that share the optimizer state of dense parameters.
  Group zero1_group() const { return plan_->mesh().zero1_groups().of(rank_); }

  /// The rank's parameters, in model order.
  LocalTensors<Registry> parameters() const { return tensors(&Placement::weight, {}); }
  /// The rank's slices of the optimizer state of those parameters, one for each.
  LocalTensors<Registry> optimizer_shards() const { return tensors(&Placement::state, plan_->storage().state_dtype); }

  /// What the rank does in a step of that many micro-batches, lazily: 1F1B, or interleaved where it has several chunks.
  /// Peers are pipeline ranks. Errors SP-PIPELINE-012 no such schedule, e.g. micro-batches that no interleaving takes.
  pipeline::Schedule<pipeline::NxdTrainRule> schedule(Index microbatches) const {
    const Partition& stages = plan_->partition();
    return pipeline::nxd_train({microbatches, stages.pipeline(), pipeline_rank(), stages.chunks()}, plan_->dialect());
  }

 private:
  LocalTensors<Registry> tensors(Layout Placement::*cut, std::optional<Dtype> type) const {
    return {plan_->parameters_, plan_->held_, plan_->slots(pipeline_rank()), plan_->entries_,
            plan_->placements_, cut,          plan_->mesh().dense(),         place_,
            expert_place_,      type};
  }
  Rank neighbour(Index steps) const noexcept {
    const View& view = plan_->mesh().dense();
    Place place = place_;
    const std::size_t axis = view.at(pp);
    place[axis] = (place[axis] + steps) % view.axes()[axis].size;
    return view.rank(place);
  }

  const BasicPlan<Registry>* plan_;
  Rank rank_;
  Place place_;
  Place expert_place_;
};

template <class Registry>
RankPlan<Registry> BasicPlan<Registry>::at(Rank rank) const& {
  if (!mesh_.dense().contains(rank))
    fail("SP-PLAN-001", concat("rank ", rank, " of a world of ", mesh_.size()), concat("0 to ", mesh_.size() - 1),
         {"rank"});
  return {*this, rank};
}

/// The plan of a model: a plan over its parameters that also knows what the parameters make up.
/// (A template so that including this header costs next to nothing until a plan is made.)
template <class Registry>
class ModelPlan : public BasicPlan<Registry> {
  using Base = BasicPlan<Registry>;

 public:
  /// Errors: every error that diagnose() finds, at once.
  ModelPlan(const Model& model, const Strategy& strategy, const World& world, const PlanOptions& options = {})
      : Base(diagnose(model, strategy, world, options.training, options.dialect), model.parameters, strategy, world,
             options, tensor_options(model.architecture, strategy, world, options.dialect)),
        name_(model.name),
        architecture_(model.architecture) {}

  const std::string& name() const noexcept { return name_; }
  const Architecture& architecture() const noexcept { return architecture_; }

  /// What a rank of that pipeline rank is loaded with; all of them alike. Pre: 0 <= pipeline_rank < pipeline size.
  RankLoad load(Index pipeline_rank) const {
    const Partition& partition = Base::partition();
    Place place(Base::mesh().dense().axes().size(), 0);
    place[Base::mesh().dense().at(pp)] = pipeline_rank;
    const auto here = Base::at(Base::mesh().dense().rank(place));
    const auto states = here.optimizer_shards();
    RankLoad out{.parameters = here.parameters().elements(),
                 .optimizer_elements = states.elements(),
                 .data = Base::mesh().data()};
    for (const auto& state : states)
      if (state.shard().elements() > out.largest_update) out.largest_update = state.shard().elements();
    for (Index chunk = 0; chunk < partition.chunks(); ++chunk) {
      const StageId stage = partition.stage(pipeline_rank, chunk);
      const Interval layers = partition.layers_of(stage);
      ChunkLayers held;
      for (Index layer = layers.begin; layer < layers.end; ++layer)
        ++(architecture_.is_moe(layer) ? held.moe : held.dense);
      out.chunks.push_back(held);
      out.embedding = out.embedding || stage == partition.embedding_stage();
      out.head = out.head || stage == partition.head_stage();
    }
    // An unknown batch is taken to fill the pipeline, which is when most is in flight.
    const Index known = Base::microbatches(), pipeline = partition.pipeline(), chunks = partition.chunks();
    const auto kind = chunks > 1 ? pipeline::ScheduleKind::interleaved : pipeline::ScheduleKind::one_f_one_b;
    out.in_flight = pipeline::in_flight(kind, known > 0 ? known : 2 * pipeline, pipeline, chunks, pipeline_rank);
    return out;
  }

  /// Device memory of a rank of that pipeline rank at its peak; without activations where the sequence is not known.
  Memory memory(Index pipeline_rank) const {
    Strategy as_laid_out = Base::strategy();
    as_laid_out.kv_replicator =
        tensor_options(architecture_, Base::strategy(), Base::world(), Base::dialect()).kv_replicator;
    return rank_memory(architecture_, as_laid_out, Base::training(), load(pipeline_rank));
  }

 private:
  std::string name_;
  Architecture architecture_;
};

using Plan = ModelPlan<Parameters>;

}  // namespace shardplan
