#pragma once
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/crc32.hpp>
#include <shardplan/checkpoint/detail/little.hpp>
#include <shardplan/checkpoint/stored_tensor.hpp>
#include <shardplan/checkpoint/value.hpp>

/// What tests of torch files share.
namespace shardplan::checkpoint {

/// A folder of its own that goes when the test does.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "shardplan_torch_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder for temporary files");
    folder_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(folder_); }

  std::string path(std::string_view name) const { return (folder_ / name).string(); }
  /// A file of that name with those bytes.
  std::string write(std::string_view name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path(name);
  }

 private:
  std::filesystem::path folder_;
};

/// The elements of a tensor, row-major, in this machine's byte order.
inline std::vector<std::byte> elements_of(const StoredTensor& tensor) {
  std::vector<std::byte> out(tensor.byte_size());
  copy_box(tensor, Shape(tensor.shape.size(), 0), tensor.shape, out);
  return out;
}

/// A zip archive as other programs write it: sizes and checksums in front of the data, nothing aligned.
inline std::string zip_of(const std::vector<std::pair<std::string, std::string>>& records) {
  using detail::append_little;
  std::string out, directory;
  for (const auto& [name, content] : records) {
    std::string about("\x14\0\0\0\0\0\0\0\0\0", 10);  // version, flags, method, time, date
    append_little(about, crc32(std::as_bytes(std::span(content))));
    append_little(about, static_cast<std::uint32_t>(content.size()));
    append_little(about, static_cast<std::uint32_t>(content.size()));
    append_little(about, static_cast<std::uint32_t>(name.size()));  // and no extra field
    directory += concat("PK\x01\x02", std::string_view("\x14\0", 2), about, std::string(10, '\0'));
    append_little(directory, static_cast<std::uint32_t>(out.size()));
    directory += name;
    out += concat("PK\x03\x04", about, name, content);
  }
  const auto size = static_cast<std::uint32_t>(directory.size()), at = static_cast<std::uint32_t>(out.size());
  out += directory + std::string("PK\x05\x06\0\0\0\0", 8);
  for (int i = 0; i < 2; ++i) append_little(out, static_cast<std::uint16_t>(records.size()));
  append_little(out, size);
  append_little(out, at);
  return out.append(2, '\0');
}

/// Elements that a formula gives: byte i of the tensor with that seed.
inline std::vector<std::byte> formula(const StoredTensor& tensor, std::uint64_t seed) {
  std::vector<std::byte> out(tensor.byte_size());
  for (std::uint64_t i = 0; i < out.size(); ++i) {
    const auto mixed = static_cast<std::uint32_t>(i * 2654435761U + seed * 40503U + 12345U);
    out[i] = static_cast<std::byte>(tensor.element == Element::boolean ? mixed >> 31 : mixed >> 24);
  }
  return out;
}

/// A tensor in memory with those elements.
inline Tensor made_tensor(Element element, const Shape& shape, std::uint64_t seed) {
  Tensor out;
  out.stored.element = element;
  out.stored.shape = shape;
  out.stored.strides = row_major_strides(shape);
  out.stored.storage.unpacked = std::make_shared<const std::vector<std::byte>>(formula(out.stored, seed));
  return out;
}

inline std::string hexadecimal(std::uint32_t number) {
  std::string out(8, '0');
  for (std::size_t i = 8; i-- > 0; number >>= 4) out[i] = "0123456789abcdef"[number & 15];
  return out;
}

}  // namespace shardplan::checkpoint
