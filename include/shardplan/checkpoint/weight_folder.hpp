#pragma once
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/mapped_file.hpp>
#include <shardplan/checkpoint/name_index.hpp>
#include <shardplan/checkpoint/refusal.hpp>
#include <shardplan/checkpoint/safetensors.hpp>
#include <shardplan/checkpoint/shard_index.hpp>
#include <shardplan/checkpoint/stored_tensor.hpp>
#include <shardplan/core/diagnostic.hpp>

/// Hugging Face model folders: one file or many, of either format (checkpoint sheet, 11).
namespace shardplan::checkpoint {

/// The files that hold the weights of a folder.
struct WeightFiles {
  WeightFormat format = WeightFormat::safetensors;
  std::string index_path;          ///< empty: one file and no index
  ShardIndex index;                ///< of one file without an index: `files` alone
  std::vector<std::string> paths;  ///< file i of the index, each present
};

/// Follows an index. Errors SP-CHECKPOINT-001 it cannot be read, SP-CHECKPOINT-007 it is none, or a file of it is
/// missing.
inline WeightFiles indexed_weight_files(const std::filesystem::path& index, WeightFormat format) {
  WeightFiles out{format, index.string(), read_shard_index(FilePart(MappedFile(index.string()))), {}};
  for (const std::string& file : out.index.files) {
    std::error_code none;
    const std::filesystem::path path = index.parent_path() / file;
    if (!std::filesystem::is_regular_file(path, none))
      fail("SP-CHECKPOINT-007", concat('\'', out.index_path, "' names ", shown(file), ", which is not beside it"), {},
           {"path"});
    out.paths.push_back(path.string());
  }
  return out;
}

/// Looks for `model.safetensors.index.json`, `model.safetensors`, `pytorch_model.bin.index.json`, `pytorch_model.bin`
/// in this order.
///
/// Errors   SP-CHECKPOINT-007 there is none of them, or an index is wrong
inline WeightFiles find_weight_files(const std::filesystem::path& folder) {
  std::error_code none;
  for (const WeightFormat format : {WeightFormat::safetensors, WeightFormat::torch}) {
    const std::filesystem::path index = folder / index_name(format);
    if (std::filesystem::is_regular_file(index, none)) return indexed_weight_files(index, format);
    const std::string file = shard_name(format, 0, 1);
    if (std::filesystem::is_regular_file(folder / file, none))
      return {format, {}, {{file}, {}, {}}, {(folder / file).string()}};
  }
  fail("SP-CHECKPOINT-007", concat('\'', folder.string(), "' holds no weights of Hugging Face"),
       concat("model.safetensors or pytorch_model.bin, or one of them with .index.json"), {"path"});
}

/// The tensors of a folder or of an index, whichever file they are in. Files stay mapped while this or a tensor lives.
class SafetensorsFolder {
 public:
  /// Errors SP-CHECKPOINT-001, SP-CHECKPOINT-006 a file is wrong, SP-CHECKPOINT-007 a file does not hold what the index
  /// says. Pre: files.format is safetensors.
  explicit SafetensorsFolder(const WeightFiles& files) {
    for (const std::string& path : files.paths) files_.emplace_back(path);
    if (files.index_path.empty()) {
      for (const Safetensors& file : files_)
        for (const Safetensors::Entry& entry : file.entries()) tensors_.push_back({&file, &entry});
    } else {
      std::vector<std::vector<std::string_view>> held;
      Index total = 0;
      for (const Safetensors& file : files_) {
        held.emplace_back();
        for (const Safetensors::Entry& entry : file.entries()) held.back().push_back(entry.name);
      }
      warnings_ = check_shards(files.index, held, files.index_path);
      for (const ShardIndex::Weight& weight : files.index.weights) {
        const Safetensors& file = files_[weight.file];
        tensors_.push_back({&file, file.find(weight.name)});
        total += static_cast<Index>(tensors_.back().entry->size);
      }
      if (files.index.total_size && *files.index.total_size != total) {
        Diagnostic warning =
            finding("SP-CHECKPOINT-007", concat('\'', files.index_path, "' says that its tensors have ",
                                                *files.index.total_size, " bytes; they have ", total));
        warning.severity = Severity::warning;
        warnings_.push_back(std::move(warning));
      }
    }
    by_name_ = NameIndex(tensors_.size(), NameAt{tensors_});
  }
  SafetensorsFolder(SafetensorsFolder&&) = default;
  SafetensorsFolder& operator=(SafetensorsFolder&&) = default;

  /// Tensors that the index does not list, a total that is not theirs.
  const Diagnostics& warnings() const { return warnings_; }
  std::size_t size() const { return tensors_.size(); }
  /// In the order of the index, or of the one file. Pre: i < size().
  const Safetensors::Entry& entry(std::size_t i) const { return *tensors_[i].entry; }
  /// Errors SP-CHECKPOINT-006 its elements are no whole bytes.
  StoredTensor tensor(std::size_t i) const { return tensors_[i].file->tensor(*tensors_[i].entry); }
  /// Place of the tensor of that name; size(): there is none.
  std::size_t find(std::string_view name) const {
    const auto found = by_name_.find(name, NameAt{tensors_});
    return found ? *found : size();
  }

 private:
  struct Tensor {
    const Safetensors* file;
    const Safetensors::Entry* entry;
  };
  struct NameAt {
    const std::vector<Tensor>& tensors;
    std::string_view operator()(std::size_t i) const { return tensors[i].entry->name; }
  };

  std::vector<Safetensors> files_;
  std::vector<Tensor> tensors_;
  NameIndex by_name_;
  Diagnostics warnings_;
};

}  // namespace shardplan::checkpoint
