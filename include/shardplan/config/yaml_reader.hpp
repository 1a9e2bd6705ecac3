#pragma once
#include <vector>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include <shardplan/config/scalar.hpp>
#include <shardplan/core/utf8.hpp>

/// YAML (and so JSON) in, a `Node` tree out. The only header that includes yaml-cpp.
namespace shardplan {

namespace detail {

[[noreturn]] inline void fail_at(std::string_view id, const Mark& at, std::string message, std::string hint = {},
                                 std::string key = {}) {
  Diagnostic what = finding(id, std::move(message), std::move(hint));
  what.origins.push_back(origin(std::move(key), at));
  throw Error(std::move(what));
}

/// What yaml-cpp saw, in file order. Aliases stand unexpanded, so the tape is never larger than the text.
struct YamlEvent {
  enum class Kind : std::uint8_t { scalar, alias, sequence, mapping, end };
  Kind kind{};
  Mark mark{};
  std::string tag{};  ///< "?" for plain text and containers, "!" for quoted text, else what the file says
  std::string text{};
  std::size_t anchor = 0;  ///< the anchor that an alias names
};

inline std::string_view line_of(std::string_view text, std::size_t at) {
  const std::size_t newline = at == 0 ? text.npos : text.rfind('\n', at - 1);
  const std::size_t begin = newline == text.npos ? 0 : newline + 1;
  return text.substr(begin, at - begin);
}

/// Records the events of one document and refuses what needs no tree to be seen.
class YamlTape : public YAML::EventHandler {
 public:
  YamlTape(std::string_view text, std::shared_ptr<const std::string> file) : text_(text), file_(std::move(file)) {}

  std::vector<YamlEvent> events;
  std::vector<std::size_t> anchored{0};  ///< where the node of an anchor begins; anchors count from 1

  Mark start() const { return {file_, 1, 1}; }
  Mark mark(const YAML::Mark& at) const { return {file_, at.line + 1, at.column + 1}; }

  [[noreturn]] void reject(const Mark& at, std::string message, std::string hint = {}) const {
    fail_at("SP-CONFIG-003", at, std::move(message), std::move(hint));
  }

  void OnDocumentStart(const YAML::Mark& at) override {
    if (documents_++ > 0) reject(mark(at), "a second document begins here", "one file holds one configuration");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& at, YAML::anchor_t anchor) override {
    add(at, anchor, {.kind = YamlEvent::Kind::scalar, .tag = "?"});
  }
  void OnScalar(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override {
    if (tag != "?") last_text_ = at;
    add(at, anchor, {.kind = YamlEvent::Kind::scalar, .tag = tag, .text = text});
  }
  void OnAlias(const YAML::Mark& at, YAML::anchor_t anchor) override {
    add(at, 0, {.kind = YamlEvent::Kind::alias, .tag = "?", .anchor = anchor});
  }
  void OnSequenceStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    add(at, anchor, {.kind = YamlEvent::Kind::sequence, .tag = tag});
    enter(at, style);
  }
  void OnSequenceEnd() override { leave(); }
  void OnMapStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    add(at, anchor, {.kind = YamlEvent::Kind::mapping, .tag = tag});
    enter(at, style);
  }
  void OnMapEnd() override { leave(); }

  /// Refuses a text that was cut off in quotes behind a line break, which yaml-cpp takes for closed.
  void check_end() const {
    std::string_view rest = text_.substr(std::min(text_.size(), static_cast<std::size_t>(last_text_.pos)));
    while (rest.starts_with('!') || rest.starts_with('&')) {  // tag and anchor stand in front of the quote
      rest = rest.substr(std::min(rest.size(), rest.find_first_of(" \t\r\n")));
      rest = rest.substr(std::min(rest.size(), rest.find_first_not_of(" \t\r\n")));
    }
    if (!rest.starts_with('\'') && !rest.starts_with('"')) return;
    const char quote = rest[0];
    for (std::size_t i = 1; i < rest.size(); ++i) {
      const bool doubled = quote == '\'' && rest.substr(i).starts_with("''");
      if (doubled || (quote == '"' && rest[i] == '\\'))
        ++i;
      else if (rest[i] == quote)
        return;
    }
    reject(mark(last_text_), "a quote that is never closed");
  }

 private:
  void add(const YAML::Mark& at, YAML::anchor_t anchor, YamlEvent event) {
    event.mark = mark(at);
    if (++nodes_ > limits::nodes)
      fail_at("SP-CONFIG-005", event.mark, concat("the file has more than ", limits::nodes, " nodes"));
    if (anchor != 0) {
      if (anchored.size() <= anchor) anchored.resize(anchor + 1);
      anchored[anchor] = events.size();
    }
    if (at.line != checked_line_ && flow_ == 0) {
      checked_line_ = at.line;
      const std::string_view before = line_of(text_, static_cast<std::size_t>(at.pos));
      if (before.substr(0, before.find_first_not_of(" \t")).find('\t') != before.npos)
        reject(event.mark, "a tab stands in the indentation", "indent with blanks");
    }
    events.push_back(std::move(event));
  }
  void enter(const YAML::Mark& at, YAML::EmitterStyle::value style) {
    flows_.push_back(style == YAML::EmitterStyle::Flow);
    flow_ += flows_.back();
    if (flows_.size() > static_cast<std::size_t>(limits::depth))
      reject(mark(at), concat("more than ", limits::depth, " levels of nesting"));
  }
  void leave() {
    flow_ -= flows_.back();
    flows_.pop_back();
    events.push_back({.kind = YamlEvent::Kind::end});
  }

  std::string_view text_;
  std::shared_ptr<const std::string> file_;
  std::vector<bool> flows_;
  int flow_ = 0;  // brackets around the present place, in which tabs are blanks
  std::size_t nodes_ = 0;
  YAML::Mark last_text_;  // of the last scalar that may stand in quotes
  int documents_ = 0;
  int checked_line_ = -1;
};

/// Turns a tape into a tree: types scalars, expands aliases, merges `<<`, finds duplicate keys.
class YamlBuilder {
 public:
  explicit YamlBuilder(const YamlTape& tape) : tape_(tape) {}

  Node run() {
    Node root{{}, tape_.start()};
    if (!tape_.events.empty()) root = node();
    if (!diagnostics_.empty()) throw Error(std::move(diagnostics_));
    return root;
  }

 private:
  using Kind = YamlEvent::Kind;

  void report(std::string_view id, const Mark& at, std::string message, std::string hint = {}) {
    if (aliases_ > 0 || diagnostics_.size() >= limits::findings) return;  // an alias: said where its anchor stands
    diagnostics_.push_back(finding(id, std::move(message), std::move(hint)));
    diagnostics_.back().origins.push_back(origin(path_, at));
  }

  void spend(const Mark& at, std::size_t bytes) {
    if (budget_.spend(1, bytes)) return;
    fail_at(
        "SP-CONFIG-005", at,
        concat("the file expands to more than ", limits::nodes, " nodes or ", limits::text_bytes >> 20, " MiB of text"),
        {}, path_);
  }

  /// The node that begins at the present event; the present event is then the one after it.
  Node node() {
    const YamlEvent& event = tape_.events[at_];
    spend(event.mark, event.text.size());
    if (open_.size() > static_cast<std::size_t>(limits::depth))
      tape_.reject(event.mark, concat("more than ", limits::depth, " levels of nesting after expansion"));
    open_.push_back(at_++);
    Node out;
    if (event.kind == Kind::scalar) out.value = scalar(event);
    if (event.kind == Kind::sequence) out.value = sequence(event);
    if (event.kind == Kind::mapping) out.value = mapping(event);
    if (event.kind == Kind::alias) out.value = alias(event);
    out.mark = event.mark;
    open_.pop_back();
    return out;
  }

  Node::Value scalar(const YamlEvent& event) {
    if (event.tag == "?" || event.tag.empty()) return plain_scalar(event.text);
    if (event.tag == "!" || event.tag == tag("str")) return quoted_scalar(event.text);
    Node::Value value = plain_scalar(event.text);
    const Index* whole = std::get_if<Index>(&value);
    if (event.tag == tag("float") && whole != nullptr) return static_cast<double>(*whole);
    const bool fits = (event.tag == tag("int") && (whole != nullptr || std::holds_alternative<Node::Huge>(value))) ||
                      (event.tag == tag("float") && std::holds_alternative<double>(value)) ||
                      (event.tag == tag("bool") && std::holds_alternative<bool>(value)) ||
                      (event.tag == tag("null") && std::holds_alternative<std::monostate>(value));
    if (!fits)
      report("SP-CONFIG-003", event.mark, concat("the tag '", event.tag, "' does not fit '", event.text, '\''),
             "leave the tag out");
    return value;
  }

  static std::string tag(std::string_view name) { return concat("tag:yaml.org,2002:", name); }

  void check_tag(const YamlEvent& event, std::string_view name) {
    if (event.tag.size() > 1 && event.tag != tag(name))
      report("SP-CONFIG-003", event.mark, concat("the tag '", event.tag, "' is not one of a configuration"),
             "leave the tag out");
  }

  Node::Value sequence(const YamlEvent& event) {
    check_tag(event, "seq");
    Node::Sequence out;
    const std::size_t outer = path_.size();
    while (tape_.events[at_].kind != Kind::end) {
      path_ += concat('[', out.size(), ']');
      out.push_back(node());
      path_.resize(outer);
    }
    ++at_;
    return out;
  }

  Node::Value mapping(const YamlEvent& event) {
    check_tag(event, "map");
    Mapping own;
    Mapping merged;
    const std::size_t outer = path_.size();
    while (tape_.events[at_].kind != Kind::end) {
      const YamlEvent* key = &tape_.events[at_++];
      const Mark key_mark = key->mark;
      if (key->kind == Kind::alias) key = &tape_.events[tape_.anchored[key->anchor]];
      spend(key_mark, key->text.size());
      if (key->text.size() > limits::key_bytes)
        tape_.reject(key_mark, concat("a key is longer than ", limits::key_bytes, " bytes"));
      if (key->kind != Kind::scalar ||
          (key->tag == "?" && std::holds_alternative<std::monostate>(plain_scalar(key->text))))
        tape_.reject(key_mark, "a key is neither text nor number nor boolean");
      path_ += concat(path_.empty() ? "" : ".", key->text);
      Node value = node();
      if (key->tag == "?" && key->text == "<<") {
        merge(merged, value, key_mark);
      } else if (const Mapping::Entry* first = own.find(key->text)) {
        report("SP-CONFIG-004", key_mark, concat("the key '", key->text, "' occurs twice in one mapping"),
               concat("it stands in line ", first->mark.line, " already"));
      } else {
        own.assign(key->text, key_mark, std::move(value));
      }
      path_.resize(outer);
    }
    ++at_;
    if (merged.empty()) return own;
    for (const Mapping::Entry& entry : own) merged.assign(entry.key, entry.mark, entry.value);
    return merged;
  }

  /// Adds the entries of a mapping, or of a list of mappings of which the first has the last word.
  void merge(Mapping& into, const Node& source, const Mark& at) {
    if (const Mapping* entries = source.as<Mapping>()) {
      for (const Mapping::Entry& entry : *entries) into.assign(entry.key, entry.mark, entry.value);
      return;
    }
    const auto* items = source.as<Node::Sequence>();
    bool mappings = items != nullptr;
    for (std::size_t i = 0; mappings && i < items->size(); ++i) mappings = (*items)[i].is<Mapping>();
    if (!mappings) {
      report("SP-CONFIG-003", at, concat("the merge key << takes mappings, not ", describe(source)));
      return;
    }
    for (std::size_t i = items->size(); i-- > 0;) merge(into, (*items)[i], at);
  }

  Node::Value alias(const YamlEvent& event) {
    const std::size_t begin = tape_.anchored[event.anchor];
    for (const std::size_t around : open_) {
      if (around == begin) fail_at("SP-CONFIG-005", event.mark, "an anchor contains itself", {}, path_);
    }
    ++aliases_;
    const std::size_t behind = std::exchange(at_, begin);
    Node out = node();
    at_ = behind;
    --aliases_;
    return std::move(out.value);
  }

  const YamlTape& tape_;
  std::size_t at_ = 0;
  int aliases_ = 0;                ///< around the present event
  std::vector<std::size_t> open_;  ///< where the nodes around the present event begin
  std::string path_;
  Budget budget_;
  Diagnostics diagnostics_;
};

/// Where the text could begin one node too many; the size if it cannot. yaml-cpp keeps every token of a collection
/// that may turn out to be a key, so such a file has to be refused before it is parsed.
constexpr std::size_t node_overflow(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    count += std::string_view("[{,:?&!").find(text[i]) != std::string_view::npos;
    if (count > limits::nodes) return i;
  }
  return text.size();
}

/// The first byte that is no UTF-8 or no printable character, tab or line break; the size if there is none.
constexpr std::size_t first_bad_byte(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    const char c = text[i];
    const bool control = length == 1 && ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7F);
    if (length == 0 || control) return i;
    i += length;
  }
  return text.size();
}

}  // namespace detail

/// The tree of YAML or JSON text; `name` stands for the file in marks. Empty text is null.
///
/// Rule     YAML 1.1 scalars as OmegaConf types them, anchors, aliases and merge keys expanded, one document
/// Errors   SP-CONFIG-002 longer than 16 MiB, 003 not YAML in UTF-8, 004 duplicate keys, 005 expansion without bound
/// Post     every node and key has its line and column
/// Source   configuration sheet 1.1
inline Node read_yaml_text(std::string_view text, std::string name = {}) {
  const auto file = std::make_shared<const std::string>(std::move(name));
  if (text.size() > limits::file_bytes)
    detail::fail_at("SP-CONFIG-002", {file}, concat("more than ", limits::file_bytes >> 20, " MiB"),
                    "a configuration has some kilobytes: is this the right file?");
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const auto mark_of = [&](std::size_t at) {
    int line = 1;
    for (const char c : text.substr(0, at)) line += c == '\n';
    return Mark{file, line, static_cast<int>(detail::line_of(text, at).size()) + 1};
  };
  if (const std::size_t bad = detail::first_bad_byte(text); bad < text.size())
    detail::fail_at("SP-CONFIG-003", mark_of(bad),
                    concat("byte ", static_cast<int>(static_cast<unsigned char>(text[bad])), " is not text in UTF-8"),
                    "a binary file, or another encoding?");
  if (const std::size_t last = detail::node_overflow(text); last < text.size())
    detail::fail_at("SP-CONFIG-005", mark_of(last),
                    concat("more than ", limits::nodes, " characters that begin a node"));
  detail::YamlTape tape(text, file);
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(tape)) {
    }
    tape.check_end();
  } catch (const YAML::Exception& error) {
    detail::fail_at("SP-CONFIG-003", error.mark.is_null() ? Mark{file} : tape.mark(error.mark),
                    concat("not YAML: ", error.msg));
  }
  return detail::YamlBuilder(tape).run();
}

/// The tree of a YAML or JSON file.
///
/// Errors   SP-CONFIG-001 the file cannot be read; else as `read_yaml_text`
inline Node read_yaml(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  char block[1 << 16];
  // One byte more than allowed is enough to refuse, and endless files end.
  while (in && text.size() <= limits::file_bytes) {
    in.read(block, sizeof block);
    text.append(block, static_cast<std::size_t>(in.gcount()));
  }
  if (!in.eof() && text.size() <= limits::file_bytes)
    detail::fail_at("SP-CONFIG-001", {std::make_shared<const std::string>(path)}, "the file cannot be read",
                    "it must exist, be a file and be readable");
  return read_yaml_text(text, path);
}

}  // namespace shardplan
