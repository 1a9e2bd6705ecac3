#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <shardplan/checkpoint/detail/little.hpp>
#include <shardplan/checkpoint/element.hpp>
#include <shardplan/checkpoint/stored_tensor.hpp>
#include <shardplan/core/diagnostic.hpp>

/// Elements of one float type as another: rounded to nearest, ties to even, as PyTorch does.
namespace shardplan::checkpoint {

/// The types between which elements can be cast.
constexpr bool is_float(Element type) {
  return type == Element::float64 || type == Element::float32 || type == Element::float16 || type == Element::bfloat16;
}

namespace detail {

template <class T>
T read_as(const std::byte* at) {
  T out;
  std::memcpy(&out, at, sizeof out);
  return out;
}
template <class T>
void write_as(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

inline float from_half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t exponent = bits >> 10 & 0x1FU, mantissa = bits & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float tiny = static_cast<float>(mantissa) * 0x1p-24F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(tiny));
}

/// Pre: `drop` < 32. The bits above the lowest `drop`, rounded.
constexpr std::uint32_t rounded(std::uint32_t bits, std::uint32_t drop) {
  const std::uint32_t half = std::uint32_t{1} << (drop - 1), odd = bits >> drop & 1U;
  return (bits + (half - 1) + odd) >> drop;
}

inline std::uint16_t to_half(float number) {
  const auto bits = std::bit_cast<std::uint32_t>(number);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return static_cast<std::uint16_t>(sign | 0x7E00U);
  if (magnitude >= 0x477FF000U) return static_cast<std::uint16_t>(sign | 0x7C00U);  // from 65520 on, infinity
  if (magnitude < 0x38800000U) {                                                    // below 2^-14: subnormal
    const std::uint32_t exponent = magnitude >> 23;
    if (exponent < 102) return sign;  // below 2^-25
    const std::uint32_t mantissa = (magnitude & 0x7FFFFFU) | 0x800000U;
    return static_cast<std::uint16_t>(sign | rounded(mantissa, 126 - exponent));
  }
  return static_cast<std::uint16_t>(sign | rounded(magnitude - 0x38000000U, 13));
}

inline std::uint16_t to_brain(float number) {
  const auto bits = std::bit_cast<std::uint32_t>(number);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);
  return static_cast<std::uint16_t>(rounded(bits, 16));
}

}  // namespace detail

/// Pre: is_float(type).
inline double load_number(Element type, const std::byte* at) {
  switch (type) {
    case Element::float64:
      return detail::read_as<double>(at);
    case Element::float32:
      return static_cast<double>(detail::read_as<float>(at));
    case Element::float16:
      return static_cast<double>(detail::from_half(detail::read_as<std::uint16_t>(at)));
    default:
      return static_cast<double>(
          std::bit_cast<float>(static_cast<std::uint32_t>(detail::read_as<std::uint16_t>(at)) << 16));
  }
}

/// Pre: is_float(type).
inline void store_number(Element type, double value, std::byte* at) {
  switch (type) {
    case Element::float64:
      return detail::write_as(at, value);
    case Element::float32:
      return detail::write_as(at, static_cast<float>(value));
    case Element::float16:
      return detail::write_as(at, detail::to_half(static_cast<float>(value)));
    default:
      return detail::write_as(at, detail::to_brain(static_cast<float>(value)));
  }
}

/// The lowest finite value of a float type. Pre: is_float(type).
inline double lowest_of(Element type) {
  switch (type) {
    case Element::float64:
      return -0x1.fffffffffffffp+1023;
    case Element::float32:
      return -0x1.fffffep+127;
    case Element::float16:
      return -65504;
    default:
      return -0x1.fep+127;
  }
}

/// Copies elements that are of another type, or in the other byte order.
///
/// from, to            the first of them; steps in elements of their own types
/// Pre                 the types are the same, or both float
inline void cast_elements(const StoredTensor& tensor, const std::byte* from, Index from_step, Element type,
                          std::byte* to, Index to_step, Index count) {
  const auto width = static_cast<std::size_t>(bytes(tensor.element)),
             word = static_cast<std::size_t>(info(tensor.element).word);
  const bool swapped = tensor.storage.swapped && word > 1;
  std::byte one[16];
  for (Index i = 0; i < count; ++i) {
    const std::byte* const at = from + i * from_step * static_cast<Index>(width);
    for (std::size_t b = 0; b < width; ++b) one[b] = at[swapped ? b / word * word + (word - 1 - b % word) : b];
    std::byte* const out = to + i * to_step * bytes(type);
    if (type == tensor.element)
      std::memcpy(out, one, width);
    else
      store_number(type, load_number(tensor.element, one), out);
  }
}

}  // namespace shardplan::checkpoint
