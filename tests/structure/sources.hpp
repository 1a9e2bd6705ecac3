#pragma once
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

/// The headers of this project as text, and what the order of rooms says about them.
namespace structure {

/// Rooms from the top of the house down: a room includes only rooms before it.
/// `version` belongs to nobody and may be named anywhere; `shardplan` is the facade over all pure rooms up to `plan`.
inline const std::vector<std::string> rooms = {"version",  "core",    "mesh",       "layout",    "model", "tensor",
                                               "pipeline", "zero",    "plan",       "shardplan", "data",  "optim",
                                               "config",   "migrate", "checkpoint", "backend",   "cpu",   "mpi",
                                               "neuron",   "train",   "report"};

/// `mesh` of `shardplan/mesh/view.hpp` and of `shardplan/mesh.hpp`.
inline std::string room_of(const std::string& header) {
  const auto path = std::filesystem::path(header).lexically_relative("shardplan");
  return (path.has_parent_path() ? *path.begin() : path.stem()).string();
}

/// Position of a room in `rooms`; -1 for a folder that is no room.
inline int position(const std::string& room) {
  const auto found = std::find(rooms.begin(), rooms.end(), room);
  return found == rooms.end() ? -1 : static_cast<int>(found - rooms.begin());
}

/// Whether `header` may include `<shardplan/...>`.
inline bool may_include(const std::string& header, const std::string& included) {
  const int from = position(room_of(header)), to = position(room_of(included));
  return from >= 0 && to >= 0 && (to < from || room_of(header) == room_of(included));
}

/// All matches of the first group of `pattern`, in order.
inline std::vector<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern, std::regex::ECMAScript | std::regex::multiline);
  std::vector<std::string> out;
  for (std::sregex_iterator at(text.begin(), text.end(), expression), end; at != end; ++at) out.push_back((*at)[1]);
  return out;
}

/// What stands between the brackets of `#include <...>`.
inline std::vector<std::string> includes(const std::string& text) { return matches(text, "^ *# *include *<([^>]+)>"); }

/// Ids of diagnostics anywhere but in a comment behind `//`.
inline std::vector<std::string> named_ids(const std::string& text) {
  return matches(std::regex_replace(text, std::regex("//[^\n]*"), ""), "\\b(R[0-9]+|SP-[A-Z]+-[0-9]+)\\b");
}

/// Ids of diagnostics that stand in quotes.
inline std::vector<std::string> ids(const std::string& text) { return matches(text, "\"(R[0-9]+|SP-[A-Z]+-[0-9]+)\""); }

/// Text of every file with that extension below a folder, keyed by its path relative to the folder.
inline std::map<std::string, std::string> files(const std::filesystem::path& folder, std::string_view extension) {
  std::map<std::string, std::string> out;
  if (!std::filesystem::exists(folder)) return out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().extension() != extension) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    out[entry.path().lexically_relative(folder).string()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return out;
}

}  // namespace structure
