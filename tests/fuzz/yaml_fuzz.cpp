// Text -> tree -> resolved tree -> configuration. Whatever the text, the answer is a value or an `Error` that says
// where.
#include <shardplan/config/yaml.hpp>

using namespace shardplan;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// Post of `resolve`: text that asks for another value is gone, or was made on purpose from `\${`.
void check_resolved(const Node& node, bool escapes) {
  if (const auto* text = node.as<std::string>()) require(escapes || !has_interpolation(*text));
  if (const auto* items = node.as<Node::Sequence>())
    for (const Node& item : *items) check_resolved(item, escapes);
  if (const Mapping* entries = node.as<Mapping>()) {
    for (const Mapping::Entry& entry : *entries) {
      require(entries->find(entry.key) == &entry);
      check_resolved(entry.value, escapes);
    }
  }
}

bool is_whole(const Node& node) {
  if (node.is<Node::Broken>()) return false;
  if (const auto* number = node.as<double>()) return *number == *number;  // a NaN differs from itself
  if (const auto* items = node.as<Node::Sequence>())
    for (const Node& item : *items)
      if (!is_whole(item)) return false;
  if (const Mapping* entries = node.as<Mapping>())
    for (const Mapping::Entry& entry : *entries)
      if (!is_whole(entry.value)) return false;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const Node tree = read_yaml_text(text, "fuzz");
    const Resolved resolved = resolve(tree, [](const char*) -> const char* { return nullptr; });
    const bool escapes = text.find('\\') != text.npos || text.find('$') == text.npos;
    if (!has_errors(resolved.diagnostics)) check_resolved(resolved.tree, escapes);
    const Bound bound = bind(resolved.tree);
    require(!is_whole(resolved.tree) || bound.config.tree == resolved.tree);
    for (const Diagnostics* all : {&resolved.diagnostics, &bound.diagnostics})
      for (const Diagnostic& one : *all) require(!one.message.empty() && !one.origins.empty());
    bind_huggingface(tree);

    const std::size_t newline = text.find('\n');
    if (newline == text.npos) return 0;
    Node changed = tree;
    apply_override(changed, text.substr(0, newline));
  } catch (const Error& error) {
    require(!error.diagnostics().empty());
    for (const Diagnostic& one : error.diagnostics()) require(!one.id.empty() && !one.origins.empty());
  }
  return 0;
}
