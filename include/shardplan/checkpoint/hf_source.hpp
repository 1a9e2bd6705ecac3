#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/source.hpp>
#include <shardplan/checkpoint/torch_file.hpp>
#include <shardplan/checkpoint/weight_folder.hpp>

/// Models of Hugging Face as sources: safetensors or .bin, one file or an index (checkpoint sheet, 11).
namespace shardplan::checkpoint {

struct HuggingFaceReading {
  bool verify = true;  ///< the checksums of .bin files
};

/// The tensors of a Hugging Face folder, of an index, or of one file. What is derived from the configuration, like the
/// frequencies of rotary embeddings, is left out.
class HuggingFaceSource : public Source {
 public:
  /// Errors SP-CHECKPOINT-001 to -007 the files are no such model; SP-CHECKPOINT-011 tensors that are none, or two of a
  /// name.
  explicit HuggingFaceSource(const std::filesystem::path& path, const HuggingFaceReading& reading = {}) : path_(path) {
    const WeightFiles files = files_of(path);
    if (files.format == WeightFormat::safetensors) {
      folder_.emplace(files);
      for (const Diagnostic& warning : folder_->warnings()) warnings_.push_back(warning);
      for (std::size_t i = 0; i < folder_->size(); ++i) add(folder_->entry(i).name, folder_->tensor(i));
    } else {
      read_torch_files(files, reading);
    }
    const NameAt name_at{wholes_};
    by_name_ = NameIndex(wholes_.size(), name_at);
    if (const auto twice = by_name_.repeated(name_at))
      fail("SP-CHECKPOINT-011", concat('\'', path.string(), "' holds ", shown(wholes_[*twice].name), " twice"), {},
           {"path"});
  }

  /// Findings that do not keep it from being read.
  const Diagnostics& warnings() const { return warnings_; }

  std::size_t size() const override { return wholes_.size(); }
  std::size_t find(std::string_view name) const override {
    const auto found = by_name_.find(name, NameAt{wholes_});
    return found ? *found : size();
  }
  const WholeTensor& whole(std::size_t i) const override { return wholes_[i]; }
  Element element(std::size_t i) const override { return tensors_[i].element; }
  void locate(std::size_t i, const Box& box, const Sink& sink) const override {
    Dimensions in_order;
    for (std::size_t d = 0; d < box.origin.size(); ++d) in_order.push_back(static_cast<std::uint32_t>(d));
    sink({box, &tensors_[i], box.origin, in_order});
  }

  const std::filesystem::path& path() const override { return path_; }

 private:
  struct NameAt {
    const std::vector<WholeTensor>& wholes;
    std::string_view operator()(std::size_t i) const { return wholes[i].name; }
  };

  static WeightFiles files_of(const std::filesystem::path& path) {
    std::error_code none;
    if (std::filesystem::is_directory(path, none)) return find_weight_files(path);
    const std::string name = path.filename().string();
    const auto ends = [&](std::string_view end) { return name.size() > end.size() && name.ends_with(end); };
    const bool index = ends(".index.json");
    const WeightFormat format =
        name.find(".safetensors") != name.npos ? WeightFormat::safetensors : WeightFormat::torch;
    if (index) return indexed_weight_files(path, format);
    return {format, {}, {{name}, {}, {}}, {path.string()}};
  }

  void read_torch_files(const WeightFiles& files, const HuggingFaceReading& reading) {
    std::vector<std::vector<std::string>> held;
    for (const std::string& path : files.paths) {
      const TorchFile file = read_torch(path, {.verify = reading.verify});
      const Dict* dict = file.value.as<Dict>();
      if (!dict) fail("SP-CHECKPOINT-011", concat('\'', path, "' holds no dict of tensors"), {}, {"path"});
      held.emplace_back();
      for (const Dict::Entry& entry : dict->entries()) {
        const std::string* name = entry.key.as<std::string>();
        const Tensor* tensor = entry.value.as<Tensor>();
        if (!name || !tensor)
          fail("SP-CHECKPOINT-011", concat('\'', path, "' holds, beside tensors, ", entry.key, ": ", entry.value),
               "a state_dict of tensors alone", {"path"});
        held.back().push_back(*name);
        add(*name, tensor->stored);
      }
    }
    if (!files.index_path.empty())
      for (const Diagnostic& warning : check_shards(files.index, held, files.index_path)) warnings_.push_back(warning);
  }

  void add(const std::string& name, StoredTensor tensor) {
    if (is_derived(name)) return;
    wholes_.push_back({name, tensor.shape, 0, true});
    tensors_.push_back(std::move(tensor));
  }

  std::optional<SafetensorsFolder> folder_;
  std::vector<WholeTensor> wholes_;
  std::vector<StoredTensor> tensors_;
  NameIndex by_name_;
  Diagnostics warnings_;
  std::filesystem::path path_;
};

}  // namespace shardplan::checkpoint
