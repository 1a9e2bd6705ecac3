#pragma once
#include <shardplan/plan/plan.hpp>
#include <shardplan/report/units.hpp>

/// The memory of all ranks: those of one pipeline rank are alike, so there are as many figures as these.
namespace shardplan {

/// The categories of `Memory`, in the order in which they are told.
struct MemoryCategory {
  std::string_view name;
  Index Memory::*bytes;
};
inline constexpr MemoryCategory memory_categories[] = {
    {"weights", &Memory::weights},
    {"gradients", &Memory::gradients},
    {"master_weights", &Memory::master_weights},
    {"optimizer_state", &Memory::optimizer_state},
    {"activations", &Memory::activations},
    {"transient", &Memory::transient},
};

/// What each rank of a pipeline rank holds.
struct StageMemory {
  Index pipeline_rank = 0;
  Index parameters = 0;          ///< elements, copies and padding included
  Index optimizer_elements = 0;  ///< those that it updates
  Index in_flight = 0;           ///< microbatches whose activations it keeps at once, of one chunk each
  Memory bytes;
};

struct MemoryReport {
  std::vector<StageMemory> stages;  ///< by pipeline rank
  std::size_t smallest = 0;         ///< in `stages`, the first of equals
  std::size_t largest = 0;
  Index device = 0;  ///< bytes that one rank has

  /// Device bytes that a stage leaves; negative: what it has too many.
  Index left(const StageMemory& stage) const { return device - stage.bytes.total(); }
  bool fits() const { return left(stages[largest]) >= 0; }
};

/// Errors SP-CORE-001.
inline MemoryReport memory_report(const Plan& plan) {
  MemoryReport out;
  out.device = device_memory(plan.world());
  for (Index p = 0; p < plan.partition().pipeline(); ++p) {
    const RankLoad load = plan.load(p);
    out.stages.push_back({p, load.parameters, load.optimizer_elements, load.in_flight, plan.memory(p)});
    const auto total = [&out](std::size_t at) { return out.stages[at].bytes.total(); };
    const std::size_t last = out.stages.size() - 1;
    if (total(last) < total(out.smallest)) out.smallest = last;
    if (total(last) > total(out.largest)) out.largest = last;
  }
  return out;
}

/// The finding SP-PLAN-004 where the largest rank does not fit its device; else none.
inline Diagnostics diagnose(const MemoryReport& report) {
  if (report.fits()) return {};
  const StageMemory& worst = report.stages[report.largest];
  return {finding("SP-PLAN-004",
                  concat("ranks of pipeline rank ", worst.pipeline_rank, " need ", in_bytes(worst.bytes.total()),
                         " of ", in_bytes(report.device), ": ", in_bytes(-report.left(worst)), " too much"),
                  "larger degrees, more recomputation, or a smaller micro batch",
                  {"tensor", "pipeline", "micro_batch"})};
}

}  // namespace shardplan
