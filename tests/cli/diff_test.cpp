#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "program.hpp"

namespace {

using Json = nlohmann::json;
const std::string config = SHARDPLAN_SOURCE_DIR "/examples/configs/llama3_70b_trn1.yaml";

cli_test::Result diff(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "diff");
  return cli_test::run(std::move(arguments));
}

}  // namespace

TEST_CASE("diff: by effect, not by text") {
  const auto same = diff({config, config});
  CHECK(same.exit == 0);
  CHECK(same.out == "no difference in effect\n");
  // A default that is written down changes nothing, nor does an interpolation of the same value.
  const auto written = diff({config, config, "--set-b", "trainer.accumulate_grad_batches=1", "--set-b",
                             "model.optim.sched.max_steps=${trainer.max_steps}"});
  CHECK_MESSAGE(written.exit == 0, written.out);
}

TEST_CASE("diff: values, defaults, keys that only one has, and what follows") {
  const auto result =
      diff({config, config, "--set-b", "distributed_strategy.tensor_model_parallel_size=16", "--set-b",
            "distributed_strategy.kv_replicator=2", "--set-b", "model.optim.my_own=3", "--format", "json"});
  CHECK(result.exit == 1);
  const Json json = Json::parse(result.out);
  CHECK(json["schema"] == "shardplan-diff-1");
  // What an interpolation makes of the tensor size differs too.
  REQUIRE(json["keys"].size() == 4);
  CHECK(json["keys"][0]["key"] == "exp_manager.checkpoint_callback_params.model_parallel_size");
  CHECK(json["keys"][1]["key"] == "distributed_strategy.tensor_model_parallel_size");
  CHECK(json["keys"][1]["a"]["value"] == "32");
  CHECK(json["keys"][1]["b"]["value"] == "16");
  CHECK(json["keys"][1]["b"]["default"] == false);
  CHECK(json["keys"][3]["a"].is_null());
  CHECK(json["derived"][0] == Json{{"name", "data-parallel ranks"}, {"a", "2"}, {"b", "4"}});
  const auto text = diff({config, config, "--set-b", "exp_manager.save_xser=false"});
  CHECK(text.out.find("exp_manager.save_xser") != text.out.npos);
  CHECK(text.out.find("1 key differs") == 0);
  CHECK(text.out.find("false\n") != text.out.npos);  // set, so no default
}

TEST_CASE("diff: what cannot be read") {
  CHECK(diff({config, config + ".none"}).exit == 3);
  CHECK(diff({config}).exit == 2);
  CHECK(diff({config, config, "--set-a", "trainer.devices=many"}).exit == 2);
}
