#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/output_file.hpp>
#include <shardplan/checkpoint/shard_index.hpp>
#include <shardplan/checkpoint/target.hpp>

/// Models of Hugging Face as targets: safetensors, and an index where there is more than one (checkpoint sheet, 11).
namespace shardplan::checkpoint {

struct HuggingFaceWriting {
  std::size_t file_bytes = std::size_t{5'000'000'000};  ///< of the tensors of one file, unless one alone has more
  bool sync = true;                                     ///< wait until the disk has the index
};

class HuggingFaceTarget : public Target {
 public:
  /// keys       of the model
  /// of_wholes  the element of every whole tensor
  /// Errors     SP-CHECKPOINT-012 tensors that Hugging Face has no name for
  HuggingFaceTarget(KeyMap keys, std::vector<Element> of_wholes, HuggingFaceWriting writing = {})
      : keys_(std::move(keys)), elements_(std::move(of_wholes)), writing_(writing) {
    std::vector<std::size_t> sizes;
    Diagnostics findings;
    for (std::size_t i = 0; i < keys_.wholes().size(); ++i) {
      const WholeTensor& whole = keys_.wholes()[i];
      if (!whole.published)
        findings.push_back(finding("SP-CHECKPOINT-012",
                                   concat("Hugging Face has no model with a tensor '", whole.name, '\''),
                                   "a model whose parts are those of Llama or Mixtral", {"to"}));
      sizes.push_back(static_cast<std::size_t>(checked_mul(shardplan::elements(whole.shape), bytes(elements_[i]))));
    }
    if (!findings.empty()) throw Error(std::move(findings));
    file_of_ = fill_shards(sizes, writing_.file_bytes);
    files_ = file_of_.empty() ? 1 : file_of_.back() + 1;
    for (const std::size_t size : sizes) total_ += static_cast<Index>(size);
  }

  const KeyMap& keys() const override { return keys_; }
  bool wants(std::size_t) const override { return true; }
  FileFormat format() const override { return FileFormat::safetensors; }
  std::size_t files() const override { return files_; }
  std::string path(std::size_t file) const override { return shard_name(WeightFormat::safetensors, file, files_); }

  std::vector<FileTensor> tensors(std::size_t file) const override {
    std::vector<FileTensor> out;
    const auto [first, last] = std::equal_range(file_of_.begin(), file_of_.end(), file);
    for (auto at = first; at != last; ++at) {
      const auto i = static_cast<std::size_t>(at - file_of_.begin());
      out.push_back({keys_.wholes()[i].name, keys_.wholes()[i].shape, elements_[i], i});
    }
    return out;
  }
  void for_each_box(std::size_t, const FileTensor& tensor, const Sink& sink) const override {
    const Shape origin(tensor.shape.size(), 0);
    Dimensions in_order;
    for (std::size_t d = 0; d < origin.size(); ++d) in_order.push_back(static_cast<std::uint32_t>(d));
    sink({tensor.item, {origin, tensor.shape}, origin, in_order});
  }
  void finish(const std::filesystem::path& folder) const override {
    if (files_ == 1) return;
    ShardIndex index;
    index.total_size = total_;
    for (std::size_t i = 0; i < files_; ++i) index.files.push_back(path(i));
    for (std::size_t i = 0; i < file_of_.size(); ++i) index.weights.push_back({keys_.wholes()[i].name, file_of_[i]});
    const std::string text = index_text(index);
    OutputFile file((folder / index_name(WeightFormat::safetensors)).string(), text.size());
    file.write(0, text);
    file.finish(writing_.sync);
  }

 private:
  KeyMap keys_;
  std::vector<Element> elements_;
  HuggingFaceWriting writing_;
  std::vector<std::size_t> file_of_;  ///< by whole tensor, never falling
  std::size_t files_ = 1;
  Index total_ = 0;
};

}  // namespace shardplan::checkpoint
