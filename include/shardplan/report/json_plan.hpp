#pragma once
#include <optional>
#include <vector>

#include <shardplan/report/plan_report.hpp>
#include <shardplan/report/ranks.hpp>
#include <shardplan/report/words.hpp>
#include <shardplan/version.hpp>

/// A plan as JSON, schema `shardplan-plan-1`: keys are added to it, but none goes or changes its meaning.
///
/// One object. All numbers are integers but `params_billion`; sizes are bytes or elements; ranges are half-open.
///
///     schema        "shardplan-plan-1"
///     version       of the library
///     summary       the figures of `Summary`, whose names are those of its members
///     mesh          hardware, lnc, ranks_per_node (null: not known), rank_order (ascending, spread or ring),
///                   dialect (strict or compat)
///     storage       dtype on the device of weights, gradients, master_weights (null: none) and optimizer_state, and
///                   how many states an element has
///     memory        device: bytes that a rank has; fits (null: not known); smallest, largest: pipeline ranks;
///                   stages: one object a pipeline rank, of whose ranks each has
///                     pipeline_rank, ranks (how many), parameters and optimizer_elements (elements), in_flight
///                     (microbatches), weights, gradients, master_weights, optimizer_state, activations, transient,
///                     total and left (bytes; negative: too many). Without a sequence length activations,
///                     transient, total and left are null, and smallest and largest go by the rest. What compiler and
///                     runtime reserve besides is in none of them
///     findings      severity (note, warning), id, message, hint, origins: [{key, file, line, column}]
///     parameters    one object a parameter, in model order: name, tied_name (where it has one), shape (whole and
///                   unpadded), stages (that hold it), cut (in words), dim and parts: [{name, role, begin, end}] where
///                   dimension `dim` may be cut, expert: true where dimension 0 counts experts
///     rank          where one was asked for
///
/// A rank:
///
///     rank          its number
///     coordinates   pp, dp, cp, tp and, over the same ranks, edp, ep
///     previous, next  pipeline neighbours; null: none
///     stages        [{stage, layers: [begin, end]}], one for each of its chunks
///     groups        tp, cp, dp, pp, ep, edp, and where there are such zero1, kv, token_shuffle:
///                   {size, position, ranks: [{first, count, stride}]}: the members are first, first + stride, ...
///     elements, optimizer_elements  of all its parameters, and of its slices of their optimizer state
///     parameters    name, stage, shape (local), ranges, padding (elements), optimizer: {shape, ranges, padding}.
///                   ranges: for each dimension its runs in local order, [begin, end] of the whole tensor or
///                   {"padding": elements}; what the rank holds is the product of the dimensions
///
/// JSON Lines have the object without `rank` on the first line and a rank on each line after it.
namespace shardplan {

inline constexpr std::string_view plan_schema = "shardplan-plan-1";

namespace detail {

inline JsonWriter& write(JsonWriter& json, const Diagnostics& findings) {
  json.begin_array();
  for (const Diagnostic& one : findings) {
    json.begin_object().member("severity", name(one.severity)).member("id", one.id).member("message", one.message);
    json.member("hint", one.hint).key("origins").begin_array();
    for (const Origin& at : one.origins) {
      json.flat().begin_object().member("key", at.key).member("file", at.file);
      json.member("line", at.line).member("column", at.column).end_object();
    }
    json.end_array().end_object();
  }
  return json.end_array();
}

inline JsonWriter& write(JsonWriter& json, const MemoryReport& memory, Index ranks_of_stage) {
  json.begin_object().member("device", memory.device).member("fits", memory.fits());
  json.member("smallest", memory.smallest).member("largest", memory.largest).key("stages").begin_array();
  for (const StageMemory& stage : memory.stages) {
    json.flat().begin_object().member("pipeline_rank", stage.pipeline_rank).member("ranks", ranks_of_stage);
    json.member("parameters", stage.parameters).member("optimizer_elements", stage.optimizer_elements);
    json.member("in_flight", stage.in_flight);
    for (const MemoryCategory& category : memory_categories) json.member(category.name, memory.bytes(stage, category));
    json.member("total", memory.total(stage)).member("left", memory.left(stage)).end_object();
  }
  return json.end_array().end_object();
}

inline JsonWriter& write(JsonWriter& json, const Parameter& p, const Layout& layout, Stages stages) {
  json.flat().begin_object().member("name", p.name);
  if (!p.tied_name.empty()) json.member("tied_name", p.tied_name);
  json.member("shape", p.shape).key("stages").begin_array().value(stages.first);
  if (stages.last != stages.first) json.value(stages.last);
  json.end_array().member("cut", cut_words(p.sharding, layout));
  if (!p.sharding.parts.empty()) {
    json.member("dim", p.sharding.dim).key("parts").begin_array();
    Index begin = 0;
    for (const Part& part : p.sharding.parts) {
      json.begin_object().member("name", part.name).member("role", name(part.role));
      json.member("begin", begin).member("end", begin + part.size).end_object();
      begin += part.size;
    }
    json.end_array();
  }
  if (p.sharding.expert) json.member("expert", true);
  return json.end_object();
}

/// Members shape, ranges and padding.
inline JsonWriter& write_members(JsonWriter& json, const Shard& shard) {
  json.member("shape", shard.local_shape()).key("ranges").begin_array();
  for (std::size_t dim = 0; dim < shard.rank(); ++dim) {
    json.begin_array();
    for (const Shard::Segment& run : shard.segments(dim)) {
      if (run.is_padding())
        json.begin_object().member("padding", run.length).end_object();
      else
        json.begin_array().value(run.start).value(run.start + run.length).end_array();
    }
    json.end_array();
  }
  return json.end_array().member("padding", shard.padding());
}

}  // namespace detail

/// Ranks of one plan as JSON objects. Parameters that are cut alike are written once for each rank and then copied, so
/// a rank costs little more than its text.
class RankJson {
 public:
  /// Errors SP-MESH-010. Pre: the plan outlives this.
  explicit RankJson(const Plan& plan) : plan_(&plan), kinds_(group_kinds(plan)) {
    for (const Parameter& p : plan.parameters()) append_json_string(names_.emplace_back("\"name\": "), p.name);
  }

  /// Errors SP-PLAN-001.
  JsonWriter& write(JsonWriter& json, Rank rank) {
    const auto here = plan_->at(rank);
    const Partition& partition = plan_->partition();
    json.begin_object().member("rank", rank).key("coordinates").flat().begin_object();
    for (const Axis axis : {pp, dp, cp, tp, edp, ep}) json.member(axis.name(), here.coordinate(axis));
    const auto [previous, next] = pipeline_neighbours(here);
    json.end_object().member("previous", previous).member("next", next).key("stages").flat().begin_array();
    for (Index chunk = 0; chunk < partition.chunks(); ++chunk) {
      const Interval layers = partition.layers_of(here.stage(chunk));
      json.begin_object().member("stage", here.stage(chunk)).key("layers").begin_array();
      json.value(layers.begin).value(layers.end).end_array().end_object();
    }
    json.end_array().key("groups").begin_object();
    for (const NamedGroups& kind : kinds_) {
      const Group group = kind.groups.of(rank);
      json.key(kind.name).flat().begin_object().member("size", group.size()).member("position", group.position(rank));
      json.key("ranks").begin_array();
      for_each_rank_run(group, [&json](const RankRun& run) {
        json.begin_object()
            .member("first", run.first)
            .member("count", run.count)
            .member("stride", run.stride)
            .end_object();
      });
      json.end_array().end_object();
    }
    json.end_object();
    const auto parameters = here.parameters(), states = here.optimizer_shards();
    json.member("elements", parameters.elements()).member("optimizer_elements", states.elements());
    json.key("parameters").begin_array();
    used_ = 0;
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      const auto tensor = parameters[k];
      const auto at = static_cast<std::size_t>(&tensor.source() - plan_->parameters().data());
      line_.assign("{").append(names_[at]).append(", \"stage\": ");
      append_to(line_, tensor.stage());
      json.raw(line_.append(shards_of(tensor, states[k])));
    }
    return json.end_array().end_object();
  }

 private:
  struct Fragment {
    const Shard* shard = nullptr;
    std::string text;
  };

  /// What follows the stage of a parameter, made at the first one of its shard.
  template <class Tensor>
  const std::string& shards_of(const Tensor& weight, const Tensor& state) {
    for (std::size_t i = 0; i < used_; ++i)
      if (fragments_[i].shard == &weight.shard()) return fragments_[i].text;
    if (used_ == fragments_.size()) fragments_.emplace_back();
    auto& [shard, text] = fragments_[used_++];
    shard = &weight.shard();
    text.clear();
    JsonWriter json(text);
    detail::write_members(json.begin_object(), weight.shard()).key("optimizer");
    detail::write_members(json.begin_object(), state.shard()).end_object().end_object();
    text[0] = ',';  // the object goes on where the parameter's name and stage have begun it
    text.insert(1, 1, ' ');
    return text;
  }

  const Plan* plan_;
  std::vector<NamedGroups> kinds_;
  std::vector<std::string> names_;  ///< by position in the registry: the member "name"
  std::vector<Fragment> fragments_;
  std::size_t used_ = 0;  ///< fragments of the present rank
  std::string line_;
};

/// The plan as one object; with the object of a rank where one is given. Errors SP-MESH-010, SP-PLAN-001.
inline JsonWriter& write(JsonWriter& json, const PlanReport& report, std::optional<Rank> rank = std::nullopt) {
  const Plan& plan = *report.plan;
  const World& world = plan.world();
  json.begin_object().member("schema", plan_schema).member("version", std::string_view(version));
  write(json.key("summary"), report.summary).key("mesh").flat().begin_object();
  json.member("hardware", name(world.hardware)).member("lnc", world.lnc);
  json.member("ranks_per_node", world.ranks_per_node > 0 ? std::optional(world.ranks_per_node) : std::nullopt);
  json.member("rank_order", name(plan.mesh().order())).member("dialect", name(plan.dialect())).end_object();

  const Storage& storage = plan.storage();
  json.key("storage").flat().begin_object().member("weights", name(storage.weight_dtype));
  json.member("gradients", name(storage.gradient_dtype));
  json.member("master_weights", storage.master_dtype ? std::optional(name(*storage.master_dtype)) : std::nullopt);
  json.member("optimizer_state", name(storage.state_dtype)).member("states", storage.states).end_object();

  detail::write(json.key("memory"), report.memory, world.ranks / plan.partition().pipeline());
  detail::write(json.key("findings"), report.findings).key("parameters").begin_array();
  for (std::size_t i = 0; i < plan.parameters().size(); ++i)
    detail::write(json, plan.parameters()[i], plan.layout(i), plan.stages(i));
  json.end_array();
  if (rank) RankJson(plan).write(json.key("rank"), *rank);
  return json.end_object();
}

}  // namespace shardplan
