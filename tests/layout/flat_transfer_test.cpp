#include <shardplan/layout/flat_transfer.hpp>
#include <shardplan/zero/deepspeed.hpp>
#include <shardplan/zero/megatron.hpp>
#include <vector>

#include "support.hpp"

using namespace shardplan;

namespace {

std::vector<FlatMove> moves_of(const FlatTransfer& plan, Rank rank) {
  std::vector<FlatMove> out;
  plan.for_each_move(rank, [&](const FlatMove& move) { out.push_back(move); });
  return out;
}

View data(Index ranks) { return View({{dp, ranks}}); }

/// Whole tensors of these lengths on `ranks` data ranks, in DeepSpeed's partitions.
TensorStorage deepspeed(const std::vector<Index>& lengths, Index ranks) {
  TensorStorage out;
  for (const Index length : lengths) out.tensors.emplace_back(data(ranks), Shape{length});
  out.buffers.push_back(zero::deepspeed_flat(lengths, data(ranks)));
  return out;
}

}  // namespace

TEST_CASE("flat to flat: DeepSpeed partitions of two ranks on three") {
  // 10 and 4 elements: padded to 16, parts of 8, and to 18, parts of 6.
  const FlatTransfer plan(deepspeed({10, 4}, 2), deepspeed({10, 4}, 3));
  CHECK(moves_of(plan, 0) == std::vector<FlatMove>{{0, 0, 0, 0, 0, 0, 0, 6}});
  CHECK(moves_of(plan, 1) ==
        std::vector<FlatMove>{{0, 0, 1, 0, 0, 6, 0, 2}, {0, 1, 1, 0, 0, 0, 2, 2}, {1, 1, 1, 0, 0, 2, 4, 2}});
  CHECK(moves_of(plan, 2) == std::vector<FlatMove>{{1, 1, 2, 0, 0, 4, 0, 2}});
  CHECK(plan.traffic(1) == Traffic{1, 2, 4});
  CHECK(moves_of(plan, 1)[0].bytes(Dtype::float32) == 8);
  CHECK(moves_of(plan, 5).empty());
  std::vector<FlatMove> sent;
  plan.for_each_move_from(1, [&](const FlatMove& move) { sent.push_back(move); });
  CHECK(sent == std::vector<FlatMove>{{0, 1, 1, 0, 0, 0, 2, 2}, {1, 1, 1, 0, 0, 2, 4, 2}, {1, 1, 2, 0, 0, 4, 0, 2}});
}

TEST_CASE("flat to flat: Megatron buckets to DeepSpeed partitions, tensor parallel in between") {
  // Weights of 8 x 6, tp 2 along rows on one side, along columns on the other.
  const View from({{dp, 4}, {tp, 2}}), to({{dp, 3}, {tp, 2}}, {}, 1);
  TensorStorage megatron, partitions;
  for (int t = 0; t < 3; ++t) {
    megatron.tensors.push_back(Layout(from, {8, 6}).then(0, split(tp)));
    partitions.tensors.push_back(Layout(to, {8, 6}).then(1, split(tp)));
  }
  const std::vector<zero::MegatronParameter> parameters(3, {.elements = 24});
  megatron.buffers.push_back(zero::MegatronBuffer(parameters, from, {.bucket_size = 64}).flat());
  partitions.buffers.push_back(zero::deepspeed_flat(std::vector<Index>(3, 24), to));
  for (const bool back : {false, true}) {
    const FlatTransfer plan = back ? FlatTransfer(partitions, megatron) : FlatTransfer(megatron, partitions);
    Index moved = 0;
    for (Index rank = 0; rank < 10; ++rank)
      for (const FlatMove& move : moves_of(plan, rank)) {
        moved += move.length;
        // rows of 3 elements on the one side, of 6 on the other: no stretch is longer than a row of 3
        CHECK(move.length <= 3);
      }
    CHECK(moved == 3 * 48);
  }
}

TEST_CASE("flat sources: of replicas the policy picks one, and several buffers are told apart") {
  // dp 2 cuts the buffer, x repeats it: ranks 0 and 1 hold the first half, 2 and 3 the second.
  constexpr Axis x{"x"};
  const View view({{dp, 2}, {x, 2}});
  TensorStorage from{{Layout(view, {8}), Layout(view, {4})}, {}};
  from.buffers.emplace_back(std::vector<FlatEntry>{{0, 0, 8}}, Layout(view, {8}).then(0, split(dp)));
  from.buffers.emplace_back(std::vector<FlatEntry>{{1, 0, 4}}, Layout(view, {4}).then(0, split(dp)));
  const View other({{tp, 4}}, {}, 8);
  const TensorStorage to{{Layout(other, {8}), Layout(other, {4})}, {}};
  const auto senders = [&](Rank rank, ReplicaChoice choice, const Topology& topology = {}) {
    std::vector<Index> out;
    for (const FlatMove& move : moves_of(FlatTransfer(from, to, choice, topology), rank)) {
      CHECK(move.from_buffer == move.tensor);
      CHECK(move.to_buffer == move.tensor);
      out.push_back(move.from.value);
    }
    return out;
  };
  CHECK(senders(9, ReplicaChoice::nearest) == std::vector<Index>{1, 3, 1, 3});
  CHECK(senders(9, ReplicaChoice::lowest) == std::vector<Index>{0, 2, 0, 2});
  CHECK(senders(8, ReplicaChoice::balanced) != senders(9, ReplicaChoice::balanced));
  // Ring of 12: rank 11 is next to rank 0, and rank 3 further than rank 2 on no way around.
  CHECK(senders(11, ReplicaChoice::nearest, {0, {12}}) == std::vector<Index>{0, 2, 0, 2});
}

TEST_CASE("flat: pipeline stages read from the buffer of their stage") {
  const View view({{pp, 2}, {dp, 2}});
  TensorStorage from{{Layout(view, {6}).pinned(pp, {0}), Layout(view, {6}).pinned(pp, {1})}, {}};
  for (const Index stage : {0, 1})
    from.buffers.emplace_back(std::vector<FlatEntry>{{stage, 0, 6}},
                              Layout(view, {6}).pinned(pp, {stage}).then(0, split(dp)));
  const FlatTransfer plan(from, deepspeed({6, 6}, 1));
  CHECK(moves_of(plan, 0) ==
        std::vector<FlatMove>{
            {0, 0, 0, 0, 0, 0, 0, 3}, {0, 1, 0, 0, 0, 0, 3, 3}, {1, 2, 0, 1, 0, 0, 6, 3}, {1, 3, 0, 1, 0, 0, 9, 3}});
}

TEST_CASE("flat: what does not fit is refused") {
  const TensorStorage two = deepspeed({10, 4}, 2), one = deepspeed({10}, 2), shapes = deepspeed({10, 5}, 2);
  CHECK(thrown([&] { FlatTransfer(two, one); }) == Ids{"SP-LAYOUT-013"});
  CHECK(thrown([&] { FlatTransfer(two, shapes); }) == Ids{"SP-LAYOUT-013"});
  TensorStorage strange = two;
  strange.tensors[1] = Layout(data(3), {4});
  CHECK(thrown([&] { FlatTransfer(strange, two); }) == Ids{"SP-LAYOUT-011"});
  TensorStorage unnamed = one;
  unnamed.buffers = two.buffers;
  CHECK(thrown([&] { FlatTransfer(unnamed, one); }) == Ids{"SP-LAYOUT-011"});
  TensorStorage twice = one;
  twice.tensors[0] = Layout(data(2), {10}).then(0, split(dp));
  CHECK(thrown([&] { FlatTransfer(twice, one); }) == Ids{"SP-LAYOUT-007"});
  TensorStorage size = one;
  size.buffers[0] = FlatLayout({{0, 0, 7}}, Layout(data(2), {8}).then(0, split(dp)));
  CHECK(thrown([&] { moves_of(FlatTransfer(one, size), 0); }) == Ids{"SP-LAYOUT-011"});
  CHECK(thrown([&] { moves_of(FlatTransfer(size, one), 0); }) == Ids{"SP-LAYOUT-011"});
  TensorStorage missing = two;
  missing.buffers[0] = FlatLayout({{0, 0, 10}}, Layout(data(2), {10}).then(0, split(dp)));
  CHECK(thrown([&] { moves_of(FlatTransfer(missing, two), 1); }) == Ids{"SP-LAYOUT-013"});
  std::vector<int> part(8), small(1);
  const auto run = [&](std::vector<int>& local) {
    return thrown([&] {
      receive<int>(
          FlatTransfer(one, one), 0, [&](Rank, Index) { return std::span<const int>(part); },
          [&](Index) { return std::span<int>(local); });
    });
  };
  CHECK(run(part).empty());
  CHECK(run(small) == Ids{"SP-LAYOUT-010"});
}
