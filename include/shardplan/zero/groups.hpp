#pragma once
#include <shardplan/mesh/nxd.hpp>

/// The groups that divide optimizer state in NxD, and the way of a gradient through them.
namespace shardplan::zero {

/// What keeps a mesh from using ZeRO-1. Id SP-ZERO-003, where NxD's limits count: its expert optimizer accepts the
/// plain data-parallel groups only, so not those that span context ranks (ZeRO sheet, 3.2).
constexpr Diagnostics diagnose(const Mesh& mesh) {
  const Degrees& degrees = mesh.degrees();
  if (!mesh.dialect().nxd_limits || degrees.expert == 1 || degrees.context == 1) return {};
  return {finding("SP-ZERO-003",
                  concat("NxD cannot divide optimizer state with expert size ", degrees.expert, " and context size ",
                         degrees.context),
                  "expert size 1, context size 1, or the strict dialect", {"expert", "context"})};
}

/// The groups whose ranks divide the optimizer state of dense or of expert parameters.
/// Errors   SP-ZERO-003
/// Post     the position of a rank in its group is the part that it holds of rows()
/// Source   ZeRO sheet, 3.2; NxD mesh sheet, 1.12
constexpr GroupList groups(const Mesh& mesh, bool expert) {
  if (Diagnostics all = diagnose(mesh); !all.empty()) throw Error(std::move(all));
  return expert ? mesh.groups(edp) : mesh.zero1_groups();
}

/// A collective on a gradient: summed over each group, the sum divided, and scattered along dimension 0.
struct Hop {
  GroupList groups;
  Index divisor = 1;
};

/// The reduce-scatters that bring the gradient of a dense or an expert parameter to the owners of its rows, in order.
/// Weights come back by all-gathers over the same hops, last hop first.
///
/// Dense gradients take two hops where there are expert ranks: expert-data ranks, then expert ranks. An expert gradient
/// is summed over fewer ranks than contributed tokens to it, so it is divided by the expert size as well.
///
/// Errors   SP-ZERO-003
/// Post     divisors multiply to data x context; scattered in turn, a gradient ends where groups() puts it, but for a
///          dense one with plain_expert_view where mixes_expert_groups(): there NxD brings some ranks rows of other
///          owners
/// Source   ZeRO sheet, 3.2 and 3.3
constexpr InlineVector<Hop, 2> reduction(const Mesh& mesh, bool expert) {
  const Index far = mesh.expert_data(), near = mesh.degrees().expert;
  InlineVector<Hop, 2> out{{groups(mesh, expert), far * near}};
  if (!expert && near > 1) out = {{mesh.groups(edp), far}, {mesh.groups(ep), near}};
  return out;
}

}  // namespace shardplan::zero
