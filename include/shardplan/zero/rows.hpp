#pragma once
#include <shardplan/zero/data_ranks.hpp>

/// ZeRO-1 as torch_xla and NxD do it: every parameter alone, by rows.
namespace shardplan::zero {

/// The optimizer state of a parameter: its (local) rows in equal parts, zeros behind the last so that they divide.
///
/// Two more cuts on dimension 0 of the weight, so the shards are read like those of any other layout. Only that
/// dimension is cut: where it is shorter than the ranks are many, the rest of them hold padding alone.
///
/// Errors   SP-ZERO-001 a scalar has no rows
/// Post     with d ranks and n0 local rows, rank k holds ceil(n0 / d) rows from row k * ceil(n0 / d) on, of which
///          clamp(n0 - k * ceil(n0 / d), 0, ceil(n0 / d)) are rows of the weight;
///          together the ranks hold every element that the weight held, once
/// Source   ZeRO sheet, 3.1
constexpr Layout rows(const Layout& weight, const Digits& over) {
  if (weight.rank() == 0)
    fail("SP-ZERO-001", "a parameter of rank 0 has no rows to divide", "shape [1], or leave it out of ZeRO-1");
  const DataRanks ranks(weight.view(), over);
  return weight.then(0, pad_to_multiple(ranks.size()) | ranks.split());
}
/// Over all data ranks of the weight's view: data and context of the dense one, expert-data of the expert one.
constexpr Layout rows(const Layout& weight) { return rows(weight, data_digits(weight.view())); }

}  // namespace shardplan::zero
