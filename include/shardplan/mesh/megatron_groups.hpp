#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include <shardplan/mesh/megatron.hpp>

/// The process groups that a Megatron-Core job sets up, as arithmetic (rank order sheet, 1.3, 1.4 and 1.6).
namespace shardplan::mcore {

/// The kinds of group, in the order in which Megatron creates the first of each.
enum class GroupKind : std::uint8_t {
  weight_remat,
  data_with_context,
  intra_partial_data_with_context,
  hybrid_data_context,
  data,
  data_with_remat,
  data_with_context_with_remat,
  context,
  hierarchical_context,
  model,
  tensor,
  pipeline,
  embedding,
  position_embedding,
  tensor_data_with_context,
  tensor_data,
  tensor_context,
  expert_weight_remat,
  expert,
  expert_tensor,
  expert_tensor_expert,
  expert_tensor_expert_pipeline,
  expert_tensor_expert_pipeline_with_remat,
  expert_data,
  hierarchical_expert_data,
  optimizer_instance,
};

/// What Megatron calls a kind, and the token its groups come from.
struct GroupKindRow {
  GroupKind kind;
  std::string_view name;   ///< Megatron's description; a number follows where it ends in _L or _
  std::string_view token;  ///< empty: no token says it
  bool expert = false;     ///< of the expert grid
};

/// One row a kind, in the order of the enumeration.
inline constexpr GroupKindRow group_kinds[] = {
    {GroupKind::weight_remat, "GTP_WEIGHT_REMAT_GROUP", "gtp_remat"},
    {GroupKind::data_with_context, "DATA_PARALLEL_GROUP_WITH_CP", "dp-cp"},
    {GroupKind::intra_partial_data_with_context, "INTRA_PARTIAL_DATA_PARALLEL_GROUP_WITH_CP", "dp-cp"},
    {GroupKind::hybrid_data_context, "HYBRID_DP_CP_GROUP_", "dp-cp"},
    {GroupKind::data, "DATA_PARALLEL_GROUP", "dp"},
    {GroupKind::data_with_remat, "DATA_PARALLEL_GROUP_WITH_GTP_REMAT", "gtp_remat-dp"},
    {GroupKind::data_with_context_with_remat, "DATA_PARALLEL_GROUP_WITH_CP_WITH_GTP_REMAT", "gtp_remat-dp-cp"},
    {GroupKind::context, "CONTEXT_PARALLEL_GROUP", "cp"},
    {GroupKind::hierarchical_context, "HIERARCHICAL_CONTEXT_PARALLEL_GROUP_L", "cp"},
    {GroupKind::model, "MODEL_PARALLEL_GROUP", "tp-gtp_remat-pp"},
    {GroupKind::tensor, "TENSOR_MODEL_PARALLEL_GROUP", "tp"},
    {GroupKind::pipeline, "PIPELINE_MODEL_PARALLEL_GROUP", "pp"},
    {GroupKind::embedding, "EMBEDDING_GROUP", "pp"},
    {GroupKind::position_embedding, "POSITION_EMBEDDING_GROUP", "pp"},
    {GroupKind::tensor_data_with_context, "TENSOR_AND_DATA_PARALLEL_GROUP_WITH_CP", "tp-gtp_remat-dp-cp"},
    {GroupKind::tensor_data, "TENSOR_AND_DATA_PARALLEL_GROUP", "tp-gtp_remat-dp"},
    {GroupKind::tensor_context, "TENSOR_AND_CONTEXT_PARALLEL_GROUP", "tp-cp"},
    {GroupKind::expert_weight_remat, "EXPERT_GTP_WEIGHT_REMAT_GROUP", "gtp_remat", true},
    {GroupKind::expert, "EXPERT_MODEL_PARALLEL_GROUP", "ep", true},
    {GroupKind::expert_tensor, "EXPERT_TENSOR_PARALLEL_GROUP", "tp", true},
    {GroupKind::expert_tensor_expert, "EXPERT_TENSOR_AND_MODEL_PARALLEL_GROUP", "tp-ep", true},
    {GroupKind::expert_tensor_expert_pipeline, "EXPERT_TENSOR_MODEL_PIPELINE_PARALLEL_GROUP", "tp-ep-pp", true},
    {GroupKind::expert_tensor_expert_pipeline_with_remat, "EXPERT_TENSOR_MODEL_PIPELINE_PARALLEL_GROUP_WITH_EGTP",
     "tp-ep-gtp_remat-pp", true},
    {GroupKind::expert_data, "EXPERT_DATA_PARALLEL_GROUP", "dp", true},
    {GroupKind::hierarchical_expert_data, "HIERARCHICAL_EXPERT_DATA_PARALLEL_GROUP_L", "dp", true},
    {GroupKind::optimizer_instance, "INTRA_DISTRIBUTED_OPTIMIZER_INSTANCE_GROUP", "", true},
};

namespace detail {

constexpr std::size_t number_of(Axis axis) {
  std::size_t out = 0;
  while (known_axes[out] != axis) ++out;
  return out;
}

/// The axes of every kind's token as bits, so that asking for strides reads no text.
struct TokenBits {
  std::uint8_t of[std::size(group_kinds)]{};
};
inline constexpr TokenBits token_bits = [] {
  TokenBits out;
  for (const GroupKindRow& row : group_kinds)
    for (std::size_t a = 0; !row.token.empty() && a < std::size(known_axes); ++a)
      if (Order(row.token).names(known_axes[a]))
        out.of[static_cast<std::size_t>(row.kind)] |= static_cast<std::uint8_t>(1U << a);
  return out;
}();

}  // namespace detail

/// A kind, and for those that exist more than once which of them: the level of a hierarchy, the size of hybrid groups.
struct Kind {
  GroupKind kind{};
  Index number = 0;

  constexpr Kind() = default;
  constexpr Kind(GroupKind of, Index which = 0) : kind(of), number(which) {}
  constexpr const GroupKindRow& row() const { return group_kinds[static_cast<std::size_t>(kind)]; }
  friend constexpr bool operator==(const Kind&, const Kind&) = default;
};

/// The description that Megatron gives a group of the kind.
inline std::string name(Kind kind) {
  const bool numbered = kind.kind == GroupKind::hybrid_data_context || kind.kind == GroupKind::hierarchical_context ||
                        kind.kind == GroupKind::hierarchical_expert_data;
  return numbered ? concat(kind.row().name, kind.number) : std::string(kind.row().name);
}

/// What `initialize_model_parallel` is told.
struct Options {
  Index ranks = 1;  ///< of the job
  Index tensor = 1;
  Index pipeline = 1;
  std::optional<Index> virtual_pipeline = {};  ///< moves no rank
  Index context = 1;
  Index expert = 1;
  std::optional<Index> expert_tensor = {};  ///< none: as `tensor`
  Order order{"tp-cp-ep-dp-pp"};
  Index instances = 1;                               ///< of the distributed optimizer
  InlineVector<Index, 4> hierarchical_context = {};  ///< sizes of the levels, innermost first; empty: no hierarchy
  bool hybrid_context = false;
  Index offset = 0;  ///< first rank of the job
  Index weight_remat = 1;
  Index expert_weight_remat = 1;

  /// Behind which axes gtp_remat stands where the order does not name it, first choice first. Later versions put cp
  /// further inside: `remat_after = {cp, tp}`.
  InlineVector<Axis, 2> remat_after{tp};
  InlineVector<Axis, 2> expert_remat_after{ep, tp};

  InlineVector<Index, 2> embedding_stages = {};           ///< empty: the first and the last
  InlineVector<Index, 2> position_embedding_stages = {};  ///< empty: the first
};

/// Both grids of a job, and its groups. Post: both grids have the same ranks and the same pipeline groups.
class ProcessGroups {
 public:
  /// Errors SP-MESH-001 a size below 1; SP-MESH-009 as RankGrid, or a stage of embeddings that does not exist;
  /// SP-MESH-014 a world that the degrees do not divide, virtual stages without pipeline, an order that is incomplete
  /// or splits the pipelines of the two grids, optimizer instances, levels or hybrid groups that do not fit.
  constexpr explicit ProcessGroups(const Options& options) : options_(options) {
    check_sizes();
    const Index model =
        checked_mul(checked_mul(options.tensor, options.pipeline), checked_mul(options.context, options.weight_remat));
    divides_world(model, "tensor * pipeline * context * weight_remat", "tensor_model_parallel_size");
    const Index expert_tensor = options.expert_tensor.value_or(options.tensor);
    const Index experts = checked_mul(checked_mul(expert_tensor, options.expert),
                                      checked_mul(options.pipeline, options.expert_weight_remat));
    divides_world(experts, "expert_tensor * expert * pipeline * expert_weight_remat", "expert_model_parallel_size");
    if (options.virtual_pipeline && options.pipeline == 1)
      fail("SP-MESH-014", concat(*options.virtual_pipeline, " virtual pipeline stages, and one pipeline stage"),
           "a pipeline of at least 2, or no virtual stages", {"virtual_pipeline_model_parallel_size"});
    decoder_ = RankGrid(options.order.with(gtp_remat, options.remat_after),
                        {.tensor = options.tensor,
                         .data = options.ranks / model,
                         .pipeline = options.pipeline,
                         .context = options.context,
                         .weight_remat = options.weight_remat},
                        options.offset);
    expert_ = RankGrid(options.order.with(gtp_remat, options.expert_remat_after),
                       {.tensor = expert_tensor,
                        .expert = options.expert,
                        .data = options.ranks / experts,
                        .pipeline = options.pipeline,
                        .weight_remat = options.expert_weight_remat},
                       options.offset);
    check_pipelines();
    check_derived();
    for (const RankGrid* grid : {&decoder_, &expert_})
      for (const View::Slot& slot : grid->view().slots())
        axis_numbers_[grid == &expert_].push_back(detail::number_of(grid->view().axes()[slot.axis].axis));
  }

  constexpr const Options& options() const { return options_; }
  /// The grid of the dense layers.
  constexpr const RankGrid& decoder() const { return decoder_; }
  /// The grid of the experts, over the same ranks.
  constexpr const RankGrid& expert() const { return expert_; }

  /// The kinds that this job has, in the order in which Megatron creates the first group of each.
  constexpr InlineVector<Kind, 24> kinds() const {
    InlineVector<Kind, 24> out;
    for (const GroupKindRow& row : group_kinds) {
      const Index count = row.kind == GroupKind::hierarchical_context
                              ? static_cast<Index>(options_.hierarchical_context.size())
                          : row.kind == GroupKind::hierarchical_expert_data ? 2
                                                                            : 1;
      for (Index level = 0; level < count; ++level)
        if (const Kind kind(row.kind, level); row.kind != GroupKind::hybrid_data_context && has(kind))
          out.push_back(kind);
      for (Index size = 2; row.kind == GroupKind::hybrid_data_context && has({row.kind, size}); size *= 2)
        out.push_back({row.kind, size});
    }
    return out;
  }

  /// Whether Megatron creates groups of a kind.
  constexpr bool has(Kind kind) const {
    switch (kind.kind) {
      case GroupKind::intra_partial_data_with_context:
        return kind.number == 0 && options_.instances > 1;
      // Powers of two below the largest that the group holds.
      case GroupKind::hybrid_data_context:
        return options_.hybrid_context && kind.number >= 2 && (kind.number & (kind.number - 1)) == 0 &&
               kind.number <= replicas() / 2;
      case GroupKind::data_with_remat:
      case GroupKind::data_with_context_with_remat:
        return kind.number == 0 && options_.weight_remat > 1;
      case GroupKind::hierarchical_context:
        return 0 <= kind.number && kind.number < static_cast<Index>(options_.hierarchical_context.size());
      case GroupKind::expert_tensor_expert_pipeline_with_remat:
        return kind.number == 0 && options_.expert_weight_remat > 1;
      case GroupKind::hierarchical_expert_data:
        return options_.instances > 1 && (kind.number == 0 || kind.number == 1);
      default:
        return kind.number == 0;
    }
  }

  /// Every group of a kind, in the order in which Megatron creates them. Errors SP-MESH-007 unless has(kind).
  constexpr Groups groups(Kind kind) const {
    if (!has(kind)) fail("SP-MESH-007", concat("the job has no groups ", name(kind)), "one of kinds()");
    const RankGrid& grid = kind.row().expert ? expert_ : decoder_;
    const auto [piece, step] = pieces(kind);
    if (piece > 0) return {grid, Order(kind.row().token), piece, step};
    switch (kind.kind) {
      case GroupKind::embedding:
        return at_stages(embedding_stages());
      case GroupKind::position_embedding:
        return at_stages(position_embedding_stages());
      case GroupKind::optimizer_instance:
        return optimizer_instances();
      default:
        return grid.groups(kind.row().token);
    }
  }

  /// The same as nested loops; none where stages of embeddings or hybrid groups are no loop.
  /// Post: where there are any, they give the ranks of groups(kind). Errors SP-MESH-007 unless has(kind).
  constexpr std::optional<GroupStrides> strides(Kind kind) const {
    if (!has(kind)) fail("SP-MESH-007", concat("the job has no groups ", name(kind)), "one of kinds()");
    const bool expert = kind.row().expert;
    const View& view = (expert ? expert_ : decoder_).view();
    std::uint32_t members = detail::token_bits.of[static_cast<std::size_t>(kind.kind)];
    std::optional<GroupStrides> result(std::in_place);  // in place: copying it takes as long as all the rest
    GroupStrides& out = *result;
    out.first = view.offset();
    const Index instances = options_.instances;
    if (kind.kind == GroupKind::optimizer_instance) {
      if (options_.weight_remat > 1 || options_.expert_weight_remat > 1) {
        out.members.add({view.size(), 1});
        return result;
      }
      members = detail::token_bits.of[static_cast<std::size_t>(GroupKind::expert_tensor_expert_pipeline)];
      for (std::size_t i = 0; i < view.slots().size(); ++i)
        if (const View::Slot& slot = view.slots()[i]; known_axes[axis_numbers_[1][i]] == dp) {
          const Index inside = slot.extent / instances;
          out.order.add({instances, inside * slot.stride});
          out.members.add({inside, slot.stride});
        }
    }
    for (std::size_t i = 0; i < view.slots().size(); ++i) {
      const View::Slot& slot = view.slots()[i];
      const std::size_t axis = axis_numbers_[expert][i];
      if (kind.kind == GroupKind::optimizer_instance && known_axes[axis] == dp) continue;
      ((members >> axis & 1) != 0 ? out.members : out.order).add({slot.extent, slot.stride});
    }
    if (kind.kind == GroupKind::embedding || kind.kind == GroupKind::position_embedding) {
      if (!pick(out, kind.kind == GroupKind::embedding ? embedding_stages() : position_embedding_stages()))
        return std::nullopt;
      return result;
    }
    const auto [piece, step] = pieces(kind);
    if (piece == 0) return result;
    if (out.group_size() % (piece * step) != 0) return std::nullopt;
    return out.cut(piece, step);
  }

 private:
  /// How the groups of a kind are cut out of those of its token: so many members, so many positions apart.
  struct Pieces {
    Index size = 0;  ///< 0: not cut
    Index step = 1;
  };
  constexpr Pieces pieces(Kind kind) const {
    const Index instances = options_.instances;
    switch (kind.kind) {
      case GroupKind::intra_partial_data_with_context:
        return {replicas() / instances, 1};
      case GroupKind::hybrid_data_context:
        return {kind.number, 1};
      case GroupKind::hierarchical_context: {
        Index step = 1;
        for (Index level = 0; level < kind.number; ++level)
          step *= options_.hierarchical_context[static_cast<std::size_t>(level)];
        return {options_.hierarchical_context[static_cast<std::size_t>(kind.number)], step};
      }
      case GroupKind::hierarchical_expert_data: {
        const Index inside = expert_.sizes().data / instances;
        return kind.number == 0 ? Pieces{inside, 1} : Pieces{instances, inside};
      }
      default:
        return {};
    }
  }

  /// Of every pipeline only the stages at these positions; false where they do not stand at one distance.
  static constexpr bool pick(GroupStrides& pipelines, const InlineVector<Index, 2>& stages) {
    const Index stride = pipelines.members.empty() ? 0 : pipelines.members[0].stride;
    const Index step = stages.size() < 2 ? 0 : stages[1] - stages[0];
    for (std::size_t i = 1; i < stages.size(); ++i)
      if (stages[i] - stages[i - 1] != step) return false;
    pipelines.first += stages[0] * stride;
    pipelines.members.clear();
    pipelines.members.add({static_cast<Index>(stages.size()), step * stride});
    return true;
  }

  /// Ranks of one data-parallel group with context.
  constexpr Index replicas() const { return decoder_.sizes().data * decoder_.sizes().context; }

  constexpr InlineVector<Index, 2> embedding_stages() const {
    if (!options_.embedding_stages.empty()) return options_.embedding_stages;
    return options_.pipeline == 1 ? InlineVector<Index, 2>{0} : InlineVector<Index, 2>{0, options_.pipeline - 1};
  }
  constexpr InlineVector<Index, 2> position_embedding_stages() const {
    return options_.position_embedding_stages.empty() ? InlineVector<Index, 2>{0} : options_.position_embedding_stages;
  }
  constexpr GroupList at_stages(const InlineVector<Index, 2>& stages) const {
    const Order token(pp.name());
    return {decoder_.view(), decoder_.members(token), decoder_.others(token), {stages}};
  }

  /// The models that one instance of the optimizer spans, one after the other.
  constexpr GroupList optimizer_instances() const {
    // With gtp_remat in either grid the models are no longer equal blocks; Megatron takes all ranks then.
    if (options_.weight_remat > 1 || options_.expert_weight_remat > 1)
      return decoder_.groups("tp-cp-ep-dp-pp-gtp_remat");
    constexpr Axis instance{"instance"}, model{"model"};
    const Order token("tp-ep-pp");
    GroupList::Axes members{model}, order{instance};
    members.append(expert_.members(token));
    for (const Axis axis : expert_.others(token))
      if (axis != dp) order.push_back(axis);
    return {expert_.view().refine(dp, instance, model, expert_.sizes().data / options_.instances), members, order};
  }

  constexpr void check_sizes() const {
    const auto positive = [](Index size, std::string_view key) {
      if (size < 1) fail("SP-MESH-001", concat(key, " is ", size), "at least 1", {key});
    };
    positive(options_.ranks, "world_size");
    positive(options_.tensor, "tensor_model_parallel_size");
    positive(options_.pipeline, "pipeline_model_parallel_size");
    positive(options_.virtual_pipeline.value_or(1), "virtual_pipeline_model_parallel_size");
    positive(options_.context, "context_parallel_size");
    positive(options_.expert, "expert_model_parallel_size");
    positive(options_.expert_tensor.value_or(1), "expert_tensor_parallel_size");
    positive(options_.instances, "num_distributed_optimizer_instances");
    positive(options_.weight_remat, "gtp_remat_size");
    positive(options_.expert_weight_remat, "expert_gtp_remat_size");
    for (const Index size : options_.hierarchical_context) positive(size, "hierarchical_context_parallel_sizes");
  }

  constexpr void divides_world(Index model, std::string_view product, std::string_view key) const {
    if (options_.ranks % model != 0)
      fail("SP-MESH-014", concat("a world of ", options_.ranks, " is not a multiple of ", product, " = ", model),
           concat("a world of ", multiples_near(options_.ranks, model)), {"world_size", key});
  }

  constexpr void check_pipelines() const {
    const Index dense = decoder_.sizes().data, experts = expert_.sizes().data;
    if (options_.pipeline == 1) return;
    if (!options_.order.ends_with(pp) && dense != experts)
      fail("SP-MESH-014",
           concat("the order ", options_.order.text(), " does not end with pp, and dense layers have ", dense,
                  " data ranks, experts ", experts),
           "pp as the last axis, in lower case, or as many data ranks in both grids", {"order"});
    // Pipelines are the ranks at one distance, so the distance alone tells them.
    const Index one = decoder_.groups("pp")[0][1].value, other = expert_.groups("pp")[0][1].value;
    if (one != other)
      fail("SP-MESH-014",
           concat("in the order ", options_.order.text(), " a pipeline of dense layers goes from rank ",
                  options_.offset, " to ", one, ", one of experts to ", other),
           "pp as the last axis", {"order"});
  }

  constexpr void check_derived() const {
    const Index n = options_.instances, experts = expert_.sizes().data;
    if (n > 1 && (options_.weight_remat > 1 || options_.expert_weight_remat > 1))
      fail("SP-MESH-014", concat(n, " optimizer instances together with gtp_remat"), "one instance, or gtp_remat 1",
           {"num_distributed_optimizer_instances", "gtp_remat_size"});
    if (replicas() % n != 0 || experts % n != 0)
      fail("SP-MESH-014",
           concat(n, " optimizer instances do not divide the ", replicas(), " data and context ranks, or the ", experts,
                  " expert data ranks"),
           concat("a divisor of both: ", divisors_near(gcd(replicas(), experts), n)),
           {"num_distributed_optimizer_instances"});
    Index product = 1;
    for (const Index size : options_.hierarchical_context) product = checked_mul(product, size);
    if (!options_.hierarchical_context.empty() && product != options_.context)
      fail("SP-MESH-014",
           concat("levels of ", join(options_.hierarchical_context, " * "), " are ", product, " context ranks, not ",
                  options_.context),
           concat("sizes whose product is ", options_.context), {"hierarchical_context_parallel_sizes"});
    if (options_.hybrid_context && replicas() % 2 != 0)
      fail("SP-MESH-014", concat("hybrid context groups cut groups of ", replicas(), " data and context ranks"),
           "an even number of them", {"hybrid_context_parallel"});
    at_stages(embedding_stages());
    at_stages(position_embedding_stages());
  }

  Options options_;
  RankGrid decoder_;
  RankGrid expert_;
  InlineVector<std::size_t, 6> axis_numbers_[2];  ///< in known_axes, of the slots of both views
};

}  // namespace shardplan::mcore
