#include <doctest/doctest.h>

#include <limits>
#include <shardplan/plan/activations.hpp>
#include <string>
#include <vector>

using namespace shardplan;

namespace {

/// A model, a strategy and a batch that fit each other, and the symbols of the cost-model sheet.
struct Case {
  Architecture architecture;
  Strategy strategy;
  Training training;
  Index h, n, q, kr, f, t, b, s, c, T;

  Index kept(bool moe = false) const { return layer_activations(architecture, strategy, training, moe).kept(); }
  Index recomputed(bool moe = false) const {
    return layer_activations(architecture, strategy, training, moe).recomputed();
  }
};

/// Calls f with gated, fused, sequence-parallel cases of many sizes.
template <class F>
void for_each_case(F f) {
  for (const Index head_dim : {0, 96})
    for (const Index t : {1, 2, 8})
      for (const Index kv : {2, 8})
        for (const Index c : {1, 2})
          for (const Index b : {1, 3})
            for (const Index s : {64, 1024}) {
              Case one;
              one.architecture = {.layers = 4, .hidden = 512, .ffn = 1408, .heads = 8, .kv_heads = kv, .vocab = 4096};
              one.architecture.head_dim = head_dim;
              const Index copies = t > kv ? t / kv : 1;
              one.strategy = {.tensor = t, .context = c, .kv_replicator = copies, .sequence_parallel = true};
              one.training = {.micro_batch = b, .sequence = s, .flash_attention = true};
              const Index d = one.architecture.head_size();
              one.h = 512, one.n = 8, one.q = 8 * d, one.kr = kv * d * copies, one.f = 1408;
              one.t = t, one.b = b, one.s = s, one.c = c, one.T = b * s / c;
              CAPTURE(t);
              CAPTURE(kv);
              CAPTURE(c);
              CAPTURE(b);
              CAPTURE(s);
              CAPTURE(d);
              f(one);
            }
}

/// Published closed forms hold for these module lists.
const Recompute core{.core_attention = true};

}  // namespace

TEST_CASE("gated layers with flash attention: B3's sums") {
  for_each_case([](Case x) {
    CHECK(x.kept() == (8 * x.h + 4 * x.q + 4 * x.kr + 6 * x.f + 4 * x.n) * x.T / x.t);
    CHECK(x.recomputed() == 0);

    x.training.recompute = core;
    CHECK(x.kept() == (8 * x.h + 4 * x.q + 4 * x.kr + 6 * x.f) * x.T / x.t);
    CHECK(x.recomputed() == 4 * x.n * x.T / x.t);
    x.training.recompute = {.core_attention = true, .mlp = true};
    CHECK(x.kept() == (8 * x.h + 4 * x.q + 4 * x.kr) * x.T / x.t);
    x.training.recompute = {.activation_multiply = true, .norms = true};
    CHECK(x.recomputed() == (4 * x.h + 2 * x.f) * x.T / x.t);
    x.training.recompute = {.layer = true};
    CHECK(x.kept() == 2 * x.h * x.T / x.t);

    x.training.recompute = {};
    x.strategy.sequence_parallel = false;
    CHECK(x.kept() == 8 * x.h * x.T + (4 * x.q + 4 * x.kr + 6 * x.f + 4 * x.n) * x.T / x.t);
    x.training.recompute = {.layer = true};
    CHECK(x.kept() == 2 * x.h * x.T);
  });
}

TEST_CASE("full precision is twice as wide, except what is float32 anyway") {
  for_each_case([](Case x) {
    x.training.precision = {};
    CHECK(x.kept() == (16 * x.h + 8 * x.q + 8 * x.kr + 12 * x.f + 4 * x.n) * x.T / x.t);
    x.training.precision = *precision_from_type("autocast");
    CHECK(x.kept() == (8 * x.h + 4 * x.q + 4 * x.kr + 6 * x.f + 4 * x.n) * x.T / x.t);
  });
}

TEST_CASE("GPT with dropout and without fused attention: arXiv:2205.05198, table 2") {
  for (const Index t : {1, 2, 4})
    for (const Index b : {1, 2, 5})
      for (const Index s : {128, 512})
        for (const Index h : {256, 1024}) {
          const Index n = 8;
          Case x;
          x.architecture = {.layers = 2, .hidden = h, .ffn = 4 * h, .heads = n, .vocab = 1000, .gated = false};
          x.strategy = {.tensor = t, .sequence_parallel = true};
          x.training = {.micro_batch = b, .sequence = s, .hidden_dropout = 0.1, .attention_dropout = 0.1};
          CAPTURE(t);
          CAPTURE(b);
          CAPTURE(s);
          CAPTURE(h);
          const Index tokens = b * s, scores = 5 * n * s;  // of one token, h * (5 n s / h)
          CHECK(x.kept() == tokens * (34 * h + scores) / t);
          x.training.recompute = core;
          CHECK(x.kept() == 34 * tokens * h / t);
          CHECK(x.recomputed() == tokens * scores / t);
          x.training.recompute = {.layer = true};
          CHECK(x.kept() == 2 * tokens * h / t);

          x.strategy.sequence_parallel = false;
          CHECK(x.kept() == 2 * tokens * h);
          x.training.recompute = core;
          CHECK(x.kept() == tokens * h * 10 + tokens * h * 24 / t);
          x.training.recompute = {};
          CHECK(x.kept() == tokens * h * 10 + tokens * (h * 24 + scores) / t);
          x.training.attention_dropout = 0;
          CHECK(x.kept() == tokens * h * 10 + tokens * (h * 24 + 2 * n * s) / t);
          x.training.hidden_dropout = 0;
          CHECK(x.kept() == tokens * h * 8 + tokens * (h * 24 + 2 * n * s) / t);
        }
}

TEST_CASE("context parallelism cuts the rows of the scores, not their columns; a ring keeps statistics only") {
  for_each_case([](Case x) {
    x.training.flash_attention = false;
    const Index fused_free = (8 * x.h + 4 * x.q + 4 * x.kr + 6 * x.f) * x.T / x.t;
    CHECK(x.kept() == fused_free + 2 * x.b * (x.n / x.t) * (x.s / x.c) * x.s);
    x.training.ring_attention = true;
    CHECK(x.kept() == fused_free + 4 * x.n * x.T / x.t);
  });
}

TEST_CASE("layers with experts hold routed tokens") {
  for_each_case([](Case x) {
    x.architecture.family = Family::hf_mixtral;
    x.architecture.experts = 8;
    for (const Index top_k : {1, 2, 8})
      for (const double factor : {0.5, 1.0, 1.25, 4.0}) {
        x.architecture.top_k = top_k;
        x.training.capacity_factor = factor;
        CAPTURE(top_k);
        CAPTURE(factor);
        const auto outside = (8 * x.h + 4 * x.q + 4 * x.kr + 4 * x.n) * x.T / x.t;
        const auto inside = [&](Index routed) { return 2 * x.h * routed + 6 * x.f * routed / x.t + 2 * 4 * 8 * x.T; };
        const Index routed = static_cast<Index>(static_cast<double>(x.T * top_k) * factor);
        x.training.dropless = false;
        x.training.recompute = {.mlp = true, .activation_multiply = true};  // these stand in layers without experts
        CHECK(x.kept(true) == outside + inside(routed));
        x.training.recompute = {.experts = true};
        CHECK(x.kept(true) == outside);
        CHECK(x.recomputed(true) == inside(routed));
        CHECK(x.recomputed(false) == 0);

        x.training.recompute = {};
        x.training.dropless = true;
        CHECK(x.kept(true) == outside + inside(x.T * top_k));
        x.training.dropless = false;
        x.training.capacity_factor = 0;
        CHECK(x.kept(true) == outside + inside(x.T * top_k));
      }
  });
}

TEST_CASE("routed tokens are rounded up, and refused beyond 64 bits") {
  CHECK(routed_tokens(3, 1, {.capacity_factor = 1.5}) == 5);
  CHECK(routed_tokens(0, 2, {.capacity_factor = 1.5}) == 0);
  CHECK(routed_tokens(4, 2, {.capacity_factor = 1.25}) == 10);
  for (const double factor : {1e30, std::numeric_limits<double>::infinity()})
    CHECK_THROWS_AS(routed_tokens(1000, 2, {.capacity_factor = factor}), Error);
  CHECK(routed_tokens(1000, 2, {.capacity_factor = std::numeric_limits<double>::quiet_NaN()}) == 2000);
}

TEST_CASE("recomputation moves bytes, it never changes their sum") {
  for_each_case([](Case x) {
    x.architecture.experts = 4;
    x.training.hidden_dropout = x.training.attention_dropout = 0.1;
    for (const bool flash : {false, true})
      for (const bool moe : {false, true})
        for (unsigned bits = 0; bits < 64; ++bits) {
          x.training.flash_attention = flash;
          x.training.recompute = {};
          const Index all = x.kept(moe);
          const auto bit = [bits](unsigned i) { return (bits >> i & 1) != 0; };
          x.training.recompute = {bit(0), bit(1), bit(2), bit(3), bit(4), bit(5)};
          if (x.kept(moe) + x.recomputed(moe) != all) FAIL_CHECK("sum differs for switches " << bits);
          if (bit(0) && x.kept(moe) != 2 * x.h * x.T / x.t) FAIL_CHECK("a whole layer keeps more than its input");
        }
    CHECK(x.kept() > 0);
  });
}

TEST_CASE("more tensor or context ranks never hold more, more sequences never less") {
  for_each_case([](const Case& x) {
    for (const bool moe : {false, true}) {
      Case other = x;
      other.architecture.experts = 4;
      other.training.flash_attention = false;
      const Index before = other.kept(moe);
      Case wider = other;
      wider.strategy.tensor *= 2;
      if (wider.strategy.tensor > x.architecture.kv_heads * x.strategy.kv_replicator) wider.strategy.kv_replicator *= 2;
      CHECK(wider.kept(moe) <= before);
      Case longer = other;
      longer.strategy.context *= 2;
      CHECK(longer.kept(moe) < before);
      Case fuller = other;
      fuller.training.micro_batch *= 2;
      CHECK(fuller.kept(moe) == 2 * before);
    }
  });
}

TEST_CASE("tensors have names of their own, and there are none of an unknown sequence") {
  for_each_case([](Case x) {
    x.architecture.experts = 4;
    x.training.hidden_dropout = x.training.attention_dropout = 0.1;
    for (const bool flash : {false, true})
      for (const bool moe : {false, true}) {
        x.training.flash_attention = flash;
        const LayerActivations made = layer_activations(x.architecture, x.strategy, x.training, moe);
        for (std::size_t i = 0; i < made.tensors.size(); ++i) {
          CHECK(made.tensors[i].bytes > 0);
          for (std::size_t j = 0; j < i; ++j) CHECK(made.tensors[i].tensor != made.tensors[j].tensor);
        }
        Case unknown = x;
        unknown.training.sequence = 0;
        CHECK(unknown.kept(moe) == 0);
      }
  });
}

TEST_CASE("ends of the pipeline: B3's terms") {
  for_each_case([](const Case& x) {
    const ActivationExtents extents = activation_extents(x.architecture, x.strategy, x.training);
    CHECK(embedding_activations(x.architecture, extents) == 8 * x.T + 2 * x.h * x.T / x.t);
    CHECK(head_activations(x.architecture, extents) == 4 * x.h * x.T / x.t + 6 * x.T * 4096 / x.t);
  });
  // The vocabulary counts with its padding: 1000 rows become 1024.
  const Architecture padded{.hidden = 64, .ffn = 64, .heads = 4, .vocab = 1000, .vocabulary_multiple = 128};
  const Training training{.sequence = 16};
  CHECK(activation_extents(padded, {.tensor = 2}, training).vocabulary == 512);
}

TEST_CASE("sizes beyond 64 bits are refused") {
  const Architecture a{.hidden = 1 << 20, .ffn = 1 << 20, .heads = 64, .vocab = 1 << 20};
  const Training training{.micro_batch = 1 << 20, .sequence = Index{1} << 40};
  try {
    static_cast<void>(layer_activations(a, {}, training, false).kept());
    FAIL("wrapped");
  } catch (const Error& error) {
    CHECK(error.diagnostics().front().id == "SP-CORE-001");
  }
}
