#pragma once
#include <string_view>

/// One page of the manual of the rule table.
namespace shardplan {

/// What a rule is for, in more words than its summary. No part is empty; a line break nowhere.
struct RulePage {
  std::string_view id;
  std::string_view section;  ///< of the reference sheets, such as "configuration sheet, 4"
  std::string_view cause;    ///< why it happens, and what the original system does then
  std::string_view example;  ///< an input that breaks it
  std::string_view message;  ///< what is said of the example; ` ... ` stands for words left out
  std::string_view remedy;
};

}  // namespace shardplan
