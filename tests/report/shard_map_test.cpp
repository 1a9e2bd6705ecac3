#include <shardplan/report/shard_map.hpp>

#include <doctest/doctest.h>

#include <shardplan/core/diagnostic.hpp>
#include <shardplan/tensor/qkv.hpp>

#include "../thrown.hpp"
#include "pictures.hpp"

using namespace shardplan;
using namespace pictures;

namespace {

View mesh(Index data, Index tensor) { return View({{dp, data}, {tp, tensor}}); }

std::vector<Layout> some() {
  const tensor::GQAQKVColumnParallelLinear qkv{.input_size = 64,
                                               .query_size = 256,
                                               .key_value_size = 32,
                                               .head_size = 8,
                                               .bias = false,
                                               .gather_output = false,
                                               .kv_size_multiplier = 2};
  return {Layout(mesh(2, 8), {11008}).then(0, split(tp)),
          Layout(mesh(2, 4), {50257, 64}).then(0, pad_to_multiple(128) | split(tp)),
          Layout(mesh(4, 8), {64, 96}).then(0, split(tp)).then(1, split(dp)),
          Layout(mesh(4, 8), {0, 96}).then(0, split(tp)),
          Layout(mesh(4, 2), {24}),
          Layout(mesh(2, 2), {}),
          Layout(View({{dp, 2}, {ep, 4}, {tp, 4}}), {8, 64, 32}).then(0, split(ep)).then(1, split(tp)),
          Layout(mesh(2, 4), {64, 8}).then(0, strided(tp, 2)),
          Layout(View({{pp, 2}, {tp, 2}}), {8, 8}).then(0, split(tp)).pinned(pp, {1}),
          tensor::tensors(qkv, mesh(2, 8))[0].layout};
}

}  // namespace

TEST_CASE("a map is a picture, the same each time") {
  for (const Layout& layout : some()) {
    const std::string file = shard_map(layout, {.title = "a < b & c"});
    check_picture(file);
    CHECK(file == shard_map(layout, {.title = "a < b & c"}));
  }
}

TEST_CASE("bands of a dimension are what its shards hold, in order and without gaps") {
  for (const Layout& layout : some())
    for (std::size_t dim = 0; dim < layout.rank(); ++dim) {
      Index at = 0, padding = 0;
      for (const auto& band : shardplan::detail::bands(layout, dim)) {
        if (band.padding) {
          padding += band.range.end;
          continue;
        }
        CHECK(band.range.begin == at);
        at = band.range.end;
        for (const Place& holder : band.holders) {
          bool held = false;
          const Shard piece(layout, holder);
          for (const Shard::Segment& run : piece.segments(dim))
            held = held || (run.start <= band.range.begin && band.range.end <= run.start + run.length);
          CHECK(held);
        }
      }
      CHECK(at == layout.shape()[dim]);
      CHECK((padding > 0) == (layout.shape()[dim] == 50257));
    }
}

TEST_CASE("cells name the ranks that hold them") {
  const auto said = texts(check_picture(shard_map(Layout(mesh(2, 4), {64, 64}).then(0, split(tp)))));
  for (Index rank = 0; rank < 4; ++rank) CHECK(said.at(concat("ranks ", rank, ", ", rank + 4, " (2 copies)")) == 1);
  for (const Index row : {16, 32, 48}) CHECK(said.at(concat(row)) == 1);
  const auto pinned =
      texts(check_picture(shard_map(Layout(View({{pp, 2}, {tp, 2}}), {8, 8}).then(0, split(tp)).pinned(pp, {1}))));
  CHECK(pinned.at("rank 2") == 1);
  CHECK(pinned.at("rank 3") == 1);
}

TEST_CASE("padding is hatched and told") {
  const std::string file = shard_map(Layout(mesh(1, 4), {250, 8}).then(0, pad_to_multiple(128) | split(tp)));
  CHECK(file.find("url(#hatch)") != std::string::npos);
  CHECK(file.find("Hatched: padding") != std::string::npos);
  CHECK(shard_map(Layout(mesh(1, 4), {256, 8}).then(0, split(tp))).find("url(#hatch)") == std::string::npos);
}

TEST_CASE("parts are named along the side and must fill their dimension") {
  const Layout layout = some().back();
  const auto said = texts(check_picture(shard_map(layout, {.parts = {{"q", 256}, {"k", 32}, {"v", 32}}})));
  for (const char* part : {"q", "k", "v"}) CHECK(said.at(part) == 1);
  CHECK(thrown([&] { shard_map(layout, {.parts = {{"q", 255}}}); }) == Ids{"SP-LAYOUT-005"});
  CHECK(thrown([&] { shard_map(layout, {.colours = ep}); }) == Ids{"SP-MESH-007"});
}

TEST_CASE("many shards make pictures of bounded size, with some of their ranks") {
  for (const Layout& layout :
       {Layout(mesh(1, 1024), {131072}).then(0, split(tp)), Layout(mesh(1, 1024), {4096, 4096}).then(0, split(tp)),
        Layout(mesh(1024, 64), {65536, 4096}).then(0, split(dp)).then(1, split(tp)),
        Layout(mesh(1, 4), {65536}).then(0, strided(tp, 4096))}) {
    const std::string file = shard_map(layout);
    CHECK(file.size() < 2'000'000);
    check_picture(file);
  }
  CHECK(shard_map(Layout(mesh(1, 1024), {131072}).then(0, split(tp))).find("ranks, of some shards only") !=
        std::string::npos);
}
