#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include <shardplan/checkpoint/torch_file.hpp>

#include "samples.hpp"
#include "torch_support.hpp"

// Checkpoints that torch.save and the public converters wrote, and files made to be refused, where they are present:
// SHARDPLAN_SAMPLES_DIR holds a folder for each kind, `manifest/` and `hostile/`.

using namespace shardplan;
using namespace shardplan::checkpoint;

namespace {

/// Path -> [dtype, shape, crc32] as the manifests have it. They were recorded with a torch that takes the bytes of a
/// big-endian file as they stand: `as_stored` does, too.
nlohmann::ordered_json tensors_of(const Value& value, bool as_stored = false) {
  auto out = nlohmann::ordered_json::object();
  for_each_tensor(value, [&](const std::string& path, const auto& tensor) {
    StoredTensor stored = tensor->stored;
    if (as_stored) stored.storage.swapped = false;
    const std::vector<Index> shape(stored.shape.begin(), stored.shape.end());
    out[path] = {name(stored.element), shape, hexadecimal(crc32(elements_of(stored)))};
  });
  return out;
}

bool is_torch(const std::string& path) {
  return path.ends_with(".pt") || path.ends_with(".bin") || path.ends_with(".ckpt") || path.ends_with(".distcp");
}

}  // namespace

TEST_CASE("every recorded tensor has the recorded type, shape and elements") {
  std::size_t files = 0, tensors = 0;
  for (const auto& manifest : std::filesystem::directory_iterator(folder / "manifest")) {
    const auto files_of_it = read_json(manifest.path());
    for (const auto& [path, recorded] : files_of_it.items()) {
      if (!is_torch(path) || !recorded.contains("tensors")) continue;
      CAPTURE(path);
      const TorchFile file = read_torch((folder / path).string(), {.allows = {.objects = true}});
      const auto found = tensors_of(file.value, true);
      CHECK(found == recorded["tensors"]);
      if (file.big_endian) CHECK(tensors_of(file.value) != found);
      ++files;
      tensors += found.size();
    }
  }
  MESSAGE(files << " files, " << tensors << " tensors");
  CHECK(tensors > 0);
}

TEST_CASE("one and the same tensor, as torch wrote it, big-endian and deflated") {
  if (!std::filesystem::exists(folder / "torch")) return;
  const auto elements = [](const char* name) {
    return elements_of(read_torch((folder / "torch" / name).string()).value.find("w")->as<Tensor>()->stored);
  };
  CHECK(elements("big_endian.pt") == elements("saved_to_buffer.pt"));
  CHECK(elements("deflated.pt") == elements("saved_to_buffer.pt"));
}

TEST_CASE("references to tensors in files of their own have the recorded numbers") {
  for (const auto& manifest : std::filesystem::directory_iterator(folder / "manifest")) {
    const auto files_of_it = read_json(manifest.path());
    for (const auto& [path, recorded] : files_of_it.items()) {
      if (!is_torch(path) || !recorded.contains("tensor_refs")) continue;
      CAPTURE(path);
      auto found = nlohmann::ordered_json::object();
      for_each_reference(read_torch((folder / path).string(), {.allows = {.objects = true}}).value,
                         [&](const std::string& at, const TensorReference& one) { found[at] = one.tid; });
      CHECK(found == recorded["tensor_refs"]);
    }
  }
}

TEST_CASE("every file made to be refused is refused, and its neighbours are read") {
  if (!std::filesystem::exists(folder / "hostile")) return;
  const auto cases = read_json(folder / "hostile/expected.json");
  for (const auto& [path, expected] : cases.items()) {
    if (!path.starts_with("zip/") && !path.starts_with("pickle/") && !path.starts_with("tensor/") &&
        !path.starts_with("legacy/"))
      continue;
    CAPTURE(path);
    CAPTURE(expected["why"]);
    std::string message;
    for (const bool objects : {false, true}) {
      std::string outcome = "accept";
      try {
        tensors_of(read_torch((folder / "hostile" / path).string(), {.allows = {.objects = objects}}).value);
      } catch (const Error& error) {
        outcome = "reject";
        message = error.what();
      }
      CAPTURE(message);
      if (expected["must"] != "either") CHECK(outcome == expected["must"]);
    }
    if (!message.empty()) MESSAGE(path << ": " << message);
  }
}
