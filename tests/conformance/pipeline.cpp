#include <algorithm>
#include <numeric>

#include <shardplan/pipeline.hpp>

#include "kinds.hpp"

/// Partitions of layers over pipeline stages.
namespace conformance {
namespace {

using namespace shardplan;

Json sizes(const Partition& partition) {
  Json out = Json::array();
  for (Index s = 0; s < partition.stages(); ++s) out.push_back(partition.layers_of(s).size());
  return out;
}
Json pipeline_ranks(const Partition& partition) {
  Json out = Json::array();
  for (Index s = 0; s < partition.stages(); ++s) out.push_back(partition.pipeline_rank(s));
  return out;
}
Json numbers(Interval layers) {
  Json out = Json::array();
  for (Index layer = layers.begin; layer < layers.end; ++layer) out.push_back(layer);
  return out;
}
Json layer_numbers(const Partition& partition) {
  Json out = Json::array();
  for (Index s = 0; s < partition.stages(); ++s) out.push_back(numbers(partition.layers_of(s)));
  return out;
}
std::vector<Index> sums(const Partition& partition, const std::vector<Index>& weights) {
  std::vector<Index> out;
  for (Index s = 0; s < partition.stages(); ++s) {
    const Interval held = partition.layers_of(s);
    out.push_back(std::accumulate(weights.begin() + held.begin, weights.begin() + held.end, Index{0}));
  }
  return out;
}
Json items(const pipeline::StageLayout& layout, StageId stage) {
  Json out = Json::array();
  for (const pipeline::LayoutItem item : layout.items_of(stage)) out.push_back(pipeline::name(item));
  return out;
}

void check_nxd_automatic(const Field& object) {
  const Index layers = object["layers"].number();
  const Partition partition = pipeline::even(layers, object["pp"].number(), object["virtual"].number());
  object.expect("cuts", pipeline::cut_names(partition, pipeline::numbered("model.layers", layers)));
  object.expect("layers_per_stage", sizes(partition));
  Json ranges = Json::array();
  for (Index s = 0; s < partition.stages(); ++s)
    ranges.push_back({partition.layers_of(s).begin, partition.layers_of(s).end});
  object.expect("stage_ranges", ranges);
  object.expect("stage_to_pp_rank", pipeline_ranks(partition));
}

void check_nxd_manual(const Field& object) {
  object.expect("layers_per_stage", sizes(pipeline::manual_even(object["layers"].number(), object["pp"].number())));
}

/// The toy model of the figures: an embedding, layers of one linear each, a norm, a head, the loss (README).
pipeline::TracedModel toy_model(Index layers, bool tied) {
  pipeline::TracedModel out{.inputs = {"input_ids", "labels"}};
  out.modules.push_back({"embed", {"weight"}, false, {"input_ids"}});
  for (const std::string& name : pipeline::numbered("layers", layers))
    out.modules.push_back({name, {"fc.weight", "fc.bias"}, true});
  out.modules.push_back({"norm", {"weight", "bias"}});
  out.modules.push_back({"lm_head", {"weight"}});
  out.modules.push_back({"loss", {}, false, {"lm_head", "labels"}});
  if (tied) out.ties.push_back({"lm_head.weight", "embed.weight"});
  return out;
}

Json rank_record(const pipeline::StagedModel& model, Index rank, Index microbatches) {
  Json out{{"rank", rank},
           {"stages", Json::array()},
           {"parameters_per_chunk", Json::array()},
           {"local_names_per_chunk", Json::array()},
           {"shared_groups_pp_ranks", Json::array()},
           {"shared_weight_local_names", Json::array()},
           {"params_marked_shared", Json::array()},
           {"odd_even", pipeline::odd_even_exchange(microbatches, model.partition().pipeline())}};
  for (Index chunk = 0; chunk < model.partition().chunks(); ++chunk) {
    const StageId stage = model.partition().stage(rank, chunk);
    Json names = Json::array(), local_names = Json::array();
    for (const pipeline::HeldParameter& held : model.parameters(stage)) {
      names.push_back(held.name);
      local_names.push_back(held.local_name);
    }
    out["stages"].push_back(stage);
    out["parameters_per_chunk"].push_back(names);
    out["local_names_per_chunk"].push_back(local_names);
  }
  for (const pipeline::TiedGroup& group : model.tied_groups()) {
    Json ranks = Json::array();
    for (std::size_t i = 0; i < group.members.size(); ++i) {
      const auto& [parameter, on_rank] = group.members[i];
      ranks.push_back(on_rank);
      if (on_rank != rank) continue;
      out["shared_weight_local_names"].push_back(parameter.local_name);
      if (i > 0) out["params_marked_shared"].push_back(parameter.name);
    }
    out["shared_groups_pp_ranks"].push_back(ranks);
  }
  return out;
}

void check_nxd_traced(const Field& object) {
  constexpr Index microbatches = 4;
  const Index pp = object["pp"].number(), chunks = object["virtual"].number();
  pipeline::TracedModel toy = toy_model(object["layers"].number(), object.get("tied", false));
  const Names given(object.get<std::vector<std::string>>("pipeline_cuts_given", {}));
  const bool automatic = object.get("auto_partition", true);  // refused cases leave it out
  const Names cuts = pipeline::chosen_cuts(pipeline::layer_names(toy), given, automatic, pp, chunks);
  const pipeline::StagedModel model(std::move(toy), cuts, pp, chunks);

  object.expect("cuts", cuts);
  Json received = Json::object(), inputs = Json::object(), ranks = Json::array();
  for (Index s = 0; s < model.partition().stages(); ++s) {
    const std::string stage = std::to_string(s);
    received[stage] = Json::array();
    inputs[stage] = Json::object();
    const auto or_null = [](const std::optional<Index>& value) { return value ? Json(*value) : Json(); };
    for (const pipeline::StageInput& one : model.received(s))
      received[stage].push_back(Json::array({one.name, or_null(one.argument), or_null(one.output)}));
    for (const pipeline::ModelInput& one : model.model_inputs(s)) inputs[stage][one.name] = one.argument;
  }
  for (Index rank = 0; rank < pp; ++rank) ranks.push_back(rank_record(model, rank, microbatches));
  object.expect("stage_io_inputs", received);
  object.expect("stage_model_inputs", inputs);
  object.expect("ranks", ranks);
}

pipeline::MegatronSplit megatron_split(const Field& config) {
  const auto optional = [&config](const char* key) {
    return config.gives(key) ? std::optional(config[key].number()) : std::nullopt;
  };
  pipeline::MegatronSplit out{
      .num_layers = config["num_layers"].number(),
      .mtp_num_layers = config.get<Index>("mtp_num_layers", 0),
      .pipeline_model_parallel_size = config["pipeline_model_parallel_size"].number(),
      .virtual_pipeline_model_parallel_size = optional("virtual_pipeline_model_parallel_size"),
      .account_for_embedding_in_pipeline_split = config.get("account_for_embedding_in_pipeline_split", false),
      .account_for_loss_in_pipeline_split = config.get("account_for_loss_in_pipeline_split", false),
      .num_layers_in_first_pipeline_stage = optional("num_layers_in_first_pipeline_stage"),
      .num_layers_in_last_pipeline_stage = optional("num_layers_in_last_pipeline_stage")};
  if (config.gives("pipeline_model_parallel_layout"))
    out.pipeline_model_parallel_layout =
        pipeline::parse_layout(config["pipeline_model_parallel_layout"].text(), out.pipeline_model_parallel_size);
  return out;
}

void check_megatron(const Field& object) {
  const pipeline::MegatronSplit split = megatron_split(object["config"]);
  const Partition partition = pipeline::megatron(split);
  object.expect("stage_layers", layer_numbers(partition));
  object.expect("stage_to_pp_rank", pipeline_ranks(partition));
  if (!split.pipeline_model_parallel_layout) return;
  Json stages = Json::array();
  for (Index s = 0; s < partition.stages(); ++s) stages.push_back(items(*split.pipeline_model_parallel_layout, s));
  object.expect("stage_items", stages);
  object.expect("mtp_standalone", pipeline::mtp_standalone(*split.pipeline_model_parallel_layout));
}

void check_deepspeed_uniform(const Field& object) {
  object.expect("bounds", pipeline::uniform(object["items"].number(), object["parts"].number()).bounds());
}

void check_deepspeed_balanced(const Field& object) {
  const std::vector<Index> weights = object["weights"].numbers();
  const Partition partition = pipeline::balanced(weights, object["parts"].number());
  object.expect("bounds", partition.bounds());
  object.expect("sums", sums(partition, weights));
}

void check_min_max(const Field& object) {
  const std::vector<Index> weights = object["weights"].numbers();
  const Partition partition = pipeline::min_max(weights, object["parts"].number());
  const std::vector<Index> dearest = sums(partition, weights);
  object.expect("min_max", *std::max_element(dearest.begin(), dearest.end()));
  // Among equally good partitions the figures prefer the smallest sum of squares, then the first; so does the library.
  object.expect("one_optimal_bounds", partition.bounds());
  object.expect("sums", dearest);
}

/// A layout string: refused when it is read, or read and then found to be no model.
void check_layout_string(const Field& object) {
  const Index pp = object["pipeline_model_parallel_size"].number(), layers = object["num_layers"].number(),
              mtp_layers = object.get<Index>("mtp_num_layers", 0);
  expect_outcome(object, [&] {
    const pipeline::StageLayout layout = pipeline::parse_layout(object["layout"].text(), pp);
    const Partition decoders = pipeline::decoders(layout);
    object.expect("virtual_pipeline_model_parallel_size", decoders.chunks());
    Json stages = Json::array();
    for (Index rank = 0; rank < pp; ++rank)
      for (Index chunk = 0; chunk < decoders.chunks(); ++chunk) {
        const StageId stage = decoders.stage(rank, chunk);
        stages.push_back({{"pp_rank", rank},
                          {"vp_stage", chunk},
                          {"items", items(layout, stage)},
                          {"decoder_layer_ids_0_based", numbers(decoders.layers_of(stage))}});
      }
    object.expect("stages", stages);
    if (Diagnostics all = pipeline::diagnose(layout, layers, mtp_layers); !all.empty()) throw Error(std::move(all));
    object.expect("mtp_standalone", pipeline::mtp_standalone(layout));
  });
}

struct PartitionKind {
  std::string_view name;
  void (*check)(const Field& object);
};
constexpr PartitionKind partition_kind_table[] = {
    {"nxd_create_partitions", check_nxd_automatic},
    {"nxd_manual_even", check_nxd_manual},
    {"nxd_traced_model", check_nxd_traced},
    {"megatron_layers", check_megatron},
    {"deepspeed_uniform", check_deepspeed_uniform},
    {"deepspeed_balanced", check_deepspeed_balanced},
    {"reference_minmax", check_min_max},
};

const PartitionKind* find_kind(const Json& object) {
  for (const PartitionKind& kind : partition_kind_table)
    if (is(object, "kind", kind.name)) return &kind;
  return nullptr;
}

void check_partition(const Field& object) {
  const PartitionKind* kind = find_kind(object.json());
  object["kind"].text();
  expect_outcome(object, [&] { kind->check(object); });
  // What a refused partition never came to is known nevertheless.
  if (!object.has("error")) return;
  object.skip(
      {"layers", "pp", "virtual", "items", "parts", "weights", "tied", "pipeline_cuts_given", "auto_partition"});
  if (object.has("config"))
    object["config"].skip({"num_layers", "mtp_num_layers", "pipeline_model_parallel_size",
                           "virtual_pipeline_model_parallel_size", "account_for_embedding_in_pipeline_split",
                           "account_for_loss_in_pipeline_split", "num_layers_in_first_pipeline_stage",
                           "num_layers_in_last_pipeline_stage", "pipeline_model_parallel_layout"});
}

}  // namespace

Kinds pipeline_kinds() {
  return {{"pipeline partition", Kind::Scope::element,
           [](const Json& object, const Json&) { return find_kind(object) != nullptr; }, check_partition},
          {"Megatron layout string", Kind::Scope::element,
           [](const Json& object, const Json&) {
             return has(object, {"layout", "pipeline_model_parallel_size", "num_layers", "mtp_num_layers"});
           },
           check_layout_string}};
}

}  // namespace conformance
