#pragma once
#include <concepts>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/core/inline_vector.hpp>
#include <shardplan/core/types.hpp>

/// Text for diagnostics: locale-free, no dependency.
namespace shardplan {

inline void append_to(std::string& out, std::string_view text) { out += text; }
inline void append_to(std::string& out, const char* text) { out += text; }
inline void append_to(std::string& out, char letter) { out += letter; }
inline void append_to(std::string& out, bool flag) { out += flag ? "true" : "false"; }
template <std::integral I>
void append_to(std::string& out, I number) {
  out += std::to_string(number);
}
template <class Tag>
void append_to(std::string& out, Ordinal<Tag> ordinal) {
  append_to(out, ordinal.value);
}

/// A list of names: layers, modules, cuts.
using Names = InlineVector<std::string, 1>;

/// All parts one after the other: `concat("world ", 32, " is not a multiple of ", 24)`.
template <class... Parts>
std::string concat(Parts... parts) {
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

/// The candidate that `word` most likely means: fewest letters inserted, removed or replaced, the first of equals;
/// empty when over half the letters of `word` would change. Candidates: any range of strings.
template <class Range>
std::string_view closest(std::string_view word, const Range& candidates) {
  std::string_view best;
  std::size_t best_edits = word.size() / 2 + 1;
  InlineVector<std::size_t, 16>
      edits;  // from the letters of `word` seen so far to the first j letters of the candidate
  for (const auto& item : candidates) {
    const std::string_view candidate = item;
    const std::size_t size = candidate.size();
    const std::size_t gap = word.size() < size ? size - word.size() : word.size() - size;
    if (gap >= best_edits) continue;
    edits.resize(size + 1);
    for (std::size_t j = 0; j <= size; ++j) edits[j] = j;
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t diagonal = std::exchange(edits[0], i + 1);
      for (std::size_t j = 0; j < size; ++j) {
        const std::size_t replaced = diagonal + (word[i] != candidate[j]);
        diagonal = edits[j + 1];
        const std::size_t added = (diagonal < edits[j] ? diagonal : edits[j]) + 1;
        edits[j + 1] = replaced < added ? replaced : added;
      }
    }
    if (edits[size] < best_edits) {
      best_edits = edits[size];
      best = candidate;
    }
  }
  return best;
}

}  // namespace shardplan
