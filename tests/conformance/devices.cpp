#include <shardplan/layout/placements.hpp>
#include <shardplan/layout/shard.hpp>
#include <shardplan/mesh/deepspeed.hpp>

#include "kinds.hpp"

/// Rank orders and placements of DeepSpeed and PyTorch.
namespace conformance {
namespace {

using namespace shardplan;
using namespace shardplan::dtensor;

/// Names that outlive the views of them.
struct OwnedNames {
  std::vector<std::string> words;

  explicit OwnedNames(const Field& list) : words(list.as<std::vector<std::string>>()) {}
  DimNames views() const {
    DimNames out;
    for (const std::string& word : words) out.push_back(word);
    return out;
  }
};

template <class Lists>
Json listed(const Lists& lists) {
  Json out = Json::array();
  for (std::size_t i = 0; i < lists.size(); ++i) out.push_back(lists[i]);
  return out;
}
Json listed(const std::optional<GroupList>& lists) { return lists ? listed(*lists) : Json::array(); }
Json members(const std::optional<Group>& group) { return group ? Json(*group) : Json::array(); }

ProcessTopology topology_of(const Field& object) {
  const OwnedNames axes(object["axes"]);
  return ProcessTopology(axes.views(), object["dims"].shape());
}

void check_topology(const Field& object) {
  const ProcessTopology topology = topology_of(object);
  const Index ranks = topology.world_size();
  object.expect("world_size", ranks);
  Json coords = Json::array(), comm_lists = Json::object(), lists = Json::object();
  for (Index rank = 0; rank < ranks; ++rank) coords.push_back(topology.coord(rank));
  for (const std::string& axis : OwnedNames(object["axes"]).words) {
    comm_lists[axis] = listed(topology.axis_comm_lists(axis));
    lists[axis] = Json::array();
    for (Index i = 0; i < topology.dim(axis); ++i) lists[axis].push_back(members(topology.axis_list(axis, i)));
  }
  object.expect("coords_by_rank", coords);
  object.expect("axis_comm_lists", comm_lists);
  object.expect("axis_list", lists);
  const std::string missing = "no such axis";
  object.expect("missing_axis_comm_lists", listed(topology.axis_comm_lists(missing)));
  object.expect("missing_axis_dim", topology.dim(missing));

  for (const Field& one : object["filter_match"].elements()) {
    const Field conditions = one["filter"];
    const std::vector<std::string> axes = conditions.keys();
    ProcessTopology::Filter filter;
    for (const std::string& axis : axes) filter.push_back({axis, conditions[axis].number()});
    one.expect("ranks", members(topology.filter_match(filter)));
  }
  for (const Field& one : object["rank_repr"].elements()) {
    const OwnedNames omitted(one["omit_axes"]);
    one.expect("value", topology.rank_repr(one["rank"].number(), omitted.views(), one["inner_sep"].text(),
                                           one["outer_sep"].text()));
  }
}

void check_grid(const Field& object) {
  const PipelineParallelGrid grid(topology_of(object));
  object.expect("data_parallel_size", grid.data_parallel_size());
  object.expect("pipe_parallel_size", grid.pipe_parallel_size());
  object.expect("model_parallel_size", grid.model_parallel_size());
  Json pairs = Json::array(), created = Json::array(), stages = Json::array(), data = Json::array();
  for (Index rank = 0; rank < grid.topology().world_size(); ++rank) {
    pairs.push_back(grid.p2p_group(rank));
    stages.push_back(grid.stage_id(rank));
    data.push_back(grid.data_parallel_id(rank));
  }
  for (const GroupList& list : grid.creation_order())
    for (std::size_t i = 0; i < list.size(); ++i) created.push_back(list[i]);
  object.expect("p2p_groups", pairs);
  object.expect("dp_groups", listed(grid.dp_groups()));
  object.expect("pipe_groups", listed(grid.pipe_groups()));
  object.expect("group_creation_order", created);
  object.expect("stage_id_by_rank", stages);
  object.expect("data_id_by_rank", data);
}

void check_default_grid(const Field& object) {
  const ProcessTopology topology = default_topology(object["world_size"].number());
  object.expect("num_pp", topology.dim("pipe"));
  object.expect("num_dp", topology.dim("data"));
}

void check_device_mesh(const Field& object) {
  const OwnedNames names(object["dim_names"]);
  InlineVector<Index, 4> ranks(object["mesh_row_major"].numbers());
  const DeviceMesh mesh(object["shape"].shape(), names.views(), ranks);

  Json row_major = Json::array(), coordinates = Json::object();
  for (Index i = 0; i < mesh.size(); ++i) {
    Place place(mesh.dims().size(), 0);
    for (Index dim = static_cast<Index>(place.size()), rest = i; dim-- > 0;) {
      const auto at = static_cast<std::size_t>(dim);
      place[at] = rest % mesh.dims()[at].size;
      rest /= mesh.dims()[at].size;
    }
    row_major.push_back(mesh.rank(place));
  }
  // Ranks in between are as good a question as members; what is recorded says which were asked.
  const Field recorded = object["coordinate_by_rank"];
  for (const Index rank : ranks) coordinates[std::to_string(rank)] = *mesh.coordinate(rank);
  for (const std::string& key : recorded.keys()) {
    const auto coordinate = mesh.coordinate(std::stoll(key));
    coordinates[key] = coordinate ? Json(*coordinate) : Json();
  }
  object.expect("mesh_row_major", row_major);
  recorded.expect_exactly(coordinates);

  Json swapdims = Json::object(), layout = Json::object(), flattened = Json::object();
  for (const std::string& name : names.words) {
    swapdims[name] = listed(mesh.groups(name, GroupOrder::swapdims));
    layout[name] = listed(mesh.groups(name));
  }
  object["groups_swapdims_order"].expect_exactly(swapdims);
  object["groups_layout_order"].expect_exactly(layout);
  for (const std::string& key : object["flattened_submesh_groups"].keys()) {
    DimNames over;
    const std::string_view text = key;
    for (std::size_t from = 0; from <= text.size();) {
      const std::size_t to = std::min(text.find('+', from), text.size());
      over.push_back(text.substr(from, to - from));
      from = to + 1;
    }
    flattened[key] = listed(mesh.groups_over(over));
  }
  object["flattened_submesh_groups"].expect_exactly(flattened);
}

/// Every index that a dimension's runs hold, or nothing where they are one range.
Json indices(const Shard& shard, std::size_t dim) {
  if (shard.segments(dim).size() < 2) return nullptr;
  Json out = Json::array();
  for (const Shard::Segment& segment : shard.segments(dim))
    for (Index i = 0; i < segment.length; ++i) out.push_back(segment.start + i);
  return out;
}

void check_placements(const Field& object) {
  Placements placements;
  for (const std::string& word : object["placements"].as<std::vector<std::string>>())
    placements.push_back(parse_placement(word));
  const DeviceMesh mesh(object["mesh_shape"].shape());
  const Layout layout = layout_of(mesh, object["global_shape"].shape(), placements);
  for (const Field& one : object["ranks"].elements()) {
    const Rank rank = one["rank"].number();
    const LocalTensor local = local_tensor(layout, rank);
    const auto coordinate = mesh.coordinate(rank);
    one.expect("coord", coordinate ? Json(*coordinate) : Json());
    one.expect("local_shape", local.shape);
    one.expect("global_offset", local.offset);
    const Shard held = coordinate ? shard(layout, mesh.view().place(rank)) : Shard();
    Json ranges = Json::array();
    bool scattered = false;
    for (std::size_t dim = 0; dim < held.rank(); ++dim) {
      ranges.push_back(indices(held, dim));
      scattered = scattered || !ranges.back().is_null();
    }
    if (scattered || one.has("indices_per_dim")) one.expect("indices_per_dim", ranges);
  }
}

}  // namespace

Kinds device_kinds() {
  constexpr auto element = Kind::Scope::element;
  return {{"DeepSpeed topology", element,
           [](const Json& object, const Json&) {
             return has(object, {"axes", "dims", "axis_comm_lists"});
           },
           check_topology},
          {"DeepSpeed grid", element,
           [](const Json& object, const Json&) {
             return has(object, {"axes", "dims", "p2p_groups"});
           },
           check_grid},
          {"DeepSpeed default grid", element,
           [](const Json& object, const Json&) {
             return has(object, {"num_pp", "num_dp", "world_size"});
           },
           check_default_grid},
          {"DeviceMesh groups", element,
           [](const Json& object, const Json&) {
             return has(object, {"dim_names", "shape", "coordinate_by_rank"});
           },
           check_device_mesh},
          {"DTensor shapes", element,
           [](const Json& object, const Json&) {
             return has(object, {"global_shape", "mesh_shape", "placements"});
           },
           check_placements}};
}

}  // namespace conformance
