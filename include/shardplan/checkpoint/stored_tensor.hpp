#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <shardplan/checkpoint/element.hpp>
#include <shardplan/checkpoint/mapped_file.hpp>
#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/shape.hpp>

/// A tensor where it lies in a file.
namespace shardplan::checkpoint {

/// The bytes of a storage, checked by whoever opened the container: part of a mapped file, or memory where they had to
/// be unpacked first.
struct Storage {
  FilePart part{};
  std::shared_ptr<const std::vector<std::byte>> unpacked{};
  bool swapped = false;  ///< the bytes of every word are in the other order than this machine's

  std::span<const std::byte> bytes() const { return unpacked ? std::span<const std::byte>(*unpacked) : part.bytes(); }
};

/// A strided view of a storage. Several may share one.
struct StoredTensor {
  Element element = Element::float32;
  Shape shape;
  Shape strides;     ///< in elements
  Index offset = 0;  ///< of the first element in the storage, in elements
  Storage storage;

  /// Whether its elements lie behind one another in row-major order, ready to be used as they are.
  bool contiguous() const {
    if (storage.swapped && info(element).word > 1) return false;
    Index expected = 1;
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (shape[d] == 0) return true;
      if (shape[d] != 1 && strides[d] != expected) return false;
      expected *= shape[d];
    }
    return true;
  }
  std::size_t byte_size() const { return static_cast<std::size_t>(elements(shape) * bytes(element)); }
  /// Where its bytes are. Pre: contiguous().
  std::span<const std::byte> data() const {
    return storage.bytes().subspan(static_cast<std::size_t>(offset * bytes(element)), byte_size());
  }
};

/// Copies the elements of a box (origin, extent) of a tensor, row-major and in this machine's byte order, to `out`.
///
/// Pre   the box lies inside; out.size() is that of the box
inline void copy_box(const StoredTensor& tensor, const Shape& origin, const Shape& extent, std::span<std::byte> out) {
  const auto width = static_cast<std::size_t>(bytes(tensor.element));
  const auto word = static_cast<std::size_t>(info(tensor.element).word);
  const std::byte* const from = tensor.storage.bytes().data();
  if (out.empty()) return;
  // Dimensions from `inner` on are one run of bytes.
  std::size_t inner = extent.size();
  Index length = 1;
  while (inner > 0 && (tensor.strides[inner - 1] == length || extent[inner - 1] == 1)) {
    length *= extent[--inner];
    if (extent[inner] != tensor.shape[inner]) break;
  }
  Shape at(inner, 0);
  Index start = tensor.offset;
  for (std::size_t d = 0; d < extent.size(); ++d) start += origin[d] * tensor.strides[d];
  const std::size_t run = static_cast<std::size_t>(length) * width;
  for (std::size_t to = 0; to < out.size(); to += run) {
    Index element = start;
    for (std::size_t d = 0; d < inner; ++d) element += at[d] * tensor.strides[d];
    const std::byte* const source = from + static_cast<std::size_t>(element) * width;
    if (!tensor.storage.swapped || word == 1) {
      std::memcpy(out.data() + to, source, run);
    } else {
      for (std::size_t i = 0; i < run; ++i) out[to + i] = source[i / word * word + (word - 1 - i % word)];
    }
    for (std::size_t d = inner; d-- > 0;) {
      if (++at[d] < extent[d]) break;
      at[d] = 0;
    }
  }
}

}  // namespace shardplan::checkpoint
