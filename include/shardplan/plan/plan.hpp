#pragma once
#include <shardplan/plan/diagnose.hpp>
#include <shardplan/plan/local.hpp>
#include <shardplan/pipeline/in_flight.hpp>
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

  /// Errors, all at once for each step: the mesh (R2, R3, SP-MESH-*); weights that do not divide (SP-TENSOR-*, R7);
  /// SP-PLAN-002 no parameters; the partition (R14, R16).
  BasicPlan(Registry parameters, Strategy strategy, const World& world, const PlanOptions& options = {})
      : BasicPlan(std::move(parameters), std::move(strategy), world, options, tensor::Options{0, world.hardware, options.dialect}) {}

  const Registry& parameters() const noexcept { return parameters_; }
  const Strategy& strategy() const noexcept { return strategy_; }
  const Training& training() const noexcept { return training_; }
  const World& world() const noexcept { return mesh_.world(); }
  const Dialect& dialect() const noexcept { return mesh_.dialect(); }
  const Mesh& mesh() const noexcept { return mesh_; }
  const Partition& partition() const noexcept { return partition_; }
  const Storage& storage() const noexcept { return storage_; }
  /// Micro-batches of a step; 0 where the batch is not known.
  Index microbatches() const noexcept { return training_.microbatches(mesh_.data()); }

  /// Where parameter i of the registry sits, over its view and without its stage; equal parameters share a layout.
  const Layout& layout(std::size_t i) const noexcept { return weights_[layout_of_[i]]; }
  /// Where its optimizer state sits: the same, cut further by ZeRO-1.
  const Layout& optimizer_layout(std::size_t i) const noexcept { return states_[layout_of_[i]]; }
  Stages stages(std::size_t i) const noexcept { return stages_[i]; }
  /// The parameters of a pipeline rank, as positions in the registry, ascending.
  std::span<const std::uint32_t> held_by(Index pipeline_rank) const noexcept {
    const auto at = static_cast<std::size_t>(pipeline_rank);
    return std::span(held_).subspan(first_held_[at], first_held_[at + 1] - first_held_[at]);
  }

  /// One rank's view of the plan. O(axes). Errors SP-PLAN-001.
  RankPlan<Registry> at(Rank rank) const;

 protected:
  friend class RankPlan<Registry>;

  BasicPlan(Registry parameters, Strategy strategy, const World& world, const PlanOptions& options, tensor::Options cuts)
      : parameters_(std::move(parameters)),
        strategy_(std::move(strategy)),
        training_(options.training),
        mesh_(world, degrees(strategy_), options.dialect),
        storage_(storage_of(training_, strategy_.zero1)) {
    if (cuts.kv_replicator == 0) cuts.kv_replicator = strategy_.kv_replicator;
    Diagnostics faults;
    for (std::size_t i = 0; i < parameters_.size(); ++i) lay_out(parameters_[i], cuts, faults);
    if (parameters_.size() == 0) faults.push_back(finding("SP-PLAN-002", "a plan without parameters", "at least one"));
    if (!faults.empty()) throw Error(std::move(faults));
    partition_ = partition_layers(parameters_, as_arranged());
    assign_stages();
  }

 private:
  /// Equal parameters, such as those of different layers, share one layout: a plan has about ten.
  void lay_out(const Item& item, const tensor::Options& cuts, Diagnostics& faults) {
    const Sharding& rule = sharding(item);
    const Shape& extents = shape(item);
    std::size_t known = 0;
    while (known < weights_.size() && !(weights_[known].shape() == extents && rules_[known] == rule)) ++known;
    layout_of_.push_back(static_cast<std::uint32_t>(known));
    if (known < weights_.size()) return;
    rules_.push_back(rule);
    try {
      weights_.push_back(tensor::weight_layout(item, rule.expert ? mesh_.expert() : mesh_.dense(), cuts));
      states_.push_back(strategy_.zero1 ? zero::rows(weights_.back()) : weights_.back());
    } catch (const Error& error) {
      // A stand-in keeps positions right until all faults are told; the plan then does not come to exist.
      if (weights_.size() < rules_.size()) weights_.push_back(Layout(mesh_.dense(), extents));
      if (states_.size() < rules_.size()) states_.push_back(weights_.back());
      append(faults, error.diagnostics());
    }
  }

  /// The strategy with the pipeline size the mesh has ended up with, which compat may have reduced.
  Strategy as_arranged() const {
    Strategy out = strategy_;
    out.pipeline = mesh_.degrees().pipeline;
    return out;
  }

  void assign_stages() {
    const Index pipeline = partition_.pipeline();
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const Owner held = owner(parameters_[i]);
      const StageId first = partition_.embedding_stage(), last = partition_.head_stage();
      switch (held.kind) {
        case Owner::Kind::first: stages_.push_back({first, first}); break;
        case Owner::Kind::last: stages_.push_back({last, last}); break;
        case Owner::Kind::first_and_last: stages_.push_back({first, last}); break;
        case Owner::Kind::layer: stages_.push_back({partition_.stage_of(held.layer), partition_.stage_of(held.layer)}); break;
      }
    }
    // Positions grouped by pipeline rank: count, sum up, fill in.
    const auto for_each_holder = [&](auto&& f) {
      for (std::uint32_t i = 0; i < stages_.size(); ++i) {
        const Index first = partition_.pipeline_rank(stages_[i].first), last = partition_.pipeline_rank(stages_[i].last);
        f(static_cast<std::size_t>(first), i);
        if (last != first) f(static_cast<std::size_t>(last), i);
      }
    };
    first_held_.assign(static_cast<std::size_t>(pipeline) + 1, 0);
    for_each_holder([&](std::size_t rank, std::uint32_t) { ++first_held_[rank + 1]; });
    for (std::size_t rank = 1; rank < first_held_.size(); ++rank) first_held_[rank] += first_held_[rank - 1];
    held_.resize(first_held_.back());
    std::vector<std::size_t> next(first_held_.begin(), first_held_.end() - 1);
    for_each_holder([&](std::size_t rank, std::uint32_t i) { held_[next[rank]++] = i; });
  }

  Registry parameters_;
  Strategy strategy_;
  Training training_;
  Mesh mesh_;
  Storage storage_;
  Partition partition_;
  std::vector<Sharding> rules_;
  std::vector<Layout> weights_;
  std::vector<Layout> states_;
  std::vector<std::uint32_t> layout_of_;
  std::vector<Stages> stages_;
  std::vector<std::uint32_t> held_;       ///< registry positions, pipeline rank by pipeline rank
  std::vector<std::size_t> first_held_;   ///< where each pipeline rank's begin
};

/// What one rank holds, and where it stands. A few numbers and a reference to the plan.
template <class Registry>
class RankPlan {
 public:
  RankPlan(const BasicPlan<Registry>& plan, Rank rank)
      : plan_(&plan), rank_(rank), place_(plan.mesh().dense().place(rank)), expert_place_(plan.mesh().expert().place(rank)) {}

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
  LocalTensors<Registry> parameters() const { return tensors(plan_->weights_, std::nullopt); }
  /// The rank's slices of the optimizer state of those parameters, one for each.
  LocalTensors<Registry> optimizer_shards() const { return tensors(plan_->states_, plan_->storage().state_dtype); }

 private:
  LocalTensors<Registry> tensors(const std::vector<Layout>& layouts, std::optional<Dtype> type) const {
    return {plan_->parameters_, plan_->held_by(pipeline_rank()), layouts, plan_->layout_of_, plan_->stages_, plan_->partition().pipeline(),
            plan_->mesh().dense(), place_, expert_place_, type};
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
RankPlan<Registry> BasicPlan<Registry>::at(Rank rank) const {
  if (!mesh_.dense().contains(rank)) fail("SP-PLAN-001", concat("rank ", rank, " of a world of ", mesh_.size()), concat("0 to ", mesh_.size() - 1), {"rank"});
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
      : ModelPlan(model, strategy, world, options,
                  diagnose(model, strategy, world, options.training, options.dialect)) {}

  const std::string& name() const noexcept { return name_; }
  const Architecture& architecture() const noexcept { return architecture_; }
  /// Findings that do not stop a plan.
  const Diagnostics& warnings() const noexcept { return warnings_; }

  /// What a rank of that pipeline rank is loaded with; all of them alike. Pre: 0 <= pipeline_rank < pipeline size.
  RankLoad load(Index pipeline_rank) const {
    const Partition& partition = Base::partition();
    Place place(Base::mesh().dense().axes().size(), 0);
    place[Base::mesh().dense().at(pp)] = pipeline_rank;
    const auto here = Base::at(Base::mesh().dense().rank(place));
    const auto states = here.optimizer_shards();
    RankLoad out{.parameters = here.parameters().elements(), .optimizer_elements = states.elements(), .data = Base::mesh().data()};
    for (const auto& state : states)
      if (state.shard().elements() > out.largest_update) out.largest_update = state.shard().elements();
    for (Index chunk = 0; chunk < partition.chunks(); ++chunk) {
      const StageId stage = partition.stage(pipeline_rank, chunk);
      const Interval layers = partition.layers_of(stage);
      ChunkLayers held;
      for (Index layer = layers.begin; layer < layers.end; ++layer) ++(architecture_.is_moe(layer) ? held.moe : held.dense);
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
    as_laid_out.kv_replicator = tensor_options(architecture_, Base::strategy(), Base::world(), Base::dialect()).kv_replicator;
    return rank_memory(architecture_, as_laid_out, Base::training(), load(pipeline_rank));
  }

 private:
  ModelPlan(const Model& model, const Strategy& strategy, const World& world, const PlanOptions& options, Diagnostics findings)
      : Base((throw_errors(findings), model.parameters), strategy, world, options,
             tensor_options(model.architecture, strategy, world, options.dialect)),
        name_(model.name),
        architecture_(model.architecture),
        warnings_(std::move(findings)) {}

  static void throw_errors(const Diagnostics& findings) {
    Diagnostics errors;
    for (const Diagnostic& one : findings)
      if (one.severity == Severity::error) errors.push_back(one);
    if (!errors.empty()) throw Error(std::move(errors));
  }

  std::string name_;
  Architecture architecture_;
  Diagnostics warnings_;
};

using Plan = ModelPlan<std::vector<Parameter>>;

}  // namespace shardplan
