#pragma once
#include <shardplan/model/parameter.hpp>
#include <shardplan/plan/strategy.hpp>
#include <shardplan/plan/training.hpp>

/// What a forward pass leaves behind for the backward pass, tensor by tensor (cost-model sheet, B3).
namespace shardplan {

/// Extents of the activations of one microbatch on one rank, and the bytes of an element. All 0 or more; where a size
/// does not divide over its ranks, those of the rank that holds most.
struct ActivationExtents {
  Index width = 0;            ///< bytes
  Index sequences = 0;        ///< of the microbatch
  Index positions = 0;        ///< of a sequence, on this context rank
  Index tokens = 0;           ///< sequences * positions
  Index residual_tokens = 0;  ///< of the residual stream: a tensor rank's part of them with sequence parallelism
  Index heads = 0;
  Index query = 0;      ///< width of Q
  Index key_value = 0;  ///< width of K, and of V
  Index ffn = 0;
  Index vocabulary = 0;  ///< columns of the logits
};

/// Pre      degrees, kv_replicator and micro_batch are 1 or more; strategy.kv_replicator is the one in effect
/// Errors   SP-CORE-001
constexpr ActivationExtents activation_extents(const Architecture& a, const Strategy& s, const Training& training) {
  ActivationExtents x;
  x.width = bytes(storage_of(training.precision, s.zero1, training.optimizer).weight_dtype);
  x.sequences = training.micro_batch;
  x.positions = ceil_div(training.sequence, s.context);
  x.tokens = checked_mul(x.sequences, x.positions);
  x.residual_tokens = s.sequence_parallel ? checked_mul(x.sequences, ceil_div(x.positions, s.tensor)) : x.tokens;
  x.heads = ceil_div(a.heads, s.tensor);
  x.query = checked_mul(x.heads, a.head_size());
  x.key_value = checked_mul(ceil_div(checked_mul(a.key_value_heads(), s.kv_replicator), s.tensor), a.head_size());
  x.ffn = ceil_div(a.ffn, s.tensor);
  x.vocabulary = ceil_div(padded_vocabulary(a.vocab, a.vocabulary_multiple, s.tensor), s.tensor);
  return x;
}

/// Tokens that the experts of a rank take in, on average over the expert ranks. Errors SP-CORE-001.
constexpr Index routed_tokens(Index tokens, Index top_k, const Training& training) {
  const Index even = checked_mul(tokens, top_k);
  if (training.dropless || !(training.capacity_factor > 0)) return even;
  const double room = static_cast<double>(even) * training.capacity_factor;
  if (!(room < 0x1p63))
    fail("SP-CORE-001", concat(even, " routed tokens times the capacity factor do not fit 64 bits"));
  const Index whole = static_cast<Index>(room);
  return whole + (static_cast<double>(whole) < room);
}

/// One tensor, or several alike, of one layer and microbatch on one rank.
struct Activation {
  std::string_view tensor;
  Index bytes = 0;
  bool kept = true;  ///< until the backward pass; else computed again

  friend constexpr bool operator==(const Activation&, const Activation&) = default;
};

struct LayerActivations {
  InlineVector<Activation, 16> tensors;

  /// Bytes that every microbatch in flight holds. Errors SP-CORE-001, as below.
  constexpr Index kept() const { return sum(true); }
  /// Bytes that are computed again.
  constexpr Index recomputed() const { return sum(false); }

 private:
  constexpr Index sum(bool kept) const {
    Index out = 0;
    for (const Activation& one : tensors)
      if (one.kept == kept) out = checked_add(out, one.bytes);
    return out;
  }
};

/// The activations of a decoder layer.
///
/// Post     kept() + recomputed() does not depend on what is recomputed
/// Errors   SP-CORE-001
/// Example  bfloat16, gated, flash attention, sequence parallel: (8h + 4q + 4kr + 6f + 4n) * T / t bytes
/// Source   cost-model sheet, B3: the table of activations, module lists, MoE
constexpr LayerActivations layer_activations(const Architecture& a, const Strategy& s, const Training& training,
                                             bool moe) {
  const ActivationExtents x = activation_extents(a, s, training);
  const Index width = x.width, single = bytes(Dtype::float32), mask = bytes(Dtype::boolean);
  const Shape residual{x.residual_tokens, a.hidden};
  const Shape scores{x.sequences, x.heads, x.positions, training.sequence};
  const Recompute& again = training.recompute;

  LayerActivations out;
  const auto add = [&out](std::string_view tensor, Index element, const Shape& shape, bool recomputed) {
    out.tensors.push_back({tensor, checked_mul(element, elements(shape)), !recomputed});
  };
  add("layer input", width, residual, false);

  add("norm 1 output", width, residual, again.layer || again.norms);
  add("Q", width, {x.tokens, x.query}, again.layer);
  add("K and V", width, {2, x.tokens, x.key_value}, again.layer);
  const bool core = again.layer || again.core_attention;
  if (training.flash_attention || training.ring_attention) {
    add("attention statistics", single, {x.tokens, x.heads}, core);
  } else {
    add("softmax output", width, scores, core);
    if (training.attention_dropout > 0) {
      add("attention dropout mask", mask, scores, core);
      add("dropped softmax output", width, scores, core);
    }
  }
  add("attention output", width, {x.tokens, x.query}, again.layer);
  add("residual after attention", width, residual, again.layer);

  add("norm 2 output", width, residual, again.layer || again.norms);
  const bool mlp = again.layer || (moe ? again.experts : again.mlp);
  const Index rows = moe ? routed_tokens(x.tokens, a.top_k, training) : x.tokens;
  if (moe) {
    // NxD cuts experts over the tensor ranks, so they get whole sequences even with sequence parallelism.
    add("router logits and probabilities", single, {2, x.tokens, a.experts}, mlp);
    add("permuted tokens", width, {rows, a.hidden}, mlp);
  }
  if (a.gated) {
    add("gate and up", width, {2, rows, x.ffn}, mlp);
    add("gate times up", width, {rows, x.ffn}, mlp || (!moe && again.activation_multiply));
  } else {
    add("MLP before activation", width, {rows, x.ffn}, mlp);
    add("MLP after activation", width, {rows, x.ffn}, mlp);
  }
  if (training.hidden_dropout > 0) add("residual dropout masks", mask, {2, x.residual_tokens, a.hidden}, again.layer);
  return out;
}

/// Bytes that a microbatch in flight holds on the stage of the embedding besides its layers: ids and embedded tokens.
/// Errors SP-CORE-001.
constexpr Index embedding_activations(const Architecture& a, const ActivationExtents& x) {
  const Index ids = checked_mul(bytes(Dtype::int64), x.tokens);
  const Index embedded = checked_mul(x.width, elements({x.residual_tokens, a.hidden}));
  return checked_add(ids, embedded);
}

/// Bytes that a microbatch holds on the stage of the head from its forward to its backward pass: input and output of
/// the final norm, logits, and their float32 copy. Errors SP-CORE-001.
constexpr Index head_activations(const Architecture& a, const ActivationExtents& x) {
  const Index norm = checked_mul(x.width, elements({2, x.residual_tokens, a.hidden}));
  const Index logits = checked_mul(x.width + bytes(Dtype::float32), elements({x.tokens, x.vocabulary}));
  return checked_add(norm, logits);
}

}  // namespace shardplan
