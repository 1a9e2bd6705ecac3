#pragma once
/// The train room: where plans meet values on the host.
///
///   extract, assemble      Eigen matrices and xtensor arrays in and out of shards          train/adapt.hpp
///
/// It needs Eigen and xtensor; planning needs neither.
#include <shardplan/train/adapt.hpp>
