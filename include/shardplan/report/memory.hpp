#pragma once
#include <optional>
#include <vector>

#include <shardplan/plan/plan.hpp>
#include <shardplan/report/units.hpp>

/// The memory of all ranks: those of one pipeline rank are alike, so there are as many figures as these.
namespace shardplan {

/// The categories of `Memory`, in the order in which they are told.
struct MemoryCategory {
  std::string_view name;
  Index Memory::*bytes;
  bool of_sequence = false;  ///< depends on the length of a sequence
};
inline constexpr MemoryCategory memory_categories[] = {
    {"weights", &Memory::weights},
    {"gradients", &Memory::gradients},
    {"master_weights", &Memory::master_weights},
    {"optimizer_state", &Memory::optimizer_state},
    {"activations", &Memory::activations, true},
    {"transient", &Memory::transient, true},
};

/// What each rank of a pipeline rank holds.
struct StageMemory {
  Index pipeline_rank = 0;
  Index parameters = 0;          ///< elements, copies and padding included
  Index optimizer_elements = 0;  ///< those that it updates
  Index in_flight = 0;           ///< microbatches whose activations it keeps at once, of one chunk each
  Memory bytes;
};

/// What a compiler or an allocator takes besides is in none of the figures (cost-model sheet, B3).
struct MemoryReport {
  std::vector<StageMemory> stages;  ///< by pipeline rank
  std::size_t smallest = 0;         ///< in `stages`, the first of equals
  std::size_t largest = 0;
  Index device = 0;            ///< bytes that one rank has
  bool sequence_known = true;  ///< false: what depends on the length of a sequence is not known

  /// Bytes of a category; empty: not known.
  std::optional<Index> bytes(const StageMemory& stage, const MemoryCategory& category) const {
    return known(stage.bytes.*category.bytes, sequence_known || !category.of_sequence);
  }
  /// Bytes of all categories that are known: the least that a rank of the stage needs.
  Index least(const StageMemory& stage) const {
    return stage.bytes.total() - (sequence_known ? 0 : stage.bytes.activations + stage.bytes.transient);
  }
  /// The same; empty: not all are known.
  std::optional<Index> total(const StageMemory& stage) const { return known(least(stage), sequence_known); }
  /// Device bytes that a stage leaves, negative: what it has too many; empty: not known.
  std::optional<Index> left(const StageMemory& stage) const { return known(device - least(stage), sequence_known); }
  /// Whether a stage fits its devices; empty: not known. What is known may be too much already.
  std::optional<bool> fits(const StageMemory& stage) const {
    const bool does = least(stage) <= device;
    return known(does, sequence_known || !does);
  }
  std::optional<bool> fits() const { return fits(stages[largest]); }

 private:
  template <class T>
  static std::optional<T> known(T value, bool is_known) {
    return is_known ? std::optional(value) : std::nullopt;
  }
};

/// Errors SP-CORE-001.
inline MemoryReport memory_report(const Plan& plan) {
  MemoryReport out;
  out.device = device_memory(plan.world());
  out.sequence_known = plan.training().sequence > 0;
  for (Index p = 0; p < plan.partition().pipeline(); ++p) {
    const RankLoad load = plan.load(p);
    out.stages.push_back({p, load.parameters, load.optimizer_elements, load.in_flight, plan.memory(p)});
    const auto least = [&out](std::size_t at) { return out.least(out.stages[at]); };
    const std::size_t last = out.stages.size() - 1;
    if (least(last) < least(out.smallest)) out.smallest = last;
    if (least(last) > least(out.largest)) out.largest = last;
  }
  return out;
}

/// The finding SP-PLAN-004 where the largest rank does not fit its device; else none.
inline Diagnostics diagnose(const MemoryReport& report) {
  if (report.fits().value_or(true)) return {};
  const StageMemory& worst = report.stages[report.largest];
  const Index least = report.least(worst);
  return {finding("SP-PLAN-004",
                  concat("ranks of pipeline rank ", worst.pipeline_rank, " need ", in_bytes(least),
                         report.sequence_known ? "" : " and activations", " of ", in_bytes(report.device), ": ",
                         in_bytes(least - report.device), " too much"),
                  "larger degrees, more recomputation, or a smaller micro batch",
                  {"tensor", "pipeline", "micro_batch"})};
}

}  // namespace shardplan
