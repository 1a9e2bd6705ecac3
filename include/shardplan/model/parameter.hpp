#pragma once
#include <concepts>
#include <string>
#include <string_view>

#include <shardplan/core/dtype.hpp>
#include <shardplan/core/shape.hpp>

/// What a planner has to know of one parameter, and the concept that lets a host's own registry answer it.
namespace shardplan {

/// How the rows of a part may be cut over the tensor ranks.
enum class Role : std::uint8_t {
  replicated,  ///< every tensor rank holds all of it: norms, routers, learned positions, biases added after a reduction
  feature,     ///< even slices of independent features: column and row layers, experts, convolution channels
  query,       ///< query heads, which must meet their KV head on the same rank
  key_value,   ///< key or value heads, held by `kv_replicator` ranks each
  vocabulary,  ///< token ids, padded first where the model asks for it
};

/// A named piece of the cut dimension that is cut on its own: gate and up, or q, k and v, packed in one weight.
struct Part {
  std::string_view name;
  Index size = 0;  ///< elements along the cut dimension
  Role role = Role::feature;

  friend constexpr bool operator==(const Part&, const Part&) = default;
};

/// Head counts of the attention block that a query or key_value part belongs to; zero elsewhere.
struct Heads {
  Index query = 0;
  Index key_value = 0;
  Index size = 0;  ///< elements of one head

  friend constexpr bool operator==(const Heads&, const Heads&) = default;
};

/// How a parameter may be cut: everything the tensor planner reads.
struct Sharding {
  int dim = 0;                    ///< the dimension that `parts` divide
  InlineVector<Part, 3> parts{};  ///< in order; sizes add up to the extent of `dim`; empty: replicated
  Heads heads{};
  bool expert = false;  ///< dimension 0 counts experts, cut over the expert ranks
  bool sequence_parallel =
      false;  ///< replicated, but its gradient is a partial sum when activations are cut over the sequence
  Index vocabulary_multiple = 0;  ///< > 0: pad the vocabulary to a multiple of this times the tensor size

  friend constexpr bool operator==(const Sharding&, const Sharding&) = default;
};

/// Which pipeline stage holds a parameter.
struct Owner {
  enum class Kind : std::uint8_t {
    first,           ///< the stage of the embedding
    layer,           ///< the stage of transformer layer `layer`
    last,            ///< the stage of the final norm and the head
    first_and_last,  ///< tied embedding and head: a copy on both
  };
  Kind kind = Kind::layer;
  LayerId layer{};

  friend constexpr bool operator==(const Owner&, const Owner&) = default;
};

/// One parameter of a model, in its full and unpadded shape.
struct Parameter {
  std::string name;
  Shape shape;
  Dtype dtype = Dtype::bfloat16;
  Sharding sharding;
  Owner owner;
  std::string tied_name{};  ///< second name of a tied weight (its copy on the last stage); empty otherwise

  friend bool operator==(const Parameter&, const Parameter&) = default;
};

inline std::string_view name(const Parameter& p) { return p.name; }
inline const Shape& shape(const Parameter& p) { return p.shape; }
inline Dtype dtype(const Parameter& p) { return p.dtype; }
inline const Sharding& sharding(const Parameter& p) { return p.sharding; }
inline Owner owner(const Parameter& p) { return p.owner; }

/// A host's own tensor record: the five questions of a planner, answered by functions beside the host's type.
template <class P>
concept ParameterLike = requires(const P& p) {
  { name(p) } -> std::convertible_to<std::string_view>;
  { shape(p) } -> std::convertible_to<Shape>;
  { dtype(p) } -> std::convertible_to<Dtype>;
  { sharding(p) } -> std::convertible_to<Sharding>;
  { owner(p) } -> std::convertible_to<Owner>;
};
static_assert(ParameterLike<Parameter>);

/// The usual shardings.
constexpr Sharding replicated(bool sequence_parallel = false) { return {.sequence_parallel = sequence_parallel}; }
constexpr Sharding cut(int dim, Index size, Role role = Role::feature) {
  return {.dim = dim, .parts = {{{}, size, role}}};
}

/// Rows of a vocabulary of `size` ids laid out over `tensor` ranks: the smallest multiple of `multiple` x `tensor` that
/// holds it; `multiple` 0: not padded (NxD mesh sheet, 2.4). Errors SP-CORE-001.
constexpr Index padded_vocabulary(Index size, Index multiple, Index tensor) {
  return multiple > 0 ? round_up(size, checked_mul(multiple, tensor)) : size;
}

/// The full shape as it is laid out over `tensor` ranks: that of the parameter, with its vocabulary padded.
template <ParameterLike P>
Shape padded_shape(const P& p, Index tensor) {
  Shape out = shape(p);
  const Sharding& rule = sharding(p);
  if (rule.vocabulary_multiple > 0) {
    Index& rows = out[static_cast<std::size_t>(rule.dim)];
    rows = padded_vocabulary(rows, rule.vocabulary_multiple, tensor);
  }
  return out;
}

}  // namespace shardplan
