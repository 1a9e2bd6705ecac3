#include <shardplan/zero/deepspeed.hpp>

#include "support.hpp"

using namespace shardplan;

namespace {

FlatLayout flat(const Numbers& elements, const zero::DataRanks& ranks, bool round_robin = false) {
  return zero::deepspeed_flat(elements, ranks, round_robin);
}

Numbers padding(const FlatLayout& layout, Index ranks) {
  Numbers out;
  for (Index rank = 0; rank < ranks; ++rank)
    out.push_back(shard(layout.buffer(), layout.buffer().view().place(rank)).padding());
  return out;
}

const Numbers six{40, 7, 15, 8, 16, 1};

}  // namespace

TEST_CASE("deepspeed: recorded partitions") {
  const FlatLayout two = flat(six, 2);
  CHECK(slices(two, 2)[0] == std::vector<FlatSlice>{{0, {0, 40}, 0, 0}, {1, {0, 4}, 40, 40}});
  CHECK(slices(two, 2)[1] ==
        std::vector<FlatSlice>{
            {1, {4, 7}, 44, 0}, {2, {0, 15}, 47, 3}, {3, {0, 8}, 62, 18}, {4, {0, 16}, 70, 26}, {5, {0, 1}, 86, 42}});
  CHECK(padding(two, 2) == Numbers{0, 1});

  const FlatLayout turns = flat(six, 4, true);
  CHECK(slices(turns, 4)[2] ==
        std::vector<FlatSlice>{{4, {4, 16}, 44, 0}, {1, {0, 7}, 56, 12}, {5, {0, 1}, 63, 19}, {2, {0, 2}, 64, 20}});
  CHECK(padding(turns, 4) == Numbers{0, 0, 0, 1});

  const FlatLayout sparse = flat({5, 3}, 8);
  CHECK(slices(sparse, 8)[2] == std::vector<FlatSlice>{{0, {4, 5}, 4, 0}, {1, {0, 1}, 5, 1}});
  CHECK(slices(sparse, 8)[4].empty());
  CHECK(padding(sparse, 8) == Numbers{0, 0, 0, 0, 2, 2, 2, 2});
  CHECK(padding(flat({1}, 4), 4) == Numbers{1, 2, 2, 2});
}

TEST_CASE("deepspeed: parameters are tiled, parts are equal and padded at the end") {
  for (Index ranks = 1; ranks <= 7; ++ranks)
    for (const bool round_robin : {false, true})
      for (Index seed = 0; seed < 12; ++seed) {
        CAPTURE(ranks);
        CAPTURE(seed);
        Numbers elements;
        for (Index i = 0; i < 5; ++i) elements.push_back((seed * 7 + i * i * 5) % 19);
        const FlatLayout layout = flat(elements, ranks, round_robin);
        check_tiles(layout, elements, ranks);
        Index all = 0;
        for (const Index count : elements) all += count;
        const Index part = round_up(all, 2 * ranks) / ranks;
        const Numbers padded = padding(layout, ranks);
        for (Index rank = 0; rank < ranks; ++rank) {
          CHECK(layout.buffer().local_size(0, layout.buffer().view().place(rank)) == part);
          CHECK(padded[static_cast<std::size_t>(rank)] == part - std::clamp(all - rank * part, Index{0}, part));
        }
      }
}

TEST_CASE("deepspeed: round robin") {
  CHECK(zero::round_robin(6, 4) == Numbers{0, 4, 1, 5, 2, 3});
  CHECK(zero::round_robin(6, 1) == Numbers{0, 1, 2, 3, 4, 5});
  CHECK(zero::round_robin(2, 8) == Numbers{0, 1});
  CHECK(zero::round_robin(0, 3).empty());
}

TEST_CASE("deepspeed: over the data and context ranks of a mesh") {
  const View view({{dp, 2}, {cp, 2}, {tp, 2}});
  const FlatLayout layout = flat(six, view);
  const FlatLayout plain = flat(six, 4);
  for (Index r = 0; r < view.size(); ++r)
    CHECK(slices(layout, view.size())[static_cast<std::size_t>(r)] ==
          slices(plain, 4)[static_cast<std::size_t>(r / 2)]);
}

TEST_CASE("deepspeed: refusals") {
  CHECK(thrown_ids([] { flat(six, 0); }) == Ids{"SP-ZERO-002"});
  CHECK(thrown_ids([] { flat({5, -1}, 2); }) == Ids{"SP-LAYOUT-011"});
  CHECK(thrown_ids([] { flat({INT64_MAX, 1}, 2); }) == Ids{"SP-CORE-001"});
}
