#pragma once
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <shardplan/core/shape.hpp>
#include <shardplan/mesh/group.hpp>

/// Recorded figures as cases: what was read of a file, what differs, and which case it belongs to.
namespace conformance {

using Json = nlohmann::json;
using shardplan::Index;

/// Keys that say something to people and nothing to a program.
inline bool is_commentary(std::string_view key) {
  for (const std::string_view known : {"note", "description", "source", "sources", "text", "reason", "type", "why",
                                       "detail", "nxd_limit_only", "torch"})
    if (key == known) return true;
  return false;
}

struct Difference {
  std::string path;
  std::string expected;
  std::string got;
};

/// One file. Its cases are the elements of every top-level list of objects and the entries of `files`; number 0 is the
/// file itself, which counts where it records anything outside of them.
class Document {
 public:
  struct Case {
    std::string path;
    const Json* json;
    const Json* list = nullptr;  ///< that it is an element of
    bool counts = true;
    bool covered = true;
    std::vector<Difference> differences{};
  };

  Document(Json json, std::string conf) : json_(std::move(json)), conf_(std::move(conf)) {
    cases_.push_back({"", &json_, nullptr, false});
    if (!json_.is_object()) return;
    for (const auto& [key, value] : json_.items()) {
      if (!holds_cases(key, value)) continue;
      for (const auto& [name, element] : value.items())
        cases_.push_back({key + (value.is_array() ? '[' + name + ']' : '.' + name), &element, &value});
    }
  }
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  static bool holds_cases(const std::string& key, const Json& value) {
    if (key == "files" && value.is_object()) return !value.empty();
    if (!value.is_array() || value.empty()) return false;
    for (const Json& element : value)
      if (!element.is_object()) return false;
    return true;
  }

  /// Whether anything is recorded besides the lists of cases.
  bool records_more() const {
    if (!json_.is_object() || cases_.size() == 1) return true;
    for (const auto& [key, value] : json_.items())
      if (key != "schema" && key != "case" && !is_commentary(key) && !holds_cases(key, value)) return true;
    return false;
  }

  const Json& json() const { return json_; }
  const std::string& conf() const { return conf_; }
  std::vector<Case>& cases() { return cases_; }
  std::size_t case_of(const Json* element) const {
    for (std::size_t i = 1; i < cases_.size(); ++i)
      if (cases_[i].json == element) return i;
    return 0;
  }

  void mark(const Json* field) { read_.insert(field); }
  bool is_read(const Json* field) const { return read_.count(field) > 0; }
  void differ(std::size_t of_case, std::string path, std::string expected, std::string got) {
    cases_[of_case].differences.push_back({std::move(path), std::move(expected), std::move(got)});
  }

 private:
  Json json_;
  std::string conf_;  ///< folder of the configurations that some files refer to
  std::vector<Case> cases_;
  std::unordered_set<const Json*> read_;
};

/// A place in a file. Every access marks what it reaches; what nobody reached fails its case in the end.
class Field {
 public:
  explicit Field(Document& document) : Field(document, document.json(), "", 0) {}
  /// One case of a file.
  Field(Document& document, std::size_t of_case)
      : Field(document, *document.cases()[of_case].json, document.cases()[of_case].path, of_case) {
    if (const Json* list = document.cases()[of_case].list) document.mark(list);
    document.mark(json_);
  }

  const Json& json() const { return *json_; }
  const Json& file() const { return document_->json(); }
  const std::string& path() const { return path_; }
  const std::string& conf() const { return document_->conf(); }
  bool is_null() const { return json_->is_null(); }
  std::size_t size() const { return json_->size(); }
  bool has(const std::string& key) const { return json_->is_object() && json_->contains(key); }
  /// Whether there is a value other than null.
  bool gives(const std::string& key) const { return has(key) && !peek(key).is_null(); }
  /// A look at a member that does not count as reading it.
  const Json& peek(const std::string& key) const {
    static const Json nothing;
    return has(key) ? json_->at(key) : nothing;
  }

  Field operator[](const std::string& key) const {
    if (!has(key)) throw std::runtime_error(path_ + " has no field '" + key + "'");
    return step(json_->at(key), path_.empty() ? key : path_ + '.' + key);
  }
  Field operator[](std::size_t i) const { return step(json_->at(i), path_ + '[' + std::to_string(i) + ']'); }

  std::vector<Field> elements() const {
    std::vector<Field> out;
    for (std::size_t i = 0; i < json_->size(); ++i) out.push_back((*this)[i]);
    return out;
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> out;
    for (const auto& [key, value] : json_->items()) out.push_back(key);
    return out;
  }

  /// The value, all of it read. Throws where it has another type.
  template <class T>
  T as() const {
    mark_all();
    try {
      return json_->get<T>();
    } catch (const Json::exception&) {
      throw std::runtime_error(path_ + " has an unexpected type: " + shown(*json_));
    }
  }
  Index number() const { return as<Index>(); }
  std::string text() const { return as<std::string>(); }
  bool flag() const { return as<bool>(); }
  std::vector<Index> numbers() const { return as<std::vector<Index>>(); }
  shardplan::Shape shape() const {
    shardplan::Shape out;
    for (const Index extent : numbers()) out.push_back(extent);
    return out;
  }
  /// A member's value, or `otherwise` where it is absent or null.
  template <class T>
  T get(const std::string& key, const T& otherwise) const {
    if (!json_->is_object() && !json_->is_null()) throw std::runtime_error(path_ + " is no object");
    if (!has(key)) return otherwise;
    const Field member = (*this)[key];
    return member.is_null() ? otherwise : member.as<T>();
  }

  /// The recorded value and the computed one must agree; commentary need not be computed.
  void expect_value(const Json& got) const { compare(got, true); }
  /// The same for a value in which no key is commentary.
  void expect_exactly(const Json& got) const { compare(got, false); }
  /// A member that must be recorded exactly when there is something to compare.
  void expect(const std::string& key, const Json& got) const {
    if (has(key)) return (*this)[key].expect_value(got);
    document_->differ(case_, path_ + (path_.empty() ? "" : ".") + key, "nothing", shown(got));
  }
  void differ(const std::string& got) const {
    mark_all();
    document_->differ(case_, path_.empty() ? "the file" : path_, shown(*json_), got);
  }

  void mark_all() const {
    document_->mark(json_);
    if (json_->is_structured())
      for (const auto& [key, value] : json_->items()) step(value, path_).mark_all();
  }

  /// Marks members that need no comparison: a name, or an input that a refusal came before.
  void skip(std::initializer_list<const char*> keys) const {
    for (const char* key : keys)
      if (has(key)) (*this)[key].mark_all();
  }

  /// Fails the case of every field below that nobody read.
  void report_unread() const {
    if (!json_->is_structured()) return;
    for (const auto& [key, value] : json_->items()) {
      if (json_->is_object() && is_commentary(key)) continue;
      const Field child =
          peek_step(value, json_->is_object() ? (path_.empty() ? key : path_ + '.' + key) : path_ + '[' + key + ']');
      if (!document_->cases()[child.case_].covered) continue;
      if (document_->is_read(&value))
        child.report_unread();
      else
        document_->differ(child.case_, child.path_, shown(value), "not read by any check");
    }
  }

  static std::string shown(const Json& value) {
    std::string out = value.dump();
    if (out.size() > 160) out.replace(157, std::string::npos, "...");
    return out;
  }

 private:
  Field(Document& document, const Json& json, std::string path, std::size_t of_case)
      : document_(&document), json_(&json), path_(std::move(path)), case_(of_case) {}

  Field peek_step(const Json& child, std::string path) const {
    return {*document_, child, std::move(path), case_ != 0 ? case_ : document_->case_of(&child)};
  }
  Field step(const Json& child, std::string path) const {
    document_->mark(&child);
    return peek_step(child, std::move(path));
  }

  void compare(const Json& got, bool with_commentary) const {
    const Json& expected = *json_;
    document_->mark(json_);
    if (expected.is_object() && got.is_object()) {
      for (const auto& [key, value] : expected.items()) {
        if (got.contains(key))
          (*this)[key].compare(got.at(key), with_commentary);
        else if (!with_commentary || !is_commentary(key))
          (*this)[key].differ("nothing");
      }
      for (const auto& [key, value] : got.items())
        if (!expected.contains(key)) document_->differ(case_, path_ + '.' + key, "nothing", shown(value));
      return;
    }
    mark_all();
    if (expected == got) return;
    if (!expected.is_array() || !got.is_array() || expected.size() != got.size()) return differ(shown(got));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (expected[i] == got[i]) continue;
      (*this)[i].compare(got[i], with_commentary);
      if (!expected[i].is_structured()) return;  // one number of a list is enough
    }
  }

  Document* document_;
  const Json* json_;
  std::string path_;
  std::size_t case_;
};

/// How one kind of case is recognised, by content alone, and checked.
struct Kind {
  enum class Scope { file, element };
  std::string_view name;
  Scope scope;
  bool (*matches)(const Json& object, const Json& file);
  void (*check)(const Field& object);  ///< null: a later issue brings it
};
using Kinds = std::vector<Kind>;

/// Whether an object has all these members.
inline bool has(const Json& object, std::initializer_list<const char*> keys) {
  if (!object.is_object()) return false;
  for (const char* key : keys)
    if (!object.contains(key)) return false;
  return true;
}
/// Whether a member is there and is this text.
inline bool is(const Json& object, const char* key, std::string_view text) {
  return has(object, {key}) && object.at(key).is_string() && object.at(key).get_ref<const std::string&>() == text;
}

/// Runs what may refuse its input; the refusal, or nothing.
template <class F>
std::optional<shardplan::Diagnostics> refusal(F&& run) {
  try {
    run();
    return std::nullopt;
  } catch (const shardplan::Error& error) {
    return error.diagnostics();
  }
}

/// Runs a case whose original refused its input where `error` is recorded: the library must refuse then, and only then.
/// Which error it was is not compared.
template <class F>
void expect_outcome(const Field& object, F&& run) {
  const auto refused = refusal(run);
  if (object.has("error")) {
    object["error"].mark_all();
    if (!refused) object["error"].differ("no refusal");
  } else if (refused) {
    throw shardplan::Error(*refused);
  }
}

/// FNV-1a over little-endian 32-bit words, as 16 hexadecimal digits: the checksum of the recorded figures.
class Checksum {
 public:
  void add(std::uint32_t word) {
    for (int byte = 0; byte < 4; ++byte) state_ = (state_ ^ (word >> (8 * byte) & 0xff)) * 0x100000001b3;
  }
  std::string text() const {
    std::string out(16, '0');
    std::uint64_t rest = state_;
    for (std::size_t i = 16; i-- > 0; rest >>= 4) out[i] = "0123456789abcdef"[rest & 15];
    return out;
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325;
};

}  // namespace conformance

namespace shardplan {

template <class Tag>
void to_json(nlohmann::json& out, const Ordinal<Tag>& ordinal) {
  out = ordinal.value;
}
template <class T, std::size_t N>
void to_json(nlohmann::json& out, const InlineVector<T, N>& items) {
  out = nlohmann::json::array();
  for (const T& item : items) out.push_back(item);
}
inline void to_json(nlohmann::json& out, const Group& group) {
  out = nlohmann::json::array();
  for (const Rank rank : group) out.push_back(rank);
}
inline void to_json(nlohmann::json& out, const GroupList& list) {
  out = nlohmann::json::array();
  for (const Group& group : list) out.push_back(group);
}

}  // namespace shardplan
