#include <doctest/doctest.h>

#include <array>
#include <numeric>
#include <random>
#include <shardplan/checkpoint/safetensors.hpp>
#include <shardplan/checkpoint/safetensors_writer.hpp>
#include <thread>

#include "containers.hpp"

using namespace shardplan;
using namespace shardplan::checkpoint;

namespace {

Ids reading(std::string_view header, std::string_view data) {
  return thrown([&] { Safetensors(part_of(safetensors_of(header, data))); });
}

Ids reading_json(std::string_view text) {
  return thrown([&] {
    JsonReader json("SP-CHECKPOINT-007", part_of(text));
    json.skip();
    json.end();
  });
}

/// A file of these tensors in memory; byte k of tensor i is i + k.
std::string written(const std::vector<TensorHeader>& tensors, const SafetensorsMetadata& metadata = {}) {
  const SafetensorsLayout layout = safetensors_layout(tensors, metadata);
  std::string out = layout.header;
  out.resize(layout.file_size, '?');
  for (std::size_t i = 0; i < tensors.size(); ++i)
    for (std::size_t k = 0; k < tensors[i].byte_size(); ++k) out[layout.offsets[i] + k] = static_cast<char>(i + k);
  return out;
}

const Ids refused{"SP-CHECKPOINT-006"}, unwritable{"SP-CHECKPOINT-008"};

}  // namespace

TEST_CASE("a header by hand: order, names with escapes, scalars, tensors without elements, odd addresses") {
  const std::string text = safetensors_of(
      R"({"b":{"shape":[2,1],"dtype":"F32","data_offsets":[2,10]},"\u0061\ud83d\ude00\n":{"dtype":"U8","data_offsets":[0,1],"shape":[]},)"
      R"("none":{"dtype":"I64","shape":[3,0,7],"data_offsets":[2,2]},"flag":{"dtype":"BOOL","shape":[1],"data_offsets":[1,2]}} )",
      "\x05\x01"
      "abcdefgh");
  const Safetensors file(part_of(text));
  std::vector<std::string> names;
  for (const auto& entry : file.entries()) names.push_back(entry.name);
  CHECK(names == std::vector<std::string>{"a\xF0\x9F\x98\x80\n", "flag", "none", "b"});
  CHECK(file.metadata().empty());
  CHECK(text_of(file.tensor("b").data()) == "abcdefgh");
  CHECK(file.tensor("b").shape == Shape{2, 1});
  CHECK(file.tensor("b").element == Element::float32);
  CHECK(text_of(file.tensor("a\xF0\x9F\x98\x80\n").data()) == "\x05");
  CHECK(file.tensor("flag").element == Element::boolean);
  CHECK(file.tensor("none").shape == Shape{3, 0, 7});
  CHECK(file.tensor("none").data().empty());
  CHECK(file.find("c") == nullptr);
  CHECK(thrown([&] { file.tensor("bb"); }) == refused);
}

TEST_CASE("metadata are texts, in order, and no tensor") {
  const Safetensors file(part_of(safetensors_of(R"({"__metadata__":{"z":"\"1\"","format":"pt"}})", "")));
  CHECK(file.metadata() == SafetensorsMetadata{{"z", "\"1\""}, {"format", "pt"}});
  CHECK(file.entries().empty());
  CHECK(reading(R"({"__metadata__":{"a":1}})", "") == refused);
  CHECK(reading(R"({"__metadata__":{"a":{"b":"c"}}})", "") == refused);
  CHECK(reading(R"({"__metadata__":{"a":"1","\u0061":"2"}})", "") == refused);
  CHECK(reading(R"({"__metadata__":{},"__metadata__":{}})", "") == refused);
}

TEST_CASE("fields that nobody knows are passed over") {
  const auto with = [](std::string_view more) {
    return concat(R"({"a":{"dtype":"U8","shape":[1],)", more, R"("data_offsets":[0,1]}})");
  };
  CHECK(reading(with(""), "x") == Ids{});
  CHECK(reading(with(R"("note":{"by":["me",1.5e3,null,true,false,{}]},)"), "x") == Ids{});
  CHECK(reading(with(concat("\"note\":", std::string(60, '['), std::string(60, ']'), ',')), "x") == Ids{});
  CHECK(reading(with(concat("\"note\":", std::string(70, '['), std::string(70, ']'), ',')), "x") == refused);
  CHECK(reading(with("\"note\":tru,"), "x") == refused);
}

TEST_CASE("what does not tile the data, or has another size than shape and type") {
  const auto one = [](std::string_view type, std::string_view shape, std::string_view offsets) {
    return concat(R"({"a":{"dtype":")", type, R"(","shape":)", shape, R"(,"data_offsets":)", offsets, "}}");
  };
  const std::string four(4, 'x');
  CHECK(reading(one("F32", "[1]", "[0,4]"), four) == Ids{});
  CHECK(reading(one("F4", "[2,4]", "[0,4]"), four) == Ids{});
  CHECK(reading(one("F6_E2M3", "[4]", "[0,3]"), "xyz") == Ids{});
  for (const std::string& bad : {
           one("F32", "[2]", "[0,4]"),                            // size
           one("F4", "[9]", "[0,4]"),                             // no whole bytes
           one("F32", "[1]", "[0,5]"),                            // beyond the end
           one("F32", "[1]", "[4,0]"),                            // backwards
           one("F32", "[1]", "[0]"),                              // one offset
           one("F32", "[1]", "[0,4,4]"),                          // three
           one("F32", "[1]", "[0.0,4]"),                          // no integer
           one("F32", "[1]", "[-4,0]"),                           // negative
           one("F32", "[1]", "[0,04]"),                           // leading zero
           one("F32", "[1]", "[0,18446744073709551615]"),         // 2^64 - 1
           one("F32", "[1]", "[0,1e1]"),                          // no integer
           one("F32", "[-1]", "[0,4]"),                           // negative extent
           one("F32", "[4294967296,4294967296]", "[0,0]"),        // 2^64 wraps to 0
           one("F32", "[1099511627776,1099511627776]", "[0,4]"),  // 2^80
           one("F64", "[2305843009213693952]", "[0,4]"),          // 2^61 elements, 2^67 bits
           one("f32", "[1]", "[0,4]"),                            // no type
           one("", "[1]", "[0,4]"),                               // none
           one("F32", concat('[', "1", std::string(64 * 2, ' '), "]]"), "[0,4]"),
       }) {
    CAPTURE(bad);
    CHECK(reading(bad, four) == refused);
  }
  std::string ones = "1";
  for (int i = 1; i < 64; ++i) ones += ",1";
  CHECK(reading(one("F32", concat('[', ones, ']'), "[0,4]"), four) == Ids{});
  CHECK(reading(one("F32", concat('[', ones, ",1]"), "[0,4]"), four) == refused);
  CHECK(reading(one("F32", "[1]", "[0,4]"), "xxxxx") == refused);  // bytes behind
  CHECK(reading(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", four) == refused);
  CHECK(reading(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", four) == refused);
  CHECK(reading(R"({"a":{"dtype":"F32","shape":[1]}})", four) == refused);
  CHECK(reading(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", four) == refused);

  const auto two = [](std::string_view first, std::string_view second, std::string_view name = "b") {
    return concat(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)", first, "},\"", name,
                  R"(":{"dtype":"U8","shape":[2],"data_offsets":)", second, "}}");
  };
  CHECK(reading(two("[0,2]", "[2,4]"), four) == Ids{});
  CHECK(reading(two("[2,4]", "[0,2]"), four) == Ids{});
  CHECK(reading(two("[0,2]", "[1,3]"), "xxx") == refused);    // overlap
  CHECK(reading(two("[0,2]", "[0,2]"), "xx") == refused);     // the same bytes
  CHECK(reading(two("[0,2]", "[3,5]"), "xxxxx") == refused);  // a hole
  CHECK(reading(two("[1,3]", "[3,5]"), "xxxxx") == refused);  // at the start
  CHECK(reading(two("[0,2]", "[2,4]", "a"), four) == refused);
  CHECK(reading(two("[0,2]", "[2,4]", "\\u0061"), four) == refused);
}

TEST_CASE("a tensor of less than a byte an element is seen, and not read") {
  const Safetensors file(part_of(safetensors_of(
      R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
      "xy")));
  CHECK(thrown([&] { file.tensor("a"); }) == refused);
  CHECK(text_of(file.tensor("b").data()) == "y");
}

TEST_CASE("lengths of the header") {
  for (const std::string& text :
       {std::string(), std::string(7, '\0'), std::string(8, '\0'), std::string(8, '\xFF') + "{}",
        std::string("\x01\xE1\xF5\x05\0\0\0\0", 8) + "{}", std::string("\x03\0\0\0\0\0\0\0", 8) + "{}"})
    CHECK(thrown([&] { Safetensors{part_of(text)}; }) == refused);
  CHECK(reading("{}", "") == Ids{});
  CHECK(reading("{}   ", "") == Ids{});
  CHECK(reading(" {}", "") == refused);
  CHECK(reading("[]", "") == refused);
  CHECK(reading("{}", "x") == refused);
  CHECK(reading("{} x", "") == refused);
  CHECK(reading("{}\0", "") == Ids{});  // the literal ends at NUL
  CHECK(reading(std::string_view("{}\0", 3), "") == refused);
  CHECK(thrown([] { Safetensors(std::string("/no such folder/model.safetensors")); }) == Ids{"SP-CHECKPOINT-001"});
}

TEST_CASE("every file cut short is refused, and every changed byte of a header ends in a diagnostic or a file") {
  const std::string whole =
      written({{"x\"\\\t", Element::float32, {2, 3}}, {"y", Element::int64, {}}, {"z", Element::boolean, {5}}},
              {{"format", "pt"}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(thrown([&] { Safetensors{part_of(std::string_view(whole).substr(0, size))}; }) == refused);
  }
  std::size_t read = 0;
  for (std::size_t at = 0; at < whole.size() - 37; ++at)
    for (const int change : {0x01, 0x02, 0x10, 0x80}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ change);
      const Ids ids = thrown([&] { Safetensors{part_of(changed)}; });
      CHECK((ids == refused || ids == Ids{}));
      read += ids == Ids{};
    }
  CHECK(read > 0);
  CHECK(read < whole.size());
}

TEST_CASE("the grammar of JSON, all of it and nothing more") {
  for (const char* const good :
       {"0", "-0", "1.5", "-1E+2", "1e-9", "\"\"", R"("\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00")", "[]", "[ 1 , 2 ]", "{}",
        R"({"a":[{"b":null}]})", " true ", "\t\r\nfalse", "\"\xC3\xA9 a text that is longer than eight letters\""})
    CHECK_MESSAGE(reading_json(good) == Ids{}, good);
  for (const char* const bad : {"",
                                " ",
                                "01",
                                "+1",
                                ".5",
                                "1.",
                                "1e",
                                "-",
                                "NaN",
                                "Infinity",
                                "tru",
                                "nul",
                                "'a'",
                                "\"",
                                "\"\\",
                                "\"\\x\"",
                                "\"\\u12g4\"",
                                "\"\\ud800\"",
                                "\"\\udc00\"",
                                "\"\\ud800\\u0041\"",
                                "\"a\nb\"",
                                "\"aaaaaaaaa\x01 aaaaaa\"",
                                "[1,]",
                                "[1 2]",
                                "[",
                                "{\"a\"}",
                                "{\"a\":}",
                                "{\"a\":1,}",
                                "{a:1}",
                                "{1:1}",
                                "1 2",
                                "[]]",
                                "// a\n1",
                                "\"\xC3\"",
                                "\"\xC0\xAF\"",
                                "\"\xED\xA0\x80\"",
                                "\"aaaaaaaaaaaaaaaa\xFF\""})
    CHECK_MESSAGE(reading_json(bad) == Ids{"SP-CHECKPOINT-007"}, bad);
  std::string unescaped;
  JsonReader json("SP-CHECKPOINT-007",
                  part_of("[\"\\u00e9\\u20ac\\ud83d\\ude00\\/\", \"plain\", 9223372036854775807]"));
  json.expect('[');
  CHECK(json.string(unescaped) == "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80/");
  json.expect(',');
  CHECK(json.string(unescaped) == "plain");
  json.expect(',');
  CHECK(json.size() == 9223372036854775807);
}

TEST_CASE("a refusal shows the file, the byte and nothing that a terminal obeys") {
  try {
    Safetensors(part_of(safetensors_of("{\"\xC2\x9B\\u001b[31m\":{\"dtype\":\"U8\"}}", "")));
    FAIL("not refused");
  } catch (const Error& error) {
    const std::string& message = error.diagnostics()[0].message;
    CHECK(message == "'made by a test' at byte 24: tensor '??[31m' has no shape");
  }
}

TEST_CASE("bytes as the reference writer lays them out") {
  const std::string text = written({{"b", Element::uint8, {1}},
                                    {"a", Element::uint8, {2}},
                                    {"w\n\x01\xC3\xA9\"", Element::bfloat16, {1, 1}},
                                    {"i", Element::uint64, {}}},
                                   {{"format", "pt"}});
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"i":{"dtype":"U64","shape":[],"data_offsets":[0,8]},)"
      "\"w\\n\\u0001\xC3\xA9\\\"\""
      R"(:{"dtype":"BF16","shape":[1,1],"data_offsets":[8,10]},"a":{"dtype":"U8","shape":[2],"data_offsets":[10,12]},)"
      R"("b":{"dtype":"U8","shape":[1],"data_offsets":[12,13]}})";
  CHECK(text == safetensors_of(header + std::string((8 - header.size() % 8) % 8, ' '),
                               std::string_view("\3\4\5\6\7\x08\x09\x0A\2\3\1\2\0", 13)));
  CHECK(written({}) == safetensors_of("{}      ", ""));
}

TEST_CASE("whatever order tensors are given in, the file is the same and reads back") {
  std::vector<TensorHeader> tensors;
  for (std::size_t i = 0; i < std::size(element_table); ++i) {
    const auto element = static_cast<Element>(i);
    if (info(element).safetensors.empty()) continue;
    for (Index n = 0; n < 3; ++n) tensors.push_back({concat("t.", i, '.', n), element, Shape{n, 3}});
  }
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937 random(7);
  const SafetensorsLayout first = safetensors_layout(tensors);
  CHECK(first.header.size() % 8 == 0);
  for (int round = 0; round < 20; ++round) {
    std::vector<TensorHeader> shuffled;
    for (const std::size_t i : order) shuffled.push_back(tensors[i]);
    const SafetensorsLayout layout = safetensors_layout(shuffled);
    CHECK(layout.header == first.header);
    CHECK(layout.file_size == first.file_size);
    const std::string text = written(shuffled, {{"format", "pt"}});
    const Safetensors file(part_of(text));
    REQUIRE(file.entries().size() == tensors.size());
    for (std::size_t i = 0; i < shuffled.size(); ++i) {
      const StoredTensor tensor = file.tensor(shuffled[i].name);
      CHECK(tensor.element == shuffled[i].element);
      CHECK(tensor.shape == shuffled[i].shape);
      CHECK(layout.offsets[i] % static_cast<std::size_t>(bytes(tensor.element)) == 0);
      for (std::size_t k = 0; k < tensor.byte_size(); ++k) CHECK(tensor.data()[k] == static_cast<std::byte>(i + k));
    }
    std::shuffle(order.begin(), order.end(), random);
  }
}

TEST_CASE("what a file cannot hold") {
  const auto writing = [](const std::vector<TensorHeader>& tensors, const SafetensorsMetadata& metadata = {}) {
    return thrown([&] { safetensors_layout(tensors, metadata); });
  };
  CHECK(writing({{"a", Element::complex128, {1}}}) == unwritable);
  CHECK(writing({{"__metadata__", Element::uint8, {1}}}) == unwritable);
  CHECK(writing({{"\xFF", Element::uint8, {1}}}) == unwritable);
  CHECK(writing({}, {{"a", "\xED\xA0\x80"}}) == unwritable);
  CHECK(writing({{"a", Element::uint8, {1}}, {"b", Element::uint8, {1}}, {"a", Element::int8, {1}}}) == unwritable);
  CHECK(writing({{std::string(100'000'000, 'a'), Element::uint8, {1}}}) == unwritable);
  CHECK(writing({{"a", Element::float64, {Index{1} << 61}}}) == Ids{"SP-CORE-001"});
}

TEST_CASE("threads write ranges; the file has its name when it is whole, and nothing is left of one given up") {
  const TemporaryFolder folder;
  const std::string path = (folder.path / "model.safetensors").string();
  const std::vector<TensorHeader> tensors{{"a", Element::int32, {100, 10}}, {"b", Element::int8, {1000}}};
  {
    SafetensorsWriter given_up(path, tensors);
    given_up.write(1, 0, std::as_bytes(std::span("x", 1)));
  }
  CHECK(folder.names().empty());
  folder.write("model.safetensors", "before");
  {
    SafetensorsWriter file(path, tensors);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (std::size_t row = t; row < 100; row += 4) {
          const std::vector<std::byte> values(40, static_cast<std::byte>(row));
          file.write(0, row * 40, values);
        }
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(folder.read("model.safetensors") == "before");
    file.finish(true);
  }
  CHECK(folder.names() == std::vector<std::string>{"model.safetensors"});
  const Safetensors file(path);
  const StoredTensor a = file.tensor("a");
  for (std::size_t i = 0; i < 4000; ++i) CHECK(a.data()[i] == static_cast<std::byte>(i / 40));
  for (const std::byte value : file.tensor("b").data()) CHECK(value == std::byte{0});
  CHECK(file.metadata() == SafetensorsMetadata{{"format", "pt"}});

  std::vector<std::byte> box(2 * 3 * 4);
  copy_box(a, {5, 2}, {2, 3}, box);
  for (std::size_t i = 0; i < box.size(); ++i) CHECK(box[i] == static_cast<std::byte>(5 + i / 12));

  CHECK(thrown([&] { SafetensorsWriter((folder.path / "none" / "a").string(), tensors); }) == unwritable);
  std::filesystem::create_directories(folder.path / "taken");
  SafetensorsWriter taken((folder.path / "taken").string(), tensors);
  CHECK(thrown([&] { taken.finish(); }) == unwritable);
  CHECK(folder.names() == std::vector<std::string>{"model.safetensors", "taken"});
}
