#include <set>

#include "support.hpp"

namespace shardplan::migrate {

TEST_CASE("a key has one row, and a row says what it has to") {
  for (const KeyTable& table : {nemo_keys, KeyTable{nnm_keys.own}, nxdt_keys}) {
    std::set<std::string_view> keys;
    for (const KeyRow& row : table.own) {
      CAPTURE(row.key);
      CHECK(keys.insert(row.key).second);
      CHECK((row.action == Action::keep) == (row.place() == row.key));
      const bool goes = row.target.empty();
      if (row.action == Action::move) CHECK(!goes);
      if (goes) CHECK(!row.why.empty());
      if (goes) CHECK(row.transform == Transform::none);
      if (!goes) CHECK(row.harmless.empty());
      CHECK(row.why.find('\n') == row.why.npos);
    }
  }
  CHECK(nemo_keys.own.size() == 205);
  CHECK(nnm_keys.own.size() + nnm_keys.inherited.size() > 178);
}

TEST_CASE("a key without a row follows the nearest section that has one") {
  const Direction there(System::nemo, System::nxdt), back(System::nxdt, System::nemo);
  CHECK(there.route("model.data.brand_new").target == "data.brand_new");
  CHECK(there.route("model.data.data_prefix.train").target == "data.data_prefix.train");
  CHECK(there.route("model.nsys_profile.brand_new").target == "");
  CHECK(there.route("model.brand_new").target == "model.brand_new");
  CHECK(there.route("model.database").target == "model.database");
  CHECK(back.route("data.tokenizer.brand_new").target == "model.tokenizer.brand_new");
  CHECK(back.route("precision.master_weights").target == "");
  CHECK(back.route("data.micro_batch_size").target == "model.micro_batch_size");
  // Closed sections lose what NxDT does not know.
  CHECK(there.route("trainer.brand_new").refused);
  CHECK(there.route("exp_manager.brand_new").refused);
  CHECK(!there.route("trainer.min_steps").refused);
  CHECK(!there.route("exp_manager.checkpoint_callback_params.save_last").refused);
}

TEST_CASE("what goes one way comes back the other") {
  const Direction there(System::nemo, System::nxdt), back(System::nxdt, System::nemo);
  for (const KeyRow& row : nemo_keys.own) {
    if (row.target.empty() || row.transform == Transform::drop_self_reference) continue;
    CAPTURE(row.key);
    const std::string target = there.route(std::string(row.key)).target;
    const std::string again = back.route(target).target;
    // Two names of one key come back as one of them.
    CHECK(there.route(again).target == target);
    if (row.action != Action::keep) CHECK(again == row.key);
  }
}

TEST_CASE("values that may go without loss") {
  CHECK(is_harmless("*", Node{true}));
  CHECK(is_harmless("false", Node{false}));
  CHECK(is_harmless("false", Node{Index{0}}));
  CHECK(!is_harmless("false", Node{true}));
  CHECK(is_harmless("null|uniform", Node{std::string("uniform")}));
  CHECK(!is_harmless("null|uniform", Node{std::string("block")}));
  CHECK(!is_harmless("null|uniform", Node{std::string("uni")}));
  CHECK(is_harmless("null|1", Node{Index{1}}));
  CHECK(!is_harmless("null|1", Node{Index{2}}));
  CHECK(is_harmless("[]|null", Node{Node::Sequence{}}));
  CHECK(!is_harmless("[]|null", Node{Node::Sequence{Node{Index{1}}}}));
  CHECK(is_harmless("", Node{}));
  CHECK(!is_harmless("", Node{std::string("x")}));
}

TEST_CASE("the system of a file by its keys") {
  CHECK(system_of(read_yaml_text(nemo_text)) == System::nemo);
  CHECK(system_of(read_yaml_text("model: {wrap_with_zero: false}")) == System::nnm);
  CHECK(system_of(read_yaml_text("trainer: {accelerator: tpu}")) == System::nnm);
  CHECK(system_of(read_yaml_text("distributed_strategy: {zero1: true}")) == System::nxdt);
  CHECK(system_of(read_yaml_text("")) == System::nemo);
}

}  // namespace shardplan::migrate
