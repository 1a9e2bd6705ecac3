#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/json_reader.hpp>
#include <shardplan/checkpoint/mapped_file.hpp>
#include <shardplan/checkpoint/name_index.hpp>
#include <shardplan/checkpoint/output_file.hpp>
#include <shardplan/checkpoint/refusal.hpp>
#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/diagnostic.hpp>

/// `model.safetensors.index.json` and `pytorch_model.bin.index.json`: which file holds which tensor (checkpoint sheet,
/// 11; Hugging Face).
namespace shardplan::checkpoint {

/// The two formats in which Hugging Face keeps weights.
enum class WeightFormat : std::uint8_t { safetensors, torch };

struct ShardIndex {
  struct Weight {
    std::string name;
    std::size_t file;  ///< in files
  };
  std::vector<std::string> files;  ///< base names, each once
  std::vector<Weight> weights;
  std::optional<Index> total_size;  ///< bytes of all tensors without headers; what others wrote is not always right
};

/// Whether a name is that of a file in the same folder, and of no other.
constexpr bool plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

/// Errors SP-CHECKPOINT-007 no index: no JSON, no `weight_map`, a tensor named twice, a file elsewhere.
inline ShardIndex read_shard_index(const FilePart& part) {
  ShardIndex out;
  JsonReader json("SP-CHECKPOINT-007", part);
  bool mapped = false, described = false;
  std::string unescaped;
  std::map<std::string, std::size_t, std::less<>> seen;
  json.object([&](std::string_view key) {
    const auto once = [&](bool& before) {
      if (std::exchange(before, true)) json.refuse_at(json.position(), concat(shown(key), " occurs twice"));
    };
    if (key == "metadata") {
      once(described);
      json.object([&](std::string_view what) {
        // Some write a decimal fraction here; the figure informs and decides nothing.
        const char first = json.peek();
        if (what != "total_size" || first < '0' || first > '9') return json.skip();
        const std::size_t begin = json.position();
        json.skip();
        const std::string_view digits = part.text().substr(begin, json.position() - begin);
        Index size = 0;
        for (const char digit : digits)
          if (digit < '0' || digit > '9' || __builtin_mul_overflow(size, Index{10}, &size) ||
              __builtin_add_overflow(size, Index{digit - '0'}, &size))
            return;
        out.total_size = size;
      });
    } else if (key == "weight_map") {
      once(mapped);
      json.object([&](std::string_view tensor) {
        const std::string_view file = json.string(unescaped);
        if (!plain_file_name(file))
          json.refuse_at(json.position(), concat("tensor ", shown(tensor), " would be in ", shown(file)),
                         "a name of a file beside the index");
        auto at = seen.find(file);
        if (at == seen.end()) {
          at = seen.emplace(file, out.files.size()).first;
          out.files.emplace_back(file);
        }
        out.weights.push_back({std::string(tensor), at->second});
      });
    } else {
      json.skip();
    }
  });
  json.end();
  if (!mapped) json.refuse_at(0, "there is no 'weight_map'");
  const auto name_at = [&](std::size_t i) -> std::string_view { return out.weights[i].name; };
  if (const auto twice = NameIndex(out.weights.size(), name_at).repeated(name_at))
    json.refuse_at(0, concat("tensor ", shown(out.weights[*twice].name), " occurs twice in 'weight_map'"));
  return out;
}

/// Compares what files hold with what the index says.
///
/// held     names of tensors in file i of the index; any range of ranges of strings
/// path     of the index, for the messages
/// Post     warnings SP-CHECKPOINT-007 for names that the index does not have in that file
/// Errors   SP-CHECKPOINT-007 a file does not hold a name that the index puts there
template <class Files>
Diagnostics check_shards(const ShardIndex& index, const Files& held, std::string_view path) {
  Diagnostics warnings;
  const auto name_at = [&](std::size_t i) -> std::string_view { return index.weights[i].name; };
  const NameIndex by_name(index.weights.size(), name_at);
  std::vector<bool> found(index.weights.size(), false);
  std::size_t file = 0;
  for (const auto& names : held) {
    std::size_t unlisted = 0;
    std::string first;
    for (const auto& one : names) {
      const std::string_view tensor = one;
      const auto at = by_name.find(tensor, name_at);
      if (at && index.weights[*at].file == file)
        found[*at] = true;
      else if (unlisted++ == 0)
        first = shown(tensor);
    }
    if (unlisted > 0) {
      Diagnostic warning =
          finding("SP-CHECKPOINT-007", concat(shown(index.files[file]), " holds ", unlisted, " tensors that '", path,
                                              "' does not have there, the first ", first, "; they are not read"));
      warning.severity = Severity::warning;
      warnings.push_back(std::move(warning));
    }
    ++file;
  }
  for (std::size_t i = 0; i < found.size(); ++i)
    if (!found[i])
      fail("SP-CHECKPOINT-007",
           concat('\'', path, "' has tensor ", shown(index.weights[i].name), " in ",
                  shown(index.files[index.weights[i].file]), ", which does not hold it"),
           {}, {"path"});
  return warnings;
}

/// `model.safetensors.index.json` or `pytorch_model.bin.index.json`.
inline std::string index_name(WeightFormat format) {
  return format == WeightFormat::safetensors ? "model.safetensors.index.json" : "pytorch_model.bin.index.json";
}

/// `model-00001-of-00003.safetensors`; of one file, `model.safetensors`.
///
/// Pre      number < count
inline std::string shard_name(WeightFormat format, std::size_t number, std::size_t count) {
  const auto five = [](std::size_t value) {
    const std::string digits = std::to_string(value);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  const bool safe = format == WeightFormat::safetensors;
  return concat(safe ? "model" : "pytorch_model", count == 1 ? "" : concat('-', five(number + 1), "-of-", five(count)),
                safe ? ".safetensors" : ".bin");
}

/// Which file each tensor goes to: in order, a new file when the next tensor would exceed the limit; a tensor larger
/// than that has a file of its own.
///
/// limit    of the bytes of tensors in a file
/// Post     numbers from 0 without a gap, never falling
inline std::vector<std::size_t> fill_shards(std::span<const std::size_t> sizes, std::size_t limit) {
  std::vector<std::size_t> out;
  out.reserve(sizes.size());
  std::size_t file = 0, used = 0;
  bool empty = true;
  for (const std::size_t size : sizes) {
    if (!empty && (used > limit || size > limit - used)) {
      ++file;
      used = 0;
    }
    empty = false;
    used += size;
    out.push_back(file);
  }
  return out;
}

/// The text of an index as Hugging Face writes it: names sorted, two blanks a level.
///
/// Pre      names are UTF-8
inline std::string index_text(const ShardIndex& index) {
  std::vector<const ShardIndex::Weight*> sorted;
  for (const ShardIndex::Weight& weight : index.weights) sorted.push_back(&weight);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  std::string out = "{\n  \"metadata\": {";
  if (index.total_size) out += concat("\n    \"total_size\": ", *index.total_size, "\n  ");
  out += "},\n  \"weight_map\": {";
  for (const ShardIndex::Weight* weight : sorted) {
    out += weight == sorted.front() ? "\n    " : ",\n    ";
    append_json(out, weight->name);
    out += ": ";
    append_json(out, index.files[weight->file]);
  }
  return out += sorted.empty() ? "}\n}\n" : "\n  }\n}\n";
}

/// Writes an index beside its place and renames. Errors SP-CHECKPOINT-008 it cannot be written.
inline void write_shard_index(const std::string& path, const ShardIndex& index) {
  const std::string text = index_text(index);
  OutputFile file(path, text.size());
  file.write(0, text);
  file.finish();
}

}  // namespace shardplan::checkpoint
