#pragma once
#include <cstddef>
#include <initializer_list>

namespace shardplan {

/// A vector that keeps its first N elements in place and only then asks for memory.
/// Usable in constant expressions; a constexpr *object* must stay within N.
/// T: default-constructible and copyable. (g++ 12 cannot destroy a nested one in the initialiser of a constexpr object:
/// build such values inside a function. Moves are casts here: std::move is one more function to make for every T.)
template <class T, std::size_t N>
class InlineVector {
 public:
  using value_type = T;

  constexpr InlineVector() = default;
  constexpr InlineVector(std::initializer_list<T> items) { append(items); }
  constexpr explicit InlineVector(std::size_t count, const T& value = T{}) { resize(count, value); }
  /// Copies of the elements of any range with a size.
  template <class Range>
  requires requires(const Range& items) { items.begin(); }
  constexpr explicit InlineVector(const Range& items) { append(items); }
  constexpr InlineVector(const InlineVector& other) { append(other); }
  constexpr InlineVector(InlineVector&& other) noexcept { steal(other); }
  constexpr InlineVector& operator=(const InlineVector& other) { return *this = InlineVector(other); }
  constexpr InlineVector& operator=(InlineVector&& other) noexcept {
    if (this == &other) return *this;
    delete[] heap_;
    heap_ = nullptr;
    steal(other);
    return *this;
  }
  constexpr ~InlineVector() { delete[] heap_; }

  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T* data() { return heap_ ? heap_ : inline_; }
  constexpr const T* data() const { return heap_ ? heap_ : inline_; }
  constexpr T* begin() { return data(); }
  constexpr T* end() { return data() + size_; }
  constexpr const T* begin() const { return data(); }
  constexpr const T* end() const { return data() + size_; }
  constexpr T& operator[](std::size_t i) { return data()[i]; }
  constexpr const T& operator[](std::size_t i) const { return data()[i]; }
  constexpr const T& front() const { return data()[0]; }
  constexpr T& back() { return data()[size_ - 1]; }
  constexpr const T& back() const { return data()[size_ - 1]; }

  constexpr void push_back(T item) {
    if (size_ == capacity_) grow(capacity_ * 2);
    data()[size_++] = static_cast<T&&>(item);
  }
  constexpr void reserve(std::size_t count) {
    if (count > capacity_) grow(count);
  }
  constexpr void pop_back() { --size_; }
  constexpr void clear() { size_ = 0; }
  /// value: a copy, since it may be an element of this very vector.
  constexpr void resize(std::size_t count, T value = T{}) {
    reserve(count);
    for (std::size_t i = size_; i < count; ++i) data()[i] = value;
    size_ = count;
  }
  template <class Range>
  constexpr void append(const Range& items) {
    if (const std::size_t count = size_ + items.size(); count > capacity_)
      grow(count > capacity_ * 2 ? count : capacity_ * 2);
    for (const auto& item : items) data()[size_++] = item;
  }

  friend constexpr bool operator==(const InlineVector& a, const InlineVector& b) {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i < a.size_; ++i)
      if (!(a[i] == b[i])) return false;
    return true;
  }

 private:
  constexpr void grow(std::size_t capacity) {
    T* wider = new T[capacity]{};
    for (std::size_t i = 0; i < size_; ++i) wider[i] = static_cast<T&&>(data()[i]);
    delete[] heap_;
    heap_ = wider;
    capacity_ = capacity;
  }
  constexpr void steal(InlineVector& other) {
    if (other.heap_) {
      heap_ = other.heap_;
      capacity_ = other.capacity_;
      other.heap_ = nullptr;
      other.capacity_ = N;
    } else {
      capacity_ = N;
      for (std::size_t i = 0; i < other.size_; ++i) inline_[i] = static_cast<T&&>(other.inline_[i]);
    }
    size_ = other.size_;
    other.size_ = 0;
  }

  T inline_[N]{};
  T* heap_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = N;
};

}  // namespace shardplan
