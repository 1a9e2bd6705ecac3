#pragma once
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <shardplan/config/interpolation.hpp>
#include <shardplan/config/yaml_reader.hpp>

#include "../thrown.hpp"

/// What the tests of this room share.
namespace shardplan {

/// The value under `key` of a text once it is resolved; the text must be without fault.
inline Node resolved_value(std::string_view text, std::string_view key) {
  const Resolved out = resolve(read_yaml_text(text));
  REQUIRE(ids_of(out.diagnostics) == Ids{});
  REQUIRE(find_path(out.tree, key) != nullptr);
  return *find_path(out.tree, key);
}

/// `3:7 R2 a.b` for every finding: place, id, key.
inline std::vector<std::string> places(const Diagnostics& all) {
  std::vector<std::string> out;
  for (const Diagnostic& one : all) {
    REQUIRE(!one.origins.empty());
    const Origin& at = one.origins[0];
    out.push_back(concat(at.line, ':', at.column, ' ', one.id, ' ', at.key));
  }
  return out;
}

/// The same for what `run` throws.
template <class F>
std::vector<std::string> thrown_places(F&& run) {
  try {
    run();
  } catch (const Error& error) {
    return places(error.diagnostics());
  }
  return {};
}

/// A folder that is gone at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "shardplan-config-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(file(name), std::ios::binary) << text;
    return file(name);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace shardplan
