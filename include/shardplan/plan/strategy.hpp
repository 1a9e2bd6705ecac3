#pragma once
#include <shardplan/core/text.hpp>
#include <shardplan/core/types.hpp>

namespace shardplan {

/// How a training job is parallelised. Data-parallel size follows from the world.
struct Strategy {
  Index tensor = 1;    ///< distributed_strategy.tensor_model_parallel_size
  Index pipeline = 1;  ///< distributed_strategy.pipeline_model_parallel_size
  Index virtual_pipeline =
      1;                    ///< distributed_strategy.virtual_pipeline_model_parallel_size: chunks a pipeline rank holds
  Index context = 1;        ///< context_parallel_size
  Index expert = 1;         ///< distributed_strategy.expert_model_parallel_size
  Index kv_replicator = 1;  ///< distributed_strategy.kv_replicator: ranks that hold each KV head
  bool sequence_parallel = false;
  bool zero1 = false;       ///< optimizer state cut over the data-parallel (and context) ranks
  Index token_shuffle = 1;  ///< distributed_strategy.token_shuffle_group_size
  Names pipeline_cuts{};    ///< last module of every stage but the last; empty: even partition

  friend bool operator==(const Strategy&, const Strategy&) = default;
};

}  // namespace shardplan
