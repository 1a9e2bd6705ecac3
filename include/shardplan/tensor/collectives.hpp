#pragma once
#include <vector>

#include <shardplan/layout/layout.hpp>

/// Collectives as data, and the operators between parallel regions that issue them (NxD mesh and tensor sheet, 3.3).
///
/// An operator takes the local shape of its input and answers with the local shapes that come out and with what it
/// sends in both directions. Operators in a row are joined with then(). A group of one rank communicates nothing.
namespace shardplan::tensor {

enum class CollectiveOp : std::uint8_t { all_reduce, all_gather, reduce_scatter, all_to_all };

/// Whose ranks take part: the groups of that kind in a mesh.
enum class GroupKind : std::uint8_t { tensor, expert, kv_shared, token_shuffle };

inline constexpr std::string_view collective_names[] = {"all_reduce", "all_gather", "reduce_scatter", "all_to_all"};
inline constexpr std::string_view group_names[] = {"tp", "ep", "kv_shared", "token_shuffle"};

constexpr std::string_view name(CollectiveOp op) { return collective_names[static_cast<int>(op)]; }
constexpr std::string_view name(GroupKind kind) { return group_names[static_cast<int>(kind)]; }

/// One collective of one rank.
struct Collective {
  CollectiveOp op = CollectiveOp::all_reduce;
  Shape shape{};  ///< of the operand, as it is handed over
  GroupKind group = GroupKind::tensor;
  std::size_t dim = 0;         ///< all_gather, reduce_scatter: the dimension that grows or shrinks
  std::size_t split_dim = 0;   ///< all_to_all
  std::size_t concat_dim = 0;  ///< all_to_all
  ReduceOp reduce = ReduceOp::sum;
  bool async = false;  ///< goes on beside the computation of weight gradients

  friend constexpr bool operator==(const Collective&, const Collective&) = default;
};

/// What comes out of a step, and its collectives in the order of issue.
struct Communication {
  InlineVector<Shape, 3> outputs;
  std::vector<Collective> forward{};
  std::vector<Collective> backward{};

  friend bool operator==(const Communication&, const Communication&) = default;
};

/// One step behind another: backward runs through them in reverse.
inline Communication then(Communication first, const Communication& second) {
  first.outputs = second.outputs;
  first.forward.insert(first.forward.end(), second.forward.begin(), second.forward.end());
  first.backward.insert(first.backward.begin(), second.backward.begin(), second.backward.end());
  return first;
}

namespace detail {

/// NxD gathers and scatters along dimension 0 alone and swaps another one with it first.
constexpr Shape swapped(Shape shape, std::size_t dim) {
  std::swap(shape[0], shape[dim]);
  return shape;
}

constexpr Shape resized(Shape shape, std::size_t dim, Index extent) {
  shape[dim] = extent;
  return shape;
}

/// The shape with a dimension cut over `ranks`. Errors SP-TENSOR-007, SP-TENSOR-010.
constexpr Shape cut(const Shape& shape, std::size_t dim, Index ranks) {
  if (dim >= shape.size())
    fail("SP-TENSOR-010", concat("dimension ", dim, " of a tensor of shape ", shape),
         concat("0 to ", static_cast<Index>(shape.size()) - 1));
  if (ranks < 1 || shape[dim] % ranks != 0)
    fail("SP-TENSOR-007", concat("dimension ", dim, " of ", shape, " does not divide over ", ranks, " ranks"),
         ranks < 1 ? std::string("at least 1 rank") : concat(multiples_near(shape[dim], ranks), " elements"));
  return resized(shape, dim, shape[dim] / ranks);
}
constexpr Shape grown(const Shape& shape, std::size_t dim, Index ranks) {
  return resized(shape, dim, checked_mul(shape[dim], ranks));
}

inline void refuse_scalar(const Shape& shape) {
  if (shape.empty()) fail("SP-TENSOR-010", "a scalar has no features", "at least one dimension");
}

inline std::vector<Collective> unless_alone(Index ranks, const Collective& one) {
  return ranks > 1 ? std::vector<Collective>{one} : std::vector<Collective>{};
}
inline std::vector<Collective> all_reduce(const Shape& shape, Index ranks, bool async = false) {
  return unless_alone(ranks, {.op = CollectiveOp::all_reduce, .shape = shape, .async = async});
}
inline std::vector<Collective> all_gather(const Shape& shape, std::size_t dim, Index ranks) {
  return unless_alone(ranks, {.op = CollectiveOp::all_gather, .shape = swapped(shape, dim)});
}
inline std::vector<Collective> reduce_scatter(const Shape& shape, std::size_t dim, Index ranks) {
  return unless_alone(ranks, {.op = CollectiveOp::reduce_scatter, .shape = swapped(shape, dim)});
}

/// Parts of `split` change hands and are joined along `concat`; the way back exchanges the two.
inline Communication all_to_all(const Shape& input, std::size_t split, std::size_t concat, GroupKind group,
                                Index ranks) {
  const Shape output = grown(cut(input, split, ranks), concat, ranks);
  const auto exchange = [&](const Shape& shape, std::size_t from, std::size_t to) {
    return unless_alone(
        ranks, {.op = CollectiveOp::all_to_all, .shape = shape, .group = group, .split_dim = from, .concat_dim = to});
  };
  return {{output}, exchange(input, split, concat), exchange(output, concat, split)};
}

}  // namespace detail

/// Into the tensor-parallel region: every rank uses the input, so its gradient is the sum over the ranks.
inline Communication copy_to_tensor_region(const Shape& input, Index tensor, bool async = false) {
  return {{input}, {}, detail::all_reduce(input, tensor, async)};
}

/// Out of it: the sum over the ranks, whose gradient is everyone's.
inline Communication reduce_from_tensor_region(const Shape& input, Index tensor) {
  return {{input}, detail::all_reduce(input, tensor), {}};
}

/// Keeps a rank's part of dimension `dim`; its gradient is gathered. Errors SP-TENSOR-007, -010.
inline Communication scatter_to_region(const Shape& input, std::size_t dim, Index tensor) {
  const Shape part = detail::cut(input, dim, tensor);
  return {{part}, {}, detail::all_gather(part, dim, tensor)};
}

/// What the gradient of a gathered tensor is.
enum class Gathered : std::uint8_t {
  replica,  ///< the same on all ranks: each keeps its part
  summand,  ///< one summand on each rank: reduced, each keeps its part
};

/// Joins the parts of dimension `dim`. Errors SP-TENSOR-010.
inline Communication gather_from_region(const Shape& input, std::size_t dim, Index tensor, Gathered gradient) {
  if (dim >= input.size()) detail::cut(input, dim, tensor);
  const Shape whole = detail::grown(input, dim, tensor);
  return {{whole},
          detail::all_gather(input, dim, tensor),
          gradient == Gathered::summand ? detail::reduce_scatter(whole, dim, tensor) : std::vector<Collective>{}};
}

/// The last dimension over the ranks, and back.
inline Communication scatter_to_tensor_region(const Shape& input, Index tensor) {
  return scatter_to_region(input, input.size() - 1, tensor);
}
inline Communication gather_from_tensor_region(const Shape& input, Index tensor) {
  return gather_from_region(input, input.size() - 1, tensor, Gathered::replica);
}

/// The sequence over the ranks, and back. `to_model_parallel`: what follows is tensor parallel.
inline Communication scatter_to_sequence_region(const Shape& input, Index tensor, std::size_t dim = 0) {
  return scatter_to_region(input, dim, tensor);
}
inline Communication gather_from_sequence_region(const Shape& input, Index tensor, std::size_t dim = 0,
                                                 bool to_model_parallel = true) {
  return gather_from_region(input, dim, tensor, to_model_parallel ? Gathered::summand : Gathered::replica);
}

/// The sum over the ranks, of which each keeps its part of the sequence. Errors SP-TENSOR-007, -010.
inline Communication reduce_scatter_to_sequence_region(const Shape& input, Index tensor, std::size_t dim = 0) {
  const Shape part = detail::cut(input, dim, tensor);
  return {{part}, detail::reduce_scatter(input, dim, tensor), detail::all_gather(part, dim, tensor)};
}

/// Tokens sorted by expert go to the ranks that hold the experts: [e, c, h] -> [e / ep, ep, c, h].
/// `scatter_gather`: each tensor rank sends its part of the tokens only, and they are joined on arrival.
/// Errors SP-TENSOR-007, -010.
inline Communication enter_expert_region(const Shape& input, Index tensor, Index expert, bool scatter_gather) {
  if (input.size() != 3) fail("SP-TENSOR-010", concat("tokens of shape ", input), "[experts, capacity, hidden]");
  const Shape tokens{input[0], 1, input[1], input[2]};
  if (!scatter_gather) return detail::all_to_all(tokens, 0, 1, GroupKind::expert, expert);
  const Communication scatter = scatter_to_region(tokens, 2, tensor);
  const Communication exchange = detail::all_to_all(scatter.outputs[0], 0, 1, GroupKind::expert, expert);
  return then(then(scatter, exchange), gather_from_region(exchange.outputs[0], 2, tensor, Gathered::replica));
}

/// And back: [e / ep, ep, c, h] -> [e, c, h]. Errors SP-TENSOR-007, -010.
inline Communication exit_expert_region(const Shape& input, Index tensor, Index expert, bool scatter_gather) {
  if (input.size() != 4 || input[1] != expert)
    fail("SP-TENSOR-010", concat("tokens of shape ", input), concat("[local experts, ", expert, ", capacity, hidden]"));
  Communication out{{input}};
  if (scatter_gather) out = scatter_to_region(input, 2, tensor);
  out = then(out, detail::all_to_all(out.outputs[0], 1, 0, GroupKind::expert, expert));
  if (scatter_gather) out = then(out, gather_from_region(out.outputs[0], 2, tensor, Gathered::replica));
  const Shape back = out.outputs[0];
  out.outputs = {Shape{back[0], back[2], back[3]}};
  return out;
}

/// Tokens change places with those of other data-parallel ranks: all but the last dimension counts tokens.
/// Errors SP-TENSOR-007, -010.
inline Communication token_shuffle(const Shape& input, Index group_size) {
  detail::refuse_scalar(input);
  Shape tokens{1, input.back()};
  for (std::size_t d = 0; d + 1 < input.size(); ++d) tokens[0] = checked_mul(tokens[0], input[d]);
  Communication out = detail::all_to_all(tokens, 0, 0, GroupKind::token_shuffle, group_size);
  out.outputs = {input};
  return out;
}

/// The loss of logits whose vocabulary is cut over the ranks: the largest logit, the target's logit, the normalizer.
/// Errors SP-TENSOR-010.
inline Communication parallel_cross_entropy(const Shape& logits, Index tensor) {
  detail::refuse_scalar(logits);
  Shape tokens = logits;
  tokens.pop_back();
  Communication out{{tokens}};
  for (const ReduceOp reduce : {ReduceOp::max, ReduceOp::sum, ReduceOp::sum})
    if (tensor > 1) out.forward.push_back({.op = CollectiveOp::all_reduce, .shape = tokens, .reduce = reduce});
  return out;
}

}  // namespace shardplan::tensor
