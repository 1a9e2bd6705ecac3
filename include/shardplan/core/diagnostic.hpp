#pragma once
#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>

#include <shardplan/core/inline_vector.hpp>
#include <shardplan/core/rules.hpp>
#include <shardplan/core/text.hpp>

/// What is wrong, where, and what would be right. Every fault of the library speaks through these types.
namespace shardplan {

/// One input that takes part in a fault: the key or argument, and its position where it was read from a file.
struct Origin {
  std::string key;   ///< e.g. "distributed_strategy.tensor_model_parallel_size", or the argument name "tensor"
  std::string file;  ///< empty: not from a file
  int line = 0;      ///< 1-based, 0: unknown
  int column = 0;    ///< 1-based, 0: unknown

  friend bool operator==(const Origin&, const Origin&) = default;
};

/// Most findings have one or two.
using Origins = InlineVector<Origin, 1>;

/// One finding.
struct Diagnostic {
  std::string_view id;  ///< stable id of the rule table, never reused
  Severity severity{};  ///< taken from the rule table unless a caller says otherwise
  std::string message;  ///< the rule with the numbers put in
  std::string hint;     ///< what would be valid nearby; may be empty
  Origins origins;      ///< the inputs it is about, most telling first

  friend bool operator==(const Diagnostic&, const Diagnostic&) = default;
};

/// All findings about one input, in the order of the checks; the same on every rank.
using Diagnostics = InlineVector<Diagnostic, 1>;

/// The inputs that a finding is about, as a call names them: `{"heads", "tensor"}`.
using Keys = std::initializer_list<std::string_view>;

/// A finding of rule `id` with the severity that the rule table gives it.
inline Diagnostic finding(std::string_view id, std::string_view message, std::string_view hint = {}, Keys keys = {}) {
  Diagnostic out{rule(id).id, rule(id).severity, std::string(message), std::string(hint), {}};
  for (const std::string_view key : keys) out.origins.push_back({std::string(key), {}, 0, 0});
  return out;
}

constexpr bool has_errors(const Diagnostics& all) {
  for (const auto& one : all)
    if (one.severity == Severity::error) return true;
  return false;
}

/// `file:line:column: error R2: message` and, where there is one, `hint: ...` on a line of its own.
inline void append_to(std::string& out, const Diagnostic& d) {
  if (!d.origins.empty() && !d.origins[0].file.empty()) {
    const Origin& at = d.origins[0];
    out += concat(at.file, ':');
    if (at.line > 0) out += concat(at.line, ':', at.column, ':');
    out += ' ';
  }
  out += concat(name(d.severity), ' ', d.id, ": ", d.message);
  std::string keys;
  for (const Origin& at : d.origins) {
    if (at.key.empty()) continue;
    keys += concat(keys.empty() ? "" : ", ", at.key);
    // The first position stands in front of the message; the others say where they differ from it.
    const bool elsewhere = at.file != d.origins[0].file;
    if (&at != &d.origins[0] && (elsewhere || at.line > 0))
      keys += concat(" (", elsewhere ? at.file : std::string("line"),
                     elsewhere && at.line > 0 ? ":"
                     : elsewhere              ? ""
                                              : " ",
                     at.line > 0 ? concat(at.line) : std::string(), ')');
  }
  if (!keys.empty()) out += concat("\n  keys: ", keys);
  if (!d.hint.empty()) out += concat("\n  hint: ", d.hint);
}

/// The one exception of the library: carries every finding, and says them all in `what()`.
class Error : public std::exception {
 public:
  explicit Error(Diagnostics all) : all_(std::move(all)), text_(join(all_, "\n")) {}
  explicit Error(Diagnostic one) : Error(Diagnostics{std::move(one)}) {}

  const Diagnostics& diagnostics() const noexcept { return all_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  Diagnostics all_;
  std::string text_;
};

/// Throws `Error` with one finding. Reached in constant evaluation it is a compile error at that line.
[[noreturn]] inline void fail(std::string_view id, std::string_view message, std::string_view hint = {},
                              Keys keys = {}) {
  throw Error(finding(id, message, hint, keys));
}

}  // namespace shardplan
