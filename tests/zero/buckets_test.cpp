#include <shardplan/zero/buckets.hpp>

#include "support.hpp"

using namespace shardplan;
using zero::Buckets;
using zero::Gradient;

namespace {

constexpr Index mb = zero::mebibyte;

Buckets coalesced(const Numbers& bytes, Index cap) { return zero::coalesced(bytes, cap); }
Buckets all_reduced(const std::vector<Gradient>& gradients, Index cap) { return zero::all_reduced(gradients, cap); }

/// Calls f with every list of `length` sizes from 0 to `most`.
template <class F>
void for_each_list(std::size_t length, Index most, F f) {
  Numbers list(length, 0);
  for (bool more = true; more;) {
    f(list);
    more = false;
    for (Index& item : list) {
      more = item < most;
      item = more ? item + 1 : 0;
      if (more) break;
    }
  }
}

Index total(const Numbers& bucket, const Numbers& bytes) {
  Index out = 0;
  for (const Index i : bucket) out += bytes[static_cast<std::size_t>(i)];
  return out;
}

}  // namespace

TEST_CASE("coalesced: recorded buckets") {
  CHECK(coalesced(Numbers(5, 30 * mb), 100 * mb) == Buckets{{0, 1, 2}, {3, 4}});
  CHECK(coalesced({10 * mb, 200 * mb, 10 * mb, 10 * mb}, 130 * mb) == Buckets{{0, 1}, {2, 3}});
  CHECK(coalesced({60 * mb, 200 * mb, 10 * mb}, 100 * mb) == Buckets{{0}, {1}, {2}});
  CHECK(coalesced({10 * mb, 250 * mb, 5 * mb}, 100 * mb) == Buckets{{0}, {1}, {2}});
  CHECK(coalesced({100 * mb, 100 * mb}, 100 * mb) == Buckets{{0}, {1}});
  CHECK(coalesced({49 * mb, 101 * mb, 49 * mb, 101 * mb}, 100 * mb) == Buckets{{0, 1}, {2, 3}});
  CHECK(coalesced({}, mb).empty());
}

TEST_CASE("coalesced: in order, and over the cap only for one large tensor") {
  for (const Index cap : {1, 2, 3, 4, 5})
    for_each_list(4, 6, [&](const Numbers& bytes) {
      Numbers order;
      for (const Numbers& bucket : coalesced(bytes, cap)) {
        REQUIRE_FALSE(bucket.empty());
        order.insert(order.end(), bucket.begin(), bucket.end());
        const Index all = total(bucket, bytes), last = bytes[static_cast<std::size_t>(bucket.back())];
        const bool joined = last > cap && all <= 2 * cap && 2 * (all - last) < cap;
        const Index first = bytes[static_cast<std::size_t>(bucket.front())];
        REQUIRE((all <= cap || joined || all == first));
      }
      REQUIRE(order == Numbers{0, 1, 2, 3});
    });
}

TEST_CASE("all_reduced: recorded buckets") {
  const auto f = Dtype::float32, b = Dtype::bfloat16;
  CHECK(all_reduced({{20 * mb, f}, {20 * mb, f}, {50 * mb, f}, {5 * mb, f}}, 40 * mb) == Buckets{{3}, {2}, {1, 0}});
  CHECK(all_reduced({{8 * mb, b}, {4 * mb, f}, {8 * mb, b}, {8 * mb, b}, {4 * mb, f}}, 16 * mb) ==
        Buckets{{3, 2}, {0}, {4, 1}});
  CHECK(all_reduced({}, mb).empty());
}

TEST_CASE("all_reduced: types apart, backwards, as full as the cap allows") {
  for (const Index cap : {1, 2, 3, 4, 5})
    for_each_list(4, 6, [&](const Numbers& bytes) {
      std::vector<Gradient> gradients;
      for (const Index size : bytes)
        gradients.push_back({size, gradients.size() % 3 == 1 ? Dtype::float16 : Dtype::float32});
      Numbers order;
      const Numbers* before = nullptr;
      const Buckets buckets = all_reduced(gradients, cap);
      for (const Numbers& bucket : buckets) {
        REQUIRE_FALSE(bucket.empty());
        order.insert(order.end(), bucket.begin(), bucket.end());
        REQUIRE((total(bucket, bytes) <= cap || bucket.size() == 1));
        const auto type = [&](Index i) { return gradients[static_cast<std::size_t>(i)].dtype; };
        if (before && type(before->front()) == type(bucket.front()))
          REQUIRE(total(*before, bytes) + bytes[static_cast<std::size_t>(bucket.front())] > cap);
        before = &bucket;
      }
      REQUIRE(order == Numbers{3, 2, 0, 1});
    });
}

TEST_CASE("buckets: sizes that do not fit are refused") {
  const Index most = INT64_MAX;
  CHECK(thrown_ids([&] { coalesced({most, most}, most); }) == Ids{"SP-CORE-001"});
  CHECK(thrown_ids([&] { all_reduced({{most, {}}, {most, {}}}, most); }) == Ids{"SP-CORE-001"});
}

TEST_CASE("bucket_caps: what NxD chooses") {
  using zero::BucketCaps;
  static_assert(zero::bucket_caps(4, false) == BucketCaps{32, 130});
  CHECK(zero::bucket_caps(4, true) == BucketCaps{16, 65});
  CHECK(zero::bucket_caps(64, true) == BucketCaps{1, 65});
  CHECK(zero::bucket_caps(256, false) == BucketCaps{1, 130});
  CHECK(zero::bucket_caps(3, false, 512) == BucketCaps{170, 512});
  CHECK(zero::bucket_caps(3, true, 512) == BucketCaps{170, 512});
  CHECK(thrown_ids([] { zero::bucket_caps(0, false); }) == Ids{"SP-ZERO-002"});
}
