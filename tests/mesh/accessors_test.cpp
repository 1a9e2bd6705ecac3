#include <algorithm>

#include "support.hpp"

using namespace shardplan;

namespace {

const World trn2_pod{.ranks = 64, .hardware = Hardware::trn2, .ranks_per_node = 64, .lnc = 2};

std::vector<std::string_view> fields(const std::vector<Defect>& all) {
  std::vector<std::string_view> out;
  for (const Defect& one : all) out.push_back(one.field);
  return out;
}

}  // namespace

TEST_CASE("accessors: in a strict mesh they are the truth, and nothing is a defect") {
  for_each_mesh(32, strict, [&](const World& world, const Degrees& degrees) {
    const Mesh mesh(world, degrees);
    CAPTURE(world.ranks);
    CAPTURE(degrees.tensor);
    CAPTURE(degrees.pipeline);
    CAPTURE(degrees.context);
    CAPTURE(degrees.expert);
    bool positions = true, sources = true, neighbours = true;
    for (Index r = 0; r < world.ranks; ++r) {
      const Accessors here(mesh, r);
      for (const Axis axis : {tp, dp, cp, pp})
        positions = positions && here.position(axis) == mesh.dense().coordinate(r, axis);
      for (const Axis axis : {ep, edp})
        positions = positions && here.position(axis) == mesh.expert().coordinate(r, axis);
      sources = sources && here.tensor_source() == mesh.group(tp, r)[0] && here.data_source() == mesh.group(dp, r)[0];
      neighbours = neighbours && Accessors(mesh, here.next_stage()).previous_stage() == Rank(r) && !here.fault() &&
                   here.next_pair().has_value() == (degrees.pipeline > 1);
      if (degrees.pipeline > 1)
        neighbours = neighbours && (*here.next_pair())[0] == Rank(r) && (*here.next_pair())[1] == here.next_stage() &&
                     (*here.previous_pair())[1] == Rank(r) && (*here.previous_pair())[0] == here.previous_stage();
    }
    CHECK(positions);
    CHECK(sources);
    CHECK(neighbours);
    SideGroups asked(mesh);
    asked.kv_shared(degrees.tensor);
    asked.draft(1);
    asked.token_shuffle(mesh.data());
    CHECK(defects(asked).empty());
  });
}

TEST_CASE("accessors: NxD agrees with the mesh in ascending order but for the source of data groups") {
  for_each_mesh(32, compat, [&](const World& world, const Degrees& degrees) {
    const Mesh mesh(world, degrees, compat);
    if (mesh.order() != RankOrder::ascending || degrees.tensor == 4) return;
    const auto found = fields(defects(SideGroups(mesh)));
    // r mod (number of data groups) is right for one stage and one context rank, or where data groups are single ranks
    const bool right = mesh.data() == 1 || degrees.pipeline == 1;
    CHECK(found == (right ? std::vector<std::string_view>{} : std::vector<std::string_view>{"ranks.dp_src"}));
  });
}

TEST_CASE("accessors: the ring splits a tensor group over context ranks (7.1.3)") {
  const Mesh mesh(trn2_pod, {.tensor = 32, .context = 2}, compat);
  CHECK(mesh.group(tp, 0).contains(48));
  CHECK(Accessors(mesh, 0).position(cp) == 0);
  CHECK(Accessors(mesh, 48).position(cp) == 1);
  CHECK(mesh.dense().coordinate(48, cp) == 0);
  const auto found = defects(SideGroups(mesh));
  const auto mixed = std::find_if(found.begin(), found.end(), [](const Defect& d) { return d.field == "ranks.cp/tp"; });
  REQUIRE(mixed != found.end());
  CHECK(mixed->count == 64);
  CHECK(mixed->ranks.size() == Defect::shown);
}

TEST_CASE("accessors: the source of tensor group 4 needs LOCAL_WORLD_SIZE (1.8)") {
  World world{.ranks = 64};
  const Mesh unknown(world, {.tensor = 4}, compat);
  CHECK(!Accessors(unknown, 9).tensor_source());
  world.ranks_per_node = 32;
  const Mesh mesh(world, {.tensor = 4}, compat);
  CHECK(Accessors(mesh, 41).tensor_source() == Rank(33));
  CHECK(mesh.group(tp, 41)[0] == Rank(33));
  CHECK(Accessors(mesh, 44).tensor_source() == Rank(32));
  CHECK(mesh.group(tp, 44)[0] == Rank(36));
}

TEST_CASE("accessors: odd pipelines fail on stage 0 alone (1.9)") {
  for (const Index stages : {3, 5, 7}) {
    const Mesh mesh({.ranks = 2 * stages}, {.tensor = 2, .pipeline = stages}, compat);
    for (Index r = 0; r < 2 * stages; ++r) {
      const Accessors here(mesh, r);
      CHECK(here.fault().has_value() == (here.position(pp) == 0));
      CHECK(here.previous_pair().has_value() == (here.position(pp) != 0));
      REQUIRE(here.next_pair().has_value());
      CHECK(here.next_pair()->contains(r));
      if (here.fault()) CHECK(here.fault()->id == "SP-MESH-010");
    }
  }
  const Mesh even({.ranks = 4}, {.pipeline = 4}, compat);
  CHECK(!Accessors(even, 0).fault());
  CHECK(Accessors(even, 0).fault({.process_group = false})->id == "SP-MESH-010");
}

TEST_CASE("accessors: shared weights go to the group of the same number (1.10)") {
  const Mesh mesh(trn2_pod, {.tensor = 32, .pipeline = 2}, compat);
  // rank 16 is in the pipeline group [0, 16], number 0, and is given [0, 32]
  CHECK(mesh.group(pp, 16)[0] == Rank(0));
  CHECK(Accessors(mesh, 16).shared_weight_group({0, 1})[1] == Rank(32));
}

TEST_CASE("accessors: context ranks send around their ring") {
  const Mesh mesh(trn2_pod, {.tensor = 16, .context = 4});
  const auto transfers = Accessors(mesh, 17).context_transfers();
  using T = Accessors::Transfer;
  CHECK(transfers == std::vector<T>{{1, 17}, {17, 33}, {33, 49}, {49, 1}});
  const Mesh alone(trn2_pod, {.tensor = 16});
  CHECK(Accessors(alone, 17).context_transfers() == std::vector<T>{{17, 17}});
}

TEST_CASE("backend meshes: only the tensor groups are compressed, and only when asked (1.11)") {
  const Mesh mesh({.ranks = 32}, {.tensor = 8, .pipeline = 2}, compat);
  for (const bool compressed : {false, true}) {
    const auto handed = backend_meshes(mesh, 5, {.compress_replica_groups = compressed});
    REQUIRE(handed.size() == 9);
    CHECK(handed[0].size() == 1);
    CHECK(handed[1].size() == (compressed ? 1u : 4u));
    for (std::size_t i = 2; i < handed.size(); ++i) CHECK(handed[i].size() == handed[i].groups.size());
  }
  CHECK(backend_meshes(Mesh({.ranks = 4}, {}, compat), 0, {}).size() == 7);
  // a rank of an odd stage makes its own pairs first
  CHECK(backend_meshes(mesh, 31, {})[7].groups[0] == mesh.stage_pairs(1)[0]);
}

TEST_CASE("side groups: a kind has one size in an NxD job") {
  const Mesh mesh({.ranks = 32}, {.tensor = 8}, compat);
  SideGroups asked(mesh);
  CHECK(!asked.kv_shared());
  CHECK(!asked.draft());
  CHECK(!asked.token_shuffle());
  const GroupList first = asked.kv_shared(2);
  CHECK(asked.kv_shared(2, true)[0] == first[0]);  // the same size again: what is there
  CHECK(thrown([&] { asked.kv_shared(4); }) == Ids{"R8"});
  CHECK((*asked.kv_shared())[1] == first[1]);
  asked.draft(4);
  CHECK(thrown([&] { asked.draft(2); }) == Ids{"SP-MESH-010"});
  asked.token_shuffle(2);
  CHECK(thrown([&] { asked.token_shuffle(4); }) == Ids{"SP-MESH-010"});
  CHECK(thrown([&] { SideGroups(mesh).kv_shared(3); }) == Ids{"SP-MESH-008"});
  CHECK(thrown([&] { SideGroups(mesh).kv_shared(0); }) == Ids{"SP-MESH-008"});
  CHECK(thrown([&] { SideGroups(mesh).token_shuffle(8); }) == Ids{"R29"});
  SideGroups free(Mesh({.ranks = 32}, {.tensor = 8}));
  free.kv_shared(2);
  CHECK(free.kv_shared(4)[0].size() == 4);  // strict has no such limit
}

TEST_CASE("defects: side groups that cross what they cut (7.1.4, 7.1.11)") {
  SideGroups spread(Mesh({.ranks = 32, .ranks_per_node = 32}, {.tensor = 4}, compat));
  spread.kv_shared(2);
  spread.draft(2);
  const auto found = fields(defects(spread));
  CHECK(std::count(found.begin(), found.end(), "groups.kv_shared") == 1);
  CHECK(std::count(found.begin(), found.end(), "groups.draft") == 1);
  SideGroups ring(Mesh(trn2_pod, {.tensor = 32}, compat));
  ring.token_shuffle(2);
  const auto mixed = fields(defects(ring));
  for (const std::string_view field :
       {"groups.token_shuffle", "groups.token_shuffle/tp_index", "groups.ep_data/tp_index"})
    CHECK(std::count(mixed.begin(), mixed.end(), field) == 1);
  // answers are counted on the ranks that were looked at
  const auto some = defects(ring, {0, 16, 20});
  REQUIRE(some[0].field == "ranks.tp_src");
  CHECK(some[0].ranks == std::vector<Rank>{16, 20});
}

TEST_CASE("experts: blocks of neighbours, or an explicit placement (2.3)") {
  for (Index size = 1; size <= 6; ++size)
    for (Index each = 1; each <= 4; ++each) {
      std::vector<Index> all;
      for (Index rank = 0; rank < size; ++rank)
        for (const Index expert : experts_of(rank, size * each, size)) all.push_back(expert);
      std::vector<Index> wanted;
      for (Index e = 0; e < size * each; ++e) wanted.push_back(e);
      CHECK(all == wanted);
    }
  static_assert(experts_of(1, 8, 4)[1] == 3);
  CHECK(experts_of(1, 4, 2, {{3, 0}, {2, 1}}) == std::vector<Index>{2, 1});
  CHECK(experts_of(0, 4, 2, {{0, 1, 2}, {3}}).size() == 3);  // rows may differ in length
  CHECK(thrown([] { experts_of(0, 10, 4); }) == Ids{"SP-TENSOR-002"});
  CHECK(thrown([] { experts_of(0, 0, 4); }) == Ids{"SP-MESH-001"});
  CHECK(thrown([] { experts_of(4, 8, 4); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([] { experts_of(-1, 8, 4); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([] { experts_of(0, 8, 0); }) == Ids{"SP-MESH-001"});
  CHECK(thrown([] { experts_of(0, 4, 2, {{0, 1}, {1, 2}}); }) == Ids{"SP-MESH-013"});
  CHECK(thrown([] { experts_of(0, 4, 2, {{0, 1, 2, 3}}); }) == Ids{"SP-MESH-013"});
  CHECK(thrown([] { experts_of(0, 4, 2, {{0, 1, 2, 3}, {4}}); }) == Ids{"SP-MESH-013"});
  // a placement need not be an even share
  CHECK(experts_of(1, 3, 2, {{0, 1}, {2, 1}}) == std::vector<Index>{2, 1});
  CHECK(experts_of(0, 3, 2, {{0, 1}, {2}}) == std::vector<Index>{0, 1});
  // all at once, and whatever the sizes
  CHECK(ids_of(diagnose_placement(0, -1)) == Ids{"SP-MESH-001", "SP-MESH-001"});
  CHECK(ids_of(diagnose_placement(5, 2, {{0, 7, -1}})) == Ids{"SP-MESH-013", "SP-MESH-013", "SP-MESH-013"});
  CHECK(ids_of(diagnose_placement(Index{1} << 62, 2, {{0}, {1}})) == Ids{"SP-MESH-013"});
  CHECK(ids_of(diagnose_placement(10, 4)) == Ids{"SP-TENSOR-002"});
  CHECK(diagnose_placement(10, 4)[0].hint == "2 or 5 expert ranks");
}
