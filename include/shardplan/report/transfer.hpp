#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <shardplan/layout/relabel.hpp>
#include <shardplan/layout/transfer.hpp>
#include <shardplan/plan/plan.hpp>
#include <shardplan/report/detail/overlaps.hpp>
#include <shardplan/report/words.hpp>

/// What it takes to bring a model from the ranks of one plan to those of another (layout-algebra sheet, section 8).
namespace shardplan {

/// What is asked of a transfer.
struct TransferOptions {
  ReplicaChoice replicas = ReplicaChoice::nearest;
  bool optimizer = false;        ///< master weights and optimizer states as well
  bool relabel = false;          ///< also look for the renumbering of destination ranks that sends least
  std::string_view tensor = {};  ///< only the tensor of that name; empty: all
};

/// The rank that has most of something, the lowest of equals.
struct RankBytes {
  Rank rank;
  Index bytes = 0;
  friend bool operator==(const RankBytes&, const RankBytes&) = default;
};

/// What moves add up to.
struct TransferFigures {
  Index moves = 0;  ///< merged, between different ranks
  Index moved = 0;  ///< bytes of these, in the types of the source
  Index kept = 0;   ///< bytes that a rank takes from itself
  RankBytes sender;
  RankBytes receiver;
  RankBytes peak;  ///< old and new shards of the same rank, padding included, each in its own type
};

/// Tensors alike: one shape and one cut on either side, names that differ in numbers only.
struct TransferRow {
  std::string name;    ///< `model.layers.*.mlp.down_proj.weight`, of a single tensor its own
  bool state = false;  ///< the optimizer state of these tensors, otherwise the weights
  Index tensors = 0;
  Shape shape;
  std::string from_cut;
  std::string to_cut;
  TransferFigures figures;
};

/// A tensor that both plans have: its positions in their registries.
struct TensorPair {
  std::size_t from = 0;
  std::size_t to = 0;
};

/// The cheapest renumbering: rank `process[label]` takes over what the destination plan gives rank `label`. In the
/// larger of the two worlds.
struct TransferRelabelling {
  std::vector<Index> process;
  Index before = 0;      ///< bytes sent as planned
  Index after = 0;       ///< bytes sent after renumbering
  Index renumbered = 0;  ///< labels that change
};

struct TransferReport {
  const Plan* from = nullptr;  ///< both outlive the report
  const Plan* to = nullptr;
  TransferOptions options;
  std::vector<TensorPair> pairs;            ///< in the order of the destination
  std::vector<std::string_view> only_from;  ///< names that the destination does not have
  std::vector<std::string_view> only_to;    ///< names that nobody can send
  std::vector<TensorPair> reshaped;         ///< one name, different shapes: not transferred
  std::vector<TransferRow> rows;            ///< weights, then optimizer states
  TransferFigures total;
  std::optional<TransferRelabelling> relabelled;

  /// Every tensor of the destination (that was asked for) has a source.
  bool complete() const { return only_to.empty() && reshaped.empty() && !pairs.empty(); }
};

namespace detail {

/// What of a tensor travels: its weight, or master weight and states, each a buffer of the tensor's size.
struct TransferBuffers {
  bool state = false;
  Index count = 0;
  Index sent = 0;  ///< bytes an element of all of them together
  Index from = 0;  ///< bytes an element that a holder has before
  Index to = 0;    ///< and after
};

inline std::vector<TransferBuffers> transfer_buffers(const Storage& from, const Storage& to, bool optimizer) {
  std::vector<TransferBuffers> out{
      {false, 1, bytes(from.weight_dtype), bytes(from.weight_dtype), bytes(to.weight_dtype)}};
  // What only one side has, nobody sends: the destination makes it from the weights, or leaves it behind.
  const Index states = smaller(from.states, to.states);
  const bool master = from.master_dtype && to.master_dtype;
  if (optimizer && (states > 0 || master))
    out.push_back({true, states + master, states * bytes(from.state_dtype) + (master ? from.master_bytes() : 0),
                   from.state_bytes() + from.master_bytes(), to.state_bytes() + to.master_bytes()});
  return out;
}

inline Layout transferred_layout(const Plan& plan, std::size_t i, bool state) {
  return state ? plan.optimizer_layout(i) : plan.layout(i);
}

/// `layers.*.weight` of `layers.12.weight`.
inline std::string name_pattern(std::string_view name) {
  std::string out;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    const std::string_view word = name.substr(at, end - at);
    const bool number = !word.empty() && word.find_first_not_of("0123456789") == word.npos;
    out += concat(at == 0 ? "" : ".", number ? std::string_view("*") : word);
    at = end + 1;
  }
  return out;
}

/// Bytes by rank, and the figures they give.
struct TransferLedger {
  TransferFigures figures;
  std::vector<Index> sent, received, held;

  explicit TransferLedger(Index ranks)
      : sent(static_cast<std::size_t>(ranks)), received(sent.size()), held(sent.size()) {}

  /// Adds so many tensors like the one that `one` counts in elements.
  void add(const TransferLedger& one, Index tensors, const TransferBuffers& buffers) {
    const Index each = checked_mul(tensors, buffers.sent);
    figures.moves = checked_add(figures.moves, checked_mul(one.figures.moves, tensors * buffers.count));
    figures.moved = checked_add(figures.moved, checked_mul(one.figures.moved, each));
    figures.kept = checked_add(figures.kept, checked_mul(one.figures.kept, each));
    for (std::size_t r = 0; r < sent.size(); ++r) {
      sent[r] += one.sent[r] * each;
      received[r] += one.received[r] * each;
      held[r] = checked_add(held[r], checked_mul(one.held[r], tensors));
    }
  }
  TransferFigures finished() const {
    TransferFigures out = figures;
    const auto most = [](const std::vector<Index>& of) {
      const auto at = std::max_element(of.begin(), of.end());
      return at == of.end() ? RankBytes{} : RankBytes{at - of.begin(), *at};
    };
    out.sender = most(sent);
    out.receiver = most(received);
    out.peak = most(held);
    return out;
  }
};

/// One tensor, counted in elements; what is held in bytes.
inline TransferLedger count_transfer(const Transfer& moves, Index ranks, const TransferBuffers& buffers) {
  TransferLedger out(ranks);
  moves.for_each_move([&out](const Move& move) {
    const Index size = move.elements();
    if (move.stays()) {
      out.figures.kept += size;
      return;
    }
    ++out.figures.moves;
    out.figures.moved += size;
    out.sent[static_cast<std::size_t>(move.from.value)] += size;
    out.received[static_cast<std::size_t>(move.to.value)] += size;
  });
  for (const Layout* side : {&moves.from(), &moves.to()})
    for (Index r = 0; r < side->view().size(); ++r)
      if (const Place place = side->view().place(r); side->exists_at(place))
        out.held[static_cast<std::size_t>(r)] +=
            checked_mul(elements(side->local_shape(place)), side == &moves.from() ? buffers.from : buffers.to);
  return out;
}

/// Parameters that have the same layout: shape, rule and pipeline ranks.
class LayoutClasses {
 public:
  explicit LayoutClasses(const Plan& plan) : plan_(&plan) {}
  std::size_t of(std::size_t i) {
    const Parameter& p = plan_->parameters()[i];
    const Index pipeline = plan_->partition().pipeline();
    const Stages stages = plan_->stages(i), ranks{stages.first.value % pipeline, stages.last.value % pipeline};
    for (std::size_t k = 0; k < known_.size(); ++k) {
      const Parameter& other = plan_->parameters()[known_[k].position];
      if (known_[k].ranks == ranks && other.shape == p.shape && other.sharding == p.sharding) return k;
    }
    known_.push_back({i, ranks});
    return known_.size() - 1;
  }

 private:
  struct Known {
    std::size_t position;
    Stages ranks;
  };
  const Plan* plan_;
  std::vector<Known> known_;
};

/// Fills pairs, only_from, only_to and reshaped. Errors SP-PLAN-001.
inline void match_tensors(TransferReport& report) {
  const Parameters &sources = report.from->parameters(), &targets = report.to->parameters();
  const auto asked = [&](const Parameter& p) {
    const std::string_view name = report.options.tensor;
    return name.empty() || p.name == name || (!p.tied_name.empty() && p.tied_name == name);
  };
  std::unordered_map<std::string_view, std::size_t> by_name;
  for (std::size_t i = 0; i < sources.size(); ++i) by_name.emplace(sources[i].name, i);
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (!sources[i].tied_name.empty()) by_name.emplace(sources[i].tied_name, i);
  std::vector<bool> used(sources.size());
  for (std::size_t j = 0; j < targets.size(); ++j) {
    if (!asked(targets[j])) continue;
    auto found = by_name.find(targets[j].name);
    if (found == by_name.end() && !targets[j].tied_name.empty()) found = by_name.find(targets[j].tied_name);
    if (found == by_name.end()) {
      report.only_to.push_back(targets[j].name);
      continue;
    }
    used[found->second] = true;
    (sources[found->second].shape == targets[j].shape ? report.pairs : report.reshaped).push_back({found->second, j});
  }
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (!used[i] && asked(sources[i])) report.only_from.push_back(sources[i].name);
  if (report.options.tensor.empty()) return;
  if (!report.pairs.empty() || !report.reshaped.empty() || !report.only_to.empty() || !report.only_from.empty()) return;
  std::vector<std::string_view> names;
  for (const Parameters* side : {&targets, &sources})
    for (const Parameter& p : *side) names.push_back(p.name);
  const std::string_view meant = closest(report.options.tensor, names);
  fail("SP-PLAN-001", concat("neither plan has a tensor '", report.options.tensor, "'"),
       meant.empty() ? std::string("the names are those of `shardplan plan CONFIG --rank 0`")
                     : concat("did you mean '", meant, "'?"),
       {"tensor"});
}

}  // namespace detail

/// Calls sink(Move) for the merged moves of one tensor between different ranks, by destination rank. state: of one
/// buffer of its optimizer state. Errors SP-LAYOUT-013.
template <class Sink>
void for_each_move(const TransferReport& report, const TensorPair& tensor, bool state, Sink&& sink) {
  Transfer(detail::transferred_layout(*report.from, tensor.from, state),
           detail::transferred_layout(*report.to, tensor.to, state), report.options.replicas)
      .for_each_move([&sink](const Move& move) {
        if (!move.stays()) sink(move);
      });
}

/// What it takes to bring the tensors of `from` that `to` knows by the same name to the ranks of `to`. Ranks of the two
/// plans with the same number are the same process. Tensors that are cut alike on both sides are counted once.
///
/// Errors   SP-PLAN-001 neither plan has the tensor that was asked for; SP-LAYOUT-013 a source that does not hold all
///          of a tensor; SP-LAYOUT-010 a relabelling of more than 8,192 ranks; SP-CORE-001
/// Post     moved + kept of the weights = bytes of all destination shards without their padding, in the source's type
inline TransferReport transfer_report(const Plan& from, const Plan& to, const TransferOptions& options = {}) {
  TransferReport out{&from, &to, options, {}, {}, {}, {}, {}, {}, {}};
  detail::match_tensors(out);
  const Index ranks = larger(from.world().ranks, to.world().ranks);
  const auto n = static_cast<std::size_t>(ranks);
  constexpr Index most_relabelled = 8192;
  if (options.relabel && ranks > most_relabelled)
    fail("SP-LAYOUT-010", concat("a relabelling of ", ranks, " ranks compares ", ranks, " x ", ranks, " volumes"),
         concat("at most ", most_relabelled, " ranks; the transfer itself has no such bound"), {"relabel"});

  // Tensors by (layout, layout), and of those by row: one transfer counts for all of them.
  struct Unit {
    std::size_t from_class, to_class;
    TensorPair first;
    std::vector<std::pair<std::size_t, Index>> rows;  // and how many tensors of each
  };
  detail::LayoutClasses from_classes(from), to_classes(to);
  std::vector<Unit> units;
  std::vector<TransferRow> rows;
  std::vector<TensorPair> first_of_row;
  for (const TensorPair& pair : out.pairs) {
    const Parameter &source = from.parameters()[pair.from], &target = to.parameters()[pair.to];
    const std::string pattern = detail::name_pattern(target.name);
    std::size_t row = 0;
    const auto alike = [&](std::size_t k) {
      const Parameter &s = from.parameters()[first_of_row[k].from], &t = to.parameters()[first_of_row[k].to];
      return rows[k].name == pattern && t.shape == target.shape && t.sharding == target.sharding &&
             s.sharding == source.sharding;
    };
    while (row < rows.size() && !alike(row)) ++row;
    if (row == rows.size()) {
      rows.push_back({pattern,
                      false,
                      0,
                      target.shape,
                      cut_words(source.sharding, from.layout(pair.from)),
                      cut_words(target.sharding, to.layout(pair.to)),
                      {}});
      first_of_row.push_back(pair);
    }
    ++rows[row].tensors;
    const std::size_t f = from_classes.of(pair.from), t = to_classes.of(pair.to);
    auto unit = std::find_if(units.begin(), units.end(),
                             [&](const Unit& one) { return one.from_class == f && one.to_class == t; });
    if (unit == units.end()) unit = units.insert(units.end(), {f, t, pair, {}});
    auto count = std::find_if(unit->rows.begin(), unit->rows.end(), [&](const auto& one) { return one.first == row; });
    if (count == unit->rows.end()) count = unit->rows.insert(unit->rows.end(), {row, 0});
    ++count->second;
  }
  for (std::size_t k = 0; k < rows.size(); ++k)
    if (rows[k].tensors == 1) rows[k].name = to.parameters()[first_of_row[k].to].name;

  std::vector<Index> held(options.relabel ? n * n : 0);
  detail::TransferLedger total(ranks);
  for (const detail::TransferBuffers& buffers :
       detail::transfer_buffers(from.storage(), to.storage(), options.optimizer)) {
    std::vector<detail::TransferLedger> ledgers(rows.size(), detail::TransferLedger(ranks));
    for (const Unit& unit : units) {
      const Transfer moves(detail::transferred_layout(from, unit.first.from, buffers.state),
                           detail::transferred_layout(to, unit.first.to, buffers.state), options.replicas);
      const detail::TransferLedger one = detail::count_transfer(moves, ranks, buffers);
      Index tensors = 0;
      for (const auto& [row, count] : unit.rows) {
        ledgers[row].add(one, count, buffers);
        tensors += count;
      }
      total.add(one, tensors, buffers);
      if (options.relabel)
        detail::Overlaps(moves.from(), moves.to()).add_to(held, n, checked_mul(tensors, buffers.sent));
    }
    for (std::size_t k = 0; k < rows.size(); ++k) {
      TransferRow& row = out.rows.emplace_back(rows[k]);
      row.state = buffers.state;
      row.figures = ledgers[k].finished();
    }
  }
  out.total = total.finished();
  if (options.relabel) {
    TransferRelabelling& found = out.relabelled.emplace();
    found.process = shardplan::relabel(held, ranks).process;
    found.before = out.total.moved;
    found.after = out.total.moved + out.total.kept;
    for (std::size_t label = 0; label < n; ++label) {
      found.after -= held[static_cast<std::size_t>(found.process[label]) * n + label];
      found.renumbered += found.process[label] != static_cast<Index>(label);
    }
  }
  return out;
}

}  // namespace shardplan
