#pragma once
#include <functional>

namespace CLI {
class App;
}

/// What the command line can do: a verb is one file that defines its `add_…`, and a line here and in main.cpp.
namespace cli {

/// How a program of this project ends, whatever the verb.
enum Exit : int {
  done = 0,
  differs = 1,    ///< or warnings under --warnings-as-errors
  bad_input = 2,  ///< or wrong usage
  failed = 3,     ///< input or output, or a fault of the program
  interrupted = 130,
};

/// A subcommand with its options, and what to do when it was given. run: gives the exit code; throws shardplan::Error
/// for bad input.
struct Verb {
  CLI::App* command = nullptr;
  std::function<int()> run;
};

Verb add_plan(CLI::App& app);
Verb add_check(CLI::App& app);
Verb add_diff(CLI::App& app);
Verb add_mesh(CLI::App& app);
Verb add_schedule(CLI::App& app);
Verb add_transfer(CLI::App& app);
Verb add_explain(CLI::App& app);
Verb add_migrate(CLI::App& app);

}  // namespace cli
