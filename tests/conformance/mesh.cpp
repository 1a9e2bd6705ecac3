#include <shardplan/mesh.hpp>
#include <shardplan/zero/groups.hpp>

#include "kinds.hpp"

/// Meshes of NxD: orders, groups, accessors, refusals.
namespace conformance {
namespace {

using namespace shardplan;

World world_of(const Field& input) {
  return {.ranks = input["world_size"].number(),
          .hardware = hardware_from_name(input["hardware"].text()),
          .ranks_per_node = input.get<Index>("local_world_size", 0),
          .lnc = input.get<Index>("lnc_size", 1)};
}

Degrees degrees_of(const Field& input) {
  return {.tensor = input.get<Index>("tp", 1),
          .pipeline = input.get<Index>("pp", 1),
          .context = input.get<Index>("cp", 1),
          .expert = input.get<Index>("ep", 1)};
}

struct NamedList {
  const char* name;
  GroupList groups;
};

std::vector<NamedList> lists_of(const SideGroups& made) {
  const Mesh& mesh = made.mesh();
  std::vector<NamedList> out{{"tp", mesh.groups(tp)},       {"dp", mesh.groups(dp)}, {"pp", mesh.groups(pp)},
                             {"cp", mesh.groups(cp)},       {"ep", mesh.groups(ep)}, {"ep_data", mesh.groups(edp)},
                             {"zero1", mesh.zero1_groups()}};
  if (const auto list = made.token_shuffle()) out.push_back({"token_shuffle", *list});
  if (const auto list = made.kv_shared()) out.push_back({"kv_shared", *list});
  if (const auto list = made.draft()) out.push_back({"draft", *list});
  if (const Index stages = mesh.degrees().pipeline; stages > 1) {
    out.push_back({"pp_pairs_even", mesh.stage_pairs(0)});
    out.push_back({"pp_pairs_odd", mesh.stage_pairs(1)});
    out.push_back({"shared_first_last", mesh.shared_weight_groups({0, stages - 1})});
  }
  return out;
}

Json checksum(const GroupList& list) {
  Checksum sum;
  sum.add(static_cast<std::uint32_t>(list.size()));
  for (const Group& group : list) {
    sum.add(static_cast<std::uint32_t>(group.size()));
    for (const Rank rank : group) sum.add(static_cast<std::uint32_t>(rank.value));
  }
  return {{"groups", list.size()}, {"group_size", list[0].size()}, {"fnv1a64", sum.text()}};
}

/// The groups that hold a sampled rank, at most 64 of a kind.
Json sampled(const GroupList& list, const std::vector<Rank>& ranks) {
  Json out = Json::array();
  for (const Group& group : list) {
    const auto holds = [&group](Rank rank) { return group.contains(rank); };
    if (out.size() < 64 && std::any_of(ranks.begin(), ranks.end(), holds)) out.push_back(group);
  }
  return out;
}

Json record(const Mesh& mesh, Rank rank) {
  const Accessors nxd(mesh, rank);
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(); };
  Json out{{"rank", rank},
           {"tp", nxd.position(tp)},
           {"dp", nxd.position(dp)},
           {"cp", nxd.position(cp)},
           {"pp", nxd.position(pp)},
           {"ep", nxd.position(ep)},
           {"ep_data", nxd.position(edp)},
           {"pp_next", nxd.next_stage()},
           {"pp_prev", nxd.previous_stage()},
           {"tp_src", or_null(nxd.tensor_source())},
           {"dp_src", nxd.data_source()}};
  if (mesh.degrees().context > 1)
    for (const auto& [source, target] : nxd.context_transfers()) out["cp_pairs"].push_back({source, target});
  if (const Index stages = mesh.degrees().pipeline; stages > 1) {
    if (const auto pair = nxd.next_pair()) out["next_group"] = *pair;
    if (const auto pair = nxd.previous_pair()) out["prev_group"] = *pair;
    out["shared_first_last"] = nxd.shared_weight_group({0, stages - 1});
  }
  return out;
}

void check_defects(const Field& file, const SideGroups& made, const std::vector<Rank>& ranks) {
  std::vector<Defect> found = defects(made, ranks);
  for (const Field& recorded : file["defects"].elements()) {
    const std::string field = recorded["field"].text();
    const auto same =
        std::find_if(found.begin(), found.end(), [&field](const Defect& defect) { return defect.field == field; });
    if (same == found.end()) {
      recorded.differ("no such defect");
      continue;
    }
    recorded.expect_value({{"field", field}, {"count", same->count}, {"ranks", same->ranks}});
    found.erase(same);
  }
  for (const Defect& defect : found) file["defects"].differ("also a defect of " + std::string(defect.field));
}

void check_mesh(const Field& file) {
  const Field input = file["input"];
  const Mesh mesh(world_of(input), degrees_of(input), compat);
  SideGroups made(mesh);
  Json side_errors = Json::object();  // groups and accessors that fail, by name; what is recorded of each is commentary
  const auto side_group = [&](const char* key, const char* name, auto make) {
    if (input.has(key) && refusal([&] { make(input[key].number()); })) side_errors[name] = Json::object();
  };
  side_group("token_shuffle_group_size", "token_shuffle", [&](Index size) { made.token_shuffle(size); });
  const bool sequential = input.get("kv_sequential_ranks", false);
  side_group("kv_shared_group_size", "kv_shared", [&](Index size) { made.kv_shared(size, sequential); });
  side_group("draft_group_size", "draft", [&](Index size) { made.draft(size); });

  file.expect("effective", {{"tp", mesh.degrees().tensor},
                            {"pp", mesh.degrees().pipeline},
                            {"cp", mesh.degrees().context},
                            {"dp", mesh.data()},
                            {"ep", mesh.degrees().expert},
                            {"ep_data", mesh.expert_data()},
                            {"logic", mesh.order() == RankOrder::ring ? 2 : 1}});

  std::vector<Rank> ranks;
  for (const Field& one : file["ranks"].elements()) ranks.push_back(one["rank"].number());
  Json checksums, groups;
  const bool all = !file.has("groups_of_sampled_ranks");
  for (const NamedList& list : lists_of(made)) {
    checksums[list.name] = checksum(list.groups);
    groups[list.name] = all ? Json(list.groups) : sampled(list.groups, ranks);
  }
  file.expect("checksums", checksums);
  file.expect(all ? "groups" : "groups_of_sampled_ranks", groups);
  if (all && static_cast<Index>(ranks.size()) != mesh.size()) file["ranks"].differ("a record of every rank");

  std::vector<Rank> failing;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    file["ranks"][i].expect_value(record(mesh, ranks[i]));
    const Accessors nxd(mesh, ranks[i]);
    if (nxd.fault()) failing.push_back(ranks[i]);
    if (!nxd.tensor_source()) side_errors["tp_src"] = Json::object();
  }
  if (!failing.empty() || file.has("init_errors")) {
    Json errors = Json::array();
    if (!failing.empty()) errors.push_back({{"ranks", failing}});
    file.expect("init_errors", errors);
  }
  if (!side_errors.empty() || file.has("side_errors")) file.expect("side_errors", side_errors);

  const Launch launch{.compress_replica_groups = input.get("compress_rg", false)};
  if (launch.compress_replica_groups || file.has("meshes_passed_to_backend")) {
    Json handed = Json::array();
    for (const BackendMesh& one : backend_meshes(mesh, 0, launch)) {
      Json first = one.groups[0];
      if (first.size() > 4) first.erase(first.begin() + 4, first.end());
      handed.push_back({{"first_group", first}, {"mesh_groups", one.size()}});
    }
    file.expect("meshes_passed_to_backend", handed);
  }
  check_defects(file, made, ranks);
}

/// What one refused step was asked for: a number, or several calls one after the other.
std::vector<Index> calls(const Field& field) {
  return field.json().is_array() ? field.numbers() : std::vector<Index>{field.number()};
}

void check_mesh_error(const Field& object) {
  const std::string stage = object["stage"].text();
  const Field input = object["input"];
  const Rank rank = object.get<Index>("rank", 0);
  // A state of the process, which no number of the input tells.
  const bool process_group = object.get<std::string>("detail", "").rfind("torch.distributed not initialised", 0) != 0;
  std::optional<Diagnostics> refused = refusal([&] {
    const Mesh mesh(world_of(input), degrees_of(input), compat);
    if (auto fault = Accessors(mesh, rank).fault({.process_group = process_group})) throw Error(*fault);
    SideGroups made(mesh);
    if (stage == "init") return;
    const Field call = object["call"];
    if (stage == "kv_group") {
      for (const Index copies : calls(call["kv_shared_group_size"]))
        made.kv_shared(copies, call.get("kv_sequential_ranks", false));
    } else if (stage == "token_shuffle") {
      for (const Index size : calls(call["token_shuffle_group_size"])) made.token_shuffle(size);
    } else if (stage == "draft_group") {
      for (const Index size : calls(call["draft_group_size"])) made.draft(size);
    } else if (stage == "zero1") {
      if (call["zero1"].flag()) zero::groups(mesh, mesh.degrees().expert > 1);
    } else if (stage == "experts") {
      experts_of(call["ep_rank"].number(), call["num_experts"].number(), call["ep"].number(),
                 call.get<ExpertRows>("expert_distribution", {}));
    } else {
      throw std::runtime_error("unknown stage " + stage);
    }
  });
  // What a refused set-up never came to is known nevertheless.
  if (refused) {
    input.skip({"world_size", "hardware", "lnc_size", "local_world_size", "tp", "pp", "cp", "ep"});
    if (object.has("call"))
      object["call"].skip({"kv_shared_group_size", "kv_sequential_ranks", "token_shuffle_group_size",
                           "draft_group_size", "zero1", "num_experts", "ep", "ep_rank", "expert_distribution"});
  }
  object.expect("rejected", refused.has_value());
}

}  // namespace

Kinds mesh_kinds() {
  return {{"mesh", Kind::Scope::file,
           [](const Json& file, const Json&) { return is(file, "schema", "shardplan-golden-mesh-1"); }, check_mesh},
          {"mesh error", Kind::Scope::element,
           [](const Json& object, const Json& file) {
             return is(file, "schema", "shardplan-golden-mesh-errors-1") && has(object, {"stage", "input", "rejected"});
           },
           check_mesh_error}};
}

}  // namespace conformance
