#pragma once
#include <doctest/doctest.h>

#include <shardplan/mesh.hpp>

#include "../thrown.hpp"

namespace shardplan {

/// Calls f(world, degrees) for every mesh that can be made of at most `most` ranks, in every rank order. The node sizes
/// are those that an order looks at.
template <class F>
void for_each_mesh(Index most, const Dialect& dialect, F&& f) {
  for (Index ranks = 1; ranks <= most; ++ranks)
    for (const Hardware hardware : {Hardware::trn1, Hardware::trn2})
      for (Index tensor = 1; tensor <= ranks; ++tensor)
        for (Index pipeline = 1; ranks % tensor == 0 && pipeline <= ranks / tensor; ++pipeline)
          for (Index context = 1; context <= ranks / tensor / pipeline; ++context)
            for (Index expert = 1; expert <= ranks / tensor / pipeline; ++expert) {
              const Index stage = ranks / tensor / pipeline;
              if (ranks % (tensor * pipeline) != 0 || stage % context != 0 || stage % expert != 0) continue;
              World world{.ranks = ranks, .hardware = hardware, .lnc = tensor == 64 ? 1 : 2};
              const RankOrder order = rank_order(world, tensor);
              if (order == RankOrder::ascending && hardware == Hardware::trn2) continue;  // as on trn1
              for (const Index node : {0, 4, 8, 16, 32, 64}) {
                if (order == RankOrder::ascending && node != 0) continue;
                world.ranks_per_node = node;
                const Degrees degrees{tensor, pipeline, context, expert};
                if (!has_errors(diagnose(world, degrees, dialect))) f(world, degrees);
              }
            }
}

/// The rank at data position y (data and context ranks, or expert data and expert ranks, together) and tensor position
/// t of a stage, by the formulas of the sheet (1.5, 1.7) and nothing of the library.
inline Index rank_by_formula(const World& world, const Degrees& degrees, RankOrder order, Index p, Index y, Index t) {
  const Index data = world.ranks / (degrees.tensor * degrees.pipeline);
  if (order == RankOrder::spread) {
    const Index n = (world.ranks_per_node > 0 ? world.ranks_per_node : world.ranks) / 4;
    return p * (world.ranks / degrees.pipeline) + y / n * 4 * n + t * n + y % n;
  }
  const Index block = p * data + y;
  if (order == RankOrder::ascending) return block * degrees.tensor + t;
  const Index node = world.ranks_per_node > 0 ? world.ranks_per_node : 64, q = node / 4;
  const Index rows_of[2][4] = {{0, 3, 1, 2}, {1, 2, 0, 3}};
  if (node == degrees.tensor) return block * node + rows_of[0][t / q] * q + t % q;
  return block / 2 * node + rows_of[block % 2][t / q] * q + t % q;
}

}  // namespace shardplan
