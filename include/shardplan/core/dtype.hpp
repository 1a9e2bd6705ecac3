#pragma once
#include <optional>
#include <string_view>

#include <shardplan/core/types.hpp>

namespace shardplan {

/// Element types of tensors, named as PyTorch names them.
enum class Dtype : std::uint8_t { float64, float32, bfloat16, float16, int64, int32, int16, int8, uint8, boolean };

struct DtypeInfo {
  const char* name;
  Index bytes;
};

inline constexpr DtypeInfo dtype_table[] = {{"float64", 8}, {"float32", 4}, {"bfloat16", 2}, {"float16", 2},
                                            {"int64", 8},   {"int32", 4},   {"int16", 2},    {"int8", 1},
                                            {"uint8", 1},   {"bool", 1}};

constexpr std::string_view name(Dtype type) { return dtype_table[static_cast<int>(type)].name; }
constexpr Index bytes(Dtype type) { return dtype_table[static_cast<int>(type)].bytes; }

/// The type of that name, if there is one.
constexpr std::optional<Dtype> dtype_from_name(std::string_view text) {
  for (int i = 0; const auto& info : dtype_table) {
    if (info.name == text) return static_cast<Dtype>(i);
    ++i;
  }
  return std::nullopt;
}

}  // namespace shardplan
