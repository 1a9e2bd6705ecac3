#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <shardplan/layout/flat_transfer.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support.hpp"

using namespace shardplan;

namespace {

using Buffer = std::vector<Index>;

/// Runs a property and fails the test case with what rapidcheck says of the smallest counterexample.
template <class Property>
void holds(const char* what, Property property) {
  INFO(what);
  CHECK(rc::check(what, property));
}

Index any(Index least, Index most) { return *rc::gen::inRange<Index>(least, most + 1); }

View random_view() {
  InlineVector<ViewDigit, 8> digits;
  const Index low = any(1, 3), high = any(1, 2);
  digits.push_back({dp, high, low});  // dp in two digits, as on trn1
  digits.push_back({tp, any(1, 4)});
  digits.push_back({dp, low, 1});
  digits.push_back({cp, any(1, 2)});
  const Index size = View(digits).size();
  if (any(0, 2) > 0) return View(digits, {}, any(0, 5));
  std::vector<Index> table = count_up(size);
  for (std::size_t i = table.size(); i-- > 1;)
    std::swap(table[i], table[static_cast<std::size_t>(any(0, static_cast<Index>(i)))]);
  return View(digits, wire(size, InlineVector<Index, 4>(table)), any(0, 5));
}

Shape random_shape() {
  Shape out;
  for (Index d = any(0, 3); d > 0; --d) out.push_back(any(0, 9));
  return out;
}

/// A layout of random cuts of all six kinds, or none where the library refuses them.
std::optional<Layout> random_layout(const Shape& shape) {
  const View view = random_view();
  RandomChains chains(static_cast<unsigned>(any(0, 1'000'000)), view);
  try {
    Layout out(view, shape);
    for (std::size_t d = 0; d < shape.size(); ++d)
      if (any(0, 3) > 0) out = out.then(d, chains.chain(shape[d]).chain);
    return out;
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool exists(const Layout& layout, Rank rank) {
  return layout.view().contains(rank) && layout.exists_at(layout.view().place(rank));
}

/// Calls f(rank, place) for every rank that has a shard.
template <class F>
void for_each_shard(const Layout& layout, F&& f) {
  for (Index r = 0; r < layout.view().size(); ++r)
    if (const Rank rank = layout.view().offset() + r; exists(layout, rank)) f(rank, layout.view().place(rank));
}

Buffer iota(const Shape& shape) {
  Buffer out(static_cast<std::size_t>(elements(shape)));
  std::iota(out.begin(), out.end(), 1000);
  return out;
}

/// What every rank's shard holds of an iota tensor.
std::map<Index, Buffer> extracted(const Layout& layout) {
  const Buffer full = iota(layout.shape());
  std::map<Index, Buffer> out;
  for_each_shard(layout, [&](Rank rank, const Place& place) {
    const Shard held(layout, place);
    out[rank.value].resize(static_cast<std::size_t>(held.elements()));
    extract<Index>(held, layout.shape(), full, out[rank.value]);
  });
  return out;
}

std::map<Index, Buffer> received(const Transfer& plan, const std::map<Index, Buffer>& source) {
  std::map<Index, Buffer> out;
  for_each_shard(plan.to(), [&](Rank rank, const Place& place) {
    Buffer& local = out[rank.value];
    local.resize(static_cast<std::size_t>(elements(plan.to().local_shape(place))), -8);
    receive<Index>(
        plan, rank, [&](Rank from) { return std::span<const Index>(source.at(from.value)); }, local);
  });
  return out;
}

Topology random_topology(const Layout& a, const Layout& b) {
  const Index ranks = std::max(a.view().offset() + a.view().size(), b.view().offset() + b.view().size());
  const Index node = any(0, 8), nodes = ceil_div(ranks, node > 0 ? node : 1), rows = any(1, 3);
  return any(0, 1) == 0 ? Topology{node} : Topology{node, {rows, ceil_div(nodes, rows)}};
}

ReplicaChoice random_choice() {
  return *rc::gen::element(ReplicaChoice::nearest, ReplicaChoice::balanced, ReplicaChoice::lowest);
}

/// Two layouts of one tensor that both hold all of it; discards the case otherwise.
std::pair<Layout, Layout> random_pair() {
  const Shape shape = random_shape();
  const auto a = random_layout(shape), b = random_layout(shape);
  RC_PRE(a && b && prove_coverage(*a).complete() && prove_coverage(*b).complete());
  return {*a, *b};
}

/// Entries in random order with random gaps, in a buffer that is cut over the data ranks; padded as the cut needs.
FlatLayout random_flat(const View& view, const std::vector<Index>& sizes, const Split& parts, Index count) {
  std::vector<FlatEntry> entries;
  Index end = 0;
  const bool backwards = any(0, 1) == 1;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::size_t t = backwards ? sizes.size() - 1 - i : i;
    end += any(0, 3);
    entries.push_back({static_cast<Index>(t), end, sizes[t]});
    end += sizes[t];
  }
  if (any(0, 1) == 0) return {entries, Layout(view, {end}).then(0, pad_to_multiple(2 * count) | parts)};
  const Index bucket = any(1, 7) * count, padded = round_up(std::max<Index>(end, 1), bucket);
  return {entries,
          Layout(view, {padded})
              .then(0, packed(InlineVector<Index, 16>(static_cast<std::size_t>(padded / bucket), bucket), parts))};
}

/// Tensors cut evenly over tp, so that every place has as many elements of each, in flat buffers or not.
TensorStorage random_storage(const std::vector<Shape>& shapes, bool flat) {
  const Index tensor = any(1, 3), data = any(1, 5), context = any(1, 2);
  const View view = any(0, 1) == 0 ? View({{dp, data}, {cp, context}, {tp, tensor}}, {}, any(0, 4))
                                   : View({{tp, tensor}, {dp, data}, {cp, context}}, {}, any(0, 4));
  TensorStorage out;
  std::vector<Index> sizes;
  for (const Shape& shape : shapes) {
    Layout layout(view, shape);
    const auto dim = static_cast<std::size_t>(any(0, static_cast<Index>(shape.size())));
    // Dimensions of 6 n elements: 1, 2 or 3 parts, also of two packed blocks, all of one size.
    if (dim < shape.size())
      layout = layout.then(dim, strided(tp, any(0, 1) == 0 || tensor == 1    ? 1
                                            : shape[dim] % (2 * tensor) == 0 ? 2
                                                                             : 1));
    out.tensors.push_back(layout);
    sizes.push_back(elements(layout.local_shape(Place(view.axes().size(), 0))));
  }
  if (!flat) return out;
  const bool with_context = any(0, 1) == 1;
  out.buffers.push_back(
      random_flat(view, sizes, with_context ? split(dp, cp) : split(dp), with_context ? data * context : data));
  return out;
}

using Parts = std::map<std::pair<Index, Index>, Buffer>;  // by rank and buffer

/// What every rank's buffers hold of iota tensors, written down from slices and shards; -1: padding and gaps.
Parts kept(const TensorStorage& side) {
  Parts out;
  for (std::size_t t = 0; t < side.tensors.size(); ++t) {
    auto shards = extracted(side.tensors[t]);
    for (auto& [rank, local] : shards) {
      for (Index& value : local) value += 1'000'000 * static_cast<Index>(t);
      if (side.buffers.empty()) out[{rank, static_cast<Index>(t)}] = local;
    }
    for (std::size_t b = 0; b < side.buffers.size(); ++b) {
      const FlatLayout& flat = side.buffers[b];
      for_each_shard(flat.buffer(), [&](Rank rank, const Place& place) {
        Buffer& part = out[{rank.value, static_cast<Index>(b)}];
        part.resize(static_cast<std::size_t>(flat.buffer().local_size(0, place)), -1);
        flat.for_each_slice(place, [&](const FlatSlice& slice) {
          if (slice.tensor != static_cast<Index>(t)) return;
          for (Index i = 0; i < slice.range.size(); ++i)
            part[static_cast<std::size_t>(slice.local + i)] =
                shards.at(rank.value)[static_cast<std::size_t>(slice.range.begin + i)];
        });
      });
    }
  }
  return out;
}

Parts received(const FlatTransfer& plan, const Parts& source, const Parts& wanted) {
  Parts out;
  for (const auto& [where, local] : wanted) out[where].resize(local.size(), -1);
  for (Index rank = 0; rank < 64; ++rank)
    receive<Index>(
        plan, rank,
        [&](Rank from, Index buffer) {
          return std::span<const Index>(source.at({from.value, buffer}));
        },
        [&](Index buffer) {
          return std::span<Index>(out.at({rank, buffer}));
        });
  return out;
}

}  // namespace

TEST_CASE("property: there and back is the identity, whatever the cuts, meshes, policies and topologies") {
  holds("transfer, then transfer back", [] {
    const auto pair = random_pair();
    const Layout &a = pair.first, &b = pair.second;
    const auto at_a = extracted(a), at_b = extracted(b);
    const Transfer there(a, b, random_choice(), random_topology(a, b)),
        back(b, a, random_choice(), random_topology(a, b));
    const auto arrived = received(there, at_a);
    RC_ASSERT(arrived == at_b);
    RC_ASSERT(received(back, arrived) == at_a);
  });
}

TEST_CASE("property: every element that a destination wants is written once, and the plan proves it") {
  holds("each element once", [] {
    const auto pair = random_pair();
    const Layout &a = pair.first, &b = pair.second;
    const Transfer plan(a, b, random_choice(), random_topology(a, b));
    for_each_shard(b, [&](Rank rank, const Place& place) {
      const Shard wanted(b, place);
      std::vector<int> written(static_cast<std::size_t>(wanted.elements()), 0);
      Index moved = 0;
      plan.for_each_move(rank, [&](const Move& move) {
        moved += move.elements();
        plan.for_each_stretch(move, [&](const Stretch& stretch) {
          for (Index i = 0; i < stretch.length; ++i) ++written[static_cast<std::size_t>(stretch.destination + i)];
        });
      });
      RC_ASSERT(moved == wanted.real_elements());
      RC_ASSERT(std::count(written.begin(), written.end(), 1) == moved);
      RC_ASSERT(std::count(written.begin(), written.end(), 0) == wanted.padding());
    });
    RC_ASSERT(proves(plan));
  });
}

TEST_CASE("property: what ranks send is what ranks receive; a box of a shard receives its part of the shard's moves") {
  holds("senders and receivers agree", [] {
    const auto pair = random_pair();
    const Layout &a = pair.first, &b = pair.second;
    const Transfer plan(a, b, random_choice(), random_topology(a, b));
    const auto key = [](const Move& m) {
      return std::string(concat(m.from.value, ' ', m.to.value, ' ', m.source, m.destination, m.extent));
    };
    std::vector<std::string> sent, came;
    plan.for_each_move([&](const Move& move) { came.push_back(key(move)); });
    for_each_shard(a, [&](Rank rank, const Place&) {
      Rank before = -1;
      plan.for_each_move_from(rank, [&](const Move& move) {
        RC_ASSERT(move.from == rank);
        RC_ASSERT(before <= move.to);
        before = move.to;
        sent.push_back(key(move));
      });
    });
    std::sort(sent.begin(), sent.end());
    std::sort(came.begin(), came.end());
    RC_ASSERT(sent == came);
    for_each_shard(b, [&](Rank rank, const Place& place) {
      const Shape shape = b.local_shape(place);
      Box box;
      for (const Index extent : shape) {
        box.origin.push_back(any(0, extent));
        box.extent.push_back(any(0, extent - box.origin.back()));
      }
      // the sender of every element, as the moves of the shard and as those of the box have it
      const auto sources = [&](bool of_box) {
        std::map<Index, Index> out;
        const auto add = [&](const Move& move) {
          plan.for_each_stretch(move, [&](const Stretch& s) {
            for (Index i = 0; i < s.length; ++i) {
              bool inside = true;
              Index rest = s.destination + i;
              for (std::size_t d = shape.size(); d-- > 0; rest /= shape[d])
                inside = inside && Interval{box.origin[d], box.origin[d] + box.extent[d]}.contains(rest % shape[d]);
              if (of_box) RC_ASSERT(inside);
              if (inside) out[s.destination + i] = move.from.value;
            }
          });
        };
        if (of_box)
          plan.for_each_move(rank, box, add);
        else
          plan.for_each_move(rank, add);
        return out;
      };
      RC_ASSERT(sources(true) == sources(false));
    });
  });
}

TEST_CASE("property: cuts of stride 1 need at most Ns + Nd - gcd moves, whatever the length") {
  holds("Ns + Nd - gcd", [] {
    const Index from = any(1, 40), to = any(1, 40), bound = from + to - std::gcd(from, to);
    const auto cut = [&](Index ranks, Index n, Chain chain) {
      return Layout(View({{tp, ranks}}), {n, 2}).then(0, chain);
    };
    const auto moves = [](const Layout& a, const Layout& b) {
      Index out = 0;
      transfer(a, b).for_each_move([&](const Move&) { ++out; });
      return out;
    };
    const Index even = std::lcm(from, to) * any(1, 3);
    RC_ASSERT(moves(cut(from, even, split(tp)), cut(to, even, split(tp))) == bound);
    // Lengths that neither divides, by torch.chunk's rule or balanced: fewer boundaries may coincide.
    const Index n = any(0, 300);
    const auto rule = [&] { return any(0, 1) == 0 ? split(tp).ceil() : split(tp).balanced(); };
    RC_ASSERT(moves(cut(from, n, rule()), cut(to, n, rule())) <= from + to - 1);
    // Padded to what the ranks divide, as a vocabulary is.
    RC_ASSERT(moves(cut(from, n, pad_to_multiple(from) | split(tp)), cut(to, n, pad_to_multiple(to) | split(tp))) <=
              from + to - 1);
  });
}

TEST_CASE("property: flat buffers on either side, there and back") {
  holds("flat there and back", [] {
    std::vector<Shape> shapes;
    for (Index t = any(1, 4); t > 0; --t) {
      Shape shape;
      for (Index d = any(0, 2); d > 0; --d) shape.push_back(6 * any(0, 3));
      shapes.push_back(shape);
    }
    const Index which = any(0, 2);
    const TensorStorage a = random_storage(shapes, which != 0), b = random_storage(shapes, which != 1);
    const Parts at_a = kept(a), at_b = kept(b);
    const Topology topology = any(0, 1) == 0 ? Topology{} : Topology{any(1, 8), {4, 16}};
    const FlatTransfer there(a, b, random_choice(), topology), back(b, a, random_choice(), topology);
    RC_ASSERT(received(there, at_a, at_b) == at_b);
    RC_ASSERT(received(back, at_b, at_a) == at_a);
    // Senders and receivers agree, and what a rank holds it takes from itself.
    std::vector<std::string> sent, came;
    const auto key = [](const FlatMove& m) {
      return std::string(concat(m.tensor, ' ', m.from.value, ' ', m.to.value, ' ', m.from_buffer, ' ', m.to_buffer, ' ',
                                m.source, ' ', m.destination, ' ', m.length));
    };
    for (Index rank = 0; rank < 64; ++rank) {
      FlatMove before;
      there.for_each_move(rank, [&](const FlatMove& move) {
        came.push_back(key(move));
        RC_ASSERT(move.length > 0);
        // merged: never could the next one be part of the last
        RC_ASSERT(!(before.length > 0 && before.tensor == move.tensor && before.from == move.from &&
                    before.to_buffer == move.to_buffer && before.source + before.length == move.source &&
                    before.destination + before.length == move.destination));
        before = move;
        if (move.stays()) return;
        const Index value = at_b.at({rank, move.to_buffer})[static_cast<std::size_t>(move.destination)];
        for (const auto& [where, part] : at_a)
          if (where.first == rank) RC_ASSERT(std::count(part.begin(), part.end(), value) == 0);
      });
      there.for_each_move_from(rank, [&](const FlatMove& move) { sent.push_back(key(move)); });
    }
    std::sort(sent.begin(), sent.end());
    std::sort(came.begin(), came.end());
    RC_ASSERT(sent == came);
  });
}
