#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <shardplan/core/text.hpp>

/// What a learning-rate schedule is made of: a name, the base rates, and the arguments by the names that NeMo and NxDT
/// give them (configuration sheet, 11).
namespace shardplan::optim {

/// Whose schedules. They part in few places: NeMo from 2.1 on lets `max_steps` be null where a schedule has no end,
/// NNM warms up a cosine with constant steps from more than 0. NxDT runs those of NeMo 2.1.
enum class Variant : std::uint8_t { nxdt, nemo_2_1, nemo_1_14, nnm };

inline constexpr const char* variant_names[] = {"nxdt", "v2.1.0", "v1.14.0", "nnm"};
constexpr std::string_view name(Variant variant) { return variant_names[static_cast<int>(variant)]; }

/// The variant of that name, if there is one.
constexpr std::optional<Variant> variant_from_name(std::string_view text) {
  for (int i = 0; const std::string_view known : variant_names) {
    if (known == text) return static_cast<Variant>(i);
    ++i;
  }
  return std::nullopt;
}

/// A rate for every parameter group.
using Rates = InlineVector<double, 4>;

/// A schedule as a configuration writes it. An argument that is not given has the default of its class; one that the
/// class does not take is an error of the schedule (`diagnose`), as is every name in `others`.
struct ScheduleSettings {
  std::string name{};  ///< of the class, e.g. "CosineAnnealing"
  Rates base_rates{};  ///< `optim.lr` of every parameter group
  Variant variant = Variant::nxdt;

  std::optional<Index> warmup_steps{}, constant_steps{}, hold_steps{}, max_steps{};
  std::optional<double> warmup_ratio{}, constant_ratio{}, hold_ratio{};
  bool endless = false;  ///< `max_steps` is given, as null
  std::optional<double> min_lr{};
  std::optional<double> d_model{}, decay_rate{}, power{};
  std::optional<bool> cycle{};

  std::optional<Index> step_size{};
  std::optional<double> gamma{};
  std::optional<Rates> base_lr{}, max_lr{};  ///< CyclicLR: one for all groups, or one for each
  std::optional<double> step_size_up{}, step_size_down{};
  std::optional<std::string> mode{}, scale_mode{};
  std::optional<bool> cycle_momentum{};
  std::optional<double> base_momentum{}, max_momentum{};

  std::optional<double> factor{}, threshold{}, eps{};
  std::optional<Index> patience{}, cooldown{};
  std::optional<std::string> threshold_mode{};

  std::optional<Index> last_epoch{};  ///< of no effect: a step's rate does not depend on where a run began
  std::optional<bool> verbose{};      ///< of no effect

  Names others{};  ///< arguments that no schedule has

  /// Calls `field(name, member)` for every argument, so that a reader of configurations needs no list of them.
  template <class Self, class Field>
  static void keys(Self& self, Field field) {
    field("warmup_steps", self.warmup_steps);
    field("warmup_ratio", self.warmup_ratio);
    field("constant_steps", self.constant_steps);
    field("constant_ratio", self.constant_ratio);
    field("hold_steps", self.hold_steps);
    field("hold_ratio", self.hold_ratio);
    field("max_steps", self.max_steps);
    field("min_lr", self.min_lr);
    field("d_model", self.d_model);
    field("decay_rate", self.decay_rate);
    field("power", self.power);
    field("cycle", self.cycle);
    field("step_size", self.step_size);
    field("gamma", self.gamma);
    field("base_lr", self.base_lr);
    field("max_lr", self.max_lr);
    field("step_size_up", self.step_size_up);
    field("step_size_down", self.step_size_down);
    field("mode", self.mode);
    field("scale_mode", self.scale_mode);
    field("cycle_momentum", self.cycle_momentum);
    field("base_momentum", self.base_momentum);
    field("max_momentum", self.max_momentum);
    field("factor", self.factor);
    field("threshold", self.threshold);
    field("eps", self.eps);
    field("patience", self.patience);
    field("cooldown", self.cooldown);
    field("threshold_mode", self.threshold_mode);
    field("last_epoch", self.last_epoch);
    field("verbose", self.verbose);
  }

  friend bool operator==(const ScheduleSettings&, const ScheduleSettings&) = default;
};

}  // namespace shardplan::optim
