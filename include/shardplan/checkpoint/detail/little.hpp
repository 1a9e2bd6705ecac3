#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <shardplan/core/utf8.hpp>

/// Numbers in files, lowest byte first, whatever this machine's order is.
namespace shardplan::checkpoint::detail {

// This room's `detail` hides that of the library, which other headers of the room name in short.
using shardplan::detail::utf8_length;

/// The number that begins at `at`. Pre: it lies inside.
template <class T>
constexpr T little(std::string_view bytes, std::size_t at) {
  std::uint64_t out = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) out = out << 8 | static_cast<unsigned char>(bytes[at + i]);
  return static_cast<T>(out);
}

template <class T>
void append_little(std::string& out, T number) {
  const auto bits = static_cast<std::uint64_t>(number);
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(bits >> (8 * i) & 0xFF);
}

}  // namespace shardplan::checkpoint::detail
