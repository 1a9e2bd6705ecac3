#pragma once
#include <charconv>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/checkpoint/value.hpp>

/// Values as text: the second half of value.hpp.
namespace shardplan::checkpoint {

inline std::string BigInteger::decimal() const {
  const bool negative = !bytes.empty() && (static_cast<unsigned char>(bytes.back()) & 0x80) != 0;
  std::string magnitude = bytes;
  unsigned carry = 1;
  for (char& byte : magnitude) {
    if (!negative) break;
    carry += static_cast<unsigned char>(~static_cast<unsigned char>(byte));
    byte = static_cast<char>(carry & 0xFF);
    carry >>= 8;
  }
  std::string out;
  while (!magnitude.empty()) {
    unsigned rest = 0;
    for (std::size_t i = magnitude.size(); i-- > 0;) {
      rest = rest << 8 | static_cast<unsigned char>(magnitude[i]);
      magnitude[i] = static_cast<char>(rest / 10);
      rest %= 10;
    }
    out += static_cast<char>('0' + rest);
    while (!magnitude.empty() && magnitude.back() == 0) magnitude.pop_back();
  }
  if (out.empty()) out = "0";
  if (negative) out += '-';
  return {out.rbegin(), out.rend()};
}

namespace detail {

inline void append_items(std::string& out, const std::vector<Value>& items, std::string_view open,
                         std::string_view close) {
  out += open;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    append_to(out, items[i]);
  }
  out += close;
}

/// A text in quotes, control characters escaped.
inline void append_quoted(std::string& out, std::string_view text, bool bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += '\'';
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '\'' || letter == '\\') {
      out += {'\\', letter};
    } else if (byte < 0x20 || byte == 0x7F || (bytes && byte >= 0x80)) {
      out += concat("\\x", digits[byte >> 4], digits[byte & 15]);
    } else {
      out += letter;
    }
  }
  out += '\'';
}

}  // namespace detail

inline void append_to(std::string& out, const Value& value) {
  if (value.is_none()) {
    out += "None";
  } else if (const bool* flag = value.as<bool>()) {
    out += *flag ? "True" : "False";
  } else if (const Index* number = value.as<Index>()) {
    append_to(out, *number);
  } else if (const double* real = value.as<double>()) {
    char digits[32];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), *real).ptr;
    const std::string_view text(digits, static_cast<std::size_t>(end - digits));
    out += concat(text, text.find_first_not_of("-0123456789") == text.npos ? ".0" : "");
  } else if (const Element* element = value.as<Element>()) {
    out += concat("torch.", name(*element));
  } else if (const auto* big = value.as<BigInteger>()) {
    out += big->decimal();
  } else if (const auto* text = value.as<std::string>()) {
    detail::append_quoted(out, *text, false);
  } else if (const auto* bytes = value.as<Bytes>()) {
    out += bytes->mutable_array ? "bytearray(b" : "b";
    detail::append_quoted(out, bytes->data, true);
    if (bytes->mutable_array) out += ')';
  } else if (const auto* list = value.as<List>()) {
    detail::append_items(out, list->items, "[", "]");
  } else if (const auto* tuple = value.as<Tuple>()) {
    detail::append_items(out, tuple->items, "(", tuple->items.size() == 1 ? ",)" : ")");
  } else if (const auto* set = value.as<Set>()) {
    detail::append_items(out, set->items, set->items.empty() ? "set(" : "{", set->items.empty() ? ")" : "}");
  } else if (const auto* dict = value.as<Dict>()) {
    out += '{';
    for (const auto& [key, item] : dict->entries())
      out += concat(&key == &dict->entries()[0].key ? "" : ", ", key, ": ", item);
    out += '}';
  } else if (const auto* size = value.as<Size>()) {
    out += concat("torch.Size(", size->shape, ')');
  } else if (const auto* device = value.as<Device>()) {
    out += concat("device(", device->name, ')');
  } else if (const auto* reference = value.as<TensorReference>()) {
    out += concat(reference->name, "(tid=", reference->tid, ')');
  } else if (const auto* object = value.as<Object>()) {
    out += concat(object->module, '.', object->name);
    if (object->made != Object::Made::is_class) append_to(out, object->arguments);
    if (object->has_state) out += concat(" with ", object->state);
  } else if (const auto* tensor = value.as<Tensor>()) {
    out += concat(tensor->parameter ? "Parameter(" : "tensor(", name(tensor->stored.element), ", ",
                  tensor->stored.shape, ')');
  }
}

}  // namespace shardplan::checkpoint
