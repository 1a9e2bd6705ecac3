#pragma once
/// The core room: integers with a meaning, checked arithmetic, small containers, and how faults are told.
#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/dialect.hpp>
#include <shardplan/core/dtype.hpp>
#include <shardplan/core/shape.hpp>
#include <shardplan/core/utf8.hpp>
