#pragma once
#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/config/scalar.hpp>

/// Shell files that set variables, read and never run, and what the variables mean for an NxDT configuration.
namespace shardplan::migrate {

/// A variable that a file sets outside of conditions and loops.
struct Variable {
  std::string name;
  std::string value;
  int line = 0;
};

/// The variables of a file, and the lines that only a shell could follow.
struct ShellVariables {
  std::vector<Variable> all;  ///< the last value of each
  std::vector<int> skipped;   ///< lines with assignments that need a shell

  const Variable* find(std::string_view name) const {
    for (const Variable& one : all)
      if (one.name == name) return &one;
    return nullptr;
  }
};

namespace detail {

inline bool is_name(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) != 0) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; });
}

/// One word of a shell, its quotes taken away and earlier variables put in; nothing where that needs a shell.
class ShellWord {
 public:
  ShellWord(std::string_view text, const ShellVariables& known) : text_(text), known_(known) {}

  /// Reads one word; `rest` is what stands behind it.
  std::optional<std::string> read(std::string_view& rest) {
    std::string out;
    char quote = '\0';
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quote == '\0' && (c == ' ' || c == '\t' || c == ';' || c == '\r')) break;
      if (quote == '\0' && std::string_view("|&<>()").find(c) != std::string_view::npos) return std::nullopt;
      if (c == quote) {
        quote = '\0';
      } else if (quote == '\0' && (c == '"' || c == '\'')) {
        quote = c;
      } else if (quote != '\'' && c == '`') {
        return std::nullopt;
      } else if (quote != '\'' && c == '$') {
        if (!variable(out)) return std::nullopt;
      } else if (quote != '\'' && c == '\\' && at_ + 1 < text_.size()) {
        const char next = text_[++at_];
        if (quote == '"' && std::string_view("\"\\$`").find(next) == std::string_view::npos) out += '\\';
        out += next;
      } else {
        out += c;
      }
    }
    if (quote != '\0') return std::nullopt;
    rest = text_.substr(std::min(at_, text_.size()));
    return out;
  }

 private:
  bool variable(std::string& out) {
    const bool braces = text_.substr(at_ + 1, 1) == "{";
    std::size_t end = at_ + (braces ? 2 : 1);
    const std::size_t begin = end;
    while (end < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[end])) != 0 || text_[end] == '_'))
      ++end;
    const Variable* found = known_.find(text_.substr(begin, end - begin));
    if (found == nullptr || (braces && text_.substr(end, 1) != "}")) return false;
    out += found->value;
    at_ = braces ? end : end - 1;
    return true;
  }

  std::string_view text_;
  const ShellVariables& known_;
  std::size_t at_ = 0;
};

}  // namespace detail

/// Reads `NAME=value`, `export NAME=value` and `: ${NAME:=value}` lines: comments, both quotes, backslashes and
/// variables set above count. Nothing is run: commands are passed over, and assignments within conditions, loops and
/// functions, or with command substitution, arithmetic or unknown variables, are listed as skipped.
inline ShellVariables read_variables(std::string_view text) {
  ShellVariables out;
  int depth = 0, number = 0;
  bool continued = false;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool within_command = std::exchange(continued, line.ends_with('\\'));
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == line.npos || line[first] == '#' || within_command) continue;
    line.remove_prefix(first);
    const std::string_view word = line.substr(0, line.find_first_of(" \t;"));
    if (word == "fi" || word == "done" || word == "esac" || word == "}") depth = std::max(0, depth - 1);
    if (word == "if" || word == "for" || word == "while" || word == "until" || word == "case" || line.ends_with("{") ||
        line.ends_with("()")) {
      const bool whole = line.ends_with("fi") || line.ends_with("done") || line.ends_with("esac");
      if (!whole) ++depth;
      continue;
    }
    bool exported = false;
    for (const std::string_view keyword : {"export ", "declare -x ", "readonly "})
      if (line.starts_with(keyword)) {
        line.remove_prefix(keyword.size());
        exported = true;
      }
    bool only_default = false;
    std::string unwrapped;
    if (line.starts_with(": ${") && line.find(":=") != line.npos && line.rfind('}') != line.npos) {
      unwrapped = line.substr(4, line.rfind('}') - 4);
      unwrapped.erase(unwrapped.find(":="), 1);
      line = unwrapped;
      only_default = true;
    }
    // One line may set several.
    for (;;) {
      while (line.starts_with(' ') || line.starts_with('\t') || line.starts_with(';')) line.remove_prefix(1);
      const std::size_t equals = line.find('=');
      if (line.empty() || line[0] == '#' || equals == line.npos || !detail::is_name(line.substr(0, equals))) break;
      const std::string name(line.substr(0, equals));
      std::string_view rest;
      const auto value = detail::ShellWord(line.substr(equals + 1), out).read(rest);
      if (depth > 0 || !value) {
        out.skipped.push_back(number);
        break;
      }
      // A command behind assignments gets them for itself alone.
      std::string_view behind = rest;
      while (behind.starts_with(' ') || behind.starts_with('\t')) behind.remove_prefix(1);
      const std::size_t next = behind.find_first_of(" \t;=#");
      const bool command = !exported && !behind.empty() && behind[0] != '#' && behind[0] != ';' &&
                           (next == behind.npos || behind[next] != '=');
      if (command) break;
      const auto known =
          std::find_if(out.all.begin(), out.all.end(), [&](const Variable& v) { return v.name == name; });
      if (known == out.all.end())
        out.all.push_back({name, *value, number});
      else if (!only_default)
        *known = {name, *value, number};
      line = rest;
    }
  }
  return out;
}

/// A variable of NNM's launch scripts, or of the Neuron runtime, and the key of NxDT that says the same.
struct VariableKey {
  enum class As : std::uint8_t { value, text, flag };
  std::string_view variable;
  std::string_view key;
  As as = As::value;  ///< flag: 0 and 1 are false and true
};

inline constexpr VariableKey variable_keys[] = {
    {"NEURON_CC_FLAGS", "compiler_flags", VariableKey::As::text},
    {"NEURON_COMPILE_CACHE_URL", "compiler_cache_url", VariableKey::As::text},
    {"NEURON_RT_ASYNC_EXEC_MAX_INFLIGHT_REQUESTS", "aync_exec_max_inflight_requests"},
    {"BUCKET_CAP_MB", "bucket_size_collectives"},
    {"NEURON_RT_EXEC_TIMEOUT", "neuron_rt_exec_timeout"},
    {"NEURON_EXPERIMENTAL_COMPRESS_RG", "neuron_experimental_compress_rg", VariableKey::As::flag},
    {"NEURON_FUSE_SOFTMAX", "model.fusions.softmax", VariableKey::As::flag},
    {"PROCESSES_PER_NODE", "trainer.devices"},
    {"NTASKS", "trainer.num_nodes"},
    {"TRAIN_ITERS", "trainer.max_steps"},
    {"CREATE_TB_LOGGER", "exp_manager.create_tensorboard_logger", VariableKey::As::flag},
    {"CHECKPOINT_CALLBACK", "exp_manager.create_checkpoint_callback", VariableKey::As::flag},
    {"EXPLICIT_LOGDIR", "exp_manager.explicit_log_dir"},
    {"TP", "distributed_strategy.tensor_model_parallel_size"},
    {"PP", "distributed_strategy.pipeline_model_parallel_size"},
    {"UBS", "data.micro_batch_size"},
    {"GBS", "data.global_batch_size"},
    {"SEQ_LENGTH", "model.encoder_seq_length"},
    {"HS", "model.hidden_size"},
    {"FFN_HS", "model.ffn_hidden_size"},
    {"N_LAYERS", "model.num_layers"},
    {"N_AH", "model.num_attention_heads"},
    {"INIT_METHOD_STD", "model.init_method_std"},
    {"LAYERNORM_EPSILON", "model.layernorm_epsilon"},
    {"ACT_CHKPNT_GRANULARITY", "model.activations_checkpoint_granularity"},
    {"OPTIM_NAME", "model.optim.name"},
    {"WARMUP_STEPS", "model.optim.sched.warmup_steps"},
};

/// The value of a variable as its key has it.
inline Node value_of(const Variable& variable, const VariableKey& key) {
  if (key.as == VariableKey::As::text) return Node{variable.value};
  if (key.as == VariableKey::As::flag && (variable.value == "0" || variable.value == "1"))
    return Node{variable.value == "1"};
  return Node{plain_scalar(variable.value)};
}

}  // namespace shardplan::migrate
