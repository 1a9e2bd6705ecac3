#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <shardplan/pipeline/catalogue.hpp>
#include <sstream>

#include "program.hpp"

namespace {

using Json = nlohmann::json;
namespace pipeline = shardplan::pipeline;

cli_test::Result schedule(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "schedule");
  return cli_test::run(std::move(arguments));
}

}  // namespace

TEST_CASE("schedule: every schedule by name, in every format") {
  for (const pipeline::ScheduleEntry& entry : pipeline::schedule_catalogue) {
    const std::string name(entry.name), chunks = std::to_string(entry.wanted_chunks());
    CAPTURE(name);
    const auto text = schedule({"--kind", name, "-p", "4", "-m", "8"});
    CHECK(text.exit == 0);
    CHECK(text.err.empty());
    CHECK(text.out.find(std::string(entry.summary)) == 0);
    CHECK(text.out.find("never") == text.out.npos);

    const Json json = Json::parse(schedule({"--kind", name, "-p", "4", "-m", "8", "--format", "json"}).out);
    CHECK(json["schema"] == "shardplan-schedule-1");
    const Json& one = json["schedules"].at(0);
    CHECK(one["kind"] == name);
    CHECK(one["ends_with_buffered_sends"] == true);
    CHECK(one["ranks"].size() == 4);
    // Forwards of all ranks: every microbatch on every stage of a model.
    std::size_t forwards = 0;
    for (const Json& rank : one["ranks"])
      for (const Json& task : rank["tasks"]) forwards += task["kind"] == "forward";
    CHECK(forwards == 8 * 4 * (entry.placement == pipeline::StagePlacement::bidirectional ? 1 : std::stoul(chunks)));

    const auto svg = schedule({"--kind", name, "-p", "4", "-m", "8", "--format", "svg"});
    CHECK(svg.out.find("<svg") == 0);
    CHECK(Json::parse(schedule({"--kind", name, "-p", "4", "-m", "8", "--format", "chrome"}).out)
              .contains("traceEvents"));
  }
}

TEST_CASE("schedule: all compared, the same work for each") {
  const Json json = Json::parse(schedule({"-p", "4", "-m", "16", "--costs", "10,11,9", "--format", "json"}).out);
  const double busy = 16.0 * (10 + 11 + 9) * json["parts_of_a_unit"].get<double>();
  CHECK(json["schedules"].size() > 10);
  for (const Json& one : json["schedules"]) {
    CAPTURE(one["kind"]);
    for (const Json& rank : one["ranks"]) {
      CHECK(rank["busy"].get<double>() == busy);
      CHECK_FALSE(rank.contains("tasks"));
    }
    CHECK(one["makespan"].get<double>() >= busy);
  }
  const auto text = schedule({"-p", "4", "-m", "16"});
  CHECK(text.exit == 0);
  for (const Json& one : json["schedules"])
    CHECK(text.out.find("\n  " + one["kind"].get<std::string>() + ' ') != text.out.npos);
  // Those that do not exist are named with the reason.
  const auto few = schedule({"-p", "4", "-m", "3"});
  CHECK(few.exit == 0);
  CHECK(few.out.find("not for these numbers") != few.out.npos);
  CHECK(few.out.find("dualpipe ") != few.out.npos);
}

TEST_CASE("schedule: the tasks of a rank") {
  const auto text = schedule({"--kind", "1f1b", "-p", "2", "-m", "2", "--rank", "1"});
  CHECK(text.out.find("    receive-forward 0.0 from 0\n    forward 0.0\n    backward 0.0\n") != text.out.npos);
  const auto ascii = schedule({"--kind", "1f1b", "-p", "2", "-m", "2", "--ascii"});
  CHECK(std::all_of(ascii.out.begin(), ascii.out.end(), [](char c) { return static_cast<unsigned char>(c) < 128; }));
}

TEST_CASE("schedule: what cannot be is refused, and says what could") {
  const auto refused = [](std::vector<std::string> arguments, const char* what) {
    const auto result = schedule(std::move(arguments));
    CHECK(result.exit == 2);
    CHECK(result.out.empty());
    CHECK_MESSAGE(result.err.find(what) != result.err.npos, result.err);
  };
  refused({"--kind", "1f2b", "-p", "4", "-m", "8"}, "SP-PIPELINE-017");
  refused({"--kind", "1f1b", "-p", "4", "-m", "8", "-v", "2"}, "SP-PIPELINE-012");
  refused({"--kind", "interleaved", "-p", "4", "-m", "6"}, "4 or 8 microbatches");
  refused({"--kind", "1f1b", "-p", "4", "-m", "8", "--rank", "4"}, "0 to 3");
  refused({"--kind", "1f1b", "-p", "1048576", "-m", "1048576"}, "are too many");
  refused({"--kind", "1f1b", "-p", "0", "-m", "8"}, "--pipeline");
  refused({"--kind", "1f1b", "-m", "8"}, "--pipeline");
  refused({"--kind", "1f1b", "-p", "4", "-m", "8", "--costs", "1,2"}, "three whole numbers");
  refused({"-p", "4", "-m", "8", "--format", "svg"}, "--kind NAME");
}
