#pragma once
#include <shardplan/core/diagnostic.hpp>

/// The two streams of a verb: its result on stdout, everything it has to say about it on stderr.
namespace cli {

/// Text for stdout, written when asked for and at the latest at the end of the program's main part.
class Output {
 public:
  std::string text;  ///< what is to be written next

  /// Writes `text` and empties it. Throws std::system_error where that fails, Closed where nobody reads on.
  void flush();
  /// The same once there is enough of it to be worth a call.
  void flush_if_large() {
    if (text.size() >= std::size_t{1} << 18) flush();
  }
};

/// The reader of stdout has gone: `shardplan … | head`. No fault, and nothing to say.
struct Closed {};

/// Columns of the terminal that stdout is; 0 where it is none, and then lines may have any length.
std::size_t page_width();

/// Text on stderr. That it cannot be written is no reason to keep back a result, and there is nobody to tell.
void say(const std::string& text);

/// Findings on stderr, one after the other, their severities in colour on a terminal unless NO_COLOR is set.
void print(const shardplan::Diagnostics& findings);

/// `error: …` on stderr and, where there is one, a hint below it.
void print_error(const std::string& message, const std::string& hint = {});

}  // namespace cli
