#pragma once
#include <shardplan/model/architecture.hpp>
#include <shardplan/model/attributes.hpp>
#include <shardplan/model/custom.hpp>
#include <shardplan/model/hub.hpp>
#include <shardplan/model/llama.hpp>
#include <shardplan/model/megatron.hpp>
#include <shardplan/model/mixtral.hpp>
#include <shardplan/model/model.hpp>
#include <shardplan/model/parameter.hpp>

/// Models as lists of parameters.
///
/// A planner asks five things of a parameter: name, full shape, dtype, sharding (which dimension may be cut, into which
/// named parts, over which kind of heads, experts or ids) and owner (which pipeline stage holds it). Anything that
/// answers them is `ParameterLike`, so a host plans its own registry. For the decoders that NxDT trains, this room
/// makes the list:
///
///     const sp::Model model = sp::llama({.layers = 80, .hidden = 8192, .ffn = 28672, .heads = 64, .kv_heads = 8,
///                                        .vocab = 128256});
///     model.parameter_count();                               // 70'553'706'496
///     for (const sp::Parameter& p : model.parameters) ...    // in the order of the real constructors
///
/// | header             | gives                                                                                 |
/// |--------------------|---------------------------------------------------------------------------------------|
/// | parameter.hpp      | `Parameter`, `Sharding`, `Part`, `Role`, `Heads`, `Owner`, `ParameterLike`, padding   |
/// | architecture.hpp   | `Architecture`: sizes and switches, `diagnose` what is wrong with them                |
/// | model.hpp          | `Model`: the parameters and their totals                                              |
/// | llama.hpp, mixtral.hpp, megatron.hpp | `llama`, `mixtral`, `megatron`: an architecture becomes a model     |
/// | hub.hpp            | `model_names`, `architecture("llama3-70b")`, `model("llama3-70b")`                    |
/// | custom.hpp         | `CustomModel`: a model of a host's own, described; `custom_model` makes it one        |
/// | attributes.hpp     | `parallel_attributes`: the marks NxD puts on a tensor                                 |
///
/// Rules: SP-MODEL-001 to -010, R6, R9.
