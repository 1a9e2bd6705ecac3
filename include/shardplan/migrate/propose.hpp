#pragma once
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <optional>
#include <tuple>
#include <vector>

#include <shardplan/migrate/report.hpp>

/// Degrees for nodes of 32 Trainium ranks.
namespace shardplan::migrate {

/// Which degrees a result has.
enum class DegreeChoice : std::uint8_t {
  automatic,  ///< those of the source where NxDT can run them, else the proposal
  keep,       ///< those of the source
  nodes,      ///< the proposal, which fills its nodes
};

/// What degrees have to divide; 0: not known.
struct Sizes {
  Index heads = 0, kv_heads = 0, ffn = 0, layers = 0, sequence = 0;
  bool sequence_parallel = false;
};

namespace detail {

/// How far two powers of two are apart.
inline int steps(Index a, Index b) {
  int out = 0;
  for (; a < b; a *= 2) ++out;
  for (; b < a; b *= 2) ++out;
  return out;
}

inline std::vector<Index> divisors(Index of, Index most) {
  std::vector<Index> out;
  for (Index one = 1; one <= of && one <= most; ++one)
    if (of % one == 0) out.push_back(one);
  return out;
}

}  // namespace detail

/// Degrees for whole nodes of 32 ranks and the same global batch that come closest to those of the source: the fewest
/// nodes that hold as many ranks, then the least change of pipeline, micro batch and tensor size. Nothing where there
/// are none up to four times as many nodes.
///
/// holds    whether all rules are kept; asked for few candidates, those that divide the sizes
/// Rule     tensor divides heads, KV heads, MLP width and, with sequence parallelism, the sequence; pipeline divides
///          the layers; the global batch is a multiple of micro batch x data; more pipeline stages than
///          micro-batches only where nothing else does
inline std::optional<Degrees> propose(const Degrees& source, const Sizes& sizes,
                                      const std::function<bool(const Degrees&)>& holds) {
  constexpr Index node = 32, longest_pipeline = 64;
  const auto divides = [](Index part, Index whole) { return whole == 0 || whole % part == 0; };
  const Index least = std::max<Index>(1, (std::max<Index>(1, source.world()) + node - 1) / node);
  for (Index nodes = least; nodes <= 4 * least; ++nodes) {
    struct Candidate {
      std::tuple<int, int, int, Index> cost;
      Degrees degrees;
    };
    std::vector<Candidate> all;
    for (Index tensor = 1; tensor <= node; tensor *= 2) {
      if (!divides(tensor, sizes.heads) || !divides(tensor, sizes.kv_heads) || !divides(tensor, sizes.ffn)) continue;
      if (sizes.sequence_parallel && !divides(tensor, sizes.sequence)) continue;
      for (const Index pipeline : detail::divisors(nodes * node / tensor, longest_pipeline)) {
        if (!divides(pipeline, sizes.layers)) continue;
        for (const Index micro : detail::divisors(source.global_batch, std::max<Index>(1, source.micro_batch))) {
          Degrees one = source;
          std::tie(one.devices, one.nodes, one.tensor, one.pipeline, one.micro_batch) =
              std::tuple(node, nodes, tensor, pipeline, micro);
          if (pipeline == 1 || sizes.layers % (pipeline * one.virtual_pipeline) != 0) one.virtual_pipeline = 1;
          const Index data = one.data();
          if (data == 0 || source.global_batch % (micro * data) != 0) continue;
          const Index micro_batches = source.global_batch / (micro * data);
          if (one.virtual_pipeline > 1 && micro_batches % pipeline != 0) one.virtual_pipeline = 1;
          const bool idle = pipeline > source.pipeline && micro_batches < pipeline;
          const int deeper = detail::steps(source.pipeline, pipeline),
                    smaller = detail::steps(micro, source.micro_batch);
          all.push_back({{2 * deeper + detail::steps(source.tensor, tensor) + smaller + (idle ? 16 : 0), deeper,
                          smaller, -tensor},
                         one});
        }
      }
    }
    std::sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
    constexpr std::size_t tried = 24;
    for (std::size_t i = 0; i < all.size() && i < tried; ++i)
      if (holds(all[i].degrees)) return all[i].degrees;
  }
  return std::nullopt;
}

}  // namespace shardplan::migrate
