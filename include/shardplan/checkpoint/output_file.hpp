#pragma once
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/core/diagnostic.hpp>

/// Files written in place, by several threads.
namespace shardplan::checkpoint {

/// A file of known size that is written beside its place and renamed at the end: whoever opens the path finds the old
/// file or the whole new one. Given up without finish(), it leaves nothing behind.
///
/// Errors of all: SP-CHECKPOINT-008 the file cannot be written
class OutputFile {
 public:
  OutputFile(std::string path, std::size_t size) : path_(std::move(path)), beside_(path_ + ".tmp"), size_(size) {
    descriptor_ = open(beside_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor_ < 0) refuse(errno);
    if (static_cast<std::size_t>(static_cast<off_t>(size)) != size || static_cast<off_t>(size) < 0) give_up(EFBIG);
    if (ftruncate(descriptor_, static_cast<off_t>(size)) != 0) give_up(errno);
  }
  OutputFile(OutputFile&& other) noexcept
      : path_(std::move(other.path_)),
        beside_(std::move(other.beside_)),
        size_(other.size_),
        descriptor_(std::exchange(other.descriptor_, -1)) {}
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile() { discard(); }

  const std::string& path() const { return path_; }
  std::size_t size() const { return size_; }

  /// May be called by several threads at once for ranges that do not overlap.
  ///
  /// Pre      offset + bytes.size() <= size(), and finish() has not been called
  void write(std::size_t offset, std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) refuse(written < 0 ? errno : EIO);
      offset += static_cast<std::size_t>(written);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
  void write(std::size_t offset, std::string_view text) const { write(offset, std::as_bytes(std::span(text))); }

  /// Gives the file its name.
  ///
  /// durable  waits until the disk has it, so that the name never outlives the bytes
  void finish(bool durable = false) {
    if (durable && fsync(descriptor_) != 0) give_up(errno);
    // The bytes may reach the disk as late as here; some file systems say only now that they do not fit.
    if (close(std::exchange(descriptor_, -1)) != 0 || std::rename(beside_.c_str(), path_.c_str()) != 0) {
      const int error = errno;
      unlink(beside_.c_str());
      refuse(error);
    }
  }

 private:
  [[noreturn]] void refuse(int error) const {
    fail("SP-CHECKPOINT-008", concat('\'', path_, "' cannot be written: ", std::strerror(error)), {}, {"path"});
  }
  [[noreturn]] void give_up(int error) {
    discard();
    refuse(error);
  }
  void discard() {
    if (descriptor_ < 0) return;
    close(std::exchange(descriptor_, -1));
    unlink(beside_.c_str());
  }

  std::string path_, beside_;
  std::size_t size_;
  int descriptor_ = -1;
};

}  // namespace shardplan::checkpoint
