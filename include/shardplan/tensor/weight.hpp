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

namespace detail {

/// Finds where a host's sharding and shape contradict each other: SP-TENSOR-010.
inline void check_shape(Check& check, const Sharding& sharding, const Shape& shape) {
  check.refuse_if(sharding.expert && shape.empty(), "SP-TENSOR-010", "a scalar has no dimension that counts experts",
                  "a shape [experts, ...]");
  if (sharding.parts.empty()) return;
  const auto dims = static_cast<Index>(shape.size());
  if (sharding.dim < 0 || sharding.dim >= dims)
    return check.refuse_if(true, "SP-TENSOR-010", concat("dimension ", sharding.dim, " of a tensor of shape ", shape),
                           dims > 0 ? concat("0 to ", dims - 1) : std::string("a replicated scalar"));
  Index total = 0;
  bool fits = true;
  for (const Part& part : sharding.parts) {
    fits = fits && part.size >= 0 && !__builtin_add_overflow(total, part.size, &total);
    const bool query = part.role == Role::query;
    const Index heads = query ? sharding.heads.query : sharding.heads.key_value, each = sharding.heads.size;
    if ((!query && part.role != Role::key_value) || heads < 1 || each < 1) continue;
    Index rows = 0;
    const bool counted = !__builtin_mul_overflow(heads, each, &rows);
    check.refuse_if(!counted || rows != part.size, "SP-TENSOR-010",
                    concat(part.name, part.name.empty() ? "" : ": ", part.size, " elements for ", heads,
                           query ? " query heads of " : " KV heads of ", each),
                    counted ? concat(rows, " elements") : std::string(), {query ? "heads" : "kv_heads"});
  }
  const Index extent = shape[static_cast<std::size_t>(sharding.dim)];
  check.refuse_if(!fits || total != extent, "SP-TENSOR-010",
                  concat("parts of ", fits ? concat(total) : std::string("impossible sizes"),
                         " elements fill dimension ", sharding.dim, " of ", extent),
                  concat("parts that add up to ", extent));
}

}  // namespace detail

/// Everything that keeps a weight from being cut over a view; what contradicts its own shape keeps the rest from being
/// looked at. Ids SP-TENSOR-001, -002, -004, -008, -010, -011, R7. `label` is what the messages call it.
inline Diagnostics diagnose(std::string_view label, const Sharding& sharding, const Shape& shape, const View& view,
                            const Options& options) {
  detail::Check check(label);
  detail::check_shape(check, sharding, shape);
  if (!check.clean()) return check.take();
  const Index tensor = view.extent(tp);
  if (sharding.expert) check.multiple("SP-TENSOR-002", "the number of experts", shape[0], view.extent(ep), {"expert"});
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
