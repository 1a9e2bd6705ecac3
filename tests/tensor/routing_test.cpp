#include <shardplan/tensor/routing.hpp>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::tensor;
using support::Ids;
using support::ids;

TEST_CASE("routing: what cannot work") {
  for (Index experts = 1; experts <= 4; ++experts)
    for (Index top_k = -1; top_k <= 6; ++top_k)
      CHECK(diagnose(Routing{.num_experts = experts, .top_k = top_k}).empty() == (1 <= top_k && top_k <= experts));
  const Options as_nxd{.dialect = compat};
  CHECK(ids(diagnose(Routing{.num_experts = 4, .top_k = 2, .balancing = Balancing::sinkhorn})) == Ids{"SP-TENSOR-003"});
  CHECK(diagnose(Routing{.num_experts = 4, .top_k = 1, .balancing = Balancing::sinkhorn}, as_nxd).empty());
  CHECK(ids(diagnose(Routing{.num_experts = 4, .normalize_top_k = true})) == Ids{"SP-TENSOR-003"});
  CHECK(ids(diagnose(Routing{.num_experts = 4, .activation = "mish"}, as_nxd)) == Ids{"SP-TENSOR-003"});
  CHECK(diagnose(Routing{.num_experts = 4, .activation = "mish"}).empty());
  CHECK(ids(diagnose(Routing{.num_experts = 4, .gated = false, .dropless = true})) == Ids{"R27"});
  CHECK(ids(diagnose(Routing{.num_experts = 4, .activation = "gelu", .dropless = true})) == Ids{"R27"});
  // swiglu is a gated SiLU, so it is none without its gate
  for (const Options& options : {Options{}, as_nxd})
    CHECK(diagnose(Routing{.num_experts = 4, .activation = "swiglu", .dropless = true}, options).empty());
  CHECK(ids(diagnose(Routing{.num_experts = 4, .activation = "swiglu", .gated = false, .dropless = true})) ==
        Ids{"R27"});
  CHECK(ids(diagnose(Routing{.num_experts = 4, .activation = "swiglu", .gated = false}, as_nxd)) ==
        Ids{"SP-TENSOR-003"});
  CHECK(ids(diagnose(Routing{.num_experts = 4, .capacity_factor = 0.0})) == Ids{"R28"});
  CHECK(diagnose(Routing{.num_experts = 4, .dropless = true, .capacity_factor = 0.0}).empty());
}

TEST_CASE("capacity: an even share times the factor, at most all tokens") {
  struct Row {
    Index experts, top_k;
    double factor;
    Index tokens, capacity;
  };
  for (const Row& row : {Row{8, 2, 1.0, 64, 16}, Row{8, 2, 1.25, 64, 20}, Row{8, 2, 1.1, 10, 3}, Row{8, 2, 4.0, 64, 64},
                         Row{8, 2, 9.0, 64, 64}, Row{3, 1, 1.0, 10, 4}, Row{4, 1, 0.5, 1, 1}})
    CHECK(expert_capacity({.num_experts = row.experts, .top_k = row.top_k, .capacity_factor = row.factor},
                          row.tokens) == row.capacity);
  CHECK(expert_capacity({.num_experts = 8, .top_k = 2}, 64) == 64);
}
