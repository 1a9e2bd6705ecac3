// An architecture of one's own, described as data, is planned as the built-in ones are. model.yaml has the same.
#include <cstdio>
#include <shardplan/model/custom.hpp>
#include <shardplan/shardplan.hpp>

namespace sp = shardplan;

int main() {
  constexpr sp::Index hidden = 1024, inner = 2 * hidden, rank = hidden / 16, state = 16, ffn = 7 * hidden / 2;
  constexpr sp::Index experts = 8, vocab = 32000;
  constexpr sp::Heads heads{.query = 16, .key_value = 4, .size = 64};
  constexpr sp::Index q = heads.query * heads.size, kv = heads.key_value * heads.size;
  constexpr sp::LayerSet attention{.begin = 3, .every = 4}, mixer{.begin = 3, .every = 4, .others = true};
  constexpr sp::LayerSet moe{.begin = 1, .every = 2}, dense{.begin = 1, .every = 2, .others = true};

  sp::Sharding ids = sp::cut(0, vocab, sp::Role::vocabulary);
  ids.vocabulary_multiple = 64;
  const sp::Sharding norm = sp::replicated(true), gate_up{.dim = 0, .parts = {{"gate", ffn}, {"up", ffn}}};
  const sp::CustomModel hybrid{
      .name = "hybrid",
      .layers = 8,
      .front = {{.name = "embed.weight", .shape = {vocab, hidden}, .sharding = ids, .tied_name = "head.weight"}},
      .layer =
          {
              {"layers.{layer}.norm_1.weight", {hidden}, norm},
              {"layers.{layer}.attention.qkv.weight",
               {q + 2 * kv, hidden},
               {.dim = 0,
                .parts = {{"q", q, sp::Role::query}, {"k", kv, sp::Role::key_value}, {"v", kv, sp::Role::key_value}},
                .heads = heads},
               attention},
              {"layers.{layer}.attention.out.weight",
               {hidden, q},
               {.dim = 1, .parts = {{{}, q, sp::Role::query}}, .heads = heads},
               attention},
              {"layers.{layer}.mixer.in_proj.weight",
               {2 * inner, hidden},
               {.dim = 0, .parts = {{"x", inner}, {"z", inner}}},
               mixer},
              {"layers.{layer}.mixer.conv.weight", {inner, 1, 4}, sp::cut(0, inner), mixer},
              {"layers.{layer}.mixer.x_proj.weight", {rank + 2 * state, inner}, sp::cut(1, inner), mixer},
              {"layers.{layer}.mixer.dt_proj.weight", {inner, rank}, sp::cut(0, inner), mixer},
              {"layers.{layer}.mixer.a_log", {inner, state}, sp::cut(0, inner), mixer, {}, sp::Dtype::float32},
              {"layers.{layer}.mixer.out_proj.weight", {hidden, inner}, sp::cut(1, inner), mixer},
              {"layers.{layer}.norm_2.weight", {hidden}, norm},
              {"layers.{layer}.router.weight", {experts, hidden}, sp::replicated(), moe},
              {"layers.{layer}.experts.gate_up.weight",
               {experts, hidden, 2 * ffn},
               {.dim = 2, .parts = gate_up.parts, .expert = true},
               moe},
              {"layers.{layer}.experts.down.weight",
               {experts, ffn, hidden},
               {.dim = 1, .parts = {{{}, ffn}}, .expert = true},
               moe},
              {"layers.{layer}.mlp.gate_up.weight", {2 * ffn, hidden}, gate_up, dense},
              {"layers.{layer}.mlp.down.weight", {hidden, ffn}, sp::cut(1, ffn), dense},
          },
      .back = {{"norm.weight", {hidden}, norm}}};
  const sp::Model model = sp::custom_model(hybrid);
  std::printf("%s: %zu parameters, %lld elements\n\n", model.name.c_str(), model.parameters.size(),
              static_cast<long long>(model.parameter_count()));

  const sp::BasicPlan<sp::Parameters> plan(model.parameters, {.tensor = 2, .pipeline = 2, .expert = 4, .zero1 = true},
                                           {.ranks = 32});
  const auto here = plan.at(31);
  const auto parameters = here.parameters(), states = here.optimizer_shards();
  std::printf("rank 31, stage %lld: %lld elements, %lld of optimizer state\n",
              static_cast<long long>(here.stage().value), static_cast<long long>(parameters.elements()),
              static_cast<long long>(states.elements()));
  for (const auto& p : parameters)
    std::printf("%-39s %s of %s\n", p.source().name.c_str(), sp::concat(p.local_shape()).c_str(),
                sp::concat(p.full_shape()).c_str());
}
