#include <shardplan/zero/options.hpp>

#include "support.hpp"

using namespace shardplan;
using zero::TrainerInput;
using zero::TrainerOptions;

namespace {

TrainerInput zero1(Index data) { return {.optimizer = {.zero_one_enabled = true}, .data = data}; }

/// What NxD hands over on four data ranks when the configuration says no more than ZeRO-1.
TrainerOptions usual() {
  return {.cls = "NeuronZero1Optimizer",
          .grad_clipping = true,
          .pin_layout = false,
          .sharding_groups = "data_parallel_groups",
          .grad_norm_groups = "tensor_parallel_groups",
          .bucket_cap_mb_all_gather = 32,
          .bucket_cap_mb_reduce_scatter = 130,
          .use_grad_acc_hook = true,
          .higher_cc_precision = true,
          .save_master_weights = false};
}

}  // namespace

TEST_CASE("filled: defaults follow the switches before them") {
  CHECK(zero::filled(zero::OptimizerConfig{}).max_grad_norm == 1.0);
  CHECK(zero::filled(zero::OptimizerConfig{.max_grad_norm = 0.5}).max_grad_norm == 0.5);
  CHECK_FALSE(zero::filled(zero::OptimizerConfig{.grad_clipping = false}).max_grad_norm);
  for (const bool enabled : {false, true}) {
    const auto all = zero::filled({}, {.zero_one_enabled = enabled});
    CHECK(all.use_master_weights == enabled);
    CHECK(all.use_fp32_grad_acc == enabled);
    CHECK_FALSE(all.use_master_weights_in_ckpt);
    const auto given = zero::filled({.use_master_weights = !enabled}, {.zero_one_enabled = enabled});
    CHECK(given.use_master_weights == !enabled);
    CHECK(given.use_fp32_grad_acc == enabled);
  }
}

TEST_CASE("trainer_options: recorded options") {
  CHECK(zero::trainer_options(zero1(4)) == usual());

  TrainerInput input = zero1(4);
  TrainerOptions expected = usual();
  SUBCASE("no clipping") { input.optimizer.grad_clipping = false, expected.grad_clipping = false; }
  SUBCASE("downcast to bfloat16") { input.downcast_bf16 = true, expected.optimizer_dtype = Dtype::float64; }
  SUBCASE("no downcast: narrower buckets") {
    input.downcast_bf16 = false;
    expected.bucket_cap_mb_all_gather = 16;
    expected.bucket_cap_mb_reduce_scatter = 65;
  }
  SUBCASE("neither master weights nor fp32 accumulation") {
    input.downcast_bf16 = false;
    input.mixed_precision = {.use_master_weights = false, .use_fp32_grad_acc = false};
    expected.use_grad_acc_hook = expected.higher_cc_precision = std::nullopt;
  }
  SUBCASE("no master weights under downcast") {
    input.downcast_bf16 = true;
    input.mixed_precision.use_master_weights = false;
  }
  SUBCASE("master weights in the checkpoint") {
    input.mixed_precision.use_master_weights_in_ckpt = true;
    expected.save_master_weights = true;
  }
  SUBCASE("context ranks share the state too") { input.context = 2, expected.sharding_groups = "zero1_groups_with_cp"; }
  SUBCASE("experts") { input.expert = 2, expected.cls = "NeuronEPZero1Optimizer"; }
  SUBCASE("a cap from outside") {
    input.data = 3, input.bucket_cap = 512;
    expected.bucket_cap_mb_all_gather = 170;
    expected.bucket_cap_mb_reduce_scatter = 512;
  }
  SUBCASE("torch 2.1 has no caps") {
    input.torch = {2, 1};
    expected.bucket_cap_mb_all_gather = expected.bucket_cap_mb_reduce_scatter = std::nullopt;
    expected.coalesce_cc = true;
  }
  SUBCASE("torch 2.0 joins nothing") {
    input.torch = {2, 0};
    expected.bucket_cap_mb_all_gather = expected.bucket_cap_mb_reduce_scatter = std::nullopt;
  }
  SUBCASE("torch 3.0 is later than 2.2") { input.torch = {3, 0}; }
  SUBCASE("without ZeRO-1 the caller's own class") {
    input.optimizer = {};
    input.optimizer_class = "SGD";
    expected = {.cls = "SGD"};
  }
  CHECK(zero::trainer_options(input) == expected);
}

TEST_CASE("trainer_options: refusals, all at once") {
  const auto refused = [](const zero::MixedPrecisionConfig& precision) {
    return thrown_ids([&] { zero::trainer_options({.mixed_precision = precision}); });
  };
  CHECK(refused({.use_master_weights = true}) == Ids{"SP-ZERO-004"});
  CHECK(refused({.use_fp32_grad_acc = true}) == Ids{"SP-ZERO-004"});
  CHECK(refused({.use_master_weights_in_ckpt = true}) == Ids{"SP-ZERO-004"});
  CHECK(refused({true, true, true}) == Ids(3, "SP-ZERO-004"));
  CHECK(refused({}).empty());
  CHECK(thrown_ids([] { zero::trainer_options(zero1(0)); }) == Ids{"SP-ZERO-002"});
}

TEST_CASE("trainer_options: what NxD lets pass is a warning") {
  TrainerInput input = zero1(4);
  CHECK(zero::diagnose(input).empty());
  input.optimizer.max_grad_norm = 0.5;
  CHECK(ids(zero::diagnose(input)) == Ids{"SP-ZERO-005"});
  input.bucket_cap = 141;
  const Diagnostics both = zero::diagnose(input);
  CHECK(ids(both) == Ids{"SP-ZERO-005", "SP-ZERO-006"});
  CHECK_FALSE(has_errors(both));
  CHECK(zero::trainer_options(input).bucket_cap_mb_reduce_scatter == 141);
  input.optimizer.grad_clipping = false;
  input.bucket_cap = 140;
  CHECK(zero::diagnose(input).empty());
}
