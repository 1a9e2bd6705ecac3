#pragma once
#include <shardplan/config/config.hpp>
#include <shardplan/config/huggingface.hpp>
#include <shardplan/model/hub.hpp>
#include <shardplan/plan/plan.hpp>

/// From a configuration to what a planner takes: model, strategy, world, training (config sheet, sections 2, 3 and 7).
namespace shardplan {

/// What a configuration leaves open.
struct JobOptions {
  std::string model;         ///< name of the hub; fills only sizes that neither the file nor its config.json gives
  std::string model_config;  ///< path of a config.json, in place of model.model_config
  std::optional<Hardware> hardware;
  std::optional<Index> vocab_size;  ///< of a megatron model's tokenizer
  Dialect dialect = strict;
};

/// A configuration in the words of the planners. `notes` are the assumptions made, and everything loading has warned
/// of.
struct Job {
  Model model;
  Strategy strategy;
  World world;
  PlanOptions options;
  Diagnostics notes;
};

namespace detail {

/// The key of a configuration that stands behind an argument of the planners.
struct ArgumentKey {
  std::string_view argument;
  std::string_view path;
  std::string_view hf_key{};  ///< where an hf model has it in its config.json
};
inline constexpr ArgumentKey argument_keys[] = {
    {"ranks", "trainer.devices"},
    {"ranks", "trainer.num_nodes"},
    {"ranks_per_node", "trainer.devices"},
    {"tensor", "distributed_strategy.tensor_model_parallel_size"},
    {"pipeline", "distributed_strategy.pipeline_model_parallel_size"},
    {"virtual_pipeline", "distributed_strategy.virtual_pipeline_model_parallel_size"},
    {"context", "distributed_strategy.context_parallel_size"},
    {"expert", "distributed_strategy.expert_model_parallel_size"},
    {"kv_replicator", "distributed_strategy.kv_replicator"},
    {"token_shuffle", "distributed_strategy.token_shuffle_group_size"},
    {"zero1", "distributed_strategy.zero1"},
    {"sequence_parallel", "distributed_strategy.sequence_parallel"},
    {"global_batch", "data.global_batch_size"},
    {"micro_batch", "data.micro_batch_size"},
    {"sequence", "model.encoder_seq_length"},
    {"layers", "model.num_layers", "num_hidden_layers"},
    {"hidden", "model.hidden_size", "hidden_size"},
    {"ffn", "model.ffn_hidden_size", "intermediate_size"},
    {"heads", "model.num_attention_heads", "num_attention_heads"},
    {"kv_heads", "model.num_kv_heads", "num_key_value_heads"},
    {"vocab", "model.make_vocab_size_divisible_by", "vocab_size"},
    {"head_dim", "model.kv_channels"},
    {"positions", "model.max_position_embeddings"},
    {"qkv_linear", "model.qkv_linear"},
    {"pipeline_cuts", "model.pipeline_cuts"},
    {"tied_embeddings", "model.share_embeddings_and_output_weights", "tie_word_embeddings"},
    {"experts", "model.moe.num_experts"},
    {"top_k", "model.moe.top_k"},
    {"moe_frequency", "model.moe.frequency"},
    {"gated", "model.activation"},
    {"bias", "model.has_bias"},
    {"block", "model.transformer_block_type"},
    {"normalization", "model.normalization"},
    {"vocabulary_multiple", "model.make_vocab_size_divisible_by"},
};

}  // namespace detail

/// Replaces the arguments that findings of the planners name by the keys of the file they came from, with their
/// positions.
inline Diagnostics located(Diagnostics all, const Config& config, const std::string& hf_file = {}) {
  for (Diagnostic& one : all) {
    std::vector<Origin> found;
    for (const Origin& origin : one.origins) {
      const std::size_t before = found.size();
      for (const detail::ArgumentKey& key : detail::argument_keys) {
        if (!origin.file.empty() || key.argument != origin.key) continue;
        if (!hf_file.empty() && !key.hf_key.empty() && config.given(key.path) == nullptr)
          found.push_back({std::string(key.hf_key), hf_file, 0, 0});
        else
          found.push_back(config.origin(key.path));
      }
      if (found.size() == before) found.push_back(origin);
    }
    one.origins = std::move(found);
  }
  return all;
}

namespace detail {

/// Takes sizes from the first source that has them, and collects those that none has.
class Sizes {
 public:
  Sizes(const Config& config, Diagnostics& faults) : config_(config), faults_(faults) {}

  /// The file's value (above 0), else the config.json's, else the hub's; `key` is what the file or config.json calls it.
  Index operator()(std::string_view key, const std::optional<Index>& file, Index from_hf, Index from_hub) {
    for (const Index value : {file.value_or(0) > 0 ? *file : 0, from_hf, from_hub})
      if (value > 0) return value;
    if (file && *file != -1) return *file;  // the architecture's own rules tell what is wrong with it
    missing_.push_back(key);
    return 1;
  }

  void report(std::string_view source) {
    if (missing_.empty()) return;
    Diagnostic out = finding("SP-CONFIG-012", concat("the architecture is not given: ", join(missing_, ", ")),
                             concat(source, "name a model of the hub (--model) or a config.json (--model-config)"));
    out.origins.push_back(config_.origin(config_.model_source == "hf" ? "model.model_config" : missing_[0]));
    faults_.push_back(std::move(out));
  }

 private:
  const Config& config_;
  Diagnostics& faults_;
  std::vector<std::string_view> missing_;
};

}  // namespace detail

/// The architecture of a configuration. `hf` is its config.json, `hub` the model it is to be completed from.
inline Architecture architecture(const Config& config, const std::optional<HfConfig>& hf,
                                 const std::optional<Architecture>& hub, const std::optional<Index>& vocab_size,
                                 Diagnostics& findings) {
  const ModelSection& m = config.model;
  const HfConfig json = hf.value_or(HfConfig{});  // sizes of 0: not given
  const Architecture known = hub.value_or(Architecture{});
  detail::Sizes size(config, findings);
  Architecture out;
  if (config.model_source == "hf") {
    out.family =
        config.name && config.name->find("mixtral") != std::string::npos ? Family::hf_mixtral : Family::hf_llama;
    out.layers = size("model.num_layers", m.num_layers, json.num_hidden_layers, known.layers);
    out.hidden = size("model.hidden_size", m.hidden_size, json.hidden_size, known.hidden);
    out.ffn = size("intermediate_size", std::nullopt, json.intermediate_size, known.ffn);
    out.heads = size("num_attention_heads", std::nullopt, json.num_attention_heads, known.heads);
    out.kv_heads = hf ? json.num_key_value_heads.value_or(out.heads) : known.key_value_heads();
    out.vocab = size("vocab_size", std::nullopt, json.vocab_size, known.vocab);
    out.positions = m.max_position_embeddings.value_or(hf ? json.max_position_embeddings : known.positions);
    out.qkv_linear = m.qkv_linear;
    out.fuse_qkv = m.fuse_qkv;
    out.tied_embeddings = hf ? json.tie_word_embeddings : known.tied_embeddings;
    if (out.family == Family::hf_mixtral) {
      const bool given = config.given("model.moe.num_experts") != nullptr;
      out.experts = given ? m.moe.num_experts : hub ? known.experts : m.moe.num_experts;
      out.top_k = given || config.given("model.moe.top_k") ? m.moe.top_k : hub ? known.top_k : m.moe.top_k;
      out.moe_frequency = m.moe.frequency;
    }
    size.report(m.model_config ? concat("'", *m.model_config, "' cannot be read; ") : std::string());
    return out;
  }
  out.family = Family::megatron;
  out.layers = size("model.num_layers", m.num_layers, 0, known.layers);
  out.hidden = size("model.hidden_size", m.hidden_size, 0, known.hidden);
  out.ffn = size("model.ffn_hidden_size", m.ffn_hidden_size, 0, known.ffn);
  out.heads = size("model.num_attention_heads", m.num_attention_heads, 0, known.heads);
  out.positions = size("model.max_position_embeddings", m.max_position_embeddings, 0, known.positions);
  out.kv_heads = m.num_kv_heads.value_or(config.given("model.num_attention_heads") ? 0 : known.kv_heads);
  out.head_dim = m.kv_channels.value_or(0);
  const bool gpt =
      config.name == "megatron_gpt" || (config.data.tokenizer && config.data.tokenizer->type == "GPT2BPETokenizer");
  out.vocab = vocab_size ? *vocab_size : hub ? known.vocab : gpt ? 50257 : 32000;
  if (!vocab_size && !hub)
    findings.push_back(
        finding("SP-PLAN-005", concat("the tokenizer's vocabulary is taken to be ", out.vocab), "--vocab-size N"));
  out.vocabulary_multiple = m.make_vocab_size_divisible_by;
  out.bias = m.has_bias;
  out.gated = m.activation == "swiglu" || m.activation == "geglu" || m.activation == "reglu";
  out.learned_positions = m.position_embedding_type == "learned_absolute";
  out.tied_embeddings = m.share_embeddings_and_output_weights;
  out.experts = m.moe.num_experts > 1 ? m.moe.num_experts : 0;
  out.top_k = m.moe.top_k;
  out.moe_frequency = m.moe.frequency;
  try {
    out.normalization = normalization_from_name(m.normalization);
    out.block = block_from_name(m.transformer_block_type);
  } catch (const Error& error) {
    findings.insert(findings.end(), error.diagnostics().begin(), error.diagnostics().end());
  }
  size.report({});
  return out;
}

/// The strategy, exactly as the file has it.
inline Strategy strategy(const Config& config) {
  const DistributedStrategy& d = config.distributed_strategy;
  return {.tensor = d.tensor_model_parallel_size,
          .pipeline = d.pipeline_model_parallel_size,
          .virtual_pipeline = d.virtual_pipeline_model_parallel_size,
          .context = d.context_parallel_size,
          .expert = d.expert_model_parallel_size,
          .kv_replicator = config.model_source == "hf" ? d.kv_replicator : 1,
          .sequence_parallel = d.sequence_parallel,
          .zero1 = d.zero1,
          .token_shuffle = config.model_source == "hf" ? 1 : d.token_shuffle_group_size,
          .pipeline_cuts = config.model.pipeline_cuts.value_or(std::vector<std::string>{})};
}

/// The world. No configuration names its hardware, so it is assumed where the caller does not say it: SP-PLAN-005.
inline World world(const Config& config, const std::optional<Hardware>& hardware, Diagnostics& findings) {
  const Trainer& t = config.trainer;
  World out{
      .ranks = checked_mul(t.devices, t.num_nodes), .hardware = Hardware::trn1, .ranks_per_node = t.devices, .lnc = 1};
  if (hardware) {
    out.hardware = *hardware;
  } else {
    const bool trn2 = t.lnc || t.devices == 64 || t.devices == 128;
    out.hardware = trn2 ? Hardware::trn2 : Hardware::trn1;
    findings.push_back(finding("SP-PLAN-005",
                               concat("the hardware is taken to be ", name(out.hardware), " (",
                                      t.lnc ? "trainer.lnc is set" : concat(t.devices.value, " devices a node"), ')'),
                               "--hardware NAME"));
  }
  if (out.hardware == Hardware::trn2) out.lnc = t.lnc.value_or(2);
  return out;
}

/// The training job of a configuration. What it says wrongly (R21, R25, R26) counts as not said: mixed_precision, nothing
/// recomputed.
inline Training training(const Config& config) {
  const ModelSection& m = config.model;
  const PrecisionSection& p = config.precision;
  Training out{.global_batch = config.data.global_batch_size, .micro_batch = config.data.micro_batch_size};
  out.sequence = m.encoder_seq_length.value_or(config.data.seq_length.value_or(0));
  out.optimizer = m.optim.name;
  out.flash_attention = m.fusions.flash_attention;
  out.ring_attention = m.fusions.ring_attention;

  const auto is_on = [](const Node& node) { return node.as<std::string>() != nullptr && *node.as<std::string>() == "1"; };
  const auto known = precision_from_type(p.type, {.use_bf16 = is_on(p.xla_use_bf16),
                                                  .downcast_bf16 = is_on(p.xla_downcast_bf16),
                                                  .stochastic_rounding = is_on(p.neuron_rt_stochastic_rounding_en),
                                                  .master_weights = p.master_weights,
                                                  .fp32_grad_acc = p.fp32_grad_acc});
  if (known) out.precision = *known;

  const auto number = [&config](std::string_view path) {
    const Node* node = config.given(path);
    if (node == nullptr) return 0.0;
    if (const double* real = node->as<double>()) return *real;
    const Index* whole = node->as<Index>();
    return whole != nullptr ? static_cast<double>(*whole) : 0.0;
  };
  const bool megatron = config.model_source == "megatron";
  out.hidden_dropout = megatron && config.given("model.hidden_dropout") == nullptr ? 0.1 : number("model.hidden_dropout");
  out.attention_dropout = number("model.attention_dropout");
  out.capacity_factor = m.moe.capacity_factor.value_or(0);
  out.dropless = m.moe.dropless;

  const Family family = megatron ? Family::megatron : config.name && config.name->find("mixtral") != std::string::npos ? Family::hf_mixtral : Family::hf_llama;
  std::vector<std::string> modules;
  if (const auto* names = m.activations_checkpoint_recompute.as<Node::Sequence>())
    for (const Node& one : *names)
      if (const std::string* text = one.as<std::string>()) modules.push_back(*text);
  Diagnostics ignored;  // the rules of the configuration report R21, with positions
  out.recompute = recompute_from_keys(family, m.activations_checkpoint_granularity.value_or(std::string()), modules, out.flash_attention, ignored);
  return out;
}

/// Model, strategy, world and training of a configuration. Errors, all at once: SP-CONFIG-012 sizes that no source
/// gives, SP-MODEL-*, R6, and everything diagnose() finds, with the positions of the keys.
inline Job job(const Config& config, const std::optional<HfConfig>& hf, const std::string& hf_file,
               const JobOptions& asked) {
  Job out;
  out.notes = config.diagnostics;
  std::optional<Architecture> hub;
  if (!asked.model.empty()) hub = architecture(asked.model);
  Diagnostics findings;
  const Architecture wanted = architecture(config, hf, hub, asked.vocab_size, findings);
  out.strategy = strategy(config);
  out.world = world(config, asked.hardware, findings);
  out.options = {training(config), asked.dialect};
  if (!has_errors(findings)) {
    const Diagnostics of_model = diagnose(wanted);
    if (!has_errors(of_model)) out.model = model(wanted);
    if (config.name) out.model.name = *config.name;
    // Without a model its rules cannot be tried, but those of mesh and batch can: one run tells all faults.
    const Diagnostics rest = has_errors(of_model)
                                 ? diagnose(out.world, degrees(out.strategy), asked.dialect)
                                 : diagnose(out.model, out.strategy, out.world, out.options.training, asked.dialect);
    findings.insert(findings.end(), of_model.begin(), of_model.end());
    findings.insert(findings.end(), rest.begin(), rest.end());
  }
  findings = located(std::move(findings), config, hf_file);
  if (has_errors(findings)) {
    findings.insert(findings.begin(), out.notes.begin(), out.notes.end());
    throw Error(std::move(findings));
  }
  out.notes.insert(out.notes.end(), findings.begin(), findings.end());
  return out;
}

}  // namespace shardplan
