#pragma once
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/rank_files.hpp>
#include <shardplan/checkpoint/torch_file.hpp>

/// Tag folders of NxD and NxDT, read: plain files, and one file a tensor (checkpoint sheet, 1, 2 and 3).
namespace shardplan::checkpoint {

struct RankReading {
  bool verify = true;       ///< the checksums of all records
  bool incomplete = false;  ///< read a tag without `done`, too
};

namespace detail {

inline bool is_file(const std::filesystem::path& path) {
  std::error_code none;
  return std::filesystem::is_regular_file(path, none);
}
inline bool is_folder(const std::filesystem::path& path) {
  std::error_code none;
  return std::filesystem::is_directory(path, none);
}

/// The rank files of a folder, in no order. Errors SP-CHECKPOINT-001.
inline std::vector<RankFile> list_rank_files(const std::filesystem::path& folder) {
  std::vector<RankFile> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (const auto file = parse_rank_file(at->path().filename().string())) out.push_back(*file);
  if (error)
    fail("SP-CHECKPOINT-001", concat('\'', folder.string(), "' cannot be listed: ", error.message()), {}, {"path"});
  return out;
}

/// Tensors by reference, each in a file of its own (xser): a rank file's. What older programs left out or named
/// otherwise, the info file and an empty folder of tensors, is not missed.
class TensorFiles {
 public:
  TensorFiles(std::filesystem::path file, const RankFile& rank, bool verify) : file_(std::move(file)), verify_(verify) {
    if (rank.expert && *rank.expert > 0) {
      RankFile first = rank;
      first.expert = 0;
      shared_ = file_.parent_path() / rank_file_name(first);
    }
    const std::string info = file_.string() + ".info.pt";
    if (is_file(info)) info_ = read_torch(info, {.verify = verify}).value;
  }

  /// Errors SP-CHECKPOINT-011 there is no such file, it holds no tensor, or not the one that is described; those of
  /// read_torch.
  StoredTensor read(const std::string& key, const TensorReference& reference) const {
    const auto refuse = [&](std::string_view why, std::string_view hint = {}) {
      fail("SP-CHECKPOINT-011", concat('\'', file_.string(), "', tensor ", shown(key), ": ", why), hint, {"path"});
    };
    const std::string name = concat("tensor_", reference.tid, ".pt");
    std::filesystem::path path = file_.string() + ".tensors";
    path /= name;
    // What is no expert's, the first expert rank has written for all.
    if (!is_file(path) && !shared_.empty()) path = std::filesystem::path(shared_.string() + ".tensors") / name;
    if (!is_file(path))
      refuse(concat("there is no '", path.string(), '\''),
             "a tag saved without model data has its weights in the optimizer's sharded_master_weights alone");
    const TorchFile file = read_torch(path.string(), {.verify = verify_});
    const Tensor* tensor = file.value.as<Tensor>();
    if (!tensor) refuse(concat('\'', path.string(), "' holds no tensor"));
    const Value* about = info_.find(reference.tid);
    const Value* dtype = about ? about->find("dtype") : nullptr;
    const Value* shape = about ? about->find("shape") : nullptr;
    std::optional<Element> element = reference.element;
    std::optional<Shape> extents = reference.shape;
    if (dtype && dtype->as<Element>()) element = *dtype->as<Element>();
    if (shape && shape->as<Size>()) extents = shape->as<Size>()->shape;
    if ((element && *element != tensor->stored.element) || (extents && *extents != tensor->stored.shape))
      refuse(concat('\'', path.string(), "' holds ", checkpoint::name(tensor->stored.element), " of shape ",
                    tensor->stored.shape, ", where ", element ? checkpoint::name(*element) : std::string_view("it"),
                    " of shape ", extents.value_or(tensor->stored.shape), " is announced"));
    return tensor->stored;
  }

 private:
  std::filesystem::path file_;
  std::filesystem::path shared_;  ///< the file of the first expert rank; empty: it is this one
  bool verify_;
  Value info_;
};

}  // namespace detail

/// What one rank file holds, references followed.
struct RankContents {
  RankFile file;
  std::string path;
  std::vector<std::pair<std::string, StoredTensor>> tensors;  ///< in the order of the file
};

/// Reads the model tensors of a rank file.
///
/// Errors   SP-CHECKPOINT-011 it is no dict of tensors, or a reference leads nowhere; those of read_torch
inline RankContents read_rank_file(const std::filesystem::path& folder, const RankFile& rank, bool verify = true) {
  RankContents out{rank, (folder / rank_file_name(rank)).string(), {}};
  const TorchFile file = read_torch(out.path, {.verify = verify});
  const Dict* dict = file.value.as<Dict>();
  if (!dict) fail("SP-CHECKPOINT-011", concat('\'', out.path, "' holds no dict of tensors"), {}, {"path"});
  std::optional<detail::TensorFiles> elsewhere;
  out.tensors.reserve(dict->size());
  for (const Dict::Entry& entry : dict->entries()) {
    const std::string* key = entry.key.as<std::string>();
    if (key && entry.value.as<Tensor>()) {
      out.tensors.emplace_back(*key, entry.value.as<Tensor>()->stored);
    } else if (const TensorReference* reference = entry.value.as<TensorReference>(); key && reference) {
      if (!elsewhere) elsewhere.emplace(out.path, rank, verify);
      out.tensors.emplace_back(*key, elsewhere->read(*key, *reference));
    } else {
      fail("SP-CHECKPOINT-011", concat('\'', out.path, "' holds, beside tensors, ", entry.key, ": ", entry.value),
           "names of parameters and tensors alone", {"path"});
    }
  }
  return out;
}

/// A tag, or its `model` folder alone.
struct TagFolder {
  std::filesystem::path model;
  std::filesystem::path optimizer;  ///< empty: there is none
  bool is_tag = false;              ///< it has the file `checkpoint`
  bool done = false;
  std::vector<RankFile> files;  ///< of the model; sorted, pipeline ranks outermost
  RankDegrees degrees;
};

/// Finds the files of a tag and checks that all ranks have theirs.
///
/// Errors   SP-CHECKPOINT-001 no folder; SP-CHECKPOINT-009 files are missing; SP-CHECKPOINT-014 a tag is not done, and
///          that does not do
inline TagFolder open_tag(const std::filesystem::path& path, const RankReading& reading = {}) {
  TagFolder out;
  out.model = detail::is_folder(path / "model") ? path / "model" : path;
  if (detail::is_folder(path / "optim")) out.optimizer = path / "optim";
  out.is_tag = detail::is_file(path / "checkpoint");
  out.done = detail::is_file(path / "done");
  if (out.is_tag && !out.done && !reading.incomplete)
    fail("SP-CHECKPOINT-014", concat('\'', path.string(), "' has no file 'done': saving it has not ended"),
         "a tag that is done; or ask for an incomplete one", {"path"});
  out.files = detail::list_rank_files(out.model);
  if (Diagnostics findings = diagnose_rank_files(out.files, out.model.string()); !findings.empty())
    throw Error(std::move(findings));
  out.degrees = degrees_of(out.files);
  out.files.clear();
  for_each_rank_file(out.degrees, [&](const RankFile& file) { out.files.push_back(file); });
  return out;
}

}  // namespace shardplan::checkpoint
