#include "kinds.hpp"

namespace conformance {

/// The kinds of case that no check covers yet, recognised by content. The table only shrinks.
Kinds uncovered_kinds() {
  constexpr auto file = Kind::Scope::file;
  constexpr auto element = Kind::Scope::element;
  return {
      // rank orders and layouts of other systems
      {"Megatron rank groups", file,
       [](const Json& o, const Json&) {
         return has(o, {"config", "decoder_grid", "expert_grid"}) || has(o, {"config", "error"}) ||
                has(o, {"rank_generator"});
       },
       nullptr},
      {"Megatron reshard", element,
       [](const Json& o, const Json&) {
         return has(o, {"full_dim", "src_tp", "dst_tp", "shard_dim"});
       },
       nullptr},
      {"DeepSpeed topology", element,
       [](const Json& o, const Json&) {
         return has(o, {"axes", "dims", "axis_comm_lists"}) || has(o, {"axes", "dims", "p2p_groups"}) ||
                has(o, {"num_pp", "num_dp", "world_size"});
       },
       nullptr},
      {"DeviceMesh groups", element,
       [](const Json& o, const Json&) {
         return has(o, {"dim_names", "shape", "coordinate_by_rank"});
       },
       nullptr},
      {"DTensor shapes", element,
       [](const Json& o, const Json&) {
         return has(o, {"global_shape", "mesh_shape", "placements"});
       },
       nullptr},
      {"XLA sharding", element,
       [](const Json& o, const Json&) {
         return has(o, {"mesh", "partition_spec", "shape"});
       },
       nullptr},
      {"JAX torus mesh", element,
       [](const Json& o, const Json&) {
         return has(o, {"physical_shape", "mesh_shape", "allow_split_physical_axes"});
       },
       nullptr},
      {"CuTe layout", element,
       [](const Json& o, const Json&) {
         return has(o, {"layout", "coalesce"}) || has(o, {"op", "a", "b"}) || has(o, {"op", "a", "cotarget"});
       },
       nullptr},
      // running a plan
      {"pipeline schedule", element,
       [](const Json& o, const Json&) {
         return has(o, {"schedule", "microbatches", "stages", "virtual"});
       },
       nullptr},
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
