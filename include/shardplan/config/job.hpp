#pragma once
#include <limits>
#include <optional>
#include <vector>

#include <shardplan/config/config.hpp>
#include <shardplan/config/huggingface.hpp>
#include <shardplan/config/located.hpp>
#include <shardplan/config/rules.hpp>
#include <shardplan/model/hub.hpp>
#include <shardplan/plan/plan.hpp>

/// From a configuration to what a planner takes: model, strategy, world, training (configuration sheet, 2, 3 and 7).
namespace shardplan {

/// What a configuration leaves open.
struct JobOptions {
  std::optional<Model> own{};  ///< a host's own model, in place of what the file describes
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

/// Where the values of an architecture come from: the file, its config.json (null: none), the hub (null: not asked);
/// the first that has one. Collects the sizes that none has, and the findings.
struct Sources {
  const Config& config;
  const HfConfig* json;
  const Architecture* hub;
  Diagnostics& findings;
  bool assumes = true;                      ///< not where a source that was asked for could not be read
  std::vector<std::string_view> missing{};  ///< arguments

  /// A size; where no source has it, 1.
  Index size(std::string_view argument, const std::optional<Index>& file, Index HfConfig::*in_json,
             Index Architecture::*in_hub) {
    if (file && *file != -1) return *file;
    if (json != nullptr && in_json != nullptr) return json->*in_json;
    if (hub != nullptr) return hub->*in_hub;
    missing.push_back(argument);
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
      findings.append(error.diagnostics());
    }
  }

  /// Says which sizes are missing, but for those about which something has been said already.
  void report_missing(const Unread& unread) {
    const bool hf = config.model_source == "hf";
    std::vector<std::string_view> names;  // as a reader may look for them
    for (const std::string_view argument : missing)
      for (const ArgumentKey& key : argument_keys)
        if (key.argument == argument && !unread.argument(argument))
          names.push_back(!hf ? key.path : key.overrides ? key.path.substr(key.path.rfind('.') + 1) : key.hf_key);
    if (names.empty() || (hf && unread.path("model.model_config"))) return;
    const std::string file = config.model.model_config.value_or(std::string());
    Diagnostic out =
        finding("SP-CONFIG-012", concat("the architecture is not given: ", join(names, ", ")),
                concat(hf && !file.empty() ? concat('\'', file, "' cannot be read; ") : std::string(),
                       "name a model of the hub (--model)", hf ? " or a config.json (--model-config)" : ""));
    if (hf) out.origins.push_back(config.origin("model.model_config"));
    for (const std::string_view name : names)
      if (!hf) out.origins.push_back(config.origin(name));
    findings.push_back(std::move(out));
  }
};

/// Sheet, 2.6 and 2.7.
inline Architecture hf_architecture(Sources& from, const Dialect& dialect) {
  const ModelSection& m = from.config.model;
  const HfConfig* json = from.json;
  Architecture out{.qkv_linear = m.qkv_linear, .fuse_qkv = m.fuse_qkv, .family = family_of(from.config)};
  out.layers = from.size("layers", m.num_layers, &HfConfig::num_hidden_layers, &Architecture::layers);
  out.hidden = from.size("hidden", m.hidden_size, &HfConfig::hidden_size, &Architecture::hidden);
  out.ffn = from.size("ffn", {}, &HfConfig::intermediate_size, &Architecture::ffn);
  out.heads = from.size("heads", {}, &HfConfig::num_attention_heads, &Architecture::heads);
  out.vocab = from.size("vocab", {}, &HfConfig::vocab_size, &Architecture::vocab);
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
    if (!dialect.layer_faults) out.head_dim = *json->head_dim;
    from.findings.push_back(finding("SP-PLAN-003",
                                    concat("head_dim is ", *json->head_dim, ", but NxDT makes heads of ",
                                           out.hidden / out.heads, " = hidden ", out.hidden, " / heads ", out.heads),
                                    "strict follows config.json", {"head_dim", "hidden", "heads"}));
  }
  if (json != nullptr && json->attention_bias)
    from.findings.push_back(finding("SP-PLAN-005",
                                    "config.json asks for attention_bias, which NxDT's hf models do not have",
                                    "the plan has no biases"));
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
inline constexpr const char* activation_names[] = {"gelu", "geglu", "reglu", "swiglu"};
enum class Positions : std::uint8_t { learned_absolute, rope };
inline constexpr const char* position_names[] = {"learned_absolute", "rope"};

/// Sheet, 2.8.
inline Architecture megatron_architecture(Sources& from, const std::optional<Index>& vocab_size) {
  const Config& config = from.config;
  const ModelSection& m = config.model;
  Architecture out{.family = Family::megatron};
  out.layers = from.size("layers", m.num_layers, nullptr, &Architecture::layers);
  out.hidden = from.size("hidden", m.hidden_size, nullptr, &Architecture::hidden);
  out.ffn = from.size("ffn", m.ffn_hidden_size, nullptr, &Architecture::ffn);
  out.heads = from.size("heads", m.num_attention_heads, nullptr, &Architecture::heads);
  out.positions = from.size("positions", m.max_position_embeddings, nullptr, &Architecture::positions);
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
  if (!vocab_size && from.hub == nullptr && from.assumes)
    from.findings.push_back(
        finding("SP-PLAN-005", concat("the tokenizer's vocabulary is taken to be ", out.vocab), "--vocab-size N"));
  // Hugging Face models of the hub do not pad; a megatron model does.
  out.vocabulary_multiple = m.make_vocab_size_divisible_by;
  if (from.hub != nullptr && from.hub->vocabulary_multiple > 0)
    out.vocabulary_multiple =
        from.option("model.make_vocab_size_divisible_by", out.vocabulary_multiple, &Architecture::vocabulary_multiple);
  return out;
}

inline Architecture architecture(Sources& from, const JobOptions& asked) {
  return from.config.model_source == "hf" ? hf_architecture(from, asked.dialect)
                                          : megatron_architecture(from, asked.vocab_size);
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
  Architecture out = detail::architecture(from, asked);
  from.report_missing(detail::Unread(config));
  return out;
}

/// The strategy, as the file has it. Only hf models read kv_replicator, only megatron models token_shuffle_group_size;
/// megatron models switch sequence parallelism off where the tensor size is 1.
inline Strategy strategy(const Config& config) {
  const DistributedStrategy& d = config.distributed_strategy;
  const bool hf = config.model_source == "hf";
  return {.tensor = d.tensor_model_parallel_size,
          .pipeline = d.pipeline_model_parallel_size,
          .virtual_pipeline = d.virtual_pipeline_model_parallel_size,
          .context = d.context_parallel_size,
          .expert = d.expert_model_parallel_size,
          .kv_replicator = hf ? d.kv_replicator : 1,
          .sequence_parallel = d.sequence_parallel && (hf || d.tensor_model_parallel_size != 1),
          .zero1 = d.zero1,
          .token_shuffle = hf ? 1 : d.token_shuffle_group_size,
          .pipeline_cuts = Names(config.model.pipeline_cuts.value_or(std::vector<std::string>{}))};
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

/// The optimizer of a configuration, with the arguments that add state tensors (sheet, 10).
inline Optimizer optimizer(const Config& config) {
  const std::string& name = config.model.optim.name;
  Optimizer out(name);
  for (const StateArgument& one : state_arguments) {
    if (one.optimizer != name) continue;
    const Node* given = config.given(concat("model.optim.", one.argument));
    if (given == nullptr) given = config.given(concat("model.optim.args.params.", one.argument));
    const bool on = given != nullptr && (one.zero_counts ? !given->is_null() : detail::truthy(*given));
    out.states += on;
  }
  return out;
}

/// The training job of a configuration. What it says wrongly (R21, R25) counts as not said: mixed_precision, nothing
/// recomputed. The switches of manual precision count as numbers too, although NxDT refuses these (R26).
inline Training training(const Config& config, const Architecture& a) {
  const ModelSection& m = config.model;
  const PrecisionSection& p = config.precision;
  const auto is_on = [](const Node& node) { return node == Node{std::string("1")} || node == Node{Index{1}}; };
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
          .optimizer = optimizer(config),
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

namespace detail {

/// A world that these degrees divide, with much room for others: it stands in for one that could not be read.
constexpr Index room_for(const Degrees& d) {
  Index out = 1;
  for (const Index degree : {d.tensor, d.pipeline, d.context, d.expert})
    if (degree < 1 || __builtin_mul_overflow(out, degree, &out)) return 1;
  while (out < 1 << 20) out *= 2;
  return out;
}

}  // namespace detail

/// SP-PLAN-005 for everything that a configuration or its caller says and no plan takes up.
inline Diagnostics unused(const Config& config, const JobOptions& asked) {
  Diagnostics out;
  const auto note = [&](std::string message, std::initializer_list<std::string_view> paths = {}) {
    out.push_back(finding("SP-PLAN-005", std::move(message)));
    for (const std::string_view path : paths) out.back().origins.push_back(config.origin(path));
  };
  const DistributedStrategy& d = config.distributed_strategy;
  const bool megatron = config.model_source == "megatron";
  const Family family = family_of(config);
  if (!megatron && asked.vocab_size) note("--vocab-size is not used: hf models have their vocabulary from config.json");
  if (megatron && !asked.model_config.empty())
    note("--model-config is not used: megatron models have their sizes from the configuration");
  if (megatron && d.kv_replicator != 1)
    note(concat("kv_replicator ", d.kv_replicator, " is not used: megatron models do not replicate K and V"),
         {"distributed_strategy.kv_replicator"});
  if (!megatron && d.token_shuffle_group_size != 1)
    note(concat("token_shuffle_group_size ", d.token_shuffle_group_size, " is not used: hf models shuffle no tokens"),
         {"distributed_strategy.token_shuffle_group_size"});
  if (megatron && d.sequence_parallel && d.tensor_model_parallel_size == 1)
    note("sequence_parallel counts as false: megatron models switch it off with tensor size 1",
         {"distributed_strategy.sequence_parallel", "distributed_strategy.tensor_model_parallel_size"});
  const Mapping::Entry* lora = find_anywhere(config.tree, "peft");
  if (lora != nullptr && detail::truthy(lora->value))
    note(family == Family::hf_llama
             ? std::string("LoRA is not modelled: no adapters are planned, and all weights are taken to be trained")
             : concat("peft is not used: NxDT has no LoRA for ", name(family)),
         {"peft"});
  if (config.model.optim.name == "adafactor")
    note("the factored state of adafactor, a row and a column of each weight, is not counted", {"model.optim.name"});
  return out;
}

/// Model, strategy, world and training of a configuration. `found` are findings about its config.json; where one is an
/// error, `hf` is empty.
///
/// Errors   all at once and with the places of the keys: those of loading, `found`, SP-MODEL-001, SP-CONFIG-012 sizes
///          that no source gives, SP-MODEL-*, and everything diagnose() finds that does not depend on what could not be
///          read
inline Job job(const Config& config, const std::optional<HfConfig>& hf, const std::string& hf_file,
               const JobOptions& asked, Diagnostics found = {}) {
  Job out;
  out.notes = config.diagnostics;
  out.notes.append(found);
  detail::Unread unread(config);

  const Architecture* hub = nullptr;
  bool sources_read = !has_errors(found);
  if (!asked.model.empty()) {
    try {
      hub = &architecture(asked.model);
    } catch (const Error& error) {
      out.notes.append(error.diagnostics());
      sources_read = false;
    }
  }

  // Whatever is wrong with the model, the rest is looked at too, and the other way round: one run tells all faults.
  const bool hf_model = config.model_source == "hf";
  const bool family_known = is_model_source(config.model_source) && !(hf_model && unread.path("name"));
  Diagnostics of_model;
  detail::Sources from{config, hf ? &*hf : nullptr, hub, of_model, sources_read};
  const Architecture wanted = asked.own      ? asked.own->architecture
                              : family_known ? architecture(from, asked)
                                             : Architecture{};
  if (sources_read && family_known) from.report_missing(unread);
  for (const std::string_view argument : from.missing) {
    unread.add(argument);
    if (argument == "heads") unread.add("kv_heads");  // as many where nothing else is said
    if (argument == "heads" || argument == "hidden") unread.add("head_dim");
  }
  for (const Diagnostic& one : of_model)
    if (one.id == "SP-MODEL-003") {
      unread.add(one.origins[0].key);
      if (one.origins[0].key == "activation") unread.add("gated");
    }

  out.strategy = strategy(config);
  Diagnostics of_world;
  const bool node_known = !unread.path("trainer.devices") && !unread.path("trainer.lnc");
  out.world = world(config, asked.hardware, of_world);
  if (!node_known) {
    of_world.clear();
    if (!asked.hardware) unread.add("hardware");
  }
  out.options = {training(config, wanted), asked.dialect};
  Training batch = out.options.training;
  Strategy cuts = out.strategy;
  if (unread.mesh()) {  // without a data-parallel size nothing can be said of the batch
    batch.global_batch = 0;
    cuts.token_shuffle = 1;
  }
  World ranks = out.world;
  if (unread.argument("ranks")) ranks.ranks = detail::room_for(degrees(cuts));
  const bool sound = family_known && from.missing.empty() && !has_errors(of_model) && !has_errors(diagnose(wanted));
  out.model = asked.own ? *asked.own : sound ? model(wanted) : Model{{}, wanted, {}};
  if (config.name && !asked.own) out.model.name = *config.name;
  const Diagnostics of_job = family_known ? diagnose(out.model, cuts, ranks, batch, asked.dialect)
                                          : diagnose(cuts, ranks, batch, asked.dialect);

  out.notes.append(unread.without(check(config, hf)));
  out.notes.append(unread.without(unused(config, asked)));
  out.notes.append(located(std::move(of_model), config, hf_file));
  out.notes.append(located(std::move(of_world), config, hf_file));
  out.notes.append(located(unread.without(of_job), config, hf_file));
  if (has_errors(out.notes)) throw Error(std::move(out.notes));
  return out;
}

}  // namespace shardplan
