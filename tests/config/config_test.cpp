#include <shardplan/config/config.hpp>
#include <shardplan/plan/precision.hpp>

#include "support.hpp"

using namespace shardplan;

namespace {

const std::string smallest =
    "name: hf_llama\nmodel_source: hf\ntrainer: {devices: 32}\n"
    "exp_manager: {resume_from_checkpoint: null, checkpoint_callback_params: {}}\n"
    "distributed_strategy: {tensor_model_parallel_size: 8, pipeline_model_parallel_size: 1}\n"
    "data: {micro_batch_size: 1, global_batch_size: 16}\n"
    "model: {fusions: {flash_attention: true}, optim: {name: adamw, anything: [1]}}\n"
    "precision: {type: mixed_precision}\nbucket_size_collectives: 1024\n";

/// `smallest` with values replaced or added, resolved.
Node with(std::vector<std::string_view> changes) {
  Node root = read_yaml_text(smallest, "f");
  for (const std::string_view change : changes) {
    const std::size_t equals = change.find('=');
    Node* at = &root;
    std::string_view path = change.substr(0, equals);
    while (!path.empty()) {
      if (at->is_null()) at->value.emplace<Mapping>();
      const std::string key(take_step(path));
      Mapping::Entry* entry = at->as<Mapping>()->find(key);
      at = &(entry != nullptr ? *entry : at->as<Mapping>()->assign(key, {}, {})).value;
    }
    *at = read_yaml_text(change.substr(equals + 1));
  }
  return resolve(root).tree;
}

Config bound(std::vector<std::string_view> changes) {
  Bound out = bind(with(changes));
  CHECK(ids_of(out.diagnostics) == Ids{});
  return out.config;
}

/// `R2 a.b` for every finding.
Ids findings(std::vector<std::string_view> changes) {
  Ids out;
  for (const Diagnostic& one : bind(with(changes)).diagnostics) out.push_back(concat(one.id, ' ', one.origins[0].key));
  return out;
}

}  // namespace

TEST_CASE("what a file does not say has the defaults of NxDT") {
  const Config config = bound({});
  CHECK(config.name == "hf_llama");
  CHECK_FALSE(config.seed);
  CHECK(config.trainer.devices == 32);
  CHECK(config.trainer.num_nodes == 1);
  CHECK(config.trainer.max_steps == -1);
  CHECK_FALSE(config.trainer.lnc);
  CHECK_FALSE(config.exp_manager.save_xser);
  CHECK(config.exp_manager.checkpoint_callback_params.save_top_k == 3);
  const DistributedStrategy& d = config.distributed_strategy;
  CHECK(d.tensor_model_parallel_size == 8);
  CHECK(d.virtual_pipeline_model_parallel_size == 1);
  CHECK(d.context_parallel_size == 1);
  CHECK(d.expert_model_parallel_size == 1);
  CHECK(d.kv_replicator == 1);
  CHECK_FALSE(d.sequence_parallel);
  CHECK(d.zero1);
  CHECK_FALSE(config.data.seq_length);
  CHECK_FALSE(config.model.num_layers);
  CHECK(config.model.fuse_qkv);
  CHECK_FALSE(config.model.qkv_linear);
  CHECK(config.model.make_vocab_size_divisible_by == 128);
  CHECK(config.model.share_embeddings_and_output_weights);
  CHECK(config.model.has_bias);
  CHECK(config.model.normalization == "layernorm");
  CHECK(config.model.moe.num_experts == 1);
  CHECK_FALSE(config.model.optim.sched);
  CHECK_FALSE(config.model_alignment_strategy);
  CHECK(bound({}) == bound({}));
  CHECK_FALSE(bound({}) == bound({"seed=3"}));
}

TEST_CASE("trainer.devices takes its spellings") {
  CHECK(bound({"trainer.devices=auto"}).trainer.devices == 2);
  CHECK(bound({"trainer.devices=null"}).trainer.devices == 2);
  CHECK(bound({"trainer.devices='64'"}).trainer.devices == 64);
  CHECK(bound({"trainer.devices=[5]"}).trainer.devices == 1);
  for (const std::string_view bad :
       {"trainer.devices=[1, 2]", "trainer.devices=all", "trainer.devices=1.5", "trainer.devices={a: 1}"})
    CHECK(findings({bad}) == Ids{"SP-CONFIG-011 trainer.devices"});
}

TEST_CASE("null is 1 for the virtual pipeline, false for a switch, nothing for an optional, wrong for a number") {
  CHECK(bound({"distributed_strategy.virtual_pipeline_model_parallel_size=null"})
            .distributed_strategy.virtual_pipeline_model_parallel_size == 1);
  CHECK(bound({"distributed_strategy.virtual_pipeline_model_parallel_size=4"})
            .distributed_strategy.virtual_pipeline_model_parallel_size == 4);
  CHECK_FALSE(bound({"distributed_strategy.zero1=null"}).distributed_strategy.zero1);
  CHECK_FALSE(bound({"trainer.check_val_every_n_epoch=null"}).trainer.check_val_every_n_epoch);
  CHECK(findings({"distributed_strategy.kv_replicator=null"}) ==
        Ids{"SP-CONFIG-011 distributed_strategy.kv_replicator"});
  CHECK(findings({"model.moe=null"}) == Ids{"SP-CONFIG-011 model.moe"});
  CHECK(findings({"data.tokenizer=null"}) == Ids{});
}

TEST_CASE("types are checked, and the message says both") {
  const struct {
    std::string_view change, key;
  } rows[] = {{"trainer.num_nodes=two", "trainer.num_nodes"},
              {"trainer.num_nodes=1.0", "trainer.num_nodes"},
              {"trainer.num_nodes=yes", "trainer.num_nodes"},
              {"trainer.num_nodes='2'", "trainer.num_nodes"},
              {"trainer.num_nodes=[1]", "trainer.num_nodes"},
              {"distributed_strategy.zero1=1", "distributed_strategy.zero1"},
              {"distributed_strategy.zero1='true'", "distributed_strategy.zero1"},
              {"trainer.gradient_clip_val=big", "trainer.gradient_clip_val"},
              {"precision.type=32", "precision.type"},
              {"name=1", "name"},
              {"data=[1]", "data"},
              {"model=3", "model"},
              {"model.pipeline_cuts=a", "model.pipeline_cuts"},
              {"model.pipeline_cuts=[a, 1]", "model.pipeline_cuts[1]"},
              {"model.optim.sched=cosine", "model.optim.sched"},
              {"model.optim.lr=fast", "model.optim.lr"}};
  for (const auto& row : rows) {
    CAPTURE(row.change);
    CHECK(findings({row.change}) == Ids{concat("SP-CONFIG-011 ", row.key)});
  }
  const Bound out = bind(with({"trainer.num_nodes='2'"}));
  CHECK(out.diagnostics[0].message == "'trainer.num_nodes' must be an integer, but is the text '2'");
  CHECK(out.diagnostics[0].hint == "write 2 without quotes");
  const auto said = [](std::string_view change) {
    const Bound wrong = bind(with({change}));
    REQUIRE(wrong.diagnostics.size() == 1);
    return concat(wrong.diagnostics[0].message, '|', wrong.diagnostics[0].hint);
  };
  CHECK(said("trainer.num_nodes=1.5") ==
        "'trainer.num_nodes' must be an integer, but is the floating-point number 1.5|");
  CHECK(said("data.dataloader_type=1") ==
        "'data.dataloader_type' must be a text, but is the integer 1|put it in quotes");
  CHECK(said("model.normalization=null") == "'model.normalization' must be a text, but is null|");
  CHECK(said("model_source=null") == "'model_source' must be a text, but is null|one of hf, megatron");
  const std::string types = said("precision.type=null");
  for (const PrecisionType& one : precision_table)
    if (one.name != std::string_view("mixed_precision_SR"))  // a second spelling
      CHECK_MESSAGE(types.find(concat(' ', one.name)) != std::string::npos, one.name);
  // What could not be read is not given.
  CHECK(bind(with({"seed=x"})).config.seed == std::nullopt);
  CHECK(bind(with({"model.pipeline_cuts=[a, 1]"})).config.model.pipeline_cuts == std::nullopt);
  CHECK(bound({"trainer.gradient_clip_val=1"}).trainer.gradient_clip_val == 1.0);
  CHECK(ids_of(bind(read_yaml_text("[1]")).diagnostics) == Ids{"SP-CONFIG-011"});
}

TEST_CASE("numbers beyond 64 bits are told where they stand") {
  CHECK(findings({"trainer.num_nodes=99999999999999999999"}) == Ids{"SP-CONFIG-017 trainer.num_nodes"});
  CHECK(findings({"trainer.devices=99999999999999999999"}) == Ids{"SP-CONFIG-017 trainer.devices"});
  CHECK(findings({"model.optim.lr=99999999999999999999"}) == Ids{"SP-CONFIG-017 model.optim.lr"});
  CHECK(findings({"data.data_prefix=99999999999999999999"}) == Ids{});
}

TEST_CASE("required keys: all that is missing at once, errors where a plan needs them") {
  const Bound empty = bind(Node{});
  Ids errors;
  for (const Diagnostic& one : empty.diagnostics) {
    CHECK(one.id == "SP-CONFIG-012");
    CHECK_FALSE(one.hint.empty());
    if (one.severity == Severity::error) errors.push_back(one.origins[0].key);
  }
  CHECK(errors == Ids{"model_source", "distributed_strategy.tensor_model_parallel_size",
                      "distributed_strategy.pipeline_model_parallel_size", "data.micro_batch_size",
                      "data.global_batch_size", "precision.type"});
  CHECK(empty.diagnostics.size() > errors.size());
  CHECK(ids_of(bind(read_yaml_text("{}")).diagnostics) == ids_of(empty.diagnostics));

  const Bound marker = bind(with({"data.micro_batch_size=?\?\?", "data.num_workers=?\?\?"}));
  CHECK(ids_of(marker.diagnostics) == Ids{"SP-CONFIG-010"});
  CHECK(marker.diagnostics[0].origins[0].key == "data.micro_batch_size");
}

TEST_CASE("unknown keys are warnings with the nearest spelling") {
  const struct {
    std::string_view change, key, near;
  } rows[] = {
      {"distributed_strategy.tensor_model_paralell_size=4", "distributed_strategy.tensor_model_paralell_size",
       "tensor_model_parallel_size"},
      {"trainer.device=4", "trainer.device", "devices"},
      {"model.fusions.flash_attn=true", "model.fusions.flash_attn", "flash_attention"},
      {"presicion={}", "presicion", "precision"},
      {"distributed_strategy.tensor_paralel=4", "distributed_strategy.tensor_paralel", "'tensor_model_parallel_size'"},
      {"model.layers=4", "model.layers", "'num_layers'"},
      {"model.flash_attention=true", "model.flash_attention", "'model.fusions.flash_attention'"},
      {"trainer.zero1=true", "trainer.zero1", "'distributed_strategy.zero1'"},
      // forbidden keys are never proposed, nor is what has little in common
      {"model.megatron_amp_O2=true", "model.megatron_amp_O2", ""},
      {"model.use_emhaa=true", "model.use_emhaa", ""},
      {"base=1", "base", ""},
      {"data.zzz=1", "data.zzz", ""}};
  for (const auto& row : rows) {
    CAPTURE(row.change);
    const Bound out = bind(with({row.change}));
    REQUIRE(ids_of(out.diagnostics) == Ids{"SP-CONFIG-013"});
    CHECK(out.diagnostics[0].severity == Severity::warning);
    CHECK(out.diagnostics[0].origins[0].key == row.key);
    CHECK(out.diagnostics[0].hint.find(row.near) != std::string::npos);
    CHECK(out.diagnostics[0].hint.empty() == row.near.empty());
  }
  // free-form parts, keys that nothing reads, and keys that count anywhere
  CHECK(findings({"model.optim.x=1", "model.optim.sched={name: a, y: 2}", "exp_manager.checkpoint_callback_params.z=1",
                  "exp_manager.wandb_logger_kwargs={q: 1}", "data.data_prefix={train: [1, a]}",
                  "precision.fp32_grads_cc=false", "data.packing=true", "model.context_parallel_size=2",
                  "trainer.ring_attention=false"}) == Ids{});
}

TEST_CASE("model_source is hf or megatron") {
  CHECK(findings({"model_source=megatron"}) == Ids{});
  CHECK(findings({"model_source=nemo"}) == Ids{"SP-CONFIG-014 model_source"});
}

TEST_CASE("some keys count wherever they stand") {
  const auto context = [](std::vector<std::string_view> changes) {
    return bound(changes).distributed_strategy.context_parallel_size;
  };
  CHECK(context({"distributed_strategy.context_parallel_size=4", "model.context_parallel_size=2"}) == 4);
  CHECK(context({"model.context_parallel_size=2"}) == 2);
  CHECK(context({"data.context_parallel_size=8", "model.context_parallel_size=2"}) == 8);  // file order
  CHECK(context({"distributed_strategy.context_parallel_size=null", "model.context_parallel_size=2"}) == 2);
  CHECK(context({"data.data_prefix=[{context_parallel_size: 3}]"}) == 3);
  CHECK(bound({"ring_attention=true"}).model.fusions.ring_attention);
  CHECK(bound({"model.seq_length=512"}).data.seq_length == 512);
  CHECK(bound({"data.hidden_size=64"}).model.hidden_size == 64);
  CHECK(bound({"model.dpo={kl_beta: 0.1}", "model_alignment_strategy={sft: {packing: true}}"})
            .model_alignment_strategy->dpo->kl_beta == 0.1);

  const Config config = bound({"model.context_parallel_size=2"});
  CHECK(config.origin("distributed_strategy.context_parallel_size") ==
        Origin{"distributed_strategy.context_parallel_size", "", 0, 0});
}

TEST_CASE("a depth-first search in file order, as NxDT has it") {
  const auto found = [](std::string_view text) -> std::optional<Node> {
    const Node root = read_yaml_text(text);
    const Mapping::Entry* entry = find_anywhere(root, "k");
    return entry != nullptr ? std::optional(entry->value) : std::nullopt;
  };
  CHECK(found("a: {b: {k: 1}}\nk: 2") == Node{Index{1}, {}});
  CHECK(found("k: 0\na: {k: 2}") == Node{Index{0}, {}});
  CHECK(found("a: [{k: 3}]\nb: {k: 4}") == Node{Index{3}, {}});
  CHECK(found("a: {k: null, z: {k: 5}}\nb: {k: 6}") == Node{Index{6}, {}});  // null ends its mapping only
  CHECK(found("k: null\na: {k: 2}") == std::nullopt);
  CHECK(found("a: 1") == std::nullopt);
}

TEST_CASE("findings can be brought to their place in the file") {
  const Config config = bound({});
  const auto at = [&](std::string_view key) {
    const Origin origin = config.origin(key);
    CHECK(origin.key == key);
    CHECK(origin.file == "f");
    return concat(origin.line, ':', origin.column);
  };
  CHECK(at("model_source") == "2:1");
  CHECK(at("trainer.devices") == "3:11");
  CHECK(at("data.global_batch_size") == "6:29");
  CHECK(at("data.seq_length") == "6:1");           // absent: its section
  CHECK(at("model.moe.num_experts") == "7:1");     // absent with its section
  CHECK(at("model.optim.anything[0]") == "7:64");  // a list item: its key
  CHECK(at("nothing") == "1:1");
  CHECK(config.given("model.optim.anything[0]") != nullptr);
  CHECK(config.given("model.optim.nothing") == nullptr);
  CHECK(thrown_places([] {
          Bound out = bind(read_yaml_text(smallest + "trainer2: 1\nseed: x\n"));
          throw Error(out.diagnostics);
        }) == Ids{"11:7 SP-CONFIG-011 seed", "10:1 SP-CONFIG-013 trainer2"});
}

TEST_CASE("what resolving has told is not told again") {
  const Resolved out = resolve(read_yaml_text(smallest + "seed: ${none}\nneuron_rt_exec_timeout: ${.x}\n"));
  CHECK(ids_of(out.diagnostics) == Ids{"SP-CONFIG-007", "SP-CONFIG-007"});
  CHECK(ids_of(bind(out.tree).diagnostics) == Ids{});
  CHECK(ids_of(bind(Node{Node::Broken{}, {}}).diagnostics) == Ids{});
}
