#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <shardplan/config.hpp>
#include <shardplan/config/custom_model.hpp>
#include <shardplan/config/pitfalls.hpp>
#include <shardplan/config/rules.hpp>
#include <shardplan/config/yaml.hpp>
#include <shardplan/core.hpp>
#include <shardplan/data.hpp>
#include <shardplan/layout.hpp>
#include <shardplan/mesh.hpp>
#include <shardplan/model.hpp>
#include <shardplan/model/custom.hpp>
#include <shardplan/optim.hpp>
#include <shardplan/pipeline.hpp>
#include <shardplan/pipeline/catalogue.hpp>
#include <shardplan/pipeline/progress.hpp>
#include <shardplan/pipeline/simulate.hpp>
#include <shardplan/plan.hpp>
#include <shardplan/report/rule.hpp>
#include <shardplan/report/rule_pages.hpp>
#include <shardplan/tensor.hpp>
#include <shardplan/zero.hpp>

#include "../config/configs.hpp"

namespace sp = shardplan;

namespace {

using Numbers = std::vector<sp::Index>;

template <class F>
sp::Diagnostics caught(F&& run) {
  try {
    run();
  } catch (const sp::Error& error) {
    return error.diagnostics();
  }
  return {};
}

sp::Diagnostics checked(std::string_view text, std::string_view set) {
  const sp::Config config = sp::config_of(text, set);
  sp::Diagnostics out = sp::check(config, {});
  out.append(sp::pitfalls(config));
  out.append(config.diagnostics);
  return out;
}
sp::Diagnostics hf(std::string_view set) { return checked(sp::hf_text, set); }
sp::Diagnostics megatron(std::string_view set) { return checked(sp::megatron_text, set); }
sp::Diagnostics mixtral(std::string_view set) { return checked(sp::mixtral_text, set); }
sp::Diagnostics yaml(std::string_view text) {
  return caught([&] {
    const auto found = sp::resolve(sp::read_yaml_text(text, "job.yaml")).diagnostics;
    if (sp::has_errors(found)) throw sp::Error(found);
  });
}
sp::Diagnostics bound(std::string_view set) {
  return caught([&] { sp::config_of(sp::hf_text, set); });
}

const sp::Architecture llama{
    .layers = 8, .hidden = 64, .ffn = 96, .heads = 16, .kv_heads = 4, .vocab = 128, .qkv_linear = true};

template <class F>
sp::Architecture changed(F&& change, sp::Architecture a = llama) {
  change(a);
  return a;
}
template <class F>
sp::Architecture gpt(F&& change) {
  sp::Architecture a{.layers = 8,
                     .hidden = 64,
                     .ffn = 96,
                     .heads = 16,
                     .kv_heads = 8,
                     .vocab = 128,
                     .vocabulary_multiple = 8,
                     .family = sp::Family::megatron};
  change(a);
  return a;
}
sp::Diagnostics job(const sp::Architecture& a, const sp::Strategy& s, const sp::World& world,
                    const sp::Training& training = {}, const sp::Dialect& dialect = sp::strict) {
  return sp::diagnose(sp::model(a), s, world, training, dialect);
}
sp::Diagnostics job(const sp::Strategy& s, const sp::World& world, const sp::Training& training = {},
                    const sp::Dialect& dialect = sp::strict) {
  return sp::diagnose(s, world, training, dialect);
}
sp::Layout matrix() { return {sp::View({{sp::tp, 4}}), {10, 4}}; }

/// 1F1B on two ranks, without the first task of that kind on one of them.
sp::pipeline::PipelineTasks without(std::size_t rank, sp::pipeline::TaskKind kind) {
  sp::pipeline::PipelineTasks tasks = sp::pipeline::make_schedule("1f1b", {.microbatches = 4, .pipeline = 2});
  auto& list = tasks.ranks[rank];
  list.erase(std::find_if(list.begin(), list.end(), [&](const sp::pipeline::Task& task) { return task.kind == kind; }));
  return tasks;
}

/// The examples of pages, done.
struct Example {
  const char* id;
  sp::Diagnostics (*raise)();
};

const Example examples[] = {
    {"R1", [] { return hf("trainer.devices=12"); }},
    {"R2", [] { return job({.tensor = 4, .pipeline = 3}, {.ranks = 16}); }},
    {"R3", [] { return job({.tensor = 2, .expert = 3}, {.ranks = 8}); }},
    {"R4", [] { return job({}, {.ranks = 4}, {.global_batch = 18, .micro_batch = 1}); }},
    {"R5", [] { return job(changed([](auto& a) { a.heads = 32; }), {.tensor = 12}, {.ranks = 24}); }},
    {"R6", [] { return sp::diagnose(changed([](auto& a) { a.hidden = 100; })); }},
    {"R7", [] { return job(llama, {.tensor = 8, .kv_replicator = 1}, {.ranks = 8}); }},
    {"R8",
     [] {
       sp::tensor::GQAQKVColumnParallelLinear layers[2];
       layers[0].kv_size_multiplier = 2;
       layers[1].kv_size_multiplier = 4;
       return sp::tensor::diagnose(layers, {.dialect = sp::compat});
     }},
    {"R9", [] { return job(gpt([](auto&) {}), {.tensor = 16}, {.ranks = 16}); }},
    {"R10", [] { return job(changed([](auto& a) { a.ffn = 100; }), {.tensor = 8}, {.ranks = 8}); }},
    {"R11", [] { return job(changed([](auto& a) { a.vocab = 32003; }), {.tensor = 8}, {.ranks = 8}); }},
    {"R12", [] { return job(gpt([](auto& a) { a.layers = 30; }), {.pipeline = 4}, {.ranks = 8}); }},
    {"R13",
     [] { return job(gpt([](auto& a) { a.layers = 32; }), {.pipeline = 4, .virtual_pipeline = 3}, {.ranks = 8}); }},
    {"R14", [] { return job(llama, {.pipeline = 8, .virtual_pipeline = 2}, {.ranks = 8}); }},
    {"R15",
     [] { return job({.pipeline = 4, .virtual_pipeline = 2}, {.ranks = 4}, {.global_batch = 6, .micro_batch = 1}); }},
    {"R16",
     [] {
       return job(llama, {.pipeline = 4, .pipeline_cuts = {"model.layers.1", "model.layers.3"}}, {.ranks = 4});
     }},
    {"R17", [] { return hf("distributed_strategy.context_parallel_size=2"); }},
    {"R18", [] { return hf("model.fusions={ring_attention: true, flash_attention: true}"); }},
    {"R19", [] { return job({.context = 4}, {.ranks = 4}, {.sequence = 4098}); }},
    {"R20",
     [] { return job({.tensor = 8, .context = 2, .sequence_parallel = true}, {.ranks = 16}, {.sequence = 2040}); }},
    {"R21", [] { return hf("model.activations_checkpoint_granularity=fulll"); }},
    {"R22", [] { return megatron("distributed_strategy.zero1=false"); }},
    {"R23", [] { return megatron("model.use_emha=true"); }},
    {"R24", [] { return megatron("model.activations_checkpoint_num_layers=null"); }},
    {"R25", [] { return hf("precision.type=bf16"); }},
    {"R26",
     [] {
       return hf(
           "precision={type: manual, xla_use_bf16: 0, xla_downcast_bf16: '1', "
           "neuron_rt_stochastic_rounding_en: '1'}");
     }},
    {"R27", [] { return mixtral("model.moe={num_experts: 8, top_k: 2, dropless: true, glu_mlp: false}"); }},
    {"R28", [] { return mixtral("model.moe={num_experts: 8, top_k: 2, dropless: false, capacity_factor: 0}"); }},
    {"R29", [] { return job({.token_shuffle = 3}, {.ranks = 4}); }},
    {"R30", [] { return job(changed([](auto& a) { a.tied_embeddings = true; }), {.pipeline = 2}, {.ranks = 4}); }},
    {"R31", [] { return hf("data.seq_length=2048; model_alignment_strategy={sft: {packing: true}}"); }},
    {"R32", [] { return hf("model.optim={name: adamw, lr: 1e-4, momentum: 0.9}"); }},
    {"R33", [] { return hf("seed=0"); }},
    {"R34", [] { return hf("model.optim.sched.constant_steps=95"); }},
    {"R35",
     [] {
       return job(sp::architecture("mixtral-8x7b"), {.tensor = 8, .expert = 2},
                  {.ranks = 16, .hardware = sp::Hardware::trn2});
     }},
    {"R36",
     [] {
       return hf("distributed_strategy.pipeline_model_parallel_size=2; model_alignment_strategy={dpo: {kl_beta: 1}}");
     }},
    {"R37", [] { return hf("model_alignment_strategy={peft: {lora_rank: 16}}"); }},

    {"SP-CORE-001", [] { return caught([] { sp::checked_mul(INT64_MAX, 2); }); }},
    {"SP-MESH-001", [] { return job({.tensor = 0}, {.ranks = 8}); }},
    {"SP-MESH-003", [] { return caught([] { sp::hardware_from_name("trn4"); }); }},
    {"SP-MESH-004", [] { return caught([] {
                           sp::View({{sp::tp, 2, 2}, {sp::tp, 4}});
                         }); }},
    {"SP-MESH-005", [] { return job({.tensor = 4, .pipeline = 8}, {.ranks = 32, .ranks_per_node = 32}); }},
    {"SP-MESH-006",
     [] { return job({.tensor = 32}, {.ranks = 96, .hardware = sp::Hardware::trn2, .ranks_per_node = 64, .lnc = 2}); }},
    {"SP-MESH-007", [] { return caught([] { sp::Mesh({.ranks = 8}, {}).groups(sp::Axis("xp")); }); }},
    {"SP-MESH-008", [] { return caught([] { sp::Mesh({.ranks = 8}, {.tensor = 8}).kv_shared_groups(3); }); }},
    {"SP-MESH-009", [] { return caught([] { sp::experts_of(4, 8, 4); }); }},
    {"SP-MESH-010", [] { return job(llama, {.pipeline = 3}, {.ranks = 3}, {}, sp::compat); }},
    {"SP-MESH-011", [] { return job({.tensor = 16}, {.ranks = 8}, {}, sp::compat); }},
    {"SP-MESH-012",
     [] {
       return sp::group_differences(
           sp::Mesh({.ranks = 128, .hardware = sp::Hardware::trn2, .lnc = 2}, {.tensor = 32, .context = 2}), true, 1,
           1);
     }},
    {"SP-MESH-013",
     [] {
       return sp::diagnose_placement(4, 2, {{0, 1}, {2, 2}});
     }},
    {"SP-MESH-014", [] { return caught([] { sp::mcore::Order order("tp-cp-ep-dp-tp"); }); }},

    {"SP-MESH-015", [] { return caught([] {
                           sp::same_order(sp::View({{sp::tp, 8}}), sp::View({{sp::tp, 16}}));
                         }); }},
    {"SP-LAYOUT-001", [] { return caught([] { matrix().then(0, sp::split(sp::tp)); }); }},
    {"SP-LAYOUT-002",
     [] { return caught([] {
            sp::Layout(sp::View({{sp::tp, 2}}), {10}).then(0, sp::split(sp::tp).chunk(4));
          }); }},
    {"SP-LAYOUT-003", [] { return caught([] { matrix().then(0, sp::slice(2, 12)); }); }},
    {"SP-LAYOUT-004", [] { return caught([] {
                             sp::reorder(4, {0, 2, 4, 1});
                           }); }},
    {"SP-LAYOUT-005",
     [] { return caught([] {
            sp::Layout(sp::View(), {20}).then(0, sp::packed({8, 4, 4}, sp::Chain{}));
          }); }},
    {"SP-LAYOUT-006",
     [] { return caught([] {
            sp::Layout(sp::View({{sp::tp, 8}}), {24}).then(0, sp::split(sp::inner(sp::tp, 3)));
          }); }},
    {"SP-LAYOUT-007",
     [] {
       return caught([] {
         sp::Layout(sp::View({{sp::tp, 4}}), {8, 8}).then(0, sp::split(sp::tp)).then(1, sp::split(sp::tp));
       });
     }},
    {"SP-LAYOUT-008", [] { return caught([] { matrix().then(2, sp::split(sp::tp)); }); }},
    {"SP-LAYOUT-010",
     [] {
       return caught([] {
         const sp::Layout halves = sp::Layout(sp::View({{sp::tp, 2}}), {16}).then(0, sp::split(sp::tp));
         const std::vector<int> full(16);
         std::vector<int> local(10);
         sp::extract<int>(sp::shard(halves, {0}), {16}, full, local);
       });
     }},
    {"SP-LAYOUT-011",
     [] { return caught([] {
            sp::FlatLayout({{0, 0, 10}, {1, 8, 6}}, sp::Layout(sp::View({{sp::dp, 1}}), {16}));
          }); }},
    {"SP-LAYOUT-012", [] { return caught([] { sp::cute::parse("(4,2):(1,"); }); }},
    {"SP-LAYOUT-013",
     [] {
       return caught([] {
         const sp::View view({{sp::tp, 4}});
         sp::Transfer(sp::Layout(view, {16, 8}), sp::Layout(view, {8, 16}));
       });
     }},

    {"SP-MODEL-001", [] { return caught([] { sp::architecture("llama2-7x"); }); }},
    {"SP-MODEL-002", [] { return sp::diagnose(changed([](auto& a) { a.layers = 0; })); }},
    {"SP-MODEL-003", [] { return caught([] { sp::normalization_from_name("batchnorm"); }); }},
    {"SP-MODEL-004",
     [] {
       return sp::diagnose(changed([](auto& a) {
         a.family = sp::Family::hf_mixtral;
         a.experts = 2;
         a.top_k = 4;
       }));
     }},
    {"SP-MODEL-005", [] { return sp::diagnose(changed([](auto& a) { a.hidden = 4294967296; })); }},

    {"SP-MODEL-006",
     [] {
       return sp::bind_custom_model(sp::read_yaml_text("{name: m, layers: 1, "
                                                       "sizes: {hidden: 100, head_dim: hidden / 16}, "
                                                       "layer: [{name: 'w.{layer}', shape: [8]}]}",
                                                       "model.yaml"))
           .diagnostics;
     }},
    {"SP-MODEL-007",
     [] {
       return sp::diagnose_custom_model({.name = "m", .layers = 1, .layer = {{"w.{layer}", {8}, sp::cut(1, 8)}}});
     }},
    {"SP-MODEL-008",
     [] {
       return sp::bind_custom_model(sp::read_yaml_text("{name: m, layers: 1, "
                                                       "heads: {query: 6, key_value: 4, size: 8}, "
                                                       "layer: [{name: 'w.{layer}', shape: [8], role: query}]}",
                                                       "model.yaml"))
           .diagnostics;
     }},
    {"SP-MODEL-009",
     [] {
       return sp::diagnose_custom_model({.name = "m", .layers = 1, .layer = {{"w", {8}}}});
     }},
    {"SP-MODEL-010",
     [] {
       return sp::diagnose_custom_model(
           {.name = "m", .layers = 2, .layer = {{"w.{layer}", {8}, sp::replicated(), {.begin = 0, .end = 1}}}});
     }},

    {"SP-TENSOR-001",
     [] {
       return sp::tensor::diagnose("w", sp::cut(0, 10), {10, 4}, sp::View({{sp::tp, 4}}), {});
     }},
    {"SP-TENSOR-002",
     [] {
       return job(changed([](auto& a) {
                    a.family = sp::Family::hf_mixtral;
                    a.experts = 8;
                    a.top_k = 2;
                  }),
                  {.expert = 3}, {.ranks = 3});
     }},
    {"SP-TENSOR-003",
     [] {
       return sp::tensor::diagnose(
           sp::tensor::GQAQKVColumnParallelLinear{
               .input_size = 64, .query_size = 100, .key_value_size = 32, .head_size = 16, .kv_size_multiplier = 2},
           2);
     }},
    {"SP-TENSOR-004",
     [] {
       return sp::tensor::diagnose("w", {16, 4, 8}, 8, {2, sp::Hardware::trn3, sp::compat});
     }},
    {"SP-TENSOR-005",
     [] {
       return sp::tensor::diagnose(
           sp::tensor::ColumnParallelLinear{.input_size = 8, .output_size = 8, .rank_ordering = {0, 0, 1, 2}}, 4);
     }},
    {"SP-TENSOR-006",
     [] { return job(changed([](auto& a) { a.qkv_linear = false; }), {.kv_replicator = 2}, {.ranks = 8}); }},
    {"SP-TENSOR-007", [] { return caught([] {
                             sp::tensor::scatter_to_region({10, 4}, 0, 4);
                           }); }},
    {"SP-TENSOR-008",
     [] {
       return sp::tensor::diagnose("w", {12, 4, 8}, 8, {2, sp::Hardware::trn1, sp::strict});
     }},
    {"SP-TENSOR-009",
     [] {
       return sp::tensor::diagnose_conversion({16, 4, 8}, 8, {4, sp::Hardware::trn1, sp::compat});
     }},
    {"SP-TENSOR-010",
     [] {
       return sp::tensor::diagnose("w", sp::cut(2, 8), {8, 4}, sp::View({{sp::tp, 4}}), {});
     }},
    {"SP-TENSOR-011", [] { return caught([] { sp::tensor::padding_rows(5, 0, 4, sp::compat); }); }},
    {"SP-TENSOR-012", [] { return caught([] {
                             sp::tensor::document_lengths(std::vector<sp::Index>{0, 512, 384});
                           }); }},

    {"SP-PIPELINE-001", [] { return caught([] { sp::pipeline::even(3, 4); }); }},
    {"SP-PIPELINE-002",
     [] {
       return caught([] { sp::pipeline::cut_after(sp::Names{"l0", "l1", "l2", "l3"}, sp::Names{"l0", "l0"}, 3); });
     }},
    {"SP-PIPELINE-003",
     [] { return caught([] { sp::pipeline::megatron({.num_layers = 30, .pipeline_model_parallel_size = 4}); }); }},
    {"SP-PIPELINE-004",
     [] { return caught([] {
            sp::pipeline::chosen_cuts(sp::Names{"l0", "l1"}, sp::Names{"l0"}, true, 2);
          }); }},
    {"SP-PIPELINE-005", [] { return caught([] { sp::pipeline::parse_layout("Et*3|x|L", 3); }); }},
    {"SP-PIPELINE-006", [] { return sp::pipeline::diagnose(sp::pipeline::parse_layout("Ett|tL", 2), 4); }},
    {"SP-PIPELINE-007",
     [] {
       return caught([] {
         const Numbers costs{4, 9, 4};
         const auto memory = [&](sp::StageId, sp::Interval items) {
           sp::Index sum = 0;
           for (sp::Index i = items.begin; i < items.end; ++i) sum += costs[static_cast<std::size_t>(i)];
           return sum;
         };
         sp::pipeline::min_max(costs, 2, 1, memory, 8);
       });
     }},
    {"SP-PIPELINE-008", [] { return caught([] { sp::pipeline::even(8, 0); }); }},
    {"SP-PIPELINE-009", [] { return caught([] {
                               sp::Partition({0, 5, 3}, 2);
                             }); }},
    {"SP-PIPELINE-010", [] { return caught([] {
                               sp::pipeline::balanced(Numbers{3, -1, 2}, 2);
                             }); }},
    {"SP-PIPELINE-011",
     [] {
       return caught([] {
         sp::pipeline::TracedModel model;
         for (const char* name : {"a", "b", "c"}) model.modules.push_back({.name = name, .layer = true});
         model.modules[1].reads = {"c"};
         sp::pipeline::StagedModel(model, {"a"}, 2);
       });
     }},
    {"SP-PIPELINE-012",
     [] {
       return caught(
           [] { sp::pipeline::make_schedule("nxd-interleaved", {.microbatches = 6, .pipeline = 4, .chunks = 2}); });
     }},
    {"SP-PIPELINE-013",
     [] {
       sp::pipeline::PipelineTasks tasks = sp::pipeline::make_schedule("1f1b", {.microbatches = 4, .pipeline = 2});
       std::reverse(tasks.ranks[0].begin(), tasks.ranks[0].end());
       return sp::pipeline::prove_progress(tasks, sp::pipeline::Sends::rendezvous);
     }},
    {"SP-PIPELINE-014",
     [] { return sp::pipeline::prove_exchanges(without(1, sp::pipeline::TaskKind::receive_forward)); }},
    {"SP-PIPELINE-015", [] { return sp::pipeline::prove_complete(without(0, sp::pipeline::TaskKind::forward)); }},
    {"SP-PIPELINE-016",
     [] {
       return caught([] {
         sp::pipeline::simulate(sp::pipeline::make_schedule("1f1b", {.microbatches = 4, .pipeline = 4}),
                                {.stages = {{}, {}, {}}});
       });
     }},
    {"SP-PIPELINE-017", [] { return caught([] { sp::pipeline::find_schedule("1f1bx"); }); }},

    {"SP-ZERO-001", [] { return caught([] {
                           sp::zero::rows(sp::Layout(sp::View({{sp::dp, 4}}), {}));
                         }); }},
    {"SP-ZERO-002", [] { return caught([] { sp::zero::DataRanks(0); }); }},
    {"SP-ZERO-003", [] { return sp::zero::diagnose(sp::Mesh({.ranks = 8}, {.context = 2, .expert = 2}, sp::compat)); }},
    {"SP-ZERO-004", [] { return sp::zero::diagnose({.mixed_precision = {.use_master_weights = true}}); }},
    {"SP-ZERO-005",
     [] {
       return sp::zero::diagnose(
           {.optimizer = {.zero_one_enabled = true, .grad_clipping = true, .max_grad_norm = 0.5}, .data = 4});
     }},
    {"SP-ZERO-006",
     [] { return sp::zero::diagnose({.optimizer = {.zero_one_enabled = true}, .bucket_cap = 200, .data = 4}); }},
    {"SP-PLAN-001",
     [] {
       return caught([] {
         const sp::Plan plan{sp::model(llama), {}, {.ranks = 8}};
         plan.at(sp::Rank(8));
       });
     }},
    {"SP-PLAN-002", [] { return sp::diagnose_registry(std::vector<sp::Parameter>{}, {}, {.ranks = 8}); }},
    {"SP-PLAN-006", [] { return job({}, {.ranks = 8}, {.sequence = 4294967296}); }},
    {"SP-PLAN-007", [] { return job(llama, {.context = 2}, {.ranks = 8}, {}, sp::compat); }},
    {"SP-PLAN-008", [] { return job(llama, {.tensor = 8, .kv_replicator = 2}, {.ranks = 8}, {}, sp::compat); }},
    {"SP-PLAN-009",
     [] {
       return job(llama, {.tensor = 8, .kv_replicator = 2}, {.ranks = 8, .hardware = sp::Hardware::trn2}, {},
                  sp::compat);
     }},

    {"SP-DATA-001", [] { return caught([] { sp::data::sequential_batches({.samples = 100, .micro_batch = 0}); }); }},
    {"SP-DATA-002",
     [] {
       return caught([] {
         sp::data::sequential_batches({.samples = 100, .micro_batch = 2, .global_batch = 10, .data_ranks = 4});
       });
     }},
    {"SP-DATA-003",
     [] {
       return caught([] {
         sp::data::sequential_batches(
             {.samples = 100, .consumed = 100, .global_batch = 1, .variant = sp::data::Variant::nemo_1_14});
       });
     }},
    {"SP-DATA-004",
     [] {
       return caught([] {
         sp::data::random_batches({.samples = 32, .global_batch = 8, .variant = sp::data::Variant::nemo_1_14}, 7);
       });
     }},
    {"SP-DATA-005", [] { return caught([] { sp::data::torch_randperm((std::size_t{1} << 32) + 1, 0); }); }},
    {"SP-DATA-006", [] { return caught([] { sp::data::splits("980,20", 1000); }); }},
    {"SP-DATA-007",
     [] { return caught([] {
            sp::data::blend_parts(std::vector<std::string>{"0.7", "a", "b"}, Numbers{1});
          }); }},
    {"SP-DATA-008", [] { return caught([] { sp::data::read_dataset_index("corpus.idx"); }); }},
    {"SP-DATA-009", [] { return caught([] { sp::data::context_part(10, 4, 0); }); }},
    {"SP-DATA-010",
     [] {
       return caught([] { sp::data::megatron_index(Numbers{4, 4, 4}, Numbers{3}, {.samples = 1, .sequence = 2}); });
     }},
    {"SP-OPTIM-001",
     [] {
       return sp::optim::diagnose(
           sp::optim::ScheduleSettings{.name = "CosineAnealing", .base_rates = {1e-3}, .max_steps = 100});
     }},
    {"SP-OPTIM-002",
     [] {
       return sp::optim::diagnose(
           sp::optim::ScheduleSettings{.name = "NoamAnnealing", .base_rates = {1e-3}, .max_steps = 100});
     }},
    {"SP-OPTIM-003",
     [] {
       return sp::optim::diagnose(sp::optim::ScheduleSettings{
           .name = "CosineAnnealing", .base_rates = {1e-3}, .warmup_steps = 10, .max_steps = 100, .warmup_ratio = 0.1});
     }},
    {"SP-OPTIM-004",
     [] {
       return sp::optim::diagnose(
           sp::optim::ScheduleSettings{.name = "CosineAnnealing", .base_rates = {1e-3}, .endless = true});
     }},
    {"SP-OPTIM-005",
     [] {
       return sp::optim::diagnose(sp::optim::ScheduleSettings{
           .name = "CosineAnnealing", .base_rates = {1e-5}, .max_steps = 100, .min_lr = 1e-4});
     }},
    {"SP-OPTIM-006",
     [] {
       return sp::optim::diagnose(
           sp::optim::ScheduleSettings{.name = "NoamHoldAnnealing", .base_rates = {1e-3}, .max_steps = 100});
     }},
    {"SP-OPTIM-007",
     [] {
       return caught([] {
         sp::optim::learning_rate(
             sp::optim::ScheduleSettings{.name = "CosineAnnealing", .base_rates = {1e-3}, .max_steps = 100}, -1);
       });
     }},
    {"SP-OPTIM-008",
     [] {
       return caught([] {
         sp::optim::learning_rate(
             sp::optim::ScheduleSettings{.name = "ReduceLROnPlateau", .base_rates = {1e-3}, .max_steps = 100}, 5);
       });
     }},
    {"SP-OPTIM-009", [] { return sp::optim::diagnose(sp::optim::OptimizerSettings{.name = "fused_adam"}); }},
    {"SP-OPTIM-010",
     [] { return sp::optim::diagnose(sp::optim::OptimizerSettings{.name = "adamw", .arguments = {"momentum"}}); }},
    {"SP-OPTIM-011", [] { return caught([] { sp::optim::detail::check_sizes(4, {3}, 1); }); }},
    {"SP-OPTIM-012", [] { return caught([] { sp::optim::clip_factor(1, 0); }); }},
    {"SP-OPTIM-013", [] { return sp::optim::diagnose(sp::optim::GroupSettings{.weight_decay = 0.1}); }},

    {"SP-CONFIG-001", [] { return caught([] { sp::read_yaml("nowhere.yaml"); }); }},
    {"SP-CONFIG-002", [] { return yaml(std::string(std::size_t{17} << 20, ' ')); }},
    {"SP-CONFIG-003", [] { return yaml("a: [1, 2"); }},
    {"SP-CONFIG-004", [] { return yaml("seed: 1\nseed: 2\n"); }},
    {"SP-CONFIG-005", [] { return yaml("a: &x [*x]"); }},
    {"SP-CONFIG-006", [] { return yaml("x: ${a"); }},
    {"SP-CONFIG-007", [] { return yaml("x: ${model.layers}"); }},
    {"SP-CONFIG-008", [] { return yaml("a: ${b}\nb: ${a}"); }},
    {"SP-CONFIG-009", [] { return yaml("x: ${env:HOME}"); }},
    {"SP-CONFIG-010", [] { return bound("model_source=???"); }},
    {"SP-CONFIG-011", [] { return bound("trainer.num_nodes=many"); }},
    {"SP-CONFIG-012", [] { return bound("precision={}"); }},
    {"SP-CONFIG-013", [] { return hf("distributed_strategy.zero_1=true"); }},
    {"SP-CONFIG-014", [] { return bound("model_source=nemo"); }},
    {"SP-CONFIG-015",
     [] {
       return caught([] {
         sp::Node root;
         sp::apply_override(root, "trainer.devices");
       });
     }},
    {"SP-CONFIG-016", [] { return sp::bind_huggingface(sp::read_yaml_text("{model_type: bert}")).diagnostics; }},
    {"SP-CONFIG-017", [] { return bound("seed=99999999999999999999"); }},
    {"SP-CONFIG-018", [] { return hf("model.optim.name=fused_adam"); }},
    {"SP-CONFIG-019", [] { return hf("model.optim.sched={name: CosineAnealing}"); }},
    {"SP-CONFIG-020",
     [] {
       return sp::overriding_variables(sp::config_of(sp::hf_text), [](std::string_view name) -> const char* {
         return name == "BUCKET_CAP_MB" ? "64" : nullptr;
       });
     }},
    {"SP-CONFIG-021", [] { return hf("precision.fp32_grads_cc=true"); }},
    {"SP-CONFIG-022", [] { return hf("model.do_layer_norm_weight_decay=true"); }},
    {"SP-CONFIG-023", [] { return hf("precision.type=mixed_precisionSR"); }},
};

/// Whether `said` has the words of a page's message in their order, with others in place of `...`.
bool says(std::string_view said, std::string_view message) {
  constexpr std::string_view gap = "...";
  while (true) {
    const std::size_t end = std::min(message.find(gap), message.size());
    std::string_view words = message.substr(0, end);
    while (words.starts_with(' ')) words.remove_prefix(1);
    while (words.ends_with(' ')) words.remove_suffix(1);
    const std::size_t at = said.find(words);
    if (at == said.npos) return false;
    if (end == message.size()) return true;
    said.remove_prefix(at + words.size());
    message.remove_prefix(end + gap.size());
  }
}

std::vector<std::string_view> parts(const sp::RulePage& page) {
  return {page.section, page.cause, page.example, page.message, page.remedy};
}

}  // namespace

TEST_CASE("every rule has one page, in the order of the table, and every page a rule") {
  std::vector<std::string_view> ids, pages;
  for (const sp::Rule& one : sp::rule_table) ids.emplace_back(one.id);
  for (const auto room : sp::rule_page_rooms)
    for (const sp::RulePage& page : room) pages.push_back(page.id);
  for (const std::string_view id : ids) CHECK_MESSAGE(std::count(pages.begin(), pages.end(), id) == 1, id);
  for (const std::string_view id : pages) CHECK_MESSAGE(std::count(ids.begin(), ids.end(), id) == 1, id);
  CHECK(pages == ids);
  for (const sp::Rule& one : sp::rule_table) {
    const sp::RulePage* page = sp::rule_page(one.id);
    REQUIRE_MESSAGE(page != nullptr, one.id);
    CHECK(page->id == one.id);
  }
  for (const std::string_view none : {"", "R", "R0", "R999", "SP-MESH-999", "r5"})
    CHECK(sp::rule_page(none) == nullptr);
}

TEST_CASE("no part of a page is empty, too long, or a copy of another or of the summary") {
  std::set<std::string_view> causes;
  for (const sp::Rule& one : sp::rule_table) {
    const sp::RulePage* page = sp::rule_page(one.id);
    if (page == nullptr) continue;
    CAPTURE(one.id);
    for (const std::string_view part : parts(*page)) {
      CAPTURE(part);
      CHECK(!part.empty());
      CHECK(part.size() <= 110);
      CHECK(part.find_first_of("\n\t") == part.npos);
      CHECK(part.find(one.summary) == part.npos);
      CHECK(std::string_view(one.summary).find(part) == std::string_view::npos);
    }
    CHECK(page->cause != page->remedy);
    CHECK(page->section.find(" sheet, ") != page->section.npos);
    causes.insert(page->cause);
  }
  CHECK(causes.size() + 1 >= std::size(sp::rule_table));  // an unknown schedule, in a file and in a call
}

TEST_CASE("an example breaks its rule, and the message is the one of the page") {
  std::set<std::string_view> done;
  for (const Example& one : examples) {
    CAPTURE(one.id);
    const sp::RulePage* page = sp::rule_page(one.id);
    REQUIRE(page != nullptr);
    const sp::Diagnostics all = one.raise();
    std::string said;
    bool right = false;
    for (const sp::Diagnostic& finding : all) {
      said += sp::concat(finding, '\n');
      right = right || (finding.id == one.id && says(finding.message, page->message));
    }
    CHECK_MESSAGE(right, page->message << "\nfound:\n" << said);
    CHECK_MESSAGE(done.insert(one.id).second, "twice");
  }
  CHECK(done.size() >= 100);
}

TEST_CASE("text and JSON of a rule show all of its page") {
  for (const sp::Rule& one : sp::rule_table) {
    const sp::RulePage* page = sp::rule_page(one.id);
    if (page == nullptr) continue;
    CAPTURE(one.id);
    const std::string text = sp::text(one);
    std::string json;
    sp::JsonWriter writer(json);
    sp::write(writer, one);
    for (const std::string_view part : parts(*page)) {
      CAPTURE(part);
      CHECK(text.find(part) != text.npos);
      std::string escaped;
      sp::JsonWriter(escaped).value(part);
      CHECK(json.find(escaped) != json.npos);
    }
  }
}
