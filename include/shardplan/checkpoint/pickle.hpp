#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include <shardplan/checkpoint/detail/pickle_machine.hpp>
#include <shardplan/checkpoint/pickle_globals.hpp>
#include <shardplan/checkpoint/value.hpp>

/// Pickles, read without running anything (checkpoint sheet, 9): the instructions that PyTorch writes, a closed list of
/// names, and plain values out of them.
namespace shardplan::checkpoint {

struct ReadPickle {
  Value value;
  std::size_t size = 0;  ///< bytes up to and including STOP
};

/// Reads the pickle that the bytes begin with. They stand at `offset` of the file `path`, for messages.
///
/// storages   called once for each storage key: gives the `bytes` of it, or throws
/// Errors     SP-CHECKPOINT-004 an instruction or name that is not on the lists, or that does not find what it needs; a
///            value that contains itself or is nested deeper than 1000 levels; texts that are no UTF-8
///            SP-CHECKPOINT-005 a tensor with a size, stride or offset that cannot be, or that reaches out of its
///            storage; a storage that two tensors see as different types
inline ReadPickle read_pickle(std::string_view bytes, std::string_view path, std::size_t offset,
                              const PickleAllows& allows, const PickleStorages& storages) {
  detail::PickleMachine machine(bytes, path, offset, allows, storages);
  const detail::Handle root = machine.run();
  return {detail::PickleTree(machine.nodes())(root), machine.position()};
}

/// The same for a part of a file that holds no tensors.
inline ReadPickle read_pickle(const FilePart& part, const PickleAllows& allows = {}) {
  const std::string& path = part.file.path();
  return read_pickle(part.text(), path, part.offset, allows, [&](const PickledStorage& storage) -> Storage {
    fail("SP-CHECKPOINT-004", concat('\'', path, "': storage ", storage.key, " of a pickle that stands alone"), {},
         {"path"});
  });
}

}  // namespace shardplan::checkpoint
