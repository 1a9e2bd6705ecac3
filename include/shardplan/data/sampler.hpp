#pragma once
#include <concepts>
#include <cstddef>
#include <string_view>

#include <shardplan/core/types.hpp>

/// What every sampler offers: the library's, and a host's own in their place.
namespace shardplan::data {

/// `sampler.steps()` steps, and `sampler.samples(rank, step)`: a sized range of sample numbers, below 0 for padding.
template <class S>
concept Sampler = requires(const S& sampler, Index rank, Index step) {
  { sampler.steps() } -> std::convertible_to<Index>;
  { sampler.samples(rank, step).size() } -> std::convertible_to<std::size_t>;
  { *sampler.samples(rank, step).begin() } -> std::convertible_to<Index>;
};

/// Samples that all data ranks have consumed after so many steps more: what a checkpoint's name holds.
///
/// Source   configuration sheet, 3
constexpr Index consumed_samples(Index before, Index steps, Index global_batch) {
  return before + steps * global_batch;
}

/// The consumed samples that NxDT reads from a checkpoint's path when it resumes: the number behind `consumed_samples=`,
/// which counts if a point and a digit follow it or if it has three digits itself; 0 otherwise.
///
/// Source   configuration sheet, 2.3
/// Example  160 for `x--consumed_samples=160.0.ckpt`, 0 for `x--consumed_samples=16.ckpt`
constexpr Index consumed_samples_in(std::string_view path) {
  constexpr std::string_view key = "consumed_samples=";
  const std::size_t at = path.find(key);
  if (at == path.npos) return 0;
  path.remove_prefix(at + key.size());
  const auto is_digit = [&](std::size_t i) { return i < path.size() && path[i] >= '0' && path[i] <= '9'; };
  std::size_t digits = 0;
  Index out = 0;
  for (; is_digit(digits) && digits < 18; ++digits) out = out * 10 + (path[digits] - '0');
  return digits >= 3 || (digits > 0 && is_digit(digits + 1)) ? out : 0;
}

}  // namespace shardplan::data
