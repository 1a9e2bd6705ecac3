#pragma once
#include <string>
#include <string_view>

#include <shardplan/report/json.hpp>
#include <shardplan/report/table.hpp>
#include <shardplan/report/transfer.hpp>
#include <shardplan/report/units.hpp>

/// A transfer for people and for programs.
///
/// JSON, schema `shardplan-transfer-1`: keys are added to it, but none goes or changes its meaning. One object; sizes
/// are bytes, counted in the types of the source:
///
///     schema        "shardplan-transfer-1"
///     replicas      nearest, balanced or lowest: which holder of a piece sends it
///     optimizer     whether optimizer state was asked for
///     tensor        the only tensor asked for; null: all
///     from, to      model, ranks, tensor, pipeline, context, expert, data (degrees), weight_dtype, tensors (how many)
///     complete      whether every tensor of the destination has a source
///     matched       how many tensors both sides know by the same name and shape
///     only_from, only_to  names that only that side has
///     reshaped      [{name, from, to}]: one name, different shapes; not transferred
///     rows          one object for tensors of one shape, cut and numbered name: name, kind (weight or optimizer
///                   state), tensors, shape, from_cut, to_cut, and figures; of state, of all its buffers: the states
///                   and the master weight that both sides keep
///     total         figures
///     relabelling   null, or {before, after: bytes sent, renumbered: ranks, process: the rank that takes over what the
///                   destination gives each rank}
///
/// Figures: moves (merged, between different ranks), moved, kept (bytes a rank has already), sender, receiver, peak:
/// {rank, bytes} of the rank that sends most, receives most, and has most while its old and new shards are both there.
///
/// JSON Lines have that object on the first line, then a move on each: tensor, kind (a state stands for each of them),
/// from, to (ranks), source, destination (origins in their shards), extent, bytes of one buffer.
namespace shardplan {

inline constexpr std::string_view transfer_schema = "shardplan-transfer-1";

inline constexpr std::string_view replica_choice_names[] = {"nearest", "balanced", "lowest"};
constexpr std::string_view name(ReplicaChoice choice) { return replica_choice_names[static_cast<int>(choice)]; }

namespace detail {

constexpr std::string_view kind_name(bool state) { return state ? "optimizer state" : "weight"; }

/// Bytes of an element that a move carries: of the weight, or of one state.
inline Index move_element_bytes(const TransferReport& report, bool state) {
  const Storage& storage = report.from->storage();
  return bytes(state ? storage.state_dtype : storage.weight_dtype);
}

inline void write_members(JsonWriter& json, const TransferFigures& figures) {
  json.member("moves", figures.moves).member("moved", figures.moved).member("kept", figures.kept);
  const auto rank = [&json](std::string_view key, const RankBytes& most) {
    json.key(key).flat().begin_object().member("rank", most.rank).member("bytes", most.bytes).end_object();
  };
  rank("sender", figures.sender);
  rank("receiver", figures.receiver);
  rank("peak", figures.peak);
}

inline void write_side(JsonWriter& json, std::string_view key, const Plan& plan) {
  const Strategy& s = plan.strategy();
  json.key(key).flat().begin_object().member("model", plan.name()).member("ranks", plan.world().ranks);
  json.member("tensor", s.tensor).member("pipeline", s.pipeline).member("context", s.context);
  json.member("expert", s.expert).member("data", plan.mesh().data());
  json.member("weight_dtype", name(plan.storage().weight_dtype)).member("tensors", plan.parameters().size());
  json.end_object();
}

/// `512 ranks: tensor 32 x pipeline 8 x data 2`
inline std::string side_words(const Plan& plan) {
  const Strategy& s = plan.strategy();
  std::string out = shardplan::degree_words(s.tensor, s.pipeline, s.context, plan.mesh().data());
  if (!out.empty()) out = ": " + out;
  if (s.expert > 1) out += concat("; experts over ", s.expert);
  return concat(counted(plan.world().ranks, "rank"), out, "; ", name(plan.storage().weight_dtype), " weights",
                s.zero1 ? ", ZeRO-1" : "");
}

/// The first names of a list, and how many follow.
template <class Items, class Name>
std::string some_names(const Items& items, const Name& name_of, std::size_t most = 6) {
  std::string out;
  for (std::size_t i = 0; i < items.size() && i < most; ++i) out += concat("\n                ", name_of(items[i]));
  if (items.size() > most) out += concat("\n                and ", items.size() - most, " more");
  return out;
}

inline std::string at_rank(const RankBytes& most) {
  return most.bytes == 0 ? std::string("-") : concat(in_bytes(most.bytes), " @ ", most.rank);
}

}  // namespace detail

/// Writes one move of a tensor. name: of the tensor in the destination.
inline JsonWriter& write(JsonWriter& json, const Move& move, std::string_view name, bool state, Index element_bytes) {
  json.flat().begin_object().member("tensor", name).member("kind", detail::kind_name(state));
  json.member("from", move.from).member("to", move.to).member("source", move.source);
  json.member("destination", move.destination).member("extent", move.extent);
  return json.member("bytes", move.elements() * element_bytes).end_object();
}

/// The report as JSON, see above.
inline JsonWriter& write(JsonWriter& json, const TransferReport& report) {
  json.begin_object().member("schema", transfer_schema).member("replicas", name(report.options.replicas));
  json.member("optimizer", report.options.optimizer).key("tensor");
  if (report.options.tensor.empty())
    json.value(nullptr);
  else
    json.value(report.options.tensor);
  detail::write_side(json, "from", *report.from);
  detail::write_side(json, "to", *report.to);
  json.member("complete", report.complete()).member("matched", report.pairs.size());
  json.member("only_from", report.only_from).member("only_to", report.only_to).key("reshaped").begin_array();
  for (const TensorPair& pair : report.reshaped) {
    const Parameter &source = report.from->parameters()[pair.from], &target = report.to->parameters()[pair.to];
    json.flat().begin_object().member("name", target.name).member("from", source.shape);
    json.member("to", target.shape).end_object();
  }
  json.end_array().key("rows").begin_array();
  for (const TransferRow& row : report.rows) {
    json.begin_object().member("name", row.name).member("kind", detail::kind_name(row.state));
    json.member("tensors", row.tensors).member("shape", row.shape);
    json.member("from_cut", row.from_cut).member("to_cut", row.to_cut);
    detail::write_members(json, row.figures);
    json.end_object();
  }
  json.end_array().key("total").begin_object();
  detail::write_members(json, report.total);
  json.end_object().key("relabelling");
  if (!report.relabelled) return json.value(nullptr).end_object();
  const TransferRelabelling& found = *report.relabelled;
  json.begin_object().member("before", found.before).member("after", found.after);
  json.member("renumbered", found.renumbered).member("process", found.process);
  return json.end_object().end_object();
}

/// The report for reading: the two sides, what was matched, a line for tensors alike, and the sums. width: columns of
/// the page, 0 for any.
inline std::string text(const TransferReport& report, std::size_t width = 0) {
  const Plan &from = *report.from, &to = *report.to;
  std::string out = concat("Transfer ", from.name(), " to ", to.name(), "\n\n");
  const auto line = [&out](std::string_view label, const std::string& what) {
    out += concat("  ", label, std::string(14 - label.size(), ' '), what, '\n');
  };
  line("from", detail::side_words(from));
  line("to", detail::side_words(to));
  line("replicas", concat(name(report.options.replicas), " holder sends; a rank takes what it has from itself"));
  if (report.pairs.empty()) {
    line("matched",
         "nothing: no tensor has the same name and shape on both sides, and tensors are matched by nothing "
         "else");
  } else {
    line("matched", concat(counted(static_cast<Index>(report.pairs.size()), "tensor"), " by name, of ",
                           from.parameters().size(), " and ", to.parameters().size()));
  }
  const auto itself = [](std::string_view text) { return text; };
  if (!report.only_from.empty())
    line("only in from",
         concat(report.only_from.size(), ", left behind:", detail::some_names(report.only_from, itself)));
  if (!report.only_to.empty())
    line("only in to", concat(report.only_to.size(), ", sent by nobody:", detail::some_names(report.only_to, itself)));
  if (!report.reshaped.empty())
    line("other shape", concat(report.reshaped.size(),
                               ", not transferred:", detail::some_names(report.reshaped, [&](const TensorPair& pair) {
                                 const Parameter &source = from.parameters()[pair.from],
                                                 &target = to.parameters()[pair.to];
                                 return concat(target.name, ' ', source.shape, " and ", target.shape);
                               })));
  if (report.options.optimizer) {
    const Storage &a = from.storage(), &b = to.storage();
    std::string what = concat(counted(smaller(a.states, b.states), "state"), " of ", name(a.state_dtype));
    if (a.master_dtype && b.master_dtype) what += concat(" and the master weight of ", name(*a.master_dtype));
    if (b.master_dtype && !a.master_dtype) what += "; no master weight to send, the destination makes it of the weight";
    if (a.states != b.states) what += concat("; of ", a.states, " and ", b.states);
    line("optimizer", what);
  }
  if (report.pairs.empty()) return out;

  bool state = false;
  const auto write_rows = [&](std::string_view heading) {
    Table table({{heading},
                 {"tensors", Table::Align::right},
                 {"shape"},
                 {"cut before"},
                 {"cut after"},
                 {"moves", Table::Align::right},
                 {"moved", Table::Align::right},
                 {"in place", Table::Align::right},
                 {"most sent @ rank", Table::Align::right},
                 {"most received @ rank", Table::Align::right},
                 {"peak @ rank", Table::Align::right}});
    const auto add = [&table](std::string label, std::string tensors, std::string shape, std::string before,
                              std::string after, const TransferFigures& f) {
      table.row({std::move(label), std::move(tensors), std::move(shape), std::move(before), std::move(after),
                 with_commas(f.moves), in_bytes(f.moved), in_bytes(f.kept), detail::at_rank(f.sender),
                 detail::at_rank(f.receiver), detail::at_rank(f.peak)});
    };
    for (const TransferRow& row : report.rows) {
      if (row.state == state)
        add(row.name, with_commas(row.tensors), concat(row.shape), row.from_cut,
            row.from_cut == row.to_cut ? "the same" : row.to_cut, row.figures);
    }
    out += '\n';
    if (state || report.rows.back().state == state) add("total", "", "", "", "", report.total);
    table.write(out, 2, width);
  };
  write_rows("weights");
  if (report.rows.back().state) {
    state = true;
    write_rows("optimizer state of");
  }
  out += "\n  peak: old and new shards of these tensors at once, padding included\n";
  if (report.relabelled) {
    const TransferRelabelling& found = *report.relabelled;
    out += concat("\n  relabelling   ");
    if (found.renumbered == 0) {
      out += concat("none is cheaper: ", in_bytes(found.before), " is the least of any numbering\n");
    } else {
      out += concat(in_bytes(found.after), " in place of ", in_bytes(found.before), ", by renumbering ",
                    counted(found.renumbered, "rank"), ":\n");
      constexpr std::size_t most = 8;
      std::size_t told = 0;
      for (std::size_t label = 0; label < found.process.size();) {
        std::size_t end = label + 1;
        while (end < found.process.size() &&
               found.process[end] - static_cast<Index>(end) == found.process[label] - static_cast<Index>(label))
          ++end;
        if (found.process[label] != static_cast<Index>(label) && told++ < most) {
          const auto range = [](Index first, std::size_t count) {
            return count == 1 ? concat("rank ", first)
                              : concat("ranks ", first, '-', first + static_cast<Index>(count) - 1);
          };
          out += concat("                ", range(found.process[label], end - label),
                        label + 1 == end ? " takes the part of " : " take the part of ",
                        range(static_cast<Index>(label), end - label), '\n');
        }
        label = end;
      }
      if (told > most) out += concat("                and ", told - most, " more runs; --format json lists all\n");
    }
  }
  return out;
}

/// The merged moves of the tensors of a report, for reading, at most so many of each tensor and kind; 0: all.
inline std::string moves_text(const TransferReport& report, std::size_t most, std::size_t width = 0) {
  std::string out;
  const bool states = !report.rows.empty() && report.rows.back().state;
  for (const TensorPair& pair : report.pairs)
    for (int kind = 0; kind <= states; ++kind) {
      const bool state = kind == 1;
      Table table({{"from", Table::Align::right},
                   {"to", Table::Align::right},
                   {"source"},
                   {"destination"},
                   {"extent"},
                   {"bytes", Table::Align::right}});
      std::size_t count = 0;
      for_each_move(report, pair, state, [&](const Move& move) {
        if (most == 0 || count < most)
          table.row({concat(move.from), concat(move.to), concat(move.source), concat(move.destination),
                     concat(move.extent), with_commas(move.elements() * detail::move_element_bytes(report, state))});
        ++count;
      });
      out += concat("\n  ", counted(static_cast<Index>(count), "move"), " of the ",
                    state ? "optimizer state" : "weight", " of ", report.to->parameters()[pair.to].name,
                    state ? ", each state alone" : "", count == 0 ? "" : "; origins in the two shards", "\n\n");
      if (count > 0) table.write(out, 2, width);
      if (most > 0 && count > most) out += concat("    and ", count - most, " more; --all lists them\n");
    }
  return out;
}

}  // namespace shardplan
