#include <limits>

#include <shardplan/tensor/weight.hpp>

#include "support.hpp"

using namespace shardplan;
using support::Ids;
using support::ids;

namespace host {

/// A trainer's own record of a tensor.
struct Tensor {
  std::string label;
  std::vector<Index> extents;
};
std::string_view name(const Tensor& t) { return t.label; }
Shape shape(const Tensor& t) { return {t.extents[0], t.extents[1]}; }
Dtype dtype(const Tensor&) { return Dtype::float32; }
Sharding sharding(const Tensor& t) { return cut(1, t.extents[1]); }
Owner owner(const Tensor&) { return {}; }
static_assert(ParameterLike<Tensor>);

}  // namespace host

namespace {

const tensor::Options plain{};

View dense(Index data, Index tensor) { return View({{dp, data}, {tp, tensor}}); }

Sharding qkv(const Heads& heads) {
  return {.parts = {{"q", heads.query * heads.size, Role::query},
                    {"k", heads.key_value * heads.size, Role::key_value},
                    {"v", heads.key_value * heads.size, Role::key_value}},
          .heads = heads};
}

}  // namespace

TEST_CASE("features: one even slice a rank, along any dimension") {
  for (Index t = 1; t <= 6; ++t)
    for (Index size = 1; size <= 12; ++size)
      for (const int dim : {0, 1, 2}) {
        Shape shape{2, 2, 2};
        shape[static_cast<std::size_t>(dim)] = size;
        const Ids found = ids(tensor::diagnose("w", cut(dim, size), shape, dense(1, t), plain));
        CHECK(found == (size % t == 0 ? Ids{} : Ids{"SP-TENSOR-001"}));
        if (!found.empty()) continue;
        const Layout layout = tensor::weight_layout("w", cut(dim, size), shape, dense(2, t), plain);
        support::check_layout(layout, 2);
        for (Index rank = 0; rank < t; ++rank)
          CHECK(support::runs(layout, rank, static_cast<std::size_t>(dim)) ==
                support::Runs{{rank * size / t, size / t}});
      }
}

TEST_CASE("packed parts: each rank holds a slice of every part") {
  const Sharding gate_up{.parts = {{"gate", 12, Role::feature}, {"up", 12, Role::feature}}};
  const Layout layout = tensor::weight_layout("w", gate_up, {24, 4}, dense(1, 4), plain);
  support::check_layout(layout, 1);
  CHECK(support::runs(layout, 3, 0) == support::Runs{{9, 3}, {21, 3}});
  const Sharding unequal{.parts = {{"a", 8, Role::feature}, {"b", 4, Role::feature}, {"c", 2, Role::replicated}}};
  const Layout mixed = tensor::weight_layout("w", unequal, {14, 1}, dense(1, 4), plain);
  CHECK(support::runs(mixed, 2, 0) == support::Runs{{4, 2}, {10, 1}, {12, 2}});
}

TEST_CASE("vocabulary: padded at its end, so only the last ranks hold padding") {
  for (Index t = 1; t <= 6; ++t)
    for (Index size = 1; size <= 12; ++size)
      for (const Index multiple : {1, 2, 5}) {
        Sharding rule = cut(0, size, Role::vocabulary);
        rule.vocabulary_multiple = multiple;
        const Layout layout = tensor::weight_layout("w", rule, {size, 2}, dense(1, t), plain);
        support::check_layout(layout, 1);
        CHECK(layout.local_size(0, layout.view().place(0)) * t == padded_vocabulary(size, multiple, t));
      }
  CHECK(ids(tensor::diagnose("w", cut(0, 50257, Role::vocabulary), {50257, 2}, dense(1, 8), plain)) ==
        Ids{"SP-TENSOR-001"});
}

TEST_CASE("experts: over their own axis, features over the tensor axis") {
  const View view({{edp, 2}, {ep, 2}, {tp, 2}});
  Sharding rule{.dim = 2, .parts = {{"gate", 4, Role::feature}, {"up", 4, Role::feature}}, .expert = true};
  const Layout layout = tensor::weight_layout("w", rule, {4, 2, 8}, view, plain);
  support::check_layout(layout, 2);
  CHECK(support::runs(layout, 3, 0) == support::Runs{{2, 2}});
  CHECK(support::runs(layout, 3, 2) == support::Runs{{2, 2}, {6, 2}});
  CHECK(ids(tensor::diagnose("w", rule, {3, 2, 8}, view, plain)) == Ids{"SP-TENSOR-002"});
  CHECK(support::thrown([&] { tensor::weight_layout("w", rule, {3, 2, 8}, view, plain); }) == Ids{"SP-TENSOR-002"});
}

TEST_CASE("fused q, k and v: the rows of each part are those of the part alone") {
  for (const Hardware hardware : {Hardware::trn1, Hardware::trn2})
    for (const Dialect& dialect : {strict, compat})
      for (const Index copies : {1, 2, 4}) {
        const Heads heads{8, 8 / copies, 2};
        const tensor::Options options{copies, hardware, dialect};
        const Index keys = heads.key_value * heads.size;
        const Layout fused = tensor::weight_layout("w", qkv(heads), {16 + 2 * keys, 1}, dense(1, 8), options);
        const tensor::AttentionLayouts apart = tensor::attention_layouts(heads, 1, dense(1, 8), options);
        for (Index rank = 0; rank < 8; ++rank) {
          std::vector<Index> wanted, got;
          const auto add = [rank](std::vector<Index>& to, const Layout& layout, Index shift) {
            for (const auto& run : support::runs(layout, rank, 0))
              for (Index i = 0; i < run[1]; ++i) to.push_back(shift + run[0] + i);
          };
          add(wanted, apart.query, 0), add(wanted, apart.key_value, 16), add(wanted, apart.key_value, 16 + keys);
          add(got, fused, 0);
          CHECK(got == wanted);
        }
        for (Index row = 0; dialect == strict && row < 16 + 2 * keys; ++row)
          CHECK(multiplicity(fused, {row, 0}) == (row < 16 ? 1 : copies));
      }
}

TEST_CASE("replicated: whole on every rank") {
  const Layout layout = tensor::weight_layout("norm", replicated(true), {5}, dense(2, 3), plain);
  support::check_layout(layout, 6);
}

TEST_CASE("heads that do not fit are found through the weight") {
  const View view = dense(1, 8);
  CHECK(ids(tensor::diagnose("w", qkv({8, 2, 1}), {12, 1}, view, {3, Hardware::trn1, strict})) == Ids{"R7"});
  CHECK(ids(tensor::diagnose("w", qkv({8, 2, 1}), {12, 1}, view, {2, Hardware::trn1, strict})) == Ids{"R7"});
  CHECK(ids(tensor::diagnose("w", qkv({12, 2, 1}), {16, 1}, view, {4, Hardware::trn1, strict})) ==
        Ids{"SP-TENSOR-001", "SP-TENSOR-008"});
  CHECK(ids(tensor::diagnose("w", qkv({8, 2, 1}), {12, 1}, view, {4, Hardware::trn3, compat})) == Ids{"SP-TENSOR-004"});
  CHECK(ids(tensor::diagnose("w", qkv({8, 8, 1}), {24, 1}, view, {2, Hardware::trn1, strict})) == Ids{"SP-TENSOR-008"});
  CHECK(ids(tensor::diagnose("w", qkv({8, 8, 1}), {24, 1}, view, {2, Hardware::trn1, compat})).empty());
}

TEST_CASE("sizes that contradict the shape are found before anything is cut") {
  const View view = dense(1, 2);
  const auto found = [&](const Sharding& rule, const Shape& shape) {
    return ids(tensor::diagnose("w", rule, shape, view, plain));
  };
  const Ids wrong{"SP-TENSOR-010"};
  for (const int dim : {-1, 0, 1, 2, 3})
    for (Index size = -2; size <= 8; size += 2)
      for (const Role role : {Role::feature, Role::replicated, Role::vocabulary}) {
        const bool fits = dim >= 0 && dim < 2 && size == 4;
        CHECK(found(cut(dim, size, role), {4, 4}) == (fits ? Ids{} : wrong));
        CHECK(support::thrown([&] {
                tensor::weight_layout("w", cut(dim, size, role), {4, 4}, view, plain);
              }) == (fits ? Ids{} : wrong));
      }
  constexpr Index most = std::numeric_limits<Index>::max();
  CHECK(found({.parts = {{"a", most, Role::feature}, {"b", most, Role::feature}}}, {4, 4}) == wrong);
  CHECK(found({.parts = {{"a", 6, Role::feature}, {"b", -2, Role::feature}}}, {4, 4}) == wrong);
  CHECK(found(cut(0, 1), {}) == wrong);
  CHECK(found({.expert = true}, {}) == wrong);
  CHECK(found(replicated(), {}).empty());
  // parts that fill the dimension, but not with the heads they are made of
  Sharding rule = qkv({4, 2, 3});
  CHECK(found(rule, {24, 4}).empty());
  rule.parts[0].size = 6, rule.parts[1].size = 12;
  CHECK(found(rule, {24, 4}) == Ids{"SP-TENSOR-010", "SP-TENSOR-010"});
  const Diagnostics named = tensor::diagnose("w", rule, {24, 4}, view, plain);
  CHECK(named[0].message == "w: q: 6 elements for 4 query heads of 3");
  CHECK(named[0].hint == "12 elements");
  CHECK(named[1].message == "w: k: 12 elements for 2 KV heads of 3");
  CHECK(found({.parts = {{{}, 4, Role::query}}, .heads = {most, 1, most}}, {4, 4}) == wrong);
  CHECK(tensor::diagnose("w", cut(1, 6), {4, 4}, view, plain)[0].message ==
        "w: parts of 6 elements fill dimension 1 of 4");
}

TEST_CASE("a host's own tensors are planned as they are") {
  const host::Tensor tensor{"mine", {3, 8}};
  CHECK(support::runs(tensor::weight_layout(tensor, dense(1, 4), plain), 2, 1) == support::Runs{{4, 2}});
}
