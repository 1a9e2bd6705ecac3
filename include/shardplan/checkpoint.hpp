#pragma once
#include <shardplan/checkpoint/assemble.hpp>
#include <shardplan/checkpoint/commit.hpp>
#include <shardplan/checkpoint/compare.hpp>
#include <shardplan/checkpoint/convert.hpp>
#include <shardplan/checkpoint/crc32.hpp>
#include <shardplan/checkpoint/element.hpp>
#include <shardplan/checkpoint/element_cast.hpp>
#include <shardplan/checkpoint/gzip.hpp>
#include <shardplan/checkpoint/hf_keys.hpp>
#include <shardplan/checkpoint/hf_source.hpp>
#include <shardplan/checkpoint/hf_target.hpp>
#include <shardplan/checkpoint/json_reader.hpp>
#include <shardplan/checkpoint/key_map.hpp>
#include <shardplan/checkpoint/mapped_file.hpp>
#include <shardplan/checkpoint/name_index.hpp>
#include <shardplan/checkpoint/nemo_archive.hpp>
#include <shardplan/checkpoint/nxdt_folder.hpp>
#include <shardplan/checkpoint/nxdt_source.hpp>
#include <shardplan/checkpoint/nxdt_target.hpp>
#include <shardplan/checkpoint/output_file.hpp>
#include <shardplan/checkpoint/pickle.hpp>
#include <shardplan/checkpoint/pickle_globals.hpp>
#include <shardplan/checkpoint/pickle_writer.hpp>
#include <shardplan/checkpoint/rank_files.hpp>
#include <shardplan/checkpoint/rank_layout.hpp>
#include <shardplan/checkpoint/refusal.hpp>
#include <shardplan/checkpoint/safetensors.hpp>
#include <shardplan/checkpoint/safetensors_type.hpp>
#include <shardplan/checkpoint/safetensors_writer.hpp>
#include <shardplan/checkpoint/shard_index.hpp>
#include <shardplan/checkpoint/source.hpp>
#include <shardplan/checkpoint/stored_tensor.hpp>
#include <shardplan/checkpoint/tar.hpp>
#include <shardplan/checkpoint/target.hpp>
#include <shardplan/checkpoint/torch_file.hpp>
#include <shardplan/checkpoint/torch_layout.hpp>
#include <shardplan/checkpoint/torch_legacy.hpp>
#include <shardplan/checkpoint/torch_writer.hpp>
#include <shardplan/checkpoint/value.hpp>
#include <shardplan/checkpoint/weight_folder.hpp>
#include <shardplan/checkpoint/zip.hpp>

/// Checkpoints: containers read without trusting them, folders as data over the layouts of a plan, and one engine between
/// any two. Needs zlib and libdeflate.
///
/// | headers                                       | give                                                           |
/// |-----------------------------------------------|----------------------------------------------------------------|
/// | mapped_file, stored_tensor, element           | files as memory, tensors where they lie in them                |
/// | torch_file, zip, pickle, value, torch_legacy  | `read_torch`: what torch.save wrote, nothing of it run         |
/// | torch_writer, torch_layout, pickle_writer     | files that torch.load opens, written in any order              |
/// | safetensors, safetensors_writer, shard_index  | one file or many with their index                              |
/// | tar, gzip, nemo_archive                       | `.nemo` archives, read in place                                |
/// | rank_files, nxdt_folder, rank_layout          | the rank files of NxD and NxDT, plain and tensor by tensor     |
/// | key_map, hf_keys                              | how the tensors of Hugging Face make up those of NxDT          |
/// | source, hf_source, nxdt_source                | where the elements of a model are                              |
/// | target, hf_target, nxdt_target                | where they shall be                                            |
/// | convert, assemble, commit, compare            | the engine: planned from headers, committed whole or not at all |
///
/// Weights only: optimizer state is not converted yet.
namespace shardplan::checkpoint {}
