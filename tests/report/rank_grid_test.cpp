#include <shardplan/report/rank_grid.hpp>

#include <doctest/doctest.h>

#include <shardplan/core/diagnostic.hpp>

#include "../thrown.hpp"
#include "pictures.hpp"

using namespace shardplan;
using namespace pictures;

namespace {

View mesh(Index pipeline, Index data, Index context, Index tensor) {
  return View({{pp, pipeline}, {dp, data}, {cp, context}, {tp, tensor}});
}

}  // namespace

TEST_CASE("every rank of a small mesh has a cell with its number") {
  for (const View& view :
       {mesh(1, 1, 1, 1), mesh(2, 1, 1, 4), mesh(2, 2, 2, 8), mesh(8, 2, 1, 32), mesh(1, 64, 1, 1), mesh(1, 1024, 1, 1),
        mesh(3, 5, 1, 7), View({{dp, 4}, {tp, 8}}, wire(16, {0, 3, 1, 2}), 100)}) {
    const auto all = check_picture(rank_grid(view, {.node = 8}));
    std::map<std::string, int> cells;
    // The text of a cell stands right behind its box.
    for (std::size_t i = 1; i < all.size(); ++i)
      if (all[i - 1].name == "rect" && all[i].name == "text" && all[i].get("text-anchor") == "middle" &&
          all[i].text.find('p') == std::string::npos)
        ++cells[all[i].text];
    CHECK(cells.size() == static_cast<std::size_t>(view.size()));
    for (Index rank = view.offset(); rank < view.offset() + view.size(); ++rank) CHECK(cells[concat(rank)] == 1);
  }
}

TEST_CASE("a rank stands in the row and column of its coordinates, in their colour") {
  const View view = mesh(2, 1, 1, 4);
  const auto all = check_picture(rank_grid(view, {.rows = {tp}, .columns = {pp}, .colours = tp}));
  std::map<std::string, const Element*> box;
  for (std::size_t i = 1; i < all.size(); ++i)
    if (all[i - 1].name == "rect" && all[i].name == "text") box[all[i].text] = &all[i - 1];
  for (Index a = 0; a < 8; ++a)
    for (Index b = 0; b < 8; ++b) {
      const Element &one = *box.at(concat(a)), &two = *box.at(concat(b));
      CHECK((one.get("y") == two.get("y")) == (a % 4 == b % 4));
      CHECK((one.get("x") == two.get("x")) == (a / 4 == b / 4));
      CHECK((one.get("fill") == two.get("fill")) == (a % 4 == b % 4));
    }
}

TEST_CASE("large meshes make small pictures whose cells say what they hold") {
  for (const View& view : {mesh(16, 64, 2, 32), mesh(1, 65536, 1, 1), mesh(16, 512, 1, 1), mesh(1, 1, 1, 65537)}) {
    const std::string file = rank_grid(view, {.node = 64});
    CHECK(file.size() < 400'000);
    CHECK(file == rank_grid(view, {.node = 64}));
    CHECK(file.find("A cell stands for ") != std::string::npos);
    check_picture(file);
  }
  // Cells hold neighbours, and together every rank.
  Index held = 0;
  for (const Element& element : check_picture(rank_grid(mesh(16, 64, 2, 32)))) {
    const std::size_t dash = element.text.find("–");
    if (element.name != "text" || element.get("text-anchor") != "middle" ||
        element.text.find("p ") != std::string::npos || dash == std::string::npos)
      continue;
    held += std::stol(element.text.substr(dash + 3)) - std::stol(element.text) + 1;
  }
  CHECK(held == 65536);
}

TEST_CASE("node borders stand where nodes change, and nowhere else") {
  CHECK(rank_grid(mesh(2, 1, 1, 4), {.node = 4}).find("class=\"node\"") != std::string::npos);
  CHECK(rank_grid(mesh(2, 1, 1, 4), {.node = 8}).find("class=\"node\"") == std::string::npos);
  CHECK(rank_grid(mesh(2, 1, 1, 4)).find("class=\"node\"") == std::string::npos);
}

TEST_CASE("the caption gives the arithmetic of ranks") {
  const auto said = texts(check_picture(rank_grid(mesh(8, 2, 1, 32), {.title = "x"})));
  CHECK(said.contains("rank = 64 pp + 32 dp + tp"));
  CHECK(said.contains("x: 512 ranks = pp 8 × dp 2 × cp 1 × tp 32"));
}

TEST_CASE("axes that are none are refused") {
  CHECK(thrown([] { rank_grid(mesh(1, 1, 1, 2), {.colours = ep}); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([] { rank_grid(mesh(1, 1, 1, 2), {.rows = {ep}}); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([] { rank_grid(mesh(1, 1, 1, 2), {.rows = {tp}, .columns = {tp}}); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([] { rank_grid(View(), {}); }) == Ids{"SP-MESH-007"});
  CHECK(thrown([] { rank_grid(mesh(1, 1, 1, 2), {.node = -1}); }) == Ids{"SP-MESH-001"});
}
