#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/refusal.hpp>
#include <shardplan/checkpoint/tar.hpp>
#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/text.hpp>
#include <shardplan/core/types.hpp>

/// `.nemo` archives of NeMo 1.x (checkpoint sheet, 7.4 and 13).
namespace shardplan::checkpoint {

/// A rank of a model that is split over tensor and pipeline ranks.
struct ModelRank {
  Index tensor = 0;
  Index pipeline = 0;
  friend auto operator<=>(const ModelRank&, const ModelRank&) = default;
};

/// How the weights of an archive are named.
enum class NemoNaming : std::uint8_t {
  single,                 ///< `model_weights.ckpt`: one rank
  tensor_ranks,           ///< `mp_rank_00/model_weights.ckpt`
  tensor_pipeline_ranks,  ///< `tp_rank_00_pp_rank_000/model_weights.ckpt`
};

/// The members of a `.nemo` archive: weights of each rank, configuration, artifacts.
///
///     const NemoArchive archive(Tar(gunzipped(FilePart(MappedFile(path)))));
///     for (const auto& [rank, file] : archive.weights()) ...   // a torch file each
class NemoArchive {
 public:
  struct Weights {
    ModelRank rank;
    FilePart file;
  };

  /// Errors SP-CHECKPOINT-002 no weights, weights named in two ways or in none of NeMo's, no configuration.
  explicit NemoArchive(Tar archive) : archive_(std::move(archive)) {
    std::optional<NemoNaming> naming;
    for (const TarMember& member : archive_.members()) {
      if (member.folder || !is_weights(member.name)) continue;
      const auto found = rank_of(member.name);
      if (!found)
        refuse("SP-CHECKPOINT-002", member.content, 0, concat("weights named ", shown(member.name)),
               "model_weights.ckpt, alone or below mp_rank_00 or tp_rank_00_pp_rank_000");
      if (naming && *naming != found->naming)
        refuse("SP-CHECKPOINT-002", member.content, 0,
               concat("weights named in two ways: ", shown(member.name), " and those before"));
      naming = found->naming;
      weights_.push_back({found->rank, member.content});
      tensor_ = larger(tensor_, found->rank.tensor + 1);
      pipeline_ = larger(pipeline_, found->rank.pipeline + 1);
    }
    if (!naming) refuse("SP-CHECKPOINT-002", archive_.file(), 0, "the archive holds no model_weights.ckpt");
    naming_ = *naming;
    std::sort(weights_.begin(), weights_.end(), [](const Weights& a, const Weights& b) { return a.rank < b.rank; });
    const TarMember* const config = archive_.find("model_config.yaml");
    if (config == nullptr || config->folder)
      refuse("SP-CHECKPOINT-002", archive_.file(), 0, "the archive holds no model_config.yaml");
    config_ = config->content;
  }

  NemoNaming naming() const { return naming_; }
  /// Degrees as the names have them: one more than the highest rank. Those of the configuration may be higher where
  /// files are missing.
  Index tensor_degree() const { return tensor_; }
  Index pipeline_degree() const { return pipeline_; }

  /// By tensor rank, then pipeline rank.
  const std::vector<Weights>& weights() const { return weights_; }
  /// Null: the archive lacks that rank.
  const FilePart* find(ModelRank rank) const {
    const auto at = std::lower_bound(weights_.begin(), weights_.end(), rank,
                                     [](const Weights& one, ModelRank wanted) { return one.rank < wanted; });
    return at != weights_.end() && at->rank == rank ? &at->file : nullptr;
  }

  Index missing_count() const { return tensor_ * pipeline_ - static_cast<Index>(weights_.size()); }
  /// The ranks below the degrees that have no weights, the first `limit` of them.
  std::vector<ModelRank> missing(std::size_t limit = 64) const {
    std::vector<ModelRank> out;
    auto present = weights_.begin();
    // Steps over what is there or is told, and over nothing else.
    for (ModelRank rank; rank.tensor < tensor_ && out.size() < limit;) {
      if (present != weights_.end() && present->rank == rank)
        ++present;
      else
        out.push_back(rank);
      if (++rank.pipeline == pipeline_) rank = {rank.tensor + 1, 0};
    }
    return out;
  }

  /// The text of model_config.yaml.
  std::string_view config() const { return config_.text(); }

  /// The file that a value `nemo:<32 hexadecimal digits>_<name>` of the configuration stands for.
  ///
  /// Errors   SP-CHECKPOINT-002 it is no such value, or the archive lacks the file
  FilePart artifact(std::string_view reference) const {
    constexpr std::string_view scheme = "nemo:";
    if (!reference.starts_with(scheme) || !is_artifact(reference.substr(scheme.size())))
      refuse("SP-CHECKPOINT-002", config_, 0, concat(shown(reference), " is no artifact"),
             "nemo:, 32 hexadecimal digits, an underscore, a name");
    const TarMember* const member = archive_.find(reference.substr(scheme.size()));
    if (member == nullptr || member->folder)
      refuse("SP-CHECKPOINT-002", archive_.file(), 0, concat("the archive lacks artifact ", shown(reference)));
    return member->content;
  }
  /// All artifacts, as the configuration would name them.
  std::vector<std::string> artifacts() const {
    std::vector<std::string> out;
    for (const TarMember& member : archive_.members())
      if (!member.folder && is_artifact(member.name)) out.push_back("nemo:" + member.name);
    return out;
  }

  const Tar& tar() const { return archive_; }

 private:
  struct NamedRank {
    NemoNaming naming;
    ModelRank rank;
  };

  static constexpr std::string_view file_name = "model_weights.ckpt";

  static bool is_weights(std::string_view name) {
    return name == file_name || (name.ends_with(file_name) && name[name.size() - file_name.size() - 1] == '/');
  }

  static bool is_artifact(std::string_view name) {
    constexpr std::size_t digits = 32;
    if (name.size() < digits + 2 || name[digits] != '_' || name.find('/') != name.npos) return false;
    return name.substr(0, digits).find_first_not_of("0123456789abcdef") == name.npos;
  }

  /// Takes a number off the front that is written with at least so many digits; -1: there is none.
  static Index take_number(std::string_view& text, std::size_t width) {
    constexpr std::size_t longest = 9;
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits < width || digits > longest || (digits > width && text[0] == '0')) return -1;
    Index out = 0;
    for (const char digit : text.substr(0, digits)) out = out * 10 + (digit - '0');
    text.remove_prefix(digits);
    return out;
  }

  static std::optional<NamedRank> rank_of(std::string_view name) {
    if (name == file_name) return NamedRank{NemoNaming::single, {}};
    name.remove_suffix(file_name.size() + 1);
    const auto take = [&](std::string_view word) {
      const bool there = name.starts_with(word);
      if (there) name.remove_prefix(word.size());
      return there;
    };
    NamedRank out{NemoNaming::tensor_ranks, {}};
    if (take("mp_rank_")) {
      out.rank.tensor = take_number(name, 2);
    } else {
      out.naming = NemoNaming::tensor_pipeline_ranks;
      if (!take("tp_rank_")) return std::nullopt;
      out.rank.tensor = take_number(name, 2);
      if (!take("_pp_rank_")) return std::nullopt;
      out.rank.pipeline = take_number(name, 3);
    }
    if (out.rank.tensor < 0 || out.rank.pipeline < 0 || !name.empty()) return std::nullopt;
    return out;
  }

  Tar archive_;
  NemoNaming naming_ = NemoNaming::single;
  Index tensor_ = 1, pipeline_ = 1;
  std::vector<Weights> weights_;
  FilePart config_;
};

}  // namespace shardplan::checkpoint
