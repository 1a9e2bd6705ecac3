#include <doctest/doctest.h>

#include <thread>

#include <shardplan/checkpoint/torch_file.hpp>
#include <shardplan/checkpoint/torch_writer.hpp>

#include "../thrown.hpp"
#include "torch_support.hpp"

using namespace shardplan;
using namespace shardplan::checkpoint;

namespace {

constexpr Element all_elements[] = {
    Element::float64,       Element::float32,    Element::float16, Element::bfloat16,  Element::int64,
    Element::int32,         Element::int16,      Element::int8,    Element::uint8,     Element::boolean,
    Element::uint16,        Element::uint32,     Element::uint64,  Element::complex64, Element::complex128,
    Element::float8_e4m3fn, Element::float8_e5m2};

/// Every kind of value that is written, with tensors of all types that PyTorch 1.13 has (or, `newer`, of all).
Value sample(bool newer) {
  std::vector<Dict::Entry> weights;
  std::uint64_t seed = 0;
  for (const Element element : all_elements) {
    ++seed;
    if (newer || !info(element).storage.empty())
      weights.push_back({std::string(name(element)), made_tensor(element, {3, 5}, seed)});
  }
  weights.push_back({"scalar", made_tensor(Element::float32, {}, 101)});
  weights.push_back({"empty", made_tensor(Element::float32, {0, 4}, 102)});
  weights.push_back({"hollow", made_tensor(Element::bfloat16, {3, 0, 2}, 103)});
  Tensor parameter = made_tensor(Element::float32, {4, 4}, 104);
  parameter.parameter = parameter.requires_grad = true;
  weights.push_back({"parameter", parameter});
  const Value tied = made_tensor(Element::float32, {2, 2}, 105);
  weights.push_back({"tied.a", tied});
  weights.push_back({"tied.b", tied});
  const Value list = List{{1, 2, List{{3, 4}}}};
  const Dict attributes({{"_metadata", Dict({{"", Dict({{"version", 1}})}}, true)}});
  const Object arguments{"argparse", "Namespace", Object::Made::by_new, Tuple{}, {}, Dict({{"hidden", 16}}), true};
  return Dict({{"model", Dict(weights, true, attributes)},
               {"epoch", 3},
               {"step", 1200},
               {"negative", -7},
               {"million", 1000000},
               {"wide", Index{1} << 40},
               {"huge", BigInteger{std::string(8, '\0') + "\xC0"}},
               {"rate", 1.5e-4},
               {"yes", true},
               {"no", false},
               {"none", None{}},
               {"text", "h\u00e9llo \u4e16\u754c"},
               {"bytes", Bytes{std::string("\0\1\x80\xFF", 4)}},
               {"array", Bytes{"abc", true}},
               {"list", list},
               {"again", list},
               {"tuple", Tuple{{1, "a", Tuple{{2.5}}, Tuple{{1, 2, 3, 4}}}}},
               {"nothing", Tuple{}},
               {"set", Set{{1, 2}}},
               {"numbers", Dict({{0, "zero"}, {300, "many"}, {-1, Dict{}}})},
               {"size", Size{{2, 3}}},
               {"dtype", Element::bfloat16},
               {"device", Device{"cpu"}},
               {"arguments", arguments}});
}

TorchFile read_all(const std::string& path) { return read_torch(path, {.allows = {.objects = true}}); }

std::string contents(const std::string& path) { return std::string(MappedFile(path).text()); }

}  // namespace

TEST_CASE("what is written is read again: values, elements, and what is one object") {
  const Scratch scratch;
  const Value value = sample(true);
  const std::string path = scratch.path("sample.v1.pt");
  write_torch(path, value);
  const TorchFile file = read_all(path);
  CHECK(file.root == "sample.v1");
  CHECK_FALSE(file.big_endian);
  CHECK(concat(file.value) == concat(value));
  std::vector<std::pair<std::string, std::vector<std::byte>>> written, read;
  for_each_tensor(value, [&](const auto& at, const auto& one) { written.emplace_back(at, elements_of(one->stored)); });
  for_each_tensor(file.value,
                  [&](const auto& at, const auto& one) { read.emplace_back(at, elements_of(one->stored)); });
  CHECK(read == written);
  CHECK(read.size() == std::size(all_elements) + 6);

  const auto tensor = [&](const char* key) { return file.value.find_path({"model", key})->shared<Tensor>(); };
  CHECK(tensor("tied.a") == tensor("tied.b"));
  CHECK(tensor("parameter")->parameter);
  CHECK(tensor("parameter")->requires_grad);
  CHECK_FALSE(tensor("float32")->parameter);
  CHECK(file.value.find("list")->shared<List>() == file.value.find("again")->shared<List>());
  CHECK(file.value.find("model")->as<Dict>()->ordered);
  CHECK(concat(file.value.find("model")->as<Dict>()->attributes) == "{'_metadata': {'': {'version': 1}}}");
  CHECK(concat(*file.value.find("huge")) == "-1180591620717411303424");
  CHECK(*file.value.find("arguments")->as<Object>()->find("hidden")->as<Index>() == 16);

  // Reading and writing again changes nothing.
  const std::string before = contents(path);
  write_torch(path, file.value);
  CHECK(contents(path) == before);
}

TEST_CASE("the bytes of every tensor are in one piece, at a multiple of 64, where the layout says") {
  const Scratch scratch;
  for (const bool release : {false, true}) {
    for (const bool byte_order : {false, true}) {
      const TorchLayout layout(sample(true), {"root", byte_order, release});
      TorchWriter file(scratch.path("x.pt"), layout);
      for (std::size_t i = 0; i < layout.tensors().size(); ++i)
        file.write(i, 0, layout.tensors()[i].tensor->stored.storage.bytes());
      file.finish();
      const std::string bytes = contents(scratch.path("x.pt"));
      CHECK(bytes.size() == layout.file_size());
      for (const PlacedTensor& one : layout.tensors()) {
        CHECK(one.offset % 64 == 0);
        const auto expected = one.tensor->stored.storage.bytes();
        CHECK(bytes.substr(one.offset, one.size) ==
              std::string_view(reinterpret_cast<const char*>(expected.data()), expected.size()));
      }
      const TorchFile read = read_all(scratch.path("x.pt"));
      CHECK(read.root == "root");
      const ZipArchive zip{FilePart(MappedFile(scratch.path("x.pt")))};
      CHECK((zip.find("byteorder") != nullptr) == byte_order);
      CHECK((zip.find(".storage_alignment") != nullptr) == release);
      CHECK((zip.find(".format_version") != nullptr) == release);
      for (const ZipRecord& record : zip.records()) CHECK(record.data % 64 == 0);
    }
  }
}

TEST_CASE("parts come from any thread in any order, and the file is the same") {
  const Scratch scratch;
  const Tensor tensor = made_tensor(Element::float32, {64, 33}, 7);
  const Value value = Dict({{"a", tensor}, {"b", made_tensor(Element::bfloat16, {100}, 8)}});
  write_torch(scratch.path("m.pt"), value);
  const std::string whole = contents(scratch.path("m.pt"));
  for (const std::size_t piece : {1U, 7U, 64U, 1000U, 100000U}) {
    TorchWriter file(scratch.path("m.pt"), value);
    const auto work = [&](std::size_t part) {
      for (std::size_t i = 0; i < 2; ++i) {
        const auto bytes = file.layout().tensors()[i].tensor->stored.storage.bytes();
        // Two threads take every second piece, one of them backwards.
        const std::size_t count = (bytes.size() + piece - 1) / piece;
        for (std::size_t k = part; k < count; k += 2) {
          const std::size_t at = (part == 0 ? k : count / 2 * 2 - k) * piece;
          file.write(i, at, bytes.subspan(at, std::min(piece, bytes.size() - at)));
        }
      }
    };
    std::thread other([&] { work(1); });
    work(0);
    other.join();
    file.finish();
    CHECK(contents(scratch.path("m.pt")) == whole);
  }
}

TEST_CASE("views are written as their elements") {
  const Scratch scratch;
  const Tensor base = made_tensor(Element::int32, {6, 8}, 3);
  for (const auto& [shape, strides, offset] : {std::tuple<Shape, Shape, Index>{{8, 6}, {1, 8}, 0},
                                               {{6, 2}, {8, 1}, 3},
                                               {{3, 3}, {16, 2}, 1},
                                               {{4, 8}, {0, 1}, 8},
                                               {{}, {}, 47},
                                               {{5, 0}, {1, 1}, 0}}) {
    Tensor view = base;
    view.stored.shape = shape;
    view.stored.strides = strides;
    view.stored.offset = offset;
    write_torch(scratch.path("v.pt"), view);
    const Value read = read_torch(scratch.path("v.pt")).value;
    CHECK(read.as<Tensor>()->stored.contiguous());
    CHECK(elements_of(read.as<Tensor>()->stored) == elements_of(view.stored));
  }
}

TEST_CASE("records and files beyond 4 GiB") {
  const Scratch scratch;
  // A sparse file: the large tensor is zeros that are never written.
  constexpr Index large_size = (Index{1} << 32) + 4096;
  const auto shaped = [](Element element, const Shape& shape) {
    Tensor out;
    out.stored.element = element;
    out.stored.shape = shape;
    return out;
  };
  const Value value = Dict({{"before", shaped(Element::uint8, {10})},
                            {"large", shaped(Element::uint8, {large_size})},
                            {"behind", shaped(Element::uint8, {20})}});
  const TorchLayout layout(value, {.root = "big"});
  const auto bytes = [&](std::size_t i) { return formula(layout.tensors()[i].tensor->stored, i); };
  std::uint32_t zeros = 0;  // of 2^k zeros, doubled until they are the large tensor's
  std::uint32_t power = crc32(std::vector<std::byte>(1));
  for (std::size_t size = 1; size <= std::size_t{large_size}; size *= 2) {
    if ((std::size_t{large_size} & size) != 0) zeros = joined_crc32(zeros, power, size);
    power = joined_crc32(power, power, size);
  }
  OutputFile file(scratch.path("big.pt"), layout.file_size());
  const auto write = [&](std::size_t at, std::string_view text) { file.write(at, text); };
  layout.write_records(write);
  for (const std::size_t i : {0U, 2U}) file.write(layout.tensors()[i].offset, bytes(i));
  layout.write_checksums([&](std::size_t i) { return i == 1 ? zeros : crc32(bytes(i)); }, write);
  file.finish();

  const TorchFile read = read_torch(scratch.path("big.pt"), {.verify = false});
  const auto tensor = [&](const char* key) { return read.value.find(key)->as<Tensor>()->stored; };
  CHECK(tensor("large").byte_size() == std::size_t{large_size});
  CHECK(tensor("behind").storage.part.offset > std::size_t{large_size});
  CHECK(elements_of(tensor("before")) == bytes(0));
  CHECK(elements_of(tensor("behind")) == bytes(2));
  const ZipArchive zip{FilePart(MappedFile(scratch.path("big.pt")))};
  CHECK(zip.find("data/1")->crc == zeros);
  for (const ZipRecord& record : zip.records()) CHECK(record.data % 64 == 0);
}

TEST_CASE("a file that is not whole never gets its name") {
  const Scratch scratch;
  const std::string path = scratch.path("m.pt");
  const Value value = Dict({{"a", made_tensor(Element::uint8, {10}, 1)}});
  const std::vector<std::byte> bytes(10);
  const Ids unwritable{"SP-CHECKPOINT-008"};
  const std::span<const std::byte> all = bytes;
  {
    TorchWriter file(path, value);
    file.write(0, 0, all.first(4));
    CHECK(thrown([&] { file.write(0, 3, all.first(2)); }) == unwritable);
    CHECK(thrown([&] { file.write(0, 0, all.first(1)); }) == unwritable);
    CHECK(thrown([&] { file.write(0, 9, all.first(2)); }) == unwritable);
    CHECK(thrown([&] { file.write(0, 11, {}); }) == unwritable);
    file.write(0, 5, all.first(5));
    CHECK(thrown([&] { file.finish(); }) == unwritable);
  }
  CHECK(std::filesystem::is_empty(scratch.path("")));
  CHECK(thrown([&] { TorchWriter(scratch.path("missing/m.pt"), value); }) == unwritable);
  CHECK(thrown([&] { TorchLayout(value, {.root = "a/b"}); }) == unwritable);
  CHECK(thrown([&] { TorchLayout(value, {.root = ".."}); }) == unwritable);
  CHECK(thrown([&] { TorchLayout(Object{"os\nsystem", "x"}); }) == unwritable);
  Value deep = 1;
  for (int i = 0; i < 1100; ++i) deep = List{{deep}};
  CHECK(thrown([&] { TorchLayout{deep}; }) == unwritable);
}

TEST_CASE("the root folder is the name of the file up to its last dot") {
  CHECK(torch_root("/a.b/model.pt") == "model");
  CHECK(torch_root("dp_rank_00.info.pt") == "dp_rank_00.info");
  CHECK(torch_root("a\\b.ckpt") == "b");
  CHECK(torch_root("plain") == "plain");
  CHECK(torch_root("/x/.pt") == "archive");
}

TEST_CASE("files for PyTorch, and files of PyTorch, where interop.py asks for them") {
  const char* const folder = std::getenv("SHARDPLAN_INTEROP_DIR");
  if (folder == nullptr) return;
  const std::filesystem::path at = folder;
  for (const bool newer : {false, true})
    write_torch((at / (newer ? "ours_newer.pt" : "ours.pt")).string(), sample(newer));
  for (const char* name : {"theirs.pt", "theirs_legacy.pt", "theirs_protocol4.pt"}) {
    CAPTURE(name);
    const TorchFile file = read_all((at / name).string());
    std::size_t count = 0;
    for_each_tensor(file.value, [&](const std::string& key, const auto& tensor) {
      CAPTURE(key);
      ++count;
      const Value* seed = file.value.find_path({"seeds", key.substr(key.find('/') + 1)});
      REQUIRE(seed != nullptr);
      StoredTensor shape = tensor->stored;
      CHECK(elements_of(tensor->stored) == formula(shape, static_cast<std::uint64_t>(*seed->as<Index>())));
    });
    CHECK(count == file.value.find("seeds")->as<Dict>()->size());
    CHECK(concat(*file.value.find("values")) == *file.value.find("as_text")->as<std::string>());
  }
}
