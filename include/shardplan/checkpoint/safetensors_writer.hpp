#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/element.hpp>
#include <shardplan/checkpoint/json_reader.hpp>
#include <shardplan/checkpoint/name_index.hpp>
#include <shardplan/checkpoint/output_file.hpp>
#include <shardplan/checkpoint/refusal.hpp>
#include <shardplan/checkpoint/safetensors.hpp>
#include <shardplan/checkpoint/safetensors_type.hpp>
#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/shape.hpp>
#include <shardplan/core/utf8.hpp>

/// safetensors files written, byte for byte as the reference writer does (checkpoint sheet, 11).
namespace shardplan::checkpoint {

/// What a file says of a tensor before its bytes.
struct TensorHeader {
  std::string name;
  Element element = Element::float32;
  Shape shape;

  /// Errors SP-CORE-001 it does not fit 64 bits.
  std::size_t byte_size() const { return static_cast<std::size_t>(checked_mul(elements(shape), bytes(element))); }
};

/// Where everything of a file lies, before a byte of it is written.
struct SafetensorsLayout {
  std::string header;                ///< the first bytes of the file, the length included
  std::vector<std::size_t> offsets;  ///< of tensor i of the call, in the file
  std::size_t file_size = 0;
};

/// The layout of a file of these tensors: by type as safetensors_types has them backwards, then by name; header padded
/// to 8 bytes.
///
/// metadata Hugging Face's readers ask for {"format", "pt"}
/// Post     Safetensors reads what is written so; offsets are multiples of the width of the element
/// Errors   SP-CHECKPOINT-008 an element that the format lacks, a name that is not UTF-8, occurs twice or is
///          `__metadata__`, a header beyond the format's 100,000,000 bytes; SP-CORE-001 a size that does not fit
inline SafetensorsLayout safetensors_layout(std::span<const TensorHeader> tensors,
                                            const SafetensorsMetadata& metadata = {{"format", "pt"}}) {
  const auto refuse_name = [](std::string_view name, std::string_view why) {
    fail("SP-CHECKPOINT-008", concat("safetensors cannot hold ", shown(name), ": ", why), {}, {"name"});
  };
  const auto check_text = [&](std::string_view text) {
    for (std::string_view left = text; !left.empty();) {
      const std::size_t length = shardplan::detail::utf8_length(left);
      if (length == 0) refuse_name(text, "it is not UTF-8");
      left.remove_prefix(length);
    }
  };
  std::vector<std::uint8_t> types;
  std::vector<std::size_t> order;
  types.reserve(tensors.size());
  order.reserve(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto type = safetensors_type_named(info(tensors[i].element).safetensors);
    if (!type) refuse_name(tensors[i].name, concat("it has no type for ", name(tensors[i].element)));
    if (tensors[i].name == safetensors_metadata) refuse_name(tensors[i].name, "the name is that of the metadata");
    check_text(tensors[i].name);
    types.push_back(*type);
    order.push_back(i);
  }
  const auto name_at = [&](std::size_t i) -> std::string_view { return tensors[i].name; };
  if (const auto twice = NameIndex(tensors.size(), name_at).repeated(name_at))
    refuse_name(tensors[*twice].name, "two tensors have that name");
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return types[a] != types[b] ? types[a] > types[b] : tensors[a].name < tensors[b].name;
  });

  SafetensorsLayout out;
  out.offsets.resize(tensors.size());
  constexpr std::size_t length_size = sizeof(std::uint64_t);
  std::string& header = out.header;
  header.assign(length_size, '\0');
  header += '{';
  if (!metadata.empty()) {
    (append_json(header, safetensors_metadata), header) += ":{";
    for (std::size_t i = 0; i < metadata.size(); ++i) {
      check_text(metadata[i].first);
      check_text(metadata[i].second);
      if (i > 0) header += ',';
      append_json(header, metadata[i].first);
      header += ':';
      append_json(header, metadata[i].second);
    }
    header += '}';
  }
  Index end = 0;
  for (const std::size_t i : order) {
    if (header.back() != '{') header += ',';
    append_json(header, tensors[i].name);
    const Index begin = std::exchange(end, checked_add(end, static_cast<Index>(tensors[i].byte_size())));
    header += concat(":{\"dtype\":\"", safetensors_types[types[i]].name, "\",\"shape\":[", join(tensors[i].shape, ","),
                     "],\"data_offsets\":[", begin, ',', end, "]}");
    out.offsets[i] = static_cast<std::size_t>(begin);
  }
  header += '}';
  header.append((length_size - header.size() % length_size) % length_size, ' ');
  const std::size_t length = header.size() - length_size;
  if (length > max_safetensors_header)
    fail("SP-CHECKPOINT-008",
         concat("the header of ", tensors.size(), " tensors has ", length, " bytes, more than safetensors' ",
                max_safetensors_header),
         "write the tensors to several files");
  for (std::size_t i = 0; i < length_size; ++i) header[i] = static_cast<char>(length >> (8 * i) & 0xFF);
  for (std::size_t& offset : out.offsets) offset += header.size();
  out.file_size = static_cast<std::size_t>(checked_add(end, static_cast<Index>(header.size())));
  return out;
}

/// A file being written: the header at once, the tensors by whoever has them.
///
///     SafetensorsWriter file("model.safetensors", tensors);
///     file.write(1, 0, bytes);   // from any thread
///     file.finish();
///
/// Bytes never written are zero.
class SafetensorsWriter {
 public:
  /// Errors SP-CHECKPOINT-008 the file cannot be written, and those of safetensors_layout.
  SafetensorsWriter(std::string path, std::span<const TensorHeader> tensors,
                    const SafetensorsMetadata& metadata = {{"format", "pt"}})
      : layout_(safetensors_layout(tensors, metadata)), file_(std::move(path), layout_.file_size) {
    file_.write(0, layout_.header);
  }

  /// Part of a tensor, row-major and little-endian. Several threads may write at once.
  ///
  /// tensor   its place in the list of the constructor
  /// at       byte of the tensor that `bytes` begins with
  /// Pre      the part lies inside the tensor
  /// Errors   SP-CHECKPOINT-008 the file cannot be written
  void write(std::size_t tensor, std::size_t at, std::span<const std::byte> bytes) const {
    file_.write(layout_.offsets[tensor] + at, bytes);
  }

  /// Gives the file its name. durable: waits until the disk has it. Errors SP-CHECKPOINT-008.
  void finish(bool durable = false) { file_.finish(durable); }

  const SafetensorsLayout& layout() const { return layout_; }

 private:
  SafetensorsLayout layout_;
  OutputFile file_;
};

}  // namespace shardplan::checkpoint
