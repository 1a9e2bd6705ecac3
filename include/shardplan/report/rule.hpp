#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/core/diagnostic.hpp>
#include <shardplan/report/json.hpp>
#include <shardplan/report/rule_pages.hpp>

/// A rule of the rule table for reading.
///
/// JSON, schema `shardplan-explain-1` of a rule: schema, rule (id), severity, summary, applies_to, effect, and of its
/// page cause, example (an input that breaks it), message (what is then said), remedy, section (of the sheets).
namespace shardplan {

/// What the rules whose id begins with `prefix` are about.
struct RuleRoom {
  std::string_view prefix;
  std::string_view about;
};
inline constexpr RuleRoom rule_rooms[] = {
    {"SP-CORE", "sizes, wherever they are multiplied or added"},
    {"SP-MESH", "the ranks of a world: degrees, axes, rank orders and groups"},
    {"SP-LAYOUT", "the cuts of a tensor, and what reads them: shards, flat buffers, transfers"},
    {"SP-CHECKPOINT", "checkpoint files: archives, pickles, tensors and the index over them"},
    {"SP-MIGRATE", "files of another system that become configurations of NxDT, and back"},
    {"SP-MODEL", "architectures and the parameters that they make"},
    {"SP-TENSOR", "how a weight is cut over tensor and expert ranks"},
    {"SP-PIPELINE", "stages, and the schedules that run through them"},
    {"SP-ZERO", "how optimizer state is cut over data ranks"},
    {"SP-PLAN", "plans: model, strategy and world taken together"},
    {"SP-DATA", "which samples a rank reads"},
    {"SP-OPTIM", "optimizers and the schedules of their learning rate"},
    {"SP-CONFIG", "configuration files and overrides"},
    {"R", "an NxDT configuration: its keys, checked together before planning"},
};

/// What a rule is about; where its room has no words, its room.
constexpr std::string_view applies_to(const Rule& of) {
  const std::string_view id = of.id;
  for (const RuleRoom& room : rule_rooms) {
    const std::string_view rest = id.starts_with(room.prefix) ? id.substr(room.prefix.size()) : std::string_view();
    if (!rest.empty() && (rest[0] == '-' || (rest[0] >= '0' && rest[0] <= '9'))) return room.about;
  }
  return id.substr(0, id.rfind('-'));
}

/// What becomes of an input that breaks a rule of that severity.
constexpr std::string_view effect(Severity severity) {
  constexpr std::string_view effects[] = {"said, and nothing else", "said, and the plan is made all the same",
                                          "what was asked for is refused"};
  return effects[static_cast<int>(severity)];
}

/// `SP-MESH-005` of `sp-mesh-005`.
inline std::string rule_id(std::string_view text) {
  std::string out(text);
  for (char& letter : out)
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  return out;
}

/// Whether it is written like an id, whether or not a rule has it: R5, SP-MESH-005.
inline bool looks_like_rule(std::string_view text) {
  const std::string id = rule_id(text);
  return id.starts_with("SP-") ? id.find_first_of("./\\") == id.npos
                               : id.size() > 1 && id[0] == 'R' && id.find_first_not_of("0123456789", 1) == id.npos;
}

/// The rule of an id, in letters of either case; none where no rule has it.
inline std::optional<Rule> find_rule(std::string_view text) {
  const Rule found = rule(rule_id(text));
  if (*found.id == '\0') return std::nullopt;
  return found;
}

/// The ids that a text most likely means, the closest first.
inline std::vector<std::string_view> closest_rules(std::string_view text, std::size_t most = 3) {
  const std::string id = rule_id(text);
  std::vector<std::string_view> known, out;
  for (const Rule& one : rule_table) known.emplace_back(one.id);
  while (out.size() < most) {
    const std::string_view next = closest(id, known);
    if (next.empty()) break;
    out.push_back(next);
    known.erase(std::find(known.begin(), known.end(), next));
  }
  return out;
}

/// A rule for reading, with its page.
inline std::string text(const Rule& of) {
  std::string out = concat(of.id, ", ", name(of.severity), "\n\n  rule     ", of.summary, "\n  about    ",
                           applies_to(of), "\n  broken   ", effect(of.severity), '\n');
  const RulePage* page = rule_page(of.id);
  if (page == nullptr) return out;
  return out += concat("\n  cause    ", page->cause, "\n  example  ", page->example, "\n  message  ", page->message,
                       "\n  remedy   ", page->remedy, "\n  source   ", page->section, '\n');
}

/// A rule as JSON, see above.
inline JsonWriter& write(JsonWriter& json, const Rule& of) {
  json.begin_object().member("schema", "shardplan-explain-1").member("rule", of.id);
  json.member("severity", name(of.severity)).member("summary", of.summary).member("applies_to", applies_to(of));
  json.member("effect", effect(of.severity));
  if (const RulePage* page = rule_page(of.id)) {
    json.member("cause", page->cause).member("example", page->example).member("message", page->message);
    json.member("remedy", page->remedy).member("section", page->section);
  }
  return json.end_object();
}

}  // namespace shardplan
