#pragma once
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/migrate/report.hpp>
#include <shardplan/report/json.hpp>
#include <shardplan/report/table.hpp>
#include <shardplan/report/units.hpp>

/// The report of a migration, for reading and as JSON.
namespace shardplan::migrate {

namespace detail {

inline std::string value_words(const std::optional<std::string>& value) {
  constexpr std::size_t longest = 44;
  if (!value) return {};
  if (value->size() <= longest) return *value;
  std::size_t end = longest - 3;
  while (end > 0 && (static_cast<unsigned char>((*value)[end]) & 0xC0) == 0x80) --end;
  return value->substr(0, end) + "...";
}

inline std::string_view last_of(std::string_view path) { return path.substr(path.rfind('.') + 1); }

/// Keys that keep their names and move together as one row.
inline void append_moved(std::string& out, const Report& report, std::size_t width) {
  constexpr std::size_t few = 4;
  struct Row {
    std::string from, to;
    std::vector<std::string> names;  // empty: from and to are whole paths
  };
  std::vector<Row> rows;
  for (const Entry& one : report.entries) {
    if (one.kind != Entry::Kind::moved) continue;
    if (last_of(one.old_path) != last_of(one.new_path)) {
      rows.push_back({one.old_path, one.new_path, {}});
      continue;
    }
    const std::string from = parent_of(one.old_path), to = parent_of(one.new_path);
    const auto same = std::find_if(rows.begin(), rows.end(), [&](const Row& row) {
      return !row.names.empty() && row.from == from && row.to == to;
    });
    (same != rows.end() ? *same : rows.emplace_back(Row{from, to, {}})).names.emplace_back(last_of(one.old_path));
  }
  if (rows.empty()) return;
  out += "\nmoved\n";
  Table table({{"from"}, {"to"}, {"keys"}});
  for (const Row& row : rows) {
    if (row.names.empty()) table.row({row.from, row.to, {}});
    if (row.names.size() > few) table.row({join_path(row.from, "*"), join_path(row.to, "*"), concat(row.names.size())});
    for (std::size_t i = 0; i < row.names.size() && row.names.size() <= few; ++i)
      table.row({join_path(row.from, row.names[i]), join_path(row.to, row.names[i]), {}});
  }
  table.write(out, 2, width);
}

inline void append_entries(std::string& out, const Report& report, Entry::Kind kind, std::string_view heading,
                           bool losses, std::size_t width) {
  std::vector<const Entry*> chosen;
  for (const Entry& one : report.entries)
    if (one.kind == kind && (kind != Entry::Kind::dropped || one.harmless != losses)) chosen.push_back(&one);
  if (chosen.empty()) return;
  out += concat('\n', heading, '\n');
  Table table({{"line", Table::Align::right}, {"key"}, {"was"}, {"is"}, {"why"}});
  for (const Entry* one : chosen) {
    const bool renamed = !one->old_path.empty() && !one->new_path.empty() && one->old_path != one->new_path;
    table.row({one->line > 0 ? concat(one->line) : std::string(),
               renamed                 ? concat(one->old_path, " -> ", one->new_path)
               : one->old_path.empty() ? one->new_path
                                       : one->old_path,
               kind == Entry::Kind::to_fill ? std::string() : value_words(one->old_value),
               kind == Entry::Kind::to_fill ? std::string() : value_words(one->new_value), one->why});
  }
  table.write(out, 2, width);
}

inline std::string words(const Degrees& d) {
  std::string out =
      concat(d.devices, " x ", counted(d.nodes, "node"), ", tensor ", d.tensor, ", pipeline ", d.pipeline);
  if (d.virtual_pipeline > 1) out += concat(", virtual ", d.virtual_pipeline);
  if (d.context > 1) out += concat(", context ", d.context);
  out += d.data() > 0 ? concat(", data ", d.data()) : std::string(", data not whole");
  out += concat(", micro batch ", d.micro_batch);
  if (d.global_batch > 0) out += concat(", global batch ", d.global_batch);
  return out;
}

}  // namespace detail

/// A report for reading. width: columns of the page, 0 for any; all: keys that stay as they are, too.
inline std::string text(const Report& report, std::size_t width = 0, bool all = false) {
  using Kind = Entry::Kind;
  const Index losses = report.losses();
  std::string out = concat(title(report.from), " to ", title(report.to), ": ", report.count(Kind::kept), " kept, ",
                           report.count(Kind::moved), " moved, ", report.count(Kind::changed), " changed, ",
                           report.count(Kind::dropped), " dropped",
                           losses > 0 ? concat(" (", losses, " with a loss)") : std::string(), ", ",
                           report.count(Kind::added), " added, ", report.count(Kind::to_fill), " to fill\n");
  detail::append_entries(out, report, Kind::to_fill, "still to fill", false, width);
  detail::append_entries(out, report, Kind::dropped, "dropped, with a loss", true, width);
  detail::append_entries(out, report, Kind::changed, "changed", false, width);
  detail::append_moved(out, report, width);
  detail::append_entries(out, report, Kind::added, "added", false, width);
  detail::append_entries(out, report, Kind::dropped, "dropped, harmless", false, width);
  if (all) detail::append_entries(out, report, Kind::kept, "kept", false, width);
  if (report.degrees) {
    const DegreeReport& d = *report.degrees;
    out += concat("\ndegrees\n  source    ", detail::words(d.source), '\n');
    if (d.proposed) out += concat("  proposed  ", detail::words(*d.proposed), d.applied ? ", applied\n" : "\n");
    if (!d.why.empty()) out += concat("  ", d.why, '\n');
  }
  if (!report.notes.empty()) out += "\nnotes\n";
  for (const std::string& note : report.notes) out += concat("  ", note, '\n');
  if (report.to != System::nxdt) return out;
  std::string findings;
  Index errors = 0;
  for (const Diagnostic& one : report.findings) {
    if (one.severity == Severity::note) continue;
    errors += one.severity == Severity::error;
    findings += concat(one, '\n');
  }
  if (!findings.empty()) out += concat("\nfindings\n", findings);
  const bool fill = report.count(Kind::to_fill) > 0;
  out += concat('\n', errors > 0 ? "'shardplan check' refuses the result: see the findings\n"
                      : fill     ? "'shardplan check' passes the result once the keys to fill are given\n"
                                 : "'shardplan check' passes the result\n");
  return out;
}

/// A report as JSON, schema `shardplan-migrate-1`:
///
///     from, to     nemo, nnm, nxdt
///     entries      kind (kept, moved, changed, dropped, added, to_fill), old and new (path and value, null: none),
///     why,
///                  line and column of the source (null: none); dropped: reason, harmless, left_in_place
///     degrees      null, or source, proposed (null: none; devices, nodes, tensor, ...), applied, why
///     notes        texts
///     passes       whether check passes the result once the keys to fill are given
///     findings     of check: id, severity, message, hint (null: none), keys
inline JsonWriter& write(JsonWriter& json, const Report& report) {
  json.begin_object().member("schema", "shardplan-migrate-1");
  json.member("from", name(report.from)).member("to", name(report.to)).key("entries").begin_array();
  const auto side = [&json](std::string_view key, const std::string& path, const std::optional<std::string>& value) {
    json.key(key);
    if (path.empty()) {
      json.value(nullptr);
      return;
    }
    json.begin_object().member("path", path).member("value", value).end_object();
  };
  for (const Entry& one : report.entries) {
    json.flat().begin_object().member("kind", name(one.kind));
    side("old", one.old_path, one.old_value);
    side("new", one.new_path, one.new_value);
    json.member("why", one.why);
    json.member("line", one.line > 0 ? std::optional(one.line) : std::nullopt);
    json.member("column", one.column > 0 ? std::optional(one.column) : std::nullopt);
    if (one.kind == Entry::Kind::dropped)
      json.member("reason", one.reason).member("harmless", one.harmless).member("left_in_place", words(one.left));
    json.end_object();
  }
  json.end_array().key("degrees");
  const auto degrees = [&json](const Degrees& d) {
    json.flat().begin_object().member("devices", d.devices).member("nodes", d.nodes).member("tensor", d.tensor);
    json.member("pipeline", d.pipeline).member("virtual_pipeline", d.virtual_pipeline).member("context", d.context);
    json.member("expert", d.expert).member("data", d.data() > 0 ? std::optional(d.data()) : std::nullopt);
    json.member("micro_batch", d.micro_batch).member("global_batch", d.global_batch).end_object();
  };
  if (report.degrees) {
    json.begin_object().key("source");
    degrees(report.degrees->source);
    json.key("proposed");
    if (report.degrees->proposed)
      degrees(*report.degrees->proposed);
    else
      json.value(nullptr);
    json.member("applied", report.degrees->applied).member("why", report.degrees->why).end_object();
  } else {
    json.value(nullptr);
  }
  json.key("notes").begin_array();
  for (const std::string& note : report.notes) json.value(note);
  json.end_array().member("passes", !has_errors(report.findings)).key("findings").begin_array();
  for (const Diagnostic& one : report.findings) {
    json.flat().begin_object().member("id", one.id).member("severity", name(one.severity));
    json.member("message", one.message).member("hint", one.hint.empty() ? std::nullopt : std::optional(one.hint));
    json.key("keys").begin_array();
    for (const Origin& at : one.origins) json.value(at.key);
    json.end_array().end_object();
  }
  return json.end_array().end_object();
}

}  // namespace shardplan::migrate
