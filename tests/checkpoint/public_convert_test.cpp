#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include <shardplan/checkpoint/compare.hpp>
#include <shardplan/checkpoint/hf_source.hpp>
#include <shardplan/checkpoint/hf_target.hpp>
#include <shardplan/checkpoint/nxdt_source.hpp>
#include <shardplan/checkpoint/nxdt_target.hpp>
#include <shardplan/model/llama.hpp>
#include <shardplan/model/megatron.hpp>
#include <shardplan/model/mixtral.hpp>

#include "samples.hpp"
#include "torch_support.hpp"

// What the public converters and NxDT wrote, merged, cut again and turned into each other, where it is present:
// SHARDPLAN_SAMPLES_DIR holds hf/, nxd/, nxdt/ and manifest/.

using namespace shardplan;
using namespace shardplan::checkpoint;

namespace {

/// `--tp_size 4` in the arguments of the converter; otherwise, where there is none.
Index argument(const std::string& arguments, const std::string& name, Index otherwise) {
  const std::size_t at = arguments.find("--" + name + ' ');
  return at == arguments.npos ? otherwise : std::stoll(arguments.substr(at + name.size() + 3));
}
bool says(const std::string& arguments, std::string_view text) { return arguments.find(text) != arguments.npos; }

struct Case {
  std::string name;
  std::string model;  ///< folder in hf/
  Architecture architecture;
  Strategy strategy;
  Hardware hardware = Hardware::trn1;
  ConverterForm form{};
  bool megatron = false, mixtral = false;

  Model make() const {
    const Model made = megatron  ? shardplan::megatron(architecture)
                       : mixtral ? shardplan::mixtral(architecture)
                                 : llama(architecture);
    return megatron || form.untransposed_experts ? as_converter_wrote(made, form) : made;
  }
  /// A world that the job could run on: on trn1, tensor size 4 takes a whole node of 32 ranks for every pipeline stage.
  /// What data-parallel ranks hold is the same, and in files that they share.
  World world() const {
    const Index data = hardware == Hardware::trn1 && strategy.tensor == 4 ? 8 : 1;
    return {data * strategy.tensor * strategy.pipeline * strategy.expert, hardware, data > 1 ? 32 : 0};
  }
};

Architecture architecture_of(const std::filesystem::path& hf) {
  const auto config = read_json(hf / "config.json");
  Architecture out{.layers = config["num_hidden_layers"],
                   .hidden = config["hidden_size"],
                   .ffn = config["intermediate_size"],
                   .heads = config["num_attention_heads"],
                   .kv_heads = config["num_key_value_heads"],
                   .vocab = config["vocab_size"],
                   .fuse_qkv = false};
  out.experts = config.value("num_local_experts", Index{0});
  return out;
}

std::vector<Case> cases() {
  std::vector<Case> out;
  const auto recorded = read_json(folder / "nxd/cases.json");
  for (const auto& [name, value] : recorded.items()) {
    const std::string arguments = value["argv"].is_null() ? std::string() : std::string(value["argv"]);
    const std::string source = value["source"];
    Case one{name, source.substr(3, source.rfind('/') - 3), {}, {}};
    one.architecture = architecture_of(folder / "hf" / one.model);
    one.mixtral = one.architecture.experts > 0;
    one.megatron = says(arguments, "--model_style megatron");
    one.architecture.qkv_linear = !one.megatron && argument(arguments, "qkv_linear", 0) == 1;
    one.architecture.fuse_qkv = argument(arguments, "fuse_qkv", 0) + argument(arguments, "coalesce_qkv", 0) > 0;
    one.strategy.tensor = argument(arguments, "tp_size", 2);
    one.strategy.pipeline = argument(arguments, "pp_size", 1);
    one.strategy.virtual_pipeline = argument(arguments, "virtual_pp_size", 1);
    one.strategy.expert = argument(arguments, "ep_size", arguments.empty() ? 2 : 1);
    one.strategy.kv_replicator = argument(arguments, "kv_size_multiplier", 1);
    if (says(arguments, "--hw_backend trn2")) one.hardware = Hardware::trn2;
    one.form.untransposed_experts = one.mixtral && !arguments.empty();
    one.form.trn2_heads = one.hardware == Hardware::trn2 && one.strategy.kv_replicator > 1;
    out.push_back(std::move(one));
  }
  return out;
}

/// The model of a case; of the one made by hand, what it holds.
Model model_of(const Case& one) {
  Model out = one.make();
  if (one.mixtral) {
    // `mixtral` packs q, k and v where it can; the converter was told otherwise.
    Architecture a = one.architecture;
    a.family = Family::hf_mixtral;
    out = shardplan::detail::hf_decoder(a);
    if (one.form.untransposed_experts) out = as_converter_wrote(out, one.form);
    if (one.name.ends_with("layer_layout")) {
      InlineVector<Parameter, 1> kept;
      for (const Parameter& p : out.parameters)
        if (p.name.find("mlp.") != p.name.npos) kept.push_back(p);
      out.parameters = kept;
    }
  }
  return out;
}

/// Key -> [dtype, shape, crc32] of the tensors of a .pt file, as the manifests have them.
std::map<std::string, std::string> recorded(const nlohmann::ordered_json& manifest, const std::string& path) {
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : manifest[path]["tensors"].items()) out[key] = value.dump();
  return out;
}
std::map<std::string, std::string> found(const std::filesystem::path& path) {
  std::map<std::string, std::string> out;
  const TorchFile file = read_torch(path.string());
  for_each_tensor(file.value, [&](const std::string& key, const auto& tensor) {
    const StoredTensor& stored = tensor->stored;
    const std::vector<Index> shape(stored.shape.begin(), stored.shape.end());
    out[key] = nlohmann::ordered_json{name(stored.element), shape, hexadecimal(crc32(elements_of(stored)))}.dump();
  });
  return out;
}

}  // namespace

TEST_CASE("every folder of the public converter merges to its model, and is cut from it, bit for bit") {
  if (!std::filesystem::exists(folder / "nxd")) return;
  const auto manifest = read_json(folder / "manifest/nxd.json");
  for (const Case& one : cases()) {
    CAPTURE(one.name);
    const Plan plan{model_of(one), one.strategy, one.world()};
    const NxdtSource source(folder / "nxd" / one.name, plan, {}, one.form);
    CHECK(join(compare_replicas(source), "\n") == "");
    for (const char* file : {"model.safetensors", "pytorch_model.bin"}) {
      const HuggingFaceSource whole(folder / "hf" / one.model / file);
      const bool partial = one.name.ends_with("layer_layout");
      if (!partial) {
        const auto difference = first_difference(source, whole);
        CHECK_MESSAGE(!difference, (difference ? difference->tensor + ' ' + difference->what : std::string()));
      }
      // And back: from the whole model to what the converter wrote.
      if (one.form != ConverterForm{}) continue;
      const Scratch scratch;
      ConvertOptions options{.commit = {.sync = false}, .ignore_extra = partial, .threads = 2};
      const NxdtTarget target(plan, elements_for(whole, KeyMap(plan.parameters()), {}, partial), false);
      convert(whole, target, scratch.path("out"), options);
      std::size_t files = 0;
      for (const auto& [path, about] : manifest.items()) {
        const std::string begin = "nxd/" + one.name + '/';
        if (!path.starts_with(begin) || !about.contains("tensors")) continue;
        CAPTURE(path);
        CHECK(found(std::filesystem::path(scratch.path("out")) / path.substr(begin.size())) ==
              recorded(manifest, path));
        ++files;
      }
      CHECK(files == target.files());
      // The merged model, written, is the one it was.
      if (partial) continue;
      const HuggingFaceTarget merged(KeyMap(plan.parameters()), elements_for(source, KeyMap(plan.parameters())),
                                     {.file_bytes = 4096});
      convert(source, merged, scratch.path("merged"), options);
      CHECK(!first_difference(HuggingFaceSource(scratch.path("merged")), whole));
    }
  }
}

TEST_CASE("what the converter writes in a form of its own is not taken for the right one") {
  if (!std::filesystem::exists(folder / "nxd")) return;
  for (const Case& one : cases()) {
    if (!one.form.trn2_heads) continue;
    CAPTURE(one.name);
    const Plan plan{model_of(one), one.strategy, one.world()};
    const NxdtSource source(folder / "nxd" / one.name, plan);
    const Diagnostics findings = compare_replicas(source);
    CHECK(!findings.empty());
    for (const Diagnostic& finding : findings) CHECK(finding.id == "SP-CHECKPOINT-013");
  }
}

TEST_CASE("tags of NxDT: plain, one file a tensor, incomplete, without their data") {
  if (!std::filesystem::exists(folder / "nxdt")) return;
  Architecture a = architecture_of(folder / "hf/llama_small");
  a.qkv_linear = true;
  const auto tag = [](const std::string& name) {
    for (const auto& at : std::filesystem::directory_iterator(folder / "nxdt" / name))
      if (at.is_directory()) return at.path();
    return std::filesystem::path();
  };
  const HuggingFaceSource whole(folder / "hf/llama_small");
  for (const auto& [name, pipeline] : {std::pair{"plain_zero1_master", 2},
                                       {"xser_zero1_master", 2},
                                       {"plain_no_zero1", 2},
                                       {"plain_zero1_dp3_padded", 1},
                                       {"plain_zero1_flag_off", 1}}) {
    CAPTURE(name);
    const Plan plan{llama(a), {.tensor = 2, .pipeline = pipeline}, {2 * pipeline}};
    const NxdtSource source(tag(name), plan);
    CHECK(join(compare_replicas(source), "\n") == "");
    CHECK(!first_difference(source, whole));
  }
  const Plan plan{llama(a), {.tensor = 2}, {2}};
  CHECK_THROWS_AS(NxdtSource(tag("xser_zero1_master_no_model_data"), plan), Error);
}
