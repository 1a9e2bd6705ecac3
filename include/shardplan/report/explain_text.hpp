#pragma once
#include <string>
#include <string_view>

#include <shardplan/report/explain.hpp>
#include <shardplan/report/json_plan.hpp>
#include <shardplan/report/ranks.hpp>
#include <shardplan/report/units.hpp>
#include <shardplan/report/words.hpp>

/// An explanation for people and for programs.
///
/// JSON, schema `shardplan-explain-1`: keys are added to it, but none goes or changes its meaning. One object:
///
///     schema      "shardplan-explain-1"
///     tensor      name, tied_name (where it has one), shape, dtype of the weight on the device, stages, cut (in words)
///     index       of the element; null: none asked for
///     weight, optimizer_state (null: none)  of the element: a list of occurrences
///       ranks       [{first, count, stride}]: of all holders that have it at the same place in their shards
///       count       how many these are
///       local, local_shape, offset  (row-major)
///       coordinates of the first holder: {pp, dp, cp, tp, edp, ep}
///       dimensions  [{index, extent, local, local_extent, steps}] at the first holder; a step: {cut (split, slice,
///                   pad, repeat, reorder, blocks, join), words, depth, before, length, after, new_length} and, of
///                   split and blocks, part, parts, range
///     rank        null, or {rank, holds: whether it has a shard, weight and optimizer_state: {shape, ranges,
///                 padding} as in shardplan-plan-1, each null where it has none}
namespace shardplan {

inline constexpr std::string_view explain_schema = "shardplan-explain-1";

inline constexpr std::string_view part_rule_names[] = {"exact", "chunk", "ceil", "balanced", "units", "sizes"};
constexpr std::string_view name(PartRule rule) { return part_rule_names[static_cast<int>(rule)]; }
inline constexpr std::string_view cut_kind_names[] = {"split", "slice", "pad", "repeat", "reorder", "blocks"};
constexpr std::string_view name(CutKind kind) { return cut_kind_names[static_cast<int>(kind)]; }

namespace detail {

/// `tp[32]`, `tp mod 8`, `tp / 8`, `dp x cp`: what a split reads.
inline std::string digit_words(const Layout& layout, const Cut& cut) {
  std::string out;
  for (std::uint32_t i = 0; i < cut.digits.count; ++i) {
    const BoundDigit& digit = layout.program().digits[cut.digits.first + i];
    const View::Extent& axis = layout.view().axes()[digit.axis];
    if (axis.size == 1 && cut.digits.count > 1) continue;
    out += concat(out.empty() ? "" : " x ", axis.axis.name());
    if (digit.extent == axis.size) {
      out += concat('[', axis.size, ']');
      continue;
    }
    if (digit.divisor > 1) out += concat(" / ", digit.divisor);
    if (digit.divisor * digit.extent < axis.size) out += concat(" mod ", digit.extent);
  }
  return out.empty() ? "one rank" : out;
}

inline std::string range_of(Interval range) { return concat('[', range.begin, ", ", range.end, ')'); }

/// What a step does, without where it leads.
/// part_name: of a sub-block of a packed weight, may be empty
inline std::string step_words(const Layout& layout, const CutStep& step, std::string_view part_name) {
  const Cut& cut = step.cut;
  switch (cut.kind) {
    case CutKind::split:
      return concat("Split over ", digit_words(layout, cut), cut.rule == PartRule::exact ? "" : " by ",
                    cut.rule == PartRule::exact ? "" : name(cut.rule), cut.mirrored ? ", mirrored" : "", ": part ",
                    step.part, " of ", step.parts, ", ", range_of(step.range));
    case CutKind::slice:
      return concat("Slice ", range_of({cut.value, cut.limit}));
    case CutKind::pad: {
      const std::string how = cut.pad_to == PadTo::multiple ? concat(" to a multiple of ", cut.value) : std::string();
      return step.new_length == step.length ? concat("Pad", how, ": nothing to add to ", step.length)
                                            : concat("Pad", how, ": ", step.length, " to ", step.new_length);
    }
    case CutKind::repeat:
      return concat("Repeat ", cut.value, " times: copy ", step.part);
    case CutKind::reorder:
      return concat("Reorder ", cut.value, " blocks of ", cut.value > 0 ? step.length / cut.value : 0, ": block ",
                    step.length >= cut.value && step.before >= 0 ? step.before / (step.length / cut.value) : 0,
                    " becomes block ", step.part, " of ", step.parts);
    case CutKind::blocks:
      break;
  }
  const std::string which = part_name.empty() ? concat("block ", step.part) : std::string(part_name);
  if (step.leaves) return concat("Join: ", which, " goes to ", range_of(step.range), " of ", step.new_length);
  return concat("Blocks, ", step.parts, ": ", which, ", ", range_of(step.range), " of ", step.length);
}

/// Names of the sub-blocks of a dimension that is packed, where the outermost cut is that packing.
inline std::string_view sub_block_name(const Parameter& p, std::size_t dim, const CutStep& step) {
  const Sharding& rule = p.sharding;
  const bool packed = step.depth == 0 && step.cut.kind == CutKind::blocks &&
                      dim == static_cast<std::size_t>(rule.dim) && rule.parts.size() > 1 &&
                      step.cut.chains.count == rule.parts.size();
  return packed ? rule.parts[static_cast<std::size_t>(step.part)].name : std::string_view();
}

/// Appends the ways through the dimensions. weight: the occurrence of the weight that they go on from, whose own steps
/// are left out; null: none.
inline void append_paths(std::string& out, const Explanation& all, const Layout& layout, const Occurrence& one,
                         const Occurrence* weight) {
  for (std::size_t dim = 0; dim < one.dimensions.size(); ++dim) {
    const DimensionPath& path = one.dimensions[dim];
    const std::size_t skip = weight != nullptr ? weight->dimensions[dim].steps.size() : 0;
    const Index start = weight != nullptr ? weight->local[dim] : path.index;
    if (weight != nullptr && path.steps.size() == skip) continue;
    out += concat("    dimension ", dim, ", ", weight != nullptr ? "local index " : "index ", start, " of ",
                  weight != nullptr ? weight->local_shape[dim] : path.extent);
    if (path.steps.empty()) out += ": not cut";
    out += '\n';
    for (std::size_t i = skip; i < path.steps.size(); ++i) {
      const CutStep& step = path.steps[i];
      out.append(6 + 2 * step.depth, ' ');
      out += concat(step_words(layout, step, sub_block_name(all.parameter(), dim, step)), " -> position ", step.after,
                    " of ", step.new_length, '\n');
    }
  }
}

inline void append_holders(std::string& out, const Explanation& all, const Occurrence& one) {
  const std::size_t count = one.ranks.size();
  out += concat("    at ", one.local, " of a shard ", one.local_shape, ", ", with_commas(one.offset()),
                " in its buffer\n    on ", counted(static_cast<Index>(count), "rank"), ": ", rank_list(one.ranks, 8),
                '\n');
  constexpr std::size_t most = 4;
  for (std::size_t k = 0; k < count && k < most; ++k) {
    const Rank rank = one.ranks[k];
    const auto here = all.plan->at(rank);
    out += concat("      rank ", rank, ':');
    for (const Axis axis : {pp, dp, cp, tp, edp, ep})
      if ((axis != edp && axis != ep) || all.plan->mesh().degrees().expert > 1)
        out += concat(axis == pp ? " " : ", ", axis.name(), ' ', here.coordinate(axis));
    out += '\n';
  }
}

/// Whether the way to `held` goes through `weight`: it stands there after as many steps.
inline bool begins_with(const Occurrence& weight, const Occurrence& held) {
  for (std::size_t dim = 0; dim < held.dimensions.size(); ++dim) {
    const std::vector<CutStep>& steps = held.dimensions[dim].steps;
    const std::size_t count = weight.dimensions[dim].steps.size();
    if (count > steps.size() || (count < steps.size() ? steps[count].before : held.local[dim]) != weight.local[dim])
      return false;
  }
  return true;
}

/// How an element's occurrences of one kind came about; `weights`: those that the optimizer's go on from.
inline void append_occurrences(std::string& out, const Explanation& all, const Layout& layout,
                               const std::vector<Occurrence>& held, const std::vector<Occurrence>* weights) {
  constexpr std::size_t most = 4;
  if (held.empty()) out += "    held by no rank\n";
  for (std::size_t i = 0; i < held.size() && i < most; ++i) {
    if (held.size() > 1) out += concat("    occurrence ", i + 1, " of ", held.size(), '\n');
    const Occurrence* from = nullptr;
    for (std::size_t w = 0; weights != nullptr && from == nullptr && w < weights->size(); ++w)
      if (begins_with((*weights)[w], held[i])) from = &(*weights)[w];
    append_paths(out, all, layout, held[i], from);
    append_holders(out, all, held[i]);
  }
  if (held.size() > most) out += concat("    and ", held.size() - most, " more; --format json tells all\n");
}

inline void append_shard(std::string& out, const Explanation& all, const Layout& layout) {
  const Shard shard(layout, layout.view().place(*all.rank));
  out += concat("    covers ", range_words(shard, layout.shape(), all.parameter().sharding), '\n', "    shape  ",
                shard.local_shape(), ", ", with_commas(shard.elements()), " elements");
  if (shard.padding() > 0) out += concat(", ", with_commas(shard.padding()), " of them padding");
  out += '\n';
}

inline JsonWriter& write(JsonWriter& json, const Explanation& all, const Layout& layout, const Occurrence& one) {
  json.begin_object().member("count", one.ranks.size()).key("ranks").flat().begin_array();
  for_each_rank_run(one.ranks, [&json](const RankRun& run) {
    json.begin_object().member("first", run.first).member("count", run.count).member("stride", run.stride).end_object();
  });
  json.end_array().member("local", one.local).member("local_shape", one.local_shape).member("offset", one.offset());
  const auto first = all.plan->at(one.ranks[0]);
  json.key("coordinates").flat().begin_object();
  for (const Axis axis : {pp, dp, cp, tp, edp, ep}) json.member(axis.name(), first.coordinate(axis));
  json.end_object().key("dimensions").begin_array();
  for (std::size_t dim = 0; dim < one.dimensions.size(); ++dim) {
    const DimensionPath& path = one.dimensions[dim];
    json.begin_object().member("index", path.index).member("extent", path.extent).member("local", path.local);
    json.member("local_extent", path.local_extent).key("steps").begin_array();
    for (const CutStep& step : path.steps) {
      json.flat().begin_object().member("cut", step.leaves ? "join" : name(step.cut.kind));
      json.member("words", step_words(layout, step, sub_block_name(all.parameter(), dim, step)));
      json.member("depth", step.depth).member("before", step.before).member("length", step.length);
      json.member("after", step.after).member("new_length", step.new_length);
      if (step.cut.kind == CutKind::split || step.cut.kind == CutKind::blocks)
        json.member("part", step.part)
            .member("parts", step.parts)
            .key("range")
            .begin_array()
            .value(step.range.begin)
            .value(step.range.end)
            .end_array();
      json.end_object();
    }
    json.end_array().end_object();
  }
  return json.end_array().end_object();
}

inline JsonWriter& write(JsonWriter& json, const Explanation& all, const Layout& layout,
                         const std::vector<Occurrence>& held) {
  json.begin_array();
  for (const Occurrence& one : held) write(json, all, layout, one);
  return json.end_array();
}

}  // namespace detail

/// The explanation as JSON, see above.
inline JsonWriter& write(JsonWriter& json, const Explanation& all) {
  const Parameter& p = all.parameter();
  const bool states = all.plan->storage().states > 0;
  json.begin_object().member("schema", explain_schema).key("tensor").begin_object().member("name", p.name);
  if (!p.tied_name.empty()) json.member("tied_name", p.tied_name);
  const Stages stages = all.plan->stages(all.position);
  json.member("shape", p.shape).member("dtype", name(all.plan->storage().weight_dtype)).key("stages").flat();
  json.begin_array().value(stages.first);
  if (stages.last != stages.first) json.value(stages.last);
  json.end_array().member("cut", cut_words(p.sharding, all.weight)).end_object().key("index");
  all.index ? json.value(*all.index) : json.value(nullptr);
  json.key("weight");
  all.index ? detail::write(json, all, all.weight, all.held) : json.value(nullptr);
  json.key("optimizer_state");
  (states && all.index) ? detail::write(json, all, all.state, all.state_held) : json.value(nullptr);
  json.key("rank");
  if (!all.rank) return json.value(nullptr).end_object();
  json.begin_object().member("rank", *all.rank).member("holds", all.exists()).key("weight");
  const auto shard = [&](const Layout& layout, bool there) {
    if (!there) return void(json.value(nullptr));
    detail::write_members(json.begin_object(), Shard(layout, layout.view().place(*all.rank))).end_object();
  };
  shard(all.weight, all.exists());
  json.key("optimizer_state");
  shard(all.state, all.exists() && states);
  return json.end_object().end_object();
}

/// The explanation for reading.
inline std::string text(const Explanation& all) {
  const Plan& plan = *all.plan;
  const Parameter& p = all.parameter();
  const Partition& partition = plan.partition();
  const Stages stages = plan.stages(all.position);
  std::string out = concat(p.name, ' ', p.shape, ' ', name(plan.storage().weight_dtype), '\n');
  if (!p.tied_name.empty()) out += concat("  also called ", p.tied_name, '\n');
  const auto stage = [&](StageId which) {
    return concat("stage ", which, " of ", partition.stages(), ", pipeline rank ", partition.pipeline_rank(which));
  };
  out += concat("  on   ", stage(stages.first), stages.last != stages.first ? concat("; ", stage(stages.last)) : "");
  if (p.owner.kind == Owner::Kind::layer) out += concat("; layer ", p.owner.layer);
  out += concat("\n  cut  ", cut_words(p.sharding, all.weight), '\n');
  const bool states = plan.storage().states > 0;
  if (all.index) {
    out += concat("\n  element ", *all.index, " of the weight\n");
    detail::append_occurrences(out, all, all.weight, all.held, nullptr);
    if (states) {
      out += concat("\n  its optimizer state, ", counted(plan.storage().states, "state"), " of ",
                    name(plan.storage().state_dtype),
                    plan.strategy().zero1 ? "; ZeRO-1 cuts the shard on\n" : "; beside the weight\n");
      detail::append_occurrences(out, all, all.state, all.state_held, &all.held);
    }
  }
  if (!all.rank) return out;
  out += concat("\n  rank ", *all.rank, ", pipeline rank ", plan.at(*all.rank).pipeline_rank(), '\n');
  if (!all.exists()) return out + "    has no shard of it: the tensor is on other pipeline ranks\n";
  detail::append_shard(out, all, all.weight);
  if (states) {
    out += "  its slice of the optimizer state\n";
    detail::append_shard(out, all, all.state);
  }
  return out;
}

}  // namespace shardplan
