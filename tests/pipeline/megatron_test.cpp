#include <shardplan/pipeline/megatron.hpp>

#include "support.hpp"

using namespace shardplan;
using pipeline::megatron;
using pipeline::MegatronSplit;

namespace {

Ids refused(const MegatronSplit& split) {
  return thrown_ids([&] { megatron(split); });
}

/// A split of `layers` over `ranks`, with `chunks` each unless that is 0.
MegatronSplit split_of(Index layers, Index ranks, Index chunks = 0) {
  MegatronSplit out;
  out.num_layers = layers;
  out.pipeline_model_parallel_size = ranks;
  if (chunks > 0) out.virtual_pipeline_model_parallel_size = chunks;
  return out;
}
MegatronSplit with_accounts(MegatronSplit split, bool embedding, bool loss) {
  split.account_for_embedding_in_pipeline_split = embedding;
  split.account_for_loss_in_pipeline_split = loss;
  return split;
}
MegatronSplit with_ends(MegatronSplit split, std::optional<Index> first, std::optional<Index> last) {
  split.num_layers_in_first_pipeline_stage = first;
  split.num_layers_in_last_pipeline_stage = last;
  return split;
}
MegatronSplit with_layout(MegatronSplit split, std::string_view text) {
  split.pipeline_model_parallel_layout = pipeline::parse_layout(text, split.pipeline_model_parallel_size);
  return split;
}

}  // namespace

TEST_CASE("megatron: recorded partitions") {
  CHECK(sizes(megatron(split_of(16, 4))) == Numbers{4, 4, 4, 4});
  CHECK(sizes(megatron(split_of(16, 4, 2))) == Numbers(8, 2));
  CHECK(sizes(megatron(with_accounts(split_of(14, 4), true, true))) == Numbers{3, 4, 4, 3});
  CHECK(sizes(megatron(with_accounts(split_of(14, 4, 2), true, true))) == Numbers{1, 2, 2, 2, 2, 2, 2, 1});
  CHECK(sizes(megatron(with_ends(split_of(14, 4), 3, 3))) == Numbers{3, 4, 4, 3});
  CHECK(sizes(megatron(with_ends(split_of(28, 4, 2), 6, 6))) == Numbers{3, 4, 4, 3, 3, 4, 4, 3});
  CHECK(sizes(megatron(with_layout(split_of(13, 4), "Ett|(tt|)*5,t|L"))) == Numbers{2, 2, 2, 2, 2, 2, 1, 0});
}

TEST_CASE("megatron: even counts, with and without embedding and loss as layers") {
  for (Index ranks = 1; ranks <= 4; ++ranks) {
    for (Index chunks = 1; chunks <= 3; ++chunks) {
      for (Index layers = 1; layers <= 26; ++layers) {
        for (const bool embedding : {false, true}) {
          for (const bool loss : {false, true}) {
            CAPTURE(ranks);
            CAPTURE(chunks);
            CAPTURE(layers);
            const MegatronSplit split = with_accounts(split_of(layers, ranks, chunks), embedding, loss);
            const Index total = layers + embedding + loss;
            const Index stages = ranks * chunks;
            if (total % stages != 0) {
              CHECK(refused(split) == Ids{"SP-PIPELINE-003"});
              continue;
            }
            const Partition partition = megatron(split);
            check_partition(partition, layers, ranks, chunks);
            for (Index s = 0; s < stages; ++s)
              CHECK(partition.layers_of(s).size() ==
                    total / stages - (embedding && s == 0) - (loss && s == stages - 1));
          }
        }
      }
    }
  }
}

TEST_CASE("megatron: fixed counts at the ends, the rest evenly between") {
  for (Index ranks = 2; ranks <= 4; ++ranks) {
    for (Index chunks = 1; chunks <= 2; ++chunks) {
      for (Index first = 1; first <= 3; ++first) {
        for (Index middle = 1; middle <= 3; ++middle) {
          for (Index last = 1; last <= 3; ++last) {
            const Index layers = chunks * (first + (ranks - 2) * middle + last);
            const Partition partition =
                megatron(with_ends(split_of(layers, ranks, chunks), chunks * first, chunks * last));
            check_partition(partition, layers, ranks, chunks);
            for (Index s = 0; s < partition.stages(); ++s) {
              const Index rank = partition.pipeline_rank(s);
              CHECK(partition.layers_of(s).size() == (rank == 0 ? first : rank == ranks - 1 ? last : middle));
            }
          }
        }
      }
    }
  }
  CHECK(sizes(megatron(with_ends(split_of(7, 3), 1, {}))) == Numbers{1, 3, 3});
  CHECK(sizes(megatron(with_ends(split_of(7, 3), {}, 1))) == Numbers{3, 3, 1});
  CHECK(sizes(megatron(with_ends(split_of(4, 1), 4, {}))) == Numbers{4});
}

TEST_CASE("megatron: layers that do not divide") {
  CHECK(refused(split_of(15, 4)) == Ids{"SP-PIPELINE-003"});
  CHECK(refused(split_of(12, 4, 2)) == Ids{"SP-PIPELINE-003"});
  CHECK(refused(with_ends(split_of(14, 4), 3, 4)) == Ids{"SP-PIPELINE-003"});
  CHECK(refused(with_ends(split_of(8, 2, 2), 3, 5)) == Ids{"SP-PIPELINE-003"});
  CHECK(refused(with_ends(split_of(9, 2, 2), 4, 5)) == Ids{"SP-PIPELINE-003"});
  CHECK(refused(with_ends(split_of(12, 4, 2), 4, 2)) == Ids{"SP-PIPELINE-003"});
  CHECK(refused(with_ends(split_of(8, 2), 3, 3)) == Ids{"SP-PIPELINE-003"});  // two layers and no rank for them
  CHECK(refused(with_ends(split_of(6, 3), 3, 3)) == Ids{"SP-PIPELINE-003"});  // a rank and no layers for it
  CHECK(refused(with_ends(split_of(4, 4), 3, 3)) == Ids{"SP-PIPELINE-003"});  // fewer than none
  CHECK(refused(with_ends(split_of(4, 1), 4, 4)) == Ids{"SP-PIPELINE-003"});  // the one rank cannot be both ends
}

TEST_CASE("megatron: counts below one, and beyond counting") {
  CHECK(refused(split_of(0, 1)) == Ids{"SP-PIPELINE-001"});
  CHECK(refused(split_of(-4, 2)) == Ids{"SP-PIPELINE-001"});
  CHECK(refused(with_ends(split_of(8, 4), 0, {})) == Ids{"SP-PIPELINE-001"});
  CHECK(refused(with_ends(split_of(8, 4), {}, -1)) == Ids{"SP-PIPELINE-001"});
  CHECK(refused(split_of(8, 0)) == Ids{"SP-PIPELINE-008"});
  CHECK(refused(split_of(8, -2)) == Ids{"SP-PIPELINE-008"});
  CHECK(refused(with_ends(split_of(8, 4), INT64_MAX, INT64_MAX)) == Ids{"SP-CORE-001"});
  CHECK(refused(with_accounts(split_of(INT64_MAX, 4), true, true)) == Ids{"SP-CORE-001"});
}

TEST_CASE("megatron: options that exclude each other, all at once") {
  CHECK(refused(with_accounts(with_ends(split_of(14, 4), 3, 3), true, false)) == Ids{"SP-PIPELINE-004"});
  const MegatronSplit layout = with_layout(split_of(4, 2), "Ett|ttL");
  CHECK(refused(layout).empty());
  CHECK(refused(with_accounts(layout, false, true)) == Ids{"SP-PIPELINE-004"});
  CHECK(refused(with_ends(layout, {}, 2)) == Ids{"SP-PIPELINE-004"});
  MegatronSplit other = with_ends(with_accounts(layout, true, true), 2, 2);
  other.virtual_pipeline_model_parallel_size = 2;
  other.pipeline_model_parallel_size = 4;
  CHECK(refused(other) == Ids(4, "SP-PIPELINE-004"));
  MegatronSplit agreeing = layout;
  agreeing.virtual_pipeline_model_parallel_size = 1;
  CHECK(refused(agreeing).empty());
}

TEST_CASE("megatron: a layout of another model") {
  CHECK(refused(with_layout(split_of(61, 16), "Ett|(tt|)*29,m|L")) == Ids(2, "SP-PIPELINE-006"));
  MegatronSplit right = with_layout(split_of(61, 16), "Et*3|(tt|)*29,m|L");
  right.mtp_num_layers = 1;
  CHECK(refused(right).empty());
}
