// shardplan mesh: a rank order in any notation, its groups, and whether two orders are the same.
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <shardplan/layout/notation.hpp>
#include <shardplan/report/json.hpp>
#include <shardplan/report/rank_grid.hpp>
#include <shardplan/report/ranks.hpp>
#include <shardplan/report/table.hpp>
#include <shardplan/report/units.hpp>
#include <string>
#include <string_view>
#include <vector>
#include "cli11.hpp"

#include "console.hpp"
#include "verbs.hpp"

namespace sp = shardplan;

namespace {

struct Arguments {
  std::string notation = "megatron";
  std::string order, sizes, hardware, grid, dialect, groups, same_as;
  std::optional<sp::Index> world, lnc, node, offset, rank;
  std::vector<std::string> renames, as;
  bool all = false;
  std::string format = "text";
};

/// Groups of one kind, wherever they come from.
struct Kind {
  std::string name;
  std::string over;  ///< axes that its members differ in, fastest first; empty: not said so
  std::string grid;
  sp::Index size = 1;  ///< of the first group
  sp::Index count = 1;
  std::function<sp::Group(sp::Index)> at;
  std::function<std::optional<sp::Index>(sp::Rank)> number_of;
};

/// What the arguments mean.
struct Order {
  const sp::OrderNotation* notation = nullptr;
  sp::View view;
  std::string_view grid;  ///< which one of two `view` is; empty: there is one
  std::vector<Kind> kinds;
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if ('A' <= c && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

template <class List>
Kind kind(std::string name, std::string over, std::string grid, const List& list) {
  Kind out{std::move(name),
           std::move(over),
           std::move(grid),
           static_cast<sp::Index>(list[0].size()),
           static_cast<sp::Index>(list.size()),
           {},
           {}};
  out.at = [list](sp::Index i) { return list[static_cast<std::size_t>(i)]; };
  out.number_of = [list](sp::Rank rank) {
    std::optional<sp::Index> number;
    if (const std::optional<std::size_t> found = list.index_of(rank)) number = static_cast<sp::Index>(*found);
    return number;
  };
  return out;
}

/// The ranks of a view that differ in some axes only: `tp-dp`. Errors SP-MESH-007, SP-MESH-014.
Kind axes_kind(const sp::View& view, std::string_view token, std::string_view grid = {}) {
  std::vector<bool> member(view.axes().size(), false);
  for (std::size_t from = 0; from <= token.size();) {
    const std::size_t end = std::min(token.find('-', from), token.size());
    const std::size_t at = view.at(sp::Axis(token.substr(from, end - from)));
    if (member[at]) sp::fail("SP-MESH-014", sp::concat("'", token, "' names an axis twice"), "once", {"groups"});
    member[at] = true;
    from = end + 1;
  }
  sp::GroupList::Axes members, others;
  for (std::size_t i = 0; i < member.size(); ++i) (member[i] ? members : others).push_back(view.axes()[i].axis);
  return kind(std::string(token), std::string(token), std::string(grid), sp::GroupList(view, members, others));
}

/// The text that the options make up together.
std::string order_text(const Arguments& arguments) {
  std::string out = arguments.order;
  const auto word = [&out](const std::string& text) {
    if (!text.empty()) out += sp::concat(out.empty() ? "" : " ", text);
  };
  const auto number = [&](std::string_view key, const std::optional<sp::Index>& value) {
    if (value) word(sp::concat(key, '=', *value));
  };
  word(arguments.sizes);
  number("world", arguments.world);
  if (!arguments.hardware.empty()) word("hardware=" + arguments.hardware);
  number("lnc", arguments.lnc);
  number("node", arguments.node);
  number("offset", arguments.offset);
  if (!arguments.grid.empty()) word("grid=" + arguments.grid);
  if (!arguments.dialect.empty()) word("dialect=" + arguments.dialect);
  return out;
}

Order read(const Arguments& arguments) {
  const std::string text = order_text(arguments);
  Order out{&sp::order_notation(arguments.notation), {}, {}, {}};
  const std::string_view grid = arguments.grid.empty() ? "dense" : std::string_view(arguments.grid);
  if (text.empty())
    sp::fail("SP-MESH-014", "no rank order is given",
             sp::concat("--order, --sizes; ", arguments.notation, " reads '", out.notation->example, '\''), {"order"});
  if (arguments.notation == "megatron") {
    const sp::mcore::OrderOfText order = sp::mcore::parse_order(text);
    out.view = order.grid.view();
    if (order.job) {
      out.grid = grid;
      for (const sp::mcore::Kind one : order.job->kinds()) {
        std::string name = lower(sp::mcore::name(one));
        if (const std::size_t at = name.find("_group"); at != name.npos) name.erase(at, 6);
        out.kinds.push_back(
            kind(name, std::string(one.row().token), one.row().expert ? "expert" : "dense", order.job->groups(one)));
      }
      return out;
    }
  } else if (arguments.notation == "nxd") {
    const sp::MeshOfText order = sp::parse_nxd_mesh(text);
    out.view = order.view();
    out.grid = grid;
    for (const sp::Axis axis : {sp::tp, sp::cp, sp::dp, sp::pp, sp::ep, sp::edp})
      out.kinds.push_back(kind(std::string(axis.name()), std::string(axis.name()),
                               axis == sp::ep || axis == sp::edp ? "expert" : "dense", order.mesh.groups(axis)));
    out.kinds.push_back(
        kind("zero1", order.mesh.degrees().context > 1 ? "cp-dp" : "dp", "dense", order.mesh.zero1_groups()));
    return out;
  } else {
    out.view = out.notation->parse(text);
  }
  for (std::size_t i = out.view.axes().size(); i-- > 0;)
    out.kinds.push_back(axes_kind(out.view, out.view.axes()[i].axis.name()));
  return out;
}

/// The kind of that name, in Megatron's spelling too, or axes between hyphens. Errors SP-MESH-007.
Kind find_kind(const Order& order, const std::string& wanted) {
  const std::string name = lower(wanted);
  for (const Kind& one : order.kinds)
    if (one.name == name || one.name + "_group" == name) return one;
  std::vector<std::string> known;
  for (const Kind& one : order.kinds) known.push_back(one.name);
  for (std::size_t from = 0; from <= wanted.size();) {
    const std::size_t end = std::min(wanted.find('-', from), wanted.size());
    if (!order.view.find(sp::Axis(wanted.substr(from, end - from)))) {
      std::string axes;
      for (const sp::View::Extent& axis : order.view.axes())
        axes += sp::concat(axes.empty() ? "" : "-", axis.axis.name());
      sp::fail("SP-MESH-007", sp::concat("there are no groups '", wanted, "'"),
               sp::concat(sp::join(known, ", "), "; or axes, such as ", axes), {"groups"});
    }
    from = end + 1;
  }
  return axes_kind(order.view, wanted, order.grid);
}

/// Strides that the members of a group are counted by, fastest first; none where no strides tell them, or it is large.
std::vector<sp::Group::Member> strides(const sp::Group& group) {
  const auto size = static_cast<sp::Index>(group.size());
  std::vector<sp::Group::Member> out;
  if (size > sp::Index{1} << 20) return out;
  const auto at = [&](sp::Index k) { return group[static_cast<std::size_t>(k)].value - group[0].value; };
  for (sp::Index reached = 1; reached < size;) {
    const sp::Index stride = at(reached);
    sp::Index extent = 2;
    while (extent * reached < size && at(extent * reached) == extent * stride) ++extent;
    if (size % (reached * extent) != 0) return {};
    out.push_back({extent, stride});
    reached *= extent;
  }
  for (sp::Index k = 0; k < size; ++k) {
    sp::Index rest = k, sum = 0;
    for (const sp::Group::Member& one : out) {
      sum += rest % one.extent * one.stride;
      rest /= one.extent;
    }
    if (sum != at(k)) return {};
  }
  return out;
}

std::string strides_text(const sp::Group& group) {
  if (group.size() == 1) return "-";
  std::string out;
  for (const sp::Group::Member& one : strides(group)) out += sp::concat(out.empty() ? "" : ", ", one.stride);
  return out.empty() ? "listed" : out;
}

/// `[0, 8, 16, 24]`, `[0, 8, ..., 56]`, `[0-15, 48-63]`
std::string ranks_text(const sp::Group& group) {
  const std::size_t size = group.size();
  if (size <= 6) return sp::concat('[', sp::join(group, ", "), ']');
  if (size > std::size_t{1} << 20 || strides(group).size() == 1)
    return sp::concat('[', group[0], ", ", group[1], ", ..., ", group[size - 1], ']');
  return sp::concat('[', sp::rank_list(group), ']');
}

std::string place_text(const sp::View& view, const sp::Place& place) {
  std::string out;
  for (std::size_t i = place.size(); i-- > 0;)
    if (view.axes()[i].size > 1) out += sp::concat(out.empty() ? "" : ", ", view.axes()[i].axis.name(), ' ', place[i]);
  return out.empty() ? "the only place" : out;
}

using Align = sp::Table::Align;

void write_overview(std::string& out, const Order& order) {
  const sp::View& view = order.view;
  out += sp::concat(order.notation->system, ": ", sp::counted(view.size(), "rank"), ", ", view.offset(), " to ",
                    view.offset() + view.size() - 1,
                    order.grid.empty() ? std::string() : sp::concat("; axes of the ", order.grid, " grid"), "\n\n");
  sp::Table axes({{"axis"}, {"size", Align::right}, {"steps, fastest first"}});
  std::string alone;
  for (std::size_t axis = view.axes().size(); axis-- > 0;) {
    const sp::View::Extent& one = view.axes()[axis];
    if (one.size == 1) {
      alone += sp::concat(alone.empty() ? "" : ", ", one.axis.name());
      continue;
    }
    std::string steps;
    for (const sp::View::Slot& digit : sp::detail::digit_chain(view))
      if (digit.axis == axis) steps += sp::concat(steps.empty() ? "" : ", then ", digit.extent, " by ", digit.stride);
    axes.row({std::string(one.axis.name()), sp::concat(one.size), steps});
  }
  axes.write(out, 2, cli::page_width());
  if (!alone.empty()) out += sp::concat("  size 1: ", alone, '\n');
  if (const sp::Wire& wire = view.wires(); sp::detail::moves_ranks(wire)) {
    out += sp::concat("  then the blocks of ", sp::counted(wire.block, "rank"), " in every ", wire.node, " stand at ");
    for (std::size_t i = 0; i < wire.physical.size() && i < 16; ++i)
      out += sp::concat(i == 0 ? "" : ", ", wire.physical[i]);
    out += wire.physical.size() > 16 ? ", ...\n" : "\n";
  }
  out += '\n';
  sp::Table groups(
      {{"groups"}, {"over"}, {"grid"}, {"size", Align::right}, {"count", Align::right}, {"stride"}, {"first groups"}});
  alone.clear();
  for (const Kind& kind : order.kinds) {
    if (kind.size == 1) {
      alone += sp::concat(alone.empty() ? "" : ", ", kind.name);
      continue;
    }
    std::string first;
    sp::Index shown = 0;
    for (; shown < std::min<sp::Index>(kind.count, 3); ++shown) {
      const std::string next = ranks_text(kind.at(shown));
      if (shown > 0 && first.size() + next.size() > 64) break;
      first += sp::concat(shown == 0 ? "" : " ", next);
    }
    groups.row({kind.name, kind.over, kind.grid, sp::concat(kind.size), sp::concat(kind.count),
                strides_text(kind.at(0)), first + (shown < kind.count ? " ..." : "")});
  }
  groups.write(out, 2, cli::page_width());
  if (!alone.empty()) out += sp::concat("  of one rank each: ", alone, '\n');
}

void write_rank(std::string& out, const Order& order, sp::Rank rank) {
  out += sp::concat("Rank ", rank, ": ", place_text(order.view, order.view.place(rank)), "\n\n");
  sp::Table groups({{"groups"}, {"number", Align::right}, {"position", Align::right}, {"ranks"}});
  for (const Kind& kind : order.kinds) {
    const auto number = kind.number_of(rank);
    if (!number || kind.size == 1) continue;
    const sp::Group group = kind.at(*number);
    groups.row({kind.name, sp::concat(*number), sp::concat(*group.position(rank)), ranks_text(group)});
  }
  groups.write(out, 2, cli::page_width());
}

constexpr sp::Index unasked_groups = 16;

void write_groups(cli::Output& out, const Kind& kind, bool all) {
  out.text += sp::concat(kind.name, kind.over.empty() || kind.over == kind.name ? "" : " over " + kind.over,
                         kind.grid.empty() ? "" : ", " + kind.grid + " grid", ": ", sp::counted(kind.count, "group"),
                         " of ", sp::counted(kind.size, "rank"), "\n\n");
  const sp::Index shown = all || kind.count <= 2 * unasked_groups ? kind.count : unasked_groups;
  const std::size_t width = sp::concat(shown - 1).size();
  for (sp::Index i = 0; i < shown; ++i) {
    const std::string number = sp::concat(i);
    const sp::Group group = kind.at(i);
    out.text.append(2 + width - number.size(), ' ');
    out.text += sp::concat(number, "  ", all ? sp::concat('[', sp::join(group, ", "), ']') : ranks_text(group), '\n');
    out.flush_if_large();
  }
  if (shown < kind.count)
    out.text += sp::concat("  and ", kind.count - shown, " more; --all lists every rank of all\n");
}

/// The verdict of --same-as.
struct Comparison {
  const sp::OrderNotation* notation;
  std::string text;
  sp::View view;
  std::optional<sp::OrderDifference> difference;
};

Comparison compare(const Order& order, const Arguments& arguments) {
  const std::string_view given = arguments.same_as;
  const std::size_t blank = std::min(given.find(' '), given.size());
  Comparison out{
      &sp::order_notation(given.substr(0, blank)), std::string(sp::detail::trimmed(given.substr(blank))), {}, {}};
  sp::Renaming names;
  for (const std::string& rename : arguments.renames) {
    const std::size_t at = rename.find('=');
    names.push_back({sp::Axis(rename.substr(0, at)), sp::Axis(at == rename.npos ? "" : rename.substr(at + 1))});
  }
  out.view = out.notation->parse(out.text);
  out.difference = sp::same_order(order.view, out.view, names);
  return out;
}

void write_place(sp::JsonWriter& json, std::string_view key, const sp::View& view, const sp::Place& place) {
  json.key(key).flat().begin_object();
  for (std::size_t i = 0; i < place.size(); ++i) json.member(view.axes()[i].axis.name(), place[i]);
  json.end_object();
}

void write_ranks(sp::JsonWriter& json, const sp::Group& group) {
  json.flat().begin_array();
  for (const sp::Rank rank : group) json.value(rank);
  json.end_array();
}

/// Ranks of a group that JSON lists without being asked.
constexpr std::size_t unasked_ranks = 1024;

/// Schema shardplan-mesh-1:
///   notation, system   of --notation
///   first_rank, ranks  the numbers first_rank ... first_rank + ranks - 1
///   axes               outermost first: name, size
///   digits             fastest first: axis, extent, stride (in ranks, before the wire), weight (in the coordinate)
///   wire               null, or {node, block, physical}: block b of every `node` ranks stands at physical[b]
///   kinds              name, over, grid, size, count, strides ([{extent, stride}], fastest first, or null where none
///                      tell the ranks), first_group (null above 1,024 ranks)
///   rank               with --rank: rank, place {axis: coordinate}, groups: [{kind, number, position}] of the kinds
///                      that have it
///   groups             with --groups: kind, over, grid, size, count, ranks: a list a group
///   as                 with --as: {notation: text}
///   same_as            with --same-as: notation, text, same, first_difference (null, or {rank, here, there})
void write_json(cli::Output& out, const Order& order, const Arguments& arguments, const Kind* listed,
                const std::vector<std::string>& as, const std::optional<Comparison>& comparison) {
  const sp::View& view = order.view;
  sp::JsonWriter json(out.text, 2);
  json.begin_object().member("schema", "shardplan-mesh-1").member("notation", order.notation->name);
  json.member("system", order.notation->system).member("first_rank", view.offset()).member("ranks", view.size());
  json.key("axes").begin_array();
  for (const sp::View::Extent& axis : view.axes())
    json.flat().begin_object().member("name", axis.axis.name()).member("size", axis.size).end_object();
  json.end_array().key("digits").begin_array();
  for (const sp::View::Slot& digit : sp::detail::digit_chain(view))
    json.flat()
        .begin_object()
        .member("axis", view.axes()[digit.axis].axis.name())
        .member("extent", digit.extent)
        .member("stride", digit.stride)
        .member("weight", digit.weight)
        .end_object();
  json.end_array().key("wire");
  if (const sp::Wire& wire = view.wires(); sp::detail::moves_ranks(wire))
    json.flat()
        .begin_object()
        .member("node", wire.node)
        .member("block", wire.block)
        .member("physical", sp::Shape(wire.physical))
        .end_object();
  else
    json.value(nullptr);
  json.key("kinds").begin_array();
  for (const Kind& kind : order.kinds) {
    const sp::Group first = kind.at(0);
    json.flat()
        .begin_object()
        .member("name", kind.name)
        .member("over", kind.over)
        .member("grid", kind.grid)
        .member("size", kind.size)
        .member("count", kind.count)
        .key("strides");
    if (const auto known = strides(first); known.empty() && kind.size > 1) {
      json.value(nullptr);
    } else {
      json.begin_array();
      for (const auto& one : known)
        json.begin_object().member("extent", one.extent).member("stride", one.stride).end_object();
      json.end_array();
    }
    json.key("first_group");
    if (first.size() <= unasked_ranks)
      write_ranks(json, first);
    else
      json.value(nullptr);
    json.end_object();
  }
  json.end_array();
  if (arguments.rank) {
    const sp::Rank rank = *arguments.rank;
    json.key("rank").begin_object().member("rank", rank);
    write_place(json, "place", view, view.place(rank));
    json.key("groups").begin_array();
    for (const Kind& kind : order.kinds)
      if (const auto number = kind.number_of(rank))
        json.flat()
            .begin_object()
            .member("kind", kind.name)
            .member("number", *number)
            .member("position", kind.at(*number).position(rank))
            .end_object();
    json.end_array().end_object();
  }
  if (listed != nullptr) {
    json.key("groups")
        .begin_object()
        .member("kind", listed->name)
        .member("over", listed->over)
        .member("grid", listed->grid)
        .member("size", listed->size)
        .member("count", listed->count);
    json.key("ranks").begin_array();
    for (sp::Index i = 0; i < listed->count; ++i) {
      write_ranks(json, listed->at(i));
      out.flush_if_large();
    }
    json.end_array().end_object();
  }
  if (!as.empty()) {
    json.key("as").begin_object();
    for (std::size_t i = 0; i < as.size(); ++i) json.member(arguments.as[i], as[i]);
    json.end_object();
  }
  if (comparison) {
    json.key("same_as")
        .begin_object()
        .member("notation", comparison->notation->name)
        .member("text", comparison->text)
        .member("same", !comparison->difference)
        .key("first_difference");
    if (const auto& at = comparison->difference) {
      json.begin_object().member("rank", at->rank);
      write_place(json, "here", view, at->a);
      write_place(json, "there", comparison->view, at->b);
      json.end_object();
    } else {
      json.value(nullptr);
    }
    json.end_object();
  }
  json.end_object();
  out.text += '\n';
}

int run(const Arguments& arguments) {
  const Order order = read(arguments);
  const sp::View& view = order.view;
  if (arguments.rank && !view.contains(*arguments.rank))
    sp::fail("SP-MESH-009", sp::concat("rank ", *arguments.rank, " of a mesh of ", view.size()),
             sp::concat(view.offset(), " to ", view.offset() + view.size() - 1), {"rank"});
  const std::optional<Kind> listed =
      arguments.groups.empty() ? std::nullopt : std::optional(find_kind(order, arguments.groups));
  std::vector<std::string> as;
  for (const std::string& name : arguments.as) as.push_back(sp::order_notation(name).print(view));
  const std::optional<Comparison> comparison =
      arguments.same_as.empty() ? std::nullopt : std::optional(compare(order, arguments));
  const int exit = comparison && comparison->difference ? cli::differs : cli::done;

  cli::Output out;
  if (arguments.format == "svg") {
    const std::string title = sp::concat(arguments.notation, ' ', order_text(arguments));
    out.text = sp::rank_grid(view, {.title = title, .node = arguments.node.value_or(0)});
    out.flush();
    return exit;
  }
  if (arguments.format == "json") {
    write_json(out, order, arguments, listed ? &*listed : nullptr, as, comparison);
    out.flush();
    return exit;
  }
  const bool asked = listed || arguments.rank || !as.empty() || comparison;
  if (!asked) write_overview(out.text, order);
  if (arguments.rank) write_rank(out.text, order, *arguments.rank);
  if (listed) {
    if (arguments.rank) out.text += '\n';
    write_groups(out, *listed, arguments.all);
  }
  for (const std::string& text : as) out.text += text + '\n';
  if (comparison && !comparison->difference)
    out.text += sp::concat("same order: ", sp::counted(view.size(), "rank"), " at the same places in ",
                           comparison->notation->name, " '", comparison->text, "'\n");
  else if (comparison)
    out.text += sp::concat("different orders, first at rank ", comparison->difference->rank, "\n  here   ",
                           place_text(view, comparison->difference->a), "\n  there  ",
                           place_text(comparison->view, comparison->difference->b), '\n');
  out.flush();
  return exit;
}

}  // namespace

cli::Verb cli::add_mesh(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("mesh", "Rank orders of any system: places, groups, whether two are the same");
  const auto arguments = std::make_shared<Arguments>();
  std::vector<std::string> notations, machines;
  for (const sp::OrderNotation& one : sp::order_notations) notations.emplace_back(one.name);
  for (const sp::HardwareInfo& known : sp::hardware_table) machines.emplace_back(known.name);
  std::string names;
  for (std::size_t i = 0; i < notations.size(); ++i)
    names += sp::concat(i == 0 ? "" : i % 5 == 0 ? ",\n" : ", ", notations[i]);
  const auto number = [](sp::Index least) { return CLI::Range(least, sp::Index{1} << 40); };

  verb->add_option("--notation", arguments->notation,
                   sp::concat("whose notation --order and --sizes are in; default megatron:\n", names))
      ->option_text("NAME");
  verb->add_option("--order", arguments->order,
                   "the order, as that system writes it: tp-cp-ep-dp-pp (fastest first),\nProcessTopology(...), "
                   "{devices=[2,4]<=[8]} dp,tp")
      ->option_text("TEXT");
  verb->add_option("--sizes", arguments->sizes, "sizes of axes: tp=8,pp=4; in deepspeed and devicemesh slowest first")
      ->option_text("AXIS=N,...");
  verb->add_option("--world", arguments->world, "ranks of the job; data parallelism takes what is left")
      ->option_text("N")
      ->check(number(1));
  verb->add_option("--hardware", arguments->hardware, "nxd: " + sp::join(machines, ", "))
      ->option_text("NAME")
      ->check(CLI::IsMember(machines));
  verb->add_option("--lnc", arguments->lnc, "nxd: cores that act as one rank; default 2 on trn2")
      ->option_text("N")
      ->check(number(1));
  verb->add_option("--node", arguments->node, "nxd: ranks of a node")->option_text("N")->check(number(1));
  verb->add_option("--offset", arguments->offset, "megatron, hyper: the first rank")
      ->option_text("N")
      ->check(number(0));
  verb->add_option("--grid", arguments->grid, "nxd, megatron with --world: which of the two grids")
      ->option_text("dense|expert")
      ->check(CLI::IsMember({"dense", "expert"}));
  verb->add_option("--dialect", arguments->dialect, "nxd: what is right (default), or what NxD does")
      ->option_text("strict|compat")
      ->check(CLI::IsMember({"strict", "compat"}));
  verb->add_option("--rank", arguments->rank, "that rank: coordinates and groups")->option_text("N")->check(number(0));
  CLI::Option* groups =
      verb->add_option("--groups", arguments->groups, "list the groups of a kind, or over axes: tp, dp-cp")
          ->option_text("KIND");
  verb->add_flag("--all", arguments->all, "with --groups: every rank of every group")->needs(groups);
  verb->add_option("--as", arguments->as, "print the order in another notation; may be repeated")
      ->option_text("NAME")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  verb->add_option("--same-as", arguments->same_as,
                   "prove that another order puts every rank at the same place, or exit\nwith 1 and the first rank "
                   "that differs")
      ->option_text("'NAME TEXT'");
  verb->add_option("--rename", arguments->renames, "with --same-as: axis A here is B there; may be repeated")
      ->option_text("A=B")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all()
      ->check(CLI::Validator(
          [](const std::string& text) {
            const std::size_t at = text.find('=');
            return at == text.npos || at == 0 || at + 1 == text.size() ? "'" + text + "' is not A=B" : std::string();
          },
          ""));
  verb->add_option("--format", arguments->format,
                   "text (default); svg: a picture of the ranks;\njson: schema shardplan-mesh-1")
      ->option_text("text|svg|json")
      ->check(CLI::IsMember({"text", "svg", "json"}));
  add_to_help(*verb,
              "Examples:\n"
              "  shardplan mesh --order tp-cp-ep-dp-pp --sizes tp=8,pp=4 --world 64\n"
              "  shardplan mesh --sizes tp=4,cp=2,pp=2,ep=8 --world 64 --groups dp-cp\n"
              "  shardplan mesh --notation nxd --sizes tp=32,pp=2 --world 256 --hardware trn2 --rank 40\n"
              "  shardplan mesh --notation devicemesh --sizes pp=2,dp=4,tp=8 --as xla --as cute\n"
              "  shardplan mesh --sizes tp=8,pp=4 --world 64 --same-as 'deepspeed pipe=4,data=2,model=8'\n"
              "  shardplan mesh --notation torchtitan --sizes tp=8,pp=2 --world 64 \\\n"
              "      --same-as 'nxd tp=8,pp=2 world=64' --rename dp_shard=dp");
  return {verb, [arguments] { return run(*arguments); }};
}
