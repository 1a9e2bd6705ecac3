#include <doctest/doctest.h>

#include <array>
#include <shardplan/layout/notation.hpp>
#include <string>
#include <vector>

#include "../thrown.hpp"

using namespace shardplan;

namespace {

/// Every order of digits of x (4, in two digits or one), y (3) and z (1).
std::vector<View> views() {
  const Axis x{"x"}, y{"y"}, z{"z"};
  std::vector<View> out;
  for (const Index low : {1, 2, 4}) {
    const ViewDigit digits[] = {{x, low, 1}, {x, 4 / low, low}, {y, 3, 1}};
    for (const auto& order : {std::array{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
      InlineVector<ViewDigit, 8> chosen{{z, 1}};
      for (const int i : order) chosen.push_back(digits[i]);
      out.emplace_back(chosen);
      out.emplace_back(chosen, wire(12, {0, 3, 1, 2}));
      out.emplace_back(chosen, wire(4, {0, 1, 2, 3}));
    }
  }
  out.emplace_back(View({{x, 1}, {y, 1}}));
  return out;
}

}  // namespace

TEST_CASE("XLA, Shardy and CuTe say every order of digits, and the same one") {
  std::size_t cute = 0;
  for (const View& view : views())
    for (const char* name : {"xla", "shardy", "cute"}) {
      CAPTURE(name);
      std::string text;
      const Ids fault = thrown([&] { text = order_notation(name).print(view); });
      CAPTURE(text);
      if (name == std::string_view("cute")) {
        CHECK(fault == (view.wires().node != 0 ? Ids{"SP-LAYOUT-012"} : Ids{}));
        cute += fault.empty();
        if (!fault.empty()) continue;
      }
      REQUIRE(fault.empty());
      CHECK_FALSE(same_order(view, order_notation(name).parse(text)));
    }
  CHECK(cute > 10);
}

TEST_CASE("every pair of all notations: what both can say is the same order") {
  for (const OrderNotation& from : order_notations) {
    const View view = from.parse(from.example);
    CHECK(&order_notation(from.name) == &from);
    CHECK_FALSE(same_order(view, from.parse(from.print(view))));
    for (const OrderNotation& to : order_notations) {
      std::string text;
      if (!thrown([&] { text = to.print(view); }).empty()) continue;
      CAPTURE(text);
      CHECK_FALSE(same_order(view, to.parse(text)));
    }
  }
}

TEST_CASE("large orders of digits have short texts; lists end at 65,536 ranks") {
  const View large({{pp, 64}, {tp, 64}, {dp, 256}, {tp, 8}});  // 2^23 ranks, tp in two digits
  for (const char* name : {"xla", "cute"}) {
    const std::string text = order_notation(name).print(large);
    CHECK(text.size() < 100);
    CHECK_FALSE(same_order(large, order_notation(name).parse(text)));
  }
  CHECK(thrown([&] { order_notation("shardy").print(large); }) == Ids{"SP-MESH-014"});
  const View wired({{pp, 2}, {tp, Index{1} << 20}}, wire(4, {0, 2, 1, 3}));
  CHECK(thrown([&] { order_notation("xla").print(wired); }) == Ids{"SP-MESH-014"});
  CHECK(order_notation("shardy").print(View({{pp, 2}, {tp, Index{1} << 20}})) == "<[\"pp\"=2, \"tp\"=1048576]>");
}

TEST_CASE("texts that are no order") {
  struct Case {
    const char* notation;
    const char* text;
    const char* id;
  };
  for (const Case& c : {Case{"xla", "{devices=[2,4]<=[8]}", "SP-MESH-014"},
                        {"xla", "{devices=[2,4]<=[8]} x", "SP-MESH-014"},
                        {"xla", "{devices=[2,4]<=[8]} x,x", "SP-LAYOUT-012"},
                        {"xla", "{replicated}", "SP-MESH-014"},
                        {"xla", "{devices=[2,4]<=[9]} x,y", "SP-LAYOUT-012"},
                        {"xla", "", "SP-LAYOUT-012"},
                        {"xla", "{devices=[2,4]<=[8]} x,a_name_beyond_15", "SP-MESH-014"},
                        {"cute", "(2,4):(1,2)", "SP-MESH-014"},
                        {"cute", "(2,4):(1,3) x,y", "SP-LAYOUT-012"},
                        {"cute", "tp", "SP-LAYOUT-012"},
                        {"shardy", "<[\"x\"=2", "SP-LAYOUT-012"}}) {
    CAPTURE(c.text);
    CHECK(thrown([&] { order_notation(c.notation).parse(c.text); }) == Ids{c.id});
  }
  const View shifted({{tp, 4}}, {}, 4);
  CHECK(thrown([&] { order_notation("xla").print(shifted); }) == Ids{"SP-MESH-014"});
  CHECK(thrown([&] { order_notation("shardy").print(shifted); }) == Ids{"SP-LAYOUT-012"});
  CHECK(thrown([&] { order_notation("cute").print(shifted); }) == Ids{"SP-LAYOUT-012"});
  CHECK(thrown([] { order_notation("megatorn"); }) == Ids{"SP-MESH-014"});
}
