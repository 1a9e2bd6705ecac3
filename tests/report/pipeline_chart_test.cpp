#include <shardplan/report/pipeline_chart.hpp>
#include <shardplan/report/pipeline_text.hpp>

#include <doctest/doctest.h>

#include <shardplan/core/diagnostic.hpp>
#include <shardplan/pipeline/schedules/nxd.hpp>
#include <shardplan/pipeline/schedules/zero_bubble.hpp>

#include "../thrown.hpp"
#include "pictures.hpp"

using namespace shardplan;
using namespace shardplan::pipeline;
using namespace pictures;

namespace {

Timeline run_1f1b(Index ranks, Index microbatches, Index scale = 1) {
  return earliest(all_ranks(StagePlacement::looped, {.microbatches = microbatches, .pipeline = ranks},
                            [](const Workload& run) { return nxd_1f1b(run); }),
                  scale);
}
Timeline run_zb1p(Index ranks, Index microbatches) {
  return earliest(all_ranks(StagePlacement::looped, {.microbatches = microbatches, .pipeline = ranks},
                            [](const Workload& run) { return zb1p(run); }));
}
Timeline run_vee(Index ranks, Index microbatches) {
  return earliest(all_ranks(StagePlacement::vee, {.microbatches = microbatches, .pipeline = ranks, .chunks = 2},
                            [](const Workload& run) { return dualpipe_v(run); }));
}

std::size_t columns(const std::string& line) {
  std::size_t out = 0;
  for (const char letter : line) out += (static_cast<unsigned char>(letter) & 0xC0) != 0x80;
  return out;
}

}  // namespace

TEST_CASE("every pass of every rank is drawn once, in the colour of its kind") {
  for (const Timeline& timeline : {run_1f1b(1, 1), run_1f1b(4, 8), run_zb1p(4, 8), run_vee(4, 10), run_1f1b(16, 32)}) {
    const auto all = check_picture(pipeline_chart(timeline, {.title = "a < b"}));
    std::map<std::string, Index> drawn, expected;
    for (const Element& element : all) {
      if (element.name != "path" || element.get("class") == "block") continue;
      const std::string path = element.get("d");
      drawn[element.get("class")] += std::count(path.begin(), path.end(), 'z');
    }
    for (const auto& rank : timeline.ranks)
      for (const TimedTask& pass : rank.passes) ++expected[std::string(name(pass.task.kind))];
    CHECK(drawn == expected);
    Index rows = 0;
    for (const Element& element : all) rows += element.name == "title" && element.text.starts_with("rank ");
    CHECK(rows == timeline.run.pipeline);
  }
}

TEST_CASE("passes with room carry their microbatch") {
  const auto said = texts(check_picture(pipeline_chart(run_1f1b(4, 8))));
  // 4 ranks, forward and backward each; ranks and peaks and ticks are numbers too.
  for (Index microbatch = 0; microbatch < 8; ++microbatch) CHECK(said.at(concat(microbatch)) >= 8);
  CHECK(said.contains("makespan 33 units, busiest rank 24, bubble 27.3 %, peak in flight 1 to 4"));
  CHECK(said.at("72.7 %") == 4);
}

TEST_CASE("large pipelines make pictures of bounded size") {
  for (const Timeline& timeline :
       {run_zb1p(64, 512), run_1f1b(64, 512), run_1f1b(64, 64), run_vee(16, 64), run_1f1b(300, 300)}) {
    const std::string file = pipeline_chart(timeline);
    CHECK(file.size() < 2'000'000);
    check_picture(file);
    CHECK(file == pipeline_chart(timeline));
  }
  CHECK(pipeline_chart(run_1f1b(300, 8)).find("128 of 300 ranks are drawn") != std::string::npos);
}

TEST_CASE("shares of columns add up to the busy time") {
  for (const Timeline& timeline : {run_1f1b(4, 8), run_zb1p(3, 7), run_vee(4, 10)})
    for (const std::size_t count : {1u, 7u, 33u, 100u})
      for (std::size_t rank = 0; rank < timeline.ranks.size(); ++rank) {
        double sum = 0;
        for (const auto& column : shardplan::detail::column_shares(timeline, rank, count)) {
          double all = 0;
          for (const double share : column) all += share;
          CHECK(all < 1 + 1e-9);
          sum += all;
        }
        CHECK(sum / static_cast<double>(count) * static_cast<double>(timeline.makespan()) ==
              doctest::Approx(static_cast<double>(timeline.ranks[rank].busy)));
      }
}

TEST_CASE("the text has a line for every rank and keeps to its width") {
  for (const Timeline& timeline :
       {run_1f1b(1, 1), run_1f1b(4, 8), run_1f1b(64, 128, 1000), run_zb1p(4, 8), run_vee(4, 10)})
    for (const std::size_t width : {60u, 80u, 100u, 200u})
      for (const bool ascii : {false, true}) {
        const std::string text = pipeline_text(timeline, {.width = width, .ascii = ascii});
        Index rows = 0;
        std::size_t at = 0;
        for (std::size_t end = text.find('\n'); end != text.npos; at = end + 1, end = text.find('\n', at)) {
          const std::string line = text.substr(at, end - at);
          const bool row = line.find(ascii ? "|" : "│") != line.npos;
          rows += row;
          if (row) CHECK(columns(line) <= width);
          CHECK((line.empty() || line.back() != ' '));
          if (ascii)
            CHECK(std::all_of(line.begin(), line.end(), [](char letter) { return letter >= ' ' && letter <= '~'; }));
        }
        CHECK(rows == timeline.run.pipeline);
      }
}

TEST_CASE("the text says which pass runs when") {
  const std::string text = pipeline_text(run_1f1b(2, 2), {.ascii = true});
  CHECK(text.find(" 0 |F0F1....B0--..B1--|") != text.npos);
  CHECK(text.find(" 1 |..F0B0--F1B1--....|") != text.npos);
}

TEST_CASE("of many ranks the text shows some, and says so") {
  const std::string text = pipeline_text(run_1f1b(100, 4), {.rows = 10});
  CHECK(text.find("10 of 100 ranks are shown") != text.npos);
  CHECK(text.find("  99 ") != text.npos);
}

TEST_CASE("an empty timeline is a picture, a false one is refused") {
  Timeline idle{StagePlacement::looped, {.microbatches = 1, .pipeline = 2}, {{}, {}}};
  check_picture(pipeline_chart(idle));
  CHECK(!pipeline_text(idle).empty());
  CHECK(thrown([] { pipeline_chart(Timeline{}); }) == Ids{"SP-PIPELINE-012"});
  Timeline bad = run_1f1b(2, 2);
  bad.ranks[1].passes[0].end = -1;
  CHECK(thrown([&] { pipeline_chart(bad); }) == Ids{"SP-PIPELINE-016"});
  bad = run_1f1b(2, 2);
  std::swap(bad.ranks[0].passes[0], bad.ranks[0].passes[1]);
  CHECK(thrown([&] { pipeline_text(bad); }) == Ids{"SP-PIPELINE-016"});
  bad = run_1f1b(2, 2);
  bad.ranks[0].passes[0].task.chunk = 1;
  CHECK(thrown([&] { pipeline_chart(bad); }) == Ids{"SP-PIPELINE-012"});
}
