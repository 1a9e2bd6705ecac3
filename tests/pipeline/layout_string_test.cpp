#include <shardplan/pipeline/layout_string.hpp>

#include "support.hpp"

using namespace shardplan;
using namespace shardplan::pipeline;

namespace {

/// The stages of a layout in letters, each followed by a bar.
std::string letters(const StageLayout& layout) {
  std::string out;
  for (Index s = 0; s < layout.stages.stages(); ++s) {
    for (const LayoutItem item : layout.items_of(s)) out += layout_item_table[static_cast<int>(item)].letter;
    out += '|';
  }
  return out;
}

std::string expanded(std::string_view text) { return letters(parse_layout(text, 1)); }

Ids refused(std::string_view text, Index ranks = 1) {
  return thrown_ids([&] { parse_layout(text, ranks); });
}

std::vector<std::string> faults(std::string_view text, Index ranks, Index layers, Index mtp_layers = 0) {
  std::vector<std::string> out;
  for (const Diagnostic& one : diagnose(parse_layout(text, ranks), layers, mtp_layers)) {
    CHECK(one.id == "SP-PIPELINE-006");
    out.push_back(one.message);
  }
  return out;
}

}  // namespace

TEST_CASE("layout strings: repetitions") {
  CHECK(expanded("Et*3|(tt|)*2,tL") == "Ettt|tt|tt|tL|");
  CHECK(expanded("E,t,t|t,t,L") == "Ett|ttL|");
  CHECK(expanded("E|(t|)*3L") == "E|t|t|t|L|");
  CHECK(expanded("(t*2|)*2m") == "tt|tt|m|");
  CHECK(expanded("E|*3L") == "E|||L|");
  CHECK(expanded("Et*0(m)*0L") == "EL|");
  CHECK(expanded("(Et)*2*3") == "EtEttt|");  // groups first, so the second count is that of the last letter
  CHECK(expanded("Ett||ttL") == "Ett||ttL|");
  CHECK(expanded("t*00002") == "tt|");
  CHECK(expanded("") == "|");
}

TEST_CASE("layout strings: stages go round the ranks, layers run through the stages") {
  const StageLayout layout = parse_layout("E|(t|)*6L", 4);
  const Partition layers = decoders(layout);
  check_partition(layers, 6, 4, 2);
  CHECK(sizes(layers) == Numbers{0, 1, 1, 1, 1, 1, 1, 0});
  CHECK(layers.layers_of(layers.stage(0, 1)) == Interval{3, 4});
  CHECK(layers.layers_of(layers.stage(2, 1)) == Interval{5, 6});
  CHECK(layout.items_of(7)[0] == LayoutItem::loss);
  CHECK(diagnose(layout, 6).empty());
}

TEST_CASE("layout strings: a published layout with a stage for the MTP layer") {
  const StageLayout layout = parse_layout("Et*3|(tt|)*29,m|L", 16);
  const Partition layers = decoders(layout);
  check_partition(layers, 61, 16, 2);
  CHECK(layers.layers_of(layers.stage(0, 0)) == Interval{0, 3});
  CHECK(layers.layers_of(layers.stage(0, 1)) == Interval{33, 35});
  CHECK(layers.layers_of(layers.stage(14, 1)).empty());
  CHECK(diagnose(layout, 61, 1).empty());
  CHECK(mtp_standalone(layout));
  CHECK_FALSE(mtp_standalone(parse_layout("Et|tmL", 2)));
  CHECK_FALSE(mtp_standalone(parse_layout("Et|tL", 2)));
}

TEST_CASE("layout strings: what is not a layout is refused, with nothing but a diagnostic") {
  for (const char* text :
       {"Ett|ttLx", "e",  "E t",  "(t",  "t)", "()*2", "(t)", "(t)2", "((t)*2)*2", "(t)**2",   "*",
        "*2",       "t*", "t**2", "t*x", "2",  "t2",   "(",   ")",    "E\nL",      "\xff\xfe", "\xc3\xa9*2"}) {
    CAPTURE(text);
    CHECK(refused(text) == Ids{"SP-PIPELINE-005"});
  }
  CHECK(refused(std::string_view("E\0L", 3)) == Ids{"SP-PIPELINE-005"});
  CHECK(refused("Ett|tt|ttL", 2) == Ids{"SP-PIPELINE-003"});
  CHECK(refused("EtL", 0) == Ids{"SP-PIPELINE-008"});
  CHECK(refused("EtL", -1) == Ids{"SP-PIPELINE-008"});
}

TEST_CASE("layout strings: expansion is bounded") {
  const std::string limit = concat(layout_limit);
  for (const std::string& text :
       {std::string("Et*999999999L"), std::string("t*99999999999999999999999999999"), concat("|*", layout_limit + 1),
        concat("(tt|)*", layout_limit / 3 + 1), std::string("(t*999|)*999999"), concat("(t*", limit, ")*2"),
        std::string(static_cast<std::size_t>(layout_limit) + 1, 't')})
    CHECK(refused(text) == Ids{"SP-PIPELINE-005"});
  CHECK(parse_layout(concat("t*", limit), 1).stages.layers() == layout_limit);
  CHECK(refused(std::string(static_cast<std::size_t>(layout_limit), '(')) == Ids{"SP-PIPELINE-005"});
}

TEST_CASE("layout strings: any text of the alphabet is read or refused") {
  constexpr std::string_view alphabet = "EtmL|()*,09x\n";
  std::uint32_t random = 3;
  int read = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (int i = 0; i < round % 9; ++i) text += alphabet[(random = random * 1664525 + 1013904223) % alphabet.size()];
    CAPTURE(text);
    const Ids ids = refused(text);
    CHECK((ids.empty() || ids == Ids{"SP-PIPELINE-005"}));
    if (!ids.empty()) continue;
    ++read;
    // What a layout expands to is a layout that expands to itself.
    std::string plain = expanded(text);
    plain.pop_back();
    CHECK(expanded(plain) == plain + '|');
  }
  CHECK(read > 1000);
}

TEST_CASE("layout strings: every rule of a valid layout") {
  CHECK(faults("Et|tL", 2, 2).empty());
  CHECK(faults("tEt|ttL", 2, 4) == std::vector<std::string>{"the layout starts with decoder"});
  CHECK(faults("Ett|tt", 2, 4) ==
        std::vector<std::string>{"the layout ends with decoder", "the layout holds loss 0 times"});
  CHECK(faults("EE|LL", 2, 0) ==
        std::vector<std::string>{"the layout holds embedding 2 times", "the layout holds loss 2 times"});
  CHECK(faults("Ett|ttL", 2, 5) == std::vector<std::string>{"the layout holds 4 decoder layers, the model 5"});
  CHECK(faults("Et|tmL", 2, 2) == std::vector<std::string>{"the layout holds 1 MTP layers, the model 0"});
  CHECK(faults("Et|tm|tL", 3, 3, 1) == std::vector<std::string>{"a decoder layer follows an MTP layer"});
  CHECK(faults("Et|tm|mL", 3, 2, 2) == std::vector<std::string>{"MTP layers stand in 2 stages"});
  CHECK(faults("Etm||L|", 2, 1, 1) ==
        std::vector<std::string>{"stage 0 holds MTP layers, but is not the last chunk of rank 0"});
  CHECK(faults("", 1, 1).size() == 5);
}

TEST_CASE("layout lists: the same as the string, in any case and with blanks") {
  const std::vector<std::vector<std::string>> stages{{"embedding", " Decoder"}, {}, {"DECODER", "mtp\t", "loss"}};
  CHECK(layout_from_names(stages, 3) == parse_layout("Et||tmL", 3));
  const auto refused_list = [](const char* name, Index ranks = 1) {
    const std::vector<std::vector<std::string>> list{{name}};
    return thrown_ids([&] { layout_from_names(list, ranks); });
  };
  CHECK(refused_list("decoder").empty());
  for (const char* name : {"encoder", "", " ", "t", "decoders"}) CHECK(refused_list(name) == Ids{"SP-PIPELINE-005"});
  CHECK(refused_list("decoder", 2) == Ids{"SP-PIPELINE-003"});
  CHECK(thrown_ids([] { layout_from_names({}, 1); }) == Ids{"SP-PIPELINE-008"});
}
