#include <shardplan/config/yaml.hpp>

#include "support.hpp"

// Configurations of other people, where they are present: every one is read as OmegaConf reads it.

using namespace shardplan;

namespace {

const std::filesystem::path folder = SHARDPLAN_CONF_DIR;

std::vector<std::string> files(const std::filesystem::path& of, std::string_view extension) {
  std::vector<std::string> out;
  if (std::filesystem::is_directory(of))
    for (const auto& entry : std::filesystem::directory_iterator(of))
      if (entry.path().extension() == extension) out.push_back(entry.path().string());
  return out;
}

}  // namespace

TEST_CASE("public files resolve to what OmegaConf makes of them") {
  const std::filesystem::path recorded = folder / "../../golden/conf_resolved.json";
  if (!std::filesystem::exists(recorded)) return;
  const Node golden = read_yaml(recorded.string());
  const Mapping* expected = golden.find("files")->as<Mapping>();
  REQUIRE(expected != nullptr);
  for (const Mapping::Entry& file : *expected) {
    CAPTURE(file.key);
    if (!std::filesystem::exists(folder / file.key)) continue;
    const Resolved out = resolve(read_yaml((folder / file.key).string()));
    CHECK(ids_of(out.diagnostics) == Ids{});
    CHECK(out.tree == file.value);
    // The order of keys is the file's too.
    CHECK(text_of(out.tree) == text_of(file.value));
  }
}

TEST_CASE("NxDT's own examples load without a finding") {
  for (const std::string& file : files(folder / "nxdt", ".yaml")) {
    CAPTURE(file);
    const Bound out = bind(resolve(read_yaml(file)).tree);
    CHECK(places(out.diagnostics) == Ids{});
  }
}

TEST_CASE("public architecture files are understood or refused") {
  for (const std::string& file : files(folder / "hf", ".json")) {
    CAPTURE(file);
    const auto [config, diagnostics] = bind_huggingface(read_yaml(file));
    const bool known = file.find("dbrx") == std::string::npos;
    CHECK(ids_of(diagnostics) == (known ? Ids{} : Ids{"SP-CONFIG-016"}));
    if (known) CHECK(config.hidden_size % config.num_attention_heads == 0);
  }
}
