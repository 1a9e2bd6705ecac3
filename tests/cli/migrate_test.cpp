#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "program.hpp"

using cli_test::contains;
using cli_test::Result;
using cli_test::run;
using cli_test::TemporaryFile;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view nemo = R"(name: small
trainer: {devices: 32, num_nodes: 1, accelerator: gpu, precision: bf16, max_steps: 1000}
model:
  micro_batch_size: 1   # of a rank
  global_batch_size: 64
  tensor_model_parallel_size: 8
  pipeline_model_parallel_size: 1
  encoder_seq_length: 512
  max_position_embeddings: 512
  num_layers: 8
  hidden_size: 512
  ffn_hidden_size: 2048
  num_attention_heads: 16
  data: {data_prefix: '???', seq_length: 512, num_workers: 2, dataloader_type: single}
  optim: {name: fused_adam, lr: 2e-4}
)";

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A folder that is gone with this object, with one file in it.
struct Place {
  TemporaryFile source;
  std::string folder = source.path.substr(0, source.path.rfind('/'));

  explicit Place(std::string_view text) : source("in.yaml", text) {}
  ~Place() {
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.path() != source.path) fs::remove(entry.path());
  }
  std::string file(const std::string& name) const { return folder + '/' + name; }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }
};

}  // namespace

TEST_CASE("migrate writes the result to stdout and the report to stderr, or to a file and stdout") {
  const Place place(nemo);
  const Result shown = run({"migrate", place.source.path});
  CHECK(shown.exit == 0);
  CHECK(contains(shown.out, "  micro_batch_size: 1   # of a rank\n"));
  CHECK(contains(shown.err, "NeMo to NxDT: "));
  CHECK(contains(shown.err, "still to fill"));

  const Result written =
      run({"migrate", "--from", "nemo", "--to", "nxdt", place.source.path, "-o", place.file("out.yaml")});
  CHECK(written.exit == 0);
  CHECK(text_of(place.file("out.yaml")) == shown.out);
  CHECK(contains(written.out, "NeMo to NxDT: "));
  CHECK(written.err.empty());
  CHECK(place.files() == 2);

  const Result again = run({"migrate", place.file("out.yaml"), "-o", place.file("again.yaml")});
  CHECK(again.exit == 0);
  CHECK(text_of(place.file("again.yaml")) == shown.out);

  const Result planned = run({"plan", place.file("out.yaml"), "--set", "data.data_prefix=[1.0, a]"});
  CHECK(planned.exit == 0);
  const Result back = run({"migrate", "--from", "nxdt", "--to", "nemo", place.file("out.yaml")});
  CHECK(back.exit == 0);
  CHECK(contains(back.out, "  micro_batch_size: 1   # of a rank\n"));
}

TEST_CASE("a result never replaces its source, nor another file unasked") {
  const Place place(nemo);
  const std::string out = place.file("out.yaml");
  fs::create_symlink(place.source.path, place.file("link.yaml"));
  fs::create_hard_link(place.source.path, place.file("hard.yaml"));
  for (const std::string& target : {place.source.path, place.file("link.yaml"), place.file("hard.yaml")})
    for (const bool force : {false, true}) {
      std::vector<std::string> arguments{"migrate", place.source.path, "-o", target};
      if (force) arguments.push_back("--force");
      const Result refused = run(arguments);
      CHECK(refused.exit == 2);
      CHECK(contains(refused.err, "SP-MIGRATE-003"));
      CHECK(refused.out.empty());
      CHECK(text_of(place.source.path) == nemo);
    }
  std::ofstream(out) << "mine";
  CHECK(run({"migrate", place.source.path, "-o", out}).exit == 2);
  CHECK(text_of(out) == "mine");
  CHECK(run({"migrate", place.source.path, "-o", out, "--force"}).exit == 0);
  CHECK(contains(text_of(out), "model_source"));
  CHECK(run({"migrate", place.source.path, "-o", place.folder}).exit == 2);
  CHECK(run({"migrate", place.source.path, "-o", place.file("none/out.yaml")}).exit == 3);
  CHECK(place.files() == 4);
}

TEST_CASE("what cannot be migrated leaves no file") {
  for (const std::string_view text : {"a: [1", "[1]", "a: 1\na: 2\n", ""}) {
    const Place place(text);
    const Result refused = run({"migrate", "--from", "nemo", place.source.path, "-o", place.file("out.yaml")});
    CHECK(refused.exit == 2);
    CHECK(!refused.err.empty());
    CHECK(place.files() == 1);
  }
  const Place place(nemo);
  CHECK(run({"migrate", "nowhere.yaml", "-o", place.file("out.yaml")}).exit == 3);
  CHECK(run({"migrate", place.source.path, "--env", "nowhere.sh", "-o", place.file("out.yaml")}).exit == 3);
  CHECK(run({"migrate", "--from", "nxdt", place.source.path}).exit == 2);
  CHECK(run({"migrate", "--to", "nnm", place.source.path}).exit == 2);
  CHECK(run({"migrate", "--from", "keras", place.source.path}).exit == 2);
  CHECK(place.files() == 1);
}

TEST_CASE("the report as JSON, and what it says of a result that cannot run") {
  std::string text(nemo);
  text.replace(text.find("  num_layers: 8"), 15, "  num_layers: 8\n  activation: squared-relu");
  const Place place(text);
  const Result refused = run({"migrate", place.source.path, "-o", place.file("out.yaml"), "--format", "json"});
  CHECK(refused.exit == 1);
  const Json report = Json::parse(refused.out);
  CHECK(report["schema"] == "shardplan-migrate-1");
  CHECK(report["from"] == "nemo");
  CHECK(report["passes"] == false);
  CHECK(report["findings"][0]["id"] == "SP-MODEL-003");
  const Result check = run({"check", place.file("out.yaml")});
  CHECK(check.exit == 2);
  CHECK(contains(check.out, "SP-MODEL-003"));
}

TEST_CASE("settings of a shell file are read and never run") {
  const Place place(nemo);
  std::ofstream(place.file("run.sh")) << "export TP=4\nGBS=128\ntouch " << place.file("ran") << "\nX=$(touch "
                                      << place.file("ran") << ")\n";
  const Result out = run({"migrate", "--from", "nnm", place.source.path, "--env", place.file("run.sh")});
  CHECK(out.exit == 0);
  CHECK(contains(out.out, "tensor_model_parallel_size: 4"));
  CHECK(contains(out.out, "global_batch_size: 128"));
  CHECK(contains(out.err, "run.sh:2"));
  CHECK(!fs::exists(place.file("ran")));
}
