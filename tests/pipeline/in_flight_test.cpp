#include <shardplan/pipeline/in_flight.hpp>

#include "support.hpp"

using namespace shardplan;
using pipeline::in_flight;
using pipeline::ScheduleKind;

namespace {
Numbers of_all_ranks(ScheduleKind kind, Index microbatches, Index ranks, Index chunks) {
  Numbers out;
  for (Index rank = 0; rank < ranks; ++rank) out.push_back(in_flight(kind, microbatches, ranks, chunks, rank));
  return out;
}
}  // namespace

TEST_CASE("in flight: the worked schedules") {
  CHECK(of_all_ranks(ScheduleKind::one_f_one_b, 8, 4, 1) == Numbers{4, 3, 2, 1});
  CHECK(of_all_ranks(ScheduleKind::one_f_one_b, 2, 4, 1) == Numbers{2, 2, 2, 1});
  CHECK(of_all_ranks(ScheduleKind::interleaved, 8, 4, 2) == Numbers{11, 9, 7, 5});
  CHECK(of_all_ranks(ScheduleKind::interleaved, 4, 4, 2) == Numbers{8, 8, 8, 8});
  CHECK(of_all_ranks(ScheduleKind::megatron_interleaved, 4, 4, 2) == Numbers{8, 8, 7, 5});
}

TEST_CASE("in flight: never more than all, never less than one, and never more on a later rank") {
  for (const auto kind : {ScheduleKind::one_f_one_b, ScheduleKind::interleaved, ScheduleKind::megatron_interleaved}) {
    for (Index ranks = 1; ranks <= 6; ++ranks) {
      for (Index chunks = 1; chunks <= (kind == ScheduleKind::one_f_one_b ? 1 : 3); ++chunks) {
        for (Index microbatches = 1; microbatches <= 20; ++microbatches) {
          const Numbers held = of_all_ranks(kind, microbatches, ranks, chunks);
          for (std::size_t rank = 0; rank < held.size(); ++rank) {
            CHECK(held[rank] >= 1);
            CHECK(held[rank] <= microbatches * chunks);
            if (rank > 0) CHECK(held[rank] <= held[rank - 1]);
          }
          // Stage 0 of a long run: P + (P - 1) / V full stages.
          if (microbatches > ranks && microbatches * chunks > (chunks + 1) * ranks)
            CHECK(held[0] == chunks * ranks + (ranks - 1) * (kind != ScheduleKind::one_f_one_b));
        }
      }
    }
  }
}

TEST_CASE("in flight: refusals") {
  CHECK(thrown_ids([] { in_flight(ScheduleKind::one_f_one_b, 4, 2, 2, 0); }) == Ids{"SP-PIPELINE-004"});
  CHECK(thrown_ids([] { in_flight(ScheduleKind::one_f_one_b, 0, 2, 1, 0); }) == Ids{"SP-PIPELINE-008"});
  CHECK(thrown_ids([] { in_flight(ScheduleKind::interleaved, 4, 0, 2, 0); }) == Ids{"SP-PIPELINE-008"});
  CHECK(thrown_ids([] { in_flight(ScheduleKind::interleaved, INT64_MAX, 2, 2, 0); }) == Ids{"SP-CORE-001"});
}

TEST_CASE("odd-even exchange: exactly as many microbatches as ranks") {
  CHECK(pipeline::odd_even_exchange(4, 4));
  CHECK_FALSE(pipeline::odd_even_exchange(8, 4));
  CHECK_FALSE(pipeline::odd_even_exchange(2, 4));
}
