#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "program.hpp"

namespace {

using Json = nlohmann::json;
const std::string configs = SHARDPLAN_SOURCE_DIR "/examples/configs/";

/// An example configuration with one line for another.
std::string changed(const std::string& config, const std::string& line, const std::string& instead) {
  std::ifstream file(configs + config);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t at = text.find(line);
  REQUIRE(at != text.npos);
  return text.replace(at, line.size(), instead);
}

}  // namespace

TEST_CASE("check: findings with rule, key and place, as text and as JSON") {
  const cli_test::TemporaryFile file(
      "bad.yaml",
      changed("megatron_llama2_13b_trn1.yaml", "tensor_model_parallel_size: 8", "tensor_model_parallel_size: 7"));
  const auto text = cli_test::run({"check", file.path});
  CHECK(text.exit == 2);
  CHECK(text.err.empty());
  CHECK(text.out.find(file.path + ':') != text.out.npos);
  CHECK(text.out.find("error R2: ") != text.out.npos);
  const auto result = cli_test::run({"check", file.path, "--format", "json"});
  CHECK(result.exit == 2);
  const Json json = Json::parse(result.out);
  CHECK(json["schema"] == "shardplan-check-1");
  CHECK(json["errors"].get<int>() + json["warnings"].get<int>() + json["notes"].get<int>() ==
        static_cast<int>(json["findings"].size()));
  bool found = false;
  for (const Json& one : json["findings"]) {
    CHECK_FALSE(one["rule"].get<std::string>().empty());
    for (const Json& key : one["keys"])
      found = found || (one["id"] == "R2" && key["key"] == "distributed_strategy.tensor_model_parallel_size" &&
                        key["line"].get<int>() > 1 && key["file"] == file.path);
  }
  CHECK(found);
}

TEST_CASE("check: pitfalls that no plan sees") {
  const auto ids_of = [](const std::string& path, std::vector<std::string> environment = {}) {
    const auto result =
        cli_test::run_as({.arguments = {"check", path, "--format", "json"}, .environment = environment});
    std::vector<std::string> out;
    const Json json = Json::parse(result.out);
    for (const Json& one : json["findings"]) out.push_back(one["id"]);
    return out;
  };
  const auto count = [](const std::vector<std::string>& ids, const char* id) {
    return std::count(ids.begin(), ids.end(), id);
  };
  const auto plain = ids_of(configs + "llama3_70b_trn1.yaml");
  CHECK(count(plain, "SP-CONFIG-020") == 0);
  CHECK(count(plain, "SP-CONFIG-022") >= 2);  // weight decay, and its switch for norms
  const auto with = ids_of(configs + "llama3_70b_trn1.yaml", {"NEURON_RT_EXEC_TIMEOUT=5", "COMPILE=1"});
  CHECK(count(with, "SP-CONFIG-020") == 2);
  const cli_test::TemporaryFile other(
      "a.yaml", changed("megatron_llama2_13b_trn1.yaml", "trainer:\n", "trainer:\n  accumulate_grad_batches: 4\n"));
  CHECK(count(ids_of(other.path), "SP-CONFIG-023") == 1);
}

TEST_CASE("check: exit codes") {
  const std::string good = configs + "llama3_8b_trn2.yaml";
  CHECK(cli_test::run({"check", good}).exit == 0);
  CHECK(cli_test::run({"check", good, "--warnings-as-errors"}).exit == 1);
  CHECK(cli_test::run({"check", configs + "none.yaml"}).exit == 3);
  const cli_test::TemporaryFile broken("b.yaml", "a: [");
  CHECK(cli_test::run({"check", broken.path}).exit == 2);
}
