#pragma once
#include <string>
#include <string_view>

#include <shardplan/mesh/notations/megatron.hpp>
#include <shardplan/mesh/notations/nxd.hpp>
#include <shardplan/mesh/notations/row_major.hpp>
#include <shardplan/mesh/notations/torus.hpp>

/// Rank orders of all systems as text, in and out of one type (rank-orders sheet, section 15).
namespace shardplan {

/// How one system writes an order and the sizes of its axes.
///
/// Post, for every view that can be printed: same_order(view, parse(print(view))) finds nothing. Axes of size 1 may
/// get lost.
struct OrderNotation {
  std::string_view name;     ///< for the command line
  std::string_view system;   ///< whose it is
  std::string_view order;    ///< what the system takes where nobody says, fastest axis first; empty: no such thing
  std::string_view example;  ///< a text that can be parsed
  View (*read)(const OrderNotation&, std::string_view);
  std::string (*write)(const OrderNotation&, const View&);

  /// The view that a text means. Errors SP-MESH-014 and those of the system's own types.
  View parse(std::string_view text) const { return read(*this, text); }
  /// The text of a view. Errors SP-MESH-014 (SP-LAYOUT-012 in the layout room) an order that the notation cannot say.
  std::string print(const View& view) const { return write(*this, view); }
};

namespace detail {

constexpr auto read_order_string = [](const OrderNotation& n, std::string_view text) {
  return parse_order_string(n.system, n.order, text);
};
constexpr auto write_fixed_order = [](const OrderNotation& n, const View& view) {
  return print_fixed_order(n.system, n.order, view);
};

}  // namespace detail

/// The notations of this room; layout/notation.hpp adds those of tensors' layouts. The last rows are systems whose
/// order is fixed: their text is a list of sizes.
inline constexpr OrderNotation mesh_notations[] = {
    {"megatron", "Megatron-Core", "tp-cp-ep-dp-pp", "tp-cp-dp-pp tp=8,cp=2,dp=2,pp=4",
     [](const OrderNotation&, std::string_view text) { return mcore::parse_order(text).grid.view(); },
     [](const OrderNotation&, const View& view) { return mcore::print_order(view); }},
    {"nxd", "neuronx-distributed", "tp-cp-dp-pp", "tp=32,pp=2 world=256 hardware=trn2 lnc=2",
     [](const OrderNotation&, std::string_view text) { return parse_nxd_mesh(text).view(); },
     [](const OrderNotation&, const View& view) { return print_nxd_mesh(view); }},
    {"deepspeed", "DeepSpeed ProcessTopology", "tp-dp-pp", "pipe=4,data=2,model=8",
     [](const OrderNotation&, std::string_view text) { return detail::parse_deepspeed(text); },
     [](const OrderNotation&, const View& view) { return detail::print_deepspeed(view); }},
    {"devicemesh", "PyTorch DeviceMesh", "", "init_device_mesh('cuda', (4, 2, 8), mesh_dim_names=('pp', 'dp', 'tp'))",
     [](const OrderNotation&, std::string_view text) { return detail::parse_device_mesh(text); },
     [](const OrderNotation&, const View& view) { return detail::print_device_mesh(view); }},
    {"hyper", "Megatron-Core HyperCommGrid", "", "tp-ep-dp_shard-pp tp=8,ep=2,pp=4 world=128",
     detail::read_order_string,
     [](const OrderNotation& n, const View& view) { return detail::print_hyper(n.system, view); }},
    {"jax-torus", "JAX create_device_mesh", "", "torus=4x4x4 data=4,model=16",
     [](const OrderNotation&, std::string_view text) { return parse_torus(text); },
     [](const OrderNotation&, const View& view) { return print_torus(view); }},
    {"torchtitan", "torchtitan", "tp-cp-dp_shard-dp_replicate-pp", "tp=8,pp=2 world=64", detail::read_order_string,
     detail::write_fixed_order},
    {"torchtitan-moe", "torchtitan experts", "ep-efsdp-dp_replicate-pp", "ep=8,pp=2 world=64",
     detail::read_order_string, detail::write_fixed_order},
    {"accelerate", "Hugging Face accelerate", "tp-sp-cp-dp_shard-dp_replicate", "tp=8,dp_replicate=2 world=64",
     detail::read_order_string, detail::write_fixed_order},
    {"nanotron", "nanotron", "tp-cp-dp-pp-ep", "tp=8,pp=2 world=64", detail::read_order_string,
     detail::write_fixed_order},
    {"colossalai", "ColossalAI, dp outside", "sp-tp-pp-dp", "tp=8,pp=2 world=64", detail::read_order_string,
     detail::write_fixed_order},
    {"colossalai-dp-in", "ColossalAI, dp inside", "sp-tp-dp-pp", "tp=8,pp=2 world=64", detail::read_order_string,
     detail::write_fixed_order},
    {"tensorrt-llm", "TensorRT-LLM", "tp-pp", "tp=8,pp=2", detail::read_order_string, detail::write_fixed_order},
    {"maxtext", "MaxText, devices as numbered", "autoregressive-expert-tensor-sequence-fsdp_transpose-fsdp-stage-data",
     "tensor=8,fsdp=4 world=64", detail::read_order_string, detail::write_fixed_order},
};

}  // namespace shardplan
