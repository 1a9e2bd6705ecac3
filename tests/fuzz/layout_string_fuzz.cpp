#include <shardplan/pipeline/layout_string.hpp>

// Any bytes are read as a layout or refused with a diagnostic; what is read stands in bounded memory and can be asked
// everything.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace shardplan;
  const auto require = [](bool holds) {
    if (!holds) __builtin_trap();
  };
  try {
    // The first byte chooses how many pipeline ranks there are.
    const Index ranks = size > 0 ? data[0] % 5 : 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + (size > 0), size > 0 ? size - 1 : 0);
    const pipeline::StageLayout layout = pipeline::parse_layout(text, ranks);
    require(layout.stages.layers() == static_cast<Index>(layout.items.size()));
    require(layout.stages.layers() <= pipeline::layout_limit);
    require(layout.stages.stages() % ranks == 0);
    require(pipeline::decoders(layout).layers() == layout.count(pipeline::LayoutItem::decoder));
    pipeline::diagnose(layout, 4, 1);
    pipeline::mtp_standalone(layout);
  } catch (const Error& error) {
    require(!error.diagnostics().empty());
  }
  return 0;
}
