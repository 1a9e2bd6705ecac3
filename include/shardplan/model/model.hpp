#pragma once
#include <string>
#include <string_view>

#include <shardplan/model/architecture.hpp>
#include <shardplan/model/parameter.hpp>

namespace shardplan {

using Parameters = InlineVector<Parameter, 1>;

/// A model as planners see it: its parameters, in the order in which its constructor makes them.
/// Made by `llama`, `mixtral`, `megatron`, or `model` for a name of the hub.
struct Model {
  std::string name;
  Architecture architecture;
  Parameters parameters;  ///< a tied tensor occurs once

  /// Elements of all parameters, with the vocabulary padded as for `tensor` ranks. Copies that a layout makes, of K and
  /// V heads or of a tied tensor, do not count. Errors SP-CORE-001.
  Index parameter_count(Index tensor = 1) const {
    Index out = 0;
    for (const Parameter& p : parameters) out = checked_add(out, elements(padded_shape(p, tensor)));
    return out;
  }

  /// `parameter_count` of what one token passes: `top_k` experts of each MoE layer.
  Index active_parameter_count(Index tensor = 1) const {
    Index out = 0;
    for (const Parameter& p : parameters) {
      const Index all = elements(padded_shape(p, tensor));
      out = checked_add(out, p.sharding.expert ? all / p.shape[0] * architecture.top_k : all);
    }
    return out;
  }

  friend bool operator==(const Model&, const Model&) = default;
};

}  // namespace shardplan
