#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <shardplan/mesh/notations/order_text.hpp>
#include <shardplan/mesh/nxd.hpp>

/// Meshes of neuronx-distributed as text (NxD mesh sheet, 1.2 to 1.7): the order itself follows from the machine.
namespace shardplan {

/// A mesh, and which of its two views is meant.
struct MeshOfText {
  Mesh mesh;
  bool expert = false;

  const View& view() const { return expert ? mesh.expert() : mesh.dense(); }
};

/// `tp=32,pp=2,cp=1,ep=1 world=256 hardware=trn2 lnc=2 node=64 grid=dense dialect=strict`; dp (edp) in place of world.
/// lnc is 2 on trn2 where it is left out, else 1. Errors SP-MESH-014, SP-MESH-003, and those of Mesh.
inline MeshOfText parse_nxd_mesh(std::string_view given) {
  detail::OrderText text("NxD", given);
  World world;
  world.hardware = hardware_from_name(text.take("hardware").value_or("trn1"));
  world.lnc = text.take_number("lnc").value_or(world.hardware == Hardware::trn2 ? 2 : 1);
  world.ranks_per_node = text.take_number("node").value_or(0);
  const auto choice = [&](std::string_view key, std::string_view usual, std::string_view other) {
    const std::string_view value = text.take(key).value_or(usual);
    if (value != usual && value != other) text.refuse(concat(key, " is '", value, '\''), concat(usual, " or ", other));
    return value == other;
  };
  const bool expert = choice("grid", "dense", "expert");
  const Dialect dialect = choice("dialect", "strict", "compat") ? compat : strict;
  const auto ranks = text.take_number("world");
  Degrees degrees;
  std::optional<Index> data, expert_data;
  for (const View::Extent& one : text.take_sizes()) {
    if (one.axis == tp)
      degrees.tensor = one.size;
    else if (one.axis == pp)
      degrees.pipeline = one.size;
    else if (one.axis == cp)
      degrees.context = one.size;
    else if (one.axis == ep)
      degrees.expert = one.size;
    else if (one.axis == dp)
      data = one.size;
    else if (one.axis == edp)
      expert_data = one.size;
    else
      text.refuse(concat("NxD has no axis ", one.axis.name()), "tp, pp, cp, ep, dp, edp");
  }
  text.finish();
  const Index stage = checked_mul(degrees.tensor, degrees.pipeline);
  const bool by_experts = !data && expert_data;
  world.ranks = ranks ? *ranks
                      : checked_mul(stage, checked_mul(by_experts ? degrees.expert : degrees.context,
                                                       by_experts ? *expert_data : data.value_or(1)));
  MeshOfText out{Mesh(world, degrees, dialect), expert};
  if ((data && *data != out.mesh.data()) || (expert_data && *expert_data != out.mesh.expert_data()))
    text.refuse(concat("a world of ", world.ranks, " leaves dp ", out.mesh.data(), " and edp ", out.mesh.expert_data()),
                "these, or no dp and edp");
  return out;
}

/// The text of a mesh that has a view's order. Errors SP-MESH-014 an order that no machine gives.
inline std::string print_nxd_mesh(const View& view) {
  detail::require_no_offset("NxD", view);
  const bool expert = view.extent(ep) > 1 || view.extent(edp) > 1;
  for (const View::Extent& one : view.axes())
    if (one.size > 1 && one.axis != tp && one.axis != pp &&
        (expert ? one.axis != ep && one.axis != edp : one.axis != cp && one.axis != dp))
      fail("SP-MESH-014", concat("NxD has no axis ", one.axis.name(), expert ? " beside ep and edp" : ""),
           "tp, pp, cp and dp, or tp, pp, ep and edp");
  const Degrees degrees{view.extent(tp), view.extent(pp), expert ? 1 : view.extent(cp), view.extent(ep)};
  InlineVector<World, 8> machines{{view.size(), Hardware::trn1, 0, 1},
                                  {view.size(), Hardware::trn2, 0, 2},
                                  {view.size(), Hardware::trn2, 0, 1},
                                  {view.size(), Hardware::trn3, 0, 1}};
  // Tensor size 4 on trn1 takes one rank of each quarter of a node: its distance tells the node.
  for (const View::Slot& slot : view.slots())
    if (view.axes()[slot.axis].axis == tp) machines.push_back({view.size(), Hardware::trn1, 4 * slot.stride, 1});
  if (view.wires().node != 0)
    for (const Index lnc : {2, 1}) machines.push_back({view.size(), Hardware::trn2, view.wires().node, lnc});
  for (const World& world : machines) {
    if (has_errors(diagnose(world, degrees))) continue;
    const Mesh mesh(world, degrees);
    if (same_order(view, expert ? mesh.expert() : mesh.dense())) continue;
    Names out;
    for (const Axis axis : {tp, pp, cp, ep})
      if (expert ? axis != cp : axis != ep) out.push_back(concat(axis.name(), '=', view.extent(axis)));
    return concat(join(out, ","), " world=", world.ranks, " hardware=", name(world.hardware), " lnc=", world.lnc,
                  world.ranks_per_node > 0 ? concat(" node=", world.ranks_per_node) : std::string(),
                  expert ? " grid=expert" : "");
  }
  fail("SP-MESH-014", "no machine of NxD gives ranks this order",
       expert ? "[pp][edp][ep][tp], tp fastest, or a ring or spread of trn hardware"
              : "[pp][dp][cp][tp], tp fastest, or a ring or spread of trn hardware");
}

}  // namespace shardplan
