#include <doctest/doctest.h>

#include <shardplan/plan/precision.hpp>
#include <string>
#include <vector>

using namespace shardplan;

namespace {

/// Bytes of one element as the sheets print them.
struct Row {
  std::string_view type;
  bool zero1;
  std::string_view optimizer;
  Index weight, gradient, master, states, step_gradient;
};

void check(const Precision& precision, const Row& row) {
  const Storage stored = storage_of(precision, row.zero1, row.optimizer);
  CAPTURE(std::string(row.type));
  CAPTURE(row.zero1);
  CAPTURE(std::string(row.optimizer));
  CHECK(bytes(stored.weight_dtype) == row.weight);
  CHECK(bytes(stored.gradient_dtype) == row.gradient);
  CHECK(stored.master_bytes() == row.master);
  CHECK(stored.state_bytes() == row.states);
  CHECK(stored.master_bytes() == row.step_gradient);
  CHECK(stored.master_dtype.has_value() == row.zero1);
}

/// Every combination of switches.
std::vector<Precision> all_precisions() {
  std::vector<Precision> out;
  for (unsigned bits = 0; bits < 64; ++bits)
    out.push_back(
        {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0, (bits & 16) != 0, (bits & 32) != 0});
  return out;
}

}  // namespace

TEST_CASE("named modes store what ZeRO sheet 5 and cost-model sheet B3 say") {
  const Row rows[] = {
      {"mixed_precision", true, "adamw", 2, 4, 4, 8, 4},
      {"mixed_precision", true, "adamw_fp32OptState", 2, 4, 4, 8, 4},
      {"mixed_precisionSR", true, "adamw_fp32OptState", 2, 4, 4, 8, 4},
      {"mixed_precision_SR", true, "adamw_fp32OptState", 2, 4, 4, 8, 4},
      {"autocast", true, "adamw", 2, 4, 4, 8, 4},
      {"bf16SR", true, "adamw", 2, 2, 2, 4, 2},
      {"bf16SR", true, "adamw_fp32OptState", 2, 2, 2, 4, 2},
      {"fp32", true, "adamw", 4, 4, 4, 8, 4},
      {"mixed_precision", false, "adamw_fp32OptState", 2, 2, 0, 8, 0},
      {"mixed_precisionSR", false, "adamw_fp32OptState", 2, 2, 0, 8, 0},
      {"mixed_precision", false, "adamw", 2, 2, 0, 4, 0},
      {"mixed_precisionSR", false, "adamw", 2, 2, 0, 4, 0},
      {"autocast", false, "adamw", 2, 2, 0, 4, 0},
      {"bf16SR", false, "adamw", 2, 2, 0, 4, 0},
      {"fp32", false, "adamw", 4, 4, 0, 8, 0},
  };
  for (const Row& row : rows) {
    const auto precision = precision_from_type(row.type);
    REQUIRE(precision);
    check(*precision, row);
  }
}

TEST_CASE("manual modes: rows that no name has") {
  const auto manual = [](const Precision& switches) { return *precision_from_type("manual", switches); };
  // Downcast without master weights; accumulating in the type of the copy then gains nothing.
  check(manual({.downcast_bf16 = true}), {"manual", true, "adamw", 2, 2, 2, 4, 2});
  check(manual({.downcast_bf16 = true, .fp32_grad_acc = true}), {"manual", true, "adamw", 2, 2, 2, 4, 2});
  check(manual({.downcast_bf16 = true}), {"manual", true, "adamw_fp32OptState", 2, 2, 2, 8, 2});
  // bfloat16 weights, float32 slices, no float32 accumulation.
  check(manual({.downcast_bf16 = true, .master_weights = true}), {"manual", true, "adamw", 2, 2, 4, 8, 4});
  check(manual({.autocast = true}), {"manual", true, "adamw", 2, 2, 4, 8, 4});
  CHECK(manual({}) == *precision_from_type("fp32"));
}

TEST_CASE("what holds for all switches") {
  for (const Precision& precision : all_precisions())
    for (const std::string_view optimizer : {"adamw", "adamw_fp32OptState"}) {
      const Storage whole = storage_of(precision, false, optimizer), sliced = storage_of(precision, true, optimizer);
      CAPTURE(precision.use_bf16);
      CAPTURE(precision.downcast_bf16);
      CAPTURE(precision.autocast);
      CAPTURE(precision.master_weights);
      CAPTURE(precision.fp32_grad_acc);
      CHECK(whole.weight_dtype == sliced.weight_dtype);
      CHECK(whole.gradient_dtype == whole.weight_dtype);
      CHECK(bytes(sliced.gradient_dtype) >= bytes(sliced.weight_dtype));
      CHECK(sliced.master_bytes() >= bytes(sliced.weight_dtype));
      CHECK(bytes(sliced.state_dtype) >= sliced.master_bytes());

      Precision plain = precision;
      plain.master_weights = plain.fp32_grad_acc = false;
      CHECK(storage_of(plain, false, optimizer) == whole);
      Precision rounded = precision;
      rounded.stochastic_rounding = !precision.stochastic_rounding;
      CHECK(storage_of(rounded, true, optimizer) == sliced);

      for (const Storage& stored : {whole, sliced})
        for (const Dtype type : {stored.weight_dtype, stored.gradient_dtype, stored.state_dtype,
                                 stored.master_dtype.value_or(stored.weight_dtype)}) {
          CHECK((type == Dtype::bfloat16 || type == Dtype::float32));
          if (precision.use_bf16) CHECK(type == Dtype::bfloat16);
        }
    }
}

TEST_CASE("types have names, and names types") {
  for (const PrecisionType& known : precision_table) {
    const auto precision = precision_from_type(known.name);
    REQUIRE(precision);
    CHECK(*precision_from_type(name(*precision)) == *precision);
  }
  CHECK(name(mixed_precision) == "mixed_precision");
  CHECK(name(Precision{}) == "fp32");
  CHECK(name({.downcast_bf16 = true}) == "manual");
  for (const Precision& precision : all_precisions()) {
    CHECK(*precision_from_type("manual", precision) == precision);
    CHECK(*precision_from_type("bf16SR", precision) == *precision_from_type("bf16SR"));
    CHECK(*precision_from_type(name(precision), precision) == precision);
  }
}

TEST_CASE("an unknown type is R25 and names its neighbour") {
  for (const std::string_view type : {"", "mixed", "MIXED_PRECISION", "bf16"}) CHECK_FALSE(precision_from_type(type));
  const Diagnostic said = unknown_precision("mixed_precison");
  CHECK(said.id == "R25");
  CHECK(said.severity == Severity::warning);
  CHECK(said.message.find("mixed_precison") != std::string::npos);
  CHECK(said.hint.starts_with("mixed_precision?"));
  CHECK(said.hint.find("manual") != std::string::npos);
  CHECK(said.origins[0].key == "precision.type");
}

TEST_CASE("states of an optimizer") {
  for (const OptimizerStates& known : optimizer_table) {
    CHECK(optimizer_states(known.name) == known.states);
    const Storage stored = storage_of(mixed_precision, true, known.name);
    CHECK(stored.state_bytes() == 4 * known.states);
  }
  CHECK(optimizer_states("somebody's own") == optimizer_states("adamw"));
  // A name stands for its default arguments; a count of its own for others.
  static_assert(Optimizer{} == Optimizer("adam") && Optimizer("sgd").states == 0);
  Optimizer with_amsgrad("adamw");
  with_amsgrad.states = 3;
  CHECK(storage_of(mixed_precision, true, with_amsgrad).state_bytes() == 12);
  CHECK(storage_of(mixed_precision, false, "adamw_fp32OptState").state_dtype == Dtype::float32);
  CHECK(storage_of(mixed_precision, false, with_amsgrad).state_dtype == Dtype::bfloat16);
}

TEST_CASE("the device narrows floats only") {
  constexpr Precision bf16{.use_bf16 = true}, downcast{.downcast_bf16 = true}, as_is{};
  static_assert(device_dtype(Dtype::float64, bf16) == Dtype::bfloat16);
  static_assert(device_dtype(Dtype::float32, bf16) == Dtype::bfloat16);
  static_assert(device_dtype(Dtype::float64, downcast) == Dtype::float32);
  static_assert(device_dtype(Dtype::float32, downcast) == Dtype::bfloat16);
  for (const Precision& precision : {bf16, downcast, as_is})
    for (const Dtype type : {Dtype::bfloat16, Dtype::float16, Dtype::int64, Dtype::int32, Dtype::boolean})
      CHECK(device_dtype(type, precision) == type);
  for (const Dtype type : {Dtype::float64, Dtype::float32}) CHECK(device_dtype(type, as_is) == type);
}
