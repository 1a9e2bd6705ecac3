#include <algorithm>
#include <map>
#include <tuple>

#include <shardplan/pipeline/schedules/megatron.hpp>
#include <shardplan/pipeline/schedules/nxd.hpp>
#include <shardplan/pipeline/schedules/zero_bubble.hpp>

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

/// Forward and backward passes that run as one.
using Block = std::vector<Task>;

std::vector<Block> blocks(const std::vector<Task>& tasks) {
  std::vector<Block> out;
  bool open = false;
  for (const Task& task : tasks) {
    if (!pipeline::is_compute(task.kind)) continue;
    if (!open) out.emplace_back();
    out.back().push_back(task);
    open = task.joined;
  }
  return out;
}

struct Costs {
  Index forward = 1, input = 1, weight = 1;

  Index of(TaskKind kind) const {
    if (kind == TaskKind::forward) return forward;
    if (kind == TaskKind::backward) return input + weight;
    return kind == TaskKind::backward_input ? input : weight;
  }
};

/// Runs the passes as early as their inputs allow.
Json simulate(const Job& job, const TaskLists& tasks, const Costs& costs) {
  // A pass by its result: forward, gradient or weight gradient; the model (of DualPipe's two); stage; microbatch.
  using Key = std::tuple<int, bool, Index, Index>;
  std::map<Key, Index> finished;
  const auto key = [&](Index rank, const Task& task, int result, Index step) {
    const bool up =
        job.placement == StagePlacement::bidirectional && !pipeline::goes_down(job.pipeline, {rank, task.chunk});
    return Key{result, up, job.stage(rank, task) + step, task.microbatch};
  };
  const auto needs = [&](Index rank, const Task& task) {
    std::vector<Key> out;
    const Index stage = job.stage(rank, task);
    if (task.kind == TaskKind::forward) {
      if (stage > 0) out.push_back(key(rank, task, 0, -1));
    } else if (task.kind == TaskKind::backward_weight) {
      out.push_back(key(rank, task, 1, 0));
    } else {
      out.push_back(key(rank, task, 0, 0));
      if (stage + 1 < job.stages()) out.push_back(key(rank, task, 1, 1));
    }
    return out;
  };

  const auto ranks = static_cast<std::size_t>(job.pipeline);
  std::vector<std::vector<Block>> todo;
  for (const auto& list : tasks) todo.push_back(blocks(list));
  std::vector<std::size_t> next(ranks);
  std::vector<Index> first(ranks, -1), last(ranks), busy(ranks), alive(ranks), peak(ranks), open(ranks),
      most_open(ranks);
  for (bool progress = true; progress;) {
    progress = false;
    for (std::size_t r = 0; r < ranks; ++r) {
      for (; next[r] < todo[r].size(); ++next[r]) {
        const Block& block = todo[r][next[r]];
        Index start = last[r], cost = 0;
        bool ready = true;
        for (const Task& task : block) {
          cost += costs.of(task.kind);
          for (const Key& need : needs(static_cast<Index>(r), task)) {
            const auto at = finished.find(need);
            ready = ready && at != finished.end();
            if (at != finished.end()) start = std::max(start, at->second);
          }
        }
        if (!ready) break;
        progress = true;
        if (first[r] < 0) first[r] = start;
        last[r] = start + cost;
        busy[r] += cost;
        for (const Task& task : block) {
          const int result = task.kind == TaskKind::forward ? 0 : task.kind == TaskKind::backward_weight ? 2 : 1;
          finished[key(static_cast<Index>(r), task, result, 0)] = last[r];
          if (task.kind == TaskKind::forward) peak[r] = std::max(peak[r], ++alive[r]);
          if (task.kind == TaskKind::backward_input) most_open[r] = std::max(most_open[r], ++open[r]);
          if (task.kind == TaskKind::backward_weight) --open[r];
        }
        for (const Task& task : block) alive[r] -= pipeline::is_backward(task.kind) ? 1 : 0;
      }
    }
  }
  for (std::size_t r = 0; r < ranks; ++r)
    if (next[r] != todo[r].size()) throw std::runtime_error("the schedule makes no progress");
  const Index makespan = *std::max_element(last.begin(), last.end());
  Json idle = Json::array(), inside = Json::array();
  for (std::size_t r = 0; r < ranks; ++r) {
    idle.push_back(makespan - busy[r]);
    inside.push_back(last[r] - first[r] - busy[r]);
  }
  return {{"makespan", makespan},
          {"ideal", *std::max_element(busy.begin(), busy.end())},
          {"idle_per_rank", idle},
          {"idle_inside_span_per_rank", inside},
          {"peak_in_flight_per_rank", peak},
          {"peak_pending_W_per_rank", most_open}};
}

/// Whether all ranks come to the end when every send waits for its receive and the other way round.
bool blocking_pairwise_completes(const Job& job, const TaskLists& tasks) {
  const auto ranks = static_cast<std::size_t>(job.pipeline);
  std::vector<std::size_t> next(ranks);
  const auto exchange = [&](std::size_t rank) -> const Task* {
    while (next[rank] < tasks[rank].size() && tasks[rank][next[rank]].peer < 0) ++next[rank];
    return next[rank] < tasks[rank].size() ? &tasks[rank][next[rank]] : nullptr;
  };
  for (bool progress = true; progress;) {
    progress = false;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const Task* mine = exchange(rank);
      if (!mine || !pipeline::is_send(mine->kind)) continue;
      const Task* other = exchange(static_cast<std::size_t>(mine->peer));
      const bool forward = mine->kind == TaskKind::send_forward;
      if (!other || other->peer != static_cast<Index>(rank) || other->microbatch != mine->microbatch ||
          other->kind != (forward ? TaskKind::receive_forward : TaskKind::receive_backward))
        continue;
      const pipeline::Place to =
          pipeline::neighbour(job.placement, job.of(0), {static_cast<Index>(rank), mine->chunk}, forward ? 1 : -1);
      if (to != pipeline::Place{mine->peer, other->chunk}) continue;
      ++next[rank];
      ++next[static_cast<std::size_t>(mine->peer)];
      progress = true;
    }
  }
  for (std::size_t rank = 0; rank < ranks; ++rank)
    if (exchange(rank)) return false;
  return true;
}

/// The fields under `derived`, those that are recorded.
void check_derived(const Field& object, const Job& job, const TaskLists& tasks) {
  if (!object.has("derived")) return;
  const Field derived = object["derived"];
  const Costs costs{derived.get<Index>("cost_F", 1), derived.get<Index>("cost_I", 1), derived.get<Index>("cost_W", 1)};
  const Json got = simulate(job, tasks, costs);
  for (const auto& [name, value] : got.items())
    if (derived.has(name)) derived[name].expect_value(value);
  if (derived.has("blocking_pairwise_completes"))
    derived["blocking_pairwise_completes"].expect_value(blocking_pairwise_completes(job, tasks));
}

/// A fused graph may still run its passes one after the other; an overlapped block may not.
TaskLists unjoined(TaskLists tasks) {
  for (auto& list : tasks)
    for (Task& task : list) task.joined = false;
  return tasks;
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
    check_derived(object, job, unjoined(all));
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
  // The costs that a search was given; what the library makes does not depend on them.
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
    } else if (schedule == "ZB1P") {
      compare_slots(object, job, [](const Workload& run) { return pipeline::zb1p(run, slots); });
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

/// The two orders that sail-sg finds by search, which the library does not make.
bool is_searched(const Json& object) { return is(object, "schedule", "ZB2P") || is(object, "schedule", "ZBV"); }

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
       [](const Json& o, const Json&) { return is_schedule(o, {"sail-sg zero-bubble"}) && is_searched(o); }, nullptr},
      {"schedule by slots", element,
       [](const Json& o, const Json&) {
         return is_schedule(o, {"PyTorch", "sail-sg zero-bubble", "DeepSeek DualPipe"});
       },
       check_by_slots},
  };
}

}  // namespace conformance
