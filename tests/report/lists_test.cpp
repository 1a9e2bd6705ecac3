// Lists of ranks, sizes and tables.
#include <shardplan/mesh/nxd.hpp>
#include <shardplan/report/ranks.hpp>
#include <shardplan/report/table.hpp>
#include <shardplan/report/units.hpp>

#include <doctest/doctest.h>

using namespace shardplan;

namespace {

std::vector<Rank> expanded(const Group& group, std::vector<RankRun>* runs = nullptr) {
  std::vector<Rank> out;
  for_each_rank_run(group, [&](const RankRun& run) {
    for (Index k = 0; k < run.count; ++k) out.push_back(run.first.value + k * run.stride);
    CHECK(out.back() == run.last());
    if (runs != nullptr) runs->push_back(run);
  });
  return out;
}

}  // namespace

TEST_CASE("rank runs: in turn they are the list, for every group of meshes of every order") {
  const World worlds[] = {{.ranks = 32, .hardware = Hardware::trn1},
                          {.ranks = 64, .hardware = Hardware::trn1, .ranks_per_node = 32},
                          {.ranks = 128, .hardware = Hardware::trn2, .ranks_per_node = 64, .lnc = 2}};
  const Degrees degrees[] = {
      {.tensor = 8, .pipeline = 2}, {.tensor = 4, .pipeline = 2}, {.tensor = 32, .pipeline = 2, .context = 2}};
  for (std::size_t i = 0; i < 3; ++i) {
    const Mesh mesh(worlds[i], degrees[i]);
    for (const Axis axis : {tp, cp, dp, pp, ep, edp})
      for (Index r = 0; r < mesh.size(); ++r) {
        const Group group = mesh.group(axis, r);
        CHECK(expanded(group) == std::vector<Rank>(group.begin(), group.end()));
      }
  }
}

TEST_CASE("rank runs: an even list is one run, whatever its length") {
  const Mesh mesh({.ranks = 4096, .hardware = Hardware::trn3}, {.tensor = 8, .pipeline = 4});
  std::vector<RankRun> runs;
  expanded(mesh.group(dp, 11), &runs);
  CHECK(runs == std::vector<RankRun>{{3, 128, 8}});
}

TEST_CASE("rank lists in words") {
  const auto words = [](std::vector<Rank> ranks, std::size_t most = 4) { return rank_list(ranks, most); };
  CHECK(words({}) == "");
  CHECK(words({7}) == "7");
  CHECK(words({3, 4}) == "3-4");
  CHECK(words({3, 7}) == "3, 7");
  CHECK(words({0, 1, 2, 3, 16, 17, 18, 19}) == "0-3, 16-19");
  CHECK(words({0, 32, 64, 96}) == "0-96 by 32");
  CHECK(words({0, 8, 1, 9, 2, 10}, 2) == "0, 8, 1, 9, and 1 more");
}

TEST_CASE("numbers as people read them") {
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(1000) == "1,000");
  CHECK(with_commas(-123456) == "-123,456");
  CHECK(with_commas(70553706496) == "70,553,706,496");
  CHECK(fixed(70553706496, 1000000000, 3) == "70.554");
  CHECK(fixed(1999, 1000, 2) == "2.00");
  CHECK(fixed(5, 1000, 2) == "0.01");
  CHECK(fixed(1234, 1, 0) == "1,234");
  CHECK(counted(1, "warning") == "1 warning");
  CHECK(counted(0, "microbatch", "es") == "0 microbatches");
  CHECK(run_lengths(std::vector<Index>{3, 3, 4, 4, 4}) == "3x2 4x3");
  CHECK(run_lengths(std::vector<Index>{19, 21, 21, 19}) == "19 21x2 19");
  CHECK(run_lengths(std::vector<Index>{}) == "");
}

TEST_CASE("sizes of one table share the unit of the largest") {
  CHECK(byte_unit(7569408000)(7569408000) == "7.05 GiB");
  CHECK(byte_unit(7569408000)(1) == "0.00 GiB");
  CHECK(byte_unit(7569408000)(-(Index{1} << 30)) == "-1.00 GiB");
  CHECK(byte_unit((Index{1} << 30) - 1).name == "MiB");
  CHECK(byte_unit(2048)(1536) == "1.50 KiB");
  CHECK(byte_unit(17)(17) == "17 B");
  CHECK(in_bytes(-1536) == "-1.50 KiB");
}

TEST_CASE("sizes of models") {
  CHECK(in_size(70553706496) == "70.554 B");
  CHECK(in_size(1'234'567) == "1.235 M");
  CHECK(in_size(160448) == "160,448");
}

TEST_CASE("table: columns are aligned, lines do not end in blanks, empty columns are left out") {
  Table table({{"name"}, {"size", Table::Align::right}, {"note"}, {"last"}});
  table.row({"a", "12", "", "x"});
  table.row({"long name", "3", "", ""});
  std::string out;
  table.write(out, 2, 0);
  CHECK(out ==
        "  name       size  last\n"
        "  a            12  x\n"
        "  long name     3\n");
}

TEST_CASE("table: folded to any page that its widest cell leaves room for") {
  Table table({{"name"}, {"one"}, {"two"}, {"three"}});
  table.row({"first", "11111", "2", "333"});
  std::string wide, folded;
  table.write(wide, 2, 26);
  table.write(folded, 2, 20);
  CHECK(wide == "  name   one    two  three\n  first  11111  2    333\n");
  CHECK(folded == "  name\n      one    two\n      three\n  first\n      11111  2\n      333\n");
  std::string narrow;
  table.write(narrow, 2, 1);
  CHECK(narrow == "  name\n      one\n      two\n      three\n  first\n      11111\n      2\n      333\n");
}
