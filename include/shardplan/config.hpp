#pragma once
/// Configurations of NxDT: from a file's tree to structs, with every value's place kept.
///
///     text --read_yaml--> Node --set_path--> Node --resolve--> Node --bind--> Config
///                         with marks         overrides        no ${...}      plain structs
///
/// Everything here is pure; reading files is in `config/yaml.hpp`, which needs yaml-cpp and has `load_config` for the
/// whole way. `bind_huggingface` takes a config.json the same road without interpolations.
///
/// Each step says all that is wrong at once, with file, line and column. What a step could not make is `Node::Broken`,
/// about which later steps keep silent. The members of `Config` are spelt as the keys of the file, so that a message,
/// the file and the code say the same word. `check` tells what NxDT would refuse or get wrong, `job` makes of it what a
/// planner takes.
#include <shardplan/config/arguments.hpp>
#include <shardplan/config/bind.hpp>
#include <shardplan/config/config.hpp>
#include <shardplan/config/custom_model.hpp>
#include <shardplan/config/custom_sections.hpp>
#include <shardplan/config/effects.hpp>
#include <shardplan/config/expression.hpp>
#include <shardplan/config/extent_expression.hpp>
#include <shardplan/config/huggingface.hpp>
#include <shardplan/config/interpolation.hpp>
#include <shardplan/config/job.hpp>
#include <shardplan/config/located.hpp>
#include <shardplan/config/model_section.hpp>
#include <shardplan/config/node.hpp>
#include <shardplan/config/overrides.hpp>
#include <shardplan/config/pitfalls.hpp>
#include <shardplan/config/rules.hpp>
#include <shardplan/config/scalar.hpp>
#include <shardplan/config/sections.hpp>
