#include <charconv>

#include <shardplan/zero.hpp>

#include "kinds.hpp"

/// Optimizer state over the data ranks.
namespace conformance {
namespace {

using namespace shardplan;

std::vector<Index> element_counts(const Field& shapes) {
  std::vector<Index> out;
  for (const Field& shape : shapes.elements()) out.push_back(elements(shape.shape()));
  return out;
}

void check_rows(const Field& object) {
  const zero::DataRanks ranks(object["group_size"].number());
  for (const Field& parameter : object["params"].elements()) {
    const Layout whole(ranks.view(), parameter["shape"].shape());
    expect_outcome(parameter, [&] {
      const Layout layout = zero::rows(whole);
      Json per_rank = Json::array();
      Index padding = 0, rows = 0;
      Shape local;
      for (Index k = 0; k < ranks.size(); ++k) {
        const Shard here = shard(layout, ranks.view().place(k));
        local = here.local_shape();
        Index real = 0;
        for (const Shard::Segment& run : here.segments(0)) real += run.is_padding() ? 0 : run.length;
        per_rank.push_back({k * local[0], local[0], real});
        padding += here.padding();
        rows += local[0];
      }
      parameter.expect("per_rank", per_rank);
      parameter.expect("padded_dim0", rows);
      parameter.expect("shard_shape", local);
      parameter.expect("pad_elements", padding);
    });
  }
}

void check_groups(const Field& object) {
  const Mesh mesh({.ranks = object["world"].number()},
                  {.tensor = object["tp"].number(),
                   .pipeline = object["pp"].number(),
                   .context = object["cp"].number(),
                   .expert = object["ep"].number()},
                  compat);
  object.expect("dp", mesh.data());
  object.expect("data_parallel_groups", mesh.groups(dp));
  object.expect("zero1_groups_with_cp", mesh.degrees().context > 1 ? Json(mesh.zero1_groups()) : Json());
  object.expect("zero1_groups_used", zero::groups(mesh, false));
  if (mesh.degrees().expert == 1) return;
  object.expect("expert_data_parallel_groups", zero::groups(mesh, true));
  object.expect("expert_model_parallel_groups", zero::reduction(mesh, false)[1].groups);
}

void check_coalescing(const Field& object) {
  const Index cap = object["cap_mb"].number() * zero::mebibyte;
  object.expect("buckets", zero::coalesced(object["tensor_bytes"].numbers(), cap));
}

void check_all_reduce(const Field& object) {
  std::vector<zero::Gradient> gradients;
  for (const Field& one : object["grads"].elements()) {
    const auto type = dtype_from_name(one[1].text());
    if (!type) throw std::runtime_error("unknown type " + one[1].text());
    gradients.push_back({one[0].number(), *type});
  }
  object.expect("buckets", zero::all_reduced(gradients, object["cap_mb"].number() * zero::mebibyte));
}

// ------------------------------------------------------------------------------------------------ trainer options

template <class T>
std::optional<T> optional(const Field& object, const std::string& key) {
  if (!object.has(key)) return std::nullopt;
  const Field member = object[key];
  return member.is_null() ? std::nullopt : std::optional(member.as<T>());
}

/// Environment variables and versions are texts.
Index number_in(const std::string& text) {
  Index out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc()) throw std::runtime_error("'" + text + "' is no number");
  return out;
}

zero::TrainerInput trainer_input(const Field& object) {
  zero::TrainerInput out{.data = object["dp"].number(),
                         .context = object["cp"].number(),
                         .expert = object["ep"].number(),
                         .optimizer_class = "SGD"};
  const Field optimizer = object["optimizer_config"];
  out.optimizer.zero_one_enabled = optimizer.get("zero_one_enabled", false);
  out.optimizer.grad_clipping = optimizer.get("grad_clipping", true);
  out.optimizer.max_grad_norm = optional<double>(optimizer, "max_grad_norm");
  object.expect("zero_one_enabled", out.optimizer.zero_one_enabled);
  const Field precision = object["mixed_precision_config"];
  out.mixed_precision.use_master_weights = optional<bool>(precision, "use_master_weights");
  out.mixed_precision.use_fp32_grad_acc = optional<bool>(precision, "use_fp32_grad_acc");
  out.mixed_precision.use_master_weights_in_ckpt = precision.get("use_master_weights_in_ckpt", false);
  if (const auto flag = optional<std::string>(object, "XLA_DOWNCAST_BF16")) out.downcast_bf16 = *flag == "1";
  if (const auto cap = optional<std::string>(object, "ALL_GATHER_REDUCE_SCATTER_BUCKET_CAP_MB"))
    out.bucket_cap = number_in(*cap);
  const std::string version = object["torch_version"].text();
  const std::size_t point = version.find('.');
  out.torch = {static_cast<int>(number_in(version)), static_cast<int>(number_in(version.substr(point + 1)))};
  return out;
}

Json options_json(const zero::TrainerOptions& options) {
  Json out{{"cls", options.cls}};
  const auto add = [&out](const char* key, const auto& value) {
    if (value) out[key] = *value;
  };
  add("grad_clipping", options.grad_clipping);
  add("pin_layout", options.pin_layout);
  add("sharding_groups", options.sharding_groups);
  add("grad_norm_groups", options.grad_norm_groups);
  add("bucket_cap_mb_all_gather", options.bucket_cap_mb_all_gather);
  add("bucket_cap_mb_reduce_scatter", options.bucket_cap_mb_reduce_scatter);
  add("coalesce_cc", options.coalesce_cc);
  add("use_grad_acc_hook", options.use_grad_acc_hook);
  add("higher_cc_precision", options.higher_cc_precision);
  add("save_master_weights", options.save_master_weights);
  if (options.optimizer_dtype) out["optimizer_dtype"] = concat("torch.", name(*options.optimizer_dtype));
  return out;
}

void check_trainer(const Field& object) {
  const zero::TrainerInput input = trainer_input(object);
  const zero::OptimizerConfig optimizer = zero::filled(input.optimizer);
  Json resolved{{"zero_one_enabled", optimizer.zero_one_enabled}, {"grad_clipping", optimizer.grad_clipping}};
  if (optimizer.max_grad_norm) resolved["max_grad_norm"] = *optimizer.max_grad_norm;
  object.expect("resolved_optimizer_config", resolved);
  const zero::MixedPrecisionConfig precision = zero::filled(input.mixed_precision, input.optimizer);
  object.expect("resolved_mixed_precision", {{"use_master_weights", *precision.use_master_weights},
                                             {"use_fp32_grad_acc", *precision.use_fp32_grad_acc},
                                             {"use_master_weights_in_ckpt", precision.use_master_weights_in_ckpt}});
  expect_outcome(object, [&] {
    Json options = options_json(zero::trainer_options(input));
    // The caller's own keywords follow as they are.
    if (object.has("options") && object["options"].has("lr")) options["lr"] = object["options"]["lr"].as<double>();
    object.expect("options", options);
  });
}

// ------------------------------------------------------------------------------------------------ flat buffers

void check_deepspeed(const Field& object) {
  const zero::DataRanks ranks(object["dp"].number());
  const FlatLayout flat =
      zero::deepspeed_flat(element_counts(object["shapes"]), ranks, object["round_robin_gradients"].flag());
  Json order = Json::array(), per_rank = Json::array();
  for (const FlatEntry& entry : flat.entries()) order.push_back(entry.tensor);
  Index part = 0, padding = 0;
  for (Index k = 0; k < ranks.size(); ++k) {
    const Place place = ranks.view().place(k);
    const Shard here = shard(flat.buffer(), place);
    part = here.elements();
    padding += here.padding();
    Json slices = Json::array(), parameters = Json::array();
    Index first_offset = 0;
    flat.for_each_slice(place, [&](const FlatSlice& slice) {
      if (slices.empty()) first_offset = slice.range.begin;
      parameters.push_back(slice.tensor);
      slices.push_back({slice.tensor, slice.range.begin, slice.range.size(), slice.local});
    });
    per_rank.push_back({{"range", {k * part, (k + 1) * part}},
                        {"padding", here.padding()},
                        {"params_in_partition", parameters},
                        {"first_offset", first_offset},
                        {"slices", slices}});
  }
  object.expect("order_in_flat", order);
  object.expect("alignment_elements", 2 * ranks.size());
  object.expect("partition_size", part);
  object.expect("flat_numel", part * ranks.size());
  object.expect("pad_elements", padding);
  object.expect("per_rank", per_rank);
}

void check_megatron(const Field& object) {
  const zero::DataRanks ranks(object["dp"].number());
  std::vector<zero::MegatronParameter> parameters;
  for (const Index count : element_counts(object["shapes"])) parameters.push_back({count});
  for (const Index shared : object["shared_embedding_params"].numbers())
    parameters.at(static_cast<std::size_t>(shared)).shared_embedding = true;
  const zero::MegatronBuffer buffer(parameters, ranks,
                                    {.bucket_size = optional<Index>(object, "bucket_size"),
                                     .pad_for_bus_bandwidth = object["pad_buckets_for_high_nccl_busbw"].flag()});
  Json index_map = Json::array(), buckets = Json::array(), unpadded = Json::array(), per_rank = Json::array();
  for (const FlatEntry& entry : buffer.flat().entries())
    index_map.push_back({entry.tensor, entry.offset, entry.offset + entry.elements, buffer.bucket_of(entry.offset)});
  for (const auto& bucket : buffer.buckets()) {
    buckets.push_back({bucket.range.begin, bucket.range.end});
    unpadded.push_back(bucket.unpadded);
  }
  for (Index k = 0; k < ranks.size(); ++k) {
    Json rows = Json::array();
    buffer.flat().for_each_slice(ranks.view().place(k), [&](const FlatSlice& slice) {
      const Index local = buffer.local_in_bucket(slice), count = slice.range.size();
      rows.push_back({buffer.bucket_of(slice.buffer), slice.tensor, slice.range.begin, slice.range.end, slice.buffer,
                      slice.buffer + count, local, local + count});
    });
    per_rank.push_back(rows);
  }
  object.expect("param_index_map", index_map);
  object.expect("buckets", buckets);
  object.expect("numel_unpadded", unpadded);
  object.expect("per_rank", per_rank);
}

void check_greedy(const Field& object) {
  std::vector<std::vector<Index>> groups;
  for (const Field& group : object["param_groups"].elements()) groups.push_back(element_counts(group));
  const Index world = object["world"].number();
  const zero::Keepers keepers = zero::greedy(groups, world);
  Json per_rank(static_cast<std::size_t>(world), Json(groups.size(), Json::array()));
  for (const zero::Keeper& one : keepers.order)
    per_rank[static_cast<std::size_t>(one.rank)][static_cast<std::size_t>(one.group)].push_back(one.parameter);
  object.expect("params_per_rank", per_rank);
  object.expect("elements_per_rank", keepers.elements);
}

struct ZeroKind {
  std::string_view name;
  void (*check)(const Field& object);
};
constexpr ZeroKind zero_kind_table[] = {
    {"torch_xla_shards", check_rows},
    {"nxd_zero1_groups", check_groups},
    {"torch_xla_coalescing", check_coalescing},
    {"nxd_allreduce_buckets", check_all_reduce},
    {"nxd_trainer_zero1_options", check_trainer},
    {"deepspeed_flat", check_deepspeed},
    {"megatron_buffer", check_megatron},
    {"torch_zero_redundancy_greedy", check_greedy},
};

const ZeroKind* find_kind(const Json& object) {
  for (const ZeroKind& kind : zero_kind_table)
    if (is(object, "kind", kind.name)) return &kind;
  return nullptr;
}

void check_zero(const Field& object) {
  object["kind"].text();
  find_kind(object.json())->check(object);
}

}  // namespace

Kinds zero_kinds() {
  return {{"ZeRO", Kind::Scope::element, [](const Json& object, const Json&) { return find_kind(object) != nullptr; },
           check_zero}};
}

}  // namespace conformance
