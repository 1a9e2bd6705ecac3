#pragma once
#include <optional>
#include <vector>

#include <shardplan/report/memory.hpp>
#include <shardplan/report/summary.hpp>

/// What every form of a report tells.
namespace shardplan {

/// A plan, its figures, the memory of its ranks, and everything that was found on the way to it.
struct PlanReport {
  const Plan* plan = nullptr;  ///< outlives the report
  Summary summary;
  MemoryReport memory;
  Diagnostics findings;

  Index count(Severity severity) const {
    Index out = 0;
    for (const Diagnostic& one : findings) out += one.severity == severity;
    return out;
  }
};

/// The report of a plan. findings: what loading and planning have noted; that the plan does not fit its devices
/// (SP-PLAN-004) is added here. Errors SP-CORE-001.
inline PlanReport report(const Plan& plan, const SummarySource& source, Diagnostics findings) {
  PlanReport out{&plan, summary(plan, source), memory_report(plan), std::move(findings)};
  for (Diagnostic& one : diagnose(out.memory)) out.findings.push_back(std::move(one));
  return out;
}

constexpr std::string_view name(RankOrder order) {
  constexpr std::string_view names[] = {"ascending", "spread", "ring"};
  return names[static_cast<int>(order)];
}

/// strict or compat; custom for switches that are neither.
constexpr std::string_view name(const Dialect& dialect) {
  return dialect == strict ? "strict" : dialect == compat ? "compat" : "custom";
}

/// A kind of group and what reports call it.
struct NamedGroups {
  std::string_view name;
  GroupList groups;
};

/// The groups that ranks of a plan are members of: one for every axis; `zero1`, `kv` and `token_shuffle` for the ranks
/// that share optimizer state, copies of KV heads, or tokens, where the job asks for it. Errors SP-MESH-010.
inline std::vector<NamedGroups> group_kinds(const Plan& plan) {
  const Mesh& mesh = plan.mesh();
  std::vector<NamedGroups> out{{"tp", mesh.groups(tp)}, {"cp", mesh.groups(cp)}, {"dp", mesh.groups(dp)},
                               {"pp", mesh.groups(pp)}, {"ep", mesh.groups(ep)}, {"edp", mesh.groups(edp)}};
  if (plan.strategy().zero1) out.push_back({"zero1", mesh.zero1_groups()});
  const Index copies = tensor_options(plan.architecture(), plan.strategy(), plan.world(), plan.dialect()).kv_replicator;
  if (copies > 1) out.push_back({"kv", mesh.kv_shared_groups(copies)});
  const Index shuffle = plan.strategy().token_shuffle;
  if (shuffle > 1) out.push_back({"token_shuffle", mesh.token_shuffle_groups(shuffle)});
  return out;
}

/// The ranks that pass activations to a rank and take them from it. The pipeline is a ring only where ranks hold
/// several chunks.
struct PipelineNeighbours {
  std::optional<Rank> previous;
  std::optional<Rank> next;
};
template <class Registry>
PipelineNeighbours pipeline_neighbours(const RankPlan<Registry>& here) {
  const Partition& partition = here.plan().partition();
  const Index last = partition.pipeline() - 1;
  const bool ring = partition.chunks() > 1 && last > 0;
  PipelineNeighbours out;
  if (ring || here.pipeline_rank() > 0) out.previous = here.previous();
  if (ring || here.pipeline_rank() < last) out.next = here.next();
  return out;
}

}  // namespace shardplan
