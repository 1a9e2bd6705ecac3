#pragma once
#include <shardplan/model/model.hpp>

namespace shardplan::detail {

using PartList = InlineVector<Part, 3>;

/// A model under construction: the layers that the families share, each adding its parameters in constructor order
/// (NxD mesh sheet, 2.3). Weights are [out, in], those of experts [expert, in, out].
class Assembly {
 public:
  /// Errors: all findings of `diagnose`.
  explicit Assembly(const Architecture& architecture)
      : model_{std::string{name(architecture.family)}, architecture, {}} {
    if (Diagnostics findings = diagnose(architecture); has_errors(findings)) throw Error(std::move(findings));
  }

  const Architecture& architecture() const { return model_.architecture; }
  Model finish() && { return std::move(model_); }

  /// Parameters from here on belong to `owner` and are named `prefix` + their own name.
  void enter(Owner owner, std::string prefix) {
    owner_ = owner;
    prefix_ = std::move(prefix);
  }

  /// PartList of the cut dimension.
  Part feature(std::string_view part = {}) const { return {part, architecture().ffn, Role::feature}; }
  Part query(std::string_view part = {}) const {
    return {part, checked_mul(architecture().heads, architecture().head_size()), Role::query};
  }
  Part key_value(std::string_view part = {}) const {
    return {part, checked_mul(architecture().key_value_heads(), architecture().head_size()), Role::key_value};
  }
  Heads heads() const { return {architecture().heads, architecture().key_value_heads(), architecture().head_size()}; }

  void add(std::string_view own_name, Shape extents, Sharding rule) {
    elements(extents);  // refuses here, and not in some later query, a tensor too large for 64 bits
    model_.parameters.push_back(
        {concat(prefix_, own_name), std::move(extents), architecture().dtype, std::move(rule), owner_, {}});
  }

  /// A weight [rows, hidden] cut by rows.
  void column_weight(std::string_view own_name, const PartList& rows, Heads heads = {}) {
    add(own_name, {size(rows), architecture().hidden}, {.dim = 0, .parts = rows, .heads = heads});
  }

  /// A column layer: its weight and, where the model has biases, a bias that is cut alike.
  void column(std::string_view layer, const PartList& rows, Heads heads = {}) {
    column_weight(concat(layer, ".weight"), rows, heads);
    if (architecture().bias) add(concat(layer, ".bias"), {size(rows)}, {.dim = 0, .parts = rows, .heads = heads});
  }

  /// A row layer: a weight [hidden, columns] cut by columns and, where the model has biases, one that is added after
  /// the reduction.
  void row(std::string_view layer, Part columns, Heads heads = {}) {
    const Index out = architecture().hidden;
    add(concat(layer, ".weight"), {out, columns.size}, {.dim = 1, .parts = {columns}, .heads = heads});
    if (architecture().bias) add(concat(layer, ".bias"), {out}, replicated(true));
  }

  void norm(std::string_view layer, Normalization kind) {
    add(concat(layer, ".weight"), {architecture().hidden}, replicated(true));
    if (kind != Normalization::rmsnorm) add(concat(layer, ".bias"), {architecture().hidden}, replicated(true));
  }
  void norm(std::string_view layer) { norm(layer, architecture().normalization); }

  /// A table [vocab, hidden] cut by token ids: an embedding or a head.
  void vocabulary_table(std::string_view own_name) {
    const Architecture& a = architecture();
    add(own_name, {a.vocab, a.hidden},
        {.dim = 0, .parts = {{{}, a.vocab, Role::vocabulary}}, .vocabulary_multiple = a.vocabulary_multiple});
  }

  /// The embedding on the first stage, which is also the head where the two are tied.
  void embedding(std::string_view full_name, std::string_view head_name) {
    const bool tied = architecture().tied_embeddings;
    enter({tied ? Owner::Kind::first_and_last : Owner::Kind::first, {}}, {});
    vocabulary_table(full_name);
    if (tied) model_.parameters.back().tied_name = head_name;
  }

  /// The head on the last stage, unless the embedding serves as head.
  void head(std::string_view full_name) {
    if (architecture().tied_embeddings) return;
    enter({Owner::Kind::last, {}}, {});
    vocabulary_table(full_name);
  }

  /// Router and experts, named below `module`.
  void experts(std::string_view module) {
    const Architecture& a = architecture();
    const PartList gate_up{feature("gate"), feature("up")};
    add(concat(module, ".router.linear_router.weight"), {a.experts, a.hidden}, replicated());
    add(concat(module, ".expert_mlps.mlp_op.gate_up_proj.weight"), {a.experts, a.hidden, size(gate_up)},
        {.dim = 2, .parts = gate_up, .expert = true});
    add(concat(module, ".expert_mlps.mlp_op.down_proj.weight"), {a.experts, a.ffn, a.hidden},
        {.dim = 1, .parts = {feature()}, .expert = true});
  }

 private:
  static Index size(const PartList& parts) {
    Index out = 0;
    for (const Part& part : parts) out = checked_add(out, part.size);
    return out;
  }

  Model model_;
  Owner owner_{};
  std::string prefix_;
};

}  // namespace shardplan::detail
