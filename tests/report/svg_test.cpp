#include <shardplan/report/svg.hpp>

#include <doctest/doctest.h>

#include "pictures.hpp"

using namespace shardplan;
using namespace pictures;

TEST_CASE("text of a picture is escaped, and no XML is lost") {
  Svg svg;
  svg.text(10, 20, "a < b & \"c\" > d").open("<tip & top>").box(1, 2, 3, 4, palette[0]).close();
  const std::string file = svg.finish(300, 40, "<t>", "\"d\" & e");
  const auto all = check_picture(file);
  CHECK(texts(all).contains("a < b & \"c\" > d"));
  CHECK(all[1].text == "<t>");
  CHECK(all[2].text == "\"d\" & e");
}

TEST_CASE("what XML has no letter for becomes U+FFFD") {
  for (const std::string& bad :
       {std::string("\x01"), std::string("\xFF"), std::string("\xEF\xBF\xBF"), std::string(1, '\0')}) {
    std::string out;
    detail::append_xml(out, "a" + bad + "b");
    CHECK(out ==
          "a\xEF\xBF\xBD"
          "b");
  }
  std::string out;
  detail::append_xml(out, "\xC3\xA9\n\t");
  CHECK(out == "\xC3\xA9\n\t");
}

TEST_CASE("numbers are short") {
  const auto said = [](double number) {
    std::string out;
    detail::append_short(out, number);
    return out;
  };
  CHECK(said(3) == "3");
  CHECK(said(0) == "0");
  CHECK(said(-0.001) == "0");
  CHECK(said(0.5) == ".5");
  CHECK(said(-0.25) == "-.25");
  CHECK(said(12.346) == "12.35");
  CHECK(said(100) == "100");
  for (int i = -500; i <= 500; ++i) CHECK(std::stod(said(i / 100.0)) == doctest::Approx(i / 100.0));
}

TEST_CASE("outlines walk in tenths without adding up errors") {
  Outline outline;
  outline.move(0, 0);
  for (int i = 1; i <= 1000; ++i) outline.across(i * 0.33);
  double at = 0;
  const std::string& path = outline.path();
  for (std::size_t i = path.find('h'); i != path.npos; i = path.find('h', i + 1)) at += std::stod(path.substr(i + 1));
  CHECK(at == doctest::Approx(330));
  CHECK(Outline().box(1, 2, 3, 4).path() == "M1 2h3v4h-3z");
}

TEST_CASE("colours of a picture are distinct, and text on them is readable") {
  const auto light = [](Colour c) { return 0.299 * c.red + 0.587 * c.green + 0.114 * c.blue; };
  for (const Index count : {1, 2, 8, 9, 16, 64, 200}) {
    for (Index i = 0; i < count; ++i) {
      const Colour colour = colour_of(i, count);
      CHECK(std::abs(light(ink_on(colour)) - light(colour)) > 85);
      for (Index j = 0; j < i; ++j) CHECK(colour_of(j, count) != colour);
      // Beyond the palette lightness alone tells the order.
      if (count > 8 && i > 0) CHECK(light(colour_of(i - 1, count)) < light(colour) + 1);
    }
  }
  CHECK(concat(Colour{0, 114, 178}) == "#0072b2");
}
