#include <shardplan/pipeline/progress.hpp>
#include <shardplan/pipeline/schedules/deepspeed.hpp>
#include <shardplan/pipeline/schedules/megatron.hpp>
#include <shardplan/pipeline/schedules/nxd.hpp>
#include <shardplan/pipeline/schedules/zbv_search.hpp>
#include <shardplan/pipeline/schedules/zero_bubble.hpp>
#include <shardplan/pipeline/schedules/zero_bubble_search.hpp>
#include <shardplan/pipeline/simulate.hpp>

#include "kinds.hpp"

/// Pipeline schedules: tasks, and what a simulation of them gives.
namespace conformance {
namespace {

using namespace shardplan;
using pipeline::Listing;
using pipeline::StagePlacement;
using pipeline::Task;
using pipeline::TaskKind;
using pipeline::TaskLists;
using pipeline::Workload;

/// One case read: what to make, and all ranks of it.
struct Job {
  Index microbatches, pipeline, chunks;
  StagePlacement placement = StagePlacement::looped;

  Workload of(Index rank) const { return {microbatches, pipeline, rank, chunks}; }
  /// Microbatches of one model: of two that run against each other each has half.
  Workload each_way() const {
    return {placement == StagePlacement::bidirectional ? microbatches / 2 : microbatches, pipeline, 0, chunks};
  }
  Index stage(Index rank, const Task& task) const {
    return pipeline::stage_at(placement, pipeline, {rank, task.chunk});
  }
  Index stages() const { return placement == StagePlacement::bidirectional ? pipeline : pipeline * chunks; }
};

Job job_of(const Field& object) {
  return {object["microbatches"].number(), object["stages"].number(), object["virtual"].number()};
}

/// All ranks' tasks of schedules that `make` gives.
template <class Make>
TaskLists lists(const Job& job, const Make& make) {
  TaskLists out;
  for (Index rank = 0; rank < job.pipeline; ++rank) {
    out.emplace_back();
    for (const Task& task : make(job.of(rank))) out.back().push_back(task);
  }
  return out;
}

/// `value(run)` for every rank.
template <class Value>
Json per_rank(const Job& job, const Value& value) {
  Json out = Json::array();
  for (Index rank = 0; rank < job.pipeline; ++rank) out.push_back(value(job.of(rank)));
  return out;
}

std::string joined(const std::vector<std::string>& words) { return join(words, " "); }

// ---- simulation ----------------------------------------------------------------------------------------------------

/// What a simulation of all ranks says.
Json figures(const pipeline::PipelineTasks& tasks, const pipeline::Costs& costs) {
  const pipeline::Timeline timeline = pipeline::simulate(tasks, costs);
  Json idle = Json::array(), inside = Json::array(), peak = Json::array(), most_open = Json::array();
  for (std::size_t r = 0; r < timeline.ranks.size(); ++r) {
    const pipeline::RankTimeline& rank = timeline.ranks[r];
    idle.push_back(timeline.idle(r));
    inside.push_back(rank.idle_inside());
    peak.push_back(rank.peak_in_flight);
    most_open.push_back(rank.peak_weight_halves);
  }
  return {{"makespan", timeline.makespan()}, {"ideal", timeline.ideal()},
          {"idle_per_rank", idle},           {"idle_inside_span_per_rank", inside},
          {"peak_in_flight_per_rank", peak}, {"peak_pending_W_per_rank", most_open}};
}

/// The fields under `derived`, those that are recorded. `joined`: a fused graph may still run its passes one after the
/// other, and its exchanges; an overlapped block may not.
void check_derived(const Field& object, const Job& job, TaskLists lists,
                   pipeline::Joined joined = pipeline::Joined::one_block) {
  if (!object.has("derived")) return;
  const Field derived = object["derived"];
  if (joined == pipeline::Joined::in_turn)
    for (auto& list : lists)
      for (Task& task : list) task.joined = false;
  const pipeline::PipelineTasks tasks{job.placement, job.each_way(), std::move(lists)};
  const pipeline::StageCosts one{derived.get<Index>("cost_F", 1), derived.get<Index>("cost_I", 1),
                                 derived.get<Index>("cost_W", 1)};
  const Json got = figures(tasks, {.stages = {one}, .joined = joined});
  for (const auto& [name, value] : got.items())
    if (derived.has(name)) derived[name].expect_value(value);
  if (derived.has("blocking_pairwise_completes")) {
    const bool completes = prove_exchanges(tasks).empty() && prove_progress(tasks, pipeline::Sends::rendezvous).empty();
    derived["blocking_pairwise_completes"].expect_value(completes);
  }
}

// ---- NxD -----------------------------------------------------------------------------------------------------------

std::string nxd_word(const Task& task, bool with_chunk) {
  const auto letters = [&]() -> std::string {
    switch (task.kind) {
      case TaskKind::load:
      case TaskKind::receive_forward:
        return "Fpre";
      case TaskKind::forward:
        return "F";
      case TaskKind::send_forward:
        return "Fpost";
      case TaskKind::receive_backward:
        return "Bpre";
      case TaskKind::backward:
        return "B";
      case TaskKind::send_backward:
        return "Bpost";
      case TaskKind::reduce_gradients:
        return "R";
      default:
        return "?";
    }
  }();
  if (task.microbatch < 0) return letters;
  return letters + std::to_string(task.microbatch) + (with_chunk ? concat('.', task.chunk) : std::string()) +
         (task.joined ? "~" : "");
}

/// `word(task)` of every task of every step of every rank.
template <class Make, class Word>
Json step_texts(const Job& job, const Make& make, const Word& word) {
  return per_rank(job, [&](const Workload& run) {
    const auto schedule = make(run);
    Json steps = Json::array();
    for (Index k = 0; k < schedule.steps(); ++k) {
      std::vector<std::string> words;
      for (const Task& task : schedule.step(k)) words.push_back(word(task));
      steps.push_back(joined(words));
    }
    return steps;
  });
}

void check_nxd(const Field& object) {
  const Job job = job_of(object);
  const std::string schedule = object["schedule"].text();
  const Field given = object["options"];
  const pipeline::NxdInterleavedOptions options{given.get("fused_send_recv", false), given.get("fused_fwd_bwd", false),
                                                given.get("use_odd_even_scheduler", false)};
  const auto compare = [&](const auto& make) {
    const auto all = lists(job, make);
    object.expect("steps_per_rank",
                  step_texts(job, make, [&](const Task& task) { return nxd_word(task, schedule == "interleaved"); }));
    if constexpr (requires { make(job.of(0)).rule().warm_up(); })
      object.expect("warmup_steps", per_rank(job, [&](const Workload& run) { return make(run).rule().warm_up(); }));
    check_derived(object, job, all, pipeline::Joined::in_turn);
  };
  expect_outcome(object, [&] {
    if (schedule == "inference") {
      compare([](const Workload& run) { return pipeline::nxd_inference(run); });
    } else if (schedule == "1f1b") {
      compare([](const Workload& run) { return pipeline::nxd_1f1b(run); });
    } else if (schedule == "legacy_1f1b") {
      compare([](const Workload& run) { return pipeline::nxd_legacy_1f1b(run); });
    } else if (schedule == "interleaved") {
      const auto make = [&](const Workload& run) { return pipeline::nxd_interleaved(run, options, compat); };
      const pipeline::NxdInterleavedOptions used = make(job.of(0)).rule().options;
      object.expect("effective_options", {{"fused_send_recv", used.fused_send_recv},
                                          {"fused_fwd_bwd", used.fused_fwd_bwd},
                                          {"use_odd_even_scheduler", used.odd_even}});
      compare(make);
    } else {
      object["schedule"].differ("no such schedule");
    }
  });
}

// ---- stage, pass, microbatch ---------------------------------------------------------------------------------------

std::string pass_word(const Job& job, Index rank, const Task& task) {
  std::string letter = task.kind == TaskKind::forward            ? "F"
                       : task.kind == TaskKind::backward         ? "B"
                       : task.kind == TaskKind::backward_input   ? "I"
                       : task.kind == TaskKind::backward_weight  ? "W"
                       : task.kind == TaskKind::send_forward     ? "SEND_F"
                       : task.kind == TaskKind::receive_forward  ? "RECV_F"
                       : task.kind == TaskKind::send_backward    ? "SEND_B"
                       : task.kind == TaskKind::receive_backward ? "RECV_B"
                                                                 : "?";
  if (job.placement == StagePlacement::bidirectional) return concat(letter, task.chunk, '.', task.microbatch);
  return concat(job.stage(rank, task), letter, task.microbatch);
}

/// The passes of every rank as text, an overlapped block in brackets.
Json pass_texts(const Job& job, const TaskLists& tasks) {
  return per_rank(job, [&](const Workload& run) {
    std::vector<std::string> words;
    std::string block;
    for (const Task& task : tasks[static_cast<std::size_t>(run.rank)]) {
      if (!pipeline::is_compute(task.kind) && task.peer < 0) continue;
      block += (block.empty() ? "" : "+") + pass_word(job, run.rank, task);
      if (task.joined) continue;
      words.push_back(block.find('+') == block.npos ? block : '(' + block + ')');
      block.clear();
    }
    return joined(words);
  });
}

Json stage_ranks(const Job& job) {
  std::vector<Index> out(static_cast<std::size_t>(job.stages()));
  for (Index rank = 0; rank < job.pipeline; ++rank)
    for (Index chunk = 0; chunk < job.chunks; ++chunk)
      out[static_cast<std::size_t>(pipeline::stage_at(job.placement, job.pipeline, {rank, chunk}))] = rank;
  return out;
}

/// The forward and backward passes alone.
TaskLists passes(const TaskLists& tasks) {
  TaskLists out;
  for (const auto& list : tasks) {
    out.emplace_back();
    for (const Task& task : list)
      if (pipeline::is_compute(task.kind)) out.back().push_back(task);
  }
  return out;
}

// ---- Megatron ------------------------------------------------------------------------------------------------------

void check_megatron(const Field& object) {
  const Job job = job_of(object);
  const std::string schedule = object["schedule"].text();
  const Field given = object["options"];
  const Index group = given.get<Index>("microbatch_group_size_per_vp_stage", 0);
  const bool forward_only = given.get("forward_only", false);
  const bool overlap = given.get("overlap_moe_expert_parallel_comm", false);
  const auto compare = [&](const auto& make, const auto& table) {
    const auto all = lists(job, make);
    Json microbatches = Json::array(), chunks = Json::array();
    for (Index k = 0; k < job.microbatches * job.chunks; ++k) {
      microbatches.push_back(table(k).microbatch);
      chunks.push_back(table(k).chunk);
    }
    object.expect("schedule_table_microbatch", microbatches);
    object.expect("schedule_table_chunk", chunks);
    object.expect("warmup", per_rank(job, [&](const Workload& run) { return make(run).rule().warm_up(); }));
    object.expect("all_in_warmup",
                  per_rank(job, [&](const Workload& run) { return make(run).rule().all_in_warm_up(); }));
    const TaskLists computed = passes(all);
    object.expect("ops_per_rank", pass_texts(job, computed));
    check_derived(object, job, computed);
  };
  expect_outcome(object, [&] {
    if (schedule == "interleaved") {
      const pipeline::MegatronInterleavedOptions options{group, forward_only, overlap};
      const auto make = [&](const Workload& run) { return pipeline::megatron_interleaved(run, options); };
      const auto rule = make(job.of(0)).rule();
      compare(make, [&](Index k) { return rule.forward(k); });
    } else if (schedule == "1f1b") {
      compare([&](const Workload& run) { return pipeline::megatron_1f1b(run, {forward_only}); },
              [](Index k) {
                return pipeline::ChunkPass{k, 0};
              });
    } else {
      object["schedule"].differ("no such schedule");
    }
  });
}

// ---- DeepSpeed -----------------------------------------------------------------------------------------------------

std::string deepspeed_word(const Task& task, Index buffers) {
  const auto in_buffer = [&](const char* instruction) {
    return concat(instruction, '(', task.microbatch % buffers, ')');
  };
  switch (task.kind) {
    case TaskKind::load:
      return in_buffer("LoadMicroBatch");
    case TaskKind::receive_forward:
      return in_buffer("RecvActivation");
    case TaskKind::forward:
      return in_buffer("ForwardPass");
    case TaskKind::send_forward:
      return in_buffer("SendActivation");
    case TaskKind::receive_backward:
      return in_buffer("RecvGrad");
    case TaskKind::backward:
      return in_buffer("BackwardPass");
    case TaskKind::send_backward:
      return in_buffer("SendGrad");
    case TaskKind::reduce_tied_gradients:
      return "ReduceTiedGrads";
    case TaskKind::reduce_gradients:
      return "ReduceGrads";
    case TaskKind::optimizer_step:
      return "OptimizerStep";
    default:
      return "?";
  }
}

void check_deepspeed(const Field& object) {
  const Job job = job_of(object);
  const std::string schedule = object["schedule"].text();
  const auto compare = [&](const auto& make) {
    Json steps = Json::array();
    for (Index rank = 0; rank < job.pipeline; ++rank) {
      const Index buffers = make(job.of(rank)).rule().buffers();
      steps.push_back(step_texts(
          job, make, [&](const Task& task) { return deepspeed_word(task, buffers); })[static_cast<std::size_t>(rank)]);
    }
    object.expect("steps_per_rank", steps);
    object.expect("num_pipe_buffers", per_rank(job, [&](const Workload& run) { return make(run).rule().buffers(); }));
    check_derived(object, job, lists(job, make));
  };
  if (object.has("options")) object["options"];  // none is known
  expect_outcome(object, [&] {
    if (schedule == "train")
      compare([](const Workload& run) { return pipeline::deepspeed_train(run); });
    else if (schedule == "inference")
      compare([](const Workload& run) { return pipeline::deepspeed_inference(run); });
    else
      object["schedule"].differ("no such schedule");
  });
}

// ---- PyTorch, zero bubble ------------------------------------------------------------------------------------------

/// `x` for a pass or a block, `.` for an idle slot.
Json grid(const Job& job, const TaskLists& slots) {
  return per_rank(job, [&](const Workload& run) {
    std::string out;
    for (const Task& task : slots[static_cast<std::size_t>(run.rank)])
      if (!task.joined) out += task.kind == TaskKind::idle ? '.' : 'x';
    return out;
  });
}

/// A schedule that is known by its slots.
template <class Make>
void compare_slots(const Field& object, const Job& job, const Make& make, bool bubbles = false) {
  const TaskLists listed = lists(job, make);
  const TaskLists slots = bubbles ? pipeline::with_bubbles(listed, job.placement, job.of(0)) : listed;
  if (job.placement != StagePlacement::bidirectional) object.expect("stage_to_rank", stage_ranks(job));
  object.expect("ops_per_rank", pass_texts(job, slots));
  if (object.has("grid_per_rank")) object["grid_per_rank"].expect_value(grid(job, slots));
  if (object.has("ops_with_comm_per_rank"))
    object["ops_with_comm_per_rank"].expect_value(
        pass_texts(job, pipeline::with_communication(slots, job.placement, job.of(0))));
  check_derived(object, job, slots);
}

/// The schedules that PyTorch, sail-sg and DeepSeek share a form of record for.
void check_by_slots(const Field& object) {
  Job job = job_of(object);
  const std::string schedule = object["schedule"].text();
  constexpr Listing slots = Listing::slots;
  // Costs that the record states; the library's orders do not depend on them.
  if (object.has("options")) object["options"].skip({"cost_F", "cost_I", "cost_W", "cost_comm"});
  expect_outcome(object, [&] {
    if (schedule == "GPipe") {
      compare_slots(object, job, [](const Workload& run) { return pipeline::gpipe(run, slots); });
    } else if (schedule == "1F1B") {
      compare_slots(object, job, [](const Workload& run) { return pipeline::pytorch_1f1b(run, slots); });
    } else if (schedule == "LoopedBFS") {
      compare_slots(object, job, [](const Workload& run) { return pipeline::looped_bfs(run, slots); });
    } else if (schedule == "Interleaved1F1B") {
      compare_slots(object, job, [](const Workload& run) { return pipeline::pytorch_interleaved(run, slots); });
    } else if (schedule == "InterleavedZeroBubble") {
      compare_slots(
          object, job, [](const Workload& run) { return pipeline::pytorch_zero_bubble(run, slots); }, true);
    } else if (schedule == "ZBVZeroBubble") {
      job.placement = StagePlacement::vee;
      compare_slots(object, job, [](const Workload& run) { return pipeline::pytorch_zbv(run, slots); });
    } else if (schedule == "DualPipeV") {
      job.placement = StagePlacement::vee;
      compare_slots(object, job, [](const Workload& run) { return pipeline::dualpipe_v(run, slots); });
    } else if (schedule == "DualPipe") {
      job.placement = StagePlacement::bidirectional;
      compare_slots(object, job, [](const Workload& run) { return pipeline::dualpipe(run, slots); });
    } else {
      object["schedule"].differ("no such schedule");
    }
  });
}

/// The orders that sail-sg finds by search, with the costs given.
void check_searched(const Field& object) {
  Job job = job_of(object);
  const std::string schedule = object["schedule"].text();
  const Field given = object["options"];
  const pipeline::SearchCosts costs{given.get<Index>("cost_F", 1), given.get<Index>("cost_I", 1),
                                    given.get<Index>("cost_W", 1), given.get<Index>("cost_comm", 0)};
  expect_outcome(object, [&] {
    const pipeline::PipelineTasks found = schedule == "ZB1P"   ? pipeline::zb_h1(job.of(0), costs, Listing::compute)
                                          : schedule == "ZB2P" ? pipeline::zb_h2(job.of(0), costs, Listing::compute)
                                                               : pipeline::zbv(job.of(0), costs, Listing::compute);
    job.placement = found.placement;
    compare_slots(object, job, [&](const Workload& run) { return found.ranks[static_cast<std::size_t>(run.rank)]; });
    const bool equal = costs.forward == costs.input && costs.input == costs.weight && costs.link == 0;
    if (schedule == "ZB1P" && equal && job.microbatches > job.pipeline)  // where a rule gives the same
      compare_slots(object, job, [](const Workload& run) { return pipeline::zb1p(run, Listing::compute); });
  });
}

bool is_searched(const Json& object) {
  return is(object, "schedule", "ZB1P") || is(object, "schedule", "ZB2P") || is(object, "schedule", "ZBV");
}

bool is_schedule(const Json& object, std::initializer_list<const char*> sources) {
  if (!has(object, {"schedule", "microbatches", "stages", "virtual"})) return false;
  for (const char* source : sources)
    if (is(object, "source", source)) return true;
  return false;
}

}  // namespace

Kinds schedule_kinds() {
  constexpr auto element = Kind::Scope::element;
  return {
      {"NxD schedule", element, [](const Json& o, const Json&) { return is_schedule(o, {"NxD"}); }, check_nxd},
      {"Megatron schedule", element, [](const Json& o, const Json&) { return is_schedule(o, {"Megatron-LM"}); },
       check_megatron},
      {"DeepSpeed schedule", element, [](const Json& o, const Json&) { return is_schedule(o, {"DeepSpeed"}); },
       check_deepspeed},
      {"schedule found by search", element,
       [](const Json& o, const Json&) { return is_schedule(o, {"sail-sg zero-bubble"}) && is_searched(o); },
       check_searched},
      {"schedule by slots", element,
       [](const Json& o, const Json&) {
         return is_schedule(o, {"PyTorch", "sail-sg zero-bubble", "DeepSeek DualPipe"});
       },
       check_by_slots},
  };
}

}  // namespace conformance
