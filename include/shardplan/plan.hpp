#pragma once
/// The plan room: a model, a strategy and a world become what every rank holds and whom it talks to.
///
///   Strategy                 how a job is parallelised                              plan/strategy.hpp
///   Training, Recompute      batch, sequence, what is computed again                plan/training.hpp
///   Precision, Storage       which element types a mode stores on the device        plan/precision.hpp
///   diagnose                 all findings about a job at once, without throwing     plan/diagnose.hpp
///   audit, Gradient          is a gradient the mean, do copies agree, the norm      plan/gradients.hpp
///   Plan, BasicPlan          the facade; over the library's or a host's records     plan/plan.hpp
///   LocalTensor              a parameter, or its optimizer state, on one rank       plan/local.hpp
///   Memory                   bytes by what they are for                             plan/memory.hpp
///
/// `plan.at(rank)` costs O(axes) and stores nothing: any rank's answer at any time, without a running job.
#include <shardplan/plan/plan.hpp>
