#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <shardplan/model/hub.hpp>
#include <shardplan/version.hpp>

#include "program.hpp"

using cli_test::contains;
using cli_test::Result;
using cli_test::Run;
using cli_test::run;
using cli_test::run_as;
using cli_test::Stderr;
using cli_test::TemporaryFile;
using Json = nlohmann::ordered_json;

namespace {

const std::string configs = SHARDPLAN_SOURCE_DIR "/examples/configs/";
const std::string llama = configs + "llama3_70b_trn1.yaml";
const std::string clean = configs + "llama3_8b_trn2.yaml";  // a plan without a warning

/// A configuration of a few ranks that says nothing about its architecture.
constexpr std::string_view open_config = R"(name: hf_llama
model_source: hf
trainer: {devices: 8, num_nodes: 1}
exp_manager: {resume_from_checkpoint: null, checkpoint_callback_params: {}}
distributed_strategy: {tensor_model_parallel_size: 8, pipeline_model_parallel_size: 1}
data: {micro_batch_size: 1, global_batch_size: 16}
model: {encoder_seq_length: 4096, fusions: {flash_attention: true}, optim: {name: adamw}}
precision: {type: mixed_precision}
bucket_size_collectives: 1024
)";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

}  // namespace

TEST_CASE("help, version, and what happens without a verb") {
  const Result nothing = run({});
  CHECK(nothing.exit == 2);
  CHECK(nothing.out.empty());
  CHECK(contains(nothing.err, "Usage: shardplan"));
  CHECK(contains(nothing.err, "plan  "));

  for (const auto& arguments : {std::vector<std::string>{"--version"}, {"plan", "--version"}}) {
    const Result version = run(arguments);
    CHECK(version.exit == 0);
    CHECK(version.out == "shardplan " + std::string(shardplan::version) + "\n");
    CHECK(version.err.empty());
  }
  const Result help = run({"plan", "--help"});
  CHECK(help.exit == 0);
  CHECK(help.err.empty());
  for (const char* option :
       {"CONFIG", "--set", "--model ", "--model-config", "--hardware", "--vocab-size", "--dialect", "--rank",
        "--format", "--warnings-as-errors", "--version", "--help", "json_plan.hpp", "Exit codes"})
    CHECK_MESSAGE(contains(help.out, option), option);
  for (const std::string_view model : shardplan::model_names()) CHECK_MESSAGE(contains(help.out, model), model);
  for (const std::string& line : lines_of(help.out)) CHECK_MESSAGE(line.size() <= 100, line);
}

TEST_CASE("wrong usage: exit 2, nothing on stdout, what was meant and where to read on") {
  struct Case {
    std::vector<std::string> arguments;
    std::string_view says;
  };
  for (const Case& c :
       {Case{{"paln", llama}, "unknown verb 'paln'\n  hint: did you mean 'plan'?"},
        Case{{"--verison"}, "unknown option '--verison'\n  hint: did you mean '--version'?"},
        Case{{"plan"}, "CONFIG is required"},
        Case{{"plan", "--modle", "llama3-8b", llama},
             "unknown option '--modle'\n  hint: did you mean '--model'? see 'shardplan plan --help'"},
        Case{{"plan", llama, "--format=json", "--rnak=3"}, "unknown option '--rnak=3'\n  hint: did you mean '--rank'?"},
        Case{{"plan", llama, clean}, "unknown argument '"}, Case{{"plan", llama, "--set"}, "--set needs a value"},
        Case{{"plan", llama, "--rank", "first"}, "--rank: 'first' is neither a rank nor 'all'"},
        Case{{"plan", llama, "--rank", "-1"}, "--rank: '-1'"},
        Case{{"plan", llama, "--rank", "99999999999999999999"}, "--rank: '9"},
        Case{{"plan", llama, "--format", "xml"}, "--format: xml"},
        Case{{"plan", llama, "--rank", "all", "--format", "text"}, "JSON Lines"},
        Case{{"plan", llama, "--hardware", "tpu"}, "--hardware: tpu"},
        Case{{"plan", llama, "--dialect", "lax"}, "--dialect: lax"},
        Case{{"plan", llama, "--vocab-size", "0"}, "--vocab-size"}}) {
    CAPTURE(c.says);
    const Result result = run(c.arguments);
    CHECK(result.exit == 2);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("error: "));
    CHECK_MESSAGE(contains(result.err, c.says), result.err);
    CHECK(contains(result.err, "--help'"));
  }
}

TEST_CASE("every configuration of the examples plans, in both dialects where NxD can run it, without --model") {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(configs)) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    for (const char* dialect : {"strict", "compat"}) {
      const std::string file = entry.path();
      CAPTURE(file);
      CAPTURE(dialect);
      const Result result = run({"plan", file, "--dialect", dialect});
      CHECK_FALSE(contains(result.err, "SP-CONFIG"));
      CHECK(contains(result.err, "note SP-PLAN-005: the hardware is taken to be "));
      if (file.find("mixtral") != file.npos && dialect == std::string_view("compat")) {
        CHECK(result.exit == 2);
        CHECK(result.out.empty());
        CHECK(contains(result.err, "error SP-MESH-010: "));
        continue;
      }
      CHECK(result.exit == 0);
      CHECK(result.out.starts_with(entry.path().stem().string() + ": "));
      CHECK(contains(result.out, "fits, "));
      CHECK_FALSE(contains(result.err, "error"));
    }
  }
  CHECK(files >= 4);
}

TEST_CASE("text: the plan on stdout, notices on stderr, the rank behind the plan") {
  const Result plan = run({"plan", llama});
  CHECK(plan.exit == 0);
  CHECK(plan.out.starts_with("llama3_70b_trn1: 70.554 B parameters over 512 ranks\n"));
  CHECK(contains(plan.err, "warning SP-TENSOR-006"));
  CHECK(contains(plan.out, "  1 warning\n"));
  CHECK_FALSE(contains(plan.out, "SP-TENSOR-006"));

  const Result rank = run({"plan", llama, "--rank", "300"});
  CHECK(rank.exit == 0);
  CHECK(rank.out.starts_with(plan.out));
  CHECK(contains(rank.out, "\nRank 300\n"));
  CHECK(contains(rank.out, "model.layers.40.self_attn.qkv_proj.weight_qkv"));
  CHECK(contains(rank.out, "288-319"));
}

TEST_CASE("JSON: schema first, the summary by its names, a rank where asked for") {
  const Result plan = run({"plan", llama, "--format", "json"});
  CHECK(plan.exit == 0);
  CHECK(plan.out.starts_with("{\n  \"schema\": \"shardplan-plan-1\",\n"));
  const Json all = Json::parse(plan.out);
  CHECK(all["summary"]["config"] == "llama3_70b_trn1");
  CHECK(all["summary"]["hf_config"] == "llama3_70b.config.json");
  CHECK(all["summary"]["params_total"] == 70553706496);
  CHECK(all["summary"]["num_microbatches"] == 512);
  CHECK_FALSE(all.contains("rank"));
  const auto& findings = all["findings"];
  const auto warning =
      std::find_if(findings.begin(), findings.end(), [](const Json& one) { return one["id"] == "SP-TENSOR-006"; });
  REQUIRE(warning != findings.end());
  CHECK((*warning)["origins"][0]["key"] == "distributed_strategy.kv_replicator");
  CHECK((*warning)["origins"][0]["line"] > 0);
  CHECK(Json::parse(run({"plan", llama, "--format", "json", "--rank", "7"}).out)["rank"]["rank"] == 7);
}

TEST_CASE("JSON Lines: a header and a line for each rank, as --rank N has it") {
  const Result all = run({"plan", clean, "--rank", "all"});
  CHECK(all.exit == 0);
  CHECK(all.out.starts_with("{\"schema\": \"shardplan-plan-1\", "));
  const auto lines = lines_of(all.out);
  REQUIRE(lines.size() == 65);
  Json header = Json::parse(lines[0]);
  Json one = Json::parse(run({"plan", clean, "--rank", "9", "--format", "json"}).out);
  CHECK(one["rank"] == Json::parse(lines[10]));
  one.erase("rank");
  CHECK(one == header);
  for (std::size_t rank = 0; rank < 64; ++rank) CHECK(Json::parse(lines[rank + 1])["rank"] == rank);
  CHECK(run({"plan", clean, "--rank", "all", "--format", "json"}).out == all.out);
}

TEST_CASE("options: what a file leaves open is filled, what it says stays") {
  const TemporaryFile file("open_config.yaml", open_config);
  const auto summary = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"plan", file.path, "--format", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result result = run(arguments);
    CHECK_MESSAGE(result.exit == 0, result.err);
    return Json::parse(result.out);
  };
  const Json plain = summary({"--model", "llama3-8b"});
  CHECK(plain["summary"]["config"] == "open");
  CHECK(plain["summary"]["num_layers"] == 32);
  CHECK(plain["mesh"]["hardware"] == "trn1");
  CHECK(plain["mesh"]["dialect"] == "strict");
  CHECK(summary({"--model", "llama3-8b", "--set", "model.num_layers=4",
                 "--set=data.global_batch_size=64"})["summary"]["num_layers"] == 4);
  CHECK(summary({"--model-config", configs + "llama3_8b.config.json"})["summary"]["params_total"] ==
        plain["summary"]["params_total"]);
  const Json other =
      summary({"--model", "llama3-8b", "--hardware", "trn2", "--dialect", "compat", "--set", "trainer.lnc=1"});
  CHECK(other["mesh"]["hardware"] == "trn2");
  CHECK(other["mesh"]["lnc"] == 1);
  CHECK(other["mesh"]["dialect"] == "compat");
  const std::string megatron = configs + "megatron_llama2_13b_trn1.yaml";
  CHECK(Json::parse(
            run({"plan", megatron, "--format", "json", "--vocab-size", "50257"}).out)["summary"]["padded_vocab_size"] ==
        50304);
}

TEST_CASE("bad input: all faults at once, with places, and no plan") {
  const Result result = run({"plan", llama, "--set", "distributed_strategy.tensor_model_parallel_size=24", "--set",
                             "model.num_layers=7", "--set", "trainer.devcies=3"});
  CHECK(result.exit == 2);
  CHECK(result.out.empty());
  for (const char* id :
       {"error R2: ", "error R5: ", "error R7: ", "error R10: ", "error R14: ", "warning SP-CONFIG-013: "})
    CHECK_MESSAGE(contains(result.err, id), id);
  CHECK(contains(result.err, llama + ":"));
  CHECK(contains(result.err, "hint: "));
  CHECK(contains(result.err, "'devices'"));
}

TEST_CASE("bad input: models and ranks that there are not") {
  const Result model = run({"plan", clean, "--model", "llama3-80b"});
  CHECK(model.exit == 2);
  for (const std::string_view name : shardplan::model_names()) CHECK_MESSAGE(contains(model.err, name), name);
  const Result rank = run({"plan", clean, "--rank", "64"});
  CHECK(rank.exit == 2);
  CHECK(rank.out.empty());
  CHECK(contains(rank.err, "SP-PLAN-001"));
  CHECK(contains(rank.err, "0 to 63"));
  const TemporaryFile file("open.yaml", open_config);
  const Result open = run({"plan", file.path});
  CHECK(open.exit == 2);
  CHECK(contains(open.err, "--model"));
}

TEST_CASE("bad input: files that are no configuration") {
  for (const std::string_view text : {"a: [1, 2",
                                      "\x7f"
                                      "ELF\x01\x80",
                                      "- 1\n", "", "a: &x [*x]\n", "${a}: ${b}\n"}) {
    const TemporaryFile file("bad.yaml", text);
    CAPTURE(text);
    const Result result = run({"plan", file.path});
    CHECK(result.exit == 2);
    CHECK(result.out.empty());
    CHECK(contains(result.err, "error SP-CONFIG-"));
  }
}

TEST_CASE("input and output that fail: exit 3") {
  for (const std::string file : {"/nowhere/at/all.yaml", "/tmp"}) {
    const Result missing = run({"plan", file});
    CHECK(missing.exit == 3);
    CHECK(missing.out.empty());
    CHECK(missing.err.starts_with(file + ": error SP-CONFIG-001: "));
  }
  for (const auto& arguments :
       {std::vector<std::string>{"plan", clean}, {"plan", "--help"}, {"--help"}, {"--version"}}) {
    const Result full = run_as(Run{.arguments = arguments, .out_file = "/dev/full"});
    CHECK(full.exit == 3);
    CHECK(contains(full.err, "error: stdout: "));
  }
}

TEST_CASE("notices that cannot be written change neither result nor exit") {
  for (const auto& arguments : {std::vector<std::string>{"plan", llama},
                                {"plan", llama, "--warnings-as-errors"},
                                {"plan", "nope.yaml"},
                                {"plan", llama, "--model", "nope"},
                                {"paln"},
                                {"plan"},
                                {}}) {
    const Result told = run(arguments);
    CHECK_FALSE(told.err.empty());
    for (const Stderr err : {Stderr::full, Stderr::closed, Stderr::unread}) {
      CAPTURE(arguments.size());
      CAPTURE(static_cast<int>(err));
      const Result mute = run_as(Run{.arguments = arguments, .err = err});
      CHECK(mute.exit == told.exit);
      CHECK(mute.out == told.out);
    }
  }
}

TEST_CASE("warnings: an exit of their own where asked for, the plan all the same") {
  const Result strict = run({"plan", llama, "--warnings-as-errors"});
  CHECK(strict.exit == 1);
  CHECK(strict.out == run({"plan", llama}).out);
  CHECK(run({"plan", clean, "--warnings-as-errors"}).exit == 0);
  // Too large for its devices is a warning, too.
  const Result large = run({"plan", clean, "--warnings-as-errors", "--set", "data.micro_batch_size=16"});
  CHECK(large.exit == 1);
  CHECK(contains(large.out, "does not fit: "));
  CHECK(contains(large.err, clean + ":"));
  CHECK(contains(large.err, "warning SP-PLAN-004: "));
}

TEST_CASE("colour: on a terminal only, and not against NO_COLOR") {
  const auto escapes = [](std::vector<std::string> environment, bool terminal) {
    return contains(run_as(Run{.arguments = {"plan", llama},
                               .environment = std::move(environment),
                               .err = terminal ? Stderr::terminal : Stderr::pipe})
                        .err,
                    "\033[");
  };
  CHECK(escapes({"TERM=xterm"}, true));
  CHECK_FALSE(escapes({"TERM=xterm"}, false));
  CHECK_FALSE(escapes({"TERM=xterm", "NO_COLOR=1"}, true));
  CHECK(escapes({"TERM=xterm", "NO_COLOR="}, true));
  CHECK_FALSE(escapes({"TERM=dumb"}, true));
}

TEST_CASE("a reader that goes away is no fault") {
  const Result result = run_as(
      Run{.arguments = {"plan", llama, "--rank", "all"}, .watch = [](pid_t, const std::string&) { return false; }});
  CHECK(result.exit == 0);
  CHECK_FALSE(contains(result.err, "error"));
}

TEST_CASE("interrupted: exit 130") {
  const std::string many = "trainer.num_nodes=4096";
  const Result result =
      run_as(Run{.arguments = {"plan", llama, "--rank", "all", "--set", many, "--set", "data.global_batch_size=4096"},
                 .watch = [](pid_t child, const std::string& out) {
                   if (out.size() < 1 << 17) kill(child, SIGINT);
                   return true;
                 }});
  CHECK(result.exit == 130);
  CHECK_FALSE(contains(result.err, "error"));
}

TEST_CASE("plan --own-model: a described model in place of the file's") {
  const std::string config = SHARDPLAN_SOURCE_DIR "/examples/configs/megatron_llama2_13b_trn1.yaml";
  const std::string model = SHARDPLAN_SOURCE_DIR "/tests/model/custom/llama.yaml";
  const auto own = cli_test::run({"plan", config, "--own-model", model, "--rank", "0", "--set",
                                  "distributed_strategy.tensor_model_parallel_size=2", "--set",
                                  "distributed_strategy.pipeline_model_parallel_size=1", "--set",
                                  "distributed_strategy.virtual_pipeline_model_parallel_size=1"});
  CHECK_MESSAGE(own.exit == 0, own.err);
  CHECK(own.out.find("q_proj") != own.out.npos);
  const auto none = cli_test::run({"plan", config, "--own-model", model + ".none"});
  CHECK(none.exit == 3);
}
