#include <shardplan/report/explain_text.hpp>
#include <shardplan/report/rule.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "support.hpp"
#include "../thrown.hpp"

namespace sp = shardplan;

namespace {

/// Walks the steps forwards, checking that each goes on where the one before ended.
void check_path(const sp::DimensionPath& path) {
  std::vector<sp::CutStep> open;
  sp::Index at = path.index, length = path.extent;
  for (const sp::CutStep& step : path.steps) {
    CHECK(step.before == at);
    CHECK(step.length == length);
    CHECK(0 <= step.after);
    CHECK(step.after < step.new_length);
    if (step.cut.kind == sp::CutKind::split) {
      CHECK(step.range.size() == step.new_length);
      CHECK(step.before - step.range.begin == step.after);
      CHECK(step.part < step.parts);
    }
    if (step.cut.kind == sp::CutKind::blocks) {
      CHECK(step.range.contains(step.leaves ? step.after : step.before));
      if (step.leaves) {
        REQUIRE(!open.empty());
        CHECK(open.back().part == step.part);
        open.pop_back();
      } else {
        open.push_back(step);
      }
    }
    CHECK(open.size() == step.depth + (step.cut.kind == sp::CutKind::blocks && !step.leaves));
    at = step.after;
    length = step.new_length;
  }
  CHECK(open.empty());
  CHECK(at == path.local);
  CHECK(length == path.local_extent);
}

/// The steps of every local position lead from the source that the runs of the shard name.
void check_paths(const sp::Layout& layout) {
  for (sp::Index r = 0; r < layout.view().size(); ++r) {
    const sp::Place place = layout.view().place(r);
    for (std::size_t dim = 0; dim < layout.rank(); ++dim) {
      sp::Index local = 0;
      sp::for_each_run(layout, dim, place, {0, layout.local_size(dim, place)}, [&](sp::Run run) {
        for (sp::Index i = 0; i < run.length; ++i, ++local) {
          const sp::DimensionPath path = sp::dimension_path(layout, dim, place, local);
          CHECK(path.index == (run.is_padding() ? -1 : run.start + i));
          if (!run.is_padding()) check_path(path);
        }
      });
    }
  }
}

/// Occurrences against the shards of all ranks, element by element.
void check_occurrences(const sp::Layout& layout, const sp::Shape& index) {
  std::multiset<std::pair<sp::Index, sp::Index>> expected, found;  // rank, offset
  for (sp::Index r = 0; r < layout.view().size(); ++r) {
    const sp::Place place = layout.view().place(r);
    if (!layout.exists_at(place)) continue;
    const sp::Shard shard(layout, place);
    for (const sp::Piece& piece : shard.pieces()) {
      sp::Index offset = 0;
      bool inside = true;
      for (std::size_t d = 0; d < index.size(); ++d) {
        const sp::Index step = index[d] - piece.global[d];
        inside = inside && 0 <= step && step < piece.extent[d];
        offset = offset * shard.local_shape()[d] + piece.local[d] + step;
      }
      if (inside) expected.insert({r, offset});
    }
  }
  for (const sp::Occurrence& one : sp::occurrences(layout, index)) {
    for (std::size_t k = 0; k < one.ranks.size(); ++k) found.insert({one.ranks[k].value, one.offset()});
    for (std::size_t d = 0; d < index.size(); ++d) {
      CHECK(one.dimensions[d].index == index[d]);
      check_path(one.dimensions[d]);
    }
  }
  CHECK(found == expected);
}

}  // namespace

TEST_CASE("the steps of an element go on from one another, from its source to its local index") {
  const sp::View view({{sp::dp, 3}, {sp::tp, 4}});
  const sp::Chain chains[] = {
      {},
      sp::split(sp::tp),
      sp::split(sp::tp).ceil(),
      sp::split(sp::dp).balanced(),
      sp::split(sp::tp).ceil().mirrored(),
      sp::strided(sp::tp, 3),
      sp::zigzag(sp::tp),
      sp::slice(1, 21) | sp::split(sp::tp),
      sp::pad_to_multiple(16) | sp::split(sp::tp),
      sp::split(sp::tp) | sp::pad(sp::PadTo::amount, 2),
      sp::repeat(2) | sp::split(sp::tp),
      sp::blocks_of(1, sp::repeat(2)) | sp::split(sp::tp),
      sp::reorder(4, {2, -1, 0, 0, 3, 1}) | sp::split(sp::tp, sp::dp),
      sp::packed({{16, sp::split(sp::tp)}, {4, sp::split(sp::inner(sp::tp, 2))}, {4, {}}}),
      sp::packed({{7, sp::split(sp::tp).ceil()}, {0, {}}, {17, sp::blocks(17, sp::repeat(2))}}) |
          sp::pad_to_multiple(3) | sp::split(sp::dp),
  };
  for (const sp::Chain& chain : chains) {
    const sp::Layout layout = sp::Layout(view, {24}).then(0, chain);
    check_paths(layout);
    for (sp::Index i = 0; i < 24; ++i) check_occurrences(layout, {i});
  }
}

TEST_CASE("every element of a plan is where its explanation says, weights and optimizer state") {
  const sp::World worlds[] = {{.ranks = 16, .hardware = sp::Hardware::trn3, .ranks_per_node = 8}};
  const sp::Plan plans[] = {
      sp::small_plan(), sp::megatron_plan(),
      sp::small_plan({.tensor = 4, .pipeline = 1, .context = 2, .kv_replicator = 2, .zero1 = true}, worlds[0])};
  for (const sp::Plan& plan : plans)
    for (const sp::Parameter& p : plan.parameters()) {
      CAPTURE(p.name);
      sp::Shape index, last;
      for (const sp::Index extent : p.shape) index.push_back(extent * 2 / 3), last.push_back(extent - 1);
      for (const sp::Shape& at : {sp::Shape(p.shape.size(), 0), index, last}) {
        const sp::Explanation all = sp::explain(plan, p.name, at);
        check_occurrences(all.weight, at);
        check_occurrences(all.state, at);
        std::vector<sp::Rank> ranks;
        for (const sp::Occurrence& one : all.held)
          for (std::size_t k = 0; k < one.ranks.size(); ++k) ranks.push_back(one.ranks[k]);
        std::sort(ranks.begin(), ranks.end());
        ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
        CHECK(ranks == sp::holding_ranks(all.weight, at));
        for (const auto* held : {&all.held, &all.state_held})
          for (const sp::Occurrence& one : *held)
            for (const sp::DimensionPath& path : one.dimensions) check_path(path);
      }
    }
}

TEST_CASE("in words") {
  const sp::Plan plan = sp::small_plan();
  const std::string words =
      sp::text(sp::explain(plan, "model.layers.1.self_attn.qkv_proj.weight_qkv", sp::Shape{70, 5}, sp::Rank(0)));
  for (const std::string_view part :
       {"[96, 64]", "layer 1", "stage 0 of 2", "dimension 0, index 70 of 96",
        "Blocks, 3: k, [64, 80) of 96 -> position 6 of 16",
        "Split over tp mod 2: part 0 of 2, [0, 8) -> position 6 of 8", "Join: k goes to [16, 24) of 32",
        "of a shard [32, 64]", "not cut", "ZeRO-1", "Pad to a multiple of 2: nothing to add", "Split over dp[2]: part",
        "covers", "optimizer state"})
    CHECK_MESSAGE(words.find(part) != words.npos, part << " in\n" << words);

  const std::string elsewhere = sp::text(sp::explain(plan, "model.layers.1.input_layernorm.weight", {}, sp::Rank(15)));
  CHECK(elsewhere.find("has no shard of it") != elsewhere.npos);
  CHECK(elsewhere.find("element") == elsewhere.npos);
}

TEST_CASE("as JSON: the ranges of the rank, and the holders as runs of ranks") {
  const sp::Plan plan = sp::small_plan();
  for (sp::Rank rank = 0; rank.value < 16; ++rank) {
    const sp::Explanation all = sp::explain(plan, "model.layers.4.mlp.down_proj.weight", sp::Shape{3, 50}, rank);
    std::string text;
    sp::JsonWriter writer(text, 2);
    sp::write(writer, all);
    const auto json = nlohmann::json::parse(text);
    CHECK(json["schema"] == "shardplan-explain-1");
    CHECK(json["tensor"]["shape"] == nlohmann::json({64, 96}));
    CHECK(json["index"] == nlohmann::json({3, 50}));
    std::set<sp::Index> holders;
    for (const auto& one : json["weight"]) {
      std::size_t count = 0;
      for (const auto& run : one["ranks"])
        for (sp::Index k = 0; k < run["count"]; ++k, ++count)
          holders.insert(run["first"].get<sp::Index>() + k * run["stride"].get<sp::Index>());
      CHECK(one["count"] == count);
      CHECK(one["dimensions"][1]["steps"][0]["cut"] == "split");
    }
    std::set<sp::Index> expected;
    for (const sp::Rank holder : sp::holding_ranks(all.weight, {3, 50})) expected.insert(holder.value);
    CHECK(holders == expected);
    CHECK(json["rank"]["holds"] == all.exists());
    CHECK(json["rank"]["weight"].is_null() == !all.exists());
    if (all.exists()) CHECK(json["rank"]["weight"]["shape"] == nlohmann::json({64, 24}));
  }
}

TEST_CASE("what the plan does not have") {
  const sp::Plan plan = sp::small_plan();
  const std::string_view norm = "model.norm.weight";
  for (const sp::Shape& index : {sp::Shape{64}, sp::Shape{-1}, sp::Shape{0, 0}, sp::Shape{}})
    CHECK(sp::thrown([&] { sp::explain(plan, norm, index); }) == sp::Ids{"SP-PLAN-001"});
  CHECK(sp::thrown([&] { sp::explain(plan, norm, sp::Shape{0}, sp::Rank(16)); }) == sp::Ids{"SP-PLAN-001"});
  try {
    sp::explain(plan, "model.norm.wieght", sp::Shape{0});
    FAIL("no such tensor");
  } catch (const sp::Error& error) {
    CHECK(sp::ids_of(error.diagnostics()) == sp::Ids{"SP-PLAN-001"});
    CHECK(error.diagnostics()[0].hint == "did you mean 'model.norm.weight'?");
  }
}

TEST_CASE("rules: every id is found in either case, and says what it is about") {
  for (const sp::Rule& one : sp::rule_table) {
    CAPTURE(one.id);
    std::string small(one.id);
    for (char& letter : small) letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter;
    for (const std::string_view id : {std::string_view(one.id), std::string_view(small)}) {
      CHECK(sp::looks_like_rule(id));
      const auto found = sp::find_rule(id);
      REQUIRE(found);
      CHECK(std::string_view(found->id) == one.id);
      CHECK(sp::closest_rules(id)[0] == one.id);
    }
    const std::string words = sp::text(one);
    CHECK(words.find(one.summary) != words.npos);
    CHECK(words.find(sp::name(one.severity)) != words.npos);
    CHECK(!sp::applies_to(one).empty());
  }
  for (const std::string_view none : {"", "R", "R38", "R999", "SP-MESH-999", "SP-", "job"}) CHECK(!sp::find_rule(none));
  for (const std::string_view other : {"", "R", "R5.yaml", "sp-mesh/x", "Rx", "job"})
    CHECK(!sp::looks_like_rule(other));
  const auto near = sp::closest_rules("SP-MESH-099");
  REQUIRE(near.size() == 3);
  CHECK(near[0] == "SP-MESH-009");
  CHECK(sp::closest_rules("zzz").empty());
}
