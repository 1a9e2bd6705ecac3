#pragma once
#include <shardplan/layout/evaluate.hpp>

/// A layout says which piece of a tensor sits at which place. Planners make layouts, everything else reads them.
namespace shardplan {

class Layout;

namespace detail {
constexpr InlineVector<bool, 8> atoms_of(const Layout& layout, std::size_t dim);
constexpr bool advance(const Layout& layout, const InlineVector<bool, 8>& chosen, Place& place);
}  // namespace detail

/// Operation that joins the summands of a partial value.
enum class ReduceOp : std::uint8_t { sum, average, max, min, product };

/// View + global shape + one chain of cuts a dimension + the role of every axis (layout-algebra sheet, 1 and 4).
///
/// A value: copyable, comparable, usable in constant expressions while it stays within its inline capacity. Everything
/// that can fail is refused when the layout is made, so queries cannot fail. Axes no cut names hold replicas.
class Layout {
 public:
  /// One of the finest digits that the cuts tell apart: coordinate / divisor mod extent of an axis.
  struct Atom {
    std::uint32_t axis = 0;
    Index divisor = 1;
    Index extent = 1;
    friend constexpr bool operator==(const Atom&, const Atom&) = default;
  };
  /// The tensor exists only at this coordinate of an axis, or at one of several pins of the same axis: a pipeline
  /// stage, tied embeddings on two.
  struct Pin {
    std::uint32_t axis = 0;
    Index value = 0;
    friend constexpr bool operator==(Pin, Pin) = default;
  };
  /// The value at each coordinate of the axis is a summand.
  struct Partial {
    std::uint32_t axis = 0;
    ReduceOp op = ReduceOp::sum;
    friend constexpr bool operator==(const Partial&, const Partial&) = default;
  };

  constexpr Layout() = default;
  /// The whole tensor at every place. Errors SP-LAYOUT-009, SP-CORE-001 when extents other than 0 multiply beyond 64
  /// bits.
  constexpr Layout(View view, const Shape& shape) : view_(std::move(view)), shape_(shape), roots_(shape.size()) {
    for (const Index extent : shape)
      if (extent < 0) fail("SP-LAYOUT-009", concat("an extent of ", extent), "0 or more");
    find_atoms();
    check_sizes();
  }

  /// The same layout with more cuts behind those of a dimension: ZeRO-1 over tensor parallel, context on top.
  /// Errors SP-LAYOUT-001 to -008, SP-CORE-001.
  constexpr Layout then(std::size_t dim, const Chain& chain) const {
    if (dim >= shape_.size()) fail("SP-LAYOUT-008", concat("dimension ", dim, " of a tensor of rank ", shape_.size()));
    Layout out = *this;
    const std::uint32_t shift =
        out.program_.append(chain.program(), [this](const Digit& digit) { return bind(digit); });
    out.roots_[dim] = out.program_.join(roots_[dim], {chain.root().last + shift, chain.root().count});
    out.find_atoms();
    out.check_roles();
    InlineVector<bool, 8> used(out.atoms_.size(), false);
    for (const ChainRef root : out.roots_) out.mark(root, used);
    out.check_sizes();
    return out;
  }

  /// The same layout, existing only at these coordinates of an axis, or at those it was pinned to before.
  /// Errors SP-LAYOUT-008 no coordinate, or one outside the axis; SP-LAYOUT-007 an axis that is cut or partial.
  constexpr Layout pinned(Axis axis, const InlineVector<Index, 2>& values) const {
    Layout out = *this;
    const Pin any{position(axis), 0};
    if (values.empty())
      fail("SP-LAYOUT-008", concat("no coordinate of axis ", axis.name(), " to exist at"), "at least one");
    for (const Index value : values) {
      if (value < 0 || value >= view_.extent(axis))
        fail("SP-LAYOUT-008", concat("coordinate ", value, " of axis ", axis.name(), " of size ", view_.extent(axis)),
             concat("0 to ", view_.extent(axis) - 1));
      const Pin pin{any.axis, value};
      bool known = false;
      for (const Pin other : out.pins_) known = known || other == pin;
      if (!known) out.pins_.push_back(pin);
    }
    out.check_roles();
    return out;
  }
  /// The same layout with values that are summands along an axis. Errors SP-LAYOUT-008; SP-LAYOUT-007 an axis that is
  /// cut, pinned or partial.
  constexpr Layout partial(Axis axis, ReduceOp op = ReduceOp::sum) const {
    Layout out = *this;
    out.partials_.push_back({position(axis), op});
    out.check_roles();
    return out;
  }

  constexpr const View& view() const { return view_; }
  constexpr const Shape& shape() const { return shape_; }
  constexpr std::size_t rank() const { return shape_.size(); }
  constexpr const detail::BoundProgram& program() const { return program_; }
  constexpr ChainRef chain(std::size_t dim) const { return roots_[dim]; }
  constexpr const InlineVector<Atom, 8>& atoms() const { return atoms_; }
  constexpr const InlineVector<Pin, 4>& pins() const { return pins_; }
  constexpr const InlineVector<Partial, 1>& partials() const { return partials_; }

  /// Whether the place holds the tensor at all (no pin excludes it).
  constexpr bool exists_at(const Place& place) const {
    for (const Pin pin : pins_) {
      bool found = false;
      for (const Pin other : pins_) found = found || (other.axis == pin.axis && place[pin.axis] == other.value);
      if (!found) return false;
    }
    return true;
  }

  /// Local length of a dimension, padding included.
  constexpr Index local_size(std::size_t dim, const Place& place) const {
    return detail::chain_size(program_, roots_[dim], shape_[dim], detail::AtPlace{place});
  }
  constexpr Shape local_shape(const Place& place) const {
    Shape out;
    for (std::size_t dim = 0; dim < rank(); ++dim) out.push_back(local_size(dim, place));
    return out;
  }

  /// What the first pad cut fills in. Cuts behind it may pad with something else: a shard tells them apart.
  constexpr Fill fill() const {
    for (const Cut& cut : program_.cuts)
      if (cut.kind == CutKind::pad) return cut.fill;
    return {};
  }

  /// Whether the atom is read by a cut (bound) or by none (its values are replicas).
  constexpr bool is_bound(std::size_t atom) const {
    for (const detail::BoundDigit& digit : program_.digits)
      if (digit.atoms.first <= atom && atom < digit.atoms.first + digit.atoms.count) return true;
    return false;
  }

  friend constexpr bool operator==(const Layout&, const Layout&) = default;

 private:
  constexpr std::uint32_t position(Axis axis) const {
    const auto found = view_.find(axis);
    if (!found) fail("SP-LAYOUT-008", concat("the view has no axis '", axis.name(), "'"));
    return static_cast<std::uint32_t>(*found);
  }

  constexpr detail::BoundDigit bind(const Digit& digit) const {
    detail::BoundDigit out{position(digit.axis), {}, digit.divisor, digit.extent};
    const Index size = view_.axes()[out.axis].size;
    if (out.extent == 0) out.extent = size / (out.divisor > 0 ? out.divisor : 1);
    if (out.divisor == 0) out.divisor = out.extent > 0 ? size / out.extent : 0;
    if (out.divisor < 1 || out.extent < 1 || size % out.divisor != 0 || size / out.divisor % out.extent != 0)
      fail("SP-LAYOUT-006",
           concat("axis ", digit.axis.name(), " of size ", size, " has no digit of extent ", digit.extent,
                  digit.divisor == 0 ? std::string(" at its outer end") : concat(" above ", digit.divisor)),
           concat("divisors of ", size));
    return out;
  }

  /// Cuts every axis at all boundaries of its digits; a digit is then a run of atoms, and two digits share atoms or
  /// none.
  constexpr void find_atoms() {
    atoms_.clear();
    for (std::uint32_t axis = 0; axis < view_.axes().size(); ++axis) {
      const Index size = view_.axes()[axis].size;
      InlineVector<Index, 8> bounds{1, size};
      const auto add = [&bounds](Index bound) {
        for (const Index known : bounds)
          if (known == bound) return;
        bounds.push_back(bound);
      };
      for (const auto& digit : program_.digits)
        if (digit.axis == axis) add(digit.divisor), add(digit.divisor * digit.extent);
      for (std::size_t i = 1; i < bounds.size(); ++i)
        for (std::size_t j = i; j > 0 && bounds[j] > bounds[j - 1]; --j) std::swap(bounds[j], bounds[j - 1]);
      for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
        if (bounds[i] == bounds[i + 1]) continue;
        if (bounds[i] % bounds[i + 1] != 0)
          fail("SP-LAYOUT-006",
               concat("axis ", view_.axes()[axis].axis.name(), " is cut at ", bounds[i + 1], " and at ", bounds[i]),
               "one divides the other");
        atoms_.push_back({axis, bounds[i + 1], bounds[i] / bounds[i + 1]});
      }
    }
    for (auto& digit : program_.digits) {
      digit.atoms = {0, 0};
      for (std::uint32_t i = 0; i < atoms_.size(); ++i) {
        if (atoms_[i].axis != digit.axis || atoms_[i].divisor < digit.divisor ||
            atoms_[i].divisor >= digit.divisor * digit.extent)
          continue;
        if (digit.atoms.count == 0) digit.atoms.first = i;
        ++digit.atoms.count;
      }
    }
  }

  /// Marks the atoms of a chain's digits in `used`; alternatives of a blocks cut may share digits, a path may not.
  constexpr void mark(ChainRef chain, InlineVector<bool, 8>& used) const {
    for (std::uint32_t i = 0, at = chain.last; i < chain.count; ++i, at = program_.cuts[at].previous) {
      const Cut& cut = program_.cuts[at];
      for (std::uint32_t d = 0; d < cut.digits.count; ++d) {
        const auto& digit = program_.digits[cut.digits.first + d];
        for (std::uint32_t a = 0; a < digit.atoms.count; ++a) {
          bool& atom = used[digit.atoms.first + a];
          if (atom)
            fail("SP-LAYOUT-007", concat("axis ", view_.axes()[digit.axis].axis.name(), " cuts the tensor twice"),
                 "each digit once on every path");
          atom = true;
        }
      }
      InlineVector<bool, 8> inside = used;
      for (std::uint32_t c = 0; c < cut.chains.count; ++c) {
        InlineVector<bool, 8> alternative = used;
        mark(program_.chains[cut.chains.first + c], alternative);
        for (std::size_t a = 0; a < inside.size(); ++a) inside[a] = inside[a] || alternative[a];
      }
      used = inside;
    }
  }

  /// Refuses an axis with two roles: cut, pinned, partial.
  constexpr void check_roles() const {
    for (std::uint32_t axis = 0; axis < view_.axes().size(); ++axis) {
      const char* role = nullptr;
      const auto take = [&](const auto& items, const char* name, bool once) {
        bool seen = false;
        for (const auto& item : items) {
          if (item.axis != axis || (seen && !once)) continue;
          if (role)
            fail("SP-LAYOUT-007", concat("axis ", view_.axes()[axis].axis.name(), " is ", role, " and ", name),
                 "one role each");
          role = name;
          seen = true;
        }
      };
      take(program_.digits, "cut", false);
      take(pins_, "pinned", false);
      take(partials_, "partial", true);
    }
  }

  /// Tries every chain at all lengths that reach it, and refuses a shard that could not be counted or stored.
  constexpr void check_sizes() const {
    const auto each_place = [this](const detail::Turns& turns, const auto& f) {
      visit_turns(turns, 0, Place(view_.axes().size(), 0), f);
    };
    const detail::Reach<decltype(each_place)> reach{program_, each_place};
    // Dimensions are cut by different digits, so some place has the longest of them all; strides leave zeros out.
    Index whole = 1, local = 1;
    for (std::size_t dim = 0; dim < rank(); ++dim) {
      Index longest = 1;
      for (const Index length : reach(roots_[dim], shape_[dim])) longest = larger(longest, length);
      whole = checked_mul(whole, larger(1, shape_[dim]));
      local = checked_mul(local, longest);
    }
  }

  /// Calls f(values) for at least one place of every combination of parts that begin at these turns.
  template <class F>
  constexpr void visit_turns(const detail::Turns& turns, std::size_t atom, const Place& place, const F& f) const {
    if (atom == atoms_.size()) return f(detail::AtPlace{place});
    // In a place of a combination that has no lower one, an atom is 0, or one less of it leads behind some turn: then
    // it is what it is at that turn, or one more.
    InlineVector<Index, 8> values{0};
    const auto add = [&](Index value) {
      bool known = value >= atoms_[atom].extent;
      for (const Index other : values) known = known || other == value;
      if (!known) values.push_back(value);
    };
    for (const detail::Turn& turn : turns) {
      Index rest = turn.value;
      for (std::uint32_t d = turn.split->digits.count; d-- > 0;) {
        const detail::BoundDigit& digit = program_.digits[turn.split->digits.first + d];
        if (digit.atoms.first <= atom && atom < digit.atoms.first + digit.atoms.count) {
          const Index value = rest % digit.extent / (atoms_[atom].divisor / digit.divisor) % atoms_[atom].extent;
          add(value);
          add(value + 1);
        }
        rest /= digit.extent;
      }
    }
    for (const Index value : values) {
      Place there = place;
      there[atoms_[atom].axis] += value * atoms_[atom].divisor;
      visit_turns(turns, atom + 1, there, f);
    }
  }

  View view_;
  Shape shape_;
  detail::BoundProgram program_;
  InlineVector<ChainRef, 4> roots_;
  InlineVector<Atom, 8> atoms_;
  InlineVector<Pin, 4> pins_;
  InlineVector<Partial, 1> partials_;
};

namespace detail {

/// Calls f(digit) for every digit that a chain reads, nested chains included.
template <class F>
constexpr void for_each_digit(const BoundProgram& program, ChainRef chain, F&& f) {
  for (std::uint32_t i = 0, at = chain.last; i < chain.count; ++i, at = program.cuts[at].previous) {
    const Cut& cut = program.cuts[at];
    for (std::uint32_t d = 0; d < cut.digits.count; ++d) f(program.digits[cut.digits.first + d]);
    for (std::uint32_t c = 0; c < cut.chains.count; ++c)
      for_each_digit(program, program.chains[cut.chains.first + c], f);
  }
}

/// Which atoms of a layout the chain of a dimension reads.
constexpr InlineVector<bool, 8> atoms_of(const Layout& layout, std::size_t dim) {
  InlineVector<bool, 8> out(layout.atoms().size(), false);
  for_each_digit(layout.program(), layout.chain(dim), [&out](const BoundDigit& digit) {
    for (std::uint32_t a = 0; a < digit.atoms.count; ++a) out[digit.atoms.first + a] = true;
  });
  return out;
}

/// Moves to the next combination of the chosen atoms, the last fastest; false, and back at the first, after the last.
constexpr bool advance(const Layout& layout, const InlineVector<bool, 8>& chosen, Place& place) {
  for (std::size_t a = chosen.size(); a-- > 0;) {
    if (!chosen[a]) continue;
    const Layout::Atom& atom = layout.atoms()[a];
    Index& coordinate = place[atom.axis];
    if (coordinate / atom.divisor % atom.extent + 1 < atom.extent) {
      coordinate += atom.divisor;
      return true;
    }
    coordinate -= (atom.extent - 1) * atom.divisor;
  }
  return false;
}

}  // namespace detail

/// Calls sink(Run) for the local elements [local.begin, local.end) of a dimension, in local order, unmerged.
template <class Sink>
constexpr void for_each_run(const Layout& layout, std::size_t dim, const Place& place, Interval local, Sink&& sink) {
  const detail::AtPlace values{place};
  const detail::Frame frame(layout.program(), layout.chain(dim), layout.shape()[dim], values);
  detail::Puller<detail::AtPlace, Sink>{layout.program(), values, sink}.pull(frame, frame.cuts.size(), local);
}

}  // namespace shardplan
