#pragma once
#include <shardplan/report/rule_pages/page.hpp>

/// Pages of the rules of checkpoint files and of migration.
namespace shardplan {

inline constexpr RulePage rule_pages_of_checkpoint[] = {
    // clang-format off
    {"SP-CHECKPOINT-001", "checkpoint sheet, 1.7",
     "no such file, a folder in its place, or no right to read it",
     "a checkpoint 'gone.pt' that does not exist",
     "'gone.pt' cannot be read: No such file or directory",
     "the path of a file; for a folder of rank files its name and tag"},
    {"SP-CHECKPOINT-002", "checkpoint sheet, 8 and 15",
     "a save was interrupted or a download cut off; torch reads on past trailing bytes and duplicates",
     "a .pt file without its last 100 bytes",
     "'model.pt' at byte ...: no zip archive: it does not end in an end record without a comment",
     "save or copy the file again; compare its size and checksum with the original's"},
    {"SP-CHECKPOINT-003", "checkpoint sheet, 8.2 and 15",
     "bytes changed on disk or on the way; torch does not look at checksums and loads wrong weights",
     "one flipped bit in a storage of a .pt file",
     "'model.pt' at byte ... are not those that its checksum was taken of",
     "copy the file again from where it is whole"},
    {"SP-CHECKPOINT-004", "checkpoint sheet, 9 and 15",
     "a pickle may call any function of Python while it loads; only what builds tensors is known here",
     "a .pt file that calls os.system",
     "'model.pt', pickle at byte ..., opcode at ...",
     "distrust the file; one of your own classes: save a state_dict of tensors and numbers"},
    {"SP-CHECKPOINT-005", "checkpoint sheet, 9.1 and 15",
     "offset, shape and strides reach beyond the bytes stored, or their product past 64 bits",
     "16 elements of float32 on a storage record of 40 bytes",
     "'model.pt': storage 0 has 40 bytes, and its 16 elements are 64",
     "save the tensor again; views are saved whole after clone()"},
    {"SP-CHECKPOINT-006", "checkpoint sheet, 11",
     "header and data do not belong together: a file that is cut off, or a writer that leaves holes",
     "tensors a and b with data_offsets [0, 8] and [4, 12]",
     "'model.safetensors' at byte ...: tensor 'b' begins at 4 of the data, where 8 is next: they overlap",
     "write the file again with a current safetensors"},
    {"SP-CHECKPOINT-007", "checkpoint sheet, 11",
     "a file of a sharded model is missing, renamed, or from another model",
     "weight_map with model-00002-of-00002.safetensors, which is not there",
     "... names 'model-00002-of-00002.safetensors', which is not beside it",
     "all files of the index beside it, under their plain names"},
    {"SP-CHECKPOINT-008", "checkpoint sheet, 1.3",
     "no folder, no right to write, or a full disk; the original would leave half a file under its name",
     "an output gone/model.pt, and no folder of that name",
     "'gone/model.pt' cannot be written: No such file or directory",
     "make the folder, free some space; an earlier file of that name is still whole"},
    // clang-format on
};

inline constexpr RulePage rule_pages_of_migrate[] = {
    // clang-format off
    {"SP-MIGRATE-001", "configuration sheet, 6.1",
     "the file is no mapping, or one of another system than --from says",
     "--from nxdt with a file of NeMo, nemo.yaml",
     "'nemo.yaml' is no configuration of NxDT",
     "the file with the sections trainer and model; --from nemo, nnm or nxdt as it is"},
    {"SP-MIGRATE-002", "configuration sheet, 6.1",
     "both guides lead to NxDT; back there is a way to NeMo, and nobody goes to NNM",
     "--from nxdt --to nnm",
     "no way leads from nxdt to nnm",
     "nemo to nxdt, nnm to nxdt, or nxdt to nemo"},
    {"SP-MIGRATE-003", "configuration sheet, 6",
     "the result would be written over a file that somebody may still need",
     "-o job.yaml, which exists already",
     "'job.yaml' exists",
     "another name for the result, or --force to replace a result of before; never the source"},
    // clang-format on
};

}  // namespace shardplan
