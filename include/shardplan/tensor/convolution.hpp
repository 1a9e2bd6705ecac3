#pragma once
#include <array>
#include <vector>

#include <shardplan/tensor/linear.hpp>

/// Convolutions cut along their output or input channels (NxD mesh and tensor sheet, 2.3).
/// Members and defaults are those of NxD's constructors.
namespace shardplan::tensor {

/// What stands around an image. NxD knows zeros only; no choice changes a layout.
enum class PaddingMode : std::uint8_t { zeros, reflect, replicate, circular };

/// Sizes of a convolution over images [N, C, H, W]: a number for H and one for W.
struct Convolution {
  Index in_channels = 0;
  Index out_channels = 0;
  std::array<Index, 2> kernel_size{1, 1};
  std::array<Index, 2> stride{1, 1};
  std::array<Index, 2> padding{0, 0};
  std::array<Index, 2> dilation{1, 1};
  Index groups = 1;
  bool bias = true;
  PaddingMode padding_mode = PaddingMode::zeros;
  bool partition_pad = false;  ///< pad the cut channels at their end
};

struct OutputChannelParallelConv2d : Convolution {
  bool gather_output = true;  ///< every rank gets all channels; the bias is added before that, hence cut
};

struct InputChannelParallelConv2d : Convolution {
  bool input_is_parallel = false;  ///< the input is cut along its channels already
};

namespace detail {

constexpr Cutting cutting(const OutputChannelParallelConv2d& layer) {
  return {layer.out_channels, 1, layer.partition_pad ? Index{1} : Index{0}};
}
constexpr Cutting cutting(const InputChannelParallelConv2d& layer) {
  return {layer.in_channels, 1, layer.partition_pad ? Index{1} : Index{0}};
}

inline void check_convolution(Check& check, const Convolution& layer, const Dialect& dialect) {
  const auto positive = [&](std::string_view what, const std::array<Index, 2>& sizes) {
    for (const Index size : sizes) check.positive(what, size);
  };
  positive("kernel size", layer.kernel_size);
  positive("stride", layer.stride);
  positive("dilation", layer.dilation);
  check.positive("groups", layer.groups);
  const auto limit = [&](bool wrong, std::string_view message, std::string_view hint, Keys keys) {
    check.refuse_if(wrong && dialect.nxd_limits, "SP-TENSOR-003", message, concat(hint, ", or the strict dialect"),
                    keys);
  };
  limit(layer.dilation != std::array<Index, 2>{1, 1},
        concat("NxD does not dilate, not by ", layer.dilation[0], " x ", layer.dilation[1]), "dilation 1",
        {"dilation"});
  limit(layer.groups != 1, concat("NxD knows no groups, not ", layer.groups), "groups 1", {"groups"});
  limit(layer.padding_mode != PaddingMode::zeros, "NxD pads images with zeros only", "zeros", {"padding_mode"});
}

inline Layout kernel(const Convolution& layer, const View& view) {
  return Layout(view,
                {layer.out_channels, layer.in_channels / layer.groups, layer.kernel_size[0], layer.kernel_size[1]});
}

}  // namespace detail

/// Channels that padding adds.
constexpr Index pad_size(const OutputChannelParallelConv2d& layer, Index tensor) {
  return detail::cutting(layer).pad_size(tensor);
}
constexpr Index pad_size(const InputChannelParallelConv2d& layer, Index tensor) {
  return detail::cutting(layer).pad_size(tensor);
}

/// Everything wrong with a layer on `tensor` ranks. Ids SP-TENSOR-001, -003, -011.
inline Diagnostics diagnose(const OutputChannelParallelConv2d& layer, Index tensor, const Options& options = {},
                            Phase until = Phase::train) {
  detail::Check check("output-channel convolution");
  check.positive("input channels", layer.in_channels);
  detail::check_convolution(check, layer, options.dialect);
  detail::check_cutting(check, "output channels", detail::cutting(layer), tensor, until);
  if (layer.groups > 1) {
    check.multiple("SP-TENSOR-003", "the number of input channels", layer.in_channels, layer.groups, {"groups"});
    check.multiple("SP-TENSOR-003", "the number of output channels", layer.out_channels, layer.groups, {"groups"});
  }
  return check.take();
}
inline Diagnostics diagnose(const InputChannelParallelConv2d& layer, Index tensor, const Options& options = {},
                            Phase until = Phase::train) {
  detail::Check check("input-channel convolution");
  check.positive("output channels", layer.out_channels);
  detail::check_convolution(check, layer, options.dialect);
  detail::check_cutting(check, "input channels", detail::cutting(layer), tensor, until);
  // The kernel of a group sees its own input channels only: a contiguous cut of them is none of the kernel.
  check.refuse_if(layer.groups > 1 && !options.dialect.nxd_limits, "SP-TENSOR-003",
                  concat("input channels of ", layer.groups, " groups cannot be cut together"),
                  "groups 1, or the output channels", {"groups"});
  return check.take();
}

/// "weight" [out, in, h, w] and, if there is one, "bias" [out].
/// Errors: what diagnose() finds up to Phase::build, SP-LAYOUT-*.
inline std::vector<LayerTensor> tensors(const OutputChannelParallelConv2d& layer, const View& view,
                                        const Options& options = {}) {
  const Index tensor = view.extent(tp);
  detail::throw_errors(diagnose(layer, tensor, options, Phase::build));
  const Chain chain = detail::cutting(layer).chain(tensor);
  const ParallelAttributes marks = cut_marks(0, 1, tensor);
  std::vector<LayerTensor> out{{"weight", detail::kernel(layer, view).then(0, chain), marks}};
  if (layer.bias) out.push_back({"bias", Layout(view, {layer.out_channels}).then(0, chain), marks});
  return out;
}
inline std::vector<LayerTensor> tensors(const InputChannelParallelConv2d& layer, const View& view,
                                        const Options& options = {}) {
  const Index tensor = view.extent(tp);
  detail::throw_errors(diagnose(layer, tensor, options, Phase::build));
  std::vector<LayerTensor> out{
      {"weight", detail::kernel(layer, view).then(1, detail::cutting(layer).chain(tensor)), cut_marks(1, 1, tensor)}};
  if (layer.bias) out.push_back({"bias", Layout(view, {layer.out_channels}), {}});
  return out;
}

/// The image that a convolution makes of [N, C, H, W], all output channels. Errors SP-TENSOR-010 for an image that is
/// smaller than the kernel.
constexpr Shape convolved(const Convolution& layer, const Shape& image) {
  Shape out{image[0], layer.out_channels};
  for (std::size_t d = 0; d < 2; ++d) {
    const Index reach = layer.dilation[d] * (layer.kernel_size[d] - 1) + 1;
    const Index space = image[d + 2] + 2 * layer.padding[d] - reach;
    if (space < 0)
      fail("SP-TENSOR-010", concat("a kernel that reaches over ", reach, " elements does not fit an image of ", image));
    out.push_back(space / layer.stride[d] + 1);
  }
  return out;
}

}  // namespace shardplan::tensor
