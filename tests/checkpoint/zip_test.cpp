#include <doctest/doctest.h>

#include <libdeflate.h>

#include <shardplan/checkpoint/torch_writer.hpp>
#include <shardplan/checkpoint/zip.hpp>

#include "../thrown.hpp"
#include "torch_support.hpp"

using namespace shardplan;
using namespace shardplan::checkpoint;

namespace {

const Ids malformed{"SP-CHECKPOINT-002"}, altered{"SP-CHECKPOINT-003"};

ZipArchive archive(const Scratch& scratch, std::string_view bytes) {
  return ZipArchive(FilePart(MappedFile(scratch.write("archive", bytes))));
}

Ids refusal(const Scratch& scratch, std::string_view bytes) {
  return thrown([&] {
    const ZipArchive zip = archive(scratch, bytes);
    for (const ZipRecord& record : zip.records()) zip.verify(record);
  });
}

/// `bytes` with every, or only the first, `from` as `to`, which is as long.
std::string replaced(std::string bytes, std::string_view from, std::string_view to, bool all = true) {
  std::size_t count = 0;
  for (std::size_t at = bytes.find(from); at != bytes.npos && (all || count == 0); at = bytes.find(from, at + 1)) {
    bytes.replace(at, from.size(), to);
    ++count;
  }
  REQUIRE(count > 0);
  REQUIRE(from.size() == to.size());
  return bytes;
}

std::string with(std::string bytes, std::size_t at, char byte) {
  bytes[at] = byte;
  return bytes;
}

const std::vector<std::pair<std::string, std::string>> records{
    {"root/a", "alpha"}, {"root/sub/b", std::string(1000, 'b')}, {"root/empty", ""}};

/// A file as torch writes it.
std::string torch_file(const Scratch& scratch) {
  write_torch(scratch.path("archive.pt"), Dict({{"w", made_tensor(Element::float32, {5, 7}, 1)}}));
  return std::string(MappedFile(scratch.path("archive.pt")).text());
}

}  // namespace

TEST_CASE("records are found by name, and lie where they are") {
  const Scratch scratch;
  const std::string bytes = zip_of(records);
  const ZipArchive zip = archive(scratch, bytes);
  CHECK(zip.root() == "root");
  REQUIRE(zip.records().size() == records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto& [name, content] = records[i];
    CHECK(zip.records()[i].name == name);
    const ZipRecord* found = zip.find(std::string_view(name).substr(5));
    REQUIRE(found == &zip.records()[i]);
    CHECK(zip.stored(*found).text() == content);
    CHECK(bytes.substr(found->data, found->size) == content);
    zip.verify(*found);
  }
  CHECK(zip.find("c") == nullptr);
  CHECK(zip.find("") == nullptr);
  CHECK(zip.find("root/a") == nullptr);
}

TEST_CASE("an archive within a file is read in place") {
  const Scratch scratch;
  const std::string inner = zip_of(records);
  const MappedFile file(scratch.write("outer", concat("before", inner, "behind")));
  const ZipArchive zip(FilePart(file, 6, inner.size()));
  CHECK(zip.stored(*zip.find("a")).offset == 6 + zip.find("a")->data);
  CHECK(zip.stored(*zip.find("a")).text() == "alpha");
  CHECK(thrown([&] { ZipArchive(FilePart(file, 0, 6 + inner.size())); }) == malformed);
  CHECK(thrown([&] { ZipArchive(FilePart(file, 6, inner.size() + 6)); }) == malformed);
}

TEST_CASE("an archive that is cut anywhere, or longer, is none") {
  const Scratch scratch;
  for (const std::string& whole : {zip_of(records), torch_file(scratch)}) {
    REQUIRE(refusal(scratch, whole) == Ids{});
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size);
      CHECK(refusal(scratch, whole.substr(0, size)) == malformed);
      if (size > 0) CHECK(refusal(scratch, whole.substr(size)) == malformed);
    }
    CHECK(refusal(scratch, whole + '\0') == malformed);
    CHECK(refusal(scratch, concat('P', whole)) == malformed);
    CHECK(refusal(scratch, whole + whole) == malformed);
  }
}

TEST_CASE("a changed byte is seen in every record, and never harms") {
  const Scratch scratch;
  for (const std::string& whole : {zip_of(records), torch_file(scratch)}) {
    const ZipArchive zip = archive(scratch, whole);
    std::vector<bool> in_record(whole.size());
    for (const ZipRecord& record : zip.records())
      for (std::size_t i = 0; i < record.size; ++i) in_record[record.data + i] = true;
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const int change : {1, 0x80, 0xFF}) {
        CAPTURE(at);
        const Ids found = refusal(scratch, with(whole, at, static_cast<char>(whole[at] ^ change)));
        if (in_record[at]) CHECK(found == altered);
        CHECK((found.empty() || found == altered || found == malformed));
      }
    }
  }
}

TEST_CASE("names stay within one root folder, and are each there once") {
  const Scratch scratch;
  const auto named = [&](const std::string& name) { return refusal(scratch, zip_of({{"root/a", "1"}, {name, "2"}})); };
  CHECK(named("root/b") == Ids{});
  CHECK(named("root/.hidden") == Ids{});
  for (const char* name : {"root/a", "other/b", "b", "/root/b", "root/../b", "root/./b", "root//b", "root/b/", "root/",
                           "root/b\\c", "..", "../b", "", "root/b/.."}) {
    CAPTURE(name);
    CHECK(named(name) == malformed);
  }
  CHECK(named(std::string("root/b\0c", 8)) == malformed);
  CHECK(refusal(scratch, zip_of({{"../a", "1"}})) == malformed);
  CHECK(refusal(scratch, zip_of({})) == malformed);
}

TEST_CASE("what the directory says and what stands in front of the data are the same") {
  const Scratch scratch;
  for (const std::string& whole : {zip_of({{"root/a", "alpha"}, {"root/b", "betas"}}), torch_file(scratch)}) {
    const bool foreign = whole.find("root/a") == 30;
    const std::size_t entry = whole.find("PK\x01\x02");
    const std::string_view first = foreign ? "root/a" : "archive/data.pkl";
    CHECK(refusal(scratch, replaced(whole, first, concat('x', first.substr(1)), false)) == malformed);
    CHECK(refusal(scratch, with(whole, entry + 10, 99)) == malformed);  // method
    CHECK(refusal(scratch, with(whole, entry + 10, 8)) == malformed);   // deflated here, stored there
    CHECK(refusal(scratch, with(whole, entry + 8, 9)) == malformed);    // encrypted
    CHECK(refusal(scratch, with(whole, 6, 9)) == malformed);            // encrypted
    CHECK(refusal(scratch, with(whole, entry + 24, 3)) == malformed);   // size
    CHECK(refusal(scratch, with(whole, entry + 27, 0x7F)) == malformed);
    CHECK(refusal(scratch, with(whole, entry + 34, 1)) == malformed);           // volume
    CHECK(refusal(scratch, with(whole, entry + 42, 1)) == malformed);           // place
    CHECK(refusal(scratch, with(whole, whole.size() - 2, 1)) == malformed);     // comment
    CHECK(refusal(scratch, with(whole, whole.size() - 12, 100)) == malformed);  // count
    CHECK(refusal(scratch, with(whole, whole.size() - 6, 1)) == malformed);     // place of the directory
  }
  // Two entries of one place.
  std::string twice = zip_of({{"root/a", "alpha"}, {"root/b", "betas"}});
  twice = replaced(twice, "root/b", "root/a");
  const std::size_t second = twice.rfind("PK\x01\x02");
  for (std::size_t i = 0; i < 4; ++i) twice[second + 42 + i] = '\0';
  CHECK(refusal(scratch, twice) == malformed);
}

TEST_CASE("records overlap nowhere") {
  const Scratch scratch;
  // The second record lies within the first one's data, header and all.
  const std::string inner = zip_of({{"root/b", "betas"}});
  const std::string local = inner.substr(0, inner.find("PK\x01\x02"));
  std::string bytes = zip_of({{"root/a", local}, {"root/b", "betas"}});
  const std::size_t second = bytes.rfind("PK\x01\x02");
  REQUIRE(refusal(scratch, bytes) == Ids{});
  bytes[second + 42] = 30 + 6;  // where the data of the first begins
  CHECK(refusal(scratch, bytes) == malformed);
}

TEST_CASE("deflated records are unpacked up to a limit") {
  const Scratch scratch;
  const std::string content(5000, 'x');
  std::string packed(content.size(), '\0');
  libdeflate_compressor* const deflate = libdeflate_alloc_compressor(6);
  packed.resize(libdeflate_deflate_compress(deflate, content.data(), content.size(), packed.data(), packed.size()));
  libdeflate_free_compressor(deflate);
  // A stored archive of the packed bytes, of which the method, checksum and size are then changed.
  std::string bytes = zip_of({{"root/a", packed}});
  const std::size_t entry = bytes.find("PK\x01\x02");
  std::string about;
  checkpoint::detail::append_little(about, crc32(std::as_bytes(std::span(content))));
  checkpoint::detail::append_little(about, static_cast<std::uint32_t>(packed.size()));
  checkpoint::detail::append_little(about, static_cast<std::uint32_t>(content.size()));
  for (const std::size_t at : {std::size_t{4}, entry + 6}) {
    bytes[at + 4] = 8;
    bytes.replace(at + 10, 12, about);
  }
  const ZipArchive zip = archive(scratch, bytes);
  const ZipRecord& record = zip.records()[0];
  CHECK(record.deflated);
  CHECK(record.size == content.size());
  const auto unpacked = zip.unpack(record, content.size());
  CHECK(std::string_view(reinterpret_cast<const char*>(unpacked->data()), unpacked->size()) == content);
  CHECK(thrown([&] { zip.unpack(record, content.size() - 1); }) == malformed);
  for (std::size_t i = 0; i < packed.size(); ++i) {
    const ZipArchive broken = archive(scratch, with(bytes, record.data + i, static_cast<char>(packed[i] ^ 0x55)));
    // Other bytes may say the same: the last bits of the stream are nobody's.
    const Ids found = thrown([&] {
      const auto again = broken.unpack(broken.records()[0], content.size());
      CHECK(*again == *unpacked);
    });
    CHECK((found.empty() || found == malformed || found == altered));
  }
}

TEST_CASE("checksums of ranges in any order are that of the whole") {
  const StoredTensor shape = made_tensor(Element::uint8, {300}, 5).stored;
  const std::vector<std::byte> bytes = formula(shape, 5);
  const std::span<const std::byte> all = bytes;
  CHECK(crc32(std::as_bytes(std::span("123456789", 9))) == 0xCBF43926);  // the check value of the polynomial
  CHECK(crc32(all.subspan(100), crc32(all.first(100))) == crc32(all));
  for (std::size_t piece = 1; piece <= 300; piece += 13) {
    for (std::size_t step = 1; step <= 7; step += 2) {
      RangeChecksums sums;
      const std::size_t count = (300 + piece - 1) / piece;
      for (std::size_t start = 0; start < step; ++start) {
        for (std::size_t k = start; k < count; k += step) {
          const std::size_t at = (count - 1 - k) * piece, size = std::min(piece, 300 - at);
          CHECK(sums.first_missing(300) <= at);
          CHECK(sums.add(at, size, crc32(all.subspan(at, size))));
          CHECK_FALSE(sums.add(at, 1, 0));
        }
      }
      CHECK(sums.first_missing(300) == 300);
      CHECK(sums.value() == crc32(all));
    }
  }
  RangeChecksums sums;
  CHECK(sums.add(0, 0, 0));
  CHECK(sums.add(10, 5, 1));
  CHECK_FALSE(sums.add(9, 2, 1));
  CHECK_FALSE(sums.add(14, 2, 1));
  CHECK_FALSE(sums.add(0, 100, 1));
  CHECK(sums.first_missing(300) == 0);
}
