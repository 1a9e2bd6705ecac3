#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/config/expression.hpp>

/// The paths in the interpolations of a text, rewritten.
namespace shardplan::migrate {

/// Gives the new form of a path as an interpolation writes it; nothing where there is none.
using PathRewriter = std::function<std::optional<std::string>(std::string_view)>;

namespace detail {

class InterpolationRewriter {
 public:
  InterpolationRewriter(std::string_view text, const PathRewriter& rewrite) : text_(text), rewrite_(rewrite) {}

  std::optional<std::string> run() {
    std::string out = span('\0');
    if (lost_) return std::nullopt;
    return out;
  }

 private:
  bool opens() const { return text_.substr(at_).starts_with("${"); }

  /// Up to the closing letter, or to the end where that is 0.
  std::string span(char close) {
    std::string out;
    int braces = 0;
    while (at_ < text_.size()) {
      std::size_t slashes = 0;
      while (at_ + slashes < text_.size() && text_[at_ + slashes] == '\\') ++slashes;
      if (slashes > 0) {
        out += text_.substr(at_, slashes);
        at_ += slashes;
        if (slashes % 2 == 1 && opens()) {
          out += "${";
          at_ += 2;
          ++braces;
        }
        continue;
      }
      const char c = text_[at_];
      if (opens()) {
        at_ += 2;
        out += concat("${", inside(), '}');
        continue;
      }
      if (close != '\0' && c == close && braces == 0) return out;
      braces += c == '{';
      braces -= c == '}' && braces > 0;
      out += c;
      ++at_;
    }
    return out;
  }

  /// What stands between `${` and `}`; then behind the brace.
  std::string inside() {
    const std::size_t colon = text_.find_first_of(":}$", at_);
    std::string out;
    if (colon != text_.npos && text_[colon] == ':') {
      std::string_view name = text_.substr(at_, colon - at_);
      at_ = colon + 1;
      out = concat(name, ':');
      while (name.starts_with(' ')) name.remove_prefix(1);
      const bool takes_path = name == "oc.select" || name == "oc.deprecated" || name.starts_with("oc.dict.");
      const std::size_t end = text_.find_first_of(",}$'\"", at_);
      if (takes_path && end != text_.npos && (text_[end] == ',' || text_[end] == '}')) {
        out += path(text_.substr(at_, end - at_));
        at_ = end;
      }
      out += span('}');
    } else if (colon != text_.npos && text_[colon] == '}') {
      out = path(text_.substr(at_, colon - at_));
      at_ = colon;
    } else {
      out = span('}');  // a path that is itself interpolated cannot be looked up
    }
    ++at_;
    return out;
  }

  /// A path with the blanks around it.
  std::string path(std::string_view written) {
    const std::size_t begin = written.find_first_not_of(" \t"), end = written.find_last_not_of(" \t");
    if (begin == written.npos) return std::string(written);
    const std::optional<std::string> found = rewrite_(written.substr(begin, end + 1 - begin));
    lost_ = lost_ || !found;
    return found ? concat(written.substr(0, begin), *found, written.substr(end + 1)) : std::string(written);
  }

  std::string_view text_;
  const PathRewriter& rewrite_;
  std::size_t at_ = 0;
  bool lost_ = false;
};

/// The absolute path that leading dots mean, and how many of them there were. within: the path of the container that
/// holds the value.
struct WrittenPath {
  std::string absolute;
  std::size_t dots = 0;
};
inline WrittenPath absolute_path(std::string_view written, std::string_view within) {
  WrittenPath out;
  while (written.starts_with('.')) {
    written.remove_prefix(1);
    if (out.dots++ == 0) continue;
    const std::size_t cut = within.find_last_of(".[");
    within = within.substr(0, cut == within.npos ? 0 : cut);
  }
  std::string steps;  // with dots alone: a[0] is a.0
  while (!written.empty()) steps += concat(steps.empty() ? "" : ".", take_step(written));
  out.absolute = out.dots > 0 && !within.empty() ? join_path(within, steps) : steps;
  return out;
}

}  // namespace detail

/// The text with every path in an interpolation replaced; nothing where one of them has no new form.
inline std::optional<std::string> rewrite_interpolations(std::string_view text, const PathRewriter& rewrite) {
  if (!has_interpolation(text)) return std::string(text);
  return detail::InterpolationRewriter(text, rewrite).run();
}

}  // namespace shardplan::migrate
