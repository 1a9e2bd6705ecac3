#pragma once
#include <shardplan/core/arithmetic.hpp>
#include <shardplan/core/diagnostic.hpp>

namespace shardplan::tensor::detail {

/// Findings about one subject, all worded the same way.
class Check {
 public:
  explicit Check(std::string_view subject) : subject_(subject) {}

  /// Finds fault `id` where `wrong`; `message` follows the name of the subject.
  void refuse_if(bool wrong, std::string_view id, std::string_view message, std::string_view hint = {},
                 Keys keys = {}) {
    if (wrong) out_.push_back(finding(id, concat(subject_, ": ", message), hint, keys));
  }

  /// Finds fault `id` unless `size`, called `what`, is a multiple of `unit` > 0.
  void multiple(std::string_view id, std::string_view what, Index size, Index unit, Keys keys) {
    if (size % unit == 0) return;
    refuse_if(true, id, concat(what, " (", size, ") is not a multiple of ", unit),
              concat(multiples_near(size, unit), ", or a divisor such as ", nearest_divisors(size, unit).below,
                     " instead of ", unit),
              keys);
  }

  /// Finds fault unless `size`, called `what`, counts something.
  void positive(std::string_view what, Index size) {
    refuse_if(size < 1, "SP-TENSOR-011", concat(what, " is ", size), "at least 1");
  }

  void append(const Diagnostics& others) { out_.append(others); }

  bool clean() const { return out_.empty(); }
  Diagnostics take() { return std::move(out_); }

 private:
  std::string_view subject_;
  Diagnostics out_;
};

/// Throws all findings if one of them is an error.
inline void throw_errors(Diagnostics all) {
  if (has_errors(all)) throw Error(std::move(all));
}

}  // namespace shardplan::tensor::detail
