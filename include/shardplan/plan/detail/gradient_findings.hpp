#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include <shardplan/plan/gradients.hpp>

namespace shardplan::detail {

/// What gradients of a job get wrong, told once for each kind of fault, with an example and how many others there are.
class GradientFindings {
 public:
  GradientFindings(const Mesh& mesh, const Strategy& s, const tensor::Options& options)
      : mesh_(&mesh), strategy_(&s), options_(&options) {}

  /// One more parameter. Pre: it can be laid out.
  void add(std::string_view name, const Sharding& rule, const ParallelAttributes& marks, bool tied) {
    for (const Way& way : ways_)
      if (way.marked == marks.tensor_model_parallel && way.tied == tied && way.rule == rule) {
        for (const std::size_t fault : way.faults) ++faults_[fault].others;
        return;
      }
    ways_.push_back({rule, marks.tensor_model_parallel, tied, {}});
    Way& way = ways_.back();
    const std::size_t parts = rule.parts.empty() ? 1 : rule.parts.size();
    InlineVector<Gradient, 3> gradients;
    InlineVector<GradientAudit, 3> audits;
    for (std::size_t i = 0; i < parts; ++i) {
      gradients.push_back(gradient(rule, i, marks, tied, *mesh_, *strategy_, *options_));
      audits.push_back(audit(gradients.back()));
    }
    const auto tell = [&](const Fault& fault) { way.faults.push_back(note(name, fault)); };
    // All parts of a weight go through the same data sums; K and V alone through one of their own before.
    if (audits[0].scale != Ratio{}) tell(wrong_scale(gradients[0], audits[0].scale));
    for (std::size_t i = 0; i < parts; ++i) {
      if (!audits[i].mixing) continue;
      const GradientSum& sum = gradients[i].sums[*audits[i].mixing];
      bool first = true;
      std::string names;  // of all parts that go wrong in the same sum
      for (std::size_t j = 0; j < parts; ++j) {
        if (!audits[j].mixing || gradients[j].sums[*audits[j].mixing].of != sum.of) continue;
        first = first && j >= i;
        names += concat(names.empty() ? "" : ", ", label(rule, j));
      }
      if (first) tell(unequal_copies(rule, sum, names));
    }
    std::string counts;
    for (std::size_t i = 0; i < parts; ++i) {
      const Ratio times = audits[i].norm;
      bool first = times != Ratio{}, every = true;
      std::string names;  // of all parts that count as often as this one
      for (std::size_t j = 0; j < parts; ++j) {
        const bool same = audits[j].norm == times;
        first = first && (j >= i || !same);
        every = every && same;
        if (same) names += concat(names.empty() ? "" : ", ", label(rule, j));
      }
      if (first)
        counts += concat(counts.empty() ? "" : " and ", times, " times", every ? "" : concat(" (", names, ')'));
    }
    if (!counts.empty()) tell(wrong_norm(rule, marks, counts));
  }

  Diagnostics take() const {
    Diagnostics out;
    for (const Fault& fault : faults_) {
      std::string what = concat(fault.before, fault.example);
      if (fault.others > 0) what += concat(" and ", fault.others, fault.others == 1 ? " other" : " others");
      out.push_back(finding(fault.id, what + fault.after, fault.hint));
      for (const std::string_view key : fault.keys) out.back().origins.push_back({std::string(key), {}, 0, 0});
    }
    return out;
  }

 private:
  /// Parameters that are cut and marked alike have the same faults.
  struct Way {
    Sharding rule;
    bool marked = false;
    bool tied = false;
    InlineVector<std::size_t, 3> faults;
  };
  struct Fault {
    std::string_view id;
    std::string before, after;  ///< what is said before and behind the parameter
    std::string hint;
    InlineVector<std::string_view, 2> keys;
    std::string example{};
    Index others = 0;
  };

  std::size_t note(std::string_view name, const Fault& fault) {
    for (std::size_t i = 0; i < faults_.size(); ++i) {
      if (faults_[i].id != fault.id || faults_[i].before != fault.before || faults_[i].after != fault.after) continue;
      ++faults_[i].others;
      return i;
    }
    faults_.push_back(fault);
    faults_.back().example = name;
    return faults_.size() - 1;
  }

  /// A host may leave parts without names.
  static std::string label(const Sharding& rule, std::size_t part) {
    if (rule.parts.size() < 2) return {};
    return rule.parts[part].name.empty() ? concat("part ", part) : std::string(rule.parts[part].name);
  }
  static Fault wrong_scale(const Gradient& g, Ratio scale) {
    std::string way;
    Index divisor = 1;
    for (const GradientSum& sum : g.sums) {
      if (sum.of != GradientSum::Of::context && sum.of != GradientSum::Of::data) continue;
      // Named by what they are: expert weights tell the same ranks apart by other axes.
      way += concat(way.empty() ? "summed over " : ", then over ",
                    sum.of == GradientSum::Of::context ? "context ranks" : "data and context ranks", " and divided by ",
                    sum.divisor);
      divisor *= sum.divisor;
    }
    const Index right = divisor / scale.denominator * scale.numerator;
    const bool large = scale.numerator > scale.denominator;
    return {"SP-PLAN-007",
            "NxD makes gradients of ",
            concat(" ", large ? scale : ratio(scale.denominator, scale.numerator), " times too ",
                   large ? "large: " : "small: ", way, "; the mean over these ", g.shares, " takes divisors of ", right,
                   " in all"),
            concat("zero1: true, a loss divided by ", scale, ", or the strict dialect"),
            {"zero1", "context"}};
  }

  Fault unequal_copies(const Sharding& rule, const GradientSum& sum, const std::string& parts) const {
    const Index copies = options_->kv_replicator;
    // Only the sum over copies is one of some parts and not of the others.
    const bool some = sum.of == GradientSum::Of::kv_copies && !parts.empty();
    const std::string of = some ? concat(" (", parts, ')') : std::string();
    Fault out{"SP-PLAN-009", "NxD sums gradients of ", {}, {}, {}};
    switch (sum.of) {
      case GradientSum::Of::kv_copies:
        out.after = concat(of, " over ", copies,
                           sum.astray ? " ranks that are not the copies of a KV head"
                                      : " tensor ranks that hold different rows, as if these were copies");
        out.hint = one_copy(rule);
        out.keys = {"kv_replicator", "tensor"};
        break;
      case GradientSum::Of::stages:
        out.after = " over the first and last rank of another pipeline";
        out.hint = "untied embeddings, pipeline size 1, or the strict dialect";
        out.keys = {"tied_embeddings", "pipeline"};
        break;
      case GradientSum::Of::context:
        out.after = concat(" over ", sum.divisor, " context ranks, which hold different experts");
        out.hint = "context size 1, expert size 1, or the strict dialect";
        out.keys = {"context", "expert"};
        break;
      default:
        out.after = " over ranks that hold other slices of them, since its expert groups mix tensor positions";
        out.hint = mesh_->degrees().expert > 1 ? "expert size 1 with zero1: true, or the strict dialect"
                                               : "zero1: true, or the strict dialect";
        out.keys = {"zero1", "expert"};
    }
    return out;
  }

  Fault wrong_norm(const Sharding& rule, const ParallelAttributes& marks, const std::string& counts) const {
    const Index tensor = mesh_->degrees().tensor, copies = options_->kv_replicator;
    Fault out{"SP-PLAN-008", "NxD's gradient norm counts ", concat(' ', counts, " instead of once: "), {}, {}};
    if (marks.tensor_model_parallel) {
      out.after += concat("each of ", copies, " copies is added in full");
      out.hint = one_copy(rule);
      out.keys = {"kv_replicator", "tensor"};
      return out;
    }
    out.after += concat(
        "without a tensor-parallel mark the weight is taken for replicated, its squares are divided by ", tensor);
    const bool attention = rule.heads.query > 0;
    if (attention && copies > 1) out.after += concat(", and ", copies, " ranks hold each K and V");
    out.hint = attention ? concat("fuse_qkv: false where the model has that key",
                                  copies > 1 ? concat(" (K and V then count ", copies, " times)") : std::string(),
                                  ", or the strict dialect")
                         : std::string("the strict dialect");
    out.keys = {"tensor"};
    if (attention) out.keys = {"qkv_linear", "tensor"};
    return out;
  }

  static std::string one_copy(const Sharding& rule) {
    return concat("kv_replicator 1 with a tensor size that divides the ", rule.heads.key_value,
                  " KV heads, or the strict dialect");
  }

  const Mesh* mesh_;
  const Strategy* strategy_;
  const tensor::Options* options_;
  InlineVector<Way, 4> ways_;
  InlineVector<Fault, 2> faults_;
};

}  // namespace shardplan::detail
