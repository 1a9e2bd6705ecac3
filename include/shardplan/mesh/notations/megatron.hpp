#pragma once
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include <shardplan/mesh/megatron_groups.hpp>
#include <shardplan/mesh/notations/row_major.hpp>

/// Rank orders of Megatron-Core as text (rank-orders sheet, 1.1 to 1.3).
namespace shardplan::mcore {

/// What a text says: one grid of given sizes, or a whole job with two.
struct OrderOfText {
  std::optional<ProcessGroups> job = std::nullopt;  ///< where a world is named
  RankGrid grid = {};                               ///< the one asked for
};

/// `tp-cp-ep-dp-pp tp=8,cp=2,pp=4,dp=2 offset=0` is one grid of these sizes, 1 where none stands. With `world=N` it is
/// what initialize_model_parallel makes of a job: dp is what is left, ep and etp are sizes of the second grid, which
/// grid=expert asks for. Further keys of a job: etp, instances, vpp, egtp_remat.
/// Errors SP-MESH-014 and those of RankGrid, ProcessGroups.
inline OrderOfText parse_order(std::string_view given) {
  shardplan::detail::OrderText text("Megatron", given);
  const Order order(text.take_bare().value_or("tp-cp-ep-dp-pp"));
  const Index offset = text.take_number("offset").value_or(0);
  const auto world = text.take_number("world");
  const std::string_view which = text.take("grid").value_or("dense");
  if (which != "dense" && which != "expert") text.refuse(concat("grid is '", which, '\''), "dense or expert");
  Options options{.order = order};
  if (world) {
    options.ranks = *world;
    options.offset = offset;
    options.expert_tensor = text.take_number("etp");
    options.virtual_pipeline = text.take_number("vpp");
    options.instances = text.take_number("instances").value_or(1);
    options.expert_weight_remat = text.take_number("egtp_remat").value_or(1);
  }
  Sizes sizes;
  std::optional<Index> data;
  for (const View::Extent& one : text.take_sizes()) {
    if (one.axis == dp) data = one.size;
    Index* const places[] = {&sizes.tensor, &sizes.pipeline, &sizes.data,
                             &sizes.expert, &sizes.context,  &sizes.weight_remat};
    bool known = false;
    for (std::size_t i = 0; i < std::size(known_axes); ++i)
      if (one.axis == known_axes[i]) *places[i] = one.size, known = true;
    if (!known)
      text.refuse(concat(one.axis.name(), " is no axis of Megatron-Core"),
                  concat("tp, pp, dp, ep, cp, gtp_remat",
                         world ? ", and etp, vpp, instances, egtp_remat" : "; etp, vpp and instances go with world=N"));
  }
  text.finish();
  if (!world) {
    if (which == "expert") text.refuse("grid=expert of a job without a world", "world=N");
    return {.grid = RankGrid(order, sizes, offset)};
  }
  options.tensor = sizes.tensor;
  options.pipeline = sizes.pipeline;
  options.context = sizes.context;
  options.expert = sizes.expert;
  options.weight_remat = sizes.weight_remat;
  OrderOfText out{.job = ProcessGroups(options)};
  if (data && *data != out.job->decoder().sizes().data)
    text.refuse(concat("dp is ", *data, ", and a world of ", *world, " leaves ", out.job->decoder().sizes().data),
                "no dp, or that one");
  out.grid = which == "expert" ? out.job->expert() : out.job->decoder();
  return out;
}

/// One grid: `tp-dp-pp tp=8,dp=2,pp=4`. Errors SP-MESH-014 an order that is not row-major, or axes that are none of
/// Megatron's.
inline std::string print_order(const View& view) {
  const auto axes = shardplan::detail::row_major_axes("Megatron", view);  // outermost first
  // Megatron puts axes of size 1 behind the order by itself.
  const auto left_out = [&axes](std::size_t i) {
    return axes.size() - i > 1 && axes[i].size == 1 && axes[i].axis != tp;
  };
  std::size_t first = 0;
  while (first < axes.size() && left_out(first)) ++first;
  std::string order;
  Names extents;
  for (std::size_t i = axes.size(); i-- > first;) {
    bool known = false;
    for (const Axis axis : known_axes) known = known || axis == axes[i].axis;
    if (!known && axes[i].size == 1) continue;  // it moves no rank
    if (!known)
      fail("SP-MESH-014", concat("Megatron-Core has no axis ", axes[i].axis.name()),
           "tp, pp, dp, ep, cp, gtp_remat; hyper takes any");
    order += concat(order.empty() ? "" : "-", axes[i].axis.name());
    extents.push_back(concat(axes[i].axis.name(), '=', axes[i].size));
  }
  if (extents.empty()) fail("SP-MESH-014", "a Megatron order names an axis at least", "tp=1");
  std::string out = concat(order, ' ', join(extents, ","));
  if (view.offset() != 0) out += concat(" offset=", view.offset());
  parse_order(out);  // what one grid cannot have: cp and ep, gtp_remat without tp
  return out;
}

}  // namespace shardplan::mcore
