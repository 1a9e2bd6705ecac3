#include <shardplan/report/chrome_trace.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <shardplan/core/diagnostic.hpp>
#include <shardplan/pipeline/schedules/nxd.hpp>
#include <shardplan/pipeline/schedules/zero_bubble.hpp>

#include "pictures.hpp"

using namespace shardplan;
using namespace shardplan::pipeline;
using namespace pictures;
using Json = nlohmann::json;

namespace {

std::vector<Timeline> some() {
  return {earliest(all_ranks(StagePlacement::looped, {.microbatches = 8, .pipeline = 4},
                             [](const Workload& run) { return nxd_1f1b(run); })),
          earliest(all_ranks(StagePlacement::looped, {.microbatches = 8, .pipeline = 4},
                             [](const Workload& run) { return zb1p(run); })),
          earliest(all_ranks(StagePlacement::vee, {.microbatches = 10, .pipeline = 4, .chunks = 2},
                             [](const Workload& run) { return dualpipe_v(run); }))};
}

}  // namespace

TEST_CASE("a trace has every pass once, with its time, stage and microbatch") {
  for (const Timeline& timeline : some())
    for (const double scale : {1.0, 2.5}) {
      const std::string text = chrome_trace(timeline, {.title = "a \"b\"", .microseconds_per_unit = scale});
      CHECK(text == chrome_trace(timeline, {.title = "a \"b\"", .microseconds_per_unit = scale}));
      const Json trace = Json::parse(text);
      CHECK(trace["otherData"]["makespan"] == timeline.makespan());
      std::vector<std::size_t> next(timeline.ranks.size(), 0);
      std::map<std::size_t, Index> most;
      std::map<std::size_t, std::string> names;
      for (const Json& event : trace["traceEvents"]) {
        const std::size_t rank = event["pid"];
        if (event["ph"] == "C") most[rank] = std::max(most[rank], event["args"]["chunks"].get<Index>());
        if (event["ph"] == "M" && event["name"] == "process_name") names[rank] = event["args"]["name"];
        if (event["ph"] != "X") continue;
        REQUIRE(next[rank] < timeline.ranks[rank].passes.size());
        const TimedTask& pass = timeline.ranks[rank].passes[next[rank]++];
        CHECK(event["ts"].get<double>() == static_cast<double>(pass.start) * scale);
        CHECK(event["dur"].get<double>() == static_cast<double>(pass.end - pass.start) * scale);
        CHECK(event["args"]["microbatch"] == pass.task.microbatch);
        CHECK(event["args"]["chunk"] == pass.task.chunk);
        CHECK(event["args"]["stage"] ==
              stage_at(timeline.placement, timeline.run.pipeline, {static_cast<Index>(rank), pass.task.chunk}));
        CHECK(event["name"] == concat(name(pass.task.kind), ' ', pass.task.microbatch));
      }
      for (std::size_t rank = 0; rank < timeline.ranks.size(); ++rank) {
        CHECK(next[rank] == timeline.ranks[rank].passes.size());
        CHECK(most[rank] == timeline.ranks[rank].peak_in_flight);
        CHECK(names[rank] == concat("pipeline rank ", rank));
      }
    }
}

TEST_CASE("slices of one thread do not overlap") {
  for (const Timeline& timeline : some()) {
    const Json trace = Json::parse(chrome_trace(timeline));
    std::map<std::pair<Index, Index>, Index> end;
    for (const Json& event : trace["traceEvents"]) {
      if (event["ph"] != "X") continue;
      Index& last = end[{event["pid"], event["tid"]}];
      CHECK(event["ts"].get<Index>() >= last);
      last = event["ts"].get<Index>() + event["dur"].get<Index>();
    }
  }
}

TEST_CASE("every arrow has both its ends, on two ranks, and goes forward in time") {
  for (const Timeline& timeline : some()) {
    const Json trace = Json::parse(chrome_trace(timeline));
    std::map<Index, Json> begins, ends;
    for (const Json& event : trace["traceEvents"]) {
      if (event["ph"] == "s") CHECK(begins.emplace(event["id"], event).second);
      if (event["ph"] == "f") CHECK(ends.emplace(event["id"], event).second);
    }
    // Two passes that send between every two stages of different ranks.
    Index crossings = 0;
    for (Index rank = 0; rank < timeline.run.pipeline; ++rank)
      for (Index chunk = 0; chunk < timeline.run.chunks; ++chunk) {
        const Place there = neighbour(timeline.placement, timeline.run, {rank, chunk}, 1);
        crossings += there.rank >= 0 && there.rank != rank;
      }
    CHECK(begins.size() == static_cast<std::size_t>(2 * crossings * timeline.run.microbatches));
    REQUIRE(ends.size() == begins.size());
    for (const auto& [id, begin] : begins) {
      REQUIRE(ends.contains(id));
      CHECK(ends[id]["pid"] != begin["pid"]);
      CHECK(ends[id]["ts"] > begin["ts"]);
      CHECK(ends[id]["name"] == begin["name"]);
    }
    CHECK(chrome_trace(timeline, {.flows = false}).find("\"send\"") == std::string::npos);
  }
}

TEST_CASE("a trace needs a unit of time") {
  for (const double bad : {0.0, -1.0, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    std::string id;
    try {
      chrome_trace(some()[0], {.microseconds_per_unit = bad});
    } catch (const Error& error) {
      id = error.diagnostics()[0].id;
    }
    CHECK(id == "SP-PIPELINE-016");
  }
}
