#pragma once
#include <optional>
#include <string>

#include <shardplan/migrate/draft.hpp>
#include <shardplan/migrate/paths.hpp>

/// Interpolations that follow the keys which they name.
namespace shardplan::migrate {

namespace detail {

/// Where a path of the source is found in the result; nothing where its value is gone or another one.
inline std::optional<std::string> new_path(const Draft& draft, const std::string& path) {
  for (std::size_t i = 0; i < draft.leaves.size(); ++i) {
    if (!within(path, draft.leaves[i].path)) continue;
    const Route route = draft.direction.route(draft.leaves[i].path);
    const bool another =
        route.row != nullptr && route.exact &&
        (route.row->transform == Transform::precision || route.row->transform == Transform::precision_nnm);
    if (draft.ways[i].target.empty() || another) return std::nullopt;
    return concat(draft.ways[i].target, std::string_view(path).substr(draft.leaves[i].path.size()));
  }
  const Route route = draft.direction.route(path);
  if (route.target.empty()) return std::nullopt;
  return route.target;
}

/// The value with its paths as the result has them; the resolved one where that cannot be.
inline Node rewritten(const Draft& draft, const Node& value, const Node& resolved, const std::string& old_parent,
                      const std::string& parent) {
  if (const std::string* text = value.as<std::string>()) {
    const PathRewriter rewriter = [&](std::string_view written) -> std::optional<std::string> {
      const WrittenPath old = absolute_path(written, old_parent);
      const std::optional<std::string> moved = new_path(draft, old.absolute);
      if (!moved) return std::nullopt;
      if (absolute_path(written, parent).absolute == *moved) return std::string(written);
      return moved;
    };
    const std::optional<std::string> out = rewrite_interpolations(*text, rewriter);
    const bool known = !resolved.is<Node::Broken>() && !resolved.is<Node::Missing>();
    Node node = out ? Node{*out} : known ? resolved : value;
    node.mark = value.mark;
    return node;
  }
  Node out = value;
  if (auto* items = out.as<Node::Sequence>()) {
    const auto* known = resolved.as<Node::Sequence>();
    for (std::size_t i = 0; i < items->size(); ++i) {
      const Node& item = (*value.as<Node::Sequence>())[i];
      const bool nested = item.is_container();
      (*items)[i] =
          rewritten(draft, item, known != nullptr && i < known->size() ? (*known)[i] : item,
                    nested ? concat(old_parent, '.', i) : old_parent, nested ? concat(parent, '.', i) : parent);
    }
  }
  if (out.is<Mapping>()) {
    const Mapping* known = resolved.as<Mapping>();
    for (const Mapping::Entry& entry : *value.as<Mapping>()) {
      const Mapping::Entry* same = known != nullptr ? known->find(entry.key) : nullptr;
      out.as<Mapping>()->assign(
          entry.key, entry.mark,
          rewritten(draft, entry.value, same != nullptr ? same->value : entry.value, old_parent, parent));
    }
  }
  return out;
}

}  // namespace detail

/// Rewrites the interpolations of the result.
inline void rewrite_paths(Draft& draft) {
  for (Key& one : draft.keys) {
    if (!one.leaf || (one.rewritten && !one.value.is<std::string>())) continue;
    const Leaf& leaf = draft.leaves[*one.leaf];
    const bool list = one.value.is_container();
    Node value = detail::rewritten(draft, one.value, *leaf.resolved, list ? leaf.path : detail::parent_of(leaf.path),
                                   list ? one.path : detail::parent_of(one.path));
    if (value == one.value) continue;
    one.value = std::move(value);
    one.rewritten = true;
    Entry& entry = draft.ways[*one.leaf].entry;
    entry.kind = Entry::Kind::changed;
    if (entry.why.empty() || entry.why == unlisted)
      entry.why = has_interpolation(yaml_text(one.value)) ? "the path that it names has moved"
                                                          : "the key that it names is no more";
  }
}

}  // namespace shardplan::migrate
