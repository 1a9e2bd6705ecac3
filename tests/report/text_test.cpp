#include <doctest/doctest.h>

#include "support.hpp"

using namespace shardplan;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out(1);
  for (const char letter : text) letter == '\n' ? out.emplace_back() : out.back() += letter;
  return out;
}

std::string text_of(const Plan& plan, Diagnostics findings = {}) {
  return text(report(plan, {.config = "small"}, std::move(findings)));
}

void check_page(const std::string& text, std::size_t width) {
  CHECK(text.ends_with('\n'));
  for (const std::string& line : lines_of(text)) {
    CAPTURE(line);
    CHECK(line.size() <= width);
    CHECK_FALSE(line.ends_with(' '));
  }
}

}  // namespace

TEST_CASE("text: the figures of a plan") {
  CHECK(text_of(small_plan()).starts_with(R"(small: 160,448 parameters over 16 ranks

  mesh        tensor 4 x pipeline 2 x data 2
  world       16 trn3 ranks, 2 nodes of 8
  training    mixed_precision, ZeRO-1, sequence parallel, strict dialect
  batch       32 sequences of 16 tokens = 16 microbatches of 1 x data 2
  layers      5 in 2 stages: 2 3
  heads       8 query, 2 a rank; 2 KV x 2 copies, 1 a rank; 8 wide
  vocabulary  128; 32 a rank
  parameters  160,448

  memory of a rank  )"));
}

TEST_CASE("text: experts, padding, tied embeddings, and what is not known") {
  const std::string text = text_of(megatron_plan());
  for (const char* line : {"  mesh        tensor 2 x data 4; experts over 2 x 2 data\n", "  batch       not known\n",
                           "  layers      4\n", "  experts     4, 2 for each token, 2 a rank\n",
                           "  vocabulary  50, padded to 64; 32 a rank; head tied to embedding\n"})
    CHECK_MESSAGE(text.find(line) != text.npos, line);
  CHECK(text.find(" active\n") != text.npos);
}

TEST_CASE("text: memory of the smallest and the largest rank, or of one where all are alike") {
  const Plan plan = small_plan();
  const MemoryReport memory = memory_report(plan);
  const std::string both = text_of(plan), one = text_of(megatron_plan());
  CHECK(both.find("smallest") < both.find("largest"));
  for (const std::size_t stage : {memory.smallest, memory.largest}) {
    const StageMemory& of = memory.stages[stage];
    CHECK(both.find(byte_unit(of.bytes.total())(of.bytes.total())) != both.npos);
    CHECK(both.find(with_commas(of.parameters)) != both.npos);
  }
  CHECK(both.find("8-15") != both.npos);
  CHECK(one.find("all alike") != one.npos);
  CHECK(one.find("pipeline rank") == one.npos);
  CHECK(both.find("fits, ") != both.npos);
  CHECK(both.find("not counted: what compiler and runtime reserve") != both.npos);
}

TEST_CASE("text: without a sequence length nothing is said that depends on activations") {
  const std::string small = text_of(megatron_plan());
  for (const char* line : {"\n    activations ", "\n    transient ", "\n    total "}) {
    const std::size_t at = small.find(line);
    REQUIRE(at != small.npos);
    CHECK(small.substr(at, small.find('\n', at + 1) - at).find(" not known") != small.npos);
  }
  CHECK(small.find(" not known without activations\n") != small.npos);
  CHECK(small.find(" not known whether it fits\n") != small.npos);
  CHECK(small.find("fits, ") == small.npos);
  // 8,030,261,248 parameters of 8 bytes each are too much for 16 GiB, whatever comes on top.
  const std::string large = text_of(Plan(model("llama3-8b"), {}, {.ranks = 1}));
  CHECK(large.find("does not fit: at least 43.83 GiB over") != large.npos);
  CHECK(large.find("not known without activations") != large.npos);
}

TEST_CASE("text: counts warnings, not notes") {
  const Plan plan = small_plan();
  CHECK(text_of(plan, {finding("SP-PLAN-005", "a note")}).ends_with("\n  no warnings\n"));
  CHECK(text_of(plan, {finding("R4", "a"), finding("R17", "b"), finding("SP-PLAN-005", "c")})
            .ends_with("\n  2 warnings\n"));
}

TEST_CASE("text: fits a page of 100 columns") {
  for (const std::string_view name : {"llama3.1-405b", "mixtral-8x7b", "megatron-gpt"})
    check_page(text_of(Plan(model(name), {.tensor = 8, .zero1 = true}, {.ranks = 1024, .ranks_per_node = 32})), 100);
  check_page(text_of(small_plan()), 100);
}

TEST_CASE("rank text: place, groups and every tensor") {
  const Plan plan = small_plan();
  for (Rank rank = 0; rank < plan.world().ranks; ++rank) {
    const std::string text = rank_text(plan, rank);
    CHECK(text.starts_with(concat("Rank ", rank, "\n")));
    const auto here = plan.at(rank);
    for (const auto& tensor : here.parameters()) {
      const std::string name = concat("\n  ", tensor.name(), ' ');
      const std::size_t first = text.find(name);
      CHECK(first != text.npos);
      CHECK(text.find(name, first + 1) != text.npos);  // its slice
    }
    check_page(text, 400);
  }
  const std::string text = rank_text(plan, 9);
  for (const char* line :
       {"  coordinates pp 1 of 2, dp 0 of 2, cp 0 of 1, tp 1 of 4\n", "  neighbours  previous rank 1, no next rank\n",
        "  stages      1 of 2, layers 2-4, final norm and head\n", "  tp        4         1  8-11\n",
        "  kv        2         0  9, 11\n", "  zero1     2         0  9, 13\n"})
    CHECK_MESSAGE(text.find(line) != text.npos, line);
}

TEST_CASE("rank text: folded to the page") {
  const std::string text = rank_text(small_plan(), 0, 80);
  for (const std::string& line : lines_of(text))
    if (line.find("elements of") == line.npos) CHECK_MESSAGE(line.size() <= 80, line);
  CHECK(text.find("\n  model.layers.0.self_attn.qkv_proj.weight_qkv\n      [96, 64]") != text.npos);
}

TEST_CASE("rank text: expert coordinates where there are expert ranks, a slice without rows is none") {
  const std::string text = rank_text(megatron_plan(), 3);
  CHECK(text.find(", edp 0 of 2, ep 1 of 2\n") != text.npos);
  CHECK(text.find("  ep        2         1  1, 3\n") != text.npos);
}

TEST_CASE("rank text: no optimizer, no slices") {
  PlanOptions options;
  options.training.optimizer = "sgd";
  const Plan plan(llama({.layers = 1, .hidden = 8, .ffn = 8, .heads = 2, .vocab = 8}), {}, {.ranks = 1}, options);
  CHECK(rank_text(plan, 0).find("slice of") == std::string::npos);
}
