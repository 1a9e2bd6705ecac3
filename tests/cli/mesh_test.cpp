#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <shardplan/layout/notation.hpp>
#include <string>
#include <vector>

#include "program.hpp"

namespace sp = shardplan;
using cli_test::contains;
using cli_test::Result;
using cli_test::run;
using Json = nlohmann::ordered_json;

namespace {

Result mesh(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "mesh");
  return run(std::move(arguments));
}

Json json(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--format", "json"});
  const Result result = mesh(std::move(arguments));
  REQUIRE_MESSAGE((result.exit == 0 || result.exit == 1), result.err);
  return Json::parse(result.out);
}

}  // namespace

TEST_CASE("mesh --help: every option and notation, in 100 columns; every example runs") {
  const Result help = mesh({"--help"});
  CHECK(help.exit == 0);
  CHECK(help.err.empty());
  for (const char* option : {"--notation", "--order", "--sizes", "--world", "--hardware", "--lnc", "--node", "--offset",
                             "--grid", "--dialect", "--rank", "--groups", "--all", "--as", "--same-as", "--rename",
                             "--format", "shardplan-mesh-1", "Exit codes"})
    CHECK_MESSAGE(contains(help.out, option), option);
  for (const sp::OrderNotation& one : sp::order_notations) CHECK(contains(help.out, one.name));
  std::size_t examples = 0;
  for (std::size_t at = 0; at < help.out.size();) {
    const std::size_t end = std::min(help.out.find('\n', at), help.out.size());
    std::string line = help.out.substr(at, end - at);
    CHECK_MESSAGE(line.size() <= 100, line);
    at = end + 1;
    if (!line.starts_with("  shardplan mesh ")) continue;
    if (line.ends_with('\\')) {
      const std::size_t next = std::min(help.out.find('\n', at), help.out.size());
      line.back() = ' ';
      line += help.out.substr(at, next - at);
      at = next + 1;
    }
    // Words as a shell splits them: blanks outside of single quotes.
    std::vector<std::string> words{""};
    bool quoted = false;
    for (const char c : line.substr(sizeof "  shardplan mesh")) {
      if (c == '\'')
        quoted = !quoted;
      else if (c == ' ' && !quoted)
        words.emplace_back();
      else
        words.back() += c;
    }
    std::erase(words, "");
    const Result result = mesh(words);
    CHECK_MESSAGE(result.exit == 0, line << '\n' << result.err);
    CHECK_FALSE(result.out.empty());
    ++examples;
  }
  CHECK(examples >= 5);
}

TEST_CASE("overview: axes and group kinds with size, count, stride and the first groups") {
  const Result all = mesh({"--order", "tp-cp-ep-dp-pp", "--sizes", "tp=8,pp=4", "--world", "64"});
  CHECK(all.exit == 0);
  CHECK(all.err.empty());
  CHECK(all.out.starts_with("Megatron-Core: 64 ranks, 0 to 63"));
  for (const char* part : {"pipeline_model_parallel", "[0, 16, 32, 48] [1, 17, 33, 49]", "[0, 1, ..., 7]",
                           "of one rank each: ", "size 1: "})
    CHECK_MESSAGE(contains(all.out, part), part);
  // At a million ranks it is as short.
  const Result large = mesh({"--sizes", "tp=8,pp=4", "--world", "1048576"});
  CHECK(large.exit == 0);
  CHECK(large.out.size() < 2 * all.out.size());
  CHECK(contains(large.out, "[0, 8, ..., 262136]"));
}

TEST_CASE("JSON: every notation's example, its axes, kinds and groups as the library has them") {
  for (const sp::OrderNotation& one : sp::order_notations) {
    CAPTURE(std::string(one.name));
    const sp::View view = one.parse(one.example);
    const sp::Rank last = view.offset() + view.size() - 1;
    const Json all = json({"--notation", std::string(one.name), "--order", std::string(one.example), "--rank",
                           sp::concat(last), "--groups", std::string(view.axes()[0].axis.name())});
    CHECK(all["schema"] == "shardplan-mesh-1");
    CHECK(all["notation"] == std::string(one.name));
    CHECK(all["ranks"] == view.size());
    REQUIRE(all["axes"].size() == view.axes().size());
    const sp::Place place = view.place(last);
    for (std::size_t i = 0; i < view.axes().size(); ++i) {
      const std::string axis(view.axes()[i].axis.name());
      CHECK(all["axes"][i]["name"] == axis);
      CHECK(all["axes"][i]["size"] == view.axes()[i].size);
      CHECK(all["rank"]["place"][axis] == place[i]);
    }
    CHECK(all["rank"]["groups"].size() == all["kinds"].size());
    // The groups listed hold every rank once, and each agrees in all other axes.
    std::vector<int> seen(static_cast<std::size_t>(view.size()), 0);
    CHECK(all["groups"]["ranks"].size() == all["groups"]["count"]);
    for (const Json& group : all["groups"]["ranks"]) {
      const sp::Place first = view.place(group[0].get<sp::Index>());
      for (const Json& member : group) {
        ++seen[static_cast<std::size_t>(member.get<sp::Index>() - view.offset())];
        const sp::Place here = view.place(member.get<sp::Index>());
        for (std::size_t i = 1; i < here.size(); ++i) CHECK(here[i] == first[i]);
      }
    }
    for (const int times : seen) CHECK(times == 1);
    for (const Json& kind : all["kinds"]) {
      if (kind["strides"].is_null()) continue;
      sp::Index product = 1;
      for (const Json& stride : kind["strides"]) product *= stride["extent"].get<sp::Index>();
      CHECK(product == kind["size"]);
      CHECK(kind["first_group"].size() == kind["size"]);
    }
  }
}

TEST_CASE("--as prints what --same-as proves, in every pair of notations") {
  std::size_t pairs = 0;
  for (const char* from : {"megatron", "deepspeed", "devicemesh", "xla", "shardy", "cute"})
    for (const char* to :
         {"megatron", "nxd", "deepspeed", "devicemesh", "hyper", "jax-torus", "xla", "shardy", "cute"}) {
      const std::vector<std::string> order{"--notation", from, "--order",
                                           std::string(sp::order_notation(from).example)};
      auto as = order, same = order;
      as.insert(as.end(), {"--as", to});
      const Result printed = mesh(as);
      REQUIRE_MESSAGE(printed.exit == 0, printed.err);
      REQUIRE(printed.out.ends_with('\n'));
      same.insert(same.end(), {"--same-as", std::string(to) + ' ' + printed.out.substr(0, printed.out.size() - 1)});
      const Result proven = mesh(same);
      CHECK_MESSAGE(proven.exit == 0, proven.out << proven.err);
      CHECK(proven.out.starts_with("same order: "));
      ++pairs;
    }
  CHECK(pairs == 54);
}

TEST_CASE("--same-as: exit 1 and the first rank that differs, with both places") {
  const std::vector<std::string> order{"--sizes", "tp=8,pp=4", "--world",
                                       "64",      "--same-as", "deepspeed data=2,pipe=4,model=8"};
  const Result text = mesh(order);
  CHECK(text.exit == 1);
  CHECK(text.err.empty());
  CHECK(text.out == "different orders, first at rank 8\n  here   tp 0, dp 1, pp 0\n  there  tp 0, pp 1, dp 0\n");
  const Json all = json(order);
  CHECK(all["same_as"]["same"] == false);
  CHECK(all["same_as"]["first_difference"]["rank"] == 8);
  CHECK(all["same_as"]["first_difference"]["here"]["dp"] == 1);
  CHECK(all["same_as"]["first_difference"]["there"]["pp"] == 1);
  CHECK(mesh({"--notation", "torchtitan", "--sizes", "tp=8", "--world", "16", "--same-as", "nxd tp=8 world=16",
              "--rename", "dp_shard=dp"})
            .exit == 0);
}

TEST_CASE("groups: a kind by name, Megatron's spelling or axes; all ranks only where asked for") {
  const std::vector<std::string> order{"--sizes", "tp=2,pp=2", "--world", "256"};
  const auto groups = [&](std::vector<std::string> more) {
    auto arguments = order;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return mesh(arguments);
  };
  const Result few = groups({"--groups", "TENSOR_MODEL_PARALLEL_GROUP"});
  CHECK(few.exit == 0);
  CHECK(contains(few.out, "128 groups of 2 ranks"));
  CHECK(contains(few.out, "and 112 more; --all"));
  CHECK(groups({"--groups", "tensor_model_parallel"}).out == few.out);
  const Result all = groups({"--groups", "tp-dp", "--all"});
  CHECK(all.exit == 0);
  CHECK(contains(all.out, " 125, 126, 127]"));
  CHECK_FALSE(contains(all.out, "..."));
  CHECK(contains(groups({"--groups", "embedding", "--rank", "3"}).out, "Rank 3: tp 1, dp 1, pp 0"));
}

TEST_CASE("options of the machine reach the order") {
  const Json spread = json({"--notation", "nxd", "--sizes", "tp=4", "--world", "64", "--node", "32"});
  CHECK(spread["kinds"][0]["first_group"] == Json({0, 8, 16, 24}));
  const Json ring =
      json({"--notation", "nxd", "--sizes", "tp=64", "--world", "64", "--hardware", "trn2", "--lnc", "1"});
  CHECK(ring["wire"]["physical"] == Json({0, 3, 1, 2}));
  CHECK(ring["kinds"][0]["strides"].is_null());
  CHECK(json({"--sizes", "tp=2", "--offset", "8"})["first_rank"] == 8);
  const std::vector<std::string> moe{"--sizes", "tp=4,pp=2,ep=8 etp=1", "--world", "32"};
  auto expert = moe;
  expert.insert(expert.end(), {"--grid", "expert"});
  CHECK(json(moe)["digits"][0]["axis"] == "tp");
  CHECK(json(expert)["digits"][0]["axis"] == "ep");
  const std::vector<std::string> rings{"--notation", "nxd",        "--sizes", "tp=32,ep=2", "--world",
                                       "128",        "--hardware", "trn2",    "--grid",     "expert"};
  auto compat = rings;
  compat.insert(compat.end(), {"--dialect", "compat"});
  CHECK_FALSE(json(rings)["wire"].is_null());
  CHECK(json(compat)["wire"].is_null());
}

TEST_CASE("bad input: exit 2, nothing on stdout, an id and what would be valid") {
  struct Case {
    std::vector<std::string> arguments;
    std::string_view says;
  };
  for (const Case& c :
       {Case{{}, "SP-MESH-014"}, Case{{"--notation", "megatorn", "--sizes", "tp=2"}, "hint: megatron"},
        Case{{"--order", "tp-xp"}, "SP-MESH-014"}, Case{{"--sizes", "tp=3", "--world", "8"}, "a world of 6 or 9"},
        Case{{"--sizes", "tp=2", "--rank", "2"}, "SP-MESH-009"},
        Case{{"--sizes", "tp=2", "--groups", "zp"}, "SP-MESH-007"},
        Case{{"--sizes", "tp=2", "--groups", "tp-tp"}, "SP-MESH-014"},
        Case{{"--sizes", "tp=2", "--same-as", "nxd tp=4"}, "SP-MESH-015"},
        Case{{"--sizes", "tp=2", "--same-as", "nxd dp=2"}, "SP-MESH-015"},
        Case{{"--sizes", "tp=2", "--same-as", "elsewhere tp=2"}, "SP-MESH-014"},
        Case{{"--sizes", "cp=2,dp=2", "--as", "tensorrt-llm"}, "SP-MESH-014"},
        Case{{"--sizes", "tp=2", "--as", "xml"}, "SP-MESH-014"},
        Case{{"--notation", "xla", "--order", "{devices=[2"}, "SP-LAYOUT-012"},
        Case{{"--notation", "nxd", "--sizes", "tp=3,pp=1", "--world", "8"}, "error R2"},
        Case{{"--sizes", "tp=2", "--rename", "tp"}, "is not A=B"}, Case{{"--sizes", "tp=2", "--all"}, "--groups"},
        Case{{"--sizes", "tp=2", "--format", "xml"}, "--format"}, Case{{"--sizes", "tp=2", "--world", "0"}, "--world"},
        Case{{"--sizes", "tp=2", "--grid", "sparse"}, "--grid"}}) {
    CAPTURE(std::string(c.says));
    const Result result = mesh(c.arguments);
    CHECK(result.exit == 2);
    CHECK(result.out.empty());
    CHECK_MESSAGE(contains(result.err, c.says), result.err);
  }
}
