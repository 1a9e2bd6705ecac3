#include "support.hpp"

using namespace shardplan;

TEST_CASE("the names of the hub") {
  static_assert(model_names().size() == 11);
  for (const std::string_view name : model_names()) {
    const Model made = model(name);
    CHECK(made.name == name);
    CHECK(made.architecture == architecture(name));
    check_parameters(made);
  }
}

TEST_CASE("totals of the released models, to the unit") {
  struct Row {
    std::string_view name;
    Index tensor;
    Index total;
  };
  // llama2-13b and mistral-7b: by the formula 2VH + L(2H nq d + 2H nkv d + 3HI + 2H) + H; megatron-gpt pads to 50304
  // over 8
  for (const Row& row :
       {Row{"llama2-7b", 1, 6'738'415'616}, Row{"llama2-13b", 1, 13'015'864'320}, Row{"llama2-70b", 1, 68'976'648'192},
        Row{"llama3-8b", 1, 8'030'261'248}, Row{"llama3.1-8b", 1, 8'030'261'248}, Row{"llama3-70b", 1, 70'553'706'496},
        Row{"llama3.1-70b", 1, 70'553'706'496}, Row{"llama3.1-405b", 1, 405'853'388'800},
        Row{"mistral-7b", 1, 7'241'732'096}, Row{"mixtral-8x7b", 1, 46'702'792'704},
        Row{"megatron-gpt", 8, 6'658'596'864}}) {
    INFO(std::string(row.name));
    CHECK(model(row.name).parameter_count(row.tensor) == row.total);
  }
}

TEST_CASE("Mixtral as in the NxDT examples, with as many KV heads as heads") {
  for (const Family family : {Family::hf_mixtral, Family::megatron}) {
    Architecture a = architecture("mixtral-8x7b");
    a.kv_heads = 32, a.family = family;
    CHECK(model(a).parameter_count() == 47'508'099'072);
    CHECK(model(a).active_parameter_count() == 13'685'231'616);
  }
}

TEST_CASE("padding of the vocabulary counts, and only where it is asked for") {
  const Model gpt = model("megatron-gpt");
  const Index unpadded = gpt.parameter_count() - 4096 * (50264 - 50257);
  for (Index tensor = 1; tensor <= 64; tensor *= 2)
    CHECK(gpt.parameter_count(tensor) == unpadded + 4096 * (padded_vocabulary(50257, 8, tensor) - 50257));
  CHECK(model("llama2-7b").parameter_count(7) == model("llama2-7b").parameter_count());

  struct Case {
    Index size, multiple, tensor, padded;
  };
  for (const Case& c :
       {Case{50257, 128, 1, 50304}, Case{50257, 128, 8, 51200}, Case{32000, 128, 8, 32768}, Case{128, 128, 1, 128},
        Case{129, 128, 1, 256}, Case{50257, 1, 3, 50259}, Case{50257, 0, 8, 50257}})
    CHECK(padded_vocabulary(c.size, c.multiple, c.tensor) == c.padded);
}

TEST_CASE("an architecture chooses its model by its family") {
  CHECK(model(architecture("llama3-8b")).parameters == llama(architecture("llama3-8b")).parameters);
  CHECK(model(architecture("mixtral-8x7b")) == mixtral(architecture("mixtral-8x7b")));
  CHECK(model(architecture("megatron-gpt")) == megatron(architecture("megatron-gpt")));
}

TEST_CASE("an unknown name is told what it may have meant, and all there are") {
  const auto hint = [](std::string_view name) {
    try {
      model(name);
    } catch (const Error& error) {
      CHECK(ids(error.diagnostics()) == std::vector<std::string>{"SP-MODEL-001"});
      return error.diagnostics()[0].hint;
    }
    return std::string();
  };
  CHECK(hint("llama3-8B").starts_with("llama3-8b? "));
  CHECK(hint("llama31-405b").starts_with("llama3.1-405b? "));
  CHECK(hint("mixtral8x7b").starts_with("mixtral-8x7b? "));
  for (const std::string_view name : model_names()) CHECK(hint("").find(name) != std::string::npos);
  CHECK(hint("").find('?') == std::string::npos);
}

TEST_CASE("closest spelling") {
  const std::string_view words[] = {"tensor", "pipeline", "context"};
  for (const std::string_view word : words) CHECK(closest(word, words) == word);
  CHECK(closest("tensr", words) == "tensor");
  CHECK(closest("tesnor", words) == "tensor");
  CHECK(closest("Pipelines", words) == "pipeline");
  CHECK(closest("contest", words) == "context");
  CHECK(closest("expert", words) == "");
  CHECK(closest("", words) == "");
  CHECK(closest("x", words) == "");
  CHECK(closest(std::string(100'000, 't'), words) == "");
  CHECK(closest("ab", std::vector<std::string>{}) == "");
  const std::string_view equals[] = {"key_a", "key_b"};
  CHECK(closest("key_c", equals) == "key_a");
}
