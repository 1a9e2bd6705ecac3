#pragma once
#include <shardplan/optim/clipping.hpp>
#include <shardplan/optim/groups.hpp>
#include <shardplan/optim/optimizer.hpp>
#include <shardplan/optim/plateau.hpp>
#include <shardplan/optim/schedule.hpp>
#include <shardplan/optim/update.hpp>

/// The optim room: learning rates and optimizers, as values and plain functions.
///
/// A schedule is a name, the base rate of every parameter group, and arguments by the names that a configuration gives
/// them. Its rate is a function of the step, to the bit in any order of asking: a run that resumes replays nothing.
///
///     const optim::Schedule schedule({.name = "CosineAnnealing", .base_rates = {3e-4},
///                                     .warmup_steps = 2000, .max_steps = 20000, .min_lr = 3e-5});
///     for (Index step = resumed_at; step < 20000; ++step) trainer.step(learning_rate(schedule, step));
///
/// `Schedule` refuses at once whatever NeMo or torch would refuse, also far into the run; `refusals` says at which
/// step. `learning_rate(settings, step)` on unchecked settings refuses what stops the original at that step or before.
/// A host's own schedule is any type with a function `learning_rate(schedule, step, group)` beside it
/// (`LearningRateSchedule`).
///
///     settings, their readers' list of arguments    ScheduleSettings, prepared             settings.hpp, schedule.hpp
///     known schedules and what they take            schedule_classes, takes, pace          kinds.hpp
///     warm-up, hold, constant steps                 Phases, phases                         phases.hpp
///     the curves as functions of numbers            cosine, noam, cyclic, ...              annealing.hpp
///     faults and where the original meets them      refusals, diagnose                     refusals.hpp
///     the one schedule that follows a metric        PlateauState, plateau, after           plateau.hpp
///
/// Optimizers are data, and a few also host-side functions to check a trainer's kernels with:
///
///     state, defaults, arguments of each name       optimizer_classes, states, diagnose    optimizer.hpp
///     one step in place                             adam, adamw, adamw_fp32OptState, sgd   update.hpp
///     weight decay of each parameter                parameter_groups, parameter_group      groups.hpp
///     gradient norm over partial sums, clipping     NormSum, clip_factor, clipping_norm    clipping.hpp
///
/// Where NxDT does not do what its configuration says, `strict` does, and `compat` repeats NxDT.
