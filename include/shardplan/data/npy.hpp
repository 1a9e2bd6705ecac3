#pragma once
#include <concepts>
#include <vector>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/shape.hpp>
#include <shardplan/data/file.hpp>

/// numpy's .npy files of whole numbers, in which Megatron keeps its indices.
namespace shardplan::data {

/// An array of at most two dimensions, row-major.
template <class T>
struct NpyArray {
  Shape shape;
  std::vector<T> values;

  friend bool operator==(const NpyArray&, const NpyArray&) = default;
};

namespace detail {

inline constexpr std::string_view npy_magic = "\x93NUMPY";

/// `<i4`, `<u8`, ... `|u1`
template <std::integral T>
std::string npy_type() {
  return concat(sizeof(T) == 1 ? '|' : '<', std::signed_integral<T> ? 'i' : 'u', sizeof(T));
}

/// What stands behind `'key':` of a header, up to the comma or bracket that ends it.
inline std::string_view npy_field(std::string_view header, std::string_view key) {
  const std::size_t at = header.find(concat('\'', key, "':"));
  if (at == header.npos) return {};
  std::string_view rest = header.substr(at + key.size() + 3);
  rest.remove_prefix(rest.find_first_not_of(' ') == rest.npos ? rest.size() : rest.find_first_not_of(' '));
  if (rest.starts_with('(')) return rest.substr(0, rest.find(')'));
  return rest.substr(0, rest.find_first_of(",}"));
}

}  // namespace detail

/// An array of numbers of that very type.
///
/// Errors   SP-DATA-008 the file cannot be read, is no .npy file, holds another type, is stored by columns, has more
///          than two dimensions, or is not as long as its shape says
template <std::integral T>
NpyArray<T> read_npy(const std::string& path) {
  const std::string file = read_file(path);
  const auto wrong = [&](const std::string& what, const std::string& hint = {}) {
    fail("SP-DATA-008", concat("'", path, "': ", what), hint, {"path"});
  };
  constexpr std::size_t before_header = 10;
  if (!file.starts_with(detail::npy_magic) || file.size() < before_header) wrong("no .npy file");
  const bool second = file[6] != 1;  // versions 2 and 3 have a longer header length
  const std::size_t start = second ? before_header + 2 : before_header;
  if (file.size() < start) wrong("ends in its header");
  const std::size_t length = second ? number_at<std::uint32_t>(file, 8) : number_at<std::uint16_t>(file, 8);
  if (length > file.size() - start) wrong("ends in its header");
  const std::string_view header = std::string_view(file).substr(start, length);
  const std::string_view type = detail::npy_field(header, "descr");
  if (type != concat('\'', detail::npy_type<T>(), '\''))
    wrong(concat("numbers of type ", type), concat('\'', detail::npy_type<T>(), '\''));
  if (!detail::npy_field(header, "fortran_order").starts_with("False")) wrong("stored by columns", "row-major");

  NpyArray<T> out;
  Index elements = 1;
  std::string_view extents = detail::npy_field(header, "shape");
  for (std::size_t at = extents.find_first_of("0123456789"); at != extents.npos;
       at = extents.find_first_of("0123456789")) {
    extents.remove_prefix(at);
    Index extent = 0;
    while (!extents.empty() && extents[0] >= '0' && extents[0] <= '9') {
      extent = checked_add(checked_mul(extent, 10), extents[0] - '0');
      extents.remove_prefix(1);
    }
    out.shape.push_back(extent);
    elements = checked_mul(elements, extent);
  }
  if (out.shape.size() > 2) wrong(concat("an array of shape ", out.shape), "at most two dimensions");
  const std::size_t bytes = file.size() - start - length;
  if (static_cast<std::size_t>(checked_mul(elements, sizeof(T))) != bytes)
    wrong(concat(bytes, " bytes for shape ", out.shape), concat(elements * Index{sizeof(T)}, " bytes"));
  out.values.resize(static_cast<std::size_t>(elements));
  if (bytes > 0) std::memcpy(out.values.data(), file.data() + start + length, bytes);
  return out;
}

/// Errors   SP-DATA-008 the file cannot be written; SP-LAYOUT-010 numbers that do not fill the shape
template <std::integral T>
void write_npy(const std::string& path, std::span<const T> values, const Shape& shape) {
  if (elements(shape) != static_cast<Index>(values.size()))
    fail("SP-LAYOUT-010", concat(values.size(), " numbers for shape ", shape), {}, {"shape"});
  std::string extents;
  for (const Index extent : shape) extents += concat(extents.empty() ? "" : " ", extent, ',');
  if (shape.size() > 1) extents.pop_back();
  std::string header =
      concat("{'descr': '", detail::npy_type<T>(), "', 'fortran_order': False, 'shape': (", extents, "), }");
  // What is in front of the numbers fills whole blocks of 64 bytes, the last of them a line's end.
  header.append(63 - (10 + header.size()) % 64, ' ') += '\n';
  write_file(path, [&](std::ostream& out) {
    const auto length = static_cast<std::uint16_t>(header.size());
    out << detail::npy_magic << '\x01' << '\x00';
    out << bytes_of(std::span(&length, 1)) << header << bytes_of(values);
  });
}

}  // namespace shardplan::data
