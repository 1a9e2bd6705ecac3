#pragma once
#include <shardplan/report/chrome_trace.hpp>
#include <shardplan/report/explain.hpp>
#include <shardplan/report/explain_text.hpp>
#include <shardplan/report/json.hpp>
#include <shardplan/report/json_plan.hpp>
#include <shardplan/report/memory.hpp>
#include <shardplan/report/migration.hpp>
#include <shardplan/report/pipeline_chart.hpp>
#include <shardplan/report/pipeline_text.hpp>
#include <shardplan/report/plan_report.hpp>
#include <shardplan/report/rank_grid.hpp>
#include <shardplan/report/rank_text.hpp>
#include <shardplan/report/ranks.hpp>
#include <shardplan/report/rule.hpp>
#include <shardplan/report/rule_pages.hpp>
#include <shardplan/report/shard_map.hpp>
#include <shardplan/report/summary.hpp>
#include <shardplan/report/svg.hpp>
#include <shardplan/report/table.hpp>
#include <shardplan/report/text.hpp>
#include <shardplan/report/transfer.hpp>
#include <shardplan/report/transfer_text.hpp>
#include <shardplan/report/units.hpp>
#include <shardplan/report/words.hpp>

/// Plans for people and programs: reads every room, and no room reads it.
///
///     const sp::PlanReport report = sp::report(plan, {.config = "llama3_70b"}, findings);
///     std::puts(sp::text(report).c_str());                     // what it is, in a page
///     std::puts(sp::rank_text(plan, 300).c_str());             // one rank, every tensor
///     sp::JsonWriter json(out, 2);
///     sp::write(json, report, sp::Rank{300});                  // the same as JSON, schema in json_plan.hpp
///
/// | header                 | gives                                                                              |
/// |------------------------|------------------------------------------------------------------------------------|
/// | summary.hpp            | `Summary`: some forty figures under the names that NxDT users know                 |
/// | memory.hpp             | `memory_report`: bytes by category for every pipeline rank; SP-PLAN-004            |
/// | plan_report.hpp        | `report`: the two with the findings; group kinds and neighbours of a rank          |
/// | text.hpp, rank_text.hpp | `text`, `rank_text`: for reading                                                  |
/// | json_plan.hpp          | `write`, `RankJson`: schema `shardplan-plan-1`                                     |
/// | transfer.hpp, transfer_text.hpp | `transfer_report`: what moves between two plans; schema `shardplan-transfer-1` |
/// | explain.hpp, explain_text.hpp | an element of a tensor: who holds it, by which cuts; `shardplan-explain-1`  |
/// | migration.hpp          | the report of a migration, schema `shardplan-migrate-1`                            |
/// | rule.hpp               | a rule of the table, for reading                                                   |
/// | rank_grid.hpp          | `rank_grid`: a picture of a rank order, SVG                                        |
/// | shard_map.hpp          | `shard_map`: a picture of a tensor's pieces, SVG                                   |
/// | pipeline_chart.hpp, pipeline_text.hpp | a pipeline over time, as SVG and for a terminal                     |
/// | chrome_trace.hpp       | the same for Perfetto                                                              |
/// | json.hpp               | `JsonWriter`: JSON of any kind, appended to a string                               |
/// | ranks.hpp, words.hpp, units.hpp, table.hpp | lists of ranks, cuts, ranges, sizes and rows in few words      |
