#include "console.hpp"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace cli {

namespace {

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool in_colour() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && !is_set("NO_COLOR") && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

std::string coloured(shardplan::Severity severity, std::string_view word) {
  if (!in_colour()) return std::string(word);
  constexpr int colours[] = {36, 35, 31};  // cyan, magenta, red
  return fmt::format("\033[1;{}m{}\033[0m", colours[static_cast<int>(severity)], word);
}

}  // namespace

void Output::flush() {
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t written = write(STDOUT_FILENO, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EPIPE) {
      throw Closed();
    } else if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "stdout");
    }
  }
  text.clear();
}

std::size_t page_width() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

// Not fmt::print, which throws where nothing can be written.
void say(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }

void print(const shardplan::Diagnostics& findings) {
  for (const shardplan::Diagnostic& one : findings) {
    std::string text = shardplan::concat(one);
    const std::string_view severity = name(one.severity);
    // Behind the position, whose file may have any name.
    const std::size_t at = text.find(fmt::format("{} {}: ", severity, one.id));
    text.replace(at, severity.size(), coloured(one.severity, severity));
    say(text += '\n');
  }
}

void print_error(const std::string& message, const std::string& hint) {
  say(fmt::format("{}: {}\n", coloured(shardplan::Severity::error, "error"), message));
  if (!hint.empty()) say(fmt::format("  hint: {}\n", hint));
}

}  // namespace cli
