#include <shardplan/config/yaml.hpp>

#include "support.hpp"

using namespace shardplan;

namespace {

const std::string smallest =
    "{\"model_type\": \"llama\", \"hidden_size\": 64, \"intermediate_size\": 128, \"num_hidden_layers\": 2,\n"
    " \"num_attention_heads\": 8, \"vocab_size\": 1000, \"max_position_embeddings\": 256, \"rope_scaling\": {\"a\": 1}";

}  // namespace

TEST_CASE("a config.json gives the architecture, with the defaults of transformers") {
  const auto [config, diagnostics] = bind_huggingface(read_yaml_text(smallest + "}"));
  CHECK(ids_of(diagnostics) == Ids{});
  HfConfig expected;
  expected.model_type = "llama";
  expected.hidden_size = 64;
  expected.intermediate_size = 128;
  expected.num_hidden_layers = 2;
  expected.num_attention_heads = expected.num_key_value_heads.emplace(8);
  expected.vocab_size = 1000;
  expected.max_position_embeddings = 256;
  CHECK(config == expected);
  CHECK_FALSE(config.head_dim);
  CHECK(config.num_local_experts == 1);
  const HfConfig more =
      bind_huggingface(
          read_yaml_text(smallest + ", \"num_key_value_heads\": 2, \"head_dim\": 16, \"tie_word_embeddings\": true, "
                                    "\"attention_bias\": true, \"num_local_experts\": 4, \"num_experts_per_tok\": 2}"))
          .config;
  CHECK(more.num_key_value_heads == 2);
  CHECK(more.head_dim == 16);
  CHECK(more.tie_word_embeddings);
  CHECK(more.attention_bias);
  CHECK(more.num_local_experts == 4);
  CHECK(more.num_experts_per_tok == 2);
}

TEST_CASE("faults of a config.json stand at their places") {
  const auto found = [](std::string_view text) { return places(bind_huggingface(read_yaml_text(text)).diagnostics); };
  CHECK(found("{\"model_type\": \"dbrx\",\n \"hidden_size\": \"x\"}") == Ids{"1:16 SP-CONFIG-016 model_type"});
  CHECK(found(smallest + ",\n\"head_dim\": \"16\", \"num_key_value_heads\": 1.5}") ==
        Ids{"3:42 SP-CONFIG-011 num_key_value_heads", "3:13 SP-CONFIG-011 head_dim"});
  CHECK(found("{\"model_type\": \"mixtral\"}").size() == 6);
  CHECK(found("{\"hidden_size\": 1}").size() == 6);
  CHECK(found("{\"model_type\": 3}").size() == 7);
  CHECK(found("[]") == Ids{"1:1 SP-CONFIG-011 "});
  for (const std::string_view type : hf_model_types) {
    std::string text = smallest + "}";
    text.replace(text.find("llama"), 5, type);
    CHECK(found(text) == Ids{});
  }
}

TEST_CASE("a config.json is found by its path and by its folder") {
  const TemporaryFolder folder;
  const std::string path = folder.write("config.json", smallest + "}");
  CHECK(load_huggingface(path) == load_huggingface(folder.file("")));
  CHECK(thrown([&] { load_huggingface(folder.file("none.json")); }) == Ids{"SP-CONFIG-001"});
  CHECK(thrown([&] { load_huggingface(folder.write("x.json", "{\"model_type\": \"gpt2\"}")); }) ==
        Ids{"SP-CONFIG-016"});
}
