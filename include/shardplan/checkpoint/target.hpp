#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <shardplan/checkpoint/element.hpp>
#include <shardplan/checkpoint/key_map.hpp>
#include <shardplan/layout/cut.hpp>

/// What a conversion writes.
namespace shardplan::checkpoint {

/// A tensor of a file to be.
struct FileTensor {
  std::string key;
  Shape shape;
  Element element = Element::float32;
  std::size_t item = 0;  ///< what the target knows it by
};

enum class FileFormat : std::uint8_t { torch, safetensors };

/// A checkpoint of any layout that is to be written: its files, their tensors, and which boxes of whole tensors lie in
/// each. Everything may be called by several threads at once.
class Target {
 public:
  using Sink = std::function<void(const Placed&)>;

  virtual ~Target() = default;

  /// The whole tensors that boxes speak of.
  virtual const KeyMap& keys() const = 0;
  /// Whether it wants the whole tensor of that number at all.
  virtual bool wants(std::size_t whole) const = 0;
  virtual FileFormat format() const = 0;
  /// Whether it ends with `checkpoint` and `done`.
  virtual bool is_tag() const { return false; }
  virtual std::size_t files() const = 0;
  /// Below the folder of the target. Pre, here and below: file < files().
  virtual std::string path(std::size_t file) const = 0;
  virtual std::vector<FileTensor> tensors(std::size_t file) const = 0;
  /// Calls the sink for the boxes that lie in a tensor of a file.
  ///
  /// Post   they overlap nowhere; what none covers is padding
  virtual void for_each_box(std::size_t file, const FileTensor& tensor, const Sink& sink) const = 0;
  /// What padding is filled with. Pre: it has some.
  virtual Fill padding(std::size_t, const FileTensor&) const { return {}; }
  /// Writes what is beside the files, as an index. Called once, when all are written.
  virtual void finish(const std::filesystem::path&) const {}
};

}  // namespace shardplan::checkpoint
