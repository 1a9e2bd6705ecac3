#include "support.hpp"

using namespace shardplan;

namespace {
/// Elements that one tensor rank holds of a parameter: every part divided over the ranks, K and V held `copies` times.
Index local_elements(const Parameter& p, Index tensor, Index copies) {
  Shape local = p.shape;
  if (!p.sharding.parts.empty()) {
    Index extent = 0;
    for (const Part& part : p.sharding.parts) {
      const Index held = part.size * (part.role == Role::key_value ? copies : 1);
      CHECK(held % tensor == 0);
      extent += held / tensor;
    }
    local[static_cast<std::size_t>(p.sharding.dim)] = extent;
  }
  return elements(local);
}

/// The same for all parameters of the layers [begin, end), with what the first and the last stage add.
Index local_elements(const Model& model, Interval layers, Index tensor, Index copies) {
  Index out = 0;
  for (const Parameter& p : model.parameters) {
    const bool held = p.owner.kind == Owner::Kind::layer  ? layers.contains(p.owner.layer.value)
                      : p.owner.kind == Owner::Kind::last ? layers.end == model.architecture.layers
                                                          : layers.begin == 0;
    if (held) out += local_elements(p, tensor, copies);
  }
  return out;
}
}  // namespace

TEST_CASE("parameters per rank, as NxD builds them") {
  struct Row {
    std::string_view name;
    Family family;
    Index tensor, copies;
    Index stage0_layers, last_layers;  ///< the second stage has as many as the first
    Index stage0, stage1, last, sum;   ///< stage1 0: there is one stage
  };
  constexpr Family hf = Family::hf_llama, moe = Family::hf_mixtral, mega = Family::megatron;
  const Row rows[] = {
      {"llama2-7b", hf, 8, 1, 32, 32, 842'534'912, 0, 842'534'912, 842'534'912},
      {"llama3-8b", hf, 32, 4, 32, 32, 276'369'408, 0, 276'369'408, 276'369'408},
      {"llama3-8b", hf, 8, 1, 8, 8, 283'836'416, 218'169'344, 283'840'512, 1'004'015'616},
      {"llama3-70b", hf, 32, 4, 10, 10, 316'112'896, 283'279'360, 316'121'088, 2'331'910'144},
      {"llama3-70b", hf, 8, 1, 5, 5, 666'189'824, 534'855'680, 666'198'016, 8'820'367'360},
      {"llama3.1-405b", hf, 32, 4, 3, 4, 374'046'720, 308'379'648, 476'856'320, 13'083'295'744},
      {"mixtral-8x7b", moe, 8, 1, 8, 8, 1'467'940'864, 1'451'556'864, 1'467'944'960, 5'838'999'552},
      {"mixtral-8x7b", moe, 32, 4, 8, 8, 373'522'432, 369'426'432, 373'526'528, 1'485'901'824},
      {"llama2-70b", mega, 8, 1, 5, 5, 567'623'680, 534'855'680, 567'631'872, 8'623'235'072},
  };
  for (const Row& row : rows) {
    Architecture a = architecture(row.name);
    a.family = row.family;
    a.qkv_linear = row.copies > 1;
    const Model made = model(a);
    const Index layers = a.layers;
    INFO(std::string(row.name), " over ", row.tensor);
    CHECK(local_elements(made, {0, row.stage0_layers}, row.tensor, row.copies) == row.stage0);
    if (row.stage1 > 0)
      CHECK(local_elements(made, {row.stage0_layers, 2 * row.stage0_layers}, row.tensor, row.copies) == row.stage1);
    CHECK(local_elements(made, {layers - row.last_layers, layers}, row.tensor, row.copies) == row.last);
    CHECK(local_elements(made, {0, layers}, row.tensor, row.copies) == row.sum);
  }
}

namespace host {
/// A trainer's own record of a vocabulary table, planned as it is.
struct Table {
  std::string key;
  Index ids, width;
};
std::string name(const Table& t) { return "table of " + t.key; }
Shape shape(const Table& t) { return {t.ids, t.width}; }
Dtype dtype(const Table&) { return Dtype::bfloat16; }
Sharding sharding(const Table& t) {
  return {.dim = 0, .parts = {{{}, t.ids, Role::vocabulary}}, .vocabulary_multiple = 4};
}
Owner owner(const Table&) { return {Owner::Kind::first, {}}; }
static_assert(ParameterLike<Table>);
}  // namespace host

TEST_CASE("a host's own record is a parameter too") {
  const host::Table table{"tokens", 42, 16};
  for (Index tensor = 1; tensor <= 16; ++tensor) {
    const Index rows = padded_shape(table, tensor)[0];
    CHECK(rows % (4 * tensor) == 0);
    CHECK(rows >= 42);
    CHECK(rows - 4 * tensor < 42);
  }
  CHECK(parallel_attributes(table, 8).num_partitions == 8);
}

TEST_CASE("only vocabularies are padded") {
  const Model made = llama({.layers = 1, .hidden = 16, .ffn = 24, .heads = 4, .vocab = 42, .vocabulary_multiple = 4});
  for (const Parameter& p : made.parameters) {
    Shape expected = p.shape;
    if (p.sharding.vocabulary_multiple > 0) expected[0] = 48;
    CHECK(padded_shape(p, 2) == expected);
  }
}

TEST_CASE("models are values") {
  const Model one = model("llama2-7b");
  Model other = one;
  CHECK(one == other);
  other.parameters.back().dtype = Dtype::float32;
  CHECK(one != other);
}
