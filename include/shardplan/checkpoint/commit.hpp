#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <shardplan/checkpoint/output_file.hpp>
#include <shardplan/core/diagnostic.hpp>

/// Folders that appear whole or not at all.
namespace shardplan::checkpoint {

struct Committing {
  bool sync = true;    ///< wait for the disk before the folder gets its name
  bool force = false;  ///< replace a folder that is there
};

/// A folder that is filled under another name and renamed when it is complete.
///
/// Whoever opens `out` finds what was there before, nothing, or, of a tag, a folder without `done`, until commit() has
/// ended. What a killed run has left under `<out>.tmp` is removed by the next one.
class StagedFolder {
  static constexpr std::string_view mark_ = ".shardplan-unfinished";

 public:
  /// Errors SP-CHECKPOINT-015 `out` exists and is not to be replaced, or `<out>.tmp` is somebody else's;
  /// SP-CHECKPOINT-008 a folder cannot be made.
  StagedFolder(const std::filesystem::path& out, const Committing& how)
      : out_(without_slash(std::filesystem::absolute(out).lexically_normal())), how_(how) {
    beside_ = out_;
    beside_ += ".tmp";
    namespace fs = std::filesystem;
    std::error_code error;
    if (fs::exists(out_, error) && !how_.force && !unfinished(out_) && !fs::is_empty(out_, error))
      fail("SP-CHECKPOINT-015", concat('\'', out_.string(), "' exists"), "another name, or --force to replace it",
           {"out"});
    if (fs::exists(beside_, error) && !fs::exists(beside_ / mark_, error) && !fs::is_empty(beside_, error))
      fail("SP-CHECKPOINT-015", concat('\'', beside_.string(), "' exists and is not the rest of a conversion"),
           "another name, or remove it", {"out"});
    check(fs::remove_all(beside_, error), error, beside_);
    check(fs::create_directories(beside_, error), error, beside_);
    write_text(mark_, "");
  }
  StagedFolder(StagedFolder&&) = delete;
  /// What was not committed is removed.
  ~StagedFolder() {
    std::error_code none;
    if (!committed_) std::filesystem::remove_all(beside_, none);
  }

  /// The folder to fill.
  const std::filesystem::path& path() const { return beside_; }
  /// What it will be.
  const std::filesystem::path& out() const { return out_; }

  /// A file of a few bytes in it. Errors SP-CHECKPOINT-008.
  void write_text(std::string_view name, std::string_view text) const { write_text_at(beside_ / name, text); }

  /// Gives the folder its name. done: and then a file `done`, which says that a tag is complete.
  ///
  /// Errors   SP-CHECKPOINT-008 it cannot be renamed, or the disk does not take it
  void commit(bool done) {
    namespace fs = std::filesystem;
    std::error_code error;
    if (how_.sync) {
      for (fs::recursive_directory_iterator at(beside_, error), end; !error && at != end; at.increment(error))
        if (at->is_directory()) sync_folder(at->path());
      if (error) refuse(beside_, error);
      sync_folder(beside_);
    }
    fs::path before = out_;
    before += ".old";
    const bool replaces = fs::exists(out_, error);
    if (replaces && fs::is_directory(out_, error) && fs::is_empty(out_, error)) {
      fs::remove(out_, error);
    } else if (replaces) {
      check(fs::remove_all(before, error), error, before);
      fs::rename(out_, before, error);
      if (error) refuse(out_, error);
    }
    fs::rename(beside_, out_, error);
    if (error) {
      std::error_code none;
      if (replaces) fs::rename(before, out_, none);
      refuse(out_, error);
    }
    committed_ = true;
    sync_folder(out_.parent_path());
    if (done) write_text_at(out_ / "done", "1");
    fs::remove(out_ / mark_, error);
    sync_folder(out_);
    if (replaces) fs::remove_all(before, error);
  }

 private:
  static std::filesystem::path without_slash(std::filesystem::path path) {
    return path.has_filename() ? path : path.parent_path();
  }
  /// Left by a run that was killed between renaming and its end.
  static bool unfinished(const std::filesystem::path& folder) {
    std::error_code none;
    return std::filesystem::exists(folder / mark_, none);
  }
  [[noreturn]] static void refuse(const std::filesystem::path& path, const std::error_code& error) {
    fail("SP-CHECKPOINT-008", concat('\'', path.string(), "' cannot be written: ", error.message()), {}, {"path"});
  }
  template <class Result>
  static void check(const Result&, const std::error_code& error, const std::filesystem::path& path) {
    if (error) refuse(path, error);
  }
  void sync_folder(const std::filesystem::path& path) const {
    if (!how_.sync) return;
    const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // Some file systems know no fsync of folders, and keep names in order without it.
    const bool failed = folder < 0 || (fsync(folder) != 0 && errno != EINVAL && errno != EROFS);
    const int error = errno;
    if (folder >= 0) close(folder);
    if (failed) refuse(path, std::error_code(error, std::generic_category()));
  }
  void write_text_at(const std::filesystem::path& path, std::string_view text) const {
    OutputFile file(path.string(), text.size());
    file.write(0, text);
    file.finish(how_.sync);
  }

  std::filesystem::path out_, beside_;
  Committing how_;
  bool committed_ = false;
};

}  // namespace shardplan::checkpoint
