#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include <shardplan/checkpoint/pickle_writer.hpp>
#include <shardplan/checkpoint/torch_file.hpp>

#include "../thrown.hpp"
#include "torch_support.hpp"

using namespace shardplan;
using namespace shardplan::checkpoint;
using namespace std::string_literals;

namespace {

const Ids malformed{"SP-CHECKPOINT-002"}, refused{"SP-CHECKPOINT-004"}, impossible{"SP-CHECKPOINT-005"};

/// The pickle of {'w': float32 tensor of shape [5, 7]} whose storage has that key.
std::string pickle_of(const Value& value, std::size_t first_key = 0) {
  std::map<const Tensor*, std::size_t> keys;
  return PickleWriter(
      [&](const auto& tensor) { return keys.try_emplace(tensor.get(), first_key + keys.size()).first->second; })(value);
}
Value sample() { return Dict({{"w", made_tensor(Element::float32, {5, 7}, 1)}, {"n", 3}}); }

std::string bytes_of(const Value& value) {
  const auto bytes = value.find("w")->as<Tensor>()->stored.storage.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A file of these records beside data.pkl, data/0 and version, or instead of them.
std::string file_of(const std::vector<std::pair<std::string, std::string>>& others = {}) {
  std::vector<std::pair<std::string, std::string>> records{
      {"r/data.pkl", pickle_of(sample())}, {"r/data/0", bytes_of(sample())}, {"r/version", "3\n"}};
  for (const auto& [name, content] : others) {
    const auto same = std::find_if(records.begin(), records.end(), [&](const auto& one) { return one.first == name; });
    if (same == records.end())
      records.emplace_back(name, content);
    else if (content == "none")
      records.erase(same);
    else
      same->second = content;
  }
  return zip_of(records);
}

TorchFile read(const Scratch& scratch, std::string_view bytes, const TorchReading& reading = {}) {
  return read_torch(scratch.write("file.pt", bytes), reading);
}
Ids error(std::string_view bytes, const TorchReading& reading = {}) {
  const Scratch scratch;
  return thrown([&] { read(scratch, bytes, reading); });
}

std::vector<std::byte> weights(const TorchFile& file) {
  return elements_of(file.value.find("w")->as<Tensor>()->stored);
}

std::string pickled(const std::string& code) { return "\x80\x02" + code + '.'; }

/// An old stream of one tensor.
std::string legacy(std::string_view count = {}, std::string_view key = "0", std::string_view version = "M\xe9\x03") {
  std::string numel;
  checkpoint::detail::append_little(numel, Index{35});
  const std::string magic = pickled("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
  const std::string about =
      pickled("}(X\x10\0\0\0protocol_version"s + std::string(version) + "X\x0d\0\0\0little_endian\x88u"s);
  return magic + pickled(std::string(version)) + about + pickle_of(sample()) +
         pickled("]X\x01\0\0\0"s + std::string(key) + 'a') + (count.empty() ? numel : std::string(count)) +
         bytes_of(sample());
}

}  // namespace

TEST_CASE("a file is its pickle's values, with tensors where they lie") {
  const Scratch scratch;
  const TorchFile file = read(scratch, file_of());
  CHECK(file.root == "r");
  CHECK(concat(file.value) == "{'w': tensor(float32, [5, 7]), 'n': 3}");
  CHECK(weights(file) == elements_of(made_tensor(Element::float32, {5, 7}, 1).stored));
  const StoredTensor& stored = file.value.find("w")->as<Tensor>()->stored;
  CHECK_FALSE(stored.storage.unpacked);
  CHECK(file_of().substr(stored.storage.part.offset, stored.storage.part.size) == bytes_of(sample()));
  CHECK(file.value.find("w")->as<Tensor>()->storage_key == "0");

  // The same within another file.
  const std::string inner = file_of();
  const MappedFile outer(scratch.write("outer", concat("front", inner, "back")));
  CHECK(weights(read_torch(FilePart(outer, 5, inner.size()))) == weights(file));
}

TEST_CASE("records that a file needs, and what they say") {
  CHECK(error(file_of()) == Ids{});
  for (const char* name : {"r/data.pkl", "r/data/0", "r/version"}) CHECK(error(file_of({{name, "none"}})) == malformed);
  for (const char* version : {"1", "3", "10\n", "003\n"}) CHECK(error(file_of({{"r/version", version}})) == Ids{});
  for (const char* version : {"", "\n", "0", "11\n", "999", "three", "-1", "3\n\n", " 3", "99999999999999999999999"})
    CHECK(error(file_of({{"r/version", version}})) == malformed);
  for (const char* order : {"little", "big"}) CHECK(error(file_of({{"r/byteorder", order}})) == Ids{});
  for (const char* order : {"", "little\n", "middle", "BIG"})
    CHECK(error(file_of({{"r/byteorder", order}})) == malformed);
  CHECK(error(file_of({{"r/data.pkl", pickle_of(sample()) + "N."}})) == malformed);
  CHECK(error(file_of({{"r/data.pkl", pickle_of(sample(), 1)}})) == malformed);  // storage 1 is not there
  CHECK(error(file_of({{"r/data.pkl",
                        "\x80\x02"
                        "cos\nsystem\n."}})) == refused);
}

TEST_CASE("a storage has the bytes that its elements need") {
  const std::string bytes = bytes_of(sample());
  CHECK(error(file_of({{"r/data/0", bytes.substr(1)}})) == impossible);
  CHECK(error(file_of({{"r/data/0", ""}})) == impossible);
  CHECK(error(file_of({{"r/data/0", bytes + '\0'}})) == impossible);
  CHECK(error(file_of({{"r/data/0", bytes + '\0'}}), {.lenient = true}) == Ids{});
  CHECK(error(file_of({{"r/data/0", bytes.substr(1)}}), {.lenient = true}) == impossible);
}

TEST_CASE("a changed element is seen unless the caller does not look; a changed pickle always") {
  const std::string whole = file_of();
  std::string element = whole, pickle = whole;
  element[whole.find(bytes_of(sample())) + 9] ^= 1;
  pickle[whole.find("torch._utils")] ^= 1;
  CHECK(error(element) == Ids{"SP-CHECKPOINT-003"});
  CHECK(error(element, {.verify = false}) == Ids{});
  CHECK(error(pickle) == Ids{"SP-CHECKPOINT-003"});
  CHECK(error(pickle, {.verify = false}) == Ids{"SP-CHECKPOINT-003"});
}

TEST_CASE("big-endian files are turned round") {
  const Scratch scratch;
  std::string bytes = bytes_of(sample());
  for (std::size_t i = 0; i < bytes.size(); i += 4) {
    std::swap(bytes[i], bytes[i + 3]);
    std::swap(bytes[i + 1], bytes[i + 2]);
  }
  const TorchFile file = read(scratch, file_of({{"r/data/0", bytes}, {"r/byteorder", "big"}}));
  CHECK(file.big_endian);
  CHECK_FALSE(file.value.find("w")->as<Tensor>()->stored.contiguous());
  CHECK(weights(file) == elements_of(made_tensor(Element::float32, {5, 7}, 1).stored));
}

TEST_CASE("old streams are read, and refused where anything of them is not so") {
  const Scratch scratch;
  const TorchFile file = read(scratch, legacy());
  CHECK(file.root.empty());
  CHECK(concat(file.value) == "{'w': tensor(float32, [5, 7]), 'n': 3}");
  CHECK(weights(file) == elements_of(made_tensor(Element::float32, {5, 7}, 1).stored));

  const std::string whole = legacy();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    const Ids found = error(whole.substr(0, size));
    CHECK((found == malformed || found == refused));
  }
  CHECK(error(whole + '\0') == malformed);
  std::string magic = whole;
  magic[6] ^= 1;
  CHECK(error(magic) == malformed);
  CHECK(error(legacy({}, "0", "M\xea\x03")) == malformed);
  CHECK(error(legacy({}, "1")) == malformed);
  for (const Index count : {Index{-1}, Index{34}, Index{36}, Index{1} << 60}) {
    std::string number;
    checkpoint::detail::append_little(number, count);
    CHECK(error(legacy(number)) == malformed);
  }
}

TEST_CASE("what is no torch file is refused with a word about it") {
  CHECK(error("") == malformed);
  CHECK(error("PK\x03\x04") == malformed);
  CHECK(error("PYTORCH1" + std::string(100, '\0')) == malformed);
  CHECK(error("text\n") == malformed);
  CHECK(error(std::string(257, 'x') + "ustar" + std::string(300, '\0')) == malformed);
  CHECK(thrown([] { read_torch("/missing/file.pt"); }) == Ids{"SP-CHECKPOINT-001"});
  CHECK(thrown([] { read_torch("/"); }) == Ids{"SP-CHECKPOINT-001"});
}
