#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/mapped_file.hpp>
#include <shardplan/checkpoint/name_index.hpp>
#include <shardplan/checkpoint/refusal.hpp>

/// Tar archives, read in place (checkpoint sheet, 13).
namespace shardplan::checkpoint {

struct TarMember {
  std::string name;  ///< `folder/file`: no `./` in front, no `..`, no `/` at either end
  bool folder = false;
  FilePart content;
};

/// A tar archive (ustar, GNU or pax) of files and folders. Nothing is unpacked: members are parts of the file.
///
/// Refused are links, devices, pipes and sparse files; names that are absolute, hold `..`, a backslash or NUL, or occur
/// twice; checksums that do not hold, members that do not fit; an end without its two zero blocks or with anything but
/// zeros behind it.
class Tar {
  struct NameAt {
    const std::vector<TarMember>& members;
    std::string_view operator()(std::size_t i) const { return members[i].name; }
  };

 public:
  /// Errors SP-CHECKPOINT-002 the archive is refused, SP-CHECKPOINT-003 the checksum of a header does not hold.
  explicit Tar(FilePart file) : file_(std::move(file)), bytes_(file_.text()) {
    std::size_t at = 0;
    Extension next;
    while (!all_zero(block_at(at))) at = read_member(at, next);
    if (next.any()) refuse_at(at, "a header extends a member that does not follow");
    if (!all_zero(block_at(at + block))) refuse_at(at + block, "the archive ends with one zero block, not with two");
    if (const std::size_t more = bytes_.find_first_not_of('\0', at + 2 * block); more != bytes_.npos)
      refuse_at(more, "bytes behind the end of the archive");
    bytes_ = {};
    by_name_ = NameIndex(members_.size(), NameAt{members_});
    if (const auto twice = by_name_.repeated(NameAt{members_}))
      refuse_at(0, concat("two members are named ", shown(members_[*twice].name)));
  }

  /// In the order of the file; the root folder itself is none.
  const std::vector<TarMember>& members() const { return members_; }
  const FilePart& file() const { return file_; }

  /// Null: there is none of that name.
  const TarMember* find(std::string_view name) const {
    const auto found = by_name_.find(name, NameAt{members_});
    return found ? &members_[*found] : nullptr;
  }

 private:
  static constexpr std::size_t block = 512;

  /// What headers before a member say of it.
  struct Extension {
    std::optional<std::string> gnu_name, pax_name;
    std::optional<std::size_t> size;
    bool pax = false;
    bool any() const { return gnu_name || pax; }
  };

  [[noreturn]] void refuse_at(std::size_t at, std::string_view reason) const {
    refuse("SP-CHECKPOINT-002", file_, at, reason);
  }

  static bool all_zero(std::string_view text) { return text.find_first_not_of('\0') == text.npos; }

  std::string_view block_at(std::size_t at) const {
    if (at > bytes_.size() || bytes_.size() - at < block)
      refuse_at(bytes_.size(), "the archive is cut: it does not end with two zero blocks");
    return bytes_.substr(at, block);
  }

  /// Returns where the next header is.
  std::size_t read_member(std::size_t at, Extension& extension) {
    const std::string_view header = block_at(at);
    check_sum(header, at);
    const bool ustar = header.substr(257, 6) == std::string_view("ustar\0", 6);
    if (!ustar && header.substr(257, 8) != std::string_view("ustar  \0", 8))
      refuse_at(at + 257, "the header is not of ustar, GNU or pax");
    const char type = header[156];
    std::size_t size = number(header.substr(124, 12), at + 124, "size");
    const bool extends = type == 'x' || type == 'g' || type == 'L';
    if (!extends && extension.size) size = *extension.size;
    const std::size_t left = bytes_.size() - at - block;
    if (size > left) refuse_at(at, concat("a member of ", size, " bytes, and ", left, " are left"));
    const std::string_view content = bytes_.substr(at + block, size);
    if (extends)
      extend(extension, type, content, at + block);
    else
      add_member(header, ustar, at, size, std::exchange(extension, {}));
    const std::size_t padded = size + (block - size % block) % block;
    if (padded > left) refuse_at(bytes_.size(), "the archive is cut inside a member");
    return at + block + padded;
  }

  void add_member(std::string_view header, bool ustar, std::size_t at, std::size_t size, const Extension& extension) {
    std::string name = extension.pax_name   ? *extension.pax_name
                       : extension.gnu_name ? *extension.gnu_name
                                            : std::string(until_nul(header.substr(0, 100)));
    // GNU keeps times where ustar has the first half of a long name.
    if (const std::string_view prefix = until_nul(header.substr(345, 155));
        ustar && !extension.pax_name && !extension.gnu_name && !prefix.empty())
      name = concat(prefix, '/', name);
    const char type = header[156];
    if (type != '0' && type != '\0' && type != '5')
      refuse_at(at + 156, concat("member ", shown(name), " is ", type_name(type), ", no file and no folder"));
    const bool folder = type == '5' || (type == '\0' && name.ends_with('/'));
    if (folder && size != 0) refuse_at(at + 124, concat("folder ", shown(name), " has ", size, " bytes"));
    std::string plain = plain_name(name, at);
    if (!folder && (plain.empty() || name.ends_with('/')))
      refuse_at(at, concat("a file cannot be named ", shown(name)));
    if (!plain.empty()) members_.push_back({std::move(plain), folder, file_.part(at + block, size)});
  }

  static std::string_view type_name(char type) {
    switch (type) {
      case '1':
        return "a hard link";
      case '2':
        return "a symbolic link";
      case '3':
      case '4':
        return "a device";
      case '6':
        return "a pipe";
      case 'S':
        return "a sparse file";
      default:
        return "of a type that is not read";
    }
  }

  /// The parts of a path without `.` and empty ones.
  std::string plain_name(std::string_view name, std::size_t at) const {
    const auto refuse_name = [&](std::string_view why) { refuse_at(at, concat("member ", shown(name), ' ', why)); };
    if (name.empty()) refuse_name("has no name");
    if (name[0] == '/') refuse_name("has an absolute name");
    if (name.find('\\') != name.npos) refuse_name("has a backslash in its name");
    if (name.find('\0') != name.npos) refuse_name("has NUL in its name");
    std::string out;
    for (std::size_t begin = 0; begin < name.size();) {
      const std::size_t end = std::min(name.find('/', begin), name.size());
      const std::string_view part = name.substr(begin, end - begin);
      begin = end + 1;
      if (part.empty() || part == ".") continue;
      if (part == "..") refuse_name("leads out of its folder");
      if (!out.empty()) out += '/';
      out += part;
    }
    return out;
  }

  void extend(Extension& extension, char type, std::string_view content, std::size_t at) const {
    if (type == 'L') {
      if (extension.gnu_name) refuse_at(at, "two long names of a member");
      extension.gnu_name = std::string(until_nul(content));
      if (!all_zero(content.substr(extension.gnu_name->size()))) refuse_at(at, "bytes behind a long name");
      return;
    }
    const bool global = type == 'g';
    if (!global && std::exchange(extension.pax, true)) refuse_at(at, "two pax headers of a member");
    for (std::size_t done = 0; done < content.size();) {
      const auto wrong = [&](std::string_view why) { refuse_at(at + done, concat("a pax header: ", why)); };
      std::size_t digits = done, length = 0;
      for (; digits < content.size() && content[digits] >= '0' && content[digits] <= '9'; ++digits) {
        length = length * 10 + static_cast<std::size_t>(content[digits] - '0');
        if (length > content.size()) wrong("a record longer than the header");
      }
      if (digits == done || digits == content.size() || content[digits] != ' ') wrong("a record without its length");
      if (length > content.size() - done || length < digits - done + 2 || content[done + length - 1] != '\n')
        wrong("a record whose length is not its own");
      const std::string_view record = content.substr(digits + 1, done + length - digits - 2);
      const std::size_t equals = record.find('=');
      if (equals == record.npos) wrong("a record without '='");
      const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
      if (key.starts_with("GNU.sparse.")) wrong("sparse files are not read");
      if (key == "path" || key == "size" || key == "linkpath") {
        if (global) wrong(concat('\'', key, "' for all members"));
        if (key == "path" && std::exchange(extension.pax_name, std::string(value))) wrong("'path' occurs twice");
        if (key == "size") {
          std::size_t size = 0;
          bool good = !value.empty();
          for (const char digit : value)
            good = good && digit >= '0' && digit <= '9' && !__builtin_mul_overflow(size, 10U, &size) &&
                   !__builtin_add_overflow(size, static_cast<std::size_t>(digit - '0'), &size);
          if (!good || extension.size) wrong("'size' is no number of bytes, or occurs twice");
          extension.size = size;
        }
      }
      done += length;
    }
  }

  static std::string_view until_nul(std::string_view field) { return field.substr(0, field.find('\0')); }

  /// Octal digits between blanks and NULs, or base 256 behind a byte 80.
  std::size_t number(std::string_view field, std::size_t at, std::string_view what) const {
    const auto wrong = [&] { refuse_at(at, concat("the ", what, " is no number: ", shown(field))); };
    std::uint64_t out = 0;
    if (static_cast<unsigned char>(field[0]) >= 0x80) {
      if (static_cast<unsigned char>(field[0]) != 0x80)
        refuse_at(at, concat("the ", what, " is negative or too large"));
      for (const char letter : field.substr(1)) {
        if (out >> 55 != 0) refuse_at(at, concat("the ", what, " does not fit 63 bits"));
        out = out << 8 | static_cast<unsigned char>(letter);
      }
      return static_cast<std::size_t>(out);
    }
    const std::size_t begin = std::min(field.find_first_not_of(' '), field.size());
    std::size_t i = begin;
    for (; i < field.size() && field[i] >= '0' && field[i] <= '7'; ++i)
      out = out << 3 | static_cast<std::uint64_t>(field[i] - '0');
    if (field.find_first_not_of(std::string_view(" \0", 2), i) != field.npos) wrong();
    return static_cast<std::size_t>(out);
  }

  void check_sum(std::string_view header, std::size_t at) const {
    constexpr std::size_t begin = 148, end = 156;
    std::size_t sum = 0;
    for (std::size_t i = 0; i < block; ++i)
      sum += i >= begin && i < end ? std::size_t{' '} : static_cast<unsigned char>(header[i]);
    const std::size_t stored = number(header.substr(begin, end - begin), at + begin, "checksum");
    if (sum != stored)
      refuse("SP-CHECKPOINT-003", file_, at, concat("the header's checksum is ", sum, ", and it says ", stored));
  }

  FilePart file_;
  std::string_view bytes_;
  std::vector<TarMember> members_;
  NameIndex by_name_;
};

}  // namespace shardplan::checkpoint
