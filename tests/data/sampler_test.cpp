#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include <shardplan/data.hpp>

#include "../thrown.hpp"

using namespace shardplan;
using data::Batches;
using data::Variant;
using Numbers = std::vector<Index>;

namespace {

Numbers list(const data::Samples& samples) {
  Numbers out;
  for (const Index sample : samples) out.push_back(sample);
  REQUIRE(out.size() == samples.size());
  return out;
}

/// All samples of a step, rank after rank.
template <class S, class... Pass>
Numbers of_step(const S& sampler, Index ranks, Index step, Pass... pass) {
  Numbers out;
  for (Index rank = 0; rank < ranks; ++rank)
    for (const Index sample : sampler.samples(rank, step, pass...)) out.push_back(sample);
  return out;
}

Numbers range(Index begin, Index end) {
  Numbers out;
  for (Index i = begin; i < end; ++i) out.push_back(i);
  return out;
}

/// Calls f(batches) for many small ones that exist.
template <class F>
void for_each_batches(F&& f) {
  for (const Index samples : {1, 7, 24, 50})
    for (const Index micro : {1, 2, 3})
      for (const Index ranks : {1, 2, 4})
        for (const Index steps : {1, 2, 3})
          for (const Index consumed : {0, 5, 24})
            f(Batches{.samples = samples,
                      .consumed = consumed,
                      .micro_batch = micro,
                      .global_batch = micro * ranks * steps,
                      .data_ranks = ranks});
}

static_assert(data::Sampler<data::SequentialSampler> && data::Sampler<data::RandomSampler> &&
              data::Sampler<data::DistributedSampler>);

}  // namespace

TEST_CASE("sequential: the ranks of a step share out the next block, in order") {
  for_each_batches([](const Batches& batches) {
    for (const bool micro : {false, true}) {
      const auto sampler = micro ? data::sequential_micro_batches(batches) : data::sequential_batches(batches);
      const Index block = micro ? batches.pass() : batches.global_batch;
      CHECK(sampler.steps() == std::max(Index{0}, batches.samples - batches.consumed) / block);
      for (Index step = 0; step < sampler.steps(); ++step) {
        Numbers all = of_step(sampler, batches.data_ranks, step);
        std::sort(all.begin(), all.end());
        CHECK(all == range(batches.consumed + step * block, batches.consumed + (step + 1) * block));
      }
    }
  });
}

TEST_CASE("sequential: the last block, kept, and filled up") {
  for_each_batches([](Batches batches) {
    batches.drop_last = false;
    for (const bool micro : {false, true}) {
      const auto make = [&] {
        return micro ? data::sequential_micro_batches(batches) : data::sequential_batches(batches);
      };
      batches.pad = false;
      const auto kept = make();
      Numbers all;
      for (Index step = 0; step < kept.steps(); ++step)
        for (const Index sample : of_step(kept, batches.data_ranks, step)) all.push_back(sample);
      std::sort(all.begin(), all.end());
      CHECK(all == range(std::min(batches.consumed, batches.samples), batches.samples));

      batches.pad = true;
      const auto filled = make();
      Index real = 0, padding = 0, least = 0;
      for (Index step = 0; step < filled.steps(); ++step)
        for (Index rank = 0; rank < batches.data_ranks; ++rank) {
          const auto samples = filled.samples(rank, step);
          CHECK(static_cast<Index>(samples.size()) ==
                (micro ? batches.micro_batch : batches.global_batch / batches.data_ranks));
          for (const Index sample : samples) {
            (sample < 0 ? padding : real) += 1;
            least = std::min(least, sample);
          }
        }
      CHECK(real == static_cast<Index>(all.size()));
      CHECK((real + padding) % batches.global_batch == 0);
      CHECK(padding < batches.global_batch);
      CHECK(least == (padding == 0 ? 0 : micro ? -padding : -1));
    }
  });
}

TEST_CASE("sequential: where a run is taken up") {
  const Batches batches{.samples = 20, .consumed = 8, .global_batch = 8, .data_ranks = 2};
  // NeMo reads the rest again and again; NNM goes back to the beginning.
  const auto nemo = data::sequential_batches(batches);
  CHECK(list(nemo.samples(1, 0, 0)) == Numbers{9, 11, 13, 15});
  CHECK(list(nemo.samples(1, 0, 1)) == Numbers{9, 11, 13, 15});
  Batches of_nnm = batches;
  of_nnm.variant = Variant::nnm;
  of_nnm.consumed = 28;
  const auto nnm = data::sequential_batches(of_nnm);
  CHECK(list(nnm.samples(1, 0, 0)) == Numbers{9, 11, 13, 15});
  CHECK(list(nnm.samples(1, 0, 1)) == Numbers{1, 3, 5, 7});
  CHECK(nnm.steps(1) == 2);

  // Two halves of a run read what a whole one reads.
  const auto whole = data::sequential_batches({.samples = 64, .global_batch = 8, .data_ranks = 2});
  for (Index done = 0; done < 8; ++done) {
    const auto rest = data::sequential_batches(
        {.samples = 64, .consumed = data::consumed_samples(0, done, 8), .global_batch = 8, .data_ranks = 2});
    for (Index step = 0; step < rest.steps(); ++step)
      CHECK(list(rest.samples(1, step)) == list(whole.samples(1, done + step)));
  }
}

TEST_CASE("sequential: any step costs the same") {
  const auto sampler = data::sequential_batches(
      {.samples = Index{1} << 50, .micro_batch = 2, .global_batch = 4096, .data_ranks = 64, .drop_last = true});
  const auto last = sampler.samples(63, sampler.steps() - 1);
  CHECK(last.size() == 64);
  CHECK(last[63] == (Index{1} << 50) - 1);
  CHECK(list(last.micro_batch(1, 2)) == Numbers{last[2], last[3]});
  CHECK(last.micro_batch(32, 2).empty());
}

TEST_CASE("random: every rank has a part to itself, and reads each sample of it once") {
  for_each_batches([](Batches batches) {
    for (const bool micro : {false, true}) {
      const Index block = micro ? batches.pass() : batches.global_batch;
      batches.consumed = 0;
      if (batches.samples < block) continue;
      const auto sampler = micro ? data::random_micro_batches(batches, 3) : data::random_batches(batches, 3);
      CHECK(sampler.epoch() == 0);
      std::vector<bool> read(static_cast<std::size_t>(batches.samples));
      const Index bucket = batches.samples / batches.pass() * batches.micro_batch;
      for (Index step = 0; step < sampler.steps(); ++step)
        for (Index rank = 0; rank < batches.data_ranks; ++rank)
          for (const Index sample : sampler.samples(rank, step)) {
            CHECK(sample / bucket == rank);
            CHECK(!read[static_cast<std::size_t>(sample)]);
            read[static_cast<std::size_t>(sample)] = true;
          }
      CHECK(std::count(read.begin(), read.end(), true) == sampler.steps() * block);

      // The next pass is another epoch; and a run that is taken up reads what was left.
      const auto next = sampler.next();
      CHECK(next.epoch() == 1);
      for (Index done = 0; done < sampler.steps(); ++done) {
        Batches later = batches;
        later.consumed = done * block;
        const auto rest = micro ? data::random_micro_batches(later, 3) : data::random_batches(later, 3);
        CHECK(of_step(rest, batches.data_ranks, 0) == of_step(sampler, batches.data_ranks, done));
        CHECK(rest.consumed() == sampler.consumed());
      }
    }
  });
}

TEST_CASE("torch's distributed sampler: all ranks together read every sample that fills them once") {
  for (const Index samples : {1, 6, 21, 40})
    for (const Index ranks : {1, 2, 4})
      for (const bool shuffle : {false, true})
        for (const bool drop : {false, true}) {
          const data::DistributedSampler sampler({.samples = samples,
                                                  .data_ranks = ranks,
                                                  .global_batch = ranks,
                                                  .shuffle = shuffle,
                                                  .seed = 5,
                                                  .epoch = 2,
                                                  .drop_last = drop});
          std::vector<Index> times(static_cast<std::size_t>(samples));
          for (Index step = 0; step < sampler.steps(); ++step)
            for (const Index sample : of_step(sampler, ranks, step)) ++times[static_cast<std::size_t>(sample)];
          const Index read = sampler.steps() * ranks;
          CHECK(read == (drop ? samples / ranks * ranks : (samples + ranks - 1) / ranks * ranks));
          const auto [least, most] = std::minmax_element(times.begin(), times.end());
          CHECK(*least >= read / samples);
          CHECK(*most <= (read + samples - 1) / samples);
        }
}

TEST_CASE("samplers refuse what they cannot hand out, and say what they could") {
  using Make = void (*)(const Batches&);
  const Make all[] = {[](const Batches& b) { data::sequential_batches(b); },
                      [](const Batches& b) { data::random_batches(b); },
                      [](const Batches& b) { data::sequential_micro_batches(b); },
                      [](const Batches& b) { data::random_micro_batches(b); }};
  for (const Make make : all) {
    const Batches good{.samples = 32, .micro_batch = 2, .global_batch = 8, .data_ranks = 2};
    CHECK(thrown([&] { make(good); }).empty());
    for (Index Batches::*size :
         {&Batches::samples, &Batches::micro_batch, &Batches::global_batch, &Batches::data_ranks}) {
      Batches bad = good;
      bad.*size = 0;
      CHECK(thrown([&] { make(bad); }) == Ids{"SP-DATA-001"});
    }
    Batches bad = good;
    bad.consumed = -1;
    CHECK(thrown([&] { make(bad); }) == Ids{"SP-DATA-003"});
  }
  const Batches uneven{.samples = 32, .micro_batch = 3, .global_batch = 8, .data_ranks = 2};
  CHECK(thrown([&] { data::sequential_batches(uneven); }) == Ids{"SP-DATA-002"});
  CHECK(thrown([&] { data::random_batches(uneven); }) == Ids{"SP-DATA-002"});
  CHECK(thrown([&] { data::sequential_micro_batches(uneven, true); }) == Ids{"SP-DATA-002"});
  try {
    data::sequential_batches(uneven);
  } catch (const Error& error) {
    CHECK(error.diagnostics()[0].hint == "6 or 12");
  }

  Batches at_the_end{.samples = 8, .consumed = 8, .variant = Variant::nemo_1_14};
  CHECK(thrown([&] { data::sequential_batches(at_the_end); }) == Ids{"SP-DATA-003"});
  at_the_end.variant = Variant::nemo_2_1;
  CHECK(data::sequential_batches(at_the_end).steps() == 0);
  CHECK(thrown([&] { data::random_batches({.samples = 6, .global_batch = 8}); }) == Ids{"SP-DATA-003"});
  CHECK(thrown([&] { data::random_batches({.samples = 32, .consumed = 3, .global_batch = 8, .data_ranks = 2}); }) ==
        Ids{"SP-DATA-003"});

  const Batches kept{.samples = 32, .global_batch = 8, .data_ranks = 2, .drop_last = false};
  CHECK(thrown([&] { data::random_batches(kept); }) == Ids{"SP-DATA-004"});
  CHECK(thrown([&] { data::random_micro_batches(kept); }) == Ids{"SP-DATA-004"});
  CHECK(thrown([&] { data::random_batches({.samples = 32, .global_batch = 8}, 0, true); }) == Ids{"SP-DATA-004"});
  const Batches old{.samples = 32, .global_batch = 8, .variant = Variant::nemo_1_14};
  CHECK(thrown([&] { data::random_batches(old, 0, false); }) == Ids{"SP-DATA-004"});
  CHECK(thrown([&] { data::random_batches(old, 7); }) == Ids{"SP-DATA-004"});
  CHECK(thrown([&] { data::random_micro_batches(old, 7); }) == Ids{"SP-DATA-004"});

  const auto sampler = data::sequential_batches({.samples = 32, .global_batch = 8, .data_ranks = 2});
  CHECK(thrown([&] { sampler.samples(2, 0); }) == Ids{"SP-DATA-001"});
  CHECK(thrown([&] { sampler.samples(0, 4); }) == Ids{"SP-DATA-003"});
  CHECK(thrown([&] { sampler.samples(0, -1); }) == Ids{"SP-DATA-003"});
  const auto shuffled = data::random_batches({.samples = 32, .global_batch = 8, .data_ranks = 2});
  CHECK(thrown([&] { shuffled.samples(2, 0); }) == Ids{"SP-DATA-001"});
  CHECK(thrown([&] { shuffled.samples(0, 4); }) == Ids{"SP-DATA-003"});
  CHECK(thrown([] { data::DistributedSampler({.samples = 8, .data_ranks = 4, .global_batch = 2}); }) ==
        Ids{"SP-DATA-001"});
  const data::DistributedSampler of_torch({.samples = 8, .data_ranks = 4, .global_batch = 4});
  CHECK(thrown([&] { of_torch.samples(4, 0); }) == Ids{"SP-DATA-001"});
  CHECK(thrown([&] { of_torch.samples(0, 2); }) == Ids{"SP-DATA-003"});
}

TEST_CASE("consumed samples in a checkpoint's path") {
  CHECK(data::consumed_samples_in("ckpt/x--step=5-consumed_samples=160.0.ckpt") == 160);
  CHECK(data::consumed_samples_in("consumed_samples=160-last.ckpt") == 160);
  CHECK(data::consumed_samples_in("consumed_samples=16.0-last.ckpt") == 16);
  CHECK(data::consumed_samples_in("consumed_samples=16-last.ckpt") == 0);
  CHECK(data::consumed_samples_in("consumed_samples=") == 0);
  CHECK(data::consumed_samples_in("x.ckpt") == 0);
}
