#include "support.hpp"

using namespace shardplan;

namespace {

// Line 13 holds the value under test.
const std::string base =
    "x: 5\nk: b\nn: null\nt: yes\nf: 3e-4\nm: {b: 1, c: [1, 2, {d: 7}], r: '${x}', up: '${..x}', here: '${.r}'}\n"
    "l: [1, 2, 3]\nmiss: ???\ns: b.q\nh: te'xt\nstring: '5'\nm2: ${m}\n";

Resolved resolved(std::string_view value) {
  std::string quoted = "v: '";
  for (const char c : value) quoted += c == '\'' ? "''" : std::string(1, c);
  return resolve(read_yaml_text(base + quoted + "'\n", "f"),
                 [](const char* name) -> const char* { return std::string_view(name) == "PORT" ? "3308" : nullptr; });
}

struct Row {
  std::string_view text;
  Node::Value value;
};
struct Fault {
  std::string_view text;
  std::string_view id;
};

Node::Value text(std::string_view letters) { return std::string(letters); }

}  // namespace

TEST_CASE("interpolations have the values of OmegaConf") {
  const Row rows[] = {// paths
                      {"${x}", Index{5}},
                      {"${ x }", Index{5}},
                      {"${.x}", Index{5}},
                      {"${ .x }", Index{5}},
                      {"${m.c[0]}", Index{1}},
                      {"${m.c.0}", Index{1}},
                      {"${m[b]}", Index{1}},
                      {"${[m].b}", Index{1}},
                      {"${m.c[2].d}", Index{7}},
                      {"${m.${k}}", Index{1}},
                      {"${m[${k}]}", Index{1}},
                      {"${l[01]}", Index{2}},
                      {"${n}", std::monostate{}},
                      {"${t}", true},
                      {"${f}", 3e-4},
                      {"${m.up}", Index{5}},
                      {"${m.here}", Index{5}},
                      {"${m2.c[1]}", Index{2}},
                      {"${${k}}", Node::Broken{}},
                      // text
                      {"a${n}b", text("aNoneb")},
                      {"${t}-${f}", text("True-0.0003")},
                      {"${x}${x}", text("55")},
                      {"a${l}", text("a[1, 2, 3]")},
                      {"a${h}", text("ate'xt")},
                      {"a${m.c}", text("a[1, 2, {'d': 7}]")},
                      {"\\${x}", text("${x}")},
                      {"\\\\${x}", text("\\5")},
                      {"\\\\\\${x}", text("\\${x}")},
                      {"a\\b${x}", text("a\\b5")},
                      {"\\$x ${x}", text("\\$x 5")},
                      {"$${x}", text("$5")},
                      {"$x", text("$x")},
                      {"{x}", text("{x}")},
                      {"$ {x}", text("$ {x}")},
                      {"$HOME/x", text("$HOME/x")},
                      {"a$$b", text("a$$b")},
                      {"a\\\\b", text("a\\\\b")},
                      {"${x}}", text("5}")},
                      // multiply and sum
                      {"${multiply:2,3}", Index{6}},
                      {"${multiply: 2 , 3 }", Index{6}},
                      {"${multiply:${x}, ${multiply:2,2}}", Index{20}},
                      {"${multiply:2.5,2}", 5.0},
                      {"${multiply:true,2}", Index{2}},
                      {"${multiply:1_0,-2}", Index{-20}},
                      {"${multiply:1e-3,2}", 2e-3},
                      {"${multiply:ab,3}", text("ababab")},
                      {"${multiply:3,ab}", text("ababab")},
                      {"${multiply:,2}", text("")},
                      {"${multiply:0x10,2}", text("0x100x10")},
                      {"${multiply:ab,-1}", text("")},
                      {"${sum:1,-1}", Index{0}},
                      {"${sum:${x},0.5}", 5.5},
                      {"${sum:'a','b'}", text("ab")},
                      {"${sum:a b:c/d, e}", text("a b:c/de")},
                      {"${sum:'${x}',a}", text("5a")},
                      {"${sum:\"a${x}\",\"b\\\"c\"}", text("a5b\"c")},
                      {"${sum:a${x}b,c}", text("a5bc")},
                      {"${sum:a\\,b,\\ c\\=}", text("a,b c=")},
                      {"${sum:a-b,c?d|e}", text("a-bc?d|e")},
                      {"${sum:'\\\\','b'}", text("\\b")},
                      {"${sum:null.x, y }", text("null.xy")},
                      // built-in resolvers
                      {"${oc.env:PORT}", text("3308")},
                      {"${oc.env:NONE,5}", text("5")},
                      {"${oc.env:NONE,null}", std::monostate{}},
                      {"${oc.env:NONE,[1, a]}", text("[1, 'a']")},
                      {"${oc.select:x}", Index{5}},
                      {"${oc.select:.x}", Index{5}},
                      {"${oc.select:none}", std::monostate{}},
                      {"${oc.select:none,7}", Index{7}},
                      {"${oc.select:miss,7}", Index{7}},
                      {"${oc.select:n,7}", std::monostate{}},
                      {"${oc.decode:${oc.env:PORT}}", Index{3308}},
                      {"${oc.decode:${string}}", Index{5}},
                      {"${oc.decode:null}", std::monostate{}},
                      {"${oc.decode:'\\${x}'}", Index{5}},
                      {"${oc.decode:\"'q'\"}", text("q")},
                      {"${oc.deprecated:x}", Index{5}},
                      {"${oc.deprecated:x,'gone: use $NEW_KEY'}", Index{5}}};
  for (const Row& row : rows) {
    if (std::holds_alternative<Node::Broken>(row.value)) continue;
    CAPTURE(row.text);
    const Resolved out = resolved(row.text);
    CHECK(ids_of(out.diagnostics) == Ids{});
    CHECK((out.tree.find("v")->value == row.value));
  }
}

TEST_CASE("interpolations may stand for lists and mappings") {
  const auto value = [](std::string_view text_in, std::string_view expected) {
    CAPTURE(text_in);
    const Resolved out = resolved(text_in);
    CHECK(ids_of(out.diagnostics) == Ids{});
    CHECK(*out.tree.find("v") == read_yaml_text(expected));
  };
  value("${m}", "{b: 1, c: [1, 2, {d: 7}], r: 5, up: 5, here: 5}");
  value("${m2}", "{b: 1, c: [1, 2, {d: 7}], r: 5, up: 5, here: 5}");
  value("${l}", "[1, 2, 3]");
  value("${oc.select:m.c}", "[1, 2, {d: 7}]");
  value("${oc.create:[1, ${x}, 'a']}", "[1, 5, a]");
  value("${oc.create:{a: 1, b: {c: ${l}}}}", "{a: 1, b: {c: [1, 2, 3]}}");
  value("${oc.create:{}}", "{}");
  value("${oc.decode:'[1, 2,a]'}", "[1, 2, a]");
  value("${oc.dict.keys:m}", "[b, c, r, up, here]");
  value("${oc.dict.values:.m}", "[1, [1, 2, {d: 7}], 5, 5, 5]");
}

TEST_CASE("relative paths count lists as levels and start where the value stands") {
  CHECK(resolved_value("m: {t: 8, l: ['${..t}']}", "m.l[0]") == Node{Index{8}, {}});
  CHECK(resolved_value("l: [1, '${.0}']", "l[1]") == Node{Index{1}, {}});
  CHECK(resolved_value("a: {b: {c: '${...d}'}}\nd: 4", "a.b.c") == Node{Index{4}, {}});
  CHECK(resolved_value("a: {x: 1, y: '${.x}'}\nb: {x: 2, y: '${a.y}'}", "b.y") == Node{Index{1}, {}});
}

TEST_CASE("a fault is told once, at its value, with file, line and column") {
  const Fault faults[] = {{"${x", "SP-CONFIG-006"},
                          {"${}", "SP-CONFIG-006"},
                          {"${ }", "SP-CONFIG-006"},
                          {"${.}", "SP-CONFIG-006"},
                          {"${a..b}", "SP-CONFIG-006"},
                          {"${x.}", "SP-CONFIG-006"},
                          {"${m['b']}", "SP-CONFIG-006"},
                          {"${a b}", "SP-CONFIG-006"},
                          {"${m[b}", "SP-CONFIG-006"},
                          {"${x${x}}", "SP-CONFIG-006"},
                          {"${sum:1,2", "SP-CONFIG-006"},
                          {"${sum:'a,2}", "SP-CONFIG-006"},
                          {"${sum:a 'b',c}", "SP-CONFIG-006"},
                          {"${sum:a=b,c}", "SP-CONFIG-006"},
                          {"${sum:a(b,c}", "SP-CONFIG-006"},
                          {"${sum:[1,2}", "SP-CONFIG-006"},
                          {"${oc.create:{a}}", "SP-CONFIG-006"},
                          {"${oc.create:{a: 1", "SP-CONFIG-006"},
                          {"${.sum:1,2}", "SP-CONFIG-006"},
                          {"${oc.decode:''}", "SP-CONFIG-006"},
                          {"${oc.decode:'1, 2'}", "SP-CONFIG-006"},
                          {"${none}", "SP-CONFIG-007"},
                          {"${m.none}", "SP-CONFIG-007"},
                          {"${m.c[9]}", "SP-CONFIG-007"},
                          {"${m.c[-1]}", "SP-CONFIG-007"},
                          {"${x.y}", "SP-CONFIG-007"},
                          {"${n.y}", "SP-CONFIG-007"},
                          {"${..x}", "SP-CONFIG-007"},
                          {"${...x}", "SP-CONFIG-007"},
                          {"${m.${x}}", "SP-CONFIG-007"},
                          {"${m.${s}}", "SP-CONFIG-007"},
                          {"${oc.select:..x}", "SP-CONFIG-007"},
                          {"${oc.env}", "SP-CONFIG-007"},
                          {"${sum:1,${none}}", "SP-CONFIG-007"},
                          {"${oc.dict.keys:none}", "SP-CONFIG-007"},
                          {"${v}", "SP-CONFIG-008"},
                          {"a${v}", "SP-CONFIG-008"},
                          {"${oc.select:v}", "SP-CONFIG-008"},
                          {"${multiply:${v},2}", "SP-CONFIG-008"},
                          {"${oc.select:.}", "SP-CONFIG-008"},
                          {"${foo:1}", "SP-CONFIG-009"},
                          {"${env:HOME}", "SP-CONFIG-009"},
                          {"${gpu_name:}", "SP-CONFIG-009"},
                          {"${multiply:2}", "SP-CONFIG-009"},
                          {"${multiply:2,3,4}", "SP-CONFIG-009"},
                          {"${multiply:}", "SP-CONFIG-009"},
                          {"${multiply:a,b}", "SP-CONFIG-009"},
                          {"${multiply:null,2}", "SP-CONFIG-009"},
                          {"${multiply:2.5,a}", "SP-CONFIG-009"},
                          {"${sum:1,a}", "SP-CONFIG-009"},
                          {"${sum:a,1}", "SP-CONFIG-009"},
                          {"${oc.env:NONE}", "SP-CONFIG-009"},
                          {"${oc.env:1,2}", "SP-CONFIG-009"},
                          {"${oc.decode:10}", "SP-CONFIG-009"},
                          {"${oc.create:10}", "SP-CONFIG-009"},
                          {"${oc.dict.keys:l}", "SP-CONFIG-009"},
                          {"${oc.dict.keys:${m}}", "SP-CONFIG-009"},
                          {"${oc.deprecated:x,1}", "SP-CONFIG-009"},
                          {"${miss}", "SP-CONFIG-010"},
                          {"${miss.q}", "SP-CONFIG-010"},
                          {"a${miss}", "SP-CONFIG-010"},
                          {"${oc.dict.keys:miss}", "SP-CONFIG-010"},
                          {"${multiply:9223372036854775807,2}", "SP-CONFIG-017"},
                          {"${sum:9223372036854775807,1}", "SP-CONFIG-017"},
                          {"${multiply:99999999999999999999,2}", "SP-CONFIG-017"}};
  for (const Fault& fault : faults) {
    CAPTURE(fault.text);
    const Resolved out = resolved(fault.text);
    CHECK(places(out.diagnostics) == Ids{concat("13:4 ", fault.id, " v")});
    REQUIRE(!out.diagnostics.empty());
    CHECK(out.diagnostics[0].origins[0].file == "f");
    CHECK(out.tree.find("v")->is<Node::Broken>());
  }
}

TEST_CASE("all faults are found, followers of a fault are silent") {
  const Resolved out =
      resolve(read_yaml_text("a: ${none}\nb: ${a}\nc: {d: '${b}', e: '${f'}\ng: [1, '${x:}']\nh: ${c.d}1\n"));
  CHECK(places(out.diagnostics) == Ids{"1:4 SP-CONFIG-007 a", "3:19 SP-CONFIG-006 c.e", "4:8 SP-CONFIG-009 g.1"});
  for (const std::string_view path : {"a", "b", "c.d", "c.e", "g[1]", "h"})
    CHECK(find_path(out.tree, path)->is<Node::Broken>());
  CHECK(*find_path(out.tree, "g[0]") == Node{Index{1}, {}});
}

TEST_CASE("a missing target names the nearest key") {
  const Resolved out = resolve(read_yaml_text("model: {encoder_seq_length: 8}\nx: ${model.encoder_sequence_length}\n"));
  REQUIRE(out.diagnostics.size() == 1);
  CHECK(out.diagnostics[0].hint.find("encoder_seq_length") != std::string::npos);
}

TEST_CASE("circles are found, however they close") {
  const auto found = [](std::string_view text_in) { return places(resolve(read_yaml_text(text_in)).diagnostics); };
  CHECK(found("a: ${b}\nb: ${a}\n") == Ids{"2:4 SP-CONFIG-008 b"});
  CHECK(found("a: ${b}\nb: ${c}\nc: x${a}\n") == Ids{"3:4 SP-CONFIG-008 c"});
  CHECK(found("a: {b: '${a}'}\n") == Ids{"1:8 SP-CONFIG-008 a.b"});
  CHECK(found("a: {b: '${c}'}\nc: {d: '${a}'}\n").size() == 2);
  CHECK(found("a: ['${a}']\n") == Ids{"1:5 SP-CONFIG-008 a.0"});
  CHECK(found("a: {b: '${.c}', c: '${a.b}'}\n") == Ids{"1:20 SP-CONFIG-008 a.c"});
  CHECK(found("'${.x}'") == Ids{"1:1 SP-CONFIG-007 "});
  // Reading a part of what is being resolved is no circle.
  CHECK(found("a: {b: '${a.c}', c: '${a.d.e}', d: {e: 1, f: '${a.b}'}}\n") == Ids{});
  CHECK(found("a: ${b.x}\nb: {x: 1, y: '${a}'}\n") == Ids{});
}

TEST_CASE("mandatory markers that nothing reads stay") {
  const Resolved out = resolve(read_yaml_text("a: ???\nb: ['?\?\?']\nc: ${oc.select:a,3}\nd: ${b}\n"));
  CHECK(ids_of(out.diagnostics) == Ids{});
  CHECK(find_path(out.tree, "a")->is<Node::Missing>());
  CHECK(find_path(out.tree, "d[0]")->is<Node::Missing>());
  CHECK(*find_path(out.tree, "c") == Node{Index{3}, {}});
}

TEST_CASE("a resolved value stands where its interpolation stood") {
  const Node root = resolve(read_yaml_text("a: 1\nb:\n  - ${a}\n", "f")).tree;
  const Node& value = *find_path(root, "b[0]");
  CHECK(value.mark.line == 3);
  CHECK(value.mark.column == 5);
  CHECK(*value.mark.file == "f");
  // and what it brings along keeps its own place
  const Node copy = resolve(read_yaml_text("a: {x: 1}\nb: ${a}\n")).tree;
  CHECK(find_path(copy, "b")->mark.line == 2);
  CHECK(find_path(copy, "b.x")->mark.line == 1);
}

TEST_CASE("interpolations that grow without bound end in a finding") {
  std::string lists = "x0: [a, b]\n", texts = "x0: abcdefgh\n", chain = "x0: 1\n", nested = "x0: {y: 1}\n";
  for (int i = 1; i < 300; ++i) {
    lists += concat("x", i, ": ['${x", i - 1, "}', '${x", i - 1, "}']\n");
    texts += concat("x", i, ": ${x", i - 1, "}${x", i - 1, "}\n");
    chain.insert(0, concat("x", i, ": ${x", i - 1, "}\n"));
    nested.insert(0, concat("x", i, ": {y: '${x", i - 1, "}'}\n"));
  }
  const auto found = [](std::string_view text_in) { return ids_of(resolve(read_yaml_text(text_in)).diagnostics); };
  CHECK(found(lists) == Ids{"SP-CONFIG-005"});
  CHECK(found(texts) == Ids{"SP-CONFIG-005"});
  for (const std::string& grown : {lists, texts}) {  // at the key that asks for too much, not at the file
    const Origin at = resolve(read_yaml_text(grown)).diagnostics[0].origins[0];
    CHECK(at.key.starts_with('x'));
    CHECK(at.line > 1);
  }
  CHECK(found("a: ${multiply:${multiply:abcdefgh,1000000},1000000}\n") == Ids{"SP-CONFIG-005"});
  for (const std::string& deep : {chain, nested}) {
    const Ids ids = found(deep);
    CHECK(!ids.empty());
    CHECK(std::count(ids.begin(), ids.end(), "SP-CONFIG-008") == static_cast<std::ptrdiff_t>(ids.size()));
  }
  CHECK(found("b: '\\${oc.decode:\\${b}}\\${oc.decode:\\${b}}'\na: ${oc.decode:${b}}\n") == Ids{"SP-CONFIG-008"});
  std::string open;
  for (int i = 0; i < 100'000; ++i) open += "${a:[";
  CHECK(found(concat("a: '", open, "'")) == Ids{"SP-CONFIG-006"});
}
