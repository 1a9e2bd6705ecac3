# Toolchain of the presets that need clang: Debian's versioned name first, then whatever clang++ there is.
find_program(SHARDPLAN_CLANG NAMES clang++-14 clang++ REQUIRED)
set(CMAKE_CXX_COMPILER "${SHARDPLAN_CLANG}")
