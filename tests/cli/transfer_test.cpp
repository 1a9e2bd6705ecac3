#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "program.hpp"

using cli_test::contains;
using cli_test::Result;
using cli_test::run;
using Json = nlohmann::ordered_json;

namespace {

const std::string configs = SHARDPLAN_SOURCE_DIR "/examples/configs/";
const std::string llama = configs + "llama3_8b_trn2.yaml";
const std::string large = configs + "llama3_70b_trn1.yaml";
const std::string megatron = configs + "megatron_llama2_13b_trn1.yaml";
const std::string four = "distributed_strategy.tensor_model_parallel_size=4";

}  // namespace

TEST_CASE("help: both sides, every option, examples") {
  const Result help = run({"transfer", "--help"});
  CHECK(help.exit == 0);
  for (const char* part :
       {"--from CONFIG", "--to CONFIG", "--set ", "--set-from", "--set-to", "--hardware-to", "--tensor", "--optimizer",
        "--replicas", "--relabel", "--all", "--format", "transfer_text.hpp"})
    CHECK_MESSAGE(contains(help.out, part), part);
}

TEST_CASE("the same configuration twice moves nothing") {
  const Result same = run({"transfer", "--from", llama, "--to", llama, "--format", "json", "--optimizer"});
  CHECK(same.exit == 0);
  const Json json = Json::parse(same.out);
  CHECK(json["schema"] == "shardplan-transfer-1");
  CHECK(json["total"]["moves"] == 0);
  CHECK(json["total"]["moved"] == 0);
  CHECK(json["total"]["kept"] > 0);
}

TEST_CASE("options of one side, and of both") {
  const auto sides = [](std::vector<std::string> more) {
    std::vector<std::string> arguments{"transfer", "--from", llama, "--to", llama, "--format", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result result = run(arguments);
    CHECK(result.exit == 0);
    const Json json = Json::parse(result.out);
    return std::pair<int, int>(json["from"]["tensor"], json["to"]["tensor"]);
  };
  CHECK(sides({}) == std::pair(8, 8));
  CHECK(sides({"--set", four}) == std::pair(4, 4));
  CHECK(sides({"--set-from", four}) == std::pair(4, 8));
  CHECK(sides({"--set-to", four}) == std::pair(8, 4));
  CHECK(sides({"--set", four, "--set-to", "distributed_strategy.tensor_model_parallel_size=2"}) == std::pair(4, 2));
}

TEST_CASE("text: rows, sums, moves of a tensor, cut off unless all are asked for") {
  std::vector<std::string> arguments{"transfer", "--from", llama, "--to", llama, "--set-to", four, "--relabel"};
  const Result rows = run(arguments);
  CHECK(rows.exit == 0);
  for (const char* part : {"Transfer hf_llama to hf_llama", "tensor 8", "tensor 4",
                           "model.layers.*.mlp.down_proj.weight", "total", "peak", "relabelling"})
    CHECK_MESSAGE(contains(rows.out, part), part);

  arguments = {"transfer",
               "--from",
               large,
               "--to",
               large,
               "--set-to",
               "distributed_strategy.pipeline_model_parallel_size=4",
               "--tensor",
               "model.layers.12.mlp.down_proj.weight"};
  const Result few = run(arguments);
  arguments.push_back("--all");
  const Result all = run(arguments);
  CHECK(few.exit == 0);
  CHECK(all.exit == 0);
  CHECK(contains(few.out, "more; --all lists them"));
  CHECK_FALSE(contains(all.out, "more; --all"));
  CHECK(all.out.size() > few.out.size());
}

TEST_CASE("all moves as JSON Lines add up to the header's figures") {
  const Result result = run({"transfer", "--from", llama, "--to", llama, "--set-to", four, "--format", "json", "--all",
                             "--replicas", "balanced"});
  CHECK(result.exit == 0);
  std::istringstream lines(result.out);
  std::string line;
  REQUIRE(std::getline(lines, line));
  const Json header = Json::parse(line);
  CHECK(header["replicas"] == "balanced");
  std::int64_t bytes = 0, moves = 0;
  for (; std::getline(lines, line); ++moves) bytes += Json::parse(line)["bytes"].get<std::int64_t>();
  CHECK(moves == header["total"]["moves"]);
  CHECK(bytes == header["total"]["moved"]);
  CHECK(moves > 0);
}

TEST_CASE("tensors without a source: said, and exit 1") {
  const Result result = run({"transfer", "--from", large, "--to", megatron});
  CHECK(result.exit == 1);
  CHECK(contains(result.out, "no tensor has the same name"));
  CHECK(contains(result.out, "sent by nobody"));
  CHECK(contains(result.out, "left behind"));
}

TEST_CASE("wrong usage and bad input: exit 2 and nothing on stdout") {
  const std::vector<std::vector<std::string>> wrong{
      {"transfer"},
      {"transfer", "--from", llama},
      {"transfer", "--from", llama, "--to", llama, "--all"},
      {"transfer", "--from", llama, "--to", llama, "--replicas", "far"},
      {"transfer", "--from", llama, "--to", llama, "--tensor", "model.norm.wieght"},
      {"transfer", "--from", llama, "--to", llama, "--set-to", "distributed_strategy.tensor_model_parallel_size=7"},
      {"transfer", "--from", llama, "--to", llama, "--set-up", "a=1"}};
  for (const auto& arguments : wrong) cli_test::check_refused(arguments);
  CHECK(contains(run(wrong[4]).err, "did you mean 'model.norm.weight'?"));
}
