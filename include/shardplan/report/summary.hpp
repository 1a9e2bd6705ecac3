#pragma once
#include <optional>
#include <vector>

#include <shardplan/plan/plan.hpp>
#include <shardplan/report/json.hpp>

/// A plan in some forty figures, under the names that NxDT users know.
namespace shardplan {

/// What a plan does not know about where it came from.
struct SummarySource {
  std::string config{};     ///< name of the configuration
  std::string hf_config{};  ///< name of its config.json; empty where there is none
  std::string precision{};  ///< `precision.type`; empty: the name of the plan's own switches
};

/// The figures of a plan, of one rank where it says so. What is not known is null; the figures of experts are there
/// where the model has some.
struct Summary {
  std::string config;
  std::string model_source;  ///< hf or megatron
  Index world_size = 0;
  Index tensor = 1;
  Index pipeline = 1;
  Index virtual_pipeline = 1;
  Index context = 1;
  Index expert = 1;
  Index data = 1;         ///< world / (tensor x pipeline x context)
  Index expert_data = 1;  ///< world / (tensor x pipeline x expert)
  bool zero1 = false;
  bool sequence_parallel = false;
  std::optional<Index> kv_replicator;  ///< null for megatron models, which have none
  Index micro_batch_size = 1;
  std::optional<Index> global_batch_size;
  std::optional<Index> num_microbatches;           ///< a step, on each data rank
  std::optional<Index> samples_per_rank_per_step;  ///< sequences
  std::optional<Index> seq_length;
  std::optional<Index> seq_per_cp_rank;
  std::optional<Index> seq_per_tp_rank_with_sp;  ///< as it is, or would be, with sequence parallelism
  std::optional<std::string> hf_config;          ///< of hf models
  Index num_layers = 0;
  Index hidden_size = 0;
  Index ffn_hidden_size = 0;
  Index num_attention_heads = 0;
  Index num_kv_heads = 0;
  Index head_dim = 0;
  Index vocab_size = 0;
  Index padded_vocab_size = 0;
  bool tied_embeddings = false;
  Index params_total = 0;     ///< copies not counted, vocabulary padded
  Index params_active = 0;    ///< of these, what one token passes
  double params_billion = 0;  ///< params_total, three digits behind the point
  Index experts = 0;
  Index top_k = 0;
  std::vector<Index> layers_per_stage;   ///< pipeline x virtual_pipeline of them
  std::vector<Index> layers_of_pp_rank;  ///< of all chunks of a pipeline rank
  Index q_heads_per_tp_rank = 0;
  Index kv_heads_per_tp_rank = 0;  ///< copies included
  std::string precision;

  /// Calls f(name, value) for every figure in order; those of another kind of model are left out.
  template <class F>
  void for_each(F&& f) const {
    f("config", config);
    f("model_source", model_source);
    f("world_size", world_size);
    f("tensor", tensor);
    f("pipeline", pipeline);
    f("virtual_pipeline", virtual_pipeline);
    f("context", context);
    f("expert", expert);
    f("data", data);
    f("expert_data", expert_data);
    f("zero1", zero1);
    f("sequence_parallel", sequence_parallel);
    f("kv_replicator", kv_replicator);
    f("micro_batch_size", micro_batch_size);
    f("global_batch_size", global_batch_size);
    f("num_microbatches", num_microbatches);
    f("samples_per_rank_per_step", samples_per_rank_per_step);
    f("seq_length", seq_length);
    f("seq_per_cp_rank", seq_per_cp_rank);
    f("seq_per_tp_rank_with_sp", seq_per_tp_rank_with_sp);
    if (model_source == "hf") f("hf_config", hf_config);
    if (experts > 0) {
      f("experts", experts);
      f("top_k", top_k);
    }
    f("num_layers", num_layers);
    f("hidden_size", hidden_size);
    f("ffn_hidden_size", ffn_hidden_size);
    f("num_attention_heads", num_attention_heads);
    f("num_kv_heads", num_kv_heads);
    f("head_dim", head_dim);
    f("vocab_size", vocab_size);
    f("padded_vocab_size", padded_vocab_size);
    f("tied_embeddings", tied_embeddings);
    f("params_total", params_total);
    f("params_active", params_active);
    f("params_billion", params_billion);
    f("layers_per_stage", layers_per_stage);
    f("layers_of_pp_rank", layers_of_pp_rank);
    f("q_heads_per_tp_rank", q_heads_per_tp_rank);
    f("kv_heads_per_tp_rank", kv_heads_per_tp_rank);
    f("precision", precision);
  }
};

/// The figures of a plan.
///
/// Rule     degrees are those in effect, which the compat dialect may have reduced to the world; sequences of a rank
///          that do not divide are those of the rank that holds most
/// Source   configuration sheet, 3
inline Summary summary(const Plan& plan, const SummarySource& source = {}) {
  const Architecture& a = plan.architecture();
  const Strategy& s = plan.strategy();
  const Training& t = plan.training();
  const Mesh& mesh = plan.mesh();
  const Partition& partition = plan.partition();
  const bool megatron = a.family == Family::megatron;

  Summary out;
  out.config = source.config;
  out.model_source = megatron ? "megatron" : "hf";
  out.world_size = mesh.size();
  out.tensor = mesh.degrees().tensor;
  out.pipeline = mesh.degrees().pipeline;
  out.virtual_pipeline = s.virtual_pipeline;
  out.context = mesh.degrees().context;
  out.expert = mesh.degrees().expert;
  out.data = mesh.data();
  out.expert_data = mesh.expert_data();
  out.zero1 = s.zero1;
  out.sequence_parallel = s.sequence_parallel;
  if (!megatron) out.kv_replicator = s.kv_replicator;
  out.micro_batch_size = t.micro_batch;
  if (t.global_batch > 0) {
    out.global_batch_size = t.global_batch;
    out.num_microbatches = plan.microbatches();
    // Samplers of megatron hand out whole microbatches, the loaders of hf models whatever falls to a rank.
    out.samples_per_rank_per_step = megatron ? plan.microbatches() * t.micro_batch : t.global_batch / mesh.data();
  }
  if (t.sequence > 0) {
    out.seq_length = t.sequence;
    out.seq_per_cp_rank = ceil_div(t.sequence, out.context);
    out.seq_per_tp_rank_with_sp = ceil_div(*out.seq_per_cp_rank, out.tensor);
  }
  if (!source.hf_config.empty()) out.hf_config = source.hf_config;
  out.num_layers = a.layers;
  out.hidden_size = a.hidden;
  out.ffn_hidden_size = a.ffn;
  out.num_attention_heads = a.heads;
  out.num_kv_heads = a.key_value_heads();
  out.head_dim = a.head_size();
  out.vocab_size = a.vocab;
  out.padded_vocab_size = padded_vocabulary(a.vocab, a.vocabulary_multiple, out.tensor);
  out.tied_embeddings = a.tied_embeddings;
  const Model model{plan.name(), a, plan.parameters()};
  out.params_total = model.parameter_count(out.tensor);
  out.params_active = model.active_parameter_count(out.tensor);
  out.params_billion = static_cast<double>((out.params_total + 500'000) / 1'000'000) / 1000;
  out.experts = a.experts;
  out.top_k = a.top_k;
  out.layers_of_pp_rank.assign(static_cast<std::size_t>(partition.pipeline()), 0);
  for (Index stage = 0; stage < partition.stages(); ++stage) {
    out.layers_per_stage.push_back(partition.layers_of(stage).size());
    out.layers_of_pp_rank[static_cast<std::size_t>(partition.pipeline_rank(stage))] += out.layers_per_stage.back();
  }
  out.q_heads_per_tp_rank = a.heads / out.tensor;
  const Index copies = tensor_options(a, s, plan.world(), plan.dialect()).kv_replicator;
  out.kv_heads_per_tp_rank = out.num_kv_heads * copies / out.tensor;
  out.precision = source.precision.empty() ? std::string(name(t.precision)) : source.precision;
  return out;
}

/// The figures as an object.
inline JsonWriter& write(JsonWriter& json, const Summary& summary) {
  json.begin_object();
  summary.for_each([&json](std::string_view name, const auto& value) { json.member(name, value); });
  return json.end_object();
}

}  // namespace shardplan
