#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <shardplan/checkpoint/assemble.hpp>
#include <shardplan/checkpoint/commit.hpp>
#include <shardplan/checkpoint/safetensors_writer.hpp>
#include <shardplan/checkpoint/source.hpp>
#include <shardplan/checkpoint/target.hpp>
#include <shardplan/checkpoint/torch_writer.hpp>

/// Checkpoints converted: any source to any target, without a copy of the model in between.
namespace shardplan::checkpoint {

struct ConvertOptions {
  Committing commit{};
  bool ignore_extra = false;                  ///< tensors of the source that the target has no place for
  unsigned threads = 0;                       ///< 0: as many as there are processors, at most 8
  std::size_t buffer = std::size_t{4} << 20;  ///< bytes that a thread puts together at a time
  /// Told of every piece written, from any thread: bytes so far, bytes in all.
  std::function<void(std::size_t, std::size_t)> progress{};
};

/// A conversion that is possible: every tensor of the target has its source.
struct Matching {
  std::vector<std::size_t> source;  ///< number in the source of each whole tensor of the target
  std::vector<std::string> unused;  ///< tensors of the source that go nowhere
  bool copies_embedding = false;    ///< the source is tied and has no head; the target gets a copy of the embedding
};

/// Pairs the tensors of source and target by name.
///
/// Errors   SP-CHECKPOINT-012, all at once: tensors that the target wants and the source lacks or has in another shape,
///          and, unless ignored, those that the source has besides
inline Matching match(const Source& source, const KeyMap& target, bool ignore_extra = false) {
  Matching out;
  Diagnostics findings;
  std::vector<bool> used(source.size(), false);
  std::size_t missing = 0;
  std::string first_missing;
  for (const WholeTensor& whole : target.wholes()) {
    std::size_t at = source.find(whole.name);
    if (at == source.size() && whole.name == head_name) {
      at = source.find(embedding_name);
      out.copies_embedding = at < source.size();
    }
    out.source.push_back(at);
    if (at == source.size()) {
      if (missing++ == 0) first_missing = shown(whole.name);
      continue;
    }
    used[at] = true;
    if (const Shape& has = source.whole(at).shape; has != whole.shape)
      findings.push_back(
          finding("SP-CHECKPOINT-012",
                  concat("the source has ", shown(whole.name), " of shape ", has, ", the target's is ", whole.shape),
                  "the architecture of the checkpoint", {"to-plan"}));
  }
  if (missing > 0)
    findings.push_back(finding("SP-CHECKPOINT-012",
                               concat("the source lacks ", missing, " of the ", target.wholes().size(),
                                      " tensors of the target, the first ", first_missing),
                               "the architecture of the checkpoint", {"to-plan"}));
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i]) continue;
    // A tied model may keep its embedding under both names.
    const bool tied_head = source.whole(i).name == head_name && target.find(head_name) == target.wholes().size();
    if (!tied_head) out.unused.push_back(source.whole(i).name);
  }
  if (!out.unused.empty() && !ignore_extra)
    findings.push_back(finding("SP-CHECKPOINT-012",
                               concat("the source has ", out.unused.size(),
                                      " tensors that the target has no place for, the first ", shown(out.unused[0])),
                               "the architecture of the checkpoint", {"to-plan"}));
  if (!findings.empty()) throw Error(std::move(findings));
  return out;
}

/// The element type of every whole tensor of a target: that of the source, or the one asked for.
///
/// Errors   those of match(); SP-CHECKPOINT-016 parts of one parameter have several types, or a type that is no float
///          is to be cast
inline std::vector<Element> elements_for(const Source& source, const KeyMap& target, std::optional<Element> cast = {},
                                         bool ignore_extra = false) {
  const Matching matching = match(source, target, ignore_extra);
  std::vector<Element> out;
  Diagnostics findings;
  std::vector<std::optional<Element>> of_parameter;
  for (std::size_t i = 0; i < target.wholes().size(); ++i) {
    const Element has = source.element(matching.source[i]);
    out.push_back(cast.value_or(has));
    if (cast && *cast != has && (!is_float(has) || !is_float(*cast)))
      findings.push_back(
          finding("SP-CHECKPOINT-016",
                  concat(shown(target.wholes()[i].name), " is of ", name(has), " and cannot be cast to ", name(*cast)),
                  "float64, float32, float16 or bfloat16", {"dtype"}));
    const std::size_t parameter = target.wholes()[i].parameter;
    if (parameter >= of_parameter.size()) of_parameter.resize(parameter + 1);
    auto& known = of_parameter[parameter];
    if (known && *known != out.back())
      findings.push_back(finding("SP-CHECKPOINT-016",
                                 concat(shown(target.wholes()[i].name), " is of ", name(out.back()),
                                        " and what it is packed with of ", name(*known)),
                                 "one type for all: --dtype", {"dtype"}));
    known = out.back();
  }
  if (!findings.empty()) throw Error(std::move(findings));
  return out;
}

/// What a conversion has done, or would do.
struct Converted {
  std::size_t files = 0;
  std::size_t tensors = 0;
  std::size_t bytes = 0;  ///< of tensors
  Matching matching;
};

/// What a conversion would write. Errors those of match().
inline Converted survey(const Source& source, const Target& target, bool ignore_extra = false) {
  Converted out{target.files(), 0, 0, match(source, target.keys(), ignore_extra)};
  for (std::size_t f = 0; f < target.files(); ++f)
    for (const FileTensor& tensor : target.tensors(f)) {
      ++out.tensors;
      out.bytes += static_cast<std::size_t>(checked_mul(elements(tensor.shape), bytes(tensor.element)));
    }
  return out;
}

namespace detail {

/// A file of either format, written by several threads.
class AnyWriter {
 public:
  AnyWriter(FileFormat format, const std::string& path, const std::vector<FileTensor>& tensors) {
    if (format == FileFormat::torch) {
      std::vector<Dict::Entry> entries;
      for (const FileTensor& tensor : tensors) {
        StoredTensor stored;
        stored.element = tensor.element;
        stored.shape = tensor.shape;
        entries.push_back({tensor.key, Tensor{stored, {}}});
      }
      file_.emplace<std::unique_ptr<TorchWriter>>(std::make_unique<TorchWriter>(path, Value(Dict(std::move(entries)))));
    } else {
      std::vector<TensorHeader> headers;
      for (const FileTensor& tensor : tensors) headers.push_back({tensor.key, tensor.element, tensor.shape});
      file_.emplace<std::unique_ptr<SafetensorsWriter>>(std::make_unique<SafetensorsWriter>(path, headers));
    }
  }

  void write(std::size_t tensor, std::size_t at, std::span<const std::byte> bytes) {
    std::visit([&](auto& file) { file->write(tensor, at, bytes); }, file_);
  }
  void finish(bool durable) {
    std::visit([&](auto& file) { file->finish(durable); }, file_);
  }

 private:
  std::variant<std::unique_ptr<TorchWriter>, std::unique_ptr<SafetensorsWriter>> file_;
};

/// Puts one tensor of a target together, piece by piece: piece(offset in bytes, bytes).
template <class Piece>
void for_each_piece(const Source& source, const Target& target, const std::vector<std::size_t>& matching,
                    std::size_t file, const FileTensor& tensor, std::vector<std::byte>& buffer, std::size_t limit,
                    Piece&& piece) {
  std::vector<BoxCopy> copies;
  target.for_each_box(file, tensor,
                      [&](const Placed& placed) { find_copies(source, matching[placed.whole], placed, copies); });
  const auto width = static_cast<std::size_t>(bytes(tensor.element));
  std::size_t at = 0;
  for_each_run(tensor.shape, static_cast<Index>(std::max<std::size_t>(1, limit / width)), [&](const Box& run) {
    const std::size_t size = static_cast<std::size_t>(elements(run.extent)) * width;
    std::span<const std::byte> found = as_it_lies(copies, run, tensor.element);
    if (found.empty()) {
      buffer.resize(size);
      if (has_padding(copies, run)) fill(buffer, tensor.element, target.padding(file, tensor));
      assemble(copies, run, tensor.element, buffer);
      found = buffer;
    }
    piece(at, found);
    at += size;
  });
}

/// Runs f(worker) on several threads and gives on the first error of one of them.
template <class F>
void on_threads(unsigned threads, F&& f) {
  std::mutex mutex;
  std::exception_ptr first;
  const auto guarded = [&](unsigned worker) {
    try {
      f(worker);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!first) first = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(guarded, i);
  guarded(0);
  for (std::thread& one : others) one.join();
  if (first) std::rethrow_exception(first);
}

inline unsigned usable_threads(unsigned asked) {
  const unsigned processors = std::thread::hardware_concurrency();
  return asked > 0 ? asked : std::clamp(processors, 1U, 8U);
}

}  // namespace detail

/// Writes the files of a target from a source into a folder that is there.
///
/// Post     every file of the target is there, whole; none is there partly
/// Errors   SP-CHECKPOINT-008; those of match()
inline Converted write_files(const Source& source, const Target& target, const std::filesystem::path& folder,
                             const ConvertOptions& options = {}) {
  const Converted all = survey(source, target, options.ignore_extra);
  struct File {
    std::vector<FileTensor> tensors;
    std::unique_ptr<detail::AnyWriter> writer;
    std::atomic<std::size_t> left{0};
  };
  // Threads take tensors one after the other, file after file, so that few files are open and inputs are read in order.
  std::mutex mutex;
  std::size_t next_file = 0, next_tensor = 0;
  std::shared_ptr<File> current;
  std::atomic<std::size_t> written{0};
  std::atomic<bool> stopped{false};
  const auto take = [&](std::size_t& number, std::size_t& tensor) -> std::shared_ptr<File> {
    const std::lock_guard lock(mutex);
    while (!current || next_tensor == current->tensors.size()) {
      current = nullptr;
      if (next_file == target.files() || stopped) return nullptr;
      auto file = std::make_shared<File>();
      file->tensors = target.tensors(next_file);
      const std::filesystem::path path = folder / target.path(next_file);
      std::error_code error;
      std::filesystem::create_directories(path.parent_path(), error);
      if (error)
        fail("SP-CHECKPOINT-008", concat('\'', path.parent_path().string(), "' cannot be made: ", error.message()), {},
             {"path"});
      file->writer = std::make_unique<detail::AnyWriter>(target.format(), path.string(), file->tensors);
      file->left = file->tensors.size();
      ++next_file;
      next_tensor = 0;
      if (file->tensors.empty()) file->writer->finish(options.commit.sync);
      current = std::move(file);
    }
    number = next_file - 1;
    tensor = next_tensor++;
    return current;
  };
  const unsigned threads = detail::usable_threads(options.threads);
  detail::on_threads(threads, [&](unsigned) {
    std::vector<std::byte> buffer;
    std::size_t number = 0, i = 0;
    try {
      while (const std::shared_ptr<File> file = take(number, i)) {
        detail::for_each_piece(source, target, all.matching.source, number, file->tensors[i], buffer, options.buffer,
                               [&](std::size_t at, std::span<const std::byte> bytes) {
                                 if (stopped) return;
                                 file->writer->write(i, at, bytes);
                                 const std::size_t so_far = written += bytes.size();
                                 if (options.progress) options.progress(so_far, all.bytes);
                               });
        if (--file->left == 0 && !stopped) file->writer->finish(options.commit.sync);
      }
    } catch (...) {
      stopped = true;
      throw;
    }
  });
  return all;
}

/// Errors   SP-CHECKPOINT-015 one of the two paths is the other, or lies in it
inline void check_apart(const std::filesystem::path& source, const std::filesystem::path& out) {
  const auto path_of = [](const std::filesystem::path& path) {
    const std::filesystem::path whole = std::filesystem::weakly_canonical(std::filesystem::absolute(path));
    return whole.has_filename() ? whole : whole.parent_path();
  };
  const std::filesystem::path a = path_of(source), b = path_of(out);
  const auto [end_of_a, end_of_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (end_of_a == a.end() || end_of_b == b.end())
    fail("SP-CHECKPOINT-015", concat('\'', b.string(), "' and the source '", a.string(), "' lie in one another"),
         "a folder of its own", {"out"});
}

/// Converts: everything is written beside `out`, which appears when it is complete.
///
/// Post     the source is untouched; after an error `out` is what it was before
/// Errors   SP-CHECKPOINT-015 `out` is there already, or in the source, or around it; those of write_files()
inline Converted convert(const Source& source, const Target& target, const std::filesystem::path& out,
                         const ConvertOptions& options = {}) {
  match(source, target.keys(), options.ignore_extra);  // before anything is made
  check_apart(source.path(), out);
  StagedFolder folder(out, options.commit);
  if (target.is_tag()) folder.write_text("checkpoint", "1");
  Converted done = write_files(source, target, folder.path(), options);
  target.finish(folder.path());
  folder.commit(target.is_tag());
  return done;
}

}  // namespace shardplan::checkpoint
