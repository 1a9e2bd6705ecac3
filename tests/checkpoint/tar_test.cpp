#include <doctest/doctest.h>
#include <zlib.h>

#include <shardplan/checkpoint/gzip.hpp>
#include <shardplan/checkpoint/tar.hpp>

#include "containers.hpp"

using namespace shardplan;
using namespace shardplan::checkpoint;

namespace {

const Ids refused{"SP-CHECKPOINT-002"}, checksum{"SP-CHECKPOINT-003"};

Ids reading(const std::string& text) {
  return thrown([&] { Tar{part_of(text)}; });
}

/// The content of a member; "(none)" where there is none.
std::string content(const std::string& text, std::string_view name) {
  const Tar tar(part_of(text));
  const TarMember* const member = tar.find(name);
  return member == nullptr ? "(none)" : std::string(member->content.text());
}

std::string gzipped(std::string_view text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  std::string in(text);
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

constexpr std::string_view gnu("ustar  \0", 8);

}  // namespace

TEST_CASE("members are parts of the file, by names without './'") {
  for (const std::string_view magic : {std::string_view("ustar\0"
                                                        "00",
                                                        8),
                                       gnu}) {
    const std::string text = tar_member("./", "", '5', magic) + tar_member("./d/", "", '5', magic) +
                             tar_member(".//d/./a", "hello", '0', magic) +
                             tar_member("b", std::string(1000, 'b'), '\0', magic) +
                             tar_member("empty", "", '0', magic) + tar_member("old/", "", '\0', magic) + tar_end();
    const Tar tar(part_of(text));
    std::vector<std::string> names;
    for (const TarMember& member : tar.members()) names.push_back(concat(member.name, member.folder ? "/" : ""));
    CHECK(names == std::vector<std::string>{"d/", "d/a", "b", "empty", "old/"});
    CHECK(tar.find("d/a")->content.text() == "hello");
    CHECK(tar.find("d/a")->content.offset == 3 * tar_block);
    CHECK(tar.find("b")->content.text() == std::string(1000, 'b'));
    CHECK(tar.find("empty")->content.size == 0);
    CHECK(tar.find("./d/a") == nullptr);
  }
  CHECK(Tar(part_of(tar_end())).members().empty());
  CHECK(Tar(part_of(tar_end() + std::string(10240, '\0'))).members().empty());
}

TEST_CASE("long names: ustar in two halves, GNU and pax in members of their own") {
  const std::string far(150, 'f'), near(40, 'n'), both = concat(far, '/', near);
  std::string split = tar_member(near, "x");
  split.replace(345, far.size(), far);
  set_checksum(split);
  CHECK(content(split + tar_end(), both) == "x");
  // In GNU archives the same bytes are times.
  std::string times = tar_member("a", "x", '0', gnu);
  times.replace(345, 11, "12345670123");
  set_checksum(times);
  CHECK(content(times + tar_end(), "a") == "x");

  CHECK(content(tar_member("././@LongLink", both + '\0', 'L', gnu) + tar_member(both.substr(0, 100), "x", '0', gnu) +
                    tar_end(),
                both) == "x");
  const std::string pax = tar_member("PaxHeaders/a", pax_record("mtime", "1.5") + pax_record("path", both), 'x');
  CHECK(content(pax + tar_member("a", "x") + tar_member("c", "y") + tar_end(), both) == "x");
  CHECK(content(pax + tar_member("a", "x") + tar_member("c", "y") + tar_end(), "c") == "y");
  CHECK(content(tar_member("g", pax_record("comment", "all"), 'g') + tar_member("a", "x") + tar_end(), "a") == "x");
  // The size of pax stands above that of the header.
  std::string sized = tar_member("a", "hello");
  sized.replace(124, 11, "00000000000");
  set_checksum(sized);
  CHECK(content(tar_member("p", pax_record("size", "5"), 'x') + sized + tar_end(), "a") == "hello");
}

TEST_CASE("sizes in octal and in base 256") {
  const auto with_size = [](std::string_view field) {
    std::string out = tar_member("a", "hello");
    out.replace(124, 12, field);
    set_checksum(out);
    return out + tar_end();
  };
  for (const std::string_view good :
       {std::string_view("          5 "), std::string_view("00000000005\0", 12), std::string_view("000000000005"),
        std::string_view("5\0\0\0\0\0\0\0\0\0\0\0", 12), std::string_view("\x80\0\0\0\0\0\0\0\0\0\0\5", 12)})
    CHECK(content(with_size(good), "a") == "hello");
  for (const std::string_view bad :
       {std::string_view("00000000008\0", 12), std::string_view("5x\0\0\0\0\0\0\0\0\0\0", 12),
        std::string_view("-0000000005\0", 12), std::string_view("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFB", 12),
        std::string_view("\x80\0\0\0\x10\0\0\0\0\0\0\0", 12), std::string_view("\x80\1\0\0\0\0\0\0\0\0\0\0", 12),
        std::string_view("\x80\0\0\0\x80\0\0\0\0\0\0\5", 12), std::string_view("77777777777\0", 12)})
    CHECK(reading(with_size(bad)) == refused);
}

TEST_CASE("what is no file and no folder, and names that lead elsewhere") {
  for (const char type : {'1', '2', '3', '4', '6', '7', 'S', 'K', 'A', 'D', 'M'}) {
    CAPTURE(type);
    CHECK(reading(tar_member("a", "", type) + tar_end()) == refused);
  }
  for (const std::string_view name : {"/a", "..", "../a", "a/../../b", "a/..", "a\\b", "", ".", "./", "a/"}) {
    CAPTURE(name);
    CHECK(reading(tar_member(name, "x") + tar_end()) == refused);
  }
  CHECK(reading(tar_member("..a/b..", "x") + tar_end()) == Ids{});
  CHECK(reading(tar_member("d", "x", '5') + tar_end()) == refused);
  for (const auto& [one, other] : {std::pair("a", "a"), {"a", "./a"}, {"d/a", "d//a"}})
    CHECK(reading(tar_member(one, "x") + tar_member(other, "y") + tar_end()) == refused);
  CHECK(reading(tar_member("a", "x") + tar_member("a/", "", '5') + tar_end()) == refused);
}

TEST_CASE("extensions that do not fit") {
  const auto pax = [](const std::string& records, char type = 'x') {
    return reading(tar_member("p", records, type) + tar_member("a", "x") + tar_end());
  };
  CHECK(pax(pax_record("path", "b")) == Ids{});
  for (const std::string& bad : {pax_record("path", "../../evil"),
                                 pax_record("path", "/b"),
                                 pax_record("path", ""),
                                 pax_record("path", std::string("a\0b", 3)),
                                 pax_record("path", "b") + pax_record("path", "c"),
                                 pax_record("size", "x"),
                                 pax_record("size", ""),
                                 pax_record("size", "1") + pax_record("size", "1"),
                                 pax_record("size", "99999999999999999999"),
                                 pax_record("size", "4096"),
                                 pax_record("GNU.sparse.major", "1"),
                                 std::string("5 a=b\n"),
                                 std::string("7 a=b\n"),
                                 std::string("99999 a=b\n"),
                                 std::string("x"),
                                 std::string("6"),
                                 std::string("6 abc\n"),
                                 std::string("5 ab\n"),
                                 std::string(" a=b\n"),
                                 std::string("2 \n")}) {
    CAPTURE(bad);
    CHECK(pax(bad) == refused);
  }
  CHECK(pax(pax_record("path", "b"), 'g') == refused);
  const std::string header = tar_member("p", pax_record("path", "b"), 'x'), name = tar_member("l", "b", 'L', gnu);
  CHECK(reading(header + header + tar_member("a", "x") + tar_end()) == refused);
  CHECK(reading(name + name + tar_member("a", "x") + tar_end()) == refused);
  CHECK(reading(header + tar_end()) == refused);
  CHECK(reading(name + tar_end()) == refused);
  CHECK(reading(tar_member("l", std::string("b\0c", 3), 'L', gnu) + tar_member("a", "x") + tar_end()) == refused);
}

TEST_CASE("a checksum that does not hold, another kind of file, an archive cut anywhere") {
  const std::string whole = tar_member("a", std::string(700, 'x')) + tar_member("b", "y") + tar_end();
  CHECK(reading(whole) == Ids{});
  for (std::size_t size = 0; size < whole.size(); size += 100) {
    CAPTURE(size);
    CHECK(reading(whole.substr(0, size)) == refused);
  }
  CHECK(reading(whole + "x") == refused);
  CHECK(reading(whole + whole) == refused);
  CHECK(reading(tar_member("a", "x") + std::string(tar_block, '\0') + tar_member("b", "y") + tar_end()) == refused);
  for (std::size_t at = 0; at < tar_block; ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] + 1);
    CAPTURE(at);
    const Ids ids = reading(changed);
    // Digits of the checksum may become none at all.
    CHECK((ids == checksum || (at >= 148 && at < 156 && (ids == refused || (at > 153 && ids == Ids{})))));
  }
  std::string old = tar_member("a", "x", '0', std::string_view("\0\0\0\0\0\0\0\0", 8)) + tar_end();
  CHECK(reading(old) == refused);
  CHECK(reading(std::string(4096, 'P')) != Ids{});
  CHECK(reading("") == refused);
}

TEST_CASE("gzip: inflated in pieces, checked, and no further than allowed") {
  const std::string tar = tar_member("a", std::string(700, 'x')) + tar_end();
  CHECK_FALSE(is_gzip(part_of(tar)));
  CHECK(gunzipped(part_of(tar)).text() == tar);
  const std::string packed = gzipped(tar);
  CHECK(is_gzip(part_of(packed)));
  CHECK(gunzipped(part_of(packed)).text() == tar);
  CHECK(gunzipped(part_of(packed), tar.size()).text() == tar);
  CHECK(thrown([&] { gunzipped(part_of(packed), tar.size() - 1); }) == refused);
  CHECK(gunzipped(part_of(packed + packed)).text() == tar + tar);
  CHECK(gunzipped(part_of(packed + std::string(100, '\0'))).text() == tar);
  CHECK(thrown([&] { gunzipped(part_of(packed + "junk")); }) == refused);
  CHECK(thrown([&] { gunzipped(part_of(std::string("\x1F\x8B"))); }) == refused);
  for (std::size_t size = 2; size < packed.size(); ++size)
    CHECK(thrown([&] { gunzipped(part_of(packed.substr(0, size))); }) == refused);
  std::string changed = packed;
  changed[packed.size() - 6] = static_cast<char>(changed[packed.size() - 6] ^ 1);  // of the checksum
  CHECK(thrown([&] { gunzipped(part_of(changed)); }) == checksum);

  std::string large(std::size_t{3} << 20, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761U >> 24);
  const std::string small = gzipped(large);
  std::string pieces;
  std::size_t count = 0;
  inflate_gzip(part_of(small), large.size(), [&](std::span<const std::byte> piece) {
    pieces += text_of(piece);
    ++count;
  });
  CHECK(pieces == large);
  CHECK(count > 10);
  CHECK(thrown([&] { gunzipped(part_of(gzipped(std::string(std::size_t{16} << 20, '\0')))); }) == refused);
}
