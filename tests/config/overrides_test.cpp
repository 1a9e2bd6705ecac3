#include <shardplan/config/yaml.hpp>

#include "support.hpp"

using namespace shardplan;

TEST_CASE("overrides change, add and are typed") {
  const auto changed = [](std::vector<std::string> overrides) {
    Node root = read_yaml_text("a: {b: 1, l: [1, 2]}\nn: null\n");
    for (const std::string& one : overrides) apply_override(root, one);
    return root;
  };
  CHECK(changed({"a.b=2"}) == read_yaml_text("{a: {b: 2, l: [1, 2]}, n: ~}"));
  CHECK(changed({"a.b=3e-4", "a.l[1]=x y", "a.l.0='1'"}) == read_yaml_text("{a: {b: 3.0e-4, l: ['1', x y]}, n: ~}"));
  CHECK(changed({"c.d.e=[1, {f: yes}]"}) ==
        read_yaml_text("{a: {b: 1, l: [1, 2]}, n: ~, c: {d: {e: [1, {f: true}]}}}"));
  CHECK(changed({"n.x=1", "a="}) == read_yaml_text("{a: ~, n: {x: 1}}"));
  CHECK(changed({"a.b=x=y"}) == read_yaml_text("{a: {b: x=y, l: [1, 2]}, n: ~}"));
  CHECK(resolve(changed({"n=${a.b}"})).tree == read_yaml_text("{a: {b: 1, l: [1, 2]}, n: 1}"));
  for (const std::string_view bad : {"a.b", "", "=1", ".a=1", "a..b=1", "a.b.c=1", "a.l[2]=1", "a.l.x=1", "a.b=[1",
                                     "a.b={x: 1, x: 2}", "a.b=*x", "a.b=\xFF"}) {
    CAPTURE(bad);
    CHECK(thrown([&] { changed({std::string(bad)}); }) == Ids{"SP-CONFIG-015"});
  }
  CHECK(changed({"a.b=2"}).as<Mapping>()->find("a")->value.as<Mapping>()->find("b")->mark.file->starts_with("--set"));
  try {
    changed({"a.b.c=1"});
    FAIL("a scalar was given a key");
  } catch (const Error& error) {
    CHECK(error.diagnostics()[0].origins[0].file == "--set a.b.c=1");
    CHECK(error.diagnostics()[0].origins[0].key == "a.b.c");
  }
}
