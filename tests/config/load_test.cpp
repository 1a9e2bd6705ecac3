#include <shardplan/config/yaml.hpp>

#include "support.hpp"

using namespace shardplan;

namespace {

const std::string text =
    "name: hf_llama\nmodel_source: hf\ntrainer: {devices: 32, num_nodes: 2, max_steps: 10}\n"
    "exp_manager: {resume_from_checkpoint: null, checkpoint_callback_params: {}}\n"
    "distributed_strategy: {tensor_model_parallel_size: 8, pipeline_model_parallel_size: 1}\n"
    "data: {micro_batch_size: 1, global_batch_size: 16}\n"
    "model: {fusions: {flash_attention: true}, optim: {sched: {max_steps: '${trainer.max_steps}'}}}\n"
    "precision: {type: mixed_precision}\nbucket_size_collectives: 1024\n";

}  // namespace

TEST_CASE("a file becomes a configuration; overrides come before interpolation") {
  const TemporaryFolder folder;
  const std::string path = folder.write("c.yaml", text);
  CHECK(load_config(path).model.optim.sched->max_steps == 10);
  const std::vector<std::string> overrides{
      "trainer.max_steps=20", "distributed_strategy.tensor_model_parallel_size=${trainer.num_nodes}", "model.new=1"};
  const Config config = load_config(path, overrides);
  CHECK(config.model.optim.sched->max_steps == 20);
  CHECK(config.distributed_strategy.tensor_model_parallel_size == 2);
  CHECK(ids_of(config.diagnostics) == Ids{"SP-CONFIG-013"});
  CHECK(config.origin("trainer.num_nodes") == Origin{"trainer.num_nodes", path, 3, 24});
  CHECK(config.origin("model.new").file == "--set model.new=1");
}

TEST_CASE("all errors of all steps are kept, with the warnings; a job then throws them") {
  const TemporaryFolder folder;
  const std::string path = folder.write("c.yaml", text + "seed: ${none}\nunknown: 1\n");
  const std::vector<std::string> overrides{"no value", "trainer.num_nodes=x", "a.b=1"};
  const Ids told{"SP-CONFIG-015", "SP-CONFIG-007", "SP-CONFIG-011", "SP-CONFIG-013", "SP-CONFIG-013"};
  const Config config = load_config(path, overrides);
  CHECK(ids_of(config.diagnostics) == told);
  Ids thrown_by_job = thrown([&] { job(config); });
  thrown_by_job.resize(told.size());
  CHECK(thrown_by_job == told);
}

TEST_CASE("a value made of a wrong one is not told as well") {
  const TemporaryFolder folder;
  const std::string path =
      folder.write("c.yaml", text + "seed: '${multiply:${trainer.num_nodes},3}'\naccelerator: 1\n");
  const auto wrong = [&](std::vector<std::string> overrides) {
    Ids out;
    for (const Diagnostic& one : load_config(path, overrides).diagnostics)
      if (one.id == "SP-CONFIG-011") out.push_back(one.origins[0].key);
    return out;
  };
  CHECK(wrong({}) == Ids{});
  CHECK(wrong({"trainer.num_nodes='2'"}) == Ids{"trainer.num_nodes"});
  CHECK(wrong({"trainer.max_steps='2'"}) == Ids{"trainer.max_steps"});
  CHECK(wrong({"seed=${name}"}) == Ids{"seed"});  // the name is right
}
