#pragma once
/// Everything a planning program needs, on the standard library alone: all rooms from integers with a meaning up to
/// the plan, under one namespace that reads well as `namespace sp = shardplan;`.
#include <shardplan/core.hpp>
#include <shardplan/layout.hpp>
#include <shardplan/mesh.hpp>
#include <shardplan/model.hpp>
#include <shardplan/pipeline.hpp>
#include <shardplan/plan.hpp>
#include <shardplan/version.hpp>
#include <shardplan/zero.hpp>
