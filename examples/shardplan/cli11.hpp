#pragma once
// g++ 12 sees an overlap in `"text" + std::string` where there is none (GCC bug 105651), here inside CLI11.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wrestrict"
#endif
#include <CLI/CLI.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

namespace cli {

/// Puts `text` in front of what every verb says at the end of its help.
inline void add_to_help(CLI::App& verb, const std::string& text) { verb.footer(text + "\n\n" + verb.get_footer()); }

}  // namespace cli
