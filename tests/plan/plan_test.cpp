#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <vector>

#include <shardplan/layout/coverage.hpp>
#include <shardplan/model.hpp>
#include <shardplan/plan.hpp>

namespace sp = shardplan;

namespace {

sp::Model small_llama(sp::Index heads, sp::Index kv_heads, bool qkv_linear = true) {
  return sp::llama({.layers = 6,
                    .hidden = heads * 4,
                    .ffn = 48,
                    .heads = heads,
                    .kv_heads = kv_heads,
                    .vocab = 96,
                    .qkv_linear = qkv_linear});
}

/// Elements that all ranks hold of parameter i, padding left out.
sp::Index held_by_all(const sp::Plan& plan, std::size_t i) {
  sp::Index out = 0;
  for (sp::Index r = 0; r < plan.world().ranks; ++r)
    for (const auto& p : plan.at(r).parameters())
      if (&p.source() == &plan.parameters()[i]) out += p.shard().real_elements();
  return out;
}

}  // namespace

TEST_SUITE("plan") {
  TEST_CASE("plan: a rank's schedule is the one its memory is counted by") {
    for (const sp::Index chunks : {1, 2, 3})
      for (const sp::Index pipeline : {2, 3, 4})
        for (const sp::Index microbatches : {pipeline, 2 * pipeline, 5 * pipeline}) {
          const sp::Model model = sp::llama(
              {.layers = 12, .hidden = 64, .ffn = 48, .heads = 16, .kv_heads = 8, .vocab = 96, .qkv_linear = true});
          const sp::Plan plan(
              model, {.tensor = 2, .pipeline = pipeline, .virtual_pipeline = chunks}, {.ranks = 4 * pipeline},
              {.training = {.global_batch = 2 * microbatches, .micro_batch = 1, .sequence = 128}});
          REQUIRE(plan.microbatches() == microbatches);
          for (sp::Index r = 0; r < plan.world().ranks; ++r) {
            const auto here = plan.at(r);
            sp::Index alive = 0, peak = 0, forwards = 0, backwards = 0;
            for (const auto& task : here.schedule(microbatches)) {
              if (task.kind == sp::pipeline::TaskKind::forward) ++forwards, peak = std::max(peak, ++alive);
              if (task.kind == sp::pipeline::TaskKind::backward) ++backwards, --alive;
              if (sp::pipeline::is_send(task.kind) && task.kind == sp::pipeline::TaskKind::send_forward)
                CHECK(task.peer == plan.at(here.next()).pipeline_rank());
              if (task.kind == sp::pipeline::TaskKind::send_backward)
                CHECK(task.peer == plan.at(here.previous()).pipeline_rank());
            }
            CHECK(forwards == microbatches * chunks);
            CHECK(backwards == forwards);
            CHECK(peak == plan.load(here.pipeline_rank()).in_flight);
          }
        }
  }

  TEST_CASE("plan: the ranks of a tensor group hold every parameter once, K and V heads kv_replicator times") {
    for (const sp::Index copies : {1, 2, 4}) {
      for (const sp::Hardware hardware : {sp::Hardware::trn1, sp::Hardware::trn2, sp::Hardware::trn3}) {
        const sp::Model model = small_llama(16, 8 / copies);
        const sp::Plan plan(model, {.tensor = 8, .pipeline = 3, .kv_replicator = copies, .zero1 = true},
                            {.ranks = 48, .hardware = hardware});
        for (std::size_t i = 0; i < model.parameters.size(); ++i) {
          CAPTURE(copies);
          CAPTURE(model.parameters[i].name);
          const sp::Coverage coverage = sp::prove_coverage(plan.layout(i));
          CHECK(coverage.complete());
          CHECK(coverage.consistent());
          sp::Index once = 0;  // over one data replica, every part as often as its role says
          const sp::Sharding& rule = model.parameters[i].sharding;
          const sp::Index rest = rule.parts.empty() ? 0
                                                    : sp::elements(model.parameters[i].shape) /
                                                          model.parameters[i].shape[static_cast<std::size_t>(rule.dim)];
          for (const sp::Part& part : rule.parts)
            once += part.size * rest * (part.role == sp::Role::key_value ? copies : 1);
          if (rule.parts.empty()) once = sp::elements(model.parameters[i].shape) * 8;
          CHECK(held_by_all(plan, i) == once * plan.mesh().data());
        }
      }
    }
  }

  TEST_CASE("plan: local parameters of Llama-3 70B on 512 ranks, by stage") {
    const sp::Plan plan(sp::model("llama3-70b"),
                        {.tensor = 32, .pipeline = 8, .kv_replicator = 4, .sequence_parallel = true, .zero1 = true},
                        {.ranks = 512});
    const sp::Index expected[] = {316'112'896, 283'279'360, 283'279'360, 283'279'360,
                                  283'279'360, 283'279'360, 283'279'360, 316'121'088};
    for (sp::Index r = 0; r < 512; r += 37) {
      const auto here = plan.at(r);
      CHECK(here.parameters().elements() == expected[here.pipeline_rank()]);
      CHECK(here.optimizer_shards().elements() * 2 == here.parameters().elements());
    }
  }

  TEST_CASE("plan: optimizer shards of a ZeRO-1 group tile what its ranks hold") {
    const sp::Plan plan(small_llama(8, 4), {.tensor = 2, .pipeline = 2, .context = 3, .zero1 = true}, {.ranks = 60});
    for (sp::Index r = 0; r < 60; ++r) {
      const sp::Group group = plan.at(r).zero1_group();
      REQUIRE(group.size() == 15);
      const auto mine = plan.at(r).parameters();
      for (std::size_t k = 0; k < mine.size(); ++k) {
        sp::Index sum = 0;
        for (const sp::Rank member : group) {
          const auto states = plan.at(member).optimizer_shards();
          sum += states[k].shard().real_elements();
        }
        CHECK(sum == mine[k].shard().elements());
      }
    }
  }

  TEST_CASE("plan: every rank's parameters come in model order and belong to its stages") {
    for (const sp::Index chunks : {1, 3}) {
      const sp::Plan plan(small_llama(8, 4), {.tensor = 2, .pipeline = 2, .virtual_pipeline = chunks}, {.ranks = 8});
      std::size_t all = 0;
      for (sp::Index stage = 0; stage < 2; ++stage) {
        const auto here = plan.at(stage * 4);
        CHECK(here.pipeline_rank() == stage);
        const sp::Parameter* last = nullptr;
        for (const auto& p : here.parameters()) {
          CHECK((last == nullptr || last < &p.source()));
          last = &p.source();
          CHECK(plan.partition().pipeline_rank(p.stage()) == stage);
          ++all;
        }
        CHECK(here.next() == sp::Rank((stage + 1) % 2 * 4));
        CHECK(here.previous() == here.next());
      }
      CHECK(all == plan.parameters().size());
    }
  }

  TEST_CASE("plan: experts are cut over expert and tensor ranks, their state over expert-data ranks") {
    const sp::Model model = sp::mixtral(
        {.layers = 2, .hidden = 16, .ffn = 24, .heads = 4, .kv_heads = 2, .vocab = 40, .experts = 8, .top_k = 2});
    const sp::Plan plan(model, {.tensor = 2, .pipeline = 1, .expert = 4, .zero1 = true}, {.ranks = 32});
    for (sp::Index r = 0; r < 32; ++r) {
      const auto here = plan.at(r);
      for (const auto& p : here.parameters()) {
        if (!p.source().sharding.expert) continue;
        CHECK(p.local_shape()[0] == 2);
        CHECK(p.shard().segments(0)[0].start == here.coordinate(sp::ep) * 2);
      }
      for (const auto& s : here.optimizer_shards())
        if (s.source().sharding.expert) CHECK(s.local_shape()[0] == sp::ceil_div(2, plan.mesh().expert_data()));
    }
  }

  TEST_CASE("plan: tied embeddings of a host's own records live on both ends") {
    sp::Parameters records =
        sp::megatron(
            {.layers = 4, .hidden = 16, .ffn = 32, .heads = 4, .vocab = 64, .positions = 8, .tied_embeddings = true})
            .parameters;
    const sp::BasicPlan<std::span<const sp::Parameter>> plan(records, {.tensor = 2, .pipeline = 4}, {.ranks = 8});
    CHECK(plan.parameters().data() == records.data());
    for (sp::Index stage = 0; stage < 4; ++stage) {
      bool held = false;
      for (const auto& p : plan.at(stage * 2).parameters())
        held = held || p.name() == "language_model.embedding.word_embeddings.weight";
      CHECK(held == (stage == 0 || stage == 3));
    }
  }

  TEST_CASE("plan: cuts name layers; what they name wrongly is R16") {
    const auto with = [](sp::Names cuts) {
      return sp::Plan(small_llama(8, 4), {.tensor = 2, .pipeline = 3, .pipeline_cuts = std::move(cuts)}, {.ranks = 6});
    };
    const sp::Plan plan = with({"model.layers.3", "model.layers.0"});
    CHECK(plan.partition().layers_of(0).size() == 1);
    CHECK(plan.partition().layers_of(1).size() == 3);
    CHECK(plan.partition().layers_of(2).size() == 2);
    for (const auto& cuts : std::vector<sp::Names>{
             {"model.layers.3"}, {"model.layers.3", "model.layers.9"}, {"model.layers.3", "model.layers.3"}}) {
      try {
        with(cuts);
        FAIL("accepted");
      } catch (const sp::Error& error) {
        CHECK(error.diagnostics()[0].id == "R16");
      }
    }
  }

  TEST_CASE("plan: a layout tells where a parameter is, stages included") {
    for (const bool tied : {false, true})
      for (const sp::Index pipeline : {1, 2, 4}) {
        const sp::Parameters records = sp::megatron({.layers = 4,
                                                     .hidden = 16,
                                                     .ffn = 32,
                                                     .heads = 4,
                                                     .vocab = 64,
                                                     .positions = 8,
                                                     .tied_embeddings = tied})
                                           .parameters;
        const sp::BasicPlan<std::span<const sp::Parameter>> plan(
            records, {.tensor = 2, .pipeline = pipeline, .zero1 = true}, {.ranks = 16});
        for (std::size_t i = 0; i < records.size(); ++i) {
          const sp::Place origin(plan.mesh().dense().axes().size(), 0);
          const sp::Layout layout = plan.layout(i);
          sp::Index holders = 0, of_layout = 0;
          for (sp::Index r = 0; r < 16; ++r) {
            const auto tensors = plan.at(r).parameters();
            bool held = false;
            for (const auto& p : tensors) {
              if (&p.source() != &records[i]) continue;
              held = true;
              CHECK(p.layout() == layout);
            }
            holders += held;
            const bool exists = layout.exists_at(plan.mesh().dense().place(r));
            of_layout += exists;
            CHECK(held == exists);
          }
          CHECK(holders == of_layout);
          CHECK(sp::prove_coverage(layout).complete());
          CHECK(sp::prove_coverage(plan.optimizer_layout(i)).complete());
          const bool twice = tied && pipeline > 1 && !records[i].tied_name.empty();
          CHECK(layout.pins().size() == (twice ? 2 : 1));
        }
      }
  }

  TEST_CASE("plan: what a host's own records get wrong is refused, whatever it is") {
    using Kind = sp::Owner::Kind;
    const auto refused = [](std::vector<sp::Parameter> records, const sp::Strategy& s, const sp::Training& training,
                            std::string_view id) {
      try {
        sp::BasicPlan<std::vector<sp::Parameter>>(std::move(records), s, {.ranks = 8}, {.training = training});
        return false;
      } catch (const sp::Error& error) {
        return error.diagnostics()[0].id == id;
      }
    };
    const auto record = [](sp::Shape shape, sp::Sharding rule, sp::Owner owner) {
      return sp::Parameter{"w", std::move(shape), sp::Dtype::float32, rule, owner};
    };
    CHECK(refused({record({8, 8}, sp::cut(0, 8), {Kind::layer, -1})}, {}, {}, "SP-PLAN-002"));
    CHECK(refused({record({8, 8}, sp::cut(0, 8), {Kind::layer, sp::Index{1} << 40})}, {}, {}, "SP-PLAN-002"));
    CHECK(refused({record({8, 8}, sp::cut(0, 8), {Kind::layer, 0})}, {}, {.micro_batch = 0}, "SP-MESH-001"));
    CHECK(refused({record({9, 8}, sp::cut(0, 9), {Kind::layer, 0})}, {.tensor = 2}, {}, "SP-TENSOR-001"));
    CHECK(refused({record({8, 8}, sp::cut(0, 8), {Kind::first, {}})}, {.pipeline = 2}, {}, "SP-PIPELINE-001"));
    const sp::Parameter huge = record({sp::Index{1} << 62}, sp::replicated(), {Kind::first, {}});
    CHECK(refused({huge, huge}, {}, {}, "SP-CORE-001"));
    // Embeddings alone are a model, of no layer.
    CHECK_FALSE(refused({record({8, 8}, sp::cut(0, 8), {Kind::first, {}})}, {.tensor = 2}, {}, ""));
  }

  TEST_CASE("plan: a rank outside the world, and a registry without parameters, are refused") {
    const sp::Plan plan(small_llama(8, 4), {.tensor = 2}, {.ranks = 4});
    CHECK_THROWS_WITH_AS(plan.at(4), doctest::Contains("SP-PLAN-001"), sp::Error);
    CHECK_THROWS_WITH_AS(plan.at(-1), doctest::Contains("SP-PLAN-001"), sp::Error);
    CHECK_THROWS_WITH_AS(sp::BasicPlan<std::vector<sp::Parameter>>({}, {}, {.ranks = 1}),
                         doctest::Contains("SP-PLAN-002"), sp::Error);
  }

  TEST_CASE("plan: memory is largest where the pipeline begins, and the same for every rank of a stage") {
    const sp::PlanOptions options{
        .training = {.global_batch = 1024, .sequence = 8192, .optimizer = "adamw", .flash_attention = true}};
    const sp::Plan plan(sp::model("llama3-70b"),
                        {.tensor = 32, .pipeline = 8, .kv_replicator = 4, .sequence_parallel = true, .zero1 = true},
                        {.ranks = 1024}, options);
    CHECK(plan.memory(0).weights == sp::Index{2} * 316'112'896);
    CHECK(plan.memory(0).optimizer_state == sp::Index{8} * 316'112'896 / 4);
    for (sp::Index stage = 1; stage < 7; ++stage)
      CHECK(plan.memory(stage).activations <= plan.memory(stage - 1).activations);
    CHECK(plan.load(0).in_flight == 8);
    CHECK(plan.load(7).in_flight == 1);
  }
}
