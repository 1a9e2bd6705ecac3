#include <algorithm>
#include <shardplan/layout/cute.hpp>
#include <shardplan/layout/shard.hpp>
#include <shardplan/layout/shardy.hpp>
#include <shardplan/mesh/torus.hpp>

#include "kinds.hpp"
#include "sha256.hpp"

/// Shardings of XLA and JAX, meshes on a torus, the layout algebra of CuTe.
namespace conformance {
namespace {

using namespace shardplan;

xla::PartitionSpec::Axes axes_of(const Field& field) {
  xla::PartitionSpec::Axes out;
  if (field.is_null()) return field.mark_all(), out;
  if (field.json().is_string()) return {Axis(field.text())};
  for (const Field& name : field.elements()) out.push_back(Axis(name.text()));
  return out;
}

/// What the view and the layout of a sharding say about each tile, and the layout over the mesh itself.
Json tiles_of(const xla::Sharding& sharding, const View& mesh, const xla::PartitionSpec& spec, const Shape& shape,
              const xla::PartitionSpec::Axes& manual) {
  const Layout tiled = xla::layout(sharding, shape, mesh.size()), named = xla::layout(mesh, spec, shape, manual);
  Json out = Json::array();
  for (Index device = 0; device < mesh.size(); ++device) {
    Json index = Json::array(), offset = Json::array(), limit = Json::array();
    const Shape tile = sharding.tiles.tile(device);
    if (sharding.tiles.device(tile) != Rank(device)) throw std::runtime_error("no way back from a tile to its device");
    const Shard by_tile(tiled, tiled.view().place(device)), by_name(named, named.view().place(device));
    if (by_tile != by_name) throw std::runtime_error("the layouts of sharding and partition spec differ");
    for (std::size_t d = 0; d < shape.size(); ++d) {
      const Interval part = xla::tile_bounds(shape[d], sharding.tiles.dims()[d], tile[d]);
      const auto runs = by_tile.segments(d);
      const Interval held =
          runs.empty() ? Interval{part.begin, part.begin} : Interval{runs[0].start, runs[0].start + runs[0].length};
      if (runs.size() > 1 || held.begin != part.begin || held.end != part.end)
        throw std::runtime_error("a layout holds something else than the bounds of its tile");
      index.push_back(tile[d]);
      offset.push_back(part.begin);
      limit.push_back(part.end);
    }
    out.push_back({{"device", device}, {"tile_index", index}, {"offset", offset}, {"limit", limit}});
  }
  return out;
}

void check_xla_sharding(const Field& object) {
  expect_outcome(object, [&] {
    InlineVector<ViewDigit, 8> digits;
    for (const Field& axis : object["mesh"].elements()) digits.push_back({Axis(axis[0].text()), axis[1].number()});
    const View mesh(digits);
    xla::PartitionSpec spec;
    for (const Field& entry : object["partition_spec"].elements()) spec.dims.push_back(axes_of(entry));
    const xla::PartitionSpec::Axes manual = axes_of(object["manual_axes"]);
    if (object.gives("unreduced_axes")) spec.unreduced = axes_of(object["unreduced_axes"]);
    const Shape shape = object["shape"].shape();

    const xla::Sharding sharding = xla::sharding(mesh, spec, shape.size(), manual);
    const std::string text = concat(sharding);
    object["text"].expect_value(text);
    if (xla::parse(text) != xla::canonical(sharding)) object["text"].differ("another sharding read back");
    if (sharding.form != xla::Sharding::Form::tiled) return;
    const xla::TileAssignment canonical = sharding.tiles.canonical();
    object.expect("dims", sharding.tiles.dims());
    object.expect("reshape_dims", sharding.tiles.reshape_dims());
    object.expect("transpose_perm", sharding.tiles.permutation());
    object.expect("canonical_reshape_dims", canonical.reshape_dims());
    object.expect("canonical_transpose_perm", canonical.permutation());
    if (canonical.devices() != sharding.tiles.devices()) throw std::runtime_error("canonical form moves devices");
    Json types = Json::array();
    for (const xla::Subgroup type : sharding.subgroups) types.push_back(xla::name(type));
    object.expect("subgroup_types", types);
    object.expect("devices_row_major", sharding.tiles.devices());

    // Tiles are recorded by device or by place; their order is not what is compared.
    Json tiles = tiles_of(sharding, mesh, spec, shape, manual);
    const Json recorded = object.peek("tiles");
    const auto position = [&](const Json& tile) {
      return std::find_if(recorded.begin(), recorded.end(),
                          [&](const Json& other) { return other.at("device") == tile.at("device"); }) -
             recorded.begin();
    };
    std::sort(tiles.begin(), tiles.end(), [&](const Json& a, const Json& b) { return position(a) < position(b); });
    object.expect("tiles", tiles);
  });
}

void check_torus_mesh(const Field& object) {
  expect_outcome(object, [&] {
    const Shape physical = object["physical_shape"].shape(), logical = object["mesh_shape"].shape();
    const bool split = object["allow_split_physical_axes"].flag();
    InlineVector<View::Extent, 6> axes;
    for (std::size_t l = 0; l < logical.size(); ++l) axes.push_back({Axis(concat("axis", l)), logical[l]});
    object.expect("axis_assignment_physical_by_logical", torus_assignment(physical, logical, split));
    const View view = torus_view(physical, axes, split);
    Json devices = Json::array();
    Place place(logical.size(), 0);
    for (Index i = 0; i < view.size(); ++i) {
      const Rank device = view.rank(place);
      if (view.place(device) != place) throw std::runtime_error("no way back from a device to its place");
      devices.push_back(device.value);
      for (std::size_t l = logical.size(); l-- > 0 && ++place[l] == logical[l];) place[l] = 0;
    }
    object.expect("sha256_of_compact_json", sha256(devices.dump()));
    // Long lists are recorded by their digest alone.
    if (object.has("device_ids_row_major") && !object.gives("device_ids_row_major"))
      object["device_ids_row_major"].expect_value(nullptr);
    else
      object.expect("device_ids_row_major", devices);
  });
}

/// Shape and stride as they are recorded: numbers, or lists nested as the layout is.
cute::Layout cute_of(const Field& field) {
  const auto text = [](const Json& tree) {
    std::string out = tree.dump();
    std::replace(out.begin(), out.end(), '[', '(');
    std::replace(out.begin(), out.end(), ']', ')');
    return out;
  };
  field.mark_all();
  const std::string both = text(field["shape"].json()) + ':' + text(field["stride"].json());
  cute::Layout out = cute::parse(both);
  if (concat(out) != both) throw std::runtime_error(both + " is written as " + concat(out));
  return out;
}

Json json_of(const cute::Layout& layout) {
  const auto tree = [](const auto& self, const cute::Layout& one, bool strides) -> Json {
    if (!one.is_tuple()) return strides ? one.flat()[0].stride : one.flat()[0].shape;
    Json out = Json::array();
    for (std::size_t i = 0; i < one.rank(); ++i) out.push_back(self(self, one[i], strides));
    return out;
  };
  return {{"shape", tree(tree, layout, false)}, {"stride", tree(tree, layout, true)}};
}

Json values_of(const cute::Layout& layout) {
  Json out = Json::array();
  for (Index i = 0; i < layout.size(); ++i) out.push_back(layout(i));
  return out;
}

void check_cute_unary(const Field& object) {
  expect_outcome(object, [&] {
    const cute::Layout layout = cute_of(object["layout"]);
    object.expect("size", layout.size());
    object.expect("cosize", layout.cosize());
    object.expect("values_colexicographic", values_of(layout));
    object.expect("coalesce", json_of(cute::coalesce(layout)));
    object.expect("right_inverse", json_of(cute::right_inverse(layout)));
    if (object.has("left_inverse")) object.expect("left_inverse", json_of(cute::left_inverse(layout)));
  });
}

void check_cute_binary(const Field& object) {
  expect_outcome(object, [&] {
    const std::string op = object["op"].text();
    const cute::Layout a = cute_of(object["a"]);
    cute::Layout result;
    if (op == "complement")
      result = cute::complement(a, object["cotarget"].number());
    else if (op == "composition")
      result = cute::compose(a, cute_of(object["b"]));
    else if (op == "logical_divide")
      result = cute::logical_divide(a, cute_of(object["b"]));
    else if (op == "logical_product")
      result = cute::logical_product(a, cute_of(object["b"]));
    else
      throw std::runtime_error("unknown operation " + op);
    object.expect("result", json_of(result));
    object.expect("values", values_of(result));
  });
}

}  // namespace

Kinds xla_kinds() {
  constexpr auto element = Kind::Scope::element;
  return {
      {"XLA sharding", element,
       [](const Json& o, const Json&) {
         return has(o, {"mesh", "partition_spec", "shape"});
       },
       check_xla_sharding},
      {"JAX torus mesh", element,
       [](const Json& o, const Json&) {
         return has(o, {"physical_shape", "mesh_shape", "allow_split_physical_axes"});
       },
       check_torus_mesh},
      {"CuTe layout", element,
       [](const Json& o, const Json&) {
         return has(o, {"layout", "coalesce"});
       },
       check_cute_unary},
      {"CuTe operation", element,
       [](const Json& o, const Json&) {
         return has(o, {"op", "a", "b"}) || has(o, {"op", "a", "cotarget"});
       },
       check_cute_binary},
  };
}

}  // namespace conformance
