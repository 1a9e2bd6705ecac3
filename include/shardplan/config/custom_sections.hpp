#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/config/bind.hpp>
#include <shardplan/model/custom.hpp>

/// A model of one's own in a file. Every size may be a number or an expression (`heads * head_dim`) of numbers and of
/// the names under `sizes`, with + - * / and parentheses; quotients must come out even.
///
///     name: mine                  # required
///     layers: 32                  # required; `layers` is a name in expressions too
///     dtype: bfloat16             # of all parameters, the default
///     sizes: {hidden: 4096, heads: 32, head_dim: hidden / heads}   # each of numbers and of the sizes above it
///     heads: {query: heads, key_value: 8, size: head_dim}          # of query and key_value parts without their own
///     moe: {every: 2, begin: 1}   # which layers `moe` and `dense` mean: every so many ones from `begin` on
///     vocabulary_multiple: 128    # vocabularies are padded to a multiple of this times the tensor size; 0, the
///                                 # default: never
///     front: [...]                # parameters on the stage of the embedding
///     layer: [...]                # parameters of every layer, in order; required
///     back: [...]                 # parameters on the stage of the head
///     architecture: {hidden: ..., ffn: ..., ...}   # members of `Architecture`: for activations in a `Plan`'s memory
///
/// A parameter:
///
///     name: model.layers.{layer}.mlp.gate_up_proj.weight   # {layer}: the number; in `layer` and only there
///     shape: [2 * ffn, hidden]    # whole and unpadded
///     role: column                # how it may be cut over the tensor ranks, see `custom_roles`
///     dim: 0                      # the dimension that is cut, where it is not the one of the role
///     expert: true                # dimension 0 counts experts, cut over the expert ranks
///     parts: [{name: gate, size: ffn}, {name: up, size: ffn}]   # pieces that are cut each on its own: `part_names`,
///                                 # or without a name; role feature where they have none
///     heads: {query: ..., key_value: ..., size: ...}            # where they are not those of the model
///     layers: moe                 # all (the default), dense, moe, [begin, end] without end, or
///                                 # {begin, end, every, others: true for the layers that these leave out}
///     dtype: float32              # where it is not that of the model
///     tied_name: lm_head.weight   # in `front`: the name of its copy on the last stage
///
/// In the structs below a `Node` is a size.
namespace shardplan {

/// A word for a sharding of `Role`.
struct CustomRole {
  std::string_view name;
  Role role;
  int dim;  ///< that is cut; of experts one further on, but for `row`
  std::string_view meaning;
};
inline constexpr CustomRole custom_roles[] = {
    {"replicated", Role::replicated, 0, "every tensor rank holds all of it: routers, learned positions"},
    {"norm", Role::replicated, 0,
     "replicated, its gradient a partial sum with sequence parallelism: norms, row biases"},
    {"feature", Role::feature, 0, "even slices: a convolution channel, a bias of a column layer"},
    {"column", Role::feature, 0, "a column layer [out, in], of experts [expert, in, out]: even slices of out"},
    {"row", Role::feature, 1, "a row layer [out, in], of experts [expert, in, out]: even slices of in"},
    {"query", Role::query, 0, "query heads; with dim 1 the projection behind attention"},
    {"key_value", Role::key_value, 0, "key or value heads"},
    {"qkv", Role::query, 0, "the heads of q, k and v, packed in one weight"},
    {"vocabulary", Role::vocabulary, 0, "token ids: an embedding or a head [vocab, hidden]"},
};

/// A role of a part, by the name of its enumerator.
struct PartRole {
  std::string_view name;
  Role role;
};
inline constexpr PartRole part_roles[] = {{"replicated", Role::replicated},
                                          {"feature", Role::feature},
                                          {"query", Role::query},
                                          {"key_value", Role::key_value},
                                          {"vocabulary", Role::vocabulary}};

/// What parts may be called.
inline constexpr std::string_view part_names[] = {"q",     "k", "v", "gate", "up", "key",
                                                  "value", "x", "z", "b",    "c",  "dt"};

namespace detail {

struct CustomHeads {
  Node query, key_value, size;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("query", self.query, Need::required, "an integer or an expression");
    field("key_value", self.key_value);
    field("size", self.size, Need::required, "an integer or an expression");
  }
};

struct CustomLayerSet {
  Node begin, end, every;
  bool others = false;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("begin", self.begin);
    field("end", self.end);
    field("every", self.every);
    field("others", self.others);
  }
};

struct CustomPart {
  std::string name;
  Node size;
  std::string role = "feature";

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("name", self.name);
    field("size", self.size, Need::required, "an integer or an expression");
    field("role", self.role);
  }
};

struct CustomEntry {
  std::string name, role;
  Node shape;
  Node dim;
  bool expert = false;
  std::vector<CustomPart> parts;
  std::optional<CustomHeads> heads;
  Node layers;
  std::optional<std::string> dtype;
  std::string tied_name;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("name", self.name, Need::required);
    field("shape", self.shape, Need::required, "a list of integers and expressions");
    field("role", self.role, Need::required, role_list());
    field("dim", self.dim);
    field("expert", self.expert);
    field("parts", self.parts);
    field("heads", self.heads);
    field("layers", self.layers);
    field("dtype", self.dtype);
    field("tied_name", self.tied_name);
  }
  static std::string_view role_list() {
    static const std::string all = [] {
      std::vector<std::string_view> names;
      for (const CustomRole& one : custom_roles) names.push_back(one.name);
      return join(names, ", ");
    }();
    return all;
  }
};

struct CustomArchitecture {
  std::string family{shardplan::name(Family::hf_llama)}, normalization{shardplan::name(Normalization::rmsnorm)},
      block{shardplan::name(Block::pre_ln)};
  Node hidden, ffn, heads, kv_heads, vocab, head_dim, positions, experts, top_k, moe_frequency;
  bool qkv_linear = false, fuse_qkv = true, bias = false, gated = true, learned_positions = false,
       tied_embeddings = false;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("family", self.family, Need::optional, "hf_llama, hf_mixtral, megatron");
    field("normalization", self.normalization, Need::optional, "rmsnorm, layernorm, layernorm1p");
    field("block", self.block, Need::optional, "pre_ln, post_ln, normformer, gpt_j");
    for (const auto& [key, size, to] : sizes<Self>()) field(key, self.*size);
    field("qkv_linear", self.qkv_linear);
    field("fuse_qkv", self.fuse_qkv);
    field("bias", self.bias);
    field("gated", self.gated);
    field("learned_positions", self.learned_positions);
    field("tied_embeddings", self.tied_embeddings);
  }

  struct Size {
    std::string_view key;
    Node CustomArchitecture::*from;
    Index Architecture::*to;
  };
  template <class Self>
  static std::vector<Size> sizes() {
    return {{"hidden", &Self::hidden, &Architecture::hidden},
            {"ffn", &Self::ffn, &Architecture::ffn},
            {"heads", &Self::heads, &Architecture::heads},
            {"kv_heads", &Self::kv_heads, &Architecture::kv_heads},
            {"vocab", &Self::vocab, &Architecture::vocab},
            {"head_dim", &Self::head_dim, &Architecture::head_dim},
            {"positions", &Self::positions, &Architecture::positions},
            {"experts", &Self::experts, &Architecture::experts},
            {"top_k", &Self::top_k, &Architecture::top_k},
            {"moe_frequency", &Self::moe_frequency, &Architecture::moe_frequency}};
  }
};

struct CustomFile {
  std::string name;
  std::string dtype{shardplan::name(Dtype::bfloat16)};
  Node layers, sizes, vocabulary_multiple;
  std::optional<CustomHeads> heads;
  std::optional<CustomLayerSet> moe;
  std::vector<CustomEntry> front, layer, back;
  std::optional<CustomArchitecture> architecture;

  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("name", self.name, Need::required);
    field("dtype", self.dtype);
    field("layers", self.layers, Need::required, "an integer or an expression");
    field("sizes", self.sizes);
    field("vocabulary_multiple", self.vocabulary_multiple);
    field("heads", self.heads);
    field("moe", self.moe);
    field("front", self.front);
    field("layer", self.layer, Need::required);
    field("back", self.back);
    field("architecture", self.architecture);
  }
};

}  // namespace detail
}  // namespace shardplan
