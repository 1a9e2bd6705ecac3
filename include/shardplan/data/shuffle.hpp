#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include <shardplan/core/diagnostic.hpp>
#include <shardplan/core/text.hpp>

/// The shuffles of torch and numpy, bit for bit (configuration sheet, 9.5). Both draw from MT19937 with its 32-bit
/// initialisation, which is std::mt19937.
namespace shardplan::data {

using Permutation = std::vector<std::uint32_t>;

namespace detail {

/// Errors SP-DATA-005.
inline void check_shuffle(std::size_t items) {
  if (items > std::size_t{1} << 32)
    fail("SP-DATA-005", concat("a shuffle of ", items, " items draws more than 32 bits a number"), "at most 2^32",
         {"items"});
}

/// Exchanges `items[from]` and `items[to]` for `count` pairs (from, to) that `next()` gives. A shuffle of more than a
/// cache holds waits for memory, and who is exchanged with whom does not depend on what is there: so the numbers are
/// drawn a block ahead, and memory is asked for them before it is needed.
template <class T, class Next>
void swap_pairs(std::span<T> items, std::size_t count, Next&& next) {
  constexpr std::size_t ahead = 64;
  std::array<std::pair<std::size_t, std::size_t>, 2 * ahead> pairs;
  std::size_t drawn = 0;
  const auto draw = [&] {
    for (const std::size_t end = std::min(count, drawn + ahead); drawn < end; ++drawn) {
      pairs[drawn % pairs.size()] = next();
      __builtin_prefetch(&items[pairs[drawn % pairs.size()].second], 1);
    }
  };
  draw();
  for (std::size_t done = 0; done < count;) {
    draw();
    for (const std::size_t end = std::min(count, done + ahead); done < end; ++done) {
      const auto [from, to] = pairs[done % pairs.size()];
      std::swap(items[from], items[to]);
    }
  }
}

}  // namespace detail

/// 0 .. n-1 in the order of torch.randperm(n) on the CPU with a generator of that seed. O(n).
///
/// Errors   SP-DATA-005 more than 2^32 items
/// Source   configuration sheet, 9.5, as measured with torch 1.13; newer versions may draw otherwise for n above 2 *
/// 10^8
inline Permutation torch_randperm(std::size_t n, std::uint64_t seed) {
  detail::check_shuffle(n);
  Permutation out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::uint32_t>(i);
  std::mt19937 draw(static_cast<std::uint32_t>(seed));
  std::size_t i = 0;
  detail::swap_pairs(std::span(out), n == 0 ? 0 : n - 1, [&] {
    const std::pair<std::size_t, std::size_t> pair{i, i + draw() % (n - i)};
    ++i;
    return pair;
  });
  return out;
}

/// numpy.random.RandomState(seed), as far as its shuffle goes: each one goes on where the one before stopped.
class NumpyShuffle {
 public:
  explicit NumpyShuffle(std::uint32_t seed) : draw_(seed) {}

  /// Post     a permutation of `items`
  /// Errors   SP-DATA-005
  template <class T>
  void operator()(std::span<T> items) {
    detail::check_shuffle(items.size());
    if (items.size() < 2) return;
    std::size_t i = items.size() - 1;
    auto mask = static_cast<std::uint32_t>(i);  // of the bits that i has
    for (const int shift : {1, 2, 4, 8, 16}) mask |= mask >> shift;
    detail::swap_pairs(items, i, [&] {
      while ((mask >> 1) >= i) mask >>= 1;
      std::uint32_t to;
      do to = static_cast<std::uint32_t>(draw_()) & mask;
      while (to > i);
      const std::pair<std::size_t, std::size_t> pair{i, to};
      --i;
      return pair;
    });
  }

 private:
  std::mt19937 draw_;
};

}  // namespace shardplan::data
