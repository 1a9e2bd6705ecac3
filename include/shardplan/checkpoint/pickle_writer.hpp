#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shardplan/checkpoint/detail/little.hpp>
#include <shardplan/checkpoint/detail/pickle_opcodes.hpp>
#include <shardplan/checkpoint/pickle_globals.hpp>
#include <shardplan/checkpoint/refusal.hpp>
#include <shardplan/checkpoint/value.hpp>

/// Values as pickles of protocol 2, which every PyTorch reads (checkpoint sheet, 9.4).
namespace shardplan::checkpoint {

/// Writes one pickle. A tensor is written as a contiguous view of a storage of its own; what several places share is
/// written once and named again, so that Python finds one object there, too.
class PickleWriter {
 public:
  /// storage_key   (tensor): the number of its storage
  using StorageKeys = std::function<std::size_t(const std::shared_ptr<const Tensor>&)>;

  explicit PickleWriter(StorageKeys storage_key) : storage_key_(std::move(storage_key)) {}

  /// Errors   SP-CHECKPOINT-008 values nested deeper than 1000 levels, or with names of classes that are none
  std::string operator()(const Value& root) && {
    out_ = "\x80\x02";
    write(root);
    code(Opcode::stop);
    return std::move(out_);
  }

 private:
  using Opcode = detail::Opcode;

  void code(Opcode opcode) { out_ += static_cast<char>(opcode); }
  template <class T>
  void code(Opcode opcode, T number) {
    code(opcode);
    detail::append_little(out_, number);
  }

  void text(std::string_view text) {
    if (text.size() > std::numeric_limits<std::uint32_t>::max())
      fail("SP-CHECKPOINT-008", concat("a text of ", text.size(), " bytes"), "at most 4 GiB");
    code(Opcode::binunicode, static_cast<std::uint32_t>(text.size()));
    out_ += text;
  }
  void integer(Index number) {
    if (number >= 0 && number <= 0xFF) return code(Opcode::binint1, static_cast<std::uint8_t>(number));
    if (number >= 0 && number <= 0xFFFF) return code(Opcode::binint2, static_cast<std::uint16_t>(number));
    if (number == static_cast<std::int32_t>(number)) return code(Opcode::binint, static_cast<std::int32_t>(number));
    code(Opcode::long1, std::uint8_t{8});
    detail::append_little(out_, number);
  }
  void boolean(bool flag) { code(flag ? Opcode::newtrue : Opcode::newfalse); }

  /// Gives what was just written the next number of the memo.
  std::size_t memorise() {
    const std::size_t id = memorised_++;
    if (id <= 0xFF)
      code(Opcode::binput, static_cast<std::uint8_t>(id));
    else
      code(Opcode::long_binput, static_cast<std::uint32_t>(id));
    return id;
  }
  void recall(std::size_t id) {
    if (id <= 0xFF)
      code(Opcode::binget, static_cast<std::uint8_t>(id));
    else
      code(Opcode::long_binget, static_cast<std::uint32_t>(id));
  }
  /// Something that is written in full the first time only. write(): leaves one value on the stack
  template <class Write>
  void once(std::string_view what, Write&& write) {
    const auto [at, is_new] = constants_.try_emplace(std::string(what), memorised_);
    if (!is_new) return recall(at->second);
    write();
    at->second = memorise();
  }
  void constant(std::string_view word) {
    once(word, [&] { text(word); });
  }
  void global(std::string_view module, std::string_view name) {
    if (!detail::is_dotted(module) || !detail::is_dotted(name))
      fail("SP-CHECKPOINT-008", concat("no class ", shown(concat(module, '.', name))), "names of Python");
    once(concat(module, '\n', name, '\n'), [&] {
      code(Opcode::global);
      out_ += concat(module, '\n', name, '\n');
    });
  }

  template <class Items, class Write>
  void tuple(const Items& items, Write&& write_item) {
    const std::size_t count = items.size();
    if (count > 3) code(Opcode::mark);
    for (const auto& item : items) write_item(item);
    constexpr Opcode short_forms[] = {Opcode::empty_tuple, Opcode::tuple1, Opcode::tuple2, Opcode::tuple3};
    code(count > 3 ? Opcode::tuple : short_forms[count]);
  }
  void shape(const Shape& shape) {
    tuple(shape, [&](Index extent) { integer(extent); });
  }
  void items(const std::vector<Value>& items, Opcode add) {
    if (items.empty()) return;
    code(Opcode::mark);
    for (const Value& item : items) write(item);
    code(add);
  }
  void entries(const Dict& dict) {
    if (dict.size() == 0) return;
    code(Opcode::mark);
    for (const auto& [key, value] : dict.entries()) {
      write(key);
      write(value);
    }
    code(Opcode::setitems);
  }
  /// function(first, second), both texts
  void call(std::string_view module, std::string_view name, std::string_view first, std::string_view second = {}) {
    global(module, name);
    text(first);
    if (second.empty()) {
      code(Opcode::tuple1);
    } else {
      constant(second);
      code(Opcode::tuple2);
    }
    code(Opcode::reduce);
  }
  void ordered_dict() {
    global("collections", "OrderedDict");
    code(Opcode::empty_tuple);
    code(Opcode::reduce);
  }

  /// A value that others may share, written once. write(): leaves it on the stack, calling `made` as soon as it exists
  template <class T, class Write>
  bool shared(const Value& value, Write&& write) {
    const std::shared_ptr<const T> at = value.shared<T>();
    if (!at) return false;
    if (const auto known = objects_.find(at.get()); known != objects_.end()) {
      recall(known->second);
    } else {
      write(*at, [&] { objects_.emplace(at.get(), memorise()); });
    }
    return true;
  }

  void write(const Value& value) {
    constexpr int deepest = 1000;
    if (++depth_ > deepest)
      fail("SP-CHECKPOINT-008", concat("values nested deeper than ", deepest, " levels cannot be written"));
    write_any(value);
    --depth_;
  }

  void write_any(const Value& value) {
    if (value.is_none()) return code(Opcode::none);
    if (const bool* flag = value.as<bool>()) return boolean(*flag);
    if (const Index* number = value.as<Index>()) return integer(*number);
    if (const double* real = value.as<double>()) {
      const auto bits = std::bit_cast<std::uint64_t>(*real);
      code(Opcode::binfloat);
      for (int i = 8; i-- > 0;) out_ += static_cast<char>(bits >> (8 * i) & 0xFF);
      return;
    }
    if (const Element* element = value.as<Element>()) return global("torch", name(*element));
    if (const auto* words = value.as<std::string>()) return text(*words);
    if (const auto* big = value.as<BigInteger>()) {
      if (big->bytes.size() <= 0xFF)
        code(Opcode::long1, static_cast<std::uint8_t>(big->bytes.size()));
      else
        code(Opcode::long4, static_cast<std::uint32_t>(big->bytes.size()));
      out_ += big->bytes;
      return;
    }
    if (const auto* size = value.as<Size>()) {
      global("torch", "Size");
      shape(size->shape);
      code(Opcode::tuple1);
      return code(Opcode::reduce);
    }
    if (const auto* device = value.as<Device>()) return call("torch", "device", device->name);
    if (const auto* tuple_of = value.as<Tuple>())
      return tuple(tuple_of->items, [&](const Value& item) { write(item); });
    const bool written =
        shared<Tensor>(value, [&](const Tensor&, auto made) { tensor(value.shared<Tensor>()), made(); }) ||
        shared<Dict>(value, [&](const Dict& dict, auto made) { write_dict(dict), made(), fill(dict); }) ||
        shared<List>(value,
                     [&](const List& list, auto made) {
                       code(Opcode::empty_list);
                       made();
                       items(list.items, Opcode::appends);
                     }) ||
        shared<Set>(value,
                    [&](const Set& set, auto made) {
                      global("__builtin__", "set");
                      code(Opcode::empty_list);
                      items(set.items, Opcode::appends);
                      code(Opcode::tuple1);
                      code(Opcode::reduce);
                      made();
                    }) ||
        shared<Bytes>(value, [&](const Bytes& bytes, auto made) { write_bytes(bytes), made(); }) ||
        shared<TensorReference>(value, [&](const TensorReference& one, auto made) { reference(one), made(); }) ||
        shared<Object>(value, [&](const Object& object, auto made) { write_object(object, made); });
    if (!written) fail("SP-CHECKPOINT-008", "a value of a kind that cannot be written");
  }

  void write_dict(const Dict& dict) {
    if (dict.ordered)
      ordered_dict();
    else
      code(Opcode::empty_dict);
  }
  void fill(const Dict& dict) {
    entries(dict);
    if (!dict.ordered || dict.attributes.is_none()) return;
    write(dict.attributes);
    code(Opcode::build);
  }

  /// Protocol 2 has no bytes: they are a text of code points below 256.
  void write_bytes(const Bytes& bytes) {
    std::string words;
    words.reserve(bytes.data.size());
    for (const char one : bytes.data) {
      const auto byte = static_cast<unsigned char>(one);
      if (byte >= 0x80) words += static_cast<char>(0xC0 | byte >> 6);
      words += byte < 0x80 ? one : static_cast<char>(0x80 | (byte & 0x3F));
    }
    if (bytes.mutable_array)
      call("__builtin__", "bytearray", words, "latin-1");
    else
      call("_codecs", "encode", words, "latin1");
  }

  void reference(const TensorReference& one) {
    global(one.module, one.name);
    code(Opcode::empty_tuple);
    code(Opcode::newobj);
    code(Opcode::empty_dict);
    code(Opcode::mark);
    constant("tid"), integer(one.tid);
    if (one.shape) constant("shape"), write(Size{*one.shape});
    if (one.element) constant("dtype"), write(*one.element);
    if (one.expert_model_parallel) constant("expert_model_parallel"), boolean(*one.expert_model_parallel);
    code(Opcode::setitems);
    code(Opcode::build);
  }

  template <class Made>
  void write_object(const Object& object, Made&& made) {
    global(object.module, object.name);
    if (object.made == Object::Made::is_class) return;
    write(object.arguments);
    code(object.made == Object::Made::by_call ? Opcode::reduce : Opcode::newobj);
    made();
    if (const Dict* dict = object.entries.as<Dict>()) entries(*dict);
    if (!object.has_state) return;
    write(object.state);
    code(Opcode::build);
  }

  void tensor(const std::shared_ptr<const Tensor>& tensor) {
    const bool has_state = !tensor->attributes.is_none();
    if (tensor->parameter) {
      global("torch._utils", has_state ? "_rebuild_parameter_with_state" : "_rebuild_parameter");
      if (has_state) code(Opcode::mark);
      plain_tensor(tensor);
      boolean(tensor->requires_grad);
      ordered_dict();
      if (has_state) write(tensor->attributes);
      code(has_state ? Opcode::tuple : Opcode::tuple3);
      return code(Opcode::reduce);
    }
    if (!has_state) return plain_tensor(tensor);
    global("torch._tensor", "_rebuild_from_type_v2");
    code(Opcode::mark);
    tensor_arguments(tensor, "torch", "Tensor");
    write(tensor->attributes);
    code(Opcode::tuple);
    code(Opcode::reduce);
  }
  void plain_tensor(const std::shared_ptr<const Tensor>& tensor) {
    tensor_arguments(tensor, {}, {});
    code(Opcode::reduce);
  }
  /// The function that makes a tensor, a type where one is named, and the function's arguments.
  void tensor_arguments(const std::shared_ptr<const Tensor>& tensor, std::string_view module, std::string_view type) {
    const StoredTensor& stored = tensor->stored;
    const std::string_view storage = info(stored.element).storage;
    const Index numel = elements(stored.shape);
    global("torch._utils", storage.empty() ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
    if (!type.empty()) global(module, type);
    code(Opcode::mark);
    code(Opcode::mark);
    constant("storage");
    if (storage.empty())
      global("torch.storage", "UntypedStorage");
    else
      global("torch", storage);
    text(concat(storage_key_(tensor)));
    constant("cpu");
    integer(storage.empty() ? checked_mul(numel, bytes(stored.element)) : numel);
    code(Opcode::tuple);
    code(Opcode::binpersid);
    integer(0);
    shape(stored.shape);
    shape(row_major_strides(stored.shape));
    boolean(tensor->requires_grad && !tensor->parameter);
    ordered_dict();
    if (storage.empty()) global("torch", name(stored.element));
    code(Opcode::tuple);
  }

  StorageKeys storage_key_;
  std::string out_;
  std::size_t memorised_ = 0;
  int depth_ = 0;
  std::map<std::string, std::size_t, std::less<>> constants_;
  std::map<const void*, std::size_t> objects_;
};

}  // namespace shardplan::checkpoint
