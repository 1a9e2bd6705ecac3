#pragma once
#include <shardplan/core/arithmetic.hpp>

/// Which experts an expert rank holds (NxD mesh sheet, 2.3).
namespace shardplan {

/// An explicit placement: row e lists the experts of expert rank e, in local order.
using ExpertRows = std::vector<std::vector<Index>>;

/// The experts of one expert rank, in local order: equal blocks of neighbours, or its row of an explicit placement.
///
/// Errors SP-MESH-009 the rank is not below the expert size, SP-TENSOR-002 experts that do not divide over the ranks,
/// SP-MESH-013 a placement without a row for every rank, or that leaves an expert out or invents one.
constexpr std::vector<Index> experts_of(Index rank, Index experts, Index size, const ExpertRows& placement = {}) {
  if (size < 1) fail("SP-MESH-001", concat("the expert size is ", size), "at least 1", {"expert"});
  if (rank < 0 || rank >= size)
    fail("SP-MESH-009", concat("expert rank ", rank, " of ", size), concat("0 to ", size - 1));
  if (experts < 1 || experts % size != 0)
    fail("SP-TENSOR-002", concat(experts, " experts do not divide over ", size, " expert ranks"),
         experts < 1 ? std::string("at least 1 expert")
                     : concat(nearest_divisors(experts, size).below, " or ", nearest_divisors(experts, size).above,
                              " expert ranks"),
         {"num_experts", "expert"});
  std::vector<Index> out;
  if (placement.empty()) {
    const Index block = experts / size;
    for (Index i = 0; i < block; ++i) out.push_back(rank * block + i);
    return out;
  }
  if (static_cast<Index>(placement.size()) != size)
    fail("SP-MESH-013", concat("an expert placement of ", placement.size(), " rows for ", size, " expert ranks"),
         concat(size, " rows"), {"expert_distribution"});
  std::vector<bool> placed(static_cast<std::size_t>(experts), false);
  for (const auto& row : placement)
    for (const Index expert : row) {
      if (expert < 0 || expert >= experts)
        fail("SP-MESH-013", concat("an expert placement names expert ", expert, " of ", experts),
             concat("0 to ", experts - 1), {"expert_distribution"});
      placed[static_cast<std::size_t>(expert)] = true;
    }
  for (Index expert = 0; expert < experts; ++expert)
    if (!placed[static_cast<std::size_t>(expert)])
      fail("SP-MESH-013", concat("an expert placement leaves out expert ", expert, " of ", experts), "every expert",
           {"expert_distribution"});
  return placement[static_cast<std::size_t>(rank)];
}

}  // namespace shardplan
