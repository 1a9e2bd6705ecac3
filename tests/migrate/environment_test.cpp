#include "support.hpp"

namespace shardplan::migrate {

namespace {

std::string value_of_variable(std::string_view text, std::string_view name) {
  const ShellVariables all = read_variables(text);
  const Variable* found = all.find(name);
  return found == nullptr ? "-" : found->value;
}

Migrated with_environment(std::string_view text, std::string environment) {
  Options options{.from = System::nnm};
  options.source_name = "in.yaml";
  options.environment = std::move(environment);
  options.environment_name = "run.sh";
  return migrate(text, options, read_yaml_text);
}

}  // namespace

TEST_CASE("assignments of a shell file") {
  const auto x = [](std::string_view text) { return value_of_variable(text, "X"); };
  CHECK(x("X=1") == "1");
  CHECK(x("export X=1 # c") == "1");
  CHECK(x("  export  X=a") == "a");
  CHECK(x("X='a b' ; Y=2") == "a b");
  CHECK(x("X=\"a \\\"b\\\" # c\"") == "a \"b\" # c");
  CHECK(x("X=a\\ b") == "a b");
  CHECK(x("X=") == "");
  CHECK(x("Y=2\nX=${Y}x$Y") == "2x2");
  CHECK(x("X=1\nX=2") == "2");
  CHECK(x("X=1\n: ${X:=2}") == "1");
  CHECK(x(": ${X:=2}") == "2");
  CHECK(x("X=1\r\n") == "1");
  CHECK(x("# X=1") == "-");
  CHECK(x("echo X=1") == "-");
  CHECK(x("X=1 run me") == "-");
  CHECK(x("Y=1 X=2") == "2");
  CHECK(x("run \\\n  X=1 \\\n  X=2\n") == "-");
}

TEST_CASE("what only a shell can know is skipped, and said") {
  for (const std::string_view text :
       {"X=$(rm -rf /)", "X=`rm -rf /`", "X=$HOME/a", "X=$((1+2))", "X=\"a", "X=a|b", "if true; then\n X=1\nfi",
        "for i in a; do\n X=1\ndone", "f() {\nX=1\n}", "X=${Y:-1}"}) {
    CAPTURE(text);
    const ShellVariables all = read_variables(text);
    CHECK(all.find("X") == nullptr);
    CHECK(all.skipped.size() == 1);
  }
  CHECK(value_of_variable("if a; then\n Y=1\nfi\nX=1", "X") == "1");
}

TEST_CASE("settings of a launch script win over the file") {
  const std::string_view text =
      "trainer: {devices: 8, num_nodes: 1, precision: 32}\n"
      "model: {micro_batch_size: 1, global_batch_size: 32, tensor_model_parallel_size: 2,\n"
      "  pipeline_model_parallel_size: 1, optim: {name: adamw}}\n";
  const Migrated out = with_environment(
      text, "TP=4\nGBS=64\nNEURON_FUSE_SOFTMAX=0\nNEURON_CC_FLAGS='-O1'\nOPTIM_NAME=fused_adam\nBAD=`x`\n");
  CHECK(value(out, "distributed_strategy.tensor_model_parallel_size") == "4");
  CHECK(value(out, "data.global_batch_size") == "64");
  CHECK(value(out, "model.fusions.softmax") == "false");
  CHECK(value(out, "compiler_flags") == "-O1");
  CHECK(value(out, "model.optim.name") == "adamw");
  CHECK(entry(out, "model.global_batch_size")->why == "GBS of run.sh:2");
  REQUIRE(!out.report.notes.empty());
  CHECK(contains(out.report.notes[0], "line 6"));
}

TEST_CASE("the precision of NNM comes from the launch mode") {
  const auto type = [](std::string_view model, std::string environment) {
    const Migrated out = with_environment(concat("trainer: {precision: 32}\nmodel: {", model, "}\n"), environment);
    return concat(value(out, "precision.type"), ' ', value(out, "precision.master_weights"), ' ',
                  value(out, "precision.xla_downcast_bf16"), ' ',
                  value(out, "precision.neuron_rt_stochastic_rounding_en"));
  };
  CHECK(type("", "") == "mixed_precision - - -");
  CHECK(type("", "training_precision=bf16SR") == "bf16SR - - -");
  CHECK(type("", "training_precision=fp32") == "fp32 - - -");
  CHECK(type("", "training_precision=megatron_amp_O2") == "mixed_precision - - -");
  CHECK(type("", "training_precision=fp32_ZeroOptMaster") == "manual true '1' '1'");
  CHECK(type("", "XLA_USE_BF16=1; NEURON_RT_STOCHASTIC_ROUNDING_EN=1") == "bf16SR - - -");
  CHECK(type("", "XLA_USE_BF16=1") == "manual false '0' '0'");
  CHECK(type("zero_use_master_weight: true", "") == "mixed_precision - - -");
  CHECK(type("zero_use_master_weight: true, zero_use_fp32_grad_accum: true", "") == "mixed_precision - - -");
  CHECK(type("zero_use_master_weight: true, zero_use_fp32_grad_accum: false", "") == "manual true '1' '1'");
}

}  // namespace shardplan::migrate
