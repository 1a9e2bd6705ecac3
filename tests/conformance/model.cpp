#include <shardplan/model.hpp>
#include <shardplan/tensor/weight.hpp>

#include "kinds.hpp"

/// Parameters of the models that NxDT builds, and the padding of vocabularies.
namespace conformance {
namespace {

using namespace shardplan;

/// The configuration that a case starts from, with the values that it gives of its own (README of the figures).
struct Described {
  Architecture architecture;
  Index kv_replicator = 1;
};

Described described(Family family, const Field& config) {
  Architecture a{.family = family};
  a.hidden = config.get<Index>("hidden_size", 16);
  a.heads = config.get<Index>("num_attention_heads", 4);
  a.vocab = config.get<Index>("vocab_size", 40);
  a.moe_frequency = config.get<Index>("moe_frequency", 1);
  if (family == Family::megatron) {
    a.ffn = config.get<Index>("ffn_hidden_size", 24);
    a.layers = config.get<Index>("num_layers", 2);
    a.kv_heads = config.get<Index>("num_kv_heads", 0);
    a.head_dim = config.get<Index>("kv_channels", 0);
    a.positions = config.get<Index>("max_position_embeddings", 8);
    const std::string positions = config.get<std::string>("position_embedding_type", "learned_absolute");
    a.learned_positions = positions == "learned_absolute";
    if (!a.learned_positions && positions != "rope") throw std::runtime_error("unknown positions '" + positions + "'");
    const std::string activation = config.get<std::string>("activation", "gelu");
    a.gated = activation == "swiglu" || activation == "geglu" || activation == "reglu";
    if (!a.gated && activation != "gelu") throw std::runtime_error("unknown activation '" + activation + "'");
    a.bias = config.get("bias", true);
    a.normalization = normalization_from_name(config.get<std::string>("normalization", "layernorm"));
    a.block = block_from_name(config.get<std::string>("transformer_block_type", "pre_ln"));
    a.tied_embeddings = config.get("share_embeddings_and_output_weights", true);
    a.experts = config.get<Index>("num_moe_experts", 0);
    a.top_k = config.get<Index>("moe_top_k", 1);
    config.skip({"moe_capacity_factor", "output_router_logits"});  // no parameter depends on them
    return {a};
  }
  a.ffn = config.get<Index>("intermediate_size", 24);
  a.layers = config.get<Index>("num_hidden_layers", 1);
  a.kv_heads = config.get<Index>("num_key_value_heads", 2);
  a.qkv_linear = config.get("qkv_linear", false);
  a.fuse_qkv = config.get("fuse_qkv", true);
  if (family == Family::hf_mixtral) {
    a.experts = config.get<Index>("num_local_experts", 8);
    a.top_k = config.get<Index>("num_experts_per_tok", 2);
  }
  return {a, config.get<Index>("kv_shared_group_size", 1)};
}

void check_model(const Field& file) {
  const Field input = file["input"];
  file["kind"].text();
  const auto [architecture, kv_replicator] = described(family_from_name(input["family"].text()), input["config"]);
  const Index size = input["tp"].number(), expert = input["ep"].number();
  const View view({{ep, expert}, {tp, size}});
  const tensor::Options options{.kv_replicator = kv_replicator, .dialect = compat};
  const Model built = model(architecture);

  Json parameters = Json::array();
  Index total = 0;
  for (const Parameter& p : built.parameters) {
    const Shape local = tensor::weight_layout(p, view, options).local_shape(Place(2, 0));
    total += elements(local);
    Json json{{"name", p.name}, {"local_shape", local}};
    const ParallelAttributes marks = parallel_attributes(p, size, expert);
    if (marks.tensor_model_parallel) {
      json["tensor_model_parallel"] = true;
      json["partition_dim"] = marks.partition_dim;
      json["partition_stride"] = marks.partition_stride;
      json["num_partitions"] = marks.num_partitions;
    }
    if (marks.sequence_parallel_enabled) json["sequence_parallel_enabled"] = *marks.sequence_parallel_enabled;
    if (marks.expert_model_parallel) json["expert_model_parallel"] = true;
    parameters.push_back(json);
  }
  file.expect("parameters", parameters);
  file.expect("local_parameters", total);
  Json tied = Json::array();
  for (const Parameter& p : built.parameters)
    if (!p.tied_name.empty()) tied.push_back({p.name, p.tied_name});
  file.expect("tied", tied);
}

void check_vocabulary(const Field& object) {
  const Index size = object["vocab_size"].number(), multiple = object["make_vocab_size_divisible_by"].number(),
              tensor_size = object["tensor_model_parallel_size"].number();
  expect_outcome(object, [&] { object.expect("padded", megatron_vocabulary(size, multiple, tensor_size)); });
}

}  // namespace

Kinds model_kinds() {
  return {{"model parameters", Kind::Scope::file,
           [](const Json& file, const Json&) {
             return is(file, "schema", "shardplan-golden-shard-1") && is(file, "kind", "model_parameters");
           },
           check_model},
          {"vocabulary padding", Kind::Scope::element,
           [](const Json& object, const Json&) {
             return has(object, {"vocab_size", "make_vocab_size_divisible_by", "tensor_model_parallel_size"});
           },
           check_vocabulary}};
}

}  // namespace conformance
