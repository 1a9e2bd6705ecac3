#include <shardplan/pipeline/catalogue.hpp>

#include <set>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::pipeline;

TEST_CASE("catalogue: names and aliases are distinct and found") {
  std::set<std::string_view> seen;
  for (const ScheduleEntry& entry : schedule_catalogue) {
    CAPTURE(entry.name);
    CHECK(seen.insert(entry.name).second);
    CHECK(&find_schedule(entry.name) == &entry);
    CHECK(!entry.summary.empty());
    if (entry.alias.empty()) continue;
    CHECK(seen.insert(entry.alias).second);
    CHECK(&find_schedule(entry.alias) == &entry);
  }
  static_assert(find_schedule("1f1b").name == "nxd-1f1b");
}

TEST_CASE("catalogue: an unknown name is refused with the closest one") {
  const auto refusal = [](std::string_view name) {
    try {
      find_schedule(name);
    } catch (const Error& error) {
      CHECK(error.diagnostics()[0].id == "SP-PIPELINE-017");
      return error.diagnostics()[0].hint;
    }
    return std::string("found");
  };
  CHECK(refusal("dualpipe-v") == "'dualpipev'?");
  CHECK(refusal("megatron-1f1") == "'megatron-1f1b'?");
  CHECK(refusal("nothing of the kind").find("zb1p") != std::string::npos);
  CHECK(refusal("").find("nxd-1f1b, 1f1b") != std::string::npos);
}

TEST_CASE("catalogue: the wanted chunk count runs, and a count that is not accepted is refused") {
  for (const ScheduleEntry& entry : schedule_catalogue) {
    CAPTURE(entry.name);
    CHECK(entry.accepts_chunks(entry.wanted_chunks()));
    CHECK_FALSE(entry.accepts_chunks(0));
    const Workload run{.microbatches = 8, .pipeline = 4, .chunks = entry.wanted_chunks()};
    const PipelineTasks tasks = make_schedule(entry.name, run);
    CHECK(prove(entry, run).empty());
    CHECK(tasks.placement == entry.placement);
    CHECK(tasks.ranks.size() == 4);
    CHECK(tasks.run.chunks == entry.wanted_chunks());
    CHECK(tasks.run.rank == 0);
    CHECK(tasks.run.microbatches == (entry.placement == StagePlacement::bidirectional ? 4 : 8));
    CHECK(tasks.ranks ==
          make_schedule(entry.name, {.microbatches = 8, .pipeline = 4, .rank = 3, .chunks = run.chunks}).ranks);
    for (Index chunks = 1; chunks <= 3; ++chunks) {
      if (entry.accepts_chunks(chunks)) continue;
      CHECK(thrown_ids([&] { make_schedule(entry.name, {.microbatches = 8, .pipeline = 4, .chunks = chunks}); }) ==
            Ids{"SP-PIPELINE-012"});
    }
  }
  CHECK(find_schedule("interleaved").interleaves());
  CHECK_FALSE(find_schedule("zb1p").interleaves());
}
