#pragma once
#include <bit>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/pickle.hpp>
#include <shardplan/checkpoint/refusal.hpp>
#include <shardplan/checkpoint/torch_legacy.hpp>
#include <shardplan/checkpoint/value.hpp>
#include <shardplan/checkpoint/zip.hpp>

/// Files that torch.save wrote: `.pt`, `.bin`, `.ckpt`, `.distcp` items (checkpoint sheet, sections 8 to 10 and 15).
namespace shardplan::checkpoint {

struct TorchReading {
  PickleAllows allows{};
  bool verify = true;    ///< read every storage once and compare its checksum; the pickle's is always compared
  bool lenient = false;  ///< a storage may have more bytes than the pickle says
};

struct TorchFile {
  Value value;
  std::string root;         ///< folder of the records; empty in old files, which have none
  bool big_endian = false;  ///< of the storages; their tensors say so too
};

namespace detail {

class TorchZip {
 public:
  TorchZip(const FilePart& part, const TorchReading& reading) : zip_(part), reading_(reading) {}

  TorchFile read() const {
    check_version();
    TorchFile out{{}, std::string(zip_.root()), big_endian()};
    const ZipRecord& pickle = need("data.pkl", "record");
    // What no known writer does; a pickle that is packed this well has been made to.
    constexpr std::size_t ratio = 32, always = std::size_t{1} << 20;
    const Bytes bytes = open(pickle, pickle.packed * ratio + always, true);
    const bool swapped = out.big_endian != (std::endian::native == std::endian::big);
    ReadPickle read =
        read_pickle(bytes.text(), zip_.part().file.path(), zip_.part().offset + pickle.data, reading_.allows,
                    [&](const PickledStorage& asked) { return storage(asked, swapped); });
    if (read.size != pickle.size)
      zip_.refuse(pickle.data, concat(pickle.size - read.size, " bytes behind the pickle's end"));
    out.value = std::move(read.value);
    return out;
  }

 private:
  struct Bytes {
    FilePart part{};
    std::shared_ptr<const std::vector<std::byte>> unpacked{};

    std::string_view text() const {
      return unpacked ? std::string_view(reinterpret_cast<const char*>(unpacked->data()), unpacked->size())
                      : part.text();
    }
  };

  const ZipRecord& need(std::string_view name, std::string_view what) const {
    const ZipRecord* record = zip_.find(name);
    if (!record) zip_.refuse(zip_.part().size, concat("a torch file without ", what, " '", name, '\''));
    return *record;
  }

  /// Errors   SP-CHECKPOINT-002 a deflated record longer than `limit`; SP-CHECKPOINT-003
  Bytes open(const ZipRecord& record, std::size_t limit, bool verify) const {
    if (record.deflated) return {{}, zip_.unpack(record, limit)};
    if (verify) zip_.verify(record);
    return {zip_.stored(record)};
  }

  void check_version() const {
    const ZipRecord& record = need("version", "record");
    const Bytes bytes = open(record, 20, true);
    std::string_view text = bytes.text();
    if (text.ends_with('\n')) text.remove_suffix(1);
    int version = 0;
    bool digits = !text.empty() && text.size() <= 20;
    for (const char letter : text) {
      digits = digits && letter >= '0' && letter <= '9';
      if (digits && version <= 10) version = version * 10 + (letter - '0');
    }
    if (!digits || version < 1 || version > 10)
      zip_.refuse(record.data, "a record 'version' that is no version of the format", "1 to 10");
  }

  bool big_endian() const {
    const ZipRecord* record = zip_.find("byteorder");
    if (!record) return false;
    const Bytes bytes = open(*record, 20, true);
    if (bytes.text() != "little" && bytes.text() != "big")
      zip_.refuse(record->data, "a record 'byteorder' that is no byte order", "little or big");
    return bytes.text() == "big";
  }

  Storage storage(const PickledStorage& asked, bool swapped) const {
    if (asked.is_legacy)
      fail("SP-CHECKPOINT-004",
           concat('\'', zip_.part().file.path(), "': storage ", asked.key, " named as old files do"), {}, {"path"});
    const ZipRecord& record = need(concat("data/", asked.key), "storage");
    const auto size = static_cast<std::size_t>(asked.bytes);
    if (record.size < size || (record.size > size && (!reading_.lenient || record.deflated)))
      fail("SP-CHECKPOINT-005",
           concat('\'', zip_.part().file.path(), "': storage ", asked.key, " has ", record.size, " bytes, and its ",
                  asked.numel, " elements are ", size),
           {}, {"path"});
    Bytes bytes = open(record, size, reading_.verify);
    return {bytes.unpacked ? FilePart{} : bytes.part.part(0, size), std::move(bytes.unpacked), swapped};
  }

  ZipArchive zip_;
  TorchReading reading_;
};

}  // namespace detail

/// What a torch file holds: a tree of values whose tensors lie in the mapped file. Copies of them keep it open.
///
/// Errors   SP-CHECKPOINT-002 no torch file, or not whole: see ZipArchive; without one of its records; old streams that
///          are cut or of another version; SP-CHECKPOINT-003 a record is not what its checksum was taken of;
///          SP-CHECKPOINT-004 and -005 as read_pickle; a storage with more or fewer bytes than its elements need
inline TorchFile read_torch(const FilePart& part, const TorchReading& reading = {}) {
  const std::string_view text = part.text();
  if (text.starts_with("PK\x03\x04")) return detail::TorchZip(part, reading).read();
  if (text.starts_with(detail::legacy_start)) return {detail::LegacyTorch(part, reading.allows).read(), {}, false};
  constexpr std::string_view wrong = "SP-CHECKPOINT-002",
                             again = "load it where it was written and save it with torch 1.6 or newer";
  if (text.starts_with("PYTORCH1")) refuse(wrong, part, 0, "a torch file of a preview release", again);
  if (text.size() > 262 && text.substr(257, 5) == "ustar")
    refuse(wrong, part, 0, "a tar archive: a torch file older than 0.1.10?", again);
  refuse(wrong, part, 0, "no torch file", "a file that torch.save wrote");
}

/// The same for a whole file. Errors also SP-CHECKPOINT-001.
inline TorchFile read_torch(const std::string& path, const TorchReading& reading = {}) {
  return read_torch(FilePart(MappedFile(path)), reading);
}

}  // namespace shardplan::checkpoint
