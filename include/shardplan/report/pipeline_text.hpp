#pragma once
#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/report/pipeline_chart.hpp>

/// A pipeline over time in the letters of a terminal.
namespace shardplan {

struct PipelineTextOptions {
  std::string_view title = {};      ///< the schedule, as `zb1p`
  std::string_view unit = "units";  ///< what the times are in
  std::size_t width = 100;          ///< columns of the terminal; below 60 counts as 60
  std::size_t rows = 64;            ///< of more ranks so many are shown, evenly spaced
  bool ascii = false;               ///< no letters beyond ASCII
};

namespace detail {

class PipelineText {
 public:
  PipelineText(const Timeline& timeline, const PipelineTextOptions& options)
      : timeline_(timeline),
        options_(options),
        words_(timeline, options.title, options.unit),
        rows_(shown_ranks(timeline.ranks.size(), options.rows)) {
    number_ = std::max<std::size_t>(4, concat(timeline.ranks.size() - 1).size());
    for (const pipeline::RankTimeline& rank : timeline.ranks) {
      flight_ = std::max(flight_, concat(rank.peak_in_flight).size());
      for (const TimedTask& pass : rank.passes) {
        step_ = std::gcd(std::gcd(step_, pass.start), pass.end);
        label_ = std::max(label_, concat(pass.task.microbatch).size() + 1);
      }
    }
    step_ = std::max<Index>(step_, 1);
    const std::size_t around = 2 + number_ + 2 + 3 + 8 + flight_ + 2;
    const std::size_t room = std::max<std::size_t>(options.width, 60) - around;
    const auto cells = static_cast<std::size_t>(std::max<Index>(1, timeline.makespan() / step_));
    // A pass says its microbatch where the shortest one has room for it.
    const auto shortest = static_cast<std::size_t>(std::max<Index>(1, words_.shortest / step_));
    const std::size_t needed = (label_ + shortest - 1) / shortest;
    labelled_ = cells <= room / needed;
    columns_ = labelled_ ? cells * needed : std::min(cells, room);
    per_cell_ = labelled_ ? needed : 1;
  }

  std::string draw() const {
    std::string out = concat(words_.title, '\n', words_.caption, "\n\n");
    const std::string gap(columns_ > 4 ? columns_ - 4 : 0, ' ');
    out += concat("  ", pad("rank", number_), "  ", columns_ > 4 ? "time" : std::string(columns_, ' '), gap, "    ",
                  pad("busy", 7), "  in flight\n");
    for (const std::size_t number : rows_) {
      out += concat("  ", pad(concat(number), number_), ' ', edge());
      out += labelled_ ? labelled(number) : scaled(number);
      out += concat(edge(), "  ", pad(busy_percent(timeline_, number), 8), "  ",
                    pad(concat(timeline_.ranks[number].peak_in_flight), flight_), '\n');
    }
    return out + axis() + legend();
  }

 private:
  static std::string pad(const std::string& text, std::size_t width) {
    return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
  }
  std::string_view edge() const { return options_.ascii ? "|" : "│"; }
  std::string_view idle() const { return options_.ascii ? "." : "·"; }
  std::string_view going_on() const { return options_.ascii ? "-" : "─"; }

  /// `F3──B3`: letter and microbatch, then the rest of the pass; chunks but the first in small letters.
  std::string labelled(std::size_t number) const {
    std::string out;
    const auto column = [this](Index time) { return static_cast<std::size_t>(time / step_) * per_cell_; };
    const auto append = [&out](std::string_view letter, std::size_t from, std::size_t to) {
      for (; from < to; ++from) out += letter;
    };
    const auto& passes = timeline_.ranks[number].passes;
    std::size_t done = 0;
    for (std::size_t at = 0, next = 0; at < passes.size(); at = next) {
      next = at + 1;
      while (next < passes.size() && passes[next].start == passes[at].start && passes[next].end == passes[at].end)
        ++next;
      std::string label;
      for (std::size_t i = at; i < next; ++i) {
        const char letter = pass_looks[look_of(passes[i].task.kind)].letter;
        label += passes[i].task.chunk == 0 ? letter : static_cast<char>(letter - 'A' + 'a');
        append_to(label, passes[i].task.microbatch);
      }
      const std::size_t from = column(passes[at].start), to = column(passes[at].end);
      append(idle(), done, from);
      label.resize(std::min(label.size(), to - from));
      out += label;
      append(going_on(), from + label.size(), to);
      done = to;
    }
    append(idle(), done, columns_);
    return out;
  }

  /// What each column is mostly.
  std::string scaled(std::size_t number) const {
    std::string out;
    for (const Shares& share : column_shares(timeline_, number, columns_)) {
      const double forward = share[0], backward = share[1] + share[2], weight = share[3];
      const double all = forward + backward + weight;
      const auto mostly = [all](double part) { return part >= 0.9 * all; };
      const std::size_t look = all < 0.5 ? 0 : mostly(forward) ? 1 : mostly(backward) ? 2 : mostly(weight) ? 3 : 4;
      out += letters()[look];
    }
    return out;
  }
  const std::string_view* letters() const {
    static constexpr std::string_view plain[] = {".", "F", "B", "W", "X"}, blocks[] = {"·", "▀", "▄", "░", "█"};
    return options_.ascii ? plain : blocks;
  }

  std::string axis() const {
    const std::string left(2 + number_ + 2, ' ');
    const Index span = timeline_.makespan();
    std::string numbers(columns_, ' ');
    std::size_t free = 0;
    const Index step =
        tick_step(span, static_cast<double>(columns_) / static_cast<double>(with_commas(span).size() + 3));
    for (Index at = 0; at <= span && span > 0; at += step) {
      const std::string number = with_commas(at);
      const auto column =
          static_cast<std::size_t>(static_cast<double>(at) / static_cast<double>(span) * static_cast<double>(columns_));
      if (column < free || column + number.size() > columns_) continue;
      numbers.replace(column, number.size(), number);
      free = column + number.size() + 1;
    }
    numbers.erase(numbers.find_last_not_of(' ') + 1);
    return numbers.empty() ? std::string() : concat(left, numbers, '\n');
  }

  std::string legend() const {
    std::string out = "\n  ";
    if (labelled_) {
      for (std::size_t look = 0; look < 4; ++look)
        if (words_.shown[look]) out += concat(pass_looks[look].letter, ' ', pass_looks[look].name, "   ");
      out += concat(idle(), " idle   numbers: microbatches");
      if (timeline_.run.chunks > 1)
        out += concat("\n  capitals: chunk 0, small letters: ",
                      timeline_.run.chunks == 2 ? "chunk 1" : "the chunks after it");
      if (words_.blocks) out += "\n  two passes in one: overlapped";
    } else {
      constexpr std::string_view names[] = {"idle", "forward", "backward", "backward-weight", "several of these"};
      const bool several = words_.blocks || static_cast<Index>(columns_) * step_ < timeline_.makespan();
      const bool used[] = {true, words_.shown[0], words_.shown[1] || words_.shown[2], words_.shown[3], several};
      for (const std::size_t look : {1u, 2u, 3u, 4u, 0u})
        if (used[look]) out += concat(letters()[look], ' ', names[look], "   ");
      out.resize(out.size() - 3);
      const Index least = timeline_.makespan() / static_cast<Index>(columns_);
      const bool even = timeline_.makespan() % static_cast<Index>(columns_) == 0;
      out += concat("\n  ", options_.unit, " a column: ", with_commas(least),
                    even ? std::string() : concat(" to ", with_commas(least + 1)));
    }
    if (rows_.size() < timeline_.ranks.size())
      out +=
          concat("\n  ", rows_.size(), " of ", with_commas(timeline_.run.pipeline), " ranks are shown, evenly spaced");
    return out + '\n';
  }

  const Timeline& timeline_;
  const PipelineTextOptions& options_;
  ChartWords words_;
  std::vector<std::size_t> rows_;
  Index step_ = 0;  ///< all times are multiples of it
  std::size_t number_ = 0, flight_ = 1, label_ = 1, columns_ = 0, per_cell_ = 1;
  bool labelled_ = false;
};

}  // namespace detail

/// The chart for a terminal: a line for every pipeline rank, at most `width` columns wide. Passes are written with
/// their microbatch where the page has room; else a column says what its time is mostly spent on.
///
/// Errors   SP-PIPELINE-012, SP-PIPELINE-016 a timeline that is none
inline std::string pipeline_text(const pipeline::Timeline& timeline, const PipelineTextOptions& options = {}) {
  detail::check_timeline(timeline);
  return detail::PipelineText(timeline, options).draw();
}

}  // namespace shardplan
