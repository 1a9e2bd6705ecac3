#pragma once
#include <CLI/CLI.hpp>
#include <shardplan/config/yaml.hpp>

namespace cli {

/// CONFIG.yaml and what it leaves open: the arguments of every verb that reads a configuration.
struct JobArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string model;
  std::string model_config;
  std::string hardware;
  std::optional<shardplan::Index> vocab_size;
  std::string dialect = "strict";
  bool warnings_as_errors = false;

  /// Declares them for a verb. Pre: this outlives the parsing.
  void add_to(CLI::App& verb);

  shardplan::JobOptions options() const;
  /// The configuration with its overrides. Errors: those of load_config.
  shardplan::Config load() const { return shardplan::load_config(config, overrides); }
};

}  // namespace cli
