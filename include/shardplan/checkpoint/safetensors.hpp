#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/json_reader.hpp>
#include <shardplan/checkpoint/mapped_file.hpp>
#include <shardplan/checkpoint/name_index.hpp>
#include <shardplan/checkpoint/refusal.hpp>
#include <shardplan/checkpoint/safetensors_type.hpp>
#include <shardplan/checkpoint/stored_tensor.hpp>
#include <shardplan/core/shape.hpp>
#include <shardplan/core/text.hpp>

/// safetensors files, read in place (checkpoint sheet, 11).
namespace shardplan::checkpoint {

/// Longest header of the format; the reference reader takes no longer one.
inline constexpr std::size_t max_safetensors_header = 100'000'000;

/// Key of the texts that are no tensors.
inline constexpr std::string_view safetensors_metadata = "__metadata__";

/// Name and value, in the order of the file.
using SafetensorsMetadata = std::vector<std::pair<std::string, std::string>>;

/// A safetensors file: only its header is read, tensors stay where they lie.
///
/// Refused is what the reference reader refuses - tensors that do not tile the data exactly, sizes that are not those
/// of shape and type, what overflows, JSON that is none - and what the text of the format forbids besides: a first byte
/// that is no `{`, names that occur twice.
class Safetensors {
 public:
  struct Entry {
    std::string name;
    std::uint8_t type;  ///< in safetensors_types
    Shape shape;
    std::size_t offset;  ///< of its first byte, in the file
    std::size_t size;    ///< in bytes
  };

 private:
  auto name_at() const {
    return [this](std::size_t i) -> std::string_view { return entries_[i].name; };
  }

 public:
  /// Errors SP-CHECKPOINT-006 the header or the size of the file is wrong
  explicit Safetensors(FilePart file) : file_(std::move(file)) {
    read_header();
    const auto before = [](const Entry& a, const Entry& b) {
      return a.offset != b.offset ? a.offset < b.offset : a.size < b.size;
    };
    if (!std::is_sorted(entries_.begin(), entries_.end(), before))
      std::stable_sort(entries_.begin(), entries_.end(), before);
    by_name_ = NameIndex(entries_.size(), name_at());
    if (const auto twice = by_name_.repeated(name_at()))
      refuse_header(concat("two tensors are named ", shown(entries_[*twice].name)));
    check_tiles();
  }
  /// Errors SP-CHECKPOINT-001 the file cannot be read, SP-CHECKPOINT-006
  explicit Safetensors(std::string path) : Safetensors(FilePart(MappedFile(std::move(path)))) {}

  /// All tensors by their place in the file.
  const std::vector<Entry>& entries() const { return entries_; }
  const SafetensorsMetadata& metadata() const { return metadata_; }
  const FilePart& file() const { return file_; }

  /// Null: there is none of that name.
  const Entry* find(std::string_view name) const {
    const auto found = by_name_.find(name, name_at());
    return found ? &entries_[*found] : nullptr;
  }

  /// The tensor, contiguous. Its bytes need not be aligned to its elements.
  ///
  /// Pre      entry is one of entries()
  /// Errors   SP-CHECKPOINT-006 its elements are no whole bytes
  StoredTensor tensor(const Entry& entry) const {
    const SafetensorsType& type = safetensors_types[entry.type];
    const auto element = type.element();
    if (!element)
      refuse("SP-CHECKPOINT-006", file_, entry.offset,
             concat("tensor ", shown(entry.name), " has elements of ", type.bits, " bits (", type.name, ')'),
             "types of whole bytes can be read");
    return {
        *element, entry.shape, row_major_strides(entry.shape), 0, {file_.part(entry.offset, entry.size), {}, false}};
  }

  /// Errors SP-CHECKPOINT-006 there is none of that name, or its elements are no whole bytes
  StoredTensor tensor(std::string_view name) const {
    const Entry* const entry = find(name);
    if (entry == nullptr) {
      std::vector<std::string_view> names;
      for (const Entry& one : entries_) names.push_back(one.name);
      const std::string_view near = closest(name, names);
      refuse_header(concat("there is no tensor ", shown(name)), near.empty() ? "" : concat("nearest: ", shown(near)));
    }
    return tensor(*entry);
  }

 private:
  [[noreturn]] void refuse_header(std::string_view reason, std::string_view hint = {}) const {
    refuse("SP-CHECKPOINT-006", file_, sizeof(std::uint64_t), reason, hint);
  }

  void read_header() {
    std::uint64_t length = 0;
    if (file_.size < sizeof length)
      refuse("SP-CHECKPOINT-006", file_, 0, concat("the file has ", file_.size, " bytes, fewer than a header's 8"));
    for (std::size_t i = 0; i < sizeof length; ++i)
      length |= std::to_integer<std::uint64_t>(file_.bytes()[i]) << (8 * i);
    if (length > max_safetensors_header)
      refuse("SP-CHECKPOINT-006", file_, 0,
             concat("the header would have ", length, " bytes, more than ", max_safetensors_header));
    if (length > file_.size - sizeof length)
      refuse("SP-CHECKPOINT-006", file_, 0,
             concat("the header would have ", length, " bytes, and ", file_.size - sizeof length, " are left"));
    data_ = sizeof length + static_cast<std::size_t>(length);
    if (length == 0 || file_.text()[sizeof length] != '{') refuse_header("the header does not begin with '{'");

    JsonReader json("SP-CHECKPOINT-006", file_.part(sizeof length, static_cast<std::size_t>(length)));
    bool described = false;
    json.object([&](std::string_view name) {
      if (name != safetensors_metadata) {
        entries_.push_back(read_entry(json, name));
        return;
      }
      if (std::exchange(described, true)) json.refuse_at(json.position(), "'__metadata__' occurs twice");
      json.object([&](std::string_view key) { metadata_.emplace_back(std::string(key), json.string()); });
    });
    json.end();
    const auto key_at = [&](std::size_t i) -> std::string_view { return metadata_[i].first; };
    if (const auto twice = NameIndex(metadata_.size(), key_at).repeated(key_at))
      refuse_header(concat("'__metadata__' holds two keys ", shown(metadata_[*twice].first)));
  }

  Entry read_entry(JsonReader& json, std::string_view name) const {
    Entry out{std::string(name), 0, {}, 0, 0};
    std::string unescaped;
    bool typed = false, shaped = false, placed = false;
    const std::size_t begin = json.position();
    json.object([&](std::string_view key) {
      const auto once = [&](bool& seen) {
        if (std::exchange(seen, true)) json.refuse_at(json.position(), concat(shown(key), " occurs twice"));
      };
      if (key == "dtype") {
        once(typed);
        const std::string_view text = json.string(unescaped);
        const auto type = safetensors_type_named(text);
        if (!type) json.refuse_at(json.position(), concat(shown(text), " is no type of safetensors"));
        out.type = *type;
      } else if (key == "shape") {
        once(shaped);
        json.array([&] {
          if (out.shape.size() == max_rank) json.refuse_at(json.position(), "a shape of more than 64 dimensions");
          out.shape.push_back(json.size());
        });
      } else if (key == "data_offsets") {
        once(placed);
        std::size_t ends[2] = {}, count = 0;
        json.array([&] {
          if (count == 2) json.refuse_at(json.position(), "data_offsets are two numbers");
          ends[count++] = static_cast<std::size_t>(json.size());
        });
        if (count != 2) json.refuse_at(json.position(), "data_offsets are two numbers");
        if (ends[0] > ends[1])
          json.refuse_at(json.position(), concat("the data would begin at ", ends[0], " and end at ", ends[1]));
        if (ends[1] > file_.size - data_)
          json.refuse_at(json.position(),
                         concat("the data would end at ", ends[1], ", and the file has ", file_.size - data_));
        out.offset = data_ + ends[0];
        out.size = ends[1] - ends[0];
      } else {
        json.skip();
      }
    });
    if (!typed || !shaped || !placed)
      json.refuse_at(begin, concat("tensor ", shown(name), " has no ",
                                   !typed    ? "dtype"
                                   : !shaped ? "shape"
                                             : "data_offsets"));
    check_size(json, begin, out);
    return out;
  }

  /// The bytes are those of shape and type.
  static void check_size(const JsonReader& json, std::size_t at, const Entry& entry) {
    const Index width = safetensors_types[entry.type].bits;
    // Strides have to fit as well, and they do not see that a tensor without elements has none.
    Index stride = 1, count = 1;
    bool overflow = false;
    for (const Index extent : entry.shape) {
      count *= extent != 0;
      overflow = overflow || __builtin_mul_overflow(stride, larger(extent, 1), &stride);
    }
    Index all_bits = 0;
    overflow = overflow || __builtin_mul_overflow(count * stride, width, &all_bits);
    if (overflow)
      json.refuse_at(at, concat("tensor ", shown(entry.name), " of shape ", entry.shape, " does not fit 64 bits"));
    if (all_bits % 8 != 0 || static_cast<std::size_t>(all_bits / 8) != entry.size)
      json.refuse_at(
          at, concat("tensor ", shown(entry.name), " of type ", safetensors_types[entry.type].name, " and shape ",
                     entry.shape, " needs ", all_bits, " bits, and has ", entry.size, " bytes"));
  }

  /// By offset, each begins where the one before ends, and the last ends where the file does.
  void check_tiles() const {
    std::size_t end = data_;
    for (const Entry& entry : entries_) {
      if (entry.offset != end)
        refuse("SP-CHECKPOINT-006", file_, end,
               concat("tensor ", shown(entry.name), " begins at ", entry.offset - data_, " of the data, where ",
                      end - data_, entry.offset > end ? " is next: bytes of no tensor" : " is next: they overlap"));
      end += entry.size;
    }
    if (end != file_.size)
      refuse("SP-CHECKPOINT-006", file_, end,
             concat("the tensors end at ", end - data_, " of the data, and the file has ", file_.size - data_));
  }

  static constexpr std::size_t max_rank = 64;

  FilePart file_;
  std::size_t data_ = 0;  ///< where the header ends
  std::vector<Entry> entries_;
  SafetensorsMetadata metadata_;
  NameIndex by_name_;
};

}  // namespace shardplan::checkpoint
