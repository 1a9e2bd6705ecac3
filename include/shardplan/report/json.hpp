#pragma once
#include <charconv>
#include <cmath>
#include <concepts>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/core/shape.hpp>
#include <shardplan/core/utf8.hpp>

/// JSON, written piece by piece and without a tree behind it.
namespace shardplan {

/// Appends a JSON string with its quotes. Post: valid JSON in UTF-8 whatever `text` is; bytes that are no UTF-8 become
/// U+FFFD.
inline void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const std::size_t length = detail::utf8_length(text);
    const char letter = text[0];
    if (letter == '"' || letter == '\\')
      (out += '\\') += letter;
    else if (letter == '\n')
      out += "\\n";
    else if (letter == '\t')
      out += "\\t";
    else if (length == 1 && letter < ' ')
      ((out += "\\u00") += hex[static_cast<std::size_t>(letter) >> 4]) += hex[static_cast<std::size_t>(letter) & 15];
    else
      out += length == 0 ? std::string_view("\\ufffd") : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

/// Writes JSON at the end of a string: members and items in the order of the calls, commas where they belong.
///
///     JsonWriter json(text, 2);
///     json.begin_object().member("schema", "shardplan-plan-1").key("shape").value(shape).end_object();
///
/// Locale-free; integers in full, doubles in the fewest digits that read back the same, other numbers (infinite, not a
/// number) as null. The caller may take text away from the string between two calls.
///
/// Pre      calls nest as the grammar of JSON has it
class JsonWriter {
 public:
  /// indent: blanks a level, 0 for all on one line.
  explicit JsonWriter(std::string& out, int indent = 0) : out_(&out), indent_(indent) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  /// The next object or array stands on one line with all that is in it.
  JsonWriter& flat() {
    flat_next_ = true;
    return *this;
  }

  JsonWriter& key(std::string_view name) {
    separate();
    append_json_string(*out_, name);
    *out_ += ": ";
    after_key_ = true;
    return *this;
  }

  JsonWriter& value(std::string_view text) {
    separate();
    append_json_string(*out_, text);
    return *this;
  }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(std::nullptr_t) { return raw("null"); }
  JsonWriter& value(bool flag) { return raw(flag ? "true" : "false"); }
  template <std::integral I>
  JsonWriter& value(I number) {
    separate();
    append_to(*out_, number);
    return *this;
  }
  template <class Tag>
  JsonWriter& value(Ordinal<Tag> ordinal) {
    return value(ordinal.value);
  }
  JsonWriter& value(double number) {
    if (!std::isfinite(number)) return raw("null");
    char digits[32];
    return raw({digits, std::to_chars(digits, digits + sizeof digits, number).ptr});
  }
  template <class T>
  JsonWriter& value(const std::optional<T>& maybe) {
    return maybe ? value(*maybe) : raw("null");
  }
  /// Items of one kind, on one line.
  template <class T>
  JsonWriter& value(std::span<const T> items) {
    flat().begin_array();
    for (const T& item : items) value(item);
    return end_array();
  }
  template <class T>
  JsonWriter& value(const std::vector<T>& items) {
    return value(std::span<const T>(items));
  }
  JsonWriter& value(const Shape& shape) { return value(std::span<const Index>(shape.data(), shape.size())); }

  /// Text that is JSON already.
  JsonWriter& raw(std::string_view json) {
    separate();
    *out_ += json;
    return *this;
  }

  template <class T>
  JsonWriter& member(std::string_view name, const T& what) {
    return key(name).value(what);
  }

 private:
  struct Level {
    bool empty = true;
    bool flat = false;
  };

  JsonWriter& open(char bracket) {
    separate();
    *out_ += bracket;
    const bool inside_flat = !levels_.empty() && levels_.back().flat;
    levels_.push_back({true, inside_flat || std::exchange(flat_next_, false) || indent_ == 0});
    return *this;
  }
  JsonWriter& close(char bracket) {
    const Level level = levels_.back();
    levels_.pop_back();
    if (!level.flat && !level.empty) new_line();
    *out_ += bracket;
    return *this;
  }
  /// What stands between the last thing written and the next one.
  void separate() {
    if (std::exchange(after_key_, false) || levels_.empty()) return;
    Level& level = levels_.back();
    if (!level.empty) *out_ += level.flat ? ", " : ",";
    if (!level.flat) new_line();
    level.empty = false;
  }
  void new_line() {
    *out_ += '\n';
    out_->append(levels_.size() * static_cast<std::size_t>(indent_), ' ');
  }

  std::string* out_;
  int indent_;
  bool after_key_ = false;
  bool flat_next_ = false;
  InlineVector<Level, 16> levels_;
};

}  // namespace shardplan
