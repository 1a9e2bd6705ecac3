#pragma once
#include <optional>

#include <shardplan/config/model_section.hpp>
#include <shardplan/config/sections.hpp>

namespace shardplan {

/// Keys that NxDT looks for in the whole file where their own place has nothing (configuration sheet, 1.3).
inline constexpr std::string_view searched_keys[] = {"context_parallel_size",
                                                     "ring_attention",
                                                     "seq_length",
                                                     "hidden_size",
                                                     "max_prompt_length",
                                                     "model_alignment_strategy",
                                                     "dpo",
                                                     "orpo",
                                                     "peft",
                                                     "lora_rank",
                                                     "lora_alpha",
                                                     "lora_dropout",
                                                     "lora_bias",
                                                     "lora_verbose"};

/// An NxDT configuration: what its file says, with the defaults of NxDT for what it does not say.
struct Config {
  std::optional<std::string> name;  ///< hf: a name with "mixtral" picks that model
  std::string model_source;         ///< hf or megatron
  std::optional<Index> seed;
  Trainer trainer;
  ExpManager exp_manager;
  DistributedStrategy distributed_strategy;
  Data data;
  ModelSection model;
  PrecisionSection precision;
  std::optional<ModelAlignmentStrategy> model_alignment_strategy;
  std::optional<Index> bucket_size_collectives;  ///< MB

  Node tree;                ///< the resolved file, for keys without a member and for "is it given?"
  Diagnostics diagnostics;  ///< findings of loading; where one is an error there is no job

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("name", self.name, Need::expected);
    field("model_source", self.model_source, Need::required, "hf, megatron");
    field("seed", self.seed);
    field("trainer", self.trainer, Need::expected);
    field("exp_manager", self.exp_manager, Need::expected);
    field("distributed_strategy", self.distributed_strategy, Need::required);
    field("data", self.data, Need::required);
    field("model", self.model, Need::expected);
    field("precision", self.precision, Need::required);
    field("model_alignment_strategy", self.model_alignment_strategy);
    field("bucket_size_collectives", self.bucket_size_collectives, Need::expected);
    for (const std::string_view key :
         {"compiler_flags", "compiler_cache_url", "aync_exec_max_inflight_requests", "neuron_rt_exec_timeout",
          "neuron_experimental_compress_rg", "defaults", "hydra"})
      field(key);
  }

  /// The value at a dotted path of the file; null where the file has none.
  const Node* given(std::string_view path) const { return find_path(tree, path); }

  /// Where a key stands: at its own place, else wherever NxDT finds it, else at the innermost section around it.
  Origin origin(std::string_view path) const {
    const Mapping::Entry* found = nullptr;
    const Node* at = &tree;
    for (std::string_view rest = path; at != nullptr && !rest.empty();) {
      const Mapping* entries = at->as<Mapping>();
      const std::string_view step = take_step(rest);
      const Mapping::Entry* entry = entries != nullptr ? entries->find(step) : nullptr;
      if (entry != nullptr) found = entry;
      at = entry != nullptr ? &entry->value : at->find(step);
    }
    if (at == nullptr) {
      const std::string_view last = path.substr(path.find_last_of('.') + 1);
      for (const std::string_view key : searched_keys)
        if (const auto* elsewhere = key == last ? find_anywhere(tree, key) : nullptr) found = elsewhere;
    }
    return shardplan::origin(std::string(path), found != nullptr ? found->mark : tree.mark);
  }

  friend bool operator==(const Config&, const Config&) = default;
};

/// Does a configuration say what its model is built of?
inline bool is_model_source(std::string_view source) { return source == "hf" || source == "megatron"; }

struct Bound {
  Config config;
  Diagnostics diagnostics;
};

/// The configuration in a resolved tree; nothing is thrown for what is wrong in it.
///
/// Errors   SP-CONFIG-010 a value still ???, 011 wrong type, 012 missing, 013 unknown key (warning), 014 model_source,
///          017 a number beyond 64 bits. Errors of keys that a plan does not need are warnings
/// Source   configuration sheet 1.3 and 2
inline Bound bind(const Node& resolved) {
  Bound out;
  detail::Binder binder(resolved, searched_keys);
  binder.section(resolved, {}, out.config);
  out.config.tree = resolved;
  const std::string& source = out.config.model_source;
  if (!source.empty() && !is_model_source(source))
    binder.report("SP-CONFIG-014", "model_source", resolved.find("model_source")->mark,
                  concat("model_source is '", source, '\''), "hf or megatron");
  out.diagnostics = std::move(binder.diagnostics);
  return out;
}

}  // namespace shardplan
