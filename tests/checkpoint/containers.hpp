#pragma once
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <shardplan/checkpoint/mapped_file.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "../thrown.hpp"

// Containers made by hand for the tests.
namespace shardplan::checkpoint {

inline FilePart part_of(std::string_view text) {
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return FilePart(MappedFile::of_memory("made by a test", {begin, begin + text.size()}));
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A folder that lives as long as the test.
struct TemporaryFolder {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("shardplan_test_" + std::to_string(getpid()) + "_" + std::to_string(count++));
  TemporaryFolder() { std::filesystem::create_directories(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path); }

  std::string write(std::string_view name, std::string_view text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return (path / name).string();
  }
  std::string read(std::string_view name) const {
    std::ifstream file(path / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path)) out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }

  static inline int count = 0;
};

/// A safetensors file of a header as it is given.
inline std::string safetensors_of(std::string_view header, std::string_view data) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return out.append(header).append(data);
}

constexpr std::size_t tar_block = 512;

/// Sets the checksum of the header that begins at `at`.
inline void set_checksum(std::string& tar, std::size_t at = 0) {
  tar.replace(at + 148, 8, "        ");
  unsigned sum = 0;
  for (std::size_t i = 0; i < tar_block; ++i) sum += static_cast<unsigned char>(tar[at + i]);
  tar[at + 154] = '\0';
  for (std::size_t i = 6; i-- > 0; sum /= 8) tar[at + 148 + i] = static_cast<char>('0' + sum % 8);
}

/// Header and blocks of a member.
inline std::string tar_member(std::string_view name, std::string_view content, char type = '0',
                              std::string_view magic = std::string_view("ustar\0"
                                                                        "00",
                                                                        8)) {
  std::string out(tar_block, '\0');
  out.replace(0, name.size(), name);
  out.replace(100, 8, std::string_view("0000644\0", 8));
  std::size_t size = content.size();
  for (std::size_t i = 11; i-- > 0; size /= 8) out[124 + i] = static_cast<char>('0' + size % 8);
  out[156] = type;
  out.replace(257, magic.size(), magic);
  set_checksum(out);
  out += content;
  out.resize((out.size() + tar_block - 1) / tar_block * tar_block);
  return out;
}

inline std::string tar_end() { return std::string(2 * tar_block, '\0'); }

/// One record of a pax header; its length counts itself.
inline std::string pax_record(std::string_view key, std::string_view value) {
  const std::string rest = concat(' ', key, '=', value, '\n');
  std::size_t length = rest.size() + 1;
  while (concat(length).size() + rest.size() != length) ++length;
  return concat(length, rest);
}

}  // namespace shardplan::checkpoint
