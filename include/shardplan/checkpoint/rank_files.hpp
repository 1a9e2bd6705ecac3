#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/diagnostic.hpp>

/// Names of the files that one rank writes into a tag, and which of them make a whole checkpoint (checkpoint sheet,
/// 1.2).
namespace shardplan::checkpoint {

/// The coordinates that a rank file has in its name.
struct RankFile {
  Index data = 0;                 ///< 0 in files that all data-parallel ranks share
  std::optional<Index> expert{};  ///< none where there is one expert rank, and in the files of ZeRO-1
  Index tensor = 0;
  Index pipeline = 0;

  friend constexpr bool operator==(const RankFile&, const RankFile&) = default;
};

/// `dp_rank_00_ep_rank_01_tp_rank_03_pp_rank_00.pt`: numbers of two digits, or more where they have more.
inline std::string rank_file_name(const RankFile& file) {
  const auto two = [](Index number) { return concat(number < 10 ? "0" : "", number); };
  return concat("dp_rank_", two(file.data), file.expert ? concat("_ep_rank_", two(*file.expert)) : std::string(),
                "_tp_rank_", two(file.tensor), "_pp_rank_", two(file.pipeline), ".pt");
}

/// The coordinates in a name; none where it is no name of a rank file, or not the one that its numbers give.
inline std::optional<RankFile> parse_rank_file(std::string_view name) {
  constexpr std::size_t most_digits = 9;
  const std::string_view whole = name;
  const auto number = [&](std::string_view before, Index& out) {
    if (!name.starts_with(before)) return false;
    name.remove_prefix(before.size());
    std::size_t digits = 0;
    for (; digits < name.size() && digits < most_digits && name[digits] >= '0' && name[digits] <= '9'; ++digits)
      out = out * 10 + (name[digits] - '0');
    name.remove_prefix(digits);
    return digits > 0;
  };
  RankFile out;
  if (!number("dp_rank_", out.data)) return std::nullopt;
  if (name.starts_with("_ep_rank_") && !number("_ep_rank_", out.expert.emplace(0))) return std::nullopt;
  if (!number("_tp_rank_", out.tensor) || !number("_pp_rank_", out.pipeline) || name != ".pt") return std::nullopt;
  // Two names of one rank, 3 and 03, must not be two files.
  return rank_file_name(out) == whole ? std::optional(out) : std::nullopt;
}

/// How many ranks of each kind a set of files is of: the largest number of each, and one.
struct RankDegrees {
  Index data = 1;
  Index expert = 1;
  Index tensor = 1;
  Index pipeline = 1;
  bool names_expert = false;  ///< the names have a part for it

  constexpr Index files() const { return checked_mul(checked_mul(data, expert), checked_mul(tensor, pipeline)); }
  friend constexpr bool operator==(const RankDegrees&, const RankDegrees&) = default;
};

inline RankDegrees degrees_of(const std::vector<RankFile>& files) {
  RankDegrees out;
  for (const RankFile& file : files) {
    out.data = larger(out.data, file.data + 1);
    out.expert = larger(out.expert, file.expert.value_or(0) + 1);
    out.tensor = larger(out.tensor, file.tensor + 1);
    out.pipeline = larger(out.pipeline, file.pipeline + 1);
    out.names_expert = out.names_expert || file.expert.has_value();
  }
  return out;
}

/// Calls f(RankFile) for every file of these degrees; pipeline ranks outermost, data ranks innermost.
template <class F>
void for_each_rank_file(const RankDegrees& degrees, F&& f) {
  for (Index p = 0; p < degrees.pipeline; ++p)
    for (Index t = 0; t < degrees.tensor; ++t)
      for (Index e = 0; e < degrees.expert; ++e)
        for (Index d = 0; d < degrees.data; ++d)
          f(RankFile{d, degrees.names_expert ? std::optional(e) : std::nullopt, t, p});
}

/// What keeps files from being the files of all ranks: SP-CHECKPOINT-009, naming the first that is missing, and how
/// many are.
///
/// where    the folder, for the message
inline Diagnostics diagnose_rank_files(std::vector<RankFile> files, std::string_view where) {
  Diagnostics out;
  if (files.empty()) {
    out.push_back(finding("SP-CHECKPOINT-009", concat('\'', where, "' holds no rank file"),
                          concat("files named as ", rank_file_name({})), {"path"}));
    return out;
  }
  const auto key = [](const RankFile& file) {
    return std::array{file.pipeline, file.tensor, file.expert.value_or(-1), file.data};
  };
  std::sort(files.begin(), files.end(), [&](const RankFile& a, const RankFile& b) { return key(a) < key(b); });
  const RankDegrees degrees = degrees_of(files);
  // One number far off would ask for more names than there are files; each file has one place, so counting is enough.
  Index all = 0;
  const bool counted = !__builtin_mul_overflow(degrees.data, degrees.expert, &all) &&
                       !__builtin_mul_overflow(all, degrees.tensor, &all) &&
                       !__builtin_mul_overflow(all, degrees.pipeline, &all);
  if (counted && all == static_cast<Index>(files.size())) return out;
  std::size_t at = 0;
  std::optional<RankFile> missing;
  const auto look = [&] {
    for (Index p = 0; p < degrees.pipeline; ++p)
      for (Index t = 0; t < degrees.tensor; ++t)
        for (Index e = 0; e < degrees.expert; ++e)
          for (Index d = 0; d < degrees.data; ++d, ++at) {
            const RankFile wanted{d, degrees.names_expert ? std::optional(e) : std::nullopt, t, p};
            if (at < files.size() && files[at] == wanted) continue;
            missing = wanted;
            return;
          }
  };
  look();  // at most one step further than there are files
  out.push_back(
      finding("SP-CHECKPOINT-009",
              concat('\'', where, "' lacks '", missing ? rank_file_name(*missing) : std::string("a file"),
                     "': it holds ", files.size(), " of the files of tensor size ", degrees.tensor, ", pipeline size ",
                     degrees.pipeline, ", expert size ", degrees.expert, ", data size ", degrees.data),
              "the files of every rank", {"path"}));
  return out;
}

}  // namespace shardplan::checkpoint
