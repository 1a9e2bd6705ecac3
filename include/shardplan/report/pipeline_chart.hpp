#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/pipeline/timeline.hpp>
#include <shardplan/report/svg.hpp>
#include <shardplan/report/units.hpp>

/// A pipeline over time: what every rank computes when, and where it waits. As SVG; pipeline_text.hpp has it for
/// terminals.
namespace shardplan {

struct PipelineChartOptions {
  std::string_view title = {};      ///< the schedule, as `zb1p`
  std::string_view unit = "units";  ///< what the times are in
};

namespace detail {

using pipeline::TaskKind;
using pipeline::TimedTask;
using pipeline::Timeline;

/// Errors SP-PIPELINE-012 no rank, not those of the run, or a pass of no microbatch or chunk of it; SP-PIPELINE-016 a
/// pass that ends before it starts, or before the one it stands behind
inline void check_timeline(const Timeline& timeline) {
  const auto ranks = static_cast<Index>(timeline.ranks.size());
  if (ranks < 1 || ranks != timeline.run.pipeline)
    fail("SP-PIPELINE-012", concat("a timeline of ", ranks, " ranks for ", timeline.run.pipeline, " pipeline ranks"),
         "one for each, at least one");
  for (Index rank = 0; rank < ranks; ++rank) {
    Index start = 0;
    for (const auto& [task, begin, end] : timeline.ranks[static_cast<std::size_t>(rank)].passes) {
      if (begin < start || end < begin)
        fail("SP-PIPELINE-016",
             concat("rank ", rank, " runs ", task, " from ", begin, " to ", end, ", the pass before starts at ", start),
             "passes by their start, none before time 0");
      if (!is_compute(task.kind) || task.microbatch < 0 || task.chunk < 0 || task.chunk >= timeline.run.chunks)
        fail("SP-PIPELINE-012", concat("rank ", rank, " computes ", task),
             concat("passes of microbatches and of chunks 0 to ", timeline.run.chunks - 1));
      start = begin;
    }
  }
}

/// The passes as pictures tell them apart.
struct PassLook {
  std::string_view name;
  char letter;
  Colour colour;
};
inline constexpr PassLook pass_looks[] = {{"forward", 'F', palette[5]},
                                          {"backward", 'B', palette[1]},
                                          {"backward-input", 'I', palette[6]},
                                          {"backward-weight", 'W', palette[2]}};
constexpr std::size_t look_of(TaskKind kind) {
  return kind == TaskKind::forward ? 0 : kind == TaskKind::backward ? 1 : kind == TaskKind::backward_input ? 2 : 3;
}

/// What the heads of chart and text say.
struct ChartWords {
  std::string title, caption;
  std::array<bool, 4> shown{};
  Index passes = 0, shortest = 0;  ///< of those that take time
  bool weight_halves = false, blocks = false;

  ChartWords(const Timeline& timeline, std::string_view name, std::string_view unit) {
    const pipeline::Workload& run = timeline.run;
    title = concat(name, name.empty() ? "Pipeline of " : ": ", counted(run.pipeline, "rank"), ", ",
                   counted(run.microbatches, "microbatch", "es"),
                   timeline.placement == pipeline::StagePlacement::bidirectional ? " each way" : "",
                   run.chunks > 1 ? concat(", ", run.chunks, " chunks a rank") : std::string());
    Index least = timeline.ranks[0].peak_in_flight, most = 0;
    for (const pipeline::RankTimeline& rank : timeline.ranks) {
      least = std::min(least, rank.peak_in_flight);
      most = std::max(most, rank.peak_in_flight);
      weight_halves = weight_halves || rank.peak_weight_halves > 0;
      passes += static_cast<Index>(rank.passes.size());
      for (const TimedTask& pass : rank.passes) {
        shown[look_of(pass.task.kind)] = true;
        const Index length = pass.end - pass.start;
        if (length > 0) shortest = shortest == 0 ? length : std::min(shortest, length);
        blocks = blocks || (pass.task.joined && &pass != &rank.passes.back() && (&pass)[1].start == pass.start);
      }
    }
    caption = concat("makespan ", with_commas(timeline.makespan()), ' ', unit, ", busiest rank ",
                     with_commas(timeline.ideal()), ", bubble ", percent(timeline.bubble()), ", peak in flight ",
                     least == most ? concat(most) : concat(least, " to ", most));
  }
};

inline std::string busy_percent(const Timeline& timeline, std::size_t rank) {
  const Index span = timeline.makespan();
  return percent(span == 0 ? 0.0 : static_cast<double>(timeline.ranks[rank].busy) / static_cast<double>(span));
}

/// Steps of 1, 2 or 5 times a power of ten, at most `most` in the span; 1 where the span is shorter.
inline Index tick_step(Index span, double most) {
  Index step = 1;
  for (Index turn = 0; static_cast<double>(span) / static_cast<double>(step) > most && step < (Index{1} << 58); ++turn)
    step = turn % 3 == 1 ? step / 2 * 5 : step * 2;
  return step;
}

/// The ranks that have a row: all of them, or so many, evenly spaced, the first and the last among them.
inline std::vector<std::size_t> shown_ranks(std::size_t ranks, std::size_t most) {
  std::vector<std::size_t> out;
  const std::size_t rows = std::min(ranks, std::max<std::size_t>(most, 2));
  for (std::size_t row = 0; row < rows; ++row) out.push_back(rows == 1 ? 0 : row * (ranks - 1) / (rows - 1));
  return out;
}

/// How much of a rank's time is what, by equal columns of the makespan: shares of 1.
using Shares = std::array<double, 4>;
inline std::vector<Shares> column_shares(const Timeline& timeline, std::size_t rank, std::size_t columns) {
  std::vector<Shares> out(columns, Shares{});
  const double each = static_cast<double>(timeline.makespan()) / static_cast<double>(columns);
  const auto& passes = timeline.ranks[rank].passes;
  for (std::size_t at = 0, next = 0; at < passes.size(); at = next) {
    next = at + 1;
    while (next < passes.size() && passes[next].start == passes[at].start && passes[next].end == passes[at].end) ++next;
    const auto begin = static_cast<double>(passes[at].start), end = static_cast<double>(passes[at].end);
    for (auto c = static_cast<std::size_t>(each > 0 ? begin / each : 0); c < columns; ++c) {
      const double from = std::max(begin, static_cast<double>(c) * each);
      const double to = std::min(end, static_cast<double>(c + 1) * each);
      if (to <= from && static_cast<double>(c) * each >= end) break;
      for (std::size_t i = at; i < next && to > from; ++i)
        out[c][look_of(passes[i].task.kind)] += (to - from) / each / static_cast<double>(next - at);
    }
  }
  return out;
}

/// One SVG chart on its way.
class PipelineChart {
 public:
  PipelineChart(const Timeline& timeline, const PipelineChartOptions& options)
      : timeline_(timeline),
        options_(options),
        words_(timeline, options.title, options.unit),
        rows_(shown_ranks(timeline.ranks.size(), 128)) {
    span_ = std::max<double>(1, static_cast<double>(timeline.makespan()));
    const double natural = words_.shortest > 0 ? span_ / static_cast<double>(words_.shortest) * 20 : 0;
    width_ = 4 * std::round(std::clamp(natural, 640.0, 1120.0) / 4);
    pitch_ = std::clamp(std::floor(760 / static_cast<double>(rows_.size())), 7.0, 26.0);
    high_ = pitch_ - (pitch_ > 14 ? 4 : pitch_ > 9 ? 2 : 1);
    widest_ = concat(timeline.run.microbatches - 1);
    average_ = words_.passes > 40000 ||
               width_ * static_cast<double>(timeline.ranks.size()) < 1.5 * static_cast<double>(words_.passes);
  }

  std::string draw() {
    const double bottom = top + pitch_ * static_cast<double>(rows_.size());
    svg_.text(16, 28, words_.title, {.size = 16, .bold = true});
    svg_.text(16, 46, words_.caption, {.size = 12, .colour = faint_ink});
    axis(bottom);
    for (std::size_t row = 0; row < rows_.size(); ++row) draw_row(row);
    const double right = left + width_ + 12;
    const auto heading = [&](double x, std::string_view text) {
      svg_.text(x, top - 8, text, {.size = 10, .anchor = Svg::Anchor::end, .colour = faint_ink});
    };
    svg_.text(left - 8, top - 8, "rank", {.size = 10, .anchor = Svg::Anchor::end, .colour = faint_ink});
    heading(right + 46, "busy");
    heading(right + 98, "idle");
    heading(right + 152, "in flight");
    if (words_.weight_halves) heading(right + 218, "W waiting");
    const double end = legend(bottom + 52);
    const double full = right + (words_.weight_halves ? 234 : 168);
    return svg_.finish(std::max(full, 16 + text_width(words_.title, 17)), end + 14, words_.title, words_.caption);
  }

 private:
  static constexpr double left = 64, top = 84;

  double x(Index time) const { return left + static_cast<double>(time) / span_ * width_; }
  double y(std::size_t row) const { return top + pitch_ * static_cast<double>(row); }

  void axis(double bottom) {
    const double room = text_width(with_commas(timeline_.makespan()), 10) + 18;
    const Index step = tick_step(timeline_.makespan(), width_ / std::max(room, 36.0));
    for (Index at = 0; at <= timeline_.makespan(); at += step) {
      svg_.line(x(at), top - 4, x(at), bottom + 4);
      svg_.text(x(at), bottom + 16, with_commas(at), {.size = 10, .anchor = Svg::Anchor::middle, .colour = faint_ink});
    }
    svg_.text(left + width_ / 2, bottom + 31, concat("time in ", options_.unit),
              {.size = 10, .anchor = Svg::Anchor::middle, .colour = faint_ink});
  }

  Colour shade(std::size_t look, Index chunk) const {
    const Index chunks = timeline_.run.chunks;
    const double lighter = chunks < 2 ? 0 : 0.55 * static_cast<double>(chunk) / static_cast<double>(chunks - 1);
    return mix(pass_looks[look].colour, white, lighter);
  }

  void draw_row(std::size_t row) {
    const std::size_t number = rows_[row];
    const pipeline::RankTimeline& rank = timeline_.ranks[number];
    const std::string busy = busy_percent(timeline_, number);
    const Index all = timeline_.makespan(), idle = timeline_.idle(number);
    svg_.open(concat("rank ", number, ": busy ", with_commas(rank.busy), ", idle ", with_commas(idle), " of ",
                     with_commas(all), ' ', options_.unit, ", at most ", rank.peak_in_flight, " in flight"));
    svg_.hatched(left, y(row), width_, high_);
    if (average_)
      draw_average(row);
    else
      draw_passes(row);
    // Rows too thin for a number each share them.
    const auto every = static_cast<std::size_t>(pitch_ < 10 ? std::ceil(10 / pitch_) : 1);
    if (row % every == 0) {
      const double size = std::clamp(pitch_ - 1.5, 8.0, 11.0), base = y(row) + high_ / 2 + size * 0.36;
      const double right = left + width_ + 12;
      const auto put = [&](double at, std::string_view text, bool strong = false) {
        svg_.text(at, base, text, {.size = size, .anchor = Svg::Anchor::end, .colour = strong ? ink : faint_ink});
      };
      put(left - 8, with_commas(static_cast<Index>(number)), true);
      put(right + 46, busy);
      const double share = all == 0 ? 0 : static_cast<double>(idle) / static_cast<double>(all);
      put(right + 98, percent(share));
      put(right + 152, with_commas(rank.peak_in_flight), true);
      if (words_.weight_halves) put(right + 218, with_commas(rank.peak_weight_halves));
    }
    svg_.close();
  }

  /// Every pass a box; the passes of an overlapped block share its height.
  void draw_passes(std::size_t row) {
    const auto& passes = timeline_.ranks[rows_[row]].passes;
    std::vector<Outline> boxes(static_cast<std::size_t>(4 * timeline_.run.chunks));
    Outline blocks;
    struct Label {
      double x, y, size;
      std::string text;
      Colour colour;
    };
    std::vector<Label> labels;
    for (std::size_t at = 0, next = 0; at < passes.size(); at = next) {
      next = at + 1;
      while (next < passes.size() && passes[next].start == passes[at].start && passes[next].end == passes[at].end)
        ++next;
      const double from = x(passes[at].start), wide = x(passes[at].end) - from;
      const double gap = wide > 8     ? 1
                         : wide > 3   ? 0.5
                         : wide > 1.6 ? 0.3
                                      : 0,
                   each = high_ / static_cast<double>(next - at);
      for (std::size_t i = at; i < next; ++i) {
        const pipeline::Task& task = passes[i].task;
        const std::size_t look = look_of(task.kind);
        const double up = y(row) + each * static_cast<double>(i - at);
        boxes[look * static_cast<std::size_t>(timeline_.run.chunks) + static_cast<std::size_t>(task.chunk)].box(
            from, up, std::max(wide - gap, 0.2), each);
        const std::string text = concat(task.microbatch);
        const double size = std::min(each - 1, 11.0);
        // All numbers or none: where the widest has no room, a few lone digits would only puzzle.
        if (size >= 7 && text_width(widest_, size) + 3 <= wide) {
          numbered_ = true;
          labels.push_back(
              {from + (wide - gap) / 2, up + each / 2 + size * 0.36, size, text, ink_on(shade(look, task.chunk))});
        }
      }
      if (next - at > 1 && wide > 3) blocks.box(from, y(row), wide - gap, high_);
    }
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      const auto chunks = static_cast<std::size_t>(timeline_.run.chunks);
      svg_.fill(boxes[i], shade(i / chunks, static_cast<Index>(i % chunks)), pass_looks[i / chunks].name);
    }
    svg_.stroke(blocks, ink, 0.8, "block");
    for (const Label& label : labels)
      svg_.text(label.x, label.y, label.text,
                {.size = label.size, .anchor = Svg::Anchor::middle, .colour = label.colour});
  }

  /// Passes thinner than a line: of every column, how much of its time is what.
  void draw_average(std::size_t row) {
    const double column = 4;
    const std::vector<Shares> shares = column_shares(timeline_, rows_[row], static_cast<std::size_t>(width_ / column));
    for (std::size_t look = 4; look-- > 0;) {
      if (!words_.shown[look]) continue;
      Outline area;
      area.move(left, y(row));
      for (std::size_t c = 0; c < shares.size(); ++c) {
        double sum = 0;
        for (std::size_t below = 0; below <= look; ++below) sum += shares[c][below];
        area.down(y(row) + high_ * std::min(1.0, sum)).across(left + column * static_cast<double>(c + 1));
      }
      svg_.fill(area.down(y(row)).close(), pass_looks[look].colour, pass_looks[look].name);
    }
  }

  /// Returns where it ends.
  double legend(double at) {
    double along = left;
    const auto item = [&](const std::string& text, auto&& sample) {
      const double wide = 24 + text_width(text, 11) + 14;
      if (along > left && along + wide > left + width_ + 150) along = left, at += 20;
      sample(along, at - 9);
      svg_.text(along + 24, at, text);
      along += wide;
    };
    for (std::size_t look = 0; look < 4; ++look)
      if (words_.shown[look])
        item(std::string(pass_looks[look].name),
             [&](double sx, double sy) { svg_.box(sx, sy, 18, 11, pass_looks[look].colour); });
    if (words_.blocks)
      item("overlapped", [&](double sx, double sy) {
        svg_.box(sx, sy, 18, 5.5, palette[5]).box(sx, sy + 5.5, 18, 5.5, pass_looks[words_.shown[1] ? 1 : 2].colour);
        svg_.frame(sx, sy, 18, 11, ink, 0.8);
      });
    item("idle", [&](double sx, double sy) { svg_.hatched(sx, sy, 18, 11); });
    if (timeline_.run.chunks > 1 && !average_)
      item(concat("chunk 0 to ", timeline_.run.chunks - 1, ": dark to light"), [&](double sx, double sy) {
        for (Index i = 0, parts = std::min<Index>(timeline_.run.chunks, 3); i < parts; ++i)
          svg_.box(sx + 18.0 / static_cast<double>(parts) * static_cast<double>(i), sy,
                   18.0 / static_cast<double>(parts), 11,
                   mix(palette[5], white, 0.55 * static_cast<double>(i) / static_cast<double>(parts - 1)));
      });
    std::string notes =
        average_ ? concat("Passes are thinner than a line: height shows how much of the time around is what. ")
                 : std::string(numbered_ ? "Numbers are microbatches. " : "");
    if (rows_.size() < timeline_.ranks.size())
      notes += concat(rows_.size(), " of ", with_commas(timeline_.run.pipeline), " ranks are drawn, evenly spaced. ");
    notes += "In flight: most chunk activations alive at once.";
    svg_.text(left, at + 22, notes, {.colour = faint_ink});
    return at + 22;
  }

  const Timeline& timeline_;
  const PipelineChartOptions& options_;
  ChartWords words_;
  std::vector<std::size_t> rows_;
  double span_ = 1, width_ = 0, pitch_ = 0, high_ = 0;
  std::string widest_;
  bool average_ = false, numbered_ = false;
  Svg svg_;
};

}  // namespace detail

/// The chart as SVG: a row for every pipeline rank, time to the right. Where passes have room they carry the number of
/// their microbatch; where they are thinner than a line the columns of a row show shares of time instead. Of over 128
/// ranks evenly spaced ones are drawn. Post: at most some 1100 columns and 128 rows, whatever the schedule.
///
/// Errors   SP-PIPELINE-012, SP-PIPELINE-016 a timeline that is none
/// Example  pipeline_chart(simulate(tasks, costs), {.title = "zb1p", .unit = "ms"})
inline std::string pipeline_chart(const pipeline::Timeline& timeline, const PipelineChartOptions& options = {}) {
  detail::check_timeline(timeline);
  return detail::PipelineChart(timeline, options).draw();
}

}  // namespace shardplan
