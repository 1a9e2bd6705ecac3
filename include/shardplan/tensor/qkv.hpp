#pragma once
#include <span>
#include <vector>

#include <shardplan/tensor/heads.hpp>
#include <shardplan/tensor/layer_tensor.hpp>

/// The layer that makes queries, keys and values with fewer KV heads than tensor ranks (NxD mesh and tensor
/// sheet, 2.5).
namespace shardplan::tensor {

/// Members and defaults are those of NxD's constructor, but for `head_size`.
struct GQAQKVColumnParallelLinear {
  Index input_size = 0;
  Index query_size = 0;      ///< output_sizes[0]: query heads x head size
  Index key_value_size = 0;  ///< output_sizes[1]: KV heads x head size
  Index head_size = 0;       ///< 0: not known, as in NxD; then only rows can be checked
  bool bias = true;
  bool gather_output = true;
  bool sequence_parallel = false;
  Index kv_size_multiplier = 1;  ///< ranks that hold each KV head
  bool fuse_qkv = true;          ///< one weight [q; k; v]
};

namespace detail {

/// The heads of the layer. Where NxD cuts by rows, or no one knows better, a row is a head.
constexpr Heads heads(const GQAQKVColumnParallelLinear& layer, const Options& options) {
  if (layer.head_size < 1 || options.dialect.natural_query_order) return {layer.query_size, layer.key_value_size, 1};
  return {layer.query_size / layer.head_size, layer.key_value_size / layer.head_size, layer.head_size};
}

constexpr Options replicating(const GQAQKVColumnParallelLinear& layer, Options options) {
  options.kv_replicator = layer.kv_size_multiplier;
  return options;
}

}  // namespace detail

/// Everything wrong with a layer on `tensor` ranks; the kv_replicator of the options gives way to the layer's own.
/// Ids R7, SP-TENSOR-001, -003, -004, -008, -011.
inline Diagnostics diagnose(const GQAQKVColumnParallelLinear& layer, Index tensor, const Options& options = {},
                            Phase until = Phase::train) {
  detail::Check check("GQA layer");
  check.positive("input size", layer.input_size);
  check.positive("query size", layer.query_size);
  check.positive("key and value size", layer.key_value_size);
  check.positive("tensor size", tensor);
  if (!check.clean()) return check.take();
  const bool by_head = !options.dialect.natural_query_order;
  if (by_head && layer.head_size > 0) {
    check.multiple("SP-TENSOR-003", "the query size", layer.query_size, layer.head_size, {"head_size"});
    check.multiple("SP-TENSOR-003", "the key and value size", layer.key_value_size, layer.head_size, {"head_size"});
  }
  check.refuse_if(by_head && layer.head_size < 1 && layer.kv_size_multiplier > 1, "SP-TENSOR-003",
                  "heads cannot be replicated without their size", "head_size", {"head_size", "kv_size_multiplier"});
  if (!check.clean()) return check.take();
  check.append(diagnose("GQA layer", detail::heads(layer, options), tensor, detail::replicating(layer, options)));
  check.multiple("SP-TENSOR-001", "the query size", layer.query_size, tensor, {"tensor"});
  check.refuse_if(options.dialect.nxd_limits && options.hardware == Hardware::trn3 && layer.kv_size_multiplier == 1,
                  "SP-TENSOR-004", "NxD draws no weight of this layer on trn3", "trn1, trn2, or the strict dialect",
                  {"hardware"});
  check.refuse_if(options.dialect.nxd_limits && layer.bias && until >= Phase::build, "SP-TENSOR-003",
                  "NxD cannot initialise the bias of this layer", "bias false, or the strict dialect", {"bias"});
  check.refuse_if(
      options.dialect.nxd_limits && layer.gather_output && layer.sequence_parallel && until >= Phase::forward,
      "SP-TENSOR-003", "NxD does not gather the output of a sequence-parallel layer",
      "gather_output false, or the strict dialect", {"gather_output", "sequence_parallel"});
  return check.take();
}

/// What is wrong among the GQA layers of one process: id R8, where only NxD's single set of KV groups is in the way.
inline Diagnostics diagnose(std::span<const GQAQKVColumnParallelLinear> layers, const Options& options = {}) {
  detail::Check check("GQA layers");
  for (const auto& layer : layers)
    check.refuse_if(options.dialect.nxd_limits && layer.kv_size_multiplier != layers[0].kv_size_multiplier, "R8",
                    concat("kv_size_multiplier ", layer.kv_size_multiplier, " after ", layers[0].kv_size_multiplier),
                    "one for all layers, or the strict dialect", {"kv_size_multiplier"});
  return check.take();
}

/// "weight_qkv" [q + 2 kv, in], or "weight_q", "weight_k" and "weight_v"; the same for "bias" where there is one. A
/// bias that is added to a gathered output is whole. NxD sets no marks on the fused weight. Errors: what diagnose()
/// finds up to Phase::build, SP-LAYOUT-*. Post: in the strict dialect local query head i meets its own KV head, copies
/// of a KV head are equal.
inline std::vector<LayerTensor> tensors(const GQAQKVColumnParallelLinear& layer, const View& view,
                                        const Options& options = {}) {
  const Index tensor = view.extent(tp);
  detail::throw_errors(diagnose(layer, tensor, options, Phase::build));
  const Options own = detail::replicating(layer, options);
  const Chain query = query_chain(tensor, detail::heads(layer, options), own);
  const Chain key_value = key_value_chain(tensor, own);
  const ParallelAttributes marks = cut_marks(0, 1, tensor);
  std::vector<LayerTensor> out;
  const auto add = [&](std::string_view name, Shape shape, const Chain& chain, const ParallelAttributes& marked) {
    out.push_back({name, Layout(view, shape).then(0, chain), marked});
  };
  const Index total = checked_add(layer.query_size, checked_mul(2, layer.key_value_size));
  const Chain fused =
      packed({{layer.query_size, query}, {layer.key_value_size, key_value}, {layer.key_value_size, key_value}});
  if (layer.fuse_qkv) {
    add("weight_qkv", {total, layer.input_size}, fused, {});
    if (layer.bias) add("bias_qkv", {total}, layer.gather_output ? Chain{} : fused, {});
    return out;
  }
  add("weight_q", {layer.query_size, layer.input_size}, query, marks);
  add("weight_k", {layer.key_value_size, layer.input_size}, key_value, marks);
  add("weight_v", {layer.key_value_size, layer.input_size}, key_value, marks);
  if (!layer.bias) return out;
  const auto add_bias = [&](std::string_view name, Index size, const Chain& chain) {
    add(name, {size}, layer.gather_output ? Chain{} : chain, layer.gather_output ? ParallelAttributes{} : marks);
  };
  add_bias("bias_q", layer.query_size, query);
  add_bias("bias_k", layer.key_value_size, key_value);
  add_bias("bias_v", layer.key_value_size, key_value);
  return out;
}

/// Rows of q, k and v behind one another in the fused weight of one rank.
struct FusedRows {
  Index query = 0;
  Index key = 0;
  Index value = 0;
  friend constexpr bool operator==(const FusedRows&, const FusedRows&) = default;
};
constexpr FusedRows fused_rows(const GQAQKVColumnParallelLinear& layer, Index tensor) {
  const Index keys = checked_mul(layer.key_value_size, layer.kv_size_multiplier) / tensor;
  return {layer.query_size / tensor, keys, keys};
}

/// Whether a rank's fused weight can be taken apart. NxD cuts it in three equal parts (7.1.16): where they are not
/// equal, that is the warning SP-TENSOR-006, or SP-TENSOR-001 where they cannot even be three and NxD's limits count.
inline Diagnostics diagnose(const FusedRows& rows, const Dialect& dialect) {
  detail::Check check("fused qkv");
  const Index total = rows.query + rows.key + rows.value;
  if (rows.query == rows.key && rows.key == rows.value) return {};
  const bool fails = total % 3 != 0 && dialect.nxd_limits;
  check.refuse_if(true, fails ? "SP-TENSOR-001" : "SP-TENSOR-006",
                  concat("NxD takes ", total, " rows for three equal parts, they are ", rows.query, " + ", rows.key,
                         " + ", rows.value),
                  "unfused weights, or the strict dialect", {"fuse_qkv"});
  return check.take();
}

/// The rows of q, k and v in a rank's fused weight.
struct UnfusedRows {
  Interval query;
  Interval key;
  Interval value;
};
/// The rows as they are, or with layer_faults the three equal parts that NxD takes, where there are such.
/// Errors: all that diagnose() finds.
inline UnfusedRows unfuse(const FusedRows& rows, const Dialect& dialect) {
  detail::throw_errors(diagnose(rows, dialect));
  const Index total = rows.query + rows.key + rows.value;
  const bool thirds = dialect.layer_faults && total % 3 == 0;
  const Index first = thirds ? total / 3 : rows.query, second = thirds ? total / 3 * 2 : rows.query + rows.key;
  return {{0, first}, {first, second}, {second, total}};
}

}  // namespace shardplan::tensor
