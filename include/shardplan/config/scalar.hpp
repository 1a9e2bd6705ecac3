#pragma once
#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>

#include <shardplan/config/node.hpp>

/// The types of unquoted text, and the text of typed values, as OmegaConf 2.2 has them (configuration sheet, 1.1
/// and 1.2).
namespace shardplan {

namespace detail {

constexpr bool is_digit(char c) { return '0' <= c && c <= '9'; }
constexpr bool is_letter(char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '_'; }

template <std::size_t N>
constexpr bool is_one_of(std::string_view text, const std::string_view (&words)[N]) {
  for (const std::string_view word : words)
    if (word == text) return true;
  return false;
}

constexpr bool equal_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (('A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != lower[i]) return false;
  }
  return true;
}

/// A cursor over text that takes what matches.
struct Cursor {
  std::string_view rest;

  constexpr bool done() const { return rest.empty(); }
  constexpr bool take(char c) {
    if (!rest.starts_with(c)) return false;
    rest.remove_prefix(1);
    return true;
  }
  constexpr bool take_sign() { return take('-') || take('+'); }
  /// The leading characters that are in `set`.
  constexpr std::string_view take_all(std::string_view set) {
    const std::size_t end = rest.find_first_not_of(set);
    const std::string_view taken = rest.substr(0, end);
    rest.remove_prefix(taken.size());
    return taken;
  }
};

inline constexpr std::string_view digits = "0123456789";
inline constexpr std::string_view digits_ = "0123456789_";

/// Digits of `base` (underscores skipped) added to `number` with the sign already in `step`; false on overflow.
constexpr bool append_digits(Index& number, std::string_view text, int base, int sign) {
  for (const char c : text) {
    if (c == '_') continue;
    const int digit = is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
    if (__builtin_mul_overflow(number, Index{base}, &number)) return false;
    if (__builtin_add_overflow(number, Index{sign * digit}, &number)) return false;
  }
  return true;
}

/// A colon and a number below 60, as in `1:30`; empty where there is none.
constexpr std::string_view take_sixtieth(Cursor& text) {
  Cursor ahead = text;
  if (!ahead.take(':') || ahead.done() || !is_digit(ahead.rest[0])) return {};
  std::size_t size = 1;
  if (ahead.rest[0] <= '5' && ahead.rest.size() > 1 && is_digit(ahead.rest[1])) size = 2;
  const std::string_view taken = ahead.rest.substr(0, size);
  ahead.rest.remove_prefix(size);
  text = ahead;
  return taken;
}

/// Base 2, 8, 10, 16 and 60; a value beyond 64 bits is Huge.
inline std::optional<Node::Value> integer_value(std::string_view text) {
  Cursor at{text};
  const int sign = text.starts_with('-') ? -1 : 1;
  at.take_sign();
  Index number = 0;
  bool fits = true;
  const auto number_in = [&](std::string_view set, int base) {
    const std::string_view body = at.take_all(set);
    fits = append_digits(number, body, base, sign);
    return at.done() && body.find_first_not_of('_') != body.npos;
  };
  if (at.rest.starts_with("0b")) {
    at.rest.remove_prefix(2);
    if (!number_in("01_", 2)) return std::nullopt;
  } else if (at.rest.starts_with("0x")) {
    at.rest.remove_prefix(2);
    if (!number_in("0123456789abcdefABCDEF_", 16)) return std::nullopt;
  } else if (at.rest.starts_with('0')) {
    if (!number_in("01234567_", 8)) return std::nullopt;
  } else {
    if (at.done() || !is_digit(at.rest[0])) return std::nullopt;
    fits = append_digits(number, at.take_all(digits_), 10, sign);
    for (std::string_view part; !(part = take_sixtieth(at)).empty();) {
      Index sixtieths = 0;
      append_digits(sixtieths, part, 10, sign);
      fits = fits && !__builtin_mul_overflow(number, Index{60}, &number) &&
             !__builtin_add_overflow(number, sixtieths, &number);
    }
    if (!at.done()) return std::nullopt;
  }
  if (!fits) return Node::Huge{std::string(text)};
  return number;
}

/// The double nearest to decimal text of the form digits, point, digits, exponent (sign and underscores allowed).
inline double decimal_value(std::string_view text) {
  std::string plain;
  for (const char c : text)
    if (c != '_' && c != '+') plain += c;
  // A plus sign can stand in the exponent, where from_chars does not need it either.
  double out = 0;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), out);
  if (error != std::errc::result_out_of_range) return out;
  const bool negative = plain.starts_with('-');
  const std::size_t exponent = plain.find_first_of("eE");
  const bool tiny = exponent == plain.npos ? plain.find_first_not_of("-0") == plain.find('.')
                                           : plain.find('-', exponent) != plain.npos;
  const double magnitude = tiny ? 0.0 : std::numeric_limits<double>::infinity();
  return negative ? -magnitude : magnitude;
}

inline std::optional<Node::Value> float_value(std::string_view text) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr std::string_view infinities[] = {".inf", ".Inf", ".INF"};
  constexpr std::string_view not_numbers[] = {".nan", ".NaN", ".NAN"};
  Cursor at{text};
  const bool is_signed = at.take_sign();
  if (is_one_of(at.rest, infinities)) return text[0] == '-' ? -infinity : infinity;
  if (is_one_of(text, not_numbers)) return std::numeric_limits<double>::quiet_NaN();

  const bool leading_digit = !at.done() && is_digit(at.rest[0]);
  const std::string_view whole = leading_digit ? at.take_all(digits_) : std::string_view{};
  if (!leading_digit && is_signed) return std::nullopt;

  double sixtieths = leading_digit ? decimal_value(whole) : 0;
  bool base_sixty = false;
  std::string_view last;
  for (std::string_view part; leading_digit && !(part = take_sixtieth(at)).empty();) {
    if (base_sixty) sixtieths = sixtieths * 60 + decimal_value(last);
    base_sixty = true;
    last = part;
  }
  if (base_sixty) {
    if (!at.take('.')) return std::nullopt;
    const std::string_view fraction = at.take_all(digits_);
    if (!at.done()) return std::nullopt;
    const double magnitude = sixtieths * 60 + decimal_value(concat(last, '.', fraction));
    return text[0] == '-' ? -magnitude : magnitude;
  }

  const bool point = at.take('.');
  const std::string_view fraction = point ? at.take_all(digits_) : std::string_view{};
  if (!leading_digit && fraction.find_first_not_of('_') == fraction.npos) return std::nullopt;
  const bool exponent = at.take('e') || at.take('E');
  if (exponent) {
    const bool exponent_signed = at.take_sign();
    if (!leading_digit && !exponent_signed) return std::nullopt;
    if (at.take_all(digits).empty()) return std::nullopt;
  }
  if (!at.done() || !(point || exponent)) return std::nullopt;
  return decimal_value(text);
}

}  // namespace detail

/// The value of text that stands in a file without quotes.
///
/// Rule     null, booleans, integers, floating-point numbers, the mandatory marker, else a string
/// Post     a value of text in quotes is `quoted_scalar` of it
/// Source   configuration sheet 1.1
inline Node::Value plain_scalar(std::string_view text) {
  constexpr std::string_view nulls[] = {"", "~", "null", "Null", "NULL"};
  constexpr std::string_view yes[] = {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
  constexpr std::string_view no[] = {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};
  if (detail::is_one_of(text, nulls)) return std::monostate{};
  if (detail::is_one_of(text, yes)) return true;
  if (detail::is_one_of(text, no)) return false;
  if (text == "???") return Node::Missing{};
  if (auto number = detail::integer_value(text)) return *number;
  if (auto number = detail::float_value(text)) return *number;
  return std::string(text);
}

/// The value of text that stands in quotes: the text, or the mandatory marker, which quotes do not hide.
inline Node::Value quoted_scalar(std::string_view text) {
  if (text == "???") return Node::Missing{};
  return std::string(text);
}

/// The value of unquoted text among the arguments of a resolver, where hexadecimal, octal, base 60 and yes/no are text.
///
/// Source   configuration sheet 1.2, argument grammar
inline Node::Value argument_scalar(std::string_view text) {
  using detail::equal_ignoring_case;
  if (equal_ignoring_case(text, "null")) return std::monostate{};
  if (equal_ignoring_case(text, "true")) return true;
  if (equal_ignoring_case(text, "false")) return false;

  // digits with single underscores between them
  const auto take_digits = [](detail::Cursor& at) {
    const std::string_view taken = at.take_all(detail::digits_);
    return !taken.empty() && taken.front() != '_' && taken.back() != '_' && taken.find("__") == taken.npos;
  };
  detail::Cursor at{text};
  at.take_sign();
  const double sign = text.starts_with('-') ? -1.0 : 1.0;
  if (equal_ignoring_case(at.rest, "inf")) return sign * std::numeric_limits<double>::infinity();
  if (equal_ignoring_case(at.rest, "nan")) return std::numeric_limits<double>::quiet_NaN();

  const bool leading_digit = !at.done() && detail::is_digit(at.rest[0]);
  const bool leading_zero = at.rest.starts_with('0');
  const std::string_view start = at.rest;
  if (leading_digit && !take_digits(at)) return std::string(text);
  if (leading_zero && start.size() - at.rest.size() > 1) return std::string(text);
  if (leading_digit && at.done()) return *detail::integer_value(text);
  const bool point = at.take('.');
  const bool fraction = point && !at.done() && detail::is_digit(at.rest[0]);
  if (fraction && !take_digits(at)) return std::string(text);
  if (!leading_digit && !fraction) return std::string(text);
  const bool exponent = at.take('e') || at.take('E');
  if (exponent) {
    at.take_sign();
    if (at.done() || !take_digits(at)) return std::string(text);
  }
  if (!at.done() || !(point || exponent)) return std::string(text);
  return detail::decimal_value(text);
}

namespace detail {

/// The shortest decimal text that reads back as the same number, laid out as Python does.
inline std::string float_text(double number) {
  if (number != number) return "nan";
  if (number - number != 0) return number < 0 ? "-inf" : "inf";
  char buffer[32];
  const char* const end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), end, exponent);
  std::string mantissa;  // digits without point and sign
  for (const char c : text.substr(0, e))
    if (is_digit(c)) mantissa += c;
  std::string out = text[0] == '-' ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    out += mantissa[0];
    if (mantissa.size() > 1) out += concat('.', std::string_view(mantissa).substr(1));
    return out + concat('e', exponent < 0 ? '-' : '+', std::abs(exponent) < 10 ? "0" : "", std::abs(exponent));
  }
  if (exponent < 0) return out + concat("0.", std::string(static_cast<std::size_t>(-exponent - 1), '0'), mantissa);
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (mantissa.size() < whole) mantissa.append(whole - mantissa.size(), '0');
  const std::string_view shown = mantissa;
  return out + concat(shown.substr(0, whole), '.', shown.size() > whole ? shown.substr(whole) : "0");
}

}  // namespace detail

/// The text that a value becomes inside a string: `None`, `True`, `0.0003`, `[1, 'a']`. Values within containers
/// are shown as they stand in the file.
///
/// Source   configuration sheet 1.2, string building
inline std::string text_of(const Node& node, bool nested = false) {
  struct Text {
    bool nested;

    std::string operator()(std::monostate) const { return "None"; }
    std::string operator()(Node::Missing) const { return (*this)(std::string("???")); }
    std::string operator()(Node::Broken) const { return {}; }
    std::string operator()(bool flag) const { return flag ? "True" : "False"; }
    std::string operator()(Index number) const { return concat(number); }
    std::string operator()(const Node::Huge& number) const { return number.digits; }
    std::string operator()(double number) const { return detail::float_text(number); }
    std::string operator()(const std::string& text) const {
      if (!nested) return text;
      const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
      std::string out(1, quote);
      for (const char c : text) {
        if (c == quote || c == '\\') out += '\\';
        if (c == '\n')
          out += "\\n";
        else
          out += c;
      }
      return out + quote;
    }
    std::string operator()(const Node::Sequence& items) const {
      std::string out;
      for (const Node& item : items) out += concat(out.empty() ? "[" : ", ", text_of(item, true));
      return out.empty() ? "[]" : out + ']';
    }
    std::string operator()(const Mapping& entries) const {
      std::string out;
      for (const Mapping::Entry& entry : entries)
        out += concat(out.empty() ? "{" : ", ", (*this)(entry.key), ": ", text_of(entry.value, true));
      return out.empty() ? "{}" : out + '}';
    }
  };
  return std::visit(Text{nested || node.is_container()}, node.value);
}

}  // namespace shardplan
