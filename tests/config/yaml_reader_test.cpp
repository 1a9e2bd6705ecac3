#include "support.hpp"

using namespace shardplan;

namespace {

Ids read_faults(std::string_view text) {
  return thrown_places([&] { read_yaml_text(text); });
}

}  // namespace

TEST_CASE("keys and values carry their places") {
  const Node root = read_yaml_text("a: 1\nbc:\n  - x\n  - {d: 2, e: 'f'}\ng: &h\n  i: 3\n", "file.yaml");
  const struct {
    std::string_view path;
    int line, column;
  } rows[] = {{"a", 1, 4},       {"bc", 3, 3},       {"bc[0]", 3, 5}, {"bc[1]", 4, 5},
              {"bc[1].d", 4, 9}, {"bc[1].e", 4, 15}, {"g.i", 6, 6}};
  for (const auto& row : rows) {
    CAPTURE(row.path);
    const Node* node = find_path(root, row.path);
    REQUIRE(node != nullptr);
    CHECK(node->mark.line == row.line);
    CHECK(node->mark.column == row.column);
    CHECK(*node->mark.file == "file.yaml");
  }
  const Mapping::Entry* key = root.as<Mapping>()->find("g");
  REQUIRE(key != nullptr);
  CHECK(key->mark.line == 5);
  CHECK(key->mark.column == 1);
}

TEST_CASE("quotes, block text and tags decide between text and number") {
  CHECK(resolved_value("a: '12'", "a") == Node{std::string("12"), {}});
  CHECK(resolved_value("a: \"12\"", "a") == Node{std::string("12"), {}});
  CHECK(resolved_value("a: |\n  12\n", "a") == Node{std::string("12\n"), {}});
  CHECK(resolved_value("a: !!str 12", "a") == Node{std::string("12"), {}});
  CHECK(resolved_value("a: ! 12", "a") == Node{std::string("12"), {}});
  CHECK(resolved_value("a: !!float 12", "a") == Node{12.0, {}});
  CHECK(resolved_value("a: !!int 12", "a") == Node{Index{12}, {}});
  CHECK(resolved_value("a: !!seq [12]", "a[0]") == Node{Index{12}, {}});
  CHECK(read_yaml_text("").is_null());
  CHECK(read_yaml_text("# nothing\n").is_null());
  CHECK(read_yaml_text("\xEF\xBB\xBF"
                       "a: 1") == read_yaml_text("a: 1"));
  CHECK(read_yaml_text("{1: a, true: b, 1.5: c}").as<Mapping>()->size() == 3);
  CHECK(read_yaml_text("a: {b, c}") == read_yaml_text("a: {b: null, c: ~}"));
}

TEST_CASE("JSON is read by the same reader") {
  CHECK(read_yaml_text("{\n\t\"a\": [1, 2.5, 1e-05, true, null],\n\t\"b\": {\"c\": \"d\\/\\u00e9\"}\n}") ==
        read_yaml_text("a: [1, 2.5, 1e-5, yes, ~]\nb: {c: d/\xC3\xA9}\n"));
}

TEST_CASE("aliases and merge keys are expanded") {
  CHECK(read_yaml_text("a: &x {p: 1, q: [2]}\nb: *x\n") == read_yaml_text("{a: {p: 1, q: [2]}, b: {p: 1, q: [2]}}"));
  CHECK(read_yaml_text("- &a 1\n- &a 2\n- *a\n") == read_yaml_text("[1, 2, 2]"));
  const Node merged =
      read_yaml_text("a: &a {p: 1, q: 1}\nb: &b {q: 2, r: 2}\nc: {s: 3, <<: [*a, *b], q: 4}\nd: {<<: *b, <<: *a}\n");
  CHECK(*merged.find("c") == read_yaml_text("{q: 4, r: 2, p: 1, s: 3}"));
  CHECK(*merged.find("d") == read_yaml_text("{q: 1, r: 2, p: 1}"));
  std::string order;
  for (const auto& entry : *merged.find("c")->as<Mapping>()) order += entry.key;
  CHECK(order == "qrps");  // what is merged stands first, as PyYAML has it
  CHECK(read_yaml_text("{'<<': 1}").find("<<") != nullptr);
}

TEST_CASE("what is no YAML in UTF-8 is refused at its place") {
  const struct {
    std::string_view text;
    std::string_view place;
  } rows[] = {{"a: [1, 2\nb: 3\n", ""},
              {"a: \"abc", ""},
              {"a: {b: 1", ""},
              {"a: 'x\n", "1:4"},
              {"a: \"x\n", "1:4"},
              {"a: !!str &x 'it''s\n", "1:4"},
              {"a: \"x\\\"\n", "1:4"},
              {"a: *b\n", "1:4"},
              {"a: 1\n---\nb: 2\n", "2:1"},
              {"a: 1\n  b: 2\n", ""},
              {"{a: 1} b", ""},
              {"a:\n\tb: 1\n", "2:2"},
              {"a:\n  \tb: 1\n", "2:4"},
              {"a:\n  b: 1\n\tc: 2\n", "3:1"},
              {"x: 1\na: !!python/object/apply:os.system ['x']\n", "2:4"},
              {"a: !local 1", "1:4"},
              {"a: !!int x", "1:4"},
              {"a: !!bool 1", "1:4"},
              {"a: !!map [1]", "1:4"},
              {"a: !!set {b}", "1:4"},
              {"? [a]\n: 1\n", "1:3"},
              {"~: 1\n", "1:1"},
              {"a: {<<: 1}\n", "1:5"},
              {"a: {<<: [1]}\n", "1:5"},
              {"a: 1\nb: \xE9\n", "2:4"},
              {"a: \xC0\x80", "1:4"},
              {"a: \xED\xA0\x80", "1:4"},
              {"a: \xF5\x80\x80\x80", "1:4"},
              {"a: \xF0\x9F\x98", "1:4"},
              {"a: \x80", "1:4"},
              {std::string_view("a: \0", 4), "1:4"},
              {"\x7F"
               "ELF\x02\x01",
               "1:1"},
              {"\xFF\xFE"
               "a",
               "1:1"},
              {"a: \x1B[0m", "1:4"}};
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const Ids found = read_faults(row.text);
    REQUIRE(found.size() == 1);
    CHECK(found[0].find(" SP-CONFIG-003 ") != std::string::npos);
    if (!row.place.empty()) CHECK(found[0].starts_with(concat(row.place, ' ')));
  }
  CHECK(read_yaml_text("a: \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80").find("a") != nullptr);
}

TEST_CASE("tabs that indent nothing are allowed") {
  CHECK(read_yaml_text("a: 1 # \t\n#\tb\nc: 'd\te'\n") == read_yaml_text("{a: 1, c: \"d\\te\"}"));
  CHECK(read_yaml_text("a: |\n  \tb\n") == read_yaml_text("a: \"\\tb\\n\""));
  CHECK(read_yaml_text("a: [\n\t1,\n\t2]\n") == read_yaml_text("a: [1, 2]"));
}

TEST_CASE("a closed quote at the end is closed") {
  for (const std::string_view text :
       {"a: 'x'", "a: 'x'\n", "a: \"x\"\n\n", "a: &b 'x'\n", "a: |\n  x\n", "a: >-\n  'x\n"}) {
    CAPTURE(text);
    CHECK(read_yaml_text(text).find("a") != nullptr);
  }
  CHECK(read_yaml_text("a: 'it''s'\r\nb: \"\\\"\"\r\n") == read_yaml_text("{a: it's, b: '\"'}"));
}

TEST_CASE("every duplicate key is told") {
  CHECK(read_faults("a: 1\nb: {c: 1, c: 2, 'c': 3}\na: 2\n") ==
        Ids{"2:11 SP-CONFIG-004 b.c", "2:17 SP-CONFIG-004 b.c", "3:1 SP-CONFIG-004 a"});
  CHECK(read_faults("a: &x {b: 1, b: 2}\nc: *x\nd: *x\n") == Ids{"1:14 SP-CONFIG-004 a.b"});
}

TEST_CASE("anchors that contain themselves, and aliases without measure") {
  for (const std::string_view text :
       {"a: &a [*a]", "&a [*a]", "a: &a {b: *a}", "a: &a {<<: *a}", "a: &a [[{b: [*a]}]]"}) {
    CAPTURE(text);
    CHECK(thrown([&] { read_yaml_text(text); }) == Ids{"SP-CONFIG-005"});
  }
  std::string laughs = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    laughs += concat("l", i, ": &l", i, " [");
    for (int k = 0; k < 10; ++k) laughs += concat(k == 0 ? "*l" : ", *l", i - 1);
    laughs += "]\n";
  }
  CHECK(thrown([&] { read_yaml_text(laughs); }) == Ids{"SP-CONFIG-005"});

  std::string long_text = concat("a: &a ", std::string(1'000'000, 'x'), "\nb: [");
  for (int i = 0; i < 100; ++i) long_text += "*a, ";
  CHECK(thrown([&] { read_yaml_text(long_text + "1]"); }) == Ids{"SP-CONFIG-005"});

  std::string deep = "a0: &a0 1\n";
  for (int i = 1; i < 200; ++i) deep += concat("a", i, ": &a", i, " [*a", i - 1, "]\n");
  CHECK(thrown([&] { read_yaml_text(deep); }) == Ids{"SP-CONFIG-003"});
}

TEST_CASE("nesting is bounded: the limit is read, one more is not") {
  const auto nested = [](int levels) {
    return std::string(static_cast<std::size_t>(levels), '[') + "1" +
           std::string(static_cast<std::size_t>(levels), ']');
  };
  CHECK(thrown([&] { read_yaml_text(nested(limits::depth)); }) == Ids{});
  CHECK(thrown([&] { resolve(read_yaml_text(nested(limits::depth))); }) == Ids{});
  CHECK(thrown([&] { read_yaml_text(nested(limits::depth + 1)); }) == Ids{"SP-CONFIG-003"});
  CHECK(thrown([] { read_yaml_text(std::string(1'000'000, '[')); }) == Ids{"SP-CONFIG-003"});
  std::string dashes;
  for (int i = 0; i < 100'000; ++i) dashes += "- ";
  CHECK(thrown([&] { read_yaml_text(dashes); }) == Ids{"SP-CONFIG-003"});
  CHECK(thrown([] { read_yaml_text(std::string(1'500'000, '{')); }) == Ids{"SP-CONFIG-005"});
  CHECK(thrown([] { read_yaml_text(concat("? ", std::string(limits::key_bytes, 'k'), "\n: 1")); }) == Ids{});
  CHECK(thrown([] { read_yaml_text(concat("? ", std::string(limits::key_bytes + 1, 'k'), "\n: 1")); }) ==
        Ids{"SP-CONFIG-003"});
}

TEST_CASE("files: missing, folder, empty, too large") {
  const TemporaryFolder folder;
  CHECK(thrown([&] { read_yaml(folder.file("none.yaml")); }) == Ids{"SP-CONFIG-001"});
  CHECK(thrown([&] { read_yaml(folder.file("")); }) == Ids{"SP-CONFIG-001"});
  for (const std::string_view nothing : {"", "\n\n", "# only a comment\n"}) {
    const Node empty = read_yaml(folder.write("empty.yaml", nothing));
    CHECK(empty.is_null());
    CHECK(origin("", empty.mark) == Origin{"", folder.file("empty.yaml"), 1, 1});
  }
  const std::string most(limits::file_bytes, '#');
  CHECK(read_yaml(folder.write("most.yaml", most)).is_null());
  CHECK(thrown([&] { read_yaml(folder.write("more.yaml", most + '#')); }) == Ids{"SP-CONFIG-002"});
  try {
    read_yaml(folder.write("bad.yaml", "a: 1\nb: [\n"));
    FAIL("a truncated file was read");
  } catch (const Error& error) {
    CHECK(std::string_view(error.what()).starts_with(folder.file("bad.yaml") + ":"));
  }
}
