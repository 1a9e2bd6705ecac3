#pragma once
#include <array>

#include <shardplan/model/megatron.hpp>
#include <shardplan/model/mixtral.hpp>

/// Published models by name.
namespace shardplan {

/// The model of an architecture, by its family. Errors: all findings of `diagnose`.
inline Model model(const Architecture& architecture) {
  switch (architecture.family) {
    case Family::hf_mixtral:
      return mixtral(architecture);
    case Family::megatron:
      return megatron(architecture);
    default:
      return llama(architecture);
  }
}

struct HubEntry {
  const char* name;
  Architecture architecture;
};

/// Sizes as released; megatron-gpt is the NxDT example (config-and-migration sheet, section 7).
inline constexpr HubEntry hub_table[] = {
    // clang-format off
    {"llama2-7b",     {.layers = 32,  .hidden = 4096,  .ffn = 11008, .heads = 32,  .kv_heads = 32, .vocab = 32000,  .positions = 4096}},
    {"llama2-13b",    {.layers = 40,  .hidden = 5120,  .ffn = 13824, .heads = 40,  .kv_heads = 40, .vocab = 32000,  .positions = 4096}},
    {"llama2-70b",    {.layers = 80,  .hidden = 8192,  .ffn = 28672, .heads = 64,  .kv_heads = 8,  .vocab = 32000,  .positions = 4096}},
    {"llama3-8b",     {.layers = 32,  .hidden = 4096,  .ffn = 14336, .heads = 32,  .kv_heads = 8,  .vocab = 128256, .positions = 8192}},
    {"llama3-70b",    {.layers = 80,  .hidden = 8192,  .ffn = 28672, .heads = 64,  .kv_heads = 8,  .vocab = 128256, .positions = 8192}},
    {"llama3.1-8b",   {.layers = 32,  .hidden = 4096,  .ffn = 14336, .heads = 32,  .kv_heads = 8,  .vocab = 128256, .positions = 131072}},
    {"llama3.1-70b",  {.layers = 80,  .hidden = 8192,  .ffn = 28672, .heads = 64,  .kv_heads = 8,  .vocab = 128256, .positions = 131072}},
    {"llama3.1-405b", {.layers = 126, .hidden = 16384, .ffn = 53248, .heads = 128, .kv_heads = 8,  .vocab = 128256, .positions = 131072}},
    {"mistral-7b",    {.layers = 32,  .hidden = 4096,  .ffn = 14336, .heads = 32,  .kv_heads = 8,  .vocab = 32000,  .positions = 32768}},
    {"mixtral-8x7b",  {.layers = 32,  .hidden = 4096,  .ffn = 14336, .heads = 32,  .kv_heads = 8,  .vocab = 32000,  .positions = 32768,
                       .experts = 8, .top_k = 2, .family = Family::hf_mixtral}},
    {"megatron-gpt",  {.layers = 32,  .hidden = 4096,  .ffn = 16384, .heads = 32,  .kv_heads = 32, .vocab = 50257,  .positions = 2048,
                       .bias = true, .gated = false, .normalization = Normalization::layernorm, .learned_positions = true,
                       .tied_embeddings = true, .vocabulary_multiple = 8, .family = Family::megatron}},
    // clang-format on
};

/// The names of the hub, in the order of its table.
constexpr auto model_names() {
  std::array<std::string_view, std::size(hub_table)> out;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = hub_table[i].name;
  return out;
}

/// The architecture of a model of the hub. Errors SP-MODEL-001, with the closest name and all names.
inline const Architecture& architecture(std::string_view name) {
  for (const HubEntry& entry : hub_table)
    if (entry.name == name) return entry.architecture;
  const auto names = model_names();
  const std::string_view near = closest(name, names);
  fail("SP-MODEL-001", concat("unknown model '", name, "'"),
       concat(near.empty() ? "" : concat(near, "? There are "), join(names, ", ")), {"model"});
}

/// A model of the hub, under that name. Errors SP-MODEL-001.
inline Model model(std::string_view name) {
  Model out = model(architecture(name));
  out.name = name;
  return out;
}

}  // namespace shardplan
