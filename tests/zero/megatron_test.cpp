#include <shardplan/zero/megatron.hpp>

#include <array>

#include "support.hpp"

using namespace shardplan;
using zero::MegatronBuffer;
using zero::MegatronOptions;
using zero::MegatronParameter;

namespace {

std::vector<MegatronParameter> parameters(const Numbers& elements, const Numbers& shared = {}) {
  std::vector<MegatronParameter> out;
  for (const Index count : elements) out.push_back({count, false});
  for (const Index i : shared) out[static_cast<std::size_t>(i)].shared_embedding = true;
  return out;
}

/// [parameter, begin, end, bucket] of every entry.
using Row = std::array<Index, 4>;
std::vector<Row> entries(const MegatronBuffer& buffer) {
  std::vector<Row> out;
  for (const FlatEntry& e : buffer.flat().entries())
    out.push_back({e.tensor, e.offset, e.offset + e.elements, static_cast<Index>(buffer.bucket_of(e.offset))});
  return out;
}

/// [bucket, parameter, begin and end in it, begin in the buffer, begin in the rank's part of the bucket] of a rank.
using Range = std::array<Index, 6>;
std::vector<Range> ranges(const MegatronBuffer& buffer, Index rank) {
  std::vector<Range> out;
  buffer.flat().for_each_slice(buffer.flat().buffer().view().place(rank), [&](const FlatSlice& slice) {
    out.push_back({static_cast<Index>(buffer.bucket_of(slice.buffer)), slice.tensor, slice.range.begin, slice.range.end,
                   slice.buffer, buffer.local_in_bucket(slice)});
  });
  return out;
}

using Buckets = std::vector<MegatronBuffer::Bucket>;

}  // namespace

TEST_CASE("megatron: a recorded buffer of one bucket") {
  const MegatronBuffer buffer(parameters({40, 7, 15, 8, 16, 1}), 2);
  CHECK(entries(buffer) ==
        std::vector<Row>{
            {5, 0, 1, 0}, {4, 64, 80, 0}, {3, 128, 136, 0}, {2, 192, 207, 0}, {1, 256, 263, 0}, {0, 320, 360, 0}});
  CHECK(buffer.buckets() == Buckets{{{0, 384}, 360}});
  CHECK(ranges(buffer, 0) == std::vector<Range>{{0, 5, 0, 1, 0, 0}, {0, 4, 0, 16, 64, 64}, {0, 3, 0, 8, 128, 128}});
  CHECK(ranges(buffer, 1) == std::vector<Range>{{0, 2, 0, 15, 192, 0}, {0, 1, 0, 7, 256, 64}, {0, 0, 0, 40, 320, 128}});
}

TEST_CASE("megatron: a recorded buffer of two buckets") {
  const MegatronBuffer buffer(parameters({512, 100, 99, 512}), 4, {.bucket_size = 600});
  CHECK(entries(buffer) == std::vector<Row>{{3, 0, 512, 0}, {2, 512, 611, 0}, {1, 640, 740, 1}, {0, 768, 1280, 1}});
  CHECK(buffer.buckets() == Buckets{{{0, 640}, 611}, {{640, 1280}, 640}});
  CHECK(ranges(buffer, 3) ==
        std::vector<Range>{{0, 3, 480, 512, 480, 0}, {0, 2, 0, 99, 512, 32}, {1, 0, 352, 512, 1120, 0}});
}

TEST_CASE("megatron: a shared embedding has a bucket to itself") {
  const MegatronBuffer buffer(parameters({2048, 64, 4096, 64, 2048}, {0}), 2, {.bucket_size = 2000});
  CHECK(buffer.buckets() == Buckets{{{0, 2048}, 2048}, {{2048, 6272}, 4160}, {{6272, 6400}, 64}, {{6400, 8448}, 2048}});
  CHECK(entries(buffer).back() == Row{0, 6400, 8448, 3});
  // Also where nothing else closes buckets, and where it comes first.
  CHECK(MegatronBuffer(parameters({64, 64, 64}, {1}), 1).buckets().size() == 3);
  CHECK(MegatronBuffer(parameters({64, 64}, {1}), 1).buckets().size() == 2);
}

TEST_CASE("megatron: padding of buckets") {
  CHECK(MegatronBuffer(parameters({2048, 64, 4096}), 6).buckets() == Buckets{{{0, 6528}, 6208}});
  CHECK(MegatronBuffer(parameters({100, 7}), 4, {.pad_for_bus_bandwidth = true}).buckets() ==
        Buckets{{{0, 65536}, 164}});
  CHECK(MegatronBuffer(parameters({50, 70}), 3, {.bucket_size = 40}).buckets() ==
        Buckets{{{0, 384}, 70}, {{384, 768}, 50}});
  CHECK(MegatronBuffer({}, 4).buckets().empty());
}

TEST_CASE("megatron: parameters are tiled, buckets never split one") {
  for (const Index ranks : {1, 2, 3, 5, 8})
    for (const std::optional<Index> size : {std::optional<Index>{}, std::optional<Index>{1}, std::optional<Index>{300}})
      for (const Numbers& shared : {Numbers{}, Numbers{0}, Numbers{2, 5}})
        for (Index seed = 0; seed < 12; ++seed) {
          CAPTURE(ranks);
          CAPTURE(seed);
          Numbers elements;
          for (Index i = 0; i < 6; ++i) elements.push_back((seed * 37 + i * i * 53) % 331);
          const MegatronBuffer buffer(parameters(elements, shared), ranks, {.bucket_size = size});
          check_tiles(buffer.flat(), elements, ranks);
          Index end = 0;
          for (const auto& bucket : buffer.buckets()) {
            CHECK(bucket.range.begin == end);
            end = bucket.range.end;
            CHECK(bucket.range.size() % std::lcm(ranks, Index{128}) == 0);
            CHECK(bucket.unpadded <= bucket.range.size());
          }
          CHECK(end == buffer.flat().buffer().shape()[0]);
          for (const FlatEntry& entry : buffer.flat().entries()) {
            CHECK(entry.offset % 64 == 0);
            if (entry.elements == 0) continue;
            const std::size_t at = buffer.bucket_of(entry.offset);
            CHECK(at == buffer.bucket_of(entry.offset + entry.elements - 1));
            const auto& bucket = buffer.buckets()[at];
            CHECK(entry.offset + entry.elements - bucket.range.begin <= bucket.unpadded);
          }
          for (Index rank = 0; rank < ranks; ++rank)
            for (const auto& [at, parameter, begin, stop, position, local] : ranges(buffer, rank)) {
              const auto& bucket = buffer.buckets()[static_cast<std::size_t>(at)];
              const Index part = bucket.range.size() / ranks;
              CHECK(position == bucket.range.begin + rank * part + local);
              CHECK(local + stop - begin <= part);
            }
        }
}

TEST_CASE("megatron: an expert buffer is divided over the expert-data ranks") {
  const View expert({{pp, 2}, {edp, 2}, {ep, 4}, {tp, 2}});
  const MegatronBuffer buffer(parameters({200, 30}), expert);
  CHECK(buffer.buckets() == Buckets{{{0, 384}, 264}});
  for (Index r = 0; r < expert.size(); ++r) CHECK(buffer.flat().buffer().local_size(0, expert.place(r)) == 192);
  CHECK(ranges(buffer, 0) == ranges(buffer, 2));  // expert ranks 0 and 1 of the same part
}

TEST_CASE("megatron: sizes of buckets by default") {
  CHECK(zero::megatron_bucket_size(8, true) == 40'000'000);
  CHECK(zero::megatron_bucket_size(64, true) == 64'000'000);
  CHECK_FALSE(zero::megatron_bucket_size(64, false));
  CHECK_FALSE(zero::megatron_bucket_size(64, true, 1));
  CHECK_FALSE(zero::megatron_bucket_size(64, true, 0, 1));
  CHECK(thrown_ids([] { zero::megatron_bucket_size(INT64_MAX, true); }) == Ids{"SP-CORE-001"});
}

TEST_CASE("megatron: parameters that share a buffer") {
  const auto parameter = [](Dtype type, bool expert) {
    Sharding sharding = cut(0, 8);
    sharding.expert = expert;
    return Parameter{"p", {8, 8}, type, sharding, {}};
  };
  const std::vector<Parameter> all{parameter(Dtype::bfloat16, false), parameter(Dtype::bfloat16, true),
                                   parameter(Dtype::float32, false), parameter(Dtype::bfloat16, false)};
  const auto kept = zero::megatron_buffers(all, false);
  REQUIRE(kept.size() == 3);
  CHECK(kept[0].key == zero::BufferKey{Dtype::bfloat16, Dtype::bfloat16, false});
  CHECK(kept[0].members == Numbers{0, 3});
  CHECK(kept[1].key == zero::BufferKey{Dtype::bfloat16, Dtype::bfloat16, true});
  CHECK(kept[1].members == Numbers{1});
  CHECK(kept[2].members == Numbers{2});
  CHECK(zero::megatron_buffers(all, true)[0].key.gradients == Dtype::float32);
}

TEST_CASE("megatron: refusals") {
  CHECK(thrown_ids([] { MegatronBuffer(parameters({4}), 0); }) == Ids{"SP-ZERO-002"});
  CHECK(thrown_ids([] { MegatronBuffer(parameters({-5, 3}), 2); }) == Ids{"SP-LAYOUT-011"});
  CHECK(thrown_ids([] { MegatronBuffer(parameters({INT64_MAX, INT64_MAX}), 2); }) == Ids{"SP-CORE-001"});
}
