#pragma once
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/interval.hpp>
#include <shardplan/core/text.hpp>

/// One data set made of parts, and parts made of one data set, as Megatron does both (configuration sheet, 9.6).
namespace shardplan::data {

/// Training, validation and test documents of a data set.
using Splits = std::array<Interval, 3>;

/// The parts that `splits_string` asks for: three shares with commas, or with slashes where there is no comma. Rounding
/// goes half to even and is made up for in all three ends.
///
/// Errors   SP-DATA-006 not three numbers, none of them above 0, or a negative one
/// Example  splits("980,10,10", 1000): 0-980, 980-990, 990-1000
inline Splits splits(std::string_view text, Index documents) {
  const char separator = text.find(',') != text.npos ? ',' : '/';
  std::array<double, 3> shares{};
  std::size_t count = 0;
  double sum = 0;
  for (std::size_t at = 0; at <= text.size(); ++count) {
    const std::size_t end = text.find(separator, at) == text.npos ? text.size() : text.find(separator, at);
    std::string_view word = text.substr(at, end - at);
    while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
    while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
    double share = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), share);
    if (error != std::errc() || stop != word.data() + word.size() || !(share >= 0) || std::isinf(share))
      fail("SP-DATA-006", concat("'", word, "' of '", text, "' is no share"), "three numbers, such as 980,10,10",
           {"splits_string"});
    if (count < shares.size()) shares[count] = share;
    sum += share;
    at = end + 1;
  }
  if (count != 3)
    fail("SP-DATA-006", concat("'", text, "' has ", count, " shares"), "three, such as 980,10,10", {"splits_string"});
  if (!(sum > 0))
    fail("SP-DATA-006", concat("the shares '", text, "' add up to 0"), "at least one above 0", {"splits_string"});
  std::array<Index, 4> ends{};
  for (std::size_t i = 0; i < 3; ++i)
    // nearbyint rounds half to even, as Python does.
    ends[i + 1] = ends[i] + static_cast<Index>(std::nearbyint(shares[i] / sum * static_cast<double>(documents)));
  const Index excess = ends[3] - documents;
  Splits out;
  for (std::size_t i = 0; i < 3; ++i) {
    ends[i + 1] -= excess;
    out[i] = {ends[i], ends[i + 1]};
  }
  return out;
}

/// A data set of a blend.
struct BlendPart {
  std::string prefix;
  double weight = 0;           ///< of all weights together, which are 1
  std::vector<Index> samples;  ///< to prepare for each part of the run, e.g. training, validation, test

  friend bool operator==(const BlendPart&, const BlendPart&) = default;
};

/// `data_prefix` as weight, path, weight, path, ...: what every data set has to hold so that `wanted` samples can be
/// drawn, half a percent more than its share. Paths lose the blanks around them.
///
/// Errors   SP-DATA-007 an odd number of words, a weight that is none, weights that add up to 0
inline std::vector<BlendPart> blend_parts(std::span<const std::string> weights_and_paths,
                                          std::span<const Index> wanted) {
  if (weights_and_paths.empty() || weights_and_paths.size() % 2 != 0)
    fail("SP-DATA-007", concat("a blend of ", weights_and_paths.size(), " words"), "pairs of a weight and a path",
         {"data_prefix"});
  std::vector<BlendPart> out;
  double sum = 0;
  for (std::size_t i = 0; i < weights_and_paths.size(); i += 2) {
    const std::string& word = weights_and_paths[i];
    double weight = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), weight);
    if (error != std::errc() || stop != word.data() + word.size() || !(weight >= 0) || std::isinf(weight))
      fail("SP-DATA-007", concat("'", word, "' is no weight"), "a number from 0", {"data_prefix"});
    const std::string& path = weights_and_paths[i + 1];
    const std::size_t first = path.find_first_not_of(" \t\r\n"), last = path.find_last_not_of(" \t\r\n");
    out.push_back({first == path.npos ? std::string() : path.substr(first, last - first + 1), weight, {}});
    sum += weight;
  }
  if (!(sum > 0)) fail("SP-DATA-007", "the weights add up to 0", "at least one above 0", {"data_prefix"});
  for (BlendPart& part : out) {
    part.weight /= sum;
    for (const Index samples : wanted)
      part.samples.push_back(static_cast<Index>(std::ceil(static_cast<double>(samples) * part.weight * 1.005)));
  }
  return out;
}

/// Where a sample of a blend comes from.
struct BlendedSample {
  std::uint8_t part;  ///< number of the data set
  Index sample;       ///< its next one

  friend bool operator==(const BlendedSample&, const BlendedSample&) = default;
};

/// The first `size` samples of a blend: each is of the data set that is furthest behind its weight, the first such.
/// O(size x parts).
///
/// Errors   SP-DATA-007 no data set, more than 254, or a weight below 0
inline std::vector<BlendedSample> blend(std::span<const double> weights, Index size) {
  if (weights.empty() || weights.size() > 254)
    fail("SP-DATA-007", concat("a blend of ", weights.size(), " data sets"), "1 to 254", {"data_prefix"});
  for (std::size_t i = 0; i < weights.size(); ++i)
    if (!(weights[i] >= 0))
      fail("SP-DATA-007", concat("weight ", i, " of 0 to ", weights.size() - 1, " is below 0, or no number"),
           "0 or more", {"data_prefix"});
  std::vector<Index> taken(weights.size(), 0);
  std::vector<BlendedSample> out;
  out.reserve(static_cast<std::size_t>(larger(size, 0)));
  for (Index i = 0; i < size; ++i) {
    const auto behind = [&](std::size_t part) {
      return weights[part] * static_cast<double>(larger(i, 1)) - static_cast<double>(taken[part]);
    };
    std::size_t next = 0;
    for (std::size_t part = 1; part < weights.size(); ++part)
      if (behind(part) > behind(next)) next = part;
    out.push_back({static_cast<std::uint8_t>(next), taken[next]++});
  }
  return out;
}

}  // namespace shardplan::data
