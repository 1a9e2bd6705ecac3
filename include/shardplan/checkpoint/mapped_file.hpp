#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/core/diagnostic.hpp>
#include <shardplan/core/types.hpp>

/// Files as memory.
namespace shardplan::checkpoint {

/// A file mapped read-only; copies share the mapping. Its pages are the system's page cache: reading costs no memory of
/// the process. A file that somebody shortens meanwhile ends the process, as any mapping does.
class MappedFile {
 public:
  MappedFile() = default;
  /// Errors SP-CHECKPOINT-001 no regular file, or it cannot be read.
  explicit MappedFile(std::string path) : path_(std::move(path)) {
    const int descriptor = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat about {};
    if (descriptor < 0 || fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) {
      const int error = errno;
      if (descriptor >= 0) close(descriptor);
      refuse(descriptor < 0 ? std::strerror(error) : "no regular file");
    }
    size_ = static_cast<std::size_t>(about.st_size);
    void* const at = size_ == 0 ? nullptr : mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
    const int error = errno;
    close(descriptor);
    if (at == MAP_FAILED) refuse(std::strerror(error));
    data_ = std::shared_ptr<const std::byte>(static_cast<const std::byte*>(at), [size = size_](const std::byte* p) {
      if (p != nullptr) munmap(const_cast<std::byte*>(p), size);
    });
  }

  /// Bytes that were unpacked to memory, as a file that says where they came from.
  static MappedFile of_memory(std::string path, std::vector<std::byte> bytes) {
    const auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    MappedFile out;
    out.path_ = std::move(path);
    out.size_ = owner->size();
    out.data_ = std::shared_ptr<const std::byte>(owner, owner->data());
    return out;
  }

  const std::string& path() const { return path_; }
  std::size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_.get()), size_}; }

 private:
  [[noreturn]] void refuse(const char* why) const {
    fail("SP-CHECKPOINT-001", concat('\'', path_, "' cannot be read: ", why), {}, {"path"});
  }

  std::string path_;
  std::size_t size_ = 0;
  std::shared_ptr<const std::byte> data_;
};

/// A part of a file, by its bytes: a container within a container is one too.
struct FilePart {
  MappedFile file;
  std::size_t offset = 0;
  std::size_t size = 0;

  FilePart() = default;
  explicit FilePart(MappedFile whole) : file(std::move(whole)), size(file.size()) {}
  /// Pre: offset + size lies inside.
  FilePart(MappedFile whole, std::size_t begin, std::size_t length)
      : file(std::move(whole)), offset(begin), size(length) {}

  std::span<const std::byte> bytes() const { return file.bytes().subspan(offset, size); }
  std::string_view text() const { return file.text().substr(offset, size); }
  /// Pre: begin + length <= size.
  FilePart part(std::size_t begin, std::size_t length) const { return {file, offset + begin, length}; }
};

}  // namespace shardplan::checkpoint
