#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <shardplan/core/shape.hpp>
#include <shardplan/mesh/device_mesh.hpp>
#include <shardplan/mesh/same_order.hpp>

/// The text of a rank order, taken apart into words: what the notations have in common.
namespace shardplan::detail {

constexpr bool is_word_letter(char c) {
  return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') || c == '_' || c == '.';
}

/// The text without blanks at its ends.
constexpr std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// Calls f(part) for the parts between blanks and commas, as far as these stand in no bracket and no quotes.
template <class F>
constexpr void for_each_part(std::string_view text, F&& f) {
  std::size_t depth = 0, from = 0;
  char quote = '\0';
  for (std::size_t at = 0; at <= text.size(); ++at) {
    const char c = at < text.size() ? text[at] : ',';
    if (at < text.size() && quote != '\0') {
      if (c == quote) quote = '\0';
      continue;
    }
    if (c == '\'' || c == '"') quote = c;
    if (c == '(' || c == '[' || c == '{') ++depth;
    if ((c == ')' || c == ']' || c == '}') && depth > 0) --depth;
    if ((c != ' ' && c != ',') || (depth > 0 && at < text.size())) continue;
    if (at > from) f(text.substr(from, at - from));
    from = at + 1;
  }
}

/// `ProcessTopology(axes=['pipe', 'data'], dims=[2, 4])`, or `pipe=2,data=4`: words with or without a key, separated by
/// blanks and commas, around which a call may stand, with further words behind it. Every word is to be taken; what is
/// left over is refused.
class OrderText {
 public:
  struct Word {
    std::string_view key;  ///< empty: none
    std::string_view value;
    bool taken = false;
  };

  OrderText(std::string_view system, std::string_view text) : system_(system), text_(trimmed(text)) {
    std::string_view inside = text_, behind;
    std::size_t name = 0;
    while (name < text_.size() && is_word_letter(text_[name])) ++name;
    if (const std::size_t close = text_.rfind(')'); name > 0 && text_.substr(name, 1) == "(" && close != text_.npos) {
      call_ = text_.substr(0, name);
      inside = text_.substr(name + 1, close - name - 1);
      behind = text_.substr(close + 1);
    }
    const auto add = [&](std::string_view part) {
      std::size_t end = 0;
      while (end < part.size() && is_word_letter(part[end])) ++end;
      if (end > 0 && end < part.size() && part[end] == '=')
        words_.push_back({part.substr(0, end), part.substr(end + 1)});
      else
        words_.push_back({{}, part});
    };
    for_each_part(inside, add);
    for_each_part(behind, add);
  }

  /// The function that is called, without its modules; empty: none.
  std::string_view call() const { return call_.substr(call_.rfind('.') + 1); }

  /// The value of a key, once. Errors SP-MESH-014 a key that stands twice.
  std::optional<std::string_view> take(std::string_view key) {
    std::optional<std::string_view> out;
    for (Word& word : words_) {
      if (word.key != key || key.empty()) continue;
      if (out) refuse(concat("'", key, "' stands twice"), "once");
      out = word.value;
      word.taken = true;
    }
    return out;
  }
  /// The next word without a key.
  std::optional<std::string_view> take_bare() {
    for (Word& word : words_)
      if (!word.taken && word.key.empty()) {
        word.taken = true;
        return word.value;
      }
    return std::nullopt;
  }
  /// A number by its key.
  std::optional<Index> take_number(std::string_view key) {
    if (const auto value = take(key)) return number(key, *value);
    return std::nullopt;
  }

  /// The words left that have a key, as sizes of axes, in their order.
  InlineVector<View::Extent, 6> take_sizes() {
    InlineVector<View::Extent, 6> out;
    for (Word& word : words_) {
      if (word.taken || word.key.empty()) continue;
      const Axis axis = axis_named(word.key);
      for (const View::Extent& other : out)
        if (other.axis == axis) refuse(concat("axis ", axis.name(), " has two sizes"), "one");
      out.push_back({axis, number(word.key, word.value)});
      word.taken = true;
    }
    return out;
  }

  /// Errors SP-MESH-014 a word that nobody took.
  void finish() const {
    for (const Word& word : words_)
      if (!word.taken)
        refuse(concat("'", word.key, word.key.empty() ? "" : "=", word.value, "' has no meaning here"),
               "see the example of the notation");
  }

  /// A number below 2^63, digits only.
  Index number(std::string_view what, std::string_view text) const {
    Index out = 0;
    text = trimmed(text);
    if (text.empty()) refuse(concat(what, " has no value"), "a number");
    for (const char c : text) {
      if (c < '0' || c > '9') refuse(concat(what, " is '", text, '\''), "a number");
      out = checked_add(checked_mul(out, 10), c - '0');
    }
    return out;
  }
  /// The parts of a list in brackets.
  InlineVector<std::string_view, 4> parts(std::string_view what, std::string_view list) const {
    list = trimmed(list);
    const bool bracketed = list.size() >= 2 &&
                           ((list.front() == '[' && list.back() == ']') || (list.front() == '(' && list.back() == ')'));
    if (!bracketed) refuse(concat(what, " is '", list.substr(0, 40), '\''), "a list in brackets");
    InlineVector<std::string_view, 4> out;
    for_each_part(list.substr(1, list.size() - 2), [&](std::string_view part) { out.push_back(part); });
    return out;
  }
  Shape numbers(std::string_view what, std::string_view list) const {
    Shape out;
    for (const std::string_view part : parts(what, list)) out.push_back(number(what, part));
    return out;
  }
  /// Names in quotes or without.
  DimNames names(std::string_view what, std::string_view list) const {
    DimNames out;
    for (std::string_view part : parts(what, list)) {
      if (part.size() >= 2 && (part.front() == '\'' || part.front() == '"') && part.back() == part.front())
        part = part.substr(1, part.size() - 2);
      out.push_back(part);
    }
    return out;
  }

  [[noreturn]] void refuse(std::string_view what, std::string_view hint) const {
    fail("SP-MESH-014", concat(system_, " order '", text_.substr(0, 80), "': ", what), hint, {"order"});
  }

  std::string_view system() const { return system_; }

 private:
  std::string_view system_;
  std::string_view text_;
  std::string_view call_;
  InlineVector<Word, 8> words_;
};

/// Gives the axis that has no size the rest of a world: the only one, else the one of data parallelism; the others are
/// 1. Sizes of 0 stand for none. Errors SP-MESH-001 a size or a world below 1, SP-MESH-014 a product that does not
/// divide the world, or is not the world.
inline void fill_sizes(const OrderText& text, InlineVector<View::Extent, 6>& sizes, std::optional<Index> world) {
  InlineVector<std::size_t, 6> open;
  Index product = 1;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i].size == 0)
      open.push_back(i);
    else
      product = checked_mul(product, sizes[i].size);
  }
  std::optional<std::size_t> rest;
  if (open.size() == 1) rest = open[0];
  for (const std::string_view data : {"dp", "dp_shard", "efsdp", "data"})
    for (const std::size_t i : open)
      if (!rest && sizes[i].axis.name() == data) rest = i;
  for (const std::size_t i : open) sizes[i].size = 1;
  if (!world) return;
  if (*world < 1) fail("SP-MESH-001", concat("a world of ", *world, " ranks"), "at least 1", {"world"});
  if (*world % product != 0 || (!rest && *world != product))
    text.refuse(concat("a world of ", *world, " ranks, and sizes whose product is ", product),
                rest ? concat("a world of ", multiples_near(*world, product)) : concat("a world of ", product));
  if (rest) sizes[*rest].size = *world / product;
}

/// The axes of a row-major view, outermost first. Errors SP-MESH-014 a view that is not row-major.
inline InlineVector<View::Extent, 6> row_major_axes(std::string_view system, const View& view) {
  if (moves_ranks(view.wires()))
    fail("SP-MESH-014",
         concat(system, " orders are row-major; this one is a list of blocks of ", view.wires().block,
                " ranks in another order"),
         "devicemesh, xla or shardy: they list the ranks");
  InlineVector<bool, 6> seen(view.axes().size(), false);
  for (const View::Slot& digit : digit_chain(view)) {
    if (seen[digit.axis])
      fail("SP-MESH-014",
           concat(system, " orders are row-major; in this one axis ", view.axes()[digit.axis].axis.name(),
                  " stands at several distances"),
           "xla, cute, devicemesh or shardy");
    seen[digit.axis] = true;
  }
  seen = InlineVector<bool, 6>(view.axes().size(), false);
  InlineVector<View::Extent, 6> out;
  for (const View::Slot& slot : view.slots()) {
    // An axis of size 1 may stand anywhere; of the others only digits with a step tell where.
    if (seen[slot.axis] || (slot.extent == 1 && view.axes()[slot.axis].size > 1)) continue;
    seen[slot.axis] = true;
    out.push_back(view.axes()[slot.axis]);
  }
  return out;
}

/// Errors SP-MESH-014 a view that does not begin at rank 0.
inline void require_no_offset(std::string_view system, const View& view) {
  if (view.offset() != 0)
    fail("SP-MESH-014", concat(system, " orders begin at rank 0, this one at ", view.offset()), "megatron or hyper");
}

/// A row-major view, outermost axis first.
inline View row_major_view(const InlineVector<View::Extent, 6>& axes, Index offset = 0) {
  Shape sizes;
  DimNames names;
  for (const View::Extent& one : axes) {
    sizes.push_back(one.size);
    names.push_back(one.axis.name());
  }
  return View(row_major_digits(sizes, names), {}, offset);
}

}  // namespace shardplan::detail
