#include <algorithm>

#include "support.hpp"

using namespace shardplan;

namespace {

constexpr Dialect dialects[] = {strict, compat};

/// Loops over the coordinates of a view [pp][outer][inner][tp] and lists the ranks along one axis, group by group, in
/// the order of the sheet's tables (1.6): stage, then the other data axis, then tensor; pipelines by data places first.
std::vector<std::vector<Index>> lists_by_formula(const World& world, const Degrees& degrees, RankOrder order,
                                                 Index inner_extent, char along) {
  const Index data = world.ranks / (degrees.tensor * degrees.pipeline), outer_extent = data / inner_extent;
  const Index extents[] = {degrees.pipeline, outer_extent, inner_extent, degrees.tensor};
  const std::size_t member = along == 'p' ? 0 : along == 'o' ? 1 : along == 'i' ? 2 : 3;
  std::vector<std::vector<Index>> out;
  for (Index p = 0; p < (member == 0 ? 1 : extents[0]); ++p)
    for (Index o = 0; o < (member == 1 ? 1 : extents[1]); ++o)
      for (Index i = 0; i < (member == 2 ? 1 : extents[2]); ++i)
        for (Index t = 0; t < (member == 3 ? 1 : extents[3]); ++t) {
          out.emplace_back();
          for (Index k = 0; k < extents[member]; ++k) {
            Index at[] = {p, o, i, t};
            at[member] = k;
            out.back().push_back(rank_by_formula(world, degrees, order, at[0], at[1] * inner_extent + at[2], at[3]));
          }
        }
  return out;
}

std::vector<std::vector<Index>> written(const GroupList& list) {
  std::vector<std::vector<Index>> out;
  for (const Group& group : list) {
    out.emplace_back();
    for (const Rank rank : group) out.back().push_back(rank.value);
  }
  return out;
}

bool partitions(const GroupList& list, Index ranks) {
  std::vector<int> seen(static_cast<std::size_t>(ranks), 0);
  for (const Group& group : list)
    for (const Rank rank : group) ++seen[static_cast<std::size_t>(rank.value)];
  return std::all_of(seen.begin(), seen.end(), [](int count) { return count == 1; });
}

/// Members of a group agree on every axis of the view but the given ones.
bool differ_only_in(const GroupList& list, const View& view, const std::vector<Axis>& axes) {
  for (const Group& group : list) {
    const Place first = view.place(group[0]);
    for (const Rank rank : group) {
      const Place place = view.place(rank);
      for (std::size_t a = 0; a < place.size(); ++a)
        if (place[a] != first[a] && std::find(axes.begin(), axes.end(), view.axes()[a].axis) == axes.end())
          return false;
    }
  }
  return true;
}

bool positions_invert(const GroupList& list) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Group group = list[i];
    for (std::size_t k = 0; k < group.size(); ++k)
      if (group.position(group[k]) != static_cast<Index>(k) || list.of(group[k]) != group ||
          list.index_of(group[k]) != i)
        return false;
  }
  return true;
}

}  // namespace

TEST_CASE("mesh: places and ranks invert each other, and ranks stand where the sheet's formulas say") {
  for (const Dialect& dialect : dialects) {
    Index meshes = 0;
    for_each_mesh(64, dialect, [&](const World& world, const Degrees& degrees) {
      const Mesh mesh(world, degrees, dialect);
      CAPTURE(world.ranks);
      CAPTURE(degrees.tensor);
      CAPTURE(degrees.pipeline);
      CAPTURE(degrees.context);
      CAPTURE(degrees.expert);
      bool inverse = true, formula = true, same_stage_and_tensor = true;
      for (Index r = 0; r < world.ranks; ++r) {
        const Place dense = mesh.dense().place(r), expert = mesh.expert().place(r);
        inverse = inverse && mesh.dense().rank(dense) == Rank(r) && mesh.expert().rank(expert) == Rank(r);
        formula = formula && rank_by_formula(world, degrees, mesh.order(), dense[0],
                                             dense[1] * degrees.context + dense[2], dense[3]) == r;
        if (!dialect.plain_expert_view || mesh.order() != RankOrder::ring)
          same_stage_and_tensor = same_stage_and_tensor && dense[0] == expert[0] && dense[3] == expert[3];
      }
      CHECK(inverse);
      CHECK(formula);
      CHECK(same_stage_and_tensor);
      CHECK(mesh.data() * degrees.context * degrees.tensor * degrees.pipeline == world.ranks);
      CHECK(mesh.expert_data() * degrees.expert * degrees.tensor * degrees.pipeline == world.ranks);
      ++meshes;
    });
    CHECK(meshes > 2000);
  }
}

TEST_CASE("mesh: group lists equal lists written down by the sheet's tables") {
  for (const Dialect& dialect : dialects)
    for_each_mesh(32, dialect, [&](const World& world, const Degrees& degrees) {
      const Mesh mesh(world, degrees, dialect);
      const RankOrder order = mesh.order();
      CAPTURE(world.ranks);
      CAPTURE(degrees.tensor);
      CAPTURE(degrees.pipeline);
      CAPTURE(degrees.context);
      CAPTURE(degrees.expert);
      CHECK(written(mesh.groups(tp)) == lists_by_formula(world, degrees, order, degrees.context, 't'));
      CHECK(written(mesh.groups(dp)) == lists_by_formula(world, degrees, order, degrees.context, 'o'));
      CHECK(written(mesh.groups(cp)) == lists_by_formula(world, degrees, order, degrees.context, 'i'));
      CHECK(written(mesh.groups(pp)) == lists_by_formula(world, degrees, order, degrees.context, 'p'));
      CHECK(written(mesh.groups(ep)) == lists_by_formula(world, degrees, order, degrees.expert, 'i'));
      CHECK(written(mesh.groups(edp)) == lists_by_formula(world, degrees, order, degrees.expert, 'o'));
    });
}

TEST_CASE("mesh: rings of one to four nodes, in both dialects") {
  struct Ring {
    Index tensor, lnc, node;
  };
  for (const Ring ring : {Ring{32, 2, 0}, Ring{32, 2, 32}, Ring{64, 1, 0}, Ring{64, 1, 128}})
    for (const Index nodes : {1, 2, 3, 4}) {
      const World world{.ranks = (ring.node == 0 ? 64 : ring.node) * nodes * (ring.node == 32 ? 2 : 1),
                        .hardware = Hardware::trn2,
                        .ranks_per_node = ring.node,
                        .lnc = ring.lnc};
      const Index blocks = world.ranks / ring.tensor;
      for (Index pipeline = 1; pipeline <= blocks; ++pipeline)
        for (Index context = 1; blocks % pipeline == 0 && context <= blocks / pipeline; ++context) {
          if (blocks / pipeline % context != 0) continue;
          const Degrees degrees{ring.tensor, pipeline, context, context};
          CAPTURE(world.ranks);
          CAPTURE(ring.tensor);
          CAPTURE(pipeline);
          CAPTURE(context);
          const Mesh right(world, degrees), nxd(world, degrees, compat);
          REQUIRE(right.order() == RankOrder::ring);
          for (const Mesh* mesh : {&right, &nxd}) {
            CHECK(written(mesh->groups(tp)) == lists_by_formula(world, degrees, RankOrder::ring, context, 't'));
            CHECK(written(mesh->groups(cp)) == lists_by_formula(world, degrees, RankOrder::ring, context, 'i'));
            for (const Axis axis : {tp, dp, cp, pp, ep, edp}) {
              CHECK(partitions(mesh->groups(axis), world.ranks));
              CHECK(positions_invert(mesh->groups(axis)));
            }
          }
          CHECK(written(right.groups(dp)) == lists_by_formula(world, degrees, RankOrder::ring, context, 'o'));
          CHECK(written(right.groups(ep)) == lists_by_formula(world, degrees, RankOrder::ring, context, 'i'));
          // NxD: experts by plain rank numbers, groups of one rank ascending (1.7)
          CHECK(written(nxd.groups(ep)) == lists_by_formula(world, degrees, RankOrder::ascending, context, 'i'));
          CHECK(written(nxd.groups(edp)) == lists_by_formula(world, degrees, RankOrder::ascending, context, 'o'));
          for (const Axis axis : {dp, pp}) {
            auto lists = written(right.groups(axis));
            if (right.dense().extent(axis) == 1) std::sort(lists.begin(), lists.end());
            CHECK(written(nxd.groups(axis)) == lists);
          }
        }
    }
}

TEST_CASE("mesh: every kind of group partitions the world, and members differ in nothing else") {
  for (const Dialect& dialect : dialects)
    for_each_mesh(48, dialect, [&](const World& world, const Degrees& degrees) {
      const Mesh mesh(world, degrees, dialect);
      CAPTURE(world.ranks);
      CAPTURE(degrees.tensor);
      CAPTURE(degrees.pipeline);
      CAPTURE(degrees.context);
      CAPTURE(degrees.expert);
      bool whole = true, apart = true, invert = true;
      const auto check = [&](const GroupList& list, const View& view, const std::vector<Axis>& axes) {
        whole = whole && partitions(list, world.ranks);
        apart = apart && differ_only_in(list, view, axes);
        invert = invert && positions_invert(list);
      };
      for (const Axis axis : {tp, dp, cp, pp}) check(mesh.groups(axis), mesh.dense(), {axis});
      for (const Axis axis : {ep, edp}) check(mesh.groups(axis), mesh.expert(), {axis});
      check(mesh.zero1_groups(), mesh.dense(), {dp, cp});
      check(mesh.everyone(), mesh.dense(), {tp, dp, cp, pp});
      if (!dialect.plain_side_groups) {
        for (Index size = 1; size <= degrees.tensor; ++size) {
          if (degrees.tensor % size != 0) continue;
          check(mesh.kv_shared_groups(size), mesh.dense(), {tp});
          check(mesh.kv_shared_groups(size, true), mesh.dense(), {tp});
          check(mesh.draft_groups(size), mesh.dense(), {tp});
        }
        for (Index size = 1; size <= mesh.data(); ++size) {
          if (mesh.data() % size != 0) continue;
          // on a spread mesh data ranks have two digits, and a group must end where one of them does
          if (const auto ids = thrown([&] { mesh.token_shuffle_groups(size); }); !ids.empty())
            CHECK(std::pair(mesh.order(), ids) == std::pair(RankOrder::spread, Ids{"SP-MESH-008"}));
          else
            check(mesh.token_shuffle_groups(size), mesh.dense(), {dp});
        }
      }
      CHECK(whole);
      CHECK(apart);
      CHECK(invert);
    });
}

TEST_CASE("mesh: ZeRO-1 groups count data ranks first, then context ranks") {
  for_each_mesh(64, strict, [&](const World& world, const Degrees& degrees) {
    const Mesh mesh(world, degrees);
    const GroupList list = mesh.zero1_groups();
    bool ordered = list.size() == static_cast<std::size_t>(degrees.pipeline * degrees.tensor);
    if (degrees.context == 1) ordered = list.size() == mesh.groups(dp).size();
    for (const Group& group : list)
      for (std::size_t k = 0; k < group.size(); ++k) {
        const Place place = mesh.dense().place(group[k]);
        ordered = ordered && place[1] * degrees.context + place[2] == static_cast<Index>(k);
      }
    CHECK(ordered);
  });
}

TEST_CASE("mesh: the rounds of stage pairs hold every edge of every ring once, and a round a rank at most once") {
  for (Index stages = 1; stages <= 9; ++stages) {
    CAPTURE(stages);
    const World world{.ranks = stages * 4};
    const Degrees degrees{.tensor = 2, .pipeline = stages};
    for (const Dialect& dialect : dialects) {
      const Mesh mesh(world, degrees, dialect);
      std::vector<std::vector<Index>> edges;
      bool once = true;
      for (Index round = 0; round < mesh.stage_pair_rounds(); ++round) {
        std::vector<int> used(static_cast<std::size_t>(world.ranks), 0);
        for (const auto& pair : written(mesh.stage_pairs(round))) {
          edges.push_back(pair);
          for (const Index rank : pair) once = once && ++used[static_cast<std::size_t>(rank)] == 1;
        }
      }
      std::vector<std::vector<Index>> wanted;
      if (stages > 1)
        for (const auto& ring : written(mesh.groups(pp)))
          for (std::size_t s = 0; s < ring.size(); ++s) wanted.push_back({ring[s], ring[(s + 1) % ring.size()]});
      std::sort(edges.begin(), edges.end());
      std::sort(wanted.begin(), wanted.end());
      CHECK(edges == wanted);
      // NxD puts both pairs of stage 0 of an odd ring into one round
      CHECK(once == (!dialect.nxd_accessors || stages % 2 == 0 || stages == 1));
      CHECK(thrown([&] { mesh.stage_pairs(mesh.stage_pair_rounds()); }) == Ids{"SP-MESH-007"});
      CHECK(thrown([&] { mesh.stage_pairs(-1); }) == Ids{"SP-MESH-007"});
    }
  }
}

TEST_CASE("mesh: side groups of the sheet's formulas (1.10)") {
  const Mesh trn1({.ranks = 64}, {.tensor = 32});
  CHECK(written(trn1.kv_shared_groups(4))[1] == std::vector<Index>{1, 9, 17, 25});
  CHECK(written(trn1.kv_shared_groups(4, true))[1] == std::vector<Index>{4, 5, 6, 7});
  CHECK(written(trn1.kv_shared_groups(4))[8] == std::vector<Index>{32, 40, 48, 56});
  CHECK(written(trn1.draft_groups(8))[1] == std::vector<Index>{8, 9, 10, 11, 12, 13, 14, 15});
  CHECK(written(trn1.token_shuffle_groups(2))[3] == std::vector<Index>{3, 35});
  const Mesh trn2({.ranks = 64, .hardware = Hardware::trn2, .lnc = 2}, {.tensor = 16});
  CHECK(written(trn2.kv_shared_groups(4))[1] == std::vector<Index>{4, 5, 6, 7});
  const Mesh trn3({.ranks = 64, .hardware = Hardware::trn3, .lnc = 2}, {.tensor = 32});
  CHECK(trn3.order() == RankOrder::ascending);
  CHECK(written(trn3.kv_shared_groups(4))[1] == std::vector<Index>{1, 9, 17, 25});
  for (const Index bad : {0, -2, 3, 64}) {
    CHECK(thrown([&] { trn1.kv_shared_groups(bad); }) == Ids{"SP-MESH-008"});
    CHECK(thrown([&] { trn1.draft_groups(bad); }) == Ids{"SP-MESH-008"});
    CHECK(thrown([&] { trn1.token_shuffle_groups(bad); }) == Ids{"R29"});
  }
  const Degrees with_context{.tensor = 8, .context = 2};
  CHECK(Mesh({.ranks = 64}, with_context).token_shuffle_groups(2).size() == 32);
  CHECK(thrown([&] { Mesh({.ranks = 64}, with_context, compat).token_shuffle_groups(2); }) == Ids{"SP-MESH-010"});
  CHECK(thrown([&] { trn1.groups(Axis("vpp")); }) == Ids{"SP-MESH-007"});
}

TEST_CASE("mesh: side groups by plain rank numbers, as NxD makes them on rings and spread nodes") {
  for (const World& world :
       {World{.ranks = 64, .ranks_per_node = 32}, World{.ranks = 128, .hardware = Hardware::trn2, .lnc = 2}}) {
    const Degrees degrees{.tensor = world.lnc == 2 ? 32 : 4, .pipeline = 2};
    const Mesh mesh(world, degrees, compat);
    const auto first_last = written(mesh.shared_weight_groups({0, 1}));
    for (std::size_t i = 0; i < first_last.size(); ++i)
      CHECK(first_last[i] == std::vector<Index>{static_cast<Index>(i), static_cast<Index>(i) + world.ranks / 2});
    for (const Index size : {1, 2, 4}) {
      const auto drafts = written(mesh.draft_groups(size));
      for (std::size_t i = 0; i < drafts.size(); ++i) CHECK(drafts[i][0] == static_cast<Index>(i) * size);
    }
    // strict keeps all of them inside the axis they cut
    const Mesh right(world, degrees);
    CHECK(differ_only_in(right.kv_shared_groups(2), right.dense(), {tp}));
    CHECK(differ_only_in(right.shared_weight_groups({0, 1}), right.dense(), {pp}));
  }
  // two stages in one node of a ring: rank 0's pipeline is [0, 16], NxD shares [0, 32]
  const World pod{.ranks = 64, .hardware = Hardware::trn2, .lnc = 2};
  CHECK(written(Mesh(pod, {.tensor = 32, .pipeline = 2}).shared_weight_groups({0, 1}))[0] == std::vector<Index>{0, 16});
  CHECK(written(Mesh(pod, {.tensor = 32, .pipeline = 2}, compat).shared_weight_groups({0, 1}))[0] ==
        std::vector<Index>{0, 32});
}

TEST_CASE("mesh: the recorded examples of the sheet") {
  // 1.5: W 128, tp 8, pp 4, ep 2: rank 77
  const Mesh logic1({.ranks = 128}, {.tensor = 8, .pipeline = 4, .expert = 2});
  CHECK(logic1.dense().place(77) == Place{2, 1, 0, 5});
  CHECK(logic1.expert().place(77) == Place{2, 0, 1, 5});
  // 1.7: W 64, tp 32, pp 2, lnc 2: rank 48 is stage 0, rank 32 is stage 1
  const Mesh ring({.ranks = 64, .hardware = Hardware::trn2, .lnc = 2}, {.tensor = 32, .pipeline = 2});
  CHECK(ring.dense().coordinate(48, pp) == 0);
  CHECK(ring.dense().coordinate(32, pp) == 1);
  // 1.5: L 32, W 64, tp 4: the data group of rank 0
  const Mesh spread({.ranks = 64, .ranks_per_node = 32}, {.tensor = 4});
  CHECK(written(spread.groups(dp))[0] == std::vector<Index>{0, 1, 2, 3, 4, 5, 6, 7, 32, 33, 34, 35, 36, 37, 38, 39});
}

TEST_CASE("mesh: a constant, and as quick in a world of 2^20 ranks") {
  static_assert(Mesh({.ranks = 512}, {.tensor = 32, .pipeline = 8, .context = 2}).dense().place(100)[3] == 4);
  static_assert([] {
    const Mesh mesh({.ranks = 64, .hardware = Hardware::trn2, .lnc = 2}, {.tensor = 32, .pipeline = 2});
    return mesh.order() == RankOrder::ring && mesh.group(pp, 48)[1] == Rank(32) && mesh.data() == 1;
  }());
  const Mesh large({.ranks = Index{1} << 20}, {.tensor = 8, .pipeline = 16, .context = 2});
  for (const Index r : {0, 12'345, 1'048'575}) {
    CHECK(large.dense().rank(large.dense().place(r)) == Rank(r));
    for (const Axis axis : {tp, dp, cp, pp, ep, edp})
      CHECK(large.group(axis, r)[static_cast<std::size_t>(*large.group(axis, r).position(r))] == Rank(r));
  }
}
