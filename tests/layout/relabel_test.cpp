#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <shardplan/layout/relabel.hpp>
#include <vector>

#include "../thrown.hpp"

using namespace shardplan;

namespace {
using Volumes = std::vector<Index>;

Index kept(const Volumes& held, const std::vector<Index>& process) {
  Index out = 0;
  for (std::size_t label = 0; label < process.size(); ++label)
    out += held[static_cast<std::size_t>(process[label]) * process.size() + label];
  return out;
}
Index fixed(const std::vector<Index>& process) {
  Index out = 0;
  for (std::size_t label = 0; label < process.size(); ++label) out += process[label] == static_cast<Index>(label);
  return out;
}
Index sum(const Volumes& held) {
  Index out = 0;
  for (const Index volume : held) out += volume;
  return out;
}
std::vector<Index> identity(Index ranks) {
  std::vector<Index> out;
  for (Index i = 0; i < ranks; ++i) out.push_back(i);
  return out;
}

/// What is overlapped by equal consecutive shares and shares of other sizes, both of one range.
Volumes overlaps(const std::vector<Index>& from, const std::vector<Index>& to) {
  Volumes out;
  Index begin = 0;
  for (const Index own : from) {
    Index at = 0;
    for (const Index wanted : to) {
      out.push_back(larger(0, smaller(begin + own, at + wanted) - larger(begin, at)));
      at += wanted;
    }
    begin += own;
  }
  return out;
}
}  // namespace

TEST_CASE("relabelling: nothing sends less, and of what sends as little nothing moves fewer labels") {
  std::uint64_t state = 7;
  const auto random = [&state](Index below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<Index>((state >> 33) % static_cast<std::uint64_t>(below));
  };
  for (Index ranks = 1; ranks <= 5; ++ranks)
    for (const Index values : {1, 2, 3, 10, 1000})  // few values: many ties
      for (int round = 0; round < 25; ++round) {
        Volumes held;
        for (Index i = 0; i < ranks * ranks; ++i) held.push_back(random(3) == 0 ? 0 : random(values));
        std::vector<Index> any = identity(ranks);
        Index best = -1, most_fixed = -1;
        do {
          const Index keeps = kept(held, any);
          if (keeps > best || (keeps == best && fixed(any) > most_fixed)) {
            best = keeps;
            most_fixed = fixed(any);
          }
        } while (std::next_permutation(any.begin(), any.end()));
        const Relabelling got = relabel(held, ranks);
        std::vector<Index> sorted = got.process;
        std::sort(sorted.begin(), sorted.end());
        CHECK(sorted == identity(ranks));
        CHECK(kept(held, got.process) == best);
        CHECK(fixed(got.process) == most_fixed);
        CHECK(got.after == sum(held) - best);
        CHECK(got.before == sum(held) - kept(held, identity(ranks)));
      }
}

TEST_CASE("relabelling: permuted owners send nothing, whatever the cycles; the identity stays where it is best") {
  for (Index ranks = 1; ranks <= 40; ++ranks)
    for (Index step = 1; step < larger(2, ranks); ++step) {
      if (gcd(ranks, step) != 1) continue;
      Volumes held(static_cast<std::size_t>(ranks * ranks), 0);
      for (Index i = 0; i < ranks; ++i) held[static_cast<std::size_t>(i * ranks + i * step % ranks)] = 12;
      const Relabelling got = relabel(held, ranks);
      CHECK(got.after == 0);
      for (Index i = 0; i < ranks; ++i) CHECK(got.process[static_cast<std::size_t>(i * step % ranks)] == i);
      Volumes equal(static_cast<std::size_t>(ranks * ranks), step);
      CHECK(relabel(equal, ranks).process == identity(ranks));
    }
  // A grid read in the other order of its axes.
  const Index rows = 2, columns = 3, ranks = rows * columns;
  Volumes held(static_cast<std::size_t>(ranks * ranks), 0);
  for (Index i = 0; i < ranks; ++i) held[static_cast<std::size_t>(i * ranks + i % rows * columns + i / rows)] = 5;
  CHECK(relabel(held, ranks).after == 0);
}

TEST_CASE("relabelling: ranges of other sizes keep what they can") {
  const Volumes thirds = overlaps({4, 4, 4}, {6, 3, 3});
  CHECK(thirds == Volumes{4, 0, 0, 2, 2, 0, 0, 1, 3});
  const Relabelling got = relabel(thirds, 3);
  CHECK(got.process == identity(3));
  CHECK(got.before == 3);
  CHECK(got.after == 3);
  // Many ranks: one label for every process, and never worse than staying.
  std::vector<Index> equal(97, 60), uneven;
  for (Index i = 0; i < 96; ++i) uneven.push_back(1 + i * 37 % 97);
  uneven.push_back(97 * 60 - [&] {
    Index out = 0;
    for (const Index size : uneven) out += size;
    return out;
  }());
  const Volumes held = overlaps(equal, uneven);
  const Relabelling wide = relabel(held, 97);
  CHECK(wide.after < wide.before);
  CHECK(wide.after == sum(held) - kept(held, wide.process));
}

TEST_CASE("relabelling: faults") {
  CHECK(thrown([] { relabel(Volumes{1, 2, 3}, 2); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([] { relabel(Volumes{}, 0); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([] { relabel(Volumes{1, -2, 3, 4}, 2); }) == Ids{"SP-LAYOUT-010"});
  CHECK(thrown([] { relabel(Volumes{Index{1} << 62, 0, 0, 0}, 2); }) == Ids{"SP-CORE-001"});
}
