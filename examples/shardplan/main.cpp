// The command line of shardplan.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <shardplan/core.hpp>
#include <shardplan/version.hpp>
#include <sstream>

#include "cli11.hpp"
#include "console.hpp"
#include "verbs.hpp"

namespace {

constexpr auto verbs = {cli::add_plan,     cli::add_check,    cli::add_diff,    cli::add_mesh,
                        cli::add_schedule, cli::add_transfer, cli::add_explain, cli::add_migrate};

/// What an argument that nobody knows was probably meant to be.
std::string closest_to(const std::string& unknown, const CLI::App& app) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back(shardplan::concat("--", name));
  for (const CLI::App* command : app.get_subcommands(nullptr)) known.push_back(command->get_name());
  return std::string(shardplan::closest(unknown.substr(0, unknown.find('=')), known));
}

int usage_error(const std::string& message, const std::string& meant, const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  const std::string program =
      parent != nullptr ? shardplan::concat(parent->get_name(), ' ', app.get_name()) : app.get_name();
  cli::print_error(message, fmt::format("{}see '{} --help'",
                                        meant.empty() ? "" : fmt::format("did you mean '{}'? ", meant), program));
  return cli::bad_input;
}

/// An error for what the parser has left over, if anything.
std::optional<int> leftovers(const CLI::App& app) {
  const std::vector<std::string> left = app.remaining();
  if (left.empty()) return std::nullopt;
  // The first option, since a word may be the value of one.
  const auto option =
      std::find_if(left.begin(), left.end(), [](const std::string& one) { return one.starts_with('-'); });
  const std::string& unknown = option != left.end() ? *option : left.front();
  const std::string_view kind = option != left.end() ? "option" : app.get_parent() == nullptr ? "verb" : "argument";
  return usage_error(fmt::format("unknown {} '{}'", kind, unknown), closest_to(unknown, app), app);
}

int run(int argc, char** argv) {
  CLI::App app("Plans how the training of large models is partitioned over devices.", "shardplan");
  app.set_version_flag("--version", fmt::format("shardplan {}", shardplan::version), "print the version");
  app.set_help_flag("-h,--help", "print this help");
  app.allow_extras();
  app.get_formatter()->label("SUBCOMMAND", "VERB");
  app.get_formatter()->label("Positionals", "Arguments");
  app.footer(
      "Exit codes: 0 done; 1 differs, or warnings under --warnings-as-errors; 2 bad input or usage;\n"
      "3 input, output or internal; 130 interrupted. Results go to stdout, notices to stderr.");
  std::vector<cli::Verb> added;
  for (const auto add : verbs) {
    added.push_back(add(app));
    added.back().command->set_version_flag("--version", fmt::format("shardplan {}", shardplan::version),
                                           "print the version");
    added.back().command->allow_extras()->group("Verbs");
  }
  const auto given = [&]() -> const cli::Verb* {
    for (const cli::Verb& verb : added)
      if (verb.command->parsed()) return &verb;
    return nullptr;
  };

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    std::ostringstream text;  // help or version
    app.exit(asked, text, text);
    cli::Output{text.str()}.flush();
    return cli::done;
  } catch (const CLI::ParseError& error) {
    const cli::Verb* verb = given();
    const CLI::App& at = verb != nullptr ? *verb->command : app;
    if (const auto code = leftovers(at)) return *code;
    const std::string what = error.what();
    const bool missing = dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr;
    return usage_error(missing ? what.substr(0, what.find(':')) + " needs a value" : what, {}, at);
  }
  const cli::Verb* verb = given();
  if (const auto code = leftovers(verb != nullptr ? *verb->command : app)) return *code;
  if (verb == nullptr) {
    cli::say(app.help());
    return cli::bad_input;
  }
  return verb->run();
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, [](int) { _exit(cli::interrupted); });
  try {
    return run(argc, argv);
  } catch (const cli::Closed&) {
    return cli::done;
  } catch (const shardplan::Error& error) {
    cli::print(error.diagnostics());
    for (const shardplan::Diagnostic& one : error.diagnostics())
      if (one.severity == shardplan::Severity::error && one.id != "SP-CONFIG-001") return cli::bad_input;
    return cli::failed;
  } catch (const std::exception& error) {
    cli::print_error(error.what());
    return cli::failed;
  }
}
