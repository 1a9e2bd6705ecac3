#pragma once
#include <string>
#include <string_view>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/dtype.hpp>

/// The sizes and switches of a decoder, from which its parameters follow.
namespace shardplan {

/// Whose modules a model is built of: they fix the names, the packing and the order of its parameters.
enum class Family : std::uint8_t {
  hf_llama,    ///< NxDT `hf_models/modeling_llama.py`
  hf_mixtral,  ///< NxDT `hf_models/modeling_mixtral.py`
  megatron,    ///< NxDT `models/megatron`
};

enum class Normalization : std::uint8_t { rmsnorm, layernorm, layernorm1p };  ///< both layernorms have a bias

/// Where a layer normalises.
enum class Block : std::uint8_t {
  pre_ln,      ///< before attention and before the MLP
  post_ln,     ///< after each of them, and so no final norm
  normformer,  ///< pre_ln, and again after attention and inside the MLP
  gpt_j,       ///< attention and MLP side by side
};

inline constexpr const char* family_names[] = {"hf_llama", "hf_mixtral", "megatron"};
inline constexpr const char* normalization_names[] = {"rmsnorm", "layernorm", "layernorm1p"};
inline constexpr const char* block_names[] = {"pre_ln", "post_ln", "normformer", "gpt_j"};

constexpr std::string_view name(Family family) { return family_names[static_cast<int>(family)]; }
constexpr std::string_view name(Normalization kind) { return normalization_names[static_cast<int>(kind)]; }
constexpr std::string_view name(Block block) { return block_names[static_cast<int>(block)]; }

namespace detail {

template <class Enum, std::size_t N>
Enum option_from_name(const char* const (&names)[N], std::string_view text, std::string_view key) {
  for (std::size_t i = 0; i < N; ++i)
    if (names[i] == text) return static_cast<Enum>(i);
  fail("SP-MODEL-003", concat("unknown ", key, " '", text, "'"), concat("one of ", join(names, ", ")), {key});
}

}  // namespace detail

/// The option of that name. Errors SP-MODEL-003, listing the names there are.
inline Family family_from_name(std::string_view text) {
  return detail::option_from_name<Family>(family_names, text, "family");
}
inline Normalization normalization_from_name(std::string_view text) {
  return detail::option_from_name<Normalization>(normalization_names, text, "normalization");
}
inline Block block_from_name(std::string_view text) {
  return detail::option_from_name<Block>(block_names, text, "block");
}

/// What a decoder is built of. The defaults are those of Llama; `diagnose` says what is wrong with a value.
struct Architecture {
  Index layers = 0;
  Index hidden = 0;
  Index ffn = 0;        ///< width of the MLP, and of one expert
  Index heads = 0;      ///< query heads
  Index kv_heads = 0;   ///< key and value heads; 0: as many as `heads`
  Index vocab = 0;      ///< token ids, without padding
  Index head_dim = 0;   ///< elements of one head; 0: hidden / heads
  Index positions = 0;  ///< longest sequence; rows of the position table where positions are learned

  bool qkv_linear = false;  ///< hf: the GQA layer, which alone can replicate K and V
  bool fuse_qkv = true;     ///< hf Llama: one weight for q, k and v where the layer has such a form
  bool bias = false;        ///< megatron: biases in attention and MLP
  bool gated = true;        ///< the MLP multiplies a gate with an up projection (swiglu, geglu, reglu)
  Normalization normalization = Normalization::rmsnorm;
  bool learned_positions = false;  ///< megatron: a table of positions, else rotary
  bool tied_embeddings = false;    ///< the embedding is also the head

  Index experts = 0;        ///< of an MoE layer; 0: there are none
  Index top_k = 1;          ///< experts that a token visits
  Index moe_frequency = 1;  ///< every so many layers one has experts, see `is_moe`
  Block block = Block::pre_ln;
  Index vocabulary_multiple = 0;  ///< pad the vocabulary to a multiple of this times the tensor size; 0: never
  Dtype dtype = Dtype::bfloat16;  ///< of every parameter
  Family family = Family::hf_llama;

  constexpr Index key_value_heads() const { return kv_heads > 0 ? kv_heads : heads; }
  constexpr Index head_size() const { return head_dim > 0 || heads <= 0 ? head_dim : hidden / heads; }

  /// Does that layer have experts? Hugging Face Mixtral counts layers from 0, Megatron from 1, and takes a single
  /// expert for a plain MLP (NxD mesh sheet, 4.2 and 4.3).
  constexpr bool is_moe(LayerId layer) const {
    if (family == Family::megatron) return experts > 1 && (layer.value + 1) % moe_frequency == 0;
    return experts > 0 && layer.value % moe_frequency == 0;
  }

  friend constexpr bool operator==(const Architecture&, const Architecture&) = default;
};

/// Bounds that no model comes near, so that a mistyped size is a finding instead of hours or gigabytes of planning.
inline constexpr Index most_layers = Index{1} << 16;
inline constexpr Index largest_size = (Index{1} << 31) - 1;

/// Everything wrong with an architecture, before any strategy: SP-MODEL-002 and -005 sizes out of range, R6 and R9
/// sizes that do not divide, SP-MODEL-004 options that exclude each other (config-and-migration sheet, 2.6 to 2.8 and
/// 4). Post: an architecture without findings makes a model, unless a weight has over 2^63 elements.
inline Diagnostics diagnose(const Architecture& a) {
  Diagnostics out;
  const auto in_range = [&](std::string_view key, Index value, Index least, Index most = largest_size) {
    if (value < least)
      out.push_back(finding("SP-MODEL-002", concat(key, " is ", value), concat("at least ", least), {key}));
    if (value > most)
      out.push_back(finding("SP-MODEL-005", concat(key, " is ", value), concat("at most ", most), {key}));
    return value >= least && value <= most;
  };
  const bool megatron = a.family == Family::megatron;
  const bool layers = in_range("layers", a.layers, 1, most_layers);
  const bool hidden = in_range("hidden", a.hidden, 1);
  in_range("ffn", a.ffn, 1);
  const bool heads = in_range("heads", a.heads, 1);
  const bool kv_heads = in_range("kv_heads", a.kv_heads, 0);
  in_range("vocab", a.vocab, 1);
  const bool head_dim = in_range("head_dim", a.head_dim, 0);
  in_range("positions", a.positions, a.learned_positions ? 1 : 0);
  const bool experts = in_range("experts", a.experts, a.family == Family::hf_mixtral ? 1 : 0);
  const bool top_k = in_range("top_k", a.top_k, 1);
  const bool moe_frequency = in_range("moe_frequency", a.moe_frequency, 1);
  in_range("vocabulary_multiple", a.vocabulary_multiple, 0);

  if (hidden && heads && head_dim && a.head_dim == 0 && a.hidden % a.heads != 0) {
    out.push_back(finding("R6", concat("hidden (", a.hidden, ") is not a multiple of heads (", a.heads, ")"),
                          concat(multiples_near(a.hidden, a.heads),
                                 ", or give the size of a head (head_dim; kv_channels in a megatron file)"),
                          {"hidden", "heads"}));
  }
  if (heads && kv_heads && a.heads % a.key_value_heads() != 0) {
    out.push_back(finding(megatron ? "R9" : "SP-MODEL-004",
                          concat("heads (", a.heads, ") is not a multiple of kv_heads (", a.kv_heads, ")"),
                          concat("kv_heads ", divisors_near(a.heads, a.kv_heads)), {"heads", "kv_heads"}));
  }

  const auto excluded = [&](bool together, std::string_view what, std::string_view hint, Keys keys) {
    if (together) out.push_back(finding("SP-MODEL-004", what, hint, keys));
  };
  if (experts && top_k && moe_frequency && a.experts > 0) {
    excluded(a.top_k > a.experts, concat("top_k (", a.top_k, ") is larger than experts (", a.experts, ")"),
             concat("1 to ", a.experts), {"top_k", "experts"});
    excluded(megatron && layers && a.moe_frequency > a.layers,
             concat("moe_frequency (", a.moe_frequency, ") is larger than layers (", a.layers, ")"),
             concat("1 to ", a.layers), {"moe_frequency", "layers"});
  }
  if (megatron) {
    excluded(a.qkv_linear, "megatron models have no qkv_linear true", "an hf model", {"qkv_linear", "family"});
    const bool moe = a.experts > 1;
    excluded(moe && !a.gated, "experts need a gated MLP", "gated = true", {"gated", "experts"});
    excluded(moe && a.bias, "experts have no biases", "bias = false", {"bias", "experts"});
    excluded(moe && a.block != Block::pre_ln, concat("experts do not go with block ", name(a.block)), "block pre_ln",
             {"block", "experts"});
  } else {
    const std::string family{name(a.family)};
    const auto megatron_only = [&](bool asked, std::string_view key, std::string_view value) {
      excluded(asked, concat(family, " models have no ", key, ' ', value), "a megatron model", {key, "family"});
    };
    megatron_only(a.bias, "bias", "true");
    megatron_only(!a.gated, "gated", "false");
    megatron_only(a.learned_positions, "learned_positions", "true");
    megatron_only(a.normalization != Normalization::rmsnorm, "normalization", name(a.normalization));
    megatron_only(a.block != Block::pre_ln, "block", name(a.block));
    excluded(a.family == Family::hf_llama && a.experts > 0, "hf_llama models have no experts", "an hf_mixtral model",
             {"experts", "family"});
  }
  return out;
}

}  // namespace shardplan
