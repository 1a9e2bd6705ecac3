#include <shardplan/mesh/differences.hpp>
#include <shardplan/zero/groups.hpp>

#include "support.hpp"

using namespace shardplan;

namespace {

std::vector<Numbers> listed(const GroupList& groups) {
  std::vector<Numbers> out;
  for (const Group& group : groups) {
    out.emplace_back();
    for (const Rank rank : group) out.back().push_back(rank.value);
  }
  return out;
}

}  // namespace

TEST_CASE("groups: recorded lists") {
  using Lists = std::vector<Numbers>;
  for (const Dialect& dialect : {strict, compat}) {
    CHECK(listed(zero::groups(Mesh({.ranks = 8}, {.tensor = 2}, dialect), false)) == Lists{{0, 2, 4, 6}, {1, 3, 5, 7}});
    CHECK(listed(zero::groups(Mesh({.ranks = 16}, {.tensor = 2, .pipeline = 2, .context = 2}, dialect), false)) ==
          Lists{{0, 2, 4, 6}, {1, 3, 5, 7}, {8, 10, 12, 14}, {9, 11, 13, 15}});
    CHECK(listed(zero::groups(Mesh({.ranks = 8}, {.context = 4}, dialect), false)) == Lists{{0, 1, 2, 3, 4, 5, 6, 7}});
    const Mesh experts({.ranks = 16}, {.tensor = 2, .expert = 4}, dialect);
    CHECK(listed(zero::groups(experts, false)) == Lists{{0, 2, 4, 6, 8, 10, 12, 14}, {1, 3, 5, 7, 9, 11, 13, 15}});
    CHECK(listed(zero::groups(experts, true)) ==
          Lists{{0, 8}, {1, 9}, {2, 10}, {3, 11}, {4, 12}, {5, 13}, {6, 14}, {7, 15}});
  }
}

TEST_CASE("groups: experts together with context ranks") {
  const World world{.ranks = 16};
  const Degrees degrees{.tensor = 2, .context = 2, .expert = 4};
  const Mesh refused(world, degrees, compat);
  CHECK(ids(zero::diagnose(refused)) == Ids{"SP-ZERO-003"});
  for (const bool expert : {false, true}) {
    CHECK(thrown_ids([&] { zero::groups(refused, expert); }) == Ids{"SP-ZERO-003"});
    CHECK(thrown_ids([&] { zero::reduction(refused, expert); }) == Ids{"SP-ZERO-003"});
  }
  const Mesh mesh(world, degrees);
  CHECK(zero::diagnose(mesh).empty());
  CHECK(zero::groups(mesh, false)[0].size() == 8);
  CHECK(zero::groups(mesh, true)[0].size() == 2);
  CHECK(zero::diagnose(Mesh(world, {.context = 2}, compat)).empty());
  CHECK(zero::diagnose(Mesh(world, {.expert = 2}, compat)).empty());
}

TEST_CASE("reduction: scattered hop by hop, a gradient ends with the owner of its rows") {
  for (const Index tensor : {1, 2})
    for (const Index context : {1, 2, 4})
      for (const Index expert : {1, 2, 4}) {
        CAPTURE(tensor);
        CAPTURE(context);
        CAPTURE(expert);
        const Mesh mesh({.ranks = 32}, {.tensor = tensor, .context = context, .expert = expert});
        const Index data = mesh.data() * context;
        for (const bool of_expert : {false, true}) {
          const auto hops = zero::reduction(mesh, of_expert);
          CHECK(hops.size() == (expert > 1 && !of_expert ? 2 : 1));
          Index divisor = 1;
          for (const zero::Hop& hop : hops) divisor *= hop.divisor;
          CHECK(divisor == data);
          for (Index r = 0; r < mesh.size(); ++r) {
            Index part = 0, parts = 1;
            for (const zero::Hop& hop : hops) {
              const Group group = hop.groups.of(r);
              part = part * static_cast<Index>(group.size()) + *group.position(r);
              parts *= static_cast<Index>(group.size());
            }
            const Group owners = zero::groups(mesh, of_expert).of(r);
            CHECK(parts == static_cast<Index>(owners.size()));
            CHECK(part == *owners.position(r));
          }
        }
      }
}

TEST_CASE("reduction: on NxD's ring a dense gradient ends elsewhere exactly where expert groups mix tensor positions") {
  int astray = 0, owned = 0;
  for (const Dialect& dialect : {strict, compat})
    for (const Index node : {32, 64})
      for (const Index ranks : {64, 128, 256})
        for (const Index expert : {1, 2, 4}) {
          const World world{.ranks = ranks, .hardware = Hardware::trn2, .ranks_per_node = node, .lnc = 2};
          const Degrees degrees{.tensor = 32, .expert = expert};
          if (has_errors(diagnose(world, degrees, dialect))) continue;
          CAPTURE(node);
          CAPTURE(ranks);
          CAPTURE(expert);
          const Mesh mesh(world, degrees, dialect);
          for (const bool of_expert : {false, true}) {
            bool all = true;
            for (Index r = 0; r < ranks; ++r) {
              Index part = 0;
              for (const zero::Hop& hop : zero::reduction(mesh, of_expert)) {
                const Group group = hop.groups.of(r);
                part = part * static_cast<Index>(group.size()) + *group.position(r);
              }
              all = all && part == *zero::groups(mesh, of_expert).of(r).position(r);
            }
            const bool mixed = !of_expert && dialect.plain_expert_view && mixes_expert_groups(mesh);
            CHECK(all == !mixed);
            ++(all ? owned : astray);
          }
        }
  CHECK(astray > 0);
  CHECK(owned > 0);
}
