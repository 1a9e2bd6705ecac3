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

}  // namespace shardplan::tensor
