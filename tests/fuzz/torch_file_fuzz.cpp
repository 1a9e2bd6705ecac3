#include <shardplan/checkpoint/torch_file.hpp>
#include <shardplan/checkpoint/torch_layout.hpp>

#include <sys/mman.h>
#include <unistd.h>

// Bytes are opened as a torch file, as a bare pickle, and as the pickle and one storage of a well-formed file, so that
// the checks behind the archive's are reached. All that is read is walked, shown, copied and laid out again; the rest
// is refused with a diagnostic of the room.
namespace {

using namespace shardplan;
using namespace shardplan::checkpoint;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// The bytes as a file that nobody else sees.
MappedFile file_of(std::string_view bytes) {
  static const int descriptor = memfd_create("fuzz", 0);
  static const std::string path = concat("/proc/self/fd/", descriptor);
  require(ftruncate(descriptor, 0) == 0);
  require(write(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return MappedFile(path);
}

void use(const Value& value) {
  std::size_t tensors = 0;
  for_each_tensor(value, [&](const std::string&, const std::shared_ptr<const Tensor>& tensor) {
    const StoredTensor& stored = tensor->stored;
    if (++tensors > 64 || stored.byte_size() > 1 << 16) return;
    std::vector<std::byte> out(stored.byte_size());
    copy_box(stored, Shape(stored.shape.size(), 0), stored.shape, out);
    if (stored.contiguous()) require(std::equal(out.begin(), out.end(), stored.data().begin(), stored.data().end()));
  });
  require(!concat(value).empty());
  // What could be read can be laid out, and its pickle is read as the same.
  const TorchLayout layout(value);
  require(layout.file_size() > 0);
}

template <class Read>
void attempt(Read&& read) {
  try {
    use(read());
  } catch (const Error& error) {
    const std::string_view id = error.diagnostics()[0].id;
    require(id.starts_with("SP-CHECKPOINT-00") && id != "SP-CHECKPOINT-001");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const PickleAllows all{.objects = true, .distributed = true};
  const FilePart part(file_of(bytes));
  attempt([&] { return read_torch(part).value; });
  attempt([&] { return read_torch(part, {.allows = all, .verify = false, .lenient = true}).value; });
  attempt([&] { return read_pickle(part, all).value; });
  const auto memory = std::make_shared<const std::vector<std::byte>>(4096);
  attempt([&] {
    return read_pickle(bytes, "fuzz", 0, all,
                       [&](const PickledStorage& asked) {
                         if (asked.bytes > 4096)
                           fail("SP-CHECKPOINT-005", concat("storage ", asked.key, " has 4096 bytes"));
                         return Storage{{}, memory, size % 2 == 1};
                       })
        .value;
  });
  return 0;
}
