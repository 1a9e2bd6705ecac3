#pragma once
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The command line, run as a user runs it.
namespace cli_test {

struct Result {
  int exit = -1;  ///< -1: ended by a signal
  std::string out;
  std::string err;
};

/// What stderr is. All but the first two keep nothing of it.
enum class Stderr { pipe, terminal, full, closed, unread };

struct Run {
  std::vector<std::string> arguments;
  std::vector<std::string> environment{};  ///< NAME=value, on top of ours
  std::string folder{};                    ///< where the program runs; empty: here
  Stderr err = Stderr::pipe;
  std::string out_file{};  ///< where stdout goes; empty: into the result
  /// Called with the process and what came on stdout so far, after each read; false closes our end of stdout.
  std::function<bool(pid_t, const std::string&)> watch{};
};

/// Runs the program to its end.
inline Result run_as(const Run& how) {
  int out[2], err[2];
  if (pipe(out) != 0) throw std::runtime_error("no pipe");
  if (how.err == Stderr::terminal) {
    err[0] = posix_openpt(O_RDWR | O_NOCTTY);
    if (err[0] < 0 || grantpt(err[0]) != 0 || unlockpt(err[0]) != 0) throw std::runtime_error("no terminal");
    err[1] = open(ptsname(err[0]), O_RDWR | O_NOCTTY);
  } else if (pipe(err) != 0) {
    throw std::runtime_error("no pipe");
  }
  const pid_t child = fork();
  if (child == 0) {
    dup2(how.out_file.empty() ? out[1] : open(how.out_file.c_str(), O_WRONLY), STDOUT_FILENO);
    dup2(how.err == Stderr::full ? open("/dev/full", O_WRONLY) : err[1], STDERR_FILENO);
    for (const int descriptor : {out[0], out[1], err[0], err[1]}) close(descriptor);
    if (how.err == Stderr::closed) close(STDERR_FILENO);
    if (!how.folder.empty() && chdir(how.folder.c_str()) != 0) _exit(127);
    unsetenv("NO_COLOR");
    for (const std::string& variable : how.environment) putenv(const_cast<char*>(variable.c_str()));
    std::vector<char*> words{const_cast<char*>(SHARDPLAN_CLI)};
    for (const std::string& word : how.arguments) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execv(SHARDPLAN_CLI, words.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  if (how.err == Stderr::unread) close(std::exchange(err[0], -1));

  Result result;
  pollfd ends[] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  std::string* const texts[] = {&result.out, &result.err};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (poll(ends, 2, 60'000) <= 0) {
      kill(child, SIGKILL);
      throw std::runtime_error("the program hangs");
    }
    for (std::size_t i = 0; i < 2; ++i) {
      if (ends[i].fd < 0 || ends[i].revents == 0) continue;
      char block[1 << 16];
      const ssize_t size = read(ends[i].fd, block, sizeof block);
      if (size > 0) texts[i]->append(block, static_cast<std::size_t>(size));
      const bool go_on = size > 0 && (i == 1 || !how.watch || how.watch(child, result.out));
      if (go_on) continue;
      close(ends[i].fd);
      ends[i].fd = -1;
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) result.exit = WEXITSTATUS(status);
  return result;
}

inline Result run(std::vector<std::string> arguments) { return run_as(Run{.arguments = std::move(arguments)}); }

inline bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

/// Bad input or wrong usage: exit 2, a word about it on stderr, nothing on stdout.
inline void check_refused(const std::vector<std::string>& arguments) {
  const Result result = run(arguments);
  CAPTURE(result.err);
  CHECK(result.exit == 2);
  CHECK(result.out.empty());
  CHECK(contains(result.err, "error"));
}

/// A file that is gone with this object.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, std::string_view text) {
    std::string folder = "/tmp/shardplan-cli-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = folder;
    path = folder + '/' + name;
    const int file = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    if (write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      throw std::runtime_error("cannot write");
    close(file);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    unlink(path.c_str());
    rmdir(folder_.c_str());
  }

  std::string path;

 private:
  std::string folder_;
};

}  // namespace cli_test
