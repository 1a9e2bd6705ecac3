#include <doctest/doctest.h>

#include <vector>

#include <shardplan/mesh/megatron_groups.hpp>

using namespace shardplan;
using mcore::Options;
using mcore::ProcessGroups;

TEST_CASE("Megatron's groups as strides: the ranks of the groups, in their order") {
  Index with_strides = 0, without = 0;
  for (const char* order : {"tp-cp-ep-dp-pp", "cp-tp-ep-dp-pp", "tp-cp-ep-pp-dp"})
    for (const Index tensor : {1, 2})
      for (const Index pipeline : {1, 2, 4})
        for (const Index context : {1, 2, 4})
          for (const Index expert : {1, 2})
            for (const Index instances : {1, 2}) {
              Options options{.ranks = 48,
                              .tensor = tensor,
                              .pipeline = pipeline,
                              .context = context,
                              .expert = expert,
                              .order = mcore::Order(order),
                              .instances = instances,
                              .hybrid_context = context == 2,
                              .offset = 5};
              if (context == 4) options.hierarchical_context = {2, 2};
              try {
                const ProcessGroups groups(options);
                for (const mcore::Kind kind : groups.kinds()) {
                  const auto strides = groups.strides(kind);
                  if (!strides) {
                    ++without;
                    continue;
                  }
                  ++with_strides;
                  std::vector<Index> expected;
                  for (const Group& group : groups.groups(kind))
                    for (const Rank rank : group) expected.push_back(rank.value);
                  REQUIRE(strides->groups() * strides->group_size() == static_cast<Index>(expected.size()));
                  std::vector<Index> got(expected.size());
                  strides->write(got.data());
                  CHECK(got == expected);
                }
              } catch (const Error&) {
                // Not every combination exists; which ones do is megatron_test's.
              }
            }
  CHECK(with_strides > 1000);
  CHECK(without * 10 < with_strides);
}
