#include <shardplan/layout.hpp>

// Bytes become a view, a shape and a chain a dimension. Cuts are refused with a diagnostic; everything that is said
// about the layout of the others fits together: sizes, pieces, holders, counts of copies, values in and out.
namespace {

using namespace shardplan;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// Small choices: read off the input, and once it has run out made up from what was read, so that short inputs are
/// long chains as well.
class Choices {
 public:
  Choices(const unsigned char* data, std::size_t size) : at_(data), end_(data + size) {}

  /// One of 0, ..., count - 1.
  Index operator()(Index count) {
    mixed_ = mixed_ * 6364136223846793005U + 1442695040888963407U;  // Knuth's generator, MMIX
    if (at_ == end_) return static_cast<Index>((mixed_ >> 33) % static_cast<std::uint64_t>(count));
    mixed_ += *at_;
    return *at_++ % count;
  }

 private:
  const unsigned char* at_;
  const unsigned char* end_;
  std::uint64_t mixed_ = 0;
};

constexpr Axis axes[] = {dp, cp, tp};

/// Up to 64 ranks; tensor ranks in two digits, of which either may count in ones.
View view_from(Choices& choose) {
  const Index data = choose(4) + 1, context = choose(4) + 1, far = choose(2) + 1, near = 2;
  const bool turned = choose(2) == 1;
  return View({{tp, far, turned ? 1 : near}, {dp, data}, {cp, context}, {tp, near, turned ? far : 1}});
}

Digit digit_from(Choices& choose) {
  const Axis axis = axes[choose(3)];
  switch (choose(4)) {
    case 0:
      return inner(axis, 2);
    case 1:
      return outer(axis, 2);
    default:
      return axis;
  }
}

InlineVector<Index, 16> numbers_from(Choices& choose, Index limit) {
  InlineVector<Index, 16> out;
  for (Index left = choose(5); left > 0; --left) out.push_back(choose(limit));
  return out;
}

Chain split_from(Choices& choose) {
  InlineVector<Digit, 4> digits;
  for (Index left = choose(2) + 1; left > 0; --left) digits.push_back(digit_from(choose));
  Split out(digits);
  switch (choose(6)) {
    case 0:
      out.ceil();
      break;
    case 1:
      out.balanced();
      break;
    case 2:
      out.chunk(choose(9));
      break;
    case 3:
      out.units(numbers_from(choose, 4));
      break;
    default:
      break;
  }
  if (choose(4) == 0) out.mirrored();
  return out;
}

Chain chain_from(Choices& choose, int depth);

Chain cut_from(Choices& choose, int depth) {
  switch (choose(depth > 0 ? 11 : 6)) {
    case 1: {
      const Index begin = choose(8);
      return slice(begin, begin + choose(24));
    }
    case 2:
      return pad(static_cast<PadTo>(choose(3)), choose(24));
    case 3:
      return repeat(choose(3) + 1);
    case 4: {
      const Index count = choose(5);
      InlineVector<Index, 16> table = numbers_from(choose, count + 1);
      for (Index& entry : table) --entry;
      return reorder(count, table);
    }
    case 6:
      return blocks(choose(4), chain_from(choose, depth - 1), choose(2) == 0 ? PartRule::ceil : PartRule::balanced);
    case 7:
      return blocks(choose(4), chain_from(choose, depth - 1));
    case 8:
      return blocks_of(choose(6), chain_from(choose, depth - 1));
    case 9:
      return packed(numbers_from(choose, 12), chain_from(choose, depth - 1));
    case 10: {
      InlineVector<Chain, 3> chains;
      for (Index left = choose(3) + 1; left > 0; --left) chains.push_back(chain_from(choose, depth - 1));
      return equal_blocks(chains);
    }
    default:
      return split_from(choose);
  }
}

Chain chain_from(Choices& choose, int depth) {
  Chain out;
  for (Index left = choose(4); left > 0; --left) out = out | cut_from(choose, depth);
  return out;
}

/// Source of every local element of a dimension at a place, padding as Run::padding.
std::vector<Index> pulled(const Layout& layout, std::size_t dim, const Place& place) {
  std::vector<Index> out;
  for_each_run(layout, dim, place, {0, layout.local_size(dim, place)}, [&](Run run) {
    require(run.length > 0);
    require(run.is_padding() || (run.start >= 0 && run.start + run.length <= layout.shape()[dim]));
    for (Index i = 0; i < run.length; ++i) out.push_back(run.is_padding() ? Run::padding : run.start + i);
  });
  return out;
}

Place place_of(const Layout& layout, Index number) { return layout.view().place(layout.view().offset() + number); }

/// A shard is what pulling gives, merged as far as it goes.
void check_shard(const Layout& layout, const Place& place) {
  const Shard here(layout, place);
  require(here.local_shape() == layout.local_shape(place));
  for (std::size_t dim = 0; dim < layout.rank(); ++dim) {
    const std::vector<Index> sources = pulled(layout, dim, place);
    require(static_cast<Index>(sources.size()) == here.local_shape()[dim]);
    Index at = 0;
    Index behind = Run::padding - 1;  // the source that would lengthen the last segment
    for (const Shard::Segment& segment : here.segments(dim)) {
      require(segment.local == at && segment.length > 0);
      require(segment.start != behind);
      for (Index i = 0; i < segment.length; ++i, ++at)
        require(sources[static_cast<std::size_t>(at)] == (segment.is_padding() ? Run::padding : segment.start + i));
      behind = segment.is_padding() ? Run::padding : segment.start + segment.length;
    }
    require(at == here.local_shape()[dim]);
  }
  Index in_pieces = 0;
  for (const Piece& piece : here.pieces()) in_pieces += elements(piece.extent);
  require(in_pieces == here.real_elements());
}

/// Pushing and pulling are inverse: every (place, local index) that stands for an element is told by one holder.
void check_holders(const Layout& layout, std::size_t dim) {
  std::vector<std::vector<Index>> sources;
  Index real = 0;
  for (Index r = 0; r < layout.view().size(); ++r) {
    sources.push_back(pulled(layout, dim, place_of(layout, r)));
    for (const Index source : sources.back()) real += source != Run::padding;
  }
  Index told = 0;
  for_each_holder(layout, dim, {0, layout.shape()[dim]}, [&](const Holder& holder) {
    for (Index r = 0; r < layout.view().size(); ++r) {
      if (!matches(layout, holder.atoms, place_of(layout, r))) continue;
      const std::vector<Index>& here = sources[static_cast<std::size_t>(r)];
      require(holder.local >= 0 && holder.local + holder.global.size() <= static_cast<Index>(here.size()));
      for (Index i = 0; i < holder.global.size(); ++i)
        require(here[static_cast<std::size_t>(holder.local + i)] == holder.global.begin + i);
      told += holder.global.size();
    }
  });
  require(told == real);
}

/// Values taken out at all places and put back are those that some place holds, and copies are as many as counted.
void check_copies(const Layout& layout) {
  const Coverage coverage = prove_coverage(layout);
  require(coverage.consistent());
  const auto size = static_cast<std::size_t>(elements(layout.shape()));
  std::vector<Index> full, back(size, -1), held(size, 0);
  for (std::size_t i = 0; i < size; ++i) full.push_back(static_cast<Index>(i));
  for (Index r = 0; r < layout.view().size(); ++r) {
    const Shard here(layout, place_of(layout, r));
    std::vector<Index> local(static_cast<std::size_t>(here.elements()));
    extract<Index>(here, layout.shape(), full, local);
    assemble<Index>(here, layout.shape(), local, back);
    detail::for_each_stretch(here, layout.shape(), [&](Index global, Index, Index length) {
      for (Index i = 0; i < length; ++i) ++held[static_cast<std::size_t>(global + i)];
    });
  }
  bool complete = true;
  for (std::size_t i = 0; i < size; ++i) {
    require(back[i] == (held[i] > 0 ? full[i] : -1));
    complete = complete && held[i] > 0;
  }
  if (size > 0) require(coverage.complete() == complete);
  for (std::size_t i = 0; i < size; i += 7) {
    const Shape strides = row_major_strides(layout.shape());
    Shape point;
    for (std::size_t dim = 0; dim < layout.rank(); ++dim)
      point.push_back(static_cast<Index>(i) / strides[dim] % layout.shape()[dim]);
    require(multiplicity(layout, point) == held[i]);
  }
}

/// Cut by cut, leaving out those that are refused: with a diagnostic of a known rule.
Layout layout_from(Choices& choose) {
  const View view = view_from(choose);
  Shape shape;
  for (Index left = choose(2) + 1; left > 0; --left) shape.push_back(choose(3) == 0 ? choose(37) : 12 * choose(5));
  Layout out(view, shape);
  for (std::size_t dim = 0; dim < shape.size(); ++dim)
    for (Index left = choose(5); left > 0; --left) try {
        out = out.then(dim, cut_from(choose, 2));
      } catch (const Error& error) {
        require(!error.diagnostics().empty());
        for (const Diagnostic& one : error.diagnostics()) require(*rule(one.id).summary != 0);
      }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  Choices choose(data, size);
  const Layout layout = layout_from(choose);
  // Repeating and padding multiply; what a place holds stays small enough to be listed.
  for (Index r = 0; r < layout.view().size(); ++r)
    if (elements(layout.local_shape(place_of(layout, r))) > 4096) return 0;
  for (Index r = 0; r < layout.view().size(); ++r) check_shard(layout, place_of(layout, r));
  for (std::size_t dim = 0; dim < layout.rank(); ++dim) check_holders(layout, dim);
  check_copies(layout);
  require(equivalent(layout, layout));
  return 0;
}
