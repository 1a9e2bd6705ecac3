#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <shardplan/pipeline/partition.hpp>

/// Megatron's pipeline layouts: which items stand in which stage, written as a string or as lists of names
/// (pipeline sheet, 1.6; rank-order sheet, 2). The text may come from anywhere: no input makes it crash or take more
/// memory than `layout_limit` letters need.
///
///     layout  = stage { "|" stage }        one stage after the other, some may be empty; commas mean nothing
///     stage   = { item | item "*" count }  E embedding, t decoder layer, m MTP layer, L loss
///     "(" text ")*" count                  repeats a text, which may hold "|" but no other parentheses
///
/// `E|(t|)*6L` on 4 ranks: E | t | t | t | t | t | t | L, two chunks a rank.
namespace shardplan::pipeline {

/// The longest expanded layout that is accepted, in letters.
inline constexpr Index layout_limit = stage_limit;

enum class LayoutItem : std::uint8_t { embedding, decoder, mtp, loss };

struct LayoutItemInfo {
  std::string_view name;
  char letter;
};
inline constexpr LayoutItemInfo layout_item_table[] = {
    {"embedding", 'E'}, {"decoder", 't'}, {"mtp", 'm'}, {"loss", 'L'}};

constexpr std::string_view name(LayoutItem item) { return layout_item_table[static_cast<int>(item)].name; }

/// The items of all stages, and where each stage begins among them.
struct StageLayout {
  std::vector<LayoutItem> items;
  Partition stages;  ///< of positions in `items`

  std::span<const LayoutItem> items_of(StageId stage) const noexcept {
    const Interval held = stages.layers_of(stage);
    return std::span(items).subspan(static_cast<std::size_t>(held.begin), static_cast<std::size_t>(held.size()));
  }
  Index count(LayoutItem wanted) const noexcept { return count(wanted, {0, stages.layers()}); }
  /// How many of the positions hold the item. Pre: positions lie inside [0, items.size()].
  Index count(LayoutItem wanted, Interval positions) const noexcept {
    Index out = 0;
    for (Index at = positions.begin; at < positions.end; ++at) out += items[static_cast<std::size_t>(at)] == wanted;
    return out;
  }

  friend bool operator==(const StageLayout&, const StageLayout&) = default;
};

namespace detail {

/// The item whose row of the table is the wanted one.
template <class Wanted>
constexpr std::optional<LayoutItem> item_where(const Wanted& wanted) {
  for (int i = 0; const LayoutItemInfo& info : layout_item_table) {
    if (wanted(info)) return static_cast<LayoutItem>(i);
    ++i;
  }
  return std::nullopt;
}

/// `*count` at a place of a text.
struct Repetition {
  Index count;      ///< at most layout_limit + 1
  std::size_t end;  ///< behind the last digit
};
constexpr std::optional<Repetition> repetition_at(std::string_view text, std::size_t at) {
  const auto digit = [&](std::size_t i) { return i < text.size() && '0' <= text[i] && text[i] <= '9'; };
  if (at >= text.size() || text[at] != '*' || !digit(at + 1)) return std::nullopt;
  Repetition out{0, at + 1};
  for (; digit(out.end); ++out.end)
    if (out.count <= layout_limit) out.count = out.count * 10 + (text[out.end] - '0');
  return out;
}

inline void append_repeated(std::string& out, std::string_view text, Index count) {
  if (count > (layout_limit - static_cast<Index>(out.size())) / static_cast<Index>(text.size()))
    fail("SP-PIPELINE-005", concat("the layout expands to more than ", layout_limit, " letters"),
         "a shorter text, or smaller counts", {"pipeline_model_parallel_layout"});
  for (; count > 0; --count) out += text;
}

/// The text without commas, holding only letters that a layout may hold.
inline std::string plain_layout(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char letter = text[at];
    if (letter == ',') continue;
    if (std::string_view("EtmL|()*0123456789").find(letter) == std::string_view::npos) {
      const bool printable = ' ' < letter && letter <= '~';
      fail("SP-PIPELINE-005",
           concat("a layout cannot hold ",
                  printable ? concat('\'', letter, '\'') : concat("byte ", static_cast<unsigned char>(letter)),
                  " (letter ", at + 1, ')'),
           "E, t, m, L, '|', 'x*count' and '(...)*count'", {"pipeline_model_parallel_layout"});
    }
    append_repeated(out, {&letter, 1}, 1);
  }
  return out;
}

/// Megatron expands groups first and single letters in the result, so `(t*2|)*3` means what it seems to.
inline std::string expand_groups(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '(') {
      append_repeated(out, text.substr(at++, 1), 1);
      continue;
    }
    const std::size_t close = text.find_first_of("()", at + 1);
    const bool closed = close != std::string_view::npos && text[close] == ')' && close > at + 1;
    const auto times = closed ? repetition_at(text, close + 1) : std::nullopt;
    if (!times)
      fail("SP-PIPELINE-005", "a '(' of the layout is not followed by a text and ')*count'",
           "groups are not empty and do not contain groups", {"pipeline_model_parallel_layout"});
    append_repeated(out, text.substr(at + 1, close - at - 1), times->count);
    at = times->end;
  }
  return out;
}

inline std::string expand_letters(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto times = repetition_at(text, at + 1);
    append_repeated(out, text.substr(at, 1), times ? times->count : 1);
    at = times ? times->end : at + 1;
  }
  return out;
}

}  // namespace detail

/// Reads a layout string for `pipeline` ranks. What it says is checked by `diagnose`, not here.
///
/// Errors   SP-PIPELINE-005 not a layout, or longer than `layout_limit`; SP-PIPELINE-003 stages that do not divide over
///          the ranks; SP-PIPELINE-008
inline StageLayout parse_layout(std::string_view text, Index pipeline) {
  std::vector<LayoutItem> items;
  Partition::Bounds bounds{0};
  for (const char letter : detail::expand_letters(detail::expand_groups(detail::plain_layout(text)))) {
    if (letter == '|') {
      bounds.push_back(static_cast<Index>(items.size()));
      continue;
    }
    const auto item = detail::item_where([&](const LayoutItemInfo& info) { return info.letter == letter; });
    if (!item)
      fail("SP-PIPELINE-005", concat("a stray '", letter, "' in the layout"), "counts follow one letter or a group",
           {"pipeline_model_parallel_layout"});
    items.push_back(*item);
  }
  bounds.push_back(static_cast<Index>(items.size()));
  return {std::move(items), Partition(std::move(bounds), pipeline)};
}

/// The same from lists of item names, one list a stage; blanks around a name and its case do not matter.
/// Errors SP-PIPELINE-005 an unknown name (Megatron's encoder items are among them), SP-PIPELINE-003, SP-PIPELINE-008.
inline StageLayout layout_from_names(std::span<const std::vector<std::string>> stages, Index pipeline) {
  constexpr std::string_view blanks = " \t\n\r\f\v";
  std::vector<LayoutItem> items;
  Partition::Bounds bounds{0};
  for (const std::vector<std::string>& stage : stages) {
    for (const std::string& given : stage) {
      std::string plain;
      const std::size_t first = given.find_first_not_of(blanks);
      if (first != std::string::npos) plain = given.substr(first, given.find_last_not_of(blanks) + 1 - first);
      for (char& letter : plain)
        if ('A' <= letter && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
      const auto item = detail::item_where([&](const LayoutItemInfo& info) { return info.name == plain; });
      if (!item)
        fail("SP-PIPELINE-005", concat("a layout cannot hold '", given, "'"), "embedding, decoder, mtp or loss",
             {"pipeline_model_parallel_layout"});
      items.push_back(*item);
    }
    bounds.push_back(static_cast<Index>(items.size()));
  }
  return {std::move(items), Partition(std::move(bounds), pipeline)};
}

/// The decoder layers of every stage; their numbers run through the stages in order.
inline Partition decoders(const StageLayout& layout) {
  Partition::Bounds bounds{0};
  for (Index s = 0; s < layout.stages.stages(); ++s)
    bounds.push_back(bounds.back() + layout.count(LayoutItem::decoder, layout.stages.layers_of(s)));
  return {std::move(bounds), layout.stages.pipeline()};
}

/// Whether a rank other than the last holds MTP layers, so that they stand in a stage apart from the loss.
inline bool mtp_standalone(const StageLayout& layout) {
  const Partition& stages = layout.stages;
  for (Index rank = 0; rank + 1 < stages.pipeline(); ++rank)
    if (layout.count(LayoutItem::mtp, stages.layers_of(stages.stage(rank, stages.chunks() - 1))) > 0) return true;
  return false;
}

/// Everything that keeps a layout from being a model with `num_layers` decoder and `mtp_num_layers` MTP layers:
/// findings SP-PIPELINE-006, none if it is one.
inline Diagnostics diagnose(const StageLayout& layout, Index num_layers, Index mtp_num_layers = 0) {
  Diagnostics out;
  const auto find = [&](bool right, std::string message, std::string hint = {}) {
    if (right) return;
    out.push_back(finding("SP-PIPELINE-006", std::move(message), std::move(hint), {"pipeline_model_parallel_layout"}));
  };
  const auto& items = layout.items;
  const auto once = [&](LayoutItem item) {
    const Index number = layout.count(item);
    find(number == 1, concat("the layout holds ", name(item), ' ', number, " times"), "exactly once");
  };
  find(!items.empty() && items.front() == LayoutItem::embedding,
       concat("the layout starts with ", items.empty() ? "nothing" : name(items.front())), "embedding (E)");
  find(!items.empty() && items.back() == LayoutItem::loss,
       concat("the layout ends with ", items.empty() ? "nothing" : name(items.back())), "loss (L)");
  once(LayoutItem::embedding);
  once(LayoutItem::loss);
  const Index decoder_layers = layout.count(LayoutItem::decoder);
  const Index mtp_layers = layout.count(LayoutItem::mtp);
  find(decoder_layers == num_layers,
       concat("the layout holds ", decoder_layers, " decoder layers, the model ", num_layers));
  find(mtp_layers == mtp_num_layers,
       concat("the layout holds ", mtp_layers, " MTP layers, the model ", mtp_num_layers));

  std::size_t first_mtp = 0;
  while (first_mtp < items.size() && items[first_mtp] != LayoutItem::mtp) ++first_mtp;
  find(layout.count(LayoutItem::decoder, {static_cast<Index>(first_mtp), layout.stages.layers()}) == 0,
       "a decoder layer follows an MTP layer", "MTP layers come last");
  Index stages_with_mtp = 0;
  for (Index s = 0; s < layout.stages.stages(); ++s) {
    if (layout.count(LayoutItem::mtp, layout.stages.layers_of(s)) == 0) continue;
    ++stages_with_mtp;
    find(layout.stages.chunk(s) == layout.stages.chunks() - 1,
         concat("stage ", s, " holds MTP layers, but is not the last chunk of rank ", layout.stages.pipeline_rank(s)));
  }
  find(stages_with_mtp <= 1, concat("MTP layers stand in ", stages_with_mtp, " stages"), "in one");
  return out;
}

}  // namespace shardplan::pipeline
