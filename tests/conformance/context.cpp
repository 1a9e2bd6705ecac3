#include <shardplan/layout/shard.hpp>
#include <shardplan/tensor/zigzag.hpp>
#include <vector>

#include "kinds.hpp"

/// Sequences and packed documents cut over context ranks.
namespace conformance {
namespace {

using namespace shardplan;

void check_zigzag(const Field& object) {
  const Index ranks = object["cp"].number();
  const std::string mode = object["mode"].text();
  std::vector<Index> starts;
  if (mode == "per_sequence")
    starts = {0, object["seq_length"].number()};
  else if (mode == "per_document_by_rule")
    starts = object["cu_seqlens"].as<std::vector<Index>>();
  else
    throw std::runtime_error("unknown mode " + mode);
  const Layout layout =
      tensor::document_layout({starts.back()}, 0, View({{cp, ranks}}), tensor::document_lengths(starts));
  Json ranges = Json::array();
  for (Index rank = 0; rank < ranks; ++rank) {
    Json runs = Json::array();
    const Shard here = shard(layout, Place{rank});
    for (const Shard::Segment& run : here.segments(0)) runs.push_back({run.start, run.start + run.length});
    ranges.push_back(std::move(runs));
  }
  object.expect("ranges_by_cp_rank", ranges);
}

}  // namespace

Kinds context_kinds() {
  return {{"context-parallel zigzag", Kind::Scope::element,
           [](const Json& o, const Json&) {
             return has(o, {"cp", "mode", "ranges_by_cp_rank"});
           },
           check_zigzag}};
}

}  // namespace conformance
