#include "support.hpp"

namespace shardplan::migrate {

TEST_CASE("a value written as YAML reads back the same") {
  for (const std::string_view text : {"null",
                                      "true",
                                      "12",
                                      "-3",
                                      "1.0",
                                      "2e-05",
                                      "1e16",
                                      ".inf",
                                      "???",
                                      "'12'",
                                      "'true'",
                                      "'null'",
                                      "'~'",
                                      "''",
                                      "plain",
                                      "'a: b'",
                                      "'a #b'",
                                      "a#b",
                                      "'#a'",
                                      "\"a\\nb\"",
                                      "\"tab\\tb\"",
                                      "'it''s'",
                                      "it's",
                                      "'- a'",
                                      "-a",
                                      "'-'",
                                      "'@a'",
                                      "a@b",
                                      "'*a'",
                                      "'&a'",
                                      "'!a'",
                                      "'%a'",
                                      "'`a'",
                                      "'[a'",
                                      "a[0]",
                                      "'{a}'",
                                      "${a.b}",
                                      "'${a}: b'",
                                      "[1, [2, 'a,b']]",
                                      "{a: 1, 'b: c': [x]}",
                                      "[]",
                                      "{}",
                                      "['${a}']",
                                      "900,50,50",
                                      "'1:30'",
                                      "'0x1F'",
                                      "'yes'",
                                      "'1e-5'",
                                      "'2.'",
                                      "123456789012345678901234567890",
                                      "a:b",
                                      "['a:b', 'null']",
                                      "'a '",
                                      "' a'",
                                      "'a:'",
                                      "--x",
                                      "'---'",
                                      "'<<'"}) {
    CAPTURE(text);
    const Node value = read_yaml_text(text);
    CHECK(read_yaml_text(yaml_text(value)) == value);
    CHECK(read_yaml_text(concat("k: ", yaml_text(value), "  # c")).find("k")->value == value.value);
    CHECK(read_yaml_text(concat("k: [", yaml_text(value, true), ", 1]")).find("k")->find("0")->value == value.value);
  }
}

TEST_CASE("the value and the comment behind a key") {
  const auto parts = [](std::string_view rest) {
    const detail::ValueText out = detail::split_value(rest);
    return concat(out.value, '|', out.comment);
  };
  CHECK(parts("") == "|");
  CHECK(parts(" 1") == "1|");
  CHECK(parts(" 1  # a") == "1|  # a");
  CHECK(parts(" # a") == "| # a");
  CHECK(parts(" a#b # c") == "a#b| # c");
  CHECK(parts(" 'a # b' # c") == "'a # b'| # c");
  CHECK(parts(" \"a \\\" # b\" # c") == "\"a \\\" # b\"| # c");
  CHECK(parts(" [1, '# x'] # c") == "[1, '# x']| # c");
  CHECK(parts(" it's # c") == "it's| # c");
}

TEST_CASE("every line of a file belongs to one key") {
  const std::string_view text =
      "# head\n\n# of a\na: 1  # one\nb:\n  # of c\n  c: [1,\n      2]\n  # behind c\n\n  # of d\n  d: |\n    # text\n "
      "   x\n"
      "\ne: {f: 1}\n\n# end\n";
  const Node tree = read_yaml_text(text);
  const SourceText source(text, tree);
  CHECK(source.preface() == SourceText::Lines{"# head", ""});
  CHECK(source.find("a")->before == SourceText::Lines{"# of a"});
  CHECK(source.find("a")->comment == "  # one");
  CHECK(source.find("b")->section);
  CHECK(source.find("b.c")->before == SourceText::Lines{"  # of c"});
  CHECK(source.find("b.c")->more == SourceText::Lines{"      2]"});
  CHECK(source.find("b.c")->after == SourceText::Lines{"  # behind c"});
  CHECK(source.find("b.d")->before == SourceText::Lines{"", "  # of d"});
  CHECK(source.find("b.d")->more == SourceText::Lines{"    # text", "    x"});
  CHECK(source.find("e")->value == "{f: 1}");
  CHECK(source.find("e.f") == nullptr);
  CHECK(source.footer() == SourceText::Lines{"", "# end"});
}

TEST_CASE("paths of interpolations are rewritten, all else is left") {
  const PathRewriter shout = [](std::string_view path) -> std::optional<std::string> {
    if (path == "gone") return std::nullopt;
    return concat("<", path, ">");
  };
  const auto done = [&](std::string_view text) { return rewrite_interpolations(text, shout).value_or("-"); };
  CHECK(done("plain") == "plain");
  CHECK(done("${a.b}") == "${<a.b>}");
  CHECK(done("x${ a }y${.c}") == "x${ <a> }y${<.c>}");
  CHECK(done("${multiply:${a}, ${b}}") == "${multiply:${<a>}, ${<b>}}");
  CHECK(done("${multiply:2,a}") == "${multiply:2,a}");
  CHECK(done("${oc.select:a.b,1}") == "${oc.select:<a.b>,1}");
  CHECK(done("${oc.select:a.b}") == "${oc.select:<a.b>}");
  CHECK(done("${oc.env:HOME}") == "${oc.env:HOME}");
  CHECK(done("\\${a}") == "\\${a}");
  CHECK(done("\\\\${a}") == "\\\\${<a>}");
  CHECK(done("${a.${b}}") == "${a.${<b>}}");
  CHECK(done("${sum:${.n},-1}") == "${sum:${<.n>},-1}");
  CHECK(done("x ${gone} y") == "-");

  CHECK(detail::absolute_path("a.b[0]", "x.y").absolute == "a.b.0");
  CHECK(detail::absolute_path(".b", "x.y").absolute == "x.y.b");
  CHECK(detail::absolute_path("..b", "x.y").absolute == "x.b");
  CHECK(detail::absolute_path("...b", "x.y").absolute == "b");
}

}  // namespace shardplan::migrate
