#pragma once
/// What a planning program needs, on the standard library alone: models, strategies, plans, and what a plan answers in,
/// under one namespace that reads well as `namespace sp = shardplan;`.
///
/// Every room up to the plan is reached through what planning uses of it. The rooms' umbrellas hold the rest, such as
/// the partitions and optimizer layouts of other systems, the accessors of NxD, or the proof of coverage:
/// `shardplan/mesh.hpp`, `layout.hpp`, `model.hpp`, `tensor.hpp`, `pipeline.hpp`, `zero.hpp`, `plan.hpp`.
#include <shardplan/model/hub.hpp>
#include <shardplan/plan.hpp>
#include <shardplan/version.hpp>
