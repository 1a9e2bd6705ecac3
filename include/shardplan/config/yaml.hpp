#pragma once
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <fstream>
#include <span>
#include <sstream>

#include <shardplan/config/config.hpp>
#include <shardplan/config/interpolation.hpp>
#include <shardplan/config/overrides.hpp>

/// Configuration files: YAML (and so JSON) in, a `Node` tree or a `Config` out. The only header that needs yaml-cpp.
namespace shardplan {

namespace detail {

/// What yaml-cpp saw, in file order. Aliases stand unexpanded, so the tape is never larger than the text.
struct YamlEvent {
  enum class Kind : std::uint8_t { scalar, alias, sequence, mapping, end };
  Kind kind;
  Mark mark;
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

  Mark mark(const YAML::Mark& at) const { return {file_, at.line + 1, at.column + 1}; }

  [[noreturn]] void reject(const Mark& at, std::string message, std::string hint = {}) const {
    Diagnostic what = finding("SP-CONFIG-003", std::move(message), std::move(hint));
    what.origins.push_back(origin({}, at));
    throw Error(std::move(what));
  }

  void OnDocumentStart(const YAML::Mark& at) override {
    if (documents_++ > 0) reject(mark(at), "a second document begins here", "one file holds one configuration");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& at, YAML::anchor_t anchor) override {
    add(at, anchor, {.kind = YamlEvent::Kind::scalar, .tag = "?"});
  }
  void OnScalar(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override {
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

 private:
  void add(const YAML::Mark& at, YAML::anchor_t anchor, YamlEvent event) {
    event.mark = mark(at);
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
    events.push_back({.kind = YamlEvent::Kind::end, .mark = {}});
  }

  std::string_view text_;
  std::shared_ptr<const std::string> file_;
  std::vector<bool> flows_;
  int flow_ = 0;  // brackets around the present place, in which tabs are blanks
  int documents_ = 0;
  int checked_line_ = -1;
};

/// Turns a tape into a tree: types scalars, expands aliases, merges `<<`, finds duplicate keys.
class YamlBuilder {
 public:
  explicit YamlBuilder(const YamlTape& tape) : tape_(tape), open_(tape.anchored.size(), false) {}

  Node run() {
    Node root{Mapping{}, {}};
    if (!tape_.events.empty()) {
      root = node();
    }
    if (!diagnostics_.empty()) throw Error(std::move(diagnostics_));
    return root;
  }

 private:
  using Kind = YamlEvent::Kind;

  void report(std::string_view id, const Mark& at, std::string message, std::string hint = {}) {
    if (aliases_ > 0) return;  // said where the anchor stands
    diagnostics_.push_back(finding(id, std::move(message), std::move(hint)));
    diagnostics_.back().origins.push_back(origin(path_, at));
  }

  void spend(const Mark& at, std::size_t bytes) {
    if (budget_.spend(1, bytes)) return;
    Diagnostic what = finding("SP-CONFIG-005", concat("the file expands to more than ", limits::nodes, " nodes or ",
                                                      limits::text_bytes >> 20, " MiB of text"));
    what.origins.push_back(origin(path_, at));
    throw Error(std::move(what));
  }

  /// The node that begins at the present event; the present event is then the one after it.
  Node node() {
    const YamlEvent& event = tape_.events[at_++];
    spend(event.mark, event.text.size());
    if (depth_ >= limits::depth) tape_.reject(event.mark, concat("more than ", limits::depth, " levels of nesting"));
    ++depth_;
    Node out;
    if (event.kind == Kind::scalar) out.value = scalar(event);
    if (event.kind == Kind::sequence) out.value = sequence(event);
    if (event.kind == Kind::mapping) out.value = mapping(event);
    if (event.kind == Kind::alias) out.value = alias(event);
    out.mark = event.mark;
    --depth_;
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
      if (key->kind != Kind::scalar || (key->tag == "?" && std::holds_alternative<std::monostate>(plain_scalar(key->text))))
        tape_.reject(key_mark, "a key is neither text nor number nor boolean");
      path_ = join_path(path_, key->text);
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
    if (open_[event.anchor] || encloses(begin)) {
      Diagnostic what = finding("SP-CONFIG-005", "an anchor contains itself");
      what.origins.push_back(origin(path_, event.mark));
      throw Error(std::move(what));
    }
    open_[event.anchor] = true;
    ++aliases_;
    const std::size_t behind = at_;
    at_ = begin;
    Node out = node();
    at_ = behind;
    --aliases_;
    open_[event.anchor] = false;
    return std::move(out.value);
  }

  /// True while the container that begins there is being read in its own place.
  bool encloses(std::size_t begin) const {
    const Kind kind = tape_.events[begin].kind;
    if (kind != Kind::sequence && kind != Kind::mapping) return false;
    int level = 1;
    for (std::size_t i = begin + 1; i + 1 < at_ && level > 0; ++i) {
      if (tape_.events[i].kind == Kind::sequence || tape_.events[i].kind == Kind::mapping) ++level;
      if (tape_.events[i].kind == Kind::end) --level;
    }
    return level > 0;
  }

  const YamlTape& tape_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int aliases_ = 0;
  std::vector<bool> open_;
  std::string path_;
  Budget budget_;
  Diagnostics diagnostics_;
};

}  // namespace detail
}  // namespace shardplan
