#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/detail/little.hpp>
#include <shardplan/checkpoint/detail/pickle_nodes.hpp>
#include <shardplan/checkpoint/detail/pickle_opcodes.hpp>
#include <shardplan/checkpoint/detail/pickle_tensors.hpp>
#include <shardplan/checkpoint/pickle_globals.hpp>
#include <shardplan/checkpoint/refusal.hpp>

/// The stack machine of pickle.hpp.
namespace shardplan::checkpoint::detail {

class PickleMachine {
 public:
  /// bytes   from the first of the pickle to the last that can belong to it, at `offset` of the file `path`
  PickleMachine(std::string_view bytes, std::string_view path, std::size_t offset, const PickleAllows& allows,
                const PickleStorages& storages)
      : bytes_(bytes), allows_(allows), nodes_{path, offset, bytes.size()}, tensors_(nodes_, allows, storages) {
    if (bytes_.size() >= no_handle) refuse("a pickle of 4 GiB");
  }
  PickleMachine(const PickleMachine&) = delete;
  PickleMachine& operator=(const PickleMachine&) = delete;

  const PickleNodes& nodes() const { return nodes_; }
  std::size_t position() const { return at_; }

  /// Runs up to STOP. Post: the node that is the result.
  Handle run() {
    if (bytes_.size() < 2 || bytes_[0] != '\x80') refuse("no pickle of protocol 2 or newer");
    for (;;) {
      opcode_ = at_;
      const auto code = static_cast<Opcode>(take<std::uint8_t>());
      if (code == Opcode::stop) break;
      step(code);
    }
    if (!marks_.empty() || stack_.size() != 1) refuse(concat(stack_.size(), " values at the end"));
    return stack_[0];
  }

 private:
  using Kind = PickleNode::Kind;
  using Is = PickleGlobal::Is;
  static constexpr std::size_t deepest = 1000;  // marks that are open at one time would all be levels of one value

  [[noreturn]] void refuse(std::string_view why, std::string_view hint = {}) const {
    nodes_.refuse(opcode_, why, hint);
  }

  void step(Opcode code) {
    switch (code) {
      case Opcode::proto: {
        const auto protocol = take<std::uint8_t>();
        if (opcode_ != 0 || protocol < 2 || protocol > 5) refuse(concat("protocol ", protocol), "2 to 5");
        return;
      }
      case Opcode::frame:
        if (take<std::uint64_t>() > bytes_.size() - at_) refuse("a frame longer than the pickle");
        return;
      case Opcode::mark:
        if (marks_.size() >= deepest) refuse(concat("more than ", deepest, " open marks"));
        return marks_.push_back(stack_.size());
      case Opcode::pop:
        if (!marks_.empty() && stack_.size() == marks_.back()) return marks_.pop_back();
        pop();
        return;
      case Opcode::pop_mark:
        return static_cast<void>(pop_to_mark());
      case Opcode::dup:
        return stack_.push_back(top());
      case Opcode::none:
        return push({Kind::none});
      case Opcode::newtrue:
      case Opcode::newfalse:
        return push({Kind::boolean, false, no_handle, code == Opcode::newtrue});
      case Opcode::binint:
        return push_integer(std::bit_cast<std::int32_t>(take<std::uint32_t>()));
      case Opcode::binint1:
        return push_integer(take<std::uint8_t>());
      case Opcode::binint2:
        return push_integer(take<std::uint16_t>());
      case Opcode::long1:
        return push_long(take_text(take<std::uint8_t>()));
      case Opcode::long4: {
        const auto size = take<std::uint32_t>();
        if (size > 1024) refuse(concat("an integer of ", size, " bytes"), "at most 1024");
        return push_long(take_text(size));
      }
      case Opcode::binfloat: {
        std::uint64_t bits = 0;
        for (int i = 0; i < 8; ++i) bits = bits << 8 | take<std::uint8_t>();
        return push({Kind::real, false, no_handle, std::bit_cast<std::int64_t>(bits)});
      }
      case Opcode::short_binunicode:
      case Opcode::short_binstring:
        return push_text(take_text(take<std::uint8_t>()));
      case Opcode::binunicode:
        return push_text(take_text(take<std::uint32_t>()));
      case Opcode::binunicode8:
        return push_text(take_text(take<std::uint64_t>()));
      case Opcode::short_binbytes:
        return push({Kind::bytes, false, no_handle, 0, take_text(take<std::uint8_t>())});
      case Opcode::binbytes:
        return push({Kind::bytes, false, no_handle, 0, take_text(take<std::uint32_t>())});
      case Opcode::empty_list:
        return push({Kind::list});
      case Opcode::empty_tuple:
        return push({Kind::tuple});
      case Opcode::empty_dict:
        return push({Kind::dict});
      case Opcode::empty_set:
        return push({Kind::set});
      case Opcode::tuple:
        return push_items(Kind::tuple, pop_to_mark());
      case Opcode::tuple1:
      case Opcode::tuple2:
      case Opcode::tuple3:
        return push_items(Kind::tuple, pop_many(static_cast<std::size_t>(code) - 0x84));
      case Opcode::append:
        return add_items(Kind::list, pop_many(1));
      case Opcode::appends:
        return add_items(Kind::list, pop_to_mark());
      case Opcode::additems:
        return add_items(Kind::set, pop_to_mark());
      case Opcode::setitem:
        return set_items(pop_many(2));
      case Opcode::setitems:
        return set_items(pop_to_mark());
      case Opcode::binput:
        return put(take<std::uint8_t>());
      case Opcode::long_binput:
        return put(take<std::uint32_t>());
      case Opcode::memoize:
        return put(memorised_);
      case Opcode::binget:
        return get(take<std::uint8_t>());
      case Opcode::long_binget:
        return get(take<std::uint32_t>());
      case Opcode::global: {
        const std::string_view module = take_line();
        return push_global(module, take_line());
      }
      case Opcode::stack_global: {
        const std::vector<Handle> names = pop_many(2);
        if (node(names[0]).kind != Kind::text || node(names[1]).kind != Kind::text) refuse("a name that is no text");
        return push_global(node(names[0]).text, node(names[1]).text);
      }
      case Opcode::binpersid:
        return push(tensors_.storage(opcode_, pop()));
      case Opcode::reduce: {
        const Handle arguments = pop();
        return call(pop(), arguments);
      }
      case Opcode::newobj: {
        const Handle arguments = pop();
        return make(pop(), arguments);
      }
      case Opcode::build:
        return build(pop());
      case Opcode::stop:
        break;
    }
    refuse(concat("opcode ", static_cast<int>(code), " is not among those that torch files need"));
  }

  // Bytes

  template <class T>
  T take() {
    if (bytes_.size() - at_ < sizeof(T)) refuse("the pickle ends in the middle");
    const T out = little<T>(bytes_, at_);
    at_ += sizeof(T);
    return out;
  }
  std::string_view take_text(std::uint64_t size) {
    if (size > bytes_.size() - at_) refuse(concat(size, " bytes where ", bytes_.size() - at_, " are left"));
    const std::string_view out = bytes_.substr(at_, static_cast<std::size_t>(size));
    at_ += out.size();
    return out;
  }
  std::string_view take_line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == bytes_.npos) refuse("a name without an end");
    const std::string_view out = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return out;
  }

  // Stack and memo

  PickleNode& node(Handle handle) { return nodes_.nodes[handle]; }
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Handle top() const {
    if (stack_.size() <= floor()) refuse("it needs a value that is not there");
    return stack_.back();
  }
  Handle pop() {
    const Handle out = top();
    stack_.pop_back();
    return out;
  }
  std::vector<Handle> pop_many(std::size_t count) {
    if (stack_.size() - floor() < count) refuse("it needs more values than there are");
    const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<Handle> out(first, stack_.end());
    stack_.erase(first, stack_.end());
    return out;
  }
  std::vector<Handle> pop_to_mark() {
    if (marks_.empty()) refuse("it needs a mark that is not there");
    std::vector<Handle> out = pop_many(stack_.size() - marks_.back());
    marks_.pop_back();
    return out;
  }
  void push(PickleNode made) {
    stack_.push_back(static_cast<Handle>(nodes_.nodes.size()));
    nodes_.nodes.push_back(std::move(made));
  }
  void push_items(Kind kind, std::vector<Handle> items) { push({kind, false, no_handle, 0, {}, std::move(items)}); }
  void put(std::uint32_t id) {
    // Nobody needs more numbers than there are opcodes.
    if (id >= bytes_.size()) refuse(concat("memo number ", id, " in a pickle of ", bytes_.size(), " bytes"));
    if (id >= memo_.size()) memo_.resize(id + std::size_t{1}, no_handle);
    if (memo_[id] == no_handle) ++memorised_;
    memo_[id] = top();
  }
  void get(std::uint32_t id) {
    if (id >= memo_.size() || memo_[id] == no_handle) refuse(concat("memo number ", id, " was never put"));
    stack_.push_back(memo_[id]);
  }

  // Values

  void push_integer(std::int64_t number) { push({Kind::integer, false, no_handle, number}); }
  void push_long(std::string_view twos_complement) {
    const auto sign = [&](std::size_t i) { return (static_cast<unsigned char>(twos_complement[i]) & 0x80) != 0; };
    // As short as it can be, so that equal numbers are equal bytes.
    for (std::size_t size = twos_complement.size(); size > 1; --size) {
      if (twos_complement[size - 1] != (sign(size - 2) ? '\xFF' : '\0')) break;
      twos_complement.remove_suffix(1);
    }
    if (twos_complement.size() > 8) return push({Kind::big, false, no_handle, 0, twos_complement});
    std::uint64_t out = !twos_complement.empty() && sign(twos_complement.size() - 1) ? ~std::uint64_t{0} : 0;
    for (std::size_t i = twos_complement.size(); i-- > 0;)
      out = out << 8 | static_cast<unsigned char>(twos_complement[i]);
    push_integer(std::bit_cast<std::int64_t>(out));
  }
  void push_text(std::string_view text) {
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t length = utf8_length(rest);
      if (length == 0) refuse("a text that is not UTF-8");
      rest.remove_prefix(length);
    }
    push({Kind::text, false, no_handle, 0, text});
  }
  void push_global(std::string_view module, std::string_view name) {
    const std::optional<PickleGlobal> found = pickle_global(module, name, allows_);
    if (!found) {
      refuse(concat("it names ", shown(module), ' ', shown(name), ", which is not on the list of what is read"),
             allows_.objects ? "remove the object from the checkpoint"
                             : "tensors and plain values; objects of known packages where the caller allows them");
    }
    push({Kind::global, false, no_handle, static_cast<std::int64_t>(nodes_.globals.size())});
    nodes_.globals.push_back({module, name, *found});
  }
  void add_items(Kind kind, const std::vector<Handle>& items) {
    PickleNode& to = node(top());
    if (to.kind != kind) refuse("it adds to something that is no list or set");
    to.items.insert(to.items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<Handle>& items) {
    PickleNode& to = node(top());
    if (to.kind != Kind::dict && to.kind != Kind::object) refuse("it sets an item of something that is no dict");
    if (items.size() % 2 != 0) refuse("a key without a value");
    to.items.insert(to.items.end(), items.begin(), items.end());
  }

  // Calls

  const PickledGlobal& called(Handle function) {
    const PickleNode& of = node(function);
    if (of.kind != Kind::global) refuse("it calls something that is no function");
    return nodes_.globals[static_cast<std::size_t>(of.number)];
  }
  void push_object(Handle of, Handle arguments, bool by_call) {
    push({Kind::object, by_call, no_handle, node(of).number, {}, {arguments}});
  }

  void call(Handle function, Handle arguments) {
    const PickledGlobal& of = called(function);
    if (node(arguments).kind != Kind::tuple) refuse("the arguments of a call are no tuple");
    const std::vector<Handle>& given = node(arguments).items;
    const auto is = [&](std::size_t i, Kind kind) { return i < given.size() && node(given[i]).kind == kind; };
    const auto wrong = [&]() { refuse(concat(of.module, '.', of.name, " of other arguments than it takes")); };
    switch (of.global.is) {
      case Is::ordered_dict:
        if (!given.empty()) wrong();
        return push({Kind::dict, true});
      case Is::set:
        if (given.size() > 1 || (given.size() == 1 && !is(0, Kind::list))) wrong();
        if (!given.empty()) nodes_.copying(opcode_, node(given[0]).items.size());
        return push_items(Kind::set, given.empty() ? std::vector<Handle>{} : node(given[0]).items);
      case Is::size:
        if (given.size() != 1 || !is(0, Kind::tuple)) wrong();
        return push_items(Kind::size, tensors_.extents(opcode_, given[0]));
      case Is::device: {
        if (given.empty() || given.size() > 2 || !is(0, Kind::text) || (given.size() == 2 && !is(1, Kind::integer)) ||
            node(given[0]).text.size() > 64)
          wrong();
        std::string& name = nodes_.owned.emplace_back(node(given[0]).text);
        if (given.size() == 2) name += concat(':', node(given[1]).number);
        return push({Kind::device, false, no_handle, 0, name});
      }
      case Is::encode:
        if (given.size() != 2 || !is(0, Kind::text) || !is(1, Kind::text) ||
            (node(given[1]).text != "latin1" && node(given[1]).text != "latin-1"))
          wrong();
        return push({Kind::bytes, false, no_handle, 0, nodes_.latin1(opcode_, node(given[0]).text)});
      case Is::bytes:
        if (!given.empty()) wrong();
        return push({Kind::bytes});
      case Is::bytearray:
        if (given.empty()) return push({Kind::bytes, true});
        if (given.size() == 1 && is(0, Kind::bytes)) {
          nodes_.copying(opcode_, node(given[0]).text.size());
          return push({Kind::bytes, true, no_handle, 0, node(given[0]).text});
        }
        if (given.size() != 2 || !is(0, Kind::text)) wrong();
        return push({Kind::bytes, true, no_handle, 0, nodes_.latin1(opcode_, node(given[0]).text)});
      case Is::rebuild_tensor:
      case Is::rebuild_untyped_tensor:
      case Is::rebuild_parameter:
      case Is::rebuild_parameter_with_state:
        return push(tensors_.rebuild(opcode_, of.global.is, given));
      case Is::rebuild_from_type: {
        if (given.size() != 4 || !is(0, Kind::global) || !is(1, Kind::global) || !is(2, Kind::tuple)) wrong();
        const Is inner = called(given[0]).global.is;
        if (inner < Is::rebuild_tensor || inner > Is::rebuild_parameter_with_state ||
            called(given[1]).global.is != Is::tensor_type)
          wrong();
        PickleNode made = tensors_.rebuild(opcode_, inner, node(given[2]).items);
        made.other = given[3];
        return push(std::move(made));
      }
      case Is::attribute:
        if (given.size() != 2 || !is(0, Kind::global) || called(given[0]).global.is != Is::enumeration ||
            !is(1, Kind::text))
          wrong();
        return push_object(function, arguments, true);
      case Is::object:
      case Is::enumeration:
        return push_object(function, arguments, true);
      case Is::typed_storage:
      case Is::untyped_storage:
      case Is::dtype:
      case Is::tensor_type:
      case Is::reference:
      case Is::object_class:
        break;
    }
    refuse(concat(of.module, '.', of.name, " is nothing to call"));
  }

  void make(Handle type, Handle arguments) {
    const PickledGlobal& of = called(type);
    if (node(arguments).kind != Kind::tuple) refuse("the arguments of a call are no tuple");
    if (of.global.is == Is::object) return push_object(type, arguments, false);
    if (of.global.is != Is::reference || !node(arguments).items.empty())
      refuse(concat("an object of ", of.module, '.', of.name));
    push({Kind::reference, false, no_handle, node(type).number});
  }

  void build(Handle state) {
    PickleNode& of = node(top());
    const bool takes = of.kind == Kind::object || ((of.kind == Kind::reference || (of.kind == Kind::dict && of.flag)) &&
                                                   node(state).kind == Kind::dict);
    if (!takes || of.other != no_handle) refuse("a state for something that has none");
    of.other = state;
  }

  std::string_view bytes_;
  PickleAllows allows_;
  PickleNodes nodes_;
  PickleTensors tensors_;
  std::size_t at_ = 0;
  std::size_t opcode_ = 0;
  std::vector<Handle> stack_{};
  std::vector<std::size_t> marks_{};
  std::vector<Handle> memo_{};
  std::uint32_t memorised_ = 0;
};

}  // namespace shardplan::checkpoint::detail
