#pragma once
#include <shardplan/pipeline/timeline.hpp>
#include <shardplan/report/svg.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

/// What the tests of pictures share: a reader of SVG that trusts nothing, and timelines.
namespace pictures {

using namespace shardplan;

struct Element {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;  ///< between its tags, entities replaced

  double number(const std::string& key, double otherwise = 0) const {
    const auto found = attributes.find(key);
    return found == attributes.end() ? otherwise : std::atof(found->second.c_str());
  }
  std::string get(const std::string& key) const {
    const auto found = attributes.find(key);
    return found == attributes.end() ? std::string() : found->second;
  }
};

inline std::string without_entities(std::string text) {
  const std::pair<const char*, const char*> known[] = {{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&amp;", "&"}};
  for (std::size_t at = text.find('&'); at != text.npos; at = text.find('&', at + 1)) {
    bool replaced = false;
    for (const auto& [entity, letter] : known)
      if (text.compare(at, std::string(entity).size(), entity) == 0) {
        text.replace(at, std::string(entity).size(), letter);
        replaced = true;
        break;
      }
    REQUIRE_MESSAGE(replaced, "an ampersand that begins no entity: " << text);
  }
  return text;
}

/// All elements of a picture, in order of their start tags. Fails the test where tags do not balance or attributes are
/// not name="value".
inline std::vector<Element> read_svg(const std::string& file) {
  std::vector<Element> out;
  std::vector<std::size_t> open;
  std::size_t at = 0;
  while (at < file.size()) {
    const std::size_t tag = file.find('<', at);
    const std::string between = file.substr(at, tag == file.npos ? tag : tag - at);
    if (!open.empty())
      out[open.back()].text += without_entities(between);
    else
      REQUIRE(between.find_first_not_of("\n") == between.npos);
    if (tag == file.npos) break;
    const std::size_t end = file.find('>', tag);
    REQUIRE(end != file.npos);
    std::string inside = file.substr(tag + 1, end - tag - 1);
    at = end + 1;
    if (inside[0] == '/') {
      REQUIRE(!open.empty());
      REQUIRE(out[open.back()].name == inside.substr(1));
      open.pop_back();
      continue;
    }
    REQUIRE((out.empty() || !open.empty()));  // one root
    const bool closed = inside.back() == '/';
    if (closed) inside.pop_back();
    Element element;
    std::size_t next = inside.find(' ');
    element.name = inside.substr(0, next);
    while (next != inside.npos && next + 1 < inside.size()) {
      const std::size_t equals = inside.find("=\"", next);
      REQUIRE(equals != inside.npos);
      const std::size_t quote = inside.find('"', equals + 2);
      REQUIRE(quote != inside.npos);
      const std::string key = inside.substr(next + 1, equals - next - 1);
      REQUIRE(!element.attributes.contains(key));
      element.attributes[key] = without_entities(inside.substr(equals + 2, quote - equals - 2));
      next = inside.find(' ', quote);
    }
    if (!closed) open.push_back(out.size());
    out.push_back(element);
  }
  REQUIRE(open.empty());
  REQUIRE(!out.empty());
  REQUIRE(out[0].name == "svg");
  REQUIRE(out[0].get("xmlns") == "http://www.w3.org/2000/svg");
  return out;
}

/// All that holds for every picture: it is well formed, and boxes and texts stay inside.
inline std::vector<Element> check_picture(const std::string& file) {
  const std::vector<Element> all = read_svg(file);
  const double width = all[0].number("width"), height = all[0].number("height");
  CHECK(width > 0);
  CHECK(height > 0);
  for (const Element& element : all) {
    CAPTURE(element.name);
    CAPTURE(element.text);
    if (element.name == "text") {
      const double size = element.number("font-size", 11), wide = text_width(element.text, size);
      const std::string anchor = element.get("text-anchor");
      const double left = element.number("x") - (anchor == "end" ? wide : anchor == "middle" ? wide / 2 : 0);
      CHECK(left >= 0);
      CHECK(left + wide <= width + 0.01);
      CHECK(element.number("y") - size * 0.75 >= 0);
      CHECK(element.number("y") + size * 0.25 <= height);
      CHECK(size >= 7);
    } else if (element.name == "rect") {
      CHECK(element.number("x") + element.number("width") <= width + 0.01);
      CHECK(element.number("y") + element.number("height") <= height + 0.01);
    }
  }
  return all;
}

/// The texts of a picture that say something else than others: how often each stands in it.
inline std::map<std::string, int> texts(const std::vector<Element>& all) {
  std::map<std::string, int> out;
  for (const Element& element : all)
    if (element.name == "text") ++out[element.text];
  return out;
}

/// Every pass as early as its rank and what it needs allow: forward 1, halves of the backward 1 each, a whole one 2.
inline pipeline::Timeline earliest(const pipeline::PipelineTasks& tasks, Index scale = 1) {
  using namespace pipeline;
  Timeline out{tasks.placement, tasks.run, std::vector<RankTimeline>(tasks.ranks.size())};
  const auto key = [&](Index rank, const Task& task, bool backward) {
    const bool down =
        tasks.placement == StagePlacement::bidirectional && goes_down(tasks.run.pipeline, {rank, task.chunk});
    return std::vector<Index>{tasks.stage(rank, task), task.microbatch, down, backward};
  };
  std::map<std::vector<Index>, Index> done;
  std::vector<std::vector<Task>> lists;
  for (const auto& rank : tasks.ranks) {
    lists.emplace_back();
    std::copy_if(rank.begin(), rank.end(), std::back_inserter(lists.back()),
                 [](const Task& task) { return is_compute(task.kind); });
  }
  std::vector<std::size_t> next(lists.size(), 0);
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t r = 0; r < lists.size(); ++r) {
      const auto rank = static_cast<Index>(r);
      while (next[r] < lists[r].size()) {
        const std::size_t count = lists[r][next[r]].joined && next[r] + 1 < lists[r].size() ? 2 : 1;
        Index start = out.ranks[r].end(), cost = 0;
        bool ready = true;
        for (std::size_t i = 0; i < count; ++i) {
          const Task& task = lists[r][next[r] + i];
          const bool forward = task.kind == TaskKind::forward;
          cost += scale * (task.kind == TaskKind::backward ? 2 : 1);
          std::vector<std::vector<Index>> needs;
          std::vector<Index> other = key(rank, task, !forward);
          if (forward && other[0] > 0) other[0] -= 1, other[3] = 0, needs.push_back(other);
          if (is_backward(task.kind)) {
            std::vector<Index> own = key(rank, task, false);
            if (i == 0 || key(rank, lists[r][next[r]], false) != own) needs.push_back(own);
            if (other[0] + 1 < tasks.stages()) other[0] += 1, other[3] = 1, needs.push_back(other);
          }
          for (const auto& need : needs) {
            if (!done.contains(need)) {
              ready = false;
              break;
            }
            start = std::max(start, done[need]);
          }
        }
        if (!ready) break;
        for (std::size_t i = 0; i < count; ++i) {
          const Task& task = lists[r][next[r] + i];
          out.ranks[r].passes.push_back({task, start, start + cost});
          if (task.kind != TaskKind::backward_weight)
            done[key(rank, task, task.kind != TaskKind::forward)] = start + cost;
        }
        out.ranks[r].busy += cost;
        next[r] += count;
        moved = true;
      }
    }
  }
  for (std::size_t r = 0; r < lists.size(); ++r) {
    REQUIRE(next[r] == lists[r].size());
    std::map<Index, Index> change, halves;
    for (const TimedTask& pass : out.ranks[r].passes) {
      if (pass.task.kind == TaskKind::forward) ++change[pass.start];
      if (is_backward(pass.task.kind)) --change[pass.end];
      if (pass.task.kind == TaskKind::backward_input) ++halves[pass.end];
      if (pass.task.kind == TaskKind::backward_weight) --halves[pass.end];
    }
    Index alive = 0;
    for (const auto& [time, by] : change)
      out.ranks[r].peak_in_flight = std::max(out.ranks[r].peak_in_flight, alive += by);
    alive = 0;
    for (const auto& [time, by] : halves)
      out.ranks[r].peak_weight_halves = std::max(out.ranks[r].peak_weight_halves, alive += by);
  }
  return out;
}

}  // namespace pictures
