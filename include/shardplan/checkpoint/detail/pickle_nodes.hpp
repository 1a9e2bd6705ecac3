#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/pickle_globals.hpp>
#include <shardplan/checkpoint/value.hpp>

/// What a pickle has made so far, before it is known to be a tree.
namespace shardplan::checkpoint::detail {

/// A position among the nodes. Nodes name each other so, and never own each other: however they are tied together,
/// nothing recurses when they go.
using Handle = std::uint32_t;
inline constexpr Handle no_handle = 0xFFFFFFFF;

struct PickleNode {
  enum class Kind : std::uint8_t {
    none,
    boolean,  ///< number
    integer,  ///< number
    big,      ///< text: two's complement
    real,     ///< number: the bits
    text,
    bytes,  ///< flag: a bytearray
    list,
    tuple,
    set,
    dict,     ///< items: key, value, key, value...; flag: an OrderedDict; other: its attributes
    global,   ///< number: among the globals
    storage,  ///< number: among the storages
    tensor,   ///< number: among the tensors; other: its attributes
    size,     ///< items: integers
    device,
    reference,  ///< number: among the globals; other: its state
    object,  ///< number: among the globals; items: the arguments, then keys and values; other: its state; flag: called
  };
  Kind kind = Kind::none;
  bool flag = false;
  Handle other = no_handle;
  std::int64_t number = 0;
  std::string_view text{};
  std::vector<Handle> items{};
};

struct PickledGlobal {
  std::string_view module, name;
  PickleGlobal global;
};

struct PickleNodes {
  using Kind = PickleNode::Kind;

  std::string_view file;        ///< for messages
  std::size_t file_offset = 0;  ///< of the pickle
  std::size_t size = 0;         ///< bytes of the pickle
  std::deque<PickleNode> nodes{};
  std::vector<PickledGlobal> globals{};
  std::deque<Tensor> tensors{};
  std::deque<std::string> owned{};  ///< texts that do not stand in the pickle as they are
  std::size_t copied = 0;

  /// What a pickle says once and makes several times may not add up to more than itself: `amount` bytes or items more.
  void copying(std::size_t at, std::size_t amount) {
    if (amount > size - copied) refuse(at, "more copies of values than the pickle is long");
    copied += amount;
  }
  /// The bytes that a text of code points below 256 stands for.
  std::string_view latin1(std::size_t at, std::string_view text) {
    copying(at, text.size());
    std::string& out = owned.emplace_back();
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto lead = static_cast<unsigned char>(text[i]);
      if (lead >= 0xC4) refuse(at, "a text that is not latin-1");
      out +=
          lead < 0x80 ? text[i] : static_cast<char>((lead & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3F));
    }
    return out;
  }

  [[noreturn]] void refuse(std::size_t at, std::string_view why, std::string_view hint = {},
                           std::string_view id = "SP-CHECKPOINT-004") const {
    fail(id, concat('\'', file, "', pickle at byte ", file_offset, ", opcode at ", at, ": ", why), hint, {"path"});
  }
};

/// Makes the tree of values below a node.
///
/// Errors   SP-CHECKPOINT-004 something that contains itself, is nested deeper than 1000 levels, or names what it
/// shares
///          so often that a walk would never end; keys that are none; a function or storage where a value should be
class PickleTree {
 public:
  explicit PickleTree(const PickleNodes& nodes) : in_(nodes), made_(nodes.nodes.size()) {}

  Value operator()(Handle root) { return make(root, 0).value; }

 private:
  using Kind = PickleNode::Kind;
  struct Made {
    Value value{};
    std::uint64_t nodes = 0;  ///< below and including this one, counted as often as they are named
    std::uint64_t key = 0;    ///< bytes to compare where it is part of a key
    int height = 0;
    bool open = false;
    bool done = false;
  };
  static constexpr int deepest = 1000;
  static constexpr std::uint64_t longest_key = 4096;

  [[noreturn]] void refuse(std::string_view why) const { in_.refuse(in_.size, why); }

  const Made& make(Handle handle, int depth) {
    Made& made = made_[handle];
    if (made.done) return made;
    if (made.open) refuse("a value that contains itself");
    if (depth > deepest) refuse(concat("values nested deeper than ", deepest, " levels"));
    const PickleNode& node = in_.nodes[handle];
    made.open = true;
    made.nodes = 1;
    made.key = 1 + node.text.size();
    made.value = value(made, node, depth + 1);
    made.done = true;
    return made;
  }

  /// The value of a node within another.
  const Value& part(Made& outer, Handle handle, int depth, bool as_key = false) {
    const Made& inner = make(handle, depth);
    outer.nodes += inner.nodes;
    outer.key = std::min(outer.key + inner.key, longest_key + 1);
    outer.height = std::max(outer.height, inner.height + 1);
    // What one pickle can spell out without sharing, many times over.
    if (outer.nodes > 64 * in_.size + (std::uint64_t{1} << 20))
      refuse("values that name each other so often that they could never be walked through");
    if (outer.height > deepest) refuse(concat("values nested deeper than ", deepest, " levels"));
    if (as_key && inner.key > longest_key) refuse(concat("a key of more than ", longest_key, " bytes"));
    return inner.value;
  }

  std::vector<Value> parts(Made& outer, const std::vector<Handle>& handles, int depth) {
    std::vector<Value> out;
    out.reserve(handles.size());
    for (const Handle handle : handles) out.push_back(part(outer, handle, depth));
    return out;
  }

  /// Keys and values from the one at `first` on.
  Dict dict(Made& outer, const PickleNode& node, std::size_t first, int depth) {
    std::vector<Dict::Entry> out;
    out.reserve((node.items.size() - first) / 2);
    for (std::size_t i = first; i + 1 < node.items.size(); i += 2) {
      const Value& key = part(outer, node.items[i], depth, true);
      out.push_back({key, part(outer, node.items[i + 1], depth)});
    }
    try {
      return Dict(std::move(out));
    } catch (const Error& error) {
      refuse(error.diagnostics()[0].message);
    }
  }

  Value value(Made& made, const PickleNode& node, int depth) {
    const auto other = [&] { return node.other == no_handle ? Value() : part(made, node.other, depth); };
    switch (node.kind) {
      case Kind::none:
        return None{};
      case Kind::boolean:
        return node.number != 0;
      case Kind::integer:
        return node.number;
      case Kind::big:
        return BigInteger{std::string(node.text)};
      case Kind::real:
        return std::bit_cast<double>(node.number);
      case Kind::text:
        return node.text;
      case Kind::bytes:
        return Bytes{std::string(node.text), node.flag};
      case Kind::list:
        return List{parts(made, node.items, depth)};
      case Kind::tuple:
        return Tuple{parts(made, node.items, depth)};
      case Kind::set:
        return Set{parts(made, node.items, depth)};
      case Kind::dict: {
        Dict out = dict(made, node, 0, depth);
        out.ordered = node.flag;
        out.attributes = other();
        return out;
      }
      case Kind::global:
        return global(in_.globals[static_cast<std::size_t>(node.number)]);
      case Kind::storage:
        refuse("a storage where a value should be");
      case Kind::tensor: {
        Tensor out = in_.tensors[static_cast<std::size_t>(node.number)];
        out.attributes = other();
        return out;
      }
      case Kind::size: {
        Size out;
        for (const Handle item : node.items) out.shape.push_back(in_.nodes[item].number);
        return out;
      }
      case Kind::device:
        return Device{std::string(node.text)};
      case Kind::reference:
        return reference(node);
      case Kind::object: {
        const PickledGlobal& of = in_.globals[static_cast<std::size_t>(node.number)];
        Object out{std::string(of.module), std::string(of.name)};
        out.made = node.flag ? Object::Made::by_call : Object::Made::by_new;
        out.arguments = part(made, node.items[0], depth);
        if (node.items.size() > 1) out.entries = dict(made, node, 1, depth);
        out.state = other();
        out.has_state = node.other != no_handle;
        return out;
      }
    }
    return {};
  }

  Value global(const PickledGlobal& of) const {
    using Is = PickleGlobal::Is;
    if (of.global.is == Is::dtype) return of.global.element;
    if (of.global.is != Is::object && of.global.is != Is::object_class && of.global.is != Is::enumeration)
      refuse(concat(of.module, '.', of.name, " where a value should be"));
    return Object{std::string(of.module), std::string(of.name), Object::Made::is_class};
  }

  /// The attributes that a reference's class has, of the dict that is its state.
  Value reference(const PickleNode& node) const {
    const PickledGlobal& of = in_.globals[static_cast<std::size_t>(node.number)];
    TensorReference out{std::string(of.module), std::string(of.name)};
    if (node.other == no_handle || in_.nodes[node.other].kind != Kind::dict) refuse("a tensor reference without a tid");
    bool has_tid = false;
    const std::vector<Handle>& state = in_.nodes[node.other].items;
    for (std::size_t i = 0; i + 1 < state.size(); i += 2) {
      const PickleNode &key = in_.nodes[state[i]], &said = in_.nodes[state[i + 1]];
      if (key.kind != Kind::text) refuse("an attribute that has no name");
      if (key.text == "tid") {
        if (said.kind != Kind::integer || said.number < 0) refuse("the tid of a tensor reference is no natural number");
        out.tid = said.number;
        has_tid = true;
      } else if (key.text == "dtype" && said.kind == Kind::global &&
                 in_.globals[static_cast<std::size_t>(said.number)].global.is == PickleGlobal::Is::dtype) {
        out.element = in_.globals[static_cast<std::size_t>(said.number)].global.element;
      } else if (key.text == "shape" && (said.kind == Kind::size || said.kind == Kind::tuple)) {
        if (said.items.size() > 64) refuse("the shape of a tensor reference is no shape");
        out.shape.emplace();
        for (const Handle item : said.items) {
          const PickleNode& extent = in_.nodes[item];
          if (extent.kind != Kind::integer || extent.number < 0) refuse("the shape of a tensor reference is no shape");
          out.shape->push_back(extent.number);
        }
      } else if (key.text == "expert_model_parallel" && said.kind == Kind::boolean) {
        out.expert_model_parallel = said.number != 0;
      } else if (said.kind != Kind::none) {
        refuse(concat("a tensor reference with '", key.text, "' of an unknown kind"));
      }
    }
    if (!has_tid) refuse("a tensor reference without a tid");
    return out;
  }

  const PickleNodes& in_;
  std::vector<Made> made_;
};

}  // namespace shardplan::checkpoint::detail
