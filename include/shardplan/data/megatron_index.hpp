#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/text.hpp>
#include <shardplan/data/shuffle.hpp>

/// How Megatron makes samples of equal length out of documents (configuration sheet, 9.6).
namespace shardplan::data {

/// What is asked of an index.
struct IndexOptions {
  Index samples = 0;   ///< wanted
  Index sequence = 0;  ///< tokens of a sample
  Index seed = 0;
  bool keep_tail = false;   ///< a last sample that is shorter
  bool extra_token = true;  ///< a sample has one token more, so that labels are its own: off with
                            ///< no_seqlen_plus_one_input_tokens
};

/// Where a sample begins.
struct SampleStart {
  Index document;  ///< position in `documents` of the index
  Index offset;    ///< tokens into that document

  friend constexpr bool operator==(const SampleStart&, const SampleStart&) = default;
};

/// The three lists of an index.
struct MegatronIndex {
  Index epochs = 0;
  Index tokens_per_epoch = 0;
  std::vector<Index> documents;     ///< in the order they are read
  std::vector<SampleStart> starts;  ///< of every sample, and the end of the last
  Permutation order;                ///< the k-th sample to train on is number order[k]

  Index size() const { return static_cast<Index>(order.size()); }
};

/// Tokens of all these documents. Errors SP-CORE-001; SP-DATA-010 a document that is none or has a negative length.
inline Index tokens_of(std::span<const Index> sizes, std::span<const Index> documents) {
  Index out = 0;
  for (const Index document : documents) {
    if (document < 0 || document >= static_cast<Index>(sizes.size()) || sizes[static_cast<std::size_t>(document)] < 0)
      fail("SP-DATA-010", concat("document ", document, " of ", sizes.size()), "0 to the number of documents",
           {"documents"});
    out = checked_add(out, sizes[static_cast<std::size_t>(document)]);
  }
  return out;
}

/// The index over documents of these sizes.
///
/// sizes      tokens of every document of the data set
/// documents  numbers of those that count, in data-set order
/// Cost       O(documents x epochs + samples), which is the size of the result
/// Errors     SP-DATA-001 options below 1; SP-DATA-010 no tokens, or a shuffle of the last epoch that the original
///            refuses; SP-DATA-005; SP-CORE-001
/// Source     configuration sheet, 9.6. The number of samples with a kept tail is exact; the original divides in single
///            precision, which may be off by one for more than 2^24 tokens
inline MegatronIndex megatron_index(std::span<const Index> sizes, std::span<const Index> documents,
                                    const IndexOptions& options) {
  for (const auto& [value, what] : {std::pair{options.samples, "samples"}, {options.sequence, "sequence"}})
    if (value < 1) fail("SP-DATA-001", concat(value, ' ', what), "at least 1", {what});
  MegatronIndex out;
  out.tokens_per_epoch = tokens_of(sizes, documents);
  if (out.tokens_per_epoch == 0) fail("SP-DATA-010", "the documents have no tokens", "at least one", {"documents"});
  const Index extra = options.extra_token ? 1 : 0, length = options.sequence;
  const auto whole_samples = [&](Index epochs) { return (checked_mul(epochs, out.tokens_per_epoch) - extra) / length; };
  // The smallest number of epochs with enough tokens.
  const Index needed = checked_add(checked_mul(options.samples, length), extra);
  out.epochs = larger(1, ceil_div(needed, out.tokens_per_epoch));

  // The last epoch is shuffled apart where only a small part of it is used, or its samples would come too early.
  const Index before_last = out.epochs > 1 ? whole_samples(out.epochs - 1) : 0;
  bool apart = false;
  if (out.epochs > 1) {
    const Index of_last = options.samples - before_last, of_one = whole_samples(1);
    if (of_last < 0 || of_last > of_one + 1)
      fail("SP-DATA-010", concat(of_last, " samples of the last epoch, which has ", of_one), {}, {"samples"});
    apart = of_last < static_cast<Index>(0.80 * static_cast<double>(of_one));
  }

  NumpyShuffle shuffle(static_cast<std::uint32_t>(options.seed));
  const Index together = apart ? out.epochs - 1 : out.epochs;
  const auto read_epochs = [&](Index epochs) {
    const std::size_t from = out.documents.size();
    for (Index e = 0; e < epochs; ++e) out.documents.insert(out.documents.end(), documents.begin(), documents.end());
    shuffle(std::span(out.documents).subspan(from));
  };
  read_epochs(together);
  if (apart) read_epochs(1);

  const Index tokens = checked_mul(out.epochs, out.tokens_per_epoch) - extra;
  const Index samples = options.keep_tail ? ceil_div(tokens, length) : tokens / length;
  out.starts.reserve(static_cast<std::size_t>(samples) + 1);
  SampleStart at{0, 0};
  out.starts.push_back(at);
  const auto size_at = [&](Index position) {
    return sizes[static_cast<std::size_t>(out.documents[static_cast<std::size_t>(position)])];
  };
  const auto last = static_cast<Index>(out.documents.size()) - 1;
  for (Index k = 0; k < samples; ++k) {
    // A sample ends with the token that the next one begins with, where it has an extra one.
    for (Index left = length + extra; left > 0;) {
      const Index here = size_at(at.document) - at.offset;
      if (here >= left) {
        at.offset += left - extra;
        break;
      }
      if (at.document == last) {
        at.offset = size_at(last) - extra;
        break;
      }
      left -= here;
      at = {at.document + 1, 0};
    }
    out.starts.push_back(at);
  }

  out.order.resize(static_cast<std::size_t>(samples));
  for (std::size_t i = 0; i < out.order.size(); ++i) out.order[i] = static_cast<std::uint32_t>(i);
  const std::size_t first_part = apart ? static_cast<std::size_t>(before_last) : out.order.size();
  shuffle(std::span(out.order).first(first_part));
  if (apart) shuffle(std::span(out.order).subspan(first_part));
  return out;
}

/// Which list of an index.
enum class IndexPart : std::uint8_t { documents, samples, order };

/// The name of the file that NxDT keeps a list of an index in, beside the data or in index_mapping_dir.
/// Example  index_file_name("x", "train", {.samples = 5, .sequence = 8, .seed = 1234}, IndexPart::order) ==
///          "x_train_indexmap_5ns_8sl_1234s_shuffle_idx.npy"
inline std::string index_file_name(std::string_view prefix, std::string_view part, const IndexOptions& options,
                                   IndexPart list) {
  constexpr std::string_view names[] = {"doc", "sample", "shuffle"};
  return concat(prefix, '_', part, "_indexmap_", options.samples, "ns_", options.sequence, "sl_", options.seed, "s_",
                names[static_cast<std::size_t>(list)], "_idx.npy");
}

}  // namespace shardplan::data
