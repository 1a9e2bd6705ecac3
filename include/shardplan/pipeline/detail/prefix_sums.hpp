#pragma once
#include <span>
#include <vector>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/interval.hpp>

namespace shardplan::pipeline::detail {

/// What any run of neighbouring items costs together, in O(1).
///
/// Errors   SP-PIPELINE-010 a negative cost; SP-CORE-001 a total beyond 64 bits
class PrefixSums {
 public:
  explicit PrefixSums(std::span<const Index> costs) {
    for (const Index cost : costs) {
      if (cost < 0) fail("SP-PIPELINE-010", concat("item ", items(), " costs ", cost), "at least 0");
      before_.push_back(checked_add(before_.back(), cost));
    }
  }
  Index items() const noexcept { return static_cast<Index>(before_.size()) - 1; }

  /// Pre: items lies inside [0, items()].
  Index operator()(Interval items) const noexcept {
    return before_[static_cast<std::size_t>(items.end)] - before_[static_cast<std::size_t>(items.begin)];
  }

 private:
  std::vector<Index> before_{0};
};

}  // namespace shardplan::pipeline::detail
