#pragma once
#include <libdeflate.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/crc32.hpp>
#include <shardplan/checkpoint/detail/little.hpp>
#include <shardplan/checkpoint/mapped_file.hpp>
#include <shardplan/checkpoint/refusal.hpp>

/// Zip archives where they lie: the records of a torch container are used in place, never extracted.
namespace shardplan::checkpoint {

struct ZipRecord {
  std::string_view name;   ///< with the root folder; lies in the mapped file
  std::size_t header = 0;  ///< of the local header, from the archive's first byte
  std::size_t data = 0;    ///< of the first byte of what is stored
  std::size_t packed = 0;  ///< bytes in the archive
  std::size_t size = 0;    ///< bytes of the record; `packed` unless deflated
  std::uint32_t crc = 0;
  bool deflated = false;
};

/// The directory of a zip archive that fills a part of a file, as the torch container has it: all records in one root
/// folder (checkpoint sheet, sections 8 and 15). Stricter than most readers: whatever two readers could see differently
/// is refused.
class ZipArchive {
 public:
  /// Errors   SP-CHECKPOINT-002 not a zip archive, or bytes before or behind it, a comment, records that overlap, lie
  ///          outside, carry one name, are encrypted or packed otherwise than by deflate, have another name or size in
  ///          front of their data than in the directory, or a name that leads out of the one root folder
  explicit ZipArchive(FilePart part) : part_(std::move(part)) {
    const Directory directory = find_directory();
    read_directory(directory);
    check_names();
    check_places(directory.offset);
  }

  const FilePart& part() const { return part_; }
  /// In the directory's order.
  std::span<const ZipRecord> records() const { return records_; }
  /// The folder that all records lie in, without the slash.
  std::string_view root() const { return root_; }
  /// The record of that name below the root; null where there is none.
  const ZipRecord* find(std::string_view name) const {
    const auto below = [&](std::uint32_t i) { return records_[i].name.substr(root_.size() + 1); };
    const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                     [&](std::uint32_t i, std::string_view key) { return below(i) < key; });
    return at != by_name_.end() && below(*at) == name ? &records_[*at] : nullptr;
  }

  /// Where a stored record's bytes are. Pre: not deflated.
  FilePart stored(const ZipRecord& record) const { return part_.part(record.data, record.packed); }

  /// Reads all of a stored record. Errors SP-CHECKPOINT-003 its checksum is another than the directory's.
  void verify(const ZipRecord& record) const { check(record, stored(record).bytes()); }

  /// A deflated record, unpacked and verified. Errors SP-CHECKPOINT-002 it says that it is longer than `limit`, or it
  /// is not as long as it says; SP-CHECKPOINT-003.
  std::shared_ptr<const std::vector<std::byte>> unpack(const ZipRecord& record, std::size_t limit) const {
    if (record.size > limit)
      refuse(record.header,
             concat("record ", shown(record.name), " unpacks to ", record.size, " bytes of at most ", limit));
    auto out = std::make_shared<std::vector<std::byte>>(record.size);
    const std::unique_ptr<libdeflate_decompressor, void (*)(libdeflate_decompressor*)> inflate(
        libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
    const std::span<const std::byte> packed = stored(record).bytes();
    std::byte none{};
    std::size_t read = 0, written = 0;
    const auto result =
        !inflate ? LIBDEFLATE_BAD_DATA
                 : libdeflate_deflate_decompress_ex(inflate.get(), packed.data(), packed.size(),
                                                    out->empty() ? &none : out->data(), out->size(), &read, &written);
    if (result != LIBDEFLATE_SUCCESS || read != packed.size() || written != record.size)
      refuse(record.header, concat("record ", shown(record.name), " does not unpack to the ", record.size,
                                   " bytes that the directory says"));
    check(record, *out);
    return out;
  }

  /// Throws SP-CHECKPOINT-002 about a place in this archive.
  [[noreturn]] void refuse(std::size_t offset, std::string_view why, std::string_view hint = {}) const {
    checkpoint::refuse("SP-CHECKPOINT-002", part_, offset, why, hint);
  }

 private:
  struct Directory {
    std::size_t offset, size, records;
  };
  static constexpr std::size_t local_size = 30, entry_size = 46, end_size = 22, locator_size = 20, end64_size = 56;
  static constexpr std::uint32_t local_mark = 0x04034b50, entry_mark = 0x02014b50, end_mark = 0x06054b50,
                                 locator_mark = 0x07064b50, end64_mark = 0x06064b50;
  static constexpr std::uint32_t full32 = 0xFFFFFFFF;
  static constexpr std::uint16_t full16 = 0xFFFF, zip64_extra = 1;

  template <class T>
  T number(std::size_t at) const {
    return detail::little<T>(part_.text(), at);
  }
  std::size_t size_at(std::size_t at) const { return static_cast<std::size_t>(number<std::uint64_t>(at)); }

  /// The end record is the archive's last 22 bytes, and the directory ends where it, or its zip64 form, begins.
  Directory find_directory() const {
    const std::size_t size = part_.size;
    if (size < end_size || number<std::uint32_t>(size - end_size) != end_mark)
      refuse(size < end_size ? 0 : size - end_size,
             "no zip archive: it does not end in an end record without a comment", "the whole file, as it was saved");
    std::size_t end = size - end_size;
    Directory out{number<std::uint32_t>(end + 16), number<std::uint32_t>(end + 12), number<std::uint16_t>(end + 10)};
    if (number<std::uint16_t>(end + 20) != 0) refuse(end, "an archive comment");
    if (number<std::uint16_t>(end + 4) != 0 || number<std::uint16_t>(end + 6) != 0 ||
        number<std::uint16_t>(end + 8) != out.records)
      refuse(end, "an archive in several volumes");
    if (end >= locator_size + end64_size && number<std::uint32_t>(end - locator_size) == locator_mark) {
      const std::size_t locator = end - locator_size, at = size_at(locator + 8);
      if (at > locator - end64_size || number<std::uint32_t>(at) != end64_mark ||
          size_at(at + 4) != locator - at - 12 || number<std::uint32_t>(locator + 4) != 0 ||
          number<std::uint32_t>(at + 16) != 0 || number<std::uint32_t>(at + 20) != 0)
        refuse(locator, "a zip64 locator that does not lead to an end record in front of it");
      const Directory wide{size_at(at + 48), size_at(at + 40), size_at(at + 32)};
      const auto agree = [](std::size_t narrow, std::size_t full, std::size_t value) {
        return narrow == full || narrow == value;
      };
      if (!agree(out.records, full16, wide.records) || !agree(out.size, full32, wide.size) ||
          !agree(out.offset, full32, wide.offset) || size_at(at + 24) != wide.records)
        refuse(at, "the two end records differ");
      out = wide;
      end = at;
    }
    if (out.offset > end || out.size != end - out.offset)
      refuse(end, concat("a directory of ", out.size, " bytes at ", out.offset, " that does not end at ", end));
    if (out.records == 0) refuse(end, "an archive without records");
    if (out.records > out.size / entry_size)
      refuse(end, concat(out.records, " records in a directory of ", out.size, " bytes"));
    return out;
  }

  void read_directory(const Directory& directory) {
    records_.reserve(directory.records);
    std::size_t at = directory.offset;
    const std::size_t end = directory.offset + directory.size;
    for (std::size_t i = 0; i < directory.records; ++i) {
      if (end - at < entry_size || number<std::uint32_t>(at) != entry_mark) refuse(at, "no directory entry");
      const std::size_t name = number<std::uint16_t>(at + 28), extra = number<std::uint16_t>(at + 30),
                        comment = number<std::uint16_t>(at + 32);
      if (end - at - entry_size < name + extra + comment) refuse(at, "an entry longer than the directory");
      ZipRecord record{part_.text().substr(at + entry_size, name),
                       number<std::uint32_t>(at + 42),
                       0,
                       number<std::uint32_t>(at + 20),
                       number<std::uint32_t>(at + 24),
                       number<std::uint32_t>(at + 16),
                       false};
      check_method(at, number<std::uint16_t>(at + 8), number<std::uint16_t>(at + 10));
      record.deflated = number<std::uint16_t>(at + 10) == 8;
      if (number<std::uint16_t>(at + 34) != 0) refuse(at, "a record in another volume");
      widen(at + entry_size + name, extra, {&record.size, &record.packed, &record.header});
      if (!record.deflated && record.size != record.packed)
        refuse(at, concat("stored record ", shown(record.name), " of ", record.size, " bytes takes ", record.packed));
      locate(record, directory.offset);
      records_.push_back(record);
      at += entry_size + name + extra + comment;
    }
    if (at != end) refuse(at, concat(end - at, " bytes behind the last of ", directory.records, " entries"));
  }

  void check_method(std::size_t at, std::uint16_t flags, std::uint16_t method) const {
    constexpr std::uint16_t encrypted = 1 | 1 << 6 | 1 << 13;
    if ((flags & encrypted) != 0) refuse(at, "an encrypted record");
    if (method != 0 && method != 8) refuse(at, concat("compression method ", method), "0 (stored) or 8 (deflated)");
  }

  /// Numbers that do not fit the 32-bit fields stand in the zip64 part of the extra field, in this order.
  void widen(std::size_t at, std::size_t extra, std::initializer_list<std::size_t*> fields) const {
    const std::size_t end = at + extra;
    const bool wanted = std::any_of(fields.begin(), fields.end(), [](const auto* field) { return *field == full32; });
    while (wanted && end - at >= 4) {
      const std::uint16_t id = number<std::uint16_t>(at);
      std::size_t left = number<std::uint16_t>(at + 2);
      at += 4;
      if (left > end - at) refuse(at, "an extra field longer than its record");
      if (id != zip64_extra) {
        at += left;
        continue;
      }
      for (std::size_t* field : fields) {
        if (*field != full32) continue;
        if (left < 8) refuse(at, "a zip64 field without the number that it is for");
        *field = size_at(at);
        at += 8;
        left -= 8;
      }
      return;
    }
  }

  /// Finds the data behind the local header, which has to say what the directory says.
  void locate(ZipRecord& record, std::size_t end) const {
    const std::size_t at = record.header;
    if (at > end || end - at < local_size || number<std::uint32_t>(at) != local_mark)
      refuse(std::min(at, part_.size), concat("no local header of record ", shown(record.name)));
    const std::size_t name = number<std::uint16_t>(at + 26), extra = number<std::uint16_t>(at + 28);
    if (end - at - local_size < name + extra) refuse(at, "a local header longer than the archive");
    if (part_.text().substr(at + local_size, name) != record.name)
      refuse(at, concat("record ", shown(record.name), " has another name in front of its data"));
    check_method(at, number<std::uint16_t>(at + 6), number<std::uint16_t>(at + 8));
    if ((number<std::uint16_t>(at + 8) == 8) != record.deflated)
      refuse(at, concat("record ", shown(record.name), " has another compression method in front of its data"));
    std::size_t packed = number<std::uint32_t>(at + 18), size = number<std::uint32_t>(at + 22);
    const bool sizes_behind = (number<std::uint16_t>(at + 6) & 8) != 0;
    if (!sizes_behind || packed != 0 || size != 0) {
      widen(at + local_size + name, extra, {&size, &packed});
      if (size != record.size || packed != record.packed ||
          (!sizes_behind && number<std::uint32_t>(at + 14) != record.crc))
        refuse(at, concat("record ", shown(record.name), " has another size or checksum in front of its data"));
    }
    record.data = at + local_size + name + extra;
    if (end - record.data < record.packed)
      refuse(at, concat("record ", shown(record.name), " of ", record.packed, " bytes reaches beyond the ",
                        end - record.data, " left"));
  }

  void check_names() {
    root_ = records_[0].name.substr(0, records_[0].name.find('/'));
    by_name_.resize(records_.size());
    for (std::size_t i = 0; i < records_.size(); ++i) {
      by_name_[i] = static_cast<std::uint32_t>(i);
      const std::string_view name = records_[i].name;
      const auto wrong = [&](std::string_view why) { refuse(records_[i].header, concat("a record name ", why)); };
      if (name.find('\0') != name.npos || name.find('\\') != name.npos) wrong("with a NUL or a backslash");
      if (name.find('/') == name.npos) wrong(concat("outside of a root folder: ", shown(name)));
      for (std::string_view rest = name;;) {
        const std::size_t slash = rest.find('/');
        const std::string_view piece = rest.substr(0, slash);
        if (piece.empty() || piece == "." || piece == "..") wrong(concat("that leads elsewhere: ", shown(name)));
        if (slash == rest.npos) break;
        rest.remove_prefix(slash + 1);
      }
      if (name.substr(0, name.find('/')) != root_)
        wrong(concat("in another root folder than ", shown(root_), ": ", shown(name)));
    }
    const auto named = [&](std::uint32_t i) { return records_[i].name; };
    std::sort(by_name_.begin(), by_name_.end(), [&](auto a, auto b) { return named(a) < named(b); });
    const auto twice =
        std::adjacent_find(by_name_.begin(), by_name_.end(), [&](auto a, auto b) { return named(a) == named(b); });
    if (twice != by_name_.end())
      refuse(records_[*twice].header, concat("two records of the name ", shown(named(*twice))));
  }

  /// The first record begins the archive, and none reaches into the next.
  void check_places(std::size_t end) const {
    std::vector<std::pair<std::size_t, std::size_t>> places;
    places.reserve(records_.size());
    for (const ZipRecord& record : records_) places.emplace_back(record.header, record.data + record.packed);
    std::sort(places.begin(), places.end());
    if (places[0].first != 0) refuse(0, concat(places[0].first, " bytes in front of the first record"));
    places.emplace_back(end, end);
    for (std::size_t i = 1; i < places.size(); ++i)
      if (places[i].first < places[i - 1].second) refuse(places[i].first, "two records overlap");
  }

  void check(const ZipRecord& record, std::span<const std::byte> bytes) const {
    if (checkpoint::crc32(bytes) != record.crc)
      checkpoint::refuse("SP-CHECKPOINT-003", part_, record.data,
                         concat("the ", record.size, " bytes of record ", shown(record.name),
                                " are not those that its checksum was taken of"),
                         "copy the file again");
  }

  FilePart part_;
  std::vector<ZipRecord> records_;
  std::vector<std::uint32_t> by_name_;
  std::string_view root_;
};

}  // namespace shardplan::checkpoint
