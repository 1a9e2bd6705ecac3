#pragma once
#include <shardplan/zero/buckets.hpp>
#include <shardplan/zero/data_ranks.hpp>
#include <shardplan/zero/deepspeed.hpp>
#include <shardplan/zero/groups.hpp>
#include <shardplan/zero/megatron.hpp>
#include <shardplan/zero/options.hpp>
#include <shardplan/zero/rows.hpp>
#include <shardplan/zero/torch.hpp>

/// The ZeRO room: how optimizer state is divided over the data ranks.
///
/// There is no ZeRO shard. Every system comes out as something that the rest of the library reads already:
///
///     system            planner           header          comes out as
///     torch_xla, NxD    rows              rows.hpp        a Layout: two more cuts on dimension 0 of the weight
///     Megatron          MegatronBuffer    megatron.hpp    a FlatLayout, divided bucket by bucket
///     DeepSpeed         deepspeed_flat    deepspeed.hpp   a FlatLayout, divided as a whole
///     PyTorch           greedy            torch.hpp       a keeper for every parameter: a pin of its layout
///
///     const Layout weight = tensor::weight_layout(parameter, mesh.dense(), options);
///     const Shard mine = shard(zero::rows(weight), mesh.dense().place(rank));   // row runs, padding, local shape
///
/// Flat buffers hold local tensors, so they start from numbers of elements (`local_elements`), and a place's part of
/// them is read with `for_each_slice`.
///
/// Around the layouts of NxD:
///
///     groups, reduction                          who divides state; the way of a gradient      groups.hpp
///     coalesced, all_reduced, bucket_caps        tensors that share a collective call          buckets.hpp
///     trainer_options                            what the trainer hands to the optimizer       options.hpp
