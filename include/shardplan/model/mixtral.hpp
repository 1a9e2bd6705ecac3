#pragma once
#include <shardplan/model/llama.hpp>

namespace shardplan {

/// A Hugging Face Mixtral, as NxDT builds it: Llama with experts in every `moe_frequency`-th layer, from layer 0 on.
/// It packs q, k and v wherever it can, whatever `fuse_qkv` says, and with as many KV heads as heads it does not use
/// the GQA layer (NxD mesh sheet, 4.2); the architecture of the result says what was built.
/// Errors: all findings of `diagnose`.
inline Model mixtral(Architecture architecture) {
  architecture.family = Family::hf_mixtral;
  architecture.fuse_qkv = true;
  if (architecture.key_value_heads() == architecture.heads) architecture.qkv_linear = false;
  return detail::hf_decoder(architecture);
}

}  // namespace shardplan
