#include "layers.hpp"

#include <shardplan/pipeline.hpp>

#include "kinds.hpp"

/// Layers that NxD refuses, and what the others send.
namespace conformance {
namespace {

using namespace shardplan;
using tensor::Phase;

// ------------------------------------------------------------------------------------------------ refusals

/// How far the case takes the layer.
Phase phase_of(const Field& input) {
  const std::string step = input.get<std::string>("step", "");
  if (step == "forward") return Phase::forward;
  if (step == "forward in training mode") return Phase::train;
  if (step != "" && step.rfind("load full checkpoint", 0) != 0) throw std::runtime_error("unknown step '" + step + "'");
  const std::string device = input.get<std::string>("device", "");
  if (device == "meta") return Phase::declare;
  if (device != "") throw std::runtime_error("unknown device '" + device + "'");
  return Phase::build;
}

bool operator_refused(const Field& input, const std::string& op, Index size) {
  if (op == "reduce_scatter" || op == "scatter") {
    const Shape shape = input["shape"].shape();
    const auto dim = static_cast<std::size_t>(input["dim"].number());
    return refusal([&] {
             if (op == "scatter")
               tensor::scatter_to_region(shape, dim, size);
             else
               tensor::reduce_scatter_to_sequence_region(shape, size, dim);
           })
        .has_value();
  }
  if (op == "create_partitions") {
    const Index layers = input["layers"].number(), stages = input["stages"].number();
    return refusal([&] { pipeline::even(layers, stages); }).has_value();
  }
  if (op == "converter") {
    const Heads heads{input["num_attention_heads"].number(), input["num_key_value_heads"].number(), 1};
    return has_errors(tensor::diagnose_conversion(heads, input["tp_size"].number(), options_of(input, "hw_backend")));
  }
  if (op.rfind("split fused qkv", 0) == 0) {
    const std::vector<Index> rows = input["rows"].numbers();
    return has_errors(tensor::diagnose(tensor::FusedRows{rows.at(0), rows.at(1), rows.at(2)}, compat));
  }
  throw std::runtime_error("unknown op '" + op + "'");
}

bool layer_refused(const Field& input, const std::string& layer, Index size) {
  const tensor::Options options = options_of(input);
  const Phase until = phase_of(input);
  const bool loads = input.get<std::string>("step", "").rfind("load full checkpoint", 0) == 0;
  const auto loading_refused = [](const tensor::LayerTensor& weight, const Shape& found) {
    return has_errors(tensor::diagnose_load(weight, found, compat));
  };
  if (layer == "column") {
    const tensor::ColumnParallelLinear one = column_of(input);
    if (!input.has("checkpoint_rows")) return has_errors(tensor::diagnose(one, size, options, until));
    return loading_refused(tensor::tensors(one, View({{tp, size}}), options)[0],
                           {input["checkpoint_rows"].number(), one.input_size});
  }
  if (layer == "row") return has_errors(tensor::diagnose(row_of(input), size, options, until));
  if (layer == "embedding_vocab" || layer == "embedding_dim")
    return has_errors(tensor::diagnose(embedding_of(input, layer == "embedding_dim"), size, options, until));
  if (layer == "conv_output")
    return has_errors(
        tensor::diagnose(convolution_of<tensor::OutputChannelParallelConv2d>(input), size, options, until));
  if (layer == "conv_input")
    return has_errors(
        tensor::diagnose(convolution_of<tensor::InputChannelParallelConv2d>(input), size, options, until));
  if (layer == "gqa") {
    if (!input.peek("kv_size_multiplier").is_array())
      return has_errors(tensor::diagnose(gqa_of(input), size, options, until));
    std::vector<tensor::GQAQKVColumnParallelLinear> layers;
    for (const Index multiplier : input["kv_size_multiplier"].numbers()) layers.push_back(gqa_of(input, multiplier));
    return has_errors(tensor::diagnose(layers, options));
  }
  // Experts under the names of the layer and of a whole expert, which runs forward.
  if (layer == "expert_column" || layer == "expert_row" || layer == "expert") {
    const Index expert = input.get<Index>("ep", 1);
    const auto refused = [&](const auto& one) {
      if (!loads)
        return has_errors(tensor::diagnose(one, size, expert, options, layer == "expert" ? Phase::forward : until));
      const auto weight = tensor::tensors(one, View({{ep, expert}, {tp, size}}), options)[0];
      return loading_refused(weight, weight.layout.shape());
    };
    if (layer == "expert_row") return refused(experts_layer_of<tensor::ExpertFusedRowParallelLinear>(input));
    return refused(experts_layer_of<tensor::ExpertFusedColumnParallelLinear>(input));
  }
  if (layer == "router" || layer == "router_sinkhorn")
    return has_errors(tensor::diagnose(
        tensor::Routing{.num_experts = input.get<Index>("num_experts", 4),
                        .top_k = input["top_k"].number(),
                        .balancing = layer == "router" ? tensor::Balancing::top_k : tensor::Balancing::sinkhorn},
        options));
  throw std::runtime_error("unknown layer '" + layer + "'");
}

void check_refusal(const Field& object) {
  const Field input = object["input"];
  const Index size = input["tp"].number();
  input.skip({"hardware"});
  bool refused = false;
  if (input.has("op")) {
    refused = operator_refused(input, input["op"].text(), size);
  } else if (input.has("layer")) {
    refused = layer_refused(input, input["layer"].text(), size);
  } else {
    // Neither a layer nor an operator: a tensor whose marks are set a second time.
    const ParallelAttributes marks = tensor::cut_marks(0, 1, size);
    refused = refusal([&] {
                ParallelAttributes marked;
                tensor::mark(marked, marks, compat);
                tensor::mark(marked, marks, compat);
              }).has_value();
  }
  object.expect("rejected", refused);
}

// ------------------------------------------------------------------------------------------------ collectives

Json collectives_json(const std::vector<tensor::Collective>& all) {
  Json out = Json::array();
  for (const tensor::Collective& one : all) {
    Json json{{"op", tensor::name(one.op)}, {"shape", one.shape}, {"group", tensor::name(one.group)}};
    if (one.op == tensor::CollectiveOp::all_gather || one.op == tensor::CollectiveOp::reduce_scatter)
      json["dim"] = one.dim;
    if (one.op == tensor::CollectiveOp::all_to_all) {
      json["split_dim"] = one.split_dim;
      json["concat_dim"] = one.concat_dim;
    }
    if (one.reduce == ReduceOp::max) json["reduce"] = "max";
    if (one.async) json["async"] = true;
    out.push_back(json);
  }
  return out;
}

tensor::Communication of_operator(const Field& input, const std::string& op, const Shape& shape, Index size) {
  if (op == "enter_expert_parallel_region" || op == "exit_expert_parallel_region") {
    const Index expert = input["ep"].number();
    const bool scatter_gather = input["scatter_gather"].flag();
    return op == "enter_expert_parallel_region" ? tensor::enter_expert_region(shape, size, expert, scatter_gather)
                                                : tensor::exit_expert_region(shape, size, expert, scatter_gather);
  }
  if (op == "parallel_cross_entropy") return tensor::parallel_cross_entropy(shape, size);
  if (op == "scatter_to_sequence_parallel_region") return tensor::scatter_to_sequence_region(shape, size);
  if (op == "gather_from_sequence_parallel_region")
    return tensor::gather_from_sequence_region(shape, size, 0, input["to_model_parallel"].flag());
  if (op == "reduce_scatter_to_sequence_parallel_region") return tensor::reduce_scatter_to_sequence_region(shape, size);
  if (op == "copy_to_tensor_model_parallel_region") return tensor::copy_to_tensor_region(shape, size);
  if (op == "reduce_from_tensor_model_parallel_region") return tensor::reduce_from_tensor_region(shape, size);
  if (op == "scatter_to_tensor_model_parallel_region") return tensor::scatter_to_tensor_region(shape, size);
  if (op == "gather_from_tensor_model_parallel_region") return tensor::gather_from_tensor_region(shape, size);
  if (op == "token_shuffle") return tensor::token_shuffle(shape, input["token_shuffle_group_size"].number());
  throw std::runtime_error("unknown op '" + op + "'");
}

/// The sizes of a layer are not recorded: they follow from the local shapes that go in and come out.
tensor::Communication of_layer(const Field& input, const std::string& layer, const Shape& shape, Index size,
                               const Field& outputs) {
  const Shape output = outputs[0].shape();
  if (layer == "column") {
    tensor::ColumnParallelLinear one = column_of(input);
    one.input_size = shape.back();
    one.output_size = one.gather_output ? output.back() : output.back() * size;
    return tensor::communication(one, shape, size);
  }
  if (layer == "row") {
    tensor::RowParallelLinear one = row_of(input);
    one.input_size = one.input_is_parallel ? shape.back() * size : shape.back();
    one.output_size = output.back();
    return tensor::communication(one, shape, size);
  }
  if (layer == "embedding_vocab" || layer == "embedding_dim") {
    tensor::ParallelEmbedding one = embedding_of(input, layer == "embedding_dim");
    one.embedding_dim = output.back();
    if (one.shard_across_embedding && !one.collect_output) one.embedding_dim *= size;
    return tensor::communication(one, shape, size, options_of(input));
  }
  if (layer == "gqa") {
    tensor::GQAQKVColumnParallelLinear one = gqa_of(input);
    one.input_size = shape.back();
    one.query_size = output.back() * size;
    one.key_value_size = outputs[1].shape().back() * size / one.kv_size_multiplier;
    return tensor::communication(one, shape, size);
  }
  const auto with_kernel = [&](auto one) {
    one.kernel_size = {shape[2] - output[2] + 1, shape[3] - output[3] + 1};
    return one;
  };
  if (layer == "conv_output") {
    auto one = with_kernel(convolution_of<tensor::OutputChannelParallelConv2d>(input));
    one.gather_output = input.get("gather_output", true);
    one.in_channels = shape[1];
    one.out_channels = one.gather_output ? output[1] : output[1] * size;
    return tensor::communication(one, shape, size);
  }
  if (layer == "conv_input") {
    auto one = with_kernel(convolution_of<tensor::InputChannelParallelConv2d>(input));
    one.input_is_parallel = input.get("input_is_parallel", false);
    one.in_channels = one.input_is_parallel ? shape[1] * size : shape[1];
    one.out_channels = output[1];
    return tensor::communication(one, shape, size);
  }
  if (layer == "expert_column") {
    auto one = experts_layer_of<tensor::ExpertFusedColumnParallelLinear>(input);
    one.input_size = shape.back();
    one.output_size = output.back() * size;
    return tensor::communication(one, shape, size);
  }
  if (layer == "expert_row") {
    auto one = experts_layer_of<tensor::ExpertFusedRowParallelLinear>(input);
    one.input_size = shape.back() * size;
    one.output_size = output.back();
    one.reduce_output = input.get("reduce_output", true);
    return tensor::communication(one, shape, size);
  }
  throw std::runtime_error("unknown layer '" + layer + "'");
}

void check_collectives(const Field& object) {
  const Field input = object["input"];
  const Index size = input["tp"].number();
  const Shape shape = input["input_shape"].shape();
  const Field outputs = object["output_shapes"];
  input.skip({"layout"});  // a name for what sequence_dimension says
  const tensor::Communication got = input.has("op") ? of_operator(input, input["op"].text(), shape, size)
                                                    : of_layer(input, input["layer"].text(), shape, size, outputs);
  outputs.expect_value(got.outputs);
  object.expect("forward", collectives_json(got.forward));
  object.expect("backward", collectives_json(got.backward));
}

}  // namespace

Kinds layer_kinds() {
  return {{"refused layer", Kind::Scope::element,
           [](const Json& object, const Json& file) {
             return is(file, "schema", "shardplan-golden-shard-errors-1") && has(object, {"input", "rejected"});
           },
           check_refusal},
          {"collectives", Kind::Scope::element,
           [](const Json& object, const Json& file) {
             return is(file, "schema", "shardplan-golden-collectives-1") && has(object, {"input", "output_shapes"});
           },
           check_collectives}};
}

}  // namespace conformance
