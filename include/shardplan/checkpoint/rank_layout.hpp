#pragma once
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/key_map.hpp>
#include <shardplan/checkpoint/rank_files.hpp>
#include <shardplan/layout/shard.hpp>
#include <shardplan/layout/transfer.hpp>
#include <shardplan/plan/plan.hpp>
#include <shardplan/tensor/weight.hpp>

/// What a plan puts into the files of its ranks (checkpoint sheet, 1.2 to 1.4).
namespace shardplan::checkpoint {

/// A tensor of a rank file.
struct RankTensor {
  std::string key;
  std::size_t parameter = 0;
};

/// The model files of a plan: which there are, which tensors they hold, and what lies where in them. All of it follows
/// from the plan's layouts; nothing is listed. The plan must live as long.
class RankLayout {
 public:
  /// Errors SP-CHECKPOINT-012.
  explicit RankLayout(const Plan& plan, const ConverterForm& form = {})
      : plan_(&plan), form_(form), keys_(plan.parameters(), form) {
    const Strategy& strategy = plan.strategy();
    degrees_ = {1, strategy.expert, strategy.tensor, strategy.pipeline, strategy.expert > 1};
    one_ = View({{tp, 1}});
  }

  const Plan& plan() const { return *plan_; }
  const KeyMap& keys() const { return keys_; }
  const RankDegrees& degrees() const { return degrees_; }

  /// The tensors of a file, in model order, which is that of the optimizer's ids. A tied tensor has both names on a
  /// rank that is first and last. Expert ranks hold what is no expert's each again.
  std::vector<RankTensor> tensors(const RankFile& file) const {
    std::vector<RankTensor> out;
    const Index pipeline = degrees_.pipeline, first = plan_->partition().embedding_stage().value % pipeline;
    const Index last = plan_->partition().head_stage().value % pipeline;
    std::string head;
    std::size_t head_parameter = 0;
    for (std::size_t i = 0; i < plan_->parameters().size(); ++i) {
      const Parameter& p = plan_->parameters()[i];
      const Stages stages = plan_->stages(i);
      const bool here = stages.first.value % pipeline == file.pipeline || stages.last.value % pipeline == file.pipeline;
      if (!here) continue;
      if (p.owner.kind == Owner::Kind::first_and_last && file.pipeline == last) {
        head = p.tied_name.empty() ? p.name : p.tied_name;
        head_parameter = i;
        if (first != last) continue;
      }
      out.push_back({p.name, i});
    }
    if (!head.empty() && (out.empty() || out[0].key != head)) out.push_back({std::move(head), head_parameter});
    return out;
  }

  /// Where a rank stands in the view of a parameter's layout. Pre: the file is one of the degrees.
  Place place(std::size_t parameter, const RankFile& file) const {
    const bool expert = plan_->parameters()[parameter].sharding.expert;
    const View& view = expert ? plan_->mesh().expert() : plan_->mesh().dense();
    Place out(view.axes().size(), 0);
    out[view.at(tp)] = file.tensor;
    out[view.at(pp)] = file.pipeline;
    if (expert) out[view.at(ep)] = file.expert.value_or(0);
    return out;
  }
  /// The file that holds what a rank holds of a parameter: of ranks that hold the same, one.
  RankFile file(std::size_t parameter, Rank rank) const {
    const bool expert = plan_->parameters()[parameter].sharding.expert;
    const View& view = expert ? plan_->mesh().expert() : plan_->mesh().dense();
    const Place at = view.place(rank);
    RankFile out{0, std::nullopt, at[view.at(tp)], at[view.at(pp)]};
    if (degrees_.names_expert) out.expert = expert ? at[view.at(ep)] : 0;
    return out;
  }

  /// Where a parameter sits: as the plan says, but for what the public converter does otherwise.
  Layout layout(std::size_t parameter) const {
    const Parameter& p = plan_->parameters()[parameter];
    if (!form_.trn2_heads || p.sharding.heads.key_value == 0) return plan_->layout(parameter);
    tensor::Options options{plan_->strategy().kv_replicator, Hardware::trn1, strict};
    options.dialect.natural_query_order = true;
    return on_stages(tensor::weight_layout(p, plan_->mesh().dense(), options), plan_->stages(parameter),
                     degrees_.pipeline);
  }
  Shape local_shape(std::size_t parameter, const RankFile& file) const {
    return layout(parameter).local_shape(place(parameter, file));
  }
  Shard shard(std::size_t parameter, const RankFile& file) const {
    return Shard(layout(parameter), place(parameter, file));
  }

  /// Calls sink(Placed) for the boxes of whole tensors that a shard holds, where they lie in it. Padding is in none.
  template <class Sink>
  void for_each_box(std::size_t parameter, const Shard& held, Sink&& sink) const {
    for (const Piece& piece : held.pieces())
      for (const Placed& box : keys_.boxes(parameter)) {
        auto inside = box.inside({piece.global, piece.extent});
        if (!inside) continue;
        for (std::size_t d = 0; d < inside->at.size(); ++d) inside->at[d] += piece.local[d] - piece.global[d];
        sink(static_cast<const Placed&>(*inside));
      }
  }

  /// Calls sink(file, Placed) for the files that hold parts of a box of a whole tensor, where they lie in their shards;
  /// of copies, that of the lowest rank. Post: the boxes tile the one asked for.
  template <class Sink>
  void for_each_holder(std::size_t whole, const Box& asked, Sink&& sink) const {
    const std::size_t parameter = keys_.wholes()[whole].parameter;
    const Layout held = layout(parameter);
    const Transfer moves = transfer(held, Layout(one_, held.shape()), ReplicaChoice::lowest);
    for (const Placed& box : keys_.boxes(parameter)) {
      if (box.whole != whole) continue;
      // From the whole tensor to the parameter: the part of the box that is asked for.
      Placed part = box;
      bool empty = false;
      for (std::size_t w = 0; w < box.dimensions.size(); ++w) {
        const Interval both = intersect({box.box.origin[w], box.box.origin[w] + box.box.extent[w]},
                                        {asked.origin[w], asked.origin[w] + asked.extent[w]});
        empty = empty || both.empty();
        part.box.origin[w] = both.begin;
        part.box.extent[w] = both.size();
        part.at[box.dimensions[w]] += both.begin - box.box.origin[w];
      }
      if (empty) continue;
      moves.for_each_move(Rank(0), Box{part.at, part.extent()}, [&](const Move& move) {
        auto found = part.inside({move.destination, move.extent});
        if (!found) return;
        found->at = move.source;
        sink(file(parameter, move.from), static_cast<const Placed&>(*found));
      });
    }
  }

 private:
  const Plan* plan_;
  ConverterForm form_;
  KeyMap keys_;
  RankDegrees degrees_;
  View one_;
};

}  // namespace shardplan::checkpoint
