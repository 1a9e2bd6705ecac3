#include <numeric>
#include <shardplan/layout/transfer.hpp>

#include "kinds.hpp"

/// Moves between two layouts of a tensor.
namespace conformance {
namespace {

using namespace shardplan;

/// A view in which these ranks, in this order, are the tensor-parallel group of copy 0.
View view_of(const std::vector<Index>& ranks) {
  const Axis copy("copy");
  const auto members = static_cast<Index>(ranks.size());
  Index last = 0;
  for (const Index rank : ranks) last = larger(last, rank);
  const Index world = round_up(last + 1, members);
  InlineVector<Index, 4> order;
  std::vector<bool> listed(static_cast<std::size_t>(world), false);
  for (const Index rank : ranks) {
    order.push_back(rank);
    listed[static_cast<std::size_t>(rank)] = true;
  }
  for (Index rank = 0; rank < world; ++rank)
    if (!listed[static_cast<std::size_t>(rank)]) order.push_back(rank);
  return View({{copy, world / members}, {tp, members}}, wire(world, order));
}

/// One side of a reshard: packed components one by one, or as many equal ones as the stride says.
Layout side(const Field& given, const char* ranks, const char* stride) {
  const std::vector<Index> members = given[ranks].numbers();
  const auto dim = static_cast<std::size_t>(given["shard_dim"].number());
  Shape shape(dim + 2, 3);  // the length of the other dimensions is not recorded: they are taken whole
  shape[dim] = given["full_dim"].number();
  const Field packed_sizes = given["full_block_sizes"];
  const Index parts = given[stride].number();
  Chain chain = strided(tp, parts);
  if (!packed_sizes.is_null()) {
    InlineVector<Index, 16> sizes;
    sizes.append(packed_sizes.numbers());
    chain = packed(sizes, split(tp));
  }
  return Layout(view_of(members), shape).then(dim, chain).pinned(Axis("copy"), {0});
}

/// Where the original ends its operations, in a destination shard: every lcm-th of every component.
std::vector<Index> ends_of_operations(const Field& given) {
  const Index from = given["src_tp"].number(), to = given["dst_tp"].number();
  std::vector<Index> components{given["full_dim"].number()};
  Index segments = std::lcm(from * given["src_stride"].number(), to * given["dst_stride"].number());
  if (!given["full_block_sizes"].is_null()) {
    components = given["full_block_sizes"].numbers();
    segments = std::lcm(from, to);
  }
  std::vector<Index> out;
  Index at = 0;
  for (const Index component : components)
    for (Index i = 0; i < segments / to; ++i) out.push_back(at += component / segments);
  return out;
}

/// The library merges what continues; the operations are its moves, cut again where the original cuts.
void check_reshard(const Field& given) {
  given.expect("src_tp", given["src_ranks"].size());
  given.expect("dst_tp", given["dst_ranks"].size());
  if (given.has("error"))  // which of these is refused first is the library's business
    given.skip({"full_dim", "shard_dim", "src_stride", "dst_stride", "full_block_sizes", "src_ranks", "dst_ranks"});
  expect_outcome(given, [&given] {
    const Layout from = side(given, "src_ranks", "src_stride");
    const Layout to = side(given, "dst_ranks", "dst_stride");
    const Transfer plan = transfer(from, to);
    const std::vector<Index> ends = ends_of_operations(given);
    const auto dim = static_cast<std::size_t>(given["shard_dim"].number());
    Json plans = Json::array();
    for (const Index rank : given["dst_ranks"].numbers()) {
      Json ops = Json::array();
      auto end = ends.begin();
      plan.for_each_move(rank, [&](const Move& move) {
        for (std::size_t d = 0; d < to.rank(); ++d)
          if (d != dim && (move.source[d] != 0 || move.destination[d] != 0 || move.extent[d] != to.shape()[d]))
            given["shard_dim"].differ("a move that cuts dimension " + std::to_string(d));
        const Index shift = move.source[dim] - move.destination[dim];
        Index at = move.destination[dim];
        const Index last = at + move.extent[dim];
        while (at < last) {
          while (end != ends.end() && *end <= at) ++end;
          const Index stop = end == ends.end() ? last : smaller(*end, last);
          ops.push_back({{"src_rank", move.from}, {"src", {at + shift, stop + shift}}, {"dst", {at, stop}}});
          at = stop;
        }
      });
      plans.push_back({{"dst_rank", rank}, {"ops", ops}});
    }
    given.expect("plans", plans);
  });
}

}  // namespace

Kinds transfer_kinds() {
  return {{"Megatron reshard", Kind::Scope::element,
           [](const Json& o, const Json&) {
             return has(o, {"full_dim", "src_tp", "dst_tp", "shard_dim"});
           },
           check_reshard}};
}

}  // namespace conformance
