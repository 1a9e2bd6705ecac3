#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <shardplan/config/config.hpp>
#include <shardplan/migrate/nemo_keys.hpp>
#include <shardplan/migrate/nnm_keys.hpp>
#include <shardplan/migrate/nxdt_keys.hpp>

/// Where the keys of one system go in another.
namespace shardplan::migrate {

/// The way of one key.
struct Route {
  const KeyRow* row = nullptr;  ///< null: no table names the key or a section around it
  bool exact = false;           ///< the row is the key's own
  std::string target{};         ///< empty: the key goes
  bool refused = false;         ///< no row, and the section takes known keys only
};

/// From one system to another: the tables, forwards or backwards.
class Direction {
 public:
  Direction(System from, System to) : from_(from), to_(to) {}

  System from() const { return from_; }
  System to() const { return to_; }
  bool forwards() const { return from_ != System::nxdt; }

  Route route(const std::string& path) const {
    Route out = from_ == System::nxdt && to_ == System::nxdt ? Route{nullptr, false, path, false}
                : forwards()                                 ? forward(path)
                                                             : backward(path);
    if (out.row == nullptr && to_ == System::nxdt && !known_to_nxdt(path)) {
      out.refused = true;
      out.target.clear();
    }
    return out;
  }

 private:
  const KeyTable& table() const { return from_ == System::nnm || to_ == System::nnm ? nnm_keys : nemo_keys; }

  static std::string behind(const std::string& path, std::string_view section, std::string_view target) {
    return concat(target, std::string_view(path).substr(section.size()));
  }

  Route forward(const std::string& path) const {
    const KeyRow* row = table().nearest(path);
    if (row == nullptr) return {nullptr, false, path, false};
    const bool exact = row->key == path;
    return {row, exact, row->target.empty() ? std::string() : behind(path, row->key, row->place()), false};
  }

  Route backward(const std::string& path) const {
    for (std::string at = path;;) {
      if (const KeyRow* row = nxdt_keys.find(at))
        return {row, at == path, row->target.empty() ? std::string() : behind(path, at, row->place()), false};
      if (const KeyRow* row = table().source_of(at)) return {row, at == path, behind(path, at, row->key), false};
      const std::size_t dot = at.rfind('.');
      if (dot == at.npos) return {nullptr, false, path, false};
      at.resize(dot);
    }
  }

  /// trainer and exp_manager of NxDT refuse every key that they do not know.
  static bool known_to_nxdt(const std::string& path) {
    if (!path.starts_with("trainer.") && !path.starts_with("exp_manager.")) return true;
    for (const std::string& known : shardplan::detail::paths_of<Config>())
      if (known == path || path.starts_with(known + '.')) {
        if (known == path || known.find('.') != known.npos) return true;
      }
    return false;
  }

  System from_, to_;
};

/// The system that a configuration is written for, by its keys.
inline System system_of(const Node& tree) {
  const auto has = [&](std::string_view path) { return find_path(tree, path) != nullptr; };
  if (has("distributed_strategy") || has("model_source")) return System::nxdt;
  for (const std::string_view key :
       {"model.wrap_with_zero", "model.zero_use_master_weight", "model.log_parameter_norm", "model.log_gradient_norm",
        "model.convert_to_hf", "model.num_kv_heads", "model.has_bias", "enable_recovery_time_instrumentation",
        "async_checkpointing", "enable_checkpoint_removal_protection"})
    if (has(key)) return System::nnm;
  const Node* accelerator = find_path(tree, "trainer.accelerator");
  return accelerator != nullptr && *accelerator == Node{std::string("tpu")} ? System::nnm : System::nemo;
}

}  // namespace shardplan::migrate
