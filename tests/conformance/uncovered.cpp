#include "kinds.hpp"

namespace conformance {

/// The kinds of case that no check covers yet, recognised by content. The table only shrinks.
Kinds uncovered_kinds() {
  constexpr auto element = Kind::Scope::element;
  return {
      // running a plan
      {"ZeRO-1 step", element, [](const Json& o, const Json&) { return is(o, "kind", "nxd_zero1_step"); }, nullptr},
      {"sampler", element,
       [](const Json& o, const Json&) {
         return has(o, {"sampler", "params"});
       },
       nullptr},
      {"random numbers", element,
       [](const Json& o, const Json&) {
         return is(o, "kind", "torch_randperm") || is(o, "kind", "numpy_randomstate_shuffle_twice") ||
                is(o, "kind", "mt19937_first_words");
       },
       nullptr},
      {"Megatron data index", element,
       [](const Json& o, const Json&) {
         return is(o, "kind", "megatron_index") || is(o, "kind", "split") || is(o, "kind", "blend_weights") ||
                is(o, "kind", "blend");
       },
       nullptr},
      {"context-parallel slice", element, [](const Json& o, const Json&) { return is(o, "kind", "cp_slice"); },
       nullptr},
      {"learning-rate schedule", element,
       [](const Json& o, const Json&) {
         return has(o, {"scheduler", "base_lrs", "kwargs"});
       },
       nullptr},
      {"optimizer step", element,
       [](const Json& o, const Json&) {
         return has(o, {"optimizer", "p0", "grads"});
       },
       nullptr},
      // cost
      {"Calculon", element,
       [](const Json& o, const Json&) {
         return has(o, {"execution", "model", "system", "result"});
       },
       nullptr},
  };
}

}  // namespace conformance
