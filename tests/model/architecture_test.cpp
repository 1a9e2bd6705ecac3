#include <limits>

#include "support.hpp"

using namespace shardplan;

namespace {
constexpr Architecture small{.layers = 2, .hidden = 16, .ffn = 24, .heads = 4, .kv_heads = 2, .vocab = 40};

/// `small` with something changed.
template <class Change>
Architecture with(Change change) {
  Architecture out = small;
  change(out);
  return out;
}
}  // namespace

TEST_CASE("zero means derived") {
  static_assert(small.head_size() == 4);
  static_assert(small.key_value_heads() == 2);
  static_assert(Architecture{.hidden = 16, .heads = 4}.key_value_heads() == 4);
  static_assert(Architecture{.hidden = 16, .heads = 4, .head_dim = 6}.head_size() == 6);
  static_assert(Architecture{}.head_size() == 0);
}

TEST_CASE("Hugging Face counts MoE layers from 0, Megatron from 1") {
  for (Index frequency = 1; frequency <= 4; ++frequency)
    for (Index layer = 0; layer < 9; ++layer) {
      Architecture a = with([&](auto& x) { x.experts = 4, x.moe_frequency = frequency; });
      a.family = Family::hf_mixtral;
      CHECK(a.is_moe(layer) == (layer % frequency == 0));
      a.family = Family::megatron;
      CHECK(a.is_moe(layer) == ((layer + 1) % frequency == 0));
      a.experts = 1;
      CHECK_FALSE(a.is_moe(layer));
      a.family = Family::hf_mixtral;
      CHECK(a.is_moe(layer) == (layer % frequency == 0));
      a.experts = 0;
      CHECK_FALSE(a.is_moe(layer));
    }
}

TEST_CASE("options have names, and names options") {
  for (const std::string_view text : family_names) CHECK(name(family_from_name(text)) == text);
  for (const std::string_view text : normalization_names) CHECK(name(normalization_from_name(text)) == text);
  for (const std::string_view text : block_names) CHECK(name(block_from_name(text)) == text);
  CHECK(normalization_from_name("layernorm1p") == Normalization::layernorm1p);
  CHECK(block_from_name("gpt_j") == Block::gpt_j);
  CHECK(thrown_ids([] { family_from_name("gpt"); }) == std::vector<std::string>{"SP-MODEL-003"});
  CHECK(thrown_ids([] { normalization_from_name(""); }) == std::vector<std::string>{"SP-MODEL-003"});
  CHECK(thrown_ids([] { block_from_name("PRE_LN"); }) == std::vector<std::string>{"SP-MODEL-003"});
}

TEST_CASE("sound architectures have no findings") {
  CHECK(diagnose(small).empty());
  for (const HubEntry& entry : hub_table) CHECK_MESSAGE(diagnose(entry.architecture).empty(), std::string(entry.name));
}

TEST_CASE("every size has a smallest and a largest value") {
  struct Size {
    std::string key;
    Index Architecture::*member;
    Index least;
    Index most;
  };
  const Size sizes[] = {{"layers", &Architecture::layers, 1, most_layers},
                        {"hidden", &Architecture::hidden, 1, largest_size},
                        {"ffn", &Architecture::ffn, 1, largest_size},
                        {"heads", &Architecture::heads, 1, largest_size},
                        {"kv_heads", &Architecture::kv_heads, 0, largest_size},
                        {"vocab", &Architecture::vocab, 1, largest_size},
                        {"head_dim", &Architecture::head_dim, 0, largest_size},
                        {"positions", &Architecture::positions, 0, largest_size},
                        {"experts", &Architecture::experts, 0, largest_size},
                        {"top_k", &Architecture::top_k, 1, largest_size},
                        {"moe_frequency", &Architecture::moe_frequency, 1, largest_size},
                        {"vocabulary_multiple", &Architecture::vocabulary_multiple, 0, largest_size}};
  const auto about = [](const Architecture& a, std::string_view id, const std::string& key) {
    int found = 0;
    for (const Diagnostic& d : diagnose(a)) found += d.id == id && d.origins.size() == 1 && d.origins[0].key == key;
    return found;
  };
  for (const Size& size : sizes) {
    INFO(size.key);
    for (const Index bad : {size.least - 1, Index{-7}, std::numeric_limits<Index>::min()})
      CHECK(about(with([&](auto& a) { a.*size.member = bad; }), "SP-MODEL-002", size.key) == 1);
    for (const Index bad : {size.most + 1, std::numeric_limits<Index>::max()})
      CHECK(about(with([&](auto& a) { a.*size.member = bad; }), "SP-MODEL-005", size.key) == 1);
    for (const Index good : {size.least, size.most}) {
      const Architecture a = with([&](auto& x) { x.*size.member = good; });
      CHECK(about(a, "SP-MODEL-002", size.key) + about(a, "SP-MODEL-005", size.key) == 0);
    }
  }
}

TEST_CASE("sizes that must divide") {
  CHECK(ids(diagnose(with([](auto& a) { a.hidden = 18; }))) == std::vector<std::string>{"R6"});
  CHECK(diagnose(with([](auto& a) { a.hidden = 18, a.head_dim = 5; })).empty());
  const auto uneven = [](Family family) {
    return ids(
        diagnose(with([&](auto& a) { a.kv_heads = 3, a.family = family, a.experts = family == Family::hf_mixtral; })));
  };
  CHECK(uneven(Family::hf_llama) == std::vector<std::string>{"SP-MODEL-004"});
  CHECK(uneven(Family::hf_mixtral) == std::vector<std::string>{"SP-MODEL-004"});
  CHECK(uneven(Family::megatron) == std::vector<std::string>{"R9"});
  CHECK_FALSE(diagnose(with([](auto& a) { a.kv_heads = 8; })).empty());

  const Diagnostics findings = diagnose(with([](auto& a) { a.hidden = 18; }));
  CHECK(findings[0].message == "hidden (18) is not a multiple of heads (4)");
  CHECK(findings[0].hint == "16 or 20, or give the size of a head (head_dim; kv_channels in a megatron file)");
}

TEST_CASE("options that exclude each other") {
  const auto count = [](Family family, auto change) {
    const Architecture a = with([&](auto& x) {
      x.family = family;
      x.experts = family == Family::hf_mixtral ? 4 : 0;
      change(x);
    });
    const auto found = ids(diagnose(a));
    for (const std::string& id : found) CHECK(id == "SP-MODEL-004");
    return found.size();
  };
  for (const Family hf : {Family::hf_llama, Family::hf_mixtral}) {
    CHECK(count(hf, [](auto&) {}) == 0);
    CHECK(count(hf, [](auto& a) { a.qkv_linear = true, a.tied_embeddings = true; }) == 0);
    CHECK(count(hf, [](auto& a) { a.bias = true; }) == 1);
    CHECK(count(hf, [](auto& a) { a.gated = false; }) == 1);
    CHECK(count(hf, [](auto& a) { a.learned_positions = true, a.positions = 8; }) == 1);
    CHECK(count(hf, [](auto& a) { a.normalization = Normalization::layernorm; }) == 1);
    CHECK(count(hf, [](auto& a) { a.block = Block::gpt_j; }) == 1);
  }
  CHECK(count(Family::hf_llama, [](auto& a) { a.experts = 4; }) == 1);
  CHECK(count(Family::hf_mixtral, [](auto& a) { a.top_k = 5; }) == 1);
  CHECK(count(Family::hf_mixtral, [](auto& a) { a.top_k = 4, a.moe_frequency = 9; }) == 0);

  const Family megatron = Family::megatron;
  CHECK(count(megatron, [](auto&) {}) == 0);
  CHECK(count(megatron, [](auto& a) { a.qkv_linear = true; }) == 1);
  CHECK(count(megatron, [](auto& a) { a.bias = true, a.gated = false, a.block = Block::post_ln; }) == 0);
  CHECK(count(megatron, [](auto& a) { a.experts = 4; }) == 0);
  CHECK(count(megatron, [](auto& a) { a.experts = 4, a.bias = true; }) == 1);
  CHECK(count(megatron, [](auto& a) { a.experts = 4, a.gated = false; }) == 1);
  CHECK(count(megatron, [](auto& a) { a.experts = 4, a.block = Block::normformer; }) == 1);
  CHECK(count(megatron, [](auto& a) { a.experts = 4, a.moe_frequency = 3; }) == 1);
  CHECK(count(megatron, [](auto& a) { a.experts = 1, a.bias = true; }) == 0);  // one expert is a plain MLP
}

TEST_CASE("learned positions need a table, Mixtral experts") {
  CHECK(ids(diagnose(with([](auto& a) { a.family = Family::megatron, a.learned_positions = true; }))) ==
        std::vector<std::string>{"SP-MODEL-002"});
  CHECK(ids(diagnose(with([](auto& a) { a.family = Family::hf_mixtral; }))) ==
        std::vector<std::string>{"SP-MODEL-002"});
}

TEST_CASE("all findings at once, and constructors throw the same") {
  const Architecture bad{.layers = 0, .hidden = 18, .ffn = -1, .heads = 4, .kv_heads = 3, .vocab = 40, .bias = true};
  const std::vector<std::string> expected{"SP-MODEL-002", "SP-MODEL-002", "R6", "SP-MODEL-004", "SP-MODEL-004"};
  CHECK(ids(diagnose(bad)) == expected);
  CHECK(thrown_ids([&] { llama(bad); }) == expected);
  CHECK(thrown_ids([] { mixtral({}); }).size() == 6);
  CHECK(thrown_ids([] { megatron({}); }).size() == 5);
}

TEST_CASE("a tensor that does not fit 64 bits is refused when the model is made") {
  const Index big = largest_size;
  CHECK(thrown_ids([&] { mixtral({.layers = 1, .hidden = big, .ffn = big, .heads = 1, .vocab = 1, .experts = 8}); }) ==
        std::vector<std::string>{"SP-CORE-001"});
}
