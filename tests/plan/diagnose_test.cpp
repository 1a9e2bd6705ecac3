#include <doctest/doctest.h>

#include <algorithm>

#include <shardplan/model.hpp>
#include <shardplan/plan.hpp>

namespace sp = shardplan;

namespace {

const sp::Architecture llama{.layers = 8, .hidden = 64, .ffn = 96, .heads = 16, .kv_heads = 4, .vocab = 128, .qkv_linear = true};
const sp::Architecture gpt{.layers = 8, .hidden = 64, .ffn = 96, .heads = 16, .kv_heads = 8, .vocab = 128, .vocabulary_multiple = 8, .family = sp::Family::megatron};

struct Case {
  const char* id;
  sp::Architecture architecture;
  sp::Strategy strategy;
  sp::World world;
  sp::Training training;
};

std::vector<std::string_view> errors(const Case& c, const sp::Dialect& dialect = sp::strict) {
  std::vector<std::string_view> out;
  for (const sp::Diagnostic& one : sp::diagnose(sp::model(c.architecture), c.strategy, c.world, c.training, dialect))
    if (one.severity == sp::Severity::error) out.push_back(one.id);
  return out;
}

sp::Architecture with(sp::Architecture a, sp::Index sp::Architecture::*member, sp::Index value) {
  a.*member = value;
  return a;
}

}  // namespace

TEST_SUITE("diagnose") {
  TEST_CASE("diagnose: each broken rule is found by its id, alone, with its numbers and a hint") {
    const std::vector<Case> cases{
        {"SP-MESH-001", llama, {.tensor = 0}, {.ranks = 8}, {}},
        {"SP-MESH-001", llama, {.virtual_pipeline = 0}, {.ranks = 8}, {}},
        {"R2", llama, {.tensor = 4, .pipeline = 3}, {.ranks = 16}, {}},
        {"R2", llama, {.tensor = 4, .context = 3}, {.ranks = 16, .hardware = sp::Hardware::trn2}, {}},
        {"R5", with(with(llama, &sp::Architecture::heads, 12), &sp::Architecture::head_dim, 4), {.tensor = 8, .kv_replicator = 2}, {.ranks = 8}, {}},
        {"R7", llama, {.tensor = 8}, {.ranks = 8}, {}},
        {"R7", llama, {.tensor = 8, .kv_replicator = 3}, {.ranks = 8}, {}},
        {"R9", gpt, {.tensor = 16}, {.ranks = 16}, {}},
        {"R10", with(llama, &sp::Architecture::ffn, 90), {.tensor = 4}, {.ranks = 32}, {}},
        {"R11", with(llama, &sp::Architecture::vocab, 130), {.tensor = 4}, {.ranks = 32}, {}},
        {"R12", gpt, {.tensor = 2, .pipeline = 3}, {.ranks = 6}, {}},
        {"R13", gpt, {.tensor = 2, .pipeline = 2, .virtual_pipeline = 3}, {.ranks = 4}, {}},
        {"R14", llama, {.tensor = 2, .pipeline = 16}, {.ranks = 32}, {}},
        {"R15", llama, {.tensor = 2, .pipeline = 4, .virtual_pipeline = 2}, {.ranks = 8}, {.global_batch = 6}},
        {"R16", llama, {.tensor = 2, .pipeline = 2, .pipeline_cuts = {"model.layers.99"}}, {.ranks = 4}, {}},
        {"R29", gpt, {.tensor = 2, .token_shuffle = 3}, {.ranks = 8}, {}},
        {"SP-MESH-005", llama, {.tensor = 4, .pipeline = 2}, {.ranks = 32, .ranks_per_node = 32}, {}},
        {"SP-TENSOR-002", llama, {.tensor = 2, .expert = 2}, {.ranks = 8}, {}},
    };
    for (const Case& c : cases) {
      CAPTURE(c.id);
      const auto found = errors(c);
      for (const std::string_view one : found) CHECK(one == c.id);
      CHECK(!found.empty());
      for (const sp::Diagnostic& one : sp::diagnose(sp::model(c.architecture), c.strategy, c.world, c.training)) {
        if (one.id != std::string_view(c.id)) continue;
        CHECK(one.message.find_first_of("0123456789") != std::string::npos);
        CHECK(!one.hint.empty());
        CHECK(!one.origins.empty());
      }
      CHECK_THROWS_AS(sp::Plan(sp::model(c.architecture), c.strategy, c.world, {.training = c.training}), sp::Error);
    }
  }

  TEST_CASE("diagnose: what a hint proposes is accepted") {
    // heads 16: the hint for tensor 6 names 4 and 8
    for (const sp::Index tensor : {4, 8})
      CHECK(errors({"", llama, {.tensor = tensor, .kv_replicator = tensor / 4}, {.ranks = 64}, {}}).empty());
    CHECK(errors({"", llama, {.tensor = 8, .kv_replicator = 2}, {.ranks = 8}, {}}).empty());
  }

  TEST_CASE("diagnose: all violations come at once") {
    const Case c{"", with(with(gpt, &sp::Architecture::ffn, 90), &sp::Architecture::kv_heads, 2), {.tensor = 4, .pipeline = 3}, {.ranks = 16}, {}};
    const auto found = errors(c);
    for (const char* id : {"R2", "R9", "R10", "R12"}) {
      CAPTURE(id);
      CHECK(std::count(found.begin(), found.end(), id) == 1);
    }
  }

  TEST_CASE("diagnose: a plan exists exactly when there is no error") {
    int accepted = 0;
    for (sp::Index t : {1, 2, 3, 4, 8})
      for (sp::Index p : {1, 2, 3, 5})
        for (sp::Index c : {1, 2})
          for (sp::Index m : {1, 2})
            for (const sp::Dialect& dialect : {sp::strict, sp::compat}) {
              const sp::Strategy s{.tensor = t, .pipeline = p, .context = c, .kv_replicator = m, .zero1 = true};
              const sp::World world{.ranks = 48, .hardware = sp::Hardware::trn2};
              const bool good = !sp::has_errors(sp::diagnose(sp::model(llama), s, world, {}, dialect));
              bool made = true;
              try {
                sp::Plan(sp::model(llama), s, world, {.dialect = dialect});
              } catch (const sp::Error&) {
                made = false;
              }
              CAPTURE(t);
              CAPTURE(p);
              CAPTURE(m);
              CHECK(made == good);
              accepted += made;
            }
    CHECK(accepted > 20);
  }

  TEST_CASE("diagnose: compat refuses what only NxD cannot do, strict lays it out") {
    const Case odd{"", llama, {.tensor = 2, .pipeline = 3}, {.ranks = 6}, {}};
    CHECK(errors(odd).empty());
    CHECK(errors(odd, sp::compat) == std::vector<std::string_view>{"SP-MESH-010"});
  }

  TEST_CASE("diagnose: where NxD differs is said, as a warning") {
    const auto said = [](const sp::Strategy& s, const sp::World& world, std::string_view id) {
      for (const sp::Diagnostic& one : sp::diagnose(sp::model(llama), s, world))
        if (one.id == id && one.severity == sp::Severity::warning) return true;
      return false;
    };
    CHECK(said({.tensor = 8, .kv_replicator = 2}, {.ranks = 8}, "SP-TENSOR-006"));
    CHECK(said({.tensor = 8, .kv_replicator = 2}, {.ranks = 8, .hardware = sp::Hardware::trn2}, "SP-TENSOR-006"));
    CHECK(!said({.tensor = 4}, {.ranks = 32}, "SP-TENSOR-006"));
  }
}
