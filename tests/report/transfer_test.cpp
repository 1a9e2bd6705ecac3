#include <shardplan/report/transfer_text.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "support.hpp"
#include "../thrown.hpp"

namespace sp = shardplan;

namespace {

sp::Plan plan_of(const sp::Strategy& strategy, sp::Index ranks) {
  return sp::small_plan(strategy, {.ranks = ranks, .hardware = sp::Hardware::trn3});
}

/// Tensors of a small model on meshes of different sizes and degrees.
const std::vector<sp::Plan>& plans() {
  static const std::vector<sp::Plan> all = [] {
    std::vector<sp::Plan> out;
    out.push_back(plan_of({.tensor = 4, .pipeline = 2, .kv_replicator = 2, .zero1 = true}, 16));
    out.push_back(plan_of({.tensor = 2, .pipeline = 1, .zero1 = true}, 8));
    out.push_back(plan_of({.tensor = 8, .pipeline = 2, .kv_replicator = 4, .zero1 = true}, 32));
    out.push_back(plan_of({.tensor = 1, .pipeline = 4, .context = 2}, 8));
    return out;
  }();
  return all;
}

/// What the shards of a rank hold of a tensor, element by element.
using Held = std::vector<bool>;
Held held_by(const sp::Layout& layout, sp::Index rank) {
  Held out(static_cast<std::size_t>(sp::elements(layout.shape())));
  if (!layout.view().contains(rank)) return out;
  const sp::Place place = layout.view().place(rank);
  if (!layout.exists_at(place)) return out;
  const sp::Shard shard(layout, place);
  for (const sp::Piece& piece : shard.pieces())
    for (sp::Index i = 0; i < sp::elements(piece.extent); ++i) {
      sp::Index rest = i, at = 0, stride = 1;
      for (std::size_t d = piece.extent.size(); d-- > 0;) {
        at += (piece.global[d] + rest % piece.extent[d]) * stride;
        rest /= piece.extent[d];
        stride *= layout.shape()[d];
      }
      out[static_cast<std::size_t>(at)] = true;
    }
  return out;
}

struct Count {
  sp::Index moved = 0, kept = 0;
  std::vector<sp::Index> received, held;
};

/// The same figures from the shards alone: what a rank wants and does not have is received.
Count count(const sp::Plan& from, const sp::Plan& to, bool state, sp::Index sent, sp::Index before, sp::Index after) {
  const sp::Index ranks = std::max(from.world().ranks, to.world().ranks);
  Count out{0, 0, std::vector<sp::Index>(static_cast<std::size_t>(ranks)),
            std::vector<sp::Index>(static_cast<std::size_t>(ranks))};
  for (std::size_t i = 0; i < to.parameters().size(); ++i) {
    const sp::Layout a = state ? from.optimizer_layout(i) : from.layout(i);
    const sp::Layout b = state ? to.optimizer_layout(i) : to.layout(i);
    for (sp::Index r = 0; r < ranks; ++r) {
      const auto at = static_cast<std::size_t>(r);
      const Held has = held_by(a, r), wants = held_by(b, r);
      for (std::size_t e = 0; e < has.size(); ++e) {
        out.kept += has[e] && wants[e] ? sent : 0;
        out.moved += !has[e] && wants[e] ? sent : 0;
        out.received[at] += !has[e] && wants[e] ? sent : 0;
      }
      for (const sp::Layout* side : {&a, &b})
        if (side->view().contains(r) && side->exists_at(side->view().place(r)))
          out.held[at] += sp::elements(side->local_shape(side->view().place(r))) * (side == &a ? before : after);
    }
  }
  return out;
}

sp::RankBytes most(const std::vector<sp::Index>& bytes) {
  const auto at = std::max_element(bytes.begin(), bytes.end());
  return {at - bytes.begin(), *at};
}

}  // namespace

TEST_CASE("figures are those of the shards, counted element by element") {
  for (const sp::Plan& from : plans())
    for (const sp::Plan& to : plans()) {
      const sp::Index each = sp::bytes(from.storage().weight_dtype);
      const Count expected = count(from, to, false, each, each, sp::bytes(to.storage().weight_dtype));
      for (const auto choice : {sp::ReplicaChoice::nearest, sp::ReplicaChoice::balanced, sp::ReplicaChoice::lowest}) {
        const sp::TransferReport report = sp::transfer_report(from, to, {.replicas = choice});
        CHECK(report.complete());
        CHECK(report.pairs.size() == to.parameters().size());
        CHECK(report.total.moved == expected.moved);
        CHECK(report.total.kept == expected.kept);
        CHECK(report.total.receiver == most(expected.received));
        CHECK(report.total.peak == most(expected.held));
        if (&from == &to) CHECK(report.total.moves == 0);

        sp::Index moves = 0, moved = 0, kept = 0, tensors = 0;
        for (const sp::TransferRow& row : report.rows) {
          moves += row.figures.moves;
          moved += row.figures.moved;
          kept += row.figures.kept;
          tensors += row.tensors;
          CHECK(row.figures.receiver.bytes <= report.total.receiver.bytes);
        }
        CHECK(moves == report.total.moves);
        CHECK(moved == report.total.moved);
        CHECK(kept == report.total.kept);
        CHECK(tensors == static_cast<sp::Index>(to.parameters().size()));

        // Every move one by one.
        sp::Index listed = 0, bytes = 0;
        std::vector<sp::Index> sent(static_cast<std::size_t>(std::max(from.world().ranks, to.world().ranks)));
        for (const sp::TensorPair& pair : report.pairs)
          sp::for_each_move(report, pair, false, [&](const sp::Move& move) {
            ++listed;
            bytes += move.elements() * each;
            sent[static_cast<std::size_t>(move.from.value)] += move.elements() * each;
          });
        CHECK(listed == report.total.moves);
        CHECK(bytes == report.total.moved);
        CHECK(report.total.sender == most(sent));
      }
    }
}

TEST_CASE("optimizer state: what both sides keep is sent, master weights and every state") {
  for (const sp::Plan& from : plans())
    for (const sp::Plan& to : plans()) {
      const sp::TransferReport weights = sp::transfer_report(from, to);
      const sp::TransferReport all = sp::transfer_report(from, to, {.optimizer = true});
      const sp::Storage &a = from.storage(), &b = to.storage();
      const bool master = a.master_dtype && b.master_dtype;
      const sp::Index each =
          std::min(a.states, b.states) * sp::bytes(a.state_dtype) + (master ? sp::bytes(*a.master_dtype) : 0);
      REQUIRE(each > 0);
      const Count expected = count(from, to, true, each, 0, 0);
      CHECK(all.total.moved - weights.total.moved == expected.moved);
      CHECK(all.total.kept - weights.total.kept == expected.kept);
      CHECK(all.rows.size() == 2 * weights.rows.size());
      CHECK(all.rows.back().state);
      CHECK_FALSE(weights.rows.back().state);
    }
}

TEST_CASE("relabelling: a permutation that sends what it says, and never more") {
  for (const sp::Plan& from : plans())
    for (const sp::Plan& to : plans()) {
      const sp::TransferReport report = sp::transfer_report(from, to, {.relabel = true});
      REQUIRE(report.relabelled);
      const sp::TransferRelabelling& found = *report.relabelled;
      std::vector<sp::Index> sorted = found.process, counting(sorted.size());
      std::sort(sorted.begin(), sorted.end());
      std::iota(counting.begin(), counting.end(), 0);
      CHECK(sorted == counting);
      CHECK(found.before == report.total.moved);
      CHECK(found.after <= found.before);
      sp::Index sent = 0;
      for (std::size_t i = 0; i < to.parameters().size(); ++i)
        for (std::size_t label = 0; label < found.process.size(); ++label) {
          const Held has = held_by(from.layout(i), found.process[label]);
          const Held wants = held_by(to.layout(i), static_cast<sp::Index>(label));
          for (std::size_t e = 0; e < has.size(); ++e) sent += !has[e] && wants[e];
        }
      CHECK(sent * sp::bytes(from.storage().weight_dtype) == found.after);
      if (&from == &to) CHECK(found.renumbered == 0);
    }
}

TEST_CASE("experts and padded vocabularies: overlaps agree with moves") {
  const sp::Plan a = sp::megatron_plan();
  const sp::TransferReport report = sp::transfer_report(a, a, {.optimizer = true, .relabel = true});
  CHECK(report.total.moved == 0);
  CHECK(report.relabelled->after == 0);
  CHECK(report.relabelled->renumbered == 0);
}

TEST_CASE("names decide: what only one side has, and what has another shape") {
  const sp::Plan& llama = plans()[0];
  const sp::Plan megatron = sp::megatron_plan();
  const sp::TransferReport nothing = sp::transfer_report(llama, megatron, {.relabel = true});
  CHECK_FALSE(nothing.complete());
  CHECK(nothing.pairs.empty());
  CHECK(nothing.only_from.size() == llama.parameters().size());
  CHECK(nothing.only_to.size() == megatron.parameters().size());
  CHECK(nothing.total.moves == 0);
  CHECK(sp::text(nothing).find("no tensor has the same name") != std::string::npos);

  const sp::Model wider =
      sp::llama({.layers = 4, .hidden = 64, .ffn = 192, .heads = 8, .kv_heads = 2, .vocab = 128, .qkv_linear = true});
  const sp::Plan other{wider, {.tensor = 2, .zero1 = true}, {.ranks = 4, .hardware = sp::Hardware::trn3}};
  const sp::TransferReport some = sp::transfer_report(other, llama);
  CHECK_FALSE(some.complete());
  CHECK(some.only_from.empty());
  CHECK(some.only_to.size() == llama.parameters().size() - other.parameters().size());
  CHECK(some.reshaped.size() == 8);  // gate and up, and down, of four layers
  CHECK(some.pairs.size() + some.reshaped.size() == other.parameters().size());
  const std::string words = sp::text(some);
  CHECK(words.find("sent by nobody:") != std::string::npos);
  CHECK(words.find("model.layers.0.mlp.down_proj.weight [64, 192] and [64, 96]") != std::string::npos);
}

TEST_CASE("one tensor alone, and its moves in words") {
  const sp::Plan &from = plans()[0], &to = plans()[1];
  const std::string_view name = "model.layers.2.mlp.down_proj.weight";
  const sp::TransferReport report = sp::transfer_report(from, to, {.optimizer = true, .tensor = name});
  REQUIRE(report.rows.size() == 2);
  CHECK(report.rows[0].name == name);
  CHECK(report.rows[0].tensors == 1);
  CHECK(report.complete());
  const std::string all = sp::moves_text(report, 0), few = sp::moves_text(report, 2);
  const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  CHECK(lines(all) > lines(few));
  CHECK(all.find("more; --all") == std::string::npos);
  CHECK(few.find("more; --all") != std::string::npos);
}

TEST_CASE("as JSON: the figures of the report, and a move a line") {
  const sp::Plan &from = plans()[2], &to = plans()[1];
  const sp::TransferReport report = sp::transfer_report(from, to, {.optimizer = true, .relabel = true});
  std::string text;
  sp::JsonWriter writer(text, 2);
  sp::write(writer, report);
  const auto json = nlohmann::json::parse(text);
  CHECK(json["schema"] == "shardplan-transfer-1");
  CHECK(json["complete"] == true);
  CHECK(json["from"]["ranks"] == 32);
  CHECK(json["to"]["data"] == 4);
  CHECK(json["total"]["moved"] == report.total.moved);
  CHECK(json["total"]["peak"]["rank"] == report.total.peak.rank.value);
  CHECK(json["rows"].size() == report.rows.size());
  CHECK(json["relabelling"]["process"].size() == 32);
  sp::Index bytes = 0;
  for (const auto& row : json["rows"])
    if (row["kind"] == "weight") bytes += row["moved"].get<sp::Index>();
  sp::Index listed = 0;
  for (const sp::TensorPair& pair : report.pairs)
    sp::for_each_move(report, pair, false, [&](const sp::Move& move) {
      std::string line;
      sp::JsonWriter one(line);
      sp::write(one, move, to.parameters()[pair.to].name, false, sp::detail::move_element_bytes(report, false));
      const auto read = nlohmann::json::parse(line);
      CHECK(read["from"] != read["to"]);
      CHECK(read["extent"].size() == read["source"].size());
      listed += read["bytes"].get<sp::Index>();
    });
  CHECK(listed == bytes);
}

TEST_CASE("faults") {
  const sp::Plan &from = plans()[0], &to = plans()[1];
  CHECK(sp::thrown([&] { sp::transfer_report(from, to, {.tensor = "model.norm.wieght"}); }) == sp::Ids{"SP-PLAN-001"});
  const sp::Plan large = plan_of({.tensor = 2}, 16384);
  CHECK(sp::thrown([&] { sp::transfer_report(large, to, {.relabel = true}); }) == sp::Ids{"SP-LAYOUT-010"});
  CHECK(sp::thrown([&] { sp::transfer_report(large, to); }).empty());
}
