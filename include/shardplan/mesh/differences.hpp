#pragma once
#include <shardplan/mesh/nxd.hpp>

/// Which groups NxD builds against the mesh of a job, in closed form: defects() without looking at a rank (NxD mesh
/// sheet, 7.1). Nothing here depends on the dialect of the mesh.
namespace shardplan {

namespace detail {

/// Ranks that NxD counts off by their plain numbers: `extent` of them, `stride` apart, from every multiple of
/// `stride * extent` plus less than `stride`.
struct PlainGroups {
  Index stride;
  Index extent;
};

/// Whether such groups mix tensor positions. Pre: the stride is a multiple of the tensor size.
constexpr bool mixes_tensor_positions(const Mesh& mesh, PlainGroups groups) {
  if (mesh.order() == RankOrder::ascending || groups.extent == 1) return false;
  // A tensor position is a place within a node, in a quarter of it: it stays from node to node and inside a quarter.
  const Index node = node_size(mesh.world(), mesh.order());
  return groups.stride % node != 0 && node / 4 % (groups.stride * groups.extent) != 0;
}

/// Whether such groups reach over several tensor groups. Pre: stride * extent divides the tensor size.
constexpr bool crosses_tensor_groups(const Mesh& mesh, PlainGroups groups) {
  const Index node = node_size(mesh.world(), mesh.order()), quarter = node / 4;
  if (mesh.order() == RankOrder::ascending || groups.extent == 1 || node == mesh.degrees().tensor) return false;
  // A tensor group is one rank of every quarter of a spread node, and two quarters of a ring.
  if (mesh.order() == RankOrder::spread) return groups.stride % quarter != 0;
  return quarter % (groups.stride * groups.extent) != 0;
}

}  // namespace detail

/// Whether NxD gives the ranks of one tensor group different context ranks (7.1.3): it counts in sorted groups, and the
/// two tensor groups of a node sort one way in their first half and the other way in their second.
constexpr bool mixes_context_ranks(const Mesh& mesh) {
  return mesh.order() == RankOrder::ring &&
         detail::mixes_tensor_positions(mesh, {mesh.degrees().tensor, mesh.degrees().context});
}

/// Whether NxD's expert groups mix tensor positions (7.1.4).
constexpr bool mixes_expert_groups(const Mesh& mesh) {
  return mesh.order() == RankOrder::ring &&
         detail::mixes_tensor_positions(mesh, {mesh.degrees().tensor, mesh.degrees().expert});
}

/// The same for its expert-data groups.
constexpr bool mixes_expert_data_groups(const Mesh& mesh) {
  return mesh.order() == RankOrder::ring &&
         detail::mixes_tensor_positions(mesh, {mesh.degrees().tensor * mesh.degrees().expert, mesh.expert_data()});
}

/// Whether NxD's groups of `size` data ranks that exchange tokens mix tensor positions, and so reach over several data
/// groups (7.1.4). False for a size that cannot be, and with context ranks, where NxD makes none.
constexpr bool mixes_token_shuffle_groups(const Mesh& mesh, Index size) {
  return size > 0 && mesh.data() % size == 0 && mesh.degrees().context == 1 &&
         detail::mixes_tensor_positions(mesh, {mesh.degrees().tensor, size});
}

/// Whether NxD's groups of the `copies` ranks with one KV head reach over several tensor groups (7.1.11). False for a
/// number that cannot be.
constexpr bool crosses_kv_groups(const Mesh& mesh, Index copies) {
  const Index tensor = mesh.degrees().tensor;
  if (copies < 1 || tensor % copies != 0) return false;
  return detail::crosses_tensor_groups(mesh, {mesh.world().hardware == Hardware::trn2 ? 1 : tensor / copies, copies});
}

/// Where the groups that NxD makes for a job are not those of the mesh: strict lays out the right ones, compat repeats
/// NxD's. `kv_replicator` and `token_shuffle` are 1 where a job has no such groups. Without experts `zero1` leaves the
/// expert-data groups unused. Id SP-MESH-012, a warning. O(1).
/// Post: as defects() of the compat mesh reports cp/tp, kv_shared, token_shuffle, ep and ep_data.
/// Source: NxD mesh sheet, 7.1.3, 7.1.4, 7.1.11
inline Diagnostics group_differences(const Mesh& mesh, bool zero1, Index kv_replicator, Index token_shuffle) {
  Diagnostics out;
  const bool ring = mesh.order() == RankOrder::ring, experts = mesh.degrees().expert > 1;
  const char* where = ring ? "on the trn2 ring" : "with tensor size 4 on trn1";
  const auto warn = [&](bool wrong, const char* message, const char* hint, Keys keys) {
    if (wrong) out.push_back(finding("SP-MESH-012", concat(where, message), hint, keys));
  };
  warn(mixes_context_ranks(mesh),
       " NxD gives ranks of one tensor group different context ranks, so they read different slices",
       "strict counts places in the listed group", {"context"});
  warn(mixes_expert_groups(mesh) || (mixes_expert_data_groups(mesh) && (experts || !zero1)),
       " NxD's expert and expert-data groups mix tensor positions", "strict keeps them apart", {"expert", "zero1"});
  warn(mixes_token_shuffle_groups(mesh, token_shuffle), " NxD's token shuffle groups mix tensor positions",
       "strict keeps them inside a data group", {"token_shuffle"});
  warn(crosses_kv_groups(mesh, kv_replicator), " NxD's KV groups cross tensor groups", "strict keeps them inside",
       {"kv_replicator"});
  return out;
}

}  // namespace shardplan
