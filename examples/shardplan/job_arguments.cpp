#include "job_arguments.hpp"

#include <shardplan/config/yaml.hpp>
#include <shardplan/config/yaml_custom_model.hpp>
#include "cli11.hpp"
#include "console.hpp"

namespace cli {

void JobArguments::add_to(CLI::App& verb, const std::string& label) {
  verb.add_option("CONFIG", config, "NxDT configuration, YAML")->required()->option_text(label);
  add_options_to(verb, {}, {});
  verb.add_flag("--warnings-as-errors", warnings_as_errors, "exit with 1 where there are warnings");
}

void JobArguments::add_options_to(CLI::App& verb, const std::string& suffix, const std::string& of) {
  std::vector<std::string> machines;
  for (const shardplan::HardwareInfo& known : shardplan::hardware_table) machines.emplace_back(known.name);
  std::string models;
  for (std::size_t i = 0; const std::string_view known : shardplan::model_names())
    models += shardplan::concat(i == 0 ? "" : i % 4 == 0 ? ",\n" : ", ", known), ++i;

  const auto add = [&](const std::string& name, auto& into, const std::string& text, const std::string& value) {
    return verb.add_option(name + suffix, into, of.empty() ? text : shardplan::concat("the same for ", of, " alone"))
        ->option_text(value)
        ->group(of.empty() ? "Options" : "Options of one side");
  };
  add("--set", overrides, "set a key before the file is interpreted; may be repeated", "KEY.PATH=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  add("--model", model, shardplan::concat("take the sizes that the file leaves open from a known model:\n", models),
      "NAME");
  add("--model-config", model_config, "config.json of an hf model, in place of model.model_config", "FILE");
  add("--own-model", own_model,
      "a model of your own in place of the file's, described as\n"
      "shardplan/config/custom_sections.hpp says",
      "FILE");
  add("--hardware", hardware,
      shardplan::join(machines, ", ") +
          "; default trn2 where trainer.lnc\nis set or trainer.devices is 64 or 128, else trn1",
      "NAME")
      ->check(CLI::IsMember(machines));
  add("--vocab-size", vocab_size,
      "tokens of a megatron model whose tokenizer is absent;\ndefault 32000, of megatron_gpt 50257", "N")
      ->check(CLI::Range(shardplan::Index{1}, shardplan::largest_size));
  add("--dialect", dialect,
      "strict: what is right, and how NxDT differs (default);\ncompat: what NxD and NxDT do, faults included",
      "strict|compat")
      ->check(CLI::IsMember({"strict", "compat"}));
}

shardplan::JobOptions JobArguments::options() const {
  shardplan::JobOptions out;
  out.model = model;
  out.model_config = model_config;
  if (!own_model.empty()) {
    const shardplan::BoundCustomModel own = shardplan::load_custom_model(own_model);
    print(own.diagnostics);
    out.own = shardplan::custom_model(own.description);
  }
  if (!hardware.empty()) out.hardware = shardplan::hardware_from_name(hardware);
  out.vocab_size = vocab_size;
  out.dialect = dialect == "compat" ? shardplan::compat : shardplan::strict;
  return out;
}

JobArguments::Asked JobArguments::read() const {
  Asked out{shardplan::load_config(config, overrides), {}, {}};
  out.job = shardplan::job(out.config, options());
  out.hf_config = shardplan::find_huggingface(out.config, model_config);
  return out;
}

void TwoJobArguments::add_to(CLI::App& verb) {
  verb.add_option("--from", from.config, "NxDT configuration, YAML, whose ranks hold the model")
      ->required()
      ->option_text("CONFIG");
  verb.add_option("--to", to.config, "NxDT configuration, YAML, whose ranks are to hold it")
      ->required()
      ->option_text("CONFIG");
  common.add_options_to(verb, {}, {});
  verb.add_flag("--warnings-as-errors", common.warnings_as_errors, "exit with 1 where there are warnings");
  from.add_options_to(verb, "-from", "--from");
  to.add_options_to(verb, "-to", "--to");
}

JobArguments TwoJobArguments::with_common(JobArguments side) const {
  std::vector<std::string> all = common.overrides;
  all.insert(all.end(), side.overrides.begin(), side.overrides.end());
  side.overrides = std::move(all);
  for (std::string JobArguments::*one : {&JobArguments::model, &JobArguments::model_config, &JobArguments::own_model,
                                         &JobArguments::hardware, &JobArguments::dialect})
    if ((side.*one).empty()) side.*one = common.*one;
  if (!side.vocab_size) side.vocab_size = common.vocab_size;
  return side;
}

}  // namespace cli
