#pragma once
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <optional>
#include <vector>

#include <shardplan/config/expression.hpp>

/// Interpolations put to their values.
namespace shardplan {

/// How `oc.env` asks for an environment variable; null where it is not set.
using Environment = const char* (*)(const char* name);
inline const char* process_environment(const char* name) { return std::getenv(name); }

/// A tree without interpolations, and what went wrong on the way.
struct Resolved {
  Node tree;  ///< a value that could not be resolved is `Node::Broken`; mandatory markers stand as they were
  Diagnostics diagnostics;
};

namespace detail {

/// Evaluates every interpolation of one tree once; values are shared, the tree is never changed.
class Resolver {
 public:
  Resolver(const Node& root, Environment environment) : root_(root), environment_(environment) {
    add_places(root, nullptr, {}, 0);
    std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) { return before(a.node, b.node); });
  }

  Resolved run() {
    Resolved out;
    try {
      out.tree = built(root_);
    } catch (Exhausted) {
      out.tree.value = Node::Broken{};
      report(*running_, finding("SP-CONFIG-005", concat("interpolations expand to more than ", limits::nodes,
                                                        " nodes or ", limits::text_bytes >> 20, " MiB of text")));
    }
    out.diagnostics = std::move(diagnostics_);
    return out;
  }

 private:
  /// A container or a text with an interpolation, and the container that holds it.
  struct Place {
    const Node* node;
    const Node* parent;
    std::string_view key;      // in a mapping
    std::size_t position = 0;  // in a sequence
    bool active = false;       // being evaluated, or being copied
    const Node* value = nullptr;
  };
  struct Exhausted {};  // the budget is spent
  struct Silent {};     // a value is needed about which a finding has been given

  static bool before(const Node* a, const Node* b) { return std::less<const Node*>{}(a, b); }

  void add_places(const Node& node, const Node* parent, std::string_view key, std::size_t position) {
    const std::string* text = node.as<std::string>();
    if (!node.is_container() && !(text != nullptr && has_interpolation(*text))) return;
    places_.push_back({&node, parent, key, position});
    if (const auto* items = node.as<Node::Sequence>())
      for (std::size_t i = 0; i < items->size(); ++i) add_places((*items)[i], &node, {}, i);
    if (const auto* entries = node.as<Mapping>())
      for (const Mapping::Entry& entry : *entries) add_places(entry.value, &node, entry.key, 0);
  }

  /// Null for plain values and for values made here.
  Place* place(const Node* node) {
    const auto found = std::lower_bound(places_.begin(), places_.end(), node,
                                        [](const Place& a, const Node* b) { return before(a.node, b); });
    return found != places_.end() && found->node == node ? &*found : nullptr;
  }

  std::string path_of(const Node* node) {
    const Place* here = place(node);
    if (here == nullptr || here->parent == nullptr) return {};
    return join_path(path_of(here->parent),
                     here->parent->is<Mapping>() ? std::string(here->key) : concat(here->position));
  }

  void report(const Node& node, Diagnostic what) {
    if (diagnostics_.size() >= limits::findings) return;
    Origins all{origin(path_of(&node), node.mark)};
    all.append(what.origins);
    what.origins = std::move(all);
    diagnostics_.push_back(std::move(what));
  }

  const Node* own(Node::Value value) {
    made_.push_back({std::move(value), {}});
    return &made_.back();
  }

  /// Notes that an interpolation is at work; gives what was noted before.
  const Node* run_within(const Node* node) { return std::exchange(running_, running_ == &root_ ? node : running_); }

  void spend(std::size_t nodes, std::size_t bytes) {
    if (!budget_.spend(nodes, bytes)) throw Exhausted{};
  }

  struct Level {
    explicit Level(int& counter) : depth(counter) { ++depth; }
    ~Level() { --depth; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    int& depth;
  };

  /// What a node stands for: itself, or the target of its interpolation, evaluated the first time it is asked for.
  const Node* follow(const Node* node) {
    Place* here = node->is<std::string>() ? place(node) : nullptr;
    if (here == nullptr) return node;
    if (here->value != nullptr) return here->value;
    if (here->active) fail("SP-CONFIG-008", concat("the interpolation comes back to '", path_of(node), '\''));
    here->active = true;
    const Node* around = run_within(node);
    try {
      here->value = evaluate(parse_interpolation(*node->as<std::string>()), here->parent);
    } catch (const Error& error) {
      for (const Diagnostic& one : error.diagnostics()) report(*node, one);
    } catch (Silent) {
    }
    running_ = around;
    if (here->value == nullptr) here->value = own(Node::Broken{});
    here->active = false;
    return here->value;
  }

  /// The resolved copy of a node: a whole mapping where its interpolation names one.
  Node built(const Node& node) {
    const Node* source = follow(&node);
    const Node* around = source == &node ? running_ : run_within(&node);
    const std::string* text = source->as<std::string>();
    spend(1, text == nullptr ? 0 : text->size());
    Node out{{}, node.mark};
    if (!source->is_container()) {
      out.value = source->value;
      running_ = around;
      return out;
    }
    Place* here = place(source);
    const Level level(depth_);
    if ((here != nullptr && here->active) || depth_ > limits::depth) {
      report(node, finding("SP-CONFIG-008", concat("the interpolation holds itself through '", path_of(source), '\'')));
      out.value = Node::Broken{};
      running_ = around;
      return out;
    }
    if (here != nullptr) here->active = true;
    if (const auto* items = source->as<Node::Sequence>()) {
      Node::Sequence& list = out.value.emplace<Node::Sequence>();
      for (const Node& item : *items) list.push_back(built(item));
    } else {
      Mapping& mapping = out.value.emplace<Mapping>();
      for (const Mapping::Entry& entry : *source->as<Mapping>()) {
        spend(1, entry.key.size());
        mapping.assign(entry.key, entry.mark, built(entry.value));
      }
    }
    if (here != nullptr) here->active = false;
    running_ = around;
    return out;
  }

  const Node* evaluate(const Expression& what, const Node* parent) {
    using Kind = Expression::Kind;
    spend(1, 0);
    const Level level(depth_);
    if (depth_ > limits::depth)
      fail("SP-CONFIG-008", concat("more than ", limits::depth, " interpolations lead to each other"));
    switch (what.kind) {
      case Kind::value:
        return own(what.value);
      case Kind::text:
        return own(text(what, parent));
      case Kind::path:
        return at_path(path(what, parent), parent);
      case Kind::call:
        return call(what, parent);
      case Kind::sequence: {
        Node::Sequence items;
        for (const Expression& part : what.parts) items.push_back(built(*evaluate(part, parent)));
        return own(std::move(items));
      }
      case Kind::mapping: {
        Mapping entries;
        for (std::size_t i = 0; i < what.parts.size(); i += 2)
          entries.assign(text_of(*evaluate(what.parts[i], parent)), {}, built(*evaluate(what.parts[i + 1], parent)));
        return own(std::move(entries));
      }
    }
    return nullptr;
  }

  std::string text(const Expression& what, const Node* parent) {
    std::string out;
    for (const Expression& part : what.parts) {
      const Node* value = evaluate(part, parent);
      if (value->is<Node::Broken>()) throw Silent{};
      out += text_of(*value);
      spend(0, out.size());
    }
    return out;
  }

  std::string path(const Expression& what, const Node* parent) {
    std::string out;
    for (const Expression& part : what.parts) {
      const Node* step = evaluate(part, parent);
      if (step->is<Node::Broken>()) throw Silent{};
      const std::string* step_text = step->as<std::string>();
      if (step_text == nullptr)
        fail("SP-CONFIG-007", concat("a key must be a text, but ", describe(*step), " stands for it"));
      out += *step_text;
      spend(0, out.size());
    }
    return out;
  }

  /// The node that a path leads to from `parent` (leading dots) or from the root; null where a step is missing, with
  /// `last` at the container that lacks it.
  const Node* find(std::string_view path, const Node* parent, const Node*& last) {
    const Node* at = &root_;
    if (path.starts_with('.')) {
      at = parent;
      path.remove_prefix(1);
      for (; at != nullptr && path.starts_with('.'); path.remove_prefix(1)) at = place(at)->parent;
      if (at == nullptr) fail("SP-CONFIG-007", "the leading dots lead above the root of the file");
    }
    while (!path.empty()) {
      last = at;
      const std::string_view step = take_step(path);
      if (at->is<Node::Missing>()) return at;
      at = at->find(step);
      if (at == nullptr) return nullptr;
      at = follow(at);
      if (at->is<Node::Broken>()) throw Silent{};
    }
    return at;
  }

  const Node* at_path(std::string_view path, const Node* parent) {
    const Node* last = &root_;
    const Node* found = find(path, parent, last);
    if (found == nullptr) {
      std::vector<std::string_view> neighbours;
      if (const auto* entries = last->as<Mapping>(); entries != nullptr && entries->size() <= limits::findings)
        for (const Mapping::Entry& entry : *entries) neighbours.push_back(entry.key);
      const std::size_t end = path.find_last_of('.');
      const std::string_view near = closest(path.substr(end == path.npos ? 0 : end + 1), neighbours);
      fail("SP-CONFIG-007", concat("nothing stands at '", path, '\''),
           near.empty() ? std::string{} : concat("did you mean '", near, "'?"));
    }
    if (found->is<Node::Missing>())
      fail("SP-CONFIG-010", concat("the interpolation reads '", path, "', which is still ???"), "fill in that value");
    return found;
  }

  const Node* call(const Expression& what, const Node* parent) {
    struct Known {
      std::string_view name;
      std::size_t fewest, most;
    };
    constexpr Known known[] = {
        {"multiply", 2, 2},     {"sum", 2, 2},       {"oc.env", 1, 2},       {"oc.select", 1, 2},
        {"oc.decode", 1, 1},    {"oc.create", 1, 1}, {"oc.dict.keys", 1, 1}, {"oc.dict.values", 1, 1},
        {"oc.deprecated", 1, 2}};
    const Known* resolver = nullptr;
    std::vector<std::string_view> names;
    for (const Known& one : known) {
      names.push_back(one.name);
      if (one.name == what.name) resolver = &one;
    }
    if (resolver == nullptr)
      fail("SP-CONFIG-009", concat("no resolver is called '", what.name, '\''),
           concat("known are ", join(names, ", ")));
    std::vector<const Node*> arguments;
    for (const Expression& part : what.parts) {
      arguments.push_back(evaluate(part, parent));
      if (arguments.back()->is<Node::Broken>()) throw Silent{};
    }
    const std::size_t count = what.parts.size();
    if (count < resolver->fewest || count > resolver->most)
      fail("SP-CONFIG-009", concat(what.name, " takes ", resolver->fewest,
                                   resolver->most > resolver->fewest ? concat(" or ", resolver->most) : std::string{},
                                   " arguments, not ", count));
    const Node& first = *arguments[0];
    const Node* second = count > 1 ? arguments[1] : nullptr;

    if (what.name == "multiply") return own(product(first, *second));
    if (what.name == "sum") return own(sum(first, *second));
    if (what.name == "oc.env") return environment_value(text_argument(what.name, first), second);
    if (what.name == "oc.decode") {
      if (first.is_null()) return &first;
      const std::string& code = text_argument(what.name, first);
      spend(1, code.size());
      return evaluate(parse_argument(code), parent);
    }
    if (what.name == "oc.create") {
      if (!first.is_container() && !first.is_null()) refuse(what.name, "a list or a mapping", first);
      return &first;
    }
    const std::string& path = text_argument(what.name, first);
    const Node* last = nullptr;
    if (what.name == "oc.select") {
      const Node* found = find(path, parent, last);
      if (found != nullptr && !found->is<Node::Missing>()) return found;
      return second != nullptr ? second : own({});
    }
    const Node* found = at_path(path, parent);
    if (what.name == "oc.deprecated") {
      if (second != nullptr) text_argument(what.name, *second);
      return found;
    }
    const Mapping* entries = found->as<Mapping>();
    if (entries == nullptr) refuse(what.name, "the path of a mapping", *found);
    Node::Sequence out;
    for (const Mapping::Entry& entry : *entries) {
      spend(1, entry.key.size());
      out.push_back(what.name == "oc.dict.keys" ? Node{entry.key, {}} : built(entry.value));
    }
    return own(std::move(out));
  }

  [[noreturn]] static void refuse(std::string_view resolver, std::string_view expected, const Node& found) {
    fail("SP-CONFIG-009", concat(resolver, " takes ", expected, ", not ", describe(found)));
  }

  static const std::string& text_argument(std::string_view resolver, const Node& argument) {
    const std::string* text = argument.as<std::string>();
    if (text == nullptr) refuse(resolver, "a text", argument);
    return *text;
  }

  const Node* environment_value(const std::string& name, const Node* otherwise) {
    if (const char* value = environment_(name.c_str())) return own(std::string(value));
    if (otherwise == nullptr)
      fail("SP-CONFIG-009", concat("the environment variable '", name, "' is not set"),
           concat("set it, or give a default: ${oc.env:", name, ",default}"));
    return otherwise->is_null() ? otherwise : own(text_of(*otherwise));
  }

  static std::optional<Index> integer(const Node& node) {
    if (node.is<Node::Huge>()) fail("SP-CONFIG-017", "an integer of the calculation does not fit 64 bits");
    if (const bool* flag = node.as<bool>()) return *flag ? 1 : 0;
    const Index* number = node.as<Index>();
    return number != nullptr ? std::optional<Index>(*number) : std::nullopt;
  }
  static std::optional<double> number(const Node& node) {
    if (const double* real = node.as<double>()) return *real;
    const auto whole = integer(node);
    return whole ? std::optional<double>(static_cast<double>(*whole)) : std::nullopt;
  }

  /// Numbers multiply; a text and an integer repeat the text, as Python's `*` has it.
  Node::Value product(const Node& a, const Node& b) {
    const auto left = integer(a), right = integer(b);
    Index out = 0;
    if (left && right) {
      if (__builtin_mul_overflow(*left, *right, &out))
        fail("SP-CONFIG-017", concat(*left, " * ", *right, " does not fit 64 bits"));
      return out;
    }
    if (number(a) && number(b)) return *number(a) * *number(b);
    const std::string* repeated = a.is<std::string>() ? a.as<std::string>() : b.as<std::string>();
    const auto times = left ? left : right;
    if (repeated == nullptr || !times) refuse("multiply", "two numbers", a.is<Index>() || a.is<double>() ? b : a);
    if (*times <= 0 || repeated->empty()) return std::string{};
    if (static_cast<std::size_t>(*times) > limits::text_bytes / repeated->size()) throw Exhausted{};
    const std::size_t size = static_cast<std::size_t>(*times) * repeated->size();
    spend(0, size);
    std::string text_out = *repeated;
    text_out.reserve(size);
    while (text_out.size() < size) text_out.append(text_out, 0, size - text_out.size());
    return text_out;
  }

  /// Numbers add; two texts join, as Python's `+` has it.
  Node::Value sum(const Node& a, const Node& b) {
    const auto left = integer(a), right = integer(b);
    Index out = 0;
    if (left && right) {
      if (__builtin_add_overflow(*left, *right, &out))
        fail("SP-CONFIG-017", concat(*left, " + ", *right, " does not fit 64 bits"));
      return out;
    }
    if (number(a) && number(b)) return *number(a) + *number(b);
    if (!a.is<std::string>() || !b.is<std::string>()) refuse("sum", "two numbers or two texts", number(a) ? b : a);
    spend(0, a.as<std::string>()->size() + b.as<std::string>()->size());
    return *a.as<std::string>() + *b.as<std::string>();
  }

  const Node& root_;
  const Node* running_ = &root_;  ///< the outermost interpolation at work, else the root
  Environment environment_;
  std::vector<Place> places_;  // in the order of addresses
  std::deque<Node> made_;
  Diagnostics diagnostics_;
  Budget budget_;
  int depth_ = 0;
};

}  // namespace detail

/// The tree with every interpolation replaced by its value, each with the mark of the place where it stands.
///
/// Rule     OmegaConf 2.2 with its own resolvers and NeMo's `multiply` and `sum`; everything is resolved, read or not
/// Errors   in `diagnostics`, all of them: SP-CONFIG-005 to 010 and 017
/// Post     no value of the tree asks for another one
/// Source   configuration sheet 1.2
inline Resolved resolve(const Node& root, Environment environment = process_environment) {
  return detail::Resolver(root, environment).run();
}

}  // namespace shardplan
