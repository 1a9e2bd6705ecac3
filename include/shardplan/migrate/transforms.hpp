#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/migrate/key_map.hpp>

/// How values change between systems (configuration sheet, 6.2).
namespace shardplan::migrate {

/// What becomes of a value.
struct Changed {
  std::optional<Node> value{};  ///< none: as it was
  bool goes = false;            ///< the key has no place in the result
  std::string reason{};         ///< of a key that goes
  bool harmless = true;
  std::string why{};
};

/// The resolved value of a key of the source; null where it has none.
using Lookup = std::function<const Node*(std::string_view)>;

namespace detail {

inline std::string_view text_or(const Node* node, std::string_view otherwise = {}) {
  const std::string* text = node != nullptr ? node->as<std::string>() : nullptr;
  return text != nullptr ? std::string_view(*text) : otherwise;
}
inline Changed to(Node::Value value, std::string why = {}) {
  return {.value = Node{std::move(value)}, .why = std::move(why)};
}

/// A name without `{val_loss...}` and the dash that joins it to the rest.
inline std::string without_val_loss(std::string text) {
  for (std::size_t begin; (begin = text.find("{val_loss")) != text.npos;) {
    std::size_t end = text.find('}', begin);
    if (end == text.npos) break;
    ++end;
    if (end < text.size() && text[end] == '-')
      ++end;
    else if (end == text.size() && begin > 0 && text[begin - 1] == '-')
      --begin;
    text.erase(begin, end - begin);
  }
  return text;
}

inline bool watches_val_loss(const Lookup& source) {
  return text_or(source("exp_manager.checkpoint_callback_params.monitor")) == "val_loss";
}

inline Changed precision_type(const Node& value) {
  const std::string_view word = text_or(&value);
  const Index* bits = value.as<Index>();
  const Index number = bits != nullptr ? *bits : 0;
  const std::string is = "mixed_precision";
  if (number == 16 || word == "16" || word == "16-mixed")
    return to(is, "bf16 in place of fp16, with fp32 master weights");
  if (word == "bf16" || word == "bf16-mixed") return to(is, "bf16 with fp32 master weights");
  if (word == "bf16-true") return to(std::string("bf16SR"), "bf16 alone, with stochastic rounding");
  if (number == 32 || word == "32" || word == "32-true") return to(std::string("fp32"));
  return to(Node::Missing{}, concat("nothing in NxDT is like ", describe(value)));
}

}  // namespace detail

/// A value on its way to NxDT. value: with its interpolations; resolved: without them.
///
/// Post     nothing changes where the value is one of NxDT already
inline Changed to_nxdt(Transform how, const Node& value, const Node& resolved, const Lookup& source) {
  using detail::text_or;
  using detail::to;
  const std::string_view word = text_or(&resolved);
  switch (how) {
    case Transform::precision:
    case Transform::precision_nnm:
      return detail::precision_type(resolved);
    case Transform::zero_precision:
      return {.goes = true, .reason = "see precision.type", .why = "precision.type says it"};
    case Transform::null_to_1:
      return resolved.is_null() ? to(Index{1}) : Changed{};
    case Transform::null_means_mha:
      if (!resolved.is_null()) return {};
      return {
          .goes = true, .reason = "replace", .why = "without it every head has keys and values of its own, as here"};
    case Transform::activation_name:
      return word.starts_with("fast-") ? to(std::string(word.substr(5))) : Changed{};
    case Transform::optimizer_name:
      for (const std::string_view gpu :
           {"fused_adam", "distributed_fused_adam", "megatron_fused_adam", "mcore_distributed_optim"})
        if (word == gpu) return to(std::string("adamw"));
      return {};
    case Transform::val_loss_to_step:
      return word == "val_loss" ? to(std::string("step")) : Changed{};
    case Transform::min_to_max_with_step:
      return word == "min" && detail::watches_val_loss(source) ? to(std::string("max")) : Changed{};
    case Transform::filename_drop_val_loss: {
      const std::string_view written = text_or(&value);
      if (!detail::watches_val_loss(source) || written.find("{val_loss") == written.npos) return {};
      return to(detail::without_val_loss(std::string(written)));
    }
    case Transform::drop_self_reference: {
      const std::string_view written = text_or(&value);
      if (written.find("${") == written.npos || written.find("model.resume_from_checkpoint") == written.npos) return {};
      return {.goes = true, .reason = "see model.resume_from_checkpoint", .why = "the value itself comes here"};
    }
    case Transform::recommend_true:
    case Transform::zero1_on: {
      const bool* flag = resolved.as<bool>();
      return flag != nullptr && *flag ? Changed{} : to(true);
    }
    case Transform::add_recompute_list:
    case Transform::int_choice:
    case Transform::interpolation_paths:
    case Transform::none:
      return {};
  }
  return {};
}

/// A value of NxDT on its way back, by the transform that would bring it.
inline Changed from_nxdt(Transform how, const Node& resolved, const Lookup& source) {
  using detail::text_or;
  using detail::to;
  const std::string_view word = text_or(&resolved);
  switch (how) {
    case Transform::precision:
    case Transform::precision_nnm:
      if (word == "mixed_precision" || word == "autocast") return to(std::string("bf16"));
      if (word == "fp32") return to(Index{32});
      if (word == "bf16SR") return to(std::string("bf16-true"), "NeMo rounds to nearest: rounding was stochastic");
      return to(Node::Missing{}, concat("NeMo has nothing like ", word.empty() ? "that" : word));
    case Transform::null_to_1:
      return resolved == Node{Index{1}} ? to(std::monostate{}, "off is null") : Changed{};
    case Transform::optimizer_name: {
      const Node* zero = source("distributed_strategy.zero1");
      const bool sharded = zero != nullptr && *zero == Node{true};
      if (word == "adamw" && sharded)
        return to(std::string("distributed_fused_adam"), "shards its state, as zero1 did");
      if (word == "adamw_fp32OptState") return to(std::string("fused_adam"), "its state is fp32 as well");
      return {};
    }
    default:
      return {};
  }
}

}  // namespace shardplan::migrate
