#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <shardplan/core/dtype.hpp>
#include <shardplan/layout/copy.hpp>
#include <shardplan/layout/detail/held_parts.hpp>
#include <shardplan/layout/detail/replicas.hpp>

/// From one layout of a tensor to another: who sends what to whom (layout-algebra sheet, section 8; the tensor-parallel
/// reshard of Megatron is the case of one dimension and one axis).
namespace shardplan {

/// Which of the ranks that hold a piece sends it. A rank that holds what it wants always takes it from itself.
enum class ReplicaChoice : std::uint8_t {
  nearest,   ///< fewest links where a topology is given, then the nearest rank number, the lower one of two
  balanced,  ///< all replicas in turn, as the destination's replicas and parts count up
  lowest,    ///< least rank number
};

/// A box of elements: contiguous in every dimension of the shard it comes from and of the shard it goes to.
struct Move {
  Rank from;
  Rank to;
  Shape source;       ///< origin in the shard of `from`
  Shape destination;  ///< origin in the shard of `to`
  Shape extent;

  /// Whether it is a copy inside one rank, which sends nothing.
  constexpr bool stays() const { return from == to; }
  constexpr Index elements() const { return shardplan::elements(extent); }
  /// Errors SP-CORE-001.
  constexpr Index bytes(Dtype type) const { return checked_mul(elements(), shardplan::bytes(type)); }
  friend constexpr bool operator==(const Move&, const Move&) = default;
};

/// A part of a shard, in its own coordinates.
struct Box {
  Shape origin;
  Shape extent;
  friend constexpr bool operator==(const Box&, const Box&) = default;
};

/// A stretch of a move that is contiguous in both row-major shards, in elements.
struct Stretch {
  Index source = 0;
  Index destination = 0;
  Index length = 0;
  friend constexpr bool operator==(const Stretch&, const Stretch&) = default;
};

/// What all moves of a rank, or of all ranks, add up to.
struct Traffic {
  Index moves = 0;  ///< between different ranks
  Index sent = 0;   ///< elements of these
  Index kept = 0;   ///< elements that come from the rank itself

  constexpr void add(const Move& move) {
    moves += !move.stays();
    Index& count = move.stays() ? kept : sent;
    count = checked_add(count, move.elements());
  }
  /// Bytes that travel. Errors SP-CORE-001.
  constexpr Index bytes(Dtype type) const { return checked_mul(sent, shardplan::bytes(type)); }
  friend constexpr bool operator==(const Traffic&, const Traffic&) = default;
};

/// The moves between two layouts of one tensor, which may have different views, worlds and cuts: rank numbers are what
/// they have in common. Every rank asks for its own moves; no answer looks at pairs of ranks.
///
/// Post: every element of every destination shard that is no padding is written exactly once. Padding is written by
/// none: it is the destination's own. Moves of a rank come in local order and are merged: one a box that continues on
/// both sides. (Sources that hold elements several times in shifted ranges are merged along the last dimension only.)
class Transfer {
  using Parts = InlineVector<detail::HeldParts, 3>;
  using Position = InlineVector<std::size_t, 4>;

  // Before its callers: clang 14 makes it in time for constant expressions only then.
  template <class Sink>
  constexpr void moves(Rank destination, const Box* part, Parts& parts, Sink&& sink) const {
    if (!to_.view().contains(destination)) return;
    const Place place = to_.view().place(destination);
    if (!to_.exists_at(place)) return;
    const Shard wanted(to_, place);
    if (wanted.real_elements() == 0) return;

    Place own;
    const Place* has = nullptr;
    if (from_.view().contains(destination)) {
      own = from_.view().place(destination);
      if (from_.exists_at(own)) has = &own;
    }
    for (std::size_t dim = 0; dim < to_.rank(); ++dim) {
      if (part) {
        InlineVector<Shard::Segment, 6> inside;
        for (const Shard::Segment& run : wanted.segments(dim)) {
          const Interval both = intersect({run.local, run.local + run.length},
                                          {part->origin[dim], part->origin[dim] + part->extent[dim]});
          if (!both.empty() && !run.is_padding())
            inside.push_back({run.start + (both.begin - run.local), both.size(), both.begin});
        }
        parts[dim].find(from_, dim, {inside.data(), inside.size()}, has);
      } else {
        parts[dim].find(from_, dim, wanted.segments(dim), has);
      }
      if (parts[dim].parts().empty()) return;
    }

    const Index turn = turn_of(place);
    Position at(to_.rank(), 0);
    Move move = chosen(parts, at, destination, has != nullptr, turn);
    while (advance(parts, at)) {
      const Move next = chosen(parts, at, destination, has != nullptr, turn);
      if (continues(move, next)) {
        move.extent.back() += next.extent.back();
      } else {
        sink(static_cast<const Move&>(move));
        move = next;
      }
    }
    sink(static_cast<const Move&>(move));
  }

 public:
  constexpr Transfer() = default;
  /// topology: what `nearest` means; by default only rank numbers count.
  /// Errors SP-LAYOUT-013 layouts of different shapes, or of values that are only summands; SP-MESH-001, -009 a
  /// topology that does not hold the ranks.
  constexpr Transfer(Layout from, Layout to, ReplicaChoice choice = ReplicaChoice::nearest, Topology topology = {})
      : from_(std::move(from)), to_(std::move(to)), choice_(choice), topology_(std::move(topology)), replicas_(from_) {
    for (const Layout* layout : {&from_, &to_}) topology_.check(layout->view().offset() + layout->view().size());
    if (from_.shape() != to_.shape())
      fail("SP-LAYOUT-013", concat("from a tensor ", from_.shape(), " to a tensor ", to_.shape()), "one shape",
           {"from", "to"});
    for (const Layout* layout : {&from_, &to_})
      for (const Layout::Partial& partial : layout->partials())
        if (const View::Extent& axis = layout->view().axes()[partial.axis]; axis.size > 1)
          fail("SP-LAYOUT-013", concat("values along axis ", axis.axis.name(), " are summands: no copy gives the sum"),
               "reduced values", {layout == &from_ ? "from" : "to"});
  }

  constexpr const Layout& from() const { return from_; }
  constexpr const Layout& to() const { return to_; }
  constexpr ReplicaChoice choice() const { return choice_; }
  constexpr const Topology& topology() const { return topology_; }

  /// Calls sink(Move) for what one rank receives, what it has already included; nothing for a rank without a shard.
  /// O(answers). Errors SP-LAYOUT-013 an element that it wants and nobody holds.
  template <class Sink>
  constexpr void for_each_move(Rank destination, Sink&& sink) const {
    Parts parts(to_.rank());
    moves(destination, nullptr, parts, sink);
  }
  /// The same for a part of its shard alone: slices of flat buffers are such. Post: destinations lie in the box.
  template <class Sink>
  constexpr void for_each_move(Rank destination, const Box& part, Sink&& sink) const {
    Parts parts(to_.rank());
    moves(destination, &part, parts, sink);
  }
  /// The same for all ranks of the destination, ascending.
  template <class Sink>
  constexpr void for_each_move(Sink&& sink) const {
    Parts parts(to_.rank());  // one for all: making it takes as long as filling it
    for (Index r = 0; r < to_.view().size(); ++r) moves(to_.view().offset() + r, nullptr, parts, sink);
  }

  /// Calls sink(rank), ascending, for the ranks that want something that one rank holds: those that it may have to send
  /// to. O(answers), found from the pieces it holds, whatever the world.
  template <class Sink>
  constexpr void for_each_destination(Rank source, Sink&& sink) const {
    if (!from_.view().contains(source) || !from_.exists_at(from_.view().place(source))) return;
    const Shard held(from_, from_.view().place(source));
    const detail::Replicas wanting(to_);
    auto all = InlineVector<AtomValues, 4>(wanting.pins());
    for (std::size_t dim = 0; dim < held.rank(); ++dim) {
      InlineVector<AtomValues, 4> wider;
      for (const Shard::Segment& run : held.segments(dim)) {
        if (run.is_padding()) continue;
        for_each_holder(to_, dim, {run.start, run.start + run.length}, [&](const Holder& holder) {
          for (const AtomValues& values : all)
            if (const AtomValues next = both(values, holder.atoms); wider.empty() || !(wider.back() == next))
              wider.push_back(next);
        });
      }
      all = std::move(wider);
    }
    InlineVector<Index, 16> ranks;
    for (const AtomValues& values : all) wanting.for_each(to_, values, [&](Rank rank) { ranks.push_back(rank.value); });
    std::sort(ranks.begin(), ranks.end());
    for (std::size_t i = 0; i < ranks.size(); ++i)
      if (i == 0 || ranks[i] != ranks[i - 1]) sink(Rank(ranks[i]));
  }

  /// Calls sink(Move) for what one rank sends, what it keeps included, by ascending destination.
  /// Post: over all sources these are the moves of all destinations. O(moves of the ranks of for_each_destination()):
  /// what another replica sends them is found as well, and left out.
  template <class Sink>
  constexpr void for_each_move_from(Rank source, Sink&& sink) const {
    for_each_destination(source, [&](Rank destination) {
      for_each_move(destination, [&](const Move& move) {
        if (move.from == source) sink(move);
      });
    });
  }

  /// Calls sink(Stretch) for what a move copies between the buffers of the two shards, both row-major. Pre: a move of
  /// this transfer.
  template <class Sink>
  constexpr void for_each_stretch(const Move& move, Sink&& sink) const {
    const Shape here = from_.local_shape(from_.view().place(move.from));
    const Shape there = to_.local_shape(to_.view().place(move.to));
    const Shape source_strides = row_major_strides(here), strides = row_major_strides(there);
    // Dimensions from `inner` on are one stretch: all behind it are whole on both sides.
    std::size_t inner = move.extent.size();
    Index length = 1;
    while (inner > 0) {
      length *= move.extent[--inner];
      if (move.extent[inner] != here[inner] || move.extent[inner] != there[inner]) break;
    }
    Shape at(inner, 0);
    for (bool more = true; more;) {
      Stretch stretch{0, 0, length};
      for (std::size_t d = 0; d < move.extent.size(); ++d) {
        const Index step = d < inner ? at[d] : 0;
        stretch.source += (move.source[d] + step) * source_strides[d];
        stretch.destination += (move.destination[d] + step) * strides[d];
      }
      sink(static_cast<const Stretch&>(stretch));
      more = false;
      for (std::size_t d = inner; d-- > 0 && !more;) {
        more = ++at[d] < move.extent[d];
        if (!more) at[d] = 0;
      }
    }
  }

  constexpr Traffic traffic(Rank destination) const {
    Traffic out;
    for_each_move(destination, [&out](const Move& move) { out.add(move); });
    return out;
  }
  /// Over all ranks.
  constexpr Traffic traffic() const {
    Traffic out;
    for_each_move([&out](const Move& move) { out.add(move); });
    return out;
  }

 private:
  /// A number that counts up over the destinations that may want the same piece: its replicas, then neighbouring parts.
  constexpr Index turn_of(const Place& place) const {
    Index replica = 0, replicas = 1, part = 0;
    for (std::size_t a = 0; choice_ == ReplicaChoice::balanced && a < to_.atoms().size(); ++a) {
      const Layout::Atom& atom = to_.atoms()[a];
      const Index value = place[atom.axis] / atom.divisor % atom.extent;
      if (to_.is_bound(a)) {
        part = part * atom.extent + value;
      } else {
        replica = replica * atom.extent + value;
        replicas *= atom.extent;
      }
    }
    return replica + replicas * part;
  }

  static constexpr bool advance(const Parts& parts, Position& at) {
    for (std::size_t dim = at.size(); dim-- > 0;) {
      if (++at[dim] < parts[dim].parts().size()) return true;
      at[dim] = 0;
    }
    return false;
  }

  static constexpr bool continues(const Move& move, const Move& next) {
    if (move.from != next.from) return false;
    for (std::size_t dim = 0; dim < move.extent.size(); ++dim) {
      const Index step = dim + 1 == move.extent.size() ? move.extent[dim] : 0;
      if (move.source[dim] + step != next.source[dim] || move.destination[dim] + step != next.destination[dim] ||
          (step == 0 && move.extent[dim] != next.extent[dim]))
        return false;
    }
    return true;
  }

  static constexpr AtomValues both(AtomValues a, const AtomValues& b) {
    for (std::size_t i = 0; i < a.size(); ++i)
      if (b[i] >= 0) a[i] = b[i];
    return a;
  }

  /// The move of one box: its parts, and the source that the policy picks. `own`: whether `to` has a source shard.
  constexpr Move chosen(const Parts& parts, const Position& at, Rank to, bool own, Index turn) const {
    Move out{to, to, {}, {}, {}};
    for (std::size_t dim = 0; dim < parts.size(); ++dim) {
      const detail::HeldParts::Part& part = parts[dim].parts()[at[dim]];
      own = own && part.own >= 0;
      out.source.push_back(part.own);
      out.destination.push_back(part.local);
      out.extent.push_back(part.length);
    }
    if (own) return out;
    if (choice_ == ReplicaChoice::balanced) {
      const auto next = [&turn](std::size_t count) {
        const auto n = static_cast<Index>(count), taken = turn % n;
        turn /= n;
        return static_cast<std::size_t>(taken);
      };
      AtomValues values = replicas_.pins()[next(replicas_.pins().size())];
      for (std::size_t dim = 0; dim < parts.size(); ++dim) {
        const detail::HeldParts::Part& part = parts[dim].parts()[at[dim]];
        const auto& holding = parts[dim].holding(part, next(part.holdings.count));
        out.source[dim] = holding.local;
        values = both(values, holding.atoms);
      }
      out.from = detail::Replicas::nth(from_, values, turn);
      return out;
    }
    const bool lowest = choice_ == ReplicaChoice::lowest;
    const Topology numbers;
    Best best{lowest ? Rank(from_.view().offset()) : to, lowest ? numbers : topology_, -1, {}};
    for (const AtomValues& pinned : replicas_.pins()) search(parts, at, 0, pinned, out.source, best);
    out.from = best.rank;
    out.source = best.source;
    return out;
  }

  struct Best {
    Rank target;
    const Topology& topology;
    Rank rank;
    Shape source;
  };
  /// Tries the holdings of dimensions from `dim` on; different dimensions fix different atoms, so all combine.
  constexpr void search(const Parts& parts, const Position& at, std::size_t dim, const AtomValues& values,
                        Shape& source, Best& best) const {
    if (dim == parts.size()) {
      const Rank rank = replicas_.nearest(from_, values, best.target, best.topology);
      if (best.rank.value < 0 || best.topology.nearer(best.target, rank, best.rank)) {
        best.rank = rank;
        best.source = source;
      }
      return;
    }
    const detail::HeldParts::Part& part = parts[dim].parts()[at[dim]];
    for (std::size_t i = 0; i < part.holdings.count; ++i) {
      const auto& holding = parts[dim].holding(part, i);
      source[dim] = holding.local;
      search(parts, at, dim + 1, both(values, holding.atoms), source, best);
    }
  }

  Layout from_;
  Layout to_;
  ReplicaChoice choice_ = ReplicaChoice::nearest;
  Topology topology_;
  detail::Replicas replicas_;
};

/// The moves that turn one layout of a tensor into another. Errors SP-LAYOUT-013.
constexpr Transfer transfer(const Layout& from, const Layout& to, ReplicaChoice choice = ReplicaChoice::nearest) {
  return {from, to, choice};
}
/// The same from the replica with the fewest links to the destination. Errors also SP-MESH-001, -009.
constexpr Transfer transfer(const Layout& from, const Layout& to, const Topology& topology) {
  return {from, to, ReplicaChoice::nearest, topology};
}

/// Checks moves rank by rank, on what they say and what both shards are, not on how they were found: O(moves), with a
/// shard of the source for each.
class TransferProof {
 public:
  /// Refers to the transfer.
  constexpr explicit TransferProof(const Transfer& plan) : plan_(plan) {}
  explicit TransferProof(const Transfer&&) = delete;  // keep it

  /// Whether the moves of a rank, in order, write every element of its shard that is no padding exactly once, each with
  /// the very element that the sender holds there.
  constexpr bool holds(Rank destination, const InlineVector<Move, 4>& moves) const {
    const View &from = plan_.from().view(), &to = plan_.to().view();
    if (!to.contains(destination) || !plan_.to().exists_at(to.place(destination))) return moves.empty();
    const Shard wanted(plan_.to(), to.place(destination));
    if (wanted.real_elements() == 0) return moves.empty();
    for (const Move& move : moves) {
      if (move.to != destination || !from.contains(move.from)) return false;
      const Place place = from.place(move.from);
      if (!plan_.from().exists_at(place)) return false;
      const Shard source(plan_.from(), place);
      for (std::size_t dim = 0; dim < wanted.rank(); ++dim)
        if (!detail::same_elements(source.segments(dim), move.source[dim], wanted.segments(dim), move.destination[dim],
                                   move.extent[dim]))
          return false;
    }
    return detail::tiles(wanted, moves, 0, moves.size(), 0);
  }

 private:
  const Transfer& plan_;
};

/// Plans all moves, destination by destination, proves each rank's complete, and only then calls sink(Move) for them;
/// false, with no further calls, at a rank whose moves are not. One pass: plan and proof of 1,024 tensors take seconds.
/// Errors SP-LAYOUT-013 an element that is wanted and held by nobody.
template <class Sink>
constexpr bool for_each_proven_move(const Transfer& plan, Sink&& sink) {
  const TransferProof proof(plan);
  const View& view = plan.to().view();
  InlineVector<Move, 4> of_rank;
  Rank rank = view.offset(), end = view.offset() + view.size();
  const auto finish = [&] {
    if (!proof.holds(rank, of_rank)) return false;
    for (const Move& move : of_rank) sink(move);
    of_rank.clear();
    ++rank;
    return true;
  };
  bool holds = true;
  plan.for_each_move([&](const Move& move) {
    while (holds && rank < move.to) holds = finish();
    if (holds) of_rank.push_back(move);
  });
  while (holds && rank < end) holds = finish();
  return holds;
}
/// Whether all moves together write every element of every destination shard exactly once.
constexpr bool proves(const Transfer& plan) {
  return for_each_proven_move(plan, [](const Move&) {});
}

/// Carries a transfer out for one rank, on a host that has all source shards: `shard_of(rank)` gives a row-major one as
/// a span. Padding is filled as the destination says. Errors SP-LAYOUT-010, -013.
template <class T, class ShardOf>
constexpr void receive(const Transfer& plan, Rank destination, ShardOf&& shard_of, std::span<T> local) {
  const View& view = plan.to().view();
  const bool exists = view.contains(destination) && plan.to().exists_at(view.place(destination));
  const Shard wanted = exists ? Shard(plan.to(), view.place(destination)) : Shard();
  if (static_cast<Index>(local.size()) != (exists ? wanted.elements() : 0))
    fail("SP-LAYOUT-010", concat("a buffer of ", local.size(), " elements for a shard of rank ", destination.value,
                                 " that has ", exists ? wanted.elements() : 0));
  if (!exists) return;
  detail::for_each_padding(
      wanted, 0, 0, [&](Index at, Fill fill) { local[static_cast<std::size_t>(at)] = detail::fill_value<T>(fill); });
  plan.for_each_move(destination, [&](const Move& move) {
    const std::span<const T> source = shard_of(move.from);
    const Index held = elements(plan.from().local_shape(plan.from().view().place(move.from)));
    if (static_cast<Index>(source.size()) != held)
      fail("SP-LAYOUT-010", concat("a buffer of ", source.size(), " elements for a shard of rank ", move.from.value,
                                   " that has ", held));
    plan.for_each_stretch(move, [&](const Stretch& stretch) {
      for (Index i = 0; i < stretch.length; ++i)
        local[static_cast<std::size_t>(stretch.destination + i)] = source[static_cast<std::size_t>(stretch.source + i)];
    });
  });
}

}  // namespace shardplan
