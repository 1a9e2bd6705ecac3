#include "support.hpp"

using namespace shardplan;

TEST_CASE("mesh: which order a job gets (1.4)") {
  struct Row {
    Hardware hardware;
    Index lnc, tensor, ranks;
    RankOrder order;
  };
  for (const Row& row :
       {Row{Hardware::trn1, 1, 4, 64, RankOrder::spread}, Row{Hardware::inf2, 1, 4, 24, RankOrder::spread},
        Row{Hardware::trn1n, 1, 4, 64, RankOrder::spread}, Row{Hardware::trn2, 2, 4, 64, RankOrder::ascending},
        Row{Hardware::trn1, 1, 32, 64, RankOrder::ascending}, Row{Hardware::trn2, 2, 32, 64, RankOrder::ring},
        Row{Hardware::trn2, 2, 32, 32, RankOrder::ascending}, Row{Hardware::trn2, 1, 32, 64, RankOrder::ascending},
        Row{Hardware::trn2, 1, 64, 64, RankOrder::ring}, Row{Hardware::trn2, 2, 64, 64, RankOrder::ascending},
        Row{Hardware::trn3, 2, 32, 64, RankOrder::ascending}, Row{Hardware::trn3, 1, 4, 64, RankOrder::ascending}})
    CHECK(rank_order({.ranks = row.ranks, .hardware = row.hardware, .lnc = row.lnc}, row.tensor) == row.order);
}

TEST_CASE("mesh: diagnose says exactly when a mesh can be made, for all small inputs") {
  Index refused = 0, made = 0;
  for (const Dialect& dialect : {strict, compat})
    for (const Hardware hardware : {Hardware::trn1, Hardware::trn2, Hardware::trn3})
      for (Index ranks = 0; ranks <= 24; ++ranks)
        for (Index tensor = 0; tensor <= 5; ++tensor)
          for (Index pipeline = 0; pipeline <= 3; ++pipeline)
            for (Index context = 0; context <= 3; ++context)
              for (Index expert = 1; expert <= 3; ++expert)
                for (const Index node : {0, 2, 8}) {
                  const World world{.ranks = ranks, .hardware = hardware, .ranks_per_node = node};
                  const Degrees degrees{tensor, pipeline, context, expert};
                  const Diagnostics all = diagnose(world, degrees, dialect);
                  const auto ids = thrown([&] { Mesh(world, degrees, dialect); });
                  if (has_errors(all) ? ids != ids_of(all) : !ids.empty())
                    FAIL("ranks " << ranks << " tensor " << tensor << " pipeline " << pipeline << " context " << context
                                  << " expert " << expert << " node " << node);
                  ++(has_errors(all) ? refused : made);
                }
  CHECK(refused > 1000);
  CHECK(made > 1000);
}

TEST_CASE("mesh: what diagnose finds") {
  struct Row {
    World world;
    Degrees degrees;
    Ids strict_ids, compat_ids;
  };
  const World trn2{.ranks = 96, .hardware = Hardware::trn2, .ranks_per_node = 64, .lnc = 2};
  const std::vector<Row> rows{
      {{.ranks = 64}, {.tensor = 8, .pipeline = 2}, {}, {}},
      {{.ranks = 32}, {.tensor = 8, .pipeline = 3}, {"R2"}, {"R2"}},
      {{.ranks = 32}, {.tensor = 8, .context = 3}, {"R2"}, {"R2"}},
      {{.ranks = 32}, {.tensor = 8, .expert = 3}, {"R3"}, {"R3"}},
      {{.ranks = 0},
       {.tensor = 0, .pipeline = -1, .context = 0, .expert = 0},
       Ids(5, "SP-MESH-001"),
       Ids(5, "SP-MESH-001")},
      {{.ranks = 8, .ranks_per_node = -1, .lnc = 0}, {}, Ids(2, "SP-MESH-001"), Ids(2, "SP-MESH-001")},
      {{.ranks = (Index{1} << 31) + 1}, {}, {"SP-MESH-009"}, {"SP-MESH-009"}},
      // larger than the world: NxD goes on with less
      {{.ranks = 8}, {.tensor = 32}, {"R2"}, {"SP-MESH-011"}},
      {{.ranks = 8}, {.tensor = 32, .pipeline = 2}, {"R2"}, {"SP-MESH-011", "R2"}},
      // products beyond 64 bits
      {{.ranks = 8}, {.tensor = Index{1} << 40, .pipeline = Index{1} << 40}, {"R2"}, {"SP-MESH-011", "R2"}},
      // tensor size 4 on trn1
      {{.ranks = 32, .ranks_per_node = 32}, {.tensor = 4, .pipeline = 2}, {"SP-MESH-005"}, {"SP-MESH-005"}},
      {{.ranks = 64, .ranks_per_node = 2}, {.tensor = 4}, {"SP-MESH-005"}, {"SP-MESH-005"}},
      {{.ranks = 64, .ranks_per_node = 32}, {.tensor = 4, .context = 2}, {}, {"SP-MESH-010"}},
      {{.ranks = 64, .ranks_per_node = 32}, {.tensor = 4, .expert = 2}, {}, {"SP-MESH-010"}},
      {{.ranks = 96, .ranks_per_node = 32}, {.tensor = 4, .context = 3}, {"SP-MESH-005"}, {"SP-MESH-010"}},
      // rings
      {trn2, {.tensor = 32}, {"SP-MESH-006"}, {"SP-MESH-006"}},
      {{.ranks = 64, .hardware = Hardware::trn2, .ranks_per_node = 128},
       {.tensor = 64},
       {"SP-MESH-006"},
       {"SP-MESH-006"}},
      // odd pipelines are NxD's trouble on some ranks only
      {{.ranks = 24}, {.tensor = 2, .pipeline = 3}, {}, {}},
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(i);
    CHECK(ids_of(diagnose(rows[i].world, rows[i].degrees)) == rows[i].strict_ids);
    CHECK(ids_of(diagnose(rows[i].world, rows[i].degrees, compat)) == rows[i].compat_ids);
  }
  const Diagnostics all = diagnose({.ranks = 30}, {.tensor = 8});
  REQUIRE(all.size() == 1);
  CHECK(all[0].message.find("30") != std::string::npos);
  CHECK(all[0].hint == "a world of 24 or 32 ranks");
  CHECK(all[0].origins[0].key == "ranks");
  // a world below the product has one number to grow to
  CHECK(diagnose({.ranks = 100}, {.tensor = 2592})[0].hint == "a world of 2592 ranks");
}

TEST_CASE("mesh: one or two cores act as one rank on trn2 and trn3") {
  for (const Hardware hardware : {Hardware::trn1, Hardware::inf2, Hardware::trn2, Hardware::trn3})
    for (Index lnc = -1; lnc <= 5; ++lnc) {
      const Diagnostics found = diagnose({.ranks = 8, .hardware = hardware, .lnc = lnc}, {});
      const bool fits = is_trn1_class(hardware) ? lnc >= 1 : lnc == 1 || lnc == 2;
      CHECK(ids_of(found) == Ids(fits ? 0 : 1, "SP-MESH-001"));
      if (fits) continue;
      CHECK(found[0].hint == (is_trn1_class(hardware) ? "at least 1" : "1 or 2"));
      CHECK(found[0].origins[0].key == "lnc");
    }
}

TEST_CASE("world: names, classes, memory") {
  for (const Hardware one : {Hardware::trn1, Hardware::trn1n, Hardware::inf2, Hardware::trn2, Hardware::trn3})
    CHECK(hardware_from_name(name(one)) == one);
  CHECK(thrown([] { hardware_from_name("trn9"); }) == Ids{"SP-MESH-003"});
  static_assert(device_memory({.hardware = Hardware::trn2, .lnc = 2}) == Index{24} << 30);
  static_assert(is_trn1_class(Hardware::inf2) && !is_trn1_class(Hardware::trn2));
}
