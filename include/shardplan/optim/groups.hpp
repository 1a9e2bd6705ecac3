#pragma once
#include <shardplan/core/dialect.hpp>
#include <shardplan/model/architecture.hpp>
#include <shardplan/model/parameter.hpp>
#include <shardplan/optim/settings.hpp>

/// Parameter groups: which parameter has which weight decay (configuration sheet, 10 and 12.2).
///
///     family     dialect  groups
///     hf         strict   decay; none: biases, and norms unless do_layer_norm_weight_decay
///     hf         NxDT     0.01 whatever weight_decay says; none: biases, and norms if do_layer_norm_weight_decay
///     megatron   strict   with do_layer_norm_weight_decay one group; else decay; none: biases and norms
///     megatron   NxDT     the same, but an rmsnorm is none of the norm classes that it looks for, so it decays
///
/// From NeMo 2.1 on, megatron's expert weights that decay are a group of their own.
namespace shardplan::optim {

/// What the rule reads of a configuration.
struct GroupSettings {
  Family family = Family::hf_llama;
  Normalization normalization = Normalization::rmsnorm;
  bool do_layer_norm_weight_decay = false;
  double weight_decay = 0.01;  ///< `optim.weight_decay`, or the default of the optimizer
  Variant variant = Variant::nxdt;
  Dialect dialect = strict;

  friend constexpr bool operator==(const GroupSettings&, const GroupSettings&) = default;
};

struct ParameterGroup {
  double weight_decay = 0;
  bool expert = false;

  friend constexpr bool operator==(const ParameterGroup&, const ParameterGroup&) = default;
};

using ParameterGroups = InlineVector<ParameterGroup, 3>;

namespace detail {

constexpr bool is_megatron(const GroupSettings& s) { return s.family == Family::megatron; }
/// Whether NxDT's faults are repeated.
constexpr bool as_nxdt(const GroupSettings& s) { return s.dialect.layer_faults; }
constexpr bool splits_experts(const GroupSettings& s) {
  return s.variant == Variant::nemo_2_1 || s.variant == Variant::nxdt;
}

constexpr bool is_bias(const GroupSettings& s, std::string_view name) {
  if (!is_megatron(s)) return name.find("bias") != name.npos;
  if (splits_experts(s)) return name.ends_with("bias");
  return name == "bias" || name.ends_with(".bias");
}

/// Whether a parameter belongs to a norm: by the name of its module, the last but one.
constexpr bool is_norm(const GroupSettings& s, std::string_view name) {
  if (!is_megatron(s)) return name.find("norm") != name.npos || name.find("LayerNorm") != name.npos;
  const std::size_t end = name.rfind('.');
  if (end == name.npos) return false;
  const std::string_view path = name.substr(0, end);
  const std::size_t before = path.rfind('.');
  return path.substr(before == path.npos ? 0 : before + 1).find("norm") != path.npos;
}

/// Whether norms are left out of the decay.
constexpr bool spares_norms(const GroupSettings& s) {
  if (!as_nxdt(s)) return !s.do_layer_norm_weight_decay;
  if (!is_megatron(s)) return s.do_layer_norm_weight_decay;
  return !s.do_layer_norm_weight_decay && s.normalization != Normalization::rmsnorm;
}

}  // namespace detail

/// The groups in the order in which the optimizer numbers them. One may have no parameters.
constexpr ParameterGroups parameter_groups(const GroupSettings& s) {
  const bool megatron = detail::is_megatron(s);
  if (megatron && s.do_layer_norm_weight_decay) return {{s.weight_decay}};
  const double decay = !megatron && detail::as_nxdt(s) ? 0.01 : s.weight_decay;
  if (megatron && detail::splits_experts(s)) return {{decay}, {decay, true}, {0}};
  return {{decay}, {0}};
}

/// The number of a parameter's group; `expert`: one of the weights that are cut over the expert ranks.
///
/// Post     below the number of `parameter_groups`
constexpr std::size_t parameter_group(const GroupSettings& s, std::string_view name, bool expert = false) {
  const bool megatron = detail::is_megatron(s);
  if (megatron && s.do_layer_norm_weight_decay) return 0;
  const bool spared = detail::is_bias(s, name) || (detail::is_norm(s, name) && detail::spares_norms(s));
  const bool split = megatron && detail::splits_experts(s);
  return spared ? (split ? 2 : 1) : split && expert ? 1 : 0;
}

/// The same for a parameter of a model.
template <ParameterLike P>
std::size_t parameter_group(const GroupSettings& settings, const P& p) {
  const auto& own_name = name(p);  // kept: a host may answer with a string of its own
  return parameter_group(settings, std::string_view(own_name), sharding(p).expert);
}

/// The weight decay of a parameter.
constexpr double weight_decay(const GroupSettings& settings, std::string_view name, bool expert = false) {
  return parameter_groups(settings)[parameter_group(settings, name, expert)].weight_decay;
}

/// Where NxDT decays otherwise than the configuration says. Id SP-OPTIM-013, a warning.
inline Diagnostics diagnose(const GroupSettings& s) {
  Diagnostics out;
  const bool megatron = detail::is_megatron(s);
  if (!megatron && s.weight_decay != 0.01)
    out.push_back(finding("SP-OPTIM-013", "NxDT decays the weights of hf models by 0.01, whatever weight_decay says",
                          "weight_decay: 0.01, to get the same from both", {"model.optim.weight_decay"}));
  if (!megatron)
    out.push_back(
        finding("SP-OPTIM-013",
                concat("with do_layer_norm_weight_decay ", s.do_layer_norm_weight_decay,
                       " NxDT's hf models decay their norms", s.do_layer_norm_weight_decay ? " not" : ""),
                concat("do_layer_norm_weight_decay: ", !s.do_layer_norm_weight_decay, " has the effect there"),
                {"model.do_layer_norm_weight_decay"}));
  if (megatron && !s.do_layer_norm_weight_decay && s.normalization == Normalization::rmsnorm)
    out.push_back(finding("SP-OPTIM-013", "NxDT decays rmsnorm weights: it takes only layernorms for norms",
                          "normalization: layernorm", {"model.normalization", "model.do_layer_norm_weight_decay"}));
  return out;
}

}  // namespace shardplan::optim
