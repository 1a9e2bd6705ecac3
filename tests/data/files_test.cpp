#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <shardplan/data.hpp>

#include "../thrown.hpp"

using namespace shardplan;

namespace {

/// A folder of this test, gone afterwards.
struct Folder {
  std::filesystem::path path;
  explicit Folder(const char* name) : path(std::filesystem::temp_directory_path() / name) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(const char* name) const { return path / name; }
};

void write(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

TEST_CASE("npy files: what was written is read, in the bytes of numpy") {
  const Folder folder("shardplan_npy_test");
  const std::string path = folder / "a.npy";
  const std::vector<std::int32_t> numbers{1, -2, 3, 4, 5, 6};
  data::write_npy(path, std::span(numbers), {3, 2});
  CHECK(data::read_npy<std::int32_t>(path) == data::NpyArray<std::int32_t>{{3, 2}, numbers});
  const std::string file = data::read_file(path);
  CHECK(file.size() == 128 + 24);
  CHECK(file.substr(0, 10) == std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  CHECK(file.substr(10, 60) == "{'descr': '<i4', 'fortran_order': False, 'shape': (3, 2), } ");
  CHECK(file[127] == '\n');
  data::write_npy(path, std::span(numbers), {6});
  CHECK(data::read_file(path).find("(6,)") != std::string::npos);
  const std::vector<std::uint32_t> none;
  data::write_npy(path, std::span(none), {0});
  CHECK(data::read_npy<std::uint32_t>(path).values.empty());

  data::write_npy(path, std::span(numbers), {6});
  CHECK(thrown([&] { data::read_npy<std::int64_t>(path); }) == Ids{"SP-DATA-008"});
  CHECK(thrown([&] { data::read_npy<std::int32_t>(folder / "none.npy"); }) == Ids{"SP-DATA-008"});
  CHECK(thrown([&] { data::write_npy(folder / "no/folder.npy", std::span(numbers), {6}); }) == Ids{"SP-DATA-008"});
  CHECK(thrown([&] { data::write_npy(path, std::span(numbers), {5}); }) == Ids{"SP-LAYOUT-010"});
  // Cut off anywhere it is no array any more.
  const std::string whole = data::read_file(path);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    write(path, std::string_view(whole).substr(0, length));
    CHECK(thrown([&] { data::read_npy<std::int32_t>(path); }) == Ids{"SP-DATA-008"});
  }
  std::string other = whole;
  other.replace(other.find("False"), 5, "True ");
  write(path, other);
  CHECK(thrown([&] { data::read_npy<std::int32_t>(path); }) == Ids{"SP-DATA-008"});
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);  // nothing left beside it
}

TEST_CASE("data sets: an index that was written is read, and a broken one is refused") {
  const Folder folder("shardplan_idx_test");
  const std::string path = folder / "a.idx";
  for (int code = 1; code <= 8; ++code) {
    const auto type = static_cast<data::TokenType>(code);
    const data::DatasetIndex index = data::dataset_index(type, {7, 0, 12}, {0, 2, 3});
    CHECK(index.offsets ==
          std::vector<std::int64_t>{0, 7 * data::bytes_of_token(type), 7 * data::bytes_of_token(type)});
    data::write_dataset_index(path, index);
    CHECK(data::read_dataset_index(path) == index);
  }
  const std::string whole = data::read_file(path);
  CHECK(whole.substr(0, 7) == "MMIDIDX");
  CHECK(whole.size() == 34 + 3 * 12 + 3 * 8);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    write(path, std::string_view(whole).substr(0, length));
    CHECK(thrown([&] { data::read_dataset_index(path); }) == Ids{"SP-DATA-008"});
  }
  // Every field wrong in turn: magic, version, type, counts, an offset.
  for (const std::size_t at : {0UL, 9UL, 17UL, 18UL, 26UL, 34UL + 12 + 8}) {
    std::string broken = whole;
    broken[at] = static_cast<char>(broken[at] + 9);
    write(path, broken);
    CHECK(thrown([&] { data::read_dataset_index(path); }) == Ids{"SP-DATA-008"});
  }
  CHECK(thrown([] { data::dataset_index(data::TokenType::int32, {-1}, {0, 1}); }) == Ids{"SP-DATA-008"});
  CHECK(thrown([] { data::dataset_index(data::TokenType::int32, {1}, {1}); }) == Ids{"SP-DATA-008"});
  CHECK(thrown([] { data::dataset_index(data::TokenType::int32, {1, 1}, {0, 2, 1, 2}); }) == Ids{"SP-DATA-008"});
  CHECK(thrown([] { data::dataset_index(data::TokenType{9}, {1}, {0, 1}); }) == Ids{"SP-DATA-008"});
}

TEST_CASE("files: what is none is refused, and an array without numbers is one") {
  const Folder folder("shardplan_no_file_test");
  CHECK(thrown([&] { data::read_file(folder.path.string()); }) == Ids{"SP-DATA-008"});
  CHECK(thrown([&] { data::read_file(folder / "none"); }) == Ids{"SP-DATA-008"});
  data::write_npy<std::int32_t>(folder / "empty.npy", {}, {0});
  CHECK(data::read_npy<std::int32_t>(folder / "empty.npy") == data::NpyArray<std::int32_t>{{0}, {}});
}
