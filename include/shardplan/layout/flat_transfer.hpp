#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/layout/flat.hpp>
#include <shardplan/layout/transfer.hpp>

/// Transfers of many tensors whose shards lie in flat buffers on one side or on both: ZeRO slices of a DeepSpeed
/// partition or of Megatron's buckets (layout-algebra sheet, sections 5 and 8).
namespace shardplan {

/// How ranks keep tensors: every tensor's layout, and the flat buffers that its shards lie in. No buffers: every shard
/// is a row-major buffer of its own.
///
/// Several buffers: of other types, of experts, of other pipeline stages (then each is pinned to its stage). The first
/// that has an entry for a tensor is where it is read from.
struct TensorStorage {
  std::vector<Layout> tensors;
  std::vector<FlatLayout> buffers = {};  ///< entries name positions in `tensors`
};

/// Neighbouring elements that stay neighbours, in elements of the buffers on both sides.
struct FlatMove {
  Index tensor = 0;
  Rank from;
  Rank to;
  Index from_buffer = 0;  ///< number of the flat buffer; of the tensor where shards have buffers of their own
  Index to_buffer = 0;
  Index source = 0;       ///< first element, in the part of `from`
  Index destination = 0;  ///< first element, in the part of `to`
  Index length = 0;

  constexpr bool stays() const { return from == to; }
  /// Errors SP-CORE-001.
  constexpr Index bytes(Dtype type) const { return checked_mul(length, shardplan::bytes(type)); }
  friend constexpr bool operator==(const FlatMove&, const FlatMove&) = default;
};

/// The moves between two ways to keep the same tensors.
///
/// One mechanism for all cases: a slice of a flat buffer is a range of a local tensor, that is a few boxes; boxes go
/// through the tensor's Transfer; what a flat source holds of the shard they come from is looked up in its buffer.
///
/// Post: every element that a rank's part keeps of a tensor is written exactly once; padding and gaps by none. Moves
/// that follow one another are merged where both sides continue. A rank takes what it holds itself from itself.
/// Of a flat source the policy chooses first whose shard, where a layout offers several, then whose part of it.
class FlatTransfer {
 public:
  FlatTransfer() = default;
  /// Errors SP-LAYOUT-013 another number of tensors, tensors of other shapes, or of values that are only summands;
  /// SP-LAYOUT-011 an entry of no tensor, or a buffer with another view than a tensor in it; SP-LAYOUT-007 a digit that
  /// cuts a tensor and the buffer it lies in; SP-MESH-001, -009 as Transfer.
  FlatTransfer(TensorStorage from, TensorStorage to, ReplicaChoice choice = ReplicaChoice::nearest,
               const Topology& topology = {})
      : from_(std::move(from)), to_(std::move(to)), choice_(choice), topology_(topology) {
    if (from_.tensors.size() != to_.tensors.size())
      fail("SP-LAYOUT-013", concat("from ", from_.tensors.size(), " tensors to ", to_.tensors.size()), "the same ones",
           {"from", "to"});
    for (std::size_t t = 0; t < from_.tensors.size(); ++t)
      plans_.emplace_back(from_.tensors[t], to_.tensors[t], choice, topology);
    check(from_, "from");
    check(to_, "to");
    homes_.resize(from_.tensors.size());
    for (std::size_t b = from_.buffers.size(); b-- > 0;)
      for (const FlatEntry& entry : from_.buffers[b].entries())
        homes_[static_cast<std::size_t>(entry.tensor)] = {static_cast<Index>(b), entry, {}};
    for (std::size_t t = 0; t < homes_.size(); ++t)
      if (homes_[t].buffer >= 0)
        homes_[t].joint = Joint(from_.tensors[t], from_.buffers[static_cast<std::size_t>(homes_[t].buffer)].buffer());
  }

  const TensorStorage& from() const { return from_; }
  const TensorStorage& to() const { return to_; }

  /// Calls sink(FlatMove) for what one rank receives, what it has already included: buffer by buffer, in the order of
  /// its slices. O(answers). Errors SP-LAYOUT-013 an element that it wants and nobody holds; SP-LAYOUT-011 an entry of
  /// another size than the shard it stands for.
  template <class Sink>
  void for_each_move(Rank destination, Sink&& sink) const {
    FlatMove last;
    const auto put = [&](const FlatMove& next) {
      if (next.length == 0) return;
      if (last.length > 0 && last.tensor == next.tensor && last.from == next.from && last.to_buffer == next.to_buffer &&
          last.source + last.length == next.source && last.destination + last.length == next.destination) {
        last.length += next.length;
        return;
      }
      if (last.length > 0) sink(static_cast<const FlatMove&>(last));
      last = next;
    };
    for (std::size_t t = 0; to_.buffers.empty() && t < plans_.size(); ++t)
      plans_[t].for_each_move(
          destination, [&](const Move& move) { read(static_cast<Index>(t), move, static_cast<Index>(t), 0, put); });
    for (std::size_t b = 0; b < to_.buffers.size(); ++b) {
      const Layout& buffer = to_.buffers[b].buffer();
      if (!buffer.view().contains(destination)) continue;
      const Place place = buffer.view().place(destination);
      if (!buffer.exists_at(place)) continue;
      to_.buffers[b].for_each_slice(place, [&](const FlatSlice& slice) {
        const auto t = static_cast<std::size_t>(slice.tensor);
        const Shape shape = shape_at(to_.tensors[t], place);
        check_entry(entry_at(to_.buffers[b], slice.buffer), shape, destination);
        boxes_of_range(shape, slice.range, [&](const Shape& origin, const Shape& extent) {
          plans_[t].for_each_move(destination, {origin, extent}, [&](const Move& move) {
            read(slice.tensor, move, static_cast<Index>(b), slice.local - slice.range.begin, put);
          });
        });
      });
    }
    if (last.length > 0) sink(static_cast<const FlatMove&>(last));
  }

  /// Calls sink(FlatMove) for what one rank sends, what it keeps included, by ascending destination. Post: over all
  /// sources these are the moves of all destinations. O(moves of the ranks that want anything of the shards it holds a
  /// part of): found from those shards, not by asking every rank.
  template <class Sink>
  void for_each_move_from(Rank source, Sink&& sink) const {
    std::vector<Rank> all;
    for (const Transfer& plan : plans_) plan.for_each_destination(source, [&all](Rank rank) { all.push_back(rank); });
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    for (const Rank destination : all)
      for_each_move(destination, [&](const FlatMove& move) {
        if (move.from == source) sink(move);
      });
  }

  Traffic traffic(Rank destination) const {
    Traffic out;
    for_each_move(destination, [&out](const FlatMove& move) {
      out.moves += !move.stays();
      (move.stays() ? out.kept : out.sent) += move.length;
    });
    return out;
  }

 private:
  /// A tensor's cuts and those of the buffer that its shards lie in, as the cuts of one layout: who holds a piece of
  /// the one and of the other is then who agrees in the atoms of both.
  struct Joint {
    Layout layout;  ///< a dimension for every atom that one of the two is cut by
    detail::Replicas replicas;
    std::vector<Index> of_tensor;  ///< for every atom of `layout` the one of the tensor's layout that it is; or -1
    std::vector<Index> of_buffer;

    Joint() = default;
    Joint(const Layout& tensor, const Layout& buffer) {
      Shape shape;
      InlineVector<Digit, 8> digits;
      for (const Layout* one : {&tensor, &buffer})
        for (std::size_t a = 0; a < one->atoms().size(); ++a)
          if (const Layout::Atom& atom = one->atoms()[a]; one->is_bound(a)) {
            shape.push_back(atom.extent);
            digits.push_back({one->view().axes()[atom.axis].axis, atom.divisor, atom.extent});
          }
      layout = Layout(tensor.view(), shape);
      for (std::size_t d = 0; d < digits.size(); ++d) layout = layout.then(d, split(digits[d]));
      // Where both are pinned, the buffer says where.
      for (const Layout::Pin pin : buffer.pins()) layout = pinned(layout, pin);
      for (const Layout::Pin pin : tensor.pins()) {
        bool said = false;
        for (const Layout::Pin other : buffer.pins()) said = said || other.axis == pin.axis;
        if (!said) layout = pinned(layout, pin);
      }
      replicas = detail::Replicas(layout);
      of_tensor = same_atoms(tensor);
      of_buffer = same_atoms(buffer);
    }

   private:
    static Layout pinned(const Layout& layout, Layout::Pin pin) {
      return layout.pinned(layout.view().axes()[pin.axis].axis, {pin.value});
    }
    std::vector<Index> same_atoms(const Layout& one) const {
      std::vector<Index> out;
      for (const Layout::Atom& atom : layout.atoms()) {
        out.push_back(-1);
        for (std::size_t a = 0; a < one.atoms().size(); ++a)
          if (one.atoms()[a] == atom && one.is_bound(a)) out.back() = static_cast<Index>(a);
      }
      return out;
    }
  };
  struct Home {
    Index buffer = -1;  ///< number of the source buffer; -1: in none
    FlatEntry entry;
    Joint joint;
  };

  static void check(const TensorStorage& side, std::string_view key) {
    for (const FlatLayout& flat : side.buffers)
      for (const FlatEntry& entry : flat.entries()) {
        if (entry.tensor < 0 || entry.tensor >= static_cast<Index>(side.tensors.size()))
          fail("SP-LAYOUT-011", concat("an entry of tensor ", entry.tensor, " of ", side.tensors.size()),
               concat("0 to ", side.tensors.size() - (side.tensors.empty() ? 0 : 1)), {key});
        if (!(side.tensors[static_cast<std::size_t>(entry.tensor)].view() == flat.buffer().view()))
          fail("SP-LAYOUT-011", concat("tensor ", entry.tensor, " and the flat buffer it lies in have different views"),
               "one view for both, with the axes that cut the tensor and those that cut the buffer", {key});
      }
  }
  /// The shape of the shard at a place; empty extents where there is none.
  static Shape shape_at(const Layout& tensor, const Place& place) {
    return tensor.exists_at(place) ? tensor.local_shape(place) : Shape{0};
  }
  static void check_entry(const FlatEntry& entry, const Shape& shape, Rank rank) {
    if (entry.elements != elements(shape))
      fail("SP-LAYOUT-011",
           concat("an entry of ", entry.elements, " elements for tensor ", entry.tensor, ", of which rank ", rank.value,
                  " has ", elements(shape)),
           "one flat layout for each kind of place");
  }
  /// The entry that an element of a buffer belongs to. Pre: it belongs to one.
  static const FlatEntry& entry_at(const FlatLayout& flat, Index position) {
    const auto after = std::upper_bound(flat.entries().begin(), flat.entries().end(), position,
                                        [](Index at, const FlatEntry& entry) { return at < entry.offset; });
    return *(after - 1);
  }

  /// Where the elements of a move come from: its source shard, or the flat buffers that hold it. `shift`: what to add
  /// to a position in the destination's shard.
  template <class Put>
  void read(Index tensor, const Move& move, Index to_buffer, Index shift, const Put& put) const {
    const auto t = static_cast<std::size_t>(tensor);
    const Home& home = homes_[t];
    FlatMove out{tensor, move.from, move.to, tensor, to_buffer, 0, 0, 0};
    if (from_.buffers.empty()) {
      plans_[t].for_each_stretch(move, [&](const Stretch& stretch) {
        out.source = stretch.source;
        out.destination = stretch.destination + shift;
        out.length = stretch.length;
        put(out);
      });
      return;
    }
    if (home.buffer < 0)
      fail("SP-LAYOUT-013", concat("no flat buffer has tensor ", tensor), "a source that holds all that is wanted");
    const FlatLayout& flat = from_.buffers[static_cast<std::size_t>(home.buffer)];
    const Layout &whole = from_.tensors[t], &buffer = flat.buffer();
    const Place shard_at = whole.view().place(move.from);
    check_entry(home.entry, whole.local_shape(shard_at), move.from);
    out.from_buffer = home.buffer;

    // The destination itself, where it has the same shard.
    Place own;
    const bool has = whole.view().contains(move.to);
    if (has) own = whole.view().place(move.to);
    const bool same_shard = has && whole.exists_at(own) && buffer.exists_at(own) && same_bound(whole, own, shard_at);
    plans_[t].for_each_stretch(move, [&](const Stretch& stretch) {
      const Shard::Segment wanted{home.entry.offset + stretch.source, stretch.length, stretch.destination + shift};
      const detail::HeldParts held(buffer, 0, {&wanted, 1}, same_shard ? &own : nullptr);
      for (const detail::HeldParts::Part& part : held.parts()) {
        out.from = move.to;
        out.source = part.own;
        out.destination = part.local;
        out.length = part.length;
        if (part.own < 0) choose(home.joint, whole, shard_at, held, part, out);
        put(out);
      }
    });
  }

  static bool same_bound(const Layout& layout, const Place& a, const Place& b) {
    for (std::size_t i = 0; i < layout.atoms().size(); ++i) {
      const Layout::Atom& atom = layout.atoms()[i];
      if (layout.is_bound(i) && a[atom.axis] / atom.divisor % atom.extent != b[atom.axis] / atom.divisor % atom.extent)
        return false;
    }
    return true;
  }

  /// One of the ranks that hold a part of a buffer and the same shard as `shard_at`.
  void choose(const Joint& joint, const Layout& tensor, const Place& shard_at, const detail::HeldParts& held,
              const detail::HeldParts::Part& part, FlatMove& out) const {
    AtomValues of_shard(joint.of_tensor.size(), -1);
    for (std::size_t a = 0; a < of_shard.size(); ++a)
      if (joint.of_tensor[a] >= 0) {
        const Layout::Atom& atom = tensor.atoms()[static_cast<std::size_t>(joint.of_tensor[a])];
        of_shard[a] = shard_at[atom.axis] / atom.divisor % atom.extent;
      }
    const bool lowest = choice_ == ReplicaChoice::lowest;
    const Topology numbers;
    const Topology& topology = lowest ? numbers : topology_;
    const Rank target = lowest ? Rank(joint.layout.view().offset()) : out.to;
    const auto values_of = [&](const AtomValues& pinned, const detail::HeldParts::Holding& holding) {
      AtomValues values = of_shard;
      for (std::size_t a = 0; a < values.size(); ++a) {
        if (pinned[a] >= 0) values[a] = pinned[a];
        if (joint.of_buffer[a] >= 0) values[a] = holding.atoms[static_cast<std::size_t>(joint.of_buffer[a])];
      }
      return values;
    };
    if (choice_ == ReplicaChoice::balanced) {
      Index turn = out.to.value - to_.tensors[static_cast<std::size_t>(out.tensor)].view().offset();
      const auto& pins = joint.replicas.pins();
      const AtomValues& pinned = pins[static_cast<std::size_t>(turn) % pins.size()];
      turn /= static_cast<Index>(pins.size());
      const auto& holding = held.holding(part, static_cast<std::size_t>(turn) % part.holdings.count);
      out.from = detail::Replicas::nth(joint.layout, values_of(pinned, holding), turn / part.holdings.count);
      out.source = holding.local;
      return;
    }
    bool found = false;
    for (const AtomValues& pinned : joint.replicas.pins())
      for (std::size_t i = 0; i < part.holdings.count; ++i) {
        const auto& holding = held.holding(part, i);
        const Rank rank = joint.replicas.nearest(joint.layout, values_of(pinned, holding), target, topology);
        if (found && !topology.nearer(target, rank, out.from)) continue;
        found = true;
        out.from = rank;
        out.source = holding.local;
      }
  }

  TensorStorage from_;
  TensorStorage to_;
  ReplicaChoice choice_ = ReplicaChoice::nearest;
  Topology topology_;
  std::vector<Transfer> plans_;  ///< between the shards, tensor by tensor
  std::vector<Home> homes_;      ///< of every tensor in the source's buffers
};

/// Carries a transfer out for one rank, on a host that has all source buffers: `part_of(rank, buffer)` gives one as a
/// span, `local_of(buffer)` the rank's own to write to. Padding and gaps stay as they are.
/// Errors SP-LAYOUT-010 a buffer that a move leaves.
template <class T, class PartOf, class LocalOf>
void receive(const FlatTransfer& plan, Rank destination, PartOf&& part_of, LocalOf&& local_of) {
  plan.for_each_move(destination, [&](const FlatMove& move) {
    const std::span<const T> source = part_of(move.from, move.from_buffer);
    const std::span<T> local = local_of(move.to_buffer);
    const auto reaches = [&](Index begin, std::size_t size) { return begin + move.length <= static_cast<Index>(size); };
    if (!reaches(move.source, source.size()) || !reaches(move.destination, local.size()))
      fail("SP-LAYOUT-010", concat("a move of ", move.length, " elements from ", move.source, " of ", source.size(),
                                   " to ", move.destination, " of ", local.size()));
    std::copy_n(source.begin() + move.source, move.length, local.begin() + move.destination);
  });
}

}  // namespace shardplan
