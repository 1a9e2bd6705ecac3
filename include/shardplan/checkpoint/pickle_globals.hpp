#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include <shardplan/checkpoint/detail/little.hpp>
#include <shardplan/checkpoint/element.hpp>
#include <shardplan/core/types.hpp>

/// The closed list of names that a pickle may use (checkpoint sheet, 9.3). Nothing on it is ever run: a name stands for
/// what this library makes of its arguments.
namespace shardplan::checkpoint {

/// What a reader asks for beyond tensors and plain values.
struct PickleAllows {
  /// Objects that are kept as they are, never made: argparse.Namespace, pathlib, datetime, omegaconf, and whatever
  /// Megatron, NeMo and the Neuron libraries put into their checkpoints.
  bool objects = false;
  /// The classes of a distributed checkpoint's `.metadata` (sheet section 12), as objects.
  bool distributed = false;
  /// Most elements that a tensor may show of a storage that holds fewer (strides of 0).
  Index expanded_elements = Index{1} << 28;
};

/// What a name of the list stands for.
struct PickleGlobal {
  enum class Is : std::uint8_t {
    ordered_dict,
    typed_storage,  ///< of `element`
    untyped_storage,
    dtype,  ///< `element`
    size,
    device,
    rebuild_tensor,
    rebuild_untyped_tensor,
    rebuild_parameter,
    rebuild_parameter_with_state,
    rebuild_from_type,
    tensor_type,
    encode,
    bytes,
    bytearray,
    set,
    reference,
    attribute,     ///< getattr, of `enumeration` alone
    enumeration,   ///< an object whose attributes may be named
    object,        ///< kept, never made
    object_class,  ///< kept, and nothing but a class
  };
  Is is;
  Element element{};
};

namespace detail {

struct NamedGlobal {
  std::string_view module, name;
  PickleGlobal::Is is;
};

inline constexpr NamedGlobal plain_globals[] = {
    {"collections", "OrderedDict", PickleGlobal::Is::ordered_dict},
    {"torch", "Size", PickleGlobal::Is::size},
    {"torch", "device", PickleGlobal::Is::device},
    {"torch", "Tensor", PickleGlobal::Is::tensor_type},
    {"torch.nn.parameter", "Parameter", PickleGlobal::Is::tensor_type},
    {"torch", "UntypedStorage", PickleGlobal::Is::untyped_storage},
    {"torch.storage", "UntypedStorage", PickleGlobal::Is::untyped_storage},
    {"torch._utils", "_rebuild_tensor_v2", PickleGlobal::Is::rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v3", PickleGlobal::Is::rebuild_untyped_tensor},
    {"torch._utils", "_rebuild_parameter", PickleGlobal::Is::rebuild_parameter},
    {"torch._utils", "_rebuild_parameter_with_state", PickleGlobal::Is::rebuild_parameter_with_state},
    {"torch._tensor", "_rebuild_from_type_v2", PickleGlobal::Is::rebuild_from_type},
    {"_codecs", "encode", PickleGlobal::Is::encode},
    {"__builtin__", "bytes", PickleGlobal::Is::bytes},  // how protocol 2 writes b''
    {"__builtin__", "bytearray", PickleGlobal::Is::bytearray},
    {"builtins", "bytearray", PickleGlobal::Is::bytearray},
    {"__builtin__", "set", PickleGlobal::Is::set},
    {"builtins", "set", PickleGlobal::Is::set},
    {"torch_xla.utils.serialization", "TensorReference", PickleGlobal::Is::reference},
    {"nemo.collections.nlp.parts.serialization", "TensorReference", PickleGlobal::Is::reference},
    {"neuronx_distributed.trainer.checkpoint", "_InternalTensorReference", PickleGlobal::Is::reference},
};

inline constexpr std::string_view distributed_metadata = "torch.distributed.checkpoint.metadata";
inline constexpr std::string_view sharded_metadata = "torch.distributed._shard.sharded_tensor.metadata";

inline constexpr NamedGlobal distributed_globals[] = {
    {distributed_metadata, "Metadata", PickleGlobal::Is::object},
    {distributed_metadata, "TensorStorageMetadata", PickleGlobal::Is::object},
    {distributed_metadata, "BytesStorageMetadata", PickleGlobal::Is::object},
    {distributed_metadata, "ChunkStorageMetadata", PickleGlobal::Is::object},
    {distributed_metadata, "TensorProperties", PickleGlobal::Is::object},
    {distributed_metadata, "MetadataIndex", PickleGlobal::Is::object},
    {distributed_metadata, "StorageMeta", PickleGlobal::Is::object},
    {distributed_metadata, "_MEM_FORMAT_ENCODING", PickleGlobal::Is::enumeration},
    {sharded_metadata, "TensorProperties", PickleGlobal::Is::object},
    {sharded_metadata, "MEM_FORMAT_ENCODING", PickleGlobal::Is::enumeration},
    {"torch.distributed.checkpoint.filesystem", "_StorageInfo", PickleGlobal::Is::object},
    {"torch.serialization", "_get_layout", PickleGlobal::Is::object},
    {"builtins", "getattr", PickleGlobal::Is::attribute},
    {"__builtin__", "getattr", PickleGlobal::Is::attribute},
};

/// A path of names, as Python has them.
constexpr bool is_dotted(std::string_view text) {
  bool start = true;
  for (const char letter : text) {
    const bool head = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || letter == '_';
    if (start ? !head : !head && letter != '.' && (letter < '0' || letter > '9')) return false;
    start = letter == '.';
  }
  return !start;
}

/// Whether objects of that class are kept where objects are allowed.
inline std::optional<PickleGlobal::Is> kept_object(std::string_view module, std::string_view name) {
  constexpr std::string_view packages[] = {"omegaconf", "megatron", "nemo", "neuronx_distributed",
                                           "neuronx_distributed_training"};
  constexpr std::string_view classes[] = {"dict", "list", "tuple", "str", "int", "float", "bool"};
  if (module.size() + name.size() > 256 || !is_dotted(module) || !is_dotted(name) || name.find('.') != name.npos)
    return std::nullopt;
  const std::string_view package = module.substr(0, module.find('.'));
  const auto among = [](const auto& list, std::string_view one) {
    return std::find(std::begin(list), std::end(list), one) != std::end(list);
  };
  // omegaconf notes the types of its values.
  if ((module == "builtins" || module == "__builtin__") && among(classes, name)) return PickleGlobal::Is::object_class;
  if (module == "typing" && name == "Any") return PickleGlobal::Is::object_class;
  const bool kept = (module == "argparse" && name == "Namespace") ||
                    (module == "collections" && name == "defaultdict") ||
                    (module == "pathlib" && name.ends_with("Path")) || module == "datetime" || among(packages, package);
  return kept ? std::optional(PickleGlobal::Is::object) : std::nullopt;
}

}  // namespace detail

/// What a pickle's name stands for; nullopt where it is not on the list.
inline std::optional<PickleGlobal> pickle_global(std::string_view module, std::string_view name,
                                                 const PickleAllows& allows) {
  using Is = PickleGlobal::Is;
  const auto named = [&](const auto& list) -> std::optional<PickleGlobal> {
    for (const detail::NamedGlobal& one : list)
      if (one.module == module && one.name == name) return PickleGlobal{one.is};
    return std::nullopt;
  };
  if (module == "torch") {
    if (const auto element = element_named(&ElementInfo::storage, name))
      return PickleGlobal{Is::typed_storage, *element};
    if (const auto element = element_named(&ElementInfo::torch, name)) return PickleGlobal{Is::dtype, *element};
  }
  if (const auto found = named(detail::plain_globals)) return found;
  if (allows.distributed) {
    if (const auto found = named(detail::distributed_globals)) return found;
    if (module == "pathlib" && detail::kept_object(module, name)) return PickleGlobal{Is::object};
  }
  if (allows.objects)
    if (const auto kept = detail::kept_object(module, name)) return PickleGlobal{*kept};
  return std::nullopt;
}

}  // namespace shardplan::checkpoint
