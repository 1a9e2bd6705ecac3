#pragma once
#include <shardplan/plan/activations.hpp>
#include <shardplan/zero/bucket_caps.hpp>

/// Device memory of a rank at its peak (cost-model sheet, B3; ZeRO sheet, 5).
namespace shardplan {

/// Bytes by what they are for. What a compiler or an allocator takes besides cannot be told from shapes.
struct Memory {
  Index weights = 0;
  Index gradients = 0;       ///< kept over the microbatches
  Index master_weights = 0;  ///< ZeRO-1's copy of its slices, in whatever type
  Index optimizer_state = 0;
  Index activations = 0;  ///< kept for the backward pass, of all microbatches in flight
  Index transient = 0;    ///< buffers, and what is recomputed: an upper bound, since not all are live at once

  /// Errors SP-CORE-001.
  constexpr Index total() const {
    Index out = 0;
    for (const Index part : {weights, gradients, master_weights, optimizer_state, activations, transient})
      out = checked_add(out, part);
    return out;
  }

  friend constexpr bool operator==(const Memory&, const Memory&) = default;
};

/// Layers of one chunk, by kind.
struct ChunkLayers {
  Index dense = 0;
  Index moe = 0;

  friend constexpr bool operator==(const ChunkLayers&, const ChunkLayers&) = default;
};

/// What falls to a rank, as far as its memory depends on it.
struct RankLoad {
  Index parameters = 0;          ///< elements of its parameters
  Index optimizer_elements = 0;  ///< elements that it updates: those of its ZeRO-1 slices with their padding, or all
  Index largest_update = 0;      ///< of these, in the largest tensor
  Index data = 1;                ///< data-parallel ranks, context ranks not counted
  InlineVector<ChunkLayers, 4> chunks{};  ///< one entry for each chunk, chunk 0 first
  Index in_flight = 0;                    ///< activations of one chunk alive at once, see `pipeline::in_flight`
  bool embedding = false;                 ///< chunk 0 begins with the embedding
  bool head = false;                      ///< the last chunk ends with final norm and head

  /// Of all chunks. Errors SP-CORE-001.
  constexpr ChunkLayers layers() const {
    ChunkLayers out;
    for (const ChunkLayers& chunk : chunks)
      out = {checked_add(out.dense, chunk.dense), checked_add(out.moe, chunk.moe)};
    return out;
  }
};

/// How many of a rank's `in_flight` activations belong to a chunk: the forward passes of a rank go through the chunks
/// in turn, `pipeline` microbatches each.
///
/// Pre      0 <= chunk < chunks
/// Post     the counts of all chunks add up to in_flight
/// Example  4 ranks, 2 chunks, 11 in flight: 7 of chunk 0, 4 of chunk 1
/// Source   pipeline sheet, 2.4
constexpr Index in_flight_of_chunk(Index in_flight, Index pipeline, Index chunks, Index chunk) {
  const Index round = checked_mul(pipeline, chunks);
  const Index rest = in_flight % round - chunk * pipeline;
  return in_flight / round * pipeline + intersect({0, rest}, {0, pipeline}).size();
}

/// Bytes of the activations that a rank keeps. Errors SP-CORE-001.
constexpr Index kept_activations(const Architecture& a, const Strategy& s, const Training& training,
                                 const RankLoad& load) {
  const ActivationExtents x = activation_extents(a, s, training);
  const auto kept = [&](Index layers, bool moe) {
    return layers > 0 ? checked_mul(layers, layer_activations(a, s, training, moe).kept()) : 0;
  };
  const Index chunks = static_cast<Index>(load.chunks.size());
  Index out = 0;
  for (Index chunk = 0; chunk < chunks; ++chunk) {
    const ChunkLayers& layers = load.chunks[static_cast<std::size_t>(chunk)];
    Index one = checked_add(kept(layers.dense, false), kept(layers.moe, true));
    if (load.embedding && chunk == 0) one = checked_add(one, embedding_activations(a, x));
    if (load.head && chunk == chunks - 1) one = checked_add(one, head_activations(a, x));
    out = checked_add(out, checked_mul(one, in_flight_of_chunk(load.in_flight, s.pipeline, chunks, chunk)));
  }
  return out;
}

/// Bytes that forward and backward passes need for a moment, whatever is in flight. Errors SP-CORE-001.
constexpr Index pass_transient(const Architecture& a, const Strategy& s, const Training& training,
                               const RankLoad& load) {
  const ActivationExtents x = activation_extents(a, s, training);
  const ChunkLayers layers = load.layers();
  const auto of_layer = [&](bool moe) {
    const LayerActivations one = layer_activations(a, s, training, moe);
    return training.recompute.layer ? checked_add(one.kept(), one.recomputed()) : one.recomputed();
  };
  Index recomputed = 0;
  Index first_mlp_gradient = 0;
  const Index first_mlp = checked_mul(x.width, elements({a.gated ? 2 : 1, a.hidden, x.ffn}));
  if (layers.dense > 0) {
    recomputed = of_layer(false);
    first_mlp_gradient = first_mlp;
  }
  if (layers.moe > 0) {
    recomputed = larger(recomputed, of_layer(true));
    first_mlp_gradient = larger(first_mlp_gradient, checked_mul(ceil_div(a.experts, s.expert), first_mlp));
  }
  const bool table = load.embedding || load.head;
  const Index table_gradient = table ? checked_mul(x.width, elements({x.vocabulary, a.hidden})) : 0;

  const bool gathers = s.sequence_parallel && s.tensor > 1;
  const Index gathered = gathers ? checked_mul(x.width, elements({x.tokens, a.hidden})) : 0;
  // A receive and a send buffer, forward and backward.
  const Index pipeline_buffers =
      s.pipeline > 1 ? checked_mul(x.width, elements({2, 2, x.residual_tokens, a.hidden})) : 0;
  // Two blocks of K and V go round the ring; without it K and V of the whole sequence are there, and their gradients.
  const Index context_tokens = training.ring_attention ? x.tokens : checked_mul(x.sequences, training.sequence);
  const Index context_buffers = s.context > 1 ? checked_mul(x.width, elements({2, 2, context_tokens, x.key_value})) : 0;

  Index out = 0;
  for (const Index part : {recomputed, first_mlp_gradient, table_gradient, gathered, pipeline_buffers, context_buffers})
    out = checked_add(out, part);
  return out;
}

/// Bytes that the optimizer's step needs for a moment: gradients of the slices, two buckets of each collective, and a
/// float32 temporary of one tensor. Errors SP-CORE-001.
constexpr Index step_transient(const Strategy& s, const Training& training, const RankLoad& load) {
  const Storage storage = storage_of(training.precision, s.zero1, training.optimizer);
  Index out = checked_mul(load.largest_update, bytes(Dtype::float32));
  if (!s.zero1) return out;
  const Precision& precision = training.precision;
  const zero::BucketCaps caps = zero::bucket_caps(load.data, precision.master_weights && !precision.downcast_bf16);
  const auto two_buckets = [&](Index cap, Index element) {
    return checked_mul(2, smaller(cap * zero::mebibyte, checked_mul(load.parameters, element)));
  };
  out = checked_add(out, checked_mul(load.optimizer_elements, storage.master_bytes()));
  out = checked_add(out, two_buckets(caps.reduce_scatter, storage.master_bytes()));
  return checked_add(out, two_buckets(caps.all_gather, bytes(storage.weight_dtype)));
}

/// The memory of a rank.
///
/// Pre      as for `activation_extents`; load.chunks has an entry for every chunk
/// Errors   SP-CORE-001; SP-ZERO-002 load.data < 1
/// Source   cost-model sheet, B3; ZeRO sheet, 5
constexpr Memory rank_memory(const Architecture& a, const Strategy& s, const Training& training, const RankLoad& load) {
  const Storage storage = storage_of(training.precision, s.zero1, training.optimizer);
  return {.weights = checked_mul(load.parameters, bytes(storage.weight_dtype)),
          .gradients = checked_mul(load.parameters, bytes(storage.gradient_dtype)),
          .master_weights = checked_mul(load.optimizer_elements, storage.master_bytes()),
          .optimizer_state = checked_mul(load.optimizer_elements, storage.state_bytes()),
          .activations = kept_activations(a, s, training, load),
          .transient = checked_add(pass_transient(a, s, training, load), step_transient(s, training, load))};
}

}  // namespace shardplan
