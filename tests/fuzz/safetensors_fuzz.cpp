#include <shardplan/checkpoint/safetensors.hpp>
#include <shardplan/checkpoint/safetensors_writer.hpp>
#include <shardplan/checkpoint/shard_index.hpp>

// Bytes become a safetensors file, as they are and as the header of a file that fits it; and an index. Refused with a
// diagnostic of the checkpoint room, or read: then tensors tile the data, are found by name, and what the writer makes
// of them is the same again.
namespace {

using namespace shardplan;
using namespace shardplan::checkpoint;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

FilePart file_of(std::string_view text) {
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return FilePart(MappedFile::of_memory("input", {begin, begin + text.size()}));
}

template <class Run>
void run_or_refuse(std::string_view id, Run&& run) {
  try {
    run();
  } catch (const Error& error) {
    require(error.diagnostics().size() == 1 && error.diagnostics()[0].id == id);
  }
}

void check_writer(const Safetensors& file) {
  std::vector<TensorHeader> tensors;
  for (const Safetensors::Entry& entry : file.entries()) {
    const auto element = safetensors_types[entry.type].element();
    if (!element) return;
    tensors.push_back({entry.name, *element, entry.shape});
  }
  const SafetensorsLayout layout = safetensors_layout(tensors, file.metadata());
  require(layout.header.size() % 8 == 0);
  if (layout.file_size > 1 << 16) return;
  std::string text = layout.header;
  text.resize(layout.file_size);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto data = file.tensor(file.entries()[i]).data();
    text.replace(layout.offsets[i], data.size(), reinterpret_cast<const char*>(data.data()), data.size());
  }
  const Safetensors again(file_of(text));
  require(again.metadata() == file.metadata() && again.entries().size() == file.entries().size());
  for (const Safetensors::Entry& entry : file.entries()) {
    const Safetensors::Entry* const same = again.find(entry.name);
    require(same != nullptr && same->type == entry.type && same->shape == entry.shape && same->size == entry.size);
    require(again.file().part(same->offset, same->size).text() == file.file().part(entry.offset, entry.size).text());
  }
}

void check_file(std::string_view text) {
  run_or_refuse("SP-CHECKPOINT-006", [&] {
    const Safetensors file(file_of(text));
    std::size_t bytes = 0;
    for (const Safetensors::Entry& entry : file.entries()) {
      require(file.find(entry.name) == &entry);
      bytes += entry.size;
      require(entry.offset + entry.size <= text.size());
      if (!safetensors_types[entry.type].element()) continue;
      const StoredTensor tensor = file.tensor(entry);
      require(tensor.contiguous() && tensor.data().size() == entry.size);
    }
    require(bytes <= text.size() - 8);
    check_writer(file);
  });
}

void check_index(std::string_view text) {
  run_or_refuse("SP-CHECKPOINT-007", [&] {
    const ShardIndex index = read_shard_index(file_of(text));
    for (const std::string& file : index.files) require(plain_file_name(file));
    const ShardIndex again = read_shard_index(file_of(index_text(index)));
    require(again.weights.size() == index.weights.size() && again.total_size == index.total_size);
    require(again.files.size() == index.files.size());
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_file(text);
  // A header alone, so that its length need not be guessed: the data are as many bytes as the first byte says.
  if (size > 0) {
    std::string whole(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) whole[i] = static_cast<char>((size - 1) >> (8 * i) & 0xFF);
    whole += text.substr(1);
    whole.append(data[0], 'x');
    check_file(whole);
  }
  check_index(text);
  return 0;
}
