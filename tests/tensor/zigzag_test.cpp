#include <vector>

#include <shardplan/tensor/zigzag.hpp>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::tensor;
using support::Ids;

namespace {
/// Tokens of all documents in the order in which a context rank holds them; -1: padding. By the rule, token by token.
std::vector<Index> held(const DocumentLengths& lengths, Index ranks, Index rank) {
  std::vector<Index> out;
  Index start = 0;
  for (const Index length : lengths) {
    if (ranks == 1) {
      for (Index i = 0; i < length; ++i) out.push_back(start + i);
    } else {
      const Index chunk = (length + 2 * ranks - 1) / (2 * ranks);
      for (const Index first : {rank * chunk, (2 * ranks - 1 - rank) * chunk})
        for (Index i = first; i < first + chunk; ++i) out.push_back(i < length ? start + i : -1);
    }
    start += length;
  }
  return out;
}

std::vector<Index> extracted(const Layout& layout, Index total, Index rank) {
  std::vector<Index> tokens;
  for (Index i = 0; i < total; ++i) tokens.push_back(i);
  std::vector<Index> local(static_cast<std::size_t>(layout.local_size(0, Place{rank})), -1);
  const Shard here = shard(layout, Place{rank});
  for (const auto& run : here.segments(0))
    for (Index i = 0; i < run.length; ++i)
      local[static_cast<std::size_t>(run.local + i)] =
          run.start < 0 ? -1 : tokens[static_cast<std::size_t>(run.start + i)];
  return local;
}
}  // namespace

TEST_CASE("zigzag: every rank holds what the rule says of every document, padded or refused where it does not divide") {
  for (Index ranks = 1; ranks <= 5; ++ranks)
    for (Index first = 1; first <= 12; ++first)
      for (Index second = 0; second <= 11; ++second) {
        const View view({{cp, ranks}});
        const DocumentLengths lengths{first, second};
        const Index total = first + second;
        const bool divides = ranks == 1 || (first % (2 * ranks) == 0 && second % (2 * ranks) == 0);
        const Layout padded = document_layout({total}, 0, view, lengths, Uneven::pad);
        CHECK(prove_coverage(padded).consistent());
        for (Index rank = 0; rank < ranks; ++rank) CHECK(extracted(padded, total, rank) == held(lengths, ranks, rank));
        Index sum = 0;
        for (const Index length : padded_lengths(lengths, ranks)) sum += length;
        CHECK(sum == ranks * padded.local_size(0, Place{0}));
        if (divides) {
          const Layout exact = document_layout({total}, 0, view, lengths);
          support::check_layout(exact, 1);
          for (Index rank = 0; rank < ranks; ++rank) CHECK(extracted(exact, total, rank) == held(lengths, ranks, rank));
        } else {
          const bool both = first % (2 * ranks) != 0 && second % (2 * ranks) != 0;
          CHECK(support::thrown([&] { document_layout({total}, 0, view, lengths); }) ==
                Ids(both ? 2 : 1, "SP-TENSOR-007"));
        }
        if (second == 0 && divides)
          CHECK(equivalent(zigzag_layout({total}, 0, view), document_layout({total}, 0, view, lengths)));
      }
}

TEST_CASE("zigzag: the closed form of a token's rank and place") {
  for (Index ranks = 2; ranks <= 6; ++ranks)
    for (Index chunk = 1; chunk <= 4; ++chunk) {
      const Index length = 2 * ranks * chunk;
      const Layout layout = zigzag_layout({3, length}, 1, View({{cp, ranks}}));
      for (Index rank = 0; rank < ranks; ++rank)
        for (const auto& run : shard(layout, Place{rank}).segments(1))
          for (Index i = 0; i < run.length; ++i) {
            const Index token = run.start + i, k = token / chunk;
            CHECK(rank == (k < ranks ? k : 2 * ranks - 1 - k));
            CHECK(run.local + i == (k < ranks ? 0 : chunk) + token % chunk);
          }
    }
}

TEST_CASE("zigzag: starts become lengths; what is wrong with them is said") {
  CHECK(document_lengths(std::vector<Index>{0, 8, 8, 24}) == DocumentLengths{8, 0, 16});
  CHECK(document_lengths(std::vector<Index>{0}).empty());
  for (const std::vector<Index>& wrong : {std::vector<Index>{}, {1, 4}, {0, 4, 3}})
    CHECK(support::thrown([&] { document_lengths(wrong); }) == Ids{"SP-TENSOR-012"});
  CHECK(support::thrown([] { document_layout({9}, 0, View({{cp, 2}}), {4, 4}); }) == Ids{"SP-LAYOUT-005"});
  CHECK(support::thrown([] { zigzag_layout({8}, 1, View({{cp, 2}})); }) == Ids{"SP-LAYOUT-008"});
}
