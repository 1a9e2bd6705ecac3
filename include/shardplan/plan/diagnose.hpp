#pragma once
#include <optional>

#include <shardplan/core/dialect.hpp>
#include <shardplan/mesh/nxd.hpp>
#include <shardplan/model/model.hpp>
#include <shardplan/pipeline/nxd.hpp>
#include <shardplan/plan/strategy.hpp>
#include <shardplan/plan/training.hpp>
#include <shardplan/tensor/weight.hpp>
#include <shardplan/zero/groups.hpp>

/// Everything that is wrong or odd about a job, at once, before anything is laid out (config sheet, section 4).
namespace shardplan {

constexpr Degrees degrees(const Strategy& s) { return {s.tensor, s.pipeline, s.context, s.expert}; }

/// What the tensor planner takes from a job. NxD replicates K and V only in its GQA layer; strict does it wherever asked.
constexpr tensor::Options tensor_options(const Architecture& a, const Strategy& s, const World& world, const Dialect& dialect) {
  const bool replicates = a.family != Family::megatron && (a.qkv_linear || !dialect.nxd_limits);
  return {replicates ? s.kv_replicator : 1, world.hardware, dialect};
}

namespace detail {

/// Collects findings of the form "this number is not a multiple of that one".
class Rules {
 public:
  explicit Rules(Diagnostics& out) : out_(out) {}

  void add(std::string_view id, std::string message, std::string hint, Keys keys) {
    out_.push_back(finding(id, std::move(message), std::move(hint), keys));
  }

  struct Number {
    std::string_view label;
    Index value;
    std::string key;
  };
  /// `whole` must be a multiple of `part`; the hint names the divisors of `whole` next to `part`.
  void divides(std::string_view id, const Number& whole, const Number& part) {
    if (part.value < 1 || whole.value % part.value == 0) return;
    const Neighbours near = nearest_divisors(whole.value, part.value);
    add(id, concat(whole.label, " (", whole.value, ") is not a multiple of ", part.label, " (", part.value, ')'),
        concat(part.label, ' ', near.below, near.above != near.below ? concat(" or ", near.above) : std::string(), ", or ", whole.label, ' ',
               whole.value / part.value > 0 ? concat(whole.value / part.value * part.value, " or ") : std::string(),
               (whole.value / part.value + 1) * part.value),
        {whole.key, part.key});
  }

 private:
  Diagnostics& out_;
};

}  // namespace detail

/// Which layers every stage holds: evenly, or up to the modules that the strategy names; a layer is called by the path
/// that the names of its parameters begin with. Errors SP-PIPELINE-001, -008, R16.
template <class Registry>
Partition partition_layers(const Registry& parameters, const Strategy& s) {
  std::vector<std::string> names;
  for (const auto& parameter : parameters) {
    const Owner held = owner(parameter);
    if (held.kind != Owner::Kind::layer) continue;
    const auto layer = static_cast<std::size_t>(held.layer.value);
    if (layer >= names.size()) names.resize(layer + 1);
    if (!names[layer].empty()) continue;
    // "model.layers.3.mlp.up.weight" of layer 3: the layer is "model.layers.3".
    const auto& own_name = name(parameter);  // kept: a host may answer with a string of its own
    const std::string_view path = own_name;
    const std::string number = concat('.', held.layer, '.');
    const std::size_t at = path.find(number);
    names[layer] = path.substr(0, at == path.npos ? at : at + number.size() - 1);
  }
  if (s.pipeline_cuts.empty()) return pipeline::even(static_cast<Index>(names.size()), s.pipeline, s.virtual_pipeline);
  try {
    return pipeline::cut_after(names, s.pipeline_cuts, s.pipeline, s.virtual_pipeline);
  } catch (const Error& error) {
    Diagnostics all = error.diagnostics();
    for (Diagnostic& one : all) one.id = rule("R16").id;
    if (static_cast<Index>(s.pipeline_cuts.size()) + 1 != s.pipeline * s.virtual_pipeline)  // the first is about their number
      for (const char* key : {"pipeline", "virtual_pipeline"}) all[0].origins.push_back({key, {}, 0, 0});
    throw Error(std::move(all));
  }
}

namespace detail {

template <class Registry>
Diagnostics cut_findings(const Registry& parameters, const Strategy& s) {
  try {
    partition_layers(parameters, s);
    return {};
  } catch (const Error& error) {
    return error.diagnostics();
  }
}

}  // namespace detail

/// Findings of a model on a strategy: rules R5, R7, R9 to R14, R16, R30 and R35. A model without parameters is taken for
/// one that its architecture does not allow to build: its cuts are not looked at.
inline Diagnostics diagnose(const Model& model, const Strategy& s, const World& world, const Dialect& dialect) {
  Diagnostics out;
  detail::Rules rules(out);
  const Architecture& a = model.architecture;
  const bool hf = a.family != Family::megatron;
  const Index t = s.tensor, kv = a.key_value_heads(), copies = tensor_options(a, s, world, dialect).kv_replicator;

  rules.divides("R5", {"num_attention_heads", a.heads, "heads"}, {"tensor size", t, "tensor"});
  if (hf) {
    rules.divides("R7", {"tensor size", t, "tensor"}, {"kv_replicator", copies, "kv_replicator"});
    if (copies < 1)
      rules.add("R7", concat("kv_replicator is ", copies), "at least 1", {"kv_replicator"});
    else if (checked_mul(kv, copies) % t != 0)
      rules.add("R7", concat("KV heads (", kv, ") x kv_replicator (", copies, ") = ", kv * copies, " is not a multiple of tensor size (", t, ')'),
                concat("kv_replicator ", t / gcd(t, kv), a.qkv_linear || copies > 1 ? "" : " with qkv_linear, or a tensor size that divides ",
                       a.qkv_linear || copies > 1 ? std::string() : concat(kv)),
                {"kv_replicator", "kv_heads", "tensor"});
    if (s.kv_replicator > 1 && !a.qkv_linear)
      rules.add("SP-TENSOR-006", concat("kv_replicator ", s.kv_replicator, " without qkv_linear: NxDT keeps separate K and V layers and does not replicate them"),
                "qkv_linear: true", {"kv_replicator", "qkv_linear"});
    if (a.vocabulary_multiple == 0) rules.divides("R11", {"vocabulary", a.vocab, "vocab"}, {"tensor size", t, "tensor"});
  } else {
    if (kv != a.heads) rules.divides("R9", {"num_kv_heads", kv, "kv_heads"}, {"tensor size", t, "tensor"});
    rules.divides("R12", {"num_layers", a.layers, "layers"}, {"pipeline size", s.pipeline, "pipeline"});
    if (s.virtual_pipeline > 1 && s.pipeline > 0 && a.layers % s.pipeline == 0)
      rules.divides("R13", {"layers per pipeline rank", a.layers / s.pipeline, "layers"}, {"virtual pipeline size", s.virtual_pipeline, "virtual_pipeline"});
  }
  rules.divides("R10", {"ffn width", a.ffn, "ffn"}, {"tensor size", t, "tensor"});
  if (a.experts > 0) rules.divides("SP-TENSOR-002", {"experts", a.experts, "experts"}, {"expert size", s.expert, "expert"});
  if (s.expert > 1 && a.experts < 1)
    rules.add("SP-TENSOR-002", concat("expert size ", s.expert, " for a model without experts"), "expert size 1", {"expert", "experts"});
  if (checked_mul(s.pipeline, s.virtual_pipeline) > a.layers)
    rules.add("R14", concat(a.layers, " layers for ", s.pipeline * s.virtual_pipeline, " stages (pipeline ", s.pipeline, " x virtual ", s.virtual_pipeline, ')'),
              concat("at least ", s.pipeline * s.virtual_pipeline, " layers, or at most ", a.layers, " stages"), {"layers", "pipeline", "virtual_pipeline"});
  else if (!s.pipeline_cuts.empty() && !model.parameters.empty())
    for (const Diagnostic& one : detail::cut_findings(model.parameters, s)) out.push_back(one);
  if (a.tied_embeddings && s.pipeline > 1)
    rules.add("R30", concat("tied embeddings on ", s.pipeline, " pipeline stages: NxDT fails in the first backward pass"), "pipeline size 1, or untied embeddings",
              {"tied_embeddings", "pipeline"});
  const bool spread = rank_order(world, t) == RankOrder::spread;
  if (s.expert > 1 && (world.hardware == Hardware::trn2 || spread))
    rules.add("R35", concat("NxD has no expert parallelism (size ", s.expert, ") on ", name(world.hardware), spread ? " with tensor size 4" : ""),
              spread ? "another tensor size, or expert size 1" : "expert size 1", {"expert", spread ? "tensor" : "hardware"});
  return out;
}

/// Findings of the batch on a strategy: R4, R15, R19, R20, R29. Sizes that are not known (0) break no rule.
inline Diagnostics diagnose(const Training& training, const Strategy& s, const World& world, const Dialect& dialect) {
  Diagnostics out;
  detail::Rules rules(out);
  const Degrees d = dialect.clamp_degrees ? clamped(degrees(s), world.ranks) : degrees(s);
  const Index data = world.ranks / (d.tensor * d.pipeline * d.context);
  if (training.global_batch > 0) {
    const Index step = checked_mul(training.micro_batch, data);
    if (training.global_batch % step != 0)
      rules.add("R4", concat("global batch (", training.global_batch, ") is not a multiple of micro batch (", training.micro_batch, ") x data-parallel size (", data, ')'),
                concat(training.global_batch >= step ? concat(training.global_batch / step * step, " or ") : std::string(), (training.global_batch / step + 1) * step),
                {"global_batch", "micro_batch"});
    const Index microbatches = training.global_batch / step;
    if (s.virtual_pipeline > 1 && microbatches % s.pipeline != 0)
      rules.add("R15", concat("micro-batches per step (", microbatches, ") are not a multiple of the pipeline size (", s.pipeline, "), which interleaving needs"),
                concat("global batch ", microbatches >= s.pipeline ? concat(microbatches / s.pipeline * s.pipeline * step, " or ") : std::string(),
                       (microbatches / s.pipeline + 1) * s.pipeline * step),
                {"global_batch", "pipeline", "virtual_pipeline"});
  }
  if (training.sequence > 0) {
    rules.divides("R19", {"sequence length", training.sequence, "sequence"}, {"context size", s.context, "context"});
    if (s.sequence_parallel && s.context > 0 && training.sequence % s.context == 0)
      rules.divides("R20", {"sequence of a context rank", training.sequence / s.context, "sequence"}, {"tensor size", s.tensor, "tensor"});
  }
  if (s.token_shuffle < 1 || data % s.token_shuffle != 0)
    rules.add("R29", concat("token_shuffle_group_size (", s.token_shuffle, ") does not divide the data-parallel size (", data, ')'),
              concat(nearest_divisors(data, s.token_shuffle).below, " or ", nearest_divisors(data, s.token_shuffle).above), {"token_shuffle"});
  return out;
}

/// Where NxD and NxDT are silently wrong for this job: strict lays out the right thing, compat what they do (NxD mesh and
/// tensor sheet, 7.1). Pre: the mesh can be made.
inline Diagnostics differences(const Architecture& a, const Strategy& s, const Mesh& mesh) {
  Diagnostics out;
  detail::Rules rules(out);
  const bool ring = mesh.order() == RankOrder::ring;
  const bool copies = a.family != Family::megatron && s.kv_replicator > 1;
  if (copies && mesh.world().hardware == Hardware::trn2)
    rules.add("SP-TENSOR-006", concat("NxD on trn2 repeats each K/V row ", s.kv_replicator, " times instead of each head, yet sums gradients as if copies were equal"),
              "strict repeats whole heads", {"kv_replicator"});
  else if (copies && a.qkv_linear)
    rules.add("SP-TENSOR-006", "NxD cuts queries in their natural order although K/V heads are interleaved: a model trained from scratch pairs heads unlike Hugging Face",
              "strict cuts queries with their KV head, as NxD's converter does", {"kv_replicator", "qkv_linear"});
  if (ring && s.context > 1)
    rules.add("SP-MESH-012", "on the trn2 ring NxD gives ranks of one tensor group different context ranks, so they read different slices", "strict counts places in the listed group",
              {"context"});
  if (ring && mesh.data() > 1 && (!s.zero1 || s.expert > 1))
    rules.add("SP-MESH-012", "on the trn2 ring NxD's expert and expert-data groups mix tensor positions", "strict keeps them apart", {"expert", "zero1"});
  if (copies && mesh.order() == RankOrder::spread)
    rules.add("SP-MESH-012", "with tensor size 4 on trn1 NxD's KV groups cross tensor groups", "strict keeps them inside", {"kv_replicator"});
  if (mesh.dialect().nxd_limits && s.pipeline > 1 && s.pipeline % 2 != 0)
    rules.add("SP-MESH-010", concat("NxD cannot start an odd pipeline size (", s.pipeline, "): stage 0 finds no pair to receive from"), concat(s.pipeline - 1, " or ", s.pipeline + 1),
              {"pipeline"});
  if (s.zero1)
    for (const Diagnostic& one : zero::diagnose(mesh)) out.push_back(one);
  return out;
}

namespace detail {

/// All findings about a job; without a model those that do not depend on one.
inline Diagnostics diagnose_job(const Model* model, const Strategy& s, const World& world, const Training& training, const Dialect& dialect) {
  const Diagnostics of_mesh = diagnose(world, degrees(s), dialect);
  const Diagnostics of_sizes = model != nullptr ? diagnose(model->architecture) : Diagnostics{};
  Diagnostics out = of_mesh;
  const auto add = [&out](const Diagnostics& more) { append(out, more); };
  add(of_sizes);
  const auto in_range = [&out](const char* key, Index value, std::optional<Index> least) {
    if (least && value < *least) out.push_back(finding("SP-MESH-001", concat(key, " is ", value), concat("at least ", *least), {key}));
    if (value > largest_size) out.push_back(finding("SP-PLAN-006", concat(key, " is ", value), concat("at most ", largest_size), {key}));
  };
  in_range("tensor", s.tensor, std::nullopt);  // the mesh has looked at the least of these four
  in_range("pipeline", s.pipeline, std::nullopt);
  in_range("context", s.context, std::nullopt);
  in_range("expert", s.expert, std::nullopt);
  in_range("virtual_pipeline", s.virtual_pipeline, 1);
  in_range("kv_replicator", s.kv_replicator, std::nullopt);  // R7
  in_range("token_shuffle", s.token_shuffle, std::nullopt);  // R29
  in_range("micro_batch", training.micro_batch, 1);
  in_range("global_batch", training.global_batch, 0);
  in_range("sequence", training.sequence, 0);
  for (const Diagnostic& one : out)  // every other rule divides by these numbers, or multiplies them
    if (one.id == "SP-MESH-001" || one.id == "SP-PLAN-006") return out;
  bool sized = true;
  for (const Diagnostic& one : of_sizes) sized = sized && one.id != "SP-MODEL-002" && one.id != "SP-MODEL-005";
  if (model != nullptr && sized) add(diagnose(*model, s, world, dialect));
  if (!has_errors(of_mesh)) {
    add(diagnose(training, s, world, dialect));
    if (model != nullptr) add(differences(model->architecture, s, Mesh(world, degrees(s), dialect)));
  }
  return out;
}

}  // namespace detail

/// All findings about a job, errors and warnings, in one go; never throws for bad input. A plan can be made exactly when
/// none of them is an error, unless a host's own registry brings weights that do not divide.
inline Diagnostics diagnose(const Model& model, const Strategy& s, const World& world, const Training& training = {}, const Dialect& dialect = strict) {
  return detail::diagnose_job(&model, s, world, training, dialect);
}

/// The findings that do not depend on the model, where it is not known.
inline Diagnostics diagnose(const Strategy& s, const World& world, const Training& training, const Dialect& dialect) {
  return detail::diagnose_job(nullptr, s, world, training, dialect);
}

}  // namespace shardplan
