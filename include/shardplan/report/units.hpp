#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include <shardplan/core/text.hpp>

/// Numbers as people read them.
namespace shardplan {

/// 70,553,706,496
inline std::string with_commas(Index number) {
  std::string out = concat(number);
  const std::ptrdiff_t first = number < 0 ? 1 : 0;
  for (auto at = static_cast<std::ptrdiff_t>(out.size()) - 3; at > first; at -= 3)
    out.insert(static_cast<std::size_t>(at), 1, ',');
  return out;
}

/// The number with that many digits behind the point, rounded half up. Pre: number >= 0, divisor > 0, digits <= 3.
/// Example: fixed(70553706496, 1000000000, 3) == "70.554"
inline std::string fixed(Index number, Index divisor, int digits) {
  Index scale = 1;
  for (int i = 0; i < digits; ++i) scale *= 10;
  const Index rest = number % divisor;
  // The rest is below the divisor, so the product fits wherever the divisor is below 2^53.
  const Index part = (rest * scale * 2 + divisor) / (2 * divisor);
  const std::string behind = concat(part % scale);
  const std::string whole = with_commas(number / divisor + part / scale);
  if (digits == 0) return whole;
  return concat(whole, '.', std::string(static_cast<std::size_t>(digits) - behind.size(), '0'), behind);
}

/// A unit of bytes.
struct ByteUnit {
  std::string_view name;
  Index bytes = 1;

  std::string operator()(Index number) const {
    return concat(number < 0 ? "-" : "", fixed(number < 0 ? -number : number, bytes, bytes == 1 ? 0 : 2), ' ', name);
  }
};

/// The largest unit that `number` has at least one of, up to GiB: the sizes of one table share it.
constexpr ByteUnit byte_unit(Index number) {
  if (number >= Index{1} << 30) return {"GiB", Index{1} << 30};
  if (number >= Index{1} << 20) return {"MiB", Index{1} << 20};
  if (number >= Index{1} << 10) return {"KiB", Index{1} << 10};
  return {"B", 1};
}

/// Bytes in the unit that suits them: `7.05 GiB`.
inline std::string in_bytes(Index number) { return byte_unit(number < 0 ? -number : number)(number); }

/// How large a model is: `70.554 B`, `1.235 M`, `160,448`; millions and billions. Pre: number >= 0.
inline std::string in_size(Index number) {
  constexpr Index million = 1'000'000, billion = 1000 * million;
  if (number >= billion) return fixed(number, billion, 3) + " B";
  if (number >= million) return fixed(number, million, 3) + " M";
  return with_commas(number);
}

/// `27.3 %` of a share from 0.
inline std::string percent(double share) { return fixed(static_cast<Index>(std::llround(share * 1000)), 10, 1) + " %"; }

/// `tensor 32 x pipeline 8 x data 2`: the degrees above 1; empty where there is none.
inline std::string degree_words(Index tensor, Index pipeline, Index context, Index data) {
  std::string out;
  const auto add = [&out](std::string_view label, Index degree) {
    if (degree > 1) out += concat(out.empty() ? "" : " x ", label, ' ', degree);
  };
  add("tensor", tensor);
  add("pipeline", pipeline);
  add("context", context);
  add("data", data);
  return out;
}

/// `1 warning`, `2 warnings`
inline std::string counted(Index number, std::string_view noun, std::string_view plural_end = "s") {
  return concat(with_commas(number), ' ', noun, number == 1 ? std::string_view() : plural_end);
}

/// The items of a range of numbers, equal neighbours counted: `3x2 4x30` is 3 twice, then 4 thirty times.
template <class Range>
std::string run_lengths(const Range& items) {
  std::string out;
  for (auto at = items.begin(); at != items.end();) {
    const auto next = std::find_if(at, items.end(), [&](const auto& item) { return item != *at; });
    out += concat(out.empty() ? "" : " ", *at);
    if (next - at > 1) out += concat('x', next - at);
    at = next;
  }
  return out;
}

}  // namespace shardplan
