#pragma once
#include <concepts>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include <shardplan/mesh/view.hpp>

/// Groups of ranks as arithmetic: nothing here ever lists the world.
namespace shardplan {

/// Random access (as C++20 means it) over anything with operator[](std::size_t): a position and the range it belongs
/// to.
template <class Range, class Item>
class IndexIterator {
 public:
  using value_type = Item;
  using difference_type = std::ptrdiff_t;

  constexpr IndexIterator() = default;
  constexpr IndexIterator(const Range& range, std::size_t at) : range_(&range), at_(static_cast<difference_type>(at)) {}

  constexpr Item operator*() const { return (*range_)[static_cast<std::size_t>(at_)]; }
  constexpr Item operator[](difference_type n) const { return *(*this + n); }
  constexpr IndexIterator& operator++() { return *this += 1; }
  constexpr IndexIterator operator++(int) { return std::exchange(*this, *this + 1); }
  constexpr IndexIterator& operator--() { return *this -= 1; }
  constexpr IndexIterator operator--(int) { return std::exchange(*this, *this - 1); }
  constexpr IndexIterator& operator+=(difference_type n) {
    at_ += n;
    return *this;
  }
  constexpr IndexIterator& operator-=(difference_type n) { return *this += -n; }
  friend constexpr IndexIterator operator+(IndexIterator it, difference_type n) { return it += n; }
  friend constexpr IndexIterator operator+(difference_type n, IndexIterator it) { return it += n; }
  friend constexpr IndexIterator operator-(IndexIterator it, difference_type n) { return it -= n; }
  friend constexpr difference_type operator-(IndexIterator a, IndexIterator b) { return a.at_ - b.at_; }
  friend constexpr bool operator==(IndexIterator a, IndexIterator b) { return a.at_ == b.at_; }
  friend constexpr auto operator<=>(IndexIterator a, IndexIterator b) { return a.at_ <=> b.at_; }

 private:
  const Range* range_ = nullptr;
  difference_type at_ = 0;
};

/// The ranks that differ in some digits of a view and agree in all others, in the order of those digits.
/// A value of a few numbers: the k-th member and the position of a rank are O(digits).
class Group {
 public:
  struct Member {
    Index extent;
    Index stride;
    friend constexpr bool operator==(const Member&, const Member&) = default;
  };
  using iterator = IndexIterator<Group, Rank>;

  constexpr Group() = default;
  /// The ranks of a view that agree with a place in all axes but those at the positions `members`, major first.
  constexpr Group(const View& view, const InlineVector<std::size_t, 4>& members, Place place)
      : offset_(view.offset()), wire_(view.wires()) {
    for (const std::size_t axis : members) {
      place[axis] = 0;
      // An axis of several digits counts through them from its largest weight down.
      InlineVector<View::Slot, 4> digits;
      for (const View::Slot& slot : view.slots())
        if (slot.axis == axis && slot.extent > 1) digits.push_back(slot);
      for (std::size_t i = 1; i < digits.size(); ++i)
        for (std::size_t j = i; j > 0 && digits[j].weight > digits[j - 1].weight; --j)
          std::swap(digits[j], digits[j - 1]);
      for (const View::Slot& slot : digits) members_.push_back({slot.extent, slot.stride});
    }
    base_ = view.number(place);
  }

  constexpr std::size_t size() const { return picks_.empty() ? whole_size() : picks_.size(); }

  /// The k-th member. Pre: k < size().
  constexpr Rank operator[](std::size_t k) const {
    Index rest = picks_.empty() ? static_cast<Index>(k) : picks_[k];
    Index number = base_;
    for (std::size_t i = members_.size(); i-- > 0;) {
      number += rest % members_[i].extent * members_[i].stride;
      rest /= members_[i].extent;
    }
    return offset_ + wire_.to_physical(number);
  }

  /// Where a rank stands in the group, if it is a member. Post: (*this)[*position(r)] == r.
  constexpr std::optional<Index> position(Rank rank) const {
    if (rank.value < offset_) return std::nullopt;
    auto rest = static_cast<std::uint32_t>(wire_.to_logical(rank.value - offset_));
    std::uint32_t whole = 0;
    Index outside = rest;
    for (const Member& member : members_) {
      const auto extent = static_cast<std::uint32_t>(member.extent), stride = static_cast<std::uint32_t>(member.stride);
      const std::uint32_t value = rest / stride % extent;
      whole = whole * extent + value;
      outside -= static_cast<Index>(value) * member.stride;
    }
    if (outside != base_) return std::nullopt;
    if (picks_.empty()) return whole;
    for (std::size_t i = 0; i < picks_.size(); ++i)
      if (picks_[i] == whole) return static_cast<Index>(i);
    return std::nullopt;
  }
  constexpr bool contains(Rank rank) const { return position(rank).has_value(); }

  /// The members at the given positions, in that order: first and last stage, a pair of neighbours.
  constexpr Group pick(const InlineVector<Index, 2>& positions) const {
    Group out = *this;
    out.picks_.clear();
    for (const Index at : positions) out.picks_.push_back(picks_.empty() ? at : picks_[static_cast<std::size_t>(at)]);
    return out;
  }

  constexpr iterator begin() const { return {*this, 0}; }
  constexpr iterator end() const { return {*this, size()}; }

  /// The same ranks in the same order, however they are described.
  friend constexpr bool operator==(const Group& a, const Group& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t k = 0; k < a.size(); ++k)
      if (a[k] != b[k]) return false;
    return true;
  }

 private:
  constexpr std::size_t whole_size() const {
    Index out = 1;
    for (const Member& member : members_) out *= member.extent;
    return static_cast<std::size_t>(out);
  }

  Index base_ = 0;  ///< rank number, before the wire, of the member with all digits 0
  Index offset_ = 0;
  InlineVector<Member, 4> members_;  ///< major first
  InlineVector<Index, 2> picks_;     ///< positions kept; empty: all
  Wire wire_;
};

/// Every group of one kind, lazily, in the order in which the system that owns the kind creates them.
///
/// A kind is {view, member axes (major first), axes that number the groups (outer first)}, and optionally positions to
/// pick out of every group: then each group yields one list entry per pick. All picks name equally many positions.
class GroupList {
 public:
  using Axes = InlineVector<Axis, 4>;
  using Picks = InlineVector<InlineVector<Index, 2>, 1>;

  constexpr GroupList() = default;
  /// Errors SP-MESH-007 an axis the view does not have, or one that is in neither list or in both; SP-MESH-009 a pick
  /// that is no position of a group, or of another length than the first.
  constexpr GroupList(View view, const Axes& members, const Axes& order, const Picks& picks = {})
      : view_(std::move(view)), pick_size_(picks.empty() ? 0 : picks[0].size()) {
    for (const Axis axis : members) members_.push_back(view_.at(axis));
    for (const Axis axis : order) order_.push_back(view_.at(axis));
    InlineVector<Index, 6> seen(view_.axes().size(), 0);
    for (const std::size_t axis : members_) ++seen[axis];
    for (const std::size_t axis : order_) ++seen[axis];
    for (std::size_t i = 0; i < seen.size(); ++i)
      if (seen[i] != 1)
        fail("SP-MESH-007", concat("axis ", view_.axes()[i].axis.name(), " occurs ", seen[i], " times in a group kind"),
             "once");
    Index count = 1;
    for (const std::size_t axis : members_) count *= view_.axes()[axis].size;
    for (const auto& pick : picks) {
      if (pick.empty() || pick.size() != pick_size_)
        fail("SP-MESH-009", concat("a pick of ", pick.size(), " positions after one of ", pick_size_));
      for (const Index position : pick) {
        if (position < 0 || position >= count)
          fail("SP-MESH-009", concat("position ", position, " of a group of ", count), concat("0 to ", count - 1));
        picks_.push_back(position);
      }
    }
  }

  /// Groups of the list at one place: one, or as many as there are picks.
  constexpr std::size_t per_place() const { return picks_.empty() ? 1 : picks_.size() / pick_size_; }
  constexpr std::size_t size() const {
    Index out = 1;
    for (const std::size_t axis : order_) out *= view_.axes()[axis].size;
    return static_cast<std::size_t>(out) * per_place();
  }

  /// The i-th group of the list. Pre: i < size().
  constexpr Group operator[](std::size_t i) const {
    Place base(view_.axes().size(), 0);
    auto rest = static_cast<Index>(i / per_place());
    for (std::size_t o = order_.size(); o-- > 0;) {
      const Index extent = view_.axes()[order_[o]].size;
      base[order_[o]] = rest % extent;
      rest /= extent;
    }
    return group(base, i % per_place());
  }

  /// The group at a rank's place: the one it belongs to, or for a kind with picks the first of those at its place.
  /// Pre: the view contains the rank.
  constexpr Group of(Rank rank) const { return group(view_.place(rank), 0); }

  /// Number of the first group at a rank's place. Post: (*this)[index_of(r)] == of(r) for kinds without picks.
  constexpr std::size_t index_of(Rank rank) const {
    const Place place = view_.place(rank);
    Index out = 0;
    for (const std::size_t axis : order_) out = out * view_.axes()[axis].size + place[axis];
    return static_cast<std::size_t>(out) * per_place();
  }

  constexpr IndexIterator<GroupList, Group> begin() const { return {*this, 0}; }
  constexpr IndexIterator<GroupList, Group> end() const { return {*this, size()}; }
  constexpr const View& view() const { return view_; }

 private:
  constexpr Group group(const Place& place, std::size_t pick) const {
    const Group whole(view_, members_, place);
    if (picks_.empty()) return whole;
    InlineVector<Index, 2> positions;
    for (std::size_t i = 0; i < pick_size_; ++i) positions.push_back(picks_[pick * pick_size_ + i]);
    return whole.pick(positions);
  }

  View view_;
  InlineVector<std::size_t, 4> members_;
  InlineVector<std::size_t, 4> order_;
  InlineVector<Index, 2> picks_;  ///< one after the other
  std::size_t pick_size_ = 0;
};

/// Every group of a kind as nested loops, for kinds that a wire does not break up: what takes a communicator library
/// that is told strides, and what a flat list is written from.
///
/// The k-th rank of the i-th group is `first` + the digits of i over `order` + the digits of k over `members`.
struct GroupStrides {
  /// At most one a digit of a view, and two more where a piece begins and ends inside one.
  class Digits {
   public:
    /// What is behind the last digit is read by nobody, and left alone but where the language asks for a value.
    constexpr Digits() {
      if (std::is_constant_evaluated())
        for (Group::Member& digit : digits_) digit = {1, 0};
    }
    constexpr Digits(const Digits& other) : Digits() { *this = other; }
    constexpr Digits& operator=(const Digits& other) {
      size_ = other.size_;
      for (std::size_t i = 0; i < size_; ++i) digits_[i] = other.digits_[i];
      return *this;
    }
    constexpr std::size_t size() const { return size_; }
    constexpr bool empty() const { return size_ == 0; }
    constexpr const Group::Member& operator[](std::size_t i) const { return digits_[i]; }
    constexpr const Group::Member* begin() const { return digits_; }
    constexpr const Group::Member* end() const { return digits_ + size_; }
    /// Adds a digit inside of the others. One that counts on where the last ends becomes part of it; one of extent 1
    /// is none.
    constexpr void add(Group::Member digit) {
      if (digit.extent == 1) return;
      if (size_ > 0 && digits_[size_ - 1].stride == digit.extent * digit.stride)
        digits_[size_ - 1] = {digits_[size_ - 1].extent * digit.extent, digit.stride};
      else
        digits_[size_++] = digit;
    }
    constexpr void clear() { size_ = 0; }
    friend constexpr bool operator==(const Digits& a, const Digits& b) {
      if (a.size_ != b.size_) return false;
      for (std::size_t i = 0; i < a.size_; ++i)
        if (!(a.digits_[i] == b.digits_[i])) return false;
      return true;
    }

   private:
    Group::Member digits_[8];
    std::size_t size_ = 0;
  };

  Index first = 0;
  Digits order;    ///< outer first
  Digits members;  ///< major first

  constexpr Index groups() const { return product(order); }
  constexpr Index group_size() const { return product(members); }

  /// Every group cut into pieces of `piece` members that stand `step` positions apart (see mcore::Groups); none where a
  /// piece does not end with a digit. Pre: piece * step divides group_size().
  constexpr std::optional<GroupStrides> cut(Index piece, Index step) const {
    GroupStrides out{first, order, {}};
    Digits below;
    Index high = group_size();  // positions that the digits from here on count through
    for (const Group::Member& digit : members) {
      const Index low = high / digit.extent;
      const Index bounds[] = {high, larger(low, smaller(high, piece * step)), larger(low, smaller(high, step)), low};
      Digits* const parts[] = {&out.order, &out.members, &below};
      for (int part = 0; part < 3; ++part) {
        if (bounds[part] % bounds[part + 1] != 0) return std::nullopt;
        if (bounds[part + 1] % low != 0) return std::nullopt;
        parts[part]->add({bounds[part] / bounds[part + 1], bounds[part + 1] / low * digit.stride});
      }
      high = low;
    }
    for (const Group::Member& digit : below) out.order.add(digit);
    return out;
  }

  /// Writes all groups, one behind the other: an addition a rank. Pre: room for groups() * group_size() numbers that
  /// ranks fit in.
  template <std::integral Number>
  constexpr void write(Number* out) const {
    out[0] = static_cast<Number>(first);
    std::size_t length = 1;
    for (const Digits* digits : {&members, &order})
      for (std::size_t d = digits->size(); d-- > 0;) {
        // What is written so far, once more for every step of the next digit.
        const auto& [extent, stride] = (*digits)[d];
        for (Index step = 1; step < extent; ++step) {
          const auto shift = static_cast<Number>(step * stride);
          const Number* __restrict from = out;
          Number* __restrict to = out + static_cast<std::size_t>(step) * length;
          for (std::size_t i = 0; i < length; ++i) to[i] = static_cast<Number>(from[i] + shift);
        }
        length *= static_cast<std::size_t>(extent);
      }
  }

  friend constexpr bool operator==(const GroupStrides&, const GroupStrides&) = default;

 private:
  static constexpr Index product(const Digits& digits) {
    Index out = 1;
    for (const Group::Member& digit : digits) out *= digit.extent;
    return out;
  }
};

}  // namespace shardplan
