#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>

#include <shardplan/checkpoint/mapped_file.hpp>

/// The sample checkpoints, where they are present.
namespace shardplan::checkpoint {

/// SHARDPLAN_SAMPLES_DIR, which may be the folder above them.
inline const std::filesystem::path folder = [] {
  const std::filesystem::path given = SHARDPLAN_SAMPLES_DIR;
  return std::filesystem::is_directory(given / "checkpoints") ? given / "checkpoints" : given;
}();

/// In the order of the file.
inline nlohmann::ordered_json read_json(const std::filesystem::path& path) {
  return nlohmann::ordered_json::parse(MappedFile(path.string()).text());
}

}  // namespace shardplan::checkpoint
