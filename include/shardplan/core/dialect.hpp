#pragma once

namespace shardplan {

/// Which of two truths a planner tells where NxD is silently wrong: a set of switches, not an `if` on a name.
///
/// `strict` lays out what is right and says how NxD differs; `compat` repeats NxD and NxDT bit for bit, because
/// existing checkpoints have that shape. Sections are those of the NxD mesh and tensor sheet.
struct Dialect {
  bool clamp_degrees = false;      ///< 1.2: tp, pp, cp, ep larger than the world are reduced to it
  bool plain_side_groups = false;  ///< 1.10: KV, shuffle, draft and shared-weight groups ignore tp 4 on trn1 and rings
  bool plain_expert_view = false;  ///< 1.7: expert groups ignore rings, so they mix tensor positions
  bool nxd_accessors = false;   ///< 1.7 to 1.9: positions in sorted groups, source ranks by plain numbers, two rounds
                                ///< of stage pairs whatever the size, singletons of rings listed by rank
  bool repeat_kv_rows = false;  ///< 2.5, 7.1.1: trn2 repeats K/V row by row instead of head by head
  bool natural_query_order = false;  ///< 2.5, 7.1.2: queries keep their order although K/V heads are interleaved, the
                                     ///< GQA layer cuts rows instead of heads, the trn2 converter mixes both rules
  bool float_head_padding = false;   ///< 2.4: padded rows counted in floating point, may be one short
  bool layer_faults = false;  ///< 2 to 4, 7.1: what layers, masks and converters get wrong and no switch above names
  bool nxd_limits = false;    ///< 6: refuse what only NxD cannot do; changes no answer that is given

  friend constexpr bool operator==(const Dialect&, const Dialect&) = default;
};

inline constexpr Dialect strict{};
inline constexpr Dialect compat{.clamp_degrees = true,
                                .plain_side_groups = true,
                                .plain_expert_view = true,
                                .nxd_accessors = true,
                                .repeat_kv_rows = true,
                                .natural_query_order = true,
                                .float_head_padding = true,
                                .layer_faults = true,
                                .nxd_limits = true};

}  // namespace shardplan
