#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/diagnostic.hpp>
#include <shardplan/mesh/group.hpp>
#include <shardplan/mesh/view.hpp>

/// Rank orders of Megatron-Core: an order string and six sizes are one grid of ranks (rank order sheet, 1.1 and 1.2).
namespace shardplan::mcore {

/// Ranks that hold parts of a weight and gather it again when it is used ("generalised tensor parallel").
inline constexpr Axis gtp_remat{"gtp_remat"};

/// The axes of a grid, in the sequence in which Megatron looks for them in an order.
inline constexpr Axis known_axes[] = {tp, pp, dp, ep, cp, gtp_remat};

/// An order string: names of axes between hyphens, the **first varies fastest**. Also the tokens of group kinds
/// ("tp-dp"), which name a set.
///
/// Letters may be upper case; the spelling is kept, because Megatron compares it in two places (see ends_with() and
/// with()).
class Order {
 public:
  using Axes = InlineVector<Axis, 6>;

  constexpr Order() = default;
  /// Errors SP-MESH-014 a name that is no axis, or one that occurs twice. (Megatron does not look for the latter and
  /// would count the axis twice.)
  constexpr explicit Order(std::string_view text) {
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t hyphen = text.find('-', at);
      const std::size_t end = hyphen == std::string_view::npos ? text.size() : hyphen;
      const std::string_view name = text.substr(at, end - at);
      const Axis axis(name);
      bool known = false;
      for (const Axis one : known_axes) known = known || one == lower(axis);
      if (!known) fail_unknown(text, name);
      if (names(lower(axis)))
        fail("SP-MESH-014", concat("the order ", text, " names ", lower(axis).name(), " twice"), "every axis once",
             {"order"});
      written_.push_back(axis);
      at = end + 1;
    }
  }

  /// The axes, fastest first.
  constexpr Axes axes() const {
    Axes out;
    for (const Axis axis : written_) out.push_back(lower(axis));
    return out;
  }
  constexpr std::size_t size() const { return written_.size(); }
  constexpr bool names(Axis axis) const {
    for (const Axis one : written_)
      if (lower(one) == axis) return true;
    return false;
  }
  /// Whether the last name is this, in the same spelling: "TP-PP" does not end with "pp".
  constexpr bool ends_with(Axis axis) const { return !written_.empty() && written_.back() == axis; }

  /// The order with an axis put in behind the first of `after` that it names in the same spelling, or in front of all
  /// where it names none of them. An order that names the axis stays as it is.
  constexpr Order with(Axis axis, const InlineVector<Axis, 2>& after) const {
    if (names(axis)) return *this;
    std::size_t place = 0;
    for (std::size_t choice = 0; choice < after.size() && place == 0; ++choice)
      for (std::size_t i = 0; i < written_.size(); ++i)
        if (written_[i] == after[choice]) place = i + 1;
    Order out;
    for (std::size_t i = 0; i <= written_.size(); ++i) {
      if (i == place) out.written_.push_back(axis);
      if (i < written_.size()) out.written_.push_back(written_[i]);
    }
    return out;
  }
  /// The order with an axis that varies slowest of all. An order that names it stays as it is.
  constexpr Order then(Axis axis) const {
    Order out = *this;
    if (!names(axis)) out.written_.push_back(axis);
    return out;
  }
  /// The order in lower case.
  constexpr Order lowered() const {
    Order out;
    out.written_ = axes();
    return out;
  }

  /// As written. Post: Order(order.text()) == order.
  std::string text() const {
    std::string out;
    append_to(out, *this);
    return out;
  }
  friend void append_to(std::string& out, const Order& order) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i > 0) out += '-';
      out += order.written_[i].name();
    }
  }
  friend constexpr bool operator==(const Order&, const Order&) = default;

 private:
  static constexpr Axis lower(Axis axis) {
    for (char& letter : axis.letters)
      if ('A' <= letter && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return axis;
  }
  [[noreturn]] static void fail_unknown(std::string_view text, std::string_view name) {
    InlineVector<std::string_view, 6> all;
    for (const Axis& axis : known_axes) all.push_back(axis.name());
    const std::string_view close = closest(name, all);
    fail("SP-MESH-014", concat("the order '", text, "' names '", name, "', which is no axis"),
         close.empty() ? join(all, ", ") : concat(close, "; the axes are ", join(all, ", ")), {"order"});
  }

  Axes written_;
};

/// Extents of the axes of one grid.
struct Sizes {
  Index tensor = 1;        ///< tp
  Index expert = 1;        ///< ep
  Index data = 1;          ///< dp
  Index pipeline = 1;      ///< pp
  Index context = 1;       ///< cp
  Index weight_remat = 1;  ///< gtp_remat

  /// Pre: one of known_axes.
  constexpr Index of(Axis axis) const {
    return axis == tp   ? tensor
           : axis == ep ? expert
           : axis == dp ? data
           : axis == pp ? pipeline
           : axis == cp ? context
                        : weight_remat;
  }
  friend constexpr bool operator==(const Sizes&, const Sizes&) = default;
};

/// One grid of ranks, as Megatron's `RankGenerator` numbers them: rank = offset + sum of
/// coordinate * stride, where the stride of an axis is the product of the sizes in front of it in the order.
class RankGrid {
 public:
  constexpr RankGrid() = default;
  /// Axes of size 1 that the order does not name are put behind it, in the sequence of known_axes.
  ///
  /// Errors SP-MESH-001 a size below 1; SP-MESH-009 a negative offset, or over 2^31 ranks; SP-MESH-014 expert and
  /// context axes that are both larger than 1, an axis larger than 1 that the order does not name, or an order with
  /// gtp_remat and without tp.
  constexpr RankGrid(const Order& order, const Sizes& sizes, Index offset = 0)
      : order_(complete(order, sizes)), sizes_(sizes) {
    if (offset < 0) fail("SP-MESH-009", concat("ranks start at ", offset), "0 or more", {"rank_offset"});
    const Order::Axes axes = order_.axes();
    InlineVector<ViewDigit, 8> digits;
    for (std::size_t i = axes.size(); i-- > 0;) digits.push_back({axes[i], sizes.of(axes[i])});
    view_ = View(digits, {}, offset);
  }

  /// All six axes, in lower case.
  constexpr const Order& order() const { return order_; }
  constexpr const Sizes& sizes() const { return sizes_; }
  constexpr Index size() const { return view_.size(); }
  constexpr const View& view() const { return view_; }

  /// The groups of ranks that differ in these axes only, in the order in which `get_ranks` lists them. The sequence of
  /// the names does not matter. Post: the ranks of a group ascend, and so do the first ranks of the groups.
  constexpr GroupList groups(const Order& token) const { return {view_, members(token), others(token)}; }
  /// The same: `groups("tp-dp")`. Errors SP-MESH-014 as Order.
  constexpr GroupList groups(std::string_view token) const { return groups(Order(token)); }

  /// The axes of a token, slowest first.
  constexpr GroupList::Axes members(const Order& token) const { return select(token, true); }
  /// The axes that a token does not name, slowest first.
  constexpr GroupList::Axes others(const Order& token) const { return select(token, false); }

 private:
  static constexpr Order complete(const Order& given, const Sizes& sizes) {
    for (const Axis axis : known_axes)
      if (sizes.of(axis) < 1)
        fail("SP-MESH-001", concat("axis ", axis.name(), " has size ", sizes.of(axis)), "at least 1", {axis.name()});
    if (sizes.expert > 1 && sizes.context > 1)
      fail("SP-MESH-014", concat("one grid has ", sizes.expert, " expert and ", sizes.context, " context ranks"),
           "two grids over the same ranks, one with ep 1 for the dense layers and one with cp 1 for the experts",
           {"ep", "cp"});
    // Megatron looks for the letters, finds tp inside gtp_remat, and misses the axis later.
    if (given.names(gtp_remat) && !given.names(tp))
      fail("SP-MESH-014", concat("the order ", given.text(), " names gtp_remat but not tp, which Megatron cannot use"),
           sizes.tensor == 1 ? concat("tp-", given.text(), ": with tp 1 no rank moves")
                             : concat("a place for tp of size ", sizes.tensor, ", such as tp-", given.text()),
           {"order"});
    Order out = given.lowered();
    for (const Axis axis : known_axes) {
      if (!given.names(axis) && sizes.of(axis) > 1)
        fail("SP-MESH-014",
             concat("the order '", given.text(), "' has no place for ", axis.name(), " of size ", sizes.of(axis)),
             concat("name ", axis.name(), ", or give it size 1"), {"order", axis.name()});
      out = out.then(axis);
    }
    return out;
  }

  constexpr GroupList::Axes select(const Order& token, bool named) const {
    GroupList::Axes out;
    const Order::Axes axes = order_.axes();
    for (std::size_t i = axes.size(); i-- > 0;)
      if (token.names(axes[i]) == named) out.push_back(axes[i]);
    return out;
  }

  Order order_;
  Sizes sizes_;
  View view_;
};

/// Every group of one kind, lazily, in the order in which Megatron creates them: those of a list, or each of those cut
/// into pieces.
class Groups {
 public:
  using iterator = IndexIterator<Groups, Group>;

  constexpr Groups() = default;
  constexpr Groups(GroupList whole) : whole_(std::move(whole)), length_(static_cast<Index>(whole_[0].size())) {
    piece_ = length_;
  }
  /// Every group of a token cut into pieces of `piece` members that stand `step` positions apart: positions are read as
  /// [rest][piece][step], step fastest, and every (rest, step) is one piece. With step 1 that is consecutive slices,
  /// the last of which may be short. Errors SP-MESH-014 a piece or a step below 1, a piece larger than the
  /// group, or a step above 1 where piece * step does not divide it.
  constexpr Groups(const RankGrid& grid, const Order& token, Index piece, Index step = 1) : Groups(grid.groups(token)) {
    if (piece < 1 || step < 1 || piece > length_ / step || (step > 1 && length_ % (piece * step) != 0))
      fail("SP-MESH-014", concat("groups of ", length_, " cannot be cut into pieces of ", piece, " at distance ", step),
           concat(divisors_near(length_ / (0 < step && step < length_ ? step : 1), piece), " at that distance"));
    if (piece == length_) return;
    if (const auto list = as_digits(grid, token, piece, step, length_)) {
      *this = Groups(*list);
      return;
    }
    piece_ = piece;
    step_ = step;
  }

  constexpr std::size_t size() const { return whole_.size() * static_cast<std::size_t>(per_whole()); }
  /// The i-th group. Pre: i < size().
  constexpr Group operator[](std::size_t i) const {
    const auto per = static_cast<std::size_t>(per_whole());
    return cut(whole_[i / per], static_cast<Index>(i % per));
  }

  /// The group that a rank is a member of; none for a rank that is in no group of the kind.
  constexpr std::optional<Group> of(Rank rank) const {
    if (!whole_.view().contains(rank)) return std::nullopt;
    const Group whole = whole_.of(rank);
    const auto at = whole.position(rank);
    if (!at) return std::nullopt;
    return cut(whole, piece_at(*at));
  }
  /// Number of that group. Post: (*this)[*index_of(r)] == of(r).
  constexpr std::optional<std::size_t> index_of(Rank rank) const {
    if (!whole_.view().contains(rank)) return std::nullopt;
    const auto at = whole_.of(rank).position(rank);
    if (!at) return std::nullopt;
    return whole_.index_of(rank) * static_cast<std::size_t>(per_whole()) + static_cast<std::size_t>(piece_at(*at));
  }

  constexpr iterator begin() const { return {*this, 0}; }
  constexpr iterator end() const { return {*this, size()}; }

 private:
  constexpr Index per_whole() const { return ceil_div(length_, piece_ * step_) * step_; }
  constexpr Index piece_at(Index position) const { return position / (piece_ * step_) * step_ + position % step_; }

  constexpr Group cut(const Group& whole, Index number) const {
    if (piece_ == length_) return whole;
    const Index first = number / step_ * piece_ * step_ + number % step_;
    InlineVector<Index, 2> positions;
    for (Index k = 0; k < piece_ && first + k * step_ < length_; ++k) positions.push_back(first + k * step_);
    return whole.pick(positions);
  }

  /// The pieces as members of a finer view, where every cut falls on a digit: then a group is a few numbers however
  /// many ranks it has.
  static constexpr std::optional<GroupList> as_digits(const RankGrid& grid, const Order& token, Index piece, Index step,
                                                      Index length) {
    constexpr Axis above{"above"}, inside{"inside"}, below{"below"};
    if (length % (piece * step) != 0) return std::nullopt;
    // Innermost first. Neighbours in the order count on without a gap, so they are one digit.
    InlineVector<ViewDigit, 8> merged;
    for (const Axis axis : grid.order().axes()) {
      const Index size = grid.sizes().of(axis);
      const Axis name = token.names(axis) ? inside : axis;
      if (size == 1) continue;
      if (!merged.empty() && name == inside && merged.back().axis == inside)
        merged.back().extent *= size;
      else
        merged.push_back({name, size});
    }
    InlineVector<ViewDigit, 8> digits;  // innermost first
    GroupList::Axes order;
    Index low = 1;  // positions that the digits so far count through
    for (const ViewDigit& digit : merged) {
      if (digit.axis != inside) {
        digits.push_back(digit);
        order.push_back(digit.axis);
        continue;
      }
      const Index high = low * digit.extent;
      for (const Axis part : {below, inside, above}) {
        const Index from = larger(low, part == below ? 1 : part == inside ? step : step * piece);
        const Index to = smaller(high, part == below ? step : part == inside ? step * piece : high);
        if (from >= to) continue;
        if (from % low != 0 || to % from != 0 || high % to != 0) return std::nullopt;
        digits.push_back({part, to / from});
      }
      low = high;
    }
    InlineVector<ViewDigit, 8> outer_first{{above, 1}, {inside, 1}, {below, 1}};
    for (std::size_t i = digits.size(); i-- > 0;) outer_first.push_back(digits[i]);
    GroupList::Axes outer_order;
    for (std::size_t i = order.size(); i-- > 0;) outer_order.push_back(order[i]);
    outer_order.push_back(above);
    outer_order.push_back(below);
    return GroupList(View(outer_first, {}, grid.view().offset()), {inside}, outer_order);
  }

  GroupList whole_;
  Index length_ = 1;  ///< members of a whole group
  Index piece_ = 1;
  Index step_ = 1;
};

}  // namespace shardplan::mcore
