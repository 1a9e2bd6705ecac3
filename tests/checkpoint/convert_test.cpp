#include <doctest/doctest.h>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <shardplan/checkpoint/compare.hpp>
#include <shardplan/checkpoint/convert.hpp>
#include <shardplan/checkpoint/hf_source.hpp>
#include <shardplan/checkpoint/hf_target.hpp>
#include <shardplan/checkpoint/nxdt_source.hpp>
#include <shardplan/checkpoint/nxdt_target.hpp>
#include <shardplan/checkpoint/safetensors_writer.hpp>
#include <shardplan/model/llama.hpp>

#include "../thrown.hpp"
#include "torch_support.hpp"

namespace shardplan::checkpoint {
namespace {

namespace fs = std::filesystem;

Model small(Index layers = 4, Index ffn = 24) {
  return llama({.layers = layers,
                .hidden = 16,
                .ffn = ffn,
                .heads = 8,
                .kv_heads = 2,
                .vocab = 32,
                .qkv_linear = true,
                .fuse_qkv = true});
}

Plan plan_of(const Strategy& strategy, Index layers = 4, Index ffn = 24) {
  return {small(layers, ffn), strategy, World{strategy.tensor * strategy.pipeline, Hardware::trn3}};
}
const Strategy two_by_two{.tensor = 2, .pipeline = 2};
const Strategy copies{.tensor = 8, .pipeline = 1, .kv_replicator = 4};
const Strategy three_stages{.tensor = 1, .pipeline = 3};
const ConvertOptions quick{.commit = {.sync = false}, .threads = 2};

/// Every tensor of a plan's model under its name at Hugging Face, no two bytes near one another alike.
std::string write_model(const Scratch& scratch, const Plan& plan, const std::string& name,
                        Element element = Element::bfloat16) {
  std::vector<TensorHeader> headers;
  const KeyMap keys(plan.parameters());
  for (const WholeTensor& whole : keys.wholes()) headers.push_back({whole.name, element, whole.shape});
  const std::string path = scratch.path(name);
  SafetensorsWriter writer(path, headers);
  for (std::size_t i = 0; i < headers.size(); ++i) {
    std::vector<std::byte> bytes(headers[i].byte_size());
    for (std::size_t b = 0; b < bytes.size(); ++b) bytes[b] = static_cast<std::byte>((b * 37 + i * 11 + b / 251) % 127);
    writer.write(i, 0, bytes);
  }
  writer.finish();
  return path;
}

/// The model cut for a plan, in a folder of that name.
std::string cut_for(const Scratch& scratch, const Source& source, const Plan& plan, const std::string& name,
                    const ConvertOptions& options = quick) {
  const NxdtTarget target(plan, elements_for(source, KeyMap(plan.parameters())));
  convert(source, target, scratch.path(name), options);
  return scratch.path(name);
}

}  // namespace

TEST_CASE("conversion: from Hugging Face to any layout, to any other, and back, bit for bit") {
  const Scratch scratch;
  const Plan first = plan_of(two_by_two);
  const HuggingFaceSource whole(write_model(scratch, first, "model.safetensors"));
  Index number = 0;
  for (const Strategy& a : {two_by_two, copies, three_stages})
    for (const Strategy& b : {two_by_two, copies, three_stages}) {
      const Plan from = plan_of(a), to = plan_of(b);
      const std::string one = concat("a", number), other = concat("b", number++);
      cut_for(scratch, whole, from, one);
      const NxdtSource cut(scratch.path(one), from);
      CHECK(compare_replicas(cut).empty());
      CHECK_FALSE(first_difference(cut, whole));
      cut_for(scratch, cut, to, other);
      const NxdtSource again(scratch.path(other), to);
      CHECK(compare_replicas(again).empty());
      CHECK_FALSE(first_difference(again, whole));
      CHECK(fs::exists(fs::path(scratch.path(other)) / "done"));
      CHECK_FALSE(fs::exists(scratch.path(other) + ".tmp"));
    }
  const KeyMap keys(first.parameters());
  const NxdtSource cut(scratch.path("b0"), first);
  const HuggingFaceTarget merged(keys, elements_for(cut, keys), {.file_bytes = 2048});
  convert(cut, merged, scratch.path("merged"), quick);
  CHECK_FALSE(first_difference(HuggingFaceSource(scratch.path("merged")), whole));
}

TEST_CASE("conversion: what cannot be is refused, each fault by its rule, and nothing is left behind") {
  const Scratch scratch;
  const Plan plan = plan_of(two_by_two);
  const HuggingFaceSource whole(write_model(scratch, plan, "model.safetensors"));
  const std::string tag = cut_for(scratch, whole, plan, "tag");
  const auto opening = [&](const Plan& with) { return thrown([&] { NxdtSource(tag, with); }); };
  CHECK(opening(plan).empty());

  // Degrees and shapes that are not those of the files.
  CHECK(opening(plan_of(copies)) == Ids{"SP-CHECKPOINT-010"});
  const Ids shapes = opening(plan_of(two_by_two, 4, 40));
  CHECK(!shapes.empty());
  for (const std::string& id : shapes) CHECK(id == "SP-CHECKPOINT-011");

  // Another model, and an output that is there.
  const Plan deeper = plan_of(two_by_two, 6);
  const Ids other = thrown([&] { elements_for(whole, KeyMap(deeper.parameters())); });
  CHECK(!other.empty());
  for (const std::string& id : other) CHECK(id == "SP-CHECKPOINT-012");
  CHECK(thrown([&] { cut_for(scratch, whole, plan, "tag"); }) == Ids{"SP-CHECKPOINT-015"});
  CHECK(opening(plan).empty());
  ConvertOptions force = quick;
  force.commit.force = true;
  cut_for(scratch, whole, plan, "tag", force);
  CHECK_FALSE(first_difference(NxdtSource(tag, plan), whole));

  // The source is never replaced, whatever is forced: not as itself, nor with what is in or around it.
  const NxdtSource cut(tag, plan);
  for (const char* out : {"tag", "tag/", "tag/in/it", ".", "other/../tag"})
    CHECK(thrown([&] { cut_for(scratch, cut, plan, out, force); }) == Ids{"SP-CHECKPOINT-015"});
  CHECK_FALSE(first_difference(NxdtSource(tag, plan), whole));

  // Only floats are cast.
  const Ids casts = thrown([&] { elements_for(whole, KeyMap(plan.parameters()), Element::int32); });
  CHECK(!casts.empty());
  for (const std::string& id : casts) CHECK(id == "SP-CHECKPOINT-016");

  // A tag whose saving has not ended, then one that lacks a rank.
  fs::remove(fs::path(tag) / "done");
  CHECK(opening(plan) == Ids{"SP-CHECKPOINT-014"});
  fs::copy_file(fs::path(tag) / "checkpoint", fs::path(tag) / "done");
  fs::remove(fs::path(tag) / "model/dp_rank_00_tp_rank_01_pp_rank_00.pt");
  CHECK(opening(plan) == Ids{"SP-CHECKPOINT-009"});
  for (const auto& entry : fs::directory_iterator(fs::path(tag).parent_path()))
    CHECK(entry.path().extension() != ".tmp");
}

}  // namespace shardplan::checkpoint
