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
  std::string own_model;  ///< path of its description
  std::string hardware;
  std::optional<shardplan::Index> vocab_size;
  std::string dialect;  ///< empty: strict
  bool warnings_as_errors = false;

  /// Declares them for a verb; CONFIG is an argument of that label. Pre: this outlives the parsing.
  void add_to(CLI::App& verb, const std::string& label = " ");
  /// Declares all but CONFIG and --warnings-as-errors, every name with a suffix. of: the only configuration that they
  /// speak of; empty: of all, with full descriptions.
  void add_options_to(CLI::App& verb, const std::string& suffix, const std::string& of);

  /// What the configuration leaves open.
  shardplan::JobOptions options() const;

  /// What they ask for. Errors: those of load_config and job.
  struct Asked {
    shardplan::Config config;
    shardplan::Job job;
    std::string hf_config;  ///< path of the config.json in use; empty: none
  };
  Asked read() const;
};

/// The arguments of a verb that compares two configurations: --from CONFIG --to CONFIG; --set KEY=VALUE for both,
/// --set-from and --set-to for one of them, behind the common ones, and so on for every option.
struct TwoJobArguments {
  JobArguments common;
  JobArguments from;
  JobArguments to;

  /// Declares them for a verb. Pre: this outlives the parsing.
  void add_to(CLI::App& verb);
  /// Errors: those of JobArguments::read.
  JobArguments::Asked read_from() const { return with_common(from).read(); }
  JobArguments::Asked read_to() const { return with_common(to).read(); }

 private:
  JobArguments with_common(JobArguments side) const;
};

}  // namespace cli
