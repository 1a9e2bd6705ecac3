#pragma once
#include <vector>

#include <shardplan/mesh/accessors.hpp>
#include <shardplan/mesh/side_groups.hpp>

/// Where the answers and groups of NxD contradict the mesh (NxD mesh sheet, 7.1).
namespace shardplan {

/// One kind of contradiction. `field` names the answer ("ranks.tp_src") or the groups ("groups.ep/tp_index").
struct Defect {
  std::string_view field;
  std::string_view why;
  Index count = 0;
  std::vector<Rank> ranks;  ///< at most the first 16; of groups their first members

  static constexpr std::size_t shown = 16;
  friend bool operator==(const Defect&, const Defect&) = default;
};

namespace detail {

constexpr Rank first_of(Rank rank) { return rank; }
constexpr Rank first_of(const Group& group) { return group[0]; }

/// Collects those of some ranks or groups that are wrong.
template <class Range, class Wrong>
void add_defect(std::vector<Defect>& out, std::string_view field, std::string_view why, const Range& range,
                Wrong&& wrong) {
  Defect found{field, why, 0, {}};
  for (const auto& one : range) {
    if (!wrong(one)) continue;
    if (found.ranks.size() < Defect::shown) found.ranks.push_back(first_of(one));
    ++found.count;
  }
  if (found.count > 0) out.push_back(std::move(found));
}

}  // namespace detail

/// Everything that NxD says or builds against the mesh, side groups that were asked for included. Answers are checked
/// on the given ranks, groups all. Post: empty for a strict mesh.
/// O(ranks x group) time and O(tensor groups) memory: an audit, not a query. group_differences() tells of the groups of
/// a job in closed form.
inline std::vector<Defect> defects(const SideGroups& made, const std::vector<Rank>& ranks) {
  const Mesh& mesh = made.mesh();
  std::vector<Defect> out;
  const auto answers = [&](std::string_view field, std::string_view why, auto&& wrong) {
    detail::add_defect(out, field, why, ranks, [&](Rank rank) { return wrong(Accessors(mesh, rank), rank); });
  };
  const auto groups = [&](std::string_view field, std::string_view why, const GroupList& list, auto&& of) {
    detail::add_defect(out, field, why, list, [&](const Group& group) {
      for (const Rank member : group)
        if (of(member) != of(group[0])) return true;
      return false;
    });
  };
  const auto number_in = [&mesh](Axis axis) {
    return [list = mesh.groups(axis)](Rank rank) { return list.index_of(rank); };
  };
  const auto tensor_position = [&mesh](Rank rank) { return mesh.dense().coordinate(rank, tp); };

  answers("ranks.tp_src", "not the first rank of its tensor group", [&](const Accessors& nxd, Rank rank) {
    const auto source = nxd.tensor_source();
    return source && *source != mesh.group(tp, rank)[0];
  });
  answers("ranks.dp_src", "not the first rank of its data group",
          [&](const Accessors& nxd, Rank rank) { return nxd.data_source() != mesh.group(dp, rank)[0]; });

  struct Position {
    Axis axis;
    std::string_view field;
  };
  for (const Position& one : {Position{tp, "ranks.tp"}, Position{dp, "ranks.dp"}, Position{cp, "ranks.cp"},
                              Position{pp, "ranks.pp"}, Position{ep, "ranks.ep"}, Position{edp, "ranks.ep_data"}})
    answers(one.field, "position among the sorted members, not in the group as listed",
            [&](const Accessors& nxd, Rank rank) {
              return nxd.position(one.axis) != *mesh.group(one.axis, rank).position(rank);
            });
  // The given ranks by tensor group: what the first of them answers, and whether another one contradicts it.
  std::vector<Index> answered(mesh.groups(tp).size(), -1);
  std::vector<bool> contradicted(answered.size(), false);
  for (const Rank rank : ranks) {
    const std::size_t group = mesh.groups(tp).index_of(rank);
    const Index context = Accessors(mesh, rank).position(cp);
    if (answered[group] < 0) answered[group] = context;
    contradicted[group] = contradicted[group] || answered[group] != context;
  }
  answers("ranks.cp/tp", "its tensor group takes itself for different context ranks",
          [&](const Accessors&, Rank rank) { return contradicted[mesh.groups(tp).index_of(rank)]; });

  if (const auto list = made.kv_shared())
    groups("groups.kv_shared", "reaches over several tensor groups", *list, number_in(tp));
  if (const auto list = made.draft())
    groups("groups.draft", "reaches over several tensor groups", *list, number_in(tp));
  if (const auto list = made.token_shuffle())
    groups("groups.token_shuffle", "reaches over several data groups", *list, number_in(dp));
  groups("groups.ep/tp_index", "mixes tensor positions", mesh.groups(ep), tensor_position);
  groups("groups.ep_data/tp_index", "mixes tensor positions", mesh.groups(edp), tensor_position);
  if (const auto list = made.token_shuffle())
    groups("groups.token_shuffle/tp_index", "mixes tensor positions", *list, tensor_position);

  if (const Index last = mesh.degrees().pipeline - 1; last > 0)
    answers("ranks.shared_first_last", "not the first and last rank of its own pipeline",
            [&](const Accessors& nxd, Rank rank) {
              return nxd.shared_weight_group({0, last}) != mesh.group(pp, rank).pick({0, last});
            });
  return out;
}

/// The same on every rank.
inline std::vector<Defect> defects(const SideGroups& made) {
  const Group everyone = made.mesh().everyone()[0];
  return defects(made, std::vector<Rank>(everyone.begin(), everyone.end()));
}

}  // namespace shardplan
