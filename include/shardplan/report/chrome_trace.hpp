#pragma once
#include <cmath>
#include <map>
#include <string>
#include <string_view>

#include <shardplan/report/json.hpp>
#include <shardplan/report/pipeline_chart.hpp>

/// A pipeline over time in the trace event format, which Perfetto (https://ui.perfetto.dev) and Chrome open.
namespace shardplan {

struct ChromeTraceOptions {
  std::string_view title = {};       ///< the schedule, as `zb1p`
  double microseconds_per_unit = 1;  ///< of the timeline's times
  bool flows = true;                 ///< arrows from each pass to the one that waits for it on another rank
};

namespace detail {

class ChromeTrace {
 public:
  ChromeTrace(std::string& out, const Timeline& timeline, const ChromeTraceOptions& options)
      : json_(out, 1), timeline_(timeline), options_(options) {}

  void write() {
    json_.begin_object().member("displayTimeUnit", "ms").key("otherData").flat().begin_object();
    json_.member("schedule", options_.title).member("pipeline", timeline_.run.pipeline);
    json_.member("microbatches", timeline_.run.microbatches).member("chunks", timeline_.run.chunks);
    json_.member("makespan", timeline_.makespan()).member("microseconds_per_unit", options_.microseconds_per_unit);
    json_.member("bubble", timeline_.bubble()).end_object().key("traceEvents").begin_array();
    for (std::size_t rank = 0; rank < timeline_.ranks.size(); ++rank) {
      names(rank);
      passes(rank);
      in_flight(rank);
    }
    json_.end_array().end_object();
  }

 private:
  JsonWriter& event(std::string_view name, std::string_view phase, std::size_t rank, Index thread = 0) {
    json_.flat().begin_object().member("name", name).member("ph", phase).member("pid", rank);
    return json_.member("tid", thread);
  }
  /// Times that are whole microseconds are written so, however long the trace.
  JsonWriter& time(std::string_view key, Index units) {
    if (options_.microseconds_per_unit == 1) return json_.member(key, units);
    return json_.member(key, static_cast<double>(units) * options_.microseconds_per_unit);
  }
  void name(std::string_view what, std::size_t rank, Index thread, std::string_view text) {
    event(what, "M", rank, thread).key("args").begin_object().member("name", text).end_object().end_object();
  }

  void names(std::size_t rank) {
    bool overlaps = false;
    for (const TimedTask& pass : timeline_.ranks[rank].passes) overlaps = overlaps || is_second(rank, pass);
    name("process_name", rank, 0, concat("pipeline rank ", rank));
    event("process_sort_index", "M", rank).key("args").begin_object().member("sort_index", rank).end_object();
    json_.end_object();
    name("thread_name", rank, 0, "passes");
    if (overlaps) name("thread_name", rank, 1, "overlapped with it");
    for (Index thread = 0; thread <= (overlaps ? 1 : 0); ++thread) {
      event("thread_sort_index", "M", rank, thread)
          .key("args")
          .begin_object()
          .member("sort_index", thread)
          .end_object();
      json_.end_object();
    }
  }

  /// The later pass of an overlapped block: two slices of one thread must not begin and end together.
  bool is_second(std::size_t rank, const TimedTask& pass) const {
    return &pass != timeline_.ranks[rank].passes.data() && (&pass)[-1].start == pass.start && pass.end > pass.start &&
           (&pass)[-1].end == pass.end;
  }

  void passes(std::size_t rank) {
    const auto here = static_cast<Index>(rank);
    for (const TimedTask& pass : timeline_.ranks[rank].passes) {
      const pipeline::Task& task = pass.task;
      const Index thread = is_second(rank, pass) ? 1 : 0;
      const Index stage = stage_at(timeline_.placement, timeline_.run.pipeline, {here, task.chunk});
      event(concat(pipeline::name(task.kind), ' ', task.microbatch), "X", rank, thread);
      json_.member("cat", pipeline::name(task.kind));
      time("ts", pass.start);
      time("dur", pass.end - pass.start).key("args").begin_object().member("microbatch", task.microbatch);
      json_.member("chunk", task.chunk).member("stage", stage).end_object().end_object();
      if (options_.flows && (task.kind == TaskKind::forward || is_backward(task.kind))) {
        const Index step = task.kind == TaskKind::forward ? 1 : -1;
        flow(pass, rank, thread, -step, "f");
        flow(pass, rank, thread, step, "s");
      }
    }
  }

  /// One end of the arrow between a pass and its neighbour; `step` as of `neighbour`.
  void flow(const TimedTask& pass, std::size_t rank, Index thread, Index step, std::string_view phase) {
    const pipeline::Place here{static_cast<Index>(rank), pass.task.chunk};
    const pipeline::Place there = neighbour(timeline_.placement, timeline_.run, here, step);
    if (there.rank < 0 || there.rank == here.rank) return;
    const bool forward = pass.task.kind == TaskKind::forward;
    const pipeline::Place from = phase == "s" ? here : there;
    // The sender says it all: its rank, chunk and microbatch, and which way.
    const Index places = timeline_.run.pipeline * timeline_.run.chunks;
    const Index id = ((pass.task.microbatch * places + from.rank * timeline_.run.chunks + from.chunk) * 2) + !forward;
    event(forward ? "activations" : "gradients", phase, rank, thread).member("cat", "send").member("id", id);
    if (phase == "f") json_.member("bp", "e");
    // Inside the slice that it belongs to, which stands right before it in the file.
    time("ts", pass.start).end_object();
  }

  void in_flight(std::size_t rank) {
    std::map<Index, Index> changes;
    for (const auto& [task, start, end] : timeline_.ranks[rank].passes) {
      if (task.kind == TaskKind::forward) ++changes[start];
      if (is_backward(task.kind)) --changes[end];
    }
    Index alive = 0;
    for (const auto& [at, by] : changes) {
      if (by == 0) continue;
      alive += by;
      event("in flight", "C", rank);
      time("ts", at).key("args").begin_object().member("chunks", alive).end_object().end_object();
    }
  }

  JsonWriter json_;
  const Timeline& timeline_;
  const ChromeTraceOptions& options_;
};

}  // namespace detail

/// The timeline as trace events: a process for every pipeline rank with its passes, which carry microbatch, chunk and
/// stage, a counter of the activations in flight, and arrows from pass to pass.
///
/// Errors   SP-PIPELINE-012, SP-PIPELINE-016 a timeline that is none, or units that are no time
/// Example  chrome_trace(simulate(tasks, costs), {.title = "zb1p", .microseconds_per_unit = 1000})
inline std::string chrome_trace(const pipeline::Timeline& timeline, const ChromeTraceOptions& options = {}) {
  detail::check_timeline(timeline);
  if (!std::isfinite(options.microseconds_per_unit) || options.microseconds_per_unit <= 0)
    fail("SP-PIPELINE-016", "a trace whose unit of time is no positive number of microseconds", "as 1000 for ms",
         {"microseconds_per_unit"});
  std::string out;
  detail::ChromeTrace(out, timeline, options).write();
  return out += '\n';
}

}  // namespace shardplan
