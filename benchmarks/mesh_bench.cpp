// Questions about ranks: dynamic views beside static grids, small worlds beside large ones.
// Ranks come in random order, so that no answer is known in advance.
#include <benchmark/benchmark.h>

#include <random>
#include <shardplan/mesh.hpp>

namespace {

using namespace shardplan;

constexpr std::size_t asked = 1024;  // a power of two

std::vector<Rank> random_ranks(Index world) {
  std::mt19937_64 random(1);
  std::uniform_int_distribution<Index> any(0, world - 1);
  std::vector<Rank> out;
  for (std::size_t i = 0; i < asked; ++i) out.emplace_back(any(random));
  return out;
}

/// Times answer(rank), which must not throw its result away.
template <class Answer>
void ask(benchmark::State& state, Index world, const Answer& answer) {
  const std::vector<Rank> ranks = random_ranks(world);
  std::size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(answer(ranks[next++ % asked]));
}

/// Trn2 nodes, so that every question passes through a wire as well: the most that a mesh has to do.
Mesh ring(Index ranks) { return Mesh({.ranks = ranks, .hardware = Hardware::trn2, .lnc = 2}, {.tensor = 32}); }
Mesh plain(Index ranks) { return Mesh({.ranks = ranks}, {.tensor = 8, .pipeline = 4}); }

void coordinates_of_rank(benchmark::State& state, Mesh (*make)(Index)) {
  const Mesh mesh = make(state.range(0));
  ask(state, mesh.size(), [&](Rank rank) { return mesh.dense().place(rank); });
}
void rank_of_coordinates(benchmark::State& state, Mesh (*make)(Index)) {
  const Mesh mesh = make(state.range(0));
  std::vector<Place> places;
  for (const Rank rank : random_ranks(mesh.size())) places.push_back(mesh.dense().place(rank));
  std::size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(mesh.dense().rank(places[next++ % asked]));
}
void position_in_group(benchmark::State& state, Mesh (*make)(Index)) {
  const Mesh mesh = make(state.range(0));
  const Group group = mesh.group(dp, 5);
  ask(state, mesh.size(), [&](Rank rank) { return group.position(rank); });
}
void member_of_group(benchmark::State& state, Mesh (*make)(Index)) {
  const Mesh mesh = make(state.range(0));
  const Group group = mesh.group(dp, 5);
  ask(state, static_cast<Index>(group.size()), [&](Rank k) { return group[static_cast<std::size_t>(k.value)]; });
}
void group_of_rank(benchmark::State& state, Mesh (*make)(Index)) {
  const Mesh mesh = make(state.range(0));
  ask(state, mesh.size(), [&](Rank rank) { return mesh.group(dp, rank); });
}
void group_of_rank_in_list(benchmark::State& state, Mesh (*make)(Index)) {
  const Mesh mesh = make(state.range(0));
  const GroupList groups = mesh.groups(dp);
  ask(state, mesh.size(), [&](Rank rank) { return groups.of(rank); });
}
void list_of_groups(benchmark::State& state, Mesh (*make)(Index)) {
  const Mesh mesh = make(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(mesh.groups(dp));
}

/// All questions about one rank order, each for 2^6 and 2^20 ranks.
void register_mesh(const std::string& name, Mesh (*make)(Index)) {
  const auto add = [&](const char* question, void (*run)(benchmark::State&, Mesh(*)(Index))) {
    benchmark::RegisterBenchmark((question + ("/" + name)).c_str(), run, make)
        ->ArgName("ranks")
        ->Arg(1 << 6)
        ->Arg(1 << 20);
  };
  add("coordinates_of_rank", coordinates_of_rank);
  add("rank_of_coordinates", rank_of_coordinates);
  add("position_in_group", position_in_group);
  add("member_of_group", member_of_group);
  add("group_of_rank", group_of_rank);
  add("group_of_rank_in_list", group_of_rank_in_list);
  add("list_of_groups", list_of_groups);
}

/// The mesh of plain() as a type.
template <Index data>
using Static = Grid<StaticExtent{pp, 4}, StaticExtent{dp, data}, StaticExtent{cp, 1}, StaticExtent{tp, 8}>;

template <Index data>
void static_coordinates_of_rank(benchmark::State& state) {
  constexpr Static<data> grid;
  ask(state, grid.size(), [](Rank rank) { return Static<data>().place(rank); });
}
template <Index data>
void static_rank_of_coordinates(benchmark::State& state) {
  constexpr Static<data> grid;
  std::vector<typename Static<data>::Coordinates> places;
  for (const Rank rank : random_ranks(grid.size())) places.push_back(grid.place(rank));
  std::size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(grid.rank(places[next++ % asked]));
}
template <Index data>
void static_position_in_group(benchmark::State& state) {
  constexpr Static<data> grid;
  ask(state, grid.size(), [](Rank rank) { return Static<data>().template coordinate<dp>(rank); });
}

template <Index data>
void register_static() {
  const std::string end = "/static/ranks:" + std::to_string(Static<data>().size());
  benchmark::RegisterBenchmark(("coordinates_of_rank" + end).c_str(), static_coordinates_of_rank<data>);
  benchmark::RegisterBenchmark(("rank_of_coordinates" + end).c_str(), static_rank_of_coordinates<data>);
  benchmark::RegisterBenchmark(("position_in_group" + end).c_str(), static_position_in_group<data>);
}

const int registered = [] {
  register_static<2>();
  register_static<(1 << 15)>();
  register_mesh("plain", plain);
  register_mesh("ring", ring);
  return 0;
}();

}  // namespace
