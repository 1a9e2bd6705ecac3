// shardplan schedule: what the ranks of a pipeline do, when, and whether they come to an end.
#include <algorithm>
#include <charconv>
#include <memory>
#include <shardplan/pipeline/catalogue.hpp>
#include <shardplan/pipeline/progress.hpp>
#include <shardplan/pipeline/simulate.hpp>
#include <shardplan/report/chrome_trace.hpp>
#include <shardplan/report/json.hpp>
#include <shardplan/report/pipeline_chart.hpp>
#include <shardplan/report/pipeline_text.hpp>
#include <shardplan/report/table.hpp>
#include "cli11.hpp"

#include "console.hpp"
#include "verbs.hpp"

namespace sp = shardplan;
namespace pipeline = sp::pipeline;

namespace {

struct Arguments {
  std::string kind;  ///< empty: all are compared
  sp::Index pipeline = 0, microbatches = 0, chunks = 0;
  std::string costs = "1,1,1";
  sp::Index link = 0;
  std::string unit = "units";
  std::optional<sp::Index> rank;
  bool ascii = false;
  std::string format = "text";
};

/// `F,I,W` as whole numbers.
std::optional<pipeline::StageCosts> costs_of(const std::string& text) {
  sp::Index numbers[3] = {};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto [stop, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc() || numbers[i] < 0 || (i < 2 ? stop == end || *stop != ',' : stop != end))
      return std::nullopt;
    at = stop + 1;
  }
  return pipeline::StageCosts{numbers[0], numbers[1], numbers[2]};
}

/// A schedule made, timed and proven.
struct Made {
  const pipeline::ScheduleEntry* entry;
  pipeline::PipelineTasks tasks;
  pipeline::Timeline timeline;
  sp::Diagnostics buffered, blocking;  ///< what stands in the way of its end, by how sends work
};

/// Chunks that make up what a rank holds of one model.
sp::Index parts(const pipeline::PipelineTasks& tasks) {
  return tasks.placement == pipeline::StagePlacement::bidirectional ? 1 : tasks.run.chunks;
}

/// One whole number that every count of chunks divides: in a comparison times are counted in this part of a unit, so
/// that a rank's whole share costs the same however many chunks it is cut into.
sp::Index times_of(const std::vector<pipeline::PipelineTasks>& all) {
  sp::Index out = 1;
  for (const auto& tasks : all) out = out / sp::gcd(out, parts(tasks)) * parts(tasks);
  return out;
}

/// times: parts of a unit; 1: the costs are those of a chunk as it is.
Made timed(const Arguments& arguments, const pipeline::ScheduleEntry& entry, pipeline::PipelineTasks tasks,
           sp::Index times) {
  pipeline::StageCosts cost = *costs_of(arguments.costs);
  for (sp::Index pipeline::StageCosts::*one :
       {&pipeline::StageCosts::forward, &pipeline::StageCosts::backward_input, &pipeline::StageCosts::backward_weight})
    cost.*one = sp::checked_mul(cost.*one, times == 1 ? 1 : times / parts(tasks));
  Made out{&entry, std::move(tasks), {}, {}, {}};
  pipeline::Costs costs;
  costs.stages = {cost};
  costs.link = sp::checked_mul(arguments.link, times);
  out.timeline = pipeline::simulate(out.tasks, costs);
  out.buffered = pipeline::prove(out.tasks, pipeline::Sends::buffered, entry.forward_only);
  out.blocking = pipeline::prove(out.tasks, pipeline::Sends::rendezvous, entry.forward_only);
  return out;
}

/// Errors SP-PIPELINE-012 more tasks than a machine has memory for: those of all ranks are written out.
pipeline::PipelineTasks tasks_of(const Arguments& arguments, const pipeline::ScheduleEntry& entry) {
  const sp::Index chunks = arguments.chunks > 0 ? arguments.chunks : entry.wanted_chunks();
  const sp::Index stages = sp::checked_mul(arguments.pipeline, chunks);
  const sp::Index most = sp::Index{1} << (arguments.kind.empty() ? 19 : 24);
  if (arguments.microbatches > most / stages)
    sp::fail("SP-PIPELINE-012",
             sp::concat("the tasks of ", arguments.microbatches, " microbatches on ", stages, " stages are too many"),
             sp::concat("at most ", most, " microbatches x stages",
                        arguments.kind.empty() ? " where all schedules are compared; more with --kind NAME" : ""),
             {"--microbatches", "--pipeline"});
  return entry.make({.microbatches = arguments.microbatches, .pipeline = arguments.pipeline, .chunks = chunks});
}

/// A number of parts as the whole it is, with one digit behind the point where it is none.
std::string in_wholes(sp::Index number, sp::Index parts) {
  return number % parts == 0 ? sp::with_commas(number / parts) : sp::fixed(number, parts, 1);
}

sp::Index peak(const pipeline::Timeline& timeline, sp::Index pipeline::RankTimeline::*what) {
  sp::Index out = 0;
  for (const pipeline::RankTimeline& rank : timeline.ranks) out = std::max(out, rank.*what);
  return out;
}

sp::Index messages(const pipeline::PipelineTasks& tasks) {
  sp::Index out = 0;
  for (const auto& list : tasks.ranks)
    for (const pipeline::Task& task : list) out += pipeline::is_send(task.kind) && task.peer >= 0;
  return out;
}

/// Whether it ends, in words.
std::string_view ends(const Made& made) {
  return !made.buffered.empty() ? "never" : made.blocking.empty() ? "always" : "with buffered sends";
}

void write(sp::JsonWriter& json, const Made& made, const Arguments& arguments, bool with_tasks) {
  const pipeline::Timeline& timeline = made.timeline;
  json.begin_object().member("kind", made.entry->name).member("summary", made.entry->summary);
  json.member("chunks", timeline.run.chunks).member("makespan", timeline.makespan()).member("ideal", timeline.ideal());
  json.member("bubble", timeline.bubble()).member("messages", messages(made.tasks));
  json.member("ends_with_buffered_sends", made.buffered.empty());
  json.member("ends_with_blocking_sends", made.blocking.empty());
  json.key("ranks").begin_array();
  for (std::size_t r = 0; r < timeline.ranks.size(); ++r) {
    if (arguments.rank && static_cast<std::size_t>(*arguments.rank) != r) continue;
    const pipeline::RankTimeline& rank = timeline.ranks[r];
    if (!with_tasks) json.flat();
    json.begin_object().member("rank", r).member("busy", rank.busy).member("idle", timeline.idle(r));
    json.member("idle_inside", rank.idle_inside()).member("peak_in_flight", rank.peak_in_flight);
    json.member("peak_weight_halves", rank.peak_weight_halves);
    if (with_tasks) {
      json.key("tasks").begin_array();
      for (const pipeline::Task& task : made.tasks.ranks[r]) {
        json.flat().begin_object().member("kind", name(task.kind));
        if (task.microbatch >= 0) json.member("microbatch", task.microbatch).member("chunk", task.chunk);
        if (pipeline::is_compute(task.kind)) json.member("stage", made.tasks.stage(static_cast<sp::Index>(r), task));
        if (task.peer >= 0) json.member("peer", task.peer);
        if (task.joined) json.member("joined", true);
        json.end_object();
      }
      json.end_array();
    }
    json.end_object();
  }
  json.end_array().end_object();
}

/// shardplan-schedule-1
///
///     pipeline, microbatches, unit, costs (forward, backward_input, backward_weight, link)
///     parts_of_a_unit   all times below are counted in these: where schedules are compared, costs are those of a
///                       rank's layers, and chunks take their part; else 1, and costs are those of a chunk
///     schedules   one for each that was asked for and exists: kind, summary, chunks; makespan, ideal (the time of the
///                 busiest rank), bubble (share of all ranks' time that is idle), messages; ends_with_buffered_sends,
///                 ends_with_blocking_sends (proofs); ranks: rank, busy, idle, idle_inside (its own span),
///                 peak_in_flight (chunk activations), peak_weight_halves, and where one schedule was asked for its
///                 tasks in order: kind, microbatch, chunk, stage, peer (pipeline rank), joined (with the next)
///     refused     kind and reason of those that do not exist for these numbers
std::string json_text(const Arguments& arguments, const std::vector<Made>& all, sp::Index times,
                      const std::vector<std::pair<std::string_view, std::string>>& refused) {
  const pipeline::StageCosts costs = *costs_of(arguments.costs);
  std::string out;
  sp::JsonWriter json(out, 2);
  json.begin_object().member("schema", "shardplan-schedule-1").member("pipeline", arguments.pipeline);
  json.member("microbatches", arguments.microbatches).member("unit", arguments.unit);
  json.key("costs").flat().begin_object().member("forward", costs.forward);
  json.member("backward_input", costs.backward_input).member("backward_weight", costs.backward_weight);
  json.member("link", arguments.link).end_object().member("parts_of_a_unit", times).key("schedules").begin_array();
  for (const Made& made : all) write(json, made, arguments, !arguments.kind.empty());
  json.end_array().key("refused").begin_array();
  for (const auto& [kind, reason] : refused)
    json.flat().begin_object().member("kind", kind).member("reason", reason).end_object();
  json.end_array().end_object();
  return out += '\n';
}

/// All schedules side by side, the shortest first. times: parts of a unit.
std::string comparison(const Arguments& arguments, std::vector<Made>& all, sp::Index times,
                       const std::vector<std::pair<std::string_view, std::string>>& refused) {
  std::stable_sort(all.begin(), all.end(),
                   [](const Made& a, const Made& b) { return a.timeline.makespan() < b.timeline.makespan(); });
  const pipeline::StageCosts cost = *costs_of(arguments.costs);
  std::string out = sp::concat(
      sp::counted(arguments.microbatches, "microbatch", "es"), " on ", arguments.pipeline,
      " pipeline ranks; a rank's layers take ", cost.forward, " forward and ", cost.backward_input, " + ",
      cost.backward_weight, " backward (input + weights), a message ", arguments.link, ", in ", arguments.unit, "\n\n");
  using Align = sp::Table::Align;
  sp::Table table({{"schedule"},
                   {"chunks", Align::right},
                   {"time", Align::right},
                   {"bubble", Align::right},
                   {"in flight", Align::right},
                   {"weight halves", Align::right},
                   {"messages", Align::right},
                   {"ends"}});
  for (const Made& made : all) {
    const pipeline::Timeline& timeline = made.timeline;
    table.row({std::string(made.entry->name), sp::concat(timeline.run.chunks), in_wholes(timeline.makespan(), times),
               sp::percent(timeline.bubble()),
               in_wholes(peak(timeline, &pipeline::RankTimeline::peak_in_flight), parts(made.tasks)),
               in_wholes(peak(timeline, &pipeline::RankTimeline::peak_weight_halves), parts(made.tasks)),
               sp::with_commas(messages(made.tasks)), std::string(ends(made))});
  }
  table.write(out, 2, cli::page_width());
  out +=
      "\n  in flight      most microbatches whose activations a rank holds, of all its layers\n"
      "  weight halves  most microbatches whose backward pass still lacks its weight half\n"
      "  ends           proven: whether every rank comes to the end, by how sends work\n";
  if (!refused.empty()) {
    out += "\n  not for these numbers\n";
    sp::Table reasons({{""}, {""}});
    for (const auto& [kind, reason] : refused) reasons.row({std::string(kind), reason});
    std::string lines;
    reasons.write(lines, 4, cli::page_width());
    out += lines.substr(lines.find('\n') + 1);
  }
  return out;
}

std::string one(const Arguments& arguments, const Made& made) {
  const pipeline::Timeline& timeline = made.timeline;
  std::string out = sp::concat(made.entry->summary, "\n\n");
  const std::size_t width = cli::page_width();
  out += sp::pipeline_text(
      timeline,
      {.title = made.entry->name, .unit = arguments.unit, .width = width > 0 ? width : 120, .ascii = arguments.ascii});
  out += sp::concat("\n  messages  ", sp::with_commas(messages(made.tasks)), " between ranks\n  ends      ", ends(made),
                    ", proven: every microbatch passes every stage once, every send has its receive\n");
  for (const sp::Diagnostic& finding : made.buffered.empty() ? made.blocking : made.buffered)
    out += sp::concat("            ", finding.message, '\n');
  if (arguments.rank) {
    out += sp::concat("\n  tasks of pipeline rank ", *arguments.rank, ", microbatch.chunk\n");
    for (const pipeline::Task& task : made.tasks.ranks[static_cast<std::size_t>(*arguments.rank)])
      out += sp::concat("    ", task, '\n');
  }
  return out;
}

int run(const Arguments& arguments) {
  std::vector<Made> all;
  std::vector<std::pair<std::string_view, std::string>> refused;
  if (arguments.rank && *arguments.rank >= arguments.pipeline)
    sp::fail("SP-PIPELINE-012", sp::concat("pipeline rank ", *arguments.rank, " of ", arguments.pipeline),
             sp::concat("0 to ", arguments.pipeline - 1), {"--rank"});
  sp::Index times = 1;
  if (!arguments.kind.empty()) {
    const pipeline::ScheduleEntry& entry = pipeline::find_schedule(arguments.kind);
    pipeline::PipelineTasks tasks = tasks_of(arguments, entry);
    all.push_back(timed(arguments, entry, std::move(tasks), 1));
  } else {
    std::vector<pipeline::PipelineTasks> tasks;
    std::vector<const pipeline::ScheduleEntry*> entries;
    for (const pipeline::ScheduleEntry& entry : pipeline::schedule_catalogue) {
      if (entry.forward_only || (arguments.chunks > 0 && !entry.accepts_chunks(arguments.chunks))) continue;
      try {
        tasks.push_back(tasks_of(arguments, entry));
        entries.push_back(&entry);
      } catch (const sp::Error& error) {
        refused.emplace_back(entry.name, error.diagnostics()[0].message);
      }
    }
    times = times_of(tasks);
    for (std::size_t i = 0; i < tasks.size(); ++i)
      all.push_back(timed(arguments, *entries[i], std::move(tasks[i]), times));
  }

  cli::Output out;
  if (arguments.format == "json")
    out.text = json_text(arguments, all, times, refused);
  else if (arguments.kind.empty())
    out.text = comparison(arguments, all, times, refused);
  else if (arguments.format == "svg")
    out.text = sp::pipeline_chart(all[0].timeline, {.title = all[0].entry->name, .unit = arguments.unit});
  else if (arguments.format == "chrome")
    out.text = sp::chrome_trace(all[0].timeline, {.title = all[0].entry->name});
  else
    out.text = one(arguments, all[0]);
  out.flush();
  return cli::done;
}

}  // namespace

cli::Verb cli::add_schedule(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("schedule", "What the ranks of a pipeline do, when, and what it costs");
  const auto arguments = std::make_shared<Arguments>();
  std::string names;
  for (std::size_t i = 0; const pipeline::ScheduleEntry& entry : pipeline::schedule_catalogue)
    names += sp::concat(i == 0 ? "" : i % 5 == 0 ? ",\n" : ", ", entry.alias.empty() ? entry.name : entry.alias), ++i;
  const CLI::Option* kind =
      verb->add_option("--kind", arguments->kind, sp::concat("without it all are compared:\n", names))
          ->option_text("NAME");
  const auto count = [&](const char* flags, sp::Index& into, const char* what) {
    return verb->add_option(flags, into, what)->option_text("N")->check(CLI::Range(sp::Index{1}, sp::Index{1} << 20));
  };
  count("-p,--pipeline", arguments->pipeline, "pipeline ranks")->required();
  count("-m,--microbatches", arguments->microbatches, "microbatches of a step")->required();
  count("-v,--chunks", arguments->chunks, "model chunks a rank; default what the schedule wants");
  verb->add_option("--costs", arguments->costs,
                   "time of a chunk's forward pass, and of the input and the\nweight half of its backward pass; "
                   "default 1,1,1.\nIn a comparison: of all of a rank's layers")
      ->option_text("F,I,W")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return costs_of(text) ? std::string()
                                  : sp::concat("'", text, "' is not three whole numbers from 0, such as 10,10,9");
          },
          ""));
  verb->add_option("--link", arguments->link, "time of a message between two ranks; default 0")
      ->option_text("N")
      ->check(CLI::Range(sp::Index{0}, sp::Index{1} << 40));
  verb->add_option("--unit", arguments->unit, "what these times are in, for the pictures")->option_text("NAME");
  verb->add_option("--rank", arguments->rank, "list the tasks of that pipeline rank")
      ->option_text("N")
      ->check(CLI::Range(sp::Index{0}, sp::Index{1} << 40));
  verb->add_flag("--ascii", arguments->ascii, "text without letters beyond ASCII");
  verb->add_option(
          "--format", arguments->format,
          "text (default); svg: a picture; chrome: a trace for ui.perfetto.dev;\njson: schema shardplan-schedule-1")
      ->option_text("text|svg|chrome|json")
      ->check(CLI::IsMember({"text", "svg", "chrome", "json"}));
  add_to_help(*verb,
              "Examples:\n"
              "  shardplan schedule -p 4 -m 8                      compares all schedules\n"
              "  shardplan schedule --kind 1f1b -p 4 -m 8\n"
              "  shardplan schedule --kind interleaved -p 4 -m 8 -v 2 --rank 1\n"
              "  shardplan schedule --kind zbv -p 8 -m 32 --costs 10,11,9 --link 1 --format svg > zbv.svg\n"
              "  shardplan schedule --kind dualpipev -p 8 -m 32 --format chrome > trace.json");
  verb->callback([kind, arguments] {
    if (kind->count() == 0 && (arguments->format == "svg" || arguments->format == "chrome"))
      throw CLI::ValidationError("--format " + arguments->format, "needs one schedule: --kind NAME");
  });
  return {verb, [arguments] { return run(*arguments); }};
}
