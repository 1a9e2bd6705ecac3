#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <ios>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <shardplan/core/diagnostic.hpp>
#include <shardplan/core/text.hpp>

/// Small binary files: read whole, checked by whoever knows what is in them, and never left half-written.
namespace shardplan::data {

static_assert(std::endian::native == std::endian::little, "data files are little-endian");

/// Errors SP-DATA-008 the file cannot be read.
inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string out;
  // Not by iterators: where the system refuses to read, as it does a directory, these throw what nobody expects.
  char block[std::size_t{1} << 14];
  while (file.read(block, sizeof block) || file.gcount() > 0)
    out.append(block, static_cast<std::size_t>(file.gcount()));
  if (!file.is_open() || file.bad()) fail("SP-DATA-008", concat("'", path, "' cannot be read"), {}, {"path"});
  return out;
}

/// Writes beside the file and renames, so that whoever opens `path` finds the old file or the whole new one.
///
/// write    (std::ostream&)
/// Errors   SP-DATA-008 the file cannot be written
template <class Write>
void write_file(const std::string& path, Write&& write) {
  const std::string beside = path + ".tmp";
  std::ofstream file(beside, std::ios::binary | std::ios::trunc);
  if (file) write(file);
  file.close();
  if (!file || std::rename(beside.c_str(), path.c_str()) != 0) {
    std::remove(beside.c_str());
    fail("SP-DATA-008", concat("'", path, "' cannot be written"), {}, {"path"});
  }
}

/// The bytes of numbers, as they lie in memory.
template <class T, std::size_t Extent>
std::string_view bytes_of(std::span<const T, Extent> numbers) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()};
}

/// The number that begins at `at`. Pre: it lies inside.
template <class T>
T number_at(std::string_view bytes, std::size_t at) {
  T out;
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

}  // namespace shardplan::data
