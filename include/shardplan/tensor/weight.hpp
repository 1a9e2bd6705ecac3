#pragma once
#include <shardplan/core/dialect.hpp>
#include <shardplan/layout/layout.hpp>
#include <shardplan/mesh/world.hpp>
#include <shardplan/model/parameter.hpp>

/// The tensor-parallel planner: how a parameter may be cut -> where its elements sit (NxD mesh and tensor sheet,
/// section 2).
namespace shardplan::tensor {

/// What the cut of a weight depends on besides the weight and the mesh.
struct Options {
  Index kv_replicator = 1;  ///< ranks that hold each KV head
  Hardware hardware = Hardware::trn1;
  Dialect dialect = strict;
};

/// Which digits of the tensor axis tell KV heads apart, and which tell the copies of one head apart (2.5).
/// trn2 keeps copies next to each other, all others stride over the tensor group.
struct KvDigits {
  Digit head;
  Digit copy;
};
constexpr KvDigits kv_digits(Index tensor, const Options& options) {
  const Index heads = tensor / options.kv_replicator;
  if (options.hardware == Hardware::trn2) return {outer(tp, heads), inner(tp, options.kv_replicator)};
  return {inner(tp, heads), outer(tp, options.kv_replicator)};
}

/// Key or value rows: every head on `kv_replicator` ranks. The copies are a digit that no cut reads.
constexpr Chain key_value_chain(Index tensor, const Options& options) {
  // NxD on trn2 repeats each row instead of each head, so copies do not match (7.1.1).
  if (options.dialect.repeat_kv_rows && options.hardware == Hardware::trn2 && options.kv_replicator > 1)
    return blocks_of(1, repeat(options.kv_replicator)) | split(tp);
  return split(kv_digits(tensor, options).head);
}

/// Query rows: with the KV head they attend to. Where a rank holds several KV heads, it holds a share of the queries of
/// each, in the order of the heads. Natural order where KV heads are not replicated.
constexpr Chain query_chain(Index tensor, const Heads& heads, const Options& options) {
  if (options.kv_replicator == 1 || options.dialect.natural_query_order) return split(tp);
  const KvDigits digits = kv_digits(tensor, options);
  const Index heads_a_rank = heads.key_value * options.kv_replicator / tensor;
  return split(digits.head) | (heads_a_rank > 1 ? blocks(heads_a_rank, split(digits.copy)) : Chain(split(digits.copy)));
}

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

/// Everything that keeps a weight from being cut over a view. Ids SP-TENSOR-001, -002, -004, R7.
/// `label` is what the messages call it.
inline Diagnostics diagnose(std::string_view label, const Sharding& sharding, const Shape& shape, const View& view,
                            const Options& options) {
  Diagnostics out;
  const Index tensor = view.extent(tp);
  const auto divides = [&](Index size, Index by, const char* id, std::string_view what) {
    if (by > 0 && size % by == 0) return;
    out.push_back(finding(
        id, concat(label, ": ", what, " (", size, ") is not a multiple of ", by),
        by > 0 ? concat(size / by * by > 0 ? concat(size / by * by, " or ") : std::string(), (size / by + 1) * by,
                        ", or a divisor such as ", nearest_divisors(size > 0 ? size : 1, by).below)
               : std::string(),
        {"tensor"}));
  };
  if (sharding.expert && !shape.empty() && shape[0] % view.extent(ep) != 0)
    out.push_back(finding("SP-TENSOR-002",
                          concat(label, ": ", shape[0], " experts are not a multiple of expert size ", view.extent(ep)),
                          concat(nearest_divisors(shape[0], view.extent(ep)).below, " or ",
                                 nearest_divisors(shape[0], view.extent(ep)).above),
                          {"expert"}));
  bool replicates = false;
  for (const Part& part : sharding.parts) {
    switch (part.role) {
      case Role::replicated:
        break;
      case Role::vocabulary:
        if (sharding.vocabulary_multiple == 0) divides(part.size, tensor, "SP-TENSOR-001", "the vocabulary");
        break;
      case Role::key_value:
      case Role::query:
        replicates = true;
        [[fallthrough]];
      case Role::feature:
        if (part.role != Role::key_value)
          divides(part.size, tensor, "SP-TENSOR-001",
                  part.name.empty() ? std::string_view("the cut dimension") : part.name);
        break;
    }
  }
  const Index copies = options.kv_replicator;
  if (!replicates) return out;
  if (copies < 1 || tensor % copies != 0) {
    out.push_back(
        finding("R7", concat(label, ": tensor size ", tensor, " is not a multiple of kv_replicator ", copies),
                concat(nearest_divisors(tensor, copies).below, " or ", nearest_divisors(tensor, copies).above),
                {"kv_replicator", "tensor"}));
  } else if (sharding.heads.key_value * copies % tensor != 0) {
    out.push_back(
        finding("R7",
                concat(label, ": ", sharding.heads.key_value, " KV heads x kv_replicator ", copies,
                       " are not a multiple of tensor size ", tensor),
                concat("kv_replicator ", tensor / std::gcd(tensor, sharding.heads.key_value), " or a multiple of it"),
                {"kv_replicator", "tensor"}));
  }
  if (options.dialect.nxd_limits && copies > 1 && options.hardware == Hardware::trn3)
    out.push_back(finding("SP-TENSOR-004",
                          concat(label, ": NxD has no rule for KV replication on ", shardplan::name(options.hardware)),
                          "trn1, trn2, or the strict dialect", {"hardware"}));
  return out;
}

/// Where the elements of a parameter sit: its cut dimension over the tensor axis, experts over the expert axis.
/// The view is the dense one, or the expert one for expert parameters.
/// Errors: all that diagnose() finds, SP-LAYOUT-*.
/// Post: local extents are equal on all tensor ranks; every element is held, KV heads kv_replicator times.
inline Layout weight_layout(std::string_view label, const Sharding& sharding, const Shape& shape, const View& view,
                            const Options& options) {
  if (Diagnostics all = diagnose(label, sharding, shape, view, options); has_errors(all)) throw Error(std::move(all));
  const Index tensor = view.extent(tp);
  Layout out(view, shape);
  if (sharding.expert) out = out.then(0, split(ep));
  if (sharding.parts.size() == 1)
    return out.then(static_cast<std::size_t>(sharding.dim), part_chain(sharding, sharding.parts[0], tensor, options));
  if (sharding.parts.empty()) return out;
  InlineVector<Block, 3> packed_parts;
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
