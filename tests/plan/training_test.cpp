#include <doctest/doctest.h>

#include <shardplan/plan/training.hpp>
#include <string>
#include <vector>

using namespace shardplan;

namespace {
/// What the keys mean, and the ids of what they get wrong.
struct Asked {
  Recompute recompute;
  std::vector<std::string> ids;
};
Asked ask(Family family, std::string_view granularity, Names modules, bool flash = true) {
  Diagnostics findings;
  Asked out{recompute_from_keys(family, granularity, modules, flash, findings), {}};
  for (const Diagnostic& one : findings) out.ids.emplace_back(one.id);
  return out;
}
const std::vector<std::string> r21{"R21"};
constexpr Family families[] = {Family::hf_llama, Family::hf_mixtral, Family::megatron};
}  // namespace

TEST_CASE("micro-batches are rounded down, and 0 where the batch is not known") {
  for (Index batch = 0; batch <= 40; ++batch)
    for (Index micro = 1; micro <= 5; ++micro)
      for (Index data = 1; data <= 5; ++data) {
        const Index count = Training{.global_batch = batch, .micro_batch = micro}.microbatches(data);
        CHECK(count * micro * data <= batch);
        CHECK((count + 1) * micro * data > batch);
      }
  CHECK(Training{}.microbatches(8) == 0);
  const Index huge = Index{1} << 62;
  CHECK(Training{.global_batch = huge, .micro_batch = huge}.microbatches(huge) == 0);
}

TEST_CASE("granularity: whole layers, named modules, or nothing") {
  for (const Family family : families) {
    CHECK(ask(family, "full", {}).recompute == Recompute{.layer = true});
    CHECK(ask(family, "full", {"CoreAttention"}, false).recompute == Recompute{.layer = true});
    CHECK(ask(family, "selective", {"CoreAttention"}).recompute == Recompute{.core_attention = true});
    for (const std::string_view none : {"", "none", "uniform"}) {
      const bool llama = family == Family::hf_llama;
      CHECK(ask(family, none, {"CoreAttention"}, true).recompute == Recompute{});
      CHECK(ask(family, none, {}, false).recompute == Recompute{.core_attention = llama});
      CHECK(ask(family, none, {}, false).ids.empty());
    }
  }
  CHECK(ask(Family::hf_llama, "selective", {"CoreAttention", "LlamaMLP"}).recompute ==
        Recompute{.core_attention = true, .mlp = true});
  CHECK(ask(Family::hf_llama, "selective", {"LlamaRMSNorm", "ActivationMultiplyMLP"}).recompute ==
        Recompute{.activation_multiply = true, .norms = true});
  CHECK(ask(Family::megatron, "selective", {"NeuronSwitchMLP"}).recompute == Recompute{.experts = true});
  CHECK(ask(Family::hf_mixtral, "selective", {"MoE", "MixtralRMSNorm"}).recompute ==
        Recompute{.norms = true, .experts = true});
}

TEST_CASE("every module of the table is known to its family") {
  for (const RecomputeModule& known : recompute_table) {
    const Asked asked = ask(known.family, "selective", {std::string(known.name)});
    CAPTURE(std::string(known.name));
    CHECK(asked.ids.empty());
    if (known.inside != nullptr) CHECK(asked.recompute.*known.inside);
    CHECK((asked.recompute == Recompute{}) == (known.inside == nullptr));
  }
}

TEST_CASE("R21: no module, or unknown ones, which are dropped") {
  for (const Family family : families) {
    CHECK(ask(family, "selective", {}).ids == r21);
    CHECK(ask(family, "selective", {"Nothing", "Neither"}).ids == r21);
    CHECK(ask(family, "full", {"Nothing"}).ids.empty());
    const Asked mixed = ask(family, "selective", {"Nothing", "CoreAttention"});
    CHECK(mixed.ids == r21);
    CHECK(mixed.recompute == Recompute{.core_attention = true});
  }
  CHECK(ask(Family::megatron, "selective", {"LlamaMLP"}).ids == r21);
  Diagnostics findings;
  const Names modules{"LamaMLP"};
  recompute_from_keys(Family::hf_llama, "selective", modules, true, findings);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].message.find("LamaMLP") != std::string::npos);
  CHECK(findings[0].hint.find("LlamaMLP") != std::string::npos);
}

TEST_CASE("the default precision is mixed") {
  CHECK(storage_of(Training{}, true) == storage_of(mixed_precision, true, "adamw"));
  CHECK(storage_of(Training{.precision = {}}, false) == storage_of(Precision{}, false, "adamw"));
  CHECK(storage_of(Training{.optimizer = "sgd"}, true).states == 0);
}
