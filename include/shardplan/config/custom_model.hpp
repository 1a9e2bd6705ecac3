#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/config/custom_sections.hpp>
#include <shardplan/config/extent_expression.hpp>

/// From a file that describes a model, see config/custom_sections.hpp for its keys, to the description.
namespace shardplan {

struct BoundCustomModel {
  CustomModel description;
  Diagnostics diagnostics;  ///< where one is an error there is no model
};

namespace detail {

/// Makes a description of a file that was read, and keeps what is wrong.
class CustomReader {
 public:
  CustomReader(const Node& root, Diagnostics found) : root_(root), found_(std::move(found)) {
    for (const Diagnostic& one : found_)
      if (one.severity == Severity::error) broken_.push_back(one.origins[0].key);
  }

  BoundCustomModel run(const CustomFile& file) && {
    if (is_broken_whole({})) return {{}, std::move(found_)};
    CustomModel& out = model_;
    out.name = file.name;
    sizes(file.sizes);
    out.layers = number(file.layers, "layers").value_or(0);
    if (out.layers > 0) scope_.push_back({"layers", out.layers});
    out.dtype = dtype(file.dtype, "dtype");
    vocabulary_multiple_ = number(file.vocabulary_multiple, "vocabulary_multiple").value_or(0);
    read_heads(file.heads);
    read_moe(file.moe);
    entries(file.front, "front", out.front);
    entries(file.layer, "layer", out.layer);
    entries(file.back, "back", out.back);
    if (file.architecture) architecture(*file.architecture);
    for (Diagnostic& one : diagnose_custom_model(out)) place(std::move(one));
    std::stable_sort(found_.begin(), found_.end(), [](const Diagnostic& a, const Diagnostic& b) {
      const Origin &first = a.origins[0], &second = b.origins[0];
      return first.line != second.line ? first.line < second.line : first.column < second.column;
    });
    return {std::move(model_), std::move(found_)};
  }

 private:
  static constexpr std::size_t most_sizes = 1000;
  static constexpr std::size_t most_broken = 2 * limits::findings;  ///< further faults of a file are of no use

  /// Is `inner` the path `outer`, or one below it?
  static bool within(std::string_view inner, std::string_view outer) {
    return inner.starts_with(outer) &&
           (inner.size() == outer.size() || inner[outer.size()] == '.' || inner[outer.size()] == '[');
  }
  bool is_broken(std::string_view path) const {
    for (const std::string& one : broken_)
      if (within(path, one) || within(one, path)) return true;
    return false;
  }
  /// Is all that stands at the path broken, and not only something below?
  bool is_broken_whole(std::string_view path) const {
    return std::find(broken_.begin(), broken_.end(), path) != broken_.end();
  }
  /// `layer[2]` of `layer[2].parts[0].size`.
  static std::string_view entry_of(std::string_view path) {
    const std::size_t end = path.find("].");
    return end == path.npos ? path : path.substr(0, end + 1);
  }

  /// Where a path stands, else what it is made of: the shape for parts, the model's own key for that of a parameter;
  /// else what is around it.
  Origin located(const std::string& path) const {
    if (const Node* node = find_path(root_, path)) return origin(path, node->mark);
    const std::size_t last = path.find_last_of('.');
    if (last == path.npos) return origin(path, root_.mark);
    const std::string around = path.substr(0, last), key = path.substr(last + 1);
    if (key == "parts") return located(around + ".shape");
    if (const Node* node = root_.find(key)) return origin(key, node->mark);
    Origin out = located(around);
    out.key = path;
    return out;
  }
  void report(std::string_view id, const std::string& path, std::string_view message, std::string_view hint = {}) {
    broken_.push_back(path);
    if (found_.size() >= limits::findings) return;
    Diagnostic what = finding(id, message, hint);
    what.origins.push_back(located(path));
    found_.push_back(std::move(what));
  }
  /// Does a finding about this member follow from what could not be read? Names and layers stand for themselves, all
  /// else hangs together with the rest of a parameter.
  bool follows(const std::string& key) const {
    const std::string entry(entry_of(key));
    if (key.ends_with("].layers")) return is_broken(key);
    if (key.ends_with("].name") || key.ends_with("].tied_name")) return is_broken(key) || is_broken(entry + ".layers");
    return is_broken(entry);
  }
  /// Keeps a finding about the description, unless it follows from what could not be read.
  void place(Diagnostic one) {
    if (found_.size() >= limits::findings) return;
    for (Origin& at : one.origins) {
      if (follows(at.key)) return;
      at = located(at.key);
    }
    for (const Diagnostic& other : found_)
      if (other.id == one.id && other.message == one.message && other.origins[0].line == one.origins[0].line &&
          other.origins[0].column == one.origins[0].column)
        return;
    found_.push_back(std::move(one));
  }

  /// A size; nothing, and a finding, where it cannot be made; nothing where it is not given.
  std::optional<Index> number(const Node& node, const std::string& path) {
    if (node.is_null() && find_path(root_, path) == nullptr) return std::nullopt;
    if (const Index* plain = node.as<Index>()) return *plain;
    if (broken_.size() >= most_broken) return std::nullopt;
    if (node.is<Node::Broken>() || is_broken(path)) return silent(path);
    const std::string* text = node.as<std::string>();
    if (const Node::Huge* huge = node.as<Node::Huge>())
      report("SP-CONFIG-017", path, concat('\'', path, "' does not fit 64 bits: ", huge->digits));
    else if (text == nullptr)
      report("SP-CONFIG-011", path,
             concat('\'', path, "' must be an integer or an expression, but is ", describe(node)));
    if (text == nullptr) return std::nullopt;
    const ExtentExpression::Result result = ExtentExpression(*text, scope_).value();
    if (result.value) return result.value;
    if (!result.unknown.empty()) {
      const std::string unknown(result.unknown);
      // told once, however often the size is used
      if (is_broken_whole("sizes") || std::find(unknown_.begin(), unknown_.end(), unknown) != unknown_.end())
        return silent(path);
      unknown_.push_back(unknown);
    }
    report("SP-MODEL-006", path, concat('\'', text->substr(0, 80), "': ", result.fault), result.hint);
    return std::nullopt;
  }
  std::optional<Index> silent(const std::string& path) {
    broken_.push_back(path);
    return std::nullopt;
  }

  void sizes(const Node& node) {
    const Mapping* all = node.as<Mapping>();
    if (all == nullptr) {
      if (!node.is_null())
        report("SP-CONFIG-011", "sizes", concat("'sizes' must be a mapping, but is ", describe(node)));
      return;
    }
    if (all->size() > most_sizes)
      return report("SP-MODEL-005", "sizes", concat("there are ", all->size(), " sizes"),
                    concat("at most ", most_sizes));
    for (const Mapping::Entry& entry : *all) {
      const std::string path = concat("sizes.", entry.key);
      if (!ExtentExpression::is_name(entry.key)) {
        report("SP-MODEL-006", path, concat('\'', entry.key, "' cannot be the name of a size"),
               "letters, digits and _, a digit not first");
        continue;
      }
      const std::optional<Index> value = number(entry.value, path);
      if (value)
        scope_.push_back({entry.key, *value});
      else
        unknown_.push_back(entry.key);  // what uses it is silent
    }
  }

  /// The item of that name in a table, else a finding.
  template <class Table>
  const auto* known(const Table& table, std::string_view word, const std::string& path, std::string_view kind) {
    std::vector<std::string_view> names;
    for (const auto& one : table) {
      if (one.name == word) return &one;
      names.push_back(one.name);
    }
    if (!is_broken(path)) {
      const std::string_view near = closest(word, names);
      report("SP-MODEL-003", path, concat("unknown ", kind, " '", word, '\''),
             concat(near.empty() ? "" : concat("did you mean '", near, "'? "), "one of ", join(names, ", ")));
    }
    return static_cast<decltype(&table[0])>(nullptr);
  }

  Dtype dtype(std::string_view word, const std::string& path) {
    const auto* found = known(dtype_table, word, path, "dtype");
    return found != nullptr ? static_cast<Dtype>(found - dtype_table) : Dtype::bfloat16;
  }

  void read_heads(const std::optional<CustomHeads>& given) {
    heads_given_ = given.has_value() || is_broken("heads");
    if (given) heads_ = heads(*given, "heads");
    if (!given || is_broken("heads")) return;
    if (const auto fault = heads_fault(heads_)) report(fault->id, "heads", fault->message, fault->hint);
  }

  void read_moe(const std::optional<CustomLayerSet>& given) {
    moe_given_ = given.has_value() || is_broken("moe");
    if (given) moe_ = layer_set(*given, "moe");
    if (!given || is_broken("moe")) return;
    if (moe_.begin < 0 || moe_.end <= moe_.begin || moe_.every < 1)
      report("SP-MODEL-010", "moe", concat("MoE layers from ", moe_.begin, " up to ", moe_.end, ", every ", moe_.every),
             "begin >= 0, end > begin, every >= 1");
    else if (model_.layers > 0 && moe_.count(model_.layers) == 0)
      report("SP-MODEL-010", "moe", concat("none of the ", model_.layers, " layers is an MoE layer"),
             concat("layers 0 to ", model_.layers - 1));
  }

  Heads heads(const CustomHeads& given, const std::string& path) {
    Heads out;
    out.query = number(given.query, path + ".query").value_or(0);
    out.size = number(given.size, path + ".size").value_or(0);
    const bool own = find_path(root_, path + ".key_value") != nullptr;
    out.key_value = own ? number(given.key_value, path + ".key_value").value_or(0) : out.query;
    return out;
  }

  LayerSet layer_set(const CustomLayerSet& given, const std::string& path) {
    LayerSet out;
    out.begin = number(given.begin, path + ".begin").value_or(out.begin);
    out.end = number(given.end, path + ".end").value_or(out.end);
    out.every = number(given.every, path + ".every").value_or(out.every);
    out.others = given.others;
    return out;
  }

  LayerSet layers(const Node& node, const std::string& path) {
    LayerSet out;
    const std::string* word = node.as<std::string>();
    const auto* range = node.as<Node::Sequence>();
    if (node.is_null() && find_path(root_, path) == nullptr) return out;
    if (word != nullptr) {
      const bool moe = *word == "moe", dense = *word == "dense";
      if (!moe && !dense && *word != "all")
        report("SP-MODEL-003", path, concat("unknown layers '", *word, '\''),
               "one of all, dense, moe, or [begin, end], or {begin, end, every, others}");
      else if ((moe || dense) && !moe_given_)
        report("SP-MODEL-010", path, concat("'", *word, "' layers, but the model has no 'moe'"),
               "moe: {every: 1} beside 'layers' of the model");
      if ((moe || dense) && is_broken("moe")) broken_.push_back(path);  // told already
      if (moe || dense) out = moe_;
      if (dense) out.others = !out.others;
    } else if (range != nullptr && range->size() == 2) {
      out.begin = number((*range)[0], path + "[0]").value_or(0);
      out.end = number((*range)[1], path + "[1]").value_or(0);
      if (model_.layers > 0 && out.end > model_.layers && !is_broken(path))
        report("SP-MODEL-010", path, concat("layers ", out.begin, " up to ", out.end, " of ", model_.layers),
               concat("an end of at most ", model_.layers));
    } else if (node.is<Mapping>()) {
      Binder binder(root_, {});
      CustomLayerSet set;
      binder.section(node, path, set);
      for (const Diagnostic& one : binder.diagnostics) {
        found_.push_back(one);
        if (one.severity == Severity::error) broken_.push_back(one.origins[0].key);
      }
      out = layer_set(set, path);
    } else {
      report("SP-CONFIG-011", path,
             concat('\'', path, "' must be all, dense, moe, [begin, end] or a mapping, but is ", describe(node)));
    }
    return out;
  }

  void entries(const std::vector<CustomEntry>& given, std::string_view where, CustomParameters& out) {
    for (std::size_t i = 0; i < given.size() && broken_.size() < most_broken; ++i)
      out.push_back(parameter(given[i], concat(where, '[', i, ']')));
  }

  CustomParameter parameter(const CustomEntry& given, const std::string& path) {
    CustomParameter out;
    out.name = given.name;
    out.tied_name = given.tied_name;
    if (given.dtype) out.dtype = dtype(*given.dtype, path + ".dtype");
    out.layers = layers(given.layers, path + ".layers");
    if (const auto* extents = given.shape.as<Node::Sequence>()) {
      for (std::size_t d = 0; d < extents->size(); ++d)
        out.shape.push_back(number((*extents)[d], concat(path, ".shape[", d, ']')).value_or(1));
    } else if (!is_broken(path + ".shape")) {
      report("SP-CONFIG-011", path + ".shape",
             concat('\'', path, ".shape' must be a list, but is ", describe(given.shape)), "[rows, columns]");
    }
    if (const CustomRole* role = known(custom_roles, given.role, path + ".role", "role"))
      out.sharding = sharding(given, *role, out.shape, path);
    return out;
  }

  Sharding sharding(const CustomEntry& given, const CustomRole& role, const Shape& shape, const std::string& path) {
    Sharding out;
    out.expert = given.expert;
    if (given.heads) out.heads = heads(*given.heads, path + ".heads");
    const std::optional<Index> dim = number(given.dim, path + ".dim");
    const bool column = given.expert && role.name != "row";
    if (role.role == Role::replicated) {
      out.sequence_parallel = role.name == "norm";
      if (!given.parts.empty() || dim)
        report("SP-MODEL-004", path + (dim ? ".dim" : ".parts"),
               concat("role ", role.name, " cuts nothing, so it has no ", dim ? "dim" : "parts"),
               "another role, or none of them");
      return out;
    }
    // of experts [expert, in, out] a column layer cuts the last
    const Index usual = column ? (role.name == "column" ? 2 : 1) : role.dim;
    out.dim = static_cast<int>(larger(smaller(dim.value_or(usual), 64), -1));
    const bool fits = out.dim >= 0 && static_cast<std::size_t>(out.dim) < shape.size();
    const Index extent = fits ? shape[static_cast<std::size_t>(out.dim)] : 1;
    bool attention = role.role == Role::query || role.role == Role::key_value;
    if (role.name == "qkv" && !given.parts.empty())
      report("SP-MODEL-004", path + ".parts", "role qkv has the parts q, k and v already", "role feature with parts");
    for (std::size_t i = 0; i < given.parts.size(); ++i) {
      out.parts.push_back(part(given.parts[i], concat(path, ".parts[", i, ']')));
      attention = attention || out.parts.back().role == Role::query || out.parts.back().role == Role::key_value;
    }
    if (attention && !given.heads) {
      if (!heads_given_ && !no_heads_told_)
        report("SP-MODEL-008", path + ".role", concat(given.name, " is cut by heads, but there are none"),
               "heads: {query: ..., key_value: ..., size: ...}, of the parameter or of the model");
      else if (!heads_given_ || is_broken("heads"))
        broken_.push_back(path + ".heads");  // told already
      no_heads_told_ = !heads_given_;
      out.heads = heads_;
    }
    if (role.name == "qkv") {
      Index q = 0, kv = 0;
      if (__builtin_mul_overflow(out.heads.query, out.heads.size, &q) ||
          __builtin_mul_overflow(out.heads.key_value, out.heads.size, &kv))
        q = kv = 0;
      out.parts = {{"q", q, Role::query}, {"k", kv, Role::key_value}, {"v", kv, Role::key_value}};
    } else if (given.parts.empty()) {
      out.parts = {{{}, extent, role.role}};
    }
    for (const Part& one : out.parts)
      if (one.role == Role::vocabulary) out.vocabulary_multiple = vocabulary_multiple_;
    return out;
  }

  Part part(const CustomPart& given, const std::string& path) {
    Part out;
    out.size = number(given.size, path + ".size").value_or(1);
    for (const std::string_view one : part_names)
      if (one == given.name) out.name = one;
    if (out.name.empty() && !given.name.empty())
      report("SP-MODEL-003", path + ".name", concat("unknown part '", given.name, '\''),
             concat("no name, or one of ", join(part_names, ", ")));
    if (const PartRole* found = known(part_roles, given.role, path + ".role", "role of a part")) out.role = found->role;
    return out;
  }

  void architecture(const CustomArchitecture& given) {
    Architecture out;
    for (const auto& [key, from, to] : CustomArchitecture::sizes<CustomArchitecture>())
      out.*to = number(given.*from, concat("architecture.", key)).value_or(out.*to);
    out.qkv_linear = given.qkv_linear;
    out.fuse_qkv = given.fuse_qkv;
    out.bias = given.bias;
    out.gated = given.gated;
    out.learned_positions = given.learned_positions;
    out.tied_embeddings = given.tied_embeddings;
    out.vocabulary_multiple = vocabulary_multiple_;
    const auto option = [&](std::string_view key, auto& value, auto from_name, const std::string& word) {
      try {
        value = from_name(word);
      } catch (const Error& error) {
        const Diagnostic& what = error.diagnostics()[0];
        report(what.id, concat("architecture.", key), what.message, what.hint);
      }
    };
    option("family", out.family, family_from_name, given.family);
    option("normalization", out.normalization, normalization_from_name, given.normalization);
    option("block", out.block, block_from_name, given.block);
    model_.architecture = out;
  }

  const Node& root_;
  Diagnostics found_;
  std::vector<std::string> broken_;   ///< paths of what could not be read
  std::vector<std::string> unknown_;  ///< sizes about which a finding has been given
  std::vector<NamedSize> scope_;
  CustomModel model_;
  Index vocabulary_multiple_ = 0;
  Heads heads_;
  LayerSet moe_;
  bool heads_given_ = false;
  bool no_heads_told_ = false;
  bool moe_given_ = false;
};

}  // namespace detail

/// The description in a tree that was read from a file; `custom_model(...)` makes the model of it.
///
/// Errors   SP-CONFIG-010, -011, -012, -017 values and keys, -013 unknown keys (warning); SP-MODEL-003 unknown words,
///          -006 expressions; and all that diagnose_custom_model() finds in what could be read. Each at its line and
///          column, in the order of the file; what follows from another fault is not told
inline BoundCustomModel bind_custom_model(const Node& root) {
  detail::Binder binder(root, {});
  detail::CustomFile file;
  binder.section(root, {}, file);
  return detail::CustomReader(root, std::move(binder.diagnostics)).run(file);
}

}  // namespace shardplan
