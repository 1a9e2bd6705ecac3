#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "kinds.hpp"

namespace {

using namespace conformance;
namespace fs = std::filesystem;

constexpr const char* usage =
    "usage: shardplan_conformance [--conf DIR] DIR...\n"
    "\n"
    "Runs every case of the recorded figures (*.json) in the folders through the library and compares.\n"
    "A case is an element of any top-level list of objects, an entry of `files`, else the whole file.\n"
    "NAME.in.yaml, NAME.out.yaml and NAME.dropped.json are one case, a migration; a folder of *.yaml alone holds\n"
    "configurations without fault, or such as migrate.\n"
    "\n"
    "  --conf DIR   configurations that some figures are about (default: DIR/../data/conf of their folder)\n"
    "\n"
    "Exit: 0 nothing failed, 1 something failed, 2 bad usage.\n";

struct Counts {
  std::size_t passed = 0, failed = 0, uncovered = 0;
};

Kinds all_kinds() {
  Kinds out;
  for (const auto& some :
       {mesh_kinds(), shard_kinds(), layer_kinds(), model_kinds(), pipeline_kinds(), zero_kinds(), context_kinds(),
        optim_kinds(), data_kinds(), xla_kinds(), transfer_kinds(), schedule_kinds(), device_kinds(),
        megatron_rank_kinds(), config_kinds(), migration_kinds(), uncovered_kinds()})
    out.insert(out.end(), some.begin(), some.end());
  return out;
}

const Kind* recognise(const Kinds& kinds, Kind::Scope scope, const Json& object, const Json& file) {
  for (const Kind& kind : kinds)
    if (kind.scope == scope && kind.matches(object, file)) return &kind;
  return nullptr;
}

/// Checks one object; what it throws is a difference like any other.
void run(const Kind& kind, Document& document, std::size_t of_case, const Field& object) {
  try {
    kind.check(object);
  } catch (const std::exception& error) {
    document.differ(of_case, document.cases()[of_case].path, "a case of kind " + std::string(kind.name), error.what());
  }
}

void check(const Kinds& kinds, Document& document) {
  auto& cases = document.cases();
  const Field file(document);
  const Json& json = document.json();
  file.skip({"schema"});
  if (const Kind* whole = recognise(kinds, Kind::Scope::file, json, json)) {
    for (auto& one : cases) one.covered = whole->check != nullptr;
    cases[0].counts = document.records_more();
    file.skip({"case"});
    if (whole->check) run(*whole, document, 0, file);
    return;
  }
  bool covered = false;
  for (std::size_t i = 1; i < cases.size(); ++i) {
    const Kind* kind = recognise(kinds, Kind::Scope::element, *cases[i].json, json);
    cases[i].covered = !kind || kind->check;
    covered = covered || cases[i].covered;
    const Field object(document, i);
    object.skip({"id", "name"});
    if (!kind) object.differ("no known kind of case");
    if (kind && kind->check) run(*kind, document, i, object);
  }
  cases[0].covered = covered || cases.size() == 1;
  if (cases.size() == 1) file.differ("no known kind of case");
}

Json parsed(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Json::parse(in);
}

/// The name of a file of a migration without `end`; empty where it is none.
std::string migration_name(const fs::path& file, std::string_view end) {
  const std::string path = file.string();
  if (!path.ends_with(end)) return {};
  std::string name = path.substr(0, path.size() - end.size());
  for (const char* const other : {".in.yaml", ".out.yaml", ".dropped.json"})
    if (!fs::exists(name + other)) return {};
  return name;
}

/// What a file records. Files that belong together, and configurations by themselves, are put in words of their own.
Json recorded(const fs::path& path) {
  if (const std::string name = migration_name(path, ".dropped.json"); !name.empty()) {
    Json dropped = Json::object();
    for (const Json& one : parsed(path)) dropped[one.at("key").get<std::string>()] = one.at("reason");
    return {{"source", name + ".in.yaml"}, {"result", name + ".out.yaml"}, {"dropped", dropped}};
  }
  if (path.extension() == ".yaml") return {{"configuration", path.string()}};
  Json out = parsed(path);
  // An index of configurations with faults names files beside itself.
  if (has(out, {"cases"}) && out["cases"].is_array())
    for (Json& one : out["cases"])
      if (has(one, {"file", "rule", "keys"}) && one["file"].is_string())
        one["file"] = (path.parent_path() / one["file"].get<std::string>()).string();
  return out;
}

/// The files of a folder that record something.
std::vector<fs::path> recording_files(const fs::path& folder, std::error_code& error) {
  std::vector<fs::path> out, configurations;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".json") out.push_back(entry.path());
    if (entry.path().extension() == ".yaml") configurations.push_back(entry.path());
  }
  if (out.empty()) out = std::move(configurations);
  std::sort(out.begin(), out.end());
  return out;
}

Counts run_file(const Kinds& kinds, const fs::path& path, const std::string& conf) {
  Counts out;
  std::vector<Difference> differences;
  try {
    Document document(recorded(path), conf);
    check(kinds, document);
    Field(document).report_unread();
    for (const auto& one : document.cases()) {
      if (!one.counts && one.differences.empty()) continue;
      ++(!one.covered ? out.uncovered : one.differences.empty() ? out.passed : out.failed);
      differences.insert(differences.end(), one.differences.begin(), one.differences.end());
    }
  } catch (const std::exception& error) {
    out = {0, 1, 0};
    differences = {{"the file", "JSON", error.what()}};
  }
  std::string line = path.filename().string() + ": " + std::to_string(out.passed) + " passed";
  if (out.failed > 0) line += ", " + std::to_string(out.failed) + " failed";
  if (out.uncovered > 0) line += ", " + std::to_string(out.uncovered) + " uncovered";
  std::printf("%s\n", line.c_str());
  constexpr std::size_t shown = 5;
  for (std::size_t i = 0; i < differences.size() && i < shown; ++i)
    std::printf("  %s\n    expected %s\n    got      %s\n", differences[i].path.c_str(),
                differences[i].expected.c_str(), differences[i].got.c_str());
  if (differences.size() > shown) std::printf("  and %zu more differences\n", differences.size() - shown);
  return out;
}

int bad_usage(const std::string& what) {
  std::fprintf(stderr, "shardplan_conformance: %s\n%s", what.c_str(), usage);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::string conf;
  std::vector<fs::path> folders;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--help") return std::fputs(usage, stdout) < 0 ? 3 : 0;
    if (argument == "--conf") {
      if (++i == argc) return bad_usage("--conf needs a folder");
      conf = argv[i];
      if (!fs::is_directory(conf)) return bad_usage("no folder " + conf);
    } else if (argument.starts_with("-")) {
      return bad_usage("unknown option " + argument);
    } else {
      folders.emplace_back(argument);
    }
  }
  if (folders.empty()) return bad_usage("no folder given");

  const Kinds kinds = all_kinds();
  Counts sum;
  for (const fs::path& folder : folders) {
    std::error_code error;
    const std::vector<fs::path> files = recording_files(folder, error);
    if (error) return bad_usage("cannot read folder " + folder.string() + ": " + error.message());
    if (files.empty()) return bad_usage("no *.json or *.yaml in folder " + folder.string());
    for (const fs::path& file : files) {
      const Counts one = run_file(kinds, file, conf.empty() ? (folder / ".." / "data" / "conf").string() : conf);
      sum.passed += one.passed;
      sum.failed += one.failed;
      sum.uncovered += one.uncovered;
    }
  }
  std::printf("%zu passed, %zu failed, %zu uncovered\n", sum.passed, sum.failed, sum.uncovered);
  return sum.failed == 0 ? 0 : 1;
}
