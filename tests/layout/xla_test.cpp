#include <doctest/doctest.h>

#include <cstdint>
#include <shardplan/layout/shard.hpp>
#include <shardplan/layout/shardy.hpp>
#include <shardplan/layout/xla.hpp>
#include <vector>

#include "../thrown.hpp"

using namespace shardplan;

namespace {

constexpr Axis x{"x"}, y{"y"}, z{"z"};

bool refuses(const std::string& id, auto&& run) { return thrown(run) == Ids{id}; }

/// arange(n).reshape(reshape_dims).transpose(permutation).reshape(dims), carried out.
std::vector<Index> devices_by_definition(const Shape& reshape, const Shape& permutation) {
  const Shape strides = row_major_strides(reshape);
  std::vector<Index> out{0};
  for (const Index p : permutation) {
    std::vector<Index> next;
    for (const Index base : out)
      for (Index i = 0; i < reshape[static_cast<std::size_t>(p)]; ++i)
        next.push_back(base + i * strides[static_cast<std::size_t>(p)]);
    out = next;
  }
  return out;
}

std::vector<Index> listed(const xla::TileAssignment& tiles) {
  const auto devices = tiles.devices();
  return {devices.begin(), devices.end()};
}

/// All assignments of 24 devices with up to three reshape dims, in several tile shapes.
std::vector<xla::TileAssignment> small_assignments() {
  std::vector<xla::TileAssignment> out;
  const std::vector<Shape> orders{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  for (const Shape& reshape : {Shape{2, 3, 4}, Shape{4, 3, 2}, Shape{1, 6, 4}, Shape{12, 1, 2}, Shape{2, 2, 6}})
    for (const Shape& order : orders)
      for (const Shape& dims : {Shape{24}, Shape{4, 6}, Shape{3, 8}, Shape{2, 1, 12}, Shape{2, 3, 4}, Shape{8, 3, 1}})
        out.push_back(xla::TileAssignment(dims, reshape, order));
  return out;
}

}  // namespace

TEST_CASE("tile assignment: devices as defined, tiles lead back") {
  static_assert(xla::TileAssignment({4, 2}, {2, 4}, {1, 0}).device({1, 0}) == Rank(1));
  static_assert(xla::TileAssignment({4, 2}, {2, 4}, {1, 0}).tile(4) == Shape{0, 1});
  for (const auto& tiles : small_assignments()) {
    CHECK(listed(tiles) == devices_by_definition(tiles.reshape_dims(), tiles.permutation()));
    InlineVector<Axis, 4> names;
    for (std::size_t d = 0; d < tiles.dims().size(); ++d) names.push_back(Axis(concat('d', d)));
    const View view = tiles.view(names);
    const auto list = xla::TileAssignment::listed(tiles.dims(), tiles.devices());
    REQUIRE(view.axes().size() == tiles.dims().size());
    for (Index device = 0; device < tiles.size(); ++device) {
      const Shape tile = tiles.tile(device);
      CHECK(tiles.device(tile) == Rank(device));
      CHECK(list.tile(device) == tile);
      CHECK(Shape(view.place(device)) == tile);
      CHECK(view.rank(Place(tile)) == Rank(device));
    }
  }
}

TEST_CASE("tile assignment: the canonical form has the same devices, and nothing left to merge") {
  const auto canonical = [](const Shape& reshape, const Shape& order) {
    const auto out = xla::TileAssignment({elements(reshape)}, reshape, order).canonical();
    return concat(Shape(out.reshape_dims()), Shape(out.permutation()));
  };
  CHECK(canonical({3, 4, 5}, {0, 1, 2}) == "[60][0]");
  CHECK(canonical({3, 4, 5}, {1, 2, 0}) == "[3, 20][1, 0]");
  CHECK(canonical({3, 4, 5}, {2, 0, 1}) == "[12, 5][1, 0]");
  CHECK(canonical({1, 3, 1, 4, 1, 5}, {4, 3, 2, 5, 1, 0}) == "[3, 20][1, 0]");
  CHECK(canonical({1, 1}, {1, 0}) == "[1][0]");
  for (const auto& tiles : small_assignments()) {
    const auto short_form = tiles.canonical();
    CHECK(listed(short_form) == listed(tiles));
    CHECK(short_form.canonical() == short_form);
    const auto& order = short_form.permutation();
    for (std::size_t i = 1; i < order.size(); ++i) CHECK(order[i] != order[i - 1] + 1);
    // Equal orders of devices have equal canonical forms, whatever they came from.
    for (const auto& other : small_assignments())
      if (other.dims() == tiles.dims() && listed(other) == listed(tiles)) CHECK(other.canonical() == short_form);
  }
}

TEST_CASE("tile assignment: transposing moves tiles, and stays iota where it can") {
  for (const auto& tiles : small_assignments()) {
    if (tiles.dims().size() != 2) continue;
    const Shape& dims = tiles.dims();
    const auto turned = tiles.transposed({1, 0}, {dims[1], dims[0]});
    for (Index a = 0; a < dims[0]; ++a)
      for (Index b = 0; b < dims[1]; ++b) CHECK(turned.device({b, a}) == tiles.device({a, b}));
  }
  CHECK_FALSE(xla::TileAssignment({2, 4}).transposed({1, 0}, {4, 2}).is_listed());
  CHECK(xla::TileAssignment({3, 2}, {3, 2}, {1, 0}).transposed({1, 0}, {2, 3}).is_listed());
  CHECK(refuses("SP-LAYOUT-012", [] { xla::TileAssignment({2, 4}).transposed({1, 1}, {4, 2}); }));
}

TEST_CASE("tile assignment: what is none is refused") {
  using Tiles = xla::TileAssignment;
  CHECK(refuses("SP-LAYOUT-012", [] { Tiles({2, 0}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { Tiles({65536, 65536}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { Tiles({2, 2}, {2, 3}, {0, 1}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { Tiles({2, 2}, {2, 2}, {0, 0}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { Tiles({2, 2}, {2, 2}, {0}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { Tiles({2, 2}, {2, 2}, {0, 2}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { Tiles::listed({2, 2}, {0, 1, 2}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { Tiles::listed({2, 2}, {0, 1, 2, 2}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { Tiles({2, 2}).view({x}); }));
  CHECK(refuses("SP-LAYOUT-012", [] { Tiles({2, 2}).view({x, x}); }));
}

TEST_CASE("xla text: canonical both ways") {
  for (const char* text :
       {"{replicated}", "{manual}", "{unreduced}", "{maximal device=3}", "{devices=[2,4]<=[8]}",
        "{devices=[4,2]<=[2,4]T(1,0)}", "{devices=[4,1,2]<=[2,4]T(1,0) last_tile_dim_replicate}",
        "{devices=[1,4,2,1,2]<=[2,4,2]T(2,1,0) last_tile_dim_replicate}", "{devices=[2,2]0,2,1,3}",
        "{devices=[2,2]0,2,1,3 last_tile_dim_replicate}", "{devices=[2,2,2]<=[8] last_tile_dims={manual, replicated}}",
        "{devices=[2,2,2]<=[8] last_tile_dims={manual, unreduced}}", "{devices=[1,4]<=[4]}"}) {
    CHECK(concat(xla::parse(text)) == text);
    const std::string_view whole = text;
    CHECK(concat(xla::parse(whole.substr(1, whole.size() - 2))) == text);
  }
  const auto canonical = [](const char* text) { return concat(xla::parse(text)); };
  CHECK(canonical("devices=[2,1,4]<=[2,1,4]T(0,1,2)") == "{devices=[2,1,4]<=[8]}");
  CHECK(canonical("{devices=[4,1]<=[4] last_tile_dim_replicate}") == "{devices=[4]<=[4]}");
  CHECK(canonical("{devices=[1,4]<=[4] last_tile_dim_replicate}") == "{replicated}");
  CHECK(canonical("{devices=[1,2,2]<=[4] last_tile_dims={manual, manual}}") == "{manual}");
  CHECK(canonical("{devices=[2,2,2]<=[8] last_tile_dims={replicated, manual}}") ==
        "{devices=[2,2,2]<=[2,2,2]T(0,2,1) last_tile_dims={manual, replicated}}");
  CHECK(canonical("{devices=[2,2,2,2]<=[16] last_tile_dims={replicated, manual, replicated}}") ==
        "{devices=[2,2,4]<=[2,2,2,2]T(0,2,1,3) last_tile_dims={manual, replicated}}");
  CHECK(canonical("{devices=[1,1]<=[1] last_tile_dim_replicate}") == "{replicated}");
  for (const char* text : {"",
                           "{",
                           "{}",
                           "{replicated",
                           "replicated}",
                           "{devices=[2]}",
                           "{devices=[2]<=[3]}",
                           "{devices=[]<=[1]}",
                           "{devices=[2,2]<=[4]T(1)}",
                           "{devices=[2,2]<=[2,2]T(0,0)}",
                           "{devices=[2]0}",
                           "{devices=[2]0,0}",
                           "{maximal}",
                           "{maximal device=}",
                           "{devices=[2]<=[2] last_tile_dims={}}",
                           "{devices=[-2]<=[2]}",
                           "{devices=[2]<=[2] last_tile_dims={maximal}}",
                           "{devices=[2]<=[2] last_tile_dims={manual, manual}}",
                           "{devices=[2]<=[2]} x",
                           "{devices=[4294967296,4294967296]<=[1]}"}) {
    CAPTURE(text);
    CHECK(refuses("SP-LAYOUT-012", [&] { xla::parse(text); }));
  }
  CHECK(refuses("SP-LAYOUT-012", [] {
    xla::parse("{devices=[4,44739243,2,3]<=[44739243,3,8]T(2,0,1) last_tile_dims={replicated, manual}}");
  }));
  CHECK(refuses("SP-CORE-001", [] { xla::parse("{devices=[99999999999999999999]<=[1]}"); }));
}

TEST_CASE("partition spec: the text XLA gives, and layouts that agree with the tiles") {
  const View mesh({{x, 2}, {y, 4}});
  const View cube({{x, 2}, {y, 3}, {z, 2}});
  const View wired({{x, 2}, {y, 2}}, wire(4, {0, 3, 1, 2}));
  const View folded({{x, 2, 2}, {y, 3}, {x, 2, 1}});
  const auto text = [](const View& of, const xla::PartitionSpec& spec, std::size_t rank) {
    return concat(xla::sharding(of, spec, rank));
  };
  CHECK(text(mesh, {.dims = {{x}, {y}}}, 2) == "{devices=[2,4]<=[8]}");
  CHECK(text(mesh, {.dims = {{y, x}}}, 2) == "{devices=[8,1]<=[2,4]T(1,0)}");
  CHECK(text(mesh, {.dims = {{y}}}, 2) == "{devices=[4,1,2]<=[2,4]T(1,0) last_tile_dim_replicate}");
  CHECK(text(mesh, {}, 3) == "{replicated}");
  CHECK(text(mesh, {.unreduced = {y}}, 1) == "{devices=[1,4,2]<=[2,4]T(1,0) last_tile_dims={unreduced, replicated}}");
  CHECK(text(mesh, {.unreduced = {x, y}}, 1) == "{unreduced}");
  CHECK(text(mesh, {.dims = {{x}}, .reduced = {y}}, 1) == "{devices=[2,4]<=[8] last_tile_dim_replicate}");
  CHECK(concat(xla::sharding(mesh, {}, 1, {x, y})) == "{manual}");
  CHECK(concat(xla::sharding(mesh, {}, 1, {x})) == "{devices=[1,2,4]<=[8] last_tile_dims={manual, replicated}}");
  CHECK(text(wired, {.dims = {{x}, {y}}}, 2) == "{devices=[2,2]0,3,1,2}");
  // An axis of two digits: device = x/2 * 6 + y * 2 + x mod 2.
  CHECK(text(folded, {.dims = {{x}, {y}}}, 2) == "{devices=[4,3]<=[2,3,2]T(0,2,1)}");

  for (const View& of : {mesh, cube, wired, folded})
    for (const Axis first : {x, y})
      for (const Shape& shape : {Shape{16, 12}, Shape{7, 5}, Shape{1, 3}, Shape{0, 2}}) {
        const Axis second = first == x ? y : x;
        for (const xla::PartitionSpec& spec :
             {xla::PartitionSpec{}, xla::PartitionSpec{.dims = {{first}}}, xla::PartitionSpec{.dims = {{}, {first}}},
              xla::PartitionSpec{.dims = {{first}, {second}}}, xla::PartitionSpec{.dims = {{}, {first, second}}},
              xla::PartitionSpec{.dims = {{first}}, .unreduced = {second}}}) {
          const xla::Sharding sharding = xla::sharding(of, spec, 2);
          CAPTURE(concat(sharding));
          CHECK(xla::parse(concat(sharding)) == xla::canonical(sharding));
          CHECK(xla::canonical(xla::canonical(sharding)) == xla::canonical(sharding));
          const Layout named = xla::layout(of, spec, shape), tiled = xla::layout(sharding, shape, of.size());
          CHECK(named.partials().size() == tiled.partials().size());
          for (Index device = 0; device < of.size(); ++device) {
            const Shard held = shard(tiled, tiled.view().place(device));
            CHECK(held == shard(named, named.view().place(device)));
            if (sharding.form != xla::Sharding::Form::tiled) continue;
            const Shape tile = sharding.tiles.tile(device);
            for (std::size_t d = 0; d < 2; ++d) {
              const Interval part = xla::tile_bounds(shape[d], sharding.tiles.dims()[d], tile[d]);
              CHECK(held.local_shape()[d] == part.end - part.begin);
              if (part.end > part.begin) CHECK(held.segments(d)[0].start == part.begin);
            }
          }
        }
      }
}

TEST_CASE("partition spec: what JAX refuses is refused") {
  const View mesh({{x, 2}, {y, 4}});
  const auto refused = [&](const xla::PartitionSpec& spec, const xla::PartitionSpec::Axes& manual = {}) {
    const Ids by_sharding = thrown([&] { xla::sharding(mesh, spec, 2, manual); });
    CHECK(thrown([&] { xla::layout(mesh, spec, {4, 4}, manual); }) == by_sharding);
    return by_sharding;
  };
  const Ids ill_formed{"SP-LAYOUT-012"};
  CHECK(refused({.dims = {{x}, {x}}}) == ill_formed);
  CHECK(refused({.dims = {{x, x}}}) == ill_formed);
  CHECK(refused({.dims = {{x}, {}, {y}}}) == ill_formed);
  CHECK(refused({.dims = {{x}}, .unreduced = {x}}) == ill_formed);
  CHECK(refused({.dims = {{x}}, .reduced = {x}}) == ill_formed);
  CHECK(refused({.unreduced = {x}, .reduced = {x}}) == ill_formed);
  CHECK(refused({.dims = {{x}}}, {x}) == ill_formed);
  CHECK(refused({.unreduced = {x}, .unreduced_kind = ReduceOp::average}) == ill_formed);
  CHECK(refused({.dims = {{z}}}) == Ids{"SP-MESH-007"});
  CHECK(refuses("SP-LAYOUT-012", [] { xla::sharding(View({{x, 2}}, {}, 8), {.dims = {{x}}}, 1); }));
}

TEST_CASE("xla layouts: forms that are the same everywhere, and misfits") {
  const Shape shape{4, 6};
  CHECK(xla::layout(xla::parse("{replicated}"), shape, 5).view().size() == 5);
  const Layout one = xla::layout(xla::parse("{maximal device=2}"), shape, 4);
  for (Index device = 0; device < 4; ++device) CHECK(one.exists_at(one.view().place(device)) == (device == 2));
  CHECK(xla::layout(xla::parse("{unreduced}"), shape, 4).partials().size() == 1);
  CHECK(refuses("SP-LAYOUT-012", [&] { xla::layout(xla::parse("{devices=[4]<=[4]}"), shape, 4); }));
  CHECK(refuses("SP-LAYOUT-012", [&] { xla::layout(xla::parse("{devices=[2,2]<=[4]}"), shape, 8); }));
  CHECK(refuses("SP-LAYOUT-008", [&] { xla::layout(xla::parse("{maximal device=4}"), shape, 4); }));
}

TEST_CASE("xla tile bounds: parts of the length rounded up, none beyond the end") {
  for (Index n = 0; n < 20; ++n)
    for (Index tiles = 1; tiles < 9; ++tiles) {
      Index reached = 0;
      for (Index i = 0; i < tiles; ++i) {
        const Interval part = xla::tile_bounds(n, tiles, i);
        CHECK(part.begin == reached);
        CHECK(part.end - part.begin <= (n + tiles - 1) / tiles);
        reached = part.end;
      }
      CHECK(reached == n);
    }
  const Index huge = INT64_MAX;
  CHECK(xla::tile_bounds(huge, 4, 3).end == huge);
}

TEST_CASE("shardy: meshes and shardings as text, both ways") {
  const View mesh = shardy::parse_mesh(R"(<["x"=2, "y"=4, "z"=12]>)");
  CHECK(mesh == View({{x, 2}, {y, 4}, {z, 12}}));
  for (const char* text : {R"(<["x"=2, "y"=4]>)", R"(<["x"=2, "y"=2], device_ids=[0, 3, 1, 2]>)", "<[]>"})
    CHECK(shardy::text(shardy::parse_mesh(text)) == text);
  CHECK(shardy::parse_mesh(R"(<["x"=2, "y"=2], device_ids=[0, 3, 1, 2]>)").rank({0, 1}) == Rank(3));
  const View folded({{x, 2, 2}, {y, 3}, {x, 2, 1}});
  const View read = shardy::parse_mesh(shardy::text(folded));
  for (Index device = 0; device < 12; ++device) CHECK(read.place(device) == folded.place(device));

  for (const char* text :
       {R"(<@mesh, [{"x"}, {"z", "y"}]>)", R"(<@m, [{?}, {"x", ?}p1, {}], replicated={"y", "z":(1)2, "z":(4)3}>)",
        R"(<@mesh, []>)", R"(<@mesh, [{"z":(2)3}, {"z":(1)2, "z":(6)2}]>)", R"(<@mesh, [{?}p2]>)"})
    CHECK(shardy::text(mesh, shardy::parse_sharding(mesh, text)) == text);
  CHECK(shardy::parse_sharding(mesh, R"(<@mesh,[{"x"},{"z","y"}]>)").dims[1].axes[1] == Digit(y, 1, 4));
  CHECK(shardy::parse_sharding(mesh, R"(<@mesh, [{"z":(2)3}]>)").dims[0].axes[0] == Digit(z, 2, 3));

  const Ids ill_formed{"SP-LAYOUT-012"};
  for (const char* text : {"",
                           "<",
                           "<@mesh>",
                           "<@mesh, [{]>",
                           R"(<@mesh, [{"x"}>)",
                           R"(<@mesh, [{"x"}, {"x"}]>)",
                           R"(<@mesh, [{"x"}], replicated={"x"}>)",
                           R"(<@mesh, [{"z", "z":(1)2}]>)",
                           R"(<@mesh, [{"z":(1)2, "z":(2)3}]>)",
                           R"(<@mesh, [{"z":(1)3}, {"z":(4)3}]>)",
                           R"(<@mesh, [{"z":(1)1}]>)",
                           R"(<@mesh, [{"z":(5)2}]>)",
                           R"(<@mesh, [{"z":(0)2}]>)",
                           R"(<@mesh, [], replicated={"y", "x"}>)",
                           R"(<@mesh, [], replicated={"z":(4)3, "z":(1)2}>)",
                           R"(<@mesh, [{}p1]>)",
                           R"(<@mesh, [{?, "x"}]>)",
                           R"(<@mesh, [{"x"}]> )"
                           "x",
                           R"(<@mesh, [{""}]>)",
                           R"(<@mesh, [], replicated={}>)"}) {
    CAPTURE(text);
    CHECK(thrown([&] { shardy::parse_sharding(mesh, text); }) == ill_formed);
  }
  CHECK(refuses("SP-MESH-007", [&] { shardy::parse_sharding(mesh, R"(<@mesh, [{"w"}]>)"); }));
  for (const char* text : {"", "<>", R"(<["x"]>)", R"(<["x"=2, "x"=2]>)", R"(<["x"=4], device_ids=[1, 0]>)"})
    CHECK(thrown([&] { shardy::parse_mesh(text); }) == ill_formed);
  CHECK(refuses("SP-MESH-001", [] { shardy::parse_mesh(R"(<["x"=0]>)"); }));
  CHECK(refuses("SP-MESH-004", [] { shardy::parse_mesh(R"(<["x"=2], device_ids=[1, 1]>)"); }));
  CHECK(refuses("SP-LAYOUT-012", [] { shardy::text(View({{x, 2}}, {}, 4)); }));
}

TEST_CASE("shardy: a sharding by whole axes is the partition spec, sub-axes are digits") {
  const View mesh({{x, 2}, {y, 4}, {z, 12}});
  const Shape shape{50, 24};
  const Layout named = shardy::layout(mesh, shardy::parse_sharding(mesh, R"(<@mesh, [{"y", "x"}, {"z", ?}]>)"), shape);
  CHECK(equivalent(named, xla::layout(mesh, {.dims = {{y, x}, {z}}}, shape)));
  const Layout parts = shardy::layout(mesh, shardy::parse_sharding(mesh, R"(<@mesh, [{}, {"z":(2)3}]>)"), shape);
  for (Index device = 0; device < mesh.size(); ++device) {
    const Index middle = mesh.coordinate(device, z) / 2 % 3;
    CHECK(shard(parts, mesh.place(device)).segments(1)[0].start == middle * 8);
  }
  CHECK(refuses("SP-LAYOUT-012", [&] { shardy::layout(mesh, shardy::Sharding{}, shape); }));
}
