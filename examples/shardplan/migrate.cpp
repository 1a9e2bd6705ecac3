// shardplan migrate IN.yaml -o OUT.yaml: configurations of NeMo and NNM made into those of NxDT, and back.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <shardplan/config/yaml.hpp>
#include <shardplan/migrate.hpp>
#include <shardplan/report/migration.hpp>
#include <system_error>
#include "cli11.hpp"

#include "console.hpp"
#include "verbs.hpp"

namespace sp = shardplan;
namespace mg = shardplan::migrate;

namespace {

struct Arguments {
  std::string in;
  std::string out = "-";
  std::string from;  ///< empty: by the keys of the file
  std::string to;    ///< empty: nxdt, of NxDT nemo
  std::string env;
  std::string degrees = "auto";
  std::string format = "text";
  bool force = false;
  bool all = false;
  bool warnings_as_errors = false;

  bool to_stdout() const { return out.empty() || out == "-"; }
};

std::string text_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  char block[1 << 16];
  while (in && text.size() <= sp::limits::file_bytes) {
    in.read(block, sizeof block);
    text.append(block, static_cast<std::size_t>(in.gcount()));
  }
  if (!in.eof() && text.size() <= sp::limits::file_bytes) {
    sp::Diagnostic what =
        sp::finding("SP-CONFIG-001", "the file cannot be read", "it must exist, be a file and be readable");
    what.origins = {{{}, path, 0, 0}};
    throw sp::Error(std::move(what));
  }
  return text;
}

[[noreturn]] void refuse(const std::string& out, std::string_view why, std::string_view hint) {
  sp::fail("SP-MIGRATE-003", sp::concat('\'', out, "' ", why), hint, {"-o"});
}

/// Refuses a result that would replace its source or, unasked, another file.
void check_place(const Arguments& arguments) {
  if (arguments.to_stdout()) return;
  struct stat out {};
  if (stat(arguments.out.c_str(), &out) != 0) return;
  for (const std::string& source : {arguments.in, arguments.env}) {
    struct stat in {};
    if (!source.empty() && stat(source.c_str(), &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
      refuse(arguments.out, sp::concat("is the source '", source, '\''), "another name for the result");
  }
  if (!S_ISREG(out.st_mode)) refuse(arguments.out, "is no file", "a new name, or - for stdout");
  if (!arguments.force) refuse(arguments.out, "exists", "another name, or --force to replace it");
}

/// A file beside another one, gone with this object unless it has taken its place.
class FileBeside {
 public:
  explicit FileBeside(const std::string& path) : path_(path), name_(path + ".XXXXXX") {
    descriptor_ = mkstemp(name_.data());
    if (descriptor_ < 0) fail();
  }
  FileBeside(const FileBeside&) = delete;
  FileBeside& operator=(const FileBeside&) = delete;
  ~FileBeside() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!name_.empty()) unlink(name_.c_str());
  }

  void write_all(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = write(descriptor_, text.data(), text.size());
      if (written < 0 && errno != EINTR) fail();
      if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    }
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(descriptor_, 0666 & ~mask) != 0 || fsync(descriptor_) != 0) fail();
    const int done = std::exchange(descriptor_, -1);
    if (close(done) != 0) fail();
  }

  /// Puts the file in its place. replace: also where there is one already.
  void take_place(bool replace) {
    if (!replace) {
      // Unlike a rename, a link never replaces a file that has come in the meantime.
      if (link(name_.c_str(), path_.c_str()) == 0) return;  // the other name goes with this object
      if (errno == EEXIST) refuse(path_, "exists", "another name, or --force to replace it");
    }
    if (rename(name_.c_str(), path_.c_str()) != 0) fail();
    name_.clear();
  }

 private:
  [[noreturn]] void fail() const { throw std::system_error(errno, std::generic_category(), path_); }

  std::string path_, name_;
  int descriptor_ = -1;
};

mg::System system_named(const std::string& name) {
  for (const mg::System one : {mg::System::nemo, mg::System::nnm})
    if (mg::name(one) == name) return one;
  return mg::System::nxdt;
}

int run(const Arguments& arguments) {
  check_place(arguments);
  const std::string source = text_of_file(arguments.in);
  mg::Options options;
  options.source_name = arguments.in;
  options.result_name = arguments.to_stdout() ? "(result)" : arguments.out;
  options.from =
      arguments.from.empty() ? mg::system_of(sp::read_yaml_text(source, arguments.in)) : system_named(arguments.from);
  options.to = arguments.to.empty() ? mg::System::nxdt : system_named(arguments.to);
  options.degrees = arguments.degrees == "keep"    ? mg::DegreeChoice::keep
                    : arguments.degrees == "nodes" ? mg::DegreeChoice::nodes
                                                   : mg::DegreeChoice::automatic;
  if (!arguments.env.empty()) {
    options.environment = text_of_file(arguments.env);
    options.environment_name = arguments.env;
  }
  const mg::Migrated result = mg::migrate(source, options, sp::read_yaml_text);

  std::string report;
  if (arguments.format == "json") {
    sp::JsonWriter json(report, 2);
    mg::write(json, result.report);
    report += '\n';
  } else {
    report = mg::text(result.report, cli::page_width(), arguments.all);
  }
  if (arguments.to_stdout()) {
    cli::Output{result.text}.flush();
    cli::say(report);
  } else {
    FileBeside file(arguments.out);
    file.write_all(result.text);
    file.take_place(arguments.force);
    cli::Output{report}.flush();
  }
  bool warnings = result.report.losses() > 0;
  for (const sp::Diagnostic& one : result.report.findings) warnings = warnings || one.severity == sp::Severity::warning;
  if (sp::has_errors(result.report.findings)) return cli::differs;
  return arguments.warnings_as_errors && warnings ? cli::differs : cli::done;
}

}  // namespace

cli::Verb cli::add_migrate(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("migrate", "Configurations of NeMo and NNM made into those of NxDT, and back");
  const auto arguments = std::make_shared<Arguments>();
  verb->add_option("IN", arguments->in, "configuration of NeMo 1.14 to 2.1, NNM or NxDT, YAML")
      ->required()
      ->option_text(" ");
  verb->add_option(
          "-o,--output", arguments->out,
          "where the result goes, and the report then to stdout;\n- (default): stdout, and the report to stderr")
      ->option_text("FILE");
  verb->add_option("--from", arguments->from, "system of IN; default: by its keys")
      ->option_text("nemo|nnm|nxdt")
      ->check(CLI::IsMember({"nemo", "nnm", "nxdt"}));
  verb->add_option("--to", arguments->to, "system of the result; default nxdt")
      ->option_text("nxdt|nemo")
      ->check(CLI::IsMember({"nemo", "nnm", "nxdt"}));
  verb->add_option("--env", arguments->env,
                   "shell file with the settings of NNM's launch script;\nits assignments are read, nothing is run")
      ->option_text("FILE");
  verb->add_option("--degrees", arguments->degrees,
                   "auto: those of IN, or the nearest valid ones for nodes of\n32 ranks (default); keep: those of IN; "
                   "nodes: always whole nodes")
      ->option_text("auto|keep|nodes")
      ->check(CLI::IsMember({"auto", "keep", "nodes"}));
  verb->add_flag("--force", arguments->force, "replace FILE where it exists; never IN");
  verb->add_flag("--all", arguments->all, "list the keys that stay as they are, too");
  verb->add_flag("--warnings-as-errors", arguments->warnings_as_errors,
                 "exit with 1 where something is lost, or check warns");
  verb->add_option("--format", arguments->format,
                   "of the report: text (default), or json: schema shardplan-migrate-1,\ndescribed in "
                   "shardplan/report/migration.hpp")
      ->option_text("text|json")
      ->check(CLI::IsMember({"text", "json"}));
  return {verb, [arguments] { return run(*arguments); }};
}
