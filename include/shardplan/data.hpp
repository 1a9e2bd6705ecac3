#pragma once
#include <shardplan/data/blend.hpp>
#include <shardplan/data/context_slice.hpp>
#include <shardplan/data/distributed.hpp>
#include <shardplan/data/indexed_dataset.hpp>
#include <shardplan/data/megatron_index.hpp>
#include <shardplan/data/npy.hpp>
#include <shardplan/data/random.hpp>
#include <shardplan/data/sampler.hpp>
#include <shardplan/data/sequential.hpp>

/// Which samples a data rank reads in a step, without replaying the steps before.
///
/// A sampler is a value made from `Batches`: the data set and how it is handed out. `samples(rank, step)` is a lazy
/// range of sample numbers, below 0 where there is only padding; resuming is a number of consumed samples.
///
///     sampler                    of                                       NxDT
///     sequential_batches         MegatronPretrainingBatchSampler          megatron, dataloader_type single
///     random_batches             MegatronPretrainingRandomBatchSampler    megatron, dataloader_type cyclic
///     DistributedSampler         torch, behind a DataLoader               hf, and alignment data (shuffled)
///     sequential_micro_batches   MegatronPretrainingSampler               NeMo's own
///     random_micro_batches       MegatronPretrainingRandomSampler         NeMo's own
///
///     const auto sampler = data::sequential_batches({.samples = 40, .consumed = 16, .micro_batch = 2,
///                                                    .global_batch = 8, .data_ranks = 2});
///     for (const Index sample : sampler.samples(rank, step)) trainer.read(sample);
///
/// `Sampler` (sampler.hpp) is what these have in common and what a host's own may offer. The shuffles are those of
/// torch and numpy bit for bit (shuffle.hpp). `megatron_index` makes samples of documents, `splits` and `blend` parts
/// of a data set and a data set of parts; npy.hpp and indexed_dataset.hpp are their files.
