#include <doctest/doctest.h>

#include <cmath>
#include <shardplan/config/scalar.hpp>

using namespace shardplan;

namespace {

struct Row {
  std::string_view text;
  Node::Value value;
};

const double infinity = std::numeric_limits<double>::infinity();

template <class... Values>
void check_all_text(Values... words) {
  for (const std::string_view word : {std::string_view(words)...}) {
    CAPTURE(word);
    CHECK((plain_scalar(word) == Node::Value(std::string(word))));
  }
}

}  // namespace

TEST_CASE("plain scalars have the types of OmegaConf") {
  const Row rows[] = {{"", std::monostate{}},
                      {"~", std::monostate{}},
                      {"null", std::monostate{}},
                      {"Null", std::monostate{}},
                      {"NULL", std::monostate{}},
                      {"True", true},
                      {"true", true},
                      {"yes", true},
                      {"on", true},
                      {"ON", true},
                      {"False", false},
                      {"false", false},
                      {"no", false},
                      {"off", false},
                      {"???", Node::Missing{}},
                      {"0", Index{0}},
                      {"12", Index{12}},
                      {"-3", Index{-3}},
                      {"+5", Index{5}},
                      {"0x1F", Index{31}},
                      {"-0x1F", Index{-31}},
                      {"1_000", Index{1000}},
                      {"1__0", Index{10}},
                      {"0b11", Index{3}},
                      {"010", Index{8}},
                      {"012", Index{10}},
                      {"0_", Index{0}},
                      {"1:30", Index{90}},
                      {"-1:30", Index{-90}},
                      {"190:20:30", Index{685230}},
                      {"9223372036854775807", std::numeric_limits<Index>::max()},
                      {"-9223372036854775808", std::numeric_limits<Index>::min()},
                      {"9223372036854775808", Node::Huge{"9223372036854775808"}},
                      {"-9223372036854775809", Node::Huge{"-9223372036854775809"}},
                      {"9999999999999999999:30", Node::Huge{"9999999999999999999:30"}},
                      {"3e-4", 3e-4},
                      {"1e-5", 1e-5},
                      {"1E5", 1e5},
                      {"1e-06", 1e-6},
                      {".5", 0.5},
                      {"5.", 5.0},
                      {"+12.3", 12.3},
                      {"1.5e3", 1500.0},
                      {"-2.5E+2", -250.0},
                      {".5e+3", 500.0},
                      {"1_0.5", 10.5},
                      {"._5", 0.5},
                      {"12e03", 12000.0},
                      {"190:20:30.15", 685230.15},
                      {"0:30.5", 30.5},
                      {"-0:30.5", -30.5},
                      {".inf", infinity},
                      {"-.inf", -infinity},
                      {"+.INF", infinity},
                      {"1e999", infinity},
                      {"-1e999", -infinity},
                      {"5e-400", 0.0},
                      {"1e22", 1e22}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK((plain_scalar(row.text) == row.value));
  }
  for (const std::string_view text : {".nan", ".NaN", ".NAN"}) {
    const Node::Value value = plain_scalar(text);
    REQUIRE(std::holds_alternative<double>(value));
    CHECK(std::isnan(std::get<double>(value)));
  }
  check_all_text("y", "n", "None", "inf", "nan", "oFF", "tRue", "0o17", "08", "0x", "0x_", "0b_", "0b2", "1:60", "0:30",
                 "2024-01-01", "-.5", "+.5", ".5e3", "1e5_0", "1e", "e5", ".", "._", "-", "+", "1.2.3", "980,10,10",
                 "1 000", "12a", ":30", "1:", "1:3:", "-.nan", "++1", "??", "nul", "mixed_precision", "1.8.6");
}

TEST_CASE("quotes make text, but do not hide the mandatory marker") {
  CHECK((quoted_scalar("12") == Node::Value(std::string("12"))));
  CHECK((quoted_scalar("") == Node::Value(std::string())));
  CHECK((quoted_scalar("???") == Node::Value(Node::Missing{})));
}

TEST_CASE("arguments of resolvers have types of their own") {
  const Row rows[] = {{"2", Index{2}},
                      {"-2", Index{-2}},
                      {"+2", Index{2}},
                      {"0", Index{0}},
                      {"1_0", Index{10}},
                      {"2.5", 2.5},
                      {".5", 0.5},
                      {"5.", 5.0},
                      {"1e-3", 1e-3},
                      {"+1.5E2", 150.0},
                      {"0.5", 0.5},
                      {"inf", infinity},
                      {"-INF", -infinity},
                      {"1.2_5", 1.25},
                      {"TRUE", true},
                      {"false", false},
                      {"NULL", std::monostate{}},
                      {"99999999999999999999", Node::Huge{"99999999999999999999"}}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK((argument_scalar(row.text) == row.value));
  }
  for (const std::string_view text : {"010", "0x10", "01.5", "1__0", "_1", "1_", "yes", "~", "a b", "", ".", "-", "1e",
                                      "1e_1", "1:30", "--2", "2.5.1", "???"}) {
    CAPTURE(text);
    CHECK((argument_scalar(text) == Node::Value(std::string(text))));
  }
  const Node::Value nan = argument_scalar("NaN");
  REQUIRE(std::holds_alternative<double>(nan));
  CHECK(std::isnan(std::get<double>(nan)));
}

TEST_CASE("values become the text that Python gives them") {
  const auto text = [](Node::Value value) { return text_of({std::move(value), {}}); };
  CHECK(text(std::monostate{}) == "None");
  CHECK(text(true) == "True");
  CHECK(text(false) == "False");
  CHECK(text(Index{-8}) == "-8");
  CHECK(text(std::string("it's")) == "it's");
  CHECK(text(Node::Sequence{}) == "[]");
  CHECK(text(Mapping{}) == "{}");
  Mapping mapping;
  mapping.assign("a", {}, {Node::Sequence{{Index{1}, {}}, {std::string("it's"), {}}, {std::string("b\\"), {}}}, {}});
  mapping.assign("c", {}, {std::monostate{}, {}});
  CHECK(text(mapping) == "{'a': [1, \"it's\", 'b\\\\'], 'c': None}");

  const struct {
    double number;
    std::string_view text;
  } numbers[] = {{3e-4, "0.0003"},
                 {1e-5, "1e-05"},
                 {0.0001, "0.0001"},
                 {1e15, "1000000000000000.0"},
                 {1e16, "1e+16"},
                 {1.5e300, "1.5e+300"},
                 {123456789012345680.0, "1.2345678901234568e+17"},
                 {0.1, "0.1"},
                 {1, "1.0"},
                 {-0.0, "-0.0"},
                 {-2.5, "-2.5"},
                 {12345.678, "12345.678"},
                 {infinity, "inf"},
                 {-infinity, "-inf"},
                 {std::nan(""), "nan"},
                 {5e-324, "5e-324"}};
  for (const auto& row : numbers) CHECK(text(row.number) == row.text);
}

TEST_CASE("a number's text reads back as the number") {
  for (int exponent = -30; exponent <= 30; ++exponent)
    for (const double mantissa : {1.0, 1.1, 3.0000000000000004, 9.999999999999999}) {
      const double number = mantissa * std::pow(10.0, exponent);
      CAPTURE(number);
      CHECK((plain_scalar(text_of({number, {}})) == Node::Value(number)));
    }
}
