#include <algorithm>

#include "support.hpp"

using namespace shardplan;

/// The post-conditions of the layout-algebra sheet, section 10, on random chains; a failure names its seed.

namespace {

struct Sample {
  View view;
  Index n;
  Cutter cutter;
  Layout layout;
};

/// The layout of a seed, or none where the library refuses it.
std::optional<Sample> sample(unsigned seed) {
  std::mt19937 random(seed);
  const auto any = [&](Index least, Index most) { return std::uniform_int_distribution<Index>(least, most)(random); };
  const View view({{dp, any(1, 4)}, {tp, any(1, 4)}, {cp, any(1, 3)}, {Axis("x"), any(1, 2)}});
  const Index n = any(0, 30);
  Cutter cutter = RandomChains(seed, view).chain(n);
  try {
    Layout layout = Layout(view, {n}).then(0, cutter.chain);
    return Sample{view, n, std::move(cutter), std::move(layout)};
  } catch (const Error&) {
    return std::nullopt;
  }
}

constexpr unsigned seeds = 1200;

/// Calls f for the layouts of all seeds that the library accepts; most must be.
template <class F>
void for_each_sample(F&& f) {
  unsigned accepted = 0;
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    if (const auto one = sample(seed)) {
      ++accepted;
      f(*one);
    }
  }
  CHECK(accepted > seeds * 9 / 10);
}

}  // namespace

TEST_CASE("random chains: runs say what the definitions of the cuts say (10.1, 10.10, 10.9)") {
  for_each_sample([](const Sample& s) {
    for_each_place(s.view, [&](const Place& place) {
      const Elements naive = s.cutter.naive(count_up(s.n), place);
      const Elements runs = pulled(s.layout, 0, place);
      if (runs != naive) FAIL_CHECK("runs differ at place " << join(place, ", "));
      if (s.layout.local_size(0, place) != static_cast<Index>(naive.size())) FAIL_CHECK("another size");
      for (const Index element : runs)
        if (element < -1 || element >= s.n) FAIL_CHECK("element " << element << " of " << s.n);
    });
  });
}

TEST_CASE("random chains: pulling an interval is slicing what all pulls give (10.2)") {
  for_each_sample([](const Sample& s) {
    for_each_place(s.view, [&](const Place& place) {
      const Elements all = pulled(s.layout, 0, place);
      const auto size = static_cast<Index>(all.size());
      for (Index begin = 0; begin <= size; ++begin)
        for (const Index end : {begin, begin + 1, begin + 3, (begin + size) / 2, size})
          if (begin <= end && end <= size &&
              pulled(s.layout, 0, place, {begin, end}) != slice_of(all, begin, end - begin))
            FAIL_CHECK("[" << begin << ", " << end << ") of " << size);
    });
  });
}

TEST_CASE("random chains: who holds an element is where it is found, and as often (10.3, 10.4)") {
  for_each_sample([](const Sample& s) {
    std::vector<Index> found(static_cast<std::size_t>(s.n), 0);
    for_each_place(s.view, [&](const Place& place) {
      const Elements all = pulled(s.layout, 0, place);
      std::vector<int> reported(all.size(), 0);
      for (Index x = 0; x < s.n; ++x)
        for_each_holder(s.layout, 0, {x, x + 1}, [&](const Holder& holder) {
          if (!matches(s.layout, holder.atoms, place)) return;
          if (holder.global != Interval{x, x + 1}) FAIL_CHECK("a holder of another element");
          const auto local = static_cast<std::size_t>(holder.local);
          if (local >= all.size() || all[local] != x) FAIL_CHECK("element " << x << " is not at local " << local);
          if (local < all.size()) ++reported[local];
        });
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (reported[i] != (all[i] >= 0)) FAIL_CHECK("local " << i << " is reported " << reported[i] << " times");
        if (all[i] >= 0) ++found[static_cast<std::size_t>(all[i])];
      }
    });
    for (Index x = 0; x < s.n; ++x)
      if (multiplicity(s.layout, {x}) != found[static_cast<std::size_t>(x)])
        FAIL_CHECK("element " << x << ": " << multiplicity(s.layout, {x}) << " copies, found "
                              << found[static_cast<std::size_t>(x)]);
  });
}

TEST_CASE("random chains: pushing an interval answers as pushing its elements") {
  for_each_sample([](const Sample& s) {
    struct Answer {
      std::vector<Index> atoms;
      Index element, local;
      auto operator<=>(const Answer&) const = default;
    };
    const auto answers = [&](Interval range) {
      std::vector<Answer> out;
      for_each_holder(s.layout, 0, range, [&](const Holder& holder) {
        for (Index i = 0; i < holder.global.size(); ++i)
          out.push_back({std::vector<Index>(holder.atoms.begin(), holder.atoms.end()), holder.global.begin + i,
                         holder.local + i});
      });
      std::sort(out.begin(), out.end());
      return out;
    };
    for (const Interval range :
         {Interval{0, s.n}, Interval{s.n / 3, s.n}, Interval{1, s.n / 2}, Interval{-2, s.n + 2}}) {
      std::vector<Answer> single;
      for (Index x = std::max<Index>(range.begin, 0); x < std::min(range.end, s.n); ++x)
        for (const Answer& one : answers({x, x + 1})) single.push_back(one);
      std::sort(single.begin(), single.end());
      if (answers(range) != single) FAIL_CHECK("[" << range.begin << ", " << range.end << ")");
    }
  });
}

TEST_CASE("random chains: coverage counts and derives the same, range by range") {
  for_each_sample([](const Sample& s) {
    const Coverage coverage = prove_coverage(s.layout);
    if (!coverage.consistent()) FAIL_CHECK("counted and derived copies differ");
    Index end = 0;
    bool complete = true;
    Index replicas = 0;  // of what no cut reads, the same for every element
    for (const Copies& one : coverage.ranges) {
      if (one.range.begin != end || one.dim != 0) FAIL_CHECK("a gap before " << one.range.begin);
      end = one.range.end;
      complete = complete && one.held > 0;
      const Index copies = multiplicity(s.layout, {one.range.begin});
      if (replicas == 0 && one.held > 0) replicas = copies / one.held;
      if (copies != one.held * replicas) FAIL_CHECK(copies << " copies, " << one.held << " counted");
    }
    if (end != s.n || s.view.size() % std::max<Index>(replicas, 1) != 0) FAIL_CHECK("coverage ends at " << end);
    CHECK(coverage.complete() == complete);
  });
}

TEST_CASE("random chains: a cut behind them is refused exactly where some place does not fit it") {
  unsigned refused = 0, varying = 0;
  for_each_sample([&](const Sample& s) {
    for (const Index parts : {2, 3}) {
      InlineVector<ViewDigit, 8> axes{{Axis("y"), parts}};
      for (const View::Extent& axis : s.view.axes()) axes.push_back({axis.axis, axis.size});
      const View view(axes);
      bool fits = true;
      Index least = INT64_MAX, most = 0;
      for_each_place(s.view, [&](const Place& place) {
        const auto size = static_cast<Index>(s.cutter.naive(count_up(s.n), place).size());
        fits = fits && size % parts == 0;
        least = std::min(least, size);
        most = std::max(most, size);
      });
      refused += !fits;
      varying += least < most;
      const Layout layout = Layout(view, {s.n}).then(0, s.cutter.chain);
      CHECK(thrown([&] { layout.then(0, split(Axis("y"))); }) == (fits ? Ids{} : Ids{"SP-LAYOUT-001"}));
      CHECK(thrown([&] { layout.then(0, slice(0, least)); }).empty());
      CHECK(thrown([&] { layout.then(0, slice(0, least + 1)); }) == Ids{"SP-LAYOUT-003"});
      CHECK(thrown([&] { layout.then(0, pad(PadTo::length, most)); }).empty());
      if (most > 0) CHECK(thrown([&] { layout.then(0, pad(PadTo::length, most - 1)); }) == Ids{"SP-LAYOUT-003"});
    }
  });
  CHECK(refused > seeds / 4);
  CHECK(varying > seeds / 4);
}

TEST_CASE("random chains: a shard is the normal form of the runs") {
  for_each_sample([](const Sample& s) {
    for_each_place(s.view, [&](const Place& place) {
      const Shard here = shard(s.layout, place);
      const Elements all = pulled(s.layout, 0, place);
      if (elements_of(here, 0) != all) FAIL_CHECK("segments differ from runs");
      const auto segments = here.segments(0);
      Index local = 0;
      for (std::size_t i = 0; i < segments.size(); ++i) {
        if (segments[i].length < 1 || segments[i].local != local) FAIL_CHECK("segment " << i << " is misplaced");
        local += segments[i].length;
        if (i == 0) continue;
        const auto& before = segments[i - 1];
        const bool joins = segments[i].is_padding()
                               ? before.is_padding()
                               : !before.is_padding() && before.start + before.length == segments[i].start;
        if (joins) FAIL_CHECK("segment " << i << " continues the one before");
      }
      const auto padding = static_cast<Index>(std::count(all.begin(), all.end(), -1));
      if (here.padding() != padding || here.real_elements() != static_cast<Index>(all.size()) - padding)
        FAIL_CHECK("padding " << here.padding() << ", counted " << padding);  // 10.5
    });
  });
}

TEST_CASE("random chains: joining is associative, and the empty chain changes nothing (3)") {
  for (unsigned seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    const View view({{dp, 3}, {tp, 4}, {cp, 2}});
    RandomChains random(seed, view);
    const Index n = random.any(0, 24);
    const Chain a = random.chain(n).chain, b = random.chain(-1).chain, c = random.chain(-1).chain;
    try {
      const Layout layout = Layout(view, {n}).then(0, a).then(0, b).then(0, c);
      CHECK(equivalent(layout, Layout(view, {n}).then(0, (a | b) | c)));
      CHECK(equivalent(layout, Layout(view, {n}).then(0, a | (b | c))));
      CHECK(equivalent(layout, layout.then(0, Chain{})));
      CHECK(equivalent(layout, Layout(view, {n}).then(0, Chain{} | a | Chain{} | b | c)));
    } catch (const Error&) {
    }
  }
}

TEST_CASE("random chains on several dimensions: values go out and come back (10.6, 10.7)") {
  unsigned accepted = 0;
  for (unsigned seed = 1; seed <= 600; ++seed) {
    CAPTURE(seed);
    const View view({{dp, 2}, {tp, 4}, {cp, 3}, {Axis("x"), 2}});
    RandomChains random(seed, view);
    Shape shape;
    for (Index d = random.any(1, 3); d > 0; --d) shape.push_back(random.any(0, 7));
    std::vector<Cutter> cutters(shape.size());
    Layout layout(view, shape);
    try {
      for (std::size_t d = 0; d < shape.size(); ++d) {
        cutters[d] = random.chain(shape[d]);
        layout = layout.then(d, cutters[d].chain);
      }
    } catch (const Error&) {
      continue;
    }
    ++accepted;
    const auto size = static_cast<std::size_t>(elements(shape));
    std::vector<Index> full(size), merged(size, -7);
    for (std::size_t i = 0; i < size; ++i) full[i] = static_cast<Index>(i) + 100;
    std::vector<Index> held(size, 0);
    for_each_place(view, [&](const Place& place) {
      const Shard here = shard(layout, place);
      std::vector<Index> local(static_cast<std::size_t>(here.elements()), -9), again(local);
      extract<Index>(here, shape, full, local);
      // every local element by the definitions, dimension by dimension
      std::vector<Elements> lists;
      for (std::size_t d = 0; d < shape.size(); ++d) lists.push_back(cutters[d].naive(count_up(shape[d]), place));
      const Shape strides = row_major_strides(shape);
      for (std::size_t i = 0; i < local.size(); ++i) {
        auto rest = static_cast<Index>(i);
        Index source = 0;
        for (std::size_t d = shape.size(); d-- > 0;) {
          const auto extent = static_cast<Index>(lists[d].size());
          const Index element = lists[d][static_cast<std::size_t>(rest % extent)];
          source = element < 0 || source < 0 ? -1 : source + element * strides[d];
          rest /= extent;
        }
        if (local[i] != (source < 0 ? 0 : source + 100)) FAIL_CHECK("local element " << i);
        if (source >= 0) ++held[static_cast<std::size_t>(source)];
      }
      assemble<Index>(here, shape, local, merged);
      // what was assembled gives the same part again
      std::vector<Index> whole = full;
      assemble<Index>(here, shape, local, whole);
      extract<Index>(here, shape, whole, again);
      if (whole != full || again != local) FAIL_CHECK("a part changes on its way");
      // pieces tile the real elements
      Index covered = 0;
      for (const Piece& piece : here.pieces()) covered += elements(piece.extent);
      if (covered != here.real_elements()) FAIL_CHECK("pieces cover " << covered << " of " << here.real_elements());
    });
    for (std::size_t i = 0; i < size; ++i) {
      Shape point;
      auto rest = static_cast<Index>(i);
      for (const Index stride : row_major_strides(shape)) {
        point.push_back(rest / stride);
        rest %= stride;
      }
      if (merged[i] != (held[i] > 0 ? full[i] : -7)) FAIL_CHECK("element " << i << " did not come back");
      if (multiplicity(layout, point) != held[i]) FAIL_CHECK("element " << i << ": " << held[i] << " copies found");
    }
  }
  CHECK(accepted > 400);
}
