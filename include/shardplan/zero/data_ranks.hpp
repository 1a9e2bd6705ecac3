#pragma once
#include <shardplan/layout/layout.hpp>
#include <shardplan/zero/detail/no_ranks.hpp>

/// Who shares optimizer state.
namespace shardplan::zero {

/// Digits of a view, major first.
using Digits = InlineVector<Digit, 4>;

/// The digits over which optimizer state is divided: data and context ranks of a dense view, expert-data ranks of an
/// expert view, as far as the view has them (ZeRO sheet, 3.2).
constexpr Digits data_digits(const View& view) {
  if (view.find(edp)) return {edp};
  Digits out;
  for (const Axis axis : {dp, cp})
    if (view.find(axis)) out.push_back(axis);
  return out;
}

/// The ranks among which optimizer state is divided: those that differ in `digits()` and agree in the rest of `view()`.
/// Every planner of the room takes one; a view or a bare number converts.
///
///     zero::DataRanks(mesh.dense())                     data x context
///     zero::DataRanks(mesh.dense(), {inner(dp, 4)})     four neighbours: one instance of several
///     zero::DataRanks(8)                                eight data ranks and nothing else
class DataRanks {
 public:
  constexpr DataRanks(const View& view) : DataRanks(view, data_digits(view)) {}
  /// Errors SP-LAYOUT-006, -007, -008 for digits that the view does not have.
  constexpr DataRanks(const View& view, const Digits& over) : view_(view), digits_(over) {
    const Layout divided = Layout(view, {0}).then(0, Split(over));
    for (std::size_t atom = 0; atom < divided.atoms().size(); ++atom)
      if (divided.is_bound(atom)) size_ *= divided.atoms()[atom].extent;
  }
  /// Errors SP-ZERO-002.
  constexpr DataRanks(Index count) : DataRanks(View({{dp, checked(count)}})) {}

  constexpr const View& view() const { return view_; }
  constexpr const Digits& digits() const { return digits_; }
  /// How many parts there are.
  constexpr Index size() const { return size_; }
  /// Part k for the k-th of the ranks.
  constexpr Split split() const { return Split(digits_); }

 private:
  static constexpr Index checked(Index count) {
    if (count < 1) throw Error(detail::no_ranks(count));
    return count;
  }

  View view_;
  Digits digits_;
  Index size_ = 1;
};

}  // namespace shardplan::zero
