#pragma once
#include <shardplan/config/job.hpp>

namespace CLI {
class App;
}

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

  /// What they ask for. Errors: those of load_config and job.
  struct Asked {
    shardplan::Config config;
    shardplan::Job job;
    std::string hf_config;  ///< path of the config.json in use; empty: none
  };
  Asked read() const;
};

}  // namespace cli
