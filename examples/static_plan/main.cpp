// A mesh and a layout whose every degree is known to the compiler: a wrong cut does not compile.
#include <cstdio>
#include <shardplan/layout.hpp>
#include <shardplan/mesh/grid.hpp>

namespace sp = shardplan;

// 512 ranks: tensor ranks are neighbours, pipeline stages lie farthest apart.
using Grid = sp::Grid<sp::StaticExtent{sp::pp, 8}, sp::StaticExtent{sp::dp, 8}, sp::StaticExtent{sp::tp, 8}>;
constexpr Grid grid;
static_assert(grid.size() == 512);
static_assert(grid.coordinate<sp::pp>(300) == 4 && grid.coordinate<sp::tp>(300) == 4);
static_assert(grid.rank(grid.place(300)) == sp::Rank(300));

// Gate and up packed in one weight, each cut over the tensor ranks.
constexpr sp::Layout gate_up() { return sp::Layout(grid.view(), {2 * 28672, 8192}).then(0, sp::strided(sp::tp, 2)); }

// The rows of one rank: where they begin in the weight, how many there are, and where they stand in the shard.
constexpr sp::Shard::Segment rows(sp::Rank rank, std::size_t part) {
  return sp::shard(gate_up(), grid.view().place(rank)).segments(0)[part];
}
static_assert(rows(300, 0) == sp::Shard::Segment{.start = 4 * 3584, .length = 3584, .local = 0});
static_assert(rows(300, 1) == sp::Shard::Segment{.start = 28672 + 4 * 3584, .length = 3584, .local = 3584});

int main() {
  std::printf("rank 300 holds gate rows from %ld and up rows from %ld on\n", rows(300, 0).start, rows(300, 1).start);
}
