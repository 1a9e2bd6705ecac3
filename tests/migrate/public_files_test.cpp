#include "support.hpp"

// Configurations of other people, where they are present.

namespace shardplan::migrate {

namespace {

const std::filesystem::path folder = SHARDPLAN_CONF_DIR;

std::vector<std::filesystem::path> files(const char* of) {
  std::vector<std::filesystem::path> out;
  if (std::filesystem::is_directory(folder / of))
    for (const auto& entry : std::filesystem::directory_iterator(folder / of))
      if (entry.path().extension() == ".yaml") out.push_back(entry.path());
  return out;
}

std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Lines that are comments alone, without their indents.
std::vector<std::string> comments(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (detail::is_comment(line)) out.emplace_back(line.substr(line.find('#')));
    at = end + 1;
  }
  return out;
}

}  // namespace

TEST_CASE("public files of NeMo and NNM migrate, and plan or are refused by the rule that the report names") {
  for (const auto& [of, from] : {std::pair("nemo", System::nemo), std::pair("nnm", System::nnm)})
    for (const std::filesystem::path& path : files(of)) {
      CAPTURE(path.string());
      const std::string source = text_of_file(path);
      CHECK(system_of(read_yaml_text(source)) == from);
      const Migrated out = migrated(source, from);
      CHECK(out.report.notes.empty());
      CHECK(migrated(out.text, from).text == out.text);

      Node filled_tree = out.tree;
      for (const Entry& one : out.report.entries)
        if (one.kind == Entry::Kind::to_fill) set_path(filled_tree, one.new_path, Node{std::string("given")});
      Config config = bind(resolve(filled_tree).tree).config;
      std::vector<std::string> broken;
      try {
        const Job asked = job(config, std::nullopt, {}, {}, {});
        Plan{asked.model, asked.strategy, asked.world, asked.options};
      } catch (const Error& error) {
        for (const Diagnostic& one : error.diagnostics())
          if (one.severity == Severity::error) broken.emplace_back(one.id);
      }
      std::vector<std::string> named;
      for (const Diagnostic& one : out.report.findings)
        if (one.severity == Severity::error) named.emplace_back(one.id);
      CHECK(broken == named);

      // Comments come from the source, each at most once.
      std::vector<std::string> known = comments(source);
      for (const std::string& one : comments(out.text)) {
        const auto at = std::find(known.begin(), known.end(), one);
        CHECK_MESSAGE(at != known.end(), one);
        if (at != known.end()) known.erase(at);
      }
    }
}

TEST_CASE("files of NxDT stay as they are where they are complete") {
  for (const std::filesystem::path& path : files("nxdt")) {
    CAPTURE(path.string());
    const std::string once = migrated(text_of_file(path), System::nxdt).text;
    CHECK(migrated(once, System::nxdt).text == once);
  }
}

}  // namespace shardplan::migrate
