#pragma once
#include <span>

#include <shardplan/layout/shard.hpp>
#include <shardplan/model/parameter.hpp>

/// Cuts and ranges of a tensor in words.
namespace shardplan {

inline constexpr std::string_view role_names[] = {"replicated", "feature", "query", "key_value", "vocabulary"};
constexpr std::string_view name(Role role) { return role_names[static_cast<int>(role)]; }

namespace detail {

/// What the chains of a layout do to one dimension, collected on the way through them.
class ChainWords {
 public:
  explicit ChainWords(const Layout& layout) : layout_(&layout), over_(layout.view().axes().size(), 0) {}

  /// What becomes of a dimension of `length` elements. Returns the length of what is left of it on one rank.
  Index read(ChainRef chain, Index length) {
    InlineVector<const Cut*, 6> cuts(chain.count, nullptr);
    for (std::uint32_t i = chain.count, at = chain.last; i-- > 0; at = layout_->program().cuts[at].previous)
      cuts[i] = &layout_->program().cuts[at];
    for (const Cut* cut : cuts) {
      switch (cut->kind) {
        case CutKind::split:
          for (std::uint32_t d = 0; d < cut->digits.count; ++d) {
            const BoundDigit& digit = layout_->program().digits[cut->digits.first + d];
            Index& parts = over_[digit.axis];
            parts = (parts == 0 ? 1 : parts) * digit.extent;
            length /= digit.extent;
          }
          break;
        case CutKind::pad: {
          const Index padded = output_size(layout_->program(), *cut, length, AtPlace{Place()});
          if (padded != length) before_ += concat(" padded to ", padded);
          length = padded;
          break;
        }
        case CutKind::repeat:
          if (cut->value > 1) before_ += concat(" repeated ", cut->value, " times");
          length *= cut->value;
          break;
        case CutKind::slice:
          before_ += concat(" from ", cut->value, " to ", cut->limit);
          length = cut->limit - cut->value;
          break;
        case CutKind::reorder:
          before_ += concat(" in ", cut->value, " reordered blocks");
          break;
        case CutKind::blocks:
          if (const Index count = block_count(*cut, length); count > 0)
            length = count * read(layout_->program().chains[cut->chains.first], length / count);
          break;
      }
    }
    return length;
  }

  /// ` padded to 50304 / tp 8`, ` / tp 8 x 4 copies`; empty where nothing is done.
  std::string text() const {
    std::string out = before_;
    for (std::size_t axis = 0; axis < over_.size(); ++axis) {
      const View::Extent& extent = layout_->view().axes()[axis];
      if (over_[axis] == 0 || extent.size == 1) continue;
      if (over_[axis] > 1) out += concat(" / ", extent.axis.name(), ' ', over_[axis]);
      if (over_[axis] < extent.size) out += concat(" x ", extent.size / over_[axis], " copies");
    }
    return out;
  }

 private:
  const Layout* layout_;
  std::string before_;
  InlineVector<Index, 6> over_;  ///< by axis: into how many parts its digits cut, 0 where no split reads it
};

/// `q heads`, `gate, up`, `vocabulary`; empty for features without a name.
inline std::string part_label(std::span<const Part> alike) {
  std::string out;
  for (const Part& part : alike) out += concat(out.empty() ? "" : ", ", part.name);
  const Role role = alike[0].role;
  if (role == Role::vocabulary) return "vocabulary";
  if (role == Role::query || role == Role::key_value)
    return concat(out.empty() ? (role == Role::query ? "query" : "KV") : std::string_view(out), " heads");
  return out;
}

/// The chain of one part: a cut dimension of several parts is a blocks cut with a chain for each.
inline ChainRef part_chain(const Layout& layout, const Sharding& rule, std::size_t part) {
  const ChainRef whole = layout.chain(static_cast<std::size_t>(rule.dim));
  const Cut* last = whole.count == 1 ? &layout.program().cuts[whole.last] : nullptr;
  const bool packed = last != nullptr && last->kind == CutKind::blocks && last->chains.count == rule.parts.size();
  return packed && rule.parts.size() > 1 ? layout.program().chains[last->chains.first + part] : whole;
}

}  // namespace detail

/// How a weight is cut: `whole`, `dim 0: gate, up / tp 32`, `dim 0: q heads / tp 32 | k, v heads / tp 8 x 4 copies`,
/// `dim 0: experts / ep 4, dim 2: gate, up / tp 8`. Axes of one rank go unsaid.
/// layout: that of the weight itself, as `Plan::layout` gives it
inline std::string cut_words(const Sharding& rule, const Layout& layout) {
  std::string out;
  const auto add = [&out](std::size_t dim, std::string_view label, std::string_view words) {
    if (words.empty()) return;
    out += concat(out.empty() ? "" : ", ", "dim ", dim, label.empty() ? "" : ": ", label, words);
  };
  for (std::size_t dim = 0; dim < layout.rank(); ++dim) {
    if (rule.parts.empty() || dim != static_cast<std::size_t>(rule.dim)) {
      detail::ChainWords words(layout);
      words.read(layout.chain(dim), layout.shape()[dim]);
      add(dim, rule.expert && dim == 0 ? "experts" : "", words.text());
      continue;
    }
    const std::span<const Part> parts(rule.parts.data(), rule.parts.size());
    std::string label, of_dimension;
    for (std::size_t first = 0; first < parts.size();) {
      const auto words_of = [&](std::size_t part) {
        detail::ChainWords words(layout);
        words.read(detail::part_chain(layout, rule, part), parts[part].size);
        return words.text();
      };
      const std::string words = words_of(first);
      std::size_t next = first + 1;
      while (next < parts.size() && parts[next].role == parts[first].role && words_of(next) == words) ++next;
      const std::string alike = detail::part_label(parts.subspan(first, next - first));
      if (!words.empty()) of_dimension += concat(of_dimension.empty() ? "" : " | ", alike, words);
      first = next;
    }
    // An unnamed part begins with its cut, so that no colon stands before it.
    const bool named = !of_dimension.empty() && of_dimension[0] != ' ';
    add(dim, "", named ? concat(": ", of_dimension) : of_dimension);
  }
  return out.empty() ? "whole" : out;
}

/// The runs of one dimension of a shard, `0:4008`, `gate 0:896 + up 28672:29568`, `pad 3`; `:` for all of it.
/// extent: of the whole tensor. parts: names for its ranges, may be empty. Of over `most` runs the first are told.
inline std::string range_words(Shard::Runs runs, Index extent, std::span<const Part> parts, std::size_t most = 6) {
  if (runs.size() == 1 && runs[0].start == 0 && runs[0].length == extent) return ":";
  if (runs.empty()) return "none";
  std::string out;
  const auto add = [&out](std::string_view label, Interval range) {
    out += concat(out.empty() ? "" : " + ", label, label.empty() ? "" : " ", range.begin, ':', range.end);
  };
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (i == most) return out + concat(" + ", runs.size() - most, " more runs");
    const Interval run{runs[i].start, runs[i].start + runs[i].length};
    if (runs[i].is_padding()) {
      out += concat(out.empty() ? "" : " + ", "pad ", runs[i].length);
    } else if (parts.empty()) {
      add({}, run);
    } else {
      Interval part{0, 0};
      for (const Part& one : parts) {
        part = {part.end, part.end + one.size};
        if (const Interval inside = intersect(run, part); !inside.empty()) add(one.name, inside);
      }
    }
  }
  return out;
}

/// The runs of all dimensions: `[gate 0:896 + up 28672:29568, :]`.
inline std::string range_words(const Shard& shard, const Shape& whole, const Sharding& rule) {
  std::string out = "[";
  for (std::size_t dim = 0; dim < shard.rank(); ++dim) {
    const bool cut = dim == static_cast<std::size_t>(rule.dim);
    const std::span<const Part> parts(rule.parts.data(), cut ? rule.parts.size() : 0);
    out += concat(dim == 0 ? "" : ", ", range_words(shard.segments(dim), whole[dim], parts));
  }
  return out + "]";
}

}  // namespace shardplan
