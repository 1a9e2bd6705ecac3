#pragma once
#include <optional>
#include <vector>

#include <shardplan/pipeline/nxd.hpp>

/// What each stage of a traced model holds, receives and shares (pipeline sheet, 1.3 and 1.4).
namespace shardplan::pipeline {

/// One call of a traced model that a stage may end at: an embedding, a transformer layer, a norm, a head, the loss.
struct Module {
  std::string name;                       ///< dotted call path, e.g. "model.layers.2"
  std::vector<std::string> parameters{};  ///< names inside the module, e.g. "self_attn.o_proj.weight"
  bool layer = false;                     ///< a transformer layer: one that the automatic partition counts
  std::vector<std::string> reads{};  ///< model inputs and earlier modules, in argument order; empty: the module before
};

/// Two parameters, by full name, that are one tensor.
struct Tie {
  std::string first;
  std::string second;
};

/// A model as its trace lists it: modules in call order, the last one gives the result.
struct TracedModel {
  std::vector<std::string> inputs{};
  std::vector<Module> modules{};
  std::vector<Tie> ties{};
};

/// Names of all modules, in call order.
inline Names module_names(const TracedModel& model) {
  Names out;
  for (const Module& module : model.modules) out.push_back(module.name);
  return out;
}
/// Names of the transformer layers, in call order.
inline Names layer_names(const TracedModel& model) {
  Names out;
  for (const Module& module : model.modules)
    if (module.layer) out.push_back(module.name);
  return out;
}

/// What a call path is called inside a stage: `layers.2` becomes `layers_2`.
inline std::string local_name(std::string_view call_path) {
  std::string out(call_path);
  for (char& letter : out)
    if (letter == '.') letter = '_';
  return out;
}

/// A parameter on a stage. Checkpoints use `name` alone.
struct HeldParameter {
  std::string name;        ///< in the model: layers.2.fc.weight
  std::string local_name;  ///< in the stage: layers_2.fc.weight
  friend bool operator==(const HeldParameter&, const HeldParameter&) = default;
};

/// A value that a stage receives from the one before it.
struct StageInput {
  std::string name;               ///< local name of the module that made it
  std::optional<Index> argument;  ///< position among the arguments of this stage; none: only passed on
  std::optional<Index> output;    ///< position among the results of the stage before; none: that stage passes it on
  friend bool operator==(const StageInput&, const StageInput&) = default;
};

/// A model input that a stage reads.
struct ModelInput {
  std::string name;
  Index argument;  ///< position among the arguments of this stage
  friend bool operator==(const ModelInput&, const ModelInput&) = default;
};

/// One tensor on several pipeline ranks. The first member owns it: its values win at the start, and norms count it
/// there alone. Gradients are summed over the members' ranks before anything else is reduced.
struct TiedGroup {
  struct Member {
    HeldParameter parameter;
    Index pipeline_rank;
    friend bool operator==(const Member&, const Member&) = default;
  };
  std::vector<Member> members;  ///< in stage order, one a rank
  friend bool operator==(const TiedGroup&, const TiedGroup&) = default;
};

/// A traced model cut into stages.
class StagedModel {
 public:
  /// Cuts after the named modules, given in any order; something must be left behind the last of them.
  ///
  /// Errors   SP-PIPELINE-002 of `cut_after`, or a cut at the last module; SP-PIPELINE-008;
  ///          SP-PIPELINE-011 a name twice, a read of something that does not stand before, a tie of unknown parameters
  StagedModel(TracedModel model, const Names& cuts, Index pipeline, Index chunks = 1)
      : model_(std::move(model)), names_(module_names(model_)), partition_(cut_after(names_, cuts, pipeline, chunks)) {
    if (partition_.layers_of(partition_.head_stage()).empty())
      fail("SP-PIPELINE-002",
           concat("no module follows the cut", names_.empty() ? "" : concat(" '", names_.back(), '\'')),
           "a cut before the last module", {"pipeline_cuts"});
    resolve_reads();
    resolve_ties();
  }

  const TracedModel& model() const noexcept { return model_; }

  /// Which modules each stage holds: the "layers" of this partition are positions in `model().modules`.
  const Partition& partition() const noexcept { return partition_; }

  /// The parameters of a stage, in order; of parameters tied within the stage only the first.
  std::vector<HeldParameter> parameters(StageId stage) const {
    std::vector<HeldParameter> out;
    for (const std::size_t id : held(stage)) out.push_back(parameter(id));
    return out;
  }

  /// What a stage receives from the one before it, in the order in which every rank sends and receives: its own
  /// arguments, then what later stages need.
  std::vector<StageInput> received(StageId stage) const {
    std::vector<StageInput> out;
    if (stage == partition_.embedding_stage()) return out;
    const std::vector<Value> results = results_of(stage.value - 1);
    const auto receive = [&](Value value, std::optional<Index> argument) {
      out.push_back({local_name(names_[value - model_.inputs.size()]), argument, position(results, value)});
    };
    const std::vector<Value> arguments = arguments_of(stage);
    for (std::size_t at = 0; at < arguments.size(); ++at)
      if (!is_input(arguments[at])) receive(arguments[at], static_cast<Index>(at));
    for (const Value value : passed_on(stage, arguments)) receive(value, std::nullopt);
    return out;
  }

  /// The model inputs that a stage reads; inputs never travel between stages.
  std::vector<ModelInput> model_inputs(StageId stage) const {
    std::vector<ModelInput> out;
    const std::vector<Value> arguments = arguments_of(stage);
    for (std::size_t at = 0; at < arguments.size(); ++at)
      if (is_input(arguments[at])) out.push_back({model_.inputs[arguments[at]], static_cast<Index>(at)});
    return out;
  }

  /// Tensors that several pipeline ranks hold, in the order of their first owner.
  const std::vector<TiedGroup>& tied_groups() const noexcept { return tied_groups_; }

 private:
  /// Something a module reads: a model input, by its number, or the result of a module, by its number behind those.
  using Value = std::size_t;

  bool is_input(Value value) const { return value < model_.inputs.size(); }
  Index maker_stage(Value value) const {
    return partition_.stage_of(static_cast<Index>(value - model_.inputs.size())).value;
  }

  static std::optional<Index> position(const std::vector<Value>& values, Value wanted) {
    for (std::size_t at = 0; at < values.size(); ++at)
      if (values[at] == wanted) return static_cast<Index>(at);
    return std::nullopt;
  }

  /// The distinct values, in order of first use, that modules of a range read and that `wanted` picks.
  template <class Wanted>
  std::vector<Value> uses(Interval modules, const Wanted& wanted) const {
    std::vector<Value> out;
    for (Index m = modules.begin; m < modules.end; ++m)
      for (const Value value : reads_[static_cast<std::size_t>(m)])
        if (wanted(value) && !position(out, value)) out.push_back(value);
    return out;
  }
  Interval behind(StageId stage) const { return {partition_.layers_of(stage).end, partition_.layers()}; }

  std::vector<Value> arguments_of(StageId stage) const {
    return uses(partition_.layers_of(stage),
                [&](Value value) { return is_input(value) || maker_stage(value) != stage.value; });
  }
  std::vector<Value> results_of(StageId stage) const {
    return uses(behind(stage), [&](Value value) { return !is_input(value) && maker_stage(value) == stage.value; });
  }
  /// What a stage does not use itself but has to hand from earlier stages to later ones.
  std::vector<Value> passed_on(StageId stage, const std::vector<Value>& arguments) const {
    return uses(behind(stage), [&](Value value) {
      return !is_input(value) && maker_stage(value) < stage.value && !position(arguments, value);
    });
  }

  void resolve_reads() {
    const auto number_of = [&](std::string_view read, std::size_t before) -> std::optional<Value> {
      for (std::size_t m = before; m-- > 0;)
        if (names_[m] == read) return model_.inputs.size() + m;
      for (std::size_t i = 0; i < model_.inputs.size(); ++i)
        if (model_.inputs[i] == read) return i;
      return std::nullopt;
    };
    for (std::size_t m = 0; m < names_.size(); ++m) {
      if (number_of(names_[m], m))
        fail("SP-PIPELINE-011", concat("the name '", names_[m], "' stands twice in the model"));
      reads_.emplace_back();
      for (const std::string& read : model_.modules[m].reads) {
        const auto value = number_of(read, m);
        if (!value)
          fail("SP-PIPELINE-011",
               concat("module '", names_[m], "' reads '", read, "', which does not stand before it"));
        reads_.back().push_back(*value);
      }
      if (model_.modules[m].reads.empty() && m > 0) reads_.back().push_back(model_.inputs.size() + m - 1);
    }
  }

  // Parameters are numbered through all modules; a tied one is led by the lowest number that it is tied to.

  HeldParameter parameter(std::size_t id) const {
    std::size_t m = 0;
    while (first_parameter_[m + 1] <= id) ++m;
    const std::string& inside = model_.modules[m].parameters[id - first_parameter_[m]];
    return {concat(names_[m], '.', inside), concat(local_name(names_[m]), '.', inside)};
  }

  std::vector<std::size_t> held(StageId stage) const {
    const Interval modules = partition_.layers_of(stage);
    const std::size_t first = first_parameter_[static_cast<std::size_t>(modules.begin)];
    std::vector<std::size_t> out;
    for (std::size_t id = first; id < first_parameter_[static_cast<std::size_t>(modules.end)]; ++id) {
      bool repeated = false;
      for (std::size_t other = first; leader_[id] != id && other < id; ++other)
        repeated = repeated || leader_[other] == leader_[id];
      if (!repeated) out.push_back(id);
    }
    return out;
  }

  void resolve_ties() {
    first_parameter_.push_back(0);
    for (const Module& module : model_.modules)
      first_parameter_.push_back(first_parameter_.back() + module.parameters.size());
    for (std::size_t id = 0; id < first_parameter_.back(); ++id) leader_.push_back(id);
    if (model_.ties.empty()) return;

    const auto number_of = [&](const std::string& name) {
      for (std::size_t id = 0; id < leader_.size(); ++id)
        if (parameter(id).name == name) return id;
      fail("SP-PIPELINE-011", concat("no parameter is called '", name, "', so it cannot be tied"));
    };
    for (const Tie& tie : model_.ties) {
      const std::size_t one = leader_[number_of(tie.first)];
      const std::size_t other = leader_[number_of(tie.second)];
      for (std::size_t& leader : leader_)
        if (leader == one || leader == other) leader = one < other ? one : other;
    }

    std::vector<TiedGroup> by_leader(leader_.size());
    for (Index stage = 0; stage < partition_.stages(); ++stage) {
      const Index rank = partition_.pipeline_rank(stage);
      for (const std::size_t id : held(stage)) {
        auto& members = by_leader[leader_[id]].members;
        bool on_rank = false;
        for (const auto& member : members) on_rank = on_rank || member.pipeline_rank == rank;
        if (!on_rank) members.push_back({parameter(id), rank});
      }
    }
    for (TiedGroup& group : by_leader)
      if (group.members.size() > 1) tied_groups_.push_back(std::move(group));
  }

  TracedModel model_;
  Names names_;
  Partition partition_;
  std::vector<std::vector<Value>> reads_;     // of each module
  std::vector<std::size_t> first_parameter_;  // of each module, and the number of all
  std::vector<std::size_t> leader_;           // of each parameter
  std::vector<TiedGroup> tied_groups_;
};

}  // namespace shardplan::pipeline
