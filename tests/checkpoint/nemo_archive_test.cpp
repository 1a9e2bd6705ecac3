#include <doctest/doctest.h>

#include <shardplan/checkpoint/nemo_archive.hpp>

#include "containers.hpp"

using namespace shardplan;
using namespace shardplan::checkpoint;

namespace {

const std::string hash(32, 'a');

/// An archive of a configuration and files that hold their own names.
NemoArchive archive_of(const std::vector<std::string>& names, std::string_view config = "a: 1\n") {
  std::string text = tar_member("./", "", '5') + tar_member("./model_config.yaml", config);
  for (const std::string& name : names) text += tar_member("./" + name, name);
  return NemoArchive(Tar(part_of(text + tar_end())));
}

Ids opening(const std::vector<std::string>& names) {
  return thrown([&] { archive_of(names); });
}

std::string weights_name(NemoNaming naming, Index tensor, Index pipeline) {
  const auto padded = [](Index value, std::size_t width) {
    const std::string digits = concat(value);
    return std::string(digits.size() < width ? width - digits.size() : 0, '0') + digits;
  };
  return naming == NemoNaming::single ? "model_weights.ckpt"
         : naming == NemoNaming::tensor_ranks
             ? concat("mp_rank_", padded(tensor, 2), "/model_weights.ckpt")
             : concat("tp_rank_", padded(tensor, 2), "_pp_rank_", padded(pipeline, 3), "/model_weights.ckpt");
}

const Ids refused{"SP-CHECKPOINT-002"};

}  // namespace

TEST_CASE("degrees from the names of weights, whichever way they are named") {
  for (const Index tensor : {1, 2, 3, 12, 101})
    for (const Index pipeline : {1, 2, 11}) {
      const NemoNaming naming = pipeline > 1 ? NemoNaming::tensor_pipeline_ranks : NemoNaming::tensor_ranks;
      std::vector<std::string> names;
      for (Index p = pipeline; p-- > 0;)
        for (Index t = 0; t < tensor; ++t) names.push_back(weights_name(naming, t, p));
      const NemoArchive archive = archive_of(names);
      CHECK(archive.naming() == naming);
      CHECK(archive.tensor_degree() == tensor);
      CHECK(archive.pipeline_degree() == pipeline);
      CHECK(archive.missing_count() == 0);
      CHECK(archive.missing().empty());
      REQUIRE(archive.weights().size() == names.size());
      for (Index t = 0; t < tensor; ++t)
        for (Index p = 0; p < pipeline; ++p) {
          REQUIRE(archive.find({t, p}) != nullptr);
          CHECK(archive.find({t, p})->text() == weights_name(naming, t, p));
          CHECK(archive.weights()[static_cast<std::size_t>(t * pipeline + p)].rank == ModelRank{t, p});
        }
    }
  const NemoArchive single = archive_of({"model_weights.ckpt"});
  CHECK(single.naming() == NemoNaming::single);
  CHECK(single.find({0, 0})->text() == "model_weights.ckpt");
  CHECK(single.find({1, 0}) == nullptr);
  CHECK(single.config() == "a: 1\n");
}

TEST_CASE("ranks that are missing") {
  const auto naming = NemoNaming::tensor_pipeline_ranks;
  const NemoArchive some = archive_of({weights_name(naming, 2, 1), weights_name(naming, 0, 0)});
  CHECK(some.missing_count() == 4);
  CHECK(some.missing() == std::vector<ModelRank>{{0, 1}, {1, 0}, {1, 1}, {2, 0}});
  CHECK(some.missing(2) == std::vector<ModelRank>{{0, 1}, {1, 0}});
  const NemoArchive far = archive_of({weights_name(naming, 999'999'999, 999'999'999)});
  CHECK(far.missing_count() == Index{1'000'000'000} * 1'000'000'000 - 1);
  CHECK(far.missing().size() == 64);
}

TEST_CASE("artifacts of the configuration") {
  const std::string name = hash + "_vocab.json";
  const NemoArchive archive = archive_of({"model_weights.ckpt", name, "other.txt", std::string(32, 'G') + "_x"});
  CHECK(archive.artifacts() == std::vector<std::string>{"nemo:" + name});
  CHECK(archive.artifact("nemo:" + name).text() == name);
  for (const std::string& bad :
       {name, std::string("nemo:"), std::string("nemo:other.txt"), "nemo:" + hash + "_merges.txt", "nemo:" + hash + "_",
        "nemo:" + hash + "_../../etc/passwd"})
    CHECK_MESSAGE(thrown([&] { archive.artifact(bad); }) == refused, bad);
}

TEST_CASE("what is no archive of NeMo") {
  CHECK(opening({"model_weights.ckpt"}) == Ids{});
  CHECK(opening({"model_weights.ckpt", "notes/weights.ckpt"}) == Ids{});
  CHECK(opening({}) == refused);
  CHECK(opening({"other.ckpt", "my_model_weights.ckpt"}) == refused);
  for (const char* const odd :
       {"rank_0/model_weights.ckpt", "mp_rank_0/model_weights.ckpt", "mp_rank_001/model_weights.ckpt",
        "tp_rank_00/model_weights.ckpt", "tp_rank_00_pp_rank_00/model_weights.ckpt", "mp_rank_00/x/model_weights.ckpt",
        "tp_rank_00_pp_rank_0000/model_weights.ckpt", "mp_rank_/model_weights.ckpt", "mp_rank_-1/model_weights.ckpt",
        "mp_rank_99999999999/model_weights.ckpt"})
    CHECK_MESSAGE(opening({odd}) == refused, odd);
  CHECK(opening({"model_weights.ckpt", "mp_rank_00/model_weights.ckpt"}) == refused);
  CHECK(opening({"mp_rank_00/model_weights.ckpt", "tp_rank_01_pp_rank_000/model_weights.ckpt"}) == refused);
  CHECK(thrown([] { NemoArchive(Tar(part_of(tar_member("model_weights.ckpt", "x") + tar_end()))); }) == refused);
}
