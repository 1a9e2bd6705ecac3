#pragma once
#include <shardplan/core/dialect.hpp>
#include <shardplan/mesh/world.hpp>

namespace shardplan::tensor {

/// What the cut of a weight depends on besides the weight and the mesh.
struct Options {
  Index kv_replicator = 1;  ///< ranks that hold each KV head
  Hardware hardware = Hardware::trn1;
  Dialect dialect = strict;

  friend constexpr bool operator==(const Options&, const Options&) = default;
};

/// Whether to repeat the faults of NxD's layers that have no switch of their own: they come with its limits.
constexpr bool repeats_layer_faults(const Dialect& dialect) { return dialect.nxd_limits; }

}  // namespace shardplan::tensor
