#include <cstdint>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/types.hpp>

namespace sp = shardplan;

sp::Index position_of(sp::Rank rank);

sp::Index by_rank(sp::Rank rank) { return position_of(rank); }
sp::Index by_number() { return position_of(3); }
static_assert(sp::checked_mul(INT64_MAX, 1) == INT64_MAX);

#ifdef CASE_LAYER_FOR_RANK  // error: could not convert|no matching function
sp::Index by_layer(sp::LayerId layer) { return position_of(layer); }
#endif

#ifdef CASE_RANK_FOR_NUMBER  // error: cannot convert|no viable conversion
sp::Index as_number(sp::Rank rank) { return rank; }
#endif

#ifdef CASE_RANK_WITH_STAGE  // error: no match for|invalid operands
bool same(sp::Rank rank, sp::StageId stage) { return rank == stage; }
#endif

#ifdef CASE_OVERFLOW_IN_A_CONSTANT  // error: non-constant condition|not an integral constant expression
static_assert(sp::checked_mul(INT64_MAX, 2) > 0);
#endif
