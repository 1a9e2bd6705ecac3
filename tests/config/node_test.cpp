#include <doctest/doctest.h>

#include <shardplan/config/node.hpp>

using namespace shardplan;

TEST_CASE("a mapping finds what it holds and keeps the order of its keys") {
  for (const Index size : {0, 1, 2, 3, 7, 8, 9, 100, 1000}) {
    Mapping mapping;
    for (Index i = 0; i < size; ++i) {
      const auto& entry = mapping.assign(concat("key", i * 7919 % 1009), Mark{{}, static_cast<int>(i), 1}, {i, {}});
      CHECK(entry.value == Node{i, {}});
    }
    CHECK(mapping.size() == static_cast<std::size_t>(size));
    Index next = 0;
    for (const auto& entry : mapping) {
      CHECK(entry.mark.line == next);
      CHECK(entry.value == Node{next++, {}});
      CHECK(mapping.find(entry.key) == &entry);
    }
    CHECK(mapping.find("no key") == nullptr);
    CHECK(mapping.find("") == nullptr);

    Mapping copy = mapping;
    CHECK(copy == mapping);
    if (size == 0) continue;
    copy.assign("key0", {}, {std::string("new"), {}});
    CHECK(copy.size() == mapping.size());
    CHECK(copy.begin()->value == Node{std::string("new"), {}});
    CHECK_FALSE(copy == mapping);
    const Mapping moved = std::move(copy);
    CHECK(moved.find("key0") != nullptr);
  }
}

TEST_CASE("nodes are equal by value: marks and the order of keys do not count") {
  const auto mapping = [](std::string_view first, std::string_view second, int line) {
    Mapping out;
    for (const std::string_view key : {first, second})
      out.assign(std::string(key), Mark{{}, line, 1}, {std::string(key), Mark{{}, line, 5}});
    return Node{out, Mark{{}, line, 1}};
  };
  CHECK(mapping("a", "b", 1) == mapping("b", "a", 2));
  CHECK_FALSE(mapping("a", "b", 1) == mapping("a", "c", 1));
  CHECK_FALSE(Node{Index{1}, {}} == Node{1.0, {}});
  CHECK_FALSE(Node{Index{1}, {}} == Node{true, {}});
  CHECK_FALSE(Node{Node::Missing{}, {}} == Node{std::string("???"), {}});
  CHECK_FALSE(Node{Node::Sequence{Node{}}, {}} == Node{Node::Sequence{}, {}});
}

TEST_CASE("paths lead through keys and positions") {
  Mapping inner;
  inner.assign("b", {}, {Node::Sequence{{Index{10}, {}}, {Index{11}, {}}}, {}});
  inner.assign("3", {}, {std::string("three"), {}});
  Mapping outer;
  outer.assign("a", {}, {inner, {}});
  const Node root{outer, {}};

  CHECK(find_path(root, "") == &root);
  for (const std::string_view path : {"a.b.1", "a.b[1]", "a[b][1]", "[a].b[1]", "a.b[01]"}) {
    CAPTURE(path);
    REQUIRE(find_path(root, path) != nullptr);
    CHECK(*find_path(root, path) == Node{Index{11}, {}});
  }
  CHECK(*find_path(root, "a.3") == Node{std::string("three"), {}});
  for (const std::string_view path : {"b", "a.c", "a.b.2", "a.b.-1", "a.b.x", "a.b.0.0", "a..b", ".a", "a.b[", "a.b.1x",
                                      "a.b.99999999999999999999999"}) {
    CAPTURE(path);
    CHECK(find_path(root, path) == nullptr);
  }
}

TEST_CASE("taking steps off a path uses it up") {
  std::string_view path = "a.b[c].d";
  for (const std::string_view step : {"a", "b", "c", "d"}) CHECK(take_step(path) == step);
  CHECK(path.empty());
  CHECK(join_path("", "a") == "a");
  CHECK(join_path("a", "b") == "a.b");
}

TEST_CASE("a budget is spent at the limits, not before") {
  Budget nodes, bytes;
  CHECK(nodes.spend(limits::nodes, 0));
  CHECK_FALSE(nodes.spend(1, 0));
  CHECK(bytes.spend(0, limits::text_bytes));
  CHECK_FALSE(bytes.spend(0, 1));
}

TEST_CASE("descriptions are short and keep letters whole") {
  CHECK(describe({Index{5}, {}}) == "the integer 5");
  CHECK(describe({Node::Sequence{}, {}}) == "a list");
  CHECK(describe({std::string("abc"), {}}) == "the text 'abc'");
  std::string accents;
  for (int i = 0; i < 60; ++i) accents += "\xC3\xA9";
  const std::string shown = describe({'x' + accents, {}});
  CHECK(shown.size() < 80);
  CHECK(shown.ends_with("\xA9...'"));
}
