#pragma once
#include <shardplan/core/dialect.hpp>
#include <shardplan/mesh/group.hpp>
#include <shardplan/mesh/world.hpp>

/// The rank orders of neuronx-distributed and every group kind it makes (NxD mesh sheet, section 1).
namespace shardplan {

/// The degrees that shape a mesh; the data-parallel size follows from the world.
struct Degrees {
  Index tensor = 1;
  Index pipeline = 1;
  Index context = 1;
  Index expert = 1;

  friend constexpr bool operator==(const Degrees&, const Degrees&) = default;
};

/// The degrees that NxD ends up with: larger ones are reduced to the world size (1.2).
constexpr Degrees clamped(Degrees degrees, Index ranks) {
  const auto least = [ranks](Index degree) { return degree < ranks ? degree : ranks; };
  return {least(degrees.tensor), least(degrees.pipeline), least(degrees.context), least(degrees.expert)};
}

/// How ranks are threaded through a node.
enum class RankOrder : std::uint8_t {
  ascending,  ///< logic 1: tensor ranks are neighbours
  spread,     ///< logic 1, tensor size 4 on trn1: a tensor group takes one rank of every quarter of a node
  ring,       ///< logic 2: tensor groups run up one row of a trn2 node and down another
};

/// Which order a job gets (1.4, 1.5).
constexpr RankOrder rank_order(const World& world, Index tensor) {
  if (tensor == 4 && is_trn1_class(world.hardware)) return RankOrder::spread;
  if (world.hardware != Hardware::trn2) return RankOrder::ascending;
  const bool ring = (world.lnc == 1 && tensor == 64) || (world.lnc == 2 && tensor == 32 && world.ranks >= 64);
  return ring ? RankOrder::ring : RankOrder::ascending;
}

/// Ranks of one node where a rank order depends on it: LOCAL_WORLD_SIZE, else 64 on a ring and the whole world
/// elsewhere.
constexpr Index node_size(const World& world, RankOrder order) {
  if (world.ranks_per_node > 0) return world.ranks_per_node;
  return order == RankOrder::ring ? 64 : world.ranks;
}

/// All that is wrong with a world and its degrees. Ids R2, R3, SP-MESH-001, -005, -006, -009, -010 and, as a warning
/// where NxD goes on with smaller degrees, -011. Post: Mesh can be made exactly when none of them is an error.
constexpr Diagnostics diagnose(const World& world, const Degrees& asked, const Dialect& dialect = strict) {
  Diagnostics out;
  const auto positive = [&](Index value, const char* key) {
    if (value < 1) out.push_back(finding("SP-MESH-001", concat(key, " is ", value), "at least 1", {key}));
  };
  positive(world.ranks, "ranks");
  positive(asked.tensor, "tensor");
  positive(asked.pipeline, "pipeline");
  positive(asked.context, "context");
  positive(asked.expert, "expert");
  const bool grouped = world.hardware == Hardware::trn2 || world.hardware == Hardware::trn3;
  if (world.lnc < 1 || (grouped && world.lnc > 2))
    out.push_back(finding("SP-MESH-001", concat("lnc is ", world.lnc), grouped ? "1 or 2" : "at least 1", {"lnc"}));
  if (world.ranks_per_node < 0)
    out.push_back(finding("SP-MESH-001", concat("ranks_per_node is ", world.ranks_per_node),
                          "at least 1, or 0 where it is not known", {"ranks_per_node"}));
  if (world.ranks > View::max_ranks)
    out.push_back(
        finding("SP-MESH-009", concat("a world of ", world.ranks, " ranks"), "at most 2^31 ranks", {"ranks"}));
  if (!out.empty()) return out;

  const Degrees degrees = dialect.clamp_degrees ? clamped(asked, world.ranks) : asked;
  if (degrees != asked)
    out.push_back(finding("SP-MESH-011",
                          concat("NxD reduces tensor ", asked.tensor, ", pipeline ", asked.pipeline, ", context ",
                                 asked.context, ", expert ", asked.expert, " to at most the world of ", world.ranks),
                          {}, {"tensor", "pipeline", "context", "expert"}));

  const auto divides = [&](const char* id, Index third, const char* key) {
    Index product = 0;
    const bool fits = !__builtin_mul_overflow(degrees.tensor, degrees.pipeline, &product) &&
                      !__builtin_mul_overflow(product, third, &product);
    if (fits && world.ranks % product == 0) return;
    const std::string formula =
        concat("tensor ", degrees.tensor, " x pipeline ", degrees.pipeline, " x ", key, ' ', third);
    std::string hint;
    if (fits) hint = concat("a world of ", multiples_near(world.ranks, product), " ranks");
    out.push_back(finding(id,
                          concat("the world of ", world.ranks, " ranks is not a multiple of ", formula,
                                 fits ? concat(" = ", product) : std::string()),
                          hint, {"ranks", "tensor", "pipeline", key}));
  };
  divides("R2", degrees.context, "context");
  // Where tensor x pipeline alone does not divide the world, R2 has said so.
  if (!has_errors(out) || (world.ranks % degrees.tensor == 0 && world.ranks / degrees.tensor % degrees.pipeline == 0))
    divides("R3", degrees.expert, "expert");
  if (has_errors(out)) return out;

  const RankOrder order = rank_order(world, degrees.tensor);
  const Index node = node_size(world, order);
  const Index data = world.ranks / (degrees.tensor * degrees.pipeline);
  if (order == RankOrder::spread) {
    const Index quarter = node / 4;
    if (quarter < 1 || data % quarter != 0)
      out.push_back(
          finding("SP-MESH-005",
                  concat("tensor size 4 on ", name(world.hardware), " spreads every tensor group over a node of ", node,
                         " ranks, so the ", data, " tensor groups of a stage must come in blocks of ", quarter),
                  "fewer pipeline stages, more nodes, or another tensor size", {"tensor", "pipeline", "ranks"}));
    const auto cuts = [&](Index degree, const char* key) {
      const std::string asked_for = concat("tensor size 4 on ", name(world.hardware), " with ", key, " size ", degree);
      if (dialect.nxd_limits && degree > 1)
        out.push_back(finding("SP-MESH-010", concat("NxD cannot arrange ", asked_for),
                              concat(key, " size 1, another tensor size, or the strict dialect"), {"tensor", key}));
      else if (quarter > 0 && quarter % degree != 0 && degree % quarter != 0)
        out.push_back(finding("SP-MESH-005", concat(asked_for, " does not fit blocks of ", quarter, " tensor groups"),
                              concat("a divisor or a multiple of ", quarter), {"tensor", key}));
    };
    cuts(degrees.context, "context");
    cuts(degrees.expert, "expert");
  }
  if (order == RankOrder::ring && (world.ranks % node != 0 || (node != degrees.tensor && node != 2 * degrees.tensor)))
    out.push_back(
        finding("SP-MESH-006",
                concat("the trn2 ring of tensor size ", degrees.tensor, " needs whole nodes of ", degrees.tensor,
                       " or ", 2 * degrees.tensor, " ranks, not ", world.ranks, " ranks in nodes of ", node),
                concat("a multiple of ", node, " ranks"), {"ranks", "ranks_per_node", "tensor"}));
  return out;
}

/// All ranks of a job: the dense view [pp][dp][cp][tp], the expert view [pp][edp][ep][tp], and the groups over them.
///
/// Every query is arithmetic on a few digits; nothing is stored per rank. Groups come back as values.
class Mesh {
 public:
  constexpr Mesh() = default;
  /// Errors: all that diagnose() finds.
  constexpr explicit Mesh(const World& world, const Degrees& asked, const Dialect& dialect = strict)
      : world_(world), dialect_(dialect) {
    if (Diagnostics all = diagnose(world, asked, dialect); has_errors(all)) throw Error(std::move(all));
    degrees_ = dialect.clamp_degrees ? clamped(asked, world.ranks) : asked;
    order_ = rank_order(world, degrees_.tensor);
    const Index stages = degrees_.pipeline, tensor = degrees_.tensor, data = world.ranks / (stages * tensor);
    const Index quarter = node_size(world, order_) / 4;
    // One view of [stage][data][tensor] carries the rank order; dense and expert axes only divide "data" differently.
    const Axis whole{"data"};
    const View plain({{pp, stages}, {whole, data}, {tp, tensor}});
    View ordered = plain;
    if (order_ == RankOrder::spread)
      ordered = View({{pp, stages}, {whole, data / quarter}, {tp, tensor}, {whole, quarter}});
    if (order_ == RankOrder::ring)
      ordered = View({{pp, stages}, {whole, data}, {tp, tensor}}, wire(4 * quarter, {0, 3, 1, 2}));
    dense_ = ordered.refine(whole, dp, cp, degrees_.context);
    expert_ = (order_ == RankOrder::ring && dialect.plain_expert_view ? plain : ordered)
                  .refine(whole, edp, ep, degrees_.expert);
  }

  constexpr const World& world() const { return world_; }
  constexpr const Degrees& degrees() const { return degrees_; }
  constexpr const Dialect& dialect() const { return dialect_; }
  constexpr RankOrder order() const { return order_; }
  constexpr const View& dense() const { return dense_; }
  constexpr const View& expert() const { return expert_; }
  constexpr Index size() const { return world_.ranks; }
  constexpr Index data() const { return dense_.extent(dp); }
  constexpr Index expert_data() const { return expert_.extent(edp); }

  /// All groups along one axis: tp, dp, cp, pp over the dense view, ep and edp over the expert view.
  /// Order of the list: 1.6, 1.7. Errors SP-MESH-007.
  constexpr GroupList groups(Axis axis) const {
    // On a ring NxD lists degree-1 data and pipeline groups by rank, not by place.
    if (dialect_.nxd_accessors && order_ == RankOrder::ring && (axis == dp || axis == pp) && dense_.extent(axis) == 1)
      return GroupList(View({{axis, 1}, {Axis("rank"), world_.ranks}}), {axis}, {Axis("rank")});
    if (axis == tp) return {dense_, {tp}, {pp, dp, cp}};
    if (axis == dp) return {dense_, {dp}, {pp, cp, tp}};
    if (axis == cp) return {dense_, {cp}, {pp, dp, tp}};
    if (axis == pp) return {dense_, {pp}, {dp, cp, tp}};
    if (axis == ep) return {expert_, {ep}, {pp, edp, tp}};
    if (axis == edp) return {expert_, {edp}, {pp, ep, tp}};
    fail("SP-MESH-007", concat("no groups along '", axis.name(), "'"), "tp, dp, cp, pp, ep or edp");
  }
  /// The group of one rank along one axis, without the list. Errors SP-MESH-007.
  constexpr Group group(Axis axis, Rank rank) const {
    const View& view = dense_.find(axis) ? dense_ : expert_;
    return {view, {view.at(axis)}, view.place(rank)};
  }

  /// The one group of all ranks, ascending.
  constexpr GroupList everyone() const {
    return {View({{Axis("job"), 1}, {Axis("rank"), world_.ranks}}), {Axis("rank")}, {Axis("job")}};
  }

  /// Groups that share the optimizer state of dense parameters (1.12): data ranks, times context ranks, data-major.
  constexpr GroupList zero1_groups() const {
    if (degrees_.context == 1) return groups(dp);
    return {dense_, {dp, cp}, {pp, tp}};
  }

  /// In how many rounds all neighbouring stages can exchange at once: two, three on an odd ring, none without
  /// neighbours. NxD has two whatever the size (1.9).
  constexpr Index stage_pair_rounds() const {
    if (degrees_.pipeline == 1) return 0;
    return degrees_.pipeline % 2 == 0 || dialect_.nxd_accessors ? 2 : 3;
  }

  /// Neighbouring stages that send and receive in one round: pairs (s, s + 1 mod pipeline), s even in round 0 and odd
  /// in round 1. What closes an odd ring, (last, first), is round 2, or a second pair of stage 0 in NxD's round 0.
  /// Post: the rounds together hold every edge of the ring once. Errors SP-MESH-007 for a round there is not.
  constexpr GroupList stage_pairs(Index round) const {
    if (round < 0 || round >= stage_pair_rounds())
      fail("SP-MESH-007", concat("stage pairs of round ", round), concat("below ", stage_pair_rounds()), {"pipeline"});
    const Index last = degrees_.pipeline - 1;
    GroupList::Picks pairs;
    if (round == 2) pairs.push_back({last, 0});
    for (Index s = round; round < 2 && s < degrees_.pipeline - (stage_pair_rounds() == 3); s += 2)
      pairs.push_back({s, s == last ? 0 : s + 1});
    return {dense_, {pp}, {dp, cp, tp}, pairs};
  }

  /// Groups of the ranks that share a weight on several stages (1.10), such as tied embeddings on {0, last}.
  /// Errors SP-MESH-009 for a stage there is not.
  constexpr GroupList shared_weight_groups(const InlineVector<Index, 2>& stages) const {
    if (!dialect_.plain_side_groups) return {dense_, {pp}, {dp, cp, tp}, {stages}};
    const Axis rest{"rest"};
    return {View({{pp, degrees_.pipeline}, {rest, world_.ranks / degrees_.pipeline}}), {pp}, {rest}, {stages}};
  }

  /// Groups of the `copies` ranks that hold the same KV head (1.10): strided inside a tensor group on trn1 and trn3,
  /// neighbours on trn2 or when `sequential`. Errors SP-MESH-008 unless `copies` divides the tensor size.
  constexpr GroupList kv_shared_groups(Index copies, bool sequential = false) const {
    const bool neighbours = sequential || world_.hardware == Hardware::trn2;
    return tensor_blocks(copies, neighbours ? copies : degrees_.tensor / (copies > 0 ? copies : 1), neighbours);
  }

  /// Groups of `size` neighbours inside a tensor group, for speculative drafts (1.10). Errors SP-MESH-008.
  constexpr GroupList draft_groups(Index size) const { return tensor_blocks(size, size, true); }

  /// What keeps `size` data ranks from exchanging tokens (1.10). Ids R29 unless `size` divides the data size;
  /// SP-MESH-010 with context ranks where NxD's limits count; SP-MESH-008 where data ranks are spread over nodes and a
  /// group would end inside a quarter of one. Post: token_shuffle_groups() exist exactly when nothing is found.
  constexpr Diagnostics diagnose_token_shuffle(Index size) const {
    if (size < 1 || data() % size != 0)
      return {finding(
          "R29", concat("token_shuffle_group_size (", size, ") does not divide the data-parallel size (", data(), ')'),
          divisors_near(data(), size), {"token_shuffle"})};
    if (dialect_.nxd_limits && degrees_.context > 1)
      return {finding("SP-MESH-010",
                      concat("NxD cannot make token shuffle groups with context size ", degrees_.context),
                      "the strict dialect", {"token_shuffle", "context"})};
    if (side_view().can_refine(dp, size)) return {};
    Index block = 1;  // data ranks of a quarter of a node
    for (const View::Slot& slot : dense_.slots())
      if (dense_.axes()[slot.axis].axis == dp && slot.weight == 1) block *= slot.extent;
    return {finding(
        "SP-MESH-008",
        concat("token_shuffle_group_size (", size, ") does not fit blocks of ", block, " data ranks, as tensor size ",
               degrees_.tensor, " on ", name(world_.hardware), " spreads them over a node"),
        concat("a divisor of ", data(), " that divides ", block, " or is a multiple of it"),
        {"token_shuffle", "tensor"})};
  }

  /// Groups of `size` data ranks that exchange tokens (1.10). Errors: all that diagnose_token_shuffle() finds.
  constexpr GroupList token_shuffle_groups(Index size) const {
    if (Diagnostics all = diagnose_token_shuffle(size); !all.empty()) throw Error(std::move(all));
    const Axis outer{"outer"}, shuffle{"shuffle"};
    return {side_view().refine(dp, outer, shuffle, size), {shuffle}, {pp, outer, cp, tp}};
  }

 private:
  /// The view that side groups are cut from: plain rank numbers where NxD goes by them.
  constexpr View side_view() const {
    if (!dialect_.plain_side_groups) return dense_;
    return View({{pp, degrees_.pipeline}, {dp, data()}, {cp, degrees_.context}, {tp, degrees_.tensor}});
  }

  /// Groups over one of the two digits that `inner` cuts the tensor axis into.
  constexpr GroupList tensor_blocks(Index size, Index inner, bool over_inner) const {
    if (size < 1 || degrees_.tensor % size != 0)
      fail("SP-MESH-008", concat("a group of ", size, " does not divide the tensor size ", degrees_.tensor),
           divisors_near(degrees_.tensor, size), {"tensor"});
    const Axis far{"far"}, near{"near"};
    return {side_view().refine(tp, far, near, inner), {over_inner ? near : far}, {pp, dp, cp, over_inner ? far : near}};
  }

  World world_;
  Dialect dialect_;
  Degrees degrees_;
  RankOrder order_ = RankOrder::ascending;
  View dense_;
  View expert_;
};

}  // namespace shardplan
