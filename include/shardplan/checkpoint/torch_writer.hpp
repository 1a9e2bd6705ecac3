#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/crc32.hpp>
#include <shardplan/checkpoint/output_file.hpp>
#include <shardplan/checkpoint/torch_layout.hpp>
#include <shardplan/checkpoint/value.hpp>

/// Torch files written in place: by one thread from the first byte to the last, or by many in any order.
namespace shardplan::checkpoint {

static_assert(std::endian::native == std::endian::little, "elements are written as they lie in memory");

/// A file being written: pickle and headers at once, the tensors by whoever has them, their checksums at the end.
///
///     Value dict = Dict({{"weight", Tensor{{.element = Element::bfloat16, .shape = {4096, 4096}}}}});
///     TorchWriter file("model.pt", dict);
///     file.write(0, at, bytes);   // from any thread, of file.layout().tensors()[0]
///     file.finish();
///
/// The path finds the old file or the whole new one; given up without finish(), nothing is left behind.
class TorchWriter {
 public:
  /// Errors   SP-CHECKPOINT-008 the file cannot be written; those of TorchLayout
  TorchWriter(const std::string& path, TorchLayout layout)
      : layout_(std::move(layout)),
        sums_(std::make_unique<RangeChecksums[]>(layout_.tensors().size())),
        file_(path, layout_.file_size()) {
    layout_.write_records([&](std::size_t at, std::string_view text) { file_.write(at, text); });
  }
  /// The same, with the root folder that torch.save gives that path.
  TorchWriter(const std::string& path, const Value& value)
      : TorchWriter(path, TorchLayout(value, {.root = torch_root(path)})) {}

  const TorchLayout& layout() const { return layout_; }

  /// Part of a tensor, row-major and little-endian. Several threads may write at once.
  ///
  /// tensor   its place in layout().tensors()
  /// at       byte of the tensor that `bytes` begins with
  /// Errors   SP-CHECKPOINT-008 the file cannot be written, or the part is not inside the tensor, or some of it has
  /// been
  ///          written before
  void write(std::size_t tensor, std::size_t at, std::span<const std::byte> bytes) {
    write(tensor, at, bytes, crc32(bytes));
  }
  /// The same, where the checksum of the bytes is known.
  void write(std::size_t tensor, std::size_t at, std::span<const std::byte> bytes, std::uint32_t crc) {
    const PlacedTensor& to = layout_.tensors()[tensor];
    if (at > to.size || bytes.size() > to.size - at)
      refuse(to, concat(bytes.size(), " bytes at ", at, " are not inside its ", to.size));
    if (!sums_[tensor].add(at, bytes.size(), crc))
      refuse(to, concat("some of the ", bytes.size(), " bytes at ", at, " are written already"));
    file_.write(to.offset + at, bytes);
  }

  /// Puts in the checksums and gives the file its name.
  ///
  /// durable  waits until the disk has it
  /// Errors   SP-CHECKPOINT-008 the file cannot be written, or bytes of a tensor have not been
  void finish(bool durable = false) {
    for (std::size_t i = 0; i < layout_.tensors().size(); ++i) {
      const PlacedTensor& tensor = layout_.tensors()[i];
      if (const std::size_t at = sums_[i].first_missing(tensor.size); at < tensor.size)
        refuse(tensor, concat("byte ", at, " of ", tensor.size, " has never been written"));
    }
    layout_.write_checksums([&](std::size_t i) { return sums_[i].value(); },
                            [&](std::size_t at, std::string_view text) { file_.write(at, text); });
    file_.finish(durable);
  }

 private:
  [[noreturn]] void refuse(const PlacedTensor& tensor, std::string_view why) const {
    fail("SP-CHECKPOINT-008", concat('\'', file_.path(), "', tensor ", shown(tensor.path), ": ", why), {}, {"path"});
  }

  TorchLayout layout_;
  std::unique_ptr<RangeChecksums[]> sums_;
  OutputFile file_;
};

/// Writes a value whose tensors have their elements: one of read_torch, or one that holds tensors of other files.
///
/// Errors   SP-CHECKPOINT-008
inline void write_torch(const std::string& path, const Value& value, bool durable = false) {
  constexpr Index piece = Index{8} << 20;
  TorchWriter file(path, value);
  std::vector<std::byte> buffer;
  for (std::size_t i = 0; i < file.layout().tensors().size(); ++i) {
    const PlacedTensor& to = file.layout().tensors()[i];
    const StoredTensor& from = to.tensor->stored;
    if (to.size == 0) continue;
    if (from.contiguous()) {
      const std::span<const std::byte> all = from.data();
      for (std::size_t at = 0; at < all.size(); at += piece)
        file.write(i, at, all.subspan(at, std::min<std::size_t>(piece, all.size() - at)));
      continue;
    }
    // Rows of the first dimension, as many as fit the buffer.
    const Index rows = from.shape.empty() ? 1 : from.shape[0], row = static_cast<Index>(to.size) / rows;
    const Index at_once = larger(1, piece / row);
    for (Index first = 0; first < rows; first += at_once) {
      Shape origin(from.shape.size(), 0), extent = from.shape;
      if (!origin.empty()) {
        origin[0] = first;
        extent[0] = smaller(at_once, rows - first);
      }
      buffer.resize(static_cast<std::size_t>(smaller(at_once, rows - first) * row));
      copy_box(from, origin, extent, buffer);
      file.write(i, static_cast<std::size_t>(first * row), buffer);
    }
  }
  file.finish(durable);
}

}  // namespace shardplan::checkpoint
