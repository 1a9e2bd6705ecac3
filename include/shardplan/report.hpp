#pragma once
#include <shardplan/report/json.hpp>
#include <shardplan/report/json_plan.hpp>
#include <shardplan/report/memory.hpp>
#include <shardplan/report/plan_report.hpp>
#include <shardplan/report/rank_text.hpp>
#include <shardplan/report/ranks.hpp>
#include <shardplan/report/summary.hpp>
#include <shardplan/report/table.hpp>
#include <shardplan/report/text.hpp>
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
/// | json.hpp               | `JsonWriter`: JSON of any kind, appended to a string                               |
/// | ranks.hpp, words.hpp, units.hpp, table.hpp | lists of ranks, cuts, ranges, sizes and rows in few words      |
