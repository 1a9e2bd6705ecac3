#pragma once
#include <string_view>

#include <shardplan/core/diagnostic.hpp>

/// The machine a job runs on, as far as layouts depend on it.
namespace shardplan {

/// Accelerators with a rank order or KV-replication rule of their own (NxD mesh sheet, 1.3).
enum class Hardware : std::uint8_t { trn1, trn1n, inf2, trn2, trn3 };

struct HardwareInfo {
  const char* name;
  Index memory_gib;      ///< device memory of one physical core (cost-model sheet, part E)
  Index ranks_per_node;  ///< physical cores of one node
};

inline constexpr HardwareInfo hardware_table[] = {
    {"trn1", 16, 32}, {"trn1n", 16, 32}, {"inf2", 16, 24}, {"trn2", 12, 128}, {"trn3", 18, 128}};

constexpr std::string_view name(Hardware hardware) { return hardware_table[static_cast<int>(hardware)].name; }

/// The hardware of that name. Errors SP-MESH-003.
constexpr Hardware hardware_from_name(std::string_view text) {
  for (int i = 0; const HardwareInfo& info : hardware_table) {
    if (info.name == text) return static_cast<Hardware>(i);
    ++i;
  }
  fail("SP-MESH-003", concat("unknown hardware '", text, "'"), "trn1, trn1n, inf2, trn2 or trn3", {"hardware"});
}

/// trn1, trn1n and inf2 share every layout rule.
constexpr bool is_trn1_class(Hardware h) { return h == Hardware::trn1 || h == Hardware::trn1n || h == Hardware::inf2; }

/// How many ranks there are and where they sit.
struct World {
  Index ranks = 1;
  Hardware hardware = Hardware::trn1;
  Index ranks_per_node = 0;  ///< LOCAL_WORLD_SIZE; 0: not known
  Index lnc = 1;             ///< physical cores that act as one rank (trn2: 1 or 2)

  friend constexpr bool operator==(const World&, const World&) = default;
};

/// Device memory of one rank in bytes.
constexpr Index device_memory(const World& world) {
  return hardware_table[static_cast<int>(world.hardware)].memory_gib * world.lnc * (Index{1} << 30);
}

}  // namespace shardplan
