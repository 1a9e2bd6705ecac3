#pragma once
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/checkpoint/stored_tensor.hpp>

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

inline std::string hexadecimal(std::uint32_t number) {
  std::string out(8, '0');
  for (std::size_t i = 8; i-- > 0; number >>= 4) out[i] = "0123456789abcdef"[number & 15];
  return out;
}

}  // namespace shardplan::checkpoint
