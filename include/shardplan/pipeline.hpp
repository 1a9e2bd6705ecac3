#pragma once
#include <shardplan/pipeline/balance.hpp>
#include <shardplan/pipeline/catalogue.hpp>
#include <shardplan/pipeline/choose.hpp>
#include <shardplan/pipeline/deepspeed.hpp>
#include <shardplan/pipeline/in_flight.hpp>
#include <shardplan/pipeline/layout_string.hpp>
#include <shardplan/pipeline/megatron.hpp>
#include <shardplan/pipeline/modules.hpp>
#include <shardplan/pipeline/nxd.hpp>
#include <shardplan/pipeline/partition.hpp>
#include <shardplan/pipeline/progress.hpp>
#include <shardplan/pipeline/schedules/deepspeed.hpp>
#include <shardplan/pipeline/schedules/gpipe.hpp>
#include <shardplan/pipeline/schedules/megatron.hpp>
#include <shardplan/pipeline/schedules/nxd.hpp>
#include <shardplan/pipeline/schedules/pytorch.hpp>
#include <shardplan/pipeline/schedules/v_schedules.hpp>
#include <shardplan/pipeline/schedules/zbv_search.hpp>
#include <shardplan/pipeline/schedules/zero_bubble.hpp>
#include <shardplan/pipeline/schedules/zero_bubble_search.hpp>
#include <shardplan/pipeline/simulate.hpp>
#include <shardplan/pipeline/task_lists.hpp>
#include <shardplan/pipeline/timeline.hpp>

/// The pipeline room: which layers each pipeline stage holds, and what it does when.
///
/// Everything ends in one value, a `Partition`: an interval of layers a stage, and stages that go round the pipeline
/// ranks. Its makers differ only in the rule that sets the bounds:
///
///     maker            header           rule                                                    10 layers, 4 stages
///     even             nxd.hpp          the last stages take the remainder                      2, 2, 3, 3
///     manual_even      nxd.hpp          the last stage takes the remainder                      2, 2, 2, 4
///     cut_after        nxd.hpp          stages end at named modules                             as named
///     megatron         megatron.hpp     no remainder; own counts at the ends, or a layout       refused
///     uniform          deepspeed.hpp    the first stages take the remainder                     3, 3, 2, 2
///     balanced         deepspeed.hpp    DeepSpeed's search for a small gap between stages       by weight
///     min_max          balance.hpp      the cheapest dearest stage, exactly, under a memory cap by cost
///
///     const auto stages = pipeline::even(80, 8);            // Llama-3 70B on 8 pipeline ranks
///     const auto mine = stages.layers_of(stages.stage(rank, 0));
///     const auto owner = stages.stage_of(41);
///
/// A list to cut may hold more than layers. Cut [embed, layers..., norm, head] and `restrict_to` gives the layers of
/// the result; that is how costs of embedding and head enter `min_max`, and how a cut at the final norm is read.
///
/// `StagedModel` (modules.hpp) goes further than layers: from the modules of a traced model and its cuts to the
/// parameters, local names, stage inputs and tied weights of every stage. `StageLayout` (layout_string.hpp) is
/// Megatron's layout string, `in_flight` (in_flight.hpp) the number of activations a rank holds.
///
/// What a rank does is a `Schedule` (schedule.hpp): steps of tasks, each computed when asked for, so that a million
/// microbatches need no memory. Its makers stand in schedules/, one header for each system: nxd, gpipe, megatron,
/// deepspeed, pytorch, zero_bubble, and the searched zero_bubble_search, zbv_search, v_schedules. `make_schedule`
/// (catalogue.hpp) finds each by its name and writes it out for all ranks; `prove` (progress.hpp) shows that nothing is
/// missing and nobody waits forever; `simulate` (simulate.hpp) gives the `Timeline` for given costs; `choose` (choose.hpp)
/// picks schedule and cut together.
///
/// The makers are separate functions and not one with a mode, because they take different inputs and refuse different
/// things. Stages are numbered chunk * pipeline + rank everywhere; no other placement makes layouts today.
