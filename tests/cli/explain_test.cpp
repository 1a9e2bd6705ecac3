#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "program.hpp"

using cli_test::contains;
using cli_test::Result;
using cli_test::run;
using Json = nlohmann::ordered_json;

namespace {

const std::string llama = SHARDPLAN_SOURCE_DIR "/examples/configs/llama3_70b_trn1.yaml";
const std::string qkv = "model.layers.3.self_attn.qkv_proj.weight_qkv";

}  // namespace

TEST_CASE("an element: its cuts and its holders") {
  const Result text = run({"explain", llama, "--tensor", qkv, "--index", "8300,17"});
  CHECK(text.exit == 0);
  // K row 108 of 1,024: KV head 0, which the ranks with tp mod 8 = 0 have, on both data ranks of the first stage.
  for (const char* part : {"[10240, 8192]", "stage 0 of 8", "position 108 of 1024", "tp mod 8: part 0 of 8",
                           "0-56 by 8", "[364, 17]", "optimizer state", "dimension 1, index 17 of 8192: not cut"})
    CHECK_MESSAGE(contains(text.out, part), part);
  CHECK_FALSE(contains(text.out, "warning"));  // findings are for stderr
  CHECK(contains(text.err, "SP-TENSOR-006"));

  const Json json =
      Json::parse(run({"explain", llama, "--tensor", qkv, "--index", "[8300, 17]", "--format", "json"}).out);
  CHECK(json["schema"] == "shardplan-explain-1");
  CHECK(json["weight"][0]["count"] == 8);
  CHECK(json["weight"][0]["local"] == Json({364, 17}));
  CHECK(json["optimizer_state"][0]["count"] == 4);
  CHECK(json["rank"].is_null());
}

TEST_CASE("a rank: what its shard covers") {
  const Result held = run({"explain", llama, "--tensor", qkv, "--rank", "8"});
  CHECK(held.exit == 0);
  CHECK(contains(held.out, "covers [q "));
  CHECK(contains(held.out, "slice of the optimizer state"));
  CHECK_FALSE(contains(held.out, "element ["));
  const Result none = run({"explain", llama, "--tensor", qkv, "--rank", "64"});
  CHECK(none.exit == 0);
  CHECK(contains(none.out, "has no shard of it"));
}

TEST_CASE("a rule, in letters of either case; an unknown one and its neighbours") {
  for (const char* id : {"R5", "r5"}) {
    const Result rule = run({"explain", id});
    CHECK(rule.exit == 0);
    CHECK(rule.err.empty());
    CHECK(contains(rule.out, "R5, error"));
    CHECK(contains(rule.out, "attention heads divide"));
  }
  CHECK(Json::parse(run({"explain", "SP-MESH-005", "--format", "json"}).out)["rule"] == "SP-MESH-005");
  const Result unknown = run({"explain", "SP-MESH-099"});
  CHECK(unknown.exit == 2);
  CHECK(unknown.out.empty());
  CHECK(contains(unknown.err, "no rule has the id 'SP-MESH-099'"));
  CHECK(contains(unknown.err, "SP-MESH-009"));
}

TEST_CASE("wrong usage and bad input: exit 2 and nothing on stdout") {
  const std::vector<std::vector<std::string>> wrong{{"explain"},
                                                    {"explain", llama},
                                                    {"explain", llama, "--tensor", qkv},
                                                    {"explain", "no-such-thing"},
                                                    {"explain", llama, "--tensor", qkv, "--index", "1"},
                                                    {"explain", llama, "--tensor", qkv, "--index", "1,x"},
                                                    {"explain", llama, "--tensor", qkv, "--index", "10240,0"},
                                                    {"explain", llama, "--tensor", qkv, "--rank", "512"},
                                                    {"explain", llama, "--tensor", qkv, "--rank", "-1"},
                                                    {"explain", llama, "--tensor", "x", "--index", "0"}};
  for (const auto& arguments : wrong) cli_test::check_refused(arguments);
  CHECK(contains(run(wrong[6]).err, "SP-PLAN-001"));
  CHECK(contains(run(wrong[6]).err, "[0, 0] to [10239, 8191]"));
}
