#pragma once
#include <doctest/doctest.h>

#include <shardplan/pipeline/partition.hpp>
#include <string>
#include <vector>

/// What the tests of this room share.
namespace shardplan {

/// The ids that `make` throws, in order; empty when it throws nothing.
template <class Make>
std::vector<std::string> thrown_ids(const Make& make) {
  std::vector<std::string> out;
  try {
    make();
  } catch (const Error& error) {
    for (const Diagnostic& one : error.diagnostics()) out.emplace_back(one.id);
  }
  return out;
}

using Ids = std::vector<std::string>;
using Numbers = std::vector<Index>;

/// Layers of every stage.
inline Numbers sizes(const Partition& partition) {
  Numbers out;
  for (Index s = 0; s < partition.stages(); ++s) out.push_back(partition.layers_of(s).size());
  return out;
}

inline Numbers bounds(const Partition& partition) { return {partition.bounds().begin(), partition.bounds().end()}; }

/// What holds for every partition: each layer once, in order; stages and places on ranks name each other.
inline void check_partition(const Partition& partition, Index layers, Index pipeline, Index chunks) {
  REQUIRE(partition.layers() == layers);
  REQUIRE(partition.pipeline() == pipeline);
  REQUIRE(partition.chunks() == chunks);
  REQUIRE(partition.stages() == pipeline * chunks);
  Index next = 0;
  for (Index s = 0; s < partition.stages(); ++s) {
    const Interval held = partition.layers_of(s);
    REQUIRE(held.begin == next);
    REQUIRE(held.end >= held.begin);
    for (Index layer = held.begin; layer < held.end; ++layer) REQUIRE(partition.stage_of(layer) == StageId(s));
    next = held.end;
    REQUIRE(partition.stage(partition.pipeline_rank(s), partition.chunk(s)) == StageId(s));
  }
  REQUIRE(next == layers);
  for (Index rank = 0; rank < pipeline; ++rank) {
    for (Index chunk = 0; chunk < chunks; ++chunk) {
      const StageId stage = partition.stage(rank, chunk);
      REQUIRE(partition.pipeline_rank(stage) == rank);
      REQUIRE(partition.chunk(stage) == chunk);
    }
  }
  REQUIRE(partition.embedding_stage() == partition.stage(0, 0));
  REQUIRE(partition.head_stage() == partition.stage(pipeline - 1, chunks - 1));
}

}  // namespace shardplan
