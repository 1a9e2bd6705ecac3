#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <shardplan/mesh/device_mesh.hpp>

/// Process topologies of DeepSpeed and the groups of its pipeline engine (rank-orders sheet, section 6).
namespace shardplan {

/// Named axes, row-major: the last varies fastest.
class ProcessTopology {
 public:
  /// What a rank must be at along an axis.
  struct AxisValue {
    std::string_view axis;
    Index value = 0;
  };
  using Filter = InlineVector<AxisValue, 4>;

  /// Errors SP-MESH-001, SP-MESH-009; SP-MESH-014 not one name an axis, or a name that is none or stands twice.
  constexpr ProcessTopology(const DimNames& axes, const Shape& dims) : view_(detail::row_major_digits(dims, axes)) {}

  constexpr const View& view() const { return view_; }
  constexpr Index world_size() const { return view_.size(); }
  /// Size of an axis; 0 for one that is not there.
  constexpr Index dim(std::string_view axis) const {
    const auto at = find(axis);
    return at ? view_.axes()[*at].size : 0;
  }
  /// Position of an axis, if it is there.
  constexpr std::optional<std::size_t> find(std::string_view axis) const {
    for (std::size_t i = 0; i < view_.axes().size(); ++i)
      if (view_.axes()[i].axis.name() == axis) return i;
    return std::nullopt;
  }

  /// Errors SP-MESH-009 a rank outside the topology.
  constexpr Place coord(Rank rank) const {
    if (!view_.contains(rank))
      fail("SP-MESH-009", concat("rank ", rank, " of a topology of ", world_size()), concat("0 to ", world_size() - 1));
    return view_.place(rank);
  }

  /// Groups along an axis: the other axes number them, row-major. Nothing for an axis that is not there.
  constexpr std::optional<GroupList> axis_comm_lists(std::string_view axis) const {
    const auto at = find(axis);
    if (!at) return std::nullopt;
    return GroupList(view_, {view_.axes()[*at].axis}, all_but(*at));
  }
  /// The ranks that pass a filter, ascending: all of them without a condition, nothing where no rank is like that.
  /// Errors SP-MESH-007 an axis that is not there.
  constexpr std::optional<Group> filter_match(const Filter& filter) const {
    Place place(view_.axes().size(), -1);
    bool possible = true;
    for (const AxisValue& wanted : filter) {
      const std::size_t at = require(wanted.axis);
      possible = possible && 0 <= wanted.value && wanted.value < view_.axes()[at].size &&
                 (place[at] < 0 || place[at] == wanted.value);
      place[at] = wanted.value;
    }
    if (!possible) return std::nullopt;
    InlineVector<std::size_t, 4> free;
    for (std::size_t at = 0; at < place.size(); ++at)
      if (place[at] < 0) free.push_back(at);
    return Group(view_, free, place);
  }
  /// The ranks at one coordinate of an axis, ascending; nothing for a coordinate outside it. Errors SP-MESH-007.
  constexpr std::optional<Group> axis_list(std::string_view axis, Index index) const {
    return filter_match({{axis, index}});
  }

  /// The name of a rank in file names, `model_01`: axis and coordinate in two digits, for every axis not left out.
  /// Errors SP-MESH-009.
  std::string rank_repr(Rank rank, const DimNames& omit_axes = {"data", "pipe"}, std::string_view inner_sep = "_",
                        std::string_view outer_sep = "-") const {
    const Place place = coord(rank);
    std::string out;
    bool first = true;
    for (std::size_t at = 0; at < place.size(); ++at) {
      const std::string_view axis = view_.axes()[at].axis.name();
      bool omitted = false;
      for (const std::string_view other : omit_axes) omitted = omitted || other == axis;
      if (omitted) continue;
      out += concat(first ? "" : outer_sep, axis, inner_sep, place[at] < 10 ? "0" : "", place[at]);
      first = false;
    }
    return out;
  }

  /// Position of an axis that must be there. Errors SP-MESH-007.
  constexpr std::size_t require(std::string_view axis) const {
    if (const auto at = find(axis)) return *at;
    std::string known;
    for (const View::Extent& one : view_.axes()) known += concat(known.empty() ? "" : ", ", one.axis.name());
    fail("SP-MESH-007", concat("the topology has no axis '", axis, '\''), known);
  }
  /// The axes in order, but for the one at a position.
  constexpr GroupList::Axes all_but(std::size_t position) const {
    GroupList::Axes out;
    for (std::size_t at = 0; at < view_.axes().size(); ++at)
      if (at != position) out.push_back(view_.axes()[at].axis);
    return out;
  }

  friend constexpr bool operator==(const ProcessTopology&, const ProcessTopology&) = default;

 private:
  View view_;
};

/// Axes pipe, data. Errors SP-MESH-001, SP-MESH-009.
constexpr ProcessTopology pipe_data_topology(Index pipe, Index data) {
  return ProcessTopology({"pipe", "data"}, {pipe, data});
}
/// Axes pipe, data, model: tensor ranks are neighbours. Errors SP-MESH-001, SP-MESH-009.
constexpr ProcessTopology pipe_model_data_topology(Index pipe, Index model, Index data) {
  return ProcessTopology({"pipe", "data", "model"}, {pipe, data, model});
}
/// What the pipeline engine takes when nobody says: prime factors of the world, ascending, go to pipe and data in turn.
/// Errors SP-MESH-001, SP-MESH-009.
constexpr ProcessTopology default_topology(Index ranks) {
  if (ranks < 1) fail("SP-MESH-001", concat("ranks is ", ranks), "at least 1", {"ranks"});
  if (ranks > View::max_ranks) fail("SP-MESH-009", concat("a topology of ", ranks, " ranks"), "at most 2^31 ranks");
  Index shares[] = {1, 1}, rest = ranks;
  std::size_t next = 0;
  for (Index prime = 2; rest > 1;) {
    if (prime > rest / prime) prime = rest;
    if (rest % prime != 0) {
      ++prime;
      continue;
    }
    shares[next] *= prime;
    rest /= prime;
    next = 1 - next;
  }
  return pipe_data_topology(shares[0], shares[1]);
}

/// The groups of DeepSpeed's pipeline engine over a topology that has the axes pipe and data; model may be missing.
class PipelineParallelGrid {
 public:
  /// Errors SP-MESH-007 a topology without pipe or data.
  constexpr explicit PipelineParallelGrid(const ProcessTopology& topology)
      : topology_(topology), pipe_(topology.require("pipe")), data_(topology.require("data")) {}
  /// Errors also SP-MESH-014 a topology of another number of ranks.
  constexpr PipelineParallelGrid(const ProcessTopology& topology, Index ranks) : PipelineParallelGrid(topology) {
    if (topology.world_size() != ranks)
      fail("SP-MESH-014", concat("a topology of ", topology.world_size(), " ranks in a world of ", ranks),
           concat("axes that multiply to ", ranks), {"dims", "ranks"});
  }

  constexpr const ProcessTopology& topology() const { return topology_; }
  constexpr Index pipe_parallel_size() const { return topology_.dim("pipe"); }
  constexpr Index data_parallel_size() const { return topology_.dim("data"); }
  constexpr Index model_parallel_size() const { return larger(topology_.dim("model"), 1); }

  /// Coordinates of a rank; that along model is 0 without such an axis. Errors SP-MESH-009.
  constexpr Index stage_id(Rank rank) const { return topology_.coord(rank)[pipe_]; }
  constexpr Index data_parallel_id(Rank rank) const { return topology_.coord(rank)[data_]; }
  constexpr Index slice_parallel_rank(Rank rank) const {
    const auto model = topology_.find("model");
    const Place place = topology_.coord(rank);
    return model ? place[*model] : 0;
  }
  /// The rank at another stage that shares all other coordinates. Errors SP-MESH-009.
  constexpr Rank stage_to_global(Rank rank, Index stage) const {
    Place place = topology_.coord(rank);
    if (stage < 0 || stage >= pipe_parallel_size())
      fail("SP-MESH-009", concat("stage ", stage, " of ", pipe_parallel_size()),
           concat("0 to ", pipe_parallel_size() - 1));
    place[pipe_] = stage;
    return topology_.view().rank(place);
  }

  /// All ranks of one data index, ascending: a whole model. The list is numbered by data index.
  constexpr GroupList model_groups() const {
    return GroupList(topology_.view(), topology_.all_but(data_), {topology_.view().axes()[data_].axis});
  }
  constexpr GroupList dp_groups() const { return along(data_); }
  constexpr GroupList pipe_groups() const { return along(pipe_); }
  /// Along model: tensor-parallel groups, or every rank alone.
  constexpr GroupList slice_groups() const {
    if (const auto model = topology_.find("model")) return along(*model);
    return GroupList(topology_.view(), {}, topology_.all_but(topology_.view().axes().size()));
  }
  /// A rank and the next of its pipe group, the first behind the last: the pair it sends activations in.
  /// Errors SP-MESH-009.
  constexpr Group p2p_group(Rank rank) const {
    const Index stage = stage_id(rank);
    return pipe_groups().of(rank).pick({stage, (stage + 1) % pipe_parallel_size()});
  }

  /// The lists of groups in the order in which the engine creates them. (Pairs of neighbours are no groups to it.)
  constexpr InlineVector<GroupList, 4> creation_order() const {
    return {model_groups(), dp_groups(), pipe_groups(), slice_groups()};
  }

 private:
  constexpr GroupList along(std::size_t axis) const {
    return GroupList(topology_.view(), {topology_.view().axes()[axis].axis}, topology_.all_but(axis));
  }

  ProcessTopology topology_;
  std::size_t pipe_;
  std::size_t data_;
};

}  // namespace shardplan
