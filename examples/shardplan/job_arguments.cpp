#include "job_arguments.hpp"

#include <shardplan/config/yaml.hpp>
#include "cli11.hpp"

namespace cli {

void JobArguments::add_to(CLI::App& verb) {
  std::vector<std::string> machines;
  for (const shardplan::HardwareInfo& known : shardplan::hardware_table) machines.emplace_back(known.name);
  std::string models;
  for (std::size_t i = 0; const std::string_view known : shardplan::model_names())
    models += shardplan::concat(i == 0 ? "" : i % 4 == 0 ? ",\n" : ", ", known), ++i;

  verb.add_option("CONFIG", config, "NxDT configuration, YAML")->required()->option_text(" ");
  verb.add_option("--set", overrides, "set a key before the file is interpreted; may be repeated")
      ->option_text("KEY.PATH=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  verb.add_option("--model", model,
                  shardplan::concat("take the sizes that the file leaves open from a known model:\n", models))
      ->option_text("NAME");
  verb.add_option("--model-config", model_config, "config.json of an hf model, in place of model.model_config")
      ->option_text("FILE");
  verb.add_option("--hardware", hardware,
                  shardplan::join(machines, ", ") +
                      "; default trn2 where trainer.lnc\nis set or trainer.devices is 64 or 128, else trn1")
      ->option_text("NAME")
      ->check(CLI::IsMember(machines));
  verb.add_option("--vocab-size", vocab_size,
                  "tokens of a megatron model whose tokenizer is absent;\ndefault 32000, of megatron_gpt 50257")
      ->option_text("N")
      ->check(CLI::Range(shardplan::Index{1}, shardplan::largest_size));
  verb.add_option(
          "--dialect", dialect,
          "strict: what is right, and how NxDT differs (default);\ncompat: what NxD and NxDT do, faults included")
      ->option_text("NAME")
      ->check(CLI::IsMember({"strict", "compat"}));
  verb.add_flag("--warnings-as-errors", warnings_as_errors, "exit with 1 where there are warnings");
}

JobArguments::Asked JobArguments::read() const {
  shardplan::JobOptions options;
  options.model = model;
  options.model_config = model_config;
  if (!hardware.empty()) options.hardware = shardplan::hardware_from_name(hardware);
  options.vocab_size = vocab_size;
  options.dialect = dialect == "compat" ? shardplan::compat : shardplan::strict;
  Asked out{shardplan::load_config(config, overrides), {}, {}};
  out.job = shardplan::job(out.config, options);
  out.hf_config = shardplan::find_huggingface(out.config, model_config);
  return out;
}

}  // namespace cli
