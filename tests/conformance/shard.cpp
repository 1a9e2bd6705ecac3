#include <shardplan/layout.hpp>
#include <shardplan/mesh.hpp>

#include "kinds.hpp"
#include "layers.hpp"

/// What every rank holds of weights, activations and heads.
namespace conformance {
namespace {

using namespace shardplan;

// ------------------------------------------------------------------------------------------------ local tensors

/// Row-major source numbers of a shard's elements in local order; -1 for padding.
std::vector<Index> source_numbers(const Layout& layout, const Place& place) {
  const Shard here = shard(layout, place);
  const Shape strides = row_major_strides(layout.shape());
  std::vector<Index> out(static_cast<std::size_t>(here.elements()), -1);
  for (const Piece& piece : here.pieces())
    for (Index i = 0; i < elements(piece.extent); ++i) {
      Index rest = i, source = 0, local = 0;
      for (std::size_t d = here.rank(); d-- > 0;) {
        const Index at = rest % piece.extent[d];
        rest /= piece.extent[d];
        source += (piece.global[d] + at) * strides[d];
        local += (piece.local[d] + at) * here.strides()[d];
      }
      out[static_cast<std::size_t>(local)] = source;
    }
  return out;
}

/// {shape, ranges along `dim`, fnv1a64, elements where they are recorded}.
void expect_local(const Field& recorded, const Layout& layout, const Place& place, std::size_t dim) {
  const std::vector<Index> numbers = source_numbers(layout, place);
  const Shard here = shard(layout, place);
  Json ranges = Json::array();
  for (const Shard::Segment& run : here.segments(dim)) ranges.push_back({run.start, run.length});
  Checksum sum;
  for (const Index number : numbers) sum.add(static_cast<std::uint32_t>(number));
  Json got{{"shape", here.local_shape()}, {"ranges", ranges}, {"fnv1a64", sum.text()}};
  if (recorded.has("elements")) got["elements"] = numbers;
  recorded.expect_value(got);
}

Json marks_json(const ParallelAttributes& marks) {
  Json out = Json::object();
  if (marks.tensor_model_parallel)
    out = {{"tensor_model_parallel", true},
           {"partition_dim", marks.partition_dim},
           {"partition_stride", marks.partition_stride},
           {"num_partitions", marks.num_partitions}};
  if (marks.sequence_parallel_enabled) out["sequence_parallel_enabled"] = *marks.sequence_parallel_enabled;
  if (marks.expert_model_parallel) out["expert_model_parallel"] = true;
  return out;
}

const tensor::LayerTensor& named(const std::vector<tensor::LayerTensor>& tensors, const std::string& name) {
  const tensor::LayerTensor* found = tensor::find(tensors, name);
  if (!found) throw std::runtime_error("the layer has no " + name);
  return *found;
}

View tensor_view(Index size) { return View({{tp, size}}); }
Place place_of(const View& view, const Field& record) {
  const Rank rank = record["rank"].number();
  if (!view.contains(rank)) throw std::runtime_error(record.path() + " is of a rank that there is not");
  return view.place(rank);
}

// ------------------------------------------------------------------------------------------------ layers

/// Shapes, marks and every rank's part of a layer's tensors.
void expect_layer(const Field& file, const std::vector<tensor::LayerTensor>& tensors, const View& view,
                  Index pad_size) {
  for (const std::string& name : file["full"].keys()) file["full"].expect(name, named(tensors, name).layout.shape());
  if (file.has("attributes"))
    for (const std::string& name : file["attributes"].keys())
      file["attributes"].expect(name, marks_json(named(tensors, name).marks));
  const Place first(view.axes().size(), 0);
  if (file.has("bias_local_shape")) file.expect("bias_local_shape", named(tensors, "bias").layout.local_shape(first));
  if (file.has("pad_size")) file.expect("pad_size", pad_size);
  if (file.has("bias_pad_value"))
    file.expect("bias_pad_value", named(tensors, "bias").layout.fill() == lowest_finite
                                      ? "lowest finite value of the dtype"
                                      : "another value");
  if (file.has("padded"))
    for (const std::string& name : file["padded"].keys()) {
      const auto& [label, layout, marks] = named(tensors, name);
      Shape padded = layout.local_shape(first);
      if (marks.tensor_model_parallel) padded[static_cast<std::size_t>(marks.partition_dim)] *= marks.num_partitions;
      file["padded"].expect(name, padded);
    }
  for (const Field& record : file["ranks"].elements()) {
    const Place place = place_of(view, record);
    for (const std::string& key : record.keys()) {
      if (!record.peek(key).is_object()) continue;
      const tensor::LayerTensor& one = named(tensors, key == "bias_from_full_checkpoint" ? "bias" : key);
      expect_local(record[key], one.layout, place, static_cast<std::size_t>(one.marks.partition_dim));
    }
  }
}

template <class Layer>
void expect_layer(const Field& file, const Layer& layer) {
  const Index size = file["input"]["tp"].number();
  const View view = tensor_view(size);
  expect_layer(file, tensor::tensors(layer, view, options_of(file["input"])), view, tensor::pad_size(layer, size));
}

void check_column(const Field& file) { expect_layer(file, column_of(file["input"])); }
void check_row(const Field& file) { expect_layer(file, row_of(file["input"])); }
void check_output_convolution(const Field& file) {
  expect_layer(file, convolution_of<tensor::OutputChannelParallelConv2d>(file["input"]));
}
void check_input_convolution(const Field& file) {
  expect_layer(file, convolution_of<tensor::InputChannelParallelConv2d>(file["input"]));
}

void check_embedding(const Field& file, bool vectors) {
  const Field input = file["input"];
  const tensor::ParallelEmbedding layer = embedding_of(input, vectors);
  const Index size = input["tp"].number();
  const tensor::Options options = options_of(input);
  expect_layer(file, layer);
  for (const Field& record : file["ranks"].elements()) {
    const Index rank = record["rank"].number();
    const auto padding = tensor::local_padding_idx(layer, size, rank, options);
    record.expect("local_padding_idx", padding ? Json(*padding) : Json());
    if (vectors) continue;
    const Interval range = tensor::vocab_range(layer, size, rank, options);
    record.expect("vocab_range", {range.begin, range.end});
  }
}
void check_vocabulary_embedding(const Field& file) { check_embedding(file, false); }
void check_vector_embedding(const Field& file) { check_embedding(file, true); }

template <class Layer>
void check_experts(const Field& file) {
  const Field input = file["input"];
  const View view({{ep, input["ep"].number()}, {tp, input["tp"].number()}});
  const auto tensors = tensor::tensors(experts_layer_of<Layer>(input), view, options_of(input));
  expect_layer(file, tensors, view, 0);
  for (const Field& record : file["ranks"].elements()) {
    const Place place = place_of(view, record);
    record.expect("ep_rank", place[0]);
    record.expect("tp_rank", place[1]);
    record.expect("experts", tensor::heads_at(named(tensors, "weight").layout, 0, place, 1));
  }
}

// ------------------------------------------------------------------------------------------------ heads

void check_gqa(const Field& file) {
  const Field input = file["input"];
  tensor::GQAQKVColumnParallelLinear layer = gqa_of(input);
  const tensor::Options options = options_of(input);
  const Index size = input["tp"].number();
  const View view = tensor_view(size);
  input.expect("output_sizes", {input["num_attention_heads"].number() * layer.head_size,
                                input["num_key_value_heads"].number() * layer.head_size});
  const auto tensors = tensor::tensors(layer, view, options);
  for (const std::string& name : file["attributes"].keys())
    file["attributes"].expect(name, marks_json(named(tensors, name).marks));

  // The figures tell q and k apart, fused or not.
  const bool fused = std::exchange(layer.fuse_qkv, false);
  const auto apart = tensor::tensors(layer, view, options);
  const Layout &query = named(apart, "weight_q").layout, &key = named(apart, "weight_k").layout;
  file.expect("full", {{"q", query.shape()}, {"k", key.shape()}, {"v", named(apart, "weight_v").layout.shape()}});
  if (fused) {
    const tensor::FusedRows rows = tensor::fused_rows(layer, size);
    file.expect("fused_rows", Json::array({Json::array({"q", rows.query}), Json::array({"k", rows.key}),
                                           Json::array({"v", rows.value})}));
  }
  const Mesh mesh({.ranks = size, .hardware = options.hardware}, {.tensor = size}, compat);
  file.expect("kv_shared_groups", mesh.kv_shared_groups(layer.kv_size_multiplier));
  for (const Field& record : file["ranks"].elements()) {
    const Place place = place_of(view, record);
    expect_local(record["q"], query, place, 0);
    expect_local(record["k"], key, place, 0);
    record.expect("q_heads", tensor::heads_at(query, 0, place, layer.head_size));
    record.expect("k_heads", tensor::heads_at(key, 0, place, layer.head_size));
    if (!fused) continue;
    // The fused weight of a rank is its q, k and v behind one another.
    std::vector<Index> parts = source_numbers(query, place);
    const std::vector<Index> keys = source_numbers(key, place);
    for (const Index before : {elements(query.shape()), elements(query.shape()) + elements(key.shape())})
      for (const Index number : keys) parts.push_back(before + number);
    if (source_numbers(named(tensors, "weight_qkv").layout, place) != parts)
      record.differ("a fused weight of other rows");
  }
}

void check_fused_qkv(const Field& file) {
  const Field input = file["input"];
  const Index head = input["head_dim"].number();
  const tensor::GQAQKVColumnParallelLinear layer{.input_size = input["hidden"].number(),
                                                 .query_size = input["num_attention_heads"].number() * head,
                                                 .key_value_size = input["num_key_value_heads"].number() * head,
                                                 .head_size = head,
                                                 .bias = false,
                                                 .gather_output = false};
  const View view = tensor_view(input["tp"].number());
  const auto tensors = tensor::tensors(layer, view, options_of(input));
  const Layout& fused = named(tensors, "weight_qkv").layout;
  file.expect("full", {{"weight", fused.shape()}});
  for (const Field& record : file["ranks"].elements()) expect_local(record["weight"], fused, place_of(view, record), 0);
}

/// Heads as the checkpoint converter lays them out; `head` elements each.
tensor::AttentionLayouts converted(const Field& input, const Heads& heads, Index hidden) {
  const tensor::Options options = options_of(input, "hw_backend");
  const Index size = input["tp"].number();
  const Index padded =
      input["pad_attn_heads"].flag() ? tensor::padded_query_heads(heads, size, tensor::converter_options(options)) : 0;
  return tensor::converter_layouts(heads, hidden, tensor_view(size), options, padded);
}

void check_converter(const Field& file) {
  const Field input = file["input"];
  const Heads heads{input["num_attention_heads"].number(), input["num_key_value_heads"].number(),
                    input["head_dim"].number()};
  const tensor::AttentionLayouts layouts = converted(input, heads, input["hidden"].number());
  file.expect("consistent", tensor::heads_match(layouts, heads));
  for (const Field& record : file["ranks"].elements()) {
    const Place place = place_of(layouts.query.view(), record);
    record.expect("q_heads", tensor::heads_at(layouts.query, 0, place, heads.size));
    record.expect("k_heads", tensor::heads_at(layouts.key_value, 0, place, heads.size));
    record.expect("o_proj_heads", tensor::heads_at(layouts.output, 1, place, heads.size));
    record.expect("q_matches_k", tensor::heads_match(layouts, heads, place));
  }
}

void check_round_trip(const Field& file) {
  const Field input = file["input"];
  input["head_dim"].number();  // heads move as a whole, so one element stands for one
  const tensor::AttentionLayouts layouts =
      converted(input, {input["num_attention_heads"].number(), input["num_key_value_heads"].number(), 1}, 1);
  bool identity = true;
  const auto expect = [&](const char* key, const Layout& layout) {
    const std::vector<Index> order = tensor::round_trip(layout);
    for (std::size_t i = 0; i < order.size(); ++i) identity = identity && order[i] == static_cast<Index>(i);
    file.expect(key, order);
  };
  expect("q_heads", layouts.query);
  expect("k_heads", layouts.key_value);
  expect("o_proj_heads", layouts.output);
  file.expect("identity", identity);
}

void check_pad_model(const Field& file) {
  const Field input = file["input"];
  const Index heads = input["num_heads"].number(), hidden = input["hidden"].number(), size = input["tp"].number();
  const Index rows = heads * input["head_dim"].number();
  const View view = tensor_view(size);
  const tensor::ColumnParallelLinear query{
      .input_size = hidden, .output_size = rows, .bias = false, .gather_output = false};
  const tensor::RowParallelLinear output{
      .input_size = rows, .output_size = hidden, .bias = false, .input_is_parallel = true};
  const tensor::Options options = options_of(input);
  const Layout q = tensor::pad_model(tensor::tensors(query, view, options)[0].layout, 0, heads, compat);
  const Layout o = tensor::pad_model(tensor::tensors(output, view, options)[0].layout, 1, heads, compat);
  file.expect("full", {{"q_weight", q.shape()}, {"o_weight", o.shape()}});
  file.expect("padded_heads", round_up(heads, size));
  for (const Field& record : file["ranks"].elements()) {
    const Place place = place_of(view, record);
    expect_local(record["q_weight"], q, place, 0);
    expect_local(record["o_weight"], o, place, 1);
  }
}

void check_head_mask(const Field& file) {
  const Field input = file["input"];
  const Heads heads{input["num_heads"].number(), input["num_kv_heads"].number(), 1};
  const View view = tensor_view(input["tp"].number());
  for (const Field& record : file["ranks"].elements()) {
    Json mask = Json::array();
    for (const bool real : tensor::head_padding_mask(heads, input["num_heads_with_pad"].number(), view.size(),
                                                     place_of(view, record)[0], options_of(input)))
      mask.push_back(real ? 1 : 0);
    record.expect("mask", mask);
  }
}

// ------------------------------------------------------------------------------------------------ activations

void check_sequence(const Field& file) {
  const Field input = file["input"];
  const auto dim = static_cast<std::size_t>(input["dim"].number());
  const View view = tensor_view(input["tp"].number());
  const Layout layout = tensor::sequence_layout(input["shape"].shape(), dim, view);
  for (const Field& record : file["ranks"].elements())
    expect_local(record["local"], layout, place_of(view, record), dim);
}

void check_context(const Field& file) {
  const Field input = file["input"];
  const Shape batch{input["batch"].number(), input["sequence"].number()};
  const View view({{cp, input["cp"].number()}});
  std::vector<Index> tokens(static_cast<std::size_t>(elements(batch)));
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<Index>(i);
  const auto expect = [&](const Field& record, const char* key, const Layout& layout) {
    const Shard here = shard(layout, place_of(view, record));
    std::vector<Index> local(static_cast<std::size_t>(here.elements()));
    extract<Index>(here, batch, tokens, local);
    Json lines = Json::array();
    const Index length = here.local_shape()[1];
    for (Index line = 0; line < batch[0]; ++line)
      lines.push_back(std::vector<Index>(local.begin() + line * length, local.begin() + (line + 1) * length));
    record.expect(key, lines);
  };
  for (const Field& record : file["ranks"].elements()) {
    expect(record, "input_ids", tensor::context_layout(batch, 1, view));
    expect(record, "labels", tensor::label_layout(batch, 1, view));
  }
}

struct ShardKind {
  std::string_view name;
  void (*check)(const Field& file);
};
constexpr ShardKind shard_kind_table[] = {
    {"column", check_column},
    {"column_padded", check_column},
    {"column_rank_ordering", check_column},
    {"row", check_row},
    {"row_padded", check_row},
    {"embedding_vocab", check_vocabulary_embedding},
    {"embedding_dim", check_vector_embedding},
    {"conv_output_channel", check_output_convolution},
    {"conv_input_channel", check_input_convolution},
    {"expert_column", check_experts<tensor::ExpertFusedColumnParallelLinear>},
    {"expert_row", check_experts<tensor::ExpertFusedRowParallelLinear>},
    {"gqa_qkv", check_gqa},
    {"fused_qkv_from_full", check_fused_qkv},
    {"converter_qkv_linear", check_converter},
    {"converter_round_trip", check_round_trip},
    {"pad_model", check_pad_model},
    {"head_padding_mask", check_head_mask},
    {"sequence_split", check_sequence},
    {"context_batch", check_context},
};

const ShardKind* find_kind(const Json& file) {
  if (is(file, "schema", "shardplan-golden-shard-1"))
    for (const ShardKind& kind : shard_kind_table)
      if (is(file, "kind", kind.name)) return &kind;
  return nullptr;
}

void check_shard(const Field& file) {
  file["kind"].text();
  find_kind(file.file())->check(file);
}

}  // namespace

Kinds shard_kinds() {
  return {{"shard", Kind::Scope::file, [](const Json& file, const Json&) { return find_kind(file) != nullptr; },
           check_shard}};
}

}  // namespace conformance
