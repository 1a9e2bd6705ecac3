#include <shardplan/report/words.hpp>

#include <doctest/doctest.h>

#include "support.hpp"

using namespace shardplan;

namespace {

/// The words for each distinct parameter of the first layer that has one, and for those outside layers.
std::string words_for(const Plan& plan, std::string_view name_end) {
  for (std::size_t i = 0; i < plan.parameters().size(); ++i)
    if (plan.parameters()[i].name.ends_with(name_end)) return cut_words(plan.parameters()[i].sharding, plan.layout(i));
  return "no such parameter";
}

std::string ranges_of(const Plan& plan, Rank rank, std::string_view name_end) {
  for (const auto& tensor : plan.at(rank).parameters())
    if (tensor.name().ends_with(name_end))
      return range_words(tensor.shard(), tensor.full_shape(), tensor.source().sharding);
  return "not held";
}

}  // namespace

TEST_CASE("cuts in words: columns, rows, heads with copies, vocabulary") {
  const Plan plan = small_plan();
  CHECK(words_for(plan, "embed_tokens.weight") == "dim 0: vocabulary / tp 4");
  CHECK(words_for(plan, "weight_qkv") == "dim 0: q heads / tp 4 | k, v heads / tp 2 x 2 copies");
  CHECK(words_for(plan, "o_proj.weight") == "dim 1: query heads / tp 4");
  CHECK(words_for(plan, "gate_up_proj.weight") == "dim 0: gate, up / tp 4");
  CHECK(words_for(plan, "down_proj.weight") == "dim 1 / tp 4");
  CHECK(words_for(plan, "layernorm.weight") == "whole");
}

TEST_CASE("cuts in words: padding, experts, two dimensions") {
  const Plan plan = megatron_plan();
  CHECK(words_for(plan, "word_embeddings.weight") == "dim 0: vocabulary padded to 64 / tp 2");
  CHECK(words_for(plan, "query_key_value.weight") == "dim 0 / tp 2");
  CHECK(words_for(plan, "gate_up_proj.weight") == "dim 0: experts / ep 2, dim 2: gate, up / tp 2");
  CHECK(words_for(plan, "mlp_op.down_proj.weight") == "dim 0: experts / ep 2, dim 1 / tp 2");
}

TEST_CASE("cuts in words: one rank cuts nothing, and only copies are copies") {
  const Plan one = small_plan({}, {.ranks = 1});
  for (std::size_t i = 0; i < one.parameters().size(); ++i)
    CHECK(cut_words(one.parameters()[i].sharding, one.layout(i)) == "whole");
  CHECK(words_for(small_plan({.tensor = 2, .kv_replicator = 2}, {.ranks = 2}), "weight_qkv") ==
        "dim 0: q heads / tp 2 | k, v heads x 2 copies");
}

TEST_CASE("cuts in words: rows that NxD repeats on trn2") {
  const Model model =
      llama({.layers = 1, .hidden = 64, .ffn = 96, .heads = 8, .kv_heads = 2, .vocab = 128, .qkv_linear = true});
  PlanOptions options;
  options.dialect = compat;
  const Plan plan(model, {.tensor = 4, .kv_replicator = 2}, {.ranks = 4, .hardware = Hardware::trn2}, options);
  CHECK(words_for(plan, "weight_qkv") == "dim 0: q heads / tp 4 | k, v heads repeated 2 times / tp 4");
}

TEST_CASE("ranges in words: parts by name, whole dimensions as a colon, padding, empty shards") {
  const Plan plan = small_plan();
  CHECK(ranges_of(plan, 0, "weight_qkv") == "[q 0:16 + k 64:72 + v 80:88, :]");
  CHECK(ranges_of(plan, 3, "gate_up_proj.weight") == "[gate 72:96 + up 168:192, :]");
  CHECK(ranges_of(plan, 3, "down_proj.weight") == "[:, 72:96]");
  CHECK(ranges_of(plan, 0, "layernorm.weight") == "[:]");
  CHECK(ranges_of(megatron_plan(), 1, "word_embeddings.weight") == "[32:50 + pad 14, :]");
  CHECK(range_words({nullptr, 0}, 4, {}) == "none");
}

TEST_CASE("ranges in words: a run over several parts is told part by part, long lists are cut short") {
  const Part parts[] = {{"a", 4}, {"b", 6}, {"c", 2}};
  const Shard::Segment across[] = {{2, 9, 0}};
  CHECK(range_words({across, 1}, 12, parts) == "a 2:4 + b 4:10 + c 10:11");
  const Shard::Segment many[] = {{0, 1, 0}, {2, 1, 1}, {4, 1, 2}, {6, 1, 3}};
  CHECK(range_words({many, 4}, 12, {}, 2) == "0:1 + 2:3 + 2 more runs");
}
