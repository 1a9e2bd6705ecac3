#include <shardplan/report/summary.hpp>

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support.hpp"

using namespace shardplan;

namespace {

nlohmann::ordered_json figures(const Plan& plan, const SummarySource& source = {}) {
  std::string text;
  JsonWriter json(text);
  write(json, summary(plan, source));
  return nlohmann::ordered_json::parse(text);
}

}  // namespace

TEST_CASE("summary: Llama-3 70B on 512 ranks, uneven stages") {
  Model model = shardplan::model("llama3-70b");
  model.architecture.qkv_linear = true;
  model = shardplan::model(model.architecture);
  PlanOptions options;
  options.training = {.global_batch = 1024, .micro_batch = 2, .sequence = 8192};
  const Plan plan(model, {.tensor = 32, .pipeline = 3, .context = 2, .kv_replicator = 4, .zero1 = true},
                  {.ranks = 768, .hardware = Hardware::trn1}, options);
  const auto s = figures(plan, {.config = "mine", .hf_config = "config.json"});
  CHECK(s == nlohmann::ordered_json::parse(R"({
    "config": "mine", "model_source": "hf", "world_size": 768, "tensor": 32, "pipeline": 3, "virtual_pipeline": 1, "context": 2,
    "expert": 1, "data": 4, "expert_data": 8, "zero1": true, "sequence_parallel": false, "kv_replicator": 4, "micro_batch_size": 2,
    "global_batch_size": 1024, "num_microbatches": 128, "samples_per_rank_per_step": 256, "seq_length": 8192,
    "seq_per_cp_rank": 4096, "seq_per_tp_rank_with_sp": 128, "hf_config": "config.json", "num_layers": 80, "hidden_size": 8192,
    "ffn_hidden_size": 28672, "num_attention_heads": 64, "num_kv_heads": 8, "head_dim": 128, "vocab_size": 128256,
    "padded_vocab_size": 128256, "tied_embeddings": false, "params_total": 70553706496, "params_active": 70553706496,
    "params_billion": 70.554, "layers_per_stage": [26, 27, 27], "layers_of_pp_rank": [26, 27, 27], "q_heads_per_tp_rank": 2,
    "kv_heads_per_tp_rank": 1, "precision": "mixed_precision"})"));
}

TEST_CASE("summary: a megatron model has no kv_replicator, experts have figures of their own, the unknown is null") {
  const auto s = figures(megatron_plan(), {.precision = "manual"});
  CHECK(s["model_source"] == "megatron");
  CHECK(s["kv_replicator"].is_null());
  CHECK_FALSE(s.contains("hf_config"));
  CHECK(s["experts"] == 4);
  CHECK(s["top_k"] == 2);
  CHECK(s["expert_data"] == 2);
  CHECK(s["vocab_size"] == 50);
  CHECK(s["padded_vocab_size"] == 64);
  CHECK(s["params_active"] < s["params_total"]);
  CHECK(s["precision"] == "manual");
  for (const char* key : {"global_batch_size", "num_microbatches", "samples_per_rank_per_step", "seq_length",
                          "seq_per_cp_rank", "seq_per_tp_rank_with_sp"})
    CHECK_MESSAGE(s[key].is_null(), key);
}

TEST_CASE("summary: chunks of a pipeline rank are added up") {
  const Plan plan = small_plan({.tensor = 2, .pipeline = 2, .virtual_pipeline = 2}, {.ranks = 4});
  const Summary s = summary(plan);
  CHECK(s.layers_per_stage == std::vector<Index>{1, 1, 1, 2});
  CHECK(s.layers_of_pp_rank == std::vector<Index>{2, 3});
}

TEST_CASE("summary: compat reduces degrees to the world, and says so") {
  PlanOptions options;
  options.dialect = compat;
  const Plan plan(llama({.layers = 4, .hidden = 64, .ffn = 96, .heads = 8, .vocab = 128}), {.tensor = 8}, {.ranks = 4},
                  options);
  CHECK(summary(plan).tensor == 4);
  CHECK(summary(plan).q_heads_per_tp_rank == 2);
}
