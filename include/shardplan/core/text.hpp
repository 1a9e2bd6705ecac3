#pragma once
#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

#include <shardplan/core/types.hpp>

/// Text for diagnostics: locale-free, no dependency.
namespace shardplan {

inline void append_to(std::string& out, std::string_view text) { out += text; }
inline void append_to(std::string& out, const char* text) { out += text; }
inline void append_to(std::string& out, char letter) { out += letter; }
inline void append_to(std::string& out, bool flag) { out += flag ? "true" : "false"; }
template <std::integral I>
void append_to(std::string& out, I number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}
template <class Tag>
void append_to(std::string& out, Ordinal<Tag> ordinal) {
  append_to(out, ordinal.value);
}

/// All parts one after the other: `concat("world ", 32, " is not a multiple of ", 24)`.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string out;
  (append_to(out, parts), ...);
  return out;
}

/// The items between separators: `join(list, ", ")`.
template <class Range>
std::string join(const Range& items, std::string_view separator) {
  std::string out;
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += separator;
    first = false;
    append_to(out, item);
  }
  return out;
}

}  // namespace shardplan
