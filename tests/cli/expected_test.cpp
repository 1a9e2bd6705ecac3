#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "program.hpp"

// What the program says about every configuration of examples/configs, to the byte: tests/cli/expected has
// CONFIG.DIALECT.txt and CONFIG.DIALECT.json, and the README shows one of them. Where a dialect refuses a
// configuration, because NxD cannot run it, the refusal is what is expected, and there is no JSON. After a change that
// is meant
//
//     SHARDPLAN_UPDATE=1 build/release/bin/tests_cli -tc='expected*'
//
// writes them all anew, README included; `git diff` then shows what has changed.

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path root = SHARDPLAN_SOURCE_DIR;
const fs::path folder = root / "tests/cli/expected";
const bool updates = std::getenv("SHARDPLAN_UPDATE") != nullptr;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

/// The line where two texts part, from both, since all of them would fill pages.
std::string difference(const std::string& expected, const std::string& got) {
  const auto [a, b] = std::mismatch(expected.begin(), expected.end(), got.begin(), got.end());
  const auto line = [](const std::string& text, std::string::const_iterator at) {
    const std::size_t offset = static_cast<std::size_t>(at - text.begin());
    const std::size_t before = offset == 0 ? text.npos : text.rfind('\n', offset - 1);
    const std::size_t begin = before == text.npos ? 0 : before + 1;
    return text.substr(begin, text.find('\n', offset) - begin);
  };
  return "expected: " + line(expected, a) + "\ngot:      " + line(got, b);
}

std::vector<std::string> configs() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(root / "examples/configs"))
    if (entry.path().extension() == ".yaml") out.push_back(entry.path().stem());
  std::sort(out.begin(), out.end());
  return out;
}

/// The plan of a configuration, named as from the root of the project, so that no other path is in it.
std::string plan(const std::string& config, const std::string& dialect, const std::string& format) {
  const cli_test::Result result = cli_test::run_as({
      .arguments = {"plan", "examples/configs/" + config + ".yaml", "--dialect", dialect, "--format", format},
      .folder = root,
  });
  if (dialect == "strict") CHECK_MESSAGE(result.exit == 0, result.err);
  CHECK((result.exit == 0 || (result.exit == 2 && result.out.empty())));
  return result.exit == 0 || format == "json" ? result.out : result.err;
}

Json figures(const std::string& config) { return Json::parse(read(folder / (config + ".strict.json"))); }

}  // namespace

TEST_CASE("expected: the plans of the examples, in both dialects, as text and as JSON") {
  std::set<std::string> names;
  for (const std::string& config : configs()) {
    for (const char* dialect : {"strict", "compat"}) {
      for (const auto& [format, extension] : {std::pair{"text", ".txt"}, {"json", ".json"}}) {
        const std::string name = config + "." + dialect + extension;
        const std::string got = plan(config, dialect, format);
        if (got.empty()) continue;
        names.insert(name);
        if (updates) write(folder / name, got);
        const std::string expected = read(folder / name);
        const bool same = got == expected;  // doctest would print both in full
        CHECK_MESSAGE(same, name << "\n" << difference(expected, got));
      }
    }
  }
  CHECK(names.size() >= 15);
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (updates && !names.contains(entry.path().filename()))
      fs::remove(entry.path());
    else
      CHECK_MESSAGE(names.contains(entry.path().filename()), entry.path() << " is expected of nothing");
  }
}

TEST_CASE("expected: the README shows the plan of its first command") {
  std::string readme = read(root / "README.md");
  const std::string got = plan("llama3_70b_trn1", "strict", "text");
  const std::size_t begin = readme.find("llama3_70b_trn1: "), end = readme.find("```", begin);
  REQUIRE(begin != readme.npos);
  REQUIRE(end != readme.npos);
  if (updates) write(root / "README.md", readme.replace(begin, end - begin, got));
  const std::string shown = readme.substr(begin, readme.find("```", begin) - begin);
  const bool same = shown == got;
  CHECK_MESSAGE(same, difference(shown, got));
}

// The expected files are what the program printed once. These figures are not: they are worked out here, from the sizes
// that the configurations state and the rules of the sheets, with nothing of the library.

TEST_CASE("figures: Llama-3 8B on 64 ranks of trn2, worked out by hand") {
  const Json plan = figures("llama3_8b_trn2"), stage = plan["memory"]["stages"][0];
  constexpr long h = 4096, f = 14336, layers = 32, heads = 32, kv = 8, d = 128, vocab = 128256, s = 8192;
  constexpr long t = 8, data = 64 / t;

  constexpr long matrices = h * (heads + 2 * kv) * d + heads * d * h + 3 * h * f;  // of a layer
  constexpr long parameters = layers * (matrices + 2 * h) + h + 2 * vocab * h;
  static_assert(parameters == 8'030'261'248);  // what Hugging Face counts
  CHECK(plan["summary"]["params_total"] == parameters);
  CHECK(plan["summary"]["num_microbatches"] == 1024 / data);

  // Matrices and tables are cut over the tensor ranks, norms are whole; ZeRO-1 cuts all over the data ranks.
  constexpr long local = layers * (matrices / t + 2 * h) + h + 2 * vocab / t * h;
  CHECK(stage["parameters"] == local);
  CHECK(stage["optimizer_elements"] == local / data);
  CHECK(stage["weights"] == 2 * local);
  CHECK(stage["gradients"] == 4 * local);
  CHECK(stage["master_weights"] == 4 * local / data);
  CHECK(stage["optimizer_state"] == 8 * local / data);

  // One microbatch: a layer keeps (8h + 4q + 4kr + 6f) T / t, its attention statistics are computed again; embedding
  // and head stand on the same rank.
  constexpr long layer = (8 * h + 4 * heads * d + 4 * kv * d + 6 * f) * s / t;
  constexpr long ends = 8 * s + 2 * h * s / t + 2 * 2 * h * s / t + s * vocab / t * (2 + 4);
  CHECK(stage["activations"] == layers * layer + ends);
  CHECK(plan["memory"]["device"] == 24L << 30);
}

TEST_CASE("figures: Llama-3 70B on 512 ranks of trn1, worked out by hand") {
  const Json plan = figures("llama3_70b_trn1"), stages = plan["memory"]["stages"];
  constexpr long h = 8192, f = 28672, layers = 80, heads = 64, kv = 8, d = 128, vocab = 128256;
  constexpr long t = 32, p = 8, data = 512 / t / p, copies = 4;

  constexpr long rest = heads * d * h * 2 + 3 * h * f;
  constexpr long parameters = layers * (rest + 2 * kv * d * h + 2 * h) + h + 2 * vocab * h;
  static_assert(parameters == 70'553'706'496);
  CHECK(plan["summary"]["params_total"] == parameters);
  CHECK(plan["summary"]["num_microbatches"] == 1024 / data);

  for (long stage = 0; stage < p; ++stage) {
    // KV heads are copied for the tensor ranks, ten layers stand on a stage, the tables on the first and the last.
    const long inside = layers / p * ((rest + copies * 2 * kv * d * h) / t + 2 * h);
    const long local = inside + (stage == 0 ? vocab / t * h : stage == p - 1 ? vocab / t * h + h : 0);
    const Json& said = stages[static_cast<std::size_t>(stage)];
    CAPTURE(stage);
    CHECK(said["parameters"] == local);
    CHECK(said["weights"] == 2 * local);
    CHECK(said["gradients"] == 4 * local);
    CHECK(said["master_weights"] == 4 * local / data);
    CHECK(said["optimizer_state"] == 8 * local / data);
    CHECK(said["in_flight"] == p - stage);  // 1F1B
  }
}
