#include "sources.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <shardplan/core/rules.hpp>
#include <shardplan/version.hpp>

namespace {

const std::filesystem::path source = SHARDPLAN_SOURCE_DIR;
const auto headers = structure::files(source / "include", ".hpp");
const auto includes_of = [] {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& [header, text] : headers) out[header] = structure::includes(text);
  return out;
}();

/// Rooms that `shardplan/shardplan.hpp` stands for.
bool is_planning(const std::string& header) {
  return structure::position(structure::room_of(header)) < structure::position("shardplan");
}

bool is_private(const std::string& header) { return header.find("/detail/") != std::string::npos; }

/// All headers of ours that including this one brings in.
std::set<std::string> closure(const std::string& header) {
  std::set<std::string> seen;
  std::vector<std::string> todo{header};
  while (!todo.empty()) {
    const std::string next = todo.back();
    todo.pop_back();
    if (!includes_of.contains(next) || !seen.insert(next).second) continue;
    todo.insert(todo.end(), includes_of.at(next).begin(), includes_of.at(next).end());
  }
  return seen;
}

/// Whether a header names only the standard library, directly and through headers of our own.
bool is_pure(const std::string& header) {
  for (const std::string& reached : closure(header)) {
    for (const std::string& included : includes_of.at(reached))
      if (!includes_of.contains(included) && included.find_first_of("./") != included.npos) return false;
  }
  return true;
}

/// Headers of more than 400 lines, and why each is better whole.
const std::map<std::string, std::string> long_headers = {};

/// Standard headers too heavy for what every user of the planners includes, or that clang 14 cannot read.
const std::set<std::string> heavy = {"filesystem", "format", "fstream",         "functional", "iostream",
                                     "map",        "ranges", "source_location", "regex",      "sstream"};

}  // namespace

TEST_CASE("the readers of sources see what they are to see") {
  CHECK(structure::room_of("shardplan/mesh/view.hpp") == "mesh");
  CHECK(structure::room_of("shardplan/mesh/detail/digits.hpp") == "mesh");
  CHECK(structure::room_of("shardplan/mesh.hpp") == "mesh");
  CHECK(structure::includes("#include <vector>\n  // <list>\n#include <shardplan/mesh.hpp>\n") ==
        std::vector<std::string>{"vector", "shardplan/mesh.hpp"});
  CHECK(structure::ids("fail(\"R12\", \"SP-MESH-003\" SP-CORE-001)") == std::vector<std::string>{"R12", "SP-MESH-003"});
  CHECK(structure::named_ids("CHECK(x == \"error R12: \");  // R13\n{\"SP-MESH-003\"}; XR14 R15a") ==
        std::vector<std::string>{"R12", "SP-MESH-003"});
  CHECK(structure::may_include("shardplan/plan/plan.hpp", "shardplan/mesh.hpp"));
  CHECK(structure::may_include("shardplan/mesh/view.hpp", "shardplan/mesh/axis.hpp"));
  CHECK_FALSE(structure::may_include("shardplan/mesh/view.hpp", "shardplan/plan/strategy.hpp"));
  CHECK_FALSE(structure::may_include("shardplan/core/text.hpp", "shardplan/shardplan.hpp"));
  CHECK_FALSE(structure::may_include("shardplan/train/adapt.hpp", "shardplan/report/text.hpp"));
  CHECK_FALSE(structure::may_include("shardplan/attic/old.hpp", "shardplan/core/types.hpp"));
  REQUIRE(headers.size() > 10);
}

TEST_CASE("a room includes only rooms above it, and only headers that exist") {
  for (const auto& [path, text] : headers) {
    const std::string& header = path;  // clang 14 cannot capture a structured binding
    CAPTURE(header);
    CHECK(structure::position(structure::room_of(header)) >= 0);
    CHECK(structure::matches(text, "^ *# *include *(\"[^\"]*\")").empty());
    for (const std::string& included : includes_of.at(header)) {
      if (!included.starts_with("shardplan/")) continue;
      CAPTURE(included);
      CHECK(headers.contains(included));
      CHECK(structure::may_include(header, included));
    }
  }
}

TEST_CASE("planning headers are pure and light") {
  for (const auto& [path, text] : headers) {
    const std::string& header = path;
    if (!is_planning(header)) continue;
    CAPTURE(header);
    CHECK(is_pure(header));
    for (const std::string& included : includes_of.at(header)) CHECK_MESSAGE(!heavy.contains(included), included);
  }
}

TEST_CASE("every room has an umbrella, which includes all that is pure in it") {
  for (const auto& [path, text] : headers) {
    const std::string& header = path;
    const std::string room = structure::room_of(header), umbrella = "shardplan/" + room + ".hpp";
    CAPTURE(header);
    if (!headers.contains(umbrella)) {
      FAIL_CHECK("no " << umbrella);
      continue;
    }
    if (header == umbrella || is_private(header) || (is_pure(umbrella) && !is_pure(header))) continue;
    CHECK_MESSAGE(closure(umbrella).contains(header), "not reached from " << umbrella);
  }
}

TEST_CASE("shardplan.hpp reaches every planning room") {
  const auto reached = closure("shardplan/shardplan.hpp");
  for (const std::string& room : structure::rooms) {
    if (room == "shardplan") break;
    const bool reaches = std::any_of(reached.begin(), reached.end(),
                                     [&](const std::string& header) { return structure::room_of(header) == room; });
    CHECK_MESSAGE(reaches, room);
  }
}

TEST_CASE("a header has at most 400 lines, or a little more, or a reason") {
  for (const auto& [path, text] : headers) {
    const std::string& header = path;
    const auto lines = std::count(text.begin(), text.end(), '\n');
    CAPTURE(header);
    WARN(lines <= 400);
    if (!long_headers.contains(header)) CHECK(lines <= 500);
    CHECK(text.find("#pragma once") != std::string::npos);
  }
}

TEST_CASE("ids: unique in the table, and no other is used") {
  std::set<std::string_view> known;
  for (const auto& rule : shardplan::rule_table)
    CHECK_MESSAGE(known.insert(rule.id).second, rule.id << " occurs twice");

  std::set<std::string> used;
  auto texts = headers;
  texts.merge(structure::files(source / "examples", ".cpp"));
  texts.erase("shardplan/core/rules.hpp");
  for (const auto& [path, text] : texts) {
    const std::string& file = path;
    if (file.starts_with("shardplan/report/rule_pages/")) continue;  // these name every id
    for (const std::string& id : structure::ids(text)) {
      CHECK_MESSAGE(known.contains(id), file << " uses " << id << ", which is not in the table");
      used.insert(id);
    }
  }
  for (const auto id : known)
    if (id.starts_with("SP-"))
      CHECK_MESSAGE(used.contains(std::string(id)), id << " is in the table, but nothing uses it");
}

TEST_CASE("ids: every one is the subject of a test") {
  std::set<std::string> tested;
  auto texts = structure::files(source / "tests", ".cpp");
  texts.merge(structure::files(source / "tests", ".hpp"));
  for (const auto& [file, text] : texts)
    if (!file.starts_with("structure/"))
      for (const std::string& id : structure::named_ids(text)) tested.insert(id);
  for (const auto& rule : shardplan::rule_table)
    CHECK_MESSAGE(tested.contains(std::string(rule.id)), "no test names " << rule.id);
}

TEST_CASE("the README shows the program that users are to write as it is built") {
  const auto text_of = [](const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string program = text_of(source / "examples/quickstart/main.cpp"), readme = text_of(source / "README.md");
  const std::string shown = program.substr(program.find("#include"));
  REQUIRE(shown.size() > 500);
  CHECK(readme.find("```cpp\n" + shown + "```\n") != readme.npos);
}

TEST_CASE("the version is the same everywhere") {
  CHECK(shardplan::version == std::string_view(SHARDPLAN_PROJECT_VERSION));
  std::ifstream changelog(source / "CHANGELOG.md");
  const std::string text{std::istreambuf_iterator<char>(changelog), {}};
  CHECK(text.find(std::string("## ") + shardplan::version) != std::string::npos);
}
