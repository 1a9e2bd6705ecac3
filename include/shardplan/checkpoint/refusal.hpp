#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include <shardplan/checkpoint/mapped_file.hpp>
#include <shardplan/core/diagnostic.hpp>
#include <shardplan/core/utf8.hpp>

/// How the readers of containers refuse a file: with its path, the byte and the reason.
namespace shardplan::checkpoint {

/// A name out of a file as it may stand in a message: in quotes, at most 120 bytes of it, what a terminal would obey or
/// cannot show replaced by `?`.
inline std::string shown(std::string_view text) {
  constexpr std::size_t limit = 120;
  std::string out = "'";
  while (!text.empty() && out.size() < limit) {
    const std::size_t length = shardplan::detail::utf8_length(text);
    const auto letter = static_cast<unsigned char>(text[0]);
    // C1 controls are two bytes in UTF-8: C2 80 to C2 9F.
    const bool control = letter < 0x20 || letter == 0x7F ||
                         (letter == 0xC2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xA0);
    out += length == 0 || control ? std::string_view("?") : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  if (!text.empty()) out += "...";
  return out += '\'';
}

/// `'model.safetensors' at byte 8: reason`
///
/// at       in the part, told as that of the file
/// Errors   the rule named
[[noreturn]] inline void refuse(std::string_view id, const FilePart& part, std::size_t at, std::string_view reason,
                                std::string_view hint = {}) {
  fail(id, concat('\'', part.file.path(), "' at byte ", part.offset + at, ": ", reason), hint, {"path"});
}

}  // namespace shardplan::checkpoint
