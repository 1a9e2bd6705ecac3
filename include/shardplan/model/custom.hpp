#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/model/model.hpp>

/// A model of one's own, described as data: which parameters stand in front of the layers, in each layer and behind
/// them, each with its shape and the way it may be cut.
namespace shardplan {

/// Which layers a parameter stands in; the default is all.
struct LayerSet {
  Index begin = 0;
  Index end = most_layers;  ///< the first layer behind; beyond the model's layers: up to its last
  Index every = 1;          ///< begin, begin + every, ...: an MoE frequency
  bool others = false;      ///< exactly the layers that the numbers above leave out, which may be none

  constexpr bool contains(LayerId layer) const {
    const bool among = Interval{begin, end}.contains(layer.value) && (layer.value - begin) % every == 0;
    return among != others;
  }
  /// How many of the first `layers`. Pre: begin >= 0, every >= 1.
  constexpr Index count(Index layers) const {
    const Index among = ceil_div(larger(smaller(end, layers) - begin, 0), every);
    return others ? layers - among : among;
  }

  friend constexpr bool operator==(const LayerSet&, const LayerSet&) = default;
};

/// A parameter, or one of every layer of a set.
struct CustomParameter {
  std::string name;  ///< of layers: with `{layer}` where the number goes, `model.layers.{layer}.mlp.up_proj.weight`
  Shape shape;       ///< whole and unpadded
  Sharding sharding = replicated();  ///< made by `replicated` or `cut`, or written out for packed parts and for experts
  LayerSet layers{};                 ///< of parameters of layers only
  std::string tied_name{};           ///< of a parameter in front only: the name of its copy on the last stage
  std::optional<Dtype> dtype{};      ///< none: that of the model

  friend bool operator==(const CustomParameter&, const CustomParameter&) = default;
};
using CustomParameters = InlineVector<CustomParameter, 1>;

/// Where a parameter is listed says which pipeline stage owns it; the order is that of the registry.
struct CustomModel {
  std::string name;
  Index layers = 0;
  CustomParameters front{};  ///< on the stage of the embedding; a tied one on the stage of the head too
  CustomParameters layer{};  ///< those of one layer, repeated for all of them
  CustomParameters back{};   ///< on the stage of the head
  Dtype dtype = Dtype::bfloat16;
  /// The decoder that the model resembles, for what does not follow from parameters: activations, and the experts that
  /// a token visits. Its layers, and its dtype, are those of the description.
  std::optional<Architecture> architecture{};

  friend bool operator==(const CustomModel&, const CustomModel&) = default;
};

/// Bound on the parameters of a described model, every one of `layer` counted for all layers.
inline constexpr Index most_parameters = Index{1} << 20;
/// Bound on the letters of a name.
inline constexpr Index longest_name = 512;

inline constexpr std::string_view layer_mark = "{layer}";

/// The name of a pattern in a layer. Post: a name without `{layer}` stays as it is.
inline std::string layer_name(std::string_view pattern, LayerId layer) {
  std::string out;
  for (std::size_t at = 0; (at = pattern.find(layer_mark)) != pattern.npos;) {
    out += concat(pattern.substr(0, at), layer);
    pattern.remove_prefix(at + layer_mark.size());
  }
  return out += pattern;
}

namespace detail {

/// What is wrong with heads by themselves, if anything.
inline std::optional<Diagnostic> heads_fault(const Heads& h) {
  if (h.query < 1 || h.key_value < 1 || h.size < 1)
    return finding("SP-MODEL-008",
                   concat("there are ", h.query, " query heads and ", h.key_value, " KV heads of size ", h.size),
                   "each at least 1");
  if (h.query % h.key_value != 0)
    return finding("SP-MODEL-008",
                   concat("query heads (", h.query, ") are not a multiple of KV heads (", h.key_value, ')'),
                   concat("KV heads ", divisors_near(h.query, h.key_value)));
  return std::nullopt;
}

/// Finds what is wrong with a description. A finding's key is the path of the member, such as `layer[2].shape`.
class CustomCheck {
 public:
  explicit CustomCheck(const CustomModel& model) : model_(model) {}

  Diagnostics run() && {
    const bool layers = in_range("layers", model_.layers, 1, most_layers);
    for (std::size_t i = 0; i < model_.front.size(); ++i) parameter(concat("front[", i, ']'), model_.front[i], false);
    for (std::size_t i = 0; i < model_.layer.size(); ++i) parameter(concat("layer[", i, ']'), model_.layer[i], true);
    for (std::size_t i = 0; i < model_.back.size(); ++i) {
      const std::string path = concat("back[", i, ']');
      parameter(path, model_.back[i], false);
      refuse_if(!model_.back[i].tied_name.empty(), "SP-MODEL-004", path, "tied_name",
                concat(model_.back[i].name, " stands behind the layers and cannot be the first copy of a tied weight"),
                "give the weight in front of the layers, with the name of its copy here as tied_name");
    }
    if (layers && countable()) {
      all_layers();
      distinct_names();
      if (model_.architecture) architecture(*model_.architecture);
    }
    return std::move(out_);
  }

 private:
  void report(std::string_view id, std::string_view key, std::string_view message, std::string_view hint = {}) {
    out_.push_back(finding(id, message, hint, {key}));
  }
  bool refuse_if(bool wrong, std::string_view id, std::string_view path, std::string_view member,
                 std::string_view message, std::string_view hint) {
    if (wrong) report(id, concat(path, '.', member), message, hint);
    return wrong;
  }
  bool in_range(std::string_view key, Index value, Index least, Index most) {
    if (value < least) report("SP-MODEL-002", key, concat(key, " is ", value), concat("at least ", least));
    if (value > most) report("SP-MODEL-005", key, concat(key, " is ", value), concat("at most ", most));
    return least <= value && value <= most;
  }

  void parameter(const std::string& path, const CustomParameter& p, bool of_layer) {
    const bool marked = p.name.find(layer_mark) != p.name.npos;
    if (!refuse_if(p.name.empty(), "SP-MODEL-009", path, "name", "a parameter without a name", "its full name")) {
      refuse_if(of_layer && !marked, "SP-MODEL-009", path, "name",
                concat("'", p.name, "' would be the name of a parameter in every layer"),
                "put {layer} where the number of the layer goes: model.layers.{layer}.mlp.up_proj.weight");
      refuse_if(!of_layer && marked, "SP-MODEL-009", path, "name",
                concat("'", p.name, "' does not stand in a layer, but has {layer} in its name"),
                "list it under layer, or name it without {layer}");
    }
    for (const std::string* name : {&p.name, &p.tied_name}) {
      const auto size = static_cast<Index>(name->size());
      countable_ = countable_ && size <= longest_name;
      refuse_if(size > longest_name, "SP-MODEL-009", path, name == &p.name ? "name" : "tied_name",
                concat("a name of ", size, " letters"), concat("at most ", longest_name));
    }
    const LayerSet& set = p.layers;
    const bool numbers = set.begin >= 0 && set.end > set.begin && set.every >= 1;
    if (!of_layer) {
      refuse_if(set != LayerSet{}, "SP-MODEL-010", path, "layers", concat(p.name, " does not stand in layers"),
                "list it under layer");
    } else {
      countable_ = countable_ && numbers;
      if (!refuse_if(!numbers, "SP-MODEL-010", path, "layers",
                     concat(p.name, " stands in layers ", set.begin, " up to ", set.end, ", every ", set.every),
                     "begin >= 0, end > begin, every >= 1"))
        refuse_if(!set.others && model_.layers >= 1 && set.count(model_.layers) == 0, "SP-MODEL-010", path, "layers",
                  concat(p.name, " stands in none of the ", model_.layers, " layers"),
                  concat("layers 0 to ", model_.layers - 1));
      refuse_if(!p.tied_name.empty(), "SP-MODEL-004", path, "tied_name",
                concat(p.name, " stands in layers and has no copy on the last stage"),
                "only a parameter in front of the layers is tied");
    }
    if (extents(path, p) && heads(path, p)) parts(path, p);
  }

  bool extents(const std::string& path, const CustomParameter& p) {
    constexpr std::size_t most = 16;
    if (refuse_if(p.shape.size() > most, "SP-MODEL-007", path, "shape",
                  concat(p.name, " has ", p.shape.size(), " dimensions"), concat("at most ", most)))
      return false;
    Index total = 1;
    for (const Index extent : p.shape) {
      if (refuse_if(extent < 1, "SP-MODEL-002", path, "shape", concat(p.name, " has an extent of ", extent),
                    "at least 1"))
        return false;
      if (refuse_if(__builtin_mul_overflow(total, extent, &total), "SP-CORE-001", path, "shape",
                    concat("the elements of ", p.name, ' ', p.shape, " do not fit 64 bits"), {}))
        return false;
    }
    return true;
  }

  void parts(const std::string& path, const CustomParameter& p) {
    const Sharding& rule = p.sharding;
    const auto dims = static_cast<Index>(p.shape.size());
    if (refuse_if(rule.expert && dims == 0, "SP-MODEL-007", path, "shape",
                  concat(p.name, " has no dimension that counts experts"), "a shape [experts, ...]"))
      return;
    refuse_if(rule.vocabulary_multiple < 0, "SP-MODEL-002", path, "vocabulary_multiple",
              concat("vocabulary_multiple is ", rule.vocabulary_multiple), "at least 0");
    if (rule.parts.empty()) return;
    const int least = rule.expert ? 1 : 0;
    if (refuse_if(
            rule.dim < least || rule.dim >= dims, "SP-MODEL-007", path, "shape",
            concat(p.name, " is cut along dimension ", rule.dim, ", but its shape ", p.shape, " has ", dims,
                   dims == 1 ? " dimension" : " dimensions",
                   rule.expert && rule.dim == 0 ? ", of which 0 counts experts" : ""),
            concat(dims > least ? concat("dimension ", least, least + 1 < dims ? concat(" to ", dims - 1) : "", ", or ")
                                : std::string(),
                   "a shape of at least ", larger(rule.dim, least) + 1, " dimensions")))
      return;
    Index total = 0;
    bool counted = true;
    for (const Part& part : rule.parts) {
      if (refuse_if(part.size < 1, "SP-MODEL-002", path, "parts", concat("a part of ", p.name, " has size ", part.size),
                    "at least 1"))
        return;
      counted = counted && !__builtin_add_overflow(total, part.size, &total);
    }
    const Index extent = p.shape[static_cast<std::size_t>(rule.dim)];
    refuse_if(!counted || total != extent, "SP-MODEL-007", path, "parts",
              counted ? concat("parts of ", p.name, " add up to ", total, ", but dimension ", rule.dim, " of ", p.shape,
                               " has ", extent)
                      : concat("parts of ", p.name, " do not add up to ", extent),
              concat("parts of ", extent, " in all"));
  }

  /// Whether the parts are made of whole heads, which agree with each other.
  bool heads(const std::string& path, const CustomParameter& p) {
    const Heads& h = p.sharding.heads;
    if (h != Heads{}) {
      const bool known = std::find(seen_.begin(), seen_.end(), h) != seen_.end();
      if (!known) seen_.push_back(h);
      if (const auto fault = heads_fault(h)) {
        if (!known) report(fault->id, concat(path, ".heads"), fault->message, fault->hint);
        return false;
      }
    }
    for (const Part& part : p.sharding.parts) {
      if (part.role != Role::query && part.role != Role::key_value) continue;
      const bool query = part.role == Role::query;
      const std::string_view kind = query ? " query heads" : " KV heads";
      const Index count = query ? h.query : h.key_value;
      if (refuse_if(count == 0, "SP-MODEL-008", path, "heads", concat(p.name, " is cut by", kind, ", but has no heads"),
                    "heads with query, key_value and size"))
        return false;
      Index rows = 0;
      const bool fits = !__builtin_mul_overflow(count, h.size, &rows);
      const bool dimension = p.sharding.dim >= 0 && p.sharding.dim < static_cast<Index>(p.shape.size());
      if (dimension && refuse_if(!fits || rows != part.size, "SP-MODEL-008", path, "shape",
                                 concat(p.name, " has ", part.size, " elements for ", count, kind, " of size ", h.size),
                                 fits ? concat("an extent of ", rows) : std::string()))
        return false;
    }
    return true;
  }

  /// Whether it may be gone through layer by layer.
  bool countable() {
    const auto in_layer = static_cast<Index>(model_.layer.size());
    const Index all = in_layer * model_.layers + static_cast<Index>(model_.front.size() + model_.back.size());
    if (all > most_parameters)
      report("SP-MODEL-005", "layer", concat(in_layer, " parameters for ", model_.layers, " layers"),
             concat("at most ", most_parameters, " parameters in all"));
    return all <= most_parameters && countable_;
  }

  void all_layers() {
    for (LayerId layer = 0; layer < LayerId{model_.layers}; ++layer) {
      bool filled = false;
      for (const CustomParameter& p : model_.layer) filled = filled || p.layers.contains(layer);
      if (!filled)
        return report("SP-MODEL-010", "layer", concat("no parameter stands in layer ", layer),
                      concat("every layer from 0 to ", model_.layers - 1, " has one"));
    }
  }

  void distinct_names() {
    struct Use {
      std::string name;
      std::size_t key;
    };
    std::vector<Use> uses;
    std::vector<std::string> keys;
    const auto list = [&](std::string_view where, const CustomParameters& all) {
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (!all[i].name.empty()) {
          uses.push_back({all[i].name, keys.size()});
          keys.push_back(concat(where, '[', i, "].name"));
        }
        if (!all[i].tied_name.empty()) {
          uses.push_back({all[i].tied_name, keys.size()});
          keys.push_back(concat(where, '[', i, "].tied_name"));
        }
      }
    };
    list("front", model_.front);
    for (std::size_t i = 0; i < model_.layer.size(); ++i) {
      const CustomParameter& p = model_.layer[i];
      if (p.name.find(layer_mark) == p.name.npos) continue;  // told already
      for (LayerId layer = 0; layer < LayerId{model_.layers}; ++layer)
        if (p.layers.contains(layer)) uses.push_back({layer_name(p.name, layer), keys.size()});
      keys.push_back(concat("layer[", i, "].name"));
    }
    list("back", model_.back);
    std::stable_sort(uses.begin(), uses.end(), [](const Use& a, const Use& b) { return a.name < b.name; });
    std::vector<bool> told(keys.size());
    for (std::size_t i = 1; i < uses.size(); ++i) {
      const Use &first = uses[i - 1], &second = uses[i];
      if (first.name != second.name || told[second.key]) continue;
      told[second.key] = true;
      out_.push_back(finding("SP-MODEL-009", concat("two parameters are called '", second.name, "'"),
                             "another name, or layers that the two do not share", {keys[second.key], keys[first.key]}));
    }
  }

  void architecture(Architecture a) {
    a.layers = model_.layers;
    for (Diagnostic one : diagnose(a)) {
      for (Origin& at : one.origins) at.key = concat(at.key == "layers" ? "" : "architecture.", at.key);
      out_.push_back(std::move(one));
    }
    if (a.moe_frequency < 1) return;
    for (LayerId layer = 0; layer < LayerId{model_.layers}; ++layer) {
      bool experts = false;
      for (const CustomParameter& p : model_.layer)
        experts = experts || (p.sharding.expert && p.layers.contains(layer));
      if (experts == a.is_moe(layer)) continue;
      return report("SP-MODEL-004", "architecture.moe_frequency",
                    concat("layer ", layer, experts ? " has experts, but is none" : " has no experts, but is one",
                           " of the MoE layers of a ", name(a.family), " with ", a.experts,
                           " experts and moe_frequency ", a.moe_frequency),
                    "experts and a frequency that give the layers whose parameters are experts");
    }
  }

  const CustomModel& model_;
  Diagnostics out_;
  InlineVector<Heads, 2> seen_;
  bool countable_ = true;  ///< names and sets of layers are in range
};

}  // namespace detail

/// Everything wrong with a description, each fault once; keys are paths of its members, such as `layer[2].shape`.
/// Ids SP-MODEL-002, -005 sizes; -004 a tied weight that is not in front, an architecture that contradicts it; -007
/// shapes, -008 heads, -009 names, -010 layers; SP-CORE-001; with an architecture those of `diagnose` of it.
inline Diagnostics diagnose_custom_model(const CustomModel& description) {
  return detail::CustomCheck(description).run();
}

/// The model of a description, which is planned as the built-in ones are.
///
///     const sp::Model mine = sp::custom_model({.name = "mine", .layers = 4,
///         .front = {{"embedding.weight", {512, 64}, sp::cut(0, 512, sp::Role::vocabulary)}},
///         .layer = {{"layers.{layer}.up.weight", {256, 64}, sp::cut(0, 256)},
///                   {"layers.{layer}.down.weight", {64, 256}, sp::cut(1, 256)}}});
///     const sp::BasicPlan<sp::Parameters> plan(mine.parameters, strategy, world);
///
/// A `Plan` plans it too, with activations in its memory, where the description has an architecture. Without one only
/// the layers and the dtype of `Model::architecture` are known and `Plan` refuses its other sizes (SP-MODEL-002):
/// a `BasicPlan` then lays out weights, optimizer state, stages and schedules, and only activations stay unknown.
///
/// Errors   all that diagnose_custom_model() finds
/// Post     parameters in front, layer after layer, those behind; a registry equal to that of `llama`, `mixtral` or
///          `megatron` where it describes one
inline Model custom_model(const CustomModel& description) {
  if (Diagnostics findings = diagnose_custom_model(description); has_errors(findings)) throw Error(std::move(findings));
  Model out{description.name, description.architecture.value_or(Architecture{}), {}};
  out.architecture.layers = description.layers;
  out.architecture.dtype = description.dtype;
  const auto add = [&](const CustomParameter& p, Owner owner) {
    out.parameters.push_back({owner.kind == Owner::Kind::layer ? layer_name(p.name, owner.layer) : p.name, p.shape,
                              p.dtype.value_or(description.dtype), p.sharding, owner, p.tied_name});
  };
  for (const CustomParameter& p : description.front)
    add(p, {p.tied_name.empty() ? Owner::Kind::first : Owner::Kind::first_and_last, {}});
  for (LayerId layer = 0; layer < LayerId{description.layers}; ++layer)
    for (const CustomParameter& p : description.layer)
      if (p.layers.contains(layer)) add(p, {Owner::Kind::layer, layer});
  for (const CustomParameter& p : description.back) add(p, {Owner::Kind::last, {}});
  return out;
}

}  // namespace shardplan
