#pragma once
#include <shardplan/tensor/heads.hpp>

/// The tensor-parallel planner: how a parameter may be cut -> where its elements sit (NxD mesh and tensor sheet,
/// section 2).
namespace shardplan::tensor {

/// The chain of one part of a weight along the dimension that is cut.
constexpr Chain part_chain(const Sharding& sharding, const Part& part, Index tensor, const Options& options) {
  switch (part.role) {
    case Role::replicated:
      return {};
    case Role::feature:
      return split(tp);
    case Role::query:
      return query_chain(tensor, sharding.heads, options);
    case Role::key_value:
      return key_value_chain(tensor, options);
    case Role::vocabulary:
      break;
  }
  if (sharding.vocabulary_multiple == 0) return split(tp);
  return pad_to_multiple(checked_mul(sharding.vocabulary_multiple, tensor)) | split(tp);
}

/// Everything that keeps a weight from being cut over a view. Ids SP-TENSOR-001, -002, -004, -008, -011, R7.
/// `label` is what the messages call it.
inline Diagnostics diagnose(std::string_view label, const Sharding& sharding, const Shape& shape, const View& view,
                            const Options& options) {
  detail::Check check(label);
  const Index tensor = view.extent(tp);
  if (sharding.expert && !shape.empty())
    check.multiple("SP-TENSOR-002", "the number of experts", shape[0], view.extent(ep), {"expert"});
  bool attention = false;
  for (const Part& part : sharding.parts) {
    attention = attention || part.role == Role::query || part.role == Role::key_value;
    const bool fits_by_itself = part.role == Role::replicated || part.role == Role::key_value ||
                                (part.role == Role::vocabulary && sharding.vocabulary_multiple > 0);
    if (!fits_by_itself)
      check.multiple("SP-TENSOR-001",
                     part.role == Role::vocabulary ? "the vocabulary"
                     : part.name.empty()           ? "the cut dimension"
                                                   : part.name,
                     part.size, tensor, {"tensor"});
  }
  if (attention) check.append(diagnose(label, sharding.heads, tensor, options));
  return check.take();
}

/// Where the elements of a parameter sit: its cut dimension over the tensor axis, experts over the expert axis.
/// The view is the dense one, or the expert one for expert parameters.
/// Errors: all that diagnose() finds, SP-LAYOUT-*.
/// Post: local extents are equal on all tensor ranks; every element is held, KV heads kv_replicator times.
inline Layout weight_layout(std::string_view label, const Sharding& sharding, const Shape& shape, const View& view,
                            const Options& options) {
  detail::throw_errors(diagnose(label, sharding, shape, view, options));
  const Index tensor = view.extent(tp);
  Layout out(view, shape);
  if (sharding.expert) out = out.then(0, split(ep));
  if (sharding.parts.size() == 1)
    return out.then(static_cast<std::size_t>(sharding.dim), part_chain(sharding, sharding.parts[0], tensor, options));
  if (sharding.parts.empty()) return out;
  InlineVector<SubBlock, 3> packed_parts;
  for (const Part& part : sharding.parts)
    packed_parts.push_back({part.size, part_chain(sharding, part, tensor, options)});
  return out.then(static_cast<std::size_t>(sharding.dim), packed(packed_parts));
}

/// The same for anything that answers a planner's questions.
template <ParameterLike P>
Layout weight_layout(const P& parameter, const View& view, const Options& options) {
  return weight_layout(name(parameter), sharding(parameter), shape(parameter), view, options);
}

}  // namespace shardplan::tensor
