#pragma once
#include <cstdint>
#include <string_view>

/// The one table of every rule a diagnostic can name. Ids are never reused.
/// `R…` are the rules of an NxDT configuration; `SP-<ROOM>-nnn` are the library's own.
namespace shardplan {

enum class Severity : std::uint8_t { note, warning, error };

constexpr std::string_view name(Severity severity) {
  constexpr const char* names[] = {"note", "warning", "error"};
  return names[static_cast<int>(severity)];
}

struct Rule {
  const char* id;
  Severity severity;    ///< what planning gives it: `error` stops a plan
  const char* summary;  ///< the rule in one line
};

inline constexpr Rule rule_table[] = {
    // clang-format off
    // configuration (config-and-migration sheet, section 4)
    {"R1",  Severity::warning, "trainer.devices is one of 1, 2, 8, 32, 64, 128"},
    {"R2",  Severity::error,   "the world is a multiple of tensor x pipeline x context"},
    {"R3",  Severity::error,   "the world is a multiple of tensor x pipeline x expert"},
    {"R4",  Severity::warning, "the global batch is a multiple of micro batch x data-parallel size"},
    {"R5",  Severity::error,   "attention heads divide over the tensor ranks"},
    {"R6",  Severity::error,   "the hidden size is a multiple of the attention heads"},
    {"R7",  Severity::error,   "KV heads x kv_replicator divide over the tensor ranks, kv_replicator divides them"},
    {"R8",  Severity::error,   "one kv_replicator for all layers"},
    {"R9",  Severity::error,   "megatron: KV heads divide over the tensor ranks, heads are a multiple of KV heads"},
    {"R10", Severity::error,   "the MLP width divides over the tensor ranks"},
    {"R11", Severity::error,   "hf: the vocabulary divides over the tensor ranks"},
    {"R12", Severity::error,   "megatron: layers are a multiple of the pipeline size"},
    {"R13", Severity::error,   "megatron: layers per pipeline rank are a multiple of the virtual pipeline size"},
    {"R14", Severity::error,   "at least one layer for every pipeline stage"},
    {"R15", Severity::error,   "virtual pipeline: micro-batches are a multiple of the pipeline size"},
    {"R16", Severity::error,   "pipeline_cuts: exactly one distinct existing layer name between two stages"},
    {"R17", Severity::warning, "context parallelism needs fusions.ring_attention"},
    {"R18", Severity::warning, "ring attention and flash attention exclude each other"},
    {"R19", Severity::warning, "the sequence is a multiple of the context-parallel size"},
    {"R20", Severity::warning, "sequence parallel: the sequence of a context rank divides over the tensor ranks"},
    {"R21", Severity::warning, "recomputation is selective or full, and selective names at least one known module"},
    {"R22", Severity::warning, "megatron models need zero1"},
    {"R23", Severity::warning, "megatron: keys that NxDT forbids"},
    {"R24", Severity::warning, "megatron: activations_checkpoint_num_layers is not null"},
    {"R25", Severity::warning, "precision.type is a known name"},
    {"R26", Severity::warning, "manual precision gives its three switches as strings"},
    {"R27", Severity::warning, "dropless experts need a gated SiLU"},
    {"R28", Severity::warning, "experts that drop tokens need capacity_factor > 0"},
    {"R29", Severity::error,   "token_shuffle_group_size divides the data-parallel size"},
    {"R30", Severity::error,   "tied embeddings only without pipeline parallelism"},
    {"R31", Severity::warning, "encoder_seq_length is the length of the batch"},
    {"R32", Severity::warning, "optimizer and schedule arguments are known to them"},
    {"R33", Severity::warning, "the seed is positive"},
    {"R34", Severity::warning, "the learning-rate schedule fits into max_steps"},
    {"R35", Severity::warning, "experts are not cut over ranks on trn2, nor with tensor size 4 on trn1"},
    {"R36", Severity::warning, "DPO runs without pipeline parallelism"},
    {"R37", Severity::warning, "LoRA runs without zero1"},
    // core
    {"SP-CORE-001", Severity::error, "a size does not fit 64 bits"},
    // mesh
    {"SP-MESH-001", Severity::error, "degrees and sizes are positive"},
    {"SP-MESH-003", Severity::error, "the hardware is one of trn1, trn1n, inf2, trn2, trn3"},
    {"SP-MESH-004", Severity::error, "a view's axes are distinct, its digits build up every axis, its wire is a permutation"},
    {"SP-MESH-005", Severity::error, "tensor size 4 on trn1 needs whole nodes of data-parallel ranks, no context or expert axis"},
    {"SP-MESH-006", Severity::error, "the trn2 ring needs whole nodes of one or two tensor groups"},
    {"SP-MESH-007", Severity::error, "an axis or group kind exists in the mesh"},
    {"SP-MESH-008", Severity::error, "a side group's size divides the degree it cuts"},
    {"SP-MESH-009", Severity::error, "a rank or coordinate lies inside the mesh"},
    {"SP-MESH-010", Severity::error, "NxD cannot set up this group"},
    {"SP-MESH-011", Severity::warning, "NxD reduces a degree to the world size without a word"},
    {"SP-MESH-012", Severity::warning, "NxD builds this group differently"},
    {"SP-MESH-013", Severity::error, "a placement of experts has a row for every expert rank and places every expert"},
    {"SP-MESH-014", Severity::error, "a rank order of another system is well formed and fits the world"},
    {"SP-MESH-015", Severity::error, "two rank orders that are compared have the same ranks and axes"},
    // layout
    {"SP-LAYOUT-001", Severity::error, "an exact cut divides its dimension"},
    {"SP-LAYOUT-002", Severity::error, "the parts of a cut cover its dimension"},
    {"SP-LAYOUT-003", Severity::error, "a slice lies inside its dimension"},
    {"SP-LAYOUT-004", Severity::error, "a reorder table names existing blocks"},
    {"SP-LAYOUT-005", Severity::error, "named blocks fill their dimension"},
    {"SP-LAYOUT-006", Severity::error, "the digits of an axis form a chain of divisors and lie inside it"},
    {"SP-LAYOUT-007", Severity::error, "a digit is used once on every path through the cuts"},
    {"SP-LAYOUT-008", Severity::error, "cuts name axes of the view and dimensions of the tensor"},
    {"SP-LAYOUT-009", Severity::error, "extents are not negative"},
    {"SP-LAYOUT-010", Severity::error, "a host buffer has the size of the tensor or shard"},
    {"SP-LAYOUT-011", Severity::error, "entries of a flat buffer are in order and do not overlap"},
    {"SP-LAYOUT-012", Severity::error, "placements, partition specs, tile assignments and CuTe layouts are well formed"},
    {"SP-LAYOUT-013", Severity::error, "both layouts of a transfer are of one tensor, and the source holds all of it"},
    // model
    {"SP-MODEL-001", Severity::error, "the model is one of the hub"},
    {"SP-MODEL-002", Severity::error, "sizes of an architecture are positive"},
    {"SP-MODEL-003", Severity::error, "an architecture option has a known value"},
    {"SP-MODEL-004", Severity::error, "an architecture option does not combine with another"},
    {"SP-MODEL-005", Severity::error, "layers are at most 65,536, all other sizes of an architecture fit 32 bits"},
    {"SP-MODEL-006", Severity::error, "a size of a described model is an expression of known sizes, and a whole number"},
    {"SP-MODEL-007", Severity::error, "a described parameter has the dimension that its role cuts, and parts that fill it"},
    {"SP-MODEL-008", Severity::error, "heads of a described parameter agree with each other and with its extents"},
    {"SP-MODEL-009", Severity::error, "names of a described model are distinct, those of layers and no others have {layer}"},
    {"SP-MODEL-010", Severity::error, "a described parameter stands in existing layers, and every layer has one"},
    // tensor
    {"SP-TENSOR-001", Severity::error, "a weight divides over the tensor ranks"},
    {"SP-TENSOR-002", Severity::error, "experts divide over the expert ranks"},
    {"SP-TENSOR-003", Severity::error, "a layer option does not combine with another"},
    {"SP-TENSOR-004", Severity::error, "NxD has no rule for this hardware"},
    {"SP-TENSOR-005", Severity::error, "a permutation names every member once"},
    {"SP-TENSOR-006", Severity::warning, "NxD lays this weight out differently"},
    {"SP-TENSOR-007", Severity::error, "the operator divides the dimension it scatters"},
    {"SP-TENSOR-008", Severity::error, "every query head meets the KV head it reads"},
    {"SP-TENSOR-009", Severity::error, "NxD's checkpoint converter can lay out the heads"},
    {"SP-TENSOR-010", Severity::error, "a tensor has the shape that its layer expects"},
    {"SP-TENSOR-011", Severity::error, "sizes of a layer are positive"},
    {"SP-TENSOR-012", Severity::error, "the starts of documents begin at 0 and never decrease"},
    // pipeline
    {"SP-PIPELINE-001", Severity::error, "at least one layer for every stage"},
    {"SP-PIPELINE-002", Severity::error, "cuts name distinct existing modules, one between two stages"},
    {"SP-PIPELINE-003", Severity::error, "layers divide over the stages, and stages over the ranks"},
    {"SP-PIPELINE-004", Severity::error, "pipeline options that exclude each other"},
    {"SP-PIPELINE-005", Severity::error, "a layout string is well formed"},
    {"SP-PIPELINE-006", Severity::error, "a layout string holds every layer once and in order"},
    {"SP-PIPELINE-007", Severity::error, "some partition fits the memory cap"},
    {"SP-PIPELINE-008", Severity::error, "the number of stages or parts is positive, and at most 2^20"},
    {"SP-PIPELINE-009", Severity::error, "stage bounds start at 0 and never decrease"},
    {"SP-PIPELINE-010", Severity::error, "costs of a partition are not negative"},
    {"SP-PIPELINE-011", Severity::error, "a module reads what stands before it, names are distinct, ties name parameters"},
    {"SP-PIPELINE-012", Severity::error, "a schedule exists for these stages, chunks and microbatches"},
    {"SP-PIPELINE-013", Severity::error, "a schedule comes to its end: no ranks wait for one another in a circle"},
    {"SP-PIPELINE-014", Severity::error, "every send has its receive, on the rank that needs it"},
    {"SP-PIPELINE-015", Severity::error, "every microbatch passes every stage once forward and once backward"},
    {"SP-PIPELINE-016", Severity::error, "costs of a simulation are not negative, one for every stage or one for all"},
    {"SP-PIPELINE-017", Severity::error, "the schedule is one of the known ones"},
    // zero
    {"SP-ZERO-001", Severity::error, "ZeRO-1 cuts dimension 0, so a parameter has one"},
    {"SP-ZERO-002", Severity::error, "the sharding group has a positive size"},
    {"SP-ZERO-003", Severity::error, "NxD cannot shard experts and context ranks together"},
    {"SP-ZERO-004", Severity::error, "master weights and fp32 accumulation need ZeRO-1"},
    {"SP-ZERO-005", Severity::warning, "the ZeRO-1 optimizer of NxD clips at 1.0, whatever max_grad_norm says"},
    {"SP-ZERO-006", Severity::warning, "a bucket cap over 140 MB is marked in NxD as giving NaN"},
    // plan
    {"SP-PLAN-001", Severity::error, "what is asked of a plan is in it: a rank, a tensor, an element"},
    {"SP-PLAN-002", Severity::error, "a parameter registry is not empty and its layers are numbered from 0"},
    {"SP-PLAN-003", Severity::warning, "strict lays something out differently from NxDT"},
    {"SP-PLAN-004", Severity::warning, "the plan does not fit the device memory"},
    {"SP-PLAN-005", Severity::note,    "an assumption made for a value that no input gives, or an input that no plan takes up"},
    {"SP-PLAN-006", Severity::error, "degrees, batch and sequence fit 32 bits"},
    {"SP-PLAN-007", Severity::warning, "a gradient is the mean over the data of all ranks"},
    {"SP-PLAN-008", Severity::warning, "the gradient norm counts every parameter once"},
    {"SP-PLAN-009", Severity::warning, "copies of a parameter get equal gradients"},
    // data
    {"SP-DATA-001", Severity::error, "counts of samples and sizes of batches are positive, a data rank is one of its group"},
    {"SP-DATA-002", Severity::error, "the global batch is a multiple of micro batch x data ranks"},
    {"SP-DATA-003", Severity::error, "a sampler can begin after the consumed samples, and a step is one of its pass"},
    {"SP-DATA-004", Severity::error, "a sampler takes the option"},
    {"SP-DATA-005", Severity::error, "a shuffle has at most 2^32 items"},
    {"SP-DATA-006", Severity::error, "splits_string has three shares, one of them above 0"},
    {"SP-DATA-007", Severity::error, "a blend is pairs of a weight and a path, at most 254, one weight above 0"},
    {"SP-DATA-008", Severity::error, "a data file is what its name says, whole and consistent"},
    {"SP-DATA-009", Severity::error, "a sequence divides over the context ranks"},
    {"SP-DATA-010", Severity::error, "an index is made of existing documents with tokens"},
    // optim
    {"SP-OPTIM-001", Severity::error, "the schedule is one of the known ones"},
    {"SP-OPTIM-002", Severity::error, "a schedule gets the arguments that it needs, and only those that it takes"},
    {"SP-OPTIM-003", Severity::error, "a phase of a schedule is given once, in steps or as a share of max_steps, and is not negative"},
    {"SP-OPTIM-004", Severity::error, "a schedule with an end gets max_steps"},
    {"SP-OPTIM-005", Severity::error, "the lowest rate of a schedule is below the base rates"},
    {"SP-OPTIM-006", Severity::error, "a schedule has a rate at every step"},
    {"SP-OPTIM-007", Severity::error, "a rate is asked for a step from 0 on and an existing parameter group"},
    {"SP-OPTIM-008", Severity::error, "a schedule follows either the step or a metric"},
    {"SP-OPTIM-009", Severity::error, "the optimizer is one that runs on Neuron"},
    {"SP-OPTIM-010", Severity::error, "an optimizer gets arguments that it takes, within their bounds"},
    {"SP-OPTIM-011", Severity::error, "an update gets weights, gradients and state of one size, and a step from 1 on"},
    {"SP-OPTIM-012", Severity::error, "gradients are clipped at a positive norm of a positive order"},
    {"SP-OPTIM-013", Severity::warning, "NxDT decays and clips as the configuration says"},
    // checkpoint
    {"SP-CHECKPOINT-001", Severity::error, "a file can be read"},
    {"SP-CHECKPOINT-002", Severity::error, "an archive (zip, tar, gzip, old torch stream) is well formed and whole"},
    {"SP-CHECKPOINT-003", Severity::error, "the checksum of a record holds"},
    {"SP-CHECKPOINT-004", Severity::error, "a pickle builds tensors and plain values, and calls nothing else"},
    {"SP-CHECKPOINT-005", Severity::error, "a tensor lies inside its storage, and has a size that can be"},
    {"SP-CHECKPOINT-006", Severity::error, "a safetensors header names tensors that tile the file"},
    {"SP-CHECKPOINT-007", Severity::error, "an index names files beside it that hold what it says"},
    {"SP-CHECKPOINT-008", Severity::error, "a file can be written"},
    {"SP-CHECKPOINT-009", Severity::error, "a folder of rank files has the file of every rank"},
    {"SP-CHECKPOINT-010", Severity::error, "rank files are of the degrees of the plan they are read with"},
    {"SP-CHECKPOINT-011", Severity::error, "a file holds the tensors that are expected of it, and in their shapes"},
    {"SP-CHECKPOINT-012", Severity::error, "source and target of a conversion are the same model"},
    {"SP-CHECKPOINT-013", Severity::error, "copies of the same elements are equal on all ranks"},
    {"SP-CHECKPOINT-014", Severity::error, "a tag that is read is done"},
    {"SP-CHECKPOINT-015", Severity::error, "a conversion replaces nothing unasked, and never its source"},
    {"SP-CHECKPOINT-016", Severity::error, "only float elements are cast, and only when asked"},
    // migrate
    {"SP-MIGRATE-001", Severity::error, "a file to migrate is a configuration of the system that it comes from"},
    {"SP-MIGRATE-002", Severity::error, "a way leads from one system to the other"},
    {"SP-MIGRATE-003", Severity::error, "a result replaces neither its source nor, unasked, another file"},
    // config
    {"SP-CONFIG-001", Severity::error,   "the file can be read"},
    {"SP-CONFIG-002", Severity::error,   "the file is at most 16 MiB"},
    {"SP-CONFIG-003", Severity::error,   "the text is YAML in UTF-8"},
    {"SP-CONFIG-004", Severity::error,   "a key occurs once in a mapping"},
    {"SP-CONFIG-005", Severity::error,   "aliases expand to at most 10^6 nodes and never contain themselves"},
    {"SP-CONFIG-006", Severity::error,   "an interpolation is well formed"},
    {"SP-CONFIG-007", Severity::error,   "an interpolation names an existing key"},
    {"SP-CONFIG-008", Severity::error,   "interpolations do not go round in circles"},
    {"SP-CONFIG-009", Severity::error,   "a resolver is known and gets its arguments"},
    {"SP-CONFIG-010", Severity::error,   "a mandatory value is filled in"},
    {"SP-CONFIG-011", Severity::error,   "a value has the type of its key"},
    {"SP-CONFIG-012", Severity::error,   "a required key is present"},
    {"SP-CONFIG-013", Severity::warning, "a key is known"},
    {"SP-CONFIG-014", Severity::error,   "model_source is hf or megatron"},
    {"SP-CONFIG-015", Severity::error,   "an override is KEY.PATH=VALUE"},
    {"SP-CONFIG-016", Severity::error,   "the architecture file describes a known model"},
    {"SP-CONFIG-017", Severity::error,   "a number fits its type"},
    {"SP-CONFIG-018", Severity::warning, "optim.name is an optimizer that runs on Neuron"},
    {"SP-CONFIG-019", Severity::warning, "optim.sched.name is a known schedule"},
    {"SP-CONFIG-020", Severity::note,    "no variable of the environment wins over a key"},
    {"SP-CONFIG-021", Severity::note,    "a key has an effect"},
    {"SP-CONFIG-022", Severity::warning, "a value means what it seems to mean"},
    {"SP-CONFIG-023", Severity::warning, "NxDT can start with the value"},
    // clang-format on
};

/// The rule of that id. Asking for an id that is not in the table is a fault of the library:
/// a compile error in constant evaluation, an empty rule otherwise (a test walks all uses).
constexpr Rule rule(std::string_view id) {
  for (const Rule& one : rule_table)
    if (one.id == id) return one;
  return {"", Severity::error, ""};
}

}  // namespace shardplan
