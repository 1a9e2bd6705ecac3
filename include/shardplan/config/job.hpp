#pragma once
#include <limits>

#include <shardplan/config/config.hpp>
#include <shardplan/config/huggingface.hpp>
#include <shardplan/config/rules.hpp>
#include <shardplan/model/hub.hpp>
#include <shardplan/plan/plan.hpp>

/// From a configuration to what a planner takes: model, strategy, world, training (configuration sheet, 2, 3 and 7).
namespace shardplan {

/// What a configuration leaves open.
struct JobOptions {
  std::string model{};         ///< name of the hub; fills what neither the file nor its config.json gives
  std::string model_config{};  ///< path of a config.json, in place of model.model_config
  std::optional<Hardware> hardware{};
  std::optional<Index> vocab_size{};  ///< of a megatron model's tokenizer
  Dialect dialect = strict;
};

/// A configuration in the words of the planners. `notes` are the assumptions made and every finding that does not stop
/// a plan: of loading, of `check`, of `diagnose`.
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
  bool overrides = false;     ///< an hf model takes it from the file where that gives it
};
inline constexpr ArgumentKey argument_keys[] = {
    {"ranks", "trainer.devices"},
    {"ranks", "trainer.num_nodes"},
    {"ranks_per_node", "trainer.devices"},
    {"lnc", "trainer.lnc"},
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
    {"family", "model_source"},
    {"layers", "model.num_layers", "num_hidden_layers", true},
    {"hidden", "model.hidden_size", "hidden_size", true},
    {"ffn", "model.ffn_hidden_size", "intermediate_size"},
    {"heads", "model.num_attention_heads", "num_attention_heads"},
    {"kv_heads", "model.num_kv_heads", "num_key_value_heads"},
    {"head_dim", "model.kv_channels", "head_dim"},
    {"vocab", "data.tokenizer", "vocab_size"},
    {"vocabulary_multiple", "model.make_vocab_size_divisible_by"},
    {"positions", "model.max_position_embeddings", "max_position_embeddings", true},
    {"tied_embeddings", "model.share_embeddings_and_output_weights", "tie_word_embeddings"},
    {"qkv_linear", "model.qkv_linear"},
    {"pipeline_cuts", "model.pipeline_cuts"},
    {"experts", "model.moe.num_experts"},
    {"top_k", "model.moe.top_k"},
    {"moe_frequency", "model.moe.frequency"},
    {"activation", "model.activation"},
    {"gated", "model.activation"},
    {"bias", "model.has_bias"},
    {"block", "model.transformer_block_type"},
    {"normalization", "model.normalization"},
    {"position_embedding_type", "model.position_embedding_type"},
};

/// Does the file leave a number to the config.json? It says so with -1 too.
inline bool left_open(const Config& config, std::string_view path) {
  const Node* given = config.given(path);
  return given == nullptr || given->is_null() || *given == Node{Index{-1}};
}

}  // namespace detail

/// Puts the keys of the file, with their places, for the arguments that findings of the planners name. What an hf model
/// has from its config.json is named as there: in `hf_file`, or where the configuration should name one.
inline Diagnostics located(Diagnostics all, const Config& config, const std::string& hf_file = {}) {
  for (Diagnostic& one : all) {
    Origins found;
    for (const Origin& origin : one.origins) {
      const std::size_t before = found.size();
      for (const detail::ArgumentKey& key : detail::argument_keys) {
        if (!origin.file.empty() || key.argument != origin.key) continue;
        const bool from_json = config.model_source == "hf" && !key.hf_key.empty() &&
                               (!key.overrides || detail::left_open(config, key.path));
        found.push_back(!from_json        ? config.origin(key.path)
                        : hf_file.empty() ? config.origin("model.model_config")
                                          : Origin{{}, hf_file, 0, 0});
        if (from_json) found.back().key = key.hf_key;
      }
      if (found.size() == before) found.push_back(origin);
    }
    one.origins = std::move(found);
  }
  return all;
}

namespace detail {

/// Where the values of an architecture come from: the file, its config.json (null: none), the hub (null: not asked);
/// the first that has one. Collects the sizes that none has, and the findings.
struct Sources {
  const Config& config;
  const HfConfig* json;
  const Architecture* hub;
  Diagnostics& findings;
  std::vector<std::string_view> missing{};

  /// A size; `name` is what a reader may look for.
  Index size(std::string_view name, const std::optional<Index>& file, Index HfConfig::*in_json,
             Index Architecture::*in_hub) {
    if (file && *file != -1) return *file;
    if (json != nullptr && in_json != nullptr) return json->*in_json;
    if (hub != nullptr) return hub->*in_hub;
    missing.push_back(name);
    return 1;
  }

  /// A switch or number for which NxDT has a default, which `file` holds where the key is absent.
  template <class T>
  T option(std::string_view path, T file, T Architecture::*in_hub) const {
    return hub != nullptr && config.given(path) == nullptr ? hub->*in_hub : file;
  }

  /// Runs `read`, keeping what it says is wrong.
  template <class F>
  void attempt(F&& read) {
    try {
      read();
    } catch (const Error& error) {
      append(findings, error.diagnostics());
    }
  }

  void report_missing() {
    if (missing.empty()) return;
    const bool hf = config.model_source == "hf";
    const std::string& file = config.model.model_config.value_or(std::string());
    Diagnostic out =
        finding("SP-CONFIG-012", concat("the architecture is not given: ", join(missing, ", ")),
                concat(hf && !file.empty() ? concat('\'', file, "' cannot be read; ") : std::string(),
                       "name a model of the hub (--model)", hf ? " or a config.json (--model-config)" : ""));
    if (hf) out.origins.push_back(config.origin("model.model_config"));
    for (const std::string_view name : missing)
      if (!hf) out.origins.push_back(config.origin(name));
    findings.push_back(std::move(out));
  }
};

/// Sheet, 2.6 and 2.7.
inline Architecture hf_architecture(Sources& from, const Dialect& dialect) {
  const ModelSection& m = from.config.model;
  const HfConfig* json = from.json;
  Architecture out{.qkv_linear = m.qkv_linear, .fuse_qkv = m.fuse_qkv, .family = family_of(from.config)};
  out.layers = from.size("num_layers", m.num_layers, &HfConfig::num_hidden_layers, &Architecture::layers);
  out.hidden = from.size("hidden_size", m.hidden_size, &HfConfig::hidden_size, &Architecture::hidden);
  out.ffn = from.size("intermediate_size", {}, &HfConfig::intermediate_size, &Architecture::ffn);
  out.heads = from.size("num_attention_heads", {}, &HfConfig::num_attention_heads, &Architecture::heads);
  out.vocab = from.size("vocab_size", {}, &HfConfig::vocab_size, &Architecture::vocab);
  out.positions = m.max_position_embeddings.value_or(0);
  if (json != nullptr) {
    out.kv_heads = json->num_key_value_heads.value_or(out.heads);
    out.tied_embeddings = json->tie_word_embeddings;
    if (out.positions < 1 || (out.family == Family::hf_mixtral && json->max_position_embeddings > out.positions))
      out.positions = json->max_position_embeddings;
  } else if (from.hub != nullptr) {
    out.kv_heads = from.hub->key_value_heads();
    out.head_dim = from.hub->head_dim;
    out.tied_embeddings = from.hub->tied_embeddings;
    if (out.positions < 1) out.positions = from.hub->positions;
  }
  if (json != nullptr && json->head_dim && json->hidden_size == out.hidden && out.heads > 0 &&
      out.hidden % out.heads == 0 && *json->head_dim != out.hidden / out.heads) {
    if (!dialect.nxd_limits) out.head_dim = *json->head_dim;
    from.findings.push_back(finding("SP-PLAN-003",
                                    concat("head_dim is ", *json->head_dim, ", but NxDT makes heads of ",
                                           out.hidden / out.heads, " = hidden ", out.hidden, " / heads ", out.heads),
                                    "strict follows config.json", {"head_dim", "hidden", "heads"}));
  }
  if (out.family == Family::hf_mixtral) {
    out.experts = from.option("model.moe.num_experts", m.moe.num_experts, &Architecture::experts);
    out.top_k = from.option("model.moe.top_k", m.moe.top_k, &Architecture::top_k);
    out.moe_frequency = m.moe.frequency;
    if (json != nullptr && from.config.given("model.moe.num_experts") == nullptr &&
        json->num_local_experts != out.experts)
      from.findings.push_back(finding("SP-PLAN-005",
                                      concat("the number of experts is taken to be ", out.experts,
                                             "; NxDT does not read the ", json->num_local_experts, " of config.json"),
                                      "give model.moe.num_experts", {"experts"}));
  }
  return out;
}

enum class Activation : std::uint8_t { gelu, geglu, reglu, swiglu };
inline constexpr std::string_view activation_names[] = {"gelu", "geglu", "reglu", "swiglu"};
enum class Positions : std::uint8_t { learned_absolute, rope };
inline constexpr std::string_view position_names[] = {"learned_absolute", "rope"};

/// Sheet, 2.8.
inline Architecture megatron_architecture(Sources& from, const std::optional<Index>& vocab_size) {
  const Config& config = from.config;
  const ModelSection& m = config.model;
  Architecture out{.family = Family::megatron};
  out.layers = from.size("model.num_layers", m.num_layers, nullptr, &Architecture::layers);
  out.hidden = from.size("model.hidden_size", m.hidden_size, nullptr, &Architecture::hidden);
  out.ffn = from.size("model.ffn_hidden_size", m.ffn_hidden_size, nullptr, &Architecture::ffn);
  out.heads = from.size("model.num_attention_heads", m.num_attention_heads, nullptr, &Architecture::heads);
  out.positions =
      from.size("model.max_position_embeddings", m.max_position_embeddings, nullptr, &Architecture::positions);
  // A file that gives the heads and no KV heads has as many of these.
  const bool heads_given = config.given("model.num_attention_heads") != nullptr;
  out.kv_heads = heads_given ? m.num_kv_heads.value_or(0)
                             : from.option("model.num_kv_heads", m.num_kv_heads.value_or(0), &Architecture::kv_heads);
  out.head_dim = from.option("model.kv_channels", m.kv_channels.value_or(0), &Architecture::head_dim);
  out.bias = from.option("model.has_bias", m.has_bias, &Architecture::bias);
  out.tied_embeddings = from.option("model.share_embeddings_and_output_weights", m.share_embeddings_and_output_weights,
                                    &Architecture::tied_embeddings);
  out.experts = from.option("model.moe.num_experts", m.moe.num_experts, &Architecture::experts);
  if (out.experts == 1) out.experts = 0;  // a plain MLP
  out.top_k = from.option("model.moe.top_k", m.moe.top_k, &Architecture::top_k);
  out.moe_frequency = from.option("model.moe.frequency", m.moe.frequency, &Architecture::moe_frequency);
  from.attempt([&] {
    const auto activation = option_from_name<Activation>(activation_names, m.activation, "activation");
    out.gated = from.option("model.activation", activation != Activation::gelu, &Architecture::gated);
  });
  from.attempt([&] {
    const auto kind = option_from_name<Positions>(position_names, m.position_embedding_type, "position_embedding_type");
    out.learned_positions = from.option("model.position_embedding_type", kind == Positions::learned_absolute,
                                        &Architecture::learned_positions);
  });
  from.attempt([&] {
    out.normalization =
        from.option("model.normalization", normalization_from_name(m.normalization), &Architecture::normalization);
  });
  from.attempt([&] {
    out.block =
        from.option("model.transformer_block_type", block_from_name(m.transformer_block_type), &Architecture::block);
  });
  const bool gpt =
      config.name == "megatron_gpt" || (config.data.tokenizer && config.data.tokenizer->type == "GPT2BPETokenizer");
  out.vocab = vocab_size ? *vocab_size : from.hub != nullptr ? from.hub->vocab : gpt ? 50257 : 32000;
  if (!vocab_size && from.hub == nullptr)
    from.findings.push_back(
        finding("SP-PLAN-005", concat("the tokenizer's vocabulary is taken to be ", out.vocab), "--vocab-size N"));
  // Hugging Face models of the hub do not pad; a megatron model does.
  out.vocabulary_multiple = m.make_vocab_size_divisible_by;
  if (from.hub != nullptr && from.hub->vocabulary_multiple > 0)
    out.vocabulary_multiple =
        from.option("model.make_vocab_size_divisible_by", out.vocabulary_multiple, &Architecture::vocabulary_multiple);
  return out;
}

}  // namespace detail

/// The architecture of a configuration: what the file says, else its config.json (`hf`), else the model it is to be
/// completed from (`hub`), else NxDT's default. -1 in the file leaves a size to the config.json.
///
/// findings  gets SP-CONFIG-012 sizes that none of them has, SP-MODEL-003 unknown names, SP-PLAN-003 and -005
inline Architecture architecture(const Config& config, const std::optional<HfConfig>& hf,
                                 const std::optional<Architecture>& hub, const JobOptions& asked,
                                 Diagnostics& findings) {
  detail::Sources from{config, hf ? &*hf : nullptr, hub ? &*hub : nullptr, findings};
  Architecture out = config.model_source == "hf" ? detail::hf_architecture(from, asked.dialect)
                                                 : detail::megatron_architecture(from, asked.vocab_size);
  from.report_missing();
  return out;
}

/// The strategy, as the file has it. Only hf models read kv_replicator, only megatron models token_shuffle_group_size.
inline Strategy strategy(const Config& config) {
  const DistributedStrategy& d = config.distributed_strategy;
  const bool hf = config.model_source == "hf";
  return {.tensor = d.tensor_model_parallel_size,
          .pipeline = d.pipeline_model_parallel_size,
          .virtual_pipeline = d.virtual_pipeline_model_parallel_size,
          .context = d.context_parallel_size,
          .expert = d.expert_model_parallel_size,
          .kv_replicator = hf ? d.kv_replicator : 1,
          .sequence_parallel = d.sequence_parallel,
          .zero1 = d.zero1,
          .token_shuffle = hf ? 1 : d.token_shuffle_group_size,
          .pipeline_cuts = config.model.pipeline_cuts.value_or(std::vector<std::string>{})};
}

/// The world. No configuration names its hardware, so it is assumed where the caller does not say it: SP-PLAN-005.
inline World world(const Config& config, const std::optional<Hardware>& hardware, Diagnostics& findings) {
  const Trainer& t = config.trainer;
  const bool trn2 = t.lnc || t.devices == 64 || t.devices == 128;
  World out{.hardware = hardware.value_or(trn2 ? Hardware::trn2 : Hardware::trn1), .ranks_per_node = t.devices};
  if (__builtin_mul_overflow(Index{t.devices}, t.num_nodes, &out.ranks)) out.ranks = std::numeric_limits<Index>::max();
  if (out.hardware == Hardware::trn2) out.lnc = t.lnc.value_or(2);
  if (!hardware)
    findings.push_back(finding("SP-PLAN-005",
                               concat("the hardware is taken to be ", name(out.hardware), " (",
                                      t.lnc ? "trainer.lnc is set" : concat(t.devices.value, " devices a node"), ')'),
                               "--hardware NAME"));
  return out;
}

/// The training job of a configuration. What it says wrongly (R21, R25, R26) counts as not said: mixed_precision,
/// nothing recomputed.
inline Training training(const Config& config, const Architecture& a) {
  const ModelSection& m = config.model;
  const PrecisionSection& p = config.precision;
  const auto is_on = [](const Node& node) { return node == Node{std::string("1")}; };
  const auto precision = precision_from_type(p.type, {.use_bf16 = is_on(p.xla_use_bf16),
                                                      .downcast_bf16 = is_on(p.xla_downcast_bf16),
                                                      .stochastic_rounding = is_on(p.neuron_rt_stochastic_rounding_en),
                                                      .master_weights = p.master_weights,
                                                      .fp32_grad_acc = p.fp32_grad_acc});
  const bool megatron = a.family == Family::megatron, mixtral = a.family == Family::hf_mixtral;
  const double even = a.experts > 0 && a.top_k > 0 ? static_cast<double>(a.experts) / static_cast<double>(a.top_k) : 1;
  Diagnostics said_by_check;
  return {.global_batch = config.data.global_batch_size,
          .micro_batch = config.data.micro_batch_size,
          .sequence = m.encoder_seq_length.value_or(config.data.seq_length.value_or(0)),
          .precision = precision.value_or(mixed_precision),
          .optimizer = m.optim.name,
          .recompute = recomputation(config, said_by_check),
          .flash_attention = m.fusions.flash_attention,
          .ring_attention = m.fusions.ring_attention,
          .hidden_dropout = megatron ? m.hidden_dropout.value_or(0.1) : 0,
          .attention_dropout = megatron  ? m.attention_dropout.value_or(0)
                               : mixtral ? m.moe.dropout
                                         : 0,
          .capacity_factor = m.moe.capacity_factor.value_or(megatron ? even : 1),
          .dropless = m.moe.dropless};
}

/// Model, strategy, world and training of a configuration. Errors, all at once and with the places of the keys:
/// SP-CONFIG-012 sizes that no source gives, SP-MODEL-*, and everything diagnose() finds; SP-MODEL-001 at once.
inline Job job(const Config& config, const std::optional<HfConfig>& hf, const std::string& hf_file,
               const JobOptions& asked) {
  std::optional<Architecture> hub;
  if (!asked.model.empty()) hub = architecture(asked.model);
  Job out;
  Diagnostics findings;
  const Architecture wanted = architecture(config, hf, hub, asked, findings);
  const bool sized = !has_errors(findings);
  out.strategy = strategy(config);
  out.world = world(config, asked.hardware, findings);
  out.options = {training(config, wanted), asked.dialect};
  // Whatever is wrong with the architecture, the rest is looked at too: one run tells all faults.
  const bool sound = sized && !has_errors(diagnose(wanted));
  out.model = sound ? model(wanted) : Model{{}, wanted, {}};
  if (config.name) out.model.name = *config.name;
  const Training& batch = out.options.training;
  append(findings, sized ? diagnose(out.model, out.strategy, out.world, batch, asked.dialect)
                         : diagnose(out.strategy, out.world, batch, asked.dialect));
  out.notes = config.diagnostics;
  append(out.notes, check(config, hf));
  append(out.notes, located(std::move(findings), config, hf_file));
  if (has_errors(out.notes)) throw Error(std::move(out.notes));
  return out;
}

}  // namespace shardplan
