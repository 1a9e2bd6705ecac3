#include <set>
#include <shardplan/config/rules.hpp>

#include "configs.hpp"

using namespace shardplan;

namespace {

Diagnostics findings(std::string_view base, std::string_view set, const std::optional<HfConfig>& hf = {}) {
  return check(config_of(base, set), hf);
}
Ids ids(std::string_view base, std::string_view set, const std::optional<HfConfig>& hf = {}) {
  return ids_of(findings(base, set, hf));
}

}  // namespace

TEST_CASE("the base configurations break no rule") {
  CHECK(ids(hf_text, {}) == Ids{});
  CHECK(ids(mixtral_text, {}) == Ids{});
  CHECK(ids(megatron_text, {}) == Ids{});
}

TEST_CASE("every rule: its id alone, the key, the numbers, a hint, a place") {
  const struct {
    std::string_view id, base;
    std::string_view set;
    std::string_view key, says;
  } rows[] = {
      {"R1", hf_text, "trainer.devices=12", "trainer.devices", "(12)"},
      {"R1", hf_text, "trainer.devices=[129]", "trainer.devices", "129"},
      {"SP-MESH-001", hf_text, "data.global_batch_size=0", "data.global_batch_size", "0"},
      {"SP-MESH-001", hf_text, "model.encoder_seq_length=0", "model.encoder_seq_length", "0"},
      {"SP-MESH-001", megatron_text, "model.encoder_seq_length=null; data.seq_length=0", "data.seq_length", "0"},
      {"R21", hf_text, "model.activations_checkpoint_granularity=fulll", "model.activations_checkpoint_granularity",
       "fulll"},
      {"R17", hf_text, "distributed_strategy.context_parallel_size=2", "distributed_strategy.context_parallel_size",
       "(2)"},
      {"R17", hf_text, "model.context_parallel_size=4", "distributed_strategy.context_parallel_size", "(4)"},
      {"R17", mixtral_text,
       "distributed_strategy.context_parallel_size=2; model.fusions={ring_attention: true, flash_attention: false}",
       "distributed_strategy.context_parallel_size", "hf_mixtral"},
      {"R17", megatron_text, "distributed_strategy.context_parallel_size=2",
       "distributed_strategy.context_parallel_size", "megatron"},
      {"R18", hf_text, "model.fusions={ring_attention: true, flash_attention: true}", "model.fusions.ring_attention",
       "both"},
      {"R21", hf_text, "model.activations_checkpoint_granularity=selective", "model.activations_checkpoint_recompute",
       "no module"},
      {"R21", megatron_text,
       "model.activations_checkpoint_granularity=selective; model.activations_checkpoint_recompute=null",
       "model.activations_checkpoint_recompute", "no module"},
      {"R21", megatron_text,
       "model.activations_checkpoint_granularity=selective; model.activations_checkpoint_recompute=[LlamaMLP]",
       "model.activations_checkpoint_recompute", "LlamaMLP"},
      {"R22", megatron_text, "distributed_strategy.zero1=false", "distributed_strategy.zero1", "off"},
      {"R22", megatron_text, "distributed_strategy.zero1=null", "distributed_strategy.zero1", "off"},
      {"R22", megatron_text, "distributed_strategy={tensor_model_parallel_size: 8, pipeline_model_parallel_size: 1}",
       "distributed_strategy.zero1", "missing"},
      {"R24", megatron_text, "model.activations_checkpoint_num_layers=null", "model.activations_checkpoint_num_layers",
       "null"},
      {"R25", hf_text, "precision.type=bf16", "precision.type", "'bf16'"},
      {"R26", hf_text,
       "precision={type: manual, xla_use_bf16: 0, xla_downcast_bf16: '1', neuron_rt_stochastic_rounding_en: '0'}",
       "precision.xla_use_bf16", "the integer 0"},
      {"R26", hf_text, "precision={type: manual, xla_use_bf16: '0', xla_downcast_bf16: '1'}",
       "precision.neuron_rt_stochastic_rounding_en", "missing"},
      {"R27", megatron_text, "model.moe={num_experts: 8, dropless: true, capacity_factor: 0.0}; model.activation=gelu",
       "model.activation", "'gelu'"},
      {"R27", megatron_text, "model.moe={num_experts: 8, dropless: true, capacity_factor: 0.0, glu_mlp: false}",
       "model.moe.glu_mlp", "false"},
      {"R27", mixtral_text, "model.moe={num_experts: 8, dropless: true, capacity_factor: 1.25}",
       "model.moe.capacity_factor", "1.25"},
      {"R27", mixtral_text, "model.moe={num_experts: 8, dropless: true}", "model.moe.capacity_factor", "not given"},
      {"R28", mixtral_text, "model.moe={num_experts: 8, capacity_factor: -0.5}", "model.moe.capacity_factor", "-0.5"},
      {"R28", megatron_text, "model.moe={num_experts: 8}", "model.moe.capacity_factor", "not given"},
      {"R31", hf_text, "data.seq_length=2048; model_alignment_strategy={sft: {packing: true}}",
       "model.encoder_seq_length", "2048"},
      {"R31", hf_text, "model.encoder_seq_length=null", "model.encoder_seq_length", "not given"},
      {"R32", hf_text, "model.optim.momentum=0.9", "model.optim.momentum", "adamw"},
      {"R32", hf_text, "model.optim.sched={name: LinearAnnealingWithWarmUp, warmup_steps: 5, min_lr: 0.0}",
       "model.optim.sched.min_lr", "LinearAnnealingWithWarmUp"},
      {"R33", megatron_text, "seed=0", "seed", "0"},
      {"R33", hf_text, "seed=-3", "seed", "-3"},
      {"R34", hf_text, "model.optim.sched.constant_steps=90", "model.optim.sched.constant_steps", "(90)"},
      {"R34", hf_text, "model.optim.sched.warmup_steps=100", "model.optim.sched.warmup_steps", "(100)"},
      {"R34", hf_text, "model.optim.sched={name: CosineAnnealing, warmup_ratio: 0.29, constant_ratio: 0.72}",
       "model.optim.sched.constant_ratio", "(28)"},
      {"R36", hf_text,
       "model_alignment_strategy={dpo: {kl_beta: 0.1}}; distributed_strategy.pipeline_model_parallel_size=2",
       "distributed_strategy.pipeline_model_parallel_size", "2"},
      {"R37", hf_text, "model_alignment_strategy={peft: {lora_rank: 8}}", "distributed_strategy.zero1", "LoRA"},
      {"SP-CONFIG-018", hf_text, "model.optim.name=distributed_fused_adam", "model.optim.name", "CUDA"},
      {"SP-CONFIG-018", hf_text, "model.optim.name=adamv", "model.optim.name", "'adamv' is unknown"},
      {"SP-CONFIG-019", hf_text, "model.optim.sched.name=Cosine", "model.optim.sched.name", "'Cosine'"},
  };
  std::set<std::string_view> seen;
  for (const auto& row : rows) {
    CAPTURE(row.id);
    CAPTURE(row.set);
    const Diagnostics found = findings(row.base, row.set);
    CHECK(ids_of(found) == Ids{std::string(row.id)});
    for (const Diagnostic& one : found) {
      CHECK(one.severity == rule(row.id).severity);
      CHECK(one.message.find(row.says) != std::string::npos);
      CHECK(!one.hint.empty());
      REQUIRE(!one.origins.empty());
      CHECK(one.origins[0].key == row.key);
      for (const Origin& at : one.origins) CHECK(at.line > 0);
    }
    seen.insert(row.id);
  }
  CHECK(seen.size() == 19);
}

TEST_CASE("what stands next to a broken rule is accepted") {
  const struct {
    std::string_view base;
    std::string_view set;
  } rows[] = {
      {hf_text, "trainer.devices=auto"},
      {hf_text, "trainer.devices=null"},
      {hf_text, "trainer.devices=[128]"},
      {hf_text, "trainer.devices='64'"},
      {hf_text,
       "distributed_strategy.context_parallel_size=2; model.fusions={ring_attention: true, flash_attention: false}"},
      {hf_text, "model.activations_checkpoint_granularity=full; model.activations_checkpoint_recompute=null"},
      {hf_text,
       "model.activations_checkpoint_granularity=selective; model.activations_checkpoint_recompute=[CoreAttention]"},
      {mixtral_text,
       "model.activations_checkpoint_granularity=selective; model.activations_checkpoint_recompute=[MoE, "
       "RowParallelLinear]"},
      {hf_text, "distributed_strategy.zero1=false"},
      {hf_text,
       "precision={type: manual, xla_use_bf16: '0', xla_downcast_bf16: '1', neuron_rt_stochastic_rounding_en: '0'}"},
      {megatron_text, "model.moe={num_experts: 8, dropless: true, capacity_factor: 0.0}"},
      {megatron_text, "model.moe={num_experts: 8, capacity_factor: 4}"},
      {hf_text, "data.seq_length=4096; model_alignment_strategy={sft: {packing: false}}"},
      {hf_text, "data.seq_length=2048"},
      {hf_text, "data.seq_length=2048; model_alignment_strategy={dpo: {kl_beta: 0.1}}"},
      {hf_text, "data.seq_length=2048; model_alignment_strategy={orpo: {beta: 0.1}}"},
      {megatron_text, "data.seq_length=2048; model_alignment_strategy={sft: {packing: true}}"},
      {hf_text, "model.optim={lr: 1e-4}"},
      {hf_text, "model.optim={name: adamw, args: {name: auto}, strange: 1}"},
      {hf_text, "model.optim.sched={name: CosineAnnealing, args: {name: auto}, strange: 1}"},
      {hf_text, "model.optim.sched.constant_steps=89"},
      {hf_text, "model.optim.sched.warmup_steps=99"},
      {hf_text, "model.optim.sched.warmup_steps=100; trainer.max_steps=-1"},
      {hf_text, "model.optim.sched={name: CosineAnnealing, warmup_ratio: 0.29, constant_ratio: 0.71}"},
      {hf_text, "model.optim.sched={name: CosineAnnealing, warmup_ratio: .nan}"},
      {hf_text, "model.optim.sched={name: WarmupPolicy, warmup_steps: 1000}"},
      {hf_text, "seed=null"},
      {hf_text, "model_alignment_strategy={orpo: {beta: 0.1}}; distributed_strategy.pipeline_model_parallel_size=2"},
      {hf_text, "model_alignment_strategy={peft: {lora_rank: 8}}; distributed_strategy.zero1=false"},
      {mixtral_text, "model_alignment_strategy={peft: {lora_rank: 8}}"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.set);
    CHECK(ids(row.base, row.set) == Ids{});
  }
}

TEST_CASE("R1: the neighbours are the allowed numbers around") {
  for (const Index allowed : allowed_devices) CHECK(ids(hf_text, concat("trainer.devices=", allowed)) == Ids{});
  const struct {
    Index devices;
    std::string_view hint;
  } rows[] = {{-5, "1"}, {0, "1"}, {3, "2 or 8"}, {12, "8 or 32"}, {33, "32 or 64"}, {96, "64 or 128"}, {129, "128"}};
  for (const auto& row : rows) {
    CAPTURE(row.devices);
    const Diagnostics found = findings(hf_text, concat("trainer.devices=", row.devices));
    REQUIRE(ids_of(found) == Ids{"R1"});
    CHECK(found[0].hint == row.hint);
  }
}

TEST_CASE("R23: every forbidden value, in megatron models only") {
  const struct {
    std::string_view key, forbidden, allowed;
  } rows[] = {{"model.megatron_amp_o2", "true", "false"},
              {"model.gradient_accumulation_fusion", "true", "null"},
              {"model.use_emha", "1", "0"},
              {"model.num_micro_batches_with_partial_activation_checkpoints", "2", "null"},
              {"model.activations_checkpoint_layers_per_pipeline", "1", "null"},
              {"model.bias_dropout_add_fusion", "true", "false"},
              {"model.bias_activation_fusion", "true", "false"},
              {"model.activations_checkpoint_num_layers", "2", "1"},
              {"model.activations_checkpoint_method", "block", "uniform"},
              {"model.disable_layer_norm_checkpointing", "false", "true"},
              {"model.optim.name", "distributed_fused_adam", "adam"}};
  std::set<std::string_view> keys;
  for (const auto& row : rows) {
    CAPTURE(row.key);
    const Diagnostics found = findings(megatron_text, concat(row.key, '=', row.forbidden));
    REQUIRE(ids_of(found) == Ids{"R23"});
    CHECK(found[0].origins[0].key == row.key);
    CHECK(ids(megatron_text, concat(row.key, '=', row.allowed)) == Ids{});
    if (row.key != "model.optim.name") CHECK(ids(hf_text, concat(row.key, '=', row.forbidden)) == Ids{});
    keys.insert(row.key);
  }
  for (const Forbidden& one : forbidden_table) CHECK(keys.contains(one.key));
}

TEST_CASE("R25: every name of the table is accepted, in both spellings of the third") {
  for (const PrecisionType& known : precision_table) {
    if (known.name == std::string_view("manual")) continue;
    CHECK(ids(hf_text, concat("precision.type=", known.name)) == Ids{});
  }
}

TEST_CASE("R27: hidden_act of the config.json, where it has been read") {
  constexpr std::string_view dropless = "model.moe={num_experts: 8, dropless: true, capacity_factor: 0.0}";
  HfConfig json;
  json.hidden_act = "silu";
  CHECK(ids(mixtral_text, dropless, json) == Ids{});
  json.hidden_act = "gelu";
  CHECK(ids(mixtral_text, dropless, json) == Ids{"R27"});
  CHECK(ids(mixtral_text, {}, json) == Ids{});
  json.hidden_act.reset();
  CHECK(ids(mixtral_text, dropless, json) == Ids{"R27"});
}

TEST_CASE("R32: every argument of the tables is accepted by its own call, and those it needs are missed") {
  const auto set = [](std::string_view path, const Arguments& call, std::string_view left_out) {
    std::string text = concat(path, "={name: ", call.name);
    for (const std::string_view group : call.known)
      for (const std::string_view word : words(group))
        if (word != left_out) text += concat(", ", word, ": 1");
    return text + "}";
  };
  for (const auto& [path, table] : {std::pair{"model.optim", std::span<const Arguments>(optimizer_arguments)},
                                    std::pair{"model.optim.sched", std::span<const Arguments>(schedule_arguments)}})
    for (const Arguments& call : table) {
      CAPTURE(call.name);
      CHECK(ids(hf_text, set(path, call, {})) == Ids{});
      for (const std::string_view needed : words(call.required)) {
        const Diagnostics found = findings(hf_text, set(path, call, needed));
        REQUIRE(ids_of(found) == Ids{"R32"});
        CHECK(found[0].message.find(needed) != std::string::npos);
      }
    }
  const Diagnostics found = findings(
      hf_text,
      "model.optim.weight_deacy=0.1; model.optim.schd=1; model.optim.sched.min_rl=0.1; model.optim.sched.nme=1");
  REQUIRE(ids_of(found) == Ids{"R32", "R32", "R32", "R32"});
  const std::string_view near[] = {"weight_decay?", "sched?", "min_lr?", "name?"};
  for (std::size_t i = 0; i < 4; ++i) CHECK_MESSAGE(found[i].hint.starts_with(near[i]), found[i].hint);
}

TEST_CASE("the tables of optimizers agree") {
  for (const Arguments& call : optimizer_arguments) {
    CAPTURE(call.name);
    bool known = call.name == "adan";  // counts as Adam
    for (const OptimizerStates& one : optimizer_table) known = known || one.name == call.name;
    CHECK(known);
    for (const optim::OptimizerClass& one : optim::optimizer_classes)
      if (one.needs_cuda) CHECK(one.name != call.name);
  }
}

TEST_CASE("words") {
  CHECK(words("") == std::vector<std::string_view>{});
  CHECK(words("a") == std::vector<std::string_view>{"a"});
  CHECK(words("a bc d") == std::vector<std::string_view>{"a", "bc", "d"});
}

TEST_CASE("all broken rules come at once, in the order of their numbers") {
  CHECK(ids(hf_text,
            "trainer.devices=3; seed=0; precision.type=half; model.optim.sched.constant_steps=1000; "
            "model.optim.sched.power=2; model.fusions={ring_attention: true, flash_attention: true}") ==
        Ids{"R1", "R18", "R25", "R32", "R33", "R34"});
}

TEST_CASE("the public examples have the faults that are known of them, and no other") {
  const std::filesystem::path folder = std::filesystem::path(SHARDPLAN_CONF_DIR) / "nxdt";
  if (!std::filesystem::exists(folder)) {
    MESSAGE("no public configurations in " << folder);
    return;
  }
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const std::string name = file.path().stem().string();
    CAPTURE(name);
    const bool sft = name.starts_with("hf_llama3_8B_SFT");  // batches of 4096 tokens for a model of 8192
    const Ids known = sft ? Ids{"R31"} : name == "megatron_gpt_config" ? Ids{"R34"} : Ids{};
    CHECK(ids_of(check(bind(resolve(read_yaml(file.path().string())).tree).config, {})) == known);
    ++files;
  }
  CHECK(files > 0);
}
