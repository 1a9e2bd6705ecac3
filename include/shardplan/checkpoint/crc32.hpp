#pragma once
#include <libdeflate.h>
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <utility>

/// CRC-32 as zip files use it: of bytes, of what follows, and of ranges that several threads write in any order.
namespace shardplan::checkpoint {

/// The checksum of the bytes so far (`before`, 0 at the start) and these.
inline std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0) {
  return bytes.empty() ? before : libdeflate_crc32(before, bytes.data(), bytes.size());
}

/// The checksum of bytes whose two parts have these, the second part `second_size` long.
inline std::uint32_t joined_crc32(std::uint32_t first, std::uint32_t second, std::size_t second_size) {
  return static_cast<std::uint32_t>(::crc32_combine(first, second, static_cast<z_off_t>(second_size)));
}

/// The checksums of a record's ranges as they become known, in any order and from any thread; neighbours are joined at
/// once, so it stays small however many ranges there are.
class RangeChecksums {
 public:
  /// Post: false, and nothing changed, where the range overlaps one that is already known. Empty ranges are nothing.
  bool add(std::size_t offset, std::size_t size, std::uint32_t crc) {
    if (size == 0) return true;
    const std::lock_guard lock(mutex_);
    auto next = ranges_.lower_bound(offset);
    if (next != ranges_.end() && next->first - offset < size) return false;
    auto at = next;
    if (next != ranges_.begin()) {
      const auto before = std::prev(next);
      const std::size_t end = before->first + before->second.size;
      if (end > offset) return false;
      if (end == offset) at = before;
    }
    if (at != next) {
      join(at->second, {size, crc});
    } else {
      at = ranges_.insert(next, {offset, {size, crc}});
    }
    if (next != ranges_.end() && next->first == offset + size) {
      join(at->second, next->second);
      ranges_.erase(next);
    }
    return true;
  }

  /// Where the first byte is of `size` that no range holds; `size` where there is none.
  std::size_t first_missing(std::size_t size) const {
    const std::lock_guard lock(mutex_);
    if (ranges_.empty() || ranges_.begin()->first != 0) return 0;
    return ranges_.begin()->second.size < size ? ranges_.begin()->second.size : size;
  }
  /// Of all bytes from 0 up to the first that is missing.
  std::uint32_t value() const {
    const std::lock_guard lock(mutex_);
    return ranges_.empty() ? 0 : ranges_.begin()->second.crc;
  }

 private:
  struct Range {
    std::size_t size;
    std::uint32_t crc;
  };
  static void join(Range& first, const Range& second) {
    first.crc = joined_crc32(first.crc, second.crc, second.size);
    first.size += second.size;
  }

  mutable std::mutex mutex_;
  std::map<std::size_t, Range> ranges_;
};

}  // namespace shardplan::checkpoint
