#pragma once
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/mapped_file.hpp>
#include <shardplan/checkpoint/refusal.hpp>
#include <shardplan/core/text.hpp>

/// gzip streams inflated, as much as the caller allows (checkpoint sheet, 13). Needs zlib.
namespace shardplan::checkpoint {

inline bool is_gzip(const FilePart& part) { return part.text().starts_with("\x1F\x8B"); }

/// What weights are allowed to grow to unless the caller says otherwise: 64 times the bytes, and 1 MiB. Weights shrink
/// to two thirds or so, and 1 in 1000 is what bytes that are all the same shrink to.
inline std::size_t inflated_limit(std::size_t size) {
  constexpr std::size_t factor = 64, extra = std::size_t{1} << 20;
  return size > (std::numeric_limits<std::size_t>::max() - extra) / factor ? std::numeric_limits<std::size_t>::max()
                                                                           : factor * size + extra;
}

/// Inflates a gzip file, of one member or several behind one another, piece by piece.
///
/// limit    of the bytes that come out
/// sink     (std::span<const std::byte>), called in order with pieces of at most 256 KiB
/// Errors   SP-CHECKPOINT-002 the stream is malformed, cut, or longer than the limit; SP-CHECKPOINT-003 its checksum
///          does not hold. `sink` has seen what came before.
template <class Sink>
void inflate_gzip(const FilePart& part, std::size_t limit, Sink&& sink) {
  constexpr std::size_t piece = std::size_t{1} << 18;
  const auto buffer = std::make_unique<std::byte[]>(piece);
  z_stream stream{};
  constexpr int gzip_only = 16 + MAX_WBITS;
  if (inflateInit2(&stream, gzip_only) != Z_OK) refuse("SP-CHECKPOINT-002", part, 0, "zlib cannot begin");
  const std::unique_ptr<z_stream, void (*)(z_stream*)> end(&stream, [](z_stream* one) { inflateEnd(one); });
  std::span<const std::byte> in = part.bytes();
  std::size_t total = 0;
  const auto position = [&] { return part.size - in.size() - stream.avail_in; };
  while (true) {
    if (stream.avail_in == 0) {
      const std::size_t now = std::min(in.size(), std::size_t{1} << 30);  // avail_in has 32 bits
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
      stream.avail_in = static_cast<uInt>(now);
      in = in.subspan(now);
    }
    stream.next_out = reinterpret_cast<Bytef*>(buffer.get());
    stream.avail_out = static_cast<uInt>(piece);
    const int state = inflate(&stream, Z_NO_FLUSH);
    const std::size_t out = piece - stream.avail_out;
    if (out > limit - total)
      refuse("SP-CHECKPOINT-002", part, position(),
             concat("more than ", limit, " bytes are packed into ", part.size, ": the limit is reached"));
    total += out;
    if (out > 0) sink(std::span<const std::byte>(buffer.get(), out));
    if (state == Z_STREAM_END) {
      // Another member may follow, or zeros that fill up a block.
      const std::string_view rest = part.text().substr(position());
      if (rest.find_first_not_of('\0') == rest.npos) return;
      if (inflateReset(&stream) != Z_OK) refuse("SP-CHECKPOINT-002", part, position(), "zlib cannot go on");
    } else if (state == Z_BUF_ERROR || (state == Z_OK && out < piece && stream.avail_in == 0 && in.empty())) {
      refuse("SP-CHECKPOINT-002", part, part.size, "the gzip stream is cut");
    } else if (state != Z_OK) {
      const std::string_view why = stream.msg == nullptr ? "" : stream.msg;
      refuse(why == "incorrect data check" ? "SP-CHECKPOINT-003" : "SP-CHECKPOINT-002", part, position(),
             concat("no gzip stream: ", why.empty() ? "zlib gives up" : why));
    }
  }
}

/// A file as it is, or what a gzip file holds, in memory.
///
/// Errors   as inflate_gzip
inline FilePart gunzipped(const FilePart& part, std::size_t limit) {
  if (!is_gzip(part)) return part;
  std::vector<std::byte> out;
  // The last four bytes say how long the last member is, modulo 2^32.
  std::size_t told = 0;
  for (std::size_t i = 0; i < 4 && part.size >= 18; ++i)
    told |= std::to_integer<std::size_t>(part.bytes()[part.size - 4 + i]) << (8 * i);
  out.reserve(std::min(told, limit));
  inflate_gzip(part, limit,
               [&](std::span<const std::byte> piece) { out.insert(out.end(), piece.begin(), piece.end()); });
  return FilePart(MappedFile::of_memory(part.file.path() + " (unpacked)", std::move(out)));
}
inline FilePart gunzipped(const FilePart& part) { return gunzipped(part, inflated_limit(part.size)); }

}  // namespace shardplan::checkpoint
