#include <doctest/doctest.h>
#include <zlib.h>

#include <nlohmann/json.hpp>
#include <shardplan/checkpoint/gzip.hpp>
#include <shardplan/checkpoint/nemo_archive.hpp>
#include <shardplan/checkpoint/safetensors_writer.hpp>
#include <shardplan/checkpoint/weight_folder.hpp>

#include "../conformance/sha256.hpp"
#include "containers.hpp"
#include "samples.hpp"

// Sample checkpoints, where they are present: what is recorded of them is what is read, and hostile files have the
// outcome that is demanded.

using namespace shardplan;
using namespace shardplan::checkpoint;

namespace {

using Json = nlohmann::json;

Json recorded(const std::filesystem::path& file) {
  if (!std::filesystem::exists(folder / file)) return Json::object();
  std::ifstream in(folder / file);
  return Json::parse(in);
}

std::string crc_of(std::span<const std::byte> bytes) {
  auto crc = static_cast<std::uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
  std::string out(8, '0');
  for (std::size_t i = 8; i-- > 0; crc >>= 4) out[i] = "0123456789abcdef"[crc & 15];
  return out;
}

NemoArchive open_nemo(const std::string& path) { return NemoArchive(Tar(gunzipped(FilePart(MappedFile(path))))); }

}  // namespace

TEST_CASE("public safetensors files hold what is recorded, and are what the writer writes") {
  const Json manifest = recorded("manifest/hf.json");
  std::size_t files = 0;
  for (const auto& file_entry : manifest.items()) {
    const std::string path = file_entry.key();
    const Json& about = file_entry.value();
    if (!path.ends_with(".safetensors")) continue;
    CAPTURE(path);
    const Safetensors file((folder / path).string());
    const std::string text(file.file().text());
    CHECK(text.size() == about["bytes"]);
    CHECK(conformance::sha256(text) == about["sha256"]);
    CHECK(file.entries().size() == about["tensors"].size());
    std::vector<TensorHeader> tensors;
    for (const auto& tensor_entry : about["tensors"].items()) {
      const std::string name = tensor_entry.key();
      const Json& expected = tensor_entry.value();
      CAPTURE(name);
      const StoredTensor tensor = file.tensor(name);
      CHECK(info(tensor.element).safetensors == expected[0].get<std::string>());
      CHECK(std::vector<Index>(tensor.shape.begin(), tensor.shape.end()) == expected[1].get<std::vector<Index>>());
      CHECK(crc_of(tensor.data()) == expected[2]);
      tensors.push_back({name, tensor.element, tensor.shape});
    }
    const SafetensorsLayout layout = safetensors_layout(tensors, file.metadata());
    CHECK(layout.header == text.substr(0, layout.header.size()));
    for (std::size_t i = 0; i < tensors.size(); ++i) CHECK(layout.offsets[i] == file.find(tensors[i].name)->offset);
    ++files;
  }
  CHECK((manifest.empty() || files > 0));
}

TEST_CASE("public indexes name every tensor of the whole file") {
  const Json manifest = recorded("manifest/hf.json");
  for (const auto& file_entry : manifest.items()) {
    const std::string path = file_entry.key();
    if (!path.ends_with(".index.json")) continue;
    CAPTURE(path);
    const bool safe = path.find("safetensors") != std::string::npos;
    const WeightFiles files =
        indexed_weight_files(folder / path, safe ? WeightFormat::safetensors : WeightFormat::torch);
    std::vector<std::vector<std::string>> held;
    for (const std::string& file : files.paths) {
      held.emplace_back();
      const std::string key = std::filesystem::relative(file, folder).string();
      for (const auto& [name, tensor] : manifest[key]["tensors"].items()) held.back().push_back(name);
    }
    CHECK(check_shards(files.index, held, path).empty());
    for (std::size_t i = 0; i < files.index.files.size(); ++i) CHECK_FALSE(held[i].empty());
    if (safe) CHECK(SafetensorsFolder(files).warnings().empty());
  }
}

TEST_CASE("public .nemo archives") {
  const Json manifest = recorded("manifest/nemo.json");
  for (const auto& file_entry : manifest.items()) {
    const std::string path = file_entry.key();
    const Json& about = file_entry.value();
    if (!path.ends_with(".nemo")) continue;
    CAPTURE(path);
    const MappedFile file((folder / path).string());
    CHECK(file.size() == about["bytes"]);
    CHECK(conformance::sha256(std::string(file.text())) == about["sha256"]);
    const NemoArchive archive = open_nemo((folder / path).string());
    CHECK(archive.missing_count() == 0);
    // The names of the samples say their degrees.
    const auto says = [&](std::string_view key, Index degree) {
      return path.find(concat(key, degree)) != std::string::npos;
    };
    CHECK(says("_tp", archive.tensor_degree()));
    CHECK(says("_pp", archive.pipeline_degree()));
    for (const NemoArchive::Weights& one : archive.weights()) CHECK(one.file.text().starts_with("PK\3\4"));
    CHECK_FALSE(archive.artifacts().empty());
    for (const std::string& artifact : archive.artifacts()) {
      CHECK(archive.config().find(artifact) != std::string_view::npos);
      CHECK(archive.artifact(artifact).size > 0);
    }
  }
}

TEST_CASE("hostile containers have the outcome that is demanded") {
  const Json demanded = recorded("hostile/expected.json");
  std::size_t cases = 0;
  for (const auto& file_entry : demanded.items()) {
    const std::string path = file_entry.key();
    const Json& about = file_entry.value();
    const std::string kind = path.substr(0, path.find('/')), file = (folder / "hostile" / path).string();
    if (kind != "safetensors" && kind != "index" && kind != "tar") continue;
    CAPTURE(path);
    CAPTURE(about["why"].get<std::string>());
    const Ids ids = thrown([&] {
      if (kind == "safetensors") {
        for (const Safetensors opened(file); const auto& entry : opened.entries()) opened.tensor(entry);
      } else if (kind == "index") {
        SafetensorsFolder(indexed_weight_files(file, WeightFormat::safetensors));
      } else {
        open_nemo(file);
      }
    });
    const std::string must = about["must"];
    if (must == "accept") CHECK(ids == Ids{});
    if (must == "reject") CHECK(ids.size() == 1);
    ++cases;
  }
  CHECK((demanded.empty() || cases > 50));
}
