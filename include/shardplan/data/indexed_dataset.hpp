#pragma once
#include <vector>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/data/file.hpp>

/// Megatron's data set on disk: PREFIX.bin holds the tokens of all sequences behind one another, PREFIX.idx where each
/// begins (data_impl mmap).
namespace shardplan::data {

/// How a token is stored; the number is its code in the file.
enum class TokenType : std::uint8_t {
  uint8 = 1,
  int8 = 2,
  int16 = 3,
  int32 = 4,
  int64 = 5,
  float64 = 6,
  float32 = 7,
  uint16 = 8,
};

/// Bytes of a token; 0 for a code that is none.
constexpr Index bytes_of_token(TokenType type) {
  constexpr Index sizes[] = {0, 1, 1, 2, 4, 8, 8, 4, 2};
  const auto code = static_cast<std::size_t>(type);
  return code < std::size(sizes) ? sizes[code] : 0;
}

/// A PREFIX.idx file.
struct DatasetIndex {
  TokenType type = TokenType::int32;
  std::vector<std::int32_t> sizes;      ///< tokens of every sequence
  std::vector<std::int64_t> offsets;    ///< bytes into PREFIX.bin at which it begins
  std::vector<std::int64_t> documents;  ///< first sequence of every document, and the number of sequences

  friend bool operator==(const DatasetIndex&, const DatasetIndex&) = default;
};

namespace detail {

inline constexpr std::string_view index_magic{"MMIDIDX\x00\x00", 9};
inline constexpr std::size_t index_header = 9 + 8 + 1 + 8 + 8;

}  // namespace detail

/// The index of sequences of these sizes, stored without gaps.
///
/// documents  as in DatasetIndex
/// Errors     SP-DATA-008 a negative size, documents that do not begin at 0, decrease, or end elsewhere than at the
///            last sequence; SP-CORE-001
inline DatasetIndex dataset_index(TokenType type, std::vector<std::int32_t> sizes,
                                  std::vector<std::int64_t> documents) {
  DatasetIndex out{type, std::move(sizes), {}, std::move(documents)};
  if (bytes_of_token(type) == 0) fail("SP-DATA-008", concat("token type ", static_cast<int>(type)), "1 to 8", {"type"});
  Index offset = 0;
  for (const std::int32_t size : out.sizes) {
    if (size < 0) fail("SP-DATA-008", concat("a sequence of ", size, " tokens"), "at least 0", {"sizes"});
    out.offsets.push_back(offset);
    offset = checked_add(offset, size * bytes_of_token(type));
  }
  const std::vector<std::int64_t>& starts = out.documents;
  bool right = !starts.empty() && starts.front() == 0 && starts.back() == static_cast<Index>(out.sizes.size());
  for (std::size_t i = 1; i < starts.size(); ++i) right = right && starts[i - 1] <= starts[i];
  if (!right)
    fail("SP-DATA-008", concat(starts.size(), " document starts do not go from 0 to ", out.sizes.size()),
         "ascending, the first 0, the last the number of sequences", {"documents"});
  return out;
}

/// Errors   SP-DATA-008 the file cannot be read, is none, has another length than its counts say, or counts that
///          contradict one another
inline DatasetIndex read_dataset_index(const std::string& path) {
  const std::string file = read_file(path);
  const auto wrong = [&](const std::string& what) {
    fail("SP-DATA-008", concat("'", path, "': ", what), {}, {"path"});
  };
  if (file.size() < detail::index_header || !file.starts_with(detail::index_magic)) wrong("no index of a data set");
  const auto version = number_at<std::uint64_t>(file, 9);
  if (version != 1) wrong(concat("version ", version));
  const auto type = static_cast<TokenType>(file[17]);
  const auto sequences = number_at<std::uint64_t>(file, 18), starts = number_at<std::uint64_t>(file, 26);
  const std::size_t room = file.size() - detail::index_header;
  if (sequences > room / 12 || starts > room / 8 || sequences * 12 + starts * 8 != room)
    wrong(concat(file.size(), " bytes for ", sequences, " sequences and ", starts, " document starts"));
  std::vector<std::int32_t> sizes(sequences);
  std::vector<std::int64_t> offsets(sequences), documents(starts);
  std::size_t at = detail::index_header;
  const auto take = [&](auto& numbers) {
    const std::size_t bytes = numbers.size() * sizeof numbers[0];
    if (bytes > 0) std::memcpy(numbers.data(), file.data() + at, bytes);
    at += bytes;
  };
  take(sizes);
  take(offsets);
  take(documents);
  DatasetIndex out = dataset_index(type, std::move(sizes), std::move(documents));
  if (out.offsets != offsets) wrong("sequences do not lie behind one another");
  return out;
}

/// Errors   SP-DATA-008 the file cannot be written
inline void write_dataset_index(const std::string& path, const DatasetIndex& index) {
  write_file(path, [&](std::ostream& out) {
    const std::uint64_t version = 1, counts[] = {index.sizes.size(), index.documents.size()};
    out << detail::index_magic << bytes_of(std::span(&version, 1)) << static_cast<char>(index.type)
        << bytes_of(std::span(counts)) << bytes_of(std::span(index.sizes)) << bytes_of(std::span(index.offsets))
        << bytes_of(std::span(index.documents));
  });
}

}  // namespace shardplan::data
