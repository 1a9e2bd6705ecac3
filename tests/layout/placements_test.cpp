#include <random>
#include <shardplan/layout/placements.hpp>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::dtensor;

namespace {

/// torch.chunk: the i-th of `count` parts.
Elements chunk(const Elements& all, Index count, Index i) {
  const auto n = static_cast<Index>(all.size());
  const Index size = (n + count - 1) / count, begin = std::min(i * size, n);
  return slice_of(all, begin, std::min(size, n - begin));
}

/// The elements of every dimension that a coordinate holds, by the definition of the placements.
std::vector<Elements> held(const Shape& shape, const Shape& mesh, const Placements& placements, const Place& at) {
  std::vector<Elements> out;
  for (const Index extent : shape) out.push_back(count_up(extent));
  for (std::size_t m = 0; m < mesh.size(); ++m) {
    const Placement& one = placements[m];
    if (one.kind == Placement::Kind::replicate || one.kind == Placement::Kind::partial) continue;
    Elements& dim = out[static_cast<std::size_t>(one.dim < 0 ? one.dim + static_cast<Index>(shape.size()) : one.dim)];
    Elements kept;
    for (Index f = 0; f < one.split_factor; ++f)
      for (const Index element : chunk(chunk(dim, one.split_factor, f), mesh[m], at[m])) kept.push_back(element);
    dim = kept;
  }
  return out;
}

Placement random_placement(std::mt19937& random, Index rank) {
  const auto below = [&](Index n) { return static_cast<Index>(random() % static_cast<std::uint32_t>(n)); };
  const Index dim = below(2 * rank) - rank;
  switch (below(4)) {
    case 0:
      return shard_on(dim);
    case 1:
      return strided_shard_on(dim, 1 + below(4));
    case 2:
      return replicate();
    default:
      return partial_over(static_cast<ReduceOp>(below(5)));
  }
}

}  // namespace

TEST_CASE("placements: every rank holds what the placements say, left to right") {
  std::mt19937 random(11);
  const auto below = [&](Index n) { return static_cast<Index>(random() % static_cast<std::uint32_t>(n)); };
  for (int round = 0; round < 400; ++round) {
    Shape shape, sizes;
    Placements placements;
    for (Index d = 1 + below(3); d > 0; --d) shape.push_back(below(14));
    for (Index m = 1 + below(3); m > 0; --m) {
      sizes.push_back(1 + below(4));
      placements.push_back(random_placement(random, static_cast<Index>(shape.size())));
    }
    CAPTURE(join(placements, ", "));
    CAPTURE(concat(shape));
    const DeviceMesh mesh(sizes);
    const Layout layout = layout_of(mesh, shape, placements);
    CHECK(layout == layout_of(mesh.view(), shape, placements));
    for_each_place(mesh.view(), [&](const Place& place) {
      const std::vector<Elements> wanted = held(shape, sizes, placements, place);
      const LocalTensor local = local_tensor(layout, mesh.rank(place));
      for (std::size_t dim = 0; dim < shape.size(); ++dim) {
        CHECK(pulled(layout, dim, place) == wanted[dim]);
        CHECK(local.shape[dim] == static_cast<Index>(wanted[dim].size()));
        CHECK(local.offset[dim] == (wanted[dim].empty() ? shape[dim] : wanted[dim][0]));
      }
    });
    const Coverage coverage = prove_coverage(layout);
    CHECK(coverage.complete());
    CHECK(coverage.consistent());
  }
}

TEST_CASE("placements: a strided shard puts a later mesh dim before an earlier one") {
  const View view({{dp, 2}, {tp, 4}});
  for (const Index rows : {8, 16, 48}) {
    // tp cuts first, dp what is left: as FSDP does it on top of tensor parallelism
    const Layout fsdp = Layout(view, {rows, 3}).then(0, split(tp)).then(0, split(dp));
    CHECK(equivalent(layout_of(view, {rows, 3}, {strided_shard_on(0, 4), shard_on(0)}), fsdp));
  }
  // a factor of 1 is a plain shard
  CHECK(equivalent(layout_of(view, {10}, {strided_shard_on(0, 1), replicate()}),
                   layout_of(view, {10}, {shard_on(0), replicate()})));
  // a factor far beyond the elements leaves them to the first coordinate
  const Layout fine = layout_of(view, {10}, {strided_shard_on(-1, Index{1} << 40), replicate()});
  CHECK(local_tensor(fine, 0) == LocalTensor{{10}, {0}});
  CHECK(local_tensor(fine, 4) == LocalTensor{{0}, {10}});
}

TEST_CASE("placements: partial values stay whole and keep their operation") {
  const Layout layout = layout_of(View({{dp, 2}, {tp, 3}}), {6}, {partial_over(ReduceOp::max), shard_on(0)});
  REQUIRE(layout.partials().size() == 1);
  CHECK(layout.partials()[0] == Layout::Partial{0, ReduceOp::max});
  CHECK(layout.local_shape({1, 2}) == Shape{2});
}

TEST_CASE("placements: negative dimensions count from the last") {
  const View view({{tp, 3}});
  for (Index dim = 0; dim < 3; ++dim) {
    CHECK(layout_of(view, {6, 7, 8}, {shard_on(dim - 3)}) == layout_of(view, {6, 7, 8}, {shard_on(dim)}));
    CHECK(layout_of(view, {6, 7, 8}, {strided_shard_on(dim - 3, 2)}) ==
          layout_of(view, {6, 7, 8}, {strided_shard_on(dim, 2)}));
  }
}

TEST_CASE("placements: a tensor on part of a mesh exists there alone") {
  const DeviceMesh mesh({2, 2, 3}, {"pp", "dp", "tp"}, {0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 30});
  const DeviceMesh stage = mesh.slice({"tp", "dp"}, 9);
  const Layout layout = layout_of(stage, {5, 4}, {shard_on(0), shard_on(1)});
  const Layout flat = layout_of(stage.flatten("tp_dp"), {7}, {shard_on(0)});
  const Layout summed = layout_of(stage.flatten("tp_dp"), {7}, {partial_over()});
  CHECK(summed.partials().size() == 2);
  for (Index rank = 0; rank < 40; ++rank) {
    const auto at = stage.coordinate(rank);
    if (!at) {
      CHECK(local_tensor(layout, rank) == LocalTensor{{0}, {}});
      CHECK(local_tensor(flat, rank) == LocalTensor{{0}, {}});
      continue;
    }
    const Elements rows = chunk(count_up(5), 3, (*at)[0]), columns = chunk(count_up(4), 2, (*at)[1]);
    CHECK(local_tensor(layout, rank) ==
          LocalTensor{{static_cast<Index>(rows.size()), static_cast<Index>(columns.size())}, {rows[0], columns[0]}});
    const Elements part = chunk(count_up(7), 6, (*at)[0] * 2 + (*at)[1]);
    CHECK(local_tensor(flat, rank) == LocalTensor{{static_cast<Index>(part.size())}, {part.empty() ? 7 : part[0]}});
  }
}

TEST_CASE("placements: the whole shape follows from a local one where all shards are even") {
  const DeviceMesh mesh(Shape{2, 3});
  for (const Placements& placements : {Placements{shard_on(0), shard_on(-1)},
                                       {shard_on(1), shard_on(1)},
                                       {replicate(), strided_shard_on(0, 2)},
                                       {partial_over(), replicate()}}) {
    const Layout layout = layout_of(mesh, {12, 18}, placements);
    for_each_place(mesh.view(), [&](const Place& at) {
      CHECK(global_shape(mesh, layout.local_shape(at), placements) == Shape{12, 18});
    });
  }
  CHECK(thrown([&] { global_shape(mesh, {2}, {shard_on(0)}); }) == Ids{"SP-LAYOUT-012"});
  CHECK(thrown([&] { global_shape(mesh, {2}, {shard_on(1), replicate()}); }) == Ids{"SP-LAYOUT-012"});
  CHECK(thrown([&] { global_shape(mesh, {Index{1} << 62}, {shard_on(0), replicate()}); }) == Ids{"SP-CORE-001"});
}

TEST_CASE("placements: a scalar is replicated or partial") {
  const View view({{tp, 2}});
  CHECK(local_tensor(layout_of(view, {}, {replicate()}), 1) == LocalTensor{{}, {}});
  CHECK(local_tensor(layout_of(view, {}, {partial_over()}), 1) == LocalTensor{{}, {}});
  CHECK(thrown([&] { layout_of(view, {}, {shard_on(0)}); }) == Ids{"SP-LAYOUT-012"});
}

TEST_CASE("placements: what is printed can be read") {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    Placements all;
    for (std::size_t i = random() % 5; i > 0; --i) all.push_back(random_placement(random, 5));
    CHECK(parse_placements(concat(all)) == all);
    CHECK(parse_placements(brief(all)) == all);
    for (const Placement& one : all) CHECK(parse_placement(concat(one)) == one);
  }
  const Placements all{shard_on(0), replicate(), partial_over(ReduceOp::average), strided_shard_on(-1, 2)};
  CHECK(concat(all) == "[Shard(0), Replicate(), Partial(avg), _StridedShard(-1, 2)]");
  CHECK(brief(all) == "[S(0), R, P(avg), _S(-1, 2)]");
  const Index lowest = -1 - static_cast<Index>(~std::uint64_t{0} >> 1);
  CHECK(parse_placement(concat(shard_on(lowest))) == shard_on(lowest));
}

TEST_CASE("placements: other ways to write them") {
  CHECK(parse_placements("(Shard(dim=0), Replicate())") == Placements{shard_on(0), replicate()});
  CHECK(parse_placements("(Shard(dim=1),)") == Placements{shard_on(1)});
  CHECK(parse_placements("  S( -1 ) ,R ") == Placements{shard_on(-1), replicate()});
  CHECK(parse_placements("[P, R, Partial(), P(reduce_op=min)]") ==
        Placements{partial_over(), replicate(), partial_over(), partial_over(ReduceOp::min)});
  CHECK(parse_placement("_StridedShard(dim=0, sf=4)") == strided_shard_on(0, 4));
  CHECK(parse_placement("_StridedShard(dim=0, split_factor=4)") == strided_shard_on(0, 4));
  CHECK(parse_placements("[]").empty());
  CHECK(parse_placements("").empty());
}

TEST_CASE("placements: no other text is one, and cutting one short never is") {
  for (const char* text : {"[",
                           "[S(0)",
                           "[S(0)]]",
                           "S",
                           "S()",
                           "S(x)",
                           "S(0, 1)",
                           "_S(0)",
                           "_S(0 2)",
                           "R(0)",
                           "P(mean)",
                           "T(0)",
                           "S(9223372036854775808)",
                           "S(-9223372036854775809)",
                           "S(0) R",
                           "[S(0)),",
                           "(S(0)]",
                           "s(0)",
                           "[,]",
                           "S(dims=0)",
                           "S(split_factor=0)",
                           "\x80",
                           "Shard(0"})
    CHECK_MESSAGE(thrown([&] { parse_placements(text); }) == Ids{"SP-LAYOUT-012"}, text);
  for (const char* text : {"", "[S(0)]", "S(0), R", "R,"})
    CHECK_MESSAGE(thrown([&] { parse_placement(text); }) == Ids{"SP-LAYOUT-012"}, text);
  const std::string whole = "[Shard(10), Partial(sum), _StridedShard(0, 2)]";
  for (std::size_t length = 1; length < whole.size(); ++length)
    CHECK(thrown([&] { parse_placements(whole.substr(0, length)); }) == Ids{"SP-LAYOUT-012"});
}

TEST_CASE("placements: faults") {
  const View view({{dp, 2}, {tp, 2}});
  CHECK(thrown([&] { layout_of(view, {4}, {shard_on(0)}); }) == Ids{"SP-LAYOUT-012"});
  CHECK(thrown([&] { layout_of(view, {4}, {shard_on(0), replicate(), replicate()}); }) == Ids{"SP-LAYOUT-012"});
  CHECK(thrown([&] { layout_of(view, {4}, {shard_on(1), replicate()}); }) == Ids{"SP-LAYOUT-012"});
  CHECK(thrown([&] { layout_of(view, {4}, {shard_on(-2), replicate()}); }) == Ids{"SP-LAYOUT-012"});
  CHECK(thrown([&] { layout_of(view, {4}, {strided_shard_on(0, 0), replicate()}); }) == Ids{"SP-LAYOUT-012"});
  CHECK(thrown([&] { layout_of(view, {-4}, {replicate(), replicate()}); }) == Ids{"SP-LAYOUT-009"});
}

namespace {
constexpr LocalTensor constant_query() {
  return local_tensor(layout_of(View({{dp, 2}, {tp, 4}}), {10}, {shard_on(0), shard_on(0)}), 3);
}
static_assert(constant_query() == LocalTensor{{0}, {10}});
}  // namespace
