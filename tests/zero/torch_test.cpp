#include <shardplan/layout/holders.hpp>
#include <shardplan/zero/torch.hpp>

#include "support.hpp"

using namespace shardplan;

namespace {

zero::Keepers greedy(const std::vector<Numbers>& groups, Index ranks) { return zero::greedy(groups, ranks); }

/// Parameters of each rank in the order of assignment.
std::vector<Numbers> of_ranks(const zero::Keepers& keepers) {
  std::vector<Numbers> out(keepers.elements.size());
  for (const zero::Keeper& one : keepers.order) out[static_cast<std::size_t>(one.rank)].push_back(one.parameter);
  return out;
}

}  // namespace

TEST_CASE("greedy: recorded assignments") {
  const zero::Keepers two = greedy({{40, 7, 15, 8, 16, 1}}, 2);
  CHECK(of_ranks(two) == std::vector<Numbers>{{0, 5}, {4, 2, 3, 1}});
  CHECK(two.elements == Numbers{41, 46});
  const zero::Keepers four = greedy({{40, 7, 15, 8, 16, 1}}, 4);
  CHECK(of_ranks(four) == std::vector<Numbers>{{0}, {4}, {2, 5}, {3, 1}});
  CHECK(four.elements == Numbers{40, 16, 16, 15});
  // Totals go on from group to group.
  const zero::Keepers groups = greedy({{8, 8, 8}, {4, 100}}, 2);
  CHECK(groups.order == std::vector<zero::Keeper>{{0, 0, 0}, {1, 0, 1}, {2, 0, 0}, {4, 1, 1}, {3, 1, 0}});
  CHECK(groups.elements == Numbers{20, 108});
}

TEST_CASE("greedy: one keeper each, and no rank ahead by more than its last parameter") {
  for (Index ranks = 1; ranks <= 5; ++ranks)
    for (Index seed = 0; seed < 30; ++seed) {
      CAPTURE(ranks);
      CAPTURE(seed);
      Numbers elements;
      for (Index i = 0; i < 9; ++i) elements.push_back((seed * 31 + i * i * 17) % 29);
      const zero::Keepers keepers = greedy({elements}, ranks);
      Numbers kept(elements.size(), 0), totals(static_cast<std::size_t>(ranks), 0);
      for (const zero::Keeper& one : keepers.order) {
        ++kept[static_cast<std::size_t>(one.parameter)];
        Index& total = totals[static_cast<std::size_t>(one.rank)];
        CHECK(total == *std::min_element(totals.begin(), totals.end()));
        total += elements[static_cast<std::size_t>(one.parameter)];
      }
      CHECK(kept == Numbers(elements.size(), 1));
      CHECK(totals == keepers.elements);
    }
}

TEST_CASE("greedy: a keeper is a pin") {
  const View view({{dp, 2}, {tp, 2}});
  const zero::Keepers keepers = greedy({{6, 9}}, 2);
  const Layout weight = Layout(view, {4, 3}).then(0, split(tp));
  const Layout state = weight.pinned(dp, {keepers.order[1].rank});
  CHECK(holding_ranks(state, {0, 0}) == std::vector<Rank>{2});
  CHECK(holding_ranks(state, {3, 0}) == std::vector<Rank>{3});
}

TEST_CASE("greedy: refusals") {
  CHECK(thrown_ids([] { greedy({{1}}, 0); }) == Ids{"SP-ZERO-002"});
  CHECK(thrown_ids([] { greedy({{INT64_MAX, INT64_MAX}}, 1); }) == Ids{"SP-CORE-001"});
  CHECK(greedy({}, 3).order.empty());
}
