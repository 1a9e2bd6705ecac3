#include <set>

#include "support.hpp"

using namespace shardplan;

namespace {

/// Calls f(world, degrees) for the meshes NxD can make on rings and spread nodes of every node size, and in plain
/// order.
template <class F>
void for_each_nxd_mesh(F&& f) {
  const auto degrees_of = [&](const World& world, Index tensor) {
    const Index blocks = world.ranks / tensor;
    for (Index pipeline = 1; pipeline <= blocks; ++pipeline)
      for (Index context = 1; context <= blocks / pipeline; ++context)
        for (Index expert = 1; expert <= blocks / pipeline; ++expert) {
          const Degrees degrees{tensor, pipeline, context, expert};
          if (blocks % pipeline == 0 && !has_errors(diagnose(world, degrees, compat))) f(world, degrees);
        }
  };
  for (const Index tensor : {32, 64})
    for (Index nodes = 1; nodes <= (tensor == 32 ? 4 : 2); ++nodes)
      for (const Index node : {Index{0}, tensor, 2 * tensor})
        degrees_of({.ranks = nodes * 64 * (node > 64 ? 2 : 1),
                    .hardware = Hardware::trn2,
                    .ranks_per_node = node,
                    .lnc = tensor == 64 ? 1 : 2},
                   tensor);
  for (const Index node : {4, 8, 12, 16, 20, 24, 32})
    for (Index nodes = 1; nodes <= 4; ++nodes) degrees_of({.ranks = nodes * node, .ranks_per_node = node}, 4);
  for (const Index tensor : {1, 2, 3}) degrees_of({.ranks = 12 * tensor}, tensor);
}

/// What the audit of all ranks finds, of the fields that the closed forms speak of.
std::set<std::string_view> audited(const Mesh& mesh, Index copies, Index shuffle) {
  SideGroups asked(mesh);
  if (copies > 1) asked.kv_shared(copies);
  if (shuffle > 1) asked.token_shuffle(shuffle);
  std::set<std::string_view> out;
  for (const Defect& one : defects(asked)) out.insert(one.field);
  return out;
}

}  // namespace

TEST_CASE("differences: closed forms find exactly what a look at every rank finds") {
  std::set<std::string_view> seen;
  for_each_nxd_mesh([&](const World& world, const Degrees& degrees) {
    CAPTURE(world.ranks);
    CAPTURE(world.ranks_per_node);
    CAPTURE(degrees.tensor);
    CAPTURE(degrees.pipeline);
    CAPTURE(degrees.context);
    CAPTURE(degrees.expert);
    const Mesh nxd(world, degrees, compat), right(world, degrees);
    const auto fields = audited(nxd, 1, 1);
    seen.insert(fields.begin(), fields.end());
    const bool context = fields.count("ranks.cp/tp") > 0, experts = fields.count("groups.ep/tp_index") > 0,
               expert_data = fields.count("groups.ep_data/tp_index") > 0;
    CHECK(mixes_context_ranks(nxd) == context);
    CHECK(mixes_expert_groups(nxd) == experts);
    CHECK(mixes_expert_data_groups(nxd) == expert_data);
    for (const bool zero1 : {false, true}) {
      // With ZeRO-1 and no experts nothing is summed over expert-data groups.
      const std::size_t wanted = context + (experts || (expert_data && (degrees.expert > 1 || !zero1)));
      CHECK(group_differences(nxd, zero1, 1, 1) == group_differences(right, zero1, 1, 1));
      CHECK(ids_of(group_differences(nxd, zero1, 1, 1)) == Ids(wanted, "SP-MESH-012"));
    }
  });
  CHECK(seen.count("ranks.cp/tp") + seen.count("groups.ep/tp_index") + seen.count("groups.ep_data/tp_index") == 3);
}

TEST_CASE("differences: side groups that cross what they cut, for every size a job can ask for") {
  int crossing = 0, shuffled = 0, kept = 0;
  for_each_nxd_mesh([&](const World& world, const Degrees& degrees) {
    if (degrees.expert > 1 || degrees.context > 1) return;
    CAPTURE(world.ranks);
    CAPTURE(world.ranks_per_node);
    CAPTURE(degrees.tensor);
    CAPTURE(degrees.pipeline);
    const Mesh nxd(world, degrees, compat), right(world, degrees);
    for (Index copies = 2; copies <= degrees.tensor; ++copies) {
      CAPTURE(copies);
      const bool crosses = degrees.tensor % copies == 0 && audited(nxd, copies, 1).count("groups.kv_shared") > 0;
      CHECK(crosses_kv_groups(nxd, copies) == crosses);
      CHECK(group_differences(right, true, copies, 1) == group_differences(nxd, true, copies, 1));
      CHECK(group_differences(nxd, true, copies, 1).size() == crosses);
      ++(crosses ? crossing : kept);
    }
    for (Index size = 2; size <= nxd.data(); ++size) {
      CAPTURE(size);
      const auto fields = nxd.data() % size == 0 ? audited(nxd, 1, size) : std::set<std::string_view>{};
      const bool mixes = fields.count("groups.token_shuffle/tp_index") > 0;
      CHECK(mixes == (fields.count("groups.token_shuffle") > 0));
      CHECK(mixes_token_shuffle_groups(nxd, size) == mixes);
      CHECK(group_differences(right, true, 1, size) == group_differences(nxd, true, 1, size));
      CHECK(group_differences(nxd, true, 1, size).size() == mixes);
      ++(mixes ? shuffled : kept);
    }
  });
  CHECK(crossing > 0);
  CHECK(shuffled > 0);
  CHECK(kept > 0);
}

TEST_CASE("differences: what the warnings say") {
  const World pod{.ranks = 64, .hardware = Hardware::trn2, .lnc = 2};
  const Mesh context(pod, {.tensor = 32, .context = 2});
  const Diagnostics all = group_differences(context, false, 32, 2);
  REQUIRE(all.size() == 3);
  CHECK(all[0].message ==
        "on the trn2 ring NxD gives ranks of one tensor group different context ranks, so they read different slices");
  CHECK(all[1].message == "on the trn2 ring NxD's expert and expert-data groups mix tensor positions");
  CHECK(all[2].message == "on the trn2 ring NxD's KV groups cross tensor groups");
  CHECK(!has_errors(all));
  // sizes that cannot be are for diagnose() to refuse
  for (const Index bad : {-1, 0, 3, 64}) CHECK(group_differences(Mesh(pod, {.tensor = 32}), true, bad, bad).empty());
  static_assert(!mixes_context_ranks(Mesh({.ranks = 64}, {.tensor = 8, .context = 2})));
}

TEST_CASE("token shuffle: found wrong exactly where no groups can be made") {
  Index refused = 0, made = 0;
  for (const Dialect& dialect : {strict, compat})
    for_each_mesh(48, dialect, [&](const World& world, const Degrees& degrees) {
      const Mesh mesh(world, degrees, dialect);
      for (Index size = -1; size <= mesh.data() + 1; ++size) {
        const Diagnostics found = mesh.diagnose_token_shuffle(size);
        if (thrown([&] { mesh.token_shuffle_groups(size); }) != ids_of(found)) FAIL("size " << size);
        ++(found.empty() ? made : refused);
      }
    });
  CHECK(refused > 1000);
  CHECK(made > 1000);
  const Mesh mesh({.ranks = 96, .ranks_per_node = 24}, {.tensor = 4});
  CHECK(mesh.diagnose_token_shuffle(5)[0].message ==
        "token_shuffle_group_size (5) does not divide the data-parallel size (24)");
  CHECK(mesh.diagnose_token_shuffle(5)[0].hint == "4 or 6");
  CHECK(mesh.diagnose_token_shuffle(25)[0].hint == "24");
  CHECK(ids_of(mesh.diagnose_token_shuffle(4)) == Ids{"SP-MESH-008"});
  CHECK(mesh.diagnose_token_shuffle(4)[0].hint == "a divisor of 24 that divides 6 or is a multiple of it");
}
