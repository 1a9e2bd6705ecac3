#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <shardplan/mesh/megatron_groups.hpp>

#include "kinds.hpp"
#include "sha256.hpp"

/// Rank orders and process groups of Megatron-Core.
namespace conformance {

namespace {

using namespace shardplan;
namespace mg = shardplan::mcore;

/// Groups as a file records them: all of them, or a summary.
template <class List>
Json figure(const List& groups, bool summary) {
  Json all = Json::array();
  for (const Group& group : groups) all.push_back(group);
  if (!summary) return all;
  const auto cut = [](Json group) {
    if (group.size() > 64) group.erase(group.begin() + 64, group.end());
    return group;
  };
  return {{"num_groups", all.size()},
          {"group_size", all.front().size()},
          {"first_group", cut(all.front())},
          {"last_group", cut(all.back())},
          {"sha256_of_compact_json", sha256(all.dump())}};
}

bool is_summary(const Json& recorded) { return recorded.is_object(); }

void check_grid(const Field& recorded, const mg::RankGrid& grid) {
  recorded.expect("order", grid.order().text());
  Json sizes = Json::array();
  for (const Axis axis : grid.order().axes()) sizes.push_back(grid.sizes().of(axis));
  recorded.expect("sizes_in_order", sizes);
  const Field groups = recorded["groups"];
  for (const std::string& token : groups.keys())
    groups[token].expect_exactly(figure(grid.groups(token), is_summary(groups.peek(token))));
}

mg::Options options_of(const Field& config) {
  mg::Options out;
  out.ranks = config["world_size"].number();
  out.tensor = config.get<Index>("tensor_model_parallel_size", out.tensor);
  out.pipeline = config.get<Index>("pipeline_model_parallel_size", out.pipeline);
  out.context = config.get<Index>("context_parallel_size", out.context);
  out.expert = config.get<Index>("expert_model_parallel_size", out.expert);
  out.instances = config.get<Index>("num_distributed_optimizer_instances", out.instances);
  out.hybrid_context = config.get("hybrid_context_parallel", out.hybrid_context);
  out.offset = config.get<Index>("rank_offset", out.offset);
  out.weight_remat = config.get<Index>("gtp_remat_size", out.weight_remat);
  out.expert_weight_remat = config.get<Index>("expert_gtp_remat_size", out.expert_weight_remat);
  for (const Index size : config.get<std::vector<Index>>("hierarchical_context_parallel_sizes", {}))
    out.hierarchical_context.push_back(size);
  for (const auto& [key, value] : {std::pair{"virtual_pipeline_model_parallel_size", &out.virtual_pipeline},
                                   std::pair{"expert_tensor_parallel_size", &out.expert_tensor}})
    if (config.has(key) && !config[key].is_null()) *value = config[key].number();
  // The last one, for the order itself may be refused.
  if (const auto order = config.get<std::string>("order", {}); !order.empty()) out.order = mg::Order(order);
  return out;
}

/// Kinds that the files leave out: the groups of one rank of an axis that is not there.
bool is_recorded(const mg::ProcessGroups& job, mg::Kind kind) {
  if (kind == mg::GroupKind::weight_remat) return job.options().weight_remat > 1;
  if (kind == mg::GroupKind::expert_weight_remat) return job.options().expert_weight_remat > 1;
  return true;
}

void check_configuration(const Field& file) {
  file.skip({"name"});
  expect_outcome(file, [&file] {
    const mg::ProcessGroups job(options_of(file["config"]));
    if (file.has("error")) return;
    check_grid(file["decoder_grid"], job.decoder());
    check_grid(file["expert_grid"], job.expert());
    const Field recorded = file["process_groups_in_creation_order"];
    bool summary = false;
    for (const std::string& key : recorded.keys()) summary = summary || is_summary(recorded.peek(key));
    Json groups = Json::object(), sequence = Json::array();
    for (const mg::Kind kind : job.kinds()) {
      if (!is_recorded(job, kind)) continue;
      sequence.push_back(mg::name(kind));
      groups[mg::name(kind)] = figure(job.groups(kind), summary);
    }
    recorded.expect_exactly(groups);
    file.expect("process_group_creation_sequence", sequence);
  });
}

void check_generator(const Field& file) {
  file.skip({"name"});
  const Field given = file["rank_generator"];
  const mg::Sizes sizes{.tensor = given.get<Index>("tp", 1),
                        .expert = given.get<Index>("ep", 1),
                        .data = given.get<Index>("dp", 1),
                        .pipeline = given.get<Index>("pp", 1),
                        .context = given.get<Index>("cp", 1),
                        .weight_remat = given.get<Index>("gtp_remat", 1)};
  const std::string order = given["order_given"].text();
  const Index offset = given.get<Index>("rank_offset", 0);
  expect_outcome(file, [&] {
    const mg::RankGrid grid(mg::Order(order), sizes, offset);
    if (file.has("error")) return;
    check_grid(file, grid);
    file.expect("world_size", grid.size());
  });
}

}  // namespace

Kinds megatron_rank_kinds() {
  return {{"Megatron process groups", Kind::Scope::file,
           [](const Json& file, const Json&) {
             return has(file, {"config"}) && has(file.at("config"), {"world_size", "order"}) &&
                    (has(file, {"decoder_grid", "expert_grid"}) || has(file, {"error"}));
           },
           check_configuration},
          {"Megatron rank generator", Kind::Scope::file,
           [](const Json& file, const Json&) {
             return has(file, {"rank_generator"}) && has(file.at("rank_generator"), {"order_given"});
           },
           check_generator}};
}

}  // namespace conformance
