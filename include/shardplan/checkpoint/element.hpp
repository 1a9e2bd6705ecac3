#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include <shardplan/core/types.hpp>

/// The element types that checkpoints hold, with their names in every format (checkpoint sheet, 9.1 and 11).
namespace shardplan::checkpoint {

enum class Element : std::uint8_t {
  float64,
  float32,
  float16,
  bfloat16,
  int64,
  int32,
  int16,
  int8,
  uint8,
  boolean,
  complex64,
  complex128,
  uint16,
  uint32,
  uint64,
  float8_e4m3fn,
  float8_e5m2,
  float8_e4m3fnuz,
  float8_e5m2fnuz,
  float8_e8m0fnu,
};

struct ElementInfo {
  std::string_view torch;        ///< `torch.<name>`
  std::string_view storage;      ///< torch's typed storage class; empty: there is none
  std::string_view safetensors;  ///< empty: the format has none
  Index bytes;
  Index word;  ///< bytes of the unit that byte order turns round
};

inline constexpr ElementInfo element_table[] = {
    {"float64", "DoubleStorage", "F64", 8, 8},
    {"float32", "FloatStorage", "F32", 4, 4},
    {"float16", "HalfStorage", "F16", 2, 2},
    {"bfloat16", "BFloat16Storage", "BF16", 2, 2},
    {"int64", "LongStorage", "I64", 8, 8},
    {"int32", "IntStorage", "I32", 4, 4},
    {"int16", "ShortStorage", "I16", 2, 2},
    {"int8", "CharStorage", "I8", 1, 1},
    {"uint8", "ByteStorage", "U8", 1, 1},
    {"bool", "BoolStorage", "BOOL", 1, 1},
    {"complex64", "ComplexFloatStorage", "C64", 8, 4},
    {"complex128", "ComplexDoubleStorage", "", 16, 8},
    {"uint16", "", "U16", 2, 2},
    {"uint32", "", "U32", 4, 4},
    {"uint64", "", "U64", 8, 8},
    {"float8_e4m3fn", "", "F8_E4M3", 1, 1},
    {"float8_e5m2", "", "F8_E5M2", 1, 1},
    {"float8_e4m3fnuz", "", "F8_E4M3FNUZ", 1, 1},
    {"float8_e5m2fnuz", "", "F8_E5M2FNUZ", 1, 1},
    {"float8_e8m0fnu", "", "F8_E8M0", 1, 1},
};

constexpr const ElementInfo& info(Element type) { return element_table[static_cast<std::size_t>(type)]; }
constexpr std::string_view name(Element type) { return info(type).torch; }
constexpr Index bytes(Element type) { return info(type).bytes; }

/// The element whose name in one of the formats this is: element_named(&ElementInfo::safetensors, "BF16").
constexpr std::optional<Element> element_named(std::string_view ElementInfo::*format, std::string_view text) {
  for (std::size_t i = 0; const ElementInfo& one : element_table) {
    if (!text.empty() && one.*format == text) return static_cast<Element>(i);
    ++i;
  }
  return std::nullopt;
}

}  // namespace shardplan::checkpoint
