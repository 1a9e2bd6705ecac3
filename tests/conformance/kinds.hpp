#pragma once
#include "case.hpp"

/// Every room's kinds, and those that later issues bring.
namespace conformance {

Kinds mesh_kinds();
Kinds shard_kinds();
Kinds layer_kinds();
Kinds model_kinds();
Kinds pipeline_kinds();
Kinds zero_kinds();
Kinds context_kinds();
Kinds optim_kinds();
Kinds data_kinds();
Kinds xla_kinds();
Kinds transfer_kinds();
Kinds schedule_kinds();
Kinds device_kinds();
Kinds megatron_rank_kinds();
Kinds config_kinds();
Kinds migration_kinds();
Kinds uncovered_kinds();

}  // namespace conformance
