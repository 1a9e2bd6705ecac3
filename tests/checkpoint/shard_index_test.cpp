#include <doctest/doctest.h>

#include <random>
#include <shardplan/checkpoint/safetensors_writer.hpp>
#include <shardplan/checkpoint/shard_index.hpp>
#include <shardplan/checkpoint/weight_folder.hpp>

#include "containers.hpp"

using namespace shardplan;
using namespace shardplan::checkpoint;

namespace {

const Ids refused{"SP-CHECKPOINT-007"};

ShardIndex index_of(std::string_view text) { return read_shard_index(part_of(text)); }
Ids reading(std::string_view text) {
  return thrown([&] { index_of(text); });
}

/// Files of one-byte tensors with these names.
void write_file(const TemporaryFolder& folder, const std::string& file, const std::vector<std::string>& names) {
  std::vector<TensorHeader> tensors;
  for (const std::string& name : names) tensors.push_back({name, Element::uint8, {1}});
  SafetensorsWriter((folder.path / file).string(), tensors).finish();
}

Ids opening(const TemporaryFolder& folder) {
  return thrown([&] { SafetensorsFolder(find_weight_files(folder.path)); });
}

const std::string first = "model-00001-of-00002.safetensors", second = "model-00002-of-00002.safetensors";

}  // namespace

TEST_CASE("names and files of an index") {
  const ShardIndex index = index_of(
      R"({"metadata":{"total_size":12,"by":[1]},"weight_map":{"b":"two","a":"one","c":"two"},"more":{"x":null}})");
  CHECK(index.total_size == 12);
  CHECK(index.files == std::vector<std::string>{"two", "one"});
  REQUIRE(index.weights.size() == 3);
  CHECK(index.weights[1].name == "a");
  CHECK(index.files[index.weights[1].file] == "one");
  CHECK(index.files[index.weights[2].file] == "two");
  CHECK(index_of(R"({"weight_map":{}})").weights.empty());
  for (const char* const size : {"1.5e3", "-1", "\"12\"", "null", "99999999999999999999"}) {
    CAPTURE(size);
    CHECK(index_of(concat("{\"metadata\":{\"total_size\":", size, "},\"weight_map\":{\"a\":\"f\"}}")).total_size ==
          std::nullopt);
  }
}

TEST_CASE("what is no index") {
  for (const char* const bad :
       {"", "[]", "{}", R"({"metadata":{}})", R"({"weight_map":[]})", R"({"weight_map":{"a":1}})",
        R"({"weight_map":{"a":"f","a":"g"}})", R"({"weight_map":{"a":"f","\u0061":"f"}})",
        R"({"weight_map":{},"weight_map":{}})", R"({"metadata":{},"metadata":{},"weight_map":{}})",
        R"({"weight_map":{"a":"../f"}})", R"({"weight_map":{"a":"/f"}})", R"({"weight_map":{"a":"d/f"}})",
        R"({"weight_map":{"a":"d\\f"}})", R"({"weight_map":{"a":""}})", R"({"weight_map":{"a":"."}})",
        R"({"weight_map":{"a":".."}})", R"({"weight_map":{"a":"f\u0000"}})", "{\"weight_map\":{}} {}"})
    CHECK_MESSAGE(reading(bad) == refused, bad);
}

TEST_CASE("an index reads back as it was written, names sorted") {
  ShardIndex index{{"g", "f"}, {{"b\n", 0}, {"a\xC3\xA9", 1}}, 7};
  CHECK(index_text(index) ==
        "{\n  \"metadata\": {\n    \"total_size\": 7\n  },\n  \"weight_map\": {\n    \"a\xC3\xA9\": \"f\",\n    "
        "\"b\\n\": "
        "\"g\"\n  }\n}\n");
  const TemporaryFolder folder;
  write_shard_index((folder.path / "i.json").string(), index);
  CHECK(folder.read("i.json") == index_text(index));
  CHECK(folder.names() == std::vector<std::string>{"i.json"});
  const ShardIndex again = index_of(index_text(index));
  CHECK(again.files == std::vector<std::string>{"f", "g"});
  CHECK(again.weights.size() == 2);
  CHECK(index_of(index_text({})).total_size == std::nullopt);
  CHECK(thrown([&] { write_shard_index((folder.path / "no" / "i.json").string(), index); }) ==
        Ids{"SP-CHECKPOINT-008"});
}

TEST_CASE("names of files") {
  CHECK(shard_name(WeightFormat::safetensors, 0, 1) == "model.safetensors");
  CHECK(shard_name(WeightFormat::torch, 0, 1) == "pytorch_model.bin");
  CHECK(shard_name(WeightFormat::safetensors, 2, 12) == "model-00003-of-00012.safetensors");
  CHECK(shard_name(WeightFormat::torch, 99999, 123456) == "pytorch_model-100000-of-123456.bin");
  CHECK(index_name(WeightFormat::safetensors) == "model.safetensors.index.json");
  CHECK(index_name(WeightFormat::torch) == "pytorch_model.bin.index.json");
}

TEST_CASE("files are filled in order, and none beyond the limit that holds more than one tensor") {
  CHECK(fill_shards(std::vector<std::size_t>{}, 10).empty());
  CHECK(fill_shards(std::vector<std::size_t>{4, 6, 1, 20, 10, 0, 3}, 10) ==
        std::vector<std::size_t>{0, 0, 1, 2, 3, 3, 4});
  CHECK(fill_shards(std::vector<std::size_t>{20, 0, 1}, 10) == std::vector<std::size_t>{0, 1, 1});
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::size_t> sizes;
    for (std::size_t left = random() % 30; left > 0; --left) sizes.push_back(random() % 12);
    const std::size_t limit = random() % 20;
    const auto files = fill_shards(sizes, limit);
    REQUIRE(files.size() == sizes.size());
    std::size_t used = 0, count = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (i == 0) CHECK(files[0] == 0);
      if (i > 0 && files[i] != files[i - 1]) {
        CHECK(files[i] == files[i - 1] + 1);
        CHECK(used + sizes[i] > limit);
        used = count = 0;
      }
      used += sizes[i];
      ++count;
      CHECK((used <= limit || count == 1));
    }
  }
}

TEST_CASE("a folder of several files") {
  const TemporaryFolder folder;
  write_file(folder, first, {"a", "b"});
  write_file(folder, second, {"c"});
  const auto with_index = [&](std::string_view total, std::string_view map) {
    folder.write("model.safetensors.index.json",
                 concat("{\"metadata\":{\"total_size\":", total, "},\"weight_map\":{", map, "}}"));
  };
  const auto in = [](std::string_view name, std::string_view file) { return concat('"', name, "\":\"", file, '"'); };
  with_index("3", concat(in("c", second), ',', in("a", first), ',', in("b", first)));
  const SafetensorsFolder model(find_weight_files(folder.path));
  CHECK(model.warnings().empty());
  REQUIRE(model.size() == 3);
  CHECK(model.entry(0).name == "c");
  CHECK(model.tensor(model.find("b")).byte_size() == 1);
  CHECK(model.find("d") == model.size());

  SUBCASE("a tensor that the index does not list") {
    with_index("2", concat(in("c", second), ',', in("a", first)));
    const SafetensorsFolder partly(find_weight_files(folder.path));
    REQUIRE(partly.warnings().size() == 1);
    CHECK(partly.warnings()[0].id == "SP-CHECKPOINT-007");
    CHECK(partly.warnings()[0].severity == Severity::warning);
    CHECK(partly.warnings()[0].message.find("'b'") != std::string::npos);
    CHECK(partly.find("b") == partly.size());
  }
  SUBCASE("a total that is not theirs") {
    with_index("4", concat(in("c", second), ',', in("a", first), ',', in("b", first)));
    CHECK(ids_of(SafetensorsFolder(find_weight_files(folder.path)).warnings()) == refused);
  }
  SUBCASE("a tensor in the other file") {
    with_index("3", concat(in("c", first), ',', in("a", first), ',', in("b", first)));
    CHECK(opening(folder) == refused);
  }
  SUBCASE("a file that is not there") {
    with_index("3", concat(in("c", "model-00003-of-00003.safetensors"), ',', in("a", first)));
    CHECK(opening(folder) == refused);
  }
  SUBCASE("a folder in place of a file") {
    std::filesystem::create_directories(folder.path / "sub");
    with_index("3", in("c", "sub"));
    CHECK(opening(folder) == refused);
  }
  SUBCASE("a file that is none of safetensors") {
    folder.write(second, "{}");
    CHECK(opening(folder) == Ids{"SP-CHECKPOINT-006"});
  }
}

TEST_CASE("which file of a folder is read") {
  const TemporaryFolder folder;
  CHECK(opening(folder) == refused);
  folder.write("pytorch_model.bin", "");
  CHECK(find_weight_files(folder.path).format == WeightFormat::torch);
  CHECK(find_weight_files(folder.path).paths == std::vector<std::string>{(folder.path / "pytorch_model.bin").string()});
  folder.write("pytorch_model.bin.index.json", R"({"weight_map":{"a":"pytorch_model.bin"}})");
  CHECK_FALSE(find_weight_files(folder.path).index_path.empty());
  write_file(folder, "model.safetensors", {"a", "b"});
  const WeightFiles files = find_weight_files(folder.path);
  CHECK(files.format == WeightFormat::safetensors);
  CHECK(files.index_path.empty());
  const SafetensorsFolder model(files);
  CHECK(model.size() == 2);
  CHECK(model.entry(model.find("b")).name == "b");
}

TEST_CASE("files of another format are compared by their names") {
  const ShardIndex index = index_of(R"({"weight_map":{"a":"f","b":"g"}})");
  const std::vector<std::vector<std::string>> right{{"a"}, {"b", "b2", "a"}}, wrong{{"a"}, {"a"}};
  CHECK(check_shards(index, right, "i").size() == 1);
  CHECK(thrown([&] { check_shards(index, wrong, "i"); }) == refused);
}
