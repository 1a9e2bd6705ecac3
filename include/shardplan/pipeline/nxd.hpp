#pragma once
#include <string>

#include <shardplan/pipeline/partition.hpp>

/// How NxD partitions layers: evenly by itself, at named cuts, or over a list of layers without tracing.
namespace shardplan::pipeline {

/// NxD's automatic partition: sizes differ by at most one, the LAST `layers % stages` stages hold one more.
///
/// Errors   SP-PIPELINE-001 fewer layers than stages; SP-PIPELINE-008
/// Example  even(19, 4): 4, 5, 5, 5
/// Source   pipeline sheet, 1.1
constexpr Partition even(Index layers, Index pipeline, Index chunks = 1) {
  const Index stages = stage_count(pipeline, chunks);
  if (layers < stages)
    fail(
        "SP-PIPELINE-001",
        concat(layers, " layers for ", stages, " stages (", pipeline, " pipeline ranks with ", chunks, " chunks each)"),
        concat("at least ", stages, " layers, or fewer stages"),
        {"pipeline_model_parallel_size", "virtual_pipeline_model_parallel_size", "num_layers"});
  const Index size = layers / stages;
  const Index shorter = stages - layers % stages;
  Partition::Bounds bounds{0};
  for (Index s = 0; s < stages; ++s) bounds.push_back(bounds.back() + size + (s >= shorter));
  return {std::move(bounds), pipeline};
}

/// NxD's manual partition of a list of layers: the whole remainder falls to the last stage; no virtual stages.
///
/// Errors   SP-PIPELINE-001 fewer layers than stages; SP-PIPELINE-008
/// Example  manual_even(10, 4): 2, 2, 2, 4
/// Source   pipeline sheet, 1.5
constexpr Partition manual_even(Index layers, Index pipeline) {
  stage_count(pipeline, 1);
  if (layers < pipeline)
    fail("SP-PIPELINE-001", concat(layers, " layers for ", pipeline, " stages"),
         concat("at least ", pipeline, " layers, or fewer stages"), {"pipeline_model_parallel_size"});
  Partition::Bounds bounds;
  for (Index s = 0; s < pipeline; ++s) bounds.push_back(s * (layers / pipeline));
  bounds.push_back(layers);
  return {std::move(bounds), pipeline};
}

/// `prefix.0`, `prefix.1`, ...: the names of `count` layers.
inline Names numbered(std::string_view prefix, Index count) {
  Names out;
  for (Index i = 0; i < count; ++i) out.push_back(concat(prefix, '.', i));
  return out;
}

/// The cuts that make a partition: the name of the last item of every stage but the last.
///
/// names    of all items of the partition, in order
/// Errors   SP-PIPELINE-001 a stage before the last one is empty, which no cut can say
/// Post     cut_after(names, cut_names(p, names), p.pipeline(), p.chunks()) == p
inline Names cut_names(const Partition& partition, const Names& names) {
  Names out;
  for (Index s = 0; s + 1 < partition.stages(); ++s) {
    const Interval held = partition.layers_of(s);
    if (held.empty()) fail("SP-PIPELINE-001", concat("stage ", s, " holds nothing, so no module can end it"));
    out.push_back(names[static_cast<std::size_t>(held.end - 1)]);
  }
  return out;
}

/// The partition whose stages end at the named items. What comes after the last cut is the last stage, and may be
/// empty.
///
/// names    distinct names of all items, in order: the layers, or every module of the model
/// cuts     pipeline * chunks - 1 of them, in any order
/// Errors   SP-PIPELINE-002 (all faults at once) another number of cuts, an unknown name, a name given twice;
///          SP-PIPELINE-008
/// Source   pipeline sheet, 1.2
inline Partition cut_after(const Names& names, const Names& cuts, Index pipeline, Index chunks = 1) {
  const Index stages = stage_count(pipeline, chunks);
  Diagnostics found;
  if (static_cast<Index>(cuts.size()) != stages - 1)
    found.push_back(finding("SP-PIPELINE-002",
                            concat(cuts.size(), " cuts make ", cuts.size() + 1, " stages, but ", pipeline,
                                   " pipeline ranks with ", chunks, " chunks each have ", stages),
                            concat(stages - 1, " cuts"), {"pipeline_cuts"}));
  InlineVector<bool, 8> ends(names.size(), false);
  for (const std::string& cut : cuts) {
    std::size_t at = 0;
    while (at < names.size() && names[at] != cut) ++at;
    if (at == names.size()) {
      found.push_back(finding("SP-PIPELINE-002", concat("no module is called '", cut, "'"),
                              names.empty() ? "" : concat("modules run from ", names.front(), " to ", names.back()),
                              {"pipeline_cuts"}));
    } else if (ends[at]) {
      found.push_back(finding("SP-PIPELINE-002", concat("the cut '", cut, "' is given twice"), {}, {"pipeline_cuts"}));
    } else {
      ends[at] = true;
    }
  }
  if (!found.empty()) throw Error(std::move(found));
  Partition::Bounds bounds{0};
  for (std::size_t at = 0; at < ends.size(); ++at)
    if (ends[at]) bounds.push_back(static_cast<Index>(at) + 1);
  bounds.push_back(static_cast<Index>(names.size()));
  return {std::move(bounds), pipeline};
}

/// The cuts that NxD's two options ask for: the even ones under `auto_partition`, else those given.
///
/// Errors   SP-PIPELINE-004 both; SP-PIPELINE-001 and -008 of `even`
/// Source   pipeline sheet, 1.1
inline Names chosen_cuts(const Names& layers, const Names& cuts, bool auto_partition, Index pipeline,
                         Index chunks = 1) {
  if (!auto_partition) return cuts;
  if (!cuts.empty())
    fail("SP-PIPELINE-004", concat("auto_partition chooses the cuts, but ", cuts.size(), " are given"),
         "leave out one of the two", {"auto_partition", "pipeline_cuts"});
  return cut_names(even(static_cast<Index>(layers.size()), pipeline, chunks), layers);
}

}  // namespace shardplan::pipeline
