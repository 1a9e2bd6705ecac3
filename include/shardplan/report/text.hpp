#pragma once
#include <optional>
#include <vector>

#include <shardplan/report/plan_report.hpp>
#include <shardplan/report/ranks.hpp>
#include <shardplan/report/table.hpp>

/// A plan for reading.
namespace shardplan {

namespace detail {

/// `tensor 32 x pipeline 8 x data 2`: the degrees above 1, or that there is only one rank.
inline std::string degree_words(const Summary& s) {
  std::string out = shardplan::degree_words(s.tensor, s.pipeline, s.context, s.data);
  if (s.expert > 1) out += concat("; experts over ", s.expert, " x ", s.expert_data, " data");
  return out.empty() ? "one rank" : out;
}

inline std::string world_words(const Mesh& mesh) {
  const World& world = mesh.world();
  std::string out = concat(with_commas(world.ranks), ' ', name(world.hardware), world.ranks == 1 ? " rank" : " ranks");
  if (world.lnc > 1) out += concat(" of ", world.lnc, " cores each");
  if (world.ranks_per_node > 0 && world.ranks % world.ranks_per_node == 0)
    out += concat(", ", counted(world.ranks / world.ranks_per_node, "node"), " of ", world.ranks_per_node);
  switch (mesh.order()) {
    case RankOrder::ascending:
      break;
    case RankOrder::spread:
      out += "; tensor groups spread over a node";
      break;
    case RankOrder::ring:
      out += "; tensor groups in rings";
      break;
  }
  return out;
}

inline std::string batch_words(const Summary& s) {
  if (!s.global_batch_size) return "not known";
  std::string out = counted(*s.global_batch_size, "sequence");
  if (s.seq_length) out += concat(" of ", with_commas(*s.seq_length), " tokens");
  return out + concat(" = ", counted(*s.num_microbatches, "microbatch", "es"), " of ", s.micro_batch_size, " x data ",
                      s.data);
}

inline std::string head_words(const Summary& s) {
  const Index copies = s.kv_heads_per_tp_rank * s.tensor / s.num_kv_heads;
  return concat(s.num_attention_heads, " query, ", s.q_heads_per_tp_rank, " a rank; ", s.num_kv_heads, " KV",
                copies > 1 ? concat(" x ", copies, " copies") : std::string(), ", ", s.kv_heads_per_tp_rank,
                " a rank; ", s.head_dim, " wide");
}

inline std::string strategy_words(const Plan& plan, const Summary& s) {
  std::string out = s.precision;
  if (s.zero1) out += ", ZeRO-1";
  if (s.sequence_parallel) out += ", sequence parallel";
  const Recompute& again = plan.training().recompute;
  if (again.layer)
    out += ", layers recomputed";
  else if (again != Recompute{})
    out += ", parts of layers recomputed";
  return out + concat(", ", name(plan.dialect()), " dialect");
}

/// The ranks of a pipeline rank, ascending.
inline std::string stage_ranks(const Mesh& mesh, Index pipeline_rank) {
  const Group group = GroupList(mesh.dense(), {dp, cp, tp}, {pp})[static_cast<std::size_t>(pipeline_rank)];
  std::vector<Rank> ranks(group.begin(), group.end());
  std::sort(ranks.begin(), ranks.end());
  return rank_list(ranks, 2);
}

inline void append_memory(std::string& out, const PlanReport& report) {
  const Plan& plan = *report.plan;
  const MemoryReport& memory = report.memory;
  const StageMemory& small = memory.stages[memory.smallest];
  const StageMemory& large = memory.stages[memory.largest];
  const bool alike = memory.smallest == memory.largest;
  const ByteUnit unit = byte_unit(memory.least(large));

  InlineVector<Table::Column, 6> columns{{"memory of a rank"}, {alike ? "all alike" : "smallest", Table::Align::right}};
  if (!alike) columns.push_back({"largest", Table::Align::right});
  Table table(columns);
  const auto row = [&](std::string_view label, auto&& of_stage) {
    Table::Row cells{concat("  ", label), of_stage(small)};
    if (!alike) cells.push_back(of_stage(large));
    table.row(std::move(cells));
  };
  if (!alike) {
    row("ranks", [&](const StageMemory& stage) { return stage_ranks(plan.mesh(), stage.pipeline_rank); });
    row("pipeline rank", [](const StageMemory& stage) { return concat(stage.pipeline_rank); });
  }
  row("parameters", [](const StageMemory& stage) { return with_commas(stage.parameters); });
  row("in flight", [](const StageMemory& stage) { return counted(stage.in_flight, "microbatch", "es"); });
  for (const MemoryCategory& category : memory_categories) {
    std::string label(category.name);
    std::replace(label.begin(), label.end(), '_', ' ');
    row(label, [&](const StageMemory& stage) {
      const std::optional<Index> bytes = memory.bytes(stage, category);
      return bytes ? unit(*bytes) : "not known";
    });
  }
  row("total", [&](const StageMemory& stage) {
    return memory.sequence_known ? unit(memory.least(stage)) : "not known without activations";
  });
  row("device", [&](const StageMemory&) { return in_bytes(memory.device); });
  row("", [&](const StageMemory& stage) {
    const std::optional<bool> fits = memory.fits(stage);
    const Index left = memory.device - memory.least(stage);
    return !fits   ? std::string("not known whether it fits")
           : *fits ? concat("fits, ", in_bytes(left), " left")
                   : concat("does not fit: ", memory.sequence_known ? "" : "at least ", in_bytes(-left), " over");
  });
  table.write(out, 2, 0);
  out += "    not counted: what compiler and runtime reserve, which shapes do not tell; allow 1 GiB a core\n";
}

}  // namespace detail

/// The report of a plan: what it is in ten lines, and the memory of its smallest and its largest rank.
inline std::string text(const PlanReport& report) {
  const Plan& plan = *report.plan;
  const Summary& s = report.summary;
  std::string out;
  const auto line = [&out](std::string_view label, const std::string& what) {
    out += concat("  ", label, std::string(12 - label.size(), ' '), what, '\n');
  };
  const std::string& title = s.config.empty() ? plan.name() : s.config;
  out += concat(title, ": ", in_size(s.params_total), " parameters over ", with_commas(s.world_size),
                s.world_size == 1 ? " rank\n\n" : " ranks\n\n");
  line("mesh", detail::degree_words(s));
  line("world", detail::world_words(plan.mesh()));
  line("training", detail::strategy_words(plan, s));
  line("batch", detail::batch_words(s));
  const Index stages = plan.partition().stages();
  line("layers", stages == 1
                     ? concat(s.num_layers)
                     : concat(s.num_layers, " in ", stages, " stages: ", run_lengths(s.layers_per_stage),
                              s.virtual_pipeline > 1 ? concat("; ", s.virtual_pipeline, " stages a pipeline rank")
                                                     : std::string()));
  line("heads", detail::head_words(s));
  if (s.experts > 0)
    line("experts", concat(s.experts, ", ", s.top_k, " for each token, ", s.experts / s.expert, " a rank"));
  line("vocabulary",
       concat(with_commas(s.vocab_size),
              s.padded_vocab_size != s.vocab_size ? concat(", padded to ", with_commas(s.padded_vocab_size))
                                                  : std::string(),
              "; ", with_commas(s.padded_vocab_size / s.tensor), " a rank",
              s.tied_embeddings ? "; head tied to embedding" : ""));
  line("parameters", concat(with_commas(s.params_total), s.params_active != s.params_total
                                                             ? concat("; ", with_commas(s.params_active), " active")
                                                             : std::string()));
  out += '\n';
  detail::append_memory(out, report);

  const Index warnings = report.count(Severity::warning);
  out += concat("\n  ", warnings == 0 ? std::string("no warnings") : counted(warnings, "warning"), '\n');
  return out;
}

}  // namespace shardplan
