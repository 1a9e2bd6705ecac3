#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <shardplan/layout/transfer.hpp>
#include <span>
#include <tuple>
#include <vector>

#include "support.hpp"

using namespace shardplan;

namespace {

using Buffer = std::vector<Index>;

std::vector<Move> moves_of(const Transfer& plan, Rank destination) {
  std::vector<Move> out;
  plan.for_each_move(destination, [&](const Move& move) { out.push_back(move); });
  return out;
}

Index count_moves(const Transfer& plan) {
  Index out = 0;
  plan.for_each_move([&](const Move&) { ++out; });
  return out;
}

bool exists(const Layout& layout, Rank rank) {
  return layout.view().contains(rank) && layout.exists_at(layout.view().place(rank));
}

/// What every rank holds of a tensor whose elements are 100, 101, ...
std::map<Index, Buffer> extracted(const Layout& layout) {
  Buffer full(static_cast<std::size_t>(elements(layout.shape())));
  std::iota(full.begin(), full.end(), 100);
  std::map<Index, Buffer> out;
  for (Index r = 0; r < layout.view().size(); ++r) {
    const Rank rank = layout.view().offset() + r;
    if (!exists(layout, rank)) continue;
    const Shard held(layout, layout.view().place(rank));
    Buffer& local = out[rank.value];
    local.resize(static_cast<std::size_t>(held.elements()), -9);
    extract<Index>(held, layout.shape(), full, local);
  }
  return out;
}

std::map<Index, Buffer> received(const Transfer& plan, const std::map<Index, Buffer>& source) {
  std::map<Index, Buffer> out;
  const View& view = plan.to().view();
  for (Index r = 0; r < view.size(); ++r) {
    const Rank rank = view.offset() + r;
    if (!exists(plan.to(), rank)) continue;
    Buffer& local = out[rank.value];
    local.resize(static_cast<std::size_t>(elements(plan.to().local_shape(view.place(rank)))), -8);
    receive<Index>(
        plan, rank, [&](Rank from) { return std::span<const Index>(source.at(from.value)); }, local);
  }
  return out;
}

constexpr ReplicaChoice choices[] = {ReplicaChoice::nearest, ReplicaChoice::balanced, ReplicaChoice::lowest};

/// Goes there and back under every policy, and compares with what the layouts extract from the whole.
void check_round_trip(const Layout& a, const Layout& b) {
  const auto at_a = extracted(a), at_b = extracted(b);
  for (const ReplicaChoice choice : choices) {
    CHECK(received(transfer(a, b, choice), at_a) == at_b);
    CHECK(received(transfer(b, a, choice), at_b) == at_a);
  }
}

Layout cut(const View& view, const Shape& shape, const Chain& chain) { return Layout(view, shape).then(0, chain); }
View line(Index ranks, Index offset = 0) { return View({{tp, ranks}}, {}, offset); }

/// A layout of random cuts on a random view, some ranks permuted, moved or without the tensor; with each place's
/// elements by definition.
struct RandomLayout {
  Layout layout;
  std::vector<Cutter> cutters;

  /// Source element of every local one, row-major; -1 is padding.
  Elements held(Rank rank) const {
    const Place place = layout.view().place(rank);
    Elements out{0};
    for (std::size_t d = 0; d < cutters.size(); ++d) {
      Elements longer;
      const Elements list = cutters[d].naive(count_up(layout.shape()[d]), place);
      for (const Index before : out)
        for (const Index element : list)
          longer.push_back(before < 0 || element < 0 ? -1 : before * layout.shape()[d] + element);
      out = longer;
    }
    return out;
  }
};

View random_view(std::mt19937& random) {
  const auto any = [&](Index least, Index most) { return std::uniform_int_distribution<Index>(least, most)(random); };
  InlineVector<ViewDigit, 8> digits;
  const Index low = any(1, 3), high = any(1, 2);
  digits.push_back({dp, high, low});  // dp in two digits, as on trn1
  digits.push_back({tp, any(1, 4)});
  digits.push_back({dp, low, 1});
  digits.push_back({cp, any(1, 2)});
  digits.push_back({Axis("x"), any(1, 2)});
  Wire wires;
  const Index size = View(digits).size();
  if (any(0, 2) == 0) {
    Index blocks = any(1, 4);
    while (size % blocks != 0) --blocks;
    if (any(0, 1) == 0) blocks = size;
    std::vector<Index> table = count_up(blocks);
    std::shuffle(table.begin(), table.end(), random);
    InlineVector<Index, 4> physical;
    physical.append(table);
    wires = wire(any(0, 1) == 0 && size % (2 * blocks) == 0 ? size / 2 : size, physical);
  }
  return View(digits, wires, any(0, 3) == 0 ? any(1, 9) : 0);
}

/// A random layout of a tensor, or none where the library refuses it.
std::optional<RandomLayout> random_layout(std::mt19937& random, const Shape& shape) {
  const View view = random_view(random);
  RandomChains chains(static_cast<unsigned>(random()), view);
  try {
    RandomLayout out{Layout(view, shape), {}};
    for (std::size_t d = 0; d < shape.size(); ++d) {
      out.cutters.push_back(random() % 4 == 0 ? Cutter{} : chains.chain(shape[d]));
      out.layout = out.layout.then(d, out.cutters[d].chain);
    }
    for (const View::Extent& axis : view.axes()) {
      if (random() % 3 != 0) continue;
      try {
        out.layout = out.layout.pinned(
            axis.axis, axis.size > 2 ? InlineVector<Index, 2>{0, 2} : InlineVector<Index, 2>{axis.size - 1});
      } catch (const Error&) {  // an axis that is cut
      }
    }
    return out;
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// Calls f(from, to, random) for random layouts of one tensor.
template <class F>
unsigned for_each_pair(unsigned seeds, F&& f) {
  unsigned accepted = 0;
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    Shape shape;
    for (unsigned d = random() % 4; d > 0; --d) shape.push_back(static_cast<Index>(random() % 8));
    const auto from = random_layout(random, shape), to = random_layout(random, shape);
    if (!from || !to) continue;
    ++accepted;
    f(*from, *to);
  }
  return accepted;
}

Index distance(Rank a, Rank b) { return a < b ? b.value - a.value : a.value - b.value; }

}  // namespace

TEST_CASE("random pairs: every wanted element comes once, from the rank that the policy says, or is refused") {
  unsigned refused = 0, complete = 0;
  const unsigned accepted = for_each_pair(500, [&](const RandomLayout& from, const RandomLayout& to) {
    std::map<Index, Elements> held;              // by source rank
    std::map<Index, std::vector<Rank>> holders;  // by element
    for (Index r = 0; r < from.layout.view().size(); ++r) {
      const Rank rank = from.layout.view().offset() + r;
      if (!exists(from.layout, rank)) continue;
      const Elements& mine = held[rank.value] = from.held(rank);
      for (const Index element : std::set<Index>(mine.begin(), mine.end()))
        if (element >= 0) holders[element].push_back(rank);
    }
    const Layout& layout = to.layout;
    const Rank lowest = from.layout.view().offset();
    for (const ReplicaChoice choice : choices) {
      const Transfer plan(from.layout, layout, choice);
      bool all = true;
      for (Index r = 0; r < layout.view().size(); ++r) {
        const Rank rank = layout.view().offset() + r;
        if (!exists(layout, rank)) {
          CHECK(moves_of(plan, rank).empty());
          continue;
        }
        const Elements wanted = to.held(rank);
        if (std::any_of(wanted.begin(), wanted.end(), [&](Index e) { return e >= 0 && !holders.contains(e); })) {
          CHECK(thrown([&] { moves_of(plan, rank); }) == Ids{"SP-LAYOUT-013"});
          all = false;
          continue;
        }
        std::vector<Index> written(wanted.size(), 0);
        Index at = -1;
        for (const Move& move : moves_of(plan, rank)) {
          if (move.to != rank || !held.contains(move.from.value)) FAIL("from " << move.from.value);
          Index copied = 0;
          plan.for_each_stretch(move, [&](const Stretch& stretch) {
            copied += stretch.length;
            for (Index i = 0; i < stretch.length; ++i) {
              const Index element = wanted.at(static_cast<std::size_t>(stretch.destination + i));
              ++written[static_cast<std::size_t>(stretch.destination + i)];
              if (element < 0 || held[move.from.value].at(static_cast<std::size_t>(stretch.source + i)) != element)
                FAIL_CHECK("wrong element at " << stretch.destination + i);
              const auto& candidates = holders[element];
              const auto best = [&](Rank near) {
                return *std::min_element(candidates.begin(), candidates.end(), [&](Rank a, Rank b) {
                  return distance(a, near) != distance(b, near) ? distance(a, near) < distance(b, near) : a < b;
                });
              };
              const bool own = std::find(candidates.begin(), candidates.end(), rank) != candidates.end();
              if (own != move.stays()) FAIL_CHECK("rank " << rank.value << " does not take its own " << element);
              if (choice == ReplicaChoice::nearest && move.from != best(rank)) FAIL_CHECK("not the nearest");
              if (choice == ReplicaChoice::lowest && !own && move.from != best(lowest)) FAIL_CHECK("not the lowest");
            }
          });
          CHECK(copied == move.elements());
          const Shape strides = row_major_strides(layout.local_shape(layout.view().place(rank)));
          Index begin = 0;
          for (std::size_t d = 0; d < strides.size(); ++d) begin += move.destination[d] * strides[d];
          CHECK(begin > at);  // local order of their first elements
          at = begin;
        }
        for (std::size_t i = 0; i < wanted.size(); ++i)
          if (written[i] != (wanted[i] >= 0)) FAIL_CHECK("element " << i << " written " << written[i] << " times");
      }
      refused += !all;
      complete += all;
      if (all) CHECK(received(plan, extracted(from.layout)) == extracted(layout));
    }
  });
  CHECK(accepted > 250);
  CHECK(refused > 100);
  CHECK(complete > 300);
}

TEST_CASE("random pairs that hold everything: there and back gives the same; a layout to itself moves nothing (10.6)") {
  unsigned tried = 0;
  for_each_pair(1500, [&](const RandomLayout& a, const RandomLayout& b) {
    for (const ReplicaChoice choice : choices) {
      const Transfer same(a.layout, a.layout, choice);
      same.for_each_move([](const Move& move) {
        if (!move.stays() || move.source != move.destination) FAIL_CHECK("moves on rank " << move.to.value);
      });
    }
    if (!prove_coverage(a.layout).complete() || !prove_coverage(b.layout).complete()) return;
    ++tried;
    check_round_trip(a.layout, b.layout);
  });
  CHECK(tried > 150);
}

TEST_CASE("even cuts need Ns + Nd - gcd moves in all") {
  for (Index from = 1; from <= 12; ++from)
    for (Index to = 1; to <= 12; ++to) {
      CAPTURE(from);
      CAPTURE(to);
      const Shape shape{std::lcm(from, to) * 2, 3};
      CHECK(count_moves(transfer(cut(line(from), shape, split(tp)), cut(line(to), shape, split(tp)))) ==
            from + to - std::gcd(from, to));
      // Packed parts one by one, and all in one where the ranks stay as many.
      const Shape packed_shape{std::lcm(from, to) * 6};
      const Transfer packed_plan =
          transfer(cut(line(from), packed_shape, strided(tp, 3)), cut(line(to), packed_shape, strided(tp, 3)));
      CHECK(count_moves(packed_plan) == (from == to ? from : 3 * (from + to - std::gcd(from, to))));
    }
  const auto strided_moves = [](Index from, Index to) {
    const Shape shape{2 * std::lcm(from, to)};
    return count_moves(transfer(cut(line(from), shape, strided(tp, 2)), cut(line(to), shape, strided(tp, 2))));
  };
  CHECK(strided_moves(64, 63) == 252);
  CHECK(strided_moves(1024, 768) == 2 * (1024 + 768 - 256));
}

TEST_CASE("uneven cuts need a move for every pair of parts that meet, whatever the length") {
  for (const Index n : {0, 1, 5, 10, 31})
    for (Index from = 1; from <= 7; ++from)
      for (Index to = 1; to <= 7; ++to) {
        const Layout a = cut(line(from), {n}, split(tp).balanced()), b = cut(line(to), {n}, split(tp).ceil());
        Index meeting = 0;
        for (Index q = 0; q < to; ++q)
          for (Index s = 0; s < from; ++s) {
            const Elements mine = pulled(b, 0, {q}), theirs = pulled(a, 0, {s});
            meeting += std::any_of(mine.begin(), mine.end(),
                                   [&](Index e) { return std::find(theirs.begin(), theirs.end(), e) != theirs.end(); });
          }
        CHECK(count_moves(transfer(a, b)) == meeting);
        CHECK(meeting <= from + to - 1);
        check_round_trip(a, b);
      }
}

TEST_CASE("the moves of two ranks to three, with their bytes") {
  const Layout a = cut(line(2), {12, 5}, split(tp)), b = cut(line(3, 7), {12, 5}, split(tp));
  const Transfer plan = transfer(a, b);
  CHECK(moves_of(plan, 7) == std::vector<Move>{{0, 7, {0, 0}, {0, 0}, {4, 5}}});
  CHECK(moves_of(plan, 8) == std::vector<Move>{{0, 8, {4, 0}, {0, 0}, {2, 5}}, {1, 8, {0, 0}, {2, 0}, {2, 5}}});
  CHECK(moves_of(plan, 9) == std::vector<Move>{{1, 9, {2, 0}, {0, 0}, {4, 5}}});
  CHECK(moves_of(plan, 0).empty());  // no rank of the destination
  CHECK(moves_of(plan, 8)[0].bytes(Dtype::bfloat16) == 20);
  CHECK(plan.traffic(8) == Traffic{2, 20, 0});
  CHECK(plan.traffic() == Traffic{4, 60, 0});
  CHECK(plan.traffic().bytes(Dtype::float32) == 240);
  // Where the ranks are the same, what a rank has already is kept.
  CHECK(transfer(a, cut(line(3), {12, 5}, split(tp))).traffic() == Traffic{2, 30, 30});
}

TEST_CASE("moves are as contiguous in memory as the shards allow") {
  const auto stretches = [](const Transfer& plan, Rank rank) {
    std::vector<Stretch> out;
    plan.for_each_move(rank,
                       [&](const Move& move) { plan.for_each_stretch(move, [&](Stretch s) { out.push_back(s); }); });
    return out;
  };
  const Layout whole(line(1), {4, 3, 2});
  const auto onto = [&](std::size_t dim, const Chain& chain) {
    return transfer(whole, Layout(View({{tp, 2}}), {4, 3, 2}).then(dim, chain));
  };
  CHECK(stretches(onto(0, split(tp)), 1) == std::vector<Stretch>{{12, 0, 12}});
  CHECK(stretches(onto(2, split(tp)), 1).size() == 12);
  CHECK(stretches(onto(1, split(tp).ceil()), 0) == std::vector<Stretch>{{0, 0, 4}, {6, 4, 4}, {12, 8, 4}, {18, 12, 4}});
  CHECK(stretches(transfer(Layout(line(2), {}), Layout(line(3), {})), 2) == std::vector<Stretch>{{0, 0, 1}});
}

TEST_CASE("key and value heads held by several ranks") {
  // 2 heads of 2 rows on 8 ranks, 4 replicas each; the destination stands on other ranks.
  const Layout kv = cut(line(8), {4}, split(inner(tp, 2)));
  for (const Index ranks : {2, 4, 8, 16}) {
    const Layout to = cut(View({{dp, ranks / 2}, {tp, 2}}, {}, 8), {4}, split(tp));
    std::map<Index, Index> load;
    transfer(kv, to, ReplicaChoice::balanced).for_each_move([&](const Move& move) { ++load[move.from.value]; });
    Index most = 0;
    for (const auto& [rank, times] : load) most = std::max(most, times);
    CHECK(most == (ranks + 7) / 8);
    transfer(kv, to).for_each_move([&](const Move& move) { CHECK(move.from.value >= 6); });
    transfer(kv, to, ReplicaChoice::lowest).for_each_move([&](const Move& move) { CHECK(move.from.value < 2); });
    check_round_trip(kv, to);
  }
  // Tied embeddings stand on two stages: both send.
  const Layout tied = cut(View({{pp, 4}, {dp, 2}, {tp, 2}}), {4}, split(tp)).pinned(pp, {0, 3});
  std::map<Index, Index> load;
  transfer(tied, cut(View({{dp, 8}, {tp, 2}}, {}, 16), {4}, split(tp)), ReplicaChoice::balanced)
      .for_each_move([&](const Move& move) { ++load[move.from.value]; });
  CHECK(load == std::map<Index, Index>{{0, 2}, {1, 2}, {2, 2}, {3, 2}, {12, 2}, {13, 2}, {14, 2}, {15, 2}});
  // In a fused weight, rows of queries have one holder and rows of keys have four.
  const Chain query = split(inner(tp, 2)) | split(outer(tp, 4));
  const Layout fused = cut(line(8), {40}, packed({{32, query}, {4, split(inner(tp, 2))}, {4, split(inner(tp, 2))}}));
  const Layout plain = cut(line(4, 8), {40}, packed({{32, split(tp)}, {4, split(tp)}, {4, split(tp)}}));
  check_round_trip(fused, plain);
  const Layout compat = cut(line(8), {4}, blocks_of(1, repeat(2)) | split(tp));
  check_round_trip(kv, compat);
}

TEST_CASE("experts, padded vocabularies, zigzag sequences and pipeline stages change places") {
  const Shape experts{8, 3, 12};
  const Layout four = Layout(View({{pp, 2}, {edp, 2}, {ep, 4}, {tp, 2}}), experts)
                          .then(0, split(ep))
                          .then(2, strided(tp, 2))
                          .pinned(pp, {1});
  const Layout two =
      Layout(View({{ep, 2}, {Axis("etp"), 3}}, {}, 30), experts).then(0, split(ep)).then(2, strided(Axis("etp"), 2));
  check_round_trip(four, two);
  check_round_trip(four, four.pinned(pp, {0}));
  const auto vocabulary = [](Index ranks) {
    return cut(line(ranks), {51, 2}, pad_to_multiple(ranks * 4, lowest_finite) | split(tp));
  };
  for (const Index from : {1, 2, 3, 8})
    for (const Index to : {1, 4, 6}) check_round_trip(vocabulary(from), vocabulary(to));
  check_round_trip(cut(line(4), {48}, zigzag(tp)), cut(line(3), {48}, split(tp)));
  check_round_trip(cut(View({{dp, 3}, {tp, 2}}), {16, 3}, strided(tp, 2) | pad_to_multiple(3) | split(dp)),
                   cut(View({{tp, 4}, {dp, 2}}), {16, 3}, strided(tp, 2) | split(dp)));
}

TEST_CASE("one rank of a million asks for its own moves") {
  const View big({{dp, 1 << 14}, {pp, 8}, {tp, 8}}), wired({{dp, 1 << 14}, {pp, 8}, {tp, 8}}, wire(64, {0, 3, 1, 2}));
  const Shape shape{1 << 20, 16};
  for (const View& view : {big, wired}) {
    const Layout from = cut(view, shape, split(tp)).pinned(pp, {3});
    const Layout to = cut(View({{dp, 1 << 16}, {tp, 16}}), shape, split(tp));
    const Rank asking = 1'000'001;
    const auto found = moves_of(transfer(from, to), asking);
    REQUIRE(found.size() == 1);
    const Place source = view.place(found[0].from);
    CHECK(source[1] == 3);
    CHECK(source[2] == asking.value % 16 / 2);
    CHECK(distance(found[0].from, asking) <= 64);
  }
}

TEST_CASE("a transfer folds in a constant expression") {
  constexpr Traffic traffic = [] {
    const Shape shape{24, 2};
    const Layout a = Layout(View({{tp, 3}}), shape).then(0, split(tp));
    const Layout b = Layout(View({{tp, 4}}), shape).then(0, split(tp));
    return Transfer(a, b).traffic();
  }();
  static_assert(traffic.sent + traffic.kept == 48);
  static_assert(traffic.moves == 3 + 4 - 1 - 3);  // ranks 0, 1 and 2 keep a piece each
}

TEST_CASE("what cannot be transferred is refused") {
  const Layout whole(line(2), {8}), half = cut(line(2), {8}, slice(0, 4)), other(line(2), {9});
  CHECK(thrown([&] { transfer(whole, other); }) == Ids{"SP-LAYOUT-013"});
  CHECK(thrown([&] { transfer(whole, Layout(line(2), {8, 1})); }) == Ids{"SP-LAYOUT-013"});
  CHECK(thrown([&] { transfer(half, whole).traffic(); }) == Ids{"SP-LAYOUT-013"});
  CHECK(thrown([&] { transfer(half, half).traffic(); }).empty());
  CHECK(thrown([&] { transfer(whole.partial(tp), whole); }) == Ids{"SP-LAYOUT-013"});
  CHECK(thrown([&] { transfer(whole, whole.partial(tp)); }) == Ids{"SP-LAYOUT-013"});
  CHECK(thrown([&] { transfer(whole, Layout(line(1), {8}).partial(tp)); }).empty());  // one summand is the sum

  Buffer short_one(7), full(8), empty;
  const auto from = [](const Buffer& buffer) { return [&buffer](Rank) { return std::span<const Index>(buffer); }; };
  const Transfer plan = transfer(whole, whole);
  CHECK(thrown([&] { receive<Index>(plan, 0, from(full), short_one); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { receive<Index>(plan, 0, from(short_one), full); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([&] { receive<Index>(plan, 2, from(full), full); }) == Ids{"SP-LAYOUT-010"});  // no such rank
  CHECK(thrown([&] { receive<Index>(plan, 2, from(full), empty); }).empty());
}

TEST_CASE("nearest by topology: the own node first, then the fewest links, then the rank number") {
  // 24 replicas; rank 24 of the destination begins a node of 8, so rank 23 is one number and one link away.
  const Layout from(line(24), {4});
  const auto source = [&](const Layout& to, Rank rank, const Topology& topology) {
    const Transfer plan = transfer(from, to, topology);
    CHECK(plan.topology() == topology);
    REQUIRE(moves_of(plan, rank).size() == 1);
    return moves_of(plan, rank)[0].from.value;
  };
  const Layout to(line(16, 24), {4});
  CHECK(source(to, 24, {}) == 23);
  CHECK(source(to, 24, {8}) == 23);         // no replica in its node
  CHECK(source(to, 24, {8, {5}}) == 23);    // node 2 of a ring is one link away, node 0 two
  CHECK(source(to, 24, {8, {2, 3}}) == 7);  // node 3 is (1, 0), beside node 0; nodes 1 and 2 are two links away
  // Every rank against a look at all replicas: with a wire, and with replicas that are every second rank.
  const Layout wired(View({{dp, 12}, {tp, 2}}, wire(8, {0, 3, 1, 2})), {4});
  for (const Layout& whole : {from, wired, Layout(View({{dp, 6}, {tp, 4}}, {}, 3), {4}).then(0, split(tp))})
    for (const Topology& topology : {Topology{}, Topology{4}, Topology{6}, Topology{5}, Topology{0, {3, 4, 4}},
                                     Topology{2, {2, 3, 4}}, Topology{8, {7}}}) {
      const Layout everywhere = whole.rank() == 1 && whole.is_bound(whole.atoms().size() - 1)
                                    ? Layout(View({{dp, 10}, {tp, 4}}, {}, 1), {4}).then(0, split(tp))
                                    : Layout(line(41), {4});
      const Transfer plan = transfer(whole, everywhere, topology);
      for (Index r = 0; r < everywhere.view().size(); ++r) {
        const Rank rank = everywhere.view().offset() + r;
        for (const Move& move : moves_of(plan, rank)) {
          const Shard mine(everywhere, everywhere.view().place(rank));
          Rank best = -1;
          for (Index s = 0; s < whole.view().size(); ++s) {
            const Rank other = whole.view().offset() + s;
            const Shard theirs(whole, whole.view().place(other));
            const Index wanted = mine.segments(0)[0].start + move.destination[0];
            if (wanted < theirs.segments(0)[0].start ||
                wanted >= theirs.segments(0)[0].start + theirs.segments(0)[0].length)
              continue;
            const auto key = [&](Rank x) { return std::tuple(topology.hops(rank, x), distance(rank, x), x.value); };
            if (best.value < 0 || key(other) < key(best)) best = other;
          }
          CHECK(move.from == best);
        }
      }
    }
  CHECK(Topology{}.hops(3, 90) == 0);
  CHECK(Topology{8}.hops(7, 8) == 1);
  CHECK(Topology{0, {4, 4}}.hops(0, 15) == 2);  // around both rings
  CHECK(Topology{2, {4, 4}}.hops(1, 21) == 4);
  CHECK(thrown([&] { transfer(from, to, Topology{-1}); }) == Ids{"SP-MESH-001"});
  CHECK(thrown([&] { transfer(from, to, Topology{0, {8, 0}}); }) == Ids{"SP-MESH-001"});
  CHECK(thrown([&] { transfer(from, to, Topology{0, {39}}); }) == Ids{"SP-MESH-009"});
  CHECK(thrown([&] { transfer(from, to, Topology{8, {5}}); }).empty());
}

TEST_CASE("a proof fails where a move is missing, doubled, misplaced or from another element") {
  const Layout a = cut(line(4), {24, 4}, strided(tp, 2)), b = cut(line(3), {24, 4}, strided(tp, 2));
  const Transfer plan = transfer(a, b);
  const TransferProof proof(plan);
  CHECK(proves(plan));
  Index moves = 0;
  CHECK(for_each_proven_move(plan, [&](const Move&) { ++moves; }));
  CHECK(moves == count_moves(plan));
  InlineVector<Move, 4> right;
  plan.for_each_move(1, [&](const Move& move) { right.push_back(move); });
  REQUIRE(right.size() > 1);
  CHECK(proof.holds(1, right));
  CHECK(!proof.holds(0, right));
  CHECK(!proof.holds(7, right));
  CHECK(proof.holds(7, {}));
  CHECK(!proof.holds(1, {}));
  const auto broken = [&](auto change) {
    auto wrong = right;
    change(wrong);
    return !proof.holds(1, wrong);
  };
  CHECK(broken([](auto& all) { all.pop_back(); }));
  CHECK(broken([](auto& all) { all.push_back(all.back()); }));
  CHECK(broken([](auto& all) { all[0].from = all[0].from.value == 0 ? 3 : 0; }));
  CHECK(broken([](auto& all) { ++all[0].source[0]; }));
  CHECK(broken([](auto& all) { --all[0].extent[1]; }));
  CHECK(broken([](auto& all) { ++all[1].destination[0]; }));
  CHECK(broken([](auto& all) { all[0].from = 9; }));
}
