#pragma once
#include <vector>

#include <shardplan/core/arithmetic.hpp>

/// Which experts an expert rank holds (NxD mesh sheet, 2.3).
namespace shardplan {

/// An explicit placement: row e lists the experts of expert rank e, in local order.
using ExpertRows = std::vector<std::vector<Index>>;

/// What keeps experts from being dealt out over `size` expert ranks; an expert may have several places, rows may differ
/// in length. Ids SP-MESH-001 a number below 1; SP-TENSOR-002, without a placement, experts that do not divide over the
/// ranks; SP-MESH-013 a placement without a row for every rank, or that leaves an expert out or invents one.
constexpr Diagnostics diagnose_placement(Index experts, Index size, const ExpertRows& placement = {}) {
  Diagnostics out;
  const auto positive = [&](const char* what, Index value, const char* key) {
    if (value < 1) out.push_back(finding("SP-MESH-001", concat("the ", what, " is ", value), "at least 1", {key}));
  };
  positive("number of experts", experts, "num_experts");
  positive("expert size", size, "expert");
  if (!out.empty()) return out;
  if (placement.empty()) {
    if (experts % size != 0)
      out.push_back(finding("SP-TENSOR-002", concat(experts, " experts do not divide over ", size, " expert ranks"),
                            concat(divisors_near(experts, size), " expert ranks"), {"num_experts", "expert"}));
    return out;
  }
  if (static_cast<Index>(placement.size()) != size)
    out.push_back(finding("SP-MESH-013",
                          concat("an expert placement of ", placement.size(), " rows for ", size, " expert ranks"),
                          concat(size, " rows"), {"expert_distribution", "expert"}));
  std::size_t places = 0;
  for (const auto& row : placement) places += row.size();
  // One flag more than there are places finds an expert that is left out, however many experts there are.
  std::vector<bool> placed(static_cast<std::size_t>(smaller(experts, static_cast<Index>(places) + 1)), false);
  bool known = true;
  for (const auto& row : placement)
    for (const Index expert : row) {
      const bool exists = 0 <= expert && expert < experts;
      if (known && !exists)
        out.push_back(finding("SP-MESH-013", concat("an expert placement names expert ", expert, " of ", experts),
                              concat("0 to ", experts - 1), {"expert_distribution"}));
      known = known && exists;
      if (exists && static_cast<std::size_t>(expert) < placed.size()) placed[static_cast<std::size_t>(expert)] = true;
    }
  for (std::size_t expert = 0; expert < placed.size(); ++expert) {
    if (placed[expert]) continue;
    out.push_back(finding("SP-MESH-013", concat("an expert placement leaves out expert ", expert, " of ", experts),
                          "every expert", {"expert_distribution"}));
    break;
  }
  return out;
}

/// The experts of one expert rank, in local order: equal blocks of neighbours, or its row of an explicit placement.
/// Errors: all that diagnose_placement() finds, SP-MESH-009 the rank is not below the expert size.
constexpr std::vector<Index> experts_of(Index rank, Index experts, Index size, const ExpertRows& placement = {}) {
  if (Diagnostics all = diagnose_placement(experts, size, placement); !all.empty()) throw Error(std::move(all));
  if (rank < 0 || rank >= size)
    fail("SP-MESH-009", concat("expert rank ", rank, " of ", size), concat("0 to ", size - 1));
  if (!placement.empty()) return placement[static_cast<std::size_t>(rank)];
  const Index block = experts / size;
  std::vector<Index> out;
  for (Index i = 0; i < block; ++i) out.push_back(rank * block + i);
  return out;
}

}  // namespace shardplan
