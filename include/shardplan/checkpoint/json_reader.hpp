#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/checkpoint/mapped_file.hpp>
#include <shardplan/checkpoint/refusal.hpp>
#include <shardplan/core/types.hpp>
#include <shardplan/core/utf8.hpp>

/// JSON read piece by piece and without a tree, for headers whose grammar is known beforehand.
namespace shardplan::checkpoint {

/// A cursor over JSON in UTF-8 (RFC 8259, nothing beyond it). The caller asks for what must come next; whatever else is
/// there is refused with the file, the byte and what was expected. Time is linear in the text and nothing is allocated
/// but strings that hold escapes.
///
///     JsonReader json("SP-CHECKPOINT-006", header);
///     json.object([&](std::string_view key) { sizes[key] = json.size(); });
///     json.end();
///
/// Not looked for: keys that occur twice, which whoever keeps the keys sees.
class JsonReader {
 public:
  /// rule     the id of every refusal
  /// Errors   that rule: the text is not UTF-8
  JsonReader(std::string_view rule, FilePart text) : rule_(rule), part_(std::move(text)), text_(part_.text()) {
    std::size_t at = 0;
    while (at < text_.size()) {
      std::uint64_t eight = 0;
      if (at + sizeof eight <= text_.size()) {
        std::memcpy(&eight, text_.data() + at, sizeof eight);
        if ((eight & 0x8080808080808080U) == 0) {
          at += sizeof eight;
          continue;
        }
      }
      const std::size_t length = shardplan::detail::utf8_length(text_.substr(at));
      if (length == 0) refuse_at(at, "the text is not UTF-8");
      at += length;
    }
  }

  /// First letter of what comes next, after white space; NUL at the end.
  char peek() {
    for (; at_ < text_.size(); ++at_) {
      const char letter = text_[at_];
      if (letter > ' ' || (letter != ' ' && letter != '\n' && letter != '\r' && letter != '\t')) return letter;
    }
    return '\0';
  }

  bool accept(char letter) {
    if (peek() != letter || at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  void expect(char letter) {
    if (!accept(letter)) wrong(concat('\'', letter, '\''));
  }

  /// Nothing but white space is left.
  void end() {
    if (peek() != '\0' || at_ != text_.size()) wrong("the end");
  }

  /// An object: member(key) reads the value. The key lives as long as the call.
  template <class Member>
  void object(Member&& member) {
    expect('{');
    if (accept('}')) return;
    std::string unescaped;
    do {
      const std::string_view key = string(unescaped);
      expect(':');
      member(key);
    } while (accept(','));
    if (!accept('}')) wrong("',' or '}'");
  }

  /// An array: item() reads one.
  template <class Item>
  void array(Item&& item) {
    expect('[');
    if (accept(']')) return;
    do item();
    while (accept(','));
    if (!accept(']')) wrong("',' or ']'");
  }

  /// A string: part of the text, or of `unescaped` where it holds escapes.
  std::string_view string(std::string& unescaped) {
    if (peek() != '"') wrong("a string");
    const std::size_t begin = ++at_;
    skip_plain();
    if (text_[at_] == '"') return text_.substr(begin, at_++ - begin);
    unescaped.assign(text_.substr(begin, at_ - begin));
    while (text_[at_] != '"') {
      unescape(unescaped);
      const std::size_t plain = at_;
      skip_plain();
      unescaped += text_.substr(plain, at_ - plain);
    }
    ++at_;
    return unescaped;
  }
  std::string string() {
    std::string unescaped;
    const std::string_view out = string(unescaped);
    return out.data() == unescaped.data() ? unescaped : std::string(out);
  }

  /// An integer from 0 to 2^63 - 1, as digits.
  Index size() {
    const char first = peek();
    if (first < '0' || first > '9') wrong("an integer that is not negative");
    const std::size_t begin = at_;
    Index out = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      if (__builtin_mul_overflow(out, Index{10}, &out) || __builtin_add_overflow(out, Index{text_[at_] - '0'}, &out))
        refuse_at(begin, "the number does not fit 63 bits");
    if (first == '0' && at_ - begin > 1) refuse_at(begin, "a number begins with 0");
    if (at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E'))
      refuse_at(begin, "the number is not an integer");
    return out;
  }

  /// Any value, checked and passed over. Levels of nesting: 64.
  void skip(int levels = 64) {
    if (levels == 0) refuse_at(at_, "nested more than 64 deep");
    std::string unescaped;
    switch (peek()) {
      case '{':
        return object([&](std::string_view) { skip(levels - 1); });
      case '[':
        return array([&] { skip(levels - 1); });
      case '"':
        string(unescaped);
        return;
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  std::size_t position() const { return at_; }

  [[noreturn]] void refuse_at(std::size_t at, std::string_view reason, std::string_view hint = {}) const {
    refuse(rule_, part_, at, reason, hint);
  }

 private:
  [[noreturn]] void wrong(std::string_view expected) const {
    const std::string found = at_ == text_.size() ? "the end" : shown(text_.substr(at_, 1));
    refuse_at(at_, concat("expected ", expected, ", found ", found));
  }

  /// Up to the next quote or backslash.
  void skip_plain() {
    std::size_t at = at_;
    // Eight at a time: a byte minus n borrows into its highest bit where it is less than n.
    constexpr std::uint64_t ones = 0x0101010101010101U, highest = ones * 0x80;
    for (std::uint64_t eight = 0; at + sizeof eight <= text_.size(); at += sizeof eight) {
      std::memcpy(&eight, text_.data() + at, sizeof eight);
      const std::uint64_t quote = eight ^ ones * '"', slash = eight ^ ones * '\\';
      const std::uint64_t less =
          ((eight - ones * 0x20) & ~eight) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
      if ((less & highest) != 0) break;
    }
    for (; at < text_.size(); ++at) {
      const char letter = text_[at];
      if (letter == '"' || letter == '\\') {
        at_ = at;
        return;
      }
      if (static_cast<unsigned char>(letter) < 0x20) refuse_at(at, "a control character in a string");
    }
    refuse_at(at, "a string without end");
  }

  unsigned hex4() {
    unsigned out = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char letter = at_ < text_.size() ? text_[at_] : '\0';
      const char lower = static_cast<char>(letter | 0x20);
      if (letter >= '0' && letter <= '9')
        out = out * 16 + static_cast<unsigned>(letter - '0');
      else if (lower >= 'a' && lower <= 'f')
        out = out * 16 + static_cast<unsigned>(lower - 'a') + 10;
      else
        wrong("four hexadecimal digits");
    }
    return out;
  }

  /// Pre: at a backslash.
  void unescape(std::string& out) {
    constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    const std::size_t begin = at_++;
    if (at_ == text_.size()) refuse_at(at_, "a string without end");
    const char letter = text_[at_++];
    if (const std::size_t known = letters.find(letter); known != std::string_view::npos) {
      out += meant[known];
      return;
    }
    if (letter != 'u') refuse_at(begin, "an escape that JSON does not know");
    unsigned code = hex4();
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      at_ += 2;
      const unsigned low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) refuse_at(begin, "half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code >= 0xD800 && code < 0xE000) refuse_at(begin, "half of a surrogate pair");
    const auto add = [&](unsigned byte) { out += static_cast<char>(byte); };
    if (code < 0x80) return add(code);
    if (code < 0x800) {
      add(0xC0 | code >> 6);
    } else {
      if (code < 0x10000) {
        add(0xE0 | code >> 12);
      } else {
        add(0xF0 | code >> 18);
        add(0x80 | (code >> 12 & 0x3F));
      }
      add(0x80 | (code >> 6 & 0x3F));
    }
    add(0x80 | (code & 0x3F));
  }

  void word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) wrong(expected);
    at_ += expected.size();
  }

  bool digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > begin;
  }

  void number() {
    const auto next = [&](std::string_view letters) {
      const bool found = at_ < text_.size() && letters.find(text_[at_]) != std::string_view::npos;
      at_ += found;
      return found;
    };
    next("-");
    if (!next("0") && !digits()) wrong("a value");
    if (next(".") && !digits()) wrong("a digit");
    if (next("eE")) {
      next("+-");
      if (!digits()) wrong("a digit");
    }
  }

  std::string rule_;
  FilePart part_;
  std::string_view text_;
  std::size_t at_ = 0;
};

/// Appends a JSON string with its quotes, escaped no more than JSON demands. Pre: UTF-8.
inline void append_json(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef", controls = "\b\f\n\r\t", letters = "bfnrt";
  out += '"';
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') {
      (out += '\\') += letter;
    } else if (static_cast<unsigned char>(letter) >= 0x20) {
      out += letter;
    } else if (const std::size_t known = controls.find(letter); known != std::string_view::npos) {
      (out += '\\') += letters[known];
    } else {
      ((out += "\\u00") += hex[static_cast<std::size_t>(letter) >> 4]) += hex[static_cast<std::size_t>(letter) & 15];
    }
  }
  out += '"';
}

}  // namespace shardplan::checkpoint
