#pragma once
#include <shardplan/layout/shard.hpp>
#include <shardplan/model/parameter.hpp>
#include <shardplan/tensor/detail/check.hpp>
#include <shardplan/tensor/options.hpp>

/// Which rank holds which query and KV heads (NxD mesh and tensor sheet, 2.4 and 2.5).
///
/// Attention pairs heads locally: with q query and k KV heads on a rank, its query head i reads its KV head i / (q /
/// k). A layout is right when that is the KV head which the model pairs with it. `strict` layouts always are; NxD's
/// layer draws its own weights and does not care, NxD's converter cares on trn1 only.
namespace shardplan::tensor {

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
/// `padded`: query heads after padding, 0: none; the padding stands behind the queries of each KV head, or behind all
/// where the order is natural.
constexpr Chain query_chain(Index tensor, const Heads& heads, const Options& options, Index padded = 0) {
  const bool natural = options.dialect.natural_query_order;
  Chain filled;
  if (padded > heads.query)
    filled = natural ? pad(PadTo::length, checked_mul(padded, heads.size))
                     : blocks(heads.key_value, pad(PadTo::length, checked_mul(padded / heads.key_value, heads.size)));
  if (natural || options.kv_replicator == 1) return filled | split(tp);
  const KvDigits digits = kv_digits(tensor, options);
  const Index heads_a_rank = heads.key_value * options.kv_replicator / tensor;
  return filled | split(digits.head) |
         (heads_a_rank > 1 ? blocks(heads_a_rank, split(digits.copy)) : Chain(split(digits.copy)));
}

/// Query heads after padding: the fewest that divide over the tensor ranks, or over the copies of each KV head.
/// Pre: heads and kv_replicator are positive.
/// Post: with key_value x kv_replicator = tensor both are the same number.
constexpr Index padded_query_heads(const Heads& heads, Index tensor, const Options& options) {
  if (options.dialect.natural_query_order) return round_up(heads.query, tensor);
  return checked_mul(heads.key_value, round_up(heads.query / heads.key_value, options.kv_replicator));
}

namespace detail {
inline void check_counts(Check& check, const Heads& heads, Index tensor) {
  check.positive("number of query heads", heads.query);
  check.positive("number of KV heads", heads.key_value);
  check.positive("head size", heads.size);
  check.positive("tensor size", tensor);
}

/// For hints: every kv_replicator that `queries` query heads and their KV heads can have over `tensor` ranks.
inline std::string usable_copies(const Heads& heads, Index queries, Index tensor, const Dialect& dialect) {
  std::string out;
  for (Index copies = 1; copies <= tensor && copies <= queries; ++copies) {
    const bool meets = dialect.natural_query_order || queries % checked_mul(heads.key_value, copies) == 0;
    if (tensor % copies == 0 && heads.key_value * copies % tensor == 0 && meets)
      out += concat(out.empty() ? "kv_replicator " : " or ", copies);
  }
  return out.empty() ? concat("a tensor size that divides the KV heads, as ", divisors_near(heads.key_value, tensor))
                     : out;
}
}  // namespace detail

/// Everything that keeps the heads of an attention block from being laid out. `label` is what the messages call it.
/// Ids R7, SP-TENSOR-004, -008, -011.
inline Diagnostics diagnose(std::string_view label, const Heads& heads, Index tensor, const Options& options,
                            Index padded = 0) {
  detail::Check check(label);
  detail::check_counts(check, heads, tensor);
  if (!check.clean()) return check.take();
  const Index copies = options.kv_replicator;
  const Index queries = padded > heads.query ? padded : heads.query;
  const auto usable = [&] { return detail::usable_copies(heads, queries, tensor, options.dialect); };
  if (copies < 1 || tensor % copies != 0) {
    check.refuse_if(true, "R7", concat("tensor size ", tensor, " is not a multiple of kv_replicator ", copies),
                    usable(), {"kv_replicator", "tensor"});
    return check.take();
  }
  if (checked_mul(heads.key_value, copies) % tensor != 0)
    check.refuse_if(
        true, "R7",
        concat(heads.key_value, " KV heads x kv_replicator ", copies, " are not a multiple of tensor size ", tensor),
        usable(), {"kv_replicator", "kv_heads", "tensor"});
  check.refuse_if(options.dialect.nxd_limits && copies > 1 && options.hardware == Hardware::trn3, "SP-TENSOR-004",
                  concat("NxD has no rule for KV replication on ", shardplan::name(options.hardware)),
                  "trn1, trn2, or the strict dialect", {"hardware"});
  check.refuse_if(padded != 0 && padded < heads.query, "SP-TENSOR-008",
                  concat(heads.query, " query heads are padded to ", padded), concat("at least ", heads.query),
                  {"heads"});
  if (options.dialect.natural_query_order) {
    check.refuse_if(padded != 0 && padded % tensor != 0, "SP-TENSOR-008",
                    concat("padded query heads (", padded, ") are not a multiple of tensor size ", tensor),
                    multiples_near(padded, tensor), {"heads", "tensor"});
  } else {
    const auto shared = [&](Index count) {
      check.refuse_if(count % heads.key_value != 0, "SP-TENSOR-008",
                      concat(count, " query heads do not share ", heads.key_value, " KV heads evenly"),
                      multiples_near(count, heads.key_value), {"heads", "kv_heads"});
      return count % heads.key_value == 0;
    };
    if (shared(heads.query) && shared(queries) && queries / heads.key_value % copies != 0)
      check.refuse_if(
          true, "SP-TENSOR-008",
          concat("the ", queries / heads.key_value, " queries of a KV head do not divide over its ", copies, " copies"),
          concat(usable(), ", or ", round_up(queries / heads.key_value, copies),
                 " queries a KV head, padding included"),
          {"kv_replicator", "heads", "kv_heads"});
  }
  return check.take();
}

/// The projections of an attention block: `query` [nq x size, hidden], `key_value` (keys and values alike)
/// [nkv x size, hidden], `output` [hidden, nq x size].
struct AttentionLayouts {
  Layout query;
  Layout key_value;
  Layout output;
};

/// Where the heads of a block sit when its weights are drawn in place.
/// Errors: all that diagnose() finds, SP-LAYOUT-*.
/// Post: in the strict dialect every query head is on one rank, together with the KV head it reads.
inline AttentionLayouts attention_layouts(const Heads& heads, Index hidden, const View& view, const Options& options,
                                          Index padded = 0) {
  const Index tensor = view.extent(tp);
  detail::throw_errors(diagnose("attention", heads, tensor, options, padded));
  const Index queries = checked_mul(heads.query, heads.size), keys = checked_mul(heads.key_value, heads.size);
  const Chain query = query_chain(tensor, heads, options, padded);
  return {Layout(view, {queries, hidden}).then(0, query),
          Layout(view, {keys, hidden}).then(0, key_value_chain(tensor, options)),
          Layout(view, {hidden, queries}).then(1, query)};
}

using HeadList = InlineVector<Index, 16>;
inline constexpr Index padding_head = -1;

/// The heads whose rows (or columns, along `dim`) a place holds, in local order; padding_head for padded ones.
/// A head that a rank holds in several neighbouring runs is named once. `size`: elements of a head.
constexpr HeadList heads_at(const Layout& layout, std::size_t dim, const Place& place, Index size) {
  HeadList out;
  const Shard here(layout, place);
  for (const Shard::Segment& run : here.segments(dim)) {
    if (run.is_padding()) {
      for (Index at = 0; at < run.length; at += size) out.push_back(padding_head);
      continue;
    }
    for (Index head = run.start / size; head <= (run.start + run.length - 1) / size; ++head)
      if (out.empty() || out.back() != head) out.push_back(head);
  }
  return out;
}

/// Whether every query head of a place reads, by local pairing, the KV head that belongs to it.
constexpr bool heads_match(const AttentionLayouts& layouts, const Heads& heads, const Place& place) {
  const HeadList queries = heads_at(layouts.query, 0, place, heads.size);
  const HeadList keys = heads_at(layouts.key_value, 0, place, heads.size);
  if (keys.empty() || queries.size() % keys.size() != 0) return queries.empty();
  const std::size_t share = queries.size() / keys.size();
  for (std::size_t i = 0; i < queries.size(); ++i)
    if (queries[i] != padding_head && queries[i] / (heads.query / heads.key_value) != keys[i / share]) return false;
  return true;
}

/// Whether that holds on every tensor rank. Post: true for every strict layout.
constexpr bool heads_match(const AttentionLayouts& layouts, const Heads& heads) {
  const View& view = layouts.query.view();
  Place place(view.axes().size(), 0);
  for (Index& t = place[view.at(tp)]; t < view.extent(tp); ++t)
    if (!heads_match(layouts, heads, place)) return false;
  return true;
}

}  // namespace shardplan::tensor
