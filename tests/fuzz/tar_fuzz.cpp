#include <shardplan/checkpoint/nemo_archive.hpp>

// Bytes become a tar archive, as they are and with the checksums of all headers set right. Refused with a diagnostic of
// the checkpoint room, or read: then members are where they fit and have the names that they may have; the same of a
// .nemo archive.
namespace {

using namespace shardplan;
using namespace shardplan::checkpoint;

constexpr std::size_t block = 512;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

FilePart file_of(std::string_view text) {
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return FilePart(MappedFile::of_memory("input", {begin, begin + text.size()}));
}

void check_archive(std::string_view text) {
  try {
    const Tar tar(file_of(text));
    for (const TarMember& member : tar.members()) {
      require(tar.find(member.name) == &member);
      require(!member.name.empty() && member.name[0] != '/' && member.name.back() != '/');
      require(("/" + member.name + "/").find("/../") == std::string::npos);
      require(member.content.offset + member.content.size <= text.size());
      require(member.content.text().size() == member.content.size);
    }
    const NemoArchive archive(tar);
    const auto missing = archive.missing(16);
    require(static_cast<Index>(missing.size()) <= archive.missing_count());
    require(missing.empty() == (archive.missing_count() == 0));
    for (const ModelRank rank : missing) require(archive.find(rank) == nullptr);
    for (const NemoArchive::Weights& one : archive.weights()) {
      require(archive.find(one.rank) == &one.file);
      require(one.rank.tensor < archive.tensor_degree() && one.rank.pipeline < archive.pipeline_degree());
    }
    for (const std::string& artifact : archive.artifacts()) archive.artifact(artifact);
  } catch (const Error& error) {
    require(error.diagnostics().size() == 1);
    const std::string_view id = error.diagnostics()[0].id;
    require(id == "SP-CHECKPOINT-002" || id == "SP-CHECKPOINT-003");
  }
}

/// Every block gets the checksum that it would have as a header, and two blocks of zeros follow.
std::string with_checksums(std::string text) {
  text.resize((text.size() + block - 1) / block * block);
  for (std::size_t at = 0; at < text.size(); at += block) {
    if (text.compare(at + 257, 5, "ustar") != 0) continue;
    text.replace(at + 148, 8, "        ");
    unsigned sum = 0;
    for (std::size_t i = 0; i < block; ++i) sum += static_cast<unsigned char>(text[at + i]);
    for (std::size_t i = 6; i-- > 0; sum /= 8) text[at + 148 + i] = static_cast<char>('0' + sum % 8);
  }
  return text + std::string(2 * block, '\0');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_archive(text);
  check_archive(with_checksums(std::string(text)));
  return 0;
}
