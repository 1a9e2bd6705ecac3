#pragma once
#include <vector>

#include <shardplan/config/scalar.hpp>

/// The grammar of OmegaConf 2.2 interpolations (configuration sheet, 1.2): text in, tree out, nothing looked up.
namespace shardplan {

/// What a text with `${...}` asks for.
struct Expression {
  enum class Kind : std::uint8_t {
    value,     ///< `value` itself
    text,      ///< the texts of `parts` one after the other
    path,      ///< the value at the path that the texts of `parts` spell
    call,      ///< the resolver `name` applied to `parts`
    sequence,  ///< a list of `parts`
    mapping,   ///< `parts` are a key, its value, the next key, ...
  };
  Kind kind = Kind::value;
  Node::Value value{};
  std::string name{};
  std::vector<Expression> parts{};
};

/// True when `text` has to be read by `parse_interpolation` before it is a value.
constexpr bool has_interpolation(std::string_view text) { return text.find("${") != text.npos; }

namespace detail {

class ExpressionParser {
 public:
  explicit ExpressionParser(std::string_view text) : text_(text) {}

  Expression whole_text() {
    Expression out = text_until('\0');
    const bool single = out.parts.size() == 1 && out.parts[0].kind != Expression::Kind::value;
    return single ? Expression(std::move(out.parts[0])) : out;
  }

  Expression whole_element() {
    Expression out = element();
    if (!done()) reject("text behind the end");
    return out;
  }

 private:
  bool done() const { return at_ == text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  bool opens() const { return text_.substr(at_).starts_with("${"); }
  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  [[noreturn]] void reject(std::string_view what) const {
    fail("SP-CONFIG-006", concat("malformed interpolation: ", what, " at character ", at_ + 1),
         "the forms are ${a.b}, ${.sibling}, ${list[0]} and ${resolver:argument, argument}; \\${ is plain text");
  }

  /// Guards the stack against brackets nested without end.
  struct Level {
    explicit Level(ExpressionParser& owner) : parser(owner) {
      if (++parser.depth_ > limits::depth) parser.reject(concat("more than ", limits::depth, " levels of nesting"));
    }
    ~Level() { --parser.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ExpressionParser& parser;
  };

  static Expression literal(Node::Value value) { return {.kind = Expression::Kind::value, .value = std::move(value)}; }
  static void flush(std::string& pending, Expression& into) {
    if (pending.empty()) return;
    into.parts.push_back(literal(std::move(pending)));
    pending.clear();
  }

  /// Text with interpolations up to the closing quote, or to the end where `quote` is 0. Backslashes count only
  /// in front of `${` and of the quote: two make one, an odd one takes away the special meaning.
  Expression text_until(char quote) {
    Expression out{.kind = Expression::Kind::text};
    std::string pending;
    for (;;) {
      std::size_t slashes = 0;
      while (take('\\')) ++slashes;
      const bool quoted = quote != '\0' && peek() == quote;
      if (!opens() && !quoted) {
        pending.append(slashes, '\\');
        if (done()) break;
        pending += text_[at_++];
        continue;
      }
      pending.append(slashes / 2, '\\');
      if (slashes % 2 == 1) {
        pending += text_[at_++];
      } else if (quoted) {
        ++at_;
        flush(pending, out);
        return out;
      } else {
        flush(pending, out);
        out.parts.push_back(interpolation());
      }
    }
    if (quote != '\0') reject("a quote that is never closed");
    flush(pending, out);
    return out;
  }

  Expression interpolation() {
    const Level level(*this);
    at_ += 2;
    skip_blanks();
    Expression path{.kind = Expression::Kind::path};
    std::string pending;
    bool plain_name = true;  // so far the name of a resolver
    while (take('.')) {
      pending += '.';
      plain_name = false;
    }
    for (bool bracket = take('[');;) {
      if (bracket) pending += '[';
      plain_name = plain_name && !bracket && !opens() && is_letter(peek());
      key(path, pending);
      if (bracket && !take(']')) reject("a bracket that is not closed");
      if (bracket) pending += ']';
      bracket = take('[');
      if (bracket) continue;
      if (!take('.')) break;
      pending += '.';
    }
    skip_blanks();
    if (take('}')) {
      flush(pending, path);
      return path;
    }
    plain_name = plain_name && path.parts.empty();
    for (const char c : pending) plain_name = plain_name && (is_letter(c) || is_digit(c) || c == '-' || c == '.');
    if (!plain_name || !take(':')) reject(done() ? "a brace that is never closed" : "an unexpected character");
    skip_blanks();
    return {.kind = Expression::Kind::call, .name = std::move(pending), .parts = items_until('}')};
  }

  /// One step of a path, as text or as an interpolation of its own.
  void key(Expression& path, std::string& pending) {
    if (opens()) {
      flush(pending, path);
      path.parts.push_back(interpolation());
      return;
    }
    const std::size_t end = text_.find_first_of("\\{}()[]:. \t'\"", at_);
    const std::string_view step = text_.substr(at_, end - at_);
    if (step.empty()) reject("a missing key");
    pending += step;
    at_ += step.size();
  }

  /// Comma-separated elements and the closing character. A missing element is the empty string.
  std::vector<Expression> items_until(char close) {
    std::vector<Expression> out;
    skip_blanks();
    if (take(close)) return out;
    for (;;) {
      skip_blanks();
      out.push_back(peek() == ',' || peek() == close ? literal(std::string{}) : element());
      skip_blanks();
      if (take(close)) return out;
      if (!take(',')) reject(done() ? "an end that is missing" : "an unexpected character");
    }
  }

  Expression element() {
    const Level level(*this);
    const char first = peek();
    if (take('\'') || take('"')) return text_until(first);
    if (take('[')) return {.kind = Expression::Kind::sequence, .parts = items_until(']')};
    if (take('{')) return mapping();
    return primitive("");
  }

  Expression mapping() {
    Expression out{.kind = Expression::Kind::mapping};
    skip_blanks();
    if (take('}')) return out;
    do {
      skip_blanks();
      out.parts.push_back(primitive(":$"));
      if (!take(':')) reject("a key without a value");
      skip_blanks();
      out.parts.push_back(element());
      skip_blanks();
    } while (take(','));
    if (!take('}')) reject("a brace that is never closed");
    return out;
  }

  /// A run of letters, digits, some signs and interpolations; the characters of `forbidden` end it.
  Expression primitive(std::string_view forbidden) {
    constexpr std::string_view signs = "/-\\+.$%*@?|: \t";
    constexpr std::string_view escapable = "\\()[]{}:=, \t";
    Expression out{.kind = Expression::Kind::text};
    std::string pending;
    bool typed = true;       // one token, which may be a number
    std::size_t blanks = 0;  // unescaped ones at the end of `pending`
    for (; !done(); ++at_) {
      const char c = peek();
      if (opens() && forbidden.empty()) {
        flush(pending, out);
        out.parts.push_back(interpolation());
        --at_;
        blanks = 0;
      } else if (c == '\\' && at_ + 1 < text_.size() && escapable.find(text_[at_ + 1]) != escapable.npos) {
        pending += text_[++at_];
        typed = false;
        blanks = 0;
      } else if (c == ',' || c == ']' || c == '}' || (forbidden.find(c) != forbidden.npos)) {
        pending.resize(pending.size() - blanks);  // blanks in front of a separator belong to it
        break;
      } else if (is_letter(c) || is_digit(c) || signs.find(c) != signs.npos) {
        pending += c;
        blanks = c == ' ' || c == '\t' ? blanks + 1 : 0;
      } else {
        reject("a character that needs quotes or a backslash");
      }
    }
    if (out.parts.empty()) {
      if (pending.empty()) reject("a missing value");
      return literal(typed ? argument_scalar(pending) : Node::Value(std::move(pending)));
    }
    flush(pending, out);
    return out.parts.size() == 1 ? Expression(std::move(out.parts[0])) : out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace detail

/// The expression of a configuration text. A text that is exactly one `${...}` gives that path or call, so that the
/// type of its value is kept; anything else gives a text.
///
/// Errors   SP-CONFIG-006 malformed, or nested deeper than `limits::depth`
/// Source   configuration sheet 1.2
inline Expression parse_interpolation(std::string_view text) { return detail::ExpressionParser(text).whole_text(); }

/// The expression of one resolver argument, as `oc.decode` reads it.
///
/// Errors   as `parse_interpolation`
inline Expression parse_argument(std::string_view text) { return detail::ExpressionParser(text).whole_element(); }

}  // namespace shardplan
