#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string_view>

#include <shardplan/checkpoint/key_map.hpp>
#include <shardplan/checkpoint/stored_tensor.hpp>

/// What a conversion reads from.
namespace shardplan::checkpoint {

/// A part of a whole tensor where a file holds it.
struct Found {
  Box box;  ///< of the whole tensor
  const StoredTensor* tensor = nullptr;
  Shape at;               ///< origin in that tensor
  Dimensions dimensions;  ///< of that tensor, for each dimension of the whole one
};

/// A checkpoint of any layout as the whole tensors that it holds. Everything but the constructor may be called by
/// several threads at once.
class Source {
 public:
  using Sink = std::function<void(const Found&)>;

  virtual ~Source() = default;

  /// The file or folder that it was opened as.
  virtual const std::filesystem::path& path() const = 0;
  virtual std::size_t size() const = 0;
  /// Number of the whole tensor of that name; size(): there is none.
  virtual std::size_t find(std::string_view name) const = 0;
  /// Pre, here and below: i < size().
  virtual const WholeTensor& whole(std::size_t i) const = 0;
  virtual Element element(std::size_t i) const = 0;
  /// Calls the sink for parts of a box that tile it, each where it lies. Pre: the box lies inside the tensor.
  virtual void locate(std::size_t i, const Box& box, const Sink& sink) const = 0;
};

}  // namespace shardplan::checkpoint
