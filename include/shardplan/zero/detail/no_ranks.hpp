#pragma once
#include <shardplan/core/diagnostic.hpp>

namespace shardplan::zero::detail {

/// The finding about a group of no ranks, by the planners that take a number.
inline Diagnostic no_ranks(Index ranks) {
  return finding("SP-ZERO-002", concat("optimizer state divided over ", ranks, " ranks"), "at least 1", {"data"});
}

}  // namespace shardplan::zero::detail
