#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "program.hpp"

// The pictures of examples/gallery are those that its script makes, to the byte. After a change that is meant, the
// script makes them anew.

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("gallery: every picture is what its command makes") {
  const fs::path root = SHARDPLAN_SOURCE_DIR, gallery = root / "examples/gallery";
  std::string made = (fs::temp_directory_path() / "shardplan-gallery-XXXXXX").string();
  REQUIRE(mkdtemp(made.data()) != nullptr);
  const std::string command =
      "cd '" + root.string() + "' && examples/gallery/make.sh '" SHARDPLAN_CLI "' '" + made + "'";
  CHECK(std::system(command.c_str()) == 0);
  std::size_t pictures = 0;
  for (const auto& entry : fs::directory_iterator(made)) {
    ++pictures;
    CAPTURE(entry.path().filename());
    CHECK((read(entry.path()) == read(gallery / entry.path().filename())));
  }
  for (const auto& entry : fs::directory_iterator(gallery))
    if (entry.path().extension() == ".svg") CHECK(fs::exists(fs::path(made) / entry.path().filename()));
  CHECK(pictures > 5);
  fs::remove_all(made);
}
