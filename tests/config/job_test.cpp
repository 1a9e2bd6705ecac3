#include <shardplan/config/yaml.hpp>

#include "configs.hpp"

using namespace shardplan;

namespace {

/// A config.json like that of a small Llama.
HfConfig small_json() {
  HfConfig out;
  out.model_type = "llama";
  out.hidden_size = 256;
  out.intermediate_size = 512;
  out.num_hidden_layers = 6;
  out.num_attention_heads = 16;
  out.num_key_value_heads = 8;
  out.vocab_size = 1024;
  out.max_position_embeddings = 2048;
  out.hidden_act = "silu";
  return out;
}

Job job_of(std::string_view text, std::string_view set, const std::optional<HfConfig>& json = small_json(),
           const JobOptions& asked = {}) {
  return job(config_of(text, set), json, json ? "config.json" : "", asked);
}
const Architecture& of_hf(const Job& made) { return made.model.architecture; }

/// Ids of the errors; empty where there is a job.
Ids errors(std::string_view text, std::string_view set, const std::optional<HfConfig>& json = small_json(),
           const JobOptions& asked = {}) {
  Ids out;
  try {
    job_of(text, set, json, asked);
  } catch (const Error& error) {
    for (const Diagnostic& one : error.diagnostics())
      if (one.severity == Severity::error) out.emplace_back(one.id);
  }
  return out;
}

const Diagnostic* find(const Diagnostics& all, std::string_view id) {
  for (const Diagnostic& one : all)
    if (one.id == id) return &one;
  return nullptr;
}

}  // namespace

TEST_CASE("hf: the file comes before config.json, config.json before the hub; -1 leaves it to config.json") {
  const JobOptions hub{.model = "llama3-8b"};
  const struct {
    std::string_view set;
    bool json, hub;
    Index layers, hidden, ffn, heads, kv_heads, vocab;
  } rows[] = {
      {"", true, false, 6, 256, 512, 16, 8, 1024},
      {"", true, true, 6, 256, 512, 16, 8, 1024},
      {"", false, true, 32, 4096, 14336, 32, 8, 128256},
      {"model.num_layers=3", true, true, 3, 256, 512, 16, 8, 1024},
      {"model.num_layers=-1; model.hidden_size=-1", true, false, 6, 256, 512, 16, 8, 1024},
      {"model.num_layers=-1", false, true, 32, 4096, 14336, 32, 8, 128256},
      {"model.hidden_size=512", true, false, 6, 512, 512, 16, 8, 1024},
      {"model.num_layers=null", true, false, 6, 256, 512, 16, 8, 1024},
      {"data.hidden_size=512", true, false, 6, 512, 512, 16, 8, 1024},
      // keys of megatron models, which hf models do not read
      {"model.ffn_hidden_size=64; model.num_attention_heads=8; model.num_kv_heads=1", true, false, 6, 256, 512, 16, 8,
       1024},
  };
  for (const auto& row : rows) {
    CAPTURE(row.set);
    const Job made =
        job_of(hf_text, row.set, row.json ? std::optional(small_json()) : std::nullopt, row.hub ? hub : JobOptions{});
    const Architecture& a = of_hf(made);
    CHECK(a.layers == row.layers);
    CHECK(a.hidden == row.hidden);
    CHECK(a.ffn == row.ffn);
    CHECK(a.heads == row.heads);
    CHECK(a.key_value_heads() == row.kv_heads);
    CHECK(a.vocab == row.vocab);
    CHECK(a.family == Family::hf_llama);
    CHECK(!made.model.parameters.empty());
    CHECK(made.model.name == "llama");
  }
}

TEST_CASE("hf: positions of the file, of Mixtral the larger ones") {
  CHECK(of_hf(job_of(hf_text, "")).positions == 2048);
  CHECK(of_hf(job_of(hf_text, "model.max_position_embeddings=512")).positions == 512);
  CHECK(of_hf(job_of(mixtral_text, "model.max_position_embeddings=512")).positions == 2048);
  CHECK(of_hf(job_of(mixtral_text, "")).positions == 4096);
  CHECK(of_hf(job_of(hf_text, "", {}, {.model = "llama3.1-8b"})).positions == 131072);
}

TEST_CASE("hf: a head_dim of config.json, which NxDT does not read") {
  HfConfig json = small_json();
  json.head_dim = 16;  // what 256 / 16 gives as well
  CHECK(find(job_of(hf_text, "", json).notes, "SP-PLAN-003") == nullptr);
  json.head_dim = 32;
  const Job right = job_of(hf_text, "", json);
  CHECK(of_hf(right).head_size() == 32);
  const Diagnostic* said = find(right.notes, "SP-PLAN-003");
  REQUIRE(said != nullptr);
  CHECK(said->origins[0] == Origin{"head_dim", "config.json", 0, 0});
  const Job as_nxdt = job_of(hf_text, "", json, {.dialect = compat});
  CHECK(of_hf(as_nxdt).head_size() == 16);
  CHECK(find(as_nxdt.notes, "SP-PLAN-003") != nullptr);
  CHECK(of_hf(job_of(hf_text, "model.hidden_size=512", json)).head_size() == 32);  // 512 / 16: another model now
  CHECK(find(job_of(hf_text, "model.hidden_size=1024", json).notes, "SP-PLAN-003") == nullptr);
}

TEST_CASE("hf Mixtral: experts of the moe section, else of the hub, else 1; never of config.json") {
  HfConfig json = small_json();
  json.num_local_experts = 4;
  const auto experts = [&](std::string_view set, std::string model) {
    const Architecture a = of_hf(job_of(mixtral_text, set, json, {.model = std::move(model)}));
    return std::pair{a.experts, a.top_k};
  };
  CHECK(experts("", "") == std::pair<Index, Index>{8, 2});
  CHECK(experts("", "mixtral-8x7b") == std::pair<Index, Index>{8, 2});
  CHECK(experts("model.moe={capacity_factor: 1.0}", "") == std::pair<Index, Index>{1, 1});
  CHECK(experts("model.moe={capacity_factor: 1.0}", "mixtral-8x7b") == std::pair<Index, Index>{8, 2});
  CHECK(experts("model.moe={num_experts: 16, capacity_factor: 1.0}", "mixtral-8x7b") == std::pair<Index, Index>{16, 2});
  const Job assumed = job_of(mixtral_text, "model.moe={capacity_factor: 1.0}", json);
  bool said = false;
  for (const Diagnostic& one : assumed.notes) said = said || one.message.find("4 of config.json") != std::string::npos;
  CHECK(said);
  CHECK(of_hf(job_of(hf_text, "", {}, {.model = "mixtral-8x7b"})).experts == 0);  // the name picks a Llama
  // A job says what was built: with as many KV heads as heads Mixtral does without the GQA layer.
  json.num_key_value_heads = json.num_attention_heads;
  CHECK_FALSE(of_hf(job_of(mixtral_text, "model.qkv_linear=true", json)).qkv_linear);
}

TEST_CASE("megatron: KV heads, head size, vocabulary and switches") {
  const auto made = [](std::string_view set, const JobOptions& asked = {}) {
    return job_of(megatron_text, set, {}, asked).model.architecture;
  };
  CHECK(made("").key_value_heads() == 8);
  CHECK(made("model.num_kv_heads=null").key_value_heads() == 16);
  CHECK(made("model.num_kv_heads=null", {.model = "llama3-8b"}).key_value_heads() == 16);
  CHECK(made("model.kv_channels=64").head_size() == 64);
  CHECK(made("model.kv_channels=null").head_size() == 32);
  CHECK(made("").vocab == 32000);
  CHECK(made("name=megatron_gpt").vocab == 50257);
  CHECK(made("data.tokenizer={type: GPT2BPETokenizer}").vocab == 50257);
  CHECK(made("", {.model = "llama3-8b"}).vocab == 128256);
  CHECK(made("", {.model = "llama3-8b", .vocab_size = 777}).vocab == 777);
  CHECK(made("").vocabulary_multiple == 128);
  CHECK(made("model.make_vocab_size_divisible_by=8", {.model = "megatron-gpt"}).vocabulary_multiple == 8);
  CHECK(made("", {.model = "megatron-gpt"}).vocabulary_multiple == 8);
  CHECK(made("", {.model = "llama3-8b"}).vocabulary_multiple == 128);
  CHECK(made("model.moe={num_experts: 1, capacity_factor: 1.0}").experts == 0);
  for (const bool gated : {false, true})
    CHECK(made(gated ? "model.activation=reglu" : "model.activation=gelu").gated == gated);
  CHECK(find(job_of(megatron_text, "", {}).notes, "SP-PLAN-005") != nullptr);
}

TEST_CASE("megatron: the hub fills whatever the file does not give") {
  constexpr std::string_view sizes_left_out = "model={encoder_seq_length: 4096, fusions: {}, optim: {name: adamw}}";
  const Architecture llama = job_of(megatron_text, sizes_left_out, {}, {.model = "llama2-7b"}).model.architecture;
  CHECK(llama.layers == 32);
  CHECK(llama.kv_heads == 32);
  CHECK(llama.gated);
  CHECK_FALSE(llama.bias);
  CHECK_FALSE(llama.learned_positions);
  CHECK_FALSE(llama.tied_embeddings);
  CHECK(llama.normalization == Normalization::rmsnorm);
  CHECK(model(llama).parameter_count(1) == 6738415616);
  const Architecture gpt = job_of(megatron_text, sizes_left_out, {}, {.model = "megatron-gpt"}).model.architecture;
  CHECK(gpt == architecture("megatron-gpt"));
  const Architecture mixed =
      job_of(megatron_text, "model={num_layers: 2, activation: gelu, has_bias: true, fusions: {}, optim: {}}", {},
             {.model = "llama2-7b"})
          .model.architecture;
  CHECK(mixed.layers == 2);
  CHECK(mixed.bias);
  CHECK_FALSE(mixed.gated);
}

TEST_CASE("the strategy reads what its kind of model reads") {
  const Strategy hf = strategy(
      config_of(hf_text, "distributed_strategy.kv_replicator=4; distributed_strategy.token_shuffle_group_size=2"));
  CHECK(hf.kv_replicator == 4);
  CHECK(hf.token_shuffle == 1);
  const Strategy megatron =
      strategy(config_of(megatron_text,
                         "distributed_strategy.kv_replicator=4; distributed_strategy.token_shuffle_group_size=2; "
                         "distributed_strategy.virtual_pipeline_model_parallel_size=null; model.pipeline_cuts=[a, b]"));
  CHECK(megatron.kv_replicator == 1);
  CHECK(megatron.token_shuffle == 2);
  CHECK(megatron.virtual_pipeline == 1);
  CHECK(megatron.pipeline_cuts == Names{"a", "b"});
}

TEST_CASE("the hardware: asked for, else told by lnc and the devices") {
  const struct {
    std::string_view set;
    std::optional<Hardware> asked;
    Hardware hardware;
    Index lnc;
  } rows[] = {{"", {}, Hardware::trn1, 1},
              {"trainer.devices=64", {}, Hardware::trn2, 2},
              {"trainer.devices=128; trainer.lnc=1", {}, Hardware::trn2, 1},
              {"trainer.lnc=2", {}, Hardware::trn2, 2},
              {"trainer.lnc=2", Hardware::trn1, Hardware::trn1, 1},
              {"", Hardware::trn2, Hardware::trn2, 2},
              {"", Hardware::inf2, Hardware::inf2, 1}};
  for (const auto& row : rows) {
    CAPTURE(row.set);
    Diagnostics notes;
    const World made = world(config_of(hf_text, row.set), row.asked, notes);
    CHECK(made.hardware == row.hardware);
    CHECK(made.lnc == row.lnc);
    CHECK(ids_of(notes) == (row.asked ? Ids{} : Ids{"SP-PLAN-005"}));
  }
}

TEST_CASE("the training job") {
  const auto made = [](std::string_view text, std::string_view set) { return job_of(text, set).options.training; };
  const Training hf = made(hf_text, "model.attention_dropout=0.5; model.hidden_dropout=0.5");
  CHECK(hf.sequence == 4096);
  CHECK(hf.global_batch == 64);
  CHECK(hf.hidden_dropout == 0);  // hf models do not read them
  CHECK(hf.attention_dropout == 0);
  CHECK(hf.flash_attention);
  CHECK(made(megatron_text, "").hidden_dropout == 0.1);
  CHECK(made(megatron_text, "model.hidden_dropout=0").hidden_dropout == 0);
  CHECK(made(megatron_text, "model.attention_dropout=0.25").attention_dropout == 0.25);
  CHECK(made(mixtral_text, "").capacity_factor == 2);
  CHECK(made(mixtral_text, "model.moe={num_experts: 8, dropout: 0.5}").attention_dropout == 0.5);
  CHECK(made(mixtral_text, "model.moe={num_experts: 8}").capacity_factor == 1);
  CHECK(made(megatron_text, "model.moe={num_experts: 8, top_k: 2}").capacity_factor == 4);
  CHECK(made(megatron_text, "model.encoder_seq_length=null; data.seq_length=128").sequence == 128);
  CHECK(made(hf_text, "precision.type=fp32").precision == Precision{});
  CHECK(made(hf_text, "precision.type=half").precision == mixed_precision);
  CHECK(made(hf_text, "precision={type: manual, master_weights: true, xla_downcast_bf16: '1'}").precision ==
        Precision{.downcast_bf16 = true, .master_weights = true});
  CHECK(made(hf_text, "precision={type: manual, xla_downcast_bf16: 1, xla_use_bf16: 0}").precision ==
        Precision{.downcast_bf16 = true});  // NxDT refuses numbers (R26), but their meaning is plain
  CHECK(made(hf_text, "model.activations_checkpoint_granularity=full").recompute == Recompute{.layer = true});
}

TEST_CASE("sizes that nothing gives: one error names them all, and the rest is checked all the same") {
  CHECK(errors(hf_text, "", {}) == Ids{"SP-CONFIG-012"});
  CHECK(errors(megatron_text, "model={fusions: {}, optim: {}}", {}) == Ids{"SP-CONFIG-012"});
  CHECK(errors(hf_text, "trainer.devices=12", {}) == Ids{"SP-CONFIG-012", "R2"});
  try {
    job_of(hf_text, "trainer.devices=12; model.model_config=gone.json; data.global_batch_size=7; model.num_layers=2",
           {});
    CHECK(false);
  } catch (const Error& error) {
    const Diagnostic* missing = find(error.diagnostics(), "SP-CONFIG-012");
    REQUIRE(missing != nullptr);
    CHECK(missing->message.find("num_layers") == std::string::npos);
    for (const char* size : {"hidden_size", "intermediate_size", "num_attention_heads", "vocab_size"})
      CHECK(missing->message.find(size) != std::string::npos);
    CHECK(missing->hint.find("'gone.json' cannot be read") != std::string::npos);
    CHECK(missing->origins[0].key == "model.model_config");
    CHECK(find(error.diagnostics(), "R1") != nullptr);
  }
}

TEST_CASE("what is wrong with the architecture hides nothing else") {
  CHECK(errors(megatron_text,
               "model.hidden_size=516; model.ffn_hidden_size=1020; model.num_kv_heads=2; trainer.devices=12",
               {}) == Ids{"R2", "R6", "R9", "R10"});
  CHECK(errors(megatron_text, "model.num_layers=0", {}) == Ids{"SP-MODEL-002"});
  CHECK(errors(hf_text, "model.num_layers=0") == Ids{"SP-MODEL-002"});  // 0 is given: not the 6 of config.json
  HfConfig empty = small_json();
  empty.vocab_size = 0;
  CHECK(errors(hf_text, "", empty, {.model = "llama3-8b"}) == Ids{"SP-MODEL-002"});
  CHECK(errors(megatron_text, "model.activation=relu; model.normalization=none", {}) ==
        Ids{"SP-MODEL-003", "SP-MODEL-003"});
  CHECK(errors(megatron_text,
               "model.position_embedding_type=alibi; model.transformer_block_type=x; trainer.num_nodes=0",
               {}) == Ids{"SP-MODEL-003", "SP-MODEL-003", "SP-MESH-001"});
  CHECK(errors(hf_text, "", {}, {.model = "llama9"}) == Ids{"SP-MODEL-001"});
}

TEST_CASE("numbers beyond any job are refused, not computed with") {
  for (const std::string_view key :
       {"trainer.num_nodes", "distributed_strategy.tensor_model_parallel_size",
        "distributed_strategy.pipeline_model_parallel_size",
        "distributed_strategy.virtual_pipeline_model_parallel_size", "distributed_strategy.context_parallel_size",
        "distributed_strategy.expert_model_parallel_size", "distributed_strategy.kv_replicator",
        "data.micro_batch_size", "data.global_batch_size", "model.encoder_seq_length", "model.num_layers",
        "model.hidden_size"})
    for (const std::string_view value : {"9223372036854775807", "4294967296", "-9223372036854775807"}) {
      CAPTURE(key);
      CAPTURE(value);
      CHECK(!errors(hf_text, concat(key, '=', value)).empty());
    }
  CHECK(!errors(megatron_text, "distributed_strategy.token_shuffle_group_size=9223372036854775807", {}).empty());
}

TEST_CASE("findings stand at the keys of the file, or in config.json") {
  const auto origins = [](std::string_view text, std::string_view set, std::string_view id,
                          const std::optional<HfConfig>& json, const JobOptions& asked = {}) {
    try {
      job_of(text, set, json, asked);
    } catch (const Error& error) {
      if (const Diagnostic* one = find(error.diagnostics(), id)) return one->origins;
    }
    return Origins{};
  };
  constexpr std::string_view tensor = "distributed_strategy.tensor_model_parallel_size";
  auto at = origins(hf_text, "distributed_strategy.tensor_model_parallel_size=32", "R5", small_json());
  REQUIRE(at.size() == 2);
  CHECK(at[0] == Origin{"num_attention_heads", "config.json", 0, 0});
  CHECK(at[1] == Origin{std::string(tensor), "job.yaml", 7, 24});
  at = origins(hf_text, "distributed_strategy.tensor_model_parallel_size=64; trainer.num_nodes=2", "R5", {},
               {.model = "llama3-8b"});
  REQUIRE(at.size() == 2);
  CHECK(at[0].key == "num_attention_heads");
  CHECK(at[0].file == "job.yaml");  // the section in which model_config would stand
  at = origins(hf_text, "distributed_strategy.pipeline_model_parallel_size=4; model.num_layers=2", "R14", small_json());
  REQUIRE(at.size() == 3);
  CHECK(at[0].key == "model.num_layers");
  at = origins(
      hf_text,
      "distributed_strategy={tensor_model_parallel_size: 1, pipeline_model_parallel_size: 8}; model.num_layers=-1",
      "R14", small_json());
  REQUIRE(at.size() == 3);
  CHECK(at[0].key == "num_hidden_layers");
  at = origins(megatron_text, "model.num_kv_heads=4", "R9", {});
  REQUIRE(at.size() == 2);
  CHECK(at[0].key == "model.num_kv_heads");
  CHECK(at[0].line > 0);
  at = origins(megatron_text, "trainer.devices=12", "R2", {});
  REQUIRE(at.size() == 5);
  CHECK(at[0].key == "trainer.devices");
  CHECK(at[1].key == "trainer.num_nodes");
  at = origins(hf_text, "distributed_strategy.pipeline_model_parallel_size=2; model.pipeline_cuts=[a, b]", "R16",
               small_json());
  REQUIRE(at.size() == 3);
  CHECK(at[0].key == "model.pipeline_cuts");
}

TEST_CASE("notes: those of loading, of the rules and of the planners, none twice") {
  const Job made = job_of(megatron_text,
                          "seed=0; strange_key=1; data.global_batch_size=63; trainer.lnc=2; "
                          "distributed_strategy.expert_model_parallel_size=2; model.moe={num_experts: 8}",
                          {});
  for (const char* id : {"SP-CONFIG-013", "R28", "R33", "R4", "R35", "SP-PLAN-005"}) {
    CAPTURE(id);
    CHECK(find(made.notes, id) != nullptr);
  }
  CHECK(!has_errors(made.notes));
  const Diagnostics spread = job_of(mixtral_text,
                                    "distributed_strategy={tensor_model_parallel_size: 4, "
                                    "pipeline_model_parallel_size: 1, expert_model_parallel_size: 2}")
                                 .notes;
  REQUIRE(find(spread, "R35") != nullptr);
  CHECK(find(spread, "R35")->origins[1].key == "distributed_strategy.tensor_model_parallel_size");
  for (std::size_t i = 0; i < made.notes.size(); ++i)
    for (std::size_t k = 0; k < i; ++k) CHECK_FALSE(made.notes[i] == made.notes[k]);
  CHECK(find(job_of(hf_text, "", small_json()).notes, "R4") == nullptr);
}

TEST_CASE("model_config: a file or a folder, a relative path sought beside the configuration first") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.file("model"));
  constexpr std::string_view json =
      R"({"model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 6,
          "num_attention_heads": 16, "vocab_size": 1024, "max_position_embeddings": 2048})";
  folder.write("model/config.json", json);
  folder.write("list.json", "[1]");
  for (const std::string& path : {std::string("model"), std::string("model/config.json"), folder.file("model"),
                                  folder.file("model/config.json")}) {
    CAPTURE(path);
    const std::string file = folder.write("job.yaml", hf_text);
    const std::vector<std::string> set{"model.model_config=" + path};
    const Job made = job(load_config(file, set));
    CHECK(made.model.architecture.layers == 6);
    CHECK(made.model.architecture.key_value_heads() == 16);
  }
  const Config config = load_config(folder.write("job.yaml", hf_text));
  CHECK(thrown([&] { job(config); }) == Ids{"SP-CONFIG-012", "SP-PLAN-005"});
  CHECK(job(config, {.model_config = folder.file("model")}).model.architecture.layers == 6);
  CHECK(thrown([&] { job(config, {.model_config = folder.file("gone")}); }) == Ids{"SP-CONFIG-001", "SP-PLAN-005"});
  CHECK(!thrown([&] { job(config, {.model_config = folder.file("list.json")}); }).empty());
  const Config megatron = load_config(folder.write("megatron.yaml", megatron_text));
  CHECK(job(megatron).model.architecture.layers == 4);
}

TEST_CASE("all faults come at once, none twice, and none that only follows from another") {
  const TemporaryFolder folder;
  folder.write("good.json",
               R"({"model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 6,
                   "num_attention_heads": 16, "vocab_size": 1024, "max_position_embeddings": 2048})");
  const std::string bad = folder.write("bad.json", R"({"model_type": "llama", "hidden_size": "x"})");
  const std::string hf_file = folder.write("hf.yaml", hf_text), megatron_file = folder.write("mg.yaml", megatron_text);
  const std::string given = "model.model_config=good.json";
  const auto told = [](const std::string& file, const std::vector<std::string>& set, const JobOptions& asked) {
    Diagnostics all;
    try {
      all = job(load_config(file, set), asked).notes;
    } catch (const Error& error) {
      all = error.diagnostics();
    }
    Ids out;
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) CHECK_FALSE(all[i] == all[k]);
      if (all[i].severity != Severity::note) out.push_back(concat(all[i].id, ' ', all[i].origins[0].key));
    }
    return out;
  };
  const std::string tensor = "distributed_strategy.tensor_model_parallel_size";
  const struct {
    const std::string& file;
    std::vector<std::string> set;
    JobOptions asked;
    Ids expected;
  } rows[] = {
      {hf_file, {given}, {}, {}},
      // load, check and diagnose together
      {hf_file,
       {given, "trainer.num_nodes=abc", tensor + "=24", "seed=-1"},
       {},
       {"SP-CONFIG-011 trainer.num_nodes", "R33 seed", "R5 num_attention_heads",
        "R7 distributed_strategy.kv_replicator", "R11 vocab_size", "R10 intermediate_size"}},
      {hf_file, {given, "trainer.num_nodes=3", tensor + "=x"}, {}, {"SP-CONFIG-011 " + tensor}},
      {hf_file,
       {given, "seed=x", "trainer.devices=[1, 2]"},
       {},
       {"SP-CONFIG-011 seed", "SP-CONFIG-011 trainer.devices"}},
      {hf_file, {given, "data.global_batch_size=x"}, {}, {"SP-CONFIG-011 data.global_batch_size"}},
      {hf_file, {given, "trainer.num_nodes=["}, {}, {"SP-CONFIG-015 trainer.num_nodes"}},
      {hf_file, {given, "trainer.num_nodes=${none}"}, {}, {"SP-CONFIG-007 trainer.num_nodes"}},
      {hf_file, {given, "distributed_strategy=3"}, {}, {"SP-CONFIG-011 distributed_strategy"}},
      {hf_file, {given, "model=3", "seed=0"}, {}, {"SP-CONFIG-011 model", "R33 seed"}},
      {hf_file, {given, "model_source=nemo", "seed=0"}, {}, {"SP-CONFIG-014 model_source", "R33 seed"}},
      {hf_file, {given, "name=3", "trainer.devices=2"}, {}, {"SP-CONFIG-011 name", "R2 trainer.devices"}},
      // the hub and config.json
      {hf_file, {"trainer.devices=2"}, {.model = "llama9"}, {"SP-MODEL-001 model", "R2 trainer.devices"}},
      {megatron_file, {"trainer.devices=2"}, {.model = "llama9"}, {"SP-MODEL-001 model", "R2 trainer.devices"}},
      {hf_file,
       {"trainer.devices=2"},
       {.model_config = bad},
       {"SP-CONFIG-011 hidden_size", "SP-CONFIG-012 intermediate_size", "SP-CONFIG-012 num_hidden_layers",
        "SP-CONFIG-012 num_attention_heads", "SP-CONFIG-012 vocab_size", "SP-CONFIG-012 max_position_embeddings",
        "R2 trainer.devices"}},
      {hf_file, {"trainer.devices=2"}, {.model_config = "gone"}, {"SP-CONFIG-001 ", "R2 trainer.devices"}},
      {hf_file, {"model.model_config=3"}, {}, {"SP-CONFIG-011 model.model_config"}},
      // sizes of the file
      {megatron_file,
       {"model.hidden_size=x", "model.activation=relu", tensor + "=3"},
       {},
       {"SP-CONFIG-011 model.hidden_size", "SP-MODEL-003 model.activation", "R2 trainer.devices",
        "R5 model.num_attention_heads", "R9 model.num_kv_heads", "R10 model.ffn_hidden_size"}},
      {megatron_file, {"model.num_attention_heads=x"}, {}, {"SP-CONFIG-011 model.num_attention_heads"}},
  };
  for (const auto& row : rows) {
    CAPTURE(join(row.set, " "));
    CAPTURE(row.asked.model + row.asked.model_config);
    const Ids all = told(row.file, row.set, row.asked);
    CHECK_MESSAGE(all == row.expected, join(all, ", "));
  }
}

TEST_CASE("what no plan takes up is told") {
  const auto notes = [](std::string_view text, std::string_view set, const JobOptions& asked = {}) {
    Ids out;
    for (const Diagnostic& one : unused(config_of(text, set), asked)) {
      CHECK(one.id == "SP-PLAN-005");
      out.push_back(one.origins.empty() ? one.message.substr(0, one.message.find(' ')) : one.origins[0].key);
    }
    return out;
  };
  const std::string strategy = "distributed_strategy.";
  CHECK(notes(hf_text,
              "distributed_strategy.kv_replicator=2; distributed_strategy.sequence_parallel=true; "
              "distributed_strategy.tensor_model_parallel_size=1",
              {.model_config = "x"}) == Ids{});
  CHECK(notes(hf_text, "distributed_strategy.token_shuffle_group_size=2", {.vocab_size = 9}) ==
        Ids{"--vocab-size", strategy + "token_shuffle_group_size"});
  CHECK(notes(megatron_text,
              "distributed_strategy.token_shuffle_group_size=2; distributed_strategy.kv_replicator=1; "
              "distributed_strategy.sequence_parallel=true",
              {.vocab_size = 9}) == Ids{});
  CHECK(notes(megatron_text, "distributed_strategy.kv_replicator=2", {.model_config = "x"}) ==
        Ids{"--model-config", strategy + "kv_replicator"});
  CHECK(notes(megatron_text,
              "distributed_strategy.sequence_parallel=true; "
              "distributed_strategy.tensor_model_parallel_size=1") == Ids{strategy + "sequence_parallel"});
  for (const std::string_view text : {hf_text, mixtral_text, megatron_text}) {
    CHECK(notes(text, "model.peft={lora_rank: 4}") == Ids{"peft"});
    CHECK(notes(text, "model_alignment_strategy={peft: {}}") == Ids{});
  }
  CHECK(notes(hf_text, "model.optim.name=adafactor") == Ids{"model.optim.name"});
  HfConfig biased = small_json();
  const auto said = [&] {
    for (const Diagnostic& one : job_of(hf_text, "", biased).notes)
      if (one.message.find("attention_bias") != std::string::npos) return true;
    return false;
  };
  CHECK_FALSE(said());
  biased.attention_bias = true;
  CHECK(said());
}

TEST_CASE("sequence parallelism of a megatron model needs tensor ranks") {
  const auto on = [](std::string_view text, std::string_view tensor) {
    const std::string set = concat(
        "distributed_strategy.sequence_parallel=true; "
        "distributed_strategy.tensor_model_parallel_size=",
        tensor);
    return strategy(config_of(text, set)).sequence_parallel;
  };
  CHECK(on(megatron_text, "8"));
  CHECK_FALSE(on(megatron_text, "1"));
  CHECK(on(hf_text, "1"));
}

TEST_CASE("state tensors follow the optimizer's arguments") {
  const struct {
    std::string_view optim;
    Index states;
  } rows[] = {{"{name: adamw}", 2},
              {"{name: adamw, amsgrad: true}", 3},
              {"{name: adam, amsgrad: false}", 2},
              {"{name: adamw_fp32OptState}", 2},
              {"{name: sgd}", 0},
              {"{name: sgd, momentum: 0.0}", 0},
              {"{name: sgd, momentum: 0.9}", 1},
              {"{name: sgd, args: {name: auto, params: {momentum: 0.9}}}", 1},
              {"{name: rmsprop}", 1},
              {"{name: rmsprop, momentum: 0.9}", 2},
              {"{name: rmsprop, momentum: 0.9, centered: true}", 3},
              {"{name: adafactor}", 0},
              {"{name: adafactor, beta1: null}", 0},
              {"{name: adafactor, beta1: 0.9}", 1},
              {"{name: novograd, amsgrad: true}", 1}};  // a scalar more
  for (const auto& row : rows) {
    CAPTURE(row.optim);
    const Optimizer made = optimizer(config_of(hf_text, concat("model.optim=", row.optim)));
    CHECK(made.states == row.states);
    CHECK(made.double_state == (row.optim == "{name: adamw_fp32OptState}"));
  }
}
