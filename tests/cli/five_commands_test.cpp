#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "program.hpp"

// The commands of the README's section on migration, run as they stand there on the file that they speak of.

namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("README: from NeMo to NxDT in five commands") {
  const fs::path root = SHARDPLAN_SOURCE_DIR;
  const std::string readme = text_of(root / "README.md");
  const std::size_t section = readme.find("## From NeMo to NxDT in five commands");
  REQUIRE(section != readme.npos);
  const std::size_t begin = readme.find("```\n", section) + 4, end = readme.find("```", begin);
  std::string made = (fs::temp_directory_path() / "shardplan-five-XXXXXX").string();
  REQUIRE(mkdtemp(made.data()) != nullptr);
  const fs::path folder = made;
  fs::copy_file(root / "examples/migration/nemo_llama_7b.yaml", folder / "nemo_llama_7b.yaml");

  std::istringstream lines(readme.substr(begin, end - begin));
  const std::string programs = fs::path(SHARDPLAN_CLI).parent_path().string();
  std::size_t commands = 0;
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    ++commands;
    REQUIRE(line.starts_with("shardplan "));
    std::ofstream(folder / "line.sh") << line << '\n';
    const std::string run = "cd '" + made + "' && PATH='" + programs + "':\"$PATH\" sh ./line.sh > out." +
                            std::to_string(commands) + " 2>&1";
    CHECK(std::system(run.c_str()) == 0);
    CHECK(fs::file_size(folder / ("out." + std::to_string(commands))) > 0);
  }
  CHECK(commands == 5);
  CHECK(text_of(folder / "nxdt_llama_7b.yaml").find("# 20 B tokens") != std::string::npos);
  CHECK(text_of(folder / "back.yaml").find("num_query_groups: 32") != std::string::npos);
  fs::remove_all(folder);
}
