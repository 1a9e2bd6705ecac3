#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/rank_layout.hpp>
#include <shardplan/checkpoint/target.hpp>

/// Tags of NxDT as targets: what the ranks of a plan would have saved (checkpoint sheet, 1 and 5).
namespace shardplan::checkpoint {

/// The model files of a plan, plain. The plan must live as long.
class NxdtTarget : public Target {
 public:
  /// elements   of every whole tensor of the plan, in the order of KeyMap; those of one parameter are alike
  /// tag        with `checkpoint` and `done`; else a `model` folder alone, as the public converter writes
  NxdtTarget(const Plan& plan, std::vector<Element> elements, bool tag = true)
      : layout_(plan), elements_(std::move(elements)), tag_(tag) {
    for_each_rank_file(layout_.degrees(), [&](const RankFile& file) { files_.push_back(file); });
  }

  const RankLayout& layout() const { return layout_; }
  const RankFile& file(std::size_t i) const { return files_[i]; }

  const KeyMap& keys() const override { return layout_.keys(); }
  bool wants(std::size_t) const override { return true; }
  FileFormat format() const override { return FileFormat::torch; }
  bool is_tag() const override { return tag_; }
  std::size_t files() const override { return files_.size(); }
  std::string path(std::size_t file) const override { return concat("model/", rank_file_name(files_[file])); }

  std::vector<FileTensor> tensors(std::size_t file) const override {
    std::vector<FileTensor> out;
    for (RankTensor& tensor : layout_.tensors(files_[file])) {
      const std::size_t i = tensor.parameter;
      const Shape local = layout_.local_shape(i, files_[file]);
      out.push_back({std::move(tensor.key), local, elements_[layout_.keys().boxes(i)[0].whole], i});
    }
    return out;
  }
  void for_each_box(std::size_t file, const FileTensor& tensor, const Sink& sink) const override {
    layout_.for_each_box(tensor.item, layout_.shard(tensor.item, files_[file]), sink);
  }
  Fill padding(std::size_t file, const FileTensor& tensor) const override {
    return layout_.shard(tensor.item, files_[file]).fill();
  }

 private:
  RankLayout layout_;
  std::vector<Element> elements_;
  std::vector<RankFile> files_;
  bool tag_;
};

}  // namespace shardplan::checkpoint
