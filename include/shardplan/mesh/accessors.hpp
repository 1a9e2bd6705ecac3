#pragma once
#include <algorithm>
#include <optional>
#include <vector>

#include <shardplan/mesh/nxd.hpp>

/// What a process of NxD is told about itself (NxD mesh sheet, 1.8 to 1.11).
namespace shardplan {

/// The first group of a list that has the rank as a member; none for a rank that the picks leave out.
constexpr std::optional<Group> containing(const GroupList& list, Rank rank) {
  const std::size_t first = list.index_of(rank);
  for (std::size_t i = 0; i < list.per_place(); ++i)
    if (const Group candidate = list[first + i]; candidate.contains(rank)) return candidate;
  return std::nullopt;
}

/// How the processes of a job were started, as far as NxD's set-up looks at it.
struct Launch {
  bool process_group = true;             ///< torch.distributed is up
  bool compress_replica_groups = false;  ///< NEURON_EXPERIMENTAL_COMPRESS_RG
};

/// NxD's answers to one rank. In a strict mesh they are the truth; in a compat mesh they are what NxD says, and
/// defects() lists where that contradicts the mesh. Refers to the mesh.
class Accessors {
 public:
  constexpr Accessors(const Mesh& mesh, Rank rank) : mesh_(&mesh), rank_(rank) {}
  Accessors(Mesh&&, Rank) = delete;

  /// The rank's position along tp, dp, cp, pp, ep or edp. NxD answers with the position in the ascending member list,
  /// on a ring for dp and pp with that in the listed group. Errors SP-MESH-007. O(group) where sorted, else O(axes).
  constexpr Index position(Axis axis) const {
    const Group group = mesh_->group(axis, rank_);
    const bool listed = !as_nxd() || (mesh_->order() == RankOrder::ring && (axis == dp || axis == pp));
    if (listed) return *group.position(rank_);
    Index before = 0;
    for (const Rank member : group) before += member < rank_;
    return before;
  }

  /// The ranks of the following and the preceding stage, around the ring; the rank itself without a pipeline.
  constexpr Rank next_stage() const { return stage_at(1); }
  constexpr Rank previous_stage() const { return stage_at(mesh_->degrees().pipeline - 1); }

  /// The rank that tensor-parallel broadcasts start from: the first of the group. NxD computes it from plain rank
  /// numbers, and for tensor size 4 from LOCAL_WORLD_SIZE: none where that is not set.
  constexpr std::optional<Rank> tensor_source() const {
    if (!as_nxd()) return mesh_->group(tp, rank_)[0];
    const Index tensor = mesh_->degrees().tensor, node = mesh_->world().ranks_per_node;
    if (tensor != 4) return rank_.value / tensor * tensor;
    if (node == 0) return std::nullopt;
    return rank_.value / node * node + rank_.value % tensor;
  }
  /// The same for data-parallel broadcasts. NxD takes the rank modulo the number of groups.
  constexpr Rank data_source() const {
    if (!as_nxd()) return mesh_->group(dp, rank_)[0];
    return rank_.value % (mesh_->size() / mesh_->data());
  }

  /// The pair of ranks that sends to the next stage, and that receives from the previous one; none without a pipeline.
  /// NxD takes the first pair of its list that has the rank, which leaves stage 0 of an odd pipeline without a
  /// previous one.
  constexpr std::optional<Group> next_pair() const { return pair(0); }
  constexpr std::optional<Group> previous_pair() const { return pair(1); }

  /// The group that NxD gives the rank for a weight shared by some stages: that of the same number as its pipeline
  /// group. Rank numbers decide, so it need not contain the rank.
  constexpr Group shared_weight_group(const InlineVector<Index, 2>& stages) const {
    return mesh_->shared_weight_groups(stages)[mesh_->groups(pp).index_of(rank_)];
  }

  /// Who sends to whom in the rank's ring of context ranks, sources ascending; the rank to itself without one.
  struct Transfer {
    Rank source;
    Rank target;
    friend constexpr bool operator==(Transfer, Transfer) = default;
  };
  constexpr std::vector<Transfer> context_transfers() const {
    const Group ring = mesh_->group(cp, rank_);
    std::vector<Transfer> out;
    for (std::size_t i = 0; i < ring.size(); ++i) out.push_back({ring[i], ring[(i + 1) % ring.size()]});
    std::sort(out.begin(), out.end(), [](Transfer a, Transfer b) { return a.source < b.source; });
    return out;
  }

  /// Why NxD's set-up fails on this rank although the mesh itself can be made: without torch.distributed, or where
  /// NxD's limits count at stage 0 of an odd pipeline. Finding SP-MESH-010.
  constexpr std::optional<Diagnostic> fault(const Launch& launch = {}) const {
    if (!launch.process_group)
      return finding("SP-MESH-010", "NxD sets up groups only when torch.distributed is initialised",
                     "call init_process_group first");
    const Index stages = mesh_->degrees().pipeline;
    if (!mesh_->dialect().nxd_limits || stages == 1 || previous_pair()) return std::nullopt;
    return finding("SP-MESH-010",
                   concat("NxD finds no previous-stage pair for rank ", rank_, ": ", stages, " stages are odd"),
                   concat(stages - 1, " or ", stages + 1, " stages, or the strict dialect"), {"pipeline"});
  }

 private:
  constexpr bool as_nxd() const { return mesh_->dialect().nxd_accessors; }

  constexpr Rank stage_at(Index distance) const {
    const Group stages = mesh_->group(pp, rank_);
    return stages[static_cast<std::size_t>(*stages.position(rank_) + distance) % stages.size()];
  }

  constexpr std::optional<Group> pair(Index before) const {
    const Index stages = mesh_->degrees().pipeline, stage = position(pp);
    if (stages == 1) return std::nullopt;
    if (as_nxd()) return containing(mesh_->stage_pairs((stage + before) % 2), rank_);
    const Index first = (stage + stages - before) % stages;
    return mesh_->group(pp, rank_).pick({first, (first + 1) % stages});
  }

  const Mesh* mesh_;
  Rank rank_;
};

/// One list of groups as NxD hands it to the backend: whole, or compressed to its first group (1.11).
struct BackendMesh {
  GroupList groups;
  bool first_only = false;

  constexpr std::size_t size() const { return first_only ? 1 : groups.size(); }
};

/// What NxD's set-up hands to the backend on one rank, in order. Only the tensor groups are ever compressed.
inline std::vector<BackendMesh> backend_meshes(const Mesh& mesh, Rank rank, const Launch& launch) {
  std::vector<BackendMesh> out{{mesh.everyone()}, {mesh.groups(tp), launch.compress_replica_groups}};
  for (const Axis axis : {dp, pp, edp, ep, cp}) out.push_back({mesh.groups(axis)});
  if (mesh.degrees().pipeline == 1) return out;
  const Index parity = Accessors(mesh, rank).position(pp) % 2;
  for (const Index round : {parity, 1 - parity}) out.push_back({mesh.stage_pairs(round)});
  return out;
}

}  // namespace shardplan
