#pragma once

#include <shardplan/core/dialect.hpp>
#include <shardplan/mesh/differences.hpp>
#include <shardplan/model/model.hpp>
#include <shardplan/pipeline/nxd.hpp>
#include <shardplan/plan/detail/gradient_findings.hpp>
#include <shardplan/plan/strategy.hpp>
#include <shardplan/plan/training.hpp>
#include <shardplan/tensor/weight.hpp>
#include <shardplan/zero/groups.hpp>

/// Everything that is wrong or odd about a job, at once, before anything is laid out (config sheet, section 4).
namespace shardplan {

constexpr Degrees degrees(const Strategy& s) { return {s.tensor, s.pipeline, s.context, s.expert}; }

/// The strategy with the degrees that its mesh ends up with, which compat reduces to the world as NxD does.
inline Strategy arranged(Strategy s, const World& world, const Dialect& dialect) {
  if (!dialect.clamp_degrees) return s;
  const Degrees d = clamped(degrees(s), world.ranks);
  s.tensor = d.tensor, s.pipeline = d.pipeline, s.context = d.context, s.expert = d.expert;
  return s;
}

/// What the tensor planner takes from a job. NxD replicates K and V only in its GQA layer; strict does it wherever
/// asked.
constexpr tensor::Options tensor_options(const Architecture& a, const Strategy& s, const World& world,
                                         const Dialect& dialect) {
  const bool replicates = a.family != Family::megatron && (a.qkv_linear || !dialect.layer_faults);
  return {replicates ? s.kv_replicator : 1, world.hardware, dialect};
}

namespace detail {

/// Collects findings about numbers, with hints that keep the world a multiple of its degrees.
class Rules {
 public:
  Rules(Diagnostics& out, const Strategy& s, const World& world)
      : out_(out), degrees_(degrees(s)), ranks_(world.ranks) {}

  void add(std::string_view id, std::string_view message, std::string_view hint, Keys keys) {
    out_.push_back(finding(id, message, hint, keys));
  }

  struct Number {
    std::string_view label;
    Index value;
    std::string_view key;
  };
  /// `whole` must be a multiple of `part`; the hint names the divisors of `whole` next to `part`, and the multiples of
  /// `part` next to `whole`, that would do.
  void divides(std::string_view id, const Number& whole, const Number& part) {
    if (part.value < 1 || whole.value % part.value == 0) return;
    Index below = 0, above = 0;
    for (Index low = 1; low * low <= whole.value; ++low) {
      if (whole.value % low != 0) continue;
      for (const Index divisor : {low, whole.value / low}) {
        if (!fits(part.key, divisor)) continue;
        if (divisor < part.value && divisor > below) below = divisor;
        if (divisor > part.value && (above == 0 || divisor < above)) above = divisor;
      }
    }
    Index fewer = whole.value / part.value * part.value, more = round_up(whole.value, part.value);
    while (fewer > 0 && !fits(whole.key, fewer)) fewer -= part.value;
    while (more <= ranks_ && !fits(whole.key, more)) more += part.value;
    if (!fits(whole.key, more)) more = 0;
    const std::string parts = either(below, above), wholes = either(fewer, more);
    add(id, concat(whole.label, " (", whole.value, ") is not a multiple of ", part.label, " (", part.value, ')'),
        concat(parts.empty() ? "" : concat(part.label, ' ', parts), parts.empty() || wholes.empty() ? "" : ", or ",
               wholes.empty() ? "" : concat(whole.label, ' ', wholes)),
        {whole.key, part.key});
  }

 private:
  /// Whether the world stays a multiple of its degrees where one of them, if `key` is one, has this value.
  bool fits(std::string_view key, Index value) const {
    Degrees d = degrees_;
    if (key == "tensor") d.tensor = value;
    if (key == "pipeline") d.pipeline = value;
    if (key == "context") d.context = value;
    if (key == "expert") d.expert = value;
    return d == degrees_ || (ranks_ % checked_mul(checked_mul(d.tensor, d.pipeline), d.context) == 0 &&
                             ranks_ % checked_mul(checked_mul(d.tensor, d.pipeline), d.expert) == 0);
  }
  /// `4 or 8`, or the one of them that is positive; empty where none is.
  static std::string either(Index a, Index b) {
    if (a > 0 && b > 0) return concat(a, " or ", b);
    return a + b > 0 ? concat(a + b) : std::string();
  }

  Diagnostics& out_;
  Degrees degrees_;
  Index ranks_;
};

}  // namespace detail

/// Which layers every stage holds: evenly, or up to the modules that the strategy names; a layer is called by the path
/// that the names of its parameters begin with. Errors SP-PIPELINE-001, -008, SP-PLAN-002, R16.
template <class Registry>
Partition partition_layers(const Registry& parameters, const Strategy& s) {
  Names names;
  for (const auto& parameter : parameters) {
    const Owner held = owner(parameter);
    if (held.kind != Owner::Kind::layer) continue;
    if (held.layer.value < 0 || held.layer.value >= most_layers)
      fail("SP-PLAN-002", concat("a parameter belongs to layer ", held.layer), concat("layers 0 to ", most_layers - 1),
           {"parameters"});
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
  if (names.empty() && s.pipeline * s.virtual_pipeline == 1) return {};
  if (s.pipeline_cuts.empty()) return pipeline::even(static_cast<Index>(names.size()), s.pipeline, s.virtual_pipeline);
  try {
    return pipeline::cut_after(names, s.pipeline_cuts, s.pipeline, s.virtual_pipeline);
  } catch (const Error& error) {
    Diagnostics all = error.diagnostics();
    for (Diagnostic& one : all) one.id = rule("R16").id;
    if (static_cast<Index>(s.pipeline_cuts.size()) + 1 !=
        s.pipeline * s.virtual_pipeline)  // the first is about their number
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

/// Findings of a model on a strategy: rules R5, R7, R9 to R14, R16, R30 and R35, and those of its attention. A model
/// without parameters is taken for one that its architecture does not allow to build: its cuts are not looked at.
/// Pre: sizes and degrees are in range.
inline Diagnostics diagnose(const Model& model, const Strategy& s, const World& world, const Dialect& dialect) {
  Diagnostics out;
  detail::Rules rules(out, s, world);
  const Architecture& a = model.architecture;
  const bool hf = a.family != Family::megatron;
  const Index t = s.tensor, kv = a.key_value_heads();
  const tensor::Options options = tensor_options(a, s, world, dialect);

  rules.divides("R5", {"num_attention_heads", a.heads, "heads"}, {"tensor size", t, "tensor"});
  if (hf) {
    if (a.heads % kv == 0 && a.head_size() > 0)  // elsewhere the architecture is at fault
      for (Diagnostic& one : tensor::diagnose("attention", {a.heads, kv, a.head_size()}, t, options))
        if (a.heads % t == 0 || one.id != "SP-TENSOR-008")
          out.push_back(std::move(one));  // R5 has said it in simpler words
    if (s.kv_replicator > 1 && !a.qkv_linear)
      rules.add("SP-TENSOR-006",
                concat("kv_replicator ", s.kv_replicator,
                       " without qkv_linear: NxDT keeps separate K and V layers and does not replicate them"),
                "qkv_linear: true", {"kv_replicator", "qkv_linear"});
    if (a.vocabulary_multiple == 0)
      rules.divides("R11", {"vocabulary", a.vocab, "vocab"}, {"tensor size", t, "tensor"});
  } else {
    if (kv != a.heads) rules.divides("R9", {"num_kv_heads", kv, "kv_heads"}, {"tensor size", t, "tensor"});
    rules.divides("R12", {"num_layers", a.layers, "layers"}, {"pipeline size", s.pipeline, "pipeline"});
    if (s.virtual_pipeline > 1 && a.layers % s.pipeline == 0)
      rules.divides("R13", {"layers per pipeline rank", a.layers / s.pipeline, "layers"},
                    {"virtual pipeline size", s.virtual_pipeline, "virtual_pipeline"});
  }
  rules.divides("R10", {"ffn width", a.ffn, "ffn"}, {"tensor size", t, "tensor"});
  if (a.experts > 0)
    rules.divides("SP-TENSOR-002", {"experts", a.experts, "experts"}, {"expert size", s.expert, "expert"});
  if (s.expert > 1 && a.experts < 1)
    rules.add("SP-TENSOR-002", concat("expert size ", s.expert, " for a model without experts"), "expert size 1",
              {"expert", "experts"});
  if (checked_mul(s.pipeline, s.virtual_pipeline) > a.layers)
    rules.add("R14",
              concat(a.layers, " layers for ", s.pipeline * s.virtual_pipeline, " stages (pipeline ", s.pipeline,
                     " x virtual ", s.virtual_pipeline, ')'),
              concat("at least ", s.pipeline * s.virtual_pipeline, " layers, or at most ", a.layers, " stages"),
              {"layers", "pipeline", "virtual_pipeline"});
  else if (!s.pipeline_cuts.empty() && !model.parameters.empty())
    for (const Diagnostic& one : detail::cut_findings(model.parameters, s)) out.push_back(one);
  if (a.tied_embeddings && s.pipeline > 1)
    rules.add("R30",
              concat("tied embeddings on ", s.pipeline, " pipeline stages: NxDT fails in the first backward pass"),
              "pipeline size 1, or untied embeddings", {"tied_embeddings", "pipeline"});
  if (s.expert > 1 && a.experts > 0 && dialect.nxd_limits)
    rules.add("SP-MESH-010", concat("NxD cannot construct a model with experts on expert size ", s.expert),
              "expert size 1, or the strict dialect", {"expert"});
  const bool spread = rank_order(world, t) == RankOrder::spread;
  if (s.expert > 1 && (world.hardware == Hardware::trn2 || spread))
    rules.add("R35",
              concat("NxD has no expert parallelism (size ", s.expert, ") on ", name(world.hardware),
                     spread ? " with tensor size 4" : ""),
              spread ? "another tensor size, or expert size 1" : "expert size 1",
              {"expert", spread ? "tensor" : "hardware"});
  return out;
}

/// What keeps a weight of a registry from being cut over a mesh, told once for weights that are cut alike.
template <class Registry>
Diagnostics diagnose_weights(const Registry& parameters, const Mesh& mesh, const tensor::Options& options) {
  Diagnostics out;
  InlineVector<std::size_t, 16> seen;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& p = parameters[i];
    bool known = false;
    for (const std::size_t other : seen)
      known = known || (sharding(parameters[other]) == sharding(p) && shape(parameters[other]) == shape(p));
    if (known) continue;
    seen.push_back(i);
    out.append(
        tensor::diagnose(name(p), sharding(p), shape(p), sharding(p).expert ? mesh.expert() : mesh.dense(), options));
  }
  return out;
}

/// Where gradients of a registry are not the mean over all data, where copies of a weight drift apart, and what the
/// gradient norm does not count once: nothing in the strict dialect. Each kind of fault once, with its factor.
/// Ids SP-PLAN-007, -008, -009. O(parameters). Pre: the weights can be laid out.
template <class Registry>
Diagnostics diagnose_gradients(const Registry& parameters, const Strategy& s, const Mesh& mesh,
                               const tensor::Options& options) {
  detail::GradientFindings out(mesh, s, options);
  const Degrees& degrees = mesh.degrees();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& p = parameters[i];
    out.add(name(p), sharding(p), parallel_attributes(p, degrees.tensor, degrees.expert, s.sequence_parallel),
            owner(p).kind == Owner::Kind::first_and_last);
  }
  return out.take();
}

/// Findings of the batch on a strategy: R4, R15, R19, R20, R29. Sizes that are not known (0) break no rule.
inline Diagnostics diagnose(const Training& training, const Strategy& s, const Mesh& mesh) {
  const World& world = mesh.world();
  Diagnostics out;
  detail::Rules rules(out, s, world);
  const Index data = mesh.data();
  if (training.global_batch > 0) {
    const Index step = checked_mul(training.micro_batch, data);
    if (training.global_batch % step != 0)
      rules.add("R4",
                concat("global batch (", training.global_batch, ") is not a multiple of micro batch (",
                       training.micro_batch, ") x data-parallel size (", data, ')'),
                multiples_near(training.global_batch, step), {"global_batch", "micro_batch"});
    const Index microbatches = training.global_batch / step;
    if (s.virtual_pipeline > 1 && microbatches % s.pipeline != 0)
      rules.add("R15",
                concat("micro-batches per step (", microbatches, ") are not a multiple of the pipeline size (",
                       s.pipeline, "), which interleaving needs"),
                concat("global batch ", multiples_near(training.global_batch, s.pipeline * step)),
                {"global_batch", "pipeline", "virtual_pipeline"});
  }
  if (training.sequence > 0) {
    rules.divides("R19", {"sequence length", training.sequence, "sequence"}, {"context size", s.context, "context"});
    if (s.sequence_parallel && s.context > 0 && training.sequence % s.context == 0)
      rules.divides("R20", {"sequence of a context rank", training.sequence / s.context, "sequence"},
                    {"tensor size", s.tensor, "tensor"});
  }
  if (s.token_shuffle != 1) out.append(mesh.diagnose_token_shuffle(s.token_shuffle));
  return out;
}

/// Where NxD and NxDT are silently wrong for this job: strict lays out the right thing, compat what they do (NxD mesh
/// and tensor sheet, 7.1). Pre: the mesh can be made.
inline Diagnostics differences(const Architecture& a, const Strategy& s, const Mesh& mesh) {
  Diagnostics out;
  detail::Rules rules(out, s, mesh.world());
  // Without its GQA layer NxD replicates nothing, and R7 and SP-TENSOR-006 have said so.
  const bool copies = a.family != Family::megatron && a.qkv_linear && s.kv_replicator > 1;
  if (copies && mesh.world().hardware == Hardware::trn2)
    rules.add("SP-TENSOR-006",
              concat("NxD on trn2 repeats each K/V row ", s.kv_replicator,
                     " times instead of each head, yet sums gradients as if copies were equal"),
              "strict repeats whole heads", {"kv_replicator"});
  else if (copies)
    rules.add("SP-TENSOR-006",
              "NxD cuts queries in their natural order although K/V heads are interleaved: a model trained from "
              "scratch pairs heads unlike Hugging Face",
              "strict cuts queries with their KV head, as NxD's converter does", {"kv_replicator", "qkv_linear"});
  out.append(group_differences(mesh, s.zero1, copies ? s.kv_replicator : 1, s.token_shuffle));
  if (mesh.dialect().nxd_limits && s.pipeline > 1 && s.pipeline % 2 != 0)
    rules.add("SP-MESH-010",
              concat("NxD cannot start an odd pipeline size (", s.pipeline, "): stage 0 finds no pair to receive from"),
              concat(s.pipeline - 1, " or ", s.pipeline + 1), {"pipeline"});
  if (s.zero1) out.append(zero::diagnose(mesh));
  return out;
}

namespace detail {

/// All findings about a job; without a model those that do not depend on one.
inline Diagnostics diagnose_job(const Model* model, const Strategy& asked, const World& world, const Training& training,
                                const Dialect& dialect) {
  const Diagnostics of_mesh = diagnose(world, degrees(asked), dialect);
  const Diagnostics of_sizes = model != nullptr ? diagnose(model->architecture) : Diagnostics{};
  Diagnostics out = of_mesh;
  out.append(of_sizes);
  const auto at_most = [&out](const char* key, Index value) {
    if (value > largest_size)
      out.push_back(finding("SP-PLAN-006", concat(key, " is ", value), concat("at most ", largest_size), {key}));
  };
  const auto in_range = [&](const char* key, Index value, Index least) {
    if (value < least)
      out.push_back(finding("SP-MESH-001", concat(key, " is ", value), concat("at least ", least), {key}));
    at_most(key, value);
  };
  at_most("tensor", asked.tensor);  // the mesh has looked at the least of these four, R7 and R29 do at that of two more
  at_most("pipeline", asked.pipeline);
  at_most("context", asked.context);
  at_most("expert", asked.expert);
  at_most("kv_replicator", asked.kv_replicator);
  at_most("token_shuffle", asked.token_shuffle);
  in_range("virtual_pipeline", asked.virtual_pipeline, 1);
  in_range("micro_batch", training.micro_batch, 1);
  in_range("global_batch", training.global_batch, 0);
  in_range("sequence", training.sequence, 0);
  for (const Diagnostic& one : out)  // every other rule divides by these numbers, or multiplies them
    if (one.id == "SP-MESH-001" || one.id == "SP-PLAN-006") return out;
  const Strategy s = arranged(asked, world, dialect);
  bool sized = model != nullptr;
  for (const Diagnostic& one : of_sizes) sized = sized && one.id != "SP-MODEL-002" && one.id != "SP-MODEL-005";
  if (sized) out.append(diagnose(*model, s, world, dialect));
  if (has_errors(of_mesh)) return out;
  const Mesh mesh(world, degrees(s), dialect);
  out.append(diagnose(training, s, mesh));
  if (model == nullptr) return out;
  out.append(differences(model->architecture, s, mesh));
  // The rules so far speak of a model's sizes; what they do not cover is told weight by weight.
  const tensor::Options options = tensor_options(model->architecture, s, world, dialect);
  if (!has_errors(out)) out.append(diagnose_weights(model->parameters, mesh, options));
  if (!has_errors(out)) out.append(diagnose_gradients(model->parameters, s, mesh, options));
  return out;
}

}  // namespace detail

/// All findings about a job, errors and warnings, in one go; never throws for bad input. A plan can be made exactly
/// when none of them is an error.
inline Diagnostics diagnose(const Model& model, const Strategy& s, const World& world, const Training& training = {},
                            const Dialect& dialect = strict) {
  return detail::diagnose_job(&model, s, world, training, dialect);
}

/// All findings about a host's own registry: those that do not depend on a model, SP-PLAN-002 for one without
/// parameters, and weights that do not divide (SP-TENSOR-*, R7).
template <class Registry>
Diagnostics diagnose_registry(const Registry& parameters, const Strategy& s, const World& world,
                              const Training& training = {}, const Dialect& dialect = strict) {
  Diagnostics out = detail::diagnose_job(nullptr, s, world, training, dialect);
  if (parameters.size() == 0) out.push_back(finding("SP-PLAN-002", "a plan without parameters", "at least one"));
  if (has_errors(out)) return out;
  const Mesh mesh(world, degrees(s), dialect);
  const tensor::Options options{s.kv_replicator, world.hardware, dialect};
  out.append(diagnose_weights(parameters, mesh, options));
  if (!has_errors(out)) out.append(diagnose_gradients(parameters, s, mesh, options));
  return out;
}

/// The findings that do not depend on the model, where it is not known.
inline Diagnostics diagnose(const Strategy& s, const World& world, const Training& training, const Dialect& dialect) {
  return detail::diagnose_job(nullptr, s, world, training, dialect);
}

}  // namespace shardplan
