#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/config/scalar.hpp>

/// The lines of a YAML file, cut at the marks of its keys, and values written as YAML.
namespace shardplan::migrate {

namespace detail {

inline bool is_blank(std::string_view line) { return line.find_first_not_of(" \t") == line.npos; }
inline bool is_comment(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  return first != line.npos && line[first] == '#';
}
inline std::size_t indent_of(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

/// May a text stand without quotes and stay that text? flow: between brackets.
inline bool is_plain(std::string_view text, bool flow) {
  if (text.empty() || !std::holds_alternative<std::string>(plain_scalar(text))) return false;
  if (text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  constexpr std::string_view indicators = "-?:,[]{}#&*!|>'\"%@`=";
  const bool dash = text[0] == '-' && text.size() > 1 && text[1] != ' ';
  if (indicators.find(text[0]) != indicators.npos && !dash) return false;
  if (text == "---" || text == "..." || text == "<<") return false;
  if (flow && text.find_first_of(",[]{}") != text.npos) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) < ' ' || text[i] == 0x7F) return false;
    const char before = i > 0 ? text[i - 1] : ' ', behind = i + 1 < text.size() ? text[i + 1] : ' ';
    if ((text[i] == '#' && before == ' ') || (text[i] == ':' && (behind == ' ' || flow))) return false;
  }
  return true;
}

}  // namespace detail

/// A text as YAML on one line.
inline std::string yaml_text(std::string_view text, bool flow = false) {
  if (detail::is_plain(text, flow)) return std::string(text);
  bool escapes = false;
  for (const char c : text) escapes = escapes || static_cast<unsigned char>(c) < ' ' || c == 0x7F;
  std::string out;
  if (!escapes) {
    for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
    return concat('\'', out, '\'');
  }
  constexpr std::string_view hex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (byte < ' ' || byte == 0x7F)
      ((out += "\\x") += hex[byte >> 4]) += hex[byte & 15];
    else
      out += c;
  }
  return concat('"', out, '"');
}

/// A value as YAML on one line, containers in flow style.
///
/// Post     reads back as the same value
inline std::string yaml_text(const Node& node, bool flow = false) {
  if (node.is<Node::Missing>()) return flow ? "'?\?\?'" : "???";  // quotes do not hide it, and yaml-cpp wants them
  if (const bool* flag = node.as<bool>()) return *flag ? "true" : "false";
  if (const Index* number = node.as<Index>()) return concat(*number);
  if (const auto* huge = node.as<Node::Huge>()) return huge->digits;
  if (const std::string* text = node.as<std::string>()) return yaml_text(std::string_view(*text), flow);
  if (const double* real = node.as<double>()) {
    const std::string text = shardplan::detail::float_text(*real);
    return text == "nan" ? ".nan" : text == "inf" ? ".inf" : text == "-inf" ? "-.inf" : text;
  }
  std::vector<std::string> items;
  if (const auto* list = node.as<Node::Sequence>()) {
    for (const Node& one : *list) items.push_back(yaml_text(one, true));
    return concat('[', join(items, ", "), ']');
  }
  if (const Mapping* entries = node.as<Mapping>()) {
    for (const Mapping::Entry& entry : *entries)
      items.push_back(concat(yaml_text(std::string_view(entry.key), true), ": ", yaml_text(entry.value, true)));
    return concat('{', join(items, ", "), '}');
  }
  return "null";
}

namespace detail {

/// Is this a mapping whose entries are keys of their own, with names that a path can hold?
inline bool is_section(const Node& node) {
  const Mapping* entries = node.as<Mapping>();
  if (entries == nullptr || entries->empty()) return false;
  for (const Mapping::Entry& entry : *entries)
    if (entry.key.empty() || entry.key.find_first_of(".[]") != std::string::npos) return false;
  return true;
}

/// What stands behind the colon of a key: the value, and the comment with the blanks in front of it.
struct ValueText {
  std::string value;
  std::string comment;
};
inline ValueText split_value(std::string_view rest) {
  const std::size_t begin = rest.find_first_not_of(" \t");
  if (begin == rest.npos) return {};
  std::size_t end = begin;
  char quote = '\0';
  for (; end < rest.size(); ++end) {
    const char c = rest[end];
    if (quote != '\0') {
      if (quote == '"' && c == '\\')
        ++end;
      else if (c == quote)
        quote = '\0';
      continue;
    }
    const bool opens = end == begin || std::string_view(" [{,:").find(rest[end - 1]) != std::string_view::npos;
    const bool in_flow = rest[begin] == '[' || rest[begin] == '{';
    if ((c == '"' || c == '\'') && opens && (end == begin || in_flow)) quote = c;
    if (c == '#' && (end == begin || rest[end - 1] == ' ' || rest[end - 1] == '\t')) break;
  }
  end = std::min(end, rest.size());
  const std::size_t last = rest.substr(0, end).find_last_not_of(" \t");
  const std::size_t stop = last == rest.npos ? begin : std::max(begin, last + 1);
  if (end >= rest.size()) return {std::string(rest.substr(begin, stop - begin)), {}};
  return {std::string(rest.substr(begin, stop - begin)), std::string(rest.substr(end == begin ? 0 : stop))};
}

}  // namespace detail

/// A file as lines, each of them part of one key: the key's own, the comments in front of it and behind it, the lines
/// that its value goes on for.
class SourceText {
 public:
  using Lines = std::vector<std::string>;
  /// The lines of a key.
  struct Item {
    std::size_t line = 0;  ///< of the key, from 0
    std::size_t indent = 0;
    Lines before{};         ///< comments and blank lines
    std::string key{};      ///< as it is written
    std::string rest{};     ///< what stands behind the colon
    std::string value{};    ///< of that, without comment
    std::string comment{};  ///< with the blanks in front of it
    Lines more{};           ///< of the value
    Lines after{};          ///< comments behind
    bool section = false;
  };

  /// tree: what the text reads as, with its marks.
  SourceText(std::string_view text, const Node& tree) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    windows_ = text.find("\r\n") != text.npos;
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      std::string_view line = text.substr(0, end);
      if (line.ends_with('\r')) line.remove_suffix(1);
      lines_.emplace_back(line);
      text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    if (detail::is_section(tree)) add(tree, {}, 0);
    cut();
  }

  /// The lines of a key; null where it does not stand on lines of its own (flow style, merged, behind an alias).
  const Item* find(const std::string& path) const {
    const auto found = index_.find(path);
    return found == index_.end() ? nullptr : &items_[found->second];
  }
  const Lines& preface() const { return preface_; }  ///< what stands above all keys
  const Lines& footer() const { return footer_; }    ///< what stands below them
  std::string_view line_end() const { return windows_ ? "\r\n" : "\n"; }
  /// Blanks a level.
  std::size_t unit() const { return unit_; }

  /// A line moved by the difference of two indents; blanks alone are moved.
  static std::string shifted(const std::string& line, std::size_t from, std::size_t to) {
    if (detail::is_blank(line) || from == to) return line;
    if (to > from) return std::string(to - from, ' ') + line;
    return line.substr(std::min(from - to, detail::indent_of(line)));
  }

 private:
  void add(const Node& section, const std::string& path, std::size_t least_indent) {
    for (const Mapping::Entry& entry : *section.as<Mapping>()) {
      const auto line = static_cast<std::size_t>(entry.mark.line - 1);
      const auto indent = static_cast<std::size_t>(entry.mark.column - 1);
      const bool in_order =
          entry.mark.line > 0 && line < lines_.size() && (items_.empty() || line > items_.back().line);
      if (!in_order || indent < least_indent || indent >= lines_[line].size()) continue;
      if (detail::indent_of(lines_[line]) != indent) continue;
      Item item{.line = line, .indent = indent};
      if (!read_head(item)) continue;
      const std::string full = join_path(path, entry.key);
      item.section = detail::is_section(entry.value) && item.value.empty();
      if (indent > 0 && unit_ == 0) unit_ = indent;
      index_[full] = items_.size();
      const bool section_item = item.section;
      items_.push_back(std::move(item));
      if (section_item) add(entry.value, full, indent + 1);
    }
  }

  bool read_head(Item& item) const {
    const std::string_view line = std::string_view(lines_[item.line]).substr(item.indent);
    std::size_t colon = line.npos;
    if (line[0] == '"' || line[0] == '\'') {
      const std::size_t close = line.find(line[0], 1);
      if (close == line.npos || line.substr(close + 1, 1) != ":") return false;
      colon = close + 1;
    } else {
      for (colon = line.find(':');
           colon != line.npos && colon + 1 < line.size() && line[colon + 1] != ' ' && line[colon + 1] != '\t';)
        colon = line.find(':', colon + 1);
    }
    if (colon == line.npos) return false;
    item.key = line.substr(0, colon);
    item.rest = line.substr(colon + 1);
    detail::ValueText parts = detail::split_value(item.rest);
    item.value = std::move(parts.value);
    item.comment = std::move(parts.comment);
    return true;
  }

  /// Gives every line between two keys to one of them.
  void cut() {
    if (unit_ == 0) unit_ = 2;
    const std::size_t first = items_.empty() ? lines_.size() : items_[0].line;
    std::size_t own = first;  // of the first key: the comments that no blank line parts from it
    while (own > 0 && detail::is_comment(lines_[own - 1])) --own;
    if (items_.empty()) own = first;
    preface_.assign(lines_.begin(), lines_.begin() + static_cast<std::ptrdiff_t>(own));
    if (items_.empty()) return;
    items_[0].before = slice(own, first);
    for (std::size_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      const bool last = i + 1 == items_.size();
      const std::size_t end = last ? lines_.size() : items_[i + 1].line;
      std::size_t at = item.line + 1;
      if (!item.section) {
        at = end_of_value(item, end);
        item.more = slice(item.line + 1, at);
      }
      // Comments right below a key, with a blank line below them, are the key's.
      std::size_t behind = at;
      while (behind < end && detail::is_comment(lines_[behind])) ++behind;
      const bool blank_follows = behind < end && detail::is_blank(lines_[behind]);
      if (!item.section && (blank_follows || (last && behind == end))) {
        item.after = slice(at, behind);
        at = behind;
      }
      // What is neither comment nor blank belongs to keys that have no lines of their own.
      for (; at < end; ++at)
        if (detail::is_blank(lines_[at]) || detail::is_comment(lines_[at]))
          (last ? footer_ : items_[i + 1].before).push_back(lines_[at]);
    }
  }

  std::size_t end_of_value(const Item& item, std::size_t end) const {
    std::size_t stop = item.line + 1;
    const bool literal = item.value.starts_with('|') || item.value.starts_with('>');
    for (std::size_t at = stop; at < end; ++at) {
      const std::string& line = lines_[at];
      if (detail::is_blank(line)) continue;
      if (literal ? detail::indent_of(line) > item.indent : !detail::is_comment(line)) stop = at + 1;
    }
    return stop;
  }

  Lines slice(std::size_t begin, std::size_t end) const {
    return {lines_.begin() + static_cast<std::ptrdiff_t>(begin), lines_.begin() + static_cast<std::ptrdiff_t>(end)};
  }

  Lines lines_;
  std::vector<Item> items_;
  std::map<std::string, std::size_t> index_;
  Lines preface_, footer_;
  std::size_t unit_ = 0;
  bool windows_ = false;
};

}  // namespace shardplan::migrate
