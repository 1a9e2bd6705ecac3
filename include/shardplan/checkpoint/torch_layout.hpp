#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/crc32.hpp>
#include <shardplan/checkpoint/detail/little.hpp>
#include <shardplan/checkpoint/pickle_writer.hpp>
#include <shardplan/checkpoint/value.hpp>
#include <shardplan/core/arithmetic.hpp>

/// Where everything of a torch file lies before a byte of it is written (checkpoint sheet, 8.2).
namespace shardplan::checkpoint {

struct TorchFormat {
  std::string root = "archive";  ///< folder of all records; torch takes the file's stem, see torch_root()
  bool byte_order = true;        ///< the record `byteorder`, which torch 2 writes
  bool release_records = false;  ///< `.format_version` and `.storage_alignment`, which recent releases write
};

/// The root folder that torch.save gives a file of that path: its name up to the last dot.
inline std::string torch_root(std::string_view path) {
  const std::size_t slash = path.find_last_of("/\\");
  const std::string_view file = path.substr(slash == path.npos ? 0 : slash + 1);
  const std::string_view stem = file.substr(0, file.rfind('.'));
  return stem.empty() || stem == "." || stem == ".." ? "archive" : std::string(stem);
}

/// A tensor of the file to be.
struct PlacedTensor {
  std::string path;  ///< keys that lead to it first, joined by '/'; empty within objects
  std::shared_ptr<const Tensor> tensor;
  std::size_t offset = 0;  ///< of its first byte in the file, a multiple of 64
  std::size_t size = 0;    ///< in bytes
};

/// The layout of a file that holds a value: a pickle, and each tensor of it as one contiguous record; the same tensor
/// at several places is one. All but the checksums is known.
class TorchLayout {
 public:
  /// Errors   SP-CHECKPOINT-008 a value that cannot be written, a root that is no name; SP-CORE-001 a size that does
  /// not
  ///          fit 64 bits
  explicit TorchLayout(const Value& value, const TorchFormat& format = {}) {
    const std::string_view root = format.root;
    if (root.empty() || root == "." || root == ".." || root.find_first_of(std::string_view("/\\\0", 3)) != root.npos)
      fail("SP-CHECKPOINT-008", concat("the root folder ", shown(root)), "a name without slashes", {"root"});
    std::map<const Tensor*, std::size_t> numbers;
    std::string pickle = PickleWriter([&](const std::shared_ptr<const Tensor>& tensor) {
      const auto [at, is_new] = numbers.try_emplace(tensor.get(), tensors_.size());
      const StoredTensor& stored = tensor->stored;
      if (is_new)
        tensors_.push_back(
            {{}, tensor, 0, static_cast<std::size_t>(checked_mul(elements(stored.shape), bytes(stored.element)))});
      return at->second;
    })(value);
    for_each_tensor(value, [&](const std::string& path, const std::shared_ptr<const Tensor>& tensor) {
      std::string& known = tensors_[numbers.at(tensor.get())].path;
      if (known.empty()) known = path;
    });

    place(root, "data.pkl", std::move(pickle));
    if (format.release_records) {
      place(root, ".format_version", "1");
      place(root, ".storage_alignment", "64");
    }
    if (format.byte_order) place(root, "byteorder", "little");
    first_tensor_ = records_.size();
    for (PlacedTensor& tensor : tensors_) {
      place(root, concat("data/", records_.size() - first_tensor_), {}, tensor.size);
      tensor.offset = records_.back().data;
    }
    place(root, "version", "3\n");
    for (const Record& record : records_) directory_size_ += entry(record, 0).size();
  }

  /// In the order of the pickle. What is written of them is their elements, row-major and little-endian.
  std::span<const PlacedTensor> tensors() const { return tensors_; }
  std::size_t file_size() const { return end_ + directory_size_ + end_size; }

  /// Calls write(offset, text) for everything but tensors and checksums.
  template <class Write>
  void write_records(Write&& write) const {
    for (const Record& record : records_) {
      write(record.header, local_header(record));
      if (!record.content.empty()) {
        write(record.data, record.content);
        write(record.data + record.size, descriptor(record, content_crc(record)));
      }
    }
  }

  /// Calls write(offset, text) for everything that needs the checksums.
  ///
  /// crc   (tensor number): of all its bytes
  template <class Crc, class Write>
  void write_checksums(Crc&& crc, Write&& write) const {
    std::string directory;
    directory.reserve(directory_size_ + end_size);
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const Record& record = records_[i];
      const bool is_tensor = i >= first_tensor_ && i < first_tensor_ + tensors_.size();
      const std::uint32_t sum = is_tensor ? crc(i - first_tensor_) : content_crc(record);
      if (is_tensor && record.size > 0) write(record.data + record.size, descriptor(record, sum));
      directory += entry(record, sum);
    }
    append_end(directory);
    write(end_, directory);
  }

 private:
  struct Record {
    std::string name;
    std::string content;  ///< of those that are no tensors
    std::size_t header, data, size;
  };
  static constexpr std::size_t full32 = 0xFFFFFFFF, full16 = 0xFFFF, alignment = 64;
  static constexpr std::size_t end_size = 56 + 20 + 22;

  static bool is_wide(const Record& record) { return record.size >= full32 || record.header >= full32; }
  static std::uint32_t narrow(std::size_t number) {
    return static_cast<std::uint32_t>(number < full32 ? number : full32);
  }
  static std::uint32_t content_crc(const Record& record) {
    return checkpoint::crc32(std::as_bytes(std::span(record.content)));
  }

  void place(std::string_view root, std::string_view name, std::string content, std::size_t size = 0) {
    Record record{concat(root, '/', name), std::move(content), end_, 0, size};
    if (!record.content.empty()) record.size = record.content.size();
    if (record.name.size() > full16) fail("SP-CHECKPOINT-008", "a root folder of over 65,000 bytes", {}, {"root"});
    record.data = record.header + local_header(record).size();
    const std::size_t behind = record.size == 0 ? 0 : is_wide(record) ? 24 : 16;
    end_ = static_cast<std::size_t>(
        checked_add(static_cast<Index>(record.data + behind), static_cast<Index>(record.size)));
    records_.push_back(std::move(record));
  }

  /// Flags: a descriptor behind the data, where there is data; names are UTF-8.
  static std::uint16_t flags(const Record& record) { return record.size == 0 ? 0x0800 : 0x0808; }

  /// The numbers that do not fit the 32-bit fields.
  static std::string zip64(const Record& record) {
    std::string out;
    if (!is_wide(record)) return out;
    const bool size = record.size >= full32, header = record.header >= full32;
    detail::append_little<std::uint16_t>(out, 1);
    detail::append_little(out, static_cast<std::uint16_t>(16 * size + 8 * header));
    if (size) detail::append_little<std::uint64_t>(out, record.size);
    if (size) detail::append_little<std::uint64_t>(out, record.size);
    if (header) detail::append_little<std::uint64_t>(out, record.header);
    return out;
  }

  static std::string local_header(const Record& record) {
    const std::string wide = zip64(record);
    std::string out = "PK\x03\x04";
    detail::append_little<std::uint16_t>(out, 0);
    detail::append_little(out, flags(record));
    out.append(18, '\0');  // method, time, date, checksum, sizes
    const std::size_t start = record.header + 30 + record.name.size() + wide.size() + 4;
    const std::size_t pad = (alignment - start % alignment) % alignment;
    detail::append_little(out, static_cast<std::uint16_t>(record.name.size()));
    detail::append_little(out, static_cast<std::uint16_t>(wide.size() + 4 + pad));
    out += record.name;
    out += wide;
    out += "FB";
    detail::append_little(out, static_cast<std::uint16_t>(pad));
    return out.append(pad, 'Z');
  }

  static std::string descriptor(const Record& record, std::uint32_t crc) {
    std::string out = "PK\x07\x08";
    detail::append_little(out, crc);
    for (int i = 0; i < 2; ++i) {
      if (is_wide(record))
        detail::append_little<std::uint64_t>(out, record.size);
      else
        detail::append_little(out, static_cast<std::uint32_t>(record.size));
    }
    return out;
  }

  /// The record in the directory.
  static std::string entry(const Record& record, std::uint32_t crc) {
    const std::string wide = zip64(record);
    std::string out = "PK\x01\x02";
    out.append(4, '\0');  // versions
    detail::append_little(out, flags(record));
    out.append(6, '\0');  // method, time, date
    detail::append_little(out, crc);
    detail::append_little(out, narrow(record.size));
    detail::append_little(out, narrow(record.size));
    detail::append_little(out, static_cast<std::uint16_t>(record.name.size()));
    detail::append_little(out, static_cast<std::uint16_t>(wide.size()));
    out.append(10, '\0');  // comment, volume, attributes
    detail::append_little(out, narrow(record.header));
    return out += concat(record.name, wide);
  }

  /// The end of the archive, in both widths, as torch always writes it.
  void append_end(std::string& out) const {
    const std::size_t size = out.size(), count = records_.size();
    out += "PK\x06\x06";
    detail::append_little<std::uint64_t>(out, 44);
    detail::append_little<std::uint16_t>(out, 0x031E);
    detail::append_little<std::uint16_t>(out, 0x002D);
    out.append(8, '\0');  // volumes
    detail::append_little<std::uint64_t>(out, count);
    detail::append_little<std::uint64_t>(out, count);
    detail::append_little<std::uint64_t>(out, size);
    detail::append_little<std::uint64_t>(out, end_);
    out += "PK\x06\x07";
    out.append(4, '\0');
    detail::append_little<std::uint64_t>(out, end_ + size);
    detail::append_little<std::uint32_t>(out, 1);
    out += "PK\x05\x06";
    out.append(4, '\0');
    for (int i = 0; i < 2; ++i) detail::append_little(out, static_cast<std::uint16_t>(count < full16 ? count : full16));
    detail::append_little(out, narrow(size));
    detail::append_little(out, narrow(end_));
    out.append(2, '\0');  // comment
  }

  std::vector<PlacedTensor> tensors_;
  std::vector<Record> records_;
  std::size_t first_tensor_ = 0;
  std::size_t end_ = 0;  ///< of the records: where the directory begins
  std::size_t directory_size_ = 0;
};

}  // namespace shardplan::checkpoint
