#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <regex>
#include <shardplan/mesh/world.hpp>
#include <shardplan/model/hub.hpp>

#include "program.hpp"

namespace {

using Words = std::vector<std::string>;

/// What bash offers for the last of the words that are typed so far, sorted.
Words offered(const Words& typed) {
  // Bash knows compopt only while it completes.
  std::string script = "compopt() { :; }; . '" SHARDPLAN_SOURCE_DIR
                       "/examples/shardplan/completion.bash'; COMP_WORDS=('" SHARDPLAN_CLI "'";
  for (const std::string& word : typed) script += " '" + word + "'";
  script += "); COMP_CWORD=" + std::to_string(typed.size()) + "; _shardplan shardplan '" + typed.back() + "' '" +
            (typed.size() > 1 ? typed[typed.size() - 2] : "shardplan") + "'; printf '%s\\n' \"${COMPREPLY[@]}\"";
  FILE* bash =
      popen(("exec bash -c \"" + std::regex_replace(script, std::regex(R"([\\"$`])"), "\\$&") + "\"").c_str(), "r");
  REQUIRE(bash != nullptr);
  Words out;
  std::array<char, 512> line{};
  while (std::fgets(line.data(), static_cast<int>(line.size()), bash) != nullptr) {
    std::string word = line.data();
    word.pop_back();
    out.push_back(word);
  }
  CHECK(pclose(bash) == 0);
  std::sort(out.begin(), out.end());
  return out;
}

/// The first group of every match in what the program prints, sorted.
Words printed(const Words& arguments, const char* pattern) {
  const std::string text = cli_test::run(arguments).out;
  const std::regex expression(pattern, std::regex::ECMAScript | std::regex::multiline);
  Words out;
  for (std::sregex_iterator at(text.begin(), text.end(), expression), end; at != end; ++at) out.push_back((*at)[1]);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("completion: the verbs and the options that there are") {
  const char* option = "^ +(?:-\\w,)?(--[-a-z0-9]+)";
  REQUIRE(printed({"--help"}, "^  ([a-z]+) +[A-Z]").size() > 0);
  CHECK(offered({""}) == printed({"--help"}, "^  ([a-z]+) +[A-Z]"));
  CHECK(offered({"-"}) == printed({"--help"}, option));
  for (const std::string& verb : printed({"--help"}, "^  ([a-z]+) +[A-Z]")) {
    const Words options = printed({verb, "--help"}, option);
    CHECK(options.size() > 2);
    CHECK(offered({verb, "-"}) == options);
  }
}

TEST_CASE("completion: models, machines and words are those of the tables") {
  Words models, machines;
  for (const std::string_view name : shardplan::model_names()) models.emplace_back(name);
  for (const shardplan::HardwareInfo& known : shardplan::hardware_table) machines.emplace_back(known.name);
  std::sort(models.begin(), models.end());
  std::sort(machines.begin(), machines.end());
  CHECK(offered({"plan", "--model", ""}) == models);
  CHECK(offered({"plan", "--hardware", ""}) == machines);
  CHECK(offered({"plan", "--hardware", "trn1"}) == Words{"trn1", "trn1n"});
  for (const char* option : {"--dialect", "--format", "--rank"}) {
    const Words words = offered({"plan", option, ""});
    CHECK_FALSE(words.empty());
    for (const std::string& word : words)
      CHECK_MESSAGE(
          cli_test::run({"plan", SHARDPLAN_SOURCE_DIR "/examples/configs/llama3_8b_trn2.yaml", option, word}).exit == 0,
          word);
  }
}

TEST_CASE("completion: configurations, and nothing where anything may stand") {
  const Words files = offered({"plan", SHARDPLAN_SOURCE_DIR "/examples/configs/llama3_8b"});
  CHECK(files == Words{SHARDPLAN_SOURCE_DIR "/examples/configs/llama3_8b_trn2.yaml"});
  CHECK(offered({"plan", "--vocab-size", ""}) == Words{""});
}
