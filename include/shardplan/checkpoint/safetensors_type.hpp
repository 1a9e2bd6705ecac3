#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <shardplan/checkpoint/element.hpp>
#include <shardplan/core/types.hpp>

/// The element types of safetensors, some of which are no whole bytes (checkpoint sheet, 11).
namespace shardplan::checkpoint {

struct SafetensorsType {
  std::string_view name;
  Index bits;

  /// The element that it is; empty for those of less than a byte.
  constexpr std::optional<Element> element() const { return element_named(&ElementInfo::safetensors, name); }
};

/// In the order of the reference writer, which puts tensors of the last type first.
inline constexpr SafetensorsType safetensors_types[] = {
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
};

/// Its place in the table; empty: there is none of that name.
constexpr std::optional<std::uint8_t> safetensors_type_named(std::string_view name) {
  for (std::uint8_t i = 0; const SafetensorsType& one : safetensors_types) {
    if (one.name == name) return i;
    ++i;
  }
  return std::nullopt;
}

}  // namespace shardplan::checkpoint
