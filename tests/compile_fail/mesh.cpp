#include <shardplan/mesh/grid.hpp>
#include <shardplan/mesh/nxd.hpp>

namespace sp = shardplan;
using sp::StaticExtent;

using Grid = sp::Grid<StaticExtent{sp::pp, 2}, StaticExtent{sp::tp, 8}>;
static_assert(Grid{}.coordinate<sp::tp>(11) == 3);

#ifdef CASE_GRID_WITHOUT_AXIS  // error: .*constant expression|call to consteval function
static_assert(Grid{}.coordinate<sp::dp>(0) == 0);
#endif

#ifdef CASE_GRID_AXIS_TWICE  // error: static.*name every axis of a grid once
constexpr sp::Grid<StaticExtent{sp::tp, 2}, StaticExtent{sp::tp, 8}> twice;
#endif

#ifdef CASE_GRID_WITHOUT_RANKS  // error: static.*extents of a grid are positive
constexpr sp::Grid<StaticExtent{sp::pp, 0}, StaticExtent{sp::tp, 8}> empty;
#endif

#ifdef CASE_MESH_THAT_DOES_NOT_DIVIDE  // error: non-constant condition|static_assert expression is not an integral constant
static_assert(sp::Mesh({.ranks = 30}, {.tensor = 8}).size() == 30);
#endif
