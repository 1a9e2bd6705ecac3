#pragma once
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <shardplan/migrate/draft.hpp>
#include <shardplan/migrate/judge.hpp>

/// The degrees of a result: those of its source, or a proposal.
namespace shardplan::migrate {

namespace detail {

/// The keys that give degrees.
inline std::vector<std::pair<std::string, Index>> values_of(const Degrees& d) {
  return {{"trainer.devices", d.devices},
          {"trainer.num_nodes", d.nodes},
          {"distributed_strategy.tensor_model_parallel_size", d.tensor},
          {"distributed_strategy.pipeline_model_parallel_size", d.pipeline},
          {"distributed_strategy.virtual_pipeline_model_parallel_size", d.virtual_pipeline},
          {"data.micro_batch_size", d.micro_batch}};
}

}  // namespace detail

/// Keeps the degrees of the source or replaces them, as the options say, and reports on them.
inline void set_degrees(Draft& draft) {
  const Node now = draft.tree();
  const Config config = bind(resolve(filled(now)).tree).config;
  const DistributedStrategy& d = config.distributed_strategy;
  const ModelSection& m = config.model;
  const Degrees source{config.trainer.devices,
                       config.trainer.num_nodes,
                       d.tensor_model_parallel_size,
                       d.pipeline_model_parallel_size,
                       d.virtual_pipeline_model_parallel_size,
                       d.context_parallel_size,
                       d.expert_model_parallel_size,
                       config.data.micro_batch_size,
                       config.data.global_batch_size};
  const bool positive = source.devices > 0 && source.nodes > 0 && source.tensor > 0 && source.pipeline > 0 &&
                        source.context > 0 && source.micro_batch > 0 && source.nodes < 4096 && source.devices <= 4096;
  if (!positive || source.global_batch < 1) return;
  DegreeReport out{.source = source};
  Diagnostics broken;
  for (const Diagnostic& one : judge(now))
    if (is_about_degrees(one)) broken.push_back(one);
  const auto with = [&](const Degrees& degrees) {
    Node trial = now;
    for (const auto& [path, value] : detail::values_of(degrees)) set_path(trial, path, Node{value});
    return trial;
  };
  const bool whole = source.world() % 32 == 0 && source.devices % 32 == 0;
  if (broken.empty() && whole) {
    out.why = "the degrees of the source hold on Trainium nodes";
    draft.report.degrees = out;
    return;
  }
  const Sizes sizes{m.num_attention_heads.value_or(0), m.num_kv_heads.value_or(m.num_attention_heads.value_or(0)),
                    m.ffn_hidden_size.value_or(0),     m.num_layers.value_or(0),
                    m.encoder_seq_length.value_or(0),  d.sequence_parallel};
  const auto degrees_hold = [&](const Degrees& degrees) {
    for (const Diagnostic& one : judge(with(degrees)))
      if (is_about_degrees(one)) return false;
    return true;
  };
  out.proposed = propose(source, sizes, degrees_hold);
  std::vector<std::string> ids;
  for (const Diagnostic& one : broken)
    if (std::find(ids.begin(), ids.end(), one.id) == ids.end()) ids.emplace_back(one.id);
  out.why = !broken.empty() ? concat("the degrees of the source break ", join(ids, ", "))
                            : std::string("the degrees of the source hold, but leave a node of 32 ranks partly idle");
  if (!out.proposed) out.why += "; no degrees for nodes of 32 ranks keep the global batch";
  const bool wanted = draft.options.degrees == DegreeChoice::nodes ||
                      (draft.options.degrees == DegreeChoice::automatic && !broken.empty());
  out.applied = wanted && out.proposed.has_value();
  if (out.applied)
    for (const auto& [path, value] : detail::values_of(*out.proposed))
      if (draft.key(path) != nullptr || value != 1) {
        // A size that an interpolation makes stays one where it comes out right.
        const Node* is = find_path(bind(resolve(draft.tree()).tree).config.tree, path);
        if (is == nullptr || *is != Node{value}) draft.set(path, Node{value}, "for nodes of 32 ranks");
      }
  draft.report.degrees = out;
}

}  // namespace shardplan::migrate
