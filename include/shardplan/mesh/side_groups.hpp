#pragma once
#include <optional>

#include <shardplan/mesh/nxd.hpp>

/// The groups that NxD makes only when a layer asks for them (NxD mesh sheet, 1.10).
namespace shardplan {

/// What one job has asked for. A kind has one size in a job: NxD refuses a second one, and answers the same size with
/// the groups that are there.
class SideGroups {
 public:
  constexpr SideGroups() = default;
  constexpr explicit SideGroups(const Mesh& mesh) : mesh_(mesh) {}

  /// Ranks that hold the same KV head. Errors SP-MESH-008; R8 for a second size where NxD's limits count.
  constexpr GroupList kv_shared(Index copies, bool sequential = false) {
    return once(kv_shared_, copies, "R8", "kv_shared", [&] { return mesh_.kv_shared_groups(copies, sequential); });
  }
  /// Ranks that run one speculative draft. Errors SP-MESH-008; SP-MESH-010 for a second size.
  constexpr GroupList draft(Index size) {
    return once(draft_, size, "SP-MESH-010", "draft", [&] { return mesh_.draft_groups(size); });
  }
  /// Data ranks that exchange tokens. Errors R29, SP-MESH-010.
  constexpr GroupList token_shuffle(Index size) {
    return once(token_shuffle_, size, "SP-MESH-010", "token_shuffle", [&] { return mesh_.token_shuffle_groups(size); });
  }

  /// The groups asked for so far; none for a kind that nobody asked for.
  constexpr std::optional<GroupList> kv_shared() const { return made(kv_shared_); }
  constexpr std::optional<GroupList> draft() const { return made(draft_); }
  constexpr std::optional<GroupList> token_shuffle() const { return made(token_shuffle_); }

  constexpr const Mesh& mesh() const { return mesh_; }

 private:
  struct Kind {
    Index size = 0;  ///< 0: not asked for
    GroupList groups;
  };

  static constexpr std::optional<GroupList> made(const Kind& kind) {
    return kind.size == 0 ? std::nullopt : std::optional(kind.groups);
  }

  template <class Make>
  constexpr GroupList once(Kind& kind, Index size, const char* id, const char* key, Make make) {
    if (kind.size == size && size != 0) return kind.groups;
    if (kind.size != 0 && mesh_.dialect().nxd_limits)
      fail(id, concat("NxD has one ", key, " group size in a job, ", kind.size, ", and cannot make groups of ", size),
           concat(kind.size, ", or the strict dialect"), {key});
    kind = {size, make()};
    return kind.groups;
  }

  Mesh mesh_;
  Kind kv_shared_;
  Kind draft_;
  Kind token_shuffle_;
};

}  // namespace shardplan
