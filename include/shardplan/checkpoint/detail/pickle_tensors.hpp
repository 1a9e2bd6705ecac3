#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/detail/pickle_nodes.hpp>
#include <shardplan/checkpoint/pickle_globals.hpp>
#include <shardplan/checkpoint/stored_tensor.hpp>

namespace shardplan::checkpoint {

/// A storage as a pickle names it.
struct PickledStorage {
  std::string_view key;  ///< decimal digits
  std::string_view location;
  std::optional<Element> element;  ///< nullopt: untyped, `numel` counts bytes
  Index numel = 0;
  Index bytes = 0;
  bool is_legacy = false;  ///< named as old files do, which can add a view
};

using PickleStorages = std::function<Storage(const PickledStorage&)>;

}  // namespace shardplan::checkpoint

/// Tensors and storages of a pickle, checked (checkpoint sheet, 9.1 and 15).
namespace shardplan::checkpoint::detail {

class PickleTensors {
 public:
  PickleTensors(PickleNodes& nodes, const PickleAllows& allows, const PickleStorages& source)
      : nodes_(nodes), allows_(allows), source_(source) {}

  /// The storage that a persistent id names: ('storage', class, key, location, numel[, view]).
  PickleNode storage(std::size_t at, Handle id) {
    const std::vector<Handle>& given = node(id).items;
    const auto is = [&](std::size_t i, Kind kind) { return node(given[i]).kind == kind; };
    if (node(id).kind != Kind::tuple || given.size() < 5 || given.size() > 6 || !is(0, Kind::text) ||
        node(given[0]).text != "storage" || !is(1, Kind::global) || !is(2, Kind::text) || !is(3, Kind::text) ||
        !is(4, Kind::integer))
      nodes_.refuse(at, "a persistent id that is no storage", "('storage', class, key, location, numel)");
    const PickledGlobal& type = nodes_.globals[static_cast<std::size_t>(node(given[1]).number)];
    PickledStorage asked{node(given[2]).text, node(given[3]).text, {}, node(given[4]).number, 0, given.size() == 6};
    if (type.global.is == PickleGlobal::Is::typed_storage)
      asked.element = type.global.element;
    else if (type.global.is != PickleGlobal::Is::untyped_storage)
      nodes_.refuse(at, concat(type.module, '.', type.name, " is no storage"));
    if (asked.key.empty() || asked.key.size() > 20 || asked.key.find_first_not_of("0123456789") != asked.key.npos)
      nodes_.refuse(at, "a storage key that is no number");
    if (asked.location == "meta") wrong(at, concat("storage ", asked.key, " has no data: its location is meta"));
    if (asked.numel < 0 || __builtin_mul_overflow(asked.numel, width(asked.element), &asked.bytes))
      wrong(at, concat("storage ", asked.key, " of ", asked.numel, " elements"));
    const std::size_t number = known(at, asked);
    if (given.size() == 5 || is(5, Kind::none)) return {Kind::storage, false, no_handle, to_number(number)};
    return {Kind::storage, false, no_handle, to_number(view(at, number, given[5]))};
  }

  /// A tensor or parameter of the arguments of one of the functions that make them.
  PickleNode rebuild(std::size_t at, PickleGlobal::Is function, const std::vector<Handle>& given) {
    using Is = PickleGlobal::Is;
    const bool is_tensor = function == Is::rebuild_tensor || function == Is::rebuild_untyped_tensor;
    return is_tensor ? tensor(at, function == Is::rebuild_untyped_tensor, given)
                     : parameter(at, function == Is::rebuild_parameter_with_state, given);
  }

  /// The handles of a tuple of integers >= 0.
  std::vector<Handle> extents(std::size_t at, Handle tuple) {
    for (const Handle item : node(tuple).items)
      if (node(item).kind != Kind::integer || node(item).number < 0)
        nodes_.refuse(at, "a size that is no natural number");
    nodes_.copying(at, node(tuple).items.size());
    return node(tuple).items;
  }

 private:
  using Kind = PickleNode::Kind;
  struct Known {
    PickledStorage said;
    Storage storage;
  };

  const PickleNode& node(Handle handle) const { return nodes_.nodes[handle]; }
  static Index width(std::optional<Element> element) { return element ? checkpoint::bytes(*element) : 1; }
  static std::int64_t to_number(std::size_t i) { return static_cast<std::int64_t>(i); }
  [[noreturn]] void wrong(std::size_t at, std::string_view why, std::string_view hint = {}) const {
    nodes_.refuse(at, why, hint, "SP-CHECKPOINT-005");
  }

  /// The storage of that key, which all who name it see as the same.
  std::size_t known(std::size_t at, const PickledStorage& asked) {
    const auto [found, is_new] = by_key_.try_emplace(asked.key, storages_.size());
    if (is_new) {
      storages_.push_back({asked, source_(asked)});
    } else if (const PickledStorage& said = storages_[found->second].said;
               said.element != asked.element || said.numel != asked.numel) {
      wrong(at, concat("storage ", asked.key, " is ", said.numel, " elements of ", type_name(said), ", and ",
                       asked.numel, " of ", type_name(asked)));
    }
    return found->second;
  }
  static std::string_view type_name(const PickledStorage& said) {
    return said.element ? name(*said.element) : std::string_view("bytes");
  }

  /// The part of a storage that old files name as one of its own: (key, offset, size).
  std::size_t view(std::size_t at, std::size_t whole, Handle tuple) {
    const std::vector<Handle>& given = node(tuple).items;
    if (node(tuple).kind != Kind::tuple || given.size() != 3 || node(given[1]).kind != Kind::integer ||
        node(given[2]).kind != Kind::integer)
      nodes_.refuse(at, "a view of a storage without key, offset and size");
    Known part = storages_[whole];
    const Index offset = node(given[1]).number, size = node(given[2]).number;
    if (offset < 0 || size < 0 || offset > part.said.numel || size > part.said.numel - offset)
      wrong(at, concat("a view of ", size, " elements at ", offset, " of a storage of ", part.said.numel));
    const Index unit = width(part.said.element);
    part.said.numel = size;
    part.said.bytes = size * unit;
    if (part.storage.part.size > 0)
      part.storage.part =
          part.storage.part.part(static_cast<std::size_t>(offset * unit), static_cast<std::size_t>(size * unit));
    storages_.push_back(std::move(part));
    return storages_.size() - 1;
  }

  Shape shape(std::size_t at, Handle tuple, std::string_view what) const {
    const PickleNode& of = node(tuple);
    if (of.kind != Kind::tuple && of.kind != Kind::size) nodes_.refuse(at, concat(what, " that are no tuple"));
    if (of.items.size() > 64) wrong(at, concat("a tensor of ", of.items.size(), " dimensions"), "at most 64");
    Shape out;
    for (const Handle item : of.items) {
      if (node(item).kind != Kind::integer) nodes_.refuse(at, concat(what, " that are no integers"));
      if (node(item).number < 0) wrong(at, concat(what, " below 0: ", node(item).number));
      out.push_back(node(item).number);
    }
    return out;
  }

  PickleNode tensor(std::size_t at, bool untyped, const std::vector<Handle>& given) {
    const std::size_t least = untyped ? 7 : 6;
    const auto is = [&](std::size_t i, Kind kind) { return node(given[i]).kind == kind; };
    if (given.size() < least || given.size() > least + 1 || !is(0, Kind::storage) || !is(1, Kind::integer) ||
        !is(4, Kind::boolean) || !is(5, Kind::dict) || (untyped && !is(6, Kind::global)))
      nodes_.refuse(at, "a tensor of other arguments than it takes",
                    "storage, offset, size, stride, requires_grad, hooks");
    const Known& from = storages_[static_cast<std::size_t>(node(given[0]).number)];
    StoredTensor out;
    if (untyped) {
      const PickledGlobal& type = nodes_.globals[static_cast<std::size_t>(node(given[6]).number)];
      if (type.global.is != PickleGlobal::Is::dtype) nodes_.refuse(at, "a tensor whose type is no dtype");
      out.element = type.global.element;
    } else if (from.said.element) {
      out.element = *from.said.element;
    } else {
      out.element = Element::uint8;
    }
    out.shape = shape(at, given[2], "sizes");
    out.strides = shape(at, given[3], "strides");
    out.offset = node(given[1]).number;
    out.storage = from.storage;
    check(at, out, from.said);
    Tensor made{std::move(out), std::string(from.said.key)};
    made.requires_grad = node(given[4]).number != 0;
    nodes_.tensors.push_back(std::move(made));
    return {Kind::tensor, false, no_handle, to_number(nodes_.tensors.size() - 1)};
  }

  /// Whether a tensor has a size that can be, and lies within its storage.
  void check(std::size_t at, const StoredTensor& tensor, const PickledStorage& storage) const {
    if (tensor.shape.size() != tensor.strides.size())
      wrong(at, concat(tensor.shape.size(), " sizes and ", tensor.strides.size(), " strides"));
    const Index unit = checkpoint::bytes(tensor.element), numel = storage.bytes / unit;
    Index extent = unit, last = tensor.offset;  // bytes, taking an empty dimension as one
    bool empty = false;
    for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
      const Index size = tensor.shape[d];
      Index reach = 0;
      if (__builtin_mul_overflow(extent, larger(size, 1), &extent) ||
          __builtin_mul_overflow(larger(size, 1) - 1, tensor.strides[d], &reach) ||
          __builtin_add_overflow(last, reach, &last))
        wrong(at, concat("a tensor of shape ", tensor.shape, " and strides ", tensor.strides, " does not fit 64 bits"));
      empty = empty || size == 0;
    }
    const auto shown = [&] {
      return concat("a tensor of shape ", tensor.shape, ", strides ", tensor.strides, ", offset ", tensor.offset,
                    " of ", name(tensor.element));
    };
    if (tensor.offset < 0 || (empty ? tensor.offset > numel : last >= numel))
      wrong(at, concat(shown(), " does not lie within storage ", storage.key, " of ", numel, " elements"));
    if (const Index count = extent / unit; !empty && count > numel && count > allows_.expanded_elements)
      wrong(at, concat(shown(), " shows ", count, " elements of ", numel),
            concat("at most ", allows_.expanded_elements, " where a storage holds fewer"));
  }

  PickleNode parameter(std::size_t at, bool with_state, const std::vector<Handle>& given) {
    const auto is = [&](std::size_t i, Kind kind) { return node(given[i]).kind == kind; };
    if (given.size() != (with_state ? 4U : 3U) || !is(0, Kind::tensor) || !is(1, Kind::boolean) || !is(2, Kind::dict))
      nodes_.refuse(at, "a parameter of other arguments than it takes", "tensor, requires_grad, hooks");
    Tensor made = nodes_.tensors[static_cast<std::size_t>(node(given[0]).number)];
    made.parameter = true;
    made.requires_grad = node(given[1]).number != 0;
    nodes_.tensors.push_back(std::move(made));
    return {Kind::tensor, false, with_state ? given[3] : node(given[0]).other, to_number(nodes_.tensors.size() - 1)};
  }

  PickleNodes& nodes_;
  PickleAllows allows_;
  const PickleStorages& source_;
  std::vector<Known> storages_{};
  std::map<std::string_view, std::size_t> by_key_{};
};

}  // namespace shardplan::checkpoint::detail
