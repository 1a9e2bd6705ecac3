#include <shardplan/mesh/grid.hpp>
#include <shardplan/mesh/nxd.hpp>

namespace sp = shardplan;

using Grid = sp::Grid<{sp::pp, 2}, {sp::tp, 8}>;
static_assert(Grid{}.coordinate<sp::tp>(11) == 3);

#ifdef CASE_GRID_WITHOUT_AXIS  // error: call to consteval function|is not a constant expression|no matching
                               // function|expression
static_assert(Grid{}.coordinate<sp::dp>(0) == 0);
#endif

#ifdef CASE_GRID_AXIS_TWICE  // error: .*name every axis of a grid once
constexpr sp::Grid<{sp::tp, 2}, {sp::tp, 8}> twice;
#endif

#ifdef CASE_GRID_WITHOUT_RANKS  // error: .*at most 2.31 ranks
constexpr sp::Grid<{sp::pp, 0}, {sp::tp, 8}> empty;
#endif

#ifdef CASE_MESH_THAT_DOES_NOT_DIVIDE  // error: .*constant expression|.*must be initialized by a constant
static_assert(sp::Mesh({.ranks = 30}, {.tensor = 8}).size() == 30);
#endif
