#include <cstdio>

#include "everything.hpp"

const void* table_in_other();
const void* function_in_other();

int main() {
  const bool one_table = table_in_other() == shardplan::rule_table;
  const bool one_function = function_in_other() == reinterpret_cast<const void*>(&shardplan::checked_mul);
  if (!one_table) std::puts("each unit has a rule table of its own");
  if (!one_function) std::puts("each unit has a checked_mul of its own");
  return one_table && one_function ? 0 : 1;
}
