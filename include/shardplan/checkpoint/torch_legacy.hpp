#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/checkpoint/detail/little.hpp>
#include <shardplan/checkpoint/pickle.hpp>
#include <shardplan/checkpoint/refusal.hpp>
#include <shardplan/checkpoint/value.hpp>

/// Torch files from before 1.6: pickles one behind the other, then the storages (checkpoint sheet, section 10).
namespace shardplan::checkpoint::detail {

/// The first bytes of such a file: a protocol 2 pickle of an integer of ten bytes.
inline constexpr std::string_view legacy_start = "\x80\x02\x8a\x0a";

class LegacyTorch {
 public:
  LegacyTorch(const FilePart& part, const PickleAllows& allows) : part_(part), allows_(allows) {}

  /// Errors   SP-CHECKPOINT-002 not such a file, of another version, or not whole; a storage of another size than the
  ///          pickle says; SP-CHECKPOINT-004 and -005 as read_pickle
  Value read() {
    const Value magic = next();
    const BigInteger* number = magic.as<BigInteger>();
    if (!number || number->bytes != "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") refuse(0, "another magic number");
    check_version(next());
    const Value about = next();
    const Value* version = about.find("protocol_version");
    if (!version) refuse(at_, "no description of the machine that wrote it");
    check_version(*version);

    // The first pass finds out which storages there are; where they lie is known behind the pickle only.
    const std::size_t object = at_;
    std::map<std::string_view, PickledStorage> asked;
    read_pickle(object, [&](const PickledStorage& storage) {
      asked.emplace(storage.key, storage);
      return Storage{};
    });
    const std::map<std::string_view, FilePart> data = storages(asked);
    at_ = object;
    return read_pickle(object, [&](const PickledStorage& storage) {
      // Writers of this format turned bytes round where need was: they are always little-endian.
      return Storage{data.at(storage.key), {}, std::endian::native == std::endian::big};
    });
  }

 private:
  [[noreturn]] void refuse(std::size_t at, std::string_view why, std::string_view hint = {}) const {
    checkpoint::refuse("SP-CHECKPOINT-002", part_, at, concat("an old torch stream: ", why), hint);
  }

  /// The next of the pickles, which holds no tensors.
  Value next() {
    return read_pickle(at_, [&](const PickledStorage&) -> Storage { refuse(at_, "a storage where none can be"); });
  }
  Value read_pickle(std::size_t at, const PickleStorages& source) {
    ReadPickle out =
        checkpoint::read_pickle(part_.text().substr(at), part_.file.path(), part_.offset + at, allows_, source);
    at_ = at + out.size;
    return std::move(out.value);
  }
  void check_version(const Value& version) const {
    const Index* number = version.as<Index>();
    if (!number || *number != 1001) refuse(at_, concat("protocol version ", version), "1001");
  }

  /// Where each storage lies: behind the list of their keys, each after the count of its elements.
  std::map<std::string_view, FilePart> storages(const std::map<std::string_view, PickledStorage>& asked) {
    const Value keys = next();
    std::map<std::string_view, FilePart> out;
    if (!keys.as<List>()) refuse(at_, "no list of storages");
    for (const Value& key : keys.as<List>()->items) {
      const std::string* text = key.as<std::string>();
      const auto found = text ? asked.find(*text) : asked.end();
      if (found == asked.end() || out.contains(found->first))
        refuse(at_, concat("a list of storages with ", key, ", which no tensor has or which it has twice"));
      const auto& [name, storage] = *found;
      const std::size_t left = part_.size - at_;
      if (left < 8) refuse(at_, concat("it ends before storage ", name));
      if (const auto count = little<std::int64_t>(part_.text(), at_); count != storage.numel)
        refuse(at_, concat("storage ", name, " of ", count, " elements, of which the pickle says ", storage.numel));
      const auto size = static_cast<std::size_t>(storage.bytes);
      if (left - 8 < size) refuse(at_, concat("it ends within storage ", name, ": ", left - 8, " of ", size, " bytes"));
      out.emplace(name, part_.part(at_ + 8, size));
      at_ += 8 + size;
    }
    if (out.size() != asked.size()) refuse(at_, concat(out.size(), " of ", asked.size(), " storages"));
    if (at_ != part_.size) refuse(at_, concat(part_.size - at_, " bytes behind the last storage"));
    return out;
  }

  FilePart part_;
  PickleAllows allows_;
  std::size_t at_ = 0;
};

}  // namespace shardplan::checkpoint::detail
