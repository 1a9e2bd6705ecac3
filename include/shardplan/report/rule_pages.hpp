#pragma once
#include <span>
#include <string_view>

#include <shardplan/core/rules.hpp>
#include <shardplan/report/rule_pages/checkpoint.hpp>
#include <shardplan/report/rule_pages/config.hpp>
#include <shardplan/report/rule_pages/data.hpp>
#include <shardplan/report/rule_pages/layout.hpp>
#include <shardplan/report/rule_pages/mesh.hpp>
#include <shardplan/report/rule_pages/page.hpp>
#include <shardplan/report/rule_pages/pipeline.hpp>
#include <shardplan/report/rule_pages/rules.hpp>
#include <shardplan/report/rule_pages/tensor.hpp>

/// The manual of the rule table: cause, example and remedy of every id.
namespace shardplan {

/// The pages room by room, in the order of the rule table.
inline constexpr std::span<const RulePage> rule_page_rooms[] = {
    rule_pages_of_rules,  rule_pages_of_core,       rule_pages_of_mesh,    rule_pages_of_layout, rule_pages_of_model,
    rule_pages_of_tensor, rule_pages_of_pipeline,   rule_pages_of_zero,    rule_pages_of_plan,   rule_pages_of_data,
    rule_pages_of_optim,  rule_pages_of_checkpoint, rule_pages_of_migrate, rule_pages_of_config};

/// The page of the rule of that id; null where no rule has it. Post: every rule of the table has one.
constexpr const RulePage* rule_page(std::string_view id) {
  for (const std::span<const RulePage> room : rule_page_rooms)
    for (const RulePage& page : room)
      if (page.id == id) return &page;
  return nullptr;
}

}  // namespace shardplan
