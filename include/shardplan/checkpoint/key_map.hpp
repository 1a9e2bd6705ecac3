#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/hf_keys.hpp>
#include <shardplan/checkpoint/name_index.hpp>
#include <shardplan/core/diagnostic.hpp>
#include <shardplan/layout/transfer.hpp>
#include <shardplan/model/model.hpp>

/// The tensors that every format has in common, and where they lie in the parameters of a model.
namespace shardplan::checkpoint {

/// Dimensions of one tensor, by number, for each dimension of another.
using Dimensions = InlineVector<std::uint32_t, 3>;

/// A tensor as Hugging Face keeps it: q, k and v, gate and up, every expert apart. What has no name there has its own.
struct WholeTensor {
  std::string name;
  Shape shape;
  std::size_t parameter = 0;  ///< of the model: the one that it lies in
  bool published = true;      ///< Hugging Face has such a tensor
};

/// A box of a whole tensor as it lies in another tensor: a parameter, or what a file holds of one.
struct Placed {
  std::size_t whole = 0;  ///< in KeyMap::wholes()
  Box box;                ///< of the whole tensor
  Shape at;               ///< origin in the other tensor
  Dimensions dimensions;  ///< of the other tensor, for each dimension of the whole one

  /// The extent in the other tensor. Pre: it has so many dimensions.
  Shape extent() const {
    Shape out(at.size(), 1);
    for (std::size_t d = 0; d < dimensions.size(); ++d) out[dimensions[d]] = box.extent[d];
    return out;
  }
  /// The part of it that lies in a box of the other tensor; none: no element does.
  std::optional<Placed> inside(const Box& part) const {
    Placed out = *this;
    const Shape own = extent();
    for (std::size_t d = 0; d < at.size(); ++d) {
      const Interval both = intersect({at[d], at[d] + own[d]}, {part.origin[d], part.origin[d] + part.extent[d]});
      if (both.empty()) return std::nullopt;
      out.at[d] = both.begin;
      for (std::size_t w = 0; w < dimensions.size(); ++w) {
        if (dimensions[w] != d) continue;
        out.box.origin[w] = box.origin[w] + (both.begin - at[d]);
        out.box.extent[w] = both.size();
      }
    }
    return out;
  }
};

/// What the public converter writes in another form than the model that reads it (checkpoint sheet, 5.4, 5.7). Where
/// only the parameters differ, as_converter_wrote() changes those.
struct ConverterForm {
  bool untransposed_experts = false;  ///< experts lie as Hugging Face has them: [expert, out, in]
  bool trn2_heads = false;            ///< trn2: queries in natural order, K and V copies interleaved as on trn1

  friend constexpr bool operator==(const ConverterForm&, const ConverterForm&) = default;
};

/// A model as the public converter lays it out for these names: Megatron's q, k and v as blocks of a rank instead of
/// head by head, the same for k and v, and, where asked for, experts untransposed and on every expert rank
/// (checkpoint sheet, 5.6 and 5.7). Plan it to read such files; the model of NxDT computes other things with them.
inline Model as_converter_wrote(Model model, const ConverterForm& form = {}) {
  for (Parameter& p : model.parameters) {
    const KeyMatch match = match_key(p.name);
    if (!match.rule) continue;
    const Heads& heads = p.sharding.heads;
    if (match.rule->packing == Packing::heads) {
      const Index rows = heads.key_value * heads.size;
      const bool query = !match.rule->names[2].empty();
      InlineVector<Part, 3> parts;
      if (query) parts.push_back({"q", heads.query * heads.size, Role::query});
      parts.push_back({"k", rows, Role::key_value});
      parts.push_back({"v", rows, Role::key_value});
      p.sharding.parts = parts;
    }
    if (match.rule->packing == Packing::experts && form.untransposed_experts && p.shape.size() == 3) {
      const Index experts = p.shape[0];
      const auto packed = static_cast<Index>(p.sharding.dim == 2 ? p.sharding.parts.size() : 1);
      const Index in = p.shape[1], out = p.shape[2] / packed;
      p.sharding.expert = false;
      if (packed > 1) {
        p.shape = {experts, out, in * packed};
        for (Part& part : p.sharding.parts) part.size = in;
      } else {
        p.shape = {experts, out, in};
        p.sharding = cut(1, out);
      }
    }
  }
  return model;
}

/// The whole tensors of a model and the parameters they are packed in: the same whole tensors for every way to build
/// the model, so that two models, or a model and a folder of Hugging Face, meet in them (checkpoint sheet, 5.1, 5.3,
/// 5.6, 5.7).
class KeyMap {
 public:
  /// Errors SP-CHECKPOINT-012 a parameter whose shape is not what its name asks for.
  explicit KeyMap(const Parameters& parameters, const ConverterForm& form = {})
      : untransposed_(form.untransposed_experts) {
    boxes_.reserve(parameters.size());
    for (std::size_t i = 0; i < parameters.size(); ++i) add(parameters[i], i);
    by_name_ = NameIndex(wholes_.size(), NameAt{wholes_});
  }

  const std::vector<WholeTensor>& wholes() const { return wholes_; }
  /// What parameter i of the model is made of. Post: the boxes tile it.
  const std::vector<Placed>& boxes(std::size_t i) const { return boxes_[i]; }
  /// Number of the whole tensor of that name; wholes().size(): there is none.
  std::size_t find(std::string_view name) const {
    const auto found = by_name_.find(name, NameAt{wholes_});
    return found ? *found : wholes_.size();
  }

 private:
  struct NameAt {
    const std::vector<WholeTensor>& wholes;
    std::string_view operator()(std::size_t i) const { return wholes[i].name; }
  };

  void add(const Parameter& p, std::size_t i) {
    boxes_.emplace_back();
    const KeyMatch match = match_key(p.name);
    const auto& parts = p.sharding.parts;
    // An MLP without a gate is packed like no tensor of Hugging Face.
    const bool plain = match.rule && match.rule->packing == Packing::parts && parts.size() < 2;
    if (!match.rule || plain) {
      add_whole(p.name, p.shape, i, false);
      place(Shape(p.shape.size(), 0), p.shape, Shape(p.shape.size(), 0), in_order(p.shape.size()));
      return;
    }
    const Packing packing = match.rule->packing == Packing::heads && parts.size() > 1
                                ? Packing::parts  // as the public converter stores them, see as_converter_wrote()
                                : match.rule->packing;
    switch (packing) {
      case Packing::whole:
        add_whole(match.name(0), p.shape, i, true);
        place(Shape(p.shape.size(), 0), p.shape, Shape(p.shape.size(), 0), in_order(p.shape.size()));
        break;
      case Packing::parts:
        add_parts(p, i, match);
        break;
      case Packing::heads:
        add_heads(p, i, match);
        break;
      case Packing::experts:
        add_experts(p, i, match);
        break;
    }
  }

  void add_parts(const Parameter& p, std::size_t i, const KeyMatch& match) {
    const auto& parts = p.sharding.parts;
    std::size_t names = 0;
    for (const std::string_view name : match.rule->names) names += !name.empty();
    check(p, parts.size() == names, "parts");
    const auto dim = static_cast<std::size_t>(p.sharding.dim);
    Index begin = 0;
    for (std::size_t k = 0; k < parts.size(); ++k) {
      Shape extent = p.shape, at(p.shape.size(), 0);
      extent[dim] = parts[k].size;
      at[dim] = begin;
      begin += parts[k].size;
      add_whole(match.name(k), extent, i, true);
      place(Shape(extent.size(), 0), extent, at, in_order(extent.size()));
    }
    check(p, begin == p.shape[dim], "rows");
  }

  /// Rows go head by head: q, k and v of the first, then of the next.
  void add_heads(const Parameter& p, std::size_t i, const KeyMatch& match) {
    Index tensors = 0;
    for (const std::string_view name : match.rule->names) tensors += !name.empty();
    const Heads& heads = p.sharding.heads;
    const Index rows = heads.key_value * heads.size;
    check(p, !p.shape.empty() && rows > 0 && p.shape[0] == rows * tensors, "rows");
    Shape whole = p.shape;
    whole[0] = rows;
    for (Index k = 0; k < tensors; ++k) add_whole(match.name(static_cast<std::size_t>(k)), whole, i, true);
    Shape extent = whole;
    extent[0] = heads.size;
    for (Index h = 0; h < heads.key_value; ++h)
      for (Index k = 0; k < tensors; ++k) {
        Shape origin(p.shape.size(), 0), at(p.shape.size(), 0);
        origin[0] = h * heads.size;
        at[0] = (h * tensors + k) * heads.size;
        place(origin, extent, at, in_order(extent.size()));
        boxes_.back().back().whole = wholes_.size() - static_cast<std::size_t>(tensors - k);
      }
  }

  /// [expert, in, out] here, one [out, in] for each expert there; or as there, see ConverterForm.
  void add_experts(const Parameter& p, std::size_t i, const KeyMatch& match) {
    check(p, p.shape.size() == 3, "dimensions");
    for (Index expert = 0; expert < p.shape[0]; ++expert) {
      Index begin = 0;
      const bool packed = p.sharding.dim == 2;
      for (std::size_t k = 0; k < (packed ? p.sharding.parts.size() : 1); ++k) {
        const Index out = packed ? p.sharding.parts[k].size : p.shape[2];
        const Shape whole = untransposed_ ? Shape{p.shape[1], out} : Shape{out, p.shape[1]};
        add_whole(match.name(k, expert), whole, i, true);
        place({0, 0}, whole, {expert, 0, begin}, untransposed_ ? Dimensions{1, 2} : Dimensions{2, 1});
        begin += out;
      }
      check(p, begin == p.shape[2], "columns");
    }
  }

  static Dimensions in_order(std::size_t rank) {
    Dimensions out;
    for (std::size_t d = 0; d < rank; ++d) out.push_back(static_cast<std::uint32_t>(d));
    return out;
  }
  static void check(const Parameter& p, bool right, std::string_view what) {
    if (!right)
      fail("SP-CHECKPOINT-012", concat('\'', p.name, "' of shape ", p.shape, " has not the ", what,
                                       " that a parameter of that name is made of"));
  }
  void add_whole(std::string name, Shape shape, std::size_t parameter, bool published) {
    wholes_.push_back({std::move(name), std::move(shape), parameter, published});
  }
  /// A box of the whole tensor that was added last, in the last parameter.
  void place(Shape origin, Shape extent, Shape at, Dimensions dimensions) {
    boxes_.back().push_back(
        {wholes_.size() - 1, {std::move(origin), std::move(extent)}, std::move(at), std::move(dimensions)});
  }

  bool untransposed_ = false;
  std::vector<WholeTensor> wholes_;
  std::vector<std::vector<Placed>> boxes_;
  NameIndex by_name_;
};

}  // namespace shardplan::checkpoint
