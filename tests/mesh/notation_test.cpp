#include <doctest/doctest.h>

#include <algorithm>
#include <shardplan/mesh/notation.hpp>
#include <string>
#include <utility>
#include <vector>

#include "../thrown.hpp"

using namespace shardplan;

namespace {

const OrderNotation& notation(std::string_view name) {
  for (const OrderNotation& one : mesh_notations)
    if (one.name == name) return one;
  FAIL("no notation " << name);
  return mesh_notations[0];
}

View read(std::string_view name, std::string_view text) { return notation(name).parse(text); }

/// Every order of these axes, row-major.
std::vector<View> orders(std::vector<View::Extent> axes) {
  const auto before = [](const View::Extent& a, const View::Extent& b) { return a.axis.name() < b.axis.name(); };
  std::sort(axes.begin(), axes.end(), before);
  std::vector<View> out;
  do {
    InlineVector<ViewDigit, 8> digits;
    for (const View::Extent& one : axes) digits.push_back({one.axis, one.size});
    out.emplace_back(digits);
  } while (std::next_permutation(axes.begin(), axes.end(), before));
  return out;
}

}  // namespace

TEST_CASE("examples: what a notation prints, it reads as the same order; and so does every other that can say it") {
  for (const OrderNotation& from : mesh_notations) {
    const View view = from.parse(from.example);
    std::size_t others = 0;
    for (const OrderNotation& to : mesh_notations) {
      const std::string name(to.name);
      CAPTURE(name);
      std::string text;
      const Ids fault = thrown([&] { text = to.print(view); });
      CHECK((fault.empty() || fault == Ids{"SP-MESH-014"}));
      if (!fault.empty()) continue;
      CAPTURE(text);
      CHECK_FALSE(same_order(view, to.parse(text)));
      CHECK(to.print(to.parse(text)) == text);
      ++others;
    }
    CAPTURE(from.name.data());
    CHECK(others >= 2);
    CHECK_FALSE(same_order(view, from.parse(from.print(view))));
  }
}

TEST_CASE("every order of tp, dp, cp and pp goes through every notation that takes it, and none changes it") {
  const std::vector<View> all = orders({{tp, 2}, {dp, 3}, {cp, 2}, {pp, 2}});
  REQUIRE(all.size() == 24);
  std::size_t torus = 0, nxd = 0;
  for (const View& view : all) {
    for (const char* name : {"megatron", "hyper", "deepspeed", "devicemesh"})
      CHECK_FALSE(same_order(view, read(name, notation(name).print(view))));
    for (const char* name : {"jax-torus", "nxd"}) {
      std::string text;
      const Ids fault = thrown([&] { text = notation(name).print(view); });
      CHECK((fault.empty() || fault == Ids{"SP-MESH-014"}));
      if (!fault.empty()) continue;
      ++(name == std::string_view("nxd") ? nxd : torus);
      CHECK_FALSE(same_order(view, read(name, text)));
    }
  }
  CHECK(nxd == 1);  // [pp][dp][cp][tp] alone
  CHECK(torus >= 1);
}

TEST_CASE("meshes of NxD are printed with the machine that gives the order") {
  for (const char* text :
       {"tp=4,pp=1 world=64 hardware=trn1 node=32", "tp=4,pp=2 world=64 hardware=trn1 node=16", "tp=4 dp=4",
        "tp=32,pp=2,cp=2 world=256 hardware=trn2 lnc=2", "tp=64 world=128 hardware=trn2 lnc=1",
        "tp=64 world=256 hardware=trn2 lnc=1 node=128", "tp=4,dp=3,cp=5 hardware=trn2",
        "tp=8,pp=4,ep=4 world=128 grid=expert", "tp=32,ep=2 world=128 hardware=trn2 grid=expert", "dp=7", "pp=1"}) {
    CAPTURE(text);
    const MeshOfText mesh = parse_nxd_mesh(text);
    const std::string printed = notation("nxd").print(mesh.view());
    CAPTURE(printed);
    CHECK_FALSE(same_order(mesh.view(), read("nxd", printed)));
  }
  CHECK(parse_nxd_mesh("tp=2,dp=4,pp=2").mesh.size() == 16);
  CHECK(parse_nxd_mesh("tp=2,ep=2,edp=4").mesh.size() == 16);
  CHECK(parse_nxd_mesh("tp=32,ep=2 world=128 hardware=trn2 grid=expert dialect=compat").view().wires().node == 0);
}

TEST_CASE("default orders: every pair of systems, compared by the formula of their order strings") {
  // Sizes as long as the axes exist in both; the axis names of the sheet's table.
  for (const OrderNotation& a : mesh_notations)
    for (const OrderNotation& b : mesh_notations) {
      if (a.order.empty() || b.order.empty()) continue;
      const auto position = [](std::string_view order, std::string_view axis) {
        return ("-" + std::string(order) + "-").find("-" + std::string(axis) + "-");
      };
      for (const auto& pair : {std::pair<std::string_view, std::string_view>{"tp", "pp"}, {"tp", "dp"}, {"dp", "pp"}}) {
        const std::string_view first = pair.first, second = pair.second;
        bool both = true;
        for (const OrderNotation* one : {&a, &b})
          for (const std::string_view axis : {first, second})
            both = both && position(one->order, axis) != std::string::npos;
        if (!both) continue;
        const auto sizes = [&](const OrderNotation& of) {
          const auto word = [&](std::string_view axis) {
            return std::string(of.name != "deepspeed" ? axis : axis == "tp" ? "model" : axis == "dp" ? "data" : "pipe");
          };
          const bool turned = of.name == "deepspeed" && position(of.order, first) < position(of.order, second);
          const std::string one = word(first) + "=2", other = word(second) + "=3";
          return turned ? other + "," + one : one + "," + other;  // DeepSpeed reads the order off the text
        };
        const bool agree = (position(a.order, first) < position(a.order, second)) ==
                           (position(b.order, first) < position(b.order, second));
        CAPTURE(a.name.data());
        CAPTURE(b.name.data());
        CHECK(same_order(a.parse(sizes(a)), b.parse(sizes(b))).has_value() != agree);
      }
    }
}

TEST_CASE("megatron: one grid of given sizes, or the two of a job") {
  CHECK(read("megatron", "tp-dp-pp tp=8,dp=2,pp=4").size() == 64);
  CHECK(read("megatron", "pp=4,tp=8 world=64").extent(dp) == 2);
  CHECK(read("megatron", "tp-ep-dp-pp tp=2,ep=4,dp=2").extent(ep) == 4);
  CHECK(read("megatron", "tp=2 offset=8").offset() == 8);
  const mcore::OrderOfText job = mcore::parse_order("tp=4,cp=2,pp=2,ep=8 etp=1 world=32 grid=expert");
  REQUIRE(job.job);
  CHECK(job.grid.sizes() == mcore::Sizes{.tensor = 1, .expert = 8, .data = 2, .pipeline = 2});
  CHECK(job.job->decoder().sizes().data == 2);
  CHECK_FALSE(same_order(job.job->decoder().view(), read("megatron", "tp=4,cp=2,pp=2,ep=8 etp=1 world=32")));
}

TEST_CASE("worlds fill the one axis that is open, else data parallelism") {
  CHECK(read("hyper", "a-b-c a=2,b=3 world=24").extent(Axis("c")) == 4);
  CHECK(read("hyper", "tp-cp-dp-pp tp=2 world=24").extent(dp) == 12);
  CHECK(read("torchtitan", "tp=2,pp=2 world=24").extent(Axis("dp_shard")) == 6);
  CHECK(read("nanotron", "world=24").extent(dp) == 24);
  CHECK(read("deepspeed", "model=2,pipe=3 world=24").extent(dp) == 4);
  CHECK(read("maxtext", "tensor=2 world=24").extent(Axis("data")) == 12);
  CHECK(read("hyper", "a=2,b=3 world=6").size() == 6);
}

TEST_CASE("calls as they stand in programs") {
  CHECK_FALSE(same_order(read("deepspeed", "ProcessTopology(axes=[\"pipe\", \"data\"], dims=[2, 4])"),
                         read("megatron", "tp-dp-pp dp=4,pp=2")));
  CHECK_FALSE(same_order(
      read("devicemesh", "torch.distributed.init_device_mesh(\"cuda\", (2, 4), mesh_dim_names=(\"dp\", \"tp\"))"),
      read("devicemesh", "dp=2,tp=4")));
  CHECK_FALSE(same_order(read("devicemesh", "init_device_mesh('cuda', mesh_shape=(6,), mesh_dim_names=['dp'])"),
                         read("hyper", "HyperCommGrid(shape=[6], dim_names=['dp'])")));
  const View listed = read("devicemesh", "DeviceMesh('cuda', [[4, 7], [6, 5]], mesh_dim_names=('dp', 'tp'))");
  CHECK(listed.rank({1, 0}) == Rank(6));
  CHECK_FALSE(same_order(listed, read("devicemesh", notation("devicemesh").print(listed))));
  CHECK(read("devicemesh", "DeviceMesh('cuda', [[0, 2], [1, 3]])").rank({0, 1}) == Rank(2));
  CHECK(read("devicemesh", "dp=2,tp=2 ranks=[0, 2, 1, 3]").rank({0, 1}) == Rank(2));
}

TEST_CASE("texts that are no order are refused with what would be one") {
  struct Case {
    const char* notation;
    const char* text;
    const char* id = "SP-MESH-014";
  };
  for (const Case& c :
       {Case{"megatron", "tp-xp tp=2"},
        {"megatron", "tp-tp"},
        {"megatron", "tp=2,tp=3"},
        {"megatron", "xp=2"},
        {"megatron", "tp=two"},
        {"megatron", "tp="},
        {"megatron", "tp=2 tp-pp dp-pp"},
        {"megatron", "tp=2 grid=expert"},
        {"megatron", "tp=2 grid=sparse"},
        {"megatron", "tp=2,dp=3 world=8"},
        {"megatron", "tp=3 world=8"},
        {"megatron", "tp=2 etp=2"},
        {"megatron", "cp=2,ep=2"},
        {"megatron", "tp-pp dp=2"},
        {"megatron", "tp=0", "SP-MESH-001"},
        {"megatron", "tp=-2"},
        {"megatron", "tp=99999999999999999999", "SP-CORE-001"},
        {"megatron", "tp=4294967296", "SP-MESH-009"},
        {"nxd", "tp=2 hardware=tpu", "SP-MESH-003"},
        {"nxd", "xp=2"},
        {"nxd", "tp=3 world=8", "R2"},
        {"nxd", "tp=2 dialect=lax"},
        {"nxd", "tp=2,dp=3 world=8"},
        {"nxd", "tp=2 spare"},
        {"deepspeed", "axes=[pipe]"},
        {"deepspeed", "axes=[pipe] dims=[2, 3]"},
        {"deepspeed", "axes=[pipe, pipe] dims=[2, 3]"},
        {"deepspeed", "axes=pipe dims=2"},
        {"deepspeed", "model=2,tp=2"},
        {"deepspeed", "model=3 world=8"},
        {"deepspeed", "pipe=2,data=2,model=2 world=16"},
        {"deepspeed", "pipe-data"},
        {"deepspeed", "x=0,data=2 world=8", "SP-MESH-001"},
        {"devicemesh", ""},
        {"devicemesh", "dp=2 ranks=[0]"},
        {"devicemesh", "dp=2 ranks=[0, 0]"},
        {"devicemesh", "dp=2 ranks=[0, 5]"},
        {"devicemesh", "DeviceMesh('cuda', [[0, 1], [2]])"},
        {"devicemesh", "DeviceMesh('cuda', [[[[[[[[[[0]]]]]]]]]])"},
        {"devicemesh", "init_device_mesh('cuda', (2, 2), mesh_dim_names=('dp',))"},
        {"devicemesh", "init_device_mesh('cuda', (2, 2), (2, 2))"},
        {"devicemesh", "dp=2 world=4"},
        {"hyper", "a-a a=2"},
        {"hyper", "a-b c=2"},
        {"hyper", "shape=[2]"},
        {"hyper", "a-sixteen_letters_"},
        {"hyper", "a=2,b=2 world=6"},
        {"hyper", "a=0", "SP-MESH-001"},
        {"hyper", "a-b a=2 world=0", "SP-MESH-001"},
        {"hyper", "HyperCommGrid(shape=[2, 3], dim_names=['a', 'b'], rank_offset=1) world=6", "SP-MESH-009"},
        {"jax-torus", "data=4"},
        {"jax-torus", "torus=4x4 data=4"},
        {"jax-torus", "torus=4x data=4"},
        {"jax-torus", "torus=4x4 data=8,model=2"},
        {"jax-torus", "torus=4 data=4 whole"},
        {"nanotron", "dp_shard=2"},
        {"nanotron", "tp=5 world=12"}}) {
    CAPTURE(std::string(c.notation));
    CAPTURE(std::string(c.text));
    CHECK(join(thrown([&] { read(c.notation, c.text); }), " ") == c.id);
  }
}

TEST_CASE("orders that a notation cannot say are refused, not bent") {
  const Ids refused{"SP-MESH-014"};
  const View ring = read("nxd", "tp=32,pp=2 world=128 hardware=trn2"), spread = read("nxd", "tp=4 world=64 node=32");
  for (const char* name : {"megatron", "hyper", "deepspeed", "nanotron"}) {
    CHECK(thrown([&] { notation(name).print(ring); }) == refused);
    CHECK(thrown([&] { notation(name).print(spread); }) == refused);
  }
  CHECK_FALSE(same_order(ring, read("devicemesh", notation("devicemesh").print(ring))));
  CHECK_FALSE(same_order(spread, read("devicemesh", notation("devicemesh").print(spread))));
  CHECK(thrown([&] { notation("jax-torus").print(ring); }) == refused);
  const View shifted = read("hyper", "tp=4 offset=4");
  CHECK(read("megatron", notation("megatron").print(shifted)).offset() == 4);
  CHECK(read("hyper", notation("hyper").print(shifted)).offset() == 4);
  CHECK(read("devicemesh", notation("devicemesh").print(shifted)).offset() == 4);
  for (const char* name : {"deepspeed", "nxd", "jax-torus", "nanotron"})
    CHECK(thrown([&] { notation(name).print(shifted); }) == refused);
  const View words({{Axis("model"), 2}, {Axis("x"), 2}});
  for (const char* name : {"megatron", "nxd", "deepspeed", "nanotron"})
    CHECK(thrown([&] { notation(name).print(words); }) == refused);
  CHECK(thrown([&] { notation("nanotron").print(read("hyper", "pp-tp pp=2,tp=2")); }) == refused);
  CHECK(thrown([&] { notation("megatron").print(read("hyper", "cp-ep cp=2,ep=2")); }) == refused);
  InlineVector<ViewDigit, 8> many;
  for (Index i = 0; i < 24; ++i) many.push_back({Axis(concat("axis", i % 12)), 2, i < 12 ? 2 : 1});
  CHECK(thrown([&] { notation("jax-torus").print(View(many)); }) == refused);
  const View large({{pp, 2}, {dp, Index{1} << 16}, {pp, 2}});
  CHECK(thrown([&] { notation("devicemesh").print(large); }) == refused);
  CHECK(notation("nanotron").print(View({{tp, 1}})) == "tp=1");
  // An axis of size 1 is no reason to refuse, whatever its name.
  const View sequence = read("colossalai", "tp=8,pp=2 world=64");
  CHECK(sequence.find(Axis("sp")));
  CHECK_FALSE(same_order(sequence, read("megatron", notation("megatron").print(sequence))));
}
