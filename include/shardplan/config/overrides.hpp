#pragma once
#include <shardplan/config/node.hpp>

/// Values set from outside a file, before interpolation.
namespace shardplan {

/// Sets the value at a dotted path: changes an existing key, or adds the key and the mappings on the way to it.
///
/// key_at   where findings about the key are to point; null: where the key stands already
/// Rule     a step through a list is a position that exists; a null on the way becomes a mapping
/// Errors   SP-CONFIG-015 an empty step, a step into a scalar, a position that does not exist
/// Post     *find_path(root, path) == value
inline void set_path(Node& root, std::string_view path, Node value, const Mark* key_at = nullptr) {
  Node* at = &root;
  Mapping::Entry* last = nullptr;
  std::string_view rest = path;
  do {
    const std::string_view step = take_step(rest);
    if (step.empty()) fail("SP-CONFIG-015", concat("the key '", path, "' has an empty part"), "write a.b.c=value");
    if (at->is_null()) at->value.emplace<Mapping>();
    if (Mapping* entries = at->as<Mapping>()) {
      last = entries->find(step);
      if (last == nullptr) last = &entries->assign(std::string(step), value.mark, Node{{}, value.mark});
      at = &last->value;
    } else if (at->find(step) != nullptr) {
      at = const_cast<Node*>(at->find(step));
      last = nullptr;
    } else {
      fail("SP-CONFIG-015", concat("'", path, "' cannot be set: ", describe(*at), " has no '", step, '\''),
           "name a key of a mapping or an existing position of a list");
    }
  } while (!rest.empty());
  if (last != nullptr && key_at != nullptr) last->mark = *key_at;
  *at = std::move(value);
}

}  // namespace shardplan
