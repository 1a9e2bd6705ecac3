#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/convert.hpp>
#include <shardplan/checkpoint/nxdt_source.hpp>

/// Checkpoints compared as models, whatever their layouts, and the copies within one.
namespace shardplan::checkpoint {

/// The first element in which two checkpoints differ.
struct Difference {
  std::string tensor;
  Shape index;  ///< in the whole tensor
  std::string what;
};

namespace detail {

inline Placed all_of(std::size_t whole, const Shape& shape) {
  Placed out{whole, {Shape(shape.size(), 0), shape}, Shape(shape.size(), 0), {}};
  for (std::size_t d = 0; d < shape.size(); ++d) out.dimensions.push_back(static_cast<std::uint32_t>(d));
  return out;
}

/// Index of the element that has a byte of a run. Pre: byte < bytes of the run.
inline Shape index_in(const Box& run, std::size_t element) {
  Shape out = run.origin;
  auto left = static_cast<Index>(element);
  for (std::size_t d = out.size(); d-- > 0;) {
    out[d] += left % run.extent[d];
    left /= run.extent[d];
  }
  return out;
}

/// The first element of a box that is not the same in two lists of copies.
inline std::optional<Shape> first_difference(const std::vector<BoxCopy>& a, const std::vector<BoxCopy>& b,
                                             const Box& all, Element element, std::size_t limit) {
  std::vector<std::byte> left, right;
  std::optional<Shape> out;
  const auto width = static_cast<std::size_t>(bytes(element));
  for_each_run(all.extent, static_cast<Index>(std::max<std::size_t>(1, limit / width)), [&](Box run) {
    if (out) return;
    for (std::size_t d = 0; d < run.origin.size(); ++d) run.origin[d] += all.origin[d];
    const auto read = [&](const std::vector<BoxCopy>& copies, std::vector<std::byte>& buffer) {
      std::span<const std::byte> found = as_it_lies(copies, run, element);
      if (!found.empty()) return found;
      buffer.assign(static_cast<std::size_t>(elements(run.extent)) * width, std::byte{0});
      assemble(copies, run, element, buffer);
      return std::span<const std::byte>(buffer);
    };
    const std::span<const std::byte> x = read(a, left), y = read(b, right);
    if (std::memcmp(x.data(), y.data(), x.size()) == 0) return;
    const auto at = static_cast<std::size_t>(std::mismatch(x.begin(), x.end(), y.begin()).first - x.begin());
    out = index_in(run, at / width);
  });
  return out;
}

}  // namespace detail

/// The first difference of two checkpoints as models; none: they are equal, bit for bit. Tied models have no head of
/// their own. Types must be alike, unless `cast`: then the elements of the first are compared as cast to the second's.
inline std::optional<Difference> first_difference(const Source& a, const Source& b, bool cast = false) {
  constexpr std::size_t limit = std::size_t{4} << 20;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const WholeTensor& whole = a.whole(i);
    std::size_t other = b.find(whole.name);
    if (other == b.size() && whole.name == head_name) other = b.find(embedding_name);
    if (other == b.size()) return Difference{whole.name, {}, "only the first has it"};
    if (whole.shape != b.whole(other).shape)
      return Difference{whole.name, {}, concat("shape ", whole.shape, " and ", b.whole(other).shape)};
    const Element has = a.element(i), wanted = b.element(other);
    if (has != wanted && !(cast && is_float(has) && is_float(wanted)))
      return Difference{whole.name, {}, concat(name(has), " and ", name(wanted))};
    std::vector<BoxCopy> left, right;
    const Placed all = detail::all_of(i, whole.shape);
    find_copies(a, i, all, left);
    find_copies(b, other, all, right);
    if (auto index = detail::first_difference(left, right, all.box, wanted, limit))
      return Difference{whole.name, std::move(*index), "the values differ"};
  }
  for (std::size_t i = 0; i < b.size(); ++i) {
    const std::string& name = b.whole(i).name;
    if (a.find(name) == a.size() && !(name == head_name && a.find(embedding_name) < a.size()))
      return Difference{name, {}, "only the second has it"};
  }
  return std::nullopt;
}

/// Compares every copy of an element that the ranks of a tag hold, and its padding with zeros.
///
/// Post   empty: whichever rank is read, the model is the same. Else SP-CHECKPOINT-013 for every file and tensor that
///        differs from the copy of the lowest rank.
inline Diagnostics compare_replicas(const NxdtSource& source) {
  constexpr std::size_t limit = std::size_t{4} << 20;
  Diagnostics out;
  const RankLayout& layout = source.layout();
  for (std::size_t f = 0; f < source.tag().files.size(); ++f) {
    const RankContents& contents = source.contents(f);
    const auto name_at = [&](std::size_t i) -> std::string_view { return contents.tensors[i].first; };
    const NameIndex names(contents.tensors.size(), name_at);
    for (const RankTensor& tensor : layout.tensors(contents.file)) {
      const auto at = names.find(tensor.key, name_at);
      if (!at) continue;
      const StoredTensor& stored = contents.tensors[*at].second;
      std::vector<BoxCopy> own{{{Shape(stored.shape.size(), 0), stored.shape}, &stored, stored.offset, stored.strides}};
      std::vector<BoxCopy> first;
      layout.for_each_box(tensor.parameter, layout.shard(tensor.parameter, contents.file),
                          [&](const Placed& placed) { find_copies(source, placed.whole, placed, first); });
      const auto index = detail::first_difference(own, first, own[0].box, stored.element, limit);
      if (!index) continue;
      out.push_back(finding("SP-CHECKPOINT-013",
                            concat('\'', contents.path, "': ", shown(tensor.key),
                                   " is not what the lowest rank that has it holds, first at its element ", *index),
                            "the plan that the files were written with: head order and hardware, too", {"from-plan"}));
    }
  }
  return out;
}

}  // namespace shardplan::checkpoint
