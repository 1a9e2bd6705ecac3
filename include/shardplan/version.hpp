#pragma once

/// The version of the library. CMake, pkg-config and the command line read it from these three lines.
#define SHARDPLAN_VERSION_MAJOR 0
#define SHARDPLAN_VERSION_MINOR 1
#define SHARDPLAN_VERSION_PATCH 0

/// One number to compare in `#if`: major * 10000 + minor * 100 + patch.
#define SHARDPLAN_VERSION (SHARDPLAN_VERSION_MAJOR * 10000 + SHARDPLAN_VERSION_MINOR * 100 + SHARDPLAN_VERSION_PATCH)

#define SHARDPLAN_DETAIL_QUOTE(major, minor, patch) #major "." #minor "." #patch
#define SHARDPLAN_DETAIL_EXPAND_AND_QUOTE(major, minor, patch) SHARDPLAN_DETAIL_QUOTE(major, minor, patch)

namespace shardplan {

/// The same as text, `0.1.0`.
inline constexpr char version[] =
    SHARDPLAN_DETAIL_EXPAND_AND_QUOTE(SHARDPLAN_VERSION_MAJOR, SHARDPLAN_VERSION_MINOR, SHARDPLAN_VERSION_PATCH);

}  // namespace shardplan

#undef SHARDPLAN_DETAIL_EXPAND_AND_QUOTE
#undef SHARDPLAN_DETAIL_QUOTE
