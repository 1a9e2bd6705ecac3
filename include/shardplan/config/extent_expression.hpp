#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/config/scalar.hpp>
#include <shardplan/core/arithmetic.hpp>

namespace shardplan {

/// A name that stands for a number in expressions.
struct NamedSize {
  std::string name;
  Index value = 0;
};

/// A size written as an expression, such as `heads * head_dim`: integers and names with + - * / and parentheses, from
/// left to right, * and / first. A quotient must come out even.
class ExtentExpression {
 public:
  /// Either a value or a fault.
  struct Result {
    std::optional<Index> value{};
    std::string fault{};
    std::string hint{};
    std::string_view unknown{};  ///< the name that is none of the sizes, where that is the fault
  };

  ExtentExpression(std::string_view text, std::span<const NamedSize> sizes) : at_{text}, sizes_(sizes), text_(text) {}

  /// Letters, digits and underscores, a digit not first.
  static constexpr bool is_name(std::string_view text) {
    if (text.empty() || !detail::is_letter(text[0])) return false;
    for (const char c : text)
      if (!detail::is_letter(c) && !detail::is_digit(c)) return false;
    return true;
  }

  Result value() && {
    const Index out = sum();
    blanks();
    if (!failed_ && !at_.done()) unexpected();
    if (!failed_) result_.value = out;
    return std::move(result_);
  }

 private:
  static constexpr int deepest = 64;  ///< nesting of parentheses

  void blanks() { at_.take_all(" \t\n"); }
  bool take(char c) {
    blanks();
    return at_.take(c);
  }
  Index refuse(std::string fault, std::string hint = {}) {
    if (!failed_) {
      result_.fault = std::move(fault);
      result_.hint = std::move(hint);
    }
    failed_ = true;
    return 1;
  }
  Index unexpected() {
    const std::size_t place = text_.size() - at_.rest.size() + 1;
    return refuse(at_.done() ? std::string("a number or a name is missing at the end")
                             : concat("cannot be read at character ", place),
                  "integers and names of sizes with + - * / and parentheses: heads * head_dim");
  }

  Index sum() {
    Index out = product();
    while (!failed_) {
      const bool plus = take('+');
      if (!plus && !take('-')) break;
      const Index right = product();
      if (failed_) break;
      Index next = 0;
      const bool overflow =
          plus ? __builtin_add_overflow(out, right, &next) : __builtin_sub_overflow(out, right, &next);
      if (overflow) return refuse(concat(out, plus ? " + " : " - ", right, " does not fit 64 bits"));
      out = next;
    }
    return out;
  }

  Index product() {
    Index out = operand();
    while (!failed_) {
      const bool times = take('*');
      if (!times && !take('/')) break;
      const Index right = operand();
      if (failed_) break;
      Index next = 0;
      if (times) {
        if (__builtin_mul_overflow(out, right, &next))
          return refuse(concat(out, " * ", right, " does not fit 64 bits"));
        out = next;
        continue;
      }
      if (right <= 0) return refuse(concat("a quotient by ", right), "at least 1");
      if (out % right != 0)
        return refuse(concat(out, " / ", right, " is not a whole number"),
                      concat("a multiple of ", right, ": ", multiples_near(out, right)));
      out /= right;
    }
    return out;
  }

  Index operand() {
    if (take('(')) {
      if (++depth_ > deepest) return refuse(concat("more than ", deepest, " parentheses within each other"));
      const Index out = sum();
      --depth_;
      if (!failed_ && !take(')')) return refuse("a parenthesis is not closed", "add ')'");
      return out;
    }
    if (at_.done()) return unexpected();
    if (detail::is_digit(at_.rest[0])) {
      const std::string_view digits = at_.take_all(detail::digits);
      Index out = 0;
      if (!detail::append_digits(out, digits, 10, 1)) return refuse(concat(digits, " does not fit 64 bits"));
      if (!at_.done() && (at_.rest[0] == '.' || detail::is_letter(at_.rest[0]))) return unexpected();
      return out;
    }
    if (!detail::is_letter(at_.rest[0])) return unexpected();
    std::size_t end = 1;
    while (end < at_.rest.size() && (detail::is_letter(at_.rest[end]) || detail::is_digit(at_.rest[end]))) ++end;
    const std::string_view word = at_.rest.substr(0, end);
    at_.rest.remove_prefix(end);
    for (const NamedSize& one : sizes_)
      if (one.name == word) return one.value;
    if (failed_) return 1;
    std::vector<std::string_view> names;
    constexpr std::size_t listed = 24;
    for (const NamedSize& one : sizes_) names.push_back(one.name);
    const std::string_view near = closest(word, names);
    result_.unknown = word;
    const std::string meant = near.empty() ? std::string() : concat("did you mean '", near, "'? ");
    return refuse(concat("there is no size '", word, '\''), names.empty() ? std::string("give it under 'sizes'")
                                                            : names.size() > listed
                                                                ? concat(meant, "sizes are made of those above them")
                                                                : concat(meant, "there are ", join(names, ", ")));
  }

  detail::Cursor at_;
  std::span<const NamedSize> sizes_;
  std::string_view text_;
  Result result_;
  bool failed_ = false;
  int depth_ = 0;
};

}  // namespace shardplan
