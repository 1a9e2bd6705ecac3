#pragma once
#include <array>
#include <optional>

#include <shardplan/tensor/detail/check.hpp>
#include <shardplan/tensor/options.hpp>

/// How tokens find their experts: the checks of an MoE block before it exists (NxD mesh and tensor sheet, 3.3, 8.2).
namespace shardplan::tensor {

enum class Balancing : std::uint8_t { top_k, sinkhorn };

/// An MoE block as its configuration describes it.
struct Routing {
  Index num_experts = 0;
  Index top_k = 1;
  Balancing balancing = Balancing::top_k;
  std::string_view activation = "silu";  ///< of the experts; "swiglu" is Megatron's name of a gated SiLU
  bool gated = true;
  bool normalize_top_k = false;  ///< affinities of the chosen experts add up to 1
  bool dropless = false;
  std::optional<double> capacity_factor{};  ///< none: no expert ever drops a token
};

inline constexpr std::array<std::string_view, 6> expert_activations = {"gelu",    "leaky_relu", "relu",
                                                                       "sigmoid", "silu",       "tanh"};

/// Everything wrong with an MoE block. Id SP-TENSOR-003; R27, R28 as warnings where training would start and then fail.
inline Diagnostics diagnose(const Routing& routing, const Options& options = {}) {
  detail::Check check("router");
  const auto refuse = [&](bool wrong, std::string_view message, std::string_view hint, std::string key) {
    check.refuse_if(wrong, "SP-TENSOR-003", message, hint, {std::move(key)});
  };
  refuse(routing.top_k < 1 || routing.top_k > routing.num_experts,
         concat("top_k ", routing.top_k, " of ", routing.num_experts, " experts"), concat("1 to ", routing.num_experts),
         "top_k");
  refuse(routing.balancing == Balancing::sinkhorn && routing.top_k != 1,
         concat("Sinkhorn balancing assigns one expert to a token, not ", routing.top_k), "top_k 1", "top_k");
  refuse(routing.normalize_top_k && routing.top_k == 1, "a single affinity would always be normalized to 1",
         "top_k above 1, or normalize_top_k false", "normalize_top_k");
  const std::string_view activation = routing.gated && routing.activation == "swiglu" ? "silu" : routing.activation;
  bool known = false;
  for (const std::string_view one : expert_activations) known = known || one == activation;
  refuse(!known && options.dialect.nxd_limits, concat("NxD knows no activation '", routing.activation, "' for experts"),
         join(expert_activations, ", "), "activation");
  check.refuse_if(routing.dropless && (!routing.gated || activation != "silu"), "R27",
                  "experts that drop no token need a gated SiLU", "silu, gated", {"activation", "dropless"});
  check.refuse_if(!routing.dropless && routing.capacity_factor.value_or(1) <= 0, "R28",
                  "experts that may drop tokens need a capacity", "capacity_factor above 0, or dropless",
                  {"capacity_factor", "dropless"});
  return check.take();
}

/// Tokens that one expert takes of `tokens`: an even share times the capacity factor, at most all.
constexpr Index expert_capacity(const Routing& routing, Index tokens) {
  const double experts = static_cast<double>(routing.num_experts), chosen = static_cast<double>(routing.top_k);
  if (!routing.capacity_factor || *routing.capacity_factor >= experts / chosen) return tokens;
  const double share = static_cast<double>(tokens) * chosen * *routing.capacity_factor / experts;
  const Index whole = static_cast<Index>(share);
  const Index capacity = whole + (static_cast<double>(whole) < share);
  return capacity < tokens ? capacity : tokens;
}

}  // namespace shardplan::tensor
