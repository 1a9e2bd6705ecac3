#include <shardplan/report/migration.hpp>

#include "support.hpp"

namespace shardplan::migrate {

TEST_CASE("keys, values and comments go their ways") {
  const Migrated out = migrated(nemo_text);
  CHECK(out.text.starts_with("# a run\nname: small   # of the run\n"));
  CHECK(value(out, "model_source") == "megatron");
  CHECK(value(out, "seed") == "7");
  CHECK(value(out, "precision.type") == "mixed_precision");
  CHECK(value(out, "distributed_strategy.tensor_model_parallel_size") == "8");
  CHECK(value(out, "distributed_strategy.virtual_pipeline_model_parallel_size") == "1");
  CHECK(value(out, "model.num_kv_heads") == "8");
  CHECK(value(out, "model.num_query_groups") == "-");
  CHECK(value(out, "model.activation") == "swiglu");
  CHECK(value(out, "model.fusions.softmax") == "true");
  CHECK(value(out, "model.optim.name") == "adamw");
  CHECK(value(out, "data.seq_length") == "${model.encoder_seq_length}");
  CHECK(value(out, "model.max_position_embeddings") == "${.encoder_seq_length}");
  CHECK(value(out, "exp_manager.checkpoint_callback_params.filename") == "small--{step}-{consumed_samples}");
  CHECK(value(out, "exp_manager.checkpoint_callback_params.model_parallel_size") ==
        "${multiply:${distributed_strategy.tensor_model_parallel_size}, "
        "${distributed_strategy.pipeline_model_parallel_size}}");
  CHECK(value(out, "trainer.accelerator") == "-");
  for (const std::string_view part :
       {"data:\n  # batches\n  micro_batch_size: 1   # of a rank\n", "  lr: 2e-4\n    betas:\n    - 0.9\n    - 0.95\n",
        "  # sizes\n  encoder_seq_length: 512\n", "zero1: true  # "}) {
    CAPTURE(part);
    CHECK(contains(out.text, part));
  }
  CHECK(!contains(out.text, "of kernels\n  bias"));
  CHECK(!contains(out.text, "not here"));

  CHECK(entry(out, "trainer.accelerator")->kind == Entry::Kind::dropped);
  CHECK(entry(out, "trainer.accelerator")->reason == "not_required");
  CHECK(entry(out, "trainer.accelerator")->line == 7);
  CHECK(entry(out, "trainer.devices")->kind == Entry::Kind::kept);
  CHECK(entry(out, "model.global_batch_size")->kind == Entry::Kind::moved);
  CHECK(entry(out, "model.activation")->old_value == "fast-swiglu");
  CHECK(entry(out, "model.activation")->kind == Entry::Kind::changed);
  CHECK(entry(out, ">model_source")->kind == Entry::Kind::added);
  CHECK(!has_errors(out.report.findings));
}

TEST_CASE("the report accounts for every key of source and result, once") {
  const Migrated out = migrated(nemo_text);
  std::vector<std::string> old_paths, new_paths;
  for (const Entry& one : out.report.entries) {
    if (one.kind == Entry::Kind::to_fill) continue;
    if (!one.old_path.empty()) old_paths.push_back(one.old_path);
    if (!one.new_path.empty()) new_paths.push_back(one.new_path);
    if (one.kind == Entry::Kind::dropped) CHECK(one.new_path.empty());
    if (one.kind != Entry::Kind::kept && one.kind != Entry::Kind::moved) CHECK(!one.why.empty());
  }
  const auto leaves = [](const Node& tree) {
    std::vector<std::string> paths;
    const auto walk = [&](const auto& self, const Node& node, const std::string& path) -> void {
      if (!detail::is_section(node)) {
        paths.push_back(path);
        return;
      }
      for (const Mapping::Entry& one : *node.as<Mapping>()) self(self, one.value, join_path(path, one.key));
    };
    walk(walk, tree, {});
    std::sort(paths.begin(), paths.end());
    return paths;
  };
  std::sort(old_paths.begin(), old_paths.end());
  std::sort(new_paths.begin(), new_paths.end());
  CHECK(old_paths == leaves(read_yaml_text(nemo_text)));
  CHECK(new_paths == leaves(out.tree));
}

TEST_CASE("a second migration changes nothing, from whatever system it is said to be") {
  const Migrated once = migrated(nemo_text);
  for (const System from : {System::nemo, System::nnm, System::nxdt})
    CHECK(migrated(once.text, from).text == once.text);
}

TEST_CASE("interpolations follow their keys, or become values") {
  const auto with = [](std::string_view lines) { return migrated(concat(nemo_text, lines)); };
  const auto path = [&](std::string_view written) {
    std::string text(nemo_text);
    text.replace(text.find("max_position_embeddings: ${.encoder_seq_length}"), 47,
                 concat("max_position_embeddings: ", written));
    return value(migrated(text), "model.max_position_embeddings");
  };
  CHECK(path("${model.encoder_seq_length}") == "${model.encoder_seq_length}");
  CHECK(path("${.micro_batch_size}") == "${data.micro_batch_size}");
  CHECK(path("${..trainer.max_steps}") == "${..trainer.max_steps}");
  CHECK(path("${.data.num_workers}") == "${data.num_workers}");
  CHECK(path("${model.data.data_prefix[0]}") == "${data.data_prefix.0}");
  CHECK(path("${multiply:${.micro_batch_size},4}") == "${multiply:${data.micro_batch_size},4}");
  CHECK(path("${trainer.precision}") == "bf16");             // now another value
  CHECK(path("${model.bias_activation_fusion}") == "true");  // no more
  CHECK(path("x${.seed}") == "x${seed}");
  const Migrated list = with("more: ['${model.seed}', {a: '${model.micro_batch_size}'}]\n");
  CHECK(value(list, "more") == "['${seed}', {a: '${data.micro_batch_size}'}]");
  CHECK(contains(entry(list, "more")->why, "moved"));
}

TEST_CASE("files that cannot be cut by lines lose as little as possible") {
  SUBCASE("flow style") {
    const Migrated out = migrated(
        "# head\n\nname: a # b\ntrainer: {devices: 8, num_nodes: 1, accelerator: gpu}\n"
        "model: {micro_batch_size: 1, global_batch_size: 8, seed: 3}\n");
    CHECK(out.text.starts_with("# head\n\nname: a # b\n"));
    CHECK(value(out, "trainer.devices") == "8");
    CHECK(value(out, "data.global_batch_size") == "8");
  }
  SUBCASE("anchors and merges") {
    const Migrated out = migrated(
        "# head\n\nbase: &b {micro_batch_size: 2}\nmodel:\n  <<: *b\n  # kept\n  seed: &s 3\n"
        "  num_layers: *s\n  global_batch_size: 8\n");
    CHECK(value(out, "data.micro_batch_size") == "2");
    CHECK(value(out, "model.num_layers") == "3");
    CHECK(value(out, "seed") == "3");
    CHECK(contains(out.text, "# kept"));
  }
  SUBCASE("long texts") {
    const Migrated out =
        migrated("model:\n  data:\n    note: |\n      # a\n\n      b\n    other: >-\n      x\n      y\n  seed: 3\n");
    CHECK(value(out, "data.note") == "\"# a\\n\\nb\\n\"");
    CHECK(value(out, "data.other") == "x y");
  }
  SUBCASE("ends of lines") {
    std::string text(nemo_text);
    for (std::size_t at = 0; (at = text.find('\n', at)) != text.npos; at += 2) text.replace(at, 1, "\r\n");
    const Migrated out = migrated(text);
    CHECK(out.tree == migrated(nemo_text).tree);
    CHECK(std::count(out.text.begin(), out.text.end(), '\n') == std::count(out.text.begin(), out.text.end(), '\r'));
  }
  SUBCASE("other indents") {
    std::string text;
    for (std::size_t at = 0; at < nemo_text.size();) {
      const std::size_t end = nemo_text.find('\n', at);
      const std::string_view line = nemo_text.substr(at, end - at);
      text += concat(std::string(line.find_first_not_of(' ') == line.npos ? 0 : line.find_first_not_of(' '), ' '), line,
                     '\n');
      at = end + 1;
    }
    const Migrated out = migrated(text);
    CHECK(out.tree == migrated(nemo_text).tree);
    CHECK(contains(out.text, "\n    micro_batch_size: 1   # of a rank\n"));
    CHECK(migrated(out.text).text == out.text);
  }
}

TEST_CASE("two keys for one place") {
  const Migrated out =
      migrated("model: {bias: true, has_bias: false, micro_batch_size: 1}\ndata: {micro_batch_size: 1}\n");
  CHECK(value(out, "model.has_bias") == "false");
  CHECK(entry(out, "model.bias")->kind == Entry::Kind::dropped);
  CHECK(!entry(out, "model.bias")->harmless);
  CHECK(entry(out, "model.micro_batch_size")->harmless);
  CHECK(entry(out, "model.micro_batch_size")->reason == "see data.micro_batch_size");
}

TEST_CASE("what is lost is said") {
  const Migrated out = migrated(
      "model: {rampup_batch_size: [8, 8, 64], fp8: true, headscale: false, activations_checkpoint_method: block}\n"
      "trainer: {brand_new: 1}\n");
  CHECK(out.report.losses() == 4);
  CHECK(entry(out, "model.headscale")->harmless);
  CHECK(entry(out, "trainer.brand_new")->left == LeftInPlace::refused);
  const std::string report = text(out.report);
  CHECK(contains(report, "dropped, with a loss"));
  CHECK(contains(report, "model.rampup_batch_size"));
}

TEST_CASE("what is open is listed, and what is wrong is named by its rule") {
  std::string text(nemo_text);
  text.replace(text.find("[1.0, my_text]"), 14, "???");
  text.replace(text.find("'fast-swiglu'"), 13, "squared-relu");
  const Migrated out = migrated(text);
  CHECK(out.report.count(Entry::Kind::to_fill) == 1);
  CHECK(entry(out, ">data.data_prefix") != nullptr);
  CHECK(has_errors(out.report.findings));
  CHECK(contains(shardplan::migrate::text(out.report), "refuses the result"));
  // Unknown precisions are asked for.
  std::string other(nemo_text);
  other.replace(other.find("bf16"), 4, "64");
  CHECK(value(migrated(other), "precision.type") == "???");
}

TEST_CASE("recomputation, schedules of checkpoints and experts of the defaults") {
  const auto with = [](std::string_view model) { return migrated(concat("model: {", model, "}\n")); };
  CHECK(value(with("activations_checkpoint_granularity: selective"), "model.activations_checkpoint_recompute") ==
        "[CoreAttention]");
  CHECK(value(with("activations_checkpoint_granularity: full"), "model.activations_checkpoint_recompute") == "null");
  CHECK(value(with("seed: 1"), "model.activations_checkpoint_recompute") == "-");
  CHECK(value(with("seed: 1"), "model.attention_dropout") == "0.1");
  CHECK(value(with("num_query_groups: null"), "model.num_kv_heads") == "-");
  const std::string_view every = "exp_manager.checkpoint_callback_params.every_n_train_steps";
  CHECK(value(with("seed: 1"), every) == "1000");
  CHECK(value(migrated("exp_manager: {checkpoint_callback_params: {train_time_interval: 60}}\nmodel: {seed: 1}\n"),
              every) == "-");
  CHECK(value(migrated("exp_manager: {resume_from_checkpoint: '${model.resume_from_checkpoint}'}\n"
                       "model: {resume_from_checkpoint: /a}\n"),
              "exp_manager.resume_from_checkpoint") == "/a");
}

TEST_CASE("and back: every key that was moved returns") {
  const Migrated there = migrated(nemo_text);
  const Migrated back = migrated(there.text, System::nxdt, System::nemo);
  const Node source = read_yaml_text(nemo_text);
  for (const Entry& one : there.report.entries) {
    if (one.old_path.empty() || one.kind == Entry::Kind::dropped) continue;
    CAPTURE(one.old_path);
    const Node* is = find_path(back.tree, one.old_path);
    REQUIRE(is != nullptr);
    const bool lost = one.old_path.ends_with("monitor") || one.old_path.ends_with("mode") ||
                      one.old_path.ends_with("filename") || one.old_path == "model.activation" ||
                      one.old_path == "model.optim.name";
    if (!lost) CHECK(*is == *find_path(source, one.old_path));
  }
  CHECK(value(back, "model.optim.name") == "distributed_fused_adam");
  CHECK(value(back, "trainer.accelerator") == "gpu");
  CHECK(value(back, "compiler_flags") == "-");
  CHECK(contains(back.text, "  micro_batch_size: 1   # of a rank\n"));
  CHECK(migrated(back.text).tree == there.tree);
}

TEST_CASE("refusals") {
  CHECK(thrown([] { migrated("[1, 2]"); }) == Ids{"SP-MIGRATE-001"});
  CHECK(thrown([] { migrated(""); }) == Ids{"SP-MIGRATE-001"});
  CHECK(thrown([] { migrated(nemo_text, System::nxdt, System::nemo); }) == Ids{"SP-MIGRATE-001"});
  CHECK(thrown([] { migrated(nemo_text, System::nemo, System::nnm); }) == Ids{"SP-MIGRATE-002"});
  CHECK(thrown([] { migrated(nemo_text, System::nemo, System::nemo); }) == Ids{"SP-MIGRATE-002"});
  CHECK(thrown([] { migrated("a: [1"); }) == Ids{"SP-CONFIG-003"});
}

TEST_CASE("the report as JSON") {
  std::string json;
  JsonWriter writer(json, 2);
  write(writer, migrated(nemo_text).report);
  const Node read = read_yaml_text(json);
  CHECK(*find_path(read, "schema") == Node{std::string("shardplan-migrate-1")});
  CHECK(*find_path(read, "passes") == Node{true});
  const auto* entries = find_path(read, "entries")->as<Node::Sequence>();
  REQUIRE(entries != nullptr);
  CHECK(entries->size() == migrated(nemo_text).report.entries.size());
}

}  // namespace shardplan::migrate
