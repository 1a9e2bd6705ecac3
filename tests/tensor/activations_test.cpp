#include <shardplan/tensor/activations.hpp>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::tensor;
using support::Ids;

TEST_CASE("sequence and context: consecutive parts of any dimension") {
  for (Index ranks = 1; ranks <= 5; ++ranks)
    for (Index length = 2; length <= 12; ++length)
      for (std::size_t dim = 0; dim < 3; ++dim) {
        Shape shape{2, 3, 2};
        shape[dim] = length;
        const View tensor({{tp, ranks}}), context({{cp, ranks}});
        if (length % ranks != 0) {
          CHECK(support::thrown([&] { sequence_layout(shape, dim, tensor); }) == Ids{"SP-TENSOR-007"});
          CHECK(support::thrown([&] { context_layout(shape, dim, context); }) == Ids{"SP-TENSOR-007"});
        } else {
          support::check_layout(sequence_layout(shape, dim, tensor), 1);
          support::check_layout(context_layout(shape, dim, context), 1);
          for (Index rank = 0; rank < ranks; ++rank)
            CHECK(support::runs(context_layout(shape, dim, context), rank, dim)[0][0] ==
                  first_position(length, ranks, rank));
        }
        // torch.chunk: the parts follow one another, none is longer than the first.
        const Layout chunks = sequence_layout(shape, dim, tensor, Uneven::chunk);
        CHECK(prove_coverage(chunks).consistent());
        Index at = 0;
        for (Index rank = 0; rank < ranks; ++rank) {
          const Index size = chunks.local_size(dim, Place{rank});
          CHECK(size <= (length + ranks - 1) / ranks);
          if (size > 0) CHECK(support::runs(chunks, rank, dim) == support::Runs{{at, size}});
          at += size;
        }
        CHECK(at == length);
      }
}

TEST_CASE("labels: shifted before they are cut, the last one ignored") {
  for (Index ranks = 1; ranks <= 4; ++ranks)
    for (Index part = 1; part <= 4; ++part) {
      const Shape batch{2, ranks * part};
      if (batch[1] == 1) continue;
      const Layout labels = label_layout(batch, 1, View({{cp, ranks}}));
      std::vector<Index> tokens(static_cast<std::size_t>(elements(batch)));
      for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<Index>(i);
      for (Index rank = 0; rank < ranks; ++rank) {
        std::vector<Index> local(static_cast<std::size_t>(2 * part));
        extract<Index>(shard(labels, Place{rank}), batch, tokens, local);
        for (Index b = 0; b < 2; ++b)
          for (Index i = 0; i < part; ++i) {
            const Index next = rank * part + i + (ranks > 1);
            CHECK(local[static_cast<std::size_t>(b * part + i)] ==
                  (next < batch[1] ? b * batch[1] + next : ignored_label));
          }
      }
    }
}

TEST_CASE("what has no sequence stays whole") {
  const View view({{cp, 4}});
  CHECK(context_layout({3, 1}, 1, view) == Layout(view, {3, 1}));
  CHECK(label_layout({3, 1}, 1, view) == Layout(view, {3, 1}));
}

TEST_CASE("both cuts: tensor ranks share the part of their context rank") {
  const View view({{cp, 2}, {tp, 4}});
  const Layout layout = activation_layout({16, 2, 3}, 0, view);
  support::check_layout(layout, 1);
  for (Index rank = 0; rank < 8; ++rank) CHECK(support::runs(layout, rank, 0) == support::Runs{{rank * 2, 2}});
  CHECK(support::thrown([&] { activation_layout({12, 2, 3}, 0, view); }) == Ids{"SP-TENSOR-007"});
  CHECK(support::thrown([&] { sequence_layout({12}, 1, view); }) == Ids{"SP-LAYOUT-008"});
}
