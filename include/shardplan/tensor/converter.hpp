#pragma once
#include <vector>

#include <shardplan/layout/copy.hpp>
#include <shardplan/tensor/heads.hpp>

/// The head orders of NxD's checkpoint converter, from full checkpoints to rank files and back (NxD mesh and tensor
/// sheet, 2.5 and 7.1.2).
namespace shardplan::tensor {

/// The options under which attention_layouts() lays heads out as the converter does. On trn1 it pairs heads rightly,
/// which is the strict order. Its trn2 branch leaves queries in natural order, yet strides K and V as on trn1.
constexpr Options converter_options(Options options) {
  if (!options.dialect.natural_query_order) return options;
  options.dialect.repeat_kv_rows = false;
  options.dialect.natural_query_order = options.hardware == Hardware::trn2;
  if (options.hardware == Hardware::trn2) options.hardware = Hardware::trn1;
  return options;
}

/// Everything that keeps a checkpoint from being converted; `padded`: query heads after padding, 0: none.
/// Ids SP-TENSOR-004, -008, -011, R7; -009 for what only NxD cannot do.
inline Diagnostics diagnose_conversion(const Heads& heads, Index tensor, const Options& options, Index padded = 0) {
  detail::Check check("converter");
  check.append(diagnose("converter", heads, tensor, converter_options(options), padded));
  if (!options.dialect.nxd_limits || !check.clean()) return check.take();
  const Index group = heads.query / heads.key_value, queries = padded > heads.query ? padded : heads.query;
  if (options.hardware == Hardware::trn2) {
    check.multiple("SP-TENSOR-009", "the number of query heads", queries, tensor, {"heads", "tensor"});
    // It appends whole groups of queries as padding, one for every query that each group lacks.
    check.refuse_if(
        queries > heads.query && group < heads.key_value, "SP-TENSOR-009",
        concat("NxD pads ", heads.query, " query heads of ", heads.key_value, " groups to fewer than ", queries),
        "the strict dialect", {"heads"});
    return check.take();
  }
  const Index copies = options.kv_replicator;
  check.refuse_if(heads.key_value * copies != tensor, "SP-TENSOR-009",
                  concat("NxD converts only for tensor size = KV heads x kv_replicator, not ", tensor, " and ",
                         heads.key_value, " x ", copies),
                  concat("tensor size ", heads.key_value * copies, ", or the strict dialect"),
                  {"tensor", "kv_heads", "kv_replicator"});
  if (check.clean())
    check.multiple("SP-TENSOR-009", "the number of queries of a KV head", group, queries / tensor, {"heads", "tensor"});
  return check.take();
}

/// Where the converter puts the heads of an attention block.
/// Errors: all that diagnose_conversion() finds, SP-LAYOUT-*.
inline AttentionLayouts converter_layouts(const Heads& heads, Index hidden, const View& view, const Options& options,
                                          Index padded = 0) {
  detail::throw_errors(diagnose_conversion(heads, view.extent(tp), options, padded));
  return attention_layouts(heads, hidden, view, converter_options(options), padded);
}

/// The row-major element numbers of a tensor after it went to shards and was merged again; -1 where none came back.
/// Post: the identity for every layout that drops nothing.
inline std::vector<Index> round_trip(const Layout& layout) {
  const auto size = static_cast<std::size_t>(elements(layout.shape()));
  std::vector<Index> full(size), merged(size, -1), local;
  for (std::size_t i = 0; i < size; ++i) full[i] = static_cast<Index>(i);
  for (Index r = 0; r < layout.view().size(); ++r) {
    const Shard piece = shard(layout, layout.view().place(layout.view().offset() + r));
    local.resize(static_cast<std::size_t>(piece.elements()));
    extract<Index>(piece, layout.shape(), full, local);
    assemble<Index>(piece, layout.shape(), local, merged);
  }
  return merged;
}

}  // namespace shardplan::tensor
