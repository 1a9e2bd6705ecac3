#include "support.hpp"

namespace shardplan::migrate {

TEST_CASE("proposed degrees fill nodes, divide what they must, and keep the global batch") {
  for (const Index world : {1, 4, 8, 16, 24, 64, 96})
    for (const Index tensor : {1, 2, 4, 8})
      for (const Index heads : {12, 16, 40, 64})
        for (const Index batch : {8, 48, 512}) {
          if (world % tensor != 0) continue;
          const Degrees source{.devices = std::min<Index>(world, 8),
                               .nodes = std::max<Index>(1, world / 8),
                               .tensor = tensor,
                               .micro_batch = 4,
                               .global_batch = batch};
          const Sizes sizes{.heads = heads, .kv_heads = heads, .ffn = 256 * heads, .layers = 24};
          const auto out = propose(source, sizes, [](const Degrees&) { return true; });
          CAPTURE(world);
          CAPTURE(tensor);
          CAPTURE(heads);
          CAPTURE(batch);
          REQUIRE(out);
          CHECK(out->devices == 32);
          CHECK(out->world() >= source.world());
          CHECK(out->data() > 0);
          CHECK(heads % out->tensor == 0);
          CHECK(24 % out->pipeline == 0);
          CHECK(out->global_batch == batch);
          CHECK(batch % (out->micro_batch * out->data()) == 0);
          CHECK(out->micro_batch <= 4);
        }
}

TEST_CASE("degrees that hold on whole nodes are their own proposal; none where nothing holds") {
  const Degrees source{.devices = 32, .nodes = 2, .tensor = 8, .pipeline = 2, .micro_batch = 1, .global_batch = 64};
  const Sizes sizes{.heads = 32, .kv_heads = 32, .ffn = 1024, .layers = 8};
  CHECK(propose(source, sizes, [](const Degrees&) { return true; }) == source);
  CHECK(!propose(source, sizes, [](const Degrees&) { return false; }));
  // 71 heads leave tensor 1, and the batch is too small for so many data ranks on one stage.
  CHECK(!propose({.devices = 8, .global_batch = 8}, {.heads = 71, .layers = 1}, [](const Degrees&) { return true; }));
}

TEST_CASE("a migration keeps degrees that hold and replaces others") {
  const auto with = [](std::string_view devices, std::string_view tensor, DegreeChoice choice) {
    std::string text(nemo_text);
    text.replace(text.find("devices: 32"), 11, concat("devices: ", devices));
    text.replace(text.find("tensor_model_parallel_size: 8"), 29, concat("tensor_model_parallel_size: ", tensor));
    return migrated(text, System::nemo, System::nxdt, choice);
  };
  const auto degrees = [](const Migrated& out) {
    return concat(value(out, "trainer.devices"), ' ', value(out, "distributed_strategy.tensor_model_parallel_size"));
  };
  CHECK(degrees(with("32", "8", DegreeChoice::automatic)) == "32 8");
  CHECK(degrees(with("8", "8", DegreeChoice::automatic)) == "8 8");
  CHECK(degrees(with("8", "8", DegreeChoice::nodes)) == "32 8");
  const Migrated replaced = with("16", "8", DegreeChoice::automatic);  // R1
  CHECK(degrees(replaced) == "32 8");
  REQUIRE(replaced.report.degrees);
  CHECK(replaced.report.degrees->applied);
  CHECK(contains(replaced.report.degrees->why, "R1"));
  CHECK(!has_errors(replaced.report.findings));
  CHECK(degrees(with("32", "12", DegreeChoice::automatic)) != "32 12");
  const Migrated kept = with("16", "8", DegreeChoice::keep);
  CHECK(degrees(kept) == "16 8");
  CHECK(std::any_of(kept.report.findings.begin(), kept.report.findings.end(),
                    [](const Diagnostic& one) { return one.id == "R1"; }));
}

}  // namespace shardplan::migrate
