#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <sstream>
#include <vector>

#include <shardplan/model.hpp>
#include <shardplan/plan.hpp>

namespace sp = shardplan;

namespace {

const sp::Architecture llama{
    .layers = 8, .hidden = 64, .ffn = 96, .heads = 16, .kv_heads = 4, .vocab = 128, .qkv_linear = true};
const sp::Architecture gpt{.layers = 8,
                           .hidden = 64,
                           .ffn = 96,
                           .heads = 16,
                           .kv_heads = 8,
                           .vocab = 128,
                           .vocabulary_multiple = 8,
                           .family = sp::Family::megatron};

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
        {"R5",
         with(with(llama, &sp::Architecture::heads, 12), &sp::Architecture::head_dim, 4),
         {.tensor = 8, .kv_replicator = 2},
         {.ranks = 8},
         {}},
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

  TEST_CASE("diagnose: what a hint proposes heals the rule, and the mesh stays whole") {
    struct Broken {
      Case given;
      const char* word;  ///< what stands before the proposed numbers
      void (*set)(Case&, sp::Index);
    };
    const auto tensor = [](Case& c, sp::Index n) { c.strategy.tensor = n; };
    const auto context = [](Case& c, sp::Index n) { c.strategy.context = n; };
    const auto pipeline = [](Case& c, sp::Index n) { c.strategy.pipeline = n; };
    std::vector<Broken> all;
    for (const sp::Index t : {3, 6, 12, 24})
      for (const sp::Index heads : {8, 16, 20, 28})
        all.push_back({{"R5",
                        with(with(llama, &sp::Architecture::heads, heads), &sp::Architecture::head_dim, 4),
                        {.tensor = t},
                        {.ranks = 48 * 5},
                        {}},
                       "tensor size ",
                       tensor});
    for (const sp::Index ffn : {90, 100, 1000})
      all.push_back({{"R10", with(llama, &sp::Architecture::ffn, ffn), {.tensor = 8}, {.ranks = 64}, {}},
                     "tensor size ",
                     tensor});
    for (const sp::Index p : {3, 5, 6})
      all.push_back({{"R12", gpt, {.tensor = 2, .pipeline = p}, {.ranks = 120}, {}}, "pipeline size ", pipeline});
    for (const sp::Index cp : {3, 5, 6})
      all.push_back(
          {{"R19", llama, {.tensor = 2, .context = cp}, {.ranks = 120}, {.sequence = 64}}, "context size ", context});
    int tried = 0;
    for (const Broken& one : all) {
      for (const sp::Diagnostic& found :
           sp::diagnose(sp::model(one.given.architecture), one.given.strategy, one.given.world, one.given.training)) {
        if (found.id != one.given.id) continue;
        const std::size_t at = found.hint.find(one.word);
        REQUIRE(at != std::string::npos);
        std::istringstream words(found.hint.substr(at + std::string_view(one.word).size()));
        sp::Index number = 0;
        std::string separator;
        while (words >> number) {
          Case healed = one.given;
          one.set(healed, number);
          CAPTURE(found.hint);
          for (const sp::Diagnostic& left :
               sp::diagnose(sp::model(healed.architecture), healed.strategy, healed.world, healed.training)) {
            CHECK(left.id != found.id);
            CHECK(left.id != "R2");
          }
          ++tried;
          if (!(words >> separator) || separator != "or") break;
        }
      }
    }
    CHECK(tried > 30);
  }

  TEST_CASE("diagnose: the kv_replicator that R7 and SP-TENSOR-008 propose is accepted") {
    int tried = 0;
    for (const sp::Index heads : {8, 16, 32})
      for (const sp::Index kv : {1, 2, 4, 8})
        for (const sp::Index t : {2, 4, 8, 16})
          for (const sp::Index copies : {1, 2, 3, 4, 8}) {
            if (heads % t != 0) continue;
            const Case c{"",
                         with(with(with(llama, &sp::Architecture::heads, heads), &sp::Architecture::kv_heads, kv),
                              &sp::Architecture::head_dim, 4),
                         {.tensor = t, .kv_replicator = copies},
                         {.ranks = 16, .hardware = sp::Hardware::trn3},
                         {}};
            for (const sp::Diagnostic& found : sp::diagnose(sp::model(c.architecture), c.strategy, c.world)) {
              const std::size_t at = found.hint.find("kv_replicator ");
              if ((found.id != "R7" && found.id != "SP-TENSOR-008") || at == std::string::npos) continue;
              Case healed = c;
              healed.strategy.kv_replicator = std::stoll(found.hint.substr(at + 14));
              CAPTURE(found.message);
              CAPTURE(found.hint);
              CHECK(errors(healed).empty());
              ++tried;
            }
          }
    CHECK(tried > 20);
  }

  TEST_CASE("diagnose: all violations come at once") {
    const Case c{"",
                 with(with(gpt, &sp::Architecture::ffn, 90), &sp::Architecture::kv_heads, 2),
                 {.tensor = 4, .pipeline = 3},
                 {.ranks = 16},
                 {}};
    const auto found = errors(c);
    for (const char* id : {"R2", "R9", "R10", "R12"}) {
      CAPTURE(id);
      CHECK(std::count(found.begin(), found.end(), id) == 1);
    }
  }

  TEST_CASE("diagnose: a plan exists exactly when there is no error") {
    int accepted = 0, refused = 0;
    for (const sp::Architecture& base : {llama, gpt})
      for (const sp::Index heads : {4, 6, 16})
        for (const sp::Index kv : {1, 3, 4})
          for (sp::Index t : {1, 2, 3, 8, 64})
            for (sp::Index p : {1, 3, 5})
              for (sp::Index m : {1, 2, 4})
                for (const sp::Hardware hardware : {sp::Hardware::trn1, sp::Hardware::trn2, sp::Hardware::trn3})
                  for (const sp::Dialect& dialect : {sp::strict, sp::compat}) {
                    const sp::Architecture a =
                        with(with(with(base, &sp::Architecture::heads, heads), &sp::Architecture::kv_heads, kv),
                             &sp::Architecture::head_dim, 4);
                    if (sp::has_errors(sp::diagnose(a))) continue;
                    const sp::Model model = sp::model(a);
                    const sp::Strategy s{
                        .tensor = t, .pipeline = p, .context = t == 2 ? 2 : 1, .kv_replicator = m, .zero1 = true};
                    const sp::World world{.ranks = 48, .hardware = hardware};
                    const bool good = !sp::has_errors(sp::diagnose(model, s, world, {}, dialect));
                    bool made = true;
                    try {
                      sp::BasicPlan<std::span<const sp::Parameter>>(
                          model.parameters,
                          [&] {
                            sp::Strategy registry = s;
                            registry.kv_replicator = sp::tensor_options(a, s, world, dialect).kv_replicator;
                            return registry;
                          }(),
                          world, {.dialect = dialect});
                    } catch (const sp::Error&) {
                      made = false;
                    }
                    CAPTURE(t);
                    CAPTURE(p);
                    CAPTURE(m);
                    // The model's rules refuse some jobs that its weights alone would allow; never the other way round.
                    if (good) CHECK(made);
                    bool whole = true;
                    try {
                      sp::Plan(model, s, world, {.dialect = dialect});
                    } catch (const sp::Error&) {
                      whole = false;
                    }
                    CHECK(whole == good);
                    (good ? accepted : refused)++;
                  }
    CHECK(accepted > 100);
    CHECK(refused > 100);
  }

  TEST_CASE("diagnose: compat plans with the degrees that NxD reduces to the world") {
    for (const sp::Index asked : {8, 16, 1000}) {
      const Case c{"",
                   with(llama, &sp::Architecture::kv_heads, 16),
                   {.tensor = asked, .sequence_parallel = true, .zero1 = true},
                   {.ranks = 8},
                   {.sequence = 64}};
      CHECK(errors(c, sp::compat).empty());
      const sp::Plan plan(sp::model(c.architecture), c.strategy, c.world,
                          {.training = c.training, .dialect = sp::compat});
      sp::Strategy reduced = c.strategy;
      reduced.tensor = 8;
      const sp::Plan same(sp::model(c.architecture), reduced, c.world, {.training = c.training, .dialect = sp::compat});
      CHECK(plan.strategy() == reduced);
      CHECK(plan.memory(0) == same.memory(0));
      CHECK(plan.at(3).parameters().elements() == same.at(3).parameters().elements());
      CHECK(plan.warnings().size() == same.warnings().size() + (asked > 8));  // SP-MESH-011
    }
  }

  TEST_CASE("diagnose: numbers that no job has are refused before anything is computed with them") {
    const sp::Index big = sp::Index{1} << 40;
    for (const sp::Dialect& dialect : {sp::strict, sp::compat}) {
      for (const sp::Training& training :
           {sp::Training{.global_batch = big}, sp::Training{.micro_batch = big}, sp::Training{.sequence = big}})
        CHECK(errors({"", llama, {}, {.ranks = 1}, training}, dialect) == std::vector<std::string_view>{"SP-PLAN-006"});
      for (sp::Index sp::Strategy::*member :
           {&sp::Strategy::virtual_pipeline, &sp::Strategy::kv_replicator, &sp::Strategy::token_shuffle}) {
        sp::Strategy s;
        s.*member = big;
        CHECK(errors({"", llama, s, {.ranks = 1}, {}}, dialect) == std::vector<std::string_view>{"SP-PLAN-006"});
      }
    }
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
    CHECK(said({.tensor = 4, .kv_replicator = 2}, {.ranks = 32}, "SP-MESH-012"));
    CHECK(!said({.tensor = 2}, {.ranks = 32}, "SP-MESH-012"));
  }

  TEST_CASE("diagnose: sequences that do not divide are warned of, tied embeddings over stages refused") {
    const auto severity = [](const Case& c) {
      std::vector<std::pair<std::string_view, sp::Severity>> out;
      for (const sp::Diagnostic& one : sp::diagnose(sp::model(c.architecture), c.strategy, c.world, c.training))
        out.emplace_back(one.id, one.severity);
      return out;
    };
    using Found = std::vector<std::pair<std::string_view, sp::Severity>>;
    CHECK(severity({"", llama, {.context = 2}, {.ranks = 2}, {.sequence = 63}}) ==
          Found{{"R19", sp::Severity::warning}});
    CHECK(severity({"",
                    llama,
                    {.tensor = 4, .sequence_parallel = true},
                    {.ranks = 8, .hardware = sp::Hardware::trn2},
                    {.sequence = 62}}) == Found{{"R20", sp::Severity::warning}});
    sp::Architecture tied = gpt;
    tied.tied_embeddings = true;
    CHECK(severity({"", tied, {.pipeline = 2}, {.ranks = 2}, {}}) == Found{{"R30", sp::Severity::error}});
  }
}
