#pragma once
#include <optional>

#include <shardplan/report/plan_report.hpp>
#include <shardplan/report/ranks.hpp>
#include <shardplan/report/table.hpp>
#include <shardplan/report/words.hpp>

/// One rank of a plan for reading.
namespace shardplan {

namespace detail {

template <class Tensors>
bool any_padding(const Tensors& tensors) {
  for (const auto& tensor : tensors)
    if (tensor.shard().padding() > 0) return true;
  return false;
}

inline std::string padding_words(const Shard& shard) { return shard.padding() > 0 ? with_commas(shard.padding()) : ""; }

}  // namespace detail

/// A rank of a plan: where it stands, whom it talks to, every parameter it holds and its slices of their optimizer
/// state. width: columns of the page, 0 for any; wider tables are folded. Errors SP-PLAN-001, SP-MESH-010.
inline std::string rank_text(const Plan& plan, Rank rank, std::size_t width = 0) {
  const auto here = plan.at(rank);
  const Partition& partition = plan.partition();
  std::string out = concat("Rank ", rank, "\n\n");

  out += "  coordinates ";
  for (const Axis axis : {pp, dp, cp, tp, edp, ep}) {
    const View& view = plan.mesh().dense().find(axis) ? plan.mesh().dense() : plan.mesh().expert();
    if ((axis == edp || axis == ep) && plan.mesh().degrees().expert == 1) continue;
    out += concat(axis == pp ? "" : ", ", axis.name(), ' ', here.coordinate(axis), " of ", view.extent(axis));
  }
  const auto [previous, next] = pipeline_neighbours(here);
  const auto neighbour = [](std::string_view label, const std::optional<Rank>& peer) {
    return peer ? concat(label, " rank ", *peer) : concat("no ", label, " rank");
  };
  out += concat("\n  neighbours  ", neighbour("previous", previous), ", ", neighbour("next", next), "\n  stages      ");
  for (Index chunk = 0; chunk < partition.chunks(); ++chunk) {
    const StageId stage = here.stage(chunk);
    const Interval layers = partition.layers_of(stage);
    out += concat(chunk == 0 ? "" : "; ", stage, " of ", partition.stages());
    if (stage == partition.embedding_stage()) out += ", embedding";
    out += layers.empty()       ? std::string(", no layers")
           : layers.size() == 1 ? concat(", layer ", layers.begin)
                                : concat(", layers ", layers.begin, '-', layers.end - 1);
    if (stage == partition.head_stage()) out += ", final norm and head";
  }
  out += "\n\n";

  Table groups({{"  group"}, {"size", Table::Align::right}, {"position", Table::Align::right}, {"ranks"}});
  for (const auto& [label, list] : group_kinds(plan)) {
    const Group group = list.of(rank);
    if (group.size() == 1) continue;
    const std::optional<Index> position = group.position(rank);
    groups.row(
        {concat("  ", label), concat(group.size()), position ? concat(*position) : std::string(), rank_list(group)});
  }
  groups.write(out, 0, width);

  const auto parameters = here.parameters(), states = here.optimizer_shards();
  out += concat('\n', counted(static_cast<Index>(parameters.size()), "parameter"), ", ",
                with_commas(parameters.elements()), " elements of ", name(plan.storage().weight_dtype),
                "; ranges of the whole tensor, : is all of a dimension\n\n");
  Table held({{"parameter"}, {"shape"}, {"cut"}, {"local shape"}, {"ranges"}, {"padding", Table::Align::right}});
  for (const auto& tensor : parameters)
    held.row({std::string(tensor.name()), concat(tensor.full_shape()),
              cut_words(tensor.source().sharding, tensor.layout()), concat(tensor.local_shape()),
              range_words(tensor.shard(), tensor.full_shape(), tensor.source().sharding),
              detail::padding_words(tensor.shard())});
  held.write(out, 2, width);

  if (plan.storage().states == 0) return out;
  out += concat(
      "\nOptimizer state, ", plan.storage().states, " x ", with_commas(states.elements()), " elements of ",
      name(plan.storage().state_dtype),
      plan.strategy().zero1 ? "; ZeRO-1 cuts the rows that a rank holds" : "; that of whole parameters, without ZeRO-1",
      "\n\n");
  Table slices({{"slice of"}, {"local shape"}, {"ranges"}, {"padding", Table::Align::right}});
  for (const auto& state : states)
    slices.row({std::string(state.name()), concat(state.local_shape()),
                range_words(state.shard(), state.full_shape(), state.source().sharding),
                detail::padding_words(state.shard())});
  slices.write(out, 2, width);
  return out;
}

}  // namespace shardplan
