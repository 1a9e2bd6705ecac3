#include <shardplan/report/json.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>

using namespace shardplan;

namespace {

std::string string_of(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

template <class T>
std::string value_of(const T& value) {
  std::string out;
  JsonWriter(out).value(value);
  return out;
}

}  // namespace

TEST_CASE("strings: what must be escaped is") {
  CHECK(string_of("") == R"("")");
  CHECK(string_of("a/b 'c' é") == R"("a/b 'c' é")");
  CHECK(string_of("say \"no\" \\ ") == R"("say \"no\" \\ ")");
  CHECK(string_of("a\nb\tc\r") == R"("a\nb\tc\u000d")");
  CHECK(string_of(std::string_view("\0\x1f\x7f", 3)) == "\"\\u0000\\u001f\x7f\"");
}

TEST_CASE("strings: bytes that are no UTF-8 are replaced, the text around them is kept") {
  for (const std::string_view bad :
       {"\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF", "\xE2\x82", "\xF0\x9F\x98"}) {
    const std::string text = "a" + std::string(bad) + "b";
    CAPTURE(string_of(text));
    const auto parsed = nlohmann::json::parse(string_of(text)).get<std::string>();
    CHECK(parsed.starts_with("a\xEF\xBF\xBD"));
    CHECK(
        parsed.ends_with("\xEF\xBF\xBD"
                         "b"));
  }
  for (const std::string_view good : {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                                      "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    CHECK(nlohmann::json::parse(string_of(good)).get<std::string>() == good);
}

TEST_CASE("strings: all pairs of bytes give JSON that parses") {
  for (int first = 0; first < 256; ++first)
    for (int second = 0; second < 256; ++second) {
      const char text[] = {static_cast<char>(first), static_cast<char>(second)};
      CHECK_MESSAGE(nlohmann::json::accept(string_of({text, 2})), first << ' ' << second);
    }
}

TEST_CASE("numbers: integers in full, doubles in the fewest digits that read back the same") {
  CHECK(value_of(std::numeric_limits<Index>::min()) == "-9223372036854775808");
  CHECK(value_of(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(value_of(70.554) == "70.554");
  CHECK(value_of(8.03) == "8.03");
  CHECK(value_of(0.1 + 0.2) == "0.30000000000000004");
  CHECK(value_of(std::numeric_limits<double>::infinity()) == "null");
  CHECK(value_of(std::numeric_limits<double>::quiet_NaN()) == "null");
  for (const double number : {1e300, -5e-324, 1.0 / 3, 123456789.125})
    CHECK(nlohmann::json::parse(value_of(number)).get<double>() == number);
}

TEST_CASE("values of every kind") {
  CHECK(value_of("text") == R"("text")");
  CHECK(value_of(true) == "true");
  CHECK(value_of(nullptr) == "null");
  CHECK(value_of(Rank(7)) == "7");
  CHECK(value_of(std::optional<Index>()) == "null");
  CHECK(value_of(std::optional<std::string>("x")) == R"("x")");
  CHECK(value_of(std::vector<Index>{1, 2, 3}) == "[1, 2, 3]");
  CHECK(value_of(Shape{4, 5}) == "[4, 5]");
  CHECK(value_of(Shape{}) == "[]");
}

TEST_CASE("objects and arrays: on one line, indented, and flat inside indented") {
  const auto write = [](int indent) {
    std::string out;
    JsonWriter json(out, indent);
    json.begin_object().member("a", 1).key("b").begin_array().value(2).begin_object().end_object().end_array();
    json.key("c")
        .flat()
        .begin_object()
        .member("d", "e")
        .key("f")
        .begin_array()
        .value(3)
        .value(4)
        .end_array()
        .end_object();
    json.key("g").begin_array().end_array().member("shape", Shape{5, 6}).end_object();
    return out;
  };
  CHECK(write(0) == R"({"a": 1, "b": [2, {}], "c": {"d": "e", "f": [3, 4]}, "g": [], "shape": [5, 6]})");
  CHECK(write(2) == R"({
  "a": 1,
  "b": [
    2,
    {}
  ],
  "c": {"d": "e", "f": [3, 4]},
  "g": [],
  "shape": [5, 6]
})");
}

TEST_CASE("raw text and text taken away between calls leave the commas right") {
  std::string out;
  JsonWriter json(out);
  json.begin_array().raw("{}");
  const std::string first = std::exchange(out, {});
  json.raw("[1]").end_array();
  CHECK(first + out == "[{}, [1]]");
}
